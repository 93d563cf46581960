"""set_config and current_setting: the same on PostgreSQL and on the embedded database."""

import psycopg
import pytest


@pytest.fixture
def db(served):
    with served.weir.connect(prepare_threshold=None) as db:
        yield db


def one(db, text, *args):
    return db.execute(text, *args).fetchone()


def test_a_setting_is_set_by_a_query(db):
    done = db.execute("SELECT set_config('application_name', 'me', false)")
    assert (done.fetchone(), done.statusmessage) == (("me",), "SELECT 1")
    assert done.description[0].name == "set_config" and done.description[0].type_code == 25
    assert one(db, "SHOW application_name") == ("me",)
    assert one(db, "SELECT pg_catalog.set_config('my.own', %s, false) AS v", ("a b",)) == ("a b",)
    assert one(db, "SELECT current_setting('my.own')") == ("a b",)
    assert one(db, "SELECT current_setting('work_mem') AS cur, set_config('work_mem', '5MB', false)"
                   " AS new")[1] == "5MB"
    assert one(db, "SHOW work_mem") == ("5MB",)
    assert one(db, "SELECT current_setting('no.such', true)")[0] in (None, "")


def test_a_local_one_ends_with_the_transaction(db):
    db.execute("SELECT set_config('my.own', 'out', false)")
    with db.transaction():
        assert one(db, "SELECT set_config('my.own', 'in', true)") == ("in",)
        assert one(db, "SELECT current_setting('my.own')") == ("in",)
    assert one(db, "SELECT current_setting('my.own')") == ("out",)
    with db.transaction(force_rollback=True):
        db.execute("SELECT set_config('my.own', 'undone', false)")
    assert one(db, "SELECT current_setting('my.own')") == ("out",)


def test_what_cannot_be_set(db):
    with pytest.raises(psycopg.errors.UndefinedObject):
        db.execute("SELECT set_config('nosuchsetting', 'x', false)")
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        db.execute("SELECT set_config('statement_timeout', 'long', false)")


def test_in_a_larger_query_it_is_refused_here(sqlite):
    with sqlite.weir.connect() as db:
        with pytest.raises(psycopg.errors.FeatureNotSupported) as failed:
            db.execute("SELECT set_config(name, 'x', false) FROM sqlite_schema")
        assert "SELECT set_config" in failed.value.diag.message_hint
