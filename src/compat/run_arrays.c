/* Arrays of the typed translation (typed_arrays.c): the text is the one that PostgreSQL shows, each
 * element as its type's output; an element that is handed in is in that form already. One
 * dimension. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "compat/array.h"
#include "compat/run.h"

#define ELEMENTS_SIZE_MAX (1u << 30)

/* ---- elements ---- */

static bool is_plain(weir_slice s)
{
    if (s.len == 0 || weir_slice_eq_nocase(s, "null"))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (weir_ascii_is_space(s.data[i]) || (s.data[i] != '\0' && strchr("{},\"\\", s.data[i])))
            return false;
    return true;
}

/* Behind "{" or another element. */
static int put_text(weir_buf *out, weir_slice s)
{
    int r = out->len == 1 ? 0 : weir_buf_append_u8(out, ',');
    if (r < 0)
        return r;
    return is_plain(s) ? weir_buf_append(out, s) : weir_array_put_quoted(out, s);
}

static int put_null(weir_buf *out)
{
    int r = out->len == 1 ? 0 : weir_buf_append_u8(out, ',');
    return r == 0 ? weir_buf_append(out, WEIR_SLICE_LIT("NULL")) : r;
}

int run_array_put(weir_buf *out, const weir_slice *text)
{
    int r = out->len == 0 ? weir_buf_append_u8(out, '{') : 0;
    return r < 0 ? r : text ? put_text(out, *text) : put_null(out);
}

static int put_value(weir_buf *out, const weir_value *v)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    return v->type == WEIR_VALUE_NULL ? put_null(out) : put_text(out, run_text_of(v, room));
}

int run_array_give(weir_buf *out, weir_value *ret)
{
    int r = weir_buf_append_u8(out, '}');
    if (r == 0)
        run_give_text(ret, weir_buf_slice(out));
    return r;
}

static int malformed(weir_error *err, weir_slice text)
{
    weir_error_set(err, "22P02", "malformed array literal: \"%.*s\"", WEIR_UTF8_QUOTED(text, 100));
    return WEIR_COMPAT_REFUSED;
}

/* ---- walking ---- */

typedef struct walk {
    weir_array array;
    weir_buf scratch;
    weir_slice text; /* the element */
    bool null;
    int next; /* 0, or what ended it */
} walk;

static void walk_begin(walk *w, const weir_value *v)
{
    weir_array_begin(v->type == WEIR_VALUE_TEXT ? v->u.bytes : WEIR_SLICE_LIT("{}"), &w->array);
    weir_buf_init(&w->scratch, ELEMENTS_SIZE_MAX);
}

/* False: none is left, or walk_end says what is wrong. */
static bool walk_next(walk *w)
{
    weir_array_element e;
    weir_buf_clear(&w->scratch);
    w->next = weir_array_next(&w->array, &w->scratch, &e);
    if (w->next != 0)
        return false;
    w->null = e.null;
    w->text = weir_slice_make(w->scratch.data + e.offset, e.len);
    return true;
}

/* `r`: of what was done with the elements. */
static int walk_end(walk *w, int r, const weir_value *v, weir_error *err)
{
    weir_buf_fini(&w->scratch);
    if (r != 0 || w->next == 0)
        return r;
    if (w->next == WEIR_ARRAY_MALFORMED)
        return malformed(err, v->u.bytes);
    return w->next == WEIR_ARRAY_END ? 0 : w->next;
}

static int copy(weir_buf *out, const weir_value *v, weir_error *err)
{
    walk w;
    int r = 0;
    walk_begin(&w, v);
    while (r == 0 && walk_next(&w))
        r = w.null ? put_null(out) : put_text(out, w.text);
    return walk_end(&w, r, v, err);
}

/* ---- from a literal ---- */

static const char *input_of(int64_t oid)
{
    static const struct {
        uint32_t oid;
        const char *name;
    } inputs[] = {
        {WEIR_OID_BOOL, "weir_bool"},           {WEIR_OID_INT2, "weir_int2"},
        {WEIR_OID_INT4, "weir_int4"},           {WEIR_OID_INT8, "weir_int8"},
        {WEIR_OID_FLOAT4, "weir_float4"},       {WEIR_OID_FLOAT8, "weir_float8"},
        {WEIR_OID_NUMERIC, "weir_numeric"},     {WEIR_OID_DATE, "weir_date"},
        {WEIR_OID_TIMESTAMP, "weir_timestamp"}, {WEIR_OID_TIMESTAMPTZ, "weir_timestamptz"},
        {WEIR_OID_UUID, "weir_uuid"},           {WEIR_OID_JSON, "weir_json"},
        {WEIR_OID_JSONB, "weir_jsonb"},
    };
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        if (inputs[i].oid == oid)
            return inputs[i].name;
    return NULL;
}

/* An element's text as its type's output. */
static int put_read(weir_buf *out, weir_slice text, int64_t oid, const weir_face_function *input,
                    weir_error *err)
{
    weir_value v = {.type = WEIR_VALUE_TEXT}, read = {.type = WEIR_VALUE_NULL};
    weir_buf scratch;
    char room[WEIR_NUMBER_TEXT_MAX];
    if (!input)
        return put_text(out, text);
    v.u.bytes = text;
    weir_buf_init(&scratch, ELEMENTS_SIZE_MAX);
    int r = input->call(&v, 1, &scratch, &read, err);
    if (r == 0) {
        weir_slice s = run_text_of(&read, room);
        if (oid == WEIR_OID_BOOL)
            s = weir_slice_cstr(run_integer_of(&read) ? "t" : "f");
        else if (oid == WEIR_OID_TIMESTAMPTZ && s.len > 3)
            s = weir_slice_head(s, s.len - 3); /* +00:00 */
        r = put_text(out, s);
    }
    weir_buf_fini(&scratch);
    return r;
}

/* weir_array_in(text, type of the elements) */
static int call_in(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    const char *name = input_of(args[1].u.integer);
    const weir_face_function *input = name ? run_find_function(weir_slice_cstr(name), 1) : NULL;
    walk w;
    walk_begin(&w, &args[0]);
    if (args[0].type != WEIR_VALUE_TEXT || w.array.vector) {
        weir_buf_fini(&w.scratch);
        return malformed(err, args[0].u.bytes);
    }
    int r = weir_buf_append_u8(out, '{');
    while (r == 0 && walk_next(&w))
        r = w.null ? put_null(out) : put_read(out, w.text, args[1].u.integer, input, err);
    if (w.next == WEIR_ARRAY_END && w.array.rest.len > 1)
        w.next = WEIR_ARRAY_MALFORMED; /* behind the brace */
    r = walk_end(&w, r, &args[0], err);
    return r == 0 ? run_array_give(out, ret) : r;
}

/* weir_array_of(a, b, …) */
static int call_of(RUN_ARGS)
{
    (void)err;
    int r = weir_buf_append_u8(out, '{');
    for (size_t i = 0; r == 0 && i < count; i++)
        r = put_value(out, &args[i]);
    return r == 0 ? run_array_give(out, ret) : r;
}

/* weir_array_plain(a): of array_agg, which quotes what looks like a number. */
static int call_plain(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    int r = weir_buf_append_u8(out, '{');
    if (r == 0)
        r = copy(out, &args[0], err);
    return r == 0 ? run_array_give(out, ret) : r;
}

/* ---- longer and shorter ---- */

/* A missing array is an empty one, beside an element. */
static int call_append(RUN_ARGS)
{
    (void)count;
    int r = weir_buf_append_u8(out, '{');
    if (r == 0)
        r = copy(out, &args[0], err);
    if (r == 0)
        r = put_value(out, &args[1]);
    return r == 0 ? run_array_give(out, ret) : r;
}

static int call_prepend(RUN_ARGS)
{
    (void)count;
    int r = weir_buf_append_u8(out, '{');
    if (r == 0)
        r = put_value(out, &args[0]);
    if (r == 0)
        r = copy(out, &args[1], err);
    return r == 0 ? run_array_give(out, ret) : r;
}

static int call_cat(RUN_ARGS)
{
    (void)count;
    if (args[0].type == WEIR_VALUE_NULL && args[1].type == WEIR_VALUE_NULL)
        return 0;
    int r = weir_buf_append_u8(out, '{');
    for (size_t i = 0; r == 0 && i < 2; i++)
        r = copy(out, &args[i], err);
    return r == 0 ? run_array_give(out, ret) : r;
}

static bool is_it(const walk *w, const weir_value *v, weir_slice text)
{
    return v->type == WEIR_VALUE_NULL ? w->null : !w->null && weir_slice_eq(w->text, text);
}

/* weir_array_replace(a, from, to), weir_array_remove(a, what) */
static int call_replace(RUN_ARGS)
{
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice from = run_text_of(&args[1], room);
    walk w;
    walk_begin(&w, &args[0]);
    int r = weir_buf_append_u8(out, '{');
    while (r == 0 && walk_next(&w)) {
        if (!is_it(&w, &args[1], from))
            r = w.null ? put_null(out) : put_text(out, w.text);
        else if (count == 3)
            r = put_value(out, &args[2]);
    }
    r = walk_end(&w, r, &args[0], err);
    return r == 0 ? run_array_give(out, ret) : r;
}

/* ---- questions ---- */

static int find(const weir_value *array, const weir_value *what, weir_slice text, int64_t *ret,
                weir_error *err)
{
    walk w;
    *ret = 0;
    walk_begin(&w, array);
    for (int64_t i = 1; *ret == 0 && walk_next(&w); i++)
        *ret = is_it(&w, what, text) ? i : 0;
    return walk_end(&w, 0, array, err);
}

static int call_position(RUN_ARGS)
{
    (void)count, (void)out;
    char room[WEIR_NUMBER_TEXT_MAX];
    int64_t at = 0;
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    int r = find(&args[0], &args[1], run_text_of(&args[1], room), &at, err);
    if (r == 0 && at > 0)
        run_give_integer(ret, at);
    return r;
}

/* How many of b's elements are in a, and how many there are; a NULL is in none. */
static int compare(const weir_value *a, const weir_value *b, int64_t *ret_found, int64_t *ret_all,
                   weir_error *err)
{
    const weir_value text = {.type = WEIR_VALUE_TEXT};
    walk w;
    int r = 0;
    walk_begin(&w, b);
    for (*ret_found = *ret_all = 0; r == 0 && walk_next(&w); ++*ret_all) {
        int64_t at = 0;
        r = w.null ? 0 : find(a, &text, w.text, &at, err);
        *ret_found += at > 0;
    }
    return walk_end(&w, r, b, err);
}

static int share(const weir_value *args, bool all_of_them, weir_value *ret, weir_error *err)
{
    int64_t found = 0, all = 0;
    if (run_any_null(args, 2))
        return 0;
    int r = compare(&args[0], &args[1], &found, &all, err);
    if (r == 0)
        run_give_integer(ret, all_of_them ? found == all : found > 0);
    return r;
}

static int call_contains(RUN_ARGS)
{
    (void)count, (void)out;
    return share(args, true, ret, err);
}

static int call_overlaps(RUN_ARGS)
{
    (void)count, (void)out;
    return share(args, false, ret, err);
}

/* ---- texts ---- */

/* weir_string_to_array(text, separator [, null]): no separator: one by one. */
static int call_split(RUN_ARGS)
{
    (void)err;
    char rooms[3][WEIR_NUMBER_TEXT_MAX];
    if (args[0].type == WEIR_VALUE_NULL)
        return 0;
    weir_slice s = run_text_of(&args[0], rooms[0]), separator = run_text_of(&args[1], rooms[1]);
    bool each = args[1].type == WEIR_VALUE_NULL;
    bool nulls = count == 3 && args[2].type != WEIR_VALUE_NULL;
    weir_slice null = nulls ? run_text_of(&args[2], rooms[2]) : (weir_slice){0};
    int r = weir_buf_append_u8(out, '{');
    for (bool more = s.len > 0; r == 0 && more;) {
        size_t n = each ? weir_utf8_next(s, 0) : 0;
        while (!each && n < s.len &&
               (separator.len == 0 || n + separator.len > s.len ||
                memcmp(s.data + n, separator.data, separator.len) != 0))
            n++;
        weir_slice part = weir_slice_head(s, n);
        r = nulls && weir_slice_eq(part, null) ? put_null(out) : put_text(out, part);
        more = n < s.len;
        s = weir_slice_skip(s, each || !more ? n : n + separator.len);
        more = more && (!each || s.len > 0);
    }
    return r == 0 ? run_array_give(out, ret) : r;
}

const weir_face_function weir_face_lists[] = {
    {.name = "weir_array_in", .args = 2, .pure = true, .call = call_in},
    {.name = "weir_array_of", .args = -1, .pure = true, .call = call_of},
    {.name = "weir_array_plain", .args = 1, .pure = true, .call = call_plain},
    {.name = "weir_array_append", .args = 2, .pure = true, .call = call_append},
    {.name = "weir_array_prepend", .args = 2, .pure = true, .call = call_prepend},
    {.name = "weir_array_cat", .args = 2, .pure = true, .call = call_cat},
    {.name = "weir_array_remove", .args = 2, .pure = true, .call = call_replace},
    {.name = "weir_array_replace", .args = 3, .pure = true, .call = call_replace},
    {.name = "weir_array_position", .args = 2, .pure = true, .call = call_position},
    {.name = "weir_array_contains", .args = 2, .pure = true, .call = call_contains},
    {.name = "weir_array_overlaps", .args = 2, .pure = true, .call = call_overlaps},
    {.name = "weir_string_to_array", .args = 2, .pure = true, .call = call_split},
    {.name = "weir_string_to_array", .args = 3, .pure = true, .call = call_split},
    {.name = NULL},
};
