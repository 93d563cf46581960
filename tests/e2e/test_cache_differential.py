"""What comes from the cache is what the database says now.

Generated schemas, queries and writes (cases.py), and those for which a naive rule fails by name
(shapes.py): before and after every write each query is asked as it is, and with the hint that goes
past the cache. Replies are compared byte for byte; where ORDER BY leaves a choice, as multisets of
rows within the same framing. Two clients, one of which may be inside a transaction.

WEIR_DIFFERENTIAL_SECONDS: how long (45). WEIR_DIFFERENTIAL_SEED: the first seed, from which on they
count (1): a failure says which one to give."""

import os
import random
import time
import urllib.request

import pytest

from cached import PAST
from cases import Case
from replies import Pipe, extended_message, failed, framing, query_message, same, split
from shapes import BREAKING, NAMED_SHAPES, SCHEMA
from support import RELEASE_BINARY

SECONDS = float(os.environ.get("WEIR_DIFFERENTIAL_SECONDS", "30"))
FIRST_SEED = int(os.environ.get("WEIR_DIFFERENTIAL_SEED", "1"))
CASES_MIN = 100  # however slow the machine is
AGAIN = 3  # every so many-th case is played twice: then all statements are known
HITS_SHARE_MIN = 0.2
SETTINGS = {"sqlite.synchronous": "normal", "workers": 2}


class Difference(Exception):
    def __init__(self, query, who, cached, truth):
        super().__init__(f"client {who}: {query}\n  cached: {cached!r}\n  truth:  {truth!r}")
        self.query = query


class Player:
    """Plays cases on two clients of a gateway. What follows on the same client goes out at once."""

    def __init__(self, gateway):
        self.clients = {"a": Pipe(gateway), "b": Pipe(gateway)}
        self.who, self.pending, self.checks = "a", [], []
        self.writes = self.refused = self.comparisons = self.errors = 0

    def close(self):
        for client in self.clients.values():
            client.close()

    def put(self, who, *messages):
        if who != self.who:
            self.flush()
            self.who = who
        self.pending += messages

    def flush(self):
        replies = self.clients[self.who].exchange(self.pending)
        self.pending, checks, self.checks = [], self.checks, []
        for at, query, total in checks:
            self.comparisons += 1
            self.errors += failed(replies[at + 1])
            if not same(replies[at], replies[at + 1], total):
                raise Difference(query, self.who, replies[at], replies[at + 1])
        return replies

    def ask(self, who, query, extended=None):
        """`extended`: (binary results, binary parameters), or None for a simple query."""
        if extended is None:
            pair = query_message(query.sql), query_message(PAST + query.sql)
        else:
            sql, params = query.with_params, query.params
            pair = (extended_message(sql, params, *extended),
                    extended_message(PAST + sql, params, *extended))
        self.put(who, *pair)
        self.checks.append((len(self.pending) - 2, query.sql, query.total))

    def run(self, who, statements):
        """Their replies. Flushes before, so that failures are counted for these alone."""
        self.put(who)
        self.flush()
        self.put(who, *(query_message(s) for s in statements))
        return self.flush()

    def forget(self):
        """After a difference: what is still to come is not read."""
        self.pending, self.checks = [], []

    def names(self):
        (reply,) = self.run("a", [PAST + "SELECT type || ' ' || name FROM sqlite_master "
                                  "WHERE type IN ('table', 'view') ORDER BY type DESC, rowid DESC"])
        return [m[11:].decode() for m in split(reply) if m[:1] == b"D"]

    def clean(self):
        """An empty database. Foreign keys may want the rows to go first, and an order."""
        for who in "ba":
            self.run(who, ["ROLLBACK"])
        for _ in range(8):
            names = self.names()
            if not names:
                return
            self.run("a", [f"DROP {n}" for n in names if n.startswith("view")]
                     + [f"DELETE FROM {n.split()[1]}" for n in names if n.startswith("table")]
                     + [f"DROP {n}" for n in names if n.startswith("table")])
        raise AssertionError(f"these cannot be dropped: {names}")

    def play(self, case, queries=None, events=None, setup=None):
        self.clean()
        how = random.Random(case.seed)
        self.run("a", case.setup if setup is None else setup)
        for who, sql in case.events if events is None else events:
            if sql is not None:
                self.writes += 1
                self.put(who, query_message(sql))
                continue
            for query in case.queries if queries is None else queries:
                forms = [None, None, None, (0, 0), (1, 0), (0, 1), (1, 1)]
                self.ask(who, query, how.choice(forms))
        self.flush()

    def plays_wrong(self, case, queries, events, setup):
        try:
            self.play(case, queries, events, setup)
            self.play(case, queries, events, setup)
        except Difference:
            self.forget()
            return True
        return False

    def minimal(self, case, sql, seconds=20):
        """A small script that still differs, by leaving out one thing after the other."""
        until = time.monotonic() + seconds
        queries = [q for q in case.queries if q.sql == sql]
        parts = [list(case.events), list(case.setup)]
        if not self.plays_wrong(case, queries, *parts):
            return "alone it does not differ again: " + sql
        for part in parts:
            at = len(part) - 1
            while at >= 0 and time.monotonic() < until:
                taken = part.pop(at)
                if not self.plays_wrong(case, queries, *parts):
                    part.insert(at, taken)
                at -= 1
        lines = [f"a: {s}" for s in parts[1]]
        lines += [f"{who}: {s or sql + '   -- plain, and with the hint'}" for who, s in parts[0]]
        return "\n".join(lines)


@pytest.fixture(params=["sanitized"])
def gateway(weir, tmp_path, request):
    more = {"binary": RELEASE_BINARY} if request.param == "release" else {}
    return weir(f"sqlite:{tmp_path}/cache.db", settings=SETTINGS, **more)


@pytest.fixture
def player(gateway):
    made = Player(gateway)
    yield made
    made.close()


def hits(gateway):
    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines
               if line.startswith("weir_cache_hits_total"))


def explain_failure(gateway, case, difference):
    """The seed and a small script, tried out on clients of its own."""
    player = Player(gateway)
    try:
        script = player.minimal(case, difference.query)
    finally:
        player.close()
    pytest.fail(f"seed {case.seed} (WEIR_DIFFERENTIAL_SEED={case.seed}): {difference}\n{script}",
                pytrace=False)


@pytest.mark.parametrize("gateway", ["release"], indirect=True)
@pytest.mark.seconds(SECONDS * 4 + 120)
def test_cached_answers_are_what_the_database_says_now(gateway, player):
    end = time.monotonic() + SECONDS
    cases = queries = 0
    while time.monotonic() < end or cases < CASES_MIN:
        case = Case(FIRST_SEED + cases)
        try:
            player.play(case)
            if cases % AGAIN == 0:
                player.play(case)
        except Difference as difference:
            explain_failure(gateway, case, difference)
        except OSError as e:
            pytest.fail(f"seed {case.seed}: client {player.who} got no answer: {e!r}")
        cases += 1
        queries += len(case.queries)
    got = hits(gateway)
    print(f"\n{cases} schemas, {queries} queries, {player.writes} writes, "
          f"{player.comparisons} comparisons ({player.errors} of errors), {got:.0f} hits")
    assert got >= HITS_SHARE_MIN * player.comparisons, "hardly anything came from the cache"
    assert player.errors < 0.2 * player.comparisons, "most queries of the generator must run"


def play_shape(player, sql, write, more):
    """What is wrong with its answers, or None."""
    player.clean()
    player.run("a", [SCHEMA + "".join(more)])
    asked = [query_message(sql), query_message(sql), query_message(PAST + sql)]
    before = player.clients["a"].exchange(asked)
    (written,) = player.clients["b"].exchange([query_message(write)])
    after = player.clients["a"].exchange(asked)
    if failed(before[2]) or failed(written) or failed(after[2]) != (write in BREAKING):
        return f"refused: {before[2]!r} {written!r} {after[2]!r}"
    if before[2] == after[2]:
        return f"the write changes nothing: {after[2]!r}"
    if same_all(before) and same_all(after):
        return None
    return (f"{sql}\n  before: {brief(before)}\n  {write}\n  after:  {brief(after)}"
            "\n  (asked, again, past the cache)")


def brief(replies):
    """What differs, mostly: rows and errors."""
    return [b"".join(m[7:] for m in split(r) if m[:1] in b"DE") for r in replies]


def same_all(replies):
    return all(framing(split(r)) == framing(split(replies[-1])) and
               (r == replies[-1] or failed(r)) for r in replies)


@pytest.mark.seconds(120)
def test_shapes_for_which_naive_rules_fail(gateway, player):
    """Each is asked twice, so that it is kept and given, then again after its write, which must
    have changed the answer. All of it again, so that the statements stand prepared: SQLite then
    tries those that change the schema, rolls back, prepares them anew and runs them."""
    wrong = [f"{name}: {said}" for name, sql, write, *more in NAMED_SHAPES for _ in range(2)
             if (said := play_shape(player, sql, write, more))]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert hits(gateway) >= len(NAMED_SHAPES), "one hit a shape, at least"
