"""SIGTERM: idle clients are told and go, running transactions may finish, the exit is 0."""

import re
import socket
import threading
import time

import psycopg
import pytest

from support import console, error_fields, kinds, message, rows, wait_until, Wire


def prepare(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE t (a INTEGER)")


def test_idle_clients_get_57P01_and_the_exit_is_0(served):
    idle = [Wire(served.weir) for _ in range(20)]
    for wire in idle[:10]:
        wire.query("SELECT 1")
    served.weir.terminate()
    for wire in idle:
        fields = error_fields(wire.to_end())
        assert fields["C"] == "57P01" and fields["S"] == "FATAL"
        assert fields["M"].startswith("weir: ")
    assert served.weir.wait(20) == 0


def test_a_running_transaction_finishes_and_new_clients_are_refused(served):
    prepare(served)
    db = served.weir.connect(autocommit=False)
    db.execute("INSERT INTO t VALUES (1)")
    address = tuple(served.weir.address)
    served.weir.terminate()
    wait_until(lambda: "draining" in served.weir.stderr())
    assert served.weir.running()
    with pytest.raises(psycopg.OperationalError):
        served.weir.connect(connect_timeout=5)
    with pytest.raises(OSError):
        socket.create_connection(address, 2).recv(1) or (_ for _ in ()).throw(OSError())
    db.execute("INSERT INTO t VALUES (2)")
    db.commit()
    assert served.weir.wait(20) == 0
    served.weir.start()
    with served.weir.connect() as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_transaction_that_ends_without_the_database_lets_its_client_go(served):
    for messages in ((message(b"Q", b"ROLLBACK\0"),),
                     (message(b"P", b"\0ROLLBACK\0\0\0"), message(b"B", b"\0" * 8),
                      message(b"E", b"\0" * 5), message(b"S"))):
        wire = Wire(served.weir)
        wire.query("BEGIN")
        served.weir.terminate()
        wait_until(lambda: "draining" in served.weir.stderr())
        wire.send(*messages)
        got = kinds(wire.to_end())
        assert got.endswith("CZE"), got
        assert served.weir.wait(10) == 0
        served.weir.start()


def test_a_running_statement_finishes(serve):
    served = serve({"timeouts.drain": "120s"})
    slow = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000) "
            "SELECT count(*) FROM s")
    got = []

    def client():
        with served.weir.connect() as db:
            got.append(db.execute(slow).fetchone())

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    with console(served.weir) as c:
        wait_until(lambda: got or any(r["activity"] == "active" and r["held_seconds"]
                                      for r in rows(c, "CLIENTS")))
    served.weir.terminate()
    assert served.weir.wait(100) == 0
    thread.join(10)
    assert got == [(1000000,)]


def test_a_transaction_that_never_ends_is_closed_at_the_drain_limit(serve):
    served = serve({"timeouts.drain": "1s"})
    prepare(served)
    db = served.weir.connect(autocommit=False)
    db.execute("INSERT INTO t VALUES (1)")
    started = time.monotonic()
    served.weir.terminate()
    assert served.weir.wait(20) == 0
    assert 0.5 < time.monotonic() - started < 15
    with pytest.raises(psycopg.OperationalError):
        db.execute("SELECT 1")
    served.weir.start()
    with served.weir.connect() as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_second_signal_ends_at_once(serve):
    served = serve({"timeouts.drain": "60s"})
    prepare(served)
    db = served.weir.connect(autocommit=False)
    db.execute("INSERT INTO t VALUES (1)")
    served.weir.terminate()
    wait_until(lambda: "draining" in served.weir.stderr())
    served.weir.terminate()
    assert served.weir.wait(20) == 0
    db.close()


def test_drain_under_load_breaks_no_transaction(served):
    prepare(served)
    acknowledged, wrong = [], []

    def client(i):
        try:
            with served.weir.connect() as db:
                for n in range(100_000):
                    with db.transaction():
                        db.execute("INSERT INTO t VALUES (%s)", (i,))
                        db.execute("SELECT 1")
                    acknowledged.append(i)
        except psycopg.OperationalError as e:
            if not re.search("shutting down|closed", str(e)):
                wrong.append(e)

    threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 50)
    served.weir.terminate()
    assert served.weir.wait(40) == 0
    for thread in threads:
        thread.join(20)
    assert not wrong, wrong
    served.weir.start()
    with served.weir.connect() as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (len(acknowledged),)
