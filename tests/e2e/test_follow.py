"""Following a PostgreSQL server's changes: the visible position, heartbeats, what rows become, and
what happens when servers, slots, publications and rights come and go (proofs: position and time 1
to 13, what reaches the slots 14 to 24; HAZARDS, caching 13 and 18).

tests/unit/backend/follow_watch.c is the follower with nothing around it: it prints what it tells.
"""

import pathlib
import queue
import re
import signal
import subprocess
import threading
import time

import pytest

from support import BINARY, SECONDS, Postgres, clean_environment, console, rows, wait_until

WATCH = pathlib.Path(BINARY).absolute().parent / "tests/unit/backend/follow_watch"
LIMIT = 30.0

if not WATCH.exists():
    pytest.skip(f"{WATCH} is not built", allow_module_level=True)


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class Watch:
    """A follower as a process; `events` is all it told, as lists of words."""

    def __init__(self, server, dbname, user="postgres", password=None, to=None):
        command = [WATCH, to or f"127.0.0.1:{server.port}", dbname, user]
        self.process = subprocess.Popen(
            command + ([password] if password else []), text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
        self.lines = queue.Queue()
        self.events = []
        self.ids = {}
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def drain(self):
        while not self.lines.empty():
            self.events.append(self.lines.get().split(" "))

    def until(self, word, *, where=lambda event: True, since=0, seconds=LIMIT):
        """The first event of that word from number `since` on."""
        found = []

        def look():
            self.drain()
            found[:] = [e for e in self.events[since:] if e[0] == word and where(e)]
            return bool(found)

        wait_until(look, seconds)
        return found[0]

    def mark(self):
        self.drain()
        return len(self.events)

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def track(self, relation, column):
        since = self.mark()
        self.say(f"track {relation} {column}")
        _, self.ids[relation], self.ids[f"{relation}.{column}"] = self.until("tracking",
                                                                             since=since)
        self.say("hurry")
        self.until("confirmed", since=since)
        return self.ids[relation], self.ids[f"{relation}.{column}"]

    def why_not(self, pattern, since=0):
        return self.until("not", where=lambda e: re.search(pattern, " ".join(e)), since=since)

    def reach(self, position, since=0):
        self.say("hurry")
        return int(self.until("visible", where=lambda e: int(e[1]) >= position, since=since)[1])

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0, self.process.stderr.read()


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical", max_prepared_transactions="10",
                  max_replication_slots="8", max_wal_senders="8") as postgres:
        yield postgres


@pytest.fixture
def watch():
    started = []

    def make(*arguments, **more):
        started.append(Watch(*arguments, **more))
        return started[-1]

    yield make
    for w in started:
        w.stop()


@pytest.fixture
def db(server):
    """A connection to a database of its own with a table t and a publication of it."""
    name = server.database()
    with server.connect(name) as connection:
        connection.execute("CREATE TABLE t(id int PRIMARY KEY, k int, v text);"
                           "CREATE PUBLICATION weir FOR TABLE ONLY t")
        connection.name = name
        yield connection


def now(db):
    return lsn(db.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0])


def slots(db):
    return db.execute("SELECT slot_name FROM pg_replication_slots").fetchall()


# ---- positions and changes ----

def test_a_commit_is_changed_then_visible(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    relation, column = w.track("public.t", "id")
    since = w.mark()
    db.execute("INSERT INTO t VALUES (5, 1, 'x')")
    changed = w.until("changed", since=since)
    assert relation in changed[2:] and len(changed) == 4 and column not in changed[2:]
    visible = w.until("visible", since=w.events.index(changed))
    assert int(visible[1]) >= int(changed[1])
    assert int(visible[1]) <= now(db)


def test_rows_become_the_ids_of_old_and_new_values(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    relation, key = w.track("public.t", "k")

    def ids(sql):
        since = w.mark()
        db.execute(sql)
        return set(w.until("changed", since=since)[2:]) - {relation}

    five = ids("INSERT INTO t VALUES (1, 5, 'x')")
    six = ids("INSERT INTO t VALUES (2, 6, 'x')")
    assert len(five) == len(six) == 1 and five != six
    assert ids("UPDATE t SET k = 6 WHERE id = 1") == {key} | six  # the old one is not sent
    assert ids("DELETE FROM t WHERE id = 1") == {key}
    db.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    assert ids("UPDATE t SET k = 5 WHERE id = 2") >= five | six
    assert ids("UPDATE t SET v = 'y' WHERE id = 2") == five
    assert ids("DELETE FROM t") == five
    assert ids("TRUNCATE t") == {key}
    assert ids("INSERT INTO t VALUES (3, NULL, 'x')") == set()


def test_partitions_report_as_their_ancestors_too(server, db, watch):
    db.execute("CREATE TABLE root(id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);"
               "CREATE TABLE middle PARTITION OF root FOR VALUES IN (1, 2) PARTITION BY LIST (k);"
               "CREATE TABLE leaf1 PARTITION OF middle FOR VALUES IN (1);"
               "CREATE TABLE leaf2 PARTITION OF middle FOR VALUES IN (2);"
               "ALTER PUBLICATION weir ADD TABLE leaf1, leaf2")
    w = watch(server, db.name)
    w.until("following")
    root, root_k = w.track("public.root", "k")
    leaf, _ = w.track("public.leaf1", "k")
    middle, _ = w.track("public.middle", "id")
    since = w.mark()
    db.execute("INSERT INTO root VALUES (1, 1)")
    changed = w.until("changed", since=since)
    assert {root, leaf, middle} <= set(changed[2:])
    since = w.mark()
    db.execute("UPDATE root SET k = 2")  # from leaf1 to leaf2
    changed = w.until("changed", since=since)
    assert {root, leaf, middle} <= set(changed[2:])
    since = w.mark()
    db.execute("TRUNCATE root")
    assert root_k in w.until("changed", since=since)[2:]


# HAZARDS 7: two-phase commit is decoded where it is committed.
def test_a_prepared_transaction_is_visible_when_it_is_committed(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    relation, _ = w.track("public.t", "id")
    since = w.mark()
    db.execute("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'two'")
    w.reach(now(db), since=since)
    assert not [e for e in w.events[since:] if e[0] == "changed"]
    before = now(db)
    db.execute("COMMIT PREPARED 'two'")
    changed = w.until("changed", since=since)
    assert int(changed[1]) > before and relation in changed
    w.reach(int(changed[1]), since=since)


def test_a_large_transaction_is_told_whole_and_in_bounds(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    relation, column = w.track("public.t", "id")
    since = w.mark()
    db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 100000) i")
    changed = w.until("changed", since=since, seconds=120)
    assert relation in changed and column in changed  # too many values: the column stands for them
    assert len(changed) < 70000
    w.reach(int(changed[1]), since=since)


# Proofs 1(b), 1(c): with many committers about one commit in a thousand comes before it is visible.
def test_what_is_told_to_be_visible_is_visible(server, db, watch):
    rows = 2000
    w = watch(server, db.name)
    w.until("following")
    w.track("public.t", "id")
    w.say(f"values public.t id {rows}")
    ids = {id: n + 1 for n, id in enumerate(w.until("values")[1:])}

    def write(first):
        with server.connect(db.name) as own:
            for n in range(first, rows + 1, 8):
                own.execute("INSERT INTO t VALUES (%s, 1)", (n,))

    writers = [threading.Thread(target=write, args=(i,)) for i in range(1, 9)]
    ends, looks, at = {}, 0, w.mark()
    for thread in writers:
        thread.start()
    while len(ends) < rows:
        w.drain()
        visible = 0
        for event in w.events[at:]:
            if event[0] == "changed":
                ends.update({ids[i]: int(event[1]) for i in event[2:] if i in ids})
            elif event[0] == "visible":
                visible = int(event[1])
        at = len(w.events)
        if visible:
            seen = {n for (n,) in db.execute("SELECT id FROM t")}
            unseen = [n for n, end in ends.items() if end <= visible and n not in seen]
            assert not unseen
            looks += 1
        time.sleep(0.001)
    for thread in writers:
        thread.join()
    assert looks > 5
    w.reach(max(ends.values()))


# Proofs 1(a): a committer that waits for a standby is in the stream and not in snapshots.
def test_a_commit_that_waits_for_a_standby_holds_the_position(watch):
    with Postgres(wal_level="logical") as own:
        with own.connect() as db, own.connect() as waiting:
            db.execute("CREATE TABLE t(id int PRIMARY KEY); CREATE PUBLICATION weir FOR TABLE t")
            w = watch(own, "postgres")
            w.until("following")
            db.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            db.execute("SELECT pg_reload_conf()")
            wait_until(lambda: waiting.execute("SHOW synchronous_standby_names").fetchone()[0])
            since = w.mark()
            thread = threading.Thread(
                target=lambda: waiting.execute("INSERT INTO t VALUES (1)"))
            thread.start()
            changed = w.until("changed", since=since)
            w.say("hurry")
            w.until("heard", since=w.events.index(changed))  # what changed is known all the same
            time.sleep(0.3)
            w.drain()
            assert not [e for e in w.events[since:]
                        if e[0] == "visible" and int(e[1]) >= int(changed[1])]
            assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 0
            db.execute("ALTER SYSTEM RESET synchronous_standby_names")
            db.execute("SELECT pg_reload_conf()")
            thread.join(30)
            w.reach(int(changed[1]), since=since)
            w.stop()
            w.stop = lambda: None


# Proofs 2.
def test_transactions_that_run_hold_a_new_slot_back(server, db, watch):
    with server.connect(db.name) as running:
        running.execute("BEGIN; INSERT INTO t VALUES (1)")
        w = watch(server, db.name)
        wait_until(lambda: slots(db))
        time.sleep(0.3)
        w.drain()
        assert not [e for e in w.events if e[0] == "visible"]
        running.execute("COMMIT")
        w.until("following")


# Proofs 2 as its own repair left it: the third transaction commits before the slot's start and is
# never streamed, waits for a standby, and has the id that is xmax of every snapshot.
def test_a_commit_from_before_the_slot_holds_the_position(watch):
    with Postgres(wal_level="logical") as own:
        with (own.connect() as db, own.connect() as first, own.connect() as second,
              own.connect() as third):
            db.execute("CREATE TABLE t(id int PRIMARY KEY); CREATE PUBLICATION weir FOR TABLE t")
            for connection in (first, second):
                connection.execute("SET synchronous_commit = local")
            first.execute("BEGIN; INSERT INTO t VALUES (1)")
            w = watch(own, "postgres")
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type"
            wait_until(lambda: db.execute(waits + " = 'walsender'").fetchone())
            second.execute("BEGIN; INSERT INTO t VALUES (2)")
            db.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            db.execute("SELECT pg_reload_conf()")
            wait_until(lambda: third.execute("SHOW synchronous_standby_names").fetchone()[0])
            first.execute("COMMIT")
            time.sleep(1)  # the server looks who runs now: the second
            thread = threading.Thread(target=lambda: third.execute("INSERT INTO t VALUES (3)"))
            thread.start()
            wait_until(lambda: db.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event ="
                                          " 'SyncRep'").fetchone())
            second.execute("COMMIT")
            w.until("forgot")  # the slot is made
            time.sleep(0.5)
            w.drain()
            seen = db.execute("SELECT count(*) FROM t").fetchone()[0]
            assert seen == 2 and not [e for e in w.events if e[0] == "visible"]
            db.execute("ALTER SYSTEM RESET synchronous_standby_names")
            db.execute("SELECT pg_reload_conf()")
            thread.join(30)
            w.until("visible")
            assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 3
            w.drain()
            assert not [e for e in w.events if e[0] == "changed"]  # it was never streamed
            w.stop()
            w.stop = lambda: None


# Proofs 8, HAZARDS 18: asynchronous commits are visible before they are flushed and streamed.
def test_a_heartbeat_flushes_what_was_committed_before_it(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    w.until("heard")
    db.execute("SET synchronous_commit = off")
    since = w.mark()
    db.execute("INSERT INTO t VALUES (1, 1, 'x')")
    w.say("hurry")
    w.until("heard", since=since)
    words = [e[0] for e in w.events[since:]]
    assert "changed" in words[:words.index("heard")]


def test_nobody_s_cache_writes_no_wal(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    w.until("heard")
    for _ in range(5):  # what was on its way may still come on a busy machine
        before = w.mark()
        time.sleep(1.5)
        w.drain()
        if not [e for e in w.events[before:] if e[0] == "heard"]:
            break
    else:
        pytest.fail("it goes on")
    before = w.mark()
    w.say("want")
    w.until("heard", since=before)


# ---- what comes and goes ----

# Proofs 3.
def test_a_change_of_the_publication_begins_anew(server, db, watch):
    db.execute("CREATE TABLE n(id int PRIMARY KEY)")
    w = watch(server, db.name)
    w.until("following")
    with server.connect(db.name) as running:
        running.execute("BEGIN; INSERT INTO n VALUES (1)")
        since = w.mark()
        db.execute("ALTER PUBLICATION weir ADD TABLE n")
        w.say("want")
        w.why_not("publication has changed", since)
        running.execute("COMMIT")
    w.until("following", since=since)
    assert int(w.until("forgot", since=since)[1]) > 0
    since = w.mark()
    db.execute("INSERT INTO n VALUES (2)")
    w.until("changed", since=since)


def test_a_lost_publication_is_said_and_followed_again(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    since = w.mark()
    db.execute("DROP PUBLICATION weir")
    w.say("want")
    w.why_not('no publication "weir": run `weir setup`', since)
    db.execute("CREATE PUBLICATION weir FOR TABLE ONLY t")
    w.until("following", since=since)


def test_a_partition_that_is_attached_unheard_forgets_what_was_read(server, db, watch):
    db.execute("CREATE TABLE parent(id int)")
    w = watch(server, db.name)
    w.until("following")
    parent, _ = w.track("public.parent", "id")
    since = w.mark()
    db.execute("ALTER TABLE t INHERIT parent")
    w.say("want")
    w.until("forgot", since=since)
    since = w.mark()
    db.execute("INSERT INTO t VALUES (1)")
    assert parent in w.until("changed", since=since)


# HAZARDS 13, Shows 6: bounded here; `make soak` does a thousand.
def test_killed_followers_leave_no_slot_and_no_wal(server, db, watch):
    kills = 25 if SECONDS < 100 else 1000
    w = watch(server, db.name)
    w.until("following")
    newest = 0
    for number in range(kills):
        since = w.mark()
        db.execute("INSERT INTO t VALUES (%s, 1, repeat('x', 2000))", (number,))
        w.reach(now(db), since=since)
        killed = wait_until(lambda: db.execute("SELECT pg_terminate_backend(active_pid) FROM"
                                               " pg_replication_slots").fetchone())
        assert killed[0]
        w.until("not", since=since)
        w.until("following", since=since)
        w.drain()
        forgot = int(w.until("forgot", since=since)[1])
        assert forgot > newest  # the floor is past all that was visible
        newest = max([newest] + [int(e[1]) for e in w.events[since:] if e[0] == "visible"])
    assert len(slots(db)) == 1
    w.stop()
    w.stop = lambda: None
    wait_until(lambda: not slots(db))
    db.execute("CHECKPOINT")
    assert db.execute("SELECT count(*) FROM pg_ls_waldir()").fetchone()[0] <= 6


def test_a_follower_that_is_killed_leaves_no_slot(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    assert len(slots(db)) == 1
    w.process.kill()
    w.process.wait(30)
    w.stop = lambda: None
    wait_until(lambda: not slots(db))


def test_what_came_is_acknowledged(server, db, watch):
    w = watch(server, db.name)
    w.until("following")
    since = w.mark()
    db.execute("INSERT INTO t SELECT i, 1, repeat('x', 500) FROM generate_series(1, 5000) i")
    end = w.reach(now(db), since=since)

    def flushed():
        (at,) = db.execute("SELECT confirmed_flush_lsn FROM pg_replication_slots").fetchone()
        return lsn(at) >= end

    wait_until(flushed)


# Proofs 7: after a crash positions may come again.
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_restarts_is_followed_again(watch, how):
    with Postgres(wal_level="logical") as own:
        with own.connect() as db:
            db.execute("CREATE TABLE t(id int PRIMARY KEY); CREATE PUBLICATION weir FOR TABLE t")
        w = watch(own, "postgres")
        w.until("following")
        with own.connect() as db:
            w.reach(now(db))
        newest = max(int(e[1]) for e in w.events if e[0] == "visible")
        since = w.mark()
        own.stop(how)
        w.until("not", since=since)
        own.start()
        w.until("following", since=since)
        assert int(w.until("forgot", since=since)[1]) > newest
        with own.connect() as db:
            since = w.mark()
            db.execute("INSERT INTO t VALUES (1)")
            assert int(w.until("changed", since=since)[1]) > newest
            w.reach(now(db), since=since)
        w.stop()
        w.stop = lambda: None


# ---- a gateway ----

def test_a_gateway_follows_a_database_that_was_set_up(server, weir):
    name = server.database()
    with server.connect(name) as db:
        db.execute("CREATE TABLE t(id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
        gateway = weir(server.dsn(name))
        with gateway.connect() as client, console(gateway) as admin:
            wait_until(lambda: "no publication" in gateway.stderr())
            subprocess.run([BINARY, "setup", server.dsn(name)], check=True, capture_output=True,
                           timeout=60, env=clean_environment())
            wait_until(lambda: "changes are followed" in gateway.stderr(), 40)

            def ask():
                return client.execute("SELECT v FROM t WHERE id = 1").fetchone()[0]

            wait_until(lambda: ask() == "a" and rows(admin, "CACHE")[0]["hits"] > 2, every=0.05)
            db.execute("UPDATE t SET v = 'b'")  # around the gateway
            wait_until(lambda: ask() == "b")
            hits = rows(admin, "CACHE")[0]["hits"]
            wait_until(lambda: ask() == "b" and rows(admin, "CACHE")[0]["hits"] > hits, every=0.05)
        gateway.stop()
        wait_until(lambda: not slots(db))


# The pause between attempts grows up to 10 s; while others reach the server it is half a second.
@pytest.mark.seconds(120)
def test_who_reaches_the_server_has_it_followed_again_sooner(weir):
    own = Postgres(wal_level="logical", log_connections="on", log_min_messages="log")
    log = own.directory / "log"

    def attempts():
        return log.read_text().count("application_name=weir follower")

    try:
        own.start()
        gateway = weir(own.dsn("postgres"))  # there is no publication, so each attempt fails
        with gateway.connect() as client, console(gateway) as admin:
            client.execute("SELECT 1")
            wait_until(lambda: attempts() >= 6)
            made = attempts()
            for _ in range(60):
                admin.execute("RECONNECT")
                client.execute("SELECT 1")  # on a connection that is new
                if attempts() >= made + 6:
                    break
                time.sleep(0.3)
            assert attempts() >= made + 6
        gateway.stop()
    finally:
        own.remove()


# ---- what stands in the way ----

def test_wal_level_is_said(postgres, watch):
    w = watch(postgres, "postgres")
    w.why_not("wal_level must be logical")


def test_a_missing_right_is_said(server, db, watch):
    db.execute("CREATE ROLE nobody LOGIN")
    try:
        w = watch(server, db.name, user="nobody")
        w.why_not('ALTER ROLE "nobody" REPLICATION')
        db.execute("ALTER ROLE nobody REPLICATION")
        w.until("following")  # no superuser is needed
        w.say("want")
        w.until("heard")
        w.stop()
        w.stop = lambda: None
    finally:
        wait_until(lambda: not slots(db))
        db.execute("DROP ROLE nobody")


def test_slots_that_are_used_up_are_said(server, db, watch):
    for i in range(8):
        db.execute(f"SELECT pg_create_physical_replication_slot('used{i}')")
    try:
        w = watch(server, db.name)
        w.why_not("all replication slots are in use")
    finally:
        for i in range(8):
            db.execute(f"SELECT pg_drop_replication_slot('used{i}')")
    w.until("following")


def test_a_publication_that_is_not_whole_is_said(server, db, watch):
    db.execute("ALTER PUBLICATION weir SET (publish = 'insert')")
    w = watch(server, db.name)
    w.why_not("does not publish all operations")
    db.execute("ALTER PUBLICATION weir SET (publish = 'insert, update, delete, truncate')")
    w.until("following")


def test_a_server_that_is_not_there_is_said(server, watch):
    w = watch(server, "postgres", to="127.0.0.1:1")
    w.why_not("Connection refused")


def test_a_wrong_password_is_said_and_not_shown(server, watch):
    server.role("scram_user", "right")
    w = watch(server, "postgres", user="scram_user", password="wrong-secret")
    w.why_not("password authentication failed")
    assert "wrong-secret" not in str(w.events)
