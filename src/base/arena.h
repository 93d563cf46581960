/* Region allocator: many small objects of one life, freed together. Bounded. Not thread-safe. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/slice.h"

typedef struct weir_arena_block weir_arena_block;

typedef struct weir_arena {
    weir_arena_block *head;
    size_t size_used; /* bytes taken from the allocator */
    size_t size_max;
} weir_arena;

void weir_arena_init(weir_arena *a, size_t size_max);
void weir_arena_fini(weir_arena *a);
/* Zeroed memory, aligned for any type; NULL when out of memory or over the maximum. */
void *weir_arena_alloc(weir_arena *a, size_t size);
/* A zero-terminated copy; NULL as above. */
char *weir_arena_strdup(weir_arena *a, weir_slice text);
/* Forgets everything, keeps the first block for reuse. */
void weir_arena_reset(weir_arena *a);

#endif
