"""The competitors as processes: each on free loopback ports, ended by pid, measured from /proc."""

import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD") or ROOT / "build/release")
TICK = os.sysconf("SC_CLK_TCK")
POOL_SIZE = 8
USER, PASSWORD = "scrammed", "not much of a secret"  # where clients have to prove who they are
HBA = f"""host all {USER} 127.0.0.1/32 scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""


class Access:
    """How clients come in. With TLS, a key and certificate are made in the directory."""

    def __init__(self, scram=False, tls=False, directory=None):
        self.scram, self.tls = scram, tls
        self.key = self.peers_key = self.cert = None
        if tls:
            self.key, self.cert = directory / "bench.key", directory / "bench.crt"
            subprocess.run(["openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-newkey",
                            "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj",
                            "/CN=localhost", "-keyout", self.key, "-out", self.cert], check=True,
                           capture_output=True)
            self.key.chmod(0o600)
            self.peers_key = directory / "bench-peers.key"  # owned by whom they run as
            shutil.copy(self.key, self.peers_key)
            if os.geteuid() == 0:
                user = pwd.getpwnam("postgres")
                os.chown(self.peers_key, user.pw_uid, user.pw_gid)


TRUST = Access()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"bench: nobody listens on port {port}: {process.args[0]}")
            time.sleep(0.05)


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def environment():
    """PG* and WEIR_* of the caller must not leak into what is measured."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "WEIR_"))}
    return {**env, "LC_ALL": "C.UTF-8"}


def stat_fields(pid):
    """/proc/PID/stat from the third field on (proc(5)); the name may hold anything."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2:].split()


def cpu_of(pid, ended_children=False):
    """utime + stime of all threads (+ cutime + cstime), in seconds."""
    fields = stat_fields(pid)
    return sum(int(t) for t in fields[11:15 if ended_children else 13]) / TICK


def rss_of(pid, kind="VmRSS"):
    """Resident bytes; `RssAnon`: those that are of no file."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(kind + r":\s+(\d+) kB", text)[1]) * 1024


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(stat_fields(entry.name)[1]) == pid:
                    found.append(int(entry.name))
            except OSError:
                pass  # it ended meanwhile
    return found


class Server:
    """A process with a port. `cpu` is its own; PostgreSQL's includes its children's."""

    knows_prepared = True

    def __init__(self, name, command, port, unprivileged=False, **more):
        self.name, self.port = name, port
        if unprivileged and os.geteuid() == 0:
            command = [*as_postgres(), *command]
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                        env=environment(), **more)

    def ready(self):
        wait_for_port(self.port, self.process)
        return self

    def cpu(self):
        return cpu_of(self.process.pid)

    def rss(self):
        return rss_of(self.process.pid)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def as_postgres():
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


def give_to_postgres(directory):
    """All in it belongs to those who do not run as root."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in (directory, *directory.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


def workdir():
    path = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
    give_to_postgres(path)
    return path


class Family(Server):
    """A process with a process for each client: `cpu` is that of all of them."""

    def cpu(self):
        """A child that ends meanwhile moves into its parent's figure: then again."""
        while True:
            children = children_of(self.process.pid)
            try:
                total = sum(map(cpu_of, children))
                total += cpu_of(self.process.pid, ended_children=True)
            except OSError:
                continue
            if children_of(self.process.pid) == children:
                return total


class Postgres(Family):
    def __init__(self, directory, scale, **more):
        installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                           key=lambda p: float(p.parent.name))
        if not installed:
            raise SystemExit("bench: no PostgreSQL server is installed")
        self.bin, data = installed[-1], directory / "data"
        subprocess.run([*(as_postgres() if os.geteuid() == 0 else []), self.bin / "initdb", "-D",
                        data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8"],
                       check=True, stdout=subprocess.DEVNULL, cwd=directory, env=environment())
        (data / "pg_hba.conf").write_text(HBA)
        port = free_port()
        settings = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off",
                    "unix_socket_directories": directory, "max_connections": 400,
                    "shared_buffers": "512MB", "autovacuum": "off", "log_min_messages": "fatal",
                    **more}
        options = [o for k, v in settings.items() for o in ("-c", f"{k}={v}")]
        super().__init__("direct", [self.bin / "postgres", "-D", data, *options], port, True,
                         cwd=directory, stderr=(directory / "postgres.log").open("w"))
        self.ready()
        subprocess.run(["pgbench", "-q", "-i", "-I", "dtGvp", "-s", str(scale), *self.arguments()],
                       check=True, capture_output=True, env=environment())

    def sql(self, text):
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", text, *self.arguments()],
                       check=True, stdout=subprocess.DEVNULL, env=environment())

    def arguments(self, port=None):
        return ["-h", "127.0.0.1", "-p", str(port or self.port), "-U", "postgres", "postgres"]


def weir(directory, dsn, *options):
    port = free_port()
    return Server("Weir", [BUILD / "src/cli/weir", "serve", dsn, "--listen", f"127.0.0.1:{port}",
                           "--set", "admin.listen=off", "--set", "workers=1", *options], port,
                  cwd=directory, stdout=subprocess.DEVNULL,
                  stderr=(directory / "weir.log").open("a")).ready()


def weir_postgres(directory, postgres, access=TRUST, **more):
    options = {"pool.min_size": POOL_SIZE, "pool.max_size": POOL_SIZE, "limits.clients": 12000,
               **more}
    if access.scram:
        users = directory / "weir-users.txt"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        options |= {"auth.method": "scram", "auth.users_file": users}
    if access.tls:
        options |= {"tls.cert": access.cert, "tls.key": access.key}
    return weir(directory, f"postgres://postgres@127.0.0.1:{postgres.port}/postgres",
                *(word for key, value in options.items() for word in ("--set", f"{key}={value}")))


def relay(postgres):
    port = free_port()
    return Server("bare relay", [BUILD / "bench/bench_relay", port, postgres.port], port).ready()
