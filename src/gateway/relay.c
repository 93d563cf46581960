/* A client before a backend that speaks its protocol: the story of its statements. Each message is
 * decoded, understood, given a server connection if there is none, forwarded and, when its answer
 * has passed, recorded. The connection goes back when every owed reply has passed and the server is
 * outside a transaction, unless the session is pinned to it.
 *
 * Invariants: between a message of the client and its answer the order is the client's own; an
 * error of ours is answered as the server would answer (extended protocol: everything up to Sync is
 * skipped, then one ReadyForQuery); a statement that was sent is never sent again. */
#include "gateway/internal.h"
#include <stdlib.h>

#define WAIT 1 /* the message was not taken: come again */

/* What of a statement ties the session to its connection until we can replay it elsewhere. */
#define PINNING                                                                                    \
    (WEIR_EFFECT_SET | WEIR_EFFECT_LISTEN | WEIR_EFFECT_TEMP | WEIR_EFFECT_ADVISORY_LOCK |         \
     WEIR_EFFECT_PREPARE | WEIR_EFFECT_HOLD_CURSOR | WEIR_EFFECT_SEQUENCE | WEIR_EFFECT_LOAD |     \
     WEIR_EFFECT_DO)

static weir_client *client_of(weir_relay_sink *sink)
{
    return WEIR_CONTAINER_OF(sink, weir_client, relay.sink);
}

/* ---- measuring ---- */

static void record(weir_client *c, uint64_t rows, const char *sqlstate)
{
    weir_sent f;
    if (weir_client_sent_pop(c, &f) && sqlstate)
        weir_session_record(&c->session, &f.statement, WEIR_TARGET_PRIMARY, f.started, rows,
                            sqlstate);
}

/* ---- errors of ours ---- */

static void give_error(weir_client *c, const weir_error *err)
{
    weir_conn *conn = c->session.conn;
    if (!conn) {
        weir_client_error(c, err);
        return;
    }
    weir_buf out;
    weir_buf_init(&out, 8192);
    int r = weir_pg_write_error(&out, "ERROR", err);
    if (r == 0)
        r = conn->ops->interject(conn, weir_buf_slice(&out));
    weir_buf_fini(&out);
    if (r < 0)
        weir_client_close(c, 0);
}

static char status_of(const weir_client *c)
{
    return c->session.conn ? c->relay.status : 'I';
}

/* Answers the message of type `type` with an error. */
static void refuse(weir_client *c, uint8_t type, const weir_error *err)
{
    give_error(c, err);
    if (type != WEIR_PG_F_QUERY && type != WEIR_PG_F_FUNCTION) {
        c->relay.skipping = true;
        return;
    }
    const uint8_t ready[] = {WEIR_PG_B_READY, 0, 0, 0, 5, (uint8_t)status_of(c)};
    if (!c->session.conn)
        weir_client_ready(c, 'I');
    else if (c->session.conn->ops->interject(c->session.conn,
                                             weir_slice_make(ready, sizeof(ready))) < 0)
        weir_client_close(c, 0);
}

static int refuse_memory(weir_client *c, uint8_t type)
{
    weir_error err;
    weir_error_set(&err, "53200", "weir: out of memory");
    refuse(c, type, &err);
    return 0;
}

/* ---- borrowing ---- */

/* The connection is here: make it ours. */
static int attach(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    conn->sink = &c->relay.sink;
    c->relay.status = 'I';
    weir_parameters parameters = {.pairs = weir_slice_make(c->params, c->params_len),
                                  .fingerprint = c->fingerprint};
    return conn->ops->adopt(conn, &parameters);
}

/* 0: there is a connection. WAIT: not yet. Other: refused, and answered. */
static int ensure_conn(weir_client *c, uint8_t type)
{
    if (c->session.conn)
        return 0;
    weir_error err;
    if (c->relay.lost_transaction) {
        c->relay.lost_transaction = false;
        weir_error_set(&err, "08006",
                       "weir: the database server was lost, and this transaction with it");
        refuse(c, type, &err);
        return -ECONNRESET;
    }
    int r = weir_session_borrow(&c->session, WEIR_ROLE_WRITE, &err);
    if (r == WEIR_SESSION_WAIT) {
        c->relay.waiting = true;
        weir_stream_pause(c->stream);
        return WAIT;
    }
    if (r == 0)
        r = attach(c);
    if (r == 0)
        return 0;
    if (r < 0) {
        weir_session_return(&c->session); /* it is not in our state */
        weir_error_set(&err, "53200", "weir: out of memory");
    }
    refuse(c, type, &err);
    return -ECONNREFUSED;
}

static void on_lent(weir_session *session)
{
    weir_client *c = WEIR_CONTAINER_OF(session, weir_client, session);
    if (c->local) {
        weir_local_lent(c->local);
        return;
    }
    if (c->state == WEIR_CLIENT_WELCOME) {
        weir_client_welcome(c);
        return;
    }
    c->relay.waiting = false;
    if (attach(c) < 0) {
        weir_session_return(session);
        weir_client_close(c, 0);
        return;
    }
    weir_stream_resume(c->stream);
}

/* The first message that waits gets the error; on_relay finds it by `refused`. */
static void on_refused(weir_session *session, const weir_error *err)
{
    weir_client *c = WEIR_CONTAINER_OF(session, weir_client, session);
    if (c->local) {
        weir_local_refused(c->local, err);
        return;
    }
    if (c->state == WEIR_CLIENT_WELCOME) {
        weir_client_fatal(c, err);
        return;
    }
    c->relay.waiting = false;
    c->relay.refused = malloc(sizeof(*err));
    if (!c->relay.refused) {
        weir_client_close(c, 0);
        return;
    }
    *c->relay.refused = *err;
    weir_stream_resume(c->stream);
}

void weir_client_cancel_waiting(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "57014", "weir: canceling statement due to user request");
    weir_session_withdraw(&c->session);
    on_refused(&c->session, &err);
}

const weir_session_events weir_client_session_events = {.lent = on_lent, .refused = on_refused};

/* ---- the client's messages ---- */

/* Pins if the statement leaves state behind. False: refused, and answered. */
static bool admit_effects(weir_client *c, uint8_t type, unsigned effects)
{
    weir_error err;
    effects &= PINNING;
    if ((effects & ~c->session.pinned) == 0)
        return true;
    if (weir_session_pin(&c->session, effects, &err) == 0)
        return true;
    refuse(c, type, &err);
    return false;
}

static int forward(weir_client *c, const weir_relay *m)
{
    weir_conn *conn = c->session.conn;
    c->relay.batch =
        m->kind != WEIR_RELAY_SYNC &&
        (c->relay.batch || (m->kind != WEIR_RELAY_QUERY && m->kind != WEIR_RELAY_FUNCTION));
    (void)conn->ops->relay(conn, m); /* a failure is told by on_lost */
    return 0;
}

static int on_query(weir_client *c, const weir_pg_frame *f)
{
    weir_slice text;
    weir_statement st;
    if (weir_pg_query_read(f->body, &text) != 0)
        return -EPROTO;
    weir_session_understand(&c->session, text, &st);
    if (!admit_effects(c, f->type, st.effects))
        return 0;
    if ((st.effects & WEIR_EFFECT_DISCARD) && c->session.pinned &&
        weir_slice_eq_cstr(weir_buf_slice(&weir_worker_lexed(c->worker->engine)->text),
                           "discard all"))
        c->relay.unpin = true;
    if (weir_client_sent_push(c, &st) < 0)
        return refuse_memory(c, f->type);
    return forward(c, &(weir_relay){.kind = WEIR_RELAY_QUERY, .whole = f->whole});
}

static bool same_statement(const weir_prepared *p, const weir_pg_parse *parse)
{
    return p && weir_slice_eq(p->text, parse->text) && weir_slice_eq(p->oids, parse->oids);
}

static int on_parse(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_parse parse;
    if (weir_pg_parse_read(f->body, &parse) != 0)
        return -EPROTO;
    weir_prepared *p = c->relay.unnamed;
    bool known = parse.name.len == 0 && same_statement(p, &parse);
    if (!known)
        p = weir_client_prepared_new(c, &parse);
    if (!p)
        return refuse_memory(c, f->type);
    if (parse.name.len > 0) {
        int r = weir_client_named_put(c, parse.name, p);
        if (r != 0) {
            weir_error err;
            weir_error_set(&err, "53400",
                           "weir: too many prepared statements (limits.prepared is %u)",
                           weir_gateway_config(c->worker->gateway)->limits.prepared);
            refuse(c, f->type, &err);
            weir_client_prepared_unref(p);
            return 0;
        }
    } else if (!known) {
        weir_client_prepared_unref(c->relay.unnamed);
        c->relay.unnamed = p;
    }
    return forward(c, &(weir_relay){.kind = WEIR_RELAY_PARSE,
                                    .whole = f->whole,
                                    .prepared = p,
                                    .unnamed = parse.name.len == 0});
}

static int on_bind(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_reader r = weir_pg_reader_make(f->body);
    (void)weir_pg_read_cstr(&r); /* portal */
    weir_slice name = weir_pg_read_cstr(&r);
    if (!r.ok)
        return -EPROTO;
    weir_prepared *p = weir_client_prepared_find(c, name);
    if (p) {
        c->relay.bound = p->statement;
        if (!admit_effects(c, f->type, p->statement.effects))
            return 0;
    }
    return forward(c, &(weir_relay){.kind = WEIR_RELAY_BIND,
                                    .whole = f->whole,
                                    .prepared = p,
                                    .unnamed = name.len == 0});
}

static int on_target(weir_client *c, const weir_pg_frame *f)
{
    weir_pg_target t;
    if (weir_pg_target_read(f->body, &t) != 0)
        return -EPROTO;
    bool close = f->type == WEIR_PG_F_CLOSE;
    weir_prepared *p = t.kind == 'S' ? weir_client_prepared_find(c, t.name) : NULL;
    int r = forward(c, &(weir_relay){.kind = close ? WEIR_RELAY_CLOSE : WEIR_RELAY_DESCRIBE,
                                     .whole = f->whole,
                                     .prepared = p,
                                     .unnamed = t.name.len == 0,
                                     .target = t.kind});
    if (close && t.kind == 'S' && t.name.len > 0)
        weir_client_named_remove(c, t.name);
    if (close && t.kind == 'S' && t.name.len == 0) {
        weir_client_prepared_unref(c->relay.unnamed);
        c->relay.unnamed = NULL;
    }
    return r;
}

static int on_execute(weir_client *c, const weir_pg_frame *f)
{
    if (weir_client_sent_push(c, &c->relay.bound) < 0)
        return refuse_memory(c, f->type);
    return forward(c, &(weir_relay){.kind = WEIR_RELAY_EXECUTE, .whole = f->whole});
}

static int on_function(weir_client *c, const weir_pg_frame *f)
{
    weir_statement unknown = {
        .template_id = UINT32_MAX, .kind = WEIR_KIND_UNKNOWN, .statements = 1};
    if (weir_client_sent_push(c, &unknown) < 0)
        return refuse_memory(c, f->type);
    return forward(c, &(weir_relay){.kind = WEIR_RELAY_FUNCTION, .whole = f->whole});
}

/* Messages that need no connection when there is none. */
static int on_sync(weir_client *c, const weir_pg_frame *f)
{
    c->relay.skipping = false;
    if (c->session.conn)
        return forward(c, &(weir_relay){.kind = WEIR_RELAY_SYNC, .whole = f->whole});
    weir_client_ready(c, 'I');
    return 0;
}

static int on_flush_or_copy(weir_client *c, const weir_pg_frame *f)
{
    if (!c->session.conn)
        return 0; /* Flush owes nothing; copy data after its end is dropped, as the server does */
    weir_relay m = {.whole = f->whole};
    m.kind = f->type == WEIR_PG_F_FLUSH     ? WEIR_RELAY_FLUSH
             : f->type == WEIR_PG_COPY_DATA ? WEIR_RELAY_COPY_DATA
             : f->type == WEIR_PG_COPY_DONE ? WEIR_RELAY_COPY_DONE
                                            : WEIR_RELAY_COPY_FAIL;
    (void)c->session.conn->ops->relay(c->session.conn, &m);
    return 0;
}

static bool needs_conn(uint8_t type)
{
    return type == WEIR_PG_F_QUERY || type == WEIR_PG_F_PARSE || type == WEIR_PG_F_BIND ||
           type == WEIR_PG_F_DESCRIBE || type == WEIR_PG_F_CLOSE || type == WEIR_PG_F_EXECUTE ||
           type == WEIR_PG_F_FUNCTION;
}

/* 0: taken. WAIT: come again. -EPROTO. */
static int on_message(weir_client *c, const weir_pg_frame *f)
{
    if (c->relay.skipping && f->type != WEIR_PG_F_SYNC && f->type != WEIR_PG_F_TERMINATE)
        return 0;
    if (needs_conn(f->type)) {
        if (c->relay.refused) {
            refuse(c, f->type, c->relay.refused);
            free(c->relay.refused);
            c->relay.refused = NULL;
            return 0;
        }
        int r = ensure_conn(c, f->type);
        if (r != 0)
            return r == WAIT ? WAIT : 0;
    }
    switch (f->type) {
    case WEIR_PG_F_QUERY:
        return on_query(c, f);
    case WEIR_PG_F_PARSE:
        return on_parse(c, f);
    case WEIR_PG_F_BIND:
        return on_bind(c, f);
    case WEIR_PG_F_DESCRIBE:
    case WEIR_PG_F_CLOSE:
        return on_target(c, f);
    case WEIR_PG_F_EXECUTE:
        return on_execute(c, f);
    case WEIR_PG_F_FUNCTION:
        return on_function(c, f);
    case WEIR_PG_F_SYNC:
        return on_sync(c, f);
    case WEIR_PG_F_FLUSH:
    case WEIR_PG_COPY_DATA:
    case WEIR_PG_COPY_DONE:
    case WEIR_PG_F_COPY_FAIL:
        return on_flush_or_copy(c, f);
    case WEIR_PG_F_TERMINATE:
        weir_client_close(c, WEIR_SECOND);
        return 0;
    default:
        return -EPROTO;
    }
}

/* CopyData of any size passes in pieces. Returns how many bytes were taken; 0: it must be whole. */
static size_t begin_passing(weir_client *c, weir_slice in, size_t size)
{
    weir_conn *conn = c->session.conn;
    c->relay.passing = size - in.len;
    c->relay.passing_on = conn && !c->relay.skipping;
    if (c->relay.passing_on)
        (void)conn->ops->relay(conn, &(weir_relay){.kind = WEIR_RELAY_COPY_DATA, .whole = in});
    return in.len;
}

static size_t pass(weir_client *c, weir_slice in)
{
    size_t n = in.len < c->relay.passing ? in.len : c->relay.passing;
    if (c->relay.passing_on && c->session.conn)
        (void)c->session.conn->ops->relay_more(c->session.conn, weir_slice_head(in, n));
    c->relay.passing -= n;
    return n;
}

static void break_off(weir_client *c, int r)
{
    weir_error err;
    if (r == -EMSGSIZE)
        weir_error_set(&err, "54000", "weir: a message is longer than limits.message_size allows");
    else
        weir_error_set(&err, "08P01", "weir: malformed or unexpected message");
    weir_client_fatal(c, &err);
}

/* One message at the front. 0: taken, `*used` grew; WEIR_PG_MORE, WAIT: later; negative: broken. */
static int take_message(weir_client *c, weir_slice in, size_t *used)
{
    weir_pg_frame f;
    size_t size;
    int r = weir_pg_frame_head(in, weir_gateway_config(c->worker->gateway)->limits.message_size,
                               &f.type, &size);
    if (r != 0)
        return r;
    if (!weir_pg_is_frontend_type(f.type))
        return -EPROTO;
    if (in.len < size) {
        if (f.type != WEIR_PG_COPY_DATA)
            return WEIR_PG_MORE;
        *used += begin_passing(c, in, size);
        return 0;
    }
    f.whole = weir_slice_head(in, size);
    f.body = weir_slice_skip(f.whole, 5);
    r = on_message(c, &f);
    if (r == 0)
        *used += size;
    return r;
}

static_assert(WAIT == WEIR_PG_MORE, "both mean: keep the bytes");

size_t weir_client_on_relay(weir_client *c, weir_slice in)
{
    size_t used = c->relay.passing ? pass(c, in) : 0;
    while (c->state == WEIR_CLIENT_ACTIVE && used < in.len) {
        int r = take_message(c, weir_slice_skip(in, used), &used);
        if (r < 0) {
            break_off(c, r);
            return in.len;
        }
        if (r != 0)
            break;
        weir_conn *conn = c->session.conn;
        if (conn && conn->ops->congested(conn)) {
            weir_stream_pause(c->stream);
            break;
        }
    }
    weir_session_count_bytes(&c->session, used, 0);
    return c->state == WEIR_CLIENT_ACTIVE ? used : in.len;
}

/* ---- the server's answers ---- */

static void on_bytes(weir_relay_sink *sink, weir_slice bytes)
{
    weir_client *c = client_of(sink);
#ifdef WEIR_TEST_FAULT_WRONG_CLIENT /* a build that the simulator must see through */
    weir_list *next = c->node.next == &c->worker->clients ? c->worker->clients.next : c->node.next;
    static unsigned count;
    if (++count % 500 == 0)
        c = WEIR_CONTAINER_OF(next, weir_client, node);
#endif
    weir_client_write(c, bytes);
    weir_session_count_bytes(&c->session, 0, bytes.len);
}

static void on_statement(weir_relay_sink *sink, uint64_t rows, const char *sqlstate)
{
    record(client_of(sink), rows, sqlstate);
}

static void on_ready(weir_relay_sink *sink, char status, size_t owed)
{
    weir_client *c = client_of(sink);
    c->relay.status = status;
    weir_client_seen(c);
    if (status != 'I')
        return;
#ifdef WEIR_TEST_FAULT_EARLY_RELEASE /* a build that the simulator must see through */
    owed = 0;
#endif
    weir_session_count_transaction(&c->session);
    if (c->relay.unpin && owed == 0) {
        c->relay.unpin = false;
        weir_client_named_clear(c);
        weir_session_unpin(&c->session);
    }
    if (owed > 0 || c->relay.batch || c->session.pinned || c->holds)
        return;
    weir_session_return(&c->session);
    if (atomic_load(&c->worker->gateway->draining) && weir_client_at_rest(c))
        weir_client_goodbye(c);
}

static bool on_congested(weir_relay_sink *sink)
{
    weir_client *c = client_of(sink);
    return !c->closed && weir_stream_congested(c->stream);
}

static void on_room(weir_relay_sink *sink)
{
    weir_client *c = client_of(sink);
    if (!c->closed)
        weir_stream_resume(c->stream);
}

/* Answers what was owed by errors, so that the client can go on with another connection. */
static void answer_owed(weir_client *c, const weir_error *err, size_t ready_owed)
{
    for (size_t i = 0; i < ready_owed; i++) {
        weir_client_error(c, err);
        weir_client_ready(c, 'I');
    }
    if (c->relay.batch) {
        weir_client_error(c, err);
        c->relay.skipping = true;
    } else if (ready_owed == 0 && c->relay.status != 'I') {
        c->relay.lost_transaction = true;
    }
}

static void on_lost(weir_relay_sink *sink, const weir_error *err, size_t ready_owed, bool torn)
{
    weir_client *c = client_of(sink);
    bool pinned = c->session.pinned != 0;
    weir_session_lost(&c->session);
    while (c->relay.sent > 0)
        record(c, 0, err->sqlstate);
    if (c->state != WEIR_CLIENT_ACTIVE)
        return;
    if (torn) { /* words would be taken for the rest of a row */
        weir_client_close(c, WEIR_SECOND);
        return;
    }
    if (pinned) {
        weir_client_fatal(c, err);
        return;
    }
    answer_owed(c, err, ready_owed);
    c->relay.batch = false;
    c->relay.status = 'I';
    c->relay.passing_on = false;
    weir_stream_resume(c->stream);
}

static const weir_relay_events events = {.on_bytes = on_bytes,
                                         .on_statement = on_statement,
                                         .on_ready = on_ready,
                                         .congested = on_congested,
                                         .on_room = on_room,
                                         .on_lost = on_lost};

void weir_client_relay_init(weir_client *c)
{
    c->relay.sink.events = &events;
    c->relay.status = 'I';
    weir_map_init(&c->relay.named, c->worker->gateway->options.seed,
                  weir_gateway_config(c->worker->gateway)->limits.prepared);
}

void weir_client_relay_fini(weir_client *c)
{
    if (!c->relay.sink.events)
        return;
    weir_client_named_clear(c);
    weir_map_fini(&c->relay.named);
    weir_client_prepared_unref(c->relay.unnamed);
    free(c->relay.more);
    free(c->relay.refused);
}
