/* Hash map from bytes to a pointer, open addressing, bounded. Neither keys nor values are owned:
 * the key bytes must live as long as the entry (usually inside the value). Not thread-safe. */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "base/error.h"
#include "base/hash.h"

typedef struct weir_map_entry {
    weir_slice key;
    void *value; /* NULL: empty slot */
    uint64_t hash;
} weir_map_entry;

typedef struct weir_map {
    weir_map_entry *slots;
    size_t len, cap; /* cap is 0 or a power of two */
    size_t len_max;
    weir_hash_seed seed;
} weir_map;

#define WEIR_MAP_FULL 1 /* len_max entries are there */

/* Allocates nothing: an empty map costs its struct. */
void weir_map_init(weir_map *m, weir_hash_seed seed, size_t len_max);
void weir_map_fini(weir_map *m);
/* NULL when absent. */
void *weir_map_find(const weir_map *m, weir_slice key);
/* Inserts or replaces; the old value (or NULL) goes to `ret_old`, which may be NULL; on replacement
 * the entry's key becomes `key`. WEIR_MAP_FULL or -ENOMEM: nothing changed. */
WEIR_MUST_CHECK int weir_map_put(weir_map *m, weir_slice key, void *value, void **ret_old);
/* The value taken out, or NULL. */
void *weir_map_remove(weir_map *m, weir_slice key);
/* Iteration in no order: start with *pos = 0; NULL at the end. The map must not change meanwhile.
 */
void *weir_map_next(const weir_map *m, size_t *pos);

#endif
