/* Claims: the writer lent for a transaction, in order of asking; upgrades; time limits; the end. */
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void ask(harness *h, claimer *c)
{
    h->pending++;
    h->backend->ops->claim(h->backend, h->loop, &c->claim);
}

static void claim_now(harness *h, claimer *c)
{
    claimer_init(h, c, WEIR_TIME_NEVER);
    ask(h, c);
    harness_wait(h);
    assert_non_null(c->conn);
}

static void test_claim_commits_or_is_rolled_back(void **state)
{
    (void)state;
    harness h;
    claimer c;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    claim_now(&h, &c);
    expect_run(&h, c.conn, "INSERT INTO t VALUES (1)", "", "");
    expect_run(&h, c.conn, "COMMIT", "", "");
    h.backend->ops->unclaim(h.backend, c.conn);
    claim_now(&h, &c);
    expect_run(&h, c.conn, "INSERT INTO t VALUES (2) RETURNING n", "", "2;");
    h.backend->ops->unclaim(h.backend, c.conn);
    expect_write(&h, "SELECT n FROM t", "", "1;");
    harness_close(&h);
}

static void test_waiting_writes_and_claims_are_served_in_order(void **state)
{
    (void)state;
    harness h;
    claimer first;
    claimer second;
    claimer dropped;
    statement s;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    claim_now(&h, &first);
    claimer_init(&h, &dropped, WEIR_TIME_NEVER);
    ask(&h, &dropped);
    claimer_init(&h, &second, WEIR_TIME_NEVER);
    ask(&h, &second);
    statement_init(&h, &s, "INSERT INTO t SELECT count(*) FROM t");
    statement_write(&s, WEIR_TIME_NEVER);
    assert_true(h.backend->ops->drop_claim(h.backend, &dropped.claim));
    h.pending--;
    h.backend->ops->unclaim(h.backend, first.conn);
    h.pending--; /* not the write: it is behind the second claim */
    harness_wait(&h);
    h.pending++;
    assert_non_null(second.conn);
    assert_int_equal(s.told, 0);
    h.pending++;
    statement in;
    statement_init(&h, &in, "INSERT INTO t VALUES (10)");
    second.conn->ops->execute(second.conn, &in.exec);
    h.pending--;
    harness_wait(&h);
    assert_true(in.exec.outcome.ok);
    h.pending = 1;
    statement_fini(&in);
    statement commit;
    statement_init(&h, &commit, "COMMIT");
    second.conn->ops->execute(second.conn, &commit.exec);
    harness_wait(&h);
    h.pending = 1;
    h.backend->ops->unclaim(h.backend, second.conn);
    harness_wait(&h);
    assert_int_equal(s.told, 1);
    statement_fini(&commit);
    statement_fini(&s);
    expect_write(&h, "SELECT n FROM t", "", "10;1;");
    harness_close(&h);
}

static void test_waiting_longer_than_wanted_is_55P03(void **state)
{
    (void)state;
    harness h;
    claimer holder;
    claimer late;
    statement s;
    harness_open(&h, NULL);
    claim_now(&h, &holder);
    weir_time soon = weir_loop_clock(h.loop) + 20 * WEIR_MS;
    claimer_init(&h, &late, soon);
    ask(&h, &late);
    statement_init(&h, &s, "CREATE TABLE t(n)");
    statement_write(&s, soon);
    harness_wait(&h);
    assert_null(late.conn);
    assert_string_equal(late.error.sqlstate, "55P03");
    assert_string_equal(s.exec.outcome.error.sqlstate, "55P03");
    statement_fini(&s);
    statement_init(&h, &s, "CREATE TABLE t(n)");
    statement_write(&s, WEIR_TIME_NEVER);
    weir_sqlite_cancel_write(h.backend, &s.exec);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "57014");
    statement_fini(&s);
    h.backend->ops->unclaim(h.backend, holder.conn);
    harness_close(&h);
}

static void test_nowait_waits_for_single_writes_and_for_no_transaction(void **state)
{
    (void)state;
    harness h;
    claimer holder, queued, hasty;
    statement s;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    claim_now(&h, &holder);
    claimer_init(&h, &hasty, WEIR_TIME_NEVER);
    hasty.claim.nowait = true;
    ask(&h, &hasty);
    harness_wait(&h);
    assert_null(hasty.conn);
    assert_string_equal(hasty.error.sqlstate, "55P03");
    claimer_init(&h, &queued, WEIR_TIME_NEVER);
    ask(&h, &queued);
    h.backend->ops->unclaim(h.backend, holder.conn);
    harness_wait(&h);
    assert_non_null(queued.conn);
    h.backend->ops->unclaim(h.backend, queued.conn);
    statement_init(&h, &s, "INSERT INTO t VALUES (1)");
    statement_write(&s, WEIR_TIME_NEVER);
    claimer_init(&h, &hasty, WEIR_TIME_NEVER);
    hasty.claim.nowait = true;
    ask(&h, &hasty);
    harness_wait(&h);
    assert_true(s.exec.outcome.ok);
    assert_non_null(hasty.conn);
    h.backend->ops->unclaim(h.backend, hasty.conn);
    statement_fini(&s);
    harness_close(&h);
}

static void test_stop_refuses_what_is_queued(void **state)
{
    (void)state;
    harness h;
    claimer holder;
    statement s;
    harness_open(&h, NULL);
    claim_now(&h, &holder);
    statement_init(&h, &s, "CREATE TABLE t(n)");
    statement_write(&s, WEIR_TIME_NEVER);
    h.backend->ops->stop(h.backend);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "57P01");
    statement_fini(&s);
    h.backend->ops->unclaim(h.backend, holder.conn);
    harness_close(&h);
}

static void upgrade(harness *h, weir_conn *conn, claimer *c)
{
    claimer_init(h, c, WEIR_TIME_NEVER);
    h->pending++;
    weir_sqlite_upgrade(h->backend, conn, &c->claim);
    harness_wait(h);
    assert_ptr_equal(c->conn, conn);
}

static void give_back(harness *h, weir_conn *conn)
{
    h->backend->ops->unclaim(h->backend, conn);
    assert_int_equal(conn->ops->clean(conn), WEIR_CONN_LATER);
    h->pending++;
    harness_wait(h);
    assert_int_equal(conn->ops->clean(conn), WEIR_CONN_CLEAN);
}

static void test_upgraded_snapshot_writes_or_gets_40001(void **state)
{
    (void)state;
    harness h;
    claimer c;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    weir_conn *conn = harness_reader(&h);
    for (int stale = 0; stale < 2; stale++) {
        expect_run(&h, conn, "BEGIN", "", "");
        expect_run(&h, conn, "SELECT count(*) FROM t", "", stale ? "1;" : "0;");
        if (stale)
            expect_write(&h, "INSERT INTO t VALUES (9)", "", "");
        expect_run(&h, conn, "SELECT count(*) FROM t", "", stale ? "1;" : "0;");
        upgrade(&h, conn, &c);
        expect_run(&h, conn, "INSERT INTO t VALUES (1)", stale ? "40001" : "", "");
        expect_run(&h, conn, stale ? "ROLLBACK" : "COMMIT", "", "");
        give_back(&h, conn);
    }
    expect_run(&h, conn, "SELECT n FROM t", "", "1;9;");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_claim_streams_its_own_rows(void **state)
{
    (void)state;
    harness h;
    claimer c;
    statement s;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    claim_now(&h, &c);
    expect_run(&h, c.conn,
               "INSERT INTO t WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM x LIMIT "
               "50000) SELECT n FROM x",
               "", "");
    statement_init(&h, &s, "SELECT n FROM t");
    statement_execute(&s, c.conn);
    harness_wait(&h);
    assert_true(s.exec.outcome.suspended);
    c.conn->ops->finish(c.conn, &s.exec);
    statement_fini(&s);
    expect_run(&h, c.conn, "ROLLBACK", "", "");
    h.backend->ops->unclaim(h.backend, c.conn);
    expect_write(&h, "SELECT count(*) FROM t", "", "0;");
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claim_commits_or_is_rolled_back),
        cmocka_unit_test(test_waiting_writes_and_claims_are_served_in_order),
        cmocka_unit_test(test_waiting_longer_than_wanted_is_55P03),
        cmocka_unit_test(test_nowait_waits_for_single_writes_and_for_no_transaction),
        cmocka_unit_test(test_stop_refuses_what_is_queued),
        cmocka_unit_test(test_upgraded_snapshot_writes_or_gets_40001),
        cmocka_unit_test(test_claim_streams_its_own_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
