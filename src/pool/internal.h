/* Private to src/pool: the structs, and what crosses its files.
 *
 * shard.c  what callers tell a shard      next.c   what follows from it: the actions
 * pool.c   shared limits and modes        conn.c   a connection's states
 * quota.c  limits over several pools
 *
 * No list of actions is kept: weir_pool_next derives each from the state, so nothing has to be
 * allocated, and nothing has to be taken back when a waiter leaves or a connection dies. */
#ifndef WEIR_POOL_INTERNAL_H
#define WEIR_POOL_INTERNAL_H

#include "pool/pool.h"

#define WEIR_POOL_STATES (WEIR_POOL_CONN_CLOSING + 1)

typedef enum weir_pool_mode {
    WEIR_POOL_MODE_RUNNING,
    WEIR_POOL_MODE_PAUSED,
    WEIR_POOL_MODE_DRAINING /* for good */
} weir_pool_mode;

typedef struct weir_pool_limits {
    _Atomic unsigned size_min, size_max, pinned_max, waiters_max;
    _Atomic weir_time acquire_timeout, idle_timeout, lifetime_max, validate_after, hold_max;
    _Atomic weir_time fair_within, open_backoff_min, open_backoff_max, reserve_after;
    _Atomic unsigned reserve_size, opening_max;
} weir_pool_limits;

/* Counters since the start. One thread adds, any reads. */
typedef struct weir_pool_totals {
    _Atomic uint64_t acquired, waited, timeouts, refused, opened, open_failures, closed, leaks;
} weir_pool_totals;

struct weir_pool_shard {
    /* Read, and where said written, by other shards. */
    _Atomic unsigned count[WEIR_POOL_STATES]; /* connections by state; IDLE is published */
    _Atomic unsigned waiting;                 /* waiters in line, published */
    _Atomic weir_time oldest;                 /* since of the first in line, or NEVER */
    _Atomic unsigned inbound; /* connections MOVING hither; others raise it, never above waiting */
    _Atomic bool nudged;      /* a NUDGE is under way hither; others set it */
    _Atomic bool asked;       /* … and wants an idle connection, or a NUDGE back; others set it */
    _Atomic unsigned wants[WEIR_POOL_QUOTAS]; /* places in a full quota that we wait for */
    _Atomic weir_time idle_since;             /* of the longest idle connection, or NEVER */
    weir_pool_totals totals;

    /* The owner's alone. */
    weir_pool *pool;
    unsigned index;
    bool ticked;           /* once at least */
    bool answering;        /* it was asked: who starves is told if nothing idle is left */
    bool telling;          /* a place became free here: who starves elsewhere is told */
    bool telling_quotas;   /* … in our quotas: who starves in other pools is told */
    weir_time now;         /* as given by the last call */
    weir_time retire_at;   /* no idle connection retires earlier */
    weir_time backoff;     /* 0: the last open went well */
    weir_time retry_at;    /* no open before */
    weir_time yield_until; /* an older waiter elsewhere has the first go at a freed place */
    weir_list idle;        /* newest first, by state_since */
    weir_list lent;        /* oldest first */
    weir_list leaked;      /* lent, and reported */
    weir_list validating;
    weir_list condemned; /* CLOSING, the action is still to be given */
    weir_list closing;
    weir_list waiters;  /* oldest first */
    weir_list hopeless; /* taken off the line, TIMEOUT is still to be given */
    weir_hist waits;
    char apart[64]; /* keeps the next shard's published words off our cache lines */
};

/* A pool's membership of a quota, on the quota's list. */
typedef struct weir_pool_link {
    weir_pool_quota *quota;
    weir_pool *pool;
    struct weir_pool_link *next;
} weir_pool_link;

struct weir_pool_quota {
    _Atomic unsigned max;
    _Atomic unsigned used;     /* connections of its pools */
    _Atomic unsigned wanted;   /* places that shards wait for */
    _Atomic unsigned evicting; /* connections that are being closed for them */
    weir_pool_link *_Atomic members;
};

struct weir_pool {
    weir_pool_limits limits;
    _Atomic weir_pool_mode mode;
    _Atomic weir_time reconnect_at; /* connections not newer than this are not lent again */
    _Atomic unsigned size;          /* connections that count against size_max */
    _Atomic unsigned pinned;
    _Atomic unsigned leaving;     /* those of `size` that are CLOSING */
    _Atomic unsigned waiting;     /* over all shards */
    _Atomic unsigned opening;     /* over all shards */
    _Atomic uint64_t fresh;       /* generation << 32 | open connections of it */
    _Atomic weir_time evicted_at; /* a connection was last closed for another pool; 0: never */
    void *user;
    unsigned link_count;
    weir_pool_link links[WEIR_POOL_QUOTAS];
    unsigned shard_count;
    weir_pool_shard shards[];
};

#define WEIR_POOL_LIMIT(pool, name) atomic_load_explicit(&(pool)->limits.name, memory_order_relaxed)

/* Adds to a counter that only this thread writes. */
#define WEIR_POOL_COUNT(counter)                                                                   \
    atomic_store_explicit(&(counter), atomic_load_explicit(&(counter), memory_order_relaxed) + 1,  \
                          memory_order_relaxed)

static inline unsigned weir_pool_shard_count(const weir_pool_shard *s, weir_pool_conn_state state)
{
    return atomic_load_explicit(&s->count[state], memory_order_relaxed);
}

/* ---- pool.c ---- */

/* Takes a place for a connection if fewer than `limit` are taken. */
WEIR_MUST_CHECK bool weir_pool_reserve(weir_pool *pool, unsigned limit);
/* More connections than `limit` would stay if nothing else happened. Two shards may both see the
 * same one too many; what that closes below size_min is opened again. */
bool weir_pool_surplus(const weir_pool *pool, unsigned limit);
/* Somebody in line at `s` has no connection on its way from another shard. */
bool weir_pool_unmet(const weir_pool_shard *s);
/* The other shard whose unmet first in line is the oldest, or NULL. */
weir_pool_shard *weir_pool_oldest_elsewhere(const weir_pool_shard *s, weir_time *ret_since);

/* The same, counting connections that are being opened. */
WEIR_MUST_CHECK bool weir_pool_begin_opening(weir_pool *pool);
/* How many connections there may be just now: the reserve is for who waits. */
unsigned weir_pool_size_limit(const weir_pool *pool);

/* size_min is not kept just now: another pool needed a place. */
#define WEIR_POOL_MIN_PAUSE WEIR_SECOND
static inline weir_time weir_pool_min_from(const weir_pool *pool)
{
    weir_time at = atomic_load(&pool->evicted_at);
    return at ? at + WEIR_POOL_MIN_PAUSE : 0;
}

/* A connection is open, of the present generation; it is gone. */
void weir_pool_count_opened(weir_pool *pool, weir_pool_conn *conn);
void weir_pool_count_closed(weir_pool *pool, const weir_pool_conn *conn);

/* ---- quota.c ---- */

/* A place in each of the pool's quotas; else none, and where one was full `want` places are
 * registered as wanted. */
WEIR_MUST_CHECK bool weir_pool_quota_take(weir_pool_shard *s, unsigned want);
void weir_pool_quota_give(weir_pool_shard *s);
/* The shard wants no place that it may not have. */
void weir_pool_unwant(weir_pool_shard *s);
/* Condemns an idle connection if another pool wants its place. With `needed_here` only if they have
 * waited for much longer than those in line here. */
bool weir_pool_evict(weir_pool_shard *s, weir_pool_conn *conn, bool needed_here);
/* A connection is gone. */
void weir_pool_evicted(weir_pool_shard *s, weir_pool_conn *conn);
/* A shard of another pool that should be told that we want its idle connections' places. */
weir_pool_shard *weir_pool_quota_victim(const weir_pool_shard *s);
/* The shard that a free place in one of our quotas is for. */
weir_pool_shard *weir_pool_quota_next(const weir_pool_shard *s);

/* ---- conn.c ---- */

/* Every move of a connection between states; asserts the legal ones. */
void weir_pool_conn_set_state(weir_pool_shard *s, weir_pool_conn *conn, weir_pool_conn_state to);
/* Nobody needs the connection: it becomes idle, or is closed if its time is over. */
void weir_pool_conn_settle(weir_pool_shard *s, weir_pool_conn *conn);
/* It must not be lent again: drained, too old, told to reconnect, or over size_max. */
bool weir_pool_conn_outlived(const weir_pool_shard *s, const weir_pool_conn *conn);
bool weir_pool_conn_stale(const weir_pool_shard *s, const weir_pool_conn *conn);
void weir_pool_conn_lend(weir_pool_shard *s, weir_pool_conn *conn, weir_time waited);

static inline weir_pool_conn *weir_pool_conn_of(weir_list *node)
{
    return node ? WEIR_CONTAINER_OF(node, weir_pool_conn, node) : NULL;
}

/* ---- shard.c ---- */

/* Takes the waiter out of the line. */
void weir_pool_waiter_leave(weir_pool_shard *s, weir_pool_waiter *waiter);

static inline weir_pool_waiter *weir_pool_waiter_of(weir_list *node)
{
    return node ? WEIR_CONTAINER_OF(node, weir_pool_waiter, node) : NULL;
}

#endif
