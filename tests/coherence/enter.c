/* How a client comes in: it connects, logs in, and where it goes around the gateways, finds out
 * which of the servers is the primary (coherence.h). Nothing here waits. */
#include "coherence.h"
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AGAIN_MS = 50 };

void client_retry(client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->in_len = 0;
    c->open_at = wire_now() + AGAIN_MS * INT64_C(1000000);
    if (c->way == AROUND && w.servers[1] != 0)
        c->server = !c->server;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void begin(client *c)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    wire_message m = {.len = 0};
    c->fd = connect_to(c->way == AROUND ? w.servers[c->server] : w.ports[c->way]);
    if (c->fd < 0 && !*w.disturbances)
        fail("client %d cannot connect: %s", c->number, strerror(errno));
    if (c->fd < 0) {
        client_retry(c);
        return;
    }
    size_t at = wire_begin(&m, 0);
    wire_put_u32(&m, 196608);
    wire_put_text(&m, "user");
    wire_put_text(&m, c->way == AROUND ? w.login : w.user);
    wire_put_text(&m, "database");
    wire_put_text(&m, w.database);
    wire_put(&m, "", 1);
    wire_end(&m, at);
    if (epoll_ctl(w.epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
        fail("client %d: %s", c->number, strerror(errno));
    if (send(c->fd, m.data, m.len, MSG_NOSIGNAL) != (ssize_t)m.len)
        client_retry(c);
}

void client_enter(client *c)
{
    c->fd = -1;
    c->in_len = c->named_count = 0;
    c->busy = c->entering = c->fresh = true;
    c->standby = false;
    c->status = 'I';
    if (!c->in) {
        c->in_size = 1 << 16;
        c->in = malloc(c->in_size);
    }
    if (!c->in)
        fail("out of memory");
    begin(c);
}

void client_tick(client *c)
{
    if (c->entering && c->fd < 0 && wire_now() >= c->open_at)
        begin(c);
}

void client_on_entering(client *c, uint8_t type, const uint8_t *body)
{
    const char *name = (const char *)body;
    if (type == 'S' && strcmp(name, "in_hot_standby") == 0)
        c->standby = strcmp(name + strlen(name) + 1, "on") == 0;
    if (type == 'E' && !*w.disturbances)
        fail("client %d may not log in: %s", c->number, name);
    if (type == 'E' || (type == 'Z' && c->standby && c->way == AROUND)) {
        client_retry(c);
    } else if (type == 'Z') {
        c->entering = c->busy = false;
        c->count = 0;
    }
}
