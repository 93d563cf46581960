"""Several Weirs on one database: invalidations by hand reach all of them (proofs, row 24), and what
one reads the others wait for, if they share a tier."""

import signal
import subprocess
import threading
import time

import pytest

from cached import CALM, Counted, asker, metrics, warm
from support import BINARY, Postgres, clean_environment, console, wait_until
from tiers import Redis


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        with postgres.connect() as db:
            db.execute("CREATE TABLE t(id int PRIMARY KEY, v text)")
            db.execute("INSERT INTO t SELECT i, 'v' FROM generate_series(0, 9) i")
            db.execute("CREATE TABLE big(id int PRIMARY KEY)")
            db.execute("INSERT INTO big SELECT generate_series(1, 1600)")
        subprocess.run([BINARY, "setup", postgres.dsn()], check=True, capture_output=True,
                       timeout=60, env=clean_environment())
        yield postgres


@pytest.fixture
def redis():
    server = Redis().start()
    yield server
    server.remove()


@pytest.fixture
def nodes(weir, server):
    def make(count=2, **settings):
        return [weir(server.dsn(), settings={**CALM, "cache.bound": "5s", **settings})
                for _ in range(count)]
    return make


def connect(gateway):
    return gateway.connect(dbname="postgres", user="postgres")


# ---- invalidations by hand ----

HAND = 'weir_cache_invalidations_total{source="hand"}'
TAGGED = {"a:1": "/* weir: cache tags=a:1 */ SELECT v FROM t WHERE id = 1",
          "b:1": "/* weir: cache tags=b:1 */ SELECT v FROM t WHERE id = 2",
          "none": "SELECT count(*) FROM big"}


def given_from_memory(gateway, ask):
    counted = Counted(gateway)
    ask()
    return counted["hits"] > 0


@pytest.mark.seconds(120)
def test_a_flush_reaches_every_node(nodes):
    a, b = nodes()
    with connect(b) as db, console(a) as admin:
        asks = {name: asker(db, sql) for name, sql in TAGGED.items()}
        for command, gone in [("FLUSH CACHE TAG a:1", {"a:1"}),
                              ("FLUSH CACHE PREFIX b:", {"b:1"}),
                              ("FLUSH CACHE TABLE t", {"a:1", "b:1"}),
                              ("FLUSH CACHE TABLE \"public.big\"", {"none"}),
                              ("FLUSH CACHE TAG \"o'clock\"", set()),
                              ("FLUSH CACHE", set(TAGGED))]:
            warm(b, *asks.values())
            before = metrics(b)[HAND]
            admin.execute(command)
            wait_until(lambda: metrics(b)[HAND] > before)
            assert {n for n, ask in asks.items() if not given_from_memory(b, ask)} == gone, command


@pytest.mark.seconds(120)
def test_many_flushes_reach_every_node(nodes):
    a, b = nodes()
    with connect(b) as db, console(a) as admin:
        ask, other = asker(db, TAGGED["a:1"]), asker(db, TAGGED["b:1"])
        warm(b, ask, other)
        before = metrics(b)[HAND]
        for i in range(200):
            admin.execute(f"FLUSH CACHE TAG x:{i}")
        admin.execute("FLUSH CACHE TAG a:1")
        wait_until(lambda: metrics(b)[HAND] - before >= 201)
        assert not given_from_memory(b, ask) and given_from_memory(b, other)


# ---- leases ----

HEAVY = "SELECT count(*) FROM big x, big y WHERE x.id + y.id > 7"


def in_background(db, sql):
    got = []
    thread = threading.Thread(target=lambda: got.append(db.execute(sql, prepare=False).fetchall()))
    thread.start()
    return thread, got


def runs_of_heavy(server):
    with server.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query"
                          " LIKE '%x.id + y.id%' AND pid <> pg_backend_pid()").fetchone()[0]


def shared(redis, **more):
    return {"cache.tier.kind": "valkey", "cache.tier.address": f"127.0.0.1:{redis.port}",
            "cache.tier.timeout": "10s", **more}


def know(db, gateway):
    """Until the statement's answers are kept: it is known what it reads, and what it costs."""
    def kept():
        counted = Counted(gateway)
        db.execute(HEAVY, prepare=False)
        return counted["hits"] > 0
    wait_until(kept, 60)


def change(server, redis, *gateways):
    """What was read is not given any more, and nothing lies behind memory."""
    before = [metrics(g)['weir_cache_invalidations_total{source="commit"}'] for g in gateways]
    with server.connect() as db:
        db.execute("UPDATE big SET id = id WHERE id = 1")
    for g, n in zip(gateways, before):
        wait_until(lambda: metrics(g)['weir_cache_invalidations_total{source="commit"}'] > n)
    redis.ask("FLUSHALL")


def tier_hits(gateway):
    return metrics(gateway).get('weir_cache_hits_total{tier="valkey"}', 0)


def ask_both(one, other, server, gateways, redis):
    """One node reads, then the other one wants the same: how many read at a time."""
    change(server, redis, *gateways)
    reader, got = in_background(one, HEAVY)
    wait_until(lambda: runs_of_heavy(server) == 1, every=0.005)
    waiter, same = in_background(other, HEAVY)
    most = 1
    while waiter.is_alive():
        most = max(most, runs_of_heavy(server))
        time.sleep(0.01)
    reader.join()
    waiter.join()
    assert got == same
    return most


@pytest.mark.seconds(180)
def test_what_another_node_reads_is_waited_for(nodes, server, redis):
    a, b = nodes(**shared(redis))
    with connect(a) as one, connect(b) as other:
        know(one, a)
        know(other, b)

        def waited():  # not while the schema is read again: all from before is forgotten then
            before = tier_hits(b)
            return ask_both(one, other, server, (a, b), redis) == 1 and tier_hits(b) > before
        wait_until(waited, 120)


@pytest.mark.seconds(180)
def test_who_dies_while_it_reads_costs_the_wait_alone(nodes, server, redis):
    a, b = nodes(**shared(redis, **{"cache.flight_wait": "5s"}))
    with connect(b) as other:
        with connect(a) as one:
            know(one, a)
            know(other, b)
            change(server, redis, a, b)
        leader = connect(a)
        leader.autocommit = True
        sent = leader.pgconn.send_query(HEAVY.encode())
        del sent
        wait_until(lambda: runs_of_heavy(server) == 1, every=0.005)
        a.process.send_signal(signal.SIGKILL)
        a.process.wait(30)
        a.process.stdout.close()
        a.process = None
        before = tier_hits(b)
        assert other.execute(HEAVY, prepare=False).fetchone()[0] > 0
        assert tier_hits(b) == before
        ends = metrics(b)
        assert sum(ends[f'weir_cache_tier_lookups_total{{tier="valkey",result="{end}"}}']
                   for end in ("leased", "absent")) >= 1
