"""PREPARE, EXECUTE, DEALLOCATE and cursors as SQL has them: the same on PostgreSQL and on the
embedded database."""

import psycopg
import pytest
import psycopg2


@pytest.fixture
def db(served):
    with served.weir.connect(prepare_threshold=None) as db:
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BOOLEAN)")
        db.execute("INSERT INTO t VALUES (1, 'one', true), (2, 'two', false), (3, NULL, NULL), "
                   "(4, 'four', true), (5, 'five', false)")
        yield db


def sqlstate(db, text, *args):
    with pytest.raises(psycopg.Error) as failed:
        db.execute(text, *args)
    return failed.value.sqlstate


def simple(served, text):
    """What psql shows of it, which uses the simple protocol."""
    return served.weir.psql("-v", "VERBOSITY=sqlstate", stdin=text).stdout.splitlines()


def test_a_prepared_statement_is_executed_by_name(db):
    db.execute("PREPARE by_key (int) AS SELECT b, c FROM t WHERE a = $1")
    assert db.execute("EXECUTE by_key(1)").fetchall() == [("one", True)]
    assert db.execute("EXECUTE by_key(1 + 1)", binary=True).fetchall() == [("two", False)]
    assert db.execute("EXECUTE by_key(NULL)").fetchall() == []
    done = db.execute("PREPARE add AS INSERT INTO t (a, b) VALUES ($1, $2) RETURNING a")
    assert done.statusmessage == "PREPARE"
    done = db.execute("EXECUTE add(9, 'it''s, (nine)')")
    assert (done.statusmessage, done.fetchall()) == ("INSERT 0 1", [(9,)])
    assert db.execute("EXECUTE by_key(9)").fetchall() == [("it's, (nine)", None)]
    assert db.execute("DEALLOCATE by_key").statusmessage == "DEALLOCATE"
    assert sqlstate(db, "EXECUTE by_key(1)") == "26000"
    assert db.execute("DEALLOCATE ALL").statusmessage == "DEALLOCATE ALL"
    assert sqlstate(db, "EXECUTE add(1, 'x')") == "26000"


def test_prepared_statements_in_a_script(served):
    out = simple(served, """
        CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);
        PREPARE add (int, text) AS INSERT INTO t VALUES ($1, $2);
        EXECUTE add(1, 'one'); EXECUTE add(2, 'two');
        PREPARE pair AS SELECT a, b FROM t ORDER BY a; EXECUTE pair;
        DEALLOCATE pair; EXECUTE pair; SELECT 'on';""")
    assert out == ["CREATE TABLE", "PREPARE", "INSERT 0 1", "INSERT 0 1", "PREPARE", "1|one",
                   "2|two", "DEALLOCATE", "on"]


def test_errors_of_prepared_statements(db):
    db.execute("PREPARE p (int) AS SELECT a FROM t WHERE a = $1")
    assert sqlstate(db, "PREPARE p AS SELECT 1") == "42P05"
    assert sqlstate(db, "EXECUTE p") == "42601"
    assert sqlstate(db, "EXECUTE p(1, 2)") == "42601"
    assert sqlstate(db, "EXECUTE p('x')") == "22P02"
    assert sqlstate(db, "EXECUTE nothing") == "26000"
    assert sqlstate(db, "PREPARE q AS SELECT missing FROM t") == "42703"
    assert sqlstate(db, "PREPARE q AS BEGIN") == "42601"
    assert db.execute("EXECUTE p(2)").fetchall() == [(2,)]


FETCHES = [
    ("FETCH c", [1]), ("FETCH NEXT FROM c", [2]), ("FETCH 2 IN c", [3, 4]), ("FETCH 0 FROM c", [4]),
    ("FETCH BACKWARD 2 FROM c", [3, 2]), ("FETCH PRIOR FROM c", [1]), ("FETCH PRIOR FROM c", []),
    ("FETCH FORWARD ALL FROM c", [1, 2, 3, 4, 5]), ("FETCH c", []), ("FETCH FIRST FROM c", [1]),
    ("FETCH LAST FROM c", [5]), ("FETCH ABSOLUTE 3 FROM c", [3]), ("FETCH RELATIVE -1 FROM c", [2]),
    ("FETCH ABSOLUTE -2 FROM c", [4]), ("FETCH ABSOLUTE 99 FROM c", []),
    ("FETCH BACKWARD ALL FROM c", [5, 4, 3, 2, 1]), ("FETCH -1 FROM c", []), ("FETCH 9 FROM c",
                                                                         [1, 2, 3, 4, 5]),
]


def test_a_cursor_is_read_in_every_direction(db):
    with db.transaction():
        done = db.execute("DECLARE c SCROLL CURSOR FOR SELECT a FROM t ORDER BY a")
        assert done.statusmessage == "DECLARE CURSOR"
        for text, rows in FETCHES:
            done = db.execute(text)
            assert [r[0] for r in done.fetchall()] == rows, text
            assert done.statusmessage == f"FETCH {len(rows)}", text
        assert db.execute("MOVE ABSOLUTE 2 FROM c").statusmessage == "MOVE 1"
        assert db.execute("MOVE ALL FROM c").statusmessage == "MOVE 3"
        assert db.execute("FETCH PRIOR FROM c").fetchall() == [(5,)]
        assert db.execute("CLOSE c").statusmessage == "CLOSE CURSOR"
        db.execute("DECLARE c CURSOR FOR VALUES (1)")
        assert db.execute("CLOSE ALL").statusmessage == "CLOSE CURSOR ALL"


def test_a_cursor_in_a_script_shows_what_was_there_when_it_was_declared(served):
    out = simple(served, """
        CREATE TABLE t (a INTEGER, b TEXT);
        INSERT INTO t VALUES (1, 'x'), (2, NULL);
        BEGIN; DECLARE c CURSOR FOR SELECT * FROM t ORDER BY a; DELETE FROM t;
        FETCH 1 FROM c; FETCH ALL FROM c; FETCH 1 FROM c; COMMIT; FETCH c; SELECT 'on';""")
    assert out[2:] == ["BEGIN", "DECLARE CURSOR", "DELETE 2", "1|x", "2|", "COMMIT", "on"]


def test_cursors_end_with_their_transaction_unless_they_are_held(db):
    assert sqlstate(db, "DECLARE c CURSOR FOR SELECT 1") == "25P01"
    db.execute("DECLARE h CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a")
    assert db.execute("FETCH 2 FROM h").fetchall() == [(1,), (2,)]
    with db.transaction():
        db.execute("DECLARE c CURSOR FOR SELECT 1")
        db.execute("DECLARE h2 CURSOR WITH HOLD FOR SELECT 2")
    assert sqlstate(db, "FETCH c") == "34000"
    with db.transaction(force_rollback=True):
        db.execute("DECLARE h3 CURSOR WITH HOLD FOR SELECT 3")
    assert sqlstate(db, "FETCH h3") == "34000"
    assert db.execute("FETCH h2").fetchall() == [(2,)]
    assert db.execute("FETCH h").fetchall() == [(3,)]
    db.execute("CLOSE h")
    assert sqlstate(db, "CLOSE h") == "34000"
    with db.transaction():
        db.execute("SAVEPOINT s")
        db.execute("DECLARE c CURSOR FOR SELECT 1")
        db.execute("ROLLBACK TO s")
        db.execute("DECLARE c CURSOR FOR SELECT 2")
        db.execute("RELEASE s")
        assert db.execute("FETCH c").fetchall() == [(2,)]
    db.execute("DISCARD ALL")
    assert sqlstate(db, "FETCH h2") == "34000"


def test_errors_of_cursors(db):
    with db.transaction(force_rollback=True):
        db.execute("DECLARE c NO SCROLL CURSOR FOR SELECT a FROM t ORDER BY a")
        db.execute("MOVE 3 FROM c")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState), db.transaction():
            db.execute("FETCH PRIOR FROM c")
        with pytest.raises(psycopg.errors.DuplicateCursor), db.transaction():
            db.execute("DECLARE c CURSOR FOR SELECT 1")
        with pytest.raises(psycopg.errors.InvalidCursorName), db.transaction():
            db.execute("FETCH nothing")
    assert sqlstate(db, "DECLARE x CURSOR WITH HOLD FOR DELETE FROM t RETURNING a") == "42601"


def test_a_cursor_with_parameters_in_binary(db):
    with db.transaction():
        db.execute("DECLARE c CURSOR FOR SELECT a, b, c FROM t WHERE a > %s ORDER BY a", (2,))
        assert db.execute("FETCH 1 FROM c", binary=True).fetchall() == [(3, None, None)]
        assert db.execute("FETCH ALL FROM c", binary=True).fetchall() == \
            [(4, "four", True), (5, "five", False)]


def test_drivers_named_cursors(served):
    with served.weir.connect(autocommit=False) as db:
        db.execute("CREATE TABLE n (a INTEGER, b TEXT)")
        db.cursor().executemany("INSERT INTO n VALUES (%s, %s)", [(i, "x" * 50)
                                                                  for i in range(3000)])
        for binary in (False, True):
            with db.cursor("c", binary=binary) as cursor:
                cursor.itersize = 700
                cursor.execute("SELECT a, b FROM n WHERE a >= %s ORDER BY a", (1000,))
                assert [c.name for c in cursor.description] == ["a", "b"]
                assert sum(r[0] for r in cursor) == sum(range(1000, 3000))
        with db.cursor("s", scrollable=True) as cursor:
            cursor.execute("SELECT a FROM n ORDER BY a")
            cursor.scroll(2999, mode="absolute")
            assert cursor.fetchmany(5) == [(2999,)]
            cursor.scroll(-2)
            assert cursor.fetchone() == (2999,)
        db.commit()
    old = psycopg2.connect(served.weir.conninfo())
    with old.cursor("c", withhold=True) as cursor:
        cursor.itersize = 1100
        cursor.execute("SELECT a FROM n ORDER BY a")
        old.commit()
        assert sum(r[0] for r in cursor) == sum(range(3000))
    old.close()


def test_psql_fetches_in_portions(served):
    served.weir.psql("-c", "CREATE TABLE t (a INTEGER)")
    served.weir.psql("-c", "INSERT INTO t VALUES (1), (2), (3), (4), (5)")
    out = served.weir.psql("-v", "FETCH_COUNT=2", stdin="SELECT a FROM t ORDER BY a;").stdout
    assert out.split() == ["1", "2", "3", "4", "5"]
