/* PostgreSQL's tokens, after its src/backend/parser/scan.l: nested comments, dollar quotes, string
 * prefixes and continuation, operators that end where a comment starts. Strings are read as with
 * standard_conforming_strings on (the default since 9.1): only E'…' has backslash escapes. */
#include "sql/lex.h"

static void block_comment(weir_scan *s)
{
    size_t depth = 1;
    s->p += 2;
    while (s->p < s->end) {
        if (*s->p == '*' && weir_scan_at(s, 1) == '/') {
            s->p += 2;
            if (--depth == 0)
                return;
        } else if (*s->p == '/' && weir_scan_at(s, 1) == '*') {
            s->p += 2;
            depth++;
        } else {
            s->p++;
        }
    }
    s->unterminated = true;
}

static void skip_space(weir_scan *s)
{
    while (s->p < s->end) {
        uint8_t c = *s->p;
        if (weir_char_class[c] == CHAR_SPACE) {
            s->p++;
        } else if (c == '-' && weir_scan_at(s, 1) == '-') {
            s->p += 2;
            weir_scan_line_comment(s);
        } else if (c == '/' && weir_scan_at(s, 1) == '*') {
            block_comment(s);
        } else {
            return;
        }
    }
}

/* s->p is behind the opening quote. */
static void escaped_segment(weir_scan *s)
{
    while (s->p < s->end) {
        uint8_t c = *s->p++;
        if (c == '\\' && s->p < s->end)
            s->p++;
        else if (c == '\'') {
            if (s->p == s->end || *s->p != '\'')
                return;
            s->p++;
        }
    }
    s->unterminated = true;
}

/* 'a' <space with a newline, line comments> 'b' is one string. Moves behind the next opening quote
 * if there is one. */
static bool continues(weir_scan *s)
{
    bool newline = false;
    weir_scan ahead = *s;
    while (ahead.p < ahead.end) {
        uint8_t c = *ahead.p;
        if (c == '-' && weir_scan_at(&ahead, 1) == '-') {
            weir_scan_line_comment(&ahead);
        } else if (weir_char_class[c] == CHAR_SPACE) {
            newline = newline || c == '\n' || c == '\r';
            ahead.p++;
        } else {
            break;
        }
    }
    if (!newline || ahead.p == ahead.end || *ahead.p != '\'')
        return false;
    s->p = ahead.p + 1;
    return true;
}

/* s->p is behind the opening quote. */
static void string(weir_scan *s, bool escapes)
{
    do {
        if (escapes)
            escaped_segment(s);
        else
            weir_scan_quoted(s, '\'');
    } while (!s->unterminated && continues(s));
}

/* E'…', B'…', X'…', N'…', U&'…', U&"…". */
static bool prefixed(weir_scan *s, weir_token *t)
{
    uint8_t prefix = *s->p | 0x20;
    uint8_t next = weir_scan_at(s, 1);
    if (prefix == 'u' && next == '&') {
        uint8_t quote = weir_scan_at(s, 2);
        if (quote != '\'' && quote != '"')
            return false;
        s->p += 3;
        weir_scan_quoted(s, quote);
        t->literal = WEIR_LITERAL_STRING;
        weir_token_end(t, quote == '"' ? TOKEN_QUOTED : TOKEN_LITERAL, s);
        return true;
    }
    if (next != '\'' || (prefix != 'e' && prefix != 'b' && prefix != 'x' && prefix != 'n'))
        return false;
    s->p += 2;
    string(s, prefix == 'e');
    t->literal = prefix == 'b' || prefix == 'x' ? WEIR_LITERAL_BITS : WEIR_LITERAL_STRING;
    weir_token_end(t, TOKEN_LITERAL, s);
    return true;
}

/* The length of a dollar quote's opening delimiter at s->p, 0 if there is none. */
static size_t dollar_delimiter(const weir_scan *s)
{
    size_t n = 1;
    for (uint8_t c; (c = weir_scan_at(s, n)) != '$'; n++) {
        if (!weir_char_fold[c] || (n == 1 && weir_char_class[c] != CHAR_WORD))
            return 0;
    }
    return n + 1;
}

static void dollar(weir_scan *s, weir_token *t)
{
    t->literal = WEIR_LITERAL_PARAM;
    if (weir_char_class[weir_scan_at(s, 1)] == CHAR_DIGIT) {
        for (s->p++; s->p < s->end && weir_char_class[*s->p] == CHAR_DIGIT;)
            s->p++;
        weir_token_end(t, TOKEN_LITERAL, s);
        return;
    }
    size_t n = dollar_delimiter(s);
    if (n == 0) {
        s->p++;
        weir_token_end(t, TOKEN_BAD, s);
        return;
    }
    const uint8_t *delimiter = s->p;
    s->p += n;
    const uint8_t *close = memmem(s->p, (size_t)(s->end - s->p), delimiter, n);
    s->unterminated = s->unterminated || !close;
    s->p = close ? close + n : s->end;
    t->literal = WEIR_LITERAL_STRING;
    weir_token_end(t, TOKEN_LITERAL, s);
}

static bool is_plain_operator(uint8_t c)
{
    return c == '+' || c == '-' || c == '*' || c == '/' || c == '<' || c == '>' || c == '=';
}

/* An operator of several characters ends in + or - only if it holds one of ~!@#%^&|`? */
static void operator_token(weir_scan *s, weir_token *t)
{
    const uint8_t *start = s->p;
    bool may_end_in_sign = false;
    for (; s->p < s->end && weir_char_class[*s->p] == CHAR_OPERATOR; s->p++) {
        uint8_t c = *s->p, next = weir_scan_at(s, 1);
        if (s->p > start && ((c == '-' && next == '-') || (c == '/' && next == '*')))
            break;
        may_end_in_sign = may_end_in_sign || !is_plain_operator(c);
    }
    while (!may_end_in_sign && s->p - start > 1 && (s->p[-1] == '+' || s->p[-1] == '-'))
        s->p--;
    weir_token_end(t, TOKEN_OPERATOR, s);
}

static void colon(weir_scan *s, weir_token *t)
{
    uint8_t next = weir_scan_at(s, 1);
    s->p += next == ':' || next == '=' ? 2 : 1;
    weir_token_end(t, next == ':' ? TOKEN_CAST : TOKEN_OPERATOR, s);
}

void weir_scan_postgres(weir_scan *s, weir_token *t)
{
    skip_space(s);
    t->start = s->p;
    t->word = NULL;
    if (s->p == s->end) {
        weir_token_end(t, TOKEN_END, s);
        return;
    }
    switch (weir_char_class[*s->p]) {
    case CHAR_WORD:
        if (prefixed(s, t))
            return;
        weir_scan_word(s);
        weir_token_end(t, TOKEN_WORD, s);
        return;
    case CHAR_DIGIT:
        t->literal = weir_scan_number(s);
        weir_token_end(t, TOKEN_LITERAL, s);
        return;
    case CHAR_SELF:
        weir_scan_one_byte(s, t, weir_char_token(*s->p));
        return;
    case CHAR_OPERATOR:
        operator_token(s, t);
        return;
    case CHAR_DOT:
        if (weir_char_class[weir_scan_at(s, 1)] != CHAR_DIGIT) {
            weir_scan_one_byte(s, t, TOKEN_DOT);
            return;
        }
        t->literal = weir_scan_number(s);
        weir_token_end(t, TOKEN_LITERAL, s);
        return;
    case CHAR_COLON:
        colon(s, t);
        return;
    case CHAR_DOLLAR:
        dollar(s, t);
        return;
    case CHAR_QUOTE:
        s->p++;
        string(s, false);
        t->literal = WEIR_LITERAL_STRING;
        weir_token_end(t, TOKEN_LITERAL, s);
        return;
    case CHAR_DOUBLE_QUOTE:
        s->p++;
        weir_scan_quoted(s, '"');
        weir_token_end(t, TOKEN_QUOTED, s);
        return;
    default:
        weir_scan_one_byte(s, t, TOKEN_BAD);
    }
}
