#!/usr/bin/env python3
"""linkcheck_check.py - the reference service, tried as its users would, with real peers on loopback.

    linkcheck_check.py PROGRAM [--backend uring|epoll] [--kills N] [NAME ...]

Starts the service for each case, with nginx and a handful of misbehaving servers as peers, and closes
with a line `N passed, N failed`. NAME picks cases by parts of their names.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = "127.0.0.1"
# Limits of time stand between what should happen at once and what would take half a minute: a
# machine that many share stalls for seconds.
SLOW = 5


class Failed(Exception):
    pass


def expect(held, *what):
    if not held:
        raise Failed(" ".join(str(w) for w in what))


# --- peers -------------------------------------------------------------------------------------------


class Peer:
    """A TCP server on a free port; `serve(connection)` runs in a thread for each connection."""

    def __init__(self, serve):
        self.socket = socket.create_server((HERE, 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.serve = serve
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass

    def url(self, path="/"):
        return f"http://{HERE}:{self.port}{path}"

    def close(self):
        self.socket.close()
        for connection in self.open:
            connection.close()


def read_head(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return data
        data += piece
    return data


def silent(connection):
    while connection.recv(4096):
        pass


def dripping(connection):
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b".")
        time.sleep(1)


def garbage(connection):
    read_head(connection)
    connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    connection.close()


def half_way(connection):
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this much")
    connection.close()


def large(connection):
    read_head(connection)
    size = 50 * 1024 * 1024
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    piece = b"x" * (256 * 1024)
    for _ in range(size // len(piece)):
        connection.sendall(piece)


def status(code, reason):
    def serve(connection):
        while read_head(connection):
            connection.sendall(f"HTTP/1.1 {code} {reason}\r\nContent-Length: 2\r\n\r\nno".encode())

    return serve


def slow_answer(seconds):
    def serve(connection):
        while read_head(connection):
            time.sleep(seconds)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    return serve


def refused_port():
    with socket.create_server((HERE, 0)) as probe:
        return probe.getsockname()[1]


class Nginx:
    """200 pages and more, as most of the web would serve them."""

    def __init__(self, pages=200):
        self.folder = tempfile.mkdtemp(prefix="weir-nginx-")
        root = os.path.join(self.folder, "pages")
        os.mkdir(root)
        for i in range(pages):
            with open(os.path.join(root, f"page{i}.html"), "w") as page:
                page.write(f"<title>{i}</title>" + "x" * (100 + 37 * i))
        os.chmod(self.folder, 0o755)
        self.port = refused_port()
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w") as out:
            out.write(
                f"""daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {self.folder}; proxy_temp_path {self.folder};
 fastcgi_temp_path {self.folder}; uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder};
 server {{ listen {HERE}:{self.port} backlog=4096; root {root}; }} }}
"""
            )
        self.process = subprocess.Popen(
            ["nginx", "-c", config, "-p", self.folder], stderr=subprocess.DEVNULL
        )
        wait_for(lambda: can_connect(self.port), 10, "nginx to listen")

    def url(self, i):
        return f"http://{HERE}:{self.port}/page{i}.html"

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def can_connect(port):
    try:
        socket.create_connection((HERE, port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise Failed(f"waited {seconds * SLOW} s in vain for {what}")


# --- the service ---------------------------------------------------------------------------------------


class Service:
    def __init__(self, *options, data=None, files=None, environment=None):
        self.folder = data or tempfile.mkdtemp(prefix="weir-linkcheck-")
        self.keep = data is not None
        self.log_path = tempfile.mktemp(prefix="weir-log-")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--listen", f"{HERE}:0", "--data", self.folder, *BACKEND, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))),
            )
        try:
            self.port = wait_for(self.find_port, 20, "the start-up line")
        except Failed as failed:
            raise Failed(f"{failed}\n{self.log()}")

    def find_port(self):
        if self.process.poll() is not None:
            raise Failed(f"the service ended with {self.process.returncode}:\n{self.log()}")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log())
        return found and int(found.group(1))

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def call(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection(HERE, self.port, timeout=timeout * SLOW)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        return response.status, response.headers, data

    def json(self, method, path, body=None, want=200, **more):
        code, headers, data = self.call(method, path, body, **more)
        expect(code == want, method, path, "gave", code, "not", want, data[:500])
        return json.loads(data)

    def start(self, urls, timeout_ms=10000, concurrency=32):
        return self.json(
            "POST", "/checks",
            {"urls": urls, "timeout_ms": timeout_ms, "concurrency": concurrency}, want=202,
        )["id"]

    def wait_end(self, check, seconds):
        def ended():
            view = self.json("GET", f"/checks/{check}")
            return view if view["status"] != "running" else None

        return wait_for(ended, seconds, f"check {check} to end")

    def memory_peak_kb(self):
        with open(f"/proc/{self.process.pid}/status") as text:
            return int(re.search(r"VmHWM:\s+(\d+)", text.read()).group(1))

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_exit(self, seconds):
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failed(f"no exit within {seconds * SLOW} s:\n{self.log()}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.unlink(self.log_path)


CASES = []


def case(function):
    CASES.append(function)
    return function


def with_service(*options):
    def wrap(function):
        def run():
            service = Service(*options)
            try:
                function(service)
            except Exception as failed:
                raise Failed(f"{failed}\n--- log of the service\n{service.log()[-6000:]}") from failed
            finally:
                service.close()

        run.__name__ = function.__name__
        CASES.append(run)
        return run

    return wrap


# --- cases ----------------------------------------------------------------------------------------------


@with_service()
def every_way_a_url_can_end_is_told_apart(service):
    peers = {
        "silent": Peer(silent), "drip": Peer(dripping), "garbage": Peer(garbage),
        "half": Peer(half_way), "large": Peer(large),
        "404": Peer(status(404, "Not Found")), "500": Peer(status(500, "Oh")),
    }
    nginx = Nginx()
    try:
        refused = f"http://{HERE}:{refused_port()}/"
        nobody = "http://nosuch.invalid/"
        urls = [nginx.url(i) for i in range(200)] + [p.url() for p in peers.values()] + [refused, nobody]
        began = time.monotonic()
        check = service.start(urls, timeout_ms=3000)
        view = service.wait_end(check, 6)
        took = time.monotonic() - began
        expect(took < 6 * SLOW, "took", took)
        expect(view["status"] == "done" and view["done"] == view["total"] == 209, view["status"], view["done"])
        by_url = {r["url"]: r for r in view["results"]}
        expect(len(by_url) == 209, "results", len(by_url))
        for i in range(200):
            r = by_url[nginx.url(i)]
            expect(r["status"] == 200 and r["error"] is None and r["bytes"] > 100, r)
        words = {
            "silent": "timed out after 3000 ms", "drip": "timed out after 3000 ms",
            "garbage": "sent no HTTP answer", "half": "half-way",
        }
        for name, text in words.items():
            r = by_url[peers[name].url()]
            expect(r["status"] is None and text in r["error"], name, r)
        expect("refused" in by_url[refused]["error"], by_url[refused])
        expect("does not exist" in by_url[nobody]["error"], by_url[nobody])
        expect(by_url[peers["404"].url()]["status"] == 404, by_url[peers["404"].url()])
        expect(by_url[peers["500"].url()]["status"] == 500, by_url[peers["500"].url()])
        large_one = by_url[peers["large"].url()]
        expect(large_one["status"] == 200 and large_one["bytes"] == 50 * 1024 * 1024, large_one)
        expect(view["ok"] == 201 and view["failed"] == 8, view["ok"], view["failed"])
        if SLOW == 1:
            peak = service.memory_peak_kb()
            expect(peak < 64 * 1024, "peak memory", peak, "KiB")
    finally:
        nginx.close()
        for peer in peers.values():
            peer.close()


@with_service()
def five_checks_of_a_thousand_urls_at_once_and_probes_answer(service):
    nginx = Nginx()
    try:
        urls = [nginx.url(i % 200) + f"?{i}" for i in range(1000)]
        checks = [service.start(urls, concurrency=256) for _ in range(5)]
        slowest = 0
        while any(service.json("GET", f"/checks?limit=5")["checks"][i]["status"] == "running" for i in range(5)):
            began = time.monotonic()
            code, _, _ = service.call("GET", "/livez")
            expect(code == 200, "livez", code)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        expect(slowest < 2 * SLOW, "a probe took", slowest)
        for check in checks:
            view = service.wait_end(check, 1)
            expect(view["status"] == "done" and view["ok"] == 1000, view["status"], view["ok"],
                   [r for r in view["results"] if r["error"]][:3])
    finally:
        nginx.close()


@with_service()
def what_is_wrong_with_a_request_is_said_whole(service):
    code, headers, data = service.call(
        "POST", "/checks", {"urls": ["ftp://x", "http://ok/", 7], "timeout_ms": 0, "concurrency": 1000})
    expect(code == 422 and headers["Content-Type"] == "application/problem+json", code, headers)
    problem = json.loads(data)
    places = {e["loc"] for e in problem["errors"]}
    expect({"/urls/0", "/urls/2", "/timeout_ms", "/concurrency"} <= places, places)
    expect(problem["status"] == 422 and problem["request_id"], problem)
    expect({e["loc"] for e in json.loads(service.call("POST", "/checks", {})[2])["errors"]} == {"/urls"})
    for body, want in ((b'{"urls": [', 400), (b"", 400), (b"[]", 422), (b"{" * 100, 400)):
        code, _, data = service.call("POST", "/checks", body, {"Content-Type": "application/json"})
        expect(code == want, body[:20], "gave", code, data[:300])
    code, _, _ = service.call("POST", "/checks", b"x" * (5 * 1024 * 1024), {"Content-Type": "application/json"})
    expect(code == 413, "too large gave", code)
    expect(service.call("GET", "/nothing")[0] == 404)
    code, headers, _ = service.call("PUT", "/checks", b"{}")
    expect(code == 405 and "POST" in headers["Allow"] and "GET" in headers["Allow"], code, headers)
    expect(service.call("GET", "/checks/999999")[0] == 404)
    expect(service.call("DELETE", "/checks/999999")[0] == 404)
    expect(service.call("GET", "/checks/zero")[0] == 422)
    expect(service.call("GET", "/livez")[0] == 200)


class Https:
    """Answers 200 over TLS, with a certificate for 127.0.0.1 that it has signed by itself."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-https-")
        self.certificate = os.path.join(self.folder, "certificate.pem")
        key = os.path.join(self.folder, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=weir test", "-addext", f"subjectAltName=IP:{HERE}",
             "-keyout", key, "-out", self.certificate], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)

        def serve(connection):
            with context.wrap_socket(connection, server_side=True) as wrapped:
                status(200, "OK")(wrapped)

        self.peer = Peer(serve)

    def url(self):
        return self.peer.url().replace("http:", "https:")

    def close(self):
        self.peer.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@case
def https_urls_are_checked_with_the_certificates_of_the_system():
    trusted, stranger = Https(), Https()
    service = Service(environment={"SSL_CERT_FILE": trusted.certificate})
    try:
        urls = [trusted.url(), stranger.url(), f"https://{HERE}:{refused_port()}/"]
        results = {r["url"]: r for r in service.wait_end(service.start(urls), 6)["results"]}
        good, bad, refused = (results[url] for url in urls)
        expect(good["status"] == 200 and good["error"] is None, good)
        expect("certificate of 127.0.0.1" in bad["error"] and "self-signed" in bad["error"], bad)
        expect("refused" in refused["error"], refused)
    finally:
        service.close()
        trusted.close()
        stranger.close()


@with_service()
def a_check_can_be_watched_and_cancelled(service):
    peer = Peer(silent)
    quick = Peer(status(200, "OK"))
    try:
        check = service.start([quick.url("/a")] + [peer.url()] * 5, timeout_ms=60000)
        connection = socket.create_connection((HERE, service.port), timeout=20 * SLOW)
        connection.sendall(f"GET /checks/{check}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        stream = connection.makefile("rb")
        lines = []

        def read_until(text):
            while True:
                line = stream.readline()
                expect(line, "the stream ended before", text, lines)
                lines.append(line)
                if text in line:
                    return

        read_until(b"event: progress")
        read_until(b'"status":200')
        summary = service.json("DELETE", f"/checks/{check}", want=202)
        expect(summary["id"] == check, summary)
        read_until(b"event: done")
        read_until(b'"status":"cancelled"')
        connection.close()
        view = service.wait_end(check, 5)
        expect(view["status"] == "cancelled" and view["done"] == 1 and view["total"] == 6, view)
        expect(service.call("DELETE", f"/checks/{check}")[0] == 409)
        listed = service.json("GET", "/checks?limit=1")["checks"]
        expect(len(listed) == 1 and listed[0]["id"] == check, listed)
    finally:
        peer.close()
        quick.close()


@with_service()
def an_uploaded_list_is_checked(service):
    peer = Peer(status(200, "OK"))
    try:
        text = f"# a list\r\n{peer.url('/1')}\n\n  {peer.url('/2')}  \n".encode()
        started = service.json("POST", "/checks/upload?timeout_ms=2000&concurrency=2", text, want=202,
                               headers={"Content-Type": "text/plain"})
        view = service.wait_end(started["id"], 5)
        expect(view["ok"] == 2 and view["total"] == 2, view)
        expect(len([f for f in os.listdir(service.folder) if f.startswith("upload-")]) == 1)
        code, _, data = service.call("POST", "/checks/upload", b"not a url\n", {"Content-Type": "text/plain"})
        expect(code == 422 and b"/urls/0" in data, code, data)
        code, _, data = service.call("POST", "/checks/upload", b"", {"Content-Type": "text/plain"})
        expect(code == 422, code, data)
    finally:
        peer.close()


@with_service()
def an_upload_that_is_no_list_is_refused_and_leaves_nothing_behind(service):
    text = {"Content-Type": "text/plain"}
    url = b"http://127.0.0.1:1/"
    for name, body in (
        ("a NUL", url + b"\n\0" + url + b"\nnonsense\n"), ("one line", b"x" * (3 << 20)),
        ("empty lines", b"\n" * (4 << 20)), ("controls", (b"\x01" * 2048 + b"\n") * 1000),
        ("too many", (url + b"\n") * 1001), ("binary", bytes(range(256)) * 1000),
    ):
        code, _, data = service.call("POST", "/checks/upload", body, text)
        expect(code == 422, name, "gave", code, data[:300])
    for _ in range(10):
        with socket.create_connection((HERE, service.port)) as connection:
            connection.sendall(b"POST /checks/upload HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                               b"Content-Length: 100000\r\n\r\n" + b"x" * 50000)
    wait_for(lambda: not [f for f in os.listdir(service.folder) if f.startswith("upload-")], 10,
             "the uploads that were refused or cut to be removed")
    longest = b"\n".join(url + b"%04d" % i + b"y" * (2044 - len(url)) for i in range(1000))
    code, _, data = service.call("POST", "/checks/upload", longest, text)
    expect(code == 202 and json.loads(data)["total"] == 1000, code, data[:300])
    view = service.wait_end(json.loads(data)["id"], 30)
    expect(len(view["results"]) == 1000, view["status"], len(view["results"]))


@case
def with_few_descriptors_silent_connections_make_room():
    service = Service(files=80)
    crowd = []
    try:
        for _ in range(200):
            crowd.append(socket.create_connection((HERE, service.port), timeout=5))
        began = time.monotonic()
        for _ in range(5):
            expect(service.call("GET", "/livez", timeout=5)[0] == 200)
        took = time.monotonic() - began
        expect(took < 2 * SLOW, "five probes took", took, service.log()[-2000:])
    finally:
        for connection in crowd:
            connection.close()
        service.close()


@case
def a_folder_belongs_to_one_service():
    first = Service()
    try:
        try:
            Service(data=first.folder).close()
        except Failed as failed:
            expect("is used by another" in str(failed), failed)
        else:
            raise Failed("a second service started on the same folder")
        expect(first.call("GET", "/livez")[0] == 200)
        first.signal(signal.SIGKILL)
        first.wait_exit(5)
        Service(data=first.folder).close()
    finally:
        first.close()


@with_service()
def pages_and_documents_are_there(service):
    code, headers, data = service.call("GET", "/")
    expect(code == 200 and "text/html" in headers["Content-Type"] and b"linkcheck" in data, code)
    code, headers, data = service.call("GET", "/docs")
    expect(code == 200 and "text/html" in headers["Content-Type"], code)
    document = service.json("GET", "/openapi.json")
    expect(document["openapi"].startswith("3.1") and "/checks/{id}" in document["paths"], document.keys())
    expect(set(document["paths"]["/checks"]) >= {"get", "post"}, document["paths"]["/checks"].keys())
    code, _, data = service.call("GET", "/metrics")
    expect(code == 200 and b"# TYPE" in data, code, data[:200])
    expect(service.call("GET", "/readyz")[0] == 200)


def partial_requests(service, count):
    """Connections whose request has begun: the last bytes of the head are missing."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection((HERE, service.port), timeout=20 * SLOW)
        connection.sendall(b"GET /checks?limit=5 HTTP/1.1\r\nHost: x\r\n")
        connections.append(connection)
    return connections


def finish_request(connection):
    connection.sendall(b"\r\n")
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


@with_service("--drain-timeout", "10s")
def sigterm_lets_requests_and_checks_end(service):
    peer = Peer(slow_answer(1))
    idle = socket.create_connection((HERE, service.port))  # never sends a byte
    try:
        check = service.start([peer.url()] * 3)
        connections = partial_requests(service, 100)
        time.sleep(0.3)
        service.signal()
        wait_for(lambda: "drain" in service.log(), 5, "the drain to be logged")
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            codes = list(pool.map(finish_request, connections))
        expect(codes == [200] * 100, "in-flight requests gave", set(codes))
        code = service.wait_exit(10)
        expect(code == 0, "exit status", code)
        expect("W800" in service.log() and "drain complete" in service.log())
    finally:
        idle.close()
        peer.close()
    again = Service(data=service.folder)
    try:
        view = again.json("GET", f"/checks/{check}")
        expect(view["status"] == "done" and view["ok"] == 3, view)
    finally:
        again.close()


@with_service("--drain-timeout", "2s")
def what_the_drain_cuts_is_interrupted_and_said(service):
    peer = Peer(silent)
    quick = Peer(status(200, "OK"))
    try:
        check = service.start([quick.url()] + [peer.url()] * 3, timeout_ms=60000)
        wait_for(lambda: service.json("GET", f"/checks/{check}")["done"] == 1, 5, "the first result")
        began = time.monotonic()
        service.signal()
        time.sleep(0.2)
        code = service.wait_exit(6)
        took = time.monotonic() - began
        expect(code == 75, "exit status", code)
        expect(took < 4 * SLOW, "the drain took", took)
        expect("run_check" in service.log(), "the log does not name the check that was cut")
    finally:
        peer.close()
        quick.close()
    again = Service(data=service.folder)
    try:
        view = again.json("GET", f"/checks/{check}")
        expect(view["status"] == "interrupted" and view["done"] == 1 and view["ok"] == 1, view)
    finally:
        again.close()


@with_service("--drain-timeout", "30s")
def a_second_signal_shortens_the_drain(service):
    peer = Peer(silent)
    try:
        service.start([peer.url()], timeout_ms=60000)
        time.sleep(0.3)
        service.signal()
        time.sleep(0.5)
        expect(service.process.poll() is None, "ended before it should")
        began = time.monotonic()
        service.signal()
        code = service.wait_exit(6)
        expect(code == 75, "exit status", code)
        expect(time.monotonic() - began < 5 * SLOW)
    finally:
        peer.close()


@with_service("--drain-timeout", "30s")
def a_third_signal_ends_the_process(service):
    peer = Peer(silent)
    try:
        service.start([peer.url()], timeout_ms=60000)
        service.signal(signal.SIGINT)
        wait_for(lambda: "drain began" in service.log(), 5, "the drain to begin")
        # Right behind each other: the second cancels everything, which may have ended before the third
        # is seen; then the drain was cut (75), else the third ended the process (128 + its number).
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGINT)
        code = service.wait_exit(6)
        expect(code in (75, 130), "exit status", code)
    finally:
        peer.close()


@case
def a_wrong_option_is_explained():
    done = subprocess.run([PROGRAM, "--listen", "nonsense"], capture_output=True, text=True, timeout=20 * SLOW)
    expect(done.returncode == 64 and "listen" in done.stderr, done.returncode, done.stderr)
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=20 * SLOW)
    expect(done.returncode == 0 and "--data" in done.stdout and "--drain-timeout" in done.stdout, done)
    taken = socket.create_server((HERE, 0))
    port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([PROGRAM, "--listen", f"{HERE}:{port}", "--data", folder],
                              capture_output=True, text=True, timeout=20 * SLOW)
    expect(done.returncode == 1 and str(port) in done.stderr and "in use" in done.stderr, done.stderr)


@case
def kill_9_loses_nothing_that_was_acknowledged_or_shown():
    folder = tempfile.mkdtemp(prefix="weir-kill-")
    peer = Peer(slow_answer(0.05))
    acknowledged = {}  # id -> results that were shown
    try:
        for round_number in range(KILLS):
            service = Service(data=folder)
            try:
                for check, shown in acknowledged.items():
                    view = service.json("GET", f"/checks/{check}")
                    expect(view["status"] in ("done", "interrupted"), check, "is", view["status"])
                    stored = {r["url"] for r in view["results"]}
                    expect(shown <= stored, "round", round_number, "check", check, "lost", shown - stored)
                stop = threading.Event()

                def client(number):
                    sent = 0
                    while not stop.is_set():
                        urls = [peer.url(f"/{round_number}/{number}/{sent}/{i}") for i in range(20)]
                        sent += 1
                        try:
                            check = service.start(urls, concurrency=8)
                            acknowledged[check] = set()
                            for _ in range(3):
                                view = service.json("GET", f"/checks/{check}", timeout=5)
                                acknowledged[check] |= {r["url"] for r in view["results"]}
                        except (OSError, http.client.HTTPException, Failed):
                            return

                threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
                for thread in threads:
                    thread.start()
                time.sleep(0.3 + 0.17 * (round_number % 5))
                service.process.kill()
                service.process.wait()
                stop.set()
                for thread in threads:
                    thread.join()
            finally:
                service.close()
        expect(len(acknowledged) > KILLS, "only", len(acknowledged), "checks were acknowledged")
        print(f"    {KILLS} kills, {len(acknowledged)} checks acknowledged, "
              f"{sum(map(len, acknowledged.values()))} results shown, 0 lost")
    finally:
        peer.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    global PROGRAM, BACKEND, KILLS
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--backend")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("names", nargs="*")
    options = parser.parse_intermixed_args()
    PROGRAM = options.program
    BACKEND = ["--backend", options.backend] if options.backend else []
    KILLS = options.kills
    passed = failed = 0
    for run in CASES:
        name = run.__name__.replace("_", " ")
        if options.names and not any(part in name for part in options.names):
            continue
        began = time.monotonic()
        try:
            run()
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
            passed += 1
        except Exception as problem:
            text = str(problem) if isinstance(problem, Failed) else traceback.format_exc()
            print(f"FAIL {name}\n    " + text.replace("\n", "\n    "), flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
