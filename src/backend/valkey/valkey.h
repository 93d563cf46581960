/* Valkey, Redis, or a cluster of them, as a tier behind the cache in memory (engine/tier.h). Each
 * worker has connections of its own, pipelined: nothing is shared, nothing is waited for. */
#ifndef WEIR_BACKEND_VALKEY_VALKEY_H
#define WEIR_BACKEND_VALKEY_VALKEY_H

#include "base/log.h"
#include "engine/tier.h"
#include "net/net.h"
#include "net/tls.h"

#define WEIR_VALKEY_ADDRESSES_MAX 16u

typedef struct weir_valkey_options {
    /* "host:port" or "/path": of one server, in the order in which they are tried, or of some nodes
     * of a cluster. */
    const char *addresses[WEIR_VALKEY_ADDRESSES_MAX];
    unsigned address_count;
    const char *user, *password; /* NULL: none */
    unsigned database;           /* not in a cluster */
    weir_tls_context *tls;       /* NULL: plain */
    bool tls_names;              /* certificates must be made out for the host that is asked */
    const char *prefix;          /* of every key */
    unsigned connections;        /* of each worker to each node */
    weir_time connect_timeout;   /* up to the end of its greeting */
    size_t value_max;            /* longer ones are neither kept nor taken */
    unsigned workers;
    weir_executor *resolver; /* looks names up; outlives the tier's use */
    weir_log *log;
} weir_valkey_options;

/* Nothing connects yet; strings are copied. -ENOMEM, -EINVAL: no address, or too many. */
WEIR_MUST_CHECK int weir_valkey_open(const weir_valkey_options *options, weir_tier **ret);

#endif
