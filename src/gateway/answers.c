/* What a server answers to a relaying client, and what follows: statements are recorded; when
 * nothing is owed and no transaction is open, what the session left behind is found out and the
 * connection goes back; when the server is lost, what was in flight is answered by errors.
 *
 *      ReadyForQuery 'I', nothing owed
 *        └─► settle ──► listening? ──► its ReadyForQuery, if it was kept back
 *                                       └──► state unknown? ──► pinned, or back to the pool
 */
#include "gateway/cached.h"
#include "gateway/handover.h"
#include "gateway/internal.h"
#include "gateway/lost.h"
#include "gateway/replica.h"
#include "gateway/terminate.h"

static weir_client *client_of(weir_relay_sink *sink)
{
    return WEIR_CONTAINER_OF(sink, weir_client, relay.sink);
}

/* ---- measuring ---- */

/* CREATE TABLE AS and SELECT INTO have a SELECT's tag: the backend does not know them. */
static void count_change(weir_client *c)
{
    weir_backend *b = weir_database_backend(weir_session_database(&c->session));
    atomic_fetch_add_explicit(&b->changes, 1, memory_order_relaxed);
    c->relay.changed = true; /* once more when it is committed */
}

static void record(weir_client *c, uint64_t rows, const char *sqlstate)
{
    weir_sent f;
    if (!weir_client_sent_pop(c, &f))
        return;
    c->relay.naming -= f.namings != NULL;
    if (f.block && sqlstate && !sqlstate[0])
        c->relay.ended_block = f.block;
    if (f.namings)
        weir_client_named_by_sql(c, f.namings, sqlstate && !sqlstate[0]);
    bool done = sqlstate && (!sqlstate[0] || f.statement.statements > 1);
    if (done && f.statement.kind == WEIR_KIND_DDL && (f.statement.effects & WEIR_EFFECT_TEMP))
        weir_temporary_made(c->cached);
    if (done && f.statement.kind == WEIR_KIND_DDL && !(f.statement.effects & WEIR_EFFECT_TEMP))
        count_change(c);
    if (sqlstate)
        weir_session_record(&c->session, &f.statement,
                            weir_client_is_on_replica(c) ? WEIR_TARGET_REPLICA
                                                         : WEIR_TARGET_PRIMARY,
                            f.started, rows, sqlstate);
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
    weir_client_cached_bytes(c, bytes);
    weir_session_count_bytes(&c->session, 0, bytes.len);
}

static void on_statement(weir_relay_sink *sink, uint64_t rows, const char *sqlstate)
{
    weir_client *c = client_of(sink);
    c->relay.failed = c->relay.failed || !sqlstate || sqlstate[0];
    record(c, rows, sqlstate);
}

static void on_parsed(weir_relay_sink *sink, weir_parsing outcome)
{
    weir_client_parsed(client_of(sink), outcome);
}

static void on_described(weir_relay_sink *sink, uint64_t content, uint64_t shape)
{
    weir_client_described(client_of(sink), content, shape);
}

static void on_examined(weir_relay_sink *sink, uint64_t shape)
{
    weir_client *c = client_of(sink);
    c->relay.examining = false;
    if (c->relay.examined && shape)
        c->relay.examined->stale = c->relay.examined->shape != shape;
    c->relay.seen_to = c->relay.examined != NULL;
    if (!c->closed)
        weir_stream_resume(c->stream);
}

static void on_error(weir_relay_sink *sink)
{
    client_of(sink)->relay.erred = true;
    weir_client_cached_failed(client_of(sink));
}

static void settle(weir_client *c);

/* ---- notifications come before the ReadyForQuery of the transaction that caused them ---- */

static bool may_be_ready(weir_relay_sink *sink, char status)
{
    weir_client *c = client_of(sink);
    if (status != 'I' || (!c->listening && !c->relay.notifies))
        return true;
    /* kept back also for what is queued: bytes before it may not have been handed on yet */
    c->relay.held =
        weir_listening_must_settle(c) || weir_listening_notified(c) || weir_listening_has_news(c);
    if (c->relay.held)
        weir_client_state_told(c); /* its statement's end was not kept back */
    return !c->relay.held;
}

static void on_listened(weir_client *c, weir_listening_outcome outcome, const weir_error *err)
{
    weir_error refused;
    (void)err;
    if (outcome == WEIR_LISTENING_LOST || c->state != WEIR_CLIENT_ACTIVE)
        return;
    if (outcome == WEIR_LISTENING_KEEP &&
        weir_session_pin(&c->session, WEIR_EFFECT_LISTEN, &refused) != 0) {
        weir_client_fatal(c, &refused);
        return;
    }
    settle(c);
}

/* True: something is under way, after which it is asked again. */
static bool listening_unsettled(weir_client *c)
{
    if (!c->relay.held)
        return false;
    if (weir_listening_must_settle(c)) {
        if (weir_listening_settle(c, c->relay.failed, on_listened) < 0)
            weir_client_close(c, 0);
        return true;
    }
    if (weir_listening_notified(c)) {
        c->relay.notified = c->relay.notifies = false;
        weir_listening_sync(c, on_listened);
        return true;
    }
    c->relay.held = false;
    weir_listening_deliver(c);
    weir_client_ready(c, 'I');
    weir_stream_resume(c->stream);
    return false;
}

static void on_notification(weir_relay_sink *sink, uint32_t pid, weir_slice channel,
                            weir_slice payload)
{
    weir_listening_from_server(client_of(sink), pid, channel, payload);
}

/* Nothing is owed and the server is outside a transaction. */
static void settle(weir_client *c)
{
    if (listening_unsettled(c) || !c->session.conn)
        return;
    c->relay.notified = c->relay.notifies = c->relay.failed = false;
    if (c->relay.batch || weir_client_state_unsettled(c))
        return;
    weir_listening_drained(c); /* what came while that was found out */
    if (c->session.pinned || c->holds)
        return;
    weir_session_return(&c->session);
    weir_client_visit_ended(c);
    if (weir_client_must_leave(c) && weir_client_at_rest(c))
        weir_client_rested(c);
}

void weir_client_settled(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    if (conn && c->state == WEIR_CLIENT_ACTIVE && c->relay.status == 'I' &&
        conn->ops->owed(conn) == 0)
        settle(c);
}

static void on_ready(weir_relay_sink *sink, char status, size_t owed)
{
    weir_client *c = client_of(sink);
    if (c->relay.status != 'I' && status != 'I' && c->relay.ended_block == WEIR_BLOCK_OPENS)
        weir_client_state_told(c); /* one transaction ended, and the next one began */
    c->relay.status = status;
    c->relay.ended_block = WEIR_BLOCK_KEEPS;
    weir_client_cached_ready(c, owed == 0 && !c->relay.batch);
    weir_client_seen(c);
    if (owed == 0 && !c->relay.batch)
        weir_client_named_answered(c);
    if (owed == 0 && !c->relay.batch)
        c->relay.unready = 0; /* a Sync amid COPY IN is answered by nothing */
    else
        c->relay.unready -= c->relay.unready > 0;
    if (c->relay.behind)
        weir_stream_resume(c->stream);
    if (status != 'I') {
        if (c->session.lending == WEIR_LEND_STATEMENT)
            weir_client_end_transaction_block(c);
        return;
    }
    if (c->relay.changed)
        count_change(c);
    c->relay.changed = false;
    weir_session_count_transaction(&c->session);
#ifdef WEIR_TEST_FAULT_EARLY_RELEASE /* a build that the simulator must see through */
    owed = 0;
#endif
    if (owed > 0) {
        weir_client_state_told(c);
        c->relay.failed = false; /* what failed was this transaction, not the next */
        return;
    }
    c->relay.resets = false; /* it is found out what is set, or the connection goes back */
    settle(c);
}

static bool on_congested(weir_relay_sink *sink)
{
    weir_client *c = client_of(sink);
    bool congested = !c->closed && weir_stream_congested(c->stream);
    if (congested)
        weir_client_unread(c, true);
    return congested;
}

static void on_room(weir_relay_sink *sink)
{
    weir_client *c = client_of(sink);
    if (!c->closed)
        weir_stream_resume(c->stream);
}

/* Its connection is gone, what was owed on it is answered, and the client lives on. */
static void go_on(weir_client *c)
{
    c->relay.examining = c->relay.seen_to = false;
    if (weir_client_settle_statements(c) < 0) { /* what its transaction set is gone with it */
        weir_client_close(c, 0);
        return;
    }
    if (c->relay.held)
        weir_client_ready(c, 'I'); /* its answer was whole */
    c->relay.held = c->relay.notified = c->relay.notifies = c->relay.failed = false;
    c->relay.batch = c->relay.resets = false;
    c->relay.unready = 0;
    weir_client_cached_ready(c, true);
    weir_client_visit_ended(c);
    c->relay.passing_on = false;
    weir_client_seen(c);
    weir_stream_resume(c->stream);
}

/* False: its session ends with its connection. */
static bool outlives(weir_client *c, const weir_error *err, bool torn, bool ends)
{
    if (c->state != WEIR_CLIENT_ACTIVE)
        return false;
    if (torn) /* words would be taken for the rest of a row */
        weir_client_close(c, WEIR_SECOND);
    else if (ends || strcmp(err->sqlstate, WEIR_SESSION_LOST) == 0)
        weir_client_fatal(c, err);
    return c->state == WEIR_CLIENT_ACTIVE;
}

static void on_lost(weir_relay_sink *sink, const weir_error *why, size_t ready_owed, bool torn)
{
    weir_client *c = client_of(sink);
    weir_error own;
    const weir_error *err = weir_client_lost_words(c, why, &own);
    weir_entry *instead = torn ? NULL : weir_client_cached_instead(c, err->sqlstate, ready_owed);
    c->overdue = false;
    weir_client_cached_failed(c);
    weir_session_lose_outcome(&c->session);
    c->relay.sink.outcomes = false;
    bool told = weir_client_state_drop(c);
    bool pinned = c->session.pinned != 0 || told;
    bool terminated = weir_client_terminated(c, err->sqlstate);
    weir_client_visit_lost(c);
    weir_session_lost(&c->session);
    weir_listening_lost(c);
    bool lives = outlives(c, err, torn, pinned || terminated);
    if (lives && instead) /* the one statement under way gets this */
        weir_client_cached_give_instead(c, instead);
    else if (lives)
        weir_client_lose_block(c, err, ready_owed);
    while (c->relay.sent > 0)
        record(c, 0, err->sqlstate);
    weir_client_named_lost(c);
    if (lives)
        go_on(c);
    weir_entry_unref(instead);
}

static const weir_relay_events events = {.may_be_ready = may_be_ready,
                                         .on_notification = on_notification,
                                         .on_outcome = weir_client_on_outcome,
                                         .on_bytes = on_bytes,
                                         .on_statement = on_statement,
                                         .on_parsed = on_parsed,
                                         .on_described = on_described,
                                         .on_examined = on_examined,
                                         .on_error = on_error,
                                         .on_ready = on_ready,
                                         .congested = on_congested,
                                         .on_room = on_room,
                                         .on_lost = on_lost,
                                         .on_held = weir_client_on_held};

weir_client *weir_client_of_sink(weir_relay_sink *sink)
{
    return sink && sink->events == &events ? client_of(sink) : NULL;
}

void weir_client_hear(weir_client *c)
{
    c->relay.sink.events = &events;
}
