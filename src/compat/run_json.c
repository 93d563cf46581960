/* JSON as PostgreSQL has it: jsonb's canonical text (keys in order of length and bytes, one space
 * behind ':' and ','), its operators and builders. Texts are checked before they are walked. */
#include "compat/run_json.h"
#include "base/ascii.h"
#include "compat/array.h"
#include <stdlib.h>

/* Of a well-formed text: the value at its front, which is taken off. */
static weir_slice take_value(weir_slice *s)
{
    *s = weir_ascii_skip_space(*s);
    weir_slice from = *s;
    size_t i = 0, depth = 0;
    bool quoted = false;
    for (; i < from.len; i++) {
        uint8_t c = from.data[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                break;
            depth--;
        } else if (depth == 0 && (c == ',' || c == ':' || weir_ascii_is_space(c))) {
            break;
        }
        if (depth == 0 && !quoted && (c == '"' || c == '}' || c == ']') && i > 0) {
            i++;
            break;
        }
    }
    i = i < from.len ? i : from.len;
    *s = weir_slice_skip(from, i);
    return weir_slice_head(from, i);
}

static bool take_char(weir_slice *s, uint8_t c)
{
    *s = weir_ascii_skip_space(*s);
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = weir_slice_skip(*s, 1);
    return true;
}

/* The next member of an object or array whose opening bracket is off; false: none is left. */
bool run_json_next(weir_slice *s, bool object, weir_slice *ret_key, weir_slice *ret_value)
{
    *s = weir_ascii_skip_space(*s);
    (void)take_char(s, ',');
    *s = weir_ascii_skip_space(*s);
    if (s->len == 0 || s->data[0] == (object ? '}' : ']'))
        return false;
    if (object) {
        *ret_key = take_value(s);
        (void)take_char(s, ':');
    }
    *ret_value = take_value(s);
    return true;
}

/* ---- strings ---- */

static unsigned hex4(const uint8_t *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        v = v * 16 + (c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10u);
    }
    return v;
}

static int put_utf8(weir_buf *out, unsigned c)
{
    int r = 0;
    if (c < 0x80)
        return weir_buf_append_u8(out, (uint8_t)c);
    if (c >= 0x10000) {
        r = weir_buf_append_u8(out, (uint8_t)(0xf0 | c >> 18));
        if (r == 0)
            r = weir_buf_append_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
    } else if (c >= 0x800) {
        r = weir_buf_append_u8(out, (uint8_t)(0xe0 | c >> 12));
    } else {
        r = weir_buf_append_u8(out, (uint8_t)(0xc0 | c >> 6));
    }
    if (r == 0 && c >= 0x800)
        r = weir_buf_append_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    return r == 0 ? weir_buf_append_u8(out, (uint8_t)(0x80 | (c & 0x3f))) : r;
}

/* "…" without its quotes and escapes. */
int run_json_decode(weir_slice s, weir_buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    int r = 0;
    for (size_t i = 1; r == 0 && i + 1 < s.len; i++) {
        uint8_t c = s.data[i];
        if (c != '\\') {
            r = weir_buf_append_u8(out, c);
            continue;
        }
        c = s.data[++i];
        if (c == 'u' && i + 5 < s.len) {
            unsigned v = hex4(s.data + i + 1);
            i += 4;
            if (v >= 0xd800 && v < 0xdc00 && i + 6 < s.len && s.data[i + 1] == '\\') {
                v = 0x10000 + ((v - 0xd800) << 10) + (hex4(s.data + i + 3) - 0xdc00);
                i += 6;
            }
            r = put_utf8(out, v);
        } else {
            const char *known = strchr(from, c);
            r = weir_buf_append_u8(out, known ? (uint8_t)to[known - from] : c);
        }
    }
    return r;
}

int run_json_string(weir_buf *out, weir_slice s)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    int r = weir_buf_append_u8(out, '"');
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        const char *known = s.data[i] ? strchr(from, s.data[i]) : NULL;
        if (known) {
            r = weir_buf_append_u8(out, '\\');
            if (r == 0)
                r = weir_buf_append_u8(out, (uint8_t)to[known - from]);
        } else if (s.data[i] < ' ') {
            r = weir_buf_printf(out, "\\u%04x", s.data[i]);
        } else {
            r = weir_buf_append_u8(out, s.data[i]);
        }
    }
    return r == 0 ? weir_buf_append_u8(out, '"') : r;
}

static int put_recoded(weir_slice s, weir_buf *out)
{
    weir_buf plain;
    weir_buf_init(&plain, out->size_max);
    int r = run_json_decode(s, &plain);
    if (r == 0)
        r = run_json_string(out, weir_buf_slice(&plain));
    weir_buf_fini(&plain);
    return r;
}

/* ---- jsonb's text ---- */

typedef struct member {
    size_t key, key_len, value, value_len; /* in the buffer of members */
    size_t order;
} member;

typedef struct members {
    weir_buf text, list;
    const uint8_t *base;
} members;

/* qsort has no room for the text: each carries where it is. */
typedef struct sorted {
    const uint8_t *key, *value;
    size_t key_len, value_len, order;
} sorted;

static int by_key(const void *left, const void *right)
{
    const sorted *a = left, *b = right;
    if (a->key_len != b->key_len)
        return a->key_len < b->key_len ? -1 : 1;
    int order = memcmp(a->key, b->key, a->key_len);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int put_sorted(members *m, weir_buf *out)
{
    size_t count = m->list.len / sizeof(member);
    sorted *all = calloc(count ? count : 1, sizeof(*all));
    int r = all ? weir_buf_append_u8(out, '{') : -ENOMEM;
    for (size_t i = 0; r == 0 && i < count; i++) {
        member one;
        memcpy(&one, m->list.data + i * sizeof(one), sizeof(one));
        all[i] = (sorted){m->text.data + one.key, m->text.data + one.value, one.key_len,
                          one.value_len, i};
    }
    if (r == 0)
        qsort(all, count, sizeof(*all), by_key);
    bool any = false;
    for (size_t i = 0; r == 0 && i < count; i++) {
        bool again = i + 1 < count && all[i].key_len == all[i + 1].key_len &&
                     memcmp(all[i].key, all[i + 1].key, all[i].key_len) == 0;
        if (again) /* the last one counts */
            continue;
        r = any ? weir_buf_append(out, WEIR_SLICE_LIT(", ")) : 0;
        if (r == 0)
            r = weir_buf_append(out, weir_slice_make(all[i].key, all[i].key_len));
        if (r == 0)
            r = weir_buf_append(out, WEIR_SLICE_LIT(": "));
        if (r == 0)
            r = weir_buf_append(out, weir_slice_make(all[i].value, all[i].value_len));
        any = true;
    }
    free(all);
    return r == 0 ? weir_buf_append_u8(out, '}') : r;
}

static int gather(weir_slice s, members *m, unsigned depth)
{
    weir_slice key, value;
    int r = 0;
    s = weir_slice_skip(s, 1);
    while (r == 0 && run_json_next(&s, true, &key, &value)) {
        member one = {.key = m->text.len};
        r = put_recoded(key, &m->text);
        one.key_len = m->text.len - one.key;
        one.value = m->text.len;
        if (r == 0)
            r = run_json_canonical(value, &m->text, depth + 1);
        one.value_len = m->text.len - one.value;
        if (r == 0)
            r = weir_buf_append(&m->list, weir_slice_make(&one, sizeof(one)));
    }
    return r;
}

static int put_object(weir_slice a, weir_slice b, weir_buf *out, unsigned depth)
{
    members m = {0};
    weir_buf_init(&m.text, out->size_max);
    weir_buf_init(&m.list, out->size_max);
    int r = gather(a, &m, depth);
    if (r == 0 && b.len > 0)
        r = gather(b, &m, depth);
    if (r == 0)
        r = put_sorted(&m, out);
    weir_buf_fini(&m.text);
    weir_buf_fini(&m.list);
    return r;
}

static int put_elements(weir_slice s, weir_buf *out, unsigned depth, bool *any)
{
    weir_slice key, value;
    int r = 0;
    s = weir_slice_skip(s, 1);
    while (r == 0 && run_json_next(&s, false, &key, &value)) {
        r = *any ? weir_buf_append(out, WEIR_SLICE_LIT(", ")) : 0;
        if (r == 0)
            r = run_json_canonical(value, out, depth + 1);
        *any = true;
    }
    return r;
}

int run_json_canonical(weir_slice s, weir_buf *out, unsigned depth)
{
    s = weir_ascii_skip_space(s);
    s = take_value(&s);
    bool any = false;
    if (depth > RUN_JSON_DEPTH_MAX)
        return -EMSGSIZE;
    if (run_json_is_object(s))
        return put_object(s, (weir_slice){0}, out, depth);
    if (run_json_is_array(s)) {
        int r = weir_buf_append_u8(out, '[');
        if (r == 0)
            r = put_elements(s, out, depth, &any);
        return r == 0 ? weir_buf_append_u8(out, ']') : r;
    }
    if (s.len > 0 && s.data[0] == '"')
        return put_recoded(s, out);
    bool number = s.len > 0 && (s.data[0] == '-' || (s.data[0] >= '0' && s.data[0] <= '9'));
    bool odd = number && (memchr(s.data, 'e', s.len) || memchr(s.data, 'E', s.len) ||
                          (s.len > 1 && s.data[0] == '-' && s.data[1] == '0'));
    return odd ? run_decimal_put(s, out) : weir_buf_append(out, s);
}

/* ---- functions ---- */

static weir_slice text_at(const weir_value *v)
{
    return v->type == WEIR_VALUE_TEXT ? v->u.bytes : (weir_slice){0};
}

/* A column's number is one here, too: SQLite keeps it as such. */
int run_json_read(const weir_value *v, char room[WEIR_NUMBER_TEXT_MAX], weir_slice *ret,
                  weir_error *err)
{
    *ret = run_text_of(v, room);
    if (!weir_text_is_json(*ret))
        return run_invalid(err, "json", *ret);
    *ret = weir_ascii_skip_space(*ret);
    weir_slice rest = *ret;
    *ret = take_value(&rest);
    return 0;
}

static int call_json(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    (void)out;
    *ret = args[0];
    return run_any_null(args, count) ? 0 : run_json_read(&args[0], room, &s, err);
}

int run_json_rewrite(RUN_ARGS, int (*put)(weir_slice s, weir_buf *out, unsigned depth))
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    return r == 0 ? run_give(out, ret, put(s, out, 0)) : r;
}

static int call_jsonb(RUN_ARGS)
{
    return run_json_rewrite(args, count, out, ret, err, run_json_canonical);
}

static bool same_key(weir_slice quoted, weir_slice key)
{
    weir_buf plain;
    weir_buf_init(&plain, quoted.len + 8);
    bool same = run_json_decode(quoted, &plain) == 0 && weir_slice_eq(weir_buf_slice(&plain), key);
    weir_buf_fini(&plain);
    return same;
}

bool run_json_key(weir_slice s, weir_slice wanted, weir_slice *ret)
{
    weir_slice key, value;
    bool found = false;
    if (!run_json_is_object(s))
        return false;
    s = weir_slice_skip(s, 1);
    while (run_json_next(&s, true, &key, &value)) {
        if (!same_key(key, wanted))
            continue;
        *ret = value;
        found = true;
    }
    return found;
}

static int64_t length_of(weir_slice s)
{
    weir_slice key, value;
    int64_t n = 0;
    s = weir_slice_skip(s, 1);
    while (run_json_next(&s, false, &key, &value))
        n++;
    return n;
}

static bool element_at(weir_slice s, int64_t at, weir_slice *ret)
{
    weir_slice key;
    if (!run_json_is_array(s)) { /* a scalar is its own element */
        *ret = s;
        return !run_json_is_object(s) && (at == 0 || at == -1);
    }
    at = at < 0 ? length_of(s) + at : at;
    s = weir_slice_skip(s, 1);
    for (int64_t i = 0; at >= 0 && run_json_next(&s, false, &key, ret); i++)
        if (i == at)
            return true;
    return false;
}

static int call_get(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s, found;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0)
        return r;
    bool any = args[1].type == WEIR_VALUE_INTEGER ? element_at(s, args[1].u.integer, &found)
                                                  : run_json_key(s, text_at(&args[1]), &found);
    return any ? run_give(out, ret, weir_buf_append(out, found)) : 0;
}

/* json -> n: of arrays only (jsonb takes a scalar for an array of one). */
static int call_item(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s, found;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0 || !run_json_is_array(s) || !element_at(s, args[1].u.integer, &found))
        return r;
    return run_give(out, ret, weir_buf_append(out, found));
}

static int call_path(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    weir_array path;
    weir_array_element element;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0)
        return r;
    weir_array_begin(text_at(&args[1]), &path);
    while ((r = weir_array_next(&path, out, &element)) == 0) {
        int64_t at = 0;
        weir_slice step = weir_slice_make(out->data + element.offset, element.len);
        bool found = run_json_is_array(s) ? weir_number_integer(step, &at) && element_at(s, at, &s)
                                          : run_json_key(s, step, &s);
        if (!found)
            return 0;
    }
    if (r != WEIR_ARRAY_END)
        return r < 0 ? r : run_invalid(err, "text[]", text_at(&args[1]));
    weir_buf_clear(out);
    return run_give(out, ret, weir_buf_append(out, s));
}

/* A string's inside; NULL of null. */
static int call_text(RUN_ARGS)
{
    (void)count, (void)err;
    *ret = args[0];
    if (args[0].type != WEIR_VALUE_TEXT)
        return 0;
    weir_slice s = args[0].u.bytes;
    if (weir_slice_eq_cstr(s, "null"))
        *ret = (weir_value){.type = WEIR_VALUE_NULL};
    return s.len > 0 && s.data[0] == '"' ? run_give(out, ret, run_json_decode(s, out)) : 0;
}

static int call_concat(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    weir_slice a, b;
    bool any = false;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &a, err);
    if (r == 0)
        r = run_json_read(&args[1], other, &b, err);
    if (r != 0)
        return r;
    if (run_json_is_object(a) && run_json_is_object(b))
        return run_give(out, ret, put_object(a, b, out, 0));
    r = weir_buf_append_u8(out, '[');
    for (int i = 0; r == 0 && i < 2; i++) {
        weir_slice s = i == 0 ? a : b;
        if (run_json_is_array(s)) {
            r = put_elements(s, out, 0, &any);
            continue;
        }
        r = any ? weir_buf_append(out, WEIR_SLICE_LIT(", ")) : 0;
        if (r == 0)
            r = run_json_canonical(s, out, 1);
        any = true;
    }
    return run_give(out, ret, r == 0 ? weir_buf_append_u8(out, ']') : r);
}

static bool is_number(weir_slice s)
{
    return s.len > 0 && (s.data[0] == '-' || (s.data[0] >= '0' && s.data[0] <= '9'));
}

static bool same_scalar(weir_slice a, weir_slice b)
{
    return weir_slice_eq(a, b) || (is_number(a) && is_number(b) && run_json_same_number(a, b));
}

static bool contains(weir_slice a, weir_slice b, unsigned depth)
{
    weir_slice key, value, found, rest;
    if (depth > RUN_JSON_DEPTH_MAX)
        return false;
    if (run_json_is_object(b)) {
        rest = weir_slice_skip(b, 1);
        while (run_json_next(&rest, true, &key, &value)) {
            weir_buf plain;
            weir_buf_init(&plain, key.len + 8);
            bool has = run_json_decode(key, &plain) == 0 &&
                       run_json_key(a, weir_buf_slice(&plain), &found) &&
                       contains(found, value, depth + 1);
            weir_buf_fini(&plain);
            if (!has)
                return false;
        }
        return run_json_is_object(a);
    }
    if (run_json_is_array(b)) {
        rest = weir_slice_skip(b, 1);
        while (run_json_is_array(a) && run_json_next(&rest, false, &key, &value)) {
            weir_slice inner = weir_slice_skip(a, 1), candidate;
            bool has = false;
            while (!has && run_json_next(&inner, false, &key, &candidate))
                has = contains(candidate, value, depth + 1);
            if (!has)
                return false;
        }
        return run_json_is_array(a);
    }
    if (run_json_is_array(a) && depth == 0) { /* an array has a scalar that it contains */
        rest = weir_slice_skip(a, 1);
        while (run_json_next(&rest, false, &key, &value))
            if (same_scalar(value, b))
                return true;
        return false;
    }
    return same_scalar(a, b);
}

static int call_contains(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    weir_slice a, b;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &a, err);
    if (r == 0)
        r = run_json_read(&args[1], other, &b, err);
    if (r == 0)
        run_give_integer(ret, contains(a, b, 0));
    return r;
}

static int call_has(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s, found, key;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0)
        return r;
    weir_slice wanted = text_at(&args[1]);
    bool has = run_json_key(s, wanted, &found);
    bool scalar = s.len > 0 && s.data[0] == '"' && same_key(s, wanted);
    for (weir_slice rest = run_json_is_array(s) ? weir_slice_skip(s, 1) : (weir_slice){0};
         rest.len > 0 && !has && run_json_next(&rest, false, &key, &found);)
        has = found.data[0] == '"' && same_key(found, wanted);
    run_give_integer(ret, has || scalar);
    return 0;
}

static int call_typeof(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r != 0)
        return r;
    const char *name = run_json_is_object(s)                  ? "object"
                       : run_json_is_array(s)                 ? "array"
                       : s.data[0] == '"'                     ? "string"
                       : s.data[0] == 'n'                     ? "null"
                       : s.data[0] == 't' || s.data[0] == 'f' ? "boolean"
                                                              : "number";
    run_give_text(ret, weir_slice_cstr(name));
    return 0;
}

static int call_length(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && !run_json_is_array(s)) {
        weir_error_set(err, "22023", "cannot get array length of %s",
                       run_json_is_object(s) ? "a non-array" : "a scalar");
        return WEIR_COMPAT_REFUSED;
    }
    if (r == 0)
        run_give_integer(ret, length_of(s));
    return r;
}

/* ---- values as JSON ---- */

static int put_json(const weir_value *v, weir_buf *out)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    return v->type == WEIR_VALUE_NULL ? weir_buf_append(out, WEIR_SLICE_LIT("null"))
                                      : weir_buf_append(out, run_text_of(v, room));
}

static int call_string(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)err;
    if (run_any_null(args, count))
        return 0;
    return run_give(out, ret, run_json_string(out, run_text_of(&args[0], room)));
}

static int call_number(RUN_ARGS)
{
    (void)err;
    if (run_any_null(args, count))
        return 0;
    return run_give(out, ret, put_json(&args[0], out));
}

static int call_bool(RUN_ARGS)
{
    (void)out, (void)err;
    if (!run_any_null(args, count))
        run_give_text(ret,
                      run_integer_of(&args[0]) ? WEIR_SLICE_LIT("true") : WEIR_SLICE_LIT("false"));
    return 0;
}

const weir_face_function weir_face_json[] = {
    {.name = "weir_json", .args = 1, .pure = true, .call = call_json},
    {.name = "weir_jsonb", .args = 1, .pure = true, .call = call_jsonb},
    {.name = "weir_json_get", .args = 2, .pure = true, .call = call_get},
    {.name = "weir_json_item", .args = 2, .pure = true, .call = call_item},
    {.name = "weir_json_path", .args = 2, .pure = true, .call = call_path},
    {.name = "weir_json_text", .args = 1, .pure = true, .call = call_text},
    {.name = "weir_jsonb_concat", .args = 2, .pure = true, .call = call_concat},
    {.name = "weir_jsonb_contains", .args = 2, .pure = true, .call = call_contains},
    {.name = "weir_jsonb_has", .args = 2, .pure = true, .call = call_has},
    {.name = "weir_json_typeof", .args = 1, .pure = true, .call = call_typeof},
    {.name = "weir_json_length", .args = 1, .pure = true, .call = call_length},
    {.name = "weir_json_string", .args = 1, .pure = true, .call = call_string},
    {.name = "weir_json_number", .args = 1, .pure = true, .call = call_number},
    {.name = "weir_json_bool", .args = 1, .pure = true, .call = call_bool},
    {.name = NULL},
};
