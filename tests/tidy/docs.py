#!/usr/bin/env python3
"""Checks that every exported function says what a caller must know, in the agreed fields.

A comment /** */ stands right above each prototype marked WEIR_API: a sentence, an @param for each
parameter in order, then the fields Returns, Errors, Checkpoint, Thread, Source in this order;
Returns, Checkpoint and Thread are always there. Checkpoint starts with `no` exactly when the
prototype has no WEIR_CHECKPOINT.

usage: docs.py <root of the project>
"""

import re
import sys

from report import Report, files, read, without_comments

FIELDS = ["Returns", "Errors", "Checkpoint", "Thread", "Source"]
ALWAYS = ["Returns", "Checkpoint", "Thread"]
MARKS = ["WEIR_API", "WEIR_CHECKPOINT", "WEIR_MUST_CHECK"]
FIELD = re.compile(r"^(%s)(\s\s+|$)" % "|".join(FIELDS))
PARAM = re.compile(r"^@param\s+(\S+)(.*)$")


def split_arguments(text):
    """The parameters between a function's parentheses, split at the outermost commas."""
    parts = []
    depth = 0
    start = 0
    for i, char in enumerate(text):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts]


def parameter_name(text):
    """`const char *text` is text, `void (*fn)(void *)` is fn, `int fds[2]` is fds."""
    pointer = re.search(r"\(\s*\*\s*(\w+)", text)
    if pointer:
        return pointer[1]
    text = re.sub(r"\[[^]]*\]", "", text).strip()
    words = re.findall(r"\w+", text)
    if len(words) < 2 or text.endswith("*"):
        return None
    return words[-1]


def prototype_parts(prototype):
    """Name and parameter names of a prototype without its marks; None when it is no function."""
    text = re.sub(r"\bWEIR_PRINTF\s*\([^)]*\)", "", prototype)
    for mark in MARKS:
        text = re.sub(r"\b%s\b" % mark, "", text)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", text, flags=re.S)
    match = re.search(r"\b(\w+)\s*\(", text)
    if match is None:
        return None
    start = match.end()
    depth = 1
    end = start
    while end < len(text) and depth > 0:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    arguments = split_arguments(text[start : end - 1])
    if arguments == ["void"] or arguments == [""]:
        return match[1], []
    return match[1], [("..." if part == "..." else parameter_name(part)) for part in arguments]


def comment_above(text, position):
    """The /** */ block that ends right above position, and where it starts; else None."""
    before = text[:position].rstrip(" \t")
    if not before.endswith("*/\n"):
        return None
    start = before.rfind("/*")
    if start < 0 or not before.startswith("/**", start):
        return None
    return before[start:-1], start


def comment_lines(comment):
    body = comment[3:-2]
    return [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in body.split("\n")]


def check_function(report, path, text, code, start, end):
    line = text.count("\n", 0, start) + 1
    prototype = code[start:end]
    parts = prototype_parts(prototype)
    faults = []
    if parts is None:  # a variable: a comment is enough
        if comment_above(text, start) is None:
            report.fault(path, line, "an exported variable without a comment",
                         "say above it, in /** */, what it is")
        else:
            report.ok()
        return
    name, parameters = parts
    if name.startswith("weir__"):
        report.ok()  # for macros only, nobody calls it by name
        return

    def fault(what, todo):
        faults.append(what)
        report.fault(path, line, f"{name}: {what}", todo)

    above = comment_above(text, start)
    if above is None:
        fault("has no comment", "write /** what it does */ right above the prototype")
        return
    lines = comment_lines(above[0])
    seen_fields = {}
    seen_params = []
    order = []
    for comment_line in lines:
        param = PARAM.match(comment_line)
        field = FIELD.match(comment_line)
        if param:
            seen_params.append(param[1])
            order.append(-1)
            if not param[2].strip():
                fault(f"@param {param[1]} says nothing", "say what it is, and kept or taken")
        elif field:
            order.append(FIELDS.index(field[1]))
            seen_fields[field[1]] = comment_line[field.end() :].strip()
    first = next((item for item in lines if item), "")
    if not first or PARAM.match(first) or FIELD.match(first):
        fault("does not say what it does", "open the comment with a sentence")
    if order != sorted(order):
        fault("its fields are out of order", "the order is: @param, " + ", ".join(FIELDS))
    for wanted in ALWAYS:
        if not seen_fields.get(wanted):
            fault(f"does not answer `{wanted}`", f"add a line `{wanted}  ...` to its comment")
    if None in parameters:
        fault("has a parameter without a name", "name every parameter in the prototype")
    named = [item for item in parameters if item not in (None, "...")]
    for item in named:
        if item not in seen_params:
            fault(f"does not document `{item}`", f"add ` * @param {item}  ...`")
    for item in seen_params:
        if item not in named and item != "...":
            fault(f"documents `{item}`, which is no parameter", "correct or remove that @param")
    documented = [item for item in seen_params if item in named]
    if sorted(documented) == sorted(named) and documented != named:
        fault("documents its parameters in another order", "the order is: " + ", ".join(named))
    checkpoint = seen_fields.get("Checkpoint")
    if checkpoint:
        says_no = re.match(r"no\b", checkpoint) is not None
        marked = re.search(r"\bWEIR_CHECKPOINT\b", prototype) is not None
        if says_no and marked:
            fault("is marked WEIR_CHECKPOINT, and says `Checkpoint  no`",
                  "a function that never parks has no mark; one that can says when")
        if not says_no and not marked:
            fault(f"says `Checkpoint  {checkpoint}`, and has no mark",
                  "mark it WEIR_CHECKPOINT, or say `no`")
    if "Errors" in seen_fields and "WEIR_MUST_CHECK" not in prototype:
        fault("can fail, and its result may be dropped", "mark it WEIR_MUST_CHECK")
    if not faults:
        report.ok()


def check(report, path):
    text = read(path)
    code = without_comments(text)
    # A macro's body is no prototype.
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), code,
                  flags=re.M)
    for match in re.finditer(r"^[ \t]*WEIR_API\b", code, re.M):
        end = code.find(";", match.start())
        check_function(report, path, text, code, match.start() + match[0].index("WEIR_API"), end)
    # A prototype that is not exported would not link for anybody.
    for match in re.finditer(r"^(?!\s*(?:WEIR_|static|typedef|return|extern|#))[a-z][\w \t*]*?"
                             r"\b(weir_(?!_)\w+)\s*\([^;{}]*\)[^;{}()]*;", code, re.M):
        before = code[: match.start()].rstrip().rsplit("\n", 1)[-1].strip()
        if before.startswith("WEIR_") or code[: match.start()].count("{") - code[
                : match.start()].count("}") > code[: match.start()].count('extern "C"'):
            continue
        report.fault(path, text.count("\n", 0, match.start()) + 1,
                     f"{match[1]} is not exported", "mark it WEIR_API, or move it into src")


def main():
    report = Report(sys.argv[1])
    for path in files(report.root, ["include/weir"], (".h",)):
        check(report, path)
    report.close()


main()
