/* Relations: tables of the schema, WITH's, subqueries and functions in FROM, joins. */
#include "base/ascii.h"
#include "compat/typed_lists.h"
#include <assert.h>
#include <stdlib.h>

typedef struct reading {
    typed *t;
    typed_relation *relation;
    bool failed;
} reading;

static typed_type declared_type(const char *declared)
{
    typed_type type = {weir_compat_declared_oid(declared), 0};
    const char *open = strchr(declared, '(');
    int a = 0, b = 0;
    for (const char *c = open ? open + 1 : ""; *c >= '0' && *c <= '9' && a < 10000000; c++)
        a = a * 10 + (*c - '0');
    const char *comma = open ? strchr(open, ',') : NULL;
    for (const char *c = comma ? comma + 1 : "";
         ((*c >= '0' && *c <= '9') || *c == ' ') && b < 10000; c++)
        b = *c == ' ' ? b : b * 10 + (*c - '0');
    if (type.oid == WEIR_OID_VARCHAR)
        type.mod = a;
    else if (type.oid == WEIR_OID_NUMERIC && a > 0 && a <= TYPED_PRECISION_MAX && b <= a)
        type.mod = a * 65536 + b + 1;
    return type;
}

/* "view oid mod exact" */
static void view_column(typed_column *c, const char *declared)
{
    char *end = NULL;
    c->type.oid = (uint32_t)strtoul(declared, &end, 10);
    c->type.mod = (int32_t)strtol(end, &end, 10);
    c->exact = strtol(end, NULL, 10) != 0;
}

static void on_column(void *user, const weir_face_column *of)
{
    reading *read = user;
    typed_relation *relation = read->relation;
    if (relation->count == TYPED_COLUMNS_MAX) {
        read->failed = true;
        return;
    }
    typed_column *columns =
        typed_grow(read->t, relation->columns, relation->count, sizeof(*relation->columns));
    if (!columns) {
        read->failed = true;
        return;
    }
    relation->columns = columns;
    typed_column *c = &columns[relation->count++];
    *c = (typed_column){.name = weir_slice_cstr(weir_arena_strdup(&read->t->arena, of->name)),
                        .type = declared_type(of->declared),
                        .counts = !of->fallback,
                        .not_null = of->not_null,
                        .key = of->key};
    if (of->fallback)
        c->fallback = weir_arena_strdup(&read->t->arena, weir_slice_cstr(of->fallback));
    size_t prefix = strlen(WEIR_FACE_VIEW_COLUMN);
    if (strncmp(of->declared, WEIR_FACE_VIEW_COLUMN, prefix) == 0) {
        view_column(c, of->declared + prefix);
        relation->view = true;
    }
    read->failed |= !c->name.data || (of->fallback && !c->fallback);
}

int typed_read_table(typed *t, weir_slice name, typed_relation **ret)
{
    typed_relation *relation = typed_new(t, sizeof(*relation));
    if (!relation)
        return -ENOMEM;
    reading read = {.t = t, .relation = relation};
    bool marked = false;
    int r = t->schema->table(t->schema->user, name, &marked, on_column, &read);
    for (size_t i = 0; i < relation->count; i++) {
        relation->columns[i].table = name;
        relation->columns[i].origin = relation->columns[i].name;
    }
    *ret = relation;
    if (r == WEIR_FACE_NO_TABLE)
        return typed_fail(t, "42P01", "relation \"%.*s\" does not exist", (int)name.len,
                          (const char *)name.data);
    if (r < 0)
        return r;
    /* SQLite's own table: as it always was (docs/decisions/0013-whose-table-it-is.md). */
    return r > 0 || !marked || read.failed ? TYPED_PASS : 0;
}

int typed_from_columns(typed *t, const typed_column *columns, size_t count, const weir_slice *names,
                       size_t name_count, typed_relation **ret)
{
    typed_relation *relation = typed_new(t, sizeof(*relation));
    typed_column *copy = typed_new(t, (count + 1) * sizeof(*copy));
    if (!relation || !copy)
        return -ENOMEM;
    if (name_count > count)
        return typed_fail(t, "42P10", "table has %zu columns available but %zu columns specified",
                          count, name_count);
    if (count > 0)
        memcpy(copy, columns, count * sizeof(*copy));
    for (size_t i = 0; i < name_count; i++)
        copy[i].name = names[i];
    for (size_t i = 0; i < count; i++)
        copy[i].key = false;
    relation->columns = copy;
    relation->count = count;
    *ret = relation;
    return 0;
}

static typed_common *find_common(typed_scope *s, weir_slice name)
{
    for (; s; s = s->outer)
        for (typed_common *c = s->commons; c; c = c->next)
            if (c->columns && weir_ascii_eq(c->name, name))
                return c;
    return NULL;
}

/* alias(names): the query itself gives them. */
static void rename_columns(typed_query *q, const weir_slice *names, size_t count)
{
    if (q->combine) {
        rename_columns(q->left, names, count);
        rename_columns(q->right, names, count);
    }
    for (size_t i = 0; i < count && i < q->count; i++)
        q->columns[i].name = names[i];
}

static const char *const value_names[] = {"value", "ordinality"};
static const char *const pair_names[] = {"key", "value", "ordinality"};

/* Of a function of JSON's; SQLite's json_each of an array is not PostgreSQL's. */
static int read_document(typed *t, typed_from *f, typed_column columns[3], size_t *ret_count)
{
    typed_node *document = f->call->args;
    f->table = typed_document_set(f->name, columns, ret_count);
    if (!f->table || !document || document->next)
        return f->table ? typed_no_function(t, f->call) : TYPED_NONE;
    weir_slice text = document->text;
    if (weir_slice_eq_cstr(f->name, "json_each") && document->kind == TYPED_STRING &&
        text.len > 1 && text.data[1] == '[')
        return TYPED_PASS;
    bool binary = f->name.data[4] == 'b';
    return typed_coerce(t, document, (typed_type){binary ? WEIR_OID_JSONB : WEIR_OID_JSON, 0}, 'i');
}

/* The type of a series from `a` to `b` by an interval; 0: they are no moments. Of two dates it is
 * timestamptz, the preferred type of the category (PostgreSQL's documentation, 10.3). */
static uint32_t series_of_moments(uint32_t a, uint32_t b)
{
    static const uint32_t moments[] = {WEIR_OID_TIMESTAMPTZ, WEIR_OID_TIMESTAMP, WEIR_OID_DATE};
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
        if (a == moments[i] || b == moments[i])
            return moments[i] == WEIR_OID_DATE ? WEIR_OID_TIMESTAMPTZ : moments[i];
    return 0;
}

static int read_moments(typed *t, typed_from *f, typed_type type)
{
    static const typed_type interval = {WEIR_OID_INTERVAL, 0};
    typed_node *from = f->call->args, *to = from->next, *step = to->next;
    if (!step || step->next)
        return typed_no_function(t, f->call);
    if (type.oid == WEIR_OID_TIMESTAMPTZ && t->zone.len > 0)
        return typed_fail(t, "0A000",
                          "weir: generate_series of timestamptz in a TimeZone other than UTC is "
                          "not supported on SQLite");
    f->table = "weir_series";
    int r = typed_coerce(t, from, type, 'i');
    if (r == 0)
        r = typed_coerce(t, to, type, 'i');
    return r == 0 ? typed_coerce(t, step, interval, 'i') : r;
}

static int read_series(typed *t, typed_from *f, typed_column *column)
{
    typed_node *first = f->call->args;
    if (weir_slice_eq_cstr(f->name, "generate_series")) {
        column->type = (typed_type){0};
        if (first->next)
            column->type.oid = series_of_moments(first->type.oid, first->next->type.oid);
        if (column->type.oid)
            return read_moments(t, f, column->type);
        int r = typed_common_type(t, first, "generate_series", &column->type);
        bool whole = column->type.oid == WEIR_OID_INT4 || column->type.oid == WEIR_OID_INT8;
        return r == 0 && !whole
                   ? typed_fail(t, "0A000",
                                "weir: generate_series of these types is not supported on SQLite")
                   : r;
    }
    if (!weir_slice_eq_cstr(f->name, "unnest") || first->next)
        return TYPED_PASS;
    column->type.oid = typed_element_of(first->type.oid);
    return column->type.oid ? typed_array_each(t, first) : TYPED_PASS;
}

/* A function in FROM: a column of the alias's name if it has none of its own, and its number if
 * that is wanted. */
static int read_set(typed *t, typed_scope *s, typed_from *f, typed_relation **ret)
{
    typed_column columns[3];
    memset(columns, 0, sizeof(columns));
    size_t count = 1;
    int r = f->call->args ? typed_infer_list(t, s, f->call->args) : TYPED_PASS;
    if (r == 0)
        r = read_document(t, f, columns, &count);
    if (r == TYPED_NONE)
        r = read_series(t, f, columns);
    if (r != 0)
        return r;
    const char *const *names = count == 2 ? pair_names : value_names;
    if (columns[0].name.len == 0)
        columns[0].name = f->alias.len > 0 ? f->alias : f->name;
    if (f->ordinality)
        columns[count++] =
            (typed_column){.name = WEIR_SLICE_LIT("ordinality"), .type = {WEIR_OID_INT8, 0}};
    r = typed_from_columns(t, columns, count, f->names, f->name_count, ret);
    if (r == 0)
        (*ret)->set = names;
    return r;
}

static bool is_set(const typed_node *n)
{
    typed_column columns[2];
    size_t count = 0;
    return n->kind == TYPED_CALL && !n->over && !n->filter &&
           (weir_slice_eq_cstr(n->text, "unnest") ||
            weir_slice_eq_cstr(n->text, "generate_series") ||
            typed_document_set(n->text, columns, &count));
}

/* Those in `n` and what follows it; CASE and the like must not hold any. */
static size_t find_sets(typed_node *n, typed_node **ret)
{
    size_t count = 0;
    for (; n; n = n->next) {
        bool set = is_set(n), closed = n->kind == TYPED_CASE || n->over;
        *ret = set ? n : *ret;
        size_t inner = find_sets(n->args, ret);
        count += (set ? 1 : 0) + (inner > 0 && (closed || set) ? 2 : inner);
    }
    return count;
}

/* GROUP BY names it, so that it comes first. */
static bool is_grouped(const typed_query *q, const typed_node *set)
{
    size_t position = 1;
    const typed_node *item = q->items;
    for (; item && item != set; item = item->next)
        position++;
    weir_slice name = set->alias.len > 0 ? set->alias : set->text;
    char number[24];
    snprintf(number, sizeof(number), "%zu", position);
    for (const typed_node *n = q->group; item && n; n = n->next)
        if ((n->kind == TYPED_NUMBER && weir_slice_eq_cstr(n->text, number)) ||
            (n->kind == TYPED_COLUMN && n->qualifier.len == 0 && weir_ascii_eq(n->text, name)))
            return true;
    return false;
}

/* A function that gives rows, in a select list: it stands in FROM. */
int typed_lift_set(typed *t, typed_query *q)
{
    typed_node *set = NULL;
    size_t count = find_sets(q->items, &set);
    if (count == 0)
        return 0;
    if (count != 1 || q->having || (q->group && !is_grouped(q, set)))
        return TYPED_PASS;
    typed_column columns[2];
    size_t width = 0;
    typed_from *f = typed_new(t, sizeof(*f)), **tail = &q->from;
    typed_node *call = typed_new(t, sizeof(*call));
    if (!f || !call)
        return -ENOMEM;
    if (typed_document_set(set->text, columns, &width) && width > 1)
        return typed_fail(t, "0A000", "weir: a row as a value is not supported on SQLite");
    *call = *set;
    call->next = NULL;
    *f = (typed_from){
        .kind = TYPED_SET, .name = set->text, .alias = WEIR_SLICE_LIT("weir_set"), .call = call};
    while (*tail)
        tail = &(*tail)->next;
    *tail = f;
    for (typed_node *n = q->items; n; n = n->next)
        if (n == set && set->alias.len == 0)
            set->alias = set->text;
    set->kind = TYPED_COLUMN;
    set->qualifier = f->alias;
    set->text = width > 0 && columns[0].name.len > 0 ? columns[0].name : f->alias;
    set->args = NULL;
    return 0;
}

static int add_relation(typed *t, typed_scope *s, typed_from *f, bool nullable)
{
    typed_relation *relation = NULL;
    int r = 0;
    if (f->kind == TYPED_DERIVED) {
        /* Not LATERAL: what stands beside it is not seen. */
        typed_scope around = {.outer = s->outer, .commons = s->commons};
        typed_scope *outer = typed_new(t, sizeof(*outer));
        if (!outer)
            return -ENOMEM;
        *outer = around;
        r = typed_resolve_query(t, f->query, outer);
        if (r == 0)
            r = typed_from_columns(t, f->query->columns, f->query->count, f->names, f->name_count,
                                   &relation);
        if (r == 0)
            rename_columns(f->query, f->names, f->name_count);
    } else if (f->kind == TYPED_SET) {
        r = read_set(t, s, f, &relation);
    } else {
        typed_common *common = find_common(s, f->name);
        if (common)
            r = typed_from_columns(t, common->columns, common->count, f->names, f->name_count,
                                   &relation);
        else if (f->name_count > 0)
            r = TYPED_PASS;
        else
            r = typed_read_table(t, f->name, &relation);
    }
    if (r != 0)
        return r;
    assert(relation);
    relation->alias = f->alias.len > 0 ? f->alias : f->name;
    relation->nullable_key = nullable;
    if (f->kind == TYPED_DERIVED && f->alias.len == 0)
        return typed_fail(t, "42601", "subquery in FROM must have an alias");
    for (const typed_relation *o = s->relations; o; o = o->next)
        if (weir_ascii_eq(o->alias, relation->alias))
            return typed_fail(t, "42712", "table name \"%.*s\" specified more than once",
                              (int)relation->alias.len, (const char *)relation->alias.data);
    typed_relation **tail = &s->relations;
    while (*tail)
        tail = &(*tail)->next;
    *tail = relation;
    return 0;
}

bool typed_has_column(const typed_relation *relation, weir_slice name)
{
    for (size_t i = 0; i < relation->count; i++)
        if (weir_ascii_eq(relation->columns[i].name, name))
            return true;
    return false;
}

static int merge(typed *t, typed_scope *s, weir_slice name)
{
    for (size_t i = 0; i < s->merged_count; i++)
        if (weir_ascii_eq(s->merged[i], name))
            return 0;
    if (s->merged_count == TYPED_COLUMNS_MAX)
        return TYPED_PASS;
    weir_slice *merged = typed_grow(t, s->merged, s->merged_count, sizeof(*merged));
    if (!merged)
        return -ENOMEM;
    s->merged = merged;
    s->merged[s->merged_count++] = name;
    return 0;
}

/* `first`: of the right side's relations. */
static int merge_join(typed *t, typed_scope *s, const typed_from *join, const typed_relation *first)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < join->using_count; i++)
        r = merge(t, s, join->using[i]);
    for (size_t i = 0; r == 0 && join->natural && first && i < first->count; i++)
        for (const typed_relation *o = s->relations; r == 0 && o && o != first; o = o->next)
            if (typed_has_column(o, first->columns[i].name))
                r = merge(t, s, first->columns[i].name);
    return r;
}

int typed_add_from(typed *t, typed_scope *s, typed_from *f, bool nullable)
{
    if (f->kind != TYPED_JOIN)
        return add_relation(t, s, f, nullable);
    int r = typed_add_from(t, s, f->left, nullable || f->outer_right);
    typed_relation *last = s->relations;
    while (last && last->next)
        last = last->next;
    if (r == 0)
        r = typed_add_from(t, s, f->right, nullable || f->outer_left);
    if (r == 0 && (f->natural || f->using_count > 0))
        r = merge_join(t, s, f, last ? last->next : s->relations);
    if (r == 0 && f->on)
        r = typed_infer_bool(t, s, f->on, "JOIN/ON");
    return r;
}
