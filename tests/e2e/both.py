"""A statement's answer on PostgreSQL and on Weir's SQLite, as it is on the wire, and what differs;
scripts that are run on both, statement by statement."""

import psycopg


class Answer:
    def __init__(self, result, ordered):
        self.state = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
        self.message = (result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b""
                        ).decode()
        columns = range(result.nfields)
        self.names = [result.fname(c) for c in columns]
        types = [result.ftype(c) for c in columns]
        self.types = [t if t < 16384 else "own" for t in types]  # has another OID on each
        self.rows = [tuple(result.get_value(r, c) for c in columns) for r in range(result.ntuples)]
        if not ordered:
            self.rows.sort(key=repr)
        self.tag = result.command_status
        self.after = None
        self.described = None
        self.planned = False


def difference(pg, ours):
    """The name of the first thing that is not the same; "" if all is."""
    if ours.state == "0A000" and pg.state != "0A000":
        return "refused"
    if pg.state != ours.state:
        return "state" if pg.state and ours.state else "fails" if ours.state else "does not fail"
    for what in ("described", "types", "rows", "after", "tag", "names"):
        if getattr(pg, what) != getattr(ours, what):
            return what
    return ""


def statements(script):
    """One a line; a line that is indented goes on with the one before."""
    return [s for s in script.replace("\n    ", " ").split("\n") if s]


def run(connection, sql, extended):
    """By the extended protocol, with binary results, or by a Query."""
    raw = connection.pgconn
    return Answer(raw.exec_params(sql.encode(), [], result_format=1) if extended
                  else raw.exec_(sql.encode()), True)


def assert_script_means_the_same(postgres, gateway, script, extended):
    wrong = []
    with postgres.connect(postgres.database()) as one, gateway.connect() as other:
        for sql in statements(script):
            pg, ours = run(one, sql, extended), run(other, sql, extended)
            what = difference(pg, ours)
            if what:
                wrong.append((what, sql, pg.state or pg.rows or pg.names,
                              ours.message or ours.rows or ours.names, pg.types, ours.types))
    assert wrong == [], "\n".join(map(repr, wrong))
