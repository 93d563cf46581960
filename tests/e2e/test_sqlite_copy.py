"""COPY on the embedded database: text and CSV, in and out, as psql and the drivers send it."""

import asyncio
import datetime
import decimal
import io
import socket
import struct
import time
import uuid

import psycopg
import psycopg2
import pytest

from support import Wire, message

ODD = ["plain", "", None, "tab\there", "line\nfeed", "back\\slash", 'quo"te', "\\N", "\\.",
       "gr\u00fc\u00df \U0001f600", "comma, and more", "carriage\rreturn", " padded "]


@pytest.fixture
def db(sqlite):
    with sqlite.weir.connect() as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BOOLEAN, c NUMERIC, d REAL)")
        yield db


def put(db, command, data):
    with db.cursor() as cursor:
        with cursor.copy(command) as copy:
            for piece in [data] if isinstance(data, (bytes, str)) else data:
                copy.write(piece)
        return cursor.statusmessage


def get_bytes(db, command):
    with db.cursor() as cursor, cursor.copy(command) as copy:
        return b"".join(copy)


def get(db, command):
    return get_bytes(db, command).decode()


@pytest.mark.parametrize("options", ["", "(FORMAT csv)", "WITH CSV HEADER",
                                     "(FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'none')",
                                     "(DELIMITER '|', NULL '')", "(FORMAT csv, ESCAPE '\\')",
                                     "(FORMAT csv, ESCAPE 'a')",
                                     "(FORMAT csv, FORCE_QUOTE *)"])
def test_what_comes_out_goes_in(db, options):
    rows = [(n, text) for n, text in enumerate(ODD)]
    if "NULL ''" in options:
        rows = [r for r in rows if r[1] != ""]
    for row in rows:
        db.execute("INSERT INTO t (id, a, b, c, d) VALUES (%s, %s, true, 1.25, 0.5)", row)
    out = get(db, f"COPY t TO STDOUT {options}")
    db.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT, b BOOLEAN, c NUMERIC, d REAL)")
    assert put(db, f"COPY u FROM STDIN {options}", out) == f"COPY {len(rows)}"
    assert db.execute("SELECT id, a FROM u ORDER BY id").fetchall() == rows
    assert db.execute("SELECT DISTINCT b, c, d FROM u").fetchall() == [(True, 1.25, 0.5)]


def test_binary_goes_out_and_in(db):
    db.execute("CREATE TABLE u (a int, b text, c bytea, d date, e timestamptz, f numeric, g uuid, "
               "h float8, i boolean)")
    row = (1, "h\u00e9\tllo", b"\0\xff", datetime.date(2024, 2, 29),
           datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc),
           decimal.Decimal("12.5"), uuid.UUID(int=7), 0.5, True)
    kinds = [psycopg.adapters.types.get(d.type_code).name
             for d in db.execute("SELECT * FROM u").description]
    with db.cursor() as cursor:
        with cursor.copy("COPY u FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(kinds)
            copy.write_row(row)
            copy.write_row((None,) * 9)
            for n in range(3000):
                copy.write_row((n, "many" * 50) + (None,) * 7)
        assert cursor.statusmessage == "COPY 3002"
    got = db.execute("SELECT * FROM u WHERE b NOT LIKE 'many%' OR b IS NULL").fetchall()
    assert got == [row, (None,) * 9]
    data = get_bytes(db, "COPY u TO STDOUT (FORMAT binary)")
    db.execute("DELETE FROM u WHERE b LIKE 'many%'")
    with db.cursor() as cursor, cursor.copy("COPY u TO STDOUT BINARY") as copy:
        copy.set_types(kinds)
        assert list(copy.rows()) == [row, (None,) * 9]
    db.execute("DELETE FROM u")
    assert put(db, "COPY u FROM STDIN (FORMAT binary)",
               [data[i:i + 777] for i in range(0, len(data), 777)]) == "COPY 3002"
    assert put(db, "COPY u FROM STDIN (FORMAT binary)", data[:-2]) == "COPY 3002"


@pytest.mark.parametrize("data", [
    b"PGCOPZ", b"PGCOPY\n\xff\r\n\0" + struct.pack("!II", 0x10000, 0),
    b"PGCOPY\n\xff\r\n\0" + struct.pack("!II", 0, 2**31),
    b"PGCOPY\n\xff\r\n\0" + struct.pack("!IIh", 0, 0, 5) + struct.pack("!i", -2),
    b"PGCOPY\n\xff\r\n\0" + struct.pack("!IIh", 0, 0, 5) + struct.pack("!i", 8),
    b"PGCOPY\n\xff\r\n\0" + struct.pack("!IIh", 0, 0, 1) + struct.pack("!i", -1),
    b"PGCOPY\n\xff\r\n\0" + struct.pack("!IIh", 0, 0, 5)])
def test_malformed_binary_is_refused(db, data):
    with pytest.raises(psycopg.errors.BadCopyFileFormat):
        put(db, "COPY t FROM STDIN (FORMAT binary)", data)
    assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_lines_may_be_split_anywhere(db):
    data = 'id,a\n1,"x\ny"\n2,"say ""hi"""\n3,'.encode()
    put(db, "COPY t (id, a) FROM STDIN (FORMAT csv, HEADER)", [bytes([b]) for b in data])
    rows = db.execute("SELECT id, a FROM t ORDER BY 1").fetchall()
    assert rows == [(1, "x\ny"), (2, 'say "hi"'), (3, None)]


def test_the_text_format_is_postgresqls(db):
    put(db, "COPY public.t (a, id) FROM STDIN", "a\\tb\\x41\\102\\\\\\n\t1\n\\N\t2\n\\.\nignored\n")
    assert db.execute("SELECT id, a FROM t ORDER BY 1").fetchall() == [(1, "a\tbAB\\\n"), (2, None)]
    assert get(db, "COPY (SELECT a, id = 1, NULL FROM t ORDER BY id) TO STDOUT") == \
        "a\\tbAB\\\\\\n\tt\t\\N\n\\N\tf\t\\N\n"
    assert get(db, "COPY (SELECT 1 AS x, 'y' AS y) TO STDOUT (FORMAT csv, HEADER)") == "x,y\n1,y\n"


def test_all_of_it_or_nothing(db):
    many = "".join(f"{n}\tx\n" for n in range(2000))
    for bad, state in (("1\tagain\n", "23505"), ("x\ty\n", "22P02"), ("9999\n", "22P04"),
                       ("9999\ta\tb\n", "22P04")):
        with pytest.raises(psycopg.Error) as failed:
            put(db, "COPY t (id, a) FROM STDIN", many + bad)
        assert (bad, failed.value.sqlstate) == (bad, state)
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(psycopg.errors.QueryCanceled):
        with db.cursor() as cursor, cursor.copy("COPY t (id, a) FROM STDIN") as copy:
            copy.write(many)
            raise psycopg.errors.QueryCanceled("given up")
    assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert put(db, "COPY t (id, a) FROM STDIN", many) == "COPY 2000"
    assert db.execute("SELECT count(*), sum(id) FROM t").fetchone() == (2000, 1999000)


def test_inside_a_transaction(db):
    with pytest.raises(ZeroDivisionError), db.transaction():
        put(db, "COPY t (id, a) FROM STDIN", "1\tx\n")
        assert get(db, "COPY (SELECT id FROM t) TO STDOUT") == "1\n"
        raise ZeroDivisionError
    assert get(db, "COPY t TO STDOUT") == ""


@pytest.mark.parametrize("text, state", [
    ("COPY t FROM '/etc/passwd'", "0A000"), ("COPY t TO PROGRAM 'cat'", "0A000"),
    ("COPY t TO STDOUT (FORMAT binary, HEADER)", "0A000"), ("COPY missing TO STDOUT", "42P01"),
    ("COPY missing FROM STDIN", "42P01"), ("COPY t (zzz) FROM STDIN", "42703"),
    ("COPY t TO STDOUT (FORMAT csv, DELIMITER 'ab')", "0A000"), ("COPY t", "42601"),
    ("COPY t FROM STDIN (ENCODING 'latin1')", "0A000")])
def test_what_cannot_be_copied(db, text, state):
    with pytest.raises(psycopg.Error) as failed:
        with db.cursor() as cursor, cursor.copy(text) as copy:
            list(copy)
    assert failed.value.sqlstate == state
    assert db.execute("SELECT 1").fetchone() == (1,)


def test_large_ones_stay_small_in_memory(weir, tmp_path):
    """What a sanitizer keeps of freed memory does not count."""
    gateway = weir(f"sqlite:{tmp_path}/e2e.db",
                   environment={"ASAN_OPTIONS": "quarantine_size_mb=1"})

    def resident():
        with open(f"/proc/{gateway.pid}/status") as status:
            return int(next(s for s in status if s.startswith("VmRSS")).split()[1])

    line = "x" * 1000
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (a TEXT)")
        put(db, "COPY t FROM STDIN", (f"{line}\n" * 100 for _ in range(20)))
        get(db, "COPY t TO STDOUT")
        before = resident()
        put(db, "COPY t FROM STDIN", (f"{line}\n" * 100 for _ in range(500)))
        with db.cursor() as cursor, cursor.copy("COPY t TO STDOUT") as copy:
            assert sum(len(piece) for piece in copy) == 52_000 * 1001
        assert resident() - before < 40_000  # SQLite's page caches grow, too


def test_statements_around_it_in_one_string(sqlite):
    wire = Wire(sqlite.weir)
    wire.send(message(b"Q", b"CREATE TABLE t (a INT); COPY t FROM STDIN; SELECT sum(a) FROM t\0"))
    wire.until(b"G")
    wire.send(message(b"d", b"1\n2"), message(b"d", b"0\n"), message(b"c"))
    kinds = [kind for kind, _ in wire.until(b"Z")]
    assert kinds == [b"C", b"T", b"D", b"C", b"Z"]


def test_with_the_extended_protocol(sqlite, db):
    wire = Wire(sqlite.weir)
    wire.send(message(b"P", b"\0COPY t (id) FROM STDIN\0\0\0"), message(b"B", b"\0\0\0\0\0\0\0\0"),
              message(b"E", b"\0\0\0\0\0"), message(b"S"))
    wire.until(b"G")
    wire.send(message(b"d", b"5\n"), message(b"c"), message(b"S"))
    assert [kind for kind, _ in wire.until(b"Z")] == [b"C", b"Z"]
    assert db.execute("SELECT id FROM t").fetchall() == [(5,)]


def test_a_cancel_ends_it(sqlite, db):
    wire = Wire(sqlite.weir)
    key = next(body for kind, body in wire.greeting if kind == b"K")
    wire.send(message(b"Q", b"COPY t (id) FROM STDIN\0"))
    wire.until(b"G")
    wire.send(message(b"d", b"5\n"))
    with socket.create_connection(tuple(sqlite.weir.address), 20) as other:
        other.sendall(struct.pack("!II", 8 + len(key), 80877102) + key)
    got = wire.until(b"Z")
    assert [kind for kind, _ in got] == [b"E", b"Z"] and b"57014" in got[0][1]
    wire.send(message(b"c"), message(b"Q", b"SELECT count(*) FROM t\0"))
    assert (b"D", b"\0\x01\0\0\0\x010") in wire.until(b"Z")


def test_a_client_that_leaves_in_the_midst_of_its_rows(sqlite, db):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    for turn in range(30):
        wire = Wire(sqlite.weir)
        wire.send(message(b"Q", f"COPY ({endless}) TO STDOUT\0".encode()))
        time.sleep(turn / 1000)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()
    assert db.execute("SELECT 1").fetchone() == (1,)


def test_psycopg2_and_asyncpg(sqlite, db):
    with psycopg2.connect(sqlite.weir.conninfo()) as other, other.cursor() as cursor:
        cursor.copy_from(io.StringIO("1\tx\n2\t\\N\n"), "t", columns=("id", "a"))
        out = io.StringIO()
        cursor.copy_expert("COPY t (id, a) TO STDOUT", out)
        assert out.getvalue() == "1\tx\n2\t\\N\n"
    other.close()

    async def run():
        import asyncpg
        other = await asyncpg.connect(**sqlite.weir.asyncpg())
        out = io.BytesIO()
        await other.copy_from_table("t", columns=["id", "a"], output=out, format="csv")
        assert out.getvalue() == b"1,x\n2,\n"
        out.seek(0)
        await other.execute("DELETE FROM t")
        assert await other.copy_to_table("t", source=out, columns=["id", "a"],
                                         format="csv") == "COPY 2"
        await other.close()
    asyncio.run(run())
