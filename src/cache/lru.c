/* Least recently used goes first. */
#include "cache/policies.h"
#include "cache/policy_queue.h"

#include <stdlib.h>

typedef struct lru {
    weir_policy policy;
    weir_policy_queue queue;
} lru;

static lru *lru_of(weir_policy *policy)
{
    return WEIR_CONTAINER_OF(policy, lru, policy);
}

static int lru_new(size_t capacity, size_t entries_max, weir_policy **ret)
{
    (void)capacity, (void)entries_max;
    lru *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    l->policy.ops = &weir_policy_lru;
    weir_policy_queue_init(&l->queue, 1);
    *ret = &l->policy;
    return 0;
}

static void lru_free(weir_policy *policy)
{
    if (policy)
        free(lru_of(policy));
}

/* The store asks for victims until it fits: there is nothing to know. */
static void lru_resize(weir_policy *policy, size_t capacity)
{
    (void)policy, (void)capacity;
}

static void lru_insert(weir_policy *policy, weir_policy_node *node)
{
    weir_policy_queue_push_front(&lru_of(policy)->queue, node);
}

static void lru_remove(weir_policy *policy, weir_policy_node *node)
{
    weir_policy_queue_remove(&lru_of(policy)->queue, node);
}

static void lru_hit(weir_policy *policy, weir_policy_node *node)
{
    lru_remove(policy, node);
    lru_insert(policy, node);
}

static weir_policy_node *lru_evict(weir_policy *policy)
{
    lru *l = lru_of(policy);
    return l->queue.count > 0 ? weir_policy_queue_pop(&l->queue) : NULL;
}

const weir_policy_ops weir_policy_lru = {
    .new = lru_new,
    .free = lru_free,
    .resize = lru_resize,
    .insert = lru_insert,
    .remove = lru_remove,
    .hit = lru_hit,
    .evict = lru_evict,
    .counts_hits = true,
};
