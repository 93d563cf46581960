/* What a database that runs inside this process (SQLite) says of itself, for SHOW and metrics. */
#ifndef WEIR_ENGINE_EMBEDDED_H
#define WEIR_ENGINE_EMBEDDED_H

#include "base/hist.h"
#include <stdbool.h>

struct weir_database;

typedef struct weir_embedded {
    const char *path;           /* of its file; lives as long as the backend */
    weir_hist writer_waits;     /* from asking for the writer to having it */
    uint64_t writer_waiting;    /* now */
    uint64_t groups;            /* commits that several writes shared */
    uint64_t grouped;           /* … these writes */
    uint64_t regrouped;         /* … of them run again alone, because the shared one was lost */
    uint64_t wal_bytes;         /* what the write-ahead log holds since it was emptied last */
    uint64_t wal_size, wal_max; /* its bounds, 0: none */
    uint64_t checkpoints;       /* tried */
    uint64_t emptied;           /* … that emptied the log, because it was beyond wal_size */
    uint64_t held;              /* … that readers kept from that */
    uint64_t ended;             /* reads that were ended, because it was beyond wal_max */
} weir_embedded;

/* False: it does not run inside this process. Any thread. */
bool weir_database_embedded(const struct weir_database *database, weir_embedded *ret);

#endif
