"""TLS to clients and to servers, with certificates that the tests make themselves."""

import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading

import psycopg
import pytest

from support import console, rows, wait_until

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSSENC_REQUEST = struct.pack("!ii", 8, 80877104)


class Authority:
    """A certificate authority in a directory, by openssl's command line."""

    def __init__(self, directory, name="ca"):
        self.directory = directory
        self.name = name
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30",
                 "-subj", f"/CN=weir test {name}")

    def run(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True,
                       capture_output=True)

    def path(self, name):
        return str(self.directory / name)

    @property
    def pem(self):
        return self.path(f"{self.name}.pem")

    def issue(self, name, cn, alt=None, days=30):
        """name.pem and name.key, which only we may read."""
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O=weir/CN={cn}")
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={alt}\n" if alt else "")
        self.run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey",
                 f"{self.name}.key", "-CAcreateserial", "-days", str(days), "-extfile",
                 f"{name}.ext", "-out", f"{name}.pem")
        os.chmod(self.path(f"{name}.key"), 0o600)
        return self.path(f"{name}.pem"), self.path(f"{name}.key")


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secured(weir, ca, tmp_path):
    """secured(settings): a gateway that has a certificate for localhost."""

    def make(dsn=None, settings=None, **more):
        cert, key = ca.issue("weir", "localhost", "DNS:localhost,IP:127.0.0.1")
        return weir(dsn or f"sqlite:{tmp_path}/e2e.db",
                    settings={"tls.cert": cert, "tls.key": key, **(settings or {})}, **more)

    return make


def connect(gateway, **more):
    names = {"host": "localhost", "hostaddr": "127.0.0.1", "port": gateway.port, "user": "weir",
             "dbname": "app", "connect_timeout": 20}
    return psycopg.connect(psycopg.conninfo.make_conninfo(**{**names, **more}), autocommit=True)


def raw(gateway):
    s = socket.create_connection(("127.0.0.1", gateway.port), 20)
    s.settimeout(20)
    return s


# ---- clients ----


def test_clients_verify_the_certificate_and_are_shown_with_their_cipher(secured, ca):
    gateway = secured()
    with connect(gateway, sslmode="verify-full", sslrootcert=ca.pem) as c:
        assert c.execute("select 1").fetchone() == (1,)
        big = "x" * 3_000_000
        assert c.execute("select %s::text", [big]).fetchone() == (big,)
        with console(gateway) as admin:
            shown = [r["tls"] for r in rows(admin, "CLIENTS") if r["user"] == "weir"]
        assert any(t.startswith("TLSv1.3/TLS_") for t in shown), shown


def test_a_name_that_the_certificate_is_not_made_out_for_is_refused(secured, ca):
    gateway = secured()
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(gateway, host="example.org", sslmode="verify-full", sslrootcert=ca.pem)


def test_require_refuses_plain_clients_with_a_hint(secured):
    gateway = secured(settings={"tls.mode": "require"})
    with pytest.raises(psycopg.OperationalError, match="must use TLS"):
        connect(gateway, sslmode="disable")
    connect(gateway, sslmode="require").close()


def test_disabled_tls_is_answered_n(secured):
    gateway = secured(settings={"tls.mode": "disable"})
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        connect(gateway, sslmode="require")
    connect(gateway, sslmode="prefer").close()


def test_ssl_request_may_follow_gssenc_request(secured):
    s = raw(secured())
    s.sendall(GSSENC_REQUEST)
    assert s.recv(1) == b"N"
    s.sendall(SSL_REQUEST)
    assert s.recv(1) == b"S"


# Hazard 10 of the wire protocol, CVE-2021-23222.
@pytest.mark.parametrize("mode", ["allow", "disable"])
def test_plaintext_behind_ssl_request_closes(secured, mode):
    s = raw(secured(settings={"tls.mode": mode}))
    s.sendall(SSL_REQUEST + b"\0\0\0\x08injected")
    assert s.recv(100) == b""


def tls_context(ca, alpn=("postgresql",)):
    context = ssl.create_default_context(cafile=ca.pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def startup(user="weir", database="app"):
    body = struct.pack("!i", 196608) + b"".join(
        w.encode() + b"\0" for w in ("user", user, "database", database)) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def test_direct_negotiation_with_alpn(secured, ca):
    gateway = secured()
    with tls_context(ca).wrap_socket(raw(gateway), server_hostname="localhost") as s:
        assert s.selected_alpn_protocol() == "postgresql"
        s.sendall(startup())
        assert s.recv(1) == b"R"


def test_direct_negotiation_without_alpn_is_refused(secured, ca):
    gateway = secured()
    with tls_context(ca, alpn=None).wrap_socket(raw(gateway), server_hostname="localhost") as s:
        s.sendall(startup())
        assert s.recv(1) == b""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_context(ca, ["http/1.1"]).wrap_socket(raw(gateway), server_hostname="localhost")


def test_client_certificates_are_judged(secured, ca, tmp_path):
    other = Authority(tmp_path, "others")
    good = dict(zip(("sslcert", "sslkey"), ca.issue("alice", "alice")))
    bad = dict(zip(("sslcert", "sslkey"), other.issue("mallory", "alice")))
    gateway = secured(settings={"tls.client_ca": ca.pem, "tls.client_cert": "required"})
    connect(gateway, sslmode="require", **good).close()
    with pytest.raises(psycopg.OperationalError):
        connect(gateway, sslmode="require", **bad)
    with pytest.raises(psycopg.OperationalError):
        connect(gateway, sslmode="require")
    wait_until(lambda: "TLS handshake failed" in gateway.stderr())


def test_a_crowd_of_handshakes_is_served(secured):
    gateway = secured()

    def many():
        for _ in range(5):
            connect(gateway, sslmode="require").close()

    crowd = [threading.Thread(target=many) for _ in range(12)]
    with connect(gateway, sslmode="require") as c:
        for t in crowd:
            t.start()
        for _ in range(50):
            assert c.execute("select 1").fetchone() == (1,)
        for t in crowd:
            t.join()


# ---- files ----


def test_each_broken_file_stops_the_start_with_its_name(weir, ca):
    cert, key = ca.issue("weir", "localhost")
    _, other = ca.issue("other", "localhost")
    ca.run("ec", "-in", key, "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    os.chmod(ca.path("locked.key"), 0o600)
    for settings, words in (
            ({"tls.cert": "/nonexistent.pem"}, "/nonexistent.pem: No such file"),
            ({"tls.cert": cert, "tls.key": other}, "does not match the certificate"),
            ({"tls.cert": cert, "tls.key": ca.path("locked.key")}, "is encrypted"),
            ({"tls.mode": "require"}, "set tls.cert"),
            ({"tls.cert": cert, "tls.key": key, "tls.client_cert": "required"}, "tls.client_ca")):
        gateway = weir(settings=settings, start=False)
        with pytest.raises(AssertionError, match="no ready line"):
            gateway.start()
        assert words in gateway.stderr()
    os.chmod(key, 0o644)
    gateway = weir(settings={"tls.cert": cert, "tls.key": key}, start=False)
    with pytest.raises(AssertionError, match="no ready line"):
        gateway.start()
    assert "group or world access" in gateway.stderr()


def test_a_certificate_is_replaced_under_load_without_a_failed_statement(secured, ca):
    gateway = secured()
    stop = threading.Event()
    failures, done = [], [0]

    def work(again):
        try:
            c = connect(gateway, sslmode="require")
            while not stop.is_set():
                assert c.execute("select 1").fetchone() == (1,)
                done[0] += 1
                if again:
                    c.close()
                    c = connect(gateway, sslmode="require")
            c.close()
        except Exception as e:  # pylint: disable=broad-except
            failures.append(e)

    def serial():
        with tls_context(ca).wrap_socket(raw(gateway), server_hostname="localhost") as s:
            return s.getpeercert()["serialNumber"]

    workers = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for w in workers:
        w.start()
    before = serial()
    for _ in range(5):
        ca.issue("weir", "localhost", "DNS:localhost")
        os.kill(gateway.pid, signal.SIGHUP)
        wait_until(lambda seen=before: serial() != seen)
        before = serial()
    # A broken file keeps what is in force, and says why.
    with open(ca.path("weir.pem"), "w", encoding="ascii") as f:
        f.write("nonsense")
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: "the old certificate stays" in gateway.stderr())
    assert serial() == before
    stop.set()
    for w in workers:
        w.join()
    assert not failures, failures
    assert done[0] > 10


def test_an_end_that_is_near_is_told(secured, ca):
    gateway = secured()
    assert "expires" not in gateway.stderr()
    ca.issue("weir", "localhost", "DNS:localhost", days=3)
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: "certificate expires soon" in gateway.stderr())


# ---- servers ----


@pytest.fixture
def tls_postgres(own_postgres, ca):
    """A PostgreSQL server that takes TLS connections only."""
    owner = os.stat(own_postgres.data)
    for source, name in zip(ca.issue("server", "localhost", "DNS:localhost"),
                            ("server.crt", "server.key")):
        shutil.copy(source, own_postgres.data / name)
        os.chown(own_postgres.data / name, owner.st_uid, owner.st_gid)
        os.chmod(own_postgres.data / name, 0o600)
    with own_postgres.connect() as db:
        db.execute("ALTER SYSTEM SET ssl = on")
        (own_postgres.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
        db.execute("SELECT pg_reload_conf()")
        wait_until(lambda: db.execute("SHOW ssl").fetchone() == ("on",))
    return own_postgres


def server_dsn(server, host="localhost", **options):
    query = "&".join(f"{k}={v}" for k, v in options.items())
    return server.dsn(server.database()).replace("127.0.0.1", host) + "?" + query


def server_tls(gateway):
    with console(gateway) as admin:
        return [r["tls"] for r in rows(admin, "SERVERS")]


@pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
def test_each_sslmode_reaches_a_server_that_insists_on_tls(weir, tls_postgres, mode):
    gateway = weir(server_dsn(tls_postgres, sslmode=mode))
    with gateway.connect() as c:
        assert c.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()"
                         ).fetchone() == (True,)
        assert all(t.startswith("TLSv1.3/") for t in server_tls(gateway))


def test_verify_full_checks_authority_and_name(weir, tls_postgres, ca, tmp_path):
    other = Authority(tmp_path, "others")
    gateway = weir(server_dsn(tls_postgres, sslmode="verify-full", sslrootcert=ca.pem))
    with gateway.connect() as c:
        assert c.execute("select count(*) from generate_series(1, 100000)").fetchone() == (100000,)
        assert len(c.execute("select repeat('x', 5000000)").fetchone()[0]) == 5000000
    for host, authority, words in (("127.0.0.1", ca, "mismatch"),
                                   ("localhost", other, "certificate verify failed")):
        gateway = weir(server_dsn(tls_postgres, host, sslmode="verify-full",
                                  sslrootcert=authority.pem))
        with pytest.raises(psycopg.OperationalError, match=words):
            gateway.connect()


def test_disable_is_refused_by_a_server_that_insists_on_tls(weir, tls_postgres):
    gateway = weir(server_dsn(tls_postgres, sslmode="disable"))
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        gateway.connect()


def test_require_is_not_content_with_a_server_without_tls(weir, postgres):
    gateway = weir(server_dsn(postgres, "127.0.0.1", sslmode="require"))
    with pytest.raises(psycopg.OperationalError, match="does not support TLS"):
        gateway.connect()


def test_a_cancel_goes_over_tls_too(weir, tls_postgres):
    gateway = weir(server_dsn(tls_postgres, sslmode="require"))
    with gateway.connect() as c:
        c.execute("select 1")
        threading.Timer(0.5, c.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("select pg_sleep(30)")
        assert c.execute("select 1").fetchone() == (1,)


def test_idle_tls_connections_are_lent_again(weir, tls_postgres):
    gateway = weir(server_dsn(tls_postgres, sslmode="require"),
                   settings={"pool.min_size": 0, "pool.max_size": 2})
    pids = []
    for _ in range(20):
        with gateway.connect() as c:
            pids.append(c.execute("select pg_backend_pid()").fetchone()[0])
    # Until the catalog is known, a function may have done anything to its connection.
    assert len(set(pids[10:])) <= 2, pids


@pytest.fixture
def scram_postgres(tls_postgres):
    """... that asks for a password of "bound" by SCRAM, on TLS and without."""
    with tls_postgres.connect() as db:
        db.execute("CREATE ROLE bound LOGIN PASSWORD 'secret'")
        (tls_postgres.data / "pg_hba.conf").write_text(
            "host all bound 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        db.execute("SELECT pg_reload_conf()")
    return tls_postgres


def bound_dsn(server, **options):
    return server_dsn(server, **options).replace("postgres@", "bound:secret@")


@pytest.mark.parametrize("binding", ["disable", "prefer", "require", None])
def test_passwords_are_bound_to_the_servers_certificate(weir, scram_postgres, binding):
    options = {"channel_binding": binding} if binding else {}
    gateway = weir(bound_dsn(scram_postgres, sslmode="require", **options))
    with gateway.connect() as c:
        assert c.execute("select current_user").fetchone() == ("bound",)


def test_a_login_that_cannot_be_bound_is_not_made_where_it_must(weir, scram_postgres):
    plain = bound_dsn(scram_postgres, sslmode="allow", channel_binding="require")
    trusting = server_dsn(scram_postgres, sslmode="require", channel_binding="require")
    for dsn in (plain, trusting):
        gateway = weir(dsn)
        with pytest.raises(psycopg.OperationalError, match="channel_binding=require"):
            gateway.connect()


def test_files_toward_servers_are_read_again_at_reload(weir, tls_postgres, ca, tmp_path):
    other = Authority(tmp_path, "others")
    authorities = tmp_path / "authorities.pem"
    shutil.copy(other.pem, authorities)
    gateway = weir(server_dsn(tls_postgres, sslmode="verify-ca", sslrootcert=authorities))
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        gateway.connect()
    shutil.copy(ca.pem, authorities)
    os.kill(gateway.pid, signal.SIGHUP)

    def connects():
        try:
            gateway.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(connects)
    authorities.write_text("nonsense")
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: "the old files' contents stay" in gateway.stderr())
    assert connects()


def test_what_does_not_go_together_stops_the_start(weir):
    for options, words in (("sslmode=verify-full", "need authorities"),
                           ("sslmode=prefer&sslnegotiation=direct", "needs an sslmode"),
                           ("sslmode=require&sslrootcert=system", "must be verify-full"),
                           ("sslmode=always", "must be disable, allow, prefer"),
                           ("sslmode=disable&channel_binding=require", "needs TLS"),
                           ("sslmode=verify-ca&sslrootcert=/nonexistent.pem",
                            "/nonexistent.pem")):
        gateway = weir(f"postgres://localhost/app?{options}", start=False)
        with pytest.raises(AssertionError, match="no ready line"):
            gateway.start()
        assert words in gateway.stderr(), gateway.stderr()
