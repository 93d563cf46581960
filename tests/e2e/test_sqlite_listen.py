"""LISTEN and NOTIFY on the embedded database, within one process of Weir."""

import asyncio

import asyncpg
import psycopg
import pytest

from support import Wire, console, error_fields, kinds, message, rows, wait_until
from test_restart import Line


@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/l.db", settings={"workers": "2"})


def notes(messages):
    """(channel, payload) of each NotificationResponse."""
    return [tuple(part.decode() for part in body[4:-1].split(b"\0"))
            for kind, body in messages if kind == b"A"]


def heard(wire, count):
    """The next messages, which must all be notifications."""
    got = [wire.receive() for _ in range(count)]
    assert kinds(got) == "A" * count, got
    return notes(got)


def silent(wire):
    """Nothing more came: the next answer stands alone."""
    return kinds(wire.query("SELECT 1")) == "TDCZ"


def listeners(gateway, count=6):
    """Clients of both workers."""
    wires = [Wire(gateway) for _ in range(count)]
    for wire in wires:
        assert kinds(wire.query("LISTEN news")) == "CZ"
    return wires


def test_idle_clients_of_every_worker_hear_at_once(gateway):
    wires = listeners(gateway)
    with Wire(gateway) as other, gateway.connect() as db:
        other.query("LISTEN \"News\"")
        db.execute("NOTIFY news, 'it''s here'")
        for wire in wires:
            assert heard(wire, 1) == [("news", "it's here")]
        db.execute("SELECT pg_notify('News', 'upper')")
        assert heard(other, 1) == [("News", "upper")]
        db.execute("SELECT pg_notify(%s, %s)", ("news", "bound"))
        for wire in wires:
            assert heard(wire, 1) == [("news", "bound")]
            wire.close()
        assert silent(other)


def test_its_own_come_before_ready_for_query(gateway):
    with Wire(gateway) as wire:
        got = wire.query("LISTEN a; NOTIFY a, '1'; SELECT 1")
        assert kinds(got) == "CCTDCAZ" and notes(got) == [("a", "1")]
        assert kinds(wire.query("NOTIFY a")) == "CAZ"


def test_a_transaction_is_heard_when_it_commits_each_once_and_in_order(gateway):
    (wire, *rest) = listeners(gateway, 2)
    with Wire(gateway) as speaker:
        speaker.query("BEGIN")
        for payload in ("1", "2", "1", "3", "2"):
            speaker.query(f"NOTIFY news, '{payload}'")
        speaker.query("SAVEPOINT s")
        speaker.query("NOTIFY news, 'undone'")
        speaker.query("ROLLBACK TO s")
        speaker.query("NOTIFY news, '4'")
        assert silent(wire)
        speaker.query("COMMIT")
        for each in (wire, *rest):
            assert heard(each, 4) == [("news", str(n)) for n in (1, 2, 3, 4)]
        speaker.query("BEGIN; NOTIFY news, 'x'")
        speaker.query("ROLLBACK")
        assert "E" in kinds(speaker.query("NOTIFY news, 'y'; SELECT * FROM nothing"))
        speaker.send(message(b"P", b"\0NOTIFY news, 'z'\0\0\0"),
                     message(b"B", b"\0\0\0\0\0\0\0\0"), message(b"E", b"\0\0\0\0\0"),
                     message(b"P", b"\0SELECT * FROM nothing\0\0\0"),
                     message(b"B", b"\0\0\0\0\0\0\0\0"), message(b"S", b""))
        assert "E" in kinds(speaker.until(b"Z"))
        assert silent(wire)


def test_who_is_in_a_transaction_hears_when_it_has_ended(gateway):
    (wire,) = listeners(gateway, 1)
    with gateway.connect() as db:
        wire.query("BEGIN")
        db.execute("NOTIFY news, 'later'")
        assert silent(wire)
        got = wire.query("COMMIT")
        assert notes(got) == [("news", "later")] and kinds(got) == "CAZ"
        wire.close()


def test_listening_begins_and_ends_with_the_transaction(gateway):
    with Wire(gateway) as wire, gateway.connect() as db:
        wire.query("BEGIN; LISTEN a")
        wire.query("ROLLBACK")
        db.execute("NOTIFY a")
        assert silent(wire)
        wire.query("LISTEN a; LISTEN b; LISTEN c")
        wire.query("UNLISTEN a")
        db.execute("NOTIFY a")
        db.execute("NOTIFY b, 'still'")
        assert heard(wire, 1) == [("b", "still")]
        wire.query("UNLISTEN *")
        db.execute("NOTIFY c")
        assert silent(wire)
        wire.query("LISTEN c")
        wire.query("DISCARD ALL")
        db.execute("NOTIFY c")
        assert silent(wire)


def test_notified_by_larger_queries(gateway):
    with Wire(gateway) as wire, gateway.connect() as db:
        wire.query("LISTEN a")
        db.execute("CREATE TABLE t (id int, word text)")
        db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'one')")
        assert db.execute("SELECT id, pg_notify('a', word) FROM t ORDER BY id").fetchall() == [
            (1, ""), (2, ""), (3, "")]
        assert heard(wire, 2) == [("a", "one"), ("a", "two")]
        db.execute("INSERT INTO t VALUES (%s, 'new') RETURNING pg_notify('a', word || id)", (4,))
        assert heard(wire, 1) == [("a", "new4")]
        db.execute("WITH x AS (SELECT pg_notify('a', 'with')) SELECT * FROM x")
        assert heard(wire, 1) == [("a", "with")]
        for _ in range(2):
            db.execute("SELECT pg_notify('a', 'again') WHERE 1 = (SELECT count(*) FROM t LIMIT 0)")
            db.execute("SELECT pg_notify('a', 'kept') FROM t WHERE id = 4")
        assert heard(wire, 2) == [("a", "kept")] * 2
        with pytest.raises(psycopg.errors.DivisionByZero):
            db.execute("SELECT pg_notify('a', 'failed'), 1 / (id - 3) FROM t")
        with db.transaction(force_rollback=True):
            db.execute("SELECT pg_notify('a', word) FROM t")
        assert silent(wire)
        with db.transaction():
            db.execute("SELECT pg_notify('a', 'at commit') FROM t")
            assert silent(wire)
        assert heard(wire, 1) == [("a", "at commit")]


def test_what_is_listened_to_is_listed(gateway):
    with gateway.connect() as db:
        query = "SELECT pg_listening_channels()"
        assert db.execute(query).fetchall() == []
        db.execute("LISTEN one; LISTEN \"Two 2\"")
        assert set(db.execute(query).fetchall()) == {("one",), ("Two 2",)}
        found = db.execute("SELECT * FROM pg_listening_channels()")
        assert len(found.fetchall()) == 2 and found.statusmessage == "SELECT 2"
        db.execute("UNLISTEN *")
        assert db.execute(query).fetchall() == []
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute("SELECT count(*) FROM pg_listening_channels() AS c")


@pytest.mark.parametrize("sql,state", [
    ("SELECT pg_notify('', word) FROM (SELECT 'x' AS word) AS t", "22023"),
    (f"SELECT pg_notify('{'c' * 64}', 'x' || 1)", "22023"),
    (f"SELECT pg_notify('a', '{'x' * 7999}' || 1)", "22023"),
    ("SELECT pg_notify('', 'x')", "22023"), (f"SELECT pg_notify('{'c' * 64}', 'x')", "22023"),
    (f"NOTIFY a, '{'x' * 8000}'", "22023"), ("NOTIFY a, 1", "42601"), ("LISTEN", "42601")])
def test_what_cannot_be_said_is_refused_as_there(gateway, sql, state):
    with Wire(gateway) as wire:
        assert error_fields(wire.query(sql))["C"] == state


def test_databases_do_not_hear_each_other(weir, tmp_path):
    files = f"  one: sqlite:{tmp_path}/1.db\n  two: sqlite:{tmp_path}/2.db\n"
    gateway = weir(config="databases:\n" + files)
    with Wire(gateway, database="one") as one, Wire(gateway, database="two") as two, \
            gateway.connect(dbname="two") as db:
        one.query("LISTEN a")
        two.query("LISTEN a")
        db.execute("NOTIFY a, 'two'")
        assert heard(two, 1) == [("a", "two")]
        assert silent(one)


def test_who_does_not_read_loses_the_oldest_and_is_told(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/q.db", settings={"limits.notifications": "64KiB"})
    with Wire(gateway) as wire, gateway.connect() as db:
        wire.query("LISTEN a")
        wire.query("BEGIN")
        for n in range(100):
            db.execute(f"NOTIFY a, '{n}{'x' * 2000}'")
        got = wire.query("COMMIT")
        assert 20 <= len(notes(got)) <= 33
        assert notes(got)[-1][1].startswith("99x")
        assert [body for kind, body in got if kind == b"N" and b"dropped" in body]


def test_the_drivers_hear(gateway):
    async def work():
        got = asyncio.Queue()
        db = await asyncpg.connect(host=gateway.address[0], port=gateway.address[1], user="weir",
                                   database="app", ssl=False)
        await db.add_listener("news", lambda *a: got.put_nowait(a[2:]))
        await db.execute("NOTIFY news, 'one'")
        assert await asyncio.wait_for(got.get(), 20) == ("news", "one")
        await db.execute("SELECT pg_notify($1, $2)", "news", "two")
        assert await asyncio.wait_for(got.get(), 20) == ("news", "two")
        await db.reset()
        await db.close()

    asyncio.run(work())
    with gateway.connect() as db, gateway.connect() as other:
        db.execute("LISTEN news")
        other.execute("NOTIFY news, 'three'")
        assert [n.payload for n in [next(db.notifies())]] == ["three"]


def test_listeners_go_along_in_a_restart(tmp_path, bounded_time):
    line = Line(tmp_path, f"sqlite:{tmp_path}/r.db")
    try:
        wire = Wire(line.now)
        wire.query("LISTEN news")
        line.take_over()
        with line.connect() as db:
            db.execute("NOTIFY news, 'over here'")
        got = []
        while not notes(got):
            got.append(wire.receive())  # a WARNING that some may be missing comes first
        assert notes(got) == [("news", "over here")]
        wire.close()
    finally:
        line.stop()


def test_a_client_that_leaves_is_not_told(gateway):
    wires = listeners(gateway, 4)
    with gateway.connect() as db, console(gateway) as admin:
        for wire in wires[:2]:
            wire.close()
        wait_until(lambda: len([c for c in rows(admin, "CLIENTS") if c["database"] == "app"]) == 3)
        db.execute("NOTIFY news, 'left'")
        for wire in wires[2:]:
            assert heard(wire, 1) == [("news", "left")]
        with pytest.raises(psycopg.errors.SyntaxError):
            db.execute("NOTIFY")
