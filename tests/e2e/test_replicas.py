"""Reads that say `/* weir: replica */` on a real primary and its streaming standby: where they run,
what they promise however late the standby is, and that nothing of it costs a client an error."""

import contextlib
import itertools
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

from followed import is_followed, primary_and_standby
from support import BINARY, clean_environment, console, rows, wait_until

WHERE = "/* weir: replica nocache */ SELECT v, inet_server_port() FROM t WHERE id = {}"
KEPT = "/* weir: replica */ SELECT v FROM t WHERE id = {}"


@pytest.fixture(scope="module")
def servers():
    with primary_and_standby() as both:
        yield both


def start(weir, servers, **settings):
    """A gateway whose replica serves."""
    primary, standby = servers
    gateway = weir(None, settings={
        "databases.app.dsn": primary.dsn("postgres"),
        "databases.app.replicas": standby.dsn("postgres"),
        "cache.bound": "2s", "catalog.poll": "1s", "pool.min_size": "1", **settings})
    gateway.connect().close()
    wait_until(lambda: is_followed(gateway))
    with gateway.connect(prepare_threshold=None) as db:
        wait_until(lambda: db.execute(WHERE.format(1)).fetchone()[1] == standby.port)
    return gateway


@contextlib.contextmanager
def paused(standby):
    with standby.connect() as replays:
        try:
            replays.execute("SELECT pg_wal_replay_pause()")
            wait_until(lambda: replays.execute("SELECT pg_get_wal_replay_pause_state()")
                       .fetchone()[0] == "paused")
            yield
        finally:
            replays.execute("SELECT pg_wal_replay_resume()")


def reads(gateway, target):
    """How many have run there."""
    page = urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=10).read().decode()
    name = f'weir_queries_total{{database="app",kind="read",target="{target}"}} '
    return next((int(line[len(name):]) for line in page.splitlines() if line.startswith(name)), 0)


def test_a_read_goes_to_a_replica_where_it_says_so_and_is_nothing_but_one(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers)
    for protocol in ({"prepare_threshold": None}, {"prepare_threshold": 0}):
        with gateway.connect(**protocol) as db:
            def port(sql):
                return db.execute(sql).fetchone()[-1]

            wait_until(lambda: port(WHERE.format(7)) == standby.port)
            if protocol["prepare_threshold"] == 0:
                sql = WHERE.format("%s")
                wait_until(lambda: db.execute(sql, (7,)).fetchone() == ("v7", standby.port))
            assert port("SELECT inet_server_port()") == primary.port
            assert port("/* weir: primary */ SELECT inet_server_port()") == primary.port
            assert port(WHERE.format(7) + " FOR UPDATE") == primary.port
            assert port("/* weir: replica */ SELECT poke(8), inet_server_port()") == primary.port
            assert port("/* weir: replica */ UPDATE t SET v = 'v7' WHERE id = 7"
                        " RETURNING inet_server_port()") == primary.port
            with db.transaction():
                assert port(WHERE.format(7)) == primary.port
    with console(gateway) as db:
        assert {r["database"] for r in rows(db, "POOLS")} >= {"app", "app/replica1"}
        assert {r["port"] for r in rows(db, "SERVERS")} == {primary.port, standby.port}


def test_a_session_reads_what_was_written_here_however_late_the_replica_is(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers, **{"databases.app.replica_lag": "1m"})
    with gateway.connect(prepare_threshold=None) as db, gateway.connect() as other:
        keys = itertools.count(100)

        def is_served_there():
            before = reads(gateway, "replica")
            db.execute(KEPT.format(next(keys)))
            return reads(gateway, "replica") > before

        def answers_for_the_unchanged():
            """A write whose keys are not known yet, because it is still being read, changes all of
            them: the standby is behind that until it goes on."""
            wait_until(is_served_there)
            with paused(standby):
                served = reads(gateway, "replica")
                for n in range(20):
                    other.execute(f"UPDATE t SET v = 'n{n}' WHERE id = 20")
                    assert db.execute(KEPT.format(20)).fetchone() == (f"n{n}",)
                    assert other.execute(WHERE.format(20)).fetchone() == (f"n{n}", primary.port)
                assert reads(gateway, "replica") == served
                return any(is_served_there() for _ in range(50))

        wait_until(answers_for_the_unchanged)


def test_a_bounded_read_is_as_old_as_was_allowed(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers, **{"cache.consistency": "bounded",
                                      "databases.app.replica_lag": "1s"})
    with gateway.connect(prepare_threshold=None) as db, primary.connect() as around:
        with paused(standby):
            old = db.execute(WHERE.format(30)).fetchone()
            around.execute("UPDATE t SET v = 'new' WHERE id = 30")
            began = time.monotonic()
            wait_until(lambda: db.execute(WHERE.format(30)).fetchone() == ("new", primary.port))
            assert old[0] == "v30" and time.monotonic() - began < 20
        wait_until(lambda: db.execute(WHERE.format(30)).fetchone() == ("new", standby.port))


def test_an_answer_of_a_replica_is_kept_until_something_changes_it(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers)
    with gateway.connect(prepare_threshold=None) as db, primary.connect() as around:
        def fill_at_replica(key):
            served = reads(gateway, "replica")
            db.execute(KEPT.format(key))
            return reads(gateway, "replica") > served

        key = next(k for k in range(40, 400) if fill_at_replica(k))
        hits = reads(gateway, "cache")
        wait_until(lambda: db.execute(KEPT.format(key)).fetchone() and
                   reads(gateway, "cache") > hits)
        with paused(standby):
            around.execute(f"UPDATE t SET v = 'changed' WHERE id = {key}")
            wait_until(lambda: db.execute(KEPT.format(key)).fetchone() == ("changed",), 10)
            for _ in range(20):
                assert db.execute(KEPT.format(key)).fetchone() == ("changed",)


def test_a_schema_change_is_seen_at_once_on_a_late_replica(weir, servers):
    _, standby = servers
    gateway = start(weir, servers)
    with gateway.connect(prepare_threshold=None) as db, paused(standby):
        sql = "/* weir: replica */ SELECT n FROM owners WHERE owner = 3"
        db.execute(sql)
        for n in range(3):
            db.execute(f"CREATE OR REPLACE VIEW owners AS SELECT owner, count(*) + {n} AS n"
                       " FROM t GROUP BY owner")
            assert db.execute(sql).fetchone() == (100 + n,)


def test_a_replica_that_is_gone_costs_nobody_an_error(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers)
    with gateway.connect(prepare_threshold=None) as db:
        standby.stop()
        for n in range(50):
            assert db.execute(WHERE.format(7)).fetchone() == ("v7", primary.port)
        standby.start()
        wait_until(lambda: db.execute(WHERE.format(7)).fetchone() == ("v7", standby.port))


def test_a_replica_that_does_not_answer_is_not_waited_for(weir, servers):
    primary, standby = servers
    gateway = start(weir, servers)
    with standby.connect() as there, gateway.connect(prepare_threshold=None) as db:
        stopped = [pid for (pid,) in there.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()").fetchall()]
        assert stopped
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                assert db.execute(WHERE.format(7)).fetchone() == ("v7", primary.port)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: db.execute(WHERE.format(7)).fetchone() == ("v7", standby.port))


def test_a_user_who_may_not_see_where_a_replica_stands_reads_on_the_primary(weir, servers):
    primary, standby = servers
    with primary.connect() as db:
        db.execute("CREATE ROLE plain LOGIN; GRANT SELECT ON t TO plain")
        position = db.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
    with standby.connect() as db:
        wait_until(lambda: db.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn",
                                      (position,)).fetchone()[0])
    gateway = weir(None, settings={
        "databases.app.dsn": primary.dsn("postgres"), "cache.bound": "2s", "pool.min_size": "1",
        "databases.app.replicas": standby.dsn("postgres", user="plain")})
    with gateway.connect(prepare_threshold=None) as db:
        wait_until(lambda: is_followed(gateway))
        for _ in range(50):
            assert db.execute(WHERE.format(7)).fetchone() == ("v7", primary.port)
            time.sleep(0.02)


def test_a_reload_changes_their_pools_and_says_what_it_cannot(weir, servers):
    primary, standby = servers
    config = ("databases: {{app: {{dsn: '" + primary.dsn("postgres") + "', replicas: [{}], "
              "pool: {{max_size: {}}}}}}}\n")
    gateway = weir(config=config.format(f"'{standby.dsn('postgres')}'", 9))

    def sizes():
        with console(gateway) as db:
            return {r["name"]: r["pool_size"] for r in rows(db, "DATABASES")}

    assert sizes() == {"app": 9, "app/replica1": 9}
    for changed, warned in ((standby, False), (primary, True)):
        pathlib.Path(gateway.arguments[-1]).write_text(
            config.format(f"'{changed.dsn('postgres')}'", 8))
        with console(gateway) as db:
            db.execute("RELOAD")
        wait_until(lambda: sizes() == {"app": 8, "app/replica1": 8})
        wait_until(lambda: ("changed replicas need a restart" in gateway.stderr()) == warned)


def test_a_replica_of_another_history_serves_nothing(weir, servers):
    primary, _ = servers
    promoted = primary.replica("promoted").start()
    try:
        gateway = weir(None, settings={
            "databases.app.dsn": primary.dsn("postgres"),
            "databases.app.replicas": promoted.dsn("postgres"), "cache.bound": "2s",
            "pool.min_size": "1"})
        with gateway.connect(prepare_threshold=None) as db:
            wait_until(lambda: db.execute(WHERE.format(1)).fetchone()[1] == promoted.port)
            with promoted.connect() as there:
                there.execute("SELECT pg_promote()")
                wait_until(lambda: not there.execute("SELECT pg_is_in_recovery()").fetchone()[0])
                there.execute("UPDATE t SET v = 'another' WHERE id = 7")
            for _ in range(20):
                assert db.execute(WHERE.format(7)).fetchone() == ("v7", primary.port)
                assert db.execute(KEPT.format(7)).fetchone() == ("v7",)
    finally:
        promoted.remove()


def test_the_background_reads_on_replicas_where_it_is_told_to(weir, servers, tmp_path):
    listed = tmp_path / "warm.sql"
    listed.write_text("-- default: user=postgres database=app\n" + "".join(
        f"SELECT v FROM t WHERE id = {k};\n" for k in range(500, 520)))
    gateway = start(weir, servers, **{"cache.background.from": "replicas",
                                      "cache.warm.file": listed, "cache.warm.every": "1s"})
    before = reads(gateway, "replica")
    wait_until(lambda: reads(gateway, "replica") >= before + 20)
    with gateway.connect() as db:
        hits = reads(gateway, "cache")
        assert db.execute("SELECT v FROM t WHERE id = 505").fetchone() == ("v505",)
        assert reads(gateway, "cache") == hits + 1


@pytest.mark.parametrize("config, words", [
    ("dsn: sqlite:a.db, replicas: ['postgres://h']", "only PostgreSQL has replicas"),
    ("dsn: 'postgres://h', replicas: ['sqlite:a.db']", "only PostgreSQL has replicas"),
    ("dsn: 'postgres://h', replicas: ['nonsense']", 'a replica of database "app"'),
    ("dsn: 'postgres://h', replicas: [" + ", ".join(["'postgres://h'"] * 9) + "]",
     "more than 8 replicas"),
])
def test_what_cannot_be_a_replica_is_said(tmp_path, config, words):
    file = tmp_path / "weir.yaml"
    file.write_text(f"databases: {{app: {{{config}}}}}\n")
    done = subprocess.run([BINARY, "check", "-c", str(file)], capture_output=True, text=True,
                          timeout=60, env=clean_environment())
    assert done.returncode == 2 and words in done.stderr
