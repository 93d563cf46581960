"""What functions, triggers, views and defaults do to a session is known from the server's catalog:
SHOW CATALOG, `weir explain`, and what the sessions themselves see. HAZARDS "Wire protocol and
pooling": state changed where no statement's words tell it."""

import subprocess

import psycopg
import pytest

from support import BINARY, console, rows, wait_until

SCHEMA = """
CREATE SCHEMA app;
CREATE FUNCTION app.login(u text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- set_config('app.comment', u, false)
  PERFORM set_config('app.who', u, false);
END $$;
CREATE FUNCTION app.outer_login(u text) RETURNS int LANGUAGE sql AS
  $$ SELECT app.login(u); SELECT 1 $$;
CREATE FUNCTION app.atomic_login() RETURNS int BEGIN ATOMIC SELECT app.outer_login('x'); END;
CREATE FUNCTION app.harmless(u text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.who', u, true);
  SET LOCAL work_mem = '1MB';
  PERFORM pg_advisory_xact_lock(1);
  RETURN 'set x = 1; listen y';
END $$;
CREATE FUNCTION app.locks() RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_lock(4711); END $$;
CREATE FUNCTION app.makes_temp() RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN CREATE TEMP TABLE made (a int); END $$;
CREATE FUNCTION app.drops_temp() RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN CREATE TEMP TABLE gone (a int) ON COMMIT DROP; END $$;
CREATE FUNCTION app.dynamic(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;
CREATE FUNCTION app.literal() RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE 'SELECT set_config(''app.who'', ''l'', false)'; END $$;
CREATE FUNCTION app.listens() RETURNS void LANGUAGE sql AS $$ LISTEN bell $$;
CREATE FUNCTION app.set_by_trigger() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('app.who', 'trigger', false); RETURN NEW; END $$;
CREATE TABLE app.audited (id int PRIMARY KEY);
CREATE TRIGGER t BEFORE INSERT ON app.audited FOR EACH ROW
  EXECUTE FUNCTION app.set_by_trigger();
CREATE TABLE app.child (id int REFERENCES app.plain_parent);
CREATE VIEW app.shown AS SELECT set_config('app.who', 'view', false) AS who;
CREATE VIEW app.shown_again AS SELECT * FROM app.shown;
CREATE VIEW app.plain_view AS SELECT id FROM app.audited;
CREATE TABLE app.defaulted (id int DEFAULT app.outer_login('default'), b int);
CREATE DOMAIN app.checked AS int CHECK (app.outer_login('domain') = 1);
CREATE TABLE app.with_domain (c app.checked);
CREATE TABLE app.parts (id int) PARTITION BY LIST (id);
CREATE TABLE app.part PARTITION OF app.parts FOR VALUES IN (1);
CREATE TRIGGER t BEFORE INSERT ON app.part FOR EACH ROW EXECUTE FUNCTION app.set_by_trigger();
CREATE TABLE app.plain (id int);
CREATE AGGREGATE app.locking_sum (int) (SFUNC = app.locking_add, STYPE = int, INITCOND = '0');
"""

EXTRA = """
CREATE TABLE app.plain_parent (id int PRIMARY KEY);
CREATE FUNCTION app.locking_add(a int, b int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_lock(1); RETURN a + b; END $$;
"""


@pytest.fixture
def database(postgres):
    name = postgres.database()
    head, rest = SCHEMA.split(";", 1)
    with postgres.connect(name) as db:
        db.execute(head)
        db.execute(EXTRA)
        db.execute(rest)
    return name


def items(gateway):
    with console(gateway) as c:
        return rows(c, "CATALOG")


def suspects(gateway):
    return {row["name"]: row for row in items(gateway) if row["effects"]}


def value(gateway, item, name=None):
    for row in items(gateway):
        if row["item"] == item and (name is None or row["name"] == name):
            return row["value"] if item != "state" else row["name"]
    return None


def loaded(gateway):
    return value(gateway, "state") == "loaded"


def who(connection):
    return connection.execute("SELECT current_setting('app.who', true)").fetchone()[0]


def start(weir, postgres, database, **settings):
    gateway = weir(postgres.dsn(database), settings=settings)
    with gateway.connect(dbname=database) as db:
        db.execute("SELECT 1")
        wait_until(lambda: loaded(gateway))
    return gateway


def explain(postgres, database, sql):
    done = subprocess.run([BINARY, "explain", sql, postgres.dsn(database)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [line.split(None, 1) for line in done.stdout.splitlines()]
    return {line[0]: line[1] for line in reversed(lines) if len(line) == 2}, done.stdout


EFFECTS = {
    "SELECT app.login('a')": "set",
    "SELECT app.outer_login('a')": "set",
    "SELECT app.atomic_login()": "set",
    "SELECT * FROM generate_series(1, 2) g, app.outer_login('x') AS l(a)": "set",
    "SELECT app.harmless('a')": "none",
    "SELECT app.locks()": "advisory_lock",
    "SELECT app.makes_temp()": "temp",
    "SELECT app.drops_temp()": "none",
    "SELECT app.dynamic('select 1')": "unknown",
    "SELECT app.literal()": "set",
    "SELECT app.listens()": "listen",
    "INSERT INTO app.audited VALUES (1)": "set",
    "COPY app.audited FROM STDIN": "set",
    "SELECT * FROM app.audited": "none",
    "SELECT * FROM app.shown": "set",
    "SELECT * FROM app.shown_again": "set",
    "SELECT * FROM app.plain_view": "none",
    "INSERT INTO app.plain_view VALUES (1)": "set",
    "INSERT INTO app.defaulted (b) VALUES (1)": "set",
    "INSERT INTO app.with_domain VALUES (1)": "set",
    "INSERT INTO app.parts VALUES (1)": "set",
    "INSERT INTO app.plain VALUES (1)": "none",
    "INSERT INTO app.child (id) VALUES (1)": "none",
    "SELECT app.locking_sum(id) FROM app.plain": "advisory_lock",
    "SELECT app.not_there_yet()": "unknown",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
    "SELECT count(*), coalesce(max(i), 0), extract(year FROM now()) FROM n": "none",
}


def test_explain_asks_the_server_what_functions_and_relations_do(postgres, database):
    for sql, effects in EFFECTS.items():
        said, text = explain(postgres, database, sql)
        assert said["effects"] == effects, text


def test_explain_names_the_function_and_why(postgres, database):
    _, text = explain(postgres, database, "SELECT app.outer_login('a')")
    assert "function app.outer_login (set): by app.login: set_config at line 4" in text


def test_explain_goes_on_when_the_server_cannot_be_asked(postgres):
    done = subprocess.run([BINARY, "explain", "SELECT 1", "postgres://a@127.0.0.1:1/b"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "not asked" in done.stdout


def test_show_catalog_tells_suspects_and_why(weir, postgres, database):
    gateway = start(weir, postgres, database)
    found = suspects(gateway)
    assert found["app.login"]["why"] == "set_config at line 4"
    assert found["app.login"]["effects"] == "set"
    assert found["app.outer_login"]["why"] == "by app.login: set_config at line 4"
    assert found["app.audited"]["item"] == "relation written"
    assert found["app.shown"]["item"] == "relation"
    for name in ["app.harmless", "app.drops_temp", "app.plain", "app.plain_view"]:
        assert name not in found or found[name]["item"] == "relation written"
    assert value(gateway, "custom setting", "app.who") is not None
    assert value(gateway, "count", "server_version_num").isdigit()
    assert int(value(gateway, "count", "failures")) == 0


def test_metrics_tell_of_catalogs(weir, postgres, database):
    import urllib.request
    gateway = start(weir, postgres, database)
    text = urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20).read().decode()
    line = next(x for x in text.splitlines() if x.startswith("weir_catalog_loads_total")
                and 'result="ok"' in x)
    assert float(line.split()[-1]) >= 1
    assert "weir_catalog_age_seconds{" in text


# Hazard: a function's set_config leaks to the next client of the connection.
def test_a_setting_made_by_a_function_stays_with_its_session(weir, postgres, database):
    gateway = start(weir, postgres, database, **{"pool.max_size": 2, "pool.min_size": 1})
    with gateway.connect(dbname=database) as one, gateway.connect(dbname=database) as two:
        for n in range(20):
            one.execute("SELECT app.outer_login(%s)", (f"one{n}",))
            assert who(two) in (None, "")
            (got,) = one.execute("SELECT current_setting('app.who', true)").fetchone()
            assert got == f"one{n}"


@pytest.mark.parametrize("sql, reason", [("SELECT app.locks()", "advisory_lock"),
                                         ("SELECT app.makes_temp()", "temp")])
def test_state_that_a_function_leaves_behind_pins_its_session(weir, postgres, database, sql,
                                                             reason):
    gateway = start(weir, postgres, database)
    with gateway.connect(dbname=database) as db:
        db.execute(sql)
        with console(gateway) as c:
            assert reason in {row["pinned"] for row in rows(c, "CLIENTS")}


def test_a_function_made_through_weir_is_known_at_once(weir, postgres, database):
    gateway = start(weir, postgres, database, **{"catalog.poll": "0"})
    with gateway.connect(dbname=database) as db, gateway.connect(dbname=database) as other:
        db.execute("CREATE OR REPLACE FUNCTION app.harmless(u text) RETURNS text LANGUAGE plpgsql "
                   "AS $$ BEGIN PERFORM set_config('app.who', u, false); RETURN u; END $$")
        db.execute("SELECT app.harmless('now')")
        assert who(other) in (None, "")
        assert who(db) == "now"
        wait_until(lambda: "app.harmless" in suspects(gateway))
        wait_until(lambda: loaded(gateway))


def test_a_function_replaced_by_another_connection_is_noticed_by_the_poll(weir, postgres,
                                                                          database):
    gateway = start(weir, postgres, database, **{"catalog.poll": "1s"})
    assert "app.harmless" not in suspects(gateway)
    with postgres.connect(database) as db:
        db.execute("CREATE OR REPLACE FUNCTION app.harmless(u text) RETURNS text LANGUAGE plpgsql "
                   "AS $$ BEGIN PERFORM pg_advisory_lock(1); RETURN u; END $$")
    wait_until(lambda: "app.harmless" in suspects(gateway))
    with postgres.connect(database) as db:
        db.execute("ALTER TABLE app.audited RENAME TO renamed")
    wait_until(lambda: "app.renamed" in suspects(gateway))
    assert "app.audited" not in suspects(gateway)
    with postgres.connect(database) as db:
        db.execute("DROP TABLE app.renamed CASCADE")
    wait_until(lambda: "app.renamed" not in suspects(gateway))


def test_the_poll_sees_no_change_where_there_is_none(weir, postgres, database):
    gateway = start(weir, postgres, database, **{"catalog.poll": "1s"})
    version = value(gateway, "count", "bytes")
    with postgres.connect(database) as db:
        db.execute("INSERT INTO app.plain VALUES (1)")
        db.execute("CREATE TEMP TABLE t (a int DEFAULT app.outer_login('x'))")
        db.execute("VACUUM")
        looks = int(value(gateway, "count", "loads"))
        wait_until(lambda: int(value(gateway, "count", "loads")) >= looks + 2)
    assert gateway.stderr().count("read the server's catalog") == 1
    assert value(gateway, "count", "bytes") == version


def test_new_defaults_of_a_role_reach_clients_that_connect_afterwards(weir, postgres, database):
    gateway = start(weir, postgres, database, **{"catalog.poll": "1s", "pool.min_size": 1})
    with postgres.connect(database) as db:
        db.execute(f"ALTER DATABASE {database} SET app.tint = 'green'")

    def tint():
        with gateway.connect(dbname=database) as db:
            return db.execute("SELECT current_setting('app.tint', true)").fetchone()[0]
    wait_until(lambda: tint() == "green")


def test_a_catalog_that_cannot_be_read_is_said_and_nothing_is_taken_for_harmless(
        weir, postgres, database):
    with postgres.connect(database) as db:
        db.execute("REVOKE SELECT ON pg_catalog.pg_proc FROM PUBLIC")
        db.execute("DROP ROLE IF EXISTS weak")
        db.execute("CREATE ROLE weak LOGIN")
        db.execute("GRANT USAGE ON SCHEMA app TO weak")
    gateway = weir(f"postgres://weak@127.0.0.1:{postgres.port}/{database}")
    with gateway.connect(dbname=database) as db, gateway.connect(dbname=database) as other:
        db.execute("SELECT 1")
        wait_until(lambda: value(gateway, "failure") is not None)
        assert "pg_proc" in value(gateway, "failure")
        assert value(gateway, "state") == "not loaded"
        for _ in range(8):
            with gateway.connect(dbname=database) as one:
                one.execute("SELECT app.outer_login('weak')")
                assert who(other) in (None, "")
                assert who(one) == "weak"
        db.execute("SELECT app.outer_login('weak')")
        assert who(db) == "weak"
    with postgres.connect(database) as db:
        db.execute("GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC")
    with gateway.connect(dbname=database) as db:
        db.execute("SELECT 1")
        wait_until(lambda: loaded(gateway), 60)


def test_names_that_only_look_alike_do_not_shadow_the_questions(weir, postgres, database):
    with postgres.connect(database) as db:
        db.execute("CREATE SCHEMA evil")
        db.execute("CREATE TABLE evil.pg_proc (oid int)")
        db.execute("CREATE FUNCTION evil.hashtextextended(text, int) RETURNS bigint "
                   "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$")
        db.execute(f"ALTER DATABASE {database} SET search_path = evil, pg_catalog, public")
    gateway = start(weir, postgres, database)
    assert "app.login" in suspects(gateway)
    assert int(value(gateway, "count", "failures")) == 0


def test_a_client_whose_statement_fails_leaves_the_catalog_alone(weir, postgres, database):
    gateway = start(weir, postgres, database, **{"catalog.poll": "0"})
    with gateway.connect(dbname=database) as db:
        with pytest.raises(psycopg.Error):
            db.execute("CREATE FUNCTION app.broken() RETURNS int LANGUAGE sql AS $$ SELEC $$")
        assert loaded(gateway), value(gateway, "state")
