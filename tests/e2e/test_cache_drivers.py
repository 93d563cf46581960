"""What PostgreSQL drivers send, and which of it the cache answers: docs/cache.md has the table."""

import asyncio
import contextlib
import struct
import time

import asyncpg
import psycopg
import psycopg2
import pytest

from cached import SYNC, bind, describe, describe_statement, execute, parse, query
from followed import KEPT, following_server, front_of
from support import Wire, error_fields, kinds, message, wait_until

READ = "SELECT v FROM t WHERE id = $1"
FLUSH = message(b"H")


@pytest.fixture(scope="module")
def server():
    with following_server() as postgres:
        yield postgres


@pytest.fixture
def front(weir, server):
    with front_of(weir, server) as f:
        yield f


@pytest.fixture
def narrow(weir, server):
    """It has one connection to the server: while that is in use, nothing else gets there."""
    with front_of(weir, server, **{"pool.max_size": "1", "catalog.poll": "60s",
                                   "pool.acquire_timeout": "1s"}) as f:
        yield f


@contextlib.contextmanager
def without_server(front):
    with front.gateway.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        yield


class Address:
    """A server for Wire."""

    def __init__(self, front):
        self.address = ("127.0.0.1", front.server.port)


def directly(front):
    return Wire(Address(front), user="postgres", database=front.name)


def send(wire, shape, readies):
    """Sends parts; behind a Flush it waits for what comes up to a description or an answer."""
    got = []
    for part in shape:
        wire.send(part)
        if part.endswith(FLUSH):
            got += wire.until(b"T")
    while sum(m[0] == b"Z" for m in got) < readies:
        got += wire.until(b"Z")
    return got


def count(front, run):
    before = front.hits()
    run()
    return front.hits() - before


def run_on(gateway, shape, readies):
    with Wire(gateway) as w:
        return send(w, shape, readies)


def warm(front, batch, answers=1):
    wait_until(lambda: count(front, lambda: run_on(front.gateway, [batch], 1)) == answers)


def step_by_step(wire, shape):
    got = []
    for part in shape:
        wire.send(part)
        got += fields(wire.until(b"Z"))
    return got


# what is sent (one part: one write), how many answers it holds
SHAPES = {
    "Query": ([query(KEPT.format(7))], 1),
    "Query of several SELECTs":
        ([query(KEPT.format(7) + "; " + KEPT.format(8) + ";" + KEPT.format(9))], 3),
    "libpq: PQexecParams":
        ([parse(READ) + bind([b"7"]) + describe() + execute() + SYNC], 1),
    "libpq: pipeline":
        ([b"".join(parse(READ) + bind([i]) + describe() + execute() for i in (b"7", b"8", b"9"))
          + SYNC], 3),
    "libpq: pipeline of several Syncs":
        ([b"".join(parse(READ) + bind([i]) + describe() + execute() + SYNC
                   for i in (b"7", b"8", b"9"))], 3),
    "asyncpg: fetch":
        ([parse(READ, b"s1") + describe_statement(b"s1") + FLUSH,
          bind([b"7"], name=b"s1") + execute() + SYNC], 1),
    "asyncpg: fetchrow":
        ([parse(READ, b"s1") + describe_statement(b"s1") + FLUSH,
          bind([b"7"], name=b"s1") + execute(1) + SYNC], 1),
    "node-postgres: named":
        ([parse(READ, b"n") + bind([b"7"], name=b"n") + describe() + execute() + SYNC,
          bind([b"8"], name=b"n") + describe() + execute() + SYNC], 2),
    "pgx: prepare, then run in binary":
        ([parse(READ, b"p") + describe_statement(b"p") + SYNC,
          bind([b"7"], 1, b"p") + describe() + execute() + SYNC], 1),
    "pgx: a batch":
        ([parse(READ, b"p") + describe_statement(b"p") + SYNC,
          b"".join(bind([i], 1, b"p") + describe() + execute() for i in (b"7", b"8")) + SYNC], 2),
    "sqlx: one row":
        ([parse(READ, b"x") + describe_statement(b"x") + SYNC,
          bind([b"7"], 1, b"x") + execute(1) + message(b"C", b"P\0") + SYNC], 1),
    "pgjdbc: the first executions":
        ([parse(READ) + bind([b"7"]) + describe() + execute() + SYNC], 1),
    "pgjdbc: types not known":
        ([parse(READ, b"S_1") + describe_statement(b"S_1") + bind([b"7"], name=b"S_1") + execute()
          + SYNC], 1),
    "pgjdbc: prepared":
        ([parse(READ, b"S_1") + bind([b"7"], name=b"S_1") + describe() + execute() + SYNC,
          bind([b"7"], name=b"S_1") + execute() + SYNC], 2),
}
READIES = {"libpq: pipeline of several Syncs": 3, "node-postgres: named": 2,
           "pgx: prepare, then run in binary": 2, "pgx: a batch": 2, "sqlx: one row": 2,
           "pgjdbc: prepared": 2}


def fields(messages):
    """Without what differs from connection to connection."""
    return [m for m in messages if m[0] != b"S"]


@pytest.mark.seconds(120)
def test_shapes_are_answered_without_the_server_in_its_very_bytes(narrow):
    for name, (shape, answers) in SHAPES.items():
        readies = READIES.get(name, 1)

        def run(shape=shape, readies=readies):
            return run_on(narrow.gateway, shape, readies)
        wait_until(lambda run=run, n=answers: count(narrow, run) == n)
        with without_server(narrow):
            got = run()
            assert count(narrow, run) == answers, name
        with directly(narrow) as w:
            assert fields(got) == fields(send(w, shape, readies)), name


TRANSACTIONS = {
    "asyncpg: fetchrow, then fetch":
        ([query("BEGIN;"), parse(READ) + bind([b"7"]) + execute(1) + SYNC,
          parse(READ) + bind([b"7"]) + execute() + SYNC], 1),
    "pgjdbc: BEGIN in the same batch":
        ([parse("BEGIN") + bind() + execute() + parse(READ) + bind([b"7"]) + describe() + execute()
          + SYNC], 1),
    "Query: BEGIN and a read, then a read":
        ([query("BEGIN; " + KEPT.format(7)), query(KEPT.format(7))], 1),
    "psycopg: levels said":
        ([query("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"), query(KEPT.format(7))], 1),
    "START TRANSACTION READ ONLY":
        ([query("START TRANSACTION READ ONLY"), query(KEPT.format(7))], 1),
    "Django: atomic within atomic":
        ([query("BEGIN"), query("SAVEPOINT a"), query(KEPT.format(7)), query("RELEASE SAVEPOINT a"),
          query(KEPT.format(7))], 2),
}


@pytest.mark.seconds(120)
def test_reads_behind_what_the_server_runs_are_answered_here(front):
    warm(front, query(KEPT.format(7)))
    for name, (shape, hits) in TRANSACTIONS.items():

        def story(shape=shape):
            return run_on_steps(front, shape)
        wait_until(lambda story=story, n=hits: count(front, story) >= n)
        with directly(front) as w:
            assert story() == step_by_step(w, shape), name


def run_on_steps(front, shape):
    with Wire(front.gateway) as w:
        return step_by_step(w, shape)


def test_a_miss_and_a_hit_in_one_batch_come_in_their_order(front):
    hit = parse(READ) + bind([b"7"]) + describe() + execute()
    warm(front, hit + SYNC)
    with Wire(front.gateway) as w, directly(front) as d:
        w.send(parse("SELECT owner FROM t WHERE id = $1") + bind([b"7"]) + execute() + SYNC)
        w.until(b"Z")
        for i in range(20, 60):
            miss = parse("SELECT owner FROM t WHERE id = $1") + bind([b"%d" % i]) + execute()
            batch = hit + miss + hit + miss + hit + SYNC
            for x in (w, d):
                x.send(batch)
            got = w.until(b"Z")
            assert got == d.until(b"Z")
        assert count(front, lambda: (w.send(batch), w.until(b"Z"))) == 5


# ---- what must not be taken for it ----

def test_a_read_behind_a_write_of_its_batch_sees_it(front):
    warm(front, parse(READ) + bind([b"7"]) + execute() + SYNC)
    write = "UPDATE t SET v = $1 WHERE id = 7"
    with Wire(front.gateway) as w:
        for i in range(5):
            w.send(parse(write) + bind([b"n%d" % i]) + execute() + parse(READ) + bind([b"7"])
                   + execute() + SYNC)
            assert (b"D", b"\0\1\0\0\0\2n%d" % i) in w.until(b"Z")


def test_an_error_swallows_the_rest_of_its_batch(front):
    read = parse(READ) + bind([b"7"]) + describe() + execute()
    warm(front, read + SYNC)
    with Wire(front.gateway) as w:
        for _ in range(3):
            w.send(parse("SELECT 1 / (id - id) FROM t WHERE id = 3") + bind() + execute() + read
                   + SYNC)
            assert kinds(w.until(b"Z")) == "12EZ"
            w.send(parse("SELECT FROM WHERE") + read + SYNC)
            assert kinds(w.until(b"Z")) == "EZ"
            w.send(read + parse("SELECT FROM WHERE") + read + SYNC)
            assert kinds(w.until(b"Z")) == "12TDCEZ"
            w.send(read + SYNC)
            assert kinds(w.until(b"Z")) == "12TDCZ"


def test_a_statement_prepared_behind_an_error_of_its_batch_can_be_prepared_again(front):
    """It was known here, and yet never made: the error before it swallowed it."""
    warm(front, parse(READ) + bind([b"7"]) + describe() + execute() + SYNC)
    known = parse(READ, b"known") + describe_statement(b"known")
    with Wire(front.gateway) as w:
        w.send(known + SYNC)
        w.until(b"Z")
    with Wire(front.gateway) as w:
        for _ in range(2):
            w.send(parse("SELECT * FROM missing", b"bad") + describe_statement(b"bad") + known
                   + SYNC)
            assert kinds(w.until(b"Z")) == "EZ"
        w.send(known + SYNC)
        assert kinds(w.until(b"Z")) == "1tTZ"


def test_another_portal_than_the_newest_may_be_a_write(front):
    """BEGIN is bound behind it, and not what is executed."""
    read = parse(READ) + bind([b"7"]) + execute()
    warm(front, read + SYNC)
    with Wire(front.gateway) as w:
        w.send(parse("BEGIN") + bind() + execute() + SYNC)
        w.until(b"Z")
        w.send(parse("UPDATE t SET v = 'mine' WHERE id = 7", b"u") + bind(name=b"u", portal=b"p")
               + parse("SAVEPOINT a", b"s") + bind(name=b"s") + execute(portal=b"p") + read + SYNC)
        assert (b"D", b"\0\1\0\0\0\4mine") in w.until(b"Z")
        w.send(parse("UPDATE t SET v = 'more' WHERE id = 7") + bind() + bind(name=b"s", portal=b"q")
               + execute() + read + SYNC)
        assert (b"D", b"\0\1\0\0\0\4more") in w.until(b"Z")
        w.query("ROLLBACK")


def test_a_portal_that_was_answered_here_has_come_to_its_end(front):
    run = bind([b"7"], name=b"s") + execute()
    with Wire(front.gateway) as w, directly(front) as d:
        for x in (w, d):
            x.send(parse(READ, b"s") + SYNC)
            x.until(b"Z")
        wait_until(lambda: count(front, lambda: (w.send(run + SYNC), w.until(b"Z"))) == 1)
        w.query("BEGIN")
        d.query("BEGIN")
        for x in (w, d):
            x.send(run + execute() + SYNC)
        assert w.until(b"Z") == d.until(b"Z")
        for x in (w, d):
            x.send(run + SYNC)
            x.until(b"Z")
            x.send(describe() + execute() + SYNC)
        assert w.until(b"Z") == d.until(b"Z")


def test_the_rest_of_a_limited_answer_can_be_asked_for(front):
    three = "SELECT id FROM t WHERE owner = 3 ORDER BY id"
    limited = parse(three) + bind() + execute(2)
    warm(front, limited + SYNC)
    for shape in ([query("BEGIN"), limited + SYNC, execute(3) + SYNC, execute() + SYNC],
                  [query("BEGIN"), limited + execute(1) + describe() + SYNC],
                  [limited + describe() + execute(96) + execute(1) + execute(1) + SYNC]):
        with directly(front) as w:
            assert run_on_steps(front, shape) == step_by_step(w, shape)


def test_the_rest_of_a_limited_answer_is_of_the_moment_of_its_beginning(front):
    three = "SELECT id FROM t WHERE owner = 3 ORDER BY id"
    some, all_of_them = (parse(three) + bind() + execute(n) for n in (2, 2000))
    warm(front, some + SYNC)
    warm(front, all_of_them + SYNC)
    with Wire(front.gateway) as w:
        for batch, more in ((some, 98), (all_of_them, 0)):
            w.query("BEGIN")
            w.send(batch + SYNC)
            began = rows_of(w.until(b"Z"))
            front.direct.execute("DELETE FROM t WHERE id = 13; "
                                 "INSERT INTO t VALUES (0, 3, 'first'), (5000, 3, 'last')")
            w.send(execute() + SYNC)
            rest = rows_of(w.until(b"Z"))
            assert len(rest) == more and [row(i) for i in range(3, 1000, 10)] == began + rest
            w.query("COMMIT")
            front.direct.execute("DELETE FROM t WHERE id IN (0, 5000); "
                                 "INSERT INTO t VALUES (13, 3, 'v13')")
            wait_until(lambda: count(front, lambda: run_on(front.gateway, [all_of_them + SYNC], 1)))


def row(i):
    """Of one column."""
    return struct.pack("!HI", 1, len(str(i))) + str(i).encode()


def test_repeatable_read_is_never_answered_here(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
    for begin in ("BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN READ ONLY, ISOLATION LEVEL "
                  "SERIALIZABLE, DEFERRABLE", "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE "
                  "READ"):
        with Wire(front.gateway) as w:
            w.query(begin)
            assert count(front, lambda: w.query(KEPT.format(7))) == 0
            w.query("COMMIT")


# ---- descriptions and changes of the schema ----

def described(wire, text, name=b"d"):
    wire.send(parse(text, name) + describe_statement(name) + SYNC)
    return wire.until(b"Z")


def test_a_described_statement_is_given_again_after_a_change_elsewhere(front):
    run = bind([b"7"], name=b"d") + execute() + SYNC
    with Wire(front.gateway) as w:
        described(w, READ)
        once = lambda: (w.send(run), w.until(b"Z"))  # noqa: E731
        wait_until(lambda: count(front, once) == 1)
        w.query("CREATE TABLE elsewhere (i int)")
        wait_until(lambda: count(front, once) == 1)
        w.send(run)
        assert kinds(w.until(b"Z")) == "2DCZ"


def test_a_described_statement_whose_rows_look_otherwise_fails_as_the_servers(front):
    run = bind([b"7"], name=b"d") + execute() + SYNC
    text = "SELECT * FROM t WHERE id = $1"
    with Wire(front.gateway) as w, Wire(front.gateway) as other, directly(front) as d:
        once = lambda x: (x.send(run), x.until(b"Z"))[1]  # noqa: E731
        for x in (w, d):
            described(x, text)
        wait_until(lambda: count(front, lambda: once(w)) == 1)
        other.query("ALTER TABLE t ADD more int DEFAULT 5")
        described(other, text)
        wait_until(lambda: count(front, lambda: once(other)) == 1)
        for _ in range(3):
            got, expected = error_fields(once(w)), error_fields(once(d))
            assert got["C"] == expected["C"] == "0A000" and got["M"] == expected["M"]
        assert b"\0\0\0\1\x35" in rows_of(once(other))[0]  # the new column


def rows_of(messages):
    return [body for kind, body in messages if kind == b"D"]


@pytest.mark.seconds(150)
def test_rows_are_as_described_from_memory_or_it_is_an_error(narrow):
    """Others change the table: what was shown from memory does not hold any more."""
    text = "SELECT * FROM t WHERE id = $1 AND owner < 100"
    for i in range(2):
        wait_until(lambda: from_memory(narrow, text), 60)
        with Wire(narrow.gateway) as w:
            narrow.direct.execute(f"ALTER TABLE t ADD c{i} int")
            shown = described(w, text)
            columns = struct.unpack("!H", dict(shown)[b"T"][:2])[0]
            w.send(bind([b"%d" % (i + 20)], name=b"d") + execute() + SYNC)
            got = w.until(b"Z")
            if kinds(got) == "EZ":
                assert error_fields(got)["C"] == "0A000"
            else:
                assert struct.unpack("!H", rows_of(got)[0][:2])[0] == columns


def from_memory(front, text):
    with Wire(front.gateway) as w:
        described(w, text)
    with without_server(front), Wire(front.gateway) as w:
        return kinds(described(w, text)) == "1tTZ"


def test_a_known_write_forgets_only_its_rows_after_a_change_of_the_schema(front):
    write = "UPDATE t SET v = v WHERE id = 100"
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        wait_until(lambda: (db.execute(write),
                            front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()))[1])
        for i, pause in enumerate((0.3, 1, 3, 8)):
            db.execute(f"CREATE TABLE fresh{i} (i int)")
            front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
            front.until_hit(lambda: db.execute("SELECT v FROM t WHERE id = %s", (8,)).fetchall())
            time.sleep(pause)  # what was known is analysed anew in the background
            db.execute(write)
            if front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()):
                break
        else:
            pytest.fail("the write was not known again, however long one waits")


def test_a_temporary_table_forgets_nothing(front):
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for text in ("CREATE TEMP TABLE a (id int)",
                     "CREATE TEMPORARY TABLE b AS SELECT * FROM t WHERE id < 10",
                     "create local temp table c (like t) on commit drop"):
            other.execute(text)
            assert front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        other.execute("CREATE TEMP TABLE t (id int, v text)")
        assert other.execute(KEPT.format(7)).fetchall() == []
        assert db.execute(KEPT.format(7)).fetchall() == [("v7",)]


@pytest.mark.parametrize("extended", [False, True])
def test_what_is_written_to_a_temporary_table_forgets_nothing(front, extended):
    read = KEPT.format(7)
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: db.execute(read).fetchall())
        for begin, end in (([], []), (["BEGIN"], ["COMMIT"])):
            for text in (*begin, "CREATE TEMP TABLE stage (id int, v text)",
                         "INSERT INTO stage VALUES (1, 'a')", "INSERT INTO pg_temp.Stage "
                         "SELECT id, v FROM t", "UPDATE stage SET v = 'b' WHERE id < 10",
                         "DELETE FROM stage WHERE id = 1", "TRUNCATE TABLE stage", *end,
                         "DROP TABLE stage"):
                other.execute(text, binary=extended)
                assert front.is_hit(lambda: db.execute(read).fetchall()), text


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("before, write", [
    ("ROLLBACK", "INSERT INTO stage VALUES (7)"),
    ("DROP TABLE stage", "INSERT INTO stage VALUES (7)"),
    ("DISCARD TEMP", "INSERT INTO stage VALUES (7)"),
    ("SELECT 1", "WITH w AS (UPDATE t SET v = 'poked' WHERE id = 7) INSERT INTO stage VALUES (7)"),
    ("SELECT 1", "INSERT INTO stage SELECT poke(7)"),
    ("CREATE TRIGGER p AFTER INSERT ON stage EXECUTE FUNCTION poke_7()",
     "INSERT INTO stage VALUES (7)"),
    ("SELECT 1", "INSERT INTO public.stage VALUES (7)"),
])
def test_what_looks_like_a_write_to_a_temporary_table_may_not_be(front, before, write, extended):
    """A permanent one of the same name writes into another."""
    front.direct.execute("""
        CREATE FUNCTION poke_7() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN PERFORM poke(7); RETURN NULL; END$$;
        CREATE TABLE stage (id int);
        CREATE TRIGGER p AFTER INSERT ON stage EXECUTE FUNCTION poke_7()""")
    read = KEPT.format(7)
    with front.gateway.connect() as db, front.gateway.connect() as other:
        other.execute("BEGIN")
        other.execute("CREATE TEMP TABLE stage (id int)")
        other.execute("INSERT INTO stage VALUES (1)")
        if before != "ROLLBACK":
            other.execute("COMMIT")
        front.until_hit(lambda: db.execute(read).fetchall())
        other.execute(before, binary=extended)
        other.execute(write, binary=extended)
        assert db.execute(read).fetchall() == [("poked",)]


@pytest.mark.parametrize("text", [
    "CREATE TEMP TABLE x AS SELECT poke(7)",
    "CREATE TEMP TABLE x AS WITH w AS (UPDATE t SET v = 'poked' WHERE id = 7 RETURNING 1) "
    "SELECT * FROM w",
    "CREATE TEMP TABLE x (i int); UPDATE t SET v = 'poked' WHERE id = 7",
])
def test_what_fills_a_temporary_table_may_write(front, text):
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        with contextlib.suppress(psycopg.errors.FeatureNotSupported):
            other.execute(text)
        (expected,) = front.direct.execute(KEPT.format(7)).fetchall()
        assert db.execute(KEPT.format(7)).fetchall() == [expected]


# ---- rows of several keys ----

@pytest.mark.parametrize("write", [
    "INSERT INTO t VALUES (2001, 1, 'new'), (2002, 2, 'new')",
    "INSERT INTO t (id, owner, v) VALUES (2001, 1, 'new'), (2002, 2, 'new') "
    "ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    "INSERT INTO t (id, owner, v) VALUES (2001, 1, 'new'), (2002, 2, 'new') ON CONFLICT DO NOTHING",
])
def test_rows_inserted_at_once_are_told_by_their_keys(front, write):
    with front.gateway.connect() as db:
        for i in (7, 2001, 2002):
            front.until_hit(lambda i=i: db.execute(KEPT.format(i)).fetchall())

        def leaves_alone():
            front.direct.execute("DELETE FROM t WHERE id IN (2001, 2002)")
            wait_until(lambda: db.execute(KEPT.format(2002)).fetchall() == [], 10)
            front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
            db.execute(write)
            assert db.execute(KEPT.format(2001)).fetchall() == [("new",)]
            assert db.execute(KEPT.format(2002)).fetchall() == [("new",)]
            return front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        wait_until(leaves_alone)


# ---- the drivers themselves ----

def test_psycopg_however_it_runs_a_query(front):
    read = "SELECT v FROM t WHERE id = %s"
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(read, (7,)).fetchall())
        for _ in range(8):  # prepared from the fifth on
            db.execute(read, (7,))
        front.until_hit(lambda: db.execute(read, (7,)).fetchall())

        def pipelined():
            with db.pipeline():
                return [db.execute(read, (i,)) for i in (7, 8, 9)]
        wait_until(lambda: count(front, pipelined) == 3)
        assert [c.fetchall() for c in pipelined()] == [[("v7",)], [("v8",)], [("v9",)]]


@pytest.mark.parametrize("level, read_only", [
    (None, None), (psycopg.IsolationLevel.READ_COMMITTED, True), (None, True)])
def test_psycopg_in_its_own_transactions(front, level, read_only):
    with front.gateway.connect(autocommit=False) as db:
        db.isolation_level, db.read_only = level, read_only

        def story():
            db.execute(KEPT.format(7)).fetchall()
            with db.transaction():
                db.execute(KEPT.format(8)).fetchall()
            db.execute(KEPT.format(7)).fetchall()
            db.commit()
        wait_until(lambda: count(front, story) == 3)


def test_psycopg2_as_it_is(front):
    db = psycopg2.connect(front.gateway.conninfo())
    cursor = db.cursor()

    def story():
        cursor.execute("SELECT v FROM t WHERE id = %s", (7,))
        assert cursor.fetchall() == [("v7",)]
        cursor.execute("SELECT v FROM t WHERE id = %s", (8,))
        db.rollback()
    wait_until(lambda: count(front, story) == 2)
    db.set_session(readonly=True, autocommit=True)
    db.close()


def test_asyncpg_as_it_is(front):
    async def story():
        db = await asyncpg.connect(**front.gateway.asyncpg())

        async def hits_of(ask):
            before = front.hits()
            await ask()
            return front.hits() - before

        async def until_hit(ask):
            for _ in range(200):
                if await hits_of(ask) > 0:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("never a hit")
        await until_hit(lambda: db.fetch(READ, 7))
        await until_hit(lambda: db.fetchval(READ, 7))
        await until_hit(lambda: db.fetchrow(READ, 7))
        assert await db.fetchval(READ, 7) == "v7"

        async def inside():
            async with db.transaction(isolation="read_committed", readonly=True):
                assert await db.fetchval(READ, 7) == "v7"  # could be gone on with: the server's
                assert [tuple(r) for r in await db.fetch(READ, 7)] == [("v7",)]
        await until_hit(inside)
        statement = await db.prepare("SELECT id, owner FROM t WHERE id = $1")
        await until_hit(lambda: statement.fetch(9))
        assert [tuple(r) for r in await statement.fetch(9)] == [(9, 9)]
        await db.execute("UPDATE t SET v = 'new' WHERE id = 7")
        assert await db.fetchval(READ, 7) == "new"
        await db.close()
    asyncio.run(asyncio.wait_for(story(), 50))
