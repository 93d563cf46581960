/* What the policies of src/cache are held against in bench/traces.c, on keys that are numbered from
 * 0 and all of size 1. Each gives the number of misses, or SIZE_MAX: out of memory. */
#ifndef BENCH_TRACE_MODELS_H
#define BENCH_TRACE_MODELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_trace {
    uint32_t *keys;
    size_t requests;
    uint32_t key_count;
} bench_trace;

/* Megiddo & Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003, figure 4. */
size_t bench_trace_arc(const bench_trace *trace, size_t capacity);
/* Belady's: what is needed last goes first, be it the newest. No policy misses less often. */
size_t bench_trace_optimum(const bench_trace *trace, size_t capacity);

#endif
