"""Table (p) of make bench: large work on SQLite. COPY in and out beside what `sqlite3` does by
itself with the same rows, and a large SELECT whose client reads slowly, beside clients that ask for
single rows."""

import contextlib
import os
import socket
import sqlite3
import statistics
import struct
import subprocess
import threading
import time

import servers
from report import heading, median, number, row

ROWS, QUICK_ROWS = 10_000_000, 500_000
COPY_ROWS, QUICK_COPY_ROWS = 2_000_000, 200_000
SCHEMA = "CREATE TABLE {} (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, t TEXT NOT NULL)"
POINT = "SELECT n FROM big WHERE id = $1::int8"


def make(path, rows):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(SCHEMA.format("big"))
    db.execute("INSERT INTO big WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
               f"LIMIT {rows}) SELECT n, n * 7 % 1000003, 'row number ' || n FROM c")
    db.commit()
    db.close()
    return path


# ---- COPY ----

def timed(*command, **more):
    began = time.monotonic()
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL, **more)
    return time.monotonic() - began


def empty(path, table):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute(SCHEMA.format(table))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def psql(gateway, command, **more):
    return timed("psql", "-qX", "-h", "127.0.0.1", "-p", gateway.port, "-U", "weir", "-c", command,
                 "app", env=servers.environment(), **more)


def check(path, table, rows):
    db = sqlite3.connect(path)
    found = db.execute(f"SELECT count(*), sum(id) FROM {table}").fetchone()
    db.close()
    if found != (rows, rows * (rows + 1) // 2):
        raise SystemExit(f"bench: {table} has {found}")


def copies(directory, plan, cells):
    rows = QUICK_COPY_ROWS if plan.quick else COPY_ROWS
    path = make(directory / "copy.db", rows)
    csv, out = directory / "rows.csv", directory / "out.csv"
    tool = ["sqlite3", path, "PRAGMA synchronous = FULL"]
    for _ in range(max(3, plan.rounds)):
        with csv.open("wb") as file:
            exported = timed("sqlite3", "-csv", path, "SELECT * FROM big", stdout=file)
        empty(path, "own")
        imported = timed(*tool, ".mode csv", f".import {csv} own", stdout=subprocess.DEVNULL)
        check(path, "own", rows)
        empty(path, "theirs")
        gateway = servers.weir(directory, f"sqlite:{path}")
        try:
            with csv.open("rb") as file:
                inward = psql(gateway, "COPY theirs FROM STDIN (FORMAT csv)", stdin=file)
            with out.open("wb") as file:
                outward = psql(gateway, "COPY big TO STDOUT (FORMAT csv)", stdout=file)
        finally:
            gateway.stop()
        check(path, "theirs", rows)
        if sum(1 for _ in out.open("rb")) != rows:
            raise SystemExit("bench: COPY TO gave another number of lines")
        for kind, ours, theirs in (("in", inward, imported), ("out", outward, exported)):
            cells.setdefault(("copy", kind), []).append(
                {"ours": rows / ours, "theirs": rows / theirs, "ratio": theirs / ours})


# ---- a large SELECT that is read slowly ----

class Reader:
    """Asks for everything; reads a little at a time, then the rest as fast as it can."""

    def __init__(self, port, sql):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.rows, self.part, self.ready = 0, b"", False
        parameters = b"user\0weir\0database\0app\0\0"
        self.socket.sendall(struct.pack("!II", 8 + len(parameters), 196608) + parameters)
        self.rest()
        query = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", 4 + len(query)) + query)
        self.ready = False

    def take(self, size):
        """Counts rows without keeping any."""
        data, at = self.part + self.socket.recv(size), 0
        if data == self.part:
            raise SystemExit("bench: the connection was closed")
        while len(data) - at >= 5:
            end = at + 1 + struct.unpack_from("!I", data, at + 1)[0]
            if len(data) < end:
                break
            if data[at] == ord("E"):
                raise SystemExit(f"bench: {data[at:end]}")
            self.rows += data[at] == ord("D")
            self.ready = data[at] == ord("Z")
            at = end
        self.part = data[at:]

    def slowly(self, stop):
        """About 1 MB/s."""
        while not stop.is_set() and not self.ready:
            self.take(10000)
            time.sleep(0.01)

    def rest(self):
        began, had = time.monotonic(), self.rows
        while not self.ready:
            self.take(1 << 18)
        return (self.rows - had) / (time.monotonic() - began)


def memory_of(gateway):
    """Without what is mapped of the database's file (sqlite.mmap_size), which is the kernel's."""
    return servers.rss_of(gateway.process.pid, "RssAnon")


def slow_select(directory, plan, program, cells):
    rows = QUICK_ROWS if plan.quick else ROWS
    path = make(directory / "big.db", rows)
    gateway = servers.weir(directory, f"sqlite:{path}", "--set", "cache.enabled=false")
    point = ["load", "-c", 8, "-k", rows, "-s", plan.seconds, gateway.port, POINT]
    try:
        program(*point)
        for _ in range(max(3, plan.rounds)):
            alone, before = program(*point), memory_of(gateway)
            reader, stop = Reader(gateway.port, "SELECT * FROM big"), threading.Event()
            thread = threading.Thread(target=reader.slowly, args=(stop,))
            thread.start()
            beside = program(*point)
            most = memory_of(gateway)
            stop.set()
            thread.join()
            rate = reader.rest()
            most = max(most, memory_of(gateway))
            if reader.rows != rows:
                raise SystemExit(f"bench: {reader.rows} rows of {rows}")
            with contextlib.suppress(OSError):
                reader.socket.close()
            cells.setdefault(("select", rows), []).append(
                {"rss": (most - before) / 2**20, "rate": rate, "alone": alone["p99"],
                 "beside": beside["p99"], "ratio": beside["p99"] / alone["p99"]})
    finally:
        gateway.stop()
        os.unlink(path)


def bench(directory, plan, program):
    cells = {}
    copies(directory, plan, cells)
    slow_select(directory, plan, program, cells)
    return cells


def table(cells):
    lines = ["## (p) Large work on SQLite", "",
             "COPY (CSV) through Weir beside `sqlite3`'s own `.import` and `-csv`; ratios are "
             "medians of rounds:", ""]
    lines += heading("", "rows/s", "sqlite3, rows/s", "÷ sqlite3")
    for (kind, which), runs in cells.items():
        if kind == "copy":
            lines.append(row(f"COPY {which}", number(median(runs, "ours")),
                             number(median(runs, "theirs")), number(median(runs, "ratio"), ".2f")))
    lines += ["", "A SELECT of all rows whose client reads 1 MB/s, beside 8 clients that ask for "
              "single rows; then it reads as fast as it can:", ""]
    lines += heading("rows", "Weir grew by, MiB", "rows/s at the end", "p99 µs alone",
                     "p99 µs beside it", "ratio")
    for (kind, rows), runs in cells.items():
        if kind == "select":
            lines.append(row(number(rows), number(max(r["rss"] for r in runs), ".1f"),
                             number(median(runs, "rate")), number(median(runs, "alone")),
                             number(median(runs, "beside")),
                             number(statistics.median(r["ratio"] for r in runs), ".2f")))
    return lines + [""]
