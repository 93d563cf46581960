/* Messages of our own between the client's, without disturbing them: where an extended batch of
 * the client's is open they are part of it, so that what fails it fails them and its rollback is
 * theirs; else they are a batch of our own, whose errors nobody sees. */
#include "backend/postgres/ours.h"

#define RUN "weir_run" /* our own statement and portal */

void pg_ours_begin(pg_ours *b, pg_conn *c, uint64_t tag)
{
    b->conn = c;
    b->tag = tag;
    b->count = 0;
    b->error = 0;
    weir_buf_init(&b->out, WEIR_PG_MESSAGE_SIZE_MAX);
}

static void enter(pg_ours *b, weir_pg_owed_kind kind, uint64_t tag, int r)
{
    assert(b->count < PG_OURS_MAX);
    b->entries[b->count].kind = kind;
    b->entries[b->count++].tag = tag;
    if (b->error == 0)
        b->error = r;
}

void pg_ours_close(pg_ours *b, uint8_t kind, weir_slice name)
{
    enter(b, WEIR_PG_OWED_CLOSE, b->tag,
          weir_pg_write_target(&b->out, WEIR_PG_F_CLOSE, kind, name));
}

void pg_ours_describe(pg_ours *b, weir_slice name, uint64_t tag)
{
    enter(b, WEIR_PG_OWED_DESCRIBE_STATEMENT, tag,
          weir_pg_write_target(&b->out, WEIR_PG_F_DESCRIBE, 'S', name));
}

void pg_ours_parse(pg_ours *b, weir_slice name, weir_slice text, weir_slice oids, uint64_t tag)
{
    enter(b, WEIR_PG_OWED_PARSE, tag, weir_pg_write_parse(&b->out, name, text, oids));
}

void pg_ours_run(pg_ours *b, weir_slice text)
{
    weir_slice own = WEIR_SLICE_LIT(RUN);
    weir_pg_bind bind = {.portal = own, .statement = own};
    pg_ours_close(b, 'S', own); /* one that failed before it was closed stays */
    pg_ours_parse(b, own, text, (weir_slice){0}, b->tag);
    enter(b, WEIR_PG_OWED_BIND, b->tag, weir_pg_write_bind(&b->out, &bind));
    enter(b, WEIR_PG_OWED_EXECUTE, b->tag, weir_pg_write_execute(&b->out, own, 0));
    pg_ours_close(b, 'P', own);
    pg_ours_close(b, 'S', own);
}

int pg_ours_send(pg_ours *b, bool joins)
{
    pg_conn *c = b->conn;
    if (!joins && !c->owed.batch_open && b->count > 0) {
        enter(b, WEIR_PG_OWED_SYNC, b->tag, weir_pg_write_empty(&b->out, WEIR_PG_F_SYNC));
        c->batch++;
    }
    int r = b->error;
    for (size_t i = 0; r == 0 && i < b->count; i++)
        r = weir_pg_owed_push(&c->owed, b->entries[i].kind, true, b->entries[i].tag);
    if (r == 0)
        weir_stream_write(c->stream, weir_buf_slice(&b->out));
    weir_buf_fini(&b->out);
    return r;
}

/* What the server refuses for what it is, it refuses on every connection: the session cannot be had
 * again, and without its settings (a role, perhaps) it must not go on. */
static bool is_for_good(const weir_pg_error_fields *e)
{
    static const char *const passing[] = {"08", "40", "53", "55", "57", "58", "XX"};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (e->sqlstate.len >= 2 && memcmp(e->sqlstate.data, passing[i], 2) == 0)
            return false;
    return true;
}

void pg_ours_failed(pg_conn *c, uint64_t tag, const weir_pg_error_fields *e)
{
    weir_error err;
    bool adopts = tag == PG_ADOPTS;
    weir_error_set(&err, adopts && is_for_good(e) ? WEIR_SESSION_LOST : "08006",
                   adopts ? "weir: the database server refused a session parameter: %.*s"
                          : "weir: the database server failed a check: %.*s",
                   (int)e->message.len, (const char *)e->message.data);
    if (adopts && is_for_good(e))
        weir_error_hint(&err, "What the session had set (SET, SET ROLE) is not there any more. "
                              "Connect again.");
    pg_conn_fail(c, &err);
}
