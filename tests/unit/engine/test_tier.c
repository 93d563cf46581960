/* The tier behind memory, as the engine uses it: the test plays the tier, and a second engine plays
 * another process. What comes from a tier is judged by the rule for what lies in memory. */
#include "cache_rig.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* One thing is kept at a time. */
typedef struct shelf {
    weir_tier tier;
    weir_tier_key key;
    weir_buf kept;
    weir_tier_get *asked; /* and not answered */
    unsigned gets, puts, removes, marks, detached;
    bool ill;
} shelf;

static shelf *s;

static weir_tier_answer shelf_get(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                                  weir_tier_get *get)
{
    shelf *of = WEIR_CONTAINER_OF(tier, shelf, tier);
    (void)worker, (void)loop;
    if (of->ill)
        return WEIR_TIER_SKIPPED;
    of->gets++;
    of->asked = get;
    return WEIR_TIER_ASKED;
}

static void shelf_put(weir_tier *tier, unsigned worker, struct weir_loop *loop, weir_tier_put *put)
{
    shelf *of = WEIR_CONTAINER_OF(tier, shelf, tier);
    (void)worker, (void)loop;
    of->puts++;
    of->key = put->key;
    weir_buf_clear(&of->kept);
    int r = put->write(put, &of->kept);
    assert_true(r == 0 || weir_failalloc_failed());
    put->drop(put);
}

static void shelf_remove(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                         const weir_tier_key *key)
{
    (void)worker, (void)loop, (void)key;
    WEIR_CONTAINER_OF(tier, shelf, tier)->removes++;
}

/* What was asked for is answered with nothing. */
static void shelf_detach(weir_tier *tier, unsigned worker)
{
    shelf *of = WEIR_CONTAINER_OF(tier, shelf, tier);
    weir_tier_get *asked = of->asked;
    (void)worker;
    of->asked = NULL;
    of->detached++;
    if (asked)
        asked->done(asked, (weir_slice){0});
}

static void shelf_mark(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                       const weir_tier_key *key, weir_slice mark, weir_time ttl, bool over)
{
    shelf *of = WEIR_CONTAINER_OF(tier, shelf, tier);
    (void)worker, (void)loop;
    of->marks++;
    assert_int_equal(ttl, rig_settings().flight_wait);
    if (of->kept.len > 0 && !over)
        return;
    of->key = *key;
    weir_buf_clear(&of->kept);
    assert_int_equal(weir_buf_append(&of->kept, mark), 0);
}

static void shelf_stats(weir_tier *tier, weir_tier_stats *ret)
{
    *ret = (weir_tier_stats){.puts = WEIR_CONTAINER_OF(tier, shelf, tier)->puts};
}

static void shelf_destroy(weir_tier *tier)
{
    shelf *of = WEIR_CONTAINER_OF(tier, shelf, tier);
    assert_int_equal(of->detached, ENGINE_RIG_WORKERS);
    weir_buf_fini(&of->kept);
    free(of);
}

static const weir_tier_ops ops = {.name = "shelf",
                                  .get = shelf_get,
                                  .put = shelf_put,
                                  .remove = shelf_remove,
                                  .detach = shelf_detach,
                                  .stats = shelf_stats,
                                  .destroy = shelf_destroy};

static const weir_tier_ops shared_ops = {.name = "shelf",
                                         .get = shelf_get,
                                         .put = shelf_put,
                                         .remove = shelf_remove,
                                         .mark = shelf_mark,
                                         .detach = shelf_detach,
                                         .stats = shelf_stats,
                                         .destroy = shelf_destroy};

static int setup(void **state)
{
    int r = rig_setup(state);
    s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->tier.ops = &ops;
    weir_buf_init(&s->kept, 1 << 20);
    weir_engine_set_tier(t->engine, &s->tier);
    return r;
}

/* The tier answers: with what it has if it is that. */
static void answer(void)
{
    weir_tier_get *get = s->asked;
    assert_non_null(get);
    s->asked = NULL;
    bool has = memcmp(&get->key, &s->key, sizeof(s->key)) == 0;
    get->absent = !has || s->kept.len == 0;
    get->done(get, has ? weir_buf_slice(&s->kept) : (weir_slice){0});
}

/* Memory forgets; the tier does not. */
static void forget(void)
{
    weir_store_flush(weir_engine_store(t->engine), weir_worker_epoch(t->worker[0]), UINT32_MAX);
}

static uint64_t ended(weir_lookup_end end)
{
    weir_engine_tier_figures f;
    weir_engine_tier_stats(t->engine, &f);
    return f.lookups[end];
}

static void begin_looking(unsigned session, const char *text)
{
    assert_int_equal(rig_begin(session, text), WEIR_FILL_WAIT);
    assert_non_null(s->asked);
}

/* Filled, kept behind memory, and forgotten there. */
static void fill_and_forget(const char *text, const char *bytes)
{
    begin_looking(0, text);
    answer();
    assert_int_equal(t->answered[0], 1);
    assert_null(t->answer[0].data);
    rig_finish(0, bytes);
    assert_int_equal(s->puts, 1);
    t->answered[0] = 0;
    forget();
}

static void assert_answered(unsigned session, const char *bytes)
{
    assert_int_equal(t->answered[session], 1);
    if (bytes)
        assert_true(weir_slice_eq_cstr(t->answer[session], bytes));
    else
        assert_null(t->answer[session].data);
}

/* It was there, and was not given, since it ended like that. */
static void assert_runs(weir_lookup_end end, unsigned removes)
{
    begin_looking(0, rig_whole);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(end), 1);
    assert_int_equal(ended(WEIR_LOOKUP_HIT), 0);
    assert_int_equal(s->removes, removes);
    assert_true(weir_fill_is_open(&t->fill[0]));
    rig_finish(0, "anew");
    rig_expect(0, rig_whole, "anew");
}

/* ---- tests ---- */

static void test_what_memory_forgot_comes_back(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(2, rig_whole);
    answer();
    assert_answered(2, "1");
    assert_false(weir_fill_is_open(&t->fill[2]));
    assert_int_equal(ended(WEIR_LOOKUP_HIT), 1);
    rig_expect(0, rig_whole, "1"); /* it is in memory again */
    assert_int_equal(s->puts, 1);  /* and is not given back to where it came from */
}

static void test_the_report_has_a_line_of_the_tier(void **state)
{
    (void)state;
    weir_report r;
    fill_and_forget(rig_whole, "1");
    begin_looking(2, rig_whole);
    answer();
    engine_rig_report(&t->base, "cache", &r);
    engine_rig_cell(&r, 0, "tier", "memory");
    engine_rig_cell(&r, 1, "tier", "shelf");
    engine_rig_cell(&r, 1, "hits", "1");
    engine_rig_cell(&r, 1, "misses", "1");
    engine_rig_cell(&r, 1, "kept", "1");
    engine_rig_cell(&r, 1, "looked_ms_ago", NULL);
    engine_rig_cell(&r, 2, "database", "db");
    weir_report_fini(&r);
}

static void test_those_who_wait_for_who_looks_get_it_too(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_whole);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    assert_int_equal(rig_begin(2, rig_whole), WEIR_FILL_WAIT);
    assert_int_equal(s->gets, 2); /* one asked for all */
    answer();
    assert_answered(0, "1");
    rig_deliver();
    assert_answered(1, "1");
    assert_answered(2, "1");
}

static void test_an_ill_tier_is_not_waited_for(void **state)
{
    (void)state;
    s->ill = true;
    rig_fill(0, rig_whole, "1");
    rig_expect(0, rig_whole, "1");
    assert_int_equal(s->gets, 0);
}

static void test_what_changed_is_not_given_and_removed(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    rig_commit(rig_relation_id(), rig_value_id(1), false);
    assert_runs(WEIR_LOOKUP_CHANGED, 1);
}

/* The change comes while the tier is asked. */
static void test_what_changes_meanwhile_is_not_given(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_whole);
    rig_commit(rig_relation_id(), rig_value_id(1), false);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_CHANGED), 1);
    rig_finish(0, "2"); /* its as-of is from after the change */
    rig_expect(0, rig_whole, "2");
}

/* Proofs, row 4: what is from before the floor is of no use here, but perhaps elsewhere. */
static void test_what_is_from_before_the_floor_is_not_given(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    rig_commit(1, 2, true);
    assert_runs(WEIR_LOOKUP_FLOOR, 0);
}

/* Caching 14 of the proofs' row 24: a flush by hand counts for what lies behind memory as well. */
static void test_a_flush_by_hand_forgets_what_lies_behind_memory(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    weir_engine_flush_table(t->engine, t->database, WEIR_SLICE_LIT("t"));
    assert_runs(WEIR_LOOKUP_CHANGED, 1);
}

static void test_nothing_is_given_while_nobody_looks(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_whole);
    t->base.now += 2 * WEIR_SECOND;
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_BEHIND), 1);
}

static void test_a_declared_time_ends_behind_memory_too(void **state)
{
    (void)state;
    static const char *const text = "/* weir: cache ttl=500ms */ SELECT v FROM t";
    fill_and_forget(text, "1");
    t->base.now += 400 * WEIR_MS;
    begin_looking(0, text);
    answer();
    assert_answered(0, "1");
    rig_expect(1, text, "1");
    t->base.now += 100 * WEIR_MS; /* not anew from when it came back */
    rig_expect(1, text, NULL);
    begin_looking(2, text);
    answer();
    assert_answered(2, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_EXPIRED), 1);
    assert_int_equal(s->removes, 1);
}

/* ---- what other processes left ---- */

static void change_word(size_t at, uint64_t by)
{
    weir_stored stored;
    assert_int_equal(weir_stored_open(weir_buf_slice(&s->kept), 1 << 20, &stored), 0);
    weir_entry like = {0}, *e = NULL;
    assert_int_equal(weir_stored_entry(&stored, &like, (weir_slice){0}, &e), 0);
    weir_portable identity = {.domain = weir_slice_head(stored.identity, stored.domain_len),
                              .rest = weir_slice_skip(stored.identity, stored.domain_len)};
    e->asof.local = stored.local;
    uint64_t word;
    memcpy(&word, (const char *)&stored.label + at, sizeof(word));
    word += by;
    memcpy((char *)&stored.label + at, &word, sizeof(word));
    weir_buf out;
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_stored_write(&stored.label, identity, e, 1024, &out), 0);
    weir_buf_fini(&s->kept);
    s->kept = out;
    weir_entry_unref(e);
}

/* Proofs, row 6. */
static void test_another_timeline_is_not_given(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    change_word(offsetof(weir_tier_label, lineage.timeline), 1);
    assert_runs(WEIR_LOOKUP_LINEAGE, 1);
}

/* Proofs, row 22: written by a process that knew another schema. */
static void test_other_facts_are_not_given(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    change_word(offsetof(weir_tier_label, fingerprint), 1);
    assert_runs(WEIR_LOOKUP_FACTS, 0);
}

/* Proofs, row 5: `local` of another process says nothing here. */
static void test_local_counts_in_its_own_run_alone(void **state)
{
    (void)state;
    weir_engine_flush_table(t->engine, t->database, WEIR_SLICE_LIT("t"));
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_whole);
    answer();
    assert_answered(0, "1");
    t->answered[0] = 0;
    forget();
    change_word(offsetof(weir_tier_label, run), 1);
    begin_looking(0, rig_whole);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_CHANGED), 1);
}

/* Proofs, row 17: a key that was followed there and is not followed here: the whole relation. */
static void test_keys_not_followed_here_count_as_the_relation(void **state)
{
    (void)state;
    fill_and_forget(rig_by_key,
                    "one"); /* its column is not taken up: no position is early enough */
    rig_commit(rig_relation_id(), rig_value_id(2), false);
    begin_looking(0, rig_by_key);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_CHANGED), 1);
}

/* Caching 16: a tier that gives another's answer. */
static void test_another_s_answer_is_not_given(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_by_key);
    s->key = s->asked->key;
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_HIT), 0);
    assert_int_equal(ended(WEIR_LOOKUP_ABSENT), 2);
}

static void test_damage_is_noticed(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    s->kept.data[s->kept.len - 1] ^= 1;
    assert_runs(WEIR_LOOKUP_DAMAGED, 1);
}

static void test_other_rules_do_not_find_it(void **state)
{
    (void)state;
    weir_cache_rule rule = {.table = "t", .cache = WEIR_RULE_CACHE, .tags = "a"};
    weir_cache_settings settings = rig_settings();
    fill_and_forget(rig_whole, "1");
    settings.rules = &rule;
    settings.rule_count = 1;
    assert_int_equal(weir_engine_configure_cache(t->engine, &settings), 0);
    begin_looking(0, rig_whole);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_ABSENT), 2);
}

/* ---- a server's own history ---- */

static void connect_at(uint32_t timeline, uint64_t position)
{
    const weir_follower *f = t->base.follower;
    f->lineage(f->user, 99, timeline);
    f->forgot(f->user, position);
    f->visible(f->user, position);
    f->heard(f->user, t->base.now, position, f->outcomes(f->user));
}

static uint64_t kept_at(void)
{
    weir_stored stored;
    assert_int_equal(weir_stored_open(weir_buf_slice(&s->kept), 1 << 20, &stored), 0);
    return stored.label.wal;
}

static void ask_again(void)
{
    t->answered[0] = 0;
    begin_looking(0, rig_whole);
    answer();
    weir_fill_abort(&t->fill[0], false);
    forget();
}

/* Proofs, rows 4 to 7: what others left is usable from the floor on, on our timeline, and not
 * before we know of what it is of. */
static void test_positions_are_told_as_the_server_has_them(void **state)
{
    (void)state;
    const weir_follower *f = t->base.follower;
    connect_at(1, 1000);
    f->visible(f->user, 1100);
    fill_and_forget(rig_whole, "1");
    assert_int_equal(kept_at(), 1100);
    ask_again();
    assert_answered(0, "1");
    change_word(offsetof(weir_tier_label, wal), 1); /* another node was ahead */
    ask_again();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_BEHIND), 1);
    f->visible(f->user, 1101);
    ask_again();
    assert_answered(0, "1");
    connect_at(1, 1101); /* nothing was missed, but that is not known */
    ask_again();
    assert_answered(0, "1");
    connect_at(1, 1102);
    ask_again();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_FLOOR), 1);
}

/* Proofs, row 5: a write of ours counts against others' answers by its statement until the stream
 * has told what it really changed. */
static void test_what_the_stream_has_told_of_our_writes_counts_by_that(void **state)
{
    (void)state;
    const weir_follower *f = t->base.follower;
    connect_at(1, 1000);
    fill_and_forget(rig_whole, "1");
    change_word(offsetof(weir_tier_label, run), 1);
    weir_engine_flush_table(t->engine, t->database, WEIR_SLICE_LIT("t")); /* as an outcome would */
    ask_again();
    assert_answered(0, NULL);
    f->heard(f->user, t->base.now, 1050, f->outcomes(f->user));
    f->visible(f->user, 1049);
    ask_again();
    assert_answered(0, NULL);
    f->visible(f->user, 1050);
    ask_again();
    assert_answered(0, "1");
    uint64_t ids[] = {rig_relation_id()};
    forget();
    f->changed(f->user, 1060, ids, 1);
    ask_again();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_CHANGED), 3);
}

/* A standby that was behind is promoted: ours go on, the server's begin again. */
static void test_a_new_timeline_counts_for_itself(void **state)
{
    (void)state;
    const weir_follower *f = t->base.follower;
    connect_at(1, 1000);
    fill_and_forget(rig_whole, "1");
    connect_at(2, 900);
    ask_again();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_LINEAGE) + ended(WEIR_LOOKUP_ABSENT), 2);
    f->visible(f->user, 950);
    t->answered[0] = 0;
    begin_looking(0, rig_whole);
    answer();
    rig_finish(0, "2");
    assert_int_equal(kept_at(), 950);
    forget();
    ask_again();
    assert_answered(0, "2");
}

/* A fill that a gap came over: what its as-of is of cannot be said any more. */
static void test_a_gap_during_the_run_keeps_it_here(void **state)
{
    (void)state;
    connect_at(1, 1000);
    begin_looking(0, rig_whole);
    answer();
    connect_at(2, 900);
    rig_finish(0, "1");
    assert_int_equal(s->puts, 0);
}

/* Restored from a copy of its disk: the same timeline, and other commits at the same positions. */
static void test_positions_that_go_back_name_nothing(void **state)
{
    (void)state;
    connect_at(1, 1000);
    fill_and_forget(rig_whole, "1");
    connect_at(1, 500);
    assert_int_equal(rig_begin(0, rig_whole), WEIR_FILL_LEAD);
    rig_finish(0, "2");
    assert_int_equal(s->puts, 1);
    connect_at(2, 600);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
}

/* ---- leases ---- */

static void mark_another_s(void)
{
    s->kept.data[s->kept.len - 1] ^= 1; /* the run's name */
}

/* The worker's turn comes again, so much later. */
static void wait_and_look_again(weir_time time)
{
    t->base.now += time;
    weir_worker_tick(t->worker[0]);
}

static void test_who_reads_leaves_a_mark_that_the_answer_replaces(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(s->marks, 1);
    size_t mark = s->kept.len;
    rig_finish(0, "1");
    assert_true(s->puts == 1 && s->kept.len != mark && s->removes == 0);
}

/* Late, or gone: others would wait for what cannot come. */
static void test_where_the_tier_does_not_answer_no_mark_is_left(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    weir_tier_get *get = s->asked;
    s->asked = NULL;
    get->done(get, (weir_slice){0});
    assert_answered(0, NULL);
    assert_int_equal(s->marks, 0);
}

static void test_a_mark_goes_if_no_answer_comes(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    weir_fill_abort(&t->fill[0], false);
    assert_true(s->marks == 1 && s->removes == 1);
}

static void test_another_s_mark_is_waited_for(void **state)
{
    (void)state;
    weir_buf kept;
    fill_and_forget(rig_whole, "1");
    kept = s->kept;
    weir_buf_init(&s->kept, 1 << 20);
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    mark_another_s();
    weir_fill_abort(&t->fill[0], false);
    begin_looking(1, rig_whole);
    s->key = s->asked->key;
    answer();
    assert_int_equal(t->answered[1], 0);
    for (unsigned i = 0; i < 3; i++) { /* still there */
        wait_and_look_again(20 * WEIR_MS);
        answer();
        assert_int_equal(t->answered[1], 0);
    }
    weir_buf_fini(&s->kept);
    s->kept = kept;
    wait_and_look_again(20 * WEIR_MS);
    answer();
    assert_answered(1, "1");
}

/* Its owner has died: it costs the wait. */
static void test_a_mark_is_not_waited_for_longer_than_a_flight(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    mark_another_s();
    weir_fill_abort(&t->fill[0], false);
    begin_looking(0, rig_whole);
    t->answered[0] = 0;
    s->key = s->asked->key;
    answer();
    assert_int_equal(t->answered[0], 0);
    wait_and_look_again(rig_settings().flight_wait);
    answer();
    assert_answered(0, NULL);
    assert_int_equal(ended(WEIR_LOOKUP_LEASED), 1);
}

static void test_one_s_own_mark_is_not_waited_for(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    weir_fill_abort(&t->fill[0], true);
    t->answered[0] = 0;
    begin_looking(0, rig_whole);
    s->key = s->asked->key;
    answer();
    assert_answered(0, NULL);
}

static void test_who_waits_when_the_worker_ends_is_answered(void **state)
{
    (void)state;
    s->tier.ops = &shared_ops;
    begin_looking(0, rig_whole);
    answer();
    mark_another_s();
    weir_fill_abort(&t->fill[0], false);
    begin_looking(0, rig_whole);
    s->key = s->asked->key;
    answer();
    weir_fill_abort(&t->fill[0], true); /* teardown ends the wait */
}

/* ---- lives ---- */

static void test_who_leaves_while_looking_is_not_told(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    begin_looking(0, rig_whole);
    assert_int_equal(rig_begin(1, rig_whole), WEIR_FILL_WAIT);
    weir_fill_abort(&t->fill[0], true);
    weir_tier_get *first = s->asked;
    s->asked = NULL;
    rig_deliver(); /* the other one leads: it runs */
    assert_answered(1, NULL);
    assert_true(weir_fill_is_open(&t->fill[1]));
    first->done(first, weir_buf_slice(&s->kept));
    assert_int_equal(t->answered[0], 0);
}

static void test_who_looks_when_the_worker_ends_is_answered(void **state)
{
    (void)state;
    begin_looking(0, rig_whole);
    weir_fill_abort(&t->fill[0], true);
    assert_non_null(s->asked); /* teardown: detach answers it */
}

/* What is hardly ever asked for again is given to the tier now and then only. */
static void test_worthless_templates_mostly_stay_in_memory(void **state)
{
    (void)state;
    s->ill = true;
    for (unsigned i = 0; i < 256 + 80; i++) {
        rig_fill(0, rig_whole, "1");
        forget();
    }
    assert_in_range(s->puts, 255 + 5, 255 + 15);
    unsigned before = s->puts;
    for (unsigned i = 0; i < 80; i++) {
        rig_fill(0, rig_whole, "1");
        rig_expect(0, rig_whole, "1");
        forget();
    }
    assert_true(s->puts > before + 40);
}

static void look_and_fill(void *user)
{
    (void)user;
    weir_statement st;
    weir_session_understand(&t->session[0], weir_slice_cstr(rig_whole), &st);
    weir_buf *b = weir_session_begin_identity(&t->session[0]);
    int r = weir_buf_append(b, weir_slice_cstr(rig_whole));
    (void)r;
    weir_ask ask = {.statement = &st, .text = weir_slice_cstr(rig_whole)};
    t->answered[0] = 0;
    r = weir_session_begin_fill(&t->session[0], &ask, &t->fill[0]);
    if (r == WEIR_FILL_WAIT) {
        answer();
        assert_int_equal(t->answered[0], 1);
        assert_true(t->answer[0].data != NULL || weir_failalloc_failed());
    } else {
        assert_true(weir_failalloc_failed());
    }
    if (weir_fill_is_open(&t->fill[0]))
        rig_finish(0, "1");
    forget();
}

static void test_without_memory_the_statement_is_run(void **state)
{
    (void)state;
    fill_and_forget(rig_whole, "1");
    assert_true(weir_failalloc_each(40, look_and_fill, NULL) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_memory_forgot_comes_back),
        TEST(test_the_report_has_a_line_of_the_tier),
        TEST(test_those_who_wait_for_who_looks_get_it_too),
        TEST(test_an_ill_tier_is_not_waited_for),
        TEST(test_what_changed_is_not_given_and_removed),
        TEST(test_what_changes_meanwhile_is_not_given),
        TEST(test_what_is_from_before_the_floor_is_not_given),
        TEST(test_a_flush_by_hand_forgets_what_lies_behind_memory),
        TEST(test_nothing_is_given_while_nobody_looks),
        TEST(test_a_declared_time_ends_behind_memory_too),
        TEST(test_another_timeline_is_not_given),
        TEST(test_other_facts_are_not_given),
        TEST(test_local_counts_in_its_own_run_alone),
        TEST(test_keys_not_followed_here_count_as_the_relation),
        TEST(test_another_s_answer_is_not_given),
        TEST(test_damage_is_noticed),
        TEST(test_other_rules_do_not_find_it),
        TEST(test_positions_are_told_as_the_server_has_them),
        TEST(test_what_the_stream_has_told_of_our_writes_counts_by_that),
        TEST(test_a_new_timeline_counts_for_itself),
        TEST(test_a_gap_during_the_run_keeps_it_here),
        TEST(test_positions_that_go_back_name_nothing),
        TEST(test_who_reads_leaves_a_mark_that_the_answer_replaces),
        TEST(test_where_the_tier_does_not_answer_no_mark_is_left),
        TEST(test_a_mark_goes_if_no_answer_comes),
        TEST(test_another_s_mark_is_waited_for),
        TEST(test_a_mark_is_not_waited_for_longer_than_a_flight),
        TEST(test_one_s_own_mark_is_not_waited_for),
        TEST(test_who_waits_when_the_worker_ends_is_answered),
        TEST(test_who_leaves_while_looking_is_not_told),
        TEST(test_who_looks_when_the_worker_ends_is_answered),
        TEST(test_worthless_templates_mostly_stay_in_memory),
        TEST(test_without_memory_the_statement_is_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
