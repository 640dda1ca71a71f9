#!/usr/bin/env python3
"""Checks every #include of src, include and tools against the map of rooms.

usage: includes.py <root of the project>
"""

import os
import re
import sys

from report import Report, files, read

# A room may include itself, the public headers, and these.
ROOMS = {
    "base": [],
    "arch": ["base"],
    "backend": ["base"],
    "core": ["base", "arch", "backend"],
    "sync": ["base", "core"],
    "loops": ["base", "core", "sync"],
    "exec": ["base", "core", "sync"],
    "stream": ["base", "core", "exec"],
    "process": ["base", "core", "exec", "stream"],
    "file": ["base", "core", "exec", "stream"],
    "net": ["base", "core", "sync", "exec", "stream", "file"],
    "model": ["base"],
    "tls": ["base", "core", "sync", "exec", "net"],
    "http": ["base", "core", "sync", "net", "model"],
    "sqlite": ["base", "core", "exec", "model"],
    "debug": ["base", "core"],
    "test": ["base", "backend", "core", "debug"],
    "inspect": ["base", "core", "net", "model"],
}
ROOMS["app"] = sorted(ROOMS)  # the service frame sees every room

# Headers of libraries, and the only room that knows each.
FOREIGN = {"liburing.h": "backend", "sqlite3.h": "sqlite", "openssl/": "tls"}

# A public header may name these of the system's: types, no machinery.
PUBLIC_SYSTEM = {
    "errno.h", "inttypes.h", "limits.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
    "string.h", "sys/socket.h", "sys/types.h",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def room_of(relative):
    """The room of a file: `core`, or `include` and `tools` for what is outside src."""
    parts = relative.split(os.sep)
    return parts[1] if parts[0] == "src" else parts[0]


def check(report, path):
    relative = os.path.relpath(path, report.root)
    room = room_of(relative)
    if room not in ROOMS and room not in ("include", "tools"):
        report.fault(path, 1, f"src/{room} is not a room",
                     "put the file into a room of tests/tidy/includes.py, or add the room there")
        return
    text = read(path)
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quoted = match[1] == '"'
        name = match[2]
        first = name.split("/")[0]
        if ".." in name.split("/"):
            report.fault(path, line, f"includes {name} by a relative path",
                         'write the room: #include "core/task.h"')
        elif quoted and first == "weir":
            report.fault(path, line, f"includes a public header in quotes: {name}",
                         f"write #include <{name}>")
        elif not quoted and first == "weir":
            if not os.path.exists(os.path.join(report.root, "include", name)):
                report.fault(path, line, f"includes <{name}>, which is not there",
                             "public headers are include/weir/*.h")
            else:
                report.ok()
        elif not quoted:
            owner = FOREIGN.get(name) or FOREIGN.get(first + "/")
            if owner is not None and room != owner:
                report.fault(path, line, f"includes <{name}>",
                             f"only src/{owner} knows that library; call its functions instead")
            elif room == "include" and name not in PUBLIC_SYSTEM:
                report.fault(path, line, f"a public header includes <{name}>",
                             "public headers include standard types only; move it into src")
            else:
                report.ok()
        elif room in ("include", "tools"):
            report.fault(path, line, f'includes "{name}"',
                         f"{room} sees public headers only: #include <weir/...>")
        elif "/" not in name:
            report.fault(path, line, f'includes "{name}" without its room',
                         f'write #include "{room}/{name}"')
        elif first == room or first in ROOMS[room]:
            report.ok()
        elif first in ROOMS:
            report.fault(path, line, f'{room} includes "{name}"',
                         f"{room} may include {', '.join(ROOMS[room]) or 'no other room'}; to tell "
                         "an upper room something, own a table of functions that it fills in")
        else:
            report.fault(path, line, f'includes "{name}", which is in no room',
                         "see the map in tests/tidy/includes.py")


def main():
    report = Report(sys.argv[1])
    for path in files(report.root, ["src", "include", "tools"], (".c", ".h", ".S")):
        check(report, path)
    report.close()


main()
