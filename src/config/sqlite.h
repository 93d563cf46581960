/* Configuration: the section sqlite. */
#ifndef WEIR_CONFIG_SQLITE_H
#define WEIR_CONFIG_SQLITE_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct weir_config_sqlite {
    weir_time busy_timeout; /* sqlite.busy_timeout toward other processes, 5 s */
    unsigned executors;     /* sqlite.executors: threads for reads, 0: one per core */
    bool synchronous_full;  /* sqlite.synchronous: full (default: an acknowledged commit survives
                               a power cut) or normal */
    size_t cache_size;      /* sqlite.cache_size per connection, 8 MiB */
    size_t mmap_size;       /* sqlite.mmap_size, 256 MiB */
    weir_time writer_wait;  /* sqlite.writer_wait, 30 s; 0: no limit */
    size_t wal_size;        /* sqlite.wal_size, 64 MiB; 0: not watched */
    size_t wal_max;         /* sqlite.wal_max, 1 GiB; 0: no read is ended */
    unsigned group_commit;  /* sqlite.group_commit: writes that share one at most, 64 */
} weir_config_sqlite;

#endif
