/* Regions: a list of blocks, newest first; objects are cut from the newest one. Blocks grow with
 * the arena (a short life costs one small block, a long one few calls), and shrink to the request
 * when only that much is left below the maximum. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define ALIGNMENT alignof(max_align_t)
#define BLOCK_FIRST ((size_t)1024)
#define BLOCK_LAST ((size_t)64 * 1024)

struct weir_arena_block {
    weir_arena_block *older;
    size_t cap, used; /* of data */
    alignas(max_align_t) uint8_t data[];
};

void weir_arena_init(weir_arena *a, size_t size_max)
{
    *a = (weir_arena){.size_max = size_max};
}

/* Frees the blocks newer than `keep` (NULL: all). */
static void drop_blocks(weir_arena *a, const weir_arena_block *keep)
{
    while (a->head != keep) {
        weir_arena_block *block = a->head;
        a->head = block->older;
        a->size_used -= sizeof(*block) + block->cap;
        free(block);
    }
}

void weir_arena_fini(weir_arena *a)
{
    drop_blocks(a, NULL);
}

void weir_arena_reset(weir_arena *a)
{
    weir_arena_block *first = a->head;
    while (first && first->older)
        first = first->older;
    drop_blocks(a, first);
    if (first)
        first->used = 0;
}

/* The size of a new block that has room for `need`; 0: over the maximum. */
static size_t block_size(const weir_arena *a, size_t need)
{
    size_t room = a->size_max - a->size_used;
    if (a->size_used > a->size_max || need > room || sizeof(weir_arena_block) > room - need)
        return 0;
    size_t size = a->size_used < BLOCK_FIRST ? BLOCK_FIRST : a->size_used;
    size = size > BLOCK_LAST ? BLOCK_LAST : size;
    size_t least = sizeof(weir_arena_block) + need;
    return size < least || size > room ? least : size;
}

static weir_arena_block *add_block(weir_arena *a, size_t need)
{
    size_t size = block_size(a, need);
    weir_arena_block *block = size ? malloc(size) : NULL;
    if (!block)
        return NULL;
    block->older = a->head;
    block->cap = size - sizeof(*block);
    block->used = 0;
    a->head = block;
    a->size_used += size;
    return block;
}

void *weir_arena_alloc(weir_arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t need = size ? (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    weir_arena_block *block = a->head;
    if (!block || need > block->cap - block->used)
        block = add_block(a, need);
    if (!block)
        return NULL;
    void *object = block->data + block->used;
    block->used += need;
    return memset(object, 0, need);
}

char *weir_arena_strdup(weir_arena *a, weir_slice text)
{
    char *copy = text.len < SIZE_MAX ? weir_arena_alloc(a, text.len + 1) : NULL;
    if (copy && text.len > 0)
        memcpy(copy, text.data, text.len);
    return copy;
}
