#!/usr/bin/python3
"""make interop: drivers' own test suites against PostgreSQL directly and through Weir.

usage: tests/interop/run.py [SUITE]...      (default: all; WEIR_BINARY names the program)

A test that passes directly must pass through Weir unless differences.txt has it. Tests that say
nothing about a gateway are in exclusions.txt and run on neither side. Logs: build/interop/runs."""

import json
import shutil
import signal
import sys
import time

import outcomes
import sources
from suites import SUITES
from target import Target

RUNS = sources.CACHE / "runs"


def say(text):
    print(f"interop: {time.strftime('%H:%M:%S')} {text}", flush=True)


class Comparison:
    """A suite's two runs, and what of them counts."""

    def __init__(self, suite, exclusions, differences):
        self.suite = suite
        self.excluded = [pattern for pattern, _ in exclusions]
        self.differences = differences
        self.direct = self.through = {}
        self.known, self.failed, self.flaky = [], [], []

    def run_side(self, through, label, selected=None):
        directory = RUNS / self.suite.name / label
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        begun = time.monotonic()
        with Target(directory, through, self.suite) as target:
            found = self.suite.run(target, directory, self.excluded, selected)
        (directory / "results.json").write_text(json.dumps(found, indent=1, sort_keys=True))
        passed, failed, skipped = outcomes.count(found)
        say(f"{self.suite.name}: {label}: {passed} passed, {failed} failed, {skipped} skipped"
            f" ({time.monotonic() - begun:.0f} s)")
        return found

    def run(self):
        self.direct = self.run_side(False, "direct")
        self.through = self.run_side(True, "weir")
        suspects = outcomes.broken(self.direct, self.through)
        new = [test for test in suspects if not outcomes.reason_of(test, self.differences)]
        if new and any(o == outcomes.PASSED for o in self.through.values()):
            suspects = self.again(suspects)
        for test in suspects:
            known = outcomes.reason_of(test, self.differences)
            (self.known if known else self.failed).append(test)

    def again(self, suspects):
        """Those that still differ when they are run a second time, on both sides."""
        direct = self.run_side(False, "direct-again", suspects)
        through = self.run_side(True, "weir-again", suspects)
        still = {test for test in suspects if through.get(test) != outcomes.PASSED
                 and direct.get(test, outcomes.PASSED) == outcomes.PASSED}
        self.flaky = [test for test in suspects if test not in still]
        return sorted(still)

    def report(self):
        passed, direct_failed, skipped = outcomes.count(self.direct)
        print(f"{self.suite.name} {self.suite.version}: direct passed {passed},"
              f" through Weir passed {outcomes.count(self.through)[0]},"
              f" differences {len(self.failed)} new and {len(self.known)} known,"
              f" {len(self.flaky)} passed when run again,"
              f" {direct_failed} fail directly, {skipped} skip themselves")
        for test in self.failed:
            print(f"  fails through Weir: {test}")
        for test in self.known:
            print(f"  known difference: {test}: {outcomes.reason_of(test, self.differences)}")
        for test in self.flaky:
            print(f"  passed when run again: {test}")


def compare(suite, exclusions, differences):
    """The finished comparison, or None and the reason why there is none."""
    say(f"{suite.name}: preparing")
    try:
        suite.prepare()
    except sources.Unavailable as e:
        return None, str(e)
    comparison = Comparison(suite, exclusions[suite.name], differences[suite.name])
    comparison.run()
    return comparison, None


def main(names):
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"interop: no suite {unknown[0]!r}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    exclusions = outcomes.read_list("exclusions.txt")
    differences = outcomes.read_list("differences.txt")
    done, skipped = [], {}
    for name in names or SUITES:
        comparison, why = compare(SUITES[name], exclusions, differences)
        if comparison:
            done.append(comparison)
        else:
            skipped[name] = why
            say(f"{name}: skipped: {why}")
    print()
    for comparison in done:
        comparison.report()
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}; or unpack {SUITES[name].upstream} as"
              f" {sources.SOURCES / name}")
    empty = [c.suite.name for c in done if not outcomes.count(c.direct)[0]]
    for name in empty:
        print(f"failed: {name}: no test passed directly; see {RUNS / name / 'direct'}")
    failed = sum(len(c.failed) for c in done) + len(empty)
    passed = sum(outcomes.count(c.direct)[0] - len(c.failed) - len(c.known) for c in done)
    skips = sum(len(c.known) + outcomes.count(c.direct)[2] for c in done) + len(skipped)
    print(f"{passed} passed, {failed} failed, {skips} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    sys.exit(main(sys.argv[1:]))
