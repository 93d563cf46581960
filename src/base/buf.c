/* Growing byte buffers. Invariant: len <= cap <= size_max, and the block is one byte longer than
 * cap: the place of the zero that vsnprintf writes behind its text. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_FIRST 63 /* with the byte behind it, a round block */

void weir_buf_init(weir_buf *buf, size_t size_max)
{
    *buf = (weir_buf){.size_max = size_max};
}

void weir_buf_fini(weir_buf *buf)
{
    free(buf->data);
    *buf = (weir_buf){.size_max = buf->size_max};
}

/* At least `need`, doubling, at most `size_max`. */
static size_t next_cap(size_t cap, size_t need, size_t size_max)
{
    size_t next = cap < CAP_FIRST ? CAP_FIRST : cap;
    while (next < need)
        next = next > SIZE_MAX / 2 - 1 ? need : next * 2 + 1;
    return next < size_max ? next : size_max;
}

int weir_buf_reserve(weir_buf *buf, size_t extra)
{
    assert(buf->len <= buf->cap);
    if (extra <= buf->cap - buf->len)
        return 0;
    if (buf->len > buf->size_max || extra > buf->size_max - buf->len)
        return -EMSGSIZE;
    size_t cap = next_cap(buf->cap, buf->len + extra, buf->size_max);
    if (cap == SIZE_MAX)
        return -ENOMEM;
    uint8_t *data = realloc(buf->data, cap + 1);
    if (!data)
        return -ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int weir_buf_append(weir_buf *buf, weir_slice bytes)
{
    int r = weir_buf_reserve(buf, bytes.len);
    if (r < 0 || bytes.len == 0)
        return r;
    memcpy(buf->data + buf->len, bytes.data, bytes.len);
    buf->len += bytes.len;
    return 0;
}

static int append_big_endian(weir_buf *buf, uint64_t v, size_t size)
{
    int r = weir_buf_reserve(buf, size);
    if (r < 0)
        return r;
    for (size_t i = size; i > 0; i--, v >>= 8)
        buf->data[buf->len + i - 1] = (uint8_t)v;
    buf->len += size;
    return 0;
}

int weir_buf_append_u8(weir_buf *buf, uint8_t v)
{
    return append_big_endian(buf, v, sizeof(v));
}

int weir_buf_append_u16(weir_buf *buf, uint16_t v)
{
    return append_big_endian(buf, v, sizeof(v));
}

int weir_buf_append_u32(weir_buf *buf, uint32_t v)
{
    return append_big_endian(buf, v, sizeof(v));
}

int weir_buf_append_u64(weir_buf *buf, uint64_t v)
{
    return append_big_endian(buf, v, sizeof(v));
}

int weir_buf_append_cstr(weir_buf *buf, const char *text)
{
    return weir_buf_append(buf, weir_slice_make(text, strlen(text) + 1));
}

int weir_buf_printf(weir_buf *buf, const char *fmt, ...)
{
    /* First into the room that is there; the length is then known for a second go. */
    size_t room = buf->data ? buf->cap - buf->len + 1 : 0;
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(room ? (char *)buf->data + buf->len : NULL, room, fmt, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    if ((size_t)len >= room && len > 0) {
        int r = weir_buf_reserve(buf, (size_t)len);
        if (r < 0)
            return r;
        va_start(args, fmt);
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    buf->len += (size_t)len;
    return 0;
}

void weir_buf_consume(weir_buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n == 0)
        return;
    buf->len -= n;
    memmove(buf->data, buf->data + n, buf->len);
}
