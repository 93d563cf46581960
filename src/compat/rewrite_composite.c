/* information_schema._pg_expandarray(array) in a select list, and the fields of its rows: (x, n),
 * an element and its number. They are the only composite values that clients ask the catalogue for
 * (pgjdbc's metadata); as a value such a row is PostgreSQL's text of it, '(x,n)'. */
#include "compat/rewriter.h"

/* The function and its arguments; false: it is something else. */
static bool take_call(weir_slice *rest, weir_slice *ret)
{
    weir_slice after = *rest;
    if (!weir_token_accept(&after, "information_schema") || !weir_token_accept(&after, "."))
        return false;
    weir_token name = weir_token_next(&after);
    if (!weir_token_is(name, "_pg_expandarray") || !weir_token_accept(&after, "(") ||
        !weir_token_take_parentheses(&after, NULL))
        return false;
    *ret = weir_slice_make(name.text.data, (size_t)(after.data - name.text.data));
    *rest = after;
    return true;
}

/* Behind the parenthesis of "(…).x": which field; NULL: no field follows. */
static const char *take_field(weir_slice *rest)
{
    if (!weir_token_accept(rest, ")") || !weir_token_accept(rest, "."))
        return NULL;
    if (weir_token_accept(rest, "x"))
        return "x";
    return weir_token_accept(rest, "n") ? "n" : NULL;
}

static int put_call_field(rewriter *w, weir_slice call, const char *field, weir_slice after)
{
    int r = rewriter_set_take(w, call);
    w->operand = w->out->len;
    rewriter_skip(w, after);
    if (r == 0)
        r = weir_buf_printf(w->out, "weir_set.%s", field);
    if (r == 0 && rewriter_at_item(w) && rewriter_item_ends(w, w->rest))
        r = weir_buf_printf(w->out, " AS %s", field);
    return rewriter_written(r);
}

int rewriter_composite(rewriter *w)
{
    weir_slice after = w->rest, call;
    const char *field = NULL;
    if (rewriter_top(w)->clause == REWRITER_LIST && take_call(&after, &call)) {
        field = take_field(&after);
        return field ? put_call_field(w, call, field, after) : 0;
    }
    weir_token column = weir_token_next(&after);
    const uint8_t *begin = column.text.data;
    if (weir_token_accept(&after, "."))
        column = weir_token_next(&after);
    bool name = column.kind == WEIR_TOKEN_WORD || column.kind == WEIR_TOKEN_QUOTED;
    const uint8_t *end = column.text.data + column.text.len;
    if (!name || !(field = take_field(&after)))
        return 0;
    w->operand = w->out->len;
    rewriter_skip(w, after);
    return rewriter_written(weir_buf_printf(w->out, "weir_field(%.*s, '%s')", (int)(end - begin),
                                            (const char *)begin, field));
}

int rewriter_expand_array(rewriter *w, weir_token t)
{
    weir_slice after =
        weir_slice_make(t.text.data, (size_t)(w->rest.data + w->rest.len - t.text.data));
    weir_slice call;
    if (rewriter_top(w)->clause != REWRITER_LIST || !take_call(&after, &call))
        return 0;
    int r = rewriter_set_take(w, call);
    w->operand = w->out->len;
    rewriter_skip(w, after);
    if (r == 0)
        r = rewriter_put(w, "('(' || weir_set.x || ',' || weir_set.n || ')')");
    if (r == 0 && rewriter_item_ends(w, w->rest))
        r = rewriter_put(w, " AS _pg_expandarray");
    return rewriter_written(r);
}
