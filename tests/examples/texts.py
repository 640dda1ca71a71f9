#!/usr/bin/env python3
"""Checks what can be checked of README.md and docs/:

  - a ```c block is a stretch of the file named in the comment above it, `<!-- examples/x/y.c -->`;
    only blocks that say `<!-- not compiled: reason -->` are not
  - a ```text block below `<!-- printed by examples/x/y -->` fits the transcript of that program
  - a relative link leads to a file of the project, and to a heading in it
  - every finding that the sources can report (W104 ...) has a heading in docs/diagnosis.md, and
    every heading there is reported
  - every rule that headers, sources and tests cite stands in docs/concurrency-rules.md

usage: texts.py <root of the project>
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tidy")]

from report import Report, files, read
from run import pattern, read_transcript

MARK = re.compile(r"^<!-- (.*) -->$")
LINK = re.compile(r"(?<!!)\[[^]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"\bW\d{3}\b")
# Citations: `rule G5`, `rules O1 to O5`, `// C7`, `(T1)`. Letters that rules have, then digits.
RULE = re.compile(r"\b([TOCDHGPFRKLWXQIN])(\d{1,2})\b")
CITED = re.compile(r"\brules?\s+((?:[A-Z]\d{1,2}\b(?:\s*(?:,|-|to|and|or)\s*)*)+)")


def texts(root):
    return [os.path.join(root, "README.md")] + files(root, ["docs"], (".md",))


def blocks(text):
    """(line, mark above it or None, language, lines) of every fenced block."""
    mark = None
    block = None
    for number, line in enumerate(text.split("\n"), 1):
        if block is not None:
            if line.startswith("```"):
                yield block
                block = mark = None
            else:
                block[3].append(line)
        elif line.startswith("```"):
            block = (number, mark, line[3:].strip(), [])
        elif line.strip():
            match = MARK.match(line)
            mark = match[1] if match else None


def dedented(lines):
    return "\n".join(line.strip() for line in lines if line.strip())


def check_code(report, path, number, mark, lines):
    if mark is None:
        report.fault(path, number, "code without a file that it comes from",
                     "put <!-- examples/folder/name.c --> above it")
        return
    if mark.startswith("not compiled: "):
        report.ok()
        return
    source = os.path.join(report.root, mark)
    if not os.path.exists(source):
        report.fault(path, number, f"{mark} is not there", "name a file of examples/")
        return
    if "\n" + dedented(lines) + "\n" in "\n" + dedented(read(source).split("\n")) + "\n":
        report.ok()
        return
    report.fault(path, number, f"this is not a stretch of {mark}", "copy it again")


def check_output(report, path, number, mark, lines):
    """Every line fits one of the transcript's, in their order."""
    transcript = os.path.join(report.root, mark[len("printed by "):] + ".expected")
    if not os.path.exists(transcript):
        report.fault(path, number, f"{transcript} is not there", "write the transcript")
        return
    expected = []
    for run in read_transcript(transcript)[0]:
        expected += ["$ " + run["command"]] + run["out"] + run["err"]
    at = 0
    for line in lines:
        if line.strip() == "...":
            continue
        while at < len(expected) and (expected[at] == "..." or
                                      not re.fullmatch(pattern(expected[at]), line)):
            at += 1
        if at == len(expected):
            report.fault(path, number, f"not in the transcript: {line}", "run it and copy it again")
            return
        at += 1
    report.ok()


def anchors(text):
    """The anchors of headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        heading = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower())
        found.add(re.sub(r"\s", "-", heading.strip()))
    return found


def check_links(report, path, text):
    for match in LINK.finditer(re.sub(r"```.*?```", lambda m: "\n" * m[0].count("\n"), text,
                                      flags=re.S)):
        target = match[1]
        if re.match(r"[a-z]+:", target):
            continue
        number = text.count("\n", 0, text.find(match[0])) + 1
        name, _, anchor = target.partition("#")
        to = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(to):
            report.fault(path, number, f"{target} is not there", "correct the link")
        elif anchor and anchor not in anchors(read(to)):
            report.fault(path, number, f"{target}: no such heading", "correct the link")
        else:
            report.ok()


def check_findings(report):
    reported = {}
    for path in files(report.root, ["src", "include"], (".c", ".h")):
        for code in CODE.findall(read(path)):
            reported.setdefault(code, path)
    page = os.path.join(report.root, "docs", "diagnosis.md")
    explained = set(re.findall(r"^## (W\d{3})\b", read(page), re.M))
    for code in sorted(reported):
        if code in explained:
            report.ok()
        else:
            report.fault(reported[code], 1, f"{code} is not in docs/diagnosis.md",
                         f"add a heading: ## {code} ...")
    for code in sorted(explained - set(reported)):
        report.fault(page, 1, f"{code} is explained and never reported", "remove it")


def cited_rules(text):
    for match in CITED.finditer(text):
        words = match[1]
        for letter, first, last in re.findall(r"([A-Z])(\d+) *(?:-|to) *[A-Z]?(\d+)", words):
            for number in range(int(first), int(last) + 1):
                yield letter + str(number)
        for letter, number in RULE.findall(words):
            yield letter + number
    # In tests and sources: a comment that begins with rules, such as `// G5` or `/* C7, case 56 */`,
    # and rules in parentheses.
    for words in re.findall(r"(?://|/\*)\s*((?:[TOCDHGPFRWXQIN]\d{1,2}\b(?:, )?)+)", text):
        for letter, number in RULE.findall(words):
            yield letter + number
    for words in re.findall(r"\(((?:[TOCDHGPFRWXQIN]\d{1,2}(?:, |-)?)+)\)", text):
        for letter, number in RULE.findall(words):
            yield letter + number


def check_rules(report):
    page = os.path.join(report.root, "docs", "concurrency-rules.md")
    explained = set(re.findall(r"^\*\*([A-Z]\d{1,2})\*\*", read(page), re.M))
    seen = {}
    for path in files(report.root, ["include", "src", "tests"], (".c", ".h")):
        for rule in cited_rules(read(path)):
            seen.setdefault(rule, path)
    for rule in sorted(seen):
        if rule in explained:
            report.ok()
        else:
            report.fault(seen[rule], 1, f"cites rule {rule}, which docs/concurrency-rules.md does "
                         "not explain", "explain it there, or cite another one")


def main():
    report = Report(sys.argv[1])
    for path in texts(report.root):
        text = read(path)
        check_links(report, path, text)
        for number, mark, language, lines in blocks(text):
            if language == "c":
                check_code(report, path, number, mark, lines)
            elif mark is not None and mark.startswith("printed by "):
                check_output(report, path, number, mark, lines)
    check_findings(report)
    check_rules(report)
    report.close()


main()
