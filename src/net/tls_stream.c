/* A TLS stream at work: ciphertext comes by weir_tls_handler, plaintext goes to the user's handler;
 * what the user writes is gathered into full records and sealed at the end of the callback.
 *
 *   (handshake) ─shake─► open ─┬─ peer's close_notify ─► ended ─► ending (lingers) ─┐
 *                              ├─ weir_tls_fail ────────► error (alert, lingers) ───┼─► on_close
 *                              └─ user's close ─────────► closed ───────────────────┘
 *
 * Invariant (HAZARDS, wire protocol 15): unless the user has paused, nothing that the library could
 * give is left in it when a callback returns; when he resumes, it is handed from a timer. What the
 * library has not taken yet is the stream's to keep. */
#include "net/tls_stream.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

static const weir_time ENDED_LINGER = 5 * WEIR_SECOND;
static const weir_time ALERT_LINGER = WEIR_SECOND;

static weir_tls_scratch *scratch_of(const weir_tls *t)
{
    return t->stream->loop->tls;
}

/* Nothing has ended it. */
static bool lives(const weir_tls *t)
{
    return !t->error && !t->closed && !t->ending;
}

/* The user may be handed bytes. */
static bool takes(const weir_tls *t)
{
    return t->open && lives(t) && !t->paused && !t->moving;
}

/* ---- sealing ---- */

void weir_tls_flush_cipher(weir_tls *t)
{
    weir_tls_scratch *scratch = scratch_of(t);
    size_t len = scratch->cipher_len;
    scratch->cipher_len = 0;
    if (len > 0)
        t->stream->loop->ops->write(t->stream, weir_slice_make(scratch->cipher, len));
}

static void seal(weir_tls *t, weir_slice bytes)
{
    size_t n = 0;
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, bytes.data, bytes.len, &n) != 1)
        weir_tls_fail(t, -EPROTO, NULL); /* it never has to wait: see bio_write */
    else
        weir_tls_flush_cipher(t);
}

static void seal_gathered(weir_tls *t)
{
    weir_list_remove(&t->link);
    weir_chunk *chunk = t->out;
    t->out = NULL;
    if (!chunk)
        return;
    if (lives(t) && !t->finished)
        seal(t, weir_slice_make(weir_chunk_bytes(chunk), weir_chunk_len(chunk)));
    weir_chunk_give(&scratch_of(t)->chunks, chunk);
}

void weir_tls_flush(weir_loop *loop)
{
    weir_list *node;
    if (loop->tls)
        while ((node = weir_list_first(&loop->tls->gathered)))
            seal_gathered(WEIR_CONTAINER_OF(node, weir_tls, link));
}

/* Long runs are sealed from where they lie, the rest is gathered. */
void weir_tls_write(weir_stream *stream, weir_slice bytes)
{
    weir_tls *t = stream->tls;
    assert(!t->moving && (!t->finished || !lives(t)));
    while (bytes.len > 0 && t->open && lives(t)) {
        size_t n = bytes.len - bytes.len % WEIR_TLS_RECORD_MAX;
        if (!t->out && n > 0) {
            seal(t, weir_slice_head(bytes, n));
        } else {
            if (!t->out)
                t->out = weir_chunk_take(&scratch_of(t)->chunks, WEIR_CHUNK_CAP);
            if (!t->out) {
                weir_tls_fail(t, -ENOMEM, "out of memory");
                return;
            }
            n = weir_chunk_fill(t->out, bytes.data, bytes.len);
            if (weir_chunk_room(t->out) == 0)
                seal_gathered(t);
        }
        bytes = weir_slice_skip(bytes, n);
    }
    if (t->out && weir_list_empty(&t->link))
        weir_list_push_back(&scratch_of(t)->gathered, &t->link);
}

size_t weir_tls_queued(const weir_stream *stream)
{
    return stream->queued + weir_chunk_len(stream->tls->out);
}

/* ---- opening ---- */

/* How much plaintext there was. The library's own answers (tickets, key updates) go out with it. */
static size_t unseal(weir_tls *t, uint8_t *into, size_t room)
{
    size_t got = 0, n = 0;
    while (got < room && !t->ended && lives(t)) {
        ERR_clear_error();
        int r = SSL_read_ex(t->ssl, into + got, room - got, &n);
        if (r == 1) {
            got += n;
            continue;
        }
        int error = SSL_get_error(t->ssl, r);
        if (error == SSL_ERROR_ZERO_RETURN)
            t->ended = true;
        else if (error != SSL_ERROR_WANT_READ)
            weir_tls_fail(t, -EPROTO, NULL);
        break;
    }
    weir_tls_flush_cipher(t);
    return got;
}

/* Calls the user. How much was consumed. */
static size_t hand(weir_tls *t, weir_slice bytes)
{
    weir_tls_scratch *scratch = scratch_of(t);
    assert(!scratch->handing);
    scratch->handing = true;
    size_t n = t->handler->on_bytes(t->stream, bytes);
    scratch->handing = false;
    assert(n <= bytes.len);
    if (n == 0 && bytes.len >= t->stream->kept_max && takes(t))
        weir_tls_fail(t, -EMSGSIZE, "a message is too long");
    return n;
}

static size_t hand_kept(weir_tls *t)
{
    weir_chunk *kept = t->kept;
    if (!kept || !takes(t))
        return 0;
    size_t n = hand(t, weir_slice_make(weir_chunk_bytes(kept), weir_chunk_len(kept)));
    weir_kept_consume(&scratch_of(t)->chunks, &t->kept, n);
    return n;
}

static bool gather(weir_tls *t)
{
    size_t max = t->stream->kept_max;
    if (weir_kept_make_room(&scratch_of(t)->chunks, &t->kept, max) < 0) {
        weir_tls_fail(t, -ENOMEM, "out of memory");
        return false;
    }
    size_t room = max - weir_chunk_len(t->kept);
    room = weir_chunk_room(t->kept) < room ? weir_chunk_room(t->kept) : room;
    size_t n = unseal(t, t->kept->data + t->kept->end, room);
    t->kept->end += (uint32_t)n;
    if (n > 0)
        (void)hand_kept(t);
    return n > 0;
}

/* One batch to the user. False: there is no more. */
static bool step(weir_tls *t)
{
    weir_tls_scratch *scratch = scratch_of(t);
    size_t front = weir_chunk_len(t->kept), max = t->stream->kept_max;
    max = max < sizeof(scratch->plain) ? max : sizeof(scratch->plain);
    if (front >= t->stream->kept_max) /* full, or the limit was lowered */
        return (t->in.len > 0 || SSL_has_pending(t->ssl)) && hand_kept(t) > 0;
    if (front > WEIR_KEPT_FRONT_MAX || front >= max)
        return gather(t);
    if (front > 0)
        memcpy(scratch->plain, weir_chunk_bytes(t->kept), front);
    size_t n = unseal(t, scratch->plain + front, max - front);
    if (n == 0 || !takes(t))
        return false;
    weir_slice bytes = weir_slice_make(scratch->plain, front + n);
    size_t consumed = hand(t, bytes);
    if (weir_kept_set(&scratch->chunks, &t->kept, weir_slice_skip(bytes, consumed)) < 0)
        weir_tls_fail(t, -ENOMEM, "out of memory");
    return true;
}

/* ---- the end ---- */

static void send_close_notify(weir_tls *t)
{
    if (!t->open || t->error || t->finished)
        return;
    seal_gathered(t);
    if (t->error)
        return;
    t->finished = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    weir_tls_flush_cipher(t);
}

/* The peer's close_notify: the user gets what is kept as long as he takes any, then it is over. */
static void end(weir_tls *t)
{
    while (t->kept && takes(t))
        if (hand_kept(t) == 0)
            break;
    if (!takes(t))
        return;
    send_close_notify(t);
    t->ending = true;
    t->stream->loop->ops->close(t->stream, ENDED_LINGER);
}

static void pump(weir_tls *t)
{
    while (takes(t) && !t->ended)
        if (!step(t))
            break;
    if (t->ended)
        end(t);
}

/* An alert may be on its way out: the closing waits a moment for it. */
void weir_tls_fail(weir_tls *t, int error, const char *failure)
{
    if (!lives(t))
        return;
    t->error = error;
    if (failure)
        (void)snprintf(t->failure, sizeof(t->failure), "%s", failure);
    else
        weir_tls_reason(t->failure, sizeof(t->failure));
    ERR_clear_error();
    weir_tls_flush_cipher(t);
    if (!t->moving)
        t->stream->loop->ops->close(t->stream, ALERT_LINGER);
}

/* ---- the handler of the ciphertext ---- */

static size_t on_cipher(weir_stream *stream, weir_slice bytes)
{
    weir_tls *t = stream->tls;
    if (!lives(t) || t->ended)
        return t->paused ? 0 : bytes.len;
    t->in = bytes;
    if (weir_tls_shake(t))
        pump(t);
    size_t left = t->in.len;
    t->in = (weir_slice){0};
    if (!lives(t) || t->ended)
        return bytes.len; /* what comes behind the end, or a failure, is nobody's */
    return bytes.len - left;
}

static void on_drained(weir_stream *stream)
{
    weir_tls *t = stream->tls;
    if (lives(t) && t->handler->on_drained)
        t->handler->on_drained(stream);
}

/* An end without close_notify may be somebody's who cut the connection. */
static int verdict(weir_tls *t, int error)
{
    if (t->error)
        return t->error;
    if (error || t->closed || t->ended)
        return error;
    (void)snprintf(t->failure, sizeof(t->failure), "%s",
                   t->open ? "the peer ended the connection without a TLS close_notify"
                           : "the peer closed the connection during the TLS handshake");
    return -ECONNRESET;
}

static void on_close(weir_stream *stream, int error)
{
    weir_tls *t = stream->tls;
    weir_timer_disarm(stream->loop, &t->again);
    weir_list_remove(&t->link);
    error = verdict(t, error);
    if (t->handler)
        t->handler->on_close(stream, error);
}

const weir_stream_handler weir_tls_handler = {
    .on_bytes = on_cipher, .on_drained = on_drained, .on_close = on_close};

/* ---- what the user asks ---- */

void weir_tls_pause(weir_stream *stream)
{
    stream->tls->paused = true;
    stream->loop->ops->pause(stream);
}

void weir_tls_resume(weir_stream *stream)
{
    weir_tls *t = stream->tls;
    t->paused = false;
    if (t->closed || t->moving)
        return;
    weir_timer_arm(stream->loop, &t->again, stream->loop->now);
}

/* Older bytes first: the stream hands its own when we are through. */
void weir_tls_again(weir_tls *t)
{
    if (t->paused || t->closed || t->moving)
        return;
    if (t->error) { /* it failed on its way here */
        t->stream->loop->ops->close(t->stream, 0);
        return;
    }
    if (t->open) {
        (void)hand_kept(t);
        pump(t);
    }
    if (lives(t) && !t->paused && !t->moving)
        t->stream->loop->ops->resume(t->stream);
}

void weir_tls_close(weir_stream *stream, weir_time linger)
{
    weir_tls *t = stream->tls;
    assert(!t->moving);
    if (linger > 0 && lives(t))
        send_close_notify(t);
    t->closed = true;
    stream->loop->ops->close(stream, linger);
}

void weir_tls_finish(weir_stream *stream)
{
    weir_tls *t = stream->tls;
    send_close_notify(t);
    stream->loop->ops->finish(stream);
}

bool weir_tls_quiet(weir_stream *stream)
{
    const weir_tls *t = stream->tls;
    return t->open && lives(t) && !t->ended && !t->kept && !SSL_has_pending(t->ssl) &&
           stream->loop->ops->quiet(stream);
}

/* ---- moving ---- */

static void on_arrived(weir_stream *stream, void *user)
{
    weir_tls *t = user;
    t->moving = false;
    t->ending = false; /* the lingering begins anew */
    if (weir_tls_scratch_ensure(stream->loop) < 0) {
        t->error = -ENOMEM;
        (void)snprintf(t->failure, sizeof(t->failure), "out of memory");
    }
    weir_timer_arm(stream->loop, &t->again, stream->loop->now);
    t->arrived(stream, t->arrived_user);
}

void weir_tls_move(weir_stream *stream, weir_loop *target,
                   void (*arrived)(weir_stream *stream, void *user), void *user)
{
    weir_tls *t = stream->tls;
    assert(t->open && !t->closed);
    seal_gathered(t);
    weir_timer_disarm(stream->loop, &t->again);
    t->moving = true;
    t->arrived = arrived;
    t->arrived_user = user;
    stream->loop->ops->move(stream, target, on_arrived, t);
}

/* ---- life ---- */

int weir_tls_scratch_ensure(weir_loop *loop)
{
    weir_tls_scratch *s = loop->tls ? loop->tls : malloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (loop->tls)
        return 0;
    s->loop = loop;
    s->turn = 0;
    s->begun = 0;
    s->handing = false;
    s->cipher_len = 0;
    weir_chunk_pool_init(&s->chunks, loop->memory);
    weir_list_init(&s->gathered);
    weir_list_init(&s->waiting);
    weir_tls_turns_init(s);
    loop->tls = s;
    return 0;
}

void weir_tls_scratch_free(weir_tls_scratch *scratch)
{
    if (!scratch)
        return;
    weir_chunk_pool_fini(&scratch->chunks);
    free(scratch);
}

/* At the end of a loop it may belong to one that had no TLS stream before. */
static void give_chunks(const weir_tls *t)
{
    weir_chunk_pool own, *pool = &own;
    weir_chunk_pool_init(&own, t->stream->loop->memory);
    if (scratch_of(t))
        pool = &scratch_of(t)->chunks;
    weir_chunk_give(pool, t->kept);
    weir_chunk_give(pool, t->out);
    weir_chunk_pool_fini(&own);
}

void weir_tls_free(weir_tls *t)
{
    if (!t)
        return;
    weir_list_remove(&t->link);
    give_chunks(t);
    if (t->charged)
        weir_memory_release(t->stream->loop->memory, WEIR_MEMORY_CLIENT, t->charged);
    SSL_free(t->ssl);
    weir_tls_context_unref(t->context);
    free(t->peer_cn);
    free(t->peer_dn);
    free(t);
}
