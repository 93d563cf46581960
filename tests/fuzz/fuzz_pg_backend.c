/* Bytes as a server sends them: frames, then each message's reader; what was read is written again
 * and must be the same bytes where a writer exists. */
#include "proto/pg/pg.h"

#include <stdlib.h>

#define BODY_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void same(weir_buf *out, int written, weir_slice whole)
{
    require(written == 0 && weir_slice_eq(weir_buf_slice(out), whole));
}

static void read_error(const weir_pg_frame *f)
{
    weir_pg_error_fields e;
    if (weir_pg_error_read(f->body, &e) != 0)
        return;
    size_t pos = 0;
    uint8_t code;
    weir_slice value;
    while (weir_pg_field_next(e.raw, &pos, &code, &value))
        require(code != 0 && value.len < e.raw.len);
    require(pos == e.raw.len);
}

static void read_columns(const weir_pg_frame *f, weir_buf *out)
{
    uint16_t count;
    weir_slice encoded;
    if (weir_pg_row_description_read(f->body, &count, &encoded) != 0)
        return;
    weir_pg_column *columns = calloc((size_t)count + 1, sizeof(*columns));
    require(columns != NULL);
    size_t pos = 0, n = 0;
    while (n < count && weir_pg_column_next(encoded, &pos, &columns[n]))
        n++;
    require(n == count && pos == encoded.len);
    same(out, weir_pg_write_row_description(out, columns, count), f->whole);
    free(columns);
}

static void read_row(const weir_pg_frame *f, weir_buf *out)
{
    uint16_t count;
    size_t mark, pos = 0;
    weir_slice values, value;
    bool null;
    if (weir_pg_row_read(f->body, &count, &values) != 0)
        return;
    int r = weir_pg_row_begin(out, count, &mark);
    while (r == 0 && weir_pg_value_next(values, &pos, &value, &null))
        r = null ? weir_pg_row_null(out) : weir_pg_row_cell(out, value);
    if (r == 0)
        r = weir_pg_row_end(out, mark);
    same(out, r, f->whole);
}

static void read_small(const weir_pg_frame *f, weir_buf *out)
{
    weir_slice a, b;
    uint32_t pid;
    uint16_t count;
    uint8_t byte;
    weir_pg_notification n;
    if (f->type == WEIR_PG_B_PARAM_STATUS && weir_pg_param_status_read(f->body, &a, &b) == 0)
        same(out, weir_pg_write_param_status(out, a, b), f->whole);
    if (f->type == WEIR_PG_B_KEY_DATA && weir_pg_key_data_read(f->body, &pid, &a) == 0)
        same(out, weir_pg_write_key_data(out, pid, a), f->whole);
    if (f->type == WEIR_PG_B_READY && weir_pg_ready_read(f->body, &byte) == 0)
        same(out, weir_pg_write_ready(out, byte), f->whole);
    if (f->type == WEIR_PG_B_NOTIFICATION && weir_pg_notification_read(f->body, &n) == 0)
        same(out, weir_pg_write_notification(out, &n), f->whole);
    if (f->type == WEIR_PG_B_COPY_IN && weir_pg_copy_response_read(f->body, &byte, &count, &a) == 0)
        require(a.len == (size_t)count * 2);
    if (f->type == WEIR_PG_B_NEGOTIATE)
        (void)!weir_pg_negotiate_read(f->body, WEIR_PG_VERSION_3_2, &pid, &a);
    if (f->type == WEIR_PG_B_PARAM_DESCRIPTION &&
        weir_pg_param_description_read(f->body, &count, &a) == 0)
        require(a.len == (size_t)count * 4);
    if (f->type == WEIR_PG_B_COMMAND_COMPLETE && weir_pg_command_complete_read(f->body, &a) == 0) {
        (void)weir_pg_tag_rows(a);
        same(out, weir_pg_write_command_complete(out, a), f->whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    weir_pg_frame f;
    while (weir_pg_frame_next(in, BODY_MAX, &f) == 0) {
        weir_buf out;
        weir_buf_init(&out, 2 * BODY_MAX);
        if (f.type == WEIR_PG_B_ERROR || f.type == WEIR_PG_B_NOTICE)
            read_error(&f);
        else if (f.type == WEIR_PG_B_ROW_DESCRIPTION)
            read_columns(&f, &out);
        else if (f.type == WEIR_PG_B_DATA_ROW)
            read_row(&f, &out);
        else
            read_small(&f, &out);
        weir_buf_fini(&out);
        in = weir_slice_skip(in, f.whole.len);
    }
    return 0;
}
