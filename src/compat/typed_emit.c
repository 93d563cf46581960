/* What was understood, as SQLite's SQL. Names are quoted and qualified, so that nothing is found
 * elsewhere; where NULLs come in an order is said. */
#include "compat/typed_emit.h"
#include "compat/run.h"
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"

int typed_put(typed *t, const char *text)
{
    return weir_buf_append(t->out, weir_slice_cstr(text));
}

int typed_put_name(typed *t, weir_slice name)
{
    int r = weir_buf_append_u8(t->out, '"');
    for (size_t i = 0; r == 0 && i < name.len; i++) {
        r = weir_buf_append_u8(t->out, name.data[i]);
        if (r == 0 && name.data[i] == '"')
            r = weir_buf_append_u8(t->out, '"');
    }
    return r == 0 ? weir_buf_append_u8(t->out, '"') : r;
}

int typed_put_names(typed *t, const weir_slice *names, size_t count)
{
    int r = typed_put(t, "(");
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = i > 0 ? typed_put(t, ", ") : 0;
        if (r == 0)
            r = typed_put_name(t, names[i]);
    }
    return r == 0 ? typed_put(t, ")") : r;
}

/* ---- expressions ---- */

int typed_put_list(typed *t, const typed_node *n)
{
    int r = 0;
    for (bool first = true; r == 0 && n; n = n->next, first = false) {
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = typed_put_node(t, n);
    }
    return r;
}

/* Which columns it has: 1: of this query, 2: of those around it, 3: of both. */
static unsigned reach_of(const typed_node *n)
{
    unsigned reach = n->kind == TYPED_COLUMN && n->level > 0 ? 2u : 0u;
    if ((n->kind == TYPED_COLUMN && n->level == 0) || n->query || n->kind == TYPED_PARAM)
        reach |= 1u;
    if (n->kind == TYPED_CALL)
        reach |= 1u; /* it may be another one for each row */
    for (const typed_node *a = n->args; a; a = a->next)
        reach |= reach_of(a);
    return reach;
}

static bool has_query(const typed_node *n)
{
    for (const typed_node *a = n->args; a; a = a->next)
        if (has_query(a))
            return true;
    return n->query != NULL;
}

/* In ORDER BY and GROUP BY of a query SQLite takes a number for a position, and finds no column of
 * the query around it. 1: written. */
static int put_constant_key(typed *t, const typed_node *n, bool raw)
{
    unsigned reach = reach_of(n);
    if (n->position > 0 && raw && !t->windowed && ((reach & 2u) != 0 || has_query(n)))
        return weir_buf_printf(t->out, "%zu", n->position) == 0 ? 1 : -ENOMEM;
    if ((reach & 1u) == 0)
        return typed_put(t, "NULL") == 0 ? 1 : -ENOMEM;
    if ((reach & 2u) == 0)
        return 0;
    return typed_fail(t, "0A000",
                      "weir: an order or a group by columns of an outer query is not supported on "
                      "SQLite");
}

/* Equal values of some types have several texts. */
static int put_key(typed *t, const typed_node *n)
{
    bool numeric = n->type.oid == WEIR_OID_NUMERIC && n->exact, other = !n->keyed && !numeric;
    const char *key = numeric ? "weir_trimmed(" : other ? typed_key_name(n->type.oid) : NULL;
    int r = put_constant_key(t, n, key == NULL);
    if (r != 0)
        return r == 1 ? 0 : r;
    return key ? typed_put_parts(t, key, n, ")") : typed_put_node(t, n);
}

int typed_put_keys(typed *t, const typed_node *n)
{
    int r = 0;
    for (bool first = true; r == 0 && n; n = n->next, first = false) {
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = put_key(t, n);
    }
    return r;
}

static const typed_node *nth(const typed_node *n, unsigned i)
{
    while (n && --i > 0)
        n = n->next;
    return n;
}

static int put_joined(typed *t, const typed_node *n)
{
    int r = 0;
    for (bool first = true; r == 0 && n; n = n->next, first = false) {
        r = first ? 0 : typed_put(t, " || ");
        if (r == 0)
            r = typed_put_node(t, n);
    }
    return r;
}

/* %1, %2, … are the arguments, %* all of them, %+ all but the first, %| all, joined by ||. */
static int put_format(typed *t, const char *format, const typed_node *args)
{
    int r = 0;
    for (const char *c = format; r == 0 && *c; c++) {
        if (c[0] == '%' && c[1] == '*') {
            r = typed_put_list(t, args);
            c++;
        } else if (c[0] == '@') {
            r = typed_put_zone(t);
        } else if (c[0] == '%' && c[1] == '+') {
            r = typed_put_list(t, args->next);
            c++;
        } else if (c[0] == '%' && c[1] == '|') {
            r = put_joined(t, args);
            c++;
        } else if (c[0] == '%' && c[1] >= '1' && c[1] <= '9') {
            const typed_node *n = nth(args, (unsigned)(c[1] - '0'));
            r = n ? typed_put_node(t, n) : TYPED_PASS;
            c++;
        } else {
            r = weir_buf_append_u8(t->out, (uint8_t)*c);
        }
    }
    return r;
}

static int put_quoted(typed *t, uint8_t c)
{
    int r = weir_buf_append_u8(t->out, c);
    return r == 0 && c == '\'' ? weir_buf_append_u8(t->out, c) : r;
}

static int put_escaped(typed *t, weir_slice s)
{
    static const char from[] = "bfnrt\\'", to[] = "\b\f\n\r\t\\'";
    int r = typed_put(t, "'");
    for (size_t i = 2; r == 0 && i + 1 < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '\\') {
            const char *known = strchr(from, s.data[++i]);
            if (!known || !*known)
                return TYPED_PASS;
            c = (uint8_t)to[known - from];
        } else if (c == '\'') {
            i++;
        }
        r = put_quoted(t, c);
    }
    return r == 0 ? typed_put(t, "'") : r;
}

/* A quote that is not closed would take in what is written behind it. */
static bool is_closed(weir_slice s)
{
    size_t quotes = 0;
    for (size_t i = 0; i < s.len; i++)
        quotes += s.data[i] == '\'';
    return quotes % 2 == 0;
}

static int put_string(typed *t, weir_slice s)
{
    if (s.data[0] == '\'')
        return is_closed(s) ? weir_buf_append(t->out, s) : TYPED_PASS;
    if (s.data[0] != '$')
        return put_escaped(t, s);
    const uint8_t *end = memchr(s.data + 1, '$', s.len - 1);
    size_t tag = end ? (size_t)(end - s.data) + 1 : s.len;
    int r = s.len >= 2 * tag ? typed_put(t, "'") : TYPED_PASS;
    for (size_t i = tag; r == 0 && i + tag < s.len; i++)
        r = put_quoted(t, s.data[i]);
    return r == 0 ? typed_put(t, "'") : r;
}

static int put_param(typed *t, const typed_node *n)
{
    uint32_t oid = t->params[n->column].oid, element = typed_element_of(oid);
    const char *input = typed_input_of(oid);
    if (element)
        return weir_buf_printf(t->out, "weir_array_in(?%zu, %u)", n->column + 1, element);
    if (enum_is_oid(oid))
        return typed_put_enum_param(t, oid, n->column + 1);
    if (oid == WEIR_OID_TIMESTAMPTZ && t->zone.len > 0) {
        int r = weir_buf_printf(t->out, "weir_zone_moment(?%zu, ", n->column + 1);
        if (r == 0)
            r = typed_put_zone(t);
        return r == 0 ? typed_put(t, ")") : r;
    }
    return weir_buf_printf(t->out, "%s?%zu%s", input ? input : "", n->column + 1, input ? ")" : "");
}

static int put_column(typed *t, const typed_node *n)
{
    bool bare = n->star || !n->relation || n->relation == t->bare;
    bool set = n->relation && n->relation->set;
    int r = bare ? 0 : typed_put_name(t, n->relation->alias);
    if (r == 0 && !bare)
        r = typed_put(t, ".");
    if (r == 0 && set)
        return typed_put(t, n->relation->set[n->column]);
    return r == 0 ? typed_put_name(t, n->text) : r;
}

static int put_order_key(typed *t, const typed_node *n)
{
    bool number = n->type.oid == WEIR_OID_NUMERIC && n->exact;
    int r = put_constant_key(t, n, !number && !n->keyed);
    if (r != 0)
        return r == 1 ? 0 : r;
    return number ? typed_put_parts(t, "weir_number(", n, ")") : typed_put_node(t, n);
}

/* NULLs are the largest in PostgreSQL and the smallest in SQLite. */
int typed_put_order(typed *t, const typed_node *n, bool combined)
{
    int r = 0;
    for (bool first = true; r == 0 && n; n = n->next, first = false) {
        r = first ? 0 : typed_put(t, ", ");
        if (r == 0)
            r = combined ? weir_buf_printf(t->out, "%zu", n->column) : put_order_key(t, n);
        if (r == 0 && n->descending)
            r = typed_put(t, " DESC");
        bool never = !combined && n->kind == TYPED_COLUMN && n->relation && !n->wrap &&
                     n->relation->columns[n->column].not_null && !n->relation->nullable_key;
        if (r == 0 && !never && n->nulls != (n->descending ? 2 : 1))
            r = typed_put(t, n->nulls == 1 ? " NULLS FIRST" : " NULLS LAST");
    }
    return r;
}

int typed_put_window(typed *t, const typed_window *w)
{
    if (!w->open && w->name.len > 0)
        return typed_put_name(t, w->name);
    int r = typed_put(t, "(");
    if (r == 0 && w->name.len > 0)
        r = typed_put_name(t, w->name);
    if (r == 0 && w->partition) {
        r = typed_put(t, " PARTITION BY ");
        if (r == 0)
            r = typed_put_keys(t, w->partition);
    }
    if (r == 0 && w->order) {
        r = typed_put(t, " ORDER BY ");
        if (r == 0)
            r = typed_put_order(t, w->order, false);
    }
    if (r == 0 && w->frame.len > 0) {
        r = typed_put(t, " ");
        if (r == 0)
            r = weir_buf_append(t->out, w->frame);
    }
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_gathered_key(typed *t, const typed_node *key)
{
    bool number = key->type.oid == WEIR_OID_NUMERIC && key->exact;
    return typed_put_parts(t, number ? "weir_number(" : "", key, number ? ")" : "");
}

/* array_agg(x ORDER BY key) is array_agg(x, key) here; several keys are one, as bytes. */
static int put_gathered_order(typed *t, const typed_node *n)
{
    const typed_node *key = n->order;
    size_t count = 0;
    int r = typed_put(t, ", ");
    if (!key->next && key->nulls == (key->descending ? 1 : 2)) {
        if (r == 0)
            r = put_gathered_key(t, key);
        return r == 0 && key->descending ? typed_put(t, ", 1") : r;
    }
    if (r == 0)
        r = typed_put(t, "weir_order_key(");
    for (; r == 0 && key; key = key->next, count++) {
        r = count > 0 ? typed_put(t, ", ") : 0;
        if (r == 0)
            r = put_gathered_key(t, key);
        if (r == 0)
            r = weir_buf_printf(t->out, ", %d",
                                (key->descending ? 1 : 0) | (key->nulls == 1 ? 2 : 0));
    }
    if (r == 0 && count > WEIR_FACE_ARGS_MAX / 2)
        return typed_fail(t, "0A000",
                          "weir: an aggregate by so many keys is not supported on SQLite");
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_call(typed *t, const typed_node *n)
{
    weir_slice name = n->call ? weir_slice_cstr(n->call) : n->text;
    bool gathers = weir_slice_eq_cstr(name, "array_agg") || weir_slice_eq_cstr(name, "string_agg");
    int r = 0;
    if (n->emit && !n->distinct) {
        r = put_format(t, n->emit, n->args);
    } else if (n->emit && strlen(n->emit) > 4 &&
               strcmp(n->emit + strlen(n->emit) - 4, "(%1)") == 0) {
        r = weir_buf_append(t->out, weir_slice_make(n->emit, strlen(n->emit) - 3));
        if (r == 0)
            r = typed_put(t, "DISTINCT ");
        if (r == 0)
            r = typed_put_list(t, n->args);
        if (r == 0)
            r = typed_put(t, ")");
    } else {
        r = weir_buf_append(t->out, name);
        if (r == 0)
            r = typed_put(t, n->star ? "(*" : n->distinct ? "(DISTINCT " : "(");
        if (r == 0)
            r = typed_put_list(t, n->args);
        if (r == 0 && gathers && n->order)
            r = put_gathered_order(t, n);
        if (r == 0)
            r = typed_put(t, ")");
    }
    if (r == 0 && n->filter) {
        r = typed_put(t, " FILTER (WHERE ");
        if (r == 0)
            r = typed_put_node(t, n->filter);
        if (r == 0)
            r = typed_put(t, ")");
    }
    if (r == 0 && n->over) {
        r = typed_put(t, " OVER ");
        if (r == 0)
            r = typed_put_window(t, n->over);
    }
    return r;
}

int typed_put_parts(typed *t, const char *before, const typed_node *n, const char *after)
{
    int r = typed_put(t, before);
    if (r == 0)
        r = typed_put_node(t, n);
    return r == 0 ? typed_put(t, after) : r;
}

/* What SQLite does not compute where what stands before it decides: WHERE, ON, HAVING. (Of WHEN it
 * leaves out more than PostgreSQL does, which goes on behind a NULL.) */
int typed_put_condition(typed *t, const char *before, const typed_node *n)
{
    int r = typed_put(t, before);
    t->condition = true;
    if (r == 0)
        r = typed_put_node(t, n);
    t->condition = false;
    return r;
}

static bool may_fail(const typed_node *n)
{
    if ((n->emit && strstr(n->emit, "weir_")) || (n->wrap && strstr(n->wrap, "weir_")) || n->query)
        return true;
    for (const typed_node *a = n->args; a; a = a->next)
        if (may_fail(a))
            return true;
    return false;
}

#define TWICE_MAX 1000u

/* `a` and `b` stand in `out`, from the marks on. PostgreSQL does not compute `b` where `a` decides;
 * of values SQLite would compute both. */
static int put_early(typed *t, size_t mark_a, size_t mark_b, bool all)
{
    weir_slice a = weir_slice_make(t->out->data + mark_a, mark_b - mark_a);
    weir_slice b = weir_slice_make(t->out->data + mark_b, t->out->len - mark_b);
    char *first = weir_arena_strdup(&t->arena, a), *second = weir_arena_strdup(&t->arena, b);
    if (!first || !second)
        return -ENOMEM;
    size_t len = b.len;
    t->out->len = mark_a;
    int decides = all ? 0 : 1;
    int r = len > TWICE_MAX ? typed_put(t, "(") : typed_put(t, "CASE ");
    if (r == 0)
        r = typed_put(t, first);
    if (r == 0)
        r = len > TWICE_MAX ? typed_put(t, all ? " AND " : " OR ")
                            : weir_buf_printf(t->out, " WHEN %d THEN %d WHEN %d THEN ", decides,
                                              decides, 1 - decides);
    if (r == 0)
        r = typed_put(t, second);
    if (r != 0 || len > TWICE_MAX)
        return r == 0 ? typed_put(t, ")") : r;
    r = typed_put(t, " ELSE nullif(");
    if (r == 0)
        r = typed_put(t, second);
    return r == 0 ? weir_buf_printf(t->out, ", %d) END", 1 - decides) : r;
}

static int put_logical(typed *t, const typed_node *n, bool condition)
{
    const typed_node *a = n->args, *b = a->next;
    bool all = weir_slice_eq_nocase(n->text, "and");
    bool early = b && !condition && may_fail(b);
    int r = early ? 0 : typed_put(t, b ? "(" : "(NOT ");
    size_t mark_a = t->out->len;
    t->condition = condition;
    if (r == 0)
        r = typed_put_node(t, a);
    size_t mark_b = t->out->len;
    if (r == 0 && b && !early)
        r = typed_put(t, all ? " AND " : " OR ");
    t->condition = condition;
    if (r == 0 && b)
        r = typed_put_node(t, b);
    t->condition = false;
    if (r != 0)
        return r;
    return early ? put_early(t, mark_a, mark_b, all) : typed_put(t, ")");
}

static int put_between(typed *t, const typed_node *n, bool condition)
{
    const typed_node *x = n->args, *low = x->next, *high = low->next;
    if (condition || !may_fail(high)) {
        int r = typed_put_parts(t, "(", x, n->negated ? " NOT BETWEEN " : " BETWEEN ");
        if (r == 0)
            r = typed_put_parts(t, "", low, " AND ");
        return r == 0 ? typed_put_parts(t, "", high, ")") : r;
    }
    size_t mark_a = t->out->len;
    int r = typed_put_parts(t, "(", x, n->negated ? " < " : " >= ");
    if (r == 0)
        r = typed_put_parts(t, "", low, ")");
    size_t mark_b = t->out->len;
    if (r == 0)
        r = typed_put_parts(t, "(", x, n->negated ? " > " : " <= ");
    if (r == 0)
        r = typed_put_parts(t, "", high, ")");
    return r == 0 ? put_early(t, mark_a, mark_b, !n->negated) : r;
}

static int put_case(typed *t, const typed_node *n)
{
    const typed_node *at = n->args;
    int r = typed_put(t, "CASE");
    if (r == 0 && n->has_operand) {
        r = typed_put_parts(t, " ", at, "");
        at = at->next;
    }
    while (r == 0 && at && at->next) {
        r = typed_put_parts(t, " WHEN ", at, "");
        if (r == 0)
            r = typed_put_parts(t, " THEN ", at->next, "");
        at = at->next->next;
    }
    if (r == 0 && at)
        r = typed_put_parts(t, " ELSE ", at, "");
    return r == 0 ? typed_put(t, " END") : r;
}

/* A literal is translated here, so that an index can be used. */
static int put_pattern(typed *t, const typed_node *pattern, const typed_node *escape)
{
    weir_slice s = pattern->text;
    if (!escape && pattern->kind == TYPED_STRING && !pattern->wrap && s.data[0] == '\'' &&
        is_closed(s) && run_like_valid(weir_slice_head(s, s.len - 1), WEIR_SLICE_LIT("\\")))
        return run_glob(s, WEIR_SLICE_LIT("\\"), t->out);
    int r = typed_put_parts(t, "weir_glob(", pattern, escape ? ", " : ")");
    return r == 0 && escape ? typed_put_parts(t, "", escape, ")") : r;
}

/* A pattern that is known only when it runs: between which texts an index is to look. */
static int put_like_range(typed *t, const typed_node *x, const typed_node *pattern)
{
    int r = typed_put_parts(t, " AND ", x, " >= ");
    if (r == 0)
        r = typed_put_parts(t, "weir_glob_from(", pattern, ")");
    if (r == 0)
        r = typed_put_parts(t, " AND ", x, " < ");
    return r == 0 ? typed_put_parts(t, "weir_glob_to(", pattern, ")") : r;
}

static int put_like(typed *t, const typed_node *n)
{
    const char *no = n->negated ? "NOT " : "";
    const typed_node *x = n->args, *pattern = x->next, *escape = pattern->next;
    bool like = weir_slice_eq_nocase(n->text, "like");
    if (escape && !like)
        return TYPED_PASS;
    int r = typed_put_parts(t, "(", x, "");
    if (r == 0 && like) {
        r = weir_buf_printf(t->out, " %sGLOB ", no);
        if (r == 0)
            r = put_pattern(t, pattern, escape);
        bool ranges = pattern->kind == TYPED_PARAM && x->kind == TYPED_COLUMN && !x->wrap;
        if (r == 0 && ranges && !escape && !n->negated)
            r = put_like_range(t, x, pattern);
    } else if (r == 0 && weir_slice_eq_nocase(n->text, "ilike")) {
        r = weir_buf_printf(t->out, " %sREGEXP '(?L)' || ", no);
        if (r == 0)
            r = typed_put_node(t, pattern);
    } else if (r == 0) {
        r = weir_buf_printf(t->out, " %sREGEXP ", no);
        if (r == 0)
            r = typed_put_parts(t, "weir_similar(", pattern, ")");
    }
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_test(typed *t, const typed_node *n)
{
    const char *no = n->negated ? "NOT " : "";
    int r = typed_put_parts(t, "(", n->args, "");
    if (r == 0 && weir_slice_eq_cstr(n->text, "distinct")) {
        const typed_node *right = n->args->next;
        while (right->kind == TYPED_CAST && !right->emit)
            right = right->args;
        bool constant = right->kind == TYPED_CONSTANT; /* x IS TRUE asks something else there */
        r = typed_put(t, n->negated ? " IS " : " IS NOT ");
        if (r == 0)
            r = typed_put_parts(t, constant ? "+" : "", n->args->next, "");
    } else if (r == 0) {
        bool null = weir_slice_eq_cstr(n->text, "null") || weir_slice_eq_cstr(n->text, "unknown");
        r = weir_buf_printf(t->out, " IS %s%s", no,
                            null                                  ? "NULL"
                            : weir_slice_eq_cstr(n->text, "true") ? "TRUE"
                                                                  : "FALSE");
    }
    return r == 0 ? typed_put(t, ")") : r;
}

int typed_put_subquery(typed *t, const typed_query *q)
{
    int r = typed_put(t, "(");
    if (r == 0)
        r = typed_emit_query(t, q);
    return r == 0 ? typed_put(t, ")") : r;
}

/* SQLite takes the first row, PostgreSQL wants that there is no other. */
static int put_scalar(typed *t, const typed_query *q)
{
    bool one = q->limit || q->values || (q->aggregates && !q->group);
    int r = one ? 0 : typed_put(t, "(SELECT weir_only(");
    if (r == 0 && !one)
        r = typed_put_name(t, q->columns[0].name);
    if (r == 0 && !one)
        r = typed_put(t, ") FROM ");
    if (r == 0)
        r = typed_put_subquery(t, q);
    return r == 0 && !one ? typed_put(t, ")") : r;
}

static int put_in(typed *t, const typed_node *n)
{
    int r = typed_put_parts(t, "(", n->args, n->negated ? " NOT IN " : " IN ");
    bool rows = !n->query && n->args->kind == TYPED_ROW;
    if (r == 0 && n->query)
        r = typed_put_subquery(t, n->query);
    else if (r == 0)
        r = typed_put(t, rows ? "(VALUES " : "(");
    if (r == 0 && !n->query)
        r = typed_put_list(t, n->args->next);
    if (r == 0 && !n->query)
        r = typed_put(t, ")");
    return r == 0 ? typed_put(t, ")") : r;
}

/* x op ANY or ALL (…): with NULLs as SQL has them. */
static int put_any_general(typed *t, const typed_node *n)
{
    int r = typed_put(t, n->negated ? "(SELECT CASE WHEN min(weir_c) = 0 THEN 0 WHEN count(*) > "
                                      "count(weir_c) THEN NULL ELSE 1 END FROM (SELECT "
                                    : "(SELECT CASE WHEN max(weir_c) = 1 THEN 1 WHEN count(*) > "
                                      "count(weir_c) THEN NULL ELSE 0 END FROM (SELECT ");
    if (r == 0)
        r = typed_put_node(t, n->args);
    if (r == 0)
        r = weir_buf_printf(t->out, " %.*s ", (int)n->text.len, (const char *)n->text.data);
    if (r == 0 && n->query) {
        r = typed_put_name(t, n->query->columns[0].name);
        if (r == 0)
            r = typed_put(t, " AS weir_c FROM ");
        if (r == 0)
            r = typed_put_subquery(t, n->query);
        return r == 0 ? typed_put(t, "))") : r;
    }
    return r == 0 ? typed_put_parts(t, "+value AS weir_c FROM unnest(", n->args->next, ")))") : r;
}

static int put_any(typed *t, const typed_node *n)
{
    bool in = !n->negated && weir_slice_eq_cstr(n->text, "=");
    bool not_in =
        n->negated && (weir_slice_eq_cstr(n->text, "<>") || weir_slice_eq_cstr(n->text, "!="));
    if (!in && !not_in)
        return put_any_general(t, n);
    int r = typed_put_parts(t, "(", n->args, in ? " IN " : " NOT IN ");
    if (r == 0)
        r = n->query ? typed_put_subquery(t, n->query)
                     : typed_put_parts(t, "(SELECT +value FROM unnest(", n->args->next, "))");
    return r == 0 ? typed_put(t, ")") : r;
}

static int put_binary(typed *t, const typed_node *n)
{
    int r = typed_put_parts(t, "(", n->args, " ");
    if (r == 0)
        r = weir_buf_append(t->out, n->text);
    return r == 0 ? typed_put_parts(t, " ", n->args->next, ")") : r;
}

static int put_number(typed *t, const typed_node *n)
{
    int r = n->quoted ? typed_put(t, "'") : 0;
    if (r == 0 && n->text.data[0] == '.')
        r = typed_put(t, "0");
    if (r == 0)
        r = weir_buf_append(t->out, n->text);
    return r == 0 && n->quoted ? typed_put(t, "'") : r;
}

static int put_extract(typed *t, const typed_node *n)
{
    char field[32];
    weir_compat_name_fold(n->text, field, sizeof(field));
    for (const char *c = field; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || *c == '_'))
            return TYPED_PASS;
    if (n->args->type.oid == WEIR_OID_TIMESTAMPTZ && t->zone.len > 0) {
        int r = typed_put_parts(t, "weir_zone_part(", n->args, ", ");
        if (r == 0)
            r = typed_put_zone(t);
        return r == 0 ? weir_buf_printf(t->out, ", '%s')", field) : r;
    }
    bool clock = n->args->type.oid == WEIR_OID_TIME;
    int r = weir_buf_printf(t->out, "%s('%s', ", clock ? "weir_time_part" : "weir_extract", field);
    return r == 0 ? typed_put_parts(t, "", n->args, ")") : r;
}

static int put_symmetric(typed *t, const typed_node *n)
{
    const typed_node *low = n->args->next, *high = low->next;
    int r = typed_put(t, n->negated ? "(NOT " : "(");
    for (int i = 0; r == 0 && i < 2; i++) { /* either way round */
        r = typed_put_parts(t, i > 0 ? " OR " : "(", n->args, " BETWEEN ");
        if (r == 0)
            r = typed_put_parts(t, "", i > 0 ? high : low, " AND ");
        if (r == 0)
            r = typed_put_node(t, i > 0 ? low : high);
    }
    return r == 0 ? typed_put(t, "))") : r;
}

static int put_array_of_query(typed *t, const typed_node *n)
{
    int r = typed_put(t, "weir_array_or_empty((WITH weir_a(weir_v) AS ");
    if (r == 0)
        r = typed_put_subquery(t, n->query);
    return r == 0 ? typed_put_parts(t, " SELECT array_agg(", n->args, ") FROM weir_a))") : r;
}

static int put_core(typed *t, const typed_node *n)
{
    bool condition = t->condition && !n->wrap;
    t->condition = false;
    if (n->kind == TYPED_OP && typed_is_logical(n->text))
        return put_logical(t, n, condition);
    if (n->emit && n->kind != TYPED_CALL)
        return put_format(t, n->emit, n->args);
    switch (n->kind) {
    case TYPED_NUMBER:
        return put_number(t, n);
    case TYPED_STRING:
        return put_string(t, n->text);
    case TYPED_CONSTANT:
        if (weir_slice_eq_cstr(n->text, "true")) /* x IS true would ask for its truth */
            return typed_put(t, "1");
        if (weir_slice_eq_cstr(n->text, "false"))
            return typed_put(t, "0");
        return weir_slice_eq_cstr(n->text, "default")
                   ? typed_fail(t, "42601", "DEFAULT is not allowed in this context")
                   : weir_buf_append(t->out, n->text);
    case TYPED_RAW:
        return weir_buf_printf(t->out, "(%.*s)", (int)n->text.len, (const char *)n->text.data);
    case TYPED_PARAM:
        return put_param(t, n);
    case TYPED_COLUMN:
        return put_column(t, n);
    case TYPED_CALL:
        return put_call(t, n);
    case TYPED_CAST:
        return typed_put_node(t, n->args);
    case TYPED_OP:
        return n->args->next ? put_binary(t, n) : TYPED_PASS;
    case TYPED_TEST:
        return put_test(t, n);
    case TYPED_LIKE:
        return put_like(t, n);
    case TYPED_BETWEEN:
        return n->distinct ? put_symmetric(t, n) : put_between(t, n, condition);
    case TYPED_IN:
        return put_in(t, n);
    case TYPED_ANY:
        return put_any(t, n);
    case TYPED_CASE:
        return put_case(t, n);
    case TYPED_EXISTS: {
        int r = typed_put(t, "EXISTS ");
        return r == 0 ? typed_put_subquery(t, n->query) : r;
    }
    case TYPED_QUERY:
        return put_scalar(t, n->query);
    case TYPED_ROW:
    case TYPED_ARRAY: {
        if (n->query)
            return put_array_of_query(t, n);
        int r = typed_put(t, n->kind == TYPED_ROW ? "(" : "weir_array(");
        if (r == 0)
            r = typed_put_list(t, n->args);
        return r == 0 ? typed_put(t, ")") : r;
    }
    case TYPED_EXTRACT:
        return put_extract(t, n);
    case TYPED_ZONE:
    case TYPED_STAR:
        return TYPED_PASS;
    }
    return TYPED_PASS;
}

int typed_put_node(typed *t, const typed_node *n)
{
    int r = 0;
    if (++t->depth > 150)
        return TYPED_PASS;
    if (!n->wrap)
        r = put_core(t, n);
    for (const char *c = n->wrap ? n->wrap : ""; r == 0 && *c; c++)
        r = *c == '%'   ? put_core(t, n)
            : *c == '@' ? typed_put_zone(t)
                        : weir_buf_append_u8(t->out, (uint8_t)*c);
    t->depth--;
    return r;
}
