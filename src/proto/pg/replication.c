/* Reading what a logical replication stream carries.
 *
 * Invariant: a message is checked whole before any of it is given out, so that those who walk its
 * columns and values cannot run out of its bytes. */
#include "proto/pg/replication.h"
#include "proto/pg/wire.h"
#include <assert.h>

static uint64_t read_u64(weir_pg_reader *r)
{
    uint64_t high = weir_pg_read_u32(r);
    return high << 32 | weir_pg_read_u32(r);
}

/* ---- the stream ---- */

int weir_pg_stream_read(weir_slice payload, weir_pg_stream *ret)
{
    weir_pg_reader r = weir_pg_reader_make(payload);
    weir_pg_stream s = {0};
    uint8_t type = weir_pg_read_u8(&r);
    if (type == 'w') {
        s.kind = WEIR_PG_STREAM_DATA;
        (void)read_u64(&r); /* where the message's WAL begins, and the server's WAL ends: */
        (void)read_u64(&r); /* neither says what has been sent */
        s.sent_at = (int64_t)read_u64(&r);
        s.body = weir_pg_read_rest(&r);
    } else if (type == 'k') {
        s.kind = WEIR_PG_STREAM_KEEPALIVE;
        s.position = read_u64(&r);
        s.sent_at = (int64_t)read_u64(&r);
        s.reply = weir_pg_read_u8(&r) != 0;
    } else {
        return -EPROTO;
    }
    int e = weir_pg_reader_end(&r);
    if (e == 0)
        *ret = s;
    return e;
}

static void store_u64(uint8_t *at, uint64_t v)
{
    weir_pg_store_u32(at, (uint32_t)(v >> 32));
    weir_pg_store_u32(at + 4, (uint32_t)v);
}

void weir_pg_write_status(uint8_t out[static WEIR_PG_STATUS_SIZE], uint64_t written,
                          uint64_t flushed, int64_t sent_at, bool reply)
{
    out[0] = 'r';
    store_u64(out + 1, written);
    store_u64(out + 9, flushed);
    store_u64(out + 17, flushed);
    store_u64(out + 25, (uint64_t)sent_at);
    out[33] = reply;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One to eight digits. */
static bool read_half(weir_slice text, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return false;
        *ret = *ret << 4 | (unsigned)digit;
    }
    return text.len >= 1 && text.len <= 8;
}

int weir_pg_position_read(weir_slice text, uint64_t *ret)
{
    const uint8_t *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    uint64_t high, low;
    if (!slash)
        return -EINVAL;
    size_t len = (size_t)(slash - text.data);
    if (!read_half(weir_slice_head(text, len), &high) ||
        !read_half(weir_slice_skip(text, len + 1), &low))
        return -EINVAL;
    *ret = high << 32 | low;
    return 0;
}

/* ---- pgoutput: parts ---- */

static bool read_column(weir_pg_reader *r, weir_pg_relation_column *ret)
{
    ret->key = (weir_pg_read_u8(r) & 1) != 0;
    ret->name = weir_pg_read_cstr(r);
    ret->type = weir_pg_read_u32(r);
    ret->typmod = (int32_t)weir_pg_read_u32(r);
    return r->ok;
}

static bool read_value(weir_pg_reader *r, weir_pg_tuple_value *ret)
{
    uint8_t kind = weir_pg_read_u8(r);
    ret->bytes = (weir_slice){0};
    switch (kind) {
    case 'n':
        ret->kind = WEIR_PG_VALUE_NULL;
        break;
    case 'u':
        ret->kind = WEIR_PG_VALUE_UNCHANGED;
        break;
    case 't':
    case 'b': {
        ret->kind = kind == 't' ? WEIR_PG_VALUE_TEXT : WEIR_PG_VALUE_BINARY;
        uint32_t len = weir_pg_read_u32(r);
        ret->bytes = weir_pg_read_bytes(r, len);
        break;
    }
    default:
        r->ok = false;
    }
    return r->ok;
}

/* What was read since `from`. */
static weir_slice read_since(weir_slice from, const weir_pg_reader *r)
{
    return weir_slice_head(from, from.len - r->rest.len);
}

static weir_pg_tuple read_tuple(weir_pg_reader *r)
{
    weir_pg_tuple t = {.count = weir_pg_read_u16(r)};
    weir_pg_tuple_value value;
    weir_slice from = r->rest;
    for (unsigned i = 0; i < t.count && read_value(r, &value); i++)
        continue;
    t.values = read_since(from, r);
    return t;
}

/* ---- pgoutput: messages ---- */

static void read_relation(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.relation.oid = weir_pg_read_u32(r);
    c->u.relation.schema = weir_pg_read_cstr(r);
    c->u.relation.name = weir_pg_read_cstr(r);
    c->u.relation.identity = weir_pg_read_u8(r);
    c->u.relation.count = weir_pg_read_u16(r);
    weir_pg_relation_column column;
    weir_slice from = r->rest;
    for (unsigned i = 0; i < c->u.relation.count && read_column(r, &column); i++)
        continue;
    c->u.relation.columns = read_since(from, r);
}

/* The part that 'K' or 'O' announces; otherwise `kind` is the next part's already. */
static uint8_t read_old(weir_pg_reader *r, weir_pg_change *c)
{
    uint8_t kind = weir_pg_read_u8(r);
    if (kind != 'K' && kind != 'O')
        return kind;
    c->u.row.old_kind = kind == 'K' ? WEIR_PG_OLD_KEY : WEIR_PG_OLD_WHOLE;
    c->u.row.old = read_tuple(r);
    return c->kind == WEIR_PG_CHANGE_UPDATE ? weir_pg_read_u8(r) : 0;
}

static void read_row(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.row.oid = weir_pg_read_u32(r);
    uint8_t part = c->kind == WEIR_PG_CHANGE_INSERT ? weir_pg_read_u8(r) : read_old(r, c);
    if (c->kind == WEIR_PG_CHANGE_DELETE)
        r->ok = r->ok && c->u.row.old_kind != WEIR_PG_OLD_NONE;
    else if (part == 'N')
        c->u.row.new = read_tuple(r);
    else
        r->ok = false;
}

static void read_truncate(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.truncate.count = weir_pg_read_u32(r);
    c->u.truncate.flags = weir_pg_read_u8(r);
    if ((uint64_t)c->u.truncate.count * 4 != r->rest.len)
        r->ok = false;
    c->u.truncate.oids = weir_pg_read_rest(r);
}

static void read_message(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.message.transactional = (weir_pg_read_u8(r) & 1) != 0;
    c->u.message.position = read_u64(r);
    c->u.message.prefix = weir_pg_read_cstr(r);
    uint32_t len = weir_pg_read_u32(r);
    c->u.message.content = weir_pg_read_bytes(r, len);
}

static void read_commit(weir_pg_reader *r, weir_pg_change *c)
{
    (void)weir_pg_read_u8(r); /* flags: none yet */
    c->u.commit.begins = read_u64(r);
    c->u.commit.ends = read_u64(r);
    c->u.commit.at = (int64_t)read_u64(r);
}

static void read_begin(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.begin.final = read_u64(r);
    c->u.begin.at = (int64_t)read_u64(r);
    c->u.begin.xid = weir_pg_read_u32(r);
}

static void read_type(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.type.oid = weir_pg_read_u32(r);
    c->u.type.schema = weir_pg_read_cstr(r);
    c->u.type.name = weir_pg_read_cstr(r);
}

static void read_origin(weir_pg_reader *r, weir_pg_change *c)
{
    c->u.origin.position = read_u64(r);
    c->u.origin.name = weir_pg_read_cstr(r);
}

typedef struct reader_of {
    uint8_t letter;
    weir_pg_change_kind kind;
    void (*read)(weir_pg_reader *r, weir_pg_change *c);
} reader_of;

static const reader_of readers[] = {
    {'B', WEIR_PG_CHANGE_BEGIN, read_begin},       {'C', WEIR_PG_CHANGE_COMMIT, read_commit},
    {'O', WEIR_PG_CHANGE_ORIGIN, read_origin},     {'R', WEIR_PG_CHANGE_RELATION, read_relation},
    {'Y', WEIR_PG_CHANGE_TYPE, read_type},         {'I', WEIR_PG_CHANGE_INSERT, read_row},
    {'U', WEIR_PG_CHANGE_UPDATE, read_row},        {'D', WEIR_PG_CHANGE_DELETE, read_row},
    {'T', WEIR_PG_CHANGE_TRUNCATE, read_truncate}, {'M', WEIR_PG_CHANGE_MESSAGE, read_message},
};

int weir_pg_change_read(weir_slice body, weir_pg_change *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint8_t letter = weir_pg_read_u8(&r);
    if (!r.ok)
        return -EPROTO;
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        if (readers[i].letter != letter)
            continue;
        weir_pg_change c = {.kind = readers[i].kind};
        readers[i].read(&r, &c);
        int e = weir_pg_reader_end(&r);
        if (e == 0)
            *ret = c;
        return e;
    }
    return -EOPNOTSUPP;
}

/* ---- walking ---- */

bool weir_pg_relation_column_next(weir_slice columns, size_t *pos, weir_pg_relation_column *ret)
{
    if (*pos == columns.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(columns, *pos));
    bool ok = read_column(&r, ret);
    assert(ok);
    *pos = columns.len - r.rest.len;
    return ok;
}

bool weir_pg_tuple_next(weir_slice values, size_t *pos, weir_pg_tuple_value *ret)
{
    if (*pos == values.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(values, *pos));
    bool ok = read_value(&r, ret);
    assert(ok);
    *pos = values.len - r.rest.len;
    return ok;
}

uint32_t weir_pg_truncated(weir_slice oids, uint32_t at)
{
    assert((uint64_t)at * 4 + 4 <= oids.len);
    return weir_pg_load_u32(oids.data + (size_t)at * 4);
}
