/* Bytes as a client sends them after startup: frames, then each message's reader; what was read is
 * written again and must be the same bytes. */
#include "proto/pg/pg.h"

#include <stdlib.h>

#define BODY_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void walk_values(weir_slice values, uint16_t count)
{
    size_t pos = 0;
    unsigned n = 0;
    weir_slice value;
    bool null;
    while (weir_pg_value_next(values, &pos, &value, &null)) {
        require(null ? value.data == NULL : value.len <= values.len);
        n++;
    }
    require(n == count && pos == values.len);
}

static void same(weir_buf *out, int written, weir_slice whole)
{
    require(written == 0 && weir_slice_eq(weir_buf_slice(out), whole));
}

static void read_bind(const weir_pg_frame *f, weir_buf *out)
{
    weir_pg_bind b;
    if (weir_pg_bind_read(f->body, &b) != 0)
        return;
    walk_values(b.values, b.value_count);
    for (size_t i = 0; i < 4; i++)
        (void)weir_pg_format_at(b.formats, b.format_count, i);
    same(out, weir_pg_write_bind(out, &b), f->whole);
}

static void read_parse(const weir_pg_frame *f, weir_buf *out)
{
    weir_pg_parse p;
    if (weir_pg_parse_read(f->body, &p) == 0)
        same(out, weir_pg_write_parse(out, p.name, p.text, p.oids), f->whole);
}

static void read_target(const weir_pg_frame *f, weir_buf *out)
{
    weir_pg_target t;
    if (weir_pg_target_read(f->body, &t) == 0)
        same(out, weir_pg_write_target(out, f->type, t.kind, t.name), f->whole);
}

static void read_text(const weir_pg_frame *f, weir_buf *out)
{
    weir_slice text;
    if (f->type == WEIR_PG_F_QUERY && weir_pg_query_read(f->body, &text) == 0)
        same(out, weir_pg_write_query(out, text), f->whole);
    if (f->type == WEIR_PG_F_COPY_FAIL && weir_pg_copy_fail_read(f->body, &text) == 0)
        same(out, weir_pg_write_copy_fail(out, text), f->whole);
}

static void read_message(const weir_pg_frame *f, weir_buf *out)
{
    weir_pg_function call;
    weir_pg_execute e;
    switch (f->type) {
    case WEIR_PG_F_BIND:
        read_bind(f, out);
        break;
    case WEIR_PG_F_PARSE:
        read_parse(f, out);
        break;
    case WEIR_PG_F_DESCRIBE:
    case WEIR_PG_F_CLOSE:
        read_target(f, out);
        break;
    case WEIR_PG_F_EXECUTE:
        if (weir_pg_execute_read(f->body, &e) == 0)
            require(e.rows_max <= INT32_MAX && e.portal.len < f->body.len);
        break;
    case WEIR_PG_F_FUNCTION:
        if (weir_pg_function_read(f->body, &call) == 0)
            walk_values(call.values, call.value_count);
        break;
    default:
        read_text(f, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    weir_pg_frame f;
    while (weir_pg_frame_next(in, BODY_MAX, &f) == 0) {
        weir_buf out;
        weir_buf_init(&out, 2 * BODY_MAX);
        read_message(&f, &out);
        weir_buf_fini(&out);
        in = weir_slice_skip(in, f.whole.len);
    }
    return 0;
}
