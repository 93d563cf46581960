#!/usr/bin/python3
"""Every `path/file.c:function` that docs/architecture.md names exists: the document follows one
query through the code, and this keeps it from following code that is gone.

usage: tools/docs_names.py [ROOT]     paths are relative to the root or to its src/"""

import re
import sys

import tree

DOCUMENT = "docs/architecture.md"
NAME = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.[ch]):(\w+)(?:\(\))?`")


def problems(root):
    if not (root / DOCUMENT).exists():
        yield f"{DOCUMENT}:1: is missing; write it"
        return
    count = 0
    for number, line in enumerate((root / DOCUMENT).read_text().splitlines(), 1):
        for path, function in NAME.findall(line):
            count += 1
            places = [p for p in (root / path, root / "src" / path) if p.is_file()]
            if not places:
                yield f"{DOCUMENT}:{number}: {path} does not exist; name where it went"
            elif not re.search(rf"\b{function}\s*\(", places[0].read_text()):
                yield f"{DOCUMENT}:{number}: {path} has no {function}; name what took its place"
    if count == 0:
        yield f"{DOCUMENT}:1: follows no query: it names no `path/file.c:function`"


if __name__ == "__main__":
    sys.exit(tree.report("docs", problems(tree.root_argument())))
