/* W-TinyLFU (Einziger, Friedman, Manes, "TinyLFU", 2017): newcomers pass a window, which is LRU;
 * one that leaves it stays only if it was asked for more often than what would have to go for it.
 *
 *   new ──► WINDOW ──more frequent than the victim?──yes──► PROBATION ──hit──► PROTECTED
 *           (LRU)  └──no──► evicted                        (LRU) ◄──overfull── (LRU)
 *
 * A large window suits recency, a small one frequency, loops and scans: its share climbs toward the
 * better hit ratio (climb.c). Shares are of what is kept, as in s3fifo.c. */
#include "cache/climb.h"
#include "cache/policies.h"
#include "cache/policy_queue.h"
#include "cache/sketch.h"

#include <stdlib.h>

enum { WINDOW = 1, PROBATION, PROTECTED };

/* Someone who knows what is kept could ask for it just often enough to keep all else out; so one
 * newcomer in 128 that is not quite cold is let in all the same (Caffeine's answer). */
enum { JITTER_FREQUENCY = 6, JITTER_BITS = 7 };

/* The sketch forgets half after this many requests per entry kept. */
enum { PERIOD_PER_ENTRY = 10, PERIOD_ENTRIES_MIN = 16 };

/* Nodes that one insertion moves when a share has shrunk: it runs under the store's lock. */
enum { MOVES_MAX = 64 };

typedef struct adaptive {
    weir_policy policy;
    size_t capacity;
    weir_policy_queue window, probation, protected;
    weir_policy_node *candidate; /* left the window last, its admission open; in PROBATION */
    weir_sketch sketch;
    weir_climb climb;
    uint64_t jitter;
} adaptive;

static adaptive *adaptive_of(weir_policy *policy)
{
    return WEIR_CONTAINER_OF(policy, adaptive, policy);
}

static size_t size_of(const adaptive *a)
{
    return a->window.size + a->probation.size + a->protected.size;
}

static size_t count_of(const adaptive *a)
{
    return a->window.count + a->probation.count + a->protected.count;
}

static int adaptive_new(size_t capacity, size_t entries_max, weir_policy **ret)
{
    adaptive *a = malloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = (adaptive){.policy = {&weir_policy_adaptive}, .capacity = capacity};
    weir_policy_queue_init(&a->window, WINDOW);
    weir_policy_queue_init(&a->probation, PROBATION);
    weir_policy_queue_init(&a->protected, PROTECTED);
    weir_climb_init(&a->climb);
    int r = weir_sketch_init(&a->sketch, weir_policy_entries(capacity, entries_max));
    if (r < 0) {
        free(a);
        return r;
    }
    *ret = &a->policy;
    return 0;
}

static void adaptive_free(weir_policy *policy)
{
    if (!policy)
        return;
    adaptive *a = adaptive_of(policy);
    weir_sketch_fini(&a->sketch);
    free(a);
}

static void adaptive_resize(weir_policy *policy, size_t capacity)
{
    adaptive_of(policy)->capacity = capacity;
}

static size_t window_share(const adaptive *a)
{
    return (size_t)((double)size_of(a) * weir_climb_share(&a->climb));
}

static size_t protected_share(const adaptive *a)
{
    size_t main = size_of(a) - window_share(a);
    return main - main / 5;
}

/* PROTECTED keeps to its share. */
static void demote(adaptive *a)
{
    size_t most = protected_share(a);
    for (int i = 0; i < MOVES_MAX && a->protected.size > most; i++)
        weir_policy_queue_push_front(&a->probation, weir_policy_queue_pop(&a->protected));
}

/* WINDOW keeps to its share; the first to leave it is the candidate. */
static void leave_window(adaptive *a)
{
    size_t most = window_share(a);
    a->candidate = NULL;
    for (int i = 0; i < MOVES_MAX && a->window.size > most; i++) {
        weir_policy_node *node = weir_policy_queue_pop(&a->window);
        weir_policy_queue_push_front(&a->probation, node);
        if (!a->candidate)
            a->candidate = node;
    }
}

static void asked(adaptive *a, weir_policy_node *node, bool hit)
{
    size_t entries = count_of(a) < PERIOD_ENTRIES_MIN ? PERIOD_ENTRIES_MIN : count_of(a);
    weir_sketch_raise(&a->sketch, node->hash, entries * PERIOD_PER_ENTRY);
    weir_climb_count(&a->climb, hit, entries);
}

static void adaptive_insert(weir_policy *policy, weir_policy_node *node)
{
    adaptive *a = adaptive_of(policy);
    if (node->size > window_share(a) && node->size > a->capacity / 100)
        weir_policy_queue_push_back(&a->window, node); /* leaves at once, and alone */
    else
        weir_policy_queue_push_front(&a->window, node);
    asked(a, node, false);
    demote(a);
    leave_window(a);
}

static weir_policy_queue *queue_of(adaptive *a, const weir_policy_node *node)
{
    weir_policy_queue *queues[] = {
        [WINDOW] = &a->window, [PROBATION] = &a->probation, [PROTECTED] = &a->protected};
    return queues[node->queue];
}

static void take_out(adaptive *a, weir_policy_node *node)
{
    if (node == a->candidate)
        a->candidate = NULL;
    weir_policy_queue_remove(queue_of(a, node), node);
}

static void adaptive_remove(weir_policy *policy, weir_policy_node *node)
{
    take_out(adaptive_of(policy), node);
}

static void adaptive_hit(weir_policy *policy, weir_policy_node *node)
{
    adaptive *a = adaptive_of(policy);
    weir_policy_queue *to = node->queue == WINDOW ? &a->window : &a->protected;
    take_out(a, node);
    weir_policy_queue_push_front(to, node);
    asked(a, node, true);
    demote(a);
}

static bool is_admitted(adaptive *a, const weir_policy_node *candidate,
                        const weir_policy_node *victim)
{
    unsigned ours = weir_sketch_estimate(&a->sketch, candidate->hash);
    unsigned theirs = weir_sketch_estimate(&a->sketch, victim->hash);
    if (ours > theirs || ours < JITTER_FREQUENCY)
        return ours > theirs;
    a->jitter = a->jitter * UINT64_C(6364136223846793005) + (candidate->hash | 1);
    return a->jitter >> (64 - JITTER_BITS) == 0;
}

static weir_policy_node *choose(adaptive *a)
{
    weir_policy_node *victim = weir_policy_queue_oldest(&a->probation);
    if (!victim || (victim == a->candidate && a->protected.count > 0))
        victim = weir_policy_queue_oldest(&a->protected);
    if (!victim)
        return a->candidate ? a->candidate : weir_policy_queue_oldest(&a->window);
    if (a->candidate && !is_admitted(a, a->candidate, victim))
        return a->candidate;
    return victim;
}

/* A candidate that is admitted stays one: each further victim that it costs is compared with it. */
static weir_policy_node *adaptive_evict(weir_policy *policy)
{
    adaptive *a = adaptive_of(policy);
    weir_policy_node *victim = choose(a);
    if (victim)
        take_out(a, victim);
    return victim;
}

const weir_policy_ops weir_policy_adaptive = {
    .new = adaptive_new,
    .free = adaptive_free,
    .resize = adaptive_resize,
    .insert = adaptive_insert,
    .remove = adaptive_remove,
    .hit = adaptive_hit,
    .evict = adaptive_evict,
    .counts_hits = true,
};
