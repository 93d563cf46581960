/* A text's shape: the text with each plain number and string in it made one and the same. What has
 * the same shape has the same tokens in the same order but for the values of literals, and so the
 * same template: who remembers templates by shapes need not lex a text of a known one.
 *
 * Only texts are given a shape in which nothing can be hidden: no comment, quoted identifier,
 * dollar quote or parameter, escape, or prefixed string ('…' with a letter or & before it). A
 * number counts as plain where it is digits alone, with nothing beside them that could belong to
 * it; any other stays as written. A quote doubled inside a string looks like two strings side by
 * side, which no statement needs: such a text has no shape. (UESCAPE, whose character is no value,
 * wants a prefix before it, so that without one it is no SQL.) */
#include "sql/sql.h"

enum { NONE, WORD, DIGIT, QUOTE, SELF, MINUS, SLASH };

#define LETTERS(first, last) [(first)...(last)] = WORD

static const uint8_t classes[256] = {
    LETTERS('a', 'z'), LETTERS('A', 'Z'), LETTERS(0x80, 0xff), ['_'] = WORD, ['0' ... '9'] = DIGIT,
    ['\''] = QUOTE,    ['-'] = MINUS,     ['/'] = SLASH,       [' '] = SELF, ['\t'] = SELF,
    ['\n'] = SELF,     ['\r'] = SELF,     ['('] = SELF,        [')'] = SELF, ['['] = SELF,
    [']'] = SELF,      [','] = SELF,      [';'] = SELF,        ['.'] = SELF, [':'] = SELF,
    ['='] = SELF,      ['<'] = SELF,      ['>'] = SELF,        ['+'] = SELF, ['*'] = SELF,
    ['%'] = SELF,      ['!'] = SELF,      ['~'] = SELF,        ['^'] = SELF, ['|'] = SELF,
    ['&'] = SELF,
};

static bool is_word(uint8_t c)
{
    return classes[c] == WORD || classes[c] == DIGIT;
}

/* The end of the plain string at `p`; NULL: it is none. */
static const uint8_t *string_end(const uint8_t *start, const uint8_t *p, const uint8_t *end)
{
    if (p > start && (is_word(p[-1]) || p[-1] == '&' || p[-1] == '\''))
        return NULL;
    for (p++; p < end && *p != '\''; p++)
        if (*p == '\\')
            return NULL;
    return p < end ? p + 1 : NULL;
}

size_t weir_sql_shape(weir_slice text, uint8_t *out, size_t room)
{
    const uint8_t *start = text.data, *p = start, *end = start + text.len;
    uint8_t *o = out;
    if (text.len > room) /* a shape is never longer than its text */
        return 0;
    while (p < end) {
        const uint8_t *from = p;
        switch (classes[*p]) {
        case WORD:
            do
                *o++ = *p++;
            while (p < end && is_word(*p));
            break;
        case DIGIT:
            while (p < end && classes[*p] == DIGIT)
                p++;
            if ((from > start && from[-1] == '.') || (p < end && (is_word(*p) || *p == '.'))) {
                memcpy(o, from, (size_t)(p - from));
                o += p - from;
            } else {
                *o++ = '0';
            }
            break;
        case QUOTE:
            p = string_end(start, p, end);
            if (!p)
                return 0;
            *o++ = '\'';
            *o++ = '\'';
            break;
        case MINUS:
        case SLASH:
            if (end - p > 1 && p[1] == (*p == '-' ? '-' : '*'))
                return 0;
            *o++ = *p++;
            break;
        case SELF:
            *o++ = *p++;
            break;
        default:
            return 0;
        }
    }
    return (size_t)(o - out);
}
