/* CREATE VIEW over tables with PostgreSQL's types: it is stored as its query is translated, and the
 * types of its columns stand in a comment behind its name
 * (docs/decisions/0013-whose-table-it-is.md).
 */
#include "base/ascii.h"
#include "compat/typed_emit.h"

int typed_parse_view(typed *t, typed_view *ret, bool *ret_is)
{
    *ret = (typed_view){0};
    *ret_is = typed_accept2(t, "create", "view");
    if (!*ret_is)
        return 0;
    if (typed_accept(t, "if")) {
        if (!typed_accept2(t, "not", "exists"))
            return TYPED_PASS;
        ret->missing_only = true;
    }
    (void)typed_accept2(t, "public", ".");
    weir_token name = typed_next(t);
    if (name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
        return TYPED_PASS;
    ret->name = typed_fold(t, name.text);
    int r = ret->name.data ? 0 : -ENOMEM;
    if (r == 0 && typed_accept(t, "("))
        r = typed_parse_names(t, &ret->names, &ret->name_count);
    bool query = typed_accept(t, "as") && typed_begins_query(t);
    return r == 0 && !query ? TYPED_PASS : r;
}

static int name_columns(typed *t, const typed_view *v, typed_query *q)
{
    if (v->name_count > q->count)
        return typed_fail(t, "42601", "CREATE VIEW specifies more column names than columns");
    for (size_t i = 0; i < v->name_count; i++)
        q->columns[i].name = v->names[i];
    for (size_t i = 0; i < q->count; i++)
        for (size_t k = 0; k < i; k++)
            if (weir_ascii_eq(q->columns[i].name, q->columns[k].name))
                return typed_fail(t, "42701", "column \"%.*s\" specified more than once",
                                  (int)q->columns[i].name.len,
                                  (const char *)q->columns[i].name.data);
    return 0;
}

/* A column of a table's stays what the table has: SQLite's own tools can read it. */
static void keep_plain(typed_query *q)
{
    size_t i = 0;
    for (const typed_node *n = q->combine || q->distinct ? NULL : q->items; n; n = n->next, i++)
        if (n->kind == TYPED_COLUMN && n->type.mod > 0 && !n->exact)
            q->columns[i].exact = false;
}

/* SQLite does not run within a view what depends on the moment. */
static bool is_momentary(weir_slice text)
{
    const char *word = "weir_moment(";
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

int typed_emit_view(typed *t, const typed_view *v, typed_query *q)
{
    if (q->verb != TYPED_SELECT || t->param_count > 0)
        return TYPED_PASS;
    int r = name_columns(t, v, q);
    keep_plain(q);
    if (r == 0)
        r = typed_put(t, v->missing_only ? "CREATE VIEW IF NOT EXISTS " : "CREATE VIEW ");
    if (r == 0)
        r = typed_put_name(t, v->name);
    if (r == 0)
        r = typed_put(t, " " WEIR_FACE_VIEW_MARK);
    for (size_t i = 0; r == 0 && i < q->count; i++)
        r = weir_buf_printf(t->out, "%u %d %d;", q->columns[i].type.oid, q->columns[i].type.mod,
                            q->columns[i].exact);
    if (r == 0)
        r = typed_put(t, "*/ (");
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        r = i > 0 ? typed_put(t, ", ") : 0;
        if (r == 0)
            r = typed_put_name(t, q->columns[i].name);
    }
    if (r == 0)
        r = typed_put(t, ") AS ");
    size_t mark = t->out->len;
    if (r == 0)
        r = typed_emit_query(t, q);
    weir_slice text = weir_slice_skip(weir_buf_slice(t->out), r == 0 ? mark : 0);
    return r == 0 && is_momentary(text) ? TYPED_PASS : r;
}
