/* The cache's part of the engine, without loops: one thread is all workers, the clock is a
 * variable, messages wait until they are delivered, and the test plays the backend: it says what
 * was committed and what a statement's answer is. */
#include "catalog/access.h"
#include "failalloc.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FINGERPRINT 77u

typedef struct rig {
    engine_rig base;
    weir_engine *engine;
    weir_worker *const *worker;
    weir_database *database;
    weir_session session[4]; /* 0 and 1 on the first worker */
    weir_fill fill[4];
    unsigned answered[4];
    weir_slice answer[4]; /* NULL: run it */
} rig;

static rig *t;

static void deliver(void)
{
    engine_rig_deliver(&t->base);
}

static void on_answered(weir_fill *fill, const weir_entry *entry)
{
    size_t i = (size_t)(fill - t->fill);
    t->answered[i]++;
    t->answer[i] = entry ? weir_entry_bytes(entry) : (weir_slice){0};
}

static void look(bool others)
{
    t->base.follower->looked(t->base.follower->user, t->base.now, others);
}

static weir_cache_settings settings_of(void)
{
    return (weir_cache_settings){.enabled = true,
                                 .size_max = 1 << 20,
                                 .entry_max = 1 << 10,
                                 .bound = WEIR_SECOND,
                                 .consistency = WEIR_CONSISTENCY_STRICT,
                                 .flight_wait = WEIR_SECOND};
}

static int setup(void **state)
{
    (void)state;
    t = calloc(1, sizeof(*t));
    assert_non_null(t);
    weir_cache_options cache = {
        .slots = 4096, .flights_max = 16, .waiters_max = 16, .settings = settings_of()};
    engine_rig_init(&t->base, &cache);
    t->base.keeps_messages = true;
    t->engine = t->base.engine;
    t->worker = t->base.worker;
    t->database = engine_rig_add(&t->base, "db", NULL);
    for (unsigned i = 0; i < 4; i++) {
        engine_rig_open(&t->base, &t->session[i], i / 2, t->database);
        t->fill[i].answered = on_answered;
    }
    look(false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        weir_fill_abort(&t->fill[i], true);
        weir_session_close(&t->session[i]);
    }
    engine_rig_fini(&t->base);
    free(t);
    return 0;
}

/* ---- the schema: t(id INTEGER PRIMARY KEY, v) ---- */

static const weir_column_info columns[] = {
    {.name = WEIR_SLICE_LIT("id"), .key = WEIR_KEY_SQLITE_NUMERIC},
    {.name = WEIR_SLICE_LIT("v"), .key = WEIR_KEY_SQLITE_BLOB},
};
static const weir_relation_info relation = {.name = WEIR_SLICE_LIT("t"),
                                            .columns = columns,
                                            .column_count = 2,
                                            .rowid = true,
                                            .rowid_alias = WEIR_SLICE_LIT("id")};
static const weir_catalog catalog = {
    .relations = &relation, .count = 1, .fingerprint = FINGERPRINT};

static uint64_t relation_id(void)
{
    return weir_relation_id(WEIR_SLICE_LIT("t"));
}
static uint64_t value_id(int64_t value)
{
    uint64_t id = 0;
    weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = value};
    uint64_t column = weir_column_id(relation_id(), WEIR_SLICE_LIT("id"));
    assert_int_equal(weir_key_of_row(column, &v, &id), 0);
    return id;
}

/* As the backend does when it prepares the text. */
static void analyse(const weir_statement *of, weir_slice text, const char *function)
{
    weir_access accesses[] = {
        {.kind = WEIR_ACCESS_READ, .database = "main", .table = "t", .column = "v", .through = ""},
        {.kind = WEIR_ACCESS_FUNCTION,
         .database = "",
         .table = "",
         .column = function,
         .through = ""}};
    weir_footprint *f = NULL;
    assert_int_equal(weir_sql_analyze_accesses(accesses, function ? 2 : 1, &catalog, text,
                                               weir_worker_lexed(t->worker[0]), &f),
                     0);
    weir_template_publish(
        weir_template_find(weir_engine_templates(t->engine), of->template_id, of->template_serial),
        weir_worker_epoch(t->worker[0]), f);
}

/* ---- asking ---- */

static const weir_entry *find(unsigned session, const char *text)
{
    weir_buf *b = weir_session_begin_identity(&t->session[session]);
    assert_int_equal(weir_buf_append(b, weir_slice_cstr(text)), 0);
    return weir_session_find_answer(&t->session[session]);
}

static weir_statement statement; /* the newest that was asked for */
static weir_time wait_max;       /* of those who ask */

static int begin(unsigned session, const char *text)
{
    weir_slice slice = weir_slice_cstr(text);
    weir_session_understand(&t->session[session], slice, &statement);
    const weir_template *template = weir_template_find(
        weir_engine_templates(t->engine), statement.template_id, statement.template_serial);
    if (!atomic_load(&template->footprint)->from_grammar) {
        weir_session_understand(&t->session[0], slice, &statement);
        analyse(&statement, slice, strstr(text, "random") ? "random" : NULL);
    }
    assert_null(find(session, text));
    weir_ask ask = {.statement = &statement, .text = slice, .wait_max = wait_max};
    return weir_session_begin_fill(&t->session[session], &ask, &t->fill[session]);
}

static void finish(unsigned session, const char *answer)
{
    weir_fill_add(&t->fill[session], weir_slice_cstr(answer));
    weir_fill_finish(&t->fill[session], 0, 1, FINGERPRINT);
}

static void fill(unsigned session, const char *text, const char *answer)
{
    assert_int_equal(begin(session, text), WEIR_FILL_LEAD);
    finish(session, answer);
}

static void expect(unsigned session, const char *text, const char *answer)
{
    const weir_entry *e = find(session, text);
    if (!answer) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_true(weir_slice_eq_cstr(weir_entry_bytes(e), answer));
    weir_session_record_hit(&t->session[session], e, t->base.now);
}

static void commit(uint64_t a, uint64_t b, bool everything)
{
    uint64_t ids[] = {a, b};
    t->base.follower->committed(t->base.follower->user, ids, 2, everything);
}

static void nothing(void *user, uint64_t r, uint64_t column, weir_slice a, weir_slice b)
{
    (void)user, (void)r, (void)column, (void)a, (void)b;
}

/* The follower takes up the key columns that are asked for, as it does between transactions. */
static void take_up_columns(void)
{
    const weir_follower *f = t->base.follower;
    uint64_t serial = f->track_serial(f->user);
    f->each_tracked(f->user, nothing, NULL);
    f->confirm(f->user, serial);
}

static const char *const by_key = "SELECT v FROM t WHERE id = 1";
static const char *const by_other_key = "SELECT v FROM t WHERE id = 2";
static const char *const whole = "SELECT count(v) FROM t";

/* ---- tests ---- */

static void test_an_answer_is_given_until_its_relation_changes(void **state)
{
    (void)state;
    fill(0, whole, "1");
    expect(0, whole, "1");
    expect(2, whole, "1"); /* on the other worker */
    commit(relation_id(), value_id(9), false);
    expect(0, whole, NULL);
    fill(0, whole, "2");
    expect(2, whole, "2");
}

static void test_rows_of_other_keys_may_change(void **state)
{
    (void)state;
    fill(0, by_key, "early"); /* before the column was tracked: the whole relation */
    take_up_columns();
    commit(relation_id(), value_id(2), false);
    expect(0, by_key, NULL);
    fill(0, by_key, "one");
    fill(0, by_other_key, "two");
    commit(relation_id(), value_id(2), false);
    expect(0, by_key, "one");
    expect(0, by_other_key, NULL);
    commit(relation_id(), weir_column_id(relation_id(), WEIR_SLICE_LIT("id")), false);
    expect(0, by_key, NULL);
}

static void test_a_change_during_the_run_is_not_covered(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    commit(relation_id(), value_id(1), false);
    finish(0, "before");
    expect(0, whole, NULL);
}

static void test_other_facts_than_the_footprint_s_are_not_kept(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("of another schema"));
    weir_fill_finish(&t->fill[0], 0, 1, FINGERPRINT + 1);
    deliver();
    assert_int_equal(t->answered[1], 1);
    assert_null(t->answer[1].data);
    assert_false(weir_fill_is_open(&t->fill[1]));
    expect(0, whole, NULL);
}

/* A schema that was rolled back may have told its facts last: they are told again. */
static void test_after_other_facts_the_statement_is_prepared_anew(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_false(t->fill[0].anew);
    weir_fill_finish(&t->fill[0], 0, 1, FINGERPRINT + 1);
    assert_int_equal(begin(1, whole), WEIR_FILL_NONE);
    assert_true(t->fill[1].anew);
    fill(0, whole, "1");
    assert_false(t->fill[0].anew);
    expect(0, whole, "1");
}

static void test_what_is_gathered_is_charged(void **state)
{
    (void)state;
    size_t before = 0;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    before = t->base.memory.total;
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("0123456789"));
    assert_int_equal(t->base.memory.total, before + 10);
    weir_fill_abort(&t->fill[0], false);
    assert_int_equal(t->base.memory.total, before);
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    t->base.memory.total_max = before + 5; /* no room: it is given up, the statement is not */
    weir_fill_add(&t->fill[0], WEIR_SLICE_LIT("0123456789"));
    assert_false(weir_fill_is_open(&t->fill[0]));
    t->base.memory.total_max = 0;
}

static void test_nobody_joins_while_nobody_looks(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    t->base.now += 2 * WEIR_SECOND;
    assert_int_equal(begin(1, whole), WEIR_FILL_LEAD);
    look(false);
    assert_int_equal(begin(2, whole), WEIR_FILL_WAIT);
}

static void test_everything_and_others_raise_the_floor(void **state)
{
    (void)state;
    fill(0, whole, "1");
    commit(1, 2, true);
    expect(0, whole, NULL);
    fill(0, whole, "2");
    look(true);
    expect(0, whole, NULL);
    fill(0, whole, "3");
    expect(0, whole, "3");
}

static void test_nothing_is_given_when_nobody_looked_for_too_long(void **state)
{
    (void)state;
    fill(0, whole, "1");
    t->base.now += 2 * WEIR_SECOND;
    expect(0, whole, NULL);
    look(false);
    expect(0, whole, "1");
}

static void test_a_declared_time_ends_an_answer(void **state)
{
    (void)state;
    static const char *const text = "/* weir: cache ttl=500ms */ SELECT v FROM t";
    fill(0, text, "1");
    t->base.now += 499 * WEIR_MS;
    expect(0, text, "1");
    t->base.now += WEIR_MS;
    expect(0, text, NULL);
}

static void test_hints_and_refusals(void **state)
{
    (void)state;
    assert_int_equal(begin(0, "/* weir: nocache */ SELECT v FROM t"), WEIR_FILL_NONE);
    assert_int_equal(begin(0, "SELECT random(), v FROM t"), WEIR_FILL_NONE);
    fill(0, "/* weir: cache ttl=1s */ SELECT random(), v FROM t", "4");
    expect(0, "/* weir: cache ttl=1s */ SELECT random(), v FROM t", "4");
}

static void test_rules_decide_in_order(void **state)
{
    (void)state;
    static const weir_cache_rule rules[] = {
        {.template = "select max(v)*", .cache = WEIR_RULE_CACHE},
        {.table = "T", .user = "u", .database = "d*", .cache = WEIR_RULE_BYPASS},
    };
    weir_cache_settings settings = settings_of();
    settings.rules = rules;
    settings.rule_count = 2;
    fill(0, whole, "1");
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    assert_int_equal(begin(0, whole), WEIR_FILL_NONE); /* what was kept is forgotten, too */
    fill(0, "SELECT max(v) FROM t", "1");
    settings.enabled = false;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    expect(0, "SELECT max(v) FROM t", NULL);
}

static void test_those_who_wait_get_the_answer(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    assert_int_equal(begin(2, whole), WEIR_FILL_WAIT);
    finish(0, "1");
    deliver();
    assert_int_equal(t->answered[1], 1);
    assert_int_equal(t->answered[2], 1);
    assert_false(weir_fill_is_open(&t->fill[2]));
}

static void test_nobody_joins_a_read_older_than_a_write_that_was_told(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    commit(relation_id(), value_id(1), false);
    assert_int_equal(begin(2, whole), WEIR_FILL_LEAD);
    finish(2, "new");
    finish(0, "old"); /* does not replace the newer one */
    expect(0, whole, "new");
}

static void test_when_the_leader_leaves_one_of_the_others_leads(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    assert_int_equal(begin(2, whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[0], true);
    deliver();
    assert_int_equal(t->answered[1] + t->answered[2], 1);
    unsigned leads = t->answered[1] ? 1 : 2;
    assert_true(weir_fill_is_open(&t->fill[leads]));
    finish(leads, "1");
    deliver();
    assert_int_equal(t->answered[3 - leads], 1);
    expect(0, whole, "1");
}

static void test_when_the_leader_fails_the_others_run(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[0], false);
    deliver();
    assert_int_equal(t->answered[1], 1);
    assert_null(t->answer[1].data);
}

static void test_a_wait_ends_by_itself(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    t->base.now += WEIR_SECOND;
    look(false);
    weir_worker_tick(t->worker[0]);
    assert_int_equal(t->answered[1], 1);
    assert_true(weir_fill_is_open(&t->fill[1]));
    finish(1, "by itself");
    finish(0, "late");
    deliver();
    assert_int_equal(t->answered[1], 1);
}

static void test_who_has_less_time_waits_less(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    wait_max = 100 * WEIR_MS;
    assert_int_equal(begin(2, whole), WEIR_FILL_WAIT);
    wait_max = 0;
    t->base.now += 100 * WEIR_MS;
    weir_worker_tick(t->worker[0]);
    weir_worker_tick(t->worker[1]);
    assert_int_equal(t->answered[1], 0);
    assert_int_equal(t->answered[2], 1);
    finish(0, "1");
    deliver();
    assert_int_equal(t->answered[1], 1);
}

static void test_who_leaves_is_not_told(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    assert_int_equal(begin(2, whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[1], true);
    finish(0, "1");
    weir_fill_abort(&t->fill[2], true); /* its message is under way */
    deliver();
    assert_int_equal(t->answered[1] + t->answered[2], 0);
}

static void test_a_large_answer_releases_those_who_wait(void **state)
{
    (void)state;
    char large[2048];
    memset(large, 'x', sizeof(large));
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    assert_int_equal(begin(1, whole), WEIR_FILL_WAIT);
    weir_fill_add(&t->fill[0], weir_slice_make(large, sizeof(large)));
    assert_false(weir_fill_is_open(&t->fill[0]));
    deliver();
    assert_int_equal(t->answered[1], 1);
    finish(0, "rest");
    expect(0, whole, NULL);
}

static void test_flushes_forget_what_they_name(void **state)
{
    (void)state;
    static const char *const tagged = "/* weir: cache tags=user:1:a,b */ SELECT v FROM t";
    take_up_columns();
    fill(0, by_key, "1");
    take_up_columns();
    commit(1, 2, true);
    const struct {
        const char *tag, *prefix;
        bool forgets;
    } cases[] = {{"c", NULL, false},    {"b", NULL, true},       {NULL, "user:2:", false},
                 {NULL, "user:", true}, {NULL, "user:1:", true}, {NULL, "us", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!find(0, tagged))
            fill(0, tagged, "tagged");
        if (!find(0, by_key))
            fill(0, by_key, "key");
        if (cases[i].tag)
            weir_engine_flush_tag(t->engine, weir_slice_cstr(cases[i].tag));
        else
            weir_engine_flush_prefix(t->engine, weir_slice_cstr(cases[i].prefix));
        expect(0, tagged, cases[i].forgets ? NULL : "tagged");
        expect(0, by_key, "key");
    }
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("other"));
    expect(0, by_key, "key");
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("T"));
    expect(0, by_key, NULL);
    fill(0, by_key, "key");
    weir_engine_flush(t->engine, t->database);
    expect(0, by_key, NULL);
}

static void test_a_flush_is_stronger_than_a_read_under_way(void **state)
{
    (void)state;
    assert_int_equal(begin(0, whole), WEIR_FILL_LEAD);
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("t"));
    finish(0, "1");
    expect(0, whole, NULL);
}

static void test_weaker_levels_forgive_within_the_bound(void **state)
{
    (void)state;
    weir_cache_settings settings = settings_of();
    settings.consistency = WEIR_CONSISTENCY_BOUNDED;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    fill(0, whole, "1");
    commit(relation_id(), 0, false);
    expect(0, whole, "1");
    t->base.now += settings.bound + 1;
    look(false);
    expect(0, whole, NULL);
    fill(0, whole, "2");
    weir_engine_flush_table(t->engine, NULL, WEIR_SLICE_LIT("t"));
    expect(0, whole, NULL); /* by hand is by hand */
    fill(0, whole, "3");
    commit(0, 0, true);
    expect(0, whole, NULL); /* and the schema is the schema */
}

static void test_a_session_sees_its_own_writes(void **state)
{
    (void)state;
    weir_cache_settings settings = settings_of();
    settings.consistency = WEIR_CONSISTENCY_SESSION;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    fill(0, whole, "1");
    commit(relation_id(), 0, false);
    weir_session_note_write(&t->session[1]);
    expect(2, whole, "1");
    expect(1, whole, NULL);
}

static void test_a_statement_that_never_hits_is_left_alone(void **state)
{
    (void)state;
    char text[64];
    unsigned kept = 0;
    for (unsigned i = 0; i < 2048; i++) {
        (void)snprintf(text, sizeof(text), "SELECT v FROM t WHERE id = %u", i);
        if (begin(0, text) == WEIR_FILL_LEAD) {
            finish(0, "x");
            kept++;
        }
        weir_session_record(&t->session[0], &statement, WEIR_TARGET_PRIMARY, t->base.now, 1, "");
        weir_epoch_quiescent(weir_worker_epoch(t->worker[0]));
        weir_epoch_quiescent(weir_worker_epoch(t->worker[1]));
    }
    assert_true(kept >= 1024 && kept < 2048);
    weir_cache_stats stats;
    weir_engine_cache_stats(t->engine, &stats);
    assert_int_equal(stats.misses[WEIR_MISS_WORTHLESS], 2048 - kept);
}

/* Asks for a statement that is known; whatever has no memory for it runs uncached. */
static bool ask_short_of_memory(unsigned session)
{
    weir_session *s = &t->session[session];
    weir_slice text = weir_slice_cstr(by_key);
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
        weir_fill_finish(&t->fill[i], 0, 1, FINGERPRINT);
    }
    deliver();
    for (unsigned i = 0; i < 4; i++)
        weir_fill_abort(&t->fill[i], true);
    deliver();
    weir_engine_flush(t->engine, NULL);
    weir_epoch_quiescent(weir_worker_epoch(t->worker[0]));
    weir_epoch_quiescent(weir_worker_epoch(t->worker[1]));
}

static void test_without_memory_statements_run_uncached(void **state)
{
    (void)state;
    fill(0, by_key, "warm"); /* the statement is known, its column tracked */
    (void)weir_failalloc_each(100, miss_join_and_fill, NULL);
    fill(0, by_key, "1");
    expect(2, by_key, "1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
        T(test_a_statement_that_never_hits_is_left_alone),
        T(test_without_memory_statements_run_uncached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
