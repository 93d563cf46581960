/* The reader of queries: WITH, SELECT, VALUES, set operations, FROM. */
#include "compat/typed.h"

#define JOINS_MAX 64u /* SQLite's, of tables */

/* ---- FROM ---- */

static int parse_name_token(typed *t, weir_slice *ret)
{
    weir_token name = typed_next(t);
    if (name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
        return TYPED_PASS;
    *ret = typed_fold(t, name.text);
    return ret->data ? 0 : -ENOMEM;
}

/* [AS] alias [(names)] */
static int parse_alias(typed *t, typed_from *f)
{
    bool as = typed_accept(t, "as");
    if (!as && typed_is_stop(typed_peek(t)))
        return 0;
    int r = parse_name_token(t, &f->alias);
    return r == 0 && typed_accept(t, "(") ? typed_parse_names(t, &f->names, &f->name_count) : r;
}

static int parse_derived(typed *t, typed_from *f)
{
    f->kind = TYPED_DERIVED;
    int r = typed_parse_query(t, &f->query);
    if (r == 0 && !typed_accept(t, ")"))
        return TYPED_PASS;
    return r == 0 ? parse_alias(t, f) : r;
}

static int parse_table(typed *t, typed_from *f)
{
    (void)typed_accept(t, "only");
    weir_token name = typed_next(t);
    if (name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
        return TYPED_PASS;
    if (typed_accept(t, ".")) {
        if (!weir_token_is(name, "public"))
            return TYPED_PASS;
        name = typed_next(t);
    }
    f->name = typed_fold(t, name.text);
    if (!f->name.data)
        return -ENOMEM;
    if (typed_accept(t, "(")) {
        int r = typed_parse_call(t, name, &f->call);
        f->kind = TYPED_SET;
        if (r == 0 && typed_accept2(t, "with", "ordinality"))
            f->ordinality = true;
        if (r != 0)
            return r;
    }
    return parse_alias(t, f);
}

static int parse_joined(typed *t, typed_from **ret);

static int parse_from_item(typed *t, typed_from **ret)
{
    typed_from *f = typed_new(t, sizeof(*f));
    if (!f)
        return -ENOMEM;
    *ret = f;
    bool lateral = typed_accept(t, "lateral");
    int r;
    if (lateral && typed_at(t, "("))
        return TYPED_PASS;
    if (!typed_at(t, "("))
        return parse_table(t, f); /* (a function is LATERAL by itself) */
    (void)typed_accept(t, "(");
    if (typed_begins_query(t))
        return parse_derived(t, f);
    r = parse_joined(t, ret); /* (a JOIN b) */
    if (r != 0 || !typed_accept(t, ")") || (*ret)->kind != TYPED_JOIN)
        return r != 0 ? r : TYPED_PASS;
    return typed_is_stop(typed_peek(t)) ? 0 : TYPED_PASS;
}

/* JOIN with what stands before it; NULL: none. */
static const char *take_join(typed *t, typed_from *f)
{
    static const struct {
        const char *first, *words;
        bool left, right;
    } joins[] = {{"left", "LEFT JOIN", true, false},
                 {"right", "RIGHT JOIN", false, true},
                 {"full", "FULL JOIN", true, true}};
    f->natural = typed_accept(t, "natural");
    if (typed_accept(t, "join") || typed_accept2(t, "inner", "join"))
        return "JOIN";
    if (typed_accept2(t, "cross", "join"))
        return "CROSS JOIN";
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        if (!typed_accept(t, joins[i].first))
            continue;
        (void)typed_accept(t, "outer");
        f->outer_left = joins[i].left;
        f->outer_right = joins[i].right;
        return typed_accept(t, "join") ? joins[i].words : NULL;
    }
    return NULL;
}

static bool at_join(typed *t)
{
    static const char *const words[] = {"join", "inner", "left",   "right",
                                        "full", "cross", "natural"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (typed_at(t, words[i]))
            return true;
    return false;
}

static int parse_joined(typed *t, typed_from **ret)
{
    int r = parse_from_item(t, ret);
    for (unsigned joins = 0; r == 0 && at_join(t); joins++) {
        if (joins == JOINS_MAX)
            return TYPED_PASS;
        typed_from *join = typed_new(t, sizeof(*join));
        if (!join)
            return -ENOMEM;
        join->kind = TYPED_JOIN;
        const char *words = take_join(t, join);
        if (!words)
            return TYPED_PASS;
        join->words = weir_slice_cstr(words);
        join->left = *ret;
        *ret = join;
        r = parse_from_item(t, &join->right);
        if (r == 0 && typed_accept(t, "on"))
            r = typed_parse_expr(t, &join->on);
        else if (r == 0 && typed_accept2(t, "using", "("))
            r = typed_parse_names(t, &join->using, &join->using_count);
    }
    return r;
}

static int parse_from_list(typed *t, typed_from **ret)
{
    int r = 0;
    do {
        r = parse_joined(t, ret);
        if (r == 0)
            ret = &(*ret)->next;
    } while (r == 0 && typed_accept(t, ","));
    return r;
}

/* ---- SELECT ---- */

/* expression [[AS] name], … */
static int parse_items(typed *t, typed_node **ret)
{
    do {
        int r = typed_parse_expr(t, ret);
        if (r != 0)
            return r;
        bool as = typed_accept(t, "as");
        weir_token name = typed_peek(t);
        if (as && name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
            return TYPED_PASS;
        if (as || !typed_is_stop(name)) {
            (*ret)->alias = typed_fold(t, typed_next(t).text);
            if (!(*ret)->alias.data)
                return -ENOMEM;
        }
        ret = &(*ret)->next;
    } while (typed_accept(t, ","));
    return 0;
}

static int parse_windows(typed *t, typed_named_window **ret)
{
    do {
        typed_named_window *w = typed_new(t, sizeof(*w));
        if (!w)
            return -ENOMEM;
        *ret = w;
        int r = parse_name_token(t, &w->name);
        if (r == 0 && (!typed_accept(t, "as") || !typed_accept(t, "(")))
            return TYPED_PASS;
        if (r == 0)
            r = typed_parse_window(t, &w->window);
        if (r != 0)
            return r;
        ret = &w->next;
    } while (typed_accept(t, ","));
    return 0;
}

static int parse_select(typed *t, typed_query *q)
{
    int r = 0;
    if (typed_accept(t, "distinct")) {
        q->distinct = true;
        if (typed_accept2(t, "on", "(")) {
            r = typed_parse_list(t, &q->distinct_on);
            if (r == 0 && !typed_accept(t, ")"))
                return TYPED_PASS;
        }
    } else {
        (void)typed_accept(t, "all");
    }
    if (r == 0)
        r = parse_items(t, &q->items);
    if (r == 0 && typed_accept(t, "from"))
        r = parse_from_list(t, &q->from);
    if (r == 0 && typed_accept(t, "where"))
        r = typed_parse_expr(t, &q->where);
    if (r == 0 && typed_accept2(t, "group", "by"))
        r = typed_parse_list(t, &q->group);
    if (r == 0 && typed_accept(t, "having"))
        r = typed_parse_expr(t, &q->having);
    return r == 0 && typed_accept(t, "window") ? parse_windows(t, &q->windows) : r;
}

/* Behind VALUES. */
static int parse_values(typed *t, typed_query *q)
{
    typed_node **tail = &q->rows;
    q->values = true;
    do {
        *tail = typed_make(t, TYPED_ROW, (weir_slice){0});
        if (!*tail)
            return -ENOMEM;
        if (!typed_accept(t, "("))
            return TYPED_PASS;
        int r = typed_parse_list(t, &(*tail)->args);
        if (r != 0 || !typed_accept(t, ")"))
            return r != 0 ? r : TYPED_PASS;
        tail = &(*tail)->next;
    } while (typed_accept(t, ","));
    return 0;
}

/* TABLE t: all of it. */
static int parse_whole_table(typed *t, typed_query *q)
{
    q->items = typed_make(t, TYPED_STAR, (weir_slice){0});
    q->from = typed_new(t, sizeof(*q->from));
    if (!q->items || !q->from)
        return -ENOMEM;
    int r = parse_table(t, q->from);
    return r == 0 && q->from->kind != TYPED_TABLE ? TYPED_PASS : r;
}

/* Behind "(" */
static int parse_enclosed(typed *t, typed_query **ret)
{
    int r = typed_parse_query(t, ret);
    if (r == 0 && (!typed_accept(t, ")") || (*ret)->verb != TYPED_SELECT))
        return TYPED_PASS;
    return r;
}

static int parse_simple(typed *t, typed_query **ret)
{
    if (typed_accept(t, "("))
        return parse_enclosed(t, ret);
    typed_query *q = typed_new(t, sizeof(*q));
    if (!q)
        return -ENOMEM;
    *ret = q;
    if (typed_accept(t, "select"))
        return parse_select(t, q);
    if (typed_accept(t, "values"))
        return parse_values(t, q);
    if (typed_accept(t, "table"))
        return parse_whole_table(t, q);
    return TYPED_PASS;
}

static int combine(typed *t, const char *op, typed_query *left, typed_query *right,
                   typed_query **ret)
{
    typed_query *q = typed_new(t, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->combine = op;
    q->left = left;
    q->right = right;
    *ret = q;
    return 0;
}

/* INTERSECT binds closer than the others. `ret` is what stands before it. */
static int parse_intersections(typed *t, typed_query **ret)
{
    int r = parse_simple(t, ret);
    while (r == 0 && typed_accept(t, "intersect")) {
        typed_query *right = NULL;
        if (typed_at(t, "all"))
            return TYPED_PASS;
        (void)typed_accept(t, "distinct");
        r = parse_simple(t, &right);
        if (r == 0)
            r = combine(t, "INTERSECT", *ret, right, ret);
    }
    return r;
}

static int parse_combined(typed *t, typed_query **ret)
{
    int r = parse_intersections(t, ret);
    while (r == 0) {
        const char *op = typed_accept2(t, "union", "all") ? "UNION ALL"
                         : typed_accept(t, "union")       ? "UNION"
                         : typed_accept(t, "except")      ? "EXCEPT"
                                                          : NULL;
        if (!op)
            return 0;
        typed_query *right = NULL;
        if (typed_at(t, "all"))
            return TYPED_PASS;
        (void)typed_accept(t, "distinct");
        r = parse_intersections(t, &right);
        if (r == 0)
            r = combine(t, op, *ret, right, ret);
    }
    return r;
}

/* FOR UPDATE and its kin: the translation before this one has told of them. */
static int parse_locks(typed *t)
{
    while (typed_accept(t, "for")) {
        bool no = typed_accept(t, "no"), key = typed_accept(t, "key");
        if ((no && !key) || (!typed_accept(t, "update") && !typed_accept(t, "share")))
            return TYPED_PASS;
        weir_slice name;
        if (typed_accept(t, "of")) {
            do {
                int r = parse_name_token(t, &name);
                if (r != 0)
                    return r;
            } while (typed_accept(t, ","));
        }
        if (!typed_accept(t, "nowait"))
            (void)typed_accept2(t, "skip", "locked");
    }
    return 0;
}

static int parse_limits(typed *t, typed_query *q)
{
    int r = 0;
    for (;;) {
        if (typed_accept2(t, "limit", "all"))
            continue;
        if (typed_accept(t, "limit")) {
            r = typed_parse_expr(t, &q->limit);
        } else if (typed_accept(t, "offset")) {
            r = typed_parse_expr(t, &q->offset);
            if (!typed_accept(t, "rows"))
                (void)typed_accept(t, "row");
        } else if (typed_accept2(t, "fetch", "first") || typed_accept2(t, "fetch", "next")) {
            if (typed_at(t, "row") || typed_at(t, "rows"))
                q->limit = typed_make(t, TYPED_NUMBER, WEIR_SLICE_LIT("1"));
            else
                r = typed_parse_expr(t, &q->limit);
            if (!typed_accept(t, "rows"))
                (void)typed_accept(t, "row");
            if (r == 0 && !typed_accept(t, "only"))
                return TYPED_PASS;
        } else {
            return parse_locks(t);
        }
        if (r != 0)
            return r;
    }
}

static int parse_with(typed *t, typed_query **ret);

/* What stands behind (SELECT … LIMIT 1) is the same query's, if that does not have it. */
static int parse_body(typed *t, typed_query **ret)
{
    int r = parse_combined(t, ret);
    if (r != 0)
        return r;
    typed_query *q = *ret;
    typed_node *order = q->order, *limit = q->limit, *offset = q->offset;
    q->limit = q->offset = NULL;
    if (typed_accept2(t, "order", "by")) {
        r = order ? typed_fail(t, "42601", "multiple ORDER BY clauses not allowed")
                  : typed_parse_order(t, &q->order);
    }
    if (r == 0)
        r = parse_limits(t, q);
    if (r == 0 && ((limit && q->limit) || (offset && q->offset)))
        r = typed_fail(t, "42601", "multiple %s clauses not allowed",
                       limit && q->limit ? "LIMIT" : "OFFSET");
    q->limit = limit ? limit : q->limit;
    q->offset = offset ? offset : q->offset;
    return r;
}

int typed_parse_query(typed *t, typed_query **ret)
{
    if (++t->depth > 40)
        return TYPED_PASS;
    const uint8_t *from = typed_peek(t).text.data;
    int r = typed_at(t, "with") ? parse_with(t, ret) : parse_body(t, ret);
    if (r == 0)
        (*ret)->text = weir_slice_make(from, (size_t)(t->rest.data - from));
    t->depth--;
    return r;
}

static int parse_common(typed *t, typed_common **ret)
{
    typed_common *c = typed_new(t, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *ret = c;
    int r = parse_name_token(t, &c->name);
    if (r == 0 && typed_accept(t, "("))
        r = typed_parse_names(t, &c->names, &c->name_count);
    if (r == 0 && !typed_accept(t, "as"))
        return TYPED_PASS;
    c->materialized = typed_accept2(t, "not", "materialized") ? "NOT MATERIALIZED "
                      : typed_accept(t, "materialized")       ? "MATERIALIZED "
                                                              : "";
    if (r == 0 && !typed_accept(t, "("))
        return TYPED_PASS;
    if (r == 0)
        r = typed_parse_query(t, &c->query);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

static int parse_write(typed *t, typed_query **ret);

static int parse_with(typed *t, typed_query **ret)
{
    typed_common *first = NULL, **tail = &first;
    (void)typed_accept(t, "with");
    bool recursive = typed_accept(t, "recursive");
    int r = 0;
    do {
        r = parse_common(t, tail);
        if (r == 0)
            tail = &(*tail)->next;
    } while (r == 0 && typed_accept(t, ","));
    if (r == 0)
        r = typed_at(t, "select") || typed_at(t, "values") || typed_at(t, "(")
                ? parse_body(t, ret)
                : parse_write(t, ret);
    if (r == 0 && (*ret)->commons)
        return TYPED_PASS; /* WITH … (WITH … SELECT …) */
    if (r == 0) {
        (*ret)->commons = first;
        (*ret)->recursive = recursive;
    }
    return r;
}

/* ---- INSERT, UPDATE, DELETE ---- */

static int parse_target(typed *t, typed_query *q)
{
    (void)typed_accept(t, "only");
    (void)typed_accept2(t, "public", ".");
    int r = parse_name_token(t, &q->table);
    if (r == 0 && typed_at(t, "."))
        return TYPED_PASS;
    bool as = r == 0 && typed_accept(t, "as");
    if (r == 0 && (as || (!typed_is_stop(typed_peek(t)) && q->verb != TYPED_INSERT)))
        r = parse_name_token(t, &q->alias);
    return r;
}

/* Behind SET: a = x, (b, c) = (y, z) */
static int parse_sets(typed *t, typed_set **ret)
{
    int r = 0;
    do {
        typed_set *s = typed_new(t, sizeof(*s));
        if (!s)
            return -ENOMEM;
        *ret = s;
        if (typed_accept(t, "(")) {
            r = typed_parse_names(t, &s->columns, &s->count);
        } else {
            s->columns = typed_new(t, sizeof(*s->columns));
            s->count = 1;
            r = s->columns ? parse_name_token(t, s->columns) : -ENOMEM;
        }
        if (r == 0 && !typed_accept(t, "="))
            return TYPED_PASS;
        if (r == 0)
            r = typed_parse_expr(t, &s->value);
        ret = &s->next;
    } while (r == 0 && typed_accept(t, ","));
    return r;
}

/* Behind ON CONFLICT. */
static int parse_conflict(typed *t, typed_query *q)
{
    int r = 0;
    q->conflict = true;
    if (typed_accept(t, "("))
        r = typed_parse_names(t, &q->conflict_names, &q->conflict_count);
    if (r == 0 && !typed_accept(t, "do"))
        return TYPED_PASS; /* of a partial index, or by a constraint's name */
    if (r != 0 || typed_accept(t, "nothing"))
        return r;
    if (!typed_accept2(t, "update", "set"))
        return TYPED_PASS;
    q->conflict_update = true;
    r = parse_sets(t, &q->sets);
    return r == 0 && typed_accept(t, "where") ? typed_parse_expr(t, &q->conflict_where) : r;
}

static int parse_insert(typed *t, typed_query *q)
{
    q->verb = TYPED_INSERT;
    int r = typed_accept(t, "into") ? parse_target(t, q) : TYPED_PASS;
    if (r == 0 && typed_at(t, "(") && !typed_begins_query(t)) {
        (void)typed_accept(t, "(");
        r = typed_parse_names(t, &q->names, &q->name_count);
    }
    bool overrides = r == 0 && typed_accept(t, "overriding");
    if (overrides && (!typed_accept2(t, "system", "value"))) /* which is what is done, anyway */
        return TYPED_PASS;
    if (r == 0 && typed_accept2(t, "default", "values"))
        q->default_values = true;
    else if (r == 0)
        r = typed_parse_query(t, &q->source);
    return r == 0 && typed_accept2(t, "on", "conflict") ? parse_conflict(t, q) : r;
}

static int parse_changed(typed *t, typed_query *q)
{
    int r = parse_target(t, q);
    if (r == 0 && q->verb == TYPED_UPDATE)
        r = typed_accept(t, "set") ? parse_sets(t, &q->sets) : TYPED_PASS;
    const char *others = q->verb == TYPED_UPDATE ? "from" : "using";
    if (r == 0 && typed_accept(t, others))
        r = parse_from_list(t, &q->from);
    return r == 0 && typed_accept(t, "where") ? typed_parse_expr(t, &q->where) : r;
}

static int parse_write(typed *t, typed_query **ret)
{
    typed_query *q = typed_new(t, sizeof(*q));
    int r = TYPED_PASS;
    if (!q)
        return -ENOMEM;
    *ret = q;
    if (typed_accept(t, "insert")) {
        r = parse_insert(t, q);
    } else if (typed_accept(t, "update")) {
        q->verb = TYPED_UPDATE;
        r = parse_changed(t, q);
    } else if (typed_accept2(t, "delete", "from")) {
        q->verb = TYPED_DELETE;
        r = parse_changed(t, q);
    }
    return r == 0 && typed_accept(t, "returning") ? parse_items(t, &q->returning) : r;
}

int typed_parse_statement(typed *t, typed_query **ret)
{
    bool query = typed_at(t, "select") || typed_at(t, "with") || typed_at(t, "values") ||
                 typed_at(t, "table") || typed_at(t, "(");
    int r = query ? typed_parse_query(t, ret) : parse_write(t, ret);
    (void)typed_accept(t, ";");
    return r == 0 && typed_peek(t).kind != WEIR_TOKEN_END ? TYPED_PASS : r;
}
