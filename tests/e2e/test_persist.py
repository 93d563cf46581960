"""cache.persist slot: what lies behind memory is used after a restart as far as it still stands, by
a replication slot that is kept meanwhile (HAZARDS, caching 13 and 20; proofs, rows 4 to 7).

Memory holds two answers, so that nearly every question goes to the tier."""

import contextlib
import os
import re
import signal
import subprocess
import time

import psycopg
import pytest

from cached import CALM, metrics
from support import BINARY, Postgres, clean_environment, wait_until
from tiers import Redis

ROWS = 40
# The schema is read again after the start, and what is from before is then given again after the
# next heartbeat: a second, at a bound of 5 s.
PACE = 0.1
KEEPING = {**CALM, "cache.entries": "2", "cache.tier.timeout": "10s", "cache.bound": "5s",
           "cache.persist": "slot", "cache.by_benefit": "false"}


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical", max_slot_wal_keep_size="64MB", fsync="on") as postgres:
        yield postgres


def set_up(server, name, *more):
    return subprocess.run([BINARY, "setup", server.dsn(name), *more], check=True, text=True,
                          capture_output=True, timeout=60, env=clean_environment()).stdout


class Case:
    """A database of its own, a tier of its own, a Weir on both."""

    def __init__(self, weir, server, tmp_path, kind, **settings):
        self.server, self.name, self.kind = server, server.database(), kind
        self.redis = Redis().start() if kind == "valkey" else None
        with server.connect(self.name) as db:
            db.execute("CREATE TABLE t(id int PRIMARY KEY, v text)")
            db.execute("CREATE TABLE calm(id int PRIMARY KEY, v text)")
            db.execute("CREATE TABLE bulk(n int)")
            for table in ("t", "calm"):
                db.execute(f"INSERT INTO {table} SELECT i, 'old' FROM generate_series(0, %s) i",
                           (ROWS - 1,))
        set_up(server, self.name)
        tier = {"cache.tier.kind": "valkey", "cache.tier.address":
                f"127.0.0.1:{self.redis.port}"} if self.redis else \
            {"cache.tier.kind": "disk", "cache.disk.path": tmp_path / "tier"}
        self.settings = {**KEEPING, **tier, **settings}
        self.weir = weir
        self.gateway = weir(server.dsn(self.name), settings=self.settings)
        self.expected = {i: "old" for i in range(ROWS)}

    def connect(self):
        return self.gateway.connect(dbname=self.name, user="postgres")

    def direct(self):
        return self.server.connect(self.name)

    def write(self, db, value, ids):
        for i in ids:
            db.execute(f"UPDATE t SET v = '{value}' WHERE id = {i}", prepare=False)
            self.expected[i] = value

    def read(self, db, i, table="t"):
        return db.execute(f"SELECT v FROM {table} WHERE id = {i}", prepare=False).fetchall()[0][0]

    def is_served(self, db):
        """A login that the server refused while it started may be told once more."""
        with contextlib.suppress(psycopg.OperationalError):
            return self.read(db, 0, "calm") == "old"
        return False

    def hits(self):
        return sum(v for k, v in metrics(self.gateway).items()
                   if k.startswith("weir_cache_hits_total") and "memory" not in k)

    def check(self, db, pace=0):
        """All rows are right; how many answers came from the tier."""
        before = self.hits()
        for i in range(ROWS):
            assert self.read(db, i) == self.expected[i]
            time.sleep(pace)
        return self.hits() - before

    def all_hits(self):
        return sum(v for k, v in metrics(self.gateway).items()
                   if k.startswith("weir_cache_hits_total"))

    def keyed(self, db):
        """Until a write of another row leaves an answer alone: its column is tracked from here on,
        and what was read before is no use any more."""
        def once():
            self.read(db, 0)
            with self.direct() as other:
                other.execute("UPDATE t SET v = v WHERE id = 1")
            time.sleep(0.3)
            before = self.all_hits()
            self.read(db, 0)
            return self.all_hits() > before
        wait_until(once, 40)

    def settle(self, db, least=ROWS - 4):
        self.keyed(db)

        def once():
            before = self.hits()
            values = {i: self.read(db, i) for i in range(ROWS)}
            return values == self.expected and self.hits() - before >= least
        wait_until(once, 40)
        for i in range(ROWS):
            self.read(db, i, "calm")

    def first_from_tier(self, db):
        """Until what was read before the restart is given: a heartbeat may be waited for."""
        left = iter(range(1, ROWS))

        def once():
            before = self.hits()
            self.read(db, next(left), "calm")
            return self.hits() > before
        wait_until(once, 40, every=0.3)

    def follow(self, db):
        """Until answers come from the cache again, and it is known what the statement reads."""
        def once(table):
            before = self.all_hits()
            self.read(db, 0, table)
            return self.all_hits() > before
        for table in ("calm", "t"):
            wait_until(lambda: once(table), 40)

    def slots(self):
        with self.direct() as db:
            return db.execute("SELECT slot_name, active, wal_status FROM pg_replication_slots WHERE"
                              " database = %s AND NOT temporary", (self.name,)).fetchall()

    def said(self, pattern):
        wait_until(lambda: re.search(pattern, self.gateway.stderr()))

    def remove(self):
        self.gateway.stop()
        if self.redis:
            self.redis.remove()
        with self.direct() as db:
            wait_until(lambda: not any(active for _, active, _ in self.slots()))
            db.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                       " WHERE database = %s", (self.name,))


@pytest.fixture
def case(weir, server, tmp_path):
    made = []

    def make(kind="disk", **settings):
        made.append(Case(weir, server, tmp_path, kind, **settings))
        return made[-1]

    yield make
    for c in made:
        c.remove()


# ---- kill -9 ----

@pytest.mark.seconds(120)
@pytest.mark.parametrize("kind", ["valkey", "disk"])
def test_after_a_crash_what_still_stands_is_given_and_nothing_else(case, kind):
    c = case(kind)
    with c.connect() as db:
        c.settle(db)
        c.write(db, "through us", (1, 2))
        with c.direct() as direct:
            c.write(direct, "before", (3, 4))
            c.gateway.kill()
            c.write(direct, "between", (4, 5, 6))
            direct.execute("DELETE FROM t WHERE id = 7")
            direct.execute("INSERT INTO t VALUES (7, 'anew')")
            c.expected[7] = "anew"
            direct.execute("BEGIN")
            direct.execute("UPDATE t SET v = 'across' WHERE id = 8")
            c.gateway.start()
            with c.connect() as later:  # its effect is not known yet when its outcome comes
                c.write(later, "after", (9,))
                assert c.check(later) >= 0
            direct.execute("COMMIT")
            c.expected[8] = "across"
    changed = {1, 2, 3, 4, 5, 6, 7, 8, 9}
    with c.connect() as db:
        c.follow(db)
        c.first_from_tier(db)
        before = c.hits()
        for i in sorted(set(range(ROWS)) - changed, reverse=True):
            assert c.read(db, i) == c.expected[i]
            time.sleep(PACE)
        assert c.hits() - before > ROWS // 4
        for _ in range(3):
            c.check(db)
        c.settle(db)
    assert "judged by what the slot has" in c.gateway.stderr()


@pytest.mark.seconds(120)
def test_a_restart_in_good_order_keeps_the_slot(case):
    c = case()
    with c.connect() as db:
        c.settle(db)
    c.gateway.stop()
    wait_until(lambda: not c.slots()[0][1])
    (name, _, status), = c.slots()
    assert re.fullmatch(r"weir_keep_weir_[0-9a-f]{8}", name) and status != "lost"
    with c.direct() as direct:
        c.write(direct, "meanwhile", range(10))
    c.gateway.start()
    with c.connect() as db:
        c.follow(db)
        c.first_from_tier(db)
        assert c.check(db, PACE) > ROWS // 4
    assert [s[0] for s in c.slots()] == [name]


@pytest.mark.seconds(120)
def test_a_stream_that_is_cut_loses_nothing(case):
    """Memory too: the same process goes on where the slot is."""
    c = case(**{"cache.entries": "1000"})
    with c.connect() as db, c.direct() as direct:
        c.keyed(db)
        wait_until(lambda: all(c.read(db, i) == "old" for i in range(ROWS)) and
                   metrics(c.gateway)['weir_cache_entries{tier="memory"}'] >= ROWS)
        c.follow(db)
        floors = c.gateway.stderr().count("changes are followed")
        direct.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                       " WHERE active AND database = %s", (c.name,))
        c.write(direct, "cut", (0, 1, 2))
        wait_until(lambda: c.gateway.stderr().count("changes are followed") > floors)
        wait_until(lambda: [c.read(db, i) for i in (0, 1, 2)] == ["cut"] * 3)
        c.follow(db)
        before = metrics(c.gateway)['weir_cache_hits_total{tier="memory"}']
        for i in range(3, ROWS):
            assert c.read(db, i) == "old"
        after = metrics(c.gateway)['weir_cache_hits_total{tier="memory"}']
        assert after - before >= ROWS // 2


# ---- when nothing from before may be used ----

def begins_empty(c, reason):
    c.gateway.start()
    with c.connect() as db:
        c.follow(db)
        assert c.check(db) <= 1  # of row 0, which was read just now
        c.settle(db)
    c.said(reason)


@pytest.mark.seconds(120)
def test_a_lost_slot_begins_anew(case, server):
    c = case()
    with c.connect() as db:
        c.settle(db)
    c.gateway.kill()
    with c.direct() as direct:
        direct.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        direct.execute("SELECT pg_reload_conf()")
        c.write(direct, "unseen", range(5))
        wait_until(lambda: not c.slots()[0][1])

        def lost():
            direct.execute("SELECT pg_switch_wal()")
            direct.execute("INSERT INTO bulk SELECT generate_series(1, 1000)")
            direct.execute("CHECKPOINT")
            return c.slots()[0][2] == "lost"
        wait_until(lost, 40)
    try:
        begins_empty(c, "the slot was lost")
        assert [s[2] for s in c.slots()] == ["reserved"]
    finally:
        with c.direct() as direct:
            direct.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            direct.execute("SELECT pg_reload_conf()")


@pytest.mark.seconds(120)
def test_another_publication_begins_anew(case):
    c = case()
    with c.connect() as db:
        c.settle(db)
    before = c.slots()
    c.gateway.kill()
    with c.direct() as direct:
        direct.execute("CREATE TABLE more(id int PRIMARY KEY)")  # the trigger publishes it
        c.write(direct, "unseen", range(5))
    begins_empty(c, "the publication, partitions or event triggers have changed")
    after = c.slots()
    assert len(after) == 1 and after[0][0] != before[0][0]


@pytest.mark.seconds(120)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_another_run_of_the_server_begins_anew(case, server, how):
    """Proofs, row 7: commits that were seen may be gone, also where one of the server's processes
    crashed alone. A fast shutdown does not wait for us."""
    c = case()
    with c.connect() as db:
        c.settle(db)
    if how == signal.SIGKILL:
        with contextlib.suppress(psycopg.OperationalError), server.connect() as db:
            os.kill(db.info.backend_pid, how)
            db.execute("SELECT pg_sleep(60)")
        wait_until(server.ready)
    else:
        server.stop(how)
        server.start()
    with c.direct() as direct:
        c.write(direct, "unseen", range(5))
    with c.connect() as db:
        wait_until(lambda: c.is_served(db))
        c.follow(db)
        assert c.check(db) <= 1
        c.settle(db)
    assert len(c.slots()) == 1


# ---- where no slot is kept ----

@pytest.mark.seconds(120)
def test_no_slot_is_kept_where_the_server_would_keep_all_for_it(weir, tmp_path):
    unlimited = Postgres(wal_level="logical")
    try:
        c = Case(weir, unlimited.start(), tmp_path, "disk")
        assert "not possible" in set_up(unlimited, c.name)
        with c.connect() as db:
            c.settle(db)
        assert c.slots() == []
        c.said("max_slot_wal_keep_size is unlimited")
        c.gateway.stop()
    finally:
        unlimited.remove()


@pytest.mark.seconds(120)
def test_commits_that_wait_for_us_as_a_standby_do_not_wait_long(case, server):
    """synchronous_standby_names = '*' takes any stream for a standby: nothing is held back then."""
    c = case()
    with c.connect() as db, c.direct() as direct:
        c.settle(db)
        direct.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        try:
            direct.execute("SELECT pg_reload_conf()")
            shown = "SHOW synchronous_standby_names"
            wait_until(lambda: direct.execute(shown).fetchone()[0] == "*")
            for i in range(3):
                c.write(direct, f"waited {i}", (i,))
            c.follow(db)
            c.check(db)
        finally:
            direct.execute("ALTER SYSTEM RESET synchronous_standby_names")
            direct.execute("SELECT pg_reload_conf()")


@pytest.mark.seconds(120)
def test_a_second_weir_of_that_name_follows_by_itself(case, weir, server, tmp_path):
    c = case()
    with c.connect() as db:
        c.settle(db)
        settings = {**c.settings, "cache.disk.path": tmp_path / "other"}
        other = weir(server.dsn(c.name), settings=settings)
        wait_until(lambda: "needs a cache.persist_name of its own" in other.stderr(), 30)
        with other.connect(dbname=c.name, user="postgres") as second:
            c.write(second, "other", (3,))
            wait_until(lambda: c.read(db, 3) == "other")
            assert c.read(second, 3) == "other"
        other.stop()
        c.check(db)
    assert len(c.slots()) == 1


@pytest.mark.seconds(120)
def test_a_slot_that_is_not_wanted_any_more_is_dropped(case, weir, server):
    c = case()
    with c.connect() as db:
        c.settle(db)
    c.gateway.stop()
    assert len(c.slots()) == 1
    other = weir(server.dsn(c.name), settings={**c.settings, "cache.persist": "none"})
    with other.connect(dbname=c.name, user="postgres") as db:
        wait_until(lambda: c.read(db, 1) == "old" and not c.slots())
    other.stop()
    c.gateway.start()
    with c.connect() as db:
        c.follow(db)
        assert c.check(db) <= 1
    c.gateway.stop()
    assert "kept slots" in set_up(server, c.name, "--remove")
    assert c.slots() == []


# ---- configuration ----

@pytest.mark.parametrize("settings, words", [
    ({"cache.persist": "slot"}, "needs a tier behind memory"),
    ({"cache.persist_name": "No"}, "lower-case letters"),
])
def test_what_cannot_be_kept_is_said_at_start(weir, tmp_path, settings, words):
    gateway = weir(f"sqlite:{tmp_path}/app.db", settings=settings, start=False)
    with pytest.raises(AssertionError, match=words):
        gateway.start()
