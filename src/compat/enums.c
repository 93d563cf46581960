/* What an enum's text says (enums.h), and the functions by which statements use it: labels are
 * compared as they stand, and ordered by their place. */
#include "compat/enums.h"
#include "base/ascii.h"
#include "catalog/face.h"
#include "compat/run.h"

bool enum_is_oid(uint32_t oid)
{
    return oid > 1600000000u && oid < 1700000000u;
}

bool enum_text_begin(weir_slice sql, enum_text *ret)
{
    const uint8_t *mark =
        sql.len > 0 ? memmem(sql.data, sql.len, ENUM_MARK, strlen(ENUM_MARK)) : NULL;
    weir_slice rest = sql;
    int64_t oid = 0;
    if (!mark || !weir_token_accept(&rest, "create") || !weir_token_accept(&rest, "view"))
        return false;
    ret->name = weir_token_next(&rest).text;
    if (ret->name.data > mark)
        return false;
    weir_slice number = weir_slice_skip(sql, (size_t)(mark - sql.data) + strlen(ENUM_MARK));
    weir_token t = weir_token_next(&number);
    if (!weir_number_integer(t.text, &oid))
        return false;
    ret->oid = (uint32_t)oid;
    while ((t = weir_token_next(&rest)).kind != WEIR_TOKEN_END && !weir_token_is(t, "values"))
        ;
    ret->rest = rest;
    return true;
}

/* The next label, as a literal. */
static bool next_label(enum_text *e, weir_slice *ret)
{
    weir_token t;
    while ((t = weir_token_next(&e->rest)).kind != WEIR_TOKEN_END) {
        if (t.kind != WEIR_TOKEN_STRING)
            continue;
        *ret = t.text;
        return true;
    }
    return false;
}

/* Appends a literal's text. */
static int put_text(weir_slice literal, weir_buf *out)
{
    int r = 0;
    for (size_t i = 1; r == 0 && i + 1 < literal.len; i++) {
        r = weir_buf_append_u8(out, literal.data[i]);
        i += literal.data[i] == '\'';
    }
    return r;
}

int enum_list(weir_slice sql, weir_buf *out)
{
    enum_text e;
    weir_slice label;
    char name[256];
    if (!enum_text_begin(sql, &e))
        return -EINVAL;
    weir_compat_name_fold(e.name, name, sizeof(name));
    int r = weir_buf_append(out, weir_slice_cstr(name));
    while (r == 0 && next_label(&e, &label)) {
        r = weir_buf_append_u8(out, ENUM_SEPARATOR);
        if (r == 0)
            r = put_text(label, out);
    }
    return r;
}

/* The next of the list, behind its name. */
static bool next_of(weir_slice *list, weir_slice *ret)
{
    const uint8_t *begin = list->len > 0 ? memchr(list->data, ENUM_SEPARATOR, list->len) : NULL;
    if (!begin)
        return false;
    weir_slice rest = weir_slice_skip(*list, (size_t)(begin - list->data) + 1);
    const uint8_t *end = rest.len > 0 ? memchr(rest.data, ENUM_SEPARATOR, rest.len) : NULL;
    *ret = weir_slice_head(rest, end ? (size_t)(end - rest.data) : rest.len);
    *list = weir_slice_skip(rest, ret->len);
    return true;
}

/* Its place, from 1; 0: it is none. */
static int64_t place_of(weir_slice list, weir_slice label)
{
    weir_slice each;
    for (int64_t i = 1; next_of(&list, &each); i++)
        if (weir_slice_eq(each, label))
            return i;
    return 0;
}

bool enum_lists(weir_slice list, weir_slice label)
{
    return place_of(list, label) > 0;
}

/* ---- functions; `list` is a blob ---- */

static int invalid(weir_slice list, weir_slice label, weir_error *err)
{
    const uint8_t *end = memchr(list.data, ENUM_SEPARATOR, list.len);
    size_t len = end ? (size_t)(end - list.data) : list.len;
    weir_error_set(err, "22P02", "invalid input value for enum %.*s: \"%.*s\"", (int)len,
                   (const char *)list.data, (int)(label.len < 63 ? label.len : 63),
                   (const char *)label.data);
    return WEIR_COMPAT_REFUSED;
}

/* weir_enum(list, x): x, which is one of its labels. */
static int call_enum(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)out;
    if (run_any_null(args, count))
        return 0;
    weir_slice list = args[0].u.bytes, label = run_text_of(&args[1], room);
    if (!enum_lists(list, label))
        return invalid(list, label, err);
    *ret = args[1];
    return 0;
}

/* weir_enum_key(list, x): its place. What SQLite's tools wrote and is no label comes last. */
static int call_key(RUN_ARGS)
{
    char room[WEIR_NUMBER_TEXT_MAX];
    (void)out, (void)err;
    if (run_any_null(args, count))
        return 0;
    int64_t place = place_of(args[0].u.bytes, run_text_of(&args[1], room));
    run_give_integer(ret, place > 0 ? place : INT32_MAX);
    return 0;
}

/* weir_enum_label(list, place) */
static int call_label(RUN_ARGS)
{
    (void)out, (void)err;
    if (run_any_null(args, count) || args[1].type != WEIR_VALUE_INTEGER)
        return 0;
    weir_slice list = args[0].u.bytes, each;
    for (int64_t i = 1; next_of(&list, &each); i++)
        if (i == args[1].u.integer)
            run_give_text(ret, each);
    return 0;
}

/* ---- of the view's text ---- */

static weir_slice text_of(const weir_value *v)
{
    return v->type == WEIR_VALUE_TEXT ? v->u.bytes : (weir_slice){0};
}

static int call_oid(RUN_ARGS)
{
    enum_text e;
    (void)count, (void)out, (void)err;
    if (enum_text_begin(text_of(&args[0]), &e))
        run_give_integer(ret, e.oid);
    return 0;
}

/* As a JSON array. */
static int call_labels(RUN_ARGS)
{
    enum_text e;
    weir_slice literal;
    (void)count, (void)err;
    if (!enum_text_begin(text_of(&args[0]), &e))
        return 0;
    int r = weir_buf_append_u8(out, '[');
    for (bool first = true; r == 0 && next_label(&e, &literal); first = false) {
        r = weir_buf_append(out, first ? WEIR_SLICE_LIT("\"") : WEIR_SLICE_LIT(",\""));
        for (size_t i = 1; r == 0 && i + 1 < literal.len; i++) {
            uint8_t c = literal.data[i];
            i += c == '\'';
            r = c < ' ' || c == '"' || c == '\\' ? weir_buf_printf(out, "\\u%04x", c)
                                                 : weir_buf_append_u8(out, c);
        }
        if (r == 0)
            r = weir_buf_append_u8(out, '"');
    }
    if (r == 0)
        r = weir_buf_append_u8(out, ']');
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

typedef struct edit {
    weir_slice label, neighbour; /* texts */
    char where;                  /* 'a'fter, 'b'efore, '=' instead of; 0: at the end */
    bool found, twice;
} edit;

static int put_label(weir_buf *out, weir_slice text, bool *first)
{
    int r = *first ? 0 : weir_buf_append(out, WEIR_SLICE_LIT(", "));
    *first = false;
    if (r == 0)
        r = weir_buf_append_u8(out, '(');
    if (r == 0)
        r = weir_token_put_quoted(out, text, '\'');
    return r == 0 ? weir_buf_append_u8(out, ')') : r;
}

static int put_each(weir_buf *out, edit *e, weir_slice text, bool *first)
{
    bool here = e->where && weir_slice_eq(text, e->neighbour);
    int r = 0;
    e->found |= here;
    e->twice |= weir_slice_eq(text, e->label);
    if (here && e->where == 'b')
        r = put_label(out, e->label, first);
    if (r == 0)
        r = put_label(out, here && e->where == '=' ? e->label : text, first);
    return r == 0 && here && e->where == 'a' ? put_label(out, e->label, first) : r;
}

/* weir_enum_edit(sql, label, where, neighbour): the text with the label. */
static int call_edit(RUN_ARGS)
{
    enum_text text;
    weir_slice literal, sql = text_of(&args[0]), where = text_of(&args[2]);
    edit e = {.label = text_of(&args[1]), .neighbour = text_of(&args[3])};
    weir_buf label;
    bool first = true;
    (void)count;
    e.where = where.len > 0 ? (char)where.data[0] : '\0';
    if (!enum_text_begin(sql, &text))
        return 0;
    weir_buf_init(&label, 4096);
    const uint8_t *mark = memmem(sql.data, sql.len, ") AS ", 5);
    int r = mark ? weir_buf_append(out, weir_slice_head(sql, (size_t)(mark - sql.data))) : -EINVAL;
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(") AS VALUES "));
    while (r == 0 && next_label(&text, &literal)) {
        weir_buf_clear(&label);
        r = put_text(literal, &label);
        if (r == 0)
            r = put_each(out, &e, weir_buf_slice(&label), &first);
    }
    if (r == 0 && e.where == '\0')
        r = put_label(out, e.label, &first);
    weir_buf_fini(&label);
    if (r == 0 && (e.twice || (e.where && !e.found))) {
        weir_slice which = e.twice ? e.label : e.neighbour;
        weir_error_set(err, e.twice ? "42710" : "22023",
                       e.twice ? "enum label \"%.*s\" already exists"
                               : "\"%.*s\" is not an existing enum label",
                       (int)which.len, (const char *)which.data);
        return WEIR_COMPAT_REFUSED;
    }
    run_give_text(ret, weir_buf_slice(out));
    return r;
}

const weir_face_function weir_face_enums[] = {
    {.name = "weir_enum", .args = 2, .pure = true, .call = call_enum},
    {.name = "weir_enum_key", .args = 2, .pure = true, .call = call_key},
    {.name = "weir_enum_label", .args = 2, .pure = true, .call = call_label},
    {.name = "weir_enum_oid", .args = 1, .pure = true, .call = call_oid},
    {.name = "weir_enum_labels", .args = 1, .pure = true, .call = call_labels},
    {.name = "weir_enum_edit", .args = 4, .pure = true, .call = call_edit},
    {.name = NULL},
};
