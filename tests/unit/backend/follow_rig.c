/* A follower's core that writes down what it tells, and a server's side of the talk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "follow_rig.h"

static void note(rig *r, const char *word, uint64_t number)
{
    size_t n = strlen(r->log);
    (void)snprintf(r->log + n, sizeof(r->log) - n, "%s%s %llu", n ? ", " : "", word,
                   (unsigned long long)number);
}

void rig_expect(rig *r, const char *log)
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

static uint64_t outcomes_of(void *user)
{
    return ((const rig *)user)->outcomes;
}

static void on_track(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                     weir_slice column_name)
{
    rig *r = user;
    (void)relation_name;
    (void)column_name;
    r->tracked[r->serial][0] = relation;
    r->tracked[r->serial++][1] = column;
}

static void on_heard(void *user, weir_time sent, uint64_t position, uint64_t outcomes)
{
    rig *r = user;
    r->heard_at = position;
    r->heard_outcomes = outcomes;
    note(user, "heard", (uint64_t)(sent / WEIR_MS));
}

static void on_flushed(void *user, uint64_t position, const weir_flush *flush)
{
    rig *r = user;
    r->flushed = flush->kind;
    (void)snprintf(r->flushed_name, sizeof(r->flushed_name), "%.*s", (int)flush->name.len,
                   flush->name.len ? (const char *)flush->name.data : "");
    note(r, "flushed", position);
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

static void on_lineage(void *user, uint64_t system, uint64_t timeline)
{
    (void)system;
    note(user, "timeline", timeline);
}

static void on_following(void *user, const char *why_not)
{
    note(user, why_not ? "not" : "following", 0);
}

void rig_connect_at(rig *r, uint64_t start, uint64_t barrier)
{
    pg_follow_session s = {.system = 5, .timeline = 1, .start = start, .barrier = barrier};
    r->position = start;
    pg_follow_connected(&r->core, &s, r->now);
}

void rig_snapshot(rig *r, const char *text)
{
    pg_snapshot s = {0};
    r->now += WEIR_SECOND;
    assert_true(pg_follow_plan(&r->core, r->now).snapshot);
    pg_follow_ask_snapshot(&r->core, r->now);
    assert_int_equal(pg_snapshot_read(&s, weir_slice_cstr(text)), 0);
    pg_follow_snapshot(&r->core, &s);
    pg_snapshot_fini(&s);
}

int rig_offer(rig *r, weir_slice payload, uint32_t *ret_oid)
{
    bool reply;
    return pg_follow_feed(&r->core, payload, ret_oid, &reply);
}

/* No relation has ancestors, unless a test says so. */
void rig_feed(rig *r, weir_slice payload)
{
    uint32_t oid = 0;
    int e = rig_offer(r, payload, &oid);
    if (e == PG_FOLLOW_ASK) {
        assert_int_equal(pg_follow_ancestors(&r->core, oid, NULL, 0), 0);
        e = rig_offer(r, payload, &oid);
    }
    assert_int_equal(e, 0);
}

void rig_begin(rig *r, uint32_t xid)
{
    rig_feed(r, pgoutput_begin(&r->p, r->position, xid));
}

uint64_t rig_commit(rig *r)
{
    uint64_t begins = r->position;
    r->position += 10;
    rig_feed(r, pgoutput_commit(&r->p, begins, r->position));
    return r->position;
}

void rig_describe(rig *r, const char *name, char identity, const char *columns)
{
    rig_feed(r, pgoutput_relation(&r->p, OID, "public", name, identity, columns));
}

uint64_t rig_relation(const char *name)
{
    return weir_relation_id(weir_slice_cstr(name));
}

uint64_t rig_track(rig *r, const char *relation, const char *column)
{
    uint64_t id = rig_relation(relation);
    uint64_t column_id = weir_column_id(id, weir_slice_cstr(column));
    r->tracked[r->serial][0] = id;
    r->tracked[r->serial++][1] = column_id;
    return column_id;
}

bool rig_has(const rig *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->ids[i] == id)
            return true;
    return false;
}

uint64_t rig_value(uint64_t column, weir_key_type type, const char *s)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_pg_text(column, type, weir_slice_cstr(s), true, &id), 0);
    return id;
}

uint64_t rig_integer(uint64_t column, int64_t n)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_pg_integer(column, WEIR_KEY_PG_INTEGER, n, &id), 0);
    return id;
}

uint64_t rig_text(uint64_t column, const char *s)
{
    return rig_value(column, WEIR_KEY_PG_TEXT, s);
}

int rig_set_up(void **state)
{
    static rig r;
    const weir_follower follower = {.track_serial = track_serial,
                                    .each_tracked = each_tracked,
                                    .changed = on_changed,
                                    .forgot = on_forgot,
                                    .visible = on_visible,
                                    .outcomes = outcomes_of,
                                    .heard = on_heard,
                                    .altered = on_altered,
                                    .flushed = on_flushed,
                                    .confirmed = on_confirmed,
                                    .track = on_track,
                                    .lineage = on_lineage,
                                    .following = on_following,
                                    .user = &r};
    r = (rig){.now = 1000 * WEIR_SECOND};
    *state = &r;
    return pg_follow_init(&r.core, &follower, (weir_hash_seed){{1, 2}}, 99, WEIR_SECOND);
}

int rig_tear_down(void **state)
{
    rig *r = *state;
    pg_follow_fini(&r->core);
    return 0;
}

/* Connected, drained, V at 100, one relation: *id int4, k int8, v text. */
int rig_set_up_following(void **state)
{
    int e = rig_set_up(state);
    rig *r = *state;
    rig_connect_at(r, 100, 50);
    rig_snapshot(r, "60:60:");
    r->log[0] = '\0';
    rig_begin(r, 60);
    rig_describe(r, "t", 'd', "*id/23 k/20 v/25");
    rig_commit(r);
    rig_snapshot(r, "70:70:");
    r->log[0] = '\0';
    return e;
}
