/* A borrowed run of bytes, passed by value. Never owns; valid as long as its source says. */
#ifndef WEIR_BASE_SLICE_H
#define WEIR_BASE_SLICE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct weir_slice {
    const uint8_t *data;
    size_t len;
} weir_slice;

#define WEIR_SLICE_LIT(text) ((weir_slice){(const uint8_t *)(text), sizeof(text) - 1})

static inline weir_slice weir_slice_make(const void *data, size_t len)
{
    return (weir_slice){(const uint8_t *)data, len};
}

static inline weir_slice weir_slice_cstr(const char *text)
{
    return (weir_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool weir_slice_eq(weir_slice a, weir_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool weir_slice_eq_cstr(weir_slice a, const char *text)
{
    return weir_slice_eq(a, weir_slice_cstr(text));
}

static inline bool weir_slice_begins(weir_slice s, const char *beginning)
{
    size_t len = strlen(beginning);
    return s.len >= len && memcmp(s.data, beginning, len) == 0;
}

/* ASCII case-insensitive comparison with a lower-case text. */
static inline bool weir_slice_eq_nocase(weir_slice a, const char *lower)
{
    size_t i = 0;
    for (; i < a.len && lower[i] != '\0'; i++) {
        uint8_t c = a.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (c != (uint8_t)lower[i])
            return false;
    }
    return i == a.len && lower[i] == '\0';
}

/* The part from `n` on; `n` is at most the length. */
static inline weir_slice weir_slice_skip(weir_slice s, size_t n)
{
    assert(n <= s.len);
    return (weir_slice){s.data + n, s.len - n};
}

static inline weir_slice weir_slice_head(weir_slice s, size_t n)
{
    assert(n <= s.len);
    return (weir_slice){s.data, n};
}

#endif
