"""What a client sees at the edges of session state, message by message, is what a server itself
answers (hazards 3, 6, 7 and 13). Each script runs against the server and through the gateway, where
other clients have the one connection between its steps and leave it changed."""

import struct

import pytest

from support import Wire, console, error_fields, kinds, message, rows, startup, wait_until

SYNC, FLUSH = message(b"S"), message(b"H")


def parse(name, sql, *oids):
    return message(b"P", name.encode() + b"\0" + sql.encode() + b"\0" +
                   struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def bind(portal="", statement="", *values):
    body = b"".join(struct.pack("!I", len(v)) + v for v in (v.encode() for v in values))
    return message(b"B", portal.encode() + b"\0" + statement.encode() + b"\0" +
                   struct.pack("!HH", 0, len(values)) + body + struct.pack("!H", 0))


def execute(portal="", most=0):
    return message(b"E", portal.encode() + b"\0" + struct.pack("!I", most))


def describe(kind, name=""):
    return message(b"D", kind.encode() + name.encode() + b"\0")


def close(kind, name=""):
    return message(b"C", kind.encode() + name.encode() + b"\0")


def query(sql):
    return message(b"Q", sql.encode() + b"\0")


def run(statement, *values):
    return bind("", statement, *values) + execute()


def text(sql):
    """A statement of its own by the extended protocol."""
    return parse("", sql) + bind() + execute()


TODAY = "SELECT '01/02/2003'::date::text"
LONG = "n" * 63

SCRIPTS = {
    "set in a pipeline, then parse": [
        text("SET DateStyle TO 'ISO, DMY'") + parse("d", TODAY) + run("d") + SYNC,
        run("d") + SYNC,
        run("d") + SYNC,
    ],
    "set and its unnamed reader in one go": [
        text(TODAY) + SYNC, text(TODAY) + SYNC,
        query("SET DateStyle TO 'ISO, DMY'") + text(TODAY) + SYNC,
        text(TODAY) + SYNC,
    ],
    "an old statement in the transaction of a set": [
        parse("d", TODAY) + SYNC,
        query("SET TimeZone TO 'Asia/Tokyo'"),
        query("BEGIN; SET DateStyle TO 'ISO, DMY'"),
        run("d") + SYNC,
        query("SHOW DateStyle"), query("SHOW TimeZone"),
        query("COMMIT"), query("SHOW DateStyle"),
        run("d") + SYNC,
    ],
    "an old statement after a set local": [
        parse("d", TODAY) + SYNC,
        query("BEGIN; SET LOCAL DateStyle TO 'ISO, DMY'"),
        run("d") + SYNC,
        query("SHOW DateStyle"), query("COMMIT"), query("SHOW DateStyle"),
    ],
    "sql prepare keeps its settings": [
        query("SET DateStyle TO 'ISO, DMY'"),
        query(f"PREPARE q AS {TODAY}"),
        query("SET DateStyle TO 'ISO, MDY'"),
        query("EXECUTE q"),
        query(TODAY),
    ],
    "sql prepare in the transaction of its set": [
        query(f"BEGIN; SET DateStyle TO 'ISO, DMY'; PREPARE q AS {TODAY}; COMMIT"),
        query("SET DateStyle TO 'ISO, MDY'"),
        query("EXECUTE q"),
    ],
    "sql executes what was parsed in the transaction of a set": [
        query("BEGIN"), query("SET DateStyle TO 'ISO, DMY'"), parse("d", TODAY) + SYNC,
        query("SET DateStyle TO 'ISO, MDY'"),
        query("EXECUTE d"), text("EXECUTE d") + SYNC, run("d") + SYNC,
        query("COMMIT"),  # elsewhere it would be parsed under the newer one: docs/pooling.md
    ],
    "sql executes what was parsed behind a set in a pipeline": [
        query("SET DateStyle TO 'ISO, DMY'") + query("BEGIN") + parse("d", TODAY) + SYNC,
        query("EXECUTE d"), query("COMMIT"), query("EXECUTE d"),
    ],
    "a name is taken": [
        parse("s", "SELECT 1") + SYNC,
        parse("s", "SELECT 2") + SYNC,
        run("s") + SYNC,
        query("BEGIN"), parse("s", "SELECT 2") + SYNC, parse("s", "SELECT 2") + SYNC,
        query("ROLLBACK"),
        close("S", "s") + parse("s", "SELECT 3") + run("s") + SYNC,
        query("PREPARE s AS SELECT 4"), query("DEALLOCATE s"), query("DEALLOCATE s"),
        run("s") + SYNC,
        parse("s", "SELECT 5") + parse("s", "SELECT 6") + SYNC,
        run("s") + SYNC,
    ],
    "a name whose parse failed is free": [
        parse("s", "SELECT nonsense") + SYNC,
        parse("s", "SELECT 1") + run("s") + SYNC,
        text("SELECT 1/0") + parse("t", "SELECT 7") + SYNC,
        parse("t", "SELECT 8") + run("t") + SYNC,
        parse("t", "SELECT 9") + SYNC,
    ],
    "a name whose parse was swallowed does not exist": [
        text("SELECT 1/0") + parse("s", "SELECT 1") + SYNC,
        run("s") + SYNC, describe("S", "s") + SYNC, query("EXECUTE s"),
        parse("s", "SELECT 2") + SYNC, run("s") + SYNC,
        text("SELECT 1/0") + parse("s", "SELECT 3") + SYNC, run("s") + SYNC,
        query("BEGIN") + text("SELECT 1/0") + SYNC, parse("t", "SELECT 4") + SYNC,
        query("ROLLBACK"), run("t") + SYNC,
    ],
    "what a batch before has failed to parse": [
        parse("a", "SELECT 1") + text("SELECT 1/0") + parse("b", "SELECT 2") + run("b") + SYNC +
        run("a") + SYNC + run("b") + SYNC + parse("b", "SELECT 3") + run("b") + SYNC,
        run("b") + SYNC + parse("b", "SELECT 4") + SYNC + describe("S", "b") + SYNC,
        parse("c", "SELECT nonsense") + SYNC + parse("c", "SELECT 5") + SYNC + run("c") + SYNC,
    ],
    "a close that was swallowed": [
        parse("s", "SELECT 1") + SYNC,
        text("SELECT 1/0") + close("S", "s") + parse("s", "SELECT 2") + run("s") + SYNC,
        run("s") + SYNC, parse("s", "SELECT 3") + SYNC,
        text("SELECT 1/0") + close("S", "s") + SYNC + run("s") + SYNC,
        close("S", "s") + parse("s", "SELECT 4") + close("S", "s") + parse("s", "SELECT 5") +
        text("SELECT 1/0") + close("S", "s") + SYNC + run("s") + SYNC,
        close("S", "s") + close("S", "none") + SYNC + run("s") + SYNC,
        run("s") + SYNC,
    ],
    "the unnamed statement": [
        bind() + execute() + SYNC, describe("S") + SYNC,
        parse("", "SELECT 1") + SYNC, bind() + execute() + SYNC, bind() + execute() + SYNC,
        parse("x", "SELECT 1/0") + run("x") + parse("", "SELECT 2") + SYNC,
        bind() + execute() + SYNC,
        parse("", "SELECT nonsense") + SYNC, bind() + execute() + SYNC,
        parse("", "SELECT 3") + SYNC, text("SELECT 4") + parse("", "SELECT 5") + SYNC,
        bind() + execute() + SYNC + run("x") + parse("", "SELECT 6") + SYNC +
        bind() + execute() + SYNC,
        close("S") + SYNC, bind() + execute() + SYNC,
    ],
    "one table of names": [
        parse("s", "SELECT $1::int + 1") + SYNC,
        query("EXECUTE s (41)"), query("EXPLAIN (COSTS OFF) EXECUTE s (41)"),
        query("CREATE TEMP TABLE made AS EXECUTE s (41)"), query("SELECT * FROM made"),
        query("DROP TABLE made"),
        query("DEALLOCATE s"), run("s", "1") + SYNC,
        query("PREPARE p (int) AS SELECT $1 * 2"),
        run("p", "21") + SYNC,
        describe("S", "p") + SYNC,
        text("EXECUTE p (4)") + SYNC,
        parse("x", "EXECUTE p (5)") + SYNC, run("x") + SYNC,
        text("DEALLOCATE p") + SYNC, run("p", "21") + SYNC, run("x") + SYNC,
    ],
    "names of all lengths and letters": [
        parse(LONG + "tail", "SELECT 1") + SYNC,
        query(f"EXECUTE {LONG}"), query(f"EXECUTE {LONG}other"),
        parse('a"b.c', "SELECT 2") + SYNC, query('EXECUTE "a""b.c"'),
        query("PREPARE Mixed AS SELECT 3"), run("mixed") + SYNC,
        query('PREPARE "Mixed" AS SELECT 4'), run("Mixed") + SYNC, run("mixed") + SYNC,
        query("PREPARE größe AS SELECT 5"), query("EXECUTE größe"),
        query(f"PREPARE x{'ö' * 40} AS SELECT 6"), query(f"EXECUTE x{'ö' * 31}"),
    ],
    "discard": [
        parse("s", "SELECT 1") + SYNC, query("PREPARE p AS SELECT 2"),
        query("DISCARD PLANS"), run("s") + SYNC, query("EXECUTE p"),
        query("DISCARD SEQUENCES"), query("DISCARD TEMP"), query("EXECUTE p"),
        query("SET work_mem TO '7MB'; SET my.own TO 'x'"),
        query("DISCARD PLANS"), query("SHOW work_mem"),
        query("BEGIN"), query("DISCARD ALL"), query("ROLLBACK"), query("EXECUTE p"),
        query("DISCARD ALL"), run("s") + SYNC, query("EXECUTE p"), query("SHOW work_mem"),
    ],
    "deallocate all, and on at once": [
        parse("s", "SELECT 1") + run("s") + SYNC,
        query("DEALLOCATE ALL") + parse("s", "SELECT 1") + run("s") + SYNC,
        run("s") + SYNC,
        text("DEALLOCATE PREPARE ALL") + parse("s", "SELECT 1") + run("s") + SYNC,
        run("s") + SYNC,
        text("DEALLOCATE ALL") + run("s") + SYNC,
        parse("s", "SELECT 1") + run("s") + SYNC,
    ],
    "errors in a batch with names in it": [
        query("PREPARE p AS SELECT 1"),
        text("SELECT 1/0") + text("EXECUTE p") + SYNC,
        text("EXECUTE p") + SYNC,
        query("BEGIN"), query("SELECT 1/0"), query("EXECUTE p"), text("EXECUTE p") + SYNC,
        query("ROLLBACK"), query("EXECUTE p"),
        query("BEGIN; SELECT 1/0") + query("EXECUTE p") + query("ROLLBACK") + query("EXECUTE p"),
        query("EXECUTE p"),
    ],
    "what was prepared stands on a table that goes": [
        query("CREATE TABLE gone (v int); PREPARE p AS SELECT * FROM gone"),
        query("EXECUTE p"), query("DROP TABLE gone"), query("EXECUTE p"),
        query("DEALLOCATE p"), query("PREPARE p AS SELECT 1"), query("EXECUTE p"),
        parse("s", TODAY) + SYNC, query("SET DateStyle TO 'ISO, DMY'"), run("s") + SYNC,
    ],
    "roles": [
        query("SET ROLE plain"), query("SELECT current_user, session_user"),
        query("SET dynamic_library_path TO 'x'"), query("RESET ROLE"),
        query("SET SESSION AUTHORIZATION plain"), query("SET log_statement TO 'none'"),
        query("SELECT current_user, session_user"),
        query("RESET SESSION AUTHORIZATION"), query("SELECT current_user, session_user"),
        query("SET dynamic_library_path TO 'x'; SET SESSION AUTHORIZATION plain"),
        query("SELECT session_user"), query("RESET SESSION AUTHORIZATION"),
        query("SET session_replication_role TO replica; SET ROLE plain"),
        query("SHOW session_replication_role"), query("SET session_replication_role TO origin"),
        query("RESET ROLE; RESET session_replication_role"), query("SHOW session_replication_role"),
    ],
    "read only by default": [
        query("SET default_transaction_read_only TO on"), query("CREATE TABLE no (v int)"),
        query("PREPARE p AS SELECT 1"), query("EXECUTE p"),
        query("SET default_transaction_isolation TO serializable"),
        query("SHOW transaction_isolation"),
        query("SET default_transaction_read_only TO DEFAULT"),
        query("BEGIN; CREATE TABLE no (v int); ROLLBACK"),
    ],
    "settings with other bytes": [
        query("SET my.value TO 'größe''\\x'"), query("SHOW my.value"),
        query("SET client_encoding TO LATIN1"),
        message(b"Q", "SET my.value TO 'größe'".encode("latin1") + b"\0"),
        query("SHOW my.value"), query("RESET client_encoding"), query("SHOW my.value"),
        query("SET client_encoding TO SJIS"),
        message(b"Q", b"SET my.value TO '\x83\x5c''); SELECT 1 --'\0"),
        query("SHOW my.value"), query("SHOW my.value"),
        query("RESET client_encoding"), query("SHOW my.value"),
    ],
    "what was parsed in another encoding": [
        parse("s", "SELECT 'ö'::text") + SYNC, query("SET client_encoding TO LATIN1"),
        run("s") + SYNC, message(b"P", b"t\0SELECT '\xf6'::text\0\0\0") + SYNC, run("t") + SYNC,
        query("SET client_encoding TO UTF8"), run("t") + SYNC,
        message(b"P", b"u\0SELECT '\xf6'::text\0\0\0") + SYNC, run("u") + SYNC,
        query("BEGIN"), run("s") + run("t") + SYNC, query("ROLLBACK"),
        query("SHOW client_encoding"),
    ],
    "parsing in a failed block": [
        parse("s", "SELECT 1") + SYNC, query("BEGIN"), query("SELECT 1/0"),
        parse("t", "SELECT 1") + SYNC, parse("", "SELECT 1") + SYNC, parse("e", "") + SYNC,
        parse("r", "ROLLBACK") + run("r") + parse("t", "SELECT 1") + run("t") + SYNC,
        run("t") + SYNC, run("e") + SYNC,
    ],
    "set by functions": [
        query("SELECT set_config('work_mem', '7MB', false), set_config('my.a', 'b', false)"),
        query("SHOW work_mem"), query("SHOW my.a"),
        parse("", "SELECT set_config($1, $2, false)") + bind("", "", "my.c", "d") + execute() +
        SYNC,
        query("SHOW my.c"), query("SET work_mem TO DEFAULT"), query("SHOW work_mem"),
        message(b"F", struct.pack("!IHH", 2078, 0, 3) + struct.pack("!I", 4) + b"my.f" +
                struct.pack("!I", 1) + b"g" + struct.pack("!I", 1) + b"f" + struct.pack("!H", 0)),
        query("SELECT current_setting('my.f', true)"),
    ],
    "set by what was prepared": [
        query("PREPARE q AS SELECT set_config('work_mem', '7MB', false), "
              "set_config('my.q', 'x', false)"),
        query("EXECUTE q"), query("SHOW work_mem"), query("SHOW my.q"),
        parse("s", "SELECT set_config('work_mem', $1, false)") + SYNC,
        query("EXECUTE s ('8MB')"), query("SHOW work_mem"),
        text("EXECUTE s ('9MB')") + SYNC, query("SHOW work_mem"),
        bind("", "q") + execute() + SYNC, query("SHOW work_mem"),
        query("RESET ALL"), query("SHOW work_mem"),
    ],
    "queries within a batch": [
        parse("s", "SELECT 1") + SYNC,
        bind("", "s") + execute() + query("SELECT 2") + SYNC,
        bind("", "s") + execute() + query("SET work_mem TO '9MB'") + run("s") + SYNC,
        query("SHOW work_mem"),
        parse("", "SELECT 1/0") + bind() + execute() + query("SELECT 3") + SYNC,
        bind("c", "s") + FLUSH + execute("c") + FLUSH + SYNC,
    ],
    "a temporary table hides another": [
        query("CREATE TABLE hidden (v text); INSERT INTO hidden VALUES ('public')"),
        query("CREATE TEMP TABLE hidden (v text); DROP TABLE pg_temp.hidden"),
        text("SELECT v FROM hidden") + SYNC, text("SELECT v FROM hidden") + SYNC,
        text("SELECT v FROM hidden") + SYNC,
        query("CREATE TEMP TABLE other AS SELECT 1"),
        query("SELECT 'temp' AS v INTO TEMP hidden"),
        text("SELECT v FROM hidden") + SYNC,
        query("DROP TABLE hidden"), text("SELECT v FROM hidden") + SYNC,
        query("DROP TABLE hidden, other"),
    ],
    "copy in a batch": [
        query("CREATE TABLE copied (v text); SET my.own TO 'x'"),
        query("COPY copied FROM STDIN") + message(b"d", b"a\n") + message(b"c"),
        query("SHOW my.own"),
        text("COPY copied FROM STDIN") + message(b"d", b"b\n") + message(b"c") + SYNC,
        text("SELECT * FROM copied ORDER BY 1") + SYNC,
        query("DROP TABLE copied"),
    ],
    "a sync that copying ignores owes nothing": [
        query("CREATE TABLE copied (v text)"),
        text("COPY copied FROM STDIN") + SYNC + message(b"d", b"b\n") + message(b"c") + SYNC,
        query("BEGIN"), query("SELECT 1/0"), query("ROLLBACK"),
        text("SELECT * FROM copied ORDER BY 1") + SYNC,
        query("DROP TABLE copied"),
    ],
}


def told(messages):
    """What can be compared: no notices, no places in the server's source."""
    out = []
    for kind, body in messages:
        if kind == b"E":
            fields = error_fields([(kind, body)])
            out.append((kind, fields["C"], fields["M"]))
        elif kind == b"T":
            count, = struct.unpack_from("!H", body)
            out.append((kind, count))
        elif kind not in (b"N", b"S"):
            out.append((kind, body))
    return out


def play(wire, script, between=lambda: None):
    seen, idle = [], True
    for step in script:
        if idle:
            between()
        wire.send(step)
        readies = count_readies(step)
        got = []
        for _ in range(readies):
            got += wire.until(b"Z")
        idle = got[-1][1] == b"I"
        seen.append(told(got))
    return seen


def count_readies(step):
    kinds, at = [], 0
    while at < len(step):
        kinds.append(step[at:at + 1])
        at += 1 + struct.unpack_from("!I", step, at + 1)[0]
    kinds = [k for i, k in enumerate(kinds) if k != b"S" or b"c" not in kinds[i:]]
    failing = b"1/0" in step and kinds[-1] == b"S"
    if failing and b"E" in kinds and b"Q" in kinds:
        kinds = [k for k in kinds if k != b"Q"]
    return sum(k in (b"Q", b"S", b"F") for k in kinds)


class Direct:
    def __init__(self, postgres):
        self.address = ("127.0.0.1", postgres.port)


@pytest.fixture
def database(postgres):
    with postgres.connect() as db:
        db.execute("DO $$ BEGIN CREATE ROLE plain NOLOGIN; EXCEPTION WHEN duplicate_object "
                   "THEN NULL; END $$")
    return postgres.database()


def gateway_of(weir, postgres, database, **more):
    return weir(postgres.dsn(database), settings={
        "pool.max_size": 1, "pool.min_size": 0, "pool.max_pinned": 5, "workers": 1,
        "pool.acquire_timeout": "10s", **more})


@pytest.mark.parametrize("other", [
    pytest.param("DISCARD ALL", id="discarding"),
    pytest.param("SET DateStyle TO 'German'; SELECT 1", id="setting"),
    pytest.param("SELECT 1", id="reading")])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_client_sees_what_the_server_itself_answers(weir, postgres, database, name, other):
    with Wire(Direct(postgres), user="postgres", database=database) as wire:
        direct = play(wire, SCRIPTS[name])
    with postgres.connect(database) as db:
        db.execute("DROP TABLE IF EXISTS hidden, copied, gone")
    gateway = gateway_of(weir, postgres, database)
    with Wire(gateway, user="postgres", database=database) as wire, \
            Wire(gateway, user="postgres", database=database) as stranger:
        def between():
            got = stranger.query(other)
            assert not [m for m in got if m[0] == b"E"], got
        through = play(wire, SCRIPTS[name], between)
    for step, (a, b) in enumerate(zip(direct, through)):
        assert b == a, f"step {step}: {SCRIPTS[name][step]}"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_setting_counts_for_what_is_parsed_after_it_in_each_mode(weir, postgres, database, mode):
    gateway = gateway_of(weir, postgres, database, **{"pool.mode": mode})
    with Wire(gateway, user="postgres", database=database) as wire:
        for style, day in (("ISO, MDY", b"2003-01-02"), ("ISO, DMY", b"2003-02-01")) * 2:
            wire.query(f"SET DateStyle TO '{style}'")
            for _ in range(3):
                wire.send(text(TODAY) + SYNC)
                (row,) = [body for kind, body in wire.until(b"Z") if kind == b"D"]
                assert row[6:] == day


def test_a_refused_statement_gives_its_connection_back(weir, postgres, database):
    gateway = gateway_of(weir, postgres, database, **{"pool.max_pinned": 1})
    with Wire(gateway, user="postgres", database=database) as a, \
            Wire(gateway, user="postgres", database=database) as b, \
            Wire(gateway, user="postgres", database=database) as c:
        a.query("CREATE TEMP TABLE mine (v int)")
        assert error_fields(b.query("CREATE TEMP TABLE mine (v int)"))["C"] == "53300"
        assert (b"D", struct.pack("!HI", 1, 1) + b"7") in c.query("SELECT 7")


def test_a_timeout_of_one_client_is_no_others(weir, postgres, database):
    gateway = gateway_of(weir, postgres, database)
    with Wire(gateway, user="postgres", database=database) as a, \
            Wire(gateway, user="postgres", database=database) as b:
        a.query("SET statement_timeout TO 1")
        for _ in range(50):
            a.query("SELECT 1")
            assert b"E" not in [kind for kind, _ in b.query("SHOW statement_timeout")]


def test_a_client_that_leaves_during_a_look_leaves_nothing(weir, postgres, database):
    gateway = gateway_of(weir, postgres, database)
    for i in range(20):
        with Wire(gateway, user="postgres", database=database) as a:
            a.query(f"SET my.own TO 'x{i}'; SET work_mem TO '9MB'")  # a look begins
        with Wire(gateway, user="postgres", database=database) as b:
            got = b.query("SELECT current_setting('work_mem'), current_setting('my.own', true)")
            assert b"9MB" not in got[1][1] and b"x" not in got[1][1]


def test_a_server_lost_at_any_moment_of_a_set_is_told(weir, own_postgres):
    gateway = gateway_of(weir, own_postgres, "postgres")
    for _ in range(10):
        with Wire(gateway, user="postgres", database="postgres") as a, \
                own_postgres.connect() as db:
            a.send(query("SET work_mem TO '9MB'") + query("SELECT 1"))
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
            a.send(query("SELECT 2"), message(b"X"))
            a.to_end()
    with Wire(gateway, user="postgres", database="postgres") as b:
        wait_until(lambda: b"E" not in [kind for kind, _ in b.query("SELECT 1")])
    with console(gateway) as admin:
        assert int(rows(admin, "POOLS")[0].get("sv_pinned", 0) or 0) == 0



@pytest.mark.parametrize("asked", [
    {"client_encoding": "utf-8"}, {"client_encoding": "euc-jp", "application_name": "größe"},
    {"client_encoding": "'latin1'"}, {"DateStyle": "german"}, {"TimeZone": "utc"},
    {"timezone": "Europe/Berlin", "DateStyle": "ISO", "extra_float_digits": "2"},
    {"options": "-c datestyle=sql,dmy --intervalstyle=ISO_8601 -c work_mem=7MB"},
    {"options": "-c role=plain"}, {"standard_conforming_strings": "false"},
    {"application_name": "mine"}, {"client_encoding": "nonsense"}, {"work_mem": "lots"},
    {"nonsense": "x"}, {"options": "-c nonsense=x"}, {"TimeZone": "Nowhere/Land"},
    {"options": "-c search_path=other,public -c role=nobody_of_that_name"},
])
def test_a_greeting_says_what_the_server_would(weir, postgres, database, asked):
    def greet(gateway):
        with Wire(gateway, login=False) as wire:
            wire.send(startup(user="postgres", database=database, **asked))
            got = []
            while m := wire.receive():
                got.append(m)
                if m[0] in b"ZE":
                    break
        errors = [error_fields([m]) for m in got if m[0] == b"E"]
        if errors:
            return {k: errors[0][k] for k in "SCM"}
        return dict(body.split(b"\0")[:2] for kind, body in got if kind == b"S")

    gateway = gateway_of(weir, postgres, database)
    direct = greet(Direct(postgres))
    for _ in range(3):
        assert greet(gateway) == direct
    with Wire(gateway, user="postgres", database=database) as wire:
        assert wire.query("SHOW DateStyle")[1][1][6:] == b"ISO, MDY"


def test_a_described_statement_gives_what_it_was_described_as_or_an_error(weir, postgres, database):
    """Hazard 7, on whichever server connection it goes on."""
    gateway = gateway_of(weir, postgres, database, **{"pool.max_size": 2})
    session = {"user": "postgres", "database": database}
    with Wire(gateway, **session) as a, Wire(gateway, **session) as b, \
            Wire(gateway, **session) as holder:
        a.query("CREATE TABLE changing (v int, w int); INSERT INTO changing VALUES (7, 8)")
        a.send(parse("s", "SELECT v FROM changing") + describe("S", "s") +
               parse("t", "SELECT w FROM changing") + describe("S", "t") + SYNC)
        a.until(b"Z")
        a.send(run("s") + SYNC)
        assert kinds(a.until(b"Z")) == "2DCZ"
        b.query("ALTER TABLE changing ALTER v TYPE text")
        for _ in range(2):  # once where it stands, once where it does not
            for _ in range(2):
                a.send(run("t") + run("s") + run("t") + SYNC)
                got = a.until(b"Z")
                assert kinds(got) == "2DCEZ"
                fields = error_fields(got)
                assert (fields["C"], fields["R"]) == ("0A000", "RevalidateCachedQuery")
                assert fields["M"] == "cached plan must not change result type"
                a.send(run("t") + SYNC)
                assert kinds(a.until(b"Z")) == "2DCZ"
            holder.query("BEGIN")  # takes the connection that a has used
        holder.query("ROLLBACK")
        b.query("BEGIN")
        a.query("BEGIN")
        a.send(run("s") + SYNC)
        assert a.until(b"Z")[-1] == (b"Z", b"E")
        a.query("ROLLBACK")
        b.query("ROLLBACK")
        a.send(close("S", "s") + parse("s", "SELECT v FROM changing") + describe("S", "s") +
               run("s") + SYNC)
        assert kinds(a.until(b"Z")) == "31tT2DCZ"
