/* What is asked of io_uring for each slot, and what becomes of its completions. See uring.h. A
 * buffer is given back before its completion's turn is over: what nobody has read is copied
 * (weir_ready_add_unread), so that slow readers cannot keep the buffers from the others. A poll
 * tells unasked, and each time, that the peer has ended its direction: such a stream's failures are
 * learnt by epoll instead. */
#include "net/uring.h"
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BULK = 2 }; /* a burst ends in a short one */

/* ---- asking the kernel ---- */

static uint64_t name_of(uring_slot *slot, unsigned op)
{
    return (uintptr_t)slot | op;
}

uring_slot *uring_slot_of(uint64_t name)
{
    return (uring_slot *)(uintptr_t)(name & ~(uint64_t)URING_MASK);
}

static struct io_uring_sqe *get_sqe(uring_loop *loop)
{
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    while (!sqe) { /* the kernel takes some at least */
        (void)ring_enter(&loop->ring, 0, 0);
        sqe = ring_sqe(&loop->ring);
    }
    return sqe;
}

static void arm_recv(uring_loop *loop, uring_slot *slot)
{
    struct io_uring_sqe *sqe = get_sqe(loop);
    sqe->opcode = IORING_OP_RECV;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->fd = slot->fd;
    sqe->buf_group = RING_BUFFER_GROUP;
    sqe->user_data = name_of(slot, URING_RECV);
    slot->armed |= URING_RECV;
}

static void arm_poll(uring_loop *loop, uring_slot *slot, uint32_t mask)
{
    struct io_uring_sqe *sqe = get_sqe(loop);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = slot->fd;
    sqe->poll32_events = mask;
    /* Each write to the waking descriptor tells once, and nobody has to read it. */
    sqe->len = slot->kind == KERNEL_KIND_WAKE ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = name_of(slot, URING_POLL);
    slot->armed |= URING_POLL;
    slot->polled = mask;
}

static void cancel(uring_loop *loop, uring_slot *slot, unsigned op)
{
    if (!(slot->armed & op) || (slot->cancelled & op))
        return;
    struct io_uring_sqe *sqe = get_sqe(loop);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = -1;
    sqe->addr = name_of(slot, op);
    sqe->user_data = URING_NONE;
    slot->cancelled |= (uint8_t)op;
}

/* A paused stream from which little comes stays as it is: that is cheaper than to stop receiving
 * and to begin again, if nothing comes at all. */
static bool wants_recv(const uring_slot *slot)
{
    if (slot->kind != KERNEL_KIND_STREAM || !(slot->wish & WEIR_READY_IN) || slot->ended ||
        slot->error < 0)
        return false;
    const weir_ready_stream *s = slot->object;
    return !s->paused || s->discarding || ((slot->armed & URING_RECV) && slot->bulk == 0);
}

/* A stream that is not being received from is polled even for nothing: that tells of failures. */
static bool wants_poll(const uring_slot *slot, bool recv, uint32_t *ret_mask)
{
    uint32_t mask = slot->wish & WEIR_READY_OUT ? POLLOUT : 0;
    if (slot->kind != KERNEL_KIND_STREAM && (slot->wish & WEIR_READY_IN))
        mask |= POLLIN;
    *ret_mask = mask;
    return (slot->wish & WEIR_READY_WATCHED) && (mask != 0 || !recv);
}

void uring_free_slot(uring_slot *slot)
{
    weir_list_remove(&slot->link);
    free(slot);
}

void uring_watch(uring_loop *loop, uring_slot *slot, unsigned now)
{
    if (now == slot->watched)
        return;
    int r = epoll_set_tell(&loop->others, slot->fd, slot->object, KERNEL_KIND_STREAM, slot->watched,
                           now);
    slot->watched = r < 0 ? 0 : (uint8_t)now;
    if (r < 0 && now != 0)
        weir_ready_gone(slot->object, r);
}

static void put_right(uring_loop *loop, uring_slot *slot)
{
    uint32_t mask = 0;
    bool recv = !slot->dead && wants_recv(slot);
    bool poll = !slot->dead && wants_poll(slot, recv, &mask);
    if (slot->half_closed && !slot->dead) {
        unsigned wish = slot->wish & ((unsigned)WEIR_READY_OUT | (unsigned)WEIR_READY_WATCHED);
        uring_watch(loop, slot, poll ? wish : 0);
        poll = false;
    }
    if (recv && !(slot->armed & URING_RECV))
        arm_recv(loop, slot);
    else if (!recv)
        cancel(loop, slot, URING_RECV);
    if (poll && !(slot->armed & URING_POLL))
        arm_poll(loop, slot, mask);
    else if (!poll || (mask & ~slot->polled))
        cancel(loop, slot, URING_POLL);
    if (slot->dead && !slot->armed)
        uring_free_slot(slot);
}

void uring_put_all_right(uring_loop *loop)
{
    uring_slot *slot;
    while ((slot = loop->changed)) {
        loop->changed = slot->next_changed;
        slot->changed = false;
        put_right(loop, slot);
    }
}

/* ---- what the kernel answers ---- */

static void operation_ended(uring_loop *loop, uring_slot *slot, unsigned op)
{
    slot->armed &= (uint8_t)~op;
    slot->cancelled &= (uint8_t)~op;
    uring_change(loop, slot);
}

/* Receiving stopped, and nothing is wrong: it was told to, or all buffers were lent. */
static bool is_interruption(int result)
{
    return result == -ECANCELED || result == -ENOBUFS;
}

static void add_unread(uring_slot *slot, weir_slice bytes)
{
    weir_ready_stream *s = slot->object;
    if (s->state != WEIR_READY_CLOSED)
        weir_ready_add_unread(s, bytes);
}

/* Takes the completion in without calling anybody: bytes wait in the stream, the rest is found
 * again. */
static void absorb_recv(uring_slot *slot, int result, weir_slice bytes)
{
    weir_ready_stream *s = slot->object;
    if (result > 0) {
        add_unread(slot, bytes);
    } else if (result == 0) {
        slot->ended = true;
        if (s->state != WEIR_READY_MOVING)
            weir_ready_later(s, WEIR_DUE_READ);
    } else {
        slot->error = result;
        if (s->state != WEIR_READY_MOVING)
            weir_ready_gone(s, result);
    }
}

static void deliver_recv(uring_loop *loop, uring_slot *slot, int result, weir_slice bytes,
                         bool empty)
{
    slot->ended = result == 0;
    slot->error = result < 0 ? result : 0;
    loop->now = slot;
    loop->now_bytes = bytes;
    slot->looked = empty ? loop->base.ready.turn : 0;
    if (result < 0)
        kernel_event(&loop->base, slot->object, KERNEL_KIND_STREAM,
                     WEIR_READY_IN | WEIR_READY_ERROR);
    else if (slot->wish & WEIR_READY_IN)
        kernel_event(&loop->base, slot->object, KERNEL_KIND_STREAM, WEIR_READY_IN);
    loop->now = NULL;
    if (loop->now_bytes.len > 0)
        add_unread(slot, loop->now_bytes);
}

static void recv_completed(uring_loop *loop, uring_slot *slot, const struct io_uring_cqe *cqe,
                           bool absorb)
{
    bool lent = cqe->flags & IORING_CQE_F_BUFFER;
    unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    weir_slice bytes = {0};
    if (cqe->res == RING_BUFFER_SIZE)
        slot->bulk = BULK;
    else if (slot->bulk > 0)
        slot->bulk--;
    if (lent && cqe->res > 0)
        bytes = weir_slice_make(ring_buffer(&loop->ring, id), (size_t)cqe->res);
    if (slot->dead || is_interruption(cqe->res))
        ; /* nobody cares, or operation_ended did what is to be done */
    else if (absorb)
        absorb_recv(slot, cqe->res, bytes);
    else
        deliver_recv(loop, slot, cqe->res, bytes, !(cqe->flags & IORING_CQE_F_SOCK_NONEMPTY));
    if (lent)
        ring_give_buffer(&loop->ring, id);
}

static unsigned ready_bits(int events)
{
    return (events & POLLIN ? (unsigned)WEIR_READY_IN : 0) |
           (events & POLLOUT ? (unsigned)WEIR_READY_OUT : 0) |
           (events & POLLHUP ? (unsigned)WEIR_READY_HUP : 0) |
           (events & POLLERR ? (unsigned)WEIR_READY_ERROR : 0);
}

static void poll_completed(uring_loop *loop, uring_slot *slot, int result)
{
    if (slot->object == &loop->others) {
        epoll_set_wait(&loop->others, 0);
        epoll_set_dispatch(&loop->others, &loop->base);
        return;
    }
    if (slot->dead || result <= 0 || !(slot->wish & WEIR_READY_WATCHED))
        return;
    slot->half_closed = slot->half_closed || (result & POLLRDHUP);
    unsigned events =
        ready_bits(result) & (slot->wish | (unsigned)WEIR_READY_HUP | (unsigned)WEIR_READY_ERROR);
    if (events)
        kernel_event(&loop->base, slot->object, (kernel_kind)slot->kind, events);
}

/* ---- sending ---- */

/* With MSG_DONTWAIT it completes while it is submitted. Its success, all bytes (MSG_WAITALL), makes
 * no completion, so that the wait does not end for it; a failure or a part does. The bytes stay
 * where they are, in the stream's queue, until ring_enter has returned. */
static void submit_send(uring_loop *loop, uring_slot *slot, weir_slice bytes)
{
    struct io_uring_sqe *sqe = get_sqe(loop);
    sqe->opcode = IORING_OP_SEND;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = slot->fd;
    sqe->addr = (uintptr_t)bytes.data;
    sqe->len = (uint32_t)bytes.len;
    sqe->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    sqe->user_data = name_of(slot, URING_SEND);
    slot->sending = true;
    slot->next_sending = loop->sending;
    loop->sending = slot;
}

void uring_submit_sends(uring_loop *loop)
{
    weir_ready_stream *s;
    weir_loop_flush_tls(&loop->base.ready.base);
    while ((s = loop->base.ready.dirty)) {
        loop->base.ready.dirty = s->next_dirty;
        s->is_dirty = false;
        weir_slice bytes = weir_ready_to_send(s);
        if (bytes.len > 0)
            submit_send(loop, uring_find(loop, s->fd), bytes);
        else if (!s->blocked)
            weir_ready_flush(s);
    }
}

static void not_all_sent(uring_slot *slot, int result)
{
    slot->sending = false;
    weir_ready_sent(slot->object, result);
}

static void completed(uring_loop *loop, bool absorb);

/* After ring_enter: failures first, then the rest has gone. */
void uring_take_sent(uring_loop *loop)
{
    struct io_uring_cqe *cqe;
    while (!ring_submitted(&loop->ring) || ring_overflows(&loop->ring)) {
        while (ring_cqe(&loop->ring, 0))
            completed(loop, true);
        (void)ring_enter(&loop->ring, 0, 0);
    }
    for (unsigned i = 0; (cqe = ring_cqe(&loop->ring, i)); i++) {
        if (((unsigned)cqe->user_data & URING_MASK) != URING_SEND)
            continue;
        not_all_sent(uring_slot_of(cqe->user_data), cqe->res);
        cqe->user_data = URING_NONE;
    }
    uring_slot *slot;
    while ((slot = loop->sending)) {
        loop->sending = slot->next_sending;
        weir_ready_stream *s = slot->object;
        if (slot->sending)
            weir_ready_sent(s, (ssize_t)s->base.queued);
        slot->sending = false;
    }
}

/* ---- completions ---- */

/* A poll that is absorbed is forgotten: asked for anew, it answers the same. */
static void completed(uring_loop *loop, bool absorb)
{
    struct io_uring_cqe cqe = *ring_cqe(&loop->ring, 0);
    ring_pop(&loop->ring);
    unsigned op = (unsigned)cqe.user_data & URING_MASK;
    uring_slot *slot = uring_slot_of(cqe.user_data);
    if (op == URING_NONE)
        return; /* nothing was left to cancel, or it was heeded already */
    if (op == URING_SEND) {
        not_all_sent(slot, cqe.res);
        return;
    }
    if (!(cqe.flags & IORING_CQE_F_MORE))
        operation_ended(loop, slot, op);
    if (op == URING_RECV)
        recv_completed(loop, slot, &cqe, absorb);
    else if (!absorb)
        poll_completed(loop, slot, cqe.res);
}

void uring_dispatch(uring_loop *loop)
{
    unsigned left = 0;
    while (ring_cqe(&loop->ring, left))
        left++;
    for (; left > 0 && ring_cqe(&loop->ring, 0); left--)
        completed(loop, false);
}

/* Another thread, after the loop's own has ended: that has cancelled all there was. */
static bool is_owner(const uring_loop *loop)
{
    return loop->ring.enabled && pthread_equal(loop->owner, pthread_self());
}

void uring_settle(uring_loop *loop, uring_slot *slot)
{
    if (!is_owner(loop)) {
        slot->armed = 0;
        return;
    }
    cancel(loop, slot, URING_RECV);
    cancel(loop, slot, URING_POLL);
    for (unsigned waited = 0; slot->armed; waited = 1) {
        (void)ring_enter(&loop->ring, waited, WEIR_MS);
        while (ring_cqe(&loop->ring, 0))
            completed(loop, true);
    }
}
