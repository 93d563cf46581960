/* What the loops over the kernel's sockets share: clocks, connecting, waking, and the order of a
 * turn. How readiness is learnt is the poller's: epoll.c, uring.c. */
#include "net/kernel.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

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

/* ---- connecting, handing over ---- */

static int new_stream(weir_loop *base, int fd, weir_ready_state state,
                      const struct sockaddr_storage *address, weir_stream **ret)
{
    kernel_loop *loop = kernel_loop_of(base);
    weir_peer peer;
    weir_peer_set(&peer, address);
    kernel_set_tcp_options(fd, address->ss_family);
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

static int do_peer_uid(const weir_stream *stream, uint32_t *ret)
{
    const weir_ready_stream *s = (const weir_ready_stream *)(const void *)stream;
    struct ucred who;
    socklen_t len = sizeof(who);
    if (s->peer.family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return -errno;
    *ret = who.uid;
    return 0;
}

static int do_export(weir_stream *stream, int *ret_fd)
{
    weir_ready_stream *s = weir_ready_of(stream);
    if (s->state != WEIR_READY_OPEN || s->kept || s->base.queued > 0 || s->ended || s->finishing)
        return -EBUSY;
    unsigned interest = s->interest;
    weir_ready_leave(s);
    if (s->state != WEIR_READY_OPEN)
        return -EBUSY;
    if (s->unread) { /* came just now */
        weir_ready_interest(s, interest, 0);
        weir_ready_later(s, WEIR_DUE_READ);
        return -EBUSY;
    }
    *ret_fd = s->fd;
    s->fd = -1;
    s->base.handler = NULL;
    weir_ready_gone(s, 0);
    return 0;
}

/* ---- the loop ---- */

void kernel_bury(kernel_loop *loop, kernel_corpse *corpse)
{
    corpse->next = loop->corpses;
    loop->corpses = corpse;
}

static void free_corpses(kernel_loop *loop)
{
    while (loop->corpses) {
        kernel_corpse *corpse = loop->corpses;
        loop->corpses = corpse->next;
        free(corpse);
    }
}

static void wake(kernel_loop *loop)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(loop->wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR); /* EAGAIN: it is awake with a vengeance */
}

static void post(weir_loop *base, weir_task *task)
{
    kernel_loop *loop = kernel_loop_of(base);
    if (weir_mailbox_push(&loop->ready.mailbox, task))
        wake(loop);
}

static void stop(weir_loop *base)
{
    kernel_loop *loop = kernel_loop_of(base);
    atomic_store(&loop->stopping, true);
    if (weir_mailbox_rouse(&loop->ready.mailbox))
        wake(loop);
}

static void timer_changed(weir_loop *loop)
{
    (void)loop; /* only the loop's own thread arms, and that is awake */
}

void kernel_event(kernel_loop *loop, void *object, kernel_kind kind, unsigned events)
{
    switch (kind) {
    case KERNEL_KIND_STREAM:
        weir_ready_stream_event(object, events);
        break;
    case KERNEL_KIND_LISTENER:
        kernel_listener_event(object);
        break;
    case KERNEL_KIND_WATCH:
        kernel_watch_event(object, events);
        break;
    case KERNEL_KIND_WAKE:
        break;
    }
    if (!loop->poller->socket->sends_at_wait)
        weir_ready_flush_dirty(&loop->ready);
}

/* How long to block; 0: there is something to do. */
static weir_time timeout(kernel_loop *loop)
{
    if (weir_ready_has_work(&loop->ready) ||
        (loop->poller->has_events && loop->poller->has_events(loop)))
        return 0;
    weir_time at = weir_loop_deadline(&loop->ready.base);
    if (at == WEIR_TIME_NEVER)
        return at;
    weir_time left = at - monotonic(NULL);
    return left > 0 ? left : 0;
}

static void wait_for_events(kernel_loop *loop)
{
    const weir_loop_options *options = &loop->ready.base.options;
    weir_time time = timeout(loop);
    if (time == 0 || !weir_mailbox_try_sleep(&loop->ready.mailbox)) {
        loop->poller->wait(loop, 0);
        return;
    }
    if (options->on_sleep)
        options->on_sleep(options->user, &loop->ready.base, 1);
    /* Looked at after "sleeping" was set, as stop sets it before looking at that. */
    loop->poller->wait(loop, atomic_load(&loop->stopping) ? 0 : time);
    weir_mailbox_woke(&loop->ready.mailbox);
    if (options->on_sleep)
        options->on_sleep(options->user, &loop->ready.base, 0);
}

static void run(weir_loop *base)
{
    kernel_loop *loop = kernel_loop_of(base);
    if (base->options.name)
        (void)pthread_setname_np(pthread_self(), base->options.name); /* for people only */
    base->now = monotonic(base);
    weir_ready_flush_dirty(&loop->ready); /* what was written before the loop ran */
    if (loop->poller->begin)
        loop->poller->begin(loop);
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
        wait_for_events(loop);
        base->now = monotonic(base);
        loop->accepted = 0;
        loop->poller->dispatch(loop);
        weir_ready_bottom(&loop->ready);
        free_corpses(loop);
    }
    if (loop->poller->end)
        loop->poller->end(loop);
    atomic_store(&loop->stopping, false);
}

static void drop_tasks(weir_loop *base)
{
    weir_ready_drop_tasks(&kernel_loop_of(base)->ready);
}

static void destroy(weir_loop *base)
{
    kernel_loop *loop = kernel_loop_of(base);
    kernel_listeners_free(loop);
    kernel_watches_free(loop);
    weir_ready_end(&loop->ready);
    free_corpses(loop);
    loop->poller->destroy(loop);
    close(loop->wake_fd);
    free(loop);
}

static const weir_loop_ops kernel_ops = {
    .run = run,
    .stop = stop,
    .destroy = destroy,
    .drop_tasks = drop_tasks,
    .clock = monotonic,
    .wall_ns = wall,
    .random = random_bytes,
    .post = post,
    .timer_changed = timer_changed,
    .connect = do_connect,
    .listen = kernel_listen,
    .listener_close = kernel_listener_close,
    .write = weir_ready_write,
    .pause = weir_ready_pause,
    .resume = weir_ready_resume,
    .close = weir_ready_close,
    .finish = weir_ready_finish,
    .quiet = weir_ready_quiet,
    .hung_up = weir_ready_hung_up,
    .move = weir_ready_move,
    .peer = weir_ready_peer,
    .export = do_export,
    .peer_uid = do_peer_uid,
    .import = do_import,
    .take_kept = weir_ready_take_kept,
    .put_kept = weir_ready_put_kept,
    .listener_import = kernel_listener_import,
    .listener_share = kernel_listener_share,
    .listener_pause = kernel_listener_pause,
};

bool kernel_is(const weir_loop *loop)
{
    return loop->ops == &kernel_ops;
}

int kernel_loop_start(kernel_loop *loop, const kernel_poller *poller,
                      const weir_loop_options *options)
{
    loop->poller = poller;
    weir_list_init(&loop->listeners);
    weir_list_init(&loop->watches);
    atomic_init(&loop->stopping, false);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return -errno;
    int r = kernel_tell(loop, loop->wake_fd, NULL, KERNEL_KIND_WAKE, 0,
                        WEIR_READY_IN | WEIR_READY_WATCHED);
    if (r == 0)
        r = weir_ready_start(&loop->ready, &kernel_ops, poller->socket, options);
    if (r < 0)
        close(loop->wake_fd);
    return r;
}

int weir_loop_new(const weir_loop_options *options, weir_loop **ret)
{
    kernel_loop *loop = NULL;
    int refusal = 0;
    int r = -ENOSYS;
    if (options->kind != WEIR_LOOP_EPOLL)
        r = refusal = uring_loop_new(options, &loop);
    if (r < 0 && options->kind != WEIR_LOOP_URING)
        r = epoll_loop_new(options, &loop);
    if (r < 0)
        return r;
    loop->refusal = refusal;
    *ret = &loop->ready.base;
    return 0;
}

const char *weir_loop_name(const weir_loop *loop)
{
    return kernel_is(loop) ? ((const kernel_loop *)(const void *)loop)->poller->name : "simulator";
}

int weir_loop_refusal(const weir_loop *loop)
{
    return kernel_is(loop) ? ((const kernel_loop *)(const void *)loop)->refusal : 0;
}
