/* How long a client may take: to log in, for a statement, inside a transaction doing nothing, doing
 * nothing at all. One timer serves all: it is armed for the concern of the moment and, when it
 * fires, asks again what the concern is, so that nothing has to be disarmed on the way. */
#include "gateway/internal.h"

typedef struct concern {
    weir_time since;
    weir_time limit; /* 0: none */
    enum { LOGIN, STATEMENT, LOOK_AGAIN, IDLE_IN_TRANSACTION, IDLE } kind;
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
        return c->session.conn ? c->relay.status : 'I';
    return c->local ? weir_local_status(c->local) : 'I';
}

/* Of two limits, where 0 is none. */
static weir_time shortest(weir_time a, weir_time b)
{
    return a <= 0 ? b : b <= 0 || a < b ? a : b;
}

static concern concern_of(const weir_client *c)
{
    const weir_config *config = weir_gateway_config(c->worker->gateway);
    if (logging_in(c))
        return (concern){c->since, config->timeouts.login, LOGIN};
    if (busy(c) && c->relays)
        return (concern){c->relay.first.started, c->relay.sent > 0 ? config->timeouts.statement : 0,
                         STATEMENT};
    if (busy(c)) /* keeps its statements' time itself: look again for idleness */
        return (concern){
            weir_loop_now(c->worker->loop),
            shortest(config->timeouts.idle_in_transaction, config->timeouts.client_idle),
            LOOK_AGAIN};
    if (status_of(c) != 'I')
        return (concern){c->since, config->timeouts.idle_in_transaction, IDLE_IN_TRANSACTION};
    return (concern){c->since, config->timeouts.client_idle, IDLE};
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
    weir_client_watch(c);
}

static void end(weir_client *c, const char *sqlstate, const char *what, const char *key)
{
    weir_error err;
    weir_error_set(&err, sqlstate, "weir: %s", what);
    weir_error_hint(&err, "%s is the limit.", key);
    weir_client_fatal(c, &err);
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
    case STATEMENT: /* told by the server's own 57014; asked again if it does not hear */
        weir_client_cancel(c);
        weir_timer_arm(loop, timer, weir_loop_now(loop) + WEIR_SECOND);
        break;
    case LOOK_AGAIN: /* never due: it counts from now */
        break;
    case IDLE_IN_TRANSACTION:
        end(c, "25P03", "the transaction was idle for too long", "timeouts.idle_in_transaction");
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
