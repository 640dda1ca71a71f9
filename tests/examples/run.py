#!/usr/bin/env python3
"""Runs one example as its transcript says, and compares what it prints and how it ends.

A transcript stands beside the source, as <name>.expected:

    $ WEIR_DEBUG=1 debug misuse     a run: environment, the program, its arguments
    > text                          a line on standard output
    ! text                          a line on standard error
    @ POST /path {"a": 1}           a request to the address in the line `listening`, when it is
                                    there; its answer follows as `> 202 {...}`. SIGTERM is sent
                                    after the last one
    status 1                        how it ended; or: killed SIGABRT

In a line, <n> stands for a number and <*> for anything. `> ...` and `! ...` stand for any lines.
Lines of the two outputs may stand in any order to each other: they come from different threads.
`unless sanitized` as the first line: sanitizers change what is seen here. In the arguments {pages}
is the address of a small server that answers here during the run, {folder} an empty folder.

usage: run.py <transcript> <program> <sanitized: ON or OFF>
"""

import http.server
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

TIME_LIMIT_S = 60


def pattern(line):
    """A line of a transcript as a regular expression for one line."""
    parts = re.split(r"(<n>|<\*>)", line)
    words = {"<n>": r"\d+(\.\d+)?", "<*>": r".*"}
    return "".join(words.get(part, re.escape(part)) for part in parts)


def matches(expected, actual):
    """Whether the lines fit, where an expected `...` stands for any number of lines."""
    if not expected:
        return not actual
    if expected[0] == "...":
        return any(matches(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    if not actual or not re.fullmatch(pattern(expected[0]), actual[0]):
        return False
    return matches(expected[1:], actual[1:])


def read_transcript(path):
    """A list of runs: dictionaries with command, out, err and end."""
    runs = []
    unless_sanitized = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().splitlines(), 1):
            if line == "unless sanitized":
                unless_sanitized = True
            elif line.startswith("$ "):
                runs.append({"command": line[2:], "asks": [], "out": [], "err": [], "end": None})
            elif line.startswith("@ "):
                runs[-1]["asks"].append(line[2:])
            elif line in (">", "!") or line.startswith(("> ", "! ")):
                runs[-1]["out" if line[0] == ">" else "err"].append(line[2:])
            elif line.startswith(("status ", "killed ")):
                runs[-1]["end"] = line
            elif line:
                sys.exit(f"{path}:{number}: what is this line? see {sys.argv[0]}")
    return runs, unless_sanitized


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self):
        body = b"hello\n"
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # a client that was cancelled has gone

    def log_message(self, *args):
        pass


def ask(url, request):
    """The answer to `POST /path body`, as one line."""
    method, path, *body = request.split(" ", 2)
    sent = urllib.request.Request(url + path, method=method, data="".join(body).encode() or None,
                                  headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(sent, timeout=TIME_LIMIT_S) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as answer:
        return f"{answer.code} {answer.read().decode()}"


def run_service(command, environment, requests):
    """Starts it, asks, sends SIGTERM; (status, answers, what it wrote on standard error)."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, errors="replace") as process:
        limit = threading.Timer(TIME_LIMIT_S, process.kill)
        limit.start()
        log, answers = [], []
        for line in process.stderr:
            log.append(line)
            found = re.search(r" listening url=(\S+)", line)
            if found:
                answers = [ask(found[1], request) for request in requests]
                break
        process.send_signal(signal.SIGTERM)
        out, rest = process.communicate()
        limit.cancel()
        return process.returncode, out + "\n".join(answers), "".join(log) + rest


def ended(code):
    if code >= 0:
        return f"status {code}"
    return f"killed {signal.Signals(-code).name}"


def check(run, program, environment):
    """Runs it; returns what is wrong, as lines."""
    words = shlex.split(run["command"])
    environment = dict(environment)
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    server = None
    if "{pages}" in run["command"]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        words = [word.replace("{pages}", address) for word in words]
        run = {**run, "out": [line.replace("{pages}", address) for line in run["out"]]}
    folder = tempfile.mkdtemp() if "{folder}" in run["command"] else ""
    words = [word.replace("{folder}", folder) for word in words]
    if run["asks"]:
        status, out, err = run_service([program] + words[1:], environment, run["asks"])
    else:
        result = subprocess.run([program] + words[1:], env=environment, capture_output=True,
                                text=True, errors="replace", timeout=TIME_LIMIT_S,
                                stdin=subprocess.DEVNULL, check=False)
        status, out, err = result.returncode, result.stdout, result.stderr
    if server is not None:
        server.shutdown()
    if folder:
        shutil.rmtree(folder)
    faults = []
    for name, mark, text in (("out", ">", out), ("err", "!", err)):
        lines = text.splitlines()
        if not matches(run[name], lines):
            faults.append("expected, where `...` is any number of lines:")
            faults += [f"    {mark} {line}" for line in run[name]]
            faults.append("what came:")
            faults += [f"    {mark} {line}" for line in lines]
    if run["end"] != ended(status):
        faults.append(f"expected {run['end']}, what came: {ended(status)}")
    return faults


def main():
    transcript, program, sanitized = sys.argv[1:4]
    runs, unless_sanitized = read_transcript(transcript)
    if unless_sanitized and sanitized == "ON":
        print("skip: sanitizers change what is seen here")
        print(f"0 passed, 0 failed, {len(runs)} skipped")
        return
    environment = {name: value for name, value in os.environ.items() if name != "WEIR_DEBUG"}
    backends = [environment["WEIR_BACKEND"]] if "WEIR_BACKEND" in environment else [None, "epoll"]
    passed = failed = 0
    for backend in backends:  # None: io_uring where the kernel lets us
        if backend is not None:
            environment["WEIR_BACKEND"] = backend
        for run in runs:
            faults = check(run, program, environment)
            if faults:
                failed += 1
                print(f"FAIL {run['command']} ({backend or 'auto'})")
                print("\n".join(f"    {line}" for line in faults))
            else:
                passed += 1
                print(f"ok {run['command']} ({backend or 'auto'})")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
