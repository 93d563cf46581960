/* Private to the cache: the key columns whose values the follower is asked to report, and since
 * when it does. Append-only and bounded; found and read without a lock, also while one is added. */
#ifndef WEIR_CACHE_TRACKED_H
#define WEIR_CACHE_TRACKED_H

#include "base/error.h"
#include "base/slice.h"
#include "base/spin.h"
#include <stdatomic.h>
#include <stdint.h>

#define WEIR_TRACKED_NAME_MAX 128u
#define WEIR_TRACKED_NEVER UINT64_MAX /* not confirmed yet, or not asked for */

typedef struct weir_tracked_column {
    uint64_t relation, column;
    _Atomic uint64_t since;
    uint8_t relation_len, column_len;
    uint8_t relation_name[WEIR_TRACKED_NAME_MAX], column_name[WEIR_TRACKED_NAME_MAX];
} weir_tracked_column;

typedef struct weir_tracked {
    weir_tracked_column *columns; /* in the order in which they were asked for */
    _Atomic uint32_t *index;      /* open addressing, at most half full: number, or 0 */
    uint32_t index_mask;
    uint32_t columns_max;
    _Atomic uint32_t count; /* published last: those below are whole */
    weir_spin lock;         /* of those who add */
} weir_tracked;

/* -ENOMEM. */
WEIR_MUST_CHECK int weir_tracked_init(weir_tracked *t, uint32_t columns_max);
void weir_tracked_fini(weir_tracked *t); /* also of a zeroed one */
size_t weir_tracked_size(uint32_t columns_max);

/* 0 also if it is there; -ENOSPC. */
WEIR_MUST_CHECK int weir_tracked_add(weir_tracked *t, uint64_t relation, uint64_t column,
                                     weir_slice relation_name, weir_slice column_name);
/* WEIR_TRACKED_NEVER: not yet. */
uint64_t weir_tracked_since(const weir_tracked *t, uint64_t column);
/* NULL: it was not asked for. */
weir_tracked_column *weir_tracked_find(const weir_tracked *t, uint64_t column);
/* The first time counts. */
void weir_tracked_confirm(weir_tracked_column *column, uint64_t wal);

#endif
