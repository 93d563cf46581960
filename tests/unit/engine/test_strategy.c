/* What is given although it does not stand, and what is read anew: only where it is declared, and
 * never staler than that. The clock is a variable, the test plays backend and background. */
#include "cache_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const swr =
    "/* weir: cache ttl=10s stale_while_revalidate=5s */ SELECT v FROM t";
static const char *const sie = "/* weir: cache ttl=10s stale_if_error=60s */ SELECT v FROM t";
static const char *const followed =
    "/* weir: stale_while_revalidate=5s stale_if_error=60s */ SELECT v FROM t";
static const char *const ahead = "/* weir: cache ttl=10s refresh_ahead=4s */ SELECT v FROM t";

static void pass(weir_time time)
{
    t->base.now += time;
    rig_look(false);
}

static uint64_t counted(weir_strategy strategy)
{
    weir_cache_stats stats;
    weir_engine_cache_stats(t->engine, &stats);
    return stats.strategies[strategy];
}

/* What session gets when the database answers with this error. */
static void expect_instead(unsigned session, const char *text, const char *sqlstate,
                           const char *answer)
{
    assert_null(rig_find(session, text));
    const weir_entry *e = weir_session_find_instead(&t->session[session], sqlstate);
    assert_int_equal(e != NULL, answer != NULL);
    if (e) {
        assert_int_equal(e->bytes_len, strlen(answer));
        assert_memory_equal(weir_entry_bytes(e).data, answer, e->bytes_len);
    }
}

/* ---- stale while revalidate ---- */

static void test_what_has_expired_is_given_for_the_declared_time_and_read_anew_once(void **state)
{
    (void)state;
    rig_fill(0, swr, "1");
    pass(10 * WEIR_SECOND - 1);
    rig_expect(0, swr, "1");
    assert_int_equal(t->refreshed, 0);
    pass(1);
    rig_expect(0, swr, "1");
    rig_expect(2, swr, "1");
    assert_int_equal(t->refreshed, 1);
    assert_int_equal(t->why, WEIR_STRATEGY_REVALIDATE);
    assert_int_equal(counted(WEIR_STRATEGY_STALE_WHILE), 2);
    pass(5 * WEIR_SECOND);
    rig_expect(0, swr, "1");
    pass(1);
    rig_expect(0, swr, NULL);
}

static void test_nothing_stale_is_given_without_a_declaration(void **state)
{
    (void)state;
    static const char *const plain = "/* weir: cache ttl=10s */ SELECT v FROM t";
    rig_fill(0, plain, "1");
    rig_fill(0, rig_whole, "1");
    pass(10 * WEIR_SECOND);
    expect_instead(0, plain, "08006", NULL);
    rig_commit(rig_relation_id(), 0, false);
    expect_instead(0, rig_whole, "08006", NULL);
    assert_int_equal(t->refreshed, 0);
}

static void test_the_read_in_the_background_replaces_it(void **state)
{
    (void)state;
    rig_fill(0, swr, "1");
    pass(11 * WEIR_SECOND);
    rig_expect(0, swr, "1");
    t->session[1].refreshes = 1;
    rig_fill(1, swr, "2"); /* finds nothing, though it is there */
    assert_int_equal(t->session[1].refreshes, 2);
    rig_expect(0, swr, "2");
    pass(9 * WEIR_SECOND);
    rig_expect(0, swr, "2");
    assert_int_equal(t->refreshed, 1);
}

static void test_a_read_that_cannot_be_begun_is_tried_again(void **state)
{
    (void)state;
    t->busy = true;
    rig_fill(0, swr, "1");
    pass(11 * WEIR_SECOND);
    rig_expect(0, swr, "1");
    rig_expect(0, swr, "1");
    assert_int_equal(t->refreshed, 1);
    assert_int_equal(counted(WEIR_STRATEGY_DROPPED), 1);
    pass(WEIR_SECOND);
    rig_expect(0, swr, "1");
    assert_int_equal(t->refreshed, 2);
}

/* Nobody knows when it changed: at the latest just after it was read. */
static void test_what_has_changed_counts_from_when_it_was_read(void **state)
{
    (void)state;
    rig_fill(0, followed, "1");
    pass(3 * WEIR_SECOND);
    rig_commit(rig_relation_id(), 0, false);
    rig_expect(2, followed, "1");
    pass(2 * WEIR_SECOND);
    rig_expect(2, followed, "1");
    pass(1);
    rig_expect(2, followed, NULL);
    expect_instead(2, followed, "08006", "1");
    pass(55 * WEIR_SECOND);
    expect_instead(2, followed, "08006", NULL);
}

static void test_another_writer_is_a_change_like_others(void **state)
{
    (void)state;
    rig_fill(0, followed, "1");
    rig_look(true);
    rig_expect(0, followed, "1");
}

/* ---- never ---- */

static void test_a_session_is_not_given_what_is_older_than_its_writes(void **state)
{
    (void)state;
    rig_fill(0, followed, "1");
    rig_commit(rig_relation_id(), 0, false);
    weir_session_note_write(&t->session[1]);
    rig_expect(1, followed, NULL);
    expect_instead(1, followed, "08006", NULL);
    rig_expect(0, followed, "1");
}

static void test_nothing_is_given_across_a_change_of_the_schema(void **state)
{
    (void)state;
    rig_fill(0, followed, "1");
    rig_commit(1, 2, true);
    expect_instead(0, followed, "08006", NULL);
    rig_fill(0, followed, "2");
    atomic_fetch_add(&weir_database_backend(t->database)->changes, 1); /* through us, untold yet */
    rig_commit(rig_relation_id(), 0, false);
    expect_instead(0, followed, "08006", NULL);
}

static void test_nothing_is_given_across_a_flush(void **state)
{
    (void)state;
    static const char *const tagged =
        "/* weir: tags=user:1 stale_while_revalidate=5s */ SELECT v FROM t";
    rig_fill(0, followed, "1");
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("T"));
    expect_instead(0, followed, "08006", NULL);
    rig_fill(0, tagged, "1");
    weir_engine_flush_tag(t->engine, WEIR_SLICE_LIT("user:2"));
    rig_expect(0, tagged, "1");
    weir_engine_flush_prefix(t->engine, WEIR_SLICE_LIT("user:"));
    rig_expect(0, tagged, NULL);
    assert_int_equal(rig_begin(0, followed), WEIR_FILL_LEAD);
    weir_engine_flush(t->engine, t->database);
    rig_finish(0, "read before the flush");
    rig_expect(0, followed, NULL);
}

/* ---- stale if error ---- */

static void test_an_unreachable_database_is_helped_out_for_the_declared_time(void **state)
{
    (void)state;
    rig_fill(0, sie, "1");
    pass(10 * WEIR_SECOND);
    expect_instead(0, sie, "08006", "1");
    expect_instead(0, sie, "57P03", "1");
    expect_instead(0, sie, "53300", "1");
    expect_instead(0, sie, "42P01", NULL);
    expect_instead(0, sie, "57014", NULL);
    expect_instead(0, sie, "08P01", NULL);
    assert_int_equal(counted(WEIR_STRATEGY_STALE_IF_ERROR), 3);
    pass(60 * WEIR_SECOND);
    expect_instead(0, sie, "08006", "1");
    pass(1);
    expect_instead(0, sie, "08006", NULL);
}

static void test_what_is_being_filled_is_helped_out_too(void **state)
{
    (void)state;
    rig_fill(0, sie, "1");
    pass(11 * WEIR_SECOND);
    assert_int_equal(rig_begin(0, sie), WEIR_FILL_LEAD);
    assert_non_null(weir_fill_find_instead(&t->fill[0], "57P01"));
    weir_fill_abort(&t->fill[0], false);
    assert_null(weir_fill_find_instead(&t->fill[0], "57P01"));
}

/* A followed answer is of no known age while nobody tells of changes: since it was read. */
static void test_when_nobody_looks_it_is_as_old_as_its_read(void **state)
{
    (void)state;
    rig_fill(0, followed, "1");
    t->base.now += 4 * WEIR_SECOND;
    rig_expect(0, followed, "1");
    assert_int_equal(counted(WEIR_STRATEGY_STALE_WHILE), 1);
    t->base.now += 2 * WEIR_SECOND;
    expect_instead(0, followed, "08006", "1");
}

/* ---- refresh ahead ---- */

static void test_what_is_asked_for_near_its_end_is_read_anew_once(void **state)
{
    (void)state;
    rig_fill(0, ahead, "1");
    pass(5 * WEIR_SECOND);
    rig_expect(0, ahead, "1");
    assert_int_equal(t->refreshed, 0);
    pass(4 * WEIR_SECOND);
    rig_expect(0, ahead, "1");
    rig_expect(2, ahead, "1");
    assert_int_equal(t->refreshed, 1);
    assert_int_equal(t->why, WEIR_STRATEGY_AHEAD);
    pass(WEIR_SECOND);
    rig_expect(0, ahead, NULL);
}

static void test_what_nobody_asks_for_is_not_read_anew(void **state)
{
    (void)state;
    rig_fill(0, ahead, "1");
    pass(11 * WEIR_SECOND);
    rig_expect(0, ahead, NULL);
    assert_int_equal(t->refreshed, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_has_expired_is_given_for_the_declared_time_and_read_anew_once),
        T(test_nothing_stale_is_given_without_a_declaration),
        T(test_the_read_in_the_background_replaces_it),
        T(test_a_read_that_cannot_be_begun_is_tried_again),
        T(test_what_has_changed_counts_from_when_it_was_read),
        T(test_another_writer_is_a_change_like_others),
        T(test_a_session_is_not_given_what_is_older_than_its_writes),
        T(test_nothing_is_given_across_a_change_of_the_schema),
        T(test_nothing_is_given_across_a_flush),
        T(test_an_unreachable_database_is_helped_out_for_the_declared_time),
        T(test_what_is_being_filled_is_helped_out_too),
        T(test_when_nobody_looks_it_is_as_old_as_its_read),
        T(test_what_is_asked_for_near_its_end_is_read_anew_once),
        T(test_what_nobody_asks_for_is_not_read_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
