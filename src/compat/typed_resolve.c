/* What names stand for: tables of the schema, WITH, FROM, USING, aliases; and PostgreSQL's rules of
 * where which expression may be. */
#include "base/ascii.h"
#include "compat/typed.h"
#include "compat/typed_enums.h"
#include <limits.h>

/* ---- the list ---- */

static typed_node *column_node(typed *t, typed_relation *relation, size_t i)
{
    typed_node *n = typed_make(t, TYPED_COLUMN, relation->columns[i].name);
    if (n) {
        n->qualifier = relation->alias;
        n->relation = relation;
        n->column = i;
        n->type = relation->columns[i].type;
        n->exact = relation->columns[i].exact;
    }
    return n;
}

static bool is_merged(const typed_scope *s, weir_slice name)
{
    for (size_t i = 0; i < s->merged_count; i++)
        if (weir_ascii_eq(s->merged[i], name))
            return true;
    return false;
}

/* The columns that a star stands for, one behind the other at `*tail`. */
static int expand_star(typed *t, typed_scope *s, const typed_node *star, typed_node ***tail)
{
    bool found = false, all = star->qualifier.len == 0;
    for (size_t i = 0; all && i < s->merged_count; i++) {
        typed_node *n = typed_make(t, TYPED_COLUMN, s->merged[i]);
        if (!n)
            return -ENOMEM;
        **tail = n;
        *tail = &n->next;
    }
    for (typed_relation *o = s->relations; o; o = o->next) {
        if (o->hidden || (!all && !weir_ascii_eq(o->alias, star->qualifier)))
            continue;
        found = true;
        for (size_t i = 0; i < o->count; i++) {
            if (all && is_merged(s, o->columns[i].name))
                continue;
            typed_node *n = column_node(t, o, i);
            if (!n)
                return -ENOMEM;
            **tail = n;
            *tail = &n->next;
        }
    }
    if (found)
        return 0;
    return all ? typed_fail(t, "42601", "SELECT * with no tables specified is not valid")
               : typed_fail(t, "42P01", "missing FROM-clause entry for table \"%.*s\"",
                            (int)star->qualifier.len, (const char *)star->qualifier.data);
}

int typed_expand_items(typed *t, typed_scope *s, typed_node **items)
{
    typed_node *item = *items, **tail = items;
    while (item) {
        typed_node *next = item->next;
        if (item->kind == TYPED_STAR) {
            int r = expand_star(t, s, item, &tail);
            if (r != 0)
                return r;
        } else {
            *tail = item;
            tail = &item->next;
        }
        item = next;
    }
    *tail = NULL;
    return 0;
}

/* As PostgreSQL names a column (FigureColname): how well it is named, 2 the best. */
static int figure_name(const typed_node *n, weir_slice *ret)
{
    if (!n)
        return 0;
    const typed_node *last = n->args;
    switch (n->kind) {
    case TYPED_CALL:
        if (weir_slice_eq_cstr(n->text, "weir_subscript"))
            return figure_name(n->args, ret);
        *ret = n->text;
        return 2;
    case TYPED_COLUMN:
    case TYPED_ARRAY:
    case TYPED_ZONE:
        *ret = n->text;
        return 2;
    case TYPED_EXTRACT:
        *ret = WEIR_SLICE_LIT("extract");
        return 2;
    case TYPED_EXISTS:
        *ret = WEIR_SLICE_LIT("exists");
        return 2;
    case TYPED_QUERY:
        *ret = n->query->count > 0 ? n->query->columns[0].name : *ret;
        return 2;
    case TYPED_CAST:
        if (figure_name(n->args, ret) == 2)
            return 2;
        uint32_t element = typed_element_of(n->to.oid);
        *ret = weir_slice_cstr(typed_type_name(element ? element : n->to.oid));
        if (enum_is_oid(n->to.oid))
            *ret = n->text;
        return 1;
    case TYPED_CASE:
        while (last && last->next)
            last = last->next;
        if (n->has_else && figure_name(last, ret) == 2)
            return 2;
        *ret = n->text;
        return 1;
    default:
        return 0;
    }
}

static weir_slice item_name(const typed_node *n)
{
    weir_slice name = WEIR_SLICE_LIT("?column?");
    if (n->alias.len > 0)
        return n->alias;
    (void)figure_name(n, &name);
    return name;
}

int typed_take_columns(typed *t, typed_query *q, typed_node *items)
{
    size_t count = 0;
    for (const typed_node *n = items; n; n = n->next)
        count++;
    if (count > TYPED_COLUMNS_MAX)
        return TYPED_PASS;
    q->columns = typed_new(t, count * sizeof(*q->columns));
    q->count = 0;
    if (!q->columns)
        return -ENOMEM;
    for (typed_node *n = items; n; n = n->next) {
        if (n->type.oid == TYPED_RECORD)
            return typed_fail(t, "0A000", "weir: a row as a value is not supported on SQLite");
        if (n->kind == TYPED_NUMBER) /* its zeros are not lost */
            typed_exact(t, n);
        const typed_column *from =
            n->kind == TYPED_COLUMN && n->relation ? &n->relation->columns[n->column] : NULL;
        q->columns[q->count++] = (typed_column){.name = item_name(n),
                                                .type = n->type,
                                                .table = from ? from->table : (weir_slice){0},
                                                .origin = from ? from->origin : (weir_slice){0},
                                                .exact = n->type.oid == WEIR_OID_NUMERIC};
    }
    return 0;
}

/* Literals that nothing has said a type of are texts. */
int typed_settle(typed *t, typed_query *q)
{
    size_t i = 0;
    for (typed_node *n = q->verb == TYPED_SELECT ? q->items : q->returning; n; n = n->next, i++) {
        if (n->type.oid != WEIR_OID_UNKNOWN)
            continue;
        int r = typed_coerce(t, n, (typed_type){WEIR_OID_TEXT, 0}, 'i');
        if (r != 0)
            return r;
        q->columns[i].type.oid = WEIR_OID_TEXT;
    }
    return 0;
}

/* ---- ORDER BY, GROUP BY: positions and outputs' names ---- */

#define NO_INTEGER LONG_MIN

/* What a constant says; 0: it is none. */
static long position_of(const typed_node *n)
{
    long v = 0;
    bool negative = n->kind == TYPED_OP && n->args && !n->args->next &&
                    n->args->kind == TYPED_NUMBER && weir_slice_eq_cstr(n->text, "-");
    if (n->kind == TYPED_STRING || n->kind == TYPED_CONSTANT)
        return NO_INTEGER;
    if (n->kind != TYPED_NUMBER && !negative)
        return 0;
    weir_slice text = negative ? n->args->text : n->text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return NO_INTEGER;
        v = v < 100000000 ? v * 10 + (text.data[i] - '0') : v;
    }
    return negative || v == 0 ? -v - (v == 0) : v;
}

static typed_node *nth(typed_node *n, size_t i)
{
    for (; n && i > 0; i--)
        n = n->next;
    return n;
}

/* The item that is meant; NULL: none. *ret_r: an error. */
static typed_node *item_of(typed *t, const typed_query *q, const typed_node *n, const char *clause,
                           int *ret_r)
{
    long position = position_of(n);
    typed_node *found = position > 0 ? nth(q->items, (size_t)position - 1) : NULL;
    if (position != 0 && !found) {
        *ret_r =
            position == NO_INTEGER
                ? typed_fail(t, "42601", "non-integer constant in %s", clause)
                : typed_fail(t, "42P10", "%s position %ld is not in select list", clause, position);
        return NULL;
    }
    if (found || n->kind != TYPED_COLUMN || n->qualifier.len > 0)
        return found;
    for (typed_node *item = q->items; item; item = item->next) {
        if (!weir_ascii_eq(item_name(item), n->text))
            continue;
        if (found && !typed_same_expression(found, item)) {
            *ret_r = typed_fail(t, "42702", "%s \"%.*s\" is ambiguous", clause, (int)n->text.len,
                                (const char *)n->text.data);
            return NULL;
        }
        found = item;
    }
    return found;
}

static bool is_input(const typed_scope *s, weir_slice name)
{
    for (const typed_relation *o = s->relations; o; o = o->next)
        if (typed_has_column(o, name))
            return true;
    return false;
}

/* Puts a copy of the item in the place of `n`, which is in a list. */
static void replace(typed_node *n, const typed_node *item)
{
    typed_node copy = *item;
    copy.next = n->next;
    copy.descending = n->descending;
    copy.position = n->position;
    copy.nulls = n->nulls;
    *n = copy;
}

static int resolve_group(typed *t, typed_query *q)
{
    const typed_type text = {WEIR_OID_TEXT, 0};
    int r = 0;
    for (typed_node *n = q->group; r == 0 && n; n = n->next) {
        bool input = n->kind == TYPED_COLUMN && is_input(&q->scope, n->text);
        typed_node *item = input ? NULL : item_of(t, q, n, "GROUP BY", &r);
        if (r != 0)
            return r;
        if (item && item->type.oid == WEIR_OID_UNKNOWN)
            r = typed_coerce(t, item, text, 'i');
        size_t at = 0;
        for (const typed_node *i = q->items; item && i && n->position == 0; i = i->next)
            n->position = ++at > 0 && i == item ? at : 0;
        if (item)
            replace(n, item);
        else
            r = typed_infer(t, &q->scope, n);
        at = 0;
        for (const typed_node *i = q->items; r == 0 && i && n->position == 0; i = i->next)
            n->position = ++at > 0 && n->query && typed_same_expression(i, n) ? at : 0;
        if (r == 0 && n->type.oid == WEIR_OID_UNKNOWN)
            r = typed_coerce(t, n, text, 'i');
        if (r == 0 && typed_has_aggregate(n))
            return typed_fail(t, "42803", "aggregate functions are not allowed in GROUP BY");
    }
    return r;
}

int typed_check_order(typed *t, uint32_t oid)
{
    if (oid == WEIR_OID_JSON)
        return typed_fail(t, "42883", "could not identify an ordering operator for type json");
    return typed_element_of(oid) != 0
               ? typed_fail(t, "0A000", "weir: an order of arrays is not supported on SQLite")
               : 0;
}

/* One of `conditions`, joined by AND, is not true where the column is NULL. */
static bool excludes_null(const typed_node *conditions, const typed_node *column)
{
    const typed_node *n = conditions;
    bool compares = n->kind == TYPED_BETWEEN || n->kind == TYPED_LIKE ||
                    (n->kind == TYPED_IN && !n->negated); /* none are not in an empty query */
    if (n->kind == TYPED_TEST)
        return n->negated && weir_slice_eq_cstr(n->text, "null") &&
               typed_same_expression(n->args, column);
    if (n->kind == TYPED_OP && weir_slice_eq_nocase(n->text, "and"))
        return excludes_null(n->args, column) || excludes_null(n->args->next, column);
    if (n->kind == TYPED_OP && n->args->next)
        return n->text.len <= 2 && strchr("=<>", n->text.data[0]) &&
               (typed_same_expression(n->args, column) ||
                typed_same_expression(n->args->next, column));
    return compares && typed_same_expression(n->args, column);
}

static int resolve_order(typed *t, typed_query *q)
{
    int r = 0;
    for (typed_node *n = q->order; r == 0 && n; n = n->next) {
        const typed_node *item = item_of(t, q, n, "ORDER BY", &r);
        if (r != 0)
            return r;
        if (item)
            replace(n, item);
        else
            r = typed_infer(t, &q->scope, n);
        size_t at = 0;
        for (const typed_node *i = q->items; r == 0 && i && n->position == 0; i = i->next) {
            at++;
            n->position = i == item || typed_same_expression(i, n) ? at : 0;
        }
        if (r == 0 && q->distinct && !q->distinct_on && n->position == 0)
            return typed_fail(
                t, "42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
        if (r == 0 && n->type.oid == WEIR_OID_UNKNOWN)
            r = typed_coerce(t, n, (typed_type){WEIR_OID_TEXT, 0}, 'i');
        if (r == 0)
            r = typed_check_order(t, n->type.oid);
        if (r == 0)
            typed_key(t, n);
        if (r == 0)
            r = typed_enum_key(t, n);
        /* There are no NULLs: SQLite's place for them needs no sorting. */
        if (r == 0 && n->kind == TYPED_COLUMN && q->where && excludes_null(q->where, n))
            n->nulls = n->descending ? 2 : 1;
    }
    return r;
}

static bool is_listed(const typed_node *list, const typed_node *n)
{
    for (; list; list = list->next)
        if (typed_same_expression(list, n))
            return true;
    return false;
}

/* DISTINCT ON: outputs' names and positions, as in ORDER BY. */
static int resolve_distinct_on(typed *t, typed_query *q)
{
    int r = 0;
    for (typed_node *n = q->distinct_on; r == 0 && n; n = n->next) {
        const typed_node *item = item_of(t, q, n, "DISTINCT ON", &r);
        if (r == 0 && item)
            replace(n, item);
        else if (r == 0)
            r = typed_infer(t, &q->scope, n);
    }
    return r;
}

/* Rows that are alike must be together in the order. */
static int check_distinct_on(typed *t, const typed_query *q)
{
    bool other = false, late = false;
    for (const typed_node *n = q->order; n; n = n->next) {
        bool listed = is_listed(q->distinct_on, n);
        late |= listed && other;
        other |= !listed;
    }
    for (const typed_node *n = q->distinct_on; n; n = n->next)
        late |= other && !is_listed(q->order, n);
    return late ? typed_fail(t, "42P10",
                             "SELECT DISTINCT ON expressions must match initial ORDER "
                             "BY expressions")
                : 0;
}

static int resolve_limit(typed *t, typed_query *q, typed_node *n, bool offset)
{
    if (!n)
        return 0;
    int r = typed_infer(t, &q->scope, n);
    if (r == 0)
        r = typed_coerce(t, n, (typed_type){WEIR_OID_INT8, 0}, 'i');
    if (r == 0)
        typed_wrap(t, n, offset ? "weir_offset(%)" : "weir_limit(%)");
    return r;
}

static int resolve_limits(typed *t, typed_query *q)
{
    int r = resolve_limit(t, q, q->limit, false);
    return r == 0 ? resolve_limit(t, q, q->offset, true) : r;
}

/* ---- queries ---- */

int typed_infer_list(typed *t, typed_scope *s, typed_node *n)
{
    int r = 0;
    for (; r == 0 && n; n = n->next)
        r = typed_infer(t, s, n);
    return r;
}

/* … BY the list, in a window or an aggregate. */
int typed_infer_order(typed *t, typed_scope *s, typed_node *list)
{
    int r = typed_infer_list(t, s, list);
    for (typed_node *n = list; r == 0 && n; n = n->next) {
        r = typed_check_order(t, n->type.oid);
        if (r == 0)
            typed_key(t, n);
        if (r == 0)
            r = typed_enum_key(t, n);
    }
    return r;
}

static int infer_windows(typed *t, typed_query *q)
{
    int r = 0;
    for (typed_named_window *w = q->windows; r == 0 && w; w = w->next) {
        r = typed_infer_list(t, &q->scope, w->window->partition);
        if (r == 0)
            r = typed_infer_order(t, &q->scope, w->window->order);
    }
    return r;
}

static int resolve_select(typed *t, typed_query *q)
{
    typed_scope *s = &q->scope;
    int r = typed_lift_set(t, q);
    for (typed_from *f = q->from; r == 0 && f; f = f->next)
        r = typed_add_from(t, s, f, false);
    if (r == 0)
        r = typed_expand_items(t, s, &q->items);
    if (r == 0)
        r = infer_windows(t, q);
    if (r == 0) /* in PostgreSQL's order: the first use decides what a parameter is */
        r = typed_infer_list(t, s, q->items);
    if (r == 0 && q->where)
        r = typed_infer_bool(t, s, q->where, "WHERE");
    if (r == 0 && q->where && typed_has_aggregate(q->where))
        r = typed_fail(t, "42803", "aggregate functions are not allowed in WHERE");
    for (typed_node *n = q->distinct ? q->items : NULL; r == 0 && n; n = n->next)
        if (n->type.oid == WEIR_OID_UNKNOWN)
            r = typed_coerce(t, n, (typed_type){WEIR_OID_TEXT, 0}, 'i');
    for (const typed_node *n = q->items; r == 0 && n; n = n->next)
        q->aggregates |= typed_has_aggregate(n);
    if (r == 0)
        r = resolve_group(t, q);
    if (r == 0 && q->having)
        r = typed_infer_bool(t, s, q->having, "HAVING");
    if (r == 0)
        r = resolve_distinct_on(t, q);
    if (r == 0)
        r = typed_take_columns(t, q, q->items);
    if (r == 0)
        r = resolve_order(t, q);
    if (r == 0 && q->distinct_on)
        r = check_distinct_on(t, q);
    for (const typed_node *n = q->order; r == 0 && n; n = n->next)
        q->aggregates |= typed_has_aggregate(n);
    return r == 0 ? typed_check_groups(t, q) : r;
}

static int resolve_values(typed *t, typed_query *q)
{
    typed_node *first = q->rows;
    size_t width = 0;
    int r = 0;
    for (const typed_node *n = first->args; n; n = n->next)
        width++;
    if (width > TYPED_COLUMNS_MAX)
        return TYPED_PASS;
    q->columns = typed_new(t, width * sizeof(*q->columns));
    if (!q->columns)
        return -ENOMEM;
    for (typed_node *row = first; r == 0 && row; row = row->next) {
        size_t n = 0;
        r = typed_infer_list(t, &q->scope, row->args);
        for (const typed_node *c = row->args; c; c = c->next)
            n++;
        if (r == 0 && n != width)
            r = typed_fail(t, "42601", "VALUES lists must all be the same length");
    }
    q->count = width;
    for (size_t i = 0; r == 0 && i < width; i++) {
        char name[32];
        snprintf(name, sizeof(name), "column%zu", i + 1);
        q->columns[i].name = weir_slice_cstr(weir_arena_strdup(&t->arena, weir_slice_cstr(name)));
        if (!q->columns[i].name.data)
            return -ENOMEM;
    }
    return r;
}

/* The item of column `i` of each of the queries that are combined. */
int typed_coerce_column(typed *t, typed_query *q, size_t i, typed_type to, char how)
{
    int r = 0;
    if (q->combine) {
        r = typed_coerce_column(t, q->left, i, to, how);
        if (r == 0)
            r = typed_coerce_column(t, q->right, i, to, how);
    } else if (q->values) {
        for (typed_node *row = q->rows; r == 0 && row; row = row->next)
            r = typed_coerce(t, nth(row->args, i), to, how);
    } else {
        r = typed_coerce(t, nth(q->items, i), to, how);
    }
    if (r == 0) {
        q->columns[i].type = to;
        q->columns[i].exact = to.oid == WEIR_OID_NUMERIC;
    }
    return r;
}

/* Of VALUES: each column has one type, texts if nothing says another. */
static int settle_values(typed *t, typed_query *q)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        typed_type type = {WEIR_OID_UNKNOWN, 0};
        for (typed_node *row = q->rows; r == 0 && row; row = row->next) {
            const typed_node *n = nth(row->args, i);
            typed_node a = {.type = type}, b = {.type = n->type};
            a.next = &b;
            r = typed_common_type(t, &a, "VALUES", &type);
            if (type.oid == WEIR_OID_TEXT && a.type.oid == WEIR_OID_UNKNOWN &&
                b.type.oid == WEIR_OID_UNKNOWN)
                type.oid = WEIR_OID_UNKNOWN;
        }
        if (type.oid == WEIR_OID_UNKNOWN)
            type.oid = WEIR_OID_TEXT;
        if (r == 0 && type.oid != 0)
            r = typed_coerce_column(t, q, i, type, 'i');
    }
    return r;
}

static int unify(typed *t, typed_query *q)
{
    int r = 0;
    if (q->left->count != q->right->count)
        return typed_fail(t, "42601", "each %s query must have the same number of columns",
                          q->combine);
    q->columns = typed_new(t, (q->left->count + 1) * sizeof(*q->columns));
    if (!q->columns)
        return -ENOMEM;
    q->count = q->left->count;
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        typed_node a = {.type = q->left->columns[i].type}, b = {.type = q->right->columns[i].type};
        typed_type type;
        a.next = &b;
        q->columns[i] = q->left->columns[i];
        q->columns[i].table = q->columns[i].origin = (weir_slice){0};
        r = typed_common_type(t, &a, q->combine, &type);
        if (r == 0 && type.oid != 0)
            r = typed_coerce_column(t, q, i, type, 'i');
    }
    return r;
}

static int resolve_combined(typed *t, typed_query *q, typed_common *self)
{
    int r = typed_resolve_query(t, q->left, &q->scope);
    if (r == 0 && q->left->values)
        r = settle_values(t, q->left);
    q->recurses = self != NULL;
    if (r == 0 && self) {
        self->columns = q->left->columns;
        self->count = q->left->count;
        for (size_t i = 0; i < self->name_count && i < self->count; i++)
            self->columns[i].name = self->names[i];
        for (size_t i = 0; i < self->count; i++)
            if (self->columns[i].type.oid == WEIR_OID_UNKNOWN)
                self->columns[i].type.oid = WEIR_OID_TEXT;
    }
    if (r == 0)
        r = typed_resolve_query(t, q->right, &q->scope);
    if (r == 0 && q->right->values)
        r = settle_values(t, q->right);
    if (r == 0)
        r = unify(t, q);
    for (typed_node *n = q->order; r == 0 && n; n = n->next) {
        long position = position_of(n);
        for (size_t i = 0; position == 0 && n->kind == TYPED_COLUMN && i < q->count; i++)
            if (weir_ascii_eq(q->columns[i].name, n->text))
                position = (long)i + 1;
        if (position < 1 || (size_t)position > q->count)
            return n->kind == TYPED_COLUMN
                       ? typed_fail(t, "42703", "column \"%.*s\" does not exist", (int)n->text.len,
                                    (const char *)n->text.data)
                       : TYPED_PASS;
        n->column = n->position = (size_t)position;
        n->type = q->columns[position - 1].type;
        r = typed_check_order(t, n->type.oid);
        if (r == 0 && enum_is_oid(n->type.oid))
            r = typed_fail(t, "0A000",
                           "weir: UNION and its kin ordered by an enum are not supported on "
                           "SQLite");
    }
    return r;
}

static int resolve_common(typed *t, typed_query *q, typed_common *c)
{
    bool combined = q->recursive && c->query->combine != NULL;
    int r = 0;
    if (combined) {
        c->query->scope = (typed_scope){.outer = &q->scope, .query = c->query};
        r = resolve_combined(t, c->query, c);
        if (r == 0)
            r = resolve_limits(t, c->query);
    } else {
        r = typed_resolve_query(t, c->query, &q->scope);
        if (r == 0 && c->query->values)
            r = settle_values(t, c->query);
        if (r == 0 && !c->query->values && !c->query->combine)
            r = typed_settle(t, c->query);
    }
    typed_relation *named = NULL;
    if (r == 0)
        r = typed_from_columns(t, c->query->columns, c->query->count, c->names, c->name_count,
                               &named);
    if (r != 0)
        return r;
    c->columns = named->columns;
    c->count = named->count;
    return 0;
}

int typed_resolve_query(typed *t, typed_query *q, typed_scope *outer)
{
    int r = 0;
    q->scope = (typed_scope){.outer = outer, .query = q};
    if (++t->depth > 40)
        return TYPED_PASS;
    typed_common *commons = q->commons;
    if (commons)
        q->scope.commons = commons;
    for (typed_common *c = commons; r == 0 && c; c = c->next)
        r = resolve_common(t, q, c);
    if (r == 0)
        r = q->verb != TYPED_SELECT ? typed_resolve_write(t, q)
            : q->combine            ? resolve_combined(t, q, NULL)
            : q->values             ? resolve_values(t, q)
                                    : resolve_select(t, q);
    bool inserted =
        outer && outer->query && outer->query->verb == TYPED_INSERT && outer->query->source == q;
    bool part = outer && outer->query && outer->query->combine;
    if (r == 0 && q->verb == TYPED_SELECT && !inserted && !part && !q->combine)
        r = q->values ? settle_values(t, q) : typed_settle(t, q);
    if (r == 0 && q->verb == TYPED_SELECT)
        r = resolve_limits(t, q);
    t->depth--;
    return r;
}
