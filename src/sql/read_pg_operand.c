/* Comparisons: which column, which literal or parameter, of which type. A literal of the tree is
 * found in the template by where it stands in the text. */
#include "sql/read_pg.h"

/* ---- places ---- */

/* The literal that stands there, or behind a minus that stands there. */
static const weir_literal *literal_at(const weir_pg_reader *r, int32_t location, bool *negated)
{
    const uint8_t *at = r->text.data + location, *end = r->text.data + r->text.len;
    size_t count = r->lexed->literal_count;
    count = count < WEIR_SQL_LITERALS_MAX ? count : WEIR_SQL_LITERALS_MAX;
    *negated = false;
    if (location < 0 || (size_t)location >= r->text.len)
        return NULL;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < count; i++) {
            if (r->lexed->literals[i].text.data == at)
                return &r->lexed->literals[i];
        }
        if (*at != '-')
            return NULL;
        for (at++; at < end && weir_ascii_is_space(*at);)
            at++;
        if (at == end)
            return NULL;
        *negated = true;
    }
    return NULL;
}

static weir_operand place_at(weir_pg_reader *r, int32_t location)
{
    weir_operand o = {.kind = WEIR_OPERAND_OTHER};
    bool negated;
    const weir_literal *l = literal_at(r, location, &negated);
    if (!l || l->place == WEIR_PLACE_NONE)
        return o;
    o.kind = WEIR_OPERAND_PLACE;
    o.negated = negated;
    o.place = l->place;
    o.item = 1;
    for (const weir_literal *before = r->lexed->literals; before < l; before++)
        o.item = (uint16_t)(o.item + (before->place == l->place));
    if (l->kind == WEIR_LITERAL_PARAM)
        o.param = l->text;
    return o;
}

/* ---- operands ---- */

static weir_operand column_operand(const PgQuery__ColumnRef *ref)
{
    weir_operand o = {.kind = WEIR_OPERAND_OTHER};
    const char *name = ref->n_fields > 0 ? weir_pg_string(ref->fields[ref->n_fields - 1]) : "";
    if (!name[0] || ref->n_fields > 2)
        return o;
    o.kind = WEIR_OPERAND_COLUMN;
    o.name = weir_slice_cstr(name);
    if (ref->n_fields == 2)
        o.qualifier = weir_slice_cstr(weir_pg_string(ref->fields[0]));
    return o;
}

/* A cast changes neither the value nor the type of what is a key of that type. */
static weir_operand cast_operand(weir_pg_reader *r, const PgQuery__TypeCast *cast)
{
    weir_operand o = {.kind = WEIR_OPERAND_OTHER};
    weir_pg_cast_type type = weir_pg_cast_type_of(cast->type_name);
    if (cast->arg->node_case == PG_QUERY__NODE__NODE_TYPE_CAST || !type.plain ||
        weir_pg_key_of_type(type.oid) == WEIR_KEY_NONE)
        return o;
    weir_operand inner = weir_pg_operand(r, cast->arg);
    if (inner.kind != WEIR_OPERAND_PLACE || inner.negated)
        return o;
    inner.array = type.array;
    inner.list = type.array;
    inner.cast = weir_pg_key_of_type(type.oid);
    return inner;
}

weir_operand weir_pg_operand(weir_pg_reader *r, const PgQuery__Node *node)
{
    if (node) {
        switch (node->node_case) {
        case PG_QUERY__NODE__NODE_COLUMN_REF:
            return column_operand(node->column_ref);
        case PG_QUERY__NODE__NODE_PARAM_REF:
            return place_at(r, node->param_ref->location);
        case PG_QUERY__NODE__NODE_A_CONST:
            return place_at(r, node->a_const->location);
        case PG_QUERY__NODE__NODE_TYPE_CAST:
            return cast_operand(r, node->type_cast);
        default:
            break;
        }
    }
    return (weir_operand){.kind = WEIR_OPERAND_OTHER};
}

/* Several, which are one list of the template. */
static weir_operand list_operand(weir_pg_reader *r, PgQuery__Node *const *items, size_t count)
{
    weir_operand first = {.kind = WEIR_OPERAND_OTHER};
    for (size_t i = 0; i < count; i++) {
        weir_operand o = weir_pg_operand(r, items[i]);
        bool later = o.kind == WEIR_OPERAND_OTHER && i >= WEIR_SQL_LITERALS_MAX &&
                     items[i]->node_case == items[0]->node_case;
        if (i == 0)
            first = o;
        else if (!later && (o.kind != WEIR_OPERAND_PLACE || o.place != first.place))
            first.kind = WEIR_OPERAND_OTHER;
        if (first.kind != WEIR_OPERAND_PLACE || o.negated || o.array || o.cast)
            return (weir_operand){.kind = WEIR_OPERAND_OTHER};
    }
    first.list = count > 1;
    return first;
}

/* What stands behind ANY. */
static weir_operand array_operand(weir_pg_reader *r, const PgQuery__Node *n)
{
    weir_key_type cast = WEIR_KEY_NONE;
    const PgQuery__Node *inner = n;
    if (n->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        weir_pg_cast_type type = weir_pg_cast_type_of(n->type_cast->type_name);
        cast = weir_pg_key_of_type(type.oid);
        inner = n->type_cast->arg;
        if (!type.array || !type.plain || cast == WEIR_KEY_NONE)
            return (weir_operand){.kind = WEIR_OPERAND_OTHER};
    }
    weir_operand o;
    if (inner->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
        o = list_operand(r, inner->a_array_expr->elements, inner->a_array_expr->n_elements);
    } else {
        o = weir_pg_operand(r, inner);
        if (o.kind != WEIR_OPERAND_PLACE || o.cast)
            return (weir_operand){.kind = WEIR_OPERAND_OTHER};
        o.array = o.list = true;
    }
    o.cast = cast;
    return o;
}

/* ---- types ---- */

bool weir_pg_column(weir_pg_reader *r, const PgQuery__Node *node, weir_column *ret, uint32_t *type)
{
    weir_columns columns;
    weir_operand o = weir_pg_operand(r, node);
    if (o.kind != WEIR_OPERAND_COLUMN || (r->in_from && o.qualifier.len == 0) ||
        !weir_columns_resolve(r->level, &o, &r->steps, &columns) || columns.count != 1)
        return false;
    *ret = columns.items[0];
    *type = 0;
    const weir_schema_relation *relation = ret->leaf->relation;
    for (uint32_t i = 0; relation && i < relation->column_count; i++) {
        if (weir_slice_eq(relation->columns[i].name, ret->name))
            *type = relation->columns[i].type;
    }
    return true;
}

uint32_t weir_pg_type_of(weir_pg_reader *r, const PgQuery__Node *node)
{
    weir_column column;
    uint32_t type = 0;
    if (node && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        weir_pg_cast_type cast = weir_pg_cast_type_of(node->type_cast->type_name);
        return cast.array ? 0 : cast.oid;
    }
    return weir_pg_column(r, node, &column, &type) ? type : 0;
}

static void receive(weir_pg_reader *r, const weir_operand *o, weir_receiver receiver)
{
    if (o->kind != WEIR_OPERAND_PLACE || o->place >= r->place_count)
        return;
    if (r->places[o->place].taken) { /* by several, of which each has a say */
        receiver.timeless = receiver.timeless && r->places[o->place].timeless;
        if (receiver.key != r->places[o->place].key || receiver.array != r->places[o->place].array)
            receiver.key = WEIR_KEY_NONE;
    }
    receiver.taken = true;
    r->places[o->place] = receiver;
}

static void receive_all(weir_pg_reader *r, PgQuery__Node *const *items, size_t count,
                        weir_receiver receiver);

void weir_pg_receive(weir_pg_reader *r, const PgQuery__Node *values, weir_receiver receiver)
{
    if (!values)
        return;
    if (values->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
        receive_all(r, values->a_array_expr->elements, values->a_array_expr->n_elements, receiver);
    } else if (values->node_case == PG_QUERY__NODE__NODE_LIST) {
        receive_all(r, values->list->items, values->list->n_items, receiver);
    } else {
        weir_operand o = weir_pg_operand(r, values);
        if (!o.cast) /* the cast receives it */
            receive(r, &o, receiver);
    }
}

static void receive_all(weir_pg_reader *r, PgQuery__Node *const *items, size_t count,
                        weir_receiver receiver)
{
    for (size_t i = 0; i < count; i++)
        weir_pg_receive(r, items[i], receiver);
}

static bool is_comparison(const char *name)
{
    static const char *const names[] = {"=", "<>", "!=", "<", ">", "<=", ">="};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void compare_one(weir_pg_reader *r, const PgQuery__AExpr *e, const PgQuery__Node *typed,
                        const PgQuery__Node *values, bool comparison)
{
    uint32_t type = weir_pg_type_of(r, typed);
    bool pattern = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_LIKE ||
                   e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE;
    weir_receiver receiver = {.timeless = pattern};
    if (comparison) {
        receiver.key = weir_pg_key_of_type(type);
        receiver.timeless = weir_pg_type_is_timeless(type);
        receiver.array = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ||
                         e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
    }
    if (receiver.array && values->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR)
        receiver.array = false;
    if (receiver.timeless || receiver.key != WEIR_KEY_NONE)
        weir_pg_receive(r, values, receiver);
}

/* What values are compared with says which type they have. */
void weir_pg_compare(weir_pg_reader *r, const PgQuery__AExpr *e, const char *name)
{
    bool comparison = is_comparison(name);
    if (!e->lexpr || !e->rexpr)
        return;
    if (e->lexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
        e->rexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) {
        const PgQuery__RowExpr *a = e->lexpr->row_expr, *b = e->rexpr->row_expr;
        for (size_t i = 0; i < a->n_args && i < b->n_args; i++)
            compare_one(r, e, a->args[i], b->args[i], comparison);
        return;
    }
    compare_one(r, e, e->lexpr, e->rexpr, comparison);
    if (e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP)
        compare_one(r, e, e->rexpr, e->lexpr, comparison);
}

/* ---- conjuncts ---- */

/* A cast to another type than the column's would compare as that. */
static bool fits(weir_pg_reader *r, const weir_operand *column, const weir_operand *place)
{
    weir_columns columns;
    if (place->kind != WEIR_OPERAND_PLACE || !place->cast)
        return true;
    return column->kind == WEIR_OPERAND_COLUMN &&
           weir_columns_resolve(r->level, column, &r->steps, &columns) && columns.count == 1 &&
           columns.items[0].type == place->cast;
}

static weir_conjunct **equal(weir_pg_reader *r, weir_operand left, weir_operand right,
                             weir_conjunct **at)
{
    bool some = left.kind != WEIR_OPERAND_OTHER && right.kind != WEIR_OPERAND_OTHER &&
                (left.kind == WEIR_OPERAND_COLUMN || right.kind == WEIR_OPERAND_COLUMN);
    if (!some || !fits(r, &left, &right) || !fits(r, &right, &left) ||
        !weir_schema_equality_is_builtin(r->schema))
        return at;
    *at = weir_pg_alloc(r, sizeof(**at));
    if (!*at)
        return at;
    (*at)->left = left;
    (*at)->right = right;
    return &(*at)->next;
}

static weir_conjunct **rows(weir_pg_reader *r, const PgQuery__RowExpr *a, const PgQuery__RowExpr *b,
                            weir_conjunct **at)
{
    for (size_t i = 0; a->n_args == b->n_args && i < a->n_args; i++)
        at = equal(r, weir_pg_operand(r, a->args[i]), weir_pg_operand(r, b->args[i]), at);
    return at;
}

static weir_conjunct **comparison(weir_pg_reader *r, const PgQuery__AExpr *e, weir_conjunct **at)
{
    const char *name = e->n_name > 0 ? weir_pg_string(e->name[e->n_name - 1]) : "";
    bool own =
        e->n_name == 1 || (e->n_name == 2 && strcmp(weir_pg_string(e->name[0]), "pg_catalog") == 0);
    if (!own || strcmp(name, "=") != 0 || !e->lexpr || !e->rexpr)
        return at;
    weir_operand left = weir_pg_operand(r, e->lexpr);
    switch (e->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        if (e->lexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
            e->rexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR)
            return rows(r, e->lexpr->row_expr, e->rexpr->row_expr, at);
        return equal(r, left, weir_pg_operand(r, e->rexpr), at);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        if (left.kind == WEIR_OPERAND_COLUMN && e->rexpr->node_case == PG_QUERY__NODE__NODE_LIST)
            return equal(r, left, list_operand(r, e->rexpr->list->items, e->rexpr->list->n_items),
                         at);
        return at;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        if (left.kind == WEIR_OPERAND_COLUMN)
            return equal(r, left, array_operand(r, e->rexpr), at);
        return at;
    default:
        return at;
    }
}

/* EXISTS, NOT EXISTS and IN as conjuncts of WHERE. */
static void subquery(weir_pg_reader *r, const PgQuery__SubLink *s, bool negated)
{
    weir_sublink *link = weir_pg_sublink(r, s);
    const char *name = s->n_oper_name > 0 ? weir_pg_string(s->oper_name[s->n_oper_name - 1]) : "=";
    if (!link) {
        weir_pg_give_up(r, "a subquery of a kind that is not looked into");
        return;
    }
    if (s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK)
        link->kind = negated ? WEIR_SUBLINK_NOT_EXISTS : WEIR_SUBLINK_EXISTS;
    if (s->sub_link_type != PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK || negated ||
        strcmp(name, "=") != 0 || s->n_oper_name > 1 || !weir_schema_equality_is_builtin(r->schema))
        return;
    link->kind = WEIR_SUBLINK_IN;
    link->left = weir_pg_operand(r, s->testexpr);
    /* As the rules know it: a bare column. */
    if (link->left.kind != WEIR_OPERAND_COLUMN)
        link->kind = WEIR_SUBLINK_OTHER;
}

static const PgQuery__SubLink *sublink_of(const PgQuery__Node *n, bool *negated)
{
    *negated = false;
    if (n->node_case == PG_QUERY__NODE__NODE_SUB_LINK)
        return n->sub_link;
    if (n->node_case != PG_QUERY__NODE__NODE_BOOL_EXPR ||
        n->bool_expr->boolop != PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR ||
        n->bool_expr->args[0]->node_case != PG_QUERY__NODE__NODE_SUB_LINK)
        return NULL;
    *negated = true;
    return n->bool_expr->args[0]->sub_link;
}

weir_conjunct **weir_pg_conjuncts(weir_pg_reader *r, const PgQuery__Node *node, bool where,
                                  weir_conjunct **at)
{
    bool negated;
    if (node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
        node->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (size_t i = 0; i < node->bool_expr->n_args && !r->no_memory; i++)
            at = weir_pg_conjuncts(r, node->bool_expr->args[i], where, at);
        return at;
    }
    const PgQuery__SubLink *s = where ? sublink_of(node, &negated) : NULL;
    if (s) {
        subquery(r, s, negated);
        return at;
    }
    weir_pg_expr(r, node);
    return node->node_case == PG_QUERY__NODE__NODE_A_EXPR && !r->no_memory
               ? comparison(r, node->a_expr, at)
               : at;
}
