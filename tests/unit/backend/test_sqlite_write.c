/* Group commit: every acknowledged write is there exactly once, whatever its neighbours do. */
#include "harness.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITES 200

/* Holds the writer, queues all, lets go: they meet in groups. */
static void write_together(harness *h, statement *s, const char *const *sql, size_t count)
{
    claimer c;
    claimer_init(h, &c, WEIR_TIME_NEVER);
    h->pending++;
    h->backend->ops->claim(h->backend, h->loop, &c.claim);
    harness_wait(h);
    assert_non_null(c.conn);
    for (size_t i = 0; i < count; i++) {
        statement_init(h, &s[i], sql[i]);
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    h->backend->ops->unclaim(h->backend, c.conn);
    harness_wait(h);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(s[i].told, 1);
}

static void fini_all(statement *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        statement_fini(&s[i]);
}

static void test_group_keeps_each_write_exactly_once(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    static statement s[WRITES];
    const char *sql[WRITES];
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    for (size_t i = 0; i < WRITES; i++)
        sql[i] = "INSERT INTO t VALUES (1) RETURNING n";
    write_together(&h, s, sql, WRITES);
    for (size_t i = 0; i < WRITES; i++) {
        assert_true(s[i].exec.outcome.ok);
        assert_int_equal(s[i].exec.outcome.changes, 1);
        assert_true(weir_slice_eq_cstr(weir_buf_slice(&s[i].exec.out), "1;"));
    }
    fini_all(s, WRITES);
    expect_write(&h, "SELECT count(*) FROM t", "", "200;");
    harness_close(&h);
}

static void test_failing_member_fails_alone(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    statement s[4];
    const char *sql[] = {"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)",
                         "INSERT INTO nowhere VALUES (1)", "INSERT INTO t VALUES (2)"};
    expect_write(&h, "CREATE TABLE t(n PRIMARY KEY)", "", "");
    write_together(&h, s, sql, 4);
    assert_string_equal(s[0].exec.outcome.error.sqlstate, "");
    assert_string_equal(s[1].exec.outcome.error.sqlstate, "23505");
    assert_string_equal(s[2].exec.outcome.error.sqlstate, "42P01");
    assert_string_equal(s[3].exec.outcome.error.sqlstate, "");
    fini_all(s, 4);
    expect_write(&h, "SELECT n FROM t ORDER BY n", "", "1;2;");
    harness_close(&h);
}

static void test_member_that_rolls_back_does_not_take_the_others_along(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    statement s[4];
    const char *sql[] = {"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (-1)",
                         "INSERT INTO t VALUES (2)", "INSERT OR ROLLBACK INTO t VALUES (2)"};
    expect_write(&h, "CREATE TABLE t(n UNIQUE)", "", "");
    expect_write(&h,
                 "CREATE TRIGGER r BEFORE INSERT ON t WHEN new.n < 0 BEGIN "
                 "SELECT RAISE(ROLLBACK, 'negative'); END",
                 "", "");
    write_together(&h, s, sql, 4);
    assert_string_equal(s[1].exec.outcome.error.sqlstate, "23000");
    assert_string_equal(s[1].exec.outcome.error.message, "negative");
    assert_string_equal(s[3].exec.outcome.error.sqlstate, "23505");
    assert_true(s[0].exec.outcome.ok && s[2].exec.outcome.ok);
    fini_all(s, 4);
    expect_write(&h, "SELECT n FROM t ORDER BY n", "", "1;2;");
    harness_close(&h);
}

static void test_deferred_key_fails_only_its_own_member(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    statement s[3];
    const char *sql[] = {"INSERT INTO c VALUES (1)", "INSERT INTO c VALUES (7)",
                         "INSERT INTO c VALUES (1)"};
    expect_write(&h, "CREATE TABLE p(id INTEGER PRIMARY KEY)", "", "");
    expect_write(&h, "CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)", "", "");
    expect_write(&h, "INSERT INTO p VALUES (1)", "", "");
    write_together(&h, s, sql, 3);
    assert_true(s[0].exec.outcome.ok && s[2].exec.outcome.ok);
    assert_string_equal(s[1].exec.outcome.error.sqlstate, "23503");
    fini_all(s, 3);
    expect_write(&h, "SELECT p FROM c", "", "1;1;");
    harness_close(&h);
}

static void test_rows_that_do_not_fit_undo_their_write(void **state)
{
    (void)state;
    harness h;
    statement s;
    harness_open(&h, NULL);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    statement_init(&h, &s, "INSERT INTO t VALUES (zeroblob(10)), (2) RETURNING n, n, n");
    s.exec.result_size_max = 4;
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "54000");
    statement_fini(&s);
    expect_write(&h, "SELECT count(*) FROM t", "", "0;");
    harness_close(&h);
}

static void test_what_cannot_share_a_transaction_runs_alone(void **state)
{
    (void)state;
    harness h;
    harness_open(&h, NULL);
    statement s[3];
    const char *sql[] = {"INSERT INTO t VALUES (1)", "/* now */ VACUUM",
                         "INSERT INTO t VALUES (2)"};
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    write_together(&h, s, sql, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(s[i].exec.outcome.error.message, "");
    fini_all(s, 3);
    expect_write(&h, "BEGIN", "25000", "");
    expect_write(&h, "VACUUM INTO '/tmp/weir-never.db'", "0A000", "");
    harness_close(&h);
}

static void count_acknowledged(statement *s)
{
    assert_true(s->exec.outcome.ok);
    char one = '1';
    if (write(*(int *)s->h->opened, &one, 1) != 1)
        _exit(1);
    s->exec.outcome = (weir_outcome){0};
    statement_write(s, WEIR_TIME_NEVER);
}

/* Writes for ever, a byte into the pipe per acknowledgement. */
static void write_until_killed(const char *path, int fd)
{
    harness h;
    weir_sqlite_options o = {.path = path, .executors = 1, .synchronous_full = true};
    static statement s[8];
    harness_open(&h, &o);
    h.opened = (weir_conn *)(void *)&fd;
    for (size_t i = 0; i < 8; i++) {
        statement_init(&h, &s[i], "INSERT INTO t VALUES (1)");
        s[i].then = count_acknowledged;
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    harness_wait(&h);
}

static void test_acknowledged_writes_survive_kill_9(void **state)
{
    (void)state;
    harness h;
    char path[128];
    char sql[64];
    char bytes[4096];
    int fds[2];
    char dir[] = "/tmp/weir-kill-XXXXXX";
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/k.db", dir);
    weir_sqlite_options o = {.path = path, .executors = 1};
    harness_open(&h, &o);
    expect_write(&h, "CREATE TABLE t(n)", "", "");
    harness_close(&h);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        write_until_killed(path, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    size_t acknowledged = 0;
    ssize_t n;
    while (acknowledged < 200 && (n = read(fds[0], bytes, sizeof(bytes))) > 0)
        acknowledged += (size_t)n;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
        acknowledged += (size_t)n;
    close(fds[0]);
    harness_open(&h, &o);
    snprintf(sql, sizeof(sql), "SELECT count(*) >= %zu FROM t", acknowledged);
    expect_write(&h, sql, "", "1;");
    expect_write(&h, "PRAGMA integrity_check", "", "ok;");
    harness_close(&h);
    snprintf(sql, sizeof(sql), "rm -rf %s", dir);
    assert_int_equal(system(sql), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_keeps_each_write_exactly_once),
        cmocka_unit_test(test_failing_member_fails_alone),
        cmocka_unit_test(test_member_that_rolls_back_does_not_take_the_others_along),
        cmocka_unit_test(test_deferred_key_fails_only_its_own_member),
        cmocka_unit_test(test_rows_that_do_not_fit_undo_their_write),
        cmocka_unit_test(test_what_cannot_share_a_transaction_runs_alone),
        cmocka_unit_test(test_acknowledged_writes_survive_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
