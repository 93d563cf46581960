/* SipHash-1-3 (Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012): a keyed hash that
 * strangers cannot aim at one bucket. The seed is random per process and given by the caller. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "base/slice.h"

typedef struct weir_hash_seed {
    uint64_t k[2];
} weir_hash_seed;

uint64_t weir_hash(weir_hash_seed seed, weir_slice bytes);

#endif
