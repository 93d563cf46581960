/* A connection's states. Its state is the list it is on, and one function moves it.
 *
 *                 opened                 VALIDATE
 *     OPENING ──────────────► IDLE ◄─────────────────► VALIDATING
 *                             ▲ │ ▲                         │
 *        release, unwanted    │ │ │ arrived                 │ bad
 *     LENT ───────────────────┘ │ └───────── MOVING         │
 *      ▲     acquire, LEND      ├──── MOVE ────▲            │
 *      └────────────────────────┤                           │
 *                               └─► CLOSING ◄───────────────┘
 *
 * Every state but OPENING and MOVING may go to CLOSING (CLOSE) and, when the connection died by
 * itself, straight to gone; OPENING and MOVING become IDLE first, or are CLOSING at once if their
 * time is over. */
#include "pool/internal.h"
#include <assert.h>

#define BIT(state) (1u << WEIR_POOL_CONN_##state)

static bool legal(weir_pool_conn_state from, weir_pool_conn_state to)
{
    static const unsigned next[WEIR_POOL_STATES] = {
        [WEIR_POOL_CONN_OPENING] = BIT(IDLE) | BIT(CLOSING),
        [WEIR_POOL_CONN_VALIDATING] = BIT(IDLE) | BIT(CLOSING),
        [WEIR_POOL_CONN_IDLE] = BIT(LENT) | BIT(VALIDATING) | BIT(MOVING) | BIT(CLOSING),
        [WEIR_POOL_CONN_LENT] = BIT(IDLE) | BIT(CLOSING),
        [WEIR_POOL_CONN_MOVING] = BIT(IDLE) | BIT(CLOSING),
        [WEIR_POOL_CONN_CLOSING] = 0,
    };
    return (next[from] & (1u << to)) != 0;
}

/* Kept in the order of state_since: one that comes from another shard may be older than the first.
 */
static void idle_insert(weir_pool_shard *s, weir_pool_conn *conn)
{
    weir_list *at = s->idle.next;
    while (at != &s->idle && weir_pool_conn_of(at)->state_since > conn->state_since)
        at = at->next;
    weir_list_insert_between(&conn->node, at->prev, at);
    if (conn->retire_at < s->retire_at)
        s->retire_at = conn->retire_at;
}

static void link_state(weir_pool_shard *s, weir_pool_conn *conn)
{
    switch (conn->state) {
    case WEIR_POOL_CONN_IDLE:
        idle_insert(s, conn);
        break;
    case WEIR_POOL_CONN_LENT:
        weir_list_push_back(&s->lent, &conn->node);
        break;
    case WEIR_POOL_CONN_VALIDATING:
        weir_list_push_back(&s->validating, &conn->node);
        break;
    case WEIR_POOL_CONN_CLOSING:
        weir_list_push_back(&s->condemned, &conn->node);
        if (!conn->pinned)
            atomic_fetch_add(&s->pool->leaving, 1);
        break;
    case WEIR_POOL_CONN_OPENING:
    case WEIR_POOL_CONN_MOVING:
        break;
    }
}

/* An idle connection is published before others' waiters are read; the rest is for statistics. */
static void count_in(weir_pool_shard *s, weir_pool_conn_state state)
{
    unsigned n = weir_pool_shard_count(s, state) + 1;
    if (state == WEIR_POOL_CONN_IDLE)
        atomic_store(&s->count[state], n);
    else
        atomic_store_explicit(&s->count[state], n, memory_order_relaxed);
}

static void count_out(weir_pool_shard *s, weir_pool_conn_state state)
{
    unsigned n = weir_pool_shard_count(s, state);
    assert(n > 0);
    atomic_store_explicit(&s->count[state], n - 1, memory_order_relaxed);
}

/* Before it is counted as idle: who reads the count may read this. */
static void publish_idle_since(weir_pool_shard *s)
{
    const weir_pool_conn *last = weir_pool_conn_of(weir_list_last(&s->idle));
    atomic_store_explicit(&s->idle_since, last ? last->state_since : WEIR_TIME_NEVER,
                          memory_order_relaxed);
}

void weir_pool_conn_set_state(weir_pool_shard *s, weir_pool_conn *conn, weir_pool_conn_state to)
{
    assert(legal(conn->state, to));
    assert(conn->shard == s);
    bool idle = conn->state == WEIR_POOL_CONN_IDLE || to == WEIR_POOL_CONN_IDLE;
    weir_list_remove(&conn->node);
    if (conn->state != WEIR_POOL_CONN_MOVING) /* counted by `inbound` */
        count_out(s, conn->state);
    conn->state = to;
    link_state(s, conn);
    if (idle && s->pool->link_count > 0)
        publish_idle_since(s);
    if (to != WEIR_POOL_CONN_MOVING)
        count_in(s, to);
}

bool weir_pool_conn_outdated(const weir_pool_conn *conn)
{
    return conn->opened_at <= atomic_load(&conn->shard->pool->reconnect_at);
}

bool weir_pool_conn_outlived(const weir_pool_shard *s, const weir_pool_conn *conn)
{
    const weir_pool *pool = s->pool;
    return atomic_load(&pool->mode) == WEIR_POOL_MODE_DRAINING || conn->retire_at <= s->now ||
           weir_pool_conn_outdated(conn) || weir_pool_surplus(pool, weir_pool_size_limit(pool));
}

void weir_pool_conn_settle(weir_pool_shard *s, weir_pool_conn *conn)
{
    bool outlived = weir_pool_conn_outlived(s, conn);
    weir_pool_conn_set_state(s, conn, outlived ? WEIR_POOL_CONN_CLOSING : WEIR_POOL_CONN_IDLE);
}

bool weir_pool_conn_stale(const weir_pool_shard *s, const weir_pool_conn *conn)
{
    weir_time after = WEIR_POOL_LIMIT(s->pool, validate_after);
    return after > 0 && s->now - conn->state_since > after;
}

void weir_pool_conn_lend(weir_pool_shard *s, weir_pool_conn *conn, weir_time waited)
{
    weir_pool_conn_set_state(s, conn, WEIR_POOL_CONN_LENT);
    conn->state_since = s->now;
    conn->leak_reported = false;
    conn->uses++;
    WEIR_POOL_COUNT(s->totals.acquired);
    weir_hist_record(&s->waits, waited);
}

void weir_pool_conn_init(weir_pool_conn *conn)
{
    *conn = (weir_pool_conn){.state = WEIR_POOL_CONN_OPENING};
    weir_list_init(&conn->node);
}
