"""psql as it is: queries, scripts, errors, \\dt and \\d, \\copy."""

import pytest


@pytest.fixture
def shop(served):
    served.weir.psql("-c", """
        CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL);
        CREATE UNIQUE INDEX items_name ON items (name);
        INSERT INTO items VALUES (1, 'bolt', 0.5), (2, 'nut', NULL)""")
    return served


def test_select_shows_rows_and_nulls(shop):
    out = shop.weir.psql("-P", "null=NULL", "-c", "SELECT id, name, price FROM items ORDER BY id")
    assert out.stdout == "1|bolt|0.5\n2|nut|NULL\n"


def test_backslash_dt_lists_tables(shop):
    assert "|items|table|" in shop.weir.psql("-c", r"\dt").stdout
    assert "|items|table|" in shop.weir.psql("-c", r"\dt items").stdout
    assert "items" not in shop.weir.psql("-c", r"\dt nothing", check=False).stdout


def test_backslash_d_describes_a_table(shop):
    out = shop.weir.psql("-c", r"\d items").stdout
    lines = out.splitlines()
    assert any(line.startswith("id|") for line in lines)
    name = next(line for line in lines if line.startswith("name|"))
    assert "text" in name and "not null" in name
    full = shop.weir.psql("-P", "tuples_only=off", "-c", r"\d items").stdout
    assert "Indexes:" in full and '"items_name" UNIQUE' in full and "PRIMARY KEY" in full
    missing = shop.weir.psql("-c", r"\d nothing", check=False)
    assert "Did not find any relation" in missing.stderr


def test_several_statements_in_one_string(served):
    out = served.weir.psql("-c", "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2);"
                                 "UPDATE t SET a = a + 1; SELECT sum(a) FROM t; DELETE FROM t")
    assert out.stdout.split("\n") == ["CREATE TABLE", "INSERT 0 2", "UPDATE 2", "5", "DELETE 2", ""]


def test_a_failing_string_is_rolled_back_as_a_whole(served):
    served.weir.psql("-c", "CREATE TABLE t (a INTEGER PRIMARY KEY)")
    twice = "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)"
    failed = served.weir.psql("-c", twice, check=False)
    assert failed.returncode == 1 and "ERROR" in failed.stderr
    assert served.weir.psql("-c", "SELECT count(*) FROM t").stdout == "0\n"


@pytest.mark.parametrize("sql, sqlstate", [
    ("SELEC 1", "42601"),
    ("SELECT * FROM missing", "42P01"),
    ("SELECT missing FROM items", "42703"),
    ("INSERT INTO items VALUES (1, 'again', 1)", "23505"),
    ("INSERT INTO items VALUES (3, 'bolt', 1)", "23505"),
    ("INSERT INTO items VALUES (3, NULL, 1)", "23502"),
    ("CREATE TABLE items (a INTEGER)", "42P07"),
])
def test_errors_carry_their_sqlstate_and_the_session_goes_on(shop, sql, sqlstate):
    done = shop.weir.psql("-v", "VERBOSITY=sqlstate", stdin=f"{sql};\nSELECT 'still here';\n")
    assert done.stderr.strip() == f"ERROR:  {sqlstate}" and done.stdout == "still here\n"


def test_transactions_in_a_script(served):
    out = served.weir.psql(stdin="""
        CREATE TABLE t (a INTEGER);
        BEGIN; INSERT INTO t VALUES (1); ROLLBACK;
        BEGIN; INSERT INTO t VALUES (2); SAVEPOINT s; INSERT INTO t VALUES (3);
        ROLLBACK TO SAVEPOINT s; COMMIT;
        SELECT a FROM t;
    """)
    assert out.stdout.splitlines()[-1] == "2" and out.stderr == ""


def test_a_failed_transaction_refuses_statements_until_its_end(served):
    out = served.weir.psql("-v", "VERBOSITY=sqlstate", stdin="""
        CREATE TABLE t (a INTEGER);
        BEGIN; INSERT INTO t VALUES (1); SELEC; SELECT 1; COMMIT;
        SELECT count(*) FROM t;
    """)
    assert out.stderr.split() == ["ERROR:", "42601", "ERROR:", "25P02"]
    assert out.stdout.splitlines()[-2:] == ["ROLLBACK", "0"]


def test_copy_in_and_out(served):
    rows = "".join(f"{i}\tname {i}\n" for i in range(20_000))
    served.weir.psql("-c", "CREATE TABLE c (a int, b text)")
    served.weir.psql("-c", r"\copy c FROM pstdin", stdin=rows)
    assert served.weir.psql("-c", "SELECT count(*), sum(a) FROM c").stdout == "20000|199990000\n"
    assert served.weir.psql("-c", r"\copy (SELECT * FROM c ORDER BY a) TO pstdout").stdout == rows
    bad = served.weir.psql("-c", r"\copy c FROM pstdin", stdin="x\ty\n", check=False)
    assert "invalid input syntax" in bad.stderr
    assert served.weir.psql("-c", "SELECT count(*) FROM c").stdout == "20000\n"


def test_unicode_and_quotes_pass(served):
    served.weir.psql("-c", "CREATE TABLE \"gr\u00fc\u00df\" (a TEXT)")
    insert = "INSERT INTO \"gr\u00fc\u00df\" VALUES ('it''s \u4f60\u597d \U0001f600; --')"
    served.weir.psql("-c", insert)
    assert served.weir.psql("-c", "SELECT a FROM \"gr\u00fc\u00df\"").stdout == \
        "it's \u4f60\u597d \U0001f600; --\n"
