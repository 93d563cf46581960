/* Finding answers, and the cache's life: settings, flushes, figures.
 *
 * Invariant: an entry is given iff its database's history is followed and fresh, it has not
 * expired, and the change clock says that it stands (or its level allows the age it has).
 * Everything that the bytes depend on beside the data is in the identity, which is compared in
 * full. */
#include "engine/lookup.h"
#include <stdlib.h>

#define IDENTITY_SIZE_MAX ((size_t)1 << 20)

/* ---- finding ---- */

weir_buf *weir_session_begin_identity(weir_session *session)
{
    weir_worker *w = session->worker;
    const weir_cache *cache = w->engine->cache;
    weir_buf *b = &w->identity;
    b->size_max = IDENTITY_SIZE_MAX;
    weir_buf_clear(b);
    uint32_t head[2] = {session->pools->database->index,
                        cache ? weir_cache_now(cache)->generation : 0};
    if (weir_buf_append(b, weir_slice_make(head, sizeof(head))) < 0)
        b->size_max = 0; /* nothing fits any more: no identity, no answer */
    return b;
}

/* Its level allows it to be older than the newest change. What was invalidated by hand is not
 * forgiven: without the hand of the database's history the entry must stand. */
static bool is_forgiven(const weir_session *session, const weir_history *history,
                        const weir_entry *e, weir_time now)
{
    weir_consistency level = WEIR_ENTRY_LEVEL(e->flags);
    weir_asof by_hand = {.wal = UINT64_MAX, .local = e->asof.local};
    if (level <= WEIR_CONSISTENCY_STRICT || now - e->filled_at > WEIR_ENTRY_GRACE(e->flags) ||
        weir_changes_judge(history->changes, by_hand, e->dependencies, e->dependency_count) !=
            WEIR_VERDICT_STANDS)
        return false;
    return level == WEIR_CONSISTENCY_BOUNDED ||
           (e->asof.wal >= session->wrote.wal && e->asof.local >= session->wrote.local);
}

/* Its age was declared, and nothing tells of changes: what we know ourselves still counts. */
static unsigned judge_declared(const weir_history *h, const weir_entry *e)
{
    weir_asof by_hand = {.wal = UINT64_MAX, .local = e->asof.local};
    weir_verdict v = weir_changes_judge(h->changes, by_hand, e->dependencies, e->dependency_count);
    return v == WEIR_VERDICT_STANDS ? WEIR_MISS_ABSENT : WEIR_MISS_CHANGED;
}

/* WEIR_MISS_ABSENT: it may be given. */
static unsigned judge(const weir_session *session, const weir_cache_settings *settings,
                      const weir_entry *e, weir_time now)
{
    const weir_history *h = session->pools->database->history;
    if (now >= e->expires_at)
        return WEIR_MISS_EXPIRED;
    if (!weir_history_is_fresh(h, now, settings->bound))
        return e->flags & WEIR_ENTRY_DECLARED ? judge_declared(h, e) : WEIR_MISS_BEHIND;
    switch (weir_changes_judge(h->changes, e->asof, e->dependencies, e->dependency_count)) {
    case WEIR_VERDICT_STANDS:
        return WEIR_MISS_ABSENT;
    case WEIR_VERDICT_FLOOR:
        return WEIR_MISS_FLOOR;
    case WEIR_VERDICT_CHANGED:
    default:
        return is_forgiven(session, h, e, now) ? WEIR_MISS_ABSENT : WEIR_MISS_CHANGED;
    }
}

static weir_removal removal_of(unsigned miss)
{
    return miss == WEIR_MISS_EXPIRED ? WEIR_REMOVAL_EXPIRED
           : miss == WEIR_MISS_FLOOR ? WEIR_REMOVAL_FLUSHED
                                     : WEIR_REMOVAL_CHANGED;
}

const weir_entry *weir_session_find_answer(weir_session *session)
{
    weir_worker *w = session->worker;
    weir_cache *cache = w->engine->cache;
    w->miss = WEIR_MISS_ABSENT;
    if (!cache || !session->pools->database->history || w->identity.size_max == 0)
        return NULL;
    const weir_cache_settings *settings = &weir_cache_now(cache)->settings;
    if (!settings->enabled)
        return NULL;
    weir_slice identity = weir_buf_slice(&w->identity);
    const weir_entry *e =
        weir_store_find(cache->store, weir_store_hash(cache->store, identity), identity);
    if (!e)
        return NULL;
    w->miss = judge(session, settings, e, weir_worker_now(w));
    if (w->miss == WEIR_MISS_ABSENT)
        return e;
    if (w->miss != WEIR_MISS_BEHIND) /* it may stand yet when the history has caught up */
        weir_store_remove(cache->store, w->epoch, e, removal_of(w->miss));
    return NULL;
}

bool weir_session_may_ask(const weir_session *session)
{
    const weir_cache *cache = session->worker->engine->cache;
    const weir_history *h = session->pools->database->history;
    if (!cache || !h)
        return false;
    const weir_cache_settings *s = &weir_cache_now(cache)->settings;
    return s->enabled && (atomic_load_explicit(&h->following, memory_order_relaxed) ||
                          s->rule_count > 0); /* a rule may declare a time */
}

void weir_session_record_hit(weir_session *session, const weir_entry *entry, weir_time started)
{
    weir_worker *w = session->worker;
    weir_statement statement = {.template_id = entry->template_id,
                                .template_serial = entry->template_serial,
                                .kind = WEIR_KIND_READ};
    weir_store_hit(w->engine->cache->store, w->index, entry);
    weir_session_record(session, &statement, WEIR_TARGET_CACHE,
                        started ? started : weir_worker_now(w), entry->rows, "");
    weir_statement_stats *s = weir_worker_statement(w, entry->template_id, entry->template_serial);
    if (s)
        weir_count(&s->hits, 1);
}

void weir_session_count_miss(weir_session *session, unsigned miss)
{
    static_assert(WEIR_MISSES <= WEIR_STATS_MISSES, "a counter for each reason");
    assert(miss < WEIR_MISSES);
    weir_database_stats *d = weir_session_database_stats(session);
    if (d && session->pools->database->history)
        weir_count(&d->misses[miss], 1);
}

void weir_session_note_write(weir_session *session)
{
    const weir_history *h = session->pools->database->history;
    if (h)
        session->wrote = weir_changes_now(h->changes);
}

/* ---- expiry ---- */

#define SWEEP_EVERY WEIR_SECOND
#define SWEEP_AGAIN (5 * WEIR_MS) /* there was more than one call's worth */

void weir_cache_sweep_soon(weir_worker *worker)
{
    if (worker->sweep_at != WEIR_TIME_NEVER)
        return;
    worker->sweep_at = weir_worker_now(worker) + SWEEP_EVERY;
    weir_worker_wake_at(worker, worker->sweep_at);
}

weir_time weir_cache_sweep(weir_worker *worker, weir_time now)
{
    weir_store_stats stats;
    if (now < worker->sweep_at)
        return worker->sweep_at;
    weir_store *store = worker->engine->cache->store;
    bool more = weir_store_expire(store, worker->epoch, now);
    weir_store_stats_read(store, &stats);
    worker->sweep_at = more                ? now + SWEEP_AGAIN
                       : stats.entries > 0 ? now + SWEEP_EVERY
                                           : WEIR_TIME_NEVER;
    return worker->sweep_at;
}

/* ---- settings ---- */

static bool copy_text(weir_arena *a, const char **text)
{
    if (*text)
        *text = weir_arena_strdup(a, weir_slice_cstr(*text));
    return *text != NULL;
}

static int copy_rules(weir_cache_policy *p)
{
    const weir_cache_settings *from = &p->settings;
    weir_cache_rule *rules = weir_arena_alloc(&p->owned, (from->rule_count + 1) * sizeof(*rules));
    bool whole = rules != NULL;
    for (size_t i = 0; whole && i < from->rule_count; i++) {
        rules[i] = from->rules[i];
        const char **texts[] = {&rules[i].table, &rules[i].template, &rules[i].user,
                                &rules[i].database, &rules[i].tags};
        for (size_t n = 0; n < sizeof(texts) / sizeof(*texts); n++)
            whole &= *texts[n] == NULL || copy_text(&p->owned, texts[n]);
    }
    p->settings.rules = rules;
    return whole ? 0 : -ENOMEM;
}

static void policy_free(void *object)
{
    weir_cache_policy *p = object;
    if (!p)
        return;
    weir_arena_fini(&p->owned);
    free(p);
}

static int policy_new(const weir_cache_settings *settings, uint32_t generation,
                      weir_cache_policy **ret)
{
    weir_cache_policy *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->settings = *settings;
    p->generation = generation;
    p->mark = weir_cache_settings_mark(settings);
    weir_arena_init(&p->owned, (size_t)16 << 20);
    if (copy_rules(p) < 0) {
        policy_free(p);
        return -ENOMEM;
    }
    *ret = p;
    return 0;
}

void weir_cache_free(weir_cache *cache)
{
    if (!cache)
        return;
    policy_free(atomic_load(&cache->policy));
    if (cache->tier)
        cache->tier->ops->destroy(cache->tier);
    weir_flights_free(cache->flights);
    weir_store_free(cache->store);
    free(cache);
}

int weir_engine_add_cache(weir_engine *engine, const weir_cache_options *options)
{
    const weir_cache_settings *s = &options->settings;
    weir_store_options store = {.size_max = s->size_max,
                                .entries_max = s->entries_max,
                                .entry_max = s->entry_max,
                                .policy = options->policy,
                                .readers = engine->options.workers,
                                .seed = engine->options.seed,
                                .memory = engine->options.memory};
    weir_flights_options flights = {.flights_max = options->flights_max,
                                    .waiters_max = options->waiters_max,
                                    .seed = engine->options.seed};
    weir_cache_policy *policy = NULL;
    weir_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->engine = engine;
    cache->slots = options->slots;
    int r = policy_new(s, 1, &policy);
    atomic_store(&cache->policy, policy);
    if (r == 0)
        r = weir_store_new(&store, &cache->store);
    if (r == 0)
        r = weir_flights_new(&flights, &cache->flights);
    if (r < 0) {
        weir_cache_free(cache);
        return r;
    }
    engine->cache = cache;
    return 0;
}

void weir_cache_detach(weir_worker *worker)
{
    const weir_cache *cache = worker->engine->cache;
    if (cache && cache->tier)
        cache->tier->ops->detach(cache->tier, worker->index);
}

/* A member for a moment: whoever calls may be no worker. NULL: there is no room for one. */
static weir_epoch_member *join(const weir_engine *engine)
{
    weir_epoch_member *m = NULL;
    if (weir_epoch_join(engine->options.epoch, &m) < 0)
        return NULL;
    weir_epoch_online(m);
    return m;
}

static void leave(weir_epoch_member *m)
{
    weir_epoch_offline(m);
    weir_epoch_leave(m);
}

int weir_engine_configure_cache(weir_engine *engine, const weir_cache_settings *settings)
{
    weir_cache *cache = engine->cache;
    weir_cache_policy *policy = NULL;
    weir_epoch_member *m = join(engine);
    if (!m)
        return -ENOMEM;
    weir_cache_policy *before = atomic_load(&cache->policy);
    int r = policy_new(settings, before->generation + 1, &policy);
    if (r == 0) {
        weir_store_resize(cache->store, settings->size_max, settings->entries_max,
                          settings->entry_max);
        atomic_store_explicit(&cache->policy, policy, memory_order_release);
        weir_epoch_retire(m, before, policy_free);
        weir_store_flush(cache->store, m, UINT32_MAX);
        for (unsigned i = 0; i < engine->database_count; i++)
            weir_history_configure(engine->databases[i], settings);
    }
    leave(m);
    return r;
}

/* ---- by hand ---- */

/* An answer whose read began before this call is not given after it: positions of `local` are
 * handed out in order, and such a read's as-of is before this one. */
static void bump_by_hand(const weir_history *h, uint64_t id)
{
    weir_changes_bump(h->changes, WEIR_HAND_LOCAL, id, weir_changes_next_local(h->changes));
}

static void each_history(weir_engine *engine, const weir_database *database,
                         void (*visit)(const weir_history *h, const void *user), const void *user)
{
    for (unsigned i = 0; i < engine->database_count; i++) {
        const weir_database *d = engine->databases[i];
        if (d->history && (!database || database == d))
            visit(d->history, user);
    }
    if (engine->cache)
        atomic_fetch_add_explicit(&engine->cache->flushes, 1, memory_order_relaxed);
}

static void forget_history(const weir_history *h, const void *user)
{
    (void)user;
    weir_changes_raise_floor(h->changes, WEIR_HAND_LOCAL, weir_changes_next_local(h->changes));
}

void weir_engine_flush(weir_engine *engine, weir_database *database)
{
    each_history(engine, database, forget_history, NULL);
    weir_epoch_member *m = engine->cache ? join(engine) : NULL;
    if (!m)
        return; /* nothing is given; the memory comes back entry by entry */
    weir_store_flush(engine->cache->store, m, database ? database->index : UINT32_MAX);
    leave(m);
}

typedef struct table_flush {
    const weir_history *history;
    uint64_t relation;
} table_flush;

static void forget_column(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                          weir_slice column_name)
{
    const table_flush *f = user;
    (void)relation_name;
    (void)column_name;
    if (relation == f->relation)
        bump_by_hand(f->history, column);
}

static void forget_table(const weir_history *h, const void *user)
{
    table_flush f = {.history = h, .relation = *(const uint64_t *)user};
    bump_by_hand(h, f.relation);
    weir_changes_each_tracked(h->changes, forget_column, &f);
}

void weir_engine_flush_table(weir_engine *engine, weir_database *database, weir_slice table)
{
    uint64_t id = weir_relation_id(table);
    each_history(engine, database, forget_table, &id);
}

static void forget_id(const weir_history *h, const void *user)
{
    bump_by_hand(h, *(const uint64_t *)user);
}

void weir_engine_flush_tag(weir_engine *engine, weir_slice tag)
{
    uint64_t id = weir_tag_id(tag);
    each_history(engine, NULL, forget_id, &id);
}

void weir_engine_flush_prefix(weir_engine *engine, weir_slice prefix)
{
    size_t pos = 0;
    weir_slice p = {0};
    while (p.len < prefix.len && weir_tag_prefix_next(prefix, &pos, &p))
        ;
    bool whole = prefix.len > 0 && p.len == prefix.len; /* it ends where tags are cut */
    uint64_t id = whole ? weir_tag_prefix_id(prefix) : weir_tag_any_id();
    each_history(engine, NULL, forget_id, &id);
}

/* ---- figures ---- */

weir_store *weir_engine_store(weir_engine *engine)
{
    return engine->cache ? engine->cache->store : NULL;
}

static void add_worker(const weir_engine *engine, const weir_worker *w, weir_cache_stats *ret)
{
    for (unsigned i = 0; i < engine->database_count; i++) {
        const weir_database_stats *d = weir_worker_database_stats(w, engine->databases[i]);
        if (!d)
            continue;
        for (unsigned k = 0; k < WEIR_KINDS; k++)
            ret->hits +=
                atomic_load_explicit(&d->queries[k][WEIR_TARGET_CACHE], memory_order_relaxed);
        for (unsigned n = 0; n < WEIR_MISSES; n++)
            ret->misses[n] += atomic_load_explicit(&d->misses[n], memory_order_relaxed);
    }
}

void weir_engine_cache_stats(weir_engine *engine, weir_cache_stats *ret)
{
    const weir_cache *cache = engine->cache;
    *ret = (weir_cache_stats){.enabled = cache && weir_cache_now(cache)->settings.enabled};
    if (!cache)
        return;
    weir_store_stats_read(cache->store, &ret->store);
    weir_flights_stats_read(cache->flights, &ret->flights);
    ret->flushes = atomic_load_explicit(&cache->flushes, memory_order_relaxed);
    for (unsigned i = 0; i < engine->options.workers; i++)
        if (engine->workers[i])
            add_worker(engine, engine->workers[i], ret);
}

const char *weir_miss_name(unsigned miss)
{
    static const char *const names[WEIR_MISS_REFUSED] = {
        "absent", "changed", "forgotten", "expired", "behind", "transaction", "rule", "worthless"};
    assert(miss < WEIR_MISSES);
    return miss < WEIR_MISS_REFUSED ? names[miss]
                                    : weir_refusal_name((weir_refusal)(miss - WEIR_MISS_REFUSED));
}

const char *weir_consistency_name(weir_consistency consistency)
{
    static const char *const names[] = {"", "strict", "session", "bounded"};
    return names[consistency];
}
