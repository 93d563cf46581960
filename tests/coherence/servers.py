"""The servers behind the coherence checker's gateways: a PostgreSQL and, where it is asked for, a
standby that commits wait for, a replica that answers reads; a Redis as the tier behind memory. What
the checker asks for on its control channel is done here."""

import contextlib
import os
import signal
import threading
import time

from support import Postgres, wait_until
from tiers import Redis

SLOW_SECONDS = 0.7


class Servers:
    """`words`: the checker's disturbances. `primary` is the one that takes writes now."""

    def __init__(self, words, settings):
        self.words = words
        self.primary = Postgres(wal_level="logical", max_prepared_transactions="16",
                                max_wal_senders="20", max_replication_slots="20", **settings)
        self.standby = None
        self.reader = None  # a replica that answers reads
        self.turn = 0
        self.tier = Redis() if "tier" in words else None

    def start(self):
        self.primary.start()
        if self.tier:
            self.tier.start()
        if {"slow", "failover", "commits", "cancels"} & self.words:
            self.standby = self.primary.replica().start()
            self.synchronise()
        if "replica" in self.words:
            self.reader = self.primary.replica("reader").start()
        return self

    def remove(self):
        for server in (self.primary, self.standby, self.reader, self.tier):
            if server:
                server.remove()

    @property
    def all(self):
        """As the gateways' DSN has them, whoever is the primary."""
        return sorted([s for s in (self.primary, self.standby) if s], key=lambda s: s.port)

    def ports(self):
        return ",".join(str(s.port) for s in self.all)

    def dsn(self, dbname, user):
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in self.all)
        more = "?target_session_attrs=read-write" if self.standby else ""
        return f"postgres://{user}@{hosts}/{dbname}{more}"

    def synchronise(self):
        """Commits wait for the standby from now on."""
        with self.primary.connect() as db:
            wait_until(lambda: db.execute("SELECT count(*) FROM pg_stat_replication WHERE state = "
                                          "'streaming' AND application_name = 'standby'"
                                          ).fetchone()[0], 60)
            self.wait_for(db, "standby")

    @staticmethod
    def wait_for(db, names):
        db.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        db.execute("SELECT pg_reload_conf()")

    # ---- what may be asked for ----

    def slow(self):
        """Nothing arrives at the standby for a while."""
        self.hold(self.standby)

    def replica(self):
        """What answers reads replays nothing for a while, or receives nothing, or dies."""
        self.turn += 1
        if self.turn % 3 == 0:
            self.reader.stop(signal.SIGQUIT)
            self.reader.start()
        elif self.turn % 3 == 1:
            with self.reader.connect() as db:
                db.execute("SELECT pg_wal_replay_pause()")
                time.sleep(SLOW_SECONDS)
                db.execute("SELECT pg_wal_replay_resume()")
        else:
            self.hold(self.reader)

    @staticmethod
    def hold(standby):
        with standby.connect() as db:
            row = db.execute("SELECT pid FROM pg_stat_wal_receiver").fetchone()
        if not row:
            return
        os.kill(row[0], signal.SIGSTOP)
        try:
            time.sleep(SLOW_SECONDS)
        finally:
            os.kill(row[0], signal.SIGCONT)

    def again(self, how):
        self.primary.stop(how)
        self.primary.start()

    def restart(self):
        self.again(signal.SIGINT)

    def crash(self):
        self.again(signal.SIGQUIT)

    @staticmethod
    def catch_up(primary, standby):
        """What can be seen and has not reached the standby (after a crash while commits waited for
        it, or when whoever waited was ended) would be lost, which is no fault of a gateway's."""
        with primary.connect() as db:
            seen = db.execute("SELECT pg_current_wal_flush_lsn()").fetchone()[0]
        with standby.connect() as db:
            wait_until(lambda: db.execute("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn",
                                          [seen]).fetchone()[0], 60)

    def failover(self):
        """The primary dies, the standby takes its place, and another one takes the standby's."""
        old, new = self.primary, self.standby
        self.catch_up(old, new)
        old.stop(signal.SIGQUIT)
        with new.connect() as db:
            assert db.execute("SELECT pg_promote(true, 60)").fetchone()[0]
            self.wait_for(db, "")
        self.primary = new
        self.standby = new.replica(in_place_of=old).start()
        self.synchronise()

    def again_tier(self):
        self.tier.kill()
        time.sleep(0.3)
        self.tier.start()


class Control:
    """Reads commands from the checker and answers them, on a thread of its own."""

    def __init__(self, servers):
        self.servers = servers
        self.commands, self.to_checker = os.pipe()
        self.from_servers, self.answers = os.pipe()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def descriptors(self):
        """The checker's ends: what it reads, what it writes."""
        return self.from_servers, self.to_checker

    def handed_over(self):
        for fd in self.descriptors():
            os.close(fd)

    def run(self):
        actions = {"slow": self.servers.slow, "restart": self.servers.restart,
                   "crash": self.servers.crash, "failover": self.servers.failover,
                   "tier": self.servers.again_tier, "replica": self.servers.replica}
        with os.fdopen(self.commands) as lines, os.fdopen(self.answers, "w") as answers:
            for line in lines:
                try:
                    actions[line.strip()]()
                except Exception as e:
                    self.failure = e
                    return  # the end of the channel tells the checker
                with contextlib.suppress(BrokenPipeError):
                    answers.write("done\n")
                    answers.flush()

    def end(self):
        self.thread.join(120)
        if self.failure:
            raise self.failure
