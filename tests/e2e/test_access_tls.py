"""Who may connect by TLS: certificates that name users, and passwords bound to our certificate."""

import subprocess

import psycopg
import pytest

from support import psql


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=cwd, timeout=60)


def certificate(directory, name, subject, ca="ca"):
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj",
            subject, "-out", f"{name}.csr", cwd=directory)
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
            "-CAcreateserial", "-days", "2", "-out", f"{name}.crt", cwd=directory)
    (directory / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("papers")
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-subj",
                f"/CN={ca}", "-days", "2", "-out", f"{ca}.crt", cwd=directory)
    certificate(directory, "server", "/CN=127.0.0.1")
    certificate(directory, "ann", "/O=Weir/CN=ann")
    certificate(directory, "mail", "/CN=bob@example.org")
    certificate(directory, "stranger", "/CN=ann", "other")
    return directory


CONFIG = """
databases:
  app: sqlite:DIR/app.db
  bound: sqlite:DIR/bound.db
users:
  ann: {password: s3cret}
tls:
  cert: PAPERS/server.crt
  key: PAPERS/server.key
  client_ca: PAPERS/ca.crt
auth:
  rules:
    - {type: hostssl, database: bound, user: ann, method: scram-sha-256, clientcert: verify-full}
    - {type: hostssl, database: app, user: pw, method: scram-sha-256}
    - {type: hostssl, database: app, user: dn, method: cert, clientname: DN, map: dn}
    - {type: hostssl, database: app, user: /^m_, method: cert, map: mail}
    - {type: hostssl, database: app, user: ann, method: cert}
    - {type: hostnossl, database: app, method: scram-sha-256}
  maps:
    - {name: mail, system: '/^(.*)@example\\.org$', user: 'm_\\1'}
    - {name: dn, system: 'CN=ann,O=Weir', user: dn}
"""


@pytest.fixture
def gateway(weir, papers, tmp_path):
    text = CONFIG.replace("DIR", str(tmp_path)).replace("PAPERS", str(papers))
    return weir(config=text.replace("ann: {password: s3cret}",
                                    "ann: {password: s3cret}\n  pw: {password: s3cret}"))


def ask(gateway, papers, user, paper=None, dbname="app", **more):
    if paper:
        more |= {"sslcert": papers / f"{paper}.crt", "sslkey": papers / f"{paper}.key"}
    conninfo = gateway.conninfo(dbname=dbname, user=user, **{"sslmode": "require", **more})
    done = psql(conninfo, "-c", "SELECT 1", check=False)
    return done.stdout.strip() or done.stderr.strip()


def test_a_certificate_is_proof_of_the_name_in_it(gateway, papers):
    assert ask(gateway, papers, "ann", "ann") == "1"
    assert ask(gateway, papers, "m_bob", "mail") == "1"
    assert ask(gateway, papers, "dn", "ann") == "1"
    for user, paper in (("ann", "mail"), ("m_bob", "ann"), ("m_ann", "mail"), ("dn", "mail")):
        assert f'certificate authentication failed for user "{user}"' in ask(
            gateway, papers, user, paper)
    assert "requires a valid client certificate" in ask(gateway, papers, "ann")
    assert ask(gateway, papers, "ann", "stranger") != "1"


def test_tls_chooses_the_rule(gateway, papers):
    assert ask(gateway, papers, "ann", sslmode="disable", password="s3cret") == "1"
    assert "no rule for" in ask(gateway, papers, "eve") and "SSL encryption" in ask(
        gateway, papers, "eve")
    with gateway.connect(user="pw", password="s3cret", sslmode="require") as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_password_and_a_certificate(gateway, papers):
    who = {"user": "ann", "dbname": "bound"}
    assert ask(gateway, papers, paper="ann", password="s3cret", **who) == "1"
    told = ask(gateway, papers, paper="ann", password="x", **who)
    assert "password authentication failed" in told
    assert ask(gateway, papers, password="s3cret", **who) != "1"
    assert ask(gateway, papers, paper="mail", password="s3cret", **who) != "1"


@pytest.mark.parametrize("binding", ["require", "prefer", "disable"])
def test_scram_is_bound_to_the_certificate(gateway, papers, binding):
    """HAZARD 12: SCRAM-SHA-256-PLUS on our own certificate."""
    assert ask(gateway, papers, "pw", password="s3cret", channel_binding=binding) == "1"
    assert "password authentication failed" in ask(gateway, papers, "pw", password="no",
                                                   channel_binding=binding)


def test_no_binding_is_offered_without_tls(gateway):
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        gateway.connect(user="ann", password="s3cret", sslmode="disable", channel_binding="require")
