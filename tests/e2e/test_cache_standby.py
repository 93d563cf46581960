"""The cache where connections go to a standby, which may be behind what is followed on its primary:
nothing that was read there is kept, nor under a catalog that was read there, and it is said why."""

import time

import pytest

from followed import KEPT, Front, is_followed, primary_and_standby
from support import wait_until


@pytest.fixture(scope="module")
def servers():
    with primary_and_standby() as both:
        yield both


def dsn(first, second, target):
    return (f"postgres://postgres@127.0.0.1:{first.port},127.0.0.1:{second.port}/postgres"
            f"?target_session_attrs={target}")


def said(db, sql):
    return "\n".join(line for (line,) in db.execute(f"EXPLAIN CACHE {sql}").fetchall())


@pytest.mark.parametrize("target", ["standby", "prefer-standby"])
def test_answers_of_a_standby_are_not_kept_however_late_it_is(weir, servers, target):
    primary, standby = servers
    gateway = weir(dsn(primary, standby, target), settings={"catalog.poll": "1s"})
    with standby.connect() as replays:
        try:
            replays.execute("SELECT pg_wal_replay_pause()")
            with gateway.connect(prepare_threshold=None) as db:
                assert db.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
                f = Front(gateway, primary, "postgres")
                wait_until(lambda: is_followed(gateway))
                f.direct.execute(f"UPDATE t SET v = 'new {target}' WHERE id = 7")
                for _ in range(5):
                    assert not f.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
                    time.sleep(0.1)
                replays.execute("SELECT pg_wal_replay_resume()")
                wait_until(lambda: db.execute(KEPT.format(7)).fetchall() == [(f"new {target}",)])
                wait_until(lambda: "cached: no (standby)" in said(db, KEPT.format(7)))
                assert "next step: name the primary" in said(db, KEPT.format(7))
                f.direct.close()
        finally:
            replays.execute("SELECT pg_wal_replay_resume()")


def test_where_the_primary_is_asked_for_answers_are_kept(weir, servers):
    primary, standby = servers
    gateway = weir(dsn(standby, primary, "primary"), settings={"catalog.poll": "1s"})
    with gateway.connect() as db:
        f = Front(gateway, primary, "postgres")
        f.until_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        f.direct.close()


def test_a_standby_alone_is_not_followed_and_says_so(weir, servers):
    _, standby = servers
    gateway = weir(standby.dsn("postgres"), settings={"catalog.poll": "1s"})
    with gateway.connect(prepare_threshold=None) as db:
        wait_until(lambda: "standby" in said(db, KEPT.format(7)))
        f = Front(gateway, standby, "postgres")
        for _ in range(3):
            assert not f.is_hit(lambda: db.execute(KEPT.format(7)).fetchall())
        f.direct.close()
