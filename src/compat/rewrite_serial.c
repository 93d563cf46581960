/* Columns that count by themselves: SERIAL and its kin, GENERATED … AS IDENTITY. The sole primary
 * key of a table is SQLite's own row number; any other one draws from a sequence of its own, whose
 * CREATE SEQUENCE comes behind the statement (define.c, gateway/local_alter.c). */
#include "compat/rewriter.h"
#include <stdio.h>

#define NAME_MAX_SIZE 63u

typedef struct counter {
    const char *type;   /* of the column, for SQLite */
    const char *bounds; /* of the sequence */
    const char *kind;   /* ALWAYS, DEFAULT or nothing */
    weir_slice options; /* of the sequence, as written */
    bool not_null;      /* it says so itself */
} counter;

bool rewriter_take_identity(weir_slice *rest, bool *ret_always, weir_slice *ret_options)
{
    weir_slice after = *rest, inside = {0};
    *ret_always = weir_token_accept(&after, "always");
    if (!*ret_always && !weir_token_accept2(&after, "by", "default"))
        return false;
    if (!weir_token_accept2(&after, "as", "identity"))
        return false;
    if (weir_token_accept(&after, "("))
        (void)weir_token_take_parentheses(&after, &inside);
    *rest = after;
    *ret_options = inside;
    return true;
}

/* In what is left of the column's definition. False: it has none. */
static bool find_identity(weir_slice rest, counter *c)
{
    bool always = false;
    for (;;) {
        if (weir_token_accept(&rest, "generated")) {
            bool found = rewriter_take_identity(&rest, &always, &c->options);
            c->kind = always ? " ALWAYS" : " DEFAULT";
            return found;
        }
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END || weir_token_is(t, ",") || weir_token_is(t, ")"))
            return false;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&rest, NULL);
    }
}

static size_t cut(size_t len, size_t most)
{
    return len < most ? len : most;
}

/* t_n_seq, where the longer of the two names gives way, as in PostgreSQL. */
static void name_sequence(weir_slice table, weir_slice column, char *ret, size_t size)
{
    char t[256], c[256];
    weir_compat_name_fold(table, t, sizeof(t));
    weir_compat_name_fold(column, c, sizeof(c));
    size_t most = NAME_MAX_SIZE - strlen("__seq"), left = strlen(t), right = strlen(c);
    if (left + right > most && left > right)
        left = cut(left, right < most / 2 ? most - right : most - most / 2);
    if (left + right > most)
        right = cut(right, most - cut(left, most));
    (void)snprintf(ret, size, "%.*s_%.*s_seq", (int)left, t, (int)right, c);
}

static int put_definition(rewriter *w, const counter *c, const char *name)
{
    const weir_slice sequence = weir_slice_cstr(name);
    int r = weir_buf_append(w->sequences, WEIR_SLICE_LIT(";\nCREATE SEQUENCE "));
    if (r == 0)
        r = weir_token_put_quoted(w->sequences, sequence, '"');
    if (r == 0)
        r = weir_buf_printf(w->sequences, " AS %s OWNED BY t.c%s %.*s", c->bounds, c->kind,
                            (int)c->options.len, (const char *)c->options.data);
    return r;
}

static int put_drawing(rewriter *w, const counter *c)
{
    char name[256];
    name_sequence(w->table, w->last.text, name, sizeof(name));
    int r = put_definition(w, c, name);
    if (r == 0)
        r = weir_buf_printf(w->out, "%s DEFAULT (nextval(", c->type);
    if (r == 0)
        r = rewriter_put_literal(w, weir_slice_cstr(name));
    if (r == 0)
        r = rewriter_put(w, c->not_null ? "))" : ")) NOT NULL");
    return r < 0 ? r : 1;
}

int rewriter_counter(rewriter *w, weir_token type, bool sole_key, bool not_null)
{
    static const struct {
        const char *name, *type, *bounds;
    } types[] = {{"bigserial", "BIGINT", "bigint"},   {"serial8", "BIGINT", "bigint"},
                 {"bigint", "BIGINT", "bigint"},      {"int8", "BIGINT", "bigint"},
                 {"smallserial", "INT2", "smallint"}, {"serial2", "INT2", "smallint"},
                 {"smallint", "INT2", "smallint"},    {"int2", "INT2", "smallint"}};
    counter c = {.type = "INT4", .bounds = "integer", .kind = "", .not_null = not_null};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!weir_token_is(type, types[i].name))
            continue;
        c.type = types[i].type;
        c.bounds = types[i].bounds;
    }
    (void)find_identity(w->rest, &c);
    if (sole_key && weir_token_peek(c.options).kind == WEIR_TOKEN_END)
        return 0;
    return put_drawing(w, &c);
}
