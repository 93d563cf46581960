#!/usr/bin/python3
"""Runs the coherence checker (coherence.c) on a PostgreSQL of its own behind two gateways.

usage: coherence.py [--operations N] [--rounds N] [--seed N] [--emphasis WORD] [--hits PERCENT]
                    [--level strict|session|bounded] [--disturb WORD,...] [--expect-violation]
                    [--server KEY=VALUE]... [--set KEY=VALUE]... WEIR COHERENCE

Each round has the next seed and a database of its own. Fails when a read was stale, when a gateway
complains or does not end well, and when less than --hits % of the reads came from a cache: then
the run proves nothing. With --expect-violation the gateways have a fault, which must be seen in one
of the rounds. --disturb says what happens to servers and connections meanwhile (disturb.c)."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE.parent / "checker"))

BOUND_MS = 500
SETTINGS = {"cache.bound": f"{BOUND_MS}ms", "pool.max_size": 12, "workers": 2}


ROLES = """CREATE ROLE app LOGIN REPLICATION CREATEROLE;
           CREATE ROLE viewer; CREATE ROLE readers;
           GRANT viewer TO app; GRANT readers TO app WITH ADMIN OPTION"""


def prepare(options, server, name):
    """A database with what is checked, and what lets it be followed."""
    with server.connect() as db:
        db.execute(f"CREATE DATABASE {name} STRATEGY file_copy OWNER app")
        db.execute("GRANT readers TO viewer")
        db.execute(f"ALTER ROLE app IN DATABASE {name} SET search_path = a, public")
    with server.connect(name, user="app") as db:
        db.execute("SET search_path = public")
        db.execute((HERE / "schema.sql").read_text())
    done = subprocess.run([options.weir, "setup", server.dsn(name)], capture_output=True, text=True,
                          timeout=60)
    if done.returncode:
        sys.exit(f"coherence: weir setup: {done.stdout}{done.stderr}")


def is_followed(gateway, name):
    with gateway.connect(dbname=name) as db:
        for _ in range(3):
            db.execute("SELECT count(*) FROM feed")
    return hits_of(gateway)[0] > 0


def hits_of(gateway):
    """Hits and misses; misses by their reasons."""
    from checker import counted
    import urllib.request

    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        metrics = answer.read().decode()
    hits = sum(counted(metrics, "weir_cache_hits_total").values())
    misses = counted(metrics, "weir_cache_misses_total")
    reasons = {}
    for labels, count in misses.items():
        reason = labels.split("reason=")[-1].strip('"').split('"')[0]
        reasons[reason] = reasons.get(reason, 0) + count
    return hits, {r: n for r, n in reasons.items() if n}


def replica_reads(gateway):
    """How many were answered there."""
    from checker import counted
    import urllib.request

    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        reads = counted(answer.read().decode(), "weir_queries_total")
    return int(sum(n for labels, n in reads.items() if 'target="replica"' in labels))


def settings_of(options, servers, name):
    settings = {**SETTINGS, "cache.consistency": options.level}
    if servers.tier:
        settings |= {"cache.tier.kind": "valkey",
                     "cache.tier.address": f"127.0.0.1:{servers.tier.port}",
                     "cache.entries": 400}  # so that memory does not hold all of them
    if servers.reader:
        settings |= {"databases.app.dsn": servers.dsn(name, user="app"),
                     "databases.app.replicas": servers.reader.dsn(name, user="app"),
                     "databases.app.replica_lag": f"{BOUND_MS}ms"}
    if servers.standby:
        settings |= {"pool.acquire_timeout": "20s"}
    return [f"{k}={v}" for k, v in settings.items()] + options.set


def run_checker(options, servers, gateways, name, seed):
    from servers import Control

    command = [options.checker, *(str(g.port) for g in gateways), servers.ports(), "app", "app",
               name, str(options.operations), str(seed), str(BOUND_MS), options.emphasis,
               options.level]
    if not options.disturb:
        return subprocess.run(command, timeout=options.timeout).returncode
    control = Control(servers)
    fds = control.descriptors()
    process = subprocess.Popen([*command, options.disturb, *map(str, fds)], pass_fds=fds)
    control.handed_over()
    end = time.monotonic() + options.timeout
    try:
        while process.poll() is None and all(g.running() for g in gateways):
            assert time.monotonic() < end, "the checker does not end"
            time.sleep(0.1)
    finally:
        process.kill()
    status = process.wait(30)
    control.end()
    return status


def judge_gateways(gateways, status):
    """The hit ratio in percent; None: they do not stand any more."""
    hits = misses = 0
    for gateway in gateways:
        if not gateway.running() or status > 1:
            print(gateway.stderr()[-3000:])
            status = 2
    if status == 2:
        return None
    for gateway in gateways:
        h, reasons = hits_of(gateway)
        hits += h
        misses += sum(reasons.values())
        print("coherence: hits", int(h), "replica", replica_reads(gateway), "misses:", ", ".join(
            f"{r} {n:.0f}" for r, n in sorted(reasons.items(), key=lambda x: -x[1])))
    return 100 * hits / (hits + misses)


def one_round(options, servers, seed):
    """The checker's exit status, and the hit ratio in percent."""
    from support import Weir, wait_until

    name = f"coherence{seed}"
    prepare(options, servers.primary, name)
    with tempfile.TemporaryDirectory(prefix="weir-coherence-") as directory:
        gateways = []
        try:
            for _ in range(2):
                arguments = [] if servers.reader else [servers.dsn(name, user="app")]
                for setting in settings_of(options, servers, name):
                    arguments += ["--set", setting]
                gateways.append(Weir(pathlib.Path(directory), arguments).start())
            for gateway in gateways:
                wait_until(lambda g=gateway: is_followed(g, name), 30, 0.2)
            status = run_checker(options, servers, gateways, name, seed)
            ratio = judge_gateways(gateways, status)
            return (2, 0) if ratio is None else (status, ratio)
        finally:
            for gateway in gateways:
                if gateway.running() and options.expect_violation:
                    gateway.kill()
                elif gateway.running():
                    gateway.stop()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--emphasis", default="none")
    parser.add_argument("--hits", type=float, default=10)
    parser.add_argument("--level", default="strict", choices=["strict", "session", "bounded"])
    parser.add_argument("--disturb", default="")
    parser.add_argument("--timeout", type=float, default=3600)
    parser.add_argument("--server", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--expect-violation", action="store_true")
    for name in ("weir", "checker"):
        parser.add_argument(name, type=os.path.abspath)
    return parser.parse_args()


def main():
    options = parse()
    os.environ["WEIR_BINARY"] = options.weir
    from servers import Servers

    settings = dict(s.split("=", 1) for s in options.server)
    servers = Servers(set(filter(None, options.disturb.split(","))), settings)
    try:
        servers.start()
        with servers.primary.connect() as db:
            db.execute(ROLES)
            if servers.reader:
                db.execute("GRANT pg_read_all_stats TO app")
        for seed in range(options.seed, options.seed + options.rounds):
            status, hits = one_round(options, servers, seed)
            print(f"coherence: seed {seed}: {hits:.1f} % of the reads were hits", flush=True)
            if status == 1 and options.expect_violation:
                print("coherence: the fault was seen")
                return 0
            if status:
                return status
            if hits < options.hits and not options.expect_violation:
                print(f"coherence: fewer hits than {options.hits} %: this proves nothing")
                return 1
    finally:
        servers.remove()
    if options.expect_violation:
        print("coherence: the fault was not seen")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
