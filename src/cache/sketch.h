/* How often a key was asked for lately, roughly: a count-min sketch of 4-bit counters that are
 * halved from time to time (Einziger, Friedman, Manes, "TinyLFU", 2017). Private to src/cache. */
#ifndef WEIR_CACHE_SKETCH_H
#define WEIR_CACHE_SKETCH_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

#define WEIR_SKETCH_MAX 15u

typedef struct weir_sketch {
    uint64_t *words; /* blocks of eight: a cache line */
    uint64_t mask;   /* of a block's index */
    size_t raised;   /* since the last halving */
} weir_sketch;

/* For `entries` kept at a time: 8 to 16 bytes for each. -ENOMEM. */
WEIR_MUST_CHECK int weir_sketch_init(weir_sketch *sketch, size_t entries);
void weir_sketch_fini(weir_sketch *sketch);
/* Counts one. After `period` of them all counters are halved, which takes the time of a pass over
 * the table. */
void weir_sketch_raise(weir_sketch *sketch, uint64_t hash, size_t period);
/* At most WEIR_SKETCH_MAX. */
unsigned weir_sketch_estimate(const weir_sketch *sketch, uint64_t hash);

#endif
