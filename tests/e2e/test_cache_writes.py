"""Whatever is written, and by whomever: an answer from memory is never older than it may be.

The hazards named here are those of caching: fills that race with writes, writes behind one's back
(triggers, cascades, another process), transactions, schema changes, levels, switching off."""

import asyncio
import os
import signal
import sqlite3
import threading
import time

import asyncpg
import psycopg
import pytest

from cached import (CALM, PAST, SYNC, Counted, asker, bind, execute, gauge, parse, query, rows,
                    warm)
from support import Wire, kinds, wait_until

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, version INTEGER DEFAULT 1);
CREATE TABLE named (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;
CREATE TABLE owned (id INTEGER PRIMARY KEY,
  tid INTEGER REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE log (n INTEGER PRIMARY KEY, what TEXT);
CREATE TABLE source (id INTEGER PRIMARY KEY, v TEXT);
CREATE TRIGGER logs AFTER INSERT ON source BEGIN
  INSERT INTO log (what) VALUES (NEW.v); UPDATE t SET v = NEW.v WHERE id = NEW.id; END;
CREATE VIEW door AS SELECT id, v FROM t;
CREATE TRIGGER opens INSTEAD OF UPDATE ON door
  BEGIN UPDATE t SET v = NEW.v WHERE id = NEW.id; END;
INSERT INTO t(id, v) VALUES (1, 'one'), (2, 'two');
INSERT INTO named VALUES ('a', 'alpha');
INSERT INTO owned VALUES (10, 1), (11, 2);
"""
V1 = "SELECT v FROM t WHERE id = 1"


@pytest.fixture
def serve(weir, tmp_path):
    def make(settings=None, **more):
        gateway = weir(f"sqlite:{tmp_path}/app.db", settings={**CALM, **(settings or {})}, **more)
        with Wire(gateway) as wire:
            assert "E" not in kinds(wire.query(SCHEMA))
        return gateway
    return make


@pytest.fixture
def gateway(serve):
    return serve()


# ---- one write, seen by everybody at once ----

WRITES = [  # (what is read, the write, what is read then)
    (V1, "UPDATE t SET v = 'new' WHERE id = 1", [("new",)]),
    (V1, "UPDATE t SET v = 'new' WHERE v = 'one'", [("new",)]),
    (V1, "DELETE FROM t", []),
    (V1, "UPDATE t SET id = id + 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 1", []),
    (V1, "INSERT INTO t(id, v) VALUES (1, 'x') ON CONFLICT(id) DO UPDATE SET v = 'up'",
     [("up",)]),
    (V1, "REPLACE INTO t(id, v) VALUES (1, 'replaced')", [("replaced",)]),
    (V1, "UPDATE OR REPLACE t SET id = 1 WHERE id = 2", [("two",)]),
    (V1, "UPDATE t SET v = s.v FROM named AS s WHERE t.id = 1", [("alpha",)]),
    (V1, "WITH w AS (SELECT 'with' AS v) UPDATE t SET v = (SELECT v FROM w)", [("with",)]),
    (V1, "UPDATE t SET v = 'told' WHERE id = 1 RETURNING id", [("told",)]),
    (V1, "INSERT INTO source VALUES (1, 'by trigger')", [("by trigger",)]),
    (V1, "UPDATE door SET v = 'by view' WHERE id = 1", [("by view",)]),
    (V1, "SELECT 1; UPDATE t SET v = 'a'; UPDATE t SET v = 'last'; SELECT 2", [("last",)]),
    ("SELECT v FROM t WHERE id = '1'", "UPDATE t SET v = 'new' WHERE id = 1", [("new",)]),
    ("SELECT v FROM t WHERE rowid = 1", "UPDATE t SET v = 'new' WHERE id = 1", [("new",)]),
    ("SELECT v FROM t WHERE id = 9", "INSERT INTO t(id, v) VALUES (9, 'nine')", [("nine",)]),
    ("SELECT v FROM door WHERE id = 1", "UPDATE t SET v = 'new' WHERE id = 1", [("new",)]),
    ("SELECT v FROM named WHERE k = 'a'", "UPDATE named SET v = 'new' WHERE k = 'a'", [("new",)]),
    ("SELECT tid FROM owned WHERE id = 10", "DELETE FROM t WHERE id = 1", []),
    ("SELECT tid FROM owned WHERE id = 10", "UPDATE t SET id = 7 WHERE id = 1", [(7,)]),
    ("SELECT count(*) FROM log", "INSERT INTO source VALUES (1, 'x'), (2, 'y')", [(2,)]),
    ("SELECT max(id) FROM t", "INSERT INTO t(v) SELECT v FROM t", [(4,)]),
    ("SELECT id FROM t ORDER BY id LIMIT 1", "INSERT INTO t(id) VALUES (-5)", [(-5,)]),
    ("SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM owned WHERE tid = t.id)",
     "DELETE FROM owned WHERE id = 10", [(1,)]),
    ("SELECT t.id FROM t LEFT JOIN owned ON tid = t.id AND tid = 1 WHERE owned.id IS NULL "
     "ORDER BY 1", "INSERT INTO t(id) VALUES (3)", [(2,), (3,)]),
    (V1, "VACUUM", [("one",)]),
    (V1, "CREATE INDEX by_v ON t(v)", [("one",)]),
]


@pytest.mark.parametrize("prepare", [False, True])
def test_every_kind_of_write_is_seen_at_once(gateway, prepare):
    """Hazards 6 and 7. Each write's effect is undone by bringing back the rows."""
    tables = ["owned", "log", "source", "named", "t"]
    undo = ["DELETE FROM " + name for name in tables] + SCHEMA.split(";\n")[-4:-1]
    with gateway.connect() as db, Wire(gateway) as other:
        for read, write, expected in WRITES:
            ask = asker(db, read, prepare=prepare)
            warm(gateway, ask)
            assert "E" not in kinds(other.query(write)), write
            assert ask() == expected, write
            assert ask() == expected, write
            for statement in undo:
                assert "E" not in kinds(other.query(statement)), statement
        assert gauge(gateway, "weir_cache_hits_total") >= 2 * len(WRITES)


def test_writes_by_the_extended_protocol_are_seen_at_once(gateway):
    """Hazard 7: executed again without a Parse, in batches, with a row limit, by executemany."""
    with gateway.connect() as db, Wire(gateway) as other, gateway.connect() as many:
        ask = asker(db, V1)
        other.send(parse("UPDATE t SET v = ?1 WHERE id = 1", b"w"), SYNC)
        other.until(b"Z")
        for i in range(3):
            warm(gateway, ask)
            other.send(bind([b"%d" % i], name=b"w"), execute(), SYNC)
            other.until(b"Z")
            assert ask() == [(str(i),)]
        warm(gateway, ask)
        other.send(parse("UPDATE t SET v = 'limited' RETURNING id"), bind(), execute(1), SYNC)
        assert "E" not in kinds(other.until(b"Z"))
        assert ask() == [("limited",)]
        many.cursor().executemany("UPDATE t SET v = %s WHERE id = 1", [("a",), ("b",), ("c",)])
        assert ask() == [("c",)]


def test_a_read_behind_a_write_in_one_send_sees_it(gateway):
    """Row 29 of the proofs."""
    with Wire(gateway) as wire, gateway.connect() as db:
        warm(gateway, asker(db, V1))
        order = [f"UPDATE t SET v = 'v{n // 2}' WHERE id = 1" if n % 2 == 0 else V1
                 for n in range(100)]
        wire.send(*(query(sql) for sql in order))
        got = [rows(wire.until(b"Z")) for _ in order]
        assert got[1::2] == [[(b"v%d" % n,)] for n in range(50)]


def test_a_write_whose_client_leaves_is_seen_by_all_once_it_is_by_one(gateway):
    """Row 25: nobody was told the outcome, and it may be given up or not."""
    with gateway.connect() as db:
        ask = asker(db, "SELECT version FROM t WHERE id = 1")
        for _ in range(10):
            warm(gateway, ask)
            with Wire(gateway) as other:
                other.send(query("UPDATE t SET version = version + 1 WHERE id = 1"))
            for _ in range(10):
                truth = asker(db, PAST + "SELECT version FROM t WHERE id = 1")()
                assert ask() >= truth


# ---- transactions ----

def test_nothing_is_seen_before_the_commit_and_all_after(gateway):
    """Hazards 1, 2 and 8."""
    with gateway.connect() as db, gateway.connect() as writer, gateway.connect() as other:
        asks = [asker(db, V1), asker(other, "SELECT v FROM t WHERE id = 2")]
        warm(gateway, *asks)
        counted = Counted(gateway)
        writer.execute("BEGIN")
        writer.execute("UPDATE t SET v = 'mine'")
        assert [a() for a in asks] == [[("one",)], [("two",)]]
        assert asker(writer, V1)() == [("mine",)]
        assert [a() for a in asks] == [[("one",)], [("two",)]]
        counted.expect(hits=4, runs=1)
        writer.execute("COMMIT")
        assert [a() for a in asks] == [[("mine",)], [("mine",)]]


def test_nothing_is_seen_of_what_is_rolled_back(gateway):
    """Hazard 8: nor is an answer from inside kept."""
    with gateway.connect() as db, gateway.connect() as writer:
        ask = asker(db, V1)
        for _ in range(4):
            writer.execute("BEGIN")
            writer.execute("UPDATE t SET v = 'never'")
            assert asker(writer, V1)() == [("never",)]
            writer.execute("ROLLBACK")
            assert asker(writer, V1)() == [("one",)] == ask()
        warm(gateway, ask)


def test_savepoints_take_back_their_part_alone(gateway):
    with gateway.connect() as db, gateway.connect(autocommit=False) as writer:
        asks = [asker(db, f"SELECT v FROM t WHERE id = {i}") for i in (1, 2)]
        warm(gateway, *asks)
        writer.execute("UPDATE t SET v = 'kept' WHERE id = 1")
        with pytest.raises(psycopg.errors.UniqueViolation):
            with writer.transaction():
                writer.execute("UPDATE t SET v = 'undone' WHERE id = 2")
                assert asker(writer, "SELECT v FROM t WHERE id = 2")() == [("undone",)]
                writer.execute("INSERT INTO t(id) VALUES (1)")
        assert [a() for a in asks] == [[("one",)], [("two",)]]
        assert asker(writer, "SELECT v FROM t WHERE id = 2")() == [("two",)]
        writer.commit()
        assert [a() for a in asks] == [[("kept",)], [("two",)]]


def test_a_transaction_reads_from_memory_until_it_writes(gateway):
    with gateway.connect() as db:
        ask = asker(db, V1)
        warm(gateway, ask)
        counted = Counted(gateway)
        db.execute("BEGIN")
        assert ask() == ask() == [("one",)]
        counted.expect(hits=2, runs=0)
        db.execute("UPDATE t SET v = 'two' WHERE id = 2")
        assert ask() == [("one",)]
        counted.expect(hits=2, runs=1, missed={"transaction": 1})
        db.execute("UPDATE t SET v = 'changed' WHERE id = 1")
        assert ask() == [("changed",)]
        db.execute("ROLLBACK")
        assert ask() == [("one",)]


def test_a_snapshot_is_the_databases_own(gateway):
    """Hazard 14: who wants answers of one moment gets them, and nothing from memory."""
    with gateway.connect() as db, gateway.connect() as writer:
        asks = [asker(db, f"SELECT v FROM t WHERE id = {i}") for i in (1, 2)]
        warm(gateway, *asks)
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        counted = Counted(gateway)
        assert asks[0]() == [("one",)]
        writer.execute("UPDATE t SET v = 'new'")
        assert [a() for a in asks] == [[("one",)], [("two",)]]
        counted.expect(hits=0, runs=3, missed={"transaction": 3})
        db.execute("COMMIT")
        assert [a() for a in asks] == [[("new",)], [("new",)]]


@pytest.mark.parametrize("begin", ["", "BEGIN; "])
def test_a_string_of_statements_that_fails_leaves_nothing_behind(gateway, begin):
    """Row 28: what was read between a write and the error never was."""
    with Wire(gateway) as wire, gateway.connect() as db:
        ask = asker(db, V1)
        for _ in range(4):
            got = wire.query(begin + f"UPDATE t SET v = 'dirty'; {V1}; SELECT json('bad')")
            assert rows(got) == [(b"dirty",)] and "E" in kinds(got)
            wire.query("ROLLBACK")
            wire.send(parse("UPDATE t SET v = 'dirty'"), bind(), execute(), parse(V1), bind(),
                      execute(), parse("SELECT json('bad')"), bind(), execute(), SYNC)
            got = wire.until(b"Z")
            assert rows(got) == [(b"dirty",)] and "E" in kinds(got)
            assert ask() == [("one",)]
            assert rows(wire.query(V1)) == [(b"one",)]


def test_get_or_create_finds_what_it_collided_with(gateway):
    """Row 26: the loser of the race must see the winner's row."""
    with gateway.connect() as db, gateway.connect() as other:
        for key in range(20, 24):
            ask = asker(db, f"SELECT v FROM t WHERE id = {key}")
            warm(gateway, ask)
            assert ask() == []
            other.execute(f"INSERT INTO t(id, v) VALUES ({key}, 'theirs')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                db.execute(f"INSERT INTO t(id, v) VALUES ({key}, 'mine')")
            assert ask() == [("theirs",)]


def test_optimistic_locking_ends(gateway):
    """Row 26: an update of no row means that what was read is old."""
    def add(gateway, failures):
        with gateway.connect() as db:
            for _ in range(10):
                for _ in range(1000):
                    v, version = db.execute(
                        "SELECT coalesce(CAST(v AS INTEGER), 0), version FROM t WHERE id = 1",
                        prepare=True).fetchone()
                    done = db.execute("UPDATE t SET v = %s, version = version + 1 WHERE id = 1 "
                                      "AND version = %s", (str(v + 1), version), prepare=True)
                    if done.rowcount == 1:
                        break
                else:
                    failures.append("never")

    with gateway.connect() as db:
        db.execute("UPDATE t SET v = '0' WHERE id = 1")
        failures = []
        threads = [threading.Thread(target=add, args=(gateway, failures)) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(50)
        assert asker(db, V1)() == [("30",)] and not failures


# ---- schema changes ----

CHANGES = [  # (what is done, what `SELECT * FROM t WHERE id = 1` gives then)
    ("DROP VIEW door; ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'x'",
     (["id", "v", "version", "more"], [(1, "one", 1, "x")])),
    ("ALTER TABLE t RENAME COLUMN v TO w", (["id", "w", "version", "more"], [(1, "one", 1, "x")])),
    ("ALTER TABLE t DROP COLUMN more", (["id", "w", "version"], [(1, "one", 1)])),
    ("DROP TRIGGER logs; DROP TABLE owned; DROP TABLE t; CREATE TABLE t "
     "(other TEXT, id INTEGER); INSERT INTO t VALUES ('new', 1)", (["other", "id"], [("new", 1)])),
    ("ALTER TABLE t RENAME TO old; CREATE VIEW t AS SELECT 1 AS id, 'view' AS x",
     (["id", "x"], [(1, "view")])),
    ("DROP VIEW t; CREATE VIEW t AS SELECT id, other FROM old", (["id", "other"], [(1, "new")])),
    ("UPDATE old SET other = 'through'", (["id", "other"], [(1, "through")])),
    ("DROP VIEW t; ALTER TABLE old RENAME TO t", (["other", "id"], [("through", 1)])),
    ("DROP TABLE t", None),
    ("CREATE TABLE t (id NUMERIC)", (["id"], [])),
]


@pytest.mark.parametrize("prepare", [False, True])
def test_schema_changes_are_never_missed(gateway, prepare):
    """Hazard 9: the same name, other columns; also for statements that stand prepared."""
    sql = "SELECT * FROM t WHERE id = 1"
    with gateway.connect() as db, Wire(gateway) as other:
        for done, expected in CHANGES:
            if done != CHANGES[-1][0]:  # before which there is no table
                warm(gateway, lambda: ask_columns(db, sql, prepare))
            assert "E" not in kinds(other.query(done)), done
            if expected is None:
                with pytest.raises(psycopg.errors.UndefinedTable):
                    ask_columns(db, sql, prepare)
            else:
                assert ask_columns(db, sql, prepare) == expected, done


def ask_columns(db, sql, prepare):
    try:
        cursor = db.execute(sql, prepare=prepare)
    except psycopg.errors.FeatureNotSupported:  # "cached plan must not change result type"
        db.execute("DEALLOCATE ALL")
        db._prepared.clear()  # psycopg 3.1 does not notice
        cursor = db.execute(sql, prepare=False)
    return [c.name for c in cursor.description], cursor.fetchall()


def test_asyncpg_prepares_anew_when_the_columns_change(gateway):
    """Rows of other types than were prepared are refused as PostgreSQL refuses them, also when the
    answer is in the cache already; asyncpg knows the refusal and prepares anew."""
    async def story():
        db, other = [await asyncpg.connect(**gateway.asyncpg()) for _ in range(2)]
        for _ in range(4):
            assert [tuple(r) for r in await db.fetch("SELECT * FROM named")] == [("a", "alpha")]
        await other.execute("ALTER TABLE named ADD COLUMN w INTEGER DEFAULT 3")
        for _ in range(3):
            got = [dict(r) for r in await db.fetch("SELECT * FROM named")]
            assert got == [{"k": "a", "v": "alpha", "w": 3}]
        await other.execute("CREATE TABLE retyped (v BIGINT)")
        await other.execute("INSERT INTO retyped VALUES (7)")
        for _ in range(3):
            assert await db.fetchval("SELECT v FROM retyped") == 7
        await other.execute("DROP TABLE retyped")
        await other.execute("CREATE TABLE retyped (v TEXT)")
        await other.execute("INSERT INTO retyped VALUES ('abcdefgh')")
        for _ in range(3):
            await other.fetch("SELECT v FROM retyped")
        for _ in range(3):
            assert await db.fetchval("SELECT v FROM retyped") == "abcdefgh"
        await db.close()
        await other.close()
    asyncio.run(asyncio.wait_for(story(), 50))


# ---- writers beside this gateway ----

def test_another_process_is_noticed_within_the_bound(serve, tmp_path):
    """Hazard 19."""
    bound = 0.3
    gateway = serve({"cache.bound": "300ms"})
    outsider = sqlite3.connect(tmp_path / "app.db", timeout=20)
    with gateway.connect() as db:
        ask = asker(db, V1)
        warm(gateway, ask)
        for n in range(5):
            with outsider:
                outsider.execute("UPDATE t SET v = ? WHERE id = 1", (f"out{n}",))
            committed = time.monotonic()
            for _ in range(10_000):
                asked = time.monotonic()
                ((v,),) = ask()
                if asked > committed + bound:
                    assert v == f"out{n}", f"{asked - committed} s after the commit"
                    break
            warm(gateway, ask)
    outsider.close()


def test_another_process_that_changes_the_schema_is_noticed(serve, tmp_path):
    gateway = serve({"cache.bound": "100ms"})
    outsider = sqlite3.connect(tmp_path / "app.db", timeout=20)
    with gateway.connect() as db:
        warm(gateway, asker(db, "SELECT * FROM named"))
        outsider.execute("ALTER TABLE named ADD COLUMN w INTEGER DEFAULT 3")
        outsider.close()
        wait_until(lambda: asker(db, "SELECT * FROM named")() == [("a", "alpha", 3)])


def test_two_gateways_on_one_file_see_each_other_within_the_bound(serve, weir, tmp_path):
    """Hazard 19 again; each sees its own writes at once, and never goes back."""
    bound = 0.3
    settings = {"cache.bound": "300ms", "sqlite.synchronous": "normal"}
    first = serve(settings)
    second = weir(f"sqlite:{tmp_path}/app.db", settings=settings)
    with first.connect() as a, second.connect() as b:
        here, there = asker(a, V1), asker(b, V1)
        warm(first, here)
        warm(second, there)
        for n in range(6):
            (writer, mine, others) = ((a, here, there), (b, there, here))[n % 2]
            writer.execute(f"UPDATE t SET v = 'n{n}' WHERE id = 1")
            committed = time.monotonic()
            seen = []
            while not seen or asked <= committed + bound:
                asked = time.monotonic()
                assert mine() == [(f"n{n}",)]
                seen.append(others())
            new = seen.index([(f"n{n}",)])
            assert set(map(str, seen[new:])) == {str([(f"n{n}",)])}, "it went back"


# ---- weaker levels, by configuration and by rule ----

def test_bounded_answers_are_older_but_not_too_old(serve):
    gateway = serve({"cache.consistency": "bounded", "cache.bound": "60s"})
    with gateway.connect() as db, gateway.connect(dbname="weir") as console:
        ask = asker(db, V1)
        warm(gateway, ask)
        db.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert ask() == [("one",)], "visibly weaker, even for the writer"
        assert asker(db, PAST + V1)() == [("new",)]
        console.execute("FLUSH CACHE TABLE t")
        assert ask() == [("new",)], "not what was flushed"
        warm(gateway, ask)
        db.execute("ALTER TABLE t ADD COLUMN x")
        db.execute("UPDATE t SET v = 'newest' WHERE id = 1")
        assert ask() == [("newest",)], "nor across a change of the schema"


def test_bounded_answers_end_with_the_bound(serve):
    gateway = serve({"cache.consistency": "bounded", "cache.bound": "300ms"})
    with gateway.connect() as db:
        warm(gateway, asker(db, V1))
        for n in range(3):
            db.execute(f"UPDATE t SET v = 'n{n}' WHERE id = 1")
            written = time.monotonic()
            time.sleep(0.31)
            assert asker(db, V1)() == [(f"n{n}",)], time.monotonic() - written


def test_a_session_sees_its_own_writes_at_once(serve):
    gateway = serve({"cache.consistency": "session", "cache.bound": "60s"})
    with gateway.connect() as db, gateway.connect() as other:
        ask, theirs = asker(db, V1), asker(other, V1)
        warm(gateway, ask)
        other.execute("UPDATE t SET v = 'theirs' WHERE id = 1")
        assert theirs() == [("theirs",)], "its own write"
        warm(gateway, theirs)
        db.execute("UPDATE t SET v = 'mine' WHERE id = 1")
        assert theirs() == [("theirs",)], "visibly weaker"
        assert ask() == [("mine",)] == ask()
        assert theirs() == [("mine",)], "the newer answer is everybody's"


# ---- switched off, by reload ----

def test_what_is_written_while_the_cache_is_off_counts(weir, tmp_path):
    def config(enabled, rules):
        return (f"databases: {{app: 'sqlite:{tmp_path}/app.db'}}\n"
                f"cache: {{enabled: {enabled}, bound: 60s, rules: {rules}}}\n")

    def reload(text):
        before = gateway.stderr().count("configuration reloaded")
        (tmp_path / "weir0.yaml").write_text(text)
        os.kill(gateway.pid, signal.SIGHUP)
        wait_until(lambda: gateway.stderr().count("configuration reloaded") > before)

    gateway = weir(config=config("true", "[]"))
    with gateway.connect() as db, Wire(gateway) as wire:
        wire.query(SCHEMA)
        ask = asker(db, V1)
        warm(gateway, ask)
        reload(config("false", "[]"))
        db.execute("UPDATE t SET v = 'meanwhile' WHERE id = 1")
        counted = Counted(gateway)
        assert ask() == [("meanwhile",)] == ask()
        counted.expect(hits=0, runs=2)
        db.execute("UPDATE t SET v = 'last' WHERE id = 1")
        reload(config("true", "[]"))
        assert ask() == [("last",)] == ask()
        warm(gateway, ask)
        reload(config("true", "[{template: 'select v from t*', consistency: bounded}]"))
        warm(gateway, ask)
        db.execute("UPDATE t SET v = 'later' WHERE id = 1")
        assert ask() == [("last",)]
        reload(config("true", "[]"))
        assert ask() == [("later",)], "what was kept under another rule is forgotten"
