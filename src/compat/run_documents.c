/* What PostgreSQL does to JSON documents: members set, inserted and taken away by their path, the
 * pretty form, documents as rows. Paths are arrays of texts. */
#include "base/utf8.h"
#include "compat/array.h"
#include "compat/run_json.h"

static bool is_scalar(weir_slice s)
{
    return !run_json_is_object(s) && !run_json_is_array(s);
}

static int64_t length_of(weir_slice s)
{
    weir_slice key, value;
    int64_t n = 0;
    bool object = run_json_is_object(s);
    s = weir_slice_skip(s, 1);
    while (run_json_next(&s, object, &key, &value))
        n++;
    return n;
}

static bool is_key(weir_slice quoted, weir_slice key)
{
    weir_buf plain;
    weir_buf_init(&plain, quoted.len + 8);
    bool same = run_json_decode(quoted, &plain) == 0 && weir_slice_eq(weir_buf_slice(&plain), key);
    weir_buf_fini(&plain);
    return same;
}

/* Calls `one` for each element of the array. */
static int each_element(weir_slice array, weir_error *err,
                        int (*one)(void *user, weir_slice text, bool null), void *user)
{
    weir_array a;
    weir_array_element e;
    weir_buf text;
    int r = 0, next = 0;
    weir_array_begin(array, &a);
    weir_buf_init(&text, array.len + 64);
    while (r == 0 && (next = weir_array_next(&a, &text, &e)) == 0) {
        r = one(user, weir_slice_make(text.data + e.offset, e.len), e.null);
        weir_buf_clear(&text);
    }
    weir_buf_fini(&text);
    if (r == 0 && next != WEIR_ARRAY_END)
        return next < 0 ? next : run_invalid(err, "text[]", array);
    return r;
}

/* ---- a member by its path ---- */

typedef enum change {
    CHANGE_REPLACE,
    CHANGE_CREATE,
    CHANGE_BEFORE,
    CHANGE_AFTER,
    CHANGE_DROP
} change;

#define STEPS_MAX RUN_JSON_DEPTH_MAX

typedef struct editing {
    weir_slice steps[STEPS_MAX];
    size_t count;
    weir_buf texts; /* of the steps */
    size_t ends[STEPS_MAX];
    weir_slice value;
    change how;
    weir_buf *out;
    weir_error *err;
} editing;

static int note_step(void *user, weir_slice text, bool null)
{
    editing *e = user;
    if (null) {
        weir_error_set(e->err, "22004", "path element at position %zu is null", e->count + 1);
        return WEIR_COMPAT_REFUSED;
    }
    if (e->count == STEPS_MAX)
        return run_refuse(e->err, "54000", "weir: the path is too long");
    int r = weir_buf_append(&e->texts, text);
    e->ends[e->count++] = e->texts.len;
    return r;
}

static int read_path(editing *e, weir_slice path)
{
    weir_buf_init(&e->texts, path.len + 64);
    int r = each_element(path, e->err, note_step, e);
    for (size_t i = 0, from = 0; i < e->count; from = e->ends[i++])
        e->steps[i] = weir_slice_make(e->texts.data + from, e->ends[i] - from);
    return r;
}

static bool adds(const editing *e)
{
    return e->how == CHANGE_CREATE || e->how == CHANGE_BEFORE || e->how == CHANGE_AFTER;
}

static int put_separator(weir_buf *out, bool *any)
{
    int r = *any ? weir_buf_append(out, WEIR_SLICE_LIT(", ")) : 0;
    *any = true;
    return r;
}

static int put_one(editing *e, weir_slice value, bool *any)
{
    int r = put_separator(e->out, any);
    return r == 0 ? weir_buf_append(e->out, value) : r;
}

static int edit(editing *e, weir_slice s, size_t level);

static int put_member(editing *e, weir_slice key, weir_slice value, size_t deeper, bool *any)
{
    int r = put_one(e, key, any);
    if (r == 0)
        r = weir_buf_append(e->out, WEIR_SLICE_LIT(": "));
    return r != 0 ? r : deeper ? edit(e, value, deeper) : weir_buf_append(e->out, value);
}

static int edit_object(editing *e, weir_slice s, size_t level)
{
    bool last = level + 1 == e->count, any = false, done = false;
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    int r = weir_buf_append_u8(e->out, '{');
    while (r == 0 && run_json_next(&rest, true, &key, &value)) {
        bool found = is_key(key, e->steps[level]);
        done |= found;
        if (found && last && (e->how == CHANGE_BEFORE || e->how == CHANGE_AFTER))
            return run_refuse(e->err, "22023", "cannot replace existing key");
        if (found && last && e->how == CHANGE_DROP)
            continue;
        r = put_member(e, key, found && last ? e->value : value, found && !last ? level + 1 : 0,
                       &any);
    }
    if (r == 0 && last && !done && adds(e)) {
        r = put_separator(e->out, &any);
        if (r == 0)
            r = run_json_string(e->out, e->steps[level]);
        if (r == 0)
            r = weir_buf_append(e->out, WEIR_SLICE_LIT(": "));
        if (r == 0)
            r = weir_buf_append(e->out, e->value);
    }
    return r == 0 ? weir_buf_append_u8(e->out, '}') : r;
}

/* The element that is meant, before it or after it something new. */
static int edit_last(editing *e, weir_slice value, bool *any)
{
    bool keeps = e->how == CHANGE_BEFORE || e->how == CHANGE_AFTER;
    int r = e->how == CHANGE_BEFORE || e->how == CHANGE_CREATE ? put_one(e, e->value, any) : 0;
    if (r == 0 && keeps)
        r = put_one(e, value, any);
    bool behind = e->how == CHANGE_AFTER || e->how == CHANGE_REPLACE;
    return r == 0 && behind ? put_one(e, e->value, any) : r;
}

static int edit_array(editing *e, weir_slice s, size_t level)
{
    bool last = level + 1 == e->count, any = false, done = false;
    int64_t at = 0, count = length_of(s);
    if (!weir_number_integer(e->steps[level], &at) || at > INT32_MAX || at < INT32_MIN) {
        weir_error_set(e->err, "22P02", "path element at position %zu is not an integer: \"%.*s\"",
                       level + 1, WEIR_UTF8_QUOTED(e->steps[level], 60));
        return WEIR_COMPAT_REFUSED;
    }
    bool before = at < 0 && -at > count;
    at = before ? -1 : at < 0 ? count + at : at > count ? count : at;
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    int r = weir_buf_append_u8(e->out, '[');
    if (r == 0 && last && adds(e) && (before || count == 0)) {
        r = put_one(e, e->value, &any);
        done = true;
    }
    for (int64_t i = 0; r == 0 && run_json_next(&rest, false, &key, &value); i++) {
        if (i != at || done) {
            r = put_one(e, value, &any);
        } else if (last) {
            r = edit_last(e, value, &any);
        } else {
            r = put_separator(e->out, &any);
            if (r == 0)
                r = edit(e, value, level + 1);
        }
        done |= i == at;
    }
    if (r == 0 && last && !done && adds(e))
        r = put_one(e, e->value, &any);
    return r == 0 ? weir_buf_append_u8(e->out, ']') : r;
}

static int edit(editing *e, weir_slice s, size_t level)
{
    if (run_json_is_object(s))
        return edit_object(e, s, level);
    return run_json_is_array(s) ? edit_array(e, s, level) : weir_buf_append(e->out, s);
}

static int change_document(const weir_value *document, const weir_value *path,
                           const weir_value *value, change how, weir_buf *out, weir_value *ret,
                           weir_error *err)
{
    char room[WEIR_NUMBER_TEXT_MAX], other[WEIR_NUMBER_TEXT_MAX];
    weir_buf raw;
    editing e = {.how = how, .err = err, .out = &raw};
    weir_slice s = {0};
    int r = run_json_read(document, room, &s, err);
    if (r == 0 && value)
        r = run_json_read(value, other, &e.value, err);
    if (r == 0 && is_scalar(s))
        return run_refuse(err, "22023",
                          how == CHANGE_DROP ? "cannot delete path in scalar"
                                             : "cannot set path in scalar");
    if (r != 0)
        return r;
    weir_buf_init(&raw, out->size_max);
    r = read_path(&e, run_text_of(path, (char[WEIR_NUMBER_TEXT_MAX]){0}));
    if (r == 0)
        r = e.count > 0 ? edit(&e, s, 0) : weir_buf_append(&raw, s);
    if (r == 0)
        r = run_json_canonical(weir_buf_slice(&raw), out, 0);
    weir_buf_fini(&raw);
    weir_buf_fini(&e.texts);
    return run_give(out, ret, r);
}

/* weir_jsonb_set(document, path, value, create if missing) */
static int call_set(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    change how = run_integer_of(&args[3]) ? CHANGE_CREATE : CHANGE_REPLACE;
    return change_document(&args[0], &args[1], &args[2], how, out, ret, err);
}

/* weir_jsonb_insert(document, path, value, after) */
static int call_insert(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    change how = run_integer_of(&args[3]) ? CHANGE_AFTER : CHANGE_BEFORE;
    return change_document(&args[0], &args[1], &args[2], how, out, ret, err);
}

static int call_delete_path(RUN_ARGS)
{
    if (run_any_null(args, count))
        return 0;
    return change_document(&args[0], &args[1], NULL, CHANGE_DROP, out, ret, err);
}

/* ---- members by their names ---- */

typedef struct keys {
    weir_slice document, wanted;
    bool any, all;
    bool found; /* of `wanted`, as one of them */
} keys;

static bool has_key(weir_slice s, weir_slice wanted)
{
    weir_slice key, value;
    if (run_json_is_object(s))
        return run_json_key(s, wanted, &value);
    if (!run_json_is_array(s))
        return s.data[0] == '"' && is_key(s, wanted);
    s = weir_slice_skip(s, 1);
    while (run_json_next(&s, false, &key, &value))
        if (value.data[0] == '"' && is_key(value, wanted))
            return true;
    return false;
}

static int note_key(void *user, weir_slice text, bool null)
{
    keys *k = user;
    if (null) /* is none */
        return 0;
    bool has = has_key(k->document, text);
    k->any |= has;
    k->all &= has;
    return 0;
}

/* weir_jsonb_has_keys(document, keys, all of them) */
static int call_has_keys(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    keys k = {.all = true};
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &k.document, err);
    if (r == 0)
        r = each_element(run_text_of(&args[1], (char[WEIR_NUMBER_TEXT_MAX]){0}), err, note_key, &k);
    run_give_integer(ret, run_integer_of(&args[2]) ? k.all : k.any);
    return r;
}

static int match_key(void *user, weir_slice text, bool null)
{
    keys *k = user;
    k->found |= !null && is_key(k->wanted, text);
    return 0;
}

/* A name, or an array of them. */
static int is_unwanted(weir_slice key, const weir_value *names, bool several, bool *ret,
                       weir_error *err)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    keys k = {.wanted = key};
    if (!several) {
        *ret = is_key(key, run_text_of(names, room));
        return 0;
    }
    int r = each_element(run_text_of(names, room), err, match_key, &k);
    *ret = k.found;
    return r;
}

static int drop_members(weir_slice s, const weir_value *names, bool several, weir_buf *out,
                        weir_error *err)
{
    bool object = run_json_is_object(s), any = false;
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    int r = weir_buf_append_u8(out, object ? '{' : '[');
    while (r == 0 && run_json_next(&rest, object, &key, &value)) {
        bool drop = false;
        if (object || value.data[0] == '"')
            r = is_unwanted(object ? key : value, names, several, &drop, err);
        if (r != 0 || drop)
            continue;
        r = put_separator(out, &any);
        if (r == 0 && object)
            r = weir_buf_append(out, key);
        if (r == 0 && object)
            r = weir_buf_append(out, WEIR_SLICE_LIT(": "));
        if (r == 0)
            r = weir_buf_append(out, value);
    }
    return r == 0 ? weir_buf_append_u8(out, object ? '}' : ']') : r;
}

static int drop_element(weir_slice s, int64_t at, weir_buf *out)
{
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    bool any = false;
    int r = weir_buf_append_u8(out, '[');
    at = at < 0 ? length_of(s) + at : at;
    for (int64_t i = 0; r == 0 && run_json_next(&rest, false, &key, &value); i++) {
        r = i == at ? 0 : put_separator(out, &any);
        if (r == 0 && i != at)
            r = weir_buf_append(out, value);
    }
    return r == 0 ? weir_buf_append_u8(out, ']') : r;
}

/* weir_jsonb_delete(document, name, index or array of names[, 1: it is an array]) */
static int call_delete(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && is_scalar(s))
        return run_refuse(err, "22023", "cannot delete from scalar");
    bool index = count == 2 && args[1].type == WEIR_VALUE_INTEGER;
    if (r == 0 && index && run_json_is_object(s))
        return run_refuse(err, "22023", "cannot delete from object using integer index");
    if (r == 0)
        r = index ? drop_element(s, args[1].u.integer, out)
                  : drop_members(s, &args[1], count > 2, out, err);
    return run_give(out, ret, r);
}

/* ---- forms ---- */

static int put_line(weir_buf *out, unsigned depth)
{
    return weir_buf_printf(out, "\n%*s", (int)depth * 4, "");
}

/* Either with a line for each member, or without space and without the members that are null. */
static int put_form(weir_slice s, weir_buf *out, unsigned depth, bool pretty)
{
    bool object = run_json_is_object(s), any = false;
    weir_slice key, value, rest = weir_slice_skip(s, 1);
    if (is_scalar(s))
        return weir_buf_append(out, s);
    if (depth > RUN_JSON_DEPTH_MAX)
        return -EMSGSIZE;
    int r = weir_buf_append_u8(out, object ? '{' : '[');
    while (r == 0 && run_json_next(&rest, object, &key, &value)) {
        if (!pretty && object && weir_slice_eq_cstr(value, "null"))
            continue;
        r = any ? weir_buf_append_u8(out, ',') : 0;
        if (r == 0 && pretty)
            r = put_line(out, depth + 1);
        if (r == 0 && object)
            r = weir_buf_append(out, key);
        if (r == 0 && object)
            r = weir_buf_append(out, weir_slice_cstr(pretty ? ": " : ":"));
        if (r == 0)
            r = put_form(value, out, depth + 1, pretty);
        any = true;
    }
    if (r == 0 && pretty)
        r = put_line(out, depth);
    return r == 0 ? weir_buf_append_u8(out, object ? '}' : ']') : r;
}

static int put_pretty(weir_slice s, weir_buf *out, unsigned depth)
{
    return put_form(s, out, depth, true);
}

static int call_pretty(RUN_ARGS)
{
    return run_json_rewrite(args, count, out, ret, err, put_pretty);
}

static int put_stripped(weir_slice s, weir_buf *out, unsigned depth)
{
    return put_form(s, out, depth, false);
}

static int call_strip_nulls(RUN_ARGS)
{
    return run_json_rewrite(args, count, out, ret, err, put_stripped);
}

/* ---- rows: as arrays of texts, for SQLite's json_each ---- */

/* weir_json_split(document): its elements. */
static int call_split(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s, key, value;
    bool any = false;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && !run_json_is_array(s))
        return run_refuse(err, "22023",
                          run_json_is_object(s) ? "cannot extract elements from an object"
                                                : "cannot extract elements from a scalar");
    s = weir_slice_skip(s, r == 0 ? 1 : 0);
    if (r == 0)
        r = weir_buf_append_u8(out, '[');
    while (r == 0 && run_json_next(&s, false, &key, &value)) {
        r = put_separator(out, &any);
        if (r == 0)
            r = run_json_string(out, value);
    }
    return run_give(out, ret, r == 0 ? weir_buf_append_u8(out, ']') : r);
}

/* weir_json_members(document): its keys and values, one behind the other. */
static int call_members(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s, key, value;
    bool any = false;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && !run_json_is_object(s))
        return run_refuse(err, "22023", "cannot take members of what is not an object");
    s = weir_slice_skip(s, r == 0 ? 1 : 0);
    if (r == 0)
        r = weir_buf_append_u8(out, '[');
    while (r == 0 && run_json_next(&s, true, &key, &value)) {
        r = put_separator(out, &any);
        if (r == 0)
            r = weir_buf_append_u8(out, '[');
        if (r == 0)
            r = weir_buf_append(out, key);
        if (r == 0)
            r = weir_buf_append_u8(out, ',');
        if (r == 0)
            r = run_json_string(out, value);
        if (r == 0)
            r = weir_buf_append_u8(out, ']');
    }
    return run_give(out, ret, r == 0 ? weir_buf_append_u8(out, ']') : r);
}

/* ---- from and to other types ---- */

/* A name in an object that is being built. */
static int call_name(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    if (run_any_null(args, count))
        return run_refuse(err, "22023", "argument of an object's key must not be null");
    return run_give(out, ret, run_json_string(out, run_text_of(&args[0], room)));
}

static const char *kind_of(weir_slice s)
{
    return run_json_is_object(s)                  ? "object"
           : run_json_is_array(s)                 ? "array"
           : s.data[0] == '"'                     ? "string"
           : s.data[0] == 'n'                     ? "null"
           : s.data[0] == 't' || s.data[0] == 'f' ? "boolean"
                                                  : "numeric";
}

static int call_to_number(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && strcmp(kind_of(s), "numeric") != 0) {
        weir_error_set(err, "22023", "cannot cast jsonb %s to type numeric", kind_of(s));
        return WEIR_COMPAT_REFUSED;
    }
    return r == 0 ? run_give(out, ret, weir_buf_append(out, s)) : r;
}

static int call_to_bool(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    weir_slice s;
    (void)out;
    if (run_any_null(args, count))
        return 0;
    int r = run_json_read(&args[0], room, &s, err);
    if (r == 0 && strcmp(kind_of(s), "boolean") != 0) {
        weir_error_set(err, "22023", "cannot cast jsonb %s to type boolean", kind_of(s));
        return WEIR_COMPAT_REFUSED;
    }
    if (r == 0)
        run_give_integer(ret, s.data[0] == 't');
    return r;
}

const weir_face_function weir_face_documents[] = {
    {.name = "weir_jsonb_set", .args = 4, .pure = true, .call = call_set},
    {.name = "weir_jsonb_insert", .args = 4, .pure = true, .call = call_insert},
    {.name = "weir_jsonb_delete_path", .args = 2, .pure = true, .call = call_delete_path},
    {.name = "weir_jsonb_delete", .args = 2, .pure = true, .call = call_delete},
    {.name = "weir_jsonb_delete", .args = 3, .pure = true, .call = call_delete},
    {.name = "weir_jsonb_has_keys", .args = 3, .pure = true, .call = call_has_keys},
    {.name = "weir_json_pretty", .args = 1, .pure = true, .call = call_pretty},
    {.name = "weir_json_strip_nulls", .args = 1, .pure = true, .call = call_strip_nulls},
    {.name = "weir_json_split", .args = 1, .pure = true, .call = call_split},
    {.name = "weir_json_members", .args = 1, .pure = true, .call = call_members},
    {.name = "weir_json_name", .args = 1, .pure = true, .call = call_name},
    {.name = "weir_jsonb_numeric", .args = 1, .pure = true, .call = call_to_number},
    {.name = "weir_jsonb_bool", .args = 1, .pure = true, .call = call_to_bool},
    {.name = NULL},
};

const weir_face_table weir_face_document_sets[] = {
    {"weir_json_elements", "value, ordinality pg_int(20), weir_document TEXT HIDDEN",
     "SELECT value, key + 1 FROM json_each(weir_json_split(?1))"},
    {"weir_json_element_texts", "value, ordinality pg_int(20), weir_document TEXT HIDDEN",
     "SELECT weir_json_text(value), key + 1 FROM json_each(weir_json_split(?1))"},
    {"weir_json_pairs", "key, value, ordinality pg_int(20), weir_document TEXT HIDDEN",
     "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), key + 1 FROM "
     "json_each(weir_json_members(?1))"},
    {"weir_json_pair_texts", "key, value, ordinality pg_int(20), weir_document TEXT HIDDEN",
     "SELECT json_extract(value, '$[0]'), weir_json_text(json_extract(value, '$[1]')), key + 1 "
     "FROM json_each(weir_json_members(?1))"},
    {"weir_json_keys", "value, ordinality pg_int(20), weir_document TEXT HIDDEN",
     "SELECT json_extract(value, '$[0]'), key + 1 FROM json_each(weir_json_members(?1))"},
    {NULL, NULL, NULL},
};
