/* What comes back: a statement's answers, read one after the other until nothing is owed.
 *
 *   begin ─► reading ──row──► waits ─► on_row ─► reading … ──ReadyForQuery──► ended
 *
 * The first thing that went wrong is how it ended; what follows it is read and dropped. */
#include "api/api.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID_BOOL 16u
#define OID_BYTEA 17u
#define READ_ON_MAX ((size_t)1 << 20) /* what is left unread is cancelled beyond this */

/* Before a statement's answers are read. */
static void begin(weir_connection *c)
{
    weir_rows *r = &c->rows;
    r->connection = c;
    r->count = 0;
    r->open = true;
    r->ended = r->waits = r->on_row = r->copies_in = false;
    r->status = WEIR_OK;
    r->fault = (weir_fault){.sqlstate = ""};
    r->tag[0] = '\0';
}

/* Only the first counts. */
static void went_wrong(weir_rows *r, weir_status status, const weir_fault *fault)
{
    if (r->status != WEIR_OK)
        return;
    r->status = status;
    r->fault = *fault;
}

static int take_columns(weir_rows *r, weir_slice body)
{
    uint16_t count = 0;
    weir_slice columns = {NULL, 0};
    weir_pg_column column;
    size_t pos = 0;
    weir_buf_clear(&r->head);
    int result = weir_buf_append(&r->head, body);
    if (result == 0)
        result = weir_pg_row_description_read(weir_buf_slice(&r->head), &count, &columns);
    if (result < 0)
        return result;
    api_column *all = calloc(count + 1u, sizeof(*all));
    api_cell *cells = calloc(count + 1u, sizeof(*cells));
    free(r->columns);
    free(r->cells);
    r->columns = all;
    r->cells = cells;
    if (!all || !cells)
        return -ENOMEM;
    while (weir_pg_column_next(columns, &pos, &column)) /* the zero byte is behind the name */
        all[r->count++] = (api_column){(const char *)column.name.data, column.type_oid};
    return 0;
}

/* Each value ends where the next one's length begins, which was read by then; behind the last one
 * is the next message, whose first byte is put back before it is looked at. */
static int take_row(weir_rows *r, weir_slice body)
{
    weir_connection *c = r->connection;
    uint16_t count;
    weir_slice values, value;
    size_t pos = 0;
    bool null;
    int result = weir_pg_row_read(body, &count, &values);
    if (result < 0 || count != r->count)
        return -EPROTO;
    for (unsigned i = 0; i < count && weir_pg_value_next(values, &pos, &value, &null); i++) {
        char *at = null ? NULL : (char *)c->in.data + ((const uint8_t *)value.data - c->in.data);
        r->cells[i] = (api_cell){at, value.len};
    }
    c->covered = c->in.data + c->taken;
    c->cover = *c->covered;
    for (unsigned i = 0; i < count; i++)
        if (r->cells[i].text)
            r->cells[i].text[r->cells[i].len] = '\0';
    r->waits = true;
    return 0;
}

static void refuse_copy(weir_rows *r, bool in)
{
    weir_connection *c = r->connection;
    weir_fault fault;
    (void)api_fail(&fault, WEIR_REFUSED, "0A000", "weir: COPY %s is not part of the library",
                   in ? "FROM STDIN" : "TO STDOUT");
    api_hint(&fault, in ? "Insert several rows at once: INSERT INTO t SELECT unnest($1::int[]), …"
                        : "weir_query gives the rows of a SELECT one by one.");
    went_wrong(r, WEIR_REFUSED, &fault);
    if (!in)
        return;
    /* A copy takes no notice of the Sync that was sent with it. */
    if (weir_pg_write_copy_fail(&c->out, WEIR_SLICE_LIT("not supported")) < 0 ||
        (!r->copies_in && weir_pg_write_empty(&c->out, WEIR_PG_F_SYNC) < 0))
        weir_buf_clear(&c->out);
    api_send(c);
}

static int take_tag(weir_rows *r, weir_slice body)
{
    weir_slice tag;
    int result = weir_pg_command_complete_read(body, &tag);
    if (result == 0)
        (void)snprintf(r->tag, sizeof(r->tag), "%.*s", (int)tag.len, (const char *)tag.data);
    return result;
}

static int take_ready(weir_rows *r, weir_slice body)
{
    uint8_t state;
    int result = weir_pg_ready_read(body, &state);
    r->ended = result == 0;
    if (result == 0)
        r->connection->transaction = (char)state;
    return result;
}

static int take_error(weir_rows *r, weir_slice body)
{
    weir_fault fault;
    weir_status status = api_fault_of(&fault, body);
    went_wrong(r, status, &fault);
    return 0; /* of a session that ends, its end is read next */
}

static int take_message(weir_rows *r, const weir_pg_frame *f)
{
    switch (f->type) {
    case WEIR_PG_B_ROW_DESCRIPTION:
        r->count = 0;
        return take_columns(r, f->body);
    case WEIR_PG_B_DATA_ROW:
        return take_row(r, f->body);
    case WEIR_PG_B_COMMAND_COMPLETE:
        return take_tag(r, f->body);
    case WEIR_PG_B_ERROR:
        return take_error(r, f->body);
    case WEIR_PG_B_READY:
        return take_ready(r, f->body);
    case WEIR_PG_B_COPY_IN:
    case WEIR_PG_B_COPY_OUT:
        refuse_copy(r, f->type == WEIR_PG_B_COPY_IN);
        return 0;
    case WEIR_PG_B_PARSE_COMPLETE:
    case WEIR_PG_B_BIND_COMPLETE:
    case WEIR_PG_B_NO_DATA:
    case WEIR_PG_B_EMPTY_QUERY:
    case WEIR_PG_COPY_DATA:
    case WEIR_PG_COPY_DONE:
        return 0;
    default:
        return -EPROTO;
    }
}

/* Reads on: ROW, or how the statement ended (its fault is kept). */
static weir_status step(weir_rows *r)
{
    weir_fault fault;
    weir_pg_frame f;
    r->waits = r->on_row = false;
    while (!r->ended && !r->waits) {
        weir_status status = api_receive(r->connection, &f, &fault);
        int result = status == WEIR_OK ? take_message(r, &f) : 0;
        if (result < 0)
            status = api_lose(r->connection, &fault,
                              result == -ENOMEM ? "out of memory" : "it breaks the protocol");
        if (status != WEIR_OK) {
            went_wrong(r, status, &fault);
            r->ended = true;
        }
        if (r->connection->lost && r->status == WEIR_REFUSED) /* it is known why, and it is over */
            r->status = WEIR_LOST;
    }
    return r->waits ? WEIR_ROW : r->status;
}

weir_status weir_query(weir_connection *connection, const char *sql,
                       const weir_parameter *parameters, size_t count, weir_rows **ret,
                       weir_fault *fault)
{
    weir_connection *c = connection;
    *ret = NULL;
    weir_status status = api_is_free(c, fault);
    if (status == WEIR_OK)
        status = api_put_statement(c, sql, parameters, count, fault);
    if (status != WEIR_OK)
        return status;
    api_send(c);
    begin(c);
    status = step(&c->rows);
    if (status < 0) {
        if (fault)
            *fault = c->rows.fault;
        c->rows.open = false;
        return status;
    }
    *ret = &c->rows;
    return WEIR_OK;
}

weir_status weir_rows_next(weir_rows *rows, weir_fault *fault)
{
    weir_rows *r = rows;
    weir_status status = WEIR_ROW;
    if (!r->waits)
        status = step(r);
    r->waits = false;
    r->on_row = status == WEIR_ROW;
    if (status < 0 && fault)
        *fault = r->fault;
    return status;
}

/* Drops rows until so many bytes were dropped, or the end. */
static void read_on(weir_rows *r, size_t bytes_max)
{
    size_t dropped = 0;
    while (!r->ended && dropped < bytes_max) {
        (void)step(r);
        for (unsigned i = 0; r->waits && i < r->count; i++)
            dropped += r->cells[i].len + 8;
    }
}

void weir_rows_close(weir_rows *rows)
{
    if (!rows || !rows->open)
        return;
    weir_connection *c = rows->connection;
    read_on(rows, READ_ON_MAX);
    if (!rows->ended)
        (void)weir_connection_cancel(c, NULL);
    read_on(rows, SIZE_MAX);
    rows->open = rows->waits = rows->on_row = false;
}

weir_status weir_execute(weir_connection *connection, const char *sql,
                         const weir_parameter *parameters, size_t count, uint64_t *ret_affected,
                         weir_fault *fault)
{
    weir_rows *rows;
    weir_status status = weir_query(connection, sql, parameters, count, &rows, fault);
    if (ret_affected)
        *ret_affected = 0;
    if (status != WEIR_OK)
        return status;
    read_on(rows, SIZE_MAX);
    status = rows->status;
    if (status < 0 && fault)
        *fault = rows->fault;
    else if (ret_affected)
        *ret_affected = weir_pg_tag_rows(weir_slice_cstr(rows->tag));
    rows->open = false;
    return status;
}

weir_status weir_execute_script(weir_connection *connection, const char *sql, weir_fault *fault)
{
    weir_connection *c = connection;
    weir_status status = api_is_free(c, fault);
    if (status != WEIR_OK)
        return status;
    int r = weir_pg_write_query(&c->out, weir_slice_cstr(sql));
    if (r < 0) {
        weir_buf_clear(&c->out);
        return r == -EMSGSIZE
                   ? api_fail(fault, WEIR_MISUSE, "54000", "weir: the script is too long")
                   : api_no_memory(fault);
    }
    api_send(c);
    begin(c);
    c->rows.copies_in = true; /* no Sync was sent, so none is lost */
    read_on(&c->rows, SIZE_MAX);
    c->rows.open = false;
    if (c->rows.status < 0 && fault)
        *fault = c->rows.fault;
    return c->rows.status;
}

/* ---- values ---- */

unsigned weir_rows_columns(const weir_rows *rows)
{
    return rows->count;
}

const char *weir_rows_name(const weir_rows *rows, unsigned column)
{
    return column < rows->count ? rows->columns[column].name : NULL;
}

uint32_t weir_rows_type(const weir_rows *rows, unsigned column)
{
    return column < rows->count ? rows->columns[column].type : 0;
}

const char *weir_rows_tag(const weir_rows *rows)
{
    return rows->tag;
}

const char *weir_rows_text(const weir_rows *rows, unsigned column, size_t *ret_len)
{
    bool there = rows->on_row && column < rows->count && rows->cells[column].text;
    if (ret_len)
        *ret_len = there ? rows->cells[column].len : 0;
    return there ? rows->cells[column].text : NULL;
}

weir_status weir_rows_integer(const weir_rows *rows, unsigned column, int64_t *ret)
{
    size_t len;
    char *end;
    const char *text = weir_rows_text(rows, column, &len);
    *ret = 0;
    if (!text || len == 0)
        return WEIR_MISUSE;
    if (rows->columns[column].type == OID_BOOL) {
        *ret = *text == 't';
        return WEIR_OK;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end != text + len)
        return WEIR_MISUSE;
    *ret = value;
    return WEIR_OK;
}

weir_status weir_rows_real(const weir_rows *rows, unsigned column, double *ret)
{
    size_t len;
    char *end;
    const char *text = weir_rows_text(rows, column, &len);
    *ret = 0;
    if (!text || len == 0)
        return WEIR_MISUSE;
    double value = rows->columns[column].type == OID_BOOL
                       ? *text == 't'
                       : strtod_l(text, &end, rows->connection->instance->plain);
    if (rows->columns[column].type != OID_BOOL && end != text + len)
        return WEIR_MISUSE;
    *ret = value;
    return WEIR_OK;
}

/* Of what a server wrote. */
static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10) & 15u;
}

const void *weir_rows_bytes(weir_rows *rows, unsigned column, size_t *ret_len)
{
    size_t len;
    const char *text = weir_rows_text(rows, column, &len);
    *ret_len = len;
    if (!text || rows->columns[column].type != OID_BYTEA || len < 2 || text[0] != '\\' ||
        text[1] != 'x')
        return text;
    char *at = rows->cells[column].text; /* in place: it is ours, and becomes shorter */
    for (size_t i = 2; i + 1 < len; i += 2)
        at[i / 2 - 1] = (char)(nibble(text[i]) << 4 | nibble(text[i + 1]));
    *ret_len = len / 2 - 1;
    return at;
}
