"""psql on the embedded database: every backslash command that lists, and tab completion as psql 15
asks for it when the key is pressed."""

import os
import pty
import re
import select
import time

import pytest

from support import clean_environment

COMMANDS = r"""\d \dt \di \l \du \dn \df \d+|items \d|orders \dv \ds \dd \dx \dT \dp \dt+ \di+
    \l+ \du+ \dn+ \df+ \dv+ \ds+ \dx+ \dT+ \dT|int4 \dp|items \z \d|ii \d+|v \d+|ii \sv|v \da
    \db \dc \dC \dD \ddp \dE \des \det \deu \dew \dF \dFd \dFp \dFt \dL \dm \do \dO \drds \dP
    \dRp \dRs \dX \dy \dg \dA \dAc \dAf \dAo \dAp \conninfo \encoding \dS \d|pg_class \dti|i*
    \dt|public.* \lo_list"""


@pytest.fixture
def shop(sqlite):
    for text in ("CREATE TABLE items (id SERIAL PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', price "
                 "NUMERIC(10,2) CHECK (price > 0), CONSTRAINT uq UNIQUE (name, price))",
                 "CREATE TABLE orders (a int references items (id), b text)",
                 "CREATE VIEW v AS SELECT * FROM items", "CREATE INDEX ii ON items (price)"):
        sqlite.weir.psql("-c", text)
    return sqlite.weir


def test_no_listing_command_fails(shop):
    commands = [c.replace("|", " ") for c in COMMANDS.split()]
    script = "".join(f"{c}\n" for c in commands)
    done = shop.psql(stdin=script, check=False)
    assert "ERROR" not in done.stderr, done.stderr


def test_a_table_in_full(shop):
    out = shop.psql("-P", "tuples_only=off", "-c", r"\d+ items").stdout
    for line in ('"items_pkey" PRIMARY KEY, btree (id)', '"ii" btree (price)',
                 '"uq" UNIQUE CONSTRAINT, btree (name, price)',
                 '"items_price_check" CHECK ((price > 0))',
                 'TABLE "orders" CONSTRAINT "orders_a_fkey" FOREIGN KEY (a) REFERENCES items(id)'):
        assert line in out, out


def press(shop, keys, wanted, seconds=20):
    """What a terminal shows once `wanted` has appeared."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("psql", ["psql", "-X", "-q", shop.conninfo()],
                   {**clean_environment(), "TERM": "dumb", "INPUTRC": "/dev/null", "PAGER": "cat"})
    shown, end = b"", time.monotonic() + seconds
    try:
        sent = False
        while time.monotonic() < end and not re.search(wanted, shown):
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 65536)
            if not sent and b"=> " in shown:
                os.write(terminal, keys)
                sent = True
    finally:
        os.write(terminal, b"\x03\x04")
        os.close(terminal)
        os.waitpid(child, 0)
    return shown.decode(errors="replace")


@pytest.mark.parametrize("keys, wanted", [
    (b"SELECT * FROM ord\t", rb"FROM orders"),
    (b"SELECT name FROM items WHERE pri\t", rb"WHERE price"),
    (b"INSERT INTO ord\t", rb"INTO orders"),
    (b"\\d ord\t", rb"d orders"),
    (b"ALTER TABLE items DROP CONSTRAINT u\t", rb"CONSTRAINT uq"),
])
def test_tab_completes(shop, keys, wanted):
    assert re.search(wanted.decode(), press(shop, keys, wanted))
