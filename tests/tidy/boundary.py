#!/usr/bin/env python3
"""Checks which functions of the system each object of weir calls.

Everything that is not deterministic has one door: the heap base/alloc.c, the kernel base/sys.c and
the backends, the clock and random base/clock.c, threads base/thread.c. boundary.txt says which
object may call what; a symbol that is nowhere in it is a fault.

usage: boundary.py <root of the project> <build directory> [nm]
"""

import fnmatch
import os
import re
import subprocess
import sys

from report import Report

# Our own, and what the compiler itself calls.
ALWAYS = re.compile(r"^(weir_|_GLOBAL_OFFSET_TABLE_$|__stack_chk_fail$|__tls_get_addr$)")


def read_lists(path):
    """boundary.txt: `pattern: symbols`, lines that start with a blank go on; # is a comment."""
    lists = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].rstrip()
            if not line:
                continue
            if line[0].isspace():
                lists[-1][1].update(line.split())
                continue
            pattern, symbols = line.split(":", 1)
            lists.append((pattern.strip(), set(symbols.split())))
    return lists


def plain(symbol):
    """`__memcpy_chk@GLIBC_2.3.4` is memcpy, `__isoc99_sscanf` is sscanf, `fstat64` is fstat."""
    symbol = symbol.split("@")[0]
    symbol = re.sub(r"^__(\w+)_chk$", r"\1", symbol)
    symbol = re.sub(r"^__isoc(99|23)_", "", symbol)
    return re.sub(r"64(v2)?$", "", symbol)


def allows(symbols, symbol):
    """Whether the list has the symbol, by name or by a pattern such as sqlite3_*."""
    return symbol in symbols or any(
        "*" in pattern and fnmatch.fnmatch(symbol, pattern) for pattern in symbols)


def objects(build):
    """(name such as core/task.c, path) of every object of the libraries."""
    found = []
    for directory, _, names in os.walk(os.path.join(build, "CMakeFiles")):
        for name in names:
            path = os.path.join(directory, name)
            match = re.search(r"weir_room_\w+\.dir/src/(.*)\.o$", path)
            if match:
                found.append((match[1], path))
    return sorted(found)


def undefined_symbols(nm, paths):
    """The undefined symbols of each object."""
    undefined = {path: [] for path in paths}
    if not paths:
        return undefined
    result = subprocess.run([nm, "-A", "-u"] + paths, capture_output=True, text=True, check=True)
    for line in result.stdout.splitlines():
        path, rest = line.split(":", 1)
        undefined[path].append(rest.split()[-1])
    return undefined


def main():
    root, build = sys.argv[1], sys.argv[2]
    nm = sys.argv[3] if len(sys.argv) > 3 else "nm"
    report = Report(root)
    lists = read_lists(os.path.join(root, "tests", "tidy", "boundary.txt"))
    found = objects(build)
    if not found:
        report.fault(build, 0, "has no objects of weir", "build the libraries first")
    # Without those left over from a file that is gone.
    found = [(name, path) for name, path in found
             if os.path.exists(os.path.join(root, "src", name))]
    undefined = undefined_symbols(nm, [path for _, path in found])
    for name, path in found:
        source = os.path.join(root, "src", name)
        faults = 0
        for symbol in sorted({plain(symbol) for symbol in undefined[path]}):
            if ALWAYS.match(symbol):
                continue
            if not any(fnmatch.fnmatch(name, pattern) and allows(symbols, symbol)
                       for pattern, symbols in lists):
                faults += 1
                report.fault(source, 1, f"refers to `{symbol}`",
                             "go through base (alloc.h, sys.h, clock.h, thread.h); if it is pure, "
                             "or this object is its door, add it to tests/tidy/boundary.txt")
        if faults == 0:
            report.ok()
    report.close()


main()
