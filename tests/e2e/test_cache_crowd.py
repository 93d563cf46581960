"""Many who ask the same at once: one runs it, whatever happens to that one, and nobody gets an
answer that is older than it may be. Slow readers of what is kept, and clients that leave."""

import contextlib
import select
import socket
import struct
import time

import psycopg
import pytest

from cached import (CALM, SYNC, Counted, asker, bind, execute, gauge, parse, query, rows, warm)
from support import Bystander, Wire, error_fields, kinds, wait_until

CROWD = 200


def slow(n):
    return (f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {n}) "
            "SELECT count(*), (SELECT v FROM t WHERE id = 1) FROM s")


class Slow:
    """A statement that takes about `seconds` here, known to the gateway, with no answer kept."""

    def __init__(self, gateway, seconds):
        self.gateway = gateway
        with gateway.connect() as db:
            started = time.monotonic()
            asker(db, slow(20_000))()
            one = (time.monotonic() - started) / 20_000
            asker(db, slow(20_001))()
            self.n = max(20_002, int(seconds / one))
            self.sql = slow(self.n)

    def make_longer(self):
        self.n *= 3
        self.sql = slow(self.n)

    def answer(self, v):
        return [(str(self.n).encode(), v)]


@contextlib.contextmanager
def crowd(gateway, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Wire(gateway)) for _ in range(count)]


def waiters(gateway):
    return gauge(gateway, "weir_cache_flight_waiters")


def wait_for_flight(counted):
    wait_until(lambda: counted["flights"] == 1)


def cancel(wire):
    pid, secret = next(struct.unpack("!II", b[:8]) for k, b in wire.greeting if k == b"K")
    with socket.create_connection(wire.socket.getpeername(), 20) as s:
        s.sendall(struct.pack("!IIII", 16, 80877102, pid, secret))
        s.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            s.recv(1)


@pytest.fixture
def serve(weir, tmp_path):
    def make(settings=None):
        gateway = weir(f"sqlite:{tmp_path}/app.db", settings={
            **CALM, "timeouts.statement": 0, "pool.acquire_timeout": "30s", **(settings or {})})
        with gateway.connect() as db:
            db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
            db.execute("INSERT INTO t VALUES (1, 'old'), (2, 'two')")
        return gateway
    return make


@pytest.fixture
def gateway(serve):
    return serve()


def undescribed(sql):
    return parse(sql) + bind() + execute() + SYNC


# ---- one runs it, the others wait ----

@pytest.mark.parametrize("form", [query, undescribed])
def test_a_crowd_that_asks_the_same_has_it_run_once(gateway, form):
    asked = Slow(gateway, 0.5)
    with crowd(gateway, CROWD) as clients:
        counted = Counted(gateway)
        for c in clients:
            c.send(form(asked.sql))
        for c in clients:
            assert rows(c.until(b"Z")) == asked.answer(b"old")
        figures = counted.figures()
        assert figures["runs"] <= 3, figures
        assert figures["hits"] + figures["runs"] == CROWD and figures["joined"] > CROWD / 2


def test_those_who_wait_long_enough_run_it_themselves(serve):
    gateway = serve({"cache.flight_wait": "20ms", "pool.max_size": 3})
    asked = Slow(gateway, 0.3)
    with crowd(gateway, 4) as clients:
        counted = Counted(gateway)
        for c in clients:
            c.send(query(asked.sql))
        for c in clients:
            assert rows(c.until(b"Z")) == asked.answer(b"old")
        assert counted["runs"] > 1


def test_who_knows_of_a_write_does_not_join_an_older_run(gateway):
    """Hazard 1 and row 33: joining is judged as a hit is; and the older answer is not kept."""
    asked = Slow(gateway, 0.6)
    with crowd(gateway, 3) as (leader, writer, later):
        counted = Counted(gateway)
        leader.send(query(asked.sql))
        wait_for_flight(counted)
        assert "E" not in kinds(writer.query("UPDATE t SET v = 'new' WHERE id = 1"))
        later.send(query(asked.sql))
        assert rows(later.until(b"Z")) == asked.answer(b"new")
        assert rows(leader.until(b"Z"))[0][1] in (b"old", b"new")
        assert rows(writer.query(asked.sql)) == asked.answer(b"new")
        assert counted["joined"] == 0 or counted["runs"] == 2


# ---- whatever happens to the one that runs it ----

WAITING = 12


@contextlib.contextmanager
def a_leader_and_who_wait(gateway, asked):
    with crowd(gateway, 1 + WAITING) as (leader, *others):
        counted = Counted(gateway)
        while not all_wait(gateway, counted, asked, leader, others):
            asked.make_longer()  # a busy machine: it was over before they were all there
            counted = Counted(gateway)
        yield leader, others, counted


def all_wait(gateway, counted, asked, leader, others):
    """False: the leader has its answer already, and so have the others."""

    def over():
        return select.select([leader.socket], [], [], 0)[0]

    leader.send(query(asked.sql))
    wait_until(lambda: counted["flights"] == 1 or over())
    asking = [leader] if over() else [leader, *others]
    for c in asking[1:]:
        c.send(query(asked.sql))
    wait_until(lambda: over() or waiters(gateway) == WAITING)
    if not over():
        return True
    for c in asking:
        c.until(b"Z")
    return False


def test_a_leader_that_vanishes_leaves_the_others_their_answer(gateway):
    asked = Slow(gateway, 0.6)
    with a_leader_and_who_wait(gateway, asked) as (leader, others, counted):
        leader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leader.close()
        for c in others:
            assert rows(c.until(b"Z")) == asked.answer(b"old")
        assert counted["runs"] <= 4, "they do not all run it"
        assert waiters(gateway) == 0


def test_a_leader_that_is_cancelled_is_so_alone(serve):
    gateway = serve({"pool.max_size": 4})
    asked = Slow(gateway, 0.3)
    with a_leader_and_who_wait(gateway, asked) as (leader, others, counted):
        cancel(leader)
        assert error_fields(leader.until(b"Z"))["C"] == "57014"
        for c in others:
            assert rows(c.until(b"Z")) == asked.answer(b"old")
        assert counted["runs"] <= 4, "they do not all run it"
        assert rows(leader.query(asked.sql)) == asked.answer(b"old")


def test_who_waits_may_be_cancelled_or_leave(gateway):
    asked = Slow(gateway, 0.8)
    with a_leader_and_who_wait(gateway, asked) as (leader, others, counted):
        cancelled, left, *others = others
        cancel(cancelled)
        assert error_fields(cancelled.until(b"Z"))["C"] == "57014"
        left.close()
        assert rows(cancelled.query("SELECT v FROM t WHERE id = 2")) == [(b"two",)]
        for c in (leader, *others):
            assert rows(c.until(b"Z")) == asked.answer(b"old")
        assert rows(cancelled.query(asked.sql)) == asked.answer(b"old")
        assert waiters(gateway) == 0


def test_an_error_is_everybodys_own_and_not_kept(gateway):
    """The statement fails at its end, after a while, for each that asks."""
    asked = Slow(gateway, 0.2)
    sql = asked.sql.replace("(SELECT v FROM", "(SELECT json(v) FROM")
    with crowd(gateway, 6) as clients:
        for _ in range(2):
            for c in clients:
                c.send(query(sql))
            for c in clients:
                assert kinds(c.until(b"Z"))[-2:] == "EZ"
        assert kinds(clients[0].query("UPDATE t SET v = '[1]'")) == "CZ"
        for c in clients:
            c.send(query(sql))
        for c in clients:
            assert rows(c.until(b"Z")) == asked.answer(b"[1]")


def test_an_answer_too_large_to_keep_reaches_all_who_wait(serve):
    gateway = serve({"cache.entry_size": "16KiB"})
    sql = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) "
           "SELECT n, 'some text' FROM s")
    with crowd(gateway, 12) as clients:
        for n in (10, 11):
            clients[0].query(sql.format(n))
        for c in clients:
            c.send(query(sql.format(5000)))
        expected = [(b"%d" % n, b"some text") for n in range(1, 5001)]
        for c in clients:
            assert rows(c.until(b"Z")) == expected
        assert gauge(gateway, "weir_cache_bytes") < 64 << 10


# ---- slow readers ----

def test_a_slow_reader_of_kept_answers_holds_nobody_up(serve):
    """Hazard 15: 60 MB of hits asked for in one send and not read; meanwhile the answer changes."""
    gateway = serve({"cache.entry_size": "1MiB"})
    large = "SELECT v, printf('%0600000d', id) FROM t WHERE id = 1"
    bytes_of = b"%0600000d" % 1
    with gateway.connect() as db, Wire(gateway) as reader, Wire(gateway) as leaver:
        warm(gateway, asker(db, large))
        with Bystander(gateway), Bystander(gateway, "SELECT count(*) * 0 + %s::int8 * 2 FROM t"):
            for c in (reader, leaver):
                c.send(query(large) * 100)
            time.sleep(0.2)
            memory = gauge(gateway, 'weir_memory_bytes{owner="client"}')
            assert memory < 16 << 20, "what is not read is not piled up"
            db.execute("UPDATE t SET v = 'new' WHERE id = 1")
            warm(gateway, asker(db, large))
            leaver.close()
            seen = [rows(reader.until(b"Z")) for _ in range(100)]
        values = [v for ((v, text),) in seen if text == bytes_of]
        assert len(values) == 100
        assert values == sorted(values, reverse=True), "old ones, then new ones, never back"
        assert values[0] == b"old" and set(values) <= {b"old", b"new"}


def test_a_crowd_that_leaves_in_the_middle_of_hits_leaves_nothing_behind(gateway):
    with gateway.connect() as db:
        ask = asker(db, "SELECT v, printf('%0100000d', id) FROM t WHERE id = 2")
        warm(gateway, ask)
        for _ in range(3):
            with crowd(gateway, 20) as clients:
                for c in clients:
                    c.send(query("SELECT v, printf('%0100000d', id) FROM t WHERE id = 2") * 20)
        assert ask()[0][0] == "two"
        wait_until(lambda: gauge(gateway, "weir_clients") == 1)
        # A worker keeps some buffers for whoever comes next.
        wait_until(lambda: gauge(gateway, 'weir_memory_bytes{owner="client"}') < 4 << 20)


def test_writers_and_readers_in_a_crowd_never_go_back(gateway):
    """Hazards 1 and 2 by the thousand: each reader's numbers only grow, and are as new as what
    was acknowledged before it asked."""
    with crowd(gateway, 6) as (writer, *readers):
        writer.query("CREATE TABLE c (id INTEGER PRIMARY KEY, n INTEGER)")
        writer.query("INSERT INTO c VALUES (1, 0)")
        last = [0] * len(readers)
        counted = Counted(gateway)
        for n in range(1, 150):
            for r in readers:
                r.send(query("SELECT n FROM c WHERE id = 1") * 4)
            writer.query(f"UPDATE c SET n = {n} WHERE id = 1")
            for i, r in enumerate(readers):
                r.send(query("SELECT n FROM c WHERE id = 1") * 2)
                got = [int(rows(r.until(b"Z"))[0][0]) for _ in range(6)]
                assert got == sorted(got) and got[0] >= n - 1 and got[4:] == [n, n], (n, got)
                assert got[0] >= last[i]
                last[i] = got[-1]
        assert counted["hits"] > 100


def test_psycopg_pipelines_of_writes_and_reads_in_a_crowd(gateway):
    with contextlib.ExitStack() as stack:
        dbs = [stack.enter_context(gateway.connect(prepare_threshold=1)) for _ in range(4)]
        dbs[0].execute("CREATE TABLE c (id INTEGER PRIMARY KEY, n INTEGER)")
        for i in range(4):
            dbs[0].execute("INSERT INTO c VALUES (%s, 0)", (i,))
        for n in range(1, 20):
            for i, db in enumerate(dbs):
                with db.pipeline() as p:
                    before = db.execute("SELECT n FROM c WHERE id = %s", (i,))
                    p.sync()
                    db.execute("UPDATE c SET n = %s WHERE id = %s", (n, i))
                    inside = db.execute("SELECT n FROM c WHERE id = %s", (i,))
                    p.sync()
                    after = db.execute("SELECT n FROM c WHERE id = %s", (i,))
                assert [c.fetchone()[0] for c in (before, inside, after)] == [n - 1, n, n]
            for db in dbs:
                with pytest.raises(psycopg.errors.UniqueViolation):
                    db.execute("INSERT INTO c VALUES (1, 0)")
                assert asker(db, "SELECT sum(n) FROM c")() == [(4 * n,)]
