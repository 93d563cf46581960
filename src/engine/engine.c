/* The engine's life: databases, workers, the template table. */
#include "engine/cache_internal.h"
#include <stdlib.h>

int weir_engine_new(const weir_engine_options *options, weir_engine **ret)
{
    assert(options->workers > 0 && options->host.now && options->host.post);
    weir_engine *e = calloc(1, sizeof(*e) + options->workers * sizeof(weir_worker *));
    if (!e)
        return -ENOMEM;
    e->options = *options;
    atomic_store(&e->slow, options->slow);
    int r = weir_template_table_new(options->templates_max, options->seed, options->epoch,
                                    options->memory, &e->templates);
    if (r < 0) {
        free(e);
        return r;
    }
    *ret = e;
    return 0;
}

static void database_free(weir_database *d)
{
    weir_pools *pools = atomic_load(&d->pools);
    while (pools) {
        weir_pools *next = pools->next;
        weir_pools_free(pools);
        pools = next;
    }
    for (weir_limits *l = atomic_load(&d->limits), *older; l; l = older) {
        older = l->older;
        free(l);
    }
    if (d->backend)
        d->backend->ops->destroy(d->backend);
    weir_pool_quota_free(d->connections);
    weir_history_free(d->history); /* after whoever reports to it */
    weir_server_catalog_free(atomic_load(&d->catalog.now));
    weir_schema_free(atomic_load(&d->catalog.schema));
    weir_database_forget_logins(d);
    weir_database_forget_readings(d);
    free(d->name);
    for (weir_name *n = d->old, *next; n; n = next) {
        next = n->next;
        free(n->text);
        free(n);
    }
    weir_places_free(d);
    free(d->label_asked);
    free(d);
}

void weir_engine_free(weir_engine *engine)
{
    if (!engine)
        return;
    for (unsigned i = 0; i < engine->options.workers; i++)
        assert(!engine->workers[i]);
    for (unsigned i = 0; i < engine->database_count; i++)
        database_free(engine->databases[i]);
    weir_shares_free(engine);
    weir_cache_free(engine->cache);
    weir_template_table_free(engine->templates);
    free(engine);
}

/* A copy, or NULL for NULL; `*failed` is set when memory is short. */
static char *copy(const char *text, bool *failed)
{
    char *r = text ? strdup(text) : NULL;
    if (text && !r)
        *failed = true;
    return r;
}

/* Labels are unique, as names are: metrics would be read as one otherwise. */
static void settle_label(weir_engine *engine, weir_database *d)
{
    d->label = d->label_asked ? d->label_asked : d->name;
    for (unsigned i = 0; i < engine->database_count; i++) {
        weir_database *other = engine->databases[i];
        if (strcmp(other->label, d->label) == 0)
            d->label = d->name;
        if (strcmp(other->label, d->name) == 0)
            other->label = other->name;
    }
}

int weir_engine_add_database(weir_engine *engine, const weir_database_options *options,
                             weir_database **ret)
{
    weir_database *primary = options->replica_of;
    if (engine->database_count == WEIR_DATABASES_MAX ||
        (primary && primary->replica_count == WEIR_REPLICAS_MAX))
        return -ENOSPC;
    weir_database *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->primary = primary;
    d->replica_lag = options->replica_lag;
    d->lag = WEIR_TIME_NEVER;
    d->began_before = primary ? 1 : 0;
    bool failed = false;
    d->engine = engine;
    d->index = engine->database_count;
    d->name = copy(options->name, &failed);
    d->label_asked = copy(options->label, &failed);
    d->lending = options->lending;
    d->leak_ends = options->leak_ends;
    if (failed || weir_place_put(d, options) < 0 || weir_pool_quota_new(0, &d->connections) < 0 ||
        (options->host && !(d->server = weir_server_get(engine, options->host, options->port))) ||
        weir_database_configure(d, &options->pool) < 0) {
        database_free(d);
        return -ENOMEM;
    }
    d->backend = options->backend;
    d->backend->events = &weir_lender_events;
    d->backend->engine = engine;
    int r = primary ? 0 : weir_history_start(d);
    if (r < 0) {
        d->backend = NULL; /* the caller's again */
        database_free(d);
        return r;
    }
    weir_database_configure_share(d, &options->share);
    settle_label(engine, d);
    engine->databases[d->index] = d;
    engine->database_count++; /* published: others may be serving already */
    if (primary) {
        primary->replicas[primary->replica_count] = d;
        atomic_fetch_add(&primary->replica_count, 1);
    }
    if (ret)
        *ret = d;
    return 0;
}

int weir_database_configure(weir_database *database, const weir_pool_options *pool)
{
    weir_limits *l = malloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (weir_limits){.pool = *pool, .older = atomic_load(&database->limits)};
    atomic_store(&database->limits, l);
    for (weir_pools *p = weir_database_pools(database); p; p = p->next) {
        weir_pool_options o = weir_pools_options(database, p->account);
        weir_pool_configure(p->pool, &o);
        weir_lender_nudge_all(p);
    }
    return 0;
}

void weir_engine_set_slow(weir_engine *engine, weir_time slow)
{
    atomic_store_explicit(&engine->slow, slow, memory_order_relaxed);
}

weir_database *weir_engine_find_database(weir_engine *engine, weir_slice name)
{
    weir_database *any = NULL;
    for (unsigned i = 0; i < engine->database_count; i++) {
        weir_database *d = engine->databases[i];
        if (d->primary || weir_database_removed(d))
            continue;
        if (weir_slice_eq_cstr(name, d->name))
            return d;
        if (strcmp(d->name, "*") == 0)
            any = d;
    }
    return any;
}

/* ---- workers ---- */

static int stats_init(weir_worker *w)
{
    weir_worker_stats *s = &w->stats;
    s->chunk_count = (w->engine->options.templates_max + WEIR_STATS_CHUNK - 1) / WEIR_STATS_CHUNK;
    s->databases = calloc(WEIR_DATABASES_MAX, sizeof(*s->databases));
    s->chunks = calloc(s->chunk_count + 1, sizeof(*s->chunks));
    return s->databases && s->chunks ? 0 : -ENOMEM;
}

static void worker_free(weir_worker *w)
{
    for (unsigned i = 0; w->stats.databases && i < WEIR_DATABASES_MAX; i++)
        free(atomic_load(&w->stats.databases[i]));
    for (uint32_t i = 0; w->stats.chunks && i < w->stats.chunk_count; i++)
        free(atomic_load(&w->stats.chunks[i]));
    free(w->stats.databases);
    free(w->stats.chunks);
    weir_lexed_fini(&w->lexed);
    free(w->recall);
    weir_hot_free(w->hot);
    weir_buf_fini(&w->identity);
    if (w->epoch)
        weir_epoch_leave(w->epoch);
    free(w);
}

int weir_worker_start(weir_engine *engine, unsigned index, struct weir_loop *loop,
                      weir_worker **ret)
{
    assert(index < engine->options.workers && !engine->workers[index]);
    weir_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->engine = engine;
    w->index = index;
    w->loop = loop;
    w->wake_at = w->sweep_at = WEIR_TIME_NEVER;
    weir_list_init(&w->lenders);
    weir_list_init(&w->answers);
    weir_list_init(&w->leases);
    weir_lexed_init(&w->lexed);
    w->recall = calloc(1, sizeof(*w->recall));
    int r = stats_init(w);
    if (r == 0)
        r = weir_epoch_join(engine->options.epoch, &w->epoch);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    engine->workers[index] = w;
    if (engine->started == 0)
        engine->started = weir_worker_now(w);
    *ret = w;
    return 0;
}

void weir_worker_stop(weir_worker *worker)
{
    if (!worker)
        return;
    weir_cache_detach(worker);
    weir_epoch_offline(worker->epoch);
    worker->engine->workers[worker->index] = NULL;
    worker_free(worker);
}

/* Readers may still look at the old name: it is kept. */
int weir_database_rename(weir_database *database, const char *name)
{
    weir_name *old = malloc(sizeof(*old));
    char *text = strdup(name);
    if (!old || !text) {
        free(old);
        free(text);
        return -ENOMEM;
    }
    *old = (weir_name){.next = database->old, .text = database->name};
    database->old = old;
    database->name = text;
    return 0;
}

/* ---- small answers ---- */

const char *weir_database_name(const weir_database *database)
{
    return database->name;
}

const char *weir_database_user(const weir_database *database)
{
    return weir_place_of(database)->user;
}

weir_listen_stats *weir_database_listen_stats(weir_database *database)
{
    return &database->listen;
}

const char *weir_database_label(const weir_database *database)
{
    return database->label;
}

bool weir_database_paused(const weir_database *database)
{
    return atomic_load(&database->paused);
}

weir_lending weir_database_lending(const weir_database *database)
{
    return atomic_load_explicit(&database->lending, memory_order_relaxed);
}

void weir_database_set_lending(weir_database *database, weir_lending lending)
{
    atomic_store(&database->lending, lending);
}

bool weir_database_leak_ends(const weir_database *database)
{
    return atomic_load_explicit(&database->leak_ends, memory_order_relaxed);
}

void weir_database_set_leak_ends(weir_database *database, bool ends)
{
    atomic_store(&database->leak_ends, ends);
}

const char *weir_lending_name(weir_lending lending)
{
    static const char *const names[] = {"transaction", "session", "statement"};
    return names[lending];
}

void weir_database_disable(weir_database *database, bool disabled)
{
    atomic_store(&database->disabled, disabled);
}

bool weir_database_disabled(const weir_database *database)
{
    return atomic_load(&database->disabled);
}

bool weir_database_closed(const weir_database *database)
{
    return atomic_load(&database->closed);
}

bool weir_database_removed(const weir_database *database)
{
    return atomic_load(&database->removed);
}

const char *weir_database_shown(const weir_database *database)
{
    const char *shown = weir_place_of(database)->shown;
    return shown ? shown : "";
}

weir_backend *weir_database_backend(const weir_database *database)
{
    return database->backend;
}

weir_epoch_member *weir_worker_epoch(weir_worker *worker)
{
    return worker->epoch;
}

unsigned weir_worker_index(const weir_worker *worker)
{
    return worker->index;
}

weir_engine *weir_worker_engine(const weir_worker *worker)
{
    return worker->engine;
}

const weir_lexed *weir_worker_lexed(const weir_worker *worker)
{
    return &worker->lexed;
}

weir_template_table *weir_engine_templates(weir_engine *engine)
{
    return engine->templates;
}

unsigned weir_engine_database_count(const weir_engine *engine)
{
    return engine->database_count;
}

weir_database *weir_engine_database_at(weir_engine *engine, unsigned index)
{
    assert(index < engine->database_count);
    return engine->databases[index];
}

unsigned weir_engine_workers(const weir_engine *engine)
{
    return engine->options.workers;
}

weir_worker *weir_engine_worker_at(weir_engine *engine, unsigned index)
{
    assert(index < engine->options.workers);
    return engine->workers[index];
}
