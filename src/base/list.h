/* Intrusive doubly linked list with a sentinel. A node is on one list at a time; an unlinked node
 * points to itself, so that removing it twice is harmless. */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct weir_list {
    struct weir_list *prev, *next;
} weir_list;

#define WEIR_CONTAINER_OF(node, type, member)                                                      \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void weir_list_init(weir_list *l)
{
    l->prev = l->next = l;
}

static inline bool weir_list_empty(const weir_list *l)
{
    return l->next == l;
}

static inline void weir_list_remove(weir_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    weir_list_init(node);
}

static inline void weir_list_insert_between(weir_list *node, weir_list *prev, weir_list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void weir_list_push_front(weir_list *list, weir_list *node)
{
    weir_list_insert_between(node, list, list->next);
}

static inline void weir_list_push_back(weir_list *list, weir_list *node)
{
    weir_list_insert_between(node, list->prev, list);
}

/* NULL when empty. */
static inline weir_list *weir_list_first(const weir_list *list)
{
    return list->next == list ? NULL : list->next;
}

static inline weir_list *weir_list_last(const weir_list *list)
{
    return list->prev == list ? NULL : list->prev;
}

static inline weir_list *weir_list_pop_front(weir_list *list)
{
    weir_list *node = weir_list_first(list);
    if (node)
        weir_list_remove(node);
    return node;
}

#endif
