/* Which answers are asked for most: one hit in SAMPLE of each worker is noted, in a table of fixed
 * size, so that they can be remembered beyond the process' end and read before they are asked for
 * again. */
#ifndef WEIR_ENGINE_HOT_H
#define WEIR_ENGINE_HOT_H

#include "engine/cache.h"

typedef struct weir_hot_answer {
    const weir_database *database;
    weir_slice question; /* as weir_entry_question; borrowed during the visit */
    uint64_t weight;     /* how often, times what a run takes */
} weir_hot_answer;

/* Notes them from now on; before the workers run. -ENOMEM. */
WEIR_MUST_CHECK int weir_engine_note_hot(weir_engine *engine);
/* Visits what is noted, in no order, an answer of several workers several times; what was noted
 * before counts a little less after it. Any one thread. Nothing may be asked of the engine inside.
 */
void weir_engine_each_hot(weir_engine *engine,
                          void (*visit)(void *user, const weir_hot_answer *answer), void *user);

#endif
