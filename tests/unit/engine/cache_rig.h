/* An engine with a cache and one database, whose schema is t(id INTEGER PRIMARY KEY, v): the test
 * plays its backend. Four sessions, two on each worker. */
#ifndef WEIR_TEST_ENGINE_CACHE_RIG_H
#define WEIR_TEST_ENGINE_CACHE_RIG_H

#include "rig.h"

#define RIG_FINGERPRINT 77u

typedef struct cache_rig {
    engine_rig base;
    weir_engine *engine;
    weir_worker *const *worker;
    weir_database *database;
    weir_session session[4]; /* 0 and 1 on the first worker */
    weir_fill fill[4];
    unsigned answered[4];
    weir_slice answer[4];     /* NULL: run it */
    weir_statement statement; /* the newest that was asked for */
    weir_time wait_max;       /* of those who ask */
    weir_strategy why;        /* of the newest read in the background that was asked for */
    unsigned refreshed;       /* ... and how many were */
    bool busy;                /* none can be begun */
} cache_rig;

extern cache_rig *t; /* the running test's */

int rig_setup(void **state);
int rig_teardown(void **state);
weir_cache_settings rig_settings(void);

extern const char *const rig_by_key, *const rig_by_other_key, *const rig_whole; /* statements */

uint64_t rig_relation_id(void);
uint64_t rig_value_id(int64_t value);

const weir_entry *rig_find(unsigned session, const char *text);
/* WEIR_FILL_*. The statement is known, as after its first preparation. */
int rig_begin(unsigned session, const char *text);
void rig_finish(unsigned session, const char *answer);
/* Both. */
void rig_fill(unsigned session, const char *text, const char *answer);
/* `answer` NULL: there is none to be given. */
void rig_expect(unsigned session, const char *text, const char *answer);

void rig_commit(uint64_t a, uint64_t b, bool everything);
void rig_look(bool others);
/* The follower takes up the key columns that are asked for, as it does between transactions. */
void rig_take_up_columns(void);
void rig_deliver(void);

#endif
