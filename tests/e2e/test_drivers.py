"""Drivers that are no Python: a program of each one's own does what its users do, on both kinds of
database, and tells each case's outcome. Debian's versions here; `make interop SUITES=embedded` has
the newest."""

import os
import pathlib
import shutil
import subprocess

import pytest

import drivers
import support

JAR = pathlib.Path("/usr/share/java/postgresql.jar")
NODE = support.ROOT / "build/debian-node/usr/share/nodejs"  # tools/install-deps.sh
GO = pathlib.Path("/usr/lib/go/bin/go")
GOPATH = pathlib.Path("/usr/share/gocode")


def outcomes(command, served, environment=None):
    done = subprocess.run([*command, "127.0.0.1", str(served.weir.port), "app", "weir"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150,
                          env={**os.environ, **(environment or {})}, check=False)
    found = drivers.read(done.stdout)
    assert found, done.stdout + done.stderr
    return found


def failures(found):
    return {name: why for name, (outcome, why) in found.items() if outcome == "failed"}


@pytest.mark.seconds(200)
def test_pgjdbc(served):
    """Values in text and binary, arrays, JSON, transactions, SQLSTATEs, batches, fetch sizes,
    generated keys, updatable rows, COPY, cancelling, and what DatabaseMetaData asks."""
    if not shutil.which("javac"):
        pytest.skip("no Java compiler (default-jdk-headless)")
    if not JAR.exists():
        pytest.skip("no pgjdbc (libpostgresql-jdbc-java)")
    found = outcomes(drivers.pgjdbc(JAR), served)
    assert len(found) == 22
    assert not failures(found)


@pytest.mark.seconds(200)
def test_node_postgres(served):
    """The same for node-postgres, with pools, cursors and streams where they are installed."""
    if not shutil.which("node"):
        pytest.skip("no node (nodejs)")
    if not (NODE / "pg").exists():
        pytest.skip("no node-postgres: tools/install-deps.sh test could not have Debian's node-pg")
    found = outcomes(drivers.node(), served, {"NODE_PATH": str(NODE)})
    assert len(found) == 16
    assert not failures(found)


@pytest.fixture(scope="session")
def pgx4(tmp_path_factory):
    """Built by Debian's compiler from Debian's packages: no module is asked for."""
    if not GO.exists():
        pytest.skip("no Go of Debian's (golang-go)")
    if not (GOPATH / "src/github.com/jackc/pgx/v4").exists():
        pytest.skip("no pgx (golang-github-jackc-pgx-v4-dev)")
    program = tmp_path_factory.mktemp("pgx4") / "pgx4"
    subprocess.run([GO, "build", "-o", program, drivers.HERE / "pgx4.go"], check=True, timeout=180,
                   env={"PATH": os.environ["PATH"], "HOME": str(program.parent),
                        "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOTOOLCHAIN": "local",
                        "GOCACHE": str(support.ROOT / "build/go-cache")})
    return program


@pytest.mark.seconds(300)
def test_pgx(pgx4, served):
    """The same for pgx 4; version 5 is in `make interop`."""
    found = outcomes([pgx4], served)
    assert len(found) == 12
    assert not failures(found)
