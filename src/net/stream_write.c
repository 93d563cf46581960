/* Writing: bytes are gathered in chunks while a callback runs and sent once after it; a large run
 * with nothing before it is sent from where it lies. EPOLLOUT is asked for only when the kernel is
 * full. */
#include "net/ready.h"

enum {
    DIRECT_MIN = 8 * 1024,    /* from here on a copy costs more than a call */
    GATHERED_MAX = 64 * 1024, /* sent before the callback is over */
    IOV_MAX_ONCE = 16
};

static void block(weir_ready_stream *s)
{
    s->blocked = true;
    weir_ready_interest(s, WEIR_READY_OUT | WEIR_READY_WATCHED, 0);
}

/* How much went; a part, or nothing, means that the kernel is full. -errno: the stream is gone. */
static ssize_t heed(weir_ready_stream *s, ssize_t n, size_t total)
{
    if (n == -EAGAIN)
        n = 0;
    if (n < 0)
        weir_ready_gone(s, (int)n);
    else if ((size_t)n < total)
        block(s);
    return n;
}

static ssize_t send_some(weir_ready_stream *s, const struct iovec *iov, int count, size_t total)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    return heed(s, loop->socket->send(&loop->base, s->fd, iov, count), total);
}

static void take_out(weir_ready_stream *s, size_t n)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    s->base.queued -= n;
    while (n > 0) {
        weir_chunk *chunk = s->out;
        assert(chunk); /* `queued` is the sum of the chain */
        size_t len = weir_chunk_len(chunk);
        if (n < len) {
            chunk->begin += (uint32_t)n;
            return;
        }
        n -= len;
        s->out = chunk->next;
        weir_chunk_give(&loop->chunks, chunk);
    }
    if (!s->out)
        s->out_last = NULL;
}

static bool send_queue(weir_ready_stream *s)
{
    struct iovec iov[IOV_MAX_ONCE];
    int count = 0;
    size_t total = 0;
    for (weir_chunk *c = s->out; c && count < IOV_MAX_ONCE; c = c->next) {
        iov[count++] =
            (struct iovec){.iov_base = weir_chunk_bytes(c), .iov_len = weir_chunk_len(c)};
        total += weir_chunk_len(c);
    }
    ssize_t n = send_some(s, iov, count, total);
    if (n < 0)
        return false;
    take_out(s, (size_t)n);
    return (size_t)n == total;
}

static void emptied(weir_ready_stream *s)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->blocked) {
        s->blocked = false;
        weir_ready_interest(s, 0, WEIR_READY_OUT);
    }
    if (s->finishing && !s->finished) {
        s->finished = true;
        loop->socket->shutdown(&loop->base, s->fd);
    }
    if (s->state == WEIR_READY_CLOSING)
        weir_ready_linger_step(s);
}

/* Some was sent, or nothing was to be. */
static void flushed(weir_ready_stream *s)
{
    if (s->state != WEIR_READY_OPEN && s->state != WEIR_READY_CLOSING)
        return;
    if (s->base.congested && s->base.queued < s->base.queue_high / 4) {
        s->base.congested = false;
        if (s->state == WEIR_READY_OPEN)
            weir_ready_later(s, WEIR_DUE_DRAINED);
    }
    if (s->base.queued == 0)
        emptied(s);
}

void weir_ready_flush(weir_ready_stream *s)
{
    if (s->state != WEIR_READY_OPEN && s->state != WEIR_READY_CLOSING)
        return;
    bool more = true;
    while (s->base.queued > 0 && more)
        more = send_queue(s);
    flushed(s);
}

weir_slice weir_ready_to_send(const weir_ready_stream *s)
{
    if (s->state != WEIR_READY_OPEN || s->blocked || s->finishing || s->base.congested || !s->out ||
        s->out->next)
        return (weir_slice){0};
    return weir_slice_make(weir_chunk_bytes(s->out), weir_chunk_len(s->out));
}

void weir_ready_sent(weir_ready_stream *s, ssize_t result)
{
    if (s->state != WEIR_READY_OPEN)
        return;
    ssize_t n = heed(s, result, s->base.queued);
    if (n > 0)
        take_out(s, (size_t)n);
    flushed(s);
}

static void append(weir_ready_stream *s, weir_slice bytes)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    while (bytes.len > 0) {
        if (!s->out_last || weir_chunk_room(s->out_last) == 0) {
            weir_chunk *chunk = weir_chunk_take(&loop->chunks, WEIR_CHUNK_CAP);
            if (!chunk) {
                weir_ready_gone(s, -ENOMEM);
                return;
            }
            if (s->out_last)
                s->out_last->next = chunk;
            else
                s->out = chunk;
            s->out_last = chunk;
        }
        size_t n = weir_chunk_fill(s->out_last, bytes.data, bytes.len);
        s->base.queued += n;
        bytes = weir_slice_skip(bytes, n);
    }
}

void weir_ready_write(weir_stream *stream, weir_slice bytes)
{
    weir_ready_stream *s = weir_ready_of(stream);
    assert(s->state != WEIR_READY_MOVING);
    if (s->state != WEIR_READY_OPEN && s->state != WEIR_READY_OPENING)
        return;
    assert(!s->finishing);
    bool open = s->state == WEIR_READY_OPEN;
    if (bytes.len >= DIRECT_MIN && open && !s->blocked && s->base.queued == 0) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};
        ssize_t n = send_some(s, &iov, 1, bytes.len);
        if (n < 0 || s->state != WEIR_READY_OPEN)
            return;
        bytes = weir_slice_skip(bytes, (size_t)n);
    }
    append(s, bytes);
    if (s->base.queued > s->base.queue_high)
        s->base.congested = true;
    if (open && !s->blocked && s->base.queued >= GATHERED_MAX)
        weir_ready_flush(s);
    if (open && s->base.queued > 0)
        weir_ready_mark_dirty(s);
}

void weir_ready_finish(weir_stream *stream)
{
    weir_ready_stream *s = weir_ready_of(stream);
    assert(s->state != WEIR_READY_MOVING);
    s->finishing = true;
    if (s->state == WEIR_READY_OPEN)
        weir_ready_mark_dirty(s);
}
