/* Private to engine/: the cache's structs behind engine/cache.h. */
#ifndef WEIR_ENGINE_CACHE_INTERNAL_H
#define WEIR_ENGINE_CACHE_INTERNAL_H

#include "base/arena.h"
#include "cache/pairs.h"
#include "engine/cache.h"
#include "engine/internal.h"

#define WEIR_TRACKED_COLUMNS_MAX 4096u /* key columns of one database */

/* Settings in force; replaced as a whole, freed when no worker can still read them. */
typedef struct weir_cache_policy {
    weir_cache_settings settings; /* rules are `owned` */
    uint32_t generation;          /* part of every identity: other rules, other answers */
    uint64_t mark;                /* … and of the portable one: weir_cache_settings_mark */
    weir_arena owned;
    weir_rule_stats *counts; /* of each rule by each worker */
} weir_cache_policy;

typedef struct weir_cache {
    weir_engine *engine;
    weir_store *store;
    weir_flights *flights;
    unsigned slots;
    weir_cache_policy *_Atomic policy;
    _Atomic uint64_t flushes;
    _Atomic uint64_t strategies[WEIR_STRATEGIES];
    bool (*refresh)(void *user, weir_worker *worker, const weir_entry *entry, weir_strategy why);
    void *refresh_user;
    weir_tier *tier; /* NULL: none */
    _Atomic uint64_t lookups[WEIR_LOOKUP_ENDS], tier_saved_ns;
    struct weir_worths *worths; /* benefit.c */
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
    _Atomic uint64_t system, timeline;
    weir_pairs pairs;  /* of `local` and `wal` */
    weir_pairs beats;  /* of the time a heartbeat was sent and `wal`: commits before end there */
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
/* By hand: nothing of that which was read before `position` of that hand is given any more. Any
 * thread. */
void weir_history_invalidate(const weir_history *history, const weir_flush *flush, weir_hand hand,
                             uint64_t position);
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
/* Whether it is the history of that server, on that timeline: whatever the server's run, for no
 * connection outlives it. */
bool weir_history_is_of(const weir_history *history, uint64_t system, uint32_t timeline);
bool weir_history_is_of_era(const weir_database *database, uint64_t era);
/* The `local` hand of an answer that another process read, as of `wal`, and that is judged at once.
 * `strict`: it is given only while the other hand says that it stands. */
uint64_t weir_history_local_at(weir_history *history, uint64_t wal, bool strict);

/* What a snapshot holds that was taken on a standby of this history after it had replayed up to
 * `position` of the server's. `ret_sent`: everything that had committed by then; 0: not known. */
weir_asof weir_history_replayed(weir_history *history, uint64_t position, weir_time *ret_sent);

/* ---- cache.c ---- */

/* ---- strategy.c ---- */

/* No answer that was read before now is given stale: its shape, or what it is of, may be another.
 */
void weir_history_end_stale(const weir_history *history);
/* … that depends on this (a relation, a tag), which was flushed by hand. */
void weir_history_end_stale_of(const weir_history *history, uint64_t id);
/* It may not be given as it is, but stale to this session: while it is read anew, which this sees
 * to, or because the server is out of reach. */
bool weir_stale_give(weir_session *session, const weir_entry *entry, weir_time now);
/* It may be given stale to somebody, now or later. */
bool weir_stale_stays(const weir_session *session, const weir_entry *entry, weir_time now);
/* It is given: if its time is about to end it is read anew. */
void weir_refresh_ahead(const weir_session *session, const weir_entry *entry, weir_time now);

/* ---- hot.c ---- */

/* Of a worker that has it: the entry was given, a run would have taken so long. */
void weir_hot_note(weir_worker *worker, const weir_entry *entry, uint64_t run_ns);

/* ---- benefit.c ---- */

/* For so many templates. NULL: out of memory. */
struct weir_worths *weir_worths_new(uint32_t templates_max);
void weir_worths_free(struct weir_worths *worths); /* NULL is fine */
/* Its answers are to be kept: they pay, or it is not known yet, or it is this one's turn to find
 * out. */
bool weir_worth_keeping(weir_worker *worker, const weir_statement *statement);
/* An answer has come to its end: it was thrown out, expired, or is out of date. */
void weir_worth_ended(void *cache, const weir_entry *entry);
/* An answer of the template was kept; now and then it is looked at anew what that is worth. */
void weir_worth_filled(weir_worker *worker, uint32_t template_id, uint32_t template_serial,
                       size_t bytes);
/* The worker's figures of a rule (weir_entry.rule, 0: none); NULL. */
weir_rule_stats *weir_rule_counts(const weir_worker *worker, uint32_t rule);

/* ---- admission.c ---- */

/* How an answer is to be kept: rules, hints and settings taken together. */
typedef struct weir_admission {
    unsigned miss; /* WEIR_MISS_ABSENT: it may be kept; else why not */
    weir_time ttl; /* 0: as long as it stands */
    bool declared; /* by a rule or a hint, for this statement */
    bool insisted; /* … or that it shall be kept: whether that pays is not asked */
    weir_consistency consistency;
    weir_time grace;       /* of SESSION and BOUNDED */
    weir_slice tags, more; /* of the hint and of the rule */
    weir_slice name_space; /* empty: none */
    weir_time stale_if_error, stale_while_revalidate, refresh_ahead; /* 0: not declared */
    const weir_cache_rule *rule;                                     /* that decided, or NULL */
} weir_admission;

void weir_admission_judge(const weir_cache_policy *policy, const weir_database *database,
                          weir_slice user, weir_slice template, const weir_footprint *footprint,
                          weir_slice hint, weir_admission *ret);

/* Ids of a tag and of what it begins with, in the id space of relations. */
#define WEIR_TAG_PREFIXES_MAX 8u
uint64_t weir_tag_id(weir_slice tag);
uint64_t weir_tag_prefix_id(weir_slice prefix);
uint64_t weir_tag_any_id(void);
/* The tag that a namespace is, into `out`: what is flushed by its name is flushed as a tag. */
#define WEIR_NAMESPACE_MAX 100u
#define WEIR_NAMESPACE_TAG_MAX (WEIR_NAMESPACE_MAX + 16u)
weir_slice weir_namespace_tag(weir_slice name, char out[static WEIR_NAMESPACE_TAG_MAX]);
/* Of what no answer may be given stale beyond. */
uint64_t weir_tag_end_id(void);
/* The next beginning of a tag that ends in one of ":/." ; false when there is none. */
bool weir_tag_prefix_next(weir_slice tag, size_t *pos, weir_slice *ret);

/* ---- replica.c ---- */

/* Something that it depends on has changed since the as-of of `like`, but its level promises this
 * session no more. */
bool weir_replica_is_forgiven(const weir_session *session, const weir_entry *like);

/* ---- fill.c ---- */

/* It will be read on a replica: with this as-of at best, and what it holds for certain had
 * committed at `held`. False: that is not good enough; weir_fill_read_anew before it is read
 * elsewhere. */
bool weir_fill_read_behind(weir_fill *fill, weir_asof asof, weir_time held);
/* It will be read on the primary after all. */
void weir_fill_read_anew(weir_fill *fill);

/* What was known of the schema, as far as changes of it passed through us or were told. */
uint64_t weir_facts_now(const weir_database *database);
/* The identity of what is being filled, and for whom; NULL: at rest. */
weir_session *weir_fill_question(const weir_fill *fill, weir_slice *ret_identity);
/* Fills of this worker that have waited long enough run for themselves. Next deadline. */
weir_time weir_fills_tick(weir_worker *worker, weir_time now);

/* ---- lease.c ---- */

/* Lookups of this worker that wait for another node's answer look again. Next time. */
weir_time weir_leases_tick(weir_worker *worker, weir_time now);

/* An entry's flags: the level it is judged by, and the grace in milliseconds. */
#define WEIR_ENTRY_DECLARED 4u /* kept for a declared time, whether changes are followed or not */
#define WEIR_ENTRY_LEVEL(flags) ((weir_consistency)((flags)&3u))
#define WEIR_ENTRY_GRACE(flags) ((weir_time)((flags) >> 3) * WEIR_MS)
#define WEIR_ENTRY_FLAGS(level, grace)                                                             \
    ((uint32_t)(level) |                                                                           \
     (uint32_t)((grace) / WEIR_MS > 0x1fffffff ? 0x1fffffff : (grace) / WEIR_MS) << 3)

#endif
