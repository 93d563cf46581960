"""A client that parses a text is told what it means now: no statement that was planned before the
schema changed answers for it, whoever prepared it on the server connection (hazard 7)."""

import pytest


@pytest.fixture
def gateway(weir, postgres):
    dbname = postgres.database()
    with postgres.connect(dbname) as db:
        db.execute("CREATE TABLE shown AS SELECT 'public'::text AS v; CREATE SCHEMA first; "
                   "CREATE FUNCTION choose(numeric) RETURNS text LANGUAGE sql AS "
                   "$$ SELECT 'numeric' $$")
    return weir(postgres.dsn(dbname), settings={"pool.max_size": 1, "pool.min_size": 0,
                                                "pool.max_pinned": 5, "workers": 1})


def parsed(db, query):
    """The first value, by Parse of the unnamed statement; or the error's SQLSTATE."""
    result = db.pgconn.prepare(b"", query.encode())
    if not result.error_message:
        result = db.pgconn.exec_prepared(b"", [None] * query.count("$1"))
    if result.error_message:
        return result.error_field(ord("C")).decode()
    return result.get_value(0, 0).decode()


def settle(db, query):
    """Makes it a statement that the server connection keeps."""
    for _ in range(3):
        value = parsed(db, query)
    return value


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT; DROP TYPE fruit"])
@pytest.mark.parametrize("query", ["SELECT 'orange'::fruit",
                                   "SELECT coalesce($1::fruit, 'orange')"])
def test_a_type_that_was_made_and_is_gone_is_not_remembered(gateway, query, end):
    with gateway.connect() as a:
        for value in ("orange", "apple", "pear"):
            a.execute(f"BEGIN; CREATE TYPE fruit AS ENUM ('orange', '{value}x')")
            assert settle(a, query) == "orange"
            a.execute(end)
            assert parsed(a, query) == "42704"


SHADOWS = [
    "CREATE {temp}TABLE {schema}shown (v) AS SELECT 'mine'",
    "CREATE {temp}TABLE {schema}shown (v text); INSERT INTO {schema}shown VALUES ('mine')",
    "SELECT 'mine'::text AS v INTO {temp}{schema}shown",
    "CREATE {temp}VIEW {schema}shown AS SELECT 'mine'::text AS v",
    "DO $$ BEGIN CREATE {temp}TABLE {schema}shown (v) AS SELECT 'mine'; END $$",
]


@pytest.mark.parametrize("statement", SHADOWS)
def test_a_temporary_table_hides_another_of_its_name(gateway, statement):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("CREATE TEMP TABLE another (); DROP TABLE another")  # there is a schema for it
        assert settle(a, "SELECT v FROM shown") == "public"
        a.execute(statement.format(temp="TEMP ", schema=""))
        assert parsed(a, "SELECT v FROM shown") == "mine"
        assert parsed(b, "SELECT v FROM shown") == "public"


@pytest.mark.parametrize("statement", SHADOWS)
def test_a_table_of_another_client_hides_one_behind_it_in_the_path(gateway, statement):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SET search_path TO first, public")
        b.execute("SET search_path TO first, public")
        assert settle(a, "SELECT v FROM shown") == "public"
        b.execute(statement.format(temp="", schema="first."))
        assert parsed(a, "SELECT v FROM shown") == "mine"


def test_a_parse_behind_a_change_in_the_same_pipeline_is_new(gateway):
    query = "SELECT v FROM shown"
    with gateway.connect() as a:
        a.execute("CREATE TEMP TABLE another (); DROP TABLE another")
        assert settle(a, query) == "public"
        with a.pipeline() as pipeline:
            a.execute("CREATE TEMP TABLE shown (v) AS SELECT 'mine'", prepare=False)
            cursor = a.execute(query, prepare=False)
            pipeline.sync()
            assert cursor.fetchone() == ("mine",)


def test_a_function_that_fits_better_is_found(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        assert settle(a, "SELECT choose(1)") == "numeric"
        b.execute("CREATE FUNCTION choose(int) RETURNS text LANGUAGE sql AS $$ SELECT 'int' $$")
        assert parsed(a, "SELECT choose(1)") == "int"


def test_tables_that_a_function_makes_are_told_apart(gateway):
    with gateway.connect() as a:
        a.execute("CREATE FUNCTION make(value text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
                  "EXECUTE 'CREATE TEMP TABLE made AS SELECT ' || value || ' AS v'; END $$")
        for value, expected in (("1", "1"), ("'one'::text", "one"), ("true", "t")):
            a.execute(f"SELECT make($${value}$$)")
            assert settle(a, "SELECT v FROM made") == expected
            a.execute("DROP TABLE made")
