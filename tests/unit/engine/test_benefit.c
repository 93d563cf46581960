/* Which templates' answers are kept: those that pay, by what was measured. The test says how long a
 * run took and who asks again. */
#include "cache_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char asked[96];

static weir_cache_settings settings_by_benefit(void)
{
    weir_cache_settings settings = rig_settings();
    settings.by_benefit = true;
    return settings;
}

static int setup(void **state)
{
    int r = rig_setup(state);
    weir_cache_settings settings = settings_by_benefit();
    t->base.random = 1;
    return r == 0 ? weir_engine_configure_cache(t->engine, &settings) : r;
}

static void idle(void)
{
    weir_epoch_quiescent(weir_worker_epoch(t->worker[0]));
    weir_epoch_quiescent(weir_worker_epoch(t->worker[1]));
    rig_look(false);
}

/* Asks for `count` different answers, each run taking `took`; of every `again_every` one is asked
 * for once more. How many were kept. */
static unsigned ask(const char *start, unsigned from, unsigned count, weir_time took,
                    unsigned again_every, const char *answer)
{
    unsigned kept = 0;
    for (unsigned i = from; i < from + count; i++) {
        (void)snprintf(asked, sizeof(asked), "%s%u", start, i);
        bool leads = rig_begin(0, asked) == WEIR_FILL_LEAD;
        weir_time started = t->base.now;
        t->base.now += took;
        rig_look(false);
        if (leads)
            rig_finish(0, answer);
        weir_session_record(&t->session[0], &t->statement, WEIR_TARGET_PRIMARY, started, 1, "");
        const weir_entry *e =
            leads && again_every && i % again_every == 0 ? rig_find(0, asked) : NULL;
        if (e)
            weir_session_record_hit(&t->session[0], e, t->base.now);
        kept += leads;
        idle();
    }
    return kept;
}

static weir_benefit benefit(void)
{
    weir_benefit b;
    weir_engine_benefit(t->engine, t->statement.template_id, t->statement.template_serial, &b);
    return b;
}

#define PLAIN "SELECT v FROM t WHERE id = "

static void test_what_is_never_asked_for_again_is_left_alone(void **state)
{
    (void)state;
    unsigned kept = ask(PLAIN, 0, 8192, WEIR_MS, 0, "x");
    assert_true(kept >= 1024 && kept < 1900); /* and one in 16 to find out more */
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
    weir_cache_stats stats;
    weir_engine_cache_stats(t->engine, &stats);
    assert_int_equal(stats.misses[WEIR_MISS_WORTHLESS], 8192 - kept);
}

static void test_what_takes_long_pays_though_few_ask_again(void **state)
{
    (void)state;
    assert_int_equal(ask(PLAIN, 0, 4096, 10 * WEIR_MS, 100, "x"), 4096);
    assert_int_equal(benefit().worth, WEIR_WORTH_PAYS);
    assert_true(benefit().gain_ns > 50000 && benefit().price_ns < 10000);
}

static void test_what_takes_as_long_as_a_hit_never_pays(void **state)
{
    (void)state;
    assert_true(ask(PLAIN, 0, 4096, WEIR_US, 1, "x") < 1536);
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
    assert_true(benefit().reuse > 0.5);
}

static void test_long_answers_have_a_price(void **state)
{
    (void)state;
    static char answer[64001];
    memset(answer, 'x', sizeof(answer) - 1);
    weir_cache_settings settings = settings_by_benefit();
    settings.entry_max = 1 << 17;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    assert_true(ask(PLAIN, 0, 4096, 100 * WEIR_US, 10, answer) < 1536);
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
    (void)ask("SELECT max(v) FROM t WHERE id = ", 0, 2048, 100 * WEIR_US, 10, "short");
    assert_int_equal(benefit().worth, WEIR_WORTH_PAYS);
}

static void test_it_changes_its_mind_when_the_figures_do(void **state)
{
    (void)state;
    (void)ask(PLAIN, 0, 2048, WEIR_MS, 0, "x");
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
    (void)ask(PLAIN, 2048, 4096, WEIR_MS, 1, "x");
    assert_int_equal(benefit().worth, WEIR_WORTH_PAYS);
    (void)ask(PLAIN, 8192, 8192, WEIR_MS, 0, "x");
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
}

/* ---- traces ---- */

typedef struct counts {
    unsigned hits, kept, declined;
} counts;

#define POINT_READ (60 * WEIR_US) /* what PostgreSQL takes for one */

static void read_key(unsigned key, weir_time took, counts *c)
{
    (void)snprintf(asked, sizeof(asked), PLAIN "%u", key);
    const weir_entry *e = rig_find(0, asked);
    weir_time started = t->base.now;
    if (e) {
        weir_session_record_hit(&t->session[0], e, started);
        c->hits++;
        return;
    }
    bool leads = rig_begin(0, asked) == WEIR_FILL_LEAD;
    t->base.now += took;
    rig_look(false);
    if (leads)
        rig_finish(0, "x");
    weir_session_record(&t->session[0], &t->statement, WEIR_TARGET_PRIMARY, started, 1, "");
    c->kept += leads;
    c->declined += !leads;
    idle();
}

static unsigned random_below(unsigned n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % n);
}

static void grow(size_t bytes)
{
    weir_cache_settings settings = settings_by_benefit();
    settings.size_max = bytes;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
}

static void test_point_reads_over_many_keys_are_kept_from_the_first(void **state)
{
    (void)state;
    counts c = {0};
    grow((size_t)64 << 20);
    for (unsigned i = 0; i < 40000; i++)
        read_key(random_below(20000), POINT_READ, &c);
    assert_int_equal(c.declined, 0);
    assert_true(c.hits > 20000);
    assert_int_equal(benefit().worth, WEIR_WORTH_PAYS);
}

/* So many times before it changes. */
static counts read_and_change(unsigned times)
{
    counts c = {0};
    read_key(0, POINT_READ, &c);
    rig_take_up_columns();
    for (unsigned i = 0; i < 6000; i++) {
        unsigned key = random_below(500);
        for (unsigned n = 0; n < times; n++)
            read_key(key, POINT_READ, &c);
        rig_commit(rig_relation_id(), rig_value_id(key), false);
    }
    return c;
}

static void test_point_reads_that_are_asked_for_twice_before_they_change_are_kept(void **state)
{
    (void)state;
    assert_int_equal(read_and_change(3).declined, 0);
    assert_int_equal(benefit().worth, WEIR_WORTH_PAYS);
}

static void test_point_reads_that_change_before_they_are_asked_for_again_are_left_alone(void **s)
{
    (void)s;
    counts c = read_and_change(1);
    assert_true(c.declined > 4000 && c.kept < 1800);
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
}

static void test_scans_through_a_memory_that_is_full_are_left_alone(void **state)
{
    (void)state;
    counts c = {0};
    for (unsigned i = 0; i < 20000; i++)
        read_key(i, POINT_READ, &c);
    assert_true(c.declined > 15000);
    assert_int_equal(benefit().worth, WEIR_WORTH_NOT);
}

static void test_rules_and_hints_are_stronger(void **state)
{
    (void)state;
    static const weir_cache_rule rules[] = {
        {.template = "select max(v)*", .cache = WEIR_RULE_CACHE},
        {.template = "select min(v)*", .ttl = 3600 * WEIR_SECOND},
    };
    weir_cache_settings settings = settings_by_benefit();
    settings.rules = rules;
    settings.rule_count = 2;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    assert_int_equal(ask("SELECT max(v) FROM t WHERE id = ", 0, 512, WEIR_US, 0, "x"), 512);
    assert_int_equal(ask("SELECT min(v) FROM t WHERE id = ", 0, 512, WEIR_US, 2, "x"), 512);
    assert_int_equal(ask("/* weir: cache */ " PLAIN, 0, 512, WEIR_US, 0, "x"), 512);
    weir_rule_stats s;
    const weir_cache_rule *rule;
    assert_true(weir_engine_rule_stats(t->engine, 1, &s, &rule));
    assert_string_equal(rule->template, "select min(v)*");
    assert_int_equal(s.fills, 512);
    assert_int_equal(s.misses, 512);
    assert_int_equal(s.hits, 256);
    assert_int_equal(s.saved_ns, 256 * WEIR_US);
    assert_false(weir_engine_rule_stats(t->engine, 2, &s, &rule));
}

static void test_it_can_be_switched_off(void **state)
{
    (void)state;
    weir_cache_settings settings = rig_settings();
    settings.by_benefit = false;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    assert_int_equal(ask(PLAIN, 0, 512, WEIR_US, 0, "x"), 512);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_is_never_asked_for_again_is_left_alone),
        T(test_what_takes_long_pays_though_few_ask_again),
        T(test_what_takes_as_long_as_a_hit_never_pays),
        T(test_long_answers_have_a_price),
        T(test_it_changes_its_mind_when_the_figures_do),
        T(test_point_reads_over_many_keys_are_kept_from_the_first),
        T(test_point_reads_that_are_asked_for_twice_before_they_change_are_kept),
        T(test_point_reads_that_change_before_they_are_asked_for_again_are_left_alone),
        T(test_scans_through_a_memory_that_is_full_are_left_alone),
        T(test_rules_and_hints_are_stronger),
        T(test_it_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
