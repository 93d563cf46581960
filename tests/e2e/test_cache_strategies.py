"""What the cache does beyond giving what stands, where a rule or a hint declares it: answers given
stale while they are read anew or while the database does not answer, and reads ahead of expiry.
That it never happens without a declaration, and never beyond it, is shown with a clock of its own
in tests/unit/engine/test_strategy.c."""

import contextlib
import signal
import threading

import psycopg
import pytest

from followed import is_followed, set_up
from support import Postgres, console, rows, wait_until

ASK = "SELECT v FROM t WHERE id = 1"
WHILE = "/* weir: stale_while_revalidate=10m */ " + ASK
ERROR = "/* weir: stale_if_error=10m */ " + ASK

LONG = ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000) "
        "SELECT count(*) FROM c")


def strategies(gateway):
    with console(gateway) as c:
        return {r["strategy"]: r["count"] for r in rows(c, "CACHE_STRATEGIES")}


def hits(gateway):
    with console(gateway) as c:
        return rows(c, "CACHE")[0]["hits"]


def value(db, sql=ASK, params=None):
    return db.execute(sql, params, prepare=False).fetchone()[0]


def warm(gateway, run):
    def is_hit():
        before = hits(gateway)
        run()
        return hits(gateway) > before
    wait_until(is_hit)


def fill(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")


# ---- SQLite ----

@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/app.db", settings={"cache.bound": "60s"})


@pytest.mark.parametrize("sql, params", [(WHILE, None), (WHILE.replace("id = 1", "id = %s"), (1,))])
def test_others_get_the_old_answer_at_once_and_the_new_one_soon(gateway, sql, params):
    with gateway.connect() as db, gateway.connect() as writer:
        fill(db)
        warm(gateway, lambda: value(db, sql, params))
        assert strategies(gateway)["stale_while_revalidate"] == 0
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert value(db, sql, params) == "one"
        wait_until(lambda: value(db, sql, params) == "new")
        counts = strategies(gateway)
        assert counts["stale_while_revalidate"] >= 1
        assert counts["revalidated"] == counts["kept"] == 1
        assert counts["stale_if_error"] == counts["lost"] == counts["dropped"] == 0


def test_a_session_sees_its_own_write_whatever_is_declared(gateway):
    with gateway.connect() as db:
        fill(db)
        warm(gateway, lambda: value(db, WHILE))
        db.execute("UPDATE t SET v = 'mine' WHERE id = 1")
        assert value(db, WHILE) == "mine"
        assert strategies(gateway)["stale_while_revalidate"] == 0


def test_settings_of_the_session_hold_in_the_background(gateway):
    with gateway.connect() as db, gateway.connect() as writer:
        fill(db)
        db.execute("SET timezone TO 'Asia/Tokyo'")
        db.execute("SET extra_float_digits TO 0")
        warm(gateway, lambda: value(db, WHILE))
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert value(db, WHILE) == "one"
        wait_until(lambda: value(db, WHILE) == "new")
        assert strategies(gateway)["kept"] == 1


def test_values_of_every_type_are_asked_for_again(gateway):
    sql = ("/* weir: stale_while_revalidate=10m */ SELECT v FROM t WHERE id = %s "
           "AND %s::text = 'x' AND %b IS NOT NULL AND %s::real > 0.5 AND %s::text IS NULL")
    params = (1, "x", b"\0\1", 0.75, None)
    with gateway.connect() as db, gateway.connect() as writer:
        fill(db)
        warm(gateway, lambda: value(db, sql, params))
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert value(db, sql, params) == "one"
        wait_until(lambda: value(db, sql, params) == "new")
        assert strategies(gateway)["kept"] == 1


def test_an_answer_that_is_asked_for_is_read_anew_before_it_expires(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/app.db", config="""
cache:
  rules:
    - table: t
      ttl: 2s
      refresh_ahead: 1900ms
""")
    with gateway.connect() as db:
        fill(db)
        warm(gateway, lambda: value(db))

        def ahead():
            value(db)
            counts = strategies(gateway)
            return counts["refreshed_ahead"] >= 2 and counts["kept"] >= 2
        wait_until(ahead)
        assert strategies(gateway)["stale_while_revalidate"] == 0


def test_when_no_connection_is_free_the_kept_answer_is_given(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/app.db", settings={
        "pool.min_size": "1", "pool.max_size": "1", "pool.acquire_timeout": "100ms"})
    with gateway.connect() as db, gateway.connect() as holder, gateway.connect() as writer:
        fill(db)
        warm(gateway, lambda: value(db, ERROR))
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        busy = threading.Thread(target=lambda: with_errors(lambda: holder.execute(LONG)))
        busy.start()
        with console(gateway) as c:
            wait_until(lambda: any(p["sv_active"] for p in rows(c, "POOLS")))
        assert value(db, ERROR) == "one"
        with pytest.raises(psycopg.OperationalError) as refused:
            value(db)
        assert refused.value.sqlstate == "53300"
        holder.cancel()
        busy.join()
        assert value(db, ERROR) == "new"
        assert strategies(gateway)["stale_if_error"] == 1


def test_what_is_declared_is_explained_and_reloadable(weir, tmp_path):
    rule = "cache:\n  rules:\n    - table: t\n      ttl: 1m\n"
    gateway = weir(f"sqlite:{tmp_path}/app.db", config=rule)

    def explained():
        with console(gateway) as c:
            return [line for (line,) in c.execute(f"EXPLAIN CACHE {ASK}")]
    with gateway.connect() as db:
        fill(db)
        warm(gateway, lambda: value(db))
    assert not any("stale" in line or "refresh" in line for line in explained())
    (tmp_path / "weir0.yaml").write_text(
        rule + "      stale_if_error: 1h\n      stale_while_revalidate: 30s\n"
        "      refresh_ahead: 10s\n")
    with console(gateway) as c:
        c.execute("RELOAD")
    wait_until(lambda: len(explained()) > 2)
    lines = explained()
    assert "stale_if_error: given for 3600000 ms more while the database does not answer" in lines
    assert "stale_while_revalidate: given for 30000 ms more while it is read anew" in lines
    assert "refresh_ahead: read anew when it is asked for in its last 10000 ms" in lines


# ---- namespaces and versions ----

def is_hit(gateway, run):
    before = hits(gateway)
    run()
    return hits(gateway) > before


def test_a_namespace_is_forgotten_together(weir, tmp_path):
    config = "cache:\n  rules:\n    - table: t\n      namespace: shop\n      version: \"1\"\n"
    gateway = weir(f"sqlite:{tmp_path}/app.db", config=config)
    hinted = "/* weir: cache namespace=blog version=7 */ " + ASK
    with gateway.connect() as db, console(gateway) as c:
        fill(db)
        warm(gateway, lambda: value(db))
        warm(gateway, lambda: value(db, hinted))
        assert "namespace: shop" in [line for (line,) in c.execute(f"EXPLAIN CACHE {ASK}")]
        c.execute("FLUSH CACHE NAMESPACE other")
        assert is_hit(gateway, lambda: value(db)) and is_hit(gateway, lambda: value(db, hinted))
        c.execute("FLUSH CACHE NAMESPACE shop")
        assert not is_hit(gateway, lambda: value(db))
        assert is_hit(gateway, lambda: value(db, hinted))
        c.execute("FLUSH CACHE NAMESPACE blog")
        assert not is_hit(gateway, lambda: value(db, hinted))
        assert not is_hit(gateway, lambda: value(db, hinted.replace("=7", "=8")))
        warm(gateway, lambda: value(db))
        (tmp_path / "weir0.yaml").write_text(config.replace('"1"', '"2"'))
        c.execute("RELOAD")
        wait_until(lambda: not is_hit(gateway, lambda: value(db)))


# ---- PostgreSQL ----

@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        yield postgres


@pytest.fixture
def front(weir, server):
    name = server.database()
    with server.connect(name) as db:
        fill(db)
        db.execute("CREATE TABLE naps (id int PRIMARY KEY, n float)")
        db.execute("INSERT INTO naps VALUES (1, 0)")
    set_up(server, name)
    gateway = weir(server.dsn(name), settings={
        "cache.bound": "2s", "pool.acquire_timeout": "500ms", "pool.min_size": "0"})
    gateway.connect().close()
    wait_until(lambda: is_followed(gateway))
    gateway.dbname = name
    yield gateway
    if server.process is None:
        server.start()


@pytest.mark.parametrize("sql, params", [(WHILE, None), (WHILE.replace("id = 1", "id = %s"), (1,))])
def test_postgres_gives_the_old_answer_to_others_and_reads_anew(front, sql, params):
    with front.connect() as db, front.connect() as writer:
        db.execute("SET timezone TO 'Asia/Tokyo'")
        warm(front, lambda: value(db, sql, params))
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert value(writer, sql, params) == "new"
        wait_until(lambda: value(db, sql, params) == "new")
        writer.execute("UPDATE t SET v = 'newer' WHERE id = 1")
        before = strategies(front)
        assert value(db, sql, params) == "new"
        wait_until(lambda: value(db, sql, params) == "newer")
        counts = strategies(front)
        assert counts["stale_while_revalidate"] > before["stale_while_revalidate"]
        assert counts["kept"] > before["kept"]


@pytest.mark.parametrize("become", ["SET ROLE clerk", "SET SESSION AUTHORIZATION clerk",
                                    "SET SESSION AUTHORIZATION clerk; SET ROLE \"The Chief\""])
def test_the_background_reads_as_the_role_of_who_asked(front, server, become):
    with server.connect(front.dbname) as db:
        db.execute("""DO $$ BEGIN CREATE ROLE clerk; CREATE ROLE "The Chief" ROLE clerk;
                      EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                      GRANT SELECT ON t TO clerk, "The Chief" """)
    with front.connect() as db, front.connect() as writer:
        db.execute(become)
        warm(front, lambda: value(db, WHILE))
        writer.execute("UPDATE t SET v = 'new' WHERE id = 1")
        before = strategies(front)
        assert value(db, WHILE) == "one"
        wait_until(lambda: value(db, WHILE) == "new")
        counts = strategies(front)
        assert counts["stale_while_revalidate"] > before["stale_while_revalidate"]
        assert counts["kept"] > before["kept"]


def test_a_server_that_is_gone_is_helped_out(front, server):
    extended = ERROR.replace("id = 1", "id = %s")
    with front.connect() as db:
        warm(front, lambda: value(db, ERROR))
        warm(front, lambda: value(db, extended, (2,)))
        warm(front, lambda: value(db))
        server.stop()
        assert value(db, ERROR) == "one"
        assert value(db, extended, (2,)) == "two"
        with contextlib.suppress(psycopg.OperationalError):
            wait_until(lambda: value(db) != "one")  # as long as it stands it is given
        with pytest.raises(psycopg.OperationalError) as refused:
            value(db)
        assert refused.value.sqlstate[:2] in ("08", "57")
        with pytest.raises(psycopg.OperationalError):
            db.execute("UPDATE t SET v = 'lost' WHERE id = 1")
        assert value(db, extended, (2,)) == "two"
        assert strategies(front)["stale_if_error"] >= 3
        server.start()
        with server.connect(front.dbname) as direct:
            direct.execute("UPDATE t SET v = 'back' WHERE id = 1")
        wait_until(lambda: with_errors(lambda: value(db, ERROR)) == "back")


def with_errors(run):
    try:
        return run()
    except psycopg.OperationalError:
        return None


def test_a_server_that_goes_while_it_answers_is_helped_out(front, server):
    nap = ("/* weir: cache ttl=1s stale_if_error=10m */ "
           "SELECT pg_sleep(n)::text, n FROM naps WHERE id = 1")
    got = []
    with front.connect() as db, server.connect(front.dbname) as direct:
        warm(front, lambda: db.execute(nap, prepare=False).fetchall())
        direct.execute("UPDATE naps SET n = 50")
        wait_until(lambda: not entries_stand(front), 10)

        def ask():
            try:
                got.append(db.execute(nap, prepare=False).fetchall())
            except psycopg.Error as e:
                got.append(f"{e.sqlstate} {e}")
        asker = threading.Thread(target=ask)
        asker.start()
        wait_until(lambda: direct.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()[0])
        server.stop(signal.SIGQUIT)
        asker.join(30)
        assert got == [[("", 0.0)]]
        assert strategies(front)["stale_if_error"] == 1


def entries_stand(gateway):
    """Some kept answer's time is not over."""
    with console(gateway) as c:
        return any(r["expires_seconds"] is None or r["expires_seconds"] > 0
                   for r in rows(c, "CACHE_ENTRIES"))


def test_the_background_is_no_client_of_anybody(front):
    with front.connect() as db, front.connect() as writer:
        warm(front, lambda: value(db, WHILE))
        for i in range(3):
            writer.execute(f"UPDATE t SET v = '{i}' WHERE id = 1")
        wait_until(lambda: value(db, WHILE) == "2")
        with console(front) as c:
            ours = [r for r in rows(c, "CLIENTS") if r["application_name"] == "weir background"]
            assert len(ours) <= 2
    front.terminate()
    assert front.wait() == 0

