/* Linear probing without tombstones. Invariant: between an entry's home slot (hash & (cap - 1)) and
 * the slot it is in, no slot is empty; removal shifts later entries back to keep that. At least a
 * quarter of the slots is empty, so every probe ends. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

#define CAP_FIRST 8

/* Iteration visits slots in strides, not in order: entries in slot order are in order of their
 * hash, and filling another, still smaller map of the same seed with them would crowd one part of
 * it, at a cost that is quadratic. Odd, so that every slot is met; its low bits are irregular at
 * every size. */
#define STRIDE ((size_t)0x9e3779b97f4a7c15ULL)

void weir_map_init(weir_map *m, weir_hash_seed seed, size_t len_max)
{
    *m = (weir_map){.seed = seed, .len_max = len_max};
}

void weir_map_fini(weir_map *m)
{
    free(m->slots);
    weir_map_init(m, m->seed, m->len_max);
}

/* The slot of `key`, or the empty one where it would go. The map has slots. */
static size_t probe(const weir_map *m, weir_slice key, uint64_t hash)
{
    size_t mask = m->cap - 1, i = hash & mask;
    while (m->slots[i].value && !(m->slots[i].hash == hash && weir_slice_eq(m->slots[i].key, key)))
        i = (i + 1) & mask;
    return i;
}

void *weir_map_find(const weir_map *m, weir_slice key)
{
    if (m->len == 0)
        return NULL;
    return m->slots[probe(m, key, weir_hash(m->seed, key))].value;
}

static int grow(weir_map *m)
{
    size_t cap = m->cap ? m->cap * 2 : CAP_FIRST;
    weir_map_entry *slots = cap ? calloc(cap, sizeof(*slots)) : NULL;
    if (!slots)
        return -ENOMEM;
    for (size_t from = 0; from < m->cap; from++) {
        if (!m->slots[from].value)
            continue;
        size_t to = m->slots[from].hash & (cap - 1);
        while (slots[to].value)
            to = (to + 1) & (cap - 1);
        slots[to] = m->slots[from];
    }
    free(m->slots);
    m->slots = slots;
    m->cap = cap;
    return 0;
}

int weir_map_put(weir_map *m, weir_slice key, void *value, void **ret_old)
{
    assert(value);
    uint64_t hash = weir_hash(m->seed, key);
    size_t i = m->cap ? probe(m, key, hash) : 0;
    void *old = m->cap ? m->slots[i].value : NULL;
    if (!old) {
        if (m->len >= m->len_max)
            return WEIR_MAP_FULL;
        if (m->len >= m->cap / 4 * 3) {
            int r = grow(m);
            if (r < 0)
                return r;
            i = probe(m, key, hash);
        }
        m->len++;
    }
    m->slots[i] = (weir_map_entry){.key = key, .value = value, .hash = hash};
    if (ret_old)
        *ret_old = old;
    return 0;
}

/* Closes the hole at `hole`: each entry of the run behind it moves back if its home is not between
 * the hole and itself. */
static void shift_back(weir_map *m, size_t hole)
{
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t distance_home = (i - m->slots[i].hash) & mask;
        size_t distance_hole = (i - hole) & mask;
        if (distance_home >= distance_hole) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (weir_map_entry){0};
}

void *weir_map_remove(weir_map *m, weir_slice key)
{
    if (m->len == 0)
        return NULL;
    size_t i = probe(m, key, weir_hash(m->seed, key));
    void *value = m->slots[i].value;
    if (value) {
        shift_back(m, i);
        m->len--;
    }
    return value;
}

void *weir_map_next(const weir_map *m, size_t *pos)
{
    while (*pos < m->cap) {
        void *value = m->slots[((*pos)++ * STRIDE) & (m->cap - 1)].value;
        if (value)
            return value;
    }
    return NULL;
}
