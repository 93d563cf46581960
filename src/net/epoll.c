/* The loop over Linux's epoll, level-triggered: what was not read is told again, so one recv per
 * event is enough and nobody can starve the rest. */
#include "net/epoll.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 15, KEEPALIVE_COUNT = 4 };

#define KIND_MASK ((uintptr_t)7)

static weir_time read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * WEIR_SECOND + ts.tv_nsec;
}

static weir_time monotonic(const weir_loop *loop)
{
    (void)loop;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t wall(const weir_loop *loop)
{
    (void)loop;
    return read_clock(CLOCK_REALTIME);
}

static void random_bytes(weir_loop *loop, void *out, size_t len)
{
    (void)loop;
    uint8_t *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* a kernel without it: nothing secret could be made */
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

/* ---- the kernel's sockets, for streams ---- */

static ssize_t socket_recv(weir_loop *loop, int fd, void *buf, size_t len)
{
    (void)loop;
    ssize_t n;
    do
        n = recv(fd, buf, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t socket_send(weir_loop *loop, int fd, const struct iovec *iov, int count)
{
    (void)loop;
    ssize_t n;
    do {
        if (count == 1) {
            n = send(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
            struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                                 .msg_iovlen = (size_t)count};
            n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int socket_interest(weir_loop *loop, weir_ready_stream *s, unsigned old, unsigned now)
{
    return epoll_tell(epoll_loop_of(loop), s->fd, s, EPOLL_KIND_STREAM, old, now);
}

static void socket_shutdown(weir_loop *loop, int fd)
{
    (void)loop;
    (void)shutdown(fd, SHUT_WR); /* fails if the peer is gone, which reading tells */
}

static void socket_close(weir_loop *loop, int fd)
{
    (void)loop;
    close(fd);
}

static int socket_error(weir_loop *loop, int fd)
{
    (void)loop;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

static bool socket_quiet(weir_loop *loop, int fd)
{
    char byte;
    (void)loop;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static const weir_socket_ops kernel_sockets = {
    .recv = socket_recv,
    .send = socket_send,
    .interest = socket_interest,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .error = socket_error,
    .quiet = socket_quiet,
};

void epoll_set_tcp_options(int fd, int family)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
    };
    if (family == AF_UNIX)
        return;
    /* None of them can fail but by the connection's being gone, which reading tells. */
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

/* ---- connecting, handing over ---- */

static int new_stream(weir_loop *base, int fd, weir_ready_state state,
                      const struct sockaddr_storage *address, weir_stream **ret)
{
    epoll_loop *loop = epoll_loop_of(base);
    weir_peer peer;
    weir_peer_set(&peer, address);
    epoll_set_tcp_options(fd, address->ss_family);
    weir_ready_stream *s = NULL;
    int r = weir_ready_stream_new(&loop->ready, fd, state, &peer, &s);
    if (r == 0)
        *ret = &s->base;
    return r;
}

static int do_connect(weir_loop *base, const char *text, weir_stream **ret)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    int r = weir_address_parse(text, &address, &len);
    if (r < 0)
        return r;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    bool done = connect(fd, (const struct sockaddr *)&address, len) == 0;
    r = done || errno == EINPROGRESS ? 0 : -errno;
    if (r == 0)
        r = new_stream(base, fd, WEIR_READY_OPENING, &address, ret);
    if (r < 0)
        close(fd);
    return r;
}

static int do_import(weir_loop *base, int fd, weir_stream **ret)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    return new_stream(base, fd, WEIR_READY_OPEN, &address, ret);
}

static int do_export(weir_stream *stream, int *ret_fd)
{
    weir_ready_stream *s = weir_ready_of(stream);
    if (s->state != WEIR_READY_OPEN || s->kept || s->base.queued > 0 || s->ended || s->finishing)
        return -EBUSY;
    weir_ready_interest(s, 0, s->interest);
    *ret_fd = s->fd;
    s->fd = -1;
    s->base.handler = NULL;
    weir_ready_gone(s, 0);
    return 0;
}

/* ---- the loop ---- */

int epoll_tell(epoll_loop *loop, int fd, void *object, epoll_kind kind, unsigned old, unsigned now)
{
    struct epoll_event event = {.events = 0};
    if (now & WEIR_READY_IN)
        event.events |= EPOLLIN;
    if (now & WEIR_READY_OUT)
        event.events |= EPOLLOUT;
    event.data.u64 = (uintptr_t)object | (uintptr_t)kind;
    int op = !(old & WEIR_READY_WATCHED)   ? EPOLL_CTL_ADD
             : !(now & WEIR_READY_WATCHED) ? EPOLL_CTL_DEL
                                           : EPOLL_CTL_MOD;
    return epoll_ctl(loop->fd, op, fd, &event) < 0 ? -errno : 0;
}

void epoll_bury(epoll_loop *loop, epoll_corpse *corpse)
{
    corpse->next = loop->corpses;
    loop->corpses = corpse;
}

static void free_corpses(epoll_loop *loop)
{
    while (loop->corpses) {
        epoll_corpse *corpse = loop->corpses;
        loop->corpses = corpse->next;
        free(corpse);
    }
}

static void wake(epoll_loop *loop)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(loop->wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR); /* EAGAIN: it is awake with a vengeance */
}

static void was_woken(epoll_loop *loop)
{
    uint64_t count;
    ssize_t n = read(loop->wake_fd, &count, sizeof(count));
    (void)n; /* the reading is all: it makes the descriptor quiet */
}

static void post(weir_loop *base, weir_task *task)
{
    epoll_loop *loop = epoll_loop_of(base);
    if (weir_mailbox_push(&loop->ready.mailbox, task))
        wake(loop);
}

static void stop(weir_loop *base)
{
    epoll_loop *loop = epoll_loop_of(base);
    atomic_store(&loop->stopping, true);
    if (weir_mailbox_rouse(&loop->ready.mailbox))
        wake(loop);
}

static void timer_changed(weir_loop *loop)
{
    (void)loop; /* only the loop's own thread arms, and that is awake */
}

static unsigned ready_bits(uint32_t events)
{
    return (events & EPOLLIN ? (unsigned)WEIR_READY_IN : 0) |
           (events & EPOLLOUT ? (unsigned)WEIR_READY_OUT : 0) |
           (events & EPOLLHUP ? (unsigned)WEIR_READY_HUP : 0) |
           (events & EPOLLERR ? (unsigned)WEIR_READY_ERROR : 0);
}

static void dispatch(epoll_loop *loop, const struct epoll_event *event)
{
    void *object = (void *)((uintptr_t)event->data.u64 & ~KIND_MASK);
    switch ((epoll_kind)(event->data.u64 & KIND_MASK)) {
    case EPOLL_KIND_STREAM:
        weir_ready_stream_event(object, ready_bits(event->events));
        break;
    case EPOLL_KIND_LISTENER:
        epoll_listener_event(object);
        break;
    case EPOLL_KIND_WATCH:
        epoll_watch_event(object, ready_bits(event->events));
        break;
    case EPOLL_KIND_WAKE:
        was_woken(loop);
        break;
    }
    weir_ready_flush_dirty(&loop->ready);
}

/* How long to block; 0: there is something to do. Rounded up, so that no timer is due too early. */
static int timeout_ms(epoll_loop *loop)
{
    if (weir_ready_has_work(&loop->ready))
        return 0;
    weir_time at = weir_loop_deadline(&loop->ready.base);
    if (at == WEIR_TIME_NEVER)
        return -1;
    weir_time left = at - monotonic(NULL);
    if (left <= 0)
        return 0;
    left = (left + WEIR_MS - 1) / WEIR_MS;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static int wait_for_events(epoll_loop *loop)
{
    const weir_loop_options *options = &loop->ready.base.options;
    int timeout = timeout_ms(loop);
    if (timeout == 0 || !weir_mailbox_try_sleep(&loop->ready.mailbox))
        return epoll_wait(loop->fd, loop->batch, EPOLL_BATCH, 0);
    if (options->on_sleep)
        options->on_sleep(options->user, &loop->ready.base, 1);
    /* Looked at after "sleeping" was set, as stop sets it before looking at that. */
    int n =
        epoll_wait(loop->fd, loop->batch, EPOLL_BATCH, atomic_load(&loop->stopping) ? 0 : timeout);
    weir_mailbox_woke(&loop->ready.mailbox);
    if (options->on_sleep)
        options->on_sleep(options->user, &loop->ready.base, 0);
    return n;
}

static void run(weir_loop *base)
{
    epoll_loop *loop = epoll_loop_of(base);
    if (base->options.name)
        (void)pthread_setname_np(pthread_self(), base->options.name); /* for people only */
    base->now = monotonic(base);
    weir_ready_flush_dirty(&loop->ready); /* what was written before the loop ran */
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
        int n = wait_for_events(loop);
        assert(n >= 0 || errno == EINTR);
        base->now = monotonic(base);
        for (int i = 0; i < n; i++)
            dispatch(loop, &loop->batch[i]);
        weir_ready_bottom(&loop->ready);
        free_corpses(loop);
    }
    atomic_store(&loop->stopping, false);
}

static void destroy(weir_loop *base)
{
    epoll_loop *loop = epoll_loop_of(base);
    epoll_listeners_free(loop);
    epoll_watches_free(loop);
    weir_ready_end(&loop->ready);
    free_corpses(loop);
    close(loop->wake_fd);
    close(loop->fd);
    free(loop);
}

static const weir_loop_ops epoll_ops = {
    .run = run,
    .stop = stop,
    .destroy = destroy,
    .clock = monotonic,
    .wall_ns = wall,
    .random = random_bytes,
    .post = post,
    .timer_changed = timer_changed,
    .connect = do_connect,
    .listen = epoll_listen,
    .listener_close = epoll_listener_close,
    .write = weir_ready_write,
    .pause = weir_ready_pause,
    .resume = weir_ready_resume,
    .close = weir_ready_close,
    .finish = weir_ready_finish,
    .quiet = weir_ready_quiet,
    .move = weir_ready_move,
    .peer = weir_ready_peer,
    .export = do_export,
    .import = do_import,
};

bool epoll_is(const weir_loop *loop)
{
    return loop->ops == &epoll_ops;
}

static int open_descriptors(epoll_loop *loop)
{
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int r = loop->fd < 0 || loop->wake_fd < 0 ? -errno : 0;
    if (r == 0)
        r = epoll_tell(loop, loop->wake_fd, NULL, EPOLL_KIND_WAKE, 0,
                       WEIR_READY_IN | WEIR_READY_WATCHED);
    if (r < 0 && loop->fd >= 0)
        close(loop->fd);
    if (r < 0 && loop->wake_fd >= 0)
        close(loop->wake_fd);
    return r;
}

int weir_loop_new(const weir_loop_options *options, weir_loop **ret)
{
    epoll_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    weir_list_init(&loop->listeners);
    weir_list_init(&loop->watches);
    atomic_init(&loop->stopping, false);
    int r = open_descriptors(loop);
    if (r < 0) {
        free(loop);
        return r;
    }
    r = weir_ready_start(&loop->ready, &epoll_ops, &kernel_sockets, options);
    if (r < 0) {
        close(loop->wake_fd);
        close(loop->fd);
        free(loop);
        return r;
    }
    *ret = &loop->ready.base;
    return 0;
}
