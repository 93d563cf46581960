"""LISTEN and NOTIFY in transaction pooling: many listeners, few server connections, and every one
told as a direct server would tell it."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
import urllib.request

import asyncpg
import psycopg
import pytest

from support import Wire, console, kinds, message, rows, wait_until


@pytest.fixture
def gateway(weir, postgres):
    """A gateway on a database of its own, with few server connections."""
    dbname = postgres.database()
    made = weir(postgres.dsn(dbname), settings={"pool.max_size": 3})
    made.dbname = dbname
    return made


@contextlib.contextmanager
def direct(postgres, gateway):
    with psycopg.connect(postgres.dsn(gateway.dbname), autocommit=True) as connection:
        yield connection


def listen_to(connection):
    """What psycopg hands out while a statement runs, and notices, are kept on the connection."""
    connection.heard, connection.notices = [], []
    connection.add_notify_handler(
        lambda n: connection.heard.append((n.channel, n.payload, n.pid)))
    connection.add_notice_handler(
        lambda d: connection.notices.append((d.severity, d.sqlstate, d.message_primary)))
    return connection


def connect(gateway, **more):
    return listen_to(gateway.connect(**{"dbname": gateway.dbname, **more}))


def poll(connection, seconds):
    """What has come by now, without sending anything; waits so long for the first."""
    pg = connection.pgconn
    end = time.monotonic() + seconds
    while True:
        pg.consume_input()
        while note := pg.notifies():
            connection.heard.append((note.relname.decode(), note.extra.decode(), note.be_pid))
        if connection.heard or time.monotonic() > end:
            got, connection.heard = connection.heard, []
            return got
        time.sleep(0.005)


def gather(connection, count, seconds=15):
    """So many notifications, in order."""
    got = []
    end = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        got += poll(connection, 0.2)
    return got


def said(notes):
    return [(channel, payload) for channel, payload, _ in notes]


def servers(gateway):
    with console(gateway) as admin:
        return len(rows(admin, "SERVERS"))


def hub_pid(server, dbname):
    """The server process that listens."""
    with psycopg.connect(server.dsn(dbname), autocommit=True) as own:
        found = own.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid() AND query ~ '^(LISTEN|UNLISTEN|SELECT 1$|SELECT pg_catalog.set_conf)'"
            " ORDER BY backend_start").fetchall()
        return found[0][0] if found else None


def test_a_hundred_listeners_share_few_server_connections(gateway, postgres):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(gateway)) for _ in range(100)]
        for i, client in enumerate(clients):
            client.execute(f"LISTEN c{i % 10}")
            client.execute("LISTEN everybody")
        assert servers(gateway) <= 4
        with direct(postgres, gateway) as own:
            own.execute("NOTIFY everybody, 'hello'")
            own.execute("NOTIFY c3, 'three'")
        for i, client in enumerate(clients):
            expected = [("everybody", "hello")] + ([("c3", "three")] if i % 10 == 3 else [])
            assert said(gather(client, len(expected))) == expected
            assert not poll(client, 0)


def test_a_notification_comes_between_a_clients_messages(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN news")
        a.execute("SELECT 1")
        b.execute("NOTIFY news, 'x'")
        assert said(gather(a, 1)) == [("news", "x")]  # while it says nothing
        assert a.execute("SELECT 2").fetchone() == (2,)


def test_a_client_sees_its_own_notification_before_it_is_ready(gateway):
    """As from a direct server: NotificationResponse in front of ReadyForQuery."""
    with connect(gateway) as a:
        a.execute("LISTEN mine")
        for i in range(50):
            a.pgconn.exec_(f"NOTIFY mine, '{i}'".encode())
            note = a.pgconn.notifies()
            assert note and note.extra.decode() == str(i)
            assert note.be_pid == a.pgconn.backend_pid


def test_whoever_knows_of_a_notify_finds_its_notification_there(gateway):
    """As directly, where the server signals listeners before it answers: the listener's next
    statement brings it, with nothing to wait for."""
    with connect(gateway) as listener, connect(gateway) as notifier:
        listener.execute("LISTEN chat")
        for n in range(200):
            notifier.execute(f"NOTIFY chat, '{n}'" if n % 2 else f"SELECT pg_notify('chat', '{n}')")
            listener.execute("SELECT 1")
            assert said(poll(listener, 0)) == [("chat", str(n))]


def test_another_clients_notification_carries_its_pid(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN who")
        b.execute("NOTIFY who")
        [note] = gather(a, 1)
        assert note[2] == b.pgconn.backend_pid


def test_a_notification_carries_the_pid_of_a_client_pinned_before_anybody_listened(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        b.execute("CREATE TEMP TABLE pins ()")
        a.execute("LISTEN who")
        b.execute("NOTIFY who")
        [note] = gather(a, 1)
        assert note[2] == b.pgconn.backend_pid


@pytest.mark.parametrize("parameters", [None, (0,)])
def test_channels_that_are_listened_to_are_listed(gateway, parameters):
    where = " WHERE length(c) > %s" if parameters else ""
    query = f"SELECT c FROM pg_listening_channels() AS c{where} ORDER BY c"
    with connect(gateway) as a, connect(gateway) as b:
        for _ in range(3):
            assert a.execute(query, parameters).fetchall() == []
            a.execute("LISTEN one; LISTEN two")
            a.execute("LISTEN three")
            b.execute("LISTEN other")
            assert a.execute(query, parameters).fetchall() == [("one",), ("three",), ("two",)]
            assert b.execute(query, parameters).fetchall() == [("other",)]
            b.execute("NOTIFY two, 'x'")
            assert said(gather(a, 1)) == [("two", "x")]
            a.execute("BEGIN")
            a.execute("UNLISTEN one")
            a.execute("COMMIT")
            assert a.execute(query, parameters).fetchall() == [("three",), ("two",)]
            a.execute("UNLISTEN *")


def test_databases_do_not_hear_one_another(weir, postgres):
    """PgDog #1285: one channel name in two databases."""
    names = [postgres.database() for _ in range(2)]
    config = "databases:\n" + "".join(
        f"  {n}:\n    primary: {postgres.dsn(n)}\n" for n in names)
    gateway = weir(config=config)
    gateway.dbname = names[0]
    with connect(gateway, dbname=names[0]) as a, connect(gateway, dbname=names[1]) as b:
        a.execute("LISTEN same")
        b.execute("LISTEN same")
        a.execute("NOTIFY same, 'a'")
        b.execute("NOTIFY same, 'b'")
        assert said(gather(a, 1)) == [("same", "a")]
        assert said(gather(b, 1)) == [("same", "b")]
        assert not poll(a, 0.2) and not poll(b, 0)


def test_channel_names_are_folded_and_quoted_as_the_server_does(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN Folded")
        a.execute('LISTEN "As Is"')
        a.execute('LISTEN "q""q"')
        b.execute("SELECT pg_notify('folded', '1'), pg_notify('Folded', 'no')")
        b.execute("SELECT pg_notify('As Is', '2'), pg_notify('q\"q', '3')")
        assert said(gather(a, 3)) == [("folded", "1"), ("As Is", "2"), ('q"q', "3")]
        with pytest.raises(psycopg.errors.SyntaxError):
            a.execute("LISTEN select")
        with pytest.raises(psycopg.errors.SyntaxError):
            a.execute("LISTEN a b")


def test_unlisten_ends_it(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        for channel in "xyz":
            a.execute(f"LISTEN {channel}")
        a.execute("UNLISTEN y")
        b.execute("SELECT pg_notify(c, '') FROM unnest('{x,y,z}'::text[]) c")
        assert sorted(said(gather(a, 2))) == [("x", ""), ("z", "")]
        a.execute("UNLISTEN *")
        b.execute("SELECT pg_notify(c, '') FROM unnest('{x,y,z}'::text[]) c")
        assert not poll(a, 0.3)


def test_listen_in_a_transaction_counts_from_its_commit(gateway, postgres):
    with connect(gateway) as a, direct(postgres, gateway) as b:
        a.execute("BEGIN")
        a.execute("LISTEN later")
        b.execute("NOTIFY later, 'too early'")
        a.execute("COMMIT")
        b.execute("NOTIFY later, 'in time'")
        assert said(gather(a, 1)) == [("later", "in time")]
        assert not poll(a, 0.2)
    with console(gateway) as admin:
        assert not [s for s in rows(admin, "CLIENTS") if s["pinned"]]


def test_listen_that_is_rolled_back_never_was(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN kept")
        a.execute("BEGIN")
        a.execute("LISTEN gone")
        a.execute("UNLISTEN kept")
        a.execute("ROLLBACK")
        a.execute("BEGIN")
        a.execute("SAVEPOINT s")
        a.execute("LISTEN gone2")
        a.execute("UNLISTEN kept")
        a.execute("ROLLBACK TO s")
        a.execute("LISTEN more")
        a.execute("COMMIT")
        with pytest.raises(psycopg.errors.DivisionByZero):
            a.execute("LISTEN gone3; SELECT 1/0")
        for channel in ("gone", "gone2", "gone3", "kept", "more"):
            b.execute(f"NOTIFY {channel}")
        assert said(gather(a, 2)) == [("kept", ""), ("more", "")]
        assert not poll(a, 0.2)


def test_unlisten_in_a_transaction_counts(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        for channel in "xyz":
            a.execute(f"LISTEN {channel}")
        with a.transaction():
            a.execute("UNLISTEN x")
            a.execute("LISTEN w")
        b.execute("SELECT pg_notify(c, '') FROM unnest('{w,x,y,z}'::text[]) c")
        assert sorted(said(gather(a, 3))) == [("w", ""), ("y", ""), ("z", "")]
        with a.transaction():
            a.execute("UNLISTEN *")
        b.execute("SELECT pg_notify(c, '') FROM unnest('{w,x,y,z}'::text[]) c")
        assert not poll(a, 0.3)


def test_listen_inside_a_function_or_do_counts(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN before")
        a.execute("DO $$BEGIN LISTEN inside; END$$")
        b.execute("NOTIFY inside")
        b.execute("NOTIFY before")
        assert said(gather(a, 2)) == [("inside", ""), ("before", "")]


def test_a_server_connection_that_listened_for_a_client_does_so_for_nobody_else(gateway):
    with connect(gateway) as a:
        with a.transaction():
            a.execute("LISTEN private")
    with connect(gateway) as b:
        assert b.execute("SELECT count(*) FROM pg_listening_channels()").fetchone() == (0,)
        assert b.execute("SELECT current_setting('weir.listening', true)").fetchone()[0] in (
            None, "")


def test_notifications_wait_for_the_end_of_the_transaction(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN t")
        a.execute("BEGIN")
        b.execute("NOTIFY t, '1'")
        for _ in range(5):
            a.execute("SELECT 1")
        assert not poll(a, 0.3)
        a.execute("COMMIT")
        assert said(gather(a, 1)) == [("t", "1")]


def test_rolled_back_notifications_are_not_sent(gateway):
    with connect(gateway) as a:
        a.execute("LISTEN t")
        a.execute("BEGIN")
        a.execute("NOTIFY t")
        a.execute("ROLLBACK")
        assert not poll(a, 0.3)


def test_thousands_of_notifications_come_in_order_and_once(gateway, postgres):
    with connect(gateway) as a, direct(postgres, gateway) as b:
        a.execute("LISTEN flood")
        for i in range(50):
            b.execute("SELECT pg_notify('flood', (%s + i)::text) FROM generate_series(0, 99) i",
                      [i * 100])
        assert [int(payload) for _, payload, _ in gather(a, 5000, 30)] == list(range(5000))


def test_a_payload_of_the_largest_size_passes(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN big")
        b.execute("SELECT pg_notify('big', repeat('x', 7999))")
        assert said(gather(a, 1)) == [("big", "x" * 7999)]


def test_a_hub_that_is_killed_comes_back_and_says_so(gateway, postgres):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN k")
        for round_ in range(2):
            pid = wait_until(lambda: hub_pid(postgres, gateway.dbname))
            with direct(postgres, gateway) as own:
                own.execute("SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda: poll(a, 0.05) or len(a.notices) > round_)
            assert a.notices[-1] == (
                "WARNING", "01000", "weir: notifications may have been lost")
            b.execute("NOTIFY k, 'again'")
            assert said(gather(a, 1)) == [("k", "again")]
        assert len(a.notices) == 2
    assert metric(gateway, "weir_notifications_lost_total") == 2


def test_a_server_that_restarts_under_listeners(weir, own_postgres):
    dbname = own_postgres.database()
    gateway = weir(own_postgres.dsn(dbname))
    gateway.dbname = dbname
    with connect(gateway) as a:
        a.execute("LISTEN r")
        own_postgres.stop()
        own_postgres.start()
        wait_until(lambda: poll(a, 0.05) or a.notices, 30)
        with connect(gateway) as b:
            b.execute("NOTIFY r, 'up'")
        assert said(gather(a, 1)) == [("r", "up")]


def test_a_slow_listener_loses_the_oldest_and_is_told(weir, postgres):
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"limits.notifications": "64KiB"})
    gateway.dbname = dbname
    with connect(gateway) as a, direct(postgres, gateway) as b:
        a.execute("LISTEN s")
        a.execute("BEGIN")
        for i in range(20):
            b.execute("SELECT pg_notify('s', %s)", [f"{i} ".ljust(7000, "x")])
        wait_until(lambda: metric(gateway, "weir_notifications_dropped_total") == 11)
        a.execute("COMMIT")
        got = [int(payload.split()[0]) for _, payload, _ in gather(a, 9)]
        assert got == list(range(20))[-len(got):] and 8 <= len(got) <= 9
        assert "dropped" in a.notices[0][2]


def metric(gateway, name):
    total = 0
    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    for line in lines:
        if line.startswith(name + "{") or line.startswith(name + " "):
            total += float(line.rsplit(" ", 1)[1])
    return total


def test_discard_all_ends_listening(gateway):
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN x")
        a.execute("DISCARD ALL")
        b.execute("NOTIFY x")
        assert not poll(a, 0.3)
        a.execute("LISTEN x")
        b.execute("NOTIFY x")
        assert said(gather(a, 1)) == [("x", "")]


def test_names_and_payloads_are_in_the_clients_encoding(gateway):
    with connect(gateway, client_encoding="LATIN1") as a, connect(gateway) as b:
        a.execute('LISTEN "\u00e4"')
        b.execute('LISTEN "\u00e4"')
        b.execute("SELECT pg_notify('\u00e4', '\u00f6')")
        a.pgconn.consume_input()
        note = wait_until(lambda: a.pgconn.consume_input() or a.pgconn.notifies())
        assert (note.relname, note.extra) == (b"\xe4", b"\xf6")
        assert said(gather(b, 1)) == [("\u00e4", "\u00f6")]


def next_notification(wire):
    while m := wire.receive():
        if m[0] == b"A":
            channel, payload, _ = m[1][4:].split(b"\0")
            return channel, payload
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("encoding,letter", [
    ("SJIS", b"\x95\x5c"), ("BIG5", b"\xa5\x5c"), ("GBK", b"\x81\x5c"), ("UHC", b"\xb0\x5a")])
@pytest.mark.parametrize("rest", [b"", b"'", b"' \\'; x"])
def test_names_survive_encodings_whose_letters_end_in_a_backslash(gateway, encoding, letter, rest):
    def sql(text):
        return message(b"Q", text + b"\0")

    name = letter + rest
    with Wire(gateway, database=gateway.dbname, client_encoding=encoding) as a:
        a.send(sql(b'LISTEN "' + name + b'"'))
        assert kinds(a.until(b"Z")) == "CZ"
        # Inside, the server is told what there was before: what fails there fails the transaction.
        for text in b"BEGIN", b"LISTEN other", b"COMMIT":
            a.send(sql(text))
            assert kinds(a.until(b"Z")).lstrip("S") == "CZ", text
        with gateway.connect(dbname=gateway.dbname) as b:
            b.execute("SELECT pg_notify(c, 'p') FROM unnest(%s::text[]) c", ([
                name.decode({"SJIS": "cp932", "UHC": "cp949"}.get(encoding, encoding)), "other"],))
        assert next_notification(a) == (name, b"p")
        assert next_notification(a) == (b"other", b"p")


def test_channels_outlive_a_change_of_the_encoding(gateway):
    with Wire(gateway, database=gateway.dbname) as a:
        a.query('LISTEN "\u00e4"')
        a.query("SET client_encoding TO LATIN1")
        for text in "BEGIN", "LISTEN other", "COMMIT":
            assert kinds(a.query(text)).lstrip("S") == "CZ", text
        a.send(message(b"Q", b'LISTEN "\xf6"\0'))
        assert "E" not in kinds(a.until(b"Z"))
        with gateway.connect(dbname=gateway.dbname) as b:
            b.execute("SELECT pg_notify(c, '') FROM unnest('{\u00e4,\u00f6,other}'::text[]) c")
        assert [next_notification(a)[0].decode() for _ in range(3)] == [
            "\u00e4", "\u00f6", "other"]


def test_show_listens_and_metrics(gateway):
    with connect(gateway) as a, connect(gateway) as b, console(gateway) as admin:
        a.execute("LISTEN one")
        b.execute("LISTEN one")
        b.execute("LISTEN two")
        shown = {}
        for row in rows(admin, "LISTENS"):
            assert row["state"] == "listening"
            shown[row["channel"]] = shown.get(row["channel"], 0) + row["listeners"]
        assert shown == {"one": 2, "two": 1}
        assert metric(gateway, "weir_listeners") == 2
        assert metric(gateway, "weir_listen_channels") == 2
        a.execute("NOTIFY one")
        assert metric(gateway, "weir_notifications_total") >= 1
        assert metric(gateway, "weir_notifications_lost_total") == 0


def test_pause_does_not_wait_for_the_hub(gateway):
    with connect(gateway) as a, console(gateway) as admin:
        a.execute("LISTEN p")
        admin.execute("PAUSE")
        admin.execute("RESUME")
        a.execute("NOTIFY p")
        assert len(gather(a, 1)) == 1


def test_the_drain_does_not_wait_for_the_hub(gateway):
    with connect(gateway) as a:
        a.execute("LISTEN d")
        started = time.monotonic()
        gateway.terminate()
        assert gateway.wait() == 0
        assert time.monotonic() - started < 20


def test_a_pool_without_room_for_the_hub_says_so(weir, postgres):
    """pool.max_pinned is used up: the statement says so."""
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"pool.max_pinned": 0})
    gateway.dbname = dbname
    with connect(gateway) as a:
        with pytest.raises(psycopg.errors.TooManyConnections, match="pinned"):
            a.execute("LISTEN x")
        assert a.execute("SELECT 1").fetchone() == (1,)


def test_transactions_that_hold_every_connection_may_all_begin_to_listen(weir, postgres):
    """The hub has no connection yet, and there is none left: they make room for it."""
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"pool.max_size": 2, "pool.max_pinned": 2})
    gateway.dbname = dbname
    with connect(gateway) as a, connect(gateway) as b, direct(postgres, gateway) as other:
        for one in (a, b):
            one.execute("BEGIN")
            one.execute("SELECT 1")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.execute("LISTEN x"), (a, b)))
        for one in (a, b):
            one.execute("COMMIT")
        other.execute("NOTIFY x, 'to both'")
        assert said(gather(a, 1)) == said(gather(b, 1)) == [("x", "to both")]
        with console(gateway) as admin:
            assert not [s for s in rows(admin, "CLIENTS") if s["pinned"]]


def test_session_pooling_listens_on_its_own_connection(weir, postgres):
    dbname = postgres.database()
    gateway = weir(postgres.dsn(dbname), settings={"pool.mode": "session"})
    gateway.dbname = dbname
    with connect(gateway) as a, connect(gateway) as b:
        a.execute("LISTEN x")
        b.execute("NOTIFY x, '1'")
        assert said(gather(a, 1)) == [("x", "1")]
        a.pgconn.exec_(b"NOTIFY x, '2'")
        note = a.pgconn.notifies()
        assert note.extra == b"2" and note.be_pid == a.pgconn.backend_pid


def test_asyncpg_listeners(gateway):
    async def story():
        got = asyncio.Queue()
        options = gateway.asyncpg(database=gateway.dbname)
        a, b = await asyncpg.connect(**options), await asyncpg.connect(**options)

        def heard(_connection, pid, channel, payload):
            got.put_nowait((pid, channel, payload))

        await a.add_listener("ch", heard)
        await b.execute("NOTIFY ch, 'one'")
        assert await asyncio.wait_for(got.get(), 10) == (b.get_server_pid(), "ch", "one")
        async with a.transaction():
            await a.execute("SELECT 1")
            await b.execute("SELECT pg_notify('ch', 'two')")
        assert (await asyncio.wait_for(got.get(), 10))[2] == "two"
        await a.remove_listener("ch", heard)
        await b.execute("NOTIFY ch, 'three'")
        await asyncio.sleep(0.3)
        assert got.empty()
        await a.close()
        await b.close()
    asyncio.run(asyncio.wait_for(story(), 40))


@pytest.mark.parametrize("behind", [
    pytest.param(message(b"Q", b"NOTIFY a, 'x'\0"), id="notify"),
    pytest.param(message(b"Q", b"SELECT 1\0"), id="query"),
    pytest.param(message(b"S"), id="sync"),
    pytest.param(message(b"P", b"\0SELECT 1\0\0\0") + message(b"D", b"S\0") + message(b"S"),
                 id="extended")])
def test_what_is_sent_behind_a_listen_is_answered_behind_it(gateway, behind):
    """A hub that has to be made first takes its time."""
    with Wire(gateway, database=gateway.dbname) as w:
        w.send(message(b"Q", b"LISTEN a\0") + behind + message(b"Q", b"UNLISTEN a\0"))
        assert w.until(b"Z") == [(b"C", b"LISTEN\0"), (b"Z", b"I")]
        assert ("A" in kinds(w.until(b"Z"))) == (b"NOTIFY" in behind)
        assert w.until(b"Z") == [(b"C", b"UNLISTEN\0"), (b"Z", b"I")]


def test_prepared_listen_of_the_extended_protocol(gateway):
    with connect(gateway, prepare_threshold=0) as a, connect(gateway) as b:
        a.execute("LISTEN first", prepare=True)
        a.execute("LISTEN second", prepare=True)
        a.execute("UNLISTEN first", prepare=True)
        b.execute("SELECT pg_notify('first', ''), pg_notify('second', '')")
        assert said(gather(a, 1)) == [("second", "")]
        assert not poll(a, 0.2)


def test_listeners_come_and_go_under_notifications(gateway, postgres):
    """Nothing that was notified after LISTEN was answered is missed."""
    stop = threading.Event()
    sent = []

    def notify():
        with direct(postgres, gateway) as own:
            while not stop.is_set():
                sent.append(len(sent))
                own.execute("SELECT pg_notify('churn', %s)", [str(sent[-1])])

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        for i in range(30):
            with connect(gateway) as a:
                if i % 2:
                    a.execute("LISTEN churn")
                else:
                    with a.transaction():
                        a.execute("LISTEN churn")
                first = len(sent) + 1  # that one may be on its way
                got = [int(payload) for _, payload, _ in gather(a, 20)]
                assert got[0] <= first
                assert got == list(range(got[0], got[0] + len(got)))
    finally:
        stop.set()
        thread.join()
