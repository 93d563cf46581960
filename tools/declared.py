#!/usr/bin/python3
"""What a header below src/ declares is for others: a function that no other file calls is `static`
in the one that defines it, and one that nobody calls goes.

usage: tools/declared.py [ROOT]

Tests, benchmarks and examples count as others; so do a macro and an inline function of the header
itself."""

import collections
import re
import sys

import tree

COMMENT = re.compile(r"/\*.*?\*/", re.S)
DECLARED = re.compile(r"^\w[^;{}()#=]*?\b(\w+)\([^;{}]*?\)[^;{}()]*(?:\([^;{}()]*\))?;", re.M)


def problems(root):
    texts = {path: COMMENT.sub("", path.read_text())
             for path in tree.files(root, tree.C_FOLDERS, (".c", ".h", ".inc"))}
    named = collections.defaultdict(collections.Counter)
    for path, text in texts.items():
        for word, count in collections.Counter(re.findall(r"\w+", text)).items():
            named[word][path] = count
    for header, text in texts.items():
        if header.suffix != ".h" or header.relative_to(root).parts[0] != "src":
            continue
        for match in DECLARED.finditer(text):
            name = match.group(1)
            if name.startswith("__") or match.group(0).startswith("typedef"):
                continue
            others = [p for p in named[name] if p != header]
            if len(others) < 2 and named[name][header] == 1:
                where = others[0].relative_to(root) if others else "no file"
                how = "is called there alone" if others and named[name][others[0]] > 1 \
                    else "nobody calls it"
                yield f"{header.relative_to(root)}: {name}: defined in {where}, {how}"


if __name__ == "__main__":
    sys.exit(tree.report("declared", problems(tree.root_argument())))
