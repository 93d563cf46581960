/* The follower's core: positions, heartbeats, the order of what it tells. Numbers are those of
 * notes/cache-rule-proofs.md ("proofs") and HAZARDS.md (caching). Histories at random:
 * test_follow_model.c; rows: test_follow_changes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "follow_rig.h"

/* ---- position and time ---- */

/* Proofs 1. */
static void test_positions_are_where_commits_end(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_feed(r, pgoutput_commit(&r->p, 500, 548));
    rig_snapshot(r, "71:71:");
    rig_expect(r, "changed 548, visible 548");
}

/* Proofs 2, and its repair's own hole: T3 (60) waits with its commit written when the slot is made,
 * and has the very id that is the first snapshot's xmax. */
static void test_nothing_is_visible_until_who_ran_before_the_slot_has_ended(void **state)
{
    rig *r = *state;
    rig_connect_at(r, 100, 61);
    rig_expect(r, "timeline 1, forgot 100, altered 0, not 0");
    rig_snapshot(r, "60:62:60");
    rig_feed(r, pgoutput_keepalive(&r->p, 140, false));
    rig_expect(r, "");
    rig_snapshot(r, "62:62:");
    rig_expect(r, "following 0, visible 140");
}

/* Proofs 6 and 7: positions may come again after a crash. */
static void test_a_connection_forgets_all_that_was_ever_visible(void **state)
{
    rig *r = *state;
    rig_feed(r, pgoutput_keepalive(&r->p, 900, false));
    rig_expect(r, "visible 900");
    pg_follow_lost(&r->core, "gone");
    rig_expect(r, "not 0");
    rig_connect_at(r, 880, 50);
    rig_expect(r, "timeline 1, forgot 901, altered 0, not 0");
    rig_snapshot(r, "80:80:");
    rig_expect(r, "following 0"); /* 880 may have been given out before the crash */
    rig_begin(r, 80);
    rig_feed(r, pgoutput_commit(&r->p, 880, 890));
    rig_snapshot(r, "81:81:");
    rig_expect(r, "");
    rig_feed(r, pgoutput_keepalive(&r->p, 950, false));
    rig_expect(r, "visible 950");
}

/* Proofs 6: a standby that was behind is promoted. */
static void test_another_history_begins_where_it_is(void **state)
{
    rig *r = *state;
    pg_follow_session s = {.system = 5, .timeline = 2, .start = 300, .barrier = 50};
    rig_feed(r, pgoutput_keepalive(&r->p, 900, false));
    pg_follow_lost(&r->core, "gone");
    r->log[0] = '\0';
    pg_follow_connected(&r->core, &s, r->now);
    rig_expect(r, "timeline 2, forgot 300, altered 0, not 0");
    rig_snapshot(r, "80:80:");
    rig_expect(r, "following 0, visible 300");
}

/* Proofs 1(a): a committer that waits for a standby is beyond the snapshot's xmax. */
static void test_a_commit_beyond_xmax_is_not_visible(void **state)
{
    rig *r = *state;
    rig_begin(r, 726);
    uint64_t end = rig_commit(r);
    rig_snapshot(r, "726:726:");
    rig_expect(r, "");
    rig_snapshot(r, "726:727:726");
    rig_expect(r, "");
    rig_snapshot(r, "727:727:");
    rig_expect(r, "visible 120");
    assert_int_equal(end, 120);
}

/* Proofs 1(c). */
static void test_a_later_commit_waits_for_an_earlier_one(void **state)
{
    rig *r = *state;
    rig_begin(r, 726);
    rig_commit(r);
    rig_begin(r, 728);
    rig_commit(r);
    rig_snapshot(r, "726:730:726");
    rig_expect(r, "");
    rig_snapshot(r, "730:730:");
    rig_expect(r, "visible 130");
}

static void test_a_keepalive_waits_for_the_commits_before_it(void **state)
{
    rig *r = *state;
    rig_begin(r, 726);
    rig_commit(r);
    rig_feed(r, pgoutput_keepalive(&r->p, 700, false));
    rig_snapshot(r, "726:730:726");
    rig_expect(r, "");
    rig_snapshot(r, "730:730:");
    rig_expect(r, "visible 700");
}

/* Proofs 1(d). */
static void test_the_ids_of_begin_are_widened(void **state)
{
    rig *r = *state;
    rig_begin(r, 0xfffffffe); /* of the epoch before */
    rig_commit(r);
    rig_begin(r, 5);
    rig_commit(r);
    rig_snapshot(r, "8589934590:8589934596:8589934590"); /* 0x1fffffffe : 0x200000004 */
    rig_expect(r, "");
    rig_snapshot(r, "8589934597:8589934597:"); /* 0x200000005 is not there yet */
    rig_expect(r, "visible 120");
    rig_snapshot(r, "8589934598:8589934598:");
    rig_expect(r, "visible 130");
}

/* Proofs 8, HAZARDS 18. */
static void test_a_heartbeat_counts_from_its_sending_and_after_the_changes(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    pg_follow_wanted(&r->core, false);
    r->now = 5000 * WEIR_SECOND;
    assert_true(pg_follow_plan(&r->core, r->now).beat);
    pg_follow_beat(&r->core, r->outcomes, content, r->now);
    assert_false(pg_follow_plan(&r->core, r->now).beat);
    pg_follow_beaten(&r->core, true);
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    rig_commit(r);
    rig_expect(r, "changed 120, heard 5000000");
}

/* Proofs 21: what no stream tells is looked at by the heartbeat's own statement. */
static void test_a_heartbeat_is_heard_when_its_statement_has_ended(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    r->now = 5000 * WEIR_SECOND;
    pg_follow_beat(&r->core, r->outcomes, content, r->now);
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    rig_commit(r);
    rig_expect(r, "");
    pg_follow_beaten(&r->core, true);
    rig_expect(r, "heard 5000000");
}

/* Before anybody takes it for fresh. */
static void test_what_rights_gave_is_forgotten_when_they_have_changed(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    r->now = 5000 * WEIR_SECOND;
    pg_follow_beat(&r->core, r->outcomes, content, r->now);
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    rig_commit(r);
    pg_follow_beaten(&r->core, false);
    rig_expect(r, "forgot 120, altered 0, heard 5000000");
}

static void test_other_heartbeats_say_nothing(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    pg_follow_beat(&r->core, r->outcomes, content, r->now);
    const char *others[] = {"heartbeat:98:1", "heartbeat:99:2", "heartbeat:99:", "heartbeat:99:1x",
                            "heartbeat:"};
    rig_begin(r, 70);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        rig_feed(r, pgoutput_message(&r->p, true, "weir", others[i]));
    rig_feed(r, pgoutput_message(&r->p, true, "other", content));
    rig_feed(r,
             pgoutput_message(&r->p, false, "weir", content)); /* async commits may be behind it */
    rig_commit(r);
    rig_expect(r, "");
}

/* An idle gateway writes nothing. */
static void test_without_anybody_there_are_no_heartbeats(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    pg_follow_beat(&r->core, r->outcomes, content, r->now); /* the one of the connection */
    pg_follow_beaten(&r->core, true);
    assert_true(pg_follow_plan(&r->core, r->now + 3600 * WEIR_SECOND).at == WEIR_TIME_NEVER);
    pg_follow_wanted(&r->core, false);
    assert_true(pg_follow_plan(&r->core, r->now).at == r->now + WEIR_SECOND);
    pg_follow_wanted(&r->core, true); /* Proofs 9: a fence does not wait */
    assert_true(pg_follow_plan(&r->core, r->now).beat);
}

/* Proofs 11. */
static void test_changes_are_told_before_the_position_that_covers_them(void **state)
{
    rig *r = *state;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_commit(r);
    rig_feed(r, pgoutput_keepalive(&r->p, 300, false));
    rig_snapshot(r, "71:71:");
    rig_expect(r, "changed 120, visible 300");
}

static void test_more_commits_than_can_be_kept_are_confirmed_together(void **state)
{
    rig *r = *state;
    for (uint32_t i = 0; i < PG_FOLLOW_PENDING + 100; i++) {
        rig_begin(r, 1000 + i);
        rig_commit(r);
    }
    uint64_t end = r->position;
    char all[64];
    /* All are visible but one that runs: those that share an entry ask for more. */
    (void)snprintf(all, sizeof(all), "999:%u:999", 1000 + PG_FOLLOW_PENDING + 100);
    rig_snapshot(r, all);
    assert_true(r->core.visible < end);
    (void)snprintf(all, sizeof(all), "%u:%u:", 1000 + PG_FOLLOW_PENDING + 100,
                   1000 + PG_FOLLOW_PENDING + 100);
    rig_snapshot(r, all);
    assert_int_equal(r->core.visible, end);
}

static void test_snapshots_are_asked_for_only_while_commits_wait(void **state)
{
    rig *r = *state;
    assert_false(pg_follow_plan(&r->core, r->now + WEIR_SECOND).snapshot);
    rig_begin(r, 70);
    rig_commit(r);
    r->now += WEIR_SECOND;
    assert_true(pg_follow_plan(&r->core, r->now).snapshot);
    pg_follow_ask_snapshot(&r->core, r->now);
    assert_false(pg_follow_plan(&r->core, r->now + WEIR_SECOND).snapshot);
    pg_snapshot s = {.xmin = 70, .xmax = 70};
    pg_follow_snapshot(&r->core, &s);
    assert_false(pg_follow_plan(&r->core, r->now + 4 * WEIR_MS).snapshot); /* not in a row */
    assert_true(pg_follow_plan(&r->core, r->now + 5 * WEIR_MS).snapshot);
}

/* What was known when it was sent is what its position says. */
static void test_a_heartbeat_says_which_outcomes_end_before_it(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    r->outcomes = 7;
    pg_follow_beat(&r->core, r->outcomes, content, r->now);
    r->outcomes = 9;
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    assert_int_equal(rig_commit(r), 120);
    pg_follow_beaten(&r->core, true);
    assert_true(r->heard_at == 120 && r->heard_outcomes == 7);
}

/* ---- invalidations by hand: proofs 24 ---- */

static void expect_flush(rig *r, const char *content, const char *log)
{
    r->flushed_name[0] = '\0';
    rig_begin(r, 70);
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    rig_commit(r);
    rig_expect(r, log);
}

static void test_a_flush_of_any_node_is_told_with_its_position(void **state)
{
    rig *r = *state;
    weir_flush f = {.kind = WEIR_FLUSH_TAG, .name = WEIR_SLICE_LIT("user:'42\xff")};
    char content[PG_FLUSH_SIZE];
    pg_flush_write(&f, content);
    expect_flush(r, content, "flushed 120");
    assert_int_equal(r->flushed, WEIR_FLUSH_TAG);
    assert_string_equal(r->flushed_name, "user:'42\xff");
    expect_flush(r, "flush:all", "flushed 130");
    assert_int_equal(r->flushed, WEIR_FLUSH_ALL);
    expect_flush(r, "flush:table:74", "flushed 140");
    assert_string_equal(r->flushed_name, "t");
    rig_begin(r, 71);
    for (unsigned i = 0; i < 2; i++)
        rig_feed(r, pgoutput_message(&r->p, true, "weir", i ? "flush:tag:75" : "flush:table:74"));
    rig_commit(r);
    rig_expect(r, "flushed 150, flushed 150");
    assert_string_equal(r->flushed_name, "u");
}

static void test_more_flushes_at_once_than_can_be_kept_forget_everything(void **state)
{
    rig *r = *state;
    rig_begin(r, 71);
    for (unsigned i = 0; i < PG_FLUSHES_BATCH + 3; i++)
        rig_feed(r, pgoutput_message(&r->p, true, "weir", "flush:table:74"));
    rig_commit(r);
    rig_expect(r, "flushed 120");
    assert_int_equal(r->flushed, WEIR_FLUSH_ALL);
}

static void test_what_is_no_flush_says_nothing(void **state)
{
    rig *r = *state;
    char longest[sizeof("flush:tag:") + 2 * WEIR_FLUSH_NAME_MAX + 2] = "flush:tag:";
    const char *none[] = {"flush:",          "flush:al",        "flush:alls",
                          "flush:table:7",   "flush:table:7g",  "flush:row:74",
                          "flush:prefix:7A", "flush:tag:74 75", longest};
    memset(longest + strlen("flush:tag:"), '6', 2 * WEIR_FLUSH_NAME_MAX + 2);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        expect_flush(r, none[i], "");
}

static void test_flushes_wait_in_order_and_are_bounded(void **state)
{
    (void)state;
    static pg_flushes f;
    static pg_flush_batch first, again, all;
    static uint8_t name[WEIR_FLUSH_NAME_MAX + 1];
    weir_flush one = {.kind = WEIR_FLUSH_TABLE, .name = weir_slice_make(name, 1)};
    char out[PG_FLUSH_SIZE];
    assert_false(pg_flushes_wait(&f) || pg_flushes_next(&f, &first));
    for (unsigned i = 0; i < PG_FLUSHES_MAX; i++) {
        name[0] = (uint8_t)i;
        pg_flushes_add(&f, &one);
    }
    assert_true(pg_flushes_next(&f, &first));
    assert_int_equal(first.count, PG_FLUSHES_BATCH);
    assert_string_equal(first.text[1], "flush:table:01");
    pg_flushes_done(&f, &first);
    pg_flushes_done(&f, &first); /* once */
    assert_true(pg_flushes_next(&f, &again));
    assert_string_equal(again.text[0], "flush:table:20");
    for (unsigned i = 0; i <= PG_FLUSHES_BATCH; i++) /* one too many */
        pg_flushes_add(&f, &one);
    pg_flushes_done(&f, &again); /* those are not the first any more */
    assert_true(pg_flushes_next(&f, &all) && all.count == 1);
    assert_string_equal(all.text[0], "flush:all");
    pg_flushes_done(&f, &all);
    assert_false(pg_flushes_wait(&f));
    one.name = weir_slice_make(name, sizeof(name));
    pg_flush_write(&one, out);
    assert_string_equal(out, "flush:all");
}

/* ---- a slot that is kept: HAZARDS, caching 20; decision 0010 ---- */

static void connect_kept(rig *r, uint64_t timeline, uint64_t start)
{
    pg_follow_session s = {
        .system = 5, .timeline = timeline, .start = start, .kept = true, .barrier = 50};
    pg_follow_connected(&r->core, &s, r->now);
}

/* A process that begins believes what was read from its start on. */
static void test_a_kept_slot_s_start_is_the_floor(void **state)
{
    rig *r = *state;
    connect_kept(r, 1, 100);
    rig_expect(r, "timeline 1, forgot 100, altered 0, not 0");
}

static void test_with_a_kept_slot_a_lost_connection_forgets_nothing(void **state)
{
    rig *r = *state;
    pg_follow_lost(&r->core, "gone");
    connect_kept(r, 1, 100);
    r->log[0] = '\0';
    rig_snapshot(r, "80:80:");
    rig_feed(r, pgoutput_keepalive(&r->p, 900, false));
    r->log[0] = '\0';
    pg_follow_lost(&r->core, "gone");
    connect_kept(r, 1, 100);
    rig_expect(r, "not 0, timeline 1, not 0");
    r->position = 100;
    rig_begin(r, 60); /* comes again, and is not told again */
    rig_describe(r, "t", 'd', "*id/23 k/20 v/25");
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_commit(r);
    rig_snapshot(r, "80:80:");
    rig_expect(r, "following 0");
    r->position = 900;
    rig_begin(r, 90);
    rig_feed(r, pgoutput_insert(&r->p, OID, "2|2|x"));
    rig_commit(r);
    rig_snapshot(r, "91:91:");
    rig_expect(r, "changed 910, visible 910");
}

/* Also what came again counts as told, when the connection is lost once more in between. */
static void test_what_was_told_stays_told(void **state)
{
    rig *r = *state;
    rig_feed(r, pgoutput_keepalive(&r->p, 900, false));
    for (unsigned i = 0; i < 3; i++) {
        pg_follow_lost(&r->core, "gone");
        r->log[0] = '\0';
        connect_kept(r, 1, 100);
        rig_expect(r, "timeline 1, not 0");
    }
}

static void test_a_kept_slot_that_was_moved_on_is_a_gap(void **state)
{
    rig *r = *state;
    pg_follow_lost(&r->core, "gone");
    r->log[0] = '\0';
    connect_kept(r, 1, 111); /* 110 is what has come */
    rig_expect(r, "timeline 1, forgot 111, altered 0, not 0");
}

/* Proofs 7. */
static void test_another_run_of_the_server_is_a_gap(void **state)
{
    rig *r = *state;
    pg_follow_lost(&r->core, "gone");
    r->log[0] = '\0';
    connect_kept(r, 2, 100);
    rig_expect(r, "timeline 2, forgot 100, altered 0, not 0");
}

/* What tells rows apart is reported without being asked for, from the relation's first change on;
 * but not of a relation some of whose changes in this transaction came before. */
static void test_with_a_kept_slot_identities_are_asked_for(void **state)
{
    rig *r = *state;
    uint64_t id = weir_column_id(rig_relation("public.t"), WEIR_SLICE_LIT("id"));
    connect_kept(r, 1, 100);
    r->position = 100;
    rig_begin(r, 60);
    rig_describe(r, "t", 'd', "*id/23 *f/701 v/25");
    assert_true(r->serial == 1 && r->tracked[0][1] == id);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_commit(r);
    assert_true(rig_has(r, rig_integer(id, 1)) && r->confirmed_at == 110);
    rig_begin(r, 61);
    rig_describe(r, "t", 'd', "*id/23 *f/701 *v/25"); /* again: its rows were told before */
    rig_commit(r);
    assert_int_equal(r->serial, 1);
}

static void test_identities_are_not_asked_for_in_the_midst_of_changes(void **state)
{
    rig *r = *state;
    const weir_slice parent[] = {WEIR_SLICE_LIT("public.p")};
    uint32_t oid = 0;
    connect_kept(r, 1, 100);
    r->position = 100;
    rig_begin(r, 60);
    rig_describe(r, "t", 'd', "*id/23");
    assert_int_equal(rig_offer(r, pgoutput_insert(&r->p, OID, "1"), &oid), PG_FOLLOW_ASK);
    assert_int_equal(pg_follow_ancestors(&r->core, oid, parent, 1), 0);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1")); /* of p too, by no column of p's */
    rig_feed(r, pgoutput_relation(&r->p, OID + 1, "public", "p", 'd', "*id/23"));
    assert_int_equal(r->serial, 1);
}

static void test_without_a_kept_slot_nothing_is_asked_for(void **state)
{
    rig *r = *state;
    assert_int_equal(r->serial, 0);
}

/* ---- the stream's grammar ---- */

static void test_a_stream_out_of_order_is_given_up(void **state)
{
    rig *r = *state;
    uint32_t oid = 0;
    assert_int_equal(rig_offer(r, pgoutput_commit(&r->p, 1, 1000), &oid), -EPROTO);
    assert_int_equal(rig_offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), -EPROTO);
    rig_begin(r, 70);
    assert_int_equal(rig_offer(r, pgoutput_begin(&r->p, 1, 71), &oid), -EPROTO);
    /* A commit that ends where all had been sent. */
    assert_int_equal(rig_offer(r, pgoutput_commit(&r->p, 90, 110), &oid), -EPROTO);
    assert_int_equal(rig_offer(r, WEIR_SLICE_LIT("?"), &oid), -EPROTO);
}

static void test_snapshots_that_are_none_are_refused(void **state)
{
    (void)state;
    pg_snapshot s = {0};
    const char *bad[] = {"",       "1",     "1:2",     "1:2:x",
                         "1:2:1,", "2:1:",  "1:9:3,2", "1:9:3,3",
                         "1:9:,3", "a:b:c", "-1:2:",   "1:99999999999999999999999:"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(pg_snapshot_read(&s, weir_slice_cstr(bad[i])), -EPROTO);
    assert_int_equal(pg_snapshot_read(&s, WEIR_SLICE_LIT("10:20:10,14,15")), 0);
    assert_true(s.xmin == 10 && s.xmax == 20 && s.count == 3);
    pg_snapshot_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOWING(test_positions_are_where_commits_end),
        FRESH(test_nothing_is_visible_until_who_ran_before_the_slot_has_ended),
        FOLLOWING(test_a_connection_forgets_all_that_was_ever_visible),
        FOLLOWING(test_another_history_begins_where_it_is),
        FOLLOWING(test_a_commit_beyond_xmax_is_not_visible),
        FOLLOWING(test_a_later_commit_waits_for_an_earlier_one),
        FOLLOWING(test_a_keepalive_waits_for_the_commits_before_it),
        FOLLOWING(test_the_ids_of_begin_are_widened),
        FOLLOWING(test_a_heartbeat_counts_from_its_sending_and_after_the_changes),
        FOLLOWING(test_a_heartbeat_is_heard_when_its_statement_has_ended),
        FOLLOWING(test_what_rights_gave_is_forgotten_when_they_have_changed),
        FOLLOWING(test_other_heartbeats_say_nothing),
        FOLLOWING(test_without_anybody_there_are_no_heartbeats),
        FOLLOWING(test_changes_are_told_before_the_position_that_covers_them),
        FOLLOWING(test_more_commits_than_can_be_kept_are_confirmed_together),
        FOLLOWING(test_snapshots_are_asked_for_only_while_commits_wait),
        FOLLOWING(test_a_heartbeat_says_which_outcomes_end_before_it),
        FOLLOWING(test_a_flush_of_any_node_is_told_with_its_position),
        FOLLOWING(test_more_flushes_at_once_than_can_be_kept_forget_everything),
        FOLLOWING(test_what_is_no_flush_says_nothing),
        cmocka_unit_test(test_flushes_wait_in_order_and_are_bounded),
        FRESH(test_a_kept_slot_s_start_is_the_floor),
        FOLLOWING(test_with_a_kept_slot_a_lost_connection_forgets_nothing),
        FOLLOWING(test_what_was_told_stays_told),
        FOLLOWING(test_a_kept_slot_that_was_moved_on_is_a_gap),
        FOLLOWING(test_another_run_of_the_server_is_a_gap),
        FRESH(test_with_a_kept_slot_identities_are_asked_for),
        FRESH(test_identities_are_not_asked_for_in_the_midst_of_changes),
        FOLLOWING(test_without_a_kept_slot_nothing_is_asked_for),
        FOLLOWING(test_a_stream_out_of_order_is_given_up),
        FOLLOWING(test_snapshots_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
