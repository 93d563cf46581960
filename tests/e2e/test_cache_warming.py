"""What is read into the cache before it is asked for: the statements of a file, at start and after
what was kept is gone; what was asked for most before the last end; `weir warm`."""

import os
import subprocess

import pytest
from psycopg.types.numeric import Int8

from followed import set_up
from support import BINARY, Postgres, clean_environment, console, rows, wait_until

FILE = """
-- default: user=weir database=app
-- A hint is part of the statement.
SELECT v FROM t WHERE id = 1;
-- warm: priority=10 params=[2] types=[int8]
SELECT v FROM t WHERE id = $1
"""


def hits(gateway):
    with console(gateway) as c:
        return rows(c, "CACHE")[0]["hits"]


def strategies(gateway):
    with console(gateway) as c:
        return {r["strategy"]: r["count"] for r in rows(c, "CACHE_STRATEGIES")}


def fill(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')")


def is_first_a_hit(gateway, sql, params=None, **more):
    """The first question of a new client is answered from memory."""
    before = hits(gateway)
    with gateway.connect(**more) as db:
        db.execute(sql, params, prepare=False).fetchall()
    if hits(gateway) > before:
        return True
    with console(gateway) as c:
        print("misses:", rows(c, "CACHE_MISSES"))
    return False


@pytest.fixture
def prepared(weir, tmp_path):
    """The arguments of a gateway on a database that has t."""
    gateway = weir(f"sqlite:{tmp_path}/app.db")
    with gateway.connect() as db:
        fill(db)
    gateway.stop()
    return f"sqlite:{tmp_path}/app.db"


def test_listed_statements_are_there_before_they_are_asked_for(weir, tmp_path, prepared):
    (tmp_path / "warm.sql").write_text(FILE)
    gateway = weir(prepared, settings={"cache.warm.file": tmp_path / "warm.sql",
                                       "cache.bound": "60s"})
    wait_until(lambda: strategies(gateway)["kept"] == 2)
    assert strategies(gateway)["warmed"] == 2
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = 1")
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = %s", (Int8(2),))


def test_they_are_read_again_on_a_schedule_and_after_a_reload(weir, tmp_path, prepared):
    (tmp_path / "warm.sql").write_text(FILE)
    config = f"cache:\n  warm:\n    file: {tmp_path}/warm.sql\n    every: 300ms\n"
    gateway = weir(prepared, config=config)
    wait_until(lambda: strategies(gateway)["warmed"] >= 6)
    (tmp_path / "weir0.yaml").write_text(
        f"cache:\n  ttl: 1h\n  warm:\n    file: {tmp_path}/warm.sql\n")
    with console(gateway) as c:
        c.execute("RELOAD")
    wait_until(lambda: is_first_a_hit(gateway, "SELECT v FROM t WHERE id = 1"))


@pytest.mark.parametrize("text, words", [
    ("-- default: user=u database=app\nSELECT 1;\n-- warm: params=[1\nSELECT v FROM t;",
     "line 3: not understood"),
    ("-- warm: user=u colour=red\nSELECT 1;", "line 1: known are priority"),
    ("-- warm: database=app\nSELECT v FROM t;", "line 2: user= is missing"),
    ("-- warm: user=u\nSELECT v\nFROM t;", "line 2: database= names none"),
])
def test_what_is_not_understood_is_said_with_its_line(weir, tmp_path, text, words):
    (tmp_path / "warm.sql").write_text(text)
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/app.db\n"
                          f"  more: sqlite:{tmp_path}/more.db\n",
                   settings={"cache.warm.file": tmp_path / "warm.sql"})
    wait_until(lambda: words in gateway.stderr())
    assert "warm.sql" in gateway.stderr() and strategies(gateway)["warmed"] == 0


def test_a_statement_that_fails_is_named(weir, tmp_path, prepared):
    (tmp_path / "warm.sql").write_text("-- warm: user=weir\nSELECT v FROM missing;")
    gateway = weir(prepared, settings={"cache.warm.file": tmp_path / "warm.sql"})
    wait_until(lambda: "a statement was not warmed" in gateway.stderr(), 50)
    assert "warm.sql:2" in gateway.stderr() and "42P01" in gateway.stderr()


def test_what_was_asked_for_most_is_there_after_a_restart(weir, tmp_path, prepared):
    settings = {"cache.warm.hottest": "10", "cache.warm.remember": tmp_path / "hottest"}
    gateway = weir(prepared, settings=settings)
    with gateway.connect() as db:
        for _ in range(100):
            db.execute("SELECT v FROM t WHERE id = %s", (2,), prepare=False).fetchall()
    gateway.stop()
    assert os.stat(tmp_path / "hottest").st_mode & 0o777 == 0o600
    gateway = weir(prepared, settings=settings)
    wait_until(lambda: strategies(gateway)["kept"] >= 1)
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = %s", (2,))
    gateway.stop()
    (tmp_path / "hottest").write_bytes((tmp_path / "hottest").read_bytes()[:-1] + b"?")
    gateway = weir(prepared, settings=settings)
    wait_until(lambda: "the file is damaged" in gateway.stderr())
    assert strategies(gateway)["warmed"] == 0


# ---- weir warm ----

def warm(gateway, *arguments):
    return subprocess.run(
        [BINARY, "warm", *map(str, arguments), f"postgres://127.0.0.1:{gateway.port}"],
        capture_output=True, text=True, timeout=50, env=clean_environment())


def test_a_running_weir_is_warmed(weir, tmp_path, prepared):
    (tmp_path / "warm.sql").write_text(FILE)
    gateway = weir(prepared)
    done = warm(gateway, tmp_path / "warm.sql", "--rate", "200")
    assert (done.returncode, done.stdout) == (0, "warmed 2 of 2 statements\n"), done.stderr
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = 1")


def test_what_cannot_be_warmed_is_named_with_its_line(weir, tmp_path, prepared):
    (tmp_path / "warm.sql").write_text(
        "-- default: user=weir database=app\nSELECT v FROM missing;\nSELECT random();\n"
        "-- warm: set.timezone=\"Asia/Tokyo\"\nSELECT v FROM t;\n")
    gateway = weir(prepared)
    done = warm(gateway, tmp_path / "warm.sql")
    assert (done.returncode, done.stdout) == (1, "warmed 1 of 3 statements\n"), done.stderr
    assert "warm.sql: line 2: ERROR" in done.stderr and "missing" in done.stderr
    assert "warm.sql: line 3: cached: no (volatile)" in done.stderr
    (tmp_path / "warm.sql").write_text("SELECT 1;\n-- warm: prority=1\nSELECT 2;")
    done = warm(gateway, tmp_path / "warm.sql")
    assert done.returncode == 2 and "warm.sql: line 2: known are priority" in done.stderr


# ---- PostgreSQL ----

@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        yield postgres


@pytest.fixture
def followed(server):
    """A DSN of a database that has t and can be followed."""
    name = server.database()
    with server.connect(name) as db:
        fill(db)
    set_up(server, name)
    return server.dsn(name)


def test_postgres_is_warmed_from_a_file_and_from_memory_of_the_last_run(weir, tmp_path, followed):
    (tmp_path / "warm.sql").write_text(
        "SELECT v FROM t WHERE id = 1;\n-- warm: params=[2] types=[int2]\n"
        "SELECT v FROM t WHERE id = $1;")
    settings = {"cache.warm.file": tmp_path / "warm.sql", "cache.warm.hottest": "10",
                "cache.warm.remember": tmp_path / "hottest", "cache.bound": "60s"}
    gateway = weir(followed, settings=settings)
    wait_until(lambda: strategies(gateway)["kept"] == 2, 40)
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = 1")
    tokyo = {"options": "-c timezone=Asia/Tokyo"}
    with gateway.connect(**tokyo) as db:
        for _ in range(100):
            db.execute("SELECT v FROM t WHERE id = %s", (3,), prepare=False).fetchall()
    gateway.stop()
    settings.pop("cache.warm.file")
    gateway = weir(followed, settings=settings)
    wait_until(lambda: strategies(gateway)["kept"] >= 1, 40)
    assert is_first_a_hit(gateway, "SELECT v FROM t WHERE id = %s", (3,), **tokyo)
