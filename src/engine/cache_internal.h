/* Private to engine/: the cache's structs behind engine/cache.h. */
#ifndef WEIR_ENGINE_CACHE_INTERNAL_H
#define WEIR_ENGINE_CACHE_INTERNAL_H

#include "base/arena.h"
#include "engine/cache.h"
#include "engine/internal.h"

#define WEIR_TRACKED_COLUMNS_MAX 4096u /* key columns of one database */

/* Settings in force; replaced as a whole, freed when no worker can still read them. */
typedef struct weir_cache_policy {
    weir_cache_settings settings; /* rules are `owned` */
    uint32_t generation;          /* part of every identity: other rules, other answers */
    uint64_t mark;                /* … and of the portable one: weir_cache_settings_mark */
    weir_arena owned;
} weir_cache_policy;

typedef struct weir_cache {
    weir_engine *engine;
    weir_store *store;
    weir_flights *flights;
    unsigned slots;
    weir_cache_policy *_Atomic policy;
    _Atomic uint64_t flushes;
    weir_tier *tier; /* NULL: none */
    _Atomic uint64_t lookups[WEIR_LOOKUP_ENDS];
} weir_cache;

/* What is known of one database's history. Written by the thread that follows it. */
typedef struct weir_history {
    weir_changes *changes;
    weir_follower follower;
    _Atomic weir_time look_every; /* 0: not followed */
    _Atomic weir_time looked_at;
    _Atomic weir_time fence; /* nothing is given before a look that began after it */
    _Atomic uint64_t commits, looks, others, floors;
    /* Of a server's own history: */
    _Atomic uint64_t offset; /* written by the follower's thread */
    _Atomic uint64_t era;    /* grows with offset and lineage; odd while they change */
    weir_lineage shown;      /* the follower's: whose positions were shown last */
    _Atomic bool astray;     /* positions went back in one lineage: they name no moment any more */
    weir_database *database;
    _Atomic bool following;
    _Atomic uint64_t system;
    _Atomic uint32_t timeline;
    weir_spin busy;    /* eras end and begin under it */
    char why_not[256]; /* under `busy`; "": it is followed, or that is the backend's own */
} weir_history;

static inline const weir_cache_policy *weir_cache_now(const weir_cache *cache)
{
    return atomic_load_explicit(&cache->policy, memory_order_acquire);
}

void weir_cache_free(weir_cache *cache);
/* An answer was kept: this worker looks for what has expired, as long as there are any. */
void weir_cache_sweep_soon(weir_worker *worker);
/* Next time. */
weir_time weir_cache_sweep(weir_worker *worker, weir_time now);

/* ---- history.c ---- */

/* Gives the database a history if its backend can report one. -ENOMEM. */
WEIR_MUST_CHECK int weir_history_start(weir_database *database);
/* Follows as the settings say. On the control thread, or before the workers run. */
void weir_history_configure(weir_database *database, const weir_cache_settings *settings);
void weir_history_free(weir_history *history);
/* Nothing that was read before now is given any more. Any thread. */
void weir_history_forget(const weir_database *database);
/* Somebody tells of its changes: SQLite itself, or a server's stream. */
bool weir_history_is_followed(const weir_history *history);
/* The newest look at other writers is within `bound`. */
bool weir_history_is_fresh(const weir_history *history, weir_time now, weir_time bound);

/* Whose history it is, in names that every process that follows it gives alike. */
typedef struct weir_origin {
    weir_lineage lineage;
    uint64_t database; /* of several of one lineage */
    uint64_t offset;   /* what our positions have more than those that all count by */
    uint64_t era;      /* while it is the same, so are all above; 0: not known */
} weir_origin;
/* False: not known (yet): nothing of it goes to a tier. */
bool weir_history_origin(const weir_database *database, weir_origin *ret);
bool weir_history_is_of_era(const weir_database *database, uint64_t era);
/* The `local` hand of an answer of this `wal` that another process read. */
uint64_t weir_history_local_at(const weir_history *history, uint64_t wal);

/* ---- admission.c ---- */

/* How an answer is to be kept: rules, hints and settings taken together. */
typedef struct weir_admission {
    unsigned miss; /* WEIR_MISS_ABSENT: it may be kept; else why not */
    weir_time ttl; /* 0: as long as it stands */
    bool declared; /* by a rule or a hint, for this statement */
    weir_consistency consistency;
    weir_time grace;             /* of SESSION and BOUNDED */
    weir_slice tags, more;       /* of the hint and of the rule */
    const weir_cache_rule *rule; /* that decided, or NULL */
} weir_admission;

void weir_admission_judge(const weir_cache_policy *policy, const weir_database *database,
                          weir_slice user, weir_slice template, const weir_footprint *footprint,
                          weir_slice hint, weir_admission *ret);

/* Ids of a tag and of what it begins with, in the id space of relations. */
#define WEIR_TAG_PREFIXES_MAX 8u
uint64_t weir_tag_id(weir_slice tag);
uint64_t weir_tag_prefix_id(weir_slice prefix);
uint64_t weir_tag_any_id(void);
/* The next beginning of a tag that ends in one of ":/." ; false when there is none. */
bool weir_tag_prefix_next(weir_slice tag, size_t *pos, weir_slice *ret);

/* ---- fill.c ---- */

/* Fills of this worker that have waited long enough run for themselves. Next deadline. */
weir_time weir_fills_tick(weir_worker *worker, weir_time now);

/* An entry's flags: the level it is judged by, and the grace in milliseconds. */
#define WEIR_ENTRY_DECLARED 4u /* kept for a declared time, whether changes are followed or not */
#define WEIR_ENTRY_LEVEL(flags) ((weir_consistency)((flags)&3u))
#define WEIR_ENTRY_GRACE(flags) ((weir_time)((flags) >> 3) * WEIR_MS)
#define WEIR_ENTRY_FLAGS(level, grace)                                                             \
    ((uint32_t)(level) |                                                                           \
     (uint32_t)((grace) / WEIR_MS > 0x1fffffff ? 0x1fffffff : (grace) / WEIR_MS) << 3)

#endif
