/* operand::type and CAST(operand AS type). Numbers and texts are SQLite's own casts; dates, JSON, …
 * are texts already; names of relations and types become OIDs where they are given as texts, and
 * names where a column's OID is shown. */
#include "compat/rewriter.h"

/* Takes the type's words off: "double precision", "pg_catalog.int4", "varchar(10)", "int[]". */
static weir_slice take_type(rewriter *w, bool *ret_array)
{
    weir_token first = weir_token_next(&w->rest);
    if (weir_token_is(first, "pg_catalog") && weir_token_accept(&w->rest, "."))
        first = weir_token_next(&w->rest);
    weir_slice end = first.text;
    static const char *const more[] = {"precision", "varying", "with", "without", "time", "zone"};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        weir_token t = weir_token_peek(w->rest);
        if (weir_token_is(t, more[i])) {
            end = weir_token_next(&w->rest).text;
            i = SIZE_MAX; /* from the beginning again */
        }
    }
    w->copied = end.data + end.len;
    weir_token t = weir_token_peek(w->rest);
    while (weir_token_is(t, "(") || weir_token_is(t, "[")) {
        *ret_array |= weir_token_is(t, "[");
        while (!weir_token_is(t, ")") && !weir_token_is(t, "]") && t.kind != WEIR_TOKEN_END)
            t = weir_token_next(&w->rest);
        w->copied = w->rest.data;
        t = weir_token_peek(w->rest);
    }
    return weir_slice_make(first.text.data, (size_t)(end.data + end.len - first.text.data));
}

static const char *cast_name(weir_slice type)
{
    switch (weir_compat_named_oid(type)) {
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
    case WEIR_OID_OID:
        return "INTEGER";
    case WEIR_OID_FLOAT4:
    case WEIR_OID_FLOAT8:
        return "REAL";
    case WEIR_OID_NUMERIC:
        return "NUMERIC";
    case WEIR_OID_TEXT:
    case WEIR_OID_VARCHAR:
    case WEIR_OID_BPCHAR:
        return "TEXT";
    default:
        return NULL; /* dates, JSON, … are texts already */
    }
}

/* 'name'::regclass and column::regclass: the functions of pg_lookups.c. */
typedef struct reg_type {
    const char *name, *find, *show;
} reg_type;

static const reg_type *reg_type_of(weir_slice type)
{
    static const reg_type types[] = {
        {"regclass", "weir_regclass(", "weir_regclass_name("},
        {"regtype", "weir_regtype(", "weir_regtype_name("},
        {"regnamespace", "weir_regnamespace(", "weir_regnamespace_name("},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (weir_slice_eq_nocase(type, types[i].name))
            return &types[i];
    return NULL;
}

/* Is the next cast one to text, or to a number? */
static bool cast_follows(const rewriter *w, bool text)
{
    rewriter look = {.rest = w->rest};
    bool array = false;
    if (!weir_token_accept(&look.rest, "::"))
        return false;
    weir_slice type = take_type(&look, &array);
    const char *name = cast_name(type);
    bool is_text = (name && strcmp(name, "TEXT") == 0) || weir_slice_eq_nocase(type, "name");
    return text ? is_text : name && !is_text;
}

static int wrap(rewriter *w, size_t at, const char *head, const char *tail)
{
    int r = rewriter_insert(w, at, head);
    return r == 0 ? rewriter_put(w, tail) : r;
}

/* nextval('s'::regclass): such functions want the name. */
static bool is_sequence(const rewriter *w, size_t at)
{
    static const char *const calls[] = {"nextval(", "setval(", "currval("};
    while (at > 0 && (w->out->data[at - 1] == ' ' ||
                      (at > 1 && w->out->data[at - 1] == '(' && w->out->data[at - 2] == '(')))
        at--;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        size_t len = strlen(calls[i]);
        if (at >= len &&
            weir_slice_eq_nocase(weir_slice_make(w->out->data + at - len, len), calls[i]))
            return true;
    }
    return false;
}

/* As what follows wants it: an OID to compare, a name to show. */
static int put_reg(rewriter *w, size_t at, const reg_type *reg, bool given)
{
    if (given && is_sequence(w, at))
        return 0;
    bool text = cast_follows(w, true);
    int r = given ? wrap(w, at, reg->find, ")") : 0;
    bool shown =
        text || (!given && rewriter_top(w)->clause != REWRITER_WHERE && !cast_follows(w, false));
    return r == 0 && shown ? wrap(w, at, reg->show, ")") : r;
}

/* 't'::bool: SQLite's are numbers. */
static int put_bool(rewriter *w, size_t at)
{
    static const char *const yes[] = {"'t'", "'true'", "'y'", "'yes'", "'on'", "'1'"};
    static const char *const no[] = {"'f'", "'false'", "'n'", "'no'", "'off'", "'0'"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        bool is_yes = weir_slice_eq_nocase(w->last.text, yes[i]);
        if (!is_yes && !weir_slice_eq_nocase(w->last.text, no[i]))
            continue;
        w->out->len = at;
        return rewriter_put(w, is_yes ? "1" : "0");
    }
    return 0;
}

/* A literal or a parameter, be it behind another cast: 'x'::text::regtype. */
static bool is_given(const rewriter *w, size_t at)
{
    if (w->last.kind == WEIR_TOKEN_STRING || w->last.kind == WEIR_TOKEN_PARAM)
        return true;
    weir_slice cast = WEIR_SLICE_LIT("CAST(");
    weir_slice operand = weir_slice_skip(weir_buf_slice(w->out), at);
    if (!weir_token_is(w->last, "::") || operand.len <= cast.len ||
        !weir_slice_eq(weir_slice_head(operand, cast.len), cast))
        return false;
    return operand.data[cast.len] == '\'' || operand.data[cast.len] == '?';
}

static int put_cast(rewriter *w, size_t at)
{
    bool given = is_given(w, at);
    bool array = false;
    weir_slice type = take_type(w, &array);
    const reg_type *reg = array ? NULL : reg_type_of(type);
    const char *name = array ? NULL : cast_name(type);
    int r = rewriter_refuse_type(w, weir_token_peek(type));
    if (r < 0)
        return r;
    if (reg)
        return put_reg(w, at, reg, given);
    if (!array && given && weir_compat_named_oid(type) == WEIR_OID_BOOL)
        return put_bool(w, at);
    if (array && cast_name(type) && strcmp(cast_name(type), "TEXT") == 0)
        return wrap(w, at, "weir_text_array(", ")");
    bool short_literal = w->last.kind == WEIR_TOKEN_STRING && w->last.text.len == 12;
    if (!array && weir_compat_named_oid(type) == WEIR_OID_DATE && !short_literal)
        return wrap(w, at, "date(", ")"); /* without the time of day */
    if (!name)
        return 0;
    r = rewriter_insert(w, at, "CAST(");
    if (r == 0)
        r = rewriter_put(w, " AS ");
    if (r == 0)
        r = rewriter_put(w, name);
    return r == 0 ? rewriter_put(w, ")") : r;
}

int rewriter_cast(rewriter *w)
{
    return put_cast(w, w->operand);
}

/* CAST( is taken off again, and its parenthesis closes the operand. */
int rewriter_cast_as(rewriter *w)
{
    rewriter_level *level = rewriter_top(w);
    size_t at = level->operand, gap = level->inside - at;
    if (w->depth == 0 || w->depth > REWRITER_DEPTH_MAX || gap == 0 || at > w->out->len)
        return 0;
    memmove(w->out->data + at, w->out->data + level->inside, w->out->len - level->inside);
    w->out->len -= gap;
    level->opening = REWRITER_PLAIN;
    /* In parentheses, so that operators around it do not part it. */
    int r = rewriter_insert(w, at, "(");
    if (r == 0)
        r = put_cast(w, at + 1);
    return r;
}
