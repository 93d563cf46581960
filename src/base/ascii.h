/* Letters and space as SQL and configuration have them: ASCII's, whatever the locale says. */
#ifndef WEIR_BASE_ASCII_H
#define WEIR_BASE_ASCII_H

#include "base/slice.h"

static inline uint8_t weir_ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static inline bool weir_ascii_is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline weir_slice weir_ascii_skip_space(weir_slice s)
{
    while (s.len > 0 && weir_ascii_is_space(s.data[0]))
        s = weir_slice_skip(s, 1);
    return s;
}

/* Without space at either end. */
static inline weir_slice weir_ascii_trim(weir_slice s)
{
    s = weir_ascii_skip_space(s);
    while (s.len > 0 && weir_ascii_is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Case does not count, in neither of them. */
static inline bool weir_ascii_eq(weir_slice a, weir_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (weir_ascii_lower(a.data[i]) != weir_ascii_lower(b.data[i]))
            return false;
    return true;
}

#endif
