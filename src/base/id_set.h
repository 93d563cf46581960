/* A set of 64-bit ids that are hashes already, in order of arrival, each once. Not thread-safe.
 *
 * Invariant: it holds every id that was added since it was cleared, or `everything` is true: what
 * cannot be held (more than `max`, no memory) becomes that and fails nobody. */
#ifndef WEIR_BASE_ID_SET_H
#define WEIR_BASE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weir_id_slot weir_id_slot;

typedef struct weir_id_set {
    uint64_t *ids; /* `count` of them; with `everything` an incomplete list */
    size_t count, cap, max;
    weir_id_slot *slots; /* open addressing over `ids`, twice `cap` */
    uint32_t generation; /* of the slots that are taken */
    bool everything;
} weir_id_set;

/* `max`: at most so many are listed, below 2^32. Allocates with the first id. */
void weir_id_set_init(weir_id_set *set, size_t max);
void weir_id_set_fini(weir_id_set *set);
void weir_id_set_add(weir_id_set *set, uint64_t id);
/* False for one that only `everything` stands for. */
bool weir_id_set_has(const weir_id_set *set, uint64_t id);
/* The newest go, until `count` are left; `everything` stays. */
void weir_id_set_truncate(weir_id_set *set, size_t count);
/* Empty, and not `everything`. Much memory is freed, a little is kept. */
void weir_id_set_clear(weir_id_set *set);

#endif
