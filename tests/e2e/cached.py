"""What the tests of the cache share: how much came from memory and how much from the database, how
to bring an answer into memory, and the extended protocol by hand."""

import contextlib
import re
import struct
import urllib.request

from support import message, wait_until

PAST = "/* weir: nocache */ "
# A machine under load may look at the file late: then answers do not come from memory. Where the
# bound itself is not what a test is about, it is long.
CALM = {"cache.bound": "60s", "cache.flight_wait": "60s", "sqlite.synchronous": "normal"}


def metrics(gateway):
    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(weir_\S+) (\S+)$", text, re.M)}


class Counted:
    """What the gateway has done since this was made."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.before = metrics(gateway)

    def figures(self):
        now = metrics(self.gateway)

        def grown(match):
            return sum(int(v - self.before.get(k, 0)) for k, v in now.items() if match(k))

        def family(name):
            return grown(lambda k: k.startswith(name))

        return {
            "hits": family("weir_cache_hits_total"),
            "runs": grown(lambda k: k.startswith("weir_queries_total") and 'kind="read"' in k
                          and 'target="cache"' not in k),
            "flights": family("weir_cache_flights_total"),
            "joined": family("weir_cache_flights_joined_total"),
            "evictions": family("weir_cache_evictions_total"),
            "missed": {k.split('"')[1]: int(v - self.before[k]) for k, v in now.items()
                       if k.startswith("weir_cache_misses_total") and v > self.before[k]},
        }

    def __getitem__(self, name):
        return self.figures()[name]

    def expect(self, **counts):
        """Counters may come a moment after the reply."""
        last = {}

        def fits():
            figures = self.figures()
            last.update({name: figures[name] for name in counts})
            return last == counts

        with contextlib.suppress(AssertionError):
            wait_until(fits, 3)
        assert last == counts, f"{last}, not {counts}; missed {self['missed']}"


def gauge(gateway, prefix):
    return sum(v for k, v in metrics(gateway).items() if k.startswith(prefix))


def asker(db, sql, *params, **more):
    """A function that asks once more."""
    def ask():
        return db.execute(sql, params or None, **{"prepare": False, **more}).fetchall()
    return ask


def warm(gateway, *asks):
    """Asks until each is answered from memory."""
    def from_memory(ask):
        counted = Counted(gateway)
        ask()
        return counted["hits"] > 0
    for ask in asks:
        wait_until(lambda: from_memory(ask))


# ---- the extended protocol ----

def parse(sql, name=b""):
    return message(b"P", name + b"\0" + sql.encode() + b"\0\0\0")


def bind(values=(), result_format=0, name=b"", portal=b""):
    body = portal + b"\0" + name + b"\0" + struct.pack("!HH", 0, len(values))
    for v in values:
        body += struct.pack("!I", len(v)) + v
    return message(b"B", body + struct.pack("!HH", 1, result_format))


def describe(portal=b""):
    return message(b"D", b"P" + portal + b"\0")


def describe_statement(name=b""):
    return message(b"D", b"S" + name + b"\0")


def execute(limit=0, portal=b""):
    return message(b"E", portal + b"\0" + struct.pack("!I", limit))


def query(sql):
    return message(b"Q", sql.encode() + b"\0")


SYNC = message(b"S")


def extended(sql, values=(), result_format=0):
    return parse(sql) + bind(values, result_format) + describe() + execute() + SYNC


def rows(messages):
    """The fields of each DataRow, as bytes or None."""
    got = []
    for kind, body in messages:
        if kind != b"D":
            continue
        fields, at = [], 2
        for _ in range(struct.unpack("!H", body[:2])[0]):
            size = struct.unpack("!i", body[at:at + 4])[0]
            fields.append(None if size < 0 else body[at + 4:at + 4 + size])
            at += 4 + max(size, 0)
        got.append(tuple(fields))
    return got
