"""Tables (g) to (j) of make bench: what pooling PostgreSQL costs, beside the peers: CPU in many
interleaved pairs, large results, clients that connect for one query, thousands that do nothing."""

import random
import statistics
import subprocess
import time

import pgbench
import servers
from report import heading, median, number, row

MODES = ("simple", "extended", "prepared")
PAIRS = 15
IDLE_CLIENTS = 10000
LOOK = 5  # seconds of looking on while nothing happens


def rotated(items, turn):
    items = list(items)
    return items[turn % len(items):] + items[:turn % len(items)]


def start_all(directory, postgres, plan, access=servers.TRUST):
    """Every competitor, started; direct among them."""
    made = [postgres]
    try:
        for start in plan.peers.with_weir().values():
            made.append(start(directory, postgres, access))
        if access is servers.TRUST:
            made.append(servers.relay(postgres))
    except BaseException:
        stop_all(made)
        raise
    return made


def stop_all(made):
    for server in made[1:]:
        server.stop()


def one_round(made, turn, cells, key, run):
    """Adds a run of each competitor, one after the other, to cells[(*key, its name)]."""
    for c in rotated(made, turn):
        cells.setdefault((*key, c.name), []).append(run(c))


# ---- (g) CPU in pairs ----

def bench_pairs(directory, postgres, plan):
    """{(mode, clients): {name: [run of each round]}}"""
    made = start_all(directory, postgres, plan)
    cells = {}
    try:
        for turn in range(plan.pairs):
            for clients in plan.pair_clients:
                for mode in MODES:
                    for c in rotated(made, turn):
                        if mode == "prepared" and not c.knows_prepared:
                            continue
                        got = pgbench.run(directory, postgres, c, mode=mode, clients=clients,
                                          seconds=plan.pair_seconds)
                        cells.setdefault((mode, clients), {}).setdefault(c.name, []).append(got)
    finally:
        stop_all(made)
    return cells


def interval(ratios, resamples=2000):
    """The 95 % confidence interval of the median, by bootstrap; the same for the same ratios."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios)))
                     for _ in range(resamples))
    return medians[int(0.025 * resamples)], medians[int(0.975 * resamples) - 1]


def paired(runs, name, ours, theirs=None):
    """median [low, high] of Weir's figure divided by the other's in the same round."""
    theirs = theirs or ours
    ratios = [a[ours] / b[theirs] for a, b in zip(runs.get("Weir", []), runs.get(name, []))
              if a[ours] and b[theirs]]
    if not ratios:
        return "–"
    low, high = interval(ratios)
    return f"{statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}]"


def added(runs, name, resamples=2000):
    """median [low, high] of what Weir adds to direct access's p50, divided by what the other
    adds: both are differences of medians over the rounds, which are drawn together."""
    rounds = list(zip(*([run["p50"] for run in runs.get(n, [])] for n in ("Weir", name, "direct"))))
    draw = random.Random(1)

    def ratio(drawn):
        ours, theirs, direct = (statistics.median(column) for column in zip(*drawn))
        return (ours - direct) / (theirs - direct) if theirs > direct else float("inf")

    if not rounds:
        return "–"
    found = sorted(ratio(draw.choices(rounds, k=len(rounds))) for _ in range(resamples))
    low, high = found[int(0.025 * resamples)], found[int(0.975 * resamples) - 1]
    return f"{ratio(rounds):.2f} [{low:.2f}, {high:.2f}]"


def added_table(cells):
    """What a gateway adds to a query's time when nothing else is going on."""
    alone = {mode: runs for (mode, clients), runs in cells.items() if clients == 1}
    names = list(dict.fromkeys(n for runs in alone.values() for n in runs
                               if n not in ("Weir", "direct")))
    if not alone:
        return []
    return ["### p50 added to direct access's, one client", "", *heading("protocol", *names),
            *(row(mode, *(added(runs, n) for n in names)) for mode, runs in alone.items()), ""]


PAIR_COLUMNS = (("CPU of the gateway", "cpu"), ("queries/s", "rate"), ("p50", "p50"),
                ("p99", "p99"), ("gateway and PostgreSQL together", "both_cpu"))


def pairs_table(cells):
    rounds = max((len(r) for runs in cells.values() for r in runs.values()), default=0)
    lines = ["## (g) In pairs", "", f"Weir divided by the other in the same round: the median of "
             f"{rounds} rounds and its 95 % confidence interval (bootstrap). Below 1 is better, "
             "but for queries/s.", ""]
    for title, key in PAIR_COLUMNS:
        names = list(dict.fromkeys(n for runs in cells.values() for n in runs
                                   if n != "Weir" and (n != "direct" or key != "cpu")))
        lines += [f"### {title}", "", *heading("protocol", "clients", *names)]
        for (mode, clients), runs in cells.items():
            lines.append(row(mode, clients, *(paired(runs, n, key) for n in names)))
        lines.append("")
    return lines + added_table(cells)


# ---- (h) large results ----

RESULTS = {"one value of 1 MB": "SELECT v FROM bench_large WHERE id = 1;\n",
           "10 000 rows of 100 bytes": "SELECT id, filler FROM bench_rows;\n"}


def make_large(postgres):
    for sql in ("CREATE TABLE bench_large (id int, v text)",
                "ALTER TABLE bench_large ALTER v SET STORAGE EXTERNAL",
                "INSERT INTO bench_large VALUES (1, repeat('x', 1000000))",
                "CREATE TABLE bench_rows AS SELECT id, repeat('y', 88) AS filler "
                "FROM generate_series(1, 10000) id", "ANALYZE"):
        postgres.sql(sql)


def bench_rows(directory, postgres, plan):
    """{(result, clients, name): [run]}"""
    make_large(postgres)
    made = start_all(directory, postgres, plan)
    cells = {}
    try:
        for turn in range(plan.rounds):
            for i, (name, sql) in enumerate(RESULTS.items()):
                script = directory / f"rows-{i}.sql"
                script.write_text(sql)
                one_round(made, turn, cells, (name, 8), lambda c: pgbench.run(
                    directory, postgres, c, clients=8, seconds=plan.seconds,
                    what=("-f", script), sampling=1))
    finally:
        stop_all(made)
    return cells


def rows_table(cells):
    lines = ["## (h) Large results", "", "8 clients, simple protocol; about a megabyte each.", ""]
    lines += heading("result", "", "results/s", "p50 µs", "p99 µs", "pooler CPU, µs a result",
                     "PostgreSQL CPU, µs a result")
    for (name, _, who), runs in cells.items():
        cpu, server = median(runs, "cpu"), median(runs, "server_cpu")
        lines.append(row(name, who, number(median(runs, "rate")), number(median(runs, "p50")),
                         number(median(runs, "p99")), number(cpu and cpu * 10),
                         number(server and server * 10)))
    return lines + [""]


# ---- (i) a connection per query ----

def access_of(kind, directory):
    return {"trust": servers.TRUST, "SCRAM": servers.Access(scram=True),
            "SCRAM on TLS": servers.Access(scram=True, tls=True, directory=directory)}[kind]


def connect(directory, postgres, c, kind, seconds):
    return pgbench.run(
        directory, postgres, c, clients=8, seconds=seconds, what=("-S", "-C"), sampling=1,
        user="postgres" if kind == "trust" else servers.USER,
        environment={"PGPASSWORD": servers.PASSWORD,
                     "PGSSLMODE": "require" if kind == "SCRAM on TLS" else "disable"})


def bench_connect(directory, postgres, plan):
    """{(kind, 8, name): [run]}"""
    cells = {}
    postgres.sql(f"CREATE ROLE {servers.USER} LOGIN PASSWORD '{servers.PASSWORD}'")
    postgres.sql(f"GRANT pg_read_all_data TO {servers.USER}")
    for kind in ("trust", "SCRAM", "SCRAM on TLS"):
        made = start_all(directory, postgres, plan, access_of(kind, directory))
        try:
            for c in made[1:]:  # every statement has been seen
                connect(directory, postgres, c, kind, 1)
            for turn in range(plan.rounds):
                asked = made[1:] if kind == "SCRAM on TLS" else made
                one_round(asked, turn, cells, (kind, 8),
                          lambda c: connect(directory, postgres, c, kind, plan.seconds))
        finally:
            stop_all(made)
    return cells


def connect_table(cells):
    lines = ["## (i) A connection for each query", "", "pgbench -C -S, 8 clients. p50 and p99 are "
             "of the query alone.", ""]
    lines += heading("login", "", "connections/s", "p50 µs", "p99 µs", "pooler CPU, µs each",
                     "PostgreSQL CPU, µs each")
    for (kind, _, who), runs in cells.items():
        cpu, server = median(runs, "cpu"), median(runs, "server_cpu")
        lines.append(row(kind, who, number(median(runs, "rate")), number(median(runs, "p50")),
                         number(median(runs, "p99")), number(cpu and cpu * 10),
                         number(server and server * 10)))
    return lines + [""]


# ---- (j) clients that do nothing ----

def expect(idle, word, server):
    if idle.stdout.readline().strip() != word:
        raise SystemExit(f"bench: {server.name} did not take {IDLE_CLIENTS} clients")


def idle_figures(directory, server, postgres, plan):
    """Bytes a client after login and after a query of each; CPU, in percent of a core, while all
    are idle; a few active clients' times beside them."""
    pgbench.run(directory, postgres, server, clients=16)  # what is made once is made
    before = server.rss()
    idle = subprocess.Popen([servers.BUILD / "bench/bench_idle", str(server.port), "postgres",
                             "postgres", str(IDLE_CLIENTS)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        figures = {}
        for word in ("logged in", "asked"):
            expect(idle, word, server)
            figures[word] = (server.rss() - before) / IDLE_CLIENTS
            if word == "logged in":
                idle.stdin.write("\n")
                idle.stdin.flush()
        cpu, start = server.cpu(), time.monotonic()
        time.sleep(LOOK)
        figures["idle"] = 100 * (server.cpu() - cpu) / (time.monotonic() - start)
        active = pgbench.run(directory, postgres, server, clients=4, seconds=plan.seconds)
        return {**figures, **{k: active[k] for k in ("rate", "p50", "p99", "cpu")}}
    finally:
        idle.communicate("\n")


def bench_idle(directory, postgres, plan):
    if servers.raise_file_limit() < IDLE_CLIENTS + 500:
        return {}
    cells = {}
    for turn in range(1 if plan.rounds < 3 else 2):
        for name, start in rotated(plan.peers.with_weir().items(), turn):
            server = start(directory, postgres)
            try:
                cells.setdefault(name, []).append(idle_figures(directory, server, postgres, plan))
            finally:
                server.stop()
    return cells


def idle_table(cells):
    lines = [f"## (j) {IDLE_CLIENTS:,} idle clients", "", "Resident bytes of the pooler per "
             "client; its CPU while nobody asks anything; then 4 clients that ask, beside the "
             "idle ones.", ""]
    lines += heading("", "bytes after login", "after a query", "CPU idle, % of a core",
                     "queries/s", "p50 µs", "p99 µs", "CPU, s per 100k")
    for name, runs in cells.items():
        lines.append(row(name, number(median(runs, "logged in")), number(median(runs, "asked")),
                         number(median(runs, "idle"), ".2f"), number(median(runs, "rate")),
                         number(median(runs, "p50")), number(median(runs, "p99")),
                         number(median(runs, "cpu"), ".2f")))
    return lines + [""]
