/* The poller over io_uring. A stream's bytes are received by the kernel, into buffers lent to it,
 * as they come (multishot recv): no system call reads them, and none asks whether an idle
 * connection still stands. What is written is sent with the system call that waits, all streams'
 * in one. How descriptors and operations go together: uring.h.
 * Listeners and foreign descriptors are in a set of epoll's, which is polled: what io_uring has
 * under way holds the open file, for some time even after the process was killed, and an address
 * would be in use still when the next one wants it. */
#include "net/uring.h"
#include <stdlib.h>
#include <unistd.h>

static uring_loop *uring_of(kernel_loop *loop)
{
    return (uring_loop *)(void *)loop;
}

static uring_loop *uring_of_base(weir_loop *loop)
{
    return (uring_loop *)(void *)loop;
}

/* ---- slots ---- */

static int grow_table(uring_loop *loop, int fd)
{
    size_t len = loop->by_fd_len ? loop->by_fd_len : 64;
    while (len <= (size_t)fd)
        len *= 2;
    if (len == loop->by_fd_len)
        return 0;
    uring_slot **table = realloc(loop->by_fd, len * sizeof(void *));
    if (!table)
        return -ENOMEM;
    memset(table + loop->by_fd_len, 0, (len - loop->by_fd_len) * sizeof(void *));
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
    uring_watch(loop, slot, 0);
    slot->dead = true;
    uring_change(loop, slot);
}

static int wish(uring_loop *loop, int fd, void *object, kernel_kind kind, unsigned now)
{
    uring_slot *slot = uring_find(loop, fd);
    if (!slot) {
        int r = add_slot(loop, fd, object, kind, &slot);
        if (r < 0)
            return r;
    }
    slot->wish = (uint8_t)now;
    uring_change(loop, slot);
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
    const uring_slot *slot = uring_find(uring_of_base(base), s->fd);
    if (r == 0 && (now & WEIR_READY_IN) && slot->ended)
        weir_ready_later(s, WEIR_DUE_READ); /* the kernel tells it only once */
    return r;
}

static void socket_leave(weir_loop *base, weir_ready_stream *s)
{
    uring_loop *loop = uring_of_base(base);
    uring_slot *slot = uring_find(loop, s->fd);
    if (!slot)
        return;
    uring_settle(loop, slot);
    if (slot->error < 0 && s->state == WEIR_READY_MOVING && !s->broken) {
        s->broken = true;
        s->error = slot->error;
    }
    kill_slot(loop, slot);
}

static void socket_paused(weir_loop *base, weir_ready_stream *s)
{
    uring_slot *slot = uring_find(uring_of_base(base), s->fd);
    if (slot)
        uring_change(uring_of_base(base), slot);
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
    uring_slot *slot = uring_find(loop, fd);
    if (loop->now == slot && loop->now_bytes.len > 0)
        return take_now(loop, buf, len);
    if ((slot->armed & URING_RECV) && !(slot->wish & WEIR_READY_IN)) {
        uring_settle(loop, slot); /* it asks nevertheless: what is there when it closes? */
        if (((weir_ready_stream *)slot->object)->unread)
            return -EAGAIN;
    }
    if (slot->error < 0 || slot->ended)
        return slot->error;
    return slot->armed & URING_RECV ? -EAGAIN : kernel_recv(base, fd, buf, len);
}

static void socket_close(weir_loop *base, int fd)
{
    uring_loop *loop = uring_of_base(base);
    uring_slot *slot = uring_find(loop, fd);
    if (slot)
        kill_slot(loop, slot);
    close(fd);
}

static int socket_error(weir_loop *base, int fd)
{
    const uring_slot *slot = uring_find(uring_of_base(base), fd);
    return slot->error < 0 ? slot->error : kernel_error(base, fd);
}

static bool is_completed(const uring_loop *loop, const uring_slot *slot)
{
    const struct io_uring_cqe *cqe;
    for (unsigned i = 0; (cqe = ring_cqe(&loop->ring, i)); i++) {
        if (uring_slot_of(cqe->user_data) == slot)
            return true;
    }
    return false;
}

/* While receiving is under way, whatever comes stirs the ring in the same moment: if that is still,
 * the socket is empty, and no system call has to look. */
static bool socket_quiet(weir_loop *base, int fd)
{
    uring_loop *loop = uring_of_base(base);
    const uring_slot *slot = uring_find(loop, fd);
    if (slot->ended || slot->error < 0 || is_completed(loop, slot))
        return false;
    bool listening = (slot->armed & URING_RECV) && ring_submitted(&loop->ring);
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
    uring_put_all_right(loop);
    (void)ring_enter(&loop->ring, 0, 0);
    ring_unregister(&loop->ring);
}

static void dispatch(kernel_loop *base)
{
    uring_dispatch(uring_of(base));
}

static bool has_events(kernel_loop *base)
{
    return ring_cqe(&uring_of(base)->ring, 0) != NULL;
}

static void wait_for_events(kernel_loop *base, weir_time timeout)
{
    uring_loop *loop = uring_of(base);
    uring_submit_sends(loop);
    uring_put_all_right(loop);
    if (weir_ready_has_work(&base->ready))
        timeout = 0; /* a stream was found broken, or drained */
    if (timeout == 0 && ring_submitted(&loop->ring) && !ring_stirs(&loop->ring))
        return;
    int r = ring_enter(&loop->ring, timeout != 0, timeout);
    assert(r != -EBADF && r != -EEXIST && r != -EINVAL && r != -EFAULT);
    (void)r;
    if (loop->sending)
        uring_take_sent(loop);
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
        uring_settle(loop, slot);
        uring_free_slot(slot);
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
