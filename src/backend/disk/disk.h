/* A directory of this machine as a tier behind the cache in memory (engine/tier.h): a log of
 * segments, of which the oldest goes when the bound is reached, and an index of it in memory, which
 * is made anew at start. A crash at any time leaves what was written before. */
#ifndef WEIR_BACKEND_DISK_DISK_H
#define WEIR_BACKEND_DISK_DISK_H

#include "base/log.h"
#include "base/memory.h"
#include "engine/tier.h"
#include "net/net.h"

typedef struct weir_disk_options {
    const char *path;  /* of this process alone; made if absent */
    uint64_t size_max; /* of all files */
    size_t value_max;  /* longer ones are not kept */
    unsigned workers;
    weir_memory *memory; /* the index is charged as CACHE; may be NULL */
    weir_log *log;
} weir_disk_options;

/* Reads what is there on a thread of its own. Strings are copied. -ENOMEM; -EACCES, -ENOTDIR, …:
 * the directory cannot be used, words in `err`. While another process uses it, nothing is kept or
 * found; it is tried again. */
WEIR_MUST_CHECK int weir_disk_open(const weir_disk_options *options, weir_tier **ret,
                                   weir_error *err);

#endif
