"""asyncpg as it is: binary formats throughout, prepared statements, pools, cursors, timeouts."""

import asyncio
import datetime

import asyncpg
import pytest


def run(coroutine, seconds=60):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


def test_types_and_nulls(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        blob = "BLOB" if served.sqlite else "bytea"
        await db.execute(f"CREATE TABLE t (i BIGINT, r DOUBLE PRECISION, s TEXT, b {blob}, "
                         "d DATE, ts TIMESTAMP, y BOOLEAN)")
        row = (2**62, 0.1, "h\u00e9llo", b"\0\xff", datetime.date(2024, 2, 29),
               datetime.datetime(2024, 2, 29, 1, 2, 3, 4), True)
        for values in (row, (None,) * 7):
            await db.execute("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7)", *values)
        got = await db.fetch("SELECT i, r, s, b, d, ts, y FROM t ORDER BY i IS NULL")
        assert [tuple(r) for r in got] == [row, (None,) * 7]
        await db.close()
    run(story())


def test_prepared_statements_and_many_rows(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.execute("CREATE TABLE t (a BIGINT, b TEXT)")
        await db.executemany("INSERT INTO t VALUES ($1, $2)", [(i, str(i)) for i in range(2000)])
        statement = await db.prepare("SELECT b FROM t WHERE a = $1")
        for i in range(0, 2000, 100):
            assert await statement.fetchval(i) == str(i)
        assert [a.name for a in statement.get_attributes()] == ["b"]
        rows = await db.fetch("SELECT a, b FROM t ORDER BY a")
        assert len(rows) == 2000 and rows[-1]["b"] == "1999"
        await db.close()
    run(story())


def test_transactions_savepoints_and_errors(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
        async with db.transaction():
            await db.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(asyncpg.UniqueViolationError):
                async with db.transaction():
                    await db.execute("INSERT INTO t VALUES (2)")
                    await db.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await db.fetch("SELEC 1")
        assert [r["a"] for r in await db.fetch("SELECT a FROM t")] == [1]
        await db.close()
    run(story())


def test_cursor_in_a_transaction_fetches_in_portions(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.execute("CREATE TABLE t (a BIGINT)")
        await db.executemany("INSERT INTO t VALUES ($1)", [(i,) for i in range(1000)])
        async with db.transaction():
            total = 0
            async for row in db.cursor("SELECT a FROM t ORDER BY a", prefetch=70):
                total += row["a"]
            assert total == 499500
        await db.close()
    run(story())


def test_pool_of_clients(served):
    async def story():
        pool = await asyncpg.create_pool(**served.weir.asyncpg(), min_size=1, max_size=10)
        await pool.execute("CREATE TABLE t (a BIGINT)")

        async def one(i):
            async with pool.acquire() as db:
                async with db.transaction():
                    await db.execute("INSERT INTO t VALUES ($1)", i)

        await asyncio.gather(*(one(i) for i in range(200)))
        assert await pool.fetchval("SELECT count(*) FROM t") == 200
        await pool.close()
    run(story())


def test_timeout_of_the_client_cancels_and_the_session_goes_on(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        with pytest.raises(asyncio.TimeoutError):
            await db.fetch("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) "
                           "SELECT count(*) FROM s", timeout=0.3)
        assert await db.fetchval("SELECT 2") == 2
        await db.close()
    run(story())


def test_values_of_10_megabytes(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.execute("CREATE TABLE t (s TEXT)")
        text = "\u00e9" * 5_000_000
        await db.execute("INSERT INTO t VALUES ($1)", text)
        assert await db.fetchval("SELECT s FROM t") == text
        await db.close()
    run(story())


def test_arrays(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        assert await db.fetchval("SELECT $1::int8[]", [1, 2, 3]) == [1, 2, 3]
        await db.execute("CREATE TABLE t (a int8, b text)")
        await db.executemany("INSERT INTO t VALUES ($1, $2)", [(i, str(i)) for i in range(9)])
        assert await db.fetch("SELECT b FROM t WHERE a = ANY($1::int8[]) ORDER BY a", [2, 7]) == \
            [("2",), ("7",)]
        await db.close()
    run(story())


def test_types_are_introspected(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.set_type_codec("json", encoder=str, decoder=lambda s: ("json", s),
                                schema="pg_catalog")
        await db.execute("CREATE TABLE t (a json)")
        await db.execute("INSERT INTO t VALUES ('[1]')")
        assert await db.fetchval("SELECT a FROM t") == ("json", "[1]")
        await db.reset()
        await db.close()
    run(story())


def test_binary_copy(served):
    async def story():
        db = await asyncpg.connect(**served.weir.asyncpg())
        await db.execute("CREATE TABLE t (a int8, b text)")
        await db.copy_records_to_table("t", records=[(i, str(i)) for i in range(3000)])
        assert await db.fetchval("SELECT count(*) FROM t") == 3000
        await db.close()
    run(story())
