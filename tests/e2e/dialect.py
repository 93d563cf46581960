"""Statements in the part of SQL that PostgreSQL and Weir's SQLite share, made from a seed: for
test_sqlite_differential.py. Most are right; some have mistakes of the kinds that people make."""

import random

from dialect_kinds import CASTS, COLUMNS, KINDS, LITERALS, NAMED, SCHEMA, TABLES, Statement
from dialect_queries import Queries


class Maker(Queries):
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.columns = True
        self.scope = COLUMNS
        self.nested, self.parameters, self.commons, self.aliases = False, None, [], 0

    def one(self, *choices):
        return self.r.choice(choices)

    def chance(self, p):
        return self.r.random() < p

    # ---- expressions ----

    def leaf(self, kind):
        if self.scope.get(kind) and self.columns and self.chance(0.65):
            return self.r.choice(self.scope[kind])
        return self.given(kind)

    def of(self, kind, depth=2):
        """An expression of the kind."""
        if depth <= 0 or self.chance(0.2):
            return self.leaf(kind)
        if self.chance(0.12):
            return self.conditional(kind, depth)
        if self.nested and self.chance(0.06):
            return self.asks() if kind == "bool" else self.subquery(kind)
        return getattr(self, "make_" + kind, self.leaf_any)(kind, depth - 1)

    def leaf_any(self, kind, _):
        return self.leaf(kind)

    def conditional(self, kind, depth):
        a, b = self.of(kind, depth - 1), self.of(kind, depth - 1)
        return self.one(f"coalesce({a}, {b})", f"nullif({a}, {b})" if kind != "json" else a,
                        f"CASE WHEN {self.of('bool', depth - 1)} THEN {a} ELSE {b} END",
                        f"CASE WHEN {self.of('bool', depth - 1)} THEN {a} END",
                        f"greatest({a}, {b})" if kind not in ("json", "bool") else b)

    def make_int(self, kind, d):
        a, b, t = self.of("int", d), self.of("int", d), self.of("text", d)
        return self.one(
            f"({a} + {b})", f"({a} - {b})", f"({a} * {b})", f"({a} / {b})", f"({a} % {b})",
            f"-({a})", f"abs({a})", f"length({t})", f"char_length({t})", f"mod({a}, {b})",
            f"position({self.leaf('text')} in {t})", f"strpos({t}, 'b')", f"sign({a})::int",
            f"{self.of('num', d)}::int", f"({self.r.choice(LITERALS['float'][:4])})::int",
                f"({a})::int8",
            f"({self.of('bool', d)})::int", f"({self.of('date', d)} - {self.of('date', d)})",
            f"octet_length({t})", f"({a} & 6)", f"({a} | 1)", f"({a} # 3)", "'12'::int",
            f"ascii({t})", f"div({a}, 3)::int", f"floor({self.of('num', d)})::int")

    def make_float(self, kind, d):
        a, b = self.of("float", d), self.of("float", d)
        return self.one(f"({a} + {b})", f"({a} * {b})", f"({a} - {b})", f"({a} / {b})",
                        f"abs({a})", f"round({a})", f"floor({a})", f"ceil({a})", f"trunc({a})",
                        f"({self.of('int', d)})::float8", f"sqrt(abs({a}))", f"power({a}, 2)",
                        f"({a} + {self.of('int', d)})", f"({self.of('num', d)})::float8",
                        f"sign({a})", f"-({a})", f"exp({self.one('0', '1')}::float8)",
                        f"({a} + {self.of('real', d)})", f"({self.of('real', d)})::float8",
                        f"({self.of('real', d)} * {self.of('int', 0)})")

    def make_real(self, kind, d):
        a, b = self.of("real", d), self.of("real", d)
        return self.one(f"({a} + {b})", f"({a} * {b})", f"({a} - {b})", f"({a} / {b})", f"abs({a})",
                        f"-({a})", f"({self.of('int', d)})::real", f"({self.of('num', d)})::real",
                        f"({self.of('float', d)})::float4")

    def make_num(self, kind, d):
        a, b = self.of("num", d), self.of("num", d)
        return self.one(f"({a} + {b})", f"({a} - {b})", f"({a} * {b})", f"({a} / {b})",
                        f"round({a}, {self.one('0', '1', '2')})", f"round({a})", f"abs({a})",
                        f"trunc({a}, 1)", f"floor({a})", f"ceil({a})", f"({a} + 1)",
                        f"({self.of('int', d)})::numeric", f"({a} % 3)", f"-({a})",
                        f"({a})::numeric(8,1)", f"sign({a})")

    def make_text(self, kind, d):
        a, b, n = self.of("text", d), self.of("text", d), self.one("-1", "0", "1", "2", "3", "9")
        return self.one(
            f"({a} || {b})", f"upper({a})", f"lower({a})", f"substr({a}, {n})",
            f"substr({a}, {n}, 2)", f"substring({a} from 2)", f"substring({a} from {n} for 3)",
            f"trim({a})", f"ltrim({a}, 'a')", f"rtrim({a})", f"btrim({a}, 'ac')",
            f"trim(both 'a' from {a})", f"replace({a}, 'b', 'zz')", f"left({a}, {n})",
            f"right({a}, {n})", f"lpad({a}, 6, 'xy')", f"rpad({a}, 5)", f"reverse({a})",
            f"repeat({a}, 2)", f"split_part({a}, 'b', 1)", f"initcap({a})", f"concat({a}, {b})",
            f"concat({a}, {self.of('int', d)}, {self.of('bool', d)})",
            f"concat_ws('-', {a}, NULL, {b})", f"translate({a}, 'ab', 'x')", f"md5({a})",
            f"({self.of('int', d)})::text", f"({self.of('bool', d)})::text", f"({a} || 5)",
            f"({self.of('num', d)})::text", f"({self.of('date', d)})::text", "chr(65)",
            f"({self.of('ts', d)})::text", f"overlay({a} placing 'Q' from 2 for 1)",
            f"({a})::varchar(2)", f"{self.leaf('json')} ->> 'a'", f"quote_literal({a})",
            f"to_char({self.of('date', d)}, 'YYYY-MM-DD')", f"format('%s-%s', {a}, {b})",
            f"regexp_replace({a}, '[bB]', '#')", f"({self.of('float', d)})::text")

    def make_bool(self, kind, d):
        k = self.one("int", "int", "text", "float", "real", "num", "date", "ts", "tz", "uuid",
                     "json", "interval")
        a, b = self.of(k, d), self.of(k, d)
        x, t = self.of("bool", d), self.of("text", d)
        op = self.one("=", "<>", "<", "<=", ">", ">=", "!=")
        return self.one(
            f"({a} {op} {b})", f"({a} {op} {b})", f"({a} {op} {b})",
                f"({x} AND {self.of('bool', d)})",
            f"({x} OR {self.of('bool', d)})", f"(NOT {x})", f"({a} IS NULL)",
            f"({a} IS NOT NULL)", f"({a} IS DISTINCT FROM {b})", f"({a} IS NOT DISTINCT FROM {b})",
            f"({a} BETWEEN {b} AND {self.of(k, d)})", f"({a} NOT BETWEEN {b} AND {self.of(k, 0)})",
            f"({a} IN ({b}, {self.of(k, 0)}))", f"({a} NOT IN ({b}, {self.of(k, 0)}))",
            f"({x} IS TRUE)", f"({x} IS NOT FALSE)", f"({x} IS UNKNOWN)",
            f"({t} LIKE {self.pattern()})", f"({t} NOT LIKE {self.pattern()})",
            f"({t} ILIKE {self.pattern()})",
                f"({t} ~ {self.one(chr(39) + '^a' + chr(39), chr(39) + '[A-C]+' + chr(39))})",
            f"({t} ~* '^AB')", f"({t} SIMILAR TO 'a(b|_)c')",
                f"({self.of('int', d)} < {self.of('num', d)})",
            f"({self.of('date', d)} < {self.of('ts', d)})",
                f"({self.leaf('json')} @> '{{\"a\": 1}}')",
            f"({self.leaf('json')} ? 'a')", f"starts_with({t}, 'a')",
            f"({self.leaf('int')}, {self.leaf('int')}) = ({self.leaf('int')}, 1)",
            f"({self.of('int', d)} = ANY (ARRAY[1, 2, 42]))",
            f"({self.of('text', d)} = ANY ('{{abc,x}}'))")

    def pattern(self):
        return self.r.choice(["'a%'", "'%b%'", "'A__'", "'a\\_c'", "'%50\\%'", "''", "'_b_'",
                              "'abc'", "'%ö%'"])

    def make_date(self, kind, d):
        a = self.of("date", d)
        return self.one(f"({a} + 1)", f"({a} - 30)", f"({self.of('ts', d)})::date",
                        "to_date('2024-03-05', 'YYYY-MM-DD')", f"({a} + {self.of('int', 0)} % 100)",
                        "make_date(2024, 2, 3)", "'2024-1-5'::date")

    def make_ts(self, kind, d):
        a = self.of("ts", d)
        return self.one(f"({a} + {self.leaf('interval')})", f"({a} - {self.leaf('interval')})",
                        f"date_trunc('{self.one('year', 'month', 'day', 'hour')}', {a})",
                        f"({self.of('date', d)} + {self.leaf('interval')})",
                        f"({self.of('date', d)})::timestamp",
                        f"({self.leaf('tz')} AT TIME ZONE 'UTC')")

    def make_tz(self, kind, d):
        return self.one(f"({self.of('tz', d)} + {self.leaf('interval')})",
                        f"({self.leaf('ts')} AT TIME ZONE 'UTC')",
                            f"({self.of('ts', d)})::timestamptz",
                        f"date_trunc('day', {self.of('tz', d)})")

    def make_interval(self, kind, d):
        return self.one(f"({self.of('ts', d)} - {self.of('ts', d)})",
                        f"({self.leaf('interval')} * 2)",
                            f"age({self.of('ts', d)}, {self.leaf('ts')})",
                        f"({self.leaf('interval')} + {self.leaf('interval')})",
                        "'3 days'::interval")

    def make_json(self, kind, d):
        a = self.leaf("json")
        return self.one(f"({a} -> 'a')", f"({a} -> 0)", f"({a} #> '{{b,1}}')",
                        f"jsonb_build_object('k', {self.of('int', d)})",
                        f"jsonb_build_array({self.of('int', d)}, {self.of('text', d)})",
                        f"to_jsonb({self.of(self.one('int', 'text', 'bool'), d)})",
                        f"({a} || '{{\"z\": 1}}')", f"jsonb_set({a}, '{{a}}', '9')")

    def any(self, depth=2, kinds=None):
        return self.of(self.r.choice(kinds or KINDS), depth)

    # ---- queries ----

    def where(self, p=0.6):
        return f" WHERE {self.of('bool', 2)}" if self.chance(p) else ""

    def order(self, *columns):
        return " ORDER BY " + ", ".join(
            c + self.one("", "", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST")
            for c in columns)

    def expression(self, category, kinds, depth=2):
        items = ", ".join(self.any(depth, kinds) for _ in range(self.r.randint(1, 3)))
        self.columns = True
        return Statement(category, f"SELECT {items} FROM items{self.where(0.3)} ORDER BY items.id",
                         ordered=True, binary=self.chance(0.2))

    def numbers(self):
        return self.expression("numbers", ["int", "int", "float", "real", "num"])

    def strings(self):
        return self.expression("strings", ["text"])

    def conditions(self):
        return self.expression("conditions", ["bool"])

    def dates(self):
        return self.expression("dates", ["date", "ts", "tz", "interval"])

    def fields(self):
        unit = self.one("year", "month", "day", "hour", "minute", "second", "dow", "doy", "epoch",
                        "quarter", "week", "isodow")
        x = self.one(self.of("ts", 1), self.of("date", 1))
        return Statement("dates", f"SELECT extract({unit} FROM {x}), date_part('{unit}', {x}) "
                         "FROM items ORDER BY items.id", ordered=True)

    def documents(self):
        return self.expression("documents", ["json"])

    def casts(self):
        source, to = self.r.choice(KINDS), self.r.choice(KINDS)
        x = self.of(source, 1)
        if self.chance(0.3):
            x = self.one("'12'", "'abc'", "' 7 '", "'1.5'", "'t'", "'yes'", "'2024-02-30'", "''",
                         "'2024-01-05'", "'99999999999'", "'{\"a\":1}'", "'NaN'", "NULL", "70000",
                         "1.5", "2.5", "-0.5", "'1e3'")
        return Statement("casts",
            f"SELECT ({x})::{self.r.choice(CASTS[to])} FROM items ORDER BY items.id",
                         ordered=True)

    def plain(self):
        columns = self.r.sample([c for k in KINDS for c in COLUMNS[k]], 3)
        keys = self.r.sample(["s", "i", "b", "f", "n", "t", "ok", "d", "ts", "u"], 2)
        limit = self.one("", "", f" LIMIT {self.r.randint(0, 4)}", " LIMIT 2 OFFSET 3", " OFFSET 2",
                         " LIMIT ALL", " FETCH FIRST 2 ROWS ONLY")
        return Statement("plain", f"SELECT {', '.join(columns)} FROM items{self.where()}"
                         f"{self.order(*keys, 'id')}{limit}", ordered=True, binary=self.chance(0.3))

    def whole(self):
        t = self.r.choice(list(TABLES))
        return Statement("plain", f"SELECT * FROM {t} ORDER BY {TABLES[t]}", ordered=True,
                         binary=self.chance(0.5))

    def distinct(self):
        k = self.one("s", "i", "t", "ok", "d")
        return self.one(
            Statement("distinct", f"SELECT DISTINCT {k} FROM items{self.where()}"),
            Statement("distinct", f"SELECT DISTINCT {k}, v FROM items{self.where()}"),
            Statement("distinct", f"SELECT DISTINCT ON ({k}) {k}, id FROM items "
                      f"ORDER BY {k}, id DESC", ordered=True),
            Statement("distinct", f"SELECT count(DISTINCT {k}), count(*) FROM items{self.where()}"))

    def aggregate(self):
        return self.one(
            f"count({self.any(1)})", "count(*)", f"sum({self.of('int', 1)})",
            f"sum({self.of('num', 1)})", f"avg({self.of('int', 1)})", f"avg({self.of('num', 1)})",
            f"sum({self.of('float', 0)})", f"avg({self.of('float', 0)})",
            f"min({self.any(1, ['int', 'text', 'date', 'ts', 'num'])})",
            f"max({self.any(1, ['int', 'text', 'date', 'ts', 'num'])})",
            f"bool_and({self.of('bool', 1)})", f"bool_or({self.of('bool', 1)})",
            "string_agg(t, ',' ORDER BY id)", "array_agg(id ORDER BY id)",
            f"count(*) FILTER (WHERE {self.of('bool', 1)})", "sum(s)", "sum(b % 1000)")

    def groups(self):
        by = self.one("s", "i", "t", "ok", "d", "owner", "s % 2", "upper(t)", "d, ok")
        items = ", ".join([by] + [self.aggregate() for _ in range(self.r.randint(1, 2))])
        if self.chance(0.12):
            items = self.one("id", "v", "t || v", "s + i") + ", " + items
        having = self.one("", "", " HAVING count(*) > 1", " HAVING min(id) < 5",
                          " HAVING bool_or(ok)")
        return Statement("groups",
            f"SELECT {items} FROM items{self.where(0.4)} GROUP BY {by}{having}")

    def totals(self):
        items = ", ".join(self.aggregate() for _ in range(self.r.randint(1, 3)))
        return Statement("groups", f"SELECT {items} FROM items{self.where(0.4)}",
                         binary=self.chance(0.2))

    def windows(self):
        over = self.one("ORDER BY id", "PARTITION BY s ORDER BY id",
            "PARTITION BY ok ORDER BY i, id",
                        "ORDER BY d DESC, id",
                            "ORDER BY n, id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                        "PARTITION BY t", "ORDER BY i")
        call = self.one("row_number()", "rank()", "dense_rank()", "count(*)", "sum(i::int8)",
            "sum(s)",
                        "max(t)", "lag(i)", "lead(t, 1, 'none')", "first_value(id)", "avg(n)",
                        "ntile(3)", "last_value(s)", "percent_rank()", "cume_dist()", "min(d)")
        return Statement("windows", f"SELECT id, {call} OVER ({over}) FROM items{self.where(0.3)} "
                         "ORDER BY id", ordered="PARTITION BY t" not in over)

    def joins(self):
        join = self.one("JOIN", "INNER JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN",
            "LEFT OUTER JOIN")
        on = self.one("x.owner = o.id", "x.owner = o.id AND o.rank > 1", "x.s = o.rank",
                      "x.owner = o.id AND x.ok")
        if join == "FULL JOIN":
            on = "x.owner = o.id"
        where = self.one("", " WHERE o.name IS NULL", " WHERE x.i > 0", " WHERE o.rank IN (1, 2)")
        items = self.one("x.id, o.name", "o.*", "x.t, o.rank + 1, o.since",
            "x.id, x.n * o.rank, o.id")
        return self.one(
            Statement("joins", f"SELECT {items} FROM items x {join} owners o ON {on}{where}"),
            Statement("joins", f"SELECT {items} FROM items AS x {join} owners AS o ON {on}{where} "
                      "ORDER BY x.id, o.id", ordered=True),
            Statement("joins", f"SELECT count(*) FROM items x, owners o WHERE {on}"),
            Statement("joins", "SELECT p.b, q.c FROM pairs p JOIN pairs q USING (a)"),
            Statement("joins", "SELECT a, count(*) FROM pairs NATURAL JOIN pairs q GROUP BY a"),
            Statement("joins", "SELECT o.id, l.t FROM owners o CROSS JOIN LATERAL (SELECT t FROM "
                      "items WHERE owner = o.id ORDER BY id LIMIT 1) l"))

    def subqueries(self):
        k = self.one("int", "text", "num")
        return self.one(
            Statement("subqueries", "SELECT id FROM items x WHERE EXISTS (SELECT 1 FROM owners o "
                      f"WHERE o.id = x.owner AND o.rank {self.one('>', '<', '=')} 1)"),
            Statement("subqueries", f"SELECT id FROM items WHERE owner {self.one('IN', 'NOT IN')} "
                      f"(SELECT id FROM owners WHERE rank > {self.one('1', '2', '9')})"),
            Statement("subqueries", f"SELECT id, (SELECT name FROM owners o WHERE o.id = x.owner) "
                      "FROM items x"),
            Statement("subqueries", f"SELECT q.k, count(*) FROM (SELECT {self.of(k, 1)} AS k FROM "
                      f"items{self.where(0.3)}) q GROUP BY q.k"),
            Statement("subqueries", "SELECT id FROM items WHERE i = (SELECT max(i) FROM items)"),
            Statement("subqueries", "SELECT (SELECT id FROM items)"),
            Statement("subqueries", "SELECT (SELECT id FROM items WHERE id = 99), "
                      "(SELECT count(*) FROM owners)"),
            Statement("subqueries", f"SELECT id FROM items WHERE (s, i) IN (SELECT s, i FROM items "
                      f"WHERE id > {self.r.randint(0, 6)})"),
            Statement("subqueries",
                "SELECT o.id FROM owners o WHERE o.rank > ALL (SELECT rank FROM "
                      "owners WHERE id < o.id)"),
            Statement("subqueries", "SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b) "
                      "WHERE v.a > 1"))

    def ctes(self):
        n = self.r.randint(1, 8)
        return self.one(
            Statement("ctes",
                f"WITH c AS (SELECT id, i, t FROM items{self.where()}) SELECT count(*), "
                      "min(t) FROM c"),
            Statement("ctes",
                f"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE "
                      f"n < {n}) SELECT n, n * n FROM r ORDER BY n", ordered=True),
            Statement("ctes",
                "WITH a AS (SELECT id, rank FROM owners), b AS (SELECT rank, count(*) AS "
                      "c FROM a GROUP BY rank) SELECT a.id, b.c FROM a JOIN b ON a.rank = b.rank"),
            Statement("ctes", "WITH c AS MATERIALIZED (SELECT 1 AS x) SELECT x FROM c"),
            Statement("ctes", f"WITH c (k, v) AS (VALUES (1, 'a'), (2, NULL)) SELECT k, v FROM c "
                      "ORDER BY v, k", ordered=True))

    def sets(self):
        k = self.one("int", "text", "num", "date", "json", "interval")
        op = self.one("UNION", "UNION ALL", "INTERSECT", "EXCEPT")
        a, b = self.of(k, 1), self.of(k, 1)
        return self.one(
            Statement("sets", f"SELECT {a} FROM items {op} SELECT {b} FROM items"),
            Statement("sets", f"SELECT {a} AS x FROM items {op} SELECT {b} FROM items ORDER BY x",
                      ordered=True),
            Statement("sets",
                "SELECT id, name FROM owners UNION ALL SELECT a, b FROM pairs ORDER BY "
                      "1, 2", ordered=True),
            Statement("sets", "SELECT 1 UNION SELECT 'x'"),
            Statement("sets", "SELECT 1, 2 UNION SELECT 1"),
            Statement("sets", "SELECT s FROM items UNION SELECT f FROM items"),
            Statement("sets", "VALUES (1, 'a'), (2, 'b')"))

    def series(self):
        a, b = self.r.randint(-2, 3), self.r.randint(0, 6)
        return self.one(
            Statement("series", f"SELECT g FROM generate_series({a}, {b}) AS g"),
            Statement("series", f"SELECT g * 2 FROM generate_series({a}, {b}, 2) g ORDER BY g DESC",
                      ordered=True),
            Statement("series", "SELECT x FROM unnest(ARRAY[3, 1, 2]) AS x ORDER BY x",
                ordered=True),
            Statement("series", "SELECT x FROM unnest(ARRAY['b', NULL, 'a']) x ORDER BY x",
                      ordered=True),
            Statement("series", "SELECT array_length(ARRAY[1, 2], 1), cardinality(ARRAY['a'])"))

    # ---- parameters ----

    def params(self):
        v = str(self.r.randint(-3, 45))
        t = self.one("abc", "ABC", "", "größe 50%", "x")
        return self.one(
            Statement("params", "SELECT id FROM items WHERE i = $1", (v,)),
            Statement("params", "SELECT id FROM items WHERE t = $1 OR v = $2", (t, t)),
            Statement("params", "SELECT id, i + $1 FROM items WHERE i > $2 ORDER BY id", (v, "0"),
                True),
            Statement("params", "SELECT $1::int + 1, $2::text || 'x'", (v, t),
                binary=self.chance(0.5)),
            Statement("params", "SELECT id FROM items WHERE i = ANY($1)", ("{%s,42}" % v,)),
            Statement("params", "SELECT id FROM items WHERE t = ANY($1::text[])",
                ("{%s,abc}" % "x",)),
            Statement("params", "SELECT id FROM items WHERE n < $1", (v + ".5",)),
            Statement("params", "SELECT id FROM items WHERE d >= $1 AND d < $2",
                      ("2000-01-01", "2024-02-01")),
            Statement("params", "SELECT id FROM items WHERE ts = $1", ("2024-01-31 10:20:30",)),
            Statement("params", "SELECT id FROM items WHERE tz < $1", ("2024-01-31 12:00:00+02",)),
            Statement("params", "SELECT id FROM items WHERE u = $1",
                      ("11111111-2222-3333-4444-555555555555",)),
            Statement("params", "SELECT id FROM items WHERE ok = $1", (self.one("t", "false", "1"),
                )),
            Statement("params", "SELECT id FROM items WHERE i = $1", ("abc",)),
            Statement("params", "SELECT $1", (t,)),
            Statement("params", "SELECT coalesce($1, 'none'), $2 || t FROM items", (None, t)),
            Statement("params", "SELECT t FROM items ORDER BY id LIMIT $1 OFFSET $2", ("2", "1"),
                True),
            Statement("params", "SELECT id FROM items WHERE t LIKE $1", (self.one("a%", "A%",
                "%\\_%"),)),
            Statement("params", "SELECT id FROM items WHERE i IN ($1, $2)", ((23, v), (21, "7"))),
            Statement("params", "SELECT $1 + 1", ((23, v),)),
            Statement("params", "SELECT id FROM items WHERE f > $1", ((701, "1.25"),)))

    def named(self):
        """Parameters of types that the client names."""
        kind = self.r.choice(list(NAMED))
        oid, value = self.r.choice(NAMED[kind])
        x = self.of(kind, 1)
        op = self.one("=", "<", ">=", "<>")
        column = self.r.choice(COLUMNS[kind])
        other = self.r.choice(COLUMNS[self.r.choice(list(COLUMNS))])
        sql = self.one(
            "SELECT $1", f"SELECT $1 {op} {x} FROM items ORDER BY items.id",
            f"SELECT id FROM items WHERE {column} {op} $1 ORDER BY items.id",
            f"SELECT coalesce({column}, $1) FROM items ORDER BY items.id",
            f"SELECT CASE WHEN ok THEN $1 ELSE {column} END FROM items ORDER BY items.id",
            f"SELECT $1::{self.r.choice(CASTS[self.r.choice(list(CASTS))])}",
            f"SELECT id FROM items WHERE {other} {op} $1 ORDER BY items.id",
            f"SELECT $1 {self.one('+', '-', '*', '||')} {x} FROM items ORDER BY items.id",
            f"SELECT {x} {self.one('+', '-', '/', '||')} $1 FROM items ORDER BY items.id",
            f"SELECT $1 IS NULL, $1 IN ({x}) FROM items ORDER BY items.id",
            f"SELECT id FROM items WHERE {column} IN ($1, {x}) ORDER BY items.id",
            f"SELECT greatest($1, {x}) FROM items ORDER BY items.id",
            f"SELECT $1 UNION SELECT {column} FROM items ORDER BY 1",
            f"SELECT max($1) FROM items",
            f"UPDATE items SET {column} = $1 WHERE id = 2 RETURNING {column}",
            f"UPDATE items SET {other} = $1 WHERE id = 2 RETURNING {other}",
            f"INSERT INTO items (id, {column}) VALUES (40, $1) RETURNING {column}")
        writes = "items" if sql.startswith(("UPDATE", "INSERT")) else ""
        return Statement("named", sql, ((oid, value),), ordered="ORDER" in sql, writes=writes,
                         binary=self.chance(0.2))

    # ---- writes ----

    def value(self, column, may_be_wrong=True):
        kind = next((k for k, c in COLUMNS.items() if column in c), "int")
        if self.chance(0.08):
            return "NULL"
        if may_be_wrong and self.chance(0.3):
            return self.one("'abc'", "12", "1.239", "'2024-02-30'", "'toolongtoolong'", "70000",
                "true",
                            "99999999999", "'7'", "''", "DEFAULT", "now()::date", "1.5")
        self.columns = False
        x = self.of(kind, 1)
        self.columns = True
        return x

    def insert(self):
        columns = self.r.sample(["s", "i", "b", "f", "r", "n", "t", "v", "ok", "d", "ts", "tz", "u",
                                 "j", "raw"], self.r.randint(1, 4))
        key = self.one("10", "11", "12", "1", "NULL") if self.chance(0.4) else "10"
        wrong = self.r.choice(columns)  # one mistake at most: which is told first is no promise
        values = ", ".join(self.value(c, c == wrong) for c in columns)
        returning = self.one("", " RETURNING id", " RETURNING *", f" RETURNING {columns[0]} AS x")
        return Statement("insert", f"INSERT INTO items (id, {', '.join(columns)}) VALUES ({key}, "
                         f"{values}){returning}", writes="items")

    def insert_more(self):
        return self.one(
            Statement("insert",
                f"INSERT INTO owners (id, name, rank) VALUES (50, "
                f"{self.one(chr(39)+'eve'+chr(39), chr(39)+'ann'+chr(39), 'NULL')}, "
                      f"{self.one('1', '-1', 'DEFAULT', 'NULL', '2')}) RETURNING id, rank",
                          writes="owners"),
            Statement("insert", "INSERT INTO pairs SELECT id, name FROM owners", writes="pairs"),
            Statement("insert", "INSERT INTO pairs (a) VALUES (5)", writes="pairs"),
            Statement("insert", "INSERT INTO pairs VALUES (8, 'p'), (9, 'q', 3)", writes="pairs"),
            Statement("insert", "INSERT INTO pairs VALUES (8, 'p', 1), (9, 'q', 3)",
                writes="pairs"),
            Statement("insert", "INSERT INTO pairs (a, b) VALUES ($1, $2) RETURNING c", ("4", "w"),
                      writes="pairs"),
            Statement("insert", "INSERT INTO items (id, owner) VALUES (20, 99)", writes="items"),
            Statement("insert", "INSERT INTO pairs DEFAULT VALUES", writes="pairs"),
            Statement("insert", "INSERT INTO items (id, v) VALUES ($1, $2)",
                      ("30", self.one("short", "much too long")), writes="items"),
            Statement("insert", "INSERT INTO items (id, s, d, ok) VALUES ($1, $2, $3, $4)",
                      self.one(("31", "7", "2024-02-03", "true"), ("x", "7", "2024-02-03", "f"),
                               ("31", "70000", "2024-02-03", "t"), ("31", "7", "nodate", "t")),
                      writes="items"))

    def upsert(self):
        key = self.one("1, 'x'", "1, 'new'", "2, 'x'")
        return self.one(
            Statement("upsert", f"INSERT INTO pairs VALUES ({key}, 50) ON CONFLICT DO NOTHING "
                      "RETURNING a, c", writes="pairs"),
            Statement("upsert",
                f"INSERT INTO pairs VALUES ({key}, 50) ON CONFLICT (a, b) DO UPDATE SET "
                      "c = excluded.c + coalesce(pairs.c, 0) RETURNING *", writes="pairs"),
            Statement("upsert",
                f"INSERT INTO pairs AS p VALUES ({key}, 50) ON CONFLICT (a, b) DO UPDATE "
                      "SET c = 9 WHERE p.c < 2", writes="pairs"),
            Statement("upsert", f"INSERT INTO pairs VALUES ({key}) ON CONFLICT (c) DO NOTHING",
                      writes="pairs"),
            Statement("upsert",
                "INSERT INTO owners (id, name) VALUES (50, 'ann') ON CONFLICT (name) DO UPDATE "
                      "SET rank = owners.rank + 10 RETURNING rank", writes="owners"))

    def update(self):
        column = self.one("s", "i", "b", "f", "r", "n", "t", "v", "ok", "d", "ts", "tz")
        kind = next(k for k, c in COLUMNS.items() if column in c)
        value = self.of(kind, 2) if self.chance(0.8) else self.value(column)
        return self.one(
            Statement("update", f"UPDATE items SET {column} = {value}{self.where(0.8)}",
                writes="items"),
            Statement("update",
                f"UPDATE items SET {column} = {value} WHERE id = {self.r.randint(1, 8)} "
                      f"RETURNING id, {column}", writes="items"),
            Statement("update",
                "UPDATE items SET i = o.rank FROM owners o WHERE o.id = items.owner "
                      "AND o.rank < 5", writes="items"),
            Statement("update", "UPDATE items AS x SET t = o.name, s = s + 1 FROM owners o WHERE "
                      "o.id = x.owner AND x.id < 3 RETURNING x.id, o.name", writes="items"),
            Statement("update", "UPDATE pairs SET (c, b) = (5, 'k') WHERE a = 1 AND b = 'y'",
                      writes="pairs"),
            Statement("update", "UPDATE owners SET rank = rank - 2", writes="owners"),
            Statement("update", "UPDATE owners SET name = 'ann' WHERE id = 2", writes="owners"),
            Statement("update", f"UPDATE items SET s = s + $1 WHERE id = $2", (self.one("1",
                "40000"), "1"),
                      writes="items"))

    def delete(self):
        return self.one(
            Statement("delete", f"DELETE FROM items{self.where(0.9)}", writes="items"),
            Statement("delete", f"DELETE FROM items WHERE id = {self.r.randint(1, 9)} RETURNING *",
                      writes="items"),
            Statement("delete", "DELETE FROM items USING owners o WHERE o.id = items.owner AND "
                      f"o.rank = {self.r.randint(1, 5)}", writes="items"),
            Statement("delete", f"DELETE FROM owners WHERE id = {self.r.randint(1, 5)}",
                writes="owners"),
            Statement("delete", "DELETE FROM pairs p WHERE p.a = 1 RETURNING p.b, p.c",
                writes="pairs"))

    def early(self):
        """What is not computed cannot fail."""
        kind = self.one("int", "float", "num")
        x, y = self.of(kind, 1), self.of(kind, 0)
        zero = {"int": "(id - id)", "float": "(f - f)", "num": "(n - n)"}[kind]
        fails = self.one(f"({y} / {zero} > 1)", f"({x} BETWEEN {y} AND {y} / {zero})",
                         f"({y} / {self.leaf(kind)} < 3)")
        x = self.one(f"(id > 0 OR {fails})", f"(id < 0 AND {fails})",
                     f"({self.of('bool', 1)} AND {fails})", f"({self.of('bool', 1)} OR {fails})",
                     f"({y} NOT BETWEEN {y} + 1 AND {y} / {zero})",
                     f"CASE WHEN id < 3 THEN 1 WHEN {fails} THEN 2 ELSE 3 END",
                     f"coalesce(id, {y} / {zero})")
        return Statement("early", f"SELECT {x} FROM items ORDER BY items.id", ordered=True)

    # ---- mistakes ----

    def mistakes(self):
        x = self.any(1)
        k, l = self.r.sample(["int", "text", "date", "bool", "ts", "json", "uuid", "float"], 2)
        a, b = self.leaf(k), self.leaf(l)
        op = self.one("+", "-", "*", "/", "||", "=", "<", "AND", "LIKE", "%")
        sql = self.one(
            f"SELECT {x} FROM nosuch", "SELECT nosuch FROM items", "SELECT nosuch(1)",
            "SELECT lower(1, 2)", "SELEC 1", "SELECT 1 +", "SELECT * FROM items WHERE",
            "SELECT id FROM items x JOIN owners o ON o.id = x.owner",
                "SELECT x.nosuch FROM items x",
            "SELECT y.id FROM items x", "SELECT id, count(*) FROM items",
                "SELECT count(id) FROM items "
            "WHERE count(*) > 1", "SELECT 1 / 0", "SELECT 1 % 0", "SELECT 1.0 / 0",
                "SELECT 1::float8 / 0",
            "SELECT 2147483647 + 1", "SELECT 9223372036854775807 + 1",
                "SELECT 32767::int2 + 1::int2",
            "SELECT (-32768)::int2 * 2::int2", "SELECT 'abc' + 1", "SELECT \"nosuch\" FROM items",
            "SELECT id FROM items WHERE 'x'", "SELECT id FROM items WHERE i", "SELECT NOT 1",
            "SELECT sum(t) FROM items", "SELECT max(count(*)) FROM items GROUP BY i",
            "SELECT id FROM items ORDER BY nosuch", "SELECT id FROM items ORDER BY 5",
            "SELECT id FROM items GROUP BY 7", "SELECT 1 WHERE 1", "SELECT t FROM items GROUP BY t "
            "HAVING i > 1", "SELECT upper(i) FROM items", "SELECT length(5)", "SELECT round('a')",
            "SELECT date_trunc('nosuch', ts) FROM items", "SELECT substr('abc', 1, -1)",
            "SELECT CASE WHEN 1 THEN 2 END", "SELECT coalesce(1, 'a')",
                "SELECT coalesce(i, t) FROM items",
            "SELECT i IN ('a', 'b') FROM items", "SELECT i = 'x' FROM items", "SELECT sqrt(-1)",
            "SELECT ln(0)", "SELECT 'a' ~ '('", "SELECT id FROM items LIMIT -1",
                "SELECT repeat('a', -1)",
            "INSERT INTO nosuch VALUES (1)", "INSERT INTO items (nosuch) VALUES (1)",
            "INSERT INTO items (id, i) VALUES (50)", "INSERT INTO items (id) VALUES (50, 1)",
            "UPDATE items SET nosuch = 1", "UPDATE nosuch SET a = 1", "DELETE FROM nosuch",
            "INSERT INTO items (id, id) VALUES (50, 51)", "UPDATE items SET i = 1, i = 2",
            "SELECT DISTINCT t FROM items ORDER BY i", "SELECT (SELECT 1, 2)",
            "SELECT row_number() FROM items", "SELECT id FROM items WHERE row_number() OVER () > 1",
            f"SELECT {a} {op} {b} FROM items", f"SELECT {a} {op} {b} FROM items",
            f"SELECT {a} {op} {b} FROM items", f"SELECT {a} {op} {b} FROM items")
        writes = "items" if sql.startswith(("INSERT", "UPDATE", "DELETE")) else ""
        return Statement("mistakes", sql, writes=writes)

    MAKERS = ["queries"] * 8 + ["asked"] * 5 + ["writes"] * 5 + [
              "early", "numbers", "strings", "conditions", "dates", "fields", "documents", "casts",
              "plain",
              "plain", "whole", "distinct", "groups", "totals", "windows", "joins", "subqueries",
              "ctes", "sets", "series", "params", "params", "named",
              "named", "insert", "insert", "insert_more",
                  "upsert",
              "update", "delete", "mistakes", "mistakes"]

    def statement(self):
        return getattr(self, self.r.choice(self.MAKERS))()
