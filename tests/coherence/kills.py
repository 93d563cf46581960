#!/usr/bin/python3
"""Kills what follows a server's changes, again and again, and looks what is left behind there.

usage: kills.py [--kills N] WEIR

While rows are written, the stream's backend, the control connection's, or the whole gateway is
ended, and following begins anew. Fails when a slot is left behind at the end, or when the server
keeps more of its log for Weir than it did before the first kill."""

import argparse
import os
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

SLACK = 256 * 1024  # bytes of log: a heartbeat and what this script writes itself
GATEWAY_EVERY = 25  # kills, of which one is of the gateway

SLOTS = "SELECT count(*) FROM pg_replication_slots"
RETAINED = """SELECT coalesce(max(pg_current_wal_lsn() - restart_lsn), 0)::int8
              FROM pg_replication_slots"""
FOLLOWED = """SELECT slot_name, s.active_pid, r.pid IS NOT NULL FROM pg_replication_slots s
              LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid AND r.state = 'streaming'"""
CONTROL = """SELECT pid FROM pg_stat_activity WHERE application_name = 'weir follower'
             AND backend_type = 'client backend'"""


class Figures:
    slots = retained = 0

    def look(self, db):
        self.slots = max(self.slots, db.execute(SLOTS).fetchone()[0])
        self.retained = max(self.retained, db.execute(RETAINED).fetchone()[0])


def streaming(db, but=None):
    """The slot that is followed now and its backend, other than that one."""
    for name, pid, streams in db.execute(FOLLOWED):
        if streams and name != but:
            return name, pid
    return None


def settled(db):
    """Bytes of log that are kept for slots, when the server has looked what is still needed."""
    from support import wait_until

    least = []

    def low():
        db.execute("INSERT INTO t DEFAULT VALUES")
        db.execute("CHECKPOINT")  # writes down who runs, from where slots may go on
        time.sleep(0.3)
        least.append(db.execute(RETAINED).fetchone()[0])
        return least[-1] <= SLACK
    wait_until(low, 60, 0.2)
    return least[-1]


def kill(db, gateway, number):
    name, pid = streaming(db)
    if number % GATEWAY_EVERY == 0:
        gateway.kill()
        gateway.start(listen=f"127.0.0.1:{gateway.port}")
    elif number % 3 == 0:
        for (control,) in db.execute(CONTROL).fetchall():
            db.execute("SELECT pg_terminate_backend(%s)", (control,))
    else:
        db.execute("SELECT pg_terminate_backend(%s)", (pid,))
    return name


def run(options, server, directory):
    from support import Weir, wait_until

    name = server.database()
    with server.connect(name) as db:
        db.execute("CREATE TABLE t(id serial PRIMARY KEY)")
        db.execute("CREATE PUBLICATION weir FOR TABLE t")
        gateway = Weir(directory, [server.dsn(name)]).start()
        figures = Figures()
        try:
            wait_until(lambda: streaming(db), 30)
            before = settled(db)
            began = time.monotonic()
            for number in range(1, options.kills + 1):
                gone = kill(db, gateway, number)
                db.execute("INSERT INTO t SELECT FROM generate_series(1, 100)")
                wait_until(lambda gone=gone: streaming(db, but=gone), 60)
                figures.look(db)
            took = time.monotonic() - began
            wait_until(lambda: db.execute(SLOTS).fetchone()[0] == 1, 30)
            after = settled(db)
            print(f"kills: {options.kills} in {took:.0f} s; slots at most {figures.slots}, at the "
                  f"end 1; log kept for them before {before}, at most {figures.retained}, at the "
                  f"end {after} bytes")
        finally:
            gateway.stop()
        wait_until(lambda: db.execute(SLOTS).fetchone()[0] == 0, 30)
        print("kills: without the gateway no slot is left")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("weir", type=os.path.abspath)
    options = parser.parse_args()
    os.environ["WEIR_BINARY"] = options.weir
    from support import Postgres

    server = Postgres(wal_level="logical")
    try:
        server.start()
        with tempfile.TemporaryDirectory(prefix="weir-kills-") as directory:
            run(options, server, pathlib.Path(directory))
    finally:
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
