/* Reads each PostgreSQL server's catalog for its database, on the worker that served the database
 * first.
 *
 *            first session                     rows                    finished
 *   (none) ───────────────► WAITING ──timer──► LOADING ──► FINISHING ──────────► WAITING
 *                              ▲ └──timer──► LOOKING ──same──┘ ▲ └──other──► LOADING
 *                              └────────────── failed ─────────┘
 *
 * When a client's statement changed the schema the timer comes soon, at most once a second and for
 * a tenth of the time; by itself every catalog.poll, to look whether others changed it. Invariant:
 * what is published was read after the count of changes that it is published with; until then, and
 * after a failure, the engine takes nothing for harmless that it does not know. */
#include "engine/catalog.h"
#include "engine/cache.h"
#include "engine/errand.h"
#include "gateway/internal.h"
#include "sql/schema_rows.h"
#include "sql/server.h"
#include <stdlib.h>

#define SETTLE (100 * WEIR_MS) /* changes come in runs */
#define EVERY WEIR_SECOND
#define SHARE 10                   /* a tenth of the time at most is spent on asking */
#define GIVE_UP (70 * WEIR_SECOND) /* beyond the statement_timeout of the query */
#define BACKOFF_MAX (60 * WEIR_SECOND)
#define QUERY_MAX 65536u
#define SCHEMA_MAX ((size_t)256 << 20) /* of relations and columns, while they are read */

typedef enum loader_state { WAITING, LOOKING, LOADING, FINISHING, STOPPED } loader_state;

typedef struct loader {
    weir_list node; /* of its worker */
    weir_gateway_worker *worker;
    weir_database *database;
    char *user;
    weir_backend_watcher watcher;
    weir_timer timer;
    weir_task changed, finished;
    _Atomic bool told; /* `changed` is on its way */
    loader_state state;
    weir_errand errand;
    weir_buf query, look;
    weir_job job;
    weir_server_builder *builder;
    weir_schema_builder *schema_builder;
    weir_server_catalog *ready; /* of the job */
    weir_schema *schema;        /* likewise */
    int error;                  /* of the rows, of the job */
    uint64_t seen;              /* the database's changes when the look began */
    weir_fingerprints found;    /* of the look under way */
    bool looked;                /* its row came */
    uint64_t system;            /* whose catalog was published last; 0: not known */
    uint32_t timeline;
    bool owes_ahead; /* statements are to be analysed anew when this is confirmed */
    weir_time began, took;
    unsigned failures; /* one after the other */
} loader;

static weir_time now_of(const loader *l)
{
    return weir_loop_now(l->worker->loop);
}

static void set_state(loader *l, loader_state state)
{
    static const unsigned from[] = {
        [WAITING] = 1u << LOOKING | 1u << LOADING | 1u << FINISHING,
        [LOOKING] = 1u << WAITING,
        [LOADING] = 1u << WAITING | 1u << LOOKING,
        [FINISHING] = 1u << LOADING,
        [STOPPED] = 1u << WAITING | 1u << LOOKING | 1u << LOADING | 1u << FINISHING,
    };
    assert(from[state] >> l->state & 1);
    l->state = state;
}

static bool is_loaded(const loader *l)
{
    const weir_server_catalog *c = weir_database_catalog(l->database);
    weir_server_totals t;
    if (!c)
        return false;
    weir_server_total(c, &t);
    return t.version != 0;
}

/* ---- when to look again ---- */

static void wait_for(loader *l, weir_time delay)
{
    weir_time at = now_of(l) + delay;
    weir_time earliest = l->began + (SHARE * l->took > EVERY ? SHARE * l->took : EVERY);
    if (l->began != 0 && at < earliest)
        at = earliest;
    weir_timer_arm(l->worker->loop, &l->timer, at);
}

static bool has_changed(const loader *l)
{
    return weir_database_changes(l->database) != l->seen;
}

/* Else tables at most, among them temporary ones, which come and go: a look tells. */
static bool functions_changed(const loader *l)
{
    return weir_database_changes(l->database) >> 32 != l->seen >> 32;
}

static void rest(loader *l)
{
    weir_time poll = weir_gateway_config(l->worker->gateway)->catalog.poll;
    set_state(l, WAITING);
    if (l->failures > 0) {
        unsigned doublings = l->failures < 7 ? l->failures - 1 : 6;
        weir_time delay = EVERY << doublings;
        wait_for(l, delay < BACKOFF_MAX ? delay : BACKOFF_MAX);
    } else if (has_changed(l)) {
        wait_for(l, SETTLE);
    } else if (poll > 0) {
        wait_for(l, poll);
    } else {
        weir_timer_arm(l->worker->loop, &l->timer, WEIR_TIME_NEVER);
    }
}

static void free_builders(loader *l)
{
    weir_server_builder_free(l->builder);
    weir_schema_builder_free(l->schema_builder);
    l->builder = NULL;
    l->schema_builder = NULL;
}

static void free_ready(loader *l)
{
    weir_server_catalog_free(l->ready);
    weir_schema_free(l->schema);
    l->ready = NULL;
    l->schema = NULL;
}

/* For want of a right: it will be the same at the next try. */
static bool is_denied(const weir_error *err)
{
    return err && strcmp(err->sqlstate, "42501") == 0;
}

static void failed(loader *l, const char *words, bool denied)
{
    free_builders(l);
    l->failures++;
    weir_database_note_catalog(l->database, now_of(l), words, denied);
    weir_log_event(l->worker->gateway->log, WEIR_LOG_POSTGRES, WEIR_LOG_WARN,
                   "cannot read the server's catalog: session state is looked after each "
                   "transaction that may have changed it",
                   WEIR_F_STR("db", weir_database_label(l->database)), WEIR_F_STR("reason", words),
                   WEIR_F_INT("failures", l->failures));
    rest(l);
}

/* ---- a whole load ---- */

static void settled(loader *l)
{
    l->failures = 0;
    l->took = now_of(l) - l->began;
    weir_database_note_catalog(l->database, now_of(l), NULL, false);
    rest(l);
}

static bool defaults_differ(const loader *l, uint64_t defaults)
{
    weir_server_totals t;
    if (!is_loaded(l))
        return false;
    weir_server_total(weir_database_catalog(l->database), &t);
    return t.fingerprints.defaults != defaults;
}

/* Before the new ones are known to anybody: what is read by sessions that began with others is not
 * kept (engine/fill.c). */
static void replace_connections(loader *l, const char *why)
{
    weir_log_event(l->worker->gateway->log, WEIR_LOG_POSTGRES, WEIR_LOG_INFO, why,
                   WEIR_F_STR("db", weir_database_label(l->database)));
    weir_engine_reconnect(l->worker->gateway->engine, l->database, now_of(l));
}

/* After a failover connections to the server before may be there still. True: the catalog is from
 * such a one. */
static bool is_elsewhere(loader *l)
{
    weir_history_stats h;
    weir_database_history_stats(l->database, &h);
    bool same = l->errand.system == h.system && l->errand.timeline == h.timeline;
    if (h.followed && l->errand.system != 0 && !same)
        return true;
    if (l->system != 0 && (l->system != h.system || l->timeline != h.timeline))
        replace_connections(l, "another server is followed: connections are replaced");
    l->system = h.system;
    l->timeline = h.timeline;
    return false;
}

/* A standby may be behind the changes that are followed on its primary. */
static void put_schema(loader *l, weir_epoch_member *member)
{
    if (!weir_schema_is_standbys(l->schema)) {
        weir_database_put_schema(l->database, member, l->schema, l->seen);
        return;
    }
    weir_schema_free(l->schema);
    weir_database_doubt_schema(l->database);
}

static void publish(loader *l)
{
    weir_server_totals t;
    weir_server_total(l->ready, &t);
    if (defaults_differ(l, t.fingerprints.defaults))
        replace_connections(l, "role or database defaults changed: connections are replaced");
    weir_log_event(l->worker->gateway->log, WEIR_LOG_POSTGRES, WEIR_LOG_INFO,
                   "read the server's catalog", WEIR_F_STR("db", weir_database_label(l->database)),
                   WEIR_F_INT("functions", t.functions), WEIR_F_INT("suspects", t.suspects),
                   WEIR_F_INT("relations", weir_schema_count(l->schema)),
                   WEIR_F_STR("partial", weir_server_partial(l->ready)),
                   WEIR_F_DURATION("took", now_of(l) - l->began));
    weir_epoch_member *member = weir_worker_epoch(l->worker->engine);
    put_schema(l, member);
    weir_database_put_catalog(l->database, member, l->ready, l->seen);
    l->ready = NULL;
    l->schema = NULL;
    l->owes_ahead = weir_database_schema_stale(l->database);
    weir_gateway_analyze_ahead(l->worker->gateway, l->database);
    settled(l);
}

static void on_finished(weir_task *task, weir_loop *loop)
{
    (void)loop;
    loader *l = WEIR_CONTAINER_OF(task, loader, finished);
    free_builders(l);
    if (l->state == STOPPED)
        return;
    if (l->error == 0) {
        publish(l);
        return;
    }
    free_ready(l);
    failed(l, "out of memory", false);
}

/* On the analysis thread: a large schema takes long to follow. */
static void finish(weir_job *job)
{
    loader *l = WEIR_CONTAINER_OF(job, loader, job);
    weir_gateway *g = l->worker->gateway;
    l->error = weir_server_finish(l->builder, weir_engine_catalog_serial(g->engine),
                                  g->options.memory, &l->ready);
    if (l->error == 0) {
        weir_schema_set_server(l->schema_builder, l->ready);
        l->error = weir_schema_finish(l->schema_builder, g->options.memory, &l->schema);
    }
    weir_loop_post(l->worker->loop, &l->finished);
}

static void on_load_row(weir_errand *errand, const weir_slice *values, unsigned count)
{
    loader *l = WEIR_CONTAINER_OF(errand, loader, errand);
    if (l->error == 0)
        l->error = weir_server_row(l->builder, values, count);
    if (l->error == 0)
        l->error = weir_schema_row(l->schema_builder, values, count);
}

static void on_loaded(weir_errand *errand, const weir_error *err)
{
    loader *l = WEIR_CONTAINER_OF(errand, loader, errand);
    weir_executor *analyst = l->worker->gateway->options.analyst;
    weir_timer_disarm(l->worker->loop, &l->timer);
    if (err || l->error < 0) {
        failed(l, err ? err->message : "out of memory", is_denied(err));
        return;
    }
    if (is_elsewhere(l)) {
        replace_connections(l, "another server is followed: connections are replaced");
        failed(l, "it was read from another server than the one whose changes are followed", false);
        return;
    }
    set_state(l, FINISHING);
    l->job = (weir_job){.run = finish};
    l->finished.run = on_finished;
    if (analyst)
        weir_executor_submit(analyst, &l->job);
    else
        finish(&l->job);
}

static void on_look_row(weir_errand *errand, const weir_slice *values, unsigned count);
static void on_looked(weir_errand *errand, const weir_error *err);

static void begin(loader *l, loader_state state)
{
    set_state(l, state);
    l->began = now_of(l);
    l->seen = weir_database_changes(l->database);
    l->error = 0;
    l->looked = false;
    l->errand = (weir_errand){.row = state == LOADING ? on_load_row : on_look_row,
                              .done = state == LOADING ? on_loaded : on_looked};
    weir_timer_arm(l->worker->loop, &l->timer, l->began + GIVE_UP);
}

static void start(loader *l, weir_slice text)
{
    weir_errand_start(&l->errand, l->worker->engine, l->database, weir_slice_cstr(l->user), text,
                      NULL, 0);
}

static void load(loader *l)
{
    begin(l, LOADING);
    if (weir_server_builder_new(&weir_server_bounds_usual, &l->builder) < 0 ||
        weir_schema_builder_new(SCHEMA_MAX, &l->schema_builder) < 0)
        failed(l, "out of memory", false);
    else
        start(l, weir_buf_slice(&l->query));
}

/* ---- a look whether it changed ---- */

static void on_look_row(weir_errand *errand, const weir_slice *values, unsigned count)
{
    loader *l = WEIR_CONTAINER_OF(errand, loader, errand);
    l->looked = weir_server_fingerprints(values, count, &l->found);
}

static void on_looked(weir_errand *errand, const weir_error *err)
{
    loader *l = WEIR_CONTAINER_OF(errand, loader, errand);
    weir_server_totals t;
    weir_timer_disarm(l->worker->loop, &l->timer);
    if (err || !l->looked) {
        failed(l, err ? err->message : "the server gave no fingerprint", is_denied(err));
        return;
    }
    weir_server_total(weir_database_catalog(l->database), &t);
    if (memcmp(&t.fingerprints, &l->found, sizeof(l->found)) != 0) {
        load(l);
        return;
    }
    if (!weir_database_schema_doubted(l->database))
        weir_database_confirm_schema(l->database, l->seen);
    weir_database_confirm_catalog(l->database, l->seen);
    if (l->owes_ahead)
        weir_gateway_analyze_ahead(l->worker->gateway, l->database);
    l->owes_ahead = l->owes_ahead && weir_database_schema_stale(l->database);
    settled(l);
}

static void look(loader *l)
{
    begin(l, LOOKING);
    start(l, weir_buf_slice(&l->look));
}

/* ---- when ---- */

static void stop(loader *l)
{
    if (l->state == STOPPED)
        return;
    if (l->state == LOOKING || l->state == LOADING) {
        weir_errand_drop(&l->errand);
        free_builders(l);
    }
    set_state(l, STOPPED);
    atomic_store(&weir_database_backend(l->database)->watcher, NULL);
    weir_timer_disarm(l->worker->loop, &l->timer);
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    loader *l = WEIR_CONTAINER_OF(timer, loader, timer);
    if (l->state == LOOKING || l->state == LOADING) {
        weir_errand_drop(&l->errand);
        failed(l, "the server did not answer in time", false);
    } else if (l->state != WAITING) {
        return;
    } else if (weir_database_removed(l->database)) {
        stop(l);
    } else if (!is_loaded(l) || l->failures > 0 || functions_changed(l)) {
        load(l);
    } else {
        look(l);
    }
}

static void on_changed(weir_task *task, weir_loop *loop)
{
    (void)loop;
    loader *l = WEIR_CONTAINER_OF(task, loader, changed);
    atomic_store(&l->told, false);
    if (l->state == WAITING && l->failures == 0 && has_changed(l))
        wait_for(l, SETTLE);
}

/* On whichever worker the statement ran. */
static void changes_came(weir_backend_watcher *watcher)
{
    loader *l = WEIR_CONTAINER_OF(watcher, loader, watcher);
    if (!atomic_exchange(&l->told, true))
        weir_loop_post(l->worker->loop, &l->changed);
}

/* ---- life ---- */

static void loader_free(loader *l)
{
    free_builders(l);
    free_ready(l);
    weir_buf_fini(&l->query);
    weir_buf_fini(&l->look);
    free(l->user);
    free(l);
}

static int loader_new(weir_gateway_worker *w, weir_database *database, weir_slice user,
                      loader **ret)
{
    loader *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->worker = w;
    l->database = database;
    l->watcher.changed = changes_came;
    l->changed.run = on_changed;
    weir_timer_init(&l->timer, on_timer);
    weir_buf_init(&l->query, QUERY_MAX);
    weir_buf_init(&l->look, QUERY_MAX);
    l->user = strndup(user.len ? (const char *)user.data : "", user.len);
    int r = l->user ? weir_server_query(&l->query) : -ENOMEM;
    if (r == 0)
        r = weir_buf_append(&l->query, weir_schema_query());
    if (r == 0)
        r = weir_server_fingerprint_query(&l->look);
    if (r < 0) {
        loader_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

/* Without memory for it the database goes on with what words tell. */
void weir_gateway_on_used(void *gateway, weir_worker *worker, weir_database *database,
                          weir_slice user)
{
    weir_gateway *g = gateway;
    weir_gateway_worker *w = &g->workers[weir_worker_index(worker)];
    weir_backend *backend = weir_database_backend(database);
    weir_server_catalog *unknown = NULL;
    loader *l = NULL;
    if (backend->ops->dialect != WEIR_DIALECT_POSTGRES || atomic_load(&g->draining))
        return;
    if (loader_new(w, database, user, &l) < 0 ||
        weir_server_unknown(weir_engine_catalog_serial(g->engine), &unknown) < 0) {
        if (l)
            loader_free(l);
        weir_log_event(g->log, WEIR_LOG_POSTGRES, WEIR_LOG_ERROR,
                       "no memory for the server's catalog",
                       WEIR_F_STR("db", weir_database_label(database)));
        return;
    }
    weir_list_push_back(&w->catalogs, &l->node);
    weir_database_put_catalog(database, weir_worker_epoch(worker), unknown,
                              weir_database_changes(database));
    atomic_store(&backend->watcher, &l->watcher);
    weir_timer_arm(w->loop, &l->timer, weir_loop_now(w->loop)); /* behind who opens a session */
}

void weir_catalogs_drain(weir_gateway_worker *w)
{
    for (weir_list *n = w->catalogs.next; n != &w->catalogs; n = n->next)
        stop(WEIR_CONTAINER_OF(n, loader, node));
}

void weir_catalogs_free(weir_gateway_worker *w)
{
    for (weir_list *n; (n = weir_list_pop_front(&w->catalogs));)
        loader_free(WEIR_CONTAINER_OF(n, loader, node));
}
