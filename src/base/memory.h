/* Memory is charged to an owner and capped as a whole (configuration memory.max). Thread-safe.
 * Charges are made by whoever allocates in bulk (buffers, caches, templates), not per malloc. */
#ifndef WEIR_BASE_MEMORY_H
#define WEIR_BASE_MEMORY_H

#include "base/error.h"
#include <stdatomic.h>
#include <stddef.h>

typedef enum weir_memory_owner {
    WEIR_MEMORY_CLIENT,   /* sessions, their prepared statements and buffers */
    WEIR_MEMORY_SERVER,   /* connections to databases and their buffers */
    WEIR_MEMORY_TEMPLATE, /* statement templates and their statistics */
    WEIR_MEMORY_RESULT,   /* rows on their way */
    WEIR_MEMORY_CACHE,
    WEIR_MEMORY_OWNERS
} weir_memory_owner;

typedef struct weir_memory {
    _Atomic size_t used[WEIR_MEMORY_OWNERS];
    _Atomic size_t total;
    size_t total_max; /* 0: no cap */
} weir_memory;

void weir_memory_init(weir_memory *m, size_t total_max);
/* -ENOMEM: the cap would be passed; nothing is charged. */
WEIR_MUST_CHECK int weir_memory_charge(weir_memory *m, weir_memory_owner owner, size_t size);
void weir_memory_release(weir_memory *m, weir_memory_owner owner, size_t size);
const char *weir_memory_owner_name(weir_memory_owner owner);

#endif
