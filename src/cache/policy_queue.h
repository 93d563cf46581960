/* A queue of policy nodes that knows its size: new ones at the front, old ones at the back. Private
 * to the policies. */
#ifndef WEIR_CACHE_POLICY_QUEUE_H
#define WEIR_CACHE_POLICY_QUEUE_H

#include "cache/policy.h"

#include <assert.h>

typedef struct weir_policy_queue {
    weir_list nodes;
    size_t size;  /* of its nodes, together */
    size_t count; /* of its nodes */
    uint8_t id;   /* what its nodes carry in `queue` */
} weir_policy_queue;

static inline void weir_policy_queue_init(weir_policy_queue *queue, uint8_t id)
{
    *queue = (weir_policy_queue){.id = id};
    weir_list_init(&queue->nodes);
}

static inline weir_policy_node *weir_policy_queue_node(weir_list *link)
{
    return WEIR_CONTAINER_OF(link, weir_policy_node, link);
}

static inline void weir_policy_queue_charge(weir_policy_queue *queue, weir_policy_node *node)
{
    node->queue = queue->id;
    queue->size += node->size;
    queue->count++;
}

static inline void weir_policy_queue_push_front(weir_policy_queue *queue, weir_policy_node *node)
{
    weir_list_push_front(&queue->nodes, &node->link);
    weir_policy_queue_charge(queue, node);
}

static inline void weir_policy_queue_push_back(weir_policy_queue *queue, weir_policy_node *node)
{
    weir_list_push_back(&queue->nodes, &node->link);
    weir_policy_queue_charge(queue, node);
}

static inline void weir_policy_queue_remove(weir_policy_queue *queue, weir_policy_node *node)
{
    weir_list_remove(&node->link);
    queue->size -= node->size;
    queue->count--;
}

/* NULL: it is empty. */
static inline weir_policy_node *weir_policy_queue_oldest(const weir_policy_queue *queue)
{
    return queue->count > 0 ? weir_policy_queue_node(queue->nodes.prev) : NULL;
}

/* It is not empty. */
static inline weir_policy_node *weir_policy_queue_pop(weir_policy_queue *queue)
{
    assert(queue->count > 0);
    weir_policy_node *node = weir_policy_queue_node(queue->nodes.prev);
    weir_policy_queue_remove(queue, node);
    return node;
}

#endif
