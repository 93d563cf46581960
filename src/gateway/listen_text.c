/* LISTEN and UNLISTEN by their text: see listen_text.h. */
#include "gateway/listen_text.h"
#include "base/ascii.h"
#include <stdlib.h>

/* Words that cannot be a channel's name (a ColId) unquoted: PostgreSQL's reserved words and those
 * that may only name types and functions, of versions 13 to 18. Sorted. */
static const char *const reserved[] = {"all",
                                       "analyse",
                                       "analyze",
                                       "and",
                                       "any",
                                       "array",
                                       "as",
                                       "asc",
                                       "asymmetric",
                                       "authorization",
                                       "binary",
                                       "both",
                                       "case",
                                       "cast",
                                       "check",
                                       "collate",
                                       "collation",
                                       "column",
                                       "concurrently",
                                       "constraint",
                                       "create",
                                       "cross",
                                       "current_catalog",
                                       "current_date",
                                       "current_role",
                                       "current_schema",
                                       "current_time",
                                       "current_timestamp",
                                       "current_user",
                                       "default",
                                       "deferrable",
                                       "desc",
                                       "distinct",
                                       "do",
                                       "else",
                                       "end",
                                       "except",
                                       "false",
                                       "fetch",
                                       "for",
                                       "foreign",
                                       "freeze",
                                       "from",
                                       "full",
                                       "grant",
                                       "group",
                                       "having",
                                       "ilike",
                                       "in",
                                       "initially",
                                       "inner",
                                       "intersect",
                                       "into",
                                       "is",
                                       "isnull",
                                       "join",
                                       "lateral",
                                       "leading",
                                       "left",
                                       "like",
                                       "limit",
                                       "localtime",
                                       "localtimestamp",
                                       "natural",
                                       "not",
                                       "notnull",
                                       "null",
                                       "offset",
                                       "on",
                                       "only",
                                       "or",
                                       "order",
                                       "outer",
                                       "overlaps",
                                       "placing",
                                       "primary",
                                       "references",
                                       "returning",
                                       "right",
                                       "select",
                                       "session_user",
                                       "similar",
                                       "some",
                                       "symmetric",
                                       "system_user",
                                       "table",
                                       "tablesample",
                                       "then",
                                       "to",
                                       "trailing",
                                       "true",
                                       "union",
                                       "unique",
                                       "user",
                                       "using",
                                       "variadic",
                                       "verbose",
                                       "when",
                                       "where",
                                       "window",
                                       "with"};

static int compare(const void *name, const void *entry)
{
    const weir_listen_command *c = name;
    const char *word = *(const char *const *)entry;
    size_t len = strlen(word);
    int r = memcmp(c->name, word, c->len < len ? c->len : len);
    return r != 0 ? r : (c->len > len) - (c->len < len);
}

static bool is_reserved(const weir_listen_command *c)
{
    return bsearch(c, reserved, sizeof(reserved) / sizeof(*reserved), sizeof(*reserved), compare);
}

static bool skip_block(weir_slice *s)
{
    unsigned depth = 0;
    size_t i = 0;
    do {
        if (i + 2 > s->len)
            return false;
        bool opens = s->data[i] == '/' && s->data[i + 1] == '*';
        bool closes = s->data[i] == '*' && s->data[i + 1] == '/';
        depth += opens;
        depth -= closes;
        i += opens || closes ? 2 : 1;
    } while (depth > 0);
    *s = weir_slice_skip(*s, i);
    return true;
}

static bool begins(weir_slice s, const char *two)
{
    return s.len >= 2 && s.data[0] == (uint8_t)two[0] && s.data[1] == (uint8_t)two[1];
}

/* Space and comments; false: one does not end. A vertical tab is space in some versions only. */
static bool skip_space(weir_slice *s)
{
    for (;;) {
        if (s->len > 0 && weir_ascii_is_space(s->data[0]) && s->data[0] != '\v') {
            *s = weir_slice_skip(*s, 1);
        } else if (begins(*s, "--")) {
            while (s->len > 0 && s->data[0] != '\n' && s->data[0] != '\r')
                *s = weir_slice_skip(*s, 1);
        } else if (begins(*s, "/*")) {
            if (!skip_block(s))
                return false;
        } else {
            return true;
        }
    }
}

static bool is_word_byte(uint8_t c, bool first)
{
    uint8_t l = weir_ascii_lower(c);
    return (l >= 'a' && l <= 'z') || c == '_' || (!first && ((c >= '0' && c <= '9') || c == '$'));
}

static size_t word_len(weir_slice s)
{
    size_t n = 0;
    while (n < s.len && is_word_byte(s.data[n], n == 0))
        n++;
    return n;
}

static bool read_word(weir_slice *s, weir_listen_command *c)
{
    size_t n = word_len(*s);
    bool more = n < s->len && s->data[n] >= 0x80;
    if (n == 0 || n > WEIR_CHANNEL_MAX || more)
        return false;
    for (size_t i = 0; i < n; i++)
        c->name[i] = weir_ascii_lower(s->data[i]);
    c->len = n;
    *s = weir_slice_skip(*s, n);
    return !is_reserved(c);
}

static bool read_quoted(weir_slice *s, weir_listen_command *c)
{
    size_t i = 1;
    for (;; i++) {
        if (i >= s->len)
            return false;
        if (s->data[i] == '"' && (i + 1 >= s->len || s->data[i + 1] != '"'))
            break;
        if (c->len == WEIR_CHANNEL_MAX)
            return false;
        c->name[c->len++] = s->data[i];
        i += s->data[i] == '"';
    }
    *s = weir_slice_skip(*s, i + 1);
    return c->len > 0;
}

static bool read_end(weir_slice *s)
{
    if (!skip_space(s))
        return false;
    while (s->len > 0 && s->data[0] == ';') {
        *s = weir_slice_skip(*s, 1);
        if (!skip_space(s))
            return false;
    }
    return s->len == 0;
}

static weir_listen_verb read_verb(weir_slice *s)
{
    size_t n = word_len(*s);
    weir_slice word = weir_slice_head(*s, n);
    *s = weir_slice_skip(*s, n);
    if (weir_slice_eq_nocase(word, "listen"))
        return WEIR_LISTEN_LISTEN;
    if (weir_slice_eq_nocase(word, "discard"))
        return WEIR_LISTEN_DISCARD_ALL;
    return weir_slice_eq_nocase(word, "unlisten") ? WEIR_LISTEN_UNLISTEN : WEIR_LISTEN_NONE;
}

/* Every Query passes here: most are seen by their first byte to be something else. */
static bool may_be_listen(weir_slice text)
{
    static const char first[] = "lLuUdD/- \t\n\r\f";
    return text.len > 0 && memchr(first, text.data[0], sizeof(first) - 1);
}

weir_listen_command weir_listen_read(weir_slice text)
{
    static const weir_listen_command none;
    weir_listen_command c = {0};
    if (!may_be_listen(text) || !skip_space(&text))
        return none;
    c.verb = read_verb(&text);
    if (c.verb == WEIR_LISTEN_NONE || !skip_space(&text) || text.len == 0)
        return none;
    if (text.data[0] == '*' && c.verb == WEIR_LISTEN_UNLISTEN) {
        c.verb = WEIR_LISTEN_UNLISTEN_ALL;
        text = weir_slice_skip(text, 1);
    } else if (c.verb == WEIR_LISTEN_DISCARD_ALL) {
        size_t n = word_len(text);
        if (!weir_slice_eq_nocase(weir_slice_head(text, n), "all"))
            return none;
        text = weir_slice_skip(text, n);
    } else if (text.data[0] == '"' ? !read_quoted(&text, &c) : !read_word(&text, &c)) {
        return none;
    }
    return read_end(&text) ? c : none;
}
