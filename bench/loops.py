#!/usr/bin/python3
"""net.loop: epoll and io_uring beside each other, in pairs: queries per second and the gateway's
CPU per query, and whether the difference is more than chance. See docs/decisions/0006-io-uring.md.

usage: bench/loops.py [--pairs N] [--seconds S] [--clients 1,8,32,256] [--modes simple,prepared]
                      [--scale N] [--json FILE]"""

import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

import servers

LOOPS = ("epoll", "io_uring")
RESAMPLES = 10000


def gateway(directory, postgres, loop):
    server = servers.weir(directory, f"postgres://postgres@127.0.0.1:{postgres.port}/postgres",
                          "--set", f"pool.min_size={servers.POOL_SIZE}",
                          "--set", f"pool.max_size={servers.POOL_SIZE}",
                          "--set", f"net.loop={loop}")
    server.name = loop
    return server


def measure(directory, postgres, competitor, mode, clients, seconds):
    before = competitor.cpu()
    done = subprocess.run(
        ["pgbench", "-n", "-S", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)),
         "-T", str(seconds), *postgres.arguments(competitor.port)],
        capture_output=True, text=True, cwd=directory, env=servers.environment(), check=False)
    cpu = competitor.cpu() - before
    if done.returncode != 0 or "failed transactions: 0 " not in done.stdout:
        raise SystemExit(f"loops: pgbench over {competitor.name}: {done.stdout}{done.stderr}")
    count = int(done.stdout.split("actually processed: ")[1].split()[0].split("/")[0])
    return {"rate": float(done.stdout.split("tps = ")[1].split()[0]), "cpu": cpu * 1e6 / count}


def interval(ratios, chance):
    """The median, and its 95 % confidence interval by bootstrap."""
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios)))
                     for _ in range(RESAMPLES))
    return (statistics.median(ratios), medians[int(RESAMPLES * 0.025)],
            medians[int(RESAMPLES * 0.975)])


def verdict(low, high, better_below):
    if low <= 1 <= high:
        return ""
    return "io_uring" if (high < 1) == better_below else "epoll"


def row(mode, clients, pairs, chance):
    cells = [mode, str(clients)]
    for figure, form in (("cpu", "{:.1f}"), ("rate", "{:.0f}")):
        cells += [form.format(statistics.median(p[loop][figure] for p in pairs)) for loop in LOOPS]
        ratios = [p["io_uring"][figure] / p["epoll"][figure] for p in pairs]
        median, low, high = interval(ratios, chance)
        cells += [f"{median:.3f} ({low:.3f} to {high:.3f})", verdict(low, high, figure == "cpu")]
    return cells


def table(results):
    chance = random.Random(1)
    head = ["protocol", "clients", "µs CPU, epoll", "io_uring", "ratio (95 %)", "less CPU",
            "queries/s, epoll", "io_uring", "ratio (95 %)", "faster"]
    lines = [head, ["---"] * len(head)]
    lines += [row(mode, clients, pairs, chance) for (mode, clients), pairs in results.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def run(directory, plan):
    postgres = servers.Postgres(directory, plan.scale)
    competitors = []
    cells = [(m, c) for m in plan.modes.split(",") for c in map(int, plan.clients.split(","))]
    results = {cell: [] for cell in cells}
    try:
        competitors += [gateway(directory, postgres, loop) for loop in LOOPS]
        for _ in range(plan.pairs):
            random.shuffle(cells)
            for mode, clients in cells:
                random.shuffle(competitors)
                results[mode, clients].append(
                    {c.name: measure(directory, postgres, c, mode, clients, plan.seconds)
                     for c in competitors})
            print(f"{time.strftime('%H:%M:%S')} {len(results[cells[0]])} of {plan.pairs} pairs, "
                  f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    finally:
        for server in (*competitors, postgres):
            server.stop()
    return results


def main():
    parser = argparse.ArgumentParser(description="epoll and io_uring beside each other")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--clients", default="1,8,32,256")
    parser.add_argument("--modes", default="simple,prepared")
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path, help="each pair's figures go there")
    plan = parser.parse_args()
    servers.raise_file_limit()
    directory = servers.workdir()
    load = os.getloadavg()[0]
    try:
        results = run(directory, plan)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{plan.pairs} pairs of {plan.seconds} s, {os.cpu_count()} cores, load before "
          f"{load:.1f}; CPU of the gateway per query; ratios are io_uring ÷ epoll\n")
    print(table(results))
    if plan.json:
        plan.json.write_text(json.dumps({f"{m} {c}": pairs for (m, c), pairs in results.items()}))


if __name__ == "__main__":
    main()
