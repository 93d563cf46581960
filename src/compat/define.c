/* CREATE TABLE with columns that draw from sequences of their own, and DROP, as scripts: what is a
 * table's comes and goes with it. The translation of a CREATE TABLE ends with the CREATE
 * SEQUENCEs that it needs (rewrite_serial.c). */
#include "compat/alter_internal.h"
#include <stdio.h>

int alter_sequences(const alter *a, weir_slice definitions, const char *guard)
{
    int r = 0;
    while (r == 0 && definitions.len > 0) {
        weir_slice one = weir_compat_split(definitions, &definitions);
        if (one.len > 0)
            r = alter_create_sequence(a, one, guard);
    }
    return r;
}

/* IF NOT EXISTS: with a table that is there already, nothing is made. */
static int create(const alter *a, weir_slice text, weir_slice table, weir_slice definitions)
{
    char name[256], guard[320] = "";
    bool quietly = weir_token_accept2(&table, "if", "not") && weir_token_accept(&table, "exists");
    if (!alter_take_name(&table, name, sizeof(name)))
        return alter_syntax(a, "CREATE TABLE");
    if (quietly && strpbrk(name, "\n*"))
        return alter_refuse(a, "such a name with IF NOT EXISTS", NULL);
    if (quietly)
        (void)snprintf(guard, sizeof(guard), WEIR_FACE_UNLESS "%s */ ", name);
    int r = alter_sequences(a, definitions, guard);
    return r == 0 ? alter_put(a, "%x;\n", &text) : r;
}

static int drop(const alter *a, weir_slice rest)
{
    bool quietly = weir_token_accept2(&rest, "if", "exists");
    int r = 0;
    do {
        char folded[256];
        if (!alter_take_name(&rest, folded, sizeof(folded)))
            return alter_syntax(a, "DROP TABLE");
        const weir_slice name = weir_slice_cstr(folded);
        r = alter_drop_owned(a, name, (weir_slice){0});
        if (r == 0)
            r = alter_put(a, quietly ? "DROP TABLE IF EXISTS main.%n;\n" : "DROP TABLE main.%n;\n",
                          &name);
    } while (r == 0 && weir_token_accept(&rest, ","));
    return r == 0 && weir_token_peek(rest).kind != WEIR_TOKEN_END ? alter_syntax(a, "DROP TABLE")
                                                                  : r;
}

int weir_define_plan(const weir_command *c, weir_buf *out, weir_error *err)
{
    const alter a = {.out = out, .err = err};
    weir_slice definitions, text = weir_compat_split(c->value, &definitions), rest = text;
    if (weir_token_is(weir_token_peek(rest), "comment"))
        return weir_comment_plan(text, out, err);
    if (weir_token_accept(&rest, "drop")) {
        int r = weir_token_accept(&rest, "table") ? drop(&a, rest) : alter_put(&a, "%x;\n", &text);
        return r == 0 ? alter_purge_comments(&a) : r;
    }
    (void)weir_token_accept(&rest, "create");
    (void)weir_token_accept(&rest, "table");
    return create(&a, text, rest, definitions);
}
