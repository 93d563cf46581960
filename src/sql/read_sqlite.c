/* A recursive-descent reader of SQLite's SELECT (https://sqlite.org/lang_select.html), for texts
 * that SQLite has accepted: it does not tell right from wrong, it tells what it is sure of. It
 * consumes the text to its end, or gives up. */
#include "sql/reader.h"

#define SHAPE "the statement has a shape that is not looked into"

weir_query *weir_reader_add_query(weir_reader *r, weir_level *outer)
{
    weir_query *q = weir_reader_alloc(r, sizeof(*q));
    if (!q)
        return NULL;
    q->outer = outer;
    q->scope = r->query;
    if (r->last)
        r->last->next = q;
    else
        r->first = q;
    r->last = q;
    return q;
}

weir_level *weir_reader_add_level(weir_reader *r, weir_query *query)
{
    weir_level *l = weir_reader_alloc(r, sizeof(*l)), **at = &query->levels;
    if (!l)
        return NULL;
    l->query = query;
    while (*at)
        at = &(*at)->next;
    *at = l;
    return l;
}

weir_from *weir_reader_add_leaf(weir_reader *r, weir_from_kind kind)
{
    weir_from *f = weir_reader_alloc(r, sizeof(*f)), **at = &r->level->leaves;
    if (!f)
        return NULL;
    f->kind = kind;
    f->level = r->level;
    while (*at)
        at = &(*at)->next_leaf;
    *at = f;
    return f;
}

/* ---- the parts of SELECT ---- */

static weir_output *output(weir_reader *r)
{
    weir_output *o = weir_reader_alloc(r, sizeof(*o));
    if (!o)
        return NULL;
    if (weir_reader_is_operator(r, "*")) {
        weir_reader_advance(r);
        o->star = true;
        return o;
    }
    weir_expr e = weir_reader_expr(r);
    o->value = e.operand;
    o->star = e.star;
    if (o->star)
        return o;
    if (e.operand.kind == WEIR_OPERAND_COLUMN)
        o->name = e.operand.name;
    if (weir_reader_take(r, "as") || weir_reader_at_plain_name(r))
        o->name = weir_reader_name(r);
    else if (r->t.type == TOKEN_LITERAL)
        weir_reader_fail(r, "it has a string where a name is expected");
    return o;
}

static void outputs(weir_reader *r)
{
    weir_output **at = &r->level->outputs;
    do {
        *at = output(r);
        if (!*at)
            return;
        at = &(*at)->next;
    } while (weir_reader_take_type(r, TOKEN_COMMA));
}

static void where(weir_reader *r)
{
    weir_expr e = weir_reader_expr(r);
    weir_conjunct **at = &r->level->where;
    for (weir_term *t = e.first; t; t = t->next) {
        if (t->sublink) {
            t->sublink->kind = t->kind;
            continue;
        }
        t->conjunct.next = NULL;
        *at = &t->conjunct;
        at = &t->conjunct.next;
    }
}

static void group(weir_reader *r)
{
    if (weir_reader_take(r, "group")) {
        weir_reader_expect(r, "by");
        r->level->grouped = true;
        weir_reader_order_list(r);
    }
    if (weir_reader_take(r, "having")) {
        r->level->grouped = true;
        weir_reader_expr(r);
    }
}

static void windows(weir_reader *r)
{
    if (!weir_reader_is(r, "window") || !weir_reader_next_is_name(r))
        return;
    weir_reader_advance(r);
    r->level->window = true;
    do {
        weir_reader_name(r);
        weir_reader_expect(r, "as");
        weir_reader_window(r);
    } while (weir_reader_take_type(r, TOKEN_COMMA));
}

static void select(weir_reader *r)
{
    weir_reader_expect(r, "select");
    r->level->distinct = weir_reader_take(r, "distinct");
    if (!r->level->distinct)
        weir_reader_take(r, "all");
    outputs(r);
    if (weir_reader_take(r, "from"))
        weir_reader_from(r);
    if (weir_reader_take(r, "where"))
        where(r);
    group(r);
    windows(r);
}

static void values(weir_reader *r)
{
    r->level->values = true;
    do {
        weir_reader_expect_type(r, TOKEN_OPEN);
        weir_reader_expr_list(r);
        weir_reader_expect_type(r, TOKEN_CLOSE);
    } while (weir_reader_take_type(r, TOKEN_COMMA));
}

/* ---- queries ---- */

static void level(weir_reader *r)
{
    weir_level *l = weir_reader_add_level(r, r->query);
    if (!l)
        return;
    r->level = l;
    r->survivors = true;
    if (weir_reader_take(r, "values"))
        values(r);
    else
        select(r);
}

static bool set_operation(weir_reader *r)
{
    if (weir_reader_take(r, "union")) {
        weir_reader_take(r, "all");
        return true;
    }
    return weir_reader_take(r, "except") || weir_reader_take(r, "intersect");
}

static void cte(weir_reader *r, weir_query *q)
{
    weir_cte *c = weir_reader_alloc(r, sizeof(*c));
    if (!c)
        return;
    c->next = q->ctes;
    q->ctes = c;
    c->name = weir_reader_name(r);
    if (weir_reader_take_type(r, TOKEN_OPEN)) {
        weir_name **at = &c->columns;
        do {
            *at = weir_reader_alloc(r, sizeof(**at));
            if (!*at)
                return;
            (*at)->text = weir_reader_name(r);
            at = &(*at)->next;
        } while (weir_reader_take_type(r, TOKEN_COMMA));
        weir_reader_expect_type(r, TOKEN_CLOSE);
    }
    weir_reader_expect(r, "as");
    if (weir_reader_take(r, "not"))
        weir_reader_expect(r, "materialized");
    else
        weir_reader_take(r, "materialized");
    weir_reader_expect_type(r, TOKEN_OPEN);
    c->query = weir_reader_query(r, q->outer);
    weir_reader_expect_type(r, TOKEN_CLOSE);
}

static void with(weir_reader *r, weir_query *q)
{
    if (!weir_reader_take(r, "with"))
        return;
    weir_reader_take(r, "recursive");
    do
        cte(r, q);
    while (weir_reader_take_type(r, TOKEN_COMMA));
}

/* ORDER BY and LIMIT. Of a set operation the former names its columns only. */
static void tail(weir_reader *r, weir_query *q)
{
    r->level = q->levels;
    r->survivors = !q->levels->next;
    if (weir_reader_take(r, "order")) {
        weir_reader_expect(r, "by");
        weir_reader_order_list(r);
    }
    r->survivors = false;
    if (weir_reader_take(r, "limit")) {
        q->limited = true;
        weir_reader_expr(r);
        if (weir_reader_take(r, "offset") || weir_reader_take_type(r, TOKEN_COMMA))
            weir_reader_expr(r);
    }
}

static void body(weir_reader *r, weir_query *q)
{
    with(r, q);
    do
        level(r);
    while (set_operation(r));
    if (!r->failed)
        tail(r, q);
}

weir_query *weir_reader_query(weir_reader *r, weir_level *outer)
{
    weir_level *level_before = r->level;
    weir_query *query_before = r->query, *q = NULL;
    bool survivors = r->survivors;
    if (r->depth == WEIR_READER_DEPTH_MAX)
        weir_reader_fail(r, "the statement is nested too deeply to be looked into");
    if (!r->failed)
        q = weir_reader_add_query(r, outer);
    if (q) {
        r->depth++;
        r->query = q;
        body(r, q);
        r->depth--;
    }
    r->query = query_before;
    r->level = level_before;
    r->survivors = survivors;
    return q;
}

/* ---- CTEs ---- */

static const weir_cte *cte_named(const weir_query *q, weir_slice name)
{
    for (; q; q = q->scope) {
        for (const weir_cte *c = q->ctes; c; c = c->next) {
            if (weir_ascii_eq(c->name, name))
                return c;
        }
    }
    return NULL;
}

/* A name without a schema is that of a CTE, if one is in sight: also of one that is declared
 * behind, or of the one that it stands in. */
static void bind_ctes(const weir_query *first)
{
    for (const weir_query *q = first; q; q = q->next) {
        for (weir_level *l = q->levels; l; l = l->next) {
            for (weir_from *f = l->leaves; f; f = f->next_leaf) {
                if (f->kind == WEIR_FROM_RELATION && f->schema.len == 0)
                    f->cte = cte_named(q, f->name);
                if (f->cte)
                    f->kind = WEIR_FROM_CTE;
            }
        }
    }
}

int weir_read_sqlite(weir_arena *arena, weir_slice text, const weir_lexed *lexed, weir_query **ret,
                     const char **why)
{
    weir_reader r = {.arena = arena, .lexed = lexed, .scanned = TOKEN_END};
    weir_scan_init(&r.scan, WEIR_DIALECT_SQLITE, text);
    weir_reader_advance(&r);
    weir_reader_advance(&r);
    weir_query *q = weir_reader_query(&r, NULL);
    while (!r.failed && weir_reader_take_type(&r, TOKEN_SEMICOLON)) {
    }
    if (!r.failed && (r.t.type != TOKEN_END || r.scan.unterminated))
        weir_reader_fail(&r, SHAPE);
    if (r.no_memory)
        return -ENOMEM;
    if (r.failed) {
        *why = r.failed;
        return WEIR_READ_GAVE_UP;
    }
    bind_ctes(r.first);
    *ret = q;
    return 0;
}
