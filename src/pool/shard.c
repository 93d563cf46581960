/* What callers tell a shard: borrowers come and go, connections open, move and die, time passes.
 * Here only the state changes; next.c says what is to be done about it. */
#include "pool/internal.h"
#include <assert.h>

static void advance(weir_pool_shard *s, weir_time now)
{
    if (now > s->now)
        s->now = now;
}

/* ---- waiters ---- */

void weir_pool_waiter_init(weir_pool_waiter *waiter)
{
    *waiter = (weir_pool_waiter){0};
    weir_list_init(&waiter->node);
}

static void publish_line(weir_pool_shard *s, unsigned waiting)
{
    const weir_pool_waiter *first = weir_pool_waiter_of(weir_list_first(&s->waiters));
    atomic_store(&s->oldest, first ? first->since : WEIR_TIME_NEVER);
    atomic_store(&s->waiting, waiting);
}

static void leave_line(weir_pool_shard *s, weir_pool_waiter *waiter)
{
    weir_list_remove(&waiter->node);
    publish_line(s, s->waiting - 1);
    atomic_fetch_sub(&s->pool->waiting, 1);
}

void weir_pool_waiter_leave(weir_pool_shard *s, weir_pool_waiter *waiter)
{
    if (waiter->hopeless)
        weir_list_remove(&waiter->node);
    else
        leave_line(s, waiter);
    waiter->shard = NULL;
}

static int enqueue(weir_pool_shard *s, weir_pool_waiter *waiter)
{
    weir_pool *pool = s->pool;
    unsigned max = WEIR_POOL_LIMIT(pool, waiters_max);
    unsigned waiting = atomic_load(&pool->waiting);
    do {
        if (waiting >= max) {
            WEIR_POOL_COUNT(s->totals.refused);
            return WEIR_POOL_FULL;
        }
    } while (!atomic_compare_exchange_weak(&pool->waiting, &waiting, waiting + 1));
    waiter->shard = s;
    waiter->since = s->now;
    waiter->hopeless = false;
    weir_list_init(&waiter->node);
    weir_list_push_back(&s->waiters, &waiter->node);
    publish_line(s, s->waiting + 1);
    WEIR_POOL_COUNT(s->totals.waited);
    return WEIR_POOL_QUEUED;
}

int weir_pool_acquire(weir_pool_shard *shard, weir_pool_waiter *waiter, weir_time now,
                      weir_pool_conn **ret)
{
    assert(!waiter->shard);
    advance(shard, now);
    weir_pool_mode mode = atomic_load_explicit(&shard->pool->mode, memory_order_relaxed);
    weir_pool_conn *conn = weir_pool_conn_of(weir_list_first(&shard->idle));
    if (conn && mode == WEIR_POOL_MODE_RUNNING && weir_list_empty(&shard->waiters) &&
        !weir_pool_conn_stale(shard, conn)) {
        weir_pool_conn_lend(shard, conn, 0);
        *ret = conn;
        return 0;
    }
    if (mode == WEIR_POOL_MODE_DRAINING) {
        WEIR_POOL_COUNT(shard->totals.refused);
        return WEIR_POOL_PAUSED;
    }
    return enqueue(shard, waiter);
}

void weir_pool_withdraw(weir_pool_shard *shard, weir_pool_waiter *waiter, weir_time now)
{
    advance(shard, now);
    if (!waiter->shard)
        return;
    assert(waiter->shard == shard);
    weir_pool_waiter_leave(shard, waiter);
}

/* ---- places ---- */

/* A place that this shard gave up is for the oldest waiter: if that one is elsewhere, our own wait
 * a moment before they take it. */
static void place_freed(weir_pool_shard *s)
{
    weir_time fair = WEIR_POOL_LIMIT(s->pool, fair_within);
    weir_time elsewhere;
    s->telling = true;
    if (fair > 0 && weir_pool_oldest_elsewhere(s, &elsewhere) && elsewhere < s->oldest - fair)
        s->yield_until = s->now + fair;
}

static void give_up_place(weir_pool_shard *s)
{
    atomic_fetch_sub(&s->pool->size, 1);
    place_freed(s);
}

int weir_pool_pin(weir_pool_shard *shard, weir_pool_conn *conn, unsigned spare, weir_time now)
{
    weir_pool *pool = shard->pool;
    assert(conn->state == WEIR_POOL_CONN_LENT && conn->shard == shard);
    advance(shard, now);
    if (conn->pinned)
        return 0;
    unsigned max = WEIR_POOL_LIMIT(pool, pinned_max);
    unsigned pinned = atomic_load(&pool->pinned);
    do {
        if (pinned >= max || max - pinned <= spare)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&pool->pinned, &pinned, pinned + 1));
    conn->pinned = true;
    give_up_place(shard);
    return 0;
}

void weir_pool_unpin(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now)
{
    weir_pool *pool = shard->pool;
    assert(conn->state == WEIR_POOL_CONN_LENT && conn->shard == shard);
    advance(shard, now);
    if (!conn->pinned || !weir_pool_reserve(pool, WEIR_POOL_LIMIT(pool, size_max)))
        return;
    atomic_fetch_sub(&pool->pinned, 1);
    conn->pinned = false;
}

/* ---- connections ---- */

void weir_pool_release(weir_pool_shard *shard, weir_pool_conn *conn, bool reusable, weir_time now)
{
    assert(conn->state == WEIR_POOL_CONN_LENT);
    advance(shard, now);
    if (reusable && conn->pinned)
        weir_pool_unpin(shard, conn, now);
    conn->state_since = shard->now;
    if (reusable && !conn->pinned)
        weir_pool_conn_settle(shard, conn);
    else
        weir_pool_conn_set_state(shard, conn, WEIR_POOL_CONN_CLOSING);
}

/* Lifetimes differ by up to 10 %, so that connections opened together do not all close together. */
static weir_time retirement(weir_time opened_at, weir_time lifetime, uint32_t random)
{
    if (lifetime <= 0)
        return WEIR_TIME_NEVER;
    weir_time jitter = (weir_time)((double)lifetime * 0.1 * ((double)random / (double)UINT32_MAX));
    return weir_deadline(opened_at, lifetime - jitter);
}

void weir_pool_opened(weir_pool_shard *shard, weir_pool_conn *conn, uint32_t random, weir_time now)
{
    weir_pool *pool = shard->pool;
    assert(conn->state == WEIR_POOL_CONN_OPENING && !conn->shard);
    advance(shard, now);
    shard->backoff = 0;
    atomic_fetch_sub(&pool->opening, 1);
    shard->telling = shard->telling || WEIR_POOL_LIMIT(pool, opening_max) > 0;
    conn->shard = shard;
    conn->opened_at = shard->now;
    /* A RECONNECT of this very moment is about those before this one. */
    weir_time reconnect_at = atomic_load(&pool->reconnect_at);
    if (conn->opened_at <= reconnect_at)
        conn->opened_at = reconnect_at + 1;
    conn->state_since = shard->now;
    conn->retire_at = retirement(shard->now, WEIR_POOL_LIMIT(pool, lifetime_max), random);
    weir_pool_count_opened(pool, conn);
    WEIR_POOL_COUNT(shard->totals.opened);
    weir_pool_conn_settle(shard, conn);
}

/* The tries differ by up to a quarter, so that those who lost a server together do not all come
 * back to it together. */
static void back_off(weir_pool_shard *s, uint32_t random)
{
    weir_time min = WEIR_POOL_LIMIT(s->pool, open_backoff_min);
    weir_time max = WEIR_POOL_LIMIT(s->pool, open_backoff_max);
    if (s->backoff && s->now < s->retry_at)
        return; /* one of several that failed together */
    weir_time backoff = s->backoff ? s->backoff : min;
    if (s->backoff)
        backoff = s->backoff > max / 2 ? max : s->backoff * 2;
    s->backoff = backoff;
    weir_time jitter = (weir_time)((double)backoff * 0.25 * ((double)random / (double)UINT32_MAX));
    s->retry_at = weir_deadline(s->now, backoff - jitter);
}

void weir_pool_open_failed(weir_pool_shard *shard, bool fatal, uint32_t random, weir_time now)
{
    unsigned opening = weir_pool_shard_count(shard, WEIR_POOL_CONN_OPENING);
    assert(opening > 0);
    advance(shard, now);
    atomic_store_explicit(&shard->count[WEIR_POOL_CONN_OPENING], opening - 1, memory_order_relaxed);
    WEIR_POOL_COUNT(shard->totals.open_failures);
    back_off(shard, random);
    atomic_fetch_sub(&shard->pool->opening, 1);
    weir_pool_quota_give(shard);
    give_up_place(shard);
    if (!fatal)
        return;
    for (weir_pool_waiter *w; (w = weir_pool_waiter_of(weir_list_first(&shard->waiters)));) {
        leave_line(shard, w);
        w->hopeless = true;
        weir_list_push_back(&shard->hopeless, &w->node);
    }
}

void weir_pool_validated(weir_pool_shard *shard, weir_pool_conn *conn, bool good, weir_time now)
{
    assert(conn->state == WEIR_POOL_CONN_VALIDATING);
    advance(shard, now);
    conn->state_since = shard->now;
    if (good)
        weir_pool_conn_settle(shard, conn);
    else
        weir_pool_conn_set_state(shard, conn, WEIR_POOL_CONN_CLOSING);
}

void weir_pool_closed(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now)
{
    weir_pool *pool = shard->pool;
    assert(conn->state != WEIR_POOL_CONN_OPENING && conn->state != WEIR_POOL_CONN_MOVING);
    advance(shard, now);
    if (conn->state != WEIR_POOL_CONN_CLOSING)
        weir_pool_conn_set_state(shard, conn, WEIR_POOL_CONN_CLOSING);
    weir_list_remove(&conn->node);
    atomic_fetch_sub_explicit(&shard->count[WEIR_POOL_CONN_CLOSING], 1, memory_order_relaxed);
    weir_pool_count_closed(pool, conn);
    weir_pool_evicted(shard, conn);
    weir_pool_quota_give(shard);
    conn->shard = NULL;
    WEIR_POOL_COUNT(shard->totals.closed);
    if (conn->pinned) {
        atomic_fetch_sub(&pool->pinned, 1);
        return;
    }
    atomic_fetch_sub(&pool->leaving, 1);
    give_up_place(shard);
}

void weir_pool_arrived(weir_pool_shard *shard, weir_pool_conn *conn, weir_time now)
{
    assert(conn->state == WEIR_POOL_CONN_MOVING && !conn->shard);
    advance(shard, now);
    conn->shard = shard;
    unsigned inbound = atomic_fetch_sub(&shard->inbound, 1);
    assert(inbound > 0);
    (void)inbound;
    weir_pool_conn_settle(shard, conn); /* state_since stays: it was idle all the while */
}

/* The flags go down before the state is looked at: a NUDGE that is spared because they are up was
 * about something that we are going to see. */
void weir_pool_nudged(weir_pool_shard *shard, weir_time now)
{
    advance(shard, now);
    atomic_store(&shard->nudged, false);
    if (atomic_exchange(&shard->asked, false))
        shard->answering = true;
}

void weir_pool_retry(weir_pool_shard *shard, weir_time now)
{
    advance(shard, now);
    shard->backoff = 0;
    shard->retry_at = 0;
}

/* ---- time ---- */

static bool idled_out(const weir_pool_shard *s, const weir_pool_conn *conn)
{
    weir_time timeout = WEIR_POOL_LIMIT(s->pool, idle_timeout);
    return weir_deadline(conn->state_since, timeout) <= s->now &&
           weir_pool_surplus(s->pool, WEIR_POOL_LIMIT(s->pool, size_min));
}

void weir_pool_tick(weir_pool_shard *shard, weir_time now)
{
    advance(shard, now);
    shard->ticked = true;
    shard->retire_at = WEIR_TIME_NEVER;
    for (weir_list *n = shard->idle.prev, *prev; n != &shard->idle; n = prev) {
        weir_pool_conn *conn = weir_pool_conn_of(n);
        prev = n->prev;
        if (weir_pool_conn_outlived(shard, conn) || idled_out(shard, conn))
            weir_pool_conn_set_state(shard, conn, WEIR_POOL_CONN_CLOSING);
        else if (conn->retire_at < shard->retire_at)
            shard->retire_at = conn->retire_at;
    }
}

static weir_time earlier(weir_time a, weir_time b)
{
    return a < b ? a : b;
}

static weir_time idle_deadline(const weir_pool_shard *s)
{
    const weir_pool_conn *oldest = weir_pool_conn_of(weir_list_last(&s->idle));
    if (!oldest)
        return WEIR_TIME_NEVER;
    if (!weir_pool_surplus(s->pool, WEIR_POOL_LIMIT(s->pool, size_min)))
        return s->retire_at;
    weir_time timeout = WEIR_POOL_LIMIT(s->pool, idle_timeout);
    return earlier(s->retire_at, weir_deadline(oldest->state_since, timeout));
}

/* When the reserve opens for the first in line; what is past was tried. */
static weir_time reserve_at(const weir_pool_shard *s)
{
    weir_time after = WEIR_POOL_LIMIT(s->pool, reserve_after);
    weir_time at = atomic_load_explicit(&s->oldest, memory_order_relaxed) + after;
    return at > s->now ? at : WEIR_TIME_NEVER;
}

/* When an open that is held back may be tried; what is due already was tried by weir_pool_next. */
static weir_time open_deadline(const weir_pool_shard *s)
{
    weir_pool *pool = s->pool;
    bool waiters = !weir_list_empty(&s->waiters);
    weir_time at = WEIR_TIME_NEVER;
    if (atomic_load(&pool->mode) != WEIR_POOL_MODE_RUNNING)
        return at;
    bool few = atomic_load(&pool->size) < WEIR_POOL_LIMIT(pool, size_min);
    if (s->backoff && s->retry_at > s->now && (waiters || few))
        at = s->retry_at;
    if (few && weir_pool_min_from(pool) > s->now)
        at = earlier(at, weir_pool_min_from(pool));
    if (waiters && s->yield_until > s->now)
        at = earlier(at, s->yield_until);
    if (waiters && WEIR_POOL_LIMIT(pool, reserve_size) > 0)
        at = earlier(at, reserve_at(s));
    return at;
}

weir_time weir_pool_deadline(const weir_pool_shard *shard)
{
    const weir_pool *pool = shard->pool;
    if (!shard->ticked)
        return 0;
    weir_time at = earlier(idle_deadline(shard), open_deadline(shard));
    const weir_pool_waiter *first = weir_pool_waiter_of(weir_list_first(&shard->waiters));
    if (first)
        at = earlier(at, weir_deadline(first->since, WEIR_POOL_LIMIT(pool, acquire_timeout)));
    const weir_pool_conn *held = weir_pool_conn_of(weir_list_first(&shard->lent));
    if (held)
        at = earlier(at, weir_deadline(held->state_since, WEIR_POOL_LIMIT(pool, hold_max)));
    return at;
}
