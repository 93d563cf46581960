"""PostgreSQL's types are demanded of the tables that were made with them, and of no others
(docs/decisions/0013-whose-table-it-is.md); the moments of a transaction; parameters' types."""

import datetime
import sqlite3
import time

import psycopg
import pytest


@pytest.fixture
def db(sqlite):
    with sqlite.weir.connect() as connection:
        connection.execute("CREATE TABLE ours (id INT PRIMARY KEY, i INTEGER, t TEXT, "
                           "v VARCHAR(3))")
        connection.execute("INSERT INTO ours VALUES (1, 1, 'one', 'a'), (2, NULL, NULL, NULL)")
        yield connection


@pytest.fixture
def theirs(weir, tmp_path):
    """A file that SQLite's own tools made."""
    file = sqlite3.connect(tmp_path / "theirs.db")
    file.executescript("""
CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, t TEXT, d DATE);
CREATE VIEW seen AS SELECT * FROM t;
INSERT INTO t VALUES (1, 1, '1', '2024-01-31'), (2, 'word', 'B', 'long ago'),
  (3, NULL, NULL, 7);""")
    file.close()
    with weir(f"sqlite:{tmp_path}/theirs.db").connect() as connection:
        yield connection


REFUSED = [
    ("SELECT id FROM {} WHERE t = 1", "42883"),
    ("SELECT id FROM {} WHERE i", "42804"),
    ("SELECT coalesce(i, t) FROM {}", "42804"),
    ("SELECT t, count(*) FROM {}", "42803"),
    ("SELECT id FROM {} WHERE i = 'x'", "22P02"),
    ("SELECT max(id) FROM {} WHERE t || 1 = \"x\"", "42703"),
    ("UPDATE {} SET i = 'text' WHERE id = 1", "22P02"),
    ("INSERT INTO {} (id, i) VALUES (9, 'text')", "22P02"),
]


@pytest.mark.parametrize("text, state", REFUSED)
def test_what_postgresql_refuses_of_its_tables_is_refused(db, text, state):
    with pytest.raises(psycopg.Error) as refused:
        db.execute(text.format("ours"))
    assert refused.value.sqlstate == state


@pytest.mark.parametrize("text", [text for text, _ in REFUSED])
def test_sqlites_tables_are_asked_as_they_always_were(theirs, text):
    theirs.execute(text.format("t"))
    if text.startswith("SELECT"):
        theirs.execute(text.format("seen"))


def test_sqlites_tables_take_what_they_are_given(theirs):
    theirs.execute("INSERT INTO t VALUES (4, %s, %s, %s)", ("word", "x" * 100, "whenever"))
    theirs.execute("UPDATE t SET d = %s WHERE i = %s", ("never", "word"))
    rows = theirs.execute("SELECT id, CAST(i AS TEXT), CAST(d AS TEXT) FROM t WHERE i = %s "
                          "ORDER BY id", ("word",)).fetchall()
    assert rows == [(2, "word", "never"), (4, "word", "never")]


def test_what_both_have_means_what_it_means_to_whom_it_belongs(db, theirs):
    assert db.execute("SELECT t FROM ours ORDER BY t").fetchall()[-1] == (None,)
    assert not db.execute("SELECT 1 FROM ours WHERE t LIKE 'O%' OR t LIKE 'b'").fetchall()
    assert theirs.execute("SELECT t FROM t ORDER BY t").fetchone() == (None,)
    assert theirs.execute("SELECT 1 FROM t WHERE t LIKE 'O%' OR t LIKE 'b'").fetchall()


def test_a_view_over_postgresqls_tables_is_one_of_them(db, tmp_path):
    db.execute("CREATE VIEW first AS SELECT id, t, i * 2.50 AS worth FROM ours")
    db.execute("CREATE VIEW second (k, n) AS SELECT id, count(*) FROM first GROUP BY id")
    rows = db.execute("SELECT * FROM first ORDER BY t")
    assert [c.type_code for c in rows.description] == [23, 25, 1700]
    assert [str(worth) for _, _, worth in rows] == ["2.50", "None"]  # NULLs come last
    assert db.execute("SELECT n FROM second WHERE k = 1").description[0].type_code == 20
    with pytest.raises(psycopg.errors.UndefinedFunction):
        db.execute("SELECT 1 FROM first WHERE t = 1")
    with pytest.raises(psycopg.errors.DuplicateColumn):
        db.execute("CREATE VIEW twice AS SELECT id, id FROM ours")
    db.execute("CREATE VIEW plain AS SELECT id, t FROM ours WHERE i > 0")
    with sqlite3.connect(tmp_path / "e2e.db") as file:
        assert file.execute("SELECT t FROM plain WHERE id = 1").fetchall() == [("one",)]


@pytest.mark.parametrize("change", [
    "ALTER TABLE ours ADD COLUMN more BIGINT", "ALTER TABLE ours ALTER COLUMN v TYPE TEXT",
    "ALTER TABLE ours RENAME COLUMN v TO w", "ALTER TABLE ours DROP COLUMN v",
    "ALTER TABLE ours ALTER COLUMN t SET NOT NULL, ALTER COLUMN t SET DEFAULT 'x'",
    "ALTER TABLE ours ADD CONSTRAINT c CHECK (id > 0)"])
def test_a_table_stays_postgresqls_when_it_is_altered(db, change):
    db.execute("DELETE FROM ours WHERE t IS NULL")
    db.execute(change)
    with pytest.raises(psycopg.errors.UndefinedFunction):
        db.execute("SELECT id FROM ours WHERE t = 1")


@pytest.mark.parametrize("table", [
    "(id INT, t TEXT, any)", "(id INT, t TEXT) STRICT", "(id INT, t TEXT COLLATE NOCASE)",
    "(id INT PRIMARY KEY, t TEXT) WITHOUT ROWID", "(id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT)",
    "AS SELECT 1 AS id, 'x' AS t"])
def test_a_table_with_sqlites_words_is_sqlites(db, table):
    db.execute(f"CREATE TABLE own {table}")
    db.execute("SELECT id FROM own WHERE t = 1")


# ---- moments ----

def moments(db):
    return db.execute("SELECT now(), transaction_timestamp(), current_timestamp, "
                      "statement_timestamp(), clock_timestamp()").fetchone()


def test_a_transaction_has_one_now(sqlite):
    with sqlite.weir.connect(autocommit=False) as db, sqlite.weir.connect() as other:
        first = moments(db)
        time.sleep(0.002)
        db.execute("CREATE TABLE stamps (at TIMESTAMPTZ, today DATE)")  # from now on the writer
        db.execute("INSERT INTO stamps VALUES (now(), current_date)")
        second = moments(db)
        assert {*first[:3], *second[:3]} == {first[0]}
        assert db.execute("SELECT at, today FROM stamps").fetchone() == (first[0], first[0].date())
        assert first[0] <= first[3] < second[3] and first[3] <= first[4] < second[4]
        db.rollback()
        assert moments(db)[0] > second[4]
        before = moments(other)
        assert before[0] == before[3] and moments(other)[0] > before[4]
    age = datetime.datetime.now(datetime.timezone.utc) - first[0]
    assert datetime.timedelta(0) < age < datetime.timedelta(minutes=5)


# ---- parameters ----

def test_a_parameter_has_the_type_that_the_client_named(db):
    for value in (5, 2**40, 1.5, True, datetime.date(2024, 1, 31), b"\0\1",
                  datetime.datetime(2024, 1, 31, 10, 20)):
        row = db.execute("SELECT %s", (value,)).fetchone()
        assert row == (value,) and type(row[0]) is type(value)
    assert db.execute("SELECT i + %s FROM ours", (2**40,)).fetchone() == (2**40 + 1,)
    assert db.execute("SELECT i + %s FROM ours", (0.5,)).fetchone() == (1.5,)


@pytest.mark.parametrize("prepare", [False, True])
def test_one_text_may_have_parameters_of_several_types(db, prepare):
    for _ in range(2):
        for value in (7, "seven", 7.5):
            assert db.execute("SELECT %s", (value,), prepare=prepare).fetchone() == (value,)
