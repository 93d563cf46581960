/* COMMENT ON: rows of a table of Weir's own, weir_comments, by the names of what they are about, as
 * pg_description shows them (pg_comments.c). They follow ALTER … RENAME and go with their object:
 * whatever drops something deletes the comments on what is no longer there. */
#include "compat/alter_internal.h"

#define WHERE_ANY WEIR_FACE_WHERE "weir_comments */ "

static const char table[] = "CREATE TABLE IF NOT EXISTS weir_comments (kind TEXT NOT NULL, tbl "
                            "TEXT NOT NULL, name TEXT NOT "
                            "NULL, words TEXT NOT NULL, PRIMARY KEY (kind, tbl, name));\n";

/* What it is about; of a relation, `kinds` are those of pg_class. */
typedef struct noun {
    const char *word, *kind, *kinds;
} noun;

static const noun nouns[] = {
    {"table", "relation", "r"},    {"view", "relation", "v"},  {"index", "relation", "i"},
    {"sequence", "relation", "S"}, {"column", "column", NULL}, {"constraint", "constraint", NULL},
    {"trigger", "trigger", NULL},  {"type", "type", NULL},     {"schema", "schema", NULL}};

typedef struct comment {
    const noun *of;
    char table[256], name[256];
    weir_slice words; /* a literal; empty: NULL */
} comment;

/* [schema.]a[.b]: the last name to `ret`, and the one before to `before`, if there is one. */
static bool take_names(weir_slice *rest, char *before, char *ret, size_t size)
{
    weir_token last = weir_token_next(rest), earlier = {0};
    while (weir_token_accept(rest, ".")) {
        earlier = last;
        last = weir_token_next(rest);
    }
    before[0] = '\0';
    if (earlier.text.len > 0)
        weir_compat_name_fold(earlier.text, before, size);
    weir_compat_name_fold(last.text, ret, size);
    return last.kind == WEIR_TOKEN_WORD || last.kind == WEIR_TOKEN_QUOTED;
}

static bool take_object(weir_slice *rest, comment *c)
{
    char schema[256];
    bool on = strcmp(c->of->kind, "constraint") == 0 || strcmp(c->of->kind, "trigger") == 0;
    if (strcmp(c->of->kind, "column") == 0)
        return take_names(rest, c->table, c->name, sizeof(c->name)) && c->table[0] != '\0';
    if (!take_names(rest, schema, c->name, sizeof(c->name)))
        return false;
    return !on ||
           (weir_token_accept(rest, "on") && take_names(rest, schema, c->table, sizeof(c->table)));
}

static int read_comment(const alter *a, weir_slice rest, comment *c)
{
    if (!weir_token_accept(&rest, "comment") || !weir_token_accept(&rest, "on"))
        return alter_syntax(a, "COMMENT");
    weir_token what = weir_token_next(&rest);
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
        if (weir_token_is(what, nouns[i].word))
            c->of = &nouns[i];
    if (!c->of)
        return alter_refuse(a, "a comment on this kind of object",
                            "Tables, columns, views, indexes, sequences, constraints, triggers, "
                            "types and schemas have comments.");
    if (!take_object(&rest, c) || !weir_token_accept(&rest, "is"))
        return alter_syntax(a, "COMMENT");
    weir_token words = weir_token_next(&rest);
    if (words.kind == WEIR_TOKEN_STRING)
        c->words = words.text;
    else if (!weir_token_is(words, "null"))
        return alter_syntax(a, "COMMENT");
    (void)weir_token_accept(&rest, ";");
    return weir_token_peek(rest).kind == WEIR_TOKEN_END ? 0 : alter_syntax(a, "COMMENT");
}

/* Fails unless the query behind has a row. */
static int put_missing(const alter *a, const char *state, const char *words)
{
    int r = alter_fail_begin(a, state, weir_slice_cstr(words));
    return r == 0 ? alter_put(a, "(SELECT 1) WHERE NOT EXISTS (SELECT 1 FROM ") : r;
}

static int put_relation_check(const alter *a, const comment *c)
{
    const weir_slice name = weir_slice_cstr(c->name), kinds = weir_slice_cstr(c->of->kinds);
    int r = put_missing(a, "42P01", "relation does not exist");
    if (r == 0)
        r = alter_put(a, "pg_class WHERE relname = %l);\n", &name);
    if (r == 0)
        r = put_missing(a, "42809", "the relation is of another kind");
    return r == 0 ? alter_put(a, "pg_class WHERE relname = %l AND relkind = %l);\n", &name, &kinds)
                  : r;
}

static int put_member_check(const alter *a, const comment *c)
{
    const weir_slice name = weir_slice_cstr(c->name), of = weir_slice_cstr(c->table);
    int r = put_missing(a, "42P01", "relation does not exist");
    if (r == 0)
        r = alter_put(a, "pg_class WHERE relname = %l);\n", &of);
    if (r == 0 && c->of->kind[2] == 'l')
        r = put_missing(a, "42703", "column of this relation does not exist");
    else if (r == 0)
        r = put_missing(a, "42704", "there is none of that name for this table");
    if (r == 0)
        r = alter_put(a,
                      c->of->kind[2] == 'l'
                          ? "pg_attribute WHERE attnum > 0 AND attname = %l AND attrelid = "
                      : c->of->kind[0] == 'c' ? "pg_constraint WHERE conname = %l AND conrelid = "
                                              : "pg_trigger WHERE tgname = %l AND tgrelid = ",
                      &name);
    return r == 0 ? alter_put(a, "(SELECT oid FROM pg_class WHERE relname = %l));\n", &of) : r;
}

static int put_check(const alter *a, const comment *c)
{
    const weir_slice name = weir_slice_cstr(c->name);
    if (c->of->kinds)
        return put_relation_check(a, c);
    if (c->table[0] != '\0')
        return put_member_check(a, c);
    bool schema = strcmp(c->of->kind, "schema") == 0;
    int r = put_missing(a, schema ? "3F000" : "42704",
                        schema ? "schema does not exist" : "type does not exist");
    return r == 0 ? alter_put(a,
                              schema ? "pg_namespace WHERE nspname = %l);\n"
                                     : "pg_type WHERE typname = %l);\n",
                              &name)
                  : r;
}

int weir_comment_plan(weir_slice text, weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    comment c = {0};
    int r = read_comment(&a, text, &c);
    const weir_slice name = weir_slice_cstr(c.name), of = weir_slice_cstr(c.table);
    if (r != 0)
        return r;
    const weir_slice kind = weir_slice_cstr(c.of->kind);
    r = put_check(&a, &c);
    if (r == 0)
        r = alter_put(&a, table);
    if (r == 0)
        r = alter_put(&a, "DELETE FROM weir_comments WHERE kind = %l AND tbl = %l AND name = %l;\n",
                      &kind, &of, &name);
    if (r != 0 || c.words.len <= 2) /* '' is none */
        return r;
    return alter_put(&a, "INSERT INTO weir_comments VALUES (%l, %l, %l, %x);\n", &kind, &of, &name,
                     &c.words);
}

/* ---- what happens to what they are about ---- */

int alter_purge_comments(const alter *a)
{
    return alter_put(
        a, WHERE_ANY
        "DELETE FROM weir_comments AS w WHERE CASE kind WHEN 'relation' THEN name NOT IN (SELECT "
        "relname FROM pg_class) WHEN 'column' THEN NOT EXISTS (SELECT 1 FROM pg_class AS c CROSS "
        "JOIN pg_attribute AS x WHERE c.relname = w.tbl AND x.attrelid = c.oid AND x.attname = "
        "w.name) WHEN 'constraint' THEN NOT EXISTS (SELECT 1 FROM pg_class AS c CROSS JOIN "
        "pg_constraint AS x WHERE c.relname = w.tbl AND x.conrelid = c.oid AND x.conname = w.name) "
        "WHEN 'trigger' THEN NOT EXISTS (SELECT 1 FROM pg_trigger AS x WHERE x.tgname = w.name) "
        "WHEN 'type' THEN name NOT IN (SELECT typname FROM pg_type) ELSE 0 END;\n");
}

int alter_rename_comments(const alter *a, const char *kind, weir_slice from, weir_slice to)
{
    char old[256], new[256];
    weir_compat_name_fold(from, old, sizeof(old));
    weir_compat_name_fold(to, new, sizeof(new));
    const weir_slice was = weir_slice_cstr(old), is = weir_slice_cstr(new);
    const weir_slice of = weir_slice_cstr(kind);
    if (strchr(old, '\n') || strchr(new, '\n') ||
        (a->facts && a->facts->name.len > 0 &&
         memchr(a->facts->name.data, '\n', a->facts->name.len)))
        return 0; /* such a line may be left out only as a whole */
    if (strcmp(kind, "relation") != 0)
        return alter_put(a,
                         WHERE_ANY "UPDATE weir_comments SET name = %l WHERE kind = %l AND tbl = "
                                   "%l AND name = %l;\n",
                         &is, &of, &a->facts->name, &was);
    int r = alter_put(a,
                      WHERE_ANY "UPDATE weir_comments SET name = %l WHERE kind = 'relation' AND "
                                "name = %l;\n",
                      &is, &was);
    return r == 0 ? alter_put(a, WHERE_ANY "UPDATE weir_comments SET tbl = %l WHERE tbl = %l;\n",
                              &is, &was)
                  : r;
}
