/* How long a client may take: to log in, for a statement, for a transaction, inside one doing
 * nothing, doing nothing at all, to read what it asked for. One timer serves all: it is armed for
 * the most urgent concern of the moment and, when it fires, asks again what the concerns are, so
 * that nothing has to be disarmed on the way.
 *
 *   statement too long ──► cancelled, again each second ──► not heeded for timeouts.cancel: its
 *   connection is closed, the client told */
#include "gateway/cached.h"
#include "gateway/internal.h"

/* A client that waits for a connection is not read, so that its leaving is not told. */
#define GONE_LOOK_EVERY (250 * WEIR_MS)
/* One that reads slowly, or thinks inside a transaction, may hold what others need. */
#define SNAPSHOT_LOOK_EVERY (250 * WEIR_MS)

typedef enum concern_kind {
    LOGIN,
    STATEMENT,
    OVERTIME, /* a statement that waited for an answer before it went to the server */
    LOOK_AGAIN,
    IDLE_IN_TRANSACTION,
    IDLE,
    TRANSACTION,
    UNREAD,
    SNAPSHOT,
    GONE
} concern_kind;

typedef struct concern {
    weir_time since;
    weir_time limit; /* 0: none */
    concern_kind kind;
} concern;

static bool logging_in(const weir_client *c)
{
    return c->state == WEIR_CLIENT_STARTUP || c->state == WEIR_CLIENT_AUTH ||
           c->state == WEIR_CLIENT_WELCOME;
}

static bool busy(const weir_client *c)
{
    return c->relays ? c->relay.sent > 0 || c->relay.waiting
                     : c->local && weir_local_is_busy(c->local);
}

static char status_of(const weir_client *c)
{
    if (c->relays)
        return c->relay.status;
    return c->local ? weir_local_status(c->local) : 'I';
}

/* Of two limits, where 0 is none. */
static weir_time shortest(weir_time a, weir_time b)
{
    return a <= 0 ? b : b <= 0 || a < b ? a : b;
}

/* A PostgreSQL server keeps its session's own setting itself. */
static weir_time idle_in_transaction(const weir_client *c)
{
    weir_time ours = weir_gateway_config(c->worker->gateway)->timeouts.idle_in_transaction;
    return c->local ? shortest(ours, weir_local_idle_in_transaction(c->local)) : ours;
}

static bool has_own_idle_limit(const weir_client *c)
{
    return c->local && weir_local_idle_in_transaction(c->local) > 0 &&
           idle_in_transaction(c) == weir_local_idle_in_transaction(c->local);
}

/* What the client does now. */
static concern activity_of(const weir_client *c)
{
    const weir_config *config = weir_gateway_config(c->worker->gateway);
    if (logging_in(c))
        return (concern){c->since, config->timeouts.login, LOGIN};
    if (busy(c) && c->relays)
        return (concern){c->relay.first.started, c->relay.sent > 0 ? config->timeouts.statement : 0,
                         STATEMENT};
    if (busy(c)) /* keeps its statements' time itself: look again for idleness */
        return (concern){weir_loop_now(c->worker->loop),
                         shortest(idle_in_transaction(c), config->timeouts.client_idle),
                         LOOK_AGAIN};
    if (status_of(c) != 'I')
        return (concern){c->since, idle_in_transaction(c), IDLE_IN_TRANSACTION};
    return (concern){c->since, config->timeouts.client_idle, IDLE};
}

static concern sooner(concern a, concern b)
{
    if (a.limit <= 0 || b.limit <= 0)
        return a.limit <= 0 ? b : a;
    return weir_deadline(a.since, a.limit) <= weir_deadline(b.since, b.limit) ? a : b;
}

/* The first that comes due. */
static concern concern_of(const weir_client *c)
{
    const weir_config *config = weir_gateway_config(c->worker->gateway);
    concern first = activity_of(c), over = {.kind = OVERTIME};
    if (c->relays && c->relay.sent > 0 && weir_client_cached_limit(c, &over.since, &over.limit))
        first = sooner(first, over);
    if (c->begun)
        first = sooner(first, (concern){c->begun, config->timeouts.transaction, TRANSACTION});
    if (c->relays && c->relay.waiting)
        first = sooner(first, (concern){c->looked_at, GONE_LOOK_EVERY, GONE});
    if (c->local && weir_local_holds_snapshot(c->local))
        first = sooner(first, (concern){c->looked_at, SNAPSHOT_LOOK_EVERY, SNAPSHOT});
    if (c->unread_since && c->session.conn)
        first = sooner(first, (concern){c->unread_since, config->timeouts.client_write, UNREAD});
    return first;
}

void weir_client_watch(weir_client *c)
{
    concern now = concern_of(c);
    if (now.limit > 0)
        weir_timer_arm(c->worker->loop, &c->timer, weir_deadline(now.since, now.limit));
}

void weir_client_seen(weir_client *c)
{
    c->since = weir_loop_now(c->worker->loop);
    if (status_of(c) == 'I')
        c->begun = 0;
    else if (!c->begun)
        c->begun = c->since;
    if (c->relays && c->relay.sent == 0)
        c->cancelled_at = 0;
    weir_client_watch(c);
}

void weir_client_waits(weir_client *c)
{
    c->looked_at = weir_loop_now(c->worker->loop);
    weir_client_watch(c);
}

void weir_client_unread(weir_client *c, bool unread)
{
    if (!unread) {
        c->unread_since = 0;
    } else if (!c->unread_since) {
        c->unread_since = weir_loop_now(c->worker->loop);
        weir_client_watch(c);
    }
}

const weir_error *weir_client_lost_words(const weir_client *c, const weir_error *err,
                                         weir_error *own)
{
    if (c->terminated) {
        weir_error_set(own, "57P01", "terminating connection due to administrator command");
        return own;
    }
    if (!c->overdue)
        return err;
    weir_error_set(own, "57014",
                   "weir: the statement took too long and did not heed its "
                   "cancellation; its connection was closed");
    weir_error_hint(own, "timeouts.statement and timeouts.cancel are the limits.");
    return own;
}

static void end(weir_client *c, const char *sqlstate, const char *what, const char *key)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s", what);
    weir_error_hint(&err, "%s is the limit.", key);
    weir_client_end(c, &err);
}

/* Told by the server's own 57014; asked again if it does not hear, for a while. */
static void cut_short(weir_client *c)
{
    weir_time now = weir_loop_now(c->worker->loop);
    weir_time patience = weir_gateway_config(c->worker->gateway)->timeouts.cancel;
    if (!c->cancelled_at)
        c->cancelled_at = now;
    if (now - c->cancelled_at < patience) {
        weir_client_cancel(c);
        weir_timer_arm(c->worker->loop, &c->timer,
                       now + (patience < WEIR_SECOND ? patience : WEIR_SECOND));
        return;
    }
    weir_log_event(c->worker->gateway->log, WEIR_LOG_GATEWAY, WEIR_LOG_WARN,
                   "statement did not heed its cancellation", WEIR_F_INT("client", c->id),
                   WEIR_F_STR("user", c->user),
                   WEIR_F_SLICE("statement", weir_client_statement_text(c)));
    c->overdue = true; /* the words of its loss, which comes now */
    if (c->session.conn)
        c->session.conn->ops->close(c->session.conn);
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    weir_client *c = WEIR_CONTAINER_OF(timer, weir_client, timer);
    if (c->state == WEIR_CLIENT_CLOSING) {
        weir_client_release(c);
        return;
    }
    concern now = concern_of(c);
    if (now.limit <= 0)
        return;
    if (weir_loop_now(loop) < weir_deadline(now.since, now.limit)) {
        weir_client_watch(c);
        return;
    }
    switch (now.kind) {
    case LOGIN:
        end(c, "08006", "login took too long", "timeouts.login");
        break;
    case STATEMENT:
        cut_short(c);
        break;
    case OVERTIME:
        weir_client_cached_overdue(c);
        weir_client_cancel(c);
        weir_client_watch(c);
        break;
    case LOOK_AGAIN: /* never due: it counts from now */
        break;
    case IDLE_IN_TRANSACTION:
        end(c, "25P03", "the transaction was idle for too long",
            has_own_idle_limit(c) ? "idle_in_transaction_session_timeout"
                                  : "timeouts.idle_in_transaction");
        break;
    case GONE:
        if (weir_stream_hung_up(c->stream))
            weir_client_close(c, 0);
        else
            weir_client_waits(c);
        break;
    case SNAPSHOT:
        weir_local_look(c->local);
        weir_client_waits(c);
        break;
    case TRANSACTION:
        end(c, "25P04", "the transaction took too long", "timeouts.transaction");
        break;
    case UNREAD:
        end(c, "57P05", "the answer was not read for too long", "timeouts.client_write");
        break;
    case IDLE:
        end(c, "57P05", "the session was idle for too long", "timeouts.client_idle");
        break;
    }
}

void weir_client_timer_init(weir_client *c)
{
    weir_timer_init(&c->timer, on_timer);
}
