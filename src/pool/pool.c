/* What the shards of a pool share: limits, the number of connections, modes, and the view of one
 * another's waiters. Everything here is atomic; see pool.h for the order that matters. */
#include "pool/internal.h"
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN_DEFAULT (100 * WEIR_MS)
#define BACKOFF_MAX_DEFAULT (10 * WEIR_SECOND)

static void set_limits(weir_pool_limits *l, const weir_pool_options *o)
{
    /* Without any back-off a refusing server would be hammered. */
    weir_time backoff_min = o->open_backoff_min > 0 ? o->open_backoff_min : BACKOFF_MIN_DEFAULT;
    weir_time backoff_max = o->open_backoff_max > 0 ? o->open_backoff_max : BACKOFF_MAX_DEFAULT;
    l->size_min = o->size_min;
    l->size_max = o->size_max;
    l->pinned_max = o->pinned_max;
    l->waiters_max = o->waiters_max;
    l->acquire_timeout = o->acquire_timeout;
    l->idle_timeout = o->idle_timeout;
    l->lifetime_max = o->lifetime_max;
    l->validate_after = o->validate_after;
    l->hold_max = o->hold_max;
    l->fair_within = o->fair_within > 0 ? o->fair_within : 0;
    l->reserve_size = o->reserve_size;
    l->reserve_after = o->reserve_after > 0 ? o->reserve_after : 0;
    l->opening_max = o->opening_max;
    l->open_backoff_min = backoff_min;
    l->open_backoff_max = backoff_max > backoff_min ? backoff_max : backoff_min;
}

static bool options_valid(const weir_pool_options *o)
{
    return o->size_max > 0 && o->size_min <= o->size_max && o->waiters_max > 0 &&
           o->reserve_size <= UINT_MAX - o->size_max;
}

static void shard_init(weir_pool_shard *s, weir_pool *pool, unsigned index)
{
    s->pool = pool;
    s->index = index;
    s->oldest = WEIR_TIME_NEVER;
    s->retire_at = WEIR_TIME_NEVER;
    s->idle_since = WEIR_TIME_NEVER;
    weir_list *lists[] = {&s->idle,      &s->lent,    &s->leaked,  &s->validating,
                          &s->condemned, &s->closing, &s->waiters, &s->hopeless};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        weir_list_init(lists[i]);
}

int weir_pool_new(const weir_pool_options *options, unsigned shards, weir_pool **ret)
{
    if (!options_valid(options) || shards == 0)
        return -EINVAL;
    weir_pool *pool = calloc(1, sizeof(*pool) + shards * sizeof(pool->shards[0]));
    if (!pool)
        return -ENOMEM;
    set_limits(&pool->limits, options);
    pool->reconnect_at = INT64_MIN;
    pool->shard_count = shards;
    for (unsigned i = 0; i < shards; i++)
        shard_init(&pool->shards[i], pool, i);
    *ret = pool;
    return 0;
}

void weir_pool_free(weir_pool *pool)
{
    if (!pool)
        return;
    assert(pool->size == 0 && pool->pinned == 0 && pool->waiting == 0);
    free(pool);
}

weir_pool_shard *weir_pool_shard_at(weir_pool *pool, unsigned index)
{
    assert(index < pool->shard_count);
    return &pool->shards[index];
}

unsigned weir_pool_shard_index(const weir_pool_shard *shard)
{
    return shard->index;
}

weir_pool *weir_pool_of(const weir_pool_shard *shard)
{
    return shard->pool;
}

void *weir_pool_user(const weir_pool *pool)
{
    return pool->user;
}

void weir_pool_set_user(weir_pool *pool, void *user)
{
    pool->user = user;
}

void weir_pool_configure(weir_pool *pool, const weir_pool_options *options)
{
    assert(options_valid(options));
    set_limits(&pool->limits, options);
}

void weir_pool_pause(weir_pool *pool, bool paused)
{
    weir_pool_mode from = paused ? WEIR_POOL_MODE_RUNNING : WEIR_POOL_MODE_PAUSED;
    weir_pool_mode to = paused ? WEIR_POOL_MODE_PAUSED : WEIR_POOL_MODE_RUNNING;
    /* Fails when it is so already, or when draining, which nothing ends. */
    (void)atomic_compare_exchange_strong(&pool->mode, &from, to);
}

void weir_pool_drain(weir_pool *pool)
{
    pool->mode = WEIR_POOL_MODE_DRAINING;
}

void weir_pool_reconnect(weir_pool *pool, weir_time now)
{
    uint64_t fresh = atomic_load(&pool->fresh);
    while (!atomic_compare_exchange_weak(&pool->fresh, &fresh, ((fresh >> 32) + 1) << 32))
        continue;
    pool->reconnect_at = now;
}

void weir_pool_count_opened(weir_pool *pool, weir_pool_conn *conn)
{
    uint64_t fresh = atomic_fetch_add(&pool->fresh, 1);
    conn->generation = (uint32_t)(fresh >> 32);
}

bool weir_pool_is_outdated(const weir_pool *pool, const weir_pool_conn *conn)
{
    return (uint32_t)(atomic_load(&pool->fresh) >> 32) != conn->generation;
}

void weir_pool_count_closed(weir_pool *pool, const weir_pool_conn *conn)
{
    uint64_t fresh = atomic_load(&pool->fresh);
    do {
        if ((uint32_t)(fresh >> 32) != conn->generation)
            return;
    } while (!atomic_compare_exchange_weak(&pool->fresh, &fresh, fresh - 1));
}

bool weir_pool_reserve(weir_pool *pool, unsigned limit)
{
    unsigned size = atomic_load(&pool->size);
    do {
        if (size >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(&pool->size, &size, size + 1));
    return true;
}

bool weir_pool_begin_opening(weir_pool *pool)
{
    unsigned max = WEIR_POOL_LIMIT(pool, opening_max);
    unsigned opening = atomic_load(&pool->opening);
    do {
        if (max > 0 && opening >= max)
            return false;
    } while (!atomic_compare_exchange_weak(&pool->opening, &opening, opening + 1));
    return true;
}

unsigned weir_pool_size_limit(const weir_pool *pool)
{
    unsigned limit = WEIR_POOL_LIMIT(pool, size_max);
    if (atomic_load_explicit(&pool->waiting, memory_order_relaxed) > 0)
        limit += WEIR_POOL_LIMIT(pool, reserve_size);
    return limit;
}

bool weir_pool_surplus(const weir_pool *pool, unsigned limit)
{
    unsigned leaving = atomic_load(&pool->leaving);
    unsigned size = atomic_load(&pool->size);
    return size > leaving && size - leaving > limit;
}

bool weir_pool_unmet(const weir_pool_shard *s)
{
    return atomic_load(&s->waiting) > atomic_load(&s->inbound);
}

weir_pool_shard *weir_pool_oldest_elsewhere(const weir_pool_shard *s, weir_time *ret_since)
{
    weir_pool *pool = s->pool;
    weir_pool_shard *oldest = NULL;
    weir_time since = WEIR_TIME_NEVER;
    if (atomic_load(&pool->waiting) == 0)
        return NULL;
    for (unsigned i = 0; i < pool->shard_count; i++) {
        weir_pool_shard *other = &pool->shards[i];
        weir_time other_since = atomic_load(&other->oldest);
        if (other == s || other_since >= since || !weir_pool_unmet(other))
            continue;
        oldest = other;
        since = other_since;
    }
    if (oldest)
        *ret_since = since;
    return oldest;
}
