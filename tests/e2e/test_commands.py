"""The commands of `weir` that end by themselves: help, check, explain, and how they fail."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = os.environ.get("WEIR_BINARY", str(ROOT / "build/asan/weir"))


def weir(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    return subprocess.run([WEIR, *map(str, arguments)], env={**clean, **environment},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_version_and_help_succeed():
    assert weir("--version").stdout.startswith("weir ")
    for arguments in (["help"], ["--help"], ["help", "serve"], ["check", "--help"]):
        done = weir(*arguments)
        assert done.returncode == 0 and "usage: weir" in done.stdout and not done.stderr


def test_documentation_of_the_keys_is_current():
    assert weir("help", "configuration").stdout == (ROOT / "docs/configuration.md").read_text()


@pytest.mark.parametrize("arguments, words", [
    ([], "no command given"),
    (["nope"], 'unknown command "nope"'),
    (["help", "nope"], 'unknown command "nope"'),
    (["serve", "--listen"], "--listen needs a value"),
    (["serve", "--bogus"], "unknown option --bogus"),
    (["serve", "sqlite:a", "sqlite:b"], "more than one DSN"),
    (["serve", "demo.db"], "the DSN has no scheme"),
    (["serve", "-c", "/nonexistent.yaml"], "/nonexistent.yaml: No such file"),
    (["serve", "-c", "/"], "Is a directory"),
    (["serve", "--listen", "0.0.0.0:0"], "no authentication is configured"),
    (["serve", "--set", "pool.max_sise=1"], "nearest known key: pool.max_size"),
    (["check"], "no file to check"),
    (["explain"], "no statement given"),
    (["explain", "--dialect", "oracle", "SELECT 1"], "--dialect must be postgres or sqlite"),
])
def test_usage_errors_exit_2_and_say_what_is_wrong(arguments, words):
    done = weir(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_check_names_file_line_and_key(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("pool:\n  max_sizee: 5\n")
    done = weir("check", "-c", file)
    assert done.returncode == 2
    words = f'{file}:2: unknown key "pool.max_sizee"; nearest known key: pool.max_size'
    assert words in done.stderr


def test_check_accepts_its_own_output_and_the_sample(tmp_path):
    first = weir("check", "-c", ROOT / "deploy/weir.yaml")
    assert first.returncode == 0
    file = tmp_path / "printed.yaml"
    file.write_text(first.stdout)
    second = weir("check", "-c", file)
    assert second.returncode == 0
    plain = [line.split(" #")[0] for line in first.stdout.splitlines()]
    assert plain == [line.split(" #")[0] for line in second.stdout.splitlines()]


def test_secrets_come_from_files_and_the_environment_and_are_not_shown(tmp_path):
    (tmp_path / "token").write_text("hunter2\n")
    file = tmp_path / "weir.yaml"
    file.write_text(f"admin:\n  token_file: {tmp_path}/token\n"
                    "databases:\n  app:\n    dsn_env: APP_DSN\n")
    done = weir("check", "-c", file, APP_DSN="postgres://u:hunter3@h/d")
    assert done.returncode == 0 and "postgres://u@h:5432/d" in done.stdout
    assert "hunter" not in done.stdout + done.stderr


def test_environment_sets_keys(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("")
    assert "\n    max_size: 7\n" not in weir("check", "-c", file).stdout
    assert "  max_size: 7\n" in weir("check", "-c", file, WEIR_POOL_MAX_SIZE="7").stdout


def test_explain_says_template_kind_and_relations():
    out = weir("explain", "SELECT * FROM t WHERE id = 5").stdout
    assert "id = ?" in out and "kind        read" in out and "reads       t" in out
    out = weir("explain", "SET search_path = x").stdout
    assert "pinned      yes" in out
    assert "kind        unknown" in weir("explain", "SELEC 1").stdout


@pytest.mark.parametrize("sql", ["(" * 100_000, "SELECT " + "-" * 100_000 + "\n1",
                                 "SELECT " + "1+" * 20_000 + "1", "'", "/*", "$a$", "\x01"])
def test_explain_survives_what_is_no_sql(sql):
    for dialect in ("postgres", "sqlite"):
        assert weir("explain", "--dialect", dialect, sql).returncode == 0


def test_output_that_cannot_be_written_fails():
    with open("/dev/full", "w") as full:
        done = subprocess.run([WEIR, "help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and b"cannot write" in done.stderr
