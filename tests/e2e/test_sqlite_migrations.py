"""What migrations and the ORMs' own statements use, by subject, statement by statement on both (as
test_sqlite_shared.py does it)."""

import psycopg
import pytest
from both import assert_script_means_the_same
from psycopg.types.enum import EnumInfo, register_enum

DEFAULTS = r"""
create table d (id bigint not null unique, a int default 7, b text default 'x''y',
    c numeric(10,2) default 1.5, t timestamptz default now(), u uuid default
    gen_random_uuid(), f boolean default true, n int, j jsonb default '{"a": 1}',
    v varchar(5) default 'abc', dd date default '2026-01-02', s serial, l text[] default '{a,b}')
insert into d (id) values (1), (2)
update d set a = 1, b = 'b', c = 2, f = false, n = 5, j = '[]', v = 'v', dd = '2027-01-01', l = '{}'
update d set a = default where id = 1 returning a
update d set b = default, c = default, f = default, n = default, j = default, v = default, dd =
    default, l = default where id = 1 returning a, b, c, f, n, j, v, dd, l
update d set (a, b) = (default, 'row') where id = 2 returning a, b
update d set t = default, u = default where id = 2 returning t is not null, u is not null
update d set s = default where id = 2 returning s
update d set a = default + 1
update d set a = coalesce(default, 1)
insert into d (id, a, b) values (3, default, 'p'), (4, 11, default), (default, 1, 'q')
insert into d (id, a, b) values (3, default, 'p'), (4, 11, default) returning id, a, b, c
insert into d (id, a) values (1, 5) on conflict (id) do update set a = default returning a
insert into d values (5, default, default, default, default, default, default, 1, default, default,
    default, default, default), (6, 1, default, 3, default, default, false, 2, default, default,
    default, default, default) returning id, a, b, c, f, n, j, v, dd, l
create table k (id serial primary key, a int default 3)
insert into k values (default, default), (default, 8) returning *
insert into k (a) select 1 union all select 2 returning *
select * from (values (default)) v
select default
"""

COMMENTS = r"""
create table t (id int primary key, "Mixed" text, c int, constraint positive check (c > 0))
create index i on t (c)
create view v as select id from t
create sequence s
comment on table t is 'a table''s words'
comment on column t.id is E'two\nlines'
comment on column public.t."Mixed" is $$dollar 'quoted'$$
comment on index i is 'index'
comment on view v is 'view'
comment on sequence s is 'sequence'
comment on constraint positive on t is 'constraint'
comment on table nope is 'x'
comment on column t.nope is 'x'
comment on column nope.id is 'x'
comment on view t is 'x'
comment on table v is 'x'
comment on constraint nope on t is 'x'
select obj_description('t'::regclass), obj_description('t'::regclass, 'pg_class'),
    col_description('t'::regclass, 1), col_description('t'::regclass, 2),
    col_description('t'::regclass, 3)
select obj_description('i'::regclass, 'pg_class'), obj_description('v'::regclass, 'pg_class'),
    obj_description('s'::regclass, 'pg_class')
select c.relname, d.objsubid, d.description from pg_description d join pg_class c on c.oid =
    d.objoid where d.classoid = 'pg_class'::regclass and c.relname in ('t', 'i', 'v', 's') order by
    1, 2
select k.conname, d.description from pg_description d join pg_constraint k on k.oid = d.objoid
    where d.classoid = 'pg_constraint'::regclass and conname = 'positive'
comment on table t is 'another'
select obj_description('t'::regclass, 'pg_class')
comment on column t.id is null
comment on column t."Mixed" is ''
select count(*) from pg_description d join pg_class c on c.oid = d.objoid where d.classoid =
    'pg_class'::regclass and c.relname = 't' and objsubid > 0
comment on column t.c is 'follows'
alter table t rename column c to d
select col_description('t'::regclass, 3)
alter table t rename to t2
select obj_description('t2'::regclass, 'pg_class'), col_description('t2'::regclass, 3)
alter index i rename to i2
select obj_description('i2'::regclass, 'pg_class')
drop index i2
create index i2 on t2 (d)
select obj_description('i2'::regclass, 'pg_class')
alter table t2 drop column d
alter table t2 add column d int
select col_description('t2'::regclass, 3), col_description('t2'::regclass, 4)
begin
comment on table t2 is 'undone'
rollback
select obj_description('t2'::regclass, 'pg_class')
drop view v
drop table t2
create table t2 (id int)
select obj_description('t2'::regclass, 'pg_class')
drop sequence s
create sequence s
select obj_description('s'::regclass, 'pg_class')
"""

ENUMS = r"""
create type mood as enum ('sad', 'ok', 'happy')
create type mood as enum ('x')
create type twice as enum ('x', 'x')
create table p (id int not null, m mood not null default 'ok', n mood, kind_int text)
insert into p values (1, 'happy', null), (2, 'sad', 'ok'), (3, default, 'sad') returning *
insert into p (id, m) values (4, 'angry')
insert into p (id, m) values (4, 'Sad')
update p set m = 'nope' where id = 1
update p set n = 'happy' where id = 1 returning m, n
select id, m from p order by m
select id, m from p order by m desc, id
select id from p where m = 'ok'
select id from p where m > 'sad' order by id
select id from p where m between 'ok' and 'happy' order by id
select id from p where m in ('sad', 'happy') order by id
select id from p where m in ('sad', 'glad')
select id from p where m = n
select id from p where m <> n or n is null order by id
select min(m), max(m), count(distinct m) from p
select m, count(*) from p group by m order by m
select distinct m from p order by m
select m::text, m::varchar(2), 'sad'::mood, cast('ok' as mood), 'x' || m from p order by id
select 'bad'::mood
select kind_int::mood from p
select m || '!' from p order by id
select m = 'ok'::text from p
select m + 1 from p
select id from p where m = 1
select m from p where m like 's%'
select id from p where m::text like 's%'
select case when id = 1 then m else 'sad' end, coalesce(n, 'ok'), nullif(m, n) from p order by id
select enum_first(null::mood), enum_last(null::mood)
select count(*) from (select m from p union select 'ok' union select n from p) u
select pg_typeof(m)::text from p limit 1
select to_json(m), json_build_object('m', m) from p where id = 1
select string_agg(m::text, ',' order by m) from p
select row_number() over (order by m), m from p order by 1
insert into p (id, m) select 9, 'sad'
insert into p (id, m) select 10, kind_int from p
insert into p (id, m) values (11, 'ok'::text)
select enumlabel, enumsortorder from pg_enum e join pg_type t on t.oid = e.enumtypid where
    t.typname = 'mood' order by enumsortorder
select typname, typtype, typcategory, typlen from pg_type where typname = 'mood'
select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'p'::regclass
    and attnum > 0 order by attnum
select column_name::text, data_type::text, udt_schema::text, udt_name::text from
    information_schema.columns where table_name = 'p' order by ordinal_position
select 'mood'::regtype::text as name
alter type mood add value 'angry' before 'sad'
alter type mood add value 'glad'
alter type mood add value 'so so' after 'ok'
alter type mood add value 'ok'
alter type mood add value if not exists 'ok'
alter type mood add value 'x' before 'nope'
insert into p (id, m) values (5, 'angry'), (6, 'so so') returning m
select id, m from p order by m, id
alter type mood rename value 'so so' to 'meh'
alter type mood rename value 'nope' to 'x'
alter type mood rename value 'ok' to 'sad'
select id, m from p where m = 'meh'
select id from p where m = 'so so'
alter table p add column o mood default 'glad'
select o from p where id = 1
alter table p alter column kind_int type mood using kind_int::mood
update p set kind_int = 'glad' where id = 1 returning kind_int
update p set kind_int = 'none' where id = 1
create index pm on p (m)
select id from p where m = 'angry'
create view pv as select id, m from p
select m from pv order by m desc, id
select id from pv where m = 'zzz'
drop type mood
drop type nope
drop type if exists nope
drop view pv
drop table p
drop type mood
create type "Odd ""Name" as enum ('it''s', '50%', 'a@b', '')
create table o (id int, e "Odd ""Name")
insert into o values (1, 'it''s'), (2, '50%'), (3, 'a@b'), (4, '') returning e
select id from o where e >= '50%' order by e desc
insert into o values (5, 'x')
drop table o
drop type "Odd ""Name"
begin
create type gone as enum ('a')
create table g (x gone)
rollback
create type gone as enum ()
drop type gone
"""

AGGREGATES = r"""
create table g (k int, f float8, h float8, r float4, n int, b bigint, s smallint)
insert into g values (1, 1.5, 2, 1.5, 5, 7, 3), (1, 2.25, 4.5, 2, 3, 12, 1), (1, -3, 1e10, 0.1, 6,
    null, 7), (2, 1e-3, 7, 4, 1, 1, 1), (2, null, 8, null, null, null, null), (3, 4, null, 1, 2,
    2, 2)
select k, variance(f), var_samp(f), var_pop(f), stddev(f), stddev_samp(f), stddev_pop(f) from g
    group by k order by k
select variance(r), stddev_pop(r), var_pop(h), stddev(h) from g
select corr(f, h), covar_pop(f, h), covar_samp(f, h) from g
select regr_avgx(f, h), regr_avgy(f, h), regr_sxx(f, h), regr_syy(f, h), regr_sxy(f, h),
    regr_slope(f, h), regr_intercept(f, h), regr_r2(f, h), regr_count(f, h) from g
select k, regr_slope(f, h), corr(f, h), covar_samp(f, h), regr_r2(f, h) from g group by k order by k
select k, bit_and(n), bit_or(n), bit_and(b), bit_or(b), bit_and(s), bit_or(s) from g group by k
    order by k
select bit_xor(n), bit_xor(b) from g
select stddev(f) filter (where k = 1), variance(f) filter (where k > 9), bit_or(n) filter (where
    n < 3) from g
select stddev(f) from g where false
select bool_and(n > 0), bool_or(n > 5), every(n is not null) from g
select stddev(f + 1) * 2 from g having count(*) > 1
select stddev('x') from g
select bit_and(f) from g
select corr(f) from g
"""

KEYS = r"""
create table t (a uuid, b text, c int unique, d int, unique (b, d))
insert into t values ('00000000-0000-0000-0000-000000000001', 'x', 1, 1),
    ('00000000-0000-0000-0000-000000000002', 'x', 2, 2)
alter table t add primary key (b)
alter table t add primary key (a)
alter table t add primary key (a)
insert into t (a) values (null)
insert into t values ('00000000-0000-0000-0000-000000000002', 'y', 3, 3)
insert into t values ('00000000-0000-0000-0000-000000000003', 'x', 3, 1)
insert into t values ('00000000-0000-0000-0000-000000000003', 'y', 1, 3)
insert into t values ('00000000-0000-0000-0000-000000000003', 'y', 3, 3) on conflict (a) do update
    set b = 'z' returning b
select conname, contype from pg_constraint where conrelid = 't'::regclass order by 1
select attname, attnotnull from pg_attribute where attrelid = 't'::regclass and attnum > 0
    order by attnum
create table r (t uuid references t)
alter table t drop constraint t_pkey
drop table r
alter table t drop constraint t_pkey
insert into t values ('00000000-0000-0000-0000-000000000003', 'again', 4, 4)
insert into t values (null, 'again', 5, 5)
insert into t values ('00000000-0000-0000-0000-000000000003', 'again', 4, 7)
delete from t where b = 'again'
alter table t drop constraint t_b_d_key
alter table t add constraint the_key primary key (b, d)
alter table t add constraint the_key2 primary key (a)
select conname, contype from pg_constraint where conrelid = 't'::regclass order by 1
insert into t values ('00000000-0000-0000-0000-000000000009', 'y', 9, 3)
alter table t rename constraint the_key to its_key
alter table t drop constraint c_nope
alter table t drop constraint t_c_key
insert into t values ('00000000-0000-0000-0000-000000000009', 'q', 1, 3)
insert into t values ('00000000-0000-0000-0000-000000000009', 'q', 8, 3)
alter table t drop constraint its_key
insert into t values ('00000000-0000-0000-0000-000000000009', 'q', 8, 3)
insert into t values ('00000000-0000-0000-0000-000000000009', 'q2', 8, null)
select b, c, d from t order by b, c, d
begin
alter table t drop column a
rollback
create table n (a text primary key, b int)
insert into n values ('x', 1)
alter table n drop constraint n_pkey, add primary key (b)
insert into n values (null, 2)
insert into n values ('x', 1)
insert into n values ('x', 2) returning *
create schema if not exists public
drop schema if exists nowhere
"""

SCRIPTS = {"keys": KEYS, "enums": ENUMS, "aggregates": AGGREGATES, "defaults": DEFAULTS,
           "comments": COMMENTS}


@pytest.mark.parametrize("extended", [False, True], ids=["simple text", "extended binary"])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_a_script_means_the_same(weir, postgres, tmp_path, subject, extended):
    gateway = weir(f"sqlite:{tmp_path / 'migrations.db'}")
    assert_script_means_the_same(postgres, gateway, SCRIPTS[subject], extended)


@pytest.mark.parametrize("sql", ["UPDATE k SET id = DEFAULT", "COMMENT ON ROLE r IS 'x'",
                                 "COMMENT ON EXTENSION hstore IS 'x'",
                                 "CREATE TYPE c AS (a int)", "ALTER TYPE e RENAME TO f",
                                 "CREATE TABLE a (l e[])", "SELECT stddev(a) FROM k",
                                 "SELECT stddev(a::float8) OVER () FROM k",
                                 "SELECT m FROM x UNION SELECT m FROM x ORDER BY 1",
                                 "CREATE TABLE temp.s (n serial, m int)",
                                 "ALTER TABLE u ADD PRIMARY KEY (a)",
                                 "ALTER TABLE k DROP CONSTRAINT k_pkey", "CREATE SCHEMA other",
                                 "MERGE INTO k USING x ON true WHEN MATCHED THEN DO NOTHING",
                                 "WITH w AS (INSERT INTO k (a) VALUES (1) RETURNING a) "
                                 "SELECT * FROM w"])
def test_what_is_refused_is_said(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE k (id serial PRIMARY KEY, a int)")
        db.execute("CREATE TYPE e AS ENUM ('a')")
        db.execute("CREATE TABLE x (m e)")
        db.execute("CREATE TABLE u (a int UNIQUE)")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute(sql)


def test_drivers_know_enums(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        db.execute("CREATE TABLE p (id int, m mood)")
        info = EnumInfo.fetch(db, "mood")
        assert info.labels == ["sad", "ok"]
        register_enum(info, db)
        db.execute("INSERT INTO p VALUES (1, %s)", (info.enum["ok"],))
        for binary in (False, True):
            assert db.execute("SELECT m FROM p", binary=binary).fetchone() == (info.enum["ok"],)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            db.execute("INSERT INTO p VALUES (2, %s)", ("none",))
        db.rollback()


def test_copy_looks_at_labels(sqlite):
    with sqlite.weir.connect(autocommit=True) as db:
        db.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        db.execute("CREATE TABLE p (id int, m mood)")
        with db.cursor().copy("COPY p FROM STDIN") as copy:
            copy.write("1\tok\n2\t\\N\n")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), \
                db.cursor().copy("COPY p FROM STDIN") as copy:
            copy.write("3\tnone\n")
        assert db.execute("SELECT * FROM p ORDER BY id").fetchall() == [(1, "ok"), (2, None)]


def test_a_changed_type_is_seen_by_prepared_statements(sqlite):
    with sqlite.weir.connect(autocommit=True) as one, sqlite.weir.connect(autocommit=True) as other:
        one.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        one.execute("CREATE TABLE p (id int, m mood)")
        insert = "INSERT INTO p VALUES (1, %s)"
        for _ in range(3):
            one.execute(insert, ("ok",), prepare=True)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            one.execute(insert, ("new",), prepare=True)
        other.execute("ALTER TYPE mood ADD VALUE 'new' BEFORE 'sad'")
        one.execute(insert, ("new",), prepare=True)
        assert one.execute("SELECT min(m) FROM p").fetchone() == ("new",)


def test_the_file_is_sound_behind_changed_keys(sqlite):
    with sqlite.weir.connect(autocommit=True) as db:
        db.execute("CREATE TABLE t (a text UNIQUE, b int, c int UNIQUE)")
        db.execute("INSERT INTO t SELECT 'x' || g, g, g FROM generate_series(1, 500) g")
        for sql in ("ALTER TABLE t ADD PRIMARY KEY (b)", "ALTER TABLE t DROP CONSTRAINT t_a_key",
                    "ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ADD PRIMARY KEY (a, b)",
                    "ALTER TABLE t DROP CONSTRAINT t_c_key"):
            db.execute(sql)
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], sql
            assert db.execute("SELECT count(*) FROM t WHERE b BETWEEN 1 AND 500").fetchone() == (
                500,)


def test_no_answer_outlives_its_table(sqlite):
    with sqlite.weir.connect(autocommit=True) as one, sqlite.weir.connect(autocommit=True) as other:
        for i in range(4):
            one.execute("CREATE TABLE t (id uuid DEFAULT gen_random_uuid(), n serial, v int)")
            one.execute("INSERT INTO t (v) VALUES (%s)", (i,))
            for _ in range(4):
                assert other.execute("SELECT n, v FROM t").fetchall() == [(1, i)]
            one.execute("ALTER TABLE t ADD PRIMARY KEY (v)")
            one.execute("UPDATE t SET v = DEFAULT WHERE false")
            assert other.execute("SELECT n, v FROM t").fetchall() == [(1, i)]
            one.execute("DROP TABLE t")


def test_psql_shows_comments(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, c int)")
        db.execute("COMMENT ON TABLE t IS 'of the table'")
        db.execute("COMMENT ON COLUMN t.c IS 'of the column'")
    shown = sqlite.weir.psql(stdin="\\dt+\n\\d+ t\n").stdout
    assert "of the table" in shown and "of the column" in shown
