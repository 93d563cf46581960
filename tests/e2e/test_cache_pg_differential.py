"""What comes from the cache in front of PostgreSQL is what the server itself says.

Generated queries (pg_queries.py) are asked through Weir and directly, in either protocol, with
parameters and results as text or binary, after generated writes (pg_writes.py) through Weir and
around it. Each client of Weir has a twin with the same settings on the server. Replies are the same
bytes where ORDER BY is total, else the same multiset of rows; of errors the SQLSTATE is the same.
After a write around Weir an answer may be old for as long as cache.bound says.

WEIR_PG_DIFFERENTIAL_SECONDS: how long (18). WEIR_PG_DIFFERENTIAL_SEED: the first seed (1); a
failure says which one to give."""

import os
import random
import time
import types

import pytest

import pg_world
from cached import PAST, metrics
from followed import is_followed, set_up
from pg_queries import Maker
from pg_writes import Writer
from replies import (Pipe, extended_message, failed, parse_message, query_message, run_message,
                     same, split)
from support import RELEASE_BINARY, Postgres, message, wait_until

SECONDS = float(os.environ.get("WEIR_PG_DIFFERENTIAL_SECONDS", "18"))
FIRST_SEED = int(os.environ.get("WEIR_PG_DIFFERENTIAL_SEED", "1"))
BOUND = 2.0
QUERIES, WRITES, WAYS = 24, 14, 2
BEAT = "SELECT n FROM beat WHERE id = 1"
SESSIONS = ["RESET ALL", "SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, DMY'",
            "SET extra_float_digits = 0", "SET bytea_output = 'escape'",
            "SET IntervalStyle = 'iso_8601'", "SET search_path = pg_catalog, public"]


class Difference(Exception):
    def __init__(self, query, way, ours, theirs, past):
        super().__init__(f"{way}: {query.sql}\n  through Weir: {ours!r}\n  directly:     {theirs!r}"
                         f"\n  past cache:   {past!r}")


def told(reply):
    """Without what a server may say of its parameters at any time."""
    return b"".join(m for m in split(reply) if m[:1] != b"S")


class Way:
    """How a query is asked: by which pair of clients, in which form."""

    def __init__(self, rng, pairs):
        self.pair = rng.choice(pairs)
        self.form = rng.choice(["simple", "simple", "unnamed", "unnamed", "silent", "named"])
        self.formats = rng.randrange(2), rng.randrange(2)
        self.name = None

    def __repr__(self):
        return f"{self.form}, binary results and parameters {self.formats}"

    def messages(self, query, hint=""):
        """Whole replies are owed for these."""
        sql, params = hint + query.with_params, query.params
        if self.form == "simple":
            return query_message(hint + query.sql)
        if self.form == "named" and not hint:
            return run_message(params, *self.formats, name=self.name)
        if self.form == "silent":
            return parse_message(sql, params) + run_message(params, *self.formats, describe=False)
        return extended_message(sql, params, *self.formats)


class Pair:
    """A client of Weir and its twin on the server."""

    def __init__(self, gateway, server, name):
        self.weir = Pipe(gateway)
        self.direct = Pipe(types.SimpleNamespace(address=("127.0.0.1", server.port)),
                           user="postgres", database=name)
        self.prepared = 0

    def both(self, sent):
        return [told(client.exchange([sent])[0]) for client in (self.weir, self.direct)]

    def prepare(self, way, query):
        self.prepared += 1
        way.name = f"s{self.prepared}".encode()
        parse = parse_message(query.with_params, query.params, way.name)
        return self.both(parse + message(b"D", b"S" + way.name + b"\0") + message(b"S"))

    def close(self):
        self.weir.close()
        self.direct.close()


def write_to(client, statements, rng):
    """Runs a write; whether all of it succeeded. Its statements go out alone or as one text."""
    if isinstance(statements[0], tuple):
        return copy_to(client, *statements[0])
    if len(statements) > 1 and rng.random() < 0.3:
        text = "; ".join(s.sql for s in statements)
        fine = not failed(client.exchange([query_message(text)])[0])
        client.exchange([query_message("ROLLBACK")] * (not fine))
        return fine
    fine = True
    for s in statements:
        extended = s.params and rng.random() < 0.5
        sent = (extended_message(s.with_params, s.params, 0, rng.randrange(2)) if extended
                else query_message(s.sql))
        fine = not failed(client.exchange([sent])[0]) and fine
    return fine


def copy_to(client, sql, data):
    client.send(query_message(sql))
    fine = True
    while (got := client.receive())[0] != b"Z":
        if got[0] == b"G":
            client.send(message(b"d", data.encode()), message(b"c"))
        fine = fine and got[0] != b"E"
    return fine


class Player:
    def __init__(self, gateway, server, name):
        self.pairs = [Pair(gateway, server, name) for _ in range(2)]
        self.other = Pair(gateway, server, name)  # it only writes
        self.beat = 0
        self.tally = dict.fromkeys(("queries", "comparisons", "total order", "errors", "late",
                                    "writes", "refused writes", "writes around"), 0)
        self.around = False  # the last write was
        self.share_around, self.patience = 0.25, 2 * BOUND + 2

    def close(self):
        for pair in (*self.pairs, self.other):
            pair.close()

    # ---- reads ----

    def compare(self, query, way, theirs):
        ours = self.ask_weir(query, way)
        self.tally["comparisons"] += 1
        self.tally["total order"] += query.total
        self.tally["errors"] += failed(theirs)
        if same(ours, theirs, query.total):
            return
        end = time.monotonic() + self.patience
        while self.around and time.monotonic() < end:
            time.sleep(0.02)
            ours = self.ask_weir(query, way)
            if same(ours, theirs, query.total):
                self.tally["late"] += 1
                return
        raise Difference(query, way, ours, theirs, self.ask_weir(query, way, PAST))

    def ask_weir(self, query, way, hint=""):
        return told(way.pair.weir.exchange([way.messages(query, hint)])[0])

    def ask(self, asked):
        """All of [(query, way)]: on the server first, several at once."""
        for query, way in asked:
            if way.form == "named" and way.name is None:
                ours, theirs = way.pair.prepare(way, query)
                if not same(ours, theirs, True):
                    raise Difference(query, way, ours, theirs, b"")
                if failed(theirs):
                    way.name = None
        for pair in self.pairs:
            mine = [(query, way) for query, way in asked
                    if way.pair is pair and (way.form != "named" or way.name)]
            truth = pair.direct.exchange([way.messages(query) for query, way in mine])
            for (query, way), theirs in zip(mine, truth):
                self.compare(query, way, theirs)

    def look(self, queries, rng):
        """Every query once, now and then all of it in a transaction."""
        asked = [(query, rng.choice(ways)) for query, ways in queries]
        inside = rng.random() < 0.15
        if inside:
            asked = [(q, way) for q, way in asked if "FOR UPDATE" not in q.sql]
            for pair in self.pairs:
                pair.both(query_message("BEGIN"))
        self.ask(asked)
        if inside:
            for pair in self.pairs:
                pair.both(query_message(rng.choice(("COMMIT", "ROLLBACK"))))

    # ---- writes ----

    def write(self, statements, rng):
        self.around = rng.random() < self.share_around
        if self.around:
            for _ in range(2):  # so that it is kept, and then is not any more
                self.other.weir.exchange([query_message(BEAT)])
        client = self.other.direct if self.around else rng.choice(
            [self.other.weir, self.other.weir, self.pairs[0].weir, self.pairs[1].weir])
        fine = write_to(client, statements, rng)
        self.tally["writes"] += 1
        self.tally["refused writes"] += not fine
        self.tally["writes around"] += self.around
        if self.around:
            self.wait_for_the_stream()

    def wait_for_the_stream(self):
        self.beat += 1
        self.other.direct.exchange([query_message("UPDATE beat SET n = n + 1")])
        wanted = str(self.beat).encode()
        wait_until(lambda: any(m[:1] == b"D" and m.endswith(wanted) for m in split(
            self.other.weir.exchange([query_message(BEAT)])[0])), self.patience, 0.002)

    # ---- cases ----

    def show_writes(self):
        """A statement that writes is not understood the first time, and forgets everything."""
        writer = Writer(0)
        for statement in writer.each():
            for sent in (query_message(statement.sql),
                         extended_message(statement.with_params, statement.params, 0, 0)):
                self.other.weir.exchange([query_message("BEGIN"), sent, query_message("ROLLBACK")])

    def fill(self):
        self.around = True
        (reply,) = self.other.direct.exchange([query_message(pg_world.FILL)])
        assert not failed(reply), f"the shop cannot be filled: {reply!r}"
        self.wait_for_the_stream()

    def play(self, seed):
        rng = random.Random(seed)
        writer = Writer(seed)
        self.fill()
        for pair in self.pairs:
            pair.both(query_message(rng.choice(SESSIONS)))
        queries = [(Maker(seed * QUERIES + i).query(), [Way(rng, self.pairs) for _ in range(WAYS)])
                   for i in range(QUERIES)]
        self.tally["queries"] += len(queries)
        self.look(queries, rng)
        self.look(queries, rng)
        for _ in range(WRITES):
            change = rng.random() < 0.01
            self.write(writer.schema_change() if change else writer.write(), rng)
            self.look(queries, rng)
            if rng.random() < 0.4:
                self.look(queries, rng)


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        yield postgres


def make_player(weir, server, settings, triggers=""):
    name = server.database()
    with server.connect(name) as db:
        db.execute(pg_world.SETUP + triggers)
        db.execute("CREATE TABLE beat (id int PRIMARY KEY, n int)")
        db.execute("INSERT INTO beat VALUES (1, 0)")
    set_up(server, name)
    gateway = weir(server.dsn(name), binary=RELEASE_BINARY,
                   settings={"cache.bound": f"{BOUND:g}s", "workers": 2, **settings})
    gateway.connect().close()
    wait_until(lambda: is_followed(gateway))
    player = Player(gateway, server, name)
    player.show_writes()
    return gateway, player


def play_many(player, seconds, cases_min):
    end, seed = time.monotonic() + seconds, FIRST_SEED
    while time.monotonic() < end or seed < FIRST_SEED + cases_min:
        try:
            player.play(seed)
        except Difference as difference:
            pytest.fail(f"seed {seed} (WEIR_PG_DIFFERENTIAL_SEED={seed}): {difference}",
                        pytrace=False)
        seed += 1
    return seed - FIRST_SEED


@pytest.mark.parametrize("triggers, hits_min", [("", 0.1), (pg_world.TRIGGERS, 0.05)],
                         ids=["plain", "triggers"])
@pytest.mark.seconds(SECONDS * 2 + 120)
def test_answers_are_the_servers_own(weir, server, triggers, hits_min):
    """With triggers most writes may change anything, and what is kept does not live long."""
    gateway, player = make_player(weir, server, {}, triggers)
    cases = play_many(player, SECONDS / 2, 2)
    player.close()
    counted = metrics(gateway)
    hits = sum(v for k, v in counted.items() if k.startswith("weir_cache_hits_total"))
    tally = player.tally
    print(f"\n{cases} cases, {hits:.0f} hits,",
          ", ".join(f"{count} {what}" for what, count in tally.items()))
    print({k.split('"')[1]: int(v) for k, v in counted.items()
           if k.startswith("weir_cache_misses_total") and v})
    assert hits >= hits_min * tally["comparisons"], "hardly anything came from the cache"
    assert tally["errors"] < 0.2 * tally["comparisons"], "most generated queries must run"
    assert tally["refused writes"] < 0.5 * tally["writes"]
    assert tally["total order"] > 0.3 * tally["comparisons"]


def test_an_old_answer_is_noticed(weir, server):
    """Where answers may miss writes around Weir for long, by configuration, it is seen."""
    _, player = make_player(weir, server, {"cache.consistency": "bounded", "cache.bound": "60s"})
    player.share_around, player.patience = 1, 0.1
    player.wait_for_the_stream = lambda: time.sleep(0.05)
    with pytest.raises(Difference):
        for seed in range(1, 20):
            player.play(seed)
    player.close()
