/* Statistics of what went through: per worker, written by its thread alone, read by any (relaxed
 * atomics), summed when read. */
#ifndef WEIR_ENGINE_STATS_H
#define WEIR_ENGINE_STATS_H

#include "base/hist.h"
#include "sql/sql.h"
#include <stdatomic.h>

#define WEIR_SQLSTATE_CLASSES 40u
#define WEIR_STATS_MISSES 24u
#define WEIR_STATEMENT_BUCKETS 24u /* powers of two from 1 us */

typedef enum weir_target {
    WEIR_TARGET_CACHE,
    WEIR_TARGET_PRIMARY,
    WEIR_TARGET_REPLICA,
    WEIR_TARGETS
} weir_target;

/* Of one template. `serial` says of which one that had this id. */
typedef struct weir_statement_stats {
    _Atomic uint32_t serial;
    _Atomic uint64_t calls, errors, rows, total_ns, max_ns;
    _Atomic uint64_t fills, hits;                     /* answers kept, and given from the cache */
    _Atomic uint64_t fill_bytes;                      /* of those kept */
    _Atomic uint64_t runs, run_ns, mean_ns;           /* at the database, well ended */
    _Atomic uint32_t buckets[WEIR_STATEMENT_BUCKETS]; /* <= 1 us << i; the last: more */
} weir_statement_stats;

typedef struct weir_database_stats {
    _Atomic uint64_t queries[WEIR_KINDS][WEIR_TARGETS];
    _Atomic uint64_t transactions, rows, slow;
    _Atomic uint64_t bytes_in, bytes_out; /* from and to clients */
    _Atomic uint64_t errors[WEIR_SQLSTATE_CLASSES];
    _Atomic uint64_t misses[WEIR_STATS_MISSES]; /* by weir_miss (engine/cache.h) */
    _Atomic uint64_t saved_ns;                  /* that hits would have taken at the database */
    weir_hist duration[WEIR_TARGETS];
} weir_database_stats;

/* LISTEN of a database's clients, counted by the gateway. `listeners` and `dropped` by any worker,
 * the others by one. */
typedef struct weir_listen_stats {
    _Atomic uint64_t listeners, channels; /* now */
    _Atomic uint64_t held;                /* server connections that listen for clients, now */
    _Atomic uint64_t notifications;       /* received by these */
    _Atomic uint64_t episodes;            /* in which notifications may have been lost */
    _Atomic uint64_t dropped;             /* that did not fit into a client's queue */
} weir_listen_stats;

#define WEIR_STATS_CHUNK 256u

typedef struct weir_worker_stats {
    weir_database_stats *_Atomic *databases; /* by index */
    weir_statement_stats *_Atomic *chunks;   /* of WEIR_STATS_CHUNK templates */
    uint32_t chunk_count;
} weir_worker_stats;

/* The two letters of the SQLSTATE class that `errors` counts there ("other" for the last). */
const char *weir_sqlstate_class_name(unsigned index);

/* A counter that one thread writes and others read. */
static inline void weir_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
