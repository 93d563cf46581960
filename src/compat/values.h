/* Private to compat: the types' own texts and bytes. Parsers return false for what is no such
 * value; they never read beyond the slice. */
#ifndef WEIR_COMPAT_VALUES_H
#define WEIR_COMPAT_VALUES_H

#include "compat/compat.h"

/* now() and gen_random_uuid() in SQLite's own words: what stays in a schema, which other programs
 * read, too. pg_attrdef shows the calls again. */
#define WEIR_NOW_WORDS "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"
#define WEIR_UUID_WORDS                                                                            \
    "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), " \
    "2) || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' "  \
    "|| hex(randomblob(6)))"

#define WEIR_NUMBER_TEXT_MAX 32u /* a formatted integer or double and its zero byte */

/* ---- number.c ---- */

bool weir_number_integer(weir_slice text, int64_t *ret);
bool weir_number_real(weir_slice text, double *ret);
bool weir_number_bool(weir_slice text, bool *ret);
size_t weir_number_format_integer(int64_t i, char out[WEIR_NUMBER_TEXT_MAX]);
/* The shortest text that reads back as the same double, as PostgreSQL writes it. */
size_t weir_number_format_float4(float real, char out[WEIR_NUMBER_TEXT_MAX]);
size_t weir_number_format(double real, char out[WEIR_NUMBER_TEXT_MAX]);
/* Exactly representable as int64. */
bool weir_number_integral(double real, int64_t *ret);

/* ---- numeric.c: PostgreSQL's base-10000 decimals (numeric_send, numeric_recv) ---- */

/* Is it a decimal number as numeric's text input takes it (digits, point, exponent, NaN)? */
bool weir_numeric_valid(weir_slice text);
/* Appends the binary form of a valid text. REFUSED: too large. */
WEIR_MUST_CHECK int weir_numeric_encode(weir_slice text, weir_buf *out);
/* Appends the text of a binary form. REFUSED: it is none. */
WEIR_MUST_CHECK int weir_numeric_decode(weir_slice bytes, weir_buf *out);

/* ---- datetime.c: days and microseconds from 2000-01-01, PostgreSQL's epoch ---- */

#define WEIR_DATETIME_TEXT_MAX 48u
#define WEIR_USEC_PER_DAY INT64_C(86400000000)

/* HH:MM[:SS[.ffffff]] */
bool weir_time_parse(weir_slice text, int64_t *ret_us);
/* A date, or a date and a time with 'T' or a space between, and perhaps 'Z' or ±HH[:MM], which is
 * taken off. */
bool weir_timestamp_parse(weir_slice text, int64_t *ret_us);
bool weir_timestamp_in_range(int64_t us);
/* SQLite's other two conventions: seconds since 1970, Julian day. */
bool weir_timestamp_unix(int64_t seconds, int64_t *ret_us);
bool weir_timestamp_julian(double day, int64_t *ret_us);
/* A day's date, and back: false: there is none of such numbers. */
void weir_date_split(int32_t days, int *ret_year, int *ret_month, int *ret_day);
bool weir_date_join(int year, int month, int day, int32_t *ret_days);
size_t weir_date_format(int32_t days, char out[WEIR_DATETIME_TEXT_MAX]);
size_t weir_time_format(int64_t us, char out[WEIR_DATETIME_TEXT_MAX]);
size_t weir_timestamp_format(int64_t us, bool with_zone, char out[WEIR_DATETIME_TEXT_MAX]);

/* ---- run_moments.c ---- */

/* PostgreSQL's text of an interval, as in '1 year 2 days 03:04:05'. */
bool weir_interval_parse(weir_slice text, int64_t *ret_us, int32_t *ret_days, int32_t *ret_months);
WEIR_MUST_CHECK int weir_interval_put(weir_buf *out, int64_t us, int32_t days, int32_t months);

/* ---- text.c ---- */

/* Well-formed UTF-8 without a zero byte: what PostgreSQL's text can hold. */
bool weir_text_valid(weir_slice text);
bool weir_text_is_json(weir_slice text);
/* run_inet.c */
typedef struct weir_inet {
    bool v6;
    uint8_t bits; /* of the network; 32 or 128: a host */
    uint8_t bytes[16];
} weir_inet;

bool weir_inet_parse(weir_slice text, weir_inet *ret);
WEIR_MUST_CHECK int weir_inet_put(weir_buf *out, const weir_inet *inet);

bool weir_uuid_parse(weir_slice text, uint8_t out[16]);
void weir_uuid_format(const uint8_t bytes[16], char out[37]);
WEIR_MUST_CHECK int weir_hex_append(weir_buf *out, weir_slice bytes);
/* bytea's text input, both forms (\x41 and A\101). REFUSED: malformed. */
WEIR_MUST_CHECK int weir_bytea_parse(weir_slice text, weir_buf *out);

#endif
