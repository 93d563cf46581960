/* Clients that each prepare one statement and then execute it with a random key, one at a time: a
 * cheap load generator, so that what is measured is the server.
 *
 * usage: load PORT USER DATABASE CLIENTS ROWS SECONDS SQL
 * prints {"rate": queries/s, "p50": µs, "p99": µs, "count": queries} */
#include "wire.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BATCH = 64, BUCKETS = 4096, NS_PER_BUCKET = 4000 };

typedef struct client {
    int fd;
    int64_t sent;
    size_t len;
    uint8_t in[4096];
} client;

typedef struct load {
    long rows;
    uint64_t count;
    uint64_t latency[BUCKETS]; /* the last one stands for all above */
} load;

static void prepare(int fd, const char *sql)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'P');
    wire_put_text(&m, "s");
    wire_put_text(&m, sql);
    wire_put_u16(&m, 0);
    wire_end(&m, at);
    wire_end(&m, wire_begin(&m, 'S'));
    wire_send(fd, m.data, m.len);
    wire_await(fd, 'Z');
}

static void execute(load *l, client *c)
{
    char key[24];
    int len = snprintf(key, sizeof(key), "%ld", 1 + random() % l->rows);
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'B');
    wire_put_text(&m, "");
    wire_put_text(&m, "s");
    wire_put_u16(&m, 0);
    wire_put_u16(&m, 1);
    wire_put_u32(&m, (uint32_t)len);
    wire_put(&m, key, (size_t)len);
    wire_put_u16(&m, 0);
    wire_end(&m, at);
    at = wire_begin(&m, 'E');
    wire_put_text(&m, "");
    wire_put_u32(&m, 0);
    wire_end(&m, at);
    wire_end(&m, wire_begin(&m, 'S'));
    c->sent = wire_now();
    wire_send(c->fd, m.data, m.len);
}

/* True when the answer is complete. */
static bool receive(client *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
    if (n <= 0)
        wire_fail("the server ended the connection");
    c->len += (size_t)n;
    size_t pos = 0;
    bool ready = false;
    for (size_t size; (size = wire_whole(c->in + pos, c->len - pos)); pos += size) {
        if (c->in[pos] == 'E')
            wire_fail("the server answered with an error");
        ready = c->in[pos] == 'Z';
    }
    memmove(c->in, c->in + pos, c->len - pos);
    c->len -= pos;
    return ready;
}

static void finished(load *l, const client *c)
{
    int64_t bucket = (wire_now() - c->sent) / NS_PER_BUCKET;
    l->latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    l->count++;
}

/* In microseconds: the upper end of the bucket in which it lies. */
static double percentile(const load *l, double part)
{
    uint64_t seen = 0;
    size_t i = 0;
    while (i < BUCKETS - 1 && (double)(seen += l->latency[i]) < part * (double)l->count)
        i++;
    return (double)((i + 1) * NS_PER_BUCKET) / 1e3;
}

static void run(load *l, client *clients, unsigned count, int64_t end)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
            wire_fail("epoll_ctl");
        execute(l, &clients[i]);
    }
    while (wire_now() < end) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, 100);
        for (int i = 0; i < n; i++) {
            client *c = events[i].data.ptr;
            if (!receive(c))
                continue;
            finished(l, c);
            execute(l, c);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 8)
        wire_fail("usage: load PORT USER DATABASE CLIENTS ROWS SECONDS SQL");
    unsigned count = (unsigned)atoi(argv[4]);
    double seconds = atof(argv[6]);
    static load l;
    l.rows = atol(argv[5]);
    client *clients = calloc(count ? count : 1, sizeof(*clients));
    if (!clients || l.rows < 1)
        wire_fail("nothing to do");
    for (unsigned i = 0; i < count; i++) {
        clients[i].fd = wire_connect((unsigned)atoi(argv[1]));
        wire_login(clients[i].fd, argv[2], argv[3]);
        prepare(clients[i].fd, argv[7]);
    }
    int64_t start = wire_now();
    run(&l, clients, count, start + (int64_t)(seconds * 1e9));
    double took = (double)(wire_now() - start) / 1e9;
    printf("{\"rate\": %.0f, \"p50\": %.0f, \"p99\": %.0f, \"count\": %llu}\n",
           (double)l.count / took, percentile(&l, 0.5), percentile(&l, 0.99),
           (unsigned long long)l.count);
    free(clients);
    return 0;
}
