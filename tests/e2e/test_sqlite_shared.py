"""Scripts of one subject each, statement by statement on PostgreSQL and on Weir's SQLite: the same
rows, types, names, SQLSTATEs and tags (what a generator would not think of: its neighbour is
test_sqlite_differential.py)."""

import psycopg
import pytest
from both import assert_script_means_the_same

ARRAYS = """
CREATE TABLE a (id bigserial PRIMARY KEY, tags text[] NOT NULL DEFAULT '{}', n int[],
    v varchar(10)[] DEFAULT ARRAY['x','y'], ts timestamptz[], b boolean[], f double precision ARRAY,
    c numeric [3], d date[], CHECK (array_length(tags, 1) < 5))
INSERT INTO a (tags, n, ts, b, f, c, d) VALUES ('{a,"b c",1}', '{1, 2,NULL}', '{2026-01-01}',
    '{t,false}', '{1.5,2}', '{1.50,2}', '{2026-01-02}') RETURNING *
INSERT INTO a (tags, n, b) VALUES (ARRAY['x','12'], ARRAY[3,4], ARRAY[true,false]) RETURNING *
INSERT INTO a DEFAULT VALUES RETURNING *
INSERT INTO a (n) VALUES ('{x}')
INSERT INTO a (n) VALUES ('nope')
INSERT INTO a (tags) VALUES (ARRAY['1','2','3','4','5'])
SELECT id FROM a WHERE 'x' = ANY(tags) ORDER BY id
SELECT id FROM a WHERE '12' = ANY(tags) ORDER BY id
SELECT id FROM a WHERE 3 = ANY(n) ORDER BY id
SELECT id FROM a WHERE 'x' <> ALL(tags) ORDER BY id
SELECT tags[1], tags[2], n[1], b[1], f[1], c[1], ts[1], d[1], n[9] FROM a ORDER BY id
SELECT tags || 'z'::text, tags || ARRAY['p','q'], 'h'::text || tags, n || 5 FROM a ORDER BY id
SELECT tags || 'z' FROM a ORDER BY id
SELECT id, tags @> ARRAY['x'], tags && '{a,b}', '{a}' <@ tags FROM a ORDER BY id
SELECT array_length(tags, 1), cardinality(tags), array_to_string(tags, '+') FROM a ORDER BY id
SELECT array_position(tags, 'x'), array_append(n, 9), array_remove(tags, 'x') FROM a ORDER BY id
SELECT array_prepend(0, n), array_cat(n, n), array_replace(n, 2, 7), array_lower(n, 1) FROM a
    ORDER BY id
SELECT t FROM a, unnest(a.tags) t ORDER BY 1
SELECT t.x, t.n FROM a, unnest(a.tags) WITH ORDINALITY AS t(x, n) WHERE a.id = 2 ORDER BY 2
SELECT a.id, g FROM a CROSS JOIN LATERAL generate_series(1, 2) AS g WHERE a.id < 3 ORDER BY 1, 2
SELECT count(*) FROM a LEFT JOIN unnest(a.n) u ON true
SELECT unnest(n) FROM a WHERE id = 1
SELECT id, unnest(tags) AS tag FROM a ORDER BY id, tag DESC LIMIT 3
SELECT generate_series(1, 3)
SELECT x FROM unnest(ARRAY['1','b']) x
SELECT * FROM generate_series(1, 3) g
SELECT array_agg(id ORDER BY id), array_agg(tags[1] ORDER BY id) FROM a
SELECT array_agg(n[1] > 1 ORDER BY id) FROM a
SELECT string_to_array('a,b,,c', ','), string_to_array('a b', NULL),
    string_to_array('a,-', ',', '-')
SELECT '{1,2}'::int[], ARRAY[]::text[], ARRAY['1','2']::int[], '{1,2}'::int[]::text[]
SELECT ARRAY[1, 2.5, NULL], ARRAY['a', NULL, '', 'NULL', 'a"b', 'c\\d', 'e,f', '{', ' ']
SELECT ARRAY[true, NULL], ARRAY[DATE '2026-01-02'], ARRAY[1.5::float8, 'infinity']
SELECT '{"a b", c , "d\\"e"}'::text[], '{}'::int[], '{NULL,"NULL"}'::text[]
SELECT id FROM a WHERE tags = '{}' ORDER BY id
SELECT id FROM a WHERE tags = ARRAY['x','12'] AND n <> ARRAY[1]
UPDATE a SET tags = tags || ARRAY['new'], n = n || 7 WHERE id = 2 RETURNING tags, n
UPDATE a SET tags = array_remove(tags, 'new') WHERE id = 2 RETURNING tags
SELECT n @> ARRAY['x'] FROM a
SELECT tags[1] + 1 FROM a
ALTER TABLE a ADD COLUMN more int[] DEFAULT '{}'
ALTER TABLE a ADD COLUMN more2 text[]
SELECT more, more2 FROM a ORDER BY id
SELECT to_jsonb(n), jsonb_build_object('t', tags) FROM a WHERE id = 2
SELECT column_name::text, data_type::text, udt_name::text FROM information_schema.columns
    WHERE table_name = 'a'
    ORDER BY ordinal_position
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'a'::regclass
    AND attnum > 0 ORDER BY attnum
SELECT pg_typeof(tags)::text, pg_typeof(1)::text, pg_typeof(1.5)::text FROM a LIMIT 1
"""

PATTERNS = r"""
SELECT regexp_replace('foobar', 'o+', '0'), regexp_replace('foo bar foo', 'o', '0', 'g')
SELECT regexp_replace('John Smith', '(\w+) (\w+)', '\2, \1'), regexp_replace('ABC', 'b', 'x', 'i')
SELECT regexp_replace('a.b-c', '[^a-z]', '_', 'g'), regexp_replace('äöü', '.', 'x', 'g')
SELECT regexp_replace('abc', 'x*', '-', 'g'), regexp_replace('', '^', 'x'),
    regexp_replace('ab', '$', '!')
SELECT regexp_replace('one two', '(.)(.)', '[\&]', 'g'), regexp_replace('a\b', '\\', '/')
SELECT regexp_replace('x', NULL, 'y'), regexp_replace(NULL, 'x', 'y')
SELECT regexp_replace('abc', '(', 'y')
SELECT substring('foobar' FROM 'o.b'), substring('foobar', 'o(.)b'), substring('foobar', 'x')
SELECT regexp_match('foobar', 'o+'), regexp_match('key=value', '(\w+)=(\w+)'),
    regexp_match('a', 'b')
SELECT regexp_match('ab', '(a)|(b)'), regexp_match('ABC', '(b)(.)', 'i')
SELECT regexp_split_to_array('a, b,c', ',\s*'), regexp_split_to_array('abc', ''),
    regexp_split_to_array('', ',')
SELECT regexp_count('banana', 'an'), regexp_like('abc', '^a'), regexp_substr('abc123', '\d+')
"""

NAMES = """
CREATE TABLE n (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(), v int)
INSERT INTO n (v) VALUES (1), (2)
SELECT count(DISTINCT id), count(at), min(length(id::text)) FROM n
SELECT at <= now(), now() - at < interval '1 minute' FROM n
SELECT attname::text, upper(attname), 'x'::text FROM pg_attribute
    WHERE attrelid = 'n'::regclass AND attnum > 0 ORDER BY attnum
SELECT CAST(attname AS text) FROM pg_attribute WHERE attrelid = 'n'::regclass
    AND attnum = 1
CREATE VIEW nv AS SELECT now() AS at, gen_random_uuid() AS id FROM n LIMIT 1
SELECT at <= now() FROM nv
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'n'::regclass ORDER BY adnum
CREATE TABLE i (a int, "B c" text)
CREATE INDEX ON i (a)
CREATE UNIQUE INDEX ON public.i USING btree (lower("B c"), a DESC)
CREATE INDEX CONCURRENTLY ON ONLY i ((a + 1), a)
CREATE INDEX ON i (upper("B c") DESC, (lower("B c")))
SELECT indexname::text FROM pg_indexes WHERE tablename = 'i' ORDER BY 1
SELECT pg_get_indexdef('i_lower_a_idx'::regclass, 1, true),
    pg_get_indexdef('i_expr_a_idx'::regclass, 1, true),
    pg_get_indexdef('i_expr_a_idx'::regclass, 2, true)
SELECT pg_get_expr(indexprs, indrelid) FROM pg_index WHERE indexrelid = 'i_expr_a_idx'::regclass
SELECT nobody_has_this(a) FROM i
"""

SPANS = """
5' MINUTE|5' second|5' hour|5' day|5' month|5' year|1 2:03' day to hour|1 2:03' day to minute
1 2:03:04' day to second|1 2' hour to minute|1-2' year to month|1-2' year|1.234' second(2)
12:34.5678' minute to second(2)|1 2.345' day to second(2)|1-2'|-1 +02:03'|+1-2 -3 +4:05:06.789'
-23 hours 45 min 12.34 sec'|1.5 months'|1.5 weeks'|1.5 years'|1 5.5'|P1Y2M3DT4H5M6S'|-1 day 02:03'
1 year 2 mons 4 days 03:04:05.6 ago'|5.5'|@ 1 minute'|1 day -1:02'|123 11'|123 2:03 -2:04'|foo'|'
1 day 1 day'|1 second 2 seconds'|1:20:05 5 microseconds'|1 foo'|1:60'
"""

DAYS = """
January 8, 1999|1999-Jan-08|08-Jan-1999|1/18/1999|1999/1/8|990108|99-01-08|08-Jan-99|J2451187|epoch
2001-02-16 20:38:40 UTC|2001-02-16 8:38:40 pm|2001-02-16 13:00 am|2001-02-16T20:38:40Z|99-Jan-08
2001-02-16T20:38:40.123456+02|8 January 1999 10:00|2001-02-30|1999-08|04:05|2001-02-03 foo
2001-01-01 23:59:59.9999999|2001-01-01 10:00 +25|2001-01-01 10:00 +0530|2001-01-01 24:00:00
10:00 2001-02-03|2001-02-03Z|Fri Feb 16 20:38:40.5 2001 PST|20010216T203840|2001-2-3 4:5:6
"""

CLOCKS = """
24:00:00|23:59:59.9999999|24:00:01|23:60|0405|12:30 PM|13:30 PM|04:05-08:00|allballs|2001-02-03
T040506|040506|15:36:39 America/New_York|2003-03-07 15:36:39 America/New_York|9:30|foo
"""


def each(texts, form):
    return "\n".join(form.replace("@", x) for x in texts.strip().replace("\n", "|").split("|"))


MOMENTS = "\n".join([
    each(SPANS, "SELECT interval '@"), each(DAYS, "SELECT timestamp '@', timestamptz '@'"),
    each(DAYS, "SELECT date '@', '@'::date"), each(CLOCKS, "SELECT time '@', '@'::time")]) + """
SELECT interval(2) '1.2345 s', interval '1' minute + interval '2' second AS s
CREATE TABLE m (d date, t time, ts timestamp, tz timestamptz, i interval)
INSERT INTO m VALUES ('Jan 8 1999', '4:05 PM', '1/8/1999 4:05', '1999-01-08 04:05 PST', '1-2'),
    ('08-Jan-1999', '040506', '19990108T040506', 'Fri Feb 16 20:38:40.5 2001 UTC', '-1 +02:03'),
    ('99.01.08', '12:30 am', 'J2451187 04:05', '2001-07-16 20:38 Europe/Berlin', 'PT5M')
INSERT INTO m (d) VALUES ('1/8/99'), ('1/8')
INSERT INTO m (t) VALUES ('15:36:39 America/New_York')
INSERT INTO m (tz) VALUES ('2001-02-03 04:05 nowhere')
SELECT * FROM m ORDER BY tz
SELECT i FROM m WHERE d = 'January 8, 1999' ORDER BY i
SELECT 'now'::timestamptz = now(), 'today'::date = current_date, 'now'::timestamp = localtimestamp,
    'tomorrow'::date - current_date, 'yesterday'::timestamp = current_date - 1
INSERT INTO m VALUES ('now', 'now', 'today', 'tomorrow', '5 minutes')
SELECT count(*) FROM m WHERE d = current_date AND ts = 'today' AND tz > 'now'
SELECT extract(hour FROM time '04:05'), date_part('minute', time '04:05')
SET intervalstyle = 'postgres'
SET datestyle = 'ISO'
SET timezone = 'America/New_York'
SELECT to_json(tz), jsonb_build_object('tz', tz) FROM m ORDER BY tz LIMIT 2
SELECT timestamptz 'Feb 16 20:38:40 2001', timestamptz '2001-07-16 20:38 PST', timestamptz 'epoch'
SELECT 'today'::timestamptz = date_trunc('day', now()), 'now'::timestamp = localtimestamp
"""

NUMBERS = """
SELECT 'Infinity'::float8 + 100.0, 'Infinity'::float4 - 100.0, '-Infinity'::float8 * 2.0
SELECT 1e308::float8 * 10::float8
SELECT '10e-400'::float8
SELECT '0.0e-400'::float8, '-0e1'::float8 = 0
SELECT log(100::float8), log(10::float8) = log10(10::float8)
SELECT log(0::float8)
SELECT log(-1::float8)
SELECT acos(2::float8)
SELECT asin(1::float8) > 1.57, acosh(1::float8)
SELECT * FROM generate_series(1, 2, 0)
SELECT g FROM generate_series(5, 1, -2) g
SELECT generate_series('2026-01-30'::timestamp, '2026-04-30', '1 month')
SELECT d::date FROM generate_series('2026-01-01'::date, '2026-01-03'::date, '1 day'::interval) d
SELECT d FROM generate_series('2026-01-02'::timestamptz, '2026-01-01', interval '-6 hours') AS g(d)
SELECT d, n FROM generate_series('2026-01-01'::timestamp, '2026-01-02', '12:00') WITH ORDINALITY
    AS g(d, n)
SELECT * FROM generate_series('2026-01-01'::timestamp, '2026-01-02', '0 days')
SELECT count(*) FROM generate_series('2026-01-02'::timestamp, '2026-01-01', '1 day')
"""

DOCUMENTS = """
SELECT '123'::jsonb -> 0, '[1]'::jsonb -> 'a', '{"0":5}'::jsonb -> 0, '123'::json -> 0
SELECT '[1,2]'::json -> 1, '[1,2]'::json ->> -1, '{"1":2}'::json -> 1, '{"1":2}'::json -> '1'
SELECT ('123'::jsonb)[0], ('[1, "2", null]'::jsonb)['1'], ('[1, "2", null]'::jsonb)[1][0]
SELECT ('{"a":{"b":1}}'::jsonb)['a']['b'], ('[1,2]'::jsonb)[-1], ('[1,2]'::jsonb)['x'],
    ('[1]'::jsonb)[NULL]
SELECT json_object_agg(k, 1) FROM (VALUES (true)) v(k)
SELECT json_build_object(1, 2, true, 'x', 1.5, null), jsonb_build_object(false, 1)
"""

TEXTS = r"""
SELECT E'd\u0061t\U00000061' AS data, E'\x41\102\'\x27', E'a\tb\q', E'\ud83d\ude00', E'\u00e4'
SELECT E'wrong: \u061'
SELECT E'wrong: \udb99'
SELECT E'wrong: \udb99xy'
SELECT E'wrong: \udb99\u0061'
SELECT E'wrong: \U002FFFFF'
SELECT quote_literal(E'a\\b'), quote_literal('a''b'), quote_literal('')
CREATE TABLE s (a name, b timestamp(3) with time zone, c time(0) without time zone, d text)
INSERT INTO s VALUES ('Name', '2026-01-01 10:00:00.5', '10:00', 'x') RETURNING b, c, d
SELECT a || 'x', length(a), a = 'Name' FROM s
SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_name = 's'
    AND column_name <> 'a' ORDER BY ordinal_position
"""

PATTERNS_OF_MOMENTS = """
YYYY-MM-DD HH24:MI:SS.US|YYY YY Y|IYYY IYY IY I-IW-ID|HH12:MI AM|HH:MI p.m.|hh24:mi:ss|SSSS SSSSS
Month|FMMonth|MONTH DD|month|Mon mon MON|Day, DD|FMDay, FMDD FMMonth|dy DY Dy DAY day|DDD DDDth D
DDth FMDDTH MMth|Q WW W J CC|"at" HH24"h"MI|YYYYMMDDHH24MISS|\\"x\\"|T Z|FMHH24:FMMI|x-e/k,f?
yyyy"T"mm|MS US
"""

FORMATS = "\n".join(
    each(PATTERNS_OF_MOMENTS, f"SELECT to_char(timestamp '{at}', '@')")
    for at in ("2026-01-01 00:00:00", "2011-12-23 12:34:56.789012", "1999-05-02 13:00:05.5")) + """
SELECT to_char(date '2026-03-01', 'Dy DD'), to_char(timestamptz '2026-03-01 01:00', 'HH24')
SELECT to_date('2011 12  18', 'YYYY MM DD'), to_date('2011   12 18', 'YYYY MM DD')
SELECT to_date('2011 12 18', 'YYYY   MM  DD'), to_date('20111218', 'YYYYMMDD')
SELECT to_date('2011/12/18', 'YYYY-MM-DD'), to_date('2011-12', 'YYYY-MM-DD')
SELECT to_date('18.12.2011', 'DD.MM.YYYY'), to_date('2011-1-8', 'yyyy-mm-dd')
SELECT to_date('2011-13-18', 'YYYY-MM-DD')
SELECT to_date('2011-xx-18', 'YYYY-MM-DD')
SELECT to_date('2011-12-18 and more', 'YYYY-MM-DD')
"""

SCRIPTS = {"moments": MOMENTS, "formats": FORMATS, "arrays": ARRAYS, "patterns": PATTERNS,
           "names": NAMES, "numbers": NUMBERS, "texts": TEXTS, "documents": DOCUMENTS}


@pytest.mark.parametrize("extended", [False, True], ids=["simple text", "extended binary"])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_a_script_means_the_same(weir, postgres, tmp_path, subject, extended):
    gateway = weir(f"sqlite:{tmp_path / 'shared.db'}")
    assert_script_means_the_same(postgres, gateway, SCRIPTS[subject], extended)


@pytest.mark.parametrize("sql", ["SELECT a FROM a ORDER BY a", "SELECT max(a) FROM a",
                                 "SELECT 1 FROM a WHERE a < '{2}'", "SELECT 1.5 = ANY(f) FROM a"])
def test_what_arrays_do_not_do_here_is_said(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE a (a int[], f float8[])")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute(sql)


@pytest.mark.parametrize("sql", [
    "CREATE TABLE r (a cidr)", "CREATE TABLE r (a int, b numeric(3), c money NOT NULL)",
    "CREATE TABLE r (a bit(3))", "CREATE TABLE r (a time with time zone)",
    "CREATE TABLE r (a int, \"b c\" tsvector)", "ALTER TABLE t ADD COLUMN a point",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int4range", "SELECT '10.0.0.0/8'::cidr",
    "SELECT CAST(n AS money) FROM t", "SELECT n FROM t WHERE '<a/>'::xml IS NOT NULL"])
def test_a_type_that_has_no_values_here_is_refused_wherever_it_is_named(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (n int, money text, point text)")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="the type") as told:
            db.execute(sql)
        assert "docs/sqlite-types.md" in told.value.diag.message_hint
        assert db.execute("SELECT money, point FROM t WHERE money = point").fetchall() == []


@pytest.mark.parametrize("sql", [
    "MERGE INTO t USING (VALUES (1)) v(n) ON t.n = v.n WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1",
    "SELECT count(*) FROM t TABLESAMPLE SYSTEM (10)",
    "SELECT ts_rank(to_tsvector('a'), to_tsquery('a'))", "SELECT Ts_Rank('a', 'b')",
    "CREATE INDEX ON t ((to_json(n)))", "SELECT log(10::numeric)", "SELECT generate_series(1.5, 3)",
    "SELECT n FROM t WHERE pg_walfile_name('0/0') <> ''"])
def test_what_only_postgresql_knows_is_no_syntax_error(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (n int)")
        with pytest.raises(psycopg.errors.FeatureNotSupported) as told:
            db.execute(sql)
        assert "docs/sqlite.md" in told.value.diag.message_hint
        with pytest.raises(psycopg.errors.SyntaxError):
            db.execute("SELEKT 1")
        with pytest.raises(psycopg.errors.UndefinedFunction):
            db.execute("SELECT nobody_has_this(n) FROM t")


@pytest.mark.parametrize("sql", ["SELECT date 'infinity'", "SELECT timestamp '1999-01-08 BC'",
                                 "SELECT timestamptz '10000-01-01'", "SELECT ('n' || 'ow')::date",
                                 "SELECT '5'::interval minute", "SET intervalstyle = iso_8601",
                                 "SET datestyle = 'German'", "SET datestyle = 'ISO, DMY'",
                                 "SELECT timestamp '2001-02-16 20:38:40 America/New_York'"])
def test_a_moment_that_cannot_be_kept_is_refused(weir, tmp_path, sql):
    gateway = weir(f"sqlite:{tmp_path / 'refused.db'}")
    with gateway.connect() as c, pytest.raises(psycopg.errors.FeatureNotSupported):
        c.execute(sql)


def test_a_mistake_right_after_a_change_of_the_schema_is_told_as_ever(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path / 'fresh.db'}")
    with gateway.connect() as db, gateway.connect() as other:
        for n in range(4):
            db.execute(f"CREATE TABLE t{n} (a int)")
            for connection in other, db:
                with pytest.raises(psycopg.errors.FeatureNotSupported):
                    connection.execute("SELECT bool 't' AS x")
                with pytest.raises(psycopg.errors.SyntaxError):
                    connection.execute("SELEKT 1")
