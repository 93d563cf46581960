"""Whatever is wrong gets a clear error at the right place, and others notice nothing."""

import os
import random
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import threading
import time

import psycopg
import pytest

from support import (BINARY, Bystander, Weir, Wire, clean_environment, error_fields, free_port,
                     kinds, message, startup, wait_until)

HALVE = "SELECT CAST(%s AS INTEGER) * 2"


def guarded(served):
    """With a bystander that must get every answer."""
    with Bystander(served.weir, HALVE, prepare_threshold=0):
        yield served


@pytest.fixture
def busy(serve):
    yield from guarded(serve())


@pytest.fixture
def hasty(serve):
    """For those who do not log in; the others' logins take long where the machine is busy."""
    yield from guarded(serve({"timeouts.login": "2s"}))


def answer_to(gateway, *parts, login=True):
    """What the gateway says until it hangs up."""
    with Wire(gateway, login=login) as wire:
        try:
            wire.send(*parts)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return wire.to_end()


# ---- before the login ----

def test_random_bytes(busy):
    rng = random.Random(7)
    for n in range(200):
        noise = rng.randbytes(rng.choice([1, 3, 4, 5, 8, 100, 5000]))
        try:
            with socket.create_connection(tuple(busy.weir.address), 20) as s:
                s.sendall(noise)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(20)
                while s.recv(65536):
                    pass
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_startup_packets_with_every_kind_of_length(hasty):
    for size in (0, 1, 3, 4, 7, 10_001, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
        got = answer_to(hasty.weir, struct.pack("!I", size), b"\0\3\0\0user\0x\0\0", login=False)
        assert "Z" not in kinds(got)
        if got:
            assert error_fields(got)["C"] in ("08P01", "08006"), size


@pytest.mark.parametrize("what, sqlstate", [
    (startup(version=0x00020000), "0A000"),
    (startup(version=0x00040000), "0A000"),
    (startup(user=""), "28000"),
    (startup(replication="database"), "0A000"),
    (struct.pack("!II", 9, 196608) + b"x", "08P01"),
    (struct.pack("!II", 14, 196608) + b"user\0x", "08P01"),
], ids=["version 2", "version 4", "no user", "replication", "unterminated", "no value"])
def test_bad_startup_packets_are_told_why(busy, what, sqlstate):
    got = answer_to(busy.weir, what, login=False)
    fields = error_fields(got)
    assert fields["C"] == sqlstate and fields["S"] == "FATAL"


def test_a_terminate_before_the_startup_packet_is_answered_by_nothing(busy):
    assert answer_to(busy.weir, message(b"X"), login=False) == []


def test_half_a_startup_packet_then_silence(hasty):
    started = time.monotonic()
    got = answer_to(hasty.weir, startup()[:9], login=False)
    assert error_fields(got)["C"] == "08006" and "login took too long" in error_fields(got)["M"]
    assert 0.8 < time.monotonic() - started < 20


def test_silence(hasty):
    assert error_fields(answer_to(hasty.weir, b"", login=False))["C"] == "08006"


def test_plaintext_behind_an_ssl_request_is_an_attack(busy):
    for code in (80877103, 80877104):
        request = struct.pack("!II", 8, code)
        got = answer_to(busy.weir, request, startup(), message(b"Q", b"SELECT 1\0"), login=False)
        assert got == []
        with socket.create_connection(tuple(busy.weir.address), 20) as s:
            s.sendall(request)
            assert s.recv(10) == b"N"
            s.sendall(startup())
            assert s.recv(1) == b"R"


def test_cancel_requests_for_nobody(busy):
    for _ in range(100):
        pid, key = random.getrandbits(32), random.getrandbits(32)
        with socket.create_connection(tuple(busy.weir.address), 20) as s:
            s.sendall(struct.pack("!IIII", 16, 80877102, pid, key))
            assert s.recv(100) == b""


def test_a_wrong_database_is_named(weir, tmp_path):
    gateway = weir(config=f"databases:\n  one:\n    dsn: sqlite:{tmp_path}/1.db\n"
                          f"  two:\n    dsn: sqlite:{tmp_path}/2.db\n")
    with gateway.connect(dbname="one") as db:
        db.execute("CREATE TABLE only_in_one (a INTEGER)")
    with gateway.connect(dbname="two") as db, pytest.raises(psycopg.errors.UndefinedTable):
        db.execute("SELECT * FROM only_in_one")
    fields = error_fields(answer_to(gateway, startup(database="three"), login=False))
    assert fields["C"] == "3D000" and '"three"' in fields["M"] and fields["H"]


def test_too_many_clients(serve):
    served = serve({"limits.clients": 10})
    clients = [served.weir.connect() for _ in range(10)]
    fields = error_fields(answer_to(served.weir, startup(), login=False))
    assert fields["C"] == "53300" and "limits.clients" in fields["M"]
    assert all(db.execute("SELECT 1").fetchone() == (1,) for db in clients)
    clients.pop().close()

    def room():
        try:
            served.weir.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    wait_until(room, 10)


# ---- after the login ----

@pytest.mark.parametrize("bad, sqlstate", [
    (b"Q" + struct.pack("!I", 1 << 30) + b"SELECT", "54000"),
    (b"Q" + struct.pack("!I", 0xffffffff) + b"SELECT", None),
    (b"Q" + struct.pack("!I", 3), "08P01"),
    (b"\0" * 50, "08P01"),
    (b"\xff" + struct.pack("!I", 4), "08P01"),
    (message(b"Q", b"no end"), "08P01"),
    (message(b"P", b"\0"), "08P01"),
    (message(b"P", b"\0SELECT 1\0\xff\xff"), "08P01"),
    (message(b"B", b"\0\0\0\1"), "08P01"),
    (message(b"D", b"X\0"), "08P01"),
], ids=["1 GiB", "4 GiB", "short", "zeroes", "unknown type", "unterminated", "half a Parse",
        "types cut off", "half a Bind", "neither S nor P"])
def test_broken_messages_end_only_their_session(busy, bad, sqlstate):
    with Wire(busy.weir) as wire:
        wire.send(bad, message(b"S") if bad[:1] in b"PBD" else b"")
        got = wire.until(b"E")
        assert error_fields(got)["C"] in ((sqlstate, "26000") if sqlstate else ("08P01", "54000"))
        wire.send(message(b"X"))  # PostgreSQL itself forgives a bad body at Sync


def test_random_messages_after_the_login(busy):
    rng = random.Random(11)
    for n in range(150):
        with Wire(busy.weir) as wire:
            wire.socket.settimeout(20)
            try:
                for _ in range(rng.randrange(1, 8)):
                    wire.send(message(rng.choice([b"P", b"B", b"E", b"D", b"C", b"H", b"S", b"Q",
                                                  b"d", b"c", b"f", b"F", b"p"]),
                                      rng.randbytes(rng.choice([0, 1, 2, 6, 20]))))
                wire.send(message(b"S"), message(b"X"))
            except (BrokenPipeError, ConnectionResetError):
                pass
            wire.to_end()


def test_half_a_message_then_silence_holds_nothing_up(hasty):
    with Wire(hasty.weir) as wire:
        wire.send(message(b"Q", b"SELECT 1\0")[:9])
        time.sleep(2.5)  # longer than timeouts.login: it does not count any more
        wire.send(message(b"Q", b"SELECT 1\0")[9:])
        assert "D" in kinds(wire.until(b"Z"))


@pytest.mark.parametrize("sql", [
    "this is not SQL", "'", '"', "SELECT /*", "$x$", "SELECT 'a", "\\", "\x01\x02", ")" * 1000,
    "(" * 100_000, "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "SELECT " + "- " * 50_000 + "1", "SELECT " + "1+" * 50_000, "CASE " * 10_000,
    "SELECT " + "[" * 5000, "WITH " * 2000 + "SELECT 1",
], ids=lambda sql: repr(sql[:12]))
def test_what_is_no_sql_is_an_error_and_the_session_goes_on(busy, sql):
    with Wire(busy.weir) as wire:
        got = wire.query(sql)
        assert error_fields(got)["C"][:2] in ("42", "54", "22", "53"), error_fields(got)
        wire.send(message(b"P", b"\0" + sql.encode() + b"\0\0\0"), message(b"S"))
        assert error_fields(wire.until(b"Z"))["S"] == "ERROR"
        assert "D" in kinds(wire.query("SELECT 1"))


def test_a_long_sum_is_answered_or_refused(busy):
    with Wire(busy.weir) as wire:
        got = wire.query("SELECT " + "1+" * 3000 + "1")
        assert ("D" in kinds(got)) != ("E" in kinds(got))
        assert "D" in kinds(wire.query("SELECT 1"))


def test_empty_queries(busy):
    with Wire(busy.weir) as wire:
        for sql in ("", ";", " \n;;", "-- nothing", "/* nothing */"):
            assert kinds(wire.query(sql)) == "IZ", sql


def test_text_that_is_not_utf8(busy):
    with Wire(busy.weir) as wire:
        wire.send(message(b"Q", b"SELECT '\xff\xfe'\0"))
        assert error_fields(wire.until(b"Z"))["C"] == "22021"
        assert "D" in kinds(wire.query("SELECT 1"))


def test_a_statement_of_20_megabytes(busy):
    with busy.weir.connect() as db:
        text = "x" * 20_000_000
        assert db.execute(f"SELECT length('{text}')").fetchone() == (20_000_000,)


def test_a_message_over_the_limit(serve):
    served = serve({"limits.message_size": "1MiB"})
    with Bystander(served.weir, HALVE):
        got = answer_to(served.weir, message(b"Q", b"SELECT '" + b"x" * 2_000_000 + b"'\0"))
        fields = error_fields(got)
        assert fields["C"] == "54000" and "limits.message_size" in fields["M"]


def test_a_client_that_reads_nothing_holds_only_itself_up(busy):
    endless = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) "
               "SELECT n, 'some text to fill the buffers' FROM s LIMIT 3000000")
    with Wire(busy.weir) as wire:
        wire.send(message(b"Q", endless.encode() + b"\0"))
        time.sleep(1.5)
        status = (f"/proc/{busy.weir.pid}/status")
        peak = next(line for line in open(status) if line.startswith("VmRSS"))
        if "asan" not in BINARY:
            assert int(peak.split()[1]) < 300_000, peak


def test_a_client_that_sends_without_reading(busy):
    with Wire(busy.weir) as wire:
        wire.socket.settimeout(3)
        one = message(b"Q", b"SELECT '" + b"y" * 2000 + b"'\0")
        try:
            for _ in range(10_000):
                wire.send(one)
        except (TimeoutError, socket.timeout):
            pass  # pushed back: as it should be


# ---- at the start ----

def fails(tmp_path, *arguments, environment=None, user=None):
    """The end of a `weir serve` that cannot start."""
    command = [BINARY, "serve", *map(str, arguments), "--admin", "127.0.0.1:0"]
    if "--listen" not in arguments:
        command += ["--listen", "127.0.0.1:0"]
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, env={**clean_environment(), **(environment or {})})
    assert "ready" not in done.stdout and "Sanitizer" not in done.stderr, done.stderr
    return done


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = fails(tmp_path, "sqlite:a.db", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "address in use" in done.stderr and "--listen" in done.stderr


def test_missing_directory(tmp_path):
    done = fails(tmp_path, "sqlite:no/such/directory/a.db")
    assert done.returncode == 1 and "no/such/directory/a.db" in done.stderr
    assert not (tmp_path / "no").exists()


def test_a_directory_in_place_of_the_file(tmp_path):
    done = fails(tmp_path, f"sqlite:{tmp_path}")
    assert done.returncode == 1 and str(tmp_path) in done.stderr


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "bad.db").write_bytes(random.Random(3).randbytes(100_000))
    before = (tmp_path / "bad.db").read_bytes()
    done = fails(tmp_path, "sqlite:bad.db")
    assert done.returncode == 1
    assert "bad.db" in done.stderr and "not an SQLite database" in done.stderr
    assert (tmp_path / "bad.db").read_bytes() == before


def test_a_corrupt_page_is_an_error_of_who_reads_it(weir, tmp_path):
    file = tmp_path / "torn.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE good (a INTEGER)")
    db.execute("INSERT INTO good VALUES (1)")
    db.execute("CREATE TABLE bad (a TEXT)")
    db.executemany("INSERT INTO bad VALUES (?)", [("x" * 500,) for _ in range(2000)])
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bad'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.commit()
    db.close()
    with open(file, "r+b") as f:
        f.seek((root - 1) * size)
        f.write(b"\xee" * size)
    gateway = weir(f"sqlite:{file}")
    with Bystander(gateway, HALVE), gateway.connect() as db:
        with pytest.raises(psycopg.Error) as told:
            db.execute("SELECT count(a) FROM bad").fetchall()
        assert told.value.sqlstate == "XX001"
        assert db.execute("SELECT a FROM good").fetchone() == (1,)


def test_an_unreadable_file(tmp_path):
    if os.geteuid() != 0:
        user = None
    else:  # root reads everything: be somebody else
        user = 65534
        for path in (tmp_path, *list(tmp_path.parents)[:2]):
            path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    sqlite3.connect(tmp_path / "secret.db").execute("CREATE TABLE t (a)").connection.close()
    (tmp_path / "secret.db").chmod(0)
    if user and not os.access(BINARY, os.X_OK):
        pytest.skip("another user cannot run the program")
    done = fails(tmp_path, "sqlite:secret.db", user=user)
    assert done.returncode == 1 and "secret.db" in done.stderr


def test_a_read_only_file_can_be_read(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("another user is needed to be refused, and only root can become one")
    file = tmp_path / "fixed.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE t (a INTEGER)")
    db.execute("INSERT INTO t VALUES (5)")
    db.commit()
    db.close()
    file.chmod(0o444)
    for path in (tmp_path, *list(tmp_path.parents)[:2]):
        path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    gateway = Weir(tmp_path, ["sqlite:fixed.db"])
    # Either it says at the start that it cannot, or it reads and refuses to write with 25006.
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "serve",
               "sqlite:fixed.db", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    gateway.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=gateway.log.open("ab"), cwd=tmp_path, text=True,
                                       env=clean_environment())
    line = gateway.process.stdout.readline()
    if not line:
        assert gateway.wait() == 1 and "fixed.db" in gateway.stderr()
        return
    gateway.address = ["127.0.0.1", int(line.split("listen=")[1].split()[0].rsplit(":", 1)[1])]
    try:
        with gateway.connect() as db:
            assert db.execute("SELECT a FROM t").fetchone() == (5,)
            with pytest.raises(psycopg.Error) as told:
                db.execute("INSERT INTO t VALUES (6)")
            assert told.value.sqlstate == "25006"
            assert db.execute("SELECT a FROM t").fetchone() == (5,)
    finally:
        gateway.stop()


@pytest.mark.parametrize("text, line, words", [
    ("pool:\n  max_sizee: 5\n", 2, "nearest known key: pool.max_size"),
    ("pool:\n  max_size: many\n", 2, "pool.max_size"),
    ("pool:\n  acquire_timeout: 5 parsecs\n", 2, "pool.acquire_timeout"),
    ("listen: [\n", 2, ""),
    ("databases:\n  a:\n    dsn: nonsense\n", 3, "DSN"),
    ("listen: 0.0.0.0:0\n", 1, "authentication"),
])
def test_a_broken_configuration_names_file_and_line(tmp_path, text, line, words):
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    done = subprocess.run([BINARY, "serve", "-c", file], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, env=clean_environment())
    assert done.returncode == 2 and words in done.stderr
    assert f"broken.yaml:{line}:" in done.stderr, done.stderr


# ---- full disk ----

def test_a_full_disk_fails_the_statement_and_keeps_what_was_acknowledged(weir, tmp_path):
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk],
        capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("no small file system can be mounted here")
    try:
        gateway = weir(f"sqlite:{disk}/full.db")
        with gateway.connect() as db:
            db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
            count = 0
            with Bystander(gateway, HALVE):
                with pytest.raises(psycopg.Error) as told:
                    while count < 10_000:
                        db.execute("INSERT INTO t VALUES (%s, %s)", (count, "x" * 20_000))
                        count += 1
                assert told.value.sqlstate in ("53100", "58030"), told.value
            assert db.execute("SELECT count(*) FROM t").fetchone() == (count,)
            (disk / "full.db").stat()
        gateway.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# ---- the server behind ----

def test_a_server_that_is_down_and_comes_up(weir, own_postgres):
    own_postgres.stop()
    gateway = weir(own_postgres.dsn("postgres"), settings={
        "timeouts.connect": "1s", "pool.acquire_timeout": "2s"})
    started = time.monotonic()
    fields = error_fields(answer_to(gateway, startup(), login=False))
    assert fields["C"] == "08006" and fields["M"].startswith("weir: "), fields
    assert time.monotonic() - started < 20
    assert "cannot connect" in gateway.stderr()
    own_postgres.start()

    def works():
        try:
            with gateway.connect() as db:
                return db.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    wait_until(works, 20)
    with gateway.connect() as db:
        own_postgres.stop(signal.SIGINT)
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as told:
            db.execute("SELECT 1")
        # 57P03 where the last attempt met the server while it was shutting down
        assert told.value.sqlstate in ("08006", "57P01", "57P03")
        assert time.monotonic() - started < 20
        own_postgres.start()
        wait_until(lambda: answers(db), 20)


def answers(db):
    try:
        return db.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_server_that_accepts_and_says_nothing(weir):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(100)
        gateway = weir(f"postgres://u@127.0.0.1:{deaf.getsockname()[1]}/d",
                       settings={"timeouts.connect": "500ms", "pool.acquire_timeout": "2s"})
        started = time.monotonic()
        assert error_fields(answer_to(gateway, startup(), login=False))["C"] == "08006"
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("speech", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"R\0\0\0\x08\0\0\0\x63",
    b"R\xff\xff\xff\xff", b"Z\0\0\0\5I", b"E\0\0\0\4", b""], ids=lambda s: repr(s[:8]))
def test_a_server_that_speaks_nonsense(weir, speech):
    with socket.socket() as odd:
        odd.bind(("127.0.0.1", 0))
        odd.listen(100)

        def serve():
            while True:
                try:
                    s, _ = odd.accept()
                except OSError:
                    return
                with s:
                    s.recv(1000)
                    s.sendall(speech)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        gateway = weir(f"postgres://u@127.0.0.1:{odd.getsockname()[1]}/d",
                       settings={"timeouts.connect": "500ms", "pool.acquire_timeout": "2s"})
        fields = error_fields(answer_to(gateway, startup(), login=False))
        assert fields["C"][:2] == "08", fields
        odd.shutdown(socket.SHUT_RDWR)


def test_a_database_that_the_server_does_not_have(weir, postgres):
    gateway = weir(postgres.dsn("no_such_database"), settings={"pool.acquire_timeout": "3s"})
    started = time.monotonic()
    fields = error_fields(answer_to(gateway, startup(), login=False))
    assert 'database "no_such_database" does not exist' in fields["M"]
    assert time.monotonic() - started < 20


def test_a_pool_that_is_used_up(serve):
    served = serve({"pool.max_size": 1, "pool.min_size": 1, "pool.acquire_timeout": "500ms"})
    if served.sqlite:
        pytest.skip("SQLite's readers are lent for a statement, its writer has a queue")
    with served.weir.connect(autocommit=False) as holder, served.weir.connect() as waiter:
        holder.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError) as told:
            waiter.execute("SELECT 1")
        assert told.value.sqlstate == "53300"
        holder.rollback()
        assert waiter.execute("SELECT 1").fetchone() == (1,)


def test_the_port_of_nobody_is_refused_at_once(weir):
    gateway = weir(f"postgres://u@127.0.0.1:{free_port()}/d",
                   settings={"pool.acquire_timeout": "2s"})
    started = time.monotonic()
    fields = error_fields(answer_to(gateway, startup(), login=False))
    assert fields["C"] == "08006" and "refused" in fields["M"].lower(), fields
    assert time.monotonic() - started < 20
