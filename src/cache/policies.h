/* The policies one by one, for policy.c, and for benchmarks and tests that turn their knobs.
 * Private to src/cache. */
#ifndef WEIR_CACHE_POLICIES_H
#define WEIR_CACHE_POLICIES_H

#include "cache/policy.h"

extern const weir_policy_ops weir_policy_s3fifo;
extern const weir_policy_ops weir_policy_lru;
extern const weir_policy_ops weir_policy_lfu;
extern const weir_policy_ops weir_policy_adaptive;

/* How many nodes to make tables for: `entries_max`, or a guess where that is 0. */
#define WEIR_POLICY_SIZE_GUESS 512u
static inline size_t weir_policy_entries(size_t capacity, size_t entries_max)
{
    size_t entries = entries_max ? entries_max : capacity / WEIR_POLICY_SIZE_GUESS;
    return entries < 64 ? 64 : entries > UINT32_MAX ? UINT32_MAX : entries;
}

/* S3-FIFO's knobs. The newest `skip`/1024 of the small queue carry at most `carried` hits into the
 * rest of it; what has `threshold` hits at its end moves to the main queue. {0, CAP, 2} is the
 * plain algorithm. */
typedef struct weir_s3fifo_knobs {
    unsigned skip, carried, threshold;
} weir_s3fifo_knobs;
WEIR_MUST_CHECK int weir_s3fifo_new(size_t capacity, size_t entries_max, weir_s3fifo_knobs knobs,
                                    weir_policy **ret);

#endif
