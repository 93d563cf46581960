/* What MERGE changes: rows that its ON finds, and rows that it inserts. A column is fixed by an
 * equality of the ON with a value; where the source is one SELECT of values its columns stand for
 * them: MERGE INTO t USING (SELECT $1::int AS id) s ON t.id = s.id …
 *
 * Invariant: a column counts as fixed only if rows that are found and rows that are inserted have
 * one of its values; so each INSERT must give it one that is known. */
#include "sql/read_pg_write.h"

typedef struct merging {
    weir_pg_reader *r;
    weir_pg_target *t;
    const char *target, *source; /* as columns are qualified */
    const PgQuery__SelectStmt *values;
} merging;

/* SELECT of values and nothing else; NULL: another source. */
static const PgQuery__SelectStmt *values_of(const PgQuery__Node *source, const char **ret_name)
{
    if (!source || source->node_case != PG_QUERY__NODE__NODE_RANGE_SUBSELECT)
        return NULL;
    const PgQuery__RangeSubselect *sub = source->range_subselect;
    if (sub->lateral || !sub->alias || sub->alias->n_colnames > 0 || !sub->subquery ||
        sub->subquery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return NULL;
    const PgQuery__SelectStmt *s = sub->subquery->select_stmt;
    if (s->op != PG_QUERY__SET_OPERATION__SETOP_NONE || s->with_clause || s->n_values_lists > 0 ||
        s->n_from_clause > 0 || s->n_distinct_clause > 0 || s->n_group_clause > 0 ||
        s->n_locking_clause > 0)
        return NULL;
    *ret_name = sub->alias->aliasname;
    return s;
}

/* A column qualified by that name; NULL: anything else. */
static const char *column_of(const PgQuery__Node *n, const char *qualifier)
{
    if (!n || n->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || n->column_ref->n_fields != 2 ||
        strcmp(weir_pg_string(n->column_ref->fields[0]), qualifier) != 0)
        return NULL;
    const char *name = weir_pg_string(n->column_ref->fields[1]);
    return name[0] ? name : NULL;
}

/* The value itself, or what a column of the source stands for; NULL: not known. */
static const PgQuery__Node *value_of(const merging *m, const PgQuery__Node *n)
{
    const char *name = m->values ? column_of(n, m->source) : NULL;
    const PgQuery__Node *found = NULL;
    for (size_t i = 0; name && i < m->values->n_target_list; i++) {
        const PgQuery__ResTarget *out = m->values->target_list[i]->res_target;
        if (strcmp(out->name, name) != 0)
            continue;
        if (found)
            return NULL;
        found = out->val;
    }
    return found;
}

/* Of the column's own type before anything is compared or assigned: cast to it, so that no other
 * operator and no other rounding comes between. */
static bool is_exact(const weir_pg_fixed *f, const weir_operand *o)
{
    return o->kind == WEIR_OPERAND_PLACE && o->cast == f->key && !o->array && !o->negated;
}

static void found_by(const merging *m, const PgQuery__Node *left, const PgQuery__Node *right)
{
    const char *column = column_of(left, m->target);
    const PgQuery__Node *value = value_of(m, right);
    weir_pg_fixed *f =
        column && value ? weir_pg_fixed_of(m->r, m->t, weir_slice_cstr(column)) : NULL;
    weir_operand o = weir_pg_operand(m->r, value);
    if (!f || f->conflict || !is_exact(f, &o))
        return;
    f->conflict = true;
    weir_pg_add_value(m->r, &f->values, &o);
}

static void conjuncts(const merging *m, const PgQuery__Node *n)
{
    if (!n)
        return;
    if (n->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
        n->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (size_t i = 0; i < n->bool_expr->n_args; i++)
            conjuncts(m, n->bool_expr->args[i]);
        return;
    }
    if (n->node_case != PG_QUERY__NODE__NODE_A_EXPR ||
        n->a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || n->a_expr->n_name != 1 ||
        strcmp(weir_pg_string(n->a_expr->name[0]), "=") != 0)
        return;
    found_by(m, n->a_expr->lexpr, n->a_expr->rexpr);
    found_by(m, n->a_expr->rexpr, n->a_expr->lexpr);
}

/* The value that the row has in the column; NULL: not known, a default perhaps. */
static const PgQuery__Node *inserted(const merging *m, const PgQuery__MergeWhenClause *when,
                                     weir_slice column)
{
    for (size_t i = 0; i < when->n_values && i < when->n_target_list; i++) {
        const PgQuery__ResTarget *to = when->target_list[i]->res_target;
        if (to->n_indirection == 0 && weir_slice_eq_cstr(column, to->name))
            return value_of(m, when->values[i]);
    }
    return NULL;
}

static void insert(const merging *m, const PgQuery__MergeWhenClause *when)
{
    for (weir_pg_fixed *f = m->t->fixed; f; f = f->next) {
        const PgQuery__Node *value = inserted(m, when, f->column);
        weir_operand o = weir_pg_operand(m->r, value);
        if (value && is_exact(f, &o))
            weir_pg_add_value(m->r, &f->values, &o);
        else
            f->unknown = true;
    }
    if (when->override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE)
        m->t->unfixed = true;
}

void weir_pg_merge(weir_pg_reader *r, weir_pg_target *t, const PgQuery__MergeStmt *s)
{
    if (!t)
        return;
    const PgQuery__RangeVar *v = s->relation;
    merging m = {.r = r, .t = t, .target = v->alias ? v->alias->aliasname : v->relname};
    m.values = values_of(s->source_relation, &m.source);
    t->updates = true; /* only what the ON fixes is */
    if (!m.values || strcmp(m.source, m.target) == 0) {
        t->unfixed = true;
        return;
    }
    conjuncts(&m, s->join_condition);
    for (size_t i = 0; i < s->n_merge_when_clauses; i++) {
        const PgQuery__MergeWhenClause *when = s->merge_when_clauses[i]->merge_when_clause;
        t->inserts = t->inserts || when->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT;
        if (when->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT)
            insert(&m, when);
    }
}
