/* The reports on the cache, over a real engine whose backend's history is told by hand: one thread
 * is the worker, the clock is a variable. */
#include "engine/report.h"
#include "failalloc.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct rig {
    engine_rig base;
    weir_engine *engine;
    weir_worker *worker;
    weir_database *database;
    weir_session session;
} rig;

static void look(rig *t, bool others)
{
    t->base.follower->looked(t->base.follower->user, t->base.now, others);
}

static void rig_init(rig *t, bool cached)
{
    weir_cache_options options = {.slots = 1024,
                                  .flights_max = 10,
                                  .waiters_max = 10,
                                  .settings = {.enabled = true,
                                               .size_max = 1 << 20,
                                               .entry_max = 1 << 16,
                                               .bound = WEIR_SECOND,
                                               .consistency = WEIR_CONSISTENCY_STRICT}};
    *t = (rig){0};
    engine_rig_init(&t->base, cached ? &options : NULL);
    t->engine = t->base.engine;
    t->worker = t->base.worker[0];
    t->database = engine_rig_add(&t->base, "*", "app");
    engine_rig_open(&t->base, &t->session, 0, t->database);
    if (cached)
        look(t, false);
}

static void rig_fini(rig *t)
{
    weir_session_close(&t->session);
    engine_rig_fini(&t->base);
}

/* ---- statements ---- */

/* As SQLite would tell of a plain read that depends on nothing. */
static void publish(rig *t, const weir_statement *statement, const char *text)
{
    weir_lexed lexed;
    weir_footprint *f = NULL;
    weir_lexed_init(&lexed);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE, weir_slice_cstr(text), &lexed), 0);
    assert_int_equal(weir_sql_footprint_lexed(&lexed, &f), 0);
    weir_lexed_fini(&lexed);
    f->kind = WEIR_KIND_READ;
    f->refusal = WEIR_REFUSAL_NONE;
    f->fingerprint = 7;
    const weir_template *template = weir_template_find(
        weir_engine_templates(t->engine), statement->template_id, statement->template_serial);
    assert_non_null(template);
    weir_template_publish(template, weir_worker_epoch(t->worker), f);
}

static weir_ask ask_for(rig *t, const char *text, weir_statement *statement)
{
    weir_session_understand(&t->session, weir_slice_cstr(text), statement);
    weir_buf *identity = weir_session_begin_identity(&t->session);
    assert_int_equal(weir_buf_append(identity, weir_slice_cstr(text)), 0);
    return (weir_ask){.statement = statement, .text = weir_slice_cstr(text)};
}

/* Asks, misses, runs, and the answer is kept. */
static void fill_one(rig *t, const char *text, size_t size, uint64_t rows)
{
    weir_statement statement;
    weir_fill fill = {0};
    static uint8_t bytes[8192];
    weir_session_understand(&t->session, weir_slice_cstr(text), &statement);
    publish(t, &statement, text);
    weir_ask ask = ask_for(t, text, &statement);
    assert_null(weir_session_find_answer(&t->session));
    assert_int_equal(weir_session_begin_fill(&t->session, &ask, &fill), WEIR_FILL_LEAD);
    weir_fill_add(&fill, weir_slice_make(bytes, size));
    weir_fill_finish(&fill, 0, rows, 7);
}

static bool hits(rig *t, const char *text)
{
    weir_statement statement;
    (void)ask_for(t, text, &statement);
    const weir_entry *entry = weir_session_find_answer(&t->session);
    if (entry)
        weir_session_record_hit(&t->session, entry, t->base.now);
    return entry != NULL;
}

/* ---- reports ---- */

static void report(rig *t, const char *name, weir_report *ret)
{
    engine_rig_report(&t->base, name, ret);
    assert_int_equal(weir_report_error(ret), 0);
}

static void test_cache_shows_the_whole_and_each_database(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, true);
    fill_one(&t, "select 1", 100, 1);
    assert_true(hits(&t, "select 1"));
    assert_true(hits(&t, "select 1"));
    t.base.follower->committed(t.base.follower->user, NULL, 0, false);
    t.base.now += 30 * WEIR_MS;
    report(&t, "cache", &r);
    assert_int_equal(r.rows, 2);
    engine_rig_cell(&r, 0, "database", "(all)");
    engine_rig_cell(&r, 0, "tier", "memory");
    engine_rig_cell(&r, 0, "hits", "2");
    engine_rig_cell(&r, 0, "misses", "1");
    engine_rig_cell(&r, 0, "hit_ratio", "0.666667");
    engine_rig_cell(&r, 0, "entries", "1");
    engine_rig_cell(&r, 0, "bytes_max", "1048576");
    engine_rig_cell(&r, 0, "kept", "1");
    engine_rig_cell(&r, 0, "flushes", "0");
    engine_rig_cell(&r, 0, "commits", NULL);
    engine_rig_cell(&r, 1, "database", "app");
    engine_rig_cell(&r, 1, "hits", "2");
    engine_rig_cell(&r, 1, "followed", "1");
    engine_rig_cell(&r, 1, "looked_ms_ago", "30");
    engine_rig_cell(&r, 1, "commits", "1");
    engine_rig_cell(&r, 1, "other_commits", "0");
    engine_rig_cell(&r, 1, "entries", NULL);
    weir_report_fini(&r);
    report(&t, "statements", &r);
    engine_rig_cell(&r, 0, "cache_hits", "2");
    engine_rig_cell(&r, 0, "cache_fills", "1");
    weir_report_fini(&r);
    rig_fini(&t);
}

static void test_cache_counts_others_and_flushes(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, true);
    fill_one(&t, "select 1", 10, 1);
    look(&t, true);
    assert_false(hits(&t, "select 1"));
    fill_one(&t, "select 2", 10, 1);
    weir_engine_flush(t.engine, NULL);
    assert_false(hits(&t, "select 2"));
    report(&t, "cache", &r);
    engine_rig_cell(&r, 0, "entries", "0");
    engine_rig_cell(&r, 0, "flushed", "2");
    engine_rig_cell(&r, 0, "flushes", "1");
    engine_rig_cell(&r, 1, "other_commits", "1");
    weir_report_fini(&r);
    rig_fini(&t);
}

static void test_cache_misses_are_counted_by_reason(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, true);
    fill_one(&t, "select 1", 10, 1);
    weir_session_count_miss(&t.session, WEIR_MISS_TRANSACTION);
    weir_session_count_miss(&t.session, WEIR_MISS_REFUSED + WEIR_REFUSAL_VOLATILE);
    weir_session_count_miss(&t.session, WEIR_MISS_REFUSED + WEIR_REFUSAL_VOLATILE);
    report(&t, "cache_misses", &r);
    assert_int_equal(r.rows, 3);
    engine_rig_cell(&r, 0, "reason", "absent");
    engine_rig_cell(&r, 1, "reason", "transaction");
    engine_rig_cell(&r, 1, "share", "0.250000");
    engine_rig_cell(&r, 2, "database", "app");
    engine_rig_cell(&r, 2, "reason", "volatile");
    engine_rig_cell(&r, 2, "count", "2");
    engine_rig_cell(&r, 2, "meaning", "it calls a function whose answer changes");
    weir_report_fini(&r);
    rig_fini(&t);
}

static void test_cache_entries_are_the_largest(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, true);
    fill_one(&t, "select 1 as middle", 2000, 2);
    fill_one(&t, "select 1 as smallest", 10, 1);
    fill_one(&t, "select 1 as largest", 8000, 3);
    t.base.now += 500 * WEIR_MS;
    report(&t, "cache_entries", &r);
    assert_int_equal(r.rows, 3);
    engine_rig_cell(&r, 0, "statement", "select ? as largest");
    engine_rig_cell(&r, 0, "database", "app");
    engine_rig_cell(&r, 0, "rows", "3");
    engine_rig_cell(&r, 0, "age_seconds", "0.500000000");
    engine_rig_cell(&r, 0, "expires_seconds", NULL);
    engine_rig_cell(&r, 0, "dependencies", "0");
    engine_rig_cell(&r, 1, "statement", "select ? as middle");
    engine_rig_cell(&r, 2, "statement", "select ? as smallest");
    weir_report_fini(&r);
    rig_fini(&t);
}

static void test_cache_entries_are_bounded(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, true);
    for (unsigned i = 0; i < 150; i++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "select %u", i);
        fill_one(&t, text, 10 + (size_t)(i * 37 % 150) * 50, i);
    }
    report(&t, "cache_entries", &r);
    assert_int_equal(r.rows, 100);
    int column = weir_report_column_find(&r, "bytes");
    weir_slice cell;
    size_t pos = 0;
    long long before = INT64_MAX;
    for (unsigned i = 0; weir_report_next(&r, &pos, &cell); i++) {
        if (i % r.column_count != (unsigned)column)
            continue;
        char text[24];
        (void)snprintf(text, sizeof(text), "%.*s", (int)cell.len, (const char *)cell.data);
        long long now = strtoll(text, NULL, 10);
        assert_true(now <= before && now > 2400);
        before = now;
    }
    weir_report_fini(&r);
    rig_fini(&t);
}

static void test_reports_stand_without_a_cache(void **state)
{
    (void)state;
    rig t;
    weir_report r;
    rig_init(&t, false);
    report(&t, "cache", &r);
    assert_int_equal(r.rows, 2);
    engine_rig_cell(&r, 0, "hits", "0");
    engine_rig_cell(&r, 0, "hit_ratio", NULL);
    engine_rig_cell(&r, 1, "followed", "0");
    engine_rig_cell(&r, 1, "looked_ms_ago", NULL);
    weir_report_fini(&r);
    report(&t, "cache_misses", &r);
    assert_int_equal(r.rows, 0);
    weir_report_fini(&r);
    report(&t, "cache_entries", &r);
    assert_int_equal(r.rows, 0);
    weir_report_fini(&r);
    rig_fini(&t);
}

static void all_reports(void *user)
{
    rig *t = user;
    for (const weir_report_source *const *all = weir_engine_reports; *all; all++) {
        weir_report r;
        weir_report_init(&r, (*all)->columns, (*all)->column_count, WEIR_REPORT_SIZE_MAX);
        (*all)->fill(&r, t->engine, t->worker);
        assert_true(weir_report_error(&r) == (weir_failalloc_failed() ? r.error : 0));
        weir_report_fini(&r);
    }
}

static void test_cache_reports_survive_every_failed_allocation(void **state)
{
    (void)state;
    rig t;
    rig_init(&t, true);
    fill_one(&t, "select 1", 100, 1);
    assert_true(hits(&t, "select 1"));
    (void)weir_failalloc_each(200, all_reports, &t);
    rig_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_shows_the_whole_and_each_database),
        cmocka_unit_test(test_cache_counts_others_and_flushes),
        cmocka_unit_test(test_cache_misses_are_counted_by_reason),
        cmocka_unit_test(test_cache_entries_are_the_largest),
        cmocka_unit_test(test_cache_entries_are_bounded),
        cmocka_unit_test(test_reports_stand_without_a_cache),
        cmocka_unit_test(test_cache_reports_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
