/* The poller over Linux's epoll, level-triggered: what was not read is told again, so one recv per
 * event is enough and nobody can starve the rest. */
#include "net/kernel.h"
#include <stdlib.h>
#include <unistd.h>

/* The kind of an event's object, in the low bits of its pointer. */
#define KIND_MASK ((uintptr_t)7)

typedef struct epoll_loop {
    kernel_loop base;
    epoll_set set;
} epoll_loop;

static epoll_loop *epoll_of(kernel_loop *loop)
{
    return (epoll_loop *)(void *)loop;
}

/* ---- a set of descriptors ---- */

int epoll_set_open(epoll_set *set)
{
    set->count = 0;
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    return set->fd < 0 ? -errno : 0;
}

int epoll_set_tell(epoll_set *set, int fd, void *object, kernel_kind kind, unsigned old,
                   unsigned now)
{
    struct epoll_event event = {.events = 0};
    if (now & WEIR_READY_IN)
        event.events |= EPOLLIN;
    if (now & WEIR_READY_OUT)
        event.events |= EPOLLOUT;
    if (kind == KERNEL_KIND_WAKE)
        event.events |= EPOLLET; /* each write to it tells once, and nobody has to read it */
    event.data.u64 = (uintptr_t)object | (uintptr_t)kind;
    int op = !(old & WEIR_READY_WATCHED)   ? EPOLL_CTL_ADD
             : !(now & WEIR_READY_WATCHED) ? EPOLL_CTL_DEL
                                           : EPOLL_CTL_MOD;
    return epoll_ctl(set->fd, op, fd, &event) < 0 ? -errno : 0;
}

void epoll_set_wait(epoll_set *set, int timeout_ms)
{
    set->count = epoll_wait(set->fd, set->batch, EPOLL_BATCH, timeout_ms);
    assert(set->count >= 0 || errno == EINTR);
}

static unsigned ready_bits(uint32_t events)
{
    return (events & EPOLLIN ? (unsigned)WEIR_READY_IN : 0) |
           (events & EPOLLOUT ? (unsigned)WEIR_READY_OUT : 0) |
           (events & EPOLLHUP ? (unsigned)WEIR_READY_HUP : 0) |
           (events & EPOLLERR ? (unsigned)WEIR_READY_ERROR : 0);
}

void epoll_set_dispatch(epoll_set *set, kernel_loop *loop)
{
    for (int i = 0; i < set->count; i++) {
        const struct epoll_event *event = &set->batch[i];
        kernel_event(loop, (void *)((uintptr_t)event->data.u64 & ~KIND_MASK),
                     (kernel_kind)(event->data.u64 & KIND_MASK), ready_bits(event->events));
    }
}

/* ---- the loop ---- */

static int tell(kernel_loop *loop, int fd, void *object, kernel_kind kind, unsigned old,
                unsigned now)
{
    return epoll_set_tell(&epoll_of(loop)->set, fd, object, kind, old, now);
}

static int interest(weir_loop *loop, weir_ready_stream *s, unsigned old, unsigned now)
{
    return tell(kernel_loop_of(loop), s->fd, s, KERNEL_KIND_STREAM, old, now);
}

static void leave(weir_loop *loop, weir_ready_stream *s)
{
    /* A failure to unregister cannot be: the socket is open and was registered. */
    if (s->interest)
        (void)interest(loop, s, s->interest, 0);
}

static const weir_socket_ops sockets = {
    .recv = kernel_recv,
    .send = kernel_send,
    .interest = interest,
    .leave = leave,
    .shutdown = kernel_shutdown,
    .close = kernel_close,
    .error = kernel_error,
    .quiet = kernel_quiet,
    .hung_up = kernel_hung_up,
    .short_is_empty = true,
};

static void dispatch(kernel_loop *base)
{
    epoll_set_dispatch(&epoll_of(base)->set, base);
}

/* Rounded up, so that no timer is due too early. */
static int to_ms(weir_time timeout)
{
    if (timeout == WEIR_TIME_NEVER)
        return -1;
    weir_time ms = (timeout + WEIR_MS - 1) / WEIR_MS;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static void wait_for_events(kernel_loop *base, weir_time timeout)
{
    epoll_set_wait(&epoll_of(base)->set, to_ms(timeout));
}

static void destroy(kernel_loop *base)
{
    close(epoll_of(base)->set.fd);
}

static const kernel_poller poller = {
    .name = "epoll",
    .socket = &sockets,
    .tell = tell,
    .wait = wait_for_events,
    .dispatch = dispatch,
    .destroy = destroy,
};

int epoll_loop_new(const weir_loop_options *options, kernel_loop **ret)
{
    epoll_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    int r = epoll_set_open(&loop->set);
    if (r == 0) {
        r = kernel_loop_start(&loop->base, &poller, options);
        if (r < 0)
            close(loop->set.fd);
    }
    if (r < 0) {
        free(loop);
        return r;
    }
    *ret = &loop->base;
    return 0;
}
