/* Report tables, and the statistics that the engine's own reports show. The engine runs here
 * without loops: one thread is all workers, the clock is a variable, the backend does nothing. */
#include "engine/report.h"
#include "failalloc.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the table ---- */

static const weir_report_column columns[] = {{"name", WEIR_REPORT_TEXT},
                                             {"count", WEIR_REPORT_INT}};

static void test_cells_come_back_in_order(void **state)
{
    (void)state;
    weir_report r;
    weir_slice cell;
    size_t pos = 0;
    weir_report_init(&r, columns, 2, 4096);
    weir_report_slice(&r, weir_slice_make("a\0b", 3));
    weir_report_int(&r, INT64_MIN);
    weir_report_text(&r, NULL);
    weir_report_text(&r, "");
    assert_int_equal(weir_report_error(&r), 0);
    assert_int_equal(r.rows, 2);
    static const char *const want[] = {"a b", "-9223372036854775808", NULL, ""};
    for (size_t i = 0; i < 4; i++) {
        assert_true(weir_report_next(&r, &pos, &cell));
        assert_int_equal(cell.data == NULL, want[i] == NULL);
        if (want[i])
            assert_true(weir_slice_eq_cstr(cell, want[i]));
    }
    assert_false(weir_report_next(&r, &pos, &cell));
    assert_int_equal(weir_report_column_find(&r, "count"), 1);
    assert_int_equal(weir_report_column_find(&r, "counts"), -1);
    weir_report_fini(&r);
}

static void test_a_full_report_says_so_and_stays_whole(void **state)
{
    (void)state;
    weir_report r;
    weir_slice cell;
    size_t pos = 0, cells = 0;
    weir_report_init(&r, columns, 2, 100);
    for (int i = 0; i < 50; i++) {
        weir_report_text(&r, "twelve bytes");
        weir_report_int(&r, i);
    }
    assert_int_equal(weir_report_error(&r), -EMSGSIZE);
    while (weir_report_next(&r, &pos, &cell))
        cells++;
    assert_true(cells / 2 == r.rows && r.rows > 0);
    weir_report_fini(&r);
}

/* ---- an engine ---- */

/* One statement that took so long, on a session of its own. */
static void say(engine_rig *t, unsigned worker, weir_database *d, const char *text, weir_time took,
                uint64_t rows, const char *sqlstate)
{
    weir_session s = {0};
    weir_statement st;
    weir_error err;
    assert_int_equal(weir_session_open(&s, t->worker[worker], d, weir_slice_cstr("u"),
                                       &engine_rig_no_events, &err),
                     0);
    assert_int_equal(weir_pools_sessions(weir_database_pools(d)), 1);
    weir_session_understand(&s, weir_slice_cstr(text), &st);
    weir_time started = t->now;
    t->now += took;
    weir_session_record(&s, &st, WEIR_TARGET_PRIMARY, started, rows, sqlstate);
    weir_session_count_transaction(&s);
    weir_session_count_bytes(&s, 10, 20);
    weir_session_close(&s);
    assert_int_equal(weir_pools_sessions(weir_database_pools(d)), 0);
}

static void test_statements_sum_the_workers_and_order_by_time(void **state)
{
    (void)state;
    engine_rig t;
    weir_report r;
    engine_rig_init(&t, NULL);
    weir_database *d = engine_rig_add(&t, "*", "app");
    for (int i = 0; i < 10; i++)
        say(&t, (unsigned)i % 2, d, "SELECT a FROM t WHERE b = 7", WEIR_MS, 3, "");
    say(&t, 0, d, "UPDATE t SET a = 1", 2 * WEIR_SECOND, 1, "");
    say(&t, 1, d, "UPDATE t SET a = 2", WEIR_SECOND / 2, 0, "40001");
    engine_rig_report(&t, "statements", &r);
    assert_int_equal(weir_report_error(&r), 0);
    assert_int_equal(r.rows, 2);
    engine_rig_cell(&r, 0, "kind", "write");
    engine_rig_cell(&r, 0, "calls", "2");
    engine_rig_cell(&r, 0, "errors", "1");
    engine_rig_cell(&r, 0, "total_seconds", "2.500000000");
    engine_rig_cell(&r, 0, "mean_seconds", "1.250000000");
    engine_rig_cell(&r, 0, "max_seconds", "2.000000000");
    engine_rig_cell(&r, 0, "p95_seconds", "2.000000000");
    engine_rig_cell(&r, 1, "calls", "10");
    engine_rig_cell(&r, 1, "rows", "30");
    engine_rig_cell(&r, 1, "p95_seconds", "0.001000000");
    weir_report_fini(&r);
    engine_rig_fini(&t);
}

static void test_stats_are_microseconds_and_count_what_passed(void **state)
{
    (void)state;
    engine_rig t;
    weir_report r;
    engine_rig_init(&t, NULL);
    weir_database *d = engine_rig_add(&t, "*", "app");
    say(&t, 0, d, "SELECT 1", 4 * WEIR_SECOND, 1, "");
    say(&t, 1, d, "SELECT 2", 0, 1, "22012");
    engine_rig_report(&t, "stats", &r);
    engine_rig_cell(&r, 0, "database", "app");
    engine_rig_cell(&r, 0, "total_xact_count", "2");
    engine_rig_cell(&r, 0, "total_query_count", "2");
    engine_rig_cell(&r, 0, "total_received", "20");
    engine_rig_cell(&r, 0, "total_sent", "40");
    engine_rig_cell(&r, 0, "total_query_time", "4000000");
    engine_rig_cell(&r, 0, "avg_recv", "5");
    engine_rig_cell(&r, 0, "avg_query_time", "2000000");
    engine_rig_cell(&r, 0, "total_errors", "1");
    engine_rig_cell(&r, 0, "total_slow", "1");
    weir_report_fini(&r);
    engine_rig_fini(&t);
}

static void test_labels_are_unique(void **state)
{
    (void)state;
    engine_rig t;
    engine_rig_init(&t, NULL);
    weir_database *any = engine_rig_add(&t, "*", "app");
    assert_string_equal(weir_database_label(any), "app");
    weir_database *app = engine_rig_add(&t, "app", "app");
    weir_database *other = engine_rig_add(&t, "other", "app");
    assert_string_equal(weir_database_label(any), "*");
    assert_string_equal(weir_database_label(app), "app");
    assert_string_equal(weir_database_label(other), "other");
    engine_rig_fini(&t);
}

static void test_a_pool_made_during_a_pause_is_paused(void **state)
{
    (void)state;
    engine_rig t;
    engine_rig_init(&t, NULL);
    weir_database *d = engine_rig_add(&t, "app", NULL);
    weir_engine_pause(t.engine, d, true);
    weir_session s = {0};
    weir_error err;
    weir_report r;
    assert_int_equal(
        weir_session_open(&s, t.worker[0], d, weir_slice_cstr("u"), &engine_rig_no_events, &err),
        0);
    assert_int_equal(weir_session_borrow(&s, WEIR_ROLE_READ, &err), WEIR_SESSION_WAIT);
    engine_rig_report(&t, "pools", &r);
    engine_rig_cell(&r, 0, "cl_waiting", "1");
    engine_rig_cell(&r, 0, "open_failures", "0");
    weir_report_fini(&r);
    engine_rig_report(&t, "databases", &r);
    engine_rig_cell(&r, 0, "paused", "1");
    weir_report_fini(&r);
    weir_session_close(&s);
    weir_engine_pause(t.engine, NULL, false);
    assert_false(weir_database_paused(d));
    engine_rig_fini(&t);
}

static void fill_all(void *user)
{
    engine_rig *t = user;
    for (const weir_report_source *const *all = weir_engine_reports; *all; all++) {
        const weir_report_source *s = *all;
        weir_report r;
        weir_report_init(&r, s->columns, s->column_count, WEIR_REPORT_SIZE_MAX);
        s->fill(&r, t->engine, t->worker[0]);
        assert_true(weir_report_error(&r) == (weir_failalloc_failed() ? r.error : 0));
        weir_report_fini(&r);
    }
}

static void test_reports_survive_every_failed_allocation(void **state)
{
    (void)state;
    engine_rig t;
    engine_rig_init(&t, NULL);
    weir_database *d = engine_rig_add(&t, "*", "app");
    say(&t, 0, d, "SELECT 1", WEIR_MS, 1, "");
    (void)weir_failalloc_each(200, fill_all, &t);
    engine_rig_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_come_back_in_order),
        cmocka_unit_test(test_a_full_report_says_so_and_stays_whole),
        cmocka_unit_test(test_statements_sum_the_workers_and_order_by_time),
        cmocka_unit_test(test_stats_are_microseconds_and_count_what_passed),
        cmocka_unit_test(test_labels_are_unique),
        cmocka_unit_test(test_a_pool_made_during_a_pause_is_paused),
        cmocka_unit_test(test_reports_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
