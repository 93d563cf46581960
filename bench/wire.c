/* See wire.h. */
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void wire_fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            errno ? strerror(errno) : "unexpected");
    exit(1);
}

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t wire_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wire_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int wire_connect(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        wire_fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void wire_send(int fd, const void *bytes, size_t len)
{
    if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        wire_fail("send");
}

void wire_put(wire_message *m, const void *bytes, size_t len)
{
    if (len > sizeof(m->data) - m->len)
        wire_fail("a message too long for its buffer");
    memcpy(m->data + m->len, bytes, len);
    m->len += len;
}

void wire_put_u16(wire_message *m, unsigned v)
{
    uint16_t n = htons((uint16_t)v);
    wire_put(m, &n, sizeof(n));
}

void wire_put_u32(wire_message *m, uint32_t v)
{
    uint32_t n = htonl(v);
    wire_put(m, &n, sizeof(n));
}

void wire_put_text(wire_message *m, const char *text)
{
    wire_put(m, text, strlen(text) + 1);
}

size_t wire_begin(wire_message *m, uint8_t type)
{
    if (type)
        wire_put(m, &type, 1);
    size_t at = m->len;
    wire_put_u32(m, 0);
    return at;
}

void wire_end(wire_message *m, size_t at)
{
    uint32_t n = htonl((uint32_t)(m->len - at));
    memcpy(m->data + at, &n, sizeof(n));
}

size_t wire_whole(const uint8_t *bytes, size_t len)
{
    uint32_t n;
    if (len < 5)
        return 0;
    memcpy(&n, bytes + 1, sizeof(n));
    size_t size = (size_t)ntohl(n) + 1;
    return size <= len ? size : 0;
}

void wire_await(int fd, uint8_t type)
{
    uint8_t in[16384];
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, in + len, sizeof(in) - len, 0);
        if (n <= 0)
            wire_fail("the server ended the connection");
        len += (size_t)n;
        size_t pos = 0;
        for (size_t size; (size = wire_whole(in + pos, len - pos)); pos += size) {
            if (in[pos] == 'E')
                wire_fail("the server answered with an error");
            if (in[pos] == type && pos + size == len)
                return;
        }
        memmove(in, in + pos, len - pos);
        len -= pos;
    }
}

void wire_login(int fd, const char *user, const char *database)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 0);
    wire_put_u32(&m, 196608);
    wire_put_text(&m, "user");
    wire_put_text(&m, user);
    wire_put_text(&m, "database");
    wire_put_text(&m, database);
    wire_put(&m, "", 1);
    wire_end(&m, at);
    wire_send(fd, m.data, m.len);
    wire_await(fd, 'Z');
}
