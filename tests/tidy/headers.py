#!/usr/bin/env python3
"""Checks that every public header compiles alone, as C17 and as C++17, with each compiler here.

usage: headers.py <root of the project>
"""

import os
import shutil
import subprocess
import sys

from report import Report, files

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror"]
COMPILERS = [
    (["gcc", "-x", "c", "-std=c17", "-Wstrict-prototypes"], "c"),
    (["clang", "-x", "c", "-std=c17", "-Wstrict-prototypes"], "c"),
    (["g++", "-x", "c++", "-std=c++17"], "c++"),
    (["clang++", "-x", "c++", "-std=c++17"], "c++"),
]


def main():
    report = Report(sys.argv[1])
    include = os.path.join(report.root, "include")
    languages = set()
    for command, language in COMPILERS:
        if shutil.which(command[0]) is None:
            continue
        languages.add(language)
        for path in files(report.root, ["include/weir"], (".h",)):
            name = os.path.relpath(path, include)
            # Twice: the guard must hold.
            source = f"#include <{name}>\n#include <{name}>\nint weir_headers_unused;\n"
            result = subprocess.run(
                command + WARNINGS + ["-fsyntax-only", "-I", include, "-"],
                input=source, capture_output=True, text=True, check=False)
            if result.returncode == 0:
                report.ok()
                continue
            print(result.stderr)
            report.fault(path, 1, f"does not compile alone ({' '.join(command)})",
                         "include what it uses; leave out what C++ has no word for")
    for language in ("c", "c++"):
        if language not in languages:
            print(f"skip: no compiler for {language} here")
    report.close()


main()
