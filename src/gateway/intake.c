/* A relaying client's bytes, cut into messages: whole ones are taken one after the other (relay.c),
 * those that the cache can answer before that (cached.c); CopyData of any size passes in pieces.
 *
 * Invariant: bytes are taken in order, a message entirely or not at all; what waits comes again. */
#include "gateway/cached.h"
#include "gateway/internal.h"
#include "gateway/replica.h"

#define WAIT 1 /* the message was not taken: come again */

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
    if (c->explaining || weir_listening_is_taking(c) ||
        (weir_client_may_visit(c) && weir_client_visit_holds_back(c)))
        return WAIT;
    if (weir_client_cached_may_be(c, f.type, f.body)) {
        r = weir_client_cached(c, in, used);
        if (r != WEIR_CACHED_NOT_HERE)
            return r;
        if (weir_client_explains(c, &f) == 0) {
            *used += size;
            return 0;
        }
        if (weir_client_may_visit(c) && weir_client_visits(c, in) == WAIT)
            return WAIT;
    }
    r = weir_client_on_message(c, &f);
    if (r != 0)
        return r;
    *used += size;
    if (weir_client_may_visit(c))
        weir_client_visit_took(c, f.type);
    return 0;
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
        if (!c->closed && weir_stream_congested(c->stream) &&
            (!conn || conn->ops->owed(conn) == 0)) {
            c->full = true;
            weir_client_unread(c, true);
            weir_stream_pause(c->stream);
            break;
        }
    }
    weir_session_count_bytes(&c->session, used, 0);
    return c->state == WEIR_CLIENT_ACTIVE ? used : in.len;
}
