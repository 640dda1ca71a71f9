#!/usr/bin/env python3
"""tls_proxy_check.py - the example tls_proxy with real peers at both ends: Python's ssl, openssl, curl.

    tls_proxy_check.py PROXY [BACKEND ...]

A plain service, TLS in front of it, and a second proxy that makes it plain again.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60
failed = 0
passed = 0


def expect(held, what):
    global failed, passed
    if held:
        passed += 1
        print("ok", what)
    else:
        failed += 1
        print("FAIL", what)


def wait_until(held):
    end = time.monotonic() + PATIENCE
    while not held() and time.monotonic() < end:
        time.sleep(0.005)


def sh(*words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE, **more).stdout


def make_certificate(folder, name, days="2"):
    """A root, and a certificate for localhost."""
    root = os.path.join(folder, "root")
    if not os.path.exists(root + ".pem"):
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
           "-nodes", "-keyout", root + ".key", "-out", root + ".pem", "-days", "2", "-subj",
           "/CN=proxy test root")
    path = os.path.join(folder, name)
    sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-keyout", path + ".key", "-out", path + ".csr", "-subj", "/CN=" + name)
    with open(path + ".ext", "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    sh("openssl", "x509", "-req", "-in", path + ".csr", "-CA", root + ".pem", "-CAkey",
       root + ".key", "-CAcreateserial", "-out", path + ".pem", "-days", days, "-extfile",
       path + ".ext")
    return path + ".pem", path + ".key"


class Backend(threading.Thread):
    """Plain: reads until the end, then answers with what it read, backwards."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.ends = []  # of each connection: how it ended
        self.start()

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        conn.settimeout(PATIENCE)
        got = b""
        try:
            while piece := conn.recv(65536):
                got += piece
                if got.startswith(b"GET ") and got.endswith(b"\r\n\r\n"):
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\ncurl was here")
            self.ends.append("finished")
            conn.sendall(got[::-1])
        except OSError as error:
            self.ends.append(type(error).__name__)
        conn.close()


class Proxy:
    def __init__(self, program, backend, *words):
        environment = dict(os.environ, WEIR_BACKEND=backend)
        self.process = subprocess.Popen([program, *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1]) if ":" in line else 0

    def read_error(self, part):
        """The next line with this in it; "" when there is none in time."""
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        while (line := self.process.stderr.readline()) and part not in line:
            pass
        timer.cancel()
        return line

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            _, errors = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, errors = self.process.communicate()
        return self.process.returncode, errors


def ask(conn, data):
    """Writes, half-closes, reads to the end."""
    conn.settimeout(PATIENCE)
    writer = threading.Thread(target=lambda: (conn.sendall(data), conn.shutdown(socket.SHUT_WR)))
    writer.start()
    got = b""
    while piece := conn.recv(65536):
        got += piece
    writer.join()
    conn.close()
    return got


def run(program, backend_name, folder):
    chain, key = make_certificate(folder, "first")
    roots = os.path.join(folder, "root.pem")
    backend = Backend()
    front = Proxy(program, backend_name, "front", "127.0.0.1:0", backend.address, chain, key)
    back = Proxy(program, backend_name, "back", "127.0.0.1:0", "localhost", str(front.port), roots)
    data = os.urandom(300000)
    plain = socket.create_connection(("127.0.0.1", back.port))
    expect(ask(plain, data) == data[::-1], "plain to TLS to plain, and each way ends by itself")

    context = ssl.create_default_context(cafile=roots)
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", front.port)) as raw:
            conn = context.wrap_socket(raw, server_hostname="localhost")
            conn.settimeout(PATIENCE)
            expect(conn.version() == version.name.replace("_", "."), "it speaks " + version.name)
            conn.close()
    # A connection that was cut, without the close of TLS. With 1.3 the tickets that nobody read would
    # make it a reset.
    context = ssl.create_default_context(cafile=roots)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    backend.ends.clear()
    raw = socket.create_connection(("127.0.0.1", front.port))
    conn = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
    conn.sendall(b"half of it")
    descriptor = conn.detach()
    socket.socket(fileno=descriptor).close()
    line = front.read_error("EPROTO")
    expect("may have been cut off" in line, "a connection that was cut off is told: " + line.strip())
    wait_until(lambda: backend.ends)
    expect("finished" not in backend.ends, "and is not handed on as a finished one")

    # openssl s_client, with a session that it comes back with
    out = subprocess.run(["openssl", "s_client", "-connect", "localhost:%d" % front.port, "-CAfile",
                          roots, "-verify_return_error", "-reconnect", "-tls1_2", "-no_ign_eof"],
                         input=b"", capture_output=True, timeout=PATIENCE, check=False).stdout
    expect(out.count(b"Reused, TLSv1.2") == 5, "openssl s_client -reconnect resumes five times")
    session = os.path.join(folder, "session")
    words = ["openssl", "s_client", "-connect", "localhost:%d" % front.port, "-CAfile", roots,
             "-verify_return_error"]
    process = subprocess.Popen([*words, "-sess_out", session], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: os.path.exists(session) and os.path.getsize(session) > 0)
    process.communicate(timeout=PATIENCE)
    out = subprocess.run([*words, "-sess_in", session], input=b"", capture_output=True,
                         timeout=PATIENCE, check=False).stdout
    expect(b"Reused, TLSv1.3" in out, "openssl s_client comes back with a ticket of TLS 1.3")
    out = subprocess.run(["openssl", "s_client", "-connect", "localhost:%d" % front.port, "-tls1_1",
                          "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True,
                         timeout=PATIENCE, check=False)
    expect(b"alert protocol version" in out.stderr, "a client of TLS 1.1 is refused")
    out = subprocess.run(["openssl", "s_client", "-connect", "localhost:%d" % front.port, "-tls1_2",
                          "-cipher", "AES128-SHA:@SECLEVEL=0"], input=b"", capture_output=True,
                         timeout=PATIENCE, check=False)
    expect(b"alert handshake failure" in out.stderr, "a client without ECDHE and AEAD is refused")
    out = subprocess.run(["openssl", "s_client", "-connect", "localhost:%d" % front.port, "-tls1_2"],
                         input=b"R\n", capture_output=True, timeout=PATIENCE, check=False)
    expect(b"no renegotiation" in out.stderr, "nobody negotiates again")
    if shutil.which("curl"):
        out = subprocess.run(["curl", "-sS", "--cacert", roots,
                              "https://127.0.0.1:%d/" % front.port], capture_output=True,
                             timeout=PATIENCE, check=False)
        expect(out.stdout == b"curl was here", "curl takes the certificate " + str(out.stderr))

    # another certificate, without a restart
    second_chain, second_key = make_certificate(folder, "second")
    os.replace(second_chain, chain)
    front.process.send_signal(signal.SIGHUP)
    line = front.read_error("reload:")
    expect("key values mismatch" in line, "half of a new certificate is refused")
    os.replace(second_key, key)
    front.process.send_signal(signal.SIGHUP)
    expect("reload: done" in front.read_error("reload:"), "a whole one is taken over")
    with socket.create_connection(("127.0.0.1", front.port)) as raw:
        conn = context.wrap_socket(raw, server_hostname="localhost")
        subject = dict(entry[0] for entry in conn.getpeercert()["subject"])
        expect(subject["commonName"] == "second", "and shown to the next one who comes")
        conn.close()
    for name, proxy in ("front", front), ("back", back):
        status, errors = proxy.end()
        expect(status == 0, f"{name} ends well when it is told to")
        expect("W401" not in errors and "leak" not in errors.lower(),
               f"{name} leaves nothing open {errors[-300:] if 'W401' in errors else ''}")


# --- the proxy as a client ---------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def wait_for_port(port, process):
    def there():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return process.poll() is not None
    wait_until(there)


class Server:
    """A TLS server of somebody else, on `port`."""

    def __init__(self, *words, port):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        wait_for_port(port, self.process)

    def end(self):
        self.process.kill()
        self.process.communicate()


def fetch(port):
    """What comes back for a GET, as far as it comes."""
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", port)) as conn:
            conn.settimeout(PATIENCE)
            conn.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while piece := conn.recv(65536):
                got += piece
    except OSError:
        pass
    return got


NGINX = """
daemon off; master_process off; pid %(folder)s/nginx.pid; error_log stderr crit;
events {}
http {
    access_log off;
    client_body_temp_path %(folder)s; proxy_temp_path %(folder)s; fastcgi_temp_path %(folder)s;
    uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
    server {
        listen 127.0.0.1:%(port)d ssl;
        ssl_certificate %(chain)s; ssl_certificate_key %(key)s;
        ssl_protocols %(protocols)s; ssl_session_tickets on;
        return 200 "nginx with $ssl_protocol, reused: $ssl_session_reused\\n";
    }
}
"""


def talk_to_nginx(program, backend_name, folder, protocol, name):
    chain, key = make_certificate(folder, "nginx")
    port = free_port()
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(NGINX % {"folder": folder, "port": port, "chain": chain, "key": key,
                            "protocols": protocol})
    server = Server(shutil.which("nginx") or "/usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c",
                    config, port=port)
    back = Proxy(program, backend_name, "back", "127.0.0.1:0", "localhost", str(port),
                 os.path.join(folder, "root.pem"))
    first, second = fetch(back.port), fetch(back.port)
    expect(b"nginx with %s, reused: ." % name in first, f"nginx with {protocol} answers")
    expect(b"nginx with %s, reused: r" % name in second, f"and knows us when we come back")
    expect(back.end()[0] == 0, "which ends well")
    server.end()


def refuse_server(program, backend_name, folder, words, sentence, what):
    """A proxy in front of `openssl s_server` that our side must refuse."""
    port = free_port()
    server = Server("openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-quiet", *words,
                    port=port)
    back = Proxy(program, backend_name, "back", "127.0.0.1:0", "localhost", str(port),
                 os.path.join(folder, "root.pem"))
    expect(fetch(back.port) == b"", f"nothing comes of {what}")
    line = back.read_error(":")
    expect(sentence in line, f"and it is told: {line.strip()}")
    back.end()
    server.end()


def make_weak(folder):
    root = os.path.join(folder, "root")
    path = os.path.join(folder, "weak")
    sh("openssl", "req", "-newkey", "rsa:1024", "-nodes", "-keyout", path + ".key", "-out",
       path + ".csr", "-subj", "/CN=weak")
    with open(path + ".ext", "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost\n")
    sh("openssl", "x509", "-req", "-in", path + ".csr", "-CA", root + ".pem", "-CAkey",
       root + ".key", "-CAcreateserial", "-out", path + ".pem", "-days", "2", "-extfile",
       path + ".ext")
    return path + ".pem", path + ".key"


def run_as_client(program, backend_name, folder):
    if shutil.which("nginx") or os.path.exists("/usr/sbin/nginx"):
        talk_to_nginx(program, backend_name, folder, "TLSv1.3", b"TLSv1.3")
        talk_to_nginx(program, backend_name, folder, "TLSv1.2", b"TLSv1.2")
    chain, key = make_certificate(folder, "server")
    weak, weak_key = make_weak(folder)
    low = ["-cipher", "ALL:@SECLEVEL=0"]
    refuse_server(program, backend_name, folder, ["-cert", weak, "-key", weak_key, *low],
                  "its key is too weak (1024 bits)", "a server with a weak key")
    refuse_server(program, backend_name, folder, ["-cert", chain, "-key", key, "-tls1_1", *low],
                  "protocol version", "a server of TLS 1.1")
    refuse_server(program, backend_name, folder,
                  ["-cert", chain, "-key", key, "-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
                  "handshake failure", "a server without ECDHE and AEAD")
    refuse_server(program, backend_name, folder,
                  ["-cert", chain, "-key", key, "-Verify", "1", "-verify_return_error"],
                  "certificate required", "a server that wants a certificate of ours")


def main():
    program, backends = sys.argv[1], sys.argv[2:] or ["uring", "epoll"]
    for backend in backends:
        print(f"--- {backend}")
        with tempfile.TemporaryDirectory(prefix="weir-proxy-") as folder:
            run(program, backend, folder)
            run_as_client(program, backend, folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
