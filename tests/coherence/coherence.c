/* The coherence checker: readers and writers through two gateways and around them, on a PostgreSQL
 * server. Ends with what was seen and exits 1 when a read was wrong.
 *
 *   coherence PORT_A PORT_B SERVER_PORT USER LOGIN DATABASE OPERATIONS SEED BOUND_MS [EMPHASIS]
 *
 * USER is the clients' name at the gateways, LOGIN the role of those that go around. A seed gives
 * each client the same choices; what runs beside what is the machine's. */
#include "coherence.h"
#include "wire.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 64, RESTS = 5, HANGS_AFTER_MS = 60000, FAULTS_MAX = 20, SWITCH_EVERY_MS = 5000 };

world w;
static int64_t switch_at, disturb_at;

static bool is_emphasis(const char *word)
{
    return strcmp(w.emphasis, word) == 0;
}

void client_wait(client *c)
{
    int64_t until = wire_now() + HANGS_AFTER_MS * INT64_C(1000000);
    while (c->busy) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 1000) > 0)
            client_on_event(c);
        if (wire_now() > until)
            fail("client %d hangs: %s", c->number, c->st[0].sql);
    }
}

/* They do nothing else: else they could wait for a lock that something prepared holds. */
static bool is_completer(const client *c)
{
    return c->number % 16 == 0;
}

static bool begin(client *c)
{
    c->step = 0;
    c->how = (enum how)choose(c, HOWS);
    if (is_completer(c))
        return act_complete(c);
    w.acts++;
    if (c->number % 8 == 1 && wire_now() >= switch_at) {
        switch_at = wire_now() + SWITCH_EVERY_MS * INT64_C(1000000);
        return act_switch(c);
    }
    if (c->way == AROUND && wire_now() >= disturb_at) {
        disturb_at = wire_now() + SWITCH_EVERY_MS * INT64_C(1000000);
        return act_disturb(c);
    }
    if (choose(c, 100) < 92)
        return act_read(c);
    w.writes++;
    return act_write(c);
}

/* The next request of who has nothing under way. */
static void go_on(client *c)
{
    if (c->busy)
        return;
    bool more = false;
    c->answered = c->count;
    c->count = 0;
    c->apart = false;
    if (c->act) {
        c->step++;
        more = c->act(c);
    }
    if (!more && c->act) {
        c->act = NULL;
        c->may_fail = false;
        c->lost = false;
    }
    if (!more && c->status != 'I') {
        c->count = 0;
        say(c, "ROLLBACK", 0);
        more = true;
    } else if (!more && !w.resting) {
        c->count = 0;
        more = begin(c);
        if (!more)
            c->act = NULL;
    }
    if (more)
        client_send(c);
}

static bool all_rest(void)
{
    for (unsigned i = 0; i < w.client_count; i++)
        if (w.clients[i].busy || w.clients[i].act)
            return false;
    return true;
}

static void run_until(uint64_t operations)
{
    struct epoll_event events[EVENTS];
    int64_t moved = wire_now();
    w.resting = false;
    do {
        w.resting = w.acts >= operations || w.violations >= FAULTS_MAX;
        for (unsigned i = 0; i < w.client_count; i++)
            go_on(&w.clients[i]);
        int n = epoll_wait(w.epoll, events, EVENTS, 20);
        for (int i = 0; i < n; i++)
            client_on_event(events[i].data.ptr);
        if (n > 0)
            moved = wire_now();
        if (wire_now() - moved > HANGS_AFTER_MS * INT64_C(1000000))
            for (unsigned i = 0; i < w.client_count; i++)
                if (w.clients[i].busy)
                    fail("client %u hangs: %s", i, w.clients[i].st[0].sql);
    } while (!w.resting || !all_rest());
}

/* Nothing prepared stays: its locks would be waited for. */
static void complete_all(void)
{
    client *c = &w.clients[0];
    for (;;) {
        c->count = 0;
        c->step = 0;
        if (!act_complete(c))
            break;
        client_send(c);
        client_wait(c);
        c->count = 0;
        c->step = 1;
        if (c->act(c)) {
            client_send(c);
            client_wait(c);
        }
    }
    c->act = NULL;
}

static int summary(int64_t began)
{
    printf("coherence: seed=%llu reads=%llu writes=%llu refused=%llu lost=%llu rests=%llu "
           "seconds=%.1f\n",
           (unsigned long long)w.seed, (unsigned long long)w.reads, (unsigned long long)w.writes,
           (unsigned long long)w.refused, (unsigned long long)w.lost, (unsigned long long)w.rests,
           (double)(wire_now() - began) / 1e9);
    printf("coherence: staleness below 1 ms %llu", (unsigned long long)w.staleness[0]);
    for (unsigned i = 1; i < BUCKETS; i++)
        if (w.staleness[i])
            printf(", %u ms %llu", 1u << i, (unsigned long long)w.staleness[i]);
    printf("; most %lld ms, bound %lld ms\n", (long long)(w.stalest / 1000000),
           (long long)(w.bound / 1000000));
    printf("coherence: violations=%llu\n", (unsigned long long)w.violations);
    return w.violations > 0;
}

static void make_clients(unsigned count)
{
    static const enum way ways[] = {NODE_A, NODE_A, NODE_A, NODE_B, NODE_B, AROUND};
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    w.client_count = count;
    for (unsigned i = 0; i < count; i++) {
        client *c = &w.clients[i];
        c->number = (int)i;
        c->way = ways[i % (sizeof(ways) / sizeof(ways[0]))];
        c->random = w.seed * UINT64_C(0x100000001b3) + i;
        client_open(c);
    }
}

int main(int argc, char **argv)
{
    if (argc < 10) {
        fprintf(stderr, "usage: coherence PORT_A PORT_B SERVER_PORT USER LOGIN DATABASE OPERATIONS "
                        "SEED BOUND_MS [EMPHASIS]\n");
        return 2;
    }
    for (int i = 0; i < WAYS; i++)
        w.ports[i] = (unsigned)strtoul(argv[1 + i], NULL, 10);
    w.user = argv[4];
    w.login = argv[5];
    w.database = argv[6];
    uint64_t operations = strtoull(argv[7], NULL, 10);
    w.seed = strtoull(argv[8], NULL, 10);
    w.bound = strtoll(argv[9], NULL, 10) * 1000000;
    w.emphasis = argc > 10 ? argv[10] : "none";
    int64_t began = wire_now();
    int64_t later = SWITCH_EVERY_MS * INT64_C(1000000);
    switch_at = is_emphasis("still") ? INT64_MAX : began + later;
    disturb_at = is_emphasis("still") ? INT64_MAX : began + later / 2;
    model_start();
    make_clients(24);
    for (unsigned i = 1; i <= RESTS && w.violations < FAULTS_MAX; i++) {
        run_until(operations * i / RESTS);
        complete_all();
        rest_compare();
    }
    return summary(began);
}
