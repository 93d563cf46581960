"""`weir setup`: what it makes in a PostgreSQL database, what it says, and how it is taken back; the
event triggers, which must never be in an application's way (HAZARDS, caching 9; proofs 20, 21, 23).
"""

import re
import subprocess
import threading

import psycopg
import pytest

from support import BINARY, Postgres, clean_environment

TABLES = """
CREATE TABLE keyed(id int PRIMARY KEY, v text);
CREATE TABLE keyless(v text);
CREATE TABLE indexed(id int NOT NULL UNIQUE, v text);
CREATE TABLE whole(v text);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE deferred(id int PRIMARY KEY DEFERRABLE);
CREATE UNLOGGED TABLE unlogged(id int PRIMARY KEY);
CREATE TABLE root(id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE leaf1 PARTITION OF root FOR VALUES IN (1);
CREATE TABLE leaf2 PARTITION OF root FOR VALUES IN (2);
CREATE MATERIALIZED VIEW matview AS SELECT 1 AS one;
CREATE VIEW view AS SELECT * FROM keyed;
CREATE SCHEMA "Odd.Name";
CREATE TABLE "Odd.Name"."a ""b"(id int PRIMARY KEY);
"""
WHOLE = {"public.keyed", "public.whole", "public.leaf1", "public.leaf2", 'Odd.Name.a "b'}


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        yield postgres


def run_setup(dsn, *arguments, status=0):
    done = subprocess.run([BINARY, "setup", dsn, *arguments], capture_output=True, text=True,
                          timeout=60, env=clean_environment())
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stdout + done.stderr


def published(db):
    return {f"{schema}.{table}" for schema, table in db.execute(
        "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = 'weir'")}


def told(db, sql, expected):
    """How many times the triggers told of a change of the schema while `sql` ran."""
    slot = "told"
    db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
    try:
        db.execute(sql)
        changes = db.execute(
            "SELECT data FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL, 'proto_version',"
            " '1', 'publication_names', 'weir', 'messages', 'true')", (slot,)).fetchall()
    finally:
        db.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    count = sum(1 for (data,) in changes if data[:1] == b"M" and data.endswith(b"\0\0\0\3ddl"))
    assert bool(count) == expected, (sql, count)


@pytest.fixture
def made(server):
    """A database with tables, set up; (dsn, connection)."""
    name = server.database()
    with server.connect(name) as db:
        db.execute(TABLES)
        run_setup(server.dsn(name))
        yield server.dsn(name), db


def test_the_tables_whose_rows_can_be_told_apart_are_published(server):
    name = server.database()
    with server.connect(name) as db:
        db.execute(TABLES)
        said = run_setup(server.dsn(name))
        assert published(db) == WHOLE
        (flags,) = db.execute("SELECT concat(puballtables, pubinsert, pubupdate, pubdelete,"
                              " pubtruncate, pubviaroot) FROM pg_publication").fetchone()
        assert flags == "fttttf"
        for table in ("keyless", "indexed", "deferred", "unlogged", "matview"):
            assert f"public.{table}: " in said
        assert "ALTER TABLE public.indexed REPLICA IDENTITY USING INDEX indexed_id_key" in said
        assert "ALTER TABLE public.keyless REPLICA IDENTITY FULL" in said
        assert "5 added, 0 taken out, 0 as before" in said
        # Proofs 23: nobody's update fails for it.
        for table in ("keyed", "keyless", "indexed", "whole", "unlogged"):
            db.execute(f"UPDATE {table} SET {'v = v' if table != 'unlogged' else 'id = id'}")


def test_again_it_brings_the_publication_up_to_date(made):
    dsn, db = made
    db.execute("DROP EVENT TRIGGER weir_ddl; DROP EVENT TRIGGER weir_drop")
    db.execute("CREATE TABLE later(id int PRIMARY KEY); DROP TABLE leaf2;"
               " ALTER TABLE keyed DROP CONSTRAINT keyed_pkey;"
               " ALTER PUBLICATION weir SET (publish = 'insert')")
    said = run_setup(dsn)
    assert published(db) == WHOLE - {"public.leaf2", "public.keyed"} | {"public.later"}
    assert "1 added, 1 taken out, 3 as before" in said
    assert db.execute("SELECT pubupdate FROM pg_publication").fetchone()[0]
    assert "0 added, 0 taken out, 4 as before" in run_setup(dsn)


def test_a_table_that_is_published_in_part_is_published_whole(made):
    dsn, db = made
    db.execute("ALTER PUBLICATION weir SET TABLE ONLY keyed WHERE (id > 5), ONLY whole")
    run_setup(dsn)
    assert published(db) == WHOLE
    (partial,) = db.execute("SELECT count(*) FROM pg_publication_rel WHERE prqual IS NOT NULL"
                            " OR prattrs IS NOT NULL").fetchone()
    assert partial == 0


def test_a_dry_run_does_nothing_and_prints_what_psql_would_run(server):
    name = server.database()
    with server.connect(name) as db:
        db.execute(TABLES)
        script = run_setup(server.dsn(name), "--dry-run")
        assert published(db) == set()
        assert db.execute("SELECT count(*) FROM pg_event_trigger").fetchone()[0] == 0
        done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", server.conninfo(name)],
                              input=script, text=True, capture_output=True, timeout=60,
                              env=clean_environment())
        assert done.returncode == 0, done.stderr
        assert published(db) == WHOLE
        assert db.execute("SELECT count(*) FROM pg_event_trigger").fetchone()[0] == 2


def test_all_of_it_is_taken_back(made):
    dsn, db = made
    assert "DROP PUBLICATION" in run_setup(dsn, "--remove", "--dry-run")
    assert db.execute("SELECT count(*) FROM pg_publication").fetchone()[0] == 1
    run_setup(dsn, "--remove")
    for catalog in ("pg_publication", "pg_event_trigger"):
        assert db.execute(f"SELECT count(*) FROM {catalog}").fetchone()[0] == 0
    assert db.execute("SELECT to_regnamespace('weir')").fetchone()[0] is None
    run_setup(dsn, "--remove")  # harmless


# Proofs 21.
@pytest.mark.parametrize("sql,expected", [
    ("CREATE TABLE x1(id int PRIMARY KEY)", True),
    ("ALTER TABLE keyed ADD COLUMN extra int DEFAULT 5", True),
    ("CREATE OR REPLACE VIEW view AS SELECT id, v FROM keyed WHERE id > 0", True),
    ("DROP TABLE keyless", True),
    ("GRANT SELECT ON keyed TO PUBLIC", True),
    ("ALTER TABLE root DETACH PARTITION leaf1", True),
    ("BEGIN; SET LOCAL session_replication_role = replica; CREATE TABLE x2(); COMMIT", True),
    ("CREATE TABLE IF NOT EXISTS keyed(id int)", False),
    ("CREATE TEMP TABLE t1(id int)", False),
    ("CREATE TEMP TABLE t2(id int); ALTER TABLE t2 ADD COLUMN b int; DROP TABLE t2", False),
    ("REFRESH MATERIALIZED VIEW matview", False),
    ("INSERT INTO keyed VALUES (1, 'x')", False),
])
def test_changes_of_the_schema_are_told(made, sql, expected):
    told(made[1], sql, expected)


def test_new_tables_are_published_and_those_that_lose_their_key_no_longer(made):
    _, db = made
    db.execute("CREATE TABLE fresh(id int PRIMARY KEY); CREATE TABLE bare(v int)")
    assert published(db) == WHOLE | {"public.fresh"}
    db.execute("CREATE TABLE leaf3 PARTITION OF root FOR VALUES IN (3)")
    db.execute("ALTER TABLE bare ADD PRIMARY KEY (v)")
    assert published(db) == WHOLE | {"public.fresh", "public.leaf3", "public.bare"}
    # Proofs 23: the server would refuse its updates.
    db.execute("ALTER TABLE keyed DROP CONSTRAINT keyed_pkey; UPDATE keyed SET v = 'x'")
    assert published(db) == WHOLE - {"public.keyed"} | {"public.fresh", "public.leaf3",
                                                        "public.bare"}


def test_the_triggers_make_no_statement_of_an_application_fail(made):
    dsn, db = made
    db.execute("CREATE ROLE plain LOGIN; GRANT CREATE ON SCHEMA public TO plain")
    try:
        with psycopg.connect(f"{dsn.replace('postgres@', 'plain@')}", autocommit=True) as plain:
            plain.execute("CREATE TABLE of_plain(id int PRIMARY KEY)")
            assert "public.of_plain" in published(db)
            db.execute("DROP PUBLICATION weir")
            plain.execute("CREATE TABLE of_plain2(id int PRIMARY KEY); DROP TABLE of_plain")
            db.execute("ALTER FUNCTION pg_logical_emit_message(bool, text, text) RENAME TO gone")
            try:
                plain.execute("CREATE TABLE of_plain3(id int PRIMARY KEY); DROP TABLE of_plain2")
            finally:
                db.execute("ALTER FUNCTION gone(bool, text, text)"
                           " RENAME TO pg_logical_emit_message")
            plain.execute("DROP TABLE of_plain3")
    finally:
        db.execute("DROP OWNED BY plain; DROP ROLE plain")


def test_a_publication_that_others_hold_is_not_waited_for(made, server):
    dsn, db = made
    with psycopg.connect(dsn) as other:
        other.execute("ALTER PUBLICATION weir DROP TABLE ONLY whole")  # and keeps its lock
        done = threading.Event()

        def create():
            db.execute("CREATE TABLE hurried(id int PRIMARY KEY)")
            done.set()

        thread = threading.Thread(target=create)
        thread.start()
        assert done.wait(20)
        thread.join()
    run_setup(dsn)
    assert "public.hurried" in published(db)


def test_without_a_superuser_it_says_what_it_cannot(server):
    name = server.database()
    with server.connect(name) as db:
        db.execute("CREATE ROLE owner LOGIN")
        try:
            db.execute(f"GRANT CREATE ON DATABASE {name} TO owner; GRANT CREATE ON SCHEMA public TO"
                       " owner; CREATE TABLE foreigners(id int PRIMARY KEY)")
            with server.connect(name, user="owner") as own:
                own.execute("CREATE TABLE mine(id int PRIMARY KEY)")
            said = run_setup(server.dsn(name, user="owner"), status=1)
            assert published(db) == {"public.mine"}
            assert re.search(r"event triggers +not made.*superuser", said, re.S)
            assert "public.foreigners: postgres owns it" in said
            assert 'ALTER ROLE "owner" REPLICATION' in said
            assert db.execute("SELECT to_regnamespace('weir')").fetchone()[0] is None
            db.execute("ALTER ROLE owner REPLICATION")
            run_setup(server.dsn(name, user="owner"))
        finally:
            db.execute("DROP OWNED BY owner; DROP ROLE owner")


def test_it_says_which_settings_are_missing(postgres):
    name = postgres.database()
    said = run_setup(postgres.dsn(name), status=1)
    assert "wal_level must be logical" in said and "ALTER SYSTEM SET wal_level = logical" in said
    run_setup(postgres.dsn(name), "--remove")


def test_a_publication_of_all_tables_is_refused(server):
    name = server.database()
    with server.connect(name) as db:
        db.execute("CREATE PUBLICATION weir FOR ALL TABLES")
        assert "FOR ALL TABLES" in run_setup(server.dsn(name), status=1)


@pytest.mark.parametrize("arguments,words", [
    ([], "no DSN"), (["sqlite:x.db"], "nothing to set up"),
    (["postgres://a/b", "--wat"], "unknown"),
    (["postgres://a/b", "postgres://a/c"], "more than one"), (["nonsense"], "weir: ")])
def test_arguments_that_are_wrong_are_said(arguments, words):
    done = subprocess.run([BINARY, "setup", *arguments], capture_output=True, text=True, timeout=30,
                          env=clean_environment())
    assert done.returncode == 2 and words in done.stderr


def test_a_server_that_is_not_there_is_said():
    done = subprocess.run([BINARY, "setup", "postgres://a:secret@127.0.0.1:1/b"], text=True,
                          capture_output=True, timeout=30, env=clean_environment())
    assert done.returncode == 1 and "cannot connect" in done.stderr and "secret" not in done.stderr
