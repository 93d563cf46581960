/* The reader of statements: SELECT, VALUES, INSERT, UPDATE, DELETE with what they may begin with.
 */
#include "base/ascii.h"
#include "compat/run_moments.h"
#include "compat/typed_enums.h"
#include "compat/typed_lists.h"
#include <stdarg.h>
#include <stdio.h>

void *typed_new(typed *t, size_t size)
{
    return weir_arena_alloc(&t->arena, size);
}

#define GROW_FIRST ((size_t)8)

void *typed_grow(typed *t, void *items, size_t count, size_t size)
{
    bool full = count == 0 || (count >= GROW_FIRST && (count & (count - 1)) == 0);
    if (!full)
        return items;
    void *more = typed_new(t, (count == 0 ? GROW_FIRST : 2 * count) * size);
    if (more && count > 0)
        memcpy(more, items, count * size);
    return more;
}

int typed_fail(typed *t, const char *state, const char *fmt, ...)
{
    char words[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    weir_error_set(t->err, state, "%s", words);
    if (strcmp(state, "0A000") == 0)
        weir_error_hint(t->err, "docs/sqlite.md lists what is translated.");
    return WEIR_COMPAT_REFUSED;
}

weir_slice typed_fold(typed *t, weir_slice written)
{
    char *name = typed_new(t, written.len + 1);
    if (!name)
        return (weir_slice){0};
    weir_compat_name_fold(written, name, written.len + 1);
    return weir_slice_cstr(name);
}

weir_token typed_peek(typed *t)
{
    if (t->peeked_at != t->rest.data) {
        t->behind = t->rest;
        t->peeked = weir_token_next(&t->behind);
        t->peeked_at = t->rest.data;
    }
    return t->peeked;
}

weir_token typed_next(typed *t)
{
    weir_token token = typed_peek(t);
    t->rest = t->behind;
    return token;
}

bool typed_at(typed *t, const char *word)
{
    return weir_token_is(typed_peek(t), word);
}

bool typed_accept(typed *t, const char *word)
{
    if (!weir_token_is(typed_peek(t), word))
        return false;
    t->rest = t->behind;
    return true;
}

bool typed_accept2(typed *t, const char *first, const char *second)
{
    weir_slice before = t->rest;
    if (typed_accept(t, first) && typed_accept(t, second))
        return true;
    t->rest = before;
    return false;
}

/* What stands behind the parenthesis that closes the one which `rest` has just passed. */
static weir_token behind_parenthesis(weir_slice rest)
{
    size_t open = 1;
    while (open > 0) {
        weir_token w = weir_token_next(&rest);
        if (w.kind == WEIR_TOKEN_END)
            return w;
        if (weir_token_is(w, "("))
            open++;
        else if (weir_token_is(w, ")"))
            open--;
    }
    return weir_token_next(&rest);
}

/* (SELECT …) begins a query where a query goes on behind it, and else an operand. */
bool typed_begins_query(typed *t)
{
    static const char *const goes_on[] = {")",     "union", "intersect", "except",
                                          "order", "limit", "offset",    "fetch",
                                          "for",   "on",    "returning", ";"};
    weir_slice rest = t->rest, inside = {0};
    while (weir_token_accept(&rest, "("))
        if (!inside.data)
            inside = rest;
    weir_token w = weir_token_next(&rest);
    if (!weir_token_is(w, "select") && !weir_token_is(w, "with") && !weir_token_is(w, "values"))
        return false;
    if (!inside.data)
        return true;
    weir_token behind = behind_parenthesis(inside);
    return behind.kind == WEIR_TOKEN_END || weir_token_is_one_of(behind, goes_on);
}

bool typed_is_stop(weir_token t)
{
    static const char *const words[] = {
        "where",     "group",  "having",  "order",   "limit",  "offset", "fetch",     "union",
        "intersect", "except", "from",    "on",      "using",  "join",   "inner",     "left",
        "right",     "full",   "cross",   "natural", "window", "for",    "returning", "set",
        "as",        "values", "default", "select",  "with",   "and",    "or",        "not",
        "then",      "end",    "when",    "else",    "is",     "in",     "like",      "between"};
    return weir_token_is_one_of(t, words) ||
           (t.kind != WEIR_TOKEN_WORD && t.kind != WEIR_TOKEN_QUOTED);
}

static int parse_name(typed *t, weir_slice *ret)
{
    weir_token name = typed_next(t);
    if (name.kind != WEIR_TOKEN_WORD && name.kind != WEIR_TOKEN_QUOTED)
        return TYPED_PASS;
    *ret = typed_fold(t, name.text);
    return ret->data ? 0 : -ENOMEM;
}

/* Behind "(": a, b) */
int typed_parse_names(typed *t, weir_slice **ret, size_t *ret_count)
{
    weir_slice *names = NULL;
    size_t count = 0;
    int r = 0;
    do {
        if (count == TYPED_COLUMNS_MAX)
            return TYPED_PASS;
        names = typed_grow(t, names, count, sizeof(*names));
        r = names ? parse_name(t, &names[count++]) : -ENOMEM;
    } while (r == 0 && typed_accept(t, ","));
    *ret = names;
    *ret_count = count;
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

/* ---- types ---- */

static bool is_type_word(weir_token t)
{
    static const char *const words[] = {"precision", "varying", "with", "without", "time", "zone"};
    return weir_token_is_one_of(t, words);
}

static uint32_t type_oid(weir_slice words)
{
    static const struct {
        const char *name;
        uint32_t oid;
    } more[] = {{"interval", TYPED_INTERVAL},
                {"integer", WEIR_OID_INT4},
                {"text", WEIR_OID_TEXT},
                {"character", WEIR_OID_BPCHAR},
                {"char", WEIR_OID_BPCHAR},
                {"bpchar", WEIR_OID_BPCHAR},
                {"double precision", WEIR_OID_FLOAT8},
                {"real", WEIR_OID_FLOAT4}};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        if (weir_slice_eq_nocase(words, more[i].name))
            return more[i].oid;
    return weir_compat_named_oid(words);
}

static int number_of(weir_token t)
{
    int n = 0;
    if (t.kind != WEIR_TOKEN_NUMBER || t.text.len > 8)
        return -1;
    for (size_t i = 0; i < t.text.len; i++) {
        if (t.text.data[i] < '0' || t.text.data[i] > '9')
            return -1;
        n = n * 10 + (t.text.data[i] - '0');
    }
    return n;
}

static int parse_modifier(typed *t, typed_type *type)
{
    int a = number_of(typed_next(t));
    int b = typed_accept(t, ",") ? number_of(typed_next(t)) : 0;
    if (a < 0 || b < 0 || !typed_accept(t, ")"))
        return TYPED_PASS;
    if (type->oid == WEIR_OID_VARCHAR)
        type->mod = a;
    else if (type->oid == WEIR_OID_NUMERIC && a <= TYPED_PRECISION_MAX && b <= a)
        type->mod = a * 65536 + b + 1;
    else
        return TYPED_PASS;
    return 0;
}

/* PostgreSQL's own; any other name may be an enum's. */
static bool is_own(weir_token t)
{
    static const char *const names[] = {
        "text",  "int",       "integer",   "int2",        "int4",     "int8",    "bigint",
        "date",  "smallint",  "boolean",   "bool",        "numeric",  "decimal", "varchar",
        "char",  "character", "bpchar",    "float",       "float4",   "float8",  "double",
        "real",  "time",      "timestamp", "timestamptz", "interval", "uuid",    "json",
        "jsonb", "bytea",     "regclass",  "regtype",     "oid",      "name"};
    return weir_token_is_one_of(t, names);
}

static int find_enum(typed *t, weir_token first, uint32_t *ret)
{
    bool name = first.kind == WEIR_TOKEN_WORD || first.kind == WEIR_TOKEN_QUOTED;
    if (!name || is_own(first))
        return 0;
    weir_slice folded = typed_fold(t, first.text);
    uint32_t oid = folded.data ? typed_enum_named(t, folded) : 0;
    *ret = oid ? oid : *ret;
    return folded.data ? 0 : -ENOMEM;
}

static char span_field(weir_token t)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (weir_token_is(t, names[i]))
            return "yodhms"[i];
    return '\0';
}

int typed_parse_span_fields(typed *t, run_span_fields *fields)
{
    fields->first = fields->last = span_field(typed_peek(t));
    if (fields->first) {
        (void)typed_next(t);
        if (typed_accept(t, "to"))
            fields->last = span_field(typed_next(t));
        if (!fields->last || !strchr("yodhms", fields->first) ||
            strchr("yodhms", fields->last) < strchr("yodhms", fields->first) ||
            (strchr("yo", fields->first) && !strchr("yo", fields->last)))
            return TYPED_PASS;
    }
    if ((fields->last && fields->last != 's') || !typed_accept(t, "("))
        return 0;
    fields->precision = number_of(typed_next(t));
    fields->precision = fields->precision > 6 ? 6 : fields->precision;
    return fields->precision < 0 || !typed_accept(t, ")") ? TYPED_PASS : 0;
}

int typed_parse_type(typed *t, typed_type *ret)
{
    if (typed_accept(t, "pg_catalog") && !typed_accept(t, "."))
        return TYPED_PASS;
    if (typed_accept(t, "public") && !typed_accept(t, "."))
        return TYPED_PASS;
    weir_token first = typed_next(t);
    weir_slice end = first.text;
    int r = 0;
    typed_type type = {type_oid(first.text), 0};
    while (is_type_word(typed_peek(t)))
        end = typed_next(t).text;
    if (end.data != first.text.data)
        type.oid = type_oid(
            weir_slice_make(first.text.data, (size_t)(end.data + end.len - first.text.data)));
    r = find_enum(t, first, &type.oid);
    if (r == 0 && typed_accept(t, "("))
        r = parse_modifier(t, &type);
    if (typed_accept(t, "[")) {
        type = (typed_type){weir_compat_array_oid(type.oid), 0};
        r = typed_accept(t, "]") ? r : TYPED_PASS;
    }
    if (type.oid == TYPED_INTERVAL && span_field(typed_peek(t)))
        return typed_fail(t, "0A000", "weir: intervals of some fields are literals on SQLite");
    *ret = type;
    bool known = type.oid != 0 && type.oid != WEIR_OID_BPCHAR && type.oid != WEIR_OID_NAME &&
                 type.oid != WEIR_OID_OID;
    return r == 0 && !known ? TYPED_PASS : r;
}

/* ---- calls ---- */

static int parse_over(typed *t, typed_node *n)
{
    if (typed_accept(t, "(")) {
        int r = typed_parse_window(t, &n->over);
        if (r == 0)
            n->over->open = true;
        return r;
    }
    n->over = typed_new(t, sizeof(*n->over));
    return n->over ? parse_name(t, &n->over->name) : -ENOMEM;
}

/* substring(a FROM b FOR c), position(a IN b), overlay(a PLACING b FROM c FOR d), trim(BOTH a FROM
 * b): their words are commas. */
static int parse_worded(typed *t, typed_node *n)
{
    static const char *const words[] = {"from", "for", "in", "placing"};
    bool position = weir_slice_eq_cstr(n->text, "position");
    typed_node **tail = &n->args;
    for (;;) {
        int r = 0;
        if (position && tail == &n->args) {
            r = typed_parse_operand(t, tail);
        } else {
            r = typed_parse_expr(t, tail);
        }
        if (r != 0)
            return r;
        tail = &(*tail)->next;
        bool more = typed_accept(t, ",");
        for (size_t i = 0; !more && i < sizeof(words) / sizeof(words[0]); i++)
            more = typed_accept(t, words[i]);
        if (!more)
            return typed_accept(t, ")") ? 0 : TYPED_PASS;
    }
}

static int parse_trim(typed *t, typed_node *n)
{
    const char *name = typed_accept(t, "leading")    ? "ltrim"
                       : typed_accept(t, "trailing") ? "rtrim"
                                                     : "btrim";
    (void)typed_accept(t, "both");
    n->text = weir_slice_cstr(name);
    if (typed_accept(t, "from")) {
        int r = typed_parse_expr(t, &n->args);
        return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
    }
    int r = typed_parse_list(t, &n->args);
    if (r == 0 && typed_accept(t, "from")) {
        typed_node *characters = n->args;
        r = typed_parse_expr(t, &n->args);
        if (r == 0)
            n->args->next = characters;
    }
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

static int parse_arguments(typed *t, typed_node *n)
{
    if (typed_accept(t, ")"))
        return 0;
    if (typed_accept2(t, "*", ")")) {
        n->star = true;
        return 0;
    }
    n->distinct = typed_accept(t, "distinct");
    weir_slice before = t->rest;
    weir_token first = typed_next(t), second = typed_next(t);
    t->rest = before;
    if (first.kind == WEIR_TOKEN_WORD && weir_token_is(second, "=") && second.text.data[1] == '>')
        return typed_fail(t, "0A000", "weir: named arguments are not supported on SQLite");
    int r = typed_parse_list(t, &n->args);
    if (r == 0 && typed_accept2(t, "order", "by"))
        r = typed_parse_order(t, &n->order);
    return r == 0 && !typed_accept(t, ")") ? TYPED_PASS : r;
}

int typed_parse_call(typed *t, weir_token name, typed_node **ret)
{
    typed_node *n = typed_make(t, TYPED_CALL, typed_fold(t, name.text));
    if (!n)
        return -ENOMEM;
    *ret = n;
    bool worded = weir_token_is(name, "substring") || weir_token_is(name, "position") ||
                  weir_token_is(name, "overlay");
    int r = worded                        ? parse_worded(t, n)
            : weir_token_is(name, "trim") ? parse_trim(t, n)
                                          : parse_arguments(t, n);
    if (r == 0 && typed_accept2(t, "filter", "(")) {
        if (!typed_accept(t, "where"))
            return TYPED_PASS;
        r = typed_parse_expr(t, &n->filter);
        if (r == 0 && !typed_accept(t, ")"))
            return TYPED_PASS;
    }
    return r == 0 && typed_accept(t, "over") ? parse_over(t, n) : r;
}

/* ---- ORDER BY, windows ---- */

int typed_parse_order(typed *t, typed_node **ret)
{
    do {
        int r = typed_parse_expr(t, ret);
        if (r != 0)
            return r;
        typed_node *n = *ret;
        n->descending = typed_accept(t, "desc");
        if (!n->descending)
            (void)typed_accept(t, "asc");
        n->nulls = n->descending ? 1 : 2;
        if (typed_accept2(t, "nulls", "first"))
            n->nulls = 1;
        else if (typed_accept2(t, "nulls", "last"))
            n->nulls = 2;
        ret = &n->next;
    } while (typed_accept(t, ","));
    return 0;
}

/* Behind "(" of OVER or WINDOW. */
int typed_parse_window(typed *t, typed_window **ret)
{
    typed_window *w = typed_new(t, sizeof(*w));
    int r = 0;
    if (!w)
        return -ENOMEM;
    *ret = w;
    if (!typed_at(t, ")") && !typed_at(t, "partition") && !typed_at(t, "order") &&
        !typed_at(t, "rows") && !typed_at(t, "range") && !typed_at(t, "groups"))
        r = parse_name(t, &w->name);
    if (r == 0 && typed_accept2(t, "partition", "by"))
        r = typed_parse_list(t, &w->partition);
    if (r == 0 && typed_accept2(t, "order", "by"))
        r = typed_parse_order(t, &w->order);
    if (r != 0)
        return r;
    const uint8_t *from = typed_peek(t).text.data, *to = from;
    for (weir_token f; !weir_token_is(f = typed_peek(t), ")");) {
        if (f.kind != WEIR_TOKEN_WORD && f.kind != WEIR_TOKEN_NUMBER)
            return TYPED_PASS;
        (void)typed_next(t);
        to = f.text.data + f.text.len;
    }
    w->frame = weir_slice_make(from, (size_t)(to - from));
    return typed_accept(t, ")") ? 0 : TYPED_PASS;
}
