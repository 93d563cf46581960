"""What the lints share: which files there are, and how problems are told.

A lint is `problems(root, ...)`, which yields one line for each; none is good."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
C_FOLDERS = ("src", "include", "tests", "bench", "examples")
FOLDERS = C_FOLDERS + ("tools", ".ci")


def files(root, folders, suffixes):
    """Paths below root/folder with one of these suffixes, sorted, without Python's caches."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path


def root_argument(position=1):
    return pathlib.Path(sys.argv[position]).resolve() if len(sys.argv) > position else ROOT


def report(name, problems):
    """Prints them; the exit status."""
    problems = list(problems)
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0
