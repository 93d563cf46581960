"""What was acknowledged is there: after kill -9 of the gateway, after pg_terminate_backend and
after an immediate restart of PostgreSQL; and clients go on without a restart of Weir."""

import contextlib
import signal
import sqlite3
import threading
import time

import psycopg
import pytest

from support import wait_until


class Writer(threading.Thread):
    """Inserts numbers of its own, one by one; knows which were acknowledged, which refused (by an
    error while the session lived) and which are in doubt (the connection broke)."""

    def __init__(self, gateway, number, transactions):
        super().__init__(daemon=True)
        self.gateway, self.number, self.transactions = gateway, number, transactions
        self.acknowledged, self.doubtful, self.errors = [], [], []
        self.broken, self.stopped = 0, threading.Event()

    def run(self):
        n = self.number * 1_000_000
        db = None
        while not self.stopped.is_set():
            try:
                db = db or self.gateway.connect(autocommit=not self.transactions)
                n += 1
                db.execute("INSERT INTO t VALUES (%s)", (n,))
                if self.transactions:
                    db.execute("SELECT count(*) FROM t WHERE a = %s", (n,))
                    db.commit()
                self.acknowledged.append(n)
            except psycopg.Error as e:
                self.errors.append(e)
                self.doubtful.append(n)
                if db is None or db.closed or db.broken:
                    self.broken += 1
                    db = None
                elif self.transactions:
                    with contextlib.suppress(psycopg.Error):
                        db.rollback()
                time.sleep(0.05)
        if db:
            db.close()

    def finish(self):
        self.stopped.set()
        self.join(30)
        assert not self.is_alive(), "a writer hangs"


@contextlib.contextmanager
def writers(gateway, count=8):
    some = [Writer(gateway, i, transactions=i % 2 == 1) for i in range(count)]
    for w in some:
        w.start()
    try:
        wait_until(lambda: all(len(w.acknowledged) > 5 for w in some), 30)
        yield some
    finally:
        for w in some:
            w.stopped.set()
        for w in some:
            w.finish()


def prove(rows, some):
    """Each acknowledged row is there once; each other row is one whose fate its client knew to be
    unknown."""
    rows = sorted(rows)
    assert len(rows) == len(set(rows))
    acknowledged = {n for w in some for n in w.acknowledged}
    doubtful = {n for w in some for n in w.doubtful}
    assert acknowledged <= set(rows), f"lost: {sorted(acknowledged - set(rows))[:20]}"
    assert set(rows) - acknowledged <= doubtful, "rows that nobody wrote"


def read_rows(served, path):
    if served.sqlite:
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [r[0] for r in db.execute("SELECT a FROM t")]
    with served.server.connect(served.dbname) as db:
        return [r[0] for r in db.execute("SELECT a FROM t")]


def test_killed_gateway_loses_nothing_acknowledged(served, tmp_path):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
    with writers(served.weir) as some:
        for _ in range(3):
            time.sleep(0.4)
            address = served.weir.address
            served.weir.kill()
            served.weir.start(listen=f"{address[0]}:{address[1]}")
            marks = [len(w.acknowledged) for w in some]
            wait_until(lambda: all(len(w.acknowledged) > m for w, m in zip(some, marks)), 30)
    with served.weir.connect() as db:
        through = [r[0] for r in db.execute("SELECT a FROM t")]
    prove(through, some)
    prove(read_rows(served, tmp_path / "e2e.db"), some)


def test_terminated_backends_fail_only_what_is_in_flight(weir, postgres):
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"pool.max_size": 4, "pool.min_size": 2})
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
    idle = [gateway.connect() for _ in range(5)]
    for db in idle:
        db.execute("SELECT 1")
    with writers(gateway) as some, postgres.connect() as admin:
        for _ in range(10):
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE datname = %s", (dbname,))
            time.sleep(0.1)
            for db in idle:  # nothing of them was in flight
                assert db.execute("SELECT 7").fetchone() == (7,)
        time.sleep(0.3)
    for db in idle:
        db.close()
    assert sum(w.broken for w in some) == 0, "a client lost its own connection"
    with postgres.connect(dbname) as db:
        prove([r[0] for r in db.execute("SELECT a FROM t")], some)
    states = {e.sqlstate for w in some for e in w.errors}
    assert states <= {"57P01", "08006", "25P02"}, states
    assert sum(len(w.errors) for w in some) <= 10 * 4 * 2


def test_idle_connections_that_died_are_noticed_at_checkout(weir, postgres):
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"pool.min_size": 3, "pool.max_size": 5})
    with gateway.connect(prepare_threshold=0) as db, postgres.connect() as admin:
        for i in range(30):
            assert db.execute("SELECT %s::int", (i,)).fetchone() == (i,)
            pids = [row[0] for row in admin.execute(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (dbname,))]
            wait_until(lambda: admin.execute("SELECT count(*) FROM pg_stat_activity "
                                             "WHERE pid = ANY(%s)", (pids,)).fetchone() == (0,))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_clients_survive_a_restart_of_postgresql(weir, own_postgres, how):
    gateway = weir(own_postgres.dsn("postgres"), settings={
        "pool.max_size": 4, "pool.min_size": 2, "pool.acquire_timeout": "20s"})
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
    idle = gateway.connect()
    assert idle.execute("SELECT 1").fetchone() == (1,)
    with writers(gateway) as some:
        own_postgres.stop(how)
        own_postgres.start()
        marks = [len(w.acknowledged) for w in some]
        wait_until(lambda: all(len(w.acknowledged) > m + 3 for w, m in zip(some, marks)), 30)
    assert idle.execute("SELECT 2").fetchone() == (2,)
    idle.close()
    assert sum(w.broken for w in some) == 0, "a client lost its own connection"
    with own_postgres.connect() as db:
        rows = [r[0] for r in db.execute("SELECT a FROM t")]
    # fsync is off, but the machine did not crash: the operating system has what was written.
    prove(rows, some)
    for w in some:
        assert {e.sqlstate for e in w.errors} <= {"57P01", "57P02", "57P03", "08006", "25P02"}, \
            [repr(e) for e in w.errors]


def test_a_lost_transaction_is_told_once_and_the_session_goes_on(weir, postgres):
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname))
    with gateway.connect() as db, postgres.connect() as admin:
        db.execute("CREATE TABLE t (a int)")
        db.execute("BEGIN")
        db.execute("INSERT INTO t VALUES (1)")
        (pid,) = db.execute("SELECT pg_backend_pid()").fetchone()
        admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(lambda: admin.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
                                         (pid,)).fetchone() == (0,))
        with pytest.raises(psycopg.OperationalError) as told:
            db.execute("INSERT INTO t VALUES (2)")
        assert told.value.sqlstate in ("08006", "57P01")
        assert not db.broken
        db.execute("ROLLBACK")
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
