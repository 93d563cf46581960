"""What an operator does while clients are served: DRAIN, RECONNECT, KILL, DISABLE, and reloads that
change pools, limits and databases under them."""

import threading

import psycopg
import pytest

from support import Bystander, console, rows, wait_until

TEXT = """auth: {{method: trust}}
users: {{postgres: {{admin: true}}}}
databases:
  one: {{dsn: "postgres://postgres@127.0.0.1:{port}/{one}"}}
{more}
pool: {{min_size: 0, max_size: {size}, mode: {mode}}}
"""


@pytest.fixture
def text(postgres):
    one, two = postgres.database(), postgres.database()
    two_line = f"  two: {{dsn: \"postgres://postgres@127.0.0.1:{postgres.port}/{two}\"}}"

    def make(size=5, mode="transaction", two=True):
        return TEXT.format(port=postgres.port, one=one, more=two_line if two else "", size=size,
                           mode=mode)
    return make


@pytest.fixture
def gateway(weir, text):
    return weir(config=text())


def admin_of(gateway):
    return console(gateway, user="postgres")


def connect(gateway, dbname="one", **more):
    return gateway.connect(dbname=dbname, user="postgres", **more)


def reload(gateway, tmp_path, text):
    before = gateway.stderr().count("configuration reloaded")
    (tmp_path / "weir0.yaml").write_text(text)
    with admin_of(gateway) as admin:
        admin.execute("RELOAD")
    wait_until(lambda: gateway.stderr().count("configuration reloaded") > before)


def database(admin, name):
    return next(d for d in rows(admin, "DATABASES") if d["name"] == name)


def test_drain_of_a_database_lets_transactions_end_and_refuses_new_work(gateway):
    with connect(gateway, autocommit=False) as busy, connect(gateway) as idle, \
            connect(gateway, "two") as other, admin_of(gateway) as admin, \
            admin_of(gateway) as look:
        busy.execute("SELECT 1")
        thread = threading.Thread(target=lambda: admin.execute("DRAIN one"))
        thread.start()
        wait_until(lambda: database(look, "one")["draining"] == 1)
        with pytest.raises(psycopg.errors.AdminShutdown, match="being drained"):
            idle.execute("SELECT 1")
        assert other.execute("SELECT 2").fetchone() == (2,)
        assert busy.execute("SELECT 3").fetchone() == (3,)
        assert thread.is_alive()
        busy.commit()
        thread.join(20)
        assert not thread.is_alive()
        look.execute("RESUME one")
        assert idle.execute("SELECT 4").fetchone() == (4,)


def test_reconnect_replaces_connections_and_wait_close_says_when(gateway):
    with connect(gateway) as db, connect(gateway, autocommit=False) as busy, \
            admin_of(gateway) as admin, admin_of(gateway) as look:
        busy.execute("SELECT 1")
        pid = db.execute("SELECT pg_backend_pid()").fetchone()
        admin.execute("RECONNECT one")
        wait_until(lambda: database(look, "one")["outdated"] == 1)  # the busy one
        assert [s["close_needed"] for s in rows(look, "SERVERS") if s["database"] == "one"] == [1]
        thread = threading.Thread(target=lambda: admin.execute("WAIT_CLOSE one"))
        thread.start()
        assert db.execute("SELECT pg_backend_pid()").fetchone() != pid
        assert thread.is_alive()
        busy.commit()
        thread.join(20)
        assert not thread.is_alive()


def test_a_disabled_database_keeps_its_clients_and_takes_no_new_ones(gateway):
    with connect(gateway) as db, admin_of(gateway) as admin:
        admin.execute("DISABLE one")
        assert database(admin, "one")["disabled"] == 1
        with pytest.raises(psycopg.OperationalError, match="takes no new clients"):
            connect(gateway)
        assert db.execute("SELECT 1").fetchone() == (1,)
        admin.execute("ENABLE one")
        connect(gateway).close()


def test_kill_ends_the_clients_of_a_database_and_pauses_it(gateway):
    with connect(gateway, "two") as other, admin_of(gateway) as admin:
        idle, busy = connect(gateway), connect(gateway)
        failed = []

        def sleep():
            try:
                busy.execute("SELECT pg_sleep(60)")
            except psycopg.OperationalError as e:
                failed.append(e)

        thread = threading.Thread(target=sleep)
        thread.start()
        wait_until(lambda: any(p["sv_active"] for p in rows(admin, "POOLS")))
        admin.execute("KILL one")
        thread.join(20)
        assert failed
        with pytest.raises(psycopg.OperationalError, match="administrator command"):
            idle.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
        assert database(admin, "one")["paused"] == 1
        admin.execute("RESUME one")
        with connect(gateway) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)
        idle.close()
        busy.close()


def test_kill_client_ends_the_one_that_is_meant(gateway):
    with connect(gateway, application_name="victim") as victim, connect(gateway) as other, \
            admin_of(gateway) as admin:
        (row,) = [c for c in rows(admin, "CLIENTS") if c["application_name"] == "victim"]
        admin.execute(f"KILL_CLIENT {row['id']}")
        with pytest.raises(psycopg.OperationalError, match="administrator command"):
            victim.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
        for wrong in ("999999999", "nobody"):
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                admin.execute(f"KILL_CLIENT {wrong}")


def test_what_a_client_holds_is_shown(gateway):
    with connect(gateway, autocommit=False, application_name="till") as db, \
            admin_of(gateway) as admin:
        db.execute("SELECT 'a secret'")
        (row,) = [c for c in rows(admin, "CLIENTS") if c["application_name"] == "till"]
        assert row["held_seconds"] >= 0 and row["pool_mode"] == "transaction"
        assert "select" in row["statement"].lower() and "secret" not in row["statement"]
        (row,) = [s for s in rows(admin, "SERVERS") if s["link"] == row["ptr"]]
        assert "select" in row["statement"].lower() and "secret" not in row["statement"]
        db.commit()


def test_a_smaller_pool_closes_idle_connections_at_once_and_busy_ones_at_their_end(
        gateway, text, tmp_path):
    clients = [connect(gateway, autocommit=False) for _ in range(4)]
    for db in clients:
        db.execute("SELECT 1")
    clients[0].commit()
    clients[1].commit()
    with admin_of(gateway) as admin:
        reload(gateway, tmp_path, text(size=1))

        def held():
            (pool,) = [p for p in rows(admin, "POOLS") if p["database"] == "one"]
            return pool["sv_active"], pool["sv_idle"]

        wait_until(lambda: held() == (2, 0))
        for db in clients:
            db.commit()
        wait_until(lambda: held() in ((0, 1), (0, 0)))
    for db in clients:
        assert db.execute("SELECT 1").fetchone() == (1,)
        db.commit()
        db.close()


def test_a_changed_mode_is_for_new_clients(gateway, text, tmp_path):
    with connect(gateway) as old:
        reload(gateway, tmp_path, text(mode="statement"))
        old.execute("BEGIN")
        old.execute("COMMIT")
        with connect(gateway) as new, pytest.raises(psycopg.errors.FeatureNotSupported):
            new.execute("BEGIN")


def test_a_database_is_added_and_removed_by_a_reload(weir, text, tmp_path):
    gateway = weir(config=text(two=False))
    with connect(gateway) as db, Bystander(gateway, dbname="one", user="postgres"):
        db.execute("SELECT 1")
        reload(gateway, tmp_path, text())
        assert db.execute("SELECT current_database()").fetchone()[0].startswith("db")
        first = db.execute("SELECT current_database()").fetchone()
        idle, busy = connect(gateway, "two"), connect(gateway, "two", autocommit=False)
        assert idle.execute("SELECT current_database()").fetchone() != first
        busy.execute("SELECT 1")
        reload(gateway, tmp_path, text(two=False))
        with pytest.raises(psycopg.OperationalError, match="taken out of the configuration"):
            idle.execute("SELECT 1")
        assert busy.execute("SELECT 2").fetchone() == (2,)
        busy.commit()
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 3")
        with connect(gateway, "anything") as other:  # an only database again
            assert other.execute("SELECT current_database()").fetchone() == first
        assert db.execute("SELECT 4").fetchone() == (4,)
        reload(gateway, tmp_path, text())  # and back once more
        with connect(gateway, "two") as two:
            assert two.execute("SELECT current_database()").fetchone() != first
        idle.close()
        busy.close()


def test_totals_and_averages_are_parts_of_the_statistics(gateway):
    with connect(gateway) as db, admin_of(gateway) as admin:
        db.execute("SELECT 1")
        whole = rows(admin, "STATS")[0]
        for report in ("STATS_TOTALS", "STATS_AVERAGES"):
            part = rows(admin, report)[0]
            assert set(part) < set(whole)
        assert whole["total_server_assignment_count"] >= 1
