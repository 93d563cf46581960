/* Private to engine/: the structs behind engine.h's names. */
#ifndef WEIR_ENGINE_INTERNAL_H
#define WEIR_ENGINE_INTERNAL_H

#include "base/spin.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/recall.h"
#include "engine/stats.h"
#include "engine/surroundings.h"

#define WEIR_DATABASES_MAX 256u
#define WEIR_REPLICAS_MAX 8u
#define WEIR_POOLS_MAX 1024u /* (database, user) pairs */

typedef struct weir_place weir_place;

/* One worker's share of one pool. Touched by its worker's thread only, but for the nudge's flag. */
typedef struct weir_lender {
    weir_list node; /* of worker->lenders, once touched */
    weir_pool_shard *shard;
    weir_pools *pools;
    weir_worker *worker;
    weir_list conns;
    weir_message nudge;
    _Atomic bool nudge_posted;
    bool linked;
    bool pumping;
    uint64_t login_serial;   /* of the login that the newest opening could have used */
    const weir_place *place; /* of the database, when it was last looked at */
    weir_error last_error;   /* why the newest opening failed; sqlstate "" after one succeeded */
} weir_lender;

/* A user's share, whatever the database. */
typedef struct weir_account {
    struct weir_account *next;
    char *name;
    weir_pool_quota *connections;
    _Atomic unsigned pool_size, max_clients, clients;
} weir_account;

/* A server's share, whatever the database. */
typedef struct weir_server {
    struct weir_server *next;
    char *host;
    unsigned port;
    weir_pool_quota *connections;
} weir_server;

/* What the server reports at login, as its first connection was told. */
typedef struct weir_welcome {
    struct weir_welcome *older;
    _Atomic bool outdated; /* the database has moved since */
    weir_buf bytes;
} weir_welcome;

/* Where a database's server is and as whom it is reached (place.c). */
struct weir_place {
    weir_place *older;
    char *dbname, *user, *password, *shown, *host; /* as in weir_database_options */
    unsigned port;
    void *backends; /* the backend's own */
};

/* The pool of (database, user, role). Made once, never removed. */
struct weir_pools {
    weir_pools *next;
    weir_database *database;
    weir_account *account;
    const char *_Atomic user; /* `named`, or that of the database's place */
    char *named;
    weir_role role;
    weir_pool *pool;
    weir_welcome *_Atomic welcome; /* the newest; older ones live as long as it does */
    _Atomic unsigned sessions;
    _Atomic bool unreachable; /* the newest attempt to open failed before the server answered */
    weir_lender lenders[];    /* one per worker */
};

typedef struct weir_login_entry weir_login_entry;

typedef struct weir_name {
    struct weir_name *next;
    char *text;
} weir_name;

typedef struct weir_limits {
    weir_pool_options pool;
    struct weir_limits *older;
} weir_limits;

/* Where texts of a database were read, and what that meant under the newest few schemas
 * (surroundings.c). Its strings live as long as the database. */
typedef struct weir_reading_place {
    char *search_path, *role;
    uint64_t meanings[WEIR_READING_MEANINGS]; /* the newest first; 0: none */
} weir_reading_place;

/* What the server of a database says of itself (catalog.c). */
typedef struct weir_catalog_state {
    weir_server_catalog *_Atomic now; /* NULL: the host does not read it */
    _Atomic uint64_t seen;            /* the backend's `changes` when it was read */
    weir_schema *_Atomic schema;      /* likewise, of what the cache depends on */
    _Atomic uint64_t schema_seen;
    _Atomic bool used; /* the host was told of the database's first session */
    weir_spin busy;
    /* Under `busy`: */
    weir_catalog_figures figures;
    weir_reading_place places[WEIR_READING_PLACES];
    unsigned place_count;
} weir_catalog_state;

struct weir_database {
    weir_engine *engine;
    unsigned index;
    char *_Atomic name;        /* "*": every name that no other has */
    struct weir_name *old;     /* names that it had; as long as it lives */
    weir_place *_Atomic place; /* the newest; older ones live as long as the database */
    weir_spin moving;          /* place and pools' users change together under it */
    char *label_asked;
    const char *_Atomic label; /* label_asked, or name where another database has that label */
    _Atomic weir_lending lending;
    _Atomic bool leak_ends;
    weir_listen_stats listen;
    _Atomic bool paused;
    _Atomic bool disabled;  /* takes no new clients */
    _Atomic bool closed;    /* lends nothing more: DRAIN, or removed */
    _Atomic bool removed;   /* found by no name any more */
    _Atomic bool sequences; /* currval was asked for */
    weir_database *primary; /* it is a replica of this one; NULL: it is none */
    weir_database *replicas[WEIR_REPLICAS_MAX];
    _Atomic unsigned replica_count;
    weir_time replica_lag; /* of each of them, at most */
    /* Of a replica: */
    _Atomic weir_time shunned_until; /* it did not answer */
    _Atomic weir_time lag;           /* as it was last found; NEVER: not known */
    _Atomic weir_time began_before;  /* its sessions did, perhaps, with other defaults; 0: none */
    weir_pool_quota *connections;
    weir_server *server; /* NULL: it has no host */
    _Atomic unsigned max_clients, clients;
    weir_backend *backend;
    weir_catalog_state catalog;
    struct weir_history *history;       /* NULL: nothing of it is kept */
    struct weir_limits *_Atomic limits; /* the newest; older ones live as long as the database */
    weir_pools *_Atomic pools;
    weir_login_entry *_Atomic logins;
};

struct weir_worker {
    weir_engine *engine;
    unsigned index;
    struct weir_loop *loop;
    weir_epoch_member *epoch;
    weir_list lenders;
    weir_time wake_at;
    weir_lexed lexed;
    weir_recall *recall;  /* NULL: no memory for it */
    weir_buf identity;    /* scratch of the newest question to the cache */
    unsigned miss;        /* … and why it had no answer */
    weir_time sweep_at;   /* when the store is looked through for what has expired; NEVER */
    weir_list answers;    /* fills that wait, in order of their deadlines */
    weir_list leases;     /* lookups that wait, in order of when they look again */
    struct weir_hot *hot; /* answers that are asked for most; NULL: they are not noted */
    weir_worker_stats stats;
    _Atomic uint64_t pinned[WEIR_PIN_REASONS]; /* now */
};

struct weir_engine {
    weir_engine_options options;
    weir_database *databases[WEIR_DATABASES_MAX];
    _Atomic unsigned database_count;
    weir_account *_Atomic accounts;
    weir_server *_Atomic servers;
    unsigned server_connections; /* of each server at most; 0: no limit */
    weir_spin pools_lock;        /* a pool is made */
    weir_time started;           /* when the first worker was */
    _Atomic unsigned pools_count;
    weir_template_table *templates;
    struct weir_cache *cache; /* NULL: there is none */
    _Atomic weir_time slow;
    _Atomic uint64_t catalog_serial; /* the newest given */
    weir_worker *workers[];          /* options.workers; NULL until started */
};

static inline weir_time weir_worker_now(const weir_worker *worker)
{
    return worker->engine->options.host.now(worker->engine->options.host.user, worker);
}

static inline weir_time weir_worker_clock(const weir_worker *worker)
{
    const weir_engine_host *host = &worker->engine->options.host;
    return host->clock ? host->clock(host->user, worker) : host->now(host->user, worker);
}

/* ---- stats.c ---- */

/* The worker's figures, made if absent; NULL: out of memory, or it has no template. */
weir_database_stats *weir_session_database_stats(weir_session *session);
weir_statement_stats *weir_worker_statement(weir_worker *worker, uint32_t id, uint32_t serial);

/* ---- cache.c ---- */

/* The database is another one from now on, until its follower says which. (history.c) */
void weir_history_forget_lineage(weir_database *database);
/* Nothing of it that was read before now is given any more by this process. */
void weir_database_forget(const weir_database *database);
/* The worker ends: it asks nothing of the tier behind memory any more. */
void weir_cache_detach(weir_worker *worker);

/* ---- hot.c ---- */

void weir_hot_free(struct weir_hot *hot); /* NULL is fine */

/* ---- surroundings.c ---- */

void weir_database_forget_readings(weir_database *database);

/* ---- place.c ---- */

static inline const weir_place *weir_place_of(const weir_database *database)
{
    return atomic_load_explicit(&database->place, memory_order_acquire);
}

/* -ENOMEM: as it was. */
WEIR_MUST_CHECK int weir_place_put(weir_database *database, const weir_database_options *options);
void weir_places_free(weir_database *database);

/* ---- replica.c ---- */

/* Its sessions may have begun, or begin, with other defaults than the primary's would: until it has
 * replayed what was there by now. Harmless for a primary. */
void weir_replica_broke(weir_database *database, weir_time now);

/* ---- session.c ---- */

/* As weir_session_borrow, of the pool that `from` says. */
WEIR_MUST_CHECK int weir_session_borrow_here(weir_session *session, weir_error *err);

/* ---- login.c ---- */

/* Another one whenever what weir_database_login says has changed; 0: nothing was ever brought. */
uint64_t weir_database_login_serial(const weir_database *database, const char *user);
void weir_database_forget_logins(weir_database *database);

/* ---- lender.c ---- */

/* The worker wants to be woken at `at`, or earlier. */
void weir_worker_wake_at(weir_worker *worker, weir_time at);

extern const weir_backend_events weir_lender_events;

/* Puts the lender on its worker's list; on the worker's thread. */
void weir_lender_touch(weir_lender *lender);
/* Carries out what the pool's core wants done. */
void weir_lender_pump(weir_lender *lender);
void weir_lender_nudge_all(weir_pools *p);
/* Finds or makes the pool of a user. */
WEIR_MUST_CHECK int weir_pools_get(weir_database *database, weir_slice user, weir_pools **ret,
                                   weir_error *err);
void weir_pools_free(weir_pools *pools);

/* ---- shares.c ---- */

/* Found or made. NULL: out of memory. */
weir_account *weir_account_get(weir_engine *engine, weir_slice name);
weir_server *weir_server_get(weir_engine *engine, const char *host, unsigned port);
void weir_shares_free(weir_engine *engine);
weir_pool_options weir_pools_options(const weir_database *database, const weir_account *account);
void weir_pools_join_quotas(weir_pools *pools);
/* The key of a quota that is used up; NULL: none is. */
const char *weir_pools_full_quota(const weir_pools *pools);
void weir_session_leave(weir_session *session);

#endif
