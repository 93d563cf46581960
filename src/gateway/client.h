/* Private to gateway/: a client, from its startup packet to its leaving, and what its modules do
 * with it. Always on its worker's thread. */
#ifndef WEIR_GATEWAY_CLIENT_H
#define WEIR_GATEWAY_CLIENT_H

#include "base/map.h"
#include "gateway/admin.h"
#include "gateway/gateway.h"
#include "gateway/listening.h"
#include "gateway/local.h"
#include "gateway/named.h"
#include "gateway/state.h"
#include "net/tls.h"
#include "proto/pg/pg.h"
#include "sql/block.h"

typedef struct weir_gateway_worker weir_gateway_worker;

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
    struct weir_namings *namings; /* what it does with prepared statements by SQL; mostly NULL */
    uint32_t readies;             /* ReadyForQuery owed for it, and behind it before the next */
    uint8_t block;                /* weir_block_effect */
} weir_sent;

/* What a relaying client needs beyond the session. */
typedef struct weir_relay_state {
    weir_relay_sink sink;
    weir_map named;          /* name -> weir_named */
    weir_promises promises;  /* of Parses and Closes */
    uint32_t batches;        /* counts the Syncs */
    uint32_t name_serial;    /* counts what was named */
    uint8_t terminating;     /* terminate.c: the message at the front ends another client */
    bool examining;          /* the message at the front waits for weir_conn_ops.examine */
    bool seen_to;            /* ... and has it */
    weir_prepared *examined; /* what it asked for; as long as the message is at the front */
    bool unsettled;          /* some were parsed under settings not known then */
    bool erred;              /* there was an error since nothing was owed */
    weir_prepared *unnamed;
    weir_prepared *unnamed_before; /* what stands if none of these comes to anything */
    uint64_t unnamed_before_under;
    uint32_t unnamed_promised; /* unnamed Parses and Closes that are not answered */
    uint32_t unnamed_batch;    /* of the newest */
    uint64_t unnamed_under;    /* weir_client_meaning as it was parsed */
    weir_statement bound;      /* of the newest Bind */
    bool bound_unnamed;        /* ... which is of the unnamed portal */
    bool bound_drops;          /* ... and drops a temporary table of the client's */
    uint8_t bound_block;       /* ... what it does (weir_block_effect) */
    uint8_t ended_block;       /* ... what those did that ended since the last ReadyForQuery */
    bool unnamed_skipped;      /* an unnamed Parse, since the last Sync */
    uint8_t lost;              /* weir_lost (lost.h) */
    uint8_t lost_bound;        /* … of its portal: weir_block_command */
    uint64_t lost_portal;      /* … whose name's hash this is */
    weir_prepared *bound_to;   /* ... what is bound, where its text will be asked for; else NULL */
    weir_sent first;           /* the common case: one statement on its way */
    weir_sent *more;           /* a ring for pipelines */
    uint32_t more_cap, more_head, sent;
    uint32_t own_contents; /* counts statements that mean something to this client alone */
    uint32_t own_meaning;  /* counts what makes texts mean something to it alone; 0: nothing does */
    char status;           /* of the last ReadyForQuery; without a connection 'I', or 'E': lost */
    bool skipping;         /* after an error of ours, up to Sync */
    bool batch;            /* extended messages were relayed since the last Sync */
    weir_state *state;     /* what is to be found out of the connection held; NULL: nothing */
    bool resets;           /* what the startup packet set may be gone from the connection held */
    uint32_t unready;      /* ReadyForQuery that are owed to it */
    uint32_t naming;       /* statements on their way that do something with names */
    bool behind;           /* the message at the front waits for what is owed (one of these two) */
    bool waiting;          /* for a connection */
    bool held;             /* a ReadyForQuery is kept back: notifications come first */
    bool notified;         /* this transaction may have notified */
    bool notifies;         /* ... and by a statement that says so */
    bool moved;            /* a sequence, perhaps, on the connection held */
    bool failed;           /* it had an error */
    bool changed;          /* it may have changed the schema */
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
    uint8_t *startup; /* settings of the startup packet, as weir_parameters has them */
    size_t startup_len;
    uint8_t *params; /* settings in force; the same pointer as long as they are the same */
    size_t params_len;
    uint64_t fingerprint;   /* of these */
    struct weir_auth *auth; /* while AUTH */
    weir_local *local;
    struct weir_spelling *spelling; /* asks for it; NULL: it does not */
    weir_console *console;          /* in database `weir` */
    weir_time since;                /* connected; then: state of the timer's concern */
    bool relays;
    bool trusted;               /* nothing had to be proved */
    bool vouched;               /* nothing has to be: it is in this process */
    bool internal;              /* it is our own: reads for the cache (background.c) */
    bool holds;                 /* session pooling: its connection stays with it */
    bool closed;                /* the stream is gone */
    bool spoke;                 /* its first packet came */
    bool direct_tls;            /* ... and was TLS's own */
    bool resting;               /* paused, to be given to a successor */
    bool stays;                 /* … which cannot take it */
    bool full;                  /* paused: it does not read what was answered without a server */
    bool missed;                /* it was taken over, and notifications may have passed it by */
    struct weir_replay *replay; /* it was taken over, and its statements are prepared anew */
    bool dismissed;             /* it goes when it is at rest: its database is closed */
    bool terminated;            /* as by a server: told when its connection is lost */
    bool overdue;               /* its connection is closed for a statement that does not end */
    weir_time begun;            /* its transaction; 0: it has none */
    weir_time looked_at;        /* whether it is still there, while it waits */
    weir_time unread_since;     /* its answers pile up; 0: they do not */
    weir_time cancelled_at;     /* the statement under way, by a timeout; 0: it was not */
    weir_listening *listening;  /* what it listens to; NULL: it never did */
    struct weir_cached *cached; /* its dealings with the cache; NULL: none yet */
    struct weir_explaining *explaining; /* its EXPLAIN CACHE is being answered */
    weir_relay_state relay;
} weir_client;

/* ---- client.c ---- */
void weir_client_accept(weir_gateway_worker *worker, weir_stream *stream);
/* One that is in this process, and is believed; takes the connected socket. NULL: out of memory. */
weir_client *weir_client_take_in(weir_gateway_worker *worker, int fd);
void weir_client_close(weir_client *c, weir_time linger);
/* Gives back what it holds of databases; harmless when done before. */
void weir_client_release(weir_client *c);
/* FATAL, then closed. */
void weir_client_fatal(weir_client *c, const weir_error *err);
void weir_client_write(weir_client *c, weir_slice bytes);
/* An ErrorResponse of severity ERROR. */
void weir_client_error(weir_client *c, const weir_error *err);
void weir_client_ready(weir_client *c, char status);
/* A message without a body. */
void weir_client_say(weir_client *c, uint8_t type);
/* Nothing of it is under way: it may be told goodbye at a drain. */
bool weir_client_at_rest(const weir_client *c);
/* Told 57P01 and closed: we shut down. */
void weir_client_goodbye(weir_client *c);
void weir_client_cancel(weir_client *c);
/* The cancel request that `carrier` brought was carried out. */
void weir_client_cancel_done(weir_client *carrier);
/* What worked for its login off the loop is done. */
void weir_client_auth_came_back(weir_client *c);
weir_client *weir_client_find(weir_gateway_worker *worker, uint32_t id);

/* ---- lending.c ---- */
/* Opens its session, in its pool mode, as one more client of database and user. As
 * weir_session_open; on failure it is closed. */
WEIR_MUST_CHECK int weir_client_join(weir_client *c, weir_database *database, weir_error *err);
/* False: it begins a transaction, and the client's connection goes back after each statement. */
bool weir_client_may_run(const weir_client *c, const weir_statement *statement, weir_error *err);
/* The server is inside a transaction, however it was begun, with statement pooling: the end. */
void weir_client_end_transaction_block(weir_client *c);
/* The newest statement's template, and what the client calls itself; borrowed, perhaps empty. */
weir_slice weir_client_statement_text(const weir_client *c);
void weir_client_on_held(weir_relay_sink *sink, weir_time held);
/* Ends it, with these words where they would not be taken for a part of an answer. */
void weir_client_end(weir_client *c, const weir_error *err);

/* ---- timeouts.c ---- */
void weir_client_timer_init(weir_client *c);
/* Arms the timer for what may take too long now. */
void weir_client_watch(weir_client *c);
/* The client was heard or answered: idleness begins anew. */
void weir_client_seen(weir_client *c);

/* The client waits for a connection, and is not read. */
void weir_client_waits(weir_client *c);
/* The client leaves its answers unread, or reads again. */
void weir_client_unread(weir_client *c, bool unread);
/* Why the client's connection was lost: `err`, or what we know better, in `own`. */
const weir_error *weir_client_lost_words(const weir_client *c, const weir_error *err,
                                         weir_error *own);

/* ---- statements.c ---- */
/* A statement goes on its way. -ENOMEM. */
int weir_client_sent_push(weir_client *c, const weir_statement *statement, weir_block_effect block);
/* The i-th of relay.sent, the oldest first. */
weir_sent *weir_client_sent_at(weir_client *c, uint32_t i);
/* A message went out that a ReadyForQuery will answer. */
void weir_client_sent_ready(weir_client *c);
/* The newest one does these things with names; takes them. */
void weir_client_sent_name(weir_client *c, struct weir_namings *namings);
/* The oldest has ended; false: there is none. The namings are the caller's then. */
bool weir_client_sent_pop(weir_client *c, weir_sent *ret);
/* What was parsed under settings that are only known now gets them. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_settle_statements(weir_client *c);
/* Changes with whatever a text may mean something else for. */
uint64_t weir_client_meaning(const weir_client *c);
weir_prepared *weir_client_prepared_new(weir_client *c, weir_slice text, weir_slice oids);
/* As it was parsed elsewhere, under these settings. */
weir_prepared *weir_client_prepared_restore(weir_client *c, weir_slice text, weir_slice oids,
                                            weir_slice settings);
/* Its text is a PREPARE statement; what it does when it is run is what stands behind that. */
void weir_client_prepared_by_sql(weir_prepared *p);
void weir_client_prepared_unref(weir_prepared *p);
/* What the startup packet asks for; copied. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_set_startup(weir_client *c, weir_slice pairs);
/* Settings in force from now on; copied. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_set_params(weir_client *c, weir_slice pairs);

/* ---- names.c ---- */
#define WEIR_NAMING_EFFECTS (WEIR_EFFECT_PREPARE | WEIR_EFFECT_DISCARD)
/* Makes the names of prepared statements that a text with WEIR_NAMING_EFFECTS mentions mean on the
 * connection what they mean to the client. `ret` not NULL: it is about to run, with what it
 * executes; `*ret`: what it does with names when it succeeds; NULL for nothing. -ENOMEM;
 * WEIR_SESSION_REFUSED with words. */
WEIR_MUST_CHECK int weir_client_settle_names(weir_client *c, weir_slice text,
                                             struct weir_namings **ret, weir_error *err);
/* `name` of the protocol is to mean something on the connection, so that Parse fails over it. */
WEIR_MUST_CHECK int weir_client_take_name(weir_client *c, weir_slice name);
/* The statement ended. Frees them. */
void weir_client_named_by_sql(weir_client *c, struct weir_namings *namings, bool succeeded);
void weir_namings_free(struct weir_namings *namings);

/* ---- relay.c ---- */
/* Sends a message of the client's. 0: a failure is told by on_lost. */
int weir_client_forward(weir_client *c, const weir_relay *m);
/* Answers the message of type `type` with an error. */
void weir_client_refuse(weir_client *c, uint8_t type, const weir_error *err);
/* The text has this word (lower case), or something that looks like it. */
bool weir_client_mentions(weir_slice text, const char *word);
/* It parses again what its unnamed statement is already, under the same settings. */
bool weir_client_same_statement(const weir_client *c, const weir_pg_parse *parse);
/* Takes the reference. */
void weir_client_set_unnamed(weir_client *c, weir_prepared *p);
void weir_client_relay_init(weir_client *c);
void weir_client_relay_fini(weir_client *c);
/* 0: taken. 1: come again. -EPROTO. */
int weir_client_on_message(weir_client *c, const weir_pg_frame *f);

/* ---- borrowing.c ---- */
/* 0: there is a connection. 1: not yet, come again. Negative: refused, and answered. */
int weir_client_ensure_conn(weir_client *c, const weir_pg_frame *f);
/* Has the connection held adopt the client's settings. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_adopt(weir_client *c);
/* The statement that waits for a connection, or for an answer, is given up: 57014. */
void weir_client_cancel_waiting(weir_client *c);
/* The statement that waited for an answer is given up: 57014. */
void weir_client_time_out_waiting(weir_client *c);
extern const weir_session_events weir_client_session_events;

/* ---- intake.c ---- */
size_t weir_client_on_relay(weir_client *c, weir_slice in);

/* ---- answers.c ---- */
/* Its sink hears the server. */
void weir_client_hear(weir_client *c);
/* NULL: it is NULL, or no client's (a hub's, an errand's). */
weir_client *weir_client_of_sink(weir_relay_sink *sink);
/* What the session left on its connection is known: it goes back if nothing holds it. */
void weir_client_settled(weir_client *c);

/* ---- local glue (client.c) ---- */
int weir_client_local_init(weir_client *c);
int weir_client_console_init(weir_client *c);

#endif
