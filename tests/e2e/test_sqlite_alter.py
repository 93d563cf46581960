"""ALTER TABLE as PostgreSQL has it, on the embedded database: what SQLite's own cannot do, too.
Each change is checked against the rows, keeps them and the indexes, and is undone with its
transaction."""

import sqlite3

import psycopg
import pytest

TABLES = """
    CREATE TABLE author (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE book (id SERIAL PRIMARY KEY, isbn VARCHAR(20) UNIQUE, title VARCHAR(50) NOT NULL,
        pages TEXT DEFAULT '1', author INTEGER REFERENCES author (id) ON DELETE CASCADE,
        CONSTRAINT long_title CHECK (length(title) > 1), CONSTRAINT both UNIQUE (title, author));
    CREATE INDEX book_pages ON book (pages);
    CREATE INDEX book_title ON book (title DESC, pages);
    INSERT INTO author (name) VALUES ('ann'), ('bob');
    INSERT INTO book (isbn, title, pages, author) VALUES
        ('a', 'one', '10', 1), ('b', 'two', '20', 1), ('c', 'three', NULL, 2)"""


@pytest.fixture
def db(sqlite):
    with sqlite.weir.connect() as db:
        for statement in TABLES.split(";"):
            db.execute(statement)
        yield db
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def sqlstate(db, text):
    with pytest.raises(psycopg.Error) as failed:
        db.execute(text)
    return failed.value.sqlstate


def column(db, name, table="book"):
    return db.execute(
        "SELECT data_type, is_nullable, column_default FROM information_schema.columns WHERE "
        "table_name = %s AND column_name = %s", (table, name)).fetchone()


def indexes(db, table="book"):
    return {r[0] for r in db.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s",
                                     (table,))}


def test_a_column_that_sqlite_would_not_add(db):
    db.execute("ALTER TABLE book ADD COLUMN made timestamptz NOT NULL DEFAULT now()")
    assert db.execute("SELECT count(*) FROM book WHERE made IS NOT NULL").fetchone() == (3,)
    db.execute("ALTER TABLE book ADD COLUMN slug text UNIQUE, ADD COLUMN rating int DEFAULT 3 NOT "
               "NULL, ADD COLUMN editor int DEFAULT 2 REFERENCES author (id)")
    assert db.execute("SELECT slug, rating, editor FROM book").fetchall() == [(None, 3, 2)] * 3
    assert "book_slug_key" in indexes(db)
    db.execute("UPDATE book SET slug = 'x' WHERE id = 1")
    assert sqlstate(db, "UPDATE book SET slug = 'x' WHERE id = 2") == "23505"
    assert sqlstate(db, "UPDATE book SET editor = 9") == "23503"
    assert sqlstate(db, "ALTER TABLE book ADD COLUMN e2 int NOT NULL") == "23502"
    assert sqlstate(db, "ALTER TABLE book ADD COLUMN e2 int DEFAULT 7 REFERENCES author") == "23503"
    assert sqlstate(db, "ALTER TABLE book ADD COLUMN rating int") == "42701"
    db.execute("ALTER TABLE book ADD COLUMN IF NOT EXISTS rating int")
    assert column(db, "e2") is None


def test_a_default_that_is_taken_away_stays_in_the_rows_that_had_it(db):
    db.execute("ALTER TABLE book ADD COLUMN rating int DEFAULT 3 NOT NULL")
    db.execute("ALTER TABLE book ALTER COLUMN rating DROP DEFAULT")
    assert db.execute("SELECT rating FROM book").fetchall() == [(3,)] * 3
    assert column(db, "rating") == ("integer", "NO", None)
    db.execute("ALTER TABLE book ALTER COLUMN rating SET DEFAULT 4")
    assert db.execute("SELECT DISTINCT rating FROM book").fetchall() == [(3,)]
    db.execute("INSERT INTO book (title) VALUES ('four')")
    assert db.execute("SELECT rating FROM book WHERE title = 'four'").fetchone() == (4,)


def test_null_and_not_null(db):
    assert sqlstate(db, "ALTER TABLE book ALTER COLUMN pages SET NOT NULL") == "23502"
    db.execute("UPDATE book SET pages = '0' WHERE pages IS NULL")
    db.execute("ALTER TABLE book ALTER pages SET NOT NULL, ALTER title DROP NOT NULL")
    assert column(db, "pages")[1] == "NO" and column(db, "title")[1] == "YES"
    assert sqlstate(db, "UPDATE book SET pages = NULL") == "23502"
    db.execute("UPDATE book SET title = NULL WHERE id = 1")
    assert sqlstate(db, "ALTER TABLE book ALTER nothing SET NOT NULL") == "42703"
    assert sqlstate(db, "ALTER TABLE nothing ALTER pages SET NOT NULL") == "42P01"
    db.execute("ALTER TABLE IF EXISTS nothing ALTER pages SET NOT NULL")


def test_another_type(db):
    db.execute("ALTER TABLE book ALTER COLUMN pages TYPE integer USING pages::integer")
    assert db.execute("SELECT pages, typeof(pages) FROM book ORDER BY id").fetchall() == \
        [(10, "integer"), (20, "integer"), (None, "null")]
    assert db.execute("SELECT id FROM book WHERE pages = 20").fetchall() == [(2,)]
    db.execute("ALTER TABLE book ALTER COLUMN pages DROP DEFAULT, ALTER COLUMN pages TYPE text")
    assert db.execute("SELECT id FROM book WHERE pages = '20'").fetchall() == [(2,)]
    db.execute("UPDATE book SET pages = 'many' WHERE id = 3")
    assert sqlstate(db, "ALTER TABLE book ALTER COLUMN pages TYPE integer") == "22P02"
    assert db.execute("SELECT pages FROM book ORDER BY id").fetchall() == \
        [("10",), ("20",), ("many",)]
    db.execute("ALTER TABLE book ALTER COLUMN title SET DATA TYPE varchar(255)")
    db.execute("ALTER TABLE book ALTER COLUMN id TYPE bigint")
    assert sqlstate(db, "ALTER TABLE book ALTER COLUMN id TYPE text") == "0A000"
    db.execute("ALTER TABLE book ALTER COLUMN title TYPE text USING upper(title)")
    assert db.execute("SELECT title FROM book ORDER BY id").fetchall() == \
        [("ONE",), ("TWO",), ("THREE",)]


def test_constraints_come_and_go(db):
    assert sqlstate(db, "ALTER TABLE book ADD CONSTRAINT few CHECK (id < 3)") == "23514"
    db.execute("ALTER TABLE book ADD CONSTRAINT few CHECK (id < 9)")
    assert sqlstate(db, "INSERT INTO book (id, title) VALUES (10, 'ten')") == "23514"
    db.execute("ALTER TABLE book DROP CONSTRAINT few, DROP CONSTRAINT long_title")
    db.execute("INSERT INTO book (id, title) VALUES (10, 'x')")
    db.execute("ALTER TABLE book DROP CONSTRAINT book_author_fkey")
    db.execute("UPDATE book SET author = 77 WHERE id = 10")
    again = ('ALTER TABLE book ADD CONSTRAINT "the author" FOREIGN KEY (author) REFERENCES author '
             "(id) DEFERRABLE INITIALLY DEFERRED")
    assert sqlstate(db, again) == "23503"
    db.execute("UPDATE book SET author = 2 WHERE id = 10")
    db.execute(again)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        with db.transaction():
            db.execute("UPDATE book SET author = 77 WHERE id = 10")
    db.execute('ALTER TABLE book DROP CONSTRAINT "the author"')
    assert sqlstate(db, "ALTER TABLE book DROP CONSTRAINT nothing") == "42704"
    db.execute("ALTER TABLE book DROP CONSTRAINT IF EXISTS nothing")
    assert sqlstate(db, "ALTER TABLE book DROP CONSTRAINT book_pkey") == "0A000"


def test_unique_constraints(db):
    db.execute("ALTER TABLE book DROP CONSTRAINT book_isbn_key")
    db.execute("UPDATE book SET isbn = 'same'")
    assert sqlstate(db, "INSERT INTO book (title, author) VALUES ('one', 1)") == "23505"
    assert sqlstate(db, "ALTER TABLE book ADD CONSTRAINT again UNIQUE (isbn)") == "23505"
    db.execute("ALTER TABLE book DROP CONSTRAINT both")
    db.execute("INSERT INTO book (title, author) VALUES ('one', 1)")
    db.execute("ALTER TABLE book ADD CONSTRAINT again UNIQUE (isbn, id)")
    db.execute("ALTER TABLE book ADD UNIQUE (pages, id)")
    assert indexes(db) == {"book_pkey", "book_pages", "book_title", "again", "book_pages_id_key"}
    db.execute("ALTER TABLE book RENAME CONSTRAINT again TO other")
    db.execute("ALTER TABLE book RENAME CONSTRAINT long_title TO short_title")
    db.execute("ALTER TABLE book DROP CONSTRAINT other, DROP CONSTRAINT short_title")
    assert "other" not in indexes(db)


def test_a_column_is_dropped_with_what_hangs_on_it(db):
    db.execute("ALTER TABLE book DROP COLUMN isbn")
    db.execute("ALTER TABLE book DROP COLUMN title CASCADE")
    db.execute("ALTER TABLE book DROP COLUMN author, DROP COLUMN IF EXISTS nothing")
    assert db.execute("SELECT * FROM book ORDER BY id").fetchall() == \
        [(1, "10"), (2, "20"), (3, None)]
    assert indexes(db) == {"book_pkey", "book_pages"}
    assert sqlstate(db, "ALTER TABLE book DROP COLUMN nothing") == "42703"
    assert sqlstate(db, "ALTER TABLE book DROP COLUMN id") == "0A000"


def test_it_is_undone_with_its_transaction(db, sqlite):
    before = db.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    with sqlite.weir.connect(autocommit=False) as other:
        other.execute("SAVEPOINT s")
        other.execute("ALTER TABLE book ALTER COLUMN pages TYPE integer, DROP CONSTRAINT both")
        assert column(other, "pages")[0] == "integer" and column(db, "pages")[0] == "text"
        other.execute("ROLLBACK TO s")
        assert column(other, "pages")[0] == "text"
        other.execute("ALTER TABLE book DROP COLUMN isbn")
        assert sqlstate(other, "ALTER TABLE book ALTER COLUMN pages SET NOT NULL") == "23502"
        other.rollback()
    assert db.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() == before
    assert db.execute("SELECT isbn, pages FROM book ORDER BY id").fetchall() == \
        [("a", "10"), ("b", "20"), ("c", None)]


def test_triggers_do_not_see_it(db):
    db.execute("CREATE TABLE log (a TEXT)")
    db.execute("CREATE TRIGGER t AFTER UPDATE ON book BEGIN INSERT INTO log VALUES ('u'); END")
    db.execute("ALTER TABLE book ALTER COLUMN pages TYPE integer")
    assert db.execute("SELECT count(*) FROM log").fetchone() == (0,)
    db.execute("UPDATE book SET pages = 5 WHERE id = 1")
    assert db.execute("SELECT count(*) FROM log").fetchone() == (1,)


def test_clients_may_still_not_edit_the_schema(db):
    db.execute("ALTER TABLE book ALTER title DROP NOT NULL")
    for text in ("UPDATE sqlite_schema SET sql = 'x' WHERE name = 'book'",
                 "PRAGMA writable_schema = on", "PRAGMA schema_version = 7"):
        with pytest.raises(psycopg.Error):
            db.execute(text)


def test_other_readers_of_the_file_see_the_same(db, sqlite, tmp_path):
    db.execute("ALTER TABLE book ALTER COLUMN pages SET DEFAULT 'none', ALTER title DROP NOT NULL")
    with sqlite3.connect(f"{tmp_path}/e2e.db") as direct:
        direct.execute("INSERT INTO book (id) VALUES (99)")
    assert db.execute("SELECT title, pages FROM book WHERE id = 99").fetchone() == (None, "none")


def test_constraints_have_the_names_that_were_given(db):
    db.execute("CREATE TABLE n (a INT CONSTRAINT small CHECK (a < 9), b INT CHECK (b > 0), c INT, "
               "CONSTRAINT n_key PRIMARY KEY (a, b), CONSTRAINT one UNIQUE (c), CHECK (a < b), "
               'CONSTRAINT "To author" FOREIGN KEY (c) REFERENCES author (id))')
    found = db.execute("SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint "
                       "WHERE conrelid = 'n'::regclass ORDER BY 1").fetchall()
    assert found == [
        ("To author", "f", "FOREIGN KEY (c) REFERENCES author(id)"),
        ("n_b_check", "c", "CHECK ((b > 0))"), ("n_check", "c", "CHECK ((a < b))"),
        ("n_key", "p", "PRIMARY KEY (a, b)"), ("one", "u", "UNIQUE (c)"),
        ("small", "c", "CHECK ((a < 9))")]
    for name, kind, _ in found:
        if kind != "p":
            db.execute(f'ALTER TABLE n DROP CONSTRAINT "{name}"')
    assert db.execute("SELECT count(*) FROM pg_constraint WHERE conrelid = 'n'::regclass"
                      ).fetchone() == (1,)


def test_a_column_that_another_is_made_of_stays(db):
    """Not even where a foreign key of it has to go first: the file could not be read any more."""
    db.execute("CREATE TABLE made (id INTEGER PRIMARY KEY, ref INTEGER REFERENCES book, "
               "twice INTEGER AS (ref * 2) STORED)")
    with pytest.raises(psycopg.Error):
        db.execute("ALTER TABLE made DROP COLUMN ref")
    assert db.execute("SELECT ref, twice FROM made").fetchall() == []


def test_an_index_is_renamed(db):
    names = "SELECT indexname FROM pg_indexes WHERE tablename = 'book' ORDER BY 1"
    db.execute("ALTER INDEX book_pages RENAME TO by_pages")
    db.execute("ALTER INDEX public.book_isbn_key RENAME TO isbns")
    db.execute("ALTER INDEX IF EXISTS nothing RENAME TO something")
    with db.transaction(force_rollback=True):
        db.execute("ALTER INDEX book_title RENAME TO undone")
    assert [r[0] for r in db.execute(names)] == ["book_pkey", "book_title", "both", "by_pages",
                                                 "isbns"]
    with pytest.raises(psycopg.errors.UndefinedTable):
        db.execute("ALTER INDEX nothing RENAME TO something")
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute("INSERT INTO book (isbn, title) VALUES ('a', 'again')")
    assert db.execute("ALTER INDEX by_pages RENAME TO b2").statusmessage == "ALTER INDEX"
