/* Statements that write: what they read, like a query; and what they change, for the touches.
 *
 * A column is fixed if every row that changes has, before and after, one of the values that the
 * statement gives for it. What a trigger, a cascade or a default may make of other columns is not
 * fixed; where they may change the fixed ones, nothing is. */
#include "sql/read_pg_write.h"

#include <stdio.h>

void weir_pg_touch_everything(weir_pg_reader *r, const char *why)
{
    if (!r->touches_everything)
        snprintf(r->touches_words, sizeof(r->touches_words), "%s", why);
    r->touches_everything = true;
}

/* ---- the target ---- */

static weir_pg_target *add_target(weir_pg_reader *r, const weir_schema_relation *relation)
{
    weir_pg_target *t = weir_pg_alloc(r, sizeof(*t));
    if (!t)
        return NULL;
    t->relation = relation;
    t->deletes = true;
    t->next = r->targets;
    r->targets = t;
    return t;
}

/* All that the name may mean. The last is returned if it is the only one. */
static weir_pg_target *target(weir_pg_reader *r, const PgQuery__RangeVar *v)
{
    const weir_schema_relation *found[WEIR_PG_CANDIDATES_MAX];
    unsigned count = v ? weir_pg_find(r, v, found) : 0;
    weir_pg_target *t = NULL;
    if (count == 0)
        weir_pg_touch_everything(r, "writes a relation that is not known");
    for (unsigned i = 0; i < count; i++)
        t = add_target(r, found[i]);
    return count == 1 ? t : NULL;
}

/* The first leaf of the level, which the rest is joined to. */
static void target_leaf(weir_pg_reader *r, const PgQuery__RangeVar *v, weir_pg_target *t)
{
    const weir_pg_scope *scope = r->scope;
    r->scope = NULL; /* a CTE is never a target */
    weir_from *leaf = weir_pg_relation(r, v);
    r->scope = scope;
    if (leaf)
        leaf->target = t;
    if (t)
        t->leaf = leaf;
    weir_pg_from_add(r, leaf);
}

/* ---- statements ---- */

static void assignments(weir_pg_reader *r, weir_pg_target *t, PgQuery__Node *const *list,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const PgQuery__ResTarget *set = list[i]->res_target;
        const PgQuery__Node *value = set->val;
        bool several = value && value->node_case == PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF;
        if (several)
            weir_pg_expr(r, value->multi_assign_ref->source);
        else
            weir_pg_expr(r, value);
        weir_pg_assign(r, t, set->name, set->n_indirection > 0 || several ? NULL : value);
    }
}

static void update(weir_pg_reader *r, const PgQuery__UpdateStmt *s)
{
    weir_pg_target *t = target(r, s->relation);
    if (t)
        t->deletes = false;
    target_leaf(r, s->relation, t);
    weir_pg_from(r, s->from_clause, s->n_from_clause);
    weir_pg_where(r, s->where_clause);
    r->survivors = false;
    assignments(r, t, s->target_list, s->n_target_list);
    weir_pg_outputs(r, s->returning_list, s->n_returning_list);
}

static void delete (weir_pg_reader *r, const PgQuery__DeleteStmt *s)
{
    weir_pg_target *t = target(r, s->relation);
    target_leaf(r, s->relation, t);
    weir_pg_from(r, s->using_clause, s->n_using_clause);
    weir_pg_where(r, s->where_clause);
    r->survivors = false;
    weir_pg_outputs(r, s->returning_list, s->n_returning_list);
}

static void merge(weir_pg_reader *r, const PgQuery__MergeStmt *s)
{
    weir_pg_target *t = target(r, s->relation);
    weir_pg_from(r, (PgQuery__Node *const *)&s->source_relation, 1);
    target_leaf(r, s->relation, t);
    r->survivors = false;
    weir_pg_expr(r, s->join_condition);
    for (size_t i = 0; i < s->n_merge_when_clauses; i++) {
        const PgQuery__MergeWhenClause *when = s->merge_when_clauses[i]->merge_when_clause;
        weir_pg_expr(r, when->condition);
        if (when->command_type == PG_QUERY__CMD_TYPE__CMD_UPDATE)
            assignments(r, t, when->target_list, when->n_target_list);
        weir_pg_exprs(r, when->values, when->n_values);
    }
    weir_pg_merge(r, t, s);
}

static void insert(weir_pg_reader *r, const PgQuery__InsertStmt *s)
{
    weir_pg_target *t = target(r, s->relation);
    const PgQuery__SelectStmt *select = s->select_stmt ? s->select_stmt->select_stmt : NULL;
    bool values = select && select->n_values_lists > 0 && !select->with_clause;
    if (t) {
        t->inserts = true;
        t->deletes = false;
    }
    target_leaf(r, s->relation, t);
    r->survivors = false;
    if (values) {
        for (size_t i = 0; i < select->n_values_lists; i++)
            weir_pg_expr(r, select->values_lists[i]);
        weir_pg_insert_values(r, t, s, select);
    } else if (select) {
        weir_sublink *link = weir_pg_alloc(r, sizeof(*link));
        if (link) {
            link->query = weir_pg_query(r, select, NULL, NULL);
            link->next = r->level->sublinks;
            r->level->sublinks = link->query ? link : link->next;
        }
    }
    if (t && (!values || s->override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE))
        t->unfixed = true;
    if (s->on_conflict_clause) {
        const PgQuery__OnConflictClause *c = s->on_conflict_clause;
        weir_pg_conflict(r, t, c);
        assignments(r, t, c->target_list, c->n_target_list);
        weir_pg_expr(r, c->where_clause);
    }
    weir_pg_outputs(r, s->returning_list, s->n_returning_list);
}

static void truncate(weir_pg_reader *r, const PgQuery__TruncateStmt *s)
{
    if (s->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
        weir_pg_touch_everything(r, "truncates whatever refers to its tables");
    for (size_t i = 0; i < s->n_relations; i++) {
        weir_pg_target *t = target(r, s->relations[i]->range_var);
        if (t)
            t->unfixed = true;
    }
}

static void copy(weir_pg_reader *r, const PgQuery__CopyStmt *s)
{
    weir_pg_target *t = s->is_from ? target(r, s->relation) : NULL;
    if (t)
        t->unfixed = true;
    if (s->query && s->query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        (void)weir_pg_query(r, s->query->select_stmt, NULL, NULL);
    else if (s->query)
        (void)weir_pg_write(r, s->query);
}

static const PgQuery__WithClause *with_of(const PgQuery__Node *n)
{
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        return n->insert_stmt->with_clause;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        return n->update_stmt->with_clause;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        return n->delete_stmt->with_clause;
    case PG_QUERY__NODE__NODE_MERGE_STMT:
        return n->merge_stmt->with_clause;
    default:
        return NULL;
    }
}

static void statement(weir_pg_reader *r, const PgQuery__Node *n)
{
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        insert(r, n->insert_stmt);
        return;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        update(r, n->update_stmt);
        return;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        delete (r, n->delete_stmt);
        return;
    case PG_QUERY__NODE__NODE_MERGE_STMT:
        merge(r, n->merge_stmt);
        return;
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        truncate(r, n->truncate_stmt);
        return;
    case PG_QUERY__NODE__NODE_COPY_STMT:
        copy(r, n->copy_stmt);
        return;
    default:
        weir_pg_touch_everything(r, "is of a kind whose writes are not known");
    }
}

weir_query *weir_pg_write(weir_pg_reader *r, const PgQuery__Node *n)
{
    weir_level *level = r->level;
    weir_query *before = r->query;
    const weir_pg_scope *scope = r->scope;
    bool survivors = r->survivors, in_from = r->in_from;
    weir_query *q = weir_pg_add_query(r, NULL, NULL);
    r->level = q ? weir_pg_add_level(r, q) : NULL;
    weir_pg_refuse(r, WEIR_REFUSAL_NO_READ, "writes");
    if (r->level) {
        r->query = q;
        r->survivors = true;
        r->in_from = false;
        weir_level *own = r->level;
        weir_pg_with(r, with_of(n), q);
        r->level = own;
        statement(r, n);
    }
    r->query = before;
    r->level = level;
    r->scope = scope;
    r->survivors = survivors;
    r->in_from = in_from;
    return q;
}
