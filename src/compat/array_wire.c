/* Arrays in the protocol's binary format: dimensions, a flag for nulls, the element's type, then
 * for each dimension its length and lower bound, then the elements, each behind its length
 * (array_send, array_recv). Inside they are texts (array.c). */
#include "compat/array.h"
#include "compat/values.h"

#define REFUSED WEIR_COMPAT_REFUSED
#define ELEMENTS_MAX 1000000u

static const struct {
    uint32_t array, element;
} arrays[] = {
    {1000, WEIR_OID_BOOL},
    {1001, WEIR_OID_BYTEA},
    {1002, WEIR_OID_CHAR},
    {1003, WEIR_OID_NAME},
    {1005, WEIR_OID_INT2},
    {1007, WEIR_OID_INT4},
    {1009, WEIR_OID_TEXT},
    {1014, WEIR_OID_BPCHAR},
    {1015, WEIR_OID_VARCHAR},
    {1016, WEIR_OID_INT8},
    {1021, WEIR_OID_FLOAT4},
    {1022, WEIR_OID_FLOAT8},
    {1028, WEIR_OID_OID},
    {1115, WEIR_OID_TIMESTAMP},
    {1182, WEIR_OID_DATE},
    {1183, WEIR_OID_TIME},
    {1185, WEIR_OID_TIMESTAMPTZ},
    {1231, WEIR_OID_NUMERIC},
    {2951, WEIR_OID_UUID},
    {199, WEIR_OID_JSON},
    {3807, WEIR_OID_JSONB},
    {22, WEIR_OID_INT2} /* int2vector */,
    {30, WEIR_OID_OID} /* oidvector */,
};

uint32_t weir_array_element_oid(uint32_t array)
{
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        if (arrays[i].array == array)
            return arrays[i].element;
    return 0;
}

uint32_t weir_compat_array_oid(uint32_t element)
{
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        if (arrays[i].element == element)
            return arrays[i].array;
    return 0;
}

/* ---- reading ---- */

static bool take_u32(weir_slice *in, uint32_t *ret)
{
    if (in->len < 4)
        return false;
    *ret = (uint32_t)in->data[0] << 24 | (uint32_t)in->data[1] << 16 | (uint32_t)in->data[2] << 8 |
           in->data[3];
    *in = weir_slice_skip(*in, 4);
    return true;
}

static int put_value(weir_buf *out, const weir_compat_value *v)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    switch (v->type) {
    case WEIR_COMPAT_INTEGER:
        return weir_buf_printf(out, "%lld", (long long)v->integer);
    case WEIR_COMPAT_REAL:
        return weir_buf_append(out, weir_slice_make(text, weir_number_format(v->real, text)));
    case WEIR_COMPAT_TEXT:
        return weir_array_put_text(out, v->bytes);
    default:
        return REFUSED;
    }
}

static int take_element(weir_slice *in, uint32_t oid, weir_buf *scratch, weir_buf *out,
                        weir_error *err)
{
    uint32_t len = 0;
    size_t offset = 0;
    weir_compat_value v = {.type = WEIR_COMPAT_NULL};
    if (!take_u32(in, &len))
        return REFUSED;
    if (len == UINT32_MAX)
        return weir_buf_append(out, WEIR_SLICE_LIT("NULL"));
    if (len > in->len)
        return REFUSED;
    weir_buf_clear(scratch);
    int r = weir_compat_param_read(oid, 1, weir_slice_head(*in, len), scratch, &v, &offset, err);
    if (r == 0 && offset != SIZE_MAX)
        v.bytes.data = scratch->data + offset;
    *in = weir_slice_skip(*in, len);
    return r == 0 ? put_value(out, &v) : r;
}

int weir_array_decode(weir_slice in, weir_buf *out, weir_error *err)
{
    uint32_t dimensions = 0, nulls = 0, oid = 0, count = 0, lower = 0;
    if (!take_u32(&in, &dimensions) || !take_u32(&in, &nulls) || !take_u32(&in, &oid))
        return REFUSED;
    if (dimensions == 0)
        return weir_buf_append(out, WEIR_SLICE_LIT("{}"));
    if (dimensions != 1 || !take_u32(&in, &count) || !take_u32(&in, &lower) || count > ELEMENTS_MAX)
        return REFUSED;
    weir_buf scratch;
    weir_buf_init(&scratch, out->size_max);
    int r = weir_buf_append_u8(out, '{');
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        if (i > 0)
            r = weir_buf_append_u8(out, ',');
        if (r == 0)
            r = take_element(&in, oid, &scratch, out, err);
    }
    weir_buf_fini(&scratch);
    if (r == 0)
        r = in.len == 0 ? weir_buf_append_u8(out, '}') : REFUSED;
    return r;
}

/* ---- writing ---- */

static int put_elements(weir_slice text, uint32_t oid, weir_buf *out, uint32_t *ret_count,
                        bool *ret_nulls, weir_error *err)
{
    weir_array a;
    weir_array_element e;
    weir_buf one;
    int r = 0, next = 0;
    weir_array_begin(text, &a);
    weir_buf_init(&one, out->size_max);
    while (r == 0 && (next = weir_array_next(&a, &one, &e)) == 0) {
        weir_compat_value v = {.type = e.null ? WEIR_COMPAT_NULL : WEIR_COMPAT_TEXT,
                               .bytes = weir_slice_make(one.data + e.offset, e.len)};
        r = weir_compat_cell_write(out, oid, 1, &v, err);
        weir_buf_clear(&one);
        ++*ret_count;
        *ret_nulls |= e.null;
    }
    weir_buf_fini(&one);
    if (r != 0)
        return r;
    return next == WEIR_ARRAY_END ? 0 : next < 0 ? next : REFUSED;
}

static void set_u32(uint8_t *at, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (24 - 8 * i));
}

int weir_array_encode(weir_slice text, uint32_t array, weir_buf *out, weir_error *err)
{
    uint32_t oid = weir_array_element_oid(array), count = 0;
    bool vector = array == 22 || array == 30, nulls = false;
    size_t head = out->len;
    int r = 0;
    for (size_t i = 0; r == 0 && i < 5; i++)
        r = weir_buf_append_u32(out, i == 2 ? oid : 0);
    if (r == 0)
        r = put_elements(text, oid, out, &count, &nulls, err);
    if (r != 0)
        return r;
    if (count == 0) {
        out->len = head + 12; /* no dimension at all */
        return 0;
    }
    set_u32(out->data + head, 1);
    set_u32(out->data + head + 4, nulls);
    set_u32(out->data + head + 12, count);
    set_u32(out->data + head + 16, vector ? 0 : 1);
    return 0;
}
