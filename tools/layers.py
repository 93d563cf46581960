#!/usr/bin/python3
"""Holds the source to its shape: which layer includes which, how long files, functions and lines are,
and which archives are free of the outside world.

usage: tools/layers.py [BUILD]     BUILD (default build/release) holds the archives for the last check

The table below is the one of docs/architecture.md."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORES = {"base", "catalog", "sql", "pool", "compat", "config", "proto/pg"}
ALLOWED = {
    "base": set(),
    "catalog": {"base"},
    "sql": {"base", "catalog"},
    "proto/pg": {"base"},
    "pool": {"base"},
    "config": {"base"},
    "compat": {"base", "sql", "catalog", "proto/pg"},
    "engine": {"base", "catalog", "sql", "pool"},
    "net": {"base"},
    "backend/postgres": {"base", "sql", "catalog", "net", "proto/pg", "engine", "pool"},
    "backend/sqlite": {"base", "sql", "catalog", "net", "engine", "pool"},
    "gateway": CORES | {"engine", "net", "backend/postgres", "backend/sqlite"},
    "ops": {"base", "engine", "config", "net", "gateway", "sql", "pool"},
    "cli": CORES | {"engine", "gateway", "ops", "backend/postgres", "backend/sqlite"},
}
PURE = ("base", "catalog", "sql", "proto/pg", "pool", "config", "compat", "engine")
# Sockets, clocks, threads, environment, randomness, files.
OUTSIDE = re.compile(r"(socket|bind|listen|accept4?|connect|send|sendto|sendmsg|recv|recvfrom|recvmsg|"
                     r"poll|epoll_\w+|select|clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|"
                     r"pthread_create|thrd_create|fork|execve?|getenv|secure_getenv|rand|random|"
                     r"getrandom|arc4random|open|open64|openat|fopen|fopen64|read|write)$")
LINES_MAX = {".c": 800, ".h": 300}
FUNCTION_MAX, COLUMNS_MAX = 70, 100


def layer_of(path):
    """The longest layer name that `path` (relative to src/) begins with; None for unknown folders."""
    parts = path.split("/")
    for length in (2, 1):
        if len(parts) > length and "/".join(parts[:length]) in ALLOWED:
            return "/".join(parts[:length])
    return None


def check_includes(path, text):
    mine = layer_of(str(path.relative_to(ROOT / "src")))
    if mine is None:
        yield f"{path}: its folder is no layer: add it to tools/layers.py and docs/architecture.md"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        other = layer_of(match.group(1)) if match else None
        if other and other != mine and other not in ALLOWED[mine]:
            yield f"{path}:{number}: {mine} may not include {match.group(1)}"


def check_lengths(path, text):
    lines = text.splitlines()
    if len(lines) > LINES_MAX[path.suffix]:
        yield f"{path}: {len(lines)} lines, at most {LINES_MAX[path.suffix]}"
    start = None
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_MAX:
                yield f"{path}:{start}: a function of {number - start - 1} lines, at most {FUNCTION_MAX}"
            start = None
    if not text.lstrip().startswith("/*"):
        yield f"{path}: does not begin with what it is for"


def check_purity(build):
    for layer in PURE:
        for archive in (build / "src" / layer).glob("*.a"):
            symbols = subprocess.run(["nm", "-u", archive], check=True, capture_output=True,
                                     text=True).stdout
            for name in sorted({line.split()[-1].split("@")[0] for line in symbols.splitlines()
                                if line.startswith(" ")}):
                if OUTSIDE.match(name):
                    yield f"{archive}: {layer} is pure and may not use {name}"


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release")
    problems = []
    for path in sorted(p for p in (ROOT / "src").rglob("*.[ch]")):
        text = path.read_text()
        problems += check_includes(path, text)
        problems += check_lengths(path, text)
    for folder in ("tests", "bench", "examples"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            problems += check_lengths(path, path.read_text())
    problems += check_purity(build)
    for problem in problems:
        print(problem.replace(f"{ROOT}/", ""))
    print(f"layers: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
