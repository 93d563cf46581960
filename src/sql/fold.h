/* Words in lower case, eight bytes at a time. Private to src/sql.
 *
 * ASCII letters alone are folded, as both databases do for names beyond ASCII in UTF-8. */
#ifndef WEIR_SQL_FOLD_H
#define WEIR_SQL_FOLD_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WEIR_FOLD_ALL(byte) ((uint64_t)(byte)*UINT64_C(0x0101010101010101))

/* The first bytes, eight at most, as a little-endian number with zeros behind; no other byte is
 * read. For short runs two loads that overlap: equal bytes meet. */
static inline uint64_t weir_fold_load(const uint8_t *p, size_t len)
{
    if (len >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        return le64toh(v);
    }
    if (len >= 4) {
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + len - 4, 4);
        return le32toh(low) | (uint64_t)le32toh(high) << (8 * (len - 4));
    }
    if (len == 0)
        return 0;
    return p[0] | (uint64_t)p[len / 2] << (8 * (len / 2)) | (uint64_t)p[len - 1] << (8 * (len - 1));
}

/* Sets the bit of 32 in each byte from 'A' to 'Z'. Sums of seven bits never carry over. */
static inline uint64_t weir_fold_eight(uint64_t v)
{
    uint64_t low = v & WEIR_FOLD_ALL(0x7F);
    uint64_t from_a = low + WEIR_FOLD_ALL(0x80 - 'A');
    uint64_t beyond_z = low + WEIR_FOLD_ALL(0x80 - 'Z' - 1);
    return v | ((from_a & ~beyond_z & ~v & WEIR_FOLD_ALL(0x80)) >> 2);
}

/* `len` bytes; up to seven more are written behind them, so that `to` has room for len + 7. */
static inline void weir_fold(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = htole64(weir_fold_eight(weir_fold_load(from + i, len - i)));
        memcpy(to + i, &v, 8);
    }
}

#endif
