#!/usr/bin/python3
"""Single situations, made on purpose, in which a rule of the cache decides what is given.

usage: scenes.py [--only SCENE] [--expect-violation] WEIR

With --expect-violation the gateway has a fault, which each scene that is played must show."""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE.parent / "checker"))

SCHEMA = """
CREATE TABLE t(id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0);
CREATE TABLE u(id int PRIMARY KEY, v int); INSERT INTO u VALUES (1, 0);
CREATE VIEW swung AS SELECT id, v FROM t;
CREATE TABLE wide(a int, b int, c int, d int, e int, f int, g int, v int, k int);
ALTER TABLE wide REPLICA IDENTITY FULL;
INSERT INTO wide VALUES (1, 1, 1, 1, 1, 1, 1, 0, 5);
GRANT SELECT ON t TO clerk
"""


class Stage:
    """A gateway on a fresh database; `around` goes past it."""

    def __init__(self, server, gateway, dbname):
        self.server, self.gateway, self.dbname = server, gateway, dbname

    def client(self):
        return self.gateway.connect(dbname=self.dbname, user="app", prepare_threshold=None)

    def is_hit(self, client, read):
        from coherence import hits_of

        before = hits_of(self.gateway)[0]
        client.execute(read).fetchall()
        return hits_of(self.gateway)[0] > before

    def warm(self, client, read):
        from support import wait_until

        wait_until(lambda: self.is_hit(client, read), 30, 0.1)

    def learn(self, client, write, read):
        """It is known that this write leaves what is read alone."""
        from support import wait_until

        def beside():
            client.execute(write)
            return self.is_hit(client, read)
        self.warm(client, read)
        wait_until(beside, 30, 0.1)

    @contextlib.contextmanager
    def deaf(self):
        """The gateway's stream stands still."""
        with self.server.connect(self.dbname) as around:
            (stream,) = around.execute("SELECT pid FROM pg_stat_replication").fetchone()
            os.kill(stream, signal.SIGSTOP)
            try:
                yield around
            finally:
                os.kill(stream, signal.SIGCONT)


# Each gives whether something wrong was given.

def asof(stage):
    """What is committed while a read runs is not in its answer, and is newer than it."""
    from support import wait_until

    short = "SELECT v FROM t WHERE id = 1"
    long = "SELECT v, (SELECT count(*) FROM generate_series(1, {})) FROM t WHERE id = 1"
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = %s AND backend_xmin IS NOT NULL"
    rows = 1_000_000
    with stage.client() as client, stage.client() as other, \
            stage.server.connect(stage.dbname) as around:
        stage.warm(client, long.format(1))
        for v in range(1, 8):  # until the change came while it ran
            read = long.format(rows + v)
            stage.warm(other, short)
            reader = threading.Thread(target=lambda r=read: client.execute(r).fetchall())
            reader.start()
            wait_until(lambda r=read: around.execute(running, (r,)).fetchone()[0], 60, 0.01)
            around.execute("UPDATE t SET v = %s WHERE id = 1", (v,))
            wait_until(lambda: other.execute(short).fetchone() == (v,), 60, 0.01)
            in_time = reader.is_alive()
            reader.join()
            if in_time:
                return client.execute(read).fetchone() != (v, rows + v)
            rows *= 4
        raise AssertionError("the read was always over before the change came")


def fence(stage):
    """An outcome is lost: until the stream has caught up nothing is taken from the cache."""
    import psycopg

    read, write = "SELECT v FROM t WHERE id = 2", "UPDATE t SET v = 1 WHERE id = 1"
    with stage.client() as reader, stage.client() as writer:
        stage.learn(reader, write, read)
        with stage.deaf() as around:
            assert stage.is_hit(reader, read)
            writer.execute("BEGIN")
            writer.execute(write)
            around.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = "
                           "'idle in transaction'")
            with contextlib.suppress(psycopg.Error):
                writer.execute("COMMIT")
                raise AssertionError("the outcome was not lost")
            return stage.is_hit(reader, read)


def refused(stage):
    """Who is refused sees why."""
    import psycopg

    read = "SELECT count(*) FROM t WHERE id = 3"
    with stage.client() as client:
        stage.learn(client, "INSERT INTO t VALUES (2, 0) ON CONFLICT DO NOTHING", read)
        with contextlib.suppress(psycopg.Error):  # its text is known, and that it leaves 3 alone
            client.execute("INSERT INTO t VALUES (1, 1)")
        stage.warm(client, read)
        with stage.deaf() as around:
            around.execute("INSERT INTO t VALUES (3, 0)")
            with contextlib.suppress(psycopg.Error):
                client.execute("INSERT INTO t VALUES (3, 1)")
                raise AssertionError("it was not refused")
            return client.execute(read).fetchone() == (0,)


def bound(stage):
    """What is older than the bound is not given."""
    read = "SELECT v FROM t WHERE id = 1"
    with stage.client() as client:
        stage.warm(client, read)
        with stage.deaf() as around:
            around.execute("UPDATE t SET v = 7 WHERE id = 1")
            time.sleep(1.5)
            return client.execute(read).fetchone() != (7,)


def transaction(stage):
    """Inside a transaction that has written, or keeps one snapshot, the server's own answers."""
    read = "SELECT v FROM t WHERE id = 1"
    with stage.client() as writer, stage.client() as keeper:
        stage.warm(writer, read)
        keeper.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        kept = keeper.execute("SELECT v FROM t WHERE id = 1 AND true").fetchone()
        writer.execute("BEGIN")
        writer.execute("UPDATE t SET v = 7 WHERE id = 1")
        own = writer.execute(read).fetchone()
        writer.execute("COMMIT")
        stage.warm(writer, read)
        return own != (7,) or keeper.execute(read).fetchone() != kept


def role(stage):
    """Who may not see it is refused, whoever was given it before."""
    import psycopg

    read = "SELECT v FROM t WHERE id = 1"
    with stage.client() as client:
        client.execute("SET ROLE clerk")
        stage.warm(client, read)
        client.execute("SET ROLE viewer")
        try:
            client.execute(read)
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True


def schema(stage):
    """What a name stands for now counts."""
    read = "SELECT v FROM swung WHERE id = 1"
    with stage.client() as client:
        stage.warm(client, read)
        client.execute("CREATE OR REPLACE VIEW swung AS SELECT id, v FROM u")
        stage.warm(client, read)
        for n in range(1, 4):
            client.execute(f"UPDATE u SET v = {n} WHERE id = 1")
            stage.warm(client, read)
        with stage.deaf():
            client.execute("UPDATE u SET v = 9 WHERE id = 1")
            return client.execute(read).fetchone() != (9,)


def tracked(stage):
    """A column is asked for (the first of an identity are by themselves) when a change of it has
    come already, and is not visible yet: its committer waits for a standby."""
    from support import wait_until

    read = "SELECT v FROM wide WHERE k = 5"
    set_standbys = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    with stage.client() as client, stage.server.connect(stage.dbname) as around, \
            stage.server.connect(stage.dbname) as writer:
        stage.warm(client, "SELECT v FROM t WHERE id = 1")
        try:
            around.execute(set_standbys.format("nobody"))
            around.execute("SELECT pg_reload_conf()")
            wait_until(lambda: around.execute("SHOW synchronous_standby_names").fetchone()[0])
            around.execute("SET synchronous_commit = local")
            thread = threading.Thread(
                target=lambda: writer.execute("UPDATE wide SET v = 7 WHERE k = 5"))
            thread.start()
            wait_until(lambda: around.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone()[0])
            (written,) = around.execute("SELECT pg_current_wal_insert_lsn()").fetchone()

            def received():
                around.execute("SELECT pg_logical_emit_message(true, 'nobody', '')")
                client.execute("SELECT v FROM t WHERE id = 1").fetchall()
                return around.execute("SELECT count(*) FROM pg_stat_replication WHERE "
                                      "flush_lsn > %s::pg_lsn", (written,)).fetchone()[0]
            wait_until(received, 60)
            for _ in range(20):
                assert client.execute(read).fetchone() == (0,)
                time.sleep(0.05)
        finally:
            around.execute(set_standbys.format(""))
            around.execute("SELECT pg_reload_conf()")
        thread.join()
        return client.execute(read).fetchone() != (7,)


SCENES = {f.__name__: f
          for f in (asof, fence, refused, bound, transaction, role, schema, tracked)}


def play(options, server, name):
    from support import Weir

    dbname = server.database()
    with server.connect() as db:
        db.execute(f"ALTER DATABASE {dbname} OWNER TO app")
    with server.connect(dbname, user="app") as db:
        db.execute(SCHEMA)
    subprocess.run([options.weir, "setup", server.dsn(dbname)], check=True, capture_output=True,
                   timeout=60)
    limit = "1s" if name == "bound" else "60s"
    with tempfile.TemporaryDirectory(prefix="weir-scene-") as directory:
        gateway = Weir(pathlib.Path(directory), [
            server.dsn(dbname, user="app"), "--set", f"cache.bound={limit}"]).start()
        try:
            return SCENES[name](Stage(server, gateway, dbname))
        finally:
            if options.expect_violation:
                gateway.kill()
            else:
                gateway.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=SCENES)
    parser.add_argument("--expect-violation", action="store_true")
    parser.add_argument("weir", type=os.path.abspath)
    options = parser.parse_args()
    os.environ["WEIR_BINARY"] = options.weir
    from support import Postgres

    server, wrong = Postgres(wal_level="logical"), 0
    try:
        server.start()
        with server.connect() as db:
            db.execute("CREATE ROLE app LOGIN REPLICATION; CREATE ROLE viewer; CREATE ROLE clerk;"
                       "GRANT viewer, clerk TO app")
        for name in [options.only] if options.only else SCENES:
            given = play(options, server, name)
            print(f"scenes: {name}: {'something wrong was given' if given else 'good'}")
            wrong += given != options.expect_violation
    finally:
        server.remove()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
