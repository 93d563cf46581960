/* Binary min-heap over an array of pointers. Invariant: nodes[i]->index == i, and no node's key is
 * less than its parent's at (i - 1) / 2. */
#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#define CAP_FIRST 16

void weir_heap_init(weir_heap *h)
{
    *h = (weir_heap){0};
}

void weir_heap_fini(weir_heap *h)
{
    /* Owners may outlive the heap and remove their node later. */
    for (size_t i = 0; i < h->len; i++)
        h->nodes[i]->index = WEIR_HEAP_OUT;
    free(h->nodes);
    *h = (weir_heap){0};
}

void weir_heap_node_init(weir_heap_node *n)
{
    *n = (weir_heap_node){.key = WEIR_TIME_NEVER, .index = WEIR_HEAP_OUT};
}

static void place(weir_heap *h, weir_heap_node *n, size_t i)
{
    h->nodes[i] = n;
    n->index = i;
}

/* Both sifts move a hole from `i` to where `n` belongs and put it there. */
static void sift_up(weir_heap *h, weir_heap_node *n, size_t i)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (h->nodes[parent]->key <= n->key)
            break;
        place(h, h->nodes[parent], i);
        i = parent;
    }
    place(h, n, i);
}

static void sift_down(weir_heap *h, weir_heap_node *n, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (n->key <= h->nodes[child]->key)
            break;
        place(h, h->nodes[child], i);
        i = child;
    }
    place(h, n, i);
}

static void sift(weir_heap *h, weir_heap_node *n, size_t i)
{
    if (i > 0 && n->key < h->nodes[(i - 1) / 2]->key)
        sift_up(h, n, i);
    else
        sift_down(h, n, i);
}

static int grow(weir_heap *h)
{
    size_t cap = h->cap ? h->cap * 2 : CAP_FIRST;
    if (cap > SIZE_MAX / sizeof(*h->nodes)) /* NOLINT(bugprone-sizeof-expression): pointers */
        return -ENOMEM;
    weir_heap_node **nodes =
        realloc(h->nodes, cap * sizeof(*nodes)); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (!nodes)
        return -ENOMEM;
    h->nodes = nodes;
    h->cap = cap;
    return 0;
}

int weir_heap_push(weir_heap *h, weir_heap_node *n, weir_time key)
{
    assert(!weir_heap_contains(n));
    int r = h->len == h->cap ? grow(h) : 0;
    if (r < 0)
        return r;
    n->key = key;
    h->len++;
    sift_up(h, n, h->len - 1);
    return 0;
}

void weir_heap_remove(weir_heap *h, weir_heap_node *n)
{
    if (!weir_heap_contains(n))
        return;
    size_t i = n->index;
    assert(i < h->len && h->nodes[i] == n);
    n->index = WEIR_HEAP_OUT;
    weir_heap_node *last = h->nodes[--h->len];
    if (last != n)
        sift(h, last, i);
}

void weir_heap_update(weir_heap *h, weir_heap_node *n, weir_time key)
{
    assert(n->index < h->len && h->nodes[n->index] == n);
    n->key = key;
    sift(h, n, n->index);
}

weir_heap_node *weir_heap_min(const weir_heap *h)
{
    return h->len ? h->nodes[0] : NULL;
}
