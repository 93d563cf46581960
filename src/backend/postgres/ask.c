/* Questions of our own on a connection that is lent: their replies are hidden from the borrower and
 * handed to the asker.
 *
 * Invariant: `questions` are in the order of their entries in the queue of owed replies, so a reply
 * tagged PG_ASKED is the oldest question's; each ends by exactly one `done`. */
#include "backend/postgres/internal.h"
#include <stdlib.h>

#define COLUMNS_MAX 32u

/* With parameters: Parse, Bind, Execute, Sync, all of them ours. */
static int append_extended(const weir_question *q, weir_buf *out)
{
    weir_pg_bind bind = {.value_count = (uint16_t)q->param_count};
    weir_buf values;
    weir_buf_init(&values, 64 * 1024);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < q->param_count; i++) {
        bool null = !q->params[i].data;
        r = weir_buf_append_u32(&values, null ? UINT32_MAX : (uint32_t)q->params[i].len);
        if (r == 0 && !null)
            r = weir_buf_append(&values, q->params[i]);
    }
    bind.values = weir_buf_slice(&values);
    if (r == 0)
        r = weir_pg_write_parse(out, (weir_slice){0}, q->text, (weir_slice){0});
    if (r == 0)
        r = weir_pg_write_bind(out, &bind);
    if (r == 0)
        r = weir_pg_write_execute(out, (weir_slice){0}, 0);
    if (r == 0)
        r = weir_pg_write_empty(out, WEIR_PG_F_SYNC);
    weir_buf_fini(&values);
    return r;
}

static int push_extended(pg_conn *c)
{
    static const weir_pg_owed_kind kinds[] = {WEIR_PG_OWED_PARSE, WEIR_PG_OWED_BIND,
                                              WEIR_PG_OWED_EXECUTE, WEIR_PG_OWED_SYNC};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        r = weir_pg_owed_push(&c->owed, kinds[i], true, PG_ASKED);
    return r;
}

static int ask_extended(pg_conn *c, const weir_question *q)
{
    weir_buf out;
    weir_buf_init(&out, 256 * 1024);
    int r = append_extended(q, &out);
    if (r == 0)
        r = push_extended(c);
    if (r == 0)
        weir_stream_write(c->stream, weir_buf_slice(&out));
    c->prepared.unnamed[0] = c->prepared.unnamed[1] = 0;
    c->batch++;
    weir_buf_fini(&out);
    return r;
}

int pg_ask(weir_conn *conn, weir_question *question)
{
    pg_conn *c = pg_conn_of(conn);
    weir_list_init(&question->node);
    question->failed = (weir_error){0};
    if (c->state != PG_READY)
        return -ECONNRESET;
    int r = question->param_count ? ask_extended(c, question)
                                  : pg_conn_query(c, question->text, PG_ASKED);
    if (r == 0) {
        weir_list_push_back(&c->questions, &question->node);
        return 0;
    }
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory while asking the database server");
    pg_conn_fail(c, &err);
    return r;
}

static weir_question *oldest(const pg_conn *c)
{
    weir_list *n = weir_list_first(&c->questions);
    return n ? WEIR_CONTAINER_OF(n, weir_question, node) : NULL;
}

void pg_question_row(pg_conn *c, weir_slice body)
{
    weir_question *q = oldest(c);
    weir_slice values[COLUMNS_MAX], rest;
    uint16_t count;
    if (!q || !q->row || weir_pg_row_read(body, &count, &rest) != 0)
        return;
    size_t pos = 0;
    unsigned n = 0;
    bool null;
    while (n < count && n < COLUMNS_MAX && weir_pg_value_next(rest, &pos, &values[n], &null)) {
        if (null)
            values[n] = (weir_slice){0};
        else if (!values[n].data)
            values[n] = WEIR_SLICE_LIT("");
        n++;
    }
    q->row(q, values, n);
}

void pg_question_failed(pg_conn *c, const weir_pg_error_fields *error)
{
    weir_question *q = oldest(c);
    char state[6] = "XX000";
    if (!q || q->failed.sqlstate[0])
        return;
    if (error->sqlstate.len == 5)
        memcpy(state, error->sqlstate.data, 5);
    weir_error_set(&q->failed, state, "%.*s", (int)error->message.len,
                   (const char *)error->message.data);
}

void pg_question_answered(pg_conn *c)
{
    weir_question *q = oldest(c);
    if (!q)
        return;
    weir_list_remove(&q->node);
    q->done(q, q->failed.sqlstate[0] ? &q->failed : NULL);
}

void pg_questions_lost(pg_conn *c, const weir_error *err)
{
    for (weir_list *n; (n = weir_list_pop_front(&c->questions));) {
        weir_question *q = WEIR_CONTAINER_OF(n, weir_question, node);
        q->done(q, err);
    }
}
