/* Leases: see lease.h. */
#include "engine/lease.h"

#define MAGIC "weir:lease:1"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define MARK_LEN (MAGIC_LEN + sizeof(uint64_t))
#define COST_MIN (5 * WEIR_MS) /* what runs for less is run again sooner than waited for */
#define PAUSE_MIN WEIR_MS
#define PAUSE_MAX (20 * WEIR_MS)

/* ---- marks ---- */

bool weir_lease_is(weir_slice stored, uint64_t *ret_run)
{
    if (stored.len != MARK_LEN || memcmp(stored.data, MAGIC, MAGIC_LEN) != 0)
        return false;
    memcpy(ret_run, stored.data + MAGIC_LEN, sizeof(*ret_run));
    return true;
}

static weir_time wait_of(const weir_lookup *l)
{
    weir_time wait = weir_cache_now(l->worker->engine->cache)->settings.flight_wait;
    return l->wait_max > 0 && l->wait_max < wait ? l->wait_max : wait;
}

/* Its template's runs take long, or it never ran here. */
static bool is_dear(const weir_lookup *l)
{
    const weir_statement_stats *s =
        weir_worker_statement(l->worker, l->like->template_id, l->like->template_serial);
    if (!s)
        return false;
    uint64_t mean = atomic_load_explicit(&s->mean_ns, memory_order_relaxed);
    return mean == 0 || mean >= (uint64_t)COST_MIN;
}

bool weir_lease_mark(weir_lookup *lookup, uint64_t run, bool over)
{
    weir_tier *tier = lookup->worker->engine->cache->tier;
    weir_time wait = weir_cache_now(lookup->worker->engine->cache)->settings.flight_wait;
    uint8_t mark[MARK_LEN];
    if (!tier->ops->mark || wait <= 0 || !is_dear(lookup))
        return false;
    memcpy(mark, MAGIC, MAGIC_LEN);
    memcpy(mark + MAGIC_LEN, &run, sizeof(run));
    tier->ops->mark(tier, lookup->worker->index, lookup->worker->loop, &lookup->get.key,
                    weir_slice_make(mark, sizeof(mark)), wait, over);
    return true;
}

/* ---- waiting ---- */

static weir_lookup *of_node(weir_list *node)
{
    return WEIR_CONTAINER_OF(node, weir_lookup, node);
}

static void rest(weir_lookup *l, weir_time now)
{
    weir_list *all = &l->worker->leases, *before = all;
    l->pause = l->pause == 0 ? PAUSE_MIN : l->pause * 2;
    if (l->pause > PAUSE_MAX)
        l->pause = PAUSE_MAX;
    l->retry_at = weir_deadline(now, l->pause);
    if (l->retry_at > l->wait_until)
        l->retry_at = l->wait_until;
    while (before->prev != all && of_node(before->prev)->retry_at > l->retry_at)
        before = before->prev;
    weir_list_push_back(before, &l->node);
    weir_worker_wake_at(l->worker, l->retry_at);
}

bool weir_lease_wait(weir_lookup *lookup)
{
    weir_time now = weir_worker_now(lookup->worker);
    if (lookup->wait_until == 0) {
        if (wait_of(lookup) <= 0 || !is_dear(lookup))
            return false;
        lookup->wait_until = weir_deadline(now, wait_of(lookup));
    }
    if (now >= lookup->wait_until)
        return false;
    rest(lookup, now);
    return true;
}

static void look_again(weir_lookup *l, weir_time now)
{
    const weir_cache *cache = l->worker->engine->cache;
    weir_tier *tier = cache->tier;
    l->get.absent = false;
    l->get.deadline = weir_deadline(now, weir_cache_now(cache)->settings.tier_timeout);
    if (tier->ops->get(tier, l->worker->index, l->worker->loop, &l->get) != WEIR_TIER_ASKED)
        l->done(l, NULL);
}

weir_time weir_leases_tick(weir_worker *worker, weir_time now)
{
    weir_list *node;
    while ((node = weir_list_first(&worker->leases)) != NULL) {
        weir_lookup *l = of_node(node);
        if (l->retry_at > now)
            return l->retry_at;
        weir_list_remove(&l->node);
        look_again(l, now);
    }
    return WEIR_TIME_NEVER;
}

void weir_leases_end(weir_worker *worker)
{
    for (weir_list *node; (node = weir_list_pop_front(&worker->leases)) != NULL;)
        of_node(node)->done(of_node(node), NULL);
}
