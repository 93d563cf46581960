/* Which keys were evicted lately: a FIFO of fingerprints, bounded by the size of what they stand
 * for, in a table of fixed size. Private to src/cache.
 *
 * A bucket is one cache line of 16 slots; there are two slots per expected entry, so 8 bytes for
 * each, and a bucket hardly ever fills (then its oldest goes). Two keys of a bucket are taken for
 * one another once in 65 536: a false answer admits a cold entry, no more. */
#ifndef WEIR_CACHE_GHOST_H
#define WEIR_CACHE_GHOST_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Time goes in ticks of evicted size, about a thousand to a window. */
#define WEIR_GHOST_TICKS 4096u /* remembered at most; a power of two */

typedef struct weir_ghost {
    uint32_t *slots; /* fingerprint << 16 | tick; fingerprints are not 0 */
    size_t buckets;
    size_t hand;        /* the bucket to be swept next */
    size_t window;      /* the size that it may stand for */
    size_t size;        /* and does */
    size_t unit, rest;  /* of size per tick; since the last tick */
    uint16_t now, tail; /* ticks, wrapping round: the present, and the oldest remembered */
    size_t sizes[WEIR_GHOST_TICKS]; /* what is remembered of each tick */
} weir_ghost;

/* For `entries` at a time, standing for `window` together. -ENOMEM. */
WEIR_MUST_CHECK int weir_ghost_init(weir_ghost *ghost, size_t entries, size_t window);
void weir_ghost_fini(weir_ghost *ghost);
/* Another window; the table stays as large as it is. */
void weir_ghost_resize(weir_ghost *ghost, size_t window);
void weir_ghost_add(weir_ghost *ghost, uint64_t hash, size_t size);
/* Whether it was there; it is not any more. `size` is what it is now: fingerprints have none. */
bool weir_ghost_take(weir_ghost *ghost, uint64_t hash, size_t size);

#endif
