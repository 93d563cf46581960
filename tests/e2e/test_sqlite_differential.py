"""The same statements on PostgreSQL and on Weir's SQLite: the same rows, types, column names,
SQLSTATEs and command tags. WEIR_DIFFERENTIAL=20000 tries so many, WEIR_SEED=7 others,
WEIR_DIFFERENTIAL_REPORT=file writes every difference down."""

import collections
import os
import re

import dialect
import psycopg
import pytest
from both import Answer, difference

COUNT = int(os.environ.get("WEIR_DIFFERENTIAL", "2500"))
SEED = int(os.environ.get("WEIR_SEED", "20261121"))
REPORT = os.environ.get("WEIR_DIFFERENTIAL_REPORT")


class Side:
    """What one of them answers, as it is on the wire."""

    def __init__(self, connection):
        self.connection = connection
        self.raw = connection.pgconn

    def run(self, s):
        if s.writes:
            self.raw.exec_(b"BEGIN")
        described = self.describe(s) if s.described else None
        if s.writes and described and described.state:
            self.raw.exec_(b"ROLLBACK")
            self.raw.exec_(b"BEGIN")
        if not s.params and not s.binary and len(s.sql) % 2:
            result = self.raw.exec_(s.sql.encode())
        else:
            given = [p if isinstance(p, tuple) else (0, p) for p in s.params]
            result = self.raw.exec_params(
                s.sql.encode(), [None if p is None else p.encode() for _, p in given],
                [oid for oid, _ in given], None, 1 if s.binary else 0)
        answer = Answer(result, s.ordered)
        answer.described = described and described.said
        if answer.state[:2] == "22" and not s.params:
            # Is it the planner, who computes what is constant, that fails?
            explained = self.raw.exec_(b"EXPLAIN " + s.sql.encode())
            answer.planned = explained.error_field(psycopg.pq.DiagnosticField.SQLSTATE) is not None
        if s.writes:
            if not answer.state:
                key = dialect.TABLES[s.writes]
                after = self.raw.exec_(f"SELECT * FROM {s.writes} ORDER BY {key}".encode())
                answer.after = Answer(after, True).rows
            self.raw.exec_(b"ROLLBACK")
        return answer

    def describe(self, s):
        oids = [p[0] if isinstance(p, tuple) else 0 for p in s.params]
        result = self.raw.prepare(b"", s.sql.encode(), oids)
        if result.status == psycopg.pq.ExecStatus.COMMAND_OK:
            result = self.raw.describe_prepared(b"")
        return Described(result)


class Described:
    def __init__(self, result):
        self.state = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
        # Text and varchar are one to a parameter: which of them is told is of no use to a client.
        params = [25 if oid == 1043 else oid for oid in
                  (result.param_type(i) for i in range(result.nparams))]
        columns = [(result.fname(i), result.ftype(i)) for i in range(result.nfields)]
        self.said = self.state or (params, columns)


class Tally:
    def __init__(self):
        self.count = collections.Counter()
        self.wrong = []
        self.report = open(REPORT, "w", encoding="utf-8") if REPORT else None

    def add(self, s, pg, ours):
        what = difference(pg, ours)
        name = next((n for n, applies in EXCLUSIONS if what and what != "refused" and
                     applies(s, pg, ours, what)), None)
        if name:
            what = "excluded"
            self.count["exclusion", name] += 1
        self.count[s.category, what or "same"] += 1
        if what and what not in ("refused", "excluded"):
            self.wrong.append((what, s))
        if what and self.report:
            print(f"## {what} {name or ''} [{s.category}] {s.sql} {s.params or ''}",
                file=self.report)
            for side, a in (("pg", pg), ("weir", ours)):
                print(f"   {side:4} {a.state or a.tag} {a.message} {a.types} {a.names} "
                      f"{a.rows[:7]} {a.after if what == 'after' else ''} "
                      f"{a.described if what == 'described' else ''}", file=self.report)

    def share(self, category, what):
        total = sum(n for (c, _), n in self.count.items() if c == category)
        return self.count[category, what] / total if total else 0


MISTAKES = {"42P18", "42P08", "42725", "42804", "42803", "42883", "42702", "42601"}

# Differences that docs/sqlite.md names: which statement, both answers, what differs.
EXCLUSIONS = [
    ("a key counts by itself", lambda s, pg, ours, what:
     s.category == "insert" and pg.state == "23502" and not ours.state and "(NULL" in s.sql),
    ("which error of class 22 a text that is no moment has", lambda s, pg, ours, what:
     pg.state[:2] == ours.state[:2] == "22" and (s.category == "casts" or "2200" in pg.state)),
    ("a constant that fails and that no row needs", lambda s, pg, ours, what:
     what == "does not fail" and pg.planned),
    ("which parts of a condition are computed", lambda s, pg, ours, what:
     what in ("fails", "does not fail") and (pg.state or ours.state)[:2] == "22" and
     re.search("WHERE|HAVING|ON|WITH|FROM \\(|CASE WHEN (?i:true|false)", s.sql)),
    ("which of several mistakes", lambda s, pg, ours, what:
     what == "state" and (pg.state[:2] == "22" and (s.params or ours.state[:2] in ("22", "23")) or
                          s.params and {pg.state, ours.state} <= MISTAKES)),
    ("a parameter of one type in two places of one IN", lambda s, pg, ours, what:
     what == "does not fail" and pg.state == "42P08" and " IN (" in s.sql),
    ("a set has -0 or 0", lambda s, pg, ours, what: what == "rows" and not s.ordered and
     sorted(repr(pg.rows).replace("b'-0'", "b'0'")) == sorted(
         repr(ours.rows).replace("b'-0'", "b'0'"))),
    ("a parameter that nothing needs is not read", lambda s, pg, ours, what:
     what == "does not fail" and pg.state[:2] == "22" and s.params),
    ("which of equal numerics a set has", lambda s, pg, ours, what:
     what == "rows" and 1700 in pg.types and trimmed(pg.rows) == trimmed(ours.rows)),
    ("a float8 that is stored has no -0", lambda s, pg, ours, what:
     what in ("rows", "after") and s.writes and
     repr((ours.rows, ours.after)) == repr((pg.rows, pg.after)).replace("b'-0'", "b'0'")),
]


def trimmed(rows):
    """Without the zeros at the ends of numbers."""
    return sorted(re.sub(r"(\.\d*?)0+'", r"\1'", repr(row)).replace(".'", "'") for row in rows)


# The part of a category that may be refused with 0A000: what is not translated.
REFUSED_MAX = collections.defaultdict(
    lambda: 0.03, documents=0.35, named=0.06, casts=0.06, sets=0.05, joins=0.25, windows=0.12,
    update=0.2, strings=0.12, queries=0.06, asked=0.07, writes=0.2, early=0.05)


def prepare(side):
    for sql in dialect.SCHEMA:
        side.connection.execute(sql)


@pytest.mark.seconds(60 + COUNT // 50)
def test_statements_mean_the_same(postgres, sqlite):
    maker = dialect.Maker(SEED)
    tally = Tally()
    with postgres.connect(postgres.database()) as there, \
            sqlite.weir.connect() as here:
        sides = [Side(there), Side(here)]
        for side in sides:
            side.connection.execute("SET TimeZone TO 'UTC'")
            prepare(side)
        for _ in range(COUNT):
            s = maker.statement()
            tally.add(s, *(side.run(s) for side in sides))
    categories = sorted({c for c, _ in tally.count if c != "exclusion"})
    print()
    for c in categories:
        print(f"{c:12}", *(f"{w}={n}" for (k, w), n in sorted(tally.count.items()) if k == c))
    print(*(f"excluded: {n} {k}\n" for (c, k), n in tally.count.items() if c == "exclusion"))
    assert not tally.wrong, "\n".join(f"{w}: {s.sql} {s.params or ''}" for w, s in tally.wrong[:30])
    for c in categories:
        assert tally.share(c, "refused") <= REFUSED_MAX[c], f"{c}: too much is refused"
