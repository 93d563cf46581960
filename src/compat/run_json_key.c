/* jsonb in PostgreSQL's order (src/backend/utils/adt/jsonb_util.c, compareJsonbContainers), as
 * bytes that compare as the documents do: 1.0 is 1.00, an object is more than an array, an empty
 * array less than a scalar. */
#include "compat/run_json.h"

enum { KEY_NULL = 1, KEY_STRING, KEY_NUMBER, KEY_FALSE, KEY_TRUE, KEY_ARRAY, KEY_OBJECT };

static int put_u32(weir_buf *out, size_t n)
{
    return weir_buf_append_u32(out, (uint32_t)n);
}

/* Ends with what is less than any byte of a string: JSON's have no zero byte. */
static int put_string(weir_slice quoted, weir_buf *out)
{
    int r = run_json_decode(quoted, out);
    return r == 0 ? weir_buf_append_u8(out, 0) : r;
}

typedef struct number {
    bool negative;
    int point; /* 0.DIGITS times ten to the power of it */
    size_t len;
    weir_slice text;
} number;

/* Plain decimal digits: canonical. */
static number take_number(weir_slice s)
{
    number n = {.negative = s.len > 0 && s.data[0] == '-'};
    bool point = false;
    s = n.negative ? weir_slice_skip(s, 1) : s;
    while (s.len > 0 && (s.data[0] == '0' || s.data[0] == '.')) {
        point |= s.data[0] == '.';
        n.point -= point && s.data[0] == '0';
        s = weir_slice_skip(s, 1);
    }
    bool ends = point || memchr(s.data ? s.data : (const uint8_t *)"", '.', s.len);
    while (ends && s.len > 0 && s.data[s.len - 1] == '0')
        s.len--;
    if (s.len > 0 && s.data[s.len - 1] == '.')
        s.len--;
    n.text = s;
    for (size_t i = 0; i < s.len && !point; i++) {
        if (s.data[i] == '.')
            break;
        n.point++;
    }
    return n;
}

static int put_number(weir_slice s, weir_buf *out)
{
    number n = take_number(s);
    if (n.text.len == 0)
        return weir_buf_append_u8(out, 0x80);
    size_t mark = out->len;
    int r = weir_buf_append_u8(out, 0x81);
    if (r == 0)
        r = weir_buf_append_u32(out, (uint32_t)(n.point + (1 << 30)));
    size_t last = out->len;
    for (size_t i = 0; r == 0 && i < n.text.len; i++) {
        if (n.text.data[i] == '.')
            continue;
        r = weir_buf_append_u8(out, n.text.data[i]);
        last = r == 0 && n.text.data[i] != '0' ? out->len : last;
    }
    out->len = last; /* 100 is 1 with a point behind it */
    if (r == 0)
        r = weir_buf_append_u8(out, 0);
    for (size_t i = mark; r == 0 && n.negative && i < out->len; i++)
        out->data[i] = (uint8_t)~out->data[i];
    return r;
}

static int put_value(weir_slice s, weir_buf *out, unsigned depth);

static int put_container(weir_slice s, bool object, weir_buf *out, unsigned depth)
{
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    size_t count = 0;
    while (run_json_next(&rest, object, &key, &value))
        count++;
    int r = weir_buf_append_u8(out, object ? KEY_OBJECT : KEY_ARRAY);
    if (r == 0)
        r = put_u32(out, count);
    if (r == 0 && depth == 0 && !object)
        r = weir_buf_append_u8(out, 1); /* no scalar */
    rest = weir_slice_skip(s, 1);
    while (r == 0 && run_json_next(&rest, object, &key, &value)) {
        r = object ? put_string(key, out) : 0;
        if (r == 0)
            r = put_value(value, out, depth + 1);
    }
    return r;
}

static int put_value(weir_slice s, weir_buf *out, unsigned depth)
{
    if (depth > RUN_JSON_DEPTH_MAX || s.len == 0)
        return -EMSGSIZE;
    switch (s.data[0]) {
    case '{':
        return put_container(s, true, out, depth);
    case '[':
        return put_container(s, false, out, depth);
    case 'n':
        return weir_buf_append_u8(out, KEY_NULL);
    case 't':
    case 'f':
        return weir_buf_append_u8(out, s.data[0] == 't' ? KEY_TRUE : KEY_FALSE);
    default: {
        int r = weir_buf_append_u8(out, s.data[0] == '"' ? KEY_STRING : KEY_NUMBER);
        if (r != 0)
            return r;
        return s.data[0] == '"' ? put_string(s, out) : put_number(s, out);
    }
    }
}

bool run_json_same_number(weir_slice a, weir_slice b)
{
    weir_buf x, y;
    weir_buf_init(&x, a.len + 16);
    weir_buf_init(&y, b.len + 16);
    bool same = put_number(a, &x) == 0 && put_number(b, &y) == 0 &&
                weir_slice_eq(weir_buf_slice(&x), weir_buf_slice(&y));
    weir_buf_fini(&x);
    weir_buf_fini(&y);
    return same;
}

/* A scalar that stands alone is an array of one. */
static int call_key(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    weir_buf plain;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0)
        return r;
    weir_buf_init(&plain, out->size_max);
    r = run_json_canonical(s, &plain, 0);
    s = weir_buf_slice(&plain);
    bool scalar = r == 0 && s.len > 0 && s.data[0] != '{' && s.data[0] != '[';
    if (scalar)
        r = weir_buf_append_u8(out, KEY_ARRAY);
    if (scalar && r == 0)
        r = put_u32(out, 1);
    if (scalar && r == 0)
        r = weir_buf_append_u8(out, 0);
    if (r == 0)
        r = put_value(s, out, 0);
    weir_buf_fini(&plain);
    *ret = (weir_value){.type = WEIR_VALUE_BLOB};
    ret->u.bytes = weir_buf_slice(out);
    return r;
}

const weir_face_function weir_face_json_keys[] = {
    {.name = "weir_jsonb_key", .args = 1, .pure = true, .call = call_key},
    {.name = NULL},
};
