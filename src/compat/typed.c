/* From a statement's text to the one that SQLite runs, with the types of its results: read
 * (typed_parse.c, typed_select.c, typed_expr.c), resolved (typed_resolve.c), typed (typed_infer.c,
 * typed_calls.c), written (typed_emit.c). */
#include "compat/typed_emit.h"
#include "compat/typed_lists.h"

#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define ARENA_BLOCK ((size_t)256 << 10) /* more than is asked for at once */

/* Of a table's column, which no function has changed: VARHDRSZ is in PostgreSQL's numbers. */
static int32_t modifier_of(const typed_column *c)
{
    if (c->table.len == 0 || c->type.mod <= 0)
        return -1;
    if (c->type.oid == WEIR_OID_VARCHAR)
        return c->type.mod + 4;
    return c->type.oid == WEIR_OID_NUMERIC ? c->type.mod - 1 + 4 : -1;
}

static int give_name(weir_buf *out, weir_slice name)
{
    int r = weir_buf_append(out, name);
    return r == 0 ? weir_buf_append_u8(out, 0) : r;
}

static int give_types(const typed_query *q, weir_face_typing *ret)
{
    int r = 0;
    ret->count = 0;
    for (size_t i = 0; r == 0 && i < q->count; i++) {
        const typed_column *c = &q->columns[i];
        weir_face_type type = {c->type.oid, modifier_of(c)};
        r = weir_buf_append(&ret->types, weir_slice_make(&type, sizeof(type)));
        if (r == 0)
            r = give_name(&ret->origins, c->table);
        if (r == 0)
            r = give_name(&ret->origins, c->origin);
        ret->count++;
    }
    return r;
}

static int give_params(const typed *t, weir_face_typing *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < t->param_count; i++) {
        uint32_t oid = t->params[i].oid == WEIR_OID_UNKNOWN ? 0 : t->params[i].oid;
        r = weir_buf_append(&ret->params, weir_slice_make(&oid, sizeof(oid)));
    }
    return r;
}

/* What SQLite explains is what it would run. */
static int take_explain(typed *t, bool *ret_explains)
{
    *ret_explains = typed_accept(t, "explain");
    if (!*ret_explains)
        return 0;
    return typed_put(t, typed_accept2(t, "query", "plan") ? "EXPLAIN QUERY PLAN " : "EXPLAIN ");
}

static int translate(typed *t, weir_slice source, weir_face_typing *ret)
{
    typed_query *q = NULL;
    bool explains = false;
    t->rest = source;
    t->out = &ret->text;
    t->params = typed_new(t, TYPED_PARAMS_MAX * sizeof(*t->params));
    if (!t->params || take_explain(t, &explains) != 0)
        return -ENOMEM;
    typed_view view;
    bool is_view = false;
    int r = typed_parse_view(t, &view, &is_view);
    if (r == 0)
        r = typed_parse_statement(t, &q);
    if (r == 0)
        r = typed_resolve_query(t, q, NULL);
    if (r == 0 && !is_view) /* each statement that reads it has its own */
        typed_show_zone(t, q);
    if (r == 0)
        r = t->failed;
    t->depth = 0;
    if (r == 0)
        r = is_view ? typed_emit_view(t, &view, q) : typed_emit_query(t, q);
    if (r == 0)
        r = give_params(t, ret);
    return r == 0 && !explains && !is_view ? give_types(q, ret) : r;
}

int weir_typed_translate(weir_slice source, weir_slice params, weir_slice zone,
                         const weir_face_schema *schema, weir_face_typing *ret, weir_error *err)
{
    typed t = {.schema = schema, .named = params, .zone = zone, .err = err};
    weir_arena_init(&t.arena, ARENA_SIZE_MAX);
    int r = translate(&t, source, ret);
    /* A statement that is too long to be understood runs as it stands. */
    if (r == -ENOMEM && t.arena.size_used > ARENA_SIZE_MAX - ARENA_BLOCK)
        r = TYPED_PASS;
    weir_arena_fini(&t.arena);
    return r;
}
