"""weir backup: a copy of a database that is written to meanwhile, whole or not there."""

import os
import signal
import sqlite3
import subprocess
import threading
import time

import psycopg
import pytest

from support import BINARY, clean_environment, wait_until


def backup(*arguments, **more):
    return subprocess.run([BINARY, "backup", *map(str, arguments)], env=clean_environment(),
                          capture_output=True, text=True, timeout=60, **more)


def begin(*arguments):
    return subprocess.Popen([BINARY, "backup", *map(str, arguments)], env=clean_environment(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fill(path, megabytes):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE filler (b BLOB)")
    for _ in range(megabytes):
        db.execute("INSERT INTO filler VALUES (randomblob(1000000))")
    db.commit()
    db.close()


def is_whole(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        db.close()


def only(directory, *names):
    """Nothing else that a backup might have left."""
    return sorted(p.name for p in directory.iterdir()) == sorted(names)


def test_a_served_database_is_copied_at_one_moment_while_writes_go_on(weir, tmp_path):
    path, target = tmp_path / "b.db", tmp_path / "copies" / "b.db"
    target.parent.mkdir()
    fill(path, 20)
    gateway = weir(f"sqlite:{path}")
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        db.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    stop, written, failures = threading.Event(), [0], []

    def write():
        try:
            with gateway.connect(autocommit=False) as db:
                while not stop.is_set():
                    db.execute("UPDATE t SET n = n + 1 WHERE id = 1")
                    db.execute("UPDATE t SET n = n + 1 WHERE id = 2")
                    db.commit()
                    written[0] += 1
        except psycopg.Error as e:
            failures.append(e)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: written[0] > 5)
    for _ in range(3):
        before = written[0]
        done = backup(f"sqlite:{path}", target, "--force")
        assert done.returncode == 0, done.stderr
        assert str(target.stat().st_size) in done.stdout
        assert is_whole(target)
        copy = sqlite3.connect(target)
        one, two = [n for (n,) in copy.execute("SELECT n FROM t ORDER BY id")]
        copy.close()
        assert one == two and before <= one <= written[0] + 1
    stop.set()
    writer.join()
    assert not failures and only(target.parent, "b.db")


def test_a_file_that_is_there_is_kept_unless_force_is_said(tmp_path):
    fill(tmp_path / "a.db", 1)
    target = tmp_path / "old"
    target.write_text("precious")
    done = backup(f"sqlite:{tmp_path}/a.db", target)
    assert done.returncode == 1 and "is there already" in done.stderr and "--force" in done.stderr
    assert target.read_text() == "precious"
    assert backup(f"sqlite:{tmp_path}/a.db", target, "--force", "--quiet").stdout == ""
    assert is_whole(target)


def test_what_cannot_be_done_is_said(tmp_path):
    fill(tmp_path / "a.db", 1)
    (tmp_path / "text").write_text("no database " * 100)
    (tmp_path / "used-wal").write_text("log")
    dsn = f"sqlite:{tmp_path}/a.db"
    os.link(tmp_path / "a.db", tmp_path / "same")
    for arguments, status, words in (
            ([], 2, "no database given"),
            ([dsn], 2, "no file to write"),
            ([dsn, "x", "y"], 2, "more than"),
            ([dsn, "x", "--fast"], 2, "unknown option --fast"),
            (["postgres://localhost/x", tmp_path / "x"], 2, "not an SQLite database"),
            (["a.db", tmp_path / "x"], 2, "no scheme"),
            ([f"sqlite:{tmp_path}/nope.db", tmp_path / "x"], 1, "No such file"),
            ([f"sqlite:{tmp_path}/text", tmp_path / "x"], 1, "not an SQLite database"),
            ([dsn, tmp_path], 1, "Is a directory"),
            ([dsn, tmp_path / "nowhere" / "x"], 1, "No such file"),
            ([dsn, tmp_path / "same", "--force"], 1, "is the database itself"),
            ([dsn, tmp_path / "used"], 1, "is in use")):
        done = backup(*arguments)
        assert done.returncode == status and words in done.stderr, (arguments, done)
        assert done.stdout == "" and not (tmp_path / "x").exists()
        assert not list(tmp_path.glob("*.part"))


def stopped(process, target):
    """Held still in the middle."""
    part = target.with_name(target.name + ".part")
    wait_until(lambda: part.exists() and part.stat().st_size > 1000000, every=0.0005)
    process.send_signal(signal.SIGSTOP)
    return process.poll() is None and not target.exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_backup_that_is_ended_leaves_nothing_under_the_name(tmp_path, how):
    fill(tmp_path / "a.db", 60)
    target = tmp_path / "copy.db"
    for _ in range(20):
        process = begin(f"sqlite:{tmp_path}/a.db", target)
        if stopped(process, target):
            break
        process.send_signal(signal.SIGCONT)  # it was too fast
        process.communicate(timeout=30)
        target.unlink(missing_ok=True)
    else:
        pytest.skip("no backup was slow enough to be caught")
    other = backup(f"sqlite:{tmp_path}/a.db", target)  # its lock is held
    assert other.returncode == 1 and "another backup" in other.stderr
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == (-9 if how == signal.SIGKILL else 1)
    assert not target.exists()
    if how != signal.SIGKILL:
        assert "given up" in words and not list(tmp_path.glob("*.part"))
    assert backup(f"sqlite:{tmp_path}/a.db", target).returncode == 0
    assert is_whole(target) and not list(tmp_path.glob("*.part"))


def test_a_full_disk_leaves_nothing(tmp_path):
    import resource
    fill(tmp_path / "a.db", 20)
    limit = 5 * 2**20

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = backup(f"sqlite:{tmp_path}/a.db", tmp_path / "copy.db", preexec_fn=small)
    assert done.returncode == 1, done
    assert not list(tmp_path.glob("copy*"))


def test_progress_is_said_when_it_takes_long(tmp_path):
    fill(tmp_path / "a.db", 30)
    process = begin(f"sqlite:{tmp_path}/a.db", tmp_path / "copy.db")
    if stopped(process, tmp_path / "copy.db"):
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        _, words = process.communicate(timeout=30)
        assert " MiB\n" in words and process.returncode == 0
    else:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=30)
