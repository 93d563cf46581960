/* SQLite's tokens, after its src/tokenize.c: comments do not nest, strings have no escapes but '',
 * identifiers may be quoted in four ways, parameters have names. */
#include "sql/lex.h"

/* An unfinished comment runs to the end of the text; SQLite accepts that. */
static void block_comment(weir_scan *s)
{
    s->p += 2;
    const uint8_t *close = memmem(s->p, (size_t)(s->end - s->p), "*/", 2);
    s->unterminated = s->unterminated || !close;
    s->p = close ? close + 2 : s->end;
}

static bool byte_order_mark(const weir_scan *s)
{
    return s->end - s->p >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0;
}

static void skip_space(weir_scan *s)
{
    while (s->p < s->end) {
        uint8_t c = *s->p;
        if (weir_char_class[c] == CHAR_SPACE && c != '\v') {
            s->p++;
        } else if (c == '-' && weir_scan_at(s, 1) == '-') {
            s->p += 2;
            weir_scan_line_comment(s);
        } else if (c == '/' && weir_scan_at(s, 1) == '*') {
            block_comment(s);
        } else if (byte_order_mark(s)) {
            s->p += 3;
        } else {
            return;
        }
    }
}

static void quoted(weir_scan *s, weir_token *t, uint8_t close, weir_token_type type)
{
    s->p++;
    weir_scan_quoted(s, close);
    weir_token_end(t, type, s);
}

/* [a]: no way to write a "]" inside. */
static void bracketed(weir_scan *s, weir_token *t)
{
    const uint8_t *close = memchr(s->p, ']', (size_t)(s->end - s->p));
    s->unterminated = s->unterminated || !close;
    s->p = close ? close + 1 : s->end;
    weir_token_end(t, TOKEN_QUOTED, s);
}

/* Behind the name's first byte; Tcl's $a::b(c) too. */
static void variable(weir_scan *s, weir_token *t)
{
    const uint8_t *start = ++s->p;
    for (;;) {
        weir_scan_word(s);
        if (weir_scan_at(s, 0) != ':' || weir_scan_at(s, 1) != ':')
            break;
        s->p += 2;
    }
    if (s->p > start && weir_scan_at(s, 0) == '(') {
        while (s->p < s->end && *s->p != ')' && weir_char_class[*s->p] != CHAR_SPACE)
            s->p++;
        s->p += weir_scan_at(s, 0) == ')';
    }
    t->literal = WEIR_LITERAL_PARAM;
    weir_token_end(t, s->p > start ? TOKEN_LITERAL : TOKEN_BAD, s);
}

static void numbered(weir_scan *s, weir_token *t)
{
    for (s->p++; s->p < s->end && weir_char_class[*s->p] == CHAR_DIGIT;)
        s->p++;
    t->literal = WEIR_LITERAL_PARAM;
    weir_token_end(t, TOKEN_LITERAL, s);
}

static void operator_token(weir_scan *s, weir_token *t)
{
    static const char *const several[] = {"->>", "->", "==", "<=", "<>",
                                          "<<",  ">=", ">>", "!=", "||"};
    size_t left = (size_t)(s->end - s->p), n = 1;
    for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
        size_t len = strlen(several[i]);
        if (len <= left && memcmp(s->p, several[i], len) == 0) {
            n = len;
            break;
        }
    }
    weir_token_type type = strchr("!^", *s->p) && n == 1 ? TOKEN_BAD : TOKEN_OPERATOR;
    s->p += n;
    weir_token_end(t, type, s);
}

static void operator_or_name(weir_scan *s, weir_token *t)
{
    switch (*s->p) {
    case '`':
        quoted(s, t, '`', TOKEN_QUOTED);
        return;
    case '?':
        numbered(s, t);
        return;
    case '@':
    case '#':
        variable(s, t);
        return;
    default:
        operator_token(s, t);
    }
}

static void number(weir_scan *s, weir_token *t)
{
    t->literal = weir_scan_number(s);
    weir_token_end(t, TOKEN_LITERAL, s);
}

static void word(weir_scan *s, weir_token *t)
{
    if ((*s->p | 0x20) == 'x' && weir_scan_at(s, 1) == '\'') {
        s->p++;
        t->literal = WEIR_LITERAL_BITS;
        quoted(s, t, '\'', TOKEN_LITERAL);
        return;
    }
    weir_scan_word(s);
    weir_token_end(t, TOKEN_WORD, s);
}

void weir_scan_sqlite(weir_scan *s, weir_token *t)
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
        word(s, t);
        return;
    case CHAR_DIGIT:
        number(s, t);
        return;
    case CHAR_SELF:
        if (*s->p == '[')
            bracketed(s, t);
        else
            weir_scan_one_byte(s, t, *s->p == ']' ? TOKEN_BAD : weir_char_token(*s->p));
        return;
    case CHAR_OPERATOR:
        operator_or_name(s, t);
        return;
    case CHAR_DOT:
        if (weir_char_class[weir_scan_at(s, 1)] == CHAR_DIGIT)
            number(s, t);
        else
            weir_scan_one_byte(s, t, TOKEN_DOT);
        return;
    case CHAR_COLON:
    case CHAR_DOLLAR:
        variable(s, t);
        return;
    case CHAR_QUOTE:
        t->literal = WEIR_LITERAL_STRING;
        quoted(s, t, '\'', TOKEN_LITERAL);
        return;
    case CHAR_DOUBLE_QUOTE:
        quoted(s, t, '"', TOKEN_QUOTED);
        return;
    default:
        weir_scan_one_byte(s, t, TOKEN_BAD);
    }
}
