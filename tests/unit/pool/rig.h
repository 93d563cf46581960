/* A pool with several shards, driven in one thread: the test decides when each connection opens,
 * each message arrives and time passes. What a shard asked for and has not got yet is on one list
 * of pending things. After every call rig_check tells what broke, in words. */
#ifndef WEIR_TESTS_POOL_RIG_H
#define WEIR_TESTS_POOL_RIG_H

#include "pool/pool.h"

typedef struct rig rig;

enum rig_waiter_state {
    RIG_WAITING,
    RIG_LENT,
    RIG_TIMED_OUT,
    RIG_FULL,
    RIG_REFUSED,
    RIG_WITHDRAWN,
    RIG_LOST, /* its connection died */
    RIG_DONE
};

enum rig_pending_kind { RIG_OPEN, RIG_VALIDATE, RIG_CLOSE, RIG_MOVE, RIG_NUDGE };

/* NULL: out of memory or options refused. */
rig *rig_new(const weir_pool_options *options, unsigned shards);
/* Ends everything as a caller would: withdraws, releases, drains; then frees. */
void rig_free(rig *r);
weir_pool *rig_pool(rig *r);
weir_time rig_now(const rig *r);
/* NULL: all is well. */
const char *rig_check(rig *r);
/* Completes all that is pending and lets back-offs pass, then checks that no waiter is left while
 * there is capacity. Not with an acquire_timeout. */
const char *rig_check_quiescent(rig *r);

/* Borrowers, by number. -1: the rig is full. */
int rig_acquire(rig *r, unsigned shard);
int rig_waiter_state(const rig *r, int waiter);
/* The number of the connection that it holds, or -1. */
int rig_conn_of(const rig *r, int waiter);
void rig_release(rig *r, int waiter, bool reusable);
void rig_withdraw(rig *r, int waiter);
int rig_pin(rig *r, int waiter, unsigned spare);
void rig_unpin(rig *r, int waiter);
int rig_waiters(const rig *r);

/* Connections, by number. */
int rig_conns(const rig *r);
bool rig_conn_exists(const rig *r, int conn);
int rig_conn_state(const rig *r, int conn);
int rig_conn_shard(const rig *r, int conn);
bool rig_conn_leaked(const rig *r, int conn);
/* It dies by itself. False: it is opening, moving or gone. */
bool rig_die(rig *r, int conn);

/* Pending things, in order of asking. */
int rig_pending(const rig *r);
int rig_pending_kind(const rig *r, int at);
int rig_pending_shard(const rig *r, int at);
int rig_pending_conn(const rig *r, int at);
/* How many of this kind. */
int rig_count(const rig *r, int kind);
/* `good` matters to RIG_OPEN and RIG_VALIDATE. */
void rig_complete(rig *r, int at, bool good);
/* The oldest of this kind. False: there is none. */
bool rig_complete_first(rig *r, int kind, bool good);
void rig_fail_open_for_good(rig *r);
void rig_complete_all(rig *r);

/* Time passes; shards whose deadline came tick. */
void rig_advance(rig *r, weir_time by);
void rig_tick_all(rig *r);
void rig_pause(rig *r, bool paused);
void rig_drain(rig *r);
void rig_reconnect(rig *r);

#endif
