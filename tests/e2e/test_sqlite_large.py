"""Large work on SQLite: results of a million rows in bounded memory, also for a client that reads
slowly, while others go on; reads that hold the write-ahead log for too long; writes that share
commits, when the gateway is killed or the disk is full."""

import pathlib
import re
import resource
import sqlite3
import threading
import time

import psycopg
import pytest

from support import Wire, console, message, rows, wait_until

ROWS = 1_000_000
MIB = 2**20


def rss(gateway):
    text = pathlib.Path(f"/proc/{gateway.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


def make(path, count):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, t TEXT NOT NULL)")
    db.execute("INSERT INTO big WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
               f"LIMIT {count}) SELECT n, 'this is the row of number ' || n FROM c")
    db.commit()
    db.close()


@pytest.fixture
def big(weir, tmp_path):
    make(tmp_path / "big.db", ROWS)
    return weir(f"sqlite:{tmp_path}/big.db", settings={"cache.enabled": "false"})


def drain(wire):
    """Counts the rows without keeping any."""
    count, part = 0, wire.bytes
    while True:
        at = 0
        while len(part) - at >= 5:
            size = 1 + int.from_bytes(part[at + 1:at + 5], "big")
            if len(part) - at < size:
                break
            kind = part[at:at + 1]
            assert kind != b"E", part[at:at + size]
            count += kind == b"D"
            at += size
            if kind == b"Z":
                return count
        part = part[at:] + wire.socket.recv(1 << 20)


def test_a_million_rows_for_a_slow_reader_take_little_memory(big):
    with big.connect() as db, Wire(big) as wire:
        for i in range(50):
            db.execute("SELECT t FROM big WHERE id = %s", (i + 1,))
        before = rss(big)
        wire.send(message(b"Q", b"SELECT * FROM big\0"))
        most = before
        for i in range(20):  # it reads next to nothing, others are served
            wire.bytes += wire.socket.recv(1000)
            assert db.execute("SELECT id FROM big WHERE id = %s", (i + 1,)).fetchone() == (i + 1,)
            most = max(most, rss(big))
            time.sleep(0.02)
        assert drain(wire) == ROWS
        most = max(most, rss(big))
    assert most - before < 48 * MIB, (before, most)  # the result has 45 MiB, and SQLite its cache


def test_a_slow_reader_that_leaves_lets_go(big):
    with Wire(big) as wire, big.connect() as db:
        wire.send(message(b"Q", b"SELECT * FROM big\0"))
        wire.socket.recv(1000)
        wire.socket.close()
        db.execute("CREATE TABLE t (n INTEGER)")
        with console(big) as admin:
            wait_until(lambda: [c["database"] for c in rows(admin, "CLIENTS")].count("app") == 1)
            wait_until(lambda: all(s["state"] == "idle" for s in rows(admin, "SERVERS")))


def test_reads_that_hold_a_log_too_large_are_ended(weir, tmp_path):
    make(tmp_path / "big.db", 300000)
    gateway = weir(f"sqlite:{tmp_path}/big.db", settings={
        "sqlite.wal_size": "1MiB", "sqlite.wal_max": "3MiB", "cache.enabled": "false"})
    with Wire(gateway) as slow, gateway.connect(autocommit=False) as thinks, \
            gateway.connect() as db, console(gateway) as admin:
        slow.send(message(b"Q", b"SELECT * FROM big\0"))
        slow.socket.recv(1000)  # … and no more
        thinks.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        thinks.execute("SELECT count(*) FROM big")
        db.execute("CREATE TABLE t (b BYTEA)")
        for _ in range(8):
            db.execute("INSERT INTO t VALUES (%s)", (bytes(1000000),))
        wait_until(lambda: rows(admin, "SQLITE")[0]["ended"] >= 2)
        wait_until(lambda: rows(admin, "SQLITE")[0]["wal_bytes"] == 0)
        assert (tmp_path / "big.db-wal").stat().st_size == 0
        with pytest.raises(psycopg.errors.SerializationFailure):
            thinks.execute("SELECT count(*) FROM big")
        thinks.rollback()
        assert thinks.execute("SELECT count(*) FROM big").fetchone() == (300000,)
        slow.bytes = b""
        tail = b""
        while b"40001" not in tail:  # after the rows that were on their way
            more = slow.socket.recv(1 << 20)
            assert more
            tail = tail[-10000:] + more
    assert "our reads" in gateway.stderr() and "another process" not in gateway.stderr()


def test_a_log_that_another_process_holds_is_not_blamed_on_our_reads(weir, tmp_path):
    make(tmp_path / "big.db", 10)
    gateway = weir(f"sqlite:{tmp_path}/big.db", settings={
        "sqlite.wal_size": "1MiB", "sqlite.wal_max": "2MiB", "cache.enabled": "false"})
    other = sqlite3.connect(tmp_path / "big.db", isolation_level=None)
    with gateway.connect() as db, console(gateway) as admin:
        db.execute("CREATE TABLE t (b BYTEA)")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM big").fetchall()
        for _ in range(4):
            db.execute("INSERT INTO t VALUES (%s)", (bytes(1000000),))
        wait_until(lambda: "another process's read keeps" in gateway.stderr())
        assert rows(admin, "SQLITE")[0]["ended"] == 0
        other.close()
        wait_until(lambda: rows(admin, "SQLITE")[0]["wal_bytes"] == 0)


# ---- writes that share commits ----

def writers(gateway, count, acknowledged, failed):
    """Rows of their own number each, one write at a time; ends with the connection."""
    def work(i):
        n = i
        try:
            with gateway.connect() as db:
                while not failed.is_set():
                    db.execute("INSERT INTO t VALUES (%s)", (n,))
                    acknowledged.append(n)
                    n += count
        except psycopg.OperationalError:
            pass

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    return threads


def test_a_killed_gateway_has_every_acknowledged_write_once(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/k.db")
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (n INTEGER)")  # no key: a row written twice would be there twice
    for _ in range(2):
        acknowledged, stop = [], threading.Event()
        with gateway.connect() as db:
            db.execute("DELETE FROM t")
        threads = writers(gateway, 12, acknowledged, stop)
        wait_until(lambda: len(acknowledged) >= 300)
        with console(gateway) as admin:
            assert rows(admin, "SQLITE")[0]["group_commits"] > 0
        gateway.kill()
        for t in threads:
            t.join()
        gateway.start(listen=f"127.0.0.1:{gateway.port}")
        with gateway.connect() as db:
            found = [n for (n,) in db.execute("SELECT n FROM t")]
        assert len(found) == len(set(found))
        assert set(acknowledged) <= set(found)
        assert len(found) - len(acknowledged) <= 12


def test_a_full_disk_fails_writes_and_nothing_else(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/f.db", settings={"log.level": "error"})
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (n INTEGER, b BYTEA)")
        db.execute("INSERT INTO t VALUES (0, NULL)")
    soft, hard = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (2 * MIB, hard))
    acknowledged, states = [], []

    def work(i):
        with gateway.connect() as db:
            for k in range(40):
                try:
                    db.execute("INSERT INTO t VALUES (%s, %s)", (i * 100 + k + 1, bytes(20000)))
                    acknowledged.append(i * 100 + k + 1)
                except psycopg.Error as e:
                    states.append(e.sqlstate)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert states and set(states) == {"53100"}, set(states)
    with gateway.connect() as db:
        found = sorted(n for (n,) in db.execute("SELECT n FROM t"))
        assert found == sorted([0, *acknowledged])
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (soft, hard))
        db.execute("INSERT INTO t VALUES (-1, NULL)")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
