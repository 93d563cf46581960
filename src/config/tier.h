/* Part of config.h: cache.tier and cache.disk. */
#ifndef WEIR_CONFIG_TIER_H
#define WEIR_CONFIG_TIER_H

#include "base/time.h"
#include <stddef.h>
#include <stdint.h>

typedef enum weir_config_tier_kind {
    WEIR_CONFIG_TIER_NONE,
    WEIR_CONFIG_TIER_VALKEY,
    WEIR_CONFIG_TIER_DISK
} weir_config_tier_kind;

typedef enum weir_config_persist {
    WEIR_CONFIG_PERSIST_NONE,
    WEIR_CONFIG_PERSIST_SLOT
} weir_config_persist;

#define WEIR_CONFIG_TIER_ADDRESSES_MAX 16u

/* What is behind the cache in memory. */
typedef struct weir_config_tier {
    weir_config_tier_kind kind; /* cache.tier.kind, none; needs a restart, as most below */
    const char *addresses[WEIR_CONFIG_TIER_ADDRESSES_MAX]; /* cache.tier.address */
    unsigned address_count;
    const char *user, *password; /* NULL: none */
    unsigned database;           /* cache.tier.database, 0 */
    unsigned tls;                /* cache.tier.tls: weir_config_sslmode, disable */
    const char *ca, *cert, *key; /* files of it; NULL: none */
    const char *prefix;          /* cache.tier.prefix, weir: */
    unsigned connections;        /* cache.tier.connections of each worker to each server, 2 */
    weir_time timeout;           /* cache.tier.timeout of one question, 20 ms; reloadable */
    weir_time ttl;               /* cache.tier.ttl of what is kept there, 1 h; reloadable */
    size_t compress_above;       /* cache.tier.compress_above, 1 KiB; reloadable */
    const char *path;            /* cache.disk.path; NULL: none */
    size_t size;                 /* cache.disk.size, 1 GiB */
    uint8_t persist;             /* cache.persist: weir_config_persist, none */
    const char *persist_name;    /* cache.persist_name, weir */
    size_t persist_wal;          /* cache.persist_wal, 64 MiB */
} weir_config_tier;

#endif
