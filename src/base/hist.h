/* Log-bucketed histogram of durations: 4 buckets per octave from 1 us to about 4 000 s, so a
 * quantile is within 19 % of the truth (the idea of HdrHistogram, with fewer buckets). One thread
 * records; any thread may read meanwhile and sees each counter whole. */
#ifndef WEIR_BASE_HIST_H
#define WEIR_BASE_HIST_H

#include "base/time.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_HIST_BUCKETS 128

typedef struct weir_hist {
    _Atomic uint64_t count;
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t max_ns;
    _Atomic uint64_t buckets[WEIR_HIST_BUCKETS];
} weir_hist;

void weir_hist_record(weir_hist *h, weir_time ns);
/* Adds `from` to `into` (which one thread owns). */
void weir_hist_merge(weir_hist *into, const weir_hist *from);
/* Upper bound of the bucket that holds quantile q in [0, 1], or the greatest value recorded where
 * that is less; 0 when empty. */
weir_time weir_hist_quantile(const weir_hist *h, double q);
/* Upper bound of a bucket: every value recorded in it is <= this. The last one's is
 * WEIR_TIME_NEVER. */
weir_time weir_hist_bound(size_t bucket);
/* How many recorded values are <= `ns`, where `ns` is a bucket's bound (else: rounded down to one).
 */
uint64_t weir_hist_count_le(const weir_hist *h, weir_time ns);

#endif
