"""Whenever a write changes a query's answer, it touches something that the query depends on.

Generated queries and writes on a real server: what they depend on and touch says pg_ids, by the
same code as the gateway's; what they do the server says. Every write is tried on every query and
rolled back.

WEIR_FOOTPRINTS_SECONDS: how long (20). WEIR_FOOTPRINTS_SEED: the first seed (1)."""

import os
import random
import subprocess
import time

import psycopg
import pytest

from support import BINARY

SECONDS = float(os.environ.get("WEIR_FOOTPRINTS_SECONDS", "20"))
FIRST_SEED = int(os.environ.get("WEIR_FOOTPRINTS_SEED", "1"))
HELPERS = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests/unit/sql")
TABLES = "abc"
COLUMNS = ("id", "aid", "k", "s")
SCHEMA = """create table {0} (id int primary key, aid bigint, k int, u uuid, b bool, d date, s text,
                              ts timestamp, n numeric)"""
VIEW = "create view v as select a.k from a left join b on a.id = b.aid"


class Ids:
    """The program that says what statements depend on and touch."""

    def __init__(self, name):
        self.process = subprocess.Popen([os.path.join(HELPERS, name)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, sql):
        assert "\n" not in sql
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        word, _, rest = self.process.stdout.readline().rstrip("\n").partition(" ")
        assert word, f"no answer to {sql}"
        if word in ("keep", "touch"):
            return word, [tuple(item.split(":")) for item in rest.split()]
        return word, rest

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def is_touched(dependencies, touches):
    """Whether one of the slots that a read looks at is bumped."""
    relations = {r for r, column, _ in touches if column == "0"}
    fixed = {}
    for relation, column, value in touches:
        if column != "0":
            fixed.setdefault((relation, column), set()).add(value)
    for relation, column, value in dependencies:
        if relation not in relations:
            continue
        if column == "0" or (relation, column) not in fixed or value in fixed[relation, column]:
            return True
    return False


class Case:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.aliases = 0

    def pick(self, *items):
        return self.random.choice(items)

    def often(self, share):
        return self.random.random() < share

    def value(self, column):
        n = self.random.randint(-1, 4)
        return f"'{n}'" if column == "s" else str(n)

    def alias(self):
        self.aliases += 1
        return f"x{self.aliases}"

    # ---- conditions ----

    def equality(self, alias, column=None):
        column = column or self.pick(*COLUMNS)
        name = f"{alias}.{column}"
        value, other = self.value(column), self.value(column)
        array = "{" + value.strip("'") + "," + other.strip("'") + "}"
        cast = "text" if column == "s" else "bigint"
        return self.pick(
            f"{name} = {value}", f"{value} = {name}", f"{name} = {value}",
            f"{name} in ({value}, {other})", f"{name} = any('{array}')",
            f"{name} = any(array[{value}, {other}])", f"{name} is not distinct from {value}",
            f"{name} = '{value.strip(chr(39))}'::{cast}", f"({name}, {alias}.id) = ({value}, 1)",
            f"{name} = {value} and {alias}.n is null", f"not ({name} <> {value})",
            f"({name} = {value} or {alias}.id = 1)", f"{name} >= {value}",
            f"{name} not in ({value})",
            f"case when {name} = {value} then true else false end", f"({name} = {value}) is true",
            f"coalesce({name} = {value}, true)", f"{name} = {value} collate \"C\""
            if column == "s" else f"{name} + 0 = {value}")

    def join_condition(self, left, right):
        a, b = self.pick("id", "aid", "k"), self.pick("id", "aid", "k")
        text = self.pick(f"{left}.{a} = {right}.{b}", f"{left}.s = {right}.s")
        if self.often(0.4):
            text += f" and {self.equality(self.pick(left, right))}"
        return text

    def subquery_condition(self, alias, depth):
        inner = self.alias()
        table = self.pick(*TABLES)
        where = [self.equality(inner)] if self.often(0.6) else []
        if self.often(0.6):
            where.append(self.join_condition(alias, inner))
        where = f" where {' and '.join(where)}" if where else ""
        column = self.pick("id", "aid", "k")
        if depth > 0 and self.often(0.3):
            where += (" and " if where else " where ") + self.subquery_condition(inner, depth - 1)
        source = f"from {table} {inner}{where}"
        return self.pick(
            f"exists (select 1 {source})", f"not exists (select 1 {source})",
            f"{alias}.{column} in (select {inner}.{column} {source})",
            f"{alias}.{column} = any (select {inner}.{column} {source})",
            f"{alias}.{column} not in (select {inner}.{column} {source})",
            f"{alias}.{column} = (select max({inner}.{column}) {source})",
            f"{alias}.{column} in (select {inner}.{column} {source} order by 1 limit 1)",
            f"(exists (select 1 {source}) or {alias}.k = 1)")

    # ---- FROM ----

    def leaf(self, ctes, before, depth):
        """A FROM item and its alias."""
        alias = self.alias()
        table = self.pick(*TABLES)
        shape = self.random.random()
        if shape < 0.6 or depth == 0:
            return f"{table} {alias}", alias
        if shape < 0.7 and ctes:
            return f"{self.pick(*ctes)} {alias}", alias
        inner = self.alias()
        where = f" where {self.equality(inner)}" if self.often(0.5) else ""
        lateral = ""
        if before and self.often(0.5):
            lateral = "lateral "
            where += (" and " if where else " where ") + self.join_condition(before, inner)
        if self.often(0.3):
            tail = self.pick(" order by 1, 2, 3, 4 limit 2", " group by 1, 2, 3, 4, 5")
        else:
            tail = ""
        columns = ", ".join(f"{inner}.{c}" for c in COLUMNS) + f", {inner}.n"
        head = self.pick("", "", "distinct ") + columns
        if self.often(0.1):
            tail = f" union all select id, aid, k, s, n from {self.pick(*TABLES)} where k = 1"
        names = self.pick("", "", " (id, aid, k, s, n)", " (k, id, aid, s, n)")
        return f"{lateral}(select {head} from {table} {inner}{where}{tail}) {alias}{names}", alias

    def source(self, ctes, depth):
        text, first = self.leaf(ctes, None, depth)
        aliases = [first]
        using = None
        for _ in range(self.pick(0, 0, 1, 1, 2)):
            item, alias = self.leaf(ctes, aliases[-1], depth)
            kind = self.pick("join", "join", "left join", "right join", "full join", "cross join",
                             ",")
            if "lateral" in item and kind in ("right join", "full join"):
                kind = "left join"
            if kind in ("cross join", ","):
                text += f"{',' if kind == ',' else ' cross join'} {item}"
                if kind == ",":
                    using = None
            elif kind != "full join" and self.often(0.75):
                text += f" {kind} {item} on {self.join_condition(aliases[-1], alias)}"
            elif len(aliases) == 1:
                using = self.pick("id", "k")
                text += f" {kind} {item} using ({using})"
            else:
                text += f" left join {item} on {self.join_condition(aliases[-1], alias)}"
            aliases.append(alias)
        return text, aliases, using if len(aliases) == 2 else None

    # ---- queries ----

    def core(self, ctes, depth, columns=None):
        text, aliases, using = self.source(ctes, depth)
        where = []
        for _ in range(self.pick(0, 1, 1, 2)):
            where.append(self.equality(self.pick(*aliases)))
        if using and self.often(0.6):
            where.append(f"{using} = {self.value(using)}")
        if depth > 0 and self.often(0.35):
            where.append(self.subquery_condition(self.pick(*aliases), 1))
        where = f" where {' and '.join(where)}" if where else ""
        one = self.pick(*aliases)
        if columns:
            return f"select {one}.id, {one}.k from {text}{where}"
        inner = self.alias()
        shape = self.pick(
            f"select * from {text}{where}", f"select {one}.* from {text}{where}",
            f"select count(*), max({one}.k) from {text}{where}",
            f"select {one}.k, count(*) from {text}{where} group by {one}.k",
            f"select {one}.k, count(*) from {text}{where} group by grouping sets (({one}.k), ())",
            f"select distinct {one}.k, {one}.s from {text}{where}",
            f"select {one}.id, count(*) over (partition by {one}.k) from {text}{where}",
            f"select {one}.id, (select count(*) from b {inner} where "
            f"{self.join_condition(one, inner)}) from {text}{where}",
            f"select {one}.id, {one}.k, {one}.s from {text}{where} order by 1, 2, 3 limit 2",
            f"select distinct on ({one}.k) {one}.k, {one}.id, {one}.s from {text}{where} "
            f"order by 1, 2, 3")
        return shape

    def query(self):
        ctes, head = [], ""
        if self.often(0.2):
            name = self.alias()
            ctes.append(name)
            inner = self.alias()
            how = self.pick("", "materialized ", "not materialized ")
            head = (f"with {name} as {how}(select * from {self.pick(*TABLES)} {inner} where "
                    f"{self.equality(inner)}) ")
            if self.often(0.3):
                head = (f"with recursive {name} as (select * from a where k = 1 union select a.* "
                        f"from a join {name} on a.aid = {name}.id) ")
        if self.often(0.1):
            return head + f"select v.k from v where v.k = {self.value('k')}"
        if self.often(0.15):
            operation = self.pick("union", "union all", "intersect", "except")
            return (head + self.core(ctes, 1, True) + f" {operation} " + self.core(ctes, 1, True))
        return head + self.core(ctes, 2)

    # ---- writes ----

    def where_of(self, alias):
        where = [self.equality(alias) for _ in range(self.pick(0, 1, 1, 2))]
        return f" where {' and '.join(where)}" if where else ""

    def assignment(self):
        column = self.pick(*COLUMNS[1:], "n")
        if column == "n":
            return "n = coalesce(n, 0) + 1"
        return self.pick(f"{column} = {self.value(column)}", f"{column} = {self.value(column)}",
                         "k = k + 1", "aid = null", f"(k, aid) = ({self.value('k')}, aid)",
                         "k = aid", f"k = {self.value('k')}::bigint")

    def insert(self, table):
        def row():
            return (f"({self.random.randint(5, 9)}, {self.value('aid')}, {self.value('k')}, "
                    f"{self.value('s')})")
        tail = self.pick("", " on conflict do nothing",
                         f" on conflict (id) do update set {self.excluded()}",
                         f" on conflict (id) do update set {self.excluded()}")
        if self.often(0.2):
            return (f"insert into {table} (id, aid, k, s) select id + 20, k, aid, s from "
                    f"{self.pick(*TABLES)}{tail}")
        rows = ", ".join([row()] * 1 if self.often(0.7) else [row(), row().replace("(", "(1", 1)])
        if self.often(0.3):
            rows = f"({self.random.randint(0, 4)}, {self.value('aid')}, default, 'x')"
            tail = tail or " on conflict do nothing"
        return f"insert into {table} (id, aid, k, s) values {rows}{tail}"

    def excluded(self):
        return self.pick("k = excluded.k", f"k = {self.value('k')}", "n = 1",
                         "s = excluded.s, aid = excluded.aid", "id = excluded.id, k = 1")

    def merge_of_values(self, table):
        source = (f"select {self.random.randint(0, 9)}::int as i, {self.value('k')}::int as j, "
                  f"{self.value('k')}::bigint as l")
        on = self.pick("x.id = s.i", "s.i = x.id and x.k = s.j", "x.k = s.j", "x.aid = s.j",
                       "x.id = s.i or x.k = s.j", "x.k = s.l", "x.id = s.i and x.n is null")
        done = [self.pick("", "when matched then delete ", "when matched then update set n = 5 ",
                          "when matched and x.n = 1 then do nothing ",
                          f"when matched then update set {self.assignment()} "),
                self.pick("", "when not matched then insert (id, k) values (s.i, s.j) ",
                          "when not matched then insert (k, id, aid) values (s.j, s.i - 5, 1) ",
                          "when not matched then insert (id, aid) values (s.i, s.j) ",
                          "when not matched then insert (id, k) values (s.i, s.l) ")]
        self.random.shuffle(done)
        return (f"merge into {table} x using ({source}) s on {on} "
                f"{''.join(done) or 'when matched then delete'}")

    def write(self):
        table, other = self.pick(*TABLES), self.pick(*TABLES)
        shape = self.random.random()
        if shape < 0.3:
            return f"update {table} x set {self.assignment()}{self.where_of('x')}"
        if shape < 0.45:
            return f"delete from {table} x{self.where_of('x')}"
        if shape < 0.7:
            return self.insert(table)
        if shape < 0.8:
            return (f"update {table} x set n = 5 from {other} y where "
                    f"{self.join_condition('x', 'y')} and {self.equality('y')}")
        if shape < 0.85:
            return (f"delete from {table} x using {other} y where "
                    f"{self.join_condition('x', 'y')} and {self.equality('y')}")
        if shape < 0.9:
            return (f"with w as (update {table} set n = 3 where id = 1 returning *) "
                    f"delete from {other} x{self.where_of('x')}")
        if shape < 0.94:
            return self.merge_of_values(table)
        if shape < 0.96:
            return (f"merge into {table} x using {other} y on x.id = y.k and y.k = 2 when matched "
                    f"then update set k = y.aid when not matched then insert (id, k) "
                    f"values (y.id + 50, 1)")
        return self.pick(f"truncate {table}", f"update v set k = 2")

    def fill(self):
        for table in TABLES:
            for i in range(self.random.randint(0, 5)):
                values = [str(i)] + [self.value(c) if self.often(0.85) else "null"
                                     for c in COLUMNS[1:]]
                yield f"insert into {table} (id, aid, k, s) values ({', '.join(values)})"


def answer(connection, sql):
    """Rows as a multiset; None: it fails."""
    try:
        with connection.transaction():
            return sorted(map(repr, connection.execute(sql).fetchall()))
    except psycopg.Error:
        return None


def written(connection, sql):
    try:
        with connection.transaction():
            return connection.execute(sql).rowcount >= 0 or sql.startswith("truncate")
    except psycopg.Error:
        return False


def play(seed, connection, ids, tally):
    case = Case(seed)
    with connection.transaction(force_rollback=True):
        for sql in case.fill():
            connection.execute(sql)
        queries = []
        for _ in range(14):
            sql = case.query()
            rows = answer(connection, sql)
            word, dependencies = ids.ask(sql)
            if rows is None:
                tally["failed"] += 1
                continue
            if word == "refuse":
                tally["refused"] += 1
                tally.setdefault("why", {}).setdefault(dependencies, sql)
                continue
            tally["keyed" if any(c != "0" for _, c, _ in dependencies) else "whole"] += 1
            queries.append((sql, rows, dependencies))
        for _ in range(10):
            write = case.write()
            word, touches = ids.ask(write)
            assert word in ("touch", "everything"), write
            with connection.transaction(force_rollback=True):
                if not written(connection, write):
                    continue
                tally["writes"] += 1
                tally["everything"] += word == "everything"
                tally["fixed"] += any(c != "0" for _, c, _ in touches)
                for sql, rows, dependencies in queries:
                    touched = word == "everything" or is_touched(dependencies, touches)
                    if touched:
                        continue
                    tally["spared"] += 1
                    after = sorted(map(repr, connection.execute(sql).fetchall()))
                    assert after == rows, (
                        f"seed {seed}: stale\n{sql}\n{write}\nbefore {rows}\nafter {after}\n"
                        f"depends {dependencies}\ntouches {touches}")


def play_many(postgres, helper, seconds, cases_min):
    tally = dict.fromkeys(("failed", "refused", "keyed", "whole", "writes", "everything", "fixed",
                           "spared"), 0)
    ids = Ids(helper)
    with postgres.connect(postgres.database()) as connection:
        for table in TABLES:
            connection.execute(SCHEMA.format(table))
        connection.execute(VIEW)
        end, seed = time.monotonic() + seconds, FIRST_SEED
        while time.monotonic() < end or seed < FIRST_SEED + cases_min:
            play(seed, connection, ids, tally)
            seed += 1
    ids.close()
    why = tally.pop("why", {})
    print(seed - FIRST_SEED, "cases", tally, *why.items(), sep="\n")
    return tally


@pytest.mark.seconds(SECONDS + 120)
def test_a_write_that_changes_an_answer_touches_what_it_depends_on(postgres):
    tally = play_many(postgres, "pg_ids", SECONDS, 20)
    assert tally["keyed"] > 0 and tally["fixed"] > 0 and tally["spared"] > 0


@pytest.mark.seconds(240)
def test_a_wrong_rule_is_found(postgres):
    """NOT EXISTS taken for a fact of the rows outside."""
    with pytest.raises(AssertionError, match="stale"):
        play_many(postgres, "pg_ids_fault", 0, 2000)


# ---- what `weir explain` says under a server's own schema ----

EXPLAINED = """
create table a (id int primary key, k int, s text);
create table b (id int primary key, aid int references a on delete cascade);
create table tree (id int primary key, up int references tree on delete cascade);
create table moved (id int primary key, s text);
create table follower (id int primary key, m int references moved on update cascade);
create table stamped (id int primary key, k int);
create function stamp() returns trigger language plpgsql as 'begin new.k := 5; return new; end';
create trigger t before update on stamped for each row execute function stamp();
create table root (id int primary key, k int) partition by range (id);
create table leaf partition of root for values from (0) to (100);
create table folded (id int primary key, s text);
create view v as select a.id, b.aid from a join b on a.id = b.aid;
create table without (x int);
create schema other;
create table other.a (id int primary key);
create function mine(int) returns int language sql immutable as 'select 1';
create publication weir for table a, b, tree, stamped, leaf, folded, other.a;
"""


@pytest.fixture(scope="module")
def explained(postgres):
    database = postgres.database()
    with postgres.connect(database) as connection:
        connection.execute(EXPLAINED)
    return postgres.dsn(database)


def explain(dsn, sql):
    done = subprocess.run([BINARY, "explain", sql, dsn], text=True, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize("sql, words", [
    ("select * from a where id = $1", ["public.a: rows with id = $1"]),
    ("select * from a join b on b.aid = a.id where a.id = 5",
     ["public.a: rows with id", "public.b: rows with aid"]),
    ("select * from v where id = 1", ["public.a: all of it", "public.b: all of it"]),
    ("select * from root where id = 7", ["public.root: rows with id"]),
    ("select * from other.a where id = 7", ["other.a: rows with id"]),
    ("select * from without", ["cached      no (unfollowed)", "replica identity"]),
    ("select now()", ["cached      no (volatile)"]),
    ("select mine(id) from a", ["cached      no (volatile)", "mine"]),
    ("select * from pg_class", ["cached      no (system)"]),
])
def test_explain_says_what_an_answer_depends_on(explained, sql, words):
    said = explain(explained, sql)
    assert all(word in said for word in words), said


def fixed(said, relation):
    """The columns of it that a write is said to fix; None: it is not said to change it."""
    columns, here = None, False
    for line in said.splitlines():
        if line.startswith("changes     "):
            here = line.split()[1] == relation
            columns = [] if here else columns
        elif here and line.startswith("            with "):
            columns.append(line.split()[1])
        else:
            here = False
    return None if columns is None else sorted(columns)


def test_explain_says_what_a_write_changes(explained):
    said = explain(explained, "update a set s = 'x' where id = 5")
    assert fixed(said, "public.a") == ["id"]
    said = explain(explained, "delete from a where id = 5")
    assert fixed(said, "public.a") == ["id"] and fixed(said, "public.b") == []
    said = explain(explained, "insert into a (id, k) values (1, 2)")
    # What a foreign key does on deletes is none of an UPDATE's or INSERT's.
    assert fixed(said, "public.b") is None
    assert fixed(explain(explained, "update a set k = 1 where id = 5"), "public.b") is None
    assert fixed(explain(explained, "update tree set up = 1 where id = 2"), "public.tree") == ["id"]
    assert fixed(explain(explained, "update moved set s = 'x'"), "public.follower") == []
    assert fixed(explain(explained, "delete from moved"), "public.follower") == []
    said = explain(explained, "insert into a (id, k) values (1, 2)")
    assert fixed(said, "public.a") == ["id", "k"]
    # The action comes back to other rows of the table.
    assert fixed(explain(explained, "delete from tree where id = 1"), "public.tree") == []
    said = explain(explained, "insert into tree values (1, 2)")
    assert fixed(said, "public.tree") == ["id", "up"]
    # A BEFORE trigger writes other rows than the statement says.
    said = explain(explained, "update stamped set id = 2 where id = 1")
    assert fixed(said, "public.stamped") == []
    # A partition's rows are those of what it is a part of, and the other way round.
    said = explain(explained, "insert into leaf values (1, 2)")
    assert fixed(said, "public.leaf") == fixed(said, "public.root") == ["id", "k"]
    said = explain(explained, "update root set k = 1 where id = 3")
    assert fixed(said, "public.leaf") == fixed(said, "public.root") == ["id"]
    assert "changes     anything" in explain(explained, "truncate a cascade")
