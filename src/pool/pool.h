/* The lending core: who gets which connection, when to open, validate and close. No I/O, no clock,
 * no thread: each call returns what is to be done as actions that the caller carries out.
 *
 * One weir_pool is shared by all workers (atomics only). Each worker has a weir_pool_shard that
 * only its own thread calls. Invariants:
 *   1. connections that exist (opening, idle, lent, moving, closing) never exceed size_max +
 *      reserve + pinned, pinned never exceeds pinned_max, and no quota is exceeded;
 *   2. a connection is in exactly one state and one shard; it is lent to one borrower;
 *   3. a waiter is served, timed out or withdrawn, exactly once;
 *   4. while a shard has a waiter, no connection rests idle in any shard for longer than a message
 *      takes, and none that could be opened stays unopened (but for back-off, fairness and quotas);
 *   5. a freed connection goes to its shard's oldest waiter, unless another shard's oldest waiter
 *      is older by more than `fair_within`.
 * Wake-up race (4): a waiter is published before the other shards' idle counts and the number of
 * connections are read; an idle connection and a freed place are published before the other
 * shards' waiters are read; all sequentially consistent, so one side sees the other. */
#ifndef WEIR_POOL_POOL_H
#define WEIR_POOL_POOL_H

#include "base/error.h"
#include "base/hist.h"
#include "base/list.h"
#include "base/time.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct weir_pool weir_pool;
typedef struct weir_pool_shard weir_pool_shard;
typedef struct weir_pool_quota weir_pool_quota;

typedef struct weir_pool_options {
    unsigned size_min; /* kept open, also when idle */
    unsigned size_max;
    unsigned pinned_max;       /* beyond size_max, for pinned connections */
    unsigned waiters_max;      /* over all shards, at least 1; more are refused at once */
    weir_time acquire_timeout; /* 0: wait for ever */
    weir_time idle_timeout;    /* an idle connection beyond size_min is closed after it; 0: never */
    weir_time lifetime_max; /* a connection older than this (less up to 10 % jitter) is closed when
                               idle or released; 0: never */
    weir_time
        validate_after;    /* idle for longer: validated by a query before it is lent; 0: never */
    weir_time hold_max;    /* lent for longer: reported once as a leak; 0: never */
    weir_time fair_within; /* default 1 ms */
    weir_time open_backoff_min, open_backoff_max; /* after a failed open: doubling, 100 ms … 10 s */
    unsigned reserve_size;   /* beyond size_max, while somebody waits for reserve_after */
    unsigned opening_max;    /* being opened at a time; 0: no limit */
    weir_time reserve_after; /* 0: at once */
} weir_pool_options;

typedef enum weir_pool_conn_state {
    WEIR_POOL_CONN_OPENING,
    WEIR_POOL_CONN_VALIDATING, /* a query runs on it, because somebody waits for it */
    WEIR_POOL_CONN_IDLE,
    WEIR_POOL_CONN_LENT,
    WEIR_POOL_CONN_MOVING, /* between two shards */
    WEIR_POOL_CONN_CLOSING
} weir_pool_conn_state;

/* Embedded in the caller's connection; owned by it, linked by the pool. */
typedef struct weir_pool_conn {
    weir_list node;
    weir_pool_conn_state state;
    weir_pool_shard *shard;
    weir_time opened_at;   /* when it became usable */
    weir_time retire_at;   /* opened_at + lifetime less jitter */
    weir_time state_since; /* idle or lent since */
    bool pinned;           /* counted against pinned_max, not size_max (see weir_pool_unpin) */
    bool leak_reported;
    uint32_t generation; /* counts RECONNECTs */
    uint8_t evicted;     /* 1 and the number of the quota that it is closed for; 0: of none */
    uint64_t uses;
} weir_pool_conn;

/* Embedded in the borrower. Zeroed memory with weir_pool_waiter_init is "not waiting". */
typedef struct weir_pool_waiter {
    weir_list node;
    weir_time since;
    weir_pool_shard *shard; /* NULL: not waiting */
    bool hopeless;          /* out of the line; TIMEOUT is about to come */
} weir_pool_waiter;

typedef enum weir_pool_action_kind {
    WEIR_POOL_OPEN,     /* open a new connection in this shard, then call _opened or _open_failed */
    WEIR_POOL_VALIDATE, /* run a query on `conn`, then call _validated */
    WEIR_POOL_CLOSE,    /* close `conn`, then call _closed */
    WEIR_POOL_LEND,     /* `conn` is `waiter`'s now (the waiter was taken off) */
    WEIR_POOL_TIMEOUT,  /* `waiter` waited too long, or in vain (it was taken off) */
    WEIR_POOL_MOVE, /* hand `conn` to `shard` (a message to its thread), where _arrived is called */
    WEIR_POOL_NUDGE, /* have `shard` call weir_pool_nudged on its thread (one message per shard is
                        under way at most, so one embedded in its holder will do) */
    WEIR_POOL_LEAK   /* `conn` is lent for longer than hold_max: say who has it */
} weir_pool_action_kind;

typedef struct weir_pool_action {
    weir_pool_action_kind kind;
    weir_pool_conn *conn;
    weir_pool_waiter *waiter;
    weir_pool_shard *shard; /* MOVE, NUDGE: the other one */
} weir_pool_action;

/* Actions come out one by one: after every call below, call weir_pool_next until it returns false,
 * and carry each out before (or while) going on. Carrying one out may call into the pool again. */
bool weir_pool_next(weir_pool_shard *shard, weir_pool_action *ret);

/* -ENOMEM; -EINVAL: no shards, size_max 0 or below size_min, or waiters_max 0. Nothing allocates
 * afterwards. */
WEIR_MUST_CHECK int weir_pool_new(const weir_pool_options *options, unsigned shards,
                                  weir_pool **ret);
/* Every connection must be closed and every waiter gone. */
void weir_pool_free(weir_pool *pool);
weir_pool_shard *weir_pool_shard_at(weir_pool *pool, unsigned index);
unsigned weir_pool_shard_index(const weir_pool_shard *shard);
weir_pool *weir_pool_of(const weir_pool_shard *shard);
void *weir_pool_user(const weir_pool *pool);
void weir_pool_set_user(weir_pool *pool, void *user);
/* New limits (valid for weir_pool_new), from any one thread. Each shard must tick. */
void weir_pool_configure(weir_pool *pool, const weir_pool_options *options);

void weir_pool_waiter_init(weir_pool_waiter *waiter);
void weir_pool_conn_init(weir_pool_conn *conn);

#define WEIR_POOL_QUEUED 1 /* the waiter is in line; LEND or TIMEOUT will come */
#define WEIR_POOL_FULL 2   /* waiters_max: refused */
#define WEIR_POOL_PAUSED 3 /* shutting down: refused */

/* 0: `*ret` is lent, at once and without an action (newest idle first). Else QUEUED, FULL or
 * PAUSED. While the pool is paused (PAUSE), requests queue and nothing is lent. */
WEIR_MUST_CHECK int weir_pool_acquire(weir_pool_shard *shard, weir_pool_waiter *waiter,
                                      weir_time now, weir_pool_conn **ret);
/* The borrower does not want any more (it left). Harmless when not waiting. */
void weir_pool_withdraw(weir_pool_shard *shard, weir_pool_waiter *waiter, weir_time now);
/* A lent connection comes back, pinned or not. `reusable` false: it is closed. */
void weir_pool_release(weir_pool_shard *shard, weir_pool_conn *conn, bool reusable, weir_time now);

/* Answers to OPEN. `random` spreads lifetimes, and tries after failures. */
void weir_pool_opened(weir_pool_shard *shard, weir_pool_conn *conn, uint32_t random, weir_time now);
/* Opening failed: the next attempt waits for the back-off, so waiters time out rather than hammer.
 * With `fatal` (refused password, no such database) all of the shard's waiters get TIMEOUT now. */
void weir_pool_open_failed(weir_pool_shard *shard, bool fatal, uint32_t random, weir_time now);
/* What made opening fail has changed (another password): the next attempt is made at once. */
void weir_pool_retry(weir_pool_shard *shard, weir_time now);
/* Answer to VALIDATE. */
void weir_pool_validated(weir_pool_shard *shard, weir_pool_conn *conn, bool good, weir_time now);
/* A connection is gone, whatever its state was (but OPENING, which fails, and MOVING, which arrives
 * first): asked for by CLOSE or died by itself. If it was lent, it must not be released. */
void weir_pool_closed(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now);
/* MOVE's other end. */
void weir_pool_arrived(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now);
void weir_pool_nudged(weir_pool_shard *shard, weir_time now);

/* A lent connection becomes pinned: it stops counting against size_max. -EAGAIN: pinned_max are
 * pinned, or fewer than `spare` could be besides. Unpinning takes a place of size_max again; while
 * there is none, the connection goes on counting as pinned, until it is released: then it takes a
 * place or is closed. */
WEIR_MUST_CHECK int weir_pool_pin(weir_pool_shard *shard, weir_pool_conn *conn, unsigned spare,
                                  weir_time now);
void weir_pool_unpin(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now);

/* Time passes: timeouts, idle and old connections, size_min (kept by whichever shard notices, one
 * connection at a time, so that the first ones spread). Call at weir_pool_deadline at the latest,
 * which is 0 until the first tick. */
void weir_pool_tick(weir_pool_shard *shard, weir_time now);
weir_time weir_pool_deadline(const weir_pool_shard *shard);

/* PAUSE: nothing more is lent; RESUME. Each shard must tick afterwards. */
void weir_pool_pause(weir_pool *pool, bool paused);
/* Shutdown: waiters are refused, idle connections closed, released ones too. Each shard must tick.
 */
void weir_pool_drain(weir_pool *pool);
/* Every connection opened before now is closed when it is idle (RECONNECT). Each shard must tick.
 */
void weir_pool_reconnect(weir_pool *pool, weir_time now);

/* Opened before the newest RECONNECT: it is replaced when it comes back. */
bool weir_pool_conn_outdated(const weir_pool_conn *conn);

/* ---- limits over several pools (quota.c) ---- */

#define WEIR_POOL_QUOTAS 3u

/* `max` 0: no limit, but counted. -ENOMEM. */
WEIR_MUST_CHECK int weir_pool_quota_new(unsigned max, weir_pool_quota **ret);
/* Its pools are freed. */
void weir_pool_quota_free(weir_pool_quota *quota);
/* From any one thread. Each shard of its pools must tick. */
void weir_pool_quota_configure(weir_pool_quota *quota, unsigned max);
unsigned weir_pool_quota_max(const weir_pool_quota *quota);
/* Connections of its pools that exist. */
unsigned weir_pool_quota_used(const weir_pool_quota *quota);
/* Before the pool's first call, at most WEIR_POOL_QUOTAS times. The quota outlives the pool, and no
 * pool of it is freed while another one works. NUDGE may then name a shard of another pool. */
void weir_pool_join(weir_pool *pool, weir_pool_quota *quota);

/* From before the last RECONNECT: closed when it is next idle. */
bool weir_pool_is_outdated(const weir_pool *pool, const weir_pool_conn *conn);

/* The counters, from any thread; each exact, together approximate while the pool works. */
typedef struct weir_pool_stats {
    uint64_t opening, idle, lent, pinned, waiting; /* now */
    uint64_t outdated;                             /* now: from before the last RECONNECT */
    uint64_t in_motion; /* now: closing, or on the way to another shard */
    uint64_t acquired, waited, timeouts, refused, opened, open_failures, closed,
        leaks;             /* since the start */
    weir_time oldest_wait; /* of a waiter now; 0: none (needs `now`) */
} weir_pool_stats;
void weir_pool_stats_read(const weir_pool *pool, weir_time now, weir_pool_stats *ret);
/* Time from acquire to lend, warm ones included, merged over the shards. */
void weir_pool_wait_times(const weir_pool *pool, weir_hist *into);

#endif
