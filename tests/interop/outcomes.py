"""What tests came to, and how two runs of a suite compare."""

import collections
import json
import pathlib
import re
import xml.etree.ElementTree as ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
HERE = pathlib.Path(__file__).resolve().parent


def read_list(name):
    """The lines `suite pattern reason` of a file here, as {suite: [(pattern, reason)]}."""
    found = collections.defaultdict(list)
    for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(None, 2)
        if len(parts) < 3:
            raise SystemExit(f"interop: {name}:{number}: needs suite, pattern and reason")
        found[parts[0]].append((parts[1], parts[2]))
    return found


def glob(pattern):
    """As a regular expression: `*` is the only special character, as tests' names have brackets."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def reason_of(test, rules):
    """The reason of the first rule that the test's name matches, or None."""
    return next((why for pattern, why in rules if glob(pattern).fullmatch(test)), None)


def read_lines(path):
    """{test: outcome} of a file with one JSON object {"test", "outcome"} on each line."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            worse = found.get(entry["test"]) == FAILED
            found[entry["test"]] = FAILED if worse else entry["outcome"]
    return found


def read_go(text):
    """{test: outcome} of `go test -json`; the tests of a package that broke off have failed."""
    words = {"pass": PASSED, "fail": FAILED, "skip": SKIPPED, "run": FAILED}
    found = {}
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if "Test" in event and event["Action"] in words:
            found[f"{event['Package']}:{event['Test']}"] = words[event["Action"]]
    return found


def read_junit(directory):
    """{test: outcome} of every junit file in the directory."""
    found = {}
    for path in sorted(directory.glob("*.xml")):
        # A test's output may have what XML forbids.
        text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "?",
                      path.read_text(errors="replace"))
        for case in ElementTree.fromstring(text).iter("testcase"):
            name = f"{case.get('classname')}#{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                outcome = FAILED
            else:
                outcome = PASSED if case.find("skipped") is None else SKIPPED
            if found.get(name) != FAILED:
                found[name] = outcome
    return found


def count(outcomes):
    counter = collections.Counter(outcomes.values())
    return tuple(counter[k] for k in (PASSED, FAILED, SKIPPED))


def broken(direct, through):
    """The tests that pass directly and do not through Weir."""
    return sorted(test for test, outcome in direct.items()
                  if outcome == PASSED and through.get(test, FAILED) != PASSED)


def mended(direct, through):
    """The tests that pass through Weir and not directly: worth a look, no failure."""
    return sorted(test for test, outcome in through.items()
                  if outcome == PASSED and direct.get(test, FAILED) != PASSED)
