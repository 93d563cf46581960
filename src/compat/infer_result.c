/* What a statement's text alone says about the columns of its result: types where none is declared,
 * and names, which SQLite makes of the text and PostgreSQL of what the expression is. Only what
 * holds for every row; the rest stays unknown. */
#include "compat/infer.h"
#include "compat/typed.h"

typedef struct result_rule {
    const char *function;
    uint32_t oid;
} result_rule;

/* Functions whose result has one storage class whatever they are given (or is NULL). */
static const result_rule rules[] = {
    {"count", WEIR_OID_INT8},
    {"length", WEIR_OID_INT8},
    {"instr", WEIR_OID_INT8},
    {"changes", WEIR_OID_INT8},
    {"total_changes", WEIR_OID_INT8},
    {"last_insert_rowid", WEIR_OID_INT8},
    {"row_number", WEIR_OID_INT8},
    {"rank", WEIR_OID_INT8},
    {"dense_rank", WEIR_OID_INT8},
    {"unicode", WEIR_OID_INT8},
    {"now", WEIR_OID_TIMESTAMPTZ},
    {"nextval", WEIR_OID_INT8},
    {"setval", WEIR_OID_INT8},
    {"transaction_timestamp", WEIR_OID_TIMESTAMPTZ},
    {"statement_timestamp", WEIR_OID_TIMESTAMPTZ},
    {"clock_timestamp", WEIR_OID_TIMESTAMPTZ},
    {"pg_table_is_visible", WEIR_OID_BOOL},
    {"has_table_privilege", WEIR_OID_BOOL},
    {"has_schema_privilege", WEIR_OID_BOOL},
    {"exists", WEIR_OID_BOOL},
    {"avg", WEIR_OID_FLOAT8},
    {"total", WEIR_OID_FLOAT8},
    {"julianday", WEIR_OID_FLOAT8},
    {"sum", WEIR_OID_NUMERIC}, /* integers or reals: a numeric holds both */
    {"upper", WEIR_OID_TEXT},
    {"lower", WEIR_OID_TEXT},
    {"hex", WEIR_OID_TEXT},
    {"typeof", WEIR_OID_TEXT},
    {"group_concat", WEIR_OID_TEXT},
    {"printf", WEIR_OID_TEXT},
    {"quote", WEIR_OID_TEXT},
};

static uint32_t rule_of(weir_slice name)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (weir_slice_eq_nocase(name, rules[i].function))
            return rules[i].oid;
    return 0;
}

/* A cast's integer types say how large a parameter may be, not how large a result is. */
static uint32_t widest(uint32_t oid)
{
    if (oid == WEIR_OID_INT2 || oid == WEIR_OID_INT4)
        return WEIR_OID_INT8;
    return oid == WEIR_OID_FLOAT4 ? WEIR_OID_FLOAT8 : oid;
}

static bool ends_list(weir_token t)
{
    static const char *const words[] = {",",      "from",  ";",     "where",     "limit",
                                        "order",  "group", "union", "intersect", "except",
                                        "having", ")",     "window"};
    return weir_token_is_one_of(t, words) || t.kind == WEIR_TOKEN_END;
}

static bool item_ends(weir_slice rest)
{
    weir_token t = weir_token_peek(rest);
    return ends_list(t) || weir_token_is(t, "as") || t.kind == WEIR_TOKEN_QUOTED;
}

/* CAST(… AS type) */
static uint32_t cast_type(weir_slice rest)
{
    unsigned depth = 1;
    while (depth > 0) {
        weir_token t = weir_token_next(&rest);
        if (t.kind == WEIR_TOKEN_END)
            return 0;
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") ? 1u : 0u;
        if (depth == 1 && weir_token_is(t, "as"))
            return widest(weir_compat_named_oid(weir_token_next(&rest).text));
    }
    return 0;
}

static uint32_t literal_type(weir_token t)
{
    if (t.kind == WEIR_TOKEN_STRING)
        return WEIR_OID_TEXT;
    if (t.kind == WEIR_TOKEN_BLOB)
        return WEIR_OID_BYTEA;
    for (size_t i = 0; i < t.text.len; i++)
        if (t.text.data[i] < '0' || t.text.data[i] > '9')
            return WEIR_OID_FLOAT8;
    return t.text.len < 19 ? WEIR_OID_INT8 : 0;
}

/* One item of the select list: an operand, perhaps `::type`, and nothing else. */
static uint32_t item_type(weir_slice whole, weir_slice rest)
{
    const weir_slice item = rest;
    weir_token t = weir_token_next(&rest);
    uint32_t oid = 0;
    if (t.kind == WEIR_TOKEN_STRING || t.kind == WEIR_TOKEN_NUMBER || t.kind == WEIR_TOKEN_BLOB) {
        oid = literal_type(t);
    } else if (t.kind == WEIR_TOKEN_WORD && weir_token_accept(&rest, "(")) {
        oid = weir_token_is(t, "cast") ? cast_type(rest) : rule_of(t.text);
        oid = oid ? oid : infer_catalog_argument(whole, item);
        (void)weir_token_take_parentheses(&rest, NULL);
        weir_slice over = rest;
        if (weir_token_accept(&over, "over") && weir_token_accept(&over, "(")) {
            (void)weir_token_take_parentheses(&over, NULL);
            rest = over;
        }
    } else if (weir_token_accept(&rest, ".")) {
        (void)weir_token_next(&rest);
    }
    while (weir_token_accept(&rest, "::")) {
        oid = weir_compat_named_oid(weir_token_next(&rest).text);
        bool array = weir_token_accept(&rest, "[") && weir_token_accept(&rest, "]");
        oid = array ? weir_compat_array_oid(oid) : widest(oid);
    }
    return item_ends(rest) ? oid : 0;
}

/* ---- an item as a whole ---- */

typedef struct item_shape {
    size_t tokens;   /* outside parentheses */
    bool condition;  /* compares, or joins conditions */
    bool arithmetic; /* has another operator */
    bool named;      /* AS, or a name behind an operand */
} item_shape;

static bool is_condition(weir_token t)
{
    static const char *const words[] = {"=",     "<",       ">",      "<=",      ">=",     "<>",
                                        "!=",    "~",       "!~",     "~*",      "!~*",    "~~",
                                        "and",   "or",      "is",     "in",      "not",    "like",
                                        "ilike", "between", "isnull", "notnull", "exists", "glob"};
    return weir_token_is_one_of(t, words);
}

/* Behind a CASE: to behind its END. */
static void skip_case(weir_slice *rest)
{
    for (unsigned depth = 1; depth > 0;) {
        weir_token t = weir_token_next(rest);
        if (t.kind == WEIR_TOKEN_END)
            return;
        depth += weir_token_is(t, "case") ? 1u : 0u;
        depth -= weir_token_is(t, "end") ? 1u : 0u;
    }
}

static bool is_word(weir_token t)
{
    return t.kind == WEIR_TOKEN_WORD || t.kind == WEIR_TOKEN_QUOTED;
}

static item_shape shape_of(weir_slice rest)
{
    item_shape s = {0};
    bool operand = false; /* the token before may be one's end */
    for (weir_token t; !ends_list(t = weir_token_next(&rest)); s.tokens++) {
        bool name = is_word(t) && !is_condition(t) && !weir_token_is(t, "null") &&
                    !weir_token_is(t, "over") && !weir_token_is(t, "filter") &&
                    !weir_token_is(t, "collate") && !weir_token_is(t, "true") &&
                    !weir_token_is(t, "false") && !weir_token_is(t, "distinct");
        s.named |= weir_token_is(t, "as") || (operand && name);
        bool unary = weir_token_is(t, "~") && !operand; /* SQLite's bits turned round */
        s.condition |= is_condition(t) && !unary;
        s.arithmetic |= unary;
        s.arithmetic |= t.kind == WEIR_TOKEN_OP && !is_condition(t) && t.text.data[0] != '(' &&
                        t.text.data[0] != '.' && t.text.data[0] != ':' && t.text.data[0] != '[' &&
                        t.text.data[0] != ']';
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&rest, NULL);
        if (weir_token_is(t, "case"))
            skip_case(&rest);
        operand = t.kind != WEIR_TOKEN_OP ? !is_condition(t) : weir_token_is(t, "(");
        operand = operand && !weir_token_is(t, "over") && !weir_token_is(t, "collate") &&
                  !weir_token_is(weir_token_peek(rest), "(");
        if (weir_token_is(t, "::")) { /* a type's words are none of the item's */
            (void)weir_token_next(&rest);
            operand = true;
        }
    }
    return s;
}

/* 'x'::type is named by its type. */
static weir_slice type_label(weir_slice type)
{
    uint32_t oid = weir_compat_named_oid(weir_token_next(&type).text);
    return oid ? weir_slice_cstr(typed_type_name(oid)) : (weir_slice){0};
}

/* The name that PostgreSQL gives; empty: it is a column's, or was given. */
static weir_slice label_of(weir_slice rest, const item_shape *shape)
{
    weir_token t = weir_token_next(&rest);
    if (shape->named || weir_token_is(t, "*"))
        return (weir_slice){0};
    if (weir_token_is(t, "case") && !shape->condition && !shape->arithmetic)
        return WEIR_SLICE_LIT("case");
    if (weir_token_is(t, "exists") && shape->tokens == 2)
        return t.text;
    if (shape->condition || shape->arithmetic)
        return WEIR_SLICE_LIT("?column?");
    bool literal = t.kind == WEIR_TOKEN_STRING || t.kind == WEIR_TOKEN_NUMBER ||
                   t.kind == WEIR_TOKEN_PARAM || weir_token_is(t, "null") ||
                   weir_token_is(t, "true") || weir_token_is(t, "false");
    bool cast = weir_token_accept(&rest, "::");
    if (literal && cast)
        return type_label(rest);
    if (literal)
        return WEIR_SLICE_LIT("?column?");
    if (weir_token_is(t, "cast") && weir_token_accept(&rest, "("))
        t = weir_token_next(&rest);
    while (weir_token_accept(&rest, "."))
        t = weir_token_next(&rest);
    weir_token next = weir_token_peek(rest);
    cast = cast || weir_token_is(next, "::") || weir_token_is(next, "as");
    bool call = weir_token_is(next, "(");
    return t.kind == WEIR_TOKEN_WORD && (call || cast) ? t.text : (weir_slice){0};
}

/* Moves behind the comma that ends the item; false: the list ends. */
static bool next_item(weir_slice *rest)
{
    for (;;) {
        weir_token t = weir_token_next(rest);
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(rest, NULL);
        if (weir_token_is(t, ","))
            return true;
        if (t.kind == WEIR_TOKEN_END || weir_token_is(t, "from") || weir_token_is(t, "union"))
            return false;
    }
}

static bool has_set_operation(weir_slice text)
{
    for (;;) {
        weir_token t = weir_token_next(&text);
        if (t.kind == WEIR_TOKEN_END)
            return false;
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(&text, NULL);
        if (weir_token_is(t, "union") || weir_token_is(t, "intersect") ||
            weir_token_is(t, "except"))
            return true;
    }
}

/* SELECT, or what is behind RETURNING. */
static bool take_list(weir_slice *text)
{
    weir_token t = weir_token_next(text);
    if (weir_token_is(t, "select"))
        return true;
    if (!weir_token_is(t, "insert") && !weir_token_is(t, "update") && !weir_token_is(t, "delete"))
        return false;
    while ((t = weir_token_next(text)).kind != WEIR_TOKEN_END) {
        if (weir_token_is(t, "("))
            (void)weir_token_take_parentheses(text, NULL);
        if (weir_token_is(t, "returning"))
            return true;
    }
    return false;
}

/* [alias.]name, where a subquery has array_agg(…) AS name. */
static bool names_array(weir_slice whole, weir_slice item, uint32_t *ret_oid)
{
    weir_token name = weir_token_next(&item);
    if (!is_word(name) || !weir_token_mentions(whole, "array_agg"))
        return false;
    if (weir_token_accept(&item, "."))
        name = weir_token_next(&item);
    if (!is_word(name) || !item_ends(item))
        return false;
    for (weir_slice rest = whole, call = rest;; call = rest) {
        weir_token t = weir_token_next(&rest);
        weir_slice behind = rest;
        if (t.kind == WEIR_TOKEN_END)
            return false;
        if (weir_token_is(t, "array_agg") && weir_token_accept(&behind, "(") &&
            weir_token_take_parentheses(&behind, NULL) && weir_token_accept(&behind, "as") &&
            weir_slice_eq(weir_token_next(&behind).text, name.text)) {
            *ret_oid = infer_catalog_argument(whole, call);
            return true;
        }
    }
}

/* WITH's, up to the statement that they are for. False: it is none of ours. */
static bool skip_commons(weir_slice *text)
{
    if (!weir_token_accept(text, "with"))
        return true;
    (void)weir_token_accept(text, "recursive");
    do {
        (void)weir_token_next(text); /* its name */
        if (weir_token_accept(text, "(") && !weir_token_take_parentheses(text, NULL))
            return false;
        if (!weir_token_accept(text, "as"))
            return false;
        (void)weir_token_accept(text, "not");
        (void)weir_token_accept(text, "materialized");
        if (!weir_token_accept(text, "(") || !weir_token_take_parentheses(text, NULL))
            return false;
    } while (weir_token_accept(text, ","));
    return true;
}

/* Of the item that `text` begins with. */
static weir_compat_hint hint_of(weir_slice whole, weir_slice text)
{
    weir_slice rest = text;
    weir_token first = weir_token_next(&rest);
    item_shape shape = shape_of(text);
    uint32_t oid = item_type(whole, text);
    bool truth =
        shape.condition ||
        ((weir_token_is(first, "true") || weir_token_is(first, "false")) && shape.tokens == 1);
    bool array = weir_token_is(first, "array") || weir_token_is(first, "array_agg") ||
                 names_array(whole, text, &oid);
    return (weir_compat_hint){.array = array && !shape.arithmetic && !shape.condition,
                              .oid = truth ? WEIR_OID_BOOL : oid,
                              .label = label_of(text, &shape)};
}

size_t weir_compat_result_hints(weir_slice text, weir_compat_hint *out, size_t max)
{
    size_t n = 0;
    const weir_slice whole = text;
    if (!skip_commons(&text) || !take_list(&text) || has_set_operation(text))
        return 0;
    if (!weir_token_accept(&text, "distinct"))
        (void)weir_token_accept(&text, "all");
    do {
        weir_slice star = text;
        weir_token first = weir_token_next(&star);
        bool qualified = weir_token_accept(&star, ".") && weir_token_accept(&star, "*");
        if (weir_token_is(first, "*") || qualified)
            break; /* positions are unknown from here on */
        if (n < max)
            out[n] = hint_of(whole, text);
        n++;
    } while (next_item(&text));
    return n < max ? n : max;
}
