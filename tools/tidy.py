#!/usr/bin/python3
"""clang-tidy over src/, on every core, skipping what was found clean before.

usage: tools/tidy.py BUILD [ROOT]     BUILD is a Meson build directory (for compile_commands.json)

A file is skipped when nothing that decides the answer has changed: clang-tidy, .clang-tidy, the
compiler's arguments, the file, and every header of ours that it includes. The stamps are
BUILD/tidy/HASH."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import tree

SECONDS_MAX = 180  # of processor time, for one file; more is too clever for its readers too
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.M)


class Headers:
    """The files that a file includes by "name", and those that they include."""

    def __init__(self, root):
        self.folders = [root / "src", root / "include"]
        self.known = {}

    def direct(self, path):
        if path not in self.known:
            found = set()
            for name in INCLUDE.findall(path.read_bytes()):
                places = (folder / os.fsdecode(name) for folder in [path.parent, *self.folders])
                found.update(p.resolve() for p in places if p.is_file())
            self.known[path] = found
        return self.known[path]

    def all(self, path):
        seen, todo = set(), [path]
        while todo:
            for header in self.direct(todo.pop()) - seen:
                seen.add(header)
                todo.append(header)
        return sorted(seen)


def commands(build, root):
    """(path, arguments) of the files below src/, each once, as the first target compiles it."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(root / "src") and path.suffix == ".c":
            found.setdefault(path, entry["command"])
    return sorted(found.items())


def fingerprint(path, command, headers, common):
    digest = hashlib.sha256(common)
    for part in (command.encode(), path.read_bytes(), *(h.read_bytes() for h in headers.all(path))):
        digest.update(b"%d\n" % len(part) + part)
    return digest.hexdigest()


def check(path, build):
    """What clang-tidy says about the file, or nothing."""
    done = subprocess.run(["prlimit", f"--cpu={SECONDS_MAX}", "clang-tidy", "-p", build, "--quiet",
                           path], capture_output=True, text=True)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"{path}: clang-tidy took more than {SECONDS_MAX} s"
    # A warning makes it fail; so does a file that does not compile, or a check that does not exist.
    return "" if done.returncode == 0 else done.stdout + done.stderr


def problems(build, root):
    version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True).stdout
    common = version + (root / ".clang-tidy").read_bytes()
    headers, stamps = Headers(root), build / "tidy"
    stamps.mkdir(exist_ok=True)
    wanted = {path: stamps / fingerprint(path, command, headers, common)
              for path, command in commands(build, root)}
    for stamp in set(stamps.iterdir()) - set(wanted.values()):
        stamp.unlink()
    todo = [path for path, stamp in wanted.items() if not stamp.exists()]
    print(f"clang-tidy: {len(todo)} files to check, {len(wanted) - len(todo)} known to be clean",
          flush=True)
    told = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(check, path, build): path for path in todo}
        for count, run in enumerate(concurrent.futures.as_completed(runs), 1):
            if run.result():
                yield run.result()
            else:
                wanted[runs[run]].touch()
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"clang-tidy: {count} of {len(todo)}", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    return tree.report("clang-tidy", problems(build, tree.root_argument(2)))


if __name__ == "__main__":
    sys.exit(main())
