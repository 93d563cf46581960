/* The table of keys: path, type, unit, default, bounds, reload behaviour, one sentence each. The
 * parser, the printer, --set, the environment and docs/configuration.md are all made of it.
 *
 * Order: root, pool, database, user, rule, access, map; config_key_range relies on it. */
#include "config/keys.h"
#include "config/draft.h"

#define ROOT(field)                                                                                \
    .scope = KEY_OF_ROOT, .offset = offsetof(weir_config, field),                                  \
    .width = sizeof(((weir_config *)NULL)->field)
#define POOL(field)                                                                                \
    .scope = KEY_OF_POOL, .offset = offsetof(weir_config_pool, field),                             \
    .width = sizeof(((weir_config_pool *)NULL)->field)
#define SHARE(scope_of, field)                                                                     \
    .scope = (scope_of), .offset = offsetof(draft_object, share.field),                            \
    .width = sizeof(((draft_object *)NULL)->share.field)
#define RULE(field)                                                                                \
    .scope = KEY_OF_RULE, .offset = offsetof(weir_config_cache_rule, field),                       \
    .width = sizeof(((weir_config_cache_rule *)NULL)->field)

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HOUR (3600 * (uint64_t)WEIR_SECOND)
#define DAY (24 * HOUR)

static const key_choice background_sources[] = {
    {.name = "primary", .value = false}, {.name = "replicas", .value = true}, {0}};
static const key_choice pool_presets[] = {
    {"none", WEIR_CONFIG_PRESET_NONE, false},
    {"high-traffic", WEIR_CONFIG_PRESET_HIGH_TRAFFIC, false},
    {"low-latency", WEIR_CONFIG_PRESET_LOW_LATENCY, false},
    {NULL, 0, false},
};
static const key_choice pool_modes[] = {
    {"transaction", WEIR_CONFIG_POOL_TRANSACTION, false},
    {"session", WEIR_CONFIG_POOL_SESSION, false},
    {"statement", WEIR_CONFIG_POOL_STATEMENT, false},
    {NULL, 0, false},
};
static const key_choice user_pool_modes[] = {
    {"transaction", WEIR_CONFIG_POOL_TRANSACTION, false},
    {"session", WEIR_CONFIG_POOL_SESSION, false},
    {"statement", WEIR_CONFIG_POOL_STATEMENT, false},
    {"default", WEIR_CONFIG_POOL_UNSET, false},
    {NULL, 0, false},
};
static const key_choice leak_actions[] = {
    {"log", false, false},
    {"end", true, false},
    {NULL, 0, false},
};
static const key_choice auth_methods[] = {
    {"trust", WEIR_CONFIG_AUTH_TRUST, false},
    {"password", WEIR_CONFIG_AUTH_PASSWORD, false},
    {"md5", WEIR_CONFIG_AUTH_MD5, false},
    {"scram", WEIR_CONFIG_AUTH_SCRAM, false},
    {"scram-sha-256", WEIR_CONFIG_AUTH_SCRAM, true},
    {NULL, 0, false},
};
static const key_choice tls_modes[] = {
    {"disable", WEIR_CONFIG_TLS_DISABLE, false},
    {"allow", WEIR_CONFIG_TLS_ALLOW, false},
    {"require", WEIR_CONFIG_TLS_REQUIRE, false},
    {"prefer", WEIR_CONFIG_TLS_ALLOW, true},
    {NULL, 0, false},
};
static const key_choice tls_client_certs[] = {
    {"none", WEIR_CONFIG_CLIENT_CERT_NONE, false},
    {"optional", WEIR_CONFIG_CLIENT_CERT_OPTIONAL, false},
    {"required", WEIR_CONFIG_CLIENT_CERT_REQUIRED, false},
    {NULL, 0, false},
};
static const key_choice tls_versions[] = {
    {"1.0", WEIR_CONFIG_TLS_1_0, false},
    {"1.1", WEIR_CONFIG_TLS_1_1, false},
    {"1.2", WEIR_CONFIG_TLS_1_2, false},
    {"1.3", WEIR_CONFIG_TLS_1_3, false},
    {"TLSv1", WEIR_CONFIG_TLS_1_0, true},
    {"TLSv1.1", WEIR_CONFIG_TLS_1_1, true},
    {"TLSv1.2", WEIR_CONFIG_TLS_1_2, true},
    {"TLSv1.3", WEIR_CONFIG_TLS_1_3, true},
    {NULL, 0, false},
};
static const key_choice sslmodes[] = {
    {"disable", WEIR_CONFIG_SSLMODE_DISABLE, false},
    {"allow", WEIR_CONFIG_SSLMODE_ALLOW, false},
    {"prefer", WEIR_CONFIG_SSLMODE_PREFER, false},
    {"require", WEIR_CONFIG_SSLMODE_REQUIRE, false},
    {"verify-ca", WEIR_CONFIG_SSLMODE_VERIFY_CA, false},
    {"verify-full", WEIR_CONFIG_SSLMODE_VERIFY_FULL, false},
    {NULL, 0, false},
};
static const key_choice sslnegotiations[] = {
    {"postgres", WEIR_CONFIG_NEGOTIATION_POSTGRES, false},
    {"direct", WEIR_CONFIG_NEGOTIATION_DIRECT, false},
    {NULL, 0, false},
};
static const key_choice bindings[] = {
    {"disable", WEIR_CONFIG_BINDING_DISABLE, false},
    {"prefer", WEIR_CONFIG_BINDING_PREFER, false},
    {"require", WEIR_CONFIG_BINDING_REQUIRE, false},
    {NULL, 0, false},
};
static const key_choice switches[] = {
    {"true", WEIR_CONFIG_SNI_ON, false},
    {"false", WEIR_CONFIG_SNI_OFF, false},
    {"on", WEIR_CONFIG_SNI_ON, true},
    {"off", WEIR_CONFIG_SNI_OFF, true},
    {NULL, 0, false},
};
static const key_choice log_levels[] = {
    {"debug", WEIR_LOG_DEBUG, false}, {"info", WEIR_LOG_INFO, false},
    {"warn", WEIR_LOG_WARN, false},   {"error", WEIR_LOG_ERROR, false},
    {"off", WEIR_LOG_OFF, false},     {NULL, 0, false},
};
static const key_choice loops[] = {
    {"auto", WEIR_CONFIG_LOOP_AUTO, false},
    {"epoll", WEIR_CONFIG_LOOP_EPOLL, false},
    {"io_uring", WEIR_CONFIG_LOOP_URING, false},
    {NULL, 0, false},
};
static const key_choice log_formats[] = {
    {"text", WEIR_LOG_TEXT, false},
    {"json", WEIR_LOG_JSON, false},
    {NULL, 0, false},
};
static const key_choice synchronous_levels[] = {
    {"full", true, false},
    {"normal", false, false},
    {NULL, 0, false},
};
static const key_choice granularities[] = {
    {"row", false, false},
    {"table", true, false},
    {NULL, 0, false},
};
static const key_choice cache_policies[] = {
    {"s3-fifo", WEIR_CONFIG_S3FIFO, false},
    {"lru", WEIR_CONFIG_LRU, false},
    {"lfu", WEIR_CONFIG_LFU, false},
    {"adaptive", WEIR_CONFIG_ADAPTIVE, false},
    {NULL, 0, false},
};
static const key_choice tier_kinds[] = {
    {"none", WEIR_CONFIG_TIER_NONE, false},
    {"valkey", WEIR_CONFIG_TIER_VALKEY, false},
    {"redis", WEIR_CONFIG_TIER_VALKEY, true},
    {"disk", WEIR_CONFIG_TIER_DISK, false},
    {NULL, 0, false},
};
static const key_choice persists[] = {
    {"none", WEIR_CONFIG_PERSIST_NONE, false},
    {"slot", WEIR_CONFIG_PERSIST_SLOT, false},
    {NULL, 0, false},
};
static const key_choice tier_tls[] = {
    {"disable", WEIR_CONFIG_SSLMODE_DISABLE, false},
    {"require", WEIR_CONFIG_SSLMODE_REQUIRE, false},
    {"verify-ca", WEIR_CONFIG_SSLMODE_VERIFY_CA, false},
    {"verify-full", WEIR_CONFIG_SSLMODE_VERIFY_FULL, false},
    {NULL, 0, false},
};
static const key_choice consistencies[] = {
    {"strict", WEIR_CONFIG_STRICT, false},
    {"session", WEIR_CONFIG_OF_SESSION, false},
    {"bounded", WEIR_CONFIG_BOUNDED, false},
    {NULL, 0, false},
};
static const key_choice rule_flags[] = {
    {"true", WEIR_CONFIG_RULE_CACHE, false},
    {"false", WEIR_CONFIG_RULE_BYPASS, false},
    {"yes", WEIR_CONFIG_RULE_CACHE, true},
    {"no", WEIR_CONFIG_RULE_BYPASS, true},
    {"on", WEIR_CONFIG_RULE_CACHE, true},
    {"off", WEIR_CONFIG_RULE_BYPASS, true},
    {NULL, 0, false},
};

#define LOG_MODULE(name, module)                                                                   \
    {                                                                                              \
        .path = "log.modules." name, .type = KEY_CHOICE, ROOT(log.modules[module]),                \
        .choices = log_levels, .fallback_words = "log.level", .reloadable = true,                  \
        .doc = "Level of the module `" name "` alone."                                             \
    }

static const config_key keys[] = {
/* clang-format off */
#include "config/keys_root.inc"
#include "config/keys_auth.inc"
#include "config/keys_tls.inc"
#include "config/keys_cache.inc"
#include "config/keys_pool.inc"
#include "config/keys_scoped.inc"
};
/* clang-format on */

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

const config_key *config_keys(size_t *ret_count)
{
    *ret_count = KEYS;
    return keys;
}

static size_t first_of(key_scope scope)
{
    size_t i = 0;
    while (i < KEYS && keys[i].scope < scope)
        i++;
    return i;
}

key_range config_key_range(key_scope scope)
{
    size_t first = 0, end = KEYS;
    switch (scope) {
    case KEY_OF_ROOT:
        end = first_of(KEY_OF_DATABASE);
        break;
    case KEY_OF_POOL:
    case KEY_OF_DATABASE:
        first = first_of(KEY_OF_POOL);
        end = first_of(KEY_OF_USER);
        break;
    case KEY_OF_USER:
        first = first_of(KEY_OF_USER);
        end = first_of(KEY_OF_RULE);
        break;
    case KEY_OF_RULE:
        first = first_of(KEY_OF_RULE);
        end = first_of(KEY_OF_ACCESS);
        break;
    case KEY_OF_ACCESS:
        first = first_of(KEY_OF_ACCESS);
        end = first_of(KEY_OF_MAP);
        break;
    case KEY_OF_MAP:
        first = first_of(KEY_OF_MAP);
        break;
    }
    return (key_range){first, end - first};
}

const config_key *config_key_find(key_range range, weir_slice path)
{
    for (size_t i = range.first; i < range.first + range.count; i++) {
        if (weir_slice_eq_cstr(path, keys[i].path))
            return &keys[i];
    }
    return NULL;
}

bool config_key_is_section(key_range range, weir_slice path)
{
    for (size_t i = range.first; i < range.first + range.count; i++) {
        weir_slice known = weir_slice_cstr(keys[i].path);
        if (known.len > path.len && keys[i].path[path.len] == '.' &&
            weir_slice_eq(weir_slice_head(known, path.len), path))
            return true;
    }
    return false;
}
