#!/usr/bin/python3
"""Adds up what Meson (*.json) and pytest (*.xml) wrote: failures, skips with their reasons, and one
line `N passed, N failed, N skipped` at the end. Exits 1 when anything failed or nothing ran."""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

LINES_SHOWN = 15
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


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
            lines = (wrong.text or "").splitlines()[-LINES_SHOWN:]
            yield FAILED, name, "\n".join(["", *("    " + line for line in lines)])
        elif case.find("skipped") is not None:
            yield SKIPPED, name, case.find("skipped").get("message", "no reason given")
        else:
            yield PASSED, name, ""


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: test_summary.py DIRECTORY")
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        results = {".json": meson_results, ".xml": pytest_results}.get(path.suffix)
        for outcome, name, reason in results(path) if results else ():
            counts[outcome] += 1
            if outcome != PASSED:
                print(f"{outcome}: {path.stem}: {name}{': ' if reason else ''}{reason}")
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts[FAILED] or not counts[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
