/* Hits that one reader gathered for a policy that wants to hear of them: a ring that the reader
 * fills and that whoever holds the store's lock empties. Private to the store.
 *
 * Invariant: the reader writes only `tail`, `head_seen` and free slots; the other side only `head`.
 * An entry's address in it is a name to be compared, never followed: the entry may be gone. */
#ifndef WEIR_CACHE_HITS_H
#define WEIR_CACHE_HITS_H

#include "cache/store.h"
#include <stdalign.h>

#define WEIR_HITS_MAX 64u
#define WEIR_CACHE_LINE 64

typedef struct weir_hits {
    alignas(WEIR_CACHE_LINE) _Atomic uint32_t tail;
    uint32_t head_seen;
    struct {
        uint64_t hash;
        const weir_entry *entry;
    } slots[WEIR_HITS_MAX];
    alignas(WEIR_CACHE_LINE) _Atomic uint32_t head;
} weir_hits;

/* The reader's. False: it is full. */
static inline bool weir_hits_push(weir_hits *hits, uint64_t hash, const weir_entry *entry)
{
    uint32_t tail = atomic_load_explicit(&hits->tail, memory_order_relaxed);
    if (tail - hits->head_seen == WEIR_HITS_MAX) {
        hits->head_seen = atomic_load_explicit(&hits->head, memory_order_acquire);
        if (tail - hits->head_seen == WEIR_HITS_MAX)
            return false;
    }
    hits->slots[tail % WEIR_HITS_MAX].hash = hash;
    hits->slots[tail % WEIR_HITS_MAX].entry = entry;
    atomic_store_explicit(&hits->tail, tail + 1, memory_order_release);
    return true;
}

/* Gives what was gathered until now to `visit`, oldest first. Under the store's lock. */
static inline void
weir_hits_drain(weir_hits *hits, void (*visit)(void *user, uint64_t hash, const weir_entry *entry),
                void *user)
{
    uint32_t head = atomic_load_explicit(&hits->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&hits->tail, memory_order_acquire);
    if (head == tail)
        return;
    for (; head != tail; head++)
        visit(user, hits->slots[head % WEIR_HITS_MAX].hash,
              hits->slots[head % WEIR_HITS_MAX].entry);
    atomic_store_explicit(&hits->head, head, memory_order_release);
}

#endif
