/* The messages a server sends: each message's reading and writing side by side. */
#include "proto/pg/wire.h"

/* ---- ErrorResponse and NoticeResponse ---- */

bool weir_pg_field_next(weir_slice raw, size_t *pos, uint8_t *ret_code, weir_slice *ret_value)
{
    if (*pos >= raw.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(raw, *pos));
    uint8_t code = weir_pg_read_u8(&r);
    if (code == 0)
        return false;
    weir_slice value = weir_pg_read_cstr(&r);
    if (!r.ok)
        return false;
    *pos = raw.len - r.rest.len;
    *ret_code = code;
    *ret_value = value;
    return true;
}

static weir_slice *field_of(weir_pg_error_fields *f, uint8_t code)
{
    switch (code) {
    case 'S':
        return &f->severity;
    case 'V':
        return &f->severity_fixed;
    case 'C':
        return &f->sqlstate;
    case 'M':
        return &f->message;
    case 'D':
        return &f->detail;
    case 'H':
        return &f->hint;
    case 'P':
        return &f->position;
    default:
        return NULL; /* "frontends should ignore fields of unrecognized type" */
    }
}

int weir_pg_error_read(weir_slice body, weir_pg_error_fields *ret)
{
    if (body.len == 0 || body.data[body.len - 1] != 0)
        return -EPROTO;
    weir_pg_error_fields fields = {.raw = weir_slice_head(body, body.len - 1)};
    size_t pos = 0;
    uint8_t code;
    weir_slice value;
    while (weir_pg_field_next(fields.raw, &pos, &code, &value)) {
        weir_slice *known = field_of(&fields, code);
        if (known)
            *known = value;
    }
    if (pos != fields.raw.len)
        return -EPROTO;
    *ret = fields;
    return 0;
}

static void put_field(weir_pg_writer *w, uint8_t code, const char *text)
{
    if (!text || text[0] == '\0')
        return;
    weir_pg_put_u8(w, code);
    weir_pg_put_cstr(w, weir_slice_cstr(text));
}

static int write_fields(weir_buf *out, uint8_t type, const char *severity, const weir_error *err,
                        const weir_pg_error_about *about)
{
    weir_pg_writer w = weir_pg_begin(out, type);
    put_field(&w, 'S', severity);
    put_field(&w, 'V', severity);
    put_field(&w, 'C', err->sqlstate[0] ? err->sqlstate : "XX000");
    put_field(&w, 'M', err->message[0] ? err->message : "weir: unknown error");
    put_field(&w, 'D', err->detail);
    put_field(&w, 'H', err->hint);
    put_field(&w, 's', about->schema);
    put_field(&w, 't', about->table);
    put_field(&w, 'c', about->column);
    put_field(&w, 'n', about->constraint);
    put_field(&w, 'R', about->routine);
    weir_pg_put_u8(&w, 0);
    return weir_pg_end(&w);
}

int weir_pg_write_error(weir_buf *out, const char *severity, const weir_error *err)
{
    return write_fields(out, WEIR_PG_B_ERROR, severity, err, &(weir_pg_error_about){0});
}

int weir_pg_write_error_of(weir_buf *out, const char *severity, const weir_error *err,
                           const weir_pg_error_about *about)
{
    return write_fields(out, WEIR_PG_B_ERROR, severity, err, about);
}

int weir_pg_write_notice(weir_buf *out, const char *severity, const weir_error *err)
{
    return write_fields(out, WEIR_PG_B_NOTICE, severity, err, &(weir_pg_error_about){0});
}

/* ---- Authentication, BackendKeyData, ParameterStatus, ReadyForQuery ---- */

int weir_pg_write_auth(weir_buf *out, uint32_t code, weir_slice data)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_AUTH);
    weir_pg_put_u32(&w, code);
    weir_pg_put_bytes(&w, data);
    return weir_pg_end(&w);
}

int weir_pg_key_data_read(weir_slice body, uint32_t *ret_pid, weir_slice *ret_key)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint32_t pid = weir_pg_read_u32(&r);
    weir_slice key = weir_pg_read_rest(&r);
    if (!r.ok || key.len < 4 || key.len > WEIR_PG_CANCEL_KEY_MAX)
        return -EPROTO;
    *ret_pid = pid;
    *ret_key = key;
    return 0;
}

int weir_pg_write_key_data(weir_buf *out, uint32_t pid, weir_slice key)
{
    if (key.len < 4 || key.len > WEIR_PG_CANCEL_KEY_MAX)
        return -EMSGSIZE;
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_KEY_DATA);
    weir_pg_put_u32(&w, pid);
    weir_pg_put_bytes(&w, key);
    return weir_pg_end(&w);
}

int weir_pg_param_status_read(weir_slice body, weir_slice *ret_name, weir_slice *ret_value)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_slice name = weir_pg_read_cstr(&r);
    weir_slice value = weir_pg_read_cstr(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0) {
        *ret_name = name;
        *ret_value = value;
    }
    return err;
}

int weir_pg_write_param_status(weir_buf *out, weir_slice name, weir_slice value)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_PARAM_STATUS);
    weir_pg_put_cstr(&w, name);
    weir_pg_put_cstr(&w, value);
    return weir_pg_end(&w);
}

static bool is_status(uint8_t status)
{
    return status == 'I' || status == 'T' || status == 'E';
}

int weir_pg_ready_read(weir_slice body, uint8_t *ret_status)
{
    if (body.len != 1 || !is_status(body.data[0]))
        return -EPROTO;
    *ret_status = body.data[0];
    return 0;
}

int weir_pg_write_ready(weir_buf *out, uint8_t status)
{
    assert(is_status(status));
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_READY);
    weir_pg_put_u8(&w, status);
    return weir_pg_end(&w);
}

/* ---- NotificationResponse ---- */

int weir_pg_notification_read(weir_slice body, weir_pg_notification *ret)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    weir_pg_notification n = {.pid = weir_pg_read_u32(&r)};
    n.channel = weir_pg_read_cstr(&r);
    n.payload = weir_pg_read_cstr(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0)
        *ret = n;
    return err;
}

int weir_pg_write_notification(weir_buf *out, const weir_pg_notification *n)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_NOTIFICATION);
    weir_pg_put_u32(&w, n->pid);
    weir_pg_put_cstr(&w, n->channel);
    weir_pg_put_cstr(&w, n->payload);
    return weir_pg_end(&w);
}

/* ---- CommandComplete ---- */

int weir_pg_command_complete_read(weir_slice body, weir_slice *ret_tag)
{
    return weir_pg_query_read(body, ret_tag); /* one string, as a Query */
}

int weir_pg_write_command_complete(weir_buf *out, weir_slice tag)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_COMMAND_COMPLETE);
    weir_pg_put_cstr(&w, tag);
    return weir_pg_end(&w);
}

/* The last word, if it is a number (saturating): "INSERT 0 3" has an OID before it. */
uint64_t weir_pg_tag_rows(weir_slice tag)
{
    size_t begin = tag.len;
    while (begin > 0 && tag.data[begin - 1] >= '0' && tag.data[begin - 1] <= '9')
        begin--;
    if (begin == 0 || tag.data[begin - 1] != ' ')
        return 0;
    uint64_t rows = 0;
    for (size_t i = begin; i < tag.len; i++) {
        uint64_t digit = (uint64_t)(tag.data[i] - '0');
        if (rows > (UINT64_MAX - digit) / 10)
            return UINT64_MAX;
        rows = rows * 10 + digit;
    }
    return rows;
}

/* ---- RowDescription and ParameterDescription ---- */

static weir_pg_column read_column(weir_pg_reader *r)
{
    weir_pg_column column = {.name = weir_pg_read_cstr(r)};
    column.table_oid = weir_pg_read_u32(r);
    column.attribute = weir_pg_read_u16(r);
    column.type_oid = weir_pg_read_u32(r);
    column.type_size = (int16_t)weir_pg_read_u16(r);
    column.type_modifier = (int32_t)weir_pg_read_u32(r);
    column.format = weir_pg_read_u16(r);
    return column;
}

int weir_pg_row_description_read(weir_slice body, uint16_t *ret_count, weir_slice *ret_columns)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint16_t count = weir_pg_read_u16(&r);
    weir_slice columns = r.rest;
    for (unsigned i = 0; i < count && r.ok; i++)
        read_column(&r);
    int err = weir_pg_reader_end(&r);
    if (err == 0) {
        *ret_count = count;
        *ret_columns = columns;
    }
    return err;
}

bool weir_pg_column_next(weir_slice columns, size_t *pos, weir_pg_column *ret)
{
    if (*pos >= columns.len)
        return false;
    weir_pg_reader r = weir_pg_reader_make(weir_slice_skip(columns, *pos));
    weir_pg_column column = read_column(&r);
    if (!r.ok)
        return false;
    *pos = columns.len - r.rest.len;
    *ret = column;
    return true;
}

int weir_pg_write_row_description(weir_buf *out, const weir_pg_column *columns, size_t count)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_ROW_DESCRIPTION);
    weir_pg_put_count(&w, count);
    for (size_t i = 0; i < count && w.err == 0; i++) {
        weir_pg_put_cstr(&w, columns[i].name);
        weir_pg_put_u32(&w, columns[i].table_oid);
        weir_pg_put_u16(&w, columns[i].attribute);
        weir_pg_put_u32(&w, columns[i].type_oid);
        weir_pg_put_u16(&w, (uint16_t)columns[i].type_size);
        weir_pg_put_u32(&w, (uint32_t)columns[i].type_modifier);
        weir_pg_put_u16(&w, columns[i].format);
    }
    return weir_pg_end(&w);
}

int weir_pg_param_description_read(weir_slice body, uint16_t *ret_count, weir_slice *ret_oids)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint16_t count = weir_pg_read_u16(&r);
    weir_slice oids = weir_pg_read_bytes(&r, (size_t)count * 4);
    int err = weir_pg_reader_end(&r);
    if (err == 0) {
        *ret_count = count;
        *ret_oids = oids;
    }
    return err;
}

int weir_pg_write_param_description(weir_buf *out, const uint32_t *oids, size_t count)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_PARAM_DESCRIPTION);
    weir_pg_put_count(&w, count);
    for (size_t i = 0; i < count && w.err == 0; i++)
        weir_pg_put_u32(&w, oids[i]);
    return weir_pg_end(&w);
}

/* ---- DataRow ---- */

int weir_pg_row_read(weir_slice body, uint16_t *ret_count, weir_slice *ret_values)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint16_t count = weir_pg_read_u16(&r);
    weir_slice values = weir_pg_read_values(&r, count);
    int err = weir_pg_reader_end(&r);
    if (err == 0) {
        *ret_count = count;
        *ret_values = values;
    }
    return err;
}

int weir_pg_row_begin(weir_buf *out, uint16_t count, size_t *ret_mark)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_B_DATA_ROW);
    weir_pg_put_u16(&w, count);
    int r = weir_pg_end(&w);
    if (r == 0)
        *ret_mark = w.mark;
    return r;
}

/* One reservation for length and bytes: rows are what a gateway writes most. */
int weir_pg_row_cell(weir_buf *out, weir_slice value)
{
    if (value.len > WEIR_PG_MESSAGE_SIZE_MAX)
        return -EMSGSIZE;
    int r = weir_buf_reserve(out, value.len + 4);
    if (r != 0)
        return r;
    weir_pg_store_u32(out->data + out->len, (uint32_t)value.len);
    if (value.len > 0)
        memcpy(out->data + out->len + 4, value.data, value.len);
    out->len += value.len + 4;
    return 0;
}

int weir_pg_row_null(weir_buf *out)
{
    return weir_buf_append_u32(out, UINT32_MAX);
}

int weir_pg_row_end(weir_buf *out, size_t mark)
{
    weir_pg_writer w = {.out = out, .mark = mark, .length = mark + 1};
    return weir_pg_end(&w);
}

/* ---- COPY ---- */

int weir_pg_copy_response_read(weir_slice body, uint8_t *ret_format, uint16_t *ret_count,
                               weir_slice *ret_formats)
{
    weir_pg_reader r = weir_pg_reader_make(body);
    uint8_t format = weir_pg_read_u8(&r);
    uint16_t count = weir_pg_read_u16(&r);
    weir_slice formats = weir_pg_read_bytes(&r, (size_t)count * 2);
    int err = weir_pg_reader_end(&r);
    if (err == 0 && format > 1)
        err = -EPROTO;
    if (err == 0) {
        *ret_format = format;
        *ret_count = count;
        *ret_formats = formats;
    }
    return err;
}

int weir_pg_write_copy_response(weir_buf *out, uint8_t type, uint8_t format, size_t columns)
{
    assert(type == WEIR_PG_B_COPY_IN || type == WEIR_PG_B_COPY_OUT || type == WEIR_PG_B_COPY_BOTH);
    weir_pg_writer w = weir_pg_begin(out, type);
    weir_pg_put_u8(&w, format);
    weir_pg_put_count(&w, columns);
    for (size_t i = 0; i < columns && w.err == 0; i++)
        weir_pg_put_u16(&w, format);
    return weir_pg_end(&w);
}

int weir_pg_write_copy_data(weir_buf *out, weir_slice data)
{
    weir_pg_writer w = weir_pg_begin(out, WEIR_PG_COPY_DATA);
    weir_pg_put_bytes(&w, data);
    return weir_pg_end(&w);
}
