#!/usr/bin/env python3
"""Checks the form of the C sources: clang-format 14 would change nothing, 100 columns at most.

usage: format.py <root of the project>
"""

import os
import re
import shutil
import subprocess
import sys

from report import Report, files, read

FOLDERS = ["src", "include", "tests", "examples", "bench", "fuzz", "tools"]
SHOWN_MAX = 3  # places shown for each file


def clang_format():
    """clang-format of the version that .clang-format is written for: others differ in details."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        if re.search(r"version 14\.", version.stdout):
            return path
    return None


def places_to_change(tool, root, paths):
    """Lines that clang-format would change, for each path; all in one run, which is much faster."""
    places = {path: set() for path in paths}
    result = subprocess.run([tool, "--dry-run"] + paths, cwd=root, capture_output=True, text=True,
                            check=False)
    for path, line in re.findall(r"^(/[^:\n]*):(\d+):\d+: warning:", result.stderr, re.M):
        places[path].add(int(line))
    return places


def main():
    report = Report(os.path.abspath(sys.argv[1]))
    tool = clang_format()
    paths = files(report.root, FOLDERS, (".c", ".h"))
    changes = {}
    if tool is None:
        print("skip: clang-format 14 is not here (Debian 12: clang-format)")
    else:
        changes = places_to_change(tool, report.root, paths)
    for path in paths:
        places = sorted(changes.get(path, []))
        for line in places[:SHOWN_MAX]:
            report.fault(path, line, "clang-format would change this",
                         f"scripts/format {os.path.relpath(path, report.root)}")
        long_lines = [i for i, text in enumerate(read(path).split("\n"), 1) if len(text) > 100]
        for line in long_lines[:SHOWN_MAX]:
            report.fault(path, line, "is longer than 100 columns", "scripts/format breaks comments; break the rest by hand")
        if not places and not long_lines:
            report.ok()
    report.close()


main()
