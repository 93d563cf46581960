/* The cache's part of the configuration, as the engine takes it. */
#include "engine/cache.h"
#include "gateway/background.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define FLIGHTS_MAX 65536u

static weir_policy_kind policy_of(weir_config_policy policy)
{
    static const weir_policy_kind kinds[] = {[WEIR_CONFIG_S3FIFO] = WEIR_POLICY_S3FIFO,
                                             [WEIR_CONFIG_LRU] = WEIR_POLICY_LRU,
                                             [WEIR_CONFIG_LFU] = WEIR_POLICY_LFU,
                                             [WEIR_CONFIG_ADAPTIVE] = WEIR_POLICY_ADAPTIVE};
    return kinds[policy];
}

static weir_consistency consistency_of(weir_config_consistency consistency)
{
    static const weir_consistency levels[] = {[WEIR_CONFIG_CONSISTENCY_UNSET] =
                                                  WEIR_CONSISTENCY_UNSAID,
                                              [WEIR_CONFIG_STRICT] = WEIR_CONSISTENCY_STRICT,
                                              [WEIR_CONFIG_OF_SESSION] = WEIR_CONSISTENCY_SESSION,
                                              [WEIR_CONFIG_BOUNDED] = WEIR_CONSISTENCY_BOUNDED};
    return levels[consistency];
}

static weir_cache_rule rule_of(const weir_config_cache_rule *r)
{
    weir_cache_rule rule = {.table = r->table,
                            .template = r->template,
                            .user = r->user,
                            .database = r->database,
                            .ttl = r->ttl,
                            .tags = r->tags,
                            .name_space = r->name_space,
                            .version = r->version,
                            .consistency = consistency_of(r->consistency),
                            .bound = r->bound,
                            .stale_if_error = r->stale_if_error,
                            .stale_while_revalidate = r->stale_while_revalidate,
                            .refresh_ahead = r->refresh_ahead};
    if (r->cache != WEIR_CONFIG_RULE_UNSET)
        rule.cache = r->cache == WEIR_CONFIG_RULE_CACHE ? WEIR_RULE_CACHE : WEIR_RULE_BYPASS;
    return rule;
}

/* `*ret_rules` is the caller's to free; its texts are the configuration's. */
static int settings_of(const weir_config *config, weir_cache_settings *ret,
                       weir_cache_rule **ret_rules)
{
    unsigned count = config->cache.rule_count;
    weir_cache_rule *rules = calloc(count > 0 ? count : 1, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        rules[i] = rule_of(&config->cache.rules[i]);
    *ret = (weir_cache_settings){.enabled = config->cache.enabled,
                                 .whole_tables = config->cache.whole_tables,
                                 .by_benefit = config->cache.by_benefit,
                                 .size_max = config->cache.memory,
                                 .entries_max = (size_t)config->cache.entries,
                                 .entry_max = config->cache.entry_size,
                                 .ttl = config->cache.ttl,
                                 .bound = config->cache.bound,
                                 .consistency = consistency_of(config->cache.consistency),
                                 .flight_wait = config->cache.flight_wait,
                                 .tier_timeout = config->cache.tier.timeout,
                                 .tier_ttl = config->cache.tier.ttl,
                                 .tier_compress_above = config->cache.tier.compress_above,
                                 .rules = rules,
                                 .rule_count = count};
    *ret_rules = rules;
    return 0;
}

int weir_gateway_add_cache(weir_gateway *g, const weir_config *config)
{
    weir_cache_rule *rules = NULL;
    unsigned clients = config->limits.clients;
    weir_cache_options options = {.refresh = weir_background_refresh,
                                  .user = g,
                                  .policy = policy_of(config->cache.policy),
                                  .slots = config->cache.slots,
                                  .flights_max = clients < FLIGHTS_MAX ? clients : FLIGHTS_MAX,
                                  .waiters_max = clients};
    int r = settings_of(config, &options.settings, &rules);
    if (r == 0)
        r = weir_engine_add_cache(g->engine, &options);
    free(rules);
    return r;
}

int weir_gateway_configure_cache(weir_gateway *g, const weir_config *config)
{
    weir_cache_settings settings;
    weir_cache_rule *rules = NULL;
    int r = settings_of(config, &settings, &rules);
    if (r == 0)
        r = weir_engine_configure_cache(g->engine, &settings);
    free(rules);
    return r;
}
