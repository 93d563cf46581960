/* The index: open addressing in shards, at most three quarters full. Segment numbers grow, so that
 * of two places the later one is the greater. */
#include "backend/disk/index.h"
#include <stdlib.h>

#define SLOTS_MIN ((size_t)64)
#define SLOTS_MAX ((size_t)1 << 26)

static uint64_t hash_of(const weir_tier_key *key)
{
    uint64_t h; /* it is a hash */
    memcpy(&h, key->bytes + 8, sizeof(h));
    return h;
}

static disk_shard *shard_of(disk_index *index, const weir_tier_key *key)
{
    return &index->shards[key->bytes[0] % DISK_SHARDS];
}

static bool same(const weir_tier_key *a, const weir_tier_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Its slot, or the free one where it belongs. The table is never full. */
static disk_slot *slot_of(const disk_shard *s, const weir_tier_key *key)
{
    size_t at = hash_of(key) & s->mask;
    while (s->slots[at].place.segment != 0 && !same(&s->slots[at].key, key))
        at = (at + 1) & s->mask;
    return &s->slots[at];
}

static bool is_later(const disk_place *a, const disk_place *b)
{
    return a->segment != b->segment ? a->segment > b->segment : a->offset > b->offset;
}

static bool is_at(const disk_place *a, const disk_place *b)
{
    return a->segment == b->segment && a->offset == b->offset;
}

void disk_index_fini(disk_index *index)
{
    for (unsigned i = 0; i < DISK_SHARDS; i++) {
        disk_shard *s = &index->shards[i];
        if (s->slots && index->memory)
            weir_memory_release(index->memory, WEIR_MEMORY_CACHE,
                                (s->mask + 1) * sizeof(disk_slot));
        free(s->slots);
        *s = (disk_shard){.slots = NULL};
    }
}

/* Under the shard's lock, as all below: others wait while it is copied, which is short, for there
 * are many shards. */
static int grow(disk_index *index, disk_shard *s)
{
    size_t count = s->slots ? 2 * (s->mask + 1) : SLOTS_MIN;
    size_t size = count * sizeof(disk_slot);
    disk_shard old = *s;
    if (count > SLOTS_MAX ||
        (index->memory && weir_memory_charge(index->memory, WEIR_MEMORY_CACHE, size) < 0))
        return -ENOMEM;
    disk_slot *slots = calloc(count, sizeof(*slots));
    if (!slots) {
        if (index->memory)
            weir_memory_release(index->memory, WEIR_MEMORY_CACHE, size);
        return -ENOMEM;
    }
    s->slots = slots;
    s->mask = count - 1;
    for (size_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].place.segment != 0)
            *slot_of(s, &old.slots[i].key) = old.slots[i];
    if (old.slots && index->memory)
        weir_memory_release(index->memory, WEIR_MEMORY_CACHE, (old.mask + 1) * sizeof(disk_slot));
    free(old.slots);
    return 0;
}

/* What follows is moved up, so that no search ends too early (Knuth 6.4, algorithm R). */
static void clear(disk_index *index, disk_shard *s, disk_slot *slot)
{
    size_t hole = (size_t)(slot - s->slots);
    for (size_t at = (hole + 1) & s->mask; s->slots[at].place.segment != 0;
         at = (at + 1) & s->mask) {
        size_t home = hash_of(&s->slots[at].key) & s->mask;
        if (((at - home) & s->mask) >= ((at - hole) & s->mask)) {
            s->slots[hole] = s->slots[at];
            hole = at;
        }
    }
    s->slots[hole].place.segment = 0;
    s->used--;
    atomic_fetch_sub_explicit(&index->entries, 1, memory_order_relaxed);
}

bool disk_index_find(disk_index *index, const weir_tier_key *key, disk_place *ret)
{
    disk_shard *s = shard_of(index, key);
    weir_spin_lock(&s->lock);
    disk_slot *slot = s->slots ? slot_of(s, key) : NULL;
    bool found = slot && slot->place.segment != 0;
    if (found) {
        slot->place.hot = true;
        *ret = slot->place;
    }
    weir_spin_unlock(&s->lock);
    return found;
}

static int put(disk_index *index, disk_shard *s, const weir_tier_key *key, const disk_place *place)
{
    disk_slot *slot = s->slots ? slot_of(s, key) : NULL;
    if (slot && slot->place.segment != 0) {
        if (is_later(place, &slot->place))
            slot->place = *place;
        return 0;
    }
    if (!s->slots || 4 * (s->used + 1) > 3 * (s->mask + 1)) {
        int r = grow(index, s);
        if (r < 0)
            return r;
        slot = slot_of(s, key);
    }
    assert(slot);
    *slot = (disk_slot){.key = *key, .place = *place};
    s->used++;
    atomic_fetch_add_explicit(&index->entries, 1, memory_order_relaxed);
    return 0;
}

int disk_index_put(disk_index *index, const weir_tier_key *key, const disk_place *place)
{
    disk_shard *s = shard_of(index, key);
    assert(place->segment != 0);
    weir_spin_lock(&s->lock);
    int r = put(index, s, key, place);
    weir_spin_unlock(&s->lock);
    return r;
}

bool disk_index_remove(disk_index *index, const weir_tier_key *key, const disk_place *place)
{
    disk_shard *s = shard_of(index, key);
    weir_spin_lock(&s->lock);
    disk_slot *slot = s->slots ? slot_of(s, key) : NULL;
    bool there = slot && slot->place.segment != 0 && is_at(&slot->place, place);
    if (there)
        clear(index, s, slot);
    weir_spin_unlock(&s->lock);
    return there;
}

/* Clearing moves others up to here: the same place is looked at again. */
static void forget(disk_index *index, disk_shard *s, uint32_t segment,
                   void (*visit)(void *user, const disk_slot *slot), void *user)
{
    for (size_t at = 0; s->slots && at <= s->mask; at++) {
        while (s->slots[at].place.segment == segment) {
            disk_slot was = s->slots[at];
            clear(index, s, &s->slots[at]);
            visit(user, &was);
        }
    }
}

void disk_index_forget(disk_index *index, uint32_t segment,
                       void (*visit)(void *user, const disk_slot *slot), void *user)
{
    for (unsigned i = 0; i < DISK_SHARDS; i++) {
        disk_shard *s = &index->shards[i];
        weir_spin_lock(&s->lock);
        /* Twice: what wraps round the end may have been moved to a place already looked at. */
        forget(index, s, segment, visit, user);
        forget(index, s, segment, visit, user);
        weir_spin_unlock(&s->lock);
    }
}
