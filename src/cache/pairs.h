/* What a process knew of its own writes when, against positions of the database's history: pairs
 * (count, position), where each write whose outcome was among the first `count` ends at `position`
 * or before, if it committed (DESIGN section 5, "Replicas, other nodes, disk").
 *
 * Invariant: both grow from pair to pair. Room for the newest WEIR_PAIRS; what is older answers as
 * if nothing had been known then.
 *
 * Threads: one adds, any asks. */
#ifndef WEIR_CACHE_PAIRS_H
#define WEIR_CACHE_PAIRS_H

#include "base/spin.h"
#include <stdint.h>

#define WEIR_PAIRS 128u

typedef struct weir_pairs {
    weir_spin lock;
    uint64_t next; /* number of the next pair */
    struct {
        uint64_t count, position;
    } at[WEIR_PAIRS];
} weir_pairs;

void weir_pairs_add(weir_pairs *pairs, uint64_t count, uint64_t position);
/* The greatest count whose position is at most this one; `none`: there is no such pair. */
uint64_t weir_pairs_find(weir_pairs *pairs, uint64_t position, uint64_t none);

#endif
