/* Private to engine/: asking the tier behind memory for an answer that is missing in memory, and
 * giving it what was kept. */
#ifndef WEIR_ENGINE_LOOKUP_H
#define WEIR_ENGINE_LOOKUP_H

#include "engine/cache_internal.h"
#include "engine/tier.h"

/* What begins every identity says something within this process only: the portable one has the
 * database's and the rules' marks in its place. */
#define WEIR_IDENTITY_OWN (2 * sizeof(uint32_t))
#define WEIR_DOMAIN_LEN 24u
#define WEIR_LOOKUP_DEPENDENCIES_MAX 128u /* as many as a fill may have */

/* Embedded in whoever leads a flight. */
typedef struct weir_lookup {
    weir_tier_get get;
    weir_worker *worker;
    weir_database *database;
    const weir_entry *like; /* of the answer; borrowed until `done` */
    weir_slice identity;    /* borrowed likewise */
    uint64_t fingerprint;
    weir_time wait_max;                    /* 0: no limit but the tier's timeout */
    bool marked;                           /* others may wait for this one's answer (lease.h) */
    weir_list node;                        /* of worker->leases, while it waits for another's */
    weir_time retry_at, pause, wait_until; /* 0: it does not */
    /* On the worker's thread, later: an answer that stands now (a reference), or NULL. */
    void (*done)(struct weir_lookup *lookup, weir_entry *entry);
} weir_lookup;

/* False: there is no tier for this, it is ill, or has no answer; `done` does not come. */
WEIR_MUST_CHECK bool weir_lookup_start(weir_lookup *lookup);
/* What was just kept in memory is given to the tier, if it is worth that, or `awaited`. `era`:
 * weir_origin's, from before the as-of was captured. True: it is on its way. */
bool weir_lookup_keep(weir_worker *worker, weir_database *database, weir_entry *entry,
                      uint64_t fingerprint, uint64_t era, bool awaited);
/* No answer will take the mark's place. Harmless where there is none. */
void weir_lookup_unmark(weir_lookup *lookup);

/* Of all settings that say how an answer is kept: two processes where it is the same keep them
 * alike. */
uint64_t weir_cache_settings_mark(const weir_cache_settings *settings);

#endif
