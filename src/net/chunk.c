/* The chunks that streams borrow: see chunk.h. */
#include "net/chunk.h"
#include <stdlib.h>

enum {
    FREE_MAX = 64,    /* 1 MiB at rest in each loop */
    SMALL_STEP = 256, /* unfinished messages are mostly short: sizes below a chunk go by this */
    GATHER_STEP = 16 * 1024
};

void weir_chunk_pool_init(weir_chunk_pool *pool, weir_memory *memory)
{
    *pool = (weir_chunk_pool){.memory = memory};
}

static void destroy(weir_chunk_pool *pool, weir_chunk *chunk)
{
    if (pool->memory)
        weir_memory_release(pool->memory, WEIR_MEMORY_CLIENT, sizeof(*chunk) + chunk->cap);
    free(chunk);
}

void weir_chunk_pool_fini(weir_chunk_pool *pool)
{
    while (pool->free) {
        weir_chunk *chunk = pool->free;
        pool->free = chunk->next;
        destroy(pool, chunk);
    }
    pool->free_len = 0;
}

/* Short runs by steps, then one chunk of the free list, then exactly what was asked for (the caller
 * grows geometrically). */
static size_t cap_for(size_t size)
{
    if (size <= WEIR_CHUNK_CAP / 4)
        return (size + SMALL_STEP - 1) / SMALL_STEP * SMALL_STEP;
    return size <= WEIR_CHUNK_CAP ? WEIR_CHUNK_CAP : size;
}

weir_chunk *weir_chunk_take(weir_chunk_pool *pool, size_t size)
{
    assert(size > 0 && size <= INT32_MAX);
    size_t cap = cap_for(size);
    weir_chunk *chunk = pool->free;
    if (cap == WEIR_CHUNK_CAP && chunk) {
        pool->free = chunk->next;
        pool->free_len--;
        chunk->next = NULL;
        chunk->begin = chunk->end = 0;
        return chunk;
    }
    size_t total = sizeof(*chunk) + cap;
    if (pool->memory && weir_memory_charge(pool->memory, WEIR_MEMORY_CLIENT, total) < 0)
        return NULL;
    chunk = malloc(total);
    if (!chunk) {
        if (pool->memory)
            weir_memory_release(pool->memory, WEIR_MEMORY_CLIENT, total);
        return NULL;
    }
    *chunk = (weir_chunk){.cap = (uint32_t)cap};
    return chunk;
}

void weir_chunk_give(weir_chunk_pool *pool, weir_chunk *chunk)
{
    if (!chunk)
        return;
    if (chunk->cap != WEIR_CHUNK_CAP || pool->free_len == FREE_MAX) {
        destroy(pool, chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_len++;
}

void weir_chunk_give_all(weir_chunk_pool *pool, weir_chunk *chain)
{
    while (chain) {
        weir_chunk *next = chain->next;
        weir_chunk_give(pool, chain);
        chain = next;
    }
}

size_t weir_chunk_fill(weir_chunk *chunk, const uint8_t *data, size_t len)
{
    size_t n = weir_chunk_room(chunk);
    n = len < n ? len : n;
    memcpy(chunk->data + chunk->end, data, n);
    chunk->end += (uint32_t)n;
    return n;
}

/* ---- what is kept ---- */

static void forget(weir_chunk_pool *pool, weir_chunk **kept)
{
    weir_chunk_give(pool, *kept);
    *kept = NULL;
}

int weir_kept_set(weir_chunk_pool *pool, weir_chunk **kept, weir_slice rest)
{
    if (*kept && (rest.len == 0 || (*kept)->cap < rest.len))
        forget(pool, kept);
    if (rest.len == 0)
        return 0;
    if (!*kept)
        *kept = weir_chunk_take(pool, rest.len);
    if (!*kept)
        return -ENOMEM;
    (*kept)->begin = (*kept)->end = 0;
    weir_chunk_fill(*kept, rest.data, rest.len);
    return 0;
}

/* Into a chunk of another size. -ENOMEM: nothing changed. */
static int replace(weir_chunk_pool *pool, weir_chunk **kept, size_t cap)
{
    weir_chunk *other = weir_chunk_take(pool, cap);
    if (!other)
        return -ENOMEM;
    weir_chunk_fill(other, weir_chunk_bytes(*kept), weir_chunk_len(*kept));
    forget(pool, kept);
    *kept = other;
    return 0;
}

void weir_kept_consume(weir_chunk_pool *pool, weir_chunk **kept, size_t n)
{
    weir_chunk *chunk = *kept;
    chunk->begin += (uint32_t)n;
    if (weir_chunk_len(chunk) == 0)
        forget(pool, kept);
    else if (weir_chunk_len(chunk) <= WEIR_KEPT_FRONT_MAX && chunk->cap > WEIR_CHUNK_CAP)
        (void)replace(pool, kept, weir_chunk_len(chunk)); /* if not, the large one serves */
}

int weir_kept_make_room(weir_chunk_pool *pool, weir_chunk **kept, size_t size_max)
{
    weir_chunk *chunk = *kept;
    size_t len = weir_chunk_len(chunk);
    size_t limit = size_max - len;
    size_t least = GATHER_STEP < limit ? GATHER_STEP : limit;
    if (weir_chunk_room(chunk) >= least)
        return 0;
    if (chunk->begin >= len && chunk->cap - len >= least) {
        memmove(chunk->data, weir_chunk_bytes(chunk), len);
        chunk->begin = 0;
        chunk->end = (uint32_t)len;
        return 0;
    }
    size_t more = len > least ? len : least;
    return replace(pool, kept, len + (more < limit ? more : limit));
}
