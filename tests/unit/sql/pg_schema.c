/* A schema that is a table in this file. Functions and operators are believed by their names. */
#include "pg_schema.h"
#include "base/ascii.h"

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

struct weir_schema {
    int unused;
};

static const weir_schema_column plain[] = {
    {S("id"), WEIR_KEY_PG_INTEGER, 23, true}, {S("aid"), WEIR_KEY_PG_INTEGER, 20, true},
    {S("k"), WEIR_KEY_PG_INTEGER, 23, true},  {S("u"), WEIR_KEY_PG_UUID, 2950, true},
    {S("b"), WEIR_KEY_PG_BOOL, 16, true},     {S("d"), WEIR_KEY_PG_DATE, 1082, true},
    {S("s"), WEIR_KEY_PG_TEXT, 25, true},     {S("ts"), WEIR_KEY_NONE, 1114, true},
    {S("n"), WEIR_KEY_NONE, 1700, true}};
static const weir_schema_column mixed[] = {{S("Id"), WEIR_KEY_PG_INTEGER, 23, true},
                                           {S("id"), WEIR_KEY_PG_INTEGER, 23, true}};
static const weir_schema_column camel[] = {{S("Id"), WEIR_KEY_PG_INTEGER, 23, true},
                                           {S("userName"), WEIR_KEY_PG_TEXT, 1043, true}};
static const weir_schema_column odd[] = {{S("id"), WEIR_KEY_PG_INTEGER, 23, true},
                                         {S("o"), WEIR_KEY_NONE, 99999, false}};
static const uint32_t v_reads[] = {0, 1}, leaf_above[] = {11}, root_below[] = {12},
                      parent_cascades[] = {14}, v_cascades[] = {0, 1};

enum { PLAIN = 9 };
#define PLAIN_TABLE(in, of)                                                                        \
    .schema = S(in), .name = S(of), .full = S(in "." of), .words = "", .columns = plain,           \
    .column_count = PLAIN

static const weir_schema_relation relations[] = {
    {.oid = 1, PLAIN_TABLE("public", "a")},
    {.oid = 2, PLAIN_TABLE("public", "b")},
    {.oid = 3, PLAIN_TABLE("public", "c")},
    {.oid = 4, PLAIN_TABLE("app", "a")},
    {.oid = 5, PLAIN_TABLE("app", "only")},
    {.oid = 6,
     .schema = S("public"),
     .name = S("Mixed"),
     .full = S("public.Mixed"),
     .words = "",
     .columns = mixed,
     .column_count = 2},
    {.oid = 7,
     .kind = WEIR_SCHEMA_VIEW,
     PLAIN_TABLE("public", "v"),
     .reads = v_reads,
     .read_count = 2,
     .cascades = v_cascades,
     .cascade_count = 2,
     .update_count = 2},
    {.oid = 8, PLAIN_TABLE("public", "secret"), .flaw = WEIR_SCHEMA_POLICIES},
    {.oid = 9, PLAIN_TABLE("public", "log"), .flaw = WEIR_SCHEMA_NO_IDENTITY},
    {.oid = 10,
     .schema = S("public"),
     .name = S("odd"),
     .full = S("public.odd"),
     .words = "",
     .columns = odd,
     .column_count = 2},
    {.oid = 11,
     .kind = WEIR_SCHEMA_OTHER,
     .flaw = WEIR_SCHEMA_SYSTEM,
     PLAIN_TABLE("pg_catalog", "pg_class")},
    {.oid = 12,
     .kind = WEIR_SCHEMA_PARTITIONED,
     PLAIN_TABLE("public", "root"),
     .cascades = root_below,
     .cascade_count = 1,
     .update_count = 1,
     .has_descendants = true},
    {.oid = 13, PLAIN_TABLE("public", "leaf"), .ancestors = leaf_above, .ancestor_count = 1},
    {.oid = 14,
     PLAIN_TABLE("public", "parent"),
     .cascades = parent_cascades,
     .cascade_count = 1,
     .update_count = 1},
    {.oid = 15, PLAIN_TABLE("public", "child")},
    {.oid = 16, PLAIN_TABLE("public", "fired"), .unknown_writes = true},
    {.oid = 18, PLAIN_TABLE("public", "stamped"), .alters = true},
    {.oid = 19, PLAIN_TABLE("public", "tree"), .comes_back = true, .update_comes_back = true},
    {.oid = 17,
     .schema = S("public"),
     .name = S("Camel"),
     .full = S("public.Camel"),
     .words = "",
     .columns = camel,
     .column_count = 2},
};
#define COUNT (sizeof(relations) / sizeof(relations[0]))

const weir_schema *pg_schema(void)
{
    static const weir_schema schema = {0};
    return &schema;
}

uint64_t weir_schema_fingerprint(const weir_schema *s)
{
    (void)s;
    return 7;
}

uint64_t weir_schema_role(const weir_schema *s, weir_slice role)
{
    (void)s;
    return role.len;
}

uint32_t weir_schema_count(const weir_schema *s)
{
    (void)s;
    return COUNT;
}

const weir_schema_relation *weir_schema_at(const weir_schema *s, uint32_t at)
{
    (void)s;
    return &relations[at];
}

const weir_schema_relation *weir_schema_find(const weir_schema *s, weir_slice schema,
                                             weir_slice name)
{
    (void)s;
    for (size_t i = 0; i < COUNT; i++) {
        if (weir_slice_eq(relations[i].schema, schema) && weir_slice_eq(relations[i].name, name))
            return &relations[i];
    }
    return NULL;
}

static bool is_one_of(weir_slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_slice_eq_cstr(name, list[i]))
            return true;
    }
    return false;
}

weir_trust weir_schema_function(const weir_schema *s, weir_slice schema, weir_slice name)
{
    static const char *const steady[] = {"count",  "lower",  "sum",        "max",
                                         "date",   "upper",  "row_number", "generate_series",
                                         "unnest", "length", "jsonb_each", "like_escape"};
    static const char *const settings[] = {"to_char", "date_trunc", "extract"};
    (void)s;
    if (schema.len > 0 && !weir_slice_eq_cstr(schema, "pg_catalog"))
        return WEIR_TRUST_NONE;
    if (is_one_of(name, steady, sizeof(steady) / sizeof(steady[0])))
        return WEIR_TRUST_STEADY;
    if (is_one_of(name, settings, sizeof(settings) / sizeof(settings[0])))
        return WEIR_TRUST_SETTINGS;
    return weir_slice_eq_cstr(name, "random") || weir_slice_eq_cstr(name, "now")
               ? WEIR_TRUST_VOLATILE
               : WEIR_TRUST_NONE;
}

weir_trust weir_schema_operator(const weir_schema *s, weir_slice name)
{
    (void)s;
    return weir_slice_eq_cstr(name, "===") ? WEIR_TRUST_NONE : WEIR_TRUST_STEADY;
}

weir_trust weir_schema_type(const weir_schema *s, weir_slice schema, weir_slice name)
{
    (void)s;
    (void)schema;
    return weir_slice_eq_cstr(name, "theirs") ? WEIR_TRUST_NONE : WEIR_TRUST_SETTINGS;
}

bool weir_schema_equality_is_builtin(const weir_schema *s)
{
    (void)s;
    return true;
}

bool weir_schema_has_foreign_casts(const weir_schema *s)
{
    (void)s;
    return false;
}

const char *weir_schema_partial(const weir_schema *s)
{
    (void)s;
    return "";
}
