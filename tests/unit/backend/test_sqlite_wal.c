/* The write-ahead log's size: overlapping reads do not keep it from being emptied, long ones do,
 * up to its maximum, and are ended then. */
#include "engine/embedded.h"
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB ((size_t)1024)

static weir_embedded figures(harness *h)
{
    weir_embedded e;
    h->backend->ops->figures(h->backend, &e);
    return e;
}

static void fill(harness *h)
{
    expect_write(h, "INSERT INTO t SELECT randomblob(1000) FROM t LIMIT 300", "", "");
}

static void begin(harness *h, const weir_sqlite_options *o)
{
    harness_open(h, o);
    expect_write(h, "CREATE TABLE t(b)", "", "");
    expect_write(h,
                 "INSERT INTO t WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM x LIMIT "
                 "500) SELECT n FROM x",
                 "", "");
}

/* The log is tended after the acknowledgement, and again when nobody writes any more. */
static bool comes(harness *h, bool (*what)(const weir_embedded *e))
{
    for (int i = 0; i < 1000; i++) {
        weir_embedded e = figures(h);
        if (what(&e))
            return true;
        usleep(10000);
    }
    return false;
}

static bool is_empty(const weir_embedded *e)
{
    return e->wal_bytes == 0;
}

static bool is_held(const weir_embedded *e)
{
    return e->held > 0;
}

static bool is_large(const weir_embedded *e)
{
    return e->wal_bytes > 64 * KIB;
}

static bool comes_empty(harness *h)
{
    return comes(h, is_empty);
}

static void test_a_log_beyond_its_size_is_emptied(void **state)
{
    (void)state;
    harness h;
    weir_sqlite_options o = {.executors = 1, .wal_size = 64 * KIB};
    begin(&h, &o);
    fill(&h);
    assert_true(comes_empty(&h));
    assert_true(figures(&h).emptied > 0);
    harness_close(&h);
}

static void test_a_log_below_its_size_is_left(void **state)
{
    (void)state;
    harness h;
    weir_sqlite_options o = {.executors = 1, .wal_size = 64 * KIB * KIB};
    begin(&h, &o);
    fill(&h);
    assert_true(comes(&h, is_large));
    assert_int_equal(figures(&h).emptied, 0);
    harness_close(&h);
}

static void test_a_snapshot_holds_it_until_it_ends(void **state)
{
    (void)state;
    harness h;
    weir_sqlite_options o = {.executors = 1, .wal_size = 64 * KIB};
    begin(&h, &o);
    weir_conn *conn = harness_reader(&h);
    expect_run(&h, conn, "BEGIN", "", "");
    expect_run(&h, conn, "SELECT count(*) FROM t", "", "500;");
    fill(&h);
    expect_write(&h, "INSERT INTO t VALUES (1)", "", "");
    assert_true(comes(&h, is_held));
    assert_true(comes(&h, is_large));
    assert_false(conn->ops->overdue(conn)); /* it has no maximum */
    expect_run(&h, conn, "SELECT count(*) FROM t", "", "500;");
    expect_run(&h, conn, "COMMIT", "", "");
    assert_true(comes_empty(&h));
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_beyond_the_maximum_reads_are_ended(void **state)
{
    (void)state;
    harness h;
    statement slow;
    weir_sqlite_options o = {.executors = 1, .wal_size = 64 * KIB, .wal_max = 128 * KIB};
    begin(&h, &o);
    weir_conn *thinks = harness_reader(&h), *reads = harness_reader(&h);
    expect_run(&h, thinks, "BEGIN", "", "");
    expect_run(&h, thinks, "SELECT count(*) FROM t", "", "500;");
    statement_init(&h, &slow, "SELECT b FROM t");
    slow.exec.rows_max = 1;
    statement_execute(&slow, reads);
    harness_wait(&h);
    assert_true(slow.exec.outcome.suspended);
    fill(&h);
    assert_true(comes(&h, is_held));
    assert_true(thinks->ops->overdue(thinks));
    statement_resume(&slow, reads); /* its client reads on, too late */
    harness_wait(&h);
    assert_string_equal(slow.exec.outcome.error.sqlstate, "40001");
    statement_fini(&slow);
    expect_run(&h, thinks, "SELECT count(*) FROM t", "40001", NULL);
    expect_run(&h, thinks, "ROLLBACK", "", "");
    assert_true(comes_empty(&h));
    expect_run(&h, thinks, "SELECT count(*) FROM t", "", "800;"); /* new ones are welcome */
    assert_false(thinks->ops->overdue(thinks));
    assert_true(figures(&h).ended >= 2);
    harness_close_reader(&h, thinks);
    harness_close_reader(&h, reads);
    harness_close(&h);
}

/* What runs when the log gets too large is stopped in its steps. */
static void test_a_running_read_is_ended_too(void **state)
{
    (void)state;
    harness h;
    statement endless, write;
    weir_sqlite_options o = {.executors = 1, .wal_size = 64 * KIB, .wal_max = 128 * KIB};
    begin(&h, &o);
    weir_conn *conn = harness_reader(&h);
    expect_run(&h, conn, "BEGIN", "", "");
    expect_run(&h, conn, "SELECT count(*) FROM t", "", "500;");
    statement_init(&h, &endless,
                   "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) "
                   "SELECT count(*) FROM c");
    statement_execute(&endless, conn);
    statement_init(&h, &write, "INSERT INTO t SELECT randomblob(1000) FROM t LIMIT 300");
    statement_write(&write, WEIR_TIME_NEVER);
    harness_wait(&h); /* for both */
    assert_true(write.exec.outcome.ok);
    assert_string_equal(endless.exec.outcome.error.sqlstate, "40001");
    statement_fini(&endless);
    statement_fini(&write);
    harness_close_reader(&h, conn);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_log_beyond_its_size_is_emptied),
        cmocka_unit_test(test_a_log_below_its_size_is_left),
        cmocka_unit_test(test_a_snapshot_holds_it_until_it_ends),
        cmocka_unit_test(test_beyond_the_maximum_reads_are_ended),
        cmocka_unit_test(test_a_running_read_is_ended_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
