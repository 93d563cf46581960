/* PostgreSQL behind Weir: connections that log in, relay a client's messages with exact accounting
 * of owed replies, share prepared statements by content, and cancel. Implements engine/backend.h
 * (relay side). */
#ifndef WEIR_BACKEND_POSTGRES_POSTGRES_H
#define WEIR_BACKEND_POSTGRES_POSTGRES_H

#include "base/log.h"
#include "engine/backend.h"
#include "net/net.h"

#define WEIR_POSTGRES_HOSTS_MAX 8u

typedef struct weir_postgres_options {
    const char
        *hosts[WEIR_POSTGRES_HOSTS_MAX]; /* "host:port" or "/path/.s.PGSQL.5432", tried in order */
    unsigned host_count;
    weir_time connect_timeout; /* of one attempt: connect and log in */
    weir_time cancel_timeout;
    unsigned prepared_max; /* statements kept on one server connection */
    uint64_t rows_max;     /* of one result, beyond which its connection is given up; 0: no limit */
    unsigned replies_max;  /* owed replies of one connection; 0: 65536 */
    weir_executor *resolver;
    weir_log *log;
} weir_postgres_options;

/* Nothing connects yet. Strings are copied. -ENOMEM; -EINVAL: no host. */
WEIR_MUST_CHECK int weir_postgres_open(const weir_postgres_options *options, weir_backend **ret);

#endif
