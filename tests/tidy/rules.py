#!/usr/bin/env python3
"""Checks that what weir promises is tested:

  - every rule of docs/concurrency-rules.md (**G5**) is cited by a test: `// G5`, `/* C7, case 56 */`
  - every number of the list of behaviours in tests/tidy/cases.txt is cited by a test (`case 56`,
    `cases 95-97`, `cases 12, 14 and 20`), or stands there with a sentence that says why not
  - no test cites a number that is not in the list, and no sentence stands there for a tested one

usage: rules.py <root of the project>
"""

import os
import re
import sys

from report import Report, files, read

RULE = re.compile(r"^\*\*([A-Z]\d{1,2})\*\*", re.M)
CITED_RULE = re.compile(r"\b([A-Z]\d{1,2})(?:\s*(?:-|to)\s*\1?([A-Z])?(\d{1,2}))?\b")
CASES = re.compile(r"\bcases?\s+([1-9]\d*(?:\s*(?:-|,|to|and)\s*(?:case\s+)?\d+)*)")


def expand(text):
    """The numbers in `95-97, 101 and 103`."""
    numbers = set()
    for first, last in re.findall(r"(\d+)(?:\s*(?:-|to)\s*(\d+))?", text):
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def comments_of(path, text):
    """What may cite; a `case 7:` in the code does not."""
    if not path.endswith((".c", ".h")):
        return text
    return "\n".join(re.findall(r"/\*.*?\*/|//[^\n]*", text, re.S))


def rules_in(text):
    """The rules that are cited, ranges such as O1-O5 or `O1 to O5` included."""
    found = set()
    for first, letter, last in CITED_RULE.findall(text):
        found.add(first)
        if last and (not letter or letter == first[0]):
            found |= {f"{first[0]}{n}" for n in range(int(first[1:]), int(last) + 1)}
    return found


def cases_in(text):
    text = re.sub(r"\n\s*(?:\*|//)\s?", " ", text)  # a citation may be broken over two lines
    return set().union(*(expand(found) for found in CASES.findall(text)))


def read_list(path):
    """The numbers there are, and {number: (line, reason)} of those without a test."""
    known, reasons = set(), {}
    for number, line in enumerate(read(path).split("\n"), 1):
        if line.startswith("#") or not line.strip():
            continue
        word, rest = (line.split(None, 1) + [""])[:2]
        if word == "all":
            known |= expand(rest)
        else:
            for case in expand(word):
                reasons[case] = (number, rest.strip())
    return known, reasons


def main():
    root = sys.argv[1]
    report = Report(root)
    tests = [path for path in files(root, ["tests", "examples"], (".c", ".py", ".h", ".sh", ".expected"))
             if os.sep + "tidy" + os.sep not in path]
    cited_rules, cited_cases = set(), {}
    for path in tests:
        text = comments_of(path, read(path))
        cited_rules |= rules_in(text)
        for case in cases_in(text):
            cited_cases.setdefault(case, path)

    page = os.path.join(root, "docs", "concurrency-rules.md")
    text = read(page)
    for match in RULE.finditer(text):
        if match[1] in cited_rules:
            report.ok()
        else:
            report.fault(page, text[: match.start()].count("\n") + 1, f"no test names rule {match[1]}",
                         "write one, and name the rule in its comment")

    path = os.path.join(root, "tests", "tidy", "cases.txt")
    known, reasons = read_list(path)
    for case in sorted(known):
        if (case in cited_cases) == (case in reasons):
            what = ("has a test and a reason for having none" if case in reasons
                    else "has neither a test nor a reason for having none")
            report.fault(path, reasons.get(case, (1, ""))[0], f"case {case} {what}",
                         "cite it in its test, or say why there is none")
        else:
            report.ok()
    for case in sorted(set(reasons) - known | set(cited_cases) - known):
        where = cited_cases.get(case, path)
        report.fault(where, 1, f"case {case} is not in the list", "the first line of cases.txt has all")
    for case, (line, reason) in reasons.items():
        if len(reason) < 20:
            report.fault(path, line, f"case {case} has no reason", "a sentence says why there is no test")
    report.close()


main()
