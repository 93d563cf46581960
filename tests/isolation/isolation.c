/* The isolation checker: hundreds of clients of one gateway over a few server connections, each
 * changing its session at random and checking that it sees its own state and nobody else's.
 *
 *   isolation PORT SERVER_PORT USER LOGIN DATABASE CLIENTS PINS CHECKS SEED kills|calm [WITHOUT]
 *
 * LOGIN is the role as which the gateway logs in. With `kills` server connections are ended at
 * random through SERVER_PORT; WITHOUT names steps to be left out ("listen,copy"). Ends with
 * `checks=… leaks=… misdelivered=…` and exits 1 when anything was wrong. A seed gives each client
 * the same choices; what runs beside what is the machine's. */
#include "iso.h"
#include "wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, KILL_EVERY_MS = 150, FAULTS_MAX = 10 };
enum { HANGS_AFTER_MS = 60000, HANGS_AFTER_FAULTS_MS = 4000 }; /* who got another's reply waits */

world w;

static int64_t now_ms(void)
{
    return wire_now() / 1000000;
}

/* ---- a direct connection ---- */

static void direct_send(int fd, const char *text)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'Q');
    wire_put_text(&m, text);
    wire_end(&m, at);
    wire_send(fd, m.data, m.len);
}

/* What a setting is for who wishes nothing. */
static void read_fresh(int fd, int setting)
{
    char text[256];
    uint8_t in[4096];
    size_t len = 0, pos = 0;
    snprintf(text, sizeof(text), "SELECT coalesce(current_setting('%s',true),'')",
             setting_names[setting]);
    direct_send(fd, text);
    for (;;) {
        ssize_t n = recv(fd, in + len, sizeof(in) - len, 0);
        if (n <= 0)
            wire_fail("the server ended the connection");
        len += (size_t)n;
        for (size_t size; (size = wire_whole(in + pos, len - pos)); pos += size) {
            if (in[pos] == 'D')
                snprintf(fresh[setting], TEXT_MAX, "%.*s", (int)(size - 11),
                         (const char *)in + pos + 11);
            if (in[pos] == 'Z')
                return;
        }
    }
}

static int direct_connect(void)
{
    int fd = wire_connect(w.server_port);
    wire_login(fd, w.login, w.database);
    return fd;
}

static void kill_one(int fd)
{
    char bin[4096];
    while (recv(fd, bin, sizeof(bin), MSG_DONTWAIT) > 0)
        continue;
    direct_send(fd, "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE "
                    "datname=current_database() AND pid<>pg_backend_pid() AND "
                    "backend_type='client backend' ORDER BY random() LIMIT 1) AS one");
    w.kills_done++;
}

/* ---- the crowd ---- */

static void make_clients(void)
{
    for (unsigned i = 1; i <= w.clients; i++) {
        client *c = calloc(1, sizeof(*c));
        if (!c)
            abort();
        c->number = (int)i;
        c->fd = c->cancel_fd = c->slot = -1;
        c->random = w.seed * UINT64_C(0x100000001b3) + i;
        w.client[i] = c;
    }
}

/* The next step of whoever is at rest. */
static void go_on(client *c)
{
    if (c->spoilt && c->want_len == 0)
        client_vanish(c);
    bool rests = c->phase == PHASE_READY && c->want_len == 0;
    if (c->phase == PHASE_AWAY && w.ending) {
        c->phase = PHASE_DONE;
    } else if (c->phase == PHASE_AWAY) {
        c->steps = 0;
        client_connect(c);
    } else if (rests && w.ending && !c->doubt) {
        if (is_watched(c))
            return;
        client_vanish(c);
        c->phase = PHASE_DONE;
    } else if (rests) {
        step(c);
    }
}

static bool all_done(void)
{
    for (unsigned i = 1; i <= w.clients; i++)
        if (w.client[i]->phase != PHASE_DONE)
            return false;
    return true;
}

static void tell_who_waits(void)
{
    unsigned told = 0;
    for (unsigned i = 1; i <= w.clients && told < 5; i++) {
        const client *c = w.client[i];
        if (c->phase == PHASE_DONE || c->phase == PHASE_AWAY)
            continue;
        told++;
        blame(c, WRONG, "hangs, wants '%c' \"%s\"",
              c->want_at < c->want_len ? c->want[c->want_at].type : '-',
              c->want_at < c->want_len ? c->want[c->want_at].text : "");
    }
}

static uint64_t faults(void)
{
    return w.leaks + w.misdelivered + w.wrong;
}

static void run(uint64_t checks, int killer)
{
    struct epoll_event events[EVENTS];
    int64_t kill_at = now_ms() + KILL_EVERY_MS, moved_at = now_ms();
    while (!all_done()) {
        for (unsigned i = 1; i <= w.clients; i++)
            go_on(w.client[i]);
        int n = epoll_wait(w.epoll, events, EVENTS, 20);
        for (int i = 0; i < n; i++)
            client_on_event(events[i].data.ptr, events[i].events);
        if (n > 0)
            moved_at = now_ms();
        if (now_ms() - moved_at > (faults() ? HANGS_AFTER_FAULTS_MS : HANGS_AFTER_MS)) {
            tell_who_waits();
            return;
        }
        if (killer >= 0 && now_ms() >= kill_at && !w.ending) {
            kill_at = now_ms() + KILL_EVERY_MS;
            kill_one(killer);
        }
        w.ending = w.ending || w.checks >= checks || faults() >= FAULTS_MAX;
    }
}

static int summary(int64_t began)
{
    printf("seed=%llu clients=%u statements=%llu notifications=%llu cancels=%llu vanished=%llu "
           "kills=%llu losses=%llu refused=%llu seconds=%.1f\n",
           (unsigned long long)w.seed, w.clients, (unsigned long long)w.statements,
           (unsigned long long)w.notes, (unsigned long long)w.cancels,
           (unsigned long long)w.vanished, (unsigned long long)w.kills_done,
           (unsigned long long)w.losses, (unsigned long long)w.refusals,
           (double)(now_ms() - began) / 1000);
    printf("checks=%llu leaks=%llu misdelivered=%llu wrong=%llu\n", (unsigned long long)w.checks,
           (unsigned long long)w.leaks, (unsigned long long)w.misdelivered,
           (unsigned long long)w.wrong);
    return faults() > 0;
}

int main(int argc, char **argv)
{
    if (argc < 11) {
        fprintf(stderr, "usage: isolation PORT SERVER_PORT USER LOGIN DATABASE CLIENTS PINS CHECKS "
                        "SEED kills|calm [WITHOUT]\n");
        return 2;
    }
    w.port = (unsigned)strtoul(argv[1], NULL, 10);
    w.server_port = (unsigned)strtoul(argv[2], NULL, 10);
    w.user = argv[3];
    w.login = argv[4];
    w.database = argv[5];
    w.clients = (unsigned)strtoul(argv[6], NULL, 10);
    w.pins_max = (unsigned)strtoul(argv[7], NULL, 10);
    uint64_t checks = strtoull(argv[8], NULL, 10);
    w.seed = strtoull(argv[9], NULL, 10);
    w.kills = strcmp(argv[10], "kills") == 0;
    w.trace = getenv("ISOLATION_TRACE") ? atoi(getenv("ISOLATION_TRACE")) : 0;
    w.without = argc > 11 ? argv[11] : "";
    if (w.clients < 1 || w.clients > CLIENTS_MAX)
        wire_fail("too many clients");
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    int direct = direct_connect();
    for (int i = 0; i < SETTINGS; i++)
        read_fresh(direct, i);
    fresh[APPLICATION_NAME][0] = '\0';
    int64_t began = now_ms();
    make_clients();
    run(checks, w.kills ? direct : -1);
    return summary(began);
}
