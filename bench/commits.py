"""Table (o) of make bench: commits per second of SQLite with synchronous=FULL, one row updated in
each: in this process, through Weir with group commit, and through Weir without. The disk's own
limit stands beside: how often it makes a small write durable."""

import os
import sqlite3
import statistics
import tempfile
import time

import pgbench
import servers
from report import heading, median, number, row

CLIENTS = (1, 8, 32)
ROWS = 10000
UPDATE = "UPDATE accounts SET abalance = abalance + 1 WHERE aid = $1::int8"
KINDS = {"Weir": {}, "Weir, each alone": {"sqlite.group_commit": 1}}


def make(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE accounts (aid INTEGER PRIMARY KEY, abalance INTEGER NOT NULL)")
        db.executemany("INSERT INTO accounts VALUES (?, 0)", ((i,) for i in range(1, ROWS + 1)))
    db.close()
    return path


def syncs(directory, seconds):
    """Appends of 4 KiB with fdatasync, as a commit makes one."""
    with tempfile.TemporaryFile(dir=directory) as file:
        count, page, end = 0, bytes(4096), time.monotonic() + seconds
        while time.monotonic() < end:
            file.write(page)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    return count / seconds


def total(path):
    db = sqlite3.connect(path)
    found = db.execute("SELECT sum(abalance) FROM accounts").fetchone()[0]
    db.close()
    return found


def through(directory, path, program, plan, settings, clients):
    options = [o for k, v in settings.items() for o in ("--set", f"{k}={v}")]
    gateway = servers.weir(directory, f"sqlite:{path}", *options)
    try:
        before, had = gateway.cpu(), total(path)
        got = program("load", "-c", clients, "-k", ROWS, "-s", plan.seconds, gateway.port, UPDATE)
        got["cpu"] = pgbench.per_100k(gateway.cpu() - before, got["count"])
        written = total(path) - had
    finally:
        gateway.stop()
    # Those under way when the time was over may have been written, too.
    if not got["count"] <= written <= got["count"] + clients:
        raise SystemExit(f"bench: {got['count']} commits acknowledged, {written} found")
    return got


def bench(directory, plan, program):
    path = make(directory / "commits.db")
    cells = {}
    for _ in range(max(3, plan.rounds)):
        disk = syncs(directory, plan.seconds / 2)
        for clients in CLIENTS:
            floor = program("floor_commits", path, ROWS, clients, plan.seconds)
            found = {"in process": floor}
            for name, settings in KINDS.items():
                found[name] = through(directory, path, program, plan, settings, clients)
            for name, got in found.items():
                got["floor"], got["disk"] = got["rate"] / floor["rate"], got["rate"] / disk
                got["alone"] = got["rate"] / found["Weir, each alone"]["rate"]
                cells.setdefault((name, clients), []).append(got)
    cells["disk"] = [{"rate": disk}]
    return cells


def table(cells):
    disk = statistics.median(r["rate"] for r in cells["disk"])
    lines = ["## (o) Commits of SQLite, synchronous=FULL", "",
             f"An autocommit UPDATE each. The disk makes {number(disk)} small writes durable in a "
             "second, one after the other. Ratios are medians of rounds.", ""]
    lines += heading("", "clients", "commits/s", "÷ in process", "÷ each alone", "÷ the disk's",
                     "p50 µs", "p99 µs", "CPU, s per 100k")
    for key, runs in cells.items():
        if key == "disk":
            continue
        name, clients = key
        lines.append(row(name, clients, number(median(runs, "rate")),
                         number(median(runs, "floor"), ".2f"),
                         number(median(runs, "alone"), ".2f"),
                         number(median(runs, "disk"), ".2f"), number(median(runs, "p50")),
                         number(median(runs, "p99")), number(median(runs, "cpu"), ".1f")))
    return lines + [""]
