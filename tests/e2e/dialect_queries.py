"""Queries of many tables, in every part of each other, and writes with such, for dialect.py: a
query is made with the columns that are in its reach, by the kind of their values."""

import contextlib
import re

from dialect_kinds import CASTS, COLUMNS, LITERALS, NAMED, TABLE_COLUMNS, Statement

# Of a parameter that the client gives no type: a text for each kind.
UNTYPED = {"int": ["7", "42", "-1"], "float": ["1.25", "-3"], "real": ["0.1"],
           "num": ["1.5", "-12.34", "2.50"],
           "text": ["abc", "", "größe"], "bool": ["t", "false"], "date": ["2024-01-31"],
           "ts": ["2024-01-31 10:20:30"], "tz": ["2024-01-31 12:20:30+02"],
           "uuid": ["11111111-2222-3333-4444-555555555555"], "json": ['{"a":1}', "1.50"],
           "interval": ["1 day", "02:30:00"], "bytes": ["\\x00ff"]}
SELECTED = ["int", "int", "text", "text", "num", "float", "real", "bool", "date", "ts", "tz",
            "uuid", "json", "interval"]


class Queries:
    """A part of dialect.Maker: `self.scope` has the columns that a leaf may be."""

    @contextlib.contextmanager
    def within(self, scope):
        before, self.scope = self.scope, scope
        yield
        self.scope = before

    def alias(self):
        self.aliases += 1
        return f"q{self.aliases}"

    def given(self, kind):
        """A literal, or a parameter in its place."""
        if self.parameters is None or self.chance(0.4) or kind not in UNTYPED:
            return self.r.choice(LITERALS[kind])
        if kind in NAMED and self.chance(0.5):
            self.parameters.append(self.r.choice(NAMED[kind]))
        else:
            self.parameters.append((0, self.r.choice(UNTYPED[kind])))
        cast = f"::{self.r.choice(CASTS[kind])}" if kind in CASTS and self.chance(0.4) else ""
        return f"${len(self.parameters)}{cast}"

    # ---- what stands behind FROM ----

    def columns_of(self, table, alias):
        return {k: [f"{alias}.{c}" for c in columns]
                for k, columns in TABLE_COLUMNS[table].items()}

    def source(self, depth, outer):
        """Its text, and the columns that it adds."""
        a = self.alias()
        if self.commons and self.chance(0.5):
            name, kinds = self.r.choice(self.commons)
            return f"{name} AS {a}", self.derived_scope(a, kinds)
        if depth <= 0 or self.chance(0.5):
            table = self.one("items", "items", "owners", "pairs", "seen", "summed")
            return f"{table} {self.one('', 'AS ')}{a}", self.columns_of(table, a)
        kinds = [self.r.choice(SELECTED) for _ in range(self.r.randint(1, 3))]
        if self.chance(0.15):
            with self.within({}):
                rows = ", ".join("(%s)" % ", ".join(self.r.choice(LITERALS[k]) for k in kinds)
                                 for _ in range(self.r.randint(1, 3)))
            names = ", ".join(f"c{i + 1}" for i in range(len(kinds)))
            return f"(VALUES {rows}) AS {a} ({names})", self.derived_scope(a, kinds)
        if self.chance(0.4):
            left, scope = self.source(depth - 1, outer)
            right, more = self.source(depth - 1, outer)
            scope = merged(scope, more)
            join = self.one("JOIN", "LEFT JOIN", "CROSS JOIN", "RIGHT JOIN", "JOIN")
            if join == "CROSS JOIN" or "JOIN" in right:
                return f"{left} CROSS JOIN {right}" if "JOIN" not in right else f"{left}", (
                    scope if "JOIN" not in right else minus(scope, more))
            with self.within(scope):
                on = self.equality(scope, more) or self.of("bool", 0)
            return f"{left} {join} {right} ON {on}", scope
        with self.within({}):
            query = self.query(kinds, depth - 1, {})
        return f"({query}) AS {a}", self.derived_scope(a, kinds)

    def equality(self, scope, more):
        kinds = [k for k in ("int", "text") if more.get(k)]
        if not kinds:
            return ""
        k = self.r.choice(kinds)
        others = [c for c in scope[k] if c not in more[k]]
        return f"{self.r.choice(others)} = {self.r.choice(more[k])}" if others else ""

    def derived_scope(self, alias, kinds):
        scope = {}
        for i, k in enumerate(kinds):
            scope.setdefault(k, []).append(f"{alias}.c{i + 1}")
        return scope

    # ---- queries ----

    def query(self, kinds, depth, outer):
        """Its columns are c1, c2, … of these kinds."""
        if depth > 0 and self.chance(0.15):
            op = self.one("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "UNION")
            left, right = (self.select(kinds, depth - 1, outer) for _ in range(2))
            return f"{left} {op} {right}"
        return self.select(kinds, depth, outer)

    def select(self, kinds, depth, outer):
        source, scope = self.source(depth, outer)
        with self.within(merged(scope, outer)):
            where = f" WHERE {self.of('bool', 1)}" if self.chance(0.4) else ""
            if self.chance(0.25):
                return self.grouped(kinds, source, where)
            items = [self.of(k, 1) for k in kinds]
            if self.chance(0.1):
                items[-1:] = [self.window(kinds[-1])]
            distinct = self.one("", "", "", "DISTINCT ")
            items = ", ".join(f"{x} AS c{i + 1}" for i, x in enumerate(items))
            return f"SELECT {distinct}{items} FROM {source}{where}"

    def grouped(self, kinds, source, where):
        keys, items = [], []
        for i, k in enumerate(kinds):
            x = self.folded(k) if self.chance(0.5) else None
            if x is None:
                x = self.of(k, 1)
                keys.append(f"c{i + 1}" if "(SELECT" in x else self.one(x, f"c{i + 1}"))
            items.append(f"{x} AS c{i + 1}")
        having = f" HAVING {self.folded('int')} {self.one('>', '<', '<>')} 1" if self.chance(
            0.3) else ""
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {', '.join(items)} FROM {source}{where}{by}{having}"

    def folded(self, kind):
        """An aggregate of that kind; None: there is none."""
        x = {k: (lambda k=k: self.of(k, 1)) for k in SELECTED}
        f = {"int": lambda: self.one("count(*)", f"count({self.any(1, SELECTED[:11])})",
                                     f"count(DISTINCT {self.any(0, SELECTED[:11])})",
                                     f"max({x['int']()})",
                                     f"count(*) FILTER (WHERE {x['bool']()})"),
             "num": lambda: self.one(f"sum({x['num']()})", f"avg({x['int']()})",
                                     f"min({x['num']()})", f"avg({x['num']()})"),
             "text": lambda: self.one(f"min({x['text']()})", f"max({x['text']()})"),
             "bool": lambda: self.one(f"bool_and({x['bool']()})", f"bool_or({x['bool']()})",
                                      f"every({x['bool']()})"),
             "date": lambda: self.one(f"min({x['date']()})", f"max({x['date']()})"),
             "ts": lambda: self.one(f"min({x['ts']()})", f"max({x['ts']()})"),
             "tz": lambda: f"max({x['tz']()})"}.get(kind)
        return f() if f else None

    def window(self, kind):
        over = self.one("", f"PARTITION BY {self.any(0, SELECTED[:11])}",
                        f"ORDER BY {self.any(0, SELECTED[:11])}",
                        f"PARTITION BY {self.of('bool', 0)} ORDER BY {self.any(0, SELECTED[:11])}")
        call = {"int": lambda: self.one("rank()", "dense_rank()", "count(*)",
                                        f"count({self.of('text', 0)})",
                                        f"max({self.of('int', 0)})"),
                "num": lambda: self.one(f"sum({self.of('num', 0)})", f"avg({self.of('num', 0)})",
                                        f"min({self.of('num', 0)})", f"avg({self.of('int', 0)})"),
                "float": lambda: self.one("percent_rank()", "cume_dist()"),
                "text": lambda: f"min({self.of('text', 0)})",
                "date": lambda: f"max({self.of('date', 0)})",
                "bool": lambda: f"bool_or({self.of('bool', 0)})"}.get(kind)
        return f"{call()} OVER ({over})" if call else self.of(kind, 1)

    def subquery(self, kind):
        """In the place of a value: one row, one column."""
        inner = {} if self.chance(0.3) else self.scope
        x = self.query([kind], 0, inner)
        if kind in ("int", "text", "num", "date", "ts") and self.chance(0.6):
            a = self.alias()
            return f"(SELECT {self.one('min', 'max')}({a}.c1) FROM ({x}) AS {a})" if not inner \
                else self.correlated(kind)
        return f"({x} ORDER BY 1 LIMIT 1)"

    def correlated(self, kind):
        source, scope = self.source(0, self.scope)
        with self.within(scope):
            folded = self.r.choice(scope[kind]) if scope.get(kind) else self.given(kind)
        with self.within(merged(scope, self.scope)):
            return f"(SELECT {self.one('min', 'max')}({folded}) FROM {source} " \
                   f"WHERE {self.of('bool', 0)})"

    def asks(self):
        """Conditions with queries."""
        k = self.one("int", "int", "text", "num", "date", "tz", "json", "uuid", "interval")
        x, query = self.of(k, 0), self.query([k], 0, self.scope)
        return self.one(f"({x} {self.one('IN', 'NOT IN')} ({query}))",
                        f"({x} {self.one('=', '<', '>=', '<>')} "
                        f"{self.one('ANY', 'ALL', 'SOME')} ({query}))",
                        f"({self.one('', 'NOT ')}EXISTS ({query}))",
                        f"({x} {self.one('=', '<', '>')} {self.subquery(k)})")

    # ---- statements ----

    def start(self, parameters):
        self.aliases, self.commons = 0, []
        self.parameters = [] if parameters else None
        self.nested = True

    def finish(self, category, sql, ordered=False, writes=""):
        sql, params = self.numbered(sql, self.parameters or [])
        self.parameters, self.nested, self.commons = None, False, []
        self.scope = COLUMNS
        return Statement(category, sql, params, ordered=ordered, writes=writes,
                         binary=self.chance(0.2), described=bool(params))

    def numbered(self, sql, given):
        """Those that are in the text, from $1 on: parts were made that are not."""
        used = list(dict.fromkeys(int(n) for n in re.findall(r"\$(\d+)", sql)))
        return (re.sub(r"\$(\d+)", lambda m: f"${used.index(int(m.group(1))) + 1}", sql),
                tuple(given[n - 1] for n in used))

    def with_commons(self):
        parts = []
        for _ in range(self.one(0, 0, 0, 1, 1, 2)):
            kinds = [self.r.choice(SELECTED) for _ in range(self.r.randint(1, 3))]
            with self.within({}):
                query = self.query(kinds, 1, {})
            name = f"w{len(self.commons) + 1}"
            names = f" ({', '.join(f'c{i + 1}' for i in range(len(kinds)))})"
            parts.append(f"{name}{self.one('', names)} AS "
                         f"{self.one('', '', 'MATERIALIZED ')}({query})")
            self.commons.append((name, kinds))
        return f"WITH {', '.join(parts)} " if parts else ""

    def queries(self, parameters=False):
        self.start(parameters)
        kinds = [self.r.choice(SELECTED) for _ in range(self.r.randint(1, 4))]
        sql = self.with_commons() + self.query(kinds, 2, {})
        order = ""
        if self.chance(0.5):
            order = " ORDER BY " + ", ".join(
                f"{i + 1}{self.one('', '', ' DESC', ' NULLS FIRST')}" for i in range(len(kinds)))
            order += self.one("", "", f" LIMIT {self.r.randint(0, 5)}", " OFFSET 1")
        # Equal numerics, documents and intervals may look different.
        ordered = bool(order) and not {"num", "json", "interval", "float", "real"} & set(kinds)
        if order and not ordered:
            order = order.split(" LIMIT")[0].split(" OFFSET")[0]
        return self.finish("asked" if parameters else "queries", sql + order, ordered)

    def asked(self):
        return self.queries(True)

    def returning(self, table):
        with self.within(self.columns_of(table, table) if self.chance(0.5)
                         else TABLE_COLUMNS[table]):
            return self.one("", " RETURNING *", f" RETURNING {self.any(1, SELECTED)} AS x, "
                            f"{self.any(0, SELECTED)}")

    def writes(self):
        self.start(self.chance(0.5))
        table = self.one("items", "pairs", "owners")
        return self.finish("writes", *getattr(self, "write_" + self.one(
            "insert", "upsert", "update", "update_from", "delete"))(table))

    def values_for(self, table, columns):
        with self.within({}):
            return ", ".join(self.of(kind_of(table, c), 1) for c in columns)

    def write_insert(self, table):
        columns = {"items": self.r.sample(["s", "i", "f", "n", "t", "ok", "d", "ts", "tz", "j"], 3),
                   "pairs": ["c"], "owners": ["since"]}[table]
        keys = {"items": lambda i: str(40 + i), "pairs": lambda i: f"{i}, 'k{i}'",
                "owners": lambda i: f"{60 + i}, 'n{i}'"}[table]
        names = {"items": "id", "pairs": "a, b", "owners": "id, name"}[table]
        if self.chance(0.3):
            kinds = [kind_of(table, c) for c in columns]
            a = self.alias()
            with self.within({}):
                query = self.query(kinds, 0, {})
            wanted = ", ".join(f"{a}.c{i + 1}" for i in range(len(kinds)))
            every = ", ".join(str(i + 1) for i in range(len(kinds)))
            source = f"SELECT {keys(1)}, {wanted} FROM ({query} ORDER BY {every} LIMIT 1) AS {a}"
            if {"num", "json", "float"} & set(kinds):
                source = f"SELECT {keys(1)}, {self.values_for(table, columns)}"
        else:
            source = "VALUES " + ", ".join(f"({keys(i)}, {self.values_for(table, columns)})"
                                           for i in range(self.r.randint(1, 3)))
        return (f"INSERT INTO {table} ({names}, {', '.join(columns)}) {source}"
                f"{self.returning(table)}", False, table)

    def write_upsert(self, table):
        table = self.one("pairs", "owners")
        scope = merged(self.columns_of(table, table), self.columns_of(table, "excluded"))
        column = self.one(*{"pairs": ["c"], "owners": ["since", "rank"]}[table])
        key = {"pairs": self.one("1, 'x'", "2, 'x'", "9, 'n'"),
               "owners": self.one("1, 'ann'", "2, 'new'", "70, 'n'")}[table]
        names = {"pairs": "a, b", "owners": "id, name"}[table]
        target = {"pairs": "a, b", "owners": "id"}[table]
        value = self.values_for(table, [column])
        with self.within(scope):
            to = self.of(kind_of(table, column), 1)
            where = f" WHERE {self.of('bool', 1)}" if self.chance(0.3) else ""
        action = self.one("DO NOTHING", f"DO UPDATE SET {column} = {to}{where}",
                          f"DO UPDATE SET {column} = excluded.{column}")
        return (f"INSERT INTO {table} ({names}, {column}) VALUES ({key}, {value}) ON CONFLICT "
                f"({target}) {action}{self.returning(table)}", False, table)

    def changed(self, table):
        return self.r.choice({"items": ["s", "i", "b", "f", "n", "t", "ok", "d", "ts", "tz", "j"],
                              "pairs": ["c"], "owners": ["rank", "since"]}[table])

    def write_update(self, table):
        column = self.changed(table)
        with self.within(self.columns_of(table, table)):
            value = self.of(kind_of(table, column), 1)
            where = f" WHERE {self.of('bool', 1)}" if self.chance(0.8) else ""
        return (f"UPDATE {table} SET {column} = {value}{where}{self.returning(table)}", False,
                table)

    def write_update_from(self, table):
        """What is joined has one row for each of the target's."""
        column = self.changed(table)
        a = self.alias()
        kinds = [kind_of(table, column)]
        with self.within({}):
            query = self.folded_by_owner(a, kinds[0])
        other, scope = query
        key = {"items": "owner", "pairs": "a", "owners": "id"}[table]
        with self.within(merged(self.columns_of(table, table), scope)):
            value = self.of(kinds[0], 1)
            where = f" AND {self.of('bool', 1)}" if self.chance(0.4) else ""
        return (f"UPDATE {table} SET {column} = {value} FROM {other} WHERE {a}.k = {table}.{key}"
                f"{where}{self.returning(table)}", False, table)

    def folded_by_owner(self, a, kind):
        if self.chance(0.5):
            return (f"(SELECT id AS k, rank AS c1, name AS c2 FROM owners) AS {a}",
                    {"int": [f"{a}.k", f"{a}.c1"], "text": [f"{a}.c2"]})
        return (f"(SELECT owner AS k, count(*) AS c1, max(n) AS c2 FROM items GROUP BY owner) "
                f"AS {a}", {"int": [f"{a}.k", f"{a}.c1"], "num": [f"{a}.c2"]})

    def write_delete(self, table):
        a = self.alias()
        with self.within(self.columns_of(table, table)):
            where = self.of("bool", 1)
        if self.chance(0.4):
            other, scope = self.folded_by_owner(a, "int")
            key = {"items": "owner", "pairs": "a", "owners": "id"}[table]
            with self.within(merged(self.columns_of(table, table), scope)):
                more = self.of("bool", 1)
            return (f"DELETE FROM {table} USING {other} WHERE {a}.k = {table}.{key} AND {more}"
                    f"{self.returning(table)}", False, table)
        return f"DELETE FROM {table} WHERE {where}{self.returning(table)}", False, table


def merged(a, b):
    return {k: a.get(k, []) + b.get(k, []) for k in {**a, **b}}


def minus(a, b):
    return {k: [c for c in columns if c not in b.get(k, [])] for k, columns in a.items()}


def kind_of(table, column):
    return next(k for k, columns in TABLE_COLUMNS[table].items() if column in columns)
