/* A session: what a client is to the engine. It joins a database as a user, borrows and returns
 * connections, and has its statements understood and measured. It lives on one worker and is used
 * on that worker's thread only. */
#ifndef WEIR_ENGINE_SESSION_H
#define WEIR_ENGINE_SESSION_H

#include "cache/changes.h"
#include "engine/backend.h"
#include "engine/stats.h"

typedef struct weir_worker weir_worker;
typedef struct weir_database weir_database;
typedef struct weir_pools weir_pools;
typedef struct weir_session weir_session;

/* When a connection goes back. */
typedef enum weir_lending {
    WEIR_LEND_TRANSACTION,
    WEIR_LEND_SESSION,
    WEIR_LEND_STATEMENT
} weir_lending;

typedef struct weir_session_events {
    /* What was waited for is here: session->conn is lent. */
    void (*lent)(weir_session *session);
    /* It will not come (timeout, refused by the server, shutdown). */
    void (*refused)(weir_session *session, const weir_error *err);
} weir_session_events;

/* Embedded in the caller's client. Fields below `events` are the engine's; read what you like. */
struct weir_session {
    const weir_session_events *events;
    weir_worker *worker;
    weir_pools *pools;
    weir_conn *conn;  /* lent now, or NULL */
    weir_pools *from; /* whose it is, or will be: a replica's (replica.h); NULL: `pools` */
    weir_pool_waiter waiter;
    weir_lending lending;         /* the database's, or what the caller sets after opening */
    struct weir_account *account; /* of an admitted client */
    unsigned pinned;              /* effects that pin (WEIR_EFFECT_*), 0: not pinned */
    weir_time pinned_since;
    uint64_t last_conn, last_uses; /* the one given back last, and how often it had been lent */
    unsigned refreshes; /* it reads for the cache, nothing is given to it: 1, and answers kept */
    bool has_replicas;  /* its database does */
    bool tainted; /* the connection's session state is not known: forgotten before others use it */
    weir_asof wrote; /* everything this session has written is in what was read from here on */
    struct weir_touches *touches; /* what its open transaction may have changed; NULL: nothing */
};

/* Joins a database as a user (NULL password: the database's own). -ENOMEM; WEIR_SESSION_REFUSED
 * with words: too many pools. */
WEIR_MUST_CHECK int weir_session_open(weir_session *session, weir_worker *worker,
                                      weir_database *database, weir_slice user,
                                      const weir_session_events *events, weir_error *err);
/* Counts an open session as a client of its database and of the user who logged in, until it is
 * closed. -ENOMEM; WEIR_SESSION_REFUSED (53300): one too many; close it. */
WEIR_MUST_CHECK int weir_session_admit(weir_session *session, weir_slice login, weir_error *err);
/* The same as exactly this user, even where the database has one of its own. */
WEIR_MUST_CHECK int weir_session_open_as(weir_session *session, weir_worker *worker,
                                         weir_database *database, weir_slice user,
                                         const weir_session_events *events, weir_error *err);
/* Gives everything back; a lent connection that is not clean is closed. */
void weir_session_close(weir_session *session);
weir_database *weir_session_database(const weir_session *session);
/* Is there another database, of this very name? */
bool weir_session_has_sibling(const weir_session *session, weir_slice name);
bool weir_session_is_open(const weir_session *session);

/* What the server reports at login (protocol bytes of the backend), once a connection of the pool
 * has been opened; false before. Good for the life of the engine. */
bool weir_session_welcome(const weir_session *session, weir_slice *ret);

#define WEIR_SESSION_WAIT 1    /* `lent` or `refused` will come */
#define WEIR_SESSION_REFUSED 2 /* not now; words in `err` */

/* Borrows a connection of the role. 0: session->conn is there already. */
WEIR_MUST_CHECK int weir_session_borrow(weir_session *session, weir_role role, weir_error *err);
/* No longer waits: neither `lent` nor `refused` comes. Harmless when it does not wait. */
void weir_session_withdraw(weir_session *session);
/* Nobody else has had session->conn since this session gave it back. */
bool weir_session_alone(const weir_session *session);
/* Gives session->conn back to its pool; if it is not clean it is closed instead. */
void weir_session_return(weir_session *session);
/* Forgets session->conn, which was lost. */
void weir_session_lost(weir_session *session);
/* The lent connection stays with this session until nothing pins it. WEIR_SESSION_REFUSED
 * (53300): the allowance for pinned connections is used up. */
WEIR_MUST_CHECK int weir_session_pin(weir_session *session, unsigned effects, weir_error *err);
/* As weir_session_pin, where one more could be pinned besides: its place among those that are not
 * pinned becomes free. Else nothing happens. */
void weir_session_step_aside(weir_session *session, unsigned effects);
/* What pins it is exactly that; 0: nothing. As weir_session_pin. */
WEIR_MUST_CHECK int weir_session_set_pins(weir_session *session, unsigned effects, weir_error *err);

/* ---- a statement's story ---- */

/* Lexes the text, finds or makes its template, asks for its analysis if it is new. Never fails:
 * what cannot be understood is UNKNOWN. */
void weir_session_understand(weir_session *session, weir_slice text, weir_statement *ret);

/* Understood a while ago, it runs again: its effects by what the catalog says now. */
void weir_session_review(weir_session *session, weir_statement *statement);

/* Measures a finished statement: its template, its database, the slow log. sqlstate "" is success.
 */
void weir_session_record(weir_session *session, const weir_statement *statement, weir_target target,
                         weir_time started, uint64_t rows, const char *sqlstate);

/* Statements of this template were seen by this worker to take about a millisecond at most, and do
 * not take long on average. */
bool weir_session_known_short(const weir_session *session, const weir_statement *statement);

#endif
