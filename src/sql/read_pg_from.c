/* FROM: relations and what their names mean, joins, subqueries, functions. */
#include "sql/read_pg.h"

#define OID_TIMETZ 1266u

/* ---- relations ---- */

static void refuse_unknown(weir_pg_reader *r, const PgQuery__RangeVar *v, const char *why)
{
    weir_pg_refuse(r, WEIR_REFUSAL_UNFOLLOWED, "%s%s%.60s: %s", v->schemaname,
                   v->schemaname[0] ? "." : "", v->relname, why);
}

static unsigned find_in_path(const weir_pg_reader *r, weir_slice name,
                             const weir_schema_relation **ret)
{
    static const weir_slice catalog = {(const uint8_t *)"pg_catalog", 10};
    unsigned n = 0;
    const weir_schema_relation *found = weir_schema_find(r->schema, catalog, name);
    if (found)
        ret[n++] = found;
    for (size_t i = 0; i < r->path.count && n < WEIR_PG_CANDIDATES_MAX; i++) {
        found = weir_schema_find(r->schema, r->path.schemas[i], name);
        bool twice = false;
        for (unsigned k = 0; k < n; k++)
            twice = twice || ret[k] == found;
        if (found && !twice)
            ret[n++] = found;
    }
    return n < WEIR_PG_CANDIDATES_MAX ? n : 0; /* there may be more */
}

unsigned weir_pg_find(weir_pg_reader *r, const PgQuery__RangeVar *v,
                      const weir_schema_relation **ret)
{
    weir_slice name = weir_slice_cstr(v->relname);
    if (v->catalogname[0] || strncmp(v->schemaname, "pg_temp", 7) == 0) {
        weir_pg_refuse(r, WEIR_REFUSAL_EFFECTS, "reads %s.%.60s", v->schemaname, v->relname);
        return 0;
    }
    if (!v->schemaname[0])
        return find_in_path(r, name, ret);
    ret[0] = weir_schema_find(r->schema, weir_slice_cstr(v->schemaname), name);
    return ret[0] ? 1 : 0;
}

static weir_refusal refusal_of(const weir_schema_relation *relation)
{
    switch (relation->flaw) {
    case WEIR_SCHEMA_SOUND:
        return relation->kind == WEIR_SCHEMA_OTHER ? WEIR_REFUSAL_UNFOLLOWED : WEIR_REFUSAL_NONE;
    case WEIR_SCHEMA_SYSTEM:
        return WEIR_REFUSAL_SYSTEM;
    case WEIR_SCHEMA_POLICIES: /* they may ask the session */
        return WEIR_REFUSAL_EFFECTS;
    case WEIR_SCHEMA_DISBELIEVED:
        return WEIR_REFUSAL_VOLATILE;
    case WEIR_SCHEMA_UNPUBLISHED:
    case WEIR_SCHEMA_NO_IDENTITY:
    case WEIR_SCHEMA_UNLOGGED:
        break;
    }
    return WEIR_REFUSAL_UNFOLLOWED;
}

static void refuse_column(weir_pg_reader *r, const weir_schema_relation *relation,
                          const weir_schema_column *column, const char *why)
{
    weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "%.*s.%.*s %s", (int)relation->full.len,
                   (const char *)relation->full.data, (int)column->name.len,
                   (const char *)column->name.data, why);
}

static void judge(weir_pg_reader *r, const weir_schema_relation *relation)
{
    weir_refusal refusal = refusal_of(relation);
    if (refusal != WEIR_REFUSAL_NONE)
        weir_pg_refuse(r, refusal, "%s",
                       relation->words[0] ? relation->words : "a relation is no plain table");
    for (uint32_t i = 0; i < relation->column_count; i++) {
        if (!relation->columns[i].believed)
            refuse_column(r, relation, &relation->columns[i],
                          "has a type that is not believed to print alike each time");
        /* What a text means for it depends on the day, where its zone has summer time. */
        else if (relation->columns[i].type == OID_TIMETZ)
            refuse_column(r, relation, &relation->columns[i], "is a time of day with a zone");
    }
    for (uint32_t i = 0; relation->kind == WEIR_SCHEMA_VIEW && i < relation->read_count; i++)
        judge(r, weir_schema_at(r->schema, relation->reads[i]));
}

/* Its columns, in the rules' form. Keys only of tables. */
static const weir_relation_info *info_of(weir_pg_reader *r, const weir_schema_relation *relation)
{
    for (const weir_pg_reference *ref = r->references; ref; ref = ref->next) {
        if (ref->relation == relation && ref->info)
            return ref->info;
    }
    weir_relation_info *info = weir_pg_alloc(r, sizeof(*info));
    weir_column_info *columns =
        weir_pg_alloc(r, (relation->column_count + 1) * sizeof(weir_column_info));
    if (!info || !columns)
        return NULL;
    bool table = relation->kind == WEIR_SCHEMA_TABLE || relation->kind == WEIR_SCHEMA_PARTITIONED;
    *info = (weir_relation_info){.name = relation->full,
                                 .kind = table ? WEIR_RELATION_TABLE : WEIR_RELATION_VIEW,
                                 .columns = columns,
                                 .column_count = relation->column_count};
    for (uint32_t i = 0; i < relation->column_count; i++) {
        const weir_schema_column *c = &relation->columns[i];
        columns[i] = (weir_column_info){.name = c->name, .key = c->key};
        weir_pg_note_name(r, c->name, false);
        /* By convention one row. */
        if (c->key != WEIR_KEY_NONE && weir_slice_eq_cstr(c->name, "id"))
            info->rowid_alias = c->name;
    }
    return info;
}

static void refer(weir_pg_reader *r, const weir_schema_relation *relation,
                  const weir_relation_info *info)
{
    weir_pg_reference *ref = weir_pg_alloc(r, sizeof(*ref));
    if (!ref)
        return;
    *ref = (weir_pg_reference){.relation = relation, .info = info, .next = r->references};
    r->references = ref;
}

static weir_from *add_leaf(weir_pg_reader *r, weir_from_kind kind, const char *alias)
{
    weir_from *f = weir_pg_alloc(r, sizeof(*f)), **at = &r->level->leaves;
    if (!f)
        return NULL;
    f->kind = kind;
    f->level = r->level;
    f->alias = weir_slice_cstr(alias);
    weir_pg_note_name(r, f->alias, true);
    while (*at)
        at = &(*at)->next_leaf;
    *at = f;
    return f;
}

static const weir_cte *cte_named(const weir_pg_reader *r, const char *name)
{
    for (const weir_pg_scope *s = r->scope; s; s = s->outer) {
        if (weir_slice_eq_cstr(s->cte->name, name))
            return s->cte;
    }
    return NULL;
}

static weir_name *names_of(weir_pg_reader *r, const PgQuery__Alias *alias)
{
    weir_name *first = NULL, **at = &first;
    for (size_t i = 0; alias && i < alias->n_colnames; i++) {
        *at = weir_pg_alloc(r, sizeof(**at));
        if (!*at)
            break;
        (*at)->text = weir_slice_cstr(weir_pg_string(alias->colnames[i]));
        weir_pg_note_name(r, (*at)->text, false);
        at = &(*at)->next;
    }
    return first;
}

/* A relation whose columns go by other names: all of it. */
static void forget_columns(weir_pg_reader *r, weir_from *f)
{
    if (f->relation)
        refer(r, f->relation, NULL);
    f->info = NULL;
    f->relation = NULL;
}

weir_from *weir_pg_relation(weir_pg_reader *r, const PgQuery__RangeVar *v)
{
    const weir_schema_relation *found[WEIR_PG_CANDIDATES_MAX];
    const char *alias = v->alias ? v->alias->aliasname : v->relname;
    const weir_cte *cte = v->schemaname[0] ? NULL : cte_named(r, v->relname);
    weir_from *f = add_leaf(r, cte ? WEIR_FROM_CTE : WEIR_FROM_RELATION, alias);
    if (!f)
        return NULL;
    f->name = weir_slice_cstr(v->relname);
    f->cte = cte;
    weir_name *names = names_of(r, v->alias);
    if (cte && (names || !cte->query))
        f->kind = WEIR_FROM_FUNCTION; /* its columns are not known */
    f->columns = names;
    if (cte)
        return f;
    unsigned count = weir_pg_find(r, v, found);
    if (count == 0)
        refuse_unknown(r, v, "nothing is known of it");
    for (unsigned i = 0; i < count; i++) {
        f->info = count == 1 ? info_of(r, found[i]) : NULL;
        refer(r, found[i], f->info);
        judge(r, found[i]);
    }
    f->relation = count == 1 ? found[0] : NULL;
    if (names)
        forget_columns(r, f);
    return f;
}

/* ---- the others ---- */

/* `AS d (x, y)`: the outputs go by these names. */
static void rename_outputs(weir_pg_reader *r, weir_from *f)
{
    weir_output *o = f->query && f->query->levels ? f->query->levels->outputs : NULL;
    for (const weir_name *n = f->columns; n && o; n = n->next, o = o->next) {
        if (o->star)
            break;
        o->name = n->text;
    }
    if (f->columns && o && o->star)
        f->kind = WEIR_FROM_FUNCTION;
    (void)r;
}

static weir_from *subselect(weir_pg_reader *r, const PgQuery__RangeSubselect *s)
{
    weir_from *f = add_leaf(r, WEIR_FROM_DERIVED, s->alias ? s->alias->aliasname : "");
    if (!f)
        return NULL;
    f->lateral = s->lateral;
    weir_level *outer = s->lateral ? r->level : r->query->outer;
    const weir_from *until = s->lateral ? f : r->query->until;
    f->query = weir_pg_query(r, s->subquery->select_stmt, outer, until);
    f->columns = names_of(r, s->alias);
    if (!f->query || !f->query->levels)
        return NULL;
    rename_outputs(r, f);
    return f;
}

static weir_from *function(weir_pg_reader *r, const PgQuery__RangeFunction *rf)
{
    const PgQuery__Node *first = NULL;
    for (size_t i = 0; i < rf->n_functions; i++) {
        const PgQuery__List *item = rf->functions[i]->list; /* the call, its columns */
        if (item->n_items > 1 && item->items[1]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
            weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "gives types to a function's columns");
        weir_pg_expr(r, item->items[0]);
        first = first ? first : item->items[0];
    }
    if (rf->n_coldeflist > 0)
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "gives types to a function's columns");
    const char *name = "";
    if (first && first->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
        first->func_call->n_funcname > 0)
        name = weir_pg_string(first->func_call->funcname[first->func_call->n_funcname - 1]);
    weir_from *f = add_leaf(r, WEIR_FROM_FUNCTION, rf->alias ? rf->alias->aliasname : name);
    if (f)
        f->columns = names_of(r, rf->alias);
    return f;
}

/* ---- joins ---- */

static weir_from *item(weir_pg_reader *r, const PgQuery__Node *n);

static weir_join kind_of(PgQuery__JoinType type)
{
    switch (type) {
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT:
        return WEIR_JOIN_LEFT;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT:
        return WEIR_JOIN_RIGHT;
    case PG_QUERY__JOIN_TYPE__JOIN_INNER:
        return WEIR_JOIN_INNER;
    default:
        return WEIR_JOIN_FULL; /* from which least is concluded */
    }
}

static weir_from *add_join(weir_pg_reader *r, weir_join join, weir_from *left, weir_from *right)
{
    weir_from *f = left && right ? weir_pg_alloc(r, sizeof(*f)) : NULL;
    if (!f)
        return NULL;
    f->kind = WEIR_FROM_JOIN;
    f->join = join;
    f->left = left;
    f->right = right;
    r->level->nested |= right->kind == WEIR_FROM_JOIN;
    r->level->outer_joins_right |= join == WEIR_JOIN_RIGHT || join == WEIR_JOIN_FULL;
    return f;
}

static weir_from *join(weir_pg_reader *r, const PgQuery__JoinExpr *j)
{
    weir_from *left = item(r, j->larg);
    weir_from *right = left ? item(r, j->rarg) : NULL;
    weir_from *f = add_join(r, kind_of(j->jointype), left, right);
    if (j->alias || j->join_using_alias)
        weir_pg_give_up(r, "a join has a name of its own");
    if (!f)
        return NULL;
    f->natural = j->is_natural;
    for (size_t i = 0; i < j->n_using_clause; i++) {
        weir_name *n = weir_pg_alloc(r, sizeof(*n));
        if (!n)
            return NULL;
        n->text = weir_slice_cstr(weir_pg_string(j->using_clause[i]));
        n->next = f->merged;
        f->merged = n;
        weir_pg_note_name(r, n->text, false);
    }
    if (f->natural || f->merged) {
        r->level->merges = true;
        weir_pg_operator_named(r, "=");
    }
    if (j->quals)
        weir_pg_conjuncts(r, j->quals, false, &f->on);
    return f;
}

static weir_from *unknown(weir_pg_reader *r)
{
    weir_pg_refuse(r, WEIR_REFUSAL_UNKNOWN, "has a FROM of a kind that is not looked into");
    weir_pg_give_up(r, "a FROM of a kind that is not looked into");
    return add_leaf(r, WEIR_FROM_FUNCTION, "");
}

static weir_from *item(weir_pg_reader *r, const PgQuery__Node *n)
{
    weir_from *f = NULL;
    if (++r->depth > WEIR_PG_DEPTH_MAX || !n) {
        r->depth--;
        return unknown(r);
    }
    switch (n->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        f = weir_pg_relation(r, n->range_var);
        break;
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        f = subselect(r, n->range_subselect);
        break;
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        f = function(r, n->range_function);
        break;
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
        f = join(r, n->join_expr);
        break;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
        weir_pg_refuse(r, WEIR_REFUSAL_VOLATILE, "reads a sample of a table");
        f = item(r, n->range_table_sample->relation);
        break;
    default:
        f = unknown(r);
    }
    r->depth--;
    if (!f && !r->no_memory)
        r->no_memory = true;
    return f;
}

void weir_pg_from_add(weir_pg_reader *r, weir_from *f)
{
    if (!r->level->from)
        r->level->from = f;
    else if (f)
        r->level->from = add_join(r, WEIR_JOIN_INNER, r->level->from, f);
}

void weir_pg_from(weir_pg_reader *r, PgQuery__Node *const *items, size_t count)
{
    bool survivors = r->survivors;
    r->survivors = false;
    r->in_from = true;
    for (size_t i = 0; i < count && !r->no_memory; i++)
        weir_pg_from_add(r, item(r, items[i]));
    r->in_from = false;
    r->survivors = survivors;
}
