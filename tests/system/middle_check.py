#!/usr/bin/env python3
"""middle_check.py - weir's connections, HTTP client and HTTP server through a hostile middle.

    middle_check.py PROGRAM [NAME ...]

The middle is a proxy of the test's own: it slices what passes down to single bytes, holds it back,
closes one half, falls silent, or resets after so many bytes. Each end gets the right bytes, or the
error that tells what happened; and lets go of everything.
"""

import atexit
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from driving import PATIENCE, Failed, case, expect, read_options, run_cases, wait_for

HERE = "127.0.0.1"


class Middle:
    """Passes connections on to a port. `rule(direction)` gives what is done with each direction:
    a generator that is told how many bytes have come, and says how many go on now, or one of STOP
    (no more, and no word), END (half-close), RESET, FLIP (a bit of the next byte)."""

    STOP, END, RESET, FLIP = "stop", "end", "reset", "flip"

    def __init__(self, port, forth=None, back=None):
        self.target = port
        self.rules = (forth, back)
        self.socket = socket.create_server((HERE, 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.create_connection((HERE, self.target), timeout=PATIENCE)
            self.open.append(Link(client, server, self.rules))

    def close(self):
        self.socket.close()
        for link in self.open:
            link.ended.set()


class Link:
    """One connection through the middle: a thread for each direction. Both look up every few
    milliseconds, since a socket that one of them waits in is not reset by closing it."""

    def __init__(self, client, server, rules):
        self.ended = threading.Event()
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.setblocking(False)
        ways = [(rules[0] or passing, client, server), (rules[1] or passing, server, client)]
        self.threads = [threading.Thread(target=self.move, args=way, daemon=True) for way in ways]
        for thread in self.threads:
            thread.start()
        threading.Thread(target=self.end, args=(client, server), daemon=True).start()

    def end(self, *sockets):
        for thread in self.threads:
            thread.join()
        for each in sockets:
            if self.ended.is_set():
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()

    def wait(self, end, for_what):
        poll = select.poll()
        poll.register(end, for_what)
        while not poll.poll(5):
            if self.ended.is_set():
                raise ConnectionAbortedError

    def send_all(self, to, data):
        while data:
            self.wait(to, select.POLLOUT)
            data = data[to.send(data):]

    def move(self, rule, a, b):
        try:
            steps = rule()
            next(steps)
            while not self.ended.is_set():
                self.wait(a, select.POLLIN)
                data = a.recv(65536)
                if not data:
                    b.shutdown(socket.SHUT_WR)
                    return
                while data:
                    step = steps.send(len(data))
                    if step == Middle.STOP:
                        self.ended.wait()
                        return
                    if step == Middle.END:
                        b.shutdown(socket.SHUT_WR)
                        self.ended.wait()
                        return
                    if step == Middle.RESET:
                        self.ended.set()
                        return
                    if step == Middle.FLIP:
                        data = bytes([data[0] ^ 4]) + data[1:]
                        continue
                    self.send_all(b, data[:step])
                    data = data[step:]
        except ConnectionError:
            self.ended.set()
        except OSError:  # it is gone already
            pass


def passing():
    come = yield
    while True:
        come = yield come


def sliced(size):
    def rule():
        yield
        while True:
            yield size
    return rule


def at_random(seed, most, pause=0.0):
    def rule():
        draw = random.Random(seed)
        come = yield
        while True:
            if pause and draw.random() < 0.1:
                time.sleep(draw.random() * pause)
            come = yield min(come, draw.randint(1, most))
    return rule


def flipped(count):
    """A bit is changed after so many bytes; everything passes."""
    def rule():
        left = count
        come = yield
        while left > 0:
            step = min(come, left)
            left -= step
            come = yield step
        come = yield Middle.FLIP
        while True:
            come = yield come
    return rule


def until(count, then):
    """So many bytes pass, then that."""
    def rule():
        left = count
        come = yield
        while left > 0:
            step = min(come, left)
            left -= step
            come = yield step
        while True:
            yield then
    return rule


def pair(world, server_ms=0):
    """Two programs, client and server; the server's HTTP is served."""
    client, server = world.driven(), world.driven(server_ms=server_ms)
    return client, server, server.do("serve", f"{HERE}:0").count


def end_all(world, *programs):
    for program in programs:
        for place in range(1, 6):
            program.do("close", place)
    for thing in world.things:
        if isinstance(thing, Middle):
            thing.close()
    for program in programs:
        wait_for(lambda program=program: program.look()["conns"] == 0, "the server to let go")
        program.end()


@case
def http_in_single_bytes_is_the_same_http(world):
    client, server, port = pair(world)
    middle = world.keep(Middle(port, sliced(1), sliced(1)))
    url = f"http://{HERE}:{middle.port}"
    gets = [client.start("get", f"{url}{path}", 0, body) for path, body in
            (("/bytes/0", 0), ("/bytes/1", 0), ("/bytes/3000", 0), ("/stream/2500", 0),
             ("/echo", 3000), ("/stream/0", 0))]
    for future, size in zip(gets, (0, 1, 3000, 2500, 3000, 0)):
        expect(client.end_of(future, "0", "200").count == size, future.words)
    client.do("get", f"{url}/nothing", 0, 0, texts=["404"])
    expect(client.look()["reused"] >= 1)
    end_all(world, client, server)


@case
def http_in_random_pieces_is_the_same_http(world):
    client, server, port = pair(world)
    middle = world.keep(Middle(port, at_random(1, 9000, 0.003), at_random(2, 9000, 0.003)))
    url = f"http://{HERE}:{middle.port}"
    gets = [client.start("get", f"{url}/{kind}/{size}", 0, 0) for kind in ("bytes", "stream")
            for size in (100, 70000, 1000000)]
    gets += [client.start("get", f"{url}/echo", 0, size) for size in (1, 65536, 700000)]
    for future in gets:
        size = future.words[3] or int(future.words[1].rsplit("/", 1)[1])
        expect(client.end_of(future, "0", "200").count == size, future.words)
    end_all(world, client, server)


@case
def an_answer_that_is_reset_anywhere_is_an_error(world):
    client, server, port = pair(world)
    whole = 40000  # of the body; the head comes before
    for count in (0, 1, 17, 60, 90, 200, 1000, 30000):
        middle = world.keep(Middle(port, None, until(count, Middle.RESET)))
        url = f"http://{HERE}:{middle.port}"
        for path in (f"/bytes/{whole}", f"/stream/{whole}"):
            client.do("get", url + path, 0, 0, code=("ECONNRESET", "EPIPE", "EPROTO"),
                      texts=[str(middle.port)])
    end_all(world, client, server)


@case
def an_answer_that_ends_half_way_is_an_error(world):
    client, server, port = pair(world)
    for count in (0, 1, 40, 100, 1000, 30000):
        middle = world.keep(Middle(port, None, until(count, Middle.END)))
        url = f"http://{HERE}:{middle.port}"
        for path in ("/bytes/40000", "/stream/40000"):
            answer = client.do("get", url + path, 0, 0, code=("EPIPE", "EPROTO", "ECONNRESET"))
            expect(str(middle.port) in answer.text, answer)
    end_all(world, client, server)


@case
def an_answer_that_stops_half_way_ends_at_the_limit(world):
    client, server, port = pair(world)
    for count in (0, 50, 20000):
        middle = world.keep(Middle(port, None, until(count, Middle.STOP)))
        client.do("get", f"http://{HERE}:{middle.port}/bytes/40000", 250, 0, code="ETIMEDOUT",
                  texts=["250 ms", str(middle.port)])
    end_all(world, client, server)


@case
def a_request_that_is_cut_stalls_or_resets_is_let_go(world):
    client, server, port = pair(world, server_ms=500)
    for count in (0, 3, 30, 130, 5000):
        for then, codes in ((Middle.RESET, ("ECONNRESET", "EPIPE", "EPROTO")),
                            (Middle.END, ("0", "ECONNRESET", "EPIPE", "EPROTO")),
                            (Middle.STOP, ("0", "ECONNRESET", "EPIPE", "EPROTO", "ETIMEDOUT"))):
            middle = world.keep(Middle(port, until(count, then), None))
            future = client.start("get", f"http://{HERE}:{middle.port}/echo", 3000, 200000)
            future.codes = codes
            future.then = then
            world.keep(Later(client, future))
    for thing in [thing for thing in world.things if isinstance(thing, Later)]:
        answer = client.end_of(thing.future, thing.future.codes)
        if answer.code == "0":  # the server has said what is wrong
            expect(answer.text in ("400", "408"), thing.future.then, answer)
    end_all(world, client, server)


class Later:
    def __init__(self, program, future):
        self.program, self.future = program, future

    def close(self):
        pass


@case
def a_connection_in_pieces_loses_and_adds_nothing(world):
    client, server, _ = pair(world)
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    middle = world.keep(Middle(port, at_random(3, 5000, 0.002), at_random(4, 5000, 0.002)))
    accepted = server.start("accept", 2, 1)
    client.do("connect", 1, HERE, middle.port, 0, 0, 0)
    server.end_of(accepted)
    total = 3 << 20
    back, forth = client.start("recv", 1, 0), server.start("echo", 1)
    client.do("send", 1, total)
    client.do("finish", 1)
    expect(client.end_of(back).count == total)
    expect(server.end_of(forth).count == total)
    end_all(world, client, server)


@case
def a_connection_that_is_reset_in_the_middle_says_so_on_both_sides(world):
    client, server, _ = pair(world)
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    middle = world.keep(Middle(port, until(100000, Middle.RESET), None))
    accepted = server.start("accept", 2, 1)
    client.do("connect", 1, HERE, middle.port, 0, 0, 0)
    server.end_of(accepted)
    reading, writing = server.start("recv", 1, 0), client.start("send", 1, 50 << 20)
    client.end_of(writing, ("ECONNRESET", "EPIPE"), str(middle.port))
    expect(server.end_of(reading, "ECONNRESET", "reset by").count <= 100000)
    client.do("recv", 1, 0, code=("ECONNRESET", "0"))
    end_all(world, client, server)


@case
def each_half_of_a_connection_ends_by_itself(world):
    client, server, _ = pair(world)
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    middle = world.keep(Middle(port, until(1000, Middle.END), None))
    accepted = server.start("accept", 2, 1)
    client.do("connect", 1, HERE, middle.port, 0, 0, 0)
    server.end_of(accepted)
    client.do("send", 1, 2000)
    expect(server.do("recv", 1, 0).count == 1000)
    server.do("send", 1, 200000)  # the other half goes on
    server.do("finish", 1)
    expect(client.do("recv", 1, 0).count == 200000)
    end_all(world, client, server)


@case
def a_middle_that_takes_nothing_more_ends_a_write_at_its_limit(world):
    client, server, _ = pair(world)
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    middle = world.keep(Middle(port, until(1000, Middle.STOP), None))
    accepted = server.start("accept", 2, 1)
    client.do("connect", 1, HERE, middle.port, 0, 0, 400)
    server.end_of(accepted)
    server.do("limits", 1, 300, 300)
    client.do("send", 1, 64 << 20, code="ETIMEDOUT", texts=["no byte for 400 ms to"])
    server.do("recv", 1, 2000, code="ETIMEDOUT", texts=["no byte for 300 ms from"])
    end_all(world, client, server)


def secure_pair(world, forth, back, limit_ms=20000):
    """Two programs with TLS between them, through the middle: both handshakes, begun."""
    client, server = world.driven(), world.driven()
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    middle = world.keep(Middle(port, forth, back))
    accepted = server.start("accept", 2, 1)
    client.do("connect", 1, HERE, middle.port, 0, 0, 0)
    server.end_of(accepted)
    return client, server, *(program.start("secure", 1, role, *certificate(), limit_ms)
                             for program, role in ((client, "client"), (server, "server")))


LOCK = threading.Lock()


def certificate():
    """For localhost, signed by itself: files of the certificate and its key; both are made once."""
    files = [os.path.join(FOLDER.name, name) for name in ("chain.pem", "key.pem")]
    with LOCK:
        if not os.path.exists(files[0]):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-out", files[0], "-keyout", files[1], "-days",
                 "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                check=True, capture_output=True, timeout=PATIENCE)
    return files


def tls_case(function):
    """Left out where weir is built without TLS, or there is no openssl(1)."""
    def run(world):
        if shutil.which("openssl") is None:
            return
        probe = world.driven()
        try:
            probe.do("secure", 1, "client", "/nowhere", "/nowhere", 0, code="EOPNOTSUPP")
        except Failed:
            function(world)

    run.__name__ = function.__name__
    return case(run)


# What a handshake or a connection can end with that somebody has cut. That it was cut is always told.
CUT = ("ECONNRESET", "EPIPE", "EPROTO", "ETIMEDOUT", "ECONNABORTED")


@tls_case
def tls_in_pieces_is_the_same_tls(world):
    for rules in ((sliced(1), sliced(1)),
                  (at_random(5, 3000, 0.002), at_random(6, 3000, 0.002))):
        client, server, one, other = secure_pair(world, *rules)
        client.end_of(one)
        server.end_of(other)
        total = 5000 if rules[0].__qualname__.startswith("sliced") else 400000
        forth, back = server.start("echo", 1), client.start("recv", 1, 0)
        client.do("send", 1, total)
        client.do("finish", 1)
        expect(client.end_of(back).count == total)
        server.end_of(forth)
        end_all(world, client, server)


@tls_case
def a_handshake_that_is_cut_anywhere_is_an_error(world):
    for count in (0, 3, 100, 300, 700):
        for then in (Middle.RESET, Middle.END, Middle.STOP):
            # What the server says is cut: the client never gets to the end of its handshake.
            client, server, one, other = secure_pair(world, None, until(count, then), 300)
            client.end_of(one, CUT)
            client.do("close", 1)
            server.end_of(other, ("0", *CUT))
            end_all(world, client, server)


@tls_case
def tls_that_ends_without_its_own_end_is_no_end(world):
    # The end of TCP behind whole records, and in the middle of one: neither is the end of the bytes.
    for count in (8000, 8123):
        client, server, one, other = secure_pair(world, None, until(count, Middle.END))
        client.end_of(one)
        server.end_of(other)
        sent = server.start("send", 1, 100000)
        got = client.do("recv", 1, 0, code="EPROTO", texts=["cut off"])
        expect(got.count < 100000, got)
        server.end_of(sent, ("0", *CUT))
        end_all(world, client, server)


@tls_case
def a_bit_that_is_changed_on_the_way_is_an_error(world):
    for count in (20, 300, 3000, 20000):  # in the hello, in the handshake, in the bytes
        client, server, one, other = secure_pair(world, None, flipped(count))
        if client.end_of(one, ("0", *CUT, "EKEYREJECTED", "EPROTONOSUPPORT")).code == "0":
            server.end_of(other, ("0", *CUT))
            sent = server.start("send", 1, 100000)
            got = client.do("recv", 1, 100000, code=("EPROTO", "ECONNABORTED"))
            expect(got.count < count, got)
            client.do("close", 1)
            server.end_of(sent, ("0", *CUT))
        else:
            expect(count < 3000, "a handshake has been disturbed by what came after it")
            client.do("close", 1)
            server.end_of(other, ("0", *CUT))
        end_all(world, client, server)


if __name__ == "__main__":
    read_options()
    FOLDER = tempfile.TemporaryDirectory(prefix="weir-middle-")
    atexit.register(FOLDER.cleanup)
    run_cases(6)
