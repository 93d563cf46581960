/* Slots carry the generation that took them, so that emptying them is counting one up. */
#include "base/id_set.h"
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 256u
#define CAP_KEPT 4096u /* at most so much memory stays when it is cleared */

struct weir_id_slot {
    uint32_t generation; /* another than the set's: empty */
    uint32_t at;         /* in `ids` */
};

void weir_id_set_init(weir_id_set *set, size_t max)
{
    *set = (weir_id_set){.max = max, .generation = 1};
}

void weir_id_set_fini(weir_id_set *set)
{
    free(set->ids);
    free(set->slots);
    set->ids = NULL;
    set->slots = NULL;
    set->count = set->cap = 0;
}

/* Where the id is, or the empty slot for it: at least half of them are empty. */
static weir_id_slot *slot_of(const weir_id_set *set, uint64_t id)
{
    size_t mask = 2 * set->cap - 1;
    for (size_t i = (size_t)id & mask;; i = (i + 1) & mask) {
        weir_id_slot *slot = &set->slots[i];
        if (slot->generation != set->generation || set->ids[slot->at] == id)
            return slot;
    }
}

static void empty_slots(weir_id_set *set)
{
    if (++set->generation != 0)
        return;
    if (set->slots)
        memset(set->slots, 0, 2 * set->cap * sizeof(*set->slots));
    set->generation = 1;
}

static void fill_slots(weir_id_set *set)
{
    empty_slots(set);
    for (size_t i = 0; i < set->count; i++)
        *slot_of(set, set->ids[i]) = (weir_id_slot){set->generation, (uint32_t)i};
}

static bool grow(weir_id_set *set)
{
    size_t cap = set->cap ? set->cap * 2 : CAP_FIRST;
    if (set->count >= set->max)
        return false;
    uint64_t *ids = realloc(set->ids, cap * sizeof(*ids));
    if (!ids)
        return false;
    set->ids = ids;
    weir_id_slot *slots = calloc(2 * cap, sizeof(*slots));
    if (!slots)
        return false;
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
    fill_slots(set);
    return true;
}

void weir_id_set_add(weir_id_set *set, uint64_t id)
{
    if (set->everything || weir_id_set_has(set, id))
        return;
    if (set->count >= set->max || (set->count == set->cap && !grow(set))) {
        set->everything = true;
        return;
    }
    *slot_of(set, id) = (weir_id_slot){set->generation, (uint32_t)set->count};
    set->ids[set->count++] = id;
}

bool weir_id_set_has(const weir_id_set *set, uint64_t id)
{
    return set->cap > 0 && slot_of(set, id)->generation == set->generation;
}

void weir_id_set_truncate(weir_id_set *set, size_t count)
{
    if (count >= set->count)
        return;
    set->count = count;
    fill_slots(set);
}

void weir_id_set_clear(weir_id_set *set)
{
    set->count = 0;
    set->everything = false;
    if (set->cap > CAP_KEPT)
        weir_id_set_fini(set);
    else
        empty_slots(set);
}
