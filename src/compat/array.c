/* PostgreSQL's arrays as texts, which is what SQLite can hold: '{1,2,NULL,"a b"}' as PostgreSQL
 * writes them, and '1 2' (int2vector, oidvector), whose subscripts begin at 0. One dimension. */
#include "compat/array.h"
#include "base/ascii.h"
#include "compat/run.h"
#include <stdio.h>

/* ---- reading ---- */

void weir_array_begin(weir_slice text, weir_array *ret)
{
    text = weir_ascii_skip_space(text);
    *ret = (weir_array){.vector = text.len == 0 || text.data[0] != '{', .first = true};
    ret->rest = ret->vector ? text : weir_slice_skip(text, 1);
}

static int quoted(weir_array *a, weir_buf *out)
{
    a->rest = weir_slice_skip(a->rest, 1);
    while (a->rest.len > 0 && a->rest.data[0] != '"') {
        if (a->rest.data[0] == '\\' && a->rest.len > 1)
            a->rest = weir_slice_skip(a->rest, 1);
        int r = weir_buf_append_u8(out, a->rest.data[0]);
        if (r < 0)
            return r;
        a->rest = weir_slice_skip(a->rest, 1);
    }
    if (a->rest.len == 0)
        return WEIR_ARRAY_MALFORMED;
    a->rest = weir_slice_skip(a->rest, 1);
    return 0;
}

static int bare(weir_array *a, weir_buf *out, bool *ret_null)
{
    size_t before = out->len, n = 0;
    uint8_t ends = a->vector ? ' ' : ',';
    while (n < a->rest.len && a->rest.data[n] != ends && (a->vector || a->rest.data[n] != '}')) {
        if (!a->vector && (a->rest.data[n] == '{' || a->rest.data[n] == '"'))
            return WEIR_ARRAY_MALFORMED;
        if (a->rest.data[n] == '\\' && n + 1 < a->rest.len)
            n++;
        int r = weir_buf_append_u8(out, a->rest.data[n++]);
        if (r < 0)
            return r;
    }
    a->rest = weir_slice_skip(a->rest, n);
    while (out->len > before && out->data[out->len - 1] == ' ')
        out->len--;
    weir_slice text = weir_slice_make(out->data + before, out->len - before);
    *ret_null = weir_slice_eq_nocase(text, "null");
    return text.len == 0 ? WEIR_ARRAY_MALFORMED : 0;
}

int weir_array_next(weir_array *a, weir_buf *out, weir_array_element *ret)
{
    a->rest = weir_ascii_skip_space(a->rest);
    bool at_end = a->vector ? a->rest.len == 0 : a->rest.len > 0 && a->rest.data[0] == '}';
    if (at_end && (a->first || !a->comma))
        return WEIR_ARRAY_END;
    if (a->rest.len == 0)
        return WEIR_ARRAY_MALFORMED;
    *ret = (weir_array_element){.offset = out->len, .quoted = a->rest.data[0] == '"'};
    int r = ret->quoted ? quoted(a, out) : bare(a, out, &ret->null);
    if (r != 0)
        return r;
    ret->len = out->len - ret->offset;
    a->rest = weir_ascii_skip_space(a->rest);
    a->first = false;
    a->comma = !a->vector && a->rest.len > 0 && a->rest.data[0] == ',';
    if (a->comma)
        a->rest = weir_slice_skip(a->rest, 1);
    else if (!a->vector && (a->rest.len == 0 || a->rest.data[0] != '}'))
        return WEIR_ARRAY_MALFORMED;
    return 0;
}

/* ---- writing ---- */

/* A text that looks like a number is quoted, so that it stays a text when it is taken out. */
static bool needs_quotes(weir_slice s)
{
    int64_t number = 0;
    if (s.len == 0 || weir_slice_eq_nocase(s, "null") || weir_number_integer(s, &number))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || strchr("{},\"\\", s.data[i]))
            return true;
    return false;
}

int weir_array_put_quoted(weir_buf *out, weir_slice s)
{
    int r = weir_buf_append_u8(out, '"');
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\')
            r = weir_buf_append_u8(out, '\\');
        if (r == 0)
            r = weir_buf_append_u8(out, s.data[i]);
    }
    return r == 0 ? weir_buf_append_u8(out, '"') : r;
}

int weir_array_put_text(weir_buf *out, weir_slice s)
{
    return needs_quotes(s) ? weir_array_put_quoted(out, s) : weir_buf_append(out, s);
}

static int put_number(weir_buf *out, const weir_value *v)
{
    char text[WEIR_NUMBER_TEXT_MAX];
    if (v->type == WEIR_VALUE_INTEGER)
        return weir_buf_printf(out, "%lld", (long long)v->u.integer);
    return weir_buf_append(out, weir_slice_make(text, weir_number_format(v->u.real, text)));
}

/* A value's text. */
static int put_plain(weir_buf *out, const weir_value *v)
{
    if (v->type == WEIR_VALUE_INTEGER || v->type == WEIR_VALUE_REAL)
        return put_number(out, v);
    return v->type == WEIR_VALUE_NULL ? 0 : weir_buf_append(out, v->u.bytes);
}

static int put_element(weir_buf *out, const weir_value *v)
{
    if (v->type == WEIR_VALUE_NULL)
        return weir_buf_append(out, WEIR_SLICE_LIT("NULL"));
    if (v->type == WEIR_VALUE_INTEGER || v->type == WEIR_VALUE_REAL)
        return put_number(out, v);
    return weir_array_put_text(out, v->u.bytes);
}

int weir_array_requote(weir_slice text, weir_buf *out)
{
    weir_array a;
    weir_array_element e;
    weir_buf one;
    int r = weir_buf_append_u8(out, '{'), next = 0;
    bool first = true;
    weir_array_begin(text, &a);
    weir_buf_init(&one, out->size_max);
    while (r == 0 && (next = weir_array_next(&a, &one, &e)) == 0) {
        if (!first)
            r = weir_buf_append_u8(out, ',');
        if (r == 0)
            r = e.null ? weir_buf_append(out, WEIR_SLICE_LIT("NULL"))
                       : weir_array_put_text(out, weir_slice_make(one.data + e.offset, e.len));
        weir_buf_clear(&one);
        first = false;
    }
    weir_buf_fini(&one);
    if (r == 0 && next != WEIR_ARRAY_END)
        return next < 0 ? next : WEIR_COMPAT_REFUSED;
    return r == 0 ? weir_buf_append_u8(out, '}') : r;
}

/* ---- the functions ---- */

static int malformed(weir_error *err)
{
    weir_error_set(err, "22P02", "weir: malformed array literal");
    return WEIR_COMPAT_REFUSED;
}

static void give_text(weir_value *ret, const weir_buf *scratch, size_t from)
{
    *ret = (weir_value){.type = WEIR_VALUE_TEXT};
    ret->u.bytes = weir_slice_make(scratch->data + from, scratch->len - from);
}

/* weir_array(a, b, …) */
static int make(RUN_ARGS)
{
    (void)err;
    int r = weir_buf_append_u8(out, '{');
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (i > 0)
            r = weir_buf_append_u8(out, ',');
        if (r == 0)
            r = put_element(out, &args[i]);
    }
    if (r == 0)
        r = weir_buf_append_u8(out, '}');
    if (r == 0)
        give_text(ret, out, 0);
    return r;
}

/* ARRAY(SELECT …) without a row is an empty array, array_agg is NULL. */
static int array_or_empty(RUN_ARGS)
{
    (void)count, (void)out, (void)err;
    *ret = args[0];
    if (args[0].type == WEIR_VALUE_NULL) {
        ret->type = WEIR_VALUE_TEXT;
        ret->u.bytes = WEIR_SLICE_LIT("{}");
    }
    return 0;
}

static bool is_text(const weir_value *v)
{
    return v->type == WEIR_VALUE_TEXT;
}

/* weir_array_json(a): for json_each. What is not quoted and looks like a number is one. */
static int to_json(RUN_ARGS)
{
    (void)count;
    weir_array a;
    weir_array_element e;
    weir_buf one;
    if (!is_text(&args[0]))
        return 0;
    weir_array_begin(args[0].u.bytes, &a);
    weir_buf_init(&one, 1u << 30);
    int r = weir_buf_append_u8(out, '['), next = 0;
    while (r == 0 && (next = weir_array_next(&a, &one, &e)) == 0) {
        weir_slice text = weir_slice_make(one.data + e.offset, e.len);
        int64_t number = 0;
        bool plain = !e.quoted && !e.null && weir_number_integer(text, &number) &&
                     (text.data[0] != '0' || text.len == 1) && text.data[0] != '+';
        if (out->len > 1)
            r = weir_buf_append_u8(out, ',');
        if (r == 0 && e.null)
            r = weir_buf_append(out, WEIR_SLICE_LIT("null"));
        else if (r == 0)
            r = plain ? weir_buf_append(out, text) : weir_json_string(out, text);
        weir_buf_clear(&one);
    }
    weir_buf_fini(&one);
    if (r == 0 && next != WEIR_ARRAY_END)
        return next < 0 ? next : malformed(err);
    if (r == 0)
        r = weir_buf_append_u8(out, ']');
    if (r == 0)
        give_text(ret, out, 0);
    return r;
}

/* weir_text_array(a): '{1,2}'::text[] has texts. */
static int as_texts(RUN_ARGS)
{
    (void)count;
    if (!is_text(&args[0]))
        return 0;
    int r = weir_array_requote(args[0].u.bytes, out);
    if (r == WEIR_COMPAT_REFUSED)
        return malformed(err);
    if (r == 0)
        give_text(ret, out, 0);
    return r;
}

/* weir_element(a, n) */
static int element(RUN_ARGS)
{
    (void)count;
    weir_array a;
    weir_array_element e;
    int64_t number = 0;
    int next = 0;
    if (!is_text(&args[0]) || args[1].type != WEIR_VALUE_INTEGER)
        return 0;
    weir_array_begin(args[0].u.bytes, &a);
    for (int64_t i = a.vector ? 0 : 1; (next = weir_array_next(&a, out, &e)) == 0; i++) {
        if (i != args[1].u.integer)
            continue;
        weir_slice text = weir_slice_make(out->data + e.offset, e.len);
        if (!e.null && !e.quoted && weir_number_integer(text, &number))
            run_give_integer(ret, number);
        else if (!e.null)
            give_text(ret, out, e.offset);
        return 0;
    }
    return next < 0 ? next : next == WEIR_ARRAY_END ? 0 : malformed(err);
}

/* Counts; -1: malformed; other negatives. */
static int64_t length_of(const weir_value *v, weir_buf *out, bool *ret_vector)
{
    weir_array a;
    weir_array_element e;
    int64_t n = 0;
    int next = 0;
    weir_array_begin(v->u.bytes, &a);
    *ret_vector = a.vector;
    for (; (next = weir_array_next(&a, out, &e)) == 0; n++)
        weir_buf_clear(out);
    return next == WEIR_ARRAY_END ? n : -1;
}

/* array_length(a, 1), array_upper(a, 1): NULL for an empty one. */
static int upper(RUN_ARGS)
{
    bool vector = false;
    if (!is_text(&args[0]) || (count > 1 && args[1].u.integer != 1))
        return 0;
    int64_t n = length_of(&args[0], out, &vector);
    if (n < 0)
        return malformed(err);
    if (n > 0)
        run_give_integer(ret, vector ? n - 1 : n);
    return 0;
}

static int length(RUN_ARGS)
{
    bool vector = false;
    if (!is_text(&args[0]) || (count > 1 && args[1].u.integer != 1))
        return 0;
    int64_t n = length_of(&args[0], out, &vector);
    if (n < 0)
        return malformed(err);
    if (n > 0 || count == 1) /* cardinality has one argument */
        run_give_integer(ret, n);
    return 0;
}

/* array_to_string(a, separator [, null]) */
static int join(RUN_ARGS)
{
    weir_array a;
    weir_array_element e;
    weir_buf one;
    int r = 0, next = 0;
    bool any = false;
    if (!is_text(&args[0]) || args[1].type == WEIR_VALUE_NULL)
        return 0;
    weir_array_begin(args[0].u.bytes, &a);
    weir_buf_init(&one, 1u << 30);
    while (r == 0 && (next = weir_array_next(&a, &one, &e)) == 0) {
        bool skip = e.null && (count < 3 || args[2].type == WEIR_VALUE_NULL);
        if (!skip && any)
            r = put_plain(out, &args[1]);
        if (r == 0 && !skip)
            r = e.null ? put_plain(out, &args[2])
                       : weir_buf_append(out, weir_slice_make(one.data + e.offset, e.len));
        any |= !skip;
        weir_buf_clear(&one);
    }
    weir_buf_fini(&one);
    if (r == 0 && next != WEIR_ARRAY_END)
        return next < 0 ? next : malformed(err);
    if (r == 0)
        give_text(ret, out, 0);
    return r;
}

const weir_face_function weir_face_arrays[] = {
    {.name = "weir_array", .args = -1, .pure = true, .call = make},
    {.name = "weir_array_or_empty", .args = 1, .pure = true, .call = array_or_empty},
    {.name = "weir_array_json", .args = 1, .pure = true, .call = to_json},
    {.name = "weir_text_array", .args = 1, .pure = true, .call = as_texts},
    {.name = "weir_element", .args = 2, .pure = true, .call = element},
    {.name = "array_to_string", .args = 2, .pure = true, .call = join},
    {.name = "array_to_string", .args = 3, .pure = true, .call = join},
    {.name = "array_length", .args = 2, .pure = true, .call = length},
    {.name = "array_upper", .args = 2, .pure = true, .call = upper},
    {.name = "cardinality", .args = 1, .pure = true, .call = length},
    {.name = NULL},
};

const weir_face_table weir_face_sets[] = {
    {"unnest", "value, ordinality pg_int(20), weir_array TEXT HIDDEN",
     "SELECT value, key + 1 FROM json_each(weir_array_json(?1))"},
    {"weir_unnest2",
     "value, value2, ordinality pg_int(20), weir_array TEXT HIDDEN, weir_array2 TEXT HIDDEN",
     "SELECT a.value, b.value, a.key + 1 FROM json_each(weir_array_json(?1)) AS a LEFT JOIN "
     "json_each(weir_array_json(?2)) AS b ON b.key = a.key UNION ALL SELECT NULL, b.value, b.key + "
     "1 FROM json_each(weir_array_json(?2)) AS b WHERE b.key >= "
     "coalesce(json_array_length(weir_array_json(?1)), 0)"},
    {"generate_subscripts",
     "value pg_int(23), ordinality pg_int(20), weir_array TEXT HIDDEN, weir_dimension HIDDEN",
     "SELECT key + iif(?1 GLOB '{*', 1, 0), key + 1 FROM json_each(weir_array_json(?1)) WHERE ?2 "
     "= 1"},
    {"generate_series",
     "value pg_int(20), ordinality pg_int(20), weir_start HIDDEN, weir_stop HIDDEN, weir_step "
     "HIDDEN",
     "WITH RECURSIVE s(v, n) AS (SELECT CASE WHEN ?3 = 0 THEN weir_fail('22023', 'step size cannot "
     "equal zero') WHEN CAST(CAST(?1 AS INTEGER) AS TEXT) <> ?1 || '' THEN weir_fail('0A000', "
     "'weir: generate_series of these types is not supported on SQLite') ELSE ?1 END, 1 WHERE "
     "?3 = 0 OR iif(coalesce(?3, 1) > 0, ?1 <= ?2, ?1 >= ?2) UNION ALL SELECT v + coalesce(?3, 1), "
     "n + 1 FROM s WHERE "
     "iif(coalesce(?3, 1) > 0, v + coalesce(?3, 1) <= ?2, v + coalesce(?3, 1) >= ?2)) SELECT v, n "
     "FROM s"},
    /* Of moments, as texts, by an interval. */
    {"weir_series",
     "value TEXT, ordinality pg_int(20), weir_start HIDDEN, weir_stop HIDDEN, weir_step HIDDEN",
     "WITH RECURSIVE step(up) AS (SELECT weir_moment_add(?1, ?3, 1) > ?1), s(v, n) AS (SELECT CASE "
     "WHEN weir_moment_add(?1, ?3, 1) = ?1 THEN weir_fail('22023', 'step size cannot equal zero') "
     "ELSE ?1 END, 1 UNION ALL SELECT weir_moment_add(v, ?3, 1), n + 1 FROM s, step WHERE "
     "iif(up, v <= ?2, v >= ?2)) SELECT v, n FROM s, step WHERE iif(up, v <= ?2, v >= ?2)"},
    {"_pg_expandarray", "x pg_int(23), n pg_int(23), weir_array TEXT HIDDEN",
     "SELECT value, key + 1 FROM json_each(weir_array_json(?1))"},
    {"pg_partition_ancestors", "value pg_int(2205), ordinality pg_int(20), weir_relation HIDDEN",
     "SELECT ?1, 1 WHERE 0"},
    {NULL, NULL, NULL},
};
