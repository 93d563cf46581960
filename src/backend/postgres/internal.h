/* Private to backend/postgres. */
#ifndef WEIR_BACKEND_POSTGRES_INTERNAL_H
#define WEIR_BACKEND_POSTGRES_INTERNAL_H

#include "backend/postgres/postgres.h"
#include "base/map.h"
#include "base/spin.h"
#include "proto/pg/owed.h"
#include "proto/pg/pg.h"

#define PG_NAME_SIZE 40 /* "weir_" and 32 hexadecimal digits */
#define PG_HELD 8u      /* replies that are kept back at most */
#define PG_SEEN 256u    /* contents seen once on a connection, direct-mapped */

/* Tags of hidden entries in the queue of owed replies: what of ours they answer. Contents of
 * prepared statements, the other tags, are 64-bit hashes. */
#define PG_ADOPTS 1u
#define PG_CHECKS 2u
#define PG_ASKED 3u
#define PG_NAMES 4u
#define PG_EXAMINED 5u
#define PG_STALE 6u     /* the client's, but its error is another than the server gives */
#define PG_TEMPORARY 7u /* the client's, and makes a temporary table alone */

/* What a host's name stood for when it was last looked up. */
typedef struct pg_host {
    char addresses[8][WEIR_RESOLVED_MAX];
    unsigned count;
    weir_time looked_at;
} pg_host;

/* Where the servers are and how they are reached. A connection keeps the place that it was opened
 * to; those of an older one than the newest are not lent again. */
typedef struct pg_place {
    struct pg_place *older;
    weir_postgres_options options;
    weir_tls_slot tls; /* empty: there is none */
    char *hosts[WEIR_POSTGRES_HOSTS_MAX];
    bool has_names; /* some host is not an address */
    weir_spin table_lock;
    pg_host table[WEIR_POSTGRES_HOSTS_MAX];
    _Atomic uint32_t table_serial; /* raised when an address is gone */
    _Atomic weir_time looked_at;
    _Atomic bool looking;
    weir_job look;
} pg_place;

typedef struct pg_backend {
    weir_backend base;
    pg_place *places; /* all there have been; they live as long as the backend */
    pg_place *first;
    pg_place *_Atomic newest;
    struct pg_following *_Atomic following; /* NULL: not asked for yet */
    _Atomic uint32_t followed;              /* counts the times that following began */
} pg_backend;

/* A name of ours on one server connection. It is forgotten when the server has no such statement
 * and nothing under way could make one. */
typedef struct pg_prepared {
    weir_list lru;
    uint64_t content[2];
    bool faithful;    /* it describes as when clients parsed it: no change of the schema since */
    uint64_t shape;   /* of its description since it was parsed; 0: it was not described */
    uint32_t batch;   /* of the newest Parse: the batch (up to a Sync) that it was sent in */
    uint32_t pending; /* Parses and Closes of it that are not answered yet */
    bool on_server;   /* as of the newest answer */
    bool outdated;    /* it may be gone when what was sent since has run (DEALLOCATE ALL) */
} pg_prepared;

typedef struct pg_prepared_table {
    weir_map map;  /* by the first half of the content; the second is compared */
    weir_list lru; /* least recently used first */
    unsigned size_max;
    uint64_t seen[PG_SEEN];
    uint64_t unnamed[2]; /* what the unnamed statement holds; 0: not known */
} pg_prepared_table;

typedef enum pg_state {
    PG_RESOLVING,
    PG_CONNECTING,
    PG_LOGIN,
    PG_READY,
    PG_MOVING,
    PG_CLOSING
} pg_state;

typedef struct pg_conn {
    weir_conn base;
    pg_place *place;
    pg_state state;
    bool announced; /* the engine was told `opened` */
    char status;    /* of the last ReadyForQuery */
    bool validating;
    bool returned;   /* given back, clean() said LATER */
    bool paused;     /* reading stopped for a slow client */
    bool congested;  /* our outgoing queue was full */
    bool passing_on; /* the frame under way goes to the client (else it is dropped) */
    size_t passing;  /* bytes of it still to come */
    weir_stream *stream;
    weir_timer timer;
    weir_pg_owed owed;
    uint8_t held[PG_HELD]; /* types of replies of ours that come before anything owed */
    unsigned held_len;
    uint64_t rows;     /* of the statement under way, as its tags say */
    uint64_t passed;   /* rows of the result under way */
    char sqlstate[6];  /* of the error since the last Sync or Query; "" */
    bool error_told;   /* ... was told as one statement's */
    uint64_t change;   /* of the backend's `changes`, that is not yet committed */
    uint64_t examined; /* the content that is; 0: none */
    uint64_t expected; /* ... and the shape that it should have */
    uint64_t shape;    /* of the description that is arriving */
    pg_prepared_table prepared;
    uint32_t batch; /* counts the Syncs sent */
    char *database, *user;
    weir_login *login; /* until it is logged in; NULL: nothing proves who we are */
    bool tls;          /* wanted of the stream under way */
    bool tls_asked;    /* SSLRequest is on its way */
    bool tls_again;    /* the address's second attempt, the other way */
    bool tls_retry;    /* ... is what comes next */
    bool tls_failed;   /* the handshake, or what led to it */
    bool tls_refused;  /* by the server's access rules, with or without TLS */
    weir_pg_auth_client auth;
    unsigned host; /* tried so far */
    unsigned host_used;
    uint8_t order[WEIR_POSTGRES_HOSTS_MAX];
    uint32_t table_serial; /* its address was in the table then */
    bool second_pass;      /* any server will do now */
    bool probing;          /* it was asked what it is */
    bool standby, read_only;
    bool misplaced;                       /* not to be lent again: another server is wanted */
    char addresses[8][WEIR_RESOLVED_MAX]; /* of it */
    unsigned address_count, address;
    char *address_used;
    uint32_t pid;
    uint8_t key[WEIR_PG_CANCEL_KEY_MAX];
    size_t key_len;
    weir_buf welcome;
    uint64_t adopted;        /* fingerprint of the session parameters set now; 0: none are */
    uint64_t strays;         /* the session that may have made others; 0: none has */
    weir_buf set;            /* these: pairs, sorted by name (weir_parameters) */
    weir_list questions;     /* of ours, in order of asking */
    weir_question asked_who; /* it is, while `identifying` */
    bool identifying;
    uint32_t identified;  /* the backend's `followed` when it was last asked */
    weir_list aliases;    /* names of clients' own that mean something here */
    weir_buf names_error; /* why one could not be made: an ErrorResponse to be given instead */
    bool aliases_unknown; /* ... and perhaps others: making one failed */
    weir_list cancels;    /* flying toward this backend */
    weir_error lost;      /* why, once known */
} pg_conn;

static inline pg_conn *pg_conn_of(weir_conn *conn)
{
    return WEIR_CONTAINER_OF(conn, pg_conn, base);
}

static inline pg_backend *pg_backend_of(const pg_conn *c)
{
    return WEIR_CONTAINER_OF(c->base.backend, pg_backend, base);
}

/* ---- login.c ---- */
int pg_conn_open(weir_backend *backend, struct weir_loop *loop, const weir_conn_request *request,
                 weir_conn **ret);

/* ---- hosts.c ---- */
void pg_hosts_init(pg_place *p);
void pg_hosts_order(pg_conn *c);
/* Fills the connection's addresses without asking a resolver, if that is possible. */
bool pg_hosts_known(pg_conn *c, unsigned host);
/* The resolver's answer is in the connection's addresses. */
void pg_hosts_learn(pg_conn *c, unsigned host);
bool pg_hosts_resolved(weir_backend *backend, unsigned index, weir_resolved *ret);
bool pg_hosts_current(pg_conn *c);

/* ---- target.c ---- */
#define PG_TARGET_ASKED 1
/* At login's end. 0: it is what is wanted; ASKED: it will be known at the next ReadyForQuery;
 * -EREMOTE: it is not, words in c->lost. */
WEIR_MUST_CHECK int pg_target_check(pg_conn *c);
WEIR_MUST_CHECK int pg_target_row(pg_conn *c, weir_slice body);
void pg_target_refused(pg_conn *c);

/* ---- conn.c ---- */
extern const weir_conn_ops pg_conn_ops;
extern const weir_stream_handler pg_relay_handler;
void pg_conn_free(pg_conn *c);
/* Overwrites and frees what proves who we are. */
void pg_conn_forget_login(pg_conn *c);
/* The connection failed or broke the protocol: tells the borrower and the engine, closes. */
void pg_conn_fail(pg_conn *c, const weir_error *err);
/* Closed or failed: what was held back by cancels or owed replies may have become clean. */
void pg_conn_look_clean(pg_conn *c);
/* There may be room again for what is relayed: tells who waits for it. */
void pg_conn_look_roomy(pg_conn *c);
/* Sends a Query of our own, whose replies nobody sees; `tag`: PG_ADOPTS, … */
WEIR_MUST_CHECK int pg_conn_query(pg_conn *c, weir_slice text, uint64_t tag);

/* ---- follow.c: harmless when nothing is followed ---- */
/* The backend's newest place is another. */
void pg_follow_moved(pg_backend *b);
/* A connection was opened: what could not be followed is perhaps there again. */
void pg_follow_reached(pg_backend *b);

/* ---- describe.c ---- */
/* A frame of a statement's description; `tag`: PG_EXAMINED, or the content it was tagged with. */
void pg_describe_frame(pg_conn *c, const weir_pg_frame *f, uint64_t tag);
/* What is being examined failed. */
void pg_describe_failed(pg_conn *c);
bool pg_faithful(weir_conn *conn, const weir_prepared *prepared);
int pg_examine(weir_conn *conn, const weir_prepared *prepared);
/* As PostgreSQL says that a cached plan's result is of other types now. */
WEIR_MUST_CHECK int pg_stale_error(weir_buf *out);

/* ---- prepared.c ---- */
void pg_prepared_init(pg_prepared_table *t, weir_hash_seed seed, unsigned size_max);
void pg_prepared_fini(pg_prepared_table *t);
/* All names are gone (DISCARD ALL, DEALLOCATE ALL), but for those that are being made. */
void pg_prepared_clear(pg_prepared_table *t);
/* They may be gone when what follows has run. */
void pg_prepared_outdate(pg_prepared_table *t);
pg_prepared *pg_prepared_find(pg_prepared_table *t, const uint64_t content[2]);
/* NULL when out of memory. */
pg_prepared *pg_prepared_add(pg_prepared_table *t, const uint64_t content[2]);
/* The one to be closed when there are too many; NULL when there are not, or none can be spared. */
pg_prepared *pg_prepared_surplus(pg_prepared_table *t);
/* A Parse or Close with this tag (the content's first half) was answered: done, or failed or
 * skipped. */
void pg_prepared_parsed(pg_prepared_table *t, uint64_t tag, bool done);
void pg_prepared_closed(pg_prepared_table *t, uint64_t tag, bool done);
/* Was this content seen here before? Remembers it. */
bool pg_prepared_seen(pg_prepared_table *t, const uint64_t content[2]);
weir_slice pg_prepared_name(const uint64_t content[2], char buf[PG_NAME_SIZE]);

/* ---- parameters.c ---- */
int pg_adopt(weir_conn *conn, const weir_parameters *parameters);
int pg_adopted(weir_conn *conn, const weir_parameters *parameters);
void pg_parameters_clear(pg_conn *c);

/* ---- ask.c: the others are about the oldest question ---- */
int pg_ask(weir_conn *conn, weir_question *question);
void pg_question_row(pg_conn *c, weir_slice body);
void pg_question_failed(pg_conn *c, const weir_pg_error_fields *error);
void pg_question_answered(pg_conn *c);
/* The connection is gone: so are they. */
void pg_questions_lost(pg_conn *c, const weir_error *err);

/* ---- identify.c ---- */
/* Asks the server who it is, once its history is followed, if that is not known of this connection.
 * Between lendings only. -ENOMEM, …: as pg_ask. */
WEIR_MUST_CHECK int pg_identify(pg_conn *c);

/* ---- aliases.c ---- */
int pg_name(weir_conn *conn, weir_slice name, const weir_prepared *prepared);
int pg_named(weir_conn *conn, weir_slice name, const weir_prepared *prepared);
int pg_only(weir_conn *conn, const weir_slice *names, const weir_prepared *const *prepared,
            size_t count);
void pg_aliases_clear(pg_conn *c);
/* The server has dropped all that there were. */
void pg_aliases_ended(pg_conn *c);
/* Making one failed: it is not known which are there. */
void pg_aliases_doubt(pg_conn *c);

/* ---- tls.c ---- */
#define PG_TLS_NONE 1 /* the server has no TLS */
/* Before the first stream to an address: whether it will be TLS. */
void pg_tls_first(pg_conn *c, const char *address);
/* The stream failed: may the same address be tried once more, the other way? */
bool pg_tls_again(pg_conn *c);
/* On a fresh stream; `*ret_asked`: the server will answer (pg_tls_answer), else, and after that,
 * on_open comes again when the handshake is through. -ENOMEM. */
WEIR_MUST_CHECK int pg_tls_begin(pg_place *p, unsigned host, weir_stream *stream, bool *ret_asked);
/* 0: the handshake has begun; PG_TLS_NONE; -EPROTO; -ENOMEM. */
WEIR_MUST_CHECK int pg_tls_answer(pg_place *p, unsigned host, weir_stream *stream, weir_slice in);

/* ---- cancel.c ---- */
void pg_cancel(weir_conn *conn);
/* The connection goes: cancels toward it fly on without it. */
void pg_cancel_detach(pg_conn *c);

/* ---- tag.c ---- */
bool pg_starts_with(weir_slice s, const char *prefix);
/* Which half of the backend's `changes` a tag counts in; 0: none. What only tables and what hangs
 * on them are about counts low. */
uint64_t pg_change_of(weir_slice tag);

#endif
