/* A key's four counters lie in one block of 64 bytes, each in its own quarter of it: one cache miss
 * per request. The hash's lower half chooses the block, the upper one the counters. */
#include "cache/sketch.h"

#include <stdlib.h>

enum { DEPTH = 4, WORDS = 8, ENTRIES_PER_BLOCK = 8 };

int weir_sketch_init(weir_sketch *sketch, size_t entries)
{
    size_t blocks = 1;
    while (blocks * ENTRIES_PER_BLOCK < entries)
        blocks *= 2;
    *sketch = (weir_sketch){.mask = blocks - 1};
    sketch->words = calloc(blocks, WORDS * sizeof *sketch->words);
    return sketch->words ? 0 : -ENOMEM;
}

void weir_sketch_fini(weir_sketch *sketch)
{
    free(sketch->words);
    *sketch = (weir_sketch){0};
}

typedef struct counter {
    uint64_t *word;
    unsigned shift;
} counter;

/* The `row`th of the key's counters: five bits choose one of the 32 in two words. */
static counter counter_of(const weir_sketch *sketch, uint64_t hash, unsigned row)
{
    unsigned index = (unsigned)(hash >> (32 + 8 * row)) & 31;
    uint64_t *block = sketch->words + (hash & sketch->mask) * WORDS;
    return (counter){block + (size_t)row * (WORDS / DEPTH) + index / 16, index % 16 * 4};
}

static unsigned value_of(counter c)
{
    return (unsigned)(*c.word >> c.shift) & WEIR_SKETCH_MAX;
}

static void halve(weir_sketch *sketch)
{
    size_t words = (size_t)(sketch->mask + 1) * WORDS;
    for (size_t i = 0; i < words; i++)
        sketch->words[i] = sketch->words[i] >> 1 & UINT64_C(0x7777777777777777);
    sketch->raised /= 2;
}

void weir_sketch_raise(weir_sketch *sketch, uint64_t hash, size_t period)
{
    size_t raised = 0;
    for (unsigned row = 0; row < DEPTH; row++) {
        counter c = counter_of(sketch, hash, row);
        if (value_of(c) < WEIR_SKETCH_MAX) {
            *c.word += UINT64_C(1) << c.shift;
            raised = 1;
        }
    }
    sketch->raised += raised;
    if (sketch->raised >= period)
        halve(sketch);
}

unsigned weir_sketch_estimate(const weir_sketch *sketch, uint64_t hash)
{
    unsigned least = WEIR_SKETCH_MAX;
    for (unsigned row = 0; row < DEPTH; row++) {
        unsigned value = value_of(counter_of(sketch, hash, row));
        least = value < least ? value : least;
    }
    return least;
}
