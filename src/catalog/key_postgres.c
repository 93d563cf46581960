/* Ids of PostgreSQL's values. Canonical are: an integer's value in 64 bits, whatever its width; a
 * uuid's 16 bytes; a bool's one; a date as the server prints it with DateStyle ISO; a text's bytes.
 *
 * A server reads more spellings than it prints ('{A0EE…}', ' 5', 'yes', 'Jan 1 2020'). Those that
 * are read here are the plain ones; the others have no id, which costs speed only. Rows come in one
 * spelling each. */
#include "catalog/key_internal.h"

#include "base/ascii.h"
#include <stdio.h>

#define UUID_SIZE 16u
#define DATE_TEXT_MAX 24u /* 5874897-12-31, and "-infinity" */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_ascii(weir_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80)
            return false;
    }
    return true;
}

/* ---- integers ---- */

/* Decimal digits behind at most one sign: what every version reads alike. */
static bool parse_integer(weir_slice s, int64_t *ret)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    if (negative || (s.len > 0 && s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    int64_t n = 0; /* negated as it grows: there is one more below zero */
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.data[i]) || __builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)(s.data[i] - '0'), &n))
            return false;
    }
    if (s.len == 0 || (!negative && n == INT64_MIN))
        return false;
    *ret = negative ? n : -n;
    return true;
}

static int of_integer_text(uint64_t column, weir_slice text, uint64_t *ret)
{
    int64_t integer;
    if (!parse_integer(text, &integer))
        return WEIR_KEY_ABSENT;
    *ret = weir_key_word(WEIR_KEY_SEED_NUMBER, column, (uint64_t)integer);
    return 0;
}

static int of_integer_bytes(uint64_t column, weir_slice bytes, uint64_t *ret)
{
    if (bytes.len != 2 && bytes.len != 4 && bytes.len != 8)
        return WEIR_KEY_ABSENT;
    uint64_t n = bytes.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.len; i++)
        n = n << 8 | bytes.data[i];
    *ret = weir_key_word(WEIR_KEY_SEED_NUMBER, column, n);
    return 0;
}

/* ---- uuids ---- */

static int hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    c = weir_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hyphens may stand behind every four digits, as the server has it (utils/adt/uuid.c). */
static int of_uuid_text(uint64_t column, weir_slice text, uint64_t *ret)
{
    uint8_t bytes[UUID_SIZE];
    size_t at = 0;
    for (size_t i = 0; i < UUID_SIZE; i++) {
        if (text.len - at < 2)
            return WEIR_KEY_ABSENT;
        int high = hex_digit(text.data[at]), low = hex_digit(text.data[at + 1]);
        if (high < 0 || low < 0)
            return WEIR_KEY_ABSENT;
        bytes[i] = (uint8_t)(high * 16 + low);
        at += 2;
        if (i % 2 == 1 && i < UUID_SIZE - 1 && at < text.len && text.data[at] == '-')
            at++;
    }
    if (at != text.len)
        return WEIR_KEY_ABSENT;
    *ret = weir_key_bytes(WEIR_KEY_SEED_UUID, column, weir_slice_make(bytes, sizeof(bytes)));
    return 0;
}

/* ---- bools ---- */

static int of_bool(uint64_t column, bool value, uint64_t *ret)
{
    *ret = weir_key_word(WEIR_KEY_SEED_BOOL, column, value);
    return 0;
}

static int of_bool_text(uint64_t column, weir_slice text, uint64_t *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"t", true},  {"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"f", false}, {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (weir_slice_eq_nocase(text, words[i].word))
            return of_bool(column, words[i].value, ret);
    }
    return WEIR_KEY_ABSENT;
}

/* ---- dates ---- */

/* YYYY-MM-DD, which is read alike under every DateStyle. That it is a day the server sees to. */
static bool is_plain_date(weir_slice s)
{
    if (s.len != 10)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool hyphen = i == 4 || i == 7;
        if (hyphen ? s.data[i] != '-' : !is_digit(s.data[i]))
            return false;
    }
    return true;
}

static int of_date_text(uint64_t column, weir_slice text, uint64_t *ret)
{
    *ret = weir_key_bytes(WEIR_KEY_SEED_DATE, column, text);
    return 0;
}

/* From days since 2000-01-01 to the proleptic Gregorian calendar, by eras of 400 years that begin
 * on the first of March. */
static size_t print_date(int64_t days, char *text)
{
    days += 730425; /* 2000-01-01, counted from 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    bool before = year <= 0; /* 1 BC is the year 0 */
    int n = snprintf(
        text, DATE_TEXT_MAX + 1, "%04lld-%02lld-%02lld%s", (long long)(before ? 1 - year : year),
        (long long)(month >= 10 ? month - 9 : month + 3), (long long)day, before ? " BC" : "");
    assert(n > 0 && (size_t)n <= DATE_TEXT_MAX);
    return (size_t)n;
}

static int of_date_bytes(uint64_t column, weir_slice bytes, uint64_t *ret)
{
    char text[DATE_TEXT_MAX + 1];
    if (bytes.len != 4)
        return WEIR_KEY_ABSENT;
    int32_t days = (int32_t)((uint32_t)bytes.data[0] << 24 | (uint32_t)bytes.data[1] << 16 |
                             (uint32_t)bytes.data[2] << 8 | bytes.data[3]);
    if (days == INT32_MAX || days == INT32_MIN)
        return of_date_text(column, weir_slice_cstr(days > 0 ? "infinity" : "-infinity"), ret);
    return of_date_text(column, weir_slice_make(text, print_date(days, text)), ret);
}

/* ---- by type ---- */

static int of_bytes(uint64_t column, weir_slice text, uint64_t *ret)
{
    *ret = weir_key_bytes(WEIR_KEY_SEED_TEXT, column, text);
    return 0;
}

int weir_key_of_pg_row(uint64_t column, weir_key_type type, weir_slice text, uint64_t *ret)
{
    if (type == WEIR_KEY_PG_DATE)
        return of_date_text(column, text, ret);
    return weir_key_of_pg_text(column, type, text, true, ret);
}

int weir_key_of_pg_text(uint64_t column, weir_key_type type, weir_slice text, bool utf8,
                        uint64_t *ret)
{
    switch (type) {
    case WEIR_KEY_PG_INTEGER:
        return of_integer_text(column, text, ret);
    case WEIR_KEY_PG_UUID:
        return of_uuid_text(column, text, ret);
    case WEIR_KEY_PG_BOOL:
        return of_bool_text(column, text, ret);
    case WEIR_KEY_PG_DATE:
        return is_plain_date(text) ? of_date_text(column, text, ret) : WEIR_KEY_ABSENT;
    case WEIR_KEY_PG_TEXT:
        return utf8 || is_ascii(text) ? of_bytes(column, text, ret) : WEIR_KEY_ABSENT;
    case WEIR_KEY_NONE:
    case WEIR_KEY_SQLITE_NUMERIC:
    case WEIR_KEY_SQLITE_TEXT:
    case WEIR_KEY_SQLITE_BLOB:
        break;
    }
    return WEIR_KEY_ABSENT;
}

int weir_key_of_pg_integer(uint64_t column, weir_key_type type, int64_t integer, uint64_t *ret)
{
    if (type != WEIR_KEY_PG_INTEGER)
        return WEIR_KEY_ABSENT;
    *ret = weir_key_word(WEIR_KEY_SEED_NUMBER, column, (uint64_t)integer);
    return 0;
}

int weir_key_of_pg_binary(uint64_t column, weir_key_type type, weir_slice bytes, bool utf8,
                          uint64_t *ret)
{
    switch (type) {
    case WEIR_KEY_PG_INTEGER:
        return of_integer_bytes(column, bytes, ret);
    case WEIR_KEY_PG_UUID:
        if (bytes.len != UUID_SIZE)
            return WEIR_KEY_ABSENT;
        *ret = weir_key_bytes(WEIR_KEY_SEED_UUID, column, bytes);
        return 0;
    case WEIR_KEY_PG_BOOL:
        return bytes.len == 1 ? of_bool(column, bytes.data[0] != 0, ret) : WEIR_KEY_ABSENT;
    case WEIR_KEY_PG_DATE:
        return of_date_bytes(column, bytes, ret);
    case WEIR_KEY_PG_TEXT:
        return weir_key_of_pg_text(column, type, bytes, utf8, ret);
    case WEIR_KEY_NONE:
    case WEIR_KEY_SQLITE_NUMERIC:
    case WEIR_KEY_SQLITE_TEXT:
    case WEIR_KEY_SQLITE_BLOB:
        break;
    }
    return WEIR_KEY_ABSENT;
}
