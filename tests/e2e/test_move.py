"""RELOAD with a changed DSN: the clients stay, what they do next happens at the new place."""

import contextlib
import os
import signal
import threading

import psycopg
import pytest

from support import console, rows, wait_until

PORT = "SELECT inet_server_port(), current_user::text"


def config(dsn, more=""):
    return f"""
databases:
  app: {{dsn: "{dsn}"}}
pool: {{max_size: 4}}
{more}
"""


def move(gateway, tmp_path, text, said="database moved"):
    """Rewrites the file and waits until it is in force."""
    before = gateway.stderr().count("configuration reloaded")
    (tmp_path / "weir0.yaml").write_text(text)
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: gateway.stderr().count("configuration reloaded") > before)
    assert said in gateway.stderr()


class Load:
    """Clients that work and must notice nothing but where they are."""

    def __init__(self, gateway, clients=8):
        self.gateway = gateway
        self.stopped = threading.Event()
        self.seen, self.failures, self.done = [set() for _ in range(clients)], [], [0] * clients
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
                        for i in range(clients)]

    def run(self, i):
        try:
            with self.gateway.connect() as db:
                while not self.stopped.is_set():
                    self.step(db, i)
                    self.done[i] += 1
        except BaseException as e:  # told to the test's own thread
            self.failures.append(e)

    def step(self, db, i):
        n = self.done[i]
        assert db.execute("SELECT %s::int8 * 2", (n,)).fetchone() == (n * 2,)
        with db.transaction():
            first = db.execute(PORT).fetchone()
            db.execute("SET LOCAL work_mem = '5MB'")
            assert db.execute(PORT).fetchone() == first
        self.seen[i].add(first)

    def wait(self, more=5):
        """Every client has gone on since."""
        before = list(self.done)
        wait_until(lambda: self.failures or
                   all(d >= b + more for d, b in zip(self.done, before)))

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.wait()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for t in self.threads:
            t.join(30)
        assert not self.failures, self.failures


def connections(server, user="postgres"):
    with server.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_activity"
                          " WHERE backend_type = 'client backend'"
                          " AND pid <> pg_backend_pid() AND usename = %s", (user,)).fetchone()[0]


def test_clients_under_load_go_to_another_server(weir, postgres, own_postgres, tmp_path):
    gateway = weir(config=config(postgres.dsn()))
    idle_before = connections(postgres)
    with Load(gateway) as load, gateway.connect(autocommit=False) as held:
        assert held.execute(PORT).fetchone() == (postgres.port, "postgres")
        move(gateway, tmp_path, config(own_postgres.dsn()))
        load.wait()
        for seen in load.seen:
            seen.clear()
        load.wait()
        assert set.union(*load.seen) == {(own_postgres.port, "postgres")}
        # A transaction ends where it began; only its connection is left there.
        assert held.execute(PORT).fetchone() == (postgres.port, "postgres")
        held.commit()
        assert held.execute(PORT).fetchone() == (own_postgres.port, "postgres")
        held.rollback()
        wait_until(lambda: connections(postgres) <= idle_before)
        with console(gateway) as admin:
            (database,) = [r for r in rows(admin, "DATABASES") if r["name"] == "app"]
            assert (database["port"], database["outdated"]) == (own_postgres.port, 0)
        for _ in range(4):  # and back, again and again
            move(gateway, tmp_path, config(postgres.dsn()))
            load.wait(1)
            move(gateway, tmp_path, config(own_postgres.dsn()))
            load.wait(1)


def test_clients_under_load_become_another_user(weir, own_postgres, tmp_path):
    own_postgres.role("old_user", "one")
    own_postgres.role("new_user", "two")
    hba = own_postgres.data / "pg_hba.conf"
    hba.write_text("host all old_user,new_user all scram-sha-256\n" + hba.read_text())
    with own_postgres.connect() as db:
        db.execute("SELECT pg_reload_conf()")
    gateway = weir(config=config(own_postgres.dsn(user="old_user", password="one")))
    with Load(gateway) as load:
        move(gateway, tmp_path, config(own_postgres.dsn(user="new_user", password="two")))
        load.wait()
        for seen in load.seen:
            seen.clear()
        load.wait()
        assert {user for _, user in set.union(*load.seen)} == {"new_user"}
        wait_until(lambda: connections(own_postgres, "old_user") == 0)
        with console(gateway) as admin:
            shown = {r["user"] for r in rows(admin, "POOLS") if r["database"] == "app"}
            assert shown == {"new_user"}
        # A password that does not hold is told to whoever needs a connection.
    with gateway.connect() as db:
        move(gateway, tmp_path, config(own_postgres.dsn(user="new_user", password="wrong")))
        with pytest.raises(psycopg.OperationalError, match="password"):
            db.execute(PORT)
        move(gateway, tmp_path, config(own_postgres.dsn(user="new_user", password="two")))
        assert db.execute(PORT).fetchone()[1] == "new_user"


def test_waiting_clients_are_served_at_the_new_place(weir, postgres, own_postgres, tmp_path):
    gateway = weir(config=config(postgres.dsn(), "limits: {}").replace("max_size: 4",
                                                                      "max_size: 1"))
    with gateway.connect(autocommit=False) as held, gateway.connect() as waits:
        held.execute("SELECT 1")
        got = []
        thread = threading.Thread(target=lambda: got.append(waits.execute(PORT).fetchone()))
        thread.start()
        with console(gateway) as admin:
            wait_until(lambda: any(r["cl_waiting"] for r in rows(admin, "POOLS")))
        move(gateway, tmp_path, config(own_postgres.dsn()))
        thread.join(20)
        assert got == [(own_postgres.port, "postgres")]
        held.commit()


def test_tls_to_servers_is_wanted_from_the_reload_on(weir, postgres, tmp_path):
    gateway = weir(config=config(postgres.dsn()))
    with gateway.connect() as db:
        db.execute(PORT)
        move(gateway, tmp_path, config(postgres.dsn() + "?sslmode=require"))
        with pytest.raises(psycopg.OperationalError, match="does not support TLS"):
            db.execute(PORT)
        move(gateway, tmp_path, config(postgres.dsn() + "?sslmode=disable"))
        assert db.execute(PORT).fetchone()[0] == postgres.port


def test_a_reload_that_moves_nothing_replaces_nothing(weir, postgres, tmp_path):
    gateway = weir(config=config(postgres.dsn()))
    with gateway.connect() as db, console(gateway) as admin:
        db.execute("SELECT 1")
        before = {r["remote_pid"] for r in rows(admin, "SERVERS")}
        move(gateway, tmp_path, config(postgres.dsn(), "log: {slow: 1s}"), said="")
        db.execute("SELECT 1")
        assert before <= {r["remote_pid"] for r in rows(admin, "SERVERS")}
        assert "database moved" not in gateway.stderr()


def test_listeners_listen_at_the_new_place_and_are_told(weir, postgres, own_postgres, tmp_path):
    gateway = weir(config=config(postgres.dsn()))
    with gateway.connect() as db, contextlib.ExitStack() as stack:
        heard, notices = [], []
        db.add_notify_handler(lambda n: heard.append(n.payload))
        db.add_notice_handler(lambda d: notices.append(d.message_primary))
        db.execute("LISTEN news")
        move(gateway, tmp_path, config(own_postgres.dsn()))
        there = stack.enter_context(own_postgres.connect())
        wait_until(lambda: db.execute("SELECT 1") and notices)
        assert notices == ["weir: notifications may have been lost"]
        there.execute("NOTIFY news, 'from there'")
        wait_until(lambda: db.execute("SELECT 1") and heard)
        assert heard == ["from there"]
