/* The reader's tokens: the current one and the next, keywords, names. */
#include "sql/reader.h"

#include <stdlib.h>
#include <strings.h>

/* Never a name without quotes; in order. */
static const char *const reserved[] = {
    "add",     "all",        "alter",       "and",     "as",       "autoincrement",
    "between", "case",       "check",       "collate", "commit",   "constraint",
    "create",  "default",    "deferrable",  "delete",  "distinct", "drop",
    "else",    "escape",     "except",      "exists",  "foreign",  "from",
    "group",   "having",     "in",          "index",   "insert",   "intersect",
    "into",    "is",         "isnull",      "join",    "limit",    "not",
    "nothing", "notnull",    "null",        "on",      "or",       "order",
    "primary", "references", "returning",   "select",  "set",      "table",
    "then",    "to",         "transaction", "union",   "unique",   "update",
    "using",   "values",     "when",        "where"};

/* Keywords that are names where nothing else can stand; in order. */
static const char *const keywords[] = {"abort",
                                       "action",
                                       "after",
                                       "always",
                                       "analyze",
                                       "asc",
                                       "attach",
                                       "before",
                                       "begin",
                                       "by",
                                       "cascade",
                                       "cast",
                                       "column",
                                       "conflict",
                                       "cross",
                                       "current",
                                       "current_date",
                                       "current_time",
                                       "current_timestamp",
                                       "database",
                                       "deferred",
                                       "desc",
                                       "detach",
                                       "do",
                                       "each",
                                       "end",
                                       "exclude",
                                       "exclusive",
                                       "explain",
                                       "fail",
                                       "filter",
                                       "first",
                                       "following",
                                       "for",
                                       "full",
                                       "generated",
                                       "glob",
                                       "groups",
                                       "if",
                                       "ignore",
                                       "immediate",
                                       "indexed",
                                       "initially",
                                       "inner",
                                       "instead",
                                       "key",
                                       "last",
                                       "left",
                                       "like",
                                       "match",
                                       "materialized",
                                       "natural",
                                       "no",
                                       "nulls",
                                       "of",
                                       "offset",
                                       "others",
                                       "outer",
                                       "over",
                                       "partition",
                                       "plan",
                                       "pragma",
                                       "preceding",
                                       "query",
                                       "raise",
                                       "range",
                                       "recursive",
                                       "regexp",
                                       "reindex",
                                       "release",
                                       "rename",
                                       "replace",
                                       "restrict",
                                       "right",
                                       "rollback",
                                       "row",
                                       "rows",
                                       "savepoint",
                                       "temp",
                                       "temporary",
                                       "ties",
                                       "trigger",
                                       "unbounded",
                                       "vacuum",
                                       "view",
                                       "virtual",
                                       "window",
                                       "with",
                                       "within",
                                       "without"};

static void scan(weir_reader *r)
{
    weir_token t;
    weir_scan_next(&r->scan, &t);
    if (t.type == TOKEN_OPERATOR)
        weir_token_join_sign(&t, &r->scan, r->scanned);
    r->scanned = t.type;
    r->next =
        (weir_reader_token){.type = t.type, .start = t.start, .end = t.end, .ordinal = r->literals};
    if (t.type == TOKEN_LITERAL) {
        r->next.literal = t.literal;
        r->literals++;
    }
}

void weir_reader_advance(weir_reader *r)
{
    r->t = r->next;
    if (!r->failed)
        scan(r);
}

void weir_reader_fail(weir_reader *r, const char *why)
{
    if (!r->failed)
        r->failed = why;
    r->t.type = r->next.type = TOKEN_END;
    r->t.start = r->t.end = r->next.start = r->next.end = r->scan.end;
}

void *weir_reader_alloc(weir_reader *r, size_t size)
{
    if (r->nodes++ == WEIR_READER_NODES_MAX) {
        weir_reader_fail(r, "the statement is too long to be looked into");
        return NULL;
    }
    void *p = weir_arena_alloc(r->arena, size);
    if (!p) {
        r->no_memory = true;
        weir_reader_fail(r, "out of memory");
    }
    return p;
}

static weir_slice text_of(const weir_reader_token *t)
{
    return weir_slice_make(t->start, (size_t)(t->end - t->start));
}

static bool is_word(const weir_reader_token *t, const char *lower)
{
    return t->type == TOKEN_WORD && weir_slice_eq_nocase(text_of(t), lower);
}

bool weir_reader_is(const weir_reader *r, const char *lower)
{
    return is_word(&r->t, lower);
}

bool weir_reader_next_is(const weir_reader *r, const char *lower)
{
    return is_word(&r->next, lower);
}

bool weir_reader_is_operator(const weir_reader *r, const char *text)
{
    return r->t.type == TOKEN_OPERATOR && weir_slice_eq_cstr(text_of(&r->t), text);
}

bool weir_reader_take(weir_reader *r, const char *lower)
{
    bool is = weir_reader_is(r, lower);
    if (is)
        weir_reader_advance(r);
    return is;
}

bool weir_reader_take_type(weir_reader *r, weir_token_type type)
{
    bool is = r->t.type == type;
    if (is)
        weir_reader_advance(r);
    return is;
}

void weir_reader_expect(weir_reader *r, const char *lower)
{
    if (!weir_reader_take(r, lower))
        weir_reader_fail(r, "the statement has a shape that is not looked into");
}

void weir_reader_expect_type(weir_reader *r, weir_token_type type)
{
    if (!weir_reader_take_type(r, type))
        weir_reader_fail(r, "the statement has a shape that is not looked into");
}

static int compare(const void *key, const void *item)
{
    const weir_slice *word = key;
    const char *keyword = *(const char *const *)item;
    int order = strncasecmp((const char *)word->data, keyword, word->len);
    return order != 0 ? order : keyword[word->len] == '\0' ? 0 : -1;
}

static bool is_listed(const weir_reader_token *t, const char *const *list, size_t count)
{
    weir_slice word = text_of(t);
    return bsearch(&word, list, count, sizeof(*list), compare) != NULL;
}

static bool is_reserved(const weir_reader_token *t)
{
    return is_listed(t, reserved, sizeof(reserved) / sizeof(reserved[0]));
}

static bool is_name(const weir_reader_token *t)
{
    return t->type == TOKEN_QUOTED || (t->type == TOKEN_WORD && !is_reserved(t));
}

/* A name may stand here: quoted, or a word that SQLite does not reserve. */
static bool at_name(const weir_reader *r)
{
    return is_name(&r->t);
}

bool weir_reader_next_is_name(const weir_reader *r)
{
    return is_name(&r->next);
}

bool weir_reader_at_plain_name(const weir_reader *r)
{
    return is_name(&r->t) && (r->t.type == TOKEN_QUOTED ||
                              !is_listed(&r->t, keywords, sizeof(keywords) / sizeof(keywords[0])));
}

/* Doubled quotes stand for one. */
static weir_slice without_quotes(weir_reader *r, weir_slice text)
{
    uint8_t quote = text.data[0];
    weir_slice inside = weir_slice_make(text.data + 1, text.len - 2);
    if (quote == '[' || inside.len == 0 || !memchr(inside.data, quote, inside.len))
        return inside;
    uint8_t *copy = weir_reader_alloc(r, inside.len);
    if (!copy)
        return weir_slice_make(r->scan.end, 0);
    size_t n = 0;
    for (size_t i = 0; i < inside.len; i++) {
        copy[n++] = inside.data[i];
        i += inside.data[i] == quote;
    }
    return weir_slice_make(copy, n);
}

/* A string is a name for SQLite where no value can stand; templates lift it out, so that the next
 * statement of the template may name something else. */
weir_slice weir_reader_name(weir_reader *r)
{
    weir_slice text = text_of(&r->t);
    if (!at_name(r)) {
        weir_reader_fail(r, r->t.type == TOKEN_LITERAL
                                ? "it has a string where a name is expected"
                                : "the statement has a shape that is not looked into");
        return weir_slice_make(r->scan.end, 0);
    }
    if (r->t.type == TOKEN_QUOTED) {
        if (text.len < 3) {
            weir_reader_fail(r, "it has a name without letters");
            return weir_slice_make(r->scan.end, 0);
        }
        text = without_quotes(r, text);
    }
    weir_reader_advance(r);
    return text;
}

bool weir_reader_at_query(const weir_reader *r)
{
    return weir_reader_is(r, "select") || weir_reader_is(r, "values") || weir_reader_is(r, "with");
}

void weir_reader_skip_parenthesis(weir_reader *r)
{
    for (unsigned depth = 1; depth > 0 && r->t.type != TOKEN_END;) {
        if (weir_reader_at_query(r))
            weir_reader_fail(r, "the statement has a shape that is not looked into");
        depth += r->t.type == TOKEN_OPEN;
        depth -= r->t.type == TOKEN_CLOSE;
        weir_reader_advance(r);
    }
}
