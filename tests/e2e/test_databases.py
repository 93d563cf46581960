"""Several databases by name, SQLite files and PostgreSQL servers side by side."""

import subprocess

import psycopg
import pytest

from support import BINARY, clean_environment, wait_until


def names(gateway, dbname):
    with gateway.connect(dbname=dbname) as db:
        return [n for (n,) in db.execute("SELECT datname FROM pg_database ORDER BY datname")]


@pytest.fixture
def several(weir, postgres, tmp_path):
    return weir(config="databases:\n"
                       f"  one: sqlite:{tmp_path}/1.db\n"
                       f"  two: {{dsn: 'sqlite:{tmp_path}/2.db'}}\n"
                       f"  \"th'r\\\"ee\": sqlite:{tmp_path}/3.db\n"
                       f"  server: {postgres.dsn(postgres.database())}\n")


def test_each_name_is_a_database_of_its_own(several, tmp_path):
    for name in ("one", "two", "th'r\"ee", "server"):
        with several.connect(dbname=name) as db:
            db.execute("CREATE TABLE t (name TEXT)")
            db.execute("INSERT INTO t VALUES (%s)", (name,))
    for name in ("one", "two", "th'r\"ee", "server"):
        with several.connect(dbname=name) as db:
            assert db.execute("SELECT * FROM t").fetchall() == [(name,)]
    assert sorted(p.name for p in tmp_path.glob("?.db")) == ["1.db", "2.db", "3.db"]


def test_they_are_listed(several):
    for name in ("one", "th'r\"ee"):
        assert names(several, name) == ["one", "server", "th'r\"ee", "two"]
    listed = several.psql("-l", dbname="two").stdout
    assert {line.split("|")[0] for line in listed.splitlines()} >= {"one", "two", "server"}
    with several.connect(dbname="two") as db:
        own = db.execute("SELECT oid, datname FROM pg_database WHERE datname = current_database()")
        assert len(own.fetchall()) == 1
        assert db.execute("SELECT count(DISTINCT oid) FROM pg_database").fetchone() == (4,)


def test_a_name_that_is_not_configured_makes_nothing(several, tmp_path):
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(psycopg.OperationalError) as e:
        several.connect(dbname="four")
    assert 'no database "four" is configured' in str(e.value)
    assert '"one", "two", ' in str(e.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_only_database_is_reached_by_every_name_and_listed_by_that(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/x.db")
    assert names(gateway, "whatever") == ["whatever"]


def test_a_file_that_must_be_there_is_not_made(weir, tmp_path):
    config = tmp_path / "strict.yaml"
    config.write_text(f"databases:\n  one: {{dsn: 'sqlite:{tmp_path}/1.db', create: false}}\n")
    done = subprocess.run([BINARY, "serve", "-c", config, "--listen", "127.0.0.1:0", "--admin",
                           "off"], env=clean_environment(), capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0 and "no database file" in done.stderr and "1.db" in done.stderr
    assert "create: true" in done.stderr and not (tmp_path / "1.db").exists()
    weir(f"sqlite:{tmp_path}/1.db").stop()
    gateway = weir(config=config.read_text())
    with gateway.connect() as db:
        db.execute("CREATE TABLE t (n INTEGER)")


def test_one_that_a_reload_adds_is_made_and_listed(weir, tmp_path):
    file = tmp_path / "weir0.yaml"
    gateway = weir(config=f"databases:\n  one: sqlite:{tmp_path}/1.db\n"
                          f"  two: sqlite:{tmp_path}/2.db\n")
    file.write_text(file.read_text() + f"  three: sqlite:{tmp_path}/3.db\n")
    with gateway.connect(dbname="weir") as admin:
        admin.execute("RELOAD")
    wait_until(lambda: "three" in names(gateway, "one"))
    with gateway.connect(dbname="three") as db:
        db.execute("CREATE TABLE t (n INTEGER)")
    assert names(gateway, "one") == ["one", "three", "two"]
