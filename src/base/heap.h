/* Intrusive binary min-heap ordered by a time key (timers, deadlines). Nodes are embedded in the
 * caller's structs; the heap owns only its array of pointers. Not thread-safe. */
#ifndef WEIR_BASE_HEAP_H
#define WEIR_BASE_HEAP_H

#include "base/error.h"
#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

#define WEIR_HEAP_OUT SIZE_MAX

typedef struct weir_heap_node {
    weir_time key;
    size_t index; /* WEIR_HEAP_OUT when in no heap */
} weir_heap_node;

typedef struct weir_heap {
    weir_heap_node **nodes;
    size_t len, cap;
} weir_heap;

void weir_heap_init(weir_heap *h);
void weir_heap_fini(weir_heap *h);
void weir_heap_node_init(weir_heap_node *n);
/* -ENOMEM. The node must be in no heap. */
WEIR_MUST_CHECK int weir_heap_push(weir_heap *h, weir_heap_node *n, weir_time key);
/* Nothing happens to a node in no heap. */
void weir_heap_remove(weir_heap *h, weir_heap_node *n);
/* Moves a node that is in the heap to its new place. */
void weir_heap_update(weir_heap *h, weir_heap_node *n, weir_time key);
/* NULL when empty. */
weir_heap_node *weir_heap_min(const weir_heap *h);

static inline bool weir_heap_contains(const weir_heap_node *n)
{
    return n->index != WEIR_HEAP_OUT;
}

#endif
