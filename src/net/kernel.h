/* What the loops over the kernel's sockets share (epoll.c, uring.c): the loop, its turn, its
 * listeners, foreign descriptors. Under it, a poller: it waits, and says what is ready. */
#ifndef WEIR_NET_KERNEL_H
#define WEIR_NET_KERNEL_H

#include "net/ready.h"
#include <sys/epoll.h>

/* What the poller is told to look after. */
typedef enum kernel_kind {
    KERNEL_KIND_STREAM,
    KERNEL_KIND_LISTENER,
    KERNEL_KIND_WATCH,
    KERNEL_KIND_WAKE
} kernel_kind;

/* A listener or watch that is closed lives until the bottom of the turn: later events of the batch
 * may name it. */
typedef struct kernel_corpse {
    struct kernel_corpse *next;
} kernel_corpse;

typedef struct kernel_loop kernel_loop;

typedef struct kernel_poller {
    const char *name;
    const weir_socket_ops *socket;
    /* `old` and `now` are bits of ready.h; registers, changes or unregisters. -errno. */
    int (*tell)(kernel_loop *loop, int fd, void *object, kernel_kind kind, unsigned old,
                unsigned now);
    void (*begin)(kernel_loop *loop); /* run begins, on the loop's thread; may be NULL */
    void (*end)(kernel_loop *loop);   /* run ends; may be NULL */
    /* Something may be there already, so that nothing is to be waited for; may be NULL. */
    bool (*has_events)(kernel_loop *loop);
    /* Blocks for at most `timeout` (0: not at all; WEIR_TIME_NEVER) until something is ready. */
    void (*wait)(kernel_loop *loop, weir_time timeout);
    /* Hands out what is ready, by kernel_event. */
    void (*dispatch)(kernel_loop *loop);
    void (*destroy)(kernel_loop *loop); /* its own parts, when nobody is registered any more */
} kernel_poller;

struct kernel_loop {
    weir_ready_loop ready;
    const kernel_poller *poller;
    int refusal; /* why io_uring was not taken: 0 or -errno */
    int wake_fd;
    unsigned accepted; /* connections in this turn */
    atomic_bool stopping;
    weir_list listeners;
    weir_list watches;
    kernel_corpse *corpses;
};

static inline kernel_loop *kernel_loop_of(weir_loop *loop)
{
    return (kernel_loop *)(void *)loop;
}

/* For pollers, in zeroed memory that begins with a kernel_loop. On failure it is the caller's. */
WEIR_MUST_CHECK int kernel_loop_start(kernel_loop *loop, const kernel_poller *poller,
                                      const weir_loop_options *options);
int epoll_loop_new(const weir_loop_options *options, kernel_loop **ret);
/* -ENOSYS, -EPERM: io_uring is not to be had here; -EINVAL: it is too old. */
int uring_loop_new(const weir_loop_options *options, kernel_loop **ret);
void kernel_event(kernel_loop *loop, void *object, kernel_kind kind, unsigned events);

static inline int kernel_tell(kernel_loop *loop, int fd, void *object, kernel_kind kind,
                              unsigned old, unsigned now)
{
    return loop->poller->tell(loop, fd, object, kind, old, now);
}

/* The fd is closed; `corpse` begins the object. */
void kernel_bury(kernel_loop *loop, kernel_corpse *corpse);
bool kernel_is(const weir_loop *loop);

int kernel_listen(weir_loop *loop, const char *address, bool shared, weir_listener **ret);
void kernel_listener_close(weir_listener *listener);
int kernel_listener_import(weir_loop *loop, int fd, weir_listener **ret);
int kernel_listener_share(const weir_listener *listener, int *ret_fd);
int kernel_listener_pause(weir_listener *listener, bool paused);
void kernel_listener_event(void *object);
void kernel_listeners_free(kernel_loop *loop);
/* Options of each TCP connection; set on a listener, they are inherited. */
void kernel_set_tcp_options(int fd, int family);

void kernel_watch_event(void *object, unsigned events);
void kernel_watches_free(kernel_loop *loop);

/* Descriptors under one epoll descriptor. */
enum { EPOLL_BATCH = 64 };

typedef struct epoll_set {
    struct epoll_event batch[EPOLL_BATCH]; /* of this turn */
    int count;
    int fd;
} epoll_set;

WEIR_MUST_CHECK int epoll_set_open(epoll_set *set);
/* As kernel_poller.tell. */
int epoll_set_tell(epoll_set *set, int fd, void *object, kernel_kind kind, unsigned old,
                   unsigned now);
void epoll_set_wait(epoll_set *set, int timeout_ms);
void epoll_set_dispatch(epoll_set *set, kernel_loop *loop);

/* The parts of weir_socket_ops that are plain system calls (socket.c). */
ssize_t kernel_recv(weir_loop *loop, int fd, void *buf, size_t len);
ssize_t kernel_send(weir_loop *loop, int fd, const struct iovec *iov, int count);
void kernel_shutdown(weir_loop *loop, int fd);
void kernel_close(weir_loop *loop, int fd);
int kernel_error(weir_loop *loop, int fd);
bool kernel_quiet(weir_loop *loop, int fd);
bool kernel_hung_up(weir_loop *loop, int fd);

#endif
