/* Expressions: every node is one of those listed here, or nothing is kept. */
#include "sql/read_pg.h"

/* ---- columns ---- */

static bool is_system_column(const char *name)
{
    static const char *const names[] = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static const weir_from *leaf_named(const weir_level *level, weir_slice alias)
{
    const weir_from *until = NULL;
    for (; level; until = level->query->until, level = level->query->outer) {
        for (const weir_from *f = level->leaves; f && f != until; f = f->next_leaf) {
            if (weir_slice_eq(f->alias, alias))
                return f;
        }
    }
    return NULL;
}

/* The columns of a function are those that were given names, or one by its own, or some known ones.
 */
static bool function_has(const weir_from *f, weir_slice name)
{
    static const char *const known[] = {"key", "value", "ordinality"};
    for (const weir_name *n = f->columns; n; n = n->next) {
        if (weir_slice_eq(n->text, name))
            return true;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (weir_slice_eq_cstr(name, known[i]))
            return true;
    }
    return weir_slice_eq(f->alias, name);
}

/* x.y may call the function y on a row of x, where x has no such column. */
static void qualified(weir_pg_reader *r, weir_slice qualifier, weir_slice name)
{
    weir_column column;
    const weir_from *f = leaf_named(r->level, qualifier);
    bool known = false;
    if (f && f->kind == WEIR_FROM_FUNCTION)
        known = function_has(f, name);
    else if (f)
        known = weir_columns_of_leaf(f, name, &r->steps, &column) == WEIR_LOOKUP_FOUND;
    else if (r->targets) /* of a statement that writes: `excluded`, the row in hand */
        known = weir_slice_eq_cstr(qualifier, "excluded");
    if (!known)
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "%.60s.%.60s is no column that is known",
                       (const char *)qualifier.data, (const char *)name.data);
}

void weir_pg_columns_named(weir_pg_reader *r, const PgQuery__ColumnRef *ref)
{
    size_t n = ref->n_fields;
    bool star = n > 0 && ref->fields[n - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
    const char *name = n > 0 ? weir_pg_string(ref->fields[n - 1]) : "";
    const char *qualifier = n > 1 ? weir_pg_string(ref->fields[n - 2]) : "";
    weir_pg_note_name(r, weir_slice_cstr(name), false);
    weir_pg_note_name(r, weir_slice_cstr(qualifier), true);
    if (is_system_column(name))
        weir_pg_refuse(r, WEIR_REFUSAL_UNFOLLOWED, "reads %s, whose changes are not all seen",
                       name);
    else if (n > 3)
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "names another database");
    else if (n > 1 && !star)
        qualified(r, weir_slice_cstr(qualifier), weir_slice_cstr(name));
}

/* ---- subqueries ---- */

weir_sublink *weir_pg_sublink(weir_pg_reader *r, const PgQuery__SubLink *s)
{
    weir_sublink *link = weir_pg_alloc(r, sizeof(*link));
    if (!link || !s->subselect || s->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return NULL;
    bool survivors = r->survivors;
    if (s->testexpr) {
        weir_pg_expr(r, s->testexpr);
        const char *name = weir_pg_operator(r, s->oper_name, s->n_oper_name);
        weir_pg_operator_named(r, name && name[0] ? name : "=");
    }
    link->survivors = survivors;
    link->query = weir_pg_query(r, s->subselect->select_stmt, r->level, NULL);
    if (!link->query)
        return NULL;
    link->next = r->level->sublinks;
    r->level->sublinks = link;
    return link;
}

/* ---- operators ---- */

static void between(weir_pg_reader *r)
{
    weir_pg_operator_named(r, ">=");
    weir_pg_operator_named(r, "<=");
    weir_pg_operator_named(r, "<");
    weir_pg_operator_named(r, ">");
}

static void operation(weir_pg_reader *r, const PgQuery__AExpr *e)
{
    weir_pg_expr(r, e->lexpr);
    weir_pg_expr(r, e->rexpr);
    switch (e->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        between(r);
        weir_pg_compare(r, e, "<");
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR: {
        const char *name = weir_pg_operator(r, e->name, e->n_name);
        if (name) {
            weir_pg_operator_named(r, name);
            weir_pg_compare(r, e, name);
        }
        break;
    }
    default:
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "has an operator that is not looked into");
    }
}

/* ---- the others ---- */

static void case_expr(weir_pg_reader *r, const PgQuery__CaseExpr *e)
{
    if (e->arg)
        weir_pg_operator_named(r, "=");
    weir_pg_expr(r, e->arg);
    for (size_t i = 0; i < e->n_args; i++) {
        weir_pg_expr(r, e->args[i]->case_when->expr);
        weir_pg_expr(r, e->args[i]->case_when->result);
    }
    weir_pg_expr(r, e->defresult);
}

/* Fields may be functions. */
static void indirection(weir_pg_reader *r, const PgQuery__AIndirection *e)
{
    weir_pg_expr(r, e->arg);
    for (size_t i = 0; i < e->n_indirection; i++) {
        const PgQuery__Node *n = e->indirection[i];
        if (n->node_case == PG_QUERY__NODE__NODE_A_INDICES) {
            weir_pg_expr(r, n->a_indices->lidx);
            weir_pg_expr(r, n->a_indices->uidx);
        } else {
            weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "takes a field of a row");
        }
    }
}

static void window(weir_pg_reader *r, const PgQuery__WindowDef *w)
{
    r->level->window = true;
    weir_pg_exprs(r, w->partition_clause, w->n_partition_clause);
    weir_pg_exprs(r, w->order_clause, w->n_order_clause);
    weir_pg_expr(r, w->start_offset);
    weir_pg_expr(r, w->end_offset);
}

/* It may be an aggregate, of this level or of one around it, or give several rows. */
static void call(weir_pg_reader *r, const PgQuery__FuncCall *f)
{
    for (weir_level *l = r->level; l; l = l->query->outer)
        l->aggregate = true;
    weir_pg_function(r, f);
    weir_pg_exprs(r, f->args, f->n_args);
    weir_pg_exprs(r, f->agg_order, f->n_agg_order);
    weir_pg_expr(r, f->agg_filter);
    if (f->over)
        window(r, f->over);
}

static void sort(weir_pg_reader *r, const PgQuery__SortBy *s)
{
    weir_pg_expr(r, s->node);
    const char *name = s->n_use_op > 0 ? weir_pg_operator(r, s->use_op, s->n_use_op) : NULL;
    if (name)
        weir_pg_operator_named(r, name);
}

/* A Node's choice, whatever it is: the pointer lies in the union. */
static const char *name_of(const PgQuery__Node *n)
{
    const ProtobufCMessage *m = (const void *)n->select_stmt;
    return m ? m->descriptor->short_name : "node";
}

static void unknown(weir_pg_reader *r, const PgQuery__Node *n)
{
    weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "has a %s, which is not looked into", name_of(n));
    weir_pg_give_up(r, "the statement has a shape that is not looked into");
}

static void composite(weir_pg_reader *r, const PgQuery__Node *n)
{
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        weir_pg_exprs(r, n->bool_expr->args, n->bool_expr->n_args);
        return;
    case PG_QUERY__NODE__NODE_NULL_TEST:
        weir_pg_expr(r, n->null_test->arg);
        return;
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        weir_pg_expr(r, n->boolean_test->arg);
        return;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        weir_pg_exprs(r, n->coalesce_expr->args, n->coalesce_expr->n_args);
        return;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        weir_pg_operator_named(r, "<");
        weir_pg_exprs(r, n->min_max_expr->args, n->min_max_expr->n_args);
        return;
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        weir_pg_exprs(r, n->a_array_expr->elements, n->a_array_expr->n_elements);
        return;
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        weir_pg_exprs(r, n->row_expr->args, n->row_expr->n_args);
        return;
    case PG_QUERY__NODE__NODE_LIST:
        weir_pg_exprs(r, n->list->items, n->list->n_items);
        return;
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        weir_pg_expr(r, n->collate_clause->arg);
        return;
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR:
        weir_pg_expr(r, n->named_arg_expr->arg);
        return;
    case PG_QUERY__NODE__NODE_GROUPING_SET:
        weir_pg_exprs(r, n->grouping_set->content, n->grouping_set->n_content);
        return;
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
        weir_pg_exprs(r, n->grouping_func->args, n->grouping_func->n_args);
        return;
    case PG_QUERY__NODE__NODE_SORT_BY:
        sort(r, n->sort_by);
        return;
    case PG_QUERY__NODE__NODE_WINDOW_DEF:
        window(r, n->window_def);
        return;
    default:
        unknown(r, n);
    }
}

static void look(weir_pg_reader *r, const PgQuery__Node *n)
{
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
    case PG_QUERY__NODE__NODE_PARAM_REF:
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
        return;
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        weir_pg_columns_named(r, n->column_ref);
        return;
    case PG_QUERY__NODE__NODE_A_EXPR:
        operation(r, n->a_expr);
        return;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        weir_pg_expr(r, n->type_cast->arg);
        weir_pg_cast(r, n->type_cast);
        return;
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        case_expr(r, n->case_expr);
        return;
    case PG_QUERY__NODE__NODE_SUB_LINK:
        if (!weir_pg_sublink(r, n->sub_link))
            unknown(r, n);
        return;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        call(r, n->func_call);
        return;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        indirection(r, n->a_indirection);
        return;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        weir_pg_value_function(r, n->sqlvalue_function);
        return;
    default:
        composite(r, n);
    }
}

void weir_pg_expr(weir_pg_reader *r, const PgQuery__Node *node)
{
    if (!node || node->node_case == PG_QUERY__NODE__NODE__NOT_SET || r->no_memory)
        return;
    if (++r->depth > WEIR_PG_DEPTH_MAX) {
        weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "is nested too deeply to be looked into");
        weir_pg_give_up(r, "the statement is nested too deeply to be looked into");
    } else {
        look(r, node);
    }
    r->depth--;
}

void weir_pg_exprs(weir_pg_reader *r, PgQuery__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir_pg_expr(r, nodes[i]);
}
