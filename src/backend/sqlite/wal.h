/* The write-ahead log's size: checkpoints, and what is done about reads that keep it from being
 * emptied. */
#ifndef WEIR_BACKEND_SQLITE_WAL_H
#define WEIR_BACKEND_SQLITE_WAL_H

#include "base/time.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weir_sqlite_db;

/* Written by the writer's thread but for `ended`; what is atomic may be read by any. */
typedef struct weir_sqlite_wal {
    size_t size_soft, size_max; /* options.wal_size, .wal_max; 0: none */
    size_t page_size;
    int checkpointed;              /* pages that were in it at the newest checkpoint */
    weir_time retry_at;            /* while readers hold it */
    uint64_t ended_seen;           /* `ended` when it was tried last */
    unsigned in_vain;              /* tries since the newest of ours was ended */
    _Atomic uint64_t epoch;        /* snapshots are of the epoch that they began in */
    _Atomic uint64_t ended_before; /* those of epochs before it must end */
    _Atomic uint64_t bytes;        /* in it */
    _Atomic uint64_t checkpoints, emptied, held, ended;
} weir_sqlite_wal;

void weir_sqlite_wal_init(weir_sqlite_wal *wal, struct weir_sqlite_db *writer);
/* After a commit, when nobody waits for its outcome any more, or at `weir_sqlite_wal_due`: makes a
 * checkpoint if it is time. Outside of transactions. */
void weir_sqlite_wal_tend(weir_sqlite_wal *wal, struct weir_sqlite_db *writer);
/* When it wants to be tended though nothing is written; WEIR_TIME_NEVER. */
weir_time weir_sqlite_wal_due(const weir_sqlite_wal *wal);

/* A read's snapshot begins now, on whichever thread runs it. */
static inline uint64_t weir_sqlite_wal_enter(weir_sqlite_wal *wal)
{
    return atomic_load_explicit(&wal->epoch, memory_order_relaxed);
}

/* The snapshot that began in `epoch` must end. */
static inline bool weir_sqlite_wal_is_overdue(weir_sqlite_wal *wal, uint64_t epoch)
{
    return epoch < atomic_load_explicit(&wal->ended_before, memory_order_relaxed);
}

#endif
