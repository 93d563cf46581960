/* Reading: one recv per event, into the loop's one buffer, handed from there; only an unconsumed
 * tail is copied, and put in front of what comes next. */
#include "net/ready.h"

/* A longer tail (a large message being gathered) is read behind in place, and not copied to the
 * front of the shared buffer each time. */
enum { FRONT_MAX = 4096, GATHER_STEP = 16 * 1024 };

static void out_of_memory(weir_ready_stream *s)
{
    if (s->state == WEIR_READY_OPEN) {
        weir_ready_gone(s, -ENOMEM);
    } else if (s->state == WEIR_READY_MOVING) {
        s->error = -ENOMEM;
        s->broken = true;
    }
}

static void forget_kept(weir_ready_stream *s)
{
    weir_chunk_give(&weir_ready_loop_of(s)->chunks, s->kept);
    s->kept = NULL;
}

/* Makes `rest`, which does not lie in s->kept, the kept bytes. */
static void keep(weir_ready_stream *s, weir_slice rest)
{
    weir_ready_loop *loop = weir_ready_loop_of(s);
    if (s->kept && (rest.len == 0 || s->kept->cap < rest.len))
        forget_kept(s);
    if (rest.len == 0)
        return;
    if (!s->kept)
        s->kept = weir_chunk_take(&loop->chunks, rest.len);
    if (!s->kept) {
        out_of_memory(s);
        return;
    }
    s->kept->begin = s->kept->end = 0;
    weir_chunk_fill(s->kept, rest.data, rest.len);
}

/* Into a chunk of another size. NULL: out of memory, nothing changed. */
static weir_chunk *replace_kept(weir_ready_stream *s, size_t cap)
{
    weir_chunk *other = weir_chunk_take(&weir_ready_loop_of(s)->chunks, cap);
    if (!other)
        return NULL;
    weir_chunk_fill(other, weir_chunk_bytes(s->kept), weir_chunk_len(s->kept));
    forget_kept(s);
    s->kept = other;
    return other;
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
    kept->begin += (uint32_t)n;
    if (weir_chunk_len(kept) == 0)
        forget_kept(s);
    else if (weir_chunk_len(kept) <= FRONT_MAX && kept->cap > WEIR_CHUNK_CAP)
        (void)replace_kept(s, weir_chunk_len(kept)); /* if it cannot be, the large one serves */
    return n;
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
    ssize_t n = loop->socket->recv(&loop->base, s->fd, into, room);
    if (n > 0) {
        if ((size_t)n < room)
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

/* Room behind a long tail, growing by doubling. NULL: out of memory. */
static weir_chunk *make_room(weir_ready_stream *s)
{
    weir_chunk *kept = s->kept;
    size_t len = weir_chunk_len(kept);
    size_t limit = s->base.kept_max - len;
    size_t least = GATHER_STEP < limit ? GATHER_STEP : limit;
    if (weir_chunk_room(kept) >= least)
        return kept;
    if (kept->begin >= len && kept->cap - len >= least) {
        memmove(kept->data, weir_chunk_bytes(kept), len);
        kept->begin = 0;
        kept->end = (uint32_t)len;
        return kept;
    }
    size_t more = len > least ? len : least;
    return replace_kept(s, len + (more < limit ? more : limit));
}

static void gather(weir_ready_stream *s)
{
    weir_chunk *kept = make_room(s);
    if (!kept) {
        out_of_memory(s);
        return;
    }
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
    if (front > FRONT_MAX || front >= loop->read_size) {
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
    keep(s, weir_slice_skip(bytes, consumed));
}
