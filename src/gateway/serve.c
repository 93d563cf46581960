/* The daemon: opens databases, runs a thread per worker and the control loop on the calling thread,
 * drains at SIGTERM and SIGINT.
 *
 * Order of the end: listeners close and idle clients go; the others finish their transactions or
 * the drain limit passes; connections to databases close; workers stop; then memory is given back.
 */
#include "backend/postgres/postgres.h"
#include "backend/sqlite/sqlite.h"
#include "gateway/handover.h"
#include "gateway/internal.h"
#include "gateway/notify.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANALYST_STACK (64u * 1024 * 1024) /* libpg_query recurses: DESIGN section 4 */
#define WORKERS_MAX 128u

typedef struct serving_worker {
    pthread_t thread;
    bool running;
    weir_loop *loop;
    weir_task finish;
    struct serving *serving;
    unsigned index;
} serving_worker;

typedef struct serving {
    const weir_config *config;
    const weir_gateway_extension *extension;
    weir_log *log;
    weir_memory memory;
    weir_epoch *epoch;
    weir_executor *analyst, *resolver, *hasher;
    weir_gateway *gateway;
    weir_handover *handover;
    weir_loop *control;
    weir_watch *signals;
    int signal_fd;
    weir_timer drain_timer;
    weir_time drain_until;
    bool draining, pools_draining;
    unsigned workers;
    serving_worker worker[WORKERS_MAX];
} serving;

/* ---- logging ---- */

static void log_sink(void *user, weir_slice line)
{
    (void)user;
    ssize_t n = write(STDERR_FILENO, line.data, line.len); /* one call: lines never mix */
    (void)n;
}

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

static int open_log(serving *s)
{
    weir_log_options options = {.format = s->config->log.format,
                                .level = s->config->log.level,
                                .lines_per_s_max = s->config->log.rate,
                                .sink = log_sink,
                                .wall_ns = log_wall,
                                .now = log_now};
    int r = weir_log_new(&options, &s->log);
    for (int m = 0; r == 0 && m < WEIR_LOG_MODULES; m++)
        weir_log_set_level(s->log, (weir_log_module)m, s->config->log.modules[m]);
    return r;
}

/* ---- databases ---- */

static int open_sqlite(serving *s, const weir_config_database *d, weir_backend **ret,
                       weir_error *err)
{
    weir_sqlite_options options = {.path = d->path,
                                   .log = s->log,
                                   .memory = &s->memory,
                                   .executors = s->config->sqlite.executors,
                                   .busy_timeout = s->config->sqlite.busy_timeout,
                                   .synchronous_full = s->config->sqlite.synchronous_full,
                                   .cache_size = s->config->sqlite.cache_size,
                                   .mmap_size = s->config->sqlite.mmap_size,
                                   .on_accesses = weir_gateway_on_accesses,
                                   .user = s->gateway};
    return weir_sqlite_open(&options, ret, err);
}

static_assert((int)WEIR_POSTGRES_PREFER_STANDBY == (int)WEIR_CONFIG_TARGET_PREFER_STANDBY &&
                  (int)WEIR_POSTGRES_PRIMARY == (int)WEIR_CONFIG_TARGET_PRIMARY,
              "told alike");

typedef struct postgres_place {
    weir_postgres_options options;
    char hosts[WEIR_POSTGRES_HOSTS_MAX][300];
} postgres_place;

static void write_hosts(const weir_config_database *d, postgres_place *p)
{
    for (unsigned i = 0; i < d->host_count && i < WEIR_POSTGRES_HOSTS_MAX; i++) {
        const weir_config_host *h = &d->hosts[i];
        size_t size = sizeof(p->hosts[i]);
        if (h->host[0] == '/')
            (void)snprintf(p->hosts[i], size, "%s/.s.PGSQL.%u", h->host, h->port);
        else if (strchr(h->host, ':'))
            (void)snprintf(p->hosts[i], size, "[%s]:%u", h->host, h->port);
        else
            (void)snprintf(p->hosts[i], size, "%s:%u", h->host, h->port);
        p->options.hosts[p->options.host_count++] = p->hosts[i];
    }
}

/* As libpq has it; NULL: its own. */
static const char *tls_version(unsigned version)
{
    static const char *const names[] = {[WEIR_CONFIG_TLS_1_0] = "TLSv1",
                                        [WEIR_CONFIG_TLS_1_1] = "TLSv1.1",
                                        [WEIR_CONFIG_TLS_1_2] = "TLSv1.2",
                                        [WEIR_CONFIG_TLS_1_3] = "TLSv1.3"};
    return version < sizeof(names) / sizeof(*names) ? names[version] : NULL;
}

/* The TLS context in it is the caller's. */
static int place_of(serving *s, const weir_config_database *d, postgres_place *ret, weir_error *err)
{
    ret->options = (weir_postgres_options){
        .connect_timeout = d->connect_timeout ? d->connect_timeout : s->config->timeouts.connect,
        .cancel_timeout = s->config->timeouts.cancel,
        .prepared_max = s->config->limits.prepared_server,
        .rows_max = s->config->limits.rows,
        .target = (weir_postgres_target)d->target,
        .balance = d->balance,
        .sslmode = weir_gateway_sslmode(&d->tls),
        .direct = d->tls.direct == WEIR_CONFIG_NEGOTIATION_DIRECT,
        .sni = d->tls.sni != WEIR_CONFIG_SNI_OFF,
        .binds = d->tls.binding != WEIR_CONFIG_BINDING_DISABLE,
        .must_bind = d->tls.binding == WEIR_CONFIG_BINDING_REQUIRE,
        .dns_ttl = s->config->timeouts.dns,
        .dns_check = d->pool.dns_check,
        .following = {.dbname = d->dbname,
                      .user = d->user,
                      .password = d->password,
                      .ca = d->tls.ca,
                      .crl = d->tls.crl,
                      .cert = d->tls.cert,
                      .key = d->tls.key,
                      .min_version = tls_version(d->tls.min_version)},
        .resolver = s->resolver,
        .log = s->log};
    write_hosts(d, ret);
    return weir_gateway_server_tls(s->gateway, &d->tls, &ret->options.tls, err);
}

/* `there` NULL: a backend is made; else its servers are elsewhere now, or it STAYS. */
static int place_postgres(serving *s, const weir_config_database *d, weir_database_options *o,
                          const weir_database *there, weir_error *err)
{
    postgres_place p;
    weir_error why = {{0}, {0}, {0}, {0}};
    int r = place_of(s, d, &p, &why);
    if (r == 0 && !there)
        r = weir_postgres_open(&p.options, &o->backend);
    else if (r == 0 && weir_postgres_is_at(o->backend, &p.options) && weir_database_is_at(there, o))
        r = WEIR_GATEWAY_STAYS;
    else if (r == 0)
        r = weir_postgres_place(o->backend, &p.options, &o->place);
    weir_tls_context_unref(p.options.tls);
    if (r < 0)
        weir_error_set(err, "F0000", "weir: database \"%s\": %s", d->name,
                       why.message[0] ? why.message : strerror(-r));
    return r;
}

/* Under another name, or by a link: the configuration's own check compares words. Each would take
 * the other's commits for those of another process. */
static int check_same_file(const serving *s, const weir_config_database *d, weir_error *err)
{
    struct stat ours, other;
    if (d->backend != WEIR_CONFIG_SQLITE || stat(d->path, &ours) != 0)
        return 0;
    for (const weir_config_database *o = s->config->databases; o != d; o++) {
        if (o->backend == WEIR_CONFIG_SQLITE && stat(o->path, &other) == 0 &&
            other.st_dev == ours.st_dev && other.st_ino == ours.st_ino) {
            weir_error_set(err, "F0000", "weir: databases \"%s\" and \"%s\" are the same file",
                           o->name, d->name);
            return -EEXIST;
        }
    }
    return 0;
}

static weir_database_options options_of(const weir_config_database *d)
{
    return (weir_database_options){.name = d->name,
                                   .dbname = d->dbname,
                                   .user = d->backend == WEIR_CONFIG_SQLITE ? "weir" : d->user,
                                   .password = d->password,
                                   .shown = d->dsn_shown,
                                   .label = d->label,
                                   .host = d->host_count ? d->hosts[0].host : NULL,
                                   .port = d->host_count ? d->hosts[0].port : 0,
                                   .lending = weir_gateway_lending(d->pool.mode),
                                   .share = weir_gateway_share(&d->share),
                                   .leak_ends = d->pool.leak_ends,
                                   .pool = weir_gateway_pool_options(&d->pool)};
}

static int open_database(serving *s, const weir_config_database *d, weir_error *err)
{
    weir_database_options options = options_of(d);
    int r = check_same_file(s, d, err);
    if (r < 0)
        return r;
    r = d->backend == WEIR_CONFIG_SQLITE ? open_sqlite(s, d, &options.backend, err)
                                         : place_postgres(s, d, &options, NULL, err);
    if (r < 0 || !options.backend)
        return r;
    r = weir_engine_add_database(weir_gateway_engine(s->gateway), &options, NULL);
    if (r < 0) {
        options.backend->ops->destroy(options.backend);
        weir_error_set(err, "53200", "weir: cannot add database \"%s\": %s", d->name, strerror(-r));
    }
    return r;
}

static int move_database(serving *s, const weir_config_database *d, weir_database *there,
                         weir_error *err)
{
    weir_database_options options = options_of(d);
    options.backend = weir_database_backend(there);
    if (d->backend != WEIR_CONFIG_POSTGRES || !options.backend->ops->relays) /* a file */
        return strcmp(d->dsn_shown, weir_database_shown(there)) == 0 ? WEIR_GATEWAY_STAYS
                                                                     : -ENOTSUP;
    int r = place_postgres(s, d, &options, there, err);
    if (r != 0)
        return r;
    r = weir_database_move(there, &options, weir_loop_clock(s->control));
    if (r == 0)
        weir_postgres_settle(options.backend, options.place);
    else
        weir_error_set(err, "53200", "weir: %s", strerror(-r));
    return r;
}

/* A database that is new in a configuration that comes into force, or perhaps elsewhere. */
static int open_another(void *user, const weir_config *config, const weir_config_database *d,
                        weir_database *there, weir_error *err)
{
    serving *s = user;
    const weir_config *before = s->config;
    s->config = config;
    int r = there ? move_database(s, d, there, err) : open_database(s, d, err);
    s->config = before;
    return r;
}

/* Connections that are asked for before any client is there. */
static int warm_up(serving *s)
{
    weir_engine *e = weir_gateway_engine(s->gateway);
    int r = 0;
    for (unsigned i = 0; i < s->config->database_count && r == 0; i++)
        if (s->config->databases[i].warm)
            r = weir_database_warm(weir_engine_database_at(e, i));
    return r;
}

/* ---- start ---- */

static int start_core(serving *s)
{
    weir_hash_seed seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    weir_memory_init(&s->memory, s->config->memory_max);
    int r = open_log(s);
    if (r == 0)
        r = weir_epoch_new(2 * s->workers + 64, &s->epoch);
    if (r == 0)
        r = weir_executor_new("weir-analyst", 1, ANALYST_STACK, &s->analyst);
    if (r == 0)
        r = weir_executor_new("weir-resolver", 2, 0, &s->resolver);
    if (r == 0)
        r = weir_executor_new("weir-hasher", 1, 0, &s->hasher);
    weir_gateway_options options = {.config = s->config,
                                    .workers = s->workers,
                                    .log = s->log,
                                    .memory = &s->memory,
                                    .epoch = s->epoch,
                                    .seed = seed,
                                    .analyst = s->analyst,
                                    .catalogs = true,
                                    .hasher = s->hasher};
    return r < 0 ? r : weir_gateway_new(&options, &s->gateway);
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

static void log_loop(const serving *s)
{
    const weir_loop *loop = s->worker[0].loop;
    int refusal = weir_loop_refusal(loop);
    if (refusal < 0)
        weir_log_event(s->log, WEIR_LOG_NET, WEIR_LOG_WARN,
                       "no io_uring here (kernel older than 6.1, or it is forbidden): using epoll",
                       WEIR_F_STR("reason", strerror(-refusal)));
    else
        weir_log_event(s->log, WEIR_LOG_NET, WEIR_LOG_INFO, "event loop",
                       WEIR_F_STR("loop", weir_loop_name(loop)));
}

static int start_workers(serving *s, weir_error *err)
{
    /* The control loop mostly watches descriptors of libraries, epoll's own trade. */
    int r =
        weir_loop_new(&(weir_loop_options){.name = "weir", .kind = WEIR_LOOP_EPOLL}, &s->control);
    for (unsigned i = 0; r == 0 && i < s->workers; i++) {
        serving_worker *w = &s->worker[i];
        w->serving = s;
        w->index = i;
        weir_loop_options options = {.name = "weir-worker",
                                     .kind = loop_kind(s->config),
                                     .memory = &s->memory,
                                     .on_turn = weir_gateway_on_turn,
                                     .on_sleep = weir_gateway_on_sleep,
                                     .user = weir_gateway_hook(s->gateway, i)};
        r = weir_loop_new(&options, &w->loop);
        if (r < 0 && options.kind == WEIR_LOOP_URING)
            weir_error_set(err, "58000", "weir: net.loop is io_uring, which fails here: %s",
                           strerror(-r));
        if (r == 0)
            r = weir_gateway_add_worker(s->gateway, i, w->loop);
    }
    if (r == 0)
        log_loop(s);
    return r;
}

static int listen_all(serving *s, const char **ret_address, weir_error *err)
{
    for (unsigned i = 0; i < s->config->listen_count; i++) {
        const char *address = NULL;
        int r = weir_gateway_listen(s->gateway, i % s->workers, s->config->listen[i], &address);
        if (r < 0) {
            weir_error_set(err, "58000", "weir: cannot listen on %s: %s", s->config->listen[i],
                           r == -EADDRINUSE ? "address in use" : strerror(-r));
            if (r == -EADDRINUSE)
                weir_error_hint(
                    err, "Another program (PgBouncer also likes 6432) listens there: stop it, or "
                         "choose another port with --listen HOST:PORT (port 0 picks a free one).");
            return r;
        }
        if (i == 0)
            *ret_address = address;
    }
    return 0;
}

static void *worker_main(void *arg)
{
    serving_worker *w = arg;
    weir_loop_run(w->loop);
    return NULL;
}

static int run_workers(serving *s)
{
    for (unsigned i = 0; i < s->workers; i++) {
        int r = pthread_create(&s->worker[i].thread, NULL, worker_main, &s->worker[i]);
        if (r != 0)
            return -r;
        s->worker[i].running = true;
    }
    return 0;
}

/* ---- the end ---- */

static bool pools_empty(serving *s)
{
    weir_engine *e = weir_gateway_engine(s->gateway);
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
static weir_time pools_drain_max(const serving *s)
{
    weir_time connect = s->config->timeouts.connect, cancel = s->config->timeouts.cancel;
    return (connect > cancel ? connect : cancel) + 2 * WEIR_SECOND;
}

/* Looks every 10 ms whether the clients, then the server connections, are gone. */
static void on_drain_timer(weir_timer *timer, weir_loop *loop)
{
    serving *s = WEIR_CONTAINER_OF(timer, serving, drain_timer);
    weir_time now = weir_loop_now(loop);
    bool clients_gone = weir_gateway_clients(s->gateway) == 0 && !weir_handover_busy(s->handover);
    if (!s->pools_draining && (clients_gone || now >= s->drain_until)) {
        s->pools_draining = true;
        s->drain_until = now + pools_drain_max(s);
        weir_gateway_close_clients(s->gateway);
        weir_engine_drain(weir_gateway_engine(s->gateway));
    } else if (s->pools_draining && ((clients_gone && pools_empty(s)) || now >= s->drain_until)) {
        weir_loop_stop(loop);
        return;
    }
    weir_timer_arm(loop, timer, now + 10 * WEIR_MS);
}

static void begin_drain(serving *s, const char *why)
{
    if (s->draining) { /* asked twice: clients at once */
        if (!s->pools_draining)
            s->drain_until = 0;
        return;
    }
    s->draining = true;
    weir_log_event(s->log, WEIR_LOG_GATEWAY, WEIR_LOG_INFO, "draining", WEIR_F_STR("why", why),
                   WEIR_F_INT("clients", weir_gateway_clients(s->gateway)));
    s->drain_until = weir_loop_now(s->control) + weir_gateway_config(s->gateway)->timeouts.drain;
    weir_handover_end(s->handover);
    weir_gateway_drain(s->gateway);
    weir_timer_arm(s->control, &s->drain_timer, weir_loop_now(s->control));
}

static void on_over(void *user, const char *why)
{
    begin_drain(user, why);
}

static void reap_children(serving *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        weir_handover_on_child(s->handover, pid, status);
}

/* A broken file changes nothing. */
static void reload(serving *s)
{
    weir_notify_reloading(log_now(NULL) / 1000);
    weir_config *config = NULL;
    int r = s->extension && s->extension->load ? s->extension->load(s->extension->user, &config)
                                               : -ENOTSUP;
    if (r == 0) {
        r = weir_gateway_reload(s->gateway, config);
        if (r < 0)
            weir_config_free(config);
        else
            s->config = config; /* the gateway's until the end, which is ours too */
    }
    if (r < 0)
        weir_log_event(s->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "reload failed, the old configuration stays",
                       WEIR_F_STR("reason", strerror(-r)));
    weir_notify_reloaded();
}

static void on_signal(weir_watch *watch, bool readable, bool writable)
{
    (void)writable;
    serving *s = weir_watch_user(watch);
    struct signalfd_siginfo info;
    if (!readable || read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        reload(s);
    } else if (info.ssi_signo == SIGUSR2) {
        weir_handover_restart(s->handover);
    } else if (info.ssi_signo == SIGCHLD) {
        reap_children(s);
    } else {
        weir_notify_stopping();
        begin_drain(s, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

/* A descriptor per client and per server connection: as many as we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else the old limit stands: accepting says so */
}

static int watch_signals(serving *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: all inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signal_fd < 0 ? -errno : 0;
}

static void finish_worker(weir_task *task, weir_loop *loop)
{
    serving_worker *w = WEIR_CONTAINER_OF(task, serving_worker, finish);
    weir_gateway_stop_worker(w->serving->gateway, w->index);
    weir_loop_stop(loop);
}

static void stop_workers(serving *s)
{
    for (unsigned i = 0; i < s->workers; i++) {
        serving_worker *w = &s->worker[i];
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

static void free_all(serving *s)
{
    if (s->gateway)
        stop_workers(s);
    weir_handover_free(s->handover);
    weir_executor_free(s->analyst);
    weir_executor_free(s->resolver);
    weir_executor_free(s->hasher);
    weir_gateway_free(s->gateway);
    for (unsigned i = 0; i < s->workers; i++)
        weir_loop_free(s->worker[i].loop);
    weir_watch_free(s->signals);
    weir_loop_free(s->control);
    weir_epoch_free(s->epoch);
    weir_log_free(s->log);
    if (s->signal_fd >= 0)
        (void)close(s->signal_fd);
}

/* What another process needs to take over from us, and what we take over. */
static int start_handover(serving *s, weir_error *err)
{
    const weir_gateway_extension *e = s->extension;
    weir_handover_options options = {.gateway = s->gateway,
                                     .control = s->control,
                                     .argv = e ? e->argv : NULL,
                                     .socket = s->config->restart,
                                     .share_admin = e ? e->share : NULL,
                                     .pause_admin = e ? e->pause : NULL,
                                     .admin_user = e ? e->user : NULL,
                                     .over = on_over,
                                     .user = s};
    int r = weir_handover_new(&options, &s->handover);
    if (r == 0 && e && e->takeover)
        r = weir_handover_meet(s->handover, e->takeover, err);
    int admin = r == 0 ? weir_handover_take_listener(s->handover, WEIR_HANDOVER_ADMIN, "") : -1;
    if (admin >= 0 && e && e->inherit)
        e->inherit(e->user, admin);
    else if (admin >= 0)
        (void)close(admin);
    return r;
}

/* Only now are we sure that we can serve. */
static int say_ready(serving *s, const char *listen, const char *admin)
{
    int r = weir_handover_ready(s->handover);
    if (r < 0)
        return r;
    (void)printf("weir: ready listen=%s admin=%s\n", listen, admin ? admin : "off");
    (void)fflush(stdout);
    weir_notify_ready(listen, admin ? admin : "off");
    return 0;
}

static int start_tls(serving *s, weir_error *err)
{
    weir_error why;
    int r = weir_gateway_load_tls(s->gateway, s->config, &why);
    if (r < 0)
        weir_error_set(err, "F0000", "weir: tls: %s", why.message);
    return r;
}

/* What engines ask behind memory must be there before their workers. */
static int start_tier(serving *s, weir_error *err)
{
    return weir_gateway_add_tier(s->gateway, s->config, s->resolver, err);
}

static int start(serving *s, weir_error *err)
{
    const char *listen = NULL, *admin = NULL;
    raise_descriptor_limit();
    int r = watch_signals(s);
    if (r == 0)
        r = start_core(s);
    if (r == 0)
        r = start_tier(s, err);
    if (r == 0)
        r = start_workers(s, err);
    if (r == 0)
        r = start_tls(s, err);
    if (r == 0)
        weir_gateway_set_opener(s->gateway, open_another, s);
    if (r == 0)
        r = start_handover(s, err);
    for (unsigned i = 0; r == 0 && i < s->config->database_count; i++)
        r = open_database(s, &s->config->databases[i], err);
    if (r == 0)
        r = listen_all(s, &listen, err);
    if (r == 0)
        r = weir_handover_listen(s->handover, err);
    if (r == 0)
        r = weir_watch_new(s->control, s->signal_fd, true, false, on_signal, s, &s->signals);
    if (r == 0)
        r = run_workers(s);
    if (r == 0)
        r = warm_up(s);
    if (r == 0 && s->extension)
        r = s->extension->start(s->extension->user, s->gateway, s->control, &admin, err);
    return r < 0 ? r : say_ready(s, listen, admin);
}

int weir_gateway_serve(const weir_config *config, const weir_gateway_extension *extension,
                       weir_error *err)
{
    serving *s = calloc(1, sizeof(*s));
    if (!s) {
        weir_error_set(err, "53200", "weir: out of memory");
        return -ENOMEM;
    }
    s->config = config;
    s->extension = extension;
    s->signal_fd = -1;
    s->workers = config->workers ? config->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (s->workers > WORKERS_MAX)
        s->workers = WORKERS_MAX;
    weir_timer_init(&s->drain_timer, on_drain_timer);
    err->sqlstate[0] = '\0';
    int r = start(s, err);
    if (r == 0) {
        weir_loop_run(s->control);
        if (extension)
            extension->stop(extension->user);
    } else if (!err->sqlstate[0]) {
        weir_error_set(err, "58000", "weir: cannot start: %s", strerror(-r));
    }
    free_all(s);
    free(s);
    return r;
}
