/* array_agg and string_agg, with an order if one is asked for. What is gathered: for each row its
 * key and its text, one behind the other. */
#include "compat/array.h"
#include "compat/run.h"
#include <stdlib.h>

typedef struct record {
    uint32_t size; /* of all of it, with what fills it up */
    uint32_t key_len, len;
    uint8_t key_type; /* weir_value_type */
    bool descending, separated;
    union {
        int64_t integer;
        double real;
    } key;
    uint8_t bytes[]; /* the key's text, then what is joined */
} record;

static int put_bytes(weir_buf *out, const weir_value *v, bool element, uint32_t *ret_len)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    size_t before = out->len;
    int r = 0;
    if (v->type == WEIR_VALUE_INTEGER)
        r = weir_buf_printf(out, "%lld", (long long)v->u.integer);
    else if (v->type == WEIR_VALUE_REAL)
        r = weir_buf_append(out, weir_slice_make(text, weir_number_format(v->u.real, text)));
    else if (v->type == WEIR_VALUE_NULL)
        r = weir_buf_append(out, weir_slice_cstr(element ? "NULL" : ""));
    else
        r = element ? weir_array_put_text(out, v->u.bytes) : weir_buf_append(out, v->u.bytes);
    *ret_len += (uint32_t)(out->len - before);
    return r;
}

static int gather(weir_buf *out, const weir_value *value, const weir_value *separator,
                  const weir_value *key, bool descending)
{
    record head = {.descending = descending, .separated = separator != NULL};
    size_t at = out->len;
    int r = weir_buf_append(out, weir_slice_make(&head, sizeof(head)));
    if (r == 0 && key) {
        head.key_type = (uint8_t)key->type;
        if (key->type == WEIR_VALUE_INTEGER)
            head.key.integer = key->u.integer;
        else if (key->type == WEIR_VALUE_REAL)
            head.key.real = key->u.real;
        else if (key->type != WEIR_VALUE_NULL)
            r = put_bytes(out, key, false, &head.key_len);
    }
    uint32_t separator_len = 0;
    if (r == 0 && separator) /* its length first, then it */
        r = weir_buf_append(out, weir_slice_make(&separator_len, sizeof(separator_len)));
    size_t separator_at = out->len;
    if (r == 0 && separator)
        r = put_bytes(out, separator, false, &separator_len);
    if (r == 0)
        r = put_bytes(out, value, !separator, &head.len);
    while (r == 0 && (out->len - at) % sizeof(int64_t) != 0)
        r = weir_buf_append_u8(out, 0);
    if (r < 0)
        return r;
    head.size = (uint32_t)(out->len - at);
    memcpy(out->data + at, &head, sizeof(head));
    if (separator)
        memcpy(out->data + separator_at - sizeof(separator_len), &separator_len,
               sizeof(separator_len));
    return 0;
}

/* array_agg(x [, key [, descending]]) */
static int array_step(const weir_value *args, size_t count, weir_buf *out)
{
    return gather(out, &args[0], NULL, count > 1 ? &args[1] : NULL, count > 2);
}

/* string_agg(x, separator [, key [, descending]]): no NULLs. */
static int string_step(const weir_value *args, size_t count, weir_buf *out)
{
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    return gather(out, &args[0], &args[1], count > 2 ? &args[2] : NULL, count > 3);
}

/* ---- the end ---- */

static int compare_numbers(const record *a, const record *b)
{
    if (a->key_type == WEIR_VALUE_INTEGER && b->key_type == WEIR_VALUE_INTEGER)
        return (a->key.integer > b->key.integer) - (a->key.integer < b->key.integer);
    double x = a->key_type == WEIR_VALUE_INTEGER ? (double)a->key.integer : a->key.real;
    double y = b->key_type == WEIR_VALUE_INTEGER ? (double)b->key.integer : b->key.real;
    return (x > y) - (x < y);
}

/* NULLs are the largest, as in PostgreSQL; numbers come before texts. */
static int rank(const record *r)
{
    return r->key_type == WEIR_VALUE_NULL ? 2 : r->key_type >= WEIR_VALUE_TEXT ? 1 : 0;
}

typedef struct record_ref {
    const record *at;
} record_ref;

static int compare(const void *left, const void *right)
{
    const record *a = ((const record_ref *)left)->at, *b = ((const record_ref *)right)->at;
    int order = rank(a) - rank(b);
    if (order == 0 && rank(a) == 0)
        order = compare_numbers(a, b);
    if (order == 0 && rank(a) == 1) {
        uint32_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
        order = memcmp(a->bytes, b->bytes, len);
        order = order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
    }
    if (order == 0) /* as they came */
        return a < b ? -1 : 1;
    return a->descending ? -order : order;
}

static int put_record(weir_buf *out, const record *r, bool first)
{
    const uint8_t *at = r->bytes + r->key_len;
    uint32_t separator = 0;
    int e = 0;
    if (r->separated) {
        memcpy(&separator, at, sizeof(separator));
        at += sizeof(separator);
    }
    if (!first && r->separated)
        e = weir_buf_append(out, weir_slice_make(at, separator));
    else if (!first)
        e = weir_buf_append_u8(out, ',');
    return e == 0 ? weir_buf_append(out, weir_slice_make(at + separator, r->len)) : e;
}

static int join(const weir_buf *gathered, weir_buf *out)
{
    size_t count = 0, n = 0;
    for (size_t at = 0; at < gathered->len; count++)
        at += ((const record *)(const void *)(gathered->data + at))->size;
    record_ref *records = calloc(count ? count : 1, sizeof(*records));
    if (!records)
        return -ENOMEM;
    for (size_t at = 0; at < gathered->len; n++) {
        records[n].at = (const record *)(const void *)(gathered->data + at);
        at += records[n].at->size;
    }
    qsort(records, count, sizeof(*records), compare);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = put_record(out, records[i].at, i == 0);
    free(records);
    return r;
}

static int finish(weir_buf *scratch, bool array, weir_value *ret)
{
    weir_buf out;
    weir_buf_init(&out, scratch->size_max);
    if (scratch->len == 0)
        return 0; /* no row that counts: NULL */
    int r = array ? weir_buf_append_u8(&out, '{') : 0;
    if (r == 0)
        r = join(scratch, &out);
    if (r == 0 && array)
        r = weir_buf_append_u8(&out, '}');
    if (r < 0) {
        weir_buf_fini(&out);
        return r;
    }
    weir_buf_fini(scratch);
    *scratch = out;
    *ret = (weir_value){.type = WEIR_VALUE_TEXT};
    ret->u.bytes = weir_buf_slice(scratch);
    return 0;
}

static int array_end(RUN_ARGS)
{
    (void)args, (void)count, (void)err;
    return finish(out, true, ret);
}

static int string_end(RUN_ARGS)
{
    (void)args, (void)count, (void)err;
    return finish(out, false, ret);
}

/* ---- several keys ---- */

/* Bytes whose order is the value's; `flip`: the other way round. */
static int put_sortable(weir_buf *out, const weir_value *v, uint8_t flip)
{
    int r = 0;
    if (v->type == WEIR_VALUE_INTEGER || v->type == WEIR_VALUE_REAL) {
        bool whole = v->type == WEIR_VALUE_INTEGER;
        double real = (whole ? (double)v->u.integer : v->u.real) + 0.0; /* no -0 */
        uint64_t bits[2] = {0, whole ? (uint64_t)v->u.integer ^ (UINT64_C(1) << 63) : 0};
        memcpy(&bits[0], &real, sizeof(real));
        bits[0] ^= bits[0] >> 63 ? UINT64_MAX : UINT64_C(1) << 63;
        for (int i = 0; r == 0 && i < 16; i++) /* (equal doubles: by their integers) */
            r = weir_buf_append_u8(out, (uint8_t)(bits[i / 8] >> (56 - i % 8 * 8)) ^ flip);
        return r;
    }
    for (size_t i = 0; r == 0 && i < v->u.bytes.len; i++) {
        r = weir_buf_append_u8(out, v->u.bytes.data[i] ^ flip);
        if (r == 0 && v->u.bytes.data[i] == 0)
            r = weir_buf_append_u8(out, 0xff ^ flip);
    }
    for (int i = 0; r == 0 && i < 2; i++)
        r = weir_buf_append_u8(out, flip);
    return r;
}

/* weir_order_key(value, 1 descending | 2 NULLs first, …) */
static int order_key(RUN_ARGS)
{
    int r = 0;
    (void)err;
    for (size_t i = 0; r == 0 && i + 1 < count; i += 2) {
        int64_t how = args[i + 1].type == WEIR_VALUE_INTEGER ? args[i + 1].u.integer : 0;
        bool null = args[i].type == WEIR_VALUE_NULL;
        r = weir_buf_append_u8(out, !null ? 1 : how & 2 ? 0 : 2);
        if (r == 0 && !null)
            r = put_sortable(out, &args[i], how & 1 ? 0xff : 0);
    }
    *ret = (weir_value){.type = WEIR_VALUE_BLOB};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

const weir_face_function weir_face_aggregates[] = {
    {.name = "weir_order_key", .args = -1, .pure = true, .call = order_key},
    {.name = "array_agg", .args = 1, .step = array_step, .call = array_end},
    {.name = "array_agg", .args = 2, .step = array_step, .call = array_end},
    {.name = "array_agg", .args = 3, .step = array_step, .call = array_end},
    {.name = "string_agg", .args = 2, .step = string_step, .call = string_end},
    {.name = "string_agg", .args = 3, .step = string_step, .call = string_end},
    {.name = "string_agg", .args = 4, .step = string_step, .call = string_end},
    {.name = NULL},
};
