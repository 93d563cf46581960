"""Table (n) of make bench: the tier behind memory. What an answer from it costs on the wire, and
what a tier that is dead costs those who ask the database: one that nobody listens for, and one that
is stopped in the midst of its work, beside none."""

import re
import signal
import statistics
import urllib.request

import cached
import pooling
import servers
import writers
from report import heading, median, number, row

CLIENTS = (1, 8)
TRIES = 30  # seconds until the tier has everything
HARDLY_ANY = 2  # answers in memory, so that the tier is asked for nearly every one
SOME = 300  # of 1 000: a statement whose answers are never asked for again is not looked up at all


def figure(server, pattern):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/metrics", timeout=20) as answer:
        found = re.findall(rf"^{pattern} (\S+)$", answer.read().decode(), re.M)
    return sum(map(float, found))


def hits_below(server):
    return figure(server, r'weir_cache_hits_total\{tier="(?:valkey|disk)"\}')


def weir(directory, postgres, name, entries, **more):
    admin = servers.free_port()
    server = servers.weir_postgres(directory, postgres,
                                   **{"admin.listen": f"127.0.0.1:{admin}",
                                      "cache.entries": entries, **more})
    server.name, server.admin = name, admin
    return server


def valkey(redis):
    return {"cache.tier.kind": "valkey", "cache.tier.address": f"127.0.0.1:{redis.port}"}


def load(program, server, clients, seconds):
    return cached.load(program, server, "extended", clients, 1, seconds)


# ---- an answer from the tier ----

def warm(program, server):
    for _ in range(TRIES):
        before = hits_below(server)
        got = load(program, server, 8, 1)
        if hits_below(server) - before > 0.9 * got["count"]:
            return
    raise SystemExit(f"bench: the tier of {server.name} does not give what is asked for")


def from_tier(made, plan, program):
    cells = {}
    for server in made:
        warm(program, server)
    for turn in range(plan.rounds):
        for clients in CLIENTS:
            for server in pooling.rotated(made, turn):
                before = hits_below(server)
                got = load(program, server, clients, plan.seconds)
                got["share"] = (hits_below(server) - before) / got["count"]
                cells.setdefault(("hit", clients, server.name), []).append(got)
    return cells


# ---- a tier that is dead ----

def without_tier(made, plan, program):
    """What memory has no room for goes to the database."""
    cells = {}
    for server in made:
        load(program, server, 8, 1)
    for turn in range(max(3, plan.rounds)):
        for clients in CLIENTS:
            for server in pooling.rotated(made, turn):
                cells.setdefault(("dead", clients, server.name), []).append(
                    load(program, server, clients, plan.seconds))
    return cells


def bench(directory, plan, program):
    where = directory / "tiers"
    where.mkdir()
    servers.give_to_postgres(where)
    postgres = servers.Postgres(where, 1, wal_level="logical")
    redis, stopped = cached.redis(where), cached.redis(where)
    made = []
    try:
        if not redis:
            raise SystemExit("bench: table (n) needs redis-server or valkey-server")
        postgres.sql("CREATE TABLE items (id int PRIMARY KEY, v text NOT NULL)")
        postgres.sql(f"INSERT INTO items SELECT g, '{cached.VALUE}' FROM "
                     f"generate_series(1, {cached.HOT}) g")
        postgres.sql("VACUUM ANALYZE items")
        writers.set_up(postgres)
        made = [weir(where, postgres, "Valkey", HARDLY_ANY, **valkey(redis)),
                weir(where, postgres, "disk", HARDLY_ANY,
                     **{"cache.tier.kind": "disk", "cache.disk.path": where / "tier"})]
        cells = from_tier(made, plan, program)
        pooling.stop_all([None, *made])
        made = []
        closed = type("Closed", (), {"port": servers.free_port()})
        for name, more in (("none", {}), ("nobody listens", valkey(closed)),
                           ("stopped", valkey(stopped))):
            made.append(weir(where, postgres, name, SOME, **more))
        load(program, made[2], 8, 1)  # it was well once
        stopped.process.send_signal(signal.SIGSTOP)
        return {**cells, **without_tier(made, plan, program)}
    finally:
        pooling.stop_all([None, *made])
        for server in filter(None, (redis, stopped)):
            server.process.send_signal(signal.SIGCONT)
            server.stop()
        postgres.stop(signal.SIGINT)  # its fast shutdown


def against_none(cells, clients, name, key):
    pairs = zip(cells[("dead", clients, name)], cells[("dead", clients, "none")])
    return statistics.median(a[key] / b[key] for a, b in pairs if b[key])


def table(cells):
    lines = ["## (n) The tier behind memory", "", "An answer from the tier:", ""]
    lines += heading("tier", "clients", "requests/s", "p50 µs", "p99 µs", "from the tier")
    for (kind, clients, name), runs in cells.items():
        if kind == "hit":
            lines.append(row(name, clients, number(median(runs, "rate")),
                             number(median(runs, "p50")), number(median(runs, "p99")),
                             number(median(runs, "share"), ".1%")))
    lines += ["", "Three of four questions to the database, beside a tier that is dead (÷ none: the"
              " median of rounds):", ""]
    lines += heading("tier", "clients", "requests/s", "p50 µs", "p99 µs", "p50 ÷ none",
                     "p99 ÷ none")
    for (kind, clients, name), runs in cells.items():
        if kind == "dead":
            lines.append(row(name, clients, number(median(runs, "rate")),
                             number(median(runs, "p50")), number(median(runs, "p99")),
                             number(against_none(cells, clients, name, "p50"), ".2f"),
                             number(against_none(cells, clients, name, "p99"), ".2f")))
    return lines + [""]
