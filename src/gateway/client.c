/* A client's connection from accept to close, whatever is behind it.
 *
 *   STARTUP ──► AUTH ──► WELCOME ──► ACTIVE ──┐
 *      │          └───────────┴───────────────┼──► CLOSING ──► freed
 *      └──► CANCEL (carries a cancel request) ┘
 *
 * Invariant: a client is freed once its stream is gone and nothing else (a message, a run) names
 * it; its connection is given back before that. */
#include "gateway/cached.h"
#include "gateway/ears.h"
#include "gateway/handover.h"
#include "gateway/spelling.h"
#include "gateway/terminate.h"
#include <stdlib.h>
#include <unistd.h>

void weir_client_write(weir_client *c, weir_slice bytes)
{
    if (!c->closed)
        weir_stream_write(c->stream, bytes);
}

static void write_buf(weir_client *c, weir_buf *out, int r)
{
    if (r == 0)
        weir_client_write(c, weir_buf_slice(out));
    else
        weir_client_close(c, 0); /* out of memory: silence would leave the client waiting */
    weir_buf_fini(out);
}

void weir_client_error(weir_client *c, const weir_error *err)
{
    weir_buf out;
    weir_buf_init(&out, 8192);
    write_buf(c, &out, weir_pg_write_error(&out, "ERROR", err));
}

void weir_client_ready(weir_client *c, char status)
{
    const uint8_t ready[] = {WEIR_PG_B_READY, 0, 0, 0, 5, (uint8_t)status};
    weir_client_write(c, weir_slice_make(ready, sizeof(ready)));
}

void weir_client_say(weir_client *c, uint8_t type)
{
    const uint8_t message[] = {type, 0, 0, 0, 4};
    weir_client_write(c, weir_slice_make(message, sizeof(message)));
}

void weir_client_release(weir_client *c)
{
    (void)weir_client_state_drop(c);
    weir_client_cached_free(c);
    weir_client_explaining_free(c);
    weir_client_spelling_free(c);
    weir_listening_fini(c);
    weir_local_free(c->local);
    c->local = NULL;
    weir_session_close(&c->session);
}

void weir_client_close(weir_client *c, weir_time linger)
{
    if (c->state == WEIR_CLIENT_CLOSING)
        return;
    if (c->state != WEIR_CLIENT_CANCEL)
        c->state = WEIR_CLIENT_CLOSING;
    if (!c->closed)
        weir_stream_close(c->stream, linger);
    /* What it holds goes back soon, however long the peer takes to read our last words; not here,
     * where callers may still be using it. */
    weir_timer_arm(c->worker->loop, &c->timer, weir_loop_now(c->worker->loop));
}

void weir_client_fatal(weir_client *c, const weir_error *err)
{
    if (c->state == WEIR_CLIENT_CLOSING)
        return;
    weir_buf out;
    weir_buf_init(&out, 8192);
    write_buf(c, &out, weir_pg_write_error(&out, "FATAL", err));
    weir_client_close(c, 5 * WEIR_SECOND);
}

void weir_client_goodbye(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "57P01",
                   atomic_load(&c->worker->gateway->draining)
                       ? "weir: shutting down"
                       : "weir: this database was taken out of the configuration");
    weir_client_fatal(c, &err);
}

bool weir_client_at_rest(const weir_client *c)
{
    if (c->state != WEIR_CLIENT_ACTIVE)
        return true;
    if (c->relays)
        return !c->session.conn && !c->relay.waiting && !c->relay.batch &&
               !weir_client_cached_waits(c) && !c->explaining && !weir_listening_is_busy(c);
    if (c->console)
        return weir_console_at_rest(c->console);
    return !c->local || weir_local_at_rest(c->local);
}

weir_client *weir_client_find(weir_gateway_worker *worker, uint32_t id)
{
    return weir_map_find(&worker->by_id, weir_slice_make(&id, sizeof(id)));
}

void weir_client_cancel(weir_client *c)
{
    if (c->console)
        weir_console_cancel(c->console);
    else if (c->local)
        weir_local_cancel(c->local);
    else if (c->relays && (c->relay.waiting || weir_client_cached_waits(c)))
        weir_client_cancel_waiting(c);
    else if (c->relays && c->session.conn && c->relay.sent > 0)
        c->session.conn->ops->cancel(c->session.conn);
}

/* ---- SQLite and other executing backends ---- */

static void local_write(void *user, weir_slice bytes)
{
    weir_client *c = user;
    if (c->replay)
        return; /* it had this answer once */
    if (c->local)
        weir_session_count_bytes(&c->session, 0, bytes.len);
    c->since = weir_loop_now(c->worker->loop); /* idleness counts from the last answer */
    weir_client_write(c, bytes);
}

static bool local_congested(void *user)
{
    weir_client *c = user;
    return !c->closed && weir_stream_congested(c->stream);
}

static void local_ready(void *user)
{
    weir_client *c = user;
    if (c->closed || c->state != WEIR_CLIENT_ACTIVE)
        return;
    weir_client_seen(c);
    if (c->replay) {
        weir_client_go_on_replaying(c);
        return;
    }
    weir_stream_resume(c->stream);
    if (weir_client_must_leave(c) && weir_client_at_rest(c))
        weir_client_rested(c);
}

static void local_paused(void *user)
{
    weir_client_unread(user, true);
}

static void local_fatal(void *user, const weir_error *err)
{
    weir_client_fatal(user, err);
}

/* The clock itself: a statement may run and end within one turn of the loop. */
static weir_time local_now(void *user)
{
    weir_client *c = user;
    return weir_loop_clock(c->worker->loop);
}

static int local_login(weir_client *c)
{
    weir_buf params;
    weir_buf_init(&params, 2 * WEIR_PG_STARTUP_SIZE_MAX);
    const char *pairs[] = {"user", c->user, "database", c->database};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(pairs) / sizeof(pairs[0]); i++)
        r = weir_buf_append_cstr(&params, pairs[i]);
    if (r == 0)
        r = weir_buf_append(&params, weir_slice_make(c->params, c->params_len));
    if (r == 0)
        r = weir_local_login(c->local, weir_buf_slice(&params), c->id);
    weir_buf_fini(&params);
    return r;
}

int weir_client_local_init(weir_client *c)
{
    const weir_config *config = weir_gateway_config(c->worker->gateway);
    weir_local_host host = {.write = local_write,
                            .congested = local_congested,
                            .paused = local_paused,
                            .ready = local_ready,
                            .fatal = local_fatal,
                            .now = local_now,
                            .listen = weir_client_listen,
                            .unlisten = weir_client_unlisten,
                            .publish = weir_client_publish,
                            .end_client = weir_client_ends_other,
                            .memory = weir_gateway_memory(c->worker->gateway),
                            .loop = c->worker->loop,
                            .user = c};
    weir_local_limits limits = {.rows_max = config->limits.rows,
                                .result_size_max = config->limits.result_size,
                                .prepared_max = config->limits.prepared,
                                .notifications_max = config->limits.notifications,
                                .statement_timeout = config->timeouts.statement,
                                .writer_wait = config->sqlite.writer_wait};
    int r = weir_local_new(&c->session, &host, &limits, &c->local);
    return r < 0 ? r : local_login(c);
}

/* ---- the admin database ---- */

int weir_client_console_init(weir_client *c)
{
    weir_console_host host = {.write = local_write,
                              .ready = local_ready,
                              .fatal = local_fatal,
                              .user = c,
                              .login = c->user ? c->user : ""};
    int r = weir_console_new(c->worker->gateway, c->worker->loop, &host, &c->console);
    if (r == 0)
        atomic_fetch_add(&c->worker->gateway->consoles, 1);
    return r;
}

static_assert((int)WEIR_LOCAL_BUSY == WEIR_CONSOLE_BUSY, "told alike");

static int feed(weir_client *c, const weir_pg_frame *f)
{
    return c->console ? weir_console_feed(c->console, f) : weir_local_feed(c->local, f);
}

static size_t on_local(weir_client *c, weir_slice in)
{
    size_t used = 0, limit = weir_gateway_config(c->worker->gateway)->limits.message_size;
    weir_error err;
    weir_client_seen(c);
    while (c->state == WEIR_CLIENT_ACTIVE) {
        weir_pg_frame f;
        int r = weir_pg_frame_next(weir_slice_skip(in, used), limit, &f);
        if (r == WEIR_PG_MORE)
            return used;
        if (local_congested(c)) { /* who does not read its answers gets no more of them */
            weir_stream_pause(c->stream);
            return used;
        }
        bool leaves = r == 0 && f.type == WEIR_PG_F_TERMINATE;
        if (leaves && !(c->local && weir_local_is_writing(c->local))) {
            weir_client_close(c, WEIR_SECOND);
            return in.len;
        }
        if (r == 0) /* a server ends the write under way before it hears the goodbye */
            r = leaves ? WEIR_LOCAL_BUSY : feed(c, &f);
        if (r == WEIR_LOCAL_BUSY) {
            weir_stream_pause(c->stream);
            return used;
        }
        if (r < 0) {
            weir_error_set(&err, r == -EMSGSIZE ? "54000" : "08P01",
                           r == -EMSGSIZE
                               ? "weir: a message is longer than limits.message_size allows"
                               : "weir: malformed or unexpected message");
            weir_client_fatal(c, &err);
            return in.len;
        }
        used += f.whole.len;
        if (c->local)
            weir_session_count_bytes(&c->session, f.whole.len, 0);
    }
    return in.len;
}

/* ---- the stream ---- */

/* Packet by packet: what is behind one may be the next, and nothing more may come. */
static size_t on_login(weir_client *c, weir_slice in)
{
    size_t used = 0, n = 1;
    while (n > 0 && used < in.len &&
           (c->state == WEIR_CLIENT_STARTUP || c->state == WEIR_CLIENT_AUTH)) {
        weir_slice rest = weir_slice_skip(in, used);
        n = c->state == WEIR_CLIENT_AUTH ? weir_client_on_auth(c, rest)
                                         : weir_client_on_startup(c, rest);
        used += n;
    }
    return used;
}

/* What is answered in place ends without an event: a drain is noticed here. */
static size_t on_active(weir_client *c, weir_slice in)
{
    size_t used = c->relays ? weir_client_on_relay(c, in) : on_local(c, in);
    if (c->state == WEIR_CLIENT_ACTIVE && c->local && weir_local_status(c->local) != 'I')
        weir_client_seen(c); /* a transaction that began in place may be left idle */
    if (used == in.len && c->state == WEIR_CLIENT_ACTIVE && weir_client_must_leave(c) &&
        weir_client_at_rest(c))
        weir_client_rested(c);
    return used;
}

static size_t on_bytes(weir_stream *stream, weir_slice in)
{
    weir_client *c = weir_stream_user(stream);
    switch (c->state) {
    case WEIR_CLIENT_STARTUP:
    case WEIR_CLIENT_AUTH:
        return on_login(c, in);
    case WEIR_CLIENT_WELCOME:
        weir_stream_pause(stream);
        return 0;
    case WEIR_CLIENT_ACTIVE:
        return on_active(c, in);
    case WEIR_CLIENT_CANCEL:
    case WEIR_CLIENT_CLOSING:
        return in.len;
    }
    return in.len;
}

static void on_drained(weir_stream *stream)
{
    weir_client *c = weir_stream_user(stream);
    weir_client_unread(c, false);
    if (c->full)
        weir_stream_resume(stream);
    c->full = false;
    if (c->local)
        weir_local_drained(c->local);
    if (c->local ? !weir_local_is_busy(c->local) : c->console != NULL)
        local_ready(c);
    else if (c->relays && c->session.conn)
        c->session.conn->ops->sink_drained(c->session.conn);
    weir_listening_drained(c);
}

static void client_free(weir_client *c)
{
    weir_gateway_worker *w = c->worker;
    weir_timer_disarm(w->loop, &c->timer);
    weir_list_remove(&c->node);
    if (c->id)
        (void)weir_map_remove(&w->by_id, weir_slice_make(&c->id, sizeof(c->id)));
    weir_client_relay_fini(c);
    weir_replay_free(c->replay);
    weir_client_auth_free(c);
    free(c->user);
    free(c->database);
    if (c->params != c->startup)
        free(c->params);
    free(c->startup);
    atomic_fetch_sub(&w->client_count, 1);
    atomic_fetch_sub(&w->gateway->clients, 1);
    if (c->console)
        atomic_fetch_sub(&w->gateway->consoles, 1);
    free(c);
}

static void console_gone(void *user)
{
    client_free(user);
}

static void on_close(weir_stream *stream, int error)
{
    weir_client *c = weir_stream_user(stream);
    weir_client_log_tls_failure(c);
    c->closed = true;
    if (weir_gateway_config(c->worker->gateway)->log.connections && c->user)
        weir_log_event(c->worker->gateway->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO, "client left",
                       WEIR_F_INT("client", c->id), WEIR_F_STR("user", c->user),
                       WEIR_F_STR("reason", error ? strerror(-error) : "closed"));
    if (c->console && weir_console_leave(c->console, console_gone))
        return; /* a report names it still */
    weir_client_release(c);
    if (c->state == WEIR_CLIENT_CANCEL && c->relay.sent) /* its message is still on the way */
        return;
    if (weir_client_auth_is_working(c))
        return;
    client_free(c);
}

void weir_client_auth_came_back(weir_client *c)
{
    if (c->closed)
        client_free(c);
}

void weir_client_cancel_done(weir_client *carrier)
{
    carrier->relay.sent = 0;
    if (carrier->closed)
        client_free(carrier);
    else
        weir_client_close(carrier, 0);
}

static const weir_stream_handler handler = {.on_open = weir_client_on_secured,
                                            .on_bytes = on_bytes,
                                            .on_drained = on_drained,
                                            .on_close = on_close};

/* For a stream that nobody listens to any more. */
static const weir_stream_handler deaf = {.on_bytes = NULL};

weir_client *weir_client_new(weir_gateway_worker *worker)
{
    weir_client *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->worker = worker;
    c->since = weir_loop_now(worker->loop);
    c->relay.status = 'I';
    weir_list_push_back(&worker->clients, &c->node);
    weir_client_timer_init(c);
    return c;
}

int weir_client_adopt_descriptor(weir_client *c, int fd, weir_slice unread)
{
    weir_stream *stream;
    int r = weir_stream_import(c->worker->loop, fd, &handler, c, &stream);
    if (r < 0)
        return r;
    weir_stream_pause(stream);
    weir_stream_set_limit(stream, weir_gateway_config(c->worker->gateway)->limits.message_size + 5);
    r = weir_stream_put_kept(stream, unread);
    if (r < 0) {
        int same;
        if (weir_stream_export(stream, &same) < 0)
            weir_stream_close(stream, 0);
        return r;
    }
    c->stream = stream;
    return 0;
}

weir_client *weir_client_take_in(weir_gateway_worker *worker, int fd)
{
    weir_client *c = weir_client_new(worker);
    if (!c) {
        (void)close(fd);
        return NULL;
    }
    atomic_fetch_add(&worker->client_count, 1);
    atomic_fetch_add(&worker->gateway->clients, 1);
    c->vouched = true;
    if (weir_client_adopt_descriptor(c, fd, (weir_slice){0}) < 0) {
        (void)close(fd);
        weir_client_forget(c);
        return NULL;
    }
    weir_stream_resume(c->stream);
    weir_client_watch(c);
    return c;
}

void weir_client_forget(weir_client *c)
{
    if (c->console && weir_console_leave(c->console, console_gone))
        return; /* not one at rest */
    weir_client_release(c);
    client_free(c);
}

void weir_client_accept(weir_gateway_worker *worker, weir_stream *stream)
{
    weir_client *c = weir_client_new(worker);
    if (!c) {
        atomic_fetch_sub(&worker->client_count, 1);
        atomic_fetch_sub(&worker->gateway->clients, 1);
        weir_stream_set_handler(stream, &deaf, NULL);
        weir_stream_close(stream, 0);
        return;
    }
    c->stream = stream;
    weir_client_watch(c);
    weir_stream_set_handler(stream, &handler, c);
    weir_stream_set_limit(stream, WEIR_PG_STARTUP_SIZE_MAX);
    if (atomic_load(&worker->gateway->draining))
        weir_client_goodbye(c);
}
