"""Table (k) of make bench: what a larger pool gives. Each transaction holds its connection for a
time that costs no CPU, so that the pool is the limit and not the processor."""

import re
import urllib.request

import pgbench
import servers
from report import heading, median, number, row

USERS = 100
SIZES = (1, 2, 4, 8)
BOUND = 0.01  # seconds that nobody may wait while a connection is free

# Of ten transactions six look something up, three change it in a transaction, one counts.
MIX = {6: """\\set aid random(1, 100000)
SELECT abalance, pg_sleep(0.002) FROM pgbench_accounts WHERE aid = :aid;
""", 3: """\\set aid random(1, 100000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
SELECT pg_sleep(0.002);
COMMIT;
""", 1: """\\set tid random(1, 10)
SELECT count(*), (SELECT pg_sleep(0.002)) FROM pgbench_tellers WHERE tid >= :tid;
"""}


def scripts(directory):
    words = []
    for weight, text in MIX.items():
        file = directory / f"mix-{weight}.sql"
        file.write_text(text)
        words += ["-f", f"{file}@{weight}"]
    return words


def waits(port):
    """{upper bound in seconds: acquisitions that took at most so long}"""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'^weir_pool_wait_seconds_bucket\{.*le="([^"]+)"\} (\d+)', text, re.M)
    return {float(bound): int(count) for bound, count in found}


def share_within(before, after, bound):
    """Of the acquisitions in between, those within the largest bucket not above `bound`."""
    bucket = max(b for b in after if b <= bound)
    everything = after[float("inf")] - before.get(float("inf"), 0)
    return (after[bucket] - before.get(bucket, 0)) / everything if everything else None


def measure(directory, postgres, plan, size, users, what):
    admin = servers.free_port()
    server = servers.weir(
        directory, f"postgres://postgres@127.0.0.1:{postgres.port}/postgres", "--set",
        f"pool.min_size={size}", "--set", f"pool.max_size={size}", "--set",
        f"admin.listen=127.0.0.1:{admin}", "--set", "pool.acquire_timeout=10m")
    try:
        pgbench.run(directory, postgres, server, clients=users, what=what)  # the pool is open
        before = waits(admin)
        got = pgbench.run(directory, postgres, server, mode="extended", clients=users,
                          seconds=plan.seconds, what=what, sampling=1)
        got["within"] = share_within(before, waits(admin), BOUND)
        return got
    finally:
        server.stop()


def bench_sizes(directory, postgres, plan):
    """{(size, users): [run]}: everybody, and one user less than there are connections."""
    cells, what = {}, scripts(directory)
    for turn in range(plan.rounds):
        for size in SIZES[::1 if turn % 2 == 0 else -1]:
            for users in (USERS, size - 1):
                if users > 0:
                    got = measure(directory, postgres, plan, size, users, what)
                    cells.setdefault((size, users), []).append(got)
    return cells


def percent(value):
    return "–" if value is None else f"{100 * value:.2f} %"


def sizes_table(cells):
    one = median(cells.get((SIZES[0], USERS), []), "rate")
    lines = ["## (k) Sizes of the pool", "", f"{USERS} users of a mix whose transactions hold "
             "their connection for 2 ms and more without CPU; no statement failed. Then one user "
             "less than connections, so that one is always free: how many acquisitions took "
             f"at most {BOUND * 1000:.0f} ms.", ""]
    lines += heading("connections", "transactions/s", "beside one connection", "p50 µs", "p99 µs",
                     "one always free: transactions/s", f"within {BOUND * 1000:.0f} ms")
    for size in SIZES:
        crowd, few = cells.get((size, USERS), []), cells.get((size, size - 1), [])
        rate = median(crowd, "rate")
        lines.append(row(size, number(rate), number(rate and one and rate / one, ".2f"),
                         number(median(crowd, "p50")), number(median(crowd, "p99")),
                         number(median(few, "rate")), percent(median(few, "within"))))
    return lines + [""]
