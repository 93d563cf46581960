"""Sixty clients over five server connections: nobody sees another's session state (hazard 13)."""

import concurrent.futures
import random

import psycopg
import pytest

CLIENTS = 60
ZONES = ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Perth"]


@pytest.fixture
def gateway(weir, postgres):
    dbname = postgres.database()
    with postgres.connect(dbname) as db:
        for i in range(CLIENTS):
            db.execute(f"CREATE SCHEMA s{i}; CREATE TABLE s{i}.me AS SELECT {i} AS n")
    gateway = weir(postgres.dsn(dbname), settings={
        "pool.max_size": 5, "pool.min_size": 1, "pool.max_pinned": 75,
        "pool.acquire_timeout": "30s"})
    gateway.dbname = dbname
    return gateway


def all_at_once(work):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
        for done in [threads.submit(work, i) for i in range(CLIENTS)]:
            done.result()


def shown(db, name):
    return db.execute(f"SHOW {name}").fetchone()[0]


def test_parameters_of_the_startup_packet_stay_with_their_client(gateway, postgres):
    def client(i):
        options = f"-c search_path=s{i} -c statement_timeout={1000 + i}s -c TimeZone={ZONES[i % 5]}"
        with gateway.connect(options=options, application_name=f"client {i}") as db:
            for _ in range(20):
                if i % 7 == 0:
                    assert db.execute("SELECT n FROM me").fetchone() == (i,)
                expected = (str(i), f"client {i}", f"{1000 + i}s" if (1000 + i) % 60 else None,
                            ZONES[i % 5])
                got = db.execute(
                    "SELECT (SELECT n FROM me)::text, current_setting('application_name'), "
                    "current_setting('statement_timeout'), current_setting('TimeZone')").fetchone()
                assert (got[0], got[1], got[3]) == (expected[0], expected[1], expected[3])
                assert expected[2] in (None, got[2])

    all_at_once(client)
    with postgres.connect(gateway.dbname) as db:
        (used,) = db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
                             "AND pid <> pg_backend_pid()", (gateway.dbname,)).fetchone()
        assert used <= 5


def test_clients_without_parameters_see_the_servers_own(gateway):
    with gateway.connect() as plain, gateway.connect(options="-c TimeZone=Asia/Tokyo") as tokyo:
        own = shown(plain, "TimeZone")
        for _ in range(20):
            assert shown(tokyo, "TimeZone") == "Asia/Tokyo"
            assert shown(plain, "TimeZone") == own


def test_what_set_changes_stays_with_its_client(gateway):
    def client(i):
        with gateway.connect() as db:
            db.execute(f"SET search_path = s{i}")
            db.execute(f"SET application_name = 'set {i}'")
            for _ in range(10):
                assert db.execute("SELECT n FROM me").fetchone() == (i,)
                assert shown(db, "application_name") == f"set {i}"

    all_at_once(client)
    with gateway.connect() as db:  # and leaves with it
        for _ in range(10):
            assert shown(db, "search_path") == '"$user", public'
            with pytest.raises(psycopg.errors.UndefinedTable):
                db.execute("SELECT n FROM me")


def test_set_local_ends_with_its_transaction(gateway):
    with gateway.connect(autocommit=False) as db:
        for i in range(10):
            db.execute(f"SET LOCAL search_path = s{i}")
            assert db.execute("SELECT n FROM me").fetchone() == (i,)
            db.commit()
            assert shown(db, "search_path") == '"$user", public'
            db.rollback()


def test_temporary_tables_stay_with_their_client(gateway):
    def client(i):
        with gateway.connect() as db:
            db.execute("CREATE TEMP TABLE mine (n int)")
            for n in range(5):
                db.execute("INSERT INTO mine VALUES (%s)", (i,))
            assert db.execute("SELECT count(*), min(n), max(n) FROM mine").fetchone() == (5, i, i)

    all_at_once(client)
    with gateway.connect() as db, pytest.raises(psycopg.errors.UndefinedTable):
        db.execute("SELECT * FROM mine")


def test_sql_prepare_stays_with_its_client(gateway):
    def client(i):
        with gateway.connect() as db:
            db.execute(f"PREPARE mine AS SELECT {i}")
            for _ in range(10):
                assert db.execute("EXECUTE mine").fetchone() == (i,)

    all_at_once(client)
    with gateway.connect() as db, pytest.raises(psycopg.errors.InvalidSqlStatementName):
        db.execute("EXECUTE mine")


def test_set_config_advisory_locks_and_sequences_stay_with_their_client(gateway, postgres):
    with postgres.connect(gateway.dbname) as db:
        db.execute("CREATE SEQUENCE numbers")

    def client(i):
        with gateway.connect() as db:
            db.execute(f"SELECT set_config('application_name', 'config {i}', false)")
            assert db.execute("SELECT pg_try_advisory_lock(%s)", (i,)).fetchone() == (True,)
            (mine,) = db.execute("SELECT nextval('numbers')").fetchone()
            for _ in range(5):
                assert shown(db, "application_name") == f"config {i}"
                assert db.execute("SELECT currval('numbers')").fetchone() == (mine,)
            assert db.execute("SELECT pg_advisory_unlock(%s)", (i,)).fetchone() == (True,)

    all_at_once(client)
    with gateway.connect() as db:
        assert db.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                          ).fetchone() == (0,)


def test_default_read_only_and_role_do_not_leak(gateway):
    for statement in ("SET default_transaction_read_only = on", "SET ROLE pg_monitor",
                      "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                      "SELECT set_config('default_transaction_read_only', 'on', false)"):
        db = gateway.connect()
        db.execute(statement)
        db.close()
        others = [gateway.connect() for _ in range(6)]
        for other in others:
            assert shown(other, "default_transaction_read_only") == "off"
            assert other.execute("SELECT current_user").fetchone() == ("postgres",)
            other.close()


def test_a_client_that_leaves_in_a_transaction_leaves_nothing_behind(gateway):
    with gateway.connect() as db:
        db.execute("CREATE TABLE left_over (a int)")
    for i in range(20):
        db = gateway.connect(autocommit=False)
        db.execute("INSERT INTO left_over VALUES (1)")
        if i % 2:
            db.execute("LOCK TABLE left_over IN ACCESS EXCLUSIVE MODE")
        db.pgconn.finish()  # no Terminate of a transaction's end, no ROLLBACK
    with gateway.connect() as db:
        assert db.execute("SELECT count(*) FROM left_over").fetchone() == (0,)


def test_mixed_work_of_many_clients_is_answered_to_the_right_one(gateway):
    def client(i):
        with gateway.connect(prepare_threshold=random.choice([0, 3, None])) as db:
            for n in range(30):
                mark = i * 1000 + n
                if n % 3 == 0:
                    assert db.execute("SELECT %s::int", (mark,)).fetchone() == (mark,)
                elif n % 3 == 1:
                    with db.transaction():
                        first = db.execute("SELECT %s::int, pg_backend_pid()", (mark,)).fetchone()
                        second = db.execute("SELECT %s::int, pg_backend_pid()", (mark,)).fetchone()
                        assert first == second and first[0] == mark
                else:
                    with pytest.raises(psycopg.errors.DivisionByZero):
                        db.execute("SELECT 1 / (%s::int - %s::int)", (mark, mark))

    all_at_once(client)
