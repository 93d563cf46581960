"""SIGHUP and RELOAD: a new configuration comes into force and no client is dropped; a broken one
changes nothing and says why."""

import os
import signal
import time

import psycopg
import pytest

from support import wait_until

CONFIG = """
databases:
  app: {{dsn: "sqlite:{path}"}}
log: {{slow: {slow}}}
limits: {{clients: {clients}}}
"""


@pytest.fixture
def gateway(weir, tmp_path):
    text = CONFIG.format(path=tmp_path / "reload.db", slow="1h", clients=100)
    return weir(config=text)


def rewrite(gateway, tmp_path, text):
    (tmp_path / "weir0.yaml").write_text(text)
    os.kill(gateway.pid, signal.SIGHUP)


def test_a_reload_applies_limits_and_keeps_clients(gateway, tmp_path):
    with gateway.connect() as db:
        db.execute("SELECT 1")
        rewrite(gateway, tmp_path,
                CONFIG.format(path=tmp_path / "reload.db", slow="1ms", clients=1))
        wait_until(lambda: "configuration reloaded" in gateway.stderr())
        with pytest.raises(psycopg.OperationalError, match="limits.clients is 1"):
            gateway.connect()
        db.execute("WITH RECURSIVE c(n) AS "
                   "(SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 300000) "
                   "SELECT max(n) FROM c")
        wait_until(lambda: "slow statement" in gateway.stderr())


def test_a_broken_file_changes_nothing_and_says_why(gateway, tmp_path):
    with gateway.connect() as db:
        rewrite(gateway, tmp_path, "limits: {cleints: 1}\n")
        wait_until(lambda: "the old configuration stays" in gateway.stderr())
        assert "limits.clients" in gateway.stderr()  # the nearest known key
        assert db.execute("SELECT 41 + 1").fetchone() == (42,)
        with gateway.connect() as other:
            other.execute("SELECT 1")


def test_what_needs_a_restart_is_said(gateway, tmp_path):
    text = CONFIG.format(path=tmp_path / "reload.db", slow="1h", clients=100)
    rewrite(gateway, tmp_path, text + "workers: 1\nmemory: {max: 100MiB}\n")
    wait_until(lambda: "configuration reloaded" in gateway.stderr())
    said = gateway.stderr()
    assert "needs a restart" in said and "memory.max" in said


def test_reload_by_the_console(gateway, tmp_path):
    with psycopg.connect(gateway.conninfo(dbname="weir"), autocommit=True) as console:
        console.execute("RELOAD")
    wait_until(lambda: "configuration reloaded" in gateway.stderr())


def test_reloads_under_load_disturb_nobody(gateway, tmp_path):
    text = CONFIG.format(path=tmp_path / "reload.db", slow="1h", clients=100)
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (a INTEGER)")
        until = time.monotonic() + 3
        n = 0
        while time.monotonic() < until:
            if n % 20 == 0:
                rewrite(gateway, tmp_path, text)
            db.execute("INSERT INTO t VALUES (%s)", (n,))
            n += 1
        assert db.execute("SELECT count(*) FROM t").fetchone() == (n,)
