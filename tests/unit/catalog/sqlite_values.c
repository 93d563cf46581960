/* The values, and their way into SQLite and out of it. */
#include "sqlite_values.h"

#include <math.h>
#include <stdio.h>

#define I(x)                                                                                       \
    {                                                                                              \
        .type = WEIR_VALUE_INTEGER, .u.integer = (x)                                               \
    }
#define R(x)                                                                                       \
    {                                                                                              \
        .type = WEIR_VALUE_REAL, .u.real = (x)                                                     \
    }
#define T(x)                                                                                       \
    {                                                                                              \
        .type = WEIR_VALUE_TEXT, .u.bytes = {(const uint8_t *)(x), sizeof(x) - 1 }                 \
    }
#define B(x)                                                                                       \
    {                                                                                              \
        .type = WEIR_VALUE_BLOB, .u.bytes = {(const uint8_t *)(x), sizeof(x) - 1 }                 \
    }

static const weir_value by_hand[] = {
    {.type = WEIR_VALUE_NULL},
    I(0),
    I(1),
    I(-1),
    I(5),
    I(255),
    I(1LL << 53),
    I((1LL << 53) + 1),
    I((1LL << 53) - 1),
    I(-(1LL << 53) - 1),
    I(INT64_MAX),
    I(INT64_MAX - 1),
    I(INT64_MIN),
    I(INT64_MIN + 1),
    I(1LL << 62),
    I((1LL << 51)),
    I((1LL << 51) - 1),
    R(0.0),
    R(-0.0),
    R(5.0),
    R(-1.0),
    R(5.5),
    R(0x1p53),
    R(0x1p53 + 2),
    R(0x1p62),
    R(0x1p63),
    R(-0x1p63),
    R(0x1.fffffffffffffp62),
    R(-0x1.0000000000001p63),
    R(1e300),
    R(-1e300),
    R(1e-300),
    R(0x1p-1074),
    R(INFINITY),
    R(-INFINITY),
    R(NAN),
    R(0.1),
    R(1e15),
    R(1e16),
    R(1e19),
    R(255.0),
    T(""),
    T(" "),
    T("5"),
    T(" 5"),
    T("5 "),
    T("\t5\n"),
    T("\v5\f\r"),
    T("+5"),
    T("-5"),
    T("05"),
    T("0"),
    T("-0"),
    T("+0"),
    T("00"),
    T("5e0"),
    T("5E0"),
    T("50e-1"),
    T("0x5"),
    T("0x"),
    T("5.0"),
    T("5."),
    T(".5"),
    T("."),
    T("+"),
    T("-"),
    T("+-5"),
    T("- 5"),
    T("+ 5"),
    T("5a"),
    T("5 a"),
    T("5 5"),
    T("1e300"),
    T("1e400"),
    T("-1e400"),
    T("inf"),
    T("Inf"),
    T("nan"),
    T("NaN"),
    T("infinity"),
    T("abc"),
    T("ABC"),
    T("abc "),
    T(" abc"),
    T("e5"),
    T("5e"),
    T("5e+"),
    T("1_0"),
    T("9223372036854775807"),
    T("9223372036854775808"),
    T("-9223372036854775808"),
    T("-9223372036854775809"),
    T("9223372036854775807.0"),
    T("9007199254740992"),
    T("9007199254740993"),
    T("9007199254740993.0"),
    T("0000000000000000000000000000005"),
    T("18446744073709551616"),
    T("1.0e1"),
    T("0.1"),
    T("0.10"),
    T("1e15"),
    T("1.0e+15"),
    T("255"),
    T("5\0"),
    T("\0005"),
    T("5\0005"),
    T("abc\0"),
    T("abc\0def"),
    T("\0"),
    T(" \0"),
    T("\xC2\xA0"
      "5"),
    T("\xEF\xBB\xBF"
      "5"),
    T("5\xC2\xA0"),
    T("\xD9\xA5"),
    T("\xEF\xBC\x95"),
    T("\x80"),
    T("\xFF"),
    T("\xC0\x80"),
    T("\xED\xA0\x80"),
    T("\xED\xA0\x81"),
    T("\xEF\xBF\xBD"),
    T("\xEF\xBF\xBE"),
    T("\xEF\xBF\xBF"),
    T("5\xFF"),
    T("5\xFE"),
    T("\xF0\x9F\x98\x80"),
    T("\xC3\xA4"),
    T("a\xCC\x88"),
    T("\xF4\x90\x80\x80"),
    T("\xF5\x80\x80\x80"),
    T("\xE2\x82"),
    B(""),
    B("5"),
    B(" 5"),
    B("05"),
    B("abc"),
    B("ABC"),
    B("5.0"),
    B("\0"),
    B("5\0"),
    B("\xFF"),
    B("9223372036854775807"),
    B("\0\0\0\0\0\0\0\5"),
};

size_t sqlite_values_count(void)
{
    return sizeof(by_hand) / sizeof(by_hand[0]);
}

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Close to where something changes: powers of two and ten. */
static int64_t near_edge(uint64_t *random)
{
    uint64_t edge = (uint64_t)1 << next(random) % 64;
    uint64_t ten = 1;
    for (uint64_t n = next(random) % 19; n > 0; n--)
        ten *= 10;
    return (int64_t)((next(random) % 2 ? edge : ten) + next(random) % 5 - 2);
}

/* Out of what numbers are written with. */
static weir_slice random_text(uint64_t *random, char room[64])
{
    static const char letters[] = "0123456789055.eE+- \tx_a";
    size_t len = next(random) % 7;
    for (size_t i = 0; i < len; i++)
        room[i] = letters[next(random) % (sizeof(letters) - 1)];
    return weir_slice_make(room, len);
}

static weir_slice written(uint64_t *random, char room[64])
{
    static const char *const ways[] = {"%lld",  "%lld.0", "+%lld", " %lld",
                                       "%lld ", "0%lld",  "%llde0"};
    const char *way = ways[next(random) % 7];
    char *end = room;
    for (const char *c = way; *c; c++) {
        if (*c == '%') {
            end += snprintf(end, 32, "%lld", (long long)near_edge(random));
            c += 3;
        } else {
            *end++ = *c;
        }
    }
    return weir_slice_make(room, (size_t)(end - room));
}

weir_value sqlite_values_get(size_t number, uint64_t *random, char room[64])
{
    if (number < sqlite_values_count())
        return by_hand[number];
    switch (next(random) % 6) {
    case 0:
        return (weir_value)I(near_edge(random));
    case 1:
        return (weir_value)R((double)near_edge(random));
    case 2:
        return (weir_value)R((double)near_edge(random) / 8);
    case 3:
        return (weir_value){.type = WEIR_VALUE_TEXT, .u.bytes = written(random, room)};
    case 4:
        return (weir_value){.type = WEIR_VALUE_BLOB, .u.bytes = random_text(random, room)};
    default:
        return (weir_value){.type = WEIR_VALUE_TEXT, .u.bytes = random_text(random, room)};
    }
}

int sqlite_values_bind(sqlite3_stmt *stmt, int parameter, const weir_value *value)
{
    weir_slice bytes = value->u.bytes;
    switch (value->type) {
    case WEIR_VALUE_NULL:
        return sqlite3_bind_null(stmt, parameter);
    case WEIR_VALUE_INTEGER:
        return sqlite3_bind_int64(stmt, parameter, value->u.integer);
    case WEIR_VALUE_REAL:
        return sqlite3_bind_double(stmt, parameter, value->u.real);
    case WEIR_VALUE_TEXT:
        return sqlite3_bind_text(stmt, parameter, (const char *)bytes.data, (int)bytes.len,
                                 SQLITE_TRANSIENT);
    case WEIR_VALUE_BLOB:
        break;
    }
    return sqlite3_bind_blob(stmt, parameter, bytes.data, (int)bytes.len, SQLITE_TRANSIENT);
}

weir_value sqlite_values_of(sqlite3_value *from)
{
    weir_value v = {.type = WEIR_VALUE_NULL};
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        return (weir_value)I(sqlite3_value_int64(from));
    case SQLITE_FLOAT:
        return (weir_value)R(sqlite3_value_double(from));
    case SQLITE_TEXT:
        v.type = WEIR_VALUE_TEXT;
        v.u.bytes.data = sqlite3_value_text(from);
        break;
    case SQLITE_BLOB:
        v.type = WEIR_VALUE_BLOB;
        v.u.bytes.data = sqlite3_value_blob(from);
        break;
    default:
        return v;
    }
    v.u.bytes.len = (size_t)sqlite3_value_bytes(from);
    return v;
}
