/* The lines of COPY FROM as rows. Bytes come in pieces of any size; a line ends at a line feed that
 * is neither escaped (text) nor in quotes (CSV), and is read once it is there as a whole. */
#include "compat/compat.h"
#include "compat/copy.h"
#include <stdlib.h>

#define REFUSED WEIR_COMPAT_REFUSED
#define CONSUME_SIZE 65536u

void weir_copy_reader_init(weir_copy_reader *r, const weir_copy *copy, size_t size_max)
{
    *r = (weir_copy_reader){.copy = copy};
    weir_buf_init(&r->pending, size_max);
    weir_buf_init(&r->fields, size_max);
}

void weir_copy_reader_fini(weir_copy_reader *r)
{
    weir_buf_fini(&r->pending);
    weir_buf_fini(&r->fields);
    free(r->items);
}

int weir_copy_feed(weir_copy_reader *r, weir_slice bytes)
{
    if (r->pos >= CONSUME_SIZE || r->pos == r->pending.len) {
        weir_buf_consume(&r->pending, r->pos);
        r->scanned -= r->pos;
        r->pos = 0;
    }
    return r->ended ? 0 : weir_buf_append(&r->pending, bytes);
}

static int bad(weir_copy_reader *r, weir_error *err, const char *words)
{
    weir_error_set(err, "22P04", "weir: %s", words);
    weir_error_detail(err, "COPY, line %llu", (unsigned long long)r->line);
    return REFUSED;
}

/* ---- where a line ends ---- */

/* *ret: the line without its end; false: it has none yet. */
static bool next_line(weir_copy_reader *r, bool last, weir_slice *ret)
{
    const weir_copy *c = r->copy;
    const uint8_t *d = r->pending.data;
    size_t len = r->pending.len;
    for (size_t i = r->scanned; i < len; i++) {
        i += weir_copy_plain(c, weir_slice_make(d + i, len - i), WEIR_COPY_STOP_LINES);
        r->scanned = i;
        if (i == len)
            break;
        if (c->csv && r->in_quotes && d[i] == c->escape && c->escape != c->quote) {
            if (i + 1 == len && !last)
                return false;
            i++;
        } else if (c->csv && d[i] == c->quote) {
            r->in_quotes = !r->in_quotes;
        } else if (!c->csv && d[i] == '\\') {
            if (i + 1 == len && !last)
                return false;
            i++;
        } else if (d[i] == '\n' && !r->in_quotes) {
            *ret = weir_slice_make(d + r->pos, i - r->pos);
            r->pos = r->scanned = i + 1;
            return true;
        }
        r->scanned = i + 1;
    }
    r->scanned = r->scanned > len ? len : r->scanned;
    if (!last || r->pos == len)
        return false;
    *ret = weir_slice_make(d + r->pos, len - r->pos);
    r->pos = r->scanned = len;
    return true;
}

/* ---- a line's fields ---- */

static int begin_field(weir_copy_reader *r)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        weir_copy_field *items = realloc(r->items, cap * sizeof(*items));
        if (!items)
            return -ENOMEM;
        r->items = items;
        r->cap = cap;
    }
    r->items[r->count++] = (weir_copy_field){.offset = r->fields.len};
    return 0;
}

int weir_copy_add_field(weir_copy_reader *r, weir_slice bytes, bool null)
{
    int e = begin_field(r);
    if (e == 0)
        e = weir_buf_append(&r->fields, bytes);
    if (e == 0) {
        r->items[r->count - 1].len = bytes.len;
        r->items[r->count - 1].null = null;
    }
    return e;
}

static void end_field(weir_copy_reader *r, weir_slice written, bool quoted)
{
    weir_copy_field *f = &r->items[r->count - 1];
    f->len = r->fields.len - f->offset;
    f->null = !quoted && weir_slice_eq_cstr(written, r->copy->null);
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash at line[*i]; moves to the escape's last byte. */
static uint8_t unescape(weir_slice line, size_t *i)
{
    static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
    uint8_t c = line.data[*i];
    const char *known = c ? strchr(from, c) : NULL;
    if (known)
        return (uint8_t)to[known - from];
    if (c == 'x' && *i + 1 < line.len && hex_of(line.data[*i + 1]) >= 0) {
        int v = hex_of(line.data[++*i]);
        if (*i + 1 < line.len && hex_of(line.data[*i + 1]) >= 0)
            v = v * 16 + hex_of(line.data[++*i]);
        return (uint8_t)v;
    }
    if (c < '0' || c > '7')
        return c;
    int v = c - '0';
    for (int n = 0;
         n < 2 && *i + 1 < line.len && line.data[*i + 1] >= '0' && line.data[*i + 1] <= '7'; n++)
        v = v * 8 + line.data[++*i] - '0';
    return (uint8_t)v;
}

/* Moves to the next byte that is not one of a value's own, or to the end. */
static int take_plain(weir_copy_reader *r, weir_slice line, size_t *i)
{
    weir_slice rest = weir_slice_skip(line, *i);
    size_t n = weir_copy_plain(r->copy, rest, WEIR_COPY_STOP_IN);
    *i += n;
    return weir_buf_append(&r->fields, weir_slice_head(rest, n));
}

static int read_text(weir_copy_reader *r, weir_slice line)
{
    size_t from = 0;
    int e = begin_field(r);
    for (size_t i = 0; e == 0 && i < line.len; i++) {
        e = take_plain(r, line, &i);
        if (e < 0 || i == line.len)
            break;
        uint8_t c = line.data[i];
        if (c == r->copy->delimiter) {
            end_field(r, weir_slice_make(line.data + from, i - from), false);
            e = begin_field(r);
            from = i + 1;
        } else if (c == '\\' && i + 1 < line.len) {
            i++;
            e = weir_buf_append_u8(&r->fields, unescape(line, &i));
        } else {
            e = weir_buf_append_u8(&r->fields, c);
        }
    }
    if (e == 0)
        end_field(r, weir_slice_make(line.data + from, line.len - from), false);
    return e;
}

static int read_csv(weir_copy_reader *r, weir_slice line, weir_error *err)
{
    const weir_copy *c = r->copy;
    bool inside = false, quoted = false;
    size_t from = 0;
    int e = begin_field(r);
    for (size_t i = 0; e == 0 && i < line.len; i++) {
        e = take_plain(r, line, &i);
        if (e < 0 || i == line.len)
            break;
        uint8_t b = line.data[i];
        bool escapes = inside && b == c->escape && i + 1 < line.len &&
                       (line.data[i + 1] == c->quote || line.data[i + 1] == c->escape);
        if (escapes) {
            e = weir_buf_append_u8(&r->fields, line.data[++i]);
        } else if (b == c->quote) {
            inside = !inside;
            quoted = true;
        } else if (b == c->delimiter && !inside) {
            end_field(r, weir_slice_make(line.data + from, i - from), quoted);
            e = begin_field(r);
            from = i + 1;
            quoted = false;
        } else {
            e = weir_buf_append_u8(&r->fields, b);
        }
    }
    if (e == 0)
        end_field(r, weir_slice_make(line.data + from, line.len - from), quoted);
    return e == 0 && inside ? bad(r, err, "unterminated CSV quoted field") : e;
}

int weir_copy_next(weir_copy_reader *r, bool last, weir_error *err)
{
    weir_slice line;
    if (r->copy->binary)
        return weir_copy_binary_next(r, last, err);
    while (!r->ended && next_line(r, last, &line)) {
        r->line++;
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        if (r->copy->header && !r->header_read) {
            r->header_read = true;
            continue;
        }
        if (weir_slice_eq_cstr(line, "\\.")) {
            r->ended = true;
            break;
        }
        weir_buf_clear(&r->fields);
        r->count = 0;
        return r->copy->csv ? read_csv(r, line, err) : read_text(r, line);
    }
    if (last && r->in_quotes)
        return bad(r, err, "unterminated CSV quoted field");
    return WEIR_COPY_MORE;
}
