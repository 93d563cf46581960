"""pg_terminate_backend with the number that a client was told for itself (BackendKeyData), as in
front of a server: that client's connection ends, with the server's words."""

import psycopg
import pytest

from support import wait_until

WORDS = "terminating connection due to administrator command"


@pytest.fixture
def gateway(weir, postgres):
    return weir(postgres.dsn(postgres.database()), settings={"pool.max_size": 3, "workers": 2})


def by_simple_query(db, pid):
    return value(db.pgconn.exec_(f"SELECT pg_terminate_backend({pid})".encode()))


def by_text_parameter(db, pid):
    return value(db.pgconn.exec_params(b"SELECT pg_terminate_backend($1)", [b"%d" % pid]))


def by_cast_parameter(db, pid):
    return value(db.pgconn.exec_params(b"SELECT pg_catalog.pg_terminate_backend($1::int, 30000)",
                                       [b"%d" % pid]))


def by_binary_parameter(db, pid):
    return value(db.pgconn.exec_params(b"SELECT pg_terminate_backend($1)",
                                       [pid.to_bytes(4, "big")], param_formats=[1]))


def by_named_statement(db, pid):
    db.pgconn.prepare(b"ends", b"SELECT pg_terminate_backend($1)")
    return value(db.pgconn.exec_prepared(b"ends", [b"%d" % pid]))


WAYS = [by_simple_query, by_text_parameter, by_cast_parameter, by_binary_parameter,
        by_named_statement]


def value(result):
    """The answer as the server gives it, with its column's name."""
    if result.error_message:
        return result.error_message.decode()
    return result.fname(0).decode(), result.get_value(0, 0).decode()


def ended_by_the_server(db):
    result = db.pgconn.get_result()
    while db.pgconn.get_result():
        pass
    return [result.error_field(ord(f)).decode() for f in "SCM"] == ["FATAL", "57P01", WORDS]


def is_gone(db):
    with pytest.raises(psycopg.OperationalError) as e:
        db.execute("SELECT 1")
    return WORDS in str(e.value) and db.closed


@pytest.mark.parametrize("end", WAYS)
def test_an_idle_client_is_ended(gateway, end):
    with gateway.connect() as a, gateway.connect() as b, gateway.connect() as c:
        assert end(b, a.pgconn.backend_pid) == ("pg_terminate_backend", "t")
        assert is_gone(a)
        assert c.execute("SELECT 1").fetchone() == b.execute("SELECT 1").fetchone() == (1,)
        assert end(b, a.pgconn.backend_pid) == ("pg_terminate_backend", "f")


@pytest.mark.parametrize("end", WAYS)
def test_a_client_in_a_transaction_is_ended_and_its_work_is_not_done(gateway, end):
    with gateway.connect() as a, gateway.connect() as b:
        b.execute("CREATE TABLE done (v int)")
        a.execute("BEGIN; INSERT INTO done VALUES (1)")
        b.execute("BEGIN")
        assert end(b, a.pgconn.backend_pid) == ("pg_terminate_backend", "t")
        b.execute("COMMIT")
        assert is_gone(a)
        assert b.execute("SELECT count(*) FROM done").fetchone() == (0,)


@pytest.mark.parametrize("end", WAYS)
def test_a_client_that_waits_for_an_answer_is_told(gateway, postgres, end):
    with gateway.connect() as a, gateway.connect() as b:
        a.pgconn.send_query(b"SELECT pg_sleep(60)")
        with postgres.connect() as direct:
            wait_until(lambda: sleeping(direct) == 1)
            assert end(b, a.pgconn.backend_pid) == ("pg_terminate_backend", "t")
            assert ended_by_the_server(a)
            wait_until(lambda: sleeping(direct) == 0)


@pytest.mark.parametrize("cancel", [
    lambda db, pid: db.pgconn.exec_(f"SELECT pg_cancel_backend({pid})".encode()),
    lambda db, pid: db.pgconn.exec_params(b"SELECT pg_cancel_backend($1)", [b"%d" % pid]),
], ids=["query", "parameter"])
def test_a_statement_is_cancelled_by_its_clients_number(gateway, cancel):
    with gateway.connect() as a, gateway.connect() as b:
        pid = a.pgconn.backend_pid
        assert value(cancel(b, pid)) == ("pg_cancel_backend", "t")  # nothing is under way
        a.pgconn.send_query(b"SELECT pg_sleep(61)")
        wait_until(lambda: b.execute("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                                     "AND query = 'SELECT pg_sleep(61)'").fetchone() == (1,))
        assert value(cancel(b, pid)) == ("pg_cancel_backend", "t")
        assert a.pgconn.get_result().error_field(ord("C")) == b"57014"
        while a.pgconn.get_result():
            pass
        assert a.execute("SELECT 1").fetchone() == (1,)
        assert cancel(a, pid).error_field(ord("C")) == b"57014"
        assert a.execute("SELECT 1").fetchone() == (1,)
        with gateway.connect(user="one") as c:
            assert value(cancel(c, pid)) == ("pg_cancel_backend", "f")


def sleeping(direct):
    return direct.execute("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                          "query = 'SELECT pg_sleep(60)'").fetchone()[0]


@pytest.mark.parametrize("end", WAYS)
def test_a_client_ends_itself(gateway, end):
    with gateway.connect() as a:
        end(a, a.pgconn.backend_pid)  # libpq keeps its own word on the lost connection
        assert a.closed


def test_a_client_ends_the_process_it_is_on(gateway):
    with gateway.connect() as a:
        a.pgconn.send_query(b"SELECT pg_terminate_backend(pg_backend_pid())")
        assert ended_by_the_server(a)
        assert a.closed


@pytest.mark.parametrize("end", WAYS)
def test_processes_are_the_servers(gateway, postgres, end):
    with gateway.connect() as b, postgres.connect() as direct:
        pid = direct.execute("SELECT pg_backend_pid()").fetchone()[0]
        assert end(b, pid) == ("pg_terminate_backend", "t")
        with pytest.raises(psycopg.OperationalError):
            direct.execute("SELECT 1")


@pytest.mark.parametrize("end", WAYS)
def test_another_users_client_stays(gateway, end):
    with gateway.connect(user="one") as a, gateway.connect(user="two") as b:
        assert end(b, a.pgconn.backend_pid) == ("pg_terminate_backend", "f")
        assert a.execute("SELECT 1").fetchone() == (1,)


def test_in_a_transaction_that_failed_nobody_is_ended(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        with pytest.raises(psycopg.errors.DivisionByZero):
            b.execute("BEGIN; SELECT 1/0")
        assert "is aborted" in by_simple_query(b, a.pgconn.backend_pid)
        assert a.execute("SELECT 1").fetchone() == (1,)
