/* The coherence checker: readers and writers through two gateways and around them, on a PostgreSQL
 * server. Ends with what was seen and exits 1 when a read was wrong.
 *
 *   coherence PORT_A PORT_B SERVER_PORT[,PORT] USER LOGIN DATABASE OPERATIONS SEED BOUND_MS
 *             EMPHASIS LEVEL [DISTURBANCES CONTROL_IN CONTROL_OUT]
 *
 * USER is the clients' name at the gateways, LOGIN the role of those that go around, LEVEL the
 * gateways' cache.consistency. DISTURBANCES are words (disturb.c); what clients cannot do
 * themselves is asked for by lines on the descriptor CONTROL_OUT and answered on CONTROL_IN. A seed
 * gives each client the same choices; what runs beside what is the machine's. */
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
static int64_t switch_at, switch_every;
static uint64_t faults_max;

static bool is_emphasis(const char *word)
{
    return strcmp(w.emphasis, word) == 0;
}

void client_wait(client *c)
{
    int64_t until = wire_now() + HANGS_AFTER_MS * INT64_C(1000000);
    while (c->busy) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        client_tick(c);
        if (poll(&p, 1, c->fd < 0 ? 10 : 1000) > 0)
            client_on_event(c);
        if (wire_now() > until)
            fail("client %d hangs: %s", c->number, c->st[0].sql);
    }
}

/* They do nothing else: else they could wait for a lock that something prepared holds. They go on
 * while the others come to rest: one of those may wait for such a lock. */
static bool is_completer(const client *c)
{
    return c->number % 16 == 0;
}

static bool begin(client *c)
{
    c->step = 0;
    c->lost = false;
    c->how = (enum how)choose(c, HOWS);
    if (is_completer(c))
        return act_complete(c);
    if (act_disturb(c))
        return true;
    w.acts++;
    if (c->number % 8 == 1 && wire_now() >= switch_at) {
        switch_at = wire_now() + switch_every;
        return act_switch(c);
    }
    if (disturbed("roles") && choose(c, 8) == 0)
        return act_roles(c);
    if (choose(c, 100) < 92)
        return act_read(c);
    w.writes++;
    return act_write(c);
}

/* How durable this session's commits are. */
static bool begin_session(client *c)
{
    static const char *const ways[] = {
        "SET synchronous_commit = on", "SET synchronous_commit = remote_apply",
        "SET synchronous_commit = local", "SET synchronous_commit = off"};
    bool fresh = c->fresh && disturbed("sync");
    c->fresh = false;
    if (!fresh)
        return false;
    c->how = SIMPLE;
    say(c, ways[choose(c, w.lossy ? 4 : disturbed("failover") ? 2 : 3)], 0);
    return true;
}

/* Its next step; one whose outcome is not known has one more, to make a note of that. */
static bool act_on(client *c)
{
    bool lost = c->lost;
    if (!c->act)
        return false;
    c->step = lost ? LOST : c->step + 1;
    bool more = c->act(c);
    c->lost = false;
    if (!more) {
        c->act = NULL;
        c->may_fail = false;
    }
    return more;
}

/* The next request of who has nothing under way. */
static void go_on(client *c)
{
    client_tick(c);
    if (c->busy)
        return;
    c->answered = c->count;
    c->count = 0;
    c->apart = false;
    bool more = act_on(c);
    if (!more && c->status != 'I') {
        c->count = 0;
        say(c, "ROLLBACK", 0);
        more = true;
    } else if (!more && (!w.resting || is_completer(c))) {
        c->count = 0;
        more = begin_session(c) || begin(c);
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
    return !disturb_under_way();
}

static void look_for_hangs(int64_t moved)
{
    if (wire_now() - moved <= HANGS_AFTER_MS * INT64_C(1000000))
        return;
    for (unsigned i = 0; i < w.client_count; i++)
        if (w.clients[i].busy)
            fail("client %u hangs: %s", i, w.clients[i].st[0].sql);
}

/* Or until something has happened after which everything is to be settled. */
static void run_until(uint64_t operations)
{
    struct epoll_event events[EVENTS];
    int64_t moved = wire_now();
    w.resting = w.rest_now = false;
    do {
        w.resting = w.rest_now || w.violations >= faults_max ||
                    (w.acts >= operations && (!w.ending || disturb_all_happened()));
        for (unsigned i = 0; i < w.client_count; i++)
            go_on(&w.clients[i]);
        int n = epoll_wait(w.epoll, events, EVENTS, 20);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                client_on_event(events[i].data.ptr);
            else
                disturb_on_event();
        }
        if (n > 0)
            moved = wire_now();
        look_for_hangs(moved);
    } while (!w.resting || !all_rest());
}

/* Nothing prepared stays: its locks would be waited for. */
static void complete_all(void)
{
    client *c = &w.clients[0];
    for (;;) {
        client_wait(c);
        c->count = c->step = 0;
        c->lost = false;
        if (!act_complete(c))
            break;
        client_send(c);
        client_wait(c);
        c->answered = c->count;
        c->step = 2;
        (void)c->act(c);
    }
    c->act = NULL;
    c->may_fail = c->lost = false;
}

static int summary(int64_t began)
{
    printf("coherence: seed=%llu reads=%llu writes=%llu refused=%llu lost=%llu rests=%llu "
           "seconds=%.1f\n",
           (unsigned long long)w.seed, (unsigned long long)w.reads, (unsigned long long)w.writes,
           (unsigned long long)w.refused, (unsigned long long)w.lost, (unsigned long long)w.rests,
           (double)(wire_now() - began) / 1e9);
    if (*w.disturbances)
        disturb_print();
    printf("coherence: compared at rest, byte by byte: %llu\n", (unsigned long long)w.compared);
    printf("coherence: staleness of writes that others were told of: below 1 ms %llu",
           (unsigned long long)w.staleness[0]);
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
        client_enter(c);
        client_wait(c);
    }
}

static enum level level_of(const char *word)
{
    return strcmp(word, "bounded") == 0 ? BOUNDED : strcmp(word, "session") == 0 ? SESSION : STRICT;
}

static void take_arguments(int argc, char **argv)
{
    char *more;
    for (int i = 0; i < AROUND; i++)
        w.ports[i] = (unsigned)strtoul(argv[1 + i], NULL, 10);
    w.servers[0] = (unsigned)strtoul(argv[3], &more, 10);
    w.servers[1] = *more ? (unsigned)strtoul(more + 1, NULL, 10) : 0;
    w.user = argv[4];
    w.login = argv[5];
    w.database = argv[6];
    w.seed = strtoull(argv[8], NULL, 10);
    w.bound = strtoll(argv[9], NULL, 10) * 1000000;
    w.emphasis = argv[10];
    w.level = level_of(argv[11]);
    w.disturbances = argc > 14 ? argv[12] : "";
    w.control_in = argc > 14 ? atoi(argv[13]) : -1;
    w.control_out = argc > 14 ? atoi(argv[14]) : -1;
    w.lossy = disturbed("lossy");
    faults_max = is_emphasis("first") ? 1 : FAULTS_MAX;
}

int main(int argc, char **argv)
{
    if (argc < 12) {
        fprintf(stderr, "usage: coherence PORT_A PORT_B SERVER_PORT[,PORT] USER LOGIN DATABASE "
                        "OPERATIONS SEED BOUND_MS EMPHASIS LEVEL [DISTURBANCES CONTROL_IN "
                        "CONTROL_OUT]\n");
        return 2;
    }
    take_arguments(argc, argv);
    uint64_t operations = strtoull(argv[7], NULL, 10);
    int64_t began = wire_now();
    switch_every = (disturbed("roles") ? SWITCH_EVERY_MS / 4 : SWITCH_EVERY_MS) * INT64_C(1000000);
    switch_at = is_emphasis("still") ? INT64_MAX : began + switch_every;
    model_start();
    make_clients(24);
    disturb_start();
    for (unsigned i = 1; i <= RESTS && w.violations < faults_max;) {
        w.ending = i == RESTS;
        run_until(operations * i / RESTS);
        i += !w.rest_now;
        complete_all();
        rest_compare();
    }
    return summary(began);
}
