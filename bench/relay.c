/* The limit of any proxy in the middle: what comes on one side is written to the other. epoll, read
 * and write, nothing else: no parsing, no pool (one server connection per client), no timers.
 *
 * usage: relay LISTEN_PORT TARGET_PORT     (both on 127.0.0.1; until it is killed)
 *
 * Sockets are blocking: a read follows only on readiness, and a write waits for a slow reader. */
#include "wire.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64 };

typedef struct side {
    int fd;
    struct side *other; /* NULL: the listener */
} side;

static void watch(int epoll, side *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event) < 0)
        wire_fail("epoll_ctl");
}

static void accept_pair(int epoll, int listener, unsigned target)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int one = 1;
    if (fd < 0)
        wire_fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    side *pair = calloc(2, sizeof(*pair));
    if (!pair)
        wire_fail("calloc");
    pair[0] = (side){.fd = fd, .other = &pair[1]};
    pair[1] = (side){.fd = wire_connect(target), .other = &pair[0]};
    watch(epoll, &pair[0]);
    watch(epoll, &pair[1]);
}

/* A pair that ended is shut and forgotten; its memory stays, since an event of the same batch may
 * still name it. */
static void pass(side *s)
{
    static uint8_t buffer[65536];
    if (s->fd < 0)
        return;
    ssize_t n = read(s->fd, buffer, sizeof(buffer));
    if (n > 0 && send(s->other->fd, buffer, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    close(s->fd);
    close(s->other->fd);
    s->fd = s->other->fd = -1;
}

static int listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
        wire_fail("listen");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        wire_fail("usage: relay LISTEN_PORT TARGET_PORT");
    unsigned target = (unsigned)atoi(argv[2]);
    side listener = {.fd = listen_on((unsigned)atoi(argv[1]))};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, &listener);
    for (;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            side *s = events[i].data.ptr;
            if (s->other)
                pass(s);
            else
                accept_pair(epoll, s->fd, target);
        }
    }
}
