"""Answers from memory as users of every kind meet them: psql, psycopg, psycopg2, asyncpg, pgbench
and the bare protocol. They cost the database nothing and are what it would have said.

What writes do to them is in test_cache_writes.py, many clients at once in test_cache_crowd.py."""

import asyncio
import datetime
import random
import re
import sqlite3
import subprocess
import threading

import asyncpg
import psycopg
import psycopg2
import pytest

from cached import (CALM, PAST, SYNC, Counted, asker, bind, describe, describe_statement, execute,
                    extended, gauge, parse, query, rows, warm)
from support import BINARY, Wire, clean_environment, kinds, pgbench, wait_until

ENDLESS = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT count(*) FROM s"


@pytest.fixture
def serve(weir, tmp_path):
    """serve(settings): a gateway on a file with the tables t and wide."""
    def make(settings=None, **more):
        gateway = weir(f"sqlite:{tmp_path}/app.db", settings={**CALM, **(settings or {})}, **more)
        fill(gateway)
        return gateway
    return make


def fill(gateway):
    with gateway.connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)")
        db.execute("INSERT OR REPLACE INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)")


@pytest.fixture
def gateway(serve):
    return serve()


# ---- a hit costs the database nothing ----

def test_hits_do_no_work_of_the_database(gateway):
    with gateway.connect() as db, gateway.connect(dbname="weir") as console:
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        warm(gateway, ask)
        counted = Counted(gateway)
        assert [ask() for _ in range(50)] == [[("one",)]] * 50
        counted.expect(hits=50, runs=0, flights=0, missed={})
        cursor = console.execute("SHOW STATEMENTS")
        names = [c.name for c in cursor.description]
        found = [row for row in (dict(zip(names, r)) for r in cursor)
                 if row["text"].startswith("select v from t where id")]
        assert found and found[0]["cache_hits"] >= 50


def test_a_hit_needs_no_connection(serve):
    gateway = serve({"pool.min_size": 1, "pool.max_size": 1, "timeouts.statement": 0})
    with gateway.connect() as db, Wire(gateway) as greedy:
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        warm(gateway, ask)
        greedy.send(query(ENDLESS))
        wait_until(lambda: gauge(gateway, 'weir_clients{state="active"}') == 1)
        assert [ask() for _ in range(20)] == [[("one",)]] * 20


def test_other_values_of_a_known_statement_are_kept_the_first_time(gateway):
    with gateway.connect() as db:
        warm(gateway, asker(db, "SELECT v FROM t WHERE id = 1"))
        ask = asker(db, "SELECT v FROM t WHERE id = 2")
        counted = Counted(gateway)
        assert ask() == ask() == [("two",)]
        counted.expect(hits=1, runs=1, missed={"absent": 1})


# ---- the same answer, whoever asks and however ----

ROW = (2**62, 0.1, "h\u00e9llo", b"\0\xff\x01", datetime.date(2024, 2, 29),
       datetime.datetime(2024, 2, 29, 23, 59, 59, 123456), True)


def fill_types(gateway):
    with gateway.connect() as db:
        db.execute("CREATE TABLE types (i BIGINT, r REAL, s TEXT, b BLOB, d DATE, ts TIMESTAMP, "
                   "y BOOLEAN)")
        for row in (ROW, (None,) * 7):
            db.execute("INSERT INTO types VALUES (%s, %s, %s, %b, %s, %s, %s)", row)


TYPES = "SELECT * FROM types ORDER BY i IS NULL"


def test_psycopg_gets_the_same_in_every_format(gateway):
    fill_types(gateway)
    with gateway.connect() as db:
        for prepare in (False, True):
            for binary in (False, True):
                ask = asker(db, TYPES, prepare=prepare, binary=binary)
                warm(gateway, ask)
                counted = Counted(gateway)
                assert ask() == [ROW, (None,) * 7]
                counted.expect(hits=1, runs=0)


def test_psycopg2_and_psql_share_what_the_simple_protocol_keeps(gateway):
    fill_types(gateway)
    with gateway.connect() as db:
        warm(gateway, asker(db, TYPES))
    counted = Counted(gateway)
    db = psycopg2.connect(gateway.conninfo())
    db.autocommit = True
    with db.cursor() as cursor:
        cursor.execute(TYPES)
        first, second = cursor.fetchall()
    db.close()
    assert (*first[:3], bytes(first[3]), *first[4:]) == ROW and second == (None,) * 7
    told = gateway.psql("-c", TYPES).stdout
    assert told == gateway.psql("-c", PAST + TYPES).stdout and "h\u00e9llo" in told
    counted.expect(hits=2, runs=1)


def test_asyncpg_prepares_describes_and_gets_the_same(gateway):
    fill_types(gateway)

    async def story():
        db = await asyncpg.connect(**gateway.asyncpg())
        for _ in range(4):
            assert [tuple(r) for r in await db.fetch(TYPES)] == [ROW, (None,) * 7]
        statement = await db.prepare("SELECT v FROM t WHERE id = $1")
        for _ in range(4):
            assert [[r["v"] for r in await statement.fetch(i)] for i in (1, 2, 3)] \
                == [["one"], ["two"], [None]]
        for _ in range(4):  # these ask for one row, and for three at a time: not from memory
            assert [await statement.fetchval(i) for i in (1, 2, 3)] == ["one", "two", None]
        counted = Counted(gateway)
        assert [r["v"] for r in await statement.fetch(1)] == ["one"]
        async with db.transaction():
            assert [r["v"] for r in await statement.fetch(2)] == ["two"]
            assert [r["v"] async for r in db.cursor("SELECT v FROM t ORDER BY id", prefetch=3)] \
                == ["one", "two", None]
        counted.expect(hits=2)
        await db.close()
    asyncio.run(asyncio.wait_for(story(), 50))


# What is to be sent, by the text of its statement. Hazards: two Executes of one portal, a row
# limit, formats, an answer without rows, without a description, or without a statement.
EXCHANGES = [
    query, extended, lambda sql: extended(sql, result_format=1),
    lambda sql: parse(sql) + bind() + execute() + SYNC,
    lambda sql: parse(sql) + describe_statement() + SYNC,
    lambda sql: parse(sql) + bind() + describe() + execute() + execute() + SYNC,
    lambda sql: parse(sql) + bind() + execute(1) + execute(1) + execute() + SYNC,
    lambda sql: parse(sql) + bind() + execute(1) + SYNC,
    lambda sql: parse(sql) + bind(portal=b"p") + execute(portal=b"p") + bind() + execute() + SYNC,
]
STATEMENTS = [
    "SELECT id, v FROM t ORDER BY id", "SELECT v FROM t WHERE id = 99", "SELECT NULL, x'', ''",
    "SELECT zeroblob(3000), x'00ff'", "VALUES (1, 'a'), (2, NULL)", "", ";", "-- nothing",
    "SELECT 1 AS a, 2 AS a, 'x' AS \"\"", "SELECT json('not json')", "SELEC 1",
    "SELECT count(*) FROM missing", "INSERT INTO t SELECT id, v FROM t WHERE 0",
]


def comparable(messages):
    """An error's position, and what it quotes, move with the hint."""
    return [(k, re.findall(rb"C\w{5}\0", b)) if k == b"E" else (k, b) for k, b in messages]


def test_the_bytes_are_those_of_the_database(gateway):
    with Wire(gateway) as wire, Wire(gateway) as other:
        for sql in STATEMENTS:
            for exchange in EXCHANGES:
                other.send(exchange(PAST + sql))
                truth = comparable(other.until(b"Z"))
                for _ in range(3):
                    wire.send(exchange(sql))
                    assert comparable(wire.until(b"Z")) == truth, (sql, EXCHANGES.index(exchange))
    assert gauge(gateway, "weir_cache_hits_total") >= len(STATEMENTS)


def test_comments_and_spacing_change_nothing(gateway):
    variants = ["SELECT v FROM t WHERE id=2", "  select\tv\nfrom t where id = 2  ;  ",
                "SELECT v /* x */ FROM t -- y\n WHERE id = 2;", "/* a */ /* b */SELECT v FROM t "
                "WHERE id = 2", "-- first\nSELECT v FROM t WHERE id = 2",
                "SELECT v FROM \"t\" WHERE [id] = 2", "WITH w AS (SELECT v FROM t WHERE id = 2) "
                "SELECT * FROM w", "SELECT 'two' /* weir: nocache */"]
    with gateway.connect() as db:
        for _ in range(3):
            for sql in variants:
                assert asker(db, sql)() == [("two",)], sql
        told = asker(db, "SELECT '/* weir: nocache */ two' -- '")
        warm(gateway, told)
        assert told() == [("/* weir: nocache */ two",)]


def test_a_literal_of_another_kind_is_another_question(gateway):
    """Hazards 10 and 16: templates merge 5, '5', 5.0 and x'35'; answers do not."""
    kinds_of = {"5": "integer", "'5'": "text", "5.0": "real", "x'35'": "blob", "NULL": "null"}
    with gateway.connect() as db:
        for _ in range(4):
            for literal, kind in kinds_of.items():
                assert asker(db, f"SELECT typeof({literal}), 1")() == [(kind, 1)]
        values = {"integer": 5, "text": "5", "real": 5.0, "blob": b"5", "null": None}
        for _ in range(4):
            for kind, value in values.items():
                # not `value = 5`: the other types must not be made into the first one's
                got = db.execute("SELECT typeof(%s), 2", (value,), prepare=True).fetchone()
                assert got == db.execute(PAST + "SELECT typeof(%s), 2", (value,)).fetchone(), kind


def test_two_statements_in_one_string_are_two(gateway):
    with Wire(gateway) as wire, gateway.connect() as db:
        for i in range(4):
            got = wire.query("SELECT v FROM t WHERE id = 1; SELECT v FROM t WHERE id = 2;")
            assert kinds(got) == "TDCTDCZ" and rows(got) == [(b"one",), (b"two",)]
            wire.query("SELECT v FROM t WHERE id = 1; INSERT INTO t(v) VALUES ('more')")
            assert asker(db, "SELECT count(*) FROM t")() == [(4 + i,)]


def test_pipelines_of_hits_are_answered_in_order(gateway):
    with Wire(gateway) as wire, gateway.connect() as db:
        one, two = "SELECT v FROM t WHERE id = 1", "SELECT v FROM t WHERE id = 2"
        warm(gateway, asker(db, one), asker(db, two))
        order = [random.Random(1).choice((one, two)) for _ in range(1000)]
        expected = [(b"one",) if sql is one else (b"two",) for sql in order]
        counted = Counted(gateway)
        wire.send(*(query(sql) for sql in order))
        assert [rows(wire.until(b"Z")) for _ in order] == [[e] for e in expected]
        counted.expect(hits=1000, runs=0)
        wire.send(*(parse(sql) + bind() + execute() for sql in order), SYNC)
        got = wire.until(b"Z")
        assert rows(got) == expected and kinds(got) == "12DC" * 1000 + "Z"
        with db.pipeline():
            cursors = [db.execute(sql) for sql in order]
            assert [c.fetchone()[0].encode() for c in cursors] == [e[0] for e in expected]


def test_pgbench_reads_its_own_writes_simple_and_prepared(gateway):
    script = (r"\set n :n + 1" "\n" "UPDATE t SET v = :n WHERE id = :client_id + 1;\n"
              "SELECT v AS got FROM t WHERE id = :client_id + 1 \\gset\n"
              "SELECT v AS got FROM t WHERE id = :client_id + 1 \\gset again_\n"
              r"\set checked 1 / (case when :got = :n and :again_got = :n then 1 else 0 end)" "\n")
    for mode in ("simple", "prepared"):
        counted = Counted(gateway)
        done = pgbench(gateway.conninfo(), script, 3, 1, "-M", mode, "-D", "n=0")
        assert done.returncode == 0 and "aborted" not in done.stderr, done.stderr[-2000:]
        assert counted["hits"] > 0


# ---- what else an answer depends on ----

def test_users_do_not_get_each_others_answers(weir, tmp_path):
    """Hazard 11."""
    gateway = weir(config=f"databases: {{app: 'sqlite:{tmp_path}/app.db'}}\n"
                          "users: {al: {password: a}, bo: {password: b}}\n", settings=CALM)
    with gateway.connect(user="al", password="a") as al, \
            gateway.connect(user="bo", password="b") as bo:
        for _ in range(4):
            for sql in ("SELECT current_user", "SELECT current_user, 1 /* x */"):
                assert asker(al, sql)()[0][0] == "al" and asker(bo, sql)()[0][0] == "bo"
        counted = Counted(gateway)
        one, other = asker(al, "SELECT 17 AS n"), asker(bo, "SELECT 17 AS n")
        assert [one(), one(), one(), other()] == [[(17,)]] * 4
        counted.expect(hits=1)


def test_settings_that_change_the_bytes_are_part_of_the_question(gateway):
    """Hazard 10."""
    fill_types(gateway)
    with Wire(gateway) as wire, Wire(gateway) as plain:
        for setting in ("", "SET bytea_output = 'escape'", "SET extra_float_digits = 0",
                        "SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'Asia/Tokyo'", "RESET ALL"):
            wire.query(setting)
            for _ in range(3):
                for w in (wire, plain):
                    assert w.query(TYPES) == w.query(PAST + TYPES), setting


@pytest.mark.parametrize("sql", [
    "SELECT random() FROM t", "SELECT datetime('now')", "SELECT CURRENT_TIMESTAMP, v FROM t",
    "SELECT v FROM t ORDER BY random() LIMIT 1", "SELECT changes()", "SELECT last_insert_rowid()",
    "SELECT * FROM sqlite_master", "SELECT name FROM pragma_table_info('t')", "SELECT * FROM dice",
    "SELECT pg_backend_pid()", "PRAGMA user_version", "EXPLAIN QUERY PLAN SELECT * FROM t",
    "SELECT * FROM words", "SELECT hex(randomblob(4))", "SELECT * FROM clock",
])
def test_what_may_differ_without_a_change_is_not_kept(gateway, sql):
    """Hazard 12, also hidden in a view; virtual tables."""
    with gateway.connect() as db:
        db.execute("CREATE VIEW dice AS SELECT random() AS n, v FROM t")
        db.execute("CREATE VIRTUAL TABLE words USING fts5(w)")
        db.execute("CREATE VIEW clock AS SELECT date('now', id || ' days') FROM t")
        counted = Counted(gateway)
        for _ in range(4):
            db.execute(sql, prepare=False).fetchall()
        counted.expect(hits=0)


def test_now_in_a_parameter_is_not_kept(gateway):
    """Row 36 of the proofs."""
    with gateway.connect() as db:
        counted = Counted(gateway)
        for _ in range(5):
            db.execute("SELECT datetime(%s)", ("now",), prepare=True).fetchone()
            db.execute("SELECT date(v) FROM t WHERE id = %s", (1,), prepare=True).fetchone()
        counted.expect(hits=0)


# ---- hints ----

def test_a_hint_goes_past_the_cache(gateway):
    with gateway.connect() as db:
        warm(gateway, asker(db, "SELECT v FROM t WHERE id = 1"))
        ask = asker(db, "/* WEIR: NoCache */ SELECT v FROM t WHERE id = 1")
        counted = Counted(gateway)
        assert [ask() for _ in range(4)] == [[("one",)]] * 4
        counted.expect(hits=0, runs=4)


def test_a_declared_time_keeps_what_is_volatile_for_so_long(gateway):
    with gateway.connect() as db, gateway.connect(dbname="weir") as console:
        long = asker(db, "/* weir: cache ttl=1h tags=dice:a */ SELECT random()")
        warm(gateway, long)
        kept = long()
        assert [long() for _ in range(5)] == [kept] * 5
        console.execute("FLUSH CACHE PREFIX dice:")
        assert long() != kept
        short = asker(db, "/* weir: cache ttl=50ms */ SELECT random(), 2")
        values = set()
        wait_until(lambda: values.add(short()[0]) or len(values) > 4)
        warm(gateway, short)


def test_a_declared_time_keeps_no_write(gateway):
    with gateway.connect() as db:
        sql = "/* weir: cache ttl=1h */ INSERT INTO t(v) VALUES ('more') RETURNING id"
        ids = [asker(db, sql)()[0][0] for _ in range(4)]
        assert len(set(ids)) == 4


# ---- sizes and memory ----

def test_an_answer_that_is_too_large_is_streamed_and_not_kept(serve):
    """Hazard 15."""
    gateway = serve({"cache.entry_size": "64KiB"})
    big = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000) "
           "SELECT n, printf('%01000d', n) FROM s")
    expected = [(n, f"{n:01000}") for n in range(1, 3001)]
    with gateway.connect() as db:
        small = asker(db, "SELECT printf('%060000d', 7)")
        warm(gateway, small)
        kept = gauge(gateway, "weir_cache_entries")
        counted = Counted(gateway)
        for _ in range(3):
            assert asker(db, big)() == expected
            assert small() == [(f"{7:060000}",)]
        counted.expect(hits=3, runs=3)
        assert gauge(gateway, "weir_cache_entries") == kept
        assert gauge(gateway, "weir_cache_bytes") < 128 << 10


def test_a_small_cache_evicts_and_stays_right(serve):
    gateway = serve({"cache.memory": "1MiB"})
    draw = random.Random(5)
    with gateway.connect() as db, Wire(gateway) as wire:
        db.execute("CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT)")
        db.execute("WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999) "
                   "INSERT INTO kv SELECT n, printf('%01500d', n) FROM s")
        counted = Counted(gateway)
        for _ in range(3):
            keys = [int(1000 * draw.random() ** 3) for _ in range(1000)]
            wire.send(*(query(f"SELECT v FROM kv WHERE k = {k}") for k in keys))
            assert [rows(wire.until(b"Z")) for _ in keys] == [[(b"%01500d" % k,)] for k in keys]
        figures = counted.figures()
        assert figures["evictions"] > 0 and figures["hits"] > 500
        assert gauge(gateway, "weir_cache_bytes") <= 1 << 20


def test_a_small_memory_refuses_and_recovers(serve):
    """What is kept gives way or is not kept; a refused statement says so; nothing breaks."""
    gateway = serve({"memory.max": "16MiB", "sqlite.cache_size": "256KiB"})
    errors = []

    def client(i):
        with gateway.connect() as db:
            for n in range(12):
                size = 20_000 * (i + n + 1)
                try:
                    got = asker(db, f"SELECT printf('%0{size}d', {n})")()
                    if got != [(f"{n:0{size}}",)]:
                        errors.append(("wrong", size))
                except psycopg.Error as e:
                    if e.sqlstate not in ("53200", "53300"):
                        errors.append(e)
                    if db.closed:
                        return

    threads = [threading.Thread(target=client, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(50)
    assert not errors
    with gateway.connect() as db:
        ask = asker(db, "SELECT v FROM t WHERE id = 1")
        warm(gateway, ask)
        assert ask() == [("one",)]


def test_a_restart_begins_cold(weir, tmp_path):
    """Hazard 20: what was written in between is seen."""
    gateway = weir(f"sqlite:{tmp_path}/app.db", settings=CALM)
    fill(gateway)
    sql = "SELECT v FROM t WHERE id = 1"
    with gateway.connect() as db:
        warm(gateway, asker(db, sql))
    gateway.stop()
    other = sqlite3.connect(tmp_path / "app.db", timeout=20)
    with other:
        other.execute("UPDATE t SET v = 'meanwhile' WHERE id = 1")
    other.close()
    gateway.start()
    assert gauge(gateway, "weir_cache_entries") == 0
    with gateway.connect() as db:
        assert [asker(db, sql)() for _ in range(4)] == [[("meanwhile",)]] * 4


# ---- what is said of it ----

def told_by_cli(tmp_path, sql):
    done = subprocess.run([BINARY, "explain", sql, f"sqlite:{tmp_path}/app.db"], text=True,
                          capture_output=True, timeout=30, env=clean_environment())
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("cached"))
    return [lines[at][12:]] + [line[12:] for line in lines[at + 1:]
                               if line.startswith(("depends on", " " * 12))]


def verdict(line):
    """Yes or no, and the word for why not."""
    said = re.match(r"(?:cached: )?(yes|no)(?: \((\w+)\))?", line)
    return said.groups()


def test_explain_agrees_everywhere(gateway, tmp_path):
    with gateway.connect() as db, gateway.connect(dbname="weir") as console:
        db.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, tid INTEGER REFERENCES t)")
        for sql in ("SELECT v FROM t WHERE id = 1", "SELECT count(*) FROM t",
                    "SELECT * FROM t JOIN u ON u.tid = t.id WHERE t.id = 4", "SELECT random()",
                    "SELECT * FROM t LEFT JOIN u ON u.tid = t.id AND t.id = 1",
                    "DELETE FROM t", "SELECT * FROM sqlite_master", "SELECT 1"):
            ours = [line for (line,) in db.execute(f"EXPLAIN CACHE {sql}")]
            theirs = [line for (line,) in console.execute(f"EXPLAIN CACHE {sql}")]
            assert ours == theirs, sql
            offline = told_by_cli(tmp_path, sql)
            assert verdict(ours[0]) == verdict(offline[0]), (ours, offline)
            assert ours[1:] == offline[1:] or verdict(ours[0])[0] == "no", (ours, offline)
