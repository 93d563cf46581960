/* Private to gateway/: what a worker and a client are. */
#ifndef WEIR_GATEWAY_INTERNAL_H
#define WEIR_GATEWAY_INTERNAL_H

#include "base/map.h"
#include "catalog/access.h"
#include "gateway/admin.h"
#include "gateway/gateway.h"
#include "gateway/local.h"
#include "proto/pg/auth.h"
#include "proto/pg/pg.h"

typedef struct weir_gateway_worker {
    weir_gateway *gateway;
    unsigned index;
    weir_loop *loop;
    weir_worker *engine;
    weir_list clients;
    weir_map by_id; /* cancel keys name clients by id */
    weir_list listeners;
    weir_timer tick; /* of the engine */
    weir_task drain, close;
    _Atomic unsigned client_count;
    uint32_t next_id;
} weir_gateway_worker;

/* A configuration as it is in force, with what was derived from it. Readers take the newest once
 * and may go on with it: reloads are rare, so nothing is freed under them. */
typedef struct weir_settings {
    const weir_config *config;
    weir_pg_scram_secret *secrets; /* of config->users, by index; NULL: not needed */
    bool owned;                    /* the configuration goes with it */
    struct weir_settings *older;
} weir_settings;

struct weir_gateway {
    weir_gateway_options options;
    struct weir_settings *_Atomic settings; /* the newest; older ones live as long as the gateway */
    weir_log *log;
    weir_engine *engine;
    uint8_t mock_key[32]; /* makes unknown users look like known ones */
    _Atomic bool draining, closing;
    _Atomic unsigned clients;
    _Atomic unsigned consoles;     /* those of them in database `weir` */
    _Atomic unsigned analyses;     /* waiting or under way */
    weir_gateway_worker workers[]; /* options.workers */
};

typedef enum weir_client_state {
    WEIR_CLIENT_STARTUP, /* waits for a startup packet */
    WEIR_CLIENT_AUTH,    /* proves who it is */
    WEIR_CLIENT_WELCOME, /* waits for the server's parameters */
    WEIR_CLIENT_ACTIVE,
    WEIR_CLIENT_CANCEL, /* carries a CancelRequest */
    WEIR_CLIENT_CLOSING
} weir_client_state;

/* A statement on its way, to be measured when it ends. */
typedef struct weir_sent {
    weir_statement statement;
    weir_time started;
} weir_sent;

/* A statement that the client named. */
typedef struct weir_named {
    weir_prepared *prepared;
    size_t name_len;
    uint8_t name[];
} weir_named;

/* What a relaying client needs beyond the session. */
typedef struct weir_relay_state {
    weir_relay_sink sink;
    weir_map named; /* name -> weir_named */
    weir_prepared *unnamed;
    weir_statement bound; /* of the newest Bind */
    weir_sent first;      /* the common case: one statement on its way */
    weir_sent *more;      /* a ring for pipelines */
    uint32_t more_cap, more_head, sent;
    char status;           /* of the last ReadyForQuery */
    bool skipping;         /* after an error of ours, up to Sync */
    bool batch;            /* extended messages were relayed since the last Sync */
    bool lost_transaction; /* the server went with it: the next statement is told */
    bool unpin;            /* DISCARD ALL is on its way */
    bool waiting;          /* for a connection */
    weir_error *refused;   /* why none came: told to the message that waits */
    size_t passing;        /* of a large CopyData under way */
    bool passing_on;
} weir_relay_state;

typedef struct weir_client {
    weir_session session;
    weir_gateway_worker *worker;
    weir_stream *stream;
    weir_list node;
    weir_timer timer;
    weir_client_state state;
    uint32_t id;
    uint32_t version;
    uint8_t secret[32]; /* the cancel key: 4 bytes of it in protocol 3.0 */
    char *user, *database;
    uint8_t *params; /* of the startup packet, sorted, as weir_parameters has them */
    size_t params_len;
    uint64_t fingerprint;
    weir_pg_auth_server *auth; /* while AUTH */
    weir_local *local;
    weir_console *console; /* in database `weir` */
    weir_time since;       /* connected; then: state of the timer's concern */
    bool relays;
    bool trusted; /* nothing had to be proved */
    bool holds;   /* session pooling: its connection stays with it */
    bool closed;  /* the stream is gone */
    weir_relay_state relay;
} weir_client;

/* ---- client.c ---- */
void weir_client_accept(weir_gateway_worker *worker, weir_stream *stream);
void weir_client_close(weir_client *c, weir_time linger);
/* Gives back what it holds of databases; harmless when done before. */
void weir_client_release(weir_client *c);
/* FATAL, then closed. */
void weir_client_fatal(weir_client *c, const weir_error *err);
void weir_client_write(weir_client *c, weir_slice bytes);
/* An ErrorResponse of severity ERROR. */
void weir_client_error(weir_client *c, const weir_error *err);
void weir_client_ready(weir_client *c, char status);
/* Nothing of it is under way: it may be told goodbye at a drain. */
bool weir_client_at_rest(const weir_client *c);
/* Told 57P01 and closed: we shut down. */
void weir_client_goodbye(weir_client *c);
void weir_client_cancel(weir_client *c);
/* The cancel request that `carrier` brought was carried out. */
void weir_client_cancel_done(weir_client *carrier);
weir_client *weir_client_find(weir_gateway_worker *worker, uint32_t id);

static inline const weir_settings *weir_gateway_settings(const weir_gateway *gateway)
{
    return atomic_load_explicit(&gateway->settings, memory_order_acquire);
}

static inline const weir_config *weir_gateway_config(const weir_gateway *gateway)
{
    return weir_gateway_settings(gateway)->config;
}

/* ---- reload.c ---- */
/* Puts a configuration in force; `owned`: frees it with the gateway. On the control thread. */
WEIR_MUST_CHECK int weir_gateway_put_settings(weir_gateway *g, const weir_config *config,
                                              bool owned);
void weir_gateway_free_settings(weir_gateway *g);
weir_pool_options weir_gateway_pool_options(const weir_config_pool *p);

/* ---- caching.c ---- */
/* Before databases are added. -ENOMEM. */
WEIR_MUST_CHECK int weir_gateway_add_cache(weir_gateway *g, const weir_config *config);
/* Forgets what is kept. -ENOMEM: nothing changed. */
WEIR_MUST_CHECK int weir_gateway_configure_cache(weir_gateway *g, const weir_config *config);

/* ---- timeouts.c ---- */
void weir_client_timer_init(weir_client *c);
/* Arms the timer for what may take too long now. */
void weir_client_watch(weir_client *c);
/* The client was heard or answered: idleness begins anew. */
void weir_client_seen(weir_client *c);

/* ---- analyst.c ---- */
void weir_gateway_on_accesses(void *gateway, weir_slice text, const weir_access *accesses,
                              size_t count, const weir_catalog *catalog);
void weir_gateway_analyze(void *gateway, weir_worker *worker, const weir_template *t);

/* ---- login.c ---- */
/* Derives what SCRAM needs of the configured passwords, so that no login has to. */
void weir_gateway_init_mock(weir_gateway *g);
WEIR_MUST_CHECK int weir_settings_derive(weir_settings *settings, weir_hash_seed seed);
size_t weir_client_on_startup(weir_client *c, weir_slice in);
size_t weir_client_on_auth(weir_client *c, weir_slice in);
/* The session stands (or its first connection does): greets. */
void weir_client_welcome(weir_client *c);

/* ---- statements.c ---- */
/* A statement goes on its way. -ENOMEM. */
int weir_client_sent_push(weir_client *c, const weir_statement *statement);
/* The oldest has ended; false: there is none. */
bool weir_client_sent_pop(weir_client *c, weir_sent *ret);
/* NULL: out of memory. */
weir_prepared *weir_client_prepared_new(weir_client *c, const weir_pg_parse *parse);
void weir_client_prepared_unref(weir_prepared *p);
/* 0, WEIR_MAP_FULL, -ENOMEM. Takes the reference. */
int weir_client_named_put(weir_client *c, weir_slice name, weir_prepared *p);
void weir_client_named_remove(weir_client *c, weir_slice name);
void weir_client_named_clear(weir_client *c);
/* What a name stands for; "" is the unnamed statement. NULL: nothing. */
weir_prepared *weir_client_prepared_find(weir_client *c, weir_slice name);

/* ---- relay.c ---- */
void weir_client_relay_init(weir_client *c);
void weir_client_relay_fini(weir_client *c);
/* The statement that waits for a connection is given up: 57014. */
void weir_client_cancel_waiting(weir_client *c);
size_t weir_client_on_relay(weir_client *c, weir_slice in);
extern const weir_session_events weir_client_session_events;

/* ---- local glue (client.c) ---- */
int weir_client_local_init(weir_client *c);
int weir_client_console_init(weir_client *c);

#endif
