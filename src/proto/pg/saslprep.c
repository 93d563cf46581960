/* SASLprep (RFC 4013) of passwords, as far as it needs no normalisation tables.
 *
 * What is done: ASCII is taken exactly; in valid UTF-8, spaces that are not ASCII become one
 * (stringprep table C.1.2), characters "commonly mapped to nothing" vanish (B.1), and a password
 * with prohibited characters (C.2 to C.9) is taken as raw bytes, all as PostgreSQL does. What is
 * not: NFKC, unassigned code points, and the bidirectional check. A password that is in NFKC
 * already (nearly everything typed on a keyboard: accents composed, no ligatures or full-width
 * forms) comes out the same as in PostgreSQL; another matches only where both ends are Weir.
 *
 * Invariant: no mapping makes a string longer (a space of 2 or 3 bytes becomes 1). */
#include "proto/pg/crypt.h"

typedef struct range {
    uint32_t first, last;
} range;

/* RFC 3454, table C.1.2; PostgreSQL maps U+200B as a space as well. */
static const range spaces[] = {{0x00a0, 0x00a0}, {0x1680, 0x1680}, {0x2000, 0x200b},
                               {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

/* Table B.1. */
static const range nothing[] = {{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x1806, 0x1806},
                                {0x180b, 0x180d}, {0x200c, 0x200d}, {0x2060, 0x2060},
                                {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};

/* Tables C.2.1 to C.9, after the mappings. */
static const range prohibited[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x0340, 0x0341},   {0x06dd, 0x06dd},
    {0x070f, 0x070f},   {0x180e, 0x180e},   {0x200e, 0x200f},   {0x2028, 0x202e},
    {0x2061, 0x2063},   {0x206a, 0x206f},   {0x2ff0, 0x2ffb},   {0xd800, 0xf8ff},
    {0xfdd0, 0xfdef},   {0xfff9, 0xffff},   {0x1d173, 0x1d17a}, {0x1fffe, 0x1ffff},
    {0x2fffe, 0x2ffff}, {0x3fffe, 0x3ffff}, {0x4fffe, 0x4ffff}, {0x5fffe, 0x5ffff},
    {0x6fffe, 0x6ffff}, {0x7fffe, 0x7ffff}, {0x8fffe, 0x8ffff}, {0x9fffe, 0x9ffff},
    {0xafffe, 0xaffff}, {0xbfffe, 0xbffff}, {0xcfffe, 0xcffff}, {0xdfffe, 0xdffff},
    {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xefffe, 0x10ffff}};

static bool in_ranges(const range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

#define IN(table, c) in_ranges((table), sizeof(table) / sizeof((table)[0]), (c))

/* The length of the UTF-8 sequence that begins with `lead`; 0 when none does. */
static size_t sequence_len(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* Reads one character; the bytes it took, 0 when they are not valid UTF-8. */
static size_t decode(weir_slice in, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = sequence_len(in.data[0]);
    if (len == 0 || len > in.len)
        return 0;
    uint32_t c = len == 1 ? in.data[0] : in.data[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((in.data[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (in.data[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return len;
}

static bool is_ascii(weir_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80)
            return false;
    }
    return true;
}

/* False: cannot be prepared. */
static bool prepare(weir_slice in, uint8_t *out, size_t *ret_len)
{
    size_t len = 0;
    while (in.len > 0) {
        uint32_t c = 0;
        size_t taken = decode(in, &c);
        if (taken == 0)
            return false;
        if (IN(spaces, c)) {
            out[len++] = ' ';
        } else if (!IN(nothing, c)) {
            if (IN(prohibited, c))
                return false;
            memcpy(out + len, in.data, taken);
            len += taken;
        }
        in = weir_slice_skip(in, taken);
    }
    *ret_len = len;
    return len > 0; /* RFC 4013 leaves it open; PostgreSQL refuses an empty outcome */
}

size_t weir_pg_saslprep(weir_slice password, uint8_t *ret)
{
    size_t len;
    if (!is_ascii(password) && prepare(password, ret, &len))
        return len;
    if (password.len > 0)
        memcpy(ret, password.data, password.len);
    return password.len;
}
