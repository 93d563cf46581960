/* PostgreSQL's functions over values that the catalogue's readers use: types by name and number,
 * quoting, and pieces of the texts in sqlite_schema. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "compat/array.h"
#include "compat/pattern.h"
#include "compat/run.h"
#include "compat/token.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- types ---- */

typedef struct type_name {
    uint32_t oid, array;
    const char *name;  /* pg_type.typname */
    const char *words; /* as format_type has it; NULL: the same */
} type_name;

static const type_name type_names[] = {
    {16, 1000, "bool", "boolean"},
    {17, 1001, "bytea", NULL},
    {18, 1002, "char", "\"char\""},
    {19, 1003, "name", NULL},
    {20, 1016, "int8", "bigint"},
    {21, 1005, "int2", "smallint"},
    {22, 1006, "int2vector", NULL},
    {23, 1007, "int4", "integer"},
    {25, 1009, "text", NULL},
    {26, 1028, "oid", NULL},
    {30, 1013, "oidvector", NULL},
    {114, 199, "json", NULL},
    {194, 0, "pg_node_tree", NULL},
    {700, 1021, "float4", "real"},
    {701, 1022, "float8", "double precision"},
    {869, 1041, "inet", NULL},
    {1042, 1014, "bpchar", "character"},
    {1043, 1015, "varchar", "character varying"},
    {1082, 1182, "date", NULL},
    {1083, 1183, "time", "time without time zone"},
    {1114, 1115, "timestamp", "timestamp without time zone"},
    {1184, 1185, "timestamptz", "timestamp with time zone"},
    {1186, 1187, "interval", NULL},
    {1266, 1270, "timetz", "time with time zone"},
    {1700, 1231, "numeric", NULL},
    {2205, 2210, "regclass", NULL},
    {2206, 2211, "regtype", NULL},
    {2249, 2287, "record", NULL},
    {2278, 0, "void", NULL},
    {2950, 2951, "uuid", NULL},
    {3802, 3807, "jsonb", NULL},
    {4089, 4090, "regnamespace", NULL},
};

#define TYPES (sizeof(type_names) / sizeof(type_names[0]))

static int put_modifier(weir_buf *out, uint32_t oid, int64_t modifier)
{
    if (modifier < 4)
        return 0;
    if (oid == WEIR_OID_VARCHAR || oid == WEIR_OID_BPCHAR)
        return weir_buf_printf(out, "(%lld)", (long long)modifier - 4);
    if (oid == WEIR_OID_NUMERIC)
        return weir_buf_printf(out, "(%lld,%lld)", (long long)(modifier - 4) >> 16,
                               (long long)(modifier - 4) & 65535);
    return 0;
}

static int format_type(RUN_ARGS)
{
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_INTEGER)
        return 0;
    int64_t modifier = args[1].type == WEIR_VALUE_INTEGER ? args[1].u.integer : -1;
    int r = weir_buf_append(out, WEIR_SLICE_LIT("???"));
    for (size_t i = 0; r == 0 && i < TYPES; i++) {
        const type_name *t = &type_names[i];
        bool array = t->array != 0 && t->array == args[0].u.integer;
        if (t->oid != args[0].u.integer && !array)
            continue;
        weir_buf_clear(out);
        r = weir_buf_append(out, weir_slice_cstr(t->words ? t->words : t->name));
        if (r == 0)
            r = put_modifier(out, t->oid, modifier);
        if (r == 0 && array)
            r = weir_buf_append(out, WEIR_SLICE_LIT("[]"));
        break;
    }
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* weir_type_oid('int4'), …('character varying'), …('pg_catalog.int4'), …('text[]') */
static int type_oid(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    weir_slice s = run_bytes_of(&args[0]);
    weir_slice schema = WEIR_SLICE_LIT("pg_catalog.");
    if (s.len > schema.len && weir_slice_eq(weir_slice_head(s, schema.len), schema))
        s = weir_slice_skip(s, schema.len);
    bool array = s.len > 2 && memcmp(s.data + s.len - 2, "[]", 2) == 0;
    if (array)
        s.len -= 2;
    for (size_t i = 0; i < TYPES; i++) {
        const type_name *t = &type_names[i];
        if (weir_slice_eq_nocase(s, t->name) || (t->words && weir_slice_eq_nocase(s, t->words))) {
            run_give_integer(ret, array ? t->array : t->oid);
            return 0;
        }
        if (s.len > 1 && s.data[0] == '_' && t->array != 0 &&
            weir_slice_eq_cstr(weir_slice_skip(s, 1), t->name)) {
            run_give_integer(ret, t->array);
            return 0;
        }
    }
    return 0;
}

static void copy_declared(const weir_value *v, char *out, size_t size)
{
    weir_slice s = run_bytes_of(v);
    size_t len = s.len < size - 1 ? s.len : size - 1;
    if (len > 0)
        memcpy(out, s.data, len);
    out[len] = '\0';
}

/* The type that a column's values are announced as. Nothing declared: text, as a view's column. */
static int column_type(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    char declared[128];
    copy_declared(&args[0], declared, sizeof(declared));
    uint32_t oid = weir_compat_declared_oid(declared);
    run_give_integer(ret, oid ? oid : WEIR_OID_TEXT);
    return 0;
}

static int column_modifier(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    char declared[128];
    copy_declared(&args[0], declared, sizeof(declared));
    uint32_t oid = weir_compat_declared_oid(declared);
    const char *open = strchr(declared, '(');
    char *end = NULL;
    unsigned long a = open ? strtoul(open + 1, &end, 10) : 0;
    unsigned long b = end && *end == ',' ? strtoul(end + 1, NULL, 10) : 0;
    bool sized = oid == WEIR_OID_VARCHAR || oid == WEIR_OID_BPCHAR;
    int64_t modifier = -1;
    if (a > 0 && a < 10485760 && sized)
        modifier = (int64_t)a + 4;
    else if (a > 0 && oid == WEIR_OID_NUMERIC && a <= 1000 && b <= 1000)
        modifier = (int64_t)(a << 16 | b) + 4;
    run_give_integer(ret, modifier);
    return 0;
}

static int default_text(RUN_ARGS)
{
    (void)count, (void)err;
    weir_slice s = run_bytes_of(&args[0]);
    *ret = args[0];
    if (weir_slice_eq_cstr(s, WEIR_NOW_WORDS))
        run_give_text(ret, WEIR_SLICE_LIT("now()"));
    else if (weir_slice_eq_cstr(s, WEIR_UUID_WORDS))
        run_give_text(ret, WEIR_SLICE_LIT("gen_random_uuid()"));
    weir_slice inside = s;
    if (s.len == 0 || !weir_token_accept(&inside, "nextval") || s.data[s.len - 1] != ')')
        return 0;
    int r = weir_buf_append(out, weir_slice_head(s, s.len - 1));
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT("::regclass)"));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int type_size(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    run_give_integer(ret, args[0].type == WEIR_VALUE_INTEGER
                              ? weir_compat_oid_size((uint32_t)args[0].u.integer)
                              : -1);
    return 0;
}

/* Clients compare with 'pg_class'::regclass. */
static int catalog_oid(RUN_ARGS)
{
    static const struct {
        const char *name;
        int oid;
    } known[] = {
        {"pg_type", 1247},           {"pg_attribute", 1249},  {"pg_proc", 1255},
        {"pg_class", 1259},          {"pg_authid", 1260},     {"pg_database", 1262},
        {"pg_attrdef", 2604},        {"pg_constraint", 2606}, {"pg_description", 2609},
        {"pg_index", 2610},          {"pg_namespace", 2615},  {"pg_trigger", 2620},
        {"pg_extension", 3079},      {"pg_collation", 3456},  {"pg_enum", 3501},
        {"pg_foreign_server", 1417},
    };
    (void)count, (void)out, (void)err;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (weir_slice_eq_nocase(run_bytes_of(&args[0]), known[i].name))
            run_give_integer(ret, known[i].oid);
    return 0;
}

/* ---- names ---- */

static bool plain_name(weir_slice s)
{
    bool plain = s.len > 0 && (s.data[0] == '_' || (s.data[0] >= 'a' && s.data[0] <= 'z'));
    for (size_t i = 0; plain && i < s.len; i++) {
        uint8_t c = s.data[i];
        plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    return plain;
}

static int quote_ident(RUN_ARGS)
{
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    weir_slice s = args[0].u.bytes;
    run_give_text(ret, s);
    if (plain_name(s) && !weir_compat_is_reserved(s))
        return 0;
    int r = weir_token_put_quoted(out, s, '"');
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int quote_literal(RUN_ARGS)
{
    (void)count, (void)err;
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    weir_slice s = args[0].u.bytes;
    bool escapes = memchr(s.data, '\\', s.len) != NULL;
    int r = weir_buf_append(out, weir_slice_cstr(escapes ? "E'" : "'"));
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] == '\'' || s.data[i] == '\\')
            r = weir_buf_append_u8(out, s.data[i]);
        if (r == 0)
            r = weir_buf_append_u8(out, s.data[i]);
    }
    if (r == 0)
        r = weir_buf_append_u8(out, '\'');
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* 'public.t', 't', '"T"': the last name. */
static int relation_name(RUN_ARGS)
{
    (void)count, (void)err;
    char name[256];
    weir_slice rest = run_bytes_of(&args[0]);
    weir_token t = weir_token_next(&rest);
    while (weir_token_accept(&rest, "."))
        t = weir_token_next(&rest);
    weir_compat_name_fold(t.text, name, sizeof(name));
    int r = weir_buf_append(out, weir_slice_cstr(name));
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

/* ---- texts of the schema ---- */

/* Behind the first such word that is not inside parentheses. */
static weir_slice behind(weir_slice text, const char *word)
{
    unsigned depth = 0;
    for (weir_token t; (t = weir_token_next(&text)).kind != WEIR_TOKEN_END;) {
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") && depth > 0 ? 1u : 0u;
        if (depth == 0 && weir_token_is(t, word))
            break;
    }
    while (text.len > 0 && weir_ascii_is_space(text.data[0]))
        text = weir_slice_skip(text, 1);
    return text;
}

/* Of a partial index. */
static int predicate(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    run_give_text(ret, behind(run_bytes_of(&args[0]), "where"));
    return 0;
}

/* weir_index_item(sql, n): the expression in the index's nth place, from 0, without COLLATE, ASC
 * and DESC behind it. */
static int index_item(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    static const char *const ends[] = {"collate", "asc", "desc"};
    weir_slice rest = run_bytes_of(&args[0]), items, item = {0};
    for (weir_token t = weir_token_next(&rest); !weir_token_is(t, "("); t = weir_token_next(&rest))
        if (t.kind == WEIR_TOKEN_END)
            return 0;
    (void)weir_token_take_parentheses(&rest, &items);
    for (int64_t n = args[1].u.integer; n >= 0; n--)
        item = weir_token_take_item(&items);
    const uint8_t *end = item.data;
    weir_slice left = item;
    for (weir_token t; (t = weir_token_next(&left)).kind != WEIR_TOKEN_END;) {
        if (end != item.data && weir_token_is_one_of(t, ends))
            break;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&left, NULL);
        end = left.data;
    }
    run_give_text(ret, weir_slice_make(item.data, (size_t)(end - item.data)));
    return 0;
}

static int view_body(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    run_give_text(ret, behind(run_bytes_of(&args[0]), "as"));
    return 0;
}

/* ---- others ---- */

static int encoding_name(RUN_ARGS)
{
    (void)args, (void)count, (void)out, (void)err;
    run_give_text(ret, WEIR_SLICE_LIT("UTF8"));
    return 0;
}

/* weir_fail(state, words): a check of our own found a row. */
static int fail(RUN_ARGS)
{
    (void)count, (void)out, (void)ret;
    char state[6] = "XX000";
    weir_slice s = run_bytes_of(&args[0]), words = run_bytes_of(&args[1]);
    if (s.len == 5)
        memcpy(state, s.data, 5);
    weir_error_set(err, state, "weir: %.*s", WEIR_UTF8_QUOTED(words, 300));
    return WEIR_COMPAT_REFUSED;
}

/* weir_field('(x,n)', 'x' or 'n') */
static int field(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    weir_slice row = run_bytes_of(&args[0]), name = run_bytes_of(&args[1]);
    size_t comma = 0;
    while (comma < row.len && row.data[comma] != ',')
        comma++;
    if (row.len < 5 || comma == row.len)
        return 0;
    weir_slice x = weir_slice_make(row.data + 1, comma - 1);
    weir_slice n = weir_slice_make(row.data + comma + 1, row.len - comma - 2);
    int64_t number;
    weir_slice s = weir_slice_eq_cstr(name, "x") ? x : n;
    if (weir_number_integer(s, &number))
        run_give_integer(ret, number);
    else
        run_give_text(ret, s);
    return 0;
}

static int size_pretty(RUN_ARGS)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    (void)count, (void)err;
    size_t unit = 0;
    if (args[0].type != WEIR_VALUE_INTEGER)
        return 0;
    int64_t n = args[0].u.integer;
    for (; unit < 4 && (n >= 10240 || n <= -10240); unit++)
        n = (n + 512) / 1024;
    int r = weir_buf_printf(out, "%lld %s", (long long)n, units[unit]);
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int regexp(const weir_value *args, bool fold, weir_value *ret, weir_error *err)
{
    bool found = false;
    if (args[0].type != WEIR_VALUE_TEXT || args[1].type == WEIR_VALUE_NULL)
        return 0;
    if (args[1].type != WEIR_VALUE_TEXT) {
        weir_error_set(err, "42883", "weir: a regular expression is matched with texts only");
        return WEIR_COMPAT_REFUSED;
    }
    int r = weir_pattern_match(args[0].u.bytes, args[1].u.bytes, fold, &found, err);
    if (r == 0)
        run_give_integer(ret, found);
    return r;
}

/* a REGEXP b is regexp(b, a) */
static int regexp_case(RUN_ARGS)
{
    (void)count, (void)out;
    return regexp(args, false, ret, err);
}

static int regexp_fold(RUN_ARGS)
{
    (void)count, (void)out;
    return regexp(args, true, ret, err);
}

int weir_json_string(weir_buf *out, weir_slice s)
{
    int r = weir_buf_append_u8(out, '"');
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '"' || c == '\\')
            r = weir_buf_append_u8(out, '\\');
        if (r == 0)
            r = c < ' ' ? weir_buf_printf(out, "\\u%04x", c) : weir_buf_append_u8(out, c);
    }
    return r == 0 ? weir_buf_append_u8(out, '"') : r;
}

const weir_face_function weir_face_values[] = {
    {.name = "weir_format_type", .args = 2, .pure = true, .call = format_type},
    {.name = "weir_type_oid", .args = 1, .pure = true, .call = type_oid},
    {.name = "weir_column_type", .args = 1, .pure = true, .call = column_type},
    {.name = "weir_column_modifier", .args = 1, .pure = true, .call = column_modifier},
    {.name = "weir_default_text", .args = 1, .pure = true, .call = default_text},
    {.name = "weir_type_size", .args = 1, .pure = true, .call = type_size},
    {.name = "weir_catalog_oid", .args = 1, .pure = true, .call = catalog_oid},
    {.name = "weir_relation_name", .args = 1, .pure = true, .call = relation_name},
    {.name = "quote_ident", .args = 1, .pure = true, .call = quote_ident},
    {.name = "quote_literal", .args = 1, .pure = true, .call = quote_literal},
    {.name = "weir_predicate", .args = 1, .pure = true, .call = predicate},
    {.name = "weir_index_item", .args = 2, .pure = true, .call = index_item},
    {.name = "weir_view_body", .args = 1, .pure = true, .call = view_body},
    {.name = "pg_encoding_to_char", .args = 1, .pure = true, .call = encoding_name},
    {.name = "getdatabaseencoding", .args = 0, .pure = true, .call = encoding_name},
    {.name = "weir_fail", .args = 2, .call = fail},
    {.name = "weir_field", .args = 2, .pure = true, .call = field},
    {.name = "pg_size_pretty", .args = 1, .pure = true, .call = size_pretty},
    {.name = "regexp", .args = 2, .pure = true, .call = regexp_case},
    {.name = "weir_regexp_fold", .args = 2, .pure = true, .call = regexp_fold},
    {.name = NULL},
};
