/* Fingerprints of what was evicted lately, each with the tick of its eviction. What is older than
 * `tail` is forgotten where it stands; a hand clears it long before its tick, of 16 bits, could
 * look new again. */
#include "cache/ghost.h"

#include <stdlib.h>

enum { WAYS = 16, WINDOW_TICKS = 1024 };

int weir_ghost_init(weir_ghost *ghost, size_t entries, size_t window)
{
    *ghost = (weir_ghost){.buckets = entries / (WAYS / 2) + 1};
    ghost->slots = calloc(ghost->buckets, WAYS * sizeof *ghost->slots);
    weir_ghost_resize(ghost, window);
    return ghost->slots ? 0 : -ENOMEM;
}

void weir_ghost_fini(weir_ghost *ghost)
{
    free(ghost->slots);
    ghost->slots = NULL;
}

/* ---- time ---- */

static size_t *size_at(weir_ghost *ghost, uint16_t tick)
{
    return &ghost->sizes[tick % WEIR_GHOST_TICKS];
}

static unsigned age_of(const weir_ghost *ghost, uint32_t slot)
{
    return (uint16_t)(ghost->now - (uint16_t)slot);
}

static bool is_live(const weir_ghost *ghost, uint32_t slot)
{
    return slot && age_of(ghost, slot) <= age_of(ghost, ghost->tail);
}

/* Where the present is the oldest, another present begins. */
static void forget_oldest(weir_ghost *ghost)
{
    ghost->now = (uint16_t)(ghost->now + (ghost->tail == ghost->now));
    ghost->size -= *size_at(ghost, ghost->tail);
    *size_at(ghost, ghost->tail) = 0;
    ghost->tail++;
}

static void sweep(weir_ghost *ghost, size_t buckets)
{
    for (; buckets > 0; buckets--) {
        uint32_t *bucket = ghost->slots + ghost->hand * WAYS;
        for (unsigned i = 0; i < WAYS; i++) {
            if (!is_live(ghost, bucket[i]))
                bucket[i] = 0;
        }
        ghost->hand = (ghost->hand + 1) % ghost->buckets;
    }
}

/* The whole table is swept every 4 096 ticks: a sixteenth of what 16 bits tell apart. */
static void advance(weir_ghost *ghost, size_t size)
{
    ghost->rest += size;
    size_t ticks = ghost->rest / ghost->unit;
    ghost->rest %= ghost->unit;
    for (size_t i = 0; i < ticks; i++) {
        if (age_of(ghost, ghost->tail) == WEIR_GHOST_TICKS - 1)
            forget_oldest(ghost);
        ghost->now++;
    }
    sweep(ghost, ghost->buckets * ticks / WEIR_GHOST_TICKS + 1);
}

void weir_ghost_resize(weir_ghost *ghost, size_t window)
{
    ghost->window = window;
    ghost->unit = window / WINDOW_TICKS + 1;
    ghost->rest = 0;
    while (ghost->size > window)
        forget_oldest(ghost);
}

/* ---- fingerprints ---- */

/* By the upper half of the hash; the fingerprint is of the lower one. */
static uint32_t *bucket_of(const weir_ghost *ghost, uint64_t hash)
{
    return ghost->slots + (size_t)(((hash >> 32) * ghost->buckets) >> 32) * WAYS;
}

static uint32_t fingerprint_of(uint64_t hash)
{
    uint32_t fingerprint = (uint32_t)hash & 0xffff;
    return fingerprint ? fingerprint : 1;
}

/* NULL: it is not there. */
static uint32_t *find(const weir_ghost *ghost, uint64_t hash)
{
    uint32_t *bucket = bucket_of(ghost, hash), fingerprint = fingerprint_of(hash);
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i] >> 16 == fingerprint && is_live(ghost, bucket[i]))
            return &bucket[i];
    }
    return NULL;
}

/* A free slot, or the bucket's oldest. */
static uint32_t *make_room(const weir_ghost *ghost, uint64_t hash)
{
    uint32_t *bucket = bucket_of(ghost, hash), *oldest = bucket;
    for (unsigned i = 0; i < WAYS; i++) {
        if (!is_live(ghost, bucket[i]))
            return &bucket[i];
        if (age_of(ghost, bucket[i]) > age_of(ghost, *oldest))
            oldest = &bucket[i];
    }
    return oldest;
}

/* Takes it out. A tick never counts for less than nothing, whatever sizes were said. */
static void drop(weir_ghost *ghost, uint32_t *slot, size_t size)
{
    size_t *sum = size_at(ghost, (uint16_t)*slot);
    size = size < *sum ? size : *sum;
    *sum -= size;
    ghost->size -= size;
    *slot = 0;
}

bool weir_ghost_take(weir_ghost *ghost, uint64_t hash, size_t size)
{
    uint32_t *slot = find(ghost, hash);
    if (slot)
        drop(ghost, slot, size);
    return slot;
}

void weir_ghost_add(weir_ghost *ghost, uint64_t hash, size_t size)
{
    size = size < ghost->window ? size : ghost->window;
    (void)weir_ghost_take(ghost, hash, size);
    advance(ghost, size);
    *make_room(ghost, hash) = fingerprint_of(hash) << 16 | ghost->now;
    *size_at(ghost, ghost->now) += size;
    ghost->size += size;
    while (ghost->size > ghost->window)
        forget_oldest(ghost);
}
