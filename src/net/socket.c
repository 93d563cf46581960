/* The kernel's sockets by plain system calls: what the pollers' streams do alike. */
#include "net/kernel.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 15, KEEPALIVE_COUNT = 4 };

ssize_t kernel_recv(weir_loop *loop, int fd, void *buf, size_t len)
{
    (void)loop;
    ssize_t n;
    do
        n = recv(fd, buf, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t kernel_send(weir_loop *loop, int fd, const struct iovec *iov, int count)
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

void kernel_shutdown(weir_loop *loop, int fd)
{
    (void)loop;
    (void)shutdown(fd, SHUT_WR); /* fails if the peer is gone, which reading tells */
}

void kernel_close(weir_loop *loop, int fd)
{
    (void)loop;
    close(fd);
}

int kernel_error(weir_loop *loop, int fd)
{
    (void)loop;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

bool kernel_quiet(weir_loop *loop, int fd)
{
    char byte;
    (void)loop;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool kernel_hung_up(weir_loop *loop, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    (void)loop;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void kernel_set_tcp_options(int fd, int family)
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
