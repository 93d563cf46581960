#!/usr/bin/python3
"""make bench: Weir beside its peers and its limits, in one run. See bench/README.md.

usage: bench/run.py [--quick] [--scale N] [--rounds N] [--seconds S] [--only a,b,c,d,e,f]
       bench/run.py --traces DIR"""

import argparse
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import cached
import report
import servers
import traces

CLIENTS = (1, 8, 32)
MODES = ("simple", "extended", "prepared")
ROWS = 100000  # of SQLite's table
IDLE_CLIENTS = 2000


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def program(name, *arguments):
    done = subprocess.run([servers.BUILD / f"bench/bench_{name}", *map(str, arguments)],
                          capture_output=True, text=True, env=servers.environment())
    if done.returncode != 0:
        raise SystemExit(f"bench: bench_{name} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def per_100k(seconds, count):
    return seconds * 1e5 / count if count else 0.0


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
                got["cpu"] = per_100k(gateway.cpu() - before, got["count"])
                got["ratio"] = got["rate"] / floor["rate"]
                cells.setdefault(("Weir", clients), []).append(got)
    finally:
        gateway.stop()
    return cells


# ---- (b) PostgreSQL ----

def latencies(directory):
    """p50 and p99 in microseconds, from pgbench's sampled logs, which are removed."""
    values = []
    for log in directory.glob("pgbench_log.*"):
        values += [int(line.split()[2]) for line in log.read_text().splitlines()]
        log.unlink()
    values.sort()
    return [values[int(len(values) * part)] if values else 0 for part in (0.5, 0.99)]


def run_pgbench(directory, postgres, competitor, mode, clients, seconds):
    gateway_cpu, server_cpu = competitor.cpu(), postgres.cpu()
    done = subprocess.run(
        ["pgbench", "-n", "-S", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)),
         "-T", str(int(seconds)), "--log", "--sampling-rate=0.05",
         *postgres.arguments(competitor.port)],
        capture_output=True, text=True, cwd=directory, env=servers.environment())
    text = done.stdout
    if done.returncode != 0 or "failed transactions: 0 " not in text:
        raise SystemExit(f"bench: pgbench on {competitor.name}: {text}{done.stderr}")
    time.sleep(0.1)  # the backends of direct clients end, and are counted with the postmaster
    count = int(text.split("actually processed: ")[1].split()[0].split("/")[0])
    rate = float(text.split("tps = ")[1].split()[0])
    p50, p99 = latencies(directory)
    own = competitor is not postgres
    return {"rate": rate, "p50": p50, "p99": p99, "count": count,
            "cpu": per_100k(competitor.cpu() - gateway_cpu, count) if own else None,
            "server_cpu": per_100k(postgres.cpu() - server_cpu, count)}


def bench_postgres(directory, postgres, plan):
    competitors = [postgres, servers.pgbouncer(directory, postgres),
                   servers.weir_postgres(directory, postgres), servers.relay(postgres)]
    cells = {}
    try:
        for c in competitors:  # every pool is open and every page cached
            run_pgbench(directory, postgres, c, "simple", 16, 1)
        for turn in range(plan.rounds):
            for mode in MODES:
                for clients in CLIENTS:
                    order = competitors[turn % 4:] + competitors[:turn % 4]
                    for c in order:
                        if mode == "prepared" and not c.knows_prepared:
                            continue
                        got = run_pgbench(directory, postgres, c, mode, clients, plan.seconds)
                        cells.setdefault((mode, clients, c.name), []).append(got)
            say(f"PostgreSQL: round {turn + 1} of {plan.rounds} done")
    finally:
        for c in competitors[1:]:
            c.stop()
    return cells


# ---- (c) memory of idle clients ----

def memory_of(directory, server, postgres):
    run_pgbench(directory, postgres, server, "simple", 16, 1)  # what is made once is made
    before = server.rss()
    idle = subprocess.Popen([servers.BUILD / "bench/bench_idle", str(server.port), "postgres",
                             "postgres", str(IDLE_CLIENTS)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    figures = {}
    for said in ("logged in", "asked"):
        if idle.stdout.readline().strip() != said:
            raise SystemExit(f"bench: {server.name} did not take {IDLE_CLIENTS} clients")
        figures[said] = (server.rss() - before) / IDLE_CLIENTS
        idle.stdin.write("\n")
        idle.stdin.flush()
    idle.communicate()
    return figures


def bench_memory(directory, postgres, plan):
    if servers.raise_file_limit() < IDLE_CLIENTS + 500:
        say("memory: the limit of open files is too low (ulimit -n), left out")
        return {}
    cells = {}
    for _ in range(min(plan.rounds, 3)):
        for start in (servers.pgbouncer, servers.weir_postgres):
            server = start(directory, postgres)
            try:
                cells.setdefault(server.name, []).append(memory_of(directory, server, postgres))
            finally:
                server.stop()
    return cells


# ---- (d) limits ----

def bench_limits(plan):
    cells = {}
    for _ in range(plan.rounds):
        for clients in CLIENTS:
            cells.setdefault(clients, []).append(program("pingpong", clients, plan.seconds / 2))
    return cells


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--quick", action="store_true", help="about 3 minutes instead of about 15")
    p.add_argument("--scale", type=int, help="of pgbench (20; quick: 5)")
    p.add_argument("--rounds", type=int, help="interleaved runs of each cell (3; quick: 1)")
    p.add_argument("--seconds", type=int, help="of one run (5; quick: 2)")
    p.add_argument("--only", default="a,b,c,d,e,f", help="tables, by their letters")
    p.add_argument("--traces", type=pathlib.Path, metavar="DIR",
                   help="nothing but the cache's policies on the traces there (traces.py)")
    p.add_argument("--results", type=pathlib.Path, default=servers.ROOT / "bench/results")
    plan = p.parse_args()
    plan.scale = plan.scale or (5 if plan.quick else 20)
    plan.rounds = plan.rounds or (1 if plan.quick else 3)
    plan.seconds = plan.seconds or (2 if plan.quick else 5)
    plan.only = plan.only.split(",")
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
        if "b" in plan.only or "c" in plan.only:
            postgres = servers.Postgres(directory, plan.scale)
        if "c" in plan.only:
            tables["c"] = bench_memory(directory, postgres, plan)
            say("memory: done")
        if "b" in plan.only:
            tables["b"] = bench_postgres(directory, postgres, plan)
    finally:
        if postgres:
            postgres.stop(signal.SIGINT)  # its fast shutdown
        shutil.rmtree(directory, ignore_errors=True)
    print(report.write(plan, tables, {"e": cached.wire_table, "f": cached.granularity_table}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
