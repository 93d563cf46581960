"""Django's PostgreSQL backend on the embedded database: the migrations of a small project
(library/) and of Django's own applications, the project's tests by Django's runner, the admin's
pages."""

import os
import pathlib
import subprocess

import psycopg
import pytest

from support import clean_environment

pytest.importorskip("django")
HERE = pathlib.Path(__file__).parent


def manage(weir, *arguments, check=True):
    host, port = weir.address
    environment = {**clean_environment(), "WEIR_HOST": host, "WEIR_PORT": str(port),
                   "DJANGO_SETTINGS_MODULE": "library.settings", "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(["/usr/bin/python3", "-m", "django", *arguments], env=environment,
                          capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done


@pytest.mark.seconds(180)
def test_migrations_forwards_and_backwards(sqlite):
    manage(sqlite.weir, "migrate", "shelf", "0001", "-v0")
    with sqlite.weir.connect() as db:
        db.execute("INSERT INTO shelf_author (name, born) VALUES ('ann', '2001-02-03')")
        db.execute("INSERT INTO shelf_book (title, author_id, isbn, price, pages, made, data, lent)"
                   " VALUES ('one', 1, 'i1', 3, '12', now(), '{}', false), "
                   "('two', 1, 'i2', 4, '7', now(), '{}', true)")
        manage(sqlite.weir, "migrate", "-v0")
        assert "No changes" in manage(sqlite.weir, "makemigrations", "--check",
                                      "--dry-run").stdout
        assert db.execute("SELECT heading, pages, note, editor_id FROM shelf_book ORDER BY id"
                          ).fetchall() == [("one", 12, "note 1", None), ("two", 7, "note 2", None)]
        for broken, state in [("UPDATE shelf_book SET note = 'n'", "23505"),
                              ("UPDATE shelf_book SET heading = 'h'", "23505"),
                              ("UPDATE shelf_book SET price = -1", "23514"),
                              ("UPDATE shelf_book SET editor_id = 9", "23503")]:
            with pytest.raises(psycopg.Error) as failed:
                db.execute(broken)
            assert failed.value.sqlstate == state, broken
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        manage(sqlite.weir, "migrate", "auth", "zero", "-v0")
        manage(sqlite.weir, "migrate", "-v0")
        assert "class ShelfBook(models.Model)" in manage(sqlite.weir, "inspectdb").stdout


@pytest.mark.seconds(240)
def test_the_projects_own_tests(weir, tmp_path):
    """The database of the tests is in Weir's configuration: with --keepdb Django takes it."""
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/app.db\n"
                          f"  test_app: sqlite:{tmp_path}/test.db\n")
    done = manage(gateway, "test", "--keepdb", "library.shelf")
    assert "\nOK" in done.stderr and "Ran 13 tests" in done.stderr


def test_a_database_that_is_not_configured_is_not_made(sqlite):
    done = manage(sqlite.weir, "test", "--noinput", "library.shelf", check=False)
    assert done.returncode != 0 and "CREATE DATABASE is not supported" in done.stderr
    with sqlite.weir.connect() as db:
        assert db.execute("SELECT count(*) FROM pg_tables").fetchone() == (0,)
