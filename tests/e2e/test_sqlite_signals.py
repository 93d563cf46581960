"""pg_cancel_backend and pg_terminate_backend of sessions on SQLite, by the number that a client was
told for itself (test_terminate.py has the same for PostgreSQL)."""

import asyncio
import threading

import asyncpg
import psycopg
import pytest

from support import wait_until
from test_terminate import WAYS, WORDS, is_gone

LONG = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)"
        " SELECT count(*) FROM n")


@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/e2e.db", settings={"workers": 2})


@pytest.mark.parametrize("end", WAYS)
def test_clients_of_every_worker_are_ended(gateway, end):
    others = [gateway.connect() for _ in range(4)]
    with gateway.connect() as db:
        for other in others:
            number = other.pgconn.backend_pid
            assert end(db, number) == ("pg_terminate_backend", "t")
            assert is_gone(other)
            assert end(db, number) == ("pg_terminate_backend", "f")


def test_a_transaction_that_is_ended_is_rolled_back(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        b.execute("CREATE TABLE done (v int)")
        a.execute("BEGIN")
        a.execute("INSERT INTO done VALUES (1)")
        assert b.execute("SELECT pg_terminate_backend(%s)", (a.pgconn.backend_pid,)).fetchone()[0]
        assert is_gone(a)
        b.execute("INSERT INTO done VALUES (2)")
        assert b.execute("SELECT v FROM done").fetchall() == [(2,)]


@pytest.mark.parametrize("statement", [LONG, f"SELECT ({LONG}) AS n"])
def test_a_statement_is_cancelled(gateway, statement):
    errors = []

    def run(db):
        try:
            db.execute(statement)
        except psycopg.Error as e:
            errors.append(e.sqlstate)

    with gateway.connect() as a, gateway.connect() as b:
        thread = threading.Thread(target=run, args=(a,))
        thread.start()
        wait_until(lambda: b.execute("SELECT pg_cancel_backend(%s)", (a.pgconn.backend_pid,))
                   .fetchone() == (True,) and (thread.join(0.05) or not thread.is_alive()))
        assert errors == ["57014"]
        assert a.execute("SELECT 1").fetchone() == (1,)


def test_nobody_is_told_so(gateway):
    notices = []
    with gateway.connect() as db:
        db.add_notice_handler(lambda n: notices.append((n.sqlstate, n.message_primary)))
        assert db.execute("SELECT pg_cancel_backend(7) AS done").fetchone() == (False,)
        assert notices == [("01000", "PID 7 is not a PostgreSQL backend process")]


def test_oneself(gateway):
    with gateway.connect() as db:
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute("SELECT pg_cancel_backend(%s)", (db.pgconn.backend_pid,))
        with pytest.raises(psycopg.OperationalError, match=WORDS):
            db.execute("SELECT pg_terminate_backend(%s)", (db.pgconn.backend_pid,))
        assert db.closed


def test_in_a_block_and_between_others(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        with b.transaction():
            b.execute("CREATE TABLE t (v int)")
            number = a.pgconn.backend_pid
            assert b.execute("SELECT pg_terminate_backend(%s)", (number,)).fetchone() == (True,)
        result = b.pgconn.exec_(b"SELECT 1 AS a; SELECT pg_cancel_backend(7); SELECT 2 AS b")
        assert (result.fname(0), result.get_value(0, 0)) == (b"b", b"2")


def test_other_users_sessions_are_not_there(gateway):
    with gateway.connect(user="one") as a, gateway.connect(user="two") as b:
        number = a.pgconn.backend_pid
        assert b.execute("SELECT pg_terminate_backend(%s)", (number,)).fetchone() == (False,)
        assert a.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("text", ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
                                  "SELECT pg_cancel_backend(pg_backend_pid())"])
def test_in_a_larger_query_it_is_refused(gateway, text):
    with gateway.connect() as db, pytest.raises(psycopg.errors.FeatureNotSupported):
        db.execute(text)


def test_asyncpg_sends_numbers_in_binary(gateway):
    async def run():
        make = {"host": "127.0.0.1", "port": gateway.port, "user": "weir", "database": "app"}
        a, b = await asyncpg.connect(**make), await asyncpg.connect(**make)
        number = b.get_server_pid()
        answers = [await a.fetchval("SELECT pg_terminate_backend($1)", number) for _ in range(2)]
        await a.close()
        return answers

    assert asyncio.run(run()) == [True, False]


def test_current_setting_is_of_the_moment(gateway):
    """In statements prepared by the protocol and by name, too."""
    with gateway.connect(prepare_threshold=0) as db:
        query = "SELECT %s::int, current_setting('application_name')"
        db.execute("PREPARE p AS SELECT current_setting('application_name')")
        for name in ("one", "two", "three's"):
            db.execute("SELECT set_config('application_name', %s, false)", (name,))
            assert db.execute(query, (1,)).fetchone() == (1, name)
            assert db.execute("EXECUTE p").fetchone() == (name,)
        with db.transaction(force_rollback=True):
            db.execute("SET LOCAL application_name = 'four'")
            assert db.execute(query, (1,)).fetchone() == (1, "four")
        assert db.execute(query, (1,)).fetchone() == (1, "three's")
