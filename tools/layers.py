#!/usr/bin/python3
"""Reads the include lines: a layer includes only what the table allows, and of another layer only
its public headers.

usage: tools/layers.py [ROOT]

The table is the one of docs/decisions/0001, which argues it. Where a row names a header instead of
a layer, only that header may be included. Public headers are those that the layer's
meson.build names behind `# Public headers:` (`all but x.h`: that one is private)."""

import re
import sys

import tree

PURE = ("base", "catalog", "sql", "proto/pg", "proto/resp", "cache", "pool", "config", "compat",
        "engine")
BACKEND_INTERFACE = {"engine/backend.h", "engine/embedded.h", "engine/exec.h"}
ALLOWED = {
    "base": set(),
    "catalog": {"base"},
    "sql": {"base", "catalog"},
    "proto/pg": {"base"},
    "proto/resp": {"base"},
    "cache": {"base"},
    "pool": {"base"},
    "config": {"base"},
    "compat": {"base", "sql", "catalog", "proto/pg"},
    "engine": {"base", "sql", "catalog", "cache", "pool"},
    "net": {"base"},
    "backend/postgres": {"base", "sql", "catalog", "net", "proto/pg", *BACKEND_INTERFACE},
    "backend/sqlite": {"base", "sql", "catalog", "net", *BACKEND_INTERFACE},
    "backend/valkey": {"base", "cache", "net", "proto/resp", "engine/tier.h"},
    "backend/disk": {"base", "cache", "net", "engine/tier.h"},
    "gateway": {*PURE, "net", "backend/postgres", "backend/sqlite", "backend/valkey",
                "backend/disk"},
    "api": {"base", "proto/pg", "config", "gateway/gateway.h"},
    "ops": {"base", "engine", "config", "net"},
    "cli": {*PURE, "gateway/gateway.h", "ops", "backend/postgres", "backend/sqlite"},
}
INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def layer_of(path):
    """The longest layer name that `path` (relative to src/) begins with; None for others."""
    parts = path.split("/")
    for length in (2, 1):
        if len(parts) > length and "/".join(parts[:length]) in ALLOWED:
            return "/".join(parts[:length])
    return None


def public_headers(source, layer):
    build = source / layer / "meson.build"
    text = build.read_text() if build.exists() else ""
    match = re.search(r"^# Public headers?:(( all but)?.*\n(#.*\n)*)", text, re.M)
    words = re.findall(r"[\w-]+\.h\b", match.group(1)) if match else ()
    named = {f"{layer}/{word}" for word in words}
    if match and match.group(2):
        return {f"{layer}/{path.name}" for path in (source / layer).glob("*.h")} - named
    return named


def include_problem(source, mine, included):
    other = layer_of(included)
    if other is None or other == mine:
        return None
    if other not in ALLOWED[mine] and included not in ALLOWED[mine]:
        return f"{mine} may not include {included}"
    if included not in public_headers(source, other):
        return f"{included} is private to {other}: its meson.build does not call it public"
    return None


def problems(root):
    source = root / "src"
    for path in tree.files(root, ("src",), (".c", ".h")):
        name = path.relative_to(root)
        mine = layer_of(str(path.relative_to(source)))
        if mine is None:
            yield f"{name}:1: its folder is no layer: see tools/layers.py and docs/decisions/0001"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            problem = include_problem(source, mine, match.group(1)) if match else None
            if problem:
                yield f"{name}:{number}: {problem}"


if __name__ == "__main__":
    sys.exit(tree.report("layers", problems(tree.root_argument())))
