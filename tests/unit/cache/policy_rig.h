/* A small cache around a policy, as the store is a large one: it finds nodes by key, counts what is
 * kept, and checks that the policy neither loses one nor gives one twice. */
#ifndef WEIR_TESTS_POLICY_RIG_H
#define WEIR_TESTS_POLICY_RIG_H

#include "cache/policies.h"

#define RIG_KEYS 4096u

typedef struct rig {
    weir_policy *policy;
    size_t capacity, size, count;
    bool kept[RIG_KEYS];
    weir_policy_node nodes[RIG_KEYS];
    size_t requests, misses;
    uint64_t random; /* a generator's state */
} rig;

/* Of its own policy, by kind or as made. */
void rig_init(rig *r, weir_policy_kind kind, size_t capacity);
void rig_init_with(rig *r, weir_policy *policy, size_t capacity);
/* Empties it by evictions, each checked. */
void rig_fini(rig *r);
/* Asks for a key: a hit, or an insertion and then as many evictions as it takes. True: a hit. */
bool rig_ask(rig *r, unsigned key, size_t size);
void rig_remove(rig *r, unsigned key);
/* Evicts one; RIG_KEYS: nothing is kept. */
unsigned rig_evict(rig *r);
void rig_resize(rig *r, size_t capacity);
/* 0 … below - 1, the same on each run. */
unsigned rig_random(rig *r, unsigned below);
/* 0 … below - 1, small ones far more often. */
unsigned rig_skewed(rig *r, unsigned below);

#endif
