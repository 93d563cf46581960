/* From the text that a PostgreSQL client writes to one that SQLite runs. Token by token; what is
 * not named here passes through as it is. What has no equal in SQLite and would be understood there
 * as something else is refused. */
#include "catalog/face.h"
#include "compat/rewriter.h"
#include <stdlib.h>

/* ---- output ---- */

int rewriter_put(rewriter *w, const char *text)
{
    return weir_buf_append(w->out, weir_slice_cstr(text));
}

int rewriter_put_literal(rewriter *w, weir_slice text)
{
    int r = weir_buf_append_u8(w->out, '\'');
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        r = weir_buf_append_u8(w->out, text.data[i]);
        if (r == 0 && text.data[i] == '\'')
            r = weir_buf_append_u8(w->out, '\'');
    }
    return r == 0 ? weir_buf_append_u8(w->out, '\'') : r;
}

int rewriter_insert(rewriter *w, size_t at, const char *text)
{
    size_t len = strlen(text);
    int r = weir_buf_reserve(w->out, len);
    if (r < 0)
        return r;
    memmove(w->out->data + at + len, w->out->data + at, w->out->len - at);
    memcpy(w->out->data + at, text, len);
    w->out->len += len;
    return 0;
}

void rewriter_skip(rewriter *w, weir_slice after)
{
    w->rest = after;
    w->copied = after.data;
}

int rewriter_refuse(rewriter *w, const char *what, const char *hint)
{
    weir_error_set(w->err, "0A000", "weir: %s is not supported on SQLite", what);
    weir_error_hint(w->err, "%s", hint ? hint : "docs/sqlite.md lists what is translated.");
    return -ECANCELED;
}

/* The input between the last token and `t`: space and comments. */
static int copy_gap(rewriter *w, weir_token t)
{
    size_t gap = (size_t)(t.text.data - w->copied);
    int r = weir_buf_append(w->out, weir_slice_make(w->copied, gap));
    w->copied = t.text.data + t.text.len;
    return r;
}

/* ---- where we are ---- */

rewriter_level *rewriter_top(rewriter *w)
{
    return &w->levels[w->depth < REWRITER_DEPTH_MAX ? w->depth : REWRITER_DEPTH_MAX];
}

bool rewriter_at_table(rewriter *w)
{
    static const char *const words[] = {"from", "join", "lateral", "only", "into", "update"};
    const rewriter_level *top = rewriter_top(w);
    return weir_token_is_one_of(w->last, words) ||
           (weir_token_is(w->last, ",") && top->clause == REWRITER_FROM);
}

bool rewriter_at_item(rewriter *w)
{
    bool begins = weir_token_is(w->last, "select") || weir_token_is(w->last, "distinct") ||
                  weir_token_is(w->last, "returning") || weir_token_is(w->last, ",");
    return begins && rewriter_top(w)->clause == REWRITER_LIST;
}

bool rewriter_item_ends(const rewriter *w, weir_slice rest)
{
    weir_token next = weir_token_peek(rest);
    return next.kind == WEIR_TOKEN_END || weir_token_is(next, ",") || weir_token_is(next, "from") ||
           weir_token_is(next, ";") || (w->depth > 0 && weir_token_is(next, ")"));
}

static void note_clause(rewriter *w, weir_token t)
{
    static const struct {
        const char *word;
        rewriter_clause clause;
    } words[] = {
        {"select", REWRITER_LIST},  {"returning", REWRITER_LIST}, {"from", REWRITER_FROM},
        {"join", REWRITER_FROM},    {"where", REWRITER_WHERE},    {"on", REWRITER_WHERE},
        {"having", REWRITER_WHERE}, {"group", REWRITER_OTHER},    {"order", REWRITER_OTHER},
        {"limit", REWRITER_OTHER},  {"values", REWRITER_OTHER},   {"set", REWRITER_OTHER},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_token_is(t, words[i].word))
            rewriter_top(w)->clause = (uint8_t)words[i].clause;
}

/* ---- strings ---- */

/* indisprimary = 'f': the catalogue's booleans are numbers. */
static bool is_flag(weir_slice name)
{
    static const char *const flags[] = {
        "indisunique",   "indisprimary", "indisvalid",   "indisclustered", "indisready",
        "attnotnull",    "atthasdef",    "attisdropped", "relhasindex",    "relispartition",
        "condeferrable", "convalidated", "tgisinternal", "datistemplate",  "datallowconn",
        "rolcanlogin",   "typbyval"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (weir_slice_eq_nocase(name, flags[i]))
            return true;
    return false;
}

static const char *flag_value(const rewriter *w, weir_slice s)
{
    bool compares =
        weir_token_is(w->last, "=") || weir_token_is(w->last, "<>") || weir_token_is(w->last, "!=");
    if (!compares || !is_flag(w->before_last.text))
        return NULL;
    if (weir_slice_eq_nocase(s, "'t'") || weir_slice_eq_nocase(s, "'true'"))
        return "1";
    bool no = weir_slice_eq_nocase(s, "'f'") || weir_slice_eq_nocase(s, "'false'");
    return no ? "0" : NULL;
}

static int put_string(rewriter *w, weir_slice s)
{
    const char *flag = flag_value(w, s);
    w->operand = w->out->len;
    if (flag)
        return rewriter_put(w, flag);
    if (s.data[0] == '$') {
        const uint8_t *end = memchr(s.data + 1, '$', s.len - 1);
        size_t tag = end ? (size_t)(end - s.data) + 1 : 1;
        if (s.len >= 2 * tag)
            return rewriter_put_literal(w,
                                        weir_slice_head(weir_slice_skip(s, tag), s.len - 2 * tag));
    }
    if ((s.data[0] | 0x20) == 'e' && s.len >= 3)
        return rewriter_escaped(w, weir_slice_head(weir_slice_skip(s, 2), s.len - 3));
    return weir_buf_append(w->out, s);
}

/* ---- words ---- */

/* Words that are no operands: what follows them is not a binary operator. */
static bool is_keyword(weir_token t)
{
    static const char *const words[] = {
        "select", "where",     "and",   "or",     "not",     "on",     "when",   "then",
        "else",   "case",      "from",  "in",     "like",    "having", "values", "set",
        "by",     "returning", "limit", "offset", "between", "is",     "as",     "distinct",
        "all",    "join",      "using", "glob",   "regexp",  "union",  "escape", "default"};
    return weir_token_is_one_of(t, words);
}

/* COLLATE pg_catalog.default, "C", … : the order of bytes, which is SQLite's own. */
static int put_collate(rewriter *w, weir_token t)
{
    static const char *const same[] = {"default", "c", "posix", "c.utf-8", "c.utf8", "ucs_basic"};
    char name[64];
    weir_slice after = w->rest;
    if (weir_token_accept(&after, "pg_catalog"))
        (void)weir_token_accept(&after, ".");
    weir_token c = weir_token_next(&after);
    weir_compat_name_fold(c.text, name, sizeof(name));
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        if (!weir_slice_eq_nocase(weir_slice_cstr(name), same[i]))
            continue;
        rewriter_skip(w, after);
        return 0;
    }
    return weir_buf_append(w->out, t.text);
}

/* Words inside substring(x FROM a FOR b), position(a IN b). */
static bool is_comma(rewriter *w, weir_token t)
{
    return rewriter_top(w)->opening == REWRITER_KEYWORDS &&
           (weir_token_is(t, "from") || weir_token_is(t, "for") || weir_token_is(t, "in"));
}

/* array_agg(x ORDER BY y DESC) is array_agg(x, y, 1) here (aggregate.c). */
static int put_order(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (weir_token_is(t, "order") && weir_token_accept(&after, "by")) {
        weir_slice look = after, keys = {0};
        bool closed = weir_token_take_parentheses(&look, &keys);
        bool nulls = closed && weir_token_mentions(keys, "nulls");
        (void)weir_token_take_item(&keys);
        if (nulls || (closed && weir_token_peek(keys).kind != WEIR_TOKEN_END)) {
            /* Where it is not translated by types (typed_emit.c): fails when it runs. */
            rewriter_skip(w, weir_slice_make(look.data - 1, look.len + 1));
            return rewriter_written(rewriter_put(
                w, ", weir_fail('0A000', 'several keys or NULLS inside this aggregate are "
                   "not supported on SQLite')"));
        }
        rewriter_skip(w, after);
        return rewriter_written(rewriter_put(w, ","));
    }
    if (weir_token_is(t, "distinct") || weir_token_is(t, "nulls"))
        return rewriter_refuse(w, "DISTINCT or NULLS inside this aggregate",
                               "Aggregate over a subquery.");
    if (weir_token_is(t, "desc"))
        return rewriter_written(rewriter_put(w, ", 1"));
    return weir_token_is(t, "asc") ? 1 : 0;
}

/* AS name, in a select list: any word may stand there, and is in lower case. */
static int put_label(rewriter *w, weir_token t)
{
    char name[64];
    weir_compat_name_fold(t.text, name, sizeof(name));
    bool quoted = weir_compat_is_reserved(t.text);
    int r = quoted ? rewriter_put(w, "\"") : 0;
    if (r == 0)
        r = rewriter_put(w, name);
    return r == 0 && quoted ? rewriter_put(w, "\"") : r;
}

/* FOR [NO KEY] UPDATE, FOR [KEY] SHARE, with what may follow: left out, and told. 1: it was one. */
static int put_lock(rewriter *w)
{
    weir_slice after = w->rest;
    if (weir_token_accept(&after, "no") && !weir_token_accept(&after, "key"))
        return 0;
    (void)weir_token_accept(&after, "key");
    if (!weir_token_accept(&after, "update") && !weir_token_accept(&after, "share"))
        return 0;
    if (weir_token_accept(&after, "of")) {
        do {
            (void)weir_token_next(&after);
        } while (weir_token_accept(&after, ".") || weir_token_accept(&after, ","));
    }
    weir_compat_lock lock =
        weir_token_accept(&after, "nowait") ? WEIR_COMPAT_LOCK_NOWAIT : WEIR_COMPAT_LOCK_WAIT;
    if (weir_token_accept(&after, "skip") && !weir_token_accept(&after, "locked"))
        return 0;
    if (w->context->ret_lock)
        *w->context->ret_lock = (uint8_t)lock;
    rewriter_skip(w, after);
    return 1;
}

/* 1: written */
static int put_special(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (is_comma(w, t))
        return rewriter_written(rewriter_put(w, ","));
    if (weir_token_is(t, "for") && put_lock(w) > 0)
        return 1;
    if (weir_token_is(w->last, "as") && rewriter_top(w)->clause == REWRITER_LIST)
        return rewriter_written(put_label(w, t));
    if (weir_token_is(t, "collate"))
        return rewriter_written(put_collate(w, t));
    if (weir_token_is(t, "as") && rewriter_top(w)->opening == REWRITER_CAST)
        return rewriter_written(rewriter_cast_as(w));
    if (weir_token_is(t, "ilike"))
        return rewriter_written(rewriter_put(w, "REGEXP '(?L)' ||"));
    if (rewriter_top(w)->opening == REWRITER_AGGREGATE) {
        int r = put_order(w, t);
        if (r != 0)
            return r;
    }
    if (weir_token_is(t, "lateral") && weir_token_accept(&after, "("))
        return rewriter_refuse(w, "LATERAL with a subquery", NULL);
    if (weir_token_is(t, "lateral") || (weir_token_is(t, "only") && rewriter_at_table(w)))
        return 1;
    if (weir_token_is(t, "limit") && weir_token_accept(&after, "all")) {
        rewriter_skip(w, after);
        return rewriter_written(rewriter_put(w, "LIMIT -1"));
    }
    return 0;
}

static int put_word(rewriter *w, weir_token t)
{
    int r = t.kind == WEIR_TOKEN_WORD ? put_special(w, t) : 0;
    if (r == 0 && w->ddl)
        r = rewriter_ddl_word(w, t);
    if (r == 0 && t.kind == WEIR_TOKEN_WORD && weir_token_is(t, "array"))
        r = rewriter_array_word(w);
    if (r == 0)
        r = rewriter_alias_word(w, t);
    if (r == 0 && t.kind == WEIR_TOKEN_WORD)
        r = rewriter_name(w, t);
    if (r == 0 && t.kind == WEIR_TOKEN_WORD)
        r = rewriter_set_word(w, t);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!weir_token_is(w->last, "."))
        w->operand = w->out->len;
    r = weir_buf_append(w->out, t.text);
    if (t.kind != WEIR_TOKEN_WORD || weir_token_is(w->last, "."))
        return r;
    if (is_keyword(t))
        w->operand = SIZE_MAX;
    note_clause(w, t);
    return r == 0 && weir_token_is(t, "from") ? rewriter_set_from(w) : r;
}

/* ---- operators ---- */

/* ~ and its kin, where an operand stands before. */
static const char *match_operator(weir_token t)
{
    static const struct {
        const char *op, *sql;
    } ops[] = {
        {"~", "REGEXP"},
        {"!~", "NOT REGEXP"},
        {"~*", "REGEXP '(?i)' ||"},
        {"!~*", "NOT REGEXP '(?i)' ||"},
        {"~~", "LIKE"},
        {"!~~", "NOT LIKE"},
        {"~~*", "REGEXP '(?L)' ||"},
        {"!~~*", "NOT REGEXP '(?L)' ||"},
    };
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (weir_slice_eq_cstr(t.text, ops[i].op))
            return ops[i].sql;
    return NULL;
}

/* OPERATOR(pg_catalog.~) is the operator itself. */
static weir_token take_operator(rewriter *w, weir_token t)
{
    weir_slice after = w->rest;
    if (!weir_token_is(t, "operator") || !weir_token_accept(&after, "("))
        return t;
    if (weir_token_accept(&after, "pg_catalog"))
        (void)weir_token_accept(&after, ".");
    weir_token op = weir_token_next(&after);
    if (op.kind != WEIR_TOKEN_OP || !weir_token_accept(&after, ")"))
        return t;
    rewriter_skip(w, after);
    return op;
}

static int put_open(rewriter *w, weir_token t)
{
    bool call = (w->last.kind == WEIR_TOKEN_WORD || w->last.kind == WEIR_TOKEN_QUOTED) &&
                w->operand != SIZE_MAX;
    size_t operand = call ? w->operand : w->out->len;
    bool cast = call && weir_token_is(w->last, "cast");
    bool words =
        call && (weir_token_is(w->last, "substring") || weir_token_is(w->last, "position"));
    bool aggregate =
        call && (weir_token_is(w->last, "array_agg") || weir_token_is(w->last, "string_agg"));
    int r = weir_buf_append(w->out, t.text);
    if (r == 0 && w->marks)
        r = rewriter_put(w, WEIR_FACE_TABLE_MARK " ");
    w->marks = false;
    w->depth++;
    if (w->depth <= REWRITER_DEPTH_MAX)
        *rewriter_top(w) = (rewriter_level){.operand = operand,
                                            .inside = w->out->len,
                                            .opening = cast        ? REWRITER_CAST
                                                       : words     ? REWRITER_KEYWORDS
                                                       : aggregate ? REWRITER_AGGREGATE
                                                                   : REWRITER_PLAIN};
    w->operand = SIZE_MAX;
    return r;
}

static int put_close(rewriter *w, weir_token t)
{
    rewriter_level level = *rewriter_top(w);
    int r = weir_buf_append(w->out, t.text);
    if (w->depth == 0)
        return r;
    w->operand = w->depth <= REWRITER_DEPTH_MAX ? level.operand : SIZE_MAX;
    w->depth--;
    if (w->set_depth != SIZE_MAX && w->set_depth > w->depth)
        w->set_depth = SIZE_MAX;
    if (r == 0 && level.closer)
        r = rewriter_put(w, level.closer);
    return r == 0 && level.opening == REWRITER_SET ? rewriter_set_closed(w) : r;
}

/* WITH x AS [[NOT] MATERIALIZED] (INSERT …), at its parenthesis. */
static bool writes_inside(const rewriter *w)
{
    static const char *const words[] = {"insert", "update", "delete", "merge"};
    return (weir_token_is(w->last, "as") || weir_token_is(w->last, "materialized")) &&
           weir_token_is_one_of(weir_token_peek(w->rest), words);
}

static int put_op(rewriter *w, weir_token t)
{
    const char *match = w->operand != SIZE_MAX ? match_operator(t) : NULL;
    if (weir_token_is(t, "::") && w->operand != SIZE_MAX)
        return rewriter_cast(w);
    if (weir_token_is(t, "(")) {
        if (writes_inside(w))
            return rewriter_refuse(w, "a statement that writes inside WITH",
                                   "Send its parts one by one, in one transaction.");
        int r = rewriter_composite(w);
        if (r == 0)
            r = rewriter_listed(w);
        return r != 0 ? (r < 0 ? r : 0) : put_open(w, t);
    }
    if (weir_token_is(t, ")"))
        return put_close(w, t);
    if (weir_token_is(t, "[") || weir_token_is(t, "]"))
        return rewriter_bracket(w, t);
    int r = match ? rewriter_written(rewriter_put(w, match)) : rewriter_any(w, t);
    if (r != 0) {
        w->operand = SIZE_MAX;
        return r < 0 ? r : 0;
    }
    if (!weir_token_is(t, "."))
        w->operand = SIZE_MAX;
    r = weir_buf_append(w->out, t.text);
    return r == 0 && w->alias_count > 0 && weir_token_is(t, "*") ? rewriter_alias_star(w, t) : r;
}

static int put_param(rewriter *w, weir_token t)
{
    /* SQLite takes $1 for a name and numbers it by its first use; ?1 is by number. */
    w->operand = w->out->len;
    bool numbered =
        t.text.data[0] == '$' && t.text.len > 1 && t.text.data[1] >= '0' && t.text.data[1] <= '9';
    int r = weir_buf_append_u8(w->out, numbered ? '?' : t.text.data[0]);
    return r == 0 ? weir_buf_append(w->out, weir_slice_skip(t.text, 1)) : r;
}

static int put_token(rewriter *w, weir_token *t)
{
    *t = take_operator(w, *t);
    switch (t->kind) {
    case WEIR_TOKEN_WORD:
    case WEIR_TOKEN_QUOTED:
        return put_word(w, *t);
    case WEIR_TOKEN_OP:
        return put_op(w, *t);
    case WEIR_TOKEN_STRING:
        return put_string(w, t->text);
    case WEIR_TOKEN_PARAM:
        return put_param(w, *t);
    default:
        w->operand = w->out->len;
        return weir_buf_append(w->out, t->text);
    }
}

static int run(rewriter *w)
{
    for (;;) {
        weir_token t = weir_token_next(&w->rest);
        int r = w->set_depth == w->depth ? rewriter_set_end(w, t) : 0;
        if (r == 0)
            r = copy_gap(w, t);
        if (r == 0 && t.kind != WEIR_TOKEN_END)
            r = put_token(w, &t);
        if (r != 0 || t.kind == WEIR_TOKEN_END)
            return r;
        w->before_last = w->last;
        w->last = w->instead.kind == WEIR_TOKEN_END ? t : w->instead;
        w->instead.kind = WEIR_TOKEN_END;
    }
}

int rewriter_nested(rewriter *w, weir_slice text)
{
    rewriter *inner = malloc(sizeof(*inner));
    if (!inner)
        return -ENOMEM;
    *inner = (rewriter){.context = w->context,
                        .rest = text,
                        .out = w->out,
                        .copied = text.data,
                        .operand = SIZE_MAX,
                        .stored = w->stored,
                        .set_depth = SIZE_MAX,
                        .sequences = w->sequences,
                        .err = w->err};
    int r = run(inner);
    free(inner);
    return r;
}

int weir_compat_rewrite(weir_slice text, const weir_compat_context *context, weir_buf *out,
                        weir_error *err)
{
    rewriter w;
    memset(&w, 0, offsetof(rewriter, levels));
    w.context = context;
    w.rest = text;
    w.out = out;
    w.copied = text.data;
    w.operand = SIZE_MAX;
    w.levels[0] = (rewriter_level){0};
    w.depth = w.alias_count = 0;
    w.ddl = REWRITER_NO_DDL;
    w.marks = w.sizes = w.stored = false;
    w.set = w.second_set = (weir_slice){0};
    w.set_depth = SIZE_MAX;
    w.err = err;
    weir_buf sequences;
    weir_buf_init(&sequences, out->size_max);
    w.sequences = &sequences;
    rewriter_find_aliases(&w);
    int r = rewriter_begin(&w);
    if (r == 0)
        r = run(&w);
    if (r == 0 && sequences.len > 0)
        r = weir_buf_append(out, weir_buf_slice(&sequences));
    weir_buf_fini(&sequences);
    return r == -ECANCELED ? WEIR_COMPAT_REFUSED : r;
}
