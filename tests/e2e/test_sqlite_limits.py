"""The embedded database's limits: what cursors, portals and prepared statements hold in all."""

import struct

import psycopg
import pytest

from support import Wire, console, error_fields, kinds, message, rows

SETTINGS = {"memory.max": "64MiB", "cache.enabled": "false", "sqlite.cache_size": "1MiB"}
MEBIBYTES = "SELECT x'00', printf('%.*c', 1000000, 'x') FROM generate_series(1, {})"


def held(gateway, owner="result"):
    with console(gateway) as admin:
        return next(r["used"] for r in rows(admin, "MEM") if r["name"] == owner)


@pytest.fixture
def small(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/m.db", settings=SETTINGS)


def declare_until_refused(db, name):
    for n in range(1000):
        try:
            db.execute(f"DECLARE {name}{n} CURSOR WITH HOLD FOR " + MEBIBYTES.format(7))
        except psycopg.errors.OutOfMemory as e:
            assert "memory.max" in e.diag.message_hint
            return n
    raise AssertionError("a thousand cursors were declared")


def test_cursors_beyond_the_memory_are_refused_and_others_go_on(small):
    with small.connect() as db, small.connect() as other:
        count = declare_until_refused(db, "c")
        assert 2 <= count <= 9
        assert declare_until_refused(other, "d") == 0
        assert len(db.execute("FETCH 2 FROM c0").fetchall()) == 2
        db.execute("CREATE TABLE t (n INTEGER)")
        db.execute("CLOSE c0")
        other.execute("DECLARE d CURSOR WITH HOLD FOR " + MEBIBYTES.format(2))
        db.execute("CLOSE ALL")
        other.execute("CLOSE d")
        assert held(small) == 0
        assert declare_until_refused(other, "e") == count
    assert declare_until_refused(small.connect(), "f") == count  # with their clients they went


def bind(name, value):
    return message(b"B", name.encode() + b"\0s\0" + struct.pack("!hhi", 0, 1, len(value)) + value +
                   struct.pack("!h", 0))


def test_what_portals_hold_is_bounded_in_all(small):
    """Their parameters, and the rows that an Execute has left."""
    with Wire(small) as wire:
        wire.query("BEGIN")
        wire.send(message(b"P", b"s\0SELECT $1::text FROM generate_series(1, 3)\0\0\0"),
                  message(b"H", b""))
        assert wire.receive()[0] == b"1"
        for n in range(100):
            wire.send(bind(f"p{n}", b"x" * 2000000),
                      message(b"E", f"p{n}".encode() + b"\0" + struct.pack("!i", 1)),
                      message(b"H", b""))
            first = wire.receive()
            if first[0] == b"E":
                break
            assert first[0] == b"2"
            row = wire.receive()
            if row[0] == b"E":
                first = row
                break
            assert kinds([row, wire.receive()]) == "Ds"
        assert error_fields([first])["C"] == "53200"
        assert 2 <= n <= 30
        wire.send(message(b"S", b""))
        wire.until(b"Z")
        wire.query("ROLLBACK")
        assert held(small) == 0
        assert kinds(wire.query("SELECT 1")) == "TDCZ"


def test_parameters_of_portals_that_are_never_executed_count_too(small):
    """Whichever comes first: no room for the portal, or for the message that brings it."""
    with Wire(small) as wire:
        wire.query("BEGIN")
        wire.send(message(b"P", b"s\0SELECT $1::text\0\0\0"), message(b"H", b""))
        assert wire.receive()[0] == b"1"
        for n in range(60):
            try:
                wire.send(bind(f"p{n}", b"x" * 2000000), message(b"H", b""))
                answer = wire.receive()
            except OSError:  # closed while it was sent
                answer = None
            if not answer or answer[0] != b"2":
                break
        assert 5 <= n <= 40
        assert not answer or error_fields([answer])["C"] == "53200"
    with small.connect() as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def parse(name, text):
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0\0\0"), message(b"H", b"")


def test_prepared_statements_are_counted_and_bounded(small):
    text = "SELECT 1 /* " + "x" * 1000000 + " */"
    with Wire(small) as wire:
        wire.query("SELECT 1")
        before = held(small, "client")
        for n in range(100):
            wire.send(*parse(f"s{n}", text))
            answer = wire.receive()
            if answer[0] != b"1":
                break
            assert held(small, "client") - before >= n * len(text)
        assert 5 <= n <= 60
        assert error_fields([answer])["C"] == "53200"
        assert "memory.max" in error_fields([answer])["H"]
        wire.send(message(b"S", b""))
        wire.until(b"Z")
        with small.connect() as other:
            assert other.execute("SELECT 2").fetchone() == (2,)
        wire.query("DEALLOCATE s0")
        wire.send(*parse("again", text))
        assert wire.receive()[0] == b"1"
        wire.send(message(b"S", b""))
        wire.until(b"Z")
        wire.query("DEALLOCATE ALL")
        assert held(small, "client") - before < len(text)


def test_statements_kept_on_connections_are_counted_and_only_while_there_is_room(small):
    with small.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)")
        before = held(small, "server")
        for n in range(50):
            db.execute(f"SELECT name FROM t WHERE id = {n}")
        kept = held(small, "server") - before
        assert 50 * 1000 <= kept <= 50 * 50000
        declare_until_refused(db, "c")
        for n in range(50, 400):
            assert db.execute(f"SELECT name FROM t WHERE id = {n}").fetchall() == []
