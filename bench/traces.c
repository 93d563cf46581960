/* Miss ratios of the cache's policies on a trace: keys (64 bits, this machine's byte order) come on
 * standard input, every policy of src/cache runs on them as it is, at each size. bench/traces.py
 * decodes the published traces and makes tables.
 *
 * usage: bench_traces SIZE[,SIZE]... POLICY...
 *        POLICY: lru lfu s3-fifo adaptive arc optimum, or s3-fifo:SKIP:CARRIED:THRESHOLD
 *        (weir_s3fifo_knobs; s3-fifo:0:3:2 is the plain algorithm) */
#include "cache/policies.h"
#include "trace_models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys are numbered from 0, in order of appearance ---- */

/* splitmix64 (Steele, Lea, Flood 2014): what the store's keyed hash is to the policies. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t *read_keys(size_t *ret_count)
{
    size_t count = 0, room = 1 << 20, got;
    uint64_t *keys = malloc(room * sizeof *keys);
    while (keys && (got = fread(keys + count, sizeof *keys, room - count, stdin)) > 0) {
        count += got;
        if (count < room)
            continue;
        room *= 2;
        uint64_t *more = realloc(keys, room * sizeof *keys);
        if (!more)
            free(keys);
        keys = more;
    }
    *ret_count = count;
    return keys;
}

typedef struct slot {
    uint64_t key;
    uint32_t number; /* + 1; 0: empty */
} slot;

static int number_keys(const uint64_t *keys, bench_trace *trace)
{
    size_t size = 16;
    while (size < 2 * trace->requests)
        size *= 2;
    slot *slots = calloc(size, sizeof *slots);
    trace->keys = malloc(trace->requests * sizeof *trace->keys);
    if (!slots || !trace->keys) {
        free(slots);
        return -ENOMEM;
    }
    for (size_t i = 0; i < trace->requests; i++) {
        size_t at = mix(keys[i]) & (size - 1);
        while (slots[at].number && slots[at].key != keys[i])
            at = (at + 1) & (size - 1);
        if (!slots[at].number)
            slots[at] = (slot){keys[i], ++trace->key_count};
        trace->keys[i] = slots[at].number - 1;
    }
    free(slots);
    return 0;
}

/* ---- one policy ---- */

static int new_policy(const char *name, size_t capacity, weir_policy **ret)
{
    weir_s3fifo_knobs knobs;
    if (sscanf(name, "s3-fifo:%u:%u:%u", &knobs.skip, &knobs.carried, &knobs.threshold) == 3)
        return weir_s3fifo_new(capacity, capacity, knobs, ret);
    for (weir_policy_kind kind = 0; kind < WEIR_POLICIES; kind++) {
        if (strcmp(name, weir_policy_name(kind)) == 0)
            return weir_policy_ops_of(kind)->new (capacity, capacity, ret);
    }
    return -EINVAL;
}

static void hit(weir_policy *policy, weir_policy_node *node)
{
    if (policy->ops->counts_hits)
        policy->ops->hit(policy, node);
    else if (node->count < WEIR_POLICY_COUNT_CAP)
        node->count++;
}

static size_t run_policy(weir_policy *policy, const bench_trace *trace, size_t capacity)
{
    weir_policy_node *nodes = calloc(trace->key_count, sizeof *nodes);
    size_t misses = 0, kept = 0;
    for (size_t i = 0; nodes && i < trace->requests; i++) {
        weir_policy_node *node = &nodes[trace->keys[i]];
        if (node->size) {
            hit(policy, node);
            continue;
        }
        misses++;
        *node = (weir_policy_node){.hash = mix(trace->keys[i]), .size = 1};
        policy->ops->insert(policy, node);
        kept++;
        for (; kept > capacity; kept--)
            policy->ops->evict(policy)->size = 0;
    }
    free(nodes);
    return nodes ? misses : SIZE_MAX;
}

static size_t misses_of(const char *name, const bench_trace *trace, size_t capacity)
{
    if (strcmp(name, "arc") == 0)
        return bench_trace_arc(trace, capacity);
    if (strcmp(name, "optimum") == 0)
        return bench_trace_optimum(trace, capacity);
    weir_policy *policy;
    int r = new_policy(name, capacity, &policy);
    if (r < 0) {
        fprintf(stderr, "bench_traces: %s: %s\n", name, strerror(-r));
        exit(2);
    }
    size_t misses = run_policy(policy, trace, capacity);
    policy->ops->free(policy);
    return misses;
}

/* ---- all of them ---- */

static void run_sizes(const bench_trace *trace, char *sizes, int count, char **policies)
{
    printf("{\"requests\": %zu, \"keys\": %u, \"sizes\": {", trace->requests, trace->key_count);
    const char *between = "";
    for (char *size = strtok(sizes, ","); size; size = strtok(NULL, ",")) {
        size_t capacity = strtoul(size, NULL, 10);
        printf("%s\"%zu\": {", between, capacity);
        for (int i = 0; i < count; i++) {
            size_t misses = misses_of(policies[i], trace, capacity);
            printf("%s\"%s\": %zu", i ? ", " : "", policies[i], misses);
        }
        printf("}");
        between = ", ";
    }
    printf("}}\n");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_traces SIZE[,SIZE]... POLICY...\n");
        return 2;
    }
    bench_trace trace = {0};
    uint64_t *keys = read_keys(&trace.requests);
    if (!keys || trace.requests == 0 || number_keys(keys, &trace) < 0) {
        fprintf(stderr, "bench_traces: no keys, or no memory for them\n");
        return 1;
    }
    free(keys);
    run_sizes(&trace, argv[1], argc - 2, argv + 2);
    free(trace.keys);
    return 0;
}
