/* The pool's counters, added up over its shards, for reports. */
#include "pool/internal.h"

static uint64_t count(const weir_pool_shard *s, weir_pool_conn_state state)
{
    return weir_pool_shard_count(s, state);
}

static uint64_t total(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_shard(weir_pool_stats *sum, const weir_pool_shard *s)
{
    const weir_pool_totals *t = &s->totals;
    sum->opening += count(s, WEIR_POOL_CONN_OPENING);
    sum->idle += count(s, WEIR_POOL_CONN_IDLE) + count(s, WEIR_POOL_CONN_VALIDATING);
    sum->lent += count(s, WEIR_POOL_CONN_LENT);
    sum->in_motion +=
        count(s, WEIR_POOL_CONN_CLOSING) + atomic_load_explicit(&s->inbound, memory_order_relaxed);
    sum->waiting += atomic_load_explicit(&s->waiting, memory_order_relaxed);
    sum->acquired += total(&t->acquired);
    sum->waited += total(&t->waited);
    sum->timeouts += total(&t->timeouts);
    sum->refused += total(&t->refused);
    sum->opened += total(&t->opened);
    sum->open_failures += total(&t->open_failures);
    sum->closed += total(&t->closed);
    sum->leaks += total(&t->leaks);
}

void weir_pool_stats_read(const weir_pool *pool, weir_time now, weir_pool_stats *ret)
{
    weir_time oldest = WEIR_TIME_NEVER;
    *ret = (weir_pool_stats){.pinned = atomic_load(&pool->pinned)};
    for (unsigned i = 0; i < pool->shard_count; i++) {
        const weir_pool_shard *s = &pool->shards[i];
        weir_time since = atomic_load(&s->oldest);
        add_shard(ret, s);
        if (since < oldest)
            oldest = since;
    }
    if (oldest < now)
        ret->oldest_wait = now - oldest;
    uint64_t open = (uint64_t)atomic_load(&pool->size) + ret->pinned;
    uint64_t known = (uint64_t)atomic_load(&pool->opening) + (uint32_t)atomic_load(&pool->fresh);
    ret->outdated = open > known ? open - known : 0;
}

void weir_pool_wait_times(const weir_pool *pool, weir_hist *into)
{
    for (unsigned i = 0; i < pool->shard_count; i++)
        weir_hist_merge(into, &pool->shards[i].waits);
}
