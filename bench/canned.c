/* A server that answers every query with the same row without looking at it: what PostgreSQL's
 * protocol over a loopback costs at least. One thread, epoll; one receive and one send for all that
 * has arrived.
 *
 * usage: canned PORT VALUE */
#include "wire.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, IN_SIZE = 65536, OUT_SIZE = 1 << 20 };

typedef struct session {
    int fd;
    bool logged_in;
    size_t len;
    uint8_t in[IN_SIZE];
} session;

/* What is answered to each type of message. */
typedef struct canned {
    int epoll, listener;
    wire_message login, row_description, row, ready, bind, parse;
    size_t out_len;
    uint8_t out[OUT_SIZE];
} canned;

static void put(canned *s, const wire_message *m)
{
    if (s->out_len + m->len > sizeof(s->out))
        wire_fail("a client that sends more than it reads");
    memcpy(s->out + s->out_len, m->data, m->len);
    s->out_len += m->len;
}

static void make_message(wire_message *m, uint8_t type, const void *body, size_t len)
{
    size_t at = wire_begin(m, type);
    wire_put(m, body, len);
    wire_end(m, at);
}

static void make_replies(canned *s, const char *value)
{
    static const uint8_t column[] = {0, 1, 'v', 0,    0,    0,    0,    0,    0,    0, 0,
                                     0, 0, 25,  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0};
    make_message(&s->login, 'R', "\0\0\0", 4);
    make_message(&s->login, 'Z', "I", 1);
    make_message(&s->row_description, 'T', column, sizeof(column));
    size_t at = wire_begin(&s->row, 'D');
    wire_put_u16(&s->row, 1);
    wire_put_u32(&s->row, (uint32_t)strlen(value));
    wire_put(&s->row, value, strlen(value));
    wire_end(&s->row, at);
    make_message(&s->row, 'C', "SELECT 1", 9);
    make_message(&s->ready, 'Z', "I", 1);
    make_message(&s->parse, '1', "", 0);
    make_message(&s->bind, '2', "", 0);
}

static void answer(canned *s, uint8_t type)
{
    switch (type) {
    case 'Q':
        put(s, &s->row_description);
        put(s, &s->row);
        put(s, &s->ready);
        break;
    case 'P':
        put(s, &s->parse);
        break;
    case 'B':
        put(s, &s->bind);
        break;
    case 'D':
        put(s, &s->row_description);
        break;
    case 'E':
        put(s, &s->row);
        break;
    case 'S':
        put(s, &s->ready);
        break;
    default:
        break;
    }
}

/* The startup packet has no type; whatever it says is welcome. */
static size_t greet(canned *s, session *c)
{
    uint32_t size;
    if (c->len < sizeof(size))
        return 0;
    memcpy(&size, c->in, sizeof(size));
    size = ntohl(size);
    if (size > c->len)
        return 0;
    c->logged_in = true;
    put(s, &s->login);
    return size;
}

static void leave(session *c)
{
    close(c->fd);
    free(c);
}

static void serve(canned *s, session *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
    if (n <= 0) {
        leave(c);
        return;
    }
    c->len += (size_t)n;
    s->out_len = 0;
    size_t pos = c->logged_in ? 0 : greet(s, c);
    for (size_t size; c->logged_in && (size = wire_whole(c->in + pos, c->len - pos)); pos += size)
        answer(s, c->in[pos]);
    memmove(c->in, c->in + pos, c->len - pos);
    c->len -= pos;
    /* A client that ends its run leaves with answers under way. */
    if (s->out_len > 0 && send(c->fd, s->out, s->out_len, MSG_NOSIGNAL) != (ssize_t)s->out_len)
        leave(c);
}

static void welcome(canned *s)
{
    int one = 1;
    session *c = calloc(1, sizeof(*c));
    if (!c)
        wire_fail("no memory");
    c->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (c->fd < 0)
        wire_fail("accept");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        wire_fail("epoll_ctl");
}

static void listen_on(canned *s, unsigned port)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bind(s->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(s->listener, 128) < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) < 0)
        wire_fail("listen");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        wire_fail("usage: canned PORT VALUE");
    static canned s;
    make_replies(&s, argv[2]);
    listen_on(&s, (unsigned)atoi(argv[1]));
    for (;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(s.epoll, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                serve(&s, events[i].data.ptr);
            else
                welcome(&s);
        }
    }
}
