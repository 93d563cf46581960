/* A gateway's threads, from start to end (host.h).
 *
 * Order of the end: clients finish their transactions or the drain limit passes; connections to
 * databases close; workers stop; then memory is given back. */
#include "gateway/host.h"
#include "gateway/handover.h"
#include "gateway/warming.h"
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define ANALYST_STACK (64u * 1024 * 1024) /* libpg_query recurses: DESIGN section 4 */
#define WORKERS_MAX 128u

/* ---- logging ---- */

static int64_t log_wall(void *user)
{
    (void)user;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * WEIR_SECOND + t.tv_nsec;
}

static weir_time log_now(void *user)
{
    (void)user;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (weir_time)t.tv_sec * WEIR_SECOND + t.tv_nsec;
}

static int open_log(weir_host *h)
{
    weir_log_options options = {.format = h->config->log.format,
                                .level = h->config->log.level,
                                .lines_per_s_max = h->config->log.rate,
                                .sink = h->log_sink,
                                .user = h->log_user,
                                .wall_ns = log_wall,
                                .now = log_now};
    int r = weir_log_new(&options, &h->log);
    for (int m = 0; r == 0 && m < WEIR_LOG_MODULES; m++)
        weir_log_set_level(h->log, (weir_log_module)m, h->config->log.modules[m]);
    return r;
}

/* ---- the end ---- */

static bool pools_empty(weir_host *h)
{
    weir_engine *e = weir_gateway_engine(h->gateway);
    for (unsigned i = 0; i < weir_engine_database_count(e); i++)
        for (weir_pools *p = weir_database_pools(weir_engine_database_at(e, i)); p;
             p = weir_pools_next(p)) {
            weir_pool_stats stats;
            weir_pool_stats_read(weir_pools_pool(p), log_now(NULL), &stats);
            if (stats.opening + stats.idle + stats.lent + stats.in_motion > 0)
                return false;
        }
    return true;
}

/* A worker outlives its connections, so what opens or is being cancelled is awaited too. */
static weir_time pools_drain_max(const weir_host *h)
{
    weir_time connect = h->config->timeouts.connect, cancel = h->config->timeouts.cancel;
    return (connect > cancel ? connect : cancel) + 2 * WEIR_SECOND;
}

/* Looks every 10 ms whether the clients, then the server connections, are gone. */
static void on_drain_timer(weir_timer *timer, weir_loop *loop)
{
    weir_host *h = WEIR_CONTAINER_OF(timer, weir_host, drain_timer);
    weir_time now = weir_loop_now(loop);
    const weir_handover *handover = h->gateway->handover;
    bool clients_gone =
        weir_gateway_clients(h->gateway) == 0 && !(handover && weir_handover_busy(handover));
    if (!h->pools_draining && (clients_gone || now >= h->drain_until)) {
        h->pools_draining = true;
        h->drain_until = now + pools_drain_max(h);
        weir_gateway_close_clients(h->gateway);
        weir_engine_drain(weir_gateway_engine(h->gateway));
    } else if (h->pools_draining && ((clients_gone && pools_empty(h)) || now >= h->drain_until)) {
        weir_loop_stop(loop);
        return;
    }
    weir_timer_arm(loop, timer, now + 10 * WEIR_MS);
}

void weir_host_drain(weir_host *h, const char *why)
{
    if (h->draining) { /* asked twice: clients at once */
        if (!h->pools_draining)
            h->drain_until = 0;
        return;
    }
    h->draining = true;
    weir_log_event(h->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO, "draining", WEIR_F_STR("why", why),
                   WEIR_F_INT("clients", weir_gateway_clients(h->gateway)));
    h->drain_until = weir_loop_now(h->control) + weir_gateway_config(h->gateway)->timeouts.drain;
    if (h->gateway->handover)
        weir_handover_end(h->gateway->handover);
    weir_gateway_drain(h->gateway);
    weir_timer_arm(h->control, &h->drain_timer, weir_loop_now(h->control));
}

static void finish_worker(weir_task *task, weir_loop *loop)
{
    weir_host_worker *w = WEIR_CONTAINER_OF(task, weir_host_worker, finish);
    weir_gateway_stop_worker(w->host->gateway, w->index);
    weir_loop_stop(loop);
}

static void stop_workers(weir_host *h)
{
    for (unsigned i = 0; i < h->workers; i++) {
        weir_host_worker *w = &h->worker[i];
        if (!w->loop)
            continue;
        w->finish.run = finish_worker;
        weir_loop_post(w->loop, &w->finish);
        if (w->running)
            (void)pthread_join(w->thread, NULL);
        else
            weir_loop_run(w->loop);
    }
}

void weir_host_stop(weir_host *h)
{
    weir_warming_free(h->warming);
    if (h->gateway)
        stop_workers(h);
}

void weir_host_free(weir_host *h)
{
    weir_executor_free(h->analyst);
    weir_executor_free(h->resolver);
    weir_executor_free(h->hasher);
    weir_gateway_free(h->gateway);
    for (unsigned i = 0; h->worker && i < h->workers; i++)
        weir_loop_free(h->worker[i].loop);
    free(h->worker);
    weir_loop_free(h->control);
    weir_epoch_free(h->epoch);
    weir_log_free(h->log);
}

/* ---- start ---- */

static int start_core(weir_host *h)
{
    weir_hash_seed seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    weir_memory_init(&h->memory, h->config->memory_max);
    int r = open_log(h);
    if (r == 0)
        r = weir_epoch_new(2 * h->workers + 64, &h->epoch);
    if (r == 0)
        r = weir_executor_new("weir-analyst", 1, ANALYST_STACK, &h->analyst);
    if (r == 0)
        r = weir_executor_new("weir-resolver", 2, 0, &h->resolver);
    if (r == 0)
        r = weir_executor_new("weir-hasher", 1, 0, &h->hasher);
    weir_gateway_options options = {.config = h->config,
                                    .workers = h->workers,
                                    .log = h->log,
                                    .memory = &h->memory,
                                    .epoch = h->epoch,
                                    .seed = seed,
                                    .analyst = h->analyst,
                                    .catalogs = true,
                                    .hasher = h->hasher};
    return r < 0 ? r : weir_gateway_new(&options, &h->gateway);
}

static weir_loop_kind loop_kind(const weir_config *config)
{
    switch ((weir_config_loop)config->net.loop) {
    case WEIR_CONFIG_LOOP_AUTO:
        return WEIR_LOOP_AUTO;
    case WEIR_CONFIG_LOOP_EPOLL:
        return WEIR_LOOP_EPOLL;
    case WEIR_CONFIG_LOOP_URING:
        return WEIR_LOOP_URING;
    }
    return WEIR_LOOP_AUTO;
}

static void log_loop(const weir_host *h)
{
    const weir_loop *loop = h->worker[0].loop;
    int refusal = weir_loop_refusal(loop);
    if (refusal < 0)
        weir_log_event(h->log, WEIR_LOG_NET, WEIR_LOG_INFO,
                       "no io_uring here (kernel older than 6.1, or it is forbidden): using epoll",
                       WEIR_F_STR("reason", strerror(-refusal)));
    else
        weir_log_event(h->log, WEIR_LOG_NET, WEIR_LOG_INFO, "event loop",
                       WEIR_F_STR("loop", weir_loop_name(loop)));
}

static int start_workers(weir_host *h, weir_error *err)
{
    /* The control loop mostly watches descriptors of libraries, epoll's own trade. */
    int r =
        weir_loop_new(&(weir_loop_options){.name = "weir", .kind = WEIR_LOOP_EPOLL}, &h->control);
    for (unsigned i = 0; r == 0 && i < h->workers; i++) {
        weir_host_worker *w = &h->worker[i];
        w->host = h;
        w->index = i;
        weir_loop_options options = {.name = "weir-worker",
                                     .kind = loop_kind(h->config),
                                     .memory = &h->memory,
                                     .on_turn = weir_gateway_on_turn,
                                     .on_sleep = weir_gateway_on_sleep,
                                     .user = weir_gateway_hook(h->gateway, i)};
        r = weir_loop_new(&options, &w->loop);
        if (r < 0 && options.kind == WEIR_LOOP_URING)
            weir_error_set(err, "58000", "weir: net.loop is io_uring, which fails here: %s",
                           strerror(-r));
        if (r == 0)
            r = weir_gateway_add_worker(h->gateway, i, w->loop);
    }
    if (r == 0)
        log_loop(h);
    return r;
}

static int start_tls(weir_host *h, weir_error *err)
{
    weir_error why;
    int r = weir_gateway_load_tls(h->gateway, h->config, &why);
    if (r < 0)
        weir_error_set(err, "F0000", "weir: tls: %s", why.message);
    return r;
}

/* What engines ask behind memory must be there before their workers. */
static int start_tier(weir_host *h, weir_error *err)
{
    return weir_gateway_add_tier(h->gateway, h->config, h->resolver, err);
}

int weir_host_start(weir_host *h, const weir_config *config, weir_host_log sink, void *log_user,
                    weir_error *err)
{
    *h = (weir_host){.config = config, .log_sink = sink, .log_user = log_user};
    weir_timer_init(&h->drain_timer, on_drain_timer);
    unsigned workers = config->workers ? config->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    h->workers = workers < WORKERS_MAX ? workers : WORKERS_MAX;
    h->worker = calloc(h->workers, sizeof(*h->worker));
    int r = h->worker ? start_core(h) : -ENOMEM;
    if (r == 0)
        r = start_tier(h, err);
    if (r == 0)
        r = start_workers(h, err);
    if (r == 0)
        r = start_tls(h, err);
    if (r == 0)
        weir_gateway_set_opener(h->gateway, weir_host_open, h);
    return r;
}

static void *worker_main(void *arg)
{
    weir_host_worker *w = arg;
    weir_loop_run(w->loop);
    return NULL;
}

static int run_workers(weir_host *h)
{
    for (unsigned i = 0; i < h->workers; i++) {
        int r = pthread_create(&h->worker[i].thread, NULL, worker_main, &h->worker[i]);
        if (r != 0)
            return -r;
        h->worker[i].running = true;
    }
    return 0;
}

/* Connections that are asked for before any client is there. */
static int warm_up(weir_host *h)
{
    weir_engine *e = weir_gateway_engine(h->gateway);
    int r = 0;
    for (unsigned i = 0; i < h->config->database_count && r == 0; i++)
        if (h->config->databases[i].warm)
            r = weir_database_warm(weir_engine_database_at(e, i));
    return r;
}

int weir_host_run(weir_host *h)
{
    int r = run_workers(h);
    if (r == 0)
        r = warm_up(h);
    return r < 0 ? r : weir_warming_new(h->gateway, h->control, &h->warming);
}
