/* The types of expressions, and PostgreSQL's words where they do not fit. */
#include "base/ascii.h"
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"

static int coerce_all(typed *t, typed_node *n, typed_type to)
{
    int r = 0;
    for (; r == 0 && n; n = n->next)
        r = typed_coerce(t, n, to, 'i');
    return r;
}

int typed_infer_bool(typed *t, typed_scope *s, typed_node *n, const char *clause)
{
    int r = typed_infer(t, s, n);
    if (r == 0 && n->type.oid == WEIR_OID_UNKNOWN)
        return typed_coerce(t, n, (typed_type){WEIR_OID_BOOL, 0}, 'i');
    if (r == 0 && n->type.oid != WEIR_OID_BOOL && n->type.oid != 0)
        return typed_fail(t, "42804", "argument of %s must be type boolean, not type %s", clause,
                          typed_type_name(n->type.oid));
    return r;
}

/* ---- columns ---- */

static int find_in(typed *t, const typed_scope *s, typed_node *n, bool *ret_found)
{
    bool merged = false;
    for (size_t i = 0; n->qualifier.len == 0 && i < s->merged_count; i++)
        merged |= weir_ascii_eq(s->merged[i], n->text);
    *ret_found = false;
    for (typed_relation *o = s->relations; o; o = o->next) {
        if (n->qualifier.len > 0 ? !weir_ascii_eq(o->alias, n->qualifier) : o->hidden)
            continue;
        for (size_t i = 0; i < o->count; i++) {
            if (!weir_ascii_eq(o->columns[i].name, n->text))
                continue;
            if (*ret_found && merged)
                continue;
            if (*ret_found)
                return typed_fail(t, "42702", "column reference \"%.*s\" is ambiguous",
                                  (int)n->text.len, (const char *)n->text.data);
            *ret_found = true;
            n->relation = o;
            n->column = i;
            n->type = o->columns[i].type;
            n->exact = o->columns[i].exact;
            n->star = merged; /* written without its table */
        }
    }
    return 0;
}

static bool has_relation(const typed_scope *s, weir_slice alias)
{
    for (; s; s = s->outer)
        for (const typed_relation *o = s->relations; o; o = o->next)
            if (weir_ascii_eq(o->alias, alias))
                return true;
    return false;
}

/* A relation's name where a value is wanted: its row, or the value that its function gives. */
static int take_row(typed *t, typed_scope *s, typed_node *n)
{
    typed_relation *o = s->relations;
    while (o && !weir_ascii_eq(o->alias, n->text))
        o = o->next;
    if (!o)
        return TYPED_PASS; /* further out */
    if (o->set && strcmp(o->set[0], "value") == 0) {
        n->relation = o;
        n->column = 0;
        n->type = o->columns[0].type;
        n->exact = o->columns[0].exact;
        return 0;
    }
    typed_node **tail = &n->args;
    for (size_t i = 0; i < o->count; i++) {
        *tail = typed_make(t, TYPED_COLUMN, o->columns[i].name);
        if (!*tail)
            return -ENOMEM;
        (*tail)->qualifier = o->alias;
        (*tail)->relation = o;
        (*tail)->column = i;
        (*tail)->type = o->columns[i].type;
        (*tail)->exact = o->columns[i].exact;
        tail = &(*tail)->next;
    }
    n->kind = TYPED_ROW;
    n->relation = o;
    n->star = o->nullable_key; /* there may be none */
    n->type.oid = TYPED_RECORD;
    return 0;
}

static int infer_column(typed *t, typed_scope *s, typed_node *n)
{
    bool found = n->relation != NULL;
    unsigned level = 0;
    for (const typed_scope *at = s; !found && at; at = at->outer, level++) {
        int r = find_in(t, at, n, &found);
        if (r != 0)
            return r;
        if (found)
            n->level = level;
    }
    if (found)
        return 0;
    if (n->qualifier.len > 0 && !has_relation(s, n->qualifier))
        return typed_fail(t, "42P01", "missing FROM-clause entry for table \"%.*s\"",
                          (int)n->qualifier.len, (const char *)n->qualifier.data);
    if (n->qualifier.len == 0 && has_relation(s, n->text))
        return take_row(t, s, n);
    if (weir_slice_eq_cstr(n->text, "rowid") || weir_slice_eq_cstr(n->text, "oid") ||
        weir_slice_eq_cstr(n->text, "_rowid_"))
        return TYPED_PASS; /* the whole row */
    static const char *const words[] = {"current_user",   "session_user", "current_catalog",
                                        "current_schema", "current_role", "user"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_slice_eq_cstr(n->text, words[i]) && n->qualifier.len == 0)
            return TYPED_PASS;
    return typed_fail(t, "42703", "column \"%.*s\" does not exist", (int)n->text.len,
                      (const char *)n->text.data);
}

/* ---- by kind ---- */

static int infer_number(typed_node *n)
{
    bool whole = true;
    uint64_t v = 0;
    for (size_t i = 0; i < n->text.len; i++) {
        uint8_t c = n->text.data[i];
        if (c == 'x' || c == 'X')
            return TYPED_PASS;
        whole &= c >= '0' && c <= '9';
        v = whole && i < 19 ? v * 10 + (uint64_t)(c - '0') : v;
    }
    whole &= n->text.len < 19 || (n->text.len == 19 && v <= INT64_MAX);
    n->type.oid = !whole ? WEIR_OID_NUMERIC : v <= INT32_MAX ? WEIR_OID_INT4 : WEIR_OID_INT8;
    return 0;
}

/* The type that the client gave the parameter, as far as it is one of ours. */
static int named_type(const typed *t, size_t i, uint32_t *ret)
{
    uint32_t oid = 0;
    if ((i + 1) * sizeof(oid) <= t->named.len)
        memcpy(&oid, t->named.data + i * sizeof(oid), sizeof(oid));
    if (oid == 0)
        oid = WEIR_OID_UNKNOWN;
    if (oid == WEIR_OID_BPCHAR || oid == WEIR_OID_NAME)
        oid = WEIR_OID_TEXT;
    *ret = oid;
    bool known = typed_element_of(oid) != 0 || strcmp(typed_type_name(oid), "record") != 0;
    return known ? 0 : TYPED_PASS;
}

static int infer_param(typed *t, typed_node *n)
{
    unsigned long number = 0;
    if (n->text.len < 2 || n->text.data[0] != '$')
        return TYPED_PASS;
    for (size_t i = 1; i < n->text.len && number <= TYPED_PARAMS_MAX; i++) {
        if (n->text.data[i] < '0' || n->text.data[i] > '9')
            return TYPED_PASS; /* a name, to SQLite */
        number = number * 10 + (unsigned long)(n->text.data[i] - '0');
    }
    if (number == 0 || number > TYPED_PARAMS_MAX)
        return TYPED_PASS;
    if (number > t->param_count)
        t->param_count = number;
    n->column = number - 1;
    n->type = t->params[number - 1];
    if (n->type.oid == 0) {
        int r = named_type(t, number - 1, &n->type.oid);
        if (r != 0)
            return r;
        if (n->type.oid != WEIR_OID_UNKNOWN)
            t->params[number - 1] = n->type;
    }
    n->exact = n->type.oid == WEIR_OID_NUMERIC;
    return 0;
}

static int infer_cast(typed *t, typed_node *n)
{
    typed_node *x = n->args;
    int r = typed_coerce(t, x, n->to, 'e');
    n->type = n->to;
    n->exact = x->exact;
    if (enum_is_oid(n->to.oid)) /* what an item of a select list is called */
        n->text = typed_enum_of(t, n->to.oid)->name;
    return r;
}

/* A list that is compared: of one type, numerics as numbers. */
static int infer_compared(typed *t, typed_node *first, const char *op)
{
    typed_type type;
    bool json = false;
    int r = typed_common_type(t, first, "comparison", &type);
    for (const typed_node *n = first; n; n = n->next)
        json |= n->type.oid == WEIR_OID_JSON;
    if (r == WEIR_COMPAT_REFUSED || json)
        return typed_fail(t, "42883", "operator does not exist: %s %s %s",
                          typed_type_name(first->type.oid), op,
                          first->next ? typed_type_name(first->next->type.oid) : "");
    if (type.oid == 0 || r != 0)
        return r;
    if (strcmp(op, "=") != 0 && (r = typed_check_order(t, type.oid)) != 0)
        return r;
    bool numbers = typed_is_number(type.oid);
    bool real = type.oid == WEIR_OID_FLOAT8 || type.oid == WEIR_OID_FLOAT4;
    type.mod = 0;
    for (typed_node *n = first; r == 0 && n; n = n->next) {
        bool number = typed_is_number(n->type.oid);
        if (number && numbers &&
            (!real || n->type.oid == WEIR_OID_FLOAT8 || n->type.oid == WEIR_OID_FLOAT4)) {
            typed_plain(t, n);
            continue;
        }
        bool wide = number && type.oid == WEIR_OID_FLOAT4; /* a real is compared as a float8 */
        r = typed_coerce(t, n, wide ? (typed_type){WEIR_OID_FLOAT8, 0} : type, 'i');
        if (r == 0)
            typed_plain(t, n);
        if (r == 0)
            typed_key(t, n);
        if (r == 0 && strcmp(op, "=") != 0)
            r = typed_enum_key(t, n);
    }
    return r;
}

/* Two comparisons, each for itself. */
static int infer_between(typed *t, typed_node *n)
{
    typed_node *x = n->args, *low = x->next, *high = low->next;
    low->next = NULL;
    int r = infer_compared(t, x, ">=");
    x->next = high;
    if (r == 0)
        r = infer_compared(t, x, "<=");
    x->next = low;
    low->next = high;
    return r;
}

static int infer_rows(typed *t, typed_node *left, typed_node *right, const char *op)
{
    typed_node *a = left->args, *b = right->args;
    for (int r; a && b;) {
        typed_node *next_a = a->next, *next_b = b->next;
        a->next = b;
        b->next = NULL;
        r = infer_compared(t, a, op);
        a->next = next_a;
        b->next = next_b;
        if (r != 0)
            return r;
        a = next_a;
        b = next_b;
    }
    return a || b ? typed_fail(t, "42601", "unequal number of entries in row expressions") : 0;
}

static bool is_comparison(weir_slice op)
{
    static const char *const ops[] = {"=", "<", ">", "<=", ">=", "<>", "!="};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (weir_slice_eq_cstr(op, ops[i]))
            return true;
    return false;
}

static int infer_binary(typed *t, typed_node *n)
{
    typed_node *a = n->args, *b = a->next;
    if (!b || !is_comparison(n->text))
        return typed_infer_op(t, n);
    n->type.oid = WEIR_OID_BOOL;
    if (a->kind == TYPED_ROW || b->kind == TYPED_ROW)
        return a->kind == b->kind ? infer_rows(t, a, b, "=") : TYPED_PASS;
    bool equal = weir_slice_eq_cstr(n->text, "=") || weir_slice_eq_cstr(n->text, "<>") ||
                 weir_slice_eq_cstr(n->text, "!=");
    return infer_compared(t, a, equal ? "=" : "<");
}

static int infer_test(typed *t, typed_node *n)
{
    n->type.oid = WEIR_OID_BOOL;
    if (weir_slice_eq_cstr(n->text, "distinct"))
        return infer_compared(t, n->args, "=");
    if (n->args->kind == TYPED_ROW)
        return TYPED_PASS;
    if (weir_slice_eq_cstr(n->text, "null") && n->args->kind == TYPED_PARAM &&
        n->args->type.oid == WEIR_OID_UNKNOWN)
        return typed_no_type(t, n->args);
    if (weir_slice_eq_cstr(n->text, "null"))
        return n->args->type.oid == WEIR_OID_UNKNOWN
                   ? typed_coerce(t, n->args, (typed_type){WEIR_OID_TEXT, 0}, 'i')
                   : 0;
    if (n->args->type.oid == WEIR_OID_UNKNOWN)
        return typed_coerce(t, n->args, (typed_type){WEIR_OID_BOOL, 0}, 'i');
    return n->args->type.oid == WEIR_OID_BOOL || n->args->type.oid == 0
               ? 0
               : typed_fail(t, "42804", "argument of IS must be type boolean, not type %s",
                            typed_type_name(n->args->type.oid));
}

static int infer_like(typed *t, typed_node *n)
{
    int r = 0;
    n->type.oid = WEIR_OID_BOOL;
    for (typed_node *a = n->args; r == 0 && a; a = a->next) {
        bool text = a->type.oid == WEIR_OID_UNKNOWN || a->type.oid == 0 ||
                    typed_family(a->type.oid) == TYPED_ANY_TEXT;
        r = text ? typed_coerce(t, a, (typed_type){WEIR_OID_TEXT, 0}, 'i')
                 : typed_fail(t, "42883", "operator does not exist: %s ~~ unknown",
                              typed_type_name(a->type.oid));
    }
    return r;
}

/* Its columns are compared: numerics as numbers, others by what is said to be their order. */
static void set_plain(typed_query *q)
{
    if (q->combine) {
        set_plain(q->left);
        set_plain(q->right);
    }
    for (size_t i = 0; i < q->count; i++) {
        q->columns[i].exact = false;
        q->columns[i].keyed = typed_has_key(q->columns[i].type.oid);
    }
}

/* x IN (SELECT …), x op ANY (SELECT …) */
static int infer_with_query(typed *t, typed_scope *s, typed_node *n, const char *op)
{
    int r = typed_resolve_query(t, n->query, s);
    if (r != 0)
        return r;
    typed_node *x = n->args->kind == TYPED_ROW ? n->args->args : n->args;
    for (size_t i = 0; r == 0 && x && i < n->query->count; i++, x = x->next) {
        typed_node column = {.type = n->query->columns[i].type}, *after = x->next;
        if (n->args->kind != TYPED_ROW && n->query->count > 1)
            break;
        x->next = &column;
        uint32_t before = column.type.oid;
        r = infer_compared(t, x, op);
        x->next = after;
        if (r == 0 && before != 0 && before != column.type.oid)
            r = typed_coerce_column(t, n->query, i, (typed_type){column.type.oid, 0}, 'i');
        if (n->args->kind != TYPED_ROW)
            break;
    }
    set_plain(n->query);
    size_t width = 1;
    if (n->args->kind == TYPED_ROW)
        for (width = 0, x = n->args->args; x; x = x->next)
            width++;
    if (r == 0 && width != n->query->count)
        return typed_fail(t, "42601", "subquery has too %s columns",
                          n->query->count > width ? "many" : "few");
    n->type.oid = WEIR_OID_BOOL;
    return r;
}

static bool has_column(const typed_node *n)
{
    for (const typed_node *a = n->args; a; a = a->next)
        if (has_column(a))
            return true;
    return n->kind == TYPED_COLUMN || n->query;
}

/* real IN (a, b): several constants are an array of reals, one is compared as a float8. */
static int infer_reals(typed *t, typed_node *first)
{
    typed_type type;
    size_t constants = 0;
    for (const typed_node *n = first->next; n; n = n->next)
        constants += !has_column(n);
    if (first->type.oid != WEIR_OID_FLOAT4 || constants < 2)
        return 0;
    int r = typed_common_type(t, first, "IN", &type);
    for (typed_node *n = first->next; r == 0 && type.oid == WEIR_OID_FLOAT4 && n; n = n->next)
        r = has_column(n) ? 0 : typed_coerce(t, n, type, 'i');
    return r;
}

static int infer_in(typed *t, typed_scope *s, typed_node *n)
{
    n->type.oid = WEIR_OID_BOOL;
    if (n->query)
        return infer_with_query(t, s, n, "=");
    int r = n->args->kind != TYPED_ROW ? infer_reals(t, n->args) : 0;
    if (r != 0 || n->args->kind != TYPED_ROW)
        return r != 0 ? r : infer_compared(t, n->args, "=");
    for (typed_node *item = n->args->next; r == 0 && item; item = item->next)
        r = item->kind == TYPED_ROW ? infer_rows(t, n->args, item, "=") : TYPED_PASS;
    return r;
}

static int infer_any(typed *t, typed_scope *s, typed_node *n)
{
    if (n->query)
        return infer_with_query(t, s, n, "=");
    typed_node *x = n->args, *array = x->next;
    n->type.oid = WEIR_OID_BOOL;
    if (array->type.oid == WEIR_OID_UNKNOWN && x->type.oid == WEIR_OID_UNKNOWN) {
        int r = typed_coerce(t, x, (typed_type){WEIR_OID_TEXT, 0}, 'i');
        if (r != 0)
            return r;
    }
    if (array->type.oid == WEIR_OID_UNKNOWN) {
        uint32_t oid = x->type.oid == WEIR_OID_VARCHAR ? WEIR_OID_TEXT : x->type.oid;
        if (weir_compat_array_oid(oid) == 0)
            return TYPED_PASS;
        int r = typed_coerce(t, array, (typed_type){weir_compat_array_oid(oid), 0}, 'i');
        return r == 0 ? typed_array_each(t, array) : r;
    }
    uint32_t element = typed_element_of(array->type.oid);
    if (element == 0)
        return array->type.oid == 0 || array->type.oid == WEIR_OID_UNKNOWN
                   ? TYPED_PASS
                   : typed_fail(t, "42809", "op ANY/ALL (array) requires array on right side");
    typed_node value = {.type = {element, 0}}, *after = x->next;
    x->next = &value;
    int r = infer_compared(t, x, "=");
    x->next = after;
    return r == 0 ? typed_array_each(t, array) : r;
}

static int infer_case(typed *t, typed_node *n)
{
    typed_node *values[200];
    size_t count = 0;
    typed_node *operand = n->has_operand ? n->args : NULL;
    typed_node *at = operand ? operand->next : n->args;
    int r = 0;
    while (r == 0 && at && at->next) {
        if (operand) {
            typed_node *rest = operand->next, *after = at->next;
            operand->next = at;
            at->next = NULL;
            r = infer_compared(t, operand, "=");
            operand->next = rest;
            at->next = after;
        } else if (at->type.oid == WEIR_OID_UNKNOWN) {
            r = typed_coerce(t, at, (typed_type){WEIR_OID_BOOL, 0}, 'i');
        } else if (at->type.oid != WEIR_OID_BOOL && at->type.oid != 0) {
            r = typed_fail(t, "42804", "argument of CASE/WHEN must be type boolean, not type %s",
                           typed_type_name(at->type.oid));
        }
        if (count == 199)
            return TYPED_PASS;
        values[count++] = at->next;
        at = at->next->next;
    }
    if (!at && count == 0)
        return TYPED_PASS; /* without WHEN */
    if (at) {              /* it is asked first */
        for (size_t i = count; i > 0; i--)
            values[i] = values[i - 1];
        values[0] = at;
        count++;
    }
    /* The values, as a list of their own for a while. */
    typed_node copies[200];
    typed_type type = {0, 0};
    for (size_t i = 0; i < count; i++) {
        copies[i] = (typed_node){.type = values[i]->type};
        copies[i].next = i + 1 < count ? &copies[i + 1] : NULL;
    }
    if (r == 0)
        r = typed_common_type(t, &copies[0], "CASE", &type);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = typed_coerce(t, values[i], type, 'i');
        if (r == 0)
            typed_exact(t, values[i]);
    }
    n->type = type;
    n->exact = type.oid == WEIR_OID_NUMERIC;
    return r;
}

/* ARRAY(SELECT …) */
static int infer_array_of_query(typed *t, typed_scope *s, typed_node *n)
{
    int r = typed_resolve_query(t, n->query, s);
    if (r != 0)
        return r;
    if (n->query->count != 1)
        return typed_fail(t, "42601", "subquery must return only one column");
    n->args = typed_make(t, TYPED_COLUMN, WEIR_SLICE_LIT("weir_v"));
    if (!n->args)
        return -ENOMEM;
    n->args->type = n->query->columns[0].type;
    n->args->exact = n->query->columns[0].exact;
    n->type.oid = weir_compat_array_oid(n->args->type.oid);
    typed_array_enter(t, n->args);
    return n->type.oid == 0 ? TYPED_PASS : 0;
}

static int infer_array(typed *t, typed_scope *s, typed_node *n)
{
    typed_type type;
    if (n->query)
        return infer_array_of_query(t, s, n);
    if (!n->args) { /* a cast says of what */
        n->emit = "'{}'";
        n->type.oid = WEIR_OID_UNKNOWN;
        return 0;
    }
    int r = typed_common_type(t, n->args, "ARRAY", &type);
    if (r == 0)
        r = coerce_all(t, n->args, type);
    n->type = (typed_type){r == 0 ? weir_compat_array_oid(type.oid) : 0, 0};
    for (typed_node *a = n->args; a; a = a->next)
        typed_array_enter(t, a);
    n->emit = "weir_array_of(%*)";
    return r == 0 && n->type.oid == 0 ? TYPED_PASS : r;
}

static int infer_query(typed *t, typed_scope *s, typed_node *n)
{
    int r = typed_resolve_query(t, n->query, s);
    if (r != 0)
        return r;
    n->type.oid = WEIR_OID_BOOL;
    if (n->kind == TYPED_EXISTS)
        return 0;
    if (n->query->count != 1)
        return typed_fail(t, "42601", "subquery must return only one column");
    n->type = n->query->columns[0].type;
    n->exact = n->query->columns[0].exact;
    return 0;
}

static int infer_extract(typed *t, typed_node *n)
{
    typed_node *x = n->args;
    bool moment = x->type.oid == WEIR_OID_DATE || x->type.oid == WEIR_OID_TIMESTAMP ||
                  x->type.oid == WEIR_OID_TIMESTAMPTZ || x->type.oid == TYPED_INTERVAL ||
                  x->type.oid == WEIR_OID_TIME;
    n->type.oid = WEIR_OID_NUMERIC;
    n->exact = true;
    if (x->type.oid == 0)
        return TYPED_PASS;
    return moment
               ? 0
               : typed_fail(t, "42883", "function pg_catalog.extract(unknown, %s) does not exist",
                            typed_type_name(x->type.oid));
}

static int infer_args(typed *t, typed_scope *s, typed_node *n)
{
    int r = 0;
    for (typed_node *a = n->args; r == 0 && a; a = a->next)
        r = typed_infer(t, s, a);
    return r;
}

static void infer_constant(typed_node *n)
{
    bool null = weir_slice_eq_cstr(n->text, "null");
    n->type.oid = null || weir_slice_eq_cstr(n->text, "default") ? WEIR_OID_UNKNOWN : WEIR_OID_BOOL;
}

static int infer_by_kind(typed *t, typed_scope *s, typed_node *n)
{
    switch (n->kind) {
    case TYPED_NUMBER:
        return infer_number(n);
    case TYPED_STRING:
        n->type.oid = WEIR_OID_UNKNOWN;
        return 0;
    case TYPED_CONSTANT:
        infer_constant(n);
        return 0;
    case TYPED_RAW:
        return 0;
    case TYPED_PARAM:
        return infer_param(t, n);
    case TYPED_COLUMN:
        return infer_column(t, s, n);
    case TYPED_STAR:
        return TYPED_PASS;
    case TYPED_CALL:
        return typed_infer_call(t, s, n);
    case TYPED_CAST:
        return infer_cast(t, n);
    case TYPED_OP:
        return infer_binary(t, n);
    case TYPED_TEST:
        return infer_test(t, n);
    case TYPED_LIKE:
        return infer_like(t, n);
    case TYPED_BETWEEN:
        n->type.oid = WEIR_OID_BOOL;
        return infer_between(t, n);
    case TYPED_IN:
        return infer_in(t, s, n);
    case TYPED_ANY:
        return infer_any(t, s, n);
    case TYPED_CASE:
        return infer_case(t, n);
    case TYPED_QUERY:
    case TYPED_EXISTS:
        return infer_query(t, s, n);
    case TYPED_ROW:
        n->type.oid = TYPED_RECORD;
        return 0;
    case TYPED_ARRAY:
        return infer_array(t, s, n);
    case TYPED_EXTRACT:
        return infer_extract(t, n);
    case TYPED_ZONE:
        return typed_infer_zone(t, n);
    }
    return TYPED_PASS;
}

int typed_infer(typed *t, typed_scope *s, typed_node *n)
{
    if (++t->depth > 120)
        return TYPED_PASS;
    int r = infer_args(t, s, n);
    if (r == 0)
        r = infer_by_kind(t, s, n);
    t->depth--;
    return r == 0 ? t->failed : r;
}
