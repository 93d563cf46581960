/* CREATE INDEX: PostgreSQL's words that SQLite has no use for, and the name that it makes up for an
 * index without one: table, columns and "idx" (CREATE INDEX ON t (a, lower(b)): t_a_lower_idx).
 * Where that name is taken PostgreSQL counts on, here it is an error (42P07). */
#include "compat/rewriter.h"

#define NAME_MAX_BYTES 63u /* NAMEDATALEN - 1 */

/* What an element's part of the name is: its column, or its function. */
static int put_element(weir_buf *name, weir_slice element)
{
    weir_slice after = element, inside;
    if (weir_token_accept(&after, "(") && weir_token_take_parentheses(&after, &inside))
        element = inside;
    else
        after = (weir_slice){0};
    bool wrapped = after.data != NULL;
    weir_token first = weir_token_next(&element), next = weir_token_peek(element);
    bool named = first.kind == WEIR_TOKEN_WORD || first.kind == WEIR_TOKEN_QUOTED;
    bool call = named && weir_token_is(next, "(");
    if (call && wrapped) { /* and nothing behind it */
        (void)weir_token_accept(&element, "(");
        call = weir_token_take_parentheses(&element, NULL) &&
               weir_token_peek(element).kind == WEIR_TOKEN_END;
    }
    bool column = named && !call && (!wrapped || next.kind == WEIR_TOKEN_END);
    char folded[NAME_MAX_BYTES + 1];
    if (call || column)
        weir_compat_name_fold(first.text, folded, sizeof(folded));
    return weir_buf_printf(name, "_%s", call || column ? folded : "expr");
}

static int make_name(weir_token table, weir_slice elements, weir_buf *ret)
{
    char folded[NAME_MAX_BYTES + 1];
    weir_compat_name_fold(table.text, folded, sizeof(folded));
    int r = weir_buf_printf(ret, "%s", folded);
    for (weir_slice e; r == 0 && (e = weir_token_take_item(&elements)).len > 0;)
        r = put_element(ret, e);
    return r == 0 ? weir_buf_printf(ret, "_idx") : r;
}

/* At ON, where a name is missing before it. */
static int put_name(rewriter *w)
{
    weir_slice rest = w->rest, elements;
    weir_buf name;
    weir_buf_init(&name, NAME_MAX_BYTES);
    (void)weir_token_accept(&rest, "only");
    weir_token table = weir_token_next(&rest);
    if (weir_token_accept(&rest, "."))
        table = weir_token_next(&rest);
    if (weir_token_accept(&rest, "using"))
        (void)weir_token_next(&rest);
    if (!weir_token_accept(&rest, "(") || !weir_token_take_parentheses(&rest, &elements))
        return 0; /* SQLite says what is wrong */
    int r = make_name(table, elements, &name);
    if (r == -EMSGSIZE)
        r = rewriter_refuse(w, "an index whose name PostgreSQL would shorten", "Name the index.");
    if (r == 0)
        r = weir_token_put_quoted(w->out, weir_buf_slice(&name), '"');
    weir_buf_fini(&name);
    return r == 0 ? rewriter_put(w, " ") : r;
}

int rewriter_index_word(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (weir_token_is(t, "on") && w->depth == 0 &&
        (weir_token_is(w->last, "index") || weir_token_is(w->last, "concurrently")))
        return put_name(w);
    if (weir_token_is(t, "concurrently") || (weir_token_is(t, "only") && w->depth == 0))
        return 1;
    if (weir_token_is(t, "nulls") &&
        (weir_token_accept(&after, "first") || weir_token_accept(&after, "last"))) {
        rewriter_skip(w, after); /* it can be read in either order */
        return 1;
    }
    if (weir_token_is(t, "using")) {
        if (!weir_token_accept(&after, "btree"))
            return rewriter_refuse(w, "an index method other than btree", NULL);
        rewriter_skip(w, after);
        return 1;
    }
    if (weir_token_is(t, "with") && w->depth == 0 && weir_token_accept(&after, "(") &&
        weir_token_take_parentheses(&after, NULL)) {
        rewriter_skip(w, after); /* fillfactor and its kin */
        return 1;
    }
    if (weir_token_is(t, "include") && weir_token_is(weir_token_peek(after), "("))
        return rewriter_refuse(w, "INCLUDE in an index", "Name the columns as keys.");
    size_t len = t.text.len;
    bool class = len > 4 && weir_slice_eq_nocase(weir_slice_skip(t.text, len - 4), "_ops");
    return class && w->depth > 0 ? 1 : 0;
}
