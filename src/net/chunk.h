/* Runs of bytes lent to streams while they have any: for unsent bytes a chain of 16 KiB chunks from
 * the loop's free list, for unconsumed bytes one chunk of any size. Charged to the loop's
 * weir_memory. One pool belongs to one loop's thread; chunks may travel to another loop's pool.
 * Private to net/ and the simulator. */
#ifndef WEIR_NET_CHUNK_H
#define WEIR_NET_CHUNK_H

#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

#define WEIR_CHUNK_SIZE ((size_t)16 * 1024)

/* Holds data[begin, end). */
typedef struct weir_chunk {
    struct weir_chunk *next;
    uint32_t begin, end, cap;
    uint8_t data[];
} weir_chunk;

#define WEIR_CHUNK_CAP (WEIR_CHUNK_SIZE - sizeof(weir_chunk))

typedef struct weir_chunk_pool {
    weir_chunk *free; /* all of WEIR_CHUNK_CAP */
    size_t free_len;
    weir_memory *memory; /* may be NULL */
} weir_chunk_pool;

void weir_chunk_pool_init(weir_chunk_pool *pool, weir_memory *memory);
void weir_chunk_pool_fini(weir_chunk_pool *pool);
/* An empty one for at least `size` bytes. NULL: no memory, or the cap on memory is reached. */
weir_chunk *weir_chunk_take(weir_chunk_pool *pool, size_t size);
/* Gives back one; NULL is nothing. */
void weir_chunk_give(weir_chunk_pool *pool, weir_chunk *chunk);
/* Gives back a chain. */
void weir_chunk_give_all(weir_chunk_pool *pool, weir_chunk *chain);

static inline size_t weir_chunk_len(const weir_chunk *chunk)
{
    return chunk ? (size_t)chunk->end - chunk->begin : 0;
}

static inline size_t weir_chunk_room(const weir_chunk *chunk)
{
    return (size_t)chunk->cap - chunk->end;
}

static inline uint8_t *weir_chunk_bytes(weir_chunk *chunk)
{
    return chunk->data + chunk->begin;
}

/* Copies what fits behind what is there; how much that was. */
size_t weir_chunk_fill(weir_chunk *chunk, const uint8_t *data, size_t len);

/* ---- bytes that the user left unconsumed: one chunk, or NULL ---- */

/* Makes `rest`, which does not lie in `*kept`, the kept bytes. -ENOMEM. */
WEIR_MUST_CHECK int weir_kept_set(weir_chunk_pool *pool, weir_chunk **kept, weir_slice rest);
/* `n` of the kept bytes were consumed. */
void weir_kept_consume(weir_chunk_pool *pool, weir_chunk **kept, size_t n);
/* Room for reading behind a long tail, growing by doubling, never beyond `size_max` in all.
 * -ENOMEM. */
WEIR_MUST_CHECK int weir_kept_make_room(weir_chunk_pool *pool, weir_chunk **kept, size_t size_max);
/* From here on what is kept is read behind in place (a large message being gathered), and not
 * copied to the front of a shared buffer each time. */
#define WEIR_KEPT_FRONT_MAX ((size_t)4096)

#endif
