/* Listeners over the kernel. Out of descriptors or memory, a listener is not looked at for
 * 100 ms (clients wait in the kernel's backlog), instead of being told without end that somebody
 * knocks. */
#include "net/kernel.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPT_LEAST = 4, BACKLOG = 1024 };

static const weir_time RETRY_AFTER = 100 * WEIR_MS;

typedef struct kernel_listener {
    kernel_corpse corpse; /* first: freed as such */
    weir_listener base;
    weir_list link;
    weir_timer retry;
    int fd; /* -1: closed */
    ino_t inode;
    bool told;   /* registered with the poller */
    bool paused; /* another process accepts */
} kernel_listener;

static kernel_listener *listener_of(weir_listener *listener)
{
    return WEIR_CONTAINER_OF(listener, kernel_listener, base);
}

static int tell(kernel_listener *l, bool on)
{
    unsigned all = WEIR_READY_IN | WEIR_READY_WATCHED;
    if (on == l->told)
        return 0;
    int r = kernel_tell(kernel_loop_of(l->base.loop), l->fd, l, KERNEL_KIND_LISTENER, on ? 0 : all,
                        on ? all : 0);
    if (r == 0)
        l->told = on;
    return r;
}

/* ---- accepting ---- */

static void retry(weir_timer *timer, weir_loop *loop)
{
    kernel_listener *l = WEIR_CONTAINER_OF(timer, kernel_listener, retry);
    if (tell(l, true) < 0)
        weir_timer_arm(loop, timer, loop->now + RETRY_AFTER);
}

static void refuse(kernel_listener *l, int error)
{
    if (tell(l, false) == 0)
        weir_timer_arm(l->base.loop, &l->retry, l->base.loop->now + RETRY_AFTER);
    if (l->base.handler->on_refused)
        l->base.handler->on_refused(&l->base, error);
}

static int adopt(kernel_listener *l, int fd, const struct sockaddr_storage *address)
{
    weir_peer peer;
    weir_peer_set(&peer, address);
    weir_ready_stream *s = NULL;
    kernel_loop *loop = kernel_loop_of(l->base.loop);
    int r = weir_ready_stream_new(&loop->ready, fd, WEIR_READY_OPEN, &peer, &s);
    if (r < 0) {
        close(fd);
        return r;
    }
    weir_ready_accepted(&l->base, s);
    return 0;
}

/* Errors of the one connection that was lost while it waited, as against our own shortages. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Who waits longer than this turn is told of again in the next: connections that are there already
 * are served in between. Each listener gets some, whatever storms at the others. */
static unsigned share_of_turn(const kernel_loop *loop)
{
    unsigned left =
        loop->accepted < WEIR_ACCEPTS_PER_TURN ? WEIR_ACCEPTS_PER_TURN - loop->accepted : 0;
    return left > ACCEPT_LEAST ? left : ACCEPT_LEAST;
}

void kernel_listener_event(void *object)
{
    kernel_listener *l = object;
    kernel_loop *loop = kernel_loop_of(l->base.loop);
    for (unsigned n = share_of_turn(loop); n > 0 && l->fd >= 0 && !l->paused; n--) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(address);
        int fd = accept4(l->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        int r = fd < 0 ? -errno : adopt(l, fd, &address);
        loop->accepted++;
        if (r < 0 && (fd >= 0 || is_shortage(-r))) {
            refuse(l, r);
            return;
        }
    }
}

/* ---- UNIX socket files ---- */

/* A socket file that nobody answers on is what a killed process left. */
static bool is_stale(const struct sockaddr_storage *address, socklen_t len)
{
    struct stat st;
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
    if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)address, len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_path(int fd, const struct sockaddr_storage *address, socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
    if (bind(fd, (const struct sockaddr *)address, len) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    if (!is_stale(address, len))
        return -EADDRINUSE;
    if (unlink(un->sun_path) < 0 && errno != ENOENT)
        return -errno;
    return bind(fd, (const struct sockaddr *)address, len) < 0 ? -errno : 0;
}

/* Only if it is still ours: a successor may have put its own in the place. */
static void remove_path(const kernel_listener *l)
{
    struct stat st;
    if (!l->paused && l->inode != 0 && lstat(l->base.address, &st) == 0 && st.st_ino == l->inode)
        (void)unlink(l->base.address);
}

/* ---- listening ---- */

static int bind_and_listen(int fd, const struct sockaddr_storage *address, socklen_t len,
                           bool shared)
{
    int on = 1;
    int r = 0;
    if (address->ss_family == AF_UNIX) {
        r = bind_path(fd, address, len);
    } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
               (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
               (address->ss_family == AF_INET6 &&
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
               bind(fd, (const struct sockaddr *)address, len) < 0) {
        r = -errno;
    }
    kernel_set_tcp_options(fd, address->ss_family); /* accepted sockets inherit them (Linux) */
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

/* What is listened on in the end, the port included. */
static int learn_address(kernel_listener *l)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    struct stat st;
    if (getsockname(l->fd, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    weir_address_format(&address, l->base.address);
    if (address.ss_family == AF_UNIX && lstat(l->base.address, &st) == 0)
        l->inode = st.st_ino;
    return 0;
}

static int open_socket(const char *text, bool shared, int *ret_fd)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    int r = weir_address_parse(text, &address, &len);
    if (r < 0)
        return r;
    if (shared && address.ss_family == AF_UNIX)
        return -EINVAL;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = bind_and_listen(fd, &address, len, shared);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int listener_new(weir_loop *loop, int fd, bool paused, weir_listener **ret)
{
    kernel_listener *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->base.loop = loop;
    l->fd = fd;
    l->paused = paused;
    weir_timer_init(&l->retry, retry);
    int r = learn_address(l);
    if (r == 0 && !paused)
        r = tell(l, true);
    if (r < 0) {
        free(l);
        return r;
    }
    weir_list_push_back(&kernel_loop_of(loop)->listeners, &l->link);
    *ret = &l->base;
    return 0;
}

int kernel_listen(weir_loop *loop, const char *address, bool shared, weir_listener **ret)
{
    int fd = -1;
    int r = open_socket(address, shared, &fd);
    if (r < 0)
        return r;
    r = listener_new(loop, fd, false, ret);
    if (r < 0) {
        const char *path = weir_address_path(address);
        if (path)
            (void)unlink(path); /* it was made just now */
        close(fd);
    }
    return r;
}

/* ---- in two processes ---- */

int kernel_listener_import(weir_loop *loop, int fd, weir_listener **ret)
{
    int listens = 0, flags = fcntl(fd, F_GETFL);
    socklen_t len = sizeof(listens);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
        return -errno;
    return listens ? listener_new(loop, fd, true, ret) : -EINVAL;
}

int kernel_listener_share(const weir_listener *listener, int *ret_fd)
{
    const kernel_listener *l = listener_of((weir_listener *)(uintptr_t)listener);
    int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int kernel_listener_pause(weir_listener *listener, bool paused)
{
    kernel_listener *l = listener_of(listener);
    int r = tell(l, !paused);
    if (r < 0)
        return r;
    weir_timer_disarm(listener->loop, &l->retry);
    l->paused = paused;
    return 0;
}

void kernel_listener_close(weir_listener *listener)
{
    kernel_listener *l = listener_of(listener);
    weir_timer_disarm(listener->loop, &l->retry);
    weir_list_remove(&l->link);
    remove_path(l);
    close(l->fd);
    l->fd = -1;
    kernel_bury(kernel_loop_of(listener->loop), &l->corpse);
}

void kernel_listeners_free(kernel_loop *loop)
{
    weir_list *link;
    while ((link = weir_list_first(&loop->listeners)))
        kernel_listener_close(&WEIR_CONTAINER_OF(link, kernel_listener, link)->base);
}
