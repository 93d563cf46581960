/* The engine: the statement's story (understand, admit, route, borrow, execute, record), free of
 * sockets and of client protocols. The gateway and the library are its two callers.
 *
 * Threads: one weir_engine for the process; one weir_worker per event loop, used on that loop's
 * thread only; a weir_session lives on one worker. Shared between workers: the pools' counters, the
 * template table. Other things cross by messages that the host carries. */
#ifndef WEIR_ENGINE_ENGINE_H
#define WEIR_ENGINE_ENGINE_H

#include "base/epoch.h"
#include "base/hist.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/changes.h"
#include "engine/backend.h"
#include "engine/session.h"
#include "engine/stats.h"

typedef struct weir_engine weir_engine;
struct weir_surroundings;

/* What a database or a user may have; 0: no limit. */
typedef struct weir_share {
    unsigned max_connections; /* to servers, over all pools */
    unsigned max_clients;
    unsigned pool_size; /* of a user: of each of its pools; 0: the database's */
} weir_share;

/* A message to a worker. `host` is the host's (its mailbox node). */
typedef struct weir_message {
    void *host[2];
    void (*run)(struct weir_message *message, weir_worker *at);
} weir_message;

/* What the engine cannot do itself, done by whoever hosts it (gateway, library, simulator). */
typedef struct weir_engine_host {
    weir_time (*now)(void *user, const weir_worker *worker);
    /* The same, not older than this very call: measures statements. NULL: `now` will do. */
    weir_time (*clock)(void *user, const weir_worker *worker);
    /* ns since 1970, for times that other processes read. NULL: no tier behind memory is asked. */
    int64_t (*wall)(void *user, const weir_worker *worker);
    uint32_t (*random)(void *user, weir_worker *worker);
    /* Runs `message` on `to`'s thread, once, soon. From any worker's thread. */
    void (*post)(void *user, weir_worker *to, weir_message *message);
    /* The worker's earliest deadline is `at` now: call weir_worker_tick then. */
    void (*wake_at)(void *user, weir_worker *worker, weir_time at);
    /* A template is new: have it analysed off the loops, or not. May be NULL. */
    void (*analyze)(void *user, weir_worker *worker, const weir_template *t);
    /* The same at some surroundings; answered by weir_template_publish_variant. May be NULL. */
    void (*analyze_at)(void *user, weir_worker *worker, const weir_template *t,
                       weir_database *database, const struct weir_surroundings *at);
    /* A database has its first session, of `user_name`'s; before any statement of it. May be NULL.
     */
    void (*used)(void *user, weir_worker *worker, weir_database *database, weir_slice user_name);
    void *user;
} weir_engine_host;

typedef struct weir_engine_options {
    unsigned workers;
    weir_engine_host host;
    weir_log *log;
    weir_memory *memory;
    weir_epoch *epoch;
    weir_hash_seed seed;
    uint32_t templates_max;
    weir_time slow; /* slow log threshold; 0: off */
} weir_engine_options;

WEIR_MUST_CHECK int weir_engine_new(const weir_engine_options *options, weir_engine **ret);
/* Every session and connection must be gone. Destroys the backends. */
void weir_engine_free(weir_engine *engine);

typedef struct weir_database_options {
    const char *name;      /* as clients say it; "*": every name that no other has */
    weir_backend *backend; /* taken over */
    const char *dbname; /* of the server; NULL: the client's word is not passed on, name is used */
    const char *user, *password; /* of the server; user NULL: the client's name */
    const char *shown;           /* address without secrets, for SHOW */
    const char *label;           /* what SHOW and metrics call it; NULL: name */
    const char *host;            /* for SHOW; NULL: it has none */
    unsigned port;
    void *place;          /* the backend's, for weir_conn_request; NULL: its first */
    weir_lending lending; /* unless a session has another */
    weir_share share;
    bool leak_ends; /* who holds a connection for too long is disconnected */
    weir_database
        *replica_of;        /* a primary that was added: clients know it by no name (replica.h) */
    weir_time replica_lag;  /* of a primary: its replicas serve nothing when further behind */
    weir_pool_options pool; /* of each pool of the database (role READ for execute-backends) */
} weir_database_options;

/* Before the workers start. Strings are copied. */
WEIR_MUST_CHECK int weir_engine_add_database(weir_engine *engine,
                                             const weir_database_options *options,
                                             weir_database **ret);
/* To where `options` say, from any one thread: new connections go there, those to the place before
 * are closed as they become idle. -ENOTSUP: it stays with a user of its own, or without. -ENOMEM.
 */
WEIR_MUST_CHECK int weir_database_move(weir_database *database,
                                       const weir_database_options *options, weir_time now);
bool weir_database_is_at(const weir_database *database, const weir_database_options *options);
/* By the name a client gave; NULL: there is none. */
weir_database *weir_engine_find_database(weir_engine *engine, weir_slice name);
const char *weir_database_name(const weir_database *database);
/* Clients say another name for it from now on; from any one thread. -ENOMEM: as it was. */
WEIR_MUST_CHECK int weir_database_rename(weir_database *database, const char *name);
/* The server's user for every client; NULL: each client's own name. */
const char *weir_database_user(const weir_database *database);
/* How connections of this user are logged in from now on; from any thread. -ENOMEM. */
WEIR_MUST_CHECK int weir_database_set_login(weir_database *database, weir_slice user,
                                            const weir_login *login);
/* False: nobody brought any for this user. Overwrite it after use. */
bool weir_database_login(const weir_database *database, const char *user, weir_login *ret);
/* New limits for its pools, present and future; from any one thread. -ENOMEM: nothing changed. */
WEIR_MUST_CHECK int weir_database_configure(weir_database *database, const weir_pool_options *pool);
weir_lending weir_database_lending(const weir_database *database);
void weir_database_set_lending(weir_database *database, weir_lending lending);
bool weir_database_leak_ends(const weir_database *database);
void weir_database_set_leak_ends(weir_database *database, bool ends);
const char *weir_lending_name(weir_lending lending);
/* Limits over several pools, from any one thread; what is over is closed when it is idle. */
void weir_database_configure_share(weir_database *database, const weir_share *share);
/* -ENOMEM: as it was. */
WEIR_MUST_CHECK int weir_engine_configure_user(weir_engine *engine, const char *name,
                                               const weir_share *share);
/* Of each server, over all databases on it. */
void weir_engine_configure_servers(weir_engine *engine, unsigned max_connections);
/* Opens size_min connections of a database that has a user of its own, without a client. -ENOMEM.
 */
WEIR_MUST_CHECK int weir_database_warm(weir_database *database);
const char *weir_database_label(const weir_database *database);
weir_backend *weir_database_backend(const weir_database *database);
weir_listen_stats *weir_database_listen_stats(weir_database *database);

/* ---- workers ---- */

/* On the worker's own thread: joins the epoch. `loop` is handed to backends. */
WEIR_MUST_CHECK int weir_worker_start(weir_engine *engine, unsigned index, struct weir_loop *loop,
                                      weir_worker **ret);
void weir_worker_stop(weir_worker *worker);
void weir_worker_tick(weir_worker *worker);
weir_epoch_member *weir_worker_epoch(weir_worker *worker);
unsigned weir_worker_index(const weir_worker *worker);
weir_engine *weir_worker_engine(const weir_worker *worker);
/* Scratch of the worker, for weir_session_understand's caller to look at until the next one. */
const weir_lexed *weir_worker_lexed(const weir_worker *worker);

/* ---- reading the statistics: from any thread ---- */

weir_template_table *weir_engine_templates(weir_engine *engine);
unsigned weir_engine_database_count(const weir_engine *engine);
weir_database *weir_engine_database_at(weir_engine *engine, unsigned index);
unsigned weir_engine_workers(const weir_engine *engine);
weir_worker *weir_engine_worker_at(weir_engine *engine, unsigned index);
/* A worker's figures of a database; NULL: it has none. */
const weir_database_stats *weir_worker_database_stats(const weir_worker *worker,
                                                      const weir_database *database);
/* Of a template; NULL: it has none of this serial. */
const weir_statement_stats *weir_worker_statement_stats(const weir_worker *worker,
                                                        uint32_t template_id,
                                                        uint32_t template_serial);
/* Bytes that passed between a client and us, for the session's database. */
void weir_session_count_bytes(weir_session *session, uint64_t in, uint64_t out);
void weir_session_count_transaction(weir_session *session);

/* The database's pools, newest first. */
weir_pools *weir_database_pools(const weir_database *database);
weir_pools *weir_pools_next(const weir_pools *pools);
const char *weir_pools_user(const weir_pools *pools);
weir_pool *weir_pools_pool(const weir_pools *pools);
const weir_database *weir_pools_database(const weir_pools *pools);
const char *weir_database_shown(const weir_database *database);
/* Sessions that use this pool now. */
unsigned weir_pools_sessions(const weir_pools *pools);
bool weir_database_paused(const weir_database *database);
/* Somebody asks this database for currval or lastval: from the first time on, sessions that may
 * have moved a sequence stay on their connection. Any thread. */
void weir_database_watch_sequences(weir_database *database);
bool weir_database_watches_sequences(const weir_database *database);
/* No pool of it failed to reach the server at its newest attempt. */
bool weir_database_up(const weir_database *database);
/* Sessions of a worker that are pinned, by the first bit of WEIR_EFFECT_* that pinned them. */
#define WEIR_PIN_REASONS 15u
uint64_t weir_worker_pinned(const weir_worker *worker, unsigned reason);
/* Calls `visit` for each connection that a worker holds of a pool; on that worker's thread. */
void weir_worker_each_conn(weir_worker *worker, const weir_pools *pools,
                           void (*visit)(void *user, weir_conn *conn), void *user);
/* PAUSE, RESUME, shutdown: told to all workers. NULL database: every one. From any thread. */
void weir_engine_pause(weir_engine *engine, weir_database *database, bool paused);
void weir_engine_drain(weir_engine *engine);
/* Connections made before now are replaced when they are next idle. NULL: of every database. */
void weir_engine_reconnect(weir_engine *engine, weir_database *database, weir_time now);
/* Takes no new sessions (DISABLE). */
void weir_database_disable(weir_database *database, bool disabled);
bool weir_database_disabled(const weir_database *database);
/* Lends nothing more: who asks from now on is refused (57P01), idle connections are closed (DRAIN);
 * or lends again. */
void weir_database_close(weir_database *database, bool closed, weir_time now);
bool weir_database_closed(const weir_database *database);
/* For good: it is closed and no name finds it. Statistics of it stay. */
void weir_database_remove(weir_database *database, weir_time now);
bool weir_database_removed(const weir_database *database);
/* The slow log's threshold; from any thread. */
void weir_engine_set_slow(weir_engine *engine, weir_time slow);

#endif
