"""Statements as the test suites of Django and SQLAlchemy write them, on PostgreSQL and on the
embedded database: the same rows, types, names, tags and SQLSTATEs."""

import datetime
import struct

import psycopg
import pytest


def answer(db, statement):
    """What one of them says; of a refusal, its SQLSTATE alone."""
    try:
        cursor = db.execute(statement, prepare=False)
    except psycopg.Error as e:
        return e.sqlstate
    rows = cursor.fetchall() if cursor.description else None
    return (cursor.statusmessage, [(c.name, c.type_code) for c in cursor.description or []], rows)


@pytest.fixture
def same(sqlite, postgres):
    """same(text): its statements, one a line, answer alike on both; refusals are meant where the
    line ends in "-- and the SQLSTATE"."""
    name = postgres.database()

    def check(text):
        with sqlite.weir.connect() as here, postgres.connect(dbname=name) as there:
            for line in filter(None, map(str.strip, text.splitlines())):
                statement, _, state = line.partition(" -- ")
                expected = answer(there, statement)
                assert not isinstance(expected, str) or expected == state, line
                assert answer(here, statement) == expected, line

    return check


NUMBERS = """
    CREATE TABLE n (id int PRIMARY KEY, num int, s text)
    INSERT INTO n VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd'), (5, 5, 'e')
"""


def test_queries_in_parentheses_are_combined(same):
    same(NUMBERS + """
        (SELECT num FROM n WHERE num <= 2) UNION (SELECT num FROM n WHERE num >= 4) ORDER BY (1) \
            DESC
        (SELECT num FROM n WHERE num <= 2)
        ((SELECT num FROM n WHERE num <= 2))
        (SELECT num FROM n) LIMIT 2
        (SELECT num FROM n ORDER BY num DESC LIMIT 2) UNION ALL (SELECT num FROM n ORDER BY num \
            LIMIT 1)
        (SELECT num, id AS num FROM n ORDER BY id DESC LIMIT 2) UNION (SELECT num, id FROM n \
            ORDER BY n.id LIMIT 1) ORDER BY 1
        SELECT COUNT(*) FROM ((SELECT num FROM n WHERE num <= 4) EXCEPT (SELECT num FROM n WHERE \
            num < 2)) subquery
        (SELECT num FROM n ORDER BY num DESC) LIMIT 2
        (SELECT num FROM n LIMIT 2) LIMIT 1 -- 42601
        (SELECT num FROM n ORDER BY 1) ORDER BY 1 -- 42601
        SELECT 1 UNION SELECT 2 INTERSECT SELECT 2 ORDER BY 1
        (SELECT 1 UNION SELECT 2) INTERSECT SELECT 2
        SELECT 5 EXCEPT (SELECT 5 EXCEPT SELECT 5)
        SELECT num FROM n WHERE num IN ((SELECT 1) UNION (SELECT 3)) ORDER BY 1
        SELECT num FROM n WHERE num IN ((SELECT 1), 3) ORDER BY 1
        SELECT num FROM n WHERE num = ((SELECT max(num) FROM n) - 1)
        SELECT ((SELECT max(num) FROM n)), ((SELECT 1) + 1)
        SELECT x.num FROM ((SELECT num FROM n) x JOIN n y ON x.num = y.id) ORDER BY 1
        WITH a AS (SELECT 1 AS x) (SELECT x FROM a) UNION (SELECT 2) ORDER BY 1
        (WITH a AS (SELECT 1 AS x) SELECT x FROM a) UNION (SELECT 2) ORDER BY 1
        INSERT INTO n (SELECT id + 10, num, s FROM n WHERE id = 1)
        INSERT INTO n (SELECT id + 20, num, s FROM n WHERE id = 1) ON CONFLICT DO NOTHING
        INSERT INTO n (SELECT id + 30, num, s FROM n WHERE id = 1) UNION ALL (SELECT 40, 1, 'x')
        (VALUES (1),(2)) UNION (SELECT 3) ORDER BY 1
        (SELECT DISTINCT ON (num) num, id FROM n ORDER BY num, id DESC) UNION ALL (SELECT 0, 0) \
            ORDER BY 1, 2
        (SELECT 1.50 AS a) UNION (SELECT 1.5) UNION ALL (SELECT 2)
        WITH RECURSIVE c AS ((SELECT 1 AS x) UNION ALL (SELECT x + 1 FROM c WHERE x < 3)) SELECT \
            * FROM c
        SELECT EXISTS ((SELECT 1) UNION (SELECT 2))
        SELECT s FROM n WHERE id = ANY ((SELECT 1) UNION (SELECT 2)) ORDER BY s
        SELECT ARRAY((SELECT 1) UNION ALL (SELECT 2))
        (SELECT num FROM n WHERE id = 1 FOR UPDATE)
        (SELECT num FROM n ORDER BY num LIMIT 1) INTERSECT (SELECT 1)
        SELECT 1 UNION (SELECT 2 UNION ALL SELECT 2) ORDER BY 1
        CREATE VIEW nv AS (SELECT num FROM n WHERE id = 2) UNION (SELECT num FROM n WHERE id = 3)
        SELECT * FROM nv ORDER BY 1
    """)


def test_shifts_of_integers(same):
    same("""
        SELECT 5 << 2, 5 >> 1, 1::bigint << 40, -8 >> 1, 1 << 33, 1::smallint << 15, NULL::int << 1
        SELECT 1::bigint << 64, (-1)::bigint >> 63, 1.5 << 1 -- 42883
    """)


def test_cursors(same):
    same(NUMBERS + """
        BEGIN
        DECLARE c CURSOR FOR (SELECT num FROM n WHERE id < 3) UNION (SELECT 9) ORDER BY 1
        FETCH ALL FROM c
        DECLARE d CURSOR FOR SELECT num / 2 AS half, num::numeric(5, 2) FROM n ORDER BY id
        FETCH 2 FROM d
        DECLARE e CURSOR FOR SELECT nullif(id, 2) AS k FROM n ORDER BY k DESC LIMIT 2
        FETCH ALL FROM e
        COMMIT
        PREPARE p AS (SELECT num FROM n WHERE id = $1) UNION ALL (SELECT $1)
        EXECUTE p (4)
    """)


MOMENTS = """
    CREATE TABLE d (id int PRIMARY KEY, v interval, c time, t timestamp, z timestamptz)
    INSERT INTO d VALUES (1, '1 day', '10:30:00', '2020-01-02 03:04:05', '2020-01-02 03:04+00'), \
        (2, '02:00:00', '23:59:59.5', '2020-06-02 03:04:05.25', '2020-06-02 23:00+00'), \
        (3, interval '24 hours', time '00:00', NULL, NULL), (4, NULL, NULL, NULL, NULL), \
        (5, '1 mon 2 days', '7:00', '2020-01-02 00:00:00', '2020-01-02 03:04:05+02')
"""


def test_columns_of_intervals(same):
    same(MOMENTS + """
        SELECT id, v FROM d ORDER BY v, id
        SELECT id FROM d WHERE v > '1 hour' ORDER BY id
        SELECT id FROM d WHERE v = '24:00:00' ORDER BY id
        SELECT v, count(*) FROM d GROUP BY v ORDER BY v
        SELECT DISTINCT v FROM d ORDER BY v
        SELECT count(*) FROM d a JOIN d b ON a.v = b.v
        SELECT t + v, z - v FROM d ORDER BY id
        SELECT sum(v), avg(v), min(v), max(v) FROM d
        SELECT sum(v), avg(v), min(v), max(v) FROM d WHERE id = 4
        SELECT t > '2020-02-01', max(v), sum(v) FROM d GROUP BY 1 ORDER BY 1
        SELECT v / 2, v / 0.5, v * 3, -v FROM d ORDER BY id
        SELECT v / 0 FROM d -- 22012
        UPDATE d SET v = t - timestamp '2020-01-01' WHERE id = 1
        UPDATE d SET v = v * 2 WHERE id = 2 RETURNING v
        UPDATE d SET v = 'x' -- 22007
        UPDATE d SET v = 1 -- 42804
        SELECT coalesce(v, '1 hour'), v::text FROM d ORDER BY id
        SELECT date_trunc('hour', v), date_trunc('day', v), date_trunc('month', v) FROM d ORDER BY 1
        SELECT extract(day FROM v), extract(epoch FROM v) FROM d ORDER BY id
        SELECT json_build_object('c', c, 'v', v) FROM d WHERE id = 2
        CREATE TABLE e (a interval NOT NULL DEFAULT '1 day', b time DEFAULT '12:00')
        INSERT INTO e DEFAULT VALUES RETURNING a, b
        ALTER TABLE e ADD COLUMN f interval DEFAULT '2 hours'
        SELECT * FROM e
        SELECT column_name::text, data_type::text FROM information_schema.columns \
            WHERE table_name = 'e' ORDER BY ordinal_position
    """)


def test_times_of_day(same):
    same(MOMENTS + """
        SELECT id, c, c::text, c::interval FROM d ORDER BY id
        SELECT extract(hour FROM c), extract('minute' FROM c), extract(second FROM c) FROM d \
            ORDER BY 3
        SELECT extract(epoch FROM c), extract(microseconds FROM c), date_part('hour', c) FROM d \
            ORDER BY id
        SELECT extract(year FROM c) FROM d -- 0A000
        SELECT date_trunc('hour', c), date_trunc('minute', c)::time FROM d ORDER BY id
        SELECT c + interval '1 hour', c - interval '11 hours', c - time '01:00' FROM d ORDER BY id
        SELECT t::time, z::time, t + c, t::date + c FROM d ORDER BY id
        SELECT (z AT TIME ZONE 'Europe/Berlin')::time FROM d ORDER BY id
        SELECT '10:11'::time, time '9:30', CAST('10:11:12.50' AS time), \
            '2 days 3:00'::interval::time
        SELECT '25:00'::time -- 22008
        SELECT 'x'::time -- 22007
        SELECT id FROM d WHERE c BETWEEN '08:00' AND '12:00' ORDER BY id
        SELECT id FROM d WHERE extract(hour FROM c) = 10
        UPDATE d SET c = c + '1 hour' WHERE id = 2 RETURNING c
        SELECT max(c), min(c), count(DISTINCT c) FROM d
        SELECT greatest(time '10:00', c) FROM d ORDER BY id
    """)


def test_intervals_in_binary(sqlite):
    """As asyncpg sends and reads them."""
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE d (v interval)")
        sent = struct.pack("!qii", -1_500_000, -3, 14)
        oids, formats = [1186], [psycopg.pq.Format.BINARY]
        done = db.pgconn.exec_params(b"INSERT INTO d VALUES ($1) RETURNING v", [sent], oids,
                                     formats, psycopg.pq.Format.BINARY)
        assert done.get_value(0, 0) == sent
        assert db.execute("SELECT v::text FROM d").fetchone() == (
            "1 year 2 mons -3 days -00:00:01.5",)


def test_seconds_in_a_column_of_intervals(sqlite):
    """Before it was one, docs/sqlite.md said to keep them."""
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE old (v interval COLLATE NOCASE)")
        db.execute("INSERT INTO old VALUES (90)")
        assert db.execute("SELECT v FROM old").fetchone() == (datetime.timedelta(seconds=90),)
