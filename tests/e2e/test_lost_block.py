"""A transaction that is lost with its server stays one, failed, until its client ends it: also for
clients that pipeline, of whose statements none may be committed by itself."""

import contextlib
import struct

import psycopg
import pytest

from support import Wire, console, error_fields, kinds, message, rows, wait_until

SYNC = message(b"S")


def query(sql):
    return message(b"Q", sql.encode() + b"\0")


def parse(sql, name=b""):
    return message(b"P", name + b"\0" + sql.encode() + b"\0\0\0")


def bind(name=b"", portal=b""):
    return message(b"B", portal + b"\0" + name + b"\0" + b"\0" * 6)


def describe(what, name=b""):
    return message(b"D", what + name + b"\0")


def execute(portal=b""):
    return message(b"E", portal + b"\0\0\0\0\0")


def run(sql):
    return parse(sql) + bind() + execute()


def statuses(messages):
    return b"".join(body for kind, body in messages if kind == b"Z").decode()


def tags(messages):
    return [body[:-1].decode() for kind, body in messages if kind == b"C"]


def states(messages):
    return [error_fields([m])["C"] for m in messages if m[0] == b"E"]


class Line:
    """One client of a gateway on a database with an empty table t, and the server's side of it."""

    def __init__(self, weir, postgres, **settings):
        self.dbname = postgres.database()
        self.gateway = weir(postgres.dsn(self.dbname), settings=settings)
        self.admin = postgres.connect(self.dbname)
        self.admin.execute("CREATE TABLE t (a int)")
        self.wire = self.client()

    def client(self):
        return Wire(self.gateway, user="postgres", database=self.dbname)

    def rows(self):
        return sorted(a for (a,) in self.admin.execute("SELECT a FROM t"))

    def backends(self, where):
        return [pid for (pid,) in self.admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            f"AND pid <> pg_backend_pid() AND {where}")]

    def wait_for(self, where):
        wait_until(lambda: self.backends(where))

    def kill(self, where="true"):
        pids = self.backends(where)
        self.admin.execute("SELECT pg_terminate_backend(p) FROM unnest(%s::int[]) p", (pids,))
        wait_until(lambda: not set(pids) & set(self.backends("true")))
        with console(self.gateway) as admin:  # the gateway has noticed
            wait_until(lambda: not any(r["link"] for r in rows(admin, "CLIENTS")))

    def kill_sleeper(self):
        """The server that runs pg_sleep, as soon as it does."""
        self.wait_for("wait_event = 'PgSleep'")
        self.kill("wait_event = 'PgSleep'")

    def begin(self):
        """A transaction with a statement in it, and its server lost while it is idle."""
        assert statuses(self.wire.query("BEGIN")) == "T"
        assert statuses(self.wire.query("INSERT INTO t VALUES (-1)")) == "T"
        self.kill("state = 'idle in transaction'")

    def lose(self):
        self.begin()
        got = self.wire.query("SELECT 1")
        assert states(got) == ["08006"] and statuses(got) == "E"

    def answers(self, count):
        return [self.wire.until(b"Z") for _ in range(count)]

    def close(self):
        self.wire.close()
        self.admin.close()


@pytest.fixture
def line(weir, postgres):
    with contextlib.closing(Line(weir, postgres)) as line:
        yield line


# ---- nothing of a lost transaction is committed by itself ----

def test_queries_pipelined_in_a_transaction_that_was_lost_while_idle(line):
    line.begin()
    line.wire.send(query("INSERT INTO t VALUES (1)"), query("INSERT INTO t VALUES (2)"),
                   query("COMMIT"), query("INSERT INTO t VALUES (3)"))
    first, second, commit, behind = line.answers(4)
    assert states(first) == ["08006"] and statuses(first) == "E"
    assert states(second) == ["25P02"] and statuses(second) == "E"
    assert tags(commit) == ["ROLLBACK"] and statuses(commit) == "I"
    assert tags(behind) == ["INSERT 0 1"] and statuses(behind) == "I"
    assert line.rows() == [3]


def test_queries_pipelined_behind_a_statement_that_dies_with_its_server(line):
    line.wire.query("BEGIN")
    line.wire.send(query("INSERT INTO t VALUES (1)"), query("SELECT pg_sleep(60)"),
                   *(query(f"INSERT INTO t VALUES ({i})") for i in range(2, 40)))
    line.kill_sleeper()
    got = line.answers(40)
    assert tags(got[0]) == ["INSERT 0 1"]
    for answer in got[1:]:
        assert states(answer)[0] in ("08006", "57P01", "25P02") and statuses(answer) == "E"
    assert states(line.wire.query("INSERT INTO t VALUES (99)")) == ["25P02"]
    assert tags(line.wire.query("ROLLBACK")) == ["ROLLBACK"]
    assert line.rows() == []


@pytest.mark.parametrize("extended", [False, True], ids=["queries", "syncs"])
def test_a_begin_that_dies_with_its_server_begins_a_failed_block(line, extended):
    def message_of(sql):
        return run(sql) + SYNC if extended else query(sql)

    line.wire.send(message_of("SELECT pg_sleep(60)"), message_of("BEGIN"),
                   *(message_of(f"INSERT INTO t VALUES ({i})") for i in range(3)),
                   message_of("COMMIT"), message_of("INSERT INTO t VALUES (7)"))
    line.kill_sleeper()
    got = line.answers(7)
    assert [statuses(answer) for answer in got] == ["I", "E", "E", "E", "E", "I", "I"]
    assert all(states(answer) for answer in got[:5])  # (the COMMIT may have been in flight)
    assert line.rows() in ([], [7])  # and so may what stands behind it
    assert line.wire.query("INSERT INTO t VALUES (8)")[-1] == (b"Z", b"I")


def test_a_commit_that_dies_with_its_server_is_an_error_and_the_end(line):
    line.wire.query("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$")
    line.wire.query("CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t INITIALLY DEFERRED "
                    "FOR EACH ROW WHEN (NEW.a = 1) EXECUTE FUNCTION slow()")
    line.wire.query("BEGIN")
    line.wire.query("INSERT INTO t VALUES (1)")
    line.wire.send(query("COMMIT"))
    line.kill_sleeper()
    (got,) = line.answers(1)
    assert statuses(got) == "I"
    assert error_fields(got)["C"] in ("08006", "57P01")
    assert "not known" in error_fields(got)["H"]
    assert tags(line.wire.query("INSERT INTO t VALUES (2)")) == ["INSERT 0 1"]
    assert line.rows() == [2]


def test_batches_with_a_sync_each(line):
    line.wire.send(run("BEGIN") + SYNC)
    line.answers(1)
    line.wire.send(run("INSERT INTO t VALUES (1)") + run("SELECT pg_sleep(60)") + SYNC,
                   *(run(f"INSERT INTO t VALUES ({i})") + SYNC for i in range(2, 20)),
                   run("COMMIT") + SYNC, run("INSERT INTO t VALUES (50)") + SYNC)
    line.kill_sleeper()
    got = line.answers(21)
    assert [statuses(answer) for answer in got[:19]] == ["E"] * 19
    assert all(states(answer) for answer in got[:19])
    assert statuses(got[19]) == "I" and tags(got[19]) in ([], ["ROLLBACK"])
    assert line.rows() in ([], [50])


def test_one_batch_is_skipped_up_to_its_sync(line):
    line.wire.send(run("BEGIN") + run("INSERT INTO t VALUES (1)") + run("SELECT pg_sleep(60)"),
                   message(b"H"))
    line.kill_sleeper()
    line.wire.send(run("INSERT INTO t VALUES (2)") + SYNC, run("INSERT INTO t VALUES (3)") + SYNC)
    first, second = line.answers(2)
    assert len(states(first)) == 1 and statuses(first) == "E"
    assert states(second) == ["25P02"] and statuses(second) == "E"
    assert tags(line.wire.query("END")) == ["ROLLBACK"]
    assert line.rows() == []


def test_one_batch_that_would_have_ended_the_block(line):
    line.wire.send(run("BEGIN") + run("INSERT INTO t VALUES (1)") + run("SELECT pg_sleep(60)"),
                   message(b"H"))
    line.kill_sleeper()
    line.wire.send(run("COMMIT") + SYNC, run("INSERT INTO t VALUES (3)") + SYNC)
    first, second = line.answers(2)
    assert len(states(first)) == 1 and statuses(first) == "I"
    assert tags(second) == ["INSERT 0 1"] and line.rows() == [3]


@pytest.mark.parametrize("name", [b"", b"s"], ids=["unnamed", "named"])
def test_a_parse_that_was_lost_says_what_its_bind_would_have_done(line, name):
    """… and not what the name stood for before."""
    line.wire.send(parse("SELECT 1") + run("BEGIN") + SYNC)
    line.answers(1)
    line.wire.send(run("INSERT INTO t VALUES (1)") + run("SELECT pg_sleep(60)") +
                   parse("COMMIT", name), message(b"H"))
    line.kill_sleeper()
    line.wire.send(bind(name) + execute() + SYNC, run("INSERT INTO t VALUES (2)") + SYNC)
    first, second = line.answers(2)
    assert len(states(first)) == 1 and statuses(first) == "I"
    assert tags(second) == ["INSERT 0 1"]
    line.wire.send(run("SELECT pg_sleep(60)") + parse("BEGIN", name + name), message(b"H"))
    line.kill_sleeper()
    line.wire.send(bind(name + name) + execute() + SYNC, query("INSERT INTO t VALUES (3)"))
    first, second = line.answers(2)
    assert len(states(first)) == 1 and statuses(first) == "E"
    assert states(second) == ["25P02"]
    assert tags(line.wire.query("ROLLBACK")) == ["ROLLBACK"]
    line.wire.send(parse("SELECT 4", name) + bind(name) + execute() + SYNC)  # parsed anew
    assert tags(line.answers(1)[0]) == ["SELECT 1"]
    assert line.rows() == [2]


@pytest.mark.parametrize("name", [b"", b"s"], ids=["unnamed", "named"])
def test_a_begin_whose_parse_was_lost_with_the_batch_before(line, name):
    line.wire.send(run("SELECT pg_sleep(60)") + parse("BEGIN", name) + SYNC,
                   bind(name) + execute() + SYNC, query("INSERT INTO t VALUES (1)"),
                   query("ROLLBACK"))
    line.kill_sleeper()
    got = line.answers(4)
    assert len(states(got[0])) == 1
    assert "".join(statuses(answer) for answer in got) == "ITTI"
    assert line.rows() == []


def test_a_batch_without_a_block_leaves_none(line):
    line.wire.send(run("INSERT INTO t VALUES (1)") + run("SELECT pg_sleep(60)"), message(b"H"))
    line.kill_sleeper()
    line.wire.send(run("INSERT INTO t VALUES (2)") + SYNC)
    (got,) = line.answers(1)
    assert len(states(got)) == 1 and statuses(got) == "I"
    assert line.rows() == []


def test_psycopgs_pipeline_mode(line):
    with line.gateway.connect(dbname=line.dbname) as db:
        for commits in (True, False):
            with pytest.raises(psycopg.OperationalError), db.pipeline() as pipeline:
                db.execute("BEGIN")
                pipeline.sync()
                db.execute("INSERT INTO t VALUES (1)")
                pipeline.sync()
                line.wait_for("state = 'idle in transaction'")
                line.kill("state = 'idle in transaction'")
                for i in range(20):
                    db.execute("INSERT INTO t VALUES (%s)", (i,))
                    if i % 3 == 0:
                        with contextlib.suppress(psycopg.errors.InFailedSqlTransaction):
                            pipeline.sync()
                if commits:
                    db.execute("COMMIT")
            db.execute("ROLLBACK")
            assert line.rows() == []
        assert db.execute("INSERT INTO t VALUES (5) RETURNING a").fetchone() == (5,)
    assert line.rows() == [5]


# ---- inside ----

def test_a_lost_block_holds_no_connection(weir, postgres):
    with contextlib.closing(Line(weir, postgres, **{"pool.max_size": 1})) as line:
        line.lose()
        with line.client() as other:
            assert tags(other.query("INSERT INTO t VALUES (1)")) == ["INSERT 0 1"]
            other.query("BEGIN")
            assert states(line.wire.query("INSERT INTO t VALUES (2)")) == ["25P02"]
            assert tags(line.wire.query("ROLLBACK")) == ["ROLLBACK"]
            other.query("COMMIT")
        assert line.rows() == [1]


@pytest.mark.parametrize("how", ["ROLLBACK", "rollback work", "ABORT", "COMMIT", "end transaction",
                                 "/* who */ COMMIT AND NO CHAIN -- and why",
                                 "PREPARE TRANSACTION 'x'"])
def test_what_ends_a_lost_block(line, how):
    line.lose()
    got = line.wire.query(how)
    assert (kinds(got), tags(got), statuses(got)) == ("CZ", ["ROLLBACK"], "I")
    line.lose()
    line.wire.send(parse(how) + describe(b"S") + bind() + describe(b"P") + execute() + SYNC)
    (got,) = line.answers(1)
    assert (kinds(got), tags(got), statuses(got)) == ("1tn2nCZ", ["ROLLBACK"], "I")
    assert line.wire.query("INSERT INTO t VALUES (1)")[-1] == (b"Z", b"I")


@pytest.mark.parametrize("how", ["SELECT 1", "BEGIN", "SAVEPOINT s", "RELEASE s", "COMMIT 1",
                                 "COMMIT PREPARED 'x'", "SET work_mem TO '5MB'", "LISTEN x",
                                 "EXPLAIN CACHE SELECT 1", "not sql at all",
                                 "INSERT INTO t VALUES (1); COMMIT", "SELECT 1; ROLLBACK"])
def test_what_does_not(line, how):
    line.lose()
    got = line.wire.query(how)
    assert (kinds(got), states(got), statuses(got)) == ("EZ", ["25P02"], "E")
    line.wire.send(parse(how) + bind() + execute() + message(b"H") + SYNC)
    (got,) = line.answers(1)
    assert (kinds(got), states(got), statuses(got)) == ("EZ", ["25P02"], "E")
    assert tags(line.wire.query("ROLLBACK")) == ["ROLLBACK"]
    assert line.rows() == []


def test_what_is_gone_says_so(line):
    line.lose()
    got = line.wire.query("ROLLBACK TO SAVEPOINT s")
    assert states(got) == ["3B001"] and statuses(got) == "E"
    assert "ROLLBACK" in error_fields(got)["H"]
    got = line.wire.query("ROLLBACK AND CHAIN")
    assert states(got) == ["25P02"] and "chain" in error_fields(got)["M"]
    assert statuses(got) == "E"


def test_messages_that_are_no_statements(line):
    line.lose()
    assert kinds(line.wire.query(" ; -- nothing")) == "IZ"
    line.wire.send(message(b"d", b"data"), message(b"c"), message(b"f", b"why\0"), message(b"H"),
                   message(b"C", b"Snone\0") + message(b"C", b"P\0") + SYNC,
                   message(b"F", struct.pack("!IHHH", 1598, 0, 0, 0)))
    closed, called = line.answers(2)
    assert (kinds(closed), statuses(closed)) == ("33Z", "E")
    assert (kinds(called), states(called), statuses(called)) == ("EZ", ["25P02"], "E")
    line.wire.send(bind(b"unknown") + SYNC, execute(b"p") + SYNC, describe(b"P") + SYNC)
    for got in line.answers(3):
        assert (kinds(got), states(got), statuses(got)) == ("EZ", ["25P02"], "E")


def test_a_rollback_prepared_before_ends_it(line):
    line.wire.send(parse("ROLLBACK", b"back") + parse("SELECT 1", b"one") + SYNC)
    line.answers(1)
    line.lose()
    line.wire.send(bind(b"one") + execute() + SYNC, bind(b"back", b"p") + execute() + SYNC)
    refused, wrong = line.answers(2)
    assert states(refused) == states(wrong) == ["25P02"]
    line.wire.send(bind(b"back", b"p") + execute(b"p") + bind(b"one") + execute() + SYNC)
    (got,) = line.answers(1)
    assert (kinds(got), tags(got), statuses(got)) == ("2C2DCZ", ["ROLLBACK", "SELECT 1"], "I")
    line.lose()
    line.wire.send(parse("COMMIT", b"new") + bind(b"new") + execute() + SYNC)
    (got,) = line.answers(1)
    assert tags(got) == ["ROLLBACK"]
    line.wire.send(run("BEGIN") + bind(b"new") + execute() + SYNC)
    (got,) = line.answers(1)
    assert tags(got) == ["BEGIN", "COMMIT"]


def test_what_stands_behind_the_end_in_its_text_is_run(line):
    line.lose()
    got = line.wire.query("ROLLBACK; INSERT INTO t VALUES (1); SELECT a FROM t")
    assert (tags(got), statuses(got)) == (["ROLLBACK", "INSERT 0 1", "SELECT 1"], "I")
    line.lose()
    got = line.wire.query("/* ö */ COMMIT; BEGIN; INSERT INTO t VALUES (2)")
    assert (tags(got), statuses(got)) == (["ROLLBACK", "BEGIN", "INSERT 0 1"], "T")
    assert tags(line.wire.query("COMMIT")) == ["COMMIT"]
    line.lose()
    got = line.wire.query("ROLLBACK; INSERT INTO t VALUES (3); SELECT nothing")
    assert (tags(got), states(got)) == (["ROLLBACK", "INSERT 0 1"], ["42703"])
    assert error_fields(got)["P"] == str(len("ROLLBACK; INSERT INTO t VALUES (3); SELECT ") + 1)
    assert statuses(got) == "I"
    assert line.rows() == [1, 2]


def test_the_rest_of_a_text_waits_for_a_connection(weir, postgres):
    with contextlib.closing(Line(weir, postgres, **{"pool.max_size": 1})) as line:
        line.lose()
        with line.client() as other:
            other.query("BEGIN")
            line.wire.send(query("ROLLBACK; INSERT INTO t VALUES (1)"),
                           query("INSERT INTO t VALUES (2)"))
            with console(line.gateway) as admin:
                wait_until(lambda: any(r["activity"] == "waiting" for r in rows(admin, "CLIENTS")))
            other.query("COMMIT")
        first, second = line.answers(2)
        assert tags(first) == ["ROLLBACK", "INSERT 0 1"] and tags(second) == ["INSERT 0 1"]
        assert line.rows() == [1, 2]


# ---- who does not know yet ----

def test_a_commit_of_a_transaction_that_was_lost_while_idle_is_no_success(line):
    line.begin()
    got = line.wire.query("COMMIT")
    assert states(got) == ["08006"] and statuses(got) == "I"
    line.begin()
    line.wire.send(run("COMMIT") + SYNC)
    (got,) = line.answers(1)
    assert states(got) == ["08006"] and statuses(got) == "I"
    line.begin()  # … behind which a client that pipelines believes to be in the next
    line.wire.send(query("COMMIT; BEGIN; INSERT INTO t VALUES (1)"),
                   query("INSERT INTO t VALUES (2)"), query("COMMIT"))
    lost, refused, commit = line.answers(3)
    assert [statuses(a) for a in (lost, refused, commit)] == ["E", "E", "I"]
    assert states(refused) == ["25P02"] and tags(commit) == ["ROLLBACK"]
    assert line.rows() == []


def test_a_rollback_of_a_transaction_that_was_lost_while_idle_is_one(line):
    line.begin()
    got = line.wire.query("ROLLBACK")
    assert (tags(got), statuses(got)) == (["ROLLBACK"], "I")
    line.begin()
    line.wire.send(run("ROLLBACK") + SYNC)
    (got,) = line.answers(1)
    assert (kinds(got), tags(got), statuses(got)) == ("12CZ", ["ROLLBACK"], "I")


@pytest.mark.parametrize("sent", [SYNC, query(""), message(b"C", b"Snone\0") + SYNC,
                                  describe(b"S", b"none") + SYNC, query("ROLLBACK TO s"),
                                  parse("ROLLBACK") + SYNC], ids=range(6))
def test_whatever_is_answered_tells_it(line, sent):
    line.begin()
    line.wire.send(sent)
    (got,) = line.answers(1)
    assert states(got) == ["08006"] and statuses(got) == "E"
    assert tags(line.wire.query("COMMIT")) == ["ROLLBACK"]


# ---- a BEGIN that no server hears ----

def test_a_begin_that_is_refused_a_connection_begins_a_failed_block(weir, postgres):
    settings = {"pool.max_size": 1, "pool.acquire_timeout": "300ms"}
    with contextlib.closing(Line(weir, postgres, **settings)) as line, line.client() as holder:
        def holds():  # a busy machine may need longer for the connection, too
            if statuses(holder.query("BEGIN")) == "T":
                return True
            holder.query("ROLLBACK")
            return False

        def spoil(*messages):
            wait_until(holds)
            line.wire.send(*messages)
            first = line.wire.until(b"Z")
            holder.query("ROLLBACK")
            return [first, *line.answers(len(messages) - 1)]

        got = spoil(query("BEGIN"), query("INSERT INTO t VALUES (1)"), query("COMMIT"))
        assert [statuses(a) for a in got] == ["E", "E", "I"]
        got = spoil(run("BEGIN") + SYNC, run("INSERT INTO t VALUES (2)") + SYNC,
                    run("COMMIT") + SYNC)
        assert [statuses(a) for a in got] == ["E", "E", "I"]
        got = spoil(run("BEGIN") + run("INSERT INTO t VALUES (2)") + run("COMMIT") + SYNC,
                    query("SELECT 1"))
        assert [statuses(a) for a in got] == ["I", "I"]
        got = spoil(run("SELECT 1") + run("BEGIN") + SYNC, run("INSERT INTO t VALUES (2)") + SYNC,
                    query("ROLLBACK"))
        assert [statuses(a) for a in got] == ["E", "E", "I"]
        got = spoil(query("INSERT INTO t VALUES (3)"), query("SELECT 1"))
        assert [statuses(a) for a in got] == ["I", "I"]
        assert line.rows() == []


# ---- COPY ----

def test_copy_data_of_a_lost_block_is_dropped(line):
    line.wire.query("BEGIN")
    line.wire.send(query("COPY t FROM STDIN"))
    line.wire.until(b"G")
    line.kill("state = 'active'")
    line.wire.send(message(b"d", b"1\n"), message(b"d", b"2\n"), message(b"c"),
                   query("INSERT INTO t VALUES (3)"), query("ROLLBACK"))
    lost, refused, back = line.answers(3)
    assert statuses(lost) == "E" and states(refused) == ["25P02"] and tags(back) == ["ROLLBACK"]
    assert line.rows() == []


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_a_copy_of_the_extended_protocol_that_loses_its_server_is_told(line, inside):
    if inside:
        line.wire.query("BEGIN")
    line.wire.send(run("COPY t FROM STDIN"), message(b"H"))
    line.wire.until(b"G")
    line.wire.send(SYNC, message(b"d", b"1\n"))  # (the server ignores this Sync)
    line.wait_for("state = 'active'")
    line.kill("state = 'active'")
    line.wire.until(b"E")
    line.wire.send(message(b"d", b"2\n"), message(b"c"), SYNC)
    (got,) = line.answers(1)
    assert kinds(got) == "Z" and statuses(got) == ("E" if inside else "I")
    assert line.rows() == []


# ---- what waits behind a server's answers ----

def test_an_answer_of_ours_behind_a_lost_server_is_not_forgotten(weir, postgres):
    with contextlib.closing(Line(weir, postgres, **{"pool.max_pinned": 0})) as line:
        line.wire.send(query("BEGIN"), query("SELECT pg_sleep(60)"),
                       query("SELECT pg_advisory_lock(1)"), query("INSERT INTO t VALUES (1)"))
        line.kill_sleeper()
        got = line.answers(4)
        assert [statuses(a) for a in got] == ["T", "E", "E", "E"]
        assert line.rows() == []
