/* Arrays and functions that give rows: ANY and ALL, ARRAY[…], ARRAY(SELECT …), x[n], unnest and its
 * kin in FROM (aliases with column lists) and in a select list. The tables are array.c's: their
 * columns are `value` and `ordinality`. */
#include "compat/rewriter.h"

static bool is_set_function(weir_token t)
{
    return weir_token_is(t, "unnest") || weir_token_is(t, "generate_series") ||
           weir_token_is(t, "generate_subscripts") || weir_token_is(t, "pg_partition_ancestors");
}

/* ---- aliases with column lists ---- */

static bool is_name(weir_token t)
{
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

/* [WITH ORDINALITY] [AS] alias; false: there is none. */
static bool take_alias(weir_slice *rest, weir_token *ret)
{
    static const char *const others[] = {"where", "join", "left",  "cross", "inner", "order",
                                         "group", "on",   "limit", "union", "right", "full"};
    if (weir_token_accept(rest, "with"))
        (void)weir_token_accept(rest, "ordinality");
    bool as = weir_token_accept(rest, "as");
    weir_token t = weir_token_peek(*rest);
    for (size_t i = 0; !as && i < sizeof(others) / sizeof(others[0]); i++)
        if (weir_token_is(t, others[i]))
            return false;
    if (!is_name(t))
        return false;
    *ret = weir_token_next(rest);
    return true;
}

/* … and its columns: (a [, b]) */
static void read_alias(weir_slice *rest, weir_token function, rewriter_alias *ret)
{
    weir_token t;
    *ret = (rewriter_alias){.alias = function.text, .columns = {function.text}};
    if (!take_alias(rest, &t))
        return;
    ret->alias = ret->columns[0] = t.text;
    if (!weir_token_accept(rest, "("))
        return;
    size_t n = 0;
    do {
        ret->columns[n++] = weir_token_next(rest).text;
    } while (n < REWRITER_COLUMNS_MAX && weir_token_accept(rest, ","));
    (void)weir_token_accept(rest, ")");
}

/* Which commas are between tables: at each depth, whether the newest clause is FROM. */
typedef struct from_reader {
    bool from[REWRITER_DEPTH_MAX + 1];
    const uint8_t *open[REWRITER_DEPTH_MAX + 1];
    size_t depth;
} from_reader;

static void follow(from_reader *f, weir_token t)
{
    static const char *const others[] = {"select", "where", "group", "order", "having",
                                         "on",     "limit", "union", "set"};
    if (weir_token_is(t, "(") && f->depth < REWRITER_DEPTH_MAX) {
        f->from[++f->depth] = false;
        f->open[f->depth] = t.text.data;
    } else if (weir_token_is(t, ")") && f->depth > 0) {
        f->depth--;
    } else if (weir_token_is(t, "from") || weir_token_is(t, "join")) {
        f->from[f->depth] = true;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (weir_token_is(t, others[i]))
            f->from[f->depth] = false;
}

/* An alias is known inside the parentheses that it stands in. */
static void end_scopes(rewriter *w, const from_reader *f, weir_token t)
{
    if (!weir_token_is(t, ")") || f->depth == 0)
        return;
    for (size_t i = 0; i < w->alias_count; i++)
        if (w->aliases[i].begin == f->open[f->depth] && !w->aliases[i].end)
            w->aliases[i].end = t.text.data;
}

/* Behind the opening parenthesis. */
static bool has_two(weir_slice rest)
{
    for (unsigned depth = 1; depth > 0;) {
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END)
            return false;
        depth += weir_token_is(t, "(") || weir_token_is(t, "[") ? 1u : 0u;
        depth -= weir_token_is(t, ")") || weir_token_is(t, "]") ? 1u : 0u;
        if (depth == 1 && weir_token_is(t, ","))
            return true;
    }
    return false;
}

void rewriter_find_aliases(rewriter *w)
{
    weir_slice rest = w->rest;
    weir_token t, last = {0};
    from_reader f = {.depth = 0};
    if (!weir_token_mentions(rest, "unnest") && !weir_token_mentions(rest, "generate_s") &&
        !weir_token_mentions(rest, "with ordinality"))
        return;
    while ((t = weir_token_next(&rest)).kind != WEIR_TOKEN_END) {
        bool table = weir_token_is(last, "from") || weir_token_is(last, "join") ||
                     weir_token_is(last, "lateral") ||
                     (weir_token_is(last, ",") && f.from[f.depth]);
        bool schema = weir_token_is(t, "pg_catalog") || weir_token_is(t, ".");
        end_scopes(w, &f, t);
        follow(&f, t);
        if (!schema)
            last = t;
        if (!table || !is_set_function(t) || !weir_token_accept(&rest, "("))
            continue;
        bool two = weir_token_is(t, "unnest") && has_two(rest);
        if (!weir_token_take_parentheses(&rest, NULL) || w->alias_count == REWRITER_ALIASES_MAX)
            return;
        rewriter_alias *a = &w->aliases[w->alias_count++];
        read_alias(&rest, t, a);
        a->two = two;
        a->begin = f.depth > 0 ? f.open[f.depth] : NULL;
    }
}

static bool same_name(weir_slice a, weir_slice b)
{
    char x[64], y[64];
    if (a.len == 0 || b.len == 0)
        return false;
    weir_compat_name_fold(a, x, sizeof(x));
    weir_compat_name_fold(b, y, sizeof(y));
    return strcmp(x, y) == 0;
}

static const char *column_name(const rewriter_alias *a, size_t column)
{
    static const char *const one[] = {"value", "ordinality", "ordinality"};
    static const char *const two[] = {"value", "value2", "ordinality"};
    return a->two ? two[column] : one[column];
}

static bool in_scope(const rewriter_alias *a, weir_token t)
{
    return (!a->begin || t.text.data > a->begin) && (!a->end || t.text.data < a->end);
}

/* Directly in the parentheses that begin there. */
static bool directly_in(const uint8_t *begin, weir_token t)
{
    weir_slice rest = weir_slice_make(begin, (size_t)(t.text.data - begin));
    unsigned depth = 0;
    for (weir_token each; (each = weir_token_next(&rest)).kind != WEIR_TOKEN_END;) {
        depth += weir_token_is(each, "(") ? 1u : 0u;
        depth -= weir_token_is(each, ")") && depth > 0 ? 1u : 0u;
    }
    return depth == 1;
}

int rewriter_alias_star(rewriter *w, weir_token star)
{
    bool list =
        rewriter_at_item(w) && w->depth > 0 && weir_token_is(weir_token_peek(w->rest), "from");
    int r = 0;
    for (size_t i = 0; list && r == 0 && i < w->alias_count; i++) {
        const rewriter_alias *a = &w->aliases[i];
        if (!in_scope(a, star) || !a->begin || a->columns[1].len == 0 ||
            !directly_in(a->begin, star))
            continue;
        for (size_t n = 0; r == 0 && n < REWRITER_COLUMNS_MAX && a->columns[n].len > 0; n++)
            r = weir_buf_printf(w->out, ", %.*s.%s AS %.*s", (int)a->alias.len,
                                (const char *)a->alias.data, column_name(a, n),
                                (int)a->columns[n].len, (const char *)a->columns[n].data);
    }
    return r;
}

static int put_column(rewriter *w, const rewriter_alias *a, size_t column, weir_token t)
{
    int r = 0;
    bool qualified = weir_token_is(w->last, ".");
    if (!qualified) {
        w->operand = w->out->len;
        r = weir_buf_append(w->out, a->alias);
        if (r == 0)
            r = rewriter_put(w, ".");
    }
    if (r == 0)
        r = rewriter_put(w, column_name(a, column));
    bool item = (!qualified && rewriter_at_item(w)) ||
                (qualified && rewriter_top(w)->clause == REWRITER_LIST);
    if (r == 0 && item && rewriter_item_ends(w, w->rest)) {
        r = rewriter_put(w, " AS ");
        if (r == 0)
            r = weir_buf_append(w->out, t.text);
    }
    return rewriter_written(r);
}

int rewriter_alias_word(rewriter *w, weir_token t)
{
    weir_token next = weir_token_peek(w->rest);
    if (w->alias_count == 0 || weir_token_is(w->last, "as") || weir_token_is(next, "(") ||
        weir_token_is(next, "."))
        return 0;
    bool qualified = weir_token_is(w->last, ".");
    for (size_t i = 0; i < w->alias_count; i++) {
        const rewriter_alias *a = &w->aliases[i];
        if (!in_scope(a, t) || (qualified && !same_name(w->before_last.text, a->alias)))
            continue;
        for (size_t column = 0; column < REWRITER_COLUMNS_MAX; column++)
            if (same_name(t.text, a->columns[column]))
                return put_column(w, a, column, t);
    }
    return 0;
}

int rewriter_set_closed(rewriter *w)
{
    weir_slice rest = w->rest;
    weir_token alias;
    bool named = take_alias(&rest, &alias);
    if (rest.data == w->rest.data)
        return 0;
    int r = named ? rewriter_put(w, " AS ") : 0;
    if (r == 0 && named)
        r = weir_buf_append(w->out, alias.text);
    if (named && weir_token_accept(&rest, "("))
        (void)weir_token_take_parentheses(&rest, NULL);
    rewriter_skip(w, rest);
    return r;
}

/* (VALUES …) AS alias(a, b), (SELECT …) AS alias(a, b): the columns' names are given by a WITH, as
 * SQLite knows them there. */
int rewriter_listed(rewriter *w)
{
    weir_slice after = w->rest;
    weir_token first = weir_token_peek(after), alias;
    if (!rewriter_at_table(w) ||
        (!weir_token_is(first, "values") && !weir_token_is(first, "select")) ||
        !weir_token_take_parentheses(&after, NULL) || !take_alias(&after, &alias))
        return 0;
    weir_slice columns = after;
    if (!weir_token_accept(&after, "(") || !weir_token_take_parentheses(&after, NULL))
        return 0;
    columns = weir_slice_head(columns, (size_t)(after.data - columns.data));
    size_t at = w->out->len;
    int r = weir_buf_printf(w->out, "(WITH weir_v%.*s AS (", (int)columns.len,
                            (const char *)columns.data);
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) = (rewriter_level){.operand = at,
                                            .inside = w->out->len,
                                            .opening = REWRITER_SET,
                                            .closer = " SELECT * FROM weir_v)"};
    w->operand = SIZE_MAX;
    return rewriter_written(r);
}

/* ---- in a select list: SELECT unnest(a) FROM t is SELECT u.value FROM unnest(a) AS u, t ---- */

int rewriter_set_take(rewriter *w, weir_slice call)
{
    bool second = w->set_depth == w->depth;
    if (second && !weir_slice_eq(w->set, call))
        return rewriter_refuse(w, "a second function that gives rows in one select list",
                               "Put it behind FROM.");
    if (!second)
        w->second_set = (weir_slice){0};
    w->set = call;
    w->set_depth = w->depth;
    return 0;
}

static int put_set_item(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    (void)weir_token_accept(&after, "(");
    if (!weir_token_take_parentheses(&after, NULL))
        return 0;
    weir_slice call = weir_slice_make(t.text.data, (size_t)(after.data - t.text.data));
    const char *value = "weir_set.value";
    if (w->set_depth == w->depth && weir_token_is(t, "generate_subscripts")) {
        value = "(weir_set.ordinality - 1)";
    } else if (w->set_depth == w->depth && w->second_set.len == 0 && weir_token_is(t, "unnest") &&
               weir_token_is(weir_token_peek(w->set), "unnest")) {
        w->second_set = call;
        value = "weir_set.value2";
    } else {
        int e = rewriter_set_take(w, call);
        if (e < 0)
            return e;
    }
    w->operand = w->out->len;
    rewriter_skip(w, after);
    int r = rewriter_put(w, value);
    if (r == 0 && rewriter_item_ends(w, w->rest)) {
        r = rewriter_put(w, " AS ");
        if (r == 0)
            r = weir_buf_append(w->out, t.text);
    }
    return rewriter_written(r);
}

int rewriter_set_word(rewriter *w, weir_token t)
{
    if (!is_set_function(t) || !weir_token_is(weir_token_peek(w->rest), "("))
        return 0;
    if (!rewriter_at_table(w))
        return rewriter_top(w)->clause == REWRITER_LIST ? put_set_item(w, t) : 0;
    weir_slice after = w->rest;
    weir_token open = weir_token_next(&after);
    bool two = weir_token_is(t, "unnest") && has_two(after);
    int r = two ? rewriter_put(w, "weir_unnest2") : weir_buf_append(w->out, t.text);
    if (r == 0)
        r = weir_buf_append(w->out, open.text);
    rewriter_skip(w, after);
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) = (rewriter_level){
            .operand = w->out->len, .inside = w->out->len, .opening = REWRITER_SET};
    w->operand = SIZE_MAX;
    return rewriter_written(r);
}

/* What is between a call's parentheses. */
static weir_slice inside(weir_slice call)
{
    (void)weir_token_next(&call);
    (void)weir_token_accept(&call, "(");
    return weir_slice_head(call, call.len - 1);
}

/* Two arrays side by side, as PostgreSQL has it. */
static int put_both(rewriter *w)
{
    int r = rewriter_put(w, "weir_unnest2(");
    if (r == 0)
        r = rewriter_nested(w, inside(w->set));
    if (r == 0)
        r = rewriter_put(w, ", ");
    if (r == 0)
        r = rewriter_nested(w, inside(w->second_set));
    return r == 0 ? rewriter_put(w, ")") : r;
}

/* FROM, or (`all`) the end of a query without it. */
static int put_set(rewriter *w, bool all)
{
    if (w->set_depth != w->depth)
        return 0;
    w->set_depth = SIZE_MAX;
    int r = rewriter_put(w, all ? " FROM " : " ");
    if (r == 0)
        r = w->second_set.len > 0 ? put_both(w) : rewriter_nested(w, w->set);
    return r == 0 ? rewriter_put(w, all ? " AS weir_set " : " AS weir_set,") : r;
}

int rewriter_set_from(rewriter *w)
{
    return put_set(w, false);
}

int rewriter_set_end(rewriter *w, weir_token t)
{
    static const char *const ends[] = {"where", "group", "having", "window",    "union", "except",
                                       "order", "limit", "offset", "intersect", ")",     ";"};
    bool over = t.kind == WEIR_TOKEN_END;
    for (size_t i = 0; !over && i < sizeof(ends) / sizeof(ends[0]); i++)
        over = weir_token_is(t, ends[i]);
    return over ? put_set(w, true) : 0;
}

/* ---- ANY and ALL ---- */

int rewriter_any(rewriter *w, weir_token op)
{
    weir_slice after = w->rest;
    weir_token word = weir_token_next(&after);
    bool any = weir_token_is(word, "any") || weir_token_is(word, "some");
    bool all = weir_token_is(word, "all");
    if ((!any && !all) || !weir_token_accept(&after, "("))
        return 0;
    bool equal = weir_token_is(op, "="),
         differs = weir_token_is(op, "<>") || weir_token_is(op, "!=");
    if (!(any && equal) && !(all && differs))
        return 0; /* SQLite has no such thing and says so, unless it is understood with types */
    bool query = weir_token_is(weir_token_peek(after), "select") ||
                 weir_token_is(weir_token_peek(after), "with") ||
                 weir_token_is(weir_token_peek(after), "values");
    int r = rewriter_put(w, any ? "IN (" : "NOT IN (");
    if (r == 0 && !query) /* +: without affinity, so that the other side's is used */
        r = rewriter_put(w, "SELECT +value FROM unnest(");
    rewriter_skip(w, after);
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) = (rewriter_level){
            .operand = w->out->len, .inside = w->out->len, .closer = query ? NULL : ")"};
    return rewriter_written(r);
}

/* ---- arrays ---- */

int rewriter_array_word(rewriter *w)
{
    weir_slice after = w->rest;
    weir_token open = weir_token_next(&after);
    bool query = weir_token_is(open, "("), list = weir_token_is(open, "[");
    if (!query && !list)
        return 0;
    size_t at = w->out->len;
    int r = rewriter_put(w, query ? "weir_array_or_empty((WITH weir_a(v) AS (" : "weir_array(");
    rewriter_skip(w, after);
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) =
            (rewriter_level){.operand = at,
                             .inside = w->out->len,
                             .opening = list ? REWRITER_ARRAY : REWRITER_PLAIN,
                             .closer = query ? " SELECT array_agg(v) FROM weir_a))" : NULL};
    w->operand = SIZE_MAX;
    return rewriter_written(r);
}

static int put_subscript(rewriter *w)
{
    size_t at = w->operand;
    int r = rewriter_insert(w, at, "weir_element(");
    if (r == 0)
        r = rewriter_put(w, ", ");
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) =
            (rewriter_level){.operand = at, .inside = w->out->len, .opening = REWRITER_ELEMENT};
    w->operand = SIZE_MAX;
    return r;
}

int rewriter_bracket(rewriter *w, weir_token t)
{
    bool opens = weir_token_is(t, "[");
    bool adjacent = w->last.text.data && w->last.text.data + w->last.text.len == t.text.data;
    if (opens && adjacent && w->operand != SIZE_MAX)
        return put_subscript(w);
    uint8_t opening = w->depth > 0 ? rewriter_top(w)->opening : REWRITER_PLAIN;
    if (opens || (opening != REWRITER_ELEMENT && opening != REWRITER_ARRAY))
        return weir_buf_append(w->out, t.text); /* SQLite's [name] */
    w->operand = rewriter_top(w)->operand;
    w->depth--;
    return rewriter_put(w, ")");
}
