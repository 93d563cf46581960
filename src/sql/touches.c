/* What a statement changes: its targets, all that a write to them changes in others, and of the
 * targets the columns whose values are fixed. */
#include "sql/read_pg_write.h"

/* ---- gathering ---- */

static weir_key_type key_of(const weir_schema_relation *relation, weir_slice column)
{
    for (uint32_t i = 0; i < relation->column_count; i++) {
        if (weir_slice_eq(relation->columns[i].name, column))
            return relation->columns[i].key;
    }
    return WEIR_KEY_NONE;
}

/* The target's column, made if absent; NULL: it is of no interest. */
weir_pg_fixed *weir_pg_fixed_of(weir_pg_reader *r, weir_pg_target *t, weir_slice column)
{
    weir_key_type key = t ? key_of(t->relation, column) : WEIR_KEY_NONE;
    if (key == WEIR_KEY_NONE)
        return NULL;
    for (weir_pg_fixed *f = t->fixed; f; f = f->next) {
        if (weir_slice_eq(f->column, column))
            return f;
    }
    weir_pg_fixed *f = weir_pg_alloc(r, sizeof(*f));
    if (!f)
        return NULL;
    *f = (weir_pg_fixed){.column = column, .key = key, .next = t->fixed};
    t->fixed = f;
    return f;
}

void weir_pg_add_value(weir_pg_reader *r, weir_pg_value **list, const weir_operand *o)
{
    weir_pg_value *v = weir_pg_alloc(r, sizeof(*v));
    if (!v)
        return;
    *v = (weir_pg_value){.operand = *o, .next = *list};
    *list = v;
}

static bool fits(const weir_pg_fixed *f, const weir_operand *o)
{
    return o->kind == WEIR_OPERAND_PLACE && (!o->cast || o->cast == f->key) && !o->array;
}

void weir_pg_found_fixed(void *reader, const weir_from *leaf, weir_slice column,
                         const weir_operand *value)
{
    weir_pg_reader *r = reader;
    weir_pg_fixed *f = weir_pg_fixed_of(r, leaf->target, column);
    weir_operand o = *value;
    o.item = 0; /* any of them */
    if (f && !f->values)
        weir_pg_add_value(r, &f->values, &o);
}

void weir_pg_assign(weir_pg_reader *r, weir_pg_target *t, const char *column,
                    const PgQuery__Node *value)
{
    weir_pg_fixed *f = weir_pg_fixed_of(r, t, weir_slice_cstr(column));
    if (!f)
        return;
    weir_operand o = weir_pg_operand(r, value);
    bool several = f->assigned;
    f->assigned = true;
    if (value)
        weir_pg_receive(r, value, (weir_receiver){.key = f->key});
    if (several || !fits(f, &o))
        f->after = NULL;
    else
        weir_pg_add_value(r, &f->after, &o);
}

/* The column that the nth value of a row goes into; empty: none. */
static weir_slice column_at(const weir_pg_target *t, const PgQuery__InsertStmt *s, size_t n)
{
    if (s->n_cols > 0)
        return weir_slice_cstr(n < s->n_cols ? s->cols[n]->res_target->name : "");
    return n < t->relation->column_count ? t->relation->columns[n].name : weir_slice_cstr("");
}

static void insert_row(weir_pg_reader *r, weir_pg_target *t, const PgQuery__InsertStmt *s,
                       const PgQuery__List *row)
{
    for (size_t i = 0; i < row->n_items; i++) {
        weir_operand o = weir_pg_operand(r, row->items[i]);
        weir_pg_fixed *f = weir_pg_fixed_of(r, t, column_at(t, s, i));
        if (o.kind == WEIR_OPERAND_PLACE && o.place < r->place_count && !o.cast) {
            r->places[o.place] = (weir_receiver){.by_item = true, .taken = true};
        }
        if (!f)
            continue;
        bool whole = s->n_cols == 0 || s->cols[i]->res_target->n_indirection == 0;
        if (whole && fits(f, &o))
            weir_pg_add_value(r, &f->values, &o);
        else
            f->unknown = true;
    }
}

/* A row of nothing but values, which the lexer makes one place of. */
static bool is_pure(weir_pg_reader *r, const PgQuery__List *row, uint32_t *ret_place)
{
    for (size_t i = 0; i < row->n_items; i++) {
        weir_operand o = weir_pg_operand(r, row->items[i]);
        if (o.kind != WEIR_OPERAND_PLACE || o.negated || o.cast || o.array || o.item != i + 1 ||
            (i > 0 && o.place != *ret_place))
            return false;
        *ret_place = o.place;
    }
    return row->n_items > 0;
}

/* Likewise; it stands for as many as a statement of the template has. */
static bool is_elided(weir_pg_reader *r, const PgQuery__List *row, size_t n_items)
{
    for (size_t i = 0; i < row->n_items; i++) {
        const PgQuery__Node *n = row->items[i];
        bool value = n->node_case == PG_QUERY__NODE__NODE_A_CONST ||
                     n->node_case == PG_QUERY__NODE__NODE_PARAM_REF;
        if (!value || weir_pg_operand(r, n).kind == WEIR_OPERAND_PLACE)
            return false;
    }
    return row->n_items == n_items;
}

/* The first row's values are those of each row. */
static void repeat_values(const weir_pg_target *t, uint32_t place)
{
    for (weir_pg_fixed *f = t->fixed; f; f = f->next)
        for (weir_pg_value *v = f->values; v; v = v->next)
            v->rows = v->rows || v->operand.place == place;
}

void weir_pg_insert_values(weir_pg_reader *r, weir_pg_target *t, const PgQuery__InsertStmt *s,
                           const PgQuery__SelectStmt *values)
{
    const PgQuery__List *first = values->values_lists[0]->list;
    uint32_t place = WEIR_PLACE_NONE;
    bool pure = t && is_pure(r, first, &place), elided = false;
    for (size_t i = 0; t && i < values->n_values_lists && !r->no_memory; i++) {
        const PgQuery__List *row = values->values_lists[i]->list;
        if (i > 0 && pure && is_elided(r, row, first->n_items))
            elided = true;
        else
            insert_row(r, t, s, row);
    }
    if (elided)
        repeat_values(t, place);
}

/* Rows in the way agree in the columns that the conflict is about, by these types' own equality; a
 * text's may be an index's own. */
void weir_pg_conflict(weir_pg_reader *r, weir_pg_target *t, const PgQuery__OnConflictClause *c)
{
    if (!t || c->action != PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE)
        return;
    t->updates = true;
    for (size_t i = 0; c->infer && i < c->infer->n_index_elems; i++) {
        const PgQuery__IndexElem *e = c->infer->index_elems[i]->index_elem;
        bool plain = e->name[0] && !e->expr && e->n_collation == 0 && e->n_opclass == 0;
        weir_pg_fixed *f = plain ? weir_pg_fixed_of(r, t, weir_slice_cstr(e->name)) : NULL;
        if (f && f->key != WEIR_KEY_PG_TEXT)
            f->conflict = true;
    }
}

/* ---- what is touched ---- */

static bool is_fixed(const weir_pg_target *t, const weir_pg_fixed *f)
{
    if (t->unfixed || f->unknown || !f->values || (f->assigned && !f->after))
        return false;
    return !t->updates || f->conflict;
}

/* A foreign key's action may come back to other rows of the same relation. */
static bool comes_back(const weir_pg_target *t)
{
    bool inserts_only = t->inserts && !t->updates;
    const weir_schema_relation *own = t->relation;
    return !inserts_only && (t->deletes ? own->comes_back : own->update_comes_back);
}

static void put(weir_pg_reader *r, weir_dependencies *to, const weir_read_dependency *item)
{
    if (to->count == WEIR_DEPENDENCIES_MAX) {
        weir_pg_touch_everything(r, "changes more than can be listed");
        return;
    }
    to->items[to->count++] = *item;
}

static const char *keep(weir_pg_reader *r, weir_slice name)
{
    const char *copy = weir_arena_strdup(r->arena, name);
    if (!copy)
        r->no_memory = true;
    return copy;
}

/* False: it is touched already, and now by more rows. */
static bool put_relation(weir_pg_reader *r, weir_dependencies *to,
                         const weir_schema_relation *relation)
{
    weir_read_dependency item = {.relation = weir_relation_id(relation->full),
                                 .place = WEIR_PLACE_NONE};
    if (!weir_dependencies_has(to, relation->full)) {
        item.relation_name = keep(r, relation->full);
        put(r, to, &item);
        return true;
    }
    uint16_t kept = 0;
    for (size_t i = 0; i < to->count; i++) {
        if (to->items[i].relation != item.relation || to->items[i].column == 0)
            to->items[kept++] = to->items[i];
    }
    to->count = kept;
    return false;
}

static void put_values(weir_pg_reader *r, weir_dependencies *to, weir_read_dependency *item,
                       const weir_pg_value *list)
{
    for (const weir_pg_value *v = list; v; v = v->next) {
        item->place = v->operand.place;
        item->item = v->operand.item;
        item->negated = v->operand.negated;
        item->array = v->operand.array;
        item->rows = v->rows;
        put(r, to, item);
    }
}

static void put_fixed(weir_pg_reader *r, weir_dependencies *to, const weir_pg_target *t,
                      const weir_schema_relation *relation)
{
    uint64_t id = weir_relation_id(relation->full);
    for (const weir_pg_fixed *f = t->fixed; f; f = f->next) {
        if (!is_fixed(t, f))
            continue;
        weir_read_dependency item = {.relation = id,
                                     .column = weir_column_id(id, f->column),
                                     .key = f->key,
                                     .relation_name = keep(r, relation->full),
                                     .column_name = keep(r, f->column)};
        put_values(r, to, &item, f->values);
        put_values(r, to, &item, f->after);
    }
}

/* A partition's rows are those of what it is a part of. */
static bool is_below(const weir_schema *s, const weir_schema_relation *relation,
                     const weir_schema_relation *above)
{
    for (uint32_t i = 0; i < relation->ancestor_count; i++) {
        if (weir_schema_at(s, relation->ancestors[i]) == above)
            return true;
    }
    return false;
}

/* By itself or where the row comes to lie. */
static bool is_altered(const weir_schema *s, const weir_schema_relation *relation)
{
    bool altered = relation->alters;
    for (uint32_t i = 0; i < relation->cascade_count && !altered; i++) {
        const weir_schema_relation *other = weir_schema_at(s, relation->cascades[i]);
        altered = other->alters && is_below(s, other, relation);
    }
    return altered;
}

static void put_target(weir_pg_reader *r, const weir_pg_target *t, weir_dependencies *to)
{
    const weir_schema_relation *own = t->relation;
    bool table = own->kind == WEIR_SCHEMA_TABLE || own->kind == WEIR_SCHEMA_PARTITIONED;
    bool fixed = table && !r->gave_up && !comes_back(t) && !is_altered(r->schema, own);
    if (own->unknown_writes)
        weir_pg_touch_everything(r, "fires triggers or rules that may write anything");
    if (put_relation(r, to, own) && fixed)
        put_fixed(r, to, t, own);
    for (uint32_t i = 0; i < own->ancestor_count; i++) {
        const weir_schema_relation *above = weir_schema_at(r->schema, own->ancestors[i]);
        if (put_relation(r, to, above) && fixed)
            put_fixed(r, to, t, above);
    }
    for (uint32_t i = 0; i < (t->deletes ? own->cascade_count : own->update_count); i++) {
        const weir_schema_relation *other = weir_schema_at(r->schema, own->cascades[i]);
        if (other->unknown_writes)
            weir_pg_touch_everything(r, "fires triggers or rules that may write anything");
        if (put_relation(r, to, other) && fixed && is_below(r->schema, other, own))
            put_fixed(r, to, t, other);
    }
}

void weir_pg_touches(weir_pg_reader *r, weir_dependencies *ret)
{
    for (const weir_pg_target *t = r->targets; t && !r->no_memory; t = t->next)
        put_target(r, t, ret);
}
