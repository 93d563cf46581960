/* An engine without loops, for tests: one thread is all workers, the clock is a variable, and the
 * test plays the backend's part: it opens nothing and reports its history by hand. */
#ifndef WEIR_TEST_ENGINE_RIG_H
#define WEIR_TEST_ENGINE_RIG_H

#include "engine/cache.h"
#include "engine/report.h"

#define ENGINE_RIG_WORKERS 2u
#define ENGINE_RIG_MESSAGES_MAX 16u

typedef struct engine_rig {
    weir_time now;
    weir_memory memory;
    weir_epoch *epoch;
    weir_engine *engine;
    weir_worker *worker[ENGINE_RIG_WORKERS];
    const weir_follower *follower; /* of the newest database, if there is a cache */
    bool keeps_messages;           /* until engine_rig_deliver; else they run at once */
    weir_message *posted[ENGINE_RIG_MESSAGES_MAX];
    weir_worker *posted_to[ENGINE_RIG_MESSAGES_MAX];
    size_t posted_count;
    uint32_t random; /* what the next is made of; 0: it is always the same */
} engine_rig;

extern const weir_session_events engine_rig_no_events;

/* `cache` may be NULL: none. */
void engine_rig_init(engine_rig *rig, const weir_cache_options *cache);
weir_database *engine_rig_add(engine_rig *rig, const char *name, const char *label);
void engine_rig_open(engine_rig *rig, weir_session *session, unsigned worker,
                     weir_database *database);
void engine_rig_deliver(engine_rig *rig);
void engine_rig_fini(engine_rig *rig);

/* The engine's report of that name, as it is made on the first worker. */
void engine_rig_report(engine_rig *rig, const char *name, weir_report *ret);
/* `want` NULL: a null. */
void engine_rig_cell(const weir_report *r, unsigned row, const char *column, const char *want);

#endif
