"""Who may connect, by which rule and which proof, where users come from, and who they are at the
server behind."""

import asyncio
import os
import pwd
import signal
import socket
import time

import asyncpg
import psycopg
import pytest

from support import Postgres, Wire, error_fields, free_port, startup, wait_until

# `keeper` may look users up; everybody else must prove himself.
HBA = """local all all trust
host all postgres,keeper 127.0.0.1/32 trust
host all md5_ann 127.0.0.1/32 md5
host all all 127.0.0.1/32 scram-sha-256
"""
LOOKUP = """
auth:
  query_user: keeper
"""


@pytest.fixture(scope="module")
def guarded():
    """A server that demands SCRAM of everybody but those who set it up."""
    server = Postgres()
    try:
        (server.data / "pg_hba.conf").write_text(HBA)
        server.start()
        with server.connect() as db:
            db.execute("CREATE ROLE keeper LOGIN SUPERUSER")
            db.execute("CREATE ROLE ann LOGIN PASSWORD 's3cret'")
            db.execute("CREATE ROLE bob LOGIN PASSWORD 'b0b'")
            db.execute("CREATE ROLE late LOGIN PASSWORD 'l4te' VALID UNTIL '2020-01-01'")
            db.execute("CREATE ROLE soon LOGIN PASSWORD 's00n' VALID UNTIL '2199-12-31 10:00+02'")
            db.execute("CREATE ROLE ever LOGIN PASSWORD 'ev3r' VALID UNTIL 'infinity'")
            db.execute("CREATE ROLE bare LOGIN")
            db.execute("CREATE ROLE grp PASSWORD 'gr0up'")
            db.execute("SET password_encryption = 'md5'")
            db.execute("CREATE ROLE md5_ann LOGIN PASSWORD 'm3d'")
        yield server
    finally:
        server.remove()


def config(dsn, more):
    return f"pool: {{min_size: 0, max_size: 5}}\ndatabases:\n  app:\n    dsn: {dsn}\n{more}"


def behind(server):
    """Without a user: each client is himself there."""
    return f"postgres://127.0.0.1:{server.port}/postgres"


def refused(gateway, state, words, **who):
    async def story():
        with pytest.raises(asyncpg.PostgresError) as caught:
            db = await asyncpg.connect(**gateway.asyncpg(**who))
            await db.close()
        assert (caught.value.sqlstate, str(caught.value)) == (state, words)
    asyncio.run(story())


def wrong(gateway, user, password, **more):
    refused(gateway, "28P01", f'weir: password authentication failed for user "{user}"',
            user=user, password=password, **more)


def is_user(gateway, user, password=None, **more):
    with gateway.connect(user=user, password=password, **more) as db:
        return db.execute("SELECT current_user").fetchone() == (user,)


# ---- rules ----

RULES = """
users:
  ann: {password: s3cret}
  op: {password: 0p, admin: true}
auth:
  rules:
    - {user: eve, method: reject}
    - {database: weir, user: op, method: scram-sha-256}
    - {database: open, address: 127.0.0.0/8, method: trust}
    - {database: mine, user: ann, method: md5}
    - {database: mine, address: samehost, method: password}
    - {type: hostssl, database: safe, method: scram-sha-256}
databases:
  open: sqlite:OPEN
  mine: sqlite:MINE
  safe: sqlite:SAFE
"""


@pytest.fixture
def ruled(weir, tmp_path):
    text = RULES
    for name in ("OPEN", "MINE", "SAFE"):
        text = text.replace(name, f"{tmp_path}/{name}.db")
    return weir(config=text)


def test_the_first_rule_that_matches_decides(ruled):
    for who in ("anybody", "ann"):
        with ruled.connect(dbname="open", user=who) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)
    done = ruled.psql("-c", "SELECT 2", dbname="mine", user="ann", password="s3cret")
    assert done.stdout == "2\n"
    wrong(ruled, "ann", "no", database="mine")
    wrong(ruled, "anybody", "no", database="mine")
    refused(ruled, "28000", 'weir: a rule rejects connection for host "127.0.0.1", user "eve", '
            'database "open", no encryption', user="eve", database="open")
    for who in ("ann", "op"):
        refused(ruled, "28000", f'weir: no rule for host "127.0.0.1", user "{who}", database '
                '"safe", no encryption', user=who, password="s3cret", database="safe")
    log = ruled.stderr()
    assert "login refused" in log and "rule=" in log and "s3cret" not in log


def test_the_same_rules_guard_the_admin_database(ruled):
    with ruled.connect(dbname="weir", user="op", password="0p") as db:
        shown = db.execute("SHOW HBA").fetchall()
        assert [r[4] for r in shown] == ["all", "weir", "open", "mine", "mine", "safe"]
        users = {r[0] for r in db.execute("SHOW USERS").fetchall()}
        assert {"ann", "op"} <= users
        config = str(db.execute("SHOW CONFIG").fetchall())
        assert "s3cret" not in config and "scram-sha-256" in config
    refused(ruled, "28000", 'weir: no rule for host "127.0.0.1", user "ann", database "weir", no '
            'encryption', user="ann", password="s3cret", database="weir")


def test_a_file_of_rules_and_one_of_users_as_pgbouncer_has_them(weir, tmp_path):
    (tmp_path / "hba").write_text("# first\nhost all \"eve\" all reject\n"
                                  "host app ann,md 127.0.0.1 255.255.255.255 md5\n"
                                  "hostnossl all all samehost scram-sha-256\n")
    (tmp_path / "users").write_text('"ann" "s3cret"\n; a comment\n'
                                    '"md" "md5aacd51c59e2bd2c4a2a6f0d2e8b4d3f0"\n"q""q" "x"\n')
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/a.db\n"
                   f"auth:\n  hba_file: {tmp_path}/hba\n  users_file: {tmp_path}/users\n")
    assert gateway.psql("-c", "SELECT 1", user="ann", password="s3cret").stdout == "1\n"
    assert gateway.psql("-c", "SELECT 1", user='q"q', password="x").stdout == "1\n"
    wrong(gateway, "md", "guess")
    refused(gateway, "28000", 'weir: a rule rejects connection for host "127.0.0.1", user "eve", '
            'database "app", no encryption', user="eve")
    assert f"{tmp_path}/hba:2" in gateway.stderr()
    (tmp_path / "users").write_text('"ann" "changed"\n')
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in gateway.stderr())
    wrong(gateway, "ann", "s3cret")
    assert gateway.psql("-c", "SELECT 1", user="ann", password="changed").stdout == "1\n"


def test_a_broken_file_changes_nothing(weir, tmp_path):
    (tmp_path / "hba").write_text("host all all all trust\n")
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/a.db\n"
                   f"auth:\n  hba_file: {tmp_path}/hba\n")
    (tmp_path / "hba").write_text("\nhost all all all wrong\n")
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "hba:2: the method" in gateway.stderr())
    assert gateway.psql("-c", "SELECT 1").stdout == "1\n"


def test_an_md5_secret_serves_md5_and_password(weir, tmp_path):
    import hashlib
    secret = "md5" + hashlib.md5(b"s3cretann").hexdigest()
    for method in ("md5", "password"):
        gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/{method}.db\n"
                       f"auth: {{method: {method}}}\nusers:\n  ann: {{password: {secret}}}\n")
        assert gateway.psql("-c", "SELECT 1", user="ann", password="s3cret").stdout == "1\n"
        wrong(gateway, "ann", secret)
        wrong(gateway, "ann", secret[3:])


# ---- UNIX sockets ----

@pytest.fixture
def by_socket(weir, tmp_path):
    me = pwd.getpwuid(os.geteuid()).pw_name

    def make(rules, maps="[]"):
        gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/s.db\n"
                       f"auth:\n  rules: {rules}\n  maps: {maps}\n".replace("ME", me), start=False)
        gateway.start(listen=f"127.0.0.1:0,{tmp_path}/.s.PGSQL.6432")
        gateway.address[0] = str(tmp_path)
        gateway.address[1] = 6432
        return gateway, me
    return make


def test_peer_takes_the_system_users_word(by_socket):
    gateway, me = by_socket("[{type: local, method: peer}]")
    assert gateway.psql("-c", "SELECT 1", user=me).stdout == "1\n"
    refused(gateway, "28000", 'weir: Peer authentication failed for user "other"', user="other")


def test_peer_asks_the_map(by_socket):
    gateway, me = by_socket("[{type: local, method: peer, map: m}]",
                            "[{name: m, system: ME, user: ann}, "
                            "{name: m, system: /^(.*)$, user: x_\\1}]")
    for user in ("ann", f"x_{me}"):
        assert gateway.psql("-c", "SELECT 1", user=user).stdout == "1\n"
    refused(gateway, "28000", f'weir: Peer authentication failed for user "{me}"', user=me)


def test_no_rule_for_local_says_so(by_socket):
    gateway, _ = by_socket("[{type: host, method: trust}]")
    refused(gateway, "28000", 'weir: no rule for host "[local]", user "ann", database "app", no '
            'encryption', user="ann")


# ---- users looked up ----

def test_looked_up_users_log_in_and_are_themselves_at_the_server(weir, guarded):
    """HAZARD 12: the server demands SCRAM, and no password is configured anywhere."""
    gateway = weir(config=config(behind(guarded), LOOKUP))
    assert is_user(gateway, "ann", "s3cret") and is_user(gateway, "bob", "b0b")
    assert is_user(gateway, "soon", "s00n") and is_user(gateway, "ever", "ev3r")
    for user, password in (("ann", "b0b"), ("nobody", "x"), ("bare", ""), ("bare", "x"),
                           ("grp", "gr0up"), ("late", "l4te"), ("ann' OR true --", "x")):
        wrong(gateway, user, password)
    log = gateway.stderr()
    assert "the password has expired" in log
    assert not any(p in log for p in ("s3cret", "b0b", "SCRAM-SHA-256$"))


def test_md5_secrets_are_looked_up_and_passed_on_too(weir, guarded):
    gateway = weir(config=config(behind(guarded), LOOKUP + "  method: md5\n"))
    assert is_user(gateway, "md5_ann", "m3d")
    assert is_user(gateway, "ann", "s3cret")  # SCRAM under an md5 rule, as PostgreSQL does
    wrong(gateway, "md5_ann", "no")


def test_a_password_in_clear_is_enough_for_the_servers_scram(weir, guarded):
    gateway = weir(config=config(behind(guarded), LOOKUP + "  method: password\n"))
    assert is_user(gateway, "ann", "s3cret")
    wrong(gateway, "ann", "no")
    wrong(gateway, "nobody", "no")


def test_a_configured_scram_secret_is_passed_on(weir, guarded):
    with guarded.connect() as db:
        secret, = db.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'ann'").fetchone()
    gateway = weir(config=config(behind(guarded), f"users:\n  ann: {{password: {secret}}}\n"))
    assert is_user(gateway, "ann", "s3cret")


def test_a_changed_password_is_seen_after_the_ttl(weir, guarded):
    with guarded.connect() as db:
        db.execute("DROP ROLE IF EXISTS turn")
        db.execute("CREATE ROLE turn LOGIN PASSWORD 'one'")
        gateway = weir(config=config(behind(guarded), LOOKUP + "  query_ttl: 1s\n"))
        assert is_user(gateway, "turn", "one")
        wrong(gateway, "new", "x")
        db.execute("ALTER ROLE turn PASSWORD 'two'")
        db.execute("DROP ROLE IF EXISTS new")
        db.execute("CREATE ROLE new LOGIN PASSWORD 'x'")
        wait_until(lambda: can(gateway, "turn", "two"))
        wrong(gateway, "turn", "one")
        wait_until(lambda: can(gateway, "new", "x"))
        with guarded.connect() as other:  # new keys open new connections
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE usename = 'turn'")
        wait_until(lambda: can(gateway, "turn", "two"))


def can(gateway, user, password):
    try:
        return is_user(gateway, user, password)
    except psycopg.OperationalError:
        return False


def test_what_was_looked_up_is_not_asked_again_within_the_ttl(weir, guarded):
    with guarded.connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS asked (who text)")
        db.execute("TRUNCATE asked")
        db.execute("CREATE OR REPLACE FUNCTION lookup(who text) RETURNS TABLE (name text, secret "
                   "text) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS "
                   "'INSERT INTO public.asked VALUES (who); "
                   "SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = who'")
        gateway = weir(config=config(behind(guarded), LOOKUP + "  query_ttl: 1h\n  query: SELECT "
                                     "name, secret FROM public.lookup($1)\nworkers: 1\n"))
        for _ in range(3):
            assert is_user(gateway, "ann", "s3cret")
            wrong(gateway, "nobody", "x")
        assert db.execute("SELECT who, count(*) FROM asked GROUP BY 1 ORDER BY 1").fetchall() == \
            [("ann", 1), ("nobody", 1)]

        async def crowd():
            async def one():
                connection = await asyncpg.connect(**gateway.asyncpg(user="bob", password="b0b"))
                await connection.close()
            await asyncio.gather(*(one() for _ in range(20)))
        asyncio.run(crowd())
        assert db.execute("SELECT count(*) FROM asked WHERE who = 'bob'").fetchone() == (1,)


def test_startup_settings_never_reach_the_lookup(weir, guarded):
    """HAZARD 12, CVE-2025-12819: operators of the attacker's own by a search_path."""
    with guarded.connect() as db:
        db.execute("CREATE SCHEMA IF NOT EXISTS evil; GRANT ALL ON SCHEMA evil TO PUBLIC;"
                   "CREATE TABLE IF NOT EXISTS evil.got_in (who text); TRUNCATE evil.got_in;"
                   "CREATE OR REPLACE FUNCTION evil.eq(name, text) RETURNS bool LANGUAGE plpgsql "
                   "AS $$BEGIN INSERT INTO evil.got_in VALUES (current_user); RETURN true; END$$;"
                   "DROP OPERATOR IF EXISTS evil.= (name, text);"
                   "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.eq)")
        for query in ("", "  query: SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE "
                          "rolname = $1::text\n"):
            gateway = weir(config=config(behind(guarded), LOOKUP + query))
            for setting in ({"search_path": "evil,pg_catalog"},
                            {"options": "-c search_path=evil,pg_catalog"},
                            {"role": "keeper"}, {"session_authorization": "keeper"}):
                with Wire(gateway, login=False) as wire:
                    wire.send(startup(user="nobody", database="app", **setting))
                    assert wire.receive()[0] == b"R"
            assert db.execute("SELECT count(*) FROM evil.got_in").fetchone() == (0,)


def test_a_lookup_that_fails_lets_nobody_in(weir, guarded):
    gateway = weir(config=config(behind(guarded), LOOKUP + "  query: SELECT 1/0, $1::text\n"))
    words = 'weir: user "ann" cannot be looked up now'
    refused(gateway, "08006", words, user="ann", password="s3cret")
    assert "division by zero" in gateway.stderr()
    for query in ("SELECT 'ann'::text WHERE $1::text <> ''", "SELECT 1, 2, 3, 4, $1::text",
                  "SELECT $1::text, 's3cret' UNION ALL SELECT $1::text, 's3cret'",
                  "SELECT $1::text, 's3cret', 'tomorrow'"):
        gateway = weir(config=config(behind(guarded), LOOKUP + f'  query: "{query}"\n'))
        refused(gateway, "08006", words, user="ann", password="s3cret")
    gateway = weir(config=config(behind(guarded), "auth:\n  query_user: nosuch\n"))
    refused(gateway, "08006", words, user="ann", password="s3cret")


def test_a_lookup_in_another_database_as_that_databases_own_user(weir, guarded, tmp_path):
    gateway = weir(config=f"""
pool: {{min_size: 0, max_size: 5}}
auth:
  query: SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1
  query_database: people
databases:
  app: sqlite:{tmp_path}/x.db
  people: postgres://keeper@127.0.0.1:{guarded.port}/postgres
""")
    assert gateway.psql("-c", "SELECT 1", user="ann", password="s3cret").stdout == "1\n"
    wrong(gateway, "ann", "b0b")
    with gateway.connect(dbname="people", user="ann", password="s3cret") as db:
        assert db.execute("SELECT current_user").fetchone() == ("keeper",)


def test_unknown_users_get_the_same_exchange(weir, guarded):
    """A steady salt and the same steps, known or not, configured or not."""
    gateway = weir(config=config(behind(guarded), LOOKUP + "users:\n  op: {password: x}\n"))

    def first_answer(user):
        with Wire(gateway, login=False) as wire:
            wire.send(startup(user=user, database="app"))
            assert wire.receive() == (b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")
            body = b"n,,n=,r=abcdefghijklmnop"
            wire.send(b"p" + (4 + 14 + 4 + len(body)).to_bytes(4, "big") + b"SCRAM-SHA-256\0" +
                      len(body).to_bytes(4, "big") + body)
            kind, answer = wire.receive()
            assert kind == b"R"
            _, salt, iterations = answer[4:].split(b",")
            return salt, iterations
    for user in ("ann", "nobody", "op"):
        salt, iterations = first_answer(user)
        assert (salt, iterations) == first_answer(user) and iterations == b"i=4096"


def test_more_logins_than_allowed_are_told_so(weir, tmp_path):
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/a.db\nlimits: {{logins: 2}}\n"
                   "users:\n  ann: {password: x}\n")
    wires = [Wire(gateway, login=False) for _ in range(3)]
    for wire in wires[:2]:
        wire.send(startup(user="ann", database="app"))
        assert wire.receive()[0] == b"R"
    wires[2].send(startup(user="ann", database="app"))
    assert error_fields(wires[2].to_end())["C"] == "53300"
    for wire in wires:
        wire.close()
    wait_until(lambda: can_select(gateway, "ann", "x"))


def can_select(gateway, user, password):
    return gateway.psql("-c", "SELECT 1", user=user, password=password, check=False).stdout == "1\n"


def test_clients_that_leave_while_they_are_looked_up(weir, guarded):
    """HAZARD 16: neither the lookup nor the hashing is left with who has gone."""
    gateway = weir(config=config(behind(guarded), LOOKUP + "  method: password\n  query: SELECT "
                                 "rolname, rolpassword, NULL FROM pg_catalog.pg_authid, "
                                 "pg_catalog.pg_sleep(0.2) WHERE rolname = $1\n"))
    for _ in range(10):
        wire = Wire(gateway, login=False)
        wire.send(startup(user="ann", database="app"))
        wire.close()
    for _ in range(10):
        wire = Wire(gateway, login=False)
        wire.send(startup(user="ann", database="app"))
        assert wire.receive()[0] == b"R"
        wire.send(b"p\0\0\0\x0bs3cret\0")
        wire.close()
    assert is_user(gateway, "ann", "s3cret")


def test_new_keys_are_tried_at_once_after_old_ones_failed(weir, guarded):
    """What is configured went stale; the client that brings the right keys need not wait."""
    with guarded.connect() as db:
        db.execute("DROP ROLE IF EXISTS stale")
        db.execute("CREATE ROLE stale LOGIN PASSWORD 'one'")
        gateway = weir(config=config(behind(guarded), LOOKUP + "  query_ttl: 0\n"),
                       settings={"databases.app.pool.min_size": 2, "workers": 1})
        assert is_user(gateway, "stale", "one")
        db.execute("ALTER ROLE stale PASSWORD 'two'")
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'stale'")
        wait_until(lambda: gateway.stderr().count("cannot connect to database") >= 4)
        begun = time.monotonic()
        assert is_user(gateway, "stale", "two")
        assert time.monotonic() - begun < 20  # it works at all: the old keys would never


def test_ipv6_rules(weir, tmp_path):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/a.db\nauth:\n  rules:\n"
                   "    - {address: '::1/128', user: ann, method: trust}\n", start=False)
    port = free_port()
    gateway.start(listen=f"127.0.0.1:0,[::1]:{port}")
    refused(gateway, "28000", 'weir: no rule for host "127.0.0.1", user "ann", database "app", no '
            'encryption', user="ann")
    gateway.address = ["::1", port]
    assert gateway.psql("-c", "SELECT 1", user="ann").stdout == "1\n"
    refused(gateway, "28000", 'weir: no rule for host "[::1]", user "bob", database "app", no '
            'encryption', user="bob")
