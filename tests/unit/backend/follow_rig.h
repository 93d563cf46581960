/* The follower's core and what it tells, for tests of it. */
#ifndef WEIR_TEST_FOLLOW_RIG_H
#define WEIR_TEST_FOLLOW_RIG_H

#include "backend/postgres/follow_core.h"
#include "catalog/key.h"
#include "pgoutput.h"

#define OID 77u
#define IDS_MAX 1024u

typedef struct rig {
    pg_follow_core core;
    pgoutput p;
    char log[2048]; /* what was told, a word each */
    uint64_t serial;
    uint64_t tracked[8][2];
    uint64_t ids[IDS_MAX];
    size_t count;
    uint64_t confirmed_at;
    weir_flush_kind flushed;
    char flushed_name[200];
    uint64_t outcomes; /* that are known */
    uint64_t heard_at, heard_outcomes;
    uint64_t position; /* of the WAL's end */
    weir_time now;
} rig;

/* What was told since the last time, a word each. */
void rig_expect(rig *r, const char *log);
void rig_connect_at(rig *r, uint64_t start, uint64_t barrier);
/* A second later the server's pg_current_snapshot() is this. */
void rig_snapshot(rig *r, const char *text);
int rig_offer(rig *r, weir_slice payload, uint32_t *ret_oid);
/* No relation has ancestors, unless a test says so. */
void rig_feed(rig *r, weir_slice payload);
void rig_begin(rig *r, uint32_t xid);
/* Ten bytes further on; where it ends. */
uint64_t rig_commit(rig *r);
void rig_describe(rig *r, const char *name, char identity, const char *columns);
uint64_t rig_relation(const char *name);
/* The column's id. */
uint64_t rig_track(rig *r, const char *relation, const char *column);
/* Of the newest commit's ids. */
bool rig_has(const rig *r, uint64_t id);
uint64_t rig_value(uint64_t column, weir_key_type type, const char *s);
uint64_t rig_integer(uint64_t column, int64_t n);
uint64_t rig_text(uint64_t column, const char *s);
int rig_set_up(void **state);
int rig_tear_down(void **state);
/* Connected, drained, V at 110, one relation OID, "public.t": *id int4, k int8, v text. */
int rig_set_up_following(void **state);

#define FOLLOWING(test) cmocka_unit_test_setup_teardown(test, rig_set_up_following, rig_tear_down)
#define FRESH(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

#endif
