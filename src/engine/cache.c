/* Finding answers, and the cache's life: settings, flushes, figures.
 *
 * Invariant: an entry is given iff its database's history is followed and fresh, it has not
 * expired, and the change clock says that it stands (or its level allows the age it has).
 * Everything that the bytes depend on beside the data is in the identity, which is compared in
 * full. */
#include "engine/lease.h"
#include <stdlib.h>

#define IDENTITY_SIZE_MAX ((size_t)1 << 20)

/* ---- finding ---- */

/* The worker's scratch, begun for a question to the database. -ENOMEM. */
static int begin_identity(weir_worker *worker, const weir_database *database)
{
    const weir_cache *cache = worker->engine->cache;
    weir_buf *b = &worker->identity;
    b->size_max = IDENTITY_SIZE_MAX;
    weir_buf_clear(b);
    uint32_t head[2] = {database->index, cache ? weir_cache_now(cache)->generation : 0};
    int r = weir_buf_append(b, weir_slice_make(head, sizeof(head)));
    if (r < 0)
        b->size_max = 0; /* nothing fits any more: no identity, no answer */
    return r;
}

weir_buf *weir_session_begin_identity(weir_session *session)
{
    int r = begin_identity(session->worker, session->pools->database);
    (void)r; /* noticed where it is used */
    return &session->worker->identity;
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
    if (now >= weir_entry_fresh_until(e))
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
    if (!cache || !session->pools->database->history || w->identity.size_max == 0 ||
        session->refreshes)
        return NULL;
    const weir_cache_settings *settings = &weir_cache_now(cache)->settings;
    if (!settings->enabled)
        return NULL;
    weir_slice identity = weir_buf_slice(&w->identity);
    const weir_entry *e =
        weir_store_find(cache->store, weir_store_hash(cache->store, identity), identity);
    if (!e)
        return NULL;
    weir_time now = weir_worker_now(w);
    w->miss = judge(session, settings, e, now);
    if (w->miss == WEIR_MISS_ABSENT) {
        if (e->ahead > 0)
            weir_refresh_ahead(session, e, now);
        return e;
    }
    if (weir_stale_give(session, e, now))
        return e;
    if (w->miss != WEIR_MISS_BEHIND && /* it may stand yet when the history has caught up */
        !weir_stale_stays(session, e, now))
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
    uint64_t saved = s ? atomic_load_explicit(&s->mean_ns, memory_order_relaxed) : 0;
    weir_database_stats *d = weir_session_database_stats(session);
    weir_rule_stats *rule = weir_rule_counts(w, entry->rule);
    if (s)
        weir_count(&s->hits, 1);
    if (d)
        weir_count(&d->saved_ns, saved);
    if (rule) {
        weir_count(&rule->hits, 1);
        weir_count(&rule->saved_ns, saved);
    }
    if (w->hot)
        weir_hot_note(w, entry, saved);
}

void weir_session_note_hit(weir_session *session, const weir_entry *entry)
{
    weir_store_hit(session->worker->engine->cache->store, session->worker->index, entry);
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
        const char **texts[] = {&rules[i].table,    &rules[i].template, &rules[i].user,
                                &rules[i].database, &rules[i].tags,     &rules[i].name_space,
                                &rules[i].version};
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
    free(p->counts);
    free(p);
}

static int policy_new(const weir_engine *engine, const weir_cache_settings *settings,
                      uint32_t generation, weir_cache_policy **ret)
{
    weir_cache_policy *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->settings = *settings;
    p->generation = generation;
    p->mark = weir_cache_settings_mark(settings);
    weir_arena_init(&p->owned, (size_t)16 << 20);
    size_t counts = settings->rule_count * engine->options.workers;
    if (counts > 0)
        p->counts = calloc(counts, sizeof(*p->counts));
    if ((counts > 0 && !p->counts) || copy_rules(p) < 0) {
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
    weir_worths_free(cache->worths);
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
                                .memory = engine->options.memory,
                                .ended = weir_worth_ended};
    weir_flights_options flights = {.flights_max = options->flights_max,
                                    .waiters_max = options->waiters_max,
                                    .seed = engine->options.seed};
    weir_cache_policy *policy = NULL;
    weir_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->engine = engine;
    store.user = cache;
    cache->slots = options->slots;
    cache->refresh = options->refresh;
    cache->refresh_user = options->user;
    int r = policy_new(engine, s, 1, &policy);
    atomic_store(&cache->policy, policy);
    cache->worths = weir_worths_new(weir_template_table_capacity(engine->templates));
    if (r == 0 && !cache->worths)
        r = -ENOMEM;
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
    if (!cache || !cache->tier)
        return;
    weir_leases_end(worker);
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
    int r = policy_new(engine, settings, before->generation + 1, &policy);
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

typedef struct invalidation {
    const weir_history *history;
    weir_changes *changes;
    weir_hand hand;
    uint64_t position, relation;
} invalidation;

static void bump(const invalidation *v, uint64_t id)
{
    weir_changes_bump(v->changes, v->hand, id, v->position);
}

static void forget_id(const invalidation *v, uint64_t id)
{
    bump(v, id);
    weir_history_end_stale_of(v->history, id);
}

static void forget_column(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                          weir_slice column_name)
{
    const invalidation *v = user;
    (void)relation_name;
    (void)column_name;
    if (relation == v->relation)
        bump(v, column);
}

static void forget_table(invalidation *v, weir_slice name)
{
    v->relation = weir_relation_id(name);
    forget_id(v, v->relation);
    weir_changes_each_tracked(v->changes, forget_column, v);
}

/* A server's tables have a schema. */
static void forget_tables(invalidation *v, weir_slice name)
{
    static const char prefix[] = "public.";
    uint8_t full[sizeof(prefix) + WEIR_FLUSH_NAME_MAX];
    forget_table(v, name);
    if (name.len > WEIR_FLUSH_NAME_MAX || memchr(name.data, '.', name.len))
        return;
    memcpy(full, prefix, sizeof(prefix) - 1);
    memcpy(full + sizeof(prefix) - 1, name.data, name.len);
    forget_table(v, weir_slice_make(full, sizeof(prefix) - 1 + name.len));
}

static uint64_t id_of_prefix(weir_slice prefix)
{
    size_t pos = 0;
    weir_slice p = {0};
    while (p.len < prefix.len && weir_tag_prefix_next(prefix, &pos, &p))
        ;
    bool whole = prefix.len > 0 && p.len == prefix.len; /* it ends where tags are cut */
    return whole ? weir_tag_prefix_id(prefix) : weir_tag_any_id();
}

/* An answer whose read began before `position` was handed out, or ends, is not given any more. */
void weir_history_invalidate(const weir_history *history, const weir_flush *flush, weir_hand hand,
                             uint64_t position)
{
    invalidation v = {
        .history = history, .changes = history->changes, .hand = hand, .position = position};
    switch (flush->kind) {
    case WEIR_FLUSH_ALL:
        weir_changes_raise_floor(history->changes, hand, position);
        weir_history_end_stale(history);
        return;
    case WEIR_FLUSH_TABLE:
        if (flush->name.len > 0)
            forget_tables(&v, flush->name);
        return;
    case WEIR_FLUSH_TAG:
        forget_id(&v, weir_tag_id(flush->name));
        return;
    case WEIR_FLUSH_PREFIX:
        forget_id(&v, id_of_prefix(flush->name));
        return;
    }
}

/* `told`: others too, and first: once `local` has it, a heartbeat may say that its position holds
 * it (backend.h, `outcomes`). What others read until now, and only the tier knows yet, is as of the
 * newest `wal` position or before, but for the little that other nodes are ahead of us: until the
 * message comes back. */
static void flush_history(const weir_history *h, const weir_flush *flush, bool told)
{
    weir_backend *b = h->database->backend;
    if (told && b->ops->flush)
        b->ops->flush(b, flush);
    weir_history_invalidate(h, flush, WEIR_HAND_LOCAL, weir_changes_next_local(h->changes));
    if (b->ops->flush && h->database->engine->cache->tier)
        weir_history_invalidate(h, flush, WEIR_HAND_WAL, weir_changes_next_wal(h->changes));
}

static void flush_all(weir_engine *engine, const weir_database *database, const weir_flush *flush)
{
    for (unsigned i = 0; i < engine->database_count; i++) {
        const weir_database *d = engine->databases[i];
        if (d->history && (!database || database == d))
            flush_history(d->history, flush, true);
    }
    if (engine->cache)
        atomic_fetch_add_explicit(&engine->cache->flushes, 1, memory_order_relaxed);
}

/* Nothing of it is given any more; without room for a member its memory comes back entry by entry.
 */
static void empty_store(weir_engine *engine, const weir_database *database)
{
    weir_epoch_member *m = engine->cache ? join(engine) : NULL;
    if (!m)
        return;
    weir_store_flush(engine->cache->store, m, database ? database->index : UINT32_MAX);
    leave(m);
}

void weir_engine_flush(weir_engine *engine, weir_database *database)
{
    flush_all(engine, database, &(weir_flush){.kind = WEIR_FLUSH_ALL});
    empty_store(engine, database);
}

void weir_database_forget(const weir_database *database)
{
    if (database->history)
        flush_history(database->history, &(weir_flush){.kind = WEIR_FLUSH_ALL}, false);
    empty_store(database->engine, database);
}

void weir_engine_flush_table(weir_engine *engine, weir_database *database, weir_slice table)
{
    flush_all(engine, database, &(weir_flush){.kind = WEIR_FLUSH_TABLE, .name = table});
}

void weir_engine_flush_tag(weir_engine *engine, weir_slice tag)
{
    flush_all(engine, NULL, &(weir_flush){.kind = WEIR_FLUSH_TAG, .name = tag});
}

void weir_engine_flush_namespace(weir_engine *engine, weir_slice name)
{
    char tag[WEIR_NAMESPACE_TAG_MAX];
    weir_engine_flush_tag(engine, weir_namespace_tag(name, tag));
}

void weir_engine_flush_prefix(weir_engine *engine, weir_slice prefix)
{
    flush_all(engine, NULL, &(weir_flush){.kind = WEIR_FLUSH_PREFIX, .name = prefix});
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
        ret->saved_ns += atomic_load_explicit(&d->saved_ns, memory_order_relaxed);
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
    for (unsigned i = 0; i < WEIR_STRATEGIES; i++)
        ret->strategies[i] = atomic_load_explicit(&cache->strategies[i], memory_order_relaxed);
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
