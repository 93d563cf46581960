"""Fixtures: `weir` starts gateways, `postgres` is a server for the whole run, `own_postgres` one
that a test may stop, `served` a gateway on an empty database of either kind."""

import ctypes
import faulthandler
import signal
import threading

import pytest

from support import Postgres, Served, Weir

SECONDS_MAX = 150
# They begin before the others, or the run would end with one of them alone.
LONGEST = ["test_persist", "test_cache_drivers", "test_cache_postgres", "test_pg_footprints",
           "test_bad_input", "test_tls", "test_replicas", "test_session_edges", "test_restart",
           "test_follow", "test_cache_differential", "test_lending", "test_tier", "test_transfer"]


@pytest.fixture(autouse=True)
def bounded_time(request):
    """No test may hang: an exception first, and the end of the run if that does not help."""
    mark = request.node.get_closest_marker("seconds")
    limit = max(mark.args[0], SECONDS_MAX) if mark else SECONDS_MAX

    faulthandler.dump_traceback_later(limit + 90, exit=True)
    cancel = (raise_by_signal if threading.current_thread() is threading.main_thread() else
              raise_by_thread)(limit)
    yield
    cancel()
    faulthandler.cancel_dump_traceback_later()


def raise_by_signal(limit):
    def on_alarm(*_):
        raise TimeoutError(f"the test took more than {limit} s")

    old = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(int(limit))

    def cancel():
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)

    return cancel


def raise_by_thread(limit):
    """pytest-xdist now and then runs a worker's tests in another thread than the main one, where
    signals cannot be had. This does not interrupt a system call."""
    test = ctypes.c_ulong(threading.get_ident())
    timer = threading.Timer(limit, ctypes.pythonapi.PyThreadState_SetAsyncExc,
                            (test, ctypes.py_object(TimeoutError)))
    timer.daemon = True
    timer.start()
    return timer.cancel


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): the test may take so long")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.module.__name__)
               if item.module.__name__ in LONGEST else len(LONGEST))


@pytest.fixture
def weir(tmp_path, bounded_time):
    """weir(dsn, config=text, settings={key: value}): a gateway that serves; it is stopped, and how
    it ended is checked, after the test."""
    started = []

    def make(dsn=None, config=None, settings=None, environment=None, start=True, **more):
        arguments = [dsn] if dsn else []
        if config is not None:
            file = tmp_path / f"weir{len(started)}.yaml"
            file.write_text(config)
            arguments += ["-c", file]
        for key, value in (settings or {}).items():
            arguments += ["--set", f"{key}={value}"]
        gateway = Weir(tmp_path, arguments, environment)
        started.append(gateway)
        return gateway.start(**more) if start else gateway

    yield make
    failure = None
    for gateway in started:
        try:
            gateway.stop()
        except AssertionError as e:
            failure = failure or e
    if failure:
        raise failure


@pytest.fixture(scope="session")
def postgres():
    with Postgres() as server:
        yield server


@pytest.fixture
def own_postgres():
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def serve(request, weir, tmp_path):
    """serve(settings): a gateway on an empty database, once for each kind of backend."""

    def make(settings=None, **more):
        if request.param == "sqlite":
            gateway = weir(f"sqlite:{tmp_path}/e2e.db", settings=settings, **more)
            return Served("sqlite", gateway)
        server = request.getfixturevalue("postgres")
        dbname = server.database()
        gateway = weir(server.dsn(dbname), settings=settings, **more)
        return Served("postgres", gateway, server, dbname)

    return make


@pytest.fixture
def served(serve):
    return serve()


@pytest.fixture
def sqlite(weir, tmp_path):
    """The embedded database alone: for what is about SQLite."""
    return Served("sqlite", weir(f"sqlite:{tmp_path}/e2e.db"))
