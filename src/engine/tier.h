/* What the engine asks of a tier behind memory (Valkey, a disk): to keep bytes under a key, and to
 * give them back. It judges nothing: what comes back is opened, compared and judged by the engine
 * (cache/tier.h, lookup.c), so that a tier that loses, mixes up or invents bytes costs only speed.
 *
 * Invariant: nothing here blocks or fails a query. A tier that is slow, full or gone says so at
 * once (get: SKIPPED) or by the deadline (done with nothing).
 *
 * Threads: `get`, `put`, `remove`, `detach` on the thread of the worker named; `stats` on any. */
#ifndef WEIR_ENGINE_TIER_H
#define WEIR_ENGINE_TIER_H

#include "base/time.h"
#include "cache/tier.h"

struct weir_loop;

/* Embedded in whoever asks, who keeps it until `done`. */
typedef struct weir_tier_get {
    weir_tier_key key;
    weir_time deadline;
    /* Once, after `get` returned ASKED, on the same thread: what is kept (borrowed), or nothing
     * (length 0), at the latest when the deadline has passed. */
    void (*done)(struct weir_tier_get *get, weir_slice stored);
    bool absent; /* set by a tier that takes marks, before `done`: it is known not to be there */
    void *own;   /* the tier's */
} weir_tier_get;

/* Something to be kept; the tier's from `put` on. */
typedef struct weir_tier_put {
    weir_tier_key key;
    weir_time ttl;  /* not longer than this */
    size_t size;    /* about, while it waits */
    bool expensive; /* writing takes long (it compresses): not on a loop */
    /* Appends what is to be kept. On any thread, once at most. -ENOMEM, -EMSGSIZE. */
    int (*write)(struct weir_tier_put *put, weir_buf *out);
    /* Ends it. On any thread, once. */
    void (*drop)(struct weir_tier_put *put);
    struct weir_tier_put *next; /* the tier's, as all below */
    void *own[4];
} weir_tier_put;

typedef enum weir_tier_loss {                    /* why what was kept is kept no more */
                              WEIR_TIER_EVICTED, /* for room */
                              WEIR_TIER_EXPIRED,
                              WEIR_TIER_REMOVED, /* the engine found it to be out of date */
                              WEIR_TIER_DAMAGED,
                              WEIR_TIER_LOSSES
} weir_tier_loss;
const char *weir_tier_loss_name(weir_tier_loss loss);

#define WEIR_TIER_UNKNOWN UINT64_MAX

typedef struct weir_tier_stats {
    uint64_t entries, bytes, bytes_max; /* WEIR_TIER_UNKNOWN: it does not say */
    uint64_t gets, found;
    uint64_t late;    /* gets that were given up at their deadline */
    uint64_t skipped; /* gets that were not tried: it is ill, or too much is under way */
    uint64_t puts;
    uint64_t dropped; /* puts that were not tried, or failed */
    uint64_t errors;  /* connections lost, files that could not be read or written, replies that
                         were errors */
    uint64_t losses[WEIR_TIER_LOSSES];
    bool well; /* asked now, it would be tried */
} weir_tier_stats;

typedef struct weir_tier weir_tier;

typedef enum weir_tier_answer {
    WEIR_TIER_ASKED,  /* `done` comes */
    WEIR_TIER_ABSENT, /* it is not there */
    WEIR_TIER_SKIPPED /* it is not tried: ill, or too much is under way */
} weir_tier_answer;

typedef struct weir_tier_ops {
    const char *name; /* "valkey", "disk": the label `tier` of metrics */
    /* Only after ASKED does `done` come. */
    weir_tier_answer (*get)(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                            weir_tier_get *get);
    void (*put)(weir_tier *tier, unsigned worker, struct weir_loop *loop, weir_tier_put *put);
    void (*remove)(weir_tier *tier, unsigned worker, struct weir_loop *loop,
                   const weir_tier_key *key);
    /* Keeps this mark there for `ttl` and says nothing; `over`: whatever is there, else only if
     * nothing is. NULL in tiers that one process has to itself. */
    void (*mark)(weir_tier *tier, unsigned worker, struct weir_loop *loop, const weir_tier_key *key,
                 weir_slice mark, weir_time ttl, bool over);
    /* The worker ends: what it asked for is answered with nothing, before this returns. Nothing is
     * asked by it afterwards, but its loop may turn on for a while. */
    void (*detach)(weir_tier *tier, unsigned worker);
    void (*stats)(weir_tier *tier, weir_tier_stats *ret);
    /* All workers are detached, and their loops turn no more. */
    void (*destroy)(weir_tier *tier);
} weir_tier_ops;

struct weir_tier {
    const weir_tier_ops *ops;
};

#endif
