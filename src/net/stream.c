/* A stream's life over a readiness socket: opening, closing, moving, and what the bottom of the
 * turn owes it. Reading is in stream_read.c, writing in stream_write.c.
 *
 *   weir_ready_stream_new ─► OPENING ──opened──► OPEN ──start_linger──► CLOSING ─┐
 *                               │                 │ └──weir_ready_move─► MOVING   │ weir_ready_gone
 *                               └─────────────────┴──────────────────────────────┴─► CLOSED
 *
 * MOVING (also out of a CLOSING or CLOSED of which the user was not told yet) ends in
 * weir_ready_arrive on the other loop, OPEN again. Callbacks other than on_bytes are
 * made at the bottom of the turn only (weir_ready_run_due), which alone frees. */
#include "net/ready.h"
#include <stdlib.h>

static const weir_time ENDED_LINGER = 5 * WEIR_SECOND;

_Static_assert(sizeof(weir_ready_stream) <= 248, "an idle stream costs little");

static void set_state(weir_ready_stream *s, weir_ready_state to)
{
    static const uint8_t from[] = {
        [WEIR_READY_OPENING] = 0,
        [WEIR_READY_OPEN] = 1 << WEIR_READY_OPENING | 1 << WEIR_READY_MOVING,
        [WEIR_READY_CLOSING] = 1 << WEIR_READY_OPEN,
        [WEIR_READY_CLOSED] =
            1 << WEIR_READY_OPENING | 1 << WEIR_READY_OPEN | 1 << WEIR_READY_CLOSING,
        [WEIR_READY_MOVING] =
            1 << WEIR_READY_OPEN | 1 << WEIR_READY_CLOSING | 1 << WEIR_READY_CLOSED,
    };
    assert(from[to] >> s->state & 1);
    s->state = (uint8_t)to;
}

void weir_ready_interest(weir_ready_stream *s, unsigned add, unsigned remove)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    unsigned now = (s->interest | add) & ~remove;
    if (now == s->interest)
        return;
    int r = loop->socket->interest(&loop->base, s, s->interest, now);
    if (r < 0)
        weir_ready_gone(s, r);
    else
        s->interest = (uint8_t)now;
}

int weir_ready_stream_new(weir_ready_loop *loop, int fd, weir_ready_state state,
                          const weir_peer *peer, weir_ready_stream **ret)
{
    weir_ready_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    weir_stream_init(&s->base, &loop->base);
    s->state = (uint8_t)state;
    s->fd = fd;
    s->peer = *peer;
    s->base.local = weir_peer_local(peer);
    unsigned wish = state == WEIR_READY_OPENING ? WEIR_READY_OUT : WEIR_READY_IN;
    int r = loop->socket->interest(&loop->base, s, 0, wish | WEIR_READY_WATCHED);
    if (r < 0) {
        free(s);
        return r;
    }
    s->interest = (uint8_t)(wish | WEIR_READY_WATCHED);
    weir_list_push_back(&loop->streams, &s->link);
    *ret = s;
    return 0;
}

void weir_ready_accepted(weir_listener *listener, weir_ready_stream *s)
{
    listener->handler->on_accept(listener, &s->base);
    if (s->state == WEIR_READY_OPEN && !s->base.handler)
        weir_ready_gone(s, 0);
}

/* ---- opening ---- */

/* The stream is connected already: says so at the bottom of the turn. */
static void say_opened(weir_ready_stream *s)
{
    weir_ready_later(s, WEIR_DUE_OPENED);
}

static void open_event(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    int error = loop->socket->error(&loop->base, s->fd);
    if (error < 0)
        weir_ready_gone(s, error);
    else
        say_opened(s);
}

static void opened(weir_ready_stream *s)
{
    set_state(s, WEIR_READY_OPEN);
    weir_ready_interest(s, WEIR_READY_IN, WEIR_READY_OUT);
    if (s->state != WEIR_READY_OPEN)
        return;
    if (s->base.queued > 0 || s->finishing)
        weir_ready_mark_dirty(s);
    if (s->base.handler->on_open)
        s->base.handler->on_open(&s->base);
}

/* ---- events ---- */

/* Reading is off, but an end or a failure is told unasked, again and again: a failure is acted
 * upon, an end must wait for the reader, so the socket is taken out until then. */
static void paused_event(weir_ready_stream *s, unsigned events)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (events & WEIR_READY_ERROR) {
        int error = loop->socket->error(&loop->base, s->fd);
        weir_ready_gone(s, error < 0 ? error : -EIO);
    } else if (events & WEIR_READY_HUP) {
        weir_ready_interest(s, 0, WEIR_READY_IN | WEIR_READY_OUT | WEIR_READY_WATCHED);
    } else if (events & WEIR_READY_IN) {
        weir_ready_interest(s, 0, WEIR_READY_IN);
    }
}

void weir_ready_stream_event(weir_ready_stream *s, unsigned events)
{
    switch ((weir_ready_state)s->state) {
    case WEIR_READY_OPENING:
        if (s->due == 0)
            open_event(s);
        return;
    case WEIR_READY_OPEN:
        if (events & WEIR_READY_OUT)
            weir_ready_flush(s);
        if (s->state != WEIR_READY_OPEN)
            return;
        if (s->paused || s->ended)
            paused_event(s, events);
        else if (events & (WEIR_READY_IN | WEIR_READY_HUP | WEIR_READY_ERROR))
            weir_ready_read(s);
        return;
    case WEIR_READY_CLOSING:
        if (events & WEIR_READY_ERROR)
            weir_ready_gone(s, 0);
        else
            weir_ready_flush(s);
        return;
    case WEIR_READY_CLOSED:
    case WEIR_READY_MOVING: /* whoever gets it is told again */
        return;
    }
}

static void set_paused(weir_ready_stream *s, bool paused)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->paused == paused)
        return;
    s->paused = paused;
    if (loop->socket->paused && s->state == WEIR_READY_OPEN)
        loop->socket->paused(&loop->base, s);
}

void weir_ready_pause(weir_stream *stream)
{
    set_paused(weir_ready_of(stream), true);
}

void weir_ready_resume(weir_stream *stream)
{
    weir_ready_stream *s = weir_ready_of(stream);
    set_paused(s, false);
    if (s->state != WEIR_READY_OPEN)
        return;
    if (!s->ended)
        weir_ready_interest(s, WEIR_READY_IN | WEIR_READY_WATCHED, 0);
    if (s->state == WEIR_READY_OPEN && (s->kept || s->ended))
        weir_ready_later(s, WEIR_DUE_BYTES);
    if (s->state == WEIR_READY_OPEN && s->unread)
        weir_ready_later(s, WEIR_DUE_READ);
}

/* ---- closing ---- */

void weir_ready_gone(weir_ready_stream *s, int error)
{
    if (s->state == WEIR_READY_CLOSED)
        return;
    if (s->state == WEIR_READY_CLOSING) {
        weir_timer_disarm(s->base.loop, &s->u.linger);
        error = s->error; /* decided when the closing began */
    }
    set_state(s, WEIR_READY_CLOSED);
    s->error = error;
    s->base.queued = 0;
    weir_ready_later(s, WEIR_DUE_CLOSED);
}

static void linger_over(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    weir_ready_gone(WEIR_CONTAINER_OF(timer, weir_ready_stream, u.linger), 0);
}

static void begin_linger(weir_ready_stream *s, weir_time linger)
{
    set_state(s, WEIR_READY_CLOSING);
    weir_timer_init(&s->u.linger, linger_over);
    weir_timer_arm(s->base.loop, &s->u.linger, weir_deadline(s->base.loop->now, linger));
    weir_ready_interest(s, 0, WEIR_READY_IN);
    if (s->state == WEIR_READY_CLOSING)
        weir_ready_mark_dirty(s);
}

/* All was sent. Closing a socket with unread bytes makes the kernel send a reset, which can
 * overtake our last words at the peer: read on until it ends. */
void weir_ready_linger_step(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    ssize_t n = s->ended ? 0 : weir_ready_recv(s, loop->read_buffer, loop->read_size);
    if (n == -EAGAIN && s->discarding)
        return;
    if (n <= 0) {
        weir_ready_gone(s, 0);
        return;
    }
    if (!s->discarding && !s->finished)
        loop->socket->shutdown(&loop->base, s->fd);
    s->discarding = true;
    weir_ready_interest(s, WEIR_READY_IN | WEIR_READY_WATCHED, WEIR_READY_OUT);
}

void weir_ready_close(weir_stream *stream, weir_time linger)
{
    weir_ready_stream *s = weir_ready_of(stream);
    assert(s->state != WEIR_READY_MOVING);
    if (linger <= 0 || s->state == WEIR_READY_OPENING)
        weir_ready_gone(s, 0);
    else if (s->state == WEIR_READY_OPEN)
        begin_linger(s, linger);
}

/* The peer has ended and the user has had its bytes. */
static void end(weir_ready_stream *s)
{
    if (s->base.queued > 0)
        begin_linger(s, ENDED_LINGER);
    else
        weir_ready_gone(s, 0);
}

/* At the end, as long as the user takes any. */
static void hand_again(weir_ready_stream *s)
{
    size_t consumed = weir_ready_hand_kept(s);
    if (!s->ended || s->state != WEIR_READY_OPEN || s->paused)
        return;
    if (s->kept && consumed > 0)
        weir_ready_later(s, WEIR_DUE_BYTES);
    else
        end(s);
}

static void finish_close(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->base.handler)
        s->base.handler->on_close(&s->base, s->error);
    weir_list_remove(&s->link);
    weir_ready_drop(loop, s);
}

/* ---- moving ---- */

void weir_ready_move(weir_stream *stream, weir_loop *target,
                     void (*arrived)(weir_stream *stream, void *user), void *user)
{
    weir_ready_stream *s = weir_ready_of(stream);
    /* The user may not have been told yet that it failed, or that the peer has ended. */
    s->broken = s->state == WEIR_READY_CLOSED;
    if (s->state == WEIR_READY_CLOSING) {
        assert(s->ended || s->base.tls); /* closed by its own, as TLS may */
        weir_timer_disarm(s->base.loop, &s->u.linger);
    }
    set_state(s, WEIR_READY_MOVING);
    s->u.move.task.run = weir_ready_arrive;
    s->u.move.arrived = arrived;
    s->u.move.user = user;
    s->u.move.target = target; /* it leaves at the bottom, when no event names it any more */
    weir_ready_later(s, WEIR_DUE_DEPART);
}

void weir_ready_leave(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (loop->socket->leave)
        loop->socket->leave(&loop->base, s);
    else if (s->interest) /* cannot fail: the socket is open and was registered */
        (void)loop->socket->interest(&loop->base, s, s->interest, 0);
    s->interest = 0;
}

static void depart(weir_ready_stream *s, unsigned due)
{
    weir_loop *target = s->u.move.target;
    weir_ready_leave(s);
    s->due = 0;
    if (due & WEIR_DUE_DRAINED)
        s->base.congested = true; /* found drained again over there */
    weir_list_remove(&s->link);
    s->base.loop = target;
    weir_loop_post(target, &s->u.move.task);
}

void weir_ready_arrive(weir_task *task, weir_loop *base)
{
    weir_ready_stream *s = WEIR_CONTAINER_OF(task, weir_ready_stream, u.move.task);
    weir_ready_loop *loop = (weir_ready_loop *)(void *)base;
    void (*arrived)(weir_stream *, void *) = s->u.move.arrived;
    void *user = s->u.move.user;
    weir_list_push_back(&loop->streams, &s->link);
    set_state(s, WEIR_READY_OPEN);
    s->looked = 0;
    s->blocked = false;
    unsigned wish = s->ended ? 0 : WEIR_READY_IN;
    weir_ready_interest(s, wish | WEIR_READY_WATCHED, 0);
    if (s->base.queued > 0 || s->finishing || s->base.congested)
        weir_ready_mark_dirty(s);
    if ((s->kept || s->ended) && !s->paused)
        weir_ready_later(s, WEIR_DUE_BYTES);
    if (s->unread)
        weir_ready_later(s, WEIR_DUE_READ);
    arrived(&s->base, user);
    if (s->broken && s->state == WEIR_READY_OPEN)
        weir_ready_gone(s, s->error);
}

/* ---- the bottom of the turn ---- */

void weir_ready_run_due(weir_ready_stream *s)
{
    unsigned due = s->due;
    s->due = 0;
    if ((due & WEIR_DUE_OPENED) && s->state == WEIR_READY_OPENING)
        opened(s);
    if ((due & WEIR_DUE_BYTES) && s->state == WEIR_READY_OPEN && !s->paused)
        hand_again(s);
    if (due & WEIR_DUE_READ)
        weir_ready_stream_event(s, WEIR_READY_IN);
    if ((due & WEIR_DUE_DRAINED) && s->state == WEIR_READY_OPEN && !s->base.congested &&
        s->base.handler->on_drained)
        s->base.handler->on_drained(&s->base);
    if ((due & WEIR_DUE_CLOSED) && s->state == WEIR_READY_CLOSED)
        finish_close(s);
    else if ((due & WEIR_DUE_DEPART) && s->state == WEIR_READY_MOVING)
        depart(s, due);
}

/* ---- small questions ---- */

bool weir_ready_quiet(weir_stream *stream)
{
    weir_ready_stream *s = weir_ready_of(stream);
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->state != WEIR_READY_OPEN || s->kept || s->unread || s->ended)
        return false;
    /* Seen empty in this very turn: released and lent again. That epoll told of nothing is no
     * proof: a server may have ended the connection since (hazard 14). */
    return s->looked == loop->turn || loop->socket->quiet(&loop->base, s->fd);
}

bool weir_ready_hung_up(weir_stream *stream)
{
    weir_ready_stream *s = weir_ready_of(stream);
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->state != WEIR_READY_OPEN || s->ended)
        return true;
    return loop->socket->hung_up && loop->socket->hung_up(&loop->base, s->fd);
}

const char *weir_ready_peer(const weir_stream *stream)
{
    weir_ready_stream *s =
        (weir_ready_stream *)(uintptr_t)stream; /* the text is made when asked for */
    if (!s->peer_text) {
        char text[WEIR_ADDRESS_TEXT_MAX];
        weir_peer_format(&s->peer, text);
        s->peer_text = strdup(text);
    }
    return s->peer_text ? s->peer_text : "unknown";
}
