/* The epoll loop's own parts, shared by its files: the loop, its listeners, foreign descriptors. */
#ifndef WEIR_NET_EPOLL_H
#define WEIR_NET_EPOLL_H

#include "net/ready.h"
#include <sys/epoll.h>

/* What an epoll event points to, in the low bits of its pointer. */
typedef enum epoll_kind {
    EPOLL_KIND_STREAM,
    EPOLL_KIND_LISTENER,
    EPOLL_KIND_WATCH,
    EPOLL_KIND_WAKE
} epoll_kind;

/* A listener or watch that is closed lives until the bottom of the turn: later events of the batch
 * may name it. */
typedef struct epoll_corpse {
    struct epoll_corpse *next;
} epoll_corpse;

enum { EPOLL_BATCH = 64 };

typedef struct epoll_loop {
    weir_ready_loop ready;
    struct epoll_event batch[EPOLL_BATCH]; /* of this turn */
    int fd;
    int wake_fd;
    atomic_bool stopping;
    weir_list listeners;
    weir_list watches;
    epoll_corpse *corpses;
} epoll_loop;

static inline epoll_loop *epoll_loop_of(weir_loop *loop)
{
    return (epoll_loop *)(void *)loop;
}

/* `old` and `now` are bits of ready.h; registers, changes or unregisters. -errno. */
int epoll_tell(epoll_loop *loop, int fd, void *object, epoll_kind kind, unsigned old, unsigned now);
/* The fd is closed; `corpse` begins the object. */
void epoll_bury(epoll_loop *loop, epoll_corpse *corpse);
bool epoll_is(const weir_loop *loop);

int epoll_listen(weir_loop *loop, const char *address, bool shared, weir_listener **ret);
void epoll_listener_close(weir_listener *listener);
void epoll_listener_event(void *object);
void epoll_listeners_free(epoll_loop *loop);
/* Options of each TCP connection; set on a listener, they are inherited. */
void epoll_set_tcp_options(int fd, int family);

void epoll_watch_event(void *object, unsigned events);
void epoll_watches_free(epoll_loop *loop);

#endif
