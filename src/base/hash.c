/* SipHash with one round per word and three at the end, written from the paper's section 2. */
#include "base/hash.h"

#include <endian.h>

typedef struct state {
    uint64_t v0, v1, v2, v3;
} state;

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* Fewer than eight bytes as a little-endian word. */
static inline uint64_t load_part(const uint8_t *p, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static inline void absorb(state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t weir_hash(weir_hash_seed seed, weir_slice bytes)
{
    state s = {
        .v0 = seed.k[0] ^ 0x736f6d6570736575ULL,
        .v1 = seed.k[1] ^ 0x646f72616e646f6dULL,
        .v2 = seed.k[0] ^ 0x6c7967656e657261ULL,
        .v3 = seed.k[1] ^ 0x7465646279746573ULL,
    };
    const uint8_t *p = bytes.data;
    size_t left = bytes.len;
    for (; left >= 8; p += 8, left -= 8)
        absorb(&s, load_word(p));
    absorb(&s, load_part(p, left) | (uint64_t)bytes.len << 56);
    s.v2 ^= 0xFF;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
