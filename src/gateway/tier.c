/* The tier behind the cache, as the configuration wants it. */
#include "backend/disk/disk.h"
#include "backend/valkey/valkey.h"
#include "engine/cache.h"
#include "gateway/internal.h"

/* Room for identity and dependencies beside the largest answer. */
#define STORED_EXTRA ((size_t)1 << 20)

static int tls_context(const weir_config_tier *tier, weir_tls_context **ret, weir_error *err)
{
    weir_tls_options o = {.cert = tier->cert,
                          .key = tier->key,
                          .ca = tier->ca,
                          .verify = tier->tls >= WEIR_CONFIG_SSLMODE_VERIFY_CA
                                        ? WEIR_TLS_VERIFY_REQUIRED
                                        : WEIR_TLS_VERIFY_NONE};
    *ret = NULL;
    return tier->tls == WEIR_CONFIG_SSLMODE_DISABLE ? 0 : weir_tls_context_new(&o, ret, err);
}

static int open_valkey(weir_gateway *g, const weir_config *config, weir_executor *resolver,
                       weir_tier **ret, weir_error *err)
{
    const weir_config_tier *tier = &config->cache.tier;
    weir_valkey_options o = {.address_count = tier->address_count,
                             .user = tier->user,
                             .password = tier->password,
                             .database = tier->database,
                             .tls_names = tier->tls == WEIR_CONFIG_SSLMODE_VERIFY_FULL,
                             .prefix = tier->prefix,
                             .connections = tier->connections,
                             .connect_timeout = config->timeouts.connect,
                             .value_max = config->cache.entry_size + STORED_EXTRA,
                             .workers = g->options.workers,
                             .resolver = resolver,
                             .log = g->log};
    static_assert(WEIR_CONFIG_TIER_ADDRESSES_MAX <= WEIR_VALKEY_ADDRESSES_MAX, "all of them");
    for (unsigned i = 0; i < tier->address_count; i++)
        o.addresses[i] = tier->addresses[i];
    int r = tls_context(tier, &o.tls, err);
    if (r == 0)
        r = weir_valkey_open(&o, ret);
    weir_tls_context_unref(o.tls);
    return r;
}

static int open_disk(weir_gateway *g, const weir_config *config, weir_tier **ret, weir_error *err)
{
    weir_disk_options o = {.path = config->cache.tier.path,
                           .size_max = config->cache.tier.size,
                           .value_max = config->cache.entry_size + STORED_EXTRA,
                           .workers = g->options.workers,
                           .memory = g->options.memory,
                           .log = g->log};
    return weir_disk_open(&o, ret, err);
}

int weir_gateway_add_tier(weir_gateway *g, const weir_config *config, weir_executor *resolver,
                          weir_error *err)
{
    weir_error why = {.sqlstate = ""};
    weir_tier *tier = NULL;
    int r = 0;
    if (config->cache.tier.kind == WEIR_CONFIG_TIER_VALKEY)
        r = open_valkey(g, config, resolver, &tier, &why);
    else if (config->cache.tier.kind == WEIR_CONFIG_TIER_DISK)
        r = open_disk(g, config, &tier, &why);
    if (r < 0)
        weir_error_set(err, "F0000", "weir: cache.tier: %s",
                       why.message[0] ? why.message : strerrordesc_np(-r));
    if (tier)
        weir_engine_set_tier(g->engine, tier);
    return r;
}
