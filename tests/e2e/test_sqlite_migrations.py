"""What migrations and the ORMs' own statements use, by subject, statement by statement on both (as
test_sqlite_shared.py does it)."""

import psycopg
import pytest
from both import assert_script_means_the_same

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

SCRIPTS = {"defaults": DEFAULTS, "comments": COMMENTS}


@pytest.mark.parametrize("extended", [False, True], ids=["simple text", "extended binary"])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_a_script_means_the_same(weir, postgres, tmp_path, subject, extended):
    gateway = weir(f"sqlite:{tmp_path / 'migrations.db'}")
    assert_script_means_the_same(postgres, gateway, SCRIPTS[subject], extended)


@pytest.mark.parametrize("sql", ["UPDATE k SET id = DEFAULT", "COMMENT ON ROLE r IS 'x'",
                                 "COMMENT ON EXTENSION hstore IS 'x'"])
def test_what_is_refused_is_said(sqlite, sql):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE k (id serial PRIMARY KEY, a int)")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute(sql)


def test_psql_shows_comments(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, c int)")
        db.execute("COMMENT ON TABLE t IS 'of the table'")
        db.execute("COMMENT ON COLUMN t.c IS 'of the column'")
    shown = sqlite.weir.psql(stdin="\\dt+\n\\d+ t\n").stdout
    assert "of the table" in shown and "of the column" in shown
