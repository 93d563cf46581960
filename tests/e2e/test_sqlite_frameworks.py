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


def test_addresses_in_binary(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE a (ip inet)")
        for sent in bytes([2, 8, 0, 4, 10, 0, 0, 1]), bytes([3, 128, 0, 16, *range(16)]):
            done = db.pgconn.exec_params(b"INSERT INTO a VALUES ($1) RETURNING ip", [sent], [869],
                                         [psycopg.pq.Format.BINARY], psycopg.pq.Format.BINARY)
            assert done.get_value(0, 0) == sent
        refused = db.pgconn.exec_params(b"SELECT $1::inet", [b"\2\x40\0\4aaaa"], [869],
                                        [psycopg.pq.Format.BINARY])
        assert refused.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"22P03"


def test_seconds_in_a_column_of_intervals(sqlite):
    """Before it was one, docs/sqlite.md said to keep them."""
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE old (v interval COLLATE NOCASE)")
        db.execute("INSERT INTO old VALUES (90)")
        assert db.execute("SELECT v FROM old").fetchone() == (datetime.timedelta(seconds=90),)


def test_addresses(same):
    same("""
        create table ips (id serial primary key, ip inet, n text)
        insert into ips (ip, n) values ('127.0.0.1', 'a'), ('10.0.0.0/8', 'b'), ('::1', 'c'), \
            ('2001:DB8::0:1', 'd'), ('9.255.0.1/32', 'e'), (NULL, 'f'), ('192.168.100.14/24', 'g')
        select id, ip, n from ips order by id
        select ip from ips order by ip
        select ip from ips order by ip desc nulls last
        select n from ips where ip = '127.0.0.1'::inet
        select n from ips where ip = '0:0:0:0:0:0:0:1'
        select n from ips where ip in ('::1', '10.0.0.0/8') order by n
        select n from ips where ip > '10.0.0.0' order by ip
        select n from ips where ip between '9.0.0.0' and '11.0.0.0' order by ip
        select host(ip), masklen(ip), family(ip), ip::text from ips order by id
        select n from ips where host(ip) like '127%'
        select n from ips where upper(host(ip)) like '2001%'
        insert into ips (ip) values ('nonsense') -- 22P02
        insert into ips (ip) values ('1.2.3.4/33') -- 22P02
        select 'x'::inet -- 22P02
        select inet '1.2.3.4', cast('::ffff:1.2.3.4' as inet)
        select ip, count(*) from ips group by ip order by ip
        select distinct ip from ips order by ip
        select count(*) from ips a join ips b on a.ip = b.ip
        update ips set ip = '10.1.1.1' where n = 'f' returning ip, n
        update ips set ip = n::inet where id = 1 -- 22P02
        update ips set ip = case when n = 'a' then '1.1.1.1'::inet else ip end
        select ip from ips where n = 'a'
        select coalesce(ip, '0.0.0.0') from ips order by id
        select json_build_object('ip', ip) from ips where n = 'b'
        create unique index u on ips (ip)
        insert into ips (ip) values ('1.1.1.1') -- 23505
        select column_name::text, data_type::text, udt_name::text from \
            information_schema.columns where table_name = 'ips' order by ordinal_position
        select format_type(atttypid, atttypmod) from pg_attribute where attrelid = \
            'ips'::regclass and attnum > 0 order by attnum
        select typname::text, typlen from pg_type where oid = 869
        alter table ips add column other inet not null default '0.0.0.0'
        select other from ips limit 1
        (select ip from ips where id = 1) union (select '::2'::inet) order by 1
        create index f on ips using btree (ip) with (fillfactor = 70)
    """)


def test_distinct_on_and_queries_that_are_said_twice(same):
    same("""
        create table s (id int primary key, name text, org text, num numeric(5,2))
        insert into s values \
            (1,'a','x',1.5),(2,'a','y',1.50),(3,'b','x',2),(4,'c','y',NULL),(5,'B','x',3)
        create table b (id int primary key, s_id int, d date)
        insert into b values \
            (1,1,'2020-01-01'),(2,1,'2021-01-01'),(3,2,'2019-01-01'),(4,3,NULL)
        select distinct on (lname) id, lower(name) as lname from s order by lname, id desc
        select distinct on (lname) lower(name) as lname from s order by lname
        select distinct on (2) id, lower(name) as lname from s order by 2, 1
        select id from s where id in (select distinct on (name) id from s order by name, org \
            desc) order by id
        select distinct on (name) id from s order by name, org desc
        select distinct on (name) id from s order by org -- 42P10
        select distinct on (name) id from s order by org, name -- 42P10
        select distinct on (name, org) id from s order by name, id -- 42P10
        select distinct on (name, org) id from s order by org, name, id
        select distinct on (num) id from s order by num, id
        select distinct on (5) id from s -- 42P10
        select distinct on (s.name) s.id, s.name from s join b on b.s_id = s.id order by \
            s.name, s.id
        select distinct s.id, s.name, (select max(u0.d) as x from b u0 where u0.s_id = s.id \
            group by u0.s_id) as l from s order by (select max(u0.d) as x from b u0 where u0.s_id \
            = s.id group by u0.s_id) desc nulls last, s.id
        select s.name, (select count(*) from b where b.s_id = s.id) as n, count(*) from s \
            group by s.name, (select count(*) from b where b.s_id = s.id) order by 1, 2
        select (select max(b.d) from b where b.s_id = s.id), count(*) from s group by (select \
            max(b.d) from b where b.s_id = s.id) order by 1
        select s.id, (select count(*) from b where b.s_id = s.id) as n from s order by (select \
            count(*) from b where b.s_id = s.id) desc, id
        select exists(select 1 from b where b.s_id = s.id) as e, count(*) from s group by \
            exists(select 1 from b where b.s_id = s.id) order by e
    """)
