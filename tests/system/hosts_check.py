#!/usr/bin/env python3
"""hosts_check.py - two hosts and the link between them: it goes down, or one of them is gone.

    hosts_check.py PROGRAM [NAME ...]

Hosts are network namespaces with a veth pair, in a machine of the test's own. Rules O1 to O5 of
docs/concurrency-rules.md: no wait is endless, each ends with the error that tells what happened.
"""

import itertools

from driving import (Host, case, enter_namespaces, expect, read_options, run_cases, sh, wait_for)

LINKS = itertools.count(1)


class Pair:
    """Hosts a and b: 10.N.N.1 and 10.N.N.2."""

    def __init__(self, world):
        self.number = next(LINKS)
        self.a, self.b = world.keep(Host()), world.keep(Host())
        self.a_address, self.b_address = (f"10.77.{self.number}.{host}" for host in (1, 2))
        self.link(self.b)
        self.a.ip(f"address add {self.a_address}/24 dev net", "link set net up")
        self.wait_up()

    def link(self, b):
        name = f"weir{self.number}"
        sh("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        sh("ip", "link", "set", f"{name}a", "netns", str(self.a.holder.pid), "name", "net")
        sh("ip", "link", "set", f"{name}b", "netns", str(b.holder.pid), "name", "net")
        b.ip(f"address add {self.b_address}/24 dev net", "link set net up")

    def wait_up(self):
        wait_for(lambda: "LOWER_UP" in sh(*self.a.inside, "ip", "link", "show", "net"), "the link")


def talk(world, server_on_b=True, read=-1, write=-1):
    """A program on each host, and a connection between them: place 1 on both. Limits are a's."""
    pair = Pair(world)
    a, b = world.driven(pair.a.inside), world.driven(pair.b.inside)
    server, client = (b, a) if server_on_b else (a, b)
    server_address, limits = ((pair.b_address, (-1, -1)) if server_on_b
                              else (pair.a_address, (read, write)))
    port = server.do("listen", 2, f"{server_address}:0", *limits).count
    accepted = server.start("accept", 2, 1)
    limits = (read, write) if server_on_b else (-1, -1)
    client.do("connect", 1, server_address, port, 0, *limits)
    server.end_of(accepted)
    return pair, a, b


def end_well(program):
    program.do("close", 1)
    program.do("close", 2)
    program.wait_descriptors()
    program.end()


# The slowest first: all that follow run beside them.


@case
def the_default_limit_of_a_silent_read_is_ten_seconds(world):
    pair, a, b = talk(world, read=0)
    waiting = a.start("recv", 1, 1)
    pair.b.ip("link set net down")
    a.end_of(waiting, "ETIMEDOUT", "no byte for 10 s from")
    end_well(a)
    b.kill()


@case
def a_connect_into_a_black_hole_ends_at_its_deadline(world):
    pair = Pair(world)
    a = world.driven(pair.a.inside)
    hole = f"10.77.{pair.number}.200"
    pair.a.ip(f"neigh add {hole} lladdr 02:00:00:00:00:01 dev net")
    cut = a.start("connect", 3, hole, 80, -1, 0, 0)  # no limit: only somebody else can end it
    late = a.start("connect", 4, hole, 80, 0, 0, 0)  # the default: 5 s
    a.do("connect", 1, hole, 80, 300, 0, 0, code="ETIMEDOUT",
         texts=[f"timed out connecting to {hole}:80 after 300 ms"])
    a.do("get", f"http://{hole}/", 300, 0, code="ETIMEDOUT", texts=["300 ms"])
    expect(not cut.done() and not late.done())
    a.do("cancel", cut.number)
    a.end_of(cut, "ECANCELED")
    a.end_of(late, "ETIMEDOUT", "after 5 s")
    end_well(a)


@case
def a_link_that_comes_back_costs_no_byte(world):
    pair, a, b = talk(world)
    total = 4 << 20
    there, back = b.start("echo", 1), a.start("recv", 1, total)
    a.do("send", 1, 1000)
    sent = a.start("send", 1, total - 1000)
    pair.b.ip("link set net down")
    a.wait_ticks(20)
    b.wait_ticks(20)
    pair.b.ip("link set net up")
    a.end_of(sent)
    expect(a.end_of(back).count == total)
    a.do("finish", 1)
    expect(b.end_of(there).count == total)
    a.do("recv", 1, 0)
    end_well(a)
    end_well(b)


@case
def while_the_link_is_down_limits_hold(world):
    pair, a, b = talk(world, read=400, write=400)
    b.do("send", 1, 10)
    a.do("recv", 1, 10)
    pair.b.ip("link set net down")
    a.do("recv", 1, 1, code="ETIMEDOUT", texts=["no byte for 400 ms from", pair.b_address])
    a.do("send", 1, 64 << 20, code="ETIMEDOUT", texts=["no byte for 400 ms to"])
    a.do("sleep", 1)
    end_well(a)
    pair.b.ip("link set net up")  # the close of a comes through at last, or its reset
    b.do("recv", 1, 0, code=("0", "ECONNRESET"))
    end_well(b)


@case
def a_client_that_waits_hears_that_its_server_has_vanished(world):
    pair, a, b = talk(world)
    a.do("tune", 1, 1, 1, 2, 2000)
    waiting = a.start("recv", 1, 0)
    pair.b.ip("link set net down")
    a.end_of(waiting, "ETIMEDOUT", "is gone", pair.b_address)
    a.do("send", 1, 1, code=("EPIPE", "ETIMEDOUT"))
    end_well(a)
    b.kill()


@case
def a_server_that_waits_hears_that_its_client_has_vanished(world):
    pair, a, b = talk(world, server_on_b=False)
    a.do("tune", 1, 1, 1, 2, 2000)
    waiting = a.start("recv", 1, 0)
    pair.b.ip("link set net down")
    b.kill()
    pair.a.ip("link delete net")  # and then the whole link is gone
    a.end_of(waiting, ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"), pair.b_address)
    end_well(a)


@case
def bytes_that_nobody_acknowledges_end_the_connection(world):
    pair, a, b = talk(world)
    a.do("tune", 1, 30, 10, 3, 800)
    waiting = a.start("recv", 1, 0)
    pair.b.ip("link set net down")
    a.do("send", 1, 100)  # the kernel takes them
    a.end_of(waiting, "ETIMEDOUT", "is gone", pair.b_address)
    end_well(a)
    b.kill()


@case
def a_writer_hears_that_its_reader_has_vanished(world):
    pair, a, b = talk(world)
    a.do("tune", 1, 30, 10, 3, 800)
    pair.b.ip("link set net down")
    a.do("send", 1, 64 << 20, code="ETIMEDOUT", texts=["is gone", pair.b_address])
    end_well(a)
    b.kill()


@case
def a_host_that_comes_back_without_its_memory_resets(world):
    pair, a, b = talk(world)
    b.do("send", 1, 10)
    a.do("recv", 1, 10)
    pair.b.ip("link set net down")
    b.kill()  # its words do not get through
    pair.b.close()
    pair.a.ip("link delete net")  # the old namespace stays for as long as its kernel has bytes
    pair.b = world.keep(Host())
    pair.link(pair.b)
    pair.a.ip(f"address add {pair.a_address}/24 dev net", "link set net up")
    pair.wait_up()
    waiting = a.start("recv", 1, 0)
    a.do("send", 1, 1, code=("0", "EPIPE", "ECONNRESET"))
    a.end_of(waiting, "ECONNRESET", "reset by", pair.b_address)
    end_well(a)


@case
def a_program_that_is_killed_over_there_is_told_at_once(world):
    pair, a, b = talk(world)
    b.do("send", 1, 5)
    waiting = a.start("recv", 1, 0)
    b.kill()
    expect(a.end_of(waiting, ("0", "ECONNRESET")).count == 5)
    a.do("send", 1, 1, code=("0", "EPIPE", "ECONNRESET"))
    a.do("connect", 3, pair.b_address, 9, 0, 0, 0, code="ECONNREFUSED",
         texts=[f"refused by {pair.b_address}:9"])
    end_well(a)


@case
def a_place_without_a_route_is_told_at_once(world):
    pair = Pair(world)
    a = world.driven(pair.a.inside)
    pair.a.ip("route add unreachable 10.88.1.0/24", "route add prohibit 10.88.2.0/24",
              "route add blackhole 10.88.3.0/24")
    long = a.start("sleep", 120000)
    for host, code, text in (("10.99.0.1", "ENETUNREACH", "no route to 10.99.0.1:80"),
                             ("fd00:99::1", "ENETUNREACH", "no route to [fd00:99::1]:80"),
                             ("10.88.1.1", "EHOSTUNREACH", "no route to 10.88.1.1:80"),
                             ("10.88.2.1", "EACCES", "10.88.2.1:80"),
                             ("10.88.3.1", "EINVAL", "10.88.3.1:80")):
        a.do("connect", 1, host, 80, 60000, 0, 0, code=code, texts=[text])
    # Nobody answers there for the address: the kernel gives up after three questions of a second.
    a.do("connect", 1, f"10.77.{pair.number}.9", 80, 60000, 0, 0, code="EHOSTUNREACH",
         texts=["no route to"])
    a.do("get", "http://10.99.0.1/", 60000, 0, code="ENETUNREACH", texts=["no route"])
    expect(not long.done())
    a.do("cancel", long.number)
    a.end_of(long, "ECANCELED")
    end_well(a)


@case
def an_http_server_lets_go_of_clients_that_vanish(world):
    pair = Pair(world)
    a, b = world.driven(pair.a.inside, server_ms=600), world.driven(pair.b.inside)
    port = a.do("serve", f"{pair.a_address}:0").count
    url = f"http://{pair.a_address}:{port}"
    expect(b.do("get", f"{url}/bytes/100000", 0, 0).count == 100000)
    for place in range(10, 20):
        b.do("connect", place, pair.a_address, port, 0, 0, 0)
    for place in range(10, 14):  # ask, and do not read; the other six never say anything
        b.do("ask", place, "/stream/50000000")
    wait_for(lambda: a.look()["accepted"] >= 11, "the server to have the connections")
    pair.b.ip("link set net down")
    wait_for(lambda: a.look()["conns"] == 0, "the server to let go")
    expect(a.look()["in_flight"] == 0)
    b.kill()
    a.end()


@case
def an_http_client_whose_server_vanishes_ends_in_time(world):
    pair = Pair(world)
    a, b = world.driven(pair.a.inside), world.driven(pair.b.inside)
    url = f"http://{pair.b_address}:" + str(b.do("serve", f"{pair.b_address}:0").count)
    expect(a.do("get", f"{url}/bytes/1000", 0, 0).count == 1000)
    waiting = [a.start("get", f"{url}/slow/60000", total, 0) for total in (1500, 2000)]
    wait_for(lambda: b.look()["in_flight"] == 2 or waiting[0].done(), "the requests to be there")
    pair.b.ip("link set net down")
    a.end_of(waiting[0], "ETIMEDOUT")
    a.end_of(waiting[1], "ETIMEDOUT")
    pair.b.ip("link set net up")  # and the next one goes through, on whatever connection
    expect(a.do("get", f"{url}/bytes/1000", 0, 0).count == 1000)
    a.end()
    b.end()


if __name__ == "__main__":
    read_options()
    enter_namespaces()
    run_cases()
