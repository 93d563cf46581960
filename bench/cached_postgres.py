"""Table (m) of make bench: what a SELECT from the cache in front of PostgreSQL costs on the wire,
beside a Redis GET, PostgreSQL itself and a server that answers with the same bytes without looking.
One worker, one client program for all (cached.py)."""

import signal

import cached
import servers
import writers

SHAPES = ((1, 1), (8, 1), (32, 1), (256, 1))  # clients, requests of each under way
TRIES = 20  # seconds until all is in memory


def make_items(postgres):
    postgres.sql("CREATE TABLE items (id int PRIMARY KEY, v text NOT NULL)")
    postgres.sql(f"INSERT INTO items SELECT g, '{cached.VALUE}' FROM "
                 f"generate_series(1, {cached.HOT}) g")
    postgres.sql("VACUUM ANALYZE items")
    writers.set_up(postgres)


def competitors(directory, postgres):
    """(name, language, server)"""
    weir, fixed = writers.weir(directory, postgres), cached.canned()
    made = [("Weir", "simple", weir), ("Weir", "extended", weir), ("direct", "simple", postgres),
            ("direct", "extended", postgres), ("canned row", "simple", fixed),
            ("canned row", "extended", fixed)]
    get = cached.redis(directory)
    return made + ([("Redis GET", "resp", get)] if get else [])


def warm(made, program):
    """Every answer is in memory, in both protocols."""
    for _, language, server in made:
        cached.load(program, server, language, 8, 1, 1)
    weir = made[0][2]
    for language in ("simple", "extended"):
        share = 0.0
        for _ in range(TRIES):
            before = weir.hits()
            got = cached.load(program, weir, language, 8, 1, 1)
            share = (weir.hits() - before) / got["count"]
            if share > 0.99:
                break
        else:
            raise SystemExit(f"bench: only {share:.1%} of Weir's {language} answers are hits")


def bench(directory, plan, program):
    where = directory / "items"
    where.mkdir()
    servers.give_to_postgres(where)
    postgres = servers.Postgres(where, 1, wal_level="logical")
    made = []
    try:
        make_items(postgres)
        made = competitors(where, postgres)
        warm(made, program)
        return cached.wire_cells(made, SHAPES, plan, program)
    finally:
        cached.stop_all([m for m in made if m[2] is not postgres])
        postgres.stop(signal.SIGINT)  # its fast shutdown


def table(cells):
    return cached.wire_table(cells, "(m) A cached SELECT of PostgreSQL on the wire",
                             ("Redis GET", "canned row", "direct"))
