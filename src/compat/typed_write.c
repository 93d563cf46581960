/* INSERT, UPDATE and DELETE: each value becomes what its column holds. */
#include "base/ascii.h"
#include "compat/typed.h"
#include <assert.h>

static int target_column(typed *t, const typed_query *q, weir_slice name, typed_column **ret)
{
    for (size_t i = 0; i < q->target->count; i++) {
        if (weir_ascii_eq(q->target->columns[i].name, name)) {
            *ret = &q->target->columns[i];
            return 0;
        }
    }
    return typed_fail(t, "42703", "column \"%.*s\" of relation \"%.*s\" does not exist",
                      (int)name.len, (const char *)name.data, (int)q->table.len,
                      (const char *)q->table.data);
}

static int check_twice(typed *t, const weir_slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (weir_ascii_eq(names[i], names[k]))
                return typed_fail(t, "42701", "column \"%.*s\" specified more than once",
                                  (int)names[i].len, (const char *)names[i].data);
    return 0;
}

static bool is_default(const typed_node *n)
{
    return n->kind == TYPED_CONSTANT && weir_slice_eq_cstr(n->text, "default");
}

/* DEFAULT becomes what the column's is. */
static void take_default(typed_node *n, const typed_column *column)
{
    const char *text = column->fallback ? column->fallback : "NULL";
    *n = (typed_node){
        .kind = TYPED_RAW, .text = weir_slice_cstr(text), .type = column->type, .next = n->next};
    if (strcmp(text, "NULL") == 0) {
        n->kind = TYPED_CONSTANT;
        n->text = WEIR_SLICE_LIT("null");
        n->type.oid = WEIR_OID_UNKNOWN;
    }
}

/* A value for the column: a numeric is stored as a number. */
static int assign(typed *t, typed_node *n, const typed_column *column)
{
    assert(column);
    if (is_default(n) && column->counts)
        return typed_fail(t, "0A000",
                          "weir: DEFAULT of an INTEGER PRIMARY KEY in UPDATE is not supported on "
                          "SQLite");
    if (is_default(n))
        take_default(n, column);
    return column->type.oid == 0 ? 0 : typed_coerce(t, n, column->type, 'a');
}

static int resolve_sets(typed *t, typed_query *q)
{
    weir_slice names[TYPED_COLUMNS_MAX];
    size_t count = 0;
    int r = 0;
    for (typed_set *s = q->sets; r == 0 && s; s = s->next) {
        r = typed_infer(t, &q->scope, s->value);
        if (r == 0 && typed_has_aggregate(s->value))
            r = typed_fail(t, "42803", "aggregate functions are not allowed in UPDATE");
        typed_node *value = s->value->kind == TYPED_ROW ? s->value->args : s->value;
        for (size_t i = 0; r == 0 && i < s->count; i++) {
            typed_column *column = NULL;
            if (!value || count == TYPED_COLUMNS_MAX)
                return value ? TYPED_PASS
                             : typed_fail(t, "42601",
                                          "number of columns does not match number of values");
            names[count++] = s->columns[i];
            r = target_column(t, q, s->columns[i], &column);
            if (r == 0 && s->value->kind == TYPED_QUERY && s->count > 1)
                return TYPED_PASS;
            if (r == 0)
                r = assign(t, value, column);
            value = value->next;
        }
    }
    if (r != 0)
        return r;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (weir_ascii_eq(names[i], names[k]))
                return typed_fail(t, "42601", "multiple assignments to same column \"%.*s\"",
                                  (int)names[i].len, (const char *)names[i].data);
    return 0;
}

/* Without a list of names it is the table's first columns that are given. */
static int default_names(typed *t, typed_query *q, size_t given)
{
    if (q->name_count > 0)
        return 0;
    if (given > q->target->count)
        return typed_fail(t, "42601", "INSERT has more expressions than target columns");
    q->names = typed_new(t, given * sizeof(*q->names));
    if (!q->names)
        return -ENOMEM;
    for (size_t i = 0; i < given; i++)
        q->names[q->name_count++] = q->target->columns[i].name;
    return 0;
}

/* DEFAULT in a single row: the column is left out. */
static void drop_defaults(typed_query *q)
{
    typed_node **at = &q->source->rows->args;
    size_t kept = 0, i = 0;
    for (; *at && i < q->name_count; i++) {
        if (is_default(*at)) {
            *at = (*at)->next;
            q->source->count--;
        } else {
            q->names[kept++] = q->names[i];
            at = &(*at)->next;
        }
    }
    q->name_count = kept;
    q->default_values = kept == 0;
}

/* … in one of several: what the column's is; a key that counts by itself takes NULL for that. */
static int take_defaults(typed *t, typed_query *q)
{
    int r = 0;
    for (typed_node *row = q->source->rows; r == 0 && row; row = row->next) {
        size_t i = 0;
        for (typed_node *n = row->args; r == 0 && n && i < q->name_count; n = n->next, i++) {
            typed_column *column = NULL;
            if (!is_default(n))
                continue;
            r = target_column(t, q, q->names[i], &column);
            if (r == 0)
                take_default(n, column);
        }
    }
    return r;
}

static int resolve_source(typed *t, typed_query *q)
{
    int r = typed_resolve_query(t, q->source, &q->scope);
    if (r == 0)
        r = default_names(t, q, q->source->count);
    if (r == 0)
        r = check_twice(t, q->names, q->name_count);
    for (size_t i = 0; r == 0 && i < q->name_count; i++) {
        typed_column *column = NULL;
        r = target_column(t, q, q->names[i], &column);
    }
    if (r == 0 && q->source->count != q->name_count)
        r = typed_fail(t, "42601", "INSERT has %s",
                       q->source->count > q->name_count ? "more expressions than target columns"
                                                        : "more target columns than expressions");
    if (r == 0 && q->source->values && !q->source->rows->next)
        drop_defaults(q);
    else if (r == 0 && q->source->values)
        r = take_defaults(t, q);
    for (size_t i = 0; r == 0 && i < q->name_count; i++) {
        typed_column *column = NULL;
        r = target_column(t, q, q->names[i], &column);
        if (r == 0 && column->type.oid != 0)
            r = typed_coerce_column(t, q->source, i, column->type, 'a');
    }
    return r;
}

static int resolve_conflict(typed *t, typed_query *q)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < q->conflict_count; i++) {
        typed_column *column = NULL;
        r = target_column(t, q, q->conflict_names[i], &column);
    }
    if (r != 0 || !q->conflict_update)
        return r;
    typed_relation *excluded = typed_new(t, sizeof(*excluded));
    if (!excluded)
        return -ENOMEM;
    *excluded = *q->target;
    excluded->alias = WEIR_SLICE_LIT("excluded");
    excluded->hidden = true;
    excluded->next = NULL;
    q->target->next = excluded;
    if (q->conflict_count == 0)
        return typed_fail(t, "42601",
                          "ON CONFLICT DO UPDATE requires inference specification or "
                          "constraint name");
    r = resolve_sets(t, q);
    if (r == 0 && q->conflict_where)
        r = typed_infer_bool(t, &q->scope, q->conflict_where, "WHERE");
    q->target->next = NULL;
    return r;
}

int typed_resolve_write(typed *t, typed_query *q)
{
    int r = typed_read_table(t, q->table, &q->target);
    if (r != 0 || q->target->view)
        return r != 0 ? r : TYPED_PASS;
    q->target->alias = q->alias.len > 0 ? q->alias : q->table;
    q->scope.relations = NULL;
    if (q->verb == TYPED_INSERT) {
        if (q->default_values)
            r = 0;
        else
            r = resolve_source(t, q);
        q->scope.relations = q->target;
        if (r == 0 && q->conflict)
            r = resolve_conflict(t, q);
    } else {
        q->scope.relations = q->target;
        for (typed_from *f = q->from; r == 0 && f; f = f->next)
            r = typed_add_from(t, &q->scope, f, false);
        if (r == 0 && q->verb == TYPED_UPDATE)
            r = resolve_sets(t, q);
        if (r == 0 && q->where)
            r = typed_infer_bool(t, &q->scope, q->where, "WHERE");
    }
    if (r == 0)
        r = typed_expand_items(t, &q->scope, &q->returning);
    if (r == 0)
        r = typed_infer_list(t, &q->scope, q->returning);
    if (r == 0)
        r = typed_take_columns(t, q, q->returning);
    return r == 0 ? typed_settle(t, q) : r;
}
