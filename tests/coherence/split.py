#!/usr/bin/python3
"""Two primaries at once, told apart: after a failover a connection to the server before, which
still runs, is read on; nothing of that may be kept for those who read the one that is followed now.

usage: split.py [--expect-violation] WEIR"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE.parent / "checker"))

READ = "SELECT v FROM t WHERE id = 1"


def ask(connection):
    return connection.execute(READ).fetchone()[0]


def followed_on(server):
    with server.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
                          "application_name = 'weir follower'").fetchone()[0] > 0


def follow_the_new_one(old, new):
    """It is promoted beside the old one, which goes on."""
    from support import wait_until

    with new.connect() as db:
        assert db.execute("SELECT pg_promote(true, 60)").fetchone()[0]
    with old.connect() as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE "
                   "application_name = 'weir follower'")
    wait_until(lambda: followed_on(new), 30)


def warm(connection, gateway):
    """Until it is answered from memory, which says that changes are followed."""
    from coherence import hits_of
    from support import wait_until

    def hit():
        before = hits_of(gateway)[0]
        ask(connection)
        return hits_of(gateway)[0] > before
    wait_until(hit, 30, 0.1)


def run(options, old, new, directory):
    """True: a stale answer was given."""
    from support import Weir

    with old.connect() as db:
        db.execute("CREATE TABLE t(id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)")
    subprocess.run([options.weir, "setup", old.dsn()], check=True, capture_output=True, timeout=60)
    with new.connect() as db:  # it has them
        from support import wait_until
        wait_until(lambda: db.execute("SELECT to_regclass('t'), (SELECT count(*) FROM "
                                      "pg_publication)").fetchone()[1] == 1, 30)
    dsn = (f"postgres://postgres@127.0.0.1:{new.port},127.0.0.1:{old.port}/postgres"
           "?target_session_attrs=read-write")
    gateway = Weir(directory, [dsn, "--set", "cache.bound=5s", "--set", "workers=1"]).start()
    try:
        more = {"dbname": "postgres", "user": "postgres", "prepare_threshold": None}
        with gateway.connect(**more) as first, gateway.connect(**more) as second:
            warm(first, gateway)
            first.execute("BEGIN")  # holds a connection to the old one
            assert ask(first) == 0
            follow_the_new_one(old, new)
            with new.connect() as db:
                db.execute("UPDATE t SET v = 1 WHERE id = 1")
            with gateway.connect(**more) as third:
                warm_on_new(third, gateway)
                for _ in range(20):
                    ask(first)
                    if ask(second) != 1 or ask(third) != 1:
                        return True
                    with new.connect() as db:  # so that `first` does not find what the others read
                        db.execute("UPDATE t SET v = 1 WHERE id = 1")
                    time.sleep(0.1)
            first.execute("ROLLBACK")
    finally:
        gateway.stop()
    return False


def warm_on_new(connection, gateway):
    """Other rows: the schema is known again, and the new one is followed."""
    from coherence import hits_of
    from support import wait_until

    def hit():
        before = hits_of(gateway)[0]
        connection.execute("SELECT v FROM t WHERE id = 2").fetchone()
        return hits_of(gateway)[0] > before
    wait_until(hit, 30, 0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--expect-violation", action="store_true")
    parser.add_argument("weir", type=os.path.abspath)
    options = parser.parse_args()
    os.environ["WEIR_BINARY"] = options.weir
    from support import Postgres

    old, new = Postgres(wal_level="logical"), None
    try:
        old.start()
        new = old.replica().start()
        with tempfile.TemporaryDirectory(prefix="weir-split-") as directory:
            stale = run(options, old, new, pathlib.Path(directory))
    finally:
        for server in (old, new):
            if server:
                server.remove()
    print("split: a stale answer" if stale else "split: no stale answer")
    return 0 if stale == options.expect_violation else 1


if __name__ == "__main__":
    sys.exit(main())
