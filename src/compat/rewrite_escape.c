/* E'…': the escapes of PostgreSQL's lexer (its documentation, 4.1.2.2): \b \f \n \r \t, octal and
 * hexadecimal bytes, \u and \U with code points, pairs of surrogates among them. Another character
 * behind a backslash stands for itself. */
#include "compat/rewriter.h"

typedef struct escape {
    weir_slice left;
    uint32_t high; /* a first surrogate that waits for its second; 0 */
} escape;

static bool digit(weir_slice s, unsigned base, unsigned *ret)
{
    if (s.len == 0)
        return false;
    uint8_t c = weir_ascii_lower(s.data[0]);
    unsigned v = base;
    if (c >= '0' && c <= '9')
        v = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        v = (unsigned)(c - 'a') + 10;
    *ret = v;
    return v < base;
}

/* Up to `most` digits; returns how many. */
static unsigned take_number(escape *e, unsigned base, unsigned most, uint32_t *ret)
{
    unsigned n = 0, v;
    for (*ret = 0; n < most && digit(e->left, base, &v); n++) {
        *ret = *ret * base + v;
        e->left = weir_slice_skip(e->left, 1);
    }
    return n;
}

static int fail(rewriter *w, const char *state, const char *what)
{
    weir_error_set(w->err, state, "%s", what);
    return -ECANCELED;
}

static int put_code(rewriter *w, uint32_t code)
{
    uint8_t bytes[4] = {0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 0; code >>= 6)
        bytes[i] = (uint8_t)(i == 0 ? marks[n] | code : 0x80 | (code & 0x3F));
    int r = bytes[0] == '\'' ? weir_buf_append_u8(w->out, '\'') : 0;
    return r == 0 ? weir_buf_append(w->out, weir_slice_make(bytes, n)) : r;
}

/* \uXXXX, \UXXXXXXXX */
static int put_unicode(rewriter *w, escape *e, unsigned digits)
{
    uint32_t code;
    if (take_number(e, 16, digits, &code) != digits)
        return fail(w, "22025", "invalid Unicode escape");
    bool first = code >= 0xD800 && code < 0xDC00, second = code >= 0xDC00 && code < 0xE000;
    if (second != (e->high != 0) || (first && e->high))
        return fail(w, "42601", "invalid Unicode surrogate pair");
    if (first) {
        e->high = code;
        return 0;
    }
    if (second)
        code = 0x10000 + ((e->high - 0xD800) << 10) + (code - 0xDC00);
    e->high = 0;
    if (code == 0 || code > 0x10FFFF)
        return fail(w, "42601", "invalid Unicode escape value");
    return put_code(w, code);
}

static int put_byte(rewriter *w, uint32_t byte)
{
    if (byte == 0 || byte > 0xFF)
        return fail(w, "22021", "invalid byte sequence for encoding \"UTF8\": 0x00");
    int r = byte == '\'' ? weir_buf_append_u8(w->out, '\'') : 0;
    return r == 0 ? weir_buf_append_u8(w->out, (uint8_t)byte) : r;
}

/* Behind a backslash. */
static int put_one(rewriter *w, escape *e)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    uint32_t number;
    uint8_t c = e->left.data[0];
    if (take_number(e, 8, 3, &number) > 0)
        return put_byte(w, number & 0xFF);
    e->left = weir_slice_skip(e->left, 1);
    if (c == 'u' || c == 'U')
        return put_unicode(w, e, c == 'u' ? 4 : 8);
    if (c == 'x' && take_number(e, 16, 2, &number) > 0)
        return put_byte(w, number);
    const char *known = c ? strchr(from, c) : NULL;
    return put_byte(w, known ? (uint8_t)to[known - from] : c);
}

int rewriter_escaped(rewriter *w, weir_slice inside)
{
    escape e = {.left = inside};
    int r = weir_buf_append_u8(w->out, '\'');
    while (r == 0 && e.left.len > 0) {
        uint8_t c = e.left.data[0];
        bool goes_on = c == '\\' && e.left.len > 1;
        e.left = weir_slice_skip(e.left, 1);
        if (e.high && !(goes_on && (e.left.data[0] | 0x20) == 'u'))
            r = fail(w, "42601", "invalid Unicode surrogate pair");
        else
            r = goes_on ? put_one(w, &e) : weir_buf_append_u8(w->out, c);
    }
    if (r == 0 && e.high)
        r = fail(w, "42601", "invalid Unicode surrogate pair");
    return r == 0 ? weir_buf_append_u8(w->out, '\'') : r;
}
