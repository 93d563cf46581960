/* A relaying client's connection: asked for when a message needs one, waited for, made the client's
 * own when it comes.
 *
 * Invariant: a message that no connection came for is answered by an error, and what its client
 * meant for a transaction that it would have begun does not run outside of one (lost.h). */
#include "gateway/cached.h"
#include "gateway/internal.h"
#include "gateway/lost.h"
#include "gateway/replica.h"
#include <stdlib.h>

#define WAIT 1 /* the message was not taken: come again */

int weir_client_adopt(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    weir_parameters parameters = {.pairs = weir_slice_make(c->params, c->params_len),
                                  .fingerprint = c->fingerprint,
                                  .session = c->id};
    return conn->ops->adopt(conn, &parameters);
}

/* The connection is here: make it ours. */
int weir_client_attach(weir_client *c)
{
    weir_conn *conn = c->session.conn;
    conn->sink = &c->relay.sink;
    c->relay.status = 'I';
    c->relay.ended_block = WEIR_BLOCK_KEEPS;
    c->relay.moved = false;
    weir_listening_attached(c);
    weir_client_cached_attached(c);
    return weir_client_adopt(c);
}

static void refused(weir_client *c, const weir_error *err);

/* No server hears this message. */
static void refuse(weir_client *c, const weir_pg_frame *f, const weir_error *err)
{
    weir_client_block_unserved(c, f);
    weir_client_refuse(c, f->type, err);
}

int weir_client_ensure_conn(weir_client *c, const weir_pg_frame *f)
{
    weir_error err;
    if (c->relay.refused) {
        refuse(c, f, c->relay.refused);
        free(c->relay.refused);
        c->relay.refused = NULL;
        return -ECONNREFUSED;
    }
    if (c->session.conn)
        return 0;
    int r = weir_session_borrow(&c->session, WEIR_ROLE_WRITE, &err);
    if (r == WEIR_SESSION_WAIT) {
        c->relay.waiting = true;
        weir_client_waits(c);
        weir_stream_pause(c->stream);
        return WAIT;
    }
    if (r == 0)
        r = weir_client_attach(c);
    if (r == 0)
        return 0;
    if (r < 0) {
        weir_session_return(&c->session); /* it is not in our state */
        weir_error_set(&err, "53200", "weir: out of memory");
    } else if (c->cached) { /* it comes again, and the cache is asked whether it can help out */
        refused(c, &err);
        return WAIT;
    }
    refuse(c, f, &err);
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
    if (weir_client_attach(c) < 0) {
        weir_session_return(session);
        weir_client_close(c, 0);
        return;
    }
    weir_stream_resume(c->stream);
}

/* The first message that waits gets the error: ensure_conn finds it by `refused`. */
static void refused(weir_client *c, const weir_error *err)
{
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

static void on_refused(weir_session *session, const weir_error *err)
{
    weir_client *c = WEIR_CONTAINER_OF(session, weir_client, session);
    if (!weir_client_visit_refused(c))
        refused(c, err);
}

void weir_client_time_out_waiting(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "57014", "weir: canceling statement due to statement timeout");
    refused(c, &err);
}

void weir_client_cancel_waiting(weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "57014", "weir: canceling statement due to user request");
    if (weir_client_cached_waits(c))
        weir_client_cached_withdraw(c);
    else
        weir_session_withdraw(&c->session);
    refused(c, &err);
}

const weir_session_events weir_client_session_events = {.lent = on_lent, .refused = on_refused};
