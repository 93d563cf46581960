/* How far functions, operators and types are believed: those of pg_catalog and of extensions that
 * are listed here, by their own volatility; of users none, whatever they say of themselves (DESIGN
 * section 4, notes/cache-rule-proofs.md 38).
 *
 * A name is as good as the worst that it may mean. What takes an argument of a type that nothing
 * believed has is left out: an answer that is kept has no value of such a type. */
#include "catalog/schema_internal.h"

#define DOMAINS_MAX 32u /* one over the other */
#define TYPES_DEEP 32u
#define TIMETZ_OID 1266u

typedef struct listed_extension {
    const char *name;
    weir_trust stable; /* what a function is that it calls stable */
} listed_extension;

/* pg_trgm's stable functions look at its own settings alone. */
static const listed_extension extensions[] = {
    {"btree_gin", WEIR_TRUST_VOLATILE},     {"btree_gist", WEIR_TRUST_VOLATILE},
    {"citext", WEIR_TRUST_VOLATILE},        {"cube", WEIR_TRUST_VOLATILE},
    {"earthdistance", WEIR_TRUST_VOLATILE}, {"fuzzystrmatch", WEIR_TRUST_VOLATILE},
    {"hstore", WEIR_TRUST_VOLATILE},        {"intarray", WEIR_TRUST_VOLATILE},
    {"ltree", WEIR_TRUST_VOLATILE},         {"pg_trgm", WEIR_TRUST_SETTINGS},
    {"pgcrypto", WEIR_TRUST_VOLATILE},      {"seg", WEIR_TRUST_VOLATILE},
    {"unaccent", WEIR_TRUST_VOLATILE},      {"uuid-ossp", WEIR_TRUST_VOLATILE},
    {"vector", WEIR_TRUST_VOLATILE},
};

/* Of pg_catalog: called stable, and the same for the same as long as the session's settings and the
 * schema are. Every function of the name is so (PostgreSQL 13 to 17). Not jsonb_path_…_tz, where a
 * time of day gets today's offset. In order. */
static const char *const by_settings[] = {
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "date",
    "date_cmp_timestamptz",
    "date_eq_timestamptz",
    "date_ge_timestamptz",
    "date_gt_timestamptz",
    "date_le_timestamptz",
    "date_lt_timestamptz",
    "date_ne_timestamptz",
    "date_part",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "in_range",
    "interval_pl_timestamptz",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "textanycat",
    "time",
    "timestamp",
    "timestamp_cmp_timestamptz",
    "timestamp_eq_timestamptz",
    "timestamp_ge_timestamptz",
    "timestamp_gt_timestamptz",
    "timestamp_le_timestamptz",
    "timestamp_lt_timestamptz",
    "timestamp_ne_timestamptz",
    "timestamptz",
    "timestamptz_cmp_date",
    "timestamptz_cmp_timestamp",
    "timestamptz_eq_date",
    "timestamptz_eq_timestamp",
    "timestamptz_ge_date",
    "timestamptz_ge_timestamp",
    "timestamptz_gt_date",
    "timestamptz_gt_timestamp",
    "timestamptz_le_date",
    "timestamptz_le_timestamp",
    "timestamptz_lt_date",
    "timestamptz_lt_timestamp",
    "timestamptz_mi_interval",
    "timestamptz_ne_date",
    "timestamptz_ne_timestamp",
    "timestamptz_pl_interval",
    "timetz",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
};

/* Of pg_catalog: what they print is in their bytes, given settings that are in an answer's
 * identity. Not the types that print other objects' names (regclass, …), nor money. In order. */
static const char *const plain_types[] = {
    "bit",           "bool",   "box",       "bpchar",      "bytea",  "char",    "cid",
    "cidr",          "circle", "date",      "float4",      "float8", "inet",    "int2",
    "int2vector",    "int4",   "int8",      "interval",    "json",   "jsonb",   "jsonpath",
    "line",          "lseg",   "macaddr",   "macaddr8",    "name",   "numeric", "oid",
    "oidvector",     "path",   "pg_lsn",    "pg_snapshot", "point",  "polygon", "text",
    "tid",           "time",   "timestamp", "timestamptz", "timetz", "tsquery", "tsvector",
    "txid_snapshot", "uuid",   "varbit",    "varchar",     "xid",    "xid8",    "xml",
};

/* ---- tables ---- */

static const listed_extension *find_extension(weir_slice name)
{
    for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++)
        if (weir_slice_eq_cstr(name, extensions[i].name))
            return &extensions[i];
    return NULL;
}

bool weir_schema_lists_extension(weir_slice name)
{
    return find_extension(name) != NULL;
}

static bool is_pg_catalog(uint32_t oid, weir_slice schema)
{
    return weir_schema_is_builtin(oid) && weir_slice_eq_cstr(schema, "pg_catalog");
}

/* ---- types ---- */

static schema_type *find_type(const weir_schema_builder *b, uint32_t oid)
{
    return weir_schema_first(&b->types, sizeof(schema_type), oid);
}

static bool believes(weir_schema_builder *b, uint32_t oid, unsigned depth);

/* All columns of a composite type. */
static bool believes_row(weir_schema_builder *b, uint32_t relation, unsigned depth)
{
    const schema_column *c = weir_schema_first(&b->columns, sizeof(*c), relation);
    const schema_column *end = (const schema_column *)b->columns.items + b->columns.count;
    bool good = c != NULL;
    for (; good && c < end && c->relation == relation; c++)
        good = believes(b, c->fact.type, depth);
    return good;
}

static bool judge_type(weir_schema_builder *b, const weir_schema_type_fact *f, unsigned depth)
{
    switch (f->kind) {
    case 'e':
        return true;
    case 'd':
    case 'r':
        return believes(b, f->of, depth);
    case 'c':
        return believes_row(b, f->of, depth);
    case 'm': /* the server's own, of its own ranges */
        return is_pg_catalog(f->oid, f->schema);
    case 'b':
        if (f->category == 'A' && f->of != 0)
            return believes(b, f->of, depth);
        return is_pg_catalog(f->oid, f->schema)
                   ? weir_schema_is_listed(plain_types, sizeof(plain_types) / sizeof(*plain_types),
                                           f->name)
                   : find_extension(f->extension) != NULL;
    default:
        return false;
    }
}

/* A type that is made of itself, or too deep, is not believed; nor is one that is made of timetz:
 * what a text means for it depends on the day, where its zone has summer time (timetz itself is
 * seen to where it is read). */
static bool believes(weir_schema_builder *b, uint32_t oid, unsigned depth)
{
    schema_type *t = find_type(b, oid);
    if (!t || depth >= TYPES_DEEP || t->believed == '.' || (depth > 0 && oid == TIMETZ_OID))
        return false;
    if (t->believed == '?') {
        t->believed = '.';
        t->believed = judge_type(b, &t->fact, depth + 1) ? 'y' : 'n';
    }
    return t->believed == 'y';
}

bool weir_schema_believes_type(weir_schema_builder *b, uint32_t oid)
{
    return believes(b, oid, 0);
}

/* What a domain is over; anything else is itself. */
static uint32_t base_of(const weir_schema_builder *b, uint32_t oid)
{
    for (unsigned i = 0; i < DOMAINS_MAX; i++) {
        const schema_type *t = find_type(b, oid);
        if (!t || t->fact.kind != 'd')
            return oid;
        oid = t->fact.of;
    }
    return 0;
}

weir_key_type weir_schema_key_of(const weir_schema_builder *b, const weir_schema_column_fact *f)
{
    static const struct {
        const char *name;
        weir_key_type key;
    } keys[] = {{"int4", WEIR_KEY_PG_INTEGER}, {"int8", WEIR_KEY_PG_INTEGER},
                {"int2", WEIR_KEY_PG_INTEGER}, {"uuid", WEIR_KEY_PG_UUID},
                {"bool", WEIR_KEY_PG_BOOL},    {"date", WEIR_KEY_PG_DATE},
                {"text", WEIR_KEY_PG_TEXT},    {"varchar", WEIR_KEY_PG_TEXT}};
    const schema_type *t = find_type(b, base_of(b, f->type));
    if (!t || f->generated || !is_pg_catalog(t->oid, t->fact.schema))
        return WEIR_KEY_NONE;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (weir_slice_eq_cstr(t->fact.name, keys[i].name))
            return keys[i].key == WEIR_KEY_PG_TEXT && (!b->utf8 || !f->deterministic)
                       ? WEIR_KEY_NONE
                       : keys[i].key;
    return WEIR_KEY_NONE;
}

/* Of a cast to it: a domain's checks are anybody's. */
static weir_trust trust_of_type(weir_schema_builder *b, const weir_schema_type_fact *f)
{
    const weir_schema_type_fact *at = f;
    for (unsigned i = 0; at->kind == 'd'; i++) {
        const schema_type *under = i < DOMAINS_MAX ? find_type(b, at->of) : NULL;
        if (at->checks || !under)
            return WEIR_TRUST_NONE;
        at = &under->fact;
    }
    return believes(b, f->oid, 0) ? WEIR_TRUST_SETTINGS : WEIR_TRUST_NONE;
}

/* No value of the type is in an answer that is kept, and no literal is taken for one. */
static bool is_out_of_reach(weir_schema_builder *b, uint32_t oid)
{
    const schema_type *t = find_type(b, oid);
    return t && !weir_schema_is_builtin(oid) && t->fact.kind != 'p' && t->fact.category != 'S' &&
           !believes(b, oid, 0);
}

/* ---- functions ---- */

static weir_trust trust_of_function(const weir_schema_function_fact *f)
{
    bool own = is_pg_catalog(f->oid, f->schema);
    const listed_extension *e = own ? NULL : find_extension(f->extension);
    if (!own && !e)
        return WEIR_TRUST_NONE;
    if (f->volatility == 'i')
        return WEIR_TRUST_STEADY;
    if (f->volatility != 's')
        return WEIR_TRUST_VOLATILE;
    if (e)
        return e->stable;
    return weir_schema_is_listed(by_settings, sizeof(by_settings) / sizeof(*by_settings), f->name)
               ? WEIR_TRUST_SETTINGS
               : WEIR_TRUST_VOLATILE;
}

/* One of its arguments must be of a type that is out of reach. */
static bool is_function_out_of_reach(weir_schema_builder *b, weir_slice arguments)
{
    for (size_t i = 0; i < arguments.len;) {
        uint64_t oid = 0;
        for (; i < arguments.len && arguments.data[i] != ' '; i++)
            oid = 10 * (oid & 0xFFFFFFFF) + (arguments.data[i] - '0');
        i++;
        if (oid <= UINT32_MAX && is_out_of_reach(b, (uint32_t)oid))
            return true;
    }
    return false;
}

/* ---- operators ---- */

/* `=` of the server's own types, given by somebody else. */
static bool takes_equality(const weir_schema_builder *b, const weir_schema_operator_fact *f)
{
    return !weir_schema_is_builtin(f->oid) && weir_slice_eq_cstr(f->name, "=") &&
           weir_schema_is_builtin(base_of(b, f->left)) &&
           weir_schema_is_builtin(base_of(b, f->right));
}

static weir_trust trust_of_operator(const weir_schema_builder *b,
                                    const weir_schema_operator_fact *f)
{
    const schema_function *p = weir_schema_function_of(b, f->function);
    return p ? p->trust : WEIR_TRUST_NONE;
}

/* ---- names ---- */

/* The name may mean something that is trusted so far. */
static void tell_name(weir_schema *s, schema_name_kind kind, weir_slice schema, weir_slice name,
                      weir_trust trust)
{
    uint64_t hash = weir_schema_hash_name(kind, schema, name);
    schema_name *slot = hash ? weir_schema_name_slot(s, hash) : NULL;
    if (!slot)
        return;
    if (slot->hash == 0)
        *slot = (schema_name){.hash = hash, .trust = trust};
    else if (trust > slot->trust)
        slot->trust = trust;
}

static int make_names(weir_schema_builder *b, weir_schema *s)
{
    size_t most = 2 * ((size_t)b->functions.count + b->types.count) + b->operators.count +
                  b->namespaces.count;
    for (s->name_cap = 16; s->name_cap < 2 * most;)
        s->name_cap *= 2;
    s->names = calloc(s->name_cap, sizeof(*s->names));
    return s->names ? 0 : -ENOMEM;
}

static void tell_functions(weir_schema_builder *b, weir_schema *s)
{
    schema_function *p = b->functions.items;
    for (uint32_t i = 0; i < b->functions.count; i++) {
        p[i].trust = trust_of_function(&p[i].fact);
        if (p[i].trust == WEIR_TRUST_NONE && is_function_out_of_reach(b, p[i].fact.arguments))
            continue;
        tell_name(s, SCHEMA_NAME_FUNCTION, (weir_slice){0}, p[i].fact.name, p[i].trust);
        tell_name(s, SCHEMA_NAME_FUNCTION, p[i].fact.schema, p[i].fact.name, p[i].trust);
    }
}

static void tell_operators(weir_schema_builder *b, weir_schema *s)
{
    schema_operator *o = b->operators.items;
    s->equality = true;
    for (uint32_t i = 0; i < b->operators.count; i++) {
        const weir_schema_operator_fact *f = &o[i].fact;
        o[i].trust = trust_of_operator(b, f);
        if (takes_equality(b, f))
            s->equality = false;
        if (o[i].trust == WEIR_TRUST_NONE &&
            (is_out_of_reach(b, f->left) || is_out_of_reach(b, f->right)))
            continue;
        tell_name(s, SCHEMA_NAME_OPERATOR, (weir_slice){0}, f->name, o[i].trust);
    }
}

static void tell_types(weir_schema_builder *b, weir_schema *s)
{
    const schema_type *t = b->types.items;
    for (uint32_t i = 0; i < b->types.count; i++) {
        weir_trust trust = trust_of_type(b, &t[i].fact);
        tell_name(s, SCHEMA_NAME_TYPE, (weir_slice){0}, t[i].fact.name, trust);
        tell_name(s, SCHEMA_NAME_TYPE, t[i].fact.schema, t[i].fact.name, trust);
    }
}

static void tell_casts(weir_schema_builder *b, weir_schema *s)
{
    const schema_cast *casts = b->casts.items;
    for (uint32_t i = 0; i < b->casts.count; i++) {
        const schema_function *p = weir_schema_function_of(b, casts[i].function);
        if ((!p || p->trust > WEIR_TRUST_SETTINGS) && !is_out_of_reach(b, casts[i].source) &&
            !is_out_of_reach(b, casts[i].target))
            s->foreign_casts = true;
    }
}

int weir_schema_judge(weir_schema_builder *b, weir_schema *s)
{
    weir_schema_sort_pairs(&b->columns, sizeof(schema_column));
    weir_schema_sort(&b->types, sizeof(schema_type));
    weir_schema_sort(&b->functions, sizeof(schema_function));
    weir_schema_sort(&b->operators, sizeof(schema_operator));
    int r = make_names(b, s);
    if (r < 0)
        return r;
    tell_functions(b, s);
    tell_operators(b, s);
    tell_types(b, s);
    tell_casts(b, s);
    const weir_slice *namespaces = b->namespaces.items;
    for (uint32_t i = 0; i < b->namespaces.count; i++)
        tell_name(s, SCHEMA_NAME_NAMESPACE, (weir_slice){0}, namespaces[i], WEIR_TRUST_STEADY);
    return 0;
}
