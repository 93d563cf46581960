/* Which tables are PostgreSQL's: those that are made here with nothing but its own words. Their
 * text is marked in the schema, and what PostgreSQL refuses of their types is refused
 * (docs/decisions/0013-whose-table-it-is.md). SQLite's own tables are asked as they always were. */
#include "compat/rewriter.h"

static bool is_type(weir_token t)
{
    static const char *const names[] = {
        "smallint", "int2",      "integer",     "int",       "int4",        "bigint", "int8",
        "serial",   "serial4",   "serial8",     "bigserial", "smallserial", "real",   "float4",
        "double",   "float8",    "float",       "numeric",   "decimal",     "text",   "varchar",
        "char",     "character", "bpchar",      "boolean",   "bool",        "date",   "time",
        "timetz",   "timestamp", "timestamptz", "interval",  "uuid",        "inet",   "json",
        "jsonb",    "bytea",     "oid",         "name"};
    return t.kind == WEIR_TOKEN_WORD && weir_token_is_one_of(t, names);
}

static bool goes_on(weir_token t)
{
    static const char *const words[] = {"precision", "varying", "with", "without", "time", "zone"};
    return weir_token_is_one_of(t, words);
}

bool rewriter_take_array(weir_token first, weir_slice *rest, weir_slice *ret_element)
{
    weir_slice after = *rest;
    const uint8_t *end = first.text.data + first.text.len;
    if (first.kind != WEIR_TOKEN_WORD)
        return false;
    while (goes_on(weir_token_peek(after))) {
        weir_slice word = weir_token_next(&after).text;
        end = word.data + word.len;
    }
    if (weir_token_accept(&after, "(")) {
        (void)weir_token_take_parentheses(&after, NULL);
        end = after.data;
    }
    bool array = weir_token_accept(&after, "array");
    while (weir_token_accept(&after, "[")) {
        if (weir_token_peek(after).kind == WEIR_TOKEN_NUMBER)
            (void)weir_token_next(&after);
        if (!weir_token_accept(&after, "]"))
            return false;
        array = true;
    }
    *ret_element = weir_slice_make(first.text.data, (size_t)(end - first.text.data));
    if (array)
        *rest = after;
    return array;
}

/* The next of texts that end with a zero byte each. */
static weir_slice take_text(weir_slice *texts)
{
    size_t len = strnlen((const char *)texts->data, texts->len);
    weir_slice text = weir_slice_head(*texts, len);
    *texts = weir_slice_skip(*texts, len < texts->len ? len + 1 : len);
    return text;
}

weir_slice rewriter_enum(const rewriter *w, weir_token t, weir_slice *rest)
{
    weir_slice after = *rest, enums = w->context->enums;
    char name[256];
    if (enums.len == 0 || (t.kind != WEIR_TOKEN_WORD && t.kind != WEIR_TOKEN_QUOTED))
        return (weir_slice){0};
    if (weir_token_is(t, "public") && weir_token_accept(&after, "."))
        t = weir_token_next(&after);
    weir_compat_name_fold(t.text, name, sizeof(name));
    while (enums.len > 0) {
        weir_slice each = take_text(&enums), oid = take_text(&enums);
        if (weir_slice_eq_cstr(each, name)) {
            *rest = after;
            return oid;
        }
    }
    return (weir_slice){0};
}

/* Neither PostgreSQL's nor among those that SQLite's own tables often have. */
static bool is_unknown(weir_token t)
{
    static const char *const others[] = {
        "blob",  "clob",    "string",     "datetime",  "tinyint",  "mediumint",  "nvarchar",
        "nchar", "number",  "any",        "native",    "unsigned", "primary",    "not",
        "null",  "unique",  "check",      "default",   "collate",  "references", "generated",
        "as",    "varying", "constraint", "oidvector", "regclass"};
    bool name = t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
    return name && !is_type(t) && !weir_token_is_one_of(t, others);
}

bool rewriter_names_types(weir_slice items)
{
    static const char *const constraints[] = {"constraint", "primary", "unique", "check",
                                              "foreign",    "exclude", "like"};
    while (items.len > 0) {
        weir_slice item = weir_token_take_item(&items);
        weir_token first = weir_token_next(&item);
        if (!weir_token_is_one_of(first, constraints) && is_unknown(weir_token_peek(item)))
            return true;
    }
    return false;
}

/* A constraint of the table, or a column with a type and nothing of SQLite's own. */
static bool is_item(const rewriter *w, weir_slice item)
{
    static const char *const constraints[] = {"constraint", "primary", "unique", "check",
                                              "foreign"};
    static const char *const own[] = {"autoincrement", "nocase",   "rtrim",
                                      "binary",        "conflict", "virtual"};
    weir_token first = weir_token_next(&item), last = weir_token_peek(item);
    if (!weir_token_is_one_of(first, constraints)) {
        weir_slice after = item, element;
        weir_slice behind = item;
        if (!is_type(last) && rewriter_enum(w, weir_token_next(&behind), &behind).len > 0)
            item = behind;
        else if (!is_type(last))
            return false;
        else if (rewriter_take_array(weir_token_next(&after), &after, &element))
            item = after;
    }
    for (weir_token t; (t = weir_token_next(&item)).kind != WEIR_TOKEN_END; last = t) {
        bool made = weir_token_is(t, "as") && !weir_token_is(last, "always") &&
                    !weir_token_is(last, "default");
        bool quotes = weir_token_is(t, "[") && !weir_token_is(last, "array");
        if (weir_token_is_one_of(t, own) || made || quotes)
            return false;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&item, NULL);
    }
    return true;
}

bool rewriter_is_postgres_table(const rewriter *w, weir_slice rest)
{
    weir_slice items;
    while (weir_token_peek(rest).kind != WEIR_TOKEN_END && !weir_token_accept(&rest, "("))
        if (weir_token_is(weir_token_next(&rest), "as"))
            return false;
    if (!weir_token_take_parentheses(&rest, &items))
        return false;
    while (items.len > 0)
        if (!is_item(w, weir_token_take_item(&items)))
            return false;
    (void)weir_token_accept(&rest, ";");
    return weir_token_peek(rest).kind == WEIR_TOKEN_END; /* not WITHOUT ROWID, STRICT */
}
