/* The cache's part of a statement's story: find an answer, or open a fill and run the statement, or
 * wait for whoever runs it. DESIGN section 5; docs/cache.md says it for people.
 *
 *   find_answer ─ hit ──► give it
 *        └─ miss ──► understand ──► begin_fill
 *                                     ├─ LEAD ──► run, fill_add …, fill_finish or fill_abort
 *                                     ├─ WAIT ──► `answered` with an entry, or without: run
 *                                     └─ NONE ──► run; nothing is kept
 *
 * Invariant: a fill's as-of is captured in begin_fill, before the statement is given to any
 * connection; an answer is kept, and given to those who wait, only if the statement ran under the
 * catalog facts that its dependencies were made from.
 *
 * Threads: as engine.h: a session's calls on its worker's thread. */
#ifndef WEIR_ENGINE_CACHE_H
#define WEIR_ENGINE_CACHE_H

#include "cache/flight.h"
#include "engine/engine.h"
#include "engine/tier.h"

/* ---- what is configured ---- */

typedef enum weir_consistency {
    WEIR_CONSISTENCY_UNSAID,
    WEIR_CONSISTENCY_STRICT,  /* a read after this node forwarded a write's outcome sees it */
    WEIR_CONSISTENCY_SESSION, /* … its own session's; others' within the bound */
    WEIR_CONSISTENCY_BOUNDED  /* everybody's within the bound */
} weir_consistency;
const char *weir_consistency_name(weir_consistency consistency);

/* cache.rules: the first whose patterns all match decides. A pattern is NULL (anything) or a text
 * in which `*` stands for any run; ASCII case does not count. */
typedef struct weir_cache_rule {
    const char *table; /* any relation that it reads */
    const char *template;
    const char *user, *database;
    const char *name_space, *version; /* no patterns; NULL: none */
    enum { WEIR_RULE_UNSAID, WEIR_RULE_CACHE, WEIR_RULE_BYPASS } cache;
    weir_time ttl;    /* 0: unsaid */
    const char *tags; /* a,b; NULL: none */
    weir_consistency consistency;
    weir_time bound; /* of SESSION and BOUNDED; 0: unsaid */
    weir_time stale_if_error, stale_while_revalidate, refresh_ahead; /* 0: unsaid */
} weir_cache_rule;

typedef struct weir_cache_settings {
    bool enabled;
    bool whole_tables; /* cache.granularity table: keys are not used */
    bool by_benefit;   /* templates whose answers do not pay are not kept (benefit.c) */
    size_t size_max, entries_max, entry_max;
    weir_time ttl;   /* of every answer; 0: none */
    weir_time bound; /* others' commits are seen within it, or the cache is bypassed */
    weir_consistency consistency;
    weir_time flight_wait;        /* how long to wait for somebody else's answer */
    weir_time tier_timeout;       /* how long to wait for the tier behind memory */
    weir_time tier_ttl;           /* how long it keeps an answer at most */
    size_t tier_compress_above;   /* bytes */
    const weir_cache_rule *rules; /* copied */
    size_t rule_count;
} weir_cache_settings;

/* What is done with answers beside giving those that stand (strategy.c); counted. */
typedef enum weir_strategy {
    WEIR_STRATEGY_STALE_IF_ERROR, /* given stale, as the database did not answer */
    WEIR_STRATEGY_STALE_WHILE,    /* given stale, while it is read anew */
    WEIR_STRATEGY_REVALIDATE,     /* read anew in the background: it was given stale */
    WEIR_STRATEGY_AHEAD,          /* … its time was about to end */
    WEIR_STRATEGY_WARM,           /* … it shall be there when it is asked for */
    WEIR_STRATEGY_KEPT,           /* of the three above: what was read is kept */
    WEIR_STRATEGY_LOST,           /* … is not: it failed, or may not be */
    WEIR_STRATEGY_DROPPED,        /* not read anew: too much is waiting */
    WEIR_STRATEGIES
} weir_strategy;
const char *weir_strategy_name(weir_strategy strategy);

typedef struct weir_cache_options {
    /* The host's: reads a kept answer anew, soon, in the background (weir_session.refreshes).
     * `entry` is borrowed. False: not now. On the worker's thread. NULL: there is nobody. */
    bool (*refresh)(void *user, weir_worker *worker, const weir_entry *entry, weir_strategy why);
    void *user;
    weir_policy_kind policy;
    unsigned slots; /* of each database's change clock */
    unsigned flights_max, waiters_max;
    weir_cache_settings settings;
} weir_cache_options;

/* Before databases are added. -ENOMEM. */
WEIR_MUST_CHECK int weir_engine_add_cache(weir_engine *engine, const weir_cache_options *options);
/* A tier behind memory, which the engine owns from now on. After weir_engine_add_cache, before the
 * workers run. */
void weir_engine_set_tier(weir_engine *engine, weir_tier *tier);
/* New settings, from the control thread. What was kept under other rules is forgotten. -ENOMEM:
 * nothing changed. */
WEIR_MUST_CHECK int weir_engine_configure_cache(weir_engine *engine,
                                                const weir_cache_settings *settings);

/* ---- finding ---- */

/* What is asked: the worker's scratch with the database in it; the caller appends all else that the
 * bytes depend on beside the database's data. Good until the next one is begun on this worker. */
weir_buf *weir_session_begin_identity(weir_session *session);
/* An answer to that, which may be given now: good until the worker's loop turn ends. NULL: none.
 * Counted as a miss only when a fill begins or is refused. */
const weir_entry *weir_session_find_answer(weir_session *session);
/* The database did not answer to the same, but with this SQLSTATE: an answer that was kept, where a
 * rule or a hint allows it to be given stale then. NULL: none; the error is told. */
const weir_entry *weir_session_find_instead(weir_session *session, const char *sqlstate);
/* The found entry was given to the client: counts the hit, records the statement. `started` 0: when
 * this turn of the loop began, which is when its question was read. */
void weir_session_record_hit(weir_session *session, const weir_entry *entry, weir_time started);

/* It was of use, and is no statement's answer: nothing is counted. */
void weir_session_note_hit(weir_session *session, const weir_entry *entry);

/* ---- filling ---- */

/* Why no answer came from the cache: the label `reason` of weir_cache_misses_total. */
typedef enum weir_miss {
    WEIR_MISS_ABSENT,
    WEIR_MISS_CHANGED, /* what it depends on has changed */
    WEIR_MISS_FLOOR,   /* everything before now was forgotten: schema, other writers, a flush */
    WEIR_MISS_EXPIRED,
    WEIR_MISS_BEHIND,      /* the newest look at other writers is older than the bound */
    WEIR_MISS_TRANSACTION, /* inside one that has done more than read */
    WEIR_MISS_RULE,        /* a rule or a hint says so */
    WEIR_MISS_WORTHLESS,   /* to keep its template's answers does not pay */
    WEIR_MISS_REFUSED,     /* + weir_refusal: up to WEIR_MISSES - 1 */
    WEIR_MISSES = WEIR_MISS_REFUSED + WEIR_REFUSALS
} weir_miss;
const char *weir_miss_name(unsigned miss);

typedef struct weir_ask { /* of the newest identity */
    const weir_statement *statement;
    weir_slice text;             /* as the database runs it; its first comment may be a hint */
    const weir_value *params;    /* PostgreSQL: TEXT and BLOB are the bytes of its two formats */
    const uint32_t *param_types; /* declared oids, 0: none; NULL: SQLite */
    size_t param_count;
    const struct weir_surroundings *at; /* where names are looked up; NULL: SQLite */
    weir_time
        wait_max;   /* for somebody else's answer, if flight_wait allows it; 0: no other limit */
    bool of_schema; /* depends on the schema alone: what a text's columns and parameters are */
    bool alone;     /* it waits for nobody, and nobody for it: it may be long until it has passed */
} weir_ask;

#define WEIR_FILL_NONE 0
#define WEIR_FILL_LEAD 1
#define WEIR_FILL_WAIT 2

/* Embedded in whoever runs the statement; zeroed is at rest. */
typedef struct weir_fill {
    struct weir_fill_state *state; /* NULL: at rest */
    /* Comes on the session's worker after WAIT, once, unless fill_abort came before: with an entry
     * (borrowed during the call; it counts as a hit when record_hit says so), or NULL: run the
     * statement; the fill may be open, for its answer. */
    void (*answered)(struct weir_fill *fill, const weir_entry *entry);
    void *user;
    bool anew; /* set by begin_fill: what the statement touches is not known, or no longer: the run
                  shall prepare it anew */
} weir_fill;

/* Never fails: out of memory is NONE. */
WEIR_MUST_CHECK int weir_session_begin_fill(weir_session *session, const weir_ask *ask,
                                            weir_fill *fill);
/* Counts a miss of a statement that was not asked for. */
void weir_session_count_miss(weir_session *session, unsigned miss);
/* The next bytes of the answer. The fill is given up by itself when they are too many. */
void weir_fill_add(weir_fill *fill, weir_slice bytes);
/* It takes bytes, or waits. */
static inline bool weir_fill_is_open(const weir_fill *fill)
{
    return fill->state != NULL;
}
/* As weir_session_find_instead, for what is being filled. */
const weir_entry *weir_fill_find_instead(const weir_fill *fill, const char *sqlstate);
/* The answer is whole. `head_len` of its bytes describe the rows. */
void weir_fill_finish(weir_fill *fill, size_t head_len, uint64_t rows, uint64_t fingerprint);
/* The bytes so far. */
weir_slice weir_fill_bytes(const weir_fill *fill);
/* It failed (those who wait run it themselves), or its session leaves (they ask again). Also ends a
 * wait. Harmless at rest. */
void weir_fill_abort(weir_fill *fill, bool leaving);
/* The session itself wrote (or tried to): consistency `session` counts from here. */
void weir_session_note_write(weir_session *session);

/* ---- writes through us to servers with a history of their own (PostgreSQL): touch.c ---- */

#define WEIR_TOUCH_LATER 1
/* A statement that may write is about to be sent. Remembered until its transaction's outcome is
 * told. `ask->statement` and `at` are needed; out of memory: it counts as touching everything.
 * LATER: what it touches is being found out, and shall be waited for (`patient`): ask again in a
 * moment, nothing is remembered. */
WEIR_MUST_CHECK int weir_session_touch(weir_session *session, const weir_ask *ask, bool patient);
static inline bool weir_session_touches(const weir_session *session)
{
    return session->touches != NULL;
}
/* The outcome of what was touched has arrived, whatever it is, and is told next; `final`: the
 * transaction is over. */
void weir_session_tell_outcome(weir_session *session, bool final);
/* It will not arrive: nothing is taken from the cache until the history has caught up. */
void weir_session_lose_outcome(weir_session *session);
/* Something may be found for this session's statements, or kept. */
bool weir_session_may_ask(const weir_session *session);

/* ---- invalidating by hand: any thread ---- */

/* NULL database: all of them. */
void weir_engine_flush(weir_engine *engine, weir_database *database);
void weir_engine_flush_table(weir_engine *engine, weir_database *database, weir_slice table);
void weir_engine_flush_tag(weir_engine *engine, weir_slice tag);
void weir_engine_flush_namespace(weir_engine *engine, weir_slice name);
/* Every tag that begins so. */
void weir_engine_flush_prefix(weir_engine *engine, weir_slice prefix);

/* ---- words and figures ---- */

/* Appends the verdict on a statement and every reason, one per line. Any thread that is online. */
WEIR_MUST_CHECK int weir_engine_explain_cache(weir_engine *engine, weir_database *database,
                                              weir_slice user, const weir_footprint *footprint,
                                              const weir_lexed *lexed, weir_buf *out);

/* The same for a text that a session could run now. */
WEIR_MUST_CHECK int weir_session_explain_cache(weir_session *session, weir_slice text,
                                               weir_buf *out);

/* What keeping a template's answers costs and brings (benefit.c). */
typedef enum weir_worth { WEIR_WORTH_UNKNOWN, WEIR_WORTH_PAYS, WEIR_WORTH_NOT } weir_worth;
const char *weir_worth_name(weir_worth of);

typedef struct weir_benefit {
    uint64_t hits, fills, fill_bytes, runs, run_ns; /* since the template is known */
    weir_worth worth;                               /* by the newest of it: */
    double reuse;                                   /* hits of an answer that was kept */
    double cost_ns, size;                           /* of a run; bytes of an answer */
    double gain_ns, price_ns;                       /* of keeping one */
} weir_benefit;
/* Of a template; any thread that is online. */
void weir_engine_benefit(weir_engine *engine, uint32_t template_id, uint32_t template_serial,
                         weir_benefit *ret);

typedef struct weir_rule_stats {
    _Atomic uint64_t hits, misses, fills, fill_bytes, saved_ns;
} weir_rule_stats;
/* Of a rule of cache.rules, from 0, with its words; false: there is none. Any thread that is
 * online. */
bool weir_engine_rule_stats(weir_engine *engine, unsigned index, weir_rule_stats *ret,
                            const weir_cache_rule **ret_rule);

typedef struct weir_cache_stats {
    bool enabled;
    weir_store_stats store;
    weir_flights_stats flights;
    uint64_t hits, misses[WEIR_MISSES]; /* of all workers and databases */
    uint64_t flushes;                   /* by hand */
    uint64_t strategies[WEIR_STRATEGIES];
    uint64_t saved_ns; /* what hits would have taken at the database */
} weir_cache_stats;
void weir_engine_cache_stats(weir_engine *engine, weir_cache_stats *ret);
weir_store *weir_engine_store(weir_engine *engine); /* NULL: there is no cache */
void weir_engine_count_strategy(weir_engine *engine, weir_strategy strategy);
/* The identity of an entry without what weir_session_begin_identity puts first. */
weir_slice weir_entry_question(const weir_entry *entry);

/* What came of asking the tier behind memory. */
typedef enum weir_lookup_end {
    WEIR_LOOKUP_HIT,
    WEIR_LOOKUP_ABSENT,
    WEIR_LOOKUP_CHANGED, /* what it depends on has changed */
    WEIR_LOOKUP_FLOOR,   /* from before what this process has seen */
    WEIR_LOOKUP_EXPIRED,
    WEIR_LOOKUP_BEHIND,  /* what it is of, or others' commits within the bound, is not known yet */
    WEIR_LOOKUP_FACTS,   /* other catalog facts */
    WEIR_LOOKUP_LINEAGE, /* another timeline, or another server */
    WEIR_LOOKUP_DAMAGED,
    WEIR_LOOKUP_LEASED, /* another node reads it, and was not waited for (any longer) */
    WEIR_LOOKUP_ENDS
} weir_lookup_end;
const char *weir_lookup_end_name(weir_lookup_end end);

typedef struct weir_engine_tier_figures {
    const char *name; /* NULL: there is no tier behind memory */
    weir_tier_stats tier;
    uint64_t lookups[WEIR_LOOKUP_ENDS];
    uint64_t saved_ns; /* that its hits would have taken at the database */
} weir_engine_tier_figures;
void weir_engine_tier_stats(weir_engine *engine, weir_engine_tier_figures *ret);

typedef struct weir_history_stats {
    bool followed;
    uint64_t commits, looks, others; /* other writers' commits that were noticed */
    uint64_t floors;                 /* times that everything was forgotten */
    weir_time looked_at;             /* 0: never */
    uint64_t system;                 /* a server's that is followed; 0: not known */
    uint32_t timeline;
    weir_changes_stats changes;
} weir_history_stats;
void weir_database_history_stats(const weir_database *database, weir_history_stats *ret);

#endif
