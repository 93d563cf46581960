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
    pg_follow_beat(&r->core, content, r->now);
    assert_false(pg_follow_plan(&r->core, r->now).beat);
    pg_follow_beaten(&r->core);
    rig_begin(r, 70);
    rig_feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    rig_feed(r, pgoutput_message(&r->p, true, "weir", content));
    rig_commit(r);
    rig_expect(r, "changed 120, heard 5000000");
}

static void test_other_heartbeats_say_nothing(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    pg_follow_beat(&r->core, content, r->now);
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
    pg_follow_beat(&r->core, content, r->now); /* the one of the connection */
    pg_follow_beaten(&r->core);
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
        FOLLOWING(test_other_heartbeats_say_nothing),
        FOLLOWING(test_without_anybody_there_are_no_heartbeats),
        FOLLOWING(test_changes_are_told_before_the_position_that_covers_them),
        FOLLOWING(test_more_commits_than_can_be_kept_are_confirmed_together),
        FOLLOWING(test_snapshots_are_asked_for_only_while_commits_wait),
        FOLLOWING(test_a_stream_out_of_order_is_given_up),
        FOLLOWING(test_snapshots_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
