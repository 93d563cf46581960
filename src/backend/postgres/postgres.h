/* PostgreSQL behind Weir: connections that log in, relay a client's messages with exact accounting
 * of owed replies, share prepared statements by content, and cancel. Implements engine/backend.h
 * (relay side). */
#ifndef WEIR_BACKEND_POSTGRES_POSTGRES_H
#define WEIR_BACKEND_POSTGRES_POSTGRES_H

#include "base/log.h"
#include "engine/backend.h"
#include "net/net.h"
#include "net/tls.h"

#define WEIR_POSTGRES_HOSTS_MAX 8u

/* What a server must be: libpq's target_session_attrs. */
typedef enum weir_postgres_target {
    WEIR_POSTGRES_ANY,
    WEIR_POSTGRES_READ_WRITE,
    WEIR_POSTGRES_READ_ONLY,
    WEIR_POSTGRES_PRIMARY,
    WEIR_POSTGRES_STANDBY,
    WEIR_POSTGRES_PREFER_STANDBY
} weir_postgres_target;

/* libpq's sslmode, from weak to strong. */
typedef enum weir_postgres_sslmode {
    WEIR_POSTGRES_DISABLE,
    WEIR_POSTGRES_ALLOW,
    WEIR_POSTGRES_PREFER,
    WEIR_POSTGRES_REQUIRE,
    WEIR_POSTGRES_VERIFY_CA,
    WEIR_POSTGRES_VERIFY_FULL
} weir_postgres_sslmode;

/* Who follows the database's changes, by libpq: as the words of a connection URI have it. */
typedef struct weir_postgres_following {
    const char *dbname;
    const char *user; /* NULL: it cannot be followed */
    const char *password;
    const char *ca, *crl, *cert, *key; /* NULL: none */
    const char *min_version;           /* "TLSv1.2"; NULL: libpq's own */
    const char *keep_name; /* of this Weir, in the slot's name: a-z, 0-9, _; NULL: nothing is kept,
                              and nothing dropped that was */
    bool keep;             /* else what was kept is dropped */
    uint64_t keep_bytes;   /* of the server's log that are held back at most, */
    weir_time keep_time;   /* … and for how long */
} weir_postgres_following;

typedef struct weir_postgres_options {
    const char
        *hosts[WEIR_POSTGRES_HOSTS_MAX]; /* "host:port" or "/path/.s.PGSQL.5432", tried in order */
    unsigned host_count;
    weir_time connect_timeout; /* of one attempt: connect and log in */
    weir_time cancel_timeout;
    weir_postgres_target target;
    bool balance; /* hosts in random order */
    weir_postgres_sslmode sslmode;
    weir_tls_context *tls; /* NULL with DISABLE; judges servers from VERIFY_CA on */
    bool direct;           /* TLS begins without SSLRequest */
    bool sni;              /* servers are told the name */
    bool binds;            /* passwords, to their certificate, where they offer it */
    bool must_bind;        /* ... or there is no login */
    weir_time dns_ttl;     /* an answer about a name is used for so long */
    weir_time dns_check;   /* names are looked up again so often; 0: never */
    unsigned prepared_max; /* statements kept on one server connection */
    uint64_t rows_max;     /* of one result, beyond which its connection is given up; 0: no limit */
    unsigned replies_max;  /* owed replies of one connection; 0: 65536 */
    weir_postgres_following following;
    weir_executor *resolver;
    weir_log *log;
} weir_postgres_options;

/* Nothing connects yet. Strings are copied. -ENOMEM; -EINVAL: no host. */
WEIR_MUST_CHECK int weir_postgres_open(const weir_postgres_options *options, weir_backend **ret);
/* Its newest place is what `options` say. Limits and timeouts do not count. */
bool weir_postgres_is_at(weir_backend *backend, const weir_postgres_options *options);
/* Another place, from any one thread: connections are opened there that are asked to
 * (weir_conn_request). It is the backend's, settled or not. -ENOMEM, -EINVAL. */
WEIR_MUST_CHECK int weir_postgres_place(weir_backend *backend, const weir_postgres_options *options,
                                        void **ret);
/* From now on connections to another place are not lent again. */
void weir_postgres_settle(weir_backend *backend, void *place);
/* Its files were read anew: connections made from now on go by it. From any thread.
 * A backend of another kind is left alone. */
void weir_postgres_set_tls(weir_backend *backend, weir_tls_context *context);
/* Of a statement's description (ParameterDescription, and RowDescription or NoData): what
 * weir_relay_events.on_described tells of it. Never 0. */
uint64_t weir_postgres_shape(weir_slice description);

#endif
