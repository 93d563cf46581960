"""What a broken constraint tells: SQLSTATE, message and the fields that applications read (table,
column, constraint), on PostgreSQL and on SQLite alike."""

import psycopg
import pytest

SETUP = """
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, n int CHECK (n > 0), m int NOT NULL,
                    "Name" text UNIQUE, CONSTRAINT small CHECK (n < 100),
                    CONSTRAINT pair UNIQUE (n, m));
CREATE TABLE parts (a int, b int, word text);
CREATE UNIQUE INDEX parts_a ON parts (a) WHERE b > 0;
CREATE UNIQUE INDEX parts_word ON parts (lower(word));
CREATE TABLE orders (id serial PRIMARY KEY, usr int REFERENCES users (id), note varchar(5) UNIQUE);
CREATE TABLE items (a int, b int, usr int CONSTRAINT owner REFERENCES users ON DELETE CASCADE,
                    ord int NOT NULL REFERENCES orders, PRIMARY KEY (a, b));
INSERT INTO users VALUES (1, 'a', 1, 1, 'A'), (2, 'b', 2, 2, 'B');
INSERT INTO parts VALUES (1, 1, 'one'), (2, 0, 'two'), (2, 0, 'three');
INSERT INTO orders (id, usr) VALUES (50, 1);
INSERT INTO items VALUES (1, 1, 1, 50);
"""

ALIKE = [
    "INSERT INTO users VALUES (1, 'x', 5, 5)",
    "INSERT INTO users VALUES (3, 'a', 5, 5)",
    "INSERT INTO users VALUES (3, 'c', 5, 5, 'A')",
    "INSERT INTO users VALUES (3, 'c', 0, 5)",
    "INSERT INTO users VALUES (3, 'c', 1000, 5)",
    "INSERT INTO users VALUES (3, 'c', 7, NULL)",
    "INSERT INTO users VALUES (3, 'c', 1, 1)",
    "UPDATE users SET id = 2 WHERE id = 1",
    "UPDATE users SET n = -1 WHERE id = 1",
    "WITH x AS (SELECT 3 AS id) INSERT INTO users SELECT id, 'b', 9, 9 FROM x",
    "INSERT INTO users VALUES (1, 'q', 9, 9) ON CONFLICT (email) DO NOTHING",
    "INSERT INTO parts VALUES (1, 1, 'four')",
    "INSERT INTO parts VALUES (7, 1, 'ONE')",
    "INSERT INTO orders (usr) VALUES (7)",
    "UPDATE orders SET usr = 9",
    "UPDATE orders SET id = 5",
    "INSERT INTO orders (id) VALUES (50)",
    "INSERT INTO items VALUES (1, 1, 1, 50)",
    "INSERT INTO items VALUES (2, 1, 1, NULL)",
    "DELETE FROM orders",
]
# Two keys may be meant, and SQLite does not say which.
NOT_NAMED = ["INSERT INTO items VALUES (2, 1, 1, 77)", "DELETE FROM users WHERE id = 1"]


def told(db, statement):
    with pytest.raises(psycopg.errors.IntegrityError) as e:
        db.execute(statement)
    d = e.value.diag
    return (d.sqlstate, d.message_primary, d.schema_name, d.table_name, d.column_name,
            d.constraint_name)


@pytest.fixture
def both(weir, postgres, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/e2e.db")
    name = postgres.database()
    with gateway.connect() as lite, postgres.connect(dbname=name) as there:
        lite.execute(SETUP)
        there.execute(SETUP)
        yield lite, there


def test_the_constraint_is_named(both):
    lite, there = both
    for statement in ALIKE:
        assert told(lite, statement) == told(there, statement), statement


def test_in_a_transaction_and_with_parameters(both):
    lite, there = both
    for db in both:
        db.execute("BEGIN")
        db.execute("CREATE TABLE late (a int CONSTRAINT late_key UNIQUE, b int)")
        db.execute("INSERT INTO late VALUES (%s, 1)", (1,))
    insert = "INSERT INTO late (b, a) VALUES (%s, %s)"
    found = []
    for db in both:
        with pytest.raises(psycopg.errors.UniqueViolation) as e:
            db.execute(insert, (2, 1))
        found.append((e.value.diag.table_name, e.value.diag.constraint_name))
        db.execute("ROLLBACK")
    assert found == [("late", "late_key")] * 2


def test_copy_tells_it_too(both):
    for db in both:
        with pytest.raises(psycopg.errors.UniqueViolation) as e:
            with db.cursor().copy("COPY parts FROM STDIN") as copy:
                copy.write("1\t1\tnew\n")
        assert e.value.diag.constraint_name == "parts_a"


def test_what_sqlite_does_not_tell_is_left_out(both):
    for statement in NOT_NAMED:
        assert told(both[0], statement) == (
            "23503", "insert, update or delete violates foreign key constraint", *[None] * 4)


def test_other_errors_name_nothing(both):
    with pytest.raises(psycopg.errors.UndefinedTable) as e:
        both[0].execute("SELECT * FROM nowhere")
    assert e.value.diag.constraint_name is e.value.diag.table_name is None
