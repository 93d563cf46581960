#!/usr/bin/python3
"""Holds files, headers, functions and lines to their lengths, and each to say at its top what it is
for.

usage: tools/lengths.py [ROOT]

What is longer stands in tools/lengths.allow as `path lines` or `path:function lines`. That list can
only shrink: an entry that is not needed, or allows more than is used, is a problem, and so is one
that the list's previous version in git did not have."""

import re
import subprocess
import sys

import tree

FILE_MAX, HEADER_MAX, FUNCTION_MAX, COLUMNS_MAX = 800, 300, 70, 100
ALLOW = "tools/lengths.allow"


def functions(lines):
    """(name, first line, lines) of each C function, from its signature to its closing brace, as
    clang-format lays them out: both braces stand alone in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
            while start > 1 and re.match(r"[\w\s*]", lines[start - 2]) and lines[start - 2].strip():
                start -= 1
        elif line == "}" and start is not None:
            name = re.search(r"(\w+)\(", " ".join(lines[start - 1:number]))
            yield name.group(1) if name else "?", start, number - start + 1
            start = None


def says_what_it_is_for(path, text):
    if path.suffix in (".c", ".h"):
        return text.startswith("/*")
    body = re.sub(r"\A#!.*\n", "", text)
    return body.startswith('"""' if path.suffix == ".py" else "#")


def measured(root):
    """(key for the list, place, lines, limit, what) of everything that has a limit."""
    for path in tree.files(root, tree.C_FOLDERS, (".c", ".h")):
        name = str(path.relative_to(root))
        lines = path.read_text().splitlines()
        limit = HEADER_MAX if path.suffix == ".h" else FILE_MAX
        yield name, f"{name}:1", len(lines), limit, "the file"
        for function, start, length in functions(lines):
            yield f"{name}:{function}", f"{name}:{start}", length, FUNCTION_MAX, function
    for path in tree.files(root, tree.FOLDERS, (".py", ".sh")):
        name = str(path.relative_to(root))
        yield name, f"{name}:1", len(path.read_text().splitlines()), FILE_MAX, "the file"


def parse_allowed(text):
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}


def git(root, *arguments):
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def previous_allowed(root, text):
    """The newest committed list that is not the present one; None: there is none."""
    for commit in git(root, "log", "--format=%H", "--", ALLOW).split():
        old = git(root, "show", f"{commit}:{ALLOW}")
        if old != text:
            return parse_allowed(old)
    return None


def length_problems(root, allowed):
    used = set()
    for key, place, length, limit, what in measured(root):
        if length <= limit:
            continue
        used.add(key)
        if key not in allowed:
            yield f"{place}: {what} has {length} lines, at most {limit}"
        elif length > allowed[key]:
            yield f"{place}: {what} grew to {length} lines, {ALLOW} has {allowed[key]}: split it"
        elif length < allowed[key]:
            yield f"{ALLOW}: {key} has only {length} lines now: lower its entry"
    for key in sorted(set(allowed) - used):
        yield f"{ALLOW}: {key} needs no entry any more: remove it"


def ratchet_problems(root, text, allowed):
    before = previous_allowed(root, text)
    if before is None:
        return
    for key, lines in allowed.items():
        if key not in before or lines > before[key]:
            yield f"{ALLOW}: {key} is new or larger, but the list can only shrink: split it instead"


def text_problems(root):
    for path in tree.files(root, tree.FOLDERS, (".c", ".h", ".py", ".sh", ".build")):
        name = path.relative_to(root)
        text = path.read_text()
        if path.suffix != ".build" and not says_what_it_is_for(path, text):
            yield f"{name}:1: does not begin with what it is for"
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > COLUMNS_MAX:
                yield f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
            if line != line.rstrip():
                yield f"{name}:{number}: ends in white space"


def problems(root):
    list_file = root / ALLOW
    text = list_file.read_text() if list_file.exists() else ""
    allowed = parse_allowed(text)
    yield from length_problems(root, allowed)
    yield from ratchet_problems(root, text, allowed)
    yield from text_problems(root)


if __name__ == "__main__":
    sys.exit(tree.report("lengths", problems(tree.root_argument())))
