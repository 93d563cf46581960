/* Which entry goes when room is needed. Policies order nodes that the store embeds in its entries;
 * they know sizes, hashes and hits, nothing else. Called under the store's lock, but for the
 * counter that readers raise.
 *
 *   s3-fifo   Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023), with a
 *             newest part of the small queue where hits count as one (after Clock2Q+, S4-FIFO)
 *   lru, lfu  the classics
 *   adaptive  W-TinyLFU (Einziger, Friedman, Manes 2017) with a window that climbs toward the
 * better hit ratio: for loops, scans and mixes that change */
#ifndef WEIR_CACHE_POLICY_H
#define WEIR_CACHE_POLICY_H

#include "base/error.h"
#include "base/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum weir_policy_kind {
    WEIR_POLICY_S3FIFO,
    WEIR_POLICY_LRU,
    WEIR_POLICY_LFU,
    WEIR_POLICY_ADAPTIVE,
    WEIR_POLICIES
} weir_policy_kind;
const char *weir_policy_name(weir_policy_kind kind);

#define WEIR_POLICY_COUNT_CAP 3u

/* Zeroed before it is inserted. */
typedef struct weir_policy_node {
    weir_list link;        /* of the queue it is on */
    uint64_t hash;         /* set by the store */
    size_t size;           /* charged bytes, set by the store; constant while inserted */
    uint64_t stamp;        /* the policy's: position in its queue, or a frequency */
    _Atomic uint8_t count; /* S3-FIFO: raised by readers up to the cap */
    uint8_t queue;         /* the policy's */
} weir_policy_node;

typedef struct weir_policy weir_policy;

/* What a policy must be able to do. `capacity` is in the unit of `size`. */
typedef struct weir_policy_ops {
    /* Makes what is ever needed. `entries_max` sizes the tables (0: guessed from the capacity);
     * more nodes than that are fine. -ENOMEM. */
    int (*new)(size_t capacity, size_t entries_max, weir_policy **ret);
    void (*free)(weir_policy *policy);
    void (*resize)(weir_policy *policy, size_t capacity);
    /* The node is kept from now on. */
    void (*insert)(weir_policy *policy, weir_policy_node *node);
    /* Taken out by the store for a reason of its own (expired, changed): not a sign of coldness. */
    void (*remove)(weir_policy *policy, weir_policy_node *node);
    /* A hit that a reader gathered, of a node that is kept (not for s3-fifo, whose readers raise
     * `count` themselves). */
    void (*hit)(weir_policy *policy, weir_policy_node *node);
    /* Chooses a victim and takes it out; NULL: nothing is kept. May be the newest one: then it was
     * not admitted. */
    weir_policy_node *(*evict)(weir_policy *policy);
    bool counts_hits; /* `hit` wants to be called; else readers raise `count` */
} weir_policy_ops;

struct weir_policy {
    const weir_policy_ops *ops;
};

/* By kind. */
const weir_policy_ops *weir_policy_ops_of(weir_policy_kind kind);

#endif
