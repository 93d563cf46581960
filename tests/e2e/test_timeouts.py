"""Clients that take too long: idle, idle inside a transaction, a statement that does not end."""

import select
import threading
import time

import psycopg
import pytest


def until_told(db):
    """The gateway says something that was not asked for."""
    assert select.select([db.fileno()], [], [], 30)[0]


def stays_while_active(db, seconds, limit):
    """Asks again and again. False: the machine was too busy, a pause came near the limit."""
    end = time.monotonic() + seconds
    while (asked := time.monotonic()) < end:
        try:
            db.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() - asked > limit / 2:
                return False
            raise
        time.sleep(0.02)
        if time.monotonic() - asked > limit / 2:
            return False
    return True


def test_an_idle_client_is_told_and_closed(serve):
    served = serve({"timeouts.client_idle": "500ms"})
    for _ in range(20):
        with served.weir.connect() as db:
            if stays_while_active(db, 0.8, 0.5):
                break
    else:
        pytest.fail("never asked in time")
    with served.weir.connect() as db:
        until_told(db)
        with pytest.raises(psycopg.OperationalError, match="idle for too long"):
            db.execute("SELECT 1")


def test_a_transaction_left_idle_is_ended_and_its_locks_go(serve):
    served = serve({"timeouts.idle_in_transaction": "1s"})
    with served.weir.connect() as other:
        other.execute("CREATE TABLE t (a INTEGER)")
        db = served.weir.connect(autocommit=False)
        db.execute("INSERT INTO t VALUES (1)")
        until_told(db)
        other.execute("INSERT INTO t VALUES (2)")  # nobody holds the writer any more
        assert other.execute("SELECT a FROM t").fetchall() == [(2,)]
        with pytest.raises(psycopg.OperationalError, match="transaction was idle"):
            db.execute("SELECT 1")
        db.close()


def test_a_statement_over_its_time_is_cancelled_and_the_session_goes_on(serve):
    served = serve({"timeouts.statement": "300ms"})
    endless = {"sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
                         "SELECT count(*) FROM c",
               "postgres": "SELECT pg_sleep(60)"}[served.kind]
    with served.weir.connect() as db:
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(endless)
        assert db.execute("SELECT 1").fetchone() == (1,)
        time.sleep(1.5)  # no late cancel comes behind
        assert db.execute("SELECT 2").fetchone() == (2,)


def test_session_pooling_keeps_the_connection_and_cleans_it_afterwards(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.mode": "session", "pool.min_size": "1", "pool.max_size": "1"})
    with gateway.connect() as db:
        db.execute("SET work_mem TO '77MB'")
        db.execute("CREATE TEMP TABLE mine (a int)")
        assert db.execute("SHOW work_mem").fetchone() == ("77MB",)
        db.execute("SELECT * FROM mine")
    with gateway.connect() as db:
        assert db.execute("SHOW work_mem").fetchone() != ("77MB",)
        with pytest.raises(psycopg.errors.UndefinedTable):
            db.execute("SELECT * FROM mine")


def test_cancel_reaches_a_statement_that_waits_for_a_connection(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.min_size": "1", "pool.max_size": "1",
                             "pool.acquire_timeout": "30s"})
    with gateway.connect(autocommit=False) as holder, gateway.connect() as waiter:
        holder.execute("SELECT 1")  # holds the only connection in its transaction
        threading.Timer(0.5, waiter.cancel).start()
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiter.execute("SELECT 2")
        assert time.monotonic() - began < 20
        holder.commit()
        assert waiter.execute("SELECT 3").fetchone() == (3,)
