/* GROUP BY: which columns may stand where rows have become groups, in the query and in those inside
 * it. */
#include "compat/typed.h"

bool typed_has_aggregate(const typed_node *n)
{
    if (n->aggregate)
        return true;
    for (const typed_node *a = n->args; a; a = a->next)
        if (typed_has_aggregate(a))
            return true;
    return false;
}

/* In one query the same words mean the same. */
static bool same_query(const typed_query *a, const typed_query *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->scope.outer != b->scope.outer || a->text.len == 0)
        return false;
    weir_slice x = a->text, y = b->text;
    for (;;) {
        weir_token s = weir_token_next(&x), t = weir_token_next(&y);
        if (s.kind != t.kind || !weir_slice_eq(s.text, t.text))
            return false;
        if (s.kind == WEIR_TOKEN_END)
            return true;
    }
}

bool typed_same_expression(const typed_node *a, const typed_node *b)
{
    if (a->kind != b->kind || a->relation != b->relation || a->column != b->column ||
        a->level != b->level || a->to.oid != b->to.oid || a->to.mod != b->to.mod ||
        a->negated != b->negated || !same_query(a->query, b->query) || a->over != b->over ||
        a->filter != b->filter || !weir_slice_eq(a->text, b->text))
        return false;
    const typed_node *x = a->args, *y = b->args;
    for (; x && y; x = x->next, y = y->next)
        if (!typed_same_expression(x, y))
            return false;
    return !x && !y;
}

/* All columns of its relation's key are in the list. */
static bool is_fixed(const typed_query *q, const typed_node *n)
{
    const typed_relation *relation = n->relation;
    bool any = false;
    for (size_t i = 0; i < relation->count; i++) {
        bool listed = !relation->columns[i].key;
        any |= relation->columns[i].key;
        for (const typed_node *g = q->group; g && !listed; g = g->next)
            listed = g->kind == TYPED_COLUMN && g->relation == relation && g->column == i;
        if (!listed)
            return false;
    }
    return any && q->verb == TYPED_SELECT;
}

/* ---- what a subquery takes of the query around it ---- */

/* The same column, seen from within. */
static bool is_group(const typed_query *q, const typed_node *n)
{
    for (const typed_node *g = q->group; g; g = g->next)
        if (g->kind == TYPED_COLUMN && g->relation == n->relation && g->column == n->column)
            return true;
    return false;
}

static bool is_of(const typed_query *q, const typed_relation *relation)
{
    for (const typed_relation *o = q->scope.relations; o; o = o->next)
        if (o == relation)
            return true;
    return false;
}

static const typed_node *ungrouped_in_query(const typed_query *q, const typed_query *sub);

/* The first column of `q`'s tables that is not grouped; NULL: none. */
static const typed_node *ungrouped(const typed_query *q, const typed_node *n)
{
    const typed_node *found = NULL;
    for (; n && !found; n = n->next) {
        if (n->kind == TYPED_COLUMN && n->relation && is_of(q, n->relation) && !is_group(q, n) &&
            !is_fixed(q, n))
            return n;
        found = ungrouped(q, n->args);
        found = found ? found : ungrouped(q, n->order);
        found = found ? found : ungrouped(q, n->filter);
        if (!found && n->over)
            found = ungrouped(q, n->over->partition);
        if (!found && n->over)
            found = ungrouped(q, n->over->order);
        if (!found && n->query)
            found = ungrouped_in_query(q, n->query);
    }
    return found;
}

static const typed_node *ungrouped_in_from(const typed_query *q, const typed_from *f)
{
    const typed_node *found = NULL;
    for (; f && !found; f = f->next) {
        found = f->query ? ungrouped_in_query(q, f->query) : NULL;
        found = found ? found : ungrouped(q, f->call);
        found = found ? found : ungrouped(q, f->on);
        found = found ? found : ungrouped_in_from(q, f->left);
        found = found ? found : ungrouped_in_from(q, f->right);
    }
    return found;
}

static const typed_node *ungrouped_in_query(const typed_query *q, const typed_query *sub)
{
    const typed_node *const parts[] = {sub->items,       sub->rows,  sub->where,
                                       sub->distinct_on, sub->group, sub->having,
                                       sub->order,       sub->limit, sub->offset};
    const typed_node *found = NULL;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !found; i++)
        found = ungrouped(q, parts[i]);
    for (const typed_common *c = sub->commons; c && !found; c = c->next)
        found = ungrouped_in_query(q, c->query);
    if (!found && sub->combine)
        found = ungrouped_in_query(q, sub->left);
    if (!found && sub->combine)
        found = ungrouped_in_query(q, sub->right);
    return found ? found : ungrouped_in_from(q, sub->from);
}

static bool has_query(const typed_node *n)
{
    for (const typed_node *a = n->args; a; a = a->next)
        if (has_query(a))
            return true;
    return n->query != NULL;
}

static int check_inner(typed *t, const typed_query *q, const typed_query *sub)
{
    const typed_node *n = ungrouped_in_query(q, sub);
    for (const typed_node *g = q->group; n && g; g = g->next)
        if (has_query(g)) /* is it this one? */
            return typed_fail(t, "0A000",
                              "weir: a query inside GROUP BY is not supported on SQLite but by the "
                              "name of its column");
    return n ? typed_fail(t, "42803",
                          "subquery uses ungrouped column \"%.*s.%.*s\" from outer query",
                          (int)n->relation->alias.len, (const char *)n->relation->alias.data,
                          (int)n->text.len, (const char *)n->text.data)
             : 0;
}

/* ---- the query's own ---- */

static int check_grouped(typed *t, const typed_query *q, const typed_node *n)
{
    for (const typed_node *g = q->group; g; g = g->next)
        if (typed_same_expression(g, n))
            return 0;
    if (n->aggregate)
        return 0;
    int inner = n->query ? check_inner(t, q, n->query) : 0;
    if (inner != 0)
        return inner;
    if (n->kind == TYPED_COLUMN && n->relation && n->level == 0 && !is_fixed(q, n))
        return typed_fail(
            t, "42803",
            "column \"%.*s.%.*s\" must appear in the GROUP BY clause or be used in an "
            "aggregate function",
            (int)n->relation->alias.len, (const char *)n->relation->alias.data, (int)n->text.len,
            (const char *)n->text.data);
    int r = 0;
    for (const typed_node *a = n->args; r == 0 && a; a = a->next)
        r = check_grouped(t, q, a);
    for (const typed_node *a = n->over ? n->over->partition : NULL; r == 0 && a; a = a->next)
        r = check_grouped(t, q, a);
    for (const typed_node *a = n->over ? n->over->order : NULL; r == 0 && a; a = a->next)
        r = check_grouped(t, q, a);
    return r;
}

int typed_check_groups(typed *t, typed_query *q)
{
    int r = 0;
    if (!q->group && !q->aggregates && !q->having)
        return 0;
    for (const typed_node *n = q->items; r == 0 && n; n = n->next)
        r = check_grouped(t, q, n);
    for (const typed_node *n = q->order; r == 0 && n; n = n->next)
        r = check_grouped(t, q, n);
    return r == 0 && q->having ? check_grouped(t, q, q->having) : r;
}
