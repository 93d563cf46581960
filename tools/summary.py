#!/usr/bin/python3
"""Adds up what Meson (*.json) and pytest (*.xml) wrote: skips with their reasons, failures with
their last lines, then of each failure its name alone, and at the end one line `N passed, N failed,
N skipped`: what matters most comes last, because a log may be cut to its end. Exits 1 when anything
failed or nothing ran.

What failed in NAME.xml and passed in NAME-again.xml, where it had the machine to itself, has
passed, and is told as unsteady with what it said the first time: somebody has to find out why.
A sanitizer's report or a failed assertion is a failure, whatever happens the next time.

usage: summary.py DIRECTORY"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

LINES_SHOWN = 15
NAME_SHOWN = 110
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
UNSTEADY = "unsteady"
BROKEN = "broken"  # a failure that no second run undoes
REPORT = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:|Assertion .* failed")
AGAIN = "-again"


def meson_results(path):
    """Meson's log has one JSON object on each line."""
    for line in path.read_text(errors="replace").splitlines():
        test = json.loads(line)
        result = test["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            yield PASSED, test["name"], ""
        elif result == "SKIP":
            output = (test.get("stderr") or test.get("stdout") or "").strip()
            yield SKIPPED, test["name"], output.splitlines()[-1] if output else "no reason given"
        else:
            yield FAILED, test["name"], "\n".join([result, *tail(test)])


def tail(test):
    """The last lines that a test of Meson's said: a log cut to its end has them still."""
    said = (test.get("stdout") or "") + (test.get("stderr") or "")
    return ["    " + line for line in said.splitlines()[-LINES_SHOWN:]]


def pytest_results(path):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        wrong = case.find("failure")
        if wrong is None:
            wrong = case.find("error")
        if wrong is not None:
            text = wrong.text or ""
            lines = text.splitlines()[-LINES_SHOWN:]
            said = "\n".join(["", *("    " + line for line in lines)])
            yield BROKEN if REPORT.search(text) else FAILED, name, said
        elif case.find("skipped") is not None:
            yield SKIPPED, name, case.find("skipped").get("message", "no reason given")
        else:
            yield PASSED, name, ""


def shortened(name):
    """Parameters may be whole statements."""
    return name if len(name) <= NAME_SHOWN else name[:NAME_SHOWN - 3] + "..."


def collected(directory):
    """{outcome: [(whence and name, what it said)]}"""
    found = {PASSED: [], FAILED: [], SKIPPED: [], UNSTEADY: []}
    for path in sorted(pathlib.Path(directory).iterdir()):
        results = {".json": meson_results, ".xml": pytest_results}.get(path.suffix)
        if not results or path.stem.endswith(AGAIN):
            continue
        again = passed_again(path.with_name(path.stem + AGAIN + path.suffix))
        for outcome, name, said in results(path):
            if outcome == FAILED and name in again:
                outcome = UNSTEADY
            elif outcome == BROKEN:
                outcome = FAILED
            found[outcome].append((f"{path.stem}: {name}", said))
    return found


def passed_again(path):
    if not path.exists():
        return set()
    return {name for outcome, name, _ in pytest_results(path) if outcome == PASSED}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: summary.py DIRECTORY")
    found = collected(sys.argv[1])
    for outcome in SKIPPED, UNSTEADY, FAILED:
        for name, said in found[outcome]:
            print(f"{outcome}: {name}{': ' if said else ''}{said}")
    for outcome in UNSTEADY, FAILED:
        for name, _ in found[outcome]:
            print(f"{outcome}: {shortened(name)}")
    found[PASSED] += found.pop(UNSTEADY)
    print(", ".join(f"{len(tests)} {outcome}" for outcome, tests in found.items()))
    return 1 if found[FAILED] or not found[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
