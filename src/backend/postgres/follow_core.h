/* Following a server's history: what its logical replication stream and its snapshots say becomes
 * changes and the visible position (DESIGN section 5; notes/cache-rule-proofs.md, 1 to 24). Pure:
 * no I/O, no clock. Private to backend/postgres; follow.c runs it.
 *
 *   connected ──► DRAINING ── a snapshot past the barrier ──► FOLLOWING
 *       ▲             └────────────── lost ◄──────────────────────┘
 *
 * Invariants
 *  - Positions are END LSNs: of commits, or a keepalive's, which says that all commits that end
 *    there or before have been sent.
 *  - `visible` is told V only when each commit that ends at V or before is seen by every snapshot
 *    from now on: those received by snapshots taken on the primary, in order (commits do
 *    not become visible in the order in which they are streamed, and some after they are);
 *    those from before the slot, which are never streamed, by the barrier: a transaction id given
 *    out after the slot was made. Once a snapshot's xmin has reached it they have all ended. (The
 *    xmax of the first snapshot would not do: a commit that waits may have that very id.)
 *    Commits that changed nothing that is published are not streamed, and nothing is said of them.
 *  - What a commit changed is told before any position that covers it.
 *  - A heartbeat is heard when both have come: its message by the stream, with everything before
 *    it, and the end of its own statement, which looked at what no stream tells (roles and their
 *    defaults) as it was when it was sent.
 *  - Whatever may have been missed is forgotten: each connection raises the floor past everything
 *    that was ever told to be visible in this history; another history is told by its lineage.
 *  - A slot that is kept misses nothing: all commits that end after its start are streamed (again).
 *    For a process that begins, the floor is that start, which its predecessor was told before; in
 *    one that goes on, what it has told already is not told again. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_CORE_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_CORE_H

#include "backend/postgres/follow_changes.h"
#include "backend/postgres/follow_flush.h"

#define PG_FOLLOW_BEAT_SIZE 64u
#define PG_FOLLOW_BEATS 8u       /* heartbeats under way that are remembered */
#define PG_FOLLOW_PENDING 16384u /* commits to be confirmed; a power of two */

/* pg_current_snapshot() */
typedef struct pg_snapshot {
    uint64_t xmin, xmax;
    uint64_t *running; /* ascending; owned */
    size_t count, cap;
} pg_snapshot;

/* "xmin:xmax:xip,xip". -EPROTO; -EMSGSIZE: more than a server can have; -ENOMEM. */
WEIR_MUST_CHECK int pg_snapshot_read(pg_snapshot *s, weir_slice text);
void pg_snapshot_fini(pg_snapshot *s);

/* Commits that were received and are not known to be visible. */
typedef struct pg_pending {
    uint64_t upto; /* its end, or a later keepalive's */
    uint32_t xid;
    bool many; /* there was no room: stands for others too, of ids up to this one */
} pg_pending;

typedef enum pg_follow_state {
    PG_FOLLOW_LOST,
    PG_FOLLOW_DRAINING, /* commits from before the slot may not be visible yet */
    PG_FOLLOW_FOLLOWING
} pg_follow_state;

typedef struct pg_follow_core {
    weir_follower follower;
    pg_follow_state state;
    pg_changes changes;
    uint64_t system, timeline; /* of the newest connection */
    uint64_t barrier;
    uint64_t floor;
    uint64_t told;     /* what ends there or before was told on an earlier connection; 0: nothing */
    bool kept;         /* the slot is */
    bool untold;       /* columns that are reported since this transaction are not confirmed yet */
    uint64_t received; /* all that ends there or before has come */
    uint64_t ready;    /* … and is visible */
    uint64_t visible;  /* … and was told to be; stays when the stream is lost */
    pg_pending *pending;
    uint64_t first, next; /* numbers of the pending ones: [first, next) */
    bool asking;
    weir_time snapshot_at; /* not before */
    weir_time snapshot_every;
    bool in_transaction, schema_changed;
    uint32_t xid;
    uint64_t alterations;          /* commits that changed the schema */
    weir_time beat_in_transaction; /* 0: none */
    weir_time look_every;
    bool wanted, hurried; /* since the newest heartbeat was sent */
    bool beating;         /* it has not come back from the server */
    weir_time beat_at;    /* when it was sent; 0: none yet */
    weir_time beat_came;  /* … the newest that came by the stream and is not heard yet; 0: none */
    uint64_t beat_position, beat_outcomes; /* … its commit's end, and what was known */
    weir_time beat_ended;                  /* … the newest whose statement has come to its end */
    uint64_t nonce, beat_serial;
    weir_time beats[PG_FOLLOW_BEATS];   /* when they were sent, by serial */
    uint64_t outcomes[PG_FOLLOW_BEATS]; /* what was known then */
    uint64_t outcomes_in_transaction;
    unsigned flushes_in_transaction;      /* more than there is room for forget everything */
    weir_flush flushes[PG_FLUSHES_BATCH]; /* their names are below */
    uint8_t flush_names[PG_FLUSHES_BATCH][WEIR_FLUSH_NAME_MAX];
} pg_follow_core;

/* `nonce`: random, so that nodes tell their heartbeats apart. -ENOMEM. */
WEIR_MUST_CHECK int pg_follow_init(pg_follow_core *f, const weir_follower *follower,
                                   weir_hash_seed seed, uint64_t nonce, weir_time look_every);
void pg_follow_fini(pg_follow_core *f);

/* ---- events ---- */

typedef struct pg_follow_session {
    uint64_t system;
    uint64_t timeline; /* and the server's run: another one may have lost commits that were seen */
    uint64_t start;    /* the slot's consistent point, or what is acknowledged of a kept one */
    bool kept;         /* the slot outlives the connection */
    uint64_t barrier;  /* pg_current_xact_id(), asked after the slot was made */
} pg_follow_session;

void pg_follow_connected(pg_follow_core *f, const pg_follow_session *session, weir_time now);
/* Words are for people. */
void pg_follow_lost(pg_follow_core *f, const char *words);

#define PG_FOLLOW_ASK 1
/* One CopyData's payload. PG_FOLLOW_ASK: it was not used; the ancestors of `*ret_oid` are needed
 * first, then it is to be fed again. `*ret_reply`: the server wants a status at once. -EPROTO,
 * -EOPNOTSUPP, -ENOMEM, -ENOSPC: the stream is to be given up. */
WEIR_MUST_CHECK int pg_follow_feed(pg_follow_core *f, weir_slice payload, uint32_t *ret_oid,
                                   bool *ret_reply);
WEIR_MUST_CHECK int pg_follow_ancestors(pg_follow_core *f, uint32_t oid, const weir_slice *names,
                                        size_t count);
/* Partitions were attached or detached, nobody knows when: what was read until now is forgotten. */
void pg_follow_inheritance_changed(pg_follow_core *f);

/* A snapshot is asked for now: call before it is sent. */
void pg_follow_ask_snapshot(pg_follow_core *f, weir_time now);
void pg_follow_snapshot(pg_follow_core *f, const pg_snapshot *s);

/* Somebody uses the cache. `at_once`: and waits for a position. */
void pg_follow_wanted(pg_follow_core *f, bool at_once);
/* The next heartbeat's content: call before it is sent. `outcomes`: what the follower knew before
 * that. */
void pg_follow_beat(pg_follow_core *f, uint64_t outcomes, char out[static PG_FOLLOW_BEAT_SIZE],
                    weir_time now);
/* Its statement has come to its end. `same`: roles and their defaults are as they were when it was
 * looked before; else what was read until now is forgotten first. */
void pg_follow_beaten(pg_follow_core *f, bool same);

/* ---- what to do ---- */

typedef struct pg_follow_next {
    bool snapshot, beat; /* due now */
    weir_time at;        /* when one of them will be; WEIR_TIME_NEVER */
} pg_follow_next;

pg_follow_next pg_follow_plan(const pg_follow_core *f, weir_time now);

#endif
