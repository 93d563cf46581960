/* The follower's thread: what its parts share. Private to backend/postgres. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_H

#include "backend/postgres/follow_core.h"
#include "backend/postgres/follow_hold.h"
#include "backend/postgres/follow_link.h"
#include "backend/postgres/internal.h"
#include <pthread.h>

#define PG_FOLLOW_PUBLICATION "weir"
#define PG_FOLLOW_MARK 33u /* md5, as digits */

/* What runs on the control connection. One thing at a time. */
typedef enum pg_errand {
    PG_ERRAND_NONE,
    PG_ERRAND_SNAPSHOT,
    PG_ERRAND_BEAT,
    PG_ERRAND_FLUSH,
    PG_ERRAND_ANCESTORS, /* the stream waits for them */
    PG_ERRAND_LOOK       /* whether the publication and the partitions are as they were */
} pg_errand;

enum { PG_WANTED = 1, PG_WANTED_AT_ONCE = 2 };

typedef struct pg_following {
    pg_backend *backend;
    const pg_place *place; /* that is followed; the backend may have moved since */
    pg_follow_core core;   /* the thread's, as all below */
    pg_waker waker;
    pthread_t thread;
    _Atomic weir_time look_every;
    _Atomic unsigned wanted;
    _Atomic uint64_t opened; /* connections to the server, by anybody */
    _Atomic bool resting;
    pg_flushes flushes; /* any thread's */
    pg_flush_batch flushing;
    uint64_t nonce;
    uint64_t sessions;
    unsigned failures; /* in a row */
    char words[PG_LINK_WORDS];
    PGconn *control, *stream;
    char slot[64];
    bool keeps, resumed; /* the slot outlives the connection; was there before */
    uint64_t keep_bytes;
    pg_hold hold;
    bool envies;  /* somebody else uses the slot that would be kept */
    bool hurries; /* commits wait for us: nothing is held back */
    char published[PG_FOLLOW_MARK], inherited[PG_FOLLOW_MARK];
    char rights[PG_FOLLOW_MARK]; /* as the newest heartbeat's statement saw them */
    pg_snapshot snapshot;
    char *held; /* a message that waits for its relation's ancestors; libpq's */
    int held_size;
    uint32_t held_oid;
    pg_errand errand;
    PGresult *answer; /* of the errand, so far */
    weir_time errand_until;
    uint64_t acked;
    weir_time acked_at;
    bool ack_due;
    weir_time look_at;
    uint64_t alterations; /* seen of the core's */
    bool logged;          /* that it is followed */
    bool renew;           /* a new slot is needed, nothing is wrong */
} pg_following;

/* ---- follow.c ---- */
void pg_follow(weir_backend *backend, const weir_follower *follower, weir_time look_every);
void pg_follow_want(weir_backend *backend, bool at_once);
void pg_follow_flush(weir_backend *backend, const weir_flush *flush);
/* Ends the thread. Harmless when there is none. */
void pg_follow_end(pg_backend *b);

/* ---- follow_session.c ---- */
/* Connects, makes the slot and begins the stream. 0, or as pg_link_ask. */
WEIR_MUST_CHECK int pg_follow_open(pg_following *g);
/* Also after a failure. */
void pg_follow_close(pg_following *g);
/* "published, inherited" of this result's columns. */
void pg_follow_marks(const PGresult *result, int column, char published[static PG_FOLLOW_MARK],
                     char inherited[static PG_FOLLOW_MARK]);
extern const char pg_follow_look_query[], pg_follow_rights[];

/* ---- follow_slot.c ---- */
/* Which slot: made, or there already. As pg_link_ask. */
WEIR_MUST_CHECK int pg_slot_open(pg_following *g, pg_follow_session *s);
/* pg_follow_look_query, and whether a slot that is envied is in use. */
void pg_slot_look(const pg_following *g, char *out, size_t size);
/* The stream has begun: where it begins. As pg_link_ask. */
WEIR_MUST_CHECK int pg_slot_started(pg_following *g, pg_follow_session *s);

/* ---- follow_stream.c ---- */
/* Until the stream is lost (words say why) or the thread is told to stop: as pg_link_ask. */
WEIR_MUST_CHECK int pg_follow_run(pg_following *g);

#endif
