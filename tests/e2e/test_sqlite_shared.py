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

SCRIPTS = {"arrays": ARRAYS, "patterns": PATTERNS, "names": NAMES}


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
    "MERGE INTO t USING (VALUES (1)) v(n) ON t.n = v.n WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1",
    "SELECT count(*) FROM t TABLESAMPLE SYSTEM (10)",
    "SELECT ts_rank(to_tsvector('a'), to_tsquery('a'))",
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
