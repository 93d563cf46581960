/* Private to sql/: values in a server's rows, which are texts. */
#ifndef WEIR_SQL_ROW_VALUES_H
#define WEIR_SQL_ROW_VALUES_H

#include "base/slice.h"

static inline bool weir_row_is_yes(weir_slice value)
{
    return value.len > 0 && value.data[0] == 't';
}

/* The first letter; 0: there is none. */
static inline char weir_row_letter(weir_slice value)
{
    return value.len > 0 ? (char)value.data[0] : '\0';
}

static inline bool weir_row_number(weir_slice value, uint64_t *ret)
{
    uint64_t n = 0;
    if (value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        n = 10 * n + (unsigned)(value.data[i] - '0');
    }
    *ret = n;
    return true;
}

/* 0: null, or none. */
static inline uint32_t weir_row_oid(weir_slice value)
{
    uint64_t n = 0;
    return weir_row_number(value, &n) && n <= UINT32_MAX ? (uint32_t)n : 0;
}

#endif
