"""Transfers between accounts from 32 clients at once: none fails, none is lost, none counts twice.

WEIR_E2E_SECONDS says for how long (issue 2's show 2: 60)."""

import re

import pytest

from support import SECONDS, pgbench

ACCOUNTS = 100
CLIENTS = 32

# Each transfer is written down in the same transaction, so that the log and the balances prove
# one another; pgbench counts what was acknowledged.
TRANSFER = r"""
\set giver random(1, 100)
\set taker random(1, 100)
\set amount random(1, 50)
BEGIN;
UPDATE accounts SET balance = balance - :amount WHERE id = :giver;
UPDATE accounts SET balance = balance + :amount WHERE id = :taker;
INSERT INTO log (giver, taker, amount) VALUES (:giver, :taker, :amount);
COMMIT;
"""

# Reads first: with SQLite's own transactions this is what fails with SQLITE_BUSY_SNAPSHOT.
READ_THEN_WRITE = r"""
\set id random(1, 100)
BEGIN;
SELECT balance FROM accounts WHERE id = :id;
UPDATE accounts SET balance = balance + 1 WHERE id = :id;
INSERT INTO log (giver, taker, amount) VALUES (0, :id, 1);
COMMIT;
"""

AUTOCOMMIT = r"""
\set id random(1, 100)
UPDATE accounts SET balance = balance + 1 WHERE id = :id;
"""


@pytest.fixture
def bank(served):
    with served.weir.connect() as db:
        db.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL)")
        db.execute(f"CREATE TABLE log (n {served.serial()}, giver INTEGER, taker INTEGER, "
                   "amount INTEGER)")
        for i in range(1, ACCOUNTS + 1):
            db.execute("INSERT INTO accounts VALUES (%s, 1000)", (i,))
    if not served.sqlite:  # giver and taker are locked in any order: let deadlocks be found fast
        served.server.connect().execute(
            f"ALTER DATABASE {served.dbname} SET deadlock_timeout = '50ms'").connection.close()
    return served


def run(bank, script, seconds, *arguments):
    done = pgbench(bank.weir.conninfo(), script, CLIENTS, seconds, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ERROR" not in done.stderr and "aborted" not in done.stderr, done.stderr[-3000:]
    count = int(re.search(r"transactions actually processed: (\d+)", done.stdout)[1])
    failed = int(re.search(r"number of failed transactions: (\d+)", done.stdout)[1])
    print(done.stdout)
    assert failed == 0 and count > CLIENTS
    return count


def proved(bank, count, fresh):
    """The log has `count` entries and explains every balance; `fresh` money came from outside."""
    with bank.weir.connect() as db:
        assert db.execute("SELECT count(*) FROM log").fetchone() == (count,)
        total = db.execute("SELECT CAST(sum(balance) AS BIGINT) FROM accounts").fetchone()[0]
        assert total == ACCOUNTS * 1000 + fresh
        wrong = db.execute("""
            SELECT count(*) FROM accounts a WHERE a.balance <> 1000
                + COALESCE((SELECT sum(amount) FROM log WHERE taker = a.id), 0)
                - COALESCE((SELECT sum(amount) FROM log WHERE giver = a.id), 0)""").fetchone()
        assert wrong == (0,)


@pytest.mark.seconds(SECONDS + 90)
@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_transfers_lose_and_double_nothing(bank, mode):
    # In PostgreSQL two transfers may meet crosswise; it then picks a victim, which tries again.
    arguments = ["-M", mode] + ([] if bank.sqlite else ["--max-tries=1000"])
    count = run(bank, TRANSFER, SECONDS / 2, *arguments)
    proved(bank, count, 0)


@pytest.mark.seconds(SECONDS + 90)
@pytest.mark.parametrize("mode", ["simple", "extended"])
def test_begin_select_update_under_load_does_not_fail(bank, mode):
    count = run(bank, READ_THEN_WRITE, SECONDS / 2, "-M", mode)
    proved(bank, count, count)


@pytest.mark.seconds(SECONDS + 90)
def test_autocommit_updates_in_groups_lose_and_double_nothing(bank):
    count = run(bank, AUTOCOMMIT, SECONDS / 2, "-M", "prepared")
    with bank.weir.connect() as db:
        total = db.execute("SELECT CAST(sum(balance) AS BIGINT) FROM accounts").fetchone()[0]
        assert total == ACCOUNTS * 1000 + count
