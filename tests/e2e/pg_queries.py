"""Random queries over pg_world's shop, each out of one seed: joins of all kinds, lateral items,
CTEs, aggregates, windows, set operations, subqueries, casts, errors.

`total`: ORDER BY determines the bytes, because it names every column of the result and equal values
have equal bytes. Nothing else may depend on the order in which rows are met, so window functions
treat peers alike and floats are not summed up."""

import random

from cases import Query
from pg_world import LINKS, OFTEN, POOLS, TABLES

KEYS = {"id", "order_id", "product_id", "customer_id", "parent", "sku", "email", "region", "no"}
ORDERED = {"int", "big", "small", "num", "text", "ts", "date", "mood", "uuid", "bool", "span",
           "char"}
INTEGERS = {"int", "big", "small"}
ERRORS = ["SELECT 1 / ({e} - {e}) FROM {t} x", "SELECT x.nothing FROM {t} x",
          "SELECT ('z' || x.{c}::text)::int FROM {t} x", "SELECT {e} FRO {t} x",
          "SELECT count(*), x.{c} FROM {t} x", "SELECT * FROM nothing_of_it",
          "SELECT (SELECT y.{c} FROM {t} y) FROM {t} x WHERE {e} IS NOT NULL",
          "SELECT no_such_function({e}) FROM {t} x", "SELECT x.{c} FROM {t} x, {t} x",
          "SELECT 'nonsense'::timestamptz FROM {t} x", "SELECT {e} + 'x'::text FROM {t} x"]
ODD = ["SELECT current_setting('TimeZone'), count(*) FROM orders",
       "SELECT relname FROM pg_class WHERE relname = 'orders'", "TABLE early_events",
       "SELECT id FROM customers WHERE id = 3 FOR UPDATE", "VALUES (1, 'a'), (2, NULL)",
       "SELECT count(*) FROM ONLY customers", "SELECT x FROM vips x WHERE x.id = 21",
       "SELECT format('%s-%I', name, region) FROM customers WHERE id = 2", "SELECT",
       "SELECT since, since::text, placed - since FROM customers JOIN orders "
       "ON customer_id = customers.id WHERE customers.id = 2 ORDER BY placed",
       "SELECT 1 WHERE false"]


class Source:
    def __init__(self, alias, columns, table=None):
        self.alias, self.columns, self.table = alias, columns, table


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.literals = []
        self.count = 0

    def pick(self, *items):
        return self.random.choice(items)

    def often(self, share):
        return self.random.random() < share

    def alias(self):
        self.count += 1
        return f"x{self.count}"

    def literal(self, pool):
        self.literals.append(self.random.choice(POOLS[pool]))
        return f"\x01{len(self.literals) - 1}\x02"

    def value(self, column, kind):
        return self.literal(column if column in POOLS else kind)

    # ---- expressions ----

    def columns(self, scope, kinds):
        return [f"{s.alias}.{c}" for s in scope for c, k in s.columns.items() if k in kinds]

    def column(self, scope, kinds, otherwise):
        found = self.columns(scope, kinds)
        return self.random.choice(found) if found else self.literal(otherwise)

    def integer(self, scope, depth):
        column = self.column(scope, INTEGERS, "int")
        if depth <= 0 or self.often(0.4):
            return column
        return self.pick(
            f"{column} + {self.literal('int')}", f"length({self.text(scope, depth - 1)})",
            f"coalesce({column}, {self.literal('int')})", f"{column} % 3", f"nullif({column}, 2)",
            f"cardinality({self.column(scope, ('texts', 'ints'), 'ints')})",
            f"extract(day FROM {self.column(scope, ('ts',), 'ts')})::int",
            f"(({self.column(scope, ('jsonb',), 'jsonb')}) ->> 'n')::int",
            f"CASE WHEN {self.condition(scope, depth - 1)} THEN {column} ELSE -1 END",
            f"greatest({column}, {self.literal('int')})", f"abs({column})",
            f"({self.column(scope, ('ints',), 'ints')})[1]",
            f"array_position({self.column(scope, ('texts',), 'texts')}, {self.literal('text')})",
            self.scalar(scope, depth - 1))

    def number(self, scope, depth):
        column = self.column(scope, ("num",), "num")
        if depth <= 0 or self.often(0.4):
            return column
        return self.pick(
            f"{column} * 2", f"round({column}, 1)", f"coalesce({column}, {self.literal('num')})",
            f"{column} + {self.integer(scope, depth - 1)}", f"{column}::numeric(8,3)",
            f"({self.integer(scope, depth - 1)})::numeric", f"least({column}, 50.00)")

    def text(self, scope, depth):
        column = self.column(scope, ("text",), "text")
        if depth <= 0 or self.often(0.3):
            return column
        return self.pick(
            f"upper({column})", f"{column} || {self.literal('text')}", f"left({column}, 3)",
            f"({self.integer(scope, depth - 1)})::text", f"({self.number(scope, depth - 1)})::text",
            f"({self.column(scope, ('mood',), 'mood')})::text",
            f"({self.column(scope, ('jsonb',), 'jsonb')} ->> 'k')", f"md5({column})",
            f"to_char({self.column(scope, ('ts',), 'ts')}, 'YYYY-MM-DD HH24')",
            f"({self.column(scope, ('ts',), 'ts')})::text",
            f"coalesce({column}, {self.literal('text')})", f"replace({column}, 'e', 'E')",
            f"array_to_string({self.column(scope, ('texts',), 'texts')}, ',', '-')",
            f"encode({self.column(scope, ('bytea',), 'bytea')}, 'hex')",
            f"CASE {column} WHEN {self.literal('text')} THEN 'one' ELSE {column} END",
            f"({self.column(scope, ('inet',), 'inet')})::text", f"btrim({column}, 'n1')")

    def other(self, scope, depth):
        """An expression of some other type that has an order."""
        ts, json = self.column(scope, ("ts",), "ts"), self.column(scope, ("jsonb",), "jsonb")
        return self.pick(
            ts, f"date_trunc('month', {ts})", f"({ts})::date", f"{ts} + interval '1 day'",
            f"({json} -> 'a')", f"jsonb_build_object('v', {self.text(scope, depth - 1)})",
            json, self.column(scope, ("texts",), "texts"), self.column(scope, ("mood",), "mood"),
            self.column(scope, ("bytea",), "bytea"), self.column(scope, ("uuid",), "uuid"),
            self.column(scope, ("float",), "float"), self.column(scope, ("span",), "span"),
            f"ARRAY[{self.integer(scope, depth - 1)}, 1]", f"({self.condition(scope, depth - 1)})",
            f"to_jsonb({self.text(scope, 0)})", f"({self.random.choice(scope).alias}.*)::text")

    def expression(self, scope, depth=2):
        return self.pick(self.integer, self.text, self.number, self.other)(scope, depth)

    def scalar(self, scope, depth):
        inner = self.table()
        where = self.link(scope, inner) or self.key(inner)
        what = self.pick("count(*)::int", f"max({self.integer([inner], 0)})",
                         f"min({self.integer([inner], 0)})")
        return f"(SELECT {what} FROM {inner.table} {inner.alias} WHERE {where})"

    # ---- conditions ----

    def key(self, source):
        """What a cache of rows would like to see."""
        column = self.random.choice([c for c in source.columns if c in KEYS]
                                    or list(source.columns)[:1])
        kind = source.columns[column]
        name, one = f"{source.alias}.{column}", self.value(column, kind)
        return self.pick(f"{name} = {one}", f"{name} = {one}", f"{one} = {name}",
                         f"{name} IN ({one}, {self.value(column, kind)})",
                         f"{name} = ANY (ARRAY[{one}, {self.value(column, kind)}])")

    def condition(self, scope, depth=1):
        source = self.random.choice(scope)
        column = self.random.choice(list(source.columns))
        kind, name = source.columns[column], f"{source.alias}.{column}"
        if self.often(0.35):
            return self.key(source)
        if depth > 0 and self.often(0.25):
            return self.subquery(scope, depth - 1)
        if depth > 0 and self.often(0.15):
            return (f"({self.condition(scope, depth - 1)} {self.pick('AND', 'OR')} "
                    f"{self.pick('', 'NOT ')}{self.condition(scope, depth - 1)})")
        if kind == "jsonb":
            return self.pick(f"{name} @> {self.literal('jsonb')}", f"{name} ->> 'k' = 'v1'",
                             f"{name} IS NULL", f"{name} #>> '{{a,1}}' = 'x'",
                             f"({name} ->> 'n')::int = {self.literal('small')}")
        if kind in ("texts", "ints"):
            value = self.literal(kind[:-1])
            return self.pick(f"{value} = ANY ({name})", f"{name} && {self.literal(kind)}",
                             f"{name} @> {self.literal(kind)}", f"cardinality({name}) > 1")
        one, two = self.value(column, kind), self.value(column, kind)
        more = [f"{name} LIKE 'n%'", f"{name} ~ '[1e]$'"] if kind == "text" else []
        return self.pick(f"{name} = {one}", f"{name} <> {one}", f"{name} >= {one}",
                         f"{name} < {one}", f"{name} IS NULL", f"{name} IS NOT NULL",
                         f"{name} BETWEEN {one} AND {two}", f"{name} IS DISTINCT FROM {one}",
                         f"{name} NOT IN ({one}, {two})", f"({name}, 1) = ({one}, 1)",
                         f"coalesce({name} = {one}, true)", *more)

    def subquery(self, scope, depth):
        inner = self.table()
        where = [self.link(scope, inner) or self.key(inner)]
        if self.often(0.5):
            where.append(self.condition([inner], depth))
        body = f"FROM {inner.table} {inner.alias} WHERE {' AND '.join(where)}"
        mine, theirs = self.integer(scope, 0), self.integer([inner], 0)
        return self.pick(f"EXISTS (SELECT 1 {body})", f"NOT EXISTS (SELECT 1 {body})",
                         f"{mine} IN (SELECT {theirs} {body})",
                         f"{mine} NOT IN (SELECT {theirs} {body})",
                         f"{mine} >= ALL (SELECT {theirs} {body})",
                         f"{mine} = ANY (SELECT {theirs} {body})")

    # ---- FROM ----

    def table(self):
        name = self.pick(*OFTEN) if self.often(0.7) else self.pick(*TABLES)
        return Source(self.alias(), TABLES[name], name)

    def link(self, scope, new):
        """A join that means something, if there is one."""
        found = []
        for s in scope:
            for left, a, right, b in LINKS:
                if (left, right) == (s.table, new.table):
                    found.append(f"{s.alias}.{a} = {new.alias}.{b}")
                if (left, right) == (new.table, s.table):
                    found.append(f"{new.alias}.{a} = {s.alias}.{b}")
        return self.random.choice(found) if found else None

    def leaf(self, scope, ctes):
        """(text, source, lateral)"""
        shape = self.random.random()
        if shape < 0.08 and ctes:
            cte = self.random.choice(ctes)
            source = Source(self.alias(), cte.columns)
            return f"{cte.alias} {source.alias}", source, False
        if shape < 0.22:
            inner = self.table()
            columns = {c: k for c, k in inner.columns.items() if self.often(0.7)} or \
                dict([next(iter(inner.columns.items()))])
            where = [self.key(inner)] if self.often(0.6) else []
            lateral = bool(scope) and self.often(0.5)
            if lateral:
                where.append(self.link(scope, inner) or self.key(inner))
            tail = f" WHERE {' AND '.join(where)}" if where else ""
            if self.often(0.3) and "id" in columns:
                tail += f" ORDER BY {inner.alias}.id LIMIT 3"
            source = Source(self.alias(), columns)
            text = (f"{'LATERAL ' * lateral}(SELECT {', '.join(columns)} FROM {inner.table} "
                    f"{inner.alias}{tail}) {source.alias}")
            return text, source, lateral
        alias = self.alias()
        if shape < 0.28 and scope:
            array = self.column(scope, ("texts",), "texts")
            return f"unnest({array}) {alias}(item)", Source(alias, {"item": "text"}), True
        if shape < 0.31:
            return (f"generate_series(1, {self.literal('small')}) {alias}(n)",
                    Source(alias, {"n": "int"}), False)
        if shape < 0.34:
            return (f"(VALUES (1, 'a'), (2, {self.literal('text')})) {alias}(n, item)",
                    Source(alias, {"n": "int", "item": "text"}), False)
        source = self.table()
        only = "ONLY " if source.table == "customers" and self.often(0.2) else ""
        return f"{only}{source.table} {source.alias}", source, False

    def source(self, ctes=()):
        text, first, _ = self.leaf([], ctes)
        scope = [first]
        for _ in range(self.pick(0, 0, 0, 1, 1, 2)):
            item, new, lateral = self.leaf(scope, ctes)
            if lateral:
                text += self.pick(f" CROSS JOIN {item}", f" LEFT JOIN {item} ON true")
            else:
                on = self.link(scope, new) or (f"{self.integer(scope, 0)} = "
                                               f"{self.integer([new], 0)}")
                kind = self.pick("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
                if self.often(0.2) and kind != "FULL JOIN":
                    on += f" AND {self.condition([new], 0)}"
                text += f" {kind} {item} ON {on}"
            scope.append(new)
        return text, scope

    def where(self, scope):
        parts = []
        if self.often(0.65):
            parts.append(self.key(self.random.choice(scope)))
        while self.often(0.35):
            parts.append(self.condition(scope))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    # ---- queries: (text, number of columns) ----

    def plain(self, ctes=()):
        text, scope = self.source(ctes)
        items = [self.expression(scope) for _ in range(self.pick(1, 2, 3, 4))]
        distinct = self.pick("", "", "", "DISTINCT ")
        return f"SELECT {distinct}{', '.join(items)} FROM {text}{self.where(scope)}", len(items)

    def star(self, ctes=()):
        text, scope = self.source(ctes)
        return (f"SELECT * FROM {text}{self.where(scope)}",
                sum(len(s.columns) for s in scope))

    def grouped(self, ctes=()):
        text, scope = self.source(ctes)
        keys = [self.column(scope, ORDERED, "int") for _ in range(self.pick(1, 1, 2))]
        if any("\x01" in k for k in keys):
            return self.plain(ctes)
        number, integer = self.number(scope, 1), self.integer(scope, 0)
        text_item = self.text(scope, 1)
        aggregates = self.random.sample(
            ["count(*)", f"sum({number})", f"max({self.text(scope, 1)})", f"avg({integer})",
             f"count(DISTINCT {integer})", f"min({self.column(scope, ('ts',), 'ts')})",
             f"string_agg({text_item}, ',' ORDER BY {text_item})",
             f"sum({integer}) FILTER (WHERE {self.condition(scope, 0)})",
             f"bool_or({self.condition(scope, 0)})",
             f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {integer})"], self.pick(1, 2, 3))
        listed = ", ".join(keys)
        by = self.pick(listed, listed, f"ROLLUP ({listed})", f"GROUPING SETS (({listed}), ())")
        having = f" HAVING {self.pick('count(*) > 1', 'count(*) < 3')}" if self.often(0.2) else ""
        return (f"SELECT {listed}, {', '.join(aggregates)} FROM {text}{self.where(scope)} "
                f"GROUP BY {by}{having}", len(keys) + len(aggregates))

    def windowed(self, ctes=()):
        text, scope = self.source(ctes)
        part, order = self.column(scope, ORDERED, "int"), self.column(scope, ORDERED, "int")
        over = f"(PARTITION BY {part} ORDER BY {order})"
        call = self.pick("rank()", "dense_rank()", "count(*)", f"sum({self.integer(scope, 0)})",
                         f"max({self.integer(scope, 0)})", "cume_dist()", f"lag({order})",
                         f"first_value({order})")
        return (f"SELECT {order}, {self.integer(scope, 0)}, {call} OVER {over} FROM {text}"
                f"{self.where(scope)}", 3)

    def combined(self, ctes=()):
        parts = []
        for _ in range(self.pick(2, 2, 3)):
            text, scope = self.source(ctes)
            parts.append(f"(SELECT {self.integer(scope, 1)}::bigint, {self.text(scope, 1)}::text "
                         f"FROM {text}{self.where(scope)})")
        operation = self.pick("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL")
        return f" {operation} ".join(parts), 2

    def distinct_on(self, ctes=()):
        text, scope = self.source(ctes)
        items = [self.integer(scope, 1), self.text(scope, 1), self.number(scope, 0)]
        inner = (f"SELECT DISTINCT ON (a) a, b, c FROM (SELECT {items[0]}, {items[1]}, {items[2]} "
                 f"FROM {text}{self.where(scope)}) s(a, b, c) ORDER BY a, b, c")
        return f"SELECT * FROM ({inner}) d", 3

    def top(self, ctes=()):
        """The best few of each."""
        outer, inner = self.table(), self.table()
        on = self.link([outer], inner) or self.key(inner)
        items = f"{self.integer([inner], 0)} AS p, {self.text([inner], 0)} AS q"
        return (f"SELECT {self.integer([outer], 0)}, s.p, s.q FROM {outer.table} {outer.alias} "
                f"{self.pick('CROSS JOIN', 'LEFT JOIN')} LATERAL (SELECT {items} FROM "
                f"{inner.table} {inner.alias} WHERE {on} ORDER BY 1, 2 LIMIT 2) s"
                .replace("CROSS JOIN LATERAL", "JOIN LATERAL") + " ON true"
                + self.where([outer]), 3)

    def recursive(self):
        return ("WITH RECURSIVE tree(id, name) AS (SELECT id, name FROM products WHERE id = "
                f"{self.literal('int')} UNION SELECT p.id, p.name FROM products p JOIN tree t ON "
                "p.parent = t.id) SELECT * FROM tree", 2)

    def body(self, ctes=()):
        return self.pick(self.plain, self.plain, self.star, self.grouped, self.windowed,
                         self.combined, self.distinct_on, self.top)(ctes)

    def with_cte(self):
        inner = self.table()
        name = self.alias()
        how = self.pick("", "MATERIALIZED ", "NOT MATERIALIZED ")
        head = (f"WITH {name} AS {how}(SELECT {', '.join(inner.columns)} FROM {inner.table} "
                f"{inner.alias}{self.where([inner])}) ")
        text, width = self.body([Source(name, inner.columns)])
        return head + text, width

    def erring(self):
        source = self.table()
        source.alias = "x"
        column = self.random.choice(list(source.columns))
        return self.pick(*ERRORS).format(e=self.integer([source], 0), t=source.table, c=column)

    def point(self):
        """As most of an application's are."""
        source = self.table()
        join = ""
        if self.often(0.3):
            other = self.table()
            if on := self.link([source], other):
                join = f" JOIN {other.table} {other.alias} ON {on}"
        return (f"SELECT {source.alias}.* FROM {source.table} {source.alias}{join} WHERE "
                f"{self.key(source)}", len(source.columns))

    def query(self):
        shape = self.random.random()
        if shape < 0.03:
            return Query(self.erring(), self.literals, False)
        if shape < 0.06:
            return Query(self.pick(*ODD), self.literals, False)
        if shape < 0.3:
            text, width = self.point()
        elif shape < 0.4:
            text, width = self.with_cte()
        elif shape < 0.43:
            text, width = self.recursive()
        else:
            text, width = self.body()
        if not self.often(0.6):
            return Query(text, self.literals, False)
        places = list(range(1, width + 1))
        self.random.shuffle(places)
        text += " ORDER BY " + ", ".join(
            f"{p}{self.pick('', '', ' DESC', ' NULLS FIRST')}" for p in places)
        text += self.pick("", "", " LIMIT 3", " LIMIT 5 OFFSET 1", " FETCH FIRST 2 ROWS WITH TIES")
        return Query(text, self.literals, True)
