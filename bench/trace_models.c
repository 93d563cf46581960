/* ARC and the optimum, as plainly as they can be written: for comparison only. */
#include "trace_models.h"

#include "base/list.h"
#include <stdbool.h>
#include <stdlib.h>

/* ---- ARC ---- */

enum { NOWHERE, T1, T2, B1, B2, LISTS };

typedef struct arc_node {
    weir_list link;
    int list;
} arc_node;

typedef struct arc {
    weir_list lists[LISTS];
    size_t counts[LISTS];
    size_t capacity, target; /* target: the paper's p, the size that T1 should have */
} arc;

static void arc_move(arc *a, arc_node *node, int list)
{
    if (node->list != NOWHERE) {
        weir_list_remove(&node->link);
        a->counts[node->list]--;
    }
    node->list = list;
    if (list != NOWHERE) {
        weir_list_push_front(&a->lists[list], &node->link);
        a->counts[list]++;
    }
}

static void arc_move_oldest(arc *a, int from, int to)
{
    weir_list *oldest = weir_list_last(&a->lists[from]);
    if (oldest)
        arc_move(a, WEIR_CONTAINER_OF(oldest, arc_node, link), to);
}

static void arc_replace(arc *a, bool was_in_b2)
{
    size_t t1 = a->counts[T1];
    if (t1 > 0 && (t1 > a->target || (was_in_b2 && t1 == a->target) || a->counts[T2] == 0))
        arc_move_oldest(a, T1, B1);
    else
        arc_move_oldest(a, T2, B2);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void arc_ghost_hit(arc *a, arc_node *node)
{
    bool was_in_b2 = node->list == B2;
    size_t b1 = a->counts[B1], b2 = a->counts[B2];
    if (was_in_b2) {
        size_t less = larger(b1 / b2, 1);
        a->target = a->target > less ? a->target - less : 0;
    } else {
        a->target += larger(b2 / b1, 1);
        if (a->target > a->capacity)
            a->target = a->capacity;
    }
    arc_replace(a, was_in_b2);
    arc_move(a, node, T2);
}

static void arc_miss(arc *a, arc_node *node)
{
    size_t *n = a->counts;
    if (n[T1] + n[B1] == a->capacity) {
        if (n[T1] < a->capacity) {
            arc_move_oldest(a, B1, NOWHERE);
            arc_replace(a, false);
        } else {
            arc_move_oldest(a, T1, NOWHERE);
        }
    } else if (n[T1] + n[T2] + n[B1] + n[B2] >= a->capacity) {
        if (n[T1] + n[T2] + n[B1] + n[B2] == 2 * a->capacity)
            arc_move_oldest(a, B2, NOWHERE);
        arc_replace(a, false);
    }
    arc_move(a, node, T1);
}

size_t bench_trace_arc(const bench_trace *trace, size_t capacity)
{
    arc a = {.capacity = capacity};
    for (int i = 0; i < LISTS; i++)
        weir_list_init(&a.lists[i]);
    arc_node *nodes = calloc(trace->key_count, sizeof *nodes);
    if (!nodes)
        return SIZE_MAX;
    size_t misses = 0;
    for (size_t i = 0; i < trace->requests; i++) {
        arc_node *node = &nodes[trace->keys[i]];
        bool hit = node->list == T1 || node->list == T2;
        misses += !hit;
        if (hit)
            arc_move(&a, node, T2);
        else if (node->list != NOWHERE)
            arc_ghost_hit(&a, node);
        else
            arc_miss(&a, node);
    }
    free(nodes);
    return misses;
}

/* ---- the optimum ---- */

/* A heap with the latest next use on top. What is no longer true stays in it until it comes up. */
typedef struct use {
    size_t next;
    uint32_t key;
} use;

static void heap_push(use *heap, size_t *count, use new)
{
    size_t at = (*count)++;
    for (; at > 0 && heap[(at - 1) / 2].next < new.next; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = new;
}

static use heap_pop(use *heap, size_t *count)
{
    use top = heap[0], last = heap[--*count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < *count && heap[child + 1].next > heap[child].next)
            child++;
        if (child >= *count || heap[child].next <= last.next)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* `next[i]`: when the key of request i is asked for again; never: SIZE_MAX. `last`: scratch. */
static void find_next_uses(const bench_trace *trace, size_t *next, size_t *last)
{
    for (uint32_t key = 0; key < trace->key_count; key++)
        last[key] = SIZE_MAX;
    for (size_t i = trace->requests; i-- > 0;) {
        next[i] = last[trace->keys[i]];
        last[trace->keys[i]] = i;
    }
}

/* `due[key]`: the next use of a key that is kept, else 0. */
static size_t run_optimum(const bench_trace *trace, size_t capacity, const size_t *next,
                          size_t *due, use *heap)
{
    size_t misses = 0, kept = 0, count = 0;
    for (size_t i = 0; i < trace->requests; i++) {
        uint32_t key = trace->keys[i];
        misses += due[key] == 0;
        kept += due[key] == 0;
        due[key] = next[i];
        heap_push(heap, &count, (use){next[i], key});
        while (kept > capacity) {
            use latest = heap_pop(heap, &count);
            if (due[latest.key] == latest.next) {
                due[latest.key] = 0;
                kept--;
            }
        }
    }
    return misses;
}

size_t bench_trace_optimum(const bench_trace *trace, size_t capacity)
{
    size_t misses = SIZE_MAX;
    size_t *next = calloc(trace->requests, sizeof *next);
    size_t *due = calloc(trace->key_count, sizeof *due);
    use *heap = calloc(trace->requests, sizeof *heap);
    if (next && due && heap) {
        find_next_uses(trace, next, due);
        for (uint32_t key = 0; key < trace->key_count; key++)
            due[key] = 0;
        misses = run_optimum(trace, capacity, next, due, heap);
    }
    free(next);
    free(due);
    free(heap);
    return misses;
}
