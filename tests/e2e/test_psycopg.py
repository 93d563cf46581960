"""psycopg as it is: types, prepared statements, pipelines, transactions, large results, cancel."""

import concurrent.futures
import datetime
import decimal
import threading
import time

import psycopg
import pytest


def test_types_and_nulls(served):
    if served.sqlite:
        table = """CREATE TABLE t (i BIGINT, r REAL, s TEXT, b BLOB, d DATE, ts TIMESTAMP,
                                   y BOOLEAN)"""
    else:
        table = """CREATE TABLE t (i bigint, r double precision, s text, b bytea, d date,
                                   ts timestamp, y boolean)"""
    row = (2**62, 0.1, "h\u00e9llo", b"\0\xff\x01", datetime.date(2024, 2, 29),
           datetime.datetime(2024, 2, 29, 23, 59, 59, 123456), True)
    nothing = (None,) * 7
    with served.weir.connect() as db:
        db.execute(table)
        for values in (row, nothing):
            db.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", values)
        for binary in (False, True):
            got = db.execute("SELECT i, r, s, b, d, ts, y FROM t ORDER BY i IS NULL",
                             binary=binary).fetchall()
            assert got == [row, nothing]


def test_parameters_in_binary(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (i BIGINT, r DOUBLE PRECISION, s TEXT)")
        db.execute("INSERT INTO t VALUES (%b, %b, %b)", (-5, 2.5, "x"))
        assert db.execute("SELECT i, r, s FROM t WHERE i = %b", (-5,)).fetchone() == (-5, 2.5, "x")


def test_numeric_is_exact(served):
    with served.weir.connect() as db:
        value = decimal.Decimal("12345678901234567890.123456789")
        assert db.execute("SELECT %s::numeric", (value,)).fetchone() == (value,)


def test_statements_are_prepared_and_reused(served):
    with served.weir.connect(prepare_threshold=0) as db:
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        for i in range(200):
            db.execute("INSERT INTO t VALUES (%s, %s)", (i, str(i)))
        for i in range(200):
            assert db.execute("SELECT b FROM t WHERE a = %s", (i,)).fetchone() == (str(i),)


def test_prepared_statements_of_many_clients_do_not_mix(serve):
    served = serve({"pool.max_size": 3, "pool.min_size": 1})
    connections = [served.weir.connect(prepare_threshold=0) for _ in range(12)]
    for turn in range(30):  # the clients' names are the same (_pg3_0, ...), their texts are not
        for n, db in enumerate(connections):
            cast = "CAST(%s AS INTEGER)" if served.sqlite else "%s::int8"
            sql = f"SELECT {cast} + {n}"
            assert db.execute(sql, (turn,)).fetchone() == (turn + n,)
    for db in connections:
        db.close()


def test_more_prepared_statements_than_a_server_keeps(serve):
    served = serve({"limits.prepared_per_server": 5})
    with served.weir.connect(prepare_threshold=0) as db:
        db.prepared_max = 1000
        for turn in range(3):
            for n in range(25):
                assert db.execute(f"SELECT {n} + 0").fetchone() == (n,)


def test_schema_changes_do_not_break_prepared_statements(served):
    with served.weir.connect(prepare_threshold=0) as db, served.weir.connect() as other:
        db.execute("CREATE TABLE t (a INTEGER)")
        db.execute("INSERT INTO t VALUES (1)")
        for _ in range(3):
            assert db.execute("SELECT a FROM t").fetchall() == [(1,)]
        other.execute("ALTER TABLE t ADD COLUMN b TEXT")
        assert db.execute("SELECT a FROM t").fetchall() == [(1,)]
        other.execute("DROP TABLE t")
        with pytest.raises(psycopg.errors.UndefinedTable):
            db.execute("SELECT a FROM t")
        other.execute("CREATE TABLE t (a INTEGER)")
        assert db.execute("SELECT a FROM t").fetchall() == []


def test_pipeline_gives_every_answer_in_order(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (a INTEGER)")
        with db.pipeline():
            cursors = []
            for i in range(300):
                db.execute("INSERT INTO t VALUES (%s)", (i,))
                cursors.append(db.execute("SELECT count(*), max(a) FROM t"))
            assert [c.fetchone() for c in cursors] == [(i + 1, i) for i in range(300)]


def test_pipeline_with_an_error_skips_to_its_sync_and_goes_on(served):
    with served.weir.connect() as db:
        with pytest.raises(psycopg.errors.SyntaxError):
            with db.pipeline() as p:
                good = db.execute("SELECT 1")
                p.sync()
                assert good.fetchone() == (1,)
                db.execute("SELEC")
                db.execute("SELECT 2")
                p.sync()
        assert db.execute("SELECT 3").fetchone() == (3,)


def test_executemany_and_returning(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        cur = db.cursor()
        cur.executemany("INSERT INTO t VALUES (%s, %s)", [(i, str(i)) for i in range(1000)])
        assert cur.rowcount == 1000
        assert db.execute("SELECT count(*), sum(a) FROM t").fetchone() == (1000, 499500)
        cur.executemany("INSERT INTO t VALUES (%s, 'r') RETURNING a", [(7,), (8,)], returning=True)
        assert cur.fetchall() == [(7,)] and cur.nextset() and cur.fetchall() == [(8,)]


def test_transactions_and_savepoints(served):
    with served.weir.connect(autocommit=False) as db:
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        db.commit()
        db.execute("INSERT INTO t VALUES (1)")
        db.rollback()
        with db.transaction():
            db.execute("INSERT INTO t VALUES (2)")
            with pytest.raises(psycopg.errors.UniqueViolation):
                with db.transaction():
                    db.execute("INSERT INTO t VALUES (3)")
                    db.execute("INSERT INTO t VALUES (2)")
            with db.transaction():
                db.execute("INSERT INTO t VALUES (4)")
        db.commit()
        assert db.execute("SELECT a FROM t ORDER BY a").fetchall() == [(2,), (4,)]
        assert db.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def test_a_transaction_reads_its_own_writes_and_others_do_not(served):
    with served.weir.connect() as other, served.weir.connect(autocommit=False) as db:
        other.execute("CREATE TABLE t (a INTEGER)")
        db.execute("INSERT INTO t VALUES (1)")
        assert db.execute("SELECT count(*) FROM t").fetchone() == (1,)
        assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
        db.commit()
        assert other.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_server_side_cursor_streams(served):
    with served.weir.connect(autocommit=False) as db:
        with db.cursor("c") as cur:
            cur.itersize = 500
            cur.execute("SELECT generate_series(1, 20000)")
            assert sum(row[0] for row in cur) == 200010000


def numbers(served, count):
    if not served.sqlite:
        return f"SELECT n, 'row number ' || n FROM generate_series(1, {count}) n"
    return (f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) "
            "SELECT n, 'row number ' || n FROM s")


def test_100000_rows_are_streamed(served):
    with served.weir.connect() as db:
        total = count = 0
        for n, text in db.cursor().stream(numbers(served, 100_000)):
            total += n
            count += 1
        assert count == 100_000 and total == 5_000_050_000 and text == "row number 100000"


def test_a_result_given_up_half_way_leaves_the_session_in_order(served):
    with served.weir.connect() as db:
        for n, _ in db.cursor().stream(numbers(served, 50_000)):
            if n == 100:
                break
        assert db.execute("SELECT 5").fetchone() == (5,)


def test_values_of_10_megabytes(served):
    text = "0123456789abcdef" * 655_360
    data = bytes(range(256)) * 40_960
    kind = "BLOB" if served.sqlite else "bytea"
    with served.weir.connect() as db:
        db.execute(f"CREATE TABLE t (s TEXT, b {kind})")
        db.execute("INSERT INTO t VALUES (%s, %b)", (text, data))
        for binary in (False, True):
            assert db.execute("SELECT s, b FROM t", binary=binary).fetchone() == (text, data)


ENDLESS = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) "
           "SELECT count(*) FROM s")


def test_cancel_stops_the_statement_and_only_it(served):
    with served.weir.connect() as db, served.weir.connect() as other:
        for _ in range(3):
            timer = threading.Timer(0.3, db.cancel)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                db.execute(ENDLESS)
            timer.join()
            assert db.execute("SELECT 1").fetchone() == (1,)
            assert other.execute("SELECT 2").fetchone() == (2,)


def test_a_late_cancel_hits_nobody(serve):
    served = serve({"pool.max_size": 2, "pool.min_size": 1})
    with served.weir.connect() as db, served.weir.connect() as other:
        for _ in range(100):
            db.execute("SELECT 1")
            db.cancel()
            assert other.execute("SELECT 2").fetchone() == (2,)
        time.sleep(0.2)
        assert db.execute("SELECT 3").fetchone() == (3,)


def test_a_client_that_leaves_in_the_middle_of_a_statement_frees_its_server(serve):
    served = serve({"pool.max_size": 1, "pool.min_size": 1, "pool.acquire_timeout": "20s"})
    db = served.weir.connect()
    db.pgconn.send_query(ENDLESS.encode())
    time.sleep(0.3)
    db.close()
    with served.weir.connect() as other:
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_statement_timeout_asked_for_at_startup(served):
    with served.weir.connect(options="-c statement_timeout=200ms") as db:
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(ENDLESS)
        assert db.execute("SHOW statement_timeout").fetchone() == ("200ms",)


def test_statement_timeout_of_the_configuration(serve):
    served = serve({"timeouts.statement": "300ms"})
    with served.weir.connect() as db:
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(ENDLESS)
        assert time.monotonic() - started < 20
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_connection_churn(served):
    def session(n):
        with served.weir.connect() as db:
            return db.execute("SELECT %s::int8" if not served.sqlite else
                              "SELECT CAST(%s AS INTEGER)", (n,)).fetchone()[0]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(session, range(400))) == list(range(400))


def test_unicode_in_names_and_values(served):
    name = "\u0442\u0430\u0431\u043b\u0438\u0446\u0430"
    text = "\U0001f9ea \u4f60\u597d \u00a0 \t\n '\"\\ %"
    with served.weir.connect() as db:
        db.execute(f'CREATE TABLE "{name}" ("\u00e9" TEXT)')
        db.execute(f'INSERT INTO "{name}" VALUES (%s)', (text,))
        cur = db.execute(f'SELECT "\u00e9" FROM "{name}"')
        assert cur.fetchone() == (text,) and cur.description[0].name == "\u00e9"


def test_copy(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (a int, b text)")
        with db.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(5000):
                copy.write_row((i, "x" * 1000))
        with db.cursor().copy("COPY t TO STDOUT") as copy:
            assert sum(len(block) for block in copy) > 5_000_000
        with pytest.raises(psycopg.errors.QueryCanceled):
            with db.cursor().copy("COPY t FROM STDIN") as copy:
                copy.write_row((1, "y"))
                raise_in_copy()
        assert db.execute("SELECT count(*) FROM t").fetchone() == (5000,)


def raise_in_copy():
    raise psycopg.errors.QueryCanceled("given up by the client")


def test_listen_hears_notify(served):
    with served.weir.connect() as db, served.weir.connect() as other:
        db.execute("LISTEN news")
        other.execute("NOTIFY news, 'hello'")
        db.execute("SELECT 1")
        heard = []
        db.add_notify_handler(heard.append)
        other.execute("NOTIFY news, 'again'")
        deadline = time.monotonic() + 10
        while "again" not in [n.payload for n in heard] and time.monotonic() < deadline:
            db.execute("SELECT 1")
        assert heard[-1].payload == "again"


def test_notices_reach_the_client(served):
    with served.weir.connect() as db:
        got = []
        db.add_notice_handler(lambda d: got.append(d.message_primary))
        db.execute("COMMIT")
        assert got == ["there is no transaction in progress"]
        if not served.sqlite:  # where no statement raises one
            db.execute("DO $$ BEGIN RAISE NOTICE 'look'; END $$")
            assert got[1:] == ["look"]
