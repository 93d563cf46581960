/* SQLite's declared types as PostgreSQL types. SQLite derives an affinity from any words at all
 * (https://sqlite.org/datatype3.html, 3.1); the rules below are the same in the same order, after
 * the names that say more than an affinity. */
#include "base/ascii.h"
#include "compat/compat.h"
#include "compat/enums.h"
#include <stdlib.h>

typedef struct named_type {
    const char *name;
    uint32_t oid;
} named_type;

/* Whole names. INTEGER is int8, because SQLite stores 64 bits in it; INT4 and INT2 are what a table
 * made through Weir has instead (rewrite_ddl.c), and what is written there is checked. */
static const named_type declared_names[] = {
    {"boolean", WEIR_OID_BOOL},
    {"bool", WEIR_OID_BOOL},
    {"date", WEIR_OID_DATE},
    {"time", WEIR_OID_TIME},
    {"time without time zone", WEIR_OID_TIME},
    {"interval", WEIR_OID_INTERVAL},
    {"timestamp", WEIR_OID_TIMESTAMP},
    {"timestamp without time zone", WEIR_OID_TIMESTAMP},
    {"datetime", WEIR_OID_TIMESTAMP},
    {"timestamptz", WEIR_OID_TIMESTAMPTZ},
    {"timestamp with time zone", WEIR_OID_TIMESTAMPTZ},
    {"json", WEIR_OID_JSON},
    {"jsonb", WEIR_OID_JSONB},
    {"json text", WEIR_OID_JSON}, /* as CREATE TABLE through Weir has it (rewrite_ddl.c) */
    {"jsonb text", WEIR_OID_JSONB},
    {"float4", WEIR_OID_FLOAT4},
    {"uuid", WEIR_OID_UUID},
    {"inet", WEIR_OID_INET},
    {"bytea", WEIR_OID_BYTEA},
    {"varchar", WEIR_OID_VARCHAR},
    {"character varying", WEIR_OID_VARCHAR},
    {"int4", WEIR_OID_INT4},
    {"integer /* int4 */", WEIR_OID_INT4}, /* a key (rewrite_ddl.c) */
    {"int2", WEIR_OID_INT2},
    {"serial", WEIR_OID_INT8},
    {"bigserial", WEIR_OID_INT8},
    {"string", WEIR_OID_TEXT},
};

/* Parts of names, in the order of SQLite's rules. */
static const named_type declared_parts[] = {
    {"int", WEIR_OID_INT8},    {"varchar", WEIR_OID_VARCHAR}, {"char", WEIR_OID_TEXT},
    {"clob", WEIR_OID_TEXT},   {"text", WEIR_OID_TEXT},       {"blob", WEIR_OID_BYTEA},
    {"real", WEIR_OID_FLOAT8}, {"floa", WEIR_OID_FLOAT8},     {"doub", WEIR_OID_FLOAT8},
};

/* What a cast says: here the size matters, since nothing is stored. */
static const named_type cast_names[] = {
    {"int2", WEIR_OID_INT2},       {"smallint", WEIR_OID_INT2}, {"int4", WEIR_OID_INT4},
    {"int", WEIR_OID_INT4},        {"integer", WEIR_OID_INT8},  {"int8", WEIR_OID_INT8},
    {"bigint", WEIR_OID_INT8},     {"float4", WEIR_OID_FLOAT4}, {"float8", WEIR_OID_FLOAT8},
    {"real", WEIR_OID_FLOAT8},     {"oid", WEIR_OID_OID},       {"numeric", WEIR_OID_NUMERIC},
    {"decimal", WEIR_OID_NUMERIC}, {"name", WEIR_OID_NAME},
};

static bool contains_nocase(weir_slice s, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= s.len; i++) {
        size_t n = 0;
        while (n < len && weir_ascii_lower(s.data[i + n]) == (uint8_t)part[n])
            n++;
        if (n == len)
            return true;
    }
    return false;
}

static uint32_t lookup(const named_type *types, size_t count, weir_slice name)
{
    for (size_t i = 0; i < count; i++)
        if (weir_slice_eq_nocase(name, types[i].name))
            return types[i].oid;
    return 0;
}

/* The words before "(10,2)", without spaces at either end. */
static weir_slice base_name(weir_slice s)
{
    size_t n = 0;
    while (n < s.len && s.data[n] != '(')
        n++;
    s = weir_slice_head(s, n);
    while (s.len > 0 && s.data[0] == ' ')
        s = weir_slice_skip(s, 1);
    while (s.len > 0 && s.data[s.len - 1] == ' ')
        s = weir_slice_head(s, s.len - 1);
    return s;
}

/* "pg_int(26)": of the catalogue's own tables (face.h). */
static uint32_t catalogue_oid(const char *declared)
{
    const char *open = strchr(declared, '(');
    unsigned long oid = open ? strtoul(open + 1, NULL, 10) : 0;
    return oid <= UINT32_MAX && oid > 0 ? (uint32_t)oid : WEIR_OID_TEXT;
}

/* "varchar(10)[]", as rewrite_ddl.c writes it. */
static bool is_array(weir_slice name)
{
    return name.len > 2 && name.data[name.len - 2] == '[' && name.data[name.len - 1] == ']';
}

uint32_t weir_compat_declared_oid(const char *declared)
{
    weir_slice name = base_name(weir_slice_cstr(declared));
    if (name.len == 0)
        return 0;
    unsigned long type = strncmp(declared, "TEXT(", 5) == 0 ? strtoul(declared + 5, NULL, 10) : 0;
    if (type <= UINT32_MAX && enum_is_oid((uint32_t)type))
        return (uint32_t)type;
    if (is_array(weir_slice_cstr(declared))) {
        name = weir_slice_head(name, strcspn(declared, "(["));
        bool four = weir_slice_eq_nocase(name, "integer");
        uint32_t array = weir_compat_array_oid(four ? WEIR_OID_INT4 : weir_compat_named_oid(name));
        return array ? array : weir_compat_array_oid(WEIR_OID_TEXT);
    }
    if (weir_slice_eq_cstr(name, "pg_int") || weir_slice_eq_cstr(name, "pg_text") ||
        weir_slice_eq_cstr(name, "pg_real"))
        return catalogue_oid(declared);
    uint32_t oid = lookup(declared_names, sizeof(declared_names) / sizeof(declared_names[0]), name);
    if (oid != 0)
        return oid;
    for (size_t i = 0; i < sizeof(declared_parts) / sizeof(declared_parts[0]); i++)
        if (contains_nocase(name, declared_parts[i].name))
            return declared_parts[i].oid;
    return WEIR_OID_NUMERIC;
}

uint32_t weir_compat_named_oid(weir_slice name)
{
    name = base_name(name);
    uint32_t oid = lookup(cast_names, sizeof(cast_names) / sizeof(cast_names[0]), name);
    if (oid == 0)
        oid = lookup(declared_names, sizeof(declared_names) / sizeof(declared_names[0]), name);
    for (size_t i = 0; oid == 0 && i < sizeof(declared_parts) / sizeof(declared_parts[0]); i++)
        if (contains_nocase(name, declared_parts[i].name))
            oid = declared_parts[i].oid;
    return oid;
}

int16_t weir_compat_oid_size(uint32_t oid)
{
    switch (oid) {
    case WEIR_OID_BOOL:
    case WEIR_OID_CHAR:
        return 1;
    case WEIR_OID_INT2:
        return 2;
    case WEIR_OID_INT4:
    case WEIR_OID_OID:
    case WEIR_OID_FLOAT4:
    case WEIR_OID_DATE:
        return 4;
    case WEIR_OID_INT8:
    case WEIR_OID_FLOAT8:
    case WEIR_OID_TIME:
    case WEIR_OID_TIMESTAMP:
    case WEIR_OID_TIMESTAMPTZ:
        return 8;
    case WEIR_OID_UUID:
    case WEIR_OID_INTERVAL:
        return 16;
    case WEIR_OID_NAME:
        return 64;
    default:
        return enum_is_oid(oid) ? 4 : -1;
    }
}

/* {1,-2,NULL}: nothing else is in an array of integers. */
static bool holds_integers(weir_slice text)
{
    bool digits = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        digits |= digit;
        if (!digit && !strchr("{},-NUL", c))
            return false;
    }
    return digits;
}

uint32_t weir_compat_widen_array(uint32_t oid, const weir_compat_value *seen)
{
    uint32_t integers = weir_compat_array_oid(WEIR_OID_INT8);
    uint32_t texts = weir_compat_array_oid(WEIR_OID_TEXT);
    if (seen->type == WEIR_COMPAT_NULL || oid == texts)
        return oid;
    bool numbers = seen->type == WEIR_COMPAT_TEXT && holds_integers(seen->bytes);
    bool nothing = seen->bytes.len <= 2; /* {} is of any type */
    return numbers ? integers : nothing && oid ? oid : texts;
}

/* int8 below float8 below text; bytes and anything else meet in text. */
uint32_t weir_compat_widen(uint32_t oid, weir_compat_class seen)
{
    static const uint32_t natural[] = {
        [WEIR_COMPAT_NULL] = 0,
        [WEIR_COMPAT_INTEGER] = WEIR_OID_INT8,
        [WEIR_COMPAT_REAL] = WEIR_OID_FLOAT8,
        [WEIR_COMPAT_TEXT] = WEIR_OID_TEXT,
        [WEIR_COMPAT_BLOB] = WEIR_OID_BYTEA,
    };
    uint32_t other = natural[seen];
    if (other == 0 || oid == other)
        return oid;
    if (oid == 0)
        return other;
    bool numbers = (oid == WEIR_OID_INT8 || oid == WEIR_OID_FLOAT8) &&
                   (other == WEIR_OID_INT8 || other == WEIR_OID_FLOAT8);
    return numbers ? WEIR_OID_FLOAT8 : WEIR_OID_TEXT;
}
