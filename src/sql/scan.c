/* Character tables and the parts of scanning that both dialects share. */
#include "sql/lex.h"

#define O CHAR_OTHER
#define S CHAR_SPACE
#define W CHAR_WORD
#define D CHAR_DIGIT
#define T CHAR_SELF
#define P CHAR_OPERATOR
#define W16 W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W

/* clang-format off */
const uint8_t weir_char_class[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, P, CHAR_DOUBLE_QUOTE, P, CHAR_DOLLAR, P, P, CHAR_QUOTE, /*  !"#$%&' */
    T, T, P, P, T, P, CHAR_DOT, P,                             /* ()*+,-./ */
    D, D, D, D, D, D, D, D, D, D, CHAR_COLON, T, P, P, P, P,
    P, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
    W, W, W, W, W, W, W, W, W, W, W, T, O, T, P, W,
    P, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
    W, W, W, W, W, W, W, W, W, W, W, O, P, O, P, O,
    W16, W16, W16, W16, W16, W16, W16, W16};
/* clang-format on */

#undef O
#undef S
#undef W
#undef D
#undef T
#undef P

#define SAME8(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define SAME32(n) SAME8(n), SAME8((n) + 8), SAME8((n) + 16), SAME8((n) + 24)

/* clang-format off */
const uint8_t weir_char_fold[256] = {
    ['$'] = '$', ['_'] = '_',
    ['0'] = SAME8('0'), '8', '9',
    ['A'] = SAME8('a'), SAME8('i'), SAME8('q'), 'y', 'z',
    ['a'] = SAME8('a'), SAME8('i'), SAME8('q'), 'y', 'z',
    [128] = SAME32(128), SAME32(160), SAME32(192), SAME32(224)};
/* clang-format on */

weir_token_type weir_char_token(uint8_t c)
{
    switch (c) {
    case '(':
        return TOKEN_OPEN;
    case ')':
        return TOKEN_CLOSE;
    case '[':
        return TOKEN_BRACKET_OPEN;
    case ']':
        return TOKEN_BRACKET_CLOSE;
    case ',':
        return TOKEN_COMMA;
    default:
        return TOKEN_SEMICOLON;
    }
}

void weir_scan_init(weir_scan *s, weir_dialect dialect, weir_slice text)
{
    static const uint8_t nothing[1];
    *s = (weir_scan){.p = text.data ? text.data : nothing, .dialect = dialect};
    s->end = s->p + text.len;
}

void weir_scan_next(weir_scan *s, weir_token *ret)
{
    if (s->dialect == WEIR_DIALECT_POSTGRES)
        weir_scan_postgres(s, ret);
    else
        weir_scan_sqlite(s, ret);
}

void weir_scan_word(weir_scan *s)
{
    const uint8_t *p = s->p, *end = s->end;
    while (p < end && weir_char_fold[*p])
        p++;
    s->p = p;
}

void weir_scan_quoted(weir_scan *s, uint8_t quote)
{
    for (;;) {
        const uint8_t *close = memchr(s->p, quote, (size_t)(s->end - s->p));
        if (!close) {
            s->p = s->end;
            s->unterminated = true;
            return;
        }
        s->p = close + 1;
        if (s->p == s->end || *s->p != quote)
            return;
        s->p++;
    }
}

void weir_scan_line_comment(weir_scan *s)
{
    const uint8_t *p = s->p;
    while (p < s->end && *p != '\n' && !(*p == '\r' && s->dialect == WEIR_DIALECT_POSTGRES))
        p++;
    s->p = p;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void digits(weir_scan *s)
{
    while (s->p < s->end && (is_digit(*s->p) || (*s->p == '_' && is_digit(weir_scan_at(s, 1)))))
        s->p++;
}

/* 0x1F, and PostgreSQL 16's 0o17 and 0b11: what follows is letters and digits of a word. */
static bool radix_prefix(const weir_scan *s)
{
    uint8_t letter = weir_scan_at(s, 1) | 0x20;
    return *s->p == '0' && (letter == 'x' || letter == 'o' || letter == 'b') &&
           weir_char_fold[weir_scan_at(s, 2)] != 0;
}

weir_literal_kind weir_scan_number(weir_scan *s)
{
    weir_literal_kind kind = WEIR_LITERAL_INTEGER;
    if (radix_prefix(s)) {
        weir_scan_word(s);
        return kind;
    }
    digits(s);
    /* "1..10" is a range of PL/pgSQL and two tokens here, as in PostgreSQL's scanner. */
    if (weir_scan_at(s, 0) == '.' && weir_scan_at(s, 1) != '.') {
        kind = WEIR_LITERAL_DECIMAL;
        s->p++;
        digits(s);
    }
    if ((weir_scan_at(s, 0) | 0x20) == 'e') {
        uint8_t sign = weir_scan_at(s, 1);
        size_t skip = sign == '+' || sign == '-' ? 2 : 1;
        if (is_digit(weir_scan_at(s, skip))) {
            kind = WEIR_LITERAL_DECIMAL;
            s->p += skip;
            digits(s);
        }
    }
    return kind;
}
