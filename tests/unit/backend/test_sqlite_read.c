/* Readers: in place and on executors, chunks, cancel, deadlines, and what they refuse. */
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ENDLESS "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT max(n) FROM c"
#define MILLION                                                                                    \
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 1000000) SELECT n FROM c"

static void test_reads_with_parameters_by_number(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    weir_value params[] = {{.type = WEIR_VALUE_INTEGER, .u.integer = 1},
                           {.type = WEIR_VALUE_TEXT, .u.bytes = WEIR_SLICE_LIT("two")}};
    for (int cheap = 0; cheap < 2; cheap++) {
        statement_init(&h, &s, "SELECT $2, $1, typeof($2)");
        s.exec.cheap = cheap != 0;
        s.exec.params = params;
        s.exec.param_count = 2;
        statement_execute(&s, conn);
        harness_wait(&h);
        assert_true(s.exec.outcome.ok);
        assert_true(weir_slice_eq_cstr(weir_buf_slice(&s.exec.out), "two,1,text;"));
        statement_fini(&s);
    }
    expect_run(&h, conn, "SELECT ?", "08P01", "");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_reader_refuses_what_may_write(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    weir_conn *conn = harness_reader(&h);
    const char *sql[] = {"INSERT INTO t VALUES (1)", "BEGIN IMMEDIATE", "PRAGMA user_version=3"};
    for (size_t i = 0; i < 3; i++) {
        statement_init(&h, &s, sql[i]);
        statement_execute(&s, conn);
        harness_wait(&h);
        assert_true(!s.exec.outcome.ok && s.exec.outcome.needs_writer);
        statement_fini(&s);
    }
    expect_run(&h, conn, "SELECT count(*) FROM t", "", "0;");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_refuses_what_would_reach_beyond_the_database(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    expect_run(&h, conn, "ATTACH '/etc/passwd' AS x", "0A000", "");
    expect_run(&h, conn, "PRAGMA query_only=0", "0A000", "");
    expect_run(&h, conn, "PRAGMA writable_schema=1", "0A000", "");
    expect_run(&h, conn, "SELECT load_extension('x')", "0A000", "");
    expect_run(&h, conn, "CREATE TEMP TABLE x(n)", "0A000", "");
    expect_run(&h, conn, "SELEC 1", "42601", "");
    expect_run(&h, conn, "SELECT 1; SELECT 2", "42601", "");
    expect_run(&h, conn, "SELECT 1; -- and no more", "", "1;");
    expect_run(&h, conn, " /* nothing */ ", "", "");
    expect_run(&h, conn, "SELECT nope()", "42883", "");
    expect_run(&h, conn, "SELECT nope", "42703", "");
    expect_run(&h, conn, "PRAGMA foreign_keys", "", "1;");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_million_rows_come_in_bounded_chunks(void **state)
{
    (void)state;
    harness h;
    statement s;
    uint64_t rows = 0;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    statement_init(&h, &s, MILLION);
    s.exec.cheap = true; /* runs over its budget or fills a chunk first: right either way */
    statement_execute(&s, conn);
    harness_wait(&h);
    while (s.exec.outcome.suspended) {
        rows += s.exec.outcome.rows;
        assert_true(s.exec.out.len < 70000);
        weir_buf_clear(&s.exec.out);
        statement_resume(&s, conn);
        harness_wait(&h);
    }
    assert_true(s.exec.outcome.ok);
    assert_int_equal(rows + s.exec.outcome.rows, 1000000);
    statement_fini(&s);
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_statement_over_its_budget_moves_to_an_executor(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    statement_init(&h, &s,
                   "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 100000) "
                   "SELECT max(n) FROM c");
    s.exec.cheap = true;
    statement_execute(&s, conn);
    assert_int_equal(s.told, 0);
    harness_wait(&h);
    assert_true(weir_slice_eq_cstr(weir_buf_slice(&s.exec.out), "100000;"));
    statement_fini(&s);
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_deadline_ends_an_endless_statement(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    statement_init(&h, &s, ENDLESS);
    s.exec.deadline = weir_loop_clock(h.loop) + 20 * WEIR_MS;
    statement_execute(&s, conn);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "57014");
    statement_fini(&s);
    expect_run(&h, conn, "SELECT 1", "", "1;");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

/* HAZARDS wire 9: a cancel never reaches a later statement. */
static void test_cancel_never_hits_the_next_statement(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    for (int i = 0; i < 200; i++) {
        statement_init(&h, &s, i % 2 ? ENDLESS : "SELECT 1");
        statement_execute(&s, conn);
        conn->ops->cancel(conn);
        harness_wait(&h);
        if (i % 2)
            assert_string_equal(s.exec.outcome.error.sqlstate, "57014");
        statement_fini(&s);
        conn->ops->cancel(conn); /* nothing runs */
        expect_run(&h, conn, "SELECT 1", "", "1;");
    }
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_suspended_statement_can_be_given_up_beside_another(void **state)
{
    (void)state;
    harness h;
    statement a;
    statement b;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    statement_init(&h, &a, MILLION);
    statement_execute(&a, conn);
    harness_wait(&h);
    assert_true(a.exec.outcome.suspended);
    assert_int_equal(conn->ops->clean(conn), WEIR_CONN_DIRTY);
    statement_init(&h, &b, MILLION);
    statement_execute(&b, conn);
    conn->ops->finish(conn, &a.exec);
    harness_wait(&h);
    assert_true(b.exec.outcome.suspended);
    conn->ops->finish(conn, &b.exec);
    assert_int_equal(conn->ops->clean(conn), WEIR_CONN_CLEAN);
    statement_fini(&a);
    statement_fini(&b);
    harness_close_reader(&h, conn);
    harness_close(&h);
}

static void test_describe_sees_a_changed_schema(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    weir_conn *conn = harness_reader(&h);
    expect_write(&h, "CREATE TABLE t(a INTEGER)", "", "");
    expect_run(&h, conn, "SELECT * FROM t", "", "");
    expect_write(&h, "DROP TABLE t", "", "");
    expect_write(&h, "CREATE VIEW t AS SELECT 1, ?1 WHERE 0", "42000", NULL);
    expect_run(&h, conn, "SELECT * FROM t", "42P01", "");
    statement_init(&h, &s, "SELECT 1 WHERE $1 = $3");
    s.exec.mode = WEIR_EXEC_DESCRIBE;
    statement_execute(&s, conn);
    harness_wait(&h);
    assert_true(s.exec.outcome.ok && s.exec.outcome.returned_rows && s.exec.read_only);
    assert_int_equal(s.exec.param_total, 3);
    statement_fini(&s);
    harness_close_reader(&h, conn);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_with_parameters_by_number),
        cmocka_unit_test(test_reader_refuses_what_may_write),
        cmocka_unit_test(test_refuses_what_would_reach_beyond_the_database),
        cmocka_unit_test(test_million_rows_come_in_bounded_chunks),
        cmocka_unit_test(test_statement_over_its_budget_moves_to_an_executor),
        cmocka_unit_test(test_deadline_ends_an_endless_statement),
        cmocka_unit_test(test_cancel_never_hits_the_next_statement),
        cmocka_unit_test(test_suspended_statement_can_be_given_up_beside_another),
        cmocka_unit_test(test_describe_sees_a_changed_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
