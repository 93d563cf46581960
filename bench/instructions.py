#!/usr/bin/python3
"""Instructions per query of the gateway's own code (the kernel's apart), by callgrind: a figure
that a busy machine does not disturb. See "Where the instructions go" in bench/README.md.

usage: bench/instructions.py [--modes simple,extended,prepared] [--clients 8] [--functions N]
                             [--server weir,relay] [--keep DIR]
       bench/instructions.py --cached [--modes simple,extended] [--server weir,canned,redis] ...
           of an answer from the cache in front of PostgreSQL, as table (m) asks for it"""

import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import cached
import servers
import writers

SHORT, LONG = 200, 1200  # transactions of a client: the difference has no logins in it
CACHED = 3000  # with --cached: counted from when every answer comes from the cache
HOT = 20  # keys whose answers come from the cache
COUNTED = ("malloc", "calloc", "realloc", "free", "clock_gettime", "epoll_ctl", "epoll_wait",
           "recv", "send", "sendmsg")


def under_callgrind(server_command, port, directory, out, *more):
    return servers.Server("callgrind", [
        "valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}",
        "--fair-sched=yes", *more, *server_command], port, cwd=directory, stdout=subprocess.DEVNULL,
        stderr=(directory / "callgrind.log").open("a"))


def command_of(name, postgres, port, admin):
    if name == "canned":
        return [servers.BUILD / "bench/bench_canned", port, cached.VALUE]
    if name == "redis":
        return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
                "no"]
    if name == "relay":
        return [servers.BUILD / "bench/bench_relay", port, postgres.port]
    dsn = f"postgres://postgres@127.0.0.1:{postgres.port}/postgres"
    return [servers.BUILD / "src/cli/weir", "serve", dsn, "--listen", f"127.0.0.1:{port}", "--set",
            f"admin.listen=127.0.0.1:{admin}" if admin else "admin.listen=off", "--set",
            "workers=1", "--set", "net.loop=epoll", "--set",
            f"pool.min_size={servers.POOL_SIZE}", "--set", f"pool.max_size={servers.POOL_SIZE}",
            "--set", "cache.bound=60s"]


def ask(directory, postgres, plan, name, mode, port, each):
    """`each` queries by every client."""
    command = ["pgbench", "-n", "-S", "-M", mode, "-c", plan.clients, "-t", each,
               *postgres.arguments(port)]
    if plan.cached:
        language = "resp" if name == "redis" else mode
        command = [servers.BUILD / "bench/bench_load", "-l", language, "-c", plan.clients, "-k",
                   HOT, "-n", each * plan.clients, "-u", "postgres", "-b", "postgres", port,
                   "SELECT abalance FROM pgbench_accounts WHERE aid = $1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, cwd=directory,
                   env=servers.environment())


def until_hits(admin, ask_all, count):
    """Until all of them come from the cache."""
    ask_all()
    time.sleep(5)  # and the figures are there
    for _ in range(60):
        before = writers.hits_of_weir(admin)
        ask_all()
        if writers.hits_of_weir(admin) - before >= count:
            return
        time.sleep(0.5)
    raise SystemExit("bench: hardly anything comes from the cache")


def count_instructions(server, state):
    subprocess.run(["callgrind_control", "-i", state, str(server.process.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def profile(directory, postgres, plan, name, mode, each):
    """The profile of a server that lived for `each` transactions of every client."""
    port, admin = servers.free_port(), servers.free_port() if plan.cached else None
    out = directory / f"{name}-{mode}-{each}.callgrind"
    server = under_callgrind(command_of(name, postgres, port, admin), port, directory, out,
                             *(["--instr-atstart=no"] if plan.cached else ["--vgdb=no"]))
    try:
        server.ready()
        if name == "redis":
            cached.fill_redis(port)
        if plan.cached and name == "weir":
            until_hits(admin, lambda: ask(directory, postgres, plan, name, mode, port, HOT),
                       HOT * plan.clients)
        if plan.cached:
            count_instructions(server, "on")
        ask(directory, postgres, plan, name, mode, port, each)
        if plan.cached:
            count_instructions(server, "off")
    finally:
        server.stop(signal.SIGTERM if name == "weir" else signal.SIGINT)
    return out


def read_profile(path):
    """({function: own instructions}, {function: calls}), from callgrind's format: names are given
    once with their number, costs are the last column of a line, and the line after `calls=` is the
    callee's and does not count here."""
    names, own, calls = {}, {}, {}
    current, skip = None, False

    def name_of(text):
        number, _, name = text.partition(" ")
        if name:
            names[number] = name
        return re.sub(r"'\d+$", "", names[number])

    for line in path.read_text().splitlines():
        if line.startswith("fn="):
            current = name_of(line[3:])
        elif line.startswith("cfn="):
            callee = name_of(line[4:])
        elif line.startswith("calls="):
            calls[callee] = calls.get(callee, 0) + int(line[6:].split()[0])
            skip = True
        elif line and (line[0].isdigit() or line[0] in "+-*") and current:
            if not skip:
                own[current] = own.get(current, 0) + int(line.split()[-1])
            skip = False
    return own, calls


def per_query(directory, postgres, plan, name, mode):
    if plan.cached:
        found = read_profile(profile(directory, postgres, plan, name, mode, CACHED))
        return [{f: v / (CACHED * plan.clients) for f, v in part.items()} for part in found]
    short, long = (read_profile(profile(directory, postgres, plan, name, mode, n))
                   for n in (SHORT, LONG))
    queries = (LONG - SHORT) * plan.clients
    return [{f: (v - b.get(f, 0)) / queries for f, v in a.items()} for a, b in zip(long, short)]


def show(name, mode, own, calls, functions):
    print(f"{name} {mode}: {sum(own.values()):,.0f} instructions per query")
    counted = {c: sum(v for f, v in calls.items() if f.split("@")[0] == c) for c in COUNTED}
    print("  calls per query:", ", ".join(f"{c} {v:.2f}" for c, v in counted.items() if v > 0.005))
    for function, count in sorted(own.items(), key=lambda i: -i[1])[:functions]:
        print(f"  {count:8,.0f}  {calls.get(function, 0):6.2f} ×  {function}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--cached", action="store_true")
    p.add_argument("--modes")
    p.add_argument("--server")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--functions", type=int, default=25, help="of the longest, to print")
    p.add_argument("--keep", type=pathlib.Path, help="a directory for callgrind's files")
    plan = p.parse_args()
    plan.modes = plan.modes or ("simple,extended" if plan.cached else "simple,extended,prepared")
    plan.server = plan.server or ("weir,canned,redis" if plan.cached else "weir,relay")
    directory = servers.workdir()
    postgres = None
    try:
        postgres = servers.Postgres(directory, 1, wal_level="logical")
        if plan.cached:
            writers.set_up(postgres)
        for name in plan.server.split(","):
            for mode in plan.modes.split(","):
                show(name, mode, *per_query(directory, postgres, plan, name, mode), plan.functions)
        if plan.keep:
            plan.keep.mkdir(parents=True, exist_ok=True)
            for out in directory.glob("*.callgrind"):
                shutil.copy(out, plan.keep)
    finally:
        if postgres:
            postgres.stop(signal.SIGINT)
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
