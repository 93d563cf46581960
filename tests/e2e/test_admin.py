"""The admin database `weir` and admin HTTP, as operators, drivers and Prometheus use them."""

import asyncio
import http.client
import json
import math
import re
import signal
import subprocess
import threading
import time

import asyncpg
import psycopg
import psycopg2
import pytest

from support import BINARY, Wire, clean_environment, console, message, rows, wait_until

REPORTS = ["version", "config", "databases", "pools", "clients", "servers", "stats", "statements",
           "cache", "cache_misses", "cache_strategies", "cache_entries", "cache_templates",
           "cache_rules", "lists", "help", "sockets", "active_sockets", "dns_hosts", "mem"]

# PgBouncer 1.18's columns, as `SHOW` of Debian's package gives them.
SOCKETS = ("type user database state addr port local_addr local_port connect_time request_time "
           "wait wait_us close_needed ptr link remote_pid tls application_name").split()
PGBOUNCER = {
    "databases": "name host port database force_user pool_size min_pool_size reserve_pool "
                 "pool_mode max_connections current_connections paused disabled".split(),
    "pools": "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req "
             "sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login "
             "maxwait maxwait_us pool_mode".split(),
    "clients": SOCKETS,
    "servers": SOCKETS,
    "stats": "database total_xact_count total_query_count total_received total_sent "
             "total_xact_time total_query_time total_wait_time avg_xact_count avg_query_count "
             "avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time".split(),
    "lists": ["list", "items"],
    "sockets": SOCKETS + ("recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail "
                          "send_avail").split(),
    "dns_hosts": ["hostname", "ttl", "addrs"],
    "mem": ["name", "size", "used", "free", "memtotal"],
    "config": ["key", "value", "default", "changeable"],
    "version": ["version"],
}


@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/admin.db")


def http_get(gateway, path, method="GET", headers=None, body=None, admin=None):
    host, _, port = (admin or gateway.admin).rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def work(gateway):
    with gateway.connect() as c:
        c.execute("CREATE TABLE t(a integer PRIMARY KEY, b text)")
        c.execute("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
        for i in range(5):
            c.execute("SELECT b FROM t WHERE a = %s", [i]).fetchall()
        with pytest.raises(psycopg.errors.UniqueViolation):
            c.execute("INSERT INTO t VALUES (1, 'again')")


# ---- the console ----

@pytest.mark.parametrize("report", REPORTS)
def test_show_begins_with_pgbouncers_columns(gateway, report):
    with console(gateway) as c:
        cursor = c.execute(f"SHOW {report}")
        names = [column.name for column in cursor.description]
        wanted = PGBOUNCER.get(report, [])
        assert names[:len(wanted)] == wanted
        assert len(set(names)) == len(names)
        for row in cursor:
            assert len(row) == len(names)


def test_show_reads_alike_in_the_simple_and_the_extended_protocol(gateway):
    work(gateway)
    simple = psycopg2.connect(gateway.conninfo(dbname="weir"))
    simple.autocommit = True
    with simple.cursor() as cursor, console(gateway) as extended:
        cursor.execute("show statements;")
        assert cursor.fetchall() == extended.execute("SHOW STATEMENTS").fetchall()
    simple.close()
    binary = psycopg.connect(gateway.conninfo(dbname="weir"), autocommit=True)
    with binary, binary.cursor(binary=True) as cursor:
        lists = dict(cursor.execute("SHOW LISTS").fetchall())
        assert lists["databases"] == 1 and isinstance(lists["workers"], int)
        found = cursor.execute("SHOW STATEMENTS").fetchall()
        assert any(isinstance(value, float) and value > 0 for value in found[0])


def test_asyncpg_reads_the_console(gateway):
    work(gateway)

    async def run():
        c = await asyncpg.connect(**gateway.asyncpg(database="weir"))
        try:
            stats = await c.fetch("SHOW STATS")
            statement = await c.prepare("SHOW POOLS")
            pools = [await statement.fetch() for _ in range(3)]
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await c.fetch("SHOW nothing")
            return stats, pools, await c.fetchval("SHOW VERSION")
        finally:
            await c.close()

    stats, pools, version = asyncio.run(run())
    assert stats[0]["total_query_count"] >= 8 and isinstance(stats[0]["total_query_count"], int)
    assert [p[0]["database"] for p in pools] == ["admin"] * 3
    assert version.startswith("Weir ")


def test_psql_uses_the_console(gateway):
    done = gateway.psql("-c", "/* hello */ ShOw Version ;", "-c", "SHOW HELP", dbname="weir")
    assert done.stdout.startswith("Weir ") and "PAUSE" in done.stdout


def test_statements_are_counted_and_ordered_by_time(gateway):
    work(gateway)
    with console(gateway) as c:
        found = rows(c, "statements")
    times = [row["total_seconds"] for row in found]
    assert times == sorted(times, reverse=True)
    select = next(row for row in found if row["text"].startswith("select b"))
    assert (select["calls"], select["rows"], select["errors"], select["kind"]) == (5, 2, 0, "read")
    assert 0 < select["mean_seconds"] <= select["p95_seconds"] <= select["max_seconds"]
    assert re.fullmatch("[0-9a-f]{16}", select["id"])
    insert = [row for row in found if row["text"].startswith("insert")]
    assert sum(row["errors"] for row in insert) == 1
    assert not any("again" in row["text"] for row in found), "literals are not shown"


def test_clients_of_all_workers_are_listed(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/admin.db", settings={"workers": 3})
    others = [gateway.connect(application_name=f"app{i}") for i in range(9)]
    with console(gateway) as c:
        found = rows(c, "clients")
        named = {row["application_name"] for row in found}
        assert {f"app{i}" for i in range(9)} <= named
        assert {row["worker"] for row in found} == {0, 1, 2}
        assert all(row["addr"] == "127.0.0.1" and row["port"] > 0 for row in found)
        assert [row["activity"] for row in found].count("admin") == 1
    for other in others:
        other.close()


def test_errors_say_what_the_console_knows(gateway):
    with console(gateway) as c:
        for text, words in [("SHOW caches", "STATEMENTS"), ("SELECT 1", "PAUSE"), ("SHOW", "SHOW"),
                            ("PAUSE a b", "PAUSE"), ("SHOW a; SHOW b", "PAUSE")]:
            with pytest.raises(psycopg.errors.SyntaxError) as e:
                c.execute(text)
            assert e.value.diag.message_primary.startswith("weir: ")
            assert words in e.value.diag.message_hint
        with pytest.raises(psycopg.errors.InvalidCatalogName):
            c.execute("PAUSE nosuch")
        with pytest.raises(psycopg.errors.ProtocolViolation):
            c.execute("SHOW LISTS -- %s", ["a"])
        assert rows(c, "version")


def test_transaction_commands_of_drivers_do_no_harm(gateway):
    with psycopg.connect(gateway.conninfo(dbname="weir")) as c:  # not autocommit: BEGIN, COMMIT
        assert c.execute("SHOW VERSION").fetchone()
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        c.commit()
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_only_admins_may_use_the_console(weir, tmp_path):
    config = f"""
databases:
  app: sqlite:{tmp_path}/users.db
users:
  boss: {{password: secret1, admin: true}}
  clerk: {{password: secret2}}
"""
    gateway = weir(config=config)
    with gateway.connect(dbname="weir", user="boss", password="secret1") as c:
        assert rows(c, "version")
    with pytest.raises(psycopg.OperationalError, match="may not use database"):
        gateway.connect(dbname="weir", user="clerk", password="secret2")
    with pytest.raises(psycopg.OperationalError, match="password"):
        gateway.connect(dbname="weir", user="boss", password="wrong")


def test_pause_holds_statements_until_resume(gateway):
    work(gateway)
    with console(gateway) as c, gateway.connect() as app:
        c.execute("PAUSE admin")
        assert rows(c, "databases")[0]["paused"] == 1
        done = []
        reader = threading.Thread(
            target=lambda: done.append(app.execute("SELECT count(*) FROM t").fetchone()))
        reader.start()
        wait_until(lambda: rows(c, "pools")[0]["cl_waiting"] == 1)
        assert [row["state"] for row in rows(c, "clients")].count("waiting") == 1
        assert not done
        c.execute("RESUME admin")
        reader.join(20)
        assert done == [(2,)]
        assert rows(c, "databases")[0]["paused"] == 0


def test_pause_waits_for_a_transaction_and_can_be_cancelled(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()))
    with console(gateway) as c, gateway.connect(autocommit=False) as app:
        app.execute("SELECT 1")
        threading.Timer(0.3, c.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("PAUSE")
        app.commit()
        c.execute("PAUSE")
        c.execute("RESUME")


def test_servers_show_who_holds_them_and_why(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()))
    with console(gateway) as c, gateway.connect() as app:
        app.execute("CREATE TEMP TABLE news (v int)")
        server = [row for row in rows(c, "servers") if row["link"]]
        client = next(row for row in rows(c, "clients") if row["pinned"])
        assert len(server) == 1 and server[0]["pinned"] == 1
        assert (server[0]["link"], client["link"]) == (client["ptr"], server[0]["ptr"])
        assert client["pinned"] == "temp"
        assert server[0]["remote_pid"] > 0 and server[0]["port"] == postgres.port
        pinned = scrape(gateway)["weir_pinned_sessions"][1]
        assert pinned["weir_pinned_sessions", ('reason="temp"',)] == 1
        app.execute("DISCARD ALL")
        app.execute("SELECT 1")
        pinned = scrape(gateway)["weir_pinned_sessions"][1]
        assert sum(pinned.values()) == 0


def test_sockets_names_and_memory_are_shown(weir, postgres):
    gateway = weir(f"postgres://postgres@localhost:{postgres.port}/postgres")
    with gateway.connect() as db, console(gateway) as admin:
        with db.transaction():
            db.execute("SELECT 1")
            sockets = rows(admin, "SOCKETS")
            client, = [s for s in sockets if s["type"] == "C" and s["database"] == "app"]
            assert client["link"] in [s["ptr"] for s in sockets if s["type"] == "S"]
            assert all(s["send_remain"] == s["send_avail"] == 0 for s in sockets)
        name, = rows(admin, "DNS_HOSTS")
        assert (name["hostname"], name["port"]) == ("localhost", postgres.port)
        assert set(name["addrs"].split(",")) <= {"127.0.0.1", "::1"} and name["addrs"]
        assert 0 <= name["ttl"] <= 60
        memory = {r["name"]: r for r in rows(admin, "MEM")}
        assert memory["client"]["used"] == memory["client"]["memtotal"]
        assert memory["memory.max"]["memtotal"] == 512 << 20  # its default


def test_bytes_that_a_client_does_not_take_are_shown(weir, postgres):
    gateway = weir(postgres.dsn())
    with Wire(gateway) as slow, console(gateway) as admin:
        slow.send(message(b"Q", b"SELECT repeat('x', 1000000) FROM generate_series(1, 40)\0"))
        wait_until(lambda: any(s["type"] == "C" and s["send_remain"] > 0
                               for s in rows(admin, "SOCKETS")))


def test_console_survives_a_client_that_leaves_during_a_report(gateway):
    work(gateway)
    for _ in range(30):
        c = console(gateway)
        c.pgconn.send_query(b"SHOW STATEMENTS")
        c.pgconn.finish()
    with console(gateway) as c:
        wait_until(lambda: dict((r["list"], r["items"]) for r in rows(c, "lists"))
                   ["used_clients"] == 1)


@pytest.mark.parametrize("command", ["SHUTDOWN", "DRAIN"])
def test_shutdown_ends_the_gateway_as_sigterm_does(gateway, command):
    with console(gateway) as c:
        c.execute(command)
    assert gateway.wait() == 0


# ---- HTTP ----

def test_health_and_readiness(gateway):
    for path in ["/healthz", "/readyz"]:
        status, headers, body = http_get(gateway, path)
        assert status == 200 and headers["Content-Type"] == "application/json"
        assert json.loads(body)


def test_not_ready_while_draining(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()), settings={"timeouts.drain": "30s"})
    with gateway.connect(autocommit=False) as app:
        app.execute("SELECT 1")
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: http_get(gateway, "/readyz")[0] == 503)
        assert http_get(gateway, "/healthz")[0] == 200
        app.commit()
    assert gateway.wait() == 0


@pytest.mark.parametrize("report", REPORTS)
def test_api_gives_what_show_gives(gateway, report):
    work(gateway)
    status, headers, body = http_get(gateway, f"/api/{report}.json")
    assert status == 200 and headers["Content-Type"] == "application/json"
    data = json.loads(body)
    assert all(list(row) == data["columns"] for row in data["rows"])
    with console(gateway) as c:
        assert [d.name for d in c.execute(f"SHOW {report}").description] == data["columns"]
        if report in ("statements", "config", "help"):
            assert rows(c, report) == data["rows"]


def test_unknown_paths_methods_and_hosts_are_refused_as_json(gateway):
    for path, method, headers, status in [
            ("/nothing", "GET", {}, 404), ("/api/nothing.json", "GET", {}, 404),
            ("/api/pools", "GET", {}, 404), ("/metrics", "POST", {}, 405),
            ("/", "DELETE", {}, 405), ("/api/pools.json", "PUT", {}, 405),
            ("/metrics", "GET", {"Host": "evil.example"}, 403)]:
        got, answer, body = http_get(gateway, path, method, headers,
                                     body=b"x" * 100000 if method == "POST" else None)
        assert got == status, (path, method)
        assert answer["Content-Type"] == "application/json" and json.loads(body)["error"]
    assert http_get(gateway, "/metrics", "HEAD")[2] == ""


def test_page_needs_nothing_from_elsewhere(gateway):
    status, headers, body = http_get(gateway, "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "<title>Weir</title>" in body
    assert not re.search(r"(src|href)\s*=|https?://|@import|url\(", body)


def test_reports_under_way_survive_shutdown(gateway):
    work(gateway)
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            try:
                http_get(gateway, "/api/statements.json")
            except (OSError, http.client.HTTPException):
                return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    time.sleep(0.3)
    gateway.terminate()
    assert gateway.wait() == 0
    stop.set()
    for asker in askers:
        asker.join(30)


def test_beyond_loopback_a_token_is_needed_for_everything(tmp_path):
    dsn = f"sqlite:{tmp_path}/token.db"
    command = [BINARY, "serve", dsn, "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30,
                          env=clean_environment())
    assert done.returncode in (1, 2) and "admin.token" in done.stderr
    process = subprocess.Popen(
        [*command, "--set", "admin.token=t0ken"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env=clean_environment())
    try:
        port = re.search(r"admin=\S+:(\d+)", process.stdout.readline())[1]
        admin = f"127.0.0.1:{port}"
        for path in ["/healthz", "/metrics", "/", "/api/pools.json", "/nothing"]:
            for headers in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "t0ken"},
                            {"Authorization": "Bearer t0kenn"}, {"Authorization": "Bearer "}]:
                assert http_get(None, path, headers=headers, admin=admin)[0] == 401
        right = {"Authorization": "Bearer t0ken"}
        assert http_get(None, "/healthz", headers=right, admin=admin)[0] == 200
        assert http_get(None, "/api/pools.json", headers=right, admin=admin)[0] == 200
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


# ---- metrics ----

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def parse_metrics(text):
    """{family: (type, {(name, labels): value})}; strict about everything the format says."""
    assert text.endswith("\n") and "\r" not in text
    families, seen, family = {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in families and line.split(" ", 3)[3], line
            families[family] = [None, {}]
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and families[name][0] is None
            assert kind in ("counter", "gauge", "histogram")
            families[name][0] = kind
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found.groups()
        kind = families[family][0]
        suffixes = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
        assert name in [family + s for s in suffixes], line
        pairs = tuple(sorted(re.findall(LABEL, labels or "")))
        assert len({p.split("=")[0] for p in pairs}) == len(pairs), line
        assert (name, pairs) not in seen, f"twice: {line}"
        seen.add((name, pairs))
        number = float(value)
        assert math.isfinite(number) and number >= 0, line
        if kind == "counter":
            assert family.endswith("_total"), family
        families[family][1][name, pairs] = number
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return families


def check_histogram(name, samples):
    series = {}
    for (sample, labels), value in samples.items():
        rest = tuple(p for p in labels if not p.startswith("le="))
        bound = [p[4:-1] for p in labels if p.startswith("le=")]
        one = series.setdefault(rest, {"buckets": []})
        if sample == name + "_bucket":
            one["buckets"].append((float(bound[0]), value))
        else:
            one[sample[len(name):]] = value
    for one in series.values():
        bounds = [b for b, _ in one["buckets"]]
        counts = [n for _, n in one["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf
        assert counts == sorted(counts) and counts[-1] == one["_count"]
        assert {"_sum", "_count"} < set(one)


CONTRACT = {
    "weir_clients": {"state"}, "weir_queries_total": {"database", "kind", "target"},
    "weir_query_duration_seconds": {"database", "target"},
    "weir_query_errors_total": {"database", "sqlstate_class"},
    "weir_slow_queries_total": {"database"},
    "weir_pool_connections": {"database", "server", "state"}, "weir_pool_waiting": {"database"},
    "weir_pool_wait_seconds": {"database"}, "weir_pool_timeouts_total": {"database"},
    "weir_pinned_sessions": {"reason"}, "weir_server_up": {"server"},
    "weir_memory_bytes": {"owner"}, "weir_build_info": {"version"},
    "process_cpu_seconds_total": set(), "process_resident_memory_bytes": set(),
    "process_open_fds": set(), "process_start_time_seconds": set(),
}


def scrape(gateway):
    status, headers, body = http_get(gateway, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return parse_metrics(body)


def test_metrics_are_prometheus_text_with_the_contracts_names(gateway):
    work(gateway)
    families = scrape(gateway)
    for name, labels in CONTRACT.items():
        assert families[name][1], name
        for _, pairs in families[name][1]:
            assert {p.split("=")[0] for p in pairs} - {"le"} == labels, name
    values = {k: v for _, samples in families.values() for k, v in samples.items()}
    key = ('database="admin"', 'kind="read"', 'target="primary"')
    assert values["weir_queries_total", key] >= 5
    assert values["weir_query_errors_total", ('database="admin"', 'sqlstate_class="23"')] == 1
    started = values["process_start_time_seconds", ()]
    assert abs(started - time.time()) < 600
    assert values["process_resident_memory_bytes", ()] > 1e6
    assert values["process_open_fds", ()] > 5


def test_metrics_count_on_and_never_back(gateway):
    work(gateway)
    before = scrape(gateway)
    with gateway.connect() as c:
        for _ in range(20):
            c.execute("SELECT count(*) FROM t").fetchone()
        busy = scrape(gateway)
        assert busy["weir_clients"][1]["weir_clients", ('state="idle"',)] == 1
    after = scrape(gateway)
    for name, (kind, samples) in before.items():
        if kind == "counter":
            assert all(after[name][1][key] >= value for key, value in samples.items()), name

    def finished(found):
        _, samples = found["weir_query_duration_seconds"]
        name, database = "weir_query_duration_seconds_count", 'database="admin"'
        return sum(samples.get((name, (database, f'target="{target}"')), 0)
                   for target in ("cache", "primary"))

    assert finished(after) >= finished(before) + 20


def test_a_server_that_is_down_shows(weir):
    gateway = weir("postgres://nobody@127.0.0.1:1/app",
                   settings={"pool.acquire_timeout": "300ms"})
    assert scrape(gateway)["weir_server_up"][1].popitem()[1] == 1
    with pytest.raises(psycopg.OperationalError):
        gateway.connect()
    assert scrape(gateway)["weir_server_up"][1].popitem()[1] == 0
    assert http_get(gateway, "/readyz")[0] == 503
