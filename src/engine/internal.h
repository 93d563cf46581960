/* Private to engine/: the structs behind engine.h's names. */
#ifndef WEIR_ENGINE_INTERNAL_H
#define WEIR_ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/stats.h"

#define WEIR_DATABASES_MAX 256u
#define WEIR_POOLS_MAX 1024u /* (database, user) pairs */

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
    weir_error last_error; /* why the newest opening failed; sqlstate "" after one succeeded */
} weir_lender;

/* The pool of (database, user, role). Made once, never removed. */
struct weir_pools {
    weir_pools *next;
    weir_database *database;
    char *user;
    weir_role role;
    weir_pool *pool;
    weir_buf *_Atomic welcome; /* what the server reports at login; made once */
    _Atomic unsigned sessions;
    _Atomic bool unreachable; /* the newest attempt to open failed before the server answered */
    weir_lender lenders[];    /* one per worker */
};

typedef struct weir_limits {
    weir_pool_options pool;
    struct weir_limits *older;
} weir_limits;

struct weir_database {
    weir_engine *engine;
    unsigned index;
    char *name, *dbname, *user, *password, *shown, *label_asked, *host;
    const char *label; /* label_asked, or name where another database has that label */
    bool session_pooling;
    unsigned port;
    _Atomic bool paused;
    weir_backend *backend;
    struct weir_history *history;       /* NULL: nothing of it is kept */
    struct weir_limits *_Atomic limits; /* the newest; older ones live as long as the database */
    weir_pools *_Atomic pools;
};

struct weir_worker {
    weir_engine *engine;
    unsigned index;
    struct weir_loop *loop;
    weir_epoch_member *epoch;
    weir_list lenders;
    weir_time wake_at;
    weir_lexed lexed;
    weir_buf identity;  /* scratch of the newest question to the cache */
    unsigned miss;      /* … and why it had no answer */
    weir_time sweep_at; /* when the store is looked through for what has expired; NEVER */
    weir_list answers;  /* fills that wait, in order of their deadlines */
    weir_worker_stats stats;
    _Atomic uint64_t pinned[WEIR_PIN_REASONS]; /* now */
};

struct weir_engine {
    weir_engine_options options;
    weir_database *databases[WEIR_DATABASES_MAX];
    unsigned database_count;
    weir_time started; /* when the first worker was */
    _Atomic unsigned pools_count;
    weir_template_table *templates;
    struct weir_cache *cache; /* NULL: there is none */
    _Atomic weir_time slow;
    weir_worker *workers[]; /* options.workers; NULL until started */
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

/* ---- lender.c ---- */

/* The worker wants to be woken at `at`, or earlier. */
void weir_worker_wake_at(weir_worker *worker, weir_time at);

extern const weir_backend_events weir_lender_events;

/* Puts the lender on its worker's list; on the worker's thread. */
void weir_lender_touch(weir_lender *lender);
/* Carries out what the pool's core wants done. */
void weir_lender_pump(weir_lender *lender);
/* Tells the lender's worker to have a look; from any thread. */
void weir_lender_nudge(weir_lender *lender);
void weir_lender_nudge_all(weir_pools *p);
/* Finds or makes the pool of a user. */
WEIR_MUST_CHECK int weir_pools_get(weir_database *database, weir_slice user, weir_pools **ret,
                                   weir_error *err);
void weir_pools_free(weir_pools *pools);

#endif
