/* Configuration: one table of keys (config/keys.c: path, type, unit, default, bounds, reload
 * behaviour, one sentence) from which the parser, the printer, `weir check`, --set, the environment
 * and docs/configuration.md are all made. */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "config/hba.h"
#include "config/sqlite.h"
#include "config/tier.h"
#include "config/warm.h"

typedef enum weir_config_backend { WEIR_CONFIG_SQLITE, WEIR_CONFIG_POSTGRES } weir_config_backend;
typedef enum weir_config_pool_mode {
    WEIR_CONFIG_POOL_TRANSACTION,
    WEIR_CONFIG_POOL_SESSION,
    WEIR_CONFIG_POOL_STATEMENT,
    WEIR_CONFIG_POOL_UNSET /* of a user: the database's */
} weir_config_pool_mode;
/* What a server must be, as libpq's target_session_attrs. */
typedef enum weir_config_target {
    WEIR_CONFIG_TARGET_ANY,
    WEIR_CONFIG_TARGET_READ_WRITE,
    WEIR_CONFIG_TARGET_READ_ONLY,
    WEIR_CONFIG_TARGET_PRIMARY,
    WEIR_CONFIG_TARGET_STANDBY,
    WEIR_CONFIG_TARGET_PREFER_STANDBY
} weir_config_target;
#define WEIR_CONFIG_REPLICAS_MAX 8 /* of a database */
/* What one database or one user may have. */
typedef struct weir_config_share {
    unsigned max_connections;   /* server connections, over all its pools; 0: no limit */
    unsigned max_clients;       /* 0: no limit */
    unsigned pool_size;         /* of a user: pool.max_size of its pools; 0: the database's */
    weir_config_pool_mode mode; /* of a user */
} weir_config_share;
/* TLS of clients, and of servers. 0 is "not given", which no finished configuration says. */
enum { WEIR_CONFIG_TLS_DISABLE = 1, WEIR_CONFIG_TLS_ALLOW, WEIR_CONFIG_TLS_REQUIRE };
enum {
    WEIR_CONFIG_CLIENT_CERT_NONE = 1,
    WEIR_CONFIG_CLIENT_CERT_OPTIONAL,
    WEIR_CONFIG_CLIENT_CERT_REQUIRED
};
enum { WEIR_CONFIG_TLS_1_0 = 1, WEIR_CONFIG_TLS_1_1, WEIR_CONFIG_TLS_1_2, WEIR_CONFIG_TLS_1_3 };
enum { WEIR_CONFIG_NEGOTIATION_POSTGRES = 1, WEIR_CONFIG_NEGOTIATION_DIRECT };
enum { WEIR_CONFIG_SNI_OFF = 1, WEIR_CONFIG_SNI_ON };
enum { WEIR_CONFIG_BINDING_DISABLE = 1, WEIR_CONFIG_BINDING_PREFER, WEIR_CONFIG_BINDING_REQUIRE };
enum {
    WEIR_CONFIG_SSLMODE_DISABLE = 1, /* from weak to strong, as libpq has them */
    WEIR_CONFIG_SSLMODE_ALLOW,
    WEIR_CONFIG_SSLMODE_PREFER,
    WEIR_CONFIG_SSLMODE_REQUIRE,
    WEIR_CONFIG_SSLMODE_VERIFY_CA,
    WEIR_CONFIG_SSLMODE_VERIFY_FULL
};
/* Toward a server; files as net/tls.h takes them. */
typedef struct weir_config_server_tls {
    const char *ca, *crl, *cert, *key; /* NULL: none */
    uint8_t mode, direct, sni, min_version, binding;
} weir_config_server_tls;

typedef enum weir_config_auth {
    WEIR_CONFIG_AUTH_UNSET, /* no users, no auth: loopback and UNIX listeners trust, others refuse
                               to start */
    WEIR_CONFIG_AUTH_TRUST,
    WEIR_CONFIG_AUTH_PASSWORD,
    WEIR_CONFIG_AUTH_MD5,
    WEIR_CONFIG_AUTH_SCRAM
} weir_config_auth;

/* Starting points for pool sizes and idle time; what is given beside one stands. */
typedef enum weir_config_pool_preset {
    WEIR_CONFIG_PRESET_NONE,
    WEIR_CONFIG_PRESET_HIGH_TRAFFIC, /* 20 to 100 connections, idle ones kept 60 s */
    WEIR_CONFIG_PRESET_LOW_LATENCY   /* 10 to 50, 15 s */
} weir_config_pool_preset;

typedef enum weir_config_policy {
    WEIR_CONFIG_S3FIFO,
    WEIR_CONFIG_LRU,
    WEIR_CONFIG_LFU,
    WEIR_CONFIG_ADAPTIVE
} weir_config_policy;
typedef enum weir_config_consistency {
    WEIR_CONFIG_CONSISTENCY_UNSET, /* of a rule */
    WEIR_CONFIG_STRICT,
    WEIR_CONFIG_OF_SESSION,
    WEIR_CONFIG_BOUNDED
} weir_config_consistency;

/* An item of cache.rules: the first whose patterns all match decides; `*` in a pattern stands for
 * any run of characters; NULL matches anything. At least one pattern and one consequence. */
typedef struct weir_config_cache_rule {
    const char *table, *template, *user, *database, *name_space, *version;
    enum { WEIR_CONFIG_RULE_UNSET, WEIR_CONFIG_RULE_CACHE, WEIR_CONFIG_RULE_BYPASS } cache;
    weir_time ttl;    /* 0: none given */
    const char *tags; /* "a,b", of a list or one text; NULL: none */
    weir_config_consistency consistency;
    weir_time bound; /* 0: none given, as the next three */
    weir_time stale_if_error, stale_while_revalidate, refresh_ahead;
} weir_config_cache_rule;

typedef struct weir_config_pool {
    weir_config_pool_preset preset;          /* pool.preset */
    weir_config_pool_mode mode;              /* pool.mode */
    unsigned min_size, max_size, max_pinned; /* pool.min_size (PostgreSQL 10, SQLite 3), max_size
                                                (50, 10), max_pinned (larger of max_size and 20) */
    unsigned max_waiting;                    /* pool.max_waiting, 10000 */
    weir_time acquire_timeout;               /* 5 s */
    weir_time idle_timeout;                  /* 300 s */
    weir_time max_lifetime;                  /* 3600 s */
    weir_time validate_after;                /* 30 s */
    weir_time leak_after;                    /* 60 s; reported in the log and in SHOW SERVERS */
    bool leak_ends;                          /* pool.leak_action: log (default) or end */
    unsigned reserve_size;                   /* 0 */
    weir_time reserve_timeout;               /* 2 s */
    unsigned max_opening;                    /* logins at a server at a time, 4; 0: no limit */
    weir_time dns_check;                     /* 15 s; 0: never */
} weir_config_pool;

typedef struct weir_config_host {
    const char *host; /* name, address, or directory of a UNIX socket */
    unsigned port;
} weir_config_host;

typedef struct weir_config_database {
    const char *name; /* "*" : every name (the DSN of the command line, or the only database) */
    const char
        *label; /* for logs, SHOW and metrics: the configured name, else the database's own */
    weir_config_backend backend;
    const char *dsn_shown;         /* without its password: for logs and SHOW */
    const char *path;              /* SQLite: file */
    bool create;                   /* … which is made if it is not there */
    const weir_config_host *hosts; /* PostgreSQL; in order of preference */
    unsigned host_count;
    const char *dbname, *user, *password;        /* of the server; NULL where not given */
    weir_config_target target;                   /* target_session_attrs */
    bool balance;                                /* load_balance_hosts=random */
    weir_time connect_timeout;                   /* of the DSN; 0: timeouts.connect */
    weir_config_server_tls tls;                  /* whole */
    bool warm;                                   /* min_size was asked for and the user is known */
    const struct weir_config_database *replicas; /* `replicas`, with the primary's pool */
    unsigned replica_count;
    weir_time replica_lag; /* 5 s */
    weir_config_share share;
    weir_config_pool pool;
} weir_config_database;

typedef struct weir_config_user {
    const char *name;
    const char *password; /* clear text, or PostgreSQL's SCRAM-SHA-256$… or md5… form; NULL: none */
    bool admin;           /* may connect to database `weir` and change state */
    weir_config_share share;
    bool from_file; /* of auth.users_file alone */
} weir_config_user;

typedef enum weir_config_loop {
    WEIR_CONFIG_LOOP_AUTO,
    WEIR_CONFIG_LOOP_EPOLL,
    WEIR_CONFIG_LOOP_URING
} weir_config_loop;

typedef struct weir_config {
    weir_arena arena; /* owns every string and array below */
    const char *const
        *listen; /* listen: one address or a list; "host:port", "[::1]:port", "/path/socket" */
    unsigned listen_count;
    const char *admin;       /* admin.listen (also `admin: host:port`); "" switches it off */
    const char *admin_token; /* admin.token; NULL */
    unsigned workers;        /* 0: one per core */
    const char *restart;     /* restart.socket; NULL: none */
    struct {
        uint8_t loop; /* net.loop: weir_config_loop; restart */
    } net;
    size_t memory_max;     /* memory.max, 512 MiB */
    weir_config_pool pool; /* defaults for all databases; sizes 0 where not given */
    const weir_config_database *databases;
    unsigned database_count;
    const weir_config_user *users;
    unsigned user_count;
    weir_config_auth auth; /* auth.method */
    struct {
        uint8_t mode, client_cert, min_version;
        const char *cert, *key, *client_ca, *client_crl, *ciphers; /* NULL: none */
        weir_config_server_tls server;                             /* defaults of databases */
    } tls;
    struct {
        const weir_hba_rule *rules; /* in force, never none: without any, auth.method's */
        const weir_hba_map *maps;
        bool given;        /* rules or a file of them, else they are made of auth.method */
        bool lookup;       /* users are looked up */
        const char *query; /* … so */
        const char *query_user, *query_password, *query_database; /* NULL: see the keys */
        weir_time query_ttl;                                      /* auth.query_ttl, 10 s */
    } access;
    struct {
        unsigned clients;            /* limits.clients, 10000 */
        unsigned logins;             /* limits.logins, 0: as many */
        size_t message_size;         /* limits.message_size, 256 MiB */
        uint64_t rows;               /* limits.rows of one result, 0: no limit */
        size_t result_size;          /* limits.result_size (execute-backends), 0: no limit */
        unsigned server_connections; /* limits.server_connections to one host:port, 0: no limit */
        size_t notifications;        /* limits.notifications: of one client, 8 MiB */
        unsigned templates;          /* limits.templates, 5000 */
        unsigned prepared;           /* limits.prepared: statements per client, 10000 */
        unsigned
            prepared_server; /* limits.prepared_per_server: statements per server connection, 200 */
    } limits;
    struct {
        weir_time connect;             /* timeouts.connect to a server, 5 s */
        weir_time login;               /* timeouts.login of a client, 60 s */
        weir_time statement;           /* timeouts.statement, 0: none */
        weir_time client_idle;         /* timeouts.client_idle, 0: never */
        weir_time idle_in_transaction; /* 0: never */
        weir_time drain;               /* timeouts.drain at SIGTERM, 30 s */
        weir_time restart;             /* timeouts.restart: clients that cannot go over, 1 h */
        weir_time cancel;              /* timeouts.cancel, 10 s */
        weir_time transaction;         /* timeouts.transaction: all of it, 0: none */
        weir_time client_write;        /* timeouts.client_write, 0: none */
        weir_time dns;                 /* timeouts.dns: an answer is used for so long, 3 s */
    } timeouts;
    struct {
        weir_log_level level;                     /* log.level, info */
        weir_log_level modules[WEIR_LOG_MODULES]; /* log.modules.<module>; defaults to level */
        weir_log_format format;                   /* log.format: text, json */
        unsigned rate;                            /* log.rate: lines per second and module, 100 */
        weir_time slow;   /* log.slow: statements slower are logged and counted, 100 ms; 0: off */
        bool connections; /* log.connections: each login and end, false */
    } log;
    struct {
        bool enabled;              /* cache.enabled, true */
        bool whole_tables;         /* cache.granularity: row (default) or table */
        weir_config_policy policy; /* cache.policy: s3-fifo, lru, lfu, adaptive; needs a restart */
        size_t memory;             /* cache.memory, 128 MiB */
        uint64_t entries;          /* cache.entries, 0: no limit but memory */
        size_t entry_size;         /* cache.entry_size: larger answers are not kept, 1 MiB */
        weir_time ttl;             /* cache.ttl of every answer, 0: none */
        weir_time bound;           /* cache.bound, 1 s */
        weir_config_consistency consistency; /* cache.consistency, strict */
        weir_time flight_wait; /* cache.flight_wait: for somebody else's answer, 1 s; 0: never */
        unsigned slots;        /* cache.slots of a database's change clock, 262144; restart */
        const weir_config_cache_rule *rules; /* cache.rules */
        unsigned rule_count;
        weir_config_tier tier; /* cache.tier, cache.disk */
        struct {
            unsigned rate;        /* cache.background.rate: statements a second, 100 */
            unsigned connections; /* cache.background.connections of a worker, 2 */
            bool replicas;        /* cache.background.from: primary (default) or replicas */
        } background;
        bool by_benefit; /* cache.by_benefit, true */
        weir_config_warm warm;
    } cache;
    struct {
        weir_time poll; /* catalog.poll: looks for schema changes made by others, 60 s; 0: never */
    } catalog;
    weir_config_sqlite sqlite;
} weir_config;

/* Where a setting comes from, in rising order: defaults, file, environment (WEIR_SECTION_KEY),
 * --set and other options. The strings are borrowed during the call. */
typedef struct weir_config_source {
    const char *file_name; /* for messages; NULL: no file */
    weir_slice file_text;
    const char *const *environment; /* "NAME=value" strings, NULL-terminated: WEIR_SECTION_KEY and
                                       what *_env keys name; others are skipped; NULL: none */
    const char *const *settings;    /* "key=value", NULL-terminated; NULL: none */
    const char *dsn;                /* of the command line: database "*"; NULL: none */
    unsigned cores;                 /* what 0 workers means in the printed configuration */
    /* Appends the text of a file named by a *_file key; negative errno. NULL: such keys are
     * refused.
     */
    int (*read_file)(void *user, const char *path, weir_buf *out);
    void *read_user;
    bool embedded; /* in another program: `listen` is off unless given, no admin HTTP */
} weir_config_source;

/* Reads and checks everything. On error `*ret` is NULL and `err` names file, line and key, the
 * nearest known key, what was expected (SQLSTATE F0000). -EINVAL, -ENOMEM. */
WEIR_MUST_CHECK int weir_config_load(const weir_config_source *source, weir_config **ret,
                                     weir_error *err);
void weir_config_free(weir_config *config);
/* The effective configuration as YAML, secrets as "********". */
WEIR_MUST_CHECK int weir_config_print(const weir_config *config, weir_buf *out);
/* docs/configuration.md, from the table of keys. */
WEIR_MUST_CHECK int weir_config_document(weir_buf *out);
/* Calls `visit` with each scalar key's path, effective value (secrets masked), default, and whether
 * a reload applies it: for SHOW CONFIG. */
void weir_config_each(const weir_config *config,
                      void (*visit)(void *user, const char *key, const char *value,
                                    const char *fallback, bool reloadable),
                      void *user);
/* Parses a DSN: sqlite:PATH, postgres://user:password@host:port/db?options, into `arena`. */
WEIR_MUST_CHECK int weir_config_dsn_parse(weir_arena *arena, const char *dsn,
                                          weir_config_database *ret, weir_error *err);

#endif
