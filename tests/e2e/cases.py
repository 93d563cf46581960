"""Random schemas, queries and writes for SQLite, each case out of one seed: kinds of keys, columns
and values on which a rule of what an answer depends on may stumble.

A case is a list of events that two clients, `a` and `b`, play one after the other: (who, sql)
runs a statement, (who, None) asks all of the case's queries. Statements may fail: a write into a
column that was dropped is a case, too."""

import random
import re

MARK = re.compile("\x01(\\d+)\x02")
INT8, TEXT, FLOAT8, UNKNOWN = 20, 25, 701, 0


class Literal:
    """A value as SQL and as a parameter."""

    def __init__(self, sql, oid, text):
        self.sql, self.oid, self.text = sql, oid, text


def integer(n):
    return Literal(str(n), INT8, str(n))


def text(s):
    return Literal("'" + s.replace("'", "''") + "'", TEXT, s)


def real(s):
    return Literal(s, FLOAT8, s)


NULL = Literal("NULL", UNKNOWN, None)
TEXTS = ["a", "A", "b", "B ", "é", "", "5", "5.0", "3", "it's"]

# By kind of column. INTEGER columns get no words: the face refuses to announce those as int8.
POOLS = {
    "int": [integer(n) for n in range(-1, 7)] * 3
    + [text("5"), text("3"), real("5.0"), real("3e0"), text("4.0"), text(" 2")],
    "text": [text(s) for s in TEXTS] * 2 + [integer(5), integer(3), real("5.0")],
    "num": [integer(n) for n in range(7)] + [text("5"), text("5.0"), real("3e0"), real("2.5")],
    "real": [integer(n) for n in range(7)] + [real("5.0"), real("2.5"), text("3"), real("1e0")],
    "any": [integer(5), real("5.0"), text("5"), text("a"), integer(3), real("3.5"),
            Literal("x'35'", UNKNOWN, None)],
}
POOLS["nocase"] = POOLS["text"]
POOLS["made"] = POOLS["int"]

DECLARED = {"int": ["INTEGER", "INT", "BIGINT"], "text": ["TEXT", "VARCHAR(10)"],
            "nocase": ["TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"], "num": ["NUMERIC"],
            "real": ["REAL"], "any": ["", "BLOB"]}
STRICT = {"int", "text", "real"}  # equal values of these columns have equal bytes


class Column:
    def __init__(self, name, kind, declared):
        self.name, self.kind, self.declared = name, kind, declared

    @property
    def strict(self):
        return self.kind in STRICT


class Table:
    """`late`: a column with a default, which is added when there are rows."""

    def __init__(self, name, columns, key, tail="", constraints=(), late=None):
        self.name, self.columns, self.key, self.late = name, columns, key, late
        self.tail, self.constraints = tail, constraints
        self.rowid = "WITHOUT" not in tail

    def ddl(self):
        inside = [f"{c.name} {c.declared}".strip() for c in self.columns] + list(self.constraints)
        return f"CREATE TABLE {self.name} ({', '.join(inside)}){self.tail}"

    def settable(self):
        return [c for c in self.columns if c.kind != "made"]


class Query:
    """`total`: its ORDER BY leaves no choice, so that the bytes are determined."""

    def __init__(self, marked, literals, total):
        self.total = total
        used = [int(n) for n in MARK.findall(marked)]
        self.sql = MARK.sub(lambda m: literals[int(m[1])].sql, marked)
        lifted = [n for n in dict.fromkeys(used) if literals[n].text is not None]
        self.params = [literals[n] for n in lifted]
        self.with_params = MARK.sub(
            lambda m: f"${lifted.index(int(m[1])) + 1}" if int(m[1]) in lifted
            else literals[int(m[1])].sql, marked)


class Schema:
    def __init__(self, rng):
        self.rng = rng
        self.tables, self.views, self.extra = [], [], []
        for number in range(rng.randint(2, 4)):
            self.tables.append(self.table(number))
        self.indexes()
        if rng.random() < 0.5:
            self.trigger()
        if rng.random() < 0.5:
            self.view()

    def column(self, name):
        kind = self.rng.choice(["int", "int", "int", "text", "text", "nocase", "num", "real",
                                "any"])
        return Column(name, kind, self.rng.choice(DECLARED[kind]))

    def key(self, number):
        """The key's columns, names of the constraint's columns, what follows the parenthesis."""
        rng = self.rng
        shape = rng.randrange(9)
        tail = rng.choice(["", " WITHOUT ROWID"])
        if shape <= 2:
            return [Column("id", "int", "INTEGER PRIMARY KEY")], ["id"], ""
        if shape == 3:
            return [Column("id", "int", rng.choice(["INT PRIMARY KEY", "INTEGER PRIMARY KEY DESC"]))
                    ], ["id"], tail
        if shape == 4:
            return [Column("id", "text", "TEXT PRIMARY KEY")], ["id"], tail
        if shape == 5:
            return [Column("id", "nocase", "TEXT COLLATE NOCASE PRIMARY KEY")], ["id"], tail
        if shape == 6:
            kind = rng.choice(["any", "num", "real"])
            return [Column("id", kind, f"{DECLARED[kind][0]} PRIMARY KEY".strip())], ["id"], tail
        if shape == 7:
            return ([Column("id", "int", "INTEGER"), Column("k2", "text", "TEXT")], ["id", "k2"],
                    tail)
        return [Column("id", "int", "INTEGER")], [], ""

    def table(self, number):
        rng = self.rng
        columns, key, tail = self.key(number)
        constraints = [f"PRIMARY KEY ({', '.join(key)})"] if len(key) > 1 else []
        columns += [self.column(f"c{i}") for i in range(rng.randint(1, 3))]
        parents = [t for t in self.tables if len(t.key) == 1]
        if parents and rng.random() < 0.6:
            parent = rng.choice(parents)
            kind = parent.columns[0].kind
            declared = parent.columns[0].declared.split(" PRIMARY")[0].replace("PRIMARY KEY", "")
            columns.append(Column("ref", kind, declared))
            action = rng.choice(["CASCADE", "SET NULL", "NO ACTION", "CASCADE"])
            constraints.append(f"FOREIGN KEY (ref) REFERENCES {parent.name} ON DELETE {action} "
                               f"ON UPDATE {rng.choice(['CASCADE', 'SET NULL'])}")
        ints = [c for c in columns if c.kind == "int"]
        if ints and rng.random() < 0.25:  # not always the last: the hook counts columns
            columns.insert(rng.randint(1, len(columns)), Column(
                "made", "made", f"INTEGER AS ({rng.choice(ints).name} + 1) "
                + rng.choice(["VIRTUAL", "STORED"])))
        if rng.random() < 0.2:
            constraints.insert(0, f"UNIQUE ({columns[-1].name})")
        constraints.sort(key=lambda c: c.startswith("FOREIGN"))
        late = Column("late", "int", f"INTEGER DEFAULT {rng.randint(0, 5)}") \
            if rng.random() < 0.2 else None
        return Table(f"t{number}", columns, key, tail, constraints, late)

    def indexes(self):
        for number in range(self.rng.randint(0, 2)):
            table = self.rng.choice(self.tables)
            column = self.rng.choice(table.columns)
            unique = self.rng.choice(["", "", "UNIQUE "])
            where = self.rng.choice(["", f" WHERE {column.name} > 2"])
            self.extra.append(f"CREATE {unique}INDEX i{number} ON {table.name} ({column.name})"
                              + where)

    def trigger(self):
        rng = self.rng
        on, other = rng.choice(self.tables), rng.choice(self.tables)
        column = rng.choice(other.settable())
        event = rng.choice(["INSERT", "UPDATE", "DELETE"])
        row = "OLD" if event == "DELETE" else "NEW"
        action = rng.choice([
            f"UPDATE {other.name} SET {column.name} = {rng.choice(POOLS[column.kind]).sql} "
            f"WHERE id = {row}.id",
            f"DELETE FROM {other.name} WHERE {column.name} = {row}.id",
            f"INSERT OR IGNORE INTO {other.name} (id) VALUES ({row}.id)"])
        if other is on:
            action = f"UPDATE {on.name} SET {column.name} = {column.name} WHERE 0"
        self.extra.append(f"CREATE TRIGGER g {rng.choice(['BEFORE', 'AFTER'])} {event} ON {on.name}"
                          f" BEGIN {action}; END")

    def view(self):
        rng = self.rng
        table = rng.choice(self.tables)
        names = ", ".join(c.name for c in table.columns)
        body = rng.choice([
            f"SELECT {names} FROM {table.name}",
            f"SELECT {names} FROM {table.name} WHERE id = {rng.randint(0, 5)}",
            f"SELECT {names} FROM {table.name} ORDER BY {names} LIMIT 3",
            f"SELECT DISTINCT {names} FROM {table.name}",
            f"SELECT {names} FROM {table.name} UNION ALL SELECT {names} FROM {table.name}"])
        self.extra.append(f"CREATE VIEW v0 AS {body}")
        self.views.append(Table("v0", list(table.columns), []))

    def setup(self):
        return [t.ddl() for t in self.tables] + self.extra


class Queries:
    """Makes one query at a time; `literals` are those of the one under way."""

    def __init__(self, rng, schema):
        self.rng, self.schema = rng, schema
        self.literals, self.aliases = [], 0

    def literal(self, kind):
        pool = POOLS[kind] if self.rng.random() < 0.9 else POOLS["any"]
        value = NULL if self.rng.random() < 0.02 else self.rng.choice(pool)
        self.literals.append(value)
        return f"\x01{len(self.literals) - 1}\x02"

    def reference(self):
        """(text for FROM, alias, columns)"""
        rng = self.rng
        table = rng.choice(self.schema.tables + self.schema.views)
        self.aliases += 1
        alias = f"x{self.aliases}"
        if rng.random() < 0.12:
            names = ", ".join(c.name for c in table.columns)
            inside = rng.choice(["", f" WHERE {self.equality([(table.name, table.columns)])}",
                                 f" ORDER BY {names} LIMIT 2"])
            distinct = "DISTINCT " if all(c.strict for c in table.columns) else ""
            return (f"(SELECT {distinct}{names} FROM {table.name}{inside}) {alias}",
                    (alias, table.columns))
        return f"{table.name} {alias}", (alias, table.columns)

    def column(self, refs, strict=False):
        alias, columns = self.rng.choice(refs)
        if strict:
            columns = [c for c in columns if c.strict] or columns[:1]
        column = self.rng.choice(columns[:1] + columns)
        return f"{alias}.{column.name}", column

    def equality(self, refs):
        name, column = self.column(refs)
        value = self.literal(column.kind)
        return self.rng.choice([f"{name} = {value}", f"{name} = {value}", f"{name} = {value}",
                                f"{value} = {name}", f"{name} IS {value}", f"{name} == {value}"])

    def subquery(self, refs, form):
        text_from, ref = self.reference()
        inner = [ref]
        conditions = [self.condition(inner, 0)]
        if self.rng.random() < 0.6:
            conditions.append(f"{self.column(inner)[0]} = {self.column(refs)[0]}")
        if self.rng.random() < 0.2:
            conditions.append(self.equality(refs))
        where = " AND ".join(conditions)
        return form.format(column=self.column(inner)[0], source=text_from, where=where)

    def odd(self, refs):
        """What looks like `column = value` and is something else."""
        name, column = self.column(refs)
        value = self.literal(column.kind)
        return self.rng.choice([
            f"{name} = {value} = 0", f"{name} = {value} IS NOT 1", f"+{name} = {value}",
            f"{name} = {value} COLLATE NOCASE", f"NOT {name} = {value}", f"{name} = {value} + 1",
            f"{name} = {value} OR 0", f"({name} = {value}) IS NULL", f"{name} = {value} || ''",
            f"({name}, 1) = ({value}, 1)", f"CASE WHEN {name} = {value} THEN 0 ELSE 1 END",
            f"coalesce({name}, {value}) = {value}", f"{name} = {value} < 5"])

    def condition(self, refs, depth):
        rng = self.rng
        roll = rng.random()
        if roll < 0.5:
            return self.equality(refs)
        name, column = self.column(refs)
        if roll < 0.58:
            return f"{name} = {self.column(refs)[0]}"
        if roll < 0.65:
            values = ", ".join(self.literal(column.kind) for _ in range(rng.randint(1, 3)))
            return f"{name} {rng.choice(['IN', 'IN', 'NOT IN'])} ({values})"
        if roll < 0.72:
            return rng.choice([f"{name} IS NULL", f"{name} > {self.literal(column.kind)}",
                               f"{name} <> {self.literal(column.kind)}",
                               f"{name} BETWEEN 1 AND {self.literal('int')}"])
        if roll < 0.8:
            return self.odd(refs)
        if depth <= 0:
            return self.equality(refs)
        if roll < 0.88:
            word = rng.choice(["AND", "AND", "OR"])
            return (f"({self.condition(refs, depth - 1)} {word} {self.condition(refs, depth - 1)})")
        outer = self.column(refs)[0]
        form = rng.choice(["EXISTS (SELECT 1 FROM {source} WHERE {where})",
                           "NOT EXISTS (SELECT 1 FROM {source} WHERE {where})",
                           outer + " IN (SELECT {column} FROM {source} WHERE {where})",
                           outer + " NOT IN (SELECT {column} FROM {source} WHERE {where})",
                           outer + " = (SELECT max({column}) FROM {source} WHERE {where})"])
        return self.subquery(refs, form)

    def source(self):
        """(text of FROM, references)"""
        rng = self.rng
        words, ref = self.reference()
        refs = [ref]
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
            more, ref = self.reference()
            kind = rng.choice([", ", " JOIN ", " JOIN ", " LEFT JOIN ", " LEFT JOIN ",
                               " RIGHT JOIN ", " FULL JOIN "])
            new = [ref]
            words += kind + more
            if kind != ", ":
                on = f"{self.column(new)[0]} = {self.column(refs)[0]}"
                if rng.random() < 0.5:
                    on += f" AND {self.condition(refs + new, 0)}"
                words += f" ON {on}"
            refs = refs + new
        return words, refs

    def item(self, refs, strict):
        """(expression, whether equal values of it have equal bytes)"""
        rng = self.rng
        name, column = self.column(refs, strict)
        roll = rng.random()
        if roll < 0.75:
            return name, column.strict
        if roll < 0.83:
            return self.subquery(refs, "(SELECT count(*) FROM {source} WHERE {where})"), True
        if roll < 0.92:
            return f"CASE WHEN {self.condition(refs, 0)} THEN 1 ELSE 2 END", True
        return f"{name} IS {self.literal(column.kind)}", True

    def simple(self, width, strict=False):
        """(SELECT without ORDER BY, whether its columns are strict)"""
        words, refs = self.source()
        items = [self.item(refs, strict) for _ in range(width)]
        where = f" WHERE {self.condition(refs, 2)}" if self.rng.random() < 0.88 else ""
        head = "SELECT DISTINCT " if strict and self.rng.random() < 0.3 else "SELECT "
        return (head + ", ".join(i[0] for i in items) + f" FROM {words}{where}",
                all(i[1] for i in items))

    def aggregate(self):
        words, refs = self.source()
        rng = self.rng
        name, column = self.column(refs, True)
        other = self.column(refs, True)[0]
        where = f" WHERE {self.condition(refs, 1)}" if rng.random() < 0.7 else ""
        what = rng.choice(["count(*)", f"count({other})", f"max({name})", f"min({name})",
                           f"count(*) FILTER (WHERE {self.equality(refs)}), count(*)",
                           f"count(DISTINCT {other})", "count(*), max(1)"])
        if rng.random() < 0.5 or not column.strict:
            having = rng.choice(["", "", f" HAVING {name} = {self.literal(column.kind)}"])
            return f"SELECT {what} FROM {words}{where}{having}", not having and column.strict
        having = rng.choice(["", f" HAVING count(*) > {self.literal('int')}"])
        return f"SELECT {name}, {what} FROM {words}{where} GROUP BY 1{having}", True

    def window(self):
        words, ref = self.reference()
        refs, rng = [ref], self.rng
        name, column = self.column(refs, True)
        part = self.column(refs)[0]
        where = f" WHERE {self.condition(refs, 1)}" if rng.random() < 0.5 else ""
        over = rng.choice(["()", f"(PARTITION BY {part})", f"(ORDER BY {name})"])
        what = rng.choice(["count(*)", "max(1)"])
        inner = f"SELECT {name} AS k, {what} OVER {over} AS n FROM {words}{where}"
        if rng.random() < 0.5:
            return inner, column.strict
        return f"SELECT k, n FROM ({inner}) WHERE k = {self.literal(column.kind)}", column.strict

    def set_operation(self):
        width = self.rng.randint(1, 2)
        left, first = self.simple(width, True)
        right, second = self.simple(width, True)
        word = self.rng.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
        return f"{left} {word} {right}", first and second

    def cte(self):
        rng = self.rng
        roll = rng.random()
        table = rng.choice(self.schema.tables)
        column = rng.choice(table.columns)
        if roll < 0.4:
            start = self.literal("int")
            return (f"WITH RECURSIVE r (n, d) AS (SELECT id, 0 FROM {table.name} "
                    f"WHERE id = {start} UNION SELECT {table.name}.{column.name}, d + 1 "
                    f"FROM {table.name} JOIN r ON {table.name}.id = r.n WHERE d < 4) "
                    "SELECT count(*), max(d) FROM r"), True
        inner, strict = self.simple(2)
        name = rng.choice(["w"] + [t.name for t in self.schema.tables if t.name not in inner])
        return (f"WITH {name} (k, l) AS ({inner}) SELECT k, l FROM {name} "
                f"WHERE k = {self.literal('int')}"), strict

    def point(self):
        """What an application asks most: rows by a key."""
        table = self.rng.choice(self.schema.tables)
        column = self.rng.choice(table.columns[:1] * 2 + table.columns)
        what = self.rng.choice(["*", table.columns[-1].name, "count(*)"])
        name = self.rng.choice(["rowid", "_rowid_", column.name, column.name, column.name]) \
            if table.rowid else column.name
        return f"SELECT {what} FROM {table.name} WHERE {name} = {self.literal(column.kind)}", False

    def make(self):
        self.literals = []
        form = self.rng.choice([self.point, self.point, self.point, self.aggregate, self.window,
                                self.set_operation, self.cte, None, None, None, None])
        if form:
            sql, strict = form()
        else:
            sql, strict = self.simple(self.rng.randint(1, 3))
        if strict and form not in (self.point, self.aggregate, self.window, self.cte):
            width = sql_width(sql)
            sql += " ORDER BY " + ", ".join(str(i + 1) for i in range(width))
            if self.rng.random() < 0.25:
                sql += f" LIMIT {self.rng.randint(1, 3)}"
            return Query(sql, self.literals, True)
        return Query(sql, self.literals, False)


def sql_width(sql):
    """How many columns a SELECT of ours has: commas of its list outside parentheses, and one."""
    depth, width = 0, 1
    for word in re.findall(r"[(),]|[^\s(),]+", sql):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and word == ",":
            width += 1
        if depth == 0 and word == "FROM":
            break
    return width


class Writes:
    def __init__(self, rng, schema):
        self.rng, self.schema = rng, schema

    def value(self, column):
        return "NULL" if self.rng.random() < 0.05 else self.rng.choice(POOLS[column.kind]).sql

    def rows(self, table, count):
        columns = table.settable()
        rows = ", ".join("(" + ", ".join(self.value(c) for c in columns) + ")"
                         for _ in range(count))
        return f"{table.name} ({', '.join(c.name for c in columns)}) VALUES {rows}"

    def where(self, table):
        rng = self.rng
        column = rng.choice(table.columns[:1] * 3 + table.columns)
        # Of the same table, SQLite 3.40 may never come to the end of an UPDATE OR IGNORE.
        other = rng.choice([t for t in self.schema.tables if t is not table])
        return rng.choice([f"{column.name} = {self.value(column)}"] * 4
                          + [f"{column.name} > {self.value(column)}", f"{column.name} IS NULL",
                             f"id IN (SELECT id FROM {other.name})"])

    def insert(self, table):
        word = self.rng.choice(["INSERT", "INSERT OR IGNORE", "INSERT OR IGNORE",
                                "INSERT OR REPLACE", "REPLACE"])
        return f"{word} INTO {self.rows(table, self.rng.randint(1, 3))}"

    def upsert(self, table):
        column = self.rng.choice(table.settable())
        target = f" ({', '.join(table.key)})" if table.key and self.rng.random() < 0.7 else ""
        value = self.rng.choice([f"excluded.{column.name}", self.value(column)])
        action = self.rng.choice([f"UPDATE SET {column.name} = {value}"] * 3 + ["NOTHING"])
        return f"INSERT INTO {self.rows(table, 1)} ON CONFLICT{target} DO {action}"

    def update(self, table):
        rng = self.rng
        column = rng.choice(table.settable())
        value = self.value(column)
        if column.kind == "int" and rng.random() < 0.3:
            value = f"{column.name} + 1"
        word = rng.choice(["UPDATE", "UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE"])
        where = f" WHERE {self.where(table)}" if rng.random() < 0.9 else ""
        return f"{word} {table.name} SET {column.name} = {value}{where}"

    def update_from(self, table):
        other = self.rng.choice(self.schema.tables)
        column = self.rng.choice(table.settable())
        return (f"UPDATE OR IGNORE {table.name} SET {column.name} = {self.value(column)} "
                f"FROM {other.name} o WHERE o.id = {table.name}.id")

    def delete(self, table):
        if self.rng.random() < 0.15:
            return f"DELETE FROM {table.name}"
        return f"DELETE FROM {table.name} WHERE {self.where(table)}"

    def copy(self, table):
        other = self.rng.choice(self.schema.tables)
        return f"INSERT OR IGNORE INTO {table.name} (id) SELECT id FROM {other.name}"

    def row(self):
        """A change of rows."""
        form = self.rng.choice([self.insert, self.insert, self.upsert, self.update, self.update,
                                self.update, self.update_from, self.delete, self.delete, self.copy])
        return form(self.rng.choice(self.schema.tables))

    def definition(self):
        """A change of the schema."""
        rng = self.rng
        table = rng.choice(self.schema.tables)
        last = table.columns[-1].name
        return rng.choice([
            f"ALTER TABLE {table.name} ADD COLUMN added INTEGER DEFAULT 3",
            f"ALTER TABLE {table.name} RENAME COLUMN {last} TO renamed",
            f"ALTER TABLE {table.name} DROP COLUMN {last}",
            f"CREATE INDEX later ON {table.name} ({last})", "DROP INDEX i0", "DROP TRIGGER g",
            f"DROP VIEW v0; CREATE VIEW v0 AS SELECT * FROM {table.name}",
            f"DROP TABLE {table.name}; {table.ddl()}; INSERT OR IGNORE INTO {self.rows(table, 2)}",
            f"ALTER TABLE {table.name} RENAME TO gone; {table.ddl()}", "REINDEX", "ANALYZE",
            "VACUUM"])


class Case:
    def __init__(self, seed, queries=5, steps=5):
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.schema = Schema(rng)
        self.setup = self.schema.setup()
        self.writes = Writes(rng, self.schema)
        for table in self.schema.tables:
            self.setup += self.fill(table, 5)
            if table.late:
                self.setup.append(f"ALTER TABLE {table.name} ADD COLUMN {table.late.name} "
                                  + table.late.declared)
                table.columns.append(table.late)
                self.setup += self.fill(table, 2)
        maker = Queries(rng, self.schema)
        self.queries = [maker.make() for _ in range(queries)]
        self.events = [("a", None)]
        for _ in range(steps):
            self.events += self.step()

    def fill(self, table, count):
        return [f"INSERT OR IGNORE INTO {self.writes.rows(table, 1)}" for _ in range(count)]

    def step(self):
        rng = self.rng
        who, other = rng.choice([("a", "b"), ("b", "a")])
        roll = rng.random()
        if roll < 0.62:
            return [(who, self.writes.row()), (rng.choice("ab"), None)]
        if roll < 0.70:
            return [(who, f"{self.writes.row()}; {self.writes.row()}"), (other, None)]
        if roll < 0.76:
            return [(who, self.writes.definition()), (rng.choice("ab"), None)]
        if roll < 0.82:
            return self.snapshot(who, other)
        return self.transaction(who, other)

    def snapshot(self, who, other):
        """A transaction with one snapshot, which others' writes must not reach."""
        level = self.rng.choice(["REPEATABLE READ READ ONLY", "READ COMMITTED"])
        return [(who, f"BEGIN ISOLATION LEVEL {level}"), (who, None), (other, self.writes.row()),
                (who, None), (other, None), (who, "COMMIT"), (who, None)]

    def transaction(self, who, other):
        rng = self.rng
        events = [(who, "BEGIN")]
        if rng.random() < 0.3:
            events.append((who, None))
        events += [(who, self.writes.row()), (rng.choice([who, other]), None)]
        if rng.random() < 0.5:
            end = rng.choice(["ROLLBACK TO s", "ROLLBACK TO s", "RELEASE s"])
            events += [(who, "SAVEPOINT s"), (who, self.writes.row()), (who, None), (who, end)]
        if rng.random() < 0.15:
            events.append((who, self.writes.definition()))
        events += [(who, rng.choice(["COMMIT", "COMMIT", "ROLLBACK"])), (other, None)]
        return events
