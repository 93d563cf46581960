/* A logged-in server connection: its life between lendings, validation, moves, loss.
 *
 *      READY ──move──► MOVING ──► READY, on another loop
 *        └──close / fail──► CLOSING ──► freed
 *
 * Invariants: it is clean only when nothing is owed, the server is outside a transaction, no query
 * of ours is on the way and no cancel flies toward it; a connection whose queue is in doubt is
 * closed, never lent. */
#include "backend/postgres/internal.h"
#include "backend/postgres/relay.h"
#include <stdio.h>
#include <stdlib.h>

static const pg_conn *pg_const(const weir_conn *conn)
{
    return (const pg_conn *)(const void *)((const char *)conn - offsetof(pg_conn, base));
}

void pg_conn_forget_login(pg_conn *c)
{
    if (c->login)
        weir_pg_forget(c->login, sizeof(*c->login));
    free(c->login);
    c->login = NULL;
    weir_pg_forget(&c->auth, sizeof(c->auth));
}

void pg_conn_free(pg_conn *c)
{
    pg_cancel_detach(c);
    weir_timer_disarm(c->base.loop, &c->timer);
    weir_pg_owed_fini(&c->owed);
    pg_prepared_fini(&c->prepared);
    weir_buf_fini(&c->welcome);
    weir_buf_fini(&c->set);
    weir_buf_fini(&c->names_error);
    pg_aliases_clear(c);
    free(c->database);
    free(c->user);
    pg_conn_forget_login(c);
    free(c->address_used);
    free(c);
}

/* The stream is gone: last words to the borrower and the engine. */
static void on_gone(pg_conn *c, const weir_error *err)
{
    weir_backend *b = c->base.backend;
    weir_relay_sink *sink = c->base.sink;
    c->base.sink = NULL;
    c->state = PG_CLOSING;
    if (sink)
        sink->events->on_lost(sink, err, weir_pg_owed_ready_count(&c->owed),
                              c->passing > 0 && c->passing_on);
    pg_questions_lost(c, err);
    b->events->closed(b->engine, &c->base);
    pg_conn_free(c);
}

static void on_close(weir_stream *stream, int error)
{
    pg_conn *c = weir_stream_user(stream);
    c->stream = NULL;
    if (!c->lost.sqlstate[0])
        weir_error_set(&c->lost, "08006",
                       "weir: the connection to the database server was lost: %s",
                       error ? strerror(-error) : "the server closed it");
    on_gone(c, &c->lost);
}

void pg_conn_fail(pg_conn *c, const weir_error *err)
{
    if (!c->lost.sqlstate[0])
        c->lost = *err;
    if (c->state == PG_CLOSING)
        return;
    c->state = PG_CLOSING;
    weir_stream_close(c->stream, 0);
}

static void on_drained(weir_stream *stream)
{
    pg_conn_look_roomy(weir_stream_user(stream));
}

const weir_stream_handler pg_relay_handler = {
    .on_bytes = pg_relay_on_bytes, .on_drained = on_drained, .on_close = on_close};

/* ---- what the pool asks ---- */

/* The server said goodbye (a FATAL); the end of its stream follows, perhaps much later. */
static bool is_doomed(const pg_conn *c)
{
    return c->lost.sqlstate[0] != '\0';
}

static void conn_close(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->state == PG_CLOSING)
        return;
    c->state = PG_CLOSING;
    static const uint8_t terminate[] = {WEIR_PG_F_TERMINATE, 0, 0, 0, 4};
    if (weir_pg_owed_is_empty(&c->owed))
        weir_stream_write(c->stream, weir_slice_make(terminate, sizeof(terminate)));
    weir_stream_close(c->stream, weir_pg_owed_is_empty(&c->owed) ? WEIR_SECOND : 0);
}

static bool conn_quiet(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    return c->state == PG_READY && !is_doomed(c) && weir_stream_quiet(c->stream) &&
           pg_hosts_current(c);
}

static weir_conn_state state_of(const pg_conn *c)
{
    if (c->state != PG_READY || c->passing > 0 || is_doomed(c))
        return WEIR_CONN_DIRTY;
#ifdef WEIR_TEST_FAULT_EARLY_RELEASE /* a build that the simulator must see through */
    return WEIR_CONN_CLEAN;
#endif
    if (c->status != 'I')
        return WEIR_CONN_DIRTY;
    if (!weir_list_empty(&c->cancels) || c->validating)
        return WEIR_CONN_LATER;
    bool rests = weir_pg_owed_is_at_rest(&c->owed) && !weir_pg_owed_is_doubtful(&c->owed);
    return rests ? WEIR_CONN_CLEAN : WEIR_CONN_DIRTY;
}

static weir_conn_state conn_clean(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    weir_conn_state state = state_of(c);
    c->returned = state == WEIR_CONN_LATER;
    c->held_len = 0; /* whoever they were for is gone */
    return state;
}

void pg_conn_look_clean(pg_conn *c)
{
    if (!c->returned || state_of(c) == WEIR_CONN_LATER)
        return;
    c->returned = false;
    c->base.backend->events->became_clean(c->base.backend->engine, &c->base);
}

int pg_conn_query(pg_conn *c, weir_slice text, uint64_t tag)
{
    weir_buf out;
    weir_buf_init(&out, 128 * 1024);
    int r = weir_pg_write_query(&out, text);
    if (r == 0)
        r = weir_pg_owed_push(&c->owed, WEIR_PG_OWED_QUERY, true, tag);
    c->prepared.unnamed[0] = c->prepared.unnamed[1] = 0; /* any Query ends its life */
    if (r == 0)
        weir_stream_write(c->stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
    return r;
}

/* An empty query: the cheapest round trip there is, and it touches nothing. */
static void conn_validate(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    c->validating = true;
    if (pg_conn_query(c, (weir_slice){0}, PG_CHECKS) < 0)
        weir_stream_close(c->stream, 0);
}

static int conn_reset(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    int r = pg_conn_query(c, WEIR_SLICE_LIT("DISCARD ALL"), PG_CHECKS);
    if (r < 0)
        return r;
    pg_prepared_clear(&c->prepared);
    pg_aliases_clear(c);
    c->aliases_unknown = false;
    pg_parameters_clear(c);
    c->validating = true; /* as a validation: the answer decides whether it lives */
    return 0;
}

static void on_arrived(weir_stream *stream, void *user)
{
    pg_conn *c = user;
    c->stream = stream;
    c->base.loop = weir_stream_loop(stream);
    c->state = PG_READY;
    c->base.backend->events->arrived(c->base.backend->engine, &c->base);
}

static void conn_move(weir_conn *conn, struct weir_loop *target)
{
    pg_conn *c = pg_conn_of(conn);
    assert(c->state == PG_READY && weir_pg_owed_is_empty(&c->owed) && weir_list_empty(&c->cancels));
    weir_timer_disarm(c->base.loop, &c->timer);
    c->state = PG_MOVING;
    weir_stream_move(c->stream, target, on_arrived, c);
}

static size_t conn_owed(const weir_conn *conn)
{
    return weir_pg_owed_count(&pg_const(conn)->owed);
}

/* Of a pipeline that is sent faster than it is answered, or whose answers are not read. */
static bool owes_much(const pg_conn *c, unsigned parts)
{
    return weir_pg_owed_count(&c->owed) > c->place->options.replies_max / parts;
}

static bool conn_congested(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    c->congested = weir_stream_congested(c->stream) || owes_much(c, 2);
    return c->congested;
}

void pg_conn_look_roomy(pg_conn *c)
{
    if (!c->congested || !c->base.sink || weir_stream_congested(c->stream) || owes_much(c, 4))
        return;
    c->congested = false;
    c->base.sink->events->on_room(c->base.sink);
}

static void conn_sink_drained(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    if (c->paused) {
        c->paused = false;
        weir_stream_resume(c->stream);
    }
}

static weir_slice conn_welcome(const weir_conn *conn)
{
    return weir_buf_slice(&pg_const(conn)->welcome);
}

static void conn_describe(const weir_conn *conn, const char **ret_address, uint32_t *ret_pid)
{
    const pg_conn *c = pg_const(conn);
    *ret_address = c->address_used ? c->address_used : "";
    *ret_pid = c->pid;
}

static void conn_secured(const weir_conn *conn, char *out, size_t size)
{
    const pg_conn *c = pg_const(conn);
    const weir_tls_info *tls = c->stream ? weir_stream_tls(c->stream) : NULL;
    (void)snprintf(out, size, "%s%s%s", tls ? tls->version : "", tls ? "/" : "",
                   tls ? tls->cipher : "");
}

static size_t conn_unsent(const weir_conn *conn)
{
    const pg_conn *c = pg_const(conn);
    return c->stream ? weir_stream_queued(c->stream) : 0;
}

const weir_conn_ops pg_conn_ops = {
    .close = conn_close,
    .quiet = conn_quiet,
    .validate = conn_validate,
    .move = conn_move,
    .clean = conn_clean,
    .cancel = pg_cancel,
    .relay = pg_relay,
    .relay_more = pg_relay_more,
    .adopt = pg_adopt,
    .adopted = pg_adopted,
    .ask = pg_ask,
    .name = pg_name,
    .named = pg_named,
    .only = pg_only,
    .faithful = pg_faithful,
    .examine = pg_examine,
    .reset = conn_reset,
    .interject = pg_interject,
    .owed = conn_owed,
    .congested = conn_congested,
    .sink_drained = conn_sink_drained,
    .welcome = conn_welcome,
    .describe = conn_describe,
    .secured = conn_secured,
    .unsent = conn_unsent,
};
