/* Tracked columns: an array that only grows, and an index into it.
 *
 * Whoever adds writes the entry, then its number into the index, then the count, both by release:
 * who finds a number, or is below the count, sees the entry whole. Nothing is ever taken out, so a
 * probe that meets an empty place has looked everywhere. */
#include "cache/tracked.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint32_t index_size(uint32_t columns_max)
{
    uint32_t n = 2;
    while (n < 2 * columns_max)
        n *= 2;
    return n;
}

size_t weir_tracked_size(uint32_t columns_max)
{
    return columns_max * sizeof(weir_tracked_column) +
           index_size(columns_max) * sizeof(_Atomic uint32_t);
}

int weir_tracked_init(weir_tracked *t, uint32_t columns_max)
{
    t->index_mask = index_size(columns_max) - 1;
    t->columns_max = columns_max;
    t->columns = calloc((size_t)columns_max + 1, sizeof(*t->columns)); /* never of nothing */
    t->index = (_Atomic uint32_t *)calloc((size_t)t->index_mask + 1, sizeof(*t->index));
    return t->columns && t->index ? 0 : -ENOMEM;
}

void weir_tracked_fini(weir_tracked *t)
{
    free(t->columns);
    free((void *)(uintptr_t)t->index);
    *t = (weir_tracked){0};
}

/* The place of the column, or the empty one where it belongs. Column ids are hashes already. */
static _Atomic uint32_t *place_of(const weir_tracked *t, uint64_t column)
{
    for (uint32_t i = (uint32_t)(column >> 32);; i++) {
        _Atomic uint32_t *place = &t->index[i & t->index_mask];
        uint32_t number = atomic_load_explicit(place, memory_order_acquire);
        if (number == 0 || t->columns[number - 1].column == column)
            return place;
    }
}

weir_tracked_column *weir_tracked_find(const weir_tracked *t, uint64_t column)
{
    uint32_t number = atomic_load_explicit(place_of(t, column), memory_order_acquire);
    return number ? &t->columns[number - 1] : NULL;
}

static void append(weir_tracked *t, const weir_tracked_column *column)
{
    uint32_t number = atomic_load_explicit(&t->count, memory_order_relaxed) + 1;
    t->columns[number - 1] = *column;
    atomic_store_explicit(place_of(t, column->column), number, memory_order_release);
    atomic_store_explicit(&t->count, number, memory_order_release);
}

int weir_tracked_add(weir_tracked *t, uint64_t relation, uint64_t column, weir_slice relation_name,
                     weir_slice column_name)
{
    if (weir_tracked_find(t, column))
        return 0;
    if (relation_name.len > WEIR_TRACKED_NAME_MAX || column_name.len > WEIR_TRACKED_NAME_MAX)
        return -ENOSPC;
    weir_tracked_column new = {.relation = relation,
                               .column = column,
                               .since = WEIR_TRACKED_NEVER,
                               .relation_len = (uint8_t)relation_name.len,
                               .column_len = (uint8_t)column_name.len};
    if (relation_name.len)
        memcpy(new.relation_name, relation_name.data, relation_name.len);
    if (column_name.len)
        memcpy(new.column_name, column_name.data, column_name.len);
    weir_spin_lock(&t->lock);
    bool there = weir_tracked_find(t, column) != NULL;
    bool room = atomic_load_explicit(&t->count, memory_order_relaxed) < t->columns_max;
    if (!there && room)
        append(t, &new);
    weir_spin_unlock(&t->lock);
    return there || room ? 0 : -ENOSPC;
}

uint64_t weir_tracked_since(const weir_tracked *t, uint64_t column)
{
    const weir_tracked_column *found = weir_tracked_find(t, column);
    return found ? atomic_load_explicit(&found->since, memory_order_acquire) : WEIR_TRACKED_NEVER;
}

void weir_tracked_confirm(weir_tracked_column *column, uint64_t wal)
{
    uint64_t never = WEIR_TRACKED_NEVER;
    atomic_compare_exchange_strong_explicit(&column->since, &never, wal, memory_order_release,
                                            memory_order_relaxed);
}
