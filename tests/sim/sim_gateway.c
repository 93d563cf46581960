/* The real gateway, engine, pool and protocol code over the simulated network, against a fake
 * PostgreSQL, under thousands of seeds. Invariants, checked in every run:
 *
 *   every reply reaches the client that is owed it, complete and in order (simclient.c);
 *   each client sees its own session and nobody else's: settings, roles, temporary tables, locks,
 *   cursors, prepared statements, notifications, cancels (simcheck.c);
 *   no transaction is split over servers or mixed with another, no parameter leaks (fakepg.c);
 *   no more server connections than the limit;
 *   every lent connection comes back, every client gets to its end (nothing hangs).
 *
 *   sim_gateway SEEDS [FIRST]        a failing seed is printed and replays with SEEDS=1 FIRST=seed
 *   sim_gateway --expect-violation   exits 0 iff some seed breaks an invariant (builds with a
 * fault) */
#include "backend/postgres/postgres.h"
#include "fakepg.h"
#include "gateway/gateway.h"
#include "simclient.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of those that may be pinned one is the listening hub's, and one gives clients that are just going
 * time to be gone. */
enum { CLIENTS_MAX = SIM_CLIENTS_MAX, WORKERS_MAX = 2, PINNED_MAX = 4, PINS = 2, UNITS = 60 };
#define SERVER "127.0.0.1:5432"
#define FRONT "127.0.0.1:6432"

typedef struct world {
    uint64_t seed;
    simnet *sim;
    weir_loop *server_loop, *client_loop, *worker_loops[WORKERS_MAX];
    unsigned workers, clients, pool_max;
    bool faults;
    weir_epoch *epoch;
    weir_memory memory;
    weir_config *config;
    weir_gateway *gateway;
    fakepg *pg;
    simclient *client[CLIENTS_MAX];
    simboard board;
    unsigned violations;
    weir_time over_limit_since;
    uint64_t answers;
    char first_violation[1400];
} world;

static bool quiet;

static void violation(void *user, const char *words)
{
    world *w = user;
    if (w->violations++ == 0) {
        (void)snprintf(w->first_violation, sizeof(w->first_violation), "%s", words);
        if (!quiet)
            (void)printf("seed %llu: %s\n", (unsigned long long)w->seed, words);
    }
}

static void ok(int r)
{
    if (r != 0)
        abort();
}

static void add_database(world *w)
{
    weir_postgres_options options = {.hosts = {SERVER},
                                     .host_count = 1,
                                     .connect_timeout = 5 * WEIR_SECOND,
                                     .cancel_timeout = WEIR_SECOND,
                                     .prepared_max = 8};
    weir_backend *backend;
    ok(weir_postgres_open(&options, &backend));
    weir_database_options database = {.name = "*",
                                      .backend = backend,
                                      .dbname = "app",
                                      .user = "app",
                                      .pool = {.size_min = 1,
                                               .size_max = w->pool_max,
                                               .pinned_max = PINNED_MAX,
                                               .waiters_max = 1000,
                                               .acquire_timeout = 600 * WEIR_SECOND,
                                               .idle_timeout = 20 * WEIR_MS,
                                               .lifetime_max = 300 * WEIR_MS,
                                               .validate_after = 5 * WEIR_MS,
                                               .fair_within = WEIR_MS,
                                               .open_backoff_min = 10 * WEIR_MS,
                                               .open_backoff_max = 100 * WEIR_MS}};
    ok(weir_engine_add_database(weir_gateway_engine(w->gateway), &database, NULL));
}

static void build(world *w)
{
    simnet_options options = {.seed = w->seed, .pause_chance = 2000};
    w->sim = simnet_new(&options);
    w->faults = simnet_chance(w->sim, 400000);
    w->workers = 1 + (unsigned)simnet_below(w->sim, WORKERS_MAX);
    w->clients = 4 + (unsigned)simnet_below(w->sim, CLIENTS_MAX - 3);
    w->board.pins_max = PINS;
    w->pool_max = 1 + (unsigned)simnet_below(w->sim, 3);
    weir_error err;
    weir_config_source source = {.dsn = "postgres://app@" SERVER "/app"};
    if (weir_config_load(&source, &w->config, &err) != 0)
        abort();
    weir_memory_init(&w->memory, 0);
    ok(weir_epoch_new(WORKERS_MAX + 2, &w->epoch));
    weir_gateway_options gateway = {.config = w->config,
                                    .workers = w->workers,
                                    .memory = &w->memory,
                                    .epoch = w->epoch,
                                    .seed = {{w->seed, 1}}};
    ok(weir_gateway_new(&gateway, &w->gateway));
    add_database(w);
    w->server_loop = simnet_loop_new(w->sim, &(weir_loop_options){.name = "server"});
    w->client_loop = simnet_loop_new(w->sim, &(weir_loop_options){.name = "clients"});
    for (unsigned i = 0; i < w->workers; i++) {
        weir_loop_options loop = {.name = "worker",
                                  .memory = &w->memory,
                                  .on_turn = weir_gateway_on_turn,
                                  .on_sleep = weir_gateway_on_sleep,
                                  .user = weir_gateway_hook(w->gateway, i)};
        w->worker_loops[i] = simnet_loop_new(w->sim, &loop);
        ok(weir_gateway_add_worker(w->gateway, i, w->worker_loops[i]));
    }
    w->pg = fakepg_new(w->sim, w->server_loop, SERVER, violation, w);
    ok(weir_gateway_listen(w->gateway, 0, FRONT, NULL));
    for (unsigned i = 0; i < w->clients; i++) {
        simclient_options client = {.address = FRONT,
                                    .number = (int)i + 1,
                                    .units = UNITS,
                                    .faults = w->faults,
                                    .board = &w->board,
                                    .violation = violation,
                                    .user = w};
        w->client[i] = simclient_new(w->sim, w->client_loop, &client);
    }
}

static bool all_done(const world *w)
{
    for (unsigned i = 0; i < w->clients; i++)
        if (!simclient_done(w->client[i]))
            return false;
    return true;
}

/* What befalls servers in a run with faults. */
static void mishap(world *w)
{
    if (!w->faults || !simnet_chance(w->sim, 60000))
        return;
    if (simnet_chance(w->sim, 700000))
        fakepg_terminate_one(w->pg);
    else
        simnet_reset_address(w->sim, SERVER);
}

/* A server learns a little later than we that a session has ended. */
static void check_limit(world *w)
{
    if (fakepg_sessions(w->pg) <= w->pool_max + PINNED_MAX)
        w->over_limit_since = 0;
    else if (w->over_limit_since == 0)
        w->over_limit_since = simnet_now(w->sim);
    else if (simnet_now(w->sim) - w->over_limit_since > 500 * WEIR_MS)
        violation(w, "more server connections than the limit");
}

static void run(world *w)
{
    weir_time limit = simnet_now(w->sim) + 300 * WEIR_SECOND;
    while (!all_done(w) && w->violations == 0 && simnet_now(w->sim) < limit) {
        (void)simnet_run_until(w->sim, simnet_now(w->sim) + 2 * WEIR_MS);
        mishap(w);
        check_limit(w);
    }
    if (!all_done(w) && w->violations == 0) {
        char words[1400];
        for (unsigned i = 0; i < w->clients; i++)
            if (!simclient_done(w->client[i])) {
                simclient_describe(w->client[i], words, sizeof(words));
                violation(w, words);
                break;
            }
    }
}

static void check_pools(world *w)
{
    weir_engine *e = weir_gateway_engine(w->gateway);
    weir_pools *p = weir_database_pools(weir_engine_database_at(e, 0));
    weir_pool_stats stats;
    if (!p)
        return;
    weir_pool_stats_read(weir_pools_pool(p), simnet_now(w->sim), &stats);
    if (stats.lent > stats.pinned || stats.waiting || stats.pinned > 1) /* the hub's, for a while */
        violation(w, "a connection was not given back, or somebody waits for ever");
}

/* Ends the world as a shutdown does. After a violation it is left as it stands: the process ends
 * soon. */
static void end(world *w)
{
    for (unsigned i = 0; i < w->clients; i++)
        w->answers += simclient_answers(w->client[i]);
    if (w->violations == 0) {
        (void)simnet_run_until(w->sim, simnet_now(w->sim) + 10 * WEIR_SECOND);
        check_pools(w);
    }
    if (w->violations > 0)
        return;
    weir_gateway_drain(w->gateway);
    weir_gateway_close_clients(w->gateway);
    weir_engine_drain(weir_gateway_engine(w->gateway));
    (void)simnet_run_until(w->sim, simnet_now(w->sim) + 20 * WEIR_SECOND);
    if (weir_gateway_clients(w->gateway) > 0 || fakepg_sessions(w->pg) > 0) {
        violation(w, "something outlived the shutdown");
        return;
    }
    fakepg_stop(w->pg);
    (void)simnet_run_until(w->sim, simnet_now(w->sim) + WEIR_SECOND);
    for (unsigned i = 0; i < w->workers; i++)
        weir_gateway_stop_worker(w->gateway, i);
    for (unsigned i = 0; i < w->clients; i++)
        simclient_free(w->client[i]);
    weir_gateway_free(w->gateway);
    weir_epoch_free(w->epoch);
    for (unsigned i = 0; i < w->workers; i++)
        weir_loop_free(w->worker_loops[i]);
    weir_loop_free(w->client_loop);
    weir_loop_free(w->server_loop);
    fakepg_free(w->pg);
    simnet_free(w->sim);
    weir_config_free(w->config);
}

static bool run_seed(uint64_t seed, uint64_t *answers)
{
    world w = {.seed = seed};
    build(&w);
    run(&w);
    end(&w);
    *answers += w.answers;
    return w.violations == 0;
}

/* The code's own assertions may be faster. */
static void on_abort(int number)
{
    static const char words[] = "the fault was caught by an assertion\n";
    (void)number;
    _exit(write(STDOUT_FILENO, words, sizeof(words) - 1) < 0);
}

static int expect_violation(uint64_t seeds)
{
    uint64_t answers = 0;
    quiet = true;
    (void)signal(SIGABRT, on_abort);
    for (uint64_t seed = 1; seed <= seeds; seed++)
        if (!run_seed(seed, &answers)) {
            (void)printf("the fault was caught at seed %llu\n", (unsigned long long)seed);
            return 0;
        }
    (void)printf("the fault was not caught in %llu seeds\n", (unsigned long long)seeds);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--expect-violation") == 0)
        return expect_violation(500);
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t answers = 0, failed = 0;
    for (uint64_t seed = first; seed < first + seeds && failed < 5; seed++) {
        failed += !run_seed(seed, &answers);
        if ((seed - first + 1) % 1000 == 0)
            (void)printf("%llu seeds, %llu answers checked\n",
                         (unsigned long long)(seed - first + 1), (unsigned long long)answers);
        (void)fflush(stdout);
    }
    (void)printf("%llu seeds, %llu answers checked, %llu failed\n", (unsigned long long)seeds,
                 (unsigned long long)answers, (unsigned long long)failed);
    return failed ? 1 : 0;
}
