"""Transactions on SQLite as PostgreSQL's clients expect them: nothing lost, nobody failing who
would not fail there, nobody starving, limits that hold while waiting, and clients that die."""

import os
import re
import select
import socket
import threading
import time
import urllib.request

import psycopg
import pytest

from support import console, pgbench, rows, wait_until

CLIENTS = 32


@pytest.fixture
def counter(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)")
        db.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    return sqlite.weir


def value(weir, id=1):
    with weir.connect() as db:
        return db.execute("SELECT n FROM t WHERE id = %s", (id,)).fetchone()[0]


def in_threads(count, work):
    """work(i) at once in so many threads; the first exception is raised here."""
    failures = []

    def run(i):
        try:
            work(i)
        except Exception as e:  # pylint: disable=broad-except
            failures.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


# ---- read-modify-write: no lost update ----

def test_for_update_in_read_committed_loses_nothing_and_never_fails(counter):
    def work(_):
        with counter.connect(autocommit=False) as db:
            for _ in range(5):
                n = db.execute("SELECT n FROM t WHERE id = 1 FOR UPDATE").fetchone()[0]
                db.execute("UPDATE t SET n = %s WHERE id = 1", (n + 1,))
                db.commit()

    in_threads(CLIENTS, work)
    assert value(counter) == CLIENTS * 5


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_that_is_too_old_fails_with_40001_once(counter, level):
    """PostgreSQL asks for the same retry; here the second attempt always succeeds."""
    most = [0] * CLIENTS

    def work(i):
        with counter.connect(autocommit=False) as db:
            db.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
            db.commit()
            for _ in range(3):
                for attempt in range(100):
                    try:
                        n = db.execute("SELECT n FROM t WHERE id = 1").fetchone()[0]
                        db.execute("UPDATE t SET n = %s WHERE id = 1", (n + 1,))
                        db.commit()
                        break
                    except psycopg.errors.SerializationFailure:
                        db.rollback()
                        most[i] = max(most[i], attempt + 1)

    in_threads(CLIENTS, work)
    assert value(counter) == CLIENTS * 3
    assert max(most) <= 1


def test_plain_updates_lose_nothing(counter):
    def work(_):
        with counter.connect() as db:
            for _ in range(10):
                db.execute("UPDATE t SET n = n + 1 WHERE id = 1")

    in_threads(CLIENTS, work)
    assert value(counter) == CLIENTS * 10


# ---- what REPEATABLE READ is ----

def test_repeatable_read_keeps_one_snapshot_from_its_first_read(counter):
    with counter.connect(autocommit=False) as db, counter.connect() as other:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        db.execute("SELECT 1")  # no: it touches no table, but it is a statement
        other.execute("UPDATE t SET n = 5 WHERE id = 1")
        first = db.execute("SELECT n FROM t WHERE id = 1").fetchone()
        other.execute("UPDATE t SET n = 6 WHERE id = 1")  # a reader holds nobody up
        assert db.execute("SELECT n FROM t WHERE id = 1").fetchone() == first
        db.commit()
        assert db.execute("SELECT n FROM t WHERE id = 1").fetchone() == (6,)


def test_repeatable_read_that_writes_first_never_fails(counter):
    with counter.connect(autocommit=False) as db, counter.connect() as other:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("UPDATE t SET n = 5 WHERE id = 1")
        db.execute("UPDATE t SET n = n + 1 WHERE id = 1")
        assert db.execute("SELECT n FROM t WHERE id = 1").fetchone() == (6,)
        db.commit()


def test_a_snapshot_becomes_a_writer_with_its_savepoints(counter):
    with counter.connect(autocommit=False) as db:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        db.execute("SELECT n FROM t")
        db.execute("SAVEPOINT a")
        db.execute("UPDATE t SET n = 1")
        db.execute("SAVEPOINT b")
        db.execute("UPDATE t SET n = 2")
        db.execute("ROLLBACK TO b")
        assert db.execute("SELECT n FROM t").fetchall() == [(1,), (1,)]
        db.execute("ROLLBACK TO a")
        assert db.execute("SELECT n FROM t").fetchall() == [(0,), (0,)]
        db.execute("UPDATE t SET n = 3")
        db.commit()
    assert value(counter) == 3


def test_read_only_transactions_wait_for_no_writer(counter):
    with counter.connect(autocommit=False) as writer, counter.connect(autocommit=False) as reader:
        writer.execute("UPDATE t SET n = 9")
        for level in (None, psycopg.IsolationLevel.REPEATABLE_READ):
            reader.isolation_level = level
            reader.read_only = True
            assert reader.execute("SELECT n FROM t WHERE id = 1").fetchone() == (0,)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute("SELECT n FROM t FOR UPDATE")
            reader.rollback()
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute("UPDATE t SET n = 1")
            reader.rollback()


# ---- the queue ----

def test_no_client_starves(counter):
    """First come, first served: over some seconds everybody gets about as many turns."""
    script = """
        BEGIN;
        UPDATE t SET n = n + 1 WHERE id = 1;
        UPDATE t SET n = n + 1 WHERE id = 2;
        END;
        """
    done = pgbench(counter.conninfo(), script, CLIENTS, 3, "-l", "--log-prefix",
                   str(counter.directory / "turns"))
    assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr[-2000:]
    turns = [0] * CLIENTS
    for log in counter.directory.glob("turns.*"):
        for line in log.read_text().splitlines():
            turns[int(line.split()[0])] += 1
    mean = sum(turns) / CLIENTS
    assert value(counter) == sum(turns)
    assert min(turns) >= mean / 2 and max(turns) <= mean * 2, turns
    with console(counter) as admin:
        figures = rows(admin, "SQLITE")[0]
    assert figures["writer_waits"] >= sum(turns)
    assert figures["writer_wait_max"] <= 100 * figures["writer_wait_p50"] + 2, figures


def metric(weir, name):
    with urllib.request.urlopen(f"http://{weir.admin}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {m[1]: float(m[2]) for m in re.finditer(rf"^({name}\S*) (\S+)$", text, re.M)}


def test_the_queue_is_measured(counter):
    with counter.connect(autocommit=False) as holder:
        holder.execute("UPDATE t SET n = 1")
        waiter = threading.Thread(target=lambda: counter.connect().execute("UPDATE t SET n = 2"))
        waiter.start()
        wait_until(lambda: sum(metric(counter, "weir_sqlite_writer_waiting").values()) == 1)
        holder.commit()
        waiter.join()
    waits = metric(counter, "weir_sqlite_writer_wait_seconds")
    assert sum(v for k, v in waits.items() if "_count" in k) >= 2
    assert sum(metric(counter, "weir_sqlite_writer_waiting").values()) == 0


# ---- limits that hold while waiting ----

@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("setting, error", [
    ("lock_timeout", psycopg.errors.LockNotAvailable),
    ("statement_timeout", psycopg.errors.QueryCanceled)])
def test_waiting_for_the_writer_ends_at_the_clients_limits(counter, block, setting, error):
    with counter.connect(autocommit=False) as holder:
        holder.execute("UPDATE t SET n = 1")
        with counter.connect(autocommit=not block) as db:
            db.execute(f"SET {setting} = '200ms'")
            with pytest.raises(error):
                db.execute("UPDATE t SET n = 2")
            db.rollback()
            holder.rollback()
            db.execute("UPDATE t SET n = 3")
            db.commit()
    assert value(counter) == 3


def test_limits_may_come_with_the_login(counter):
    with counter.connect(autocommit=False) as holder:
        holder.execute("UPDATE t SET n = 1")
        with counter.connect(options="-c lock_timeout=200ms") as db:
            assert db.execute("SHOW lock_timeout").fetchone() == ("200ms",)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                db.execute("UPDATE t SET n = 2")


def test_nowait_does_not_wait_for_a_transaction(counter):
    with counter.connect(autocommit=False) as holder, counter.connect(autocommit=False) as db:
        holder.execute("SELECT n FROM t WHERE id = 1 FOR UPDATE")
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            db.execute("SELECT n FROM t WHERE id = 1 FOR UPDATE NOWAIT")
        assert "another transaction has it" in str(refused.value)  # and not: "in time"
        db.rollback()
        holder.rollback()
        assert db.execute("SELECT n FROM t WHERE id = 1 FOR NO KEY UPDATE OF t NOWAIT").fetchone()


def test_a_queue_of_jobs_with_skip_locked(counter):
    """As job queues on PostgreSQL take them."""
    with counter.connect() as db:
        db.execute("CREATE TABLE jobs (id SERIAL PRIMARY KEY, taken BOOLEAN NOT NULL)")
        db.execute("INSERT INTO jobs (taken) SELECT false FROM generate_series(1, 60)")
    taken = []

    def work(_):
        with counter.connect() as db:
            while row := db.execute("""
                    UPDATE jobs SET taken = true WHERE id = (SELECT id FROM jobs WHERE NOT taken
                    ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id""").fetchone():
                taken.append(row[0])

    in_threads(6, work)
    assert sorted(taken) == list(range(1, 61))


def test_the_operators_bound_holds_without_any_limit_of_the_client(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/b.db", settings={"sqlite.writer_wait": "300ms"})
    with gateway.connect(autocommit=False) as holder, gateway.connect() as db:
        holder.execute("CREATE TABLE t (n INTEGER)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            db.execute("CREATE TABLE u (n INTEGER)")


@pytest.mark.parametrize("first", ["SELECT 1", "SELECT n FROM t", "UPDATE t SET n = 1"])
def test_a_session_may_limit_its_own_idle_transactions(counter, first):
    db = counter.connect(autocommit=False)
    db.execute("SET SESSION idle_in_transaction_session_timeout = '700ms'")
    db.commit()
    db.execute(first)
    with counter.connect() as other:
        other.execute("UPDATE t SET n = 7")  # the writer is free when it has been ended
    assert select.select([db.fileno()], [], [], 30)[0]
    with pytest.raises(psycopg.OperationalError, match="idle"):
        db.execute("SELECT 1")
    db.close()


# ---- clients that die, gateways that end ----

@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
@pytest.mark.parametrize("state", ["holding", "waiting"])
def test_a_client_that_dies_leaves_the_writer_to_others(counter, level, state):
    holder = counter.connect(autocommit=False)
    holder.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
    holder.execute("SELECT n FROM t")
    holder.execute("UPDATE t SET n = 77")
    if state == "waiting":
        db = counter.connect(autocommit=False)
        db.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        db.execute("SELECT n FROM t")
        db.pgconn.send_query(b"UPDATE t SET n = 78")
        wait_until(lambda: sum(metric(counter, "weir_sqlite_writer_waiting").values()) == 1)
        cut(db)
        wait_until(lambda: sum(metric(counter, "weir_sqlite_writer_waiting").values()) == 0)
    cut(holder)
    with counter.connect() as other:
        other.execute("UPDATE t SET n = n + 1")
    assert value(counter) == 1
    with counter.connect(autocommit=False) as again:
        again.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        again.execute("SELECT n FROM t")
        again.execute("UPDATE t SET n = n + 1")
        again.commit()
    assert value(counter) == 2


def cut(db):
    """As if its process were killed: no goodbye."""
    with socket.socket(fileno=os.dup(db.pgconn.socket)) as s:
        s.shutdown(socket.SHUT_RDWR)


def test_savepoints_across_reads_and_writes(counter):
    with counter.connect(autocommit=False) as db:
        db.execute("SAVEPOINT one")
        db.execute("SELECT n FROM t")
        with pytest.raises(psycopg.errors.UndefinedTable):
            db.execute("SELECT * FROM nowhere")
        db.execute("ROLLBACK TO one")
        db.execute("UPDATE t SET n = 1 WHERE id = 1")
        db.execute("SAVEPOINT two")
        db.execute("SAVEPOINT two")  # the same name again: the newest counts
        db.execute("UPDATE t SET n = 2 WHERE id = 1")
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute("INSERT INTO t VALUES (1, 1)")
        db.execute("ROLLBACK TO two")
        db.execute("RELEASE two")
        assert db.execute("SELECT n FROM t WHERE id = 1").fetchone() == (1,)
        db.execute("ROLLBACK TO two")
        db.commit()
    assert value(counter) == 1


def test_a_transaction_is_whole_or_not_at_all_when_the_gateway_is_killed(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/k.db")
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)")
        db.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    acknowledged = [0] * 8

    def work(i):
        try:
            with gateway.connect(autocommit=False) as db:
                while True:
                    n = db.execute("SELECT n FROM t WHERE id = 1 FOR UPDATE").fetchone()[0]
                    db.execute("UPDATE t SET n = %s WHERE id = 1", (n + 1,))
                    db.execute("UPDATE t SET n = n + 1 WHERE id = 2")
                    db.commit()
                    acknowledged[i] += 1
        except psycopg.Error:
            pass

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    wait_until(lambda: sum(acknowledged) >= 40)
    gateway.kill()
    for t in threads:
        t.join()
    gateway.start(listen=f"127.0.0.1:{gateway.port}")
    assert value(gateway, 1) == value(gateway, 2)
    assert 0 <= value(gateway, 1) - sum(acknowledged) <= 1
