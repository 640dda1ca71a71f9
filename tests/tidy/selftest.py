#!/usr/bin/env python3
"""Plants one fault of each kind into a small tree and looks whether the tidy checks find it.

usage: selftest.py <directory of the checks>
"""

import os
import subprocess
import sys
import tempfile

HERE = sys.argv[1]

DOC = """/**
 * {summary}
 *
 * @param count  how many
 * @param out_fds  two of them
 *
 * Returns     0 or a negative errno
 * Errors      -EIO  it broke
 * Checkpoint  {checkpoint}
 * Thread      any
 * Source      pipe(2)
 */
WEIR_API {marks} int weir_thing_do(size_t count, int out_fds[2]);
"""
GOOD = DOC.format(summary="Do it.", checkpoint="no", marks="WEIR_MUST_CHECK")
BASE = "#define WEIR_API\n#define WEIR_CHECKPOINT\n#define WEIR_MUST_CHECK\n#include <stddef.h>\n"

# check, files that are added to a good tree, what must be said (None: no fault)
CASES = [
    ("includes", {}, None),
    ("includes", {"src/base/a.c": '#include "core/task.h"\n'}, 'base includes "core/task.h"'),
    ("includes", {"src/core/a.c": '#include "base/list.h"\n#include "core/x.h"\n'}, None),
    ("includes", {"src/http/parse/a.c": '#include "http/parse/b.h"\n'}, None),
    ("includes", {"src/core/a.c": '#include "../base/list.h"\n'}, "relative path"),
    ("includes", {"src/core/a.c": '#include "task.h"\n'}, "without its room"),
    ("includes", {"src/core/a.c": '#include "weir/thing.h"\n'}, "in quotes"),
    ("includes", {"src/core/a.c": "#include <weir/nothing.h>\n"}, "which is not there"),
    ("includes", {"src/core/a.c": "\n#include <liburing.h>\n"}, "src/core/a.c:2: includes"),
    ("includes", {"src/backend/a.c": "#include <liburing.h>\n"}, None),
    ("includes", {"include/weir/a.h": "#include <pthread.h>\n"}, "a public header includes"),
    ("includes", {"include/weir/a.h": '#include "base/list.h"\n'}, "public headers only"),
    ("includes", {"src/cellar/a.c": "\n"}, "is not a room"),
    ("docs", {}, None),
    ("docs", {"include/weir/a.h": "WEIR_API void weir_a(void);\n"}, "has no comment"),
    ("docs", {"include/weir/a.h": GOOD.replace(" * @param count  how many\n", "")},
     "does not document `count`"),
    ("docs", {"include/weir/a.h": GOOD.replace("@param count ", "@param size ")},
     "which is no parameter"),
    ("docs", {"include/weir/a.h": GOOD.replace(" * Thread      any\n", "")},
     "does not answer `Thread`"),
    ("docs", {"include/weir/a.h": GOOD.replace(" * Source      pipe(2)\n", "").replace(
        " * Returns", " * Source      pipe(2)\n * Returns")}, "out of order"),
    ("docs", {"include/weir/a.h": GOOD.replace("Checkpoint  no", "Checkpoint  always")},
     "and has no mark"),
    ("docs", {"include/weir/a.h": GOOD.replace("WEIR_API", "WEIR_API WEIR_CHECKPOINT")},
     "is marked WEIR_CHECKPOINT"),
    ("docs", {"include/weir/a.h": GOOD.replace("WEIR_API WEIR_MUST_CHECK", "WEIR_API")},
     "its result may be dropped"),
    ("docs", {"include/weir/a.h": GOOD.replace("WEIR_API WEIR_MUST_CHECK ", "")},
     "weir_thing_do is not exported"),
    ("docs", {"include/weir/a.h": GOOD.replace(" * Do it.\n", " *\n")}, "does not say what it does"),
    ("headers", {}, None),
    ("headers", {"include/weir/a.h": "size_t weir_a;\n"}, "does not compile alone"),
    ("headers", {"include/weir/a.h": "typedef struct { int class; } weir_a;\n"},
     "does not compile alone"),
    ("format", {}, None),
    ("format", {"src/base/a.c": "int  a;\n"}, "src/base/a.c:1: clang-format would change"),
    ("format", {"src/base/a.c": "// " + 100 * "x" + "\n"}, "longer than 100 columns"),
    ("rules", {}, None),
    ("rules", {"tests/core/a_test.c": "/* O1 */\n"}, "no test names rule G5"),
    ("rules", {"tests/core/a_test.c": "int G5; /* O1, cases 1 to 3 */\n"}, "no test names rule G5"),
    ("rules", {"tests/core/a_test.c": "/* O1, G5, case 1 */\n"}, "case 2 has neither"),
    ("rules", {"tests/core/a_test.c": "/* G4-G6, O1, cases 1\n * and 2 */\n"}, None),
    ("rules", {"tests/core/a_test.c": "/* G5, O1, cases 1-3 */\n"}, "case 3 has a test and a reason"),
    ("rules", {"tests/core/a_test.c": "/* G5, O1, cases 1, 2 and 9 */\n"}, "case 9 is not in the list"),
    ("rules", {"tests/tidy/cases.txt": "all 1-3\n3 no.\n"}, "case 3 has no reason"),
    ("boundary", {}, None),
    ("boundary", {"src/core/a.c": "char *getenv(const char *);\nchar *f(void);\n"
                                  "char *f(void)\n{\n    return getenv(\"A\");\n}\n"},
     "refers to `getenv`"),
    ("boundary", {"src/base/alloc.c": "#include <stdlib.h>\nvoid *f(void);\n"
                                      "void *f(void)\n{\n    return malloc(7);\n}\n"}, None),
    ("boundary", {"src/core/a.c": "#include <stdlib.h>\nvoid *f(void);\n"
                                  "void *f(void)\n{\n    return malloc(7);\n}\n"},
     "refers to `malloc`"),
]


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def compile_objects(root):
    build = os.path.join(root, "build")
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in names:
            if not name.endswith(".c"):
                continue
            source = os.path.join(directory, name)
            relative = os.path.relpath(source, os.path.join(root, "src"))
            out = os.path.join(build, "CMakeFiles", "weir_room_x.dir", "src", relative + ".o")
            os.makedirs(os.path.dirname(out), exist_ok=True)
            subprocess.run(["cc", "-c", "-O1", source, "-o", out], check=True)
    return build


def run(check, added):
    project = os.path.dirname(os.path.dirname(HERE))
    with tempfile.TemporaryDirectory() as root:
        for name in (".clang-format", "tests/tidy/boundary.txt"):
            with open(os.path.join(project, name), encoding="utf-8") as file:
                write(root, name, file.read())
        write(root, "include/weir/thing.h", "#ifndef T\n#define T\n" + BASE + GOOD + "#endif\n")
        write(root, "src/base/b.c", "int weir_b;\n")
        write(root, "docs/concurrency-rules.md", "**O1** Look.\n\n**G5** A failure beats.\n")
        write(root, "tests/tidy/cases.txt", "all 1-3\n3  the clock of a test stands still.\n")
        write(root, "tests/core/a_test.c", "/* O1, G5, cases 1 and 2 */\n")
        for path, text in added.items():
            write(root, path, BASE + text if check == "docs" else text)
        command = [sys.executable, os.path.join(HERE, check + ".py"), root]
        if check == "boundary":
            command.append(compile_objects(root))
        return subprocess.run(command, capture_output=True, text=True, check=False)


WORDS = 24 * "four "
WRAPS = [
    # what is over goes to the front of the next line of the paragraph
    (f"/*\n * {WORDS}end\n * of it\n */\n",
     f"/*\n * {18 * 'four '}four\n * {5 * 'four '}end of it\n */\n"),
    # a field stays a field
    (f"/**\n * Returns     {WORDS}end\n * Thread      any\n */\n",
     f"/**\n * Returns     {16 * 'four '}four\n *             {7 * 'four '}end\n * Thread      any\n */\n"),
    # code in a comment is left alone
    (f"/*\n *     f({WORDS});\n */\n", f"/*\n *     f({WORDS});\n */\n"),
    ("int a; /* " + WORDS + "*/\n",
     "int a; /* " + 17 * "four " + "four\n          " + 5 * "four " + "four */\n"),
]


def wrap(before):
    script = os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts", "wrap-comments")
    with tempfile.NamedTemporaryFile("w+", suffix=".c") as file:
        file.write(before)
        file.flush()
        subprocess.run([sys.executable, script, file.name], check=True)
        with open(file.name, encoding="utf-8") as result:
            return result.read()


def main():
    passed = failed = 0
    for before, wanted in WRAPS:
        after = wrap(before)
        if after == wanted:
            passed += 1
        else:
            failed += 1
            print(f"FAIL wrap-comments made of\n{before}this:\n{after}and not:\n{wanted}")
    for check, added, wanted in CASES:
        result = run(check, added)
        skipped = "skip:" in result.stdout
        if wanted is None:
            good = result.returncode == 0
        else:
            good = result.returncode == 1 and wanted in result.stdout
        if good or skipped:
            passed += 1
            continue
        failed += 1
        print(f"FAIL {check} with {added}: expected {wanted or 'no fault'}\n{result.stdout}"
              f"{result.stderr}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
