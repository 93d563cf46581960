"""The cache in front of a PostgreSQL server that was set up for it: what is given without the
server, to whom, and what is never given."""

import contextlib
import threading
import time

import psycopg
import pytest

from followed import KEPT, SCHEMA, Front, following_server, front_of, is_followed, set_up
from support import Postgres, Wire, kinds, message, wait_until


@pytest.fixture(scope="module")
def server():
    with following_server() as postgres:
        yield postgres


@pytest.fixture
def front(weir, server):
    with front_of(weir, server) as f:
        yield f


def test_a_repeated_read_comes_from_memory_in_either_protocol(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        assert db.execute(KEPT.format(7)).fetchall() == [("v7",)]
        front.until_hit(lambda: db.execute("SELECT v FROM t WHERE id = %s", (8,)).fetchall())
        assert db.execute("SELECT v FROM t WHERE id = %s", (8,)).fetchall() == [("v8",)]
        front.until_hit(lambda: db.execute("SELECT v FROM t WHERE id = %s", (9,), binary=True))
        got = db.execute("SELECT v FROM t WHERE id = %s", (9,), binary=True).fetchall()
        assert got == [("v9",)]


def test_a_hit_needs_no_server_connection(front, weir):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        with front.gateway.connect() as holder, front.gateway.connect() as another:
            holder.execute("BEGIN")
            another.execute("BEGIN")
            assert front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())


def test_one_sees_what_one_wrote(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for i in range(20):
            db.execute(f"UPDATE t SET v = 'n{i}' WHERE id = 7")
            assert db.execute(KEPT.format(7)).fetchall() == [(f"n{i}",)]


def test_others_see_it_as_soon_as_it_is_told(front):
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: other.execute(KEPT.format(7)).fetchall())
        for i in range(20):
            with db.transaction():
                db.execute("UPDATE t SET v = %s WHERE id = 7", (f"n{i}",))
            assert other.execute(KEPT.format(7)).fetchall() == [(f"n{i}",)]


def test_a_transaction_that_was_lost_with_its_server_reads_nothing(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        db.execute("BEGIN")
        (pid,) = db.execute("SELECT pg_backend_pid()").fetchone()
        front.direct.execute("SELECT pg_terminate_backend(%s, 20000)", (pid,))
        for _ in range(2):
            with pytest.raises((psycopg.OperationalError, psycopg.errors.InFailedSqlTransaction)):
                db.execute(KEPT.format(7))
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            db.execute("SELECT v FROM t WHERE id = %s", (8,))
        db.execute("ROLLBACK")
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())


def test_a_write_to_another_row_leaves_an_answer_alone(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        # the first write of its kind is not understood yet, and forgets everything
        wait_until(lambda: (db.execute("UPDATE t SET v = v WHERE id = 100"),
                            front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()))[1])


def test_somebody_s_settings_leave_answers_alone(front):
    """Event triggers, ours too, run for changes of the schema and not for SET."""
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for sql in ["SET work_mem = '5MB'", "SET ROLE none", "RESET work_mem", "SHOW work_mem"]:
            other.execute(sql)
            assert front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()), sql


def test_who_writes_around_is_seen_within_the_bound(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for i in range(5):
            front.direct.execute(f"UPDATE t SET v = 'direct{i}' WHERE id = 7")
            wait_until(lambda: db.execute(KEPT.format(7)).fetchall() == [(f"direct{i}",)], 10)
            front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())


@pytest.mark.parametrize("write, read, then", [
    ("UPDATE watched SET v = 'b' WHERE id = 1", "SELECT count(*) FROM log", [(1,)]),
    ("DELETE FROM t WHERE id = 905", "SELECT count(*) FROM child WHERE id = 905", [(0,)]),
    ("UPDATE t SET id = 5907 WHERE id = 907", "SELECT t FROM child WHERE id = 907", [(5907,)]),
    ("WITH w AS (UPDATE t SET owner = 77 WHERE id = 7 RETURNING 1) SELECT * FROM w",
     "SELECT n FROM owners WHERE owner = 77", [(1,)]),
    ("SELECT poke(7)", KEPT.format(7), [("poked",)]),
    ("DO $$BEGIN UPDATE t SET v = 'done' WHERE id = 7; END$$", KEPT.format(7), [("done",)]),
    ("MERGE INTO t USING (VALUES (7)) s (i) ON t.id = s.i WHEN MATCHED THEN UPDATE SET v = 'm'",
     KEPT.format(7), [("m",)]),
    ("INSERT INTO t VALUES (7, 1, 'x') ON CONFLICT (id) DO UPDATE SET v = 'up'",
     KEPT.format(7), [("up",)]),
    ("TRUNCATE log", "SELECT count(*) FROM log", [(0,)]),
    ("TRUNCATE t CASCADE", KEPT.format(7), []),
    ("UPDATE t SET v = 'two' WHERE id = 7; UPDATE t SET v = 'three' WHERE id = 7",
     KEPT.format(7), [("three",)]),
    ("ALTER TABLE t ALTER v TYPE text USING 'altered'", KEPT.format(7), [("altered",)]),
])
def test_whatever_way_a_row_changes(front, write, read, then):
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: other.execute(read).fetchall())
        db.execute(write)
        assert other.execute(read).fetchall() == then


def test_copy_counts_as_a_write(front):
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: other.execute("SELECT count(*) FROM t").fetchall())
        with db.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write_row((5000, 1, "copied"))
        assert other.execute("SELECT count(*) FROM t").fetchall() == [(1001,)]


def test_what_was_rolled_back_is_never_given(front):
    with front.gateway.connect(autocommit=False) as db, front.gateway.connect() as other:
        front.until_hit(lambda: other.execute(KEPT.format(7)).fetchall())
        for _ in range(5):
            db.execute("UPDATE t SET v = 'dirty' WHERE id = 7")
            assert db.execute(KEPT.format(7)).fetchall() == [("dirty",)]
            assert other.execute(KEPT.format(7)).fetchall() == [("v7",)]
            db.rollback()
            assert db.execute(KEPT.format(7)).fetchall() == [("v7",)]
            db.rollback()


def test_a_refused_write_is_followed_by_a_fresh_read(front):
    """Get or create (proofs, row 26)."""
    with front.gateway.connect() as db:
        read = "SELECT v FROM t WHERE id = 2000"
        front.until_hit(lambda: db.execute(read).fetchall())
        front.direct.execute("INSERT INTO t VALUES (2000, 1, 'theirs')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute("INSERT INTO t VALUES (2000, 1, 'mine')")
        assert db.execute(read).fetchall() == [("theirs",)]


def test_two_phase_commits_count_when_they_end(weir):
    with Postgres(wal_level="logical", max_prepared_transactions="5") as own:
        with own.connect() as db:
            db.execute(SCHEMA)
        set_up(own, "postgres")
        gateway = weir(own.dsn("postgres"))
        gateway.connect().close()
        f = Front(gateway, own, "postgres")
        wait_until(lambda: is_followed(gateway))
        with gateway.connect() as db, gateway.connect() as other:
            f.until_hit(lambda: other.execute(KEPT.format(7)).fetchall())
            for statement in ("BEGIN", "UPDATE t SET v = 'p' WHERE id = 7",
                              "PREPARE TRANSACTION 'x'"):
                db.execute(statement)
            assert other.execute(KEPT.format(7)).fetchall() == [("v7",)]
            other.execute("COMMIT PREPARED 'x'")
            assert db.execute(KEPT.format(7)).fetchall() == [("p",)]
            assert other.execute(KEPT.format(7)).fetchall() == [("p",)]
        f.direct.close()


def test_inside_a_plain_transaction_reads_come_from_memory_until_it_does_more(front):
    with front.gateway.connect(autocommit=False) as db, front.gateway.connect() as other:
        front.until_hit(lambda: other.execute(KEPT.format(7)).fetchall())
        db.execute("SELECT 1 FROM t WHERE id = 3")
        db.rollback()
        front.until_hit(lambda: (db.execute(KEPT.format(7)), db.rollback()))
        db.execute("SELECT pg_advisory_xact_lock(5)")
        assert not front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        db.rollback()
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert not front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        db.rollback()


def test_names_mean_what_they_mean_to_the_session(front):
    read = "SELECT v FROM t WHERE id = 1"
    with front.gateway.connect() as one, front.gateway.connect() as two:
        two.execute("SET search_path = other")
        for db, value in ((one, "v1"), (two, "other")) * 3:
            front.until_hit(lambda: db.execute(read).fetchall())
            assert db.execute(read).fetchall() == [(value,)]
        one.execute("CREATE TEMP TABLE t AS SELECT 1 AS id, 'mine' AS v")
        assert one.execute(read).fetchall() == [("mine",)]
        assert two.execute(read).fetchall() == [("other",)]
        one.execute("DROP TABLE pg_temp.t")
        assert one.execute(read).fetchall() == [("v1",)]


def test_a_role_without_the_right_is_refused(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        front.direct.execute("REVOKE ALL ON t FROM PUBLIC")
        db.execute("SET ROLE reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(KEPT.format(7))
        db.execute("RESET ROLE")
        assert db.execute(KEPT.format(7)).fetchall() == [("v7",)]


def test_settings_that_show_in_bytes_part_answers(front):
    read = "SELECT '2024-02-01'::date FROM t WHERE id = 1"
    with front.gateway.connect() as one, front.gateway.connect() as two:
        two.execute("SET DateStyle = German")
        for _ in range(4):
            assert one.execute(f"SELECT ({read})::text").fetchall() == [("2024-02-01",)]
            assert two.execute(f"SELECT ({read})::text").fetchall() == [("01.02.2024",)]


@pytest.mark.parametrize("sql", [
    "SELECT now() FROM t WHERE id = 1", "SELECT random() FROM t WHERE id = 1",
    "SELECT v FROM t WHERE id = 1 FOR UPDATE", "SELECT count(*) FROM pg_class",
    "SELECT 'now'::timestamptz FROM t WHERE id = 1", "SELECT v FROM t TABLESAMPLE SYSTEM (50)",
    "/* weir: nocache */ SELECT v FROM t WHERE id = 1", "SELECT nextval('log_id_seq')",
    "SELECT jsonb_path_exists_tz('\"12:00:00\"', '$ ? (@.datetime() == "
    "\"12:00:00+01\".datetime())')",
])
def test_what_is_never_kept(front, sql):
    with front.gateway.connect() as db:
        for _ in range(3):
            assert not front.is_hit(lambda: db.execute(sql).fetchall())
            time.sleep(0.1)


def test_times_of_day_with_a_zone_inside_of_other_types_are_never_kept(front):
    """What '12:00' means for them depends on the day, where their zone has summer time."""
    with front.gateway.connect() as db:
        db.execute("CREATE DOMAIN tod AS timetz")
        db.execute("CREATE TABLE shifts (id int PRIMARY KEY, starts tod)")
        db.execute("CREATE TABLE plans (id int PRIMARY KEY, starts timetz[])")
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for read in ("SELECT id FROM shifts WHERE starts = '12:00'", "SELECT starts FROM plans",
                     "SELECT '12:00'::tod FROM t WHERE id = 1",
                     "SELECT '{12:00}'::timetz[] FROM t WHERE id = 1"):
            for _ in range(3):
                assert not front.is_hit(lambda read=read: db.execute(read).fetchall()), read
                time.sleep(0.05)


def test_row_level_security_ends_keeping(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        front.direct.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        wait_until(lambda: not front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()))
        time.sleep(1)
        for _ in range(3):
            assert not front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())


def test_a_batch_answered_here_leaves_the_statement_usable(front):
    """Parse of a name in a batch that was a hit: the server parses it when it is needed there."""
    text = b"SELECT v FROM t WHERE id = 7"
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute("SELECT v FROM t WHERE id = 7", prepare=True))
    with Wire(front.gateway) as w:
        batch = (message(b"P", b"s1\0" + text + b"\0\0\0"),
                 message(b"B", b"\0s1\0\0\0\0\0\0\0"), message(b"D", b"P\0"),
                 message(b"E", b"\0\0\0\0\0"), message(b"S"))
        w.send(*batch)
        assert kinds(w.until(b"Z")) == "12TDCZ"
        w.send(message(b"D", b"Ss1\0"), message(b"S"))
        assert kinds(w.until(b"Z")) == "tTZ"
        w.send(message(b"P", b"s1\0" + text + b"\0\0\0"), message(b"S"))
        assert kinds(w.until(b"Z")) == "EZ"  # 42P05: the name is taken
        w.send(message(b"B", b"\0s1\0\0\0\0\0\0\0"), message(b"E", b"\0\0\0\0\1"), message(b"S"))
        assert kinds(w.until(b"Z")) == "2DsZ"


def test_hits_in_a_pipeline_keep_their_order(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
    with Wire(front.gateway) as w:
        texts = [KEPT.format(7), "SELECT pg_sleep(0.05)", KEPT.format(7), "SELECT 1/0",
                 KEPT.format(7)]
        w.send(*(message(b"Q", t.encode() + b"\0") for t in texts))
        got = [kinds(w.until(b"Z")) for _ in texts]
        assert got == ["TDCZ", "TDCZ", "TDCZ", "EZ", "TDCZ"]


def test_who_does_not_read_hits_gets_no_more_of_them(front):
    """The gateway's memory stays small however many are asked for."""
    front.direct.execute("INSERT INTO t VALUES (3000, 1, repeat('x', 200000))")
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(3000)).fetchall())
    with Wire(front.gateway) as w:
        one = message(b"Q", KEPT.format(3000).encode() + b"\0")
        sender = threading.Thread(target=lambda: w.socket.sendall(one * 2000), daemon=True)
        sender.start()
        time.sleep(1)
        with open(f"/proc/{front.gateway.pid}/statm") as file:
            pages = int(file.read().split()[1])
        assert pages * 4096 < 700 << 20  # 2000 answers are 400 MB; a sanitizer's own share is large
        for _ in range(2000):
            assert kinds(w.until(b"Z")) == "TDCZ"
        sender.join(20)


def test_the_stream_lost_means_the_cache_is_not_used_until_it_is_back(front):
    with front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        for i in range(3):
            front.direct.execute("SELECT pg_terminate_backend(active_pid) FROM "
                                 "pg_replication_slots WHERE active_pid IS NOT NULL")
            front.direct.execute(f"UPDATE t SET v = 'gap{i}' WHERE id = 7")
            wait_until(lambda: db.execute(KEPT.format(7)).fetchall() == [(f"gap{i}",)], 10)
            front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
            assert db.execute(KEPT.format(7)).fetchall() == [(f"gap{i}",)]


def test_without_a_stream_only_declared_times_count(weir, server):
    with server.connect() as db:
        db.execute("CREATE DATABASE unfollowed STRATEGY file_copy")
    with server.connect("unfollowed") as db:
        db.execute(SCHEMA)
    gateway = weir(server.dsn("unfollowed"), config="""
cache:
  rules:
    - table: "*watched*"
      ttl: 1m
""")
    f = Front(gateway, server, "unfollowed")
    with gateway.connect() as db:
        f.until_hit(lambda: db.execute("SELECT v FROM watched WHERE id = 1").fetchall())
        for _ in range(3):
            assert not f.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        db.execute("UPDATE watched SET v = 'z' WHERE id = 1")  # our own writes count at once
        assert db.execute("SELECT v FROM watched WHERE id = 1").fetchall() == [("z",)]
    f.direct.close()


def test_explain_cache_on_the_clients_own_connection(front):
    def said(db, sql):
        return "\n".join(line for (line,) in db.execute(f"EXPLAIN CACHE {sql}").fetchall())
    with front.gateway.connect(prepare_threshold=None) as db:
        wait_until(lambda: "public.t: rows with id = " in said(db, KEPT.format(7)))
        assert "cached: yes" in said(db, "SELECT v FROM t WHERE id = 7")
        db.execute("SET search_path = other")
        assert "other.t: rows with id = " in said(db, "SELECT v FROM t WHERE id = 7")
        assert "cached: no" in said(db, "SELECT now()")
        assert "cached: no" in said(db, "SELECT FROM")


# ---- waiting for somebody else's answer ----

@contextlib.contextmanager
def one_fetches(front, read):
    """Somebody runs it, and does not get on."""
    with front.gateway.connect() as leader, front.server.connect(front.name) as looks:
        with front.direct.transaction():
            front.direct.execute("LOCK TABLE t")
            thread = threading.Thread(target=lambda: leader.execute(read).fetchall())
            thread.start()
            wait_until(lambda: looks.execute("SELECT count(*) FROM pg_stat_activity WHERE "
                                             "wait_event_type = 'Lock'").fetchone()[0])
            yield
        thread.join()


def test_who_waits_for_an_answer_waits_no_longer_than_its_statement_may_take(weir, server):
    with front_of(weir, server, **{"cache.flight_wait": "60s", "cache.bound": "60s"}) as front, \
            front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        began = time.monotonic()
        db.execute("SET statement_timeout = '400ms'")
        with one_fetches(front, KEPT.format(8)):
            with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
                db.execute(KEPT.format(8))
            assert db.execute(KEPT.format(7)).fetchone() == ("v7",)
            db.execute("BEGIN")
            with pytest.raises(psycopg.errors.QueryCanceled):
                db.execute(KEPT.format(8))
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                db.execute(KEPT.format(7))
            db.execute("ROLLBACK")
        assert time.monotonic() - began < 50
        assert db.execute(KEPT.format(8)).fetchone() == ("v8",)


def test_what_was_waited_is_not_given_once_more_at_the_server(weir, server):
    with front_of(weir, server, **{"cache.flight_wait": "1s", "cache.bound": "60s"}) as front, \
            front.gateway.connect() as db:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        db.execute("SET statement_timeout = '3s'")
        with one_fetches(front, KEPT.format(8)):  # the server's own timeout would come after 4 s
            with pytest.raises(psycopg.errors.QueryCanceled, match="user request"):
                db.execute(KEPT.format(8))
        assert db.execute(KEPT.format(8)).fetchone() == ("v8",)


# ---- the first use ever of a statement that writes ----

def test_the_first_write_of_its_kind_forgets_no_more_than_the_next(front):
    """What it touches is found out before it is sent; here not even its words are known."""
    with front.gateway.connect() as db, front.gateway.connect() as other:
        front.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        front.until_hit(lambda: db.execute(KEPT.format(8)).fetchall())
        wait_until(lambda: (db.execute("UPDATE t SET v = v WHERE id = 100"),  # its key is followed
                            front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()))[1])
        for n, write in enumerate((
                "UPDATE t SET v = 'first' WHERE id = 8", "UPDATE t SET owner = 2 WHERE id = %s",
                "DELETE FROM t WHERE id = 9 AND owner < 100", "INSERT INTO t VALUES (2001, 1, 'x')",
                "INSERT INTO t (id, v) VALUES (%s, 'y') ON CONFLICT (id) DO NOTHING")):
            other.execute(write, (100 + n,) if "%s" in write else None, prepare=n % 2 == 0)
            assert front.is_hit(lambda: db.execute(KEPT.format(7)).fetchall()), write
        assert db.execute(KEPT.format(8)).fetchall() == [("first",)]
