/* Private to gateway/: what a gateway and its workers are; their clients: client.h. */
#ifndef WEIR_GATEWAY_INTERNAL_H
#define WEIR_GATEWAY_INTERNAL_H

#include "base/map.h"
#include "base/spin.h"
#include "catalog/access.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "proto/pg/auth.h"
#include "proto/pg/pg.h"

struct weir_gateway_worker {
    weir_gateway *gateway;
    unsigned index;
    weir_loop *loop;
    weir_worker *engine;
    weir_list clients;
    weir_map by_id;                     /* cancel keys name clients by id */
    struct weir_spellings *spellings;   /* spelling.c; NULL: none yet */
    struct weir_lookups *lookups;       /* auth_lookup.c; NULL: none yet */
    struct weir_background *background; /* reads for the cache */
    weir_list listeners;
    struct weir_ears *ears; /* ears.c */
    weir_list catalogs;     /* catalog.c: of the databases that it served first */
    weir_timer tick;        /* of the engine */
    weir_task drain, close;
    _Atomic unsigned client_count;
    _Atomic uint32_t next_id;
    weir_timer sweep; /* handover_client.c: gives clients to a successor */
    weir_task settle;
    _Atomic bool settling; /* `settle` is on its way */
    bool giving;
};

typedef struct weir_gateway_listener {
    weir_list node;
    weir_listener *listener;
    weir_gateway_worker *worker;
    const char *configured; /* its address as the configuration has it */
} weir_gateway_listener;

/* What SCRAM needs of a password that is configured in clear; made at its user's first login. */
typedef struct weir_derived {
    weir_spin lock;
    bool done;
    weir_pg_scram_secret secret;
} weir_derived;

/* A configuration as it is in force, with what was derived from it. Readers take the newest once
 * and may go on with it: reloads are rare, so nothing is freed under them. */
typedef struct weir_settings {
    const weir_config *config;
    weir_map users;               /* name -> weir_config_user */
    struct weir_derived *derived; /* of config->users, by index */
    bool owned;                   /* the configuration goes with it */
    struct weir_settings *older;
} weir_settings;

struct weir_gateway {
    weir_gateway_options options;
    struct weir_settings *_Atomic settings; /* the newest; older ones live as long as the gateway */
    weir_log *log;
    weir_engine *engine;
    weir_tls_slot tls;             /* of clients; empty: they get none */
    _Atomic int64_t tls_expiry;    /* of its certificate; 0: none */
    struct weir_hub *_Atomic hubs; /* listen.c: made when first needed, freed with the gateway */
    uint8_t mock_key[32];          /* makes unknown users look like known ones */
    _Atomic bool draining, closing;
    _Atomic bool giving;            /* to a successor */
    _Atomic bool leaving;           /* draining or giving: clients go when they come to rest */
    struct weir_handover *handover; /* NULL: restarts are not for this host */
    _Atomic unsigned clients;
    _Atomic unsigned consoles;    /* those of them in database `weir` */
    _Atomic unsigned logins;      /* those of them that prove who they are */
    _Atomic unsigned analyses;    /* waiting or under way */
    struct weir_warming *warming; /* the control thread's; NULL: none */
    weir_gateway_opener opener;   /* of databases that a reload brings; NULL: it cannot */
    void *opener_user;
    weir_gateway_worker workers[]; /* options.workers */
};

/* It shall go as soon as it is at rest: we shut down, or its database is closed. */
static inline bool weir_client_must_leave(const weir_client *c)
{
    return c->dismissed || atomic_load(&c->worker->gateway->leaving);
}

static inline const weir_settings *weir_gateway_settings(const weir_gateway *gateway)
{
    return atomic_load_explicit(&gateway->settings, memory_order_acquire);
}

static inline const weir_config *weir_gateway_config(const weir_gateway *gateway)
{
    return weir_gateway_settings(gateway)->config;
}

/* The worker with the fewest clients; `mine` when it is among them. */
weir_gateway_worker *weir_gateway_least_loaded(weir_gateway_worker *mine);

/* ---- lending.c ---- */
weir_lending weir_gateway_lending(weir_config_pool_mode mode);
weir_share weir_gateway_share(const weir_config_share *share);

/* ---- borrowing.c ---- */
/* The connection is here: makes it the client's. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_attach(weir_client *c);

/* ---- reload.c ---- */
/* Puts a configuration in force; `owned`: frees it with the gateway. On the control thread. */
WEIR_MUST_CHECK int weir_gateway_put_settings(weir_gateway *g, const weir_config *config,
                                              bool owned);
void weir_gateway_free_settings(weir_gateway *g);
weir_pool_options weir_gateway_pool_options(const weir_config_pool *p);
/* The same of a replica, for whose connections nobody waits long. */
weir_pool_options weir_gateway_replica_pool_options(const weir_config_pool *p);
/* Limits of users and servers; users of `before` that are gone have none. -ENOMEM. */
WEIR_MUST_CHECK int weir_gateway_configure_users(weir_gateway *g, const weir_config *config,
                                                 const weir_config *before);

/* ---- caching.c ---- */
/* Before databases are added. -ENOMEM. */
WEIR_MUST_CHECK int weir_gateway_add_cache(weir_gateway *g, const weir_config *config);
/* Forgets what is kept. -ENOMEM: nothing changed. */
WEIR_MUST_CHECK int weir_gateway_configure_cache(weir_gateway *g, const weir_config *config);

/* ---- tier.c ---- */
/* The tier that is configured, if any. Before the workers start. `resolver` outlives the gateway's
 * loops. Negative: words in `err`. */
WEIR_MUST_CHECK int weir_gateway_add_tier(weir_gateway *g, const weir_config *config,
                                          weir_executor *resolver, weir_error *err);

/* ---- catalog.c ---- */
/* The engine's `used`: begins to read the catalog of a PostgreSQL server. */
void weir_gateway_on_used(void *gateway, weir_worker *worker, weir_database *database,
                          weir_slice user);
/* No more is asked of servers; on the worker's thread. */
void weir_catalogs_drain(weir_gateway_worker *w);
void weir_catalogs_free(weir_gateway_worker *w);

/* ---- analyst.c ---- */
void weir_gateway_on_accesses(void *gateway, weir_slice text, const weir_access *accesses,
                              size_t count, const weir_catalog *catalog);
void weir_gateway_analyze(void *gateway, weir_worker *worker, const weir_template *t);
void weir_gateway_analyze_at(void *gateway, weir_worker *worker, const weir_template *t,
                             weir_database *database, const struct weir_surroundings *at);
/* The schema is another one: what was known of statements is found out anew, in the background. */
void weir_gateway_analyze_ahead(weir_gateway *g, weir_database *database);

/* ---- auth.c and its like; auth.h ---- */
void weir_gateway_init_mock(weir_gateway *g);
/* -ENOMEM. In any case weir_settings_forget_users. */
WEIR_MUST_CHECK int weir_settings_index_users(weir_settings *settings, weir_hash_seed seed);
void weir_settings_forget_users(weir_settings *settings);
/* NULL: none of that name is configured. */
const weir_config_user *weir_client_find_user(const weir_settings *settings, const char *name);
/* What was looked up for logins; on the worker's thread. */
void weir_lookups_free(weir_gateway_worker *worker);
void weir_client_auth_free(weir_client *c);
/* Something off the loop names it still: it comes back by weir_client_auth_came_back. */
bool weir_client_auth_is_working(const weir_client *c);
/* Has the client prove that it is c->user, who wants c->database; then weir_client_admit. */
void weir_client_authenticate(weir_client *c);
size_t weir_client_on_auth(weir_client *c, weir_slice in);

/* ---- tls.c ---- */
/* Puts the configured certificate in force. Negative: the old one stays, `err` says why. On the
 * control thread. */
WEIR_MUST_CHECK int weir_gateway_load_tls(weir_gateway *g, const weir_config *config,
                                          weir_error *err);
/* For connections to a database's servers; NULL with sslmode disable. */
WEIR_MUST_CHECK int weir_gateway_server_tls(weir_gateway *g, const weir_config_server_tls *tls,
                                            weir_tls_context **ret, weir_error *err);
/* WEIR_POSTGRES_DISABLE and so on. */
unsigned weir_gateway_sslmode(const weir_config_server_tls *tls);
/* Reads the files of a database's servers anew; what is wrong with them is logged, and the old ones
 * stay. */
void weir_gateway_reload_server_tls(weir_gateway *g, weir_database *d,
                                    const weir_config_server_tls *tls);
/* tls.mode is require, and the client has not got any. */
bool weir_client_needs_tls(const weir_client *c);
/* SSLRequest: answers and, if it is S, begins. */
void weir_client_asks_tls(weir_client *c);
/* The first bytes are TLS's own, not PostgreSQL's: begins. False: they are not. */
bool weir_client_begins_tls(weir_client *c, weir_slice in);
void weir_client_on_secured(weir_stream *stream);
void weir_client_log_tls_failure(const weir_client *c);
/* "TLSv1.3/TLS_AES_256_GCM_SHA384"; "" of NULL. */
void weir_tls_describe(const weir_tls_info *tls, char *out, size_t size);

/* ---- login.c ---- */
size_t weir_client_on_startup(weir_client *c, weir_slice in);
/* It is who it says: opens its session, then greets. */
void weir_client_admit(weir_client *c);
void weir_client_out_of_memory(weir_client *c);
/* The session stands (or its first connection does): greets. */
void weir_client_welcome(weir_client *c);

#endif
