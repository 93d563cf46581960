/* The poller over io_uring. A stream's bytes are received by the kernel, into buffers lent to it,
 * as they come (multishot recv): no system call reads them, and none asks whether an idle
 * connection still stands. What is written is sent with the system call that waits, all streams'
 * in one.
 * Listeners and foreign descriptors are in a set of epoll's, which is polled: what io_uring has
 * under way holds the open file, for some time even after the process was killed, and an address
 * would be in use still when the next one wants it.
 *
 * Each descriptor has a slot, which says what is wished for and what the kernel is at. Where they
 * differ, the slot is on the list of changed ones, and is put right before the next wait:
 *
 *   wish ──tell──► changed ──put_right──► armed (operations under way) ──last completion──► changed
 *
 * The kernel knows a slot by its address, so it lives, dead, until its operations have ended; they
 * also hold the open file, so that a closed descriptor is gone for the peer once they are
 * cancelled. A buffer is given back before its completion's turn is over: what nobody has read is
 * copied (weir_ready_add_unread), so that slow readers cannot keep the buffers from the others. */
#include "net/kernel.h"
#include "net/ring.h"
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Operations; in the low bits of what the kernel gives back, and bits of `armed`. */
enum { OP_NONE = 0, OP_RECV = 1, OP_POLL = 2, OP_SEND = 4, OP_MASK = 7 };

enum { BULK = 2 }; /* a burst ends in a short one */

typedef struct uring_slot {
    weir_list link; /* in loop->slots */
    struct uring_slot *next_changed, *next_sending;
    void *object;
    int fd;
    int error;         /* that ended receiving */
    uint32_t polled;   /* what the poll under way asks for */
    uint32_t looked;   /* the turn in which receiving last emptied the socket */
    uint8_t kind;      /* kernel_kind */
    uint8_t wish;      /* bits of ready.h */
    uint8_t armed;     /* under way */
    uint8_t cancelled; /* of those, on their way out */
    uint8_t bulk;      /* of late, completions filled their buffers: there is more behind them */
    bool changed : 1;
    bool ended : 1; /* the peer's direction */
    bool sending : 1;
    bool dead : 1; /* `object` and `fd` are gone */
} uring_slot;

typedef struct uring_loop {
    kernel_loop base;
    ring ring;
    epoll_set others; /* listeners, foreign descriptors */
    pthread_t owner;  /* once the ring is enabled */
    uring_slot **by_fd;
    size_t by_fd_len;
    weir_list slots;
    uring_slot *changed;
    uring_slot *now; /* whose completion is being handed out, with these bytes */
    weir_slice now_bytes;
    uring_slot *sending; /* in this turn's ring_enter */
} uring_loop;

static uring_loop *uring_of(kernel_loop *loop)
{
    return (uring_loop *)(void *)loop;
}

static uring_loop *uring_of_base(weir_loop *loop)
{
    return (uring_loop *)(void *)loop;
}

static uring_slot *find_slot(const uring_loop *loop, int fd)
{
    return (size_t)fd < loop->by_fd_len ? loop->by_fd[fd] : NULL;
}

/* Another thread, after the loop's own has ended: that has cancelled all there was. */
static bool is_owner(const uring_loop *loop)
{
    return loop->ring.enabled && pthread_equal(loop->owner, pthread_self());
}

static void change(uring_loop *loop, uring_slot *slot)
{
    if (slot->changed)
        return;
    slot->changed = true;
    slot->next_changed = loop->changed;
    loop->changed = slot;
}

/* ---- asking the kernel ---- */

static uint64_t name_of(uring_slot *slot, unsigned op)
{
    return (uintptr_t)slot | op;
}

static uring_slot *slot_of(uint64_t name)
{
    return (uring_slot *)(uintptr_t)(name & ~(uint64_t)OP_MASK);
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
    sqe->user_data = name_of(slot, OP_RECV);
    slot->armed |= OP_RECV;
}

static void arm_poll(uring_loop *loop, uring_slot *slot, uint32_t mask)
{
    struct io_uring_sqe *sqe = get_sqe(loop);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = slot->fd;
    sqe->poll32_events = mask;
    /* Each write to the waking descriptor tells once, and nobody has to read it. */
    sqe->len = slot->kind == KERNEL_KIND_WAKE ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = name_of(slot, OP_POLL);
    slot->armed |= OP_POLL;
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
    sqe->user_data = OP_NONE;
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
    return !s->paused || ((slot->armed & OP_RECV) && slot->bulk == 0);
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

static void free_slot(uring_slot *slot)
{
    weir_list_remove(&slot->link);
    free(slot);
}

static void put_right(uring_loop *loop, uring_slot *slot)
{
    uint32_t mask = 0;
    bool recv = !slot->dead && wants_recv(slot);
    bool poll = !slot->dead && wants_poll(slot, recv, &mask);
    if (recv && !(slot->armed & OP_RECV))
        arm_recv(loop, slot);
    else if (!recv)
        cancel(loop, slot, OP_RECV);
    if (poll && !(slot->armed & OP_POLL))
        arm_poll(loop, slot, mask);
    else if (!poll || (mask & ~slot->polled))
        cancel(loop, slot, OP_POLL);
    if (slot->dead && !slot->armed)
        free_slot(slot);
}

static void put_all_right(uring_loop *loop)
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
    change(loop, slot);
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
    sqe->user_data = name_of(slot, OP_SEND);
    slot->sending = true;
    slot->next_sending = loop->sending;
    loop->sending = slot;
}

static void submit_sends(uring_loop *loop)
{
    weir_ready_stream *s;
    weir_loop_flush_tls(&loop->base.ready.base);
    while ((s = loop->base.ready.dirty)) {
        loop->base.ready.dirty = s->next_dirty;
        s->is_dirty = false;
        weir_slice bytes = weir_ready_to_send(s);
        if (bytes.len > 0)
            submit_send(loop, find_slot(loop, s->fd), bytes);
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
static void take_sent(uring_loop *loop)
{
    struct io_uring_cqe *cqe;
    while (!ring_submitted(&loop->ring) || ring_overflows(&loop->ring)) {
        while (ring_cqe(&loop->ring, 0))
            completed(loop, true);
        (void)ring_enter(&loop->ring, 0, 0);
    }
    for (unsigned i = 0; (cqe = ring_cqe(&loop->ring, i)); i++) {
        if (((unsigned)cqe->user_data & OP_MASK) != OP_SEND)
            continue;
        not_all_sent(slot_of(cqe->user_data), cqe->res);
        cqe->user_data = OP_NONE;
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
    unsigned op = (unsigned)cqe.user_data & OP_MASK;
    uring_slot *slot = slot_of(cqe.user_data);
    if (op == OP_NONE)
        return; /* nothing was left to cancel, or it was heeded already */
    if (op == OP_SEND) {
        not_all_sent(slot, cqe.res);
        return;
    }
    if (!(cqe.flags & IORING_CQE_F_MORE))
        operation_ended(loop, slot, op);
    if (op == OP_RECV)
        recv_completed(loop, slot, &cqe, absorb);
    else if (!absorb)
        poll_completed(loop, slot, cqe.res);
}

static void dispatch(kernel_loop *base)
{
    uring_loop *loop = uring_of(base);
    unsigned left = 0;
    while (ring_cqe(&loop->ring, left))
        left++;
    for (; left > 0 && ring_cqe(&loop->ring, 0); left--)
        completed(loop, false);
}

/* Ends what is under way for the slot, now; what had come before is taken in. */
static void settle(uring_loop *loop, uring_slot *slot)
{
    if (!is_owner(loop)) {
        slot->armed = 0;
        return;
    }
    cancel(loop, slot, OP_RECV);
    cancel(loop, slot, OP_POLL);
    for (unsigned waited = 0; slot->armed; waited = 1) {
        (void)ring_enter(&loop->ring, waited, WEIR_MS);
        while (ring_cqe(&loop->ring, 0))
            completed(loop, true);
    }
}

/* ---- slots ---- */

static int grow_table(uring_loop *loop, int fd)
{
    size_t len = loop->by_fd_len ? loop->by_fd_len : 64;
    while (len <= (size_t)fd)
        len *= 2;
    if (len == loop->by_fd_len)
        return 0;
    uring_slot **table = realloc(loop->by_fd, len * sizeof(*table));
    if (!table)
        return -ENOMEM;
    memset(table + loop->by_fd_len, 0, (len - loop->by_fd_len) * sizeof(*table));
    loop->by_fd = table;
    loop->by_fd_len = len;
    return 0;
}

static int add_slot(uring_loop *loop, int fd, void *object, kernel_kind kind, uring_slot **ret)
{
    uring_slot *slot = calloc(1, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    int r = grow_table(loop, fd);
    if (r < 0) {
        free(slot);
        return r;
    }
    slot->fd = fd;
    slot->object = object;
    slot->kind = (uint8_t)kind;
    weir_list_push_back(&loop->slots, &slot->link);
    loop->by_fd[fd] = slot;
    *ret = slot;
    return 0;
}

static void kill_slot(uring_loop *loop, uring_slot *slot)
{
    loop->by_fd[slot->fd] = NULL;
    slot->dead = true;
    change(loop, slot);
}

static int wish(uring_loop *loop, int fd, void *object, kernel_kind kind, unsigned now)
{
    uring_slot *slot = find_slot(loop, fd);
    if (!slot) {
        int r = add_slot(loop, fd, object, kind, &slot);
        if (r < 0)
            return r;
    }
    slot->wish = (uint8_t)now;
    change(loop, slot);
    return 0;
}

static int tell(kernel_loop *base, int fd, void *object, kernel_kind kind, unsigned old,
                unsigned now)
{
    uring_loop *loop = uring_of(base);
    if (kind == KERNEL_KIND_LISTENER || kind == KERNEL_KIND_WATCH)
        return epoll_set_tell(&loop->others, fd, object, kind, old, now);
    return wish(loop, fd, object, kind, now);
}

/* ---- the streams' sockets ---- */

static int socket_interest(weir_loop *base, weir_ready_stream *s, unsigned old, unsigned now)
{
    int r = tell(kernel_loop_of(base), s->fd, s, KERNEL_KIND_STREAM, old, now);
    const uring_slot *slot = find_slot(uring_of_base(base), s->fd);
    if (r == 0 && (now & WEIR_READY_IN) && slot->ended)
        weir_ready_later(s, WEIR_DUE_READ); /* the kernel tells it only once */
    return r;
}

static void socket_leave(weir_loop *base, weir_ready_stream *s)
{
    uring_loop *loop = uring_of_base(base);
    uring_slot *slot = find_slot(loop, s->fd);
    if (!slot)
        return;
    settle(loop, slot);
    if (slot->error < 0 && s->state == WEIR_READY_MOVING && !s->broken) {
        s->broken = true;
        s->error = slot->error;
    }
    kill_slot(loop, slot);
}

static void socket_paused(weir_loop *base, weir_ready_stream *s)
{
    uring_slot *slot = find_slot(uring_of_base(base), s->fd);
    if (slot)
        change(uring_of_base(base), slot);
}

static ssize_t take_now(uring_loop *loop, void *buf, size_t len)
{
    size_t n = loop->now_bytes.len < len ? loop->now_bytes.len : len;
    memcpy(buf, loop->now_bytes.data, n);
    loop->now_bytes = weir_slice_skip(loop->now_bytes, n);
    return (ssize_t)n;
}

static ssize_t socket_recv(weir_loop *base, int fd, void *buf, size_t len)
{
    uring_loop *loop = uring_of_base(base);
    uring_slot *slot = find_slot(loop, fd);
    if (loop->now == slot && loop->now_bytes.len > 0)
        return take_now(loop, buf, len);
    if ((slot->armed & OP_RECV) && !(slot->wish & WEIR_READY_IN)) {
        settle(loop, slot); /* it asks nevertheless: what is there when it closes? */
        if (((weir_ready_stream *)slot->object)->unread)
            return -EAGAIN;
    }
    if (slot->error < 0 || slot->ended)
        return slot->error;
    return slot->armed & OP_RECV ? -EAGAIN : kernel_recv(base, fd, buf, len);
}

static void socket_close(weir_loop *base, int fd)
{
    uring_loop *loop = uring_of_base(base);
    uring_slot *slot = find_slot(loop, fd);
    if (slot)
        kill_slot(loop, slot);
    close(fd);
}

static int socket_error(weir_loop *base, int fd)
{
    const uring_slot *slot = find_slot(uring_of_base(base), fd);
    return slot->error < 0 ? slot->error : kernel_error(base, fd);
}

static bool is_completed(const uring_loop *loop, const uring_slot *slot)
{
    const struct io_uring_cqe *cqe;
    for (unsigned i = 0; (cqe = ring_cqe(&loop->ring, i)); i++) {
        if (slot_of(cqe->user_data) == slot)
            return true;
    }
    return false;
}

/* While receiving is under way, whatever comes stirs the ring in the same moment: if that is still,
 * the socket is empty, and no system call has to look. */
static bool socket_quiet(weir_loop *base, int fd)
{
    uring_loop *loop = uring_of_base(base);
    const uring_slot *slot = find_slot(loop, fd);
    if (slot->ended || slot->error < 0 || is_completed(loop, slot))
        return false;
    bool listening = (slot->armed & OP_RECV) && ring_submitted(&loop->ring);
    return slot->looked == loop->base.ready.turn || (listening && !ring_stirs(&loop->ring)) ||
           kernel_quiet(base, fd);
}

static const weir_socket_ops sockets = {
    .recv = socket_recv,
    .send = kernel_send,
    .interest = socket_interest,
    .leave = socket_leave,
    .paused = socket_paused,
    .shutdown = kernel_shutdown,
    .close = socket_close,
    .error = socket_error,
    .quiet = socket_quiet,
    .hung_up = kernel_hung_up,
    .sends_at_wait = true,
};

/* ---- the loop ---- */

static void begin(kernel_loop *base)
{
    uring_loop *loop = uring_of(base);
    int r = ring_enable(&loop->ring);
    assert(r >= 0);
    (void)r;
    loop->owner = pthread_self();
    ring_register(&loop->ring);
}

/* What was closed in the last turn goes. */
static void end(kernel_loop *base)
{
    uring_loop *loop = uring_of(base);
    weir_ready_flush_dirty(&base->ready);
    put_all_right(loop);
    (void)ring_enter(&loop->ring, 0, 0);
    ring_unregister(&loop->ring);
}

static bool has_events(kernel_loop *base)
{
    return ring_cqe(&uring_of(base)->ring, 0) != NULL;
}

static void wait_for_events(kernel_loop *base, weir_time timeout)
{
    uring_loop *loop = uring_of(base);
    submit_sends(loop);
    if (weir_ready_has_work(&base->ready))
        timeout = 0; /* a stream was found broken, or drained */
    put_all_right(loop);
    if (timeout == 0 && ring_submitted(&loop->ring) && !ring_stirs(&loop->ring))
        return;
    int r = ring_enter(&loop->ring, timeout != 0, timeout);
    assert(r != -EBADF && r != -EEXIST && r != -EINVAL && r != -EFAULT);
    (void)r;
    if (loop->sending)
        take_sent(loop);
}

/* All files are let go of before this returns, not at some time after the ring was closed. */
static void destroy(kernel_loop *base)
{
    uring_loop *loop = uring_of(base);
    weir_list *link;
    while ((link = weir_list_first(&loop->slots))) {
        uring_slot *slot = WEIR_CONTAINER_OF(link, uring_slot, link);
        if (!slot->dead)
            kill_slot(loop, slot);
        settle(loop, slot);
        free_slot(slot);
    }
    ring_close(&loop->ring);
    close(loop->others.fd);
    free(loop->by_fd);
}

static const kernel_poller poller = {
    .name = "io_uring",
    .socket = &sockets,
    .tell = tell,
    .begin = begin,
    .end = end,
    .has_events = has_events,
    .wait = wait_for_events,
    .dispatch = dispatch,
    .destroy = destroy,
};

int uring_loop_new(const weir_loop_options *options, kernel_loop **ret)
{
    uring_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    weir_list_init(&loop->slots);
    int r = ring_open(&loop->ring);
    if (r < 0) {
        free(loop);
        return r;
    }
    r = epoll_set_open(&loop->others);
    if (r == 0)
        r = wish(loop, loop->others.fd, &loop->others, KERNEL_KIND_WATCH,
                 WEIR_READY_IN | WEIR_READY_WATCHED);
    if (r == 0)
        r = kernel_loop_start(&loop->base, &poller, options);
    if (r < 0) {
        destroy(&loop->base);
        free(loop);
        return r;
    }
    *ret = &loop->base;
    return 0;
}
