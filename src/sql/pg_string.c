/* A PostgreSQL string constant's value, where it is plain; and the words in it that mean the
 * present to the input of dates and times. */
#include "base/ascii.h"
#include "sql/pg_values.h"

/* The byte that \c stands for; 0: not one of the plain escapes. */
static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '\\':
    case '\'':
        return c;
    default:
        return 0;
    }
}

/* What stands between the quotes; a quote alone would mean 'a' <newline> 'b'. */
static bool unescape(weir_slice inside, uint8_t *buf, size_t room, weir_slice *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < inside.len; i++) {
        uint8_t c = inside.data[i];
        if (c == '\'' || c == '\\') {
            if (++i == inside.len || (c == '\'' && inside.data[i] != '\''))
                return false;
            c = c == '\'' ? c : escaped(inside.data[i]);
            if (c == 0)
                return false;
        }
        if (n == room)
            return false;
        buf[n++] = c;
    }
    *ret = weir_slice_make(buf, n);
    return true;
}

static bool dollar_quoted(weir_slice text, weir_slice *ret)
{
    const uint8_t *close = memchr(text.data + 1, '$', text.len - 1);
    size_t n = close ? (size_t)(close - text.data) + 1 : 0;
    if (n == 0 || text.len < 2 * n)
        return false;
    *ret = weir_slice_make(text.data + n, text.len - 2 * n);
    return true;
}

bool weir_pg_string_read(weir_slice text, uint8_t *buf, size_t room, weir_slice *ret)
{
    if (text.len > 1 && text.data[0] == '$')
        return dollar_quoted(text, ret);
    bool escapes = text.len > 0 && (text.data[0] == 'E' || text.data[0] == 'e');
    if (escapes)
        text = weir_slice_skip(text, 1);
    if (text.len < 2 || text.data[0] != '\'' || text.data[text.len - 1] != '\'')
        return false;
    weir_slice inside = weir_slice_make(text.data + 1, text.len - 2);
    bool backslash = inside.len > 0 && memchr(inside.data, '\\', inside.len);
    /* A backslash in '…' is one only with standard_conforming_strings on. */
    if (backslash && !escapes)
        return false;
    if (!backslash && (inside.len == 0 || !memchr(inside.data, '\'', inside.len))) {
        *ret = inside;
        return true;
    }
    return unescape(inside, buf, room, ret);
}

static bool is_letter(uint8_t c)
{
    c = weir_ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

/* As ParseDateTime (utils/adt/datetime.c) cuts a text: words are runs of letters. */
bool weir_pg_text_tells_time(weir_slice text)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        while (i < text.len && is_letter(text.data[i]))
            i++;
        weir_slice word = weir_slice_make(text.data + start, i - start);
        for (size_t k = 0; word.len > 0 && k < sizeof(words) / sizeof(words[0]); k++) {
            if (weir_slice_eq_nocase(word, words[k]))
                return true;
        }
        i += i == start;
    }
    return false;
}
