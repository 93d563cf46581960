"""pg_prepared_statements shows a client what it prepared, and nothing of others or of Weir,
although its statements stand elsewhere and under other names (hazard 7)."""

import psycopg
import pytest

LIST = "SELECT name, statement, from_sql FROM pg_prepared_statements ORDER BY prepare_time"


@pytest.fixture
def gateway(weir, postgres):
    return weir(postgres.dsn(postgres.database()),
                settings={"pool.max_size": 1, "pool.min_size": 0, "workers": 1})


def by_simple_query(db):
    result = db.pgconn.exec_(LIST.encode())
    return rows(result)


def by_unnamed_statement(db):
    return rows(db.pgconn.exec_params(LIST.encode(), []))


def rows(result):
    assert not result.error_message, result.error_message
    return [tuple(result.get_value(i, j).decode() for j in range(3))
            for i in range(result.ntuples)]


def prepare(db, name, text):
    result = db.pgconn.prepare(name.encode(), text.encode())
    assert not result.error_message, result.error_message


WAYS = [by_simple_query, by_unnamed_statement]


@pytest.mark.parametrize("listed", WAYS)
def test_each_client_sees_its_own_names_in_their_order(gateway, listed):
    with gateway.connect() as a, gateway.connect() as b:
        for db, names in ((a, "zx"), (b, "yx")):
            for name in names:
                prepare(db, name, f"SELECT '{name}{id(db)}'")
            db.execute("PREPARE by_sql AS SELECT 1 ;")
        for _ in range(3):  # a text that comes again is kept under a name of Weir's
            for db, names in ((a, "zx"), (b, "yx")):
                assert listed(db) == [
                    *((name, f"SELECT '{name}{id(db)}'", "f") for name in names),
                    ("by_sql", "PREPARE by_sql AS SELECT 1 ;", "t")]
                assert db.pgconn.exec_prepared(b"x", []).get_value(0, 0) == f"x{id(db)}".encode()


@pytest.mark.parametrize("listed", WAYS)
def test_what_was_closed_or_failed_is_not_listed(gateway, listed):
    with gateway.connect() as a:
        prepare(a, "kept", "SELECT 1")
        prepare(a, "gone", "SELECT 2")
        a.execute("DEALLOCATE gone")
        assert a.pgconn.prepare(b"bad", b"SELECT nothing").error_message
        assert listed(a) == [("kept", "SELECT 1", "f")]
        a.execute("DEALLOCATE ALL")
        assert listed(a) == []


def test_a_statement_that_lists_is_in_its_own_list(gateway):
    with gateway.connect() as a:
        prepare(a, "lists", LIST)
        for _ in range(3):
            assert rows(a.pgconn.exec_prepared(b"lists", [])) == [("lists", LIST, "f")]


def test_inside_a_transaction_and_in_one_that_failed(gateway):
    with gateway.connect() as a:
        prepare(a, "kept", "SELECT 1")
        a.execute("BEGIN")
        prepare(a, "later", "SELECT 2")
        both = [("kept", "SELECT 1", "f"), ("later", "SELECT 2", "f")]
        assert by_unnamed_statement(a) == by_simple_query(a) == both
        with pytest.raises(psycopg.errors.DivisionByZero):
            a.execute("SELECT 1/0")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            a.execute(LIST)
        a.execute("ROLLBACK")
        assert by_simple_query(a) == both


def test_in_a_pipeline_behind_what_it_lists(gateway):
    with gateway.connect() as a, a.pipeline():
        cursor = a.cursor()
        values = [a.execute("SELECT %s::int", [n], prepare=True) for n in range(3)]
        cursor.execute("SELECT count(*) FROM pg_catalog.pg_prepared_statements", prepare=False)
        assert [v.fetchone() for v in values] == [(0,), (1,), (2,)]
        assert cursor.fetchone() == (1,)
