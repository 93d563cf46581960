"""What the end-to-end tests are made of: a gateway and a PostgreSQL server as processes, each on
ports of its own and ended by pid; psql and pgbench; the wire protocol by hand.

Everything waits for a bounded time only. WEIR_BINARY names the program under test."""

import contextlib
import itertools
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import psycopg

import cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("WEIR_BINARY") or str(ROOT / "build/release/weir")
RELEASE_BINARY = os.environ.get("WEIR_RELEASE_BINARY") or BINARY  # where many cases count
SECONDS = float(os.environ.get("WEIR_E2E_SECONDS", "8"))
REPORT = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:|Assertion .* failed")


def wait_until(what, seconds=45.0, every=0.02):
    """The first true value of `what`, which is asked until then."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(every)


def clean_environment():
    """PG* and WEIR_* of the caller must not leak into what is tested."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "WEIR_"))}
    return {**env, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "20"}


def console(gateway, **more):
    """The admin database."""
    return gateway.connect(dbname="weir", **more)


def rows(connection, report):
    cursor = connection.execute(f"SHOW {report}")
    names = [c.name for c in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


class Weir:
    """`weir serve` as a process."""

    def __init__(self, directory, arguments, environment=None):
        self.directory = directory
        self.arguments = [str(a) for a in arguments]
        self.environment = {**clean_environment(), **(environment or {})}
        self.process = None
        self.address = ["127.0.0.1", 0]
        self.admin = None
        self.log = directory / f"weir-{secrets.token_hex(4)}.log"

    def start(self, listen="127.0.0.1:0", ready_seconds=60, binary=BINARY):
        command = [binary, "serve", *self.arguments, "--listen", listen, "--admin", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.environment,
            stderr=self.log.open("ab"), cwd=self.directory, text=True)
        timer = threading.Timer(ready_seconds, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        found = re.fullmatch(r"weir: ready listen=(\S+):(\d+) admin=(\S+)\n", line)
        if not found:
            self.kill()
            raise AssertionError(f"no ready line but {line!r}; stderr: {self.stderr()}")
        self.address = [found[1], int(found[2])]
        self.admin = found[3]
        return self

    @property
    def port(self):
        return self.address[1]

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a crash would end it. The address stays for `start`."""
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()
        self.process = None

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=40):
        status = self.process.wait(seconds)
        self.process.stdout.close()
        self.process = None
        return status

    def stop(self):
        """SIGTERM, a clean end, and no complaint of a sanitizer."""
        if self.process is None:
            return
        self.terminate()
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there 40 s after SIGTERM: {self.stderr()[-2000:]}")
        text = self.stderr()
        report = REPORT.search(text)
        assert not report, text[max(0, report.start() - 500):][:6000]
        assert status == 0, f"exit {status}: {text[-4000:]}"

    def conninfo(self, dbname="app", user="weir", **more):
        return psycopg.conninfo.make_conninfo(
            host=self.address[0], port=self.port, dbname=dbname, user=user,
            **{"connect_timeout": 20, **more})

    def connect(self, autocommit=True, prepare_threshold=5, **more):
        connection = psycopg.connect(self.conninfo(**more), autocommit=autocommit)
        connection.prepare_threshold = prepare_threshold
        return connection

    def asyncpg(self, **more):
        """Arguments for asyncpg.connect and create_pool."""
        return {"host": self.address[0], "port": self.port, "user": "weir", "database": "app",
                "timeout": 20, "command_timeout": 60, **more}

    def psql(self, *arguments, stdin=None, check=True, seconds=60, **more):
        return psql(self.conninfo(**more), *arguments, stdin=stdin, check=check, seconds=seconds)


def psql(conninfo, *arguments, stdin=None, check=True, seconds=60):
    done = subprocess.run(["psql", "-X", "-A", "-t", conninfo, *arguments], input=stdin,
                          capture_output=True, text=True, timeout=seconds, env=clean_environment())
    assert not check or done.returncode == 0, done.stderr
    return done


def pgbench(conninfo, script, clients, seconds, *arguments):
    """pgbench with the script's text; the finished process."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        return subprocess.run(
            ["pgbench", "-n", "-f", file.name, "-c", str(clients), "-j", "2",
             "-T", str(int(seconds)), *arguments, conninfo],
            capture_output=True, text=True, timeout=seconds + 60, env=clean_environment())


PORTS = 4000  # of each process of a test run


def ports():
    """Below those that the kernel gives out by itself, so that nobody has one by chance between
    our look and a server's start; each process of a test run has a range of its own."""
    first = 12000 + PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 5)
    start = secrets.randbelow(PORTS)
    yield from (first + (start + i) % PORTS for i in itertools.count())


PORT = ports()


def free_port():
    for port in itertools.islice(PORT, PORTS):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port on 127.0.0.1")


# ---- PostgreSQL ----

HBA = """local all all trust
host all scram_user 127.0.0.1/32 scram-sha-256
host all md5_user 127.0.0.1/32 md5
host all plain_user 127.0.0.1/32 password
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


class Postgres:
    """A PostgreSQL server of our own; `start` and `stop` as often as wanted. `settings` are
    postgresql.conf's. `with` starts it, and removes it."""

    def __init__(self, **settings):
        self.make_place(settings)
        cluster.make(self)
        (self.data / "pg_hba.conf").write_text(HBA)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_):
        self.remove()

    def replica(self, name="standby", in_place_of=None):
        """A standby that streams from this server, which runs; `in_place_of` one that is stopped:
        on its port."""
        standby = object.__new__(Postgres)
        standby.make_place(self.settings)
        if in_place_of:
            standby.port = in_place_of.port
            in_place_of.remove()
        standby.run("pg_basebackup", "-D", standby.data, "-R", "-X", "stream", "-c", "fast",
                    "--no-sync", "-d", f"host=127.0.0.1 port={self.port} user=postgres "
                    f"application_name={name}")
        return standby

    def make_place(self, settings):
        self.settings = settings
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                          key=lambda p: float(p.parent.name))
        assert versions, "no PostgreSQL server is installed"
        self.bin = versions[-1]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-pg-", dir="/tmp"))
        self.data = self.directory / "data"
        self.port = free_port()
        self.process = None
        self.names = 0
        self.as_user = []
        if os.geteuid() == 0:  # the server refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                            "--clear-groups", "--"]

    def run(self, program, *arguments):
        done = subprocess.run([*self.as_user, self.bin / program, *arguments], timeout=120,
                              capture_output=True, text=True, cwd=self.directory,
                              env=clean_environment())
        assert done.returncode == 0, done.stderr

    def start(self, wait=True):
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "fsync": "off",
                    "unix_socket_directories": self.directory, "max_connections": "100",
                    "shared_buffers": "64MB", "log_min_messages": "fatal", **self.settings}
        options = [o for k, v in settings.items() for o in ("-c", f"{k}={v}")]
        self.process = subprocess.Popen(
            [*self.as_user, self.bin / "postgres", "-D", self.data, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=self.directory,
            stderr=(self.directory / "log").open("ab"), env=clean_environment())
        if wait:
            wait_until(self.ready, 60)
        return self

    def ready(self):
        assert self.process.poll() is None, (self.directory / "log").read_text()
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def stop(self, how=signal.SIGINT):
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process = None

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, dbname="postgres", **more):
        return psycopg.connect(self.conninfo(dbname, **more), autocommit=True)

    def conninfo(self, dbname="postgres", user="postgres", **more):
        return psycopg.conninfo.make_conninfo(host="127.0.0.1", port=self.port, dbname=dbname,
                                              user=user, connect_timeout=20, **more)

    def database(self):
        """The name of a new, empty database."""
        self.names += 1
        name = f"db{self.names}"
        with self.connect() as db:
            db.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return name

    def role(self, name, password, encryption="scram-sha-256"):
        with self.connect() as db:
            db.execute(f"SET password_encryption = '{encryption}'")
            db.execute(f"DROP ROLE IF EXISTS {name}")
            db.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{password}'")

    def dsn(self, dbname="postgres", user="postgres", password=None):
        secret = f":{password}" if password else ""
        return f"postgres://{user}{secret}@127.0.0.1:{self.port}/{dbname}"


# ---- a database behind a gateway, of either kind ----

class Served:
    """A gateway on an empty database."""

    def __init__(self, kind, gateway, server=None, dbname=None):
        self.kind = kind
        self.weir = gateway
        self.server = server
        self.dbname = dbname
        self.sqlite = kind == "sqlite"

    def serial(self):
        return "INTEGER PRIMARY KEY" if self.sqlite else "SERIAL PRIMARY KEY"


# ---- the wire, by hand ----

def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(version=196608, **parameters):
    pairs = {"user": "weir", "database": "app", **parameters}
    body = struct.pack("!I", version)
    for name, value in pairs.items():
        body += name.encode() + b"\0" + value.encode() + b"\0"
    return struct.pack("!I", len(body) + 5) + body + b"\0"


class Wire:
    """A client that sends what it is told."""

    def __init__(self, gateway, login=True, **parameters):
        self.socket = socket.create_connection(tuple(gateway.address), 20)
        self.socket.settimeout(30)
        self.bytes = b""
        if login:
            self.send(startup(**parameters))
            self.greeting = self.until(b"Z")

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def receive(self):
        """The next message as (type, body); None at the end of the stream."""
        while True:
            if len(self.bytes) >= 5:
                size = struct.unpack("!I", self.bytes[1:5])[0] + 1
                if len(self.bytes) >= size:
                    whole, self.bytes = self.bytes[:size], self.bytes[size:]
                    return whole[:1], whole[5:]
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.bytes += more

    def until(self, kind):
        """Messages up to and with the first of that type."""
        got = []
        while True:
            m = self.receive()
            assert m, f"the stream ended after {got}"
            got.append(m)
            if m[0] == kind:
                return got

    def to_end(self):
        got = []
        while m := self.receive():
            got.append(m)
        return got

    def query(self, sql):
        self.send(message(b"Q", sql.encode() + b"\0"))
        return self.until(b"Z")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def kinds(messages):
    return b"".join(m[0] for m in messages).decode()


def error_fields(messages):
    """The fields of the first ErrorResponse, by letter."""
    for kind, body in messages:
        if kind == b"E":
            return {part[:1].decode(): part[1:].decode(errors="replace")
                    for part in body.split(b"\0") if part}
    raise AssertionError(f"no error among {messages}")


class Bystander:
    """A client that keeps asking while something bad happens to others, and must notice nothing."""

    def __init__(self, gateway, sql="SELECT %s::int8 * 2", slowest=None, **more):
        self.gateway, self.sql, self.more = gateway, sql, more
        self.stopped = threading.Event()
        self.count, self.failure = 0, None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            with self.gateway.connect(**self.more) as db:
                while not self.stopped.is_set():
                    (got,) = db.execute(self.sql, (self.count,)).fetchone()
                    assert got == self.count * 2
                    self.count += 1
                    time.sleep(0.002)
        except BaseException as e:  # told to the test's own thread
            self.failure = e

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.count > 2 or self.failure)
        return self

    def __exit__(self, *_):
        before = self.count
        if not self.failure:
            with contextlib.suppress(AssertionError):
                wait_until(lambda: self.count > before + 2 or self.failure, 10)
        self.stopped.set()
        self.thread.join(30)
        assert self.failure is None, f"a bystander failed: {self.failure!r}"
        assert not self.thread.is_alive() and self.count > before, "a bystander hangs"
