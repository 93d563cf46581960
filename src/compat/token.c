/* Splits a statement's text into tokens. Linear: every byte is looked at once or twice. */
#include "compat/token.h"
#include "base/utf8.h"
#include "compat/compat.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_word(uint8_t c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

static uint8_t at(weir_slice s, size_t i)
{
    return i < s.len ? s.data[i] : 0;
}

/* Length of the comment at the front, 0 if there is none. */
static size_t comment_len(weir_slice s)
{
    if (at(s, 0) == '-' && at(s, 1) == '-') {
        const void *end = memchr(s.data, '\n', s.len);
        return end ? (size_t)((const uint8_t *)end - s.data) + 1 : s.len;
    }
    if (at(s, 0) != '/' || at(s, 1) != '*')
        return 0;
    for (size_t i = 2; i + 1 < s.len; i++)
        if (s.data[i] == '*' && s.data[i + 1] == '/')
            return i + 2;
    return s.len;
}

static weir_slice skip_blank(weir_slice s)
{
    for (;;) {
        size_t n = 0;
        while (n < s.len && weir_ascii_is_space(s.data[n]))
            n++;
        s = weir_slice_skip(s, n);
        size_t comment = s.len > 0 ? comment_len(s) : 0;
        if (comment == 0)
            return s;
        s = weir_slice_skip(s, comment);
    }
}

/* A quoted run that begins at `from` with its quote; a doubled quote stands for itself. */
static size_t quoted_len(weir_slice s, size_t from, bool backslash)
{
    uint8_t quote = s.data[from];
    for (size_t i = from + 1; i < s.len; i++) {
        if (backslash && s.data[i] == '\\') {
            i++;
        } else if (s.data[i] == quote) {
            if (at(s, i + 1) != quote)
                return i + 1;
            i++;
        }
    }
    return s.len;
}

/* $tag$ … $tag$, or 0 if it is not one. */
static size_t dollar_len(weir_slice s)
{
    size_t tag = 1;
    while (tag < s.len && is_word(s.data[tag]) && s.data[tag] != '$')
        tag++;
    if (at(s, tag) != '$' || is_digit(at(s, 1)))
        return 0;
    tag++;
    for (size_t i = tag; i + tag <= s.len; i++)
        if (s.data[i] == '$' && memcmp(s.data + i, s.data, tag) == 0)
            return i + tag;
    return s.len;
}

static size_t word_len(weir_slice s, size_t from)
{
    while (from < s.len && is_word(s.data[from]))
        from++;
    return from;
}

static size_t number_len(weir_slice s)
{
    size_t i = 0;
    if (s.data[0] == '0' && (at(s, 1) | 0x20) == 'x')
        return word_len(s, 2);
    while (is_digit(at(s, i)) || at(s, i) == '.')
        i++;
    if ((at(s, i) | 0x20) == 'e') {
        size_t sign = at(s, i + 1) == '+' || at(s, i + 1) == '-' ? 1 : 0;
        if (is_digit(at(s, i + 1 + sign))) {
            i += 1 + sign;
            while (is_digit(at(s, i)))
                i++;
        }
    }
    return i;
}

/* The second byte of any of them is one of `seconds`. */
static size_t op_len(weir_slice s)
{
    static const char seconds[] = "!~*>=|:@&<-?";
    if (s.len < 2 || !memchr(seconds, s.data[1], sizeof(seconds) - 1))
        return 1;
    static const char *const ops[] = {
        "!~~*", "!~~", "!~*", "~~*", "->>", "#>>", "::", "<=", ">=", "<>",
        "!=",   "==",  "||",  "->",  "#>",  "~~",  "~*", "!~", "@>", "<@",
        "&&",   "<<",  ">>",  "#-",  "?|",  "?&",  "@?", "@@", "^@"};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        size_t len = strlen(ops[i]);
        if (s.len >= len && memcmp(s.data, ops[i], len) == 0)
            return len;
    }
    return 1;
}

static weir_token make(weir_token_kind kind, weir_slice s, size_t len)
{
    return (weir_token){kind, weir_slice_head(s, len)};
}

static weir_token scan_word(weir_slice s)
{
    uint8_t c = s.data[0] | 0x20;
    if (at(s, 1) == '\'' && c == 'e')
        return make(WEIR_TOKEN_STRING, s, quoted_len(s, 1, true));
    if (at(s, 1) == '\'' && c == 'x')
        return make(WEIR_TOKEN_BLOB, s, quoted_len(s, 1, false));
    return make(WEIR_TOKEN_WORD, s, word_len(s, 1));
}

static weir_token scan_param(weir_slice s)
{
    size_t dollar = s.data[0] == '$' ? dollar_len(s) : 0;
    if (dollar > 0)
        return make(WEIR_TOKEN_STRING, s, dollar);
    size_t len = word_len(s, 1);
    return make(len > 1 || s.data[0] == '?' ? WEIR_TOKEN_PARAM : WEIR_TOKEN_OP, s, len);
}

/* ?| and ?&, but not a parameter before ||. */
static bool is_key_operator(weir_slice s)
{
    return at(s, 1) == '&' || (at(s, 1) == '|' && at(s, 2) != '|');
}

static weir_token scan(weir_slice s)
{
    uint8_t c = s.data[0];
    if (is_word_start(c))
        return scan_word(s);
    if (is_digit(c) || (c == '.' && is_digit(at(s, 1))))
        return make(WEIR_TOKEN_NUMBER, s, number_len(s));
    if (c == '\'')
        return make(WEIR_TOKEN_STRING, s, quoted_len(s, 0, false));
    if (c == '"' || c == '`')
        return make(WEIR_TOKEN_QUOTED, s, quoted_len(s, 0, false));
    if (c == '$' || (c == '?' && !is_key_operator(s)) ||
        (c == '@' && !strchr(">?@", at(s, 1) ? at(s, 1) : ' ')) || (c == ':' && at(s, 1) != ':'))
        return scan_param(s);
    return make(WEIR_TOKEN_OP, s, op_len(s));
}

weir_token weir_token_next(weir_slice *rest)
{
    weir_slice s = skip_blank(*rest);
    if (s.len == 0) {
        *rest = s;
        return (weir_token){WEIR_TOKEN_END, s};
    }
    weir_token t = scan(s);
    *rest = weir_slice_skip(s, t.text.len);
    return t;
}

weir_token weir_token_peek(weir_slice rest)
{
    return weir_token_next(&rest);
}

bool weir_token_is_listed(weir_token t, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (weir_token_is(t, words[i]))
            return true;
    return false;
}

int weir_token_unexpected(weir_token t, weir_error *err)
{
    if (t.kind == WEIR_TOKEN_END)
        weir_error_set(err, "42601", "weir: syntax error at end of input");
    else
        weir_error_set(err, "42601", "weir: syntax error at or near \"%.*s\"",
                       WEIR_UTF8_QUOTED(t.text, 60));
    return WEIR_COMPAT_REFUSED;
}

bool weir_token_accept(weir_slice *rest, const char *lower)
{
    weir_slice after = *rest;
    if (!weir_token_is(weir_token_next(&after), lower))
        return false;
    *rest = after;
    return true;
}

bool weir_token_accept2(weir_slice *rest, const char *first, const char *second)
{
    weir_slice after = *rest;
    if (!weir_token_accept(&after, first) || !weir_token_accept(&after, second))
        return false;
    *rest = after;
    return true;
}

bool weir_token_take_parentheses(weir_slice *rest, weir_slice *ret_inside)
{
    const uint8_t *begin = rest->data;
    for (unsigned depth = 1;;) {
        weir_token t = weir_token_next(rest);
        if (t.kind == WEIR_TOKEN_END)
            return false;
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") ? 1u : 0u;
        if (depth > 0)
            continue;
        if (ret_inside)
            *ret_inside = weir_slice_make(begin, (size_t)(t.text.data - begin));
        return true;
    }
}

weir_slice weir_token_take_item(weir_slice *rest)
{
    weir_token first = weir_token_peek(*rest);
    const uint8_t *begin = first.text.data, *end = begin;
    unsigned depth = 0;
    for (weir_token t; (t = weir_token_next(rest)).kind != WEIR_TOKEN_END;) {
        if (depth == 0 && weir_token_is(t, ","))
            break;
        bool opens = weir_token_is(t, "(") || weir_token_is(t, "[");
        bool closes = weir_token_is(t, ")") || weir_token_is(t, "]");
        depth += opens ? 1u : 0u;
        depth -= closes && depth > 0 ? 1u : 0u;
        end = t.text.data + t.text.len;
    }
    return weir_slice_make(begin, (size_t)(end - begin));
}

int weir_token_put_quoted(weir_buf *out, weir_slice s, uint8_t quote)
{
    int r = weir_buf_append_u8(out, quote);
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] == quote)
            r = weir_buf_append_u8(out, quote);
        if (r == 0)
            r = weir_buf_append_u8(out, s.data[i]);
    }
    return r == 0 ? weir_buf_append_u8(out, quote) : r;
}

bool weir_token_mentions(weir_slice text, const char *lower)
{
    size_t len = strlen(lower);
    for (size_t i = 0; i + len <= text.len; i++) {
        const uint8_t *at = text.data + i;
        if ((at[0] | 0x20) == (uint8_t)lower[0] &&
            weir_ascii_lower(at[len - 1]) == (uint8_t)lower[len - 1] &&
            weir_slice_eq_nocase(weir_slice_make(at, len), lower))
            return true;
    }
    return false;
}
