#!/usr/bin/env python3
"""Plants one fault of each kind, and looks whether texts.py and run.py find it.

usage: selftest.py
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

GOOD = {
    "README.md": "[rules](docs/concurrency-rules.md#what-holds)\n",
    "docs/concurrency-rules.md": "# What holds\n\n**G5** It waits.\n\n**G6** It ends.\n",
    "docs/diagnosis.md": "## W104 It blocks\n",
    "examples/a/a.c": "int a(void)\n{\n    return 1;\n}\n",
    "examples/a/a.expected": "$ a\n> one <n> two\nstatus 0\n",
    "src/base/a.c": 'const char *a = "W104"; /* G5, case 3 */\n',
    "include/weir/a.h": "/* rules G5 to G6 */\n",
}
CODE = "<!-- examples/a/a.c -->\n```c\n    return %s;\n```\n"
TEXT = "<!-- printed by examples/a/a -->\n```text\n%s\n```\n"

# a file that is changed, what it has then, what must be said (None: no fault)
TEXTS = [
    ("docs/a.md", "", None),
    ("docs/a.md", CODE % "1", None),
    ("docs/a.md", CODE % "2", "not a stretch of examples/a/a.c"),
    ("docs/a.md", "```c\nint b;\n```\n", "without a file"),
    ("docs/a.md", TEXT % "one 17 two", None),
    ("docs/a.md", TEXT % "one x two", "not in the transcript: one x two"),
    ("docs/a.md", "[no](nothing.md)\n", "nothing.md is not there"),
    ("docs/a.md", "[no](diagnosis.md#w999)\n", "no such heading"),
    ("src/base/b.c", 'const char *b = "W105";\n', "W105 is not in docs/diagnosis.md"),
    ("docs/diagnosis.md", "## W104 It blocks\n\n## W106 It is not\n", "W106 is explained"),
    ("src/base/b.c", "/* C7 */\n", "cites rule C7"),
    ("include/weir/b.h", "/* rules G5 to G7 */\n", "cites rule G7"),
]

# a program (sh), its transcript, whether they fit
RUNS = [
    ("echo one 17 two", "$ p\n> one <n> two\nstatus 0\n", True),
    ("echo one x two", "$ p\n> one <n> two\nstatus 0\n", False),
    ("echo one; echo two", "$ p\n> one\nstatus 0\n", False),
    ("echo a; echo b; echo c", "$ p\n> a\n> ...\n> c\nstatus 0\n", True),
    ("echo a >&2", "$ p\n! a\nstatus 0\n", True),
    ("echo a >&2", "$ p\n> a\nstatus 0\n", False),
    ("exit 3", "$ p\nstatus 3\n", True),
    ("exit 3", "$ p\nstatus 0\n", False),
    ("kill -ABRT $$", "$ p\nkilled SIGABRT\n", True),
    ('echo "$1 $A"', "$ A=2 p 1\n> 1 2\nstatus 0\n", True),
]


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def call(*arguments):
    result = subprocess.run([sys.executable, "-B", *arguments], capture_output=True, text=True,
                            check=False)
    return result.returncode, result.stdout + result.stderr


def main():
    passed = failed = 0
    for name, text, said in TEXTS:
        with tempfile.TemporaryDirectory() as folder:
            for path, content in {**GOOD, name: text}.items():
                write(folder, path, content)
            status, output = call(os.path.join(HERE, "texts.py"), folder)
        right = status == 0 if said is None else status == 1 and said in output
        passed, failed = passed + right, failed + (not right)
        if not right:
            print(f"FAIL texts.py, {name} with {text!r} should give {said!r}:\n{output}")
    for script, transcript, fits in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            program = write(folder, "p", f"#!/bin/sh\n{script}\n")
            os.chmod(program, 0o755)
            expected = write(folder, "p.expected", transcript)
            status, output = call(os.path.join(HERE, "run.py"), expected, program, "OFF")
        right = (status == 0) == fits
        passed, failed = passed + right, failed + (not right)
        if not right:
            print(f"FAIL run.py, {script!r} with {transcript!r}:\n{output}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
