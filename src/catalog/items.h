/* Private to catalog/: an array that grows while facts are gathered. */
#ifndef WEIR_CATALOG_ITEMS_H
#define WEIR_CATALOG_ITEMS_H

#include "base/error.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct weir_items {
    void *items; /* free() by whoever has it */
    uint32_t count, cap;
} weir_items;

/* One more, zeroed, of `size` bytes; all of one list have one size. */
WEIR_MUST_CHECK static inline int weir_items_add(weir_items *l, size_t size, void **ret)
{
    if (l->count == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 64;
        void *items = realloc(l->items, cap * size);
        if (!items)
            return -ENOMEM;
        l->items = items;
        l->cap = cap;
    }
    *ret = (char *)l->items + l->count * size;
    memset(*ret, 0, size);
    l->count++;
    return 0;
}

#endif
