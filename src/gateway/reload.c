/* Configurations coming into force: the first, and those that SIGHUP or RELOAD bring, without
 * dropping a client. What only a restart can change is said in the log. */
#include "gateway/internal.h"
#include <stdlib.h>

int weir_gateway_put_settings(weir_gateway *g, const weir_config *config, bool owned)
{
    weir_settings *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = config;
    int r = weir_settings_derive(s, g->options.seed);
    if (r < 0) {
        free(s->secrets);
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
        if (s->owned)
            weir_config_free((weir_config *)(uintptr_t)s->config);
        free(s->secrets);
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
                               .fair_within = WEIR_MS,
                               .open_backoff_min = 100 * WEIR_MS,
                               .open_backoff_max = 10 * WEIR_SECOND};
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

static void configure_databases(weir_gateway *g, const weir_config *config)
{
    for (unsigned i = 0; i < weir_engine_database_count(g->engine); i++) {
        weir_database *d = weir_engine_database_at(g->engine, i);
        const weir_config_database *now = same_database(config, weir_database_name(d));
        if (!now) {
            weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_WARN,
                           "removed database needs a restart",
                           WEIR_F_STR("db", weir_database_label(d)));
            continue;
        }
        weir_pool_options pool = weir_gateway_pool_options(&now->pool);
        if (weir_database_configure(d, &pool) < 0)
            weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                           "out of memory: pool limits stay",
                           WEIR_F_STR("db", weir_database_label(d)));
    }
    for (unsigned i = 0; i < config->database_count; i++)
        if (!same_database(weir_gateway_config(g), config->databases[i].name))
            weir_log_event(g->log, WEIR_LOG_CONFIG, WEIR_LOG_WARN, "new database needs a restart",
                           WEIR_F_STR("db", config->databases[i].name));
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
    weir_config_each(config, compare, &c);
    configure_databases(gateway, config);
    if (c.cache)
        configure_cache(gateway, config);
    int r = weir_gateway_put_settings(gateway, config, true);
    if (r < 0)
        return r;
    weir_engine_set_slow(gateway->engine, config->log.slow);
    for (int m = 0; m < WEIR_LOG_MODULES; m++)
        weir_log_set_level(gateway->log, (weir_log_module)m, config->log.modules[m]);
    weir_log_event(gateway->log, WEIR_LOG_CONFIG, WEIR_LOG_INFO, "configuration reloaded");
    return 0;
}
