/* What statements look like to clients: a client that was shown a description decodes by it, so
 * rows of other types must not follow. A server sees to that where its statement stands (0A000);
 * where we parse it again after a change of the schema, it is described to us first, and compared.
 */
#include "backend/postgres/internal.h"
#include "backend/postgres/relay.h"

static uint64_t mix(uint64_t hash, weir_slice bytes)
{
    static const weir_hash_seed seed = {.k = {0x77656972, 0x73686170}};
    return (hash << 7 | hash >> 57) ^ weir_hash(seed, bytes);
}

/* RowDescription: names and types; where a column comes from, and its format, may differ. */
static uint64_t shape_of_row(weir_slice body, uint64_t hash)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    for (uint16_t n = weir_pg_read_u16(&r); n > 0 && r.ok; n--) {
        hash = mix(hash, weir_pg_read_cstr(&r));
        (void)weir_pg_read_bytes(&r, 6);
        hash = mix(hash, weir_pg_read_bytes(&r, 10));
        (void)weir_pg_read_bytes(&r, 2);
    }
    return hash;
}

/* 0 says that there is none. */
static uint64_t whole(uint64_t shape)
{
    return shape ? shape : 1;
}

uint64_t weir_postgres_shape(weir_slice description)
{
    weir_pg_frame f;
    uint64_t shape = 0;
    for (size_t pos = 0;
         weir_pg_frame_next(weir_slice_skip(description, pos), WEIR_PG_MESSAGE_SIZE_MAX, &f) == 0;
         pos += f.whole.len) {
        if (f.type == WEIR_PG_B_PARAM_DESCRIPTION)
            shape = mix(1, f.body);
        else if (f.type == WEIR_PG_B_ROW_DESCRIPTION)
            shape = shape_of_row(f.body, shape);
    }
    return whole(shape);
}

static void described(pg_conn *c, uint64_t tag)
{
    weir_relay_sink *sink = c->base.sink;
    uint64_t shape = whole(c->shape);
    const uint64_t *key = tag == PG_EXAMINED ? &c->examined : &tag;
    pg_prepared *p = weir_map_find(&c->prepared.map, weir_slice_make(key, sizeof(*key)));
    if (p)
        p->shape = shape;
    if (tag != PG_EXAMINED) {
        if (sink && sink->events->on_described)
            sink->events->on_described(sink, tag, shape);
        return;
    }
    if (p)
        p->faithful = shape == c->expected;
    c->examined = 0;
    if (sink && sink->events->on_examined)
        sink->events->on_examined(sink, shape);
}

void pg_describe_frame(pg_conn *c, const weir_pg_frame *f, uint64_t tag)
{
    switch (f->type) {
    case WEIR_PG_B_PARAM_DESCRIPTION:
        c->shape = mix(1, f->body);
        break;
    case WEIR_PG_B_ROW_DESCRIPTION:
        c->shape = shape_of_row(f->body, c->shape);
        described(c, tag);
        break;
    case WEIR_PG_B_NO_DATA:
        described(c, tag);
        break;
    default:
        break;
    }
}

void pg_describe_failed(pg_conn *c)
{
    weir_relay_sink *sink = c->base.sink;
    c->examined = 0;
    if (sink && sink->events->on_examined)
        sink->events->on_examined(sink, 0);
}

bool pg_faithful(weir_conn *conn, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    uint64_t changes = atomic_load_explicit(&conn->backend->changes, memory_order_relaxed);
    pg_prepared *p = pg_prepared_find(&c->prepared, prepared->content);
    if (!pg_relay_usable(c, p))
        return changes == prepared->schema && !prepared->recalled;
    return p->shape ? p->shape == prepared->shape : p->faithful && !prepared->recalled;
}

int pg_examine(weir_conn *conn, const weir_prepared *prepared)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state != PG_READY)
        return 0; /* on_lost follows */
    c->examined = prepared->content[0];
    c->expected = prepared->shape;
    return pg_relay_examine(c, prepared);
}

int pg_stale_error(weir_buf *out)
{
    static const char fields[] = "SERROR\0VERROR\0C0A000\0Mcached plan must not change result type"
                                 "\0Fplancache.c\0RRevalidateCachedQuery\0";
    weir_buf_clear(out);
    int r = weir_buf_append_u8(out, WEIR_PG_B_ERROR);
    if (r == 0)
        r = weir_buf_append_u32(out, 4 + (uint32_t)sizeof(fields));
    return r < 0 ? r : weir_buf_append(out, weir_slice_make(fields, sizeof(fields)));
}
