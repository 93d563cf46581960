/* Configurations coming into force: the first, and those that SIGHUP or RELOAD bring, without
 * dropping a client. What only a restart can change is said in the log. */
#include "engine/replica.h"
#include "gateway/ending.h"
#include "gateway/internal.h"
#include "gateway/listen.h"
#include "gateway/warming.h"
#include <stdlib.h>

int weir_gateway_put_settings(weir_gateway *g, const weir_config *config, bool owned)
{
    weir_settings *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = config;
    int r = weir_settings_index_users(s, g->options.seed);
    if (r < 0) {
        weir_settings_forget_users(s);
        free(s);
        return r;
    }
    s->owned = owned;
    s->older = atomic_load(&g->settings);
    atomic_store_explicit(&g->settings, s, memory_order_release);
    return 0;
}

void weir_gateway_free_settings(weir_gateway *g)
{
    weir_settings *s = atomic_load(&g->settings);
    while (s) {
        weir_settings *older = s->older;
        weir_settings_forget_users(s);
        if (s->owned)
            weir_config_free((weir_config *)(uintptr_t)s->config);
        free(s);
        s = older;
    }
}

weir_pool_options weir_gateway_pool_options(const weir_config_pool *p)
{
    return (weir_pool_options){.size_min = p->min_size,
                               .size_max = p->max_size,
                               .pinned_max = p->max_pinned,
                               .waiters_max = p->max_waiting,
                               .acquire_timeout = p->acquire_timeout,
                               .idle_timeout = p->idle_timeout,
                               .lifetime_max = p->max_lifetime,
                               .validate_after = p->validate_after,
                               .hold_max = p->leak_after,
                               .reserve_size = p->reserve_size,
                               .reserve_after = p->reserve_timeout,
                               .opening_max = p->max_opening,
                               .fair_within = WEIR_MS,
                               .open_backoff_min = 100 * WEIR_MS,
                               .open_backoff_max = 10 * WEIR_SECOND};
}

weir_pool_options weir_gateway_replica_pool_options(const weir_config_pool *p)
{
    weir_pool_options options = weir_gateway_pool_options(p);
    if (options.acquire_timeout > WEIR_SECOND)
        options.acquire_timeout = WEIR_SECOND;
    return options;
}

/* ---- what a reload cannot do ---- */

typedef struct comparison {
    weir_gateway *gateway;
    const weir_config *old;
    const char *key, *value; /* looked for in the old one */
    bool same;
    bool cache; /* something that the cache heeds has changed */
} comparison;

static void find_same(void *user, const char *key, const char *value, const char *fallback,
                      bool reloadable)
{
    (void)fallback;
    (void)reloadable;
    comparison *c = user;
    if (strcmp(key, c->key) == 0)
        c->same = strcmp(value, c->value) == 0;
}

static void compare(void *user, const char *key, const char *value, const char *fallback,
                    bool reloadable)
{
    (void)fallback;
    comparison *c = user;
    bool cache = strncmp(key, "cache.", 6) == 0;
    if (reloadable && !cache)
        return;
    c->key = key;
    c->value = value;
    c->same = false;
    weir_config_each(c->old, find_same, c);
    c->cache = c->cache || (cache && !c->same);
    if (!c->same && !reloadable)
        weir_log_event(c->gateway->log, WEIR_LOG_CONFIG, WEIR_LOG_WARN,
                       "changed setting needs a restart", WEIR_F_STR("key", key));
}

static const weir_config_database *same_database(const weir_config *config, const char *name)
{
    for (unsigned i = 0; i < config->database_count; i++)
        if (strcmp(config->databases[i].name, name) == 0)
            return &config->databases[i];
    return NULL;
}

static void log_database(weir_gateway *g, weir_log_level level, const char *what, const char *db)
{
    weir_log_event(g->log, WEIR_LOG_CONFIG, level, what, WEIR_F_STR("db", db));
}

/* No name finds it any more; its clients go when their transactions end. */
static void remove_database(weir_gateway *g, weir_database *d)
{
    weir_time now = weir_loop_clock(g->workers[0].loop);
    weir_database *replica;
    for (unsigned i = 0; (replica = weir_database_replica_at(d, i)) != NULL; i++)
        weir_database_remove(replica, now);
    const weir_ending what = {
        .database = d, .gently = true, .words = "this database was taken out of the configuration"};
    weir_database_remove(d, now);
    if (weir_gateway_end_clients(g, NULL, &what) < 0)
        log_database(g, WEIR_LOG_ERROR, "out of memory: clients of a removed database stay",
                     weir_database_label(d));
    log_database(g, WEIR_LOG_INFO, "database removed", weir_database_label(d));
}

static void add_database(weir_gateway *g, const weir_config *config, const weir_config_database *d)
{
    weir_error err;
    int r = -ENOTSUP;
    weir_error_set(&err, "0A000", "weir: not possible here");
    if (g->opener)
        r = g->opener(g->opener_user, config, d, NULL, &err);
    if (r == 0)
        log_database(g, WEIR_LOG_INFO, "database added", d->label);
    else
        weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR, "cannot add database",
                       WEIR_F_STR("db", d->label), WEIR_F_STR("reason", err.message));
}

/* An only database is called "*" and has its own name as a label: it stays what it is when others
 * come or go. */
static const weir_config_database *still_there(const weir_config *config, const weir_database *d)
{
    const weir_config_database *found = same_database(config, weir_database_name(d));
    if (found && strcmp(found->dsn_shown, weir_database_shown(d)) == 0)
        return found;
    for (unsigned i = 0; i < config->database_count; i++)
        if (strcmp(config->databases[i].label, weir_database_label(d)) == 0)
            return &config->databases[i];
    return found;
}

static void move_database(weir_gateway *g, weir_database *d, const weir_config *config,
                          const weir_config_database *now)
{
    weir_error err = {{0}, {0}, {0}, {0}};
    int r = g->opener ? g->opener(g->opener_user, config, now, d, &err) : WEIR_GATEWAY_STAYS;
    if (r == 0) {
        weir_hubs_move(g, d);
        log_database(g, WEIR_LOG_INFO, "database moved, its connections are replaced",
                     weir_database_label(d));
    } else if (r == -ENOTSUP) {
        log_database(g, WEIR_LOG_WARN, "changed dsn needs a restart", weir_database_label(d));
    } else if (r < 0) {
        weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR, "changed dsn cannot be applied",
                       WEIR_F_STR("db", weir_database_label(d)), WEIR_F_STR("reason", err.message));
    }
}

/* Their limits and TLS files; which they are, and how far behind, needs a restart. */
static void configure_replicas(weir_gateway *g, const weir_database *d,
                               const weir_config_database *now)
{
    bool same = now->replica_lag == weir_database_replica_lag(d);
    weir_database *replica;
    unsigned i = 0;
    for (; (replica = weir_database_replica_at(d, i)) != NULL; i++) {
        if (i >= now->replica_count ||
            strcmp(now->replicas[i].dsn_shown, weir_database_shown(replica)) != 0) {
            same = false;
            continue;
        }
        weir_pool_options pool = weir_gateway_replica_pool_options(&now->replicas[i].pool);
        if (weir_database_configure(replica, &pool) < 0)
            log_database(g, WEIR_LOG_ERROR, "out of memory: pool limits stay",
                         weir_database_label(replica));
        weir_gateway_reload_server_tls(g, replica, &now->replicas[i].tls);
    }
    if (!same || i != now->replica_count)
        log_database(g, WEIR_LOG_WARN, "changed replicas need a restart", weir_database_label(d));
}

static void configure_database(weir_gateway *g, weir_database *d, const weir_config *config,
                               const weir_config_database *now)
{
    weir_pool_options pool = weir_gateway_pool_options(&now->pool);
    weir_share share = weir_gateway_share(&now->share);
    weir_database_configure_share(d, &share);
    weir_database_set_lending(d, weir_gateway_lending(now->pool.mode));
    weir_database_set_leak_ends(d, now->pool.leak_ends);
    if (strcmp(now->name, weir_database_name(d)) != 0 && weir_database_rename(d, now->name) < 0)
        log_database(g, WEIR_LOG_ERROR, "out of memory: the name stays", weir_database_label(d));
    move_database(g, d, config, now); /* before there is room for more where it was */
    weir_gateway_reload_server_tls(g, d, &now->tls);
    if (weir_database_configure(d, &pool) < 0)
        log_database(g, WEIR_LOG_ERROR, "out of memory: pool limits stay", weir_database_label(d));
    configure_replicas(g, d, now);
}

static bool is_served(weir_gateway *g, const char *name)
{
    for (unsigned i = 0; i < weir_engine_database_count(g->engine); i++) {
        const weir_database *d = weir_engine_database_at(g->engine, i);
        if (!weir_database_primary(d) && !weir_database_removed(d) &&
            strcmp(weir_database_name(d), name) == 0)
            return true;
    }
    return false;
}

static void configure_databases(weir_gateway *g, const weir_config *config)
{
    for (unsigned i = 0; i < weir_engine_database_count(g->engine); i++) {
        weir_database *d = weir_engine_database_at(g->engine, i);
        const weir_config_database *now = still_there(config, d);
        if (weir_database_primary(d) || weir_database_removed(d))
            continue;
        if (now)
            configure_database(g, d, config, now);
        else
            remove_database(g, d);
    }
    for (unsigned i = 0; i < config->database_count; i++)
        if (!is_served(g, config->databases[i].name))
            add_database(g, config, &config->databases[i]);
}

static bool has_user(const weir_config *config, const char *name)
{
    for (unsigned i = 0; i < config->user_count; i++)
        if (strcmp(config->users[i].name, name) == 0)
            return true;
    return false;
}

int weir_gateway_configure_users(weir_gateway *g, const weir_config *config,
                                 const weir_config *before)
{
    int r = 0;
    weir_engine_configure_servers(g->engine, config->limits.server_connections);
    for (unsigned i = 0; i < config->user_count && r == 0; i++) {
        const weir_config_user *u = &config->users[i];
        weir_share share = weir_gateway_share(&u->share);
        r = weir_engine_configure_user(g->engine, u->name, &share);
    }
    for (unsigned i = 0; before && i < before->user_count && r == 0; i++)
        if (!has_user(config, before->users[i].name))
            r = weir_engine_configure_user(g->engine, before->users[i].name, &(weir_share){0});
    return r;
}

/* Not asked for without need: what is kept would be forgotten. */
static void configure_cache(weir_gateway *g, const weir_config *config)
{
    if (weir_gateway_configure_cache(g, config) < 0)
        weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "out of memory: the cache's settings stay");
}

int weir_gateway_reload(weir_gateway *gateway, weir_config *config)
{
    comparison c = {.gateway = gateway, .old = weir_gateway_config(gateway)};
    weir_error err;
    int r = weir_gateway_load_tls(gateway, config, &err);
    if (r < 0) {
        weir_log_event(gateway->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "TLS cannot be reloaded, the old certificate stays",
                       WEIR_F_STR("reason", err.message));
        return r;
    }
    weir_config_each(config, compare, &c);
    configure_databases(gateway, config);
    if (weir_gateway_configure_users(gateway, config, c.old) < 0)
        weir_log_event(gateway->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "out of memory: some users' limits stay");
    if (c.cache)
        configure_cache(gateway, config);
    r = weir_gateway_put_settings(gateway, config, true);
    if (r < 0)
        return r;
    weir_warming_configure(gateway->warming, c.cache);
    weir_engine_set_slow(gateway->engine, config->log.slow);
    for (int m = 0; m < WEIR_LOG_MODULES; m++)
        weir_log_set_level(gateway->log, (weir_log_module)m, config->log.modules[m]);
    weir_log_event(gateway->log, WEIR_LOG_CONFIG, WEIR_LOG_INFO, "configuration reloaded");
    return 0;
}
