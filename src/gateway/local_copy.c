/* COPY: rows of a table or query as lines to the client, lines of the client's as rows.
 *
 *   TO STDOUT     start ──run: rows are CopyData──► over
 *   FROM STDIN    start ──the columns are described──► RECEIVING ◄──batch done── RUNNING
 *                                                        │ ──CopyData: a batch is full──► │
 *                                                        └── CopyDone: the last batch, then over
 *
 * Lines become rows of INSERT statements of BATCH_PARAMS parameters, in one transaction: all of
 * them or none. Memory holds one batch, one CopyData message and what a line needs.
 *
 * Invariant: while `receiving`, only CopyData, CopyDone and CopyFail mean anything; whatever ends
 * the COPY calls `then` once. */
#include "gateway/local_copy.h"
#include "base/utf8.h"
#include "compat/copy.h"
#include <stdio.h>
#include <stdlib.h>

#define BATCH_PARAMS 2000u /* their INSERT must fit into a connection's kept statements */
#define BATCH_SIZE (1024u * 1024u)
#define HINTS_MAX 64u

struct local_copy {
    weir_copy options; /* borrows from `statement` */
    local_statement *statement, *insert;
    local_then then;
    bool receiving, done;
    bool header_owed; /* of the format binary: it comes with the first row, as PostgreSQL's does */
    uint64_t rows;
    uint32_t *oids;
    size_t columns;
    weir_error error; /* out: why a row was refused */
    weir_buf cell;
    weir_copy_reader reader;
    local_portal *batch;
    size_t *offsets; /* of the batch's texts in its `rewritten`; SIZE_MAX: none */
    size_t batch_rows, batch_max, insert_rows;
};

void local_copy_free(local_copy *copy)
{
    if (!copy)
        return;
    local_statement_unref(copy->statement);
    local_statement_unref(copy->insert);
    local_portal_unref(copy->batch);
    weir_copy_reader_fini(&copy->reader);
    weir_buf_fini(&copy->cell);
    free(copy->offsets);
    free(copy->oids);
    free(copy);
}

bool local_copy_receives(const weir_local *l)
{
    return l->copy && l->copy->receiving;
}

static void end(weir_local *l, bool ok)
{
    local_copy *copy = l->copy;
    local_then then = copy->then;
    char tag[48];
    if (ok) {
        (void)snprintf(tag, sizeof(tag), "COPY %llu", (unsigned long long)copy->rows);
        local_send_tag(l, tag);
    }
    l->copy = NULL;
    local_copy_free(copy);
    then(l, ok);
}

static void fail(weir_local *l, const weir_error *err)
{
    local_fail(l, err);
    end(l, false);
}

/* Negative: broken beyond that. */
static void fail_or_break(weir_local *l, int r, const weir_error *err)
{
    if (r < 0)
        local_broken(l, r);
    else
        fail(l, err);
}

/* "SELECT a, b FROM t", or the query. */
static int put_query(const weir_copy *c, weir_buf *out)
{
    weir_slice columns = c->columns;
    if (c->query.len > 0)
        return weir_buf_append(out, c->query);
    if (columns.len >= 2)
        columns = weir_slice_make(columns.data + 1, columns.len - 2);
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SELECT "));
    if (r == 0)
        r = weir_buf_append(out, columns.len > 0 ? columns : WEIR_SLICE_LIT("*"));
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(" FROM "));
    return r == 0 ? weir_buf_append(out, c->table) : r;
}

static int new_query(weir_local *l, const weir_copy *c, local_statement **ret, weir_error *err)
{
    weir_buf text;
    weir_buf_init(&text, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = put_query(c, &text);
    if (r == 0)
        r = local_statement_new(l, (weir_slice){0}, weir_buf_slice(&text), ret, err);
    weir_buf_fini(&text);
    if (r == 0 && (*ret)->command.kind != WEIR_COMMAND_NONE) {
        local_statement_unref(*ret);
        weir_error_set(err, "0A000", "weir: COPY takes a query");
        r = WEIR_COMPAT_REFUSED;
    }
    return r;
}

/* ---- TO STDOUT: on the executing thread ---- */

static int take_types(local_copy *copy, const weir_column *columns, size_t count)
{
    weir_compat_hint hints[HINTS_MAX] = {0};
    size_t known = weir_compat_result_hints(copy->insert->source, hints, HINTS_MAX);
    free(copy->oids);
    copy->oids = calloc(count ? count : 1, sizeof(*copy->oids));
    if (!copy->oids)
        return -ENOMEM;
    copy->columns = count;
    for (size_t i = 0; i < count; i++) {
        copy->oids[i] = weir_compat_declared_oid(columns[i].declared);
        if (i < known && copy->oids[i] == 0)
            copy->oids[i] = hints[i].oid;
        if (copy->oids[i] == 0)
            copy->oids[i] = WEIR_OID_TEXT;
    }
    return 0;
}

static int begin_line(weir_buf *out, size_t *ret_mark)
{
    *ret_mark = out->len;
    int r = weir_buf_append_u8(out, WEIR_PG_COPY_DATA);
    return r == 0 ? weir_buf_append_u32(out, 0) : r;
}

static int end_line(const local_copy *copy, weir_buf *out, size_t mark)
{
    int r = copy->options.binary ? 0 : weir_copy_put_end(out);
    if (r < 0)
        return r;
    uint32_t len = (uint32_t)(out->len - mark - 1);
    for (size_t i = 0; i < 4; i++)
        out->data[mark + 1 + i] = (uint8_t)(len >> (24 - 8 * i));
    return 0;
}

static int on_columns(void *user, weir_buf *out, const weir_column *columns, size_t count)
{
    local_copy *copy = user;
    size_t mark = 0;
    copy->rows = 0; /* it may begin again */
    copy->error.sqlstate[0] = '\0';
    int r = take_types(copy, columns, count);
    if (r == 0)
        r = weir_pg_write_copy_response(out, WEIR_PG_B_COPY_OUT, copy->options.binary, count);
    copy->header_owed = copy->options.binary;
    if (r < 0 || !copy->options.header)
        return r;
    r = begin_line(out, &mark);
    for (size_t i = 0; r == 0 && i < count; i++) {
        weir_slice name = weir_slice_cstr(columns[i].name ? columns[i].name : "?column?");
        r = weir_copy_put_field(&copy->options, out, i, &name);
    }
    return r == 0 ? end_line(copy, out, mark) : r;
}

static int put_cell(local_copy *copy, weir_buf *out, size_t i, const weir_value *cell)
{
    if (copy->options.binary) {
        weir_compat_value value = local_compat_value(cell);
        int e = weir_compat_cell_write(out, copy->oids[i], 1, &value, &copy->error);
        return e > 0 ? -EINVAL : e;
    }
    if (cell->type == WEIR_VALUE_NULL)
        return weir_copy_put_field(&copy->options, out, i, NULL);
    weir_compat_value v = local_compat_value(cell);
    weir_slice text;
    int r = weir_compat_cell_text(copy->oids[i], &v, &copy->cell, &text, &copy->error);
    if (r != 0)
        return r > 0 ? -EINVAL : r;
    return weir_copy_put_field(&copy->options, out, i, &text);
}

static int put_head(local_copy *copy, weir_buf *out, size_t count)
{
    int r = copy->header_owed ? weir_copy_put_header(out) : 0;
    copy->header_owed = false;
    return r == 0 ? weir_copy_put_count(out, count) : r;
}

static int on_row(void *user, weir_buf *out, const weir_value *cells, size_t count)
{
    local_copy *copy = user;
    size_t mark = 0;
    if (count != copy->columns)
        return -EINVAL;
    int r = begin_line(out, &mark);
    if (r == 0 && copy->options.binary)
        r = put_head(copy, out, count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = put_cell(copy, out, i, &cells[i]);
    if (r == 0)
        r = end_line(copy, out, mark);
    if (r < 0)
        out->len = mark < out->len ? mark : out->len;
    else
        copy->rows++;
    return r;
}

static int put_last(local_copy *copy, weir_buf *out)
{
    size_t mark = 0;
    int r = begin_line(out, &mark);
    if (r == 0)
        r = put_head(copy, out, WEIR_COPY_LAST);
    return r == 0 ? end_line(copy, out, mark) : r;
}

static void given_out(weir_local *l, bool ok)
{
    if (ok) {
        if (l->copy->options.binary)
            local_check(l, put_last(l->copy, &l->out));
        local_check(l, weir_pg_write_empty(&l->out, WEIR_PG_COPY_DONE));
        end(l, true);
        return;
    }
    weir_error err = l->copy->error.sqlstate[0] ? l->copy->error : l->run->error;
    fail(l, &err);
}

static void start_out(weir_local *l)
{
    local_copy *copy = l->copy;
    weir_error err = {0};
    weir_encoder encoder = {.columns = on_columns, .row = on_row, .user = copy};
    weir_buf_init(&copy->cell, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = new_query(l, &copy->options, &copy->insert, &err);
    if (r != 0) {
        fail_or_break(l, r, &err);
        return;
    }
    local_check(l, local_run_rows(l, copy->insert, NULL, &encoder, given_out));
}

/* ---- FROM STDIN: batches ---- */

static int begin_batch(local_copy *copy)
{
    size_t params = copy->batch_max * copy->columns;
    local_portal *p = calloc(1, sizeof(*p) + params * sizeof(weir_value));
    if (!p)
        return -ENOMEM;
    p->refs = 1;
    p->params = (weir_value *)(void *)(p + 1);
    weir_buf_init(&p->rewritten, 2 * WEIR_PG_MESSAGE_SIZE_MAX);
    weir_buf_init(&p->kept, SIZE_MAX);
    copy->batch = p;
    copy->batch_rows = 0;
    if (!copy->offsets)
        copy->offsets = calloc(params, sizeof(*copy->offsets));
    return copy->offsets ? 0 : -ENOMEM;
}

static int add_value(local_copy *copy, size_t column, weir_error *err)
{
    const weir_copy_field *f = &copy->reader.items[column];
    local_portal *p = copy->batch;
    size_t at = copy->batch_rows * copy->columns + column;
    weir_value *value = &p->params[at];
    weir_compat_value v = {.type = WEIR_COMPAT_NULL};
    *value = (weir_value){.type = WEIR_VALUE_NULL};
    copy->offsets[at] = SIZE_MAX;
    if (f->null)
        return 0;
    weir_slice text = weir_slice_make(copy->reader.fields.data + f->offset, f->len);
    bool binary = copy->options.binary;
    int r = weir_compat_param_read(copy->oids[column], binary, text, &p->rewritten, &v,
                                   &copy->offsets[at], err);
    if (r > 0 && !binary)
        weir_error_set(err, "22P02", "weir: invalid input syntax for column %zu: \"%.*s\"",
                       column + 1, WEIR_UTF8_QUOTED(text, 60));
    if (r != 0)
        return r;
    if (v.type == WEIR_COMPAT_INTEGER || v.type == WEIR_COMPAT_REAL)
        copy->offsets[at] = SIZE_MAX; /* a number's text may be there */
    if (v.type == WEIR_COMPAT_INTEGER) {
        value->type = WEIR_VALUE_INTEGER;
        value->u.integer = v.integer;
    } else if (v.type == WEIR_COMPAT_REAL) {
        value->type = WEIR_VALUE_REAL;
        value->u.real = v.real;
    } else if (v.type != WEIR_COMPAT_NULL) {
        value->type = v.type == WEIR_COMPAT_TEXT ? WEIR_VALUE_TEXT : WEIR_VALUE_BLOB;
        value->u.bytes = v.bytes;
        if (copy->offsets[at] != SIZE_MAX)
            return 0;
        copy->offsets[at] = p->rewritten.len;
        return weir_buf_append(&p->rewritten, v.bytes);
    }
    return 0;
}

static int add_row(local_copy *copy, weir_error *err)
{
    const weir_copy_reader *r = &copy->reader;
    int e = copy->batch ? 0 : begin_batch(copy);
    if (e == 0 && r->count != copy->columns) {
        weir_error_set(err, "22P04", "weir: %s",
                       r->count < copy->columns ? "missing data for a column"
                                                : "extra data after last expected column");
        e = WEIR_COMPAT_REFUSED;
    }
    for (size_t i = 0; e == 0 && i < copy->columns; i++)
        e = add_value(copy, i, err);
    if (e > 0)
        weir_error_detail(err, "COPY, line %llu", (unsigned long long)r->line);
    copy->batch_rows += e == 0;
    return e;
}

static int put_insert(const local_copy *copy, weir_buf *out)
{
    size_t n = 1;
    int r = weir_buf_append(out, WEIR_SLICE_LIT("INSERT INTO "));
    if (r == 0)
        r = weir_buf_append(out, copy->options.table);
    if (r == 0)
        r = weir_buf_append(out, copy->options.columns);
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT(" VALUES "));
    for (size_t row = 0; r == 0 && row < copy->batch_rows; row++) {
        for (size_t i = 0; r == 0 && i < copy->columns; i++)
            r = weir_buf_printf(out, "%s$%zu", i > 0 ? "," : row > 0 ? "),(" : "(", n++);
    }
    return r == 0 ? weir_buf_append_u8(out, ')') : r;
}

/* The statement for as many rows as the batch has: full ones share it. */
static int take_insert(weir_local *l, local_copy *copy, weir_error *err)
{
    weir_buf text;
    if (copy->insert && copy->insert_rows == copy->batch_rows)
        return 0;
    local_statement_unref(copy->insert);
    copy->insert = NULL;
    weir_buf_init(&text, WEIR_PG_MESSAGE_SIZE_MAX);
    int r = put_insert(copy, &text);
    if (r == 0)
        r = local_statement_new(l, (weir_slice){0}, weir_buf_slice(&text), &copy->insert, err);
    weir_buf_fini(&text);
    if (r != 0)
        return r;
    copy->insert_rows = copy->batch_rows;
    copy->insert->param_count = (uint16_t)(copy->batch_rows * copy->columns);
    return 0;
}

static void take_rows(weir_local *l);

static void batch_ran(weir_local *l, bool ok)
{
    local_copy *copy = l->copy;
    if (!ok) {
        weir_error err = l->run->error;
        fail(l, &err);
        return;
    }
    copy->rows += copy->batch_rows;
    local_portal_unref(copy->batch);
    copy->batch = NULL;
    copy->batch_rows = 0;
    take_rows(l);
}

static void run_batch(weir_local *l)
{
    local_copy *copy = l->copy;
    local_portal *p = copy->batch;
    weir_error err = {0};
    int r = take_insert(l, copy, &err);
    if (r != 0) {
        fail_or_break(l, r, &err);
        return;
    }
    for (size_t i = 0; i < copy->batch_rows * copy->columns; i++)
        if (copy->offsets[i] != SIZE_MAX)
            p->params[i].u.bytes.data = p->rewritten.data + copy->offsets[i];
    local_statement_unref(p->statement);
    p->statement = local_statement_ref(copy->insert);
    local_check(l, local_run_statement(l, copy->insert, p, false, batch_ran));
}

/* Whole lines into the batch; a full one is run, and so is the last. */
static void take_rows(weir_local *l)
{
    local_copy *copy = l->copy;
    weir_error err = {0};
    int r = 0;
    while (r == 0) {
        bool full = copy->batch && (copy->batch_rows == copy->batch_max ||
                                    copy->batch->rewritten.len >= BATCH_SIZE);
        if (full) {
            run_batch(l);
            return;
        }
        r = weir_copy_next(&copy->reader, copy->done, &err);
        if (r == 0)
            r = add_row(copy, &err);
    }
    if (r != WEIR_COPY_MORE)
        fail_or_break(l, r, &err);
    else if (copy->done && copy->batch_rows > 0)
        run_batch(l);
    else if (copy->done)
        end(l, true);
}

/* ---- FROM STDIN: messages ---- */

void local_copy_cancel(weir_local *l)
{
    weir_error err;
    weir_error_set(&err, "57014", "weir: canceling statement due to user request");
    fail(l, &err);
}

static int on_fail(weir_local *l, weir_slice body)
{
    weir_slice reason;
    weir_error err;
    int r = weir_pg_copy_fail_read(body, &reason);
    if (r != 0)
        return r;
    weir_error_set(&err, "57014", "weir: COPY from stdin failed: %.*s",
                   WEIR_UTF8_QUOTED(reason, 200));
    fail(l, &err);
    return 0;
}

int local_copy_feed(weir_local *l, const weir_pg_frame *frame)
{
    local_copy *copy = l->copy;
    weir_error err;
    int r = 0;
    switch (frame->type) {
    case WEIR_PG_COPY_DATA:
        r = weir_copy_feed(&copy->reader, frame->body);
        if (r == 0)
            take_rows(l);
        else
            local_broken(l, r);
        return 0;
    case WEIR_PG_COPY_DONE:
        copy->done = true;
        take_rows(l);
        return 0;
    case WEIR_PG_F_COPY_FAIL:
        return on_fail(l, frame->body);
    case WEIR_PG_F_SYNC: /* sent before the client knew that it would copy */
    case WEIR_PG_F_FLUSH:
        return 0;
    default:
        weir_error_set(&err, "08P01", "weir: unexpected message type 0x%02X during COPY from stdin",
                       frame->type);
        fail(l, &err);
        return 0;
    }
}

static void described(weir_local *l, bool ok)
{
    local_copy *copy = l->copy;
    const local_columns *columns = &l->run->rows.columns;
    if (!ok) {
        weir_error err = l->run->error;
        fail(l, &err);
        return;
    }
    copy->columns = columns->count;
    copy->oids = calloc(columns->count ? columns->count : 1, sizeof(*copy->oids));
    if (!copy->oids) {
        local_broken(l, -ENOMEM);
        return;
    }
    for (size_t i = 0; i < columns->count; i++)
        copy->oids[i] = columns->items[i].type_oid;
    size_t rows = BATCH_PARAMS / (columns->count ? columns->count : 1);
    copy->batch_max = rows > 0 ? rows : 1;
    local_tx_begin_implicit(l);
    copy->receiving = true;
    local_check(l, weir_pg_write_copy_response(&l->out, WEIR_PG_B_COPY_IN, copy->options.binary,
                                               columns->count));
    local_flush(l);
}

static void start_in(weir_local *l)
{
    local_copy *copy = l->copy;
    local_statement *shape = NULL;
    weir_error err = {0};
    weir_copy_reader_init(&copy->reader, &copy->options, 2 * WEIR_PG_MESSAGE_SIZE_MAX);
    int r = new_query(l, &copy->options, &shape, &err);
    if (r != 0) {
        fail_or_break(l, r, &err);
        return;
    }
    local_check(l, local_run_describe(l, shape, true, described));
    local_statement_unref(shape); /* the run has its own reference */
}

void local_copy_start(weir_local *l, local_statement *s, local_then then)
{
    weir_error err = {0};
    local_copy *copy = calloc(1, sizeof(*copy));
    if (!copy) {
        local_broken(l, -ENOMEM);
        return;
    }
    l->copy = copy;
    copy->then = then;
    copy->statement = local_statement_ref(s);
    if (weir_copy_read(s->command.value, &copy->options, &err) != 0)
        fail(l, &err);
    else if (copy->options.out)
        start_out(l);
    else
        start_in(l);
}
