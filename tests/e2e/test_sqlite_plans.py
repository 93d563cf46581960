"""What makes a statement mean what it means on PostgreSQL does not keep SQLite from its indexes.
EXPLAIN QUERY PLAN tells of the statement as it is translated."""

import re
import sqlite3

import pytest
from psycopg import pq

SCHEMA = """
CREATE TABLE t (id INT PRIMARY KEY, name TEXT, word VARCHAR(20), big BIGINT, small SMALLINT,
  number NUMERIC(10,2), real DOUBLE PRECISION, at TIMESTAMPTZ, plain TIMESTAMP, day DATE, code UUID,
  flag BOOLEAN, status TEXT NOT NULL);
CREATE INDEX t_name ON t (name); CREATE INDEX t_word ON t (word); CREATE INDEX t_big ON t (big);
CREATE INDEX t_small ON t (small); CREATE INDEX t_number ON t (number);
CREATE INDEX t_real ON t (real); CREATE INDEX t_at ON t (at); CREATE INDEX t_plain ON t (plain);
CREATE INDEX t_day ON t (day); CREATE INDEX t_code ON t (code); CREATE INDEX t_flag ON t (flag);
CREATE INDEX t_recent ON t (status, at DESC NULLS LAST);
CREATE TABLE two (id BIGSERIAL PRIMARY KEY, a INT, b INT, number NUMERIC(10,2));
CREATE INDEX two_ab ON two (a, b); CREATE INDEX two_number ON two (number);
CREATE TABLE part (id BIGSERIAL PRIMARY KEY, a INT, day DATE, flag BOOLEAN, ended TIMESTAMPTZ);
CREATE INDEX part_open ON part (a) WHERE ended IS NULL;
CREATE INDEX part_new ON part (a) WHERE day > '2024-01-01';
CREATE INDEX part_on ON part (a) WHERE flag;
CREATE TABLE keyed (word VARCHAR(10) PRIMARY KEY, n INT);
CREATE TABLE priced (price NUMERIC(6,2) PRIMARY KEY, n INT)
"""

KEY = "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)"


def found(column, how="=?", table="t"):
    return f"SEARCH {table} USING INDEX {table}_{column} ({column}{how})"


# In SQLite's words, too: the plan is the one that it makes of the statement as written.
ALIKE = [
    ("SELECT * FROM t WHERE id = 7", KEY),
    ("SELECT * FROM t WHERE id = $1", KEY),
    ("SELECT * FROM t WHERE id = '7'", KEY),
    ("SELECT * FROM t WHERE id IN (1, 2, 3)", KEY),
    ("SELECT * FROM t WHERE id BETWEEN $1 AND $2",
     "SEARCH t USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("SELECT * FROM t WHERE name = 'x'", found("name")),
    ("SELECT * FROM t WHERE name = $1", found("name")),
    ("SELECT * FROM t WHERE name IN ('a', 'b')", found("name")),
    ("SELECT * FROM t WHERE word = $1", found("word")),
    ("SELECT * FROM t WHERE name >= 'a' AND name < 'b'", "(name>? AND name<?)"),
    ("SELECT * FROM t WHERE big = $1", found("big")),
    ("SELECT * FROM t WHERE big = 7.0", found("big")),
    ("SELECT * FROM t WHERE small = 3", found("small")),
    ("SELECT * FROM t WHERE small > $1", found("small", ">?")),
    ("SELECT * FROM t WHERE big IS NULL", found("big")),
    ("SELECT * FROM t WHERE big IS NOT DISTINCT FROM $1", found("big")),
    ("SELECT * FROM t WHERE number = 1.5", found("number")),
    ("SELECT * FROM t WHERE number = $1", found("number")),
    ("SELECT * FROM t WHERE number IN (1, 2.5)", found("number")),
    ("SELECT * FROM t WHERE number > 1.5 ORDER BY number LIMIT 3", found("number", ">?")),
    ("SELECT * FROM t WHERE real > $1", found("real", ">?")),
    ("SELECT * FROM t WHERE at = $1", found("at")),
    ("SELECT * FROM t WHERE plain > $1 ORDER BY plain LIMIT 10", found("plain", ">?")),
    ("SELECT * FROM t WHERE plain >= '2024-01-01' AND plain < $1", "(plain>? AND plain<?)"),
    ("SELECT * FROM t WHERE day = '2024-01-01'", found("day")),
    ("SELECT * FROM t WHERE code = $1", found("code")),
    ("SELECT * FROM t WHERE flag = true", found("flag")),
    ("SELECT * FROM t WHERE name = 'x' OR big = 2", "MULTI-INDEX OR"),
    ("SELECT * FROM t WHERE id = (SELECT max(id) FROM t)", KEY),
    ("SELECT * FROM t ORDER BY id DESC LIMIT 3", "SCAN t"),
    ("SELECT * FROM t ORDER BY name LIMIT 3", "SCAN t USING INDEX t_name"),
    ("SELECT * FROM t ORDER BY name DESC LIMIT 3", "SCAN t USING INDEX t_name"),
    ("SELECT * FROM t ORDER BY number LIMIT 3", "SCAN t USING INDEX t_number"),
    ("SELECT * FROM t ORDER BY plain DESC LIMIT 3", "SCAN t USING INDEX t_plain"),
    ("SELECT * FROM t WHERE status = $1 ORDER BY at DESC LIMIT 1",
     "SEARCH t USING INDEX t_recent (status=?)"),
    ("SELECT count(*) FROM t WHERE big = 5", "SEARCH t USING COVERING INDEX t_big (big=?)"),
    ("SELECT min(big) FROM t", "SEARCH t USING COVERING INDEX t_big"),
    ("SELECT max(number) FROM t", "SEARCH t USING COVERING INDEX t_number"),
    ("SELECT max(plain) FROM t", "SEARCH t USING COVERING INDEX t_plain"),
    ("SELECT name, count(*) FROM t GROUP BY name", "SCAN t USING COVERING INDEX t_name"),
    ("SELECT DISTINCT big FROM t", "SCAN t USING COVERING INDEX t_big"),
    ("SELECT * FROM two WHERE a = 1 ORDER BY b DESC LIMIT 3",
     "SEARCH two USING INDEX two_ab (a=?)"),
    ("SELECT * FROM two WHERE a > 1 AND b > 2 ORDER BY a, b LIMIT 3",
     "SEARCH two USING INDEX two_ab (a>?)"),
    ("SELECT * FROM two WHERE (a, b) = (1, 2)", "SEARCH two USING INDEX two_ab (a=? AND b=?)"),
    ("SELECT * FROM two JOIN t ON two.a = t.id WHERE two.id = 1", KEY),
    ("SELECT * FROM two JOIN t ON two.a = t.big WHERE two.id = 1", found("big")),
    ("SELECT * FROM two LEFT JOIN t ON t.number = two.number WHERE two.id = 1", found("number")),
    ("SELECT * FROM t WHERE id IN (SELECT a FROM two WHERE b = 1)", KEY),
    ("SELECT * FROM (SELECT * FROM t WHERE big = 3) AS x ORDER BY id", found("big")),
    ("WITH x AS (SELECT * FROM t) SELECT * FROM x WHERE id = 3", KEY),
    ("SELECT * FROM part WHERE a = 1 AND ended IS NULL", "part_open (a=?)"),
    ("SELECT * FROM part WHERE a = 1 AND day > '2024-01-01'", "part_new (a=?)"),
    ("SELECT * FROM part WHERE a = 1 AND flag", "part_on (a=?)"),
    ("SELECT * FROM keyed WHERE word = $1", "sqlite_autoindex_keyed_1 (word=?)"),
    ("SELECT * FROM priced WHERE price = 1.50", "sqlite_autoindex_priced_1 (price=?)"),
    ("UPDATE t SET big = big + 1 WHERE id = $1", KEY),
    ("UPDATE t SET number = number * 2 WHERE name = $1", found("name")),
    ("DELETE FROM t WHERE id = 7", KEY),
    ("DELETE FROM priced WHERE price = $1", "sqlite_autoindex_priced_1 (price=?)"),
    ("INSERT INTO t (id, name, status) SELECT id, 'x', 's' FROM two WHERE a = 3 "
     "ON CONFLICT (id) DO UPDATE SET name = excluded.name", "two_ab (a=?)"),
]

# In PostgreSQL's alone.
OWN = [
    ("SELECT * FROM t WHERE id = ANY ($1)", KEY),
    ("SELECT * FROM t WHERE name = ANY ($1)", found("name")),
    ("SELECT * FROM t WHERE id = $1::bigint", KEY),
    ("SELECT * FROM t WHERE name = $1::varchar", found("name")),
    ("SELECT * FROM t WHERE name LIKE 'abc%'", "t_name (name>? AND name<?)"),
    ("SELECT * FROM t WHERE name LIKE $1", "t_name (name>? AND name<?)"),
    ("SELECT * FROM t WHERE at > now() - interval '1 day'", found("at", ">?")),
    ("SELECT * FROM t WHERE at >= date_trunc('day', now())", found("at", ">?")),
    ("SELECT * FROM t WHERE plain > DATE '2024-01-01'", found("plain", ">?")),
    ("SELECT * FROM t WHERE day >= current_date", found("day", ">?")),
    ("DELETE FROM t USING two WHERE two.a = t.id AND two.id = 1", KEY),
]


@pytest.fixture
def db(sqlite):
    with sqlite.weir.connect() as connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        yield connection


def plan_of(connection, text):
    parameters = [None] * max(map(int, re.findall(r"\$(\d)", text)), default=0)
    result = connection.pgconn.exec_params(f"EXPLAIN QUERY PLAN {text}".encode(), parameters)
    assert result.status == pq.ExecStatus.TUPLES_OK, (text, result.error_message)
    return [re.sub(r" AS \w+", "", result.get_value(row, 3).decode())
            for row in range(result.ntuples)]


def test_a_statement_in_both_languages_is_looked_up_as_sqlite_itself_would(db, tmp_path):
    (path,) = tmp_path.glob("**/*.db")
    file = sqlite3.connect(path)
    wrong = []
    for text, expected in ALIKE:
        theirs = file.execute("EXPLAIN QUERY PLAN " + re.sub(r"\$(\d)", r"?\1", text),
                              [None] * len(set(re.findall(r"\$\d", text)))).fetchall()
        plan = plan_of(db, text)
        if plan != [row[3] for row in theirs] or not any(expected in step for step in plan):
            wrong.append((text, plan, theirs))
    file.close()
    assert not wrong


def test_what_only_postgresql_says_is_looked_up_too(db):
    plans = [(text, plan_of(db, text), expected) for text, expected in OWN]
    assert not [p for p in plans if not any(p[2] in step for step in p[1])]


def test_a_pattern_that_is_a_parameter_finds_the_same_as_one_that_is_written(db):
    words = ["", "%", "a", "ab", "abc", "abd", "a%c", "a_c", "a\\", "aé", "aéb", "b", "Ab",
             "\U0010ffff"]
    db.execute("INSERT INTO t (id, status, name) SELECT i, 's', w FROM "
               "unnest(%s::text[]) WITH ORDINALITY AS x(w, i)", (words,))
    db.execute("INSERT INTO t (id, status) VALUES (99, 's')")
    for pattern in ("", "%", "a%", "ab%", "a_c", "a\\%c", "a\\_%", "a\\\\", "aé%", "%b", "_", "abc",
                    "\U0010ffff%", "\\%", "\\%%"):
        literal = pattern.replace("'", "''").replace("%", "%%")
        written = db.execute(f"SELECT name FROM t WHERE name LIKE '{literal}' ORDER BY id", ())
        given = db.execute("SELECT name FROM t WHERE name LIKE %s ORDER BY id", (pattern,))
        assert given.fetchall() == written.fetchall(), pattern


def test_rows_without_a_value_stay_last_where_a_condition_lets_them_in(db):
    db.execute("INSERT INTO two (a, b) VALUES (1, NULL), (1, 2), (NULL, 1), (2, NULL), (2, 1)")
    every = [(1, 2), (1, None), (2, 1), (2, None), (None, 1)]
    for condition, expected in [
            ("a > 0", [(1, 2), (1, None), (2, 1), (2, None)]),
            ("a > 0 AND b > 0", [(1, 2), (2, 1)]),
            ("a > 0 OR b > 0", every),
            ("a NOT IN (SELECT id FROM t)", every),
            ("NOT a IS NULL AND b IS NOT NULL", [(1, 2), (2, 1)])]:
        found_rows = db.execute(f"SELECT a, b FROM two WHERE {condition} ORDER BY a, b").fetchall()
        assert found_rows == expected, condition
