/* Private to gateway/: a client's reads on replicas: see replica.c. */
#ifndef WEIR_GATEWAY_REPLICA_H
#define WEIR_GATEWAY_REPLICA_H

#include "engine/replica.h"
#include "gateway/cached.h"

typedef enum weir_visit_state {
    WEIR_VISIT_NONE,
    WEIR_VISIT_WAITS,   /* for a connection to a replica */
    WEIR_VISIT_ASKED,   /* it is here, and its server was asked where it stands */
    WEIR_VISIT_READS,   /* the read at the front may go there */
    WEIR_VISIT_SENT,    /* … and has, whole: what follows waits for its end */
    WEIR_VISIT_RETURNED /* the read at the front is for the primary */
} weir_visit_state;

typedef struct weir_visit {
    weir_client *client;
    weir_visit_state state;
    weir_question question;
    weir_timer timer; /* while it waits for an answer */
    weir_replica_word word;
} weir_visit;

static inline weir_visit_state weir_client_visit_state(const weir_client *c)
{
    return c->cached && c->cached->visit ? c->cached->visit->state : WEIR_VISIT_NONE;
}

/* What is relayed now goes to a replica. */
static inline bool weir_client_is_on_replica(const weir_client *c)
{
    weir_visit_state s = weir_client_visit_state(c);
    return s == WEIR_VISIT_READS || s == WEIR_VISIT_SENT;
}

/* The next three are to be asked. */
static inline bool weir_client_may_visit(const weir_client *c)
{
    return c->session.has_replicas;
}

/* The message at the front of `in` is not for the cache. 0: it goes to the connection held, or the
 * primary; WAIT (1): later. */
WEIR_MUST_CHECK int weir_client_visits(weir_client *c, weir_slice in);
/* What stands at the front waits for the end of the read under way. */
bool weir_client_visit_holds_back(weir_client *c);
/* A message of this type was taken. */
void weir_client_visit_took(weir_client *c, uint8_t type);
/* False: it is not a replica's connection that was waited for. */
bool weir_client_visit_refused(weir_client *c);
/* The connection was given back, or what was lost has been answered. */
void weir_client_visit_ended(weir_client *c);
/* The connection is lost; it is the session's still. */
void weir_client_visit_lost(weir_client *c);
void weir_client_visit_free(weir_client *c);

#endif
