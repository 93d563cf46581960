/* Bytes as a server streams them to a subscriber: first one CopyData's payload as it is, then each
 * of pgoutput's messages; all that is read is walked to its end. */
#include "proto/pg/replication.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void walk_tuple(weir_pg_tuple tuple, const uint8_t *from, const uint8_t *to)
{
    weir_pg_tuple_value value;
    size_t pos = 0;
    unsigned count = 0;
    for (; weir_pg_tuple_next(tuple.values, &pos, &value); count++) {
        bool inside = value.bytes.data >= from && value.bytes.data + value.bytes.len <= to;
        require(value.bytes.len == 0 || inside);
    }
    require(count == tuple.count && pos == tuple.values.len);
}

static void walk(const weir_pg_change *c, weir_slice body)
{
    const uint8_t *from = body.data, *to = body.data + body.len;
    if (c->kind == WEIR_PG_CHANGE_RELATION) {
        weir_pg_relation_column column;
        size_t pos = 0;
        unsigned count = 0;
        while (weir_pg_relation_column_next(c->u.relation.columns, &pos, &column))
            count++;
        require(count == c->u.relation.count);
    }
    if (c->kind == WEIR_PG_CHANGE_UPDATE || c->kind == WEIR_PG_CHANGE_DELETE)
        walk_tuple(c->u.row.old, from, to);
    if (c->kind == WEIR_PG_CHANGE_UPDATE || c->kind == WEIR_PG_CHANGE_INSERT)
        walk_tuple(c->u.row.new, from, to);
    for (uint32_t i = 0; c->kind == WEIR_PG_CHANGE_TRUNCATE && i < c->u.truncate.count; i++)
        (void)weir_pg_truncated(c->u.truncate.oids, i);
    if (c->kind == WEIR_PG_CHANGE_MESSAGE)
        require(c->u.message.content.len <= body.len && c->u.message.prefix.len <= body.len);
}

static void read_change(weir_slice body)
{
    weir_pg_change change;
    if (weir_pg_change_read(body, &change) == 0)
        walk(&change, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    weir_pg_stream stream;
    uint64_t position;
    if (weir_pg_stream_read(in, &stream) == 0 && stream.kind == WEIR_PG_STREAM_DATA)
        read_change(stream.body);
    read_change(in);
    (void)!weir_pg_position_read(in, &position);
    return 0;
}
