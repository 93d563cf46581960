/* The cache's part of the engine, without loops: one thread is all workers, the clock is a
 * variable, messages wait until they are delivered, and the test plays the backend: it says what
 * was committed and what a statement's answer is. */
#include "cache_rig.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- tests ---- */

static void test_an_answer_is_given_until_its_relation_changes(void **state)
{
    (void)state;
    rig_fill(0, rig_whole, "1");
    rig_expect(0, rig_whole, "1");
    rig_expect(2, rig_whole, "1"); /* on the other worker */
    rig_commit(rig_relation_id(), rig_value_id(9), false);
    rig_expect(0, rig_whole, NULL);
    rig_fill(0, rig_whole, "2");
    rig_expect(2, rig_whole, "2");
}

static void test_rows_of_other_keys_may_change(void **state)
{
    (void)state;
    rig_fill(0, rig_by_key, "early"); /* before the column was tracked: the whole relation */
    rig_take_up_columns();
    rig_commit(rig_relation_id(), rig_value_id(2), false);
    rig_expect(0, rig_by_key, NULL);
    rig_fill(0, rig_by_key, "one");
    rig_fill(0, rig_by_other_key, "two");
    rig_commit(rig_relation_id(), rig_value_id(2), false);
    rig_expect(0, rig_by_key, "one");
    rig_expect(0, rig_by_other_key, NULL);
    rig_commit(rig_relation_id(), weir_column_id(rig_relation_id(), WEIR_SLICE_LIT("id")), false);
    rig_expect(0, rig_by_key, NULL);
}

static void test_a_change_during_the_run_is_not_covered(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    rig_commit(rig_relation_id(), rig_value_id(1), false);
    rig_finish(0, "before");
    rig_expect(0, rig_whole, NULL);
}

static void test_other_facts_than_the_footprint_s_are_not_kept(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("of another schema"));
    weir_fill_finish(&t->fill[0], 0, 1, RIG_FINGERPRINT + 1);
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
    assert_null(t->answer[1].data);
    assert_false(weir_fill_is_open(&t->fill[1]));
    rig_expect(0, rig_whole, NULL);
}

/* A schema that was rolled back may have told its facts last: they are told again. */
static void test_after_other_facts_the_statement_is_prepared_anew(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_false(t->fill[0].anew);
    weir_fill_finish(&t->fill[0], 0, 1, RIG_FINGERPRINT + 1);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_NONE);
    assert_true(t->fill[1].anew);
    rig_fill(0, rig_whole, "1");
    assert_false(t->fill[0].anew);
    rig_expect(0, rig_whole, "1");
}

static void test_what_is_gathered_is_charged(void **state)
{
    (void)state;
    size_t before = 0;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    before = t->base.memory.total;
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("0123456789"));
    assert_int_equal(t->base.memory.total, before + 10);
    weir_fill_abort(&t->fill[0], false);
    assert_int_equal(t->base.memory.total, before);
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    t->base.memory.total_max = before + 5; /* no room: it is given up, the statement is not */
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("0123456789"));
    assert_false(weir_fill_is_open(&t->fill[0]));
    t->base.memory.total_max = 0;
}

static void test_nobody_joins_while_nobody_looks(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    t->base.now += 2 * WEIR_SECOND;
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_LEAD);
    rig_look(false);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
}

static void test_everything_and_others_raise_the_floor(void **state)
{
    (void)state;
    rig_fill(0, rig_whole, "1");
    rig_commit(1, 2, true);
    rig_expect(0, rig_whole, NULL);
    rig_fill(0, rig_whole, "2");
    rig_look(true);
    rig_expect(0, rig_whole, NULL);
    rig_fill(0, rig_whole, "3");
    rig_expect(0, rig_whole, "3");
}

static void test_nothing_is_given_when_nobody_looked_for_too_long(void **state)
{
    (void)state;
    rig_fill(0, rig_whole, "1");
    t->base.now += 2 * WEIR_SECOND;
    rig_expect(0, rig_whole, NULL);
    rig_look(false);
    rig_expect(0, rig_whole, "1");
}

static void test_a_declared_time_ends_an_answer(void **state)
{
    (void)state;
    static const char *const text = "/* weir: cache ttl=500ms */ SELECT v FROM t";
    rig_fill(0, text, "1");
    t->base.now += 499 * WEIR_MS;
    rig_expect(0, text, "1");
    t->base.now += WEIR_MS;
    rig_expect(0, text, NULL);
}

static void test_hints_and_refusals(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, "/* weir: nocache */ SELECT v FROM t"), WEIR_FILL_NONE);
    assert_int_equal(rig_begin(0, "SELECT random(), v FROM t"), WEIR_FILL_NONE);
    rig_fill(0, "/* weir: cache ttl=1s */ SELECT random(), v FROM t", "4");
    rig_expect(0, "/* weir: cache ttl=1s */ SELECT random(), v FROM t", "4");
}

static void test_rules_decide_in_order(void **state)
{
    (void)state;
    static const weir_cache_rule rules[] = {
        {.template = "select max(v)*", .cache = WEIR_RULE_CACHE},
        {.table = "T", .user = "u", .database = "d*", .cache = WEIR_RULE_BYPASS},
    };
    weir_cache_settings settings = rig_settings();
    settings.rules = rules;
    settings.rule_count = 2;
    rig_fill(0, rig_whole, "1");
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_NONE); /* what was kept is forgotten, too */
    rig_fill(0, "SELECT max(v) FROM t", "1");
    settings.enabled = false;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    rig_expect(0, "SELECT max(v) FROM t", NULL);
}

static void test_those_who_wait_get_the_answer(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
    rig_finish(0, "1");
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
    assert_int_equal(t->answered[2], 1);
    assert_false(weir_fill_is_open(&t->fill[2]));
}

static void test_nobody_joins_a_read_older_than_a_write_that_was_told(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    rig_commit(rig_relation_id(), rig_value_id(1), false);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_LEAD);
    rig_finish(2, "new");
    rig_finish(0, "old"); /* does not replace the newer one */
    rig_expect(0, rig_whole, "new");
}

static void test_when_the_leader_leaves_one_of_the_others_leads(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[0], true);
    rig_deliver();
    assert_int_equal(t->answered[1] + t->answered[2], 1);
    unsigned leads = t->answered[1] ? 1 : 2;
    assert_true(weir_fill_is_open(&t->fill[leads]));
    rig_finish(leads, "1");
    rig_deliver();
    assert_int_equal(t->answered[3 - leads], 1);
    rig_expect(0, rig_whole, "1");
}

static void test_when_the_leader_fails_the_others_run(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[0], false);
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
    assert_null(t->answer[1].data);
}

static void test_a_wait_ends_by_itself(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    t->base.now += WEIR_SECOND;
    rig_look(false);
    weir_worker_tick(t->worker[0]);
    assert_int_equal(t->answered[1], 1);
    assert_true(weir_fill_is_open(&t->fill[1]));
    rig_finish(1, "by itself");
    rig_finish(0, "late");
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
}

static void test_who_has_less_time_waits_less(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    t->wait_max = 100 * WEIR_MS;
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
    t->wait_max = 0;
    t->base.now += 100 * WEIR_MS;
    weir_worker_tick(t->worker[0]);
    weir_worker_tick(t->worker[1]);
    assert_int_equal(t->answered[1], 0);
    assert_int_equal(t->answered[2], 1);
    rig_finish(0, "1");
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
}

static void test_who_leaves_is_not_told(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[1], true);
    rig_finish(0, "1");
    weir_fill_abort(&t->fill[2], true); /* its message is under way */
    rig_deliver();
    assert_int_equal(t->answered[1] + t->answered[2], 0);
}

static void test_a_large_answer_releases_those_who_wait(void **state)
{
    (void)state;
    char large[2048];
    memset(large, 'x', sizeof(large));
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    weir_fill_add(&t->fill[0], weir_slice_make(large, sizeof(large)));
    assert_false(weir_fill_is_open(&t->fill[0]));
    rig_deliver();
    assert_int_equal(t->answered[1], 1);
    rig_finish(0, "rest");
    rig_expect(0, rig_whole, NULL);
}

static void test_flushes_forget_what_they_name(void **state)
{
    (void)state;
    static const char *const tagged = "/* weir: cache tags=user:1:a,b */ SELECT v FROM t";
    rig_take_up_columns();
    rig_fill(0, rig_by_key, "1");
    rig_take_up_columns();
    rig_commit(1, 2, true);
    const struct {
        const char *tag, *prefix;
        bool forgets;
    } cases[] = {{"c", NULL, false},    {"b", NULL, true},       {NULL, "user:2:", false},
                 {NULL, "user:", true}, {NULL, "user:1:", true}, {NULL, "us", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!rig_find(0, tagged))
            rig_fill(0, tagged, "tagged");
        if (!rig_find(0, rig_by_key))
            rig_fill(0, rig_by_key, "key");
        if (cases[i].tag)
            weir_engine_flush_tag(t->engine, weir_slice_cstr(cases[i].tag));
        else
            weir_engine_flush_prefix(t->engine, weir_slice_cstr(cases[i].prefix));
        rig_expect(0, tagged, cases[i].forgets ? NULL : "tagged");
        rig_expect(0, rig_by_key, "key");
    }
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("other"));
    rig_expect(0, rig_by_key, "key");
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("T"));
    rig_expect(0, rig_by_key, NULL);
    rig_fill(0, rig_by_key, "key");
    weir_engine_flush(t->engine, t->database);
    rig_expect(0, rig_by_key, NULL);
}

static void test_a_flush_is_stronger_than_a_read_under_way(void **state)
{
    (void)state;
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("t"));
    rig_finish(0, "1");
    rig_expect(0, rig_whole, NULL);
}

static void test_weaker_levels_forgive_within_the_bound(void **state)
{
    (void)state;
    weir_cache_settings settings = rig_settings();
    settings.consistency = WEIR_CONSISTENCY_BOUNDED;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    rig_fill(0, rig_whole, "1");
    rig_commit(rig_relation_id(), 0, false);
    rig_expect(0, rig_whole, "1");
    t->base.now += settings.bound + 1;
    rig_look(false);
    rig_expect(0, rig_whole, NULL);
    rig_fill(0, rig_whole, "2");
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("t"));
    rig_expect(0, rig_whole, NULL); /* by hand is by hand */
    rig_fill(0, rig_whole, "3");
    rig_commit(0, 0, true);
    rig_expect(0, rig_whole, NULL); /* and the schema is the schema */
}

static void test_a_session_sees_its_own_writes(void **state)
{
    (void)state;
    weir_cache_settings settings = rig_settings();
    settings.consistency = WEIR_CONSISTENCY_SESSION;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    rig_fill(0, rig_whole, "1");
    rig_commit(rig_relation_id(), 0, false);
    weir_session_note_write(&t->session[1]);
    rig_expect(2, rig_whole, "1");
    rig_expect(1, rig_whole, NULL);
}

/* Asks for a statement that is known; whatever has no memory for it runs uncached. */
static bool ask_short_of_memory(unsigned session)
{
    weir_session *s = &t->session[session];
    weir_slice text = weir_slice_cstr(rig_by_key);
    weir_statement st;
    weir_session_understand(s, text, &st);
    weir_buf *identity = weir_session_begin_identity(s);
    if (weir_buf_append(identity, text) < 0)
        identity->size_max = 0; /* as its callers say that it is none */
    weir_ask ask = {.statement = &st, .text = text};
    if (weir_session_find_answer(s))
        return false;
    int r = weir_session_begin_fill(s, &ask, &t->fill[session]);
    assert_int_equal(weir_fill_is_open(&t->fill[session]), r != WEIR_FILL_NONE);
    return r == WEIR_FILL_LEAD;
}

static void miss_join_and_fill(void *user)
{
    (void)user;
    bool leads[4];
    for (unsigned i = 0; i < 4; i++)
        leads[i] = ask_short_of_memory(i);
    for (unsigned i = 0; i < 4; i++) {
        if (!leads[i])
            continue;
        weir_fill_add(&t->fill[i], WEIR_SLICE_LIT("answer"));
        weir_fill_finish(&t->fill[i], 0, 1, RIG_FINGERPRINT);
    }
    rig_deliver();
    for (unsigned i = 0; i < 4; i++)
        weir_fill_abort(&t->fill[i], true);
    rig_deliver();
    weir_engine_flush(t->engine, NULL);
    weir_epoch_quiescent(weir_worker_epoch(t->worker[0]));
    weir_epoch_quiescent(weir_worker_epoch(t->worker[1]));
}

static void test_without_memory_statements_run_uncached(void **state)
{
    (void)state;
    rig_fill(0, rig_by_key, "warm"); /* the statement is known, its column tracked */
    (void)weir_failalloc_each(100, miss_join_and_fill, NULL);
    rig_fill(0, rig_by_key, "1");
    rig_expect(2, rig_by_key, "1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_an_answer_is_given_until_its_relation_changes),
        T(test_rows_of_other_keys_may_change),
        T(test_a_change_during_the_run_is_not_covered),
        T(test_other_facts_than_the_footprint_s_are_not_kept),
        T(test_after_other_facts_the_statement_is_prepared_anew),
        T(test_what_is_gathered_is_charged),
        T(test_nobody_joins_while_nobody_looks),
        T(test_everything_and_others_raise_the_floor),
        T(test_nothing_is_given_when_nobody_looked_for_too_long),
        T(test_a_declared_time_ends_an_answer),
        T(test_hints_and_refusals),
        T(test_rules_decide_in_order),
        T(test_those_who_wait_get_the_answer),
        T(test_nobody_joins_a_read_older_than_a_write_that_was_told),
        T(test_when_the_leader_leaves_one_of_the_others_leads),
        T(test_when_the_leader_fails_the_others_run),
        T(test_a_wait_ends_by_itself),
        T(test_who_has_less_time_waits_less),
        T(test_who_leaves_is_not_told),
        T(test_a_large_answer_releases_those_who_wait),
        T(test_flushes_forget_what_they_name),
        T(test_a_flush_is_stronger_than_a_read_under_way),
        T(test_weaker_levels_forgive_within_the_bound),
        T(test_a_session_sees_its_own_writes),
        T(test_without_memory_statements_run_uncached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
