"""Where the cache could be wrong, or brought down: what a review of its rule found, and what came
close. Each test failed once."""

import os
import signal
import sqlite3
import time

import psycopg
import pytest
from cached import (CALM, PAST, SYNC, Counted, asker, bind, execute, parse, query, warm)

from support import Wire, kinds, wait_until

T = "CREATE TABLE t(id integer PRIMARY KEY, v text)"


@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/app.db", settings=CALM)


class Configured:
    """A gateway whose configuration is written again and again."""

    def __init__(self, weir, tmp_path, text):
        self.file = tmp_path / "weir0.yaml"
        self.gateway = weir(config=text)

    def reload(self, text):
        before = self.gateway.stderr().count("configuration reloaded")
        self.file.write_text(text)
        os.kill(self.gateway.pid, signal.SIGHUP)
        wait_until(lambda: self.gateway.stderr().count("configuration reloaded") > before)


# ---- the rule ----

def test_a_transaction_that_was_open_when_the_cache_was_enabled_is_seen(weir, tmp_path):
    """Its changes were not watched from its beginning: what was read before its end must go."""
    def text(enabled):
        return (f"databases: {{app: {{dsn: 'sqlite:{tmp_path}/app.db'}}}}\n"
                f"cache: {{enabled: {enabled}, bound: 60s}}\n")
    configured = Configured(weir, tmp_path, text("false"))
    gateway = configured.gateway
    with gateway.connect() as db, gateway.connect() as writer:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'old')")
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        ask()
        with writer.transaction():
            writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
            configured.reload(text("true"))
            for _ in range(3):
                assert ask() == [("old",)]
        assert ask() == [("new",)]
        warm(gateway, ask)
        assert ask() == [("new",)]


def test_one_file_is_one_database_whatever_it_is_called(weir, tmp_path):
    """Two would each take the other's commits for another process', noticed within the bound."""
    (tmp_path / "link.db").symlink_to(tmp_path / "app.db")
    with pytest.raises(AssertionError, match="are the same file"):
        weir(config=f"databases:\n  one: {{dsn: 'sqlite:{tmp_path}/app.db'}}\n"
                    f"  two: {{dsn: 'sqlite:{tmp_path}/link.db'}}\n")


def test_limits_are_part_of_the_question(weir, tmp_path):
    def text(limit):
        return (f"databases: {{app: {{dsn: 'sqlite:{tmp_path}/app.db'}}}}\n"
                f"limits: {{result_size: {limit}}}\ncache: {{bound: 60s}}\n")
    configured = Configured(weir, tmp_path, text("1MiB"))
    gateway = configured.gateway
    with gateway.connect() as db:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, %s)", ["x" * 50000])
        warm(gateway, asker(db, "SELECT v FROM t"))
        configured.reload(text("10KiB"))
        with gateway.connect() as limited, pytest.raises(psycopg.Error) as refused:
            asker(limited, "SELECT v FROM t")()
        assert refused.value.sqlstate == "54000"


# ---- footprints ----

def test_a_schema_that_was_rolled_back_leaves_answers_cacheable(gateway):
    """The transaction prepared the statement under its own schema, and told that last."""
    with gateway.connect() as db, gateway.connect() as writer:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'a')")
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        warm(gateway, ask)
        with writer.transaction():
            writer.execute("ALTER TABLE t ADD COLUMN w text")
            asker(writer, "SELECT v FROM t WHERE id = 1")()
            raise psycopg.Rollback
        db.execute("UPDATE t SET v = 'b' WHERE id = 1")
        warm(gateway, ask)
        assert ask() == [("b",)]


def test_databases_with_different_schemas_share_statements(weir, tmp_path):
    gateway = weir(config="cache: {bound: 60s}\ndatabases:\n"
                          f"  app: {{dsn: 'sqlite:{tmp_path}/app.db'}}\n"
                          f"  two: {{dsn: 'sqlite:{tmp_path}/two.db'}}\n")
    with gateway.connect() as one, gateway.connect(dbname="two") as two:
        one.execute(T)
        two.execute("CREATE TABLE t(v text, id integer PRIMARY KEY, w text)")
        one.execute("INSERT INTO t VALUES (1, 'one')")
        two.execute("INSERT INTO t VALUES ('two', 1, '')")
        asks = [asker(db, "SELECT v FROM t WHERE id = 1") for db in (one, two)]
        warm(gateway, *asks)
        one.execute("UPDATE t SET v = 'eins'")
        two.execute("UPDATE t SET v = 'zwei'")
        warm(gateway, *asks)
        assert [ask() for ask in asks] == [[("eins",)], [("zwei",)]]


def test_a_list_of_keys_that_meets_many_tables(gateway):
    """More dependencies than an answer may have: it is not kept, and nothing else happens."""
    with gateway.connect() as db:
        for n in range(8):
            db.execute(f"CREATE TABLE t{n}(id integer PRIMARY KEY)")
        db.execute("INSERT INTO t0 VALUES (1)")
        joins = " ".join(f"JOIN t{n} ON t{n}.id = t0.id" for n in range(1, 8))
        keys = ", ".join(map(str, range(60)))
        for _ in range(4):
            assert asker(db, f"SELECT count(*) FROM t0 {joins} WHERE t0.id IN ({keys})")() == [(0,)]


@pytest.mark.parametrize("name", ["json_each", "json_tree"])
def test_a_virtual_table_may_have_a_function_s_name(gateway, name):
    """Its rows change unseen: no answer from it is kept."""
    with gateway.connect() as db:
        db.execute(f"CREATE VIRTUAL TABLE {name} USING rtree(id, low, high)")
        for n in range(5):
            assert asker(db, f"SELECT count(*) FROM {name}")() == [(n,)]
            db.execute(f"INSERT INTO {name} VALUES (%s, 0, 1)", [n])


def test_functions_of_their_arguments_are_kept(gateway):
    with gateway.connect() as db:
        warm(gateway, asker(db, "SELECT count(*) FROM json_each('[1, 2]')"))


# ---- protocol ----

def test_explain_cache_and_what_follows_it_in_one_string(gateway):
    with gateway.connect() as db:
        db.execute(T)
    with Wire(gateway) as wire:
        for _ in range(3):
            got = wire.query("EXPLAIN CACHE SELECT 1; SELECT * FROM t; EXPLAIN CACHE SELECT 1")
            assert kinds(got) == "TDCTCTDCZ"


@pytest.mark.parametrize("end", [";", " ;", ";\n", " ; \n", "\n"])
def test_what_ends_a_string_does_not_hide_the_answer(gateway, end):
    with gateway.connect() as db:
        db.execute(T)
        warm(gateway, asker(db, f"SELECT v FROM t WHERE id = 1{end}"))


def test_a_query_ends_portals_also_when_its_answer_is_from_memory(gateway):
    sql = "SELECT v FROM t WHERE id = 1"
    with gateway.connect() as db, Wire(gateway) as wire:
        db.execute(T)
        warm(gateway, asker(db, sql))
        for text in (PAST + sql, sql):
            wire.send(parse(sql), bind(portal=b"p"), query(text))
            wire.until(b"Z")
            wire.send(execute(portal=b"p"), SYNC)
            assert kinds(wire.until(b"Z")) == "EZ"


def test_a_client_that_does_not_read_is_not_answered(gateway):
    """Answers from memory cost nothing to ask for: thousands must not gather in the gateway."""
    size, count = 200_000, 1000
    with gateway.connect() as db:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, %s)", ["x" * size])
        warm(gateway, asker(db, "SELECT v FROM t"))
    counted = Counted(gateway)
    with Wire(gateway) as wire:
        wire.send(query("SELECT v FROM t") * count)
        wait_until(lambda: counted["hits"] > 0)
        time.sleep(1)
        assert counted["hits"] < count / 4
        for _ in range(count):
            assert kinds(wire.until(b"Z")) == "TDCZ"
        assert kinds(wire.query("SELECT 1")) == "TDCZ"


# ---- interleavings ----

def test_a_pipeline_that_is_rolled_back_leaves_nothing(gateway):
    """The read saw what never was: it is not kept (proofs 28)."""
    sql = "SELECT v FROM t WHERE id = 1"
    with gateway.connect() as db, Wire(gateway) as wire:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'old')")
        ask = asker(db, sql)
        warm(gateway, ask)
        for _ in range(3):
            wire.send(parse("UPDATE t SET v = 'dirty'"), bind(), execute(), parse(sql), bind(),
                      execute(), parse("SELECT v FROM nowhere"), SYNC)
            got = wire.until(b"Z")
            assert [body[6:] for kind, body in got if kind == b"D"] == [b"dirty"]
            assert ask() == [("old",)]
        wire.send(parse("UPDATE t SET v = 'new'"), bind(), execute(), SYNC, parse(sql), bind(),
                  execute(), SYNC)
        got = wire.until(b"Z") + wire.until(b"Z")
        assert [body[6:] for kind, body in got if kind == b"D"] == [b"new"]


def test_a_write_that_others_made_fail_shows_what_they_wrote(gateway, tmp_path):
    """Get or create: the answer that nothing is there must not outlive the refusal (proofs 26)."""
    with gateway.connect() as db, sqlite3.connect(tmp_path / "app.db") as outsider:
        db.execute(T)
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        warm(gateway, ask)
        outsider.execute("INSERT INTO t VALUES (1, 'theirs')")
        outsider.commit()
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute("INSERT INTO t VALUES (1, 'ours')")
        assert ask() == [("theirs",)]
    outsider.close()


def test_a_write_that_failed_and_kept_its_first_rows_is_seen(gateway):
    """INSERT OR FAIL commits what came before the error (proofs 25)."""
    with gateway.connect() as db:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (2, 'there')")
        ask = asker(db, "SELECT count(*) FROM t")
        warm(gateway, ask)
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute("INSERT OR FAIL INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        assert ask() == [(2,)] == asker(db, PAST + "SELECT count(*) FROM t")()


def test_a_transaction_reads_its_own_state_after_each_savepoint(gateway):
    with gateway.connect() as db, gateway.connect() as other:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'old')")
        mine, theirs = (asker(c, "SELECT v FROM t WHERE id = 1") for c in (db, other))
        warm(gateway, mine)
        db.execute("BEGIN")
        assert mine() == [("old",)]
        db.execute("SAVEPOINT a")
        db.execute("UPDATE t SET v = 'new'")
        assert mine() == [("new",)] and theirs() == [("old",)]
        db.execute("ROLLBACK TO a")
        assert mine() == [("old",)] and theirs() == [("old",)]
        with pytest.raises(psycopg.Error):
            db.execute("INSERT INTO t VALUES (1, 'again')")
        db.execute("ROLLBACK TO a")
        db.execute("UPDATE t SET v = 'last'")
        assert mine() == [("last",)] and theirs() == [("old",)]
        db.execute("COMMIT")
        assert mine() == [("last",)] == theirs()


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                   "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ "
                                   "READ ONLY"])
def test_a_snapshot_is_kept_past_the_cache(gateway, begin):
    """What others wrote meanwhile, and have in memory, is not of the snapshot (proofs 32)."""
    with gateway.connect() as db, gateway.connect() as other:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'old')")
        mine, theirs = (asker(c, "SELECT v FROM t WHERE id = 1") for c in (db, other))
        db.execute(begin)
        assert mine() == [("old",)]
        other.execute("UPDATE t SET v = 'new'")
        warm(gateway, theirs)
        assert mine() == [("old",)] and theirs() == [("new",)]
        db.execute("COMMIT")
        assert mine() == [("new",)]


def test_ddl_of_an_open_transaction_is_its_own(gateway):
    """Descriptions too: Parse must not learn of it elsewhere, nor forget it here."""
    with gateway.connect(prepare_threshold=None) as db, \
            gateway.connect(prepare_threshold=0) as other:
        db.execute(T)
        db.execute("INSERT INTO t VALUES (1, 'a')")
        sql = "SELECT * FROM t WHERE id = 1"

        def width(connection):
            return len(connection.execute(sql).description)
        for _ in range(4):
            assert width(other) == width(db) == 2
        for end, wide in (("ROLLBACK", 2), ("COMMIT", 3)):
            db.execute("BEGIN")
            db.execute("ALTER TABLE t ADD COLUMN w text")
            assert width(db) == 3 and width(other) == 2
            db.execute(end)
            for _ in range(3):
                assert width(db) == wide
                with gateway.connect(prepare_threshold=0) as fresh:
                    assert width(fresh) == wide
