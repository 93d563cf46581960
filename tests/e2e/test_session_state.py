"""Session state through transaction pooling (hazard 13): each client has its own settings, roles,
temporary tables, locks and prepared statements, on whichever server connection it is; and what it
left is on none when somebody else gets it. With one server connection and its pinned allowance,
whatever leaks is seen by the next client."""

import psycopg
import pytest

from support import console, rows, wait_until


@pytest.fixture
def gateway(weir, postgres):
    dbname = postgres.database()
    with postgres.connect(dbname) as db:
        db.execute("CREATE TABLE t (id serial PRIMARY KEY, v text); "
                   "CREATE SCHEMA other; CREATE TABLE other.t (id int); "
                   "INSERT INTO other.t VALUES (42)")
        db.execute("DO $$ BEGIN CREATE ROLE plain NOLOGIN; EXCEPTION WHEN duplicate_object "
                   "THEN NULL; END $$")
    gateway = weir(postgres.dsn(dbname), settings={
        "pool.max_size": 1, "pool.min_size": 0, "pool.max_pinned": 5, "workers": 1,
        "pool.acquire_timeout": "10s"})
    gateway.dbname = dbname
    return gateway


def one(db, query, *params):
    return db.execute(query, *params).fetchone()[0]


def pid(db):
    return one(db, "SELECT pg_backend_pid()")


def clients(gateway):
    with console(gateway) as admin:
        return rows(admin, "CLIENTS")


def pinned(gateway):
    with console(gateway) as admin:
        return int(rows(admin, "POOLS")[0].get("sv_pinned", 0) or 0)


@pytest.mark.parametrize("statement, name, value", [
    ("SET work_mem TO '7MB'", "work_mem", "7MB"),
    ("SET statement_timeout = 54321", "statement_timeout", "54321ms"),
    ("SET search_path TO other, public", "search_path", "other, public"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "default_transaction_read_only",
     "on"),
    ("SET TIME ZONE 'Asia/Tokyo'", "TimeZone", "Asia/Tokyo"),
    ("SET DateStyle TO 'German'", "DateStyle", "German, DMY"),
    ("SET ROLE plain", "role", "plain"),
    ("SET SESSION AUTHORIZATION plain", "session_authorization", "plain"),
    ("SELECT set_config('lock_timeout', '1234', false)", "lock_timeout", "1234ms"),
    ("SET my.thing TO 'it''s \\ mine'", "my.thing", "it's \\ mine"),
    ("SELECT set_config('my.other', 'x', false)", "my.other", "x"),
    ("DO $$ BEGIN PERFORM set_config('my.third', 'y', false); END $$", "my.third", "y"),
    ("BEGIN; SET work_mem TO '9MB'; COMMIT", "work_mem", "9MB"),
])
def test_settings_are_taken_along_and_left_nowhere(gateway, statement, name, value):
    with gateway.connect() as a, gateway.connect() as b:
        before = b.execute("SELECT current_setting(%s, true)", (name,)).fetchone()[0]
        a.execute(statement)
        for _ in range(3):
            assert a.execute("SELECT current_setting(%s, true)", (name,)).fetchone()[0] == value
            seen = b.execute("SELECT current_setting(%s, true)", (name,)).fetchone()[0]
            assert seen in (before, "" if before is None else before)
        a.execute("RESET ALL; RESET ROLE; RESET SESSION AUTHORIZATION")
        assert a.execute("SELECT current_setting(%s, true)", (name,)).fetchone()[0] in (before, "")
    assert pinned(gateway) == 0


def test_parameters_of_set_config_are_seen_where_they_are_bound(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SELECT set_config(%s, %s, false)", ("tenant.id", "17"))
        assert one(b, "SELECT coalesce(current_setting('tenant.id', true), '')") == ""
        assert one(a, "SELECT current_setting('tenant.id')") == "17"


@pytest.mark.parametrize("made_by", [
    "SET app.tenant = 'me'", "SET SESSION app.tenant TO 'me'",
    "EXECUTE 'SET app.tenant TO ' || quote_literal('me')",
    "PERFORM set_config('app.tenant', 'me', false)"])
def test_a_custom_setting_that_a_function_makes_is_its_sessions_own(gateway, made_by):
    """No list of the server's has it: its name is found in the function's body."""
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("CREATE FUNCTION enter() RETURNS void LANGUAGE plpgsql AS "
                  f"$$BEGIN {made_by}; END$$")
        with console(gateway) as admin:
            wait_until(lambda: any(r["item"] == "custom setting" and r["name"] == "app.tenant"
                                   for r in rows(admin, "CATALOG")))
        a.execute("SELECT enter()")
        for _ in range(2):
            assert one(b, "SELECT current_setting('app.tenant', true)") in (None, "")
            assert one(a, "SHOW app.tenant") == "me"


@pytest.mark.parametrize("made_by", [
    "EXECUTE format('SET %I.%I TO secret', 'app', 'hidden')",
    "PERFORM set_config('app.' || 'hidden', 'secret', false)"])
def test_a_setting_whose_name_nobody_knows_is_left_for_nobody(gateway, made_by):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("CREATE FUNCTION hide() RETURNS void LANGUAGE plpgsql AS "
                  f"$$BEGIN {made_by}; END$$")
        with console(gateway) as admin:
            wait_until(lambda: any(r["item"] == "function" and r["name"] == "public.hide"
                                   for r in rows(admin, "CATALOG")))
        a.execute("SELECT hide()")
        assert one(a, "SHOW app.hidden") == "secret"
        for _ in range(2):
            assert one(b, "SELECT current_setting('app.hidden', true)") in (None, "")


def test_a_setting_whose_name_a_statement_computes_is_left_for_nobody(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SELECT set_config('app.' || 'hidden', 'secret', false)")
        assert one(b, "SELECT current_setting('app.hidden', true)") in (None, "")
        a.execute("SELECT pg_catalog.set_config ( $$app.hidden$$, 'secret', false)")
        assert one(b, "SELECT current_setting('app.hidden', true)") in (None, "")


def test_set_local_ends_with_its_transaction(gateway):
    with gateway.connect(autocommit=False) as a, gateway.connect() as b:
        a.execute("SET LOCAL work_mem TO '5MB'")
        assert one(a, "SHOW work_mem") == "5MB"
        a.commit()
        after = one(a, "SHOW work_mem")
        a.commit()
        assert after == one(b, "SHOW work_mem") != "5MB"


def test_a_rolled_back_set_is_no_set(gateway):
    with gateway.connect(autocommit=False) as a:
        own = one(a, "SHOW work_mem")
        a.commit()
        a.execute("SET work_mem TO '5MB'")
        a.execute("SAVEPOINT s")
        a.execute("SET work_mem TO '6MB'")
        a.execute("ROLLBACK TO s")
        a.commit()
        assert one(a, "SHOW work_mem") == "5MB"
        a.execute("SET work_mem TO '8MB'")
        a.rollback()
        assert one(a, "SHOW work_mem") == "5MB"
        a.execute("RESET work_mem")
        a.commit()
        assert one(a, "SHOW work_mem") == own


def test_reset_goes_back_to_what_the_startup_packet_said(gateway):
    with gateway.connect(options="-c work_mem=11MB", application_name="me") as a, \
            gateway.connect() as b:
        a.execute("SET work_mem TO '12MB'")
        assert one(a, "SHOW work_mem") == "12MB"
        a.execute("RESET work_mem")
        assert one(a, "SHOW work_mem") == "11MB"
        a.execute("RESET ALL")
        assert one(b, "SHOW application_name") == ""
        assert (one(a, "SHOW work_mem"), one(a, "SHOW application_name")) == ("11MB", "me")
        a.execute("DISCARD ALL")
        assert (one(a, "SHOW work_mem"), one(a, "SHOW application_name")) == ("11MB", "me")


def test_a_setting_is_there_before_the_first_statement_of_a_pipeline(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SET TimeZone TO 'Asia/Tokyo'")
        one(b, "SHOW TimeZone")
        with a.pipeline():
            cursors = [a.execute("SHOW TimeZone") for _ in range(3)]
        assert [c.fetchone()[0] for c in cursors] == ["Asia/Tokyo"] * 3


def test_temporary_tables_keep_the_session_until_they_are_gone(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("CREATE TEMP TABLE mine (v int)")
        a.execute("INSERT INTO mine VALUES (1)")
        assert pid(a) != pid(b)
        assert one(b, "SELECT to_regclass('pg_temp.mine')") is None
        assert one(a, "SELECT v FROM mine") == 1
        (row,) = [r for r in clients(gateway) if r.get("pinned")  not in (None, "", "none", "no")]
        assert "temp" in str(row["pinned"])
        a.execute("DROP TABLE mine")
        wait_until(lambda: pid(a) == pid(b))


def test_a_temporary_table_that_ends_with_its_transaction_pins_nothing(gateway):
    with gateway.connect(autocommit=False) as a, gateway.connect() as b:
        a.execute("CREATE TEMP TABLE mine (v int) ON COMMIT DROP")
        a.execute("INSERT INTO mine VALUES (1)")
        a.commit()
        wait_until(lambda: not pinned(gateway))
        assert one(b, "SELECT 1") == 1


def test_advisory_locks_are_the_sessions_own(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SELECT pg_advisory_lock(7)")
        assert one(b, "SELECT pg_try_advisory_lock(7)") is False
        a.execute("SELECT pg_advisory_unlock(7)")
        assert one(b, "SELECT pg_try_advisory_lock(7)") is True
        b.execute("SELECT pg_advisory_unlock_all()")
        wait_until(lambda: pid(a) == pid(b))
        a.execute("SELECT pg_advisory_xact_lock(7)")
        assert pid(a) == pid(b)


def test_held_cursors_keep_the_session_until_closed(gateway):
    with gateway.connect(autocommit=False) as a, gateway.connect() as b:
        a.execute("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 3)")
        a.commit()
        pid(b)
        assert a.execute("FETCH 2 FROM c").fetchall() == [(1,), (2,)]
        a.commit()
        assert pid(b) != pid(a)
        a.commit()
        wait_until(lambda: pinned(gateway) == 1)
        a.execute("CLOSE c")
        a.commit()
        wait_until(lambda: not pinned(gateway))


def test_what_would_pin_gets_53300_when_the_allowance_is_used_up(gateway):
    held = [gateway.connect() for _ in range(5)]
    for i, db in enumerate(held):
        db.execute(f"CREATE TEMP TABLE t{i} (v int)")
    with gateway.connect() as db:
        with pytest.raises(psycopg.errors.TooManyConnections) as e:
            db.execute("CREATE TEMP TABLE one_more (v int)")
        assert "temp" in str(e.value)
        assert one(db, "SELECT 1") == 1
    for db in held:
        db.close()


def test_a_role_that_cannot_be_taken_again_ends_its_session_alone(gateway, postgres):
    """Without it the session must not go on; with an error for each statement, RESET ROLE too, it
    could not either."""
    with gateway.connect() as a, gateway.connect() as b, postgres.connect() as direct:
        direct.execute("CREATE ROLE passing")
        try:
            a.execute("SET ROLE passing")
            assert one(b, "SELECT current_user") != "passing"
            direct.execute("ALTER ROLE passing RENAME TO passed")
            with pytest.raises(psycopg.OperationalError, match="Connect again") as told:
                a.execute("SELECT 1")
            assert "session parameter" in str(told.value) and a.closed
            assert one(b, "SELECT 1") == 1
        finally:
            direct.execute("DROP ROLE IF EXISTS passing, passed")


def test_prepared_statements_by_sql_are_the_clients_own(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        for db in (a, b):
            db.prepare_threshold = None
        a.execute("PREPARE q (int) AS SELECT 'a', $1 + 1")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            b.execute("EXECUTE q (1)")
        b.execute("PREPARE q (int) AS SELECT 'b', $1 + 2")
        for _ in range(3):
            assert a.execute("EXECUTE q (1)").fetchone() == ("a", 2)
            assert b.execute("EXECUTE q (1)").fetchone() == ("b", 3)
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            a.execute("PREPARE q AS SELECT 1")
        a.execute("DEALLOCATE q")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            a.execute("EXECUTE q (1)")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            a.execute("DEALLOCATE q")
        assert b.execute("EXECUTE q (1)").fetchone() == ("b", 3)
        assert pid(a) == pid(b)
        b.execute("DEALLOCATE ALL")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            b.execute("EXECUTE q (1)")


def test_a_table_is_created_from_what_the_clients_own_name_stands_for(gateway):
    with gateway.connect(prepare_threshold=None) as a, gateway.connect() as b:
        a.execute("PREPARE q AS SELECT 'a' AS v")
        b.execute("PREPARE q AS SELECT 'b' AS v")
        a.execute("CREATE TABLE made AS EXECUTE q")
        assert one(b, "SELECT v FROM made") == "a"


def test_a_failed_prepare_is_none(gateway):
    with gateway.connect() as a:
        a.prepare_threshold = None
        with pytest.raises(psycopg.errors.UndefinedTable):
            a.execute("PREPARE q AS SELECT * FROM nowhere")
        a.execute("PREPARE q AS SELECT 1")
        assert one(a, "EXECUTE q") == 1
        assert pinned(gateway) == 0


def test_prepared_statements_keep_the_settings_they_were_parsed_under(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        conn = a.pgconn
        a.execute("SET DateStyle TO 'ISO, DMY'")
        conn.prepare(b"dmy", b"SELECT '01/02/2003'::date::text")
        a.execute("SET DateStyle TO 'ISO, MDY'")
        b.execute("DISCARD ALL")  # the server connection forgets what is prepared on it
        pid(b)
        assert conn.exec_prepared(b"dmy", []).get_value(0, 0) == b"2003-02-01"
        assert one(a, "SELECT '01/02/2003'::date::text") == "2003-01-02"
        assert one(a, "SHOW DateStyle") == "ISO, MDY"


def test_one_text_under_two_settings_is_two_statements(gateway):
    query = "SELECT '01/02/2003'::date::text"
    with gateway.connect(prepare_threshold=0) as a, gateway.connect(prepare_threshold=0) as b:
        a.execute("SET DateStyle TO 'ISO, DMY'")
        b.execute("SET DateStyle TO 'ISO, MDY'")
        for _ in range(4):
            assert one(a, query) == "2003-02-01"
            assert one(b, query) == "2003-01-02"


def test_discard_all_leaves_a_new_session(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SET work_mem TO '7MB'")
        a.execute("CREATE TEMP TABLE mine (v int)")
        a.execute("SELECT pg_advisory_lock(9)")
        a.execute("DISCARD ALL")
        assert one(a, "SHOW work_mem") != "7MB"
        assert one(b, "SELECT pg_try_advisory_lock(9)") is True
        b.execute("SELECT pg_advisory_unlock(9)")
        wait_until(lambda: pinned(gateway) == 0)


def test_a_client_that_leaves_in_the_middle_leaves_nothing(gateway):
    for _ in range(5):
        a = gateway.connect()
        a.execute("SET work_mem TO '7MB'; SET ROLE plain")
        a.pgconn.send_query(b"SET lock_timeout TO 4321; SELECT pg_advisory_lock(77)")
        a.pgconn.flush()
        a.close()
        with gateway.connect() as b:
            assert one(b, "SHOW work_mem") != "7MB"
            assert one(b, "SHOW lock_timeout") == "0"
            assert one(b, "SELECT current_user") == "postgres"
            wait_until(lambda: one(b, "SELECT count(*) FROM pg_locks "
                                      "WHERE locktype = 'advisory'") == 0)


def test_currval_is_the_sessions_own(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("INSERT INTO t (v) VALUES ('a')")
        assert one(a, "SELECT currval('t_id_seq')") == 1  # nobody had the connection in between
        b.execute("INSERT INTO t (v) VALUES ('b')")
        mine = one(a, "INSERT INTO t (v) VALUES ('a') RETURNING id")
        theirs = one(b, "INSERT INTO t (v) VALUES ('b') RETURNING id")
        assert (one(a, "SELECT currval('t_id_seq')"), one(b, "SELECT lastval()")) == (mine, theirs)
        assert pinned(gateway) == 2
        with gateway.connect() as c:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                c.execute("SELECT lastval()")


def test_currval_may_be_in_what_is_defined(gateway):
    with gateway.connect() as a:
        pid(a)
        a.execute("CREATE TABLE later (x int DEFAULT nextval('t_id_seq'), "
                  "y int DEFAULT currval('t_id_seq'))")
        assert a.execute("INSERT INTO later DEFAULT VALUES RETURNING x = y").fetchone() == (True,)


def test_currval_on_a_connection_that_the_session_is_pinned_to_anyway(gateway):
    with gateway.connect() as a, gateway.connect() as b:
        a.execute("SELECT pg_advisory_lock(3)")
        mine = one(a, "SELECT nextval('t_id_seq')")
        one(b, "SELECT nextval('t_id_seq')")
        assert one(a, "SELECT currval('t_id_seq')") == mine


def test_currval_in_the_transaction_of_its_nextval_needs_no_pin(gateway):
    with gateway.connect(autocommit=False) as a:
        value = one(a, "SELECT nextval('t_id_seq')")
        assert one(a, "SELECT currval('t_id_seq')") == value
        a.commit()
        assert pinned(gateway) == 0
