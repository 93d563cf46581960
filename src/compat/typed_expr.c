/* The reader of expressions, with PostgreSQL's precedences: OR, AND, NOT, IS, comparisons, LIKE and
 * its kin, other operators, + -, * / %, ^, AT TIME ZONE, signs, [] and ::. */
#include "compat/run_moments.h"
#include "compat/typed.h"
#include "compat/typed_lists.h"

#define DEPTH_MAX 60u

static int parse_or(typed *t, typed_node **ret);
int typed_parse_operand(typed *t, typed_node **ret);

typed_node *typed_make(typed *t, typed_kind kind, weir_slice text)
{
    typed_node *n = typed_new(t, sizeof(*n));
    if (n) {
        n->kind = kind;
        n->text = text;
    }
    return n;
}

static int make_op(typed *t, weir_slice op, typed_node *left, typed_node *right, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_OP, op);
    if (!n)
        return -ENOMEM;
    n->args = left ? left : right;
    if (left)
        left->next = right;
    *ret = n;
    return 0;
}

/* ---- levels of binary operators ---- */

typedef int (*parser)(typed *t, typed_node **ret);

static bool is_one_of(weir_token op, const char *const *ops)
{
    for (; *ops; ops++) /* a lone ? is a parameter to the tokens */
        if (weir_token_is(op, *ops) || (op.text.len == 1 && op.text.data[0] == '?' && **ops == '?'))
            return true;
    return false;
}

static int parse_left(typed *t, const char *const *ops, parser below, typed_node **ret)
{
    int r = below(t, ret);
    while (r == 0 && is_one_of(typed_peek(t), ops)) {
        weir_token op = typed_next(t);
        typed_node *right = NULL;
        r = below(t, &right);
        if (r == 0)
            r = make_op(t, op.text, *ret, right, ret);
    }
    return r;
}

/* ---- operands ---- */

/* ARRAY[a, b] */
static int parse_array(typed *t, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_ARRAY, WEIR_SLICE_LIT("array"));
    if (!n)
        return -ENOMEM;
    *ret = n;
    if (typed_accept(t, "]"))
        return 0;
    int r = typed_parse_list(t, &n->args);
    return r == 0 && !typed_accept(t, "]") ? TYPED_PASS : r;
}

/* Behind CASE. */
static int parse_case(typed *t, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_CASE, WEIR_SLICE_LIT("case"));
    if (!n)
        return -ENOMEM;
    *ret = n;
    typed_node **tail = &n->args;
    n->has_operand = !typed_at(t, "when");
    int r = n->has_operand ? typed_parse_expr(t, tail) : 0;
    if (r == 0 && n->has_operand)
        tail = &(*tail)->next;
    while (r == 0 && typed_accept(t, "when")) {
        r = typed_parse_expr(t, tail);
        if (r == 0 && !typed_accept(t, "then"))
            return TYPED_PASS;
        if (r == 0)
            r = typed_parse_expr(t, &(*tail)->next);
        if (r == 0)
            tail = &(*tail)->next->next;
    }
    if (r == 0 && typed_accept(t, "else")) {
        n->has_else = true;
        r = typed_parse_expr(t, tail);
    }
    return r == 0 && !typed_accept(t, "end") ? TYPED_PASS : r;
}

/* Behind CAST( */
static int parse_cast(typed *t, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_CAST, (weir_slice){0});
    if (!n)
        return -ENOMEM;
    *ret = n;
    int r = typed_parse_expr(t, &n->args);
    if (r == 0 && !typed_accept(t, "as"))
        return TYPED_PASS;
    if (r == 0)
        r = typed_parse_type(t, &n->to);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

/* Behind EXTRACT( */
static int parse_extract(typed *t, typed_node **ret)
{
    weir_token field = typed_next(t);
    typed_node *n = typed_make(t, TYPED_EXTRACT, field.text);
    if (!n)
        return -ENOMEM;
    *ret = n;
    if (!typed_accept(t, "from"))
        return TYPED_PASS;
    int r = typed_parse_expr(t, &n->args);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

static int parse_subquery(typed *t, typed_kind kind, typed_node **ret)
{
    typed_node *n = typed_make(t, kind, (weir_slice){0});
    if (!n)
        return -ENOMEM;
    *ret = n;
    int r = typed_parse_query(t, &n->query);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

/* Behind "(". */
static int parse_parenthesis(typed *t, typed_node **ret)
{
    if (typed_begins_query(t))
        return parse_subquery(t, TYPED_QUERY, ret);
    int r = typed_parse_list(t, ret);
    if (r == 0 && (*ret)->next) {
        typed_node *row = typed_make(t, TYPED_ROW, (weir_slice){0});
        if (!row)
            return -ENOMEM;
        row->args = *ret;
        *ret = row;
    }
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

/* INTERVAL '5' MINUTE: PostgreSQL reads the literal as its fields say, so it is written as what
 * that gave. */
static int read_span(typed *t, run_span_fields fields, typed_node *string)
{
    run_interval v;
    weir_value ignored;
    weir_buf text;
    weir_slice s = string->text;
    if (s.data[0] != '\'' || memchr(s.data + 1, '\'', s.len - 2))
        return typed_fail(t, "0A000", "weir: such a literal is not supported on SQLite");
    int r = run_interval_read(weir_slice_make(s.data + 1, s.len - 2), fields, &v, t->err);
    if (r != 0)
        return r;
    weir_buf_init(&text, 128);
    r = weir_buf_append_u8(&text, '\'');
    if (r == 0)
        r = run_moment_give_interval(&v, &text, &ignored);
    if (r == 0)
        r = weir_buf_append_u8(&text, '\'');
    const char *copy = r == 0 ? weir_arena_strdup(&t->arena, weir_buf_slice(&text)) : NULL;
    weir_buf_fini(&text);
    string->text = weir_slice_cstr(copy);
    return copy ? 0 : -ENOMEM;
}

/* DATE '2024-01-01': 1: it was one. */
static int parse_typed_literal(typed *t, weir_token word, typed_node **ret)
{
    static const char *const names[] = {"date",     "timestamp", "timestamptz",
                                        "interval", "time",      "inet"};
    bool known = false, span = weir_token_is(word, "interval");
    run_span_fields fields = RUN_SPAN_ALL;
    int r = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        known |= weir_token_is(word, names[i]);
    weir_token literal = typed_peek(t);
    if (span && weir_token_is(literal, "("))
        r = typed_parse_span_fields(t, &fields);
    if (r == 0)
        literal = typed_peek(t);
    if (r != 0 || !known || literal.kind != WEIR_TOKEN_STRING)
        return r != 0 || fields.precision < 0 ? r : TYPED_PASS;
    (void)typed_next(t);
    typed_node *n = typed_make(t, TYPED_CAST, (weir_slice){0});
    typed_node *string = typed_make(t, TYPED_STRING, literal.text);
    if (!n || !string)
        return -ENOMEM;
    bool precise = fields.precision >= 0;
    if (span && !precise)
        r = typed_parse_span_fields(t, &fields);
    if (r == 0 && (fields.last || fields.precision >= 0))
        r = read_span(t, fields, string);
    n->args = string;
    n->to.oid = span ? TYPED_INTERVAL : weir_compat_named_oid(word.text);
    *ret = n;
    return r == 0 ? 1 : r;
}

static int parse_column(typed *t, weir_token first, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_COLUMN, typed_fold(t, first.text));
    if (!n)
        return -ENOMEM;
    *ret = n;
    n->quoted = first.kind == WEIR_TOKEN_QUOTED;
    while (typed_accept(t, ".")) {
        if (n->qualifier.len > 0 && !weir_slice_eq_cstr(n->qualifier, "public"))
            return TYPED_PASS;
        n->qualifier = n->text;
        weir_token name = typed_next(t);
        if (weir_token_is(name, "*")) {
            n->kind = TYPED_STAR;
            return 0;
        }
        if (name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
            return TYPED_PASS;
        n->text = typed_fold(t, name.text);
    }
    return 0;
}

/* Words that are values: 1: it was one. */
static int parse_constant(typed *t, weir_token word, typed_node **ret)
{
    static const char *const constants[] = {"true", "false", "null", "default"};
    static const char *const moments[] = {"current_date", "current_timestamp", "localtimestamp"};
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        if (!weir_token_is(word, constants[i]))
            continue;
        *ret = typed_make(t, TYPED_CONSTANT, weir_slice_cstr(constants[i]));
        return *ret ? 1 : -ENOMEM;
    }
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        if (!weir_token_is(word, moments[i]))
            continue;
        *ret = typed_make(t, TYPED_CALL, weir_slice_cstr(moments[i]));
        return *ret ? 1 : -ENOMEM;
    }
    return 0;
}

/* ARRAY(SELECT …): behind the parenthesis. */
static int parse_array_of_query(typed *t, typed_node **ret)
{
    int r = parse_subquery(t, TYPED_ARRAY, ret);
    if (r == 0)
        (*ret)->text = WEIR_SLICE_LIT("array");
    return r;
}

/* Words that begin something of their own grammar: 1: it was one. */
static int parse_special(typed *t, weir_token word, typed_node **ret)
{
    int r = -1;
    if (weir_token_is(word, "case"))
        r = parse_case(t, ret);
    else if (weir_token_is(word, "cast") && typed_accept(t, "("))
        r = parse_cast(t, ret);
    else if (weir_token_is(word, "extract") && typed_accept(t, "("))
        r = parse_extract(t, ret);
    else if (weir_token_is(word, "exists") && typed_accept(t, "("))
        r = parse_subquery(t, TYPED_EXISTS, ret);
    else if (weir_token_is(word, "array") && typed_accept(t, "["))
        r = parse_array(t, ret);
    else if (weir_token_is(word, "array") && typed_accept(t, "("))
        r = parse_array_of_query(t, ret);
    else if (weir_token_is(word, "row") && typed_accept(t, "("))
        r = TYPED_PASS;
    else
        return 0;
    return r == 0 ? 1 : r;
}

static int parse_word(typed *t, weir_token word, typed_node **ret)
{
    int r = word.kind == WEIR_TOKEN_WORD ? parse_special(t, word, ret) : 0;
    if (r == 0 && word.kind == WEIR_TOKEN_WORD)
        r = parse_constant(t, word, ret);
    if (r == 0 && word.kind == WEIR_TOKEN_WORD)
        r = parse_typed_literal(t, word, ret);
    if (r != 0)
        return r == 1 ? 0 : r;
    if (weir_compat_is_reserved(word.text) && word.kind == WEIR_TOKEN_WORD &&
        !weir_token_is(typed_peek(t), "("))
        return TYPED_PASS;
    if (typed_accept(t, "("))
        return typed_parse_call(t, word, ret);
    return parse_column(t, word, ret);
}

static int parse_primary(typed *t, typed_node **ret)
{
    weir_token token = typed_next(t);
    switch (token.kind) {
    case WEIR_TOKEN_NUMBER:
        *ret = typed_make(t, TYPED_NUMBER, token.text);
        return *ret ? 0 : -ENOMEM;
    case WEIR_TOKEN_STRING:
        *ret = typed_make(t, TYPED_STRING, token.text);
        return *ret ? 0 : -ENOMEM;
    case WEIR_TOKEN_PARAM:
        *ret = typed_make(t, TYPED_PARAM, token.text);
        return *ret ? 0 : -ENOMEM;
    case WEIR_TOKEN_WORD:
    case WEIR_TOKEN_QUOTED:
        return parse_word(t, token, ret);
    case WEIR_TOKEN_OP:
        if (weir_token_is(token, "("))
            return parse_parenthesis(t, ret);
        if (weir_token_is(token, "*")) {
            *ret = typed_make(t, TYPED_STAR, (weir_slice){0});
            return *ret ? 0 : -ENOMEM;
        }
        return TYPED_PASS;
    default:
        return TYPED_PASS;
    }
}

/* One element; no slice. */
static int parse_subscript(typed *t, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_CALL, WEIR_SLICE_LIT("weir_subscript"));
    if (!n)
        return -ENOMEM;
    n->args = *ret;
    *ret = n;
    int r = typed_parse_expr(t, &n->args->next);
    return r == 0 && !typed_accept(t, "]") ? TYPED_PASS : r;
}

/* Those whose order is that of bytes, as it is here. */
static int take_collation(typed *t)
{
    static const char *const same[] = {"default", "C", "POSIX", "C.UTF-8", "C.utf8", "ucs_basic"};
    (void)typed_accept2(t, "pg_catalog", ".");
    weir_slice name = typed_fold(t, weir_token_next(&t->rest).text);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (weir_slice_eq_cstr(name, same[i]))
            return 0;
    return TYPED_PASS;
}

static int parse_postfix(typed *t, typed_node **ret)
{
    int r = parse_primary(t, ret);
    for (;;) {
        if (r == 0 && typed_accept(t, "collate"))
            r = take_collation(t);
        if (r != 0)
            return r;
        if (typed_accept(t, "[")) {
            r = parse_subscript(t, ret);
            continue;
        }
        if (!typed_accept(t, "::"))
            return 0;
        typed_node *n = typed_make(t, TYPED_CAST, (weir_slice){0});
        if (!n)
            return -ENOMEM;
        n->args = *ret;
        *ret = n;
        r = typed_parse_type(t, &n->to);
    }
}

static int parse_zone(typed *t, typed_node **ret)
{
    int r = parse_postfix(t, ret);
    while (r == 0 && typed_at(t, "at")) {
        if (!typed_accept2(t, "at", "time") || !typed_accept(t, "zone"))
            return TYPED_PASS;
        typed_node *n = typed_make(t, TYPED_ZONE, WEIR_SLICE_LIT("timezone"));
        if (!n)
            return -ENOMEM;
        n->args = *ret;
        *ret = n;
        r = parse_postfix(t, &n->args->next);
    }
    return r;
}

static int parse_sign(typed *t, typed_node **ret)
{
    weir_token op = typed_peek(t);
    bool sign = weir_token_is(op, "-") || weir_token_is(op, "+") || weir_token_is(op, "~");
    if (!sign)
        return parse_zone(t, ret);
    (void)typed_next(t);
    typed_node *operand = NULL;
    if (++t->depth > DEPTH_MAX)
        return TYPED_PASS;
    int r = parse_sign(t, &operand);
    t->depth--;
    return r == 0 ? make_op(t, op.text, NULL, operand, ret) : r;
}

static int parse_power(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"^", NULL};
    return parse_left(t, ops, parse_sign, ret);
}

static int parse_product(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"*", "/", "%", NULL};
    return parse_left(t, ops, parse_power, ret);
}

static int parse_sum(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"+", "-", NULL};
    return parse_left(t, ops, parse_product, ret);
}

int typed_parse_operand(typed *t, typed_node **ret)
{
    static const char *const ops[] = {
        "||", "->", "->>", "#>", "#>>", "@>",  "<@",   "&&", "<<", ">>", "&",  "|",  "#",  "?", "~",
        "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*", "#-", "?|", "?&", "@?", "@@", "^@", NULL};
    return parse_left(t, ops, parse_sum, ret);
}

/* ---- LIKE, BETWEEN, IN ---- */

static int parse_like(typed *t, weir_slice word, typed_node *left, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_LIKE, word);
    if (!n)
        return -ENOMEM;
    n->args = left;
    *ret = n;
    int r = typed_parse_operand(t, &left->next);
    if (r == 0 && typed_accept(t, "escape"))
        r = typed_parse_operand(t, &left->next->next);
    return r;
}

static int parse_between(typed *t, typed_node *left, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_BETWEEN, (weir_slice){0});
    if (!n)
        return -ENOMEM;
    n->args = left;
    *ret = n;
    n->distinct = typed_accept(t, "symmetric");
    int r = typed_parse_operand(t, &left->next);
    if (r == 0 && !typed_accept(t, "and"))
        return TYPED_PASS;
    return r == 0 ? typed_parse_operand(t, &left->next->next) : r;
}

static int parse_in(typed *t, typed_node *left, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_IN, (weir_slice){0});
    if (!n)
        return -ENOMEM;
    n->args = left;
    *ret = n;
    if (!typed_accept(t, "("))
        return TYPED_PASS;
    int r =
        typed_begins_query(t) ? typed_parse_query(t, &n->query) : typed_parse_list(t, &left->next);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

static int parse_ranges(typed *t, typed_node **ret)
{
    int r = typed_parse_operand(t, ret);
    while (r == 0) {
        weir_slice before = t->rest;
        bool negated = typed_accept(t, "not");
        if (typed_at(t, "like") || typed_at(t, "ilike"))
            r = parse_like(t, typed_next(t).text, *ret, ret);
        else if (typed_accept2(t, "similar", "to"))
            r = parse_like(t, WEIR_SLICE_LIT("similar"), *ret, ret);
        else if (typed_accept(t, "between"))
            r = parse_between(t, *ret, ret);
        else if (typed_accept(t, "in"))
            r = parse_in(t, *ret, ret);
        else {
            t->rest = before;
            return 0;
        }
        if (r == 0)
            (*ret)->negated = negated;
    }
    return r;
}

/* ---- comparisons, IS, NOT, AND, OR ---- */

/* x = ANY (…): behind the parenthesis. */
static int parse_any(typed *t, weir_token op, bool all, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_ANY, op.text);
    if (!n)
        return -ENOMEM;
    n->args = *ret;
    n->negated = all;
    *ret = n;
    int r = typed_begins_query(t) ? typed_parse_query(t, &n->query)
                                  : typed_parse_expr(t, &n->args->next);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

static int parse_comparison(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"=", "<", ">", "<=", ">=", "<>", "!=", "==", NULL};
    int r = parse_ranges(t, ret);
    while (r == 0 && is_one_of(typed_peek(t), ops)) {
        weir_token op = typed_next(t);
        if (weir_token_is(op, "=="))
            return TYPED_PASS;
        if (typed_accept2(t, "any", "(") || typed_accept2(t, "some", "(")) {
            r = parse_any(t, op, false, ret);
        } else if (typed_accept2(t, "all", "(")) {
            r = parse_any(t, op, true, ret);
        } else {
            typed_node *right = NULL;
            r = parse_ranges(t, &right);
            if (r == 0)
                r = make_op(t, op.text, *ret, right, ret);
        }
    }
    return r;
}

/* Behind IS [NOT]. */
static int parse_test(typed *t, typed_node *operand, bool negated, typed_node **ret)
{
    static const char *const words[] = {"null", "true", "false", "unknown"};
    typed_node *n = typed_make(t, TYPED_TEST, (weir_slice){0});
    if (!n)
        return -ENOMEM;
    n->args = operand;
    n->negated = negated;
    *ret = n;
    if (typed_accept2(t, "distinct", "from")) {
        n->text = WEIR_SLICE_LIT("distinct");
        return parse_ranges(t, &operand->next);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (typed_accept(t, words[i])) {
            n->text = weir_slice_cstr(words[i]);
            return 0;
        }
    }
    return TYPED_PASS;
}

static int parse_is(typed *t, typed_node **ret)
{
    int r = parse_comparison(t, ret);
    while (r == 0) {
        if (typed_accept(t, "is")) {
            bool negated = typed_accept(t, "not");
            r = parse_test(t, *ret, negated, ret);
        } else if (typed_at(t, "isnull") || typed_at(t, "notnull")) {
            typed_node *n = typed_make(t, TYPED_TEST, WEIR_SLICE_LIT("null"));
            if (!n)
                return -ENOMEM;
            n->negated = weir_token_is(typed_next(t), "notnull");
            n->args = *ret;
            *ret = n;
        } else {
            return 0;
        }
    }
    return r;
}

static int parse_not(typed *t, typed_node **ret)
{
    weir_slice before = t->rest;
    if (!typed_accept(t, "not"))
        return parse_is(t, ret);
    typed_node *operand = NULL;
    if (++t->depth > DEPTH_MAX)
        return TYPED_PASS;
    int r = parse_not(t, &operand);
    t->depth--;
    return r == 0 ? make_op(t, weir_token_next(&before).text, NULL, operand, ret) : r;
}

static int parse_and(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"and", NULL};
    return parse_left(t, ops, parse_not, ret);
}

static int parse_or(typed *t, typed_node **ret)
{
    static const char *const ops[] = {"or", NULL};
    return parse_left(t, ops, parse_and, ret);
}

int typed_parse_expr(typed *t, typed_node **ret)
{
    if (++t->depth > DEPTH_MAX)
        return TYPED_PASS;
    int r = parse_or(t, ret);
    t->depth--;
    return r;
}

int typed_parse_list(typed *t, typed_node **ret)
{
    int r = 0;
    do {
        r = typed_parse_expr(t, ret);
        if (r == 0)
            ret = &(*ret)->next;
    } while (r == 0 && typed_accept(t, ","));
    return r;
}
