"""Tables (e) and (f) of make bench: what a SELECT from the cache costs on the wire, beside a Redis
GET by the same client and beside a server that answers with the same bytes without looking; and
whether writes cost hits when dependencies are rows, beside tables."""

import re
import shutil
import socket
import sqlite3
import urllib.request

import servers
from report import heading, median, number, row

SHAPES = ((1, 1), (8, 1), (32, 1), (32, 16))  # clients, requests of each under way
HOT = 1000  # keys
VALUE = "v" * 32
READ = "SELECT v FROM items WHERE id = $1"
WRITE = "UPDATE items SET v = 'written' WHERE id = $1"

ROWS = 1_000_000
KEPT = ROWS // 10
THETA = 0.99


def make_items(path, count):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, v TEXT NOT NULL)")
        db.executemany("INSERT INTO items VALUES (?, ?)",
                       ((i, VALUE) for i in range(1, count + 1)))
    db.close()


def hits_and_misses(admin_port):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return [sum(float(v) for v in re.findall(rf"^weir_cache_{what}_total.* (\S+)$", text, re.M))
            for what in ("hits", "misses")]


# ---- (e) a cached SELECT on the wire ----

def redis(directory):
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        return None
    port = servers.free_port()
    server = servers.Server("Redis GET", [program, "--port", port, "--bind", "127.0.0.1", "--save",
                                          "", "--appendonly", "no", "--dir", directory,
                                          "--logfile", directory / "redis.log"], port).ready()
    fill_redis(port)
    return server


def fill_redis(port):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"".join(b"SET %d %s\r\n" % (i, VALUE.encode()) for i in range(1, HOT + 1)))
        got = 0
        while got < HOT * len(b"+OK\r\n"):
            got += len(s.recv(1 << 16))


def canned():
    port = servers.free_port()
    return servers.Server("canned row", [servers.BUILD / "bench/bench_canned", port, VALUE],
                          port).ready()


def competitors(directory):
    """(name, language, server)"""
    path = directory / "items.db"
    make_items(path, HOT)
    weir, fixed, get = servers.weir(directory, f"sqlite:{path}"), canned(), redis(directory)
    made = [("Weir", "simple", weir), ("Weir", "extended", weir), ("canned row", "simple", fixed),
            ("canned row", "extended", fixed)]
    return made + ([("Redis GET", "resp", get)] if get else [])


def load(program, server, language, clients, depth, seconds):
    before = server.cpu()
    got = program("load", "-l", language, "-c", clients, "-d", depth, "-k", HOT, "-s", seconds,
                  "-u", "postgres", "-b", "postgres", server.port, READ)
    got["cpu"] = (server.cpu() - before) * 1e6 / got["count"]  # µs of a request
    return got


def bench_wire(directory, plan, program):
    made = competitors(directory)
    try:
        for _, language, server in made:  # what is to be cached is
            load(program, server, language, 8, 8, 1)
        return wire_cells(made, SHAPES, plan, program)
    finally:
        stop_all(made)


def stop_all(made):
    for server in {id(s): s for _, _, s in made}.values():
        server.stop()


def wire_cells(made, shapes, plan, program):
    """{(clients, depth, name, language): [run]}, interleaved."""
    cells = {}
    for turn in range(plan.rounds):
        for clients, depth in shapes:
            at = turn % len(made)
            for name, language, server in made[at:] + made[:at]:
                got = load(program, server, language, clients, depth, plan.seconds)
                cells.setdefault((clients, depth, name, language), []).append(got)
    return cells


def against(cells, shape, language, name, key):
    """The median of the ratios of runs that were made side by side."""
    ours = cells.get((*shape, "Weir", language), [])
    theirs = cells.get((*shape, name, "resp" if name == "Redis GET" else language), [])
    pairs = [{"ratio": a[key] / b[key]} for a, b in zip(ours, theirs) if b[key]]
    return number(median(pairs, "ratio"), ".2f")


def wire_table(cells, title="(e) A cached SELECT on the wire", others=("Redis GET", "canned row")):
    lines = [f"## {title}", "",
             f"{HOT:,} hot keys, values of {len(VALUE)} bytes, one client program for all.", ""]
    lines += heading("clients", "under way", "", "protocol", "requests/s", "p50 µs", "p99 µs",
                     "server CPU, µs a request")
    for (clients, depth, name, language), runs in cells.items():
        lines.append(row(clients, depth, name, language, number(median(runs, "rate")),
                         number(median(runs, "p50")), number(median(runs, "p99")),
                         number(median(runs, "cpu"), ".2f")))
    lines += ["", "As ratios, Weir to the others: above 1 is better for requests/s, below 1 for"
              " CPU.", ""]
    lines += heading("clients", "under way", "protocol",
                     *(f"{what}: {name}" for what in ("requests/s", "CPU") for name in others))
    for shape in dict.fromkeys(k[:2] for k in cells):
        for language in ("simple", "extended"):
            lines.append(row(*shape, language, *(
                against(cells, shape, language, name, key)
                for key in ("rate", "cpu") for name in others)))
    return lines + [""]


# ---- (f) the granularity of dependencies ----

def ratio_of_hits(directory, program, granularity, writes, requests):
    admin = servers.free_port()
    server = servers.weir(directory, f"sqlite:{directory / 'million.db'}", "--set",
                          f"admin.listen=127.0.0.1:{admin}", "--set", f"cache.entries={KEPT}",
                          "--set", f"cache.granularity={granularity}", "--set",
                          "sqlite.synchronous=normal")
    arguments = ["-l", "extended", "-c", 8, "-d", 8, "-k", ROWS, "-z", THETA, "-w", writes]
    try:
        program("load", *arguments, "-n", requests, server.port, READ, WRITE)  # it fills
        before = hits_and_misses(admin)
        got = program("load", *arguments, "-n", requests, server.port, READ, WRITE)
        hits, misses = (b - a for a, b in zip(before, hits_and_misses(admin)))
    finally:
        server.stop()
    got["hits"] = 100 * hits / (requests * (1 - writes))
    got["misses"] = misses
    return got


def bench_granularity(directory, plan, program):
    """{(granularity, writes): run}"""
    make_items(directory / "million.db", ROWS)
    requests = 400_000 if plan.quick else 1_000_000
    return {(granularity, writes): ratio_of_hits(directory, program, granularity, writes, requests)
            for writes in (0, 0.01) for granularity in ("row", "table")}


def granularity_table(cells):
    lines = ["## (f) Writes and the hit ratio", "",
             f"{ROWS:,} rows, keys drawn by Zipf {THETA} for reads and writes alike, "
             f"{KEPT:,} answers kept.", ""]
    lines += heading("dependencies", "writes", "hit ratio", "requests/s", "p50 µs", "p99 µs")
    for (granularity, writes), run in cells.items():
        lines.append(row(granularity, f"{writes:.0%}", f"{run['hits']:.2f} %", number(run["rate"]),
                         number(run["p50"]), number(run["p99"])))
    return lines + [""]
