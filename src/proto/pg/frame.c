/* Frames (type, length, body) and the reader over a body.
 *
 * Invariants: whether a frame is complete is known from its first five bytes and the number of
 * bytes at hand; a reader never looks outside its body, and once it failed it stays failed. */
#include "proto/pg/wire.h"

#define HEAD_SIZE 5u

int weir_pg_frame_head(weir_slice in, size_t body_max, uint8_t *ret_type, size_t *ret_size)
{
    if (in.len < HEAD_SIZE)
        return WEIR_PG_MORE;
    uint32_t length = weir_pg_load_u32(in.data + 1); /* counts itself, not the type */
    if (length < 4)
        return -EPROTO;
    if (length - 4 > body_max || length - 4 > WEIR_PG_MESSAGE_SIZE_MAX)
        return -EMSGSIZE;
    *ret_type = in.data[0];
    *ret_size = (size_t)length + 1;
    return 0;
}

int weir_pg_frame_next(weir_slice in, size_t body_max, weir_pg_frame *ret)
{
    uint8_t type;
    size_t size;
    int r = weir_pg_frame_head(in, body_max, &type, &size);
    if (r != 0)
        return r;
    if (in.len < size)
        return WEIR_PG_MORE;
    ret->type = type;
    ret->whole = weir_slice_head(in, size);
    ret->body = weir_slice_skip(ret->whole, HEAD_SIZE);
    return 0;
}

bool weir_pg_is_frontend_type(uint8_t type)
{
    static const char types[256] = {
        ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['H'] = 1, ['P'] = 1,
        ['p'] = 1, ['Q'] = 1, ['S'] = 1, ['X'] = 1, ['d'] = 1, ['c'] = 1, ['f'] = 1};
    return types[type];
}

bool weir_pg_is_backend_type(uint8_t type)
{
    return type != 0 && strchr("RK23CWGHDIEVvnNAtS1sZTdc", type) != NULL;
}

/* `len` bytes, or a failed reader and NULL. */
static const uint8_t *take(weir_pg_reader *r, size_t len)
{
    if (!r->ok || len > r->rest.len) {
        r->ok = false;
        return NULL;
    }
    const uint8_t *at = r->rest.data;
    r->rest = weir_slice_skip(r->rest, len);
    return at;
}

uint8_t weir_pg_read_u8(weir_pg_reader *r)
{
    const uint8_t *at = take(r, 1);
    return at ? *at : 0;
}

uint16_t weir_pg_read_u16(weir_pg_reader *r)
{
    const uint8_t *at = take(r, 2);
    return at ? weir_pg_load_u16(at) : 0;
}

uint32_t weir_pg_read_u32(weir_pg_reader *r)
{
    const uint8_t *at = take(r, 4);
    return at ? weir_pg_load_u32(at) : 0;
}

weir_slice weir_pg_read_cstr(weir_pg_reader *r)
{
    const uint8_t *zero = r->ok && r->rest.len > 0 ? memchr(r->rest.data, 0, r->rest.len) : NULL;
    if (!zero) {
        r->ok = false;
        return (weir_slice){0};
    }
    weir_slice text = weir_slice_head(r->rest, (size_t)(zero - r->rest.data));
    r->rest = weir_slice_skip(r->rest, text.len + 1);
    return text;
}

weir_slice weir_pg_read_bytes(weir_pg_reader *r, size_t len)
{
    const uint8_t *at = take(r, len);
    return at ? weir_slice_make(at, len) : (weir_slice){0};
}

weir_slice weir_pg_read_rest(weir_pg_reader *r)
{
    return weir_pg_read_bytes(r, r->rest.len);
}

int weir_pg_reader_end(const weir_pg_reader *r)
{
    return r->ok && r->rest.len == 0 ? 0 : -EPROTO;
}
