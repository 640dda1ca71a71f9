#!/usr/bin/env python3
"""names_check.py - looking names up while the name server is slow, lies, refuses or is silent.

    names_check.py PROGRAM [NAME ...]

The server is the test's own, on port 53 of a machine of its own with a resolv.conf of its own. The
first part of a name says what its server does with it (KINDS); the rest makes it new.
"""

import collections
import os
import shutil
import socket
import struct
import tempfile
import threading
import time

from driving import (PATIENCE, case, enter_namespaces, expect, read_options, run_cases, sh,
                     wait_for)

A, AAAA, CNAME = 1, 28, 5
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
HOLE = "10.77.0.200"
NOWHERE = "fd00:99::1"


# --- the name server -------------------------------------------------------------------------------


class Question:
    def __init__(self, data):
        self.id, = struct.unpack("!H", data[:2])
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        self.name = ".".join(labels)
        self.type, = struct.unpack("!H", data[at + 1:at + 3])
        self.raw = data[12:at + 5]

    def answer(self, *addresses, code=NOERROR, cut=False, other_id=False, other_question=False,
               records=()):
        """One record for each address of the family that was asked for."""
        family = socket.AF_INET6 if self.type == AAAA else socket.AF_INET
        wanted = [a for a in addresses if (":" in a) == (self.type == AAAA)]
        records = [*records, *((self.type, socket.inet_pton(family, a)) for a in wanted)]
        flags = 0x8180 | code | (0x200 if cut else 0)
        number = self.id ^ 0x5555 if other_id else self.id
        question = b"\x05wrong\x04test\x00" + self.raw[-4:] if other_question else self.raw
        return struct.pack("!6H", number, flags, 1, len(records), 0, 0) + question + b"".join(
            struct.pack("!HHHIH", 0xC00C, type, 1, 60, len(data)) + data for type, data in records)


class NameServer:
    def __init__(self):
        self.asked = collections.Counter()  # by name and type
        self.held = collections.defaultdict(threading.Event)  # by name
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 53))
        self.tcp = socket.create_server(("127.0.0.1", 53), backlog=64)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            data, peer = self.udp.recvfrom(4096)
            question = Question(data)
            self.asked[question.name, question.type] += 1
            threading.Thread(target=self.answer, daemon=True,
                             args=(question, lambda reply, to=peer: self.udp.sendto(reply, to),
                                   False)).start()

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        stream = connection.makefile("rb")
        try:
            while size := stream.read(2):
                question = Question(stream.read(struct.unpack("!H", size)[0]))
                if question.name.startswith("shut-"):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
                    break
                self.answer(question, lambda reply: connection.sendall(
                    struct.pack("!H", len(reply)) + reply), True)
        except OSError:
            pass
        finally:
            stream.close()
            connection.close()

    def answer(self, question, reply, by_tcp):
        KINDS[question.name.split("-")[0]](self, question, reply, by_tcp)

    def times(self, name):
        return self.asked[name, A]


def held(server, question, reply, _by_tcp):
    server.held[question.name].wait(PATIENCE)
    reply(question.answer("127.0.0.1"))


def lies(_server, question, reply, _by_tcp):
    reply(question.answer("10.66.66.66", "fd00:66::1", other_id=True))
    reply(question.answer("10.66.66.66", "fd00:66::1", other_question=True))
    time.sleep(0.05)
    reply(question.answer("127.0.0.1"))


def large(_server, question, reply, by_tcp):
    """Many addresses, which only fit into an answer by TCP."""
    addresses = [f"127.1.{i // 200}.{i % 200 + 1}" for i in range(1200)]
    reply(question.answer(*addresses) if by_tcp else question.answer(*addresses[:20], cut=True))


def simply(*addresses, **more):
    return lambda _server, question, reply, _by_tcp: reply(question.answer(*addresses, **more))


def cut(_server, question, reply, by_tcp):
    reply(question.answer("127.0.0.1") if by_tcp else question.answer(cut=True))


KINDS = {
    "good": simply("127.0.0.1"),
    "held": held,
    "cut": cut,
    "shut": simply(cut=True),
    "large": large,
    "lies": lies,
    "liar": simply("10.66.66.66", other_id=True),
    "fails": simply(code=SERVFAIL),
    "refuses": simply(code=REFUSED),
    "nobody": simply(code=NXDOMAIN),
    "empty": simply(),
    "six": simply(NOWHERE),
    "both": simply("127.0.0.1", NOWHERE),
    "hole": simply(HOLE, "127.0.0.1"),
    "loop": simply(records=[(CNAME, b"\xc0\x0c")]),
    "junk": lambda _server, _question, reply, _by_tcp: reply(os.urandom(60)),
    "short": lambda _server, question, reply, _by_tcp: reply(question.answer("127.0.0.1")[:-2]),
    "silent": lambda *_: None,
}


# --- cases -----------------------------------------------------------------------------------------


def name(world, kind, more=""):
    return f"{kind}-{more}{world.backend}.test"


@case
def a_silent_server_ends_the_wait_after_five_seconds(world):
    a = world.driven()
    host = name(world, "silent")
    late, later = a.start("resolve", host), a.start("get", f"http://{host}/", 0, 0)
    a.do("connect", 1, host, 80, 300, 0, 0, code="ETIMEDOUT",
         texts=[f"timed out looking up {host}:80 after 300 ms"])
    cut_off = a.start("resolve", host)
    a.wait_ticks(10)
    expect(not late.done() and not later.done() and not cut_off.done())
    a.do("cancel", cut_off.number)
    a.end_of(cut_off, "ECANCELED")
    a.end_of(late, "ETIMEDOUT", "no answer for 5 s", host)
    a.end_of(later, "ETIMEDOUT", host)
    expect(a.look()["asked"] == 1, a.look())
    a.end()  # although a thread still waits for the server


@case
def names_that_nobody_answers_do_not_keep_others_waiting(world):
    a = world.driven()
    lost = [a.start("resolve", name(world, "silent", f"{i}-")) for i in range(12)]
    wait_for(lambda: a.look()["asked"] >= 4, "the first questions")
    a.do("resolve", name(world, "good", "beside-"), texts=["127.0.0.1:80"])
    expect(not any(future.done() for future in lost[:4]))
    for future in lost:
        a.end_of(future, "ETIMEDOUT", "no answer for 5 s")
    a.end()


@case
def answers_that_are_no_answers_end_in_time(world):
    a = world.driven()
    for future in [a.start("resolve", name(world, kind)) for kind in ("liar", "junk", "shut")]:
        a.end_of(future, ("ETIMEDOUT", "EHOSTUNREACH", "ENXIO"), future.words[1])
    a.end()


@case
def the_loop_goes_on_while_a_name_is_looked_up(world):
    a = world.driven()
    host = name(world, "held")
    waiting = a.start("resolve", host)
    wait_for(lambda: SERVER.times(host), "the question")
    a.wait_ticks(30)
    expect(not waiting.done())
    SERVER.held[host].set()
    a.end_of(waiting, "0", "127.0.0.1:80")
    a.end()


@case
def a_name_is_asked_once_however_many_want_it(world):
    a = world.driven()
    host = name(world, "good")
    begun = time.monotonic()
    for future in [a.start("resolve", host) for _ in range(100)]:
        a.end_of(future, "0", "127.0.0.1:80")
    a.do("resolve", host.upper(), texts=["127.0.0.1:80"])
    if time.monotonic() - begun < 25:  # kept for 30 s
        expect(SERVER.times(host) == 1, SERVER.times(host))
        seen = a.look()
        expect(seen["asked"] == 1 and seen["hits"] + seen["joined"] == 100, seen)
    a.end()


@case
def that_a_name_does_not_exist_is_remembered_too(world):
    a = world.driven()
    for kind, text in (("nobody", "does not exist"), ("empty", "has no address"),
                       ("fails", "name server"), ("refuses", "name server")):
        host = name(world, kind)
        code = "ENXIO" if kind in ("nobody", "empty") else "EHOSTUNREACH"
        a.do("resolve", host, code=code, texts=[text, host])
        times, begun = SERVER.times(host), time.monotonic()
        a.do("connect", 1, host, 80, 0, 0, 0, code=code, texts=[text, host])
        if time.monotonic() - begun < 4:  # kept for 5 s
            expect(SERVER.times(host) == times, kind, "was asked again")
    a.end()


@case
def a_cut_answer_is_asked_for_by_tcp(world):
    a = world.driven()
    expect(a.do("resolve", name(world, "cut"), texts=["127.0.0.1:80"]).count == 1)
    large_one = a.do("resolve", name(world, "large"))
    expect(large_one.count == 16, large_one)
    a.end()


@case
def a_wrong_answer_is_not_believed(world):
    a = world.driven()
    expect(a.do("resolve", name(world, "lies")).text.strip() == "127.0.0.1:80")
    a.do("resolve", name(world, "loop"), code=("ENXIO", "EHOSTUNREACH"))
    # glibc takes what is whole of an answer that ends early: here nothing.
    a.do("resolve", name(world, "short"), code=("ENXIO", "EHOSTUNREACH", "ETIMEDOUT"))
    a.end()


@case
def an_address_without_a_route_does_not_stand_in_the_way(world):
    a = world.driven()
    port = a.do("listen", 2, "127.0.0.1:0", 0, 0).count
    host = name(world, "six")
    a.do("resolve", host, texts=[f"[{NOWHERE}]:80"])
    a.do("connect", 1, host, port, 0, 0, 0, code="ENETUNREACH", texts=["no route to", host, NOWHERE])
    a.do("connect", 3, name(world, "both"), port, 0, 0, 0, texts=[f"127.0.0.1:{port}"])
    a.do("connect", 4, name(world, "hole"), port, 0, 0, 0, texts=[f"127.0.0.1:{port}"])
    a.do("close", 3)
    a.do("close", 4)
    a.end()


def own_machine():
    """Files below /etc as this test wants them, seen by nobody else; and a black hole."""
    folder = tempfile.mkdtemp(prefix="weir-names-")
    for path, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "127.0.0.1 localhost\n"),
                       ("nsswitch.conf", "hosts: files dns\n")):
        with open(os.path.join(folder, path), "w", encoding="ascii") as file:
            file.write(text)
        sh("mount", "--bind", os.path.join(folder, path), os.path.realpath(f"/etc/{path}"))
    shutil.rmtree(folder)  # the mounts keep the files
    for words in ("link set lo up", "link add net type veth peer name far",
                  "address add 10.77.0.1/24 dev net", "link set net up", "link set far up",
                  f"neigh add {HOLE} lladdr 02:00:00:00:00:01 dev net"):
        sh("ip", *words.split())


if __name__ == "__main__":
    read_options()
    enter_namespaces()
    own_machine()
    SERVER = NameServer()
    run_cases(20)
