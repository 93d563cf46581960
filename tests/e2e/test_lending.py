"""Lending server connections: pool modes, limits over several pools, the reserve, timeouts,
who holds a connection for too long, servers that restart or play another role."""

import concurrent.futures
import contextlib
import os
import signal
import socket
import threading
import time

import psycopg
import pytest

from support import (Wire, console, error_fields, kinds, message, rows, wait_until)

USERS = "auth: {method: trust}\n"


def configured(weir, text, **more):
    return weir(config=USERS + text, **more)


def databases(postgres, names, pool="", extra=""):
    text = "databases:\n"
    for name, dbname in names.items():
        dsn = f"postgres://127.0.0.1:{postgres.port}/{dbname}"
        text += f"  {name}: {{dsn: \"{dsn}\"{', ' + extra if extra else ''}}}\n"
    return text + (f"pool: {{{pool}}}\n" if pool else "")


def server_count(postgres, dbname):
    with postgres.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
                          "AND pid <> pg_backend_pid()", (dbname,)).fetchone()[0]


def warm_up(gateway, *texts):
    """Until these are understood: a statement may pin its session before that."""
    with gateway.connect() as db, console(gateway) as admin:
        def unpinned():
            for text in texts:
                db.execute(text, (1,) if "%s" in text else None)
            return not any(c["pinned"] for c in rows(admin, "CLIENTS"))

        wait_until(unpinned)


# ---- pool modes ----

@pytest.fixture
def statements(weir, postgres):
    return weir(postgres.dsn(postgres.database()),
                settings={"pool.mode": "statement", "pool.min_size": "0", "pool.max_size": "1"})


def test_statement_pooling_refuses_a_transaction_and_says_what_to_do(statements):
    with statements.connect() as db:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="statement pooling") as e:
            db.execute("BEGIN")
        assert "pool.mode" in e.value.diag.message_hint
        assert db.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute("START TRANSACTION READ ONLY", prepare=True)
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute(b"SELECT 1; BEGIN; SELECT 2; COMMIT")
        with statements.connect() as other:  # the only connection is free
            assert other.execute("SELECT 2").fetchone() == (2,)


def test_statement_pooling_runs_pipelines_and_several_statements_in_one_text(statements):
    with statements.connect() as db:
        assert db.execute("SELECT 1; SELECT 2").fetchone() == (1,)
        with db.pipeline():
            got = [db.execute("SELECT %s::int", (i,)) for i in range(5)]
        assert [g.fetchone()[0] for g in got] == list(range(5))


def test_the_mode_of_a_user_goes_before_the_databases(weir, postgres):
    name = postgres.database()
    gateway = configured(weir, databases(postgres, {"app": name}, "max_size: 1, min_size: 0") +
                         "users: {postgres: {pool_mode: session, admin: true}}\n")
    with gateway.connect(user="postgres") as holder:
        holder.execute("CREATE TEMP TABLE mine (a int)")
        holder.execute("INSERT INTO mine VALUES (1)")
        assert holder.execute("SELECT * FROM mine").fetchone() == (1,)
        with console(gateway, user="postgres") as admin:
            (pool,) = [p for p in rows(admin, "POOLS") if p["user"] == "postgres"]
            assert pool["sv_active"] == 1  # it keeps its connection


# ---- limits ----

def two_users(postgres):
    with postgres.connect() as db:
        for name in ("ann", "bob"):
            with contextlib.suppress(psycopg.errors.DuplicateObject):
                db.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")


def test_a_databases_limit_is_over_all_its_users_and_idle_connections_make_room(weir, postgres):
    two_users(postgres)
    name = postgres.database()
    gateway = configured(weir, databases(postgres, {"app": name}, "max_size: 5, min_size: 0",
                                         "max_connections: 2"))
    with contextlib.ExitStack() as stack:
        ann = [stack.enter_context(gateway.connect(user="ann", autocommit=False)) for _ in range(2)]
        for db in ann:
            db.execute("SELECT 1")
        for db in ann:
            db.commit()  # two idle connections of ann's
        with gateway.connect(user="bob") as bob:
            assert bob.execute("SELECT current_user").fetchone() == ("bob",)
        assert server_count(postgres, name) <= 2


def test_a_busy_user_does_not_starve_another_at_the_limit(weir, postgres):
    two_users(postgres)
    name = postgres.database()
    gateway = configured(weir, databases(postgres, {"app": name}, "max_size: 5, min_size: 0",
                                         "max_connections: 1"))
    stop = threading.Event()

    def keep_busy():
        with gateway.connect(user="ann") as db:
            while not stop.is_set():
                db.execute("SELECT pg_sleep(0.01)")

    threads = [threading.Thread(target=keep_busy) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        with gateway.connect(user="bob") as bob:
            for _ in range(3):
                assert bob.execute("SELECT current_user").fetchone() == ("bob",)
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_the_limit_of_a_server_is_over_its_databases(weir, postgres):
    one, two = postgres.database(), postgres.database()
    gateway = configured(weir, databases(postgres, {"one": one, "two": two}) +
                         "limits: {server_connections: 1}\npool: {min_size: 0}\n")
    for _ in range(3):
        for name in ("one", "two"):
            with gateway.connect(dbname=name, user="postgres") as db:
                assert db.execute("SELECT 1").fetchone() == (1,)
    assert server_count(postgres, one) + server_count(postgres, two) <= 1


def test_the_wait_at_a_limit_ends_and_names_it(weir, postgres):
    two_users(postgres)
    gateway = configured(weir, databases(postgres, {"app": postgres.database()},
                                         "min_size: 0, acquire_timeout: 3s",
                                         "max_connections: 1"))
    with gateway.connect(user="ann", autocommit=False) as ann, gateway.connect(user="ann") as other:
        ann.execute("SELECT 1")
        with pytest.raises(psycopg.errors.TooManyConnections) as e:
            other.execute("SELECT 1")
        assert "databases.NAME.max_connections" in e.value.diag.message_hint


def test_a_server_that_takes_no_more_clients_is_waited_for(weir, postgres):
    with postgres.connect() as db, contextlib.suppress(psycopg.errors.DuplicateObject):
        db.execute("CREATE ROLE alone LOGIN CONNECTION LIMIT 1")
    gateway = configured(weir, databases(postgres, {"app": postgres.database()}, "min_size: 0"))
    with gateway.connect(user="alone", autocommit=False) as alone, \
            gateway.connect(user="alone") as other, console(gateway) as admin, \
            concurrent.futures.ThreadPoolExecutor() as threads:
        alone.execute("SELECT 1")
        waiting = threads.submit(lambda: other.execute("SELECT 2").fetchone())
        wait_until(lambda: any(int(p["open_failures"]) for p in rows(admin, "POOLS")))
        assert not waiting.done()
        alone.commit()
        assert waiting.result(20) == (2,)


def test_clients_of_a_user_and_of_a_database_are_limited(weir, postgres):
    gateway = configured(weir, databases(postgres, {"app": postgres.database()}, "min_size: 0",
                                         "max_clients: 2") +
                         "users: {postgres: {max_clients: 1, admin: true}}\n")
    with gateway.connect(user="postgres"):
        with pytest.raises(psycopg.OperationalError, match="too many clients of user"):
            gateway.connect(user="postgres")
        two_users(postgres)
        with gateway.connect(user="ann"):
            with pytest.raises(psycopg.OperationalError, match="too many clients of database"):
                gateway.connect(user="ann")

    def is_let_in():
        with contextlib.suppress(psycopg.OperationalError):
            gateway.connect(user="postgres").close()
            return True

    wait_until(is_let_in)  # places come back, a moment after who had them left


def test_the_reserve_opens_for_who_has_waited(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.min_size": "0", "pool.max_size": "1", "pool.reserve_size": "1",
                             "pool.reserve_timeout": "200ms", "pool.acquire_timeout": "20s"})
    with gateway.connect(autocommit=False) as holder, gateway.connect() as other:
        holder.execute("SELECT 1")
        assert other.execute("SELECT 2").fetchone() == (2,)
        with gateway.connect(dbname="weir") as admin:
            wait_until(lambda: rows(admin, "POOLS")[0]["sv_idle"] == 0)  # not kept
            assert rows(admin, "DATABASES")[0]["reserve_pool"] == 1


def test_the_minimum_is_opened_at_start_where_the_user_is_known(weir, postgres):
    name = postgres.database()
    weir(postgres.dsn(name), settings={"pool.min_size": "2"})
    wait_until(lambda: server_count(postgres, name) == 2)


# ---- servers come and go (hazard 14) ----

def test_a_restart_of_the_server_between_transactions_is_not_seen(weir, own_postgres):
    gateway = weir(own_postgres.dsn("postgres"),
                   settings={"pool.min_size": "2", "pool.acquire_timeout": "30s",
                             "pool.reserve_size": "2"})
    with contextlib.ExitStack() as stack:
        warm_up(gateway, "SELECT %s::int")
        clients = [stack.enter_context(gateway.connect()) for _ in range(8)]
        for n in range(3):
            for db in clients:
                assert db.execute("SELECT %s::int", (n,)).fetchone() == (n,)
            own_postgres.stop()
            own_postgres.start()
        for db in clients:
            assert db.execute("SELECT 41 + 1").fetchone() == (42,)


def test_connections_that_the_server_ended_are_replaced_unseen(weir, postgres):
    name = postgres.database()
    gateway = weir(postgres.dsn(name), settings={"pool.min_size": "2"})
    warm_up(gateway, "SELECT %s::int")
    with gateway.connect() as db:
        for n in range(20):
            with postgres.connect() as admin:
                admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                              "WHERE datname = %s", (name,))  # and waits for them
            assert db.execute("SELECT %s::int", (n,)).fetchone() == (n,)


@pytest.fixture
def read_only_first(own_postgres, postgres):
    """A DSN of two hosts, the first of which takes no writes."""
    with own_postgres.connect() as db:
        db.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        db.execute("SELECT pg_reload_conf()")
    wait_until(lambda: own_postgres.connect().execute(
        "SHOW default_transaction_read_only").fetchone() == ("on",))
    return (f"postgres://postgres@127.0.0.1:{own_postgres.port},127.0.0.1:{postgres.port}"
            "/postgres?target_session_attrs=")


@pytest.mark.parametrize("target,found", [("read-write", 1), ("read-only", 0), ("any", 0),
                                          ("primary", 0), ("prefer-standby", 0)])
def test_a_server_that_is_wanted_is_found(weir, read_only_first, own_postgres, postgres, target,
                                          found):
    gateway = weir(read_only_first + target, settings={"pool.min_size": "0"})
    ports = [own_postgres.port, postgres.port]
    with gateway.connect() as db:
        got = db.execute("SELECT inet_server_port()").fetchone()[0]
        assert got == ports[found]


def test_that_no_server_is_what_is_wanted_is_said(weir, read_only_first):
    gateway = weir(read_only_first + "standby",
                   settings={"pool.min_size": "0", "pool.acquire_timeout": "1s"})
    with pytest.raises(psycopg.OperationalError, match="target_session_attrs"):
        gateway.connect().execute("SELECT 1")


def test_a_server_that_no_longer_takes_writes_is_left(weir, own_postgres, postgres):
    gateway = weir(f"postgres://postgres@127.0.0.1:{own_postgres.port},127.0.0.1:{postgres.port}"
                   "/postgres?target_session_attrs=read-write",
                   settings={"pool.min_size": "0", "pool.max_size": "1"})
    with gateway.connect() as db:
        assert db.execute("SELECT inet_server_port()").fetchone()[0] == own_postgres.port
        with own_postgres.connect() as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            for _ in range(1500):  # until the server has read its settings
                db.execute("CREATE TABLE IF NOT EXISTS failover (a int)")
                db.execute("DROP TABLE IF EXISTS failover")
                time.sleep(0.01)
        assert db.execute("SELECT inet_server_port()").fetchone()[0] == postgres.port


def test_hosts_are_balanced_at_random(weir, own_postgres, postgres):
    gateway = weir(f"postgres://postgres@127.0.0.1:{own_postgres.port},127.0.0.1:{postgres.port}"
                   "/postgres?load_balance_hosts=random", settings={"pool.min_size": "0",
                                                                   "pool.max_size": "20"})
    with contextlib.ExitStack() as stack:
        seen = set()
        for _ in range(20):
            db = stack.enter_context(gateway.connect(autocommit=False))
            seen.add(db.execute("SELECT inet_server_port()").fetchone()[0])
        assert seen == {own_postgres.port, postgres.port}


def test_names_are_resolved(weir, postgres):
    gateway = weir(f"postgres://postgres@localhost:{postgres.port}/postgres",
                   settings={"pool.dns_check": "10ms", "pool.min_size": "0"})
    with gateway.connect() as db:
        for n in range(30):
            assert db.execute("SELECT %s::int", (n,)).fetchone() == (n,)
            time.sleep(0.005)


# ---- timeouts ----

def test_a_transaction_that_lasts_too_long_is_ended(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()), settings={"timeouts.transaction": "400ms"})
    for _ in range(10):  # psycopg loses the words of an end that comes amid a statement
        with gateway.connect(autocommit=False) as db:
            with pytest.raises(psycopg.OperationalError) as e:
                for _ in range(100):  # never idle for long
                    db.execute("SELECT 1")
                    time.sleep(0.05)
        if "transaction took too long" in str(e.value):
            break
    else:
        pytest.fail(str(e.value))
    with gateway.connect() as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_does_not_read_is_ended_and_its_connection_freed(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"timeouts.client_write": "500ms", "pool.max_size": "1",
                             "pool.min_size": "0", "pool.acquire_timeout": "20s"})
    with Wire(gateway) as deaf, gateway.connect() as other:
        deaf.send(message(b"Q", b"SELECT repeat('x', 1000) FROM generate_series(1, 200000)\0"))
        time.sleep(0.2)
        assert other.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to stop a server's process")
def test_a_statement_that_does_not_heed_its_cancellation_loses_its_connection(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"timeouts.statement": "300ms", "timeouts.cancel": "600ms",
                             "pool.min_size": "0", "pool.max_size": "1"})
    warm_up(gateway, "SELECT pg_backend_pid()", "SELECT pg_sleep(0)")
    with gateway.connect() as db:
        pid = db.execute("SELECT pg_backend_pid()").fetchone()[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.errors.QueryCanceled, match="did not heed"):
                db.execute("SELECT pg_sleep(60)")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert db.execute("SELECT 1").fetchone() == (1,)


# ---- leaks ----

def holders(gateway):
    """Clients that were named; our own errands may be as slow on a busy machine."""
    return [x for x in gateway.stderr().splitlines()
            if "held for too long" in x and "client=" in x]


def test_who_holds_a_connection_for_too_long_is_named_without_literals(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()), settings={"pool.leak_after": "300ms"})
    with gateway.connect(autocommit=False, application_name="till") as db:
        db.execute("SELECT 'a secret', 4711")
        wait_until(lambda: holders(gateway))
        (line,) = holders(gateway)
        assert "till" in line and "idle in transaction" in line and "select" in line.lower()
        assert "secret" not in line and "4711" not in line
        db.commit()


def test_who_holds_a_connection_for_too_long_is_ended_if_asked_for(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.leak_after": "300ms", "pool.leak_action": "end"})
    db = gateway.connect(autocommit=False)
    db.execute("SELECT 1")
    wait_until(lambda: holders(gateway))
    with pytest.raises(psycopg.OperationalError, match="held for too long"):
        db.execute("SELECT 1")
    db.close()


# ---- hazard 16 ----

def crowded(weir, postgres, **settings):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.max_size": "1", "pool.min_size": "0",
                             "pool.acquire_timeout": "30s", **settings})
    warm_up(gateway, "SELECT 1", "SELECT pg_backend_pid()")
    return gateway


def test_hazard_16_a_client_that_leaves_while_it_waits_takes_nothing_along(weir, postgres):
    gateway = crowded(weir, postgres)
    with gateway.connect(autocommit=False) as holder, gateway.connect() as patient:
        holder.execute("SELECT 1")
        for _ in range(5):
            with Wire(gateway) as impatient:
                impatient.send(message(b"Q", b"SELECT 1\0"))
                with console(gateway) as admin:
                    wait_until(lambda: rows(admin, "POOLS")[0]["cl_waiting"] == 1)
        answer = []
        thread = threading.Thread(
            target=lambda: answer.append(patient.execute("SELECT 7").fetchone()))
        thread.start()
        holder.commit()
        thread.join(20)
        assert answer == [(7,)]


def test_hazard_16_pause_and_reload_with_waiters_do_not_hang(weir, postgres, tmp_path):
    text = databases(postgres, {"app": postgres.database()},
                     "max_size: 1, min_size: 0, acquire_timeout: 30s")
    gateway = configured(weir, text)
    with gateway.connect(user="postgres", autocommit=False) as holder, \
            gateway.connect(user="postgres") as waiter, console(gateway, user="postgres") as admin:
        holder.execute("SELECT 1")
        answer = []
        thread = threading.Thread(
            target=lambda: answer.append(waiter.execute("SELECT 7").fetchone()))
        thread.start()
        wait_until(lambda: rows(admin, "POOLS")[0]["cl_waiting"] == 1)
        threading.Timer(0.3, holder.commit).start()
        admin.execute("PAUSE")
        (tmp_path / "weir0.yaml").write_text(USERS + text.replace("max_size: 1", "max_size: 3"))
        admin.execute("RELOAD")
        wait_until(lambda: "configuration reloaded" in gateway.stderr())
        assert not answer
        admin.execute("RESUME")
        thread.join(20)
        assert answer == [(7,)]


def test_hazard_16_a_server_that_dies_while_it_is_handed_over(weir, postgres):
    gateway = crowded(weir, postgres)
    with postgres.connect() as admin, gateway.connect(autocommit=False) as holder, \
            gateway.connect() as waiter:
        pid = holder.execute("SELECT pg_backend_pid()").fetchone()[0]
        answer = []
        thread = threading.Thread(
            target=lambda: answer.append(waiter.execute("SELECT 7").fetchone()))
        thread.start()
        with console(gateway) as look:
            wait_until(lambda: rows(look, "POOLS")[0]["cl_waiting"] == 1)
        admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        thread.join(20)
        assert answer == [(7,)]
        with pytest.raises(psycopg.Error):
            holder.execute("SELECT 1")


def test_hazard_16_a_storm_of_logins_opens_few_connections_at_a_time(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()),
                   settings={"pool.max_size": "10", "pool.min_size": "0", "pool.max_opening": "2",
                             "pool.acquire_timeout": "30s"})
    got, most = [], [0]
    stop = threading.Event()

    def watch():
        with console(gateway) as admin:
            while not stop.is_set():
                for pool in rows(admin, "POOLS"):
                    most[0] = max(most[0], pool["sv_login"])

    def client(n):
        with gateway.connect() as db:
            got.append(db.execute("SELECT %s::int", (n,)).fetchone()[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(40)
    stop.set()
    watcher.join(10)
    assert sorted(got) == list(range(60)) and most[0] <= 2
