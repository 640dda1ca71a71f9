#!/usr/bin/env python3
"""shortage_check.py - without io_uring, and without descriptors.

    shortage_check.py PROGRAM [--without-uring RUNNER] [--service LINKCHECK] [NAME ...]

A service that may not use io_uring starts, and says so in one sentence. A server that has no
descriptor left waits: it does not spin, it serves those whom it has, and it recovers.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

from driving import (Driven, Failed, case, expect, read_options, run_cases, wait_for)

HERE = "127.0.0.1"
FILES = 48


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def calls_meanwhile(pid, seconds):
    """System calls that all threads of a process make, as strace counts them; None: it may not."""
    if shutil.which("strace") is None:
        return None
    done = subprocess.run(["timeout", "-s", "INT", str(seconds), "strace", "-c", "-f", "-p", str(pid)],
                          capture_output=True, text=True, check=False)
    found = re.search(r"^100\.00\s.*?(\d+)(?:\s+\d+)?\s+total$", done.stderr, re.M)
    return int(found.group(1)) if found else None


@case
def a_server_without_descriptors_waits_and_recovers(world):
    server = world.driven(files=FILES)
    port = server.do("listen", 2, f"{HERE}:0", 0, 0).count
    accepting = server.start("crowd", 2)
    crowd = [socket.create_connection((HERE, port), timeout=60) for _ in range(3 * FILES)]
    try:
        served = crowd[0]
        served.sendall(b"one")
        expect(served.recv(3) == b"one")
        wait_for(lambda: server.do("listener", 2).count >= 2, "the shortage")
        used, begun, before = cpu_seconds(server.process.pid), time.monotonic(), \
            server.do("listener", 2).count
        calls = calls_meanwhile(server.process.pid, 1)
        server.wait_ticks(60)
        took = time.monotonic() - begun
        # Ratios: a machine that stalls makes them smaller.
        expect(server.do("listener", 2).count - before <= took / 0.05 + 2, "it tries too often")
        expect(cpu_seconds(server.process.pid) - used <= 0.25 * took + 0.05, "it spins")
        # The task that ticks, the tries to accept, and the commands above: hundreds a second.
        expect(calls is None or calls < 3000, "system calls in a second:", calls)
        served.sendall(b"two")  # who is in is served
        expect(served.recv(3) == b"two")
        for connection in crowd[1:-10]:  # room again: those who waited come in
            connection.close()
        crowd[-1].sendall(b"late")
        crowd[-1].settimeout(60)
        expect(crowd[-1].recv(4) == b"late")
        expect(not accepting.done())
    finally:
        for connection in crowd:
            connection.close()
    wait_for(lambda: server.look()["fds"] <= server.descriptors + 1, "connections to be closed")
    tried = server.do("listener", 2).count
    server.wait_ticks(30)
    expect(server.do("listener", 2).count == tried, "it has descriptors, and still complains")
    server.do("close", 2)
    server.end_of(accepting, "EBADF")
    server.end()


@case
def an_http_server_without_descriptors_makes_room(world):
    server = world.driven(files=FILES)
    port = server.do("serve", f"{HERE}:0").count
    crowd = [socket.create_connection((HERE, port), timeout=60) for _ in range(3 * FILES)]
    try:
        used, begun = cpu_seconds(server.process.pid), time.monotonic()
        for _ in range(3):  # silent connections give way
            with urllib.request.urlopen(f"http://{HERE}:{port}/bytes/100", timeout=60) as answer:
                expect(len(answer.read()) == 100)
        server.wait_ticks(40)
        took = time.monotonic() - begun
        expect(cpu_seconds(server.process.pid) - used <= 0.25 * took + 0.1, "it spins")
    finally:
        for connection in crowd:
            connection.close()
    wait_for(lambda: server.look()["conns"] == 0, "connections to be closed")
    server.end()


@case
def a_client_without_descriptors_is_told(world):
    client = world.driven(files=FILES)
    with socket.create_server((HERE, 0), backlog=256) as peer:
        port = peer.getsockname()[1]
        answers = []
        for place in range(1, 2 * FILES):
            answer = client.end_of(client.start("connect", place, HERE, port, 0, 0, 0),
                                   ("0", "EMFILE"))
            answers.append(answer.code)
            if answer.code == "EMFILE":
                expect(str(port) in answer.text, answer)
        expect("EMFILE" in answers and "0" in answers, answers)
        for place in range(1, 2 * FILES):
            client.do("close", place)
        client.do("connect", 1, HERE, port, 0, 0, 0)
        client.do("close", 1)
    client.wait_descriptors()
    client.end()


def without_uring(command):
    if OPTIONS.without_uring is None:
        raise Failed("--without-uring is needed")
    return [OPTIONS.without_uring, *command]


def one_sentence(text):
    lines = [line for line in text.splitlines() if "io_uring" in line]
    expect(len(lines) == 1, "not one sentence:", text)
    expect("io_uring is denied (EPERM)" in lines[0] and "epoll is used" in lines[0], lines)


@case
def a_program_that_may_not_use_uring_says_so_once_and_works(world):
    if world.backend == "uring":  # asked for by name: an error, in one sentence as well
        done = subprocess.run(without_uring([OPTIONS.program, "unix:/nowhere"]), text=True,
                              capture_output=True, env=dict(os.environ, WEIR_BACKEND="uring"),
                              timeout=60, check=False)
        expect(done.returncode == 1 and "EPERM" in done.stderr and "uring" in done.stderr, done)
        return
    program = world.keep(Driven(None, inside=[OPTIONS.without_uring], debug=True))
    port = program.do("serve", f"{HERE}:0").count
    expect(program.do("get", f"http://{HERE}:{port}/stream/100000", 0, 0).count == 100000)
    program.do("resolve", "localhost")
    wait_for(lambda: "io_uring" in program.errors(), "the log's own thread")
    one_sentence(program.errors())
    program.end()


@case
def a_service_that_may_not_use_uring_says_so_once_and_serves(world):
    if OPTIONS.service is None or world.backend == "uring":
        return
    folder = tempfile.mkdtemp(prefix="weir-shortage-")
    log_path = os.path.join(folder, "log")
    with open(log_path, "wb") as log:
        service = subprocess.Popen(
            without_uring([OPTIONS.service, "--listen", f"{HERE}:0", "--data", folder]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def read():
        with open(log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    try:
        def port():
            expect(service.poll() is None, "the service ended:", read())
            found = re.search(r"http://127\.0\.0\.1:(\d+)", read())
            return found and int(found.group(1))

        url = f"http://{HERE}:{wait_for(port, 'the start-up line')}"
        with urllib.request.urlopen(f"{url}/readyz", timeout=60) as answer:
            expect(answer.status == 200)
        request = urllib.request.Request(f"{url}/checks", json.dumps({"urls": [f"{url}/livez"]}).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            check = json.load(answer)["id"]

        def done():
            with urllib.request.urlopen(f"{url}/checks/{check}", timeout=60) as answer:
                return json.load(answer)["status"] == "done"

        wait_for(done, "the check")
        service.terminate()
        expect(service.wait(60) == 0, read())
        one_sentence(read())
    finally:
        if service.poll() is None:
            service.kill()
            service.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    OPTIONS = read_options()
    run_cases(6)
