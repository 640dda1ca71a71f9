"""driving.py - what the tests share that play the peers of a program of weir.

`Driven` starts system_driven and tells it what to do; `run_cases` runs each case on both backends,
all of them at the same time, so that their waits overlap; `enter_namespaces` makes the test root of
a machine of its own, which goes with it, whatever happens.

No case asserts that something was quick: a machine may stall for seconds. What never comes is
noticed after PATIENCE.
"""

import argparse
import atexit
import collections
import concurrent.futures
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

PATIENCE = 120
INSIDE = "WEIR_TEST_NAMESPACES"


class Failed(Exception):
    pass


def expect(held, *what):
    if not held:
        raise Failed(" ".join(str(w) for w in what))


def wait_for(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed(f"waited {seconds} s in vain for {what}")


# --- the driven program ----------------------------------------------------------------------------

Answer = collections.namedtuple("Answer", "code count text")


class Driven:
    """A program of weir, on one backend; `inside`: words that start it elsewhere (nsenter ...)."""

    def __init__(self, backend, inside=(), server_ms=0, files=None, debug=False):
        self.folder = tempfile.mkdtemp(prefix="weir-driven-")
        self.errors_path = os.path.join(self.folder, "errors")
        path = os.path.join(self.folder, "control")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(PATIENCE)
        command = [*inside]
        if files:
            command += ["prlimit", f"--nofile={files}:{files}"]
        command += [OPTIONS.program, f"unix:{path}", str(server_ms)]
        environment = dict(os.environ)
        environment.pop("WEIR_BACKEND", None)
        if backend is not None:
            environment["WEIR_BACKEND"] = backend
        if debug:
            environment["WEIR_DEBUG"] = "1"
        with open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors,
                                            stderr=errors, env=environment)
        try:
            self.control, _ = listener.accept()
        except TimeoutError:
            raise Failed(f"it did not start: {self.errors()}") from None
        listener.close()
        self.lock = threading.Lock()
        self.waiting = {}
        self.last_id = 0
        threading.Thread(target=self.read, daemon=True).start()
        self.descriptors = self.look()["fds"]

    def read(self):
        try:
            for line in self.control.makefile("r", encoding="utf-8", errors="replace"):
                number, code, count, text = line.rstrip("\n").split(" ", 3)
                with self.lock:
                    future = self.waiting.pop(int(number))
                future.set_result(Answer(code, int(count), text))
        except OSError:
            pass
        with self.lock:
            for future in self.waiting.values():
                future.set_exception(Failed("the program has ended"))

    def start(self, *words):
        """Begin a command; its answer is `.result(PATIENCE)`, its number `.number`."""
        future = concurrent.futures.Future()
        with self.lock:
            self.last_id += 1
            future.number, future.words = self.last_id, words
            self.waiting[self.last_id] = future
            text = " ".join(str(word) for word in (self.last_id, *words))
            self.control.sendall(text.encode() + b"\n")
        return future

    def end_of(self, future, code="0", *texts):
        """The answer of a command, which must have this code, and these texts in its message."""
        try:
            answer = future.result(PATIENCE)
        except concurrent.futures.TimeoutError:
            raise Failed(f"{future.words} hangs") from None
        codes = code if isinstance(code, tuple) else (code,)
        expect(answer.code in codes, future.words, "gave", answer, "not", code)
        for text in texts:
            expect(text in answer.text, future.words, "gave", answer, "without", repr(text))
        return answer

    def do(self, *words, code="0", texts=()):
        return self.end_of(self.start(*words), code, *texts)

    def look(self):
        return {name: int(value) for name, value in
                (pair.split("=") for pair in self.do("look").text.split())}

    def wait_ticks(self, count):
        """So many turns of a task that sleeps for 5 ms: time in which the loop went on."""
        begun = self.look()["ticks"]
        wait_for(lambda: self.look()["ticks"] >= begun + count, "the loop to go on")

    def wait_descriptors(self):
        """All that the test opened there is closed again."""
        wait_for(lambda: self.look()["fds"] <= self.descriptors,
                 f"descriptors to be closed: {self.look()} and {self.descriptors} at the start")

    def errors(self):
        with open(self.errors_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        """End of the input: it must end by itself, and well, with nothing to say."""
        self.control.shutdown(socket.SHUT_WR)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"it does not end: {self.errors()}") from None
        said = self.errors()
        expect(code == 0, "the program ended with", code, said)
        expect("W4" not in said and "ERROR" not in said, "it said:", said)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.kill()
        self.control.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- cases -----------------------------------------------------------------------------------------

CASES = []


def case(function):
    CASES.append(function)
    return function


class World:
    """What one case made, on one backend; closed latest first."""

    def __init__(self, backend):
        self.backend = backend
        self.things = []

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def driven(self, *args, **more):
        return self.keep(Driven(self.backend, *args, **more))

    def close(self):
        for thing in reversed(self.things):
            try:
                thing.close()
            except OSError:
                pass


def run_one(function, backend):
    world = World(backend)
    begun = time.monotonic()
    name = f"{function.__name__.replace('_', ' ')} ({backend})"
    try:
        function(world)
        print(f"ok {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        return True
    except Exception as problem:
        text = str(problem) if isinstance(problem, Failed) else traceback.format_exc()
        for thing in world.things:
            if isinstance(thing, Driven):
                text += f"\n--- it said:\n{thing.errors()[-3000:]}"
        print(f"FAIL {name}\n    " + text.replace("\n", "\n    "), flush=True)
        return False
    finally:
        world.close()


def has_uring():
    probe = subprocess.run([OPTIONS.program, "unix:/nowhere"], capture_output=True, text=True,
                           env=dict(os.environ, WEIR_BACKEND="uring"), timeout=PATIENCE)
    return "no loop could be made" not in probe.stderr


def read_options():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--without-uring", help="a program that runs another where io_uring is denied")
    parser.add_argument("--service", help="the reference service")
    parser.add_argument("names", nargs="*", help="only cases with one of these in their names")
    OPTIONS = parser.parse_intermixed_args()
    return OPTIONS


def skip(why):
    """The whole test."""
    print(f"skip {why}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def run_cases(at_once=12):
    backends = ["uring", "epoll"] if has_uring() else ["epoll"]
    jobs = [(function, backend) for function in CASES for backend in backends
            if not OPTIONS.names or any(part in function.__name__.replace("_", " ")
                                        for part in OPTIONS.names)]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(lambda job: run_one(*job), jobs))
    skipped = "" if len(backends) == 2 else f", {len(CASES)} skipped"
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed{skipped}", flush=True)
    atexit._run_exitfuncs()
    os._exit(0 if all(results) else 1)  # threads of peers may still wait


# --- a machine of one's own ------------------------------------------------------------------------


def enter_namespaces():
    """Begin again as root of namespaces of our own: network, mounts, processes. They go with us."""
    if INSIDE in os.environ:
        return
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if shutil.which(tool) is None:
            skip(f"this test makes namespaces, and needs {tool} (util-linux, iproute2)")
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare.append("--map-root-user")
    probe = subprocess.run([*unshare, "sh", "-c", "ip link set lo up && ip link add weir-a type veth"
                            " peer name weir-b"], capture_output=True, text=True, timeout=PATIENCE,
                           check=False)
    if probe.returncode != 0:
        skip("this machine lets the test make no namespaces with a veth pair "
             f"(not root, or a container): {probe.stderr.strip()}")
    os.execvpe(unshare[0], [*unshare, sys.executable, "-B", *sys.argv], {**os.environ, INSIDE: "1"})


def sh(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """A network namespace that lasts until it is closed: its holder reads what never comes."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read line"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]
        self.ip("link set lo up")

    def ip(self, *lines):
        """Lines as for `ip -batch`."""
        sh(*self.inside, "ip", "-batch", "-", text="\n".join(lines) + "\n")

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()
