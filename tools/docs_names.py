#!/usr/bin/python3
"""Every `path/file.c:function` that docs/architecture.md names exists: the document follows one query
through the code, and this keeps it from following code that is gone.

usage: tools/docs_names.py [ROOT]     paths are relative to the root or to its src/"""

import pathlib
import re
import sys

NAME = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.[ch]):(\w+)(?:\(\))?`")


def problems(root):
    document = root / "docs" / "architecture.md"
    if not document.exists():
        yield f"{document}:1: is missing; write it"
        return
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for path, function in NAME.findall(line):
            places = [p for p in (root / path, root / "src" / path) if p.is_file()]
            if not places:
                yield f"docs/architecture.md:{number}: {path} does not exist; name where it went"
            elif not re.search(rf"\b{function}\s*\(", places[0].read_text()):
                yield f"docs/architecture.md:{number}: {path} has no {function}; name what took its place"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    found = list(problems(root.resolve()))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
