/* Ids of relations, columns and values: SipHash under fixed keys, so that every process has the
 * same.
 *
 *   relation  k = {'relation', 0}             of the name, ASCII letters lowered
 *   column    k = {'column', relation's id}   of the name, ASCII letters lowered
 *   value     k = {'number' | 'real' | 'text' | 'blob', column's id}   of the canonical bytes
 *
 * Canonical bytes are as fine as SQLite's `=` and no finer: an integer and a real that is that
 * integer are one number (-0.0 is 0); any other real is its bits; texts and blobs are their bytes,
 * and equal to nothing of another class. SQLite compares integers with reals exactly, which makes
 * this an equivalence even beyond 2^53.
 *
 * A text in a database of UTF-16 is not the text that the client sent: SQLite reads every malformed
 * sequence, and U+FFFE and U+FFFF, as U+FFFD, so that different bytes become equal. Operands with
 * such bytes have no id, in any database. */
#include "base/ascii.h"
#include "base/hash.h"
#include "catalog/key_internal.h"
#include <assert.h>
#include <stdio.h>

#define SEED_RELATION 0x6e6f6974616c6572ULL
#define SEED_COLUMN 0x6e6d756c6f632e2eULL

#define INT64_TEXT_MAX 20               /* -9223372036854775808 */
#define INT64_END 9223372036854775808.0 /* 2^63, exactly: the first that is no int64 */

/* 0 means "no id" to those who keep ids. */
static uint64_t never_zero(uint64_t hash)
{
    return hash ? hash : 1;
}

/* ---- names ---- */

static size_t lower_into(uint8_t *to, size_t max, weir_slice name)
{
    size_t n = name.len < max ? name.len : max;
    for (size_t i = 0; i < n; i++)
        to[i] = weir_ascii_lower(name.data[i]);
    return n;
}

/* By pieces, each hash the key of the next: names may be longer than a buffer on the stack. */
static uint64_t name_id(uint64_t seed, uint64_t parent, weir_slice name)
{
    uint64_t id = parent;
    do {
        uint8_t piece[64];
        size_t n = lower_into(piece, sizeof(piece), name);
        id = weir_hash((weir_hash_seed){{seed, id}}, weir_slice_make(piece, n));
        name = weir_slice_skip(name, n);
    } while (name.len > 0);
    return never_zero(id);
}

uint64_t weir_relation_id(weir_slice name)
{
    return name_id(SEED_RELATION, 0, name);
}

uint64_t weir_column_id(uint64_t relation, weir_slice column)
{
    return name_id(SEED_COLUMN, relation, column);
}

/* ---- canonical bytes ---- */

uint64_t weir_key_bytes(uint64_t seed, uint64_t column, weir_slice bytes)
{
    return never_zero(weir_hash((weir_hash_seed){{seed, column}}, bytes));
}

uint64_t weir_key_word(uint64_t seed, uint64_t column, uint64_t word)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(word >> (8 * i));
    return weir_key_bytes(seed, column, weir_slice_make(bytes, sizeof(bytes)));
}

static int id_of_integer(uint64_t column, int64_t integer, uint64_t *ret)
{
    *ret = weir_key_word(WEIR_KEY_SEED_NUMBER, column, (uint64_t)integer);
    return 0;
}

static int id_of_real(uint64_t column, double real, uint64_t *ret)
{
    if (real != real)
        return WEIR_KEY_ABSENT; /* NaN: SQLite stores and compares it as NULL */
    if (real >= -INT64_END && real < INT64_END && (double)(int64_t)real == real)
        return id_of_integer(column, (int64_t)real, ret);
    uint64_t bits;
    static_assert(sizeof(bits) == sizeof(real), "IEEE 754 binary64");
    memcpy(&bits, &real, sizeof(bits));
    *ret = weir_key_word(WEIR_KEY_SEED_REAL, column, bits);
    return 0;
}

int weir_key_of_row(uint64_t column, const weir_value *value, uint64_t *ret)
{
    switch (value->type) {
    case WEIR_VALUE_INTEGER:
        return id_of_integer(column, value->u.integer, ret);
    case WEIR_VALUE_REAL:
        return id_of_real(column, value->u.real, ret);
    case WEIR_VALUE_TEXT:
        *ret = weir_key_bytes(WEIR_KEY_SEED_TEXT, column, value->u.bytes);
        return 0;
    case WEIR_VALUE_BLOB:
        *ret = weir_key_bytes(WEIR_KEY_SEED_BLOB, column, value->u.bytes);
        return 0;
    case WEIR_VALUE_NULL:
        break;
    }
    return WEIR_KEY_ABSENT;
}

/* ---- operands: texts ---- */

/* The length of the UTF-8 sequence that `s` begins with; 0: malformed, or a character that does not
 * come through UTF-16 (above). The second byte's bounds keep out what is overlong, the surrogates
 * and all beyond U+10FFFF (The Unicode Standard, table 3-7). */
static size_t sequence_length(weir_slice s)
{
    uint8_t first = s.data[0], low = 0x80, high = 0xBF;
    size_t len = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first > 0xF4 || len == 0 || len > s.len)
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xBF) {
        if (s.data[i] < low || s.data[i] > high)
            return 0;
    }
    bool noncharacter = first == 0xEF && s.data[1] == 0xBF && s.data[2] >= 0xBE;
    return noncharacter ? 0 : len;
}

static bool survives_utf16(weir_slice text)
{
    while (text.len > 0) {
        size_t n = sequence_length(text);
        if (n == 0)
            return false;
        text = weir_slice_skip(text, n);
    }
    return true;
}

/* SQLite skips space around a number. */
static weir_slice trim(weir_slice s)
{
    while (s.len > 0 && weir_ascii_is_space(s.data[0]))
        s = weir_slice_skip(s, 1);
    while (s.len > 0 && weir_ascii_is_space(s.data[s.len - 1]))
        s = weir_slice_head(s, s.len - 1);
    return s;
}

/* Digits with at most one sign, nothing else, within int64. */
static bool parse_integer(weir_slice s, int64_t *ret)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        s = weir_slice_skip(s, 1);
    if (s.len == 0)
        return false;
    int64_t n = 0; /* negated as it grows: there is one more below zero */
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || __builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)(s.data[i] - '0'), &n))
            return false;
    }
    if (!negative && n == INT64_MIN)
        return false;
    *ret = negative ? n : -n;
    return true;
}

/* Every number begins so, in SQLite's reading of a text. */
static bool may_be_number(weir_slice trimmed)
{
    return trimmed.len > 0 &&
           ((trimmed.data[0] >= '0' && trimmed.data[0] <= '9') || trimmed.data[0] == '+' ||
            trimmed.data[0] == '-' || trimmed.data[0] == '.');
}

/* NUMERIC affinity makes a number of a text that is one in full. Which texts those are, and which
 * real they become, is SQLite's business: only plain integers and certain words are decided here.
 */
static int id_of_maybe_number(uint64_t column, const weir_value *value, uint64_t *ret)
{
    weir_slice trimmed = trim(value->u.bytes);
    int64_t integer;
    if (parse_integer(trimmed, &integer))
        return id_of_integer(column, integer, ret);
    if (may_be_number(trimmed))
        return WEIR_KEY_ABSENT;
    return weir_key_of_row(column, value, ret);
}

static int id_of_text(uint64_t column, weir_key_type type, const weir_value *value, uint64_t *ret)
{
    if (!survives_utf16(value->u.bytes))
        return WEIR_KEY_ABSENT;
    if (type == WEIR_KEY_SQLITE_NUMERIC)
        return id_of_maybe_number(column, value, ret);
    return weir_key_of_row(column, value, ret);
}

/* ---- operands: numbers ---- */

/* TEXT affinity: a number becomes its text. How a real is written depends on SQLite's version. */
static int id_of_rendered(uint64_t column, const weir_value *value, uint64_t *ret)
{
    if (value->type == WEIR_VALUE_REAL)
        return WEIR_KEY_ABSENT;
    char text[INT64_TEXT_MAX + 1];
    int len = snprintf(text, sizeof(text), "%lld", (long long)value->u.integer);
    assert(len > 0 && (size_t)len < sizeof(text));
    *ret = weir_key_bytes(WEIR_KEY_SEED_TEXT, column, weir_slice_make(text, (size_t)len));
    return 0;
}

int weir_key_of_operand(uint64_t column, weir_key_type type, const weir_value *value, uint64_t *ret)
{
    if (type == WEIR_KEY_NONE)
        return WEIR_KEY_ABSENT;
    if (value->type == WEIR_VALUE_TEXT)
        return id_of_text(column, type, value, ret);
    bool number = value->type == WEIR_VALUE_INTEGER || value->type == WEIR_VALUE_REAL;
    if (number && type == WEIR_KEY_SQLITE_TEXT)
        return id_of_rendered(column, value, ret);
    return weir_key_of_row(column, value, ret);
}
