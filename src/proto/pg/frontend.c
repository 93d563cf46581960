/* The messages a client sends: each message's reading and writing side by side. */
#include "proto/pg/wire.h"

weir_slice weir_pg_read_values(weir_pg_reader *r, uint16_t count)
{
    weir_slice all = r->rest;
    for (unsigned i = 0; i < count && r->ok; i++) {
        uint32_t len = weir_pg_read_u32(r);
        if (len != UINT32_MAX) /* -1: NULL, and no bytes; other negatives are beyond any body */
            weir_pg_read_bytes(r, len);
    }
    return r->ok ? weir_slice_head(all, all.len - r->rest.len) : (weir_slice){0};
}

bool weir_pg_value_next(weir_slice values, size_t *pos, weir_slice *ret_value, bool *ret_null)
{
    if (*pos >= values.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(values, *pos));
    uint32_t len = weir_pg_read_u32(&r);
    bool null = len == UINT32_MAX;
    weir_slice value = {0};
    if (!null)
        value = weir_pg_read_bytes(&r, len);
    if (!r.ok)
        return false;
    *pos = values.len - r.rest.len;
    *ret_value = value;
    *ret_null = null;
    return true;
}

uint16_t weir_pg_format_at(weir_slice formats, uint16_t count, size_t i)
{
    if (count == 1)
        i = 0;
    if (i >= count || formats.len < (i + 1) * 2)
        return 0;
    return weir_pg_load_u16(formats.data + i * 2);
}

static void put_u16s(weir_pg_writer *w, uint16_t count, weir_slice items)
{
    weir_pg_put_u16(w, count);
    weir_pg_put_bytes(w, weir_slice_head(items, (size_t)count * 2));
}

/* ---- Query ---- */

int weir_pg_query_read(weir_slice body, weir_slice *ret_text)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_slice text = weir_pg_read_cstr(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0)
        *ret_text = text;
    return err;
}

int weir_pg_write_query(weir_buf *out, weir_slice text)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_QUERY);
    weir_pg_put_cstr(&w, text);
    return weir_pg_end(&w);
}

/* ---- Parse ---- */

int weir_pg_parse_read(weir_slice body, weir_pg_parse *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_pg_parse parse = {0};
    parse.name = weir_pg_read_cstr(&r);
    parse.text = weir_pg_read_cstr(&r);
    parse.oid_count = weir_pg_read_u16(&r);
    parse.oids = weir_pg_read_bytes(&r, (size_t)parse.oid_count * 4);
    int err = weir_pg_reader_end(&r);
    if (err == 0)
        *ret = parse;
    return err;
}

int weir_pg_write_parse(weir_buf *out, weir_slice name, weir_slice text, weir_slice oids)
{
    assert(oids.len % 4 == 0);
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_PARSE);
    weir_pg_put_cstr(&w, name);
    weir_pg_put_cstr(&w, text);
    weir_pg_put_count(&w, oids.len / 4);
    weir_pg_put_bytes(&w, oids);
    return weir_pg_end(&w);
}

/* ---- Bind ---- */

int weir_pg_bind_read(weir_slice body, weir_pg_bind *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_pg_bind bind = {0};
    bind.portal = weir_pg_read_cstr(&r);
    bind.statement = weir_pg_read_cstr(&r);
    bind.format_count = weir_pg_read_u16(&r);
    bind.formats = weir_pg_read_bytes(&r, (size_t)bind.format_count * 2);
    bind.value_count = weir_pg_read_u16(&r);
    bind.values = weir_pg_read_values(&r, bind.value_count);
    bind.result_format_count = weir_pg_read_u16(&r);
    bind.result_formats = weir_pg_read_bytes(&r, (size_t)bind.result_format_count * 2);
    int err = weir_pg_reader_end(&r);
    if (err == 0)
        *ret = bind;
    return err;
}

int weir_pg_write_bind_renamed(weir_buf *out, const weir_pg_bind *bind, weir_slice statement)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_BIND);
    weir_pg_put_cstr(&w, bind->portal);
    weir_pg_put_cstr(&w, statement);
    put_u16s(&w, bind->format_count, bind->formats);
    weir_pg_put_u16(&w, bind->value_count);
    weir_pg_put_bytes(&w, bind->values);
    put_u16s(&w, bind->result_format_count, bind->result_formats);
    return weir_pg_end(&w);
}

int weir_pg_write_bind(weir_buf *out, const weir_pg_bind *bind)
{
    return weir_pg_write_bind_renamed(out, bind, bind->statement);
}

/* ---- Describe and Close ---- */

int weir_pg_target_read(weir_slice body, weir_pg_target *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint8_t kind = weir_pg_read_u8(&r);
    weir_slice name = weir_pg_read_cstr(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0 && kind != 'S' && kind != 'P')
        err = -EPROTO;
    if (err == 0)
        *ret = (weir_pg_target){kind, name};
    return err;
}

int weir_pg_write_target(weir_buf *out, uint8_t type, uint8_t kind, weir_slice name)
{
    assert(type == WEIR_PG_F_DESCRIBE || type == WEIR_PG_F_CLOSE);
    assert(kind == 'S' || kind == 'P');
    weir_pg_writer w = weir_pg_begin(out, type);
    weir_pg_put_u8(&w, kind);
    weir_pg_put_cstr(&w, name);
    return weir_pg_end(&w);
}

/* ---- Execute ---- */

int weir_pg_execute_read(weir_slice body, weir_pg_execute *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_slice portal = weir_pg_read_cstr(&r);
    uint32_t rows_max = weir_pg_read_u32(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0) /* PostgreSQL takes a negative number for "all" */
        *ret = (weir_pg_execute){portal, rows_max > INT32_MAX ? 0 : rows_max};
    return err;
}

int weir_pg_write_execute(weir_buf *out, weir_slice portal, uint32_t rows_max)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_EXECUTE);
    weir_pg_put_cstr(&w, portal);
    weir_pg_put_u32(&w, rows_max);
    return weir_pg_end(&w);
}

/* ---- FunctionCall ---- */

int weir_pg_function_read(weir_slice body, weir_pg_function *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_pg_function call = {0};
    call.oid = weir_pg_read_u32(&r);
    call.format_count = weir_pg_read_u16(&r);
    call.formats = weir_pg_read_bytes(&r, (size_t)call.format_count * 2);
    call.value_count = weir_pg_read_u16(&r);
    call.values = weir_pg_read_values(&r, call.value_count);
    call.result_format = weir_pg_read_u16(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0)
        *ret = call;
    return err;
}

/* ---- password, CopyFail, and messages without a body ---- */

int weir_pg_write_password(weir_buf *out, weir_slice body)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_PASSWORD);
    weir_pg_put_bytes(&w, body);
    return weir_pg_end(&w);
}

int weir_pg_copy_fail_read(weir_slice body, weir_slice *ret_reason)
{
    return weir_pg_query_read(body, ret_reason); /* one string, as a Query */
}

int weir_pg_write_copy_fail(weir_buf *out, weir_slice reason)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_F_COPY_FAIL);
    weir_pg_put_cstr(&w, reason);
    return weir_pg_end(&w);
}

int weir_pg_write_empty(weir_buf *out, uint8_t type)
{
    assert(type != 0 && strchr("SHXc123nsI", type));
    weir_pg_writer w = weir_pg_begin(out, type);
    return weir_pg_end(&w);
}
