/* Private to backend/postgres. */
#ifndef WEIR_BACKEND_POSTGRES_INTERNAL_H
#define WEIR_BACKEND_POSTGRES_INTERNAL_H

#include "backend/postgres/postgres.h"
#include "base/map.h"
#include "proto/pg/owed.h"
#include "proto/pg/pg.h"

#define PG_NAME_SIZE 40 /* "weir_" and 32 hexadecimal digits */
#define PG_HELD 8u      /* replies that are kept back at most */
#define PG_SEEN 256u    /* contents seen once on a connection, direct-mapped */

typedef struct pg_backend {
    weir_backend base;
    weir_postgres_options options;
    char *hosts[WEIR_POSTGRES_HOSTS_MAX];
    _Atomic uint32_t generation; /* of the schema, as far as we saw it change */
} pg_backend;

/* A name of ours on one server connection. It is forgotten when the server has no such statement
 * and nothing under way could make one. */
typedef struct pg_prepared {
    weir_list lru;
    uint64_t content[2];
    uint32_t generation; /* of the newest Parse sent */
    uint32_t batch;      /* ... and the batch (up to a Sync) that it was sent in */
    uint32_t pending;    /* Parses and Closes of it that are not answered yet */
    bool on_server;      /* as of the newest answer */
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
    pg_state state;
    bool announced; /* the engine was told `opened` */
    char status;    /* of the last ReadyForQuery */
    bool validating;
    bool returned;   /* given back, clean() said LATER */
    bool adopting;   /* our SET is on the way: its failure is fatal for the session */
    bool paused;     /* reading stopped for a slow client */
    bool congested;  /* our outgoing queue was full */
    bool passing_on; /* the frame under way goes to the client (else it is dropped) */
    size_t passing;  /* bytes of it still to come */
    weir_stream *stream;
    weir_timer timer;
    weir_pg_owed owed;
    uint8_t held[PG_HELD]; /* types of replies of ours that come before anything owed */
    unsigned held_len;
    uint64_t rows;    /* of the statement under way, as its tags say */
    uint64_t passed;  /* rows of the result under way */
    char sqlstate[6]; /* of the error since the last Sync or Query; "" */
    bool error_told;  /* ... was told as one statement's */
    bool dropping;    /* a schema change is not yet committed */
    pg_prepared_table prepared;
    uint32_t batch; /* counts the Syncs sent */
    char *database, *user, *password;
    weir_pg_auth_client auth;
    unsigned host;         /* being tried */
    char addresses[8][64]; /* of it */
    unsigned address_count, address;
    char *address_used;
    uint32_t pid;
    uint8_t key[WEIR_PG_CANCEL_KEY_MAX];
    size_t key_len;
    weir_buf welcome;
    uint64_t adopted;   /* fingerprint of the session parameters set now */
    weir_buf set_names; /* names we have SET, zero-terminated each */
    weir_list cancels;  /* flying toward this backend */
    weir_error lost;    /* why, once known */
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

/* ---- conn.c ---- */
extern const weir_conn_ops pg_conn_ops;
extern const weir_stream_handler pg_relay_handler;
void pg_conn_free(pg_conn *c);
/* The connection failed or broke the protocol: tells the borrower and the engine, closes. */
void pg_conn_fail(pg_conn *c, const weir_error *err);
/* Closed or failed: what was held back by cancels or owed replies may have become clean. */
void pg_conn_look_clean(pg_conn *c);
/* Sends a Query of our own, whose replies nobody sees. */
WEIR_MUST_CHECK int pg_conn_query(pg_conn *c, weir_slice text);

/* ---- relay.c ---- */
int pg_relay(weir_conn *conn, const weir_relay *m);
int pg_relay_more(weir_conn *conn, weir_slice bytes);
int pg_interject(weir_conn *conn, weir_slice bytes);
size_t pg_relay_on_bytes(weir_stream *stream, weir_slice in);

/* ---- prepared.c ---- */
void pg_prepared_init(pg_prepared_table *t, weir_hash_seed seed, unsigned size_max);
void pg_prepared_fini(pg_prepared_table *t);
/* All names are gone (DISCARD ALL, DEALLOCATE ALL). */
void pg_prepared_clear(pg_prepared_table *t);
pg_prepared *pg_prepared_find(pg_prepared_table *t, const uint64_t content[2]);
/* NULL when out of memory. */
pg_prepared *pg_prepared_add(pg_prepared_table *t, const uint64_t content[2]);
/* The one to be closed when there are too many; NULL when there are not, or none can be spared. */
pg_prepared *pg_prepared_surplus(pg_prepared_table *t);
/* A Parse or Close with this tag (the content's first half) was answered: done, or failed or
 * skipped. */
void pg_prepared_parsed(pg_prepared_table *t, uint64_t tag, bool done);
void pg_prepared_closed(pg_prepared_table *t, uint64_t tag, bool done);
void pg_prepared_remove(pg_prepared_table *t, pg_prepared *p);
/* Was this content seen here before? Remembers it. */
bool pg_prepared_seen(pg_prepared_table *t, const uint64_t content[2]);
weir_slice pg_prepared_name(const uint64_t content[2], char buf[PG_NAME_SIZE]);

/* ---- parameters.c ---- */
int pg_adopt(weir_conn *conn, const weir_parameters *parameters);

/* ---- cancel.c ---- */
void pg_cancel(weir_conn *conn);
/* The connection goes: cancels toward it fly on without it. */
void pg_cancel_detach(pg_conn *c);

#endif
