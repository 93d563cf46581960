/* COPY's binary format: a signature, flags and an extension; rows, each a count and fields with
 * their lengths; a count of -1 at the end. Fields are the types' binary formats, which cell.c and
 * param.c know. https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format". */
#include "compat/compat.h"
#include "compat/copy.h"

#define REFUSED WEIR_COMPAT_REFUSED

static const uint8_t signature[] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', '\0'};

#define HEADER_SIZE (sizeof(signature) + 8u)
#define WITH_OIDS 0x10000u /* of the flags; the upper half is what a reader must know */

int weir_copy_put_header(weir_buf *out)
{
    int r = weir_buf_append(out, weir_slice_make(signature, sizeof(signature)));
    if (r == 0)
        r = weir_buf_append_u32(out, 0);
    return r == 0 ? weir_buf_append_u32(out, 0) : r;
}

int weir_copy_put_count(weir_buf *out, size_t columns)
{
    int r = weir_buf_append_u8(out, (uint8_t)(columns >> 8));
    return r == 0 ? weir_buf_append_u8(out, (uint8_t)columns) : r;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int bad(const weir_copy_reader *r, weir_error *err, const char *words)
{
    weir_error_set(err, "22P04", "weir: %s", words);
    if (r->line > 0)
        weir_error_detail(err, "COPY, row %llu", (unsigned long long)r->line);
    return REFUSED;
}

/* MORE: it is not there as a whole. */
static int read_header(weir_copy_reader *r, weir_error *err)
{
    const uint8_t *at = r->pending.data + r->pos;
    size_t left = r->pending.len - r->pos;
    size_t known = left < sizeof(signature) ? left : sizeof(signature);
    if (known > 0 && memcmp(at, signature, known) != 0)
        return bad(r, err, "COPY file signature not recognized");
    if (left < HEADER_SIZE)
        return WEIR_COPY_MORE;
    uint32_t flags = read_u32(at + sizeof(signature));
    uint32_t extension = read_u32(at + sizeof(signature) + 4);
    if (flags & 0xffff0000u)
        return bad(r, err,
                   flags & WITH_OIDS ? "invalid COPY file header (WITH OIDS)"
                                     : "unrecognized critical flags in COPY file header");
    if (extension > INT32_MAX)
        return bad(r, err, "invalid COPY file header (wrong length)");
    if (left - HEADER_SIZE < extension)
        return WEIR_COPY_MORE;
    r->pos += HEADER_SIZE + extension;
    r->header_read = true;
    return 0;
}

/* One field at *at; moves behind it. */
static int read_field(weir_copy_reader *r, size_t *at, weir_error *err)
{
    if (r->pending.len - *at < 4)
        return WEIR_COPY_MORE;
    uint32_t len = read_u32(r->pending.data + *at);
    *at += 4;
    if (len == UINT32_MAX)
        return weir_copy_add_field(r, (weir_slice){0}, true);
    if (len > INT32_MAX)
        return bad(r, err, "invalid field size");
    if (r->pending.len - *at < len)
        return WEIR_COPY_MORE;
    weir_slice bytes = weir_slice_make(r->pending.data + *at, len);
    *at += len;
    return weir_copy_add_field(r, bytes, false);
}

/* A row is read when it is there as a whole: what of it was read before that is read again. */
static int read_row(weir_copy_reader *r, weir_error *err)
{
    size_t at = r->pos;
    if (r->pending.len - at < 2)
        return WEIR_COPY_MORE;
    unsigned count = (unsigned)r->pending.data[at] << 8 | r->pending.data[at + 1];
    at += 2;
    if (count == UINT16_MAX) {
        r->pos = at;
        r->ended = true;
        return WEIR_COPY_MORE;
    }
    weir_buf_clear(&r->fields);
    r->count = 0;
    int e = 0;
    for (unsigned i = 0; e == 0 && i < count; i++)
        e = read_field(r, &at, err);
    if (e != 0)
        return e;
    r->pos = at;
    r->line++;
    return 0;
}

int weir_copy_binary_next(weir_copy_reader *r, bool last, weir_error *err)
{
    int e = r->ended ? WEIR_COPY_MORE : 0;
    if (e == 0 && !r->header_read)
        e = read_header(r, err);
    if (e == 0)
        e = read_row(r, err);
    bool between = r->header_read && r->pos == r->pending.len; /* the end may be left out */
    if (e == WEIR_COPY_MORE && last && !r->ended && !between)
        return bad(r, err, "unexpected end of COPY data");
    return e;
}
