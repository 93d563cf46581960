/* Bucket b holds the durations in (bound(b - 1), bound(b)], bound(b) = 1 us * 2^(b/4); bucket 0
 * also what is shorter, the last one what is longer. The one writer needs no read-modify-write:
 * relaxed loads and stores keep each counter whole for readers. */
#include "base/hist.h"

#include <assert.h>

#define BUCKET_LAST (WEIR_HIST_BUCKETS - 1)
#define PER_OCTAVE 4

static_assert(WEIR_HIST_BUCKETS == 32 * PER_OCTAVE, "bounds are computed for 32 octaves");

/* 1000 * 2^(i/4) nanoseconds, with 32 binary places behind the point, rounded down. */
static const uint64_t first_octave[PER_OCTAVE] = {4294967296000ULL, 5107605667107ULL,
                                                  6074000999952ULL, 7223245205676ULL};

weir_time weir_hist_bound(size_t bucket)
{
    if (bucket >= BUCKET_LAST)
        return WEIR_TIME_NEVER;
    return (weir_time)(first_octave[bucket % PER_OCTAVE] >> (32 - bucket / PER_OCTAVE));
}

/* The smallest bucket whose bound is >= `ns`. For ns > 1000, (ns - 1) / 1000 >= 2^o is the same as
 * ns > 1000 * 2^o: the leading bit tells the octave, three comparisons the place in it. */
static size_t bucket_of(weir_time ns)
{
    if (ns <= WEIR_US)
        return 0;
    unsigned octave = 63 - (unsigned)__builtin_clzll((uint64_t)(ns - 1) / (uint64_t)WEIR_US);
    if (octave >= WEIR_HIST_BUCKETS / PER_OCTAVE)
        return BUCKET_LAST;
    unsigned shift = 32 - octave;
    uint64_t v = (uint64_t)ns;
    unsigned place = 1u + (v > first_octave[1] >> shift) + (v > first_octave[2] >> shift) +
                     (v > first_octave[3] >> shift);
    size_t bucket = octave * PER_OCTAVE + place;
    return bucket < BUCKET_LAST ? bucket : BUCKET_LAST;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, was + n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void raise_max(weir_hist *h, uint64_t ns)
{
    if (ns > get(&h->max_ns))
        atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

void weir_hist_record(weir_hist *h, weir_time ns)
{
    ns = ns < 0 ? 0 : ns;
    size_t bucket = bucket_of(ns);
    add(&h->buckets[bucket], 1);
    add(&h->count, 1);
    add(&h->sum_ns, (uint64_t)ns);
    raise_max(h, (uint64_t)ns);
}

void weir_hist_merge(weir_hist *into, const weir_hist *from)
{
    for (size_t i = 0; i < WEIR_HIST_BUCKETS; i++)
        add(&into->buckets[i], get(&from->buckets[i]));
    add(&into->count, get(&from->count));
    add(&into->sum_ns, get(&from->sum_ns));
    raise_max(into, get(&from->max_ns));
}

/* Not `count`: a reader beside the writer may see that one ahead or behind. */
static uint64_t count_up_to(const weir_hist *h, size_t bucket)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= bucket; i++)
        sum += get(&h->buckets[i]);
    return sum;
}

weir_time weir_hist_quantile(const weir_hist *h, double q)
{
    uint64_t total = count_up_to(h, BUCKET_LAST);
    if (total == 0)
        return 0;
    double wanted = q > 0 ? q * (double)total : 0;
    uint64_t sum = get(&h->buckets[0]);
    size_t bucket = 0;
    while (bucket < BUCKET_LAST && ((double)sum < wanted || sum == 0))
        sum += get(&h->buckets[++bucket]);
    weir_time bound = weir_hist_bound(bucket), max = (weir_time)get(&h->max_ns);
    return max < bound ? max : bound;
}

uint64_t weir_hist_count_le(const weir_hist *h, weir_time ns)
{
    size_t bucket = bucket_of(ns);
    if (weir_hist_bound(bucket) > ns)
        return bucket == 0 ? 0 : count_up_to(h, bucket - 1);
    return count_up_to(h, bucket);
}
