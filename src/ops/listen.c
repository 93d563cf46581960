/* Makes the socket ourselves, so that addresses, port 0 and errors are as everywhere in Weir. */
#include "ops/listen.h"
#include "base/slice.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

static bool is_loopback(const struct sockaddr *sa)
{
    /* getaddrinfo filled it; NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

/* Host and port of "host:port"; the host of "[v6]:port" and "*:port" (empty: every address). */
static int split(const char *address, char *host, size_t size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || colon[1] == '\0')
        return -EINVAL;
    weir_slice s = weir_slice_make(address, (size_t)(colon - address));
    if (s.len >= 2 && s.data[0] == '[' && s.data[s.len - 1] == ']')
        s = weir_slice_make(s.data + 1, s.len - 2);
    if (weir_slice_eq_cstr(s, "*"))
        s.len = 0;
    if (s.len >= size)
        return -EINVAL;
    memcpy(host, s.data, s.len);
    host[s.len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int say_address(ops_socket *s)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[48], port[8];
    struct sockaddr *sa = (struct sockaddr *)(void *)&at;
    if (getsockname(s->fd, sa, &len) < 0)
        return -errno;
    s->loopback = is_loopback(sa);
    if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    (void)snprintf(s->address, sizeof(s->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
                   port);
    return 0;
}

static int open_socket(const struct addrinfo *ai, ops_socket *ret)
{
    const int on = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ret->fd = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
    if (r == 0)
        r = say_address(ret);
    if (r < 0)
        (void)close(fd);
    return r;
}

int ops_listen(const char *address, ops_socket *ret, weir_error *err)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int r = split(address, host, sizeof(host), &port);
    if (r == 0 && getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0)
        r = -EINVAL;
    if (r < 0) {
        weir_error_set(err, "58000", "weir: admin.listen %.100s is no address to listen on",
                       address);
        weir_error_hint(err, "It is HOST:PORT, for example 127.0.0.1:8432; off switches it off.");
        return r;
    }
    r = open_socket(found, ret);
    freeaddrinfo(found);
    if (r == 0)
        return 0;
    weir_error_set(err, "58000", "weir: cannot listen for admin HTTP on %.100s: %s", address,
                   r == -EADDRINUSE ? "address in use" : strerror(-r));
    weir_error_hint(err, "Choose another with --admin HOST:PORT (port 0 picks a free one), or "
                         "switch it off with --admin off.");
    return r;
}

int ops_listen_inherit(int fd, ops_socket *ret, weir_error *err)
{
    ret->fd = fd;
    int r = say_address(ret);
    if (r == 0)
        return 0;
    (void)close(fd);
    ret->fd = -1;
    weir_error_set(err, "58000", "weir: the admin HTTP socket that was taken over is not usable");
    return r;
}
