/* Queries and writes, as SQLite's SQL (expressions are typed_emit.c's). */
#include "compat/typed_emit.h"

/* ---- FROM ---- */

static int put_from(typed *t, const typed_from *f);

static int put_join(typed *t, const typed_from *f)
{
    int r = put_from(t, f->left);
    if (r == 0)
        r = typed_put(t, f->natural ? " NATURAL " : " ");
    if (r == 0)
        r = weir_buf_append(t->out, f->words);
    if (r == 0)
        r = typed_put(t, " ");
    bool open = f->right->kind == TYPED_JOIN;
    if (r == 0 && open)
        r = typed_put(t, "(");
    if (r == 0)
        r = put_from(t, f->right);
    if (r == 0 && open)
        r = typed_put(t, ")");
    if (r == 0 && f->on)
        r = typed_put_condition(t, " ON ", f->on);
    if (r == 0 && f->using_count > 0) {
        r = typed_put(t, " USING ");
        if (r == 0)
            r = typed_put_names(t, f->using, f->using_count);
    }
    return r;
}

static int put_set(typed *t, const typed_from *f)
{
    int r = typed_put_name(t, f->table ? weir_slice_cstr(f->table) : f->name);
    if (r == 0)
        r = typed_put(t, "(");
    if (r == 0)
        r = typed_put_list(t, f->call->args);
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_from(typed *t, const typed_from *f)
{
    int r = f->kind == TYPED_JOIN      ? put_join(t, f)
            : f->kind == TYPED_SET     ? put_set(t, f)
            : f->kind == TYPED_DERIVED ? typed_put_subquery(t, f->query)
                                       : typed_put_name(t, f->name);
    if (r == 0 && f->kind != TYPED_JOIN) {
        r = typed_put(t, " AS ");
        if (r == 0)
            r = typed_put_name(t, f->alias.len > 0 ? f->alias : f->name);
    }
    return r;
}

static int put_from_list(typed *t, const typed_from *f)
{
    bool several = f->next != NULL;
    int r = 0;
    for (bool first = true; r == 0 && f; f = f->next, first = false) {
        bool open = several && f->kind == TYPED_JOIN;
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0 && open)
            r = typed_put(t, "(");
        if (r == 0)
            r = put_from(t, f);
        if (r == 0 && open)
            r = typed_put(t, ")");
    }
    return r;
}

/* ---- queries ---- */

/* As the query's column is to be: a numeric with its scale, or as a number. */
static int put_item(typed *t, const typed_node *n, const typed_column *column)
{
    bool exact = n->type.oid == WEIR_OID_NUMERIC && column->exact && !n->exact;
    bool plain = n->type.oid == WEIR_OID_NUMERIC && !column->exact && n->exact;
    bool keyed = column->keyed && !n->keyed;
    int mod = n->type.mod - 1;
    int r = typed_put(t, exact   ? "weir_numeric("
                         : plain ? "weir_number("
                         : keyed ? typed_key_name(column->type.oid)
                                 : "");
    if (r == 0)
        r = typed_put_node(t, n);
    if (r == 0 && exact && mod >= 0)
        r = weir_buf_printf(t->out, ", %d, %d", mod / 65536, mod % 65536);
    return r == 0 && (exact || plain || keyed) ? typed_put(t, ")") : r;
}

/* `numbered`: names weir_1, … instead of their own. */
static int put_items(typed *t, const typed_query *q, const typed_node *items, bool numbered)
{
    int r = 0;
    size_t i = 0;
    for (const typed_node *n = items; r == 0 && n; n = n->next, i++) {
        r = i > 0 ? typed_put(t, ", ") : 0;
        if (r == 0)
            r = put_item(t, n, &q->columns[i]);
        if (r == 0)
            r = typed_put(t, " AS ");
        if (r == 0)
            r = numbered ? weir_buf_printf(t->out, "weir_%zu", i + 1)
                         : typed_put_name(t, q->columns[i].name);
    }
    return r;
}

static int put_windows(typed *t, const typed_named_window *w)
{
    int r = typed_put(t, " WINDOW ");
    for (bool first = true; r == 0 && w; w = w->next, first = false) {
        typed_window open = *w->window;
        open.open = true;
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = typed_put_name(t, w->name);
        if (r == 0)
            r = typed_put(t, " AS ");
        if (r == 0)
            r = typed_put_window(t, &open);
    }
    return r;
}

static bool has_right(const typed_from *f)
{
    return f && f->kind == TYPED_JOIN &&
           (f->outer_right || has_right(f->left) || has_right(f->right));
}

/* SQLite (3.40) forgets the ON of an inner join for rows that a RIGHT or FULL JOIN before it added:
 * it is said in WHERE once more. */
static int put_forgotten(typed *t, const typed_from *f, bool *any)
{
    int r = 0;
    for (; r == 0 && f && f->kind == TYPED_JOIN && !f->outer_right; f = f->left) {
        if (f->outer_left || !f->on || !has_right(f->left))
            continue;
        r = typed_put_condition(t, *any ? " AND " : " WHERE ", f->on);
        *any = true;
    }
    return r;
}

/* From FROM to WINDOW. */
static int put_body(typed *t, const typed_query *q)
{
    int r = 0;
    if (q->from) {
        r = typed_put(t, " FROM ");
        if (r == 0)
            r = put_from_list(t, q->from);
    }
    if (r == 0 && q->where)
        r = typed_put_condition(t, " WHERE ", q->where);
    bool any = q->where != NULL;
    for (const typed_from *f = q->from; r == 0 && f; f = f->next)
        r = put_forgotten(t, f, &any);
    if (r == 0 && q->group) {
        r = typed_put(t, " GROUP BY ");
        if (r == 0)
            r = typed_put_keys(t, q->group);
    }
    if (r == 0 && q->having)
        r = typed_put_condition(t, " HAVING ", q->having);
    return r == 0 && q->windows ? put_windows(t, q->windows) : r;
}

static int put_window_order(typed *t, const typed_node *order)
{
    t->windowed = true;
    int r = typed_put_order(t, order, false);
    t->windowed = false;
    return r;
}

/* DISTINCT ON: the first row of each, counted by a window. */
static int put_distinct_on(typed *t, const typed_query *q)
{
    size_t keys = 0;
    int r = typed_put(t, "SELECT ");
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        r = weir_buf_printf(t->out, "%sweir_%zu AS ", i > 0 ? ", " : "", i + 1);
        if (r == 0)
            r = typed_put_name(t, q->columns[i].name);
    }
    if (r == 0)
        r = typed_put(t, " FROM (SELECT ");
    if (r == 0)
        r = put_items(t, q, q->items, true);
    for (const typed_node *n = q->order; r == 0 && n; n = n->next) {
        r = typed_put_parts(t, ", ", n, "");
        if (r == 0)
            r = weir_buf_printf(t->out, " AS weir_o%zu", ++keys);
    }
    if (r == 0)
        r = typed_put(t, ", row_number() OVER (PARTITION BY ");
    if (r == 0)
        r = typed_put_keys(t, q->distinct_on);
    if (r == 0 && q->order)
        r = typed_put(t, " ORDER BY ");
    if (r == 0)
        r = put_window_order(t, q->order);
    if (r == 0)
        r = typed_put(t, ") AS weir_n");
    if (r == 0)
        r = put_body(t, q);
    if (r == 0)
        r = typed_put(t, ") WHERE weir_n = 1");
    keys = 0;
    for (const typed_node *n = q->order; r == 0 && n; n = n->next) {
        r = weir_buf_printf(t->out, "%sweir_o%zu%s NULLS %s", keys ? ", " : " ORDER BY ", keys + 1,
                            n->descending ? " DESC" : "", n->nulls == 1 ? "FIRST" : "LAST");
        keys++;
    }
    return r;
}

static int put_values(typed *t, const typed_query *q)
{
    bool named = false;
    int r = 0;
    for (size_t i = 0; i < q->count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "column%zu", i + 1);
        named |= !weir_slice_eq_cstr(q->columns[i].name, name);
    }
    for (size_t i = 0; named && r == 0 && i < q->count; i++) {
        r = weir_buf_printf(t->out, "%scolumn%zu AS ", i > 0 ? ", " : "SELECT ", i + 1);
        if (r == 0)
            r = typed_put_name(t, q->columns[i].name);
    }
    if (r == 0)
        r = typed_put(t, named ? " FROM (VALUES " : "VALUES ");
    for (const typed_node *row = q->rows; r == 0 && row; row = row->next) {
        r = typed_put(t, row == q->rows ? "(" : ", (");
        size_t i = 0;
        for (const typed_node *n = row->args; r == 0 && n; n = n->next, i++) {
            r = i > 0 ? typed_put(t, ", ") : 0;
            if (r == 0)
                r = put_item(t, n, &q->columns[i]);
        }
        if (r == 0)
            r = typed_put(t, ")");
    }
    return r == 0 && named ? typed_put(t, ")") : r;
}

static int put_limits(typed *t, const typed_query *q)
{
    int r = 0;
    if (q->limit)
        r = typed_put_parts(t, " LIMIT ", q->limit, "");
    else if (q->offset)
        r = typed_put(t, " LIMIT -1");
    return r == 0 && q->offset ? typed_put_parts(t, " OFFSET ", q->offset, "") : r;
}

static int put_commons(typed *t, const typed_query *q)
{
    int r = typed_put(t, q->recursive ? "WITH RECURSIVE " : "WITH ");
    for (const typed_common *c = q->commons; r == 0 && c; c = c->next) {
        r = c == q->commons ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = typed_put_name(t, c->name);
        for (size_t i = 0; r == 0 && i < c->count; i++) {
            r = typed_put(t, i > 0 ? ", " : "(");
            if (r == 0)
                r = typed_put_name(t, c->columns[i].name);
        }
        if (r == 0)
            r = weir_buf_printf(t->out, ") AS %s", c->materialized);
        if (r == 0)
            r = typed_put_subquery(t, c->query);
    }
    return r == 0 ? typed_put(t, " ") : r;
}

/* ---- writes ---- */

static int put_sets(typed *t, const typed_set *s)
{
    int r = typed_put(t, " SET ");
    for (bool first = true; r == 0 && s; s = s->next, first = false) {
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = s->count > 1 ? typed_put_names(t, s->columns, s->count)
                             : typed_put_name(t, s->columns[0]);
        if (r == 0)
            r = typed_put_parts(t, " = ", s->value, "");
    }
    return r;
}

static int put_target(typed *t, const typed_query *q, const char *verb)
{
    int r = typed_put(t, verb);
    if (r == 0)
        r = typed_put_name(t, q->table);
    if (r == 0 && q->alias.len > 0) {
        r = typed_put(t, " AS ");
        if (r == 0)
            r = typed_put_name(t, q->alias);
    }
    return r;
}

static int put_insert(typed *t, const typed_query *q)
{
    int r = put_target(t, q, "INSERT INTO ");
    if (q->default_values) {
        if (r == 0)
            r = typed_put(t, " DEFAULT VALUES");
    } else {
        bool select = !q->source->values;
        if (r == 0)
            r = typed_put_names(t, q->names, q->name_count);
        if (r == 0)
            r = typed_put(t, select ? " SELECT * FROM (" : " ");
        if (r == 0)
            r = typed_emit_query(t, q->source);
        if (r == 0 && select)
            r = typed_put(t, ") WHERE TRUE"); /* so that ON is not a join's */
    }
    if (r == 0 && q->conflict)
        r = typed_put(t, " ON CONFLICT");
    if (r == 0 && q->conflict_count > 0)
        r = typed_put_names(t, q->conflict_names, q->conflict_count);
    if (r == 0 && q->conflict)
        r = typed_put(t, q->conflict_update ? " DO UPDATE" : " DO NOTHING");
    if (r == 0 && q->conflict_update)
        r = put_sets(t, q->sets);
    return r == 0 && q->conflict_where ? typed_put_parts(t, " WHERE ", q->conflict_where, "") : r;
}

static int put_delete(typed *t, const typed_query *q)
{
    int r = put_target(t, q, "DELETE FROM ");
    if (r != 0 || !q->from)
        return r == 0 && q->where ? typed_put_condition(t, " WHERE ", q->where) : r;
    r = typed_put(t, " WHERE rowid IN (SELECT ");
    if (r == 0)
        r = typed_put_name(t, q->target->alias);
    if (r == 0)
        r = put_target(t, q, ".rowid FROM ");
    if (r == 0)
        r = typed_put(t, ", ");
    if (r == 0)
        r = put_from_list(t, q->from);
    if (r == 0 && q->where)
        r = typed_put_condition(t, " WHERE ", q->where);
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_update(typed *t, const typed_query *q)
{
    int r = put_target(t, q, "UPDATE ");
    if (r == 0)
        r = put_sets(t, q->sets);
    if (r == 0 && q->from) {
        r = typed_put(t, " FROM ");
        if (r == 0)
            r = put_from_list(t, q->from);
    }
    return r == 0 && q->where ? typed_put_condition(t, " WHERE ", q->where) : r;
}

/* SQLite's RETURNING knows the target alone, by no other name than its columns'. */
static bool is_of_target(const typed_query *q, const typed_node *n)
{
    if (n->kind == TYPED_QUERY || n->kind == TYPED_EXISTS || n->query)
        return false;
    if (n->kind == TYPED_COLUMN && n->relation != q->target)
        return false;
    for (const typed_node *a = n->args; a; a = a->next)
        if (!is_of_target(q, a))
            return false;
    return true;
}

static int put_returning(typed *t, const typed_query *q)
{
    for (const typed_node *n = q->returning; n; n = n->next)
        if (!is_of_target(q, n))
            return typed_fail(t, "0A000",
                              "weir: RETURNING of other tables is not supported on SQLite");
    int r = typed_put(t, " RETURNING ");
    t->bare = q->target;
    if (r == 0)
        r = put_items(t, q, q->returning, false);
    t->bare = NULL;
    return r;
}

static int put_write(typed *t, const typed_query *q)
{
    int r = q->verb == TYPED_INSERT   ? put_insert(t, q)
            : q->verb == TYPED_UPDATE ? put_update(t, q)
                                      : put_delete(t, q);
    return r == 0 && q->returning ? put_returning(t, q) : r;
}

/* ---- sets ---- */

/* Equal values may have several texts: not those of one scale. */
static bool is_keyed(const typed_column *c)
{
    return c->type.oid == WEIR_OID_NUMERIC ? c->exact && c->type.mod == 0
                                           : !c->keyed && typed_key_name(c->type.oid);
}

static bool is_exact(const typed_column *c)
{
    return c->type.oid == WEIR_OID_NUMERIC && c->exact;
}

static bool has_keyed(const typed_query *q)
{
    for (size_t i = 0; i < q->count; i++)
        if (is_keyed(&q->columns[i]))
            return true;
    return false;
}

static int put_column_key(typed *t, const typed_column *c, size_t number)
{
    const char *key =
        c->type.oid == WEIR_OID_NUMERIC ? "weir_trimmed(" : typed_key_name(c->type.oid);
    return is_keyed(c) ? weir_buf_printf(t->out, "%sweir_%zu)", key, number)
                       : weir_buf_printf(t->out, "weir_%zu", number);
}

/* SELECT … FROM (WITH weir_c(weir_0, weir_1, …) AS ( : names that are told apart. */
static int put_numbered(typed *t, const typed_query *q, bool told)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        r = weir_buf_printf(t->out, "%sweir_%zu AS ", i == 0 ? "SELECT " : ", ", i + 1);
        if (r == 0)
            r = typed_put_name(t, q->columns[i].name);
    }
    if (r == 0)
        r = typed_put(t, told ? " FROM (WITH weir_c(weir_0, " : " FROM (WITH weir_c(");
    for (size_t i = 0; r == 0 && i < q->count; i++)
        r = weir_buf_printf(t->out, i == 0 ? "weir_%zu" : ", weir_%zu", i + 1);
    return r == 0 ? typed_put(t, ") AS (") : r;
}

#define NUMBERED_END ") SELECT * FROM weir_c)"

/* A query with an order, a limit, … of its own, as a plain SELECT. */
static int put_enclosed(typed *t, const typed_query *q)
{
    int r = put_numbered(t, q, false);
    if (r == 0)
        r = typed_emit_query(t, q);
    return r == 0 ? typed_put(t, NUMBERED_END) : r;
}

/* SQLite combines plain SELECTs and VALUES alone, from left to right. */
static bool is_plain(const typed_query *q, int side)
{
    bool own = q->order || q->limit || q->offset || q->commons;
    return !own && (!q->combine || side == 1);
}

static int put_side(typed *t, const typed_query *q, int side, bool told)
{
    if (!told && !is_plain(q, side))
        return put_enclosed(t, q);
    int r = told ? weir_buf_printf(t->out, "SELECT %d, * FROM (", side) : 0;
    if (r == 0)
        r = typed_emit_query(t, q);
    return r == 0 && told ? typed_put(t, ")") : r;
}

static int put_sides(typed *t, const typed_query *q, bool distinct)
{
    typed_query all = *q; /* of SELECT DISTINCT: the rows themselves */
    all.distinct = false;
    all.commons = NULL;
    all.order = all.limit = all.offset = NULL;
    int r = put_side(t, q->combine ? q->left : &all, 1, distinct);
    if (r == 0 && q->combine)
        r = weir_buf_printf(t->out, " %s ", distinct ? "UNION ALL" : q->combine);
    return r == 0 && q->combine ? put_side(t, q->right, 2, distinct) : r;
}

/* Each value once, however many texts it has; the sides say which rows are of the result. */
static int put_once(typed *t, const typed_query *q)
{
    int r = typed_put(t, " GROUP BY ");
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        r = i > 0 ? typed_put(t, ", ") : 0;
        if (r == 0)
            r = put_column_key(t, &q->columns[i], i + 1);
    }
    bool both = q->combine && strcmp(q->combine, "INTERSECT") == 0;
    bool left = q->combine && strcmp(q->combine, "EXCEPT") == 0;
    if (r == 0) /* the row is the first side's: SQLite takes it from where the least is */
        r = typed_put(t, both   ? " HAVING min(weir_0) = 1 AND count(DISTINCT weir_0) = 2"
                         : left ? " HAVING max(weir_0) = 1"
                                : " HAVING min(weir_0) > 0");
    return r;
}

static int put_outer_order(typed *t, const typed_query *q)
{
    int r = 0;
    for (const typed_node *n = q->order; r == 0 && n; n = n->next) {
        const typed_column *c = &q->columns[n->position - 1];
        bool number = is_exact(c);
        r = typed_put(t, n == q->order ? " ORDER BY " : ", ");
        if (r == 0)
            r = number ? weir_buf_printf(t->out, "weir_number(weir_%zu)", n->position)
                       : put_column_key(t, c, n->position);
        if (r == 0)
            r = weir_buf_printf(t->out, "%s NULLS %s", n->descending ? " DESC" : "",
                                n->nulls == 1 ? "FIRST" : "LAST");
    }
    return r;
}

/* Its columns are weir_1, … so that they can be put in order by what SQLite does not see. */
static int put_outside(typed *t, const typed_query *q, bool distinct)
{
    int r = put_numbered(t, q, distinct);
    if (r == 0)
        r = put_sides(t, q, distinct);
    if (r == 0)
        r = typed_put(t, NUMBERED_END);
    if (r == 0 && distinct)
        r = put_once(t, q);
    return r == 0 ? put_outer_order(t, q) : r;
}

static int put_combined(typed *t, const typed_query *q)
{
    bool ordered = false;
    for (const typed_node *n = q->order; n; n = n->next)
        ordered |= is_keyed(&q->columns[n->position - 1]) || is_exact(&q->columns[n->position - 1]);
    bool distinct = has_keyed(q) && strcmp(q->combine, "UNION ALL") != 0;
    if ((distinct || ordered) && !q->recurses)
        return put_outside(t, q, distinct);
    int r = put_sides(t, q, false);
    if (r == 0 && q->order) {
        r = typed_put(t, " ORDER BY ");
        if (r == 0)
            r = typed_put_order(t, q->order, true);
    }
    return r;
}

int typed_emit_query(typed *t, const typed_query *q)
{
    int r = q->commons ? put_commons(t, q) : 0;
    if (r != 0)
        return r;
    if (q->verb != TYPED_SELECT)
        return put_write(t, q);
    if (q->combine) {
        r = put_combined(t, q);
    } else if (q->values) {
        r = put_values(t, q);
    } else if (q->distinct_on) {
        r = put_distinct_on(t, q);
        return r == 0 ? put_limits(t, q) : r;
    } else if (q->distinct && has_keyed(q)) {
        r = put_outside(t, q, true);
        return r == 0 ? put_limits(t, q) : r;
    } else {
        r = typed_put(t, q->distinct ? "SELECT DISTINCT " : "SELECT ");
        if (r == 0)
            r = put_items(t, q, q->items, false);
        if (r == 0)
            r = put_body(t, q);
    }
    if (r == 0 && q->order && !q->combine) {
        r = typed_put(t, " ORDER BY ");
        if (r == 0)
            r = typed_put_order(t, q->order, false);
    }
    return r == 0 ? put_limits(t, q) : r;
}
