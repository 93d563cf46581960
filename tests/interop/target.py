"""What one run of a suite talks to: a fresh PostgreSQL server, either directly or through a Weir of
its own in its default configuration with a small pool."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import support  # noqa: E402

POOL_SIZE = 10
USER = "postgres"  # the cluster's superuser, which Weir's own connections use as well
SERVER_SETTINGS = """
max_prepared_transactions = 64
wal_level = logical
max_replication_slots = 10
log_min_messages = warning
"""


class Target:
    """`through` is False for the server itself. Started and stopped as a context."""

    def __init__(self, directory, through, suite):
        self.directory = directory
        self.through = through
        self.settings = SERVER_SETTINGS + suite.settings
        self.database = suite.database
        self.others = suite.others
        self.users = suite.users
        self.psql = suite.psql
        self.embedded = suite.embedded
        self.server = self.gateway = None

    def __enter__(self):
        try:
            self.server = support.Postgres()
            with (self.server.data / "postgresql.conf").open("a") as file:
                file.write(self.settings)
            self.server.start()
            self.prepare_database()
            if self.through:
                self.start_gateway()
        except BaseException:
            self.__exit__()
            raise
        return self

    def prepare_database(self):
        with self.server.connect() as db:
            db.execute(f"CREATE DATABASE {self.database} TEMPLATE template0")
        for statements in self.psql:
            support.psql(self.server.conninfo(self.database), "-q", "-v", "ON_ERROR_STOP=1", "-c",
                         statements)

    def start_gateway(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.embedded:
            self.gateway = support.Weir(self.directory, [f"sqlite:{self.directory}/interop.db"])
            self.gateway.start()
            return
        # One database alone is reached by every name; with others, names that are none are refused.
        configuration = self.directory / "weir.yaml"
        text = "databases:\n" + "".join(
            f"  {name}: {self.server.dsn(name)}\n" for name in (self.database, *self.others))
        if self.users:  # else every name is a user's, also where the server has none of it
            text += "auth:\n  rules:\n" + "".join(
                f"    - {{user: {name}, method: trust}}\n" for name in self.users)
        configuration.write_text(text)
        self.gateway = support.Weir(
            self.directory, ["-c", configuration, "--set", f"pool.max_size={POOL_SIZE}",
                             "--set", f"pool.min_size={POOL_SIZE}"])
        self.gateway.start()

    def __exit__(self, *_):
        try:
            if self.gateway:
                self.gateway.stop()
        finally:
            if self.server:
                self.server.remove()

    @property
    def name(self):
        return "weir" if self.through else "direct"

    @property
    def host(self):
        return "127.0.0.1"

    @property
    def port(self):
        return self.gateway.port if self.through else self.server.port

    def environment(self):
        """libpq's variables, and those of nobody else."""
        environment = support.clean_environment()
        del environment["PGCONNECT_TIMEOUT"]
        return {**environment, "PGHOST": self.host, "PGPORT": str(self.port),
                "PGUSER": USER, "PGDATABASE": self.database}

    def conninfo(self):
        return f"host={self.host} port={self.port} user={USER} dbname={self.database}"
