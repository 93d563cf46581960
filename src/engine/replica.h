/* Reads on replicas: which may serve a session's read, and what an answer from there holds. The
 * rule and its proof are at the head of replica.c. On the session's worker's thread. */
#ifndef WEIR_ENGINE_REPLICA_H
#define WEIR_ENGINE_REPLICA_H

#include "engine/cache.h"

/* What a server said of itself on the connection that is about to read, before it reads. */
typedef struct weir_replica_word {
    bool standby;      /* it was one after it had replayed up to `replayed` */
    uint64_t system;   /* its system identifier */
    uint32_t timeline; /* that it receives; 0: none, or it does not say */
    uint64_t replayed; /* an LSN; 0: none */
    weir_time lag;     /* as it reckons itself; NEVER: it cannot */
} weir_replica_word;

/* It is understood, only reads, and leaves nothing behind in its session. */
bool weir_session_may_read_elsewhere(const weir_session *session, const weir_statement *statement);
/* Borrows a connection to one, as weir_session_borrow: `lent` or `refused` may come. REFUSED:
 * there is none to be had soon; no words. */
WEIR_MUST_CHECK int weir_session_borrow_replica(weir_session *session);
/* The one whose connection was asked for, or is lent, does not answer: left alone for a while. */
void weir_session_shun_replica(const weir_session *session);
/* The lent connection's server said this: it may serve this read, whose answer `fill` keeps (NULL:
 * nothing does). False: the primary is to serve it. */
bool weir_session_trusts_replica(weir_session *session, weir_fill *fill,
                                 const weir_replica_word *word);

/* ---- figures: any thread ---- */

/* Whose replica it is; NULL: it is none. */
weir_database *weir_database_primary(const weir_database *database);
/* The index-th; NULL: there are no more. */
weir_database *weir_database_replica_at(const weir_database *database, unsigned index);
/* How far behind its replicas may be and serve. */
weir_time weir_database_replica_lag(const weir_database *database);
/* How far behind it was when it was last asked. False: not known. */
bool weir_database_lag(const weir_database *replica, weir_time *ret);

#endif
