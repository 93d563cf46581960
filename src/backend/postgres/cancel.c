/* Cancelling: a connection of its own that carries the request; PostgreSQL answers by closing it.
 *
 * Invariant: a server connection is not lent to another session while a cancel flies toward it (it
 * is in `cancels` until the socket has closed), so a late cancel cannot hit a stranger (HAZARDS,
 * wire protocol 9). */
#include "backend/postgres/internal.h"
#include <stdlib.h>

#define CANCELS_MAX 4 /* at once toward one connection: a storm adds nothing */

typedef struct pg_cancel_flight {
    weir_list node;
    pg_conn *target; /* NULL: it is gone */
    pg_place *place;
    unsigned host;
    bool tls;       /* as the connection that it is for */
    bool tls_asked; /* SSLRequest is on its way */
    weir_stream *stream;
    weir_timer timer;
    uint32_t pid;
    size_t key_len;
    uint8_t key[WEIR_PG_CANCEL_KEY_MAX];
} pg_cancel_flight;

static void on_open(weir_stream *stream)
{
    pg_cancel_flight *f = weir_stream_user(stream);
    if (f->tls && !weir_stream_tls(stream)) {
        if (pg_tls_begin(f->place, f->host, stream, &f->tls_asked) < 0)
            weir_stream_close(stream, 0);
        return;
    }
    weir_buf out;
    weir_buf_init(&out, 512);
    if (weir_pg_write_cancel(&out, f->pid, weir_slice_make(f->key, f->key_len)) == 0)
        weir_stream_write(stream, weir_buf_slice(&out));
    weir_buf_fini(&out);
}

static size_t on_bytes(weir_stream *stream, weir_slice bytes)
{
    pg_cancel_flight *f = weir_stream_user(stream);
    if (f->tls_asked && pg_tls_answer(f->place, f->host, stream, bytes) != 0)
        weir_stream_close(stream, 0);
    f->tls_asked = false;
    return bytes.len;
}

static void on_close(weir_stream *stream, int error)
{
    (void)error;
    pg_cancel_flight *f = weir_stream_user(stream);
    weir_timer_disarm(weir_stream_loop(stream), &f->timer);
    pg_conn *target = f->target;
    weir_list_remove(&f->node);
    free(f);
    if (target)
        pg_conn_look_clean(target);
}

static void on_drop(weir_stream *stream)
{
    pg_cancel_flight *f = weir_stream_user(stream);
    weir_timer_disarm(weir_stream_loop(stream), &f->timer);
    free(f);
}

static void on_timeout(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    pg_cancel_flight *f = WEIR_CONTAINER_OF(timer, pg_cancel_flight, timer);
    weir_stream_close(f->stream, 0);
}

static const weir_stream_handler handler = {
    .on_open = on_open, .on_bytes = on_bytes, .on_close = on_close, .on_drop = on_drop};

void pg_cancel(weir_conn *conn)
{
    pg_conn *c = pg_conn_of(conn);
    unsigned flying = 0;
    for (weir_list *n = c->cancels.next; n != &c->cancels; n = n->next)
        flying++;
    if (c->state != PG_READY || !c->key_len || flying >= CANCELS_MAX)
        return;
    pg_cancel_flight *f = calloc(1, sizeof(*f));
    if (!f)
        return;
    f->target = c;
    f->place = c->place;
    f->host = c->host_used;
    f->tls = weir_stream_tls(c->stream) != NULL;
    f->pid = c->pid;
    f->key_len = c->key_len;
    memcpy(f->key, c->key, c->key_len);
    weir_list_init(&f->node);
    weir_timer_init(&f->timer, on_timeout);
    if (weir_connect(c->base.loop, c->address_used, &handler, f, &f->stream) != 0) {
        free(f);
        return;
    }
    weir_list_push_back(&c->cancels, &f->node);
    weir_timer_arm(c->base.loop, &f->timer,
                   weir_deadline(weir_loop_now(c->base.loop), c->place->options.cancel_timeout));
}

void pg_cancel_detach(pg_conn *c)
{
    for (weir_list *n; (n = weir_list_pop_front(&c->cancels));)
        WEIR_CONTAINER_OF(n, pg_cancel_flight, node)->target = NULL;
}
