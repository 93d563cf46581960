"""Restart without dropping clients (HAZARDS, Operations): a new process takes the listening sockets
and the clients over, each as it comes to rest, and nobody notices."""

import asyncio
import os
import re
import signal
import socket
import threading
import time

import asyncpg
import psycopg
import pytest

from support import (console, error_fields, kinds, message, rows, wait_until, Weir,
                     Wire)
from test_tls import Authority

SLOW = {"sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                  "WHERE i < 1000000000) SELECT count(*) FROM n",
        "postgres": "SELECT pg_sleep(40)"}


class Line:
    """Gateways of which each takes over from the one before."""

    def __init__(self, tmp_path, dsn, settings=None):
        self.directory = tmp_path
        self.door = tmp_path / "restart"
        self.unix = tmp_path / "clients"
        self.arguments = [dsn, "--set", f"restart.socket={self.door}"]
        for key, value in (settings or {}).items():
            self.arguments += ["--set", f"{key}={value}"]
        self.all = []
        self.now = self.start()

    def start(self, *more, **how):
        gateway = Weir(self.directory, self.arguments + list(more))
        gateway.log = self.directory / f"weir-{len(self.all)}.log"
        self.all.append(gateway)
        return gateway.start(listen=f"127.0.0.1:0,{self.unix}", **how)

    def take_over(self, wait=True):
        """The old one, which has ended unless it was not to be waited for."""
        old, self.now = self.now, self.start("--takeover")
        assert self.now.address == old.address and self.now.admin == old.admin
        if wait:
            assert old.wait(30) == 0, old.stderr()
        return old

    def connect(self, unix=False, **more):
        if not unix:
            return self.now.connect(**more)
        more.setdefault("dbname", "app")
        more.setdefault("user", "weir")
        threshold = more.pop("prepare_threshold", 5)
        autocommit = more.pop("autocommit", True)
        db = psycopg.connect(host=str(self.unix.parent), port=self.unix_port(),
                             autocommit=autocommit, connect_timeout=20, **more)
        db.prepare_threshold = threshold
        return db

    def unix_port(self):
        """psycopg looks for .s.PGSQL.PORT."""
        name = self.unix.parent / ".s.PGSQL.7777"
        if not name.exists():
            name.symlink_to(self.unix)
        return 7777

    def stop(self):
        for gateway in reversed(self.all):
            gateway.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def line(request, tmp_path, bounded_time):
    started = []

    def make(**settings):
        if request.param == "postgres":
            server = request.getfixturevalue("postgres")
            dsn = server.dsn(server.database())
        else:
            dsn = f"sqlite:{tmp_path / 'app.db'}"
        made = Line(tmp_path, dsn, settings)
        made.kind = request.param
        started.append(made)
        return made

    yield make
    for each in started:
        each.stop()


class Worker(threading.Thread):
    """A client at work: simple queries, named prepared statements, transactions, its settings."""

    def __init__(self, line, number, stop):
        super().__init__(daemon=True)
        self.stop, self.number, self.failure, self.rounds = stop, number, None, 0
        self.name_told = f"worker {number}"
        self.db = line.connect(unix=number % 2 == 1, prepare_threshold=0,
                               application_name=self.name_told)
        self.pid = self.db.info.backend_pid

    def one_round(self):
        n = self.rounds * 1000 + self.number
        assert self.db.execute("SELECT %s::int8 + 1", (n,)).fetchone() == (n + 1,)
        assert self.db.pgconn.exec_(b"SHOW application_name").get_value(0, 0).decode() \
            == self.name_told
        with self.db.transaction():
            self.db.execute("INSERT INTO t VALUES (%s)", (n,))
        assert self.db.info.backend_pid == self.pid

    def run(self):
        try:
            while not self.stop.is_set():
                self.one_round()
                self.rounds += 1
                time.sleep(0.01)
        except BaseException as e:
            self.failure = e


@pytest.mark.seconds(180)
def test_clients_at_work_notice_nothing_of_five_restarts(line):
    line = line()
    with line.connect() as db:
        db.execute("CREATE TABLE t (a INT8)")
    stop = threading.Event()
    workers = [Worker(line, n, stop) for n in range(50)]
    for w in workers:
        w.start()
    for _ in range(5):
        before = [w.rounds for w in workers]
        line.take_over()
        wait_until(lambda: all(w.failure or w.rounds > b + 1 for w, b in zip(workers, before)), 40)
        assert not [w.failure for w in workers if w.failure], \
            [w.failure for w in workers if w.failure][:3]
    stop.set()
    for w in workers:
        w.join(30)
        assert not w.is_alive() and w.failure is None, w.failure
    with line.connect() as db:
        (count,) = db.execute("SELECT count(*) FROM t").fetchone()
        assert count == sum(w.rounds for w in workers)
    for w in workers:
        w.db.close()


@pytest.mark.seconds(120)
def test_asyncpg_clients_go_on(line):
    line = line()

    rounds_of = [0] * 20

    async def client(number, stop):
        db = await asyncpg.connect(**line.now.asyncpg(), server_settings={"DateStyle": "ISO, DMY"})
        statement = await db.prepare("SELECT $1::int8 AS same")
        while not stop.is_set():
            assert await statement.fetchval(number) == number
            rounds = rounds_of[number]
            assert await db.fetchval("SELECT $1::int8", rounds) == rounds
            rounds_of[number] += 1
            await asyncio.sleep(0.01)
        await db.close()

    async def each_has_a_round(clients):
        before = list(rounds_of)
        while any(now == was for now, was in zip(rounds_of, before)):
            for c in clients:
                if c.done():
                    await c
            await asyncio.sleep(0.01)

    async def main():
        stop = asyncio.Event()
        clients = [asyncio.create_task(client(n, stop)) for n in range(20)]
        loop = asyncio.get_running_loop()
        await each_has_a_round(clients)
        for _ in range(3):
            await loop.run_in_executor(None, line.take_over)
            await each_has_a_round(clients)
        stop.set()
        await asyncio.gather(*clients)

    asyncio.run(main())


def cancel_soon(db):
    timer = threading.Timer(1.0, db.cancel)
    timer.start()
    return timer


def test_the_old_cancel_key_works_in_the_new_process(line):
    line = line()
    with line.connect() as db:
        db.execute("SELECT 1")
        line.take_over()
        db.execute("SELECT 1")
        cancel_soon(db)
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(SLOW[line.kind])
        assert db.execute("SELECT 2").fetchone() == (2,)


def test_a_cancel_request_finds_its_client_in_the_old_process(line):
    line = line()
    with line.connect(autocommit=False) as db:
        db.execute("CREATE TABLE t (a INT8)")
        old = line.take_over(wait=False)
        cancel_soon(db)
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(SLOW[line.kind])
        assert old.running()
        db.rollback()
        assert old.wait(20) == 0


def test_a_transaction_is_finished_where_it_began_and_then_its_client_moves(line):
    line = line()
    with line.connect() as db:
        db.execute("CREATE TABLE t (a INT8)")
    db = line.connect(autocommit=False)
    idle = line.connect()
    db.execute("INSERT INTO t VALUES (1)")
    old = line.take_over(wait=False)
    assert idle.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert old.running()
    db.execute("INSERT INTO t VALUES (2)")
    db.commit()
    assert old.wait(20) == 0
    assert db.execute("SELECT count(*) FROM t").fetchone() == (2,)
    db.close()
    idle.close()


@pytest.mark.parametrize("line", ["sqlite"], indirect=True)
def test_a_write_waits_for_a_transaction_in_the_other_process(line):
    """SQLite's lock is then another process's, whose holder is waited for as at home."""
    line = line(**{"sqlite.busy_timeout": "100ms"})
    with line.connect() as db:
        db.execute("CREATE TABLE t (a INT8)")
    holder, waits = line.connect(autocommit=False), line.connect()
    holder.execute("INSERT INTO t VALUES (1)")
    old = line.take_over(wait=False)
    with console(line.now) as admin:
        wait_until(lambda: waits.execute("SELECT 1").fetchone() and "app" in
                   [c["database"] for c in rows(admin, "CLIENTS")])
    writer = threading.Thread(target=waits.execute, args=("INSERT INTO t VALUES (2)",))
    writer.start()
    writer.join(1)  # ten times busy_timeout
    assert writer.is_alive()
    holder.commit()
    writer.join(20)
    assert not writer.is_alive()
    assert old.wait(20) == 0
    assert waits.execute("SELECT count(*) FROM t").fetchone() == (2,)
    for db in (holder, waits):
        db.close()


def test_the_old_process_ends_when_its_last_client_has_left(line):
    line = line()
    db = line.connect(autocommit=False)
    db.execute("SELECT 1")
    old = line.take_over(wait=False)
    time.sleep(0.3)
    assert old.running()
    db.close()
    assert old.wait(20) == 0


def test_who_does_not_end_its_transaction_is_served_until_the_limit(line):
    line = line(**{"timeouts.restart": "2s", "timeouts.drain": "1s"})
    wire = Wire(line.now)
    wire.query("BEGIN")
    old = line.take_over(wait=False)
    wire.query("SELECT 1")
    assert error_fields(wire.to_end())["C"] == "57P01"
    assert old.wait(20) == 0


def test_sessions_keep_settings_and_prepared_statements(line):
    line = line()
    wire = Wire(line.now, options="-c DateStyle=ISO,\\ DMY")
    wire.query("SET application_name TO 'it''s'")
    wire.query("SET statement_timeout TO '77s'")
    wire.send(message(b"P", b"one\0SELECT $1::int8 + 1\0\0\x01\0\0\0\x14"),
              message(b"P", b"two\0SELECT 'two'\0\0\0"), message(b"S"))
    wire.until(b"Z")
    for _ in range(2):
        line.take_over()
        assert row(wire.query("SHOW application_name")).endswith(b"it's")
        assert row(wire.query("SHOW statement_timeout")).endswith((b"77s", b"77000"))
        wire.send(message(b"B", b"\0one\0\0\0\0\x01\0\0\0\x0241\0\0"), message(b"E", b"\0" * 5),
                  message(b"B", b"\0two\0\0\0\0\0\0\0"), message(b"E", b"\0" * 5), message(b"S"))
        got = [m for m in wire.until(b"Z") if m[0] != b"S"]
        assert kinds(got) == "2DC2DCZ", got
        assert got[1][1].endswith(b"42") and got[4][1].endswith(b"two")
    wire.close()


def test_half_a_message_goes_along(line):
    line = line()
    wire = Wire(line.now)
    whole = message(b"Q", b"SELECT 12345\0")
    for cut in range(1, len(whole)):
        if cut in (1, 4, 5, 9, len(whole) - 1):
            wire.send(whole[:cut])
            time.sleep(0.1)
            line.take_over()
            wire.send(whole[cut:])
            assert row(wire.until(b"Z")).endswith(b"12345")
    wire.close()


def test_a_successor_that_cannot_start_changes_nothing(line):
    line = line()
    with line.connect() as db:
        (line.directory / "broken").write_text("listen: [")
        for more in (["-c", str(line.directory / "broken")], ["--listen", "/no/such/dir/s"],
                     ["--set", "workers=no"]):
            with pytest.raises(AssertionError):
                line.start(*more, "--takeover")
            line.all.pop()
            assert db.execute("SELECT 1").fetchone() == (1,)
            with line.connect() as another, line.connect(unix=True) as unix:
                assert another.execute("SELECT 2").fetchone() == (2,)
                assert unix.execute("SELECT 2").fetchone() == (2,)
        line.take_over()
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_successor_that_is_killed_leaves_the_rest_served(line):
    line = line()
    db = line.connect(autocommit=False)
    db.execute("SELECT 1")
    old = line.now
    for _ in range(3):
        successor = line.start("--takeover")
        line.all.pop()
        with old.connect() as new:
            new.execute("SELECT 1")
        successor.kill()
        wait_until(lambda: "successor is gone" in old.stderr())
        assert db.execute("SELECT 2").fetchone() == (2,)
        for unix in (False, True):
            with line.connect(unix=unix) as another:
                assert another.execute("SELECT 3").fetchone() == (3,)
    db.rollback()
    line.take_over()
    assert db.execute("SELECT 4").fetchone() == (4,)
    db.close()


def test_a_stopped_successor_takes_the_old_process_with_it(line):
    line = line(**{"timeouts.drain": "1s"})
    db = line.connect(autocommit=False)
    db.execute("SELECT 1")
    old = line.take_over(wait=False)
    line.now.terminate()
    assert line.now.wait(20) == 0
    assert old.wait(20) == 0
    db.close()


def row(messages):
    return next(body for kind, body in messages if kind == b"D")


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", ["signal", "console"])
def test_it_starts_its_successor_itself(weir, tmp_path, how):
    gateway = weir(f"sqlite:{tmp_path / 'app.db'}")
    db = gateway.connect()
    process = gateway.process
    if how == "signal":
        process.send_signal(signal.SIGUSR2)
    else:
        with gateway.connect(dbname="weir") as console:
            console.execute("RESTART")
    line = process.stdout.readline()
    assert line == f"weir: ready listen=127.0.0.1:{gateway.port} admin={gateway.admin}\n"
    assert process.wait(30) == 0
    pid = int(re.search(r"started a successor.*successor=(\d+)", gateway.stderr())[1])
    try:
        assert db.execute("SELECT 5").fetchone() == (5,)
        with gateway.connect() as another:
            assert another.execute("SELECT 6").fetchone() == (6,)
        db.close()
    finally:
        os.kill(pid, signal.SIGTERM)
        gateway.process.stdout.close()
        gateway.process = None
        wait_until(lambda: gone(pid))


def test_a_client_over_tls_stays_until_it_leaves(tmp_path, bounded_time):
    cert, key = Authority(tmp_path).issue("weir", "localhost", "DNS:localhost,IP:127.0.0.1")
    line = Line(tmp_path, f"sqlite:{tmp_path / 'app.db'}", {"tls.cert": cert, "tls.key": key})
    line.kind = "sqlite"
    secret = line.connect(sslmode="require")
    plain = line.connect(sslmode="disable")
    secret.execute("SELECT 1")
    old = line.take_over(wait=False)
    wait_until(lambda: rows(console(line.now, sslmode="disable"), "CLIENTS"))
    assert plain.execute("SELECT 2").fetchone() == (2,)
    assert secret.execute("SELECT 3").fetchone() == (3,)
    cancel_soon(secret)
    with pytest.raises(psycopg.errors.QueryCanceled):
        secret.execute(SLOW["sqlite"])
    line.take_over(wait=False)  # a third generation: what is in the first one is still reached
    cancel_soon(secret)
    with pytest.raises(psycopg.errors.QueryCanceled):
        secret.execute(SLOW["sqlite"])
    assert old.running()
    secret.close()
    assert old.wait(20) == 0
    assert line.all[1].wait(20) == 0
    assert plain.execute("SELECT 4").fetchone() == (4,)
    plain.close()
    line.stop()


def test_the_service_manager_is_told(weir, tmp_path):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(20)

    def told(what):
        while True:
            lines = manager.recv(4096).decode().splitlines()
            if any(line.startswith(what) for line in lines):
                return lines

    gateway = weir(f"sqlite:{tmp_path / 'app.db'}",
                   environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert f"MAINPID={gateway.pid}" in told("READY=1")
    gateway.process.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in told("RELOADING=1"))
    told("READY=1")
    gateway.process.send_signal(signal.SIGUSR2)
    (successor,) = [int(line[8:]) for line in told("MAINPID=") if line.startswith("MAINPID=")]
    assert successor != gateway.pid
    assert gateway.process.wait(20) == 0
    os.kill(successor, signal.SIGTERM)
    told("STOPPING=1")
    wait_until(lambda: gone(successor))
    gateway.process.stdout.close()
    gateway.process = None
    manager.close()


def test_only_its_own_user_may_take_over(line):
    line = line()
    assert line.door.stat().st_mode & 0o777 == 0o600
