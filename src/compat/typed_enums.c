/* Enums in typed statements: a literal is one of their labels, they are equal if their texts are,
 * and ordered by their places. */
#include "compat/typed_enums.h"
#include "compat/run.h"

/* By its name (folded) or its OID; NULL: there is none. */
static const typed_enum *find(typed *t, weir_slice name, uint32_t oid)
{
    for (const typed_enum *e = t->enums; e; e = e->next)
        if (oid ? e->oid == oid : weir_slice_eq(e->name, name))
            return e;
    const char *sql = t->schema->type ? t->schema->type(t->schema->user, name, oid) : NULL;
    enum_text text;
    if (!sql || !enum_text_begin(weir_slice_cstr(sql), &text))
        return NULL;
    weir_buf list, hex;
    weir_buf_init(&list, 1u << 20);
    weir_buf_init(&hex, 1u << 21);
    typed_enum *e = typed_new(t, sizeof(*e));
    char folded[256];
    weir_compat_name_fold(text.name, folded, sizeof(folded));
    int r = e ? enum_list(weir_slice_cstr(sql), &list) : -ENOMEM;
    if (r == 0)
        r = weir_hex_append(&hex, weir_buf_slice(&list));
    const char *own = r == 0 ? weir_arena_strdup(&t->arena, weir_slice_cstr(folded)) : NULL;
    const char *labels = r == 0 ? weir_arena_strdup(&t->arena, weir_buf_slice(&list)) : NULL;
    /* "\x…" */
    const char *blob =
        r == 0 ? weir_arena_strdup(&t->arena, weir_slice_skip(weir_buf_slice(&hex), 2)) : NULL;
    weir_buf_fini(&list);
    weir_buf_fini(&hex);
    if (!own || !labels || !blob) {
        t->failed = -ENOMEM;
        return NULL;
    }
    *e = (typed_enum){.next = t->enums,
                      .name = weir_slice_cstr(own),
                      .oid = text.oid,
                      .list = weir_slice_cstr(labels),
                      .hex = blob};
    t->enums = e;
    return e;
}

const typed_enum *typed_enum_of(typed *t, uint32_t oid)
{
    return find(t, (weir_slice){0}, oid);
}

uint32_t typed_enum_named(typed *t, weir_slice name)
{
    const typed_enum *e = find(t, name, 0);
    return e ? e->oid : 0;
}

/* "function(x'…', ": what stands before a value. NULL: there is no such type. */
static const char *call_of(typed *t, uint32_t oid, const char *function)
{
    const typed_enum *e = typed_enum_of(t, oid);
    size_t size = e ? strlen(e->hex) + strlen(function) + 16 : 0;
    char *call = e ? typed_new(t, size) : NULL;
    if (call)
        snprintf(call, size, "%s(x'%s', ", function, e->hex);
    return call;
}

int typed_put_enum_param(typed *t, uint32_t oid, size_t number)
{
    const char *call = call_of(t, oid, "weir_enum");
    return call ? weir_buf_printf(t->out, "%s?%zu)", call, number) : TYPED_PASS;
}

static int wrap(typed *t, typed_node *n, uint32_t oid, const char *function)
{
    const char *call = call_of(t, oid, function);
    size_t size = call ? strlen(call) + 4 : 0;
    char *format = call ? typed_new(t, size) : NULL;
    if (!format)
        return t->failed < 0 ? t->failed : TYPED_PASS;
    snprintf(format, size, "%s%%)", call);
    typed_wrap(t, n, format);
    return 0;
}

int typed_enum_key(typed *t, typed_node *n)
{
    if (!enum_is_oid(n->type.oid) || n->keyed)
        return 0;
    n->keyed = true;
    return wrap(t, n, n->type.oid, "weir_enum_key");
}

/* A literal is looked at here, as PostgreSQL does it. */
static int read_literal(typed *t, const typed_node *n, uint32_t oid)
{
    const typed_enum *e = typed_enum_of(t, oid);
    weir_slice s = n->text;
    if (!e || n->wrap || s.len < 2 || s.data[0] != '\'' || memchr(s.data + 1, '\'', s.len - 2))
        return TYPED_NONE;
    weir_slice label = weir_slice_make(s.data + 1, s.len - 2);
    return enum_lists(e->list, label)
               ? 0
               : typed_fail(t, "22P02", "invalid input value for enum %.*s: \"%.*s\"",
                            (int)e->name.len, (const char *)e->name.data, (int)label.len,
                            (const char *)label.data);
}

int typed_enum_coerce(typed *t, typed_node *n, typed_type to, char how)
{
    bool into = enum_is_oid(to.oid);
    bool text = typed_family(n->type.oid) == TYPED_ANY_TEXT;
    if (!into) {
        if (typed_family(to.oid) != TYPED_ANY_TEXT || how == 'i')
            return TYPED_NONE;
        typed_wrap(t, n, "+%");
        n->type = (typed_type){WEIR_OID_TEXT, 0};
        return 0;
    }
    if (n->type.oid != WEIR_OID_UNKNOWN && n->type.oid != 0 && (!text || how != 'e'))
        return TYPED_NONE;
    int r = TYPED_NONE;
    if (n->type.oid == WEIR_OID_UNKNOWN && n->kind == TYPED_STRING)
        r = read_literal(t, n, to.oid);
    bool null = n->kind == TYPED_CONSTANT;
    if (r == TYPED_NONE && !null && n->kind != TYPED_PARAM)
        r = wrap(t, n, to.oid, "weir_enum");
    else if (r == TYPED_NONE)
        r = n->kind == TYPED_PARAM && n->type.oid != WEIR_OID_UNKNOWN
                ? wrap(t, n, to.oid, "weir_enum")
                : 0; /* a parameter is read where it is written */
    n->type = (typed_type){to.oid, 0};
    return r;
}

int typed_infer_enum_call(typed *t, typed_node *n)
{
    typed_node *a = n->args;
    bool least = weir_slice_eq_cstr(n->text, "min"), most = weir_slice_eq_cstr(n->text, "max");
    bool first = weir_slice_eq_cstr(n->text, "enum_first");
    if (!a || !enum_is_oid(a->type.oid) || a->next)
        return TYPED_NONE;
    if (!least && !most && !first && !weir_slice_eq_cstr(n->text, "enum_last"))
        return TYPED_NONE;
    if (n->over || n->filter)
        return typed_fail(t, "0A000",
                          "weir: min and max of enums with FILTER or OVER are not supported on "
                          "SQLite");
    uint32_t oid = a->type.oid;
    const typed_enum *e = typed_enum_of(t, oid);
    if (!e)
        return TYPED_PASS;
    size_t size = 2 * strlen(e->hex) + 128;
    char *emit = typed_new(t, size);
    if (!emit)
        return -ENOMEM;
    n->type = (typed_type){oid, 0};
    size_t labels = 0;
    for (size_t i = 0; i < e->list.len; i++)
        labels += e->list.data[i] == ENUM_SEPARATOR;
    if (least || most)
        snprintf(emit, size, "weir_enum_label(x'%s', %s(weir_enum_key(x'%s', %%1)))", e->hex,
                 least ? "min" : "max", e->hex);
    else
        snprintf(emit, size, "weir_enum_label(x'%s', %zu)", e->hex, first ? (size_t)1 : labels);
    n->emit = emit;
    return 0;
}
