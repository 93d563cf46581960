"""A pytest plugin for suites of others: leaves out what the plan, a file that INTEROP_PLAN names,
excludes or does not select, bounds each test's time, writes each outcome as a line of JSON."""

import json
import os
import pathlib
import re
import signal

PLAN = json.loads(pathlib.Path(os.environ["INTEROP_PLAN"]).read_text())
EXCLUDED = [re.compile(p, re.DOTALL) for p in PLAN["excluded"]]
SELECTED = set(PLAN["selected"]) if PLAN["selected"] is not None else None


def wanted(item):
    if SELECTED is not None and item.nodeid not in SELECTED:
        return False
    return not any(p.fullmatch(item.nodeid) for p in EXCLUDED)


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if wanted(item)]


def on_alarm(*_):
    raise TimeoutError(f"the test took more than {PLAN['seconds']} s")


def pytest_runtest_setup(item):
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(PLAN["seconds"])


def pytest_runtest_teardown(item):
    signal.alarm(PLAN["seconds"])


def pytest_runtest_logreport(report):
    if report.when == "teardown":
        signal.alarm(0)
    # A test that passes says so once; setup and teardown say only what went wrong.
    if report.when == "call" or report.outcome != "passed":
        with open(PLAN["output"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome}) + "\n")
