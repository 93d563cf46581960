/* S3-FIFO (Yang et al., SOSP 2023) by size, with a newest part of the small queue in which hits
 * count as one at most (after Clock2Q+, arXiv 2511.21958): requests in a bunch are one sign of
 * interest.
 *
 *   new ──► FRESH ──count ≤ 1──► SMALL ──2 hits──► MAIN ──► evicted
 *                                  │                ▲ └─hit─┘ (goes round, count - 1)
 *                                  └──► evicted ──► ghost ──asked for again
 *
 * FRESH and SMALL together are the paper's small queue. Readers raise a node's count wherever it
 * is, without the lock; what they raised in FRESH is cut when the node leaves it.
 *
 * Shares are of what is kept, not of the capacity: so they hold as well when the store evicts
 * because it has too many entries. */
#include "cache/ghost.h"
#include "cache/policies.h"
#include "cache/policy_queue.h"

#include <stdlib.h>

enum { FRESH = 1, SMALL, MAIN };

/* Measured: bench/README.md. */
static const weir_s3fifo_knobs knobs_default = {.skip = 48, .carried = 1, .threshold = 2};

/* How many hot nodes one eviction passes by. A bound, because it runs under the store's lock and
 * readers may raise counts as fast as they are lowered; not reached on any trace. */
#define STEPS_MAX 4096u

typedef struct s3fifo {
    weir_policy policy;
    weir_s3fifo_knobs knobs;
    size_t capacity;
    weir_policy_queue fresh, small, main;
    weir_ghost ghost;
} s3fifo;

static s3fifo *s3fifo_of(weir_policy *policy)
{
    return WEIR_CONTAINER_OF(policy, s3fifo, policy);
}

static size_t size_of(const s3fifo *s)
{
    return s->fresh.size + s->small.size + s->main.size;
}

static size_t ghost_window(size_t capacity)
{
    return capacity - capacity / 10;
}

int weir_s3fifo_new(size_t capacity, size_t entries_max, weir_s3fifo_knobs knobs, weir_policy **ret)
{
    s3fifo *s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (s3fifo){.policy = {&weir_policy_s3fifo}, .knobs = knobs, .capacity = capacity};
    weir_policy_queue_init(&s->fresh, FRESH);
    weir_policy_queue_init(&s->small, SMALL);
    weir_policy_queue_init(&s->main, MAIN);
    size_t entries = weir_policy_entries(capacity, entries_max);
    int r = weir_ghost_init(&s->ghost, entries - entries / 10, ghost_window(capacity));
    if (r < 0) {
        free(s);
        return r;
    }
    *ret = &s->policy;
    return 0;
}

static int s3fifo_new(size_t capacity, size_t entries_max, weir_policy **ret)
{
    return weir_s3fifo_new(capacity, entries_max, knobs_default, ret);
}

static void s3fifo_free(weir_policy *policy)
{
    if (!policy)
        return;
    s3fifo *s = s3fifo_of(policy);
    weir_ghost_fini(&s->ghost);
    free(s);
}

static void s3fifo_resize(weir_policy *policy, size_t capacity)
{
    s3fifo *s = s3fifo_of(policy);
    s->capacity = capacity;
    weir_ghost_resize(&s->ghost, ghost_window(capacity));
}

static unsigned count_of(weir_policy_node *node)
{
    return atomic_load_explicit(&node->count, memory_order_relaxed);
}

static void set_count(weir_policy_node *node, unsigned count)
{
    atomic_store_explicit(&node->count, (uint8_t)count, memory_order_relaxed);
}

/* The oldest of FRESH have been there long enough; `least` of them at any rate. */
static void settle(s3fifo *s, size_t least)
{
    size_t most = size_of(s) / 10 / 1024 * s->knobs.skip;
    most += size_of(s) / 10 % 1024 * s->knobs.skip / 1024;
    for (; s->fresh.count > 0 && (least > 0 || s->fresh.size > most); least -= least > 0) {
        weir_policy_node *node = weir_policy_queue_pop(&s->fresh);
        if (count_of(node) > s->knobs.carried)
            set_count(node, s->knobs.carried);
        weir_policy_queue_push_front(&s->small, node);
    }
}

/* Larger than the small queue should be: it would push everything else out of that. */
static bool is_oversized(const s3fifo *s, const weir_policy_node *node)
{
    return node->size > s->capacity / 10 && s->fresh.count + s->small.count + s->main.count >= 10;
}

static void s3fifo_insert(weir_policy *policy, weir_policy_node *node)
{
    s3fifo *s = s3fifo_of(policy);
    if (weir_ghost_take(&s->ghost, node->hash, node->size))
        weir_policy_queue_push_front(&s->main, node);
    else if (is_oversized(s, node))
        weir_policy_queue_push_back(&s->small, node); /* the next to go, if room is needed */
    else
        weir_policy_queue_push_front(&s->fresh, node);
    settle(s, 0);
}

static void s3fifo_remove(weir_policy *policy, weir_policy_node *node)
{
    s3fifo *s = s3fifo_of(policy);
    weir_policy_queue *queues[] = {[FRESH] = &s->fresh, [SMALL] = &s->small, [MAIN] = &s->main};
    weir_policy_queue_remove(queues[node->queue], node);
}

static void s3fifo_hit(weir_policy *policy, weir_policy_node *node)
{
    (void)policy;
    if (count_of(node) < WEIR_POLICY_COUNT_CAP)
        set_count(node, count_of(node) + 1);
}

/* The victim, or NULL: the oldest was hot and goes round. */
static weir_policy_node *step_main(s3fifo *s, bool may_pass)
{
    weir_policy_node *node = weir_policy_queue_pop(&s->main);
    unsigned count = count_of(node);
    if (count == 0 || !may_pass)
        return node;
    set_count(node, count - 1);
    weir_policy_queue_push_front(&s->main, node);
    return NULL;
}

/* The victim, or NULL: the oldest was hot and moved to MAIN. */
static weir_policy_node *step_small(s3fifo *s, bool may_pass)
{
    weir_policy_node *node = weir_policy_queue_pop(&s->small);
    if (count_of(node) >= s->knobs.threshold && may_pass) {
        set_count(node, 0);
        weir_policy_queue_push_front(&s->main, node);
        return NULL;
    }
    weir_ghost_add(&s->ghost, node->hash, node->size);
    return node;
}

static weir_policy_node *s3fifo_evict(weir_policy *policy)
{
    s3fifo *s = s3fifo_of(policy);
    size_t main_share = size_of(s) - size_of(s) / 10;
    for (unsigned steps = 0;; steps++) {
        size_t newcomers = s->fresh.count + s->small.count;
        weir_policy_node *victim = NULL;
        if (s->main.count > 0 && (s->main.size > main_share || newcomers == 0)) {
            victim = step_main(s, steps < STEPS_MAX);
        } else if (newcomers > 0) {
            settle(s, s->small.count == 0);
            victim = step_small(s, steps < STEPS_MAX);
        } else {
            return NULL;
        }
        if (victim)
            return victim;
    }
}

const weir_policy_ops weir_policy_s3fifo = {
    .new = s3fifo_new,
    .free = s3fifo_free,
    .resize = s3fifo_resize,
    .insert = s3fifo_insert,
    .remove = s3fifo_remove,
    .hit = s3fifo_hit,
    .evict = s3fifo_evict,
    .counts_hits = false,
};
