/* What the follower hears and when: commits before their outcomes, rollbacks never, and the commits
 * of other processes before any refusal that they caused. */
#include "recorder.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static harness h;
static recorder r;

static int set_up(void **state)
{
    (void)state;
    h = (harness){0};
    recorder_open(&r, &h, 20 * WEIR_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    recorder_close(&r, &h);
    return 0;
}

static void write_ok(const char *sql)
{
    expect_write(&h, sql, "", NULL);
}

/* A table whose column is tracked; nothing is reported so far. */
static void make_table(void)
{
    write_ok("CREATE TABLE t(a INTEGER PRIMARY KEY)");
    recorder_track(&r, &h, "t", "a");
    recorder_forget(&r);
}

static weir_conn *claim(claimer *c)
{
    claimer_init(&h, c, WEIR_TIME_NEVER);
    h.pending++;
    h.backend->ops->claim(h.backend, h.loop, &c->claim);
    harness_wait(&h);
    assert_non_null(c->conn);
    return c->conn;
}

static weir_conn *upgrade(claimer *c, weir_conn *reader)
{
    claimer_init(&h, c, WEIR_TIME_NEVER);
    h.pending++;
    weir_sqlite_upgrade(h.backend, reader, &c->claim);
    harness_wait(&h);
    assert_ptr_equal(c->conn, reader);
    return c->conn;
}

static void give_back(weir_conn *conn)
{
    h.backend->ops->unclaim(h.backend, conn);
}

/* An upgraded reader is one again when this returns. */
static void give_back_reader(weir_conn *conn)
{
    h.backend->ops->unclaim(h.backend, conn);
    h.pending++;
    assert_int_equal(conn->ops->clean(conn), WEIR_CONN_LATER);
    harness_wait(&h);
}

static void run(weir_conn *conn, const char *sql)
{
    expect_run(&h, conn, sql, "", NULL);
}

static void other_process(const char *sql)
{
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(h.path, &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 5000);
    assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

/* A look every hour: only what statements make looked at is. */
static void look_seldom(void)
{
    h.backend->ops->follow(h.backend, &r.follower, 3600 * WEIR_SECOND);
    write_ok("SELECT 1");
    recorder_forget(&r);
}

/* ---- commits ---- */

static void check_reported(statement *s)
{
    s->seen = recorder_commits(&r);
}

static void test_commit_is_reported_before_its_outcome(void **state)
{
    (void)state;
    make_table();
    for (int i = 0; i < 50; i++) {
        statement s;
        recorder_forget(&r);
        statement_init(&h, &s, i % 2 ? "DELETE FROM t" : "INSERT INTO t VALUES (1) RETURNING a");
        s.then = check_reported;
        statement_write(&s, WEIR_TIME_NEVER);
        harness_wait(&h);
        assert_int_equal(s.seen, 1);
        expect_changes(&r, "t t.a=1");
        statement_fini(&s);
    }
}

static void test_claims_commit_is_reported_before_its_outcome(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (1)");
    assert_int_equal(recorder_commits(&r), 0);
    statement s;
    statement_init(&h, &s, "COMMIT");
    s.then = check_reported;
    statement_execute(&s, conn);
    harness_wait(&h);
    assert_int_equal(s.seen, 1);
    statement_fini(&s);
    expect_changes(&r, "t t.a=1");
    run(conn, "INSERT INTO t VALUES (2)"); /* autocommit */
    expect_changes(&r, "t t.a=2");
    give_back(conn);
}

static void test_group_reports_all_its_members(void **state)
{
    (void)state;
    claimer c;
    statement s[3];
    const char *sql[] = {"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)",
                         "INSERT INTO t VALUES (2)"};
    make_table();
    weir_conn *conn = claim(&c);
    for (size_t i = 0; i < 3; i++) {
        statement_init(&h, &s[i], sql[i]);
        statement_write(&s[i], WEIR_TIME_NEVER);
    }
    give_back(conn);
    harness_wait(&h);
    assert_true(s[0].exec.outcome.ok && !s[1].exec.outcome.ok && s[2].exec.outcome.ok);
    assert_int_equal(recorder_commits(&r), 1);
    expect_changes(&r, "t t.a=1 t.a=2");
    for (size_t i = 0; i < 3; i++)
        statement_fini(&s[i]);
}

static void test_rollback_reports_nothing(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (1)");
    run(conn, "ROLLBACK");
    run(conn, "BEGIN");
    run(conn, "CREATE TABLE u(a)");
    run(conn, "INSERT INTO t VALUES (1)");
    give_back(conn); /* rolls back */
    conn = claim(&c);
    give_back(conn);
    assert_int_equal(recorder_commits(&r), 0);
    expect_changes(&r, "");
    write_ok("INSERT INTO t VALUES (3)");
    expect_changes(&r, "t t.a=3");
}

static void test_statement_that_rolls_back_reports_nothing(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a INTEGER PRIMARY KEY)");
    write_ok("CREATE TRIGGER g AFTER INSERT ON t WHEN new.a < 0 BEGIN "
             "SELECT RAISE(ROLLBACK, 'negative'); END");
    recorder_track(&r, &h, "t", "a");
    recorder_forget(&r);
    claimer c;
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (1)");
    expect_run(&h, conn, "INSERT INTO t VALUES (-1)", "23000", "");
    run(conn, "INSERT INTO t VALUES (2)");
    give_back(conn);
    expect_write(&h, "INSERT INTO t VALUES (-3)", "23000", "");
    expect_write(&h, "INSERT INTO t VALUES (2)", "23505", "");
    expect_changes(&r, "t t.a=2");
}

static void test_failing_statement_that_keeps_its_first_rows_reports_them(void **state)
{
    (void)state;
    make_table();
    write_ok("INSERT INTO t VALUES (2)");
    recorder_forget(&r);
    expect_write(&h, "INSERT OR FAIL INTO t VALUES (1), (2), (3)", "23505", "");
    expect_changes(&r, "t t.a=1");
}

static void test_failed_commit_keeps_what_it_has_for_the_next(void **state)
{
    (void)state;
    write_ok("CREATE TABLE p(a INTEGER PRIMARY KEY)");
    write_ok("CREATE TABLE t(a INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
    recorder_track(&r, &h, "t", "a");
    recorder_forget(&r);
    claimer c;
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (7)");
    expect_run(&h, conn, "COMMIT", "23503", "");
    assert_int_equal(recorder_commits(&r), 0);
    run(conn, "INSERT INTO p VALUES (7)");
    run(conn, "COMMIT");
    expect_changes(&r, "t t.a=7 p");
    run(conn, "BEGIN");
    run(conn, "INSERT INTO t VALUES (8)");
    expect_run(&h, conn, "COMMIT", "23503", "");
    run(conn, "ROLLBACK");
    give_back(conn);
    expect_write(&h, "INSERT INTO t VALUES (9)", "23503", "");
    assert_int_equal(recorder_commits(&r), 0);
}

static void test_savepoints_drop_what_they_undo(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (1)");
    run(conn, "SAVEPOINT s");
    run(conn, "INSERT INTO t VALUES (2)");
    run(conn, "SAVEPOINT S"); /* the same name, within */
    run(conn, "INSERT INTO t VALUES (3)");
    run(conn, "ROLLBACK TO s"); /* the inner one, which stays */
    run(conn, "INSERT INTO t VALUES (4)");
    run(conn, "ROLLBACK TO \"s\"");
    run(conn, "RELEASE s"); /* the inner one goes */
    run(conn, "SAVEPOINT kept");
    run(conn, "INSERT INTO t VALUES (5)");
    run(conn, "RELEASE kept");
    run(conn, "COMMIT");
    expect_changes(&r, "t t.a=1 t.a=2 t.a=5");
    run(conn, "BEGIN");
    run(conn, "SAVEPOINT outer");
    run(conn, "INSERT INTO t VALUES (6)");
    run(conn, "SAVEPOINT inner");
    run(conn, "INSERT INTO t VALUES (7)");
    run(conn, "ROLLBACK TO outer"); /* both are undone, `inner` is gone */
    expect_run(&h, conn, "ROLLBACK TO inner", "3B001", "");
    run(conn, "INSERT INTO t VALUES (8)");
    run(conn, "COMMIT");
    expect_changes(&r, "t t.a=8");
    run(conn, "SAVEPOINT alone"); /* begins a transaction; its release commits */
    run(conn, "INSERT INTO t VALUES (9)");
    assert_int_equal(recorder_commits(&r), 0);
    run(conn, "RELEASE alone");
    expect_changes(&r, "t t.a=9");
    give_back(conn);
}

/* Hazard: a DDL statement out of the statement cache fails first, rolls back, and is prepared anew.
 */
static void test_the_same_schema_change_again_is_one_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        write_ok("CREATE TABLE again(a)");
        recorder_forget(&r);
        write_ok("ALTER TABLE again ADD COLUMN b");
        expect_everything(&r, true);
        recorder_forget(&r);
        write_ok("DROP TABLE again");
        expect_everything(&r, true);
    }
}

static void test_savepoint_with_a_long_name_drops_nothing(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *conn = claim(&c);
    run(conn, "SAVEPOINT a");
    run(conn, "INSERT INTO t VALUES (1)");
    run(conn, "SAVEPOINT a234567890123456789012345678901234567890123456789012345678901234567890");
    run(conn, "ROLLBACK TO a");
    run(conn, "COMMIT");
    expect_changes(&r, "t t.a=1");
    give_back(conn);
}

static void test_schema_change_that_is_undone_is_not_reported(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *conn = claim(&c);
    run(conn, "SAVEPOINT s");
    run(conn, "ALTER TABLE t RENAME COLUMN a TO b");
    run(conn, "INSERT INTO t VALUES (1)");
    run(conn, "ROLLBACK TO s");
    run(conn, "INSERT INTO t VALUES (2)");
    run(conn, "COMMIT");
    expect_changes(&r, "t t.a=2");
    run(conn, "BEGIN");
    run(conn, "DROP TABLE t");
    run(conn, "CREATE TABLE t(b, a)");
    run(conn, "INSERT INTO t VALUES (1, 2)");
    run(conn, "COMMIT");
    give_back(conn);
    expect_everything(&r, true);
}

static void test_column_tracked_later_is_confirmed_and_reported(void **state)
{
    (void)state;
    write_ok("CREATE TABLE t(a, b)");
    write_ok("INSERT INTO t VALUES (1, 1)");
    recorder_track(&r, &h, "t", "a");
    recorder_forget(&r);
    write_ok("INSERT INTO t VALUES (2, 3)");
    expect_changes(&r, "t t.a=2");
    recorder_track(&r, &h, "t", "b");
    recorder_forget(&r);
    write_ok("INSERT INTO t VALUES (4, 5)");
    expect_changes(&r, "t t.a=4 t.b=5");
}

/* As when a reload switches the cache on. */
static void test_following_may_begin_late(void **state)
{
    (void)state;
    claimer c;
    recorder_close(&r, &h);
    h = (harness){0};
    harness_open(&h, NULL);
    write_ok("CREATE TABLE t(a INTEGER PRIMARY KEY)");
    write_ok("INSERT INTO t VALUES (1)");
    write_ok("DELETE FROM t"); /* prepared without the hook */
    weir_conn *conn = claim(&c);
    run(conn, "INSERT INTO t VALUES (2)");
    recorder_open(&r, &h, WEIR_SECOND); /* not in the midst of a transaction */
    run(conn, "COMMIT");
    give_back(conn);
    recorder_track(&r, &h, "t", "a");
    expect_everything(&r, true); /* that transaction among it */
    write_ok("DELETE FROM t");
    expect_changes(&r, "t t.a=2");
}

/* ---- upgraded readers ---- */

static void prepare(weir_conn *reader, const char *sql)
{
    statement s;
    statement_init(&h, &s, sql);
    statement_execute(&s, reader);
    harness_wait(&h);
    assert_true(s.exec.outcome.needs_writer);
    statement_fini(&s);
}

static void test_upgraded_reader_reports_its_commit_which_is_not_others(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *reader = harness_reader(&h);
    prepare(reader, "DELETE FROM t"); /* while it may not write: still not cleared at once */
    for (int i = 0; i < 3; i++) {
        run(reader, "BEGIN");
        run(reader, "SELECT * FROM t");
        upgrade(&c, reader);
        run(reader, "INSERT INTO t VALUES (1), (2)");
        run(reader, "DELETE FROM t");
        assert_int_equal(recorder_commits(&r), 0);
        run(reader, "COMMIT");
        expect_changes(&r, "t t.a=1 t.a=2");
        give_back_reader(reader);
        write_ok("INSERT INTO t VALUES (3)");
        expect_changes(&r, "t t.a=3");
        write_ok("DELETE FROM t");
        assert_int_equal(recorder_others(&r), 0);
        recorder_forget(&r);
    }
    harness_close_reader(&h, reader);
}

static void test_upgraded_readers_rollback_reports_nothing(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *reader = harness_reader(&h);
    run(reader, "BEGIN");
    upgrade(&c, reader);
    run(reader, "INSERT INTO t VALUES (1)");
    give_back_reader(reader);
    write_ok("INSERT INTO t VALUES (2)");
    expect_changes(&r, "t t.a=2");
    harness_close_reader(&h, reader);
}

static void test_commit_of_others_between_an_upgrade_and_its_write_is_seen(void **state)
{
    (void)state;
    claimer c;
    make_table();
    weir_conn *reader = harness_reader(&h);
    look_seldom();
    run(reader, "BEGIN");
    run(reader, "SELECT * FROM t");
    upgrade(&c, reader);
    run(reader, "SELECT * FROM t");
    other_process("INSERT INTO t VALUES (5)");
    expect_run(&h, reader, "INSERT INTO t VALUES (6)", "40001", "");
    assert_int_equal(recorder_others(&r), 1);
    run(reader, "ROLLBACK");
    give_back_reader(reader);
    harness_close_reader(&h, reader);
}

/* ---- others ---- */

static void note_others(statement *s)
{
    s->seen = recorder_others(&r);
}

static void test_commit_of_others_is_seen_before_a_refusal_is_told(void **state)
{
    (void)state;
    make_table();
    look_seldom();
    other_process("INSERT INTO t VALUES (5)");
    statement s;
    statement_init(&h, &s, "INSERT INTO t VALUES (5) RETURNING a"); /* in a transaction */
    s.then = note_others;
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "23505");
    assert_int_equal(s.seen, 1);
    statement_fini(&s);
    other_process("INSERT INTO t VALUES (6)");
    statement_init(&h, &s, "INSERT INTO t VALUES (6)"); /* by itself */
    s.then = note_others;
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(&h);
    assert_string_equal(s.exec.outcome.error.sqlstate, "23505");
    assert_int_equal(s.seen, 2);
    statement_fini(&s);
    write_ok("INSERT INTO t VALUES (7)");
    assert_int_equal(recorder_others(&r), 2);
}

static void test_commit_of_others_is_seen_when_a_claim_is_granted(void **state)
{
    (void)state;
    claimer c;
    make_table();
    look_seldom();
    other_process("INSERT INTO t VALUES (5)");
    weir_conn *conn = claim(&c);
    assert_int_equal(recorder_others(&r), 1);
    run(conn, "INSERT INTO t VALUES (6)");
    run(conn, "COMMIT");
    other_process("INSERT INTO t VALUES (7)");
    run(conn, "BEGIN IMMEDIATE");
    assert_int_equal(recorder_others(&r), 2);
    give_back(conn);
}

static void test_upgraded_readers_commit_does_not_hide_others(void **state)
{
    (void)state;
    claimer c;
    make_table();
    look_seldom();
    weir_conn *reader = harness_reader(&h);
    run(reader, "BEGIN");
    upgrade(&c, reader);
    run(reader, "INSERT INTO t VALUES (1)");
    run(reader, "COMMIT");
    assert_int_equal(recorder_others(&r), 0);
    other_process("INSERT INTO t VALUES (2)");
    run(reader, "INSERT INTO t VALUES (3)"); /* autocommit: theirs and ours since the last look */
    assert_int_equal(recorder_others(&r), 1);
    run(reader, "BEGIN");
    run(reader, "SELECT * FROM t"); /* a snapshot proves nothing */
    other_process("INSERT INTO t VALUES (4)");
    run(reader, "SELECT 1 FROM t");
    assert_int_equal(recorder_others(&r), 2);
    run(reader, "ROLLBACK");
    give_back_reader(reader);
    harness_close_reader(&h, reader);
}

static void test_idle_writer_sees_others(void **state)
{
    (void)state;
    make_table();
    other_process("INSERT INTO t VALUES (5)");
    while (recorder_others(&r) == 0)
        usleep(1000);
    weir_time at = recorder_looked_at(&r);
    claimer c;
    weir_conn *conn = claim(&c); /* a slow holder does not stop the looks */
    while (recorder_looked_at(&r) == at)
        usleep(1000);
    at = recorder_looked_at(&r);
    while (recorder_looked_at(&r) == at)
        usleep(1000);
    give_back(conn);
}

static void test_long_statement_reports_looks(void **state)
{
    (void)state;
    make_table();
    h.backend->ops->follow(h.backend, &r.follower, WEIR_MS);
    statement s;
    statement_init(&h, &s,
                   "INSERT INTO t SELECT max(i) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                   "SELECT i + 1 FROM n WHERE i < 300000) SELECT i FROM n) RETURNING a");
    recorder_forget(&r);
    statement_write(&s, WEIR_TIME_NEVER);
    harness_wait(&h);
    assert_true(s.exec.outcome.ok);
    statement_fini(&s);
    assert_true(r.looks > 3);
    assert_int_equal(recorder_others(&r), 0);
}

static void test_memory_databases_are_followed(void **state)
{
    (void)state;
    weir_sqlite_options o = {.path = ":memory:", .executors = 1};
    recorder_close(&r, &h);
    h = (harness){0};
    harness_open(&h, &o);
    recorder_open(&r, &h, 5 * WEIR_MS);
    make_table();
    write_ok("INSERT INTO t VALUES (1)");
    write_ok("INSERT INTO t VALUES (2)");
    expect_changes(&r, "t t.a=1 t.a=2");
    weir_time at = recorder_looked_at(&r);
    while (recorder_looked_at(&r) == at)
        usleep(1000);
    assert_int_equal(recorder_others(&r), 0);
}

static void test_read_only_files_are_looked_at(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-readonly-XXXXXX";
    char command[256];
    recorder_close(&r, &h);
    assert_true(mkstemp(path) >= 0);
    h = (harness){0};
    snprintf(h.path, sizeof(h.path), "%s", path);
    other_process("CREATE TABLE t(a)");
    weir_sqlite_options o = {.path = path, .executors = 1, .read_only = true};
    harness_open(&h, &o);
    snprintf(h.path, sizeof(h.path), "%s", path);
    recorder_open(&r, &h, 5 * WEIR_MS);
    while (recorder_looked_at(&r) == 0)
        usleep(1000);
    other_process("INSERT INTO t VALUES (5)");
    while (recorder_others(&r) == 0)
        usleep(1000);
    snprintf(command, sizeof(command), "rm -f %s %s-wal %s-shm", path, path, path);
    assert_int_equal(system(command), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_commit_is_reported_before_its_outcome),
        CASE(test_claims_commit_is_reported_before_its_outcome),
        CASE(test_group_reports_all_its_members),
        CASE(test_rollback_reports_nothing),
        CASE(test_statement_that_rolls_back_reports_nothing),
        CASE(test_failing_statement_that_keeps_its_first_rows_reports_them),
        CASE(test_failed_commit_keeps_what_it_has_for_the_next),
        CASE(test_savepoints_drop_what_they_undo),
        CASE(test_the_same_schema_change_again_is_one_again),
        CASE(test_savepoint_with_a_long_name_drops_nothing),
        CASE(test_schema_change_that_is_undone_is_not_reported),
        CASE(test_column_tracked_later_is_confirmed_and_reported),
        CASE(test_following_may_begin_late),
        CASE(test_upgraded_reader_reports_its_commit_which_is_not_others),
        CASE(test_upgraded_readers_rollback_reports_nothing),
        CASE(test_commit_of_others_between_an_upgrade_and_its_write_is_seen),
        CASE(test_commit_of_others_is_seen_before_a_refusal_is_told),
        CASE(test_commit_of_others_is_seen_when_a_claim_is_granted),
        CASE(test_upgraded_readers_commit_does_not_hide_others),
        CASE(test_idle_writer_sees_others),
        CASE(test_long_statement_reports_looks),
        CASE(test_memory_databases_are_followed),
        CASE(test_read_only_files_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
