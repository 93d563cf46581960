/* UTF-8, as far as texts are cut into characters. Whether a text is well-formed is not looked at:
 * what is not is cut somewhere, within its bounds. */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include "base/slice.h"

/* The byte begins a character. */
static inline bool weir_utf8_begins(uint8_t c)
{
    return (c & 0xc0) != 0x80;
}

/* Where the character at `at` (< s.len) ends. */
static inline size_t weir_utf8_next(weir_slice s, size_t at)
{
    at++;
    while (at < s.len && !weir_utf8_begins(s.data[at]))
        at++;
    return at;
}

/* At most the first `most` bytes, without a part of a character. */
static inline weir_slice weir_utf8_head(weir_slice s, size_t most)
{
    if (most >= s.len)
        return s;
    while (most > 0 && !weir_utf8_begins(s.data[most]))
        most--;
    return weir_slice_head(s, most);
}

/* For "%.*s": as much of a text as words for people quote. */
#define WEIR_UTF8_QUOTED(text, most)                                                               \
    (int)weir_utf8_head((text), (most)).len, (const char *)(text).data

#endif
