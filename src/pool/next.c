/* What follows from a shard's state: the actions, in this order.
 *
 *   CLOSE      a connection was condemned
 *   TIMEOUT    a waiter has no hope (open failed for good, drained)
 *   LEND, VALIDATE, MOVE    a connection is idle and somebody waits, here or elsewhere
 *   CLOSE      a connection is idle and another pool wants its place in a quota
 *   TIMEOUT    a waiter's time is over, and it could not be served just now
 *   NUDGE      we starve and another shard has idle connections: ask it
 *   OPEN       what neither idle connections nor those on their way can cover, or size_min
 *   NUDGE      a quota is full and another pool has idle connections: have it close some
 *   NUDGE      a place became free, or we were asked in vain: others may open
 *   LEAK       a connection is held too long
 *
 * When none is left, no waiter here or elsewhere depends on this shard (pool.h, invariant 4): an
 * asked shard either moves a connection or, having none, nudges back so that the asker opens. */
#include "pool/internal.h"
#include <assert.h>

static bool running(const weir_pool_shard *s)
{
    return atomic_load(&s->pool->mode) == WEIR_POOL_MODE_RUNNING;
}

static bool next_close(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool_conn *conn = weir_pool_conn_of(weir_list_pop_front(&s->condemned));
    if (!conn)
        return false;
    weir_list_push_back(&s->closing, &conn->node);
    *ret = (weir_pool_action){.kind = WEIR_POOL_CLOSE, .conn = conn};
    return true;
}

static bool give_up(weir_pool_shard *s, weir_pool_waiter *waiter, weir_pool_action *ret)
{
    weir_pool_waiter_leave(s, waiter);
    *ret = (weir_pool_action){.kind = WEIR_POOL_TIMEOUT, .waiter = waiter};
    return true;
}

static bool next_hopeless(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool_waiter *waiter = weir_pool_waiter_of(weir_list_first(&s->hopeless));
    if (!waiter && atomic_load(&s->pool->mode) == WEIR_POOL_MODE_DRAINING)
        waiter = weir_pool_waiter_of(weir_list_first(&s->waiters));
    if (!waiter)
        return false;
    WEIR_POOL_COUNT(s->totals.refused);
    return give_up(s, waiter, ret);
}

static bool next_timeout(weir_pool_shard *s, weir_pool_action *ret)
{
    /* All wait equally long, so the first in line is the first to time out. */
    weir_pool_waiter *waiter = weir_pool_waiter_of(weir_list_first(&s->waiters));
    weir_time timeout = WEIR_POOL_LIMIT(s->pool, acquire_timeout);
    if (!waiter || weir_deadline(waiter->since, timeout) > s->now)
        return false;
    WEIR_POOL_COUNT(s->totals.timeouts);
    return give_up(s, waiter, ret);
}

/* ---- idle connections ---- */

/* Claims a waiter of `to`, so that two shards do not both send a connection to the same one. */
static bool claim(weir_pool_shard *to)
{
    unsigned inbound = atomic_load(&to->inbound);
    do {
        if (inbound >= atomic_load(&to->waiting))
            return false;
    } while (!atomic_compare_exchange_weak(&to->inbound, &inbound, inbound + 1));
    return true;
}

/* The shard that the next idle connection must go to, claimed; NULL: none, keep it. With waiters of
 * our own, only to one that is older beyond the bound, and one connection at a time: how old the
 * second in line is over there is not known here. */
static weir_pool_shard *claim_elsewhere(weir_pool_shard *s, bool own_waiters)
{
    weir_time fair = WEIR_POOL_LIMIT(s->pool, fair_within);
    weir_time since;
    for (;;) {
        weir_pool_shard *other = weir_pool_oldest_elsewhere(s, &since);
        if (!other)
            return NULL;
        if (own_waiters && (since >= s->oldest - fair || atomic_load(&other->inbound) > 0))
            return NULL;
        if (claim(other))
            return other;
    }
}

static bool move(weir_pool_shard *s, weir_pool_conn *conn, weir_pool_shard *to,
                 weir_pool_action *ret)
{
    weir_pool_conn_set_state(s, conn, WEIR_POOL_CONN_MOVING);
    conn->shard = NULL;
    *ret = (weir_pool_action){.kind = WEIR_POOL_MOVE, .conn = conn, .shard = to};
    return true;
}

static bool lend(weir_pool_shard *s, weir_pool_conn *conn, weir_pool_action *ret)
{
    weir_pool_waiter *waiter = weir_pool_waiter_of(weir_list_first(&s->waiters));
    assert(waiter);
    weir_pool_waiter_leave(s, waiter);
    weir_pool_conn_lend(s, conn, s->now - waiter->since);
    *ret = (weir_pool_action){.kind = WEIR_POOL_LEND, .conn = conn, .waiter = waiter};
    return true;
}

/* Nobody here needs what is idle; perhaps somebody elsewhere needs its place. */
static bool next_eviction(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool_conn *longest = weir_pool_conn_of(weir_list_last(&s->idle));
    return s->pool->link_count > 0 && longest && weir_pool_evict(s, longest, false) &&
           next_close(s, ret);
}

static bool next_idle(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool_conn *conn = weir_pool_conn_of(weir_list_first(&s->idle));
    if (!conn || !running(s))
        return false;
    bool stale = weir_pool_conn_stale(s, conn);
    unsigned waiting = atomic_load_explicit(&s->waiting, memory_order_relaxed);
    bool wanted = waiting > (stale ? weir_pool_shard_count(s, WEIR_POOL_CONN_VALIDATING) : 0);
    weir_pool_shard *other = claim_elsewhere(s, wanted);
    if (other)
        return move(s, conn, other, ret);
    if (!wanted)
        return next_eviction(s, ret);
    if (s->pool->link_count > 0 && weir_pool_evict(s, conn, true))
        return next_close(s, ret);
    if (!stale)
        return lend(s, conn, ret);
    weir_pool_conn_set_state(s, conn, WEIR_POOL_CONN_VALIDATING);
    *ret = (weir_pool_action){.kind = WEIR_POOL_VALIDATE, .conn = conn};
    return true;
}

/* ---- what is short ---- */

/* True: a message must be sent; else one is under way and will do. */
static bool nudge(weir_pool_shard *to, weir_pool_action *ret)
{
    if (atomic_exchange(&to->nudged, true))
        return false;
    *ret = (weir_pool_action){.kind = WEIR_POOL_NUDGE, .shard = to};
    return true;
}

static bool ask(weir_pool_shard *to, weir_pool_action *ret)
{
    atomic_store(&to->asked, true); /* before `nudged`: see weir_pool_nudged */
    return nudge(to, ret);
}

/* How many of our waiters nothing is on its way to from another shard. */
static unsigned short_of(const weir_pool_shard *s)
{
    unsigned waiting = atomic_load(&s->waiting);
    unsigned inbound = atomic_load(&s->inbound);
    return waiting > inbound ? waiting - inbound : 0;
}

/* Asks others for idle connections. False: all that have some are asked, for `*ret_covered` of
 * them; each count is read once, so that what is not asked for is opened. */
static bool next_ask(weir_pool_shard *s, unsigned want, weir_pool_action *ret,
                     unsigned *ret_covered)
{
    weir_pool *pool = s->pool;
    unsigned covered = 0;
    for (unsigned i = 1; i < pool->shard_count && covered < want; i++) {
        weir_pool_shard *other = &pool->shards[(s->index + i) % pool->shard_count];
        unsigned idle = atomic_load(&other->count[WEIR_POOL_CONN_IDLE]);
        if (idle > 0 && ask(other, ret))
            return true;
        covered += idle;
    }
    *ret_covered = covered;
    return false;
}

/* How many connections there may be, seen from here: the reserve opens when the first in line has
 * waited long enough. */
static unsigned open_limit(const weir_pool_shard *s)
{
    unsigned limit = WEIR_POOL_LIMIT(s->pool, size_max);
    const weir_pool_waiter *first = weir_pool_waiter_of(weir_list_first(&s->waiters));
    if (first && s->now - first->since >= WEIR_POOL_LIMIT(s->pool, reserve_after))
        limit += WEIR_POOL_LIMIT(s->pool, reserve_size);
    return limit;
}

/* A look before anything is taken: what is taken and given back wakes others in vain. */
static bool may_open(const weir_pool_shard *s, unsigned limit)
{
    unsigned opening_max = WEIR_POOL_LIMIT(s->pool, opening_max);
    return atomic_load(&s->pool->size) < limit &&
           (opening_max == 0 || atomic_load(&s->pool->opening) < opening_max);
}

static bool open_one(weir_pool_shard *s, weir_pool_action *ret, unsigned limit, unsigned want)
{
    if (!may_open(s, limit)) {
        weir_pool_unwant(s);
        return false;
    }
    if (!weir_pool_quota_take(s, want))
        return false;
    if (!weir_pool_reserve(s->pool, limit)) {
        weir_pool_quota_give(s);
        return false;
    }
    if (!weir_pool_begin_opening(s->pool)) {
        atomic_fetch_sub(&s->pool->size, 1);
        weir_pool_quota_give(s);
        s->telling = true;
        return false;
    }
    unsigned opening = weir_pool_shard_count(s, WEIR_POOL_CONN_OPENING);
    atomic_store_explicit(&s->count[WEIR_POOL_CONN_OPENING], opening + 1, memory_order_relaxed);
    *ret = (weir_pool_action){.kind = WEIR_POOL_OPEN};
    return true;
}

/* How many connections must be opened for our waiters now. True: an action comes first. */
static bool next_shortage(weir_pool_shard *s, weir_pool_action *ret, unsigned *ret_count)
{
    unsigned want = short_of(s);
    unsigned opening = weir_pool_shard_count(s, WEIR_POOL_CONN_OPENING);
    unsigned coming = opening + weir_pool_shard_count(s, WEIR_POOL_CONN_VALIDATING);
    unsigned covered = 0;
    *ret_count = 0;
    if (want == 0)
        return false;
    if (next_ask(s, want, ret, &covered))
        return true;
    if (want <= coming + covered || s->now < s->yield_until)
        return false;
    if (s->backoff && (s->now < s->retry_at || opening > 0))
        return false; /* one try at a time until one succeeds */
    *ret_count = want - coming - covered;
    return false;
}

static bool next_open_for_waiters(weir_pool_shard *s, weir_pool_action *ret)
{
    unsigned count;
    if (next_shortage(s, ret, &count))
        return true;
    if (count == 0) {
        weir_pool_unwant(s);
        return false;
    }
    if (open_one(s, ret, open_limit(s), count))
        return true;
    weir_pool_shard *victim = weir_pool_quota_victim(s);
    return victim && nudge(victim, ret);
}

static bool next_open_for_size_min(weir_pool_shard *s, weir_pool_action *ret)
{
    unsigned size_min = WEIR_POOL_LIMIT(s->pool, size_min);
    if (atomic_load(&s->pool->size) >= size_min || (s->backoff && s->now < s->retry_at) ||
        weir_pool_shard_count(s, WEIR_POOL_CONN_OPENING) > 0 || s->waiting > 0 ||
        s->now < weir_pool_min_from(s->pool))
        return false;
    return open_one(s, ret, size_min, 0);
}

static bool next_tell(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool *pool = s->pool;
    if (s->answering && weir_list_empty(&s->idle))
        s->telling = true;
    s->answering = false;
    for (unsigned i = 1; s->telling && i < pool->shard_count; i++) {
        weir_pool_shard *other = &pool->shards[(s->index + i) % pool->shard_count];
        if (weir_pool_unmet(other) && nudge(other, ret))
            return true;
    }
    s->telling = false;
    return false;
}

/* One at a time: who takes a place tells the next. */
static bool next_tell_quotas(weir_pool_shard *s, weir_pool_action *ret)
{
    if (!s->telling_quotas)
        return false;
    s->telling_quotas = false;
    weir_pool_shard *other = weir_pool_quota_next(s);
    return other && nudge(other, ret);
}

static bool next_leak(weir_pool_shard *s, weir_pool_action *ret)
{
    weir_pool_conn *conn = weir_pool_conn_of(weir_list_first(&s->lent));
    weir_time hold_max = WEIR_POOL_LIMIT(s->pool, hold_max);
    if (!conn || weir_deadline(conn->state_since, hold_max) > s->now)
        return false;
    weir_list_remove(&conn->node);
    weir_list_push_back(&s->leaked, &conn->node);
    conn->leak_reported = true;
    WEIR_POOL_COUNT(s->totals.leaks);
    *ret = (weir_pool_action){.kind = WEIR_POOL_LEAK, .conn = conn};
    return true;
}

bool weir_pool_next(weir_pool_shard *shard, weir_pool_action *ret)
{
    if (next_close(shard, ret) || next_hopeless(shard, ret) || next_idle(shard, ret) ||
        next_timeout(shard, ret))
        return true;
    if (running(shard)) {
        if (next_open_for_waiters(shard, ret) || next_open_for_size_min(shard, ret))
            return true;
    } else {
        weir_pool_unwant(shard);
    }
    return next_tell(shard, ret) || next_tell_quotas(shard, ret) || next_leak(shard, ret);
}
