/* Arrays as array_in and array_recv read them (utils/adt/arrayfuncs.c), the plain ones: bounds,
 * nesting and whatever is doubtful are not read. */
#include "sql/pg_array.h"
#include "base/ascii.h"

int weir_pg_array_open(weir_pg_array *a, weir_slice text)
{
    *a = (weir_pg_array){.rest = text};
    a->rest = weir_ascii_skip_space(a->rest);
    if (a->rest.len == 0 || a->rest.data[0] != '{')
        return WEIR_PG_ARRAY_BAD;
    a->rest = weir_slice_skip(a->rest, 1);
    return 0;
}

static uint32_t get_u32(weir_slice *s)
{
    uint32_t n = (uint32_t)s->data[0] << 24 | (uint32_t)s->data[1] << 16 |
                 (uint32_t)s->data[2] << 8 | s->data[3];
    *s = weir_slice_skip(*s, 4);
    return n;
}

/* Dimensions, "has NULLs", the elements' type; of each dimension its length and first index. */
int weir_pg_array_open_binary(weir_pg_array *a, weir_slice bytes)
{
    *a = (weir_pg_array){.rest = bytes, .binary = true};
    if (bytes.len < 12)
        return WEIR_PG_ARRAY_BAD;
    uint32_t dimensions = get_u32(&a->rest);
    uint32_t flags = get_u32(&a->rest);
    a->element = get_u32(&a->rest);
    if (dimensions == 0)
        return a->rest.len == 0 ? 0 : WEIR_PG_ARRAY_BAD;
    if (dimensions != 1 || flags > 1 || a->rest.len < 8)
        return WEIR_PG_ARRAY_BAD;
    a->left = get_u32(&a->rest);
    a->rest = weir_slice_skip(a->rest, 4);
    return a->left <= a->rest.len / 4 ? 0 : WEIR_PG_ARRAY_BAD;
}

static int next_binary(weir_pg_array *a, weir_slice *ret)
{
    if (a->left == 0)
        return a->rest.len == 0 ? 0 : WEIR_PG_ARRAY_BAD;
    a->left--;
    if (a->rest.len < 4)
        return WEIR_PG_ARRAY_BAD;
    uint32_t len = get_u32(&a->rest);
    if (len == UINT32_MAX)
        return WEIR_PG_ARRAY_NULL;
    if (len > a->rest.len)
        return WEIR_PG_ARRAY_BAD;
    *ret = weir_slice_head(a->rest, len);
    a->rest = weir_slice_skip(a->rest, len);
    return WEIR_PG_ARRAY_ELEMENT;
}

/* Behind the opening quote. */
static int quoted(weir_pg_array *a, uint8_t *buf, size_t room, weir_slice *ret)
{
    size_t n = 0;
    while (a->rest.len > 0) {
        uint8_t c = a->rest.data[0];
        a->rest = weir_slice_skip(a->rest, 1);
        if (c == '"') {
            *ret = weir_slice_make(buf, n);
            return WEIR_PG_ARRAY_ELEMENT;
        }
        if (c == '\\') {
            if (a->rest.len == 0)
                break;
            c = a->rest.data[0];
            a->rest = weir_slice_skip(a->rest, 1);
        }
        if (n == room)
            break;
        buf[n++] = c;
    }
    return WEIR_PG_ARRAY_BAD;
}

static int bare(weir_pg_array *a, weir_slice *ret)
{
    size_t n = 0;
    for (; n < a->rest.len && a->rest.data[n] != ',' && a->rest.data[n] != '}'; n++) {
        uint8_t c = a->rest.data[n];
        if (c == '"' || c == '\\' || c == '{')
            return WEIR_PG_ARRAY_BAD;
    }
    weir_slice text = weir_slice_head(a->rest, n);
    a->rest = weir_slice_skip(a->rest, n);
    while (text.len > 0 && weir_ascii_is_space(text.data[text.len - 1]))
        text = weir_slice_head(text, text.len - 1);
    if (text.len == 0)
        return WEIR_PG_ARRAY_BAD;
    *ret = text;
    return weir_slice_eq_nocase(text, "null") ? WEIR_PG_ARRAY_NULL : WEIR_PG_ARRAY_ELEMENT;
}

static int end(weir_pg_array *a)
{
    a->closed = true;
    a->rest = weir_slice_skip(a->rest, 1);
    a->rest = weir_ascii_skip_space(a->rest);
    return a->rest.len == 0 ? 0 : WEIR_PG_ARRAY_BAD;
}

int weir_pg_array_next(weir_pg_array *a, uint8_t *buf, size_t room, weir_slice *ret)
{
    if (a->binary)
        return next_binary(a, ret);
    a->rest = weir_ascii_skip_space(a->rest);
    if (a->closed)
        return 0;
    if (a->rest.len == 0)
        return WEIR_PG_ARRAY_BAD;
    if (a->rest.data[0] == '}')
        return end(a);
    if (a->begun) {
        if (a->rest.data[0] != ',')
            return WEIR_PG_ARRAY_BAD;
        a->rest = weir_slice_skip(a->rest, 1);
        a->rest = weir_ascii_skip_space(a->rest);
    }
    a->begun = true;
    if (a->rest.len == 0)
        return WEIR_PG_ARRAY_BAD;
    if (a->rest.data[0] != '"')
        return bare(a, ret);
    a->rest = weir_slice_skip(a->rest, 1);
    return quoted(a, buf, room, ret);
}
