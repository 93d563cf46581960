"""The tier behind the cache in memory: what memory has no room for comes back from Valkey (Redis
here) or from disk, judged by the same rule; a tier that is gone, slow or refuses costs speed only.

Memory holds two answers, so that nearly every question goes to the tier."""

import signal
import subprocess

import pytest

from cached import CALM, metrics
from support import BINARY, Postgres, clean_environment, console, rows, wait_until
from tiers import Cluster, Redis

ROWS = 40
SMALL = {"cache.by_benefit": "false", **CALM, "cache.entries": "2", "cache.tier.timeout": "10s"}


@pytest.fixture
def redis():
    started = []

    def make(*options):
        started.append(Redis(*options).start())
        return started[-1]

    yield make
    for server in started:
        server.remove()


def open_gateway(weir, tmp_path, more):
    gateway = weir(f"sqlite:{tmp_path}/app.db", settings={**SMALL, **more})
    with gateway.connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS t(id integer PRIMARY KEY, v text)")
        for i in range(ROWS):
            db.execute("INSERT OR REPLACE INTO t VALUES (%s, %s)", (i, value(i)))
    return gateway


def valkey(server, **more):
    return {"cache.tier.kind": "valkey", "cache.tier.address": f"127.0.0.1:{server.port}",
            **{f"cache.tier.{k}": v for k, v in more.items()}}


def disk(tmp_path, **more):
    return {"cache.tier.kind": "disk", "cache.disk.path": tmp_path / "tier", **more}


def value(i, generation=0):
    return f"{i}-{generation}-" + "long and regular " * (i * 10)


def read(db, i):
    return db.execute(f"SELECT v FROM t WHERE id = {i}", prepare=False).fetchall()


def read_all(db, generation=0):
    for i in range(ROWS):
        assert read(db, i) == [(value(i, generation),)]


def tier_hits(gateway):
    return sum(v for k, v in metrics(gateway).items()
               if k.startswith("weir_cache_hits_total") and "memory" not in k)


def tier_metric(gateway, name):
    return sum(v for k, v in metrics(gateway).items() if k.startswith(f"weir_cache_tier_{name}"))


def reads_from_tier(gateway, db, least, generation=0):
    """Reads everything until so many answers of one round come from the tier."""
    def once():
        before = tier_hits(gateway)
        read_all(db, generation)
        return tier_hits(gateway) - before >= least
    wait_until(once, 30)


def write_all(db, generation):
    for i in range(ROWS):
        db.execute("UPDATE t SET v = %s WHERE id = %s", (value(i, generation), i))


# ---- what it is for ----

def test_what_memory_has_no_room_for_comes_from_valkey(weir, tmp_path, redis):
    server = redis()
    gateway = open_gateway(weir, tmp_path, valkey(server))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        keys = server.keys()
        assert len(keys) >= ROWS and all(k.startswith("weir:") for k in keys)
        assert 0 < int(server.ask("PTTL", keys[0])) <= 3600 * 1000
        sizes = [int(server.ask("STRLEN", k)) for k in keys]
        assert max(sizes) < 1500  # 7 KiB of text, compressed
        # Rows that change are read anew; the others go on coming from the tier.
        db.execute("UPDATE t SET v = 'new' WHERE id = 7")
        assert read(db, 7) == [("new",)]
        db.execute("UPDATE t SET v = %s WHERE id = 7", (value(7),))
        reads_from_tier(gateway, db, ROWS - 4)
    with console(gateway) as admin:
        line, = [r for r in rows(admin, "CACHE") if r["tier"] == "valkey"]
        assert line["hits"] > 0 and line["kept"] >= ROWS
    assert tier_metric(gateway, "up") == 1


def test_what_memory_has_no_room_for_comes_from_disk(weir, tmp_path):
    gateway = open_gateway(weir, tmp_path, disk(tmp_path))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        figures = metrics(gateway)
        assert figures['weir_cache_entries{tier="disk"}'] >= ROWS
        assert figures['weir_cache_bytes{tier="disk"}'] > 0
        write_all(db, 1)
        read_all(db, 1)
        reads_from_tier(gateway, db, ROWS - 4, generation=1)


@pytest.mark.parametrize("kind", ["valkey", "disk"])
def test_a_flush_by_hand_reaches_what_lies_behind_memory(weir, tmp_path, redis, kind):
    settings = valkey(redis()) if kind == "valkey" else disk(tmp_path)
    gateway = open_gateway(weir, tmp_path, settings)
    with gateway.connect() as db, console(gateway) as admin:
        reads_from_tier(gateway, db, ROWS - 4)
        admin.execute("FLUSH CACHE")
        before = tier_hits(gateway)
        read_all(db)
        assert tier_hits(gateway) == before
        reads_from_tier(gateway, db, ROWS - 4)


# ---- restarts: SQLite's history is the process's own ----

@pytest.mark.parametrize("kind", ["valkey", "disk"])
def test_after_a_crash_nothing_of_sqlite_is_taken_from_the_tier(weir, tmp_path, redis, kind):
    settings = valkey(redis()) if kind == "valkey" else disk(tmp_path)
    gateway = open_gateway(weir, tmp_path, settings)
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
    gateway.kill()
    gateway.start()
    with gateway.connect() as db:
        write_all(db, 1)
        before = tier_hits(gateway)
        read_all(db, 1)
        assert tier_hits(gateway) == before
        reads_from_tier(gateway, db, ROWS - 4, generation=1)


def test_another_process_does_not_take_the_directory(weir, tmp_path):
    first = open_gateway(weir, tmp_path, disk(tmp_path))
    (tmp_path / "other").mkdir()
    second = open_gateway(weir, tmp_path / "other", disk(tmp_path))
    with first.connect() as a, second.connect() as b:
        reads_from_tier(first, a, ROWS - 4)
        read_all(b)
        read_all(b)
        assert tier_hits(second) == 0
        assert "cannot use the directory" in second.stderr()
    first.stop()
    with second.connect() as b:
        reads_from_tier(second, b, ROWS - 4)


# ---- a tier that fails costs speed only ----

def test_a_killed_server_fails_no_query(weir, tmp_path, redis):
    server = redis()
    gateway = open_gateway(weir, tmp_path, valkey(server))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        server.kill()
        for _ in range(3):
            read_all(db)
        assert tier_metric(gateway, "up") == 0
        server.start()
        reads_from_tier(gateway, db, ROWS - 4)


def test_a_server_that_was_never_there_fails_no_query(weir, tmp_path, redis):
    server = redis()
    server.kill()
    gateway = open_gateway(weir, tmp_path, valkey(server))
    with gateway.connect() as db:
        for _ in range(3):
            read_all(db)
    assert tier_metric(gateway, "skipped") > 0


def test_a_stopped_server_is_soon_not_waited_for(weir, tmp_path, redis):
    server = redis()
    gateway = open_gateway(weir, tmp_path, valkey(server, timeout="20ms"))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS // 2)
        server.signal(signal.SIGSTOP)
        for _ in range(5):
            read_all(db)
        late = tier_metric(gateway, "late_total")
        assert 0 < late < 2 * ROWS  # then it was left alone
        assert tier_metric(gateway, "skipped") > late
        server.signal(signal.SIGCONT)
        reads_from_tier(gateway, db, ROWS // 2)


def test_a_full_server_fails_no_query(weir, tmp_path, redis):
    server = redis("--maxmemory", "100kb", "--maxmemory-policy", "noeviction")
    gateway = open_gateway(weir, tmp_path, valkey(server))
    with gateway.connect() as db:
        for _ in range(3):
            read_all(db)
    assert tier_metric(gateway, "errors") > 0


def test_a_server_that_lies_is_not_believed(weir, tmp_path, redis):
    server = redis()
    gateway = open_gateway(weir, tmp_path, valkey(server))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        keys = server.keys()
        some = server.ask("GET", keys[0])
        assert some
        for key, other in zip(keys, keys[1:] + keys[:1]):
            server.ask("COPY", other, f"x{other}")
            server.ask("RENAME", f"x{other}", key)  # another's answer under each key
        read_all(db)
        for key in server.keys():
            server.ask("SETRANGE", key, 60, "damage")
        read_all(db)
        for key in server.keys():
            server.ask("DEL", key)
            server.ask("LPUSH", key, "a list")
        read_all(db)
        server.ask("FLUSHALL")
        reads_from_tier(gateway, db, ROWS - 4)


def test_a_directory_without_room_fails_no_query(weir, tmp_path):
    gateway = open_gateway(weir, tmp_path, disk(tmp_path))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        for file in (tmp_path / "tier").glob("*.weir"):
            file.write_bytes(b"")  # as if the disk had lost it
        for _ in range(2):
            read_all(db)
        reads_from_tier(gateway, db, ROWS - 4)


# ---- who may ----

def test_passwords_and_users_are_told(weir, tmp_path, redis):
    server = redis("--user", "weir", "on", ">secret", "~weir:*", "+@all",
                   "--user", "default", "off")
    (tmp_path / "pw").write_text("secret\n")
    (tmp_path / "pw").chmod(0o600)
    gateway = open_gateway(weir, tmp_path,
                           valkey(server, user="weir", password_file=tmp_path / "pw"))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)


def test_a_wrong_password_fails_no_query(weir, tmp_path, redis):
    server = redis("--requirepass", "secret")
    gateway = open_gateway(weir, tmp_path, valkey(server, password="hunter2", database="3"))
    with gateway.connect() as db:
        for _ in range(3):
            read_all(db)
    assert tier_hits(gateway) == 0
    assert "server refuses us" in gateway.stderr()
    assert "hunter2" not in gateway.stderr()


def test_a_database_is_selected(weir, tmp_path, redis):
    server = redis("--requirepass", "secret")
    gateway = open_gateway(weir, tmp_path,
                           valkey(server, password="secret", database="3", prefix="mine:"))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
    auth = ("-a", "secret", "--no-auth-warning")
    assert not server.keys(options=auth)
    assert all(k.startswith("mine:") for k in server.keys(options=(*auth, "-n", "3")))


def certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", directory / "key.pem", "-out", directory / "cert.pem", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    (directory / "key.pem").chmod(0o600)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_tls_to_the_server(weir, tmp_path, redis, mode):
    certificate(tmp_path)
    server = Redis()
    server.options += ["--port", "0", "--tls-port", str(server.port), "--tls-cert-file",
                       str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"),
                       "--tls-ca-cert-file", str(tmp_path / "cert.pem"), "--tls-auth-clients",
                       "no"]
    server.start()
    try:
        more = {"tls": mode}
        if mode != "require":
            more["ca"] = tmp_path / "cert.pem"
        gateway = open_gateway(weir, tmp_path, valkey(server, **more))
        with gateway.connect() as db:
            reads_from_tier(gateway, db, ROWS - 4)
    finally:
        server.remove()


# ---- clusters ----

@pytest.fixture
def cluster():
    c = Cluster()
    yield c
    c.remove()


@pytest.mark.seconds(120)
def test_a_cluster_is_found_from_one_of_its_nodes(weir, tmp_path, cluster):
    gateway = open_gateway(weir, tmp_path, valkey(cluster.nodes[1]))
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        assert all(len(n.keys()) > 0 for n in cluster.nodes)
        # A slot that moves: MOVED, and the map is learnt anew.
        key = cluster.nodes[0].keys()[0]
        slot = int(cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key))
        cluster.move(slot, 0, 2)
        reads_from_tier(gateway, db, ROWS - 4)
        # One node gone: what it had is read from the database.
        cluster.nodes[2].kill()
        for _ in range(3):
            read_all(db)
        assert tier_hits(gateway) > 0


@pytest.mark.seconds(120)
def test_a_slot_on_its_way_is_asked_for_where_it_goes(weir, tmp_path, cluster):
    gateway = open_gateway(weir, tmp_path, valkey(cluster.nodes[0]))
    a, b = cluster.nodes[0], cluster.nodes[1]
    with gateway.connect() as db:
        reads_from_tier(gateway, db, ROWS - 4)
        ids = [n.ask("CLUSTER", "MYID").strip() for n in cluster.nodes]
        for key in a.keys():  # ASK for every key that a had
            slot = a.ask("CLUSTER", "KEYSLOT", key).strip()
            b.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
            a.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
            a.ask("MIGRATE", "127.0.0.1", b.port, key, 0, 5000)
        reads_from_tier(gateway, db, ROWS - 4)


# ---- PostgreSQL: what one Weir read, another one gives ----

@pytest.fixture
def followed():
    server = Postgres(wal_level="logical").start()
    try:
        with server.connect() as db:
            db.execute("CREATE TABLE t(id int PRIMARY KEY, v text)")
            db.execute("INSERT INTO t SELECT i, 'old' FROM generate_series(0, %s) i", (ROWS - 1,))
        dsn = f"postgres://postgres@127.0.0.1:{server.port}/postgres"
        subprocess.run([BINARY, "setup", dsn], check=True, capture_output=True, timeout=60,
                       env=clean_environment())
        server.dsn = dsn
        yield server
    finally:
        server.remove()


def open_node(weir, server, redis_server):
    more = {**SMALL, "cache.bound": "5s", **valkey(redis_server)}
    return weir(server.dsn, settings=more)


def connect(gateway):
    return gateway.connect(dbname="postgres", user="postgres")


def values(db):
    return [read(db, i)[0][0] for i in range(ROWS)]


def settle(gateway, db, expected):
    """Until the node gives these, and most of them from the tier."""
    def once():
        before = tier_hits(gateway)
        return values(db) == expected and tier_hits(gateway) - before > ROWS // 2
    wait_until(once, 40)


@pytest.mark.seconds(120)
def test_two_weirs_share_answers_of_one_server(weir, redis, followed):
    server = redis()
    a, b = open_node(weir, followed, server), open_node(weir, followed, server)
    with connect(a) as one, connect(b) as other:
        expected = ["old"] * ROWS
        settle(a, one, expected)
        settle(b, other, expected)
        # A write through one: it sees it at once, the other one soon, and from then on.
        one.execute("UPDATE t SET v = 'new' WHERE id = 7")
        assert read(one, 7) == [("new",)]
        wait_until(lambda: read(other, 7) == [("new",)])
        expected[7] = "new"
        for _ in range(3):
            assert values(one) == expected
            assert values(other) == expected
        # A write past both.
        with followed.connect() as direct:
            direct.execute("UPDATE t SET v = 'direct' WHERE id < 3")
        expected[:3] = ["direct"] * 3
        wait_until(lambda: values(one) == expected)
        wait_until(lambda: values(other) == expected)
        settle(b, other, expected)


@pytest.mark.seconds(120)
def test_after_a_crash_what_changed_meanwhile_is_not_given(weir, redis, followed):
    server = redis()
    a = open_node(weir, followed, server)
    with connect(a) as db:
        settle(a, db, ["old"] * ROWS)
    a.kill()
    with followed.connect() as direct:
        direct.execute("UPDATE t SET v = 'new' WHERE id % 2 = 0")
    expected = ["new" if i % 2 == 0 else "old" for i in range(ROWS)]
    a.start()
    with connect(a) as db:
        for _ in range(5):
            assert values(db) == expected
        settle(a, db, expected)


# ---- configuration ----

@pytest.mark.parametrize("settings, words", [
    ({"cache.tier.kind": "valkey"}, "needs cache.tier.address"),
    ({"cache.tier.kind": "disk"}, "needs cache.disk.path"),
    ({"cache.tier.kind": "disk", "cache.disk.path": "/proc/nowhere"}, "cannot use the directory"),
])
def test_a_tier_that_cannot_be_is_said_at_start(weir, tmp_path, settings, words):
    gateway = weir(f"sqlite:{tmp_path}/app.db", settings=settings, start=False)
    with pytest.raises(AssertionError, match=words):
        gateway.start()
