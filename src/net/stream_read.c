/* Reading: one recv per event, into the loop's one buffer, handed from there; only an unconsumed
 * tail is copied, and put in front of what comes next. */
#include "net/ready.h"

static void out_of_memory(weir_ready_stream *s)
{
    if (s->state == WEIR_READY_OPEN) {
        weir_ready_gone(s, -ENOMEM);
    } else if (s->state == WEIR_READY_MOVING) {
        s->error = -ENOMEM;
        s->broken = true;
    }
}

/* Calls the user. How much was consumed. */
static size_t hand(weir_ready_stream *s, weir_slice bytes)
{
    size_t n = s->base.handler->on_bytes(&s->base, bytes);
    assert(n <= bytes.len);
    if (n == 0 && bytes.len >= s->base.kept_max && !s->paused && s->state == WEIR_READY_OPEN)
        weir_ready_gone(s, -EMSGSIZE);
    return n;
}

size_t weir_ready_hand_kept(weir_ready_stream *s)
{
    weir_chunk *kept = s->kept;
    if (!kept)
        return 0;
    size_t n = hand(s, weir_slice_make(weir_chunk_bytes(kept), weir_chunk_len(kept)));
    weir_kept_consume(&weir_ready_loop_of(s)->chunks, &s->kept, n);
    return n;
}

int weir_ready_take_kept(weir_stream *stream, weir_buf *out)
{
    weir_ready_stream *s = weir_ready_of(stream);
    size_t len = weir_chunk_len(s->kept);
    if (len == 0)
        return 0;
    int r = weir_buf_append(out, weir_slice_make(weir_chunk_bytes(s->kept), len));
    if (r == 0)
        weir_kept_consume(&weir_ready_loop_of(s)->chunks, &s->kept, len);
    return r;
}

int weir_ready_put_kept(weir_stream *stream, weir_slice bytes)
{
    weir_ready_stream *s = weir_ready_of(stream);
    assert(s->paused);
    return s->kept ? -EBUSY : weir_kept_set(&weir_ready_loop_of(s)->chunks, &s->kept, bytes);
}

/* ---- the socket's bytes ---- */

void weir_ready_add_unread(weir_ready_stream *s, weir_slice bytes)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    weir_chunk **at = &s->unread;
    while (*at && ((*at)->next || weir_chunk_room(*at) == 0))
        at = &(*at)->next;
    while (bytes.len > 0) {
        if (!*at)
            *at = weir_chunk_take(&loop->chunks,
                                  bytes.len < WEIR_CHUNK_CAP ? bytes.len : WEIR_CHUNK_CAP);
        if (!*at) {
            out_of_memory(s);
            return;
        }
        bytes = weir_slice_skip(bytes, weir_chunk_fill(*at, bytes.data, bytes.len));
        at = &(*at)->next;
    }
    if (s->state != WEIR_READY_MOVING) /* looked at where it arrives */
        weir_ready_later(s, WEIR_DUE_READ);
}

static ssize_t take_unread(weir_ready_stream *s, uint8_t *into, size_t room)
{
    size_t taken = 0;
    while (s->unread && taken < room) {
        weir_chunk *chunk = s->unread;
        size_t len = weir_chunk_len(chunk);
        size_t n = len < room - taken ? len : room - taken;
        memcpy(into + taken, weir_chunk_bytes(chunk), n);
        taken += n;
        chunk->begin += (uint32_t)n;
        if (n == len) {
            s->unread = chunk->next;
            weir_chunk_give(&weir_ready_loop_of(s)->chunks, chunk);
        }
    }
    weir_ready_later(s, WEIR_DUE_READ); /* what came behind them was not told again */
    return (ssize_t)taken;
}

ssize_t weir_ready_recv(weir_ready_stream *s, void *buf, size_t len)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->unread)
        return take_unread(s, buf, len);
    ssize_t n = loop->socket->recv(&loop->base, s->fd, buf, len);
    return n == -EAGAIN && s->unread ? take_unread(s, buf, len) : n;
}

static void got_end(weir_ready_stream *s)
{
    s->ended = true;
    weir_ready_interest(s, 0, WEIR_READY_IN);
    /* Once more with what is kept, then end (weir_ready_run_due). */
    if (s->state == WEIR_READY_OPEN)
        weir_ready_later(s, WEIR_DUE_BYTES);
}

/* Reads; false: there is nothing to hand. */
static bool receive(weir_ready_stream *s, uint8_t *into, size_t room, size_t *ret_len)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    ssize_t n = weir_ready_recv(s, into, room);
    if (n > 0) {
        if ((size_t)n < room && loop->socket->short_is_empty && !s->unread)
            s->looked = loop->turn;
        *ret_len = (size_t)n;
        return true;
    }
    if (n == 0)
        got_end(s);
    else if (n != -EAGAIN)
        weir_ready_gone(s, (int)n);
    return false;
}

static void gather(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (weir_kept_make_room(&loop->chunks, &s->kept, s->base.kept_max) < 0) {
        out_of_memory(s);
        return;
    }
    weir_chunk *kept = s->kept;
    size_t room = s->base.kept_max - weir_chunk_len(kept);
    room = weir_chunk_room(kept) < room ? weir_chunk_room(kept) : room;
    size_t n = 0;
    if (receive(s, kept->data + kept->end, room, &n)) {
        kept->end += (uint32_t)n;
        (void)weir_ready_hand_kept(s);
    }
}

void weir_ready_read(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    size_t front = weir_chunk_len(s->kept);
    if (front >= s->base.kept_max) { /* full, or the limit was lowered */
        (void)weir_ready_hand_kept(s);
        return;
    }
    if (front > WEIR_KEPT_FRONT_MAX || front >= loop->read_size) {
        gather(s);
        return;
    }
    if (front > 0)
        memcpy(loop->read_buffer, weir_chunk_bytes(s->kept), front);
    size_t room = s->base.kept_max < loop->read_size ? s->base.kept_max : loop->read_size;
    size_t n = 0;
    if (!receive(s, loop->read_buffer + front, room - front, &n))
        return;
    weir_slice bytes = weir_slice_make(loop->read_buffer, front + n);
    size_t consumed = hand(s, bytes);
    if (weir_kept_set(&loop->chunks, &s->kept, weir_slice_skip(bytes, consumed)) < 0)
        out_of_memory(s);
}
