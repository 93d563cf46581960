/* From the text that a PostgreSQL client writes to one that SQLite runs. Token by token; what is
 * not named here passes through as it is. Where an operand begins in the output is remembered, per
 * open parenthesis, so that `operand::type` can be wrapped when its `::` comes. */
#include "compat/compat.h"
#include "compat/token.h"

#define DEPTH_MAX 200u

typedef struct rewriter {
    const weir_compat_context *context;
    weir_slice rest;
    weir_buf *out;
    const uint8_t *copied; /* input up to here is in `out` */
    weir_token last;
    size_t operand; /* where the newest operand begins in `out`; SIZE_MAX: no operand */
    size_t opened[DEPTH_MAX];
    size_t depth;
} rewriter;

/* The input between the last token and `t`: space and comments. */
static int copy_gap(rewriter *w, weir_token t)
{
    size_t gap = (size_t)(t.text.data - w->copied);
    int r = weir_buf_append(w->out, weir_slice_make(w->copied, gap));
    w->copied = t.text.data + t.text.len;
    return r;
}

static int put_literal(rewriter *w, weir_slice text)
{
    int r = weir_buf_append_u8(w->out, '\'');
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        r = weir_buf_append_u8(w->out, text.data[i]);
        if (r == 0 && text.data[i] == '\'')
            r = weir_buf_append_u8(w->out, '\'');
    }
    return r == 0 ? weir_buf_append_u8(w->out, '\'') : r;
}

/* E'…': the escapes that have one byte; others stand for themselves. */
static int put_escaped(rewriter *w, weir_slice inside)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    int r = weir_buf_append_u8(w->out, '\'');
    for (size_t i = 0; r == 0 && i < inside.len; i++) {
        uint8_t c = inside.data[i];
        if (c == '\\' && i + 1 < inside.len) {
            c = inside.data[++i];
            const char *known = c ? strchr(from, c) : NULL;
            c = known ? (uint8_t)to[known - from] : c;
            if (c == '\'')
                r = weir_buf_append_u8(w->out, '\'');
        }
        if (r == 0)
            r = weir_buf_append_u8(w->out, c);
    }
    return r == 0 ? weir_buf_append_u8(w->out, '\'') : r;
}

static int put_string(rewriter *w, weir_slice s)
{
    if (s.data[0] == '$') {
        const uint8_t *end = memchr(s.data + 1, '$', s.len - 1);
        size_t tag = end ? (size_t)(end - s.data) + 1 : 1;
        if (s.len >= 2 * tag)
            return put_literal(w, weir_slice_head(weir_slice_skip(s, tag), s.len - 2 * tag));
    }
    if ((s.data[0] | 0x20) == 'e' && s.len >= 3)
        return put_escaped(w, weir_slice_head(weir_slice_skip(s, 2), s.len - 3));
    return weir_buf_append(w->out, s);
}

/* ---- expr::type ---- */

/* Takes the type's words off: "double precision", "pg_catalog.int4", "varchar(10)", "int[]". */
static weir_slice take_type(rewriter *w)
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
    weir_token t = weir_token_peek(w->rest);
    bool brackets = weir_token_is(t, "(") || weir_token_is(t, "[");
    while (brackets && !weir_token_is(t, ")") && !weir_token_is(t, "]") && t.kind != WEIR_TOKEN_END)
        t = weir_token_next(&w->rest);
    if (brackets)
        w->copied = w->rest.data;
    else
        w->copied = end.data + end.len;
    return weir_slice_make(first.text.data, (size_t)(end.data + end.len - first.text.data));
}

static const char *cast_name(weir_slice type)
{
    switch (weir_compat_named_oid(type)) {
    case WEIR_OID_INT2:
    case WEIR_OID_INT4:
    case WEIR_OID_INT8:
    case WEIR_OID_OID:
        return weir_slice_eq_nocase(type, "regclass") ? NULL : "INTEGER";
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

static int put_cast(rewriter *w)
{
    static const char head[] = "CAST(";
    size_t at = w->operand, len = sizeof(head) - 1;
    const char *name = cast_name(take_type(w));
    if (!name)
        return 0;
    int r = weir_buf_reserve(w->out, len);
    if (r < 0)
        return r;
    memmove(w->out->data + at + len, w->out->data + at, w->out->len - at);
    memcpy(w->out->data + at, head, len);
    w->out->len += len;
    return weir_buf_printf(w->out, " AS %s)", name);
}

/* ---- functions that ask for the session ---- */

typedef struct function {
    const char *name;
    bool call; /* with () */
} function;

static const function functions[] = {
    {"version", true},          {"current_database", true},
    {"current_schema", true},   {"pg_backend_pid", true},
    {"current_user", false},    {"session_user", false},
    {"current_catalog", false}, {"current_schema", false},
    {"current_role", false},    {"pg_advisory_unlock_all", true},
};

static int put_value(rewriter *w, const char *name)
{
    if (strcmp(name, "version") == 0)
        return weir_buf_printf(w->out, "'PostgreSQL 15.0 (Weir %s over SQLite)'", WEIR_VERSION);
    if (strcmp(name, "current_schema") == 0)
        return weir_buf_append(w->out, WEIR_SLICE_LIT("'public'"));
    if (strcmp(name, "pg_backend_pid") == 0)
        return weir_buf_printf(w->out, "%u", w->context->pid);
    if (strcmp(name, "pg_advisory_unlock_all") == 0)
        return weir_buf_append(w->out, WEIR_SLICE_LIT("NULL"));
    bool database = strcmp(name, "current_database") == 0 || strcmp(name, "current_catalog") == 0;
    return put_literal(w, database ? w->context->database : w->context->user);
}

/* PostgreSQL names such a column after the function. */
static int put_alias(rewriter *w, const char *name)
{
    weir_token next = weir_token_peek(w->rest);
    bool ends = next.kind == WEIR_TOKEN_END || weir_token_is(next, ",") ||
                weir_token_is(next, "from") || weir_token_is(next, ";");
    bool begins = weir_token_is(w->last, "select") || weir_token_is(w->last, ",");
    return ends && begins && w->depth == 0 ? weir_buf_printf(w->out, " AS \"%s\"", name) : 0;
}

/* 1: it was one of the functions. */
static int try_function(rewriter *w, weir_token t)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        weir_slice after = w->rest;
        if (!weir_slice_eq_nocase(t.text, functions[i].name) || weir_token_is(w->last, "."))
            continue;
        bool opens = weir_token_accept(&after, "(");
        if (opens != functions[i].call || (opens && !weir_token_accept(&after, ")")))
            continue;
        if (!opens && weir_token_is(weir_token_peek(after), "."))
            continue;
        if (opens) {
            w->rest = after;
            w->copied = after.data;
        }
        w->operand = w->out->len;
        int r = put_value(w, functions[i].name);
        if (r == 0)
            r = put_alias(w, functions[i].name);
        return r < 0 ? r : 1;
    }
    return 0;
}

/* ---- tokens ---- */

static int put_word(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (weir_token_is(t, "pg_catalog") && weir_token_accept(&after, ".")) {
        w->rest = after; /* SQLite has one schema of functions */
        w->copied = after.data;
        return 0;
    }
    int r = try_function(w, t);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!weir_token_is(w->last, "."))
        w->operand = w->out->len;
    return weir_buf_append(w->out, t.text);
}

static int put_op(rewriter *w, weir_token t)
{
    if (weir_token_is(t, "::") && w->operand != SIZE_MAX)
        return put_cast(w);
    if (weir_token_is(t, "(")) {
        bool call = w->last.kind == WEIR_TOKEN_WORD || w->last.kind == WEIR_TOKEN_QUOTED;
        if (w->depth < DEPTH_MAX)
            w->opened[w->depth] = call && w->operand != SIZE_MAX ? w->operand : w->out->len;
        w->depth++;
    } else if (weir_token_is(t, ")") && w->depth > 0) {
        w->depth--;
        w->operand = w->depth < DEPTH_MAX ? w->opened[w->depth] : SIZE_MAX;
    } else if (!weir_token_is(t, ".")) {
        w->operand = SIZE_MAX;
    }
    return weir_buf_append(w->out, t.text);
}

static int put_token(rewriter *w, weir_token t)
{
    switch (t.kind) {
    case WEIR_TOKEN_WORD:
    case WEIR_TOKEN_QUOTED:
        return put_word(w, t);
    case WEIR_TOKEN_OP:
        return put_op(w, t);
    case WEIR_TOKEN_STRING:
        w->operand = w->out->len;
        return put_string(w, t.text);
    case WEIR_TOKEN_PARAM: {
        /* SQLite takes $1 for a name and numbers it by its first use; ?1 is by number. */
        w->operand = w->out->len;
        bool numbered = t.text.data[0] == '$' && t.text.data[1] >= '0' && t.text.data[1] <= '9';
        int r = weir_buf_append_u8(w->out, numbered ? '?' : t.text.data[0]);
        return r == 0 ? weir_buf_append(w->out, weir_slice_skip(t.text, 1)) : r;
    }
    default:
        w->operand = w->out->len;
        return weir_buf_append(w->out, t.text);
    }
}

int weir_compat_rewrite(weir_slice text, const weir_compat_context *context, weir_buf *out)
{
    rewriter w = {
        .context = context, .rest = text, .out = out, .copied = text.data, .operand = SIZE_MAX};
    for (;;) {
        weir_token t = weir_token_next(&w.rest);
        int r = copy_gap(&w, t);
        if (r == 0 && t.kind != WEIR_TOKEN_END)
            r = put_token(&w, t);
        if (r < 0 || t.kind == WEIR_TOKEN_END)
            return r;
        w.last = t;
    }
}
