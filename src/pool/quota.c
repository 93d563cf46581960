/* Limits over several pools: of a database, a user, a server. A connection takes a place in each
 * quota of its pool when its opening begins and gives it back when it is gone.
 *
 * A shard that may not open because a quota is full registers how many places it wants there. Idle
 * connections of other pools are then closed, the longest idle first, one for each place wanted;
 * where none is idle, a connection that comes back is closed instead of lent if those who want its
 * place have waited for markedly longer than those in line here. Free places go to whoever has
 * waited longest. So no pool starves, and a wait ends as it would in a pool of one's own.
 *
 * Wake-up race: a want is registered before places and idle connections are looked at; an idle
 * connection or a free place is published before wants are; all sequentially consistent. */
#include "pool/internal.h"
#include <assert.h>
#include <stdlib.h>

/* A connection is taken from those in line here for others only if they are older by this. */
#define PATIENCE (100 * WEIR_MS)

int weir_pool_quota_new(unsigned max, weir_pool_quota **ret)
{
    weir_pool_quota *q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->max = max;
    *ret = q;
    return 0;
}

void weir_pool_quota_free(weir_pool_quota *quota)
{
    assert(!quota || quota->used == 0);
    free(quota);
}

void weir_pool_quota_configure(weir_pool_quota *quota, unsigned max)
{
    quota->max = max;
}

unsigned weir_pool_quota_used(const weir_pool_quota *quota)
{
    return atomic_load(&quota->used);
}

unsigned weir_pool_quota_max(const weir_pool_quota *quota)
{
    return atomic_load(&quota->max);
}

void weir_pool_join(weir_pool *pool, weir_pool_quota *quota)
{
    assert(pool->link_count < WEIR_POOL_QUOTAS);
    weir_pool_link *link = &pool->links[pool->link_count++];
    link->quota = quota;
    link->pool = pool;
    link->next = atomic_load(&quota->members);
    while (!atomic_compare_exchange_weak(&quota->members, &link->next, link))
        continue;
}

/* ---- wants ---- */

static void set_want(weir_pool_shard *s, unsigned i, unsigned want)
{
    weir_pool_quota *q = s->pool->links[i].quota;
    unsigned had = atomic_load_explicit(&s->wants[i], memory_order_relaxed);
    if (had == want)
        return;
    atomic_store(&s->wants[i], want);
    atomic_fetch_add(&q->wanted, want - had); /* wraps to less where it is less */
    s->telling_quotas = s->telling_quotas || want < had;
}

void weir_pool_unwant(weir_pool_shard *s)
{
    for (unsigned i = 0; i < s->pool->link_count; i++)
        set_want(s, i, 0);
}

/* The shard elsewhere that has waited longest for a place in the quota, or NULL. */
static weir_pool_shard *oldest_wanting(const weir_pool_quota *q, const weir_pool_shard *s)
{
    weir_pool_shard *oldest = NULL;
    weir_time since = WEIR_TIME_NEVER;
    for (weir_pool_link *l = atomic_load(&q->members); l; l = l->next)
        for (unsigned i = 0; i < l->pool->shard_count; i++) {
            weir_pool_shard *other = &l->pool->shards[i];
            weir_time other_since = atomic_load(&other->oldest);
            if (other == s || atomic_load(&other->wants[l - l->pool->links]) == 0 ||
                other_since >= since)
                continue;
            oldest = other;
            since = other_since;
        }
    return oldest;
}

/* Whoever wants a place for longer goes first. */
static bool must_stand_back(const weir_pool_shard *s, unsigned i, unsigned free_places)
{
    const weir_pool_quota *q = s->pool->links[i].quota;
    unsigned wanted = atomic_load(&q->wanted) - atomic_load(&s->wants[i]);
    if (wanted == 0 || free_places > wanted)
        return false;
    const weir_pool_shard *other = oldest_wanting(q, s);
    return other && atomic_load(&other->oldest) < atomic_load(&s->oldest);
}

/* ---- places ---- */

static bool take_one(weir_pool_shard *s, unsigned i)
{
    weir_pool_quota *q = s->pool->links[i].quota;
    unsigned used = atomic_load(&q->used);
    do {
        unsigned max = atomic_load(&q->max);
        if (max > 0 && used >= max)
            return false;
        if (max > 0 && must_stand_back(s, i, max - used)) {
            s->telling_quotas = true; /* whom we stand back for */
            return false;
        }
    } while (!atomic_compare_exchange_weak(&q->used, &used, used + 1));
    return true;
}

static void give_first(weir_pool_shard *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        atomic_fetch_sub(&s->pool->links[i].quota->used, 1);
    s->telling_quotas = s->telling_quotas || count > 0;
}

void weir_pool_quota_give(weir_pool_shard *s)
{
    give_first(s, s->pool->link_count);
}

bool weir_pool_quota_take(weir_pool_shard *s, unsigned want)
{
    for (unsigned i = 0; i < s->pool->link_count; i++) {
        if (take_one(s, i))
            continue;
        if (want > 0) {
            for (unsigned other = 0; other < s->pool->link_count; other++)
                set_want(s, other, other == i ? want : 0);
            if (take_one(s, i)) /* it may have become free before we were seen to want it */
                continue;
        }
        give_first(s, i);
        return false;
    }
    weir_pool_unwant(s);
    s->telling_quotas = s->pool->link_count > 0; /* there may be room for the next */
    return true;
}

/* ---- eviction ---- */

/* How many more connections must go for what is wanted to be had. */
static unsigned pressure(const weir_pool_quota *q)
{
    unsigned max = atomic_load_explicit(&q->max, memory_order_relaxed);
    if (max == 0)
        return 0;
    unsigned sum = atomic_load(&q->used) + atomic_load(&q->wanted);
    unsigned room = max + atomic_load(&q->evicting);
    return sum > room ? sum - room : 0;
}

static bool claim_eviction(weir_pool_quota *q)
{
    unsigned evicting = atomic_load(&q->evicting);
    do {
        if (pressure(q) == 0)
            return false;
    } while (!atomic_compare_exchange_weak(&q->evicting, &evicting, evicting + 1));
    return true;
}

bool weir_pool_evict(weir_pool_shard *s, weir_pool_conn *conn, bool needed_here)
{
    if (needed_here && conn->uses == 0)
        return false; /* else pools that need two quotas could open and close for ever */
    for (unsigned i = 0; i < s->pool->link_count; i++) {
        weir_pool_quota *q = s->pool->links[i].quota;
        if (pressure(q) == 0)
            continue;
        if (needed_here) {
            const weir_pool_shard *other = oldest_wanting(q, s);
            if (!other || other->pool == s->pool ||
                atomic_load(&other->oldest) >= atomic_load(&s->oldest) - PATIENCE)
                continue;
        }
        if (!claim_eviction(q))
            continue;
        atomic_store(&s->pool->evicted_at, s->now);
        conn->evicted = (uint8_t)(i + 1);
        weir_pool_conn_set_state(s, conn, WEIR_POOL_CONN_CLOSING);
        return true;
    }
    return false;
}

void weir_pool_evicted(weir_pool_shard *s, weir_pool_conn *conn)
{
    if (conn->evicted)
        atomic_fetch_sub(&s->pool->links[conn->evicted - 1].quota->evicting, 1);
    conn->evicted = 0;
}

/* The shard elsewhere with the longest idle connection that was not told yet. What those that were
 * told have is counted. */
static weir_pool_shard *longest_idle(const weir_pool_quota *q, const weir_pool_shard *s,
                                     unsigned *ret_told)
{
    weir_pool_shard *best = NULL;
    for (weir_pool_link *l = atomic_load(&q->members); l; l = l->next)
        for (unsigned i = 0; i < l->pool->shard_count; i++) {
            weir_pool_shard *other = &l->pool->shards[i];
            unsigned idle = atomic_load(&other->count[WEIR_POOL_CONN_IDLE]);
            if (idle == 0 || l->pool == s->pool)
                continue;
            if (atomic_load(&other->nudged))
                *ret_told += idle;
            else if (!best || atomic_load_explicit(&other->idle_since, memory_order_relaxed) <
                                  atomic_load_explicit(&best->idle_since, memory_order_relaxed))
                best = other;
        }
    return best;
}

weir_pool_shard *weir_pool_quota_victim(const weir_pool_shard *s)
{
    for (unsigned i = 0; i < s->pool->link_count; i++) {
        const weir_pool_quota *q = s->pool->links[i].quota;
        if (atomic_load_explicit(&s->wants[i], memory_order_relaxed) == 0)
            continue;
        unsigned told = 0;
        weir_pool_shard *victim = longest_idle(q, s, &told);
        if (victim && told < pressure(q))
            return victim;
    }
    return NULL;
}

weir_pool_shard *weir_pool_quota_next(const weir_pool_shard *s)
{
    for (unsigned i = 0; i < s->pool->link_count; i++) {
        const weir_pool_quota *q = s->pool->links[i].quota;
        unsigned max = atomic_load(&q->max);
        if (atomic_load(&q->wanted) == 0 || (max > 0 && atomic_load(&q->used) >= max))
            continue;
        weir_pool_shard *other = oldest_wanting(q, s);
        if (other && !atomic_load(&other->nudged))
            return other;
    }
    return NULL;
}
