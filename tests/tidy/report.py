"""What the tidy checks share: finding files, and saying what is wrong where and what to do."""

import os
import sys


class Report:
    """Counts checks; prints each fault as file:line: what (what to do)."""

    def __init__(self, root):
        self.root = root
        self.passed = 0
        self.failed = 0

    def ok(self):
        self.passed += 1

    def fault(self, path, line, what, todo):
        self.failed += 1
        print(f"{os.path.relpath(path, self.root)}:{line}: {what}\n    {todo}")

    def close(self):
        print(f"{self.passed} places are right, {self.failed} are not")
        sys.exit(1 if self.failed else 0)


def files(root, folders, suffixes):
    """All files below the folders of root that end in one of the suffixes, sorted."""
    found = []
    for folder in folders:
        for directory, subfolders, names in os.walk(os.path.join(root, folder)):
            subfolders[:] = [name for name in subfolders if not name.startswith((".", "build"))]
            found += [os.path.join(directory, name) for name in names if name.endswith(suffixes)]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """C source with comments and literals blanked out; lines and columns stay where they are."""
    out = []
    i = 0
    state = "code"
    while i < len(text):
        two = text[i : i + 2]
        char = text[i]
        if state == "code":
            if two == "/*":
                state = "block"
                out.append("  ")
                i += 2
                continue
            if two == "//":
                state = "line"
                out.append("  ")
                i += 2
                continue
            if char in "\"'":
                state = char
            out.append(char)
        elif state == "block":
            if two == "*/":
                state = "code"
                out.append("  ")
                i += 2
                continue
            out.append("\n" if char == "\n" else " ")
        elif state == "line":
            if char == "\n":
                state = "code"
            out.append("\n" if char == "\n" else " ")
        else:
            if char == "\\":
                out.append("  ")
                i += 2
                continue
            if char == state or char == "\n":
                state = "code"
                out.append(char)
            else:
                out.append(" ")
        i += 1
    return "".join(out)
