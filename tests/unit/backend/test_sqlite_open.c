/* Files that are missing, corrupt, read-only or full, and two backends on one file. */
#include "backend/sqlite/errors.h"
#include "harness.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void refuse(const char *path, int code, const char *sqlstate)
{
    weir_backend *b = NULL;
    weir_error err = {0};
    weir_sqlite_options o = {.path = path, .executors = 1};
    assert_int_equal(weir_sqlite_open(&o, &b, &err), code);
    assert_null(b);
    assert_string_equal(err.sqlstate, sqlstate);
    assert_non_null(strstr(err.message, path));
}

static void test_says_why_a_file_cannot_be_used(void **state)
{
    (void)state;
    harness h;
    char path[128];
    harness_open(&h, NULL);
    refuse("/nowhere/at/all.db", -ENOENT, "58P01");
    refuse(h.dir, -EINVAL, "58P01");
    snprintf(path, sizeof(path), "%s/junk.db", h.dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 2000; i++)
        fputs("this is no database ", f);
    fclose(f);
    refuse(path, -EINVAL, "XX001");
    harness_close(&h);
}

static void test_read_only_refuses_writes_with_25006(void **state)
{
    (void)state;
    harness h;
    harness ro;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    weir_sqlite_options o = {.path = h.path, .executors = 1, .read_only = true};
    harness_open(&ro, &o);
    assert_true(weir_sqlite_read_only(ro.backend));
    expect_write(&ro, "INSERT INTO t VALUES (1)", "25006", "");
    expect_write(&ro, "INSERT INTO t VALUES (1) RETURNING n", "25006", "");
    weir_conn *conn = harness_reader(&ro);
    expect_run(&ro, conn, "SELECT count(*) FROM t", "", "0;");
    harness_close_reader(&ro, conn);
    harness_close(&ro);
    harness_close(&h);
}

static void test_memory_is_shared_by_its_connections(void **state)
{
    (void)state;
    harness h;
    weir_sqlite_options o = {.path = ":memory:", .executors = 1};
    harness_open(&h, &o);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    expect_write(&h, "INSERT INTO t VALUES (4)", "", "");
    weir_conn *conn = harness_reader(&h);
    expect_run(&h, conn, "SELECT n FROM t", "", "4;");
    harness_close_reader(&h, conn);
    harness_close(&h);
}

/* HAZARDS operations: two gateways on one SQLite file. */
static void test_two_backends_on_one_file_take_turns(void **state)
{
    (void)state;
    harness a;
    harness b;
    claimer c;
    statement s;
    harness_open(&a, NULL);
    expect_write(&a, "CREATE TABLE t(n)", "", "");
    weir_sqlite_options o = {.path = a.path, .executors = 1, .busy_timeout = 50 * WEIR_MS};
    harness_open(&b, &o);
    claimer_init(&a, &c, WEIR_TIME_NEVER);
    a.pending++;
    a.backend->ops->claim(a.backend, a.loop, &c.claim);
    harness_wait(&a);
    statement_init(&b, &s, "INSERT INTO t VALUES (1)");
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(&b);
    assert_string_equal(s.exec.outcome.error.sqlstate, "55P03");
    statement_fini(&s);
    a.backend->ops->unclaim(a.backend, c.conn);
    expect_write(&a, "INSERT INTO t VALUES (2)", "", "");
    expect_write(&b, "INSERT INTO t VALUES (3)", "", "");
    expect_write(&a, "SELECT n FROM t", "", "2;3;");
    harness_close(&b);
    harness_close(&a);
}

static void test_failed_write_to_the_file_keeps_what_was_acknowledged(void **state)
{
    (void)state;
    harness h;
    struct rlimit before;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(b)", "", "");
    expect_write(&h, "INSERT INTO t VALUES ('kept')", "", "");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 256 * 1024, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_write(&h, "INSERT INTO t VALUES (zeroblob(1000000))", "53100", "");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_write(&h, "INSERT INTO t VALUES ('again')", "", "");
    expect_write(&h, "SELECT b FROM t", "", "kept;again;");
    harness_close(&h);
}

static void test_errors_have_their_sqlstates(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *message;
        int system_errno;
        const char *sqlstate;
        const char *words;
    } rows[] = {
        {SQLITE_FULL, "database or disk is full", 0, "53100", "disk is full"},
        {SQLITE_IOERR_WRITE, "disk I/O error", ENOSPC, "53100", "disk is full"},
        {SQLITE_IOERR_READ, "disk I/O error", EIO, "58030", "disk I/O error"},
        {SQLITE_CORRUPT, "database disk image is malformed", 0, "XX001", "malformed"},
        {SQLITE_BUSY_SNAPSHOT, "database is locked", 0, "40001", "concurrent update"},
        {SQLITE_BUSY, "database is locked", 0, "55P03", "another process"},
        {SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.a, t.b", 0, "23505",
         "\"t\" (a, b)"},
        {SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: index 'i'", 0, "23505", "\"i\""},
        {SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: t.a", 0, "23502", "\"a\" of"},
        {SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: n > 0", 0, "23514", "n > 0"},
        {SQLITE_ERROR, "near \"x\": syntax error", 0, "42601", "near"},
        {SQLITE_ERROR, "ambiguous column name: a", 0, "42702", "ambiguous"},
        {SQLITE_ERROR, "table t already exists", 0, "42P07", "exists"},
        {SQLITE_TOOBIG, "string or blob too big", 0, "54000", "too big"},
        {SQLITE_NOMEM, "out of memory", 0, "53200", "memory"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        weir_error err = {0};
        weir_sqlite_error_from(rows[i].code, rows[i].message, rows[i].system_errno, &err);
        assert_string_equal(err.sqlstate, rows[i].sqlstate);
        assert_non_null(strstr(err.message, rows[i].words));
    }
}

static void test_a_function_s_error_keeps_its_detail_and_hint(void **state)
{
    (void)state;
    weir_error err = {0};
    weir_sqlite_error_from(SQLITE_ERROR,
                           "weir-error:22003:too large\x1f"
                           "ten at most\x1f"
                           "round it",
                           0, &err);
    assert_string_equal(err.sqlstate, "22003");
    assert_string_equal(err.message, "too large");
    assert_string_equal(err.detail, "ten at most");
    assert_string_equal(err.hint, "round it");
    weir_sqlite_error_from(SQLITE_ERROR, "weir-error:22012:division by zero", 0, &err);
    assert_string_equal(err.message, "division by zero");
    assert_string_equal(err.detail, "");
    assert_string_equal(err.hint, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_have_their_sqlstates),
        cmocka_unit_test(test_a_function_s_error_keeps_its_detail_and_hint),
        cmocka_unit_test(test_says_why_a_file_cannot_be_used),
        cmocka_unit_test(test_read_only_refuses_writes_with_25006),
        cmocka_unit_test(test_memory_is_shared_by_its_connections),
        cmocka_unit_test(test_two_backends_on_one_file_take_turns),
        cmocka_unit_test(test_failed_write_to_the_file_keeps_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
