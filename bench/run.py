#!/usr/bin/python3
"""make bench: Weir beside its peers and its limits, in one run. See bench/README.md.

usage: bench/run.py [--quick] [--scale N] [--rounds N] [--seconds S]
                    [--only a,b,d,e,f,g,h,i,j,k,l,m,n,o,p] [--peers DIR] [--pairs N]
       bench/run.py --traces DIR"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import bulk
import cached
import cached_postgres
import commits
import peers
import pgbench
import pooling
import report
import scaling
import servers
import tiers
import traces
import writers

CLIENTS = (1, 8, 32)
POOLED_CLIENTS = (1, 8, 32, 256)
MODES = ("simple", "extended", "prepared")
ROWS = 100000  # of SQLite's table


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def program(name, *arguments):
    done = subprocess.run([servers.BUILD / f"bench/bench_{name}", *map(str, arguments)],
                          capture_output=True, text=True, env=servers.environment())
    if done.returncode != 0:
        raise SystemExit(f"bench: bench_{name} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


# ---- (a) SQLite ----

def make_sqlite(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE accounts (aid INTEGER PRIMARY KEY, bid INTEGER NOT NULL,"
                   " abalance INTEGER NOT NULL, filler TEXT NOT NULL)")
        db.executemany("INSERT INTO accounts VALUES (?, 1, 0, ?)",
                       ((i, " " * 84) for i in range(1, ROWS + 1)))
    db.close()


def bench_sqlite(directory, plan):
    path = directory / "bench.db"
    make_sqlite(path)
    gateway = servers.weir(directory, f"sqlite:{path}", "--set", "cache.enabled=false")
    cells = {}
    try:
        for _ in range(plan.rounds):
            floor = program("floor_sqlite", path, ROWS, plan.seconds / 2)
            cells.setdefault(("in process", 1), []).append(floor)
            for clients in CLIENTS:
                before = gateway.cpu()
                got = program("load", "-c", clients, "-k", ROWS, "-s", plan.seconds, gateway.port,
                              "SELECT abalance FROM accounts WHERE aid = $1::int8")
                got["cpu"] = pgbench.per_100k(gateway.cpu() - before, got["count"])
                got["ratio"] = got["rate"] / floor["rate"]
                cells.setdefault(("Weir", clients), []).append(got)
    finally:
        gateway.stop()
    return cells


# ---- (b) PostgreSQL ----

def bench_postgres(directory, postgres, plan):
    made = pooling.start_all(directory, postgres, plan)
    cells = {}
    try:
        for c in made:  # every pool is open and every page cached
            pgbench.run(directory, postgres, c, clients=16)
        for turn in range(plan.rounds):
            for mode in MODES:
                for clients in POOLED_CLIENTS:
                    able = [c for c in made if c.knows_prepared or mode != "prepared"]
                    pooling.one_round(able, turn, cells, (mode, clients), lambda c: pgbench.run(
                        directory, postgres, c, mode=mode, clients=clients, seconds=plan.seconds))
            say(f"PostgreSQL: round {turn + 1} of {plan.rounds} done")
    finally:
        pooling.stop_all(made)
    return cells


# ---- (d) limits ----

def bench_limits(plan):
    cells = {}
    for _ in range(plan.rounds):
        for clients in CLIENTS:
            cells.setdefault(clients, []).append(program("pingpong", clients, plan.seconds / 2))
    return cells


CACHED = {"l": ("readers beside writers", writers.bench),
          "m": ("cached SELECT of PostgreSQL", cached_postgres.bench),
          "n": ("the tier behind memory", tiers.bench),
          "o": ("commits of SQLite", commits.bench),
          "p": ("large work on SQLite", bulk.bench)}
POOLED = {"b": ("pgbench", bench_postgres), "g": ("pairs", pooling.bench_pairs),
          "h": ("large results", pooling.bench_rows),
          "i": ("a connection per query", pooling.bench_connect),
          "j": ("idle clients", pooling.bench_idle),
          "k": ("sizes of the pool", scaling.bench_sizes)}


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--quick", action="store_true", help="about 6 minutes instead of about 25")
    p.add_argument("--scale", type=int, help="of pgbench (20; quick: 5)")
    p.add_argument("--rounds", type=int, help="interleaved runs of each cell (2; quick: 1)")
    p.add_argument("--seconds", type=int, help="of one run (3; quick: 1)")
    p.add_argument("--only", default="a,b,d,e,f,g,h,i,j,k,l,m,n,o,p",
                   help="tables, by their letters")
    p.add_argument("--pairs", type=int, help="rounds of table g (15; quick: 3)")
    p.add_argument("--pair-clients", metavar="N,…", help="clients in table g (1,8,32; quick: 8)")
    p.add_argument("--peers", type=pathlib.Path, metavar="DIR",
                   default=os.environ.get("WEIR_BENCH_PEERS"),
                   help="where programs named pgbouncer and odyssey may be")
    p.add_argument("--traces", type=pathlib.Path, metavar="DIR",
                   help="nothing but the cache's policies on the traces there (traces.py)")
    p.add_argument("--results", type=pathlib.Path, default=servers.ROOT / "bench/results")
    plan = p.parse_args()
    plan.scale = plan.scale or (5 if plan.quick else 20)
    plan.rounds = plan.rounds or (1 if plan.quick else 2)
    plan.seconds = plan.seconds or (1 if plan.quick else 3)
    plan.pairs = plan.pairs or (3 if plan.quick else pooling.PAIRS)
    counts = plan.pair_clients or ("8" if plan.quick else "1,8,32")
    plan.pair_clients, plan.pair_seconds = [int(n) for n in counts.split(",")], 1
    plan.only = plan.only.split(",")
    plan.peers = peers.Peers(plan.peers)
    return plan


def main():
    plan = parse()
    if plan.traces:
        return traces.run(plan.traces, plan.results)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    directory = servers.workdir()
    postgres = None
    tables = {}
    try:
        if "d" in plan.only:
            tables["d"] = bench_limits(plan)
            say("limits: done")
        if "a" in plan.only:
            tables["a"] = bench_sqlite(directory, plan)
            say("SQLite: done")
        if "e" in plan.only:
            tables["e"] = cached.bench_wire(directory, plan, program)
            say("cached SELECT: done")
        if "f" in plan.only:
            tables["f"] = cached.bench_granularity(directory, plan, program)
            say("granularity: done")
        for letter, (name, measure) in CACHED.items():
            if letter in plan.only:
                tables[letter] = measure(directory, plan, program)
                say(f"{name}: done")
        if set(POOLED) & set(plan.only):
            postgres = servers.Postgres(directory, plan.scale)
        for letter, (name, measure) in POOLED.items():
            if letter in plan.only:
                tables[letter] = measure(directory, postgres, plan)
                say(f"{name}: done")
    finally:
        if postgres:
            postgres.stop(signal.SIGINT)  # its fast shutdown
        shutil.rmtree(directory, ignore_errors=True)
    print(report.write(plan, tables, {
        "e": cached.wire_table, "f": cached.granularity_table, "g": pooling.pairs_table,
        "h": pooling.rows_table, "i": pooling.connect_table, "j": pooling.idle_table,
        "k": scaling.sizes_table, "l": writers.table, "m": cached_postgres.table,
        "n": tiers.table, "o": commits.table, "p": bulk.table}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
