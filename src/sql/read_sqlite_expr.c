/* Expressions of SQLite, by precedence (src/parse.y, "%left OR" and on). Of each only this is kept:
 * whether it is a bare column or value, which equalities must hold for it to be true, and the
 * subqueries inside. */
#include "sql/functions_sqlite.h"
#include "sql/reader.h"

enum {
    PRECEDENCE_OR = 1,
    PRECEDENCE_AND,
    PRECEDENCE_NOT,
    PRECEDENCE_EQUAL, /* also IS, IN, LIKE, BETWEEN, ISNULL */
    PRECEDENCE_LESS,
    PRECEDENCE_ESCAPE,
    PRECEDENCE_BITS,
    PRECEDENCE_SUM,
    PRECEDENCE_PRODUCT,
    PRECEDENCE_CONCAT,
    PRECEDENCE_COLLATE,
    PRECEDENCE_UNARY
};

static weir_expr parse(weir_reader *r, int least);

static weir_expr other(void)
{
    return (weir_expr){.operand = {.kind = WEIR_OPERAND_OTHER}};
}

/* ---- conjuncts ---- */

static weir_expr term(weir_reader *r, const weir_term *from)
{
    weir_expr e = other();
    weir_term *t = weir_reader_alloc(r, sizeof(*t));
    if (!t)
        return e;
    *t = *from;
    e.first = e.last = t;
    return e;
}

static bool is_comparable(const weir_operand *o)
{
    return o->kind == WEIR_OPERAND_COLUMN ||
           (o->kind == WEIR_OPERAND_PLACE && o->place != WEIR_PLACE_NONE);
}

static weir_expr equality(weir_reader *r, const weir_operand *left, const weir_operand *right)
{
    if (!is_comparable(left) || !is_comparable(right))
        return other();
    return term(r, &(weir_term){.conjunct = {.left = *left, .right = *right}});
}

static weir_expr both(weir_expr left, weir_expr right)
{
    weir_expr e = other();
    e.first = left.first ? left.first : right.first;
    e.last = right.last ? right.last : left.last;
    if (left.last)
        left.last->next = right.first;
    return e;
}

/* ---- subqueries ---- */

static weir_sublink *subquery(weir_reader *r)
{
    weir_sublink *s = weir_reader_alloc(r, sizeof(*s));
    bool survivors = r->survivors;
    if (!s)
        return NULL;
    s->query = weir_reader_query(r, r->level);
    s->survivors = survivors;
    s->next = r->level->sublinks;
    r->level->sublinks = s;
    return s;
}

static weir_expr exists(weir_reader *r)
{
    weir_reader_expect_type(r, TOKEN_OPEN);
    weir_sublink *s = subquery(r);
    weir_reader_expect_type(r, TOKEN_CLOSE);
    if (!s)
        return other();
    return term(r, &(weir_term){.sublink = s, .kind = WEIR_SUBLINK_EXISTS});
}

static weir_expr negation(weir_reader *r)
{
    weir_expr e = parse(r, PRECEDENCE_EQUAL);
    bool one = e.first && e.first == e.last && e.first->kind == WEIR_SUBLINK_EXISTS;
    if (!one)
        return other();
    e.first->kind = WEIR_SUBLINK_NOT_EXISTS;
    e.operand.kind = WEIR_OPERAND_OTHER;
    return e;
}

/* ---- IN ---- */

/* `x IN name`, and `x IN name(…)`: all of that relation. */
static weir_expr in_relation(weir_reader *r)
{
    weir_sublink *s = weir_reader_alloc(r, sizeof(*s));
    weir_query *query = weir_reader_add_query(r, r->level);
    weir_level *level = query ? weir_reader_add_level(r, query) : NULL;
    weir_level *outer = r->level;
    if (!s || !level)
        return other();
    s->query = query;
    s->next = outer->sublinks;
    outer->sublinks = s;
    r->level = level;
    weir_from *leaf = weir_reader_add_leaf(r, WEIR_FROM_RELATION);
    weir_slice name = weir_reader_name(r);
    if (leaf && weir_reader_take_type(r, TOKEN_DOT)) {
        leaf->schema = name;
        name = weir_reader_name(r);
    }
    r->level = outer;
    if (!leaf)
        return other();
    leaf->name = leaf->alias = name;
    level->from = leaf;
    if (weir_reader_take_type(r, TOKEN_OPEN)) {
        leaf->kind = WEIR_FROM_FUNCTION;
        weir_reader_expr_list(r);
        weir_reader_expect_type(r, TOKEN_CLOSE);
    }
    return other();
}

/* A list of nothing but literals and parameters is one place of the template. */
static weir_operand list(weir_reader *r)
{
    weir_operand first = {.kind = WEIR_OPERAND_OTHER};
    bool bare = true;
    unsigned count = 0;
    while (r->t.type != TOKEN_CLOSE && r->t.type != TOKEN_END) {
        weir_reader_token t = r->t;
        weir_expr e = parse(r, PRECEDENCE_OR);
        bare = bare && t.type == TOKEN_LITERAL && e.operand.kind == WEIR_OPERAND_PLACE;
        if (count++ == 0)
            first = e.operand;
        else if (t.ordinal < WEIR_SQL_LITERALS_MAX && e.operand.place != first.place)
            bare = false;
        if (!weir_reader_take_type(r, TOKEN_COMMA))
            break;
    }
    weir_reader_expect_type(r, TOKEN_CLOSE);
    if (!bare || count == 0)
        return (weir_operand){.kind = WEIR_OPERAND_OTHER};
    first.list = count > 1;
    return first;
}

static weir_expr in(weir_reader *r, const weir_expr *left, bool negated)
{
    if (r->t.type != TOKEN_OPEN)
        return in_relation(r);
    weir_reader_advance(r);
    if (!weir_reader_at_query(r)) {
        weir_operand values = list(r);
        return negated ? other() : equality(r, &left->operand, &values);
    }
    weir_sublink *s = subquery(r);
    weir_reader_expect_type(r, TOKEN_CLOSE);
    if (!s || negated)
        return other();
    s->left = left->operand;
    return term(r, &(weir_term){.sublink = s, .kind = WEIR_SUBLINK_IN});
}

/* ---- operators ---- */

static bool at_like(const weir_reader *r)
{
    return weir_reader_is(r, "like") || weir_reader_is(r, "glob") || weir_reader_is(r, "regexp") ||
           weir_reader_is(r, "match");
}

static int word_precedence(const weir_reader *r)
{
    if (weir_reader_is(r, "or"))
        return PRECEDENCE_OR;
    if (weir_reader_is(r, "and"))
        return PRECEDENCE_AND;
    if (weir_reader_is(r, "collate"))
        return PRECEDENCE_COLLATE;
    if (at_like(r) || weir_reader_is(r, "is") || weir_reader_is(r, "in") ||
        weir_reader_is(r, "between") || weir_reader_is(r, "isnull") ||
        weir_reader_is(r, "notnull") || weir_reader_is(r, "not"))
        return PRECEDENCE_EQUAL;
    return 0;
}

/* 0: no operator between two operands. */
static int precedence(const weir_reader *r)
{
    static const struct {
        const char *text;
        int precedence;
    } operators[] = {
        {"=", PRECEDENCE_EQUAL},   {"==", PRECEDENCE_EQUAL},  {"!=", PRECEDENCE_EQUAL},
        {"<>", PRECEDENCE_EQUAL},  {"<", PRECEDENCE_LESS},    {"<=", PRECEDENCE_LESS},
        {">", PRECEDENCE_LESS},    {">=", PRECEDENCE_LESS},   {"&", PRECEDENCE_BITS},
        {"|", PRECEDENCE_BITS},    {"<<", PRECEDENCE_BITS},   {">>", PRECEDENCE_BITS},
        {"+", PRECEDENCE_SUM},     {"-", PRECEDENCE_SUM},     {"*", PRECEDENCE_PRODUCT},
        {"/", PRECEDENCE_PRODUCT}, {"%", PRECEDENCE_PRODUCT}, {"||", PRECEDENCE_CONCAT},
        {"->", PRECEDENCE_CONCAT}, {"->>", PRECEDENCE_CONCAT}};
    if (r->t.type == TOKEN_WORD)
        return word_precedence(r);
    for (size_t i = 0; r->t.type == TOKEN_OPERATOR && i < sizeof(operators) / sizeof(operators[0]);
         i++) {
        if (weir_reader_is_operator(r, operators[i].text))
            return operators[i].precedence;
    }
    return 0;
}

/* What follows IS. */
static void is_what(weir_reader *r)
{
    weir_reader_take(r, "not");
    if (weir_reader_is(r, "distinct") && weir_reader_next_is(r, "from")) {
        weir_reader_advance(r);
        weir_reader_advance(r);
    }
    parse(r, PRECEDENCE_LESS);
}

static void between(weir_reader *r)
{
    parse(r, PRECEDENCE_EQUAL);
    weir_reader_expect(r, "and");
    parse(r, PRECEDENCE_LESS);
}

/* Of the words that compare. */
static weir_expr compare(weir_reader *r, const weir_expr *left)
{
    bool negated = weir_reader_take(r, "not");
    if (weir_reader_take(r, "in"))
        return in(r, left, negated);
    if (weir_reader_take(r, "between")) {
        between(r);
    } else if (at_like(r)) {
        weir_reader_advance(r);
        parse(r, PRECEDENCE_LESS);
        if (weir_reader_take(r, "escape"))
            parse(r, PRECEDENCE_ESCAPE);
    } else if (!negated && weir_reader_take(r, "is")) {
        is_what(r);
    } else if (negated) {
        weir_reader_expect(r, "null");
    } else {
        weir_reader_advance(r); /* ISNULL, NOTNULL */
    }
    return other();
}

static weir_expr operate(weir_reader *r, const weir_expr *left, int its)
{
    bool equal = weir_reader_is_operator(r, "=") || weir_reader_is_operator(r, "==");
    bool all = its == PRECEDENCE_AND;
    if (its == PRECEDENCE_EQUAL && r->t.type == TOKEN_WORD)
        return compare(r, left);
    weir_reader_advance(r);
    if (its == PRECEDENCE_COLLATE) {
        weir_reader_name(r);
        return other();
    }
    weir_expr right = parse(r, its + 1);
    if (equal)
        return equality(r, &left->operand, &right.operand);
    return all ? both(*left, right) : other();
}

/* ---- what stands between operators ---- */

static weir_expr value(weir_reader *r)
{
    weir_expr e = {.operand = {.kind = WEIR_OPERAND_PLACE, .place = WEIR_PLACE_NONE}};
    if (r->t.ordinal < WEIR_SQL_LITERALS_MAX && r->t.ordinal < r->lexed->literal_count)
        e.operand.place = r->lexed->literals[r->t.ordinal].place;
    if (r->t.literal == WEIR_LITERAL_PARAM)
        e.operand.param = weir_slice_make(r->t.start, (size_t)(r->t.end - r->t.start));
    weir_reader_advance(r);
    if (r->t.type == TOKEN_DOT)
        weir_reader_fail(r, "it has a string where a name is expected");
    return e;
}

static weir_expr column(weir_reader *r)
{
    weir_expr e = {.operand = {.kind = WEIR_OPERAND_COLUMN}};
    weir_operand *o = &e.operand;
    o->quoted = r->t.type == TOKEN_QUOTED;
    o->name = weir_reader_name(r);
    for (unsigned dots = 0; weir_reader_take_type(r, TOKEN_DOT); dots++) {
        o->qualifier = o->name;
        if (weir_reader_is_operator(r, "*")) {
            weir_reader_advance(r);
            e.star = true;
            return e;
        }
        o->name = weir_reader_name(r);
        o->quoted = false;
        if (dots > 0)
            o->kind = WEIR_OPERAND_OTHER; /* schema.table.column */
    }
    return e;
}

static void over(weir_reader *r)
{
    r->level->window = true;
    if (r->t.type == TOKEN_OPEN)
        weir_reader_window(r);
    else
        weir_reader_name(r);
}

/* An aggregate may belong to any level around it. */
static void note_function(weir_reader *r, weir_slice name)
{
    if (weir_sqlite_function_is_scalar(name))
        return;
    for (weir_level *l = r->level; l; l = l->query->outer)
        l->aggregate = true;
}

static weir_expr function(weir_reader *r)
{
    note_function(r, weir_reader_name(r));
    weir_reader_expect_type(r, TOKEN_OPEN);
    if (weir_reader_is_operator(r, "*")) {
        weir_reader_advance(r);
    } else {
        if (!weir_reader_take(r, "distinct"))
            weir_reader_take(r, "all");
        weir_reader_expr_list(r);
        if (weir_reader_take(r, "order")) {
            weir_reader_expect(r, "by");
            weir_reader_order_list(r);
        }
    }
    weir_reader_expect_type(r, TOKEN_CLOSE);
    if (weir_reader_is(r, "filter") && r->next.type == TOKEN_OPEN) {
        weir_reader_advance(r);
        weir_reader_advance(r);
        weir_reader_expect(r, "where");
        parse(r, PRECEDENCE_OR);
        weir_reader_expect_type(r, TOKEN_CLOSE);
    }
    if (weir_reader_is(r, "over") && (r->next.type == TOKEN_OPEN || weir_reader_next_is_name(r))) {
        weir_reader_advance(r);
        over(r);
    }
    return other();
}

static weir_expr cases(weir_reader *r)
{
    if (!weir_reader_is(r, "when"))
        parse(r, PRECEDENCE_OR);
    while (weir_reader_take(r, "when")) {
        parse(r, PRECEDENCE_OR);
        weir_reader_expect(r, "then");
        parse(r, PRECEDENCE_OR);
    }
    if (weir_reader_take(r, "else"))
        parse(r, PRECEDENCE_OR);
    weir_reader_expect(r, "end");
    return other();
}

static weir_expr cast(weir_reader *r)
{
    weir_reader_advance(r);
    weir_reader_expect_type(r, TOKEN_OPEN);
    parse(r, PRECEDENCE_OR);
    weir_reader_expect(r, "as");
    weir_reader_skip_parenthesis(r);
    return other();
}

/* Behind "(": an expression, several (a row), or a subquery. */
static weir_expr parenthesis(weir_reader *r)
{
    weir_expr e = other();
    if (weir_reader_at_query(r)) {
        subquery(r);
    } else {
        e = parse(r, PRECEDENCE_OR);
        if (weir_reader_take_type(r, TOKEN_COMMA)) {
            weir_reader_expr_list(r);
            e = other();
        }
    }
    weir_reader_expect_type(r, TOKEN_CLOSE);
    return e;
}

static bool at_constant(const weir_reader *r)
{
    return weir_reader_is(r, "null") || weir_reader_is(r, "true") || weir_reader_is(r, "false") ||
           weir_reader_is(r, "current_date") || weir_reader_is(r, "current_time") ||
           weir_reader_is(r, "current_timestamp");
}

static weir_expr word(weir_reader *r)
{
    if (weir_reader_take(r, "not"))
        return negation(r);
    if (weir_reader_take(r, "exists"))
        return exists(r);
    if (weir_reader_take(r, "case"))
        return cases(r);
    if (weir_reader_is(r, "cast") && r->next.type == TOKEN_OPEN)
        return cast(r);
    if (at_constant(r)) {
        weir_reader_advance(r);
        return other();
    }
    return r->next.type == TOKEN_OPEN ? function(r) : column(r);
}

static weir_expr unary(weir_reader *r)
{
    bool minus = weir_reader_is_operator(r, "-");
    if (!minus && !weir_reader_is_operator(r, "+") && !weir_reader_is_operator(r, "~")) {
        weir_reader_fail(r, "the statement has a shape that is not looked into");
        return other();
    }
    weir_reader_advance(r);
    weir_expr e = parse(r, PRECEDENCE_UNARY);
    if (!minus || e.operand.kind != WEIR_OPERAND_PLACE || e.operand.negated)
        return other();
    e.operand.negated = true;
    return e;
}

static weir_expr operand(weir_reader *r)
{
    switch (r->t.type) {
    case TOKEN_LITERAL:
        return value(r);
    case TOKEN_OPEN:
        weir_reader_advance(r);
        return parenthesis(r);
    case TOKEN_WORD:
    case TOKEN_QUOTED:
        return word(r);
    default:
        return unary(r);
    }
}

static weir_expr parse(weir_reader *r, int least)
{
    if (r->depth == WEIR_READER_DEPTH_MAX)
        weir_reader_fail(r, "the statement is nested too deeply to be looked into");
    if (r->failed)
        return other();
    r->depth++;
    weir_expr e = operand(r);
    for (int its = precedence(r); its >= least && its > 0; its = precedence(r))
        e = operate(r, &e, its);
    r->depth--;
    return e;
}

weir_expr weir_reader_expr(weir_reader *r)
{
    return parse(r, PRECEDENCE_OR);
}

/* Also an empty one. */
void weir_reader_expr_list(weir_reader *r)
{
    if (r->t.type == TOKEN_CLOSE)
        return;
    do
        parse(r, PRECEDENCE_OR);
    while (weir_reader_take_type(r, TOKEN_COMMA));
}

void weir_reader_order_list(weir_reader *r)
{
    do {
        parse(r, PRECEDENCE_OR);
        if (!weir_reader_take(r, "asc"))
            weir_reader_take(r, "desc");
        if (weir_reader_take(r, "nulls") && !weir_reader_take(r, "first"))
            weir_reader_expect(r, "last");
    } while (weir_reader_take_type(r, TOKEN_COMMA));
}

void weir_reader_window(weir_reader *r)
{
    weir_reader_expect_type(r, TOKEN_OPEN);
    if (weir_reader_at_plain_name(r))
        weir_reader_name(r);
    if (weir_reader_take(r, "partition")) {
        weir_reader_expect(r, "by");
        do
            parse(r, PRECEDENCE_OR);
        while (weir_reader_take_type(r, TOKEN_COMMA));
    }
    if (weir_reader_take(r, "order")) {
        weir_reader_expect(r, "by");
        weir_reader_order_list(r);
    }
    weir_reader_skip_parenthesis(r); /* the frame */
}
