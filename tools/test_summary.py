"""The summary of a test run ends with what a log that is cut to its end must keep.

usage: /usr/bin/python3 -m pytest tools/test_summary.py     (a part of `make lint`)"""

import json
import pathlib
import subprocess
import sys

SUMMARY = pathlib.Path(__file__).resolve().parent / "summary.py"


def summary(directory):
    done = subprocess.run([sys.executable, SUMMARY, directory], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def meson(directory, *tests):
    (directory / "asan.json").write_text("".join(json.dumps(t) + "\n" for t in tests))


def pytest_log(directory, *cases, name="e2e"):
    (directory / f"{name}.xml").write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite>"
                                           "</testsuites>")


def test_names_of_what_failed_stand_directly_before_the_totals(tmp_path):
    said = "\n".join(f"line {i}" for i in range(40))
    meson(tmp_path, {"name": "one", "result": "FAIL", "stdout": said},
          {"name": "two", "result": "SKIP", "stdout": "no server"},
          {"name": "three", "result": "TIMEOUT", "stderr": "slow"},
          {"name": "four", "result": "OK"})
    pytest_log(tmp_path,
               f'<testcase classname="t" name="five"><failure>{said}</failure></testcase>',
               '<testcase classname="t" name="six"><skipped message="why"/></testcase>',
               '<testcase classname="t" name="seven"><error>at the end</error></testcase>',
               '<testcase classname="t" name="eight"/>')
    code, lines = summary(tmp_path)
    assert code == 1
    assert lines[:2] == ["skipped: asan: two: no server", "skipped: e2e: t::six: why"]
    assert lines[-5:] == ["failed: asan: one", "failed: asan: three", "failed: e2e: t::five",
                          "failed: e2e: t::seven", "2 passed, 4 failed, 2 skipped"]
    assert lines.count("    line 39") == 2 and "    line 0" not in lines
    assert "failed: asan: three: TIMEOUT" in lines and "    slow" in lines


def test_a_name_is_no_longer_than_a_line(tmp_path):
    pytest_log(tmp_path, f'<testcase classname="t" name="{"x" * 500}"><failure/></testcase>')
    _, lines = summary(tmp_path)
    assert lines[-2].startswith("failed: e2e: t::xxx") and len(lines[-2]) < 130


def test_what_passed_again_is_told_as_unsteady(tmp_path):
    failed = '<testcase classname="t" name="{}"><failure>late</failure></testcase>'
    pytest_log(tmp_path, failed.format("one"), failed.format("two"), failed.format("three"))
    pytest_log(tmp_path, '<testcase classname="t" name="one"/>', failed.format("two"),
               '<testcase classname="t" name="three"><skipped message="why"/></testcase>',
               name="e2e-again")
    code, lines = summary(tmp_path)
    assert code == 1
    assert lines[-4:] == ["unsteady: e2e: t::one", "failed: e2e: t::two", "failed: e2e: t::three",
                          "1 passed, 2 failed, 0 skipped"]
    assert lines[:2] == ["unsteady: e2e: t::one: ", "    late"]


def test_a_sanitizer_s_report_is_a_failure_whatever_happens_the_next_time(tmp_path):
    for said in "ERROR: AddressSanitizer: heap-use-after-free", "x.c:1: f: Assertion `a' failed.":
        pytest_log(tmp_path, f'<testcase classname="t" name="one"><error>{said}\nend</error>'
                   '</testcase>')
        pytest_log(tmp_path, '<testcase classname="t" name="one"/>', name="e2e-again")
        code, lines = summary(tmp_path)
        assert code == 1 and lines[-2:] == ["failed: e2e: t::one", "0 passed, 1 failed, 0 skipped"]


def test_nothing_that_ran_is_a_failure(tmp_path):
    assert summary(tmp_path) == (1, ["0 passed, 0 failed, 0 skipped"])


def test_all_well(tmp_path):
    meson(tmp_path, {"name": "one", "result": "OK"}, {"name": "two", "result": "EXPECTEDFAIL"})
    assert summary(tmp_path) == (0, ["2 passed, 0 failed, 0 skipped"])
