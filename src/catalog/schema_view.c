/* What a rule's tree says: which relations it reads or writes, and whether all that it calls is to
 * be believed. The server keeps trees as text (pg_rewrite.ev_action); it was reduced to words
 * there: the kinds of nodes, and the numbers of relations, functions, operators and types.
 *
 * Kinds are on an allow-list: what a later server adds is not believed until it is known here. A
 * name in the tree could look like a word; that adds a word and hides none. */
#include "catalog/schema_internal.h"
#include <stdio.h>

#define RECORD_OID 2249u
#define UNKNOWN_OID 705u

/* Harmless in themselves, by both of the names that a node has had. Not: SQLVALUEFUNCTION
 * (CURRENT_DATE), XMLEXPR and TABLEFUNC (XMLTABLE, xmloption), TABLESAMPLECLAUSE, ROWMARKCLAUSE,
 * NEXTVALUEEXPR, COERCETODOMAIN (checks are functions), ROWCOMPARE (its operators are not named),
 * CONVERTROWTYPEEXPR, PARAM, JSON constructors. In order. */
static const char *const harmless[] = {
    "AGGREF",
    "ALIAS",
    "ARRAY",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COERCEVIAIO",
    "COLLATE",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "CTECYCLECLAUSE",
    "CTESEARCHCLAUSE",
    "DISTINCTEXPR",
    "FIELDSELECT",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "MINMAX",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLFUNCTION",
    "RANGETBLREF",
    "RELABELTYPE",
    "ROW",
    "ROWEXPR",
    "RTE",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TARGETENTRY",
    "VAR",
    "WHEN",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
};

typedef struct reading {
    weir_schema_builder *b;
    const schema_rule *rule;
    weir_items *reads;
    const char *why; /* NULL: all is to be believed so far */
    int error;
} reading;

static void refuse(reading *r, const char *before, weir_slice schema, weir_slice name,
                   const char *after)
{
    char words[512];
    if (r->why || r->error < 0)
        return;
    (void)snprintf(words, sizeof(words), "%s%.*s%s%.*s%s", before, (int)schema.len,
                   schema.len ? (const char *)schema.data : "", schema.len ? "." : "",
                   (int)name.len, (const char *)name.data, after);
    r->why = weir_arena_strdup(&r->b->kept, weir_slice_cstr(words));
    if (!r->why)
        r->error = -ENOMEM;
}

static void take_function(reading *r, uint32_t oid)
{
    const schema_function *f = weir_schema_function_of(r->b, oid);
    if (!f)
        refuse(r, "calls a function that is not known", (weir_slice){0}, WEIR_SLICE_LIT(""), "");
    else if (f->trust == WEIR_TRUST_NONE)
        refuse(r, "calls ", f->fact.schema, f->fact.name, ", whose result is not to be believed");
    else if (f->trust == WEIR_TRUST_VOLATILE)
        refuse(r, "calls ", f->fact.schema, f->fact.name, ", whose result may change by itself");
}

static void take_operator(reading *r, uint32_t oid)
{
    const schema_operator *o = weir_schema_operator_of(r->b, oid);
    if (o)
        take_function(r, o->fact.function);
    else
        refuse(r, "uses an operator that is not known", (weir_slice){0}, WEIR_SLICE_LIT(""), "");
}

static void take_type(reading *r, uint32_t oid)
{
    if (oid == RECORD_OID || oid == UNKNOWN_OID || weir_schema_believes_type(r->b, oid))
        return;
    const schema_type *t = weir_schema_first(&r->b->types, sizeof(*t), oid);
    refuse(r, "has values of the type ", t ? t->fact.schema : (weir_slice){0},
           t ? t->fact.name : WEIR_SLICE_LIT("?"), ", whose text is not to be believed");
}

static void take_relation(reading *r, uint32_t oid)
{
    void *item;
    if (oid == r->rule->relation || r->error < 0)
        return; /* OLD and NEW */
    r->error = weir_items_add(r->reads, sizeof(schema_pair), &item);
    if (r->error == 0)
        *(schema_pair *)item = (schema_pair){r->rule->relation, oid};
}

/* "relid=16384" */
static void take_number(reading *r, weir_slice field, weir_slice digits)
{
    uint64_t oid = 0;
    for (size_t i = 0; i < digits.len && oid <= UINT32_MAX; i++)
        oid = 10 * oid + (unsigned)(digits.data[i] - '0');
    if (oid == 0 || oid > UINT32_MAX)
        return;
    if (weir_slice_eq_cstr(field, "relid"))
        take_relation(r, (uint32_t)oid);
    else if (weir_slice_eq_cstr(field, "function"))
        take_function(r, (uint32_t)oid);
    else if (weir_slice_eq_cstr(field, "operator"))
        take_operator(r, (uint32_t)oid);
    else
        take_type(r, (uint32_t)oid);
}

static void take_word(reading *r, weir_slice word)
{
    const uint8_t *equals = memchr(word.data, '=', word.len);
    if (equals) {
        size_t n = (size_t)(equals - word.data);
        take_number(r, weir_slice_head(word, n), weir_slice_skip(word, n + 1));
    } else if (!weir_schema_is_listed(harmless, sizeof(harmless) / sizeof(*harmless), word)) {
        refuse(r, "has a part that may change by itself or is not known (", (weir_slice){0}, word,
               ")");
    }
}

const char *weir_schema_read_tree(weir_schema_builder *b, const schema_rule *rule,
                                  weir_items *reads, int *ret_error)
{
    reading r = {.b = b, .rule = rule, .reads = reads};
    weir_slice rest = rule->tree;
    if (rest.len == 0)
        refuse(&r, "has a tree that cannot be read", (weir_slice){0}, WEIR_SLICE_LIT(""), "");
    while (rest.len > 0) {
        const uint8_t *blank = memchr(rest.data, ' ', rest.len);
        size_t n = blank ? (size_t)(blank - rest.data) : rest.len;
        if (n > 0)
            take_word(&r, weir_slice_head(rest, n));
        rest = weir_slice_skip(rest, blank ? n + 1 : n);
    }
    *ret_error = r.error;
    return r.why;
}
