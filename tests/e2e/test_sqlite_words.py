"""SQL that teams bring along because they know PostgreSQL, by subject, statement by statement on
both (as test_sqlite_shared.py does it), and what of it is refused."""

import concurrent.futures

import psycopg
import pytest
from both import assert_script_means_the_same

DOCUMENTS = r"""
create table t (id int primary key, n int, b text, f float8, c numeric(10,2), d date, ts
    timestamp, tz timestamptz, j jsonb, js json, u uuid, ok boolean, y bytea, v varchar(10), a
    text[])
insert into t values (1, 10, 'abc', 1.5, 2.50, '2026-01-07', '2026-01-07 12:34:56.789',
    '2026-01-07 12:34:56.789+00', '{"a": 1, "b": [1,2]}', '{"a":1}',
    '00000000-0000-0000-0000-000000000001', true, '\x0102', 'vv', '{x,y}')
insert into t values (2, null, 'Abd', -1.5, 3.25, '2026-02-07', '2026-02-07 00:00:00',
    '2026-02-07 00:00:00+00', '[]', '[1]', '00000000-0000-0000-0000-000000000002', false, '\x',
    'ww', null)
select jsonb_set('{"a":1}', '{a}', '2'), jsonb_set('{"a":[1,2]}', '{a,0}', '{"x":3}'),
    jsonb_set('{}', '{b}', '1', false), jsonb_set('{}', '{b}', '1')
select jsonb_set('{"a":[1,2]}', '{a,-1}', '9'), jsonb_set('{"a":[1,2]}', '{a,-9}', '9'),
    jsonb_set('{"a":[1,2]}', '{a,9}', '9'), jsonb_set('{"a":[1,2]}', '{a,9}', '9', false),
    jsonb_set('[]', '{3}', '1'), jsonb_set('{"a":{"b":1}}', '{a,c,d}', '1'),
    jsonb_set('{"a":1}', '{a,b}', '2'), jsonb_set('{"a":1}', '{}', '2')
select jsonb_set('1', '{a}', '2')
select jsonb_set('[1]', '{a}', '2')
select jsonb_set('{"a":1}', array['a', null], '2')
select jsonb_set('{"a":1}', '{a}', null)
select jsonb_set(j, '{a}', to_jsonb(n)), jsonb_set(j, array['b', '0'], '"q"') from t where
    id = 1
select jsonb_insert('{"a":[0,1]}', '{a,1}', '"n"'), jsonb_insert('{"a":[0,1]}', '{a,1}',
    '"n"', true), jsonb_insert('{"a":1}', '{b}', '2'), jsonb_insert('[1,2]', '{-1}', '9'),
    jsonb_insert('[1,2]', '{-1}', '9', true), jsonb_insert('[1,2]', '{7}', '9')
select jsonb_insert('{"a":1}', '{a}', '2')
update t set j = jsonb_set(j, '{z}', '{"k": [true, null]}') where id = 1 returning j
select j - 'a', j - 'nope', '["a","b",1]'::jsonb - 'a', '["a","b"]'::jsonb - 0,
    '["a","b"]'::jsonb - -1, '["a","b"]'::jsonb - 5, j - array['a','b'], '{"a":1}'::jsonb -
    '{a}'::text[] from t where id = 1
select j - 0 from t where id = 1
select '1'::jsonb - 'a'
select j #- '{b,0}', j #- '{a}', j #- '{b,9}', '[1,[2,3]]'::jsonb #- '{1,0}', j #-
    array['z','k'] from t where id = 1
select j ?| array['a','q'], j ?& array['a','q'], j ?& array['a','b'], j ?| '{q}',
    '["a"]'::jsonb ?| array['a'], '"a"'::jsonb ?& array['a'] from t where id = 1
select j['a'], j['b'][0], j['b'][1]::int + 1 from t where id = 1
select (j->'a')::int, (j->'a')::numeric, (j->'a')::float8, (j->'a')::bigint,
    ('true'::jsonb)::bool, (j->'a')::int = 1 from t where id = 1
select (j->'b')::int from t where id = 1
select json_build_object('a', 1, 'b', 'x'), json_build_array(1,2,'x',null,true),
    to_json('x'::text), jsonb_build_object('a', null), json_build_object(), json_build_array(),
    jsonb_build_object(), jsonb_build_array()
select jsonb_build_object('id', id, 'n', n, 'b', b, 'f', f, 'c', c, 'd', d, 'ts', ts, 'tz',
    tz, 'j', j, 'js', js, 'u', u, 'ok', ok, 'y', y, 'v', v, 'a', a) from t order by id
select json_build_object('id', id, 'n', n, 'b', b, 'f', f, 'c', c, 'd', d, 'ts', ts, 'tz',
    tz, 'j', j, 'js', js, 'u', u, 'ok', ok, 'y', y, 'v', v, 'a', a) from t order by id
select json_build_object('a') from t
select json_build_object(null, 1) from t
select row_to_json(t) from t order by id
select to_jsonb(t), to_json(t) from t order by id
select row_to_json(x) from (select id, b as name from t order by id) x
select json_agg(x), jsonb_agg(x) from (select id, b from t order by id) x
select json_agg(b order by id desc), jsonb_agg(b order by b), json_agg(id) filter (where id
    > 1), json_agg(id) filter (where id > 5), coalesce(json_agg(id) filter (where id > 5), '[]')
    from t
select json_agg(json_build_object('id', id, 'b', b) order by id) from t
select ok, jsonb_agg(id) from t group by ok order by ok
select jsonb_pretty('{"a":[1,{"b":2}], "e":{}, "f":[]}'), jsonb_pretty(j) from t where id = 1
select jsonb_typeof('1'), json_typeof('{}'),
    jsonb_strip_nulls('{"a":null,"b":[null,{"c":null}]}'), json_strip_nulls('{"a": null, "b":
    1}'), json_array_length('[1]'), jsonb_array_length('[1,2]'),
    jsonb_extract_path('{"a":{"b":1}}', 'a', 'b'), jsonb_extract_path_text('{"a":"x"}', 'a'),
    json_extract_path_text('{"a":"x"}', 'a')
select * from jsonb_array_elements('[1,{"a": 2.50},"x",null]') x
select x from jsonb_array_elements('[1,{"a": 2.50},"x",null]') x
select value from jsonb_array_elements('[1]')
select x->>'a' from jsonb_array_elements('[{"a": 2.50}]') x
select * from jsonb_array_elements('[1,2]') with ordinality
select * from jsonb_array_elements('[1,2]') with ordinality as e(v, i)
select * from json_array_elements('[1, {"a":  2}]')
select * from jsonb_array_elements_text('["x", 1, null, {"a":1}]')
select * from jsonb_array_elements('{"a":1}')
select * from jsonb_array_elements('1')
select * from jsonb_each('{"b":1, "a": "x", "c": null}')
select * from json_each('{"b":1, "a": "x"}')
select * from jsonb_each_text('{"b":1, "a": "x", "c": null}') with ordinality
select key, value from jsonb_each('{"a":1}') e where e.key = 'a' and e.value = '1'
select * from jsonb_each('[1]')
select * from jsonb_object_keys('{"x":1,"y":2}')
select k from jsonb_object_keys('{"x":1,"y":2}') k order by k desc
select * from jsonb_object_keys('{"x":1}') as o(name)
select jsonb_array_elements_text('["a","b"]'), 1
select jsonb_object_keys('{"x":1}')
select jsonb_array_elements('[{"a":1},{"a":2}]')->>'a', 5
select generate_series(1, 3) + 1
select t.id, e from t, jsonb_array_elements(t.j->'b') e where id = 1
select t.id, e.key, e.value from t cross join lateral jsonb_each(t.j) e where id = 1
select t.id, k, v from t cross join lateral jsonb_each(t.j) as x(k, v) where id = 1
select t.id from t where exists (select 1 from jsonb_array_elements(t.j->'b') e where e = '2')
select array(select jsonb_array_elements_text('["a"]'))
select sum(value::int) from jsonb_array_elements_text('[1,2]')
select to_json(n), to_jsonb(d), to_jsonb(ts), to_jsonb(u), to_jsonb(tz), to_jsonb(y),
    array_to_json(array[1,2]), to_json(a), to_jsonb(interval '1 day') from t order by id
select encode('abc'::bytea,'hex'), encode('abc','base64'), decode('616263','hex'), md5('a'),
    sha256('abc'::bytea), md5('a'::bytea), decode('YWJj', 'base64'), encode('\x00ff5c41',
    'escape'), decode('a\\b\101', 'escape')
select encode('abc', 'nope')
select decode('6', 'hex')
select decode('zz', 'hex')
select decode('a', 'base64')
select encode(sha224('a'), 'hex'), encode(sha384('a'), 'hex'), encode(sha512('a'), 'hex'),
    convert_from('\x61', 'UTF8'), convert_to('a', 'utf8'), bit_length('abc')
select encode(convert_to(repeat('x', 100), 'UTF8'), 'base64')
select id from t order by n for share skip locked
select id from t order by b collate "C"
select id from t where b collate "C" < 'b' order by id
select a.id from (t a join t b on a.id = b.id) left join t c on c.id = a.id order by 1
select a.id from t a left join (t b join t c on b.id = c.id) on a.id = b.id and c.n > 5
    order by a.id
select 2 between symmetric 3 and 1, 2 not between symmetric 3 and 1, 5 between symmetric 3
    and 1, 2 not between 1 and 3
select id from t order by id fetch first row only
select '{"a":1}'::jsonb ? 'a' || 'b'
select a.id, row_to_json(b) from t a left join t b on b.id = a.id + 1 order by a.id
select * from t where j->>'a' = '1' and (j->'a')::int > 0
select array(select b from t order by b), array(select id from t where false), array(select
    ok from t order by id), array(select c from t order by id), array(select tz from t order by
    id), (array(select id from t order by id))[2]
select id = any(array(select 1)) from t order by id
select array(select jsonb_array_elements_text('["a"]'))
select json_agg(n), jsonb_agg(n), json_object_agg(id, n), jsonb_object_agg(id, n) from
    (select * from t order by id) o
select json_agg(o) from (select * from t order by id) o
select jsonb_object_keys(j) k, count(*) from t where id = 1 group by 1 order by 1
select id from t where id = 1 for update
select * from (t join t as s on t.id = s.id) order by t.id
select j || '{"q": 1}' from t order by id
select encode(y, 'hex'), length(y), substring(y from 1 for 1), y || y, get_byte('\x0102',
    1), position('\x02'::bytea in '\x0102'::bytea), octet_length(y), substring(y from 2),
    substring('\x010203'::bytea from 0 for 2) from t order by id

"""

ZONES = r"""
create table z (id int primary key, tz timestamptz, ts timestamp, d date)
insert into z values (1, '2026-01-07 12:34:56.789+00', '2026-01-07 12:34:56.789', '2026-01-07')
insert into z values (2, '2026-07-07 00:30:00+00', '2026-07-07 00:30', '2026-07-07')
select tz at time zone 'America/New_York', ts at time zone 'America/New_York', tz at time
    zone 'utc', ts at time zone 'UTC', d at time zone 'Europe/Berlin' from z order by id
select tz at time zone 'EST', tz at time zone 'cet', tz at time zone '+02', tz at time zone
    '<+05:30>-05:30', tz at time zone interval '2 hours', ts at time zone interval '-03:30' from
    z order by id
select tz at time zone 'Asia/Kolkata' at time zone 'Asia/Tokyo', timezone('Europe/London',
    tz), timezone('Europe/London', ts) from z order by id
select tz at time zone 'Nowhere/Land' from z
select ts at time zone 'Nowhere' from z
select date_trunc('day', tz, 'America/New_York'), date_trunc('month', tz at time zone
    'America/New_York'), date_trunc('hour', tz at time zone 'Asia/Kathmandu') from z order by id
select timestamp '2026-03-08 02:30' at time zone 'America/New_York', timestamp '2026-11-01
    01:30' at time zone 'America/New_York', timestamp '2026-03-08 01:59:59' at time zone
    'America/New_York', timestamp '2026-03-08 03:00' at time zone 'America/New_York'
select timestamp '2026-11-01 00:59' at time zone 'America/New_York', timestamp '2026-11-01
    02:00' at time zone 'America/New_York', timestamp '2090-07-01 12:00' at time zone
    'America/New_York', timestamp '1970-07-01 12:00' at time zone 'America/New_York', timestamp
    '1890-07-01 12:00' at time zone 'Europe/London'
select timestamptz '2090-12-01 12:00+00' at time zone 'Europe/Berlin', timestamptz
    '2090-07-01 12:00+00' at time zone 'Australia/Sydney', timestamptz '2090-01-01 12:00+00' at
    time zone 'Australia/Sydney', timestamptz '1800-01-01 00:00+00' at time zone
    'Europe/Amsterdam'
select extract(timezone from tz), extract(timezone_hour from tz), extract(timezone_minute
    from tz), extract(millennium from tz), extract(microseconds from tz), extract(milliseconds
    from tz), extract(julian from d) from z order by id
set time zone 'America/New_York'
show timezone
select * from z order by id
select tz from z where id = 1 union select tz from z where id = 2 order by 1 desc
select distinct tz from z order by tz
select max(tz), min(tz), count(*) from z
select tz::text, tz::date, tz::timestamp, tz::varchar, ts::timestamptz, d::timestamptz,
    '2026-01-07 12:00'::timestamptz, '2026-07-07 12:00+02'::timestamptz, timestamptz
    '2026-07-07' from z order by id
select extract(hour from tz), extract(day from tz), extract(epoch from tz), extract(timezone
    from tz), date_part('hour', tz), date_trunc('day', tz), date_trunc('month', tz), to_char(tz,
    'YYYY-MM-DD HH24:MI') from z order by id
select tz + interval '1 day', tz + interval '3 months', tz - interval '1 hour', interval '1
    month 2 hours' + tz, tz - tz, age(tz, '2025-01-01') from z order by id
select timestamptz '2026-03-07 12:00' + interval '1 day', timestamptz '2026-03-07 12:00' +
    interval '24 hours', timestamptz '2026-03-09 12:00' - interval '1 day', timestamptz
    '2026-03-07 12:00' + interval '1 day 24 hours'
select tz = '2026-01-07 07:34:56.789', tz > ts, tz > d, tz between '2026-01-07' and
    '2026-01-08', tz at time zone 'UTC', ts at time zone 'Asia/Tokyo' from z order by id
select current_date = (now() at time zone 'America/New_York')::date, localtimestamp = (now()
    at time zone 'America/New_York'), now() = current_timestamp
insert into z (id, tz) values (3, '2026-01-01 12:00') returning tz, tz at time zone 'UTC'
insert into z (id, tz) values (4, '2026-01-01 12:00 Europe/Berlin'), (5, timestamp
    '2026-07-01 12:00') returning id, tz
update z set tz = tz + interval '1 day', ts = tz where id = 3 returning tz, ts
select jsonb_build_object('t', tz), to_json(tz), row_to_json(q) from (select tz from z where
    id = 1) q
select array_agg(tz order by id)::text from z where id < 3
select * from (values (timestamptz '2026-01-01 00:00', 1)) v(a, b)
values (timestamptz '2026-01-01 00:00')
select case when id = 1 then tz end, coalesce(tz, now()), (select tz from z where id = 2)
    from z where id = 1
select tz as a, count(*) from z group by tz order by tz
select tz::date as day, count(*) from z group by 1 order by 1
select id from z where tz::date = '2026-01-07' order by id
select lag(tz) over (order by id) from z order by id
with q as (select tz from z where id = 1) select tz, tz + interval '1 day' from q
select to_timestamp(0), date_trunc('year', now()) = date_trunc('year', now() at time zone
    'America/New_York') at time zone 'America/New_York'
set timezone to 'asia/kolkata'
show timezone
select tz, extract(timezone from tz), extract(timezone_minute from tz) from z order by id
set time zone 5.5
show timezone
select tz from z where id = 1
set time zone -3
show timezone
select tz from z where id = 1
set time zone 'Nope'
set timezone = 'CET'
select tz from z where id < 3 order by id
set timezone = 'EST5EDT'
select tz from z where id < 3 order by id
begin
set local time zone 'Asia/Tokyo'
select tz from z where id = 1
commit
select tz from z where id = 1
set time zone default
select tz from z where id = 1
set time zone 'America/Sao_Paulo'
reset timezone
select tz from z where id = 1
"""

SEQUENCES = """
select nextval('nope')
create sequence s
select nextval('s')
select nextval('s')
select nextval('s') as n, 5
select nextval('public.s'), nextval('"s"'), nextval('S')
create sequence s
create sequence if not exists s
create sequence t start 10 increment 5
select nextval('t') from generate_series(1, 3)
create sequence u increment by -1
select nextval('u'), nextval('u')
create sequence v minvalue 1 maxvalue 2
select nextval('v'), nextval('v')
select nextval('v')
create sequence w maxvalue 2 cycle
select nextval('w'), nextval('w'), nextval('w')
select setval('s', 100)
select nextval('s')
select setval('s', 200, false)
select nextval('s')
select setval('v', 5)
alter sequence s restart
select nextval('s')
alter sequence s restart with 42
select nextval('s')
alter sequence s increment by 10
select nextval('s')
alter sequence nope restart
create table a (id bigint primary key default nextval('s'), n int, k bigint default
    nextval('t'))
insert into a (n) values (1), (2) returning id, n, k
insert into a (id, n) values (nextval('u') + 100, 3) returning id
insert into a (id, n) select nextval('s'), g from generate_series(1, 2) g returning id
update a set n = nextval('s') where n = 1 returning n
select count(*) from a
begin
select nextval('s') > 0
savepoint p
select nextval('s') > 0
commit
select nextval(null)
select nextval('s'::regclass), nextval(cast('s' as regclass))
    > 1, setval('s'::regclass, 900, true)
create table rc (id bigint default nextval('s'::regclass), n int)
insert into rc (n) values (1) returning id
drop sequence v, w
drop sequence v
drop sequence if exists v
select nextval('v')
create sequence bad increment 0
create sequence bad minvalue 5 maxvalue 3
create sequence as1 as integer start with 3 cache 20 no cycle owned by none
select nextval('as1')
"""

ORDERS = """
create table t (id int primary key, n int, b text, c numeric(5,2), f float8)
insert into t values (1, 2, 'b', 1.5, 1), (2, 1, 'a', 10, -1), (3, 2, 'a', 9, null), (4,
    null, 'ab', 1.25, 0), (5, 1, null, null, 5)
select array_agg(id order by n, id desc), string_agg(b, ',' order by n desc, b),
    array_agg(id order by n nulls first, c) from t
select array_agg(id order by b, id), array_agg(id order by b desc, id), array_agg(id order
    by f desc nulls last, id), array_agg(id order by c * 2, id), array_agg(id order by c * 2)
    from t
select jsonb_agg(id order by n, id), json_agg(b order by n nulls first, id) from t
select string_agg(b, ',' order by n desc nulls last, id) from t
table t order by id
table t order by id desc limit 2
select * from t union all table t order by 1, 2 limit 2
with x as (table t) select count(*) from x
"""

SCRIPTS = {"documents": DOCUMENTS, "zones": ZONES, "sequences": SEQUENCES, "orders": ORDERS}


@pytest.mark.parametrize("extended", [False, True], ids=["simple text", "extended binary"])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_words_mean_the_same(weir, postgres, tmp_path, subject, extended):
    gateway = weir(f"sqlite:{tmp_path / 'words.db'}")
    assert_script_means_the_same(postgres, gateway, SCRIPTS[subject], extended)


def test_no_number_of_a_sequence_is_given_twice(sqlite):
    """Those of a transaction that is rolled back are given again, unlike PostgreSQL's."""
    def draw(_):
        with sqlite.weir.connect() as db:
            return [db.execute("SELECT nextval('s')").fetchone()[0] for _ in range(20)]
    with sqlite.weir.connect() as db:
        db.execute("CREATE SEQUENCE s")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            drawn = [n for numbers in pool.map(draw, range(4)) for n in numbers]
        assert sorted(drawn) == list(range(1, 81))
        with db.transaction(force_rollback=True):
            assert db.execute("SELECT nextval('s')").fetchone() == (81,)
        assert db.execute("SELECT nextval('s')").fetchone() == (81,)
        assert db.execute("SELECT relname FROM pg_class WHERE relname LIKE 'weir%'"
                          ).fetchall() == []


def test_the_startup_packet_s_zone_counts_and_answers_are_each_zone_s_own(sqlite, monkeypatch):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, at timestamptz)")
        db.execute("INSERT INTO t VALUES (1, '2026-01-01 12:00+00')")
        monkeypatch.setenv("PGTZ", "Asia/Tokyo")
        with sqlite.weir.connect() as other:
            assert other.execute("SHOW TimeZone").fetchone() == ("Asia/Tokyo",)
            for _ in range(3):
                for one, shown in [(db, "12:00:00+00"), (other, "21:00:00+09")]:
                    row = one.pgconn.exec_(b"SELECT at, at::text FROM t WHERE id = 1")
                    assert (row.get_value(0, 0).decode(), row.get_value(0, 1).decode()) == (
                        "2026-01-01 " + shown, "2026-01-01 " + shown)
            other.execute("INSERT INTO t VALUES (2, '2026-01-01 12:00')")
        assert db.execute("SELECT at::text FROM t WHERE id = 2").fetchone() == (
            "2026-01-01 03:00:00+00",)


@pytest.mark.parametrize("sql", [
    "SELECT j @? '$.a' FROM t", "SELECT j @@ '$.a == 1' FROM t", "SELECT t FROM t",
    "SELECT jsonb_path_query(j, '$.a') FROM t", "SELECT json_agg(DISTINCT id) FROM t",
    "SELECT jsonb_each(j) FROM t", "SELECT 'a' ~ 'a(?=b)'", "CREATE INDEX ON t USING hash (id)",
    "SELECT 'NaN'::numeric", "SELECT x.* FROM t, LATERAL (SELECT t.id) x"])
def test_what_is_not_there_is_said(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id int, j jsonb)")
        with pytest.raises(psycopg.errors.FeatureNotSupported) as told:
            db.execute(sql)
        assert told.value.diag.message_hint


def test_a_number_that_is_too_large_is_told_by_how_much(sqlite):
    with sqlite.weir.connect() as db, pytest.raises(psycopg.errors.NumericValueOutOfRange) as told:
        db.execute("SELECT 123::numeric(3, 1)")
    assert told.value.diag.message_detail == (
        "A field with precision 3, scale 1 must round to an absolute value less than 10^2.")
