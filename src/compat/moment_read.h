/* Private to compat: what a text that PostgreSQL takes for a date, a time or both says. */
#ifndef WEIR_COMPAT_MOMENT_READ_H
#define WEIR_COMPAT_MOMENT_READ_H

#include "base/error.h"
#include "base/slice.h"

typedef struct moment_text {
    bool has_date, has_time, has_offset;
    int32_t days; /* from 2000-01-01 */
    int64_t us;   /* of the day */
    int64_t offset_us;
    weir_slice zone; /* a name that is left to the tz database; empty: none */
} moment_text;

/* DateStyle is ISO, MDY. REFUSED, with 22007 (not understood), 22008 (no such day or time), 22009
 * (no such offset) or 0A000: PostgreSQL takes it, we do not. */
WEIR_MUST_CHECK int weir_moment_read(weir_slice s, moment_text *ret, weir_error *err);
/* The same for a time of day, with a date or without. */
WEIR_MUST_CHECK int weir_moment_read_time(weir_slice s, moment_text *ret, weir_error *err);
/* One of PostgreSQL's default abbreviations: seconds east of Greenwich. */
bool weir_zone_abbreviation(weir_slice name, int32_t *ret_offset);

#endif
