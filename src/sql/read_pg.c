/* Queries: SELECT, VALUES, set operations, WITH. */
#include "sql/read_pg.h"

#include <stdio.h>

void *weir_pg_alloc(weir_pg_reader *r, size_t size)
{
    void *p = weir_arena_alloc(r->arena, size);
    if (!p)
        r->no_memory = true;
    return p;
}

void weir_pg_give_up(weir_pg_reader *r, const char *why)
{
    if (!r->gave_up)
        r->gave_up = why;
}

const char *weir_pg_string(const PgQuery__Node *node)
{
    return node && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : "";
}

void weir_pg_note_name(weir_pg_reader *r, weir_slice name, bool qualifier)
{
    weir_pg_name *n = weir_pg_alloc(r, sizeof(*n));
    if (!n)
        return;
    *n = (weir_pg_name){.text = name, .qualifier = qualifier, .next = r->names};
    r->names = n;
}

weir_query *weir_pg_add_query(weir_pg_reader *r, weir_level *outer, const weir_from *until)
{
    weir_query *q = weir_pg_alloc(r, sizeof(*q));
    if (!q)
        return NULL;
    q->outer = outer;
    q->until = until;
    q->scope = r->query;
    if (r->last)
        r->last->next = q;
    else
        r->first = q;
    r->last = q;
    return q;
}

weir_level *weir_pg_add_level(weir_pg_reader *r, weir_query *query)
{
    weir_level *l = weir_pg_alloc(r, sizeof(*l)), **at = &query->levels;
    if (!l)
        return NULL;
    l->query = query;
    while (*at)
        at = &(*at)->next;
    *at = l;
    return l;
}

/* ---- outputs ---- */

/* The name that a column gets which is given none (FigureColname in parse_target.c), and how sure
 * the server is of it. */
static int figure(const PgQuery__Node *n, const char **ret);

static int figure_fixed(const char *name, const char **ret)
{
    *ret = name;
    return 2;
}

static int figure_last(PgQuery__Node *const *names, size_t count, const char **ret)
{
    for (size_t i = count; i > 0; i--) {
        if (names[i - 1]->node_case == PG_QUERY__NODE__NODE_STRING)
            return figure_fixed(names[i - 1]->string->sval, ret);
    }
    return 0;
}

static int figure_sublink(const PgQuery__SubLink *s, const char **ret)
{
    if (s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK)
        return figure_fixed("exists", ret);
    if (s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK)
        return figure_fixed("array", ret);
    const PgQuery__SelectStmt *select = s->subselect ? s->subselect->select_stmt : NULL;
    while (select && select->larg)
        select = select->larg;
    if (s->sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK || !select ||
        select->n_target_list != 1)
        return 0;
    const PgQuery__ResTarget *target = select->target_list[0]->res_target;
    if (target->name[0])
        return figure_fixed(target->name, ret);
    if (figure(target->val, ret) == 0)
        *ret = "?column?";
    return 2;
}

static int figure_cast(const PgQuery__TypeCast *cast, const char **ret)
{
    int sure = figure(cast->arg, ret);
    if (sure > 1 || cast->type_name->n_names == 0)
        return sure;
    *ret = weir_pg_string(cast->type_name->names[cast->type_name->n_names - 1]);
    return 1;
}

static int figure_case(const PgQuery__CaseExpr *e, const char **ret)
{
    int sure = e->defresult ? figure(e->defresult, ret) : 0;
    if (sure > 1)
        return sure;
    *ret = "case";
    return 1;
}

static int figure(const PgQuery__Node *n, const char **ret)
{
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return figure_last(n->column_ref->fields, n->column_ref->n_fields, ret);
    case PG_QUERY__NODE__NODE_A_INDIRECTION: {
        const PgQuery__AIndirection *i = n->a_indirection;
        int sure = figure_last(i->indirection, i->n_indirection, ret);
        return sure ? sure : figure(i->arg, ret);
    }
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return figure_last(n->func_call->funcname, n->func_call->n_funcname, ret);
    case PG_QUERY__NODE__NODE_A_EXPR:
        return n->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF
                   ? figure_fixed("nullif", ret)
                   : 0;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return figure_cast(n->type_cast, ret);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return figure(n->collate_clause->arg, ret);
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
        return figure_fixed("grouping", ret);
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return figure_sublink(n->sub_link, ret);
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        return figure_case(n->case_expr, ret);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return figure_fixed("array", ret);
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return figure_fixed("row", ret);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return figure_fixed("coalesce", ret);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return figure_fixed(
            n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least", ret);
    default:
        return 0;
    }
}

static bool is_star(const PgQuery__Node *n)
{
    if (n->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
        return false;
    const PgQuery__ColumnRef *ref = n->column_ref;
    return ref->n_fields > 0 &&
           ref->fields[ref->n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
}

static weir_output *output(weir_pg_reader *r, const PgQuery__ResTarget *t)
{
    weir_output *o = weir_pg_alloc(r, sizeof(*o));
    if (!o || !t->val)
        return o;
    if (is_star(t->val)) {
        const PgQuery__ColumnRef *ref = t->val->column_ref;
        o->star = true;
        if (ref->n_fields > 1)
            o->value.qualifier = weir_slice_cstr(weir_pg_string(ref->fields[ref->n_fields - 2]));
        weir_pg_columns_named(r, ref);
        return o;
    }
    const char *name = "?column?";
    if (t->name[0])
        name = t->name;
    else
        (void)figure(t->val, &name);
    o->name = weir_slice_cstr(name);
    weir_pg_note_name(r, o->name, false);
    weir_pg_expr(r, t->val);
    o->value = weir_pg_operand(r, t->val);
    return o;
}

void weir_pg_outputs(weir_pg_reader *r, PgQuery__Node *const *targets, size_t count)
{
    weir_output **at = &r->level->outputs;
    for (size_t i = 0; i < count && !r->no_memory; i++) {
        *at = output(r, targets[i]->res_target);
        if (*at)
            at = &(*at)->next;
    }
}

/* ---- the parts of SELECT ---- */

void weir_pg_where(weir_pg_reader *r, const PgQuery__Node *where)
{
    weir_conjunct **at = &r->level->where;
    while (*at)
        at = &(*at)->next;
    if (where)
        weir_pg_conjuncts(r, where, true, at);
}

/* The columns of VALUES are column1, column2, … */
static void values(weir_pg_reader *r, const PgQuery__SelectStmt *s)
{
    weir_output **at = &r->level->outputs;
    r->level->aggregate = true;
    for (size_t i = 0; i < s->n_values_lists; i++)
        weir_pg_expr(r, s->values_lists[i]);
    size_t columns = s->values_lists[0]->list->n_items;
    for (size_t i = 0; i < columns && !r->no_memory; i++) {
        char name[32];
        snprintf(name, sizeof(name), "column%zu", i + 1);
        *at = weir_pg_alloc(r, sizeof(**at));
        const char *copy = weir_arena_strdup(r->arena, weir_slice_cstr(name));
        if (!*at || !copy) {
            r->no_memory = true;
            return;
        }
        (*at)->name = weir_slice_cstr(copy);
        at = &(*at)->next;
    }
}

static void core(weir_pg_reader *r, const PgQuery__SelectStmt *s)
{
    weir_level *l = r->level;
    l->distinct = s->n_distinct_clause > 0;
    l->grouped = s->n_group_clause > 0 || s->having_clause;
    l->window = s->n_window_clause > 0;
    weir_pg_from(r, s->from_clause, s->n_from_clause);
    weir_pg_where(r, s->where_clause);
    weir_pg_outputs(r, s->target_list, s->n_target_list);
    for (size_t i = 0; i < s->n_distinct_clause; i++) {
        if (s->distinct_clause[i]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
            weir_pg_expr(r, s->distinct_clause[i]);
    }
    weir_pg_exprs(r, s->group_clause, s->n_group_clause);
    weir_pg_expr(r, s->having_clause);
    weir_pg_exprs(r, s->window_clause, s->n_window_clause);
}

/* ORDER BY and LIMIT. Of a set operation the former names its columns only. */
static void tail(weir_pg_reader *r, const PgQuery__SelectStmt *s)
{
    static const weir_receiver count = {.key = WEIR_KEY_PG_INTEGER, .timeless = true};
    r->survivors = s->op == PG_QUERY__SET_OPERATION__SETOP_NONE;
    weir_pg_exprs(r, s->sort_clause, s->n_sort_clause);
    r->survivors = false;
    weir_pg_expr(r, s->limit_count);
    weir_pg_expr(r, s->limit_offset);
    weir_pg_receive(r, s->limit_count, count);
    weir_pg_receive(r, s->limit_offset, count);
    if (s->n_locking_clause > 0)
        weir_pg_refuse(r, WEIR_REFUSAL_LOCKS, "locks rows");
}

/* Every arm of set operations is a level of the one query. */
static void arm(weir_pg_reader *r, const PgQuery__SelectStmt *s, weir_query *q)
{
    const weir_pg_scope *scope = r->scope;
    if (++r->depth > WEIR_PG_DEPTH_MAX) {
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "is nested too deeply to be looked into");
        weir_pg_give_up(r, "the statement is nested too deeply to be looked into");
        r->depth--;
        return;
    }
    if (s->into_clause)
        weir_pg_refuse(r, WEIR_REFUSAL_NO_READ, "creates a table");
    weir_pg_with(r, s->with_clause, q);
    if (s->op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
        arm(r, s->larg, q);
        arm(r, s->rarg, q);
    } else {
        r->level = weir_pg_add_level(r, q);
        r->survivors = true;
        if (r->level && s->n_values_lists > 0)
            values(r, s);
        else if (r->level)
            core(r, s);
    }
    if (r->level)
        tail(r, s);
    q->limited = q->limited || s->limit_count || s->limit_offset;
    r->scope = scope;
    r->depth--;
}

/* ---- queries ---- */

static void inside(weir_pg_reader *r, weir_query *q, const PgQuery__SelectStmt *s)
{
    weir_level *level = r->level;
    weir_query *before = r->query;
    bool survivors = r->survivors, in_from = r->in_from;
    r->query = q;
    r->in_from = false;
    arm(r, s, q);
    r->query = before;
    r->level = level;
    r->survivors = survivors;
    r->in_from = in_from;
}

weir_query *weir_pg_query(weir_pg_reader *r, const PgQuery__SelectStmt *s, weir_level *outer,
                          const weir_from *until)
{
    weir_query *q = weir_pg_add_query(r, outer, until);
    if (q)
        inside(r, q, s);
    return q;
}

/* ---- WITH ---- */

static weir_name *names(weir_pg_reader *r, PgQuery__Node *const *nodes, size_t count)
{
    weir_name *first = NULL, **at = &first;
    for (size_t i = 0; i < count; i++) {
        *at = weir_pg_alloc(r, sizeof(**at));
        if (!*at)
            break;
        (*at)->text = weir_slice_cstr(weir_pg_string(nodes[i]));
        weir_pg_note_name(r, (*at)->text, false);
        at = &(*at)->next;
    }
    return first;
}

static weir_cte *add_cte(weir_pg_reader *r, const PgQuery__CommonTableExpr *e, weir_query *q)
{
    weir_cte *c = weir_pg_alloc(r, sizeof(*c));
    if (!c)
        return NULL;
    c->name = weir_slice_cstr(e->ctename);
    c->columns = names(r, e->aliascolnames, e->n_aliascolnames);
    c->next = q->ctes;
    q->ctes = c;
    weir_pg_note_name(r, c->name, true);
    if (e->search_clause || e->cycle_clause) {
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "has a WITH of a kind that is not looked into");
        weir_pg_give_up(r, "a WITH of a kind that is not looked into");
    }
    return c;
}

static void see(weir_pg_reader *r, const weir_cte *c)
{
    weir_pg_scope *scope = c ? weir_pg_alloc(r, sizeof(*scope)) : NULL;
    if (!scope)
        return;
    *scope = (weir_pg_scope){.outer = r->scope, .cte = c};
    r->scope = scope;
}

static void cte_query(weir_pg_reader *r, weir_cte *c, const PgQuery__Node *n, weir_query *q)
{
    if (!c || !n)
        return;
    if (n->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        /* Its own query is seen from inside where it is recursive. */
        c->query = weir_pg_add_query(r, q->outer, q->until);
        if (c->query)
            inside(r, c->query, n->select_stmt);
    } else {
        c->query = weir_pg_write(r, n);
    }
}

/* Without RECURSIVE a CTE sees those before it only. */
void weir_pg_with(weir_pg_reader *r, const PgQuery__WithClause *with, weir_query *q)
{
    size_t count = with ? with->n_ctes : 0;
    weir_cte **ctes = count ? weir_pg_alloc(r, count * sizeof(weir_cte *)) : NULL;
    if (!ctes)
        return;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__CommonTableExpr *e = with->ctes[i]->common_table_expr;
        ctes[i] = add_cte(r, e, q);
        if (!with->recursive)
            cte_query(r, ctes[i], e->ctequery, q);
        see(r, ctes[i]);
    }
    for (size_t i = 0; with->recursive && i < count; i++)
        cte_query(r, ctes[i], with->ctes[i]->common_table_expr->ctequery, q);
}
