/* Names of types: as SQLite's schema is to have them, and those of PostgreSQL's that have no values
 * here, which are refused wherever they are named. (A name that PostgreSQL does not know either is
 * SQLite's own way of declaring a column, and stays.) */
#include "compat/rewriter.h"

#include <stdio.h>

#define HINT "Use text, or another type of docs/sqlite-types.md."

int rewriter_refuse_type(rewriter *w, weir_token type)
{
    static const char *const names[] = {
        "cidr",           "macaddr",        "macaddr8",      "money",
        "point",          "line",           "lseg",          "box",
        "path",           "polygon",        "circle",        "bit",
        "varbit",         "tsvector",       "tsquery",       "xml",
        "jsonpath",       "int4range",      "int8range",     "numrange",
        "tsrange",        "tstzrange",      "daterange",     "timetz",
        "pg_lsn",         "hstore",         "citext",        "ltree",
        "int4multirange", "int8multirange", "nummultirange", "tsmultirange",
        "tstzmultirange", "datemultirange"};
    char what[48];
    if (!weir_token_is_one_of(type, names))
        return 0;
    snprintf(what, sizeof(what), "the type %.*s", (int)type.text.len, (const char *)type.text.data);
    return rewriter_refuse(w, what, HINT);
}

/* The name before this one is a column's. */
static bool is_columns_type(const rewriter *w)
{
    static const char *const before[] = {"(", ",", "add", "column", "exists"};
    bool name = w->last.kind == WEIR_TOKEN_WORD || w->last.kind == WEIR_TOKEN_QUOTED;
    return name && w->depth <= 1 && weir_token_is_one_of(w->before_last, before);
}

static bool is_zoned_time(weir_slice rest)
{
    if (weir_token_accept(&rest, "("))
        (void)weir_token_take_parentheses(&rest, NULL);
    return weir_token_is(weir_token_peek(rest), "with");
}

/* timestamp(3) with time zone: SQLite wants the parentheses at the end. 1: written. */
static int put_moment(rewriter *w, weir_token t)
{
    weir_slice rest = w->rest, digits;
    if (!weir_token_accept(&rest, "(") || !weir_token_take_parentheses(&rest, &digits))
        return 0;
    bool with = weir_token_accept(&rest, "with");
    if ((!with && !weir_token_accept(&rest, "without")) || !weir_token_accept(&rest, "time") ||
        !weir_token_accept(&rest, "zone"))
        return 0;
    int r = weir_buf_printf(w->out, "%.*s%s(%.*s)", (int)t.text.len, (const char *)t.text.data,
                            with ? "tz" : "", (int)digits.len, (const char *)digits.data);
    rewriter_skip(w, rest);
    return rewriter_written(r);
}

/* Types whose own names would have SQLite round what is stored, or make numbers of it. */
static int put_stored(rewriter *w, weir_token t)
{
    static const struct {
        const char *name, *stored;
    } types[] = {{"json", "JSON TEXT"},
                 {"jsonb", "JSONB TEXT"},
                 {"name", "NAME TEXT"},
                 {"real", "FLOAT4"},
                 {"float4", "FLOAT4"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (weir_token_is(t, types[i].name))
            return rewriter_written(rewriter_put(w, types[i].stored));
    return 0;
}

int rewriter_column_type(rewriter *w, weir_token t)
{
    if (!is_columns_type(w))
        return 0;
    int r = rewriter_refuse_type(w, t);
    if (r == 0 && weir_token_is(t, "time"))
        r = is_zoned_time(w->rest) ? rewriter_refuse(w, "the type time with time zone", HINT)
                                   : put_moment(w, t);
    if (r == 0 && weir_token_is(t, "timestamp"))
        r = put_moment(w, t);
    return r == 0 && w->sizes ? put_stored(w, t) : r;
}
