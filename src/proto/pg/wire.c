/* Writing messages: the type, a length filled in at the end, and fields between them.
 *
 * Invariant: between begin and end nobody else appends to the buffer; a failed message leaves no
 * byte behind. */
#include "proto/pg/wire.h"

uint16_t weir_pg_load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t weir_pg_load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void weir_pg_store_u32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 24);
    at[1] = (uint8_t)(v >> 16);
    at[2] = (uint8_t)(v >> 8);
    at[3] = (uint8_t)v;
}

weir_pg_writer weir_pg_begin(weir_buf *out, uint8_t type)
{
    weir_pg_writer w = {.out = out, .mark = out->len};
    if (type != 0)
        weir_pg_put_u8(&w, type);
    w.length = out->len;
    weir_pg_put_u32(&w, 0);
    return w;
}

void weir_pg_put_u8(weir_pg_writer *w, uint8_t v)
{
    if (w->err == 0)
        w->err = weir_buf_append_u8(w->out, v);
}

void weir_pg_put_u16(weir_pg_writer *w, uint16_t v)
{
    if (w->err == 0)
        w->err = weir_buf_append_u16(w->out, v);
}

void weir_pg_put_u32(weir_pg_writer *w, uint32_t v)
{
    if (w->err == 0)
        w->err = weir_buf_append_u32(w->out, v);
}

void weir_pg_put_bytes(weir_pg_writer *w, weir_slice bytes)
{
    if (w->err == 0 && bytes.len > 0)
        w->err = weir_buf_append(w->out, bytes);
}

void weir_pg_put_cstr(weir_pg_writer *w, weir_slice text)
{
    if (w->err == 0 && text.len > 0 && memchr(text.data, 0, text.len))
        w->err = -EINVAL;
    weir_pg_put_bytes(w, text);
    weir_pg_put_u8(w, 0);
}

void weir_pg_put_count(weir_pg_writer *w, size_t count)
{
    if (w->err == 0 && count > UINT16_MAX)
        w->err = -EMSGSIZE;
    weir_pg_put_u16(w, (uint16_t)count);
}

int weir_pg_end(weir_pg_writer *w)
{
    size_t size = w->out->len - w->length;
    if (w->err == 0 && size > (size_t)WEIR_PG_MESSAGE_SIZE_MAX + 4)
        w->err = -EMSGSIZE;
    if (w->err != 0) {
        w->out->len = w->mark;
        return w->err;
    }
    weir_pg_store_u32(w->out->data + w->length, (uint32_t)size);
    return 0;
}
