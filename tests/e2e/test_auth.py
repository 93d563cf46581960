"""Who may log in: every method, every client program, and what a wrong password gets."""

import asyncio
import base64
import hashlib
import hmac

import asyncpg
import psycopg
import pytest

from support import error_fields, kinds, message, startup, wait_until, Wire


def scram_secret(password):
    """As PostgreSQL keeps it (RFC 5803)."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    parts = (salt, hashlib.sha256(key).digest(), hmac.digest(salted, b"Server Key", "sha256"))
    return "SCRAM-SHA-256$4096:{}${}:{}".format(*(base64.b64encode(p).decode() for p in parts))


def config(path, method):
    # A stored SCRAM key cannot check an MD5 answer: `weir check` says so.
    stored = f"  stored:\n    password: {scram_secret('kept')}\n" if method != "md5" else ""
    return f"""
auth:
  method: {method}
databases:
  app:
    dsn: sqlite:{path}/auth.db
users:
  ann:
    password: s3cret
  operator:
    password: 0perator
    admin: true
{stored}"""


@pytest.fixture(params=["scram", "password", "md5"])
def guarded(request, weir, tmp_path):
    return weir(config=config(tmp_path, request.param))


def test_the_right_password_opens(guarded):
    assert guarded.psql("-c", "SELECT 1", user="ann", password="s3cret").stdout == "1\n"
    with guarded.connect(user="ann", password="s3cret") as db:
        assert db.execute("SELECT 2").fetchone() == (2,)

    async def story():
        db = await asyncpg.connect(**guarded.asyncpg(user="ann", password="s3cret"))
        assert await db.fetchval("SELECT 3") == 3
        await db.close()
    asyncio.run(story())


@pytest.mark.parametrize("guarded", ["scram", "password"], indirect=True)
def test_a_stored_scram_key_is_enough(guarded):
    with guarded.connect(user="stored", password="kept") as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        guarded.connect(user="stored", password="lost")


@pytest.mark.parametrize("user, password", [("ann", "wrong"), ("ann", ""), ("nobody", "s3cret"),
                                            ("ann", "s3cret "), ("operator", "s3cret")])
def test_wrong_ones_get_28P01_and_cannot_be_told_apart(guarded, user, password):
    async def story():
        with pytest.raises(asyncpg.InvalidPasswordError) as refused:
            await asyncpg.connect(**guarded.asyncpg(user=user, password=password))
        assert refused.value.sqlstate == "28P01"
        assert str(refused.value) == f'weir: password authentication failed for user "{user}"'
    asyncio.run(story())
    assert "s3cret" not in guarded.stderr() and "login refused" in guarded.stderr()


def test_no_query_before_the_password(guarded):
    with Wire(guarded, login=False) as wire:
        wire.send(startup(user="ann"), message(b"Q", b"SELECT 1\0"))
        got = wire.to_end()
        assert "D" not in kinds(got) and "Z" not in kinds(got)
        assert error_fields(got)["C"] in ("08P01", "28P01")


def test_garbage_instead_of_a_password(guarded):
    for body in (b"", b"\0" * 100, b"SCRAM-SHA-256\0\xff\xff\xff\xff", b"x" * 5000,
                 b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=", b"md5"):
        with Wire(guarded, login=False) as wire:
            wire.send(startup(user="ann"))
            assert wire.receive()[0] == b"R"
            wire.send(message(b"p", body))
            got = wire.to_end()
            assert error_fields(got)["C"] in ("28P01", "08P01") and "Z" not in kinds(got)
    with guarded.connect(user="ann", password="s3cret") as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_the_admin_database_is_for_admins(guarded):
    with guarded.connect(dbname="weir", user="operator", password="0perator") as db:
        assert db.execute("SHOW VERSION").fetchone()
        assert "s3cret" not in str(db.execute("SHOW CONFIG").fetchall())
    with pytest.raises(psycopg.OperationalError):
        guarded.connect(dbname="weir", user="ann", password="s3cret")


def test_trust_on_loopback_without_users(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/open.db")
    for user in ("anybody", "else"):
        with gateway.connect(user=user) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("user, encryption", [
    ("scram_user", "scram-sha-256"), ("md5_user", "md5"), ("plain_user", "scram-sha-256")])
def test_weir_proves_itself_to_the_server(weir, postgres, user, encryption):
    postgres.role(user, "p:w/@d%", encryption)
    gateway = weir(postgres.dsn("postgres", user, "p%3Aw%2F%40d%25"))
    with gateway.connect() as db:
        assert db.execute("SELECT current_user").fetchone() == (user,)
    assert "p:w" not in gateway.stderr()


def test_a_wrong_server_password_is_told_plainly(weir, postgres):
    postgres.role("scram_user", "right")
    gateway = weir(postgres.dsn("postgres", "scram_user", "wrong"))
    with pytest.raises(psycopg.OperationalError) as refused:
        gateway.connect()
    assert "password authentication failed" in str(refused.value)
    assert "scram_user" in gateway.stderr() and "password authentication" in gateway.stderr()
    postgres.role("scram_user", "wrong")  # mended at the server: works without a restart of Weir

    def connects():  # a login that was under way when it was mended may still be refused
        try:
            return gateway.connect()
        except psycopg.OperationalError:
            return None

    with wait_until(connects) as db:
        assert db.execute("SELECT current_user").fetchone() == ("scram_user",)
