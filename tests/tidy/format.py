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


def main():
    report = Report(sys.argv[1])
    tool = clang_format()
    if tool is None:
        print("skip: clang-format 14 is not here (Debian 12: clang-format)")
    for path in files(report.root, FOLDERS, (".c", ".h")):
        places = []
        if tool is not None:
            result = subprocess.run([tool, "--dry-run", path], cwd=report.root,
                                    capture_output=True, text=True, check=False)
            places = sorted({int(m) for m in re.findall(r":(\d+):\d+: warning:", result.stderr)})
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
