/* See keys.h. The Zipf draw is that of Gray et al., "Quickly generating billion-record synthetic
 * databases" (SIGMOD 1994), which YCSB uses too: constant time, after one sum over all keys. */
#include "keys.h"
#include <math.h>

/* A prime above any count: multiplying by it permutes the ranks. */
#define SPREAD INT64_C(2654435761)

void keys_init(keys *k, uint64_t seed, long count, double theta)
{
    *k = (keys){.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .count = count, .theta = theta};
    if (theta <= 0)
        return;
    for (long i = 1; i <= count; i++)
        k->zeta += 1 / pow((double)i, theta);
    double two = 1 + 1 / pow(2, theta);
    k->alpha = 1 / (1 - theta);
    k->eta = (1 - pow(2 / (double)count, 1 - theta)) / (1 - two / k->zeta);
}

/* xorshift64*. */
static uint64_t draw(keys *k)
{
    k->state ^= k->state >> 12;
    k->state ^= k->state << 25;
    k->state ^= k->state >> 27;
    return k->state * UINT64_C(0x2545f4914f6cdd1d);
}

double keys_part(keys *k)
{
    return (double)(draw(k) >> 11) * 0x1p-53;
}

static long rank(keys *k)
{
    double u = keys_part(k);
    if (k->theta <= 0)
        return (long)(u * (double)k->count);
    double scaled = u * k->zeta;
    if (scaled < 1)
        return 0;
    if (scaled < 1 + pow(0.5, k->theta))
        return 1;
    return (long)((double)k->count * pow(k->eta * u - k->eta + 1, k->alpha));
}

long keys_next(keys *k)
{
    return 1 + (long)(rank(k) * SPREAD % k->count);
}
