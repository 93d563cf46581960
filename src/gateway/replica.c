/* A client's reads on replicas: one statement at a time, outside a transaction, that says so (or is
 * one of the background's), and is here whole.
 *
 *   NONE ──► WAITS ──lent──► ASKED ──trusted──► READS ──all of it sent──► SENT ──given back──► NONE
 *              └──refused──┐   └──not, late, lost──┐
 *                          └───────────────────────┴──► RETURNED ──taken elsewhere──► NONE
 *
 * Invariants: the read is sent on the connection whose server was asked, after its answer
 * (engine/replica.c); nothing else goes there. Whatever is wrong before it was sent costs the
 * client time, not an error. */
#include "gateway/replica.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define WAIT 1
#define ANSWER_MAX WEIR_SECOND /* … that a replica may take to say where it stands */

/* R first, then what it is and receives: the join's left side is read first. A receiver that does
 * not stream says nothing of what is replayed. */
#ifdef WEIR_TEST_FAULT_REPLICA_RECEIVED
#define POSITION "pg_catalog.pg_last_wal_receive_lsn()"
#else
#define POSITION "pg_catalog.pg_last_wal_replay_lsn()"
#endif
static const char question[] =
    "WITH r AS MATERIALIZED (SELECT " POSITION " AS lsn)"
    " SELECT r.lsn - '0/0'::pg_catalog.pg_lsn,"
    " (SELECT system_identifier FROM pg_catalog.pg_control_system()), w.received_tli,"
    " pg_catalog.pg_is_in_recovery()"
    " AND pg_catalog.current_setting('in_hot_standby', true) = 'on',"
    " CASE WHEN w.latest_end_lsn <= r.lsn THEN 0 ELSE (1000 * EXTRACT(epoch FROM"
    " pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()))"
    "::pg_catalog.int8 END"
    " FROM r LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON w.status = 'streaming'";

/* ---- its word ---- */

/* 0: it is none. */
static uint64_t number(weir_slice text)
{
    char digits[24] = "";
    if (text.len >= sizeof(digits) || text.len == 0)
        return 0;
    memcpy(digits, text.data, text.len);
    return strtoull(digits, NULL, 10);
}

static void on_row(weir_question *q, const weir_slice *values, unsigned count)
{
    weir_visit *v = WEIR_CONTAINER_OF(q, weir_visit, question);
    if (count != 5)
        return;
    v->word.replayed = number(values[0]);
    v->word.system = number(values[1]);
    v->word.timeline = (uint32_t)number(values[2]);
    v->word.standby = weir_slice_eq_cstr(values[3], "t");
    if (values[4].data && number(values[4]) < 1000u * 3600 * 24 * 365)
        v->word.lag = (weir_time)number(values[4]) * WEIR_MS;
}

/* What keeps the answer of the read at the front; NULL: nothing. */
static weir_fill *fill_of(const weir_cached *k)
{
    weir_list *n = k->filling_count == 1 && k->asked ? weir_list_first(&k->fillings) : NULL;
    weir_filling *f = n ? WEIR_CONTAINER_OF(n, weir_filling, node) : NULL;
    return f && !f->description ? &f->fill : NULL;
}

static void go_on(weir_visit *v, weir_visit_state state)
{
    weir_client *c = v->client;
    weir_timer_disarm(c->worker->loop, &v->timer);
    v->state = state;
    c->relay.waiting = false;
    if (!c->closed)
        weir_stream_resume(c->stream);
}

static void on_done(weir_question *q, const weir_error *err)
{
    weir_visit *v = WEIR_CONTAINER_OF(q, weir_visit, question);
    weir_client *c = v->client;
    if (v->state != WEIR_VISIT_ASKED)
        return;
    if (!err && c->session.conn &&
        weir_session_trusts_replica(&c->session, fill_of(c->cached), &v->word)) {
        go_on(v, WEIR_VISIT_READS);
        return;
    }
    weir_session_return(&c->session);
    go_on(v, WEIR_VISIT_RETURNED);
}

/* Its question will be answered to nobody: a connection that owes something is closed. */
static void drop_question(weir_visit *v)
{
    weir_list_remove(&v->question.node);
    weir_session_return(&v->client->session);
}

static void on_late(weir_timer *timer, weir_loop *loop)
{
    weir_visit *v = WEIR_CONTAINER_OF(timer, weir_visit, timer);
    (void)loop;
    if (v->state != WEIR_VISIT_ASKED)
        return;
    weir_session_shun_replica(&v->client->session);
    drop_question(v);
    go_on(v, WEIR_VISIT_RETURNED);
}

static int ask(weir_visit *v)
{
    weir_client *c = v->client;
    weir_conn *conn = c->session.conn;
    v->word = (weir_replica_word){.lag = WEIR_TIME_NEVER};
    v->question = (weir_question){
        .text = weir_slice_make(question, sizeof(question) - 1), .row = on_row, .done = on_done};
    v->state = WEIR_VISIT_ASKED;
    c->relay.waiting = true;
    weir_timer_arm(c->worker->loop, &v->timer,
                   weir_deadline(weir_loop_now(c->worker->loop), ANSWER_MAX));
    weir_stream_pause(c->stream);
    if (conn->ops->ask(conn, &v->question) < 0)
        return WAIT; /* on_lost follows */
    return WAIT;
}

/* ---- going there ---- */

static int borrow(weir_visit *v)
{
    weir_client *c = v->client;
    int r = weir_session_borrow_replica(&c->session);
    if (r == WEIR_SESSION_WAIT) {
        v->state = WEIR_VISIT_WAITS;
        c->relay.waiting = true;
        weir_client_waits(c);
        weir_stream_pause(c->stream);
        return WAIT;
    }
    if (r == 0 && weir_client_attach(c) == 0)
        return ask(v);
    weir_session_return(&c->session); /* nothing, or not in our state */
    v->state = WEIR_VISIT_RETURNED;
    return 0;
}

static bool says_replica(const weir_client *c, weir_slice text)
{
    weir_hint hint;
    if (c->internal)
        return weir_gateway_config(c->worker->gateway)->cache.background.replicas;
    weir_slice words = weir_sql_hint(text);
    if (words.len == 0)
        return false;
    weir_hint_read(words, &hint);
    return hint.target == WEIR_HINT_REPLICA;
}

/* What stands at the front is one read, up to its ReadyForQuery. */
static bool is_one_read(weir_client *c, weir_slice in)
{
    weir_front f;
    bool read =
        weir_front_read(c, in, &f) && f.synced && !f.of_statement && says_replica(c, f.text);
    if (read && !f.extended)
        weir_session_understand(&c->session, f.text, &f.statement);
    else if (read)
        weir_session_review(&c->session, &f.statement);
    read = read && weir_session_may_read_elsewhere(&c->session, &f.statement);
    if (f.made)
        weir_client_prepared_unref(f.prepared);
    return read;
}

static bool may_leave(const weir_client *c)
{
    const weir_relay_state *r = &c->relay;
    return !c->session.conn && !r->refused && r->sent == 0 && !r->batch && r->unready == 0 &&
           r->status == 'I' && !c->cached->here && weir_client_cached_is_settled(c);
}

static weir_visit *visit_of(weir_client *c)
{
    weir_cached *k = weir_cached_settled(c);
    if (!k || k->visit)
        return k ? k->visit : NULL;
    k->visit = calloc(1, sizeof(*k->visit));
    if (!k->visit)
        return NULL;
    k->visit->client = c;
    weir_timer_init(&k->visit->timer, on_late);
    return k->visit;
}

static int continued(weir_visit *v)
{
    weir_client *c = v->client;
    switch (v->state) {
    case WEIR_VISIT_WAITS:
        if (c->relay.refused) /* it was cancelled */
            v->state = WEIR_VISIT_RETURNED;
        return c->session.conn ? ask(v) : c->relay.refused ? 0 : WAIT;
    case WEIR_VISIT_ASKED:
        if (!c->relay.refused)
            return WAIT;
        weir_timer_disarm(c->worker->loop, &v->timer);
        drop_question(v);
        v->state = WEIR_VISIT_RETURNED;
        return 0;
    case WEIR_VISIT_RETURNED:
    case WEIR_VISIT_READS:
    case WEIR_VISIT_SENT:
    case WEIR_VISIT_NONE:
        break;
    }
    return 0;
}

int weir_client_visits(weir_client *c, weir_slice in)
{
    if (weir_client_visit_state(c) != WEIR_VISIT_NONE)
        return continued(c->cached->visit);
    if (c->session.conn)
        return 0;
    weir_visit *v = visit_of(c);
    return v && may_leave(c) && is_one_read(c, in) ? borrow(v) : 0;
}

void weir_client_visit_took(weir_client *c, uint8_t type)
{
    weir_visit_state s = weir_client_visit_state(c);
    bool last = type == WEIR_PG_F_QUERY || type == WEIR_PG_F_SYNC;
    if (s == WEIR_VISIT_READS && last)
        c->cached->visit->state = WEIR_VISIT_SENT;
    else if (s == WEIR_VISIT_RETURNED && last)
        c->cached->visit->state = WEIR_VISIT_NONE;
}

bool weir_client_visit_holds_back(weir_client *c)
{
    if (weir_client_visit_state(c) != WEIR_VISIT_SENT)
        return false;
    if (!c->session.conn) { /* it was refused by us: there is nothing to wait for */
        c->cached->visit->state = WEIR_VISIT_NONE;
        return false;
    }
    weir_stream_pause(c->stream);
    return true;
}

/* ---- what comes of it ---- */

bool weir_client_visit_refused(weir_client *c)
{
    if (weir_client_visit_state(c) != WEIR_VISIT_WAITS)
        return false;
    weir_session_shun_replica(&c->session);
    c->session.from = NULL;
    go_on(c->cached->visit, WEIR_VISIT_RETURNED);
    return true;
}

void weir_client_visit_ended(weir_client *c)
{
    if (!weir_client_is_on_replica(c))
        return;
    c->cached->visit->state = WEIR_VISIT_NONE;
    if (!c->closed)
        weir_stream_resume(c->stream);
}

void weir_client_visit_lost(weir_client *c)
{
    if (weir_client_is_on_replica(c) || weir_client_visit_state(c) == WEIR_VISIT_ASKED)
        weir_session_shun_replica(&c->session);
    if (weir_client_visit_state(c) == WEIR_VISIT_ASKED)
        go_on(c->cached->visit, WEIR_VISIT_RETURNED); /* (its question is told next) */
}

void weir_client_visit_free(weir_client *c)
{
    weir_visit *v = c->cached->visit;
    if (!v)
        return;
    weir_timer_disarm(c->worker->loop, &v->timer);
    if (v->state == WEIR_VISIT_ASKED)
        weir_list_remove(&v->question.node);
    free(v);
    c->cached->visit = NULL;
}
