"""Table (l) of make bench: what a cache in front of PostgreSQL is worth while others write. Readers
beside clients that run TPC-B at a given rate, through the same competitor: no cache, one that
forgets tables (Pgpool-II's, and our own switched to that), and one that forgets rows."""

import re
import signal
import statistics
import subprocess
import time
import urllib.request

import psycopg

import peers
import pgbench
import pooling
import servers
from report import heading, median, number, ratio, row

SCALE = 1
READERS = 8
RATES = (0, 20, 200)  # transactions/s of the writers, four statements that write in each
WARM = 4  # runs of `--seconds`: on a quiet machine nearly every account is asked for
ZIPF = """\\set aid random_zipfian(1, 100000, 1.1)
SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid = :aid;
"""
AROUND, PATIENCE = 15, 3.0  # writes around the competitor, and seconds for which each is waited for
WEIR_KINDS = {"Weir": {}, "Weir, by table": {"cache.granularity": "table"},
              "Weir, no cache": {"cache.enabled": "false"}}


def set_up(postgres):
    """`weir setup`: from then on changes are followed."""
    subprocess.run([servers.BUILD / "src/cli/weir", "setup",
                    f"postgres://postgres@127.0.0.1:{postgres.port}/postgres"], check=True,
                   stdout=subprocess.DEVNULL, env=servers.environment())


def start_postgres(directory):
    postgres = servers.Postgres(directory, SCALE, wal_level="logical")
    set_up(postgres)
    return postgres


def weir(directory, postgres, name="Weir", **more):
    """With figures, which tell how many answers came from memory."""
    admin = servers.free_port()
    server = servers.weir_postgres(directory, postgres,
                                   **{"admin.listen": f"127.0.0.1:{admin}", **more})
    server.name = name
    server.hits = lambda: hits_of_weir(admin)
    return server


def hits_of_weir(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=20) as answer:
        found = re.findall(r"^weir_cache_hits_total.* (\S+)$", answer.read().decode(), re.M)
    return sum(map(float, found))


def hits_of_pgpool(port):
    with connect(port) as db:
        cursor = db.execute("SHOW POOL_CACHE")
        return float(cursor.fetchone()[[c.name for c in cursor.description].index(
            "num_cache_hits")])


def connect(port):
    return psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres",
                           autocommit=True, prepare_threshold=None)


def start_all(directory, postgres):
    """direct first, as pooling.stop_all wants."""
    made = [postgres]
    try:
        made += [weir(directory, postgres, name, **more) for name, more in WEIR_KINDS.items()]
        if pgpool := peers.pgpool(directory, postgres):
            pgpool.hits = lambda: hits_of_pgpool(pgpool.port)
            made.append(pgpool)
    except BaseException:
        pooling.stop_all(made)
        raise
    return made


# ---- readers beside writers ----

class Writers:
    """pgbench's TPC-B at a rate, for a while; `rate` then says what was reached."""

    def __init__(self, server, rate, seconds):
        self.process = rate and subprocess.Popen(
            ["pgbench", "-n", "-b", "tpcb-like", "-c", "4", "-j", "1", "-R", str(rate), "-T",
             str(seconds), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
             "postgres"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=servers.environment())

    def end(self, server):
        if not self.process:
            return 0.0
        text, errors = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise SystemExit(f"bench: TPC-B on {server.name}: {text}{errors}")
        return float(text.split("tps = ")[1].split()[0])


def read_beside(directory, postgres, server, what, rate, seconds):
    writers = Writers(server, rate, seconds + 1)
    time.sleep(0.5 if rate else 0)
    before = server.hits() if hasattr(server, "hits") else 0
    got = pgbench.run(directory, postgres, server, clients=READERS, seconds=seconds, what=what)
    after = server.hits() if hasattr(server, "hits") else 0
    got["written"] = writers.end(server)
    got["hits"] = 100 * (after - before) / got["count"] if hasattr(server, "hits") else None
    return got


def warm(program, made, seconds):
    """Weir forgets everything at the first write of a kind, which it does not understand yet."""
    for server in made:
        Writers(server, 20, 2).end(server)
    for server in made:
        program("load", "-l", "simple", "-c", 32, "-k", 100_000 * SCALE, "-s", seconds, "-u",
                "postgres", "-b", "postgres", server.port,
                "SELECT abalance FROM pgbench_accounts WHERE aid = $1;")


# ---- how old an answer may be ----

def old_answers(server, rounds=200):
    """Of reads right after a write through the same competitor, on another connection."""
    read = "SELECT abalance FROM pgbench_accounts WHERE aid = 7"
    old = 0
    with connect(server.port) as writer, connect(server.port) as reader:
        for n in range(rounds):
            reader.execute(read)
            writer.execute(f"UPDATE pgbench_accounts SET abalance = {n} WHERE aid = 7")
            old += reader.execute(read).fetchone() != (n,)
    return old


def delays_around(postgres, server):
    """Seconds until a write directly to the server is seen; None: not for PATIENCE."""
    read = "SELECT abalance FROM pgbench_accounts WHERE aid = 8"
    delays = []
    with connect(postgres.port) as writer, connect(server.port) as reader:
        for n in range(1, AROUND + 1):
            for _ in range(3):
                reader.execute(read)
            writer.execute(f"UPDATE pgbench_accounts SET abalance = {n} WHERE aid = 8")
            start = time.monotonic()
            while reader.execute(read).fetchone() != (n,):
                if time.monotonic() > start + PATIENCE:
                    return None
            delays.append(time.monotonic() - start)
    return delays


# ---- the table ----

def bench(directory, plan, program):
    """{"runs": {(reader, rate, name): [run]}, "old": {name: (old answers, delays)}}"""
    where = directory / "writers"
    where.mkdir()
    servers.give_to_postgres(where)
    script = where / "zipf.sql"
    script.write_text(ZIPF)
    readers = {"pgbench -S": ("-S",), "Zipf 1.1": ("-f", script)}
    postgres = start_postgres(where)
    made = [postgres]
    cells, old = {}, {}
    try:
        made = start_all(where, postgres)
        warm(program, [s for s in made if hasattr(s, "hits")], WARM * plan.seconds)
        for rate in RATES:  # from the lowest, since tables are forgotten and not read again
            for turn in range(plan.rounds):
                for name, what in readers.items():
                    pooling.one_round(made, turn, cells, (name, rate), lambda s: read_beside(
                        where, postgres, s, what, rate, plan.seconds))
        for server in made[1:]:
            old[server.name] = old_answers(server), delays_around(postgres, server)
    finally:
        pooling.stop_all(made)
        postgres.stop(signal.SIGINT)  # its fast shutdown
    return {"runs": cells, "old": old}


def old_table(old):
    lines = ["Answers that are too old: of 200 reads right after a write through the same "
             f"competitor, and how long after a write around it ({AROUND} of them).", ""]
    lines += heading("", "old, of 200", "median ms until a write around is seen", "longest ms")
    for name, (count, delays) in old.items():
        times = [f"not within {PATIENCE:g} s"] * 2
        if delays:
            times = [f"{1000 * of(delays):.1f}" for of in (statistics.median, max)]
        lines.append(row(name, count, *times))
    return lines


def table(cells):
    runs = cells["runs"]
    lines = ["## (l) Readers beside writers", "",
             f"{READERS} readers, simple protocol, {100_000 * SCALE:,} accounts; TPC-B by 4 clients"
             " at a rate, through the same competitor. CPU in s per 100k reads, the writers' share"
             " in it.", ""]
    lines += heading("readers", "TPC-B/s wanted", "", "reads/s", "from the cache", "p50 µs",
                     "p99 µs", "TPC-B/s", "gateway CPU", "PostgreSQL CPU")
    for (reader, rate, name), got in runs.items():
        hits = median(got, "hits")
        lines.append(row(reader, rate, name, number(median(got, "rate")),
                         "–" if hits is None else f"{hits:.1f} %", number(median(got, "p50")),
                         number(median(got, "p99")), number(median(got, "written"), ".0f"),
                         number(median(got, "cpu"), ".2f"),
                         number(median(got, "server_cpu"), ".2f")))
    names = [n for n in dict.fromkeys(k[2] for k in runs) if n != "Weir"]
    lines += ["", "Weir's reads/s as a ratio, medians of runs side by side:", "",
              *heading("readers", "TPC-B/s wanted", *names)]
    for reader, rate in dict.fromkeys(k[:2] for k in runs):
        lines.append(row(reader, rate, *(
            number(ratio(runs, reader, rate, "Weir", n, "rate"), ".2f") for n in names)))
    return lines + ["", *old_table(cells["old"]), ""]
