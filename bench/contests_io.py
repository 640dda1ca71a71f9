"""contests_io.py - the contests of bench/run that are about the operating system: connections,
datagrams, files, threads. A part of bench/run, which calls contests().

Servers answer on a port (see echo.c), the generator runs in a process and on a core of its own, and
the CPU time a message is that of the whole server process, threads that have ended included.
"""

import os
import resource
import shutil
import subprocess
import time

C_PEERS = {"echo_threads": [], "echo_raw": [], "files_threads": [], "handover_threads": [],
           "echo_uring": ["-luring"], "echo_uv": ["-luv"], "files_uv": ["-luv"],
           "handover_uv": ["-luv"], "tls_raw": ["-lssl", "-lcrypto"]}
GO_PEERS = ("echo", "files", "handover", "tls")
FILES, LARGE_MIB = "20000", "1024"
IDLE, IDLE_MANY = 9000, 100000

TARGETS = [
    ("W7 a job there and back", "handover", "offload_1", "weir-uring", "floor", 1.3),
    ("W7 a post to a loop that sleeps", "handover", "post", "weir-uring", "floor", 1.2),
    ("W7 a flood of a million posts", "handover", "flood", "weir-uring", "floor", 3),
    ("W8 cancelling 9,000 reads, ns a task", "sockets", "cancel_reads", "weir-uring", None, 2000),
    ("W10 an idle HTTP connection of 9,000, bytes", "idle_http", "memory", "weir-uring", None, 512),
    ("W14 20,000 files of 4 KiB", "files", "files", "weir-uring", "floor", 1.2),
    ("W10 an idle TLS connection of 9,000, bytes", "idle_tls", "memory", "weir-uring", None, 20480),
    ("W15 TLS handshake", "tls_full", "cpu", "weir-uring", "floor", 1.05),
    ("W15 TLS handshake, resumed", "tls_resumed", "cpu", "weir-uring", "floor", 1.05),
    ("W15 a request by TLS", "tls_requests", "cpu", "weir-uring", "floor", 1.08),
    ("W21 connect, one message, close", "churn", "cpu", "weir-uring", "floor-epoll", 1.1),
]


def prepare(run, bench):
    """Builds the peers; as many descriptors as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.makedirs(bench.peers, exist_ok=True)
    run.say("building the peers in C")
    for name, libraries in C_PEERS.items():
        source = os.path.join(run.HERE, "peers", name + ".c")
        result = subprocess.run(
            ["gcc", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", os.path.join(bench.peers, name),
             source, *libraries], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            run.say(f"  {name} does not build: {result.stderr.strip()[-200:]}")


def process_cpu_ns(pid):
    """The clock of another process: clock_getcpuclockid(3), without asking the C library."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def all_cpu_ns(run, pid):
    return sum(process_cpu_ns(each) for each in [pid] + run.children(pid))


def memory_bytes(run, pid):
    """Pages of a process and the tables that map them, and those of its children."""
    total = 0
    for each in [pid] + run.children(pid):
        with open(f"/proc/{each}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(("VmRSS:", "VmPTE:")):
                    total += int(line.split()[1]) * 1024
    return total


def load(bench, *words, program="bench_echo_load"):
    return [bench.program(program), *map(str, words)]


def start_server(run, bench, command, environment, port):
    process = bench.start(bench.pinned(bench.core, command), env=dict(os.environ, **environment))
    try:
        run.wait_until_up(process, port)
    except run.Trouble:
        bench.stop(process)
        raise
    return process


def measure_load(run, bench, command, words, program="bench_echo_load"):
    """One server under load; `words` of the generator with {} for the port."""
    port = free_ports(run)
    process = start_server(run, bench, *command(bench, port), port)
    try:
        busy, stolen = run.core_ticks(bench.core)
        used, begun = all_cpu_ns(run, process.pid), time.monotonic()
        figures = run.read_lines(bench.output(
            load(bench, *[port if word == "{}" else word for word in words], program=program),
            bench.load_core))
        used, took = all_cpu_ns(run, process.pid) - used, time.monotonic() - begun
        busy_after, stolen_after = run.core_ticks(bench.core)
    finally:
        bench.stop(process)
    figures["cpu"] = used / figures.pop("messages") / 1e3
    figures["core_busy"] = 100 * used / 1e9 / took
    figures["others_busy"] = max(0.0, 100 * (busy_after - busy - used / 1e9) / took)
    figures["stolen"] = 100 * (stolen_after - stolen) / took
    return figures


def measure_idle(run, bench, command, count, http, program="bench_echo_load"):
    """Memory of a server before and after so many connections, of which each has been used once."""
    port = free_ports(run)
    process = start_server(run, bench, *command(bench, port), port)
    try:
        # Its first tables are made.
        bench.output(load(bench, "idle", port, 10, *http, program=program), bench.load_core)
        before = memory_bytes(run, process.pid)
        clients = subprocess.Popen(
            bench.pinned(bench.load_core,
                         load(bench, "idle", port, count, *http, program=program)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        bench.started.append(clients)
        try:
            if clients.stdout.readline().strip() != "ready":
                raise run.Trouble(f"not all were connected: {clients.stderr.read()[-200:]}")
            time.sleep(0.2)
            after = memory_bytes(run, process.pid)
        finally:
            bench.started.remove(clients)
            clients.kill()
            clients.communicate()
    finally:
        bench.stop(process)
    return {"memory": (after - before) / count}


def free_ports(run):
    """A port whose next one is free as well."""
    while True:
        port = run.free_port()
        with run.socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                pass


def made_files(run, bench):
    folder = os.path.join(bench.temp, "files")
    if not os.path.exists(folder):
        if shutil.disk_usage(bench.temp).free < 3 * (int(LARGE_MIB) << 20):
            raise run.Trouble(f"no room for the files in {bench.temp}")
        os.mkdir(folder)
        bench.output([bench.program("bench_files"), "make", folder, FILES, LARGE_MIB])
    return folder


def certificate(run, bench):
    """A P-256 certificate of our own, as most servers have: its file and that of its key."""
    chain, key = (os.path.join(bench.temp, name) for name in ("chain.pem", "key.pem"))
    if not os.path.exists(chain):
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=localhost"],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise run.Trouble(f"no certificate: {done.stderr.strip()[-200:]}")
    return chain, key


def nginx_tls(run, bench, port):
    chain, key = certificate(run, bench)
    folder = run.tempfile.mkdtemp(prefix="nginx-", dir=bench.temp)
    os.chmod(bench.temp, 0o755)  # the worker is another user
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "large"), "wb") as file:
        file.truncate(256 << 20)
    with open(os.path.join(run.HERE, "peers", "nginx_tls.conf"), encoding="utf-8") as file:
        text = file.read()
    for name, value in (("DIR", folder), ("FILES", folder), ("PORT", port), ("CHAIN", chain),
                        ("KEY", key)):
        text = text.replace(f"@{name}@", str(value))
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return [run.nginx_path(), "-p", folder, "-e", "stderr", "-c", path], {}


def contests(run, bench):
    Contest, Variant = run.Contest, run.Variant

    def peer(name):
        return os.path.join(bench.peers, name)

    def missing(name):
        """Peers are built after the contests are listed: what their sources need is asked for."""
        if name.endswith("_uv") and not os.path.exists("/usr/include/uv.h"):
            return "libuv1-dev is not installed"
        if name.endswith("_uring") and not os.path.exists("/usr/include/liburing.h"):
            return "liburing-dev is not installed"
        return None

    def server(name, program, environment=None, floor=False, go=False):
        words = {**(environment or {})}
        path = bench.program(program) if program.startswith("bench_") else peer(program)
        return Variant(name, missing=run.go_missing() if go else missing(program), floor=floor,
                       command=lambda b, port: ([path, str(port)], words))

    def weir(program):
        return [server(f"weir-{backend}", program, {"WEIR_BACKEND": backend})
                for backend in ("uring", "epoll")]

    libuv = server("libuv", "echo_uv")
    go = server("go", "echo", go=True)
    threads = server("threads", "echo_threads")
    floors = [server("floor-uring", "echo_uring", floor=True),
              server("floor-epoll", "echo_raw", floor=True)]
    servers = weir("bench_echo") + [libuv, go, threads]
    echoes = servers + floors

    def measured(variants, measure):
        return [Variant(v.name, lambda b, v=v: measure(b, v.command), v.command, v.missing, v.floor,
                        v.rounds_max) for v in variants]

    def loaded(name, title, words, connections, variants=None, seconds=True, figures=None,
               program="bench_echo_load"):
        def measure(b, command):
            return measure_load(run, b, command, [*words, b.options.seconds] if seconds else words,
                                program)
        told = figures or {"cpu": "us", "rate": "/s", "p50": "us", "p99": "us", "core_busy": "%",
                           "others_busy": "%", "stolen": "%"}
        return Contest(name, title, told, measured(variants or echoes, measure),
                       connections=connections)

    def idle(name, title, variants, count, http=(), program="bench_echo_load", **more):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        why = None if hard >= count + 100 else f"the limit of descriptors is {hard}"
        each = measured(variants, lambda b, command: measure_idle(run, b, command, count, http,
                                                                  program))
        for variant in each:
            variant.missing = variant.missing or why
        return Contest(name, title, {"memory": "B"}, each, rounds_max=3, **more)

    def programs(weir_words, floor_words, go_words, uv_words, threads_words=None, core=None):
        """Programs that measure themselves."""
        def reads(words, environment=None):
            return lambda b: run.read_lines(b.output(
                words(b), b.core if core is None else core, environment=environment))
        variants = [Variant(f"weir-{backend}", reads(weir_words, {"WEIR_BACKEND": backend}))
                    for backend in ("uring", "epoll")]
        variants += [Variant("libuv", reads(uv_words), missing=missing("files_uv")),
                     Variant("go", reads(go_words), missing=run.go_missing())]
        if threads_words:
            variants.append(Variant("threads", reads(threads_words)))
        return variants + [Variant("floor", reads(floor_words), floor=True)]

    def on_files(*words):
        return lambda b: [*words, made_files(run, b), FILES, LARGE_MIB]

    def tls_server(name, path, environment=None, why=None, floor=False):
        return Variant(name, missing=why or tls_missing, floor=floor, command=lambda b, port: (
            [path, str(port), *certificate(run, b)], environment or {}))

    def tls(name, title, words, variants, **more):
        told = {"cpu": "us", "rate": "/s", "core_busy": "%", "others_busy": "%", "stolen": "%"}
        return loaded(name, title, words, **{"connections": 8, "variants": variants,
                                             "program": "bench_tls_load", "figures": told, **more})

    tls_missing = None if os.path.exists("/usr/include/openssl/ssl.h") and shutil.which("openssl") \
        else "openssl or libssl-dev is not installed"
    tls_servers = [tls_server(f"weir-{backend}", bench.program("bench_tls"),
                              {"WEIR_BACKEND": backend}) for backend in ("uring", "epoll")]
    tls_servers += [Variant("nginx", missing=run.nginx_missing() or tls_missing,
                            command=lambda b, port: nginx_tls(run, b, port)),
                    tls_server("go", peer("tls"), why=run.go_missing())]
    tls_all = tls_servers + [tls_server("floor", peer("tls_raw"), floor=True)]

    nginx = Variant("nginx", missing=run.nginx_missing(), command=run.nginx_command)
    http_go = server("go", "http_server", go=True)
    sockets = [Variant(f"weir-{backend}", lambda b, e=backend: run.read_lines(b.output(
        [b.program("bench_groups"), "sockets"], b.core, environment={"WEIR_BACKEND": e})))
        for backend in ("uring", "epoll")]
    sockets.append(Variant("go", lambda b: run.read_lines(b.output([peer("tasks"), "sockets"], b.core)),
                           missing=run.go_missing()))
    return [
        loaded("echo_50", "TCP echo of 64 bytes, 50 connections", ["echo", "{}", 50], 50),
        loaded("echo_5000", "TCP echo of 64 bytes, 5,000 connections", ["echo", "{}", 5000], 5000),
        loaded("churn", "TCP: connect, one echo of 64 bytes, close; 50 at a time",
               ["churn", "{}", 50], 50),
        loaded("udp", "UDP echo of 64 bytes, one at a time", ["udp", "{}", 1], 1),
        loaded("bulk", "1 GiB by one TCP connection, thrown away (cpu: a MiB)",
               ["bulk", "{}", LARGE_MIB], 0, seconds=False, figures={"bulk": "GB/s", "cpu": "us"}),
        idle("idle", "9,000 idle TCP connections, each used once (memory of the server, each)",
             servers, IDLE),
        idle("idle_http", "9,000 idle HTTP connections after one request (memory of the server, each)",
             weir("bench_http_server") + [nginx, http_go], IDLE, ["http"]),
        idle("idle_100k", "100,000 idle TCP connections, each used once", servers, IDLE_MANY,
             slow=True),
        idle("idle_tls", "9,000 idle TLS connections after one request (memory of the server, each)",
             tls_servers, IDLE, program="bench_tls_load"),
        tls("tls_full", "TLS 1.3: a full handshake (P-256, X25519), a request, the end; 8 at a time",
            ["full", "{}", 8], tls_all),
        tls("tls_resumed", "TLS 1.3: the same with the session of before", ["resumed", "{}", 8],
            tls_all),
        tls("tls_requests", "TLS 1.3: requests one after another on 8 connections",
            ["requests", "{}", 8], tls_all),
        tls("tls_bulk", "TLS 1.3: four times 256 MiB by one connection (cpu: a MiB)",
            ["bulk", "{}", 4], tls_all, figures={"bulk": "GB/s", "cpu": "us"}, connections=0),
        Contest("sockets", "9,000 tasks that wait in a read are cancelled (CPU time, a task)",
                {"cancel_reads": "ns"}, sockets),
        Contest("files", "20,000 files of 4 KiB and one of 1 GiB from the page cache, 32 tasks",
                {"files": "us", "files_cpu": "us", "files_whole": "us", "files_whole_cpu": "us",
                 "large": "GB/s", "large_cpu": "ms"},
                programs(on_files(bench.program("bench_files"), "read"),
                         on_files(peer("files_threads"), "1"), on_files(peer("files")),
                         on_files(peer("files_uv")), on_files(peer("files_threads"), "32")),
                note="the floor is bare calls, one after another"),
        Contest("handover", "from one thread to another (by the clock, on both cores)",
                {"offload_1": "us", "offload_64": "us", "post": "us", "flood": "ns",
                 "crossing": "us"},
                programs(lambda b: [b.program("bench_handover")],
                         lambda b: [peer("handover_threads")], lambda b: [peer("handover")],
                         lambda b: [peer("handover_uv")],
                         core=f"{bench.core},{bench.load_core}"),
                note="the floor is two threads and a futex each; of offload_1 there and back"),
    ]
