/* The follower's core, rule by rule. Numbers are those of notes/cache-rule-proofs.md ("proofs") and
 * HAZARDS.md (caching). Histories at random: test_follow_model.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/postgres/follow_core.h"
#include "catalog/key.h"
#include "pgoutput.h"

#define OID 77u
#define IDS_MAX 64u

typedef struct rig {
    pg_follow_core core;
    pgoutput p;
    char log[2048]; /* what was told, a word each */
    uint64_t serial;
    uint64_t tracked[8][2];
    uint64_t ids[IDS_MAX];
    size_t count;
    uint64_t confirmed_at;
    uint64_t position; /* of the WAL's end */
    weir_time now;
} rig;

static void note(rig *r, const char *word, uint64_t number)
{
    size_t n = strlen(r->log);
    (void)snprintf(r->log + n, sizeof(r->log) - n, "%s%s %llu", n ? ", " : "", word,
                   (unsigned long long)number);
}

static void expect(rig *r, const char *log)
{
    assert_string_equal(r->log, log);
    r->log[0] = '\0';
}

static uint64_t track_serial(void *user)
{
    return ((const rig *)user)->serial;
}

static void each_tracked(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user)
{
    const rig *r = user;
    for (uint64_t i = 0; i < r->serial; i++)
        visit(visit_user, r->tracked[i][0], r->tracked[i][1], WEIR_SLICE_LIT(""),
              WEIR_SLICE_LIT(""));
}

static void on_changed(void *user, uint64_t position, const uint64_t *ids, size_t count)
{
    rig *r = user;
    note(r, "changed", position);
    assert_true(count <= IDS_MAX);
    memcpy(r->ids, ids, count * sizeof(*ids));
    r->count = count;
}

static void on_forgot(void *user, uint64_t position)
{
    note(user, "forgot", position);
}

static void on_visible(void *user, uint64_t position)
{
    note(user, "visible", position);
}

static void on_heard(void *user, weir_time sent)
{
    note(user, "heard", (uint64_t)(sent / WEIR_MS));
}

static void on_altered(void *user, uint64_t position)
{
    note(user, "altered", position);
}

static void on_confirmed(void *user, uint64_t serial, uint64_t position)
{
    (void)serial;
    ((rig *)user)->confirmed_at = position;
}

static void on_lineage(void *user, uint64_t system, uint32_t timeline)
{
    (void)system;
    note(user, "timeline", timeline);
}

static void on_following(void *user, const char *why_not)
{
    note(user, why_not ? "not" : "following", 0);
}

static void connect_at(rig *r, uint64_t start, uint64_t barrier)
{
    pg_follow_session s = {.system = 5, .timeline = 1, .start = start, .barrier = barrier};
    r->position = start;
    pg_follow_connected(&r->core, &s, r->now);
}

static void snapshot(rig *r, const char *text)
{
    pg_snapshot s = {0};
    r->now += WEIR_SECOND;
    assert_true(pg_follow_plan(&r->core, r->now).snapshot);
    pg_follow_ask_snapshot(&r->core, r->now);
    assert_int_equal(pg_snapshot_read(&s, weir_slice_cstr(text)), 0);
    pg_follow_snapshot(&r->core, &s);
    pg_snapshot_fini(&s);
}

static int offer(rig *r, weir_slice payload, uint32_t *ret_oid)
{
    bool reply;
    return pg_follow_feed(&r->core, payload, ret_oid, &reply);
}

/* No relation has ancestors, unless a test says so. */
static void feed(rig *r, weir_slice payload)
{
    uint32_t oid = 0;
    int e = offer(r, payload, &oid);
    if (e == PG_FOLLOW_ASK) {
        assert_int_equal(pg_follow_ancestors(&r->core, oid, NULL, 0), 0);
        e = offer(r, payload, &oid);
    }
    assert_int_equal(e, 0);
}

static void begin(rig *r, uint32_t xid)
{
    feed(r, pgoutput_begin(&r->p, r->position, xid));
}

static uint64_t commit(rig *r)
{
    uint64_t begins = r->position;
    r->position += 10;
    feed(r, pgoutput_commit(&r->p, begins, r->position));
    return r->position;
}

static void describe(rig *r, const char *name, char identity, const char *columns)
{
    feed(r, pgoutput_relation(&r->p, OID, "public", name, identity, columns));
}

static uint64_t relation_id(const char *name)
{
    return weir_relation_id(weir_slice_cstr(name));
}

static uint64_t track(rig *r, const char *relation, const char *column)
{
    uint64_t id = relation_id(relation);
    uint64_t column_id = weir_column_id(id, weir_slice_cstr(column));
    r->tracked[r->serial][0] = id;
    r->tracked[r->serial++][1] = column_id;
    return column_id;
}

static bool has(const rig *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->ids[i] == id)
            return true;
    return false;
}

static uint64_t value(uint64_t column, weir_key_type type, const char *s)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_pg_text(column, type, weir_slice_cstr(s), true, &id), 0);
    return id;
}

static uint64_t integer(uint64_t column, int64_t n)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_pg_integer(column, WEIR_KEY_PG_INTEGER, n, &id), 0);
    return id;
}

static uint64_t text(uint64_t column, const char *s)
{
    return value(column, WEIR_KEY_PG_TEXT, s);
}

static int set_up(void **state)
{
    static rig r;
    const weir_follower follower = {.track_serial = track_serial,
                                    .each_tracked = each_tracked,
                                    .changed = on_changed,
                                    .forgot = on_forgot,
                                    .visible = on_visible,
                                    .heard = on_heard,
                                    .altered = on_altered,
                                    .confirmed = on_confirmed,
                                    .lineage = on_lineage,
                                    .following = on_following,
                                    .user = &r};
    r = (rig){.now = 1000 * WEIR_SECOND};
    *state = &r;
    return pg_follow_init(&r.core, &follower, (weir_hash_seed){{1, 2}}, 99, WEIR_SECOND);
}

static int tear_down(void **state)
{
    rig *r = *state;
    pg_follow_fini(&r->core);
    return 0;
}

/* Connected, drained, V at 100, one relation: *id int4, k int8, v text. */
static int set_up_following(void **state)
{
    int e = set_up(state);
    rig *r = *state;
    connect_at(r, 100, 50);
    snapshot(r, "60:60:");
    r->log[0] = '\0';
    begin(r, 60);
    describe(r, "t", 'd', "*id/23 k/20 v/25");
    commit(r);
    snapshot(r, "70:70:");
    r->log[0] = '\0';
    return e;
}

/* ---- position and time ---- */

/* Proofs 1. */
static void test_positions_are_where_commits_end(void **state)
{
    rig *r = *state;
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    feed(r, pgoutput_commit(&r->p, 500, 548));
    snapshot(r, "71:71:");
    expect(r, "changed 548, visible 548");
}

/* Proofs 2, and its repair's own hole: T3 (60) waits with its commit written when the slot is made,
 * and has the very id that is the first snapshot's xmax. */
static void test_nothing_is_visible_until_who_ran_before_the_slot_has_ended(void **state)
{
    rig *r = *state;
    connect_at(r, 100, 61);
    expect(r, "timeline 1, forgot 100, not 0");
    snapshot(r, "60:62:60");
    feed(r, pgoutput_keepalive(&r->p, 140, false));
    expect(r, "");
    snapshot(r, "62:62:");
    expect(r, "following 0, visible 140");
}

/* Proofs 6 and 7: positions may come again after a crash. */
static void test_a_connection_forgets_all_that_was_ever_visible(void **state)
{
    rig *r = *state;
    feed(r, pgoutput_keepalive(&r->p, 900, false));
    expect(r, "visible 900");
    pg_follow_lost(&r->core, "gone");
    expect(r, "not 0");
    connect_at(r, 880, 50);
    expect(r, "timeline 1, forgot 901, not 0");
    snapshot(r, "80:80:");
    expect(r, "following 0"); /* 880 may have been given out before the crash */
    begin(r, 80);
    feed(r, pgoutput_commit(&r->p, 880, 890));
    snapshot(r, "81:81:");
    expect(r, "");
    feed(r, pgoutput_keepalive(&r->p, 950, false));
    expect(r, "visible 950");
}

/* Proofs 6: a standby that was behind is promoted. */
static void test_another_history_begins_where_it_is(void **state)
{
    rig *r = *state;
    pg_follow_session s = {.system = 5, .timeline = 2, .start = 300, .barrier = 50};
    feed(r, pgoutput_keepalive(&r->p, 900, false));
    pg_follow_lost(&r->core, "gone");
    r->log[0] = '\0';
    pg_follow_connected(&r->core, &s, r->now);
    expect(r, "timeline 2, forgot 300, not 0");
    snapshot(r, "80:80:");
    expect(r, "following 0, visible 300");
}

/* Proofs 1(a): a committer that waits for a standby is beyond the snapshot's xmax. */
static void test_a_commit_beyond_xmax_is_not_visible(void **state)
{
    rig *r = *state;
    begin(r, 726);
    uint64_t end = commit(r);
    snapshot(r, "726:726:");
    expect(r, "");
    snapshot(r, "726:727:726");
    expect(r, "");
    snapshot(r, "727:727:");
    expect(r, "visible 120");
    assert_int_equal(end, 120);
}

/* Proofs 1(c). */
static void test_a_later_commit_waits_for_an_earlier_one(void **state)
{
    rig *r = *state;
    begin(r, 726);
    commit(r);
    begin(r, 728);
    commit(r);
    snapshot(r, "726:730:726");
    expect(r, "");
    snapshot(r, "730:730:");
    expect(r, "visible 130");
}

static void test_a_keepalive_waits_for_the_commits_before_it(void **state)
{
    rig *r = *state;
    begin(r, 726);
    commit(r);
    feed(r, pgoutput_keepalive(&r->p, 700, false));
    snapshot(r, "726:730:726");
    expect(r, "");
    snapshot(r, "730:730:");
    expect(r, "visible 700");
}

/* Proofs 1(d). */
static void test_the_ids_of_begin_are_widened(void **state)
{
    rig *r = *state;
    begin(r, 0xfffffffe); /* of the epoch before */
    commit(r);
    begin(r, 5);
    commit(r);
    snapshot(r, "8589934590:8589934596:8589934590"); /* 0x1fffffffe : 0x200000004 */
    expect(r, "");
    snapshot(r, "8589934597:8589934597:"); /* 0x200000005 is not there yet */
    expect(r, "visible 120");
    snapshot(r, "8589934598:8589934598:");
    expect(r, "visible 130");
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
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    feed(r, pgoutput_message(&r->p, true, "weir", content));
    commit(r);
    expect(r, "changed 120, heard 5000000");
}

static void test_other_heartbeats_say_nothing(void **state)
{
    rig *r = *state;
    char content[PG_FOLLOW_BEAT_SIZE];
    pg_follow_beat(&r->core, content, r->now);
    const char *others[] = {"heartbeat:98:1", "heartbeat:99:2", "heartbeat:99:", "heartbeat:99:1x",
                            "heartbeat:"};
    begin(r, 70);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        feed(r, pgoutput_message(&r->p, true, "weir", others[i]));
    feed(r, pgoutput_message(&r->p, true, "other", content));
    feed(r, pgoutput_message(&r->p, false, "weir", content)); /* async commits may be behind it */
    commit(r);
    expect(r, "");
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
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|2|x"));
    commit(r);
    feed(r, pgoutput_keepalive(&r->p, 300, false));
    snapshot(r, "71:71:");
    expect(r, "changed 120, visible 300");
}

static void test_more_commits_than_can_be_kept_are_confirmed_together(void **state)
{
    rig *r = *state;
    for (uint32_t i = 0; i < PG_FOLLOW_PENDING + 100; i++) {
        begin(r, 1000 + i);
        commit(r);
    }
    uint64_t end = r->position;
    char all[64];
    /* All are visible but one that runs: those that share an entry ask for more. */
    (void)snprintf(all, sizeof(all), "999:%u:999", 1000 + PG_FOLLOW_PENDING + 100);
    snapshot(r, all);
    assert_true(r->core.visible < end);
    (void)snprintf(all, sizeof(all), "%u:%u:", 1000 + PG_FOLLOW_PENDING + 100,
                   1000 + PG_FOLLOW_PENDING + 100);
    snapshot(r, all);
    assert_int_equal(r->core.visible, end);
}

static void test_snapshots_are_asked_for_only_while_commits_wait(void **state)
{
    rig *r = *state;
    assert_false(pg_follow_plan(&r->core, r->now + WEIR_SECOND).snapshot);
    begin(r, 70);
    commit(r);
    r->now += WEIR_SECOND;
    assert_true(pg_follow_plan(&r->core, r->now).snapshot);
    pg_follow_ask_snapshot(&r->core, r->now);
    assert_false(pg_follow_plan(&r->core, r->now + WEIR_SECOND).snapshot);
    pg_snapshot s = {.xmin = 70, .xmax = 70};
    pg_follow_snapshot(&r->core, &s);
    assert_false(pg_follow_plan(&r->core, r->now + 4 * WEIR_MS).snapshot); /* not in a row */
    assert_true(pg_follow_plan(&r->core, r->now + 5 * WEIR_MS).snapshot);
}

/* ---- what reaches the slots ---- */

/* Proofs 14. */
static void test_truncate_reaches_every_column(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id"), k = track(r, "public.t", "k");
    begin(r, 70);
    feed(r, pgoutput_truncate(&r->p, OID, 0));
    commit(r);
    assert_int_equal(r->count, 3);
    assert_true(has(r, relation_id("public.t")) && has(r, id) && has(r, k));
}

static void test_an_insert_reports_its_values(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id"), v = track(r, "public.t", "v");
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "-5|2|x y"));
    commit(r);
    assert_int_equal(r->count, 3);
    assert_true(has(r, relation_id("public.t")) && has(r, integer(id, -5)) &&
                has(r, text(v, "x y")));
}

/* HAZARDS 4. */
static void test_an_update_reports_old_and_new_values(void **state)
{
    rig *r = *state;
    uint64_t k = track(r, "public.t", "k");
    begin(r, 70);
    describe(r, "t", 'f', "*id/23 *k/20 *v/25");
    commit(r);
    begin(r, 71);
    feed(r, pgoutput_update(&r->p, OID, 'O', "1|7|x", "1|8|x"));
    commit(r);
    assert_int_equal(r->count, 3);
    assert_true(has(r, integer(k, 7)) && has(r, integer(k, 8)));
}

static void test_an_update_of_other_columns_keeps_the_identity_s_values(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id"), k = track(r, "public.t", "k");
    begin(r, 70);
    feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|x"));
    commit(r);
    /* The old k is not sent. */
    assert_int_equal(r->count, 4);
    assert_true(has(r, integer(id, 1)) && has(r, integer(k, 8)) && has(r, k) && !has(r, id));
}

/* What is not of the key is sent as NULL. */
static void test_an_old_key_says_nothing_of_other_columns(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id"), k = track(r, "public.t", "k");
    begin(r, 70);
    feed(r, pgoutput_update(&r->p, OID, 'K', "1|~|~", "2|8|x"));
    commit(r);
    assert_int_equal(r->count, 5);
    assert_true(has(r, integer(id, 1)) && has(r, integer(id, 2)) && has(r, integer(k, 8)) &&
                has(r, k));
    begin(r, 71);
    feed(r, pgoutput_delete(&r->p, OID, 'K', "2|~|~"));
    commit(r);
    assert_int_equal(r->count, 3);
    assert_true(has(r, integer(id, 2)) && has(r, k));
}

/* HAZARDS 5, proofs 19. */
static void test_unchanged_toast_is_not_null(void **state)
{
    rig *r = *state;
    uint64_t v = track(r, "public.t", "v");
    begin(r, 70);
    feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|?"));
    commit(r);
    assert_int_equal(r->count, 2);
    assert_true(has(r, v));
}

static void test_null_is_equal_to_nothing(void **state)
{
    rig *r = *state;
    (void)track(r, "public.t", "v");
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|8|~"));
    commit(r);
    assert_int_equal(r->count, 1);
}

/* Proofs 19: generated columns, column lists. */
static void test_a_column_that_is_not_sent_is_never_known(void **state)
{
    rig *r = *state;
    uint64_t g = track(r, "public.t", "generated");
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    commit(r);
    assert_int_equal(r->count, 2);
    assert_true(has(r, g));
}

/* As operands of a query have them. */
static void test_each_key_type_has_the_ids_of_its_operands(void **state)
{
    rig *r = *state;
    uint64_t u = track(r, "public.t", "u"), b = track(r, "public.t", "b");
    uint64_t d = track(r, "public.t", "d"), s = track(r, "public.t", "s");
    begin(r, 70);
    describe(r, "t", 'd', "*u/2950 b/16 d/1082 s/21");
    commit(r);
    begin(r, 71);
    feed(r, pgoutput_insert(&r->p, OID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|t|2026-11-21|-7"));
    commit(r);
    assert_int_equal(r->count, 5);
    assert_true(has(r, value(u, WEIR_KEY_PG_UUID, "A0EEBC999C0B4EF8BB6D6BB9BD380A11")));
    assert_true(has(r, value(b, WEIR_KEY_PG_BOOL, "true")));
    assert_true(has(r, value(d, WEIR_KEY_PG_DATE, "2026-11-21")));
    assert_true(has(r, integer(s, -7)));
}

/* Proofs 18. */
static void test_types_without_canonical_bytes_are_not_keys(void **state)
{
    rig *r = *state;
    uint64_t n = track(r, "public.t", "n");
    begin(r, 70);
    describe(r, "t", 'd', "*id/23 n/1700");
    commit(r);
    begin(r, 71);
    feed(r, pgoutput_insert(&r->p, OID, "1|1.00"));
    commit(r);
    assert_true(has(r, n));
    assert_int_equal(r->count, 2);
}

static void test_a_whole_identity_without_an_old_row_knows_nothing(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id");
    begin(r, 70);
    describe(r, "t", 'f', "*id/23 *k/20 *v/25");
    feed(r, pgoutput_update(&r->p, OID, 0, NULL, "1|8|x"));
    commit(r);
    assert_true(has(r, id));
}

/* Proofs 16. */
static void test_columns_are_confirmed_between_transactions(void **state)
{
    rig *r = *state;
    begin(r, 70);
    uint64_t id = track(r, "public.t", "id");
    feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    assert_int_equal(r->confirmed_at, 0);
    uint64_t end = commit(r);
    assert_false(has(r, integer(id, 1)));
    assert_int_equal(r->confirmed_at, end);
    begin(r, 71);
    feed(r, pgoutput_insert(&r->p, OID, "2|8|x"));
    commit(r);
    assert_true(has(r, integer(id, 2)));
}

/* Proofs 20: leaf and ancestors alike. */
static void test_a_partition_s_rows_are_its_ancestors_too(void **state)
{
    rig *r = *state;
    uint64_t leaf = track(r, "public.t", "id"), root = track(r, "public.root", "id");
    uint32_t oid = 0;
    const weir_slice names[] = {WEIR_SLICE_LIT("public.root"), WEIR_SLICE_LIT("public.middle")};
    begin(r, 70);
    describe(r, "t", 'd', "*id/23 k/20 v/25");
    assert_int_equal(offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), PG_FOLLOW_ASK);
    assert_int_equal(oid, OID);
    assert_int_equal(pg_follow_ancestors(&r->core, oid, names, 2), 0);
    feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    commit(r);
    assert_int_equal(r->count, 5);
    assert_true(has(r, relation_id("public.t")) && has(r, relation_id("public.root")) &&
                has(r, relation_id("public.middle")) && has(r, integer(leaf, 1)) &&
                has(r, integer(root, 1)));
    begin(r, 71);
    feed(r, pgoutput_truncate(&r->p, OID, 0));
    commit(r);
    assert_true(has(r, leaf) && has(r, root) && has(r, relation_id("public.middle")));
}

static void test_ancestors_are_asked_for_again_after_a_change_of_the_schema(void **state)
{
    rig *r = *state;
    uint32_t oid = 0;
    begin(r, 70);
    feed(r, pgoutput_message(&r->p, true, "weir", "ddl"));
    commit(r);
    begin(r, 71);
    assert_int_equal(offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), PG_FOLLOW_ASK);
}

/* Nobody tells when a table was attached. */
static void test_a_change_of_inheritance_that_was_found_forgets_what_was_read(void **state)
{
    rig *r = *state;
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, OID, "1|8|x"));
    pg_follow_inheritance_changed(&r->core);
    expect(r, "forgot 110");
    commit(r);
    expect(r, "changed 120, forgot 120");
}

/* Proofs 21, 22. */
static void test_a_change_of_the_schema_forgets_what_was_read_before_it(void **state)
{
    rig *r = *state;
    begin(r, 70);
    feed(r, pgoutput_message(&r->p, true, "weir", "ddl"));
    commit(r);
    expect(r, "forgot 120, altered 120");
    begin(r, 71); /* rolled back or not of us */
    feed(r, pgoutput_message(&r->p, true, "else", "ddl"));
    commit(r);
    expect(r, "");
}

static void test_a_relation_that_changed_is_changed_under_both_names(void **state)
{
    rig *r = *state;
    uint64_t id = track(r, "public.t", "id"), other = track(r, "public.u", "id");
    begin(r, 70);
    describe(r, "u", 'd', "*id/23 k/20 v/25");
    commit(r);
    assert_int_equal(r->count, 4);
    assert_true(has(r, relation_id("public.t")) && has(r, relation_id("public.u")) && has(r, id) &&
                has(r, other));
}

static void test_a_relation_that_was_only_described_again_has_not_changed(void **state)
{
    rig *r = *state;
    begin(r, 70);
    describe(r, "t", 'd', "*id/23 k/20 v/25");
    commit(r);
    expect(r, "");
}

static void test_a_row_of_an_unknown_relation_forgets_everything(void **state)
{
    rig *r = *state;
    begin(r, 70);
    feed(r, pgoutput_insert(&r->p, 12345, "1|8|x"));
    commit(r);
    expect(r, "forgot 120");
    begin(r, 71);
    feed(r, pgoutput_truncate(&r->p, 12345, 0));
    commit(r);
    expect(r, "forgot 130");
}

static void test_many_values_become_their_column(void **state)
{
    rig *r = *state;
    (void)track(r, "public.t", "id");
    begin(r, 70);
    for (unsigned i = 0; i < PG_CHANGES_VALUES_MAX + 1000; i++) {
        char row[40];
        (void)snprintf(row, sizeof(row), "%u|8|x", i);
        feed(r, pgoutput_insert(&r->p, OID, row));
    }
    assert_true(r->core.changes.count <= PG_CHANGES_VALUES_MAX + 1);
    assert_false(r->core.changes.everything);
    pg_changes_clear(&r->core.changes);
    commit(r);
}

/* ---- the stream's grammar ---- */

static void test_a_stream_out_of_order_is_given_up(void **state)
{
    rig *r = *state;
    uint32_t oid = 0;
    assert_int_equal(offer(r, pgoutput_commit(&r->p, 1, 1000), &oid), -EPROTO);
    assert_int_equal(offer(r, pgoutput_insert(&r->p, OID, "1|8|x"), &oid), -EPROTO);
    begin(r, 70);
    assert_int_equal(offer(r, pgoutput_begin(&r->p, 1, 71), &oid), -EPROTO);
    /* A commit that ends where all had been sent. */
    assert_int_equal(offer(r, pgoutput_commit(&r->p, 90, 110), &oid), -EPROTO);
    assert_int_equal(offer(r, WEIR_SLICE_LIT("?"), &oid), -EPROTO);
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

#define FOLLOWING(test) cmocka_unit_test_setup_teardown(test, set_up_following, tear_down)
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
        FOLLOWING(test_truncate_reaches_every_column),
        FOLLOWING(test_an_insert_reports_its_values),
        FOLLOWING(test_an_update_reports_old_and_new_values),
        FOLLOWING(test_an_update_of_other_columns_keeps_the_identity_s_values),
        FOLLOWING(test_an_old_key_says_nothing_of_other_columns),
        FOLLOWING(test_unchanged_toast_is_not_null),
        FOLLOWING(test_null_is_equal_to_nothing),
        FOLLOWING(test_a_column_that_is_not_sent_is_never_known),
        FOLLOWING(test_each_key_type_has_the_ids_of_its_operands),
        FOLLOWING(test_types_without_canonical_bytes_are_not_keys),
        FOLLOWING(test_a_whole_identity_without_an_old_row_knows_nothing),
        FOLLOWING(test_columns_are_confirmed_between_transactions),
        FOLLOWING(test_a_partition_s_rows_are_its_ancestors_too),
        FOLLOWING(test_ancestors_are_asked_for_again_after_a_change_of_the_schema),
        FOLLOWING(test_a_change_of_inheritance_that_was_found_forgets_what_was_read),
        FOLLOWING(test_a_change_of_the_schema_forgets_what_was_read_before_it),
        FOLLOWING(test_a_relation_that_changed_is_changed_under_both_names),
        FOLLOWING(test_a_relation_that_was_only_described_again_has_not_changed),
        FOLLOWING(test_a_row_of_an_unknown_relation_forgets_everything),
        FOLLOWING(test_many_values_become_their_column),
        FOLLOWING(test_a_stream_out_of_order_is_given_up),
        FOLLOWING(test_snapshots_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
