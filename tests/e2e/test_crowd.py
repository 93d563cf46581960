"""A hundred concurrent users of a realistic mix are served over fewer than ten server connections,
and not one statement fails; what befalls the server or the configuration meanwhile costs at most
what was in flight on a server connection that died."""

import contextlib
import random
import threading

import psycopg
import pytest

from support import wait_until

USERS = 100


class User:
    """Logs in, works for a while in its own settings, leaves, comes again."""

    def __init__(self, gateway, number, stopped, **more):
        self.gateway, self.number, self.stopped, self.more = gateway, number, stopped, more
        self.random = random.Random(number)
        self.done, self.errors, self.broken = 0, [], []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stopped.is_set():
            try:
                with self.gateway.connect(application_name=f"user{self.number}",
                                          **self.more) as db:
                    self.visit(db)
            except Exception as e:  # told to the test's own thread
                self.broken.append(e)
                return

    def visit(self, db):
        for _ in range(self.random.randint(10, 60)):
            if self.stopped.is_set():
                return
            try:
                if self.random.random() < 0.5:
                    self.work(db)
                else:
                    db.execute("BEGIN")
                    self.work(db)
                    db.execute("COMMIT")
                self.done += 1
            except psycopg.Error as e:
                self.errors.append(e)
                if db.closed or not self.recovers(db):
                    return

    @staticmethod
    def recovers(db):
        with contextlib.suppress(psycopg.Error):
            db.execute("ROLLBACK")
            return True
        return False

    def work(self, db):
        what = self.random.random()
        if what < 0.6:
            key = self.random.randrange(1000)
            assert db.execute("SELECT v FROM items WHERE id = %s", (key,)).fetchone() is not None
        elif what < 0.75:
            db.execute("UPDATE items SET v = v + 1 WHERE id = %s", (self.random.randrange(1000),))
        elif what < 0.85:
            db.execute("INSERT INTO log (who) VALUES (%s)", (self.number,))
        elif what < 0.95:
            seen = db.execute("SHOW application_name").fetchone()
            assert seen == (f"user{self.number}",), seen
        else:
            db.execute("SET work_mem = '%dkB'" % (1001 + 2 * self.number))


@contextlib.contextmanager
def crowd(gateway, count=USERS, **more):
    stopped = threading.Event()
    users = [User(gateway, i, stopped, **more) for i in range(count)]
    for user in users:
        user.thread.start()
    try:
        wait_until(lambda: all(u.done or u.broken for u in users), 60)
        yield users
    finally:
        stopped.set()
        for user in users:
            user.thread.join(60)
    assert not any(u.thread.is_alive() for u in users), "a user hangs"
    assert [u.broken for u in users if u.broken] == []


def goes_on(users):
    marks = [u.done for u in users]
    wait_until(lambda: all(u.done > m + 2 for u, m in zip(users, marks)), 60)


def prepare(server, dbname):
    with server.connect(dbname) as db:
        db.execute("CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL); "
                   "INSERT INTO items SELECT g, 0 FROM generate_series(0, 999) g; "
                   "CREATE TABLE log (id serial PRIMARY KEY, who int)")


@pytest.mark.seconds(180)
def test_a_hundred_users_need_fewer_than_ten_server_connections_and_none_fails(weir, postgres):
    dbname = postgres.database()
    prepare(postgres, dbname)
    gateway = weir(postgres.dsn(dbname), settings={"pool.max_size": 8, "pool.max_pinned": 1})
    most = 0
    with crowd(gateway) as users, postgres.connect() as admin:
        for _ in range(20):
            goes_on(users[:10])
            (now,) = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
                                   "AND backend_type = 'client backend'", (dbname,)).fetchone()
            most = max(most, now)
        goes_on(users)
    assert [repr(e) for u in users for e in u.errors] == []
    assert 0 < most < 10


def of_a_lost_server(error):
    """Also a session that ended with its server, because what its SET had set was not yet read
    there; libpq forgets the SQLSTATE when the words and the end come in one read."""
    return (error.sqlstate in ("57P01", "57P02", "57P03", "08006", "25P02") or
            error.sqlstate is None and "The database server ended its connection" in str(error))


@pytest.mark.seconds(180)
def test_a_restart_of_the_server_costs_a_crowd_only_what_was_in_flight(weir, own_postgres):
    prepare(own_postgres, "postgres")
    gateway = weir(own_postgres.dsn("postgres"), settings={
        "pool.max_size": 8, "pool.acquire_timeout": "60s"})
    with crowd(gateway, 40) as users:
        before = sum(len(u.errors) for u in users)
        own_postgres.stop()
        own_postgres.start()
        goes_on(users)
    assert before == 0
    assert [repr(e) for u in users for e in u.errors if not of_a_lost_server(e)] == []
    # A server connection dies once, with one statement or transaction on it; who waited, waits on.
    lost = [u for u in users if u.errors]
    assert len(lost) <= 8 + 8, [repr(e) for u in lost for e in u.errors]
