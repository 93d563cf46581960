/* Which key is asked for next: each alike, or few of them often (Zipf), spread over the range so
 * that what is asked often does not lie side by side. */
#ifndef WEIR_BENCH_KEYS_H
#define WEIR_BENCH_KEYS_H

#include <stdint.h>

typedef struct keys {
    uint64_t state; /* of the generator; not 0 */
    long count;
    double theta; /* 0: each alike */
    double zeta, alpha, eta;
} keys;

void keys_init(keys *k, uint64_t seed, long count, double theta);
/* In [0, 1). */
double keys_part(keys *k);
/* 1 to count. */
long keys_next(keys *k);

#endif
