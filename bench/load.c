/* Clients that ask for one key after the other, each with so many requests under way: a cheap load
 * generator, so that what is measured is the server. The same program for PostgreSQL's protocols
 * and for Redis's (talk.h).
 *
 * usage: load [-l simple|extended|resp] [-c CLIENTS] [-d DEPTH] [-k KEYS] [-z THETA] [-w WRITES]
 *             [-s SECONDS | -n REQUESTS] [-u USER] [-b DATABASE] PORT [SQL [WRITE-SQL]]
 * THETA: Zipf's, else each key alike. WRITES: their share, as 0.01.
 * prints {"rate": requests/s, "p50": µs, "p99": µs, "count": requests} */
#include "keys.h"
#include "talk.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, DEPTH_MAX = 64, BUCKETS = 65536, NS_PER_BUCKET = 1000 };

typedef struct client {
    int fd;
    unsigned oldest, under_way; /* of `sent` */
    int64_t sent[DEPTH_MAX];
    size_t len;
    uint8_t in[65536];
} client;

typedef struct load {
    talk talk;
    const talk_language *language;
    keys keys;
    unsigned port, clients, depth;
    double writes, seconds;
    uint64_t requests; /* 0: until the seconds are over */
    uint64_t asked, count;
    uint64_t latency[BUCKETS]; /* the last one stands for all above */
} load;

/* As many requests as may be under way, in as few sends as fit. */
static void ask(load *l, client *c)
{
    wire_message m = {.len = 0};
    int64_t now = wire_now();
    while (c->under_way < l->depth && (l->requests == 0 || l->asked < l->requests)) {
        bool write = l->writes > 0 && keys_part(&l->keys) < l->writes;
        l->language->ask(&l->talk, &m, keys_next(&l->keys), write);
        c->sent[(c->oldest + c->under_way++) % DEPTH_MAX] = now;
        l->asked++;
        if (m.len > sizeof(m.data) / 2) {
            wire_send(c->fd, m.data, m.len);
            m.len = 0;
        }
    }
    if (m.len > 0)
        wire_send(c->fd, m.data, m.len);
}

static void finished(load *l, client *c, int64_t now)
{
    if (c->under_way == 0)
        wire_fail("more replies than requests");
    int64_t bucket = (now - c->sent[c->oldest]) / NS_PER_BUCKET;
    l->latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    l->count++;
    c->oldest = (c->oldest + 1) % DEPTH_MAX;
    c->under_way--;
}

static void receive(load *l, client *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
    if (n <= 0)
        wire_fail("the server ended the connection");
    c->len += (size_t)n;
    int64_t now = wire_now();
    size_t pos = 0;
    int last = 0;
    for (size_t size; (size = l->language->part(c->in + pos, c->len - pos, &last)); pos += size)
        if (last)
            finished(l, c, now);
    memmove(c->in, c->in + pos, c->len - pos);
    c->len -= pos;
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

static bool over(const load *l, int64_t end)
{
    return l->requests > 0 ? l->count == l->requests : wire_now() >= end;
}

static void run(load *l, client *clients, int64_t end)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < l->clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
            wire_fail("epoll_ctl");
        ask(l, &clients[i]);
    }
    while (!over(l, end)) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(epoll, events, BATCH, 100);
        for (int i = 0; i < n; i++) {
            client *c = events[i].data.ptr;
            receive(l, c);
            ask(l, c);
        }
    }
}

static void read_arguments(load *l, int argc, char **argv)
{
    long count = 1;
    double theta = 0;
    const char *language = "extended";
    for (int option; (option = getopt(argc, argv, "l:c:d:k:z:w:s:n:u:b:")) != -1;) {
        switch (option) {
        case 'l':
            language = optarg;
            break;
        case 'c':
            l->clients = (unsigned)atoi(optarg);
            break;
        case 'd':
            l->depth = (unsigned)atoi(optarg);
            break;
        case 'k':
            count = atol(optarg);
            break;
        case 'z':
            theta = atof(optarg);
            break;
        case 'w':
            l->writes = atof(optarg);
            break;
        case 's':
            l->seconds = atof(optarg);
            break;
        case 'n':
            l->requests = strtoull(optarg, NULL, 10);
            break;
        case 'u':
            l->talk.user = optarg;
            break;
        case 'b':
            l->talk.database = optarg;
            break;
        default:
            wire_fail("usage: see the head of load.c");
        }
    }
    if (optind >= argc || l->clients < 1 || l->depth < 1 || l->depth > DEPTH_MAX || count < 1)
        wire_fail("usage: load [OPTIONS] PORT [SQL [WRITE-SQL]], see the head of load.c");
    l->port = (unsigned)atoi(argv[optind]);
    l->talk.read = optind + 1 < argc ? argv[optind + 1] : "";
    l->talk.write = optind + 2 < argc ? argv[optind + 2] : NULL;
    l->language = talk_find(language);
    keys_init(&l->keys, 1, count, theta);
}

int main(int argc, char **argv)
{
    static load l = {
        .clients = 1, .depth = 1, .seconds = 1, .talk = {.user = "weir", .database = "bench"}};
    read_arguments(&l, argc, argv);
    client *clients = calloc(l.clients, sizeof(*clients));
    if (!clients)
        wire_fail("no memory");
    for (unsigned i = 0; i < l.clients; i++) {
        clients[i].fd = wire_connect(l.port);
        l.language->open(&l.talk, clients[i].fd);
    }
    int64_t start = wire_now();
    run(&l, clients, start + (int64_t)(l.seconds * 1e9));
    double took = (double)(wire_now() - start) / 1e9;
    printf("{\"rate\": %.0f, \"p50\": %.0f, \"p99\": %.0f, \"count\": %llu}\n",
           (double)l.count / took, percentile(&l, 0.5), percentile(&l, 0.99),
           (unsigned long long)l.count);
    free(clients);
    return 0;
}
