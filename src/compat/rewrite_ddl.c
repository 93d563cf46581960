/* CREATE, ALTER and DROP as PostgreSQL has them: columns that count by themselves, defaults that
 * are expressions, what an index says of its method, CASCADE; and TRUNCATE. */
#include "compat/rewriter.h"
#include <stdio.h>

/* ---- columns that count by themselves ---- */

/* In what is left of a column's definition. */
static bool column_says(weir_slice rest, const char *first, const char *second)
{
    for (;;) {
        if (weir_token_accept2(&rest, first, second))
            return true;
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END || weir_token_is(t, ",") || weir_token_is(t, ")"))
            return false;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&rest, NULL);
    }
}

static bool same_name(weir_slice a, weir_slice b)
{
    char x[64], y[64];
    weir_compat_name_fold(a, x, sizeof(x));
    weir_compat_name_fold(b, y, sizeof(y));
    return strcmp(x, y) == 0;
}

/* … or by a table constraint: PRIMARY KEY (name) alone makes a column of type INTEGER the rowid. */
static bool is_sole_key(weir_slice rest, weir_slice column)
{
    if (column_says(rest, "primary", "key"))
        return true;
    while (weir_token_peek(rest).kind != WEIR_TOKEN_END) {
        if (!weir_token_accept2(&rest, "primary", "key")) {
            (void)weir_token_next(&rest);
            continue;
        }
        return weir_token_accept(&rest, "(") && same_name(weir_token_next(&rest).text, column) &&
               weir_token_accept(&rest, ")");
    }
    return false;
}

/* An INTEGER PRIMARY KEY is SQLite's row number, of 64 bits; the comment says that the
 * column is an int4 to PostgreSQL's clients (backend/sqlite/typing.c reads it). */
static int put_key(rewriter *w, bool wide)
{
    return rewriter_written(rewriter_put(w, wide ? "INTEGER" : "INTEGER /* int4 */"));
}

static bool is_wide(weir_token type)
{
    return weir_token_is(type, "bigserial") || weir_token_is(type, "serial8") ||
           weir_token_is(type, "bigint") || weir_token_is(type, "int8");
}

static int put_counter(rewriter *w, weir_token type)
{
    bool key = is_sole_key(w->rest, w->last.text);
    int r = rewriter_counter(w, type, key, column_says(w->rest, "not", "null"));
    return r != 0 ? r : put_key(w, is_wide(type));
}

/* Their size is the type's name: INTEGER alone is of 64 bits here. 1: written. */
static int put_integer(rewriter *w, weir_token t)
{
    bool four = weir_token_is(t, "integer") || weir_token_is(t, "int") || weir_token_is(t, "int4");
    bool two = weir_token_is(t, "smallint") || weir_token_is(t, "int2");
    if (!four)
        return two ? rewriter_written(rewriter_put(w, "INT2")) : 0;
    return is_sole_key(w->rest, w->last.text) ? put_key(w, false)
                                              : rewriter_written(rewriter_put(w, "INT4"));
}

static bool is_integer(weir_token t)
{
    static const char *const names[] = {"integer", "int",  "bigint", "smallint",
                                        "int2",    "int4", "int8"};
    return weir_token_is_one_of(t, names);
}

/* GENERATED … AS IDENTITY, from its second word on. */
static bool take_identity(weir_slice *rest)
{
    bool always;
    weir_slice options;
    return rewriter_take_identity(rest, &always, &options);
}

static bool is_serial(weir_token t)
{
    static const char *const names[] = {"serial",  "serial4",     "bigserial",
                                        "serial8", "smallserial", "serial2"};
    return weir_token_is_one_of(t, names);
}

static bool has_identity(weir_slice rest)
{
    for (;;) {
        if (weir_token_accept(&rest, "generated"))
            return take_identity(&rest);
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END || weir_token_is(t, ",") || weir_token_is(t, ")"))
            return false;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&rest, NULL);
    }
}

/* ---- DEFAULT expression: SQLite wants parentheses around all but a literal ---- */

static bool ends_part(weir_token t)
{
    static const char *const words[] = {"not",   "null",      "constraint", "unique",  "primary",
                                        "check", "on",        "references", "collate", ",",
                                        ")",     "generated", "deferrable", "default"};
    return weir_token_is_one_of(t, words) || t.kind == WEIR_TOKEN_END;
}

static int put_default(rewriter *w)
{
    weir_slice rest = w->rest;
    size_t count = 0, brackets = 0;
    weir_token first = weir_token_peek(rest), t;
    bool wrapped = weir_token_is(first, "(");
    const uint8_t *end = first.text.data;
    while (count == 0 || brackets > 0 || !ends_part(weir_token_peek(rest))) {
        t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END)
            break;
        brackets += weir_token_is(t, "[") ? 1u : 0u;
        brackets -= weir_token_is(t, "]") && brackets > 0 ? 1u : 0u;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&rest, NULL);
        end = rest.data;
        count++;
    }
    bool literal =
        count == 1 || (count == 2 && (weir_token_is(first, "-") || weir_token_is(first, "+")));
    int r = rewriter_put(w, "DEFAULT ");
    if (r < 0 || literal || wrapped)
        return rewriter_written(r); /* CURRENT_TIMESTAMP is a literal, too */
    r = rewriter_put(w, "(");
    if (r == 0)
        r = rewriter_nested(w, weir_slice_make(first.text.data, (size_t)(end - first.text.data)));
    rewriter_skip(w, rest);
    return r == 0 ? rewriter_written(rewriter_put(w, ")")) : r;
}

/* ---- others ---- */

/* SQLite has no brackets in a type, but names with any character in quotes. 1: written. */
static int put_array(rewriter *w, weir_token t)
{
    weir_slice after = w->rest, element;
    if (w->depth > 1 || !rewriter_take_array(t, &after, &element) ||
        !ends_part(weir_token_peek(after)))
        return 0;
    rewriter_skip(w, after);
    return rewriter_written(
        weir_buf_printf(w->out, " \"%.*s[]\"", (int)element.len, (const char *)element.data));
}

/* 1: it was an enum, and is written as its columns are declared. */
static int put_enum(rewriter *w, weir_token t)
{
    weir_slice after = w->rest, oid = {0};
    if (w->depth <= 1 && !weir_token_is(w->last, "constraint"))
        oid = rewriter_enum(w, t, &after);
    if (oid.len == 0)
        return 0;
    if (weir_token_is(weir_token_peek(after), "[") ||
        weir_token_is(weir_token_peek(after), "array"))
        return rewriter_refuse(w, "an array of an enum", "Use text[].");
    rewriter_skip(w, after);
    return rewriter_written(
        weir_buf_printf(w->out, "TEXT(%.*s)", (int)oid.len, (const char *)oid.data));
}

static int put_table_word(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    int r = 0;
    bool name = w->last.kind == WEIR_TOKEN_WORD || w->last.kind == WEIR_TOKEN_QUOTED;
    if (name && (r = put_enum(w, t)) != 0)
        return r;
    if (is_serial(t))
        return name ? put_counter(w, t) : 0;
    if (name && (r = put_array(w, t)) != 0)
        return r;
    if (is_integer(t) && name && has_identity(after))
        return put_counter(w, t);
    if (w->sizes && is_integer(t) && name)
        return put_integer(w, t);
    if ((r = rewriter_column_type(w, t)) != 0)
        return r;
    if (weir_token_is(t, "generated") && take_identity(&after)) {
        rewriter_skip(w, after);
        return 1;
    }
    if (weir_token_is(t, "default") && !weir_token_is(w->last, "set") &&
        !weir_token_is(w->last, "drop") && !weir_token_is(w->last, "by"))
        return put_default(w);
    return 0;
}

int rewriter_ddl_word(rewriter *w, weir_token t)
{
    switch ((rewriter_ddl)w->ddl) {
    case REWRITER_NO_DDL:
        return 0;
    case REWRITER_TABLE:
        return put_table_word(w, t);
    case REWRITER_INDEX:
        return rewriter_index_word(w, t);
    case REWRITER_DROP:
        if (weir_token_is(t, "cascade") || weir_token_is(t, "restrict") ||
            weir_token_is(t, "concurrently"))
            return 1;
        return 0;
    }
    return 0;
}

/* Statements that SQLite has no equal of. */
static int refused(rewriter *w, weir_token first, weir_slice rest)
{
    static const char *const nouns[] = {
        "schema", "extension", "sequence",  "function",    "domain",   "procedure",
        "role",   "user",      "database",  "publication", "policy",   "materialized",
        "rule",   "operator",  "aggregate", "cast",        "collation"};
    char what[48];
    if (weir_token_accept(&rest, "or"))
        (void)weir_token_accept(&rest, "replace");
    weir_token noun = weir_token_peek(rest);
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
        if (!weir_token_is(noun, nouns[i]))
            continue;
        snprintf(what, sizeof(what), "this statement (%.*s %s)", (int)first.text.len,
                 (const char *)first.text.data, nouns[i]);
        return rewriter_refuse(w, what, "docs/sqlite.md lists what is.");
    }
    return 0;
}

/* TRUNCATE [TABLE] [ONLY] t [RESTART IDENTITY] [CASCADE | RESTRICT]: SQLite's DELETE without WHERE
 * is as quick. Numbers go on from the largest, which is the beginning if the table is empty. */
static int put_truncate(rewriter *w, weir_slice rest)
{
    (void)weir_token_accept(&rest, "table");
    (void)weir_token_accept(&rest, "only");
    (void)weir_token_accept2(&rest, "public", ".");
    weir_token name = weir_token_next(&rest);
    if (!weir_token_accept2(&rest, "restart", "identity"))
        (void)weir_token_accept2(&rest, "continue", "identity");
    if (!weir_token_accept(&rest, "cascade"))
        (void)weir_token_accept(&rest, "restrict");
    if (weir_token_is(weir_token_peek(rest), ","))
        return rewriter_refuse(w, "TRUNCATE of several tables", "Name them one by one.");
    if (weir_token_peek(rest).kind != WEIR_TOKEN_END)
        return 0; /* SQLite says what is wrong */
    int r = rewriter_put(w, "DELETE FROM ");
    if (r == 0)
        r = weir_buf_append(w->out, name.text);
    rewriter_skip(w, rest);
    return r;
}

int rewriter_begin(rewriter *w)
{
    weir_slice rest = w->rest;
    weir_token first = weir_token_next(&rest);
    bool create = weir_token_is(first, "create"), drop = weir_token_is(first, "drop");
    bool alter = weir_token_is(first, "alter");
    if (weir_token_is(first, "truncate"))
        return put_truncate(w, rest);
    if (!create && !drop && !alter)
        return 0;
    w->stored = create || alter;
    int r = refused(w, first, rest);
    if (r < 0)
        return r;
    (void)weir_token_accept(&rest, "unlogged");
    bool index = weir_token_accept(&rest, "index") || weir_token_accept2(&rest, "unique", "index");
    bool table = !index && weir_token_accept(&rest, "table");
    w->ddl = drop              ? REWRITER_DROP
             : create && index ? REWRITER_INDEX
             : table           ? REWRITER_TABLE
                               : REWRITER_NO_DDL;
    weir_slice named = rest;
    if (weir_token_accept2(&named, "if", "not") || weir_token_accept2(&named, "if", "exists"))
        (void)weir_token_accept(&named, "exists");
    (void)weir_token_accept(&named, "only");
    do
        w->table = weir_token_next(&named).text;
    while (weir_token_accept(&named, "."));
    w->marks = create && table && rewriter_is_postgres_table(w, rest);
    w->sizes = w->marks || alter;
    return 0;
}
