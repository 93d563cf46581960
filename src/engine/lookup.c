/* The tier behind memory: asking it, judging what it has, giving it what was read.
 *
 *   start ──► asked ──done──► opened ──► ours? ──► stands? ──► promoted into memory
 *     └─ no tier, or ill        └──────────┴──────────┴──► nothing: the statement is run
 * (Where another node's mark is found instead, it is asked again for a while: lease.h.)
 *
 * Invariant: an answer from a tier is given only if the rule for one in memory holds for it at the
 * moment it comes: lineage and fingerprint are ours, its time is not over, as-of and dependencies
 * pass the change clock. `local` counts in the process that wrote it; in any other it is what that
 * one knew of its own writes at the answer's position (proofs, rows 5 and 17). Positions of a
 * server's history are told as the server has them: ours may have an offset, and what is told was
 * captured under that very offset and lineage.
 *
 * When it is given to the tier: when it is filled, if its template's answers are asked for again.
 * Then other nodes, and a restart, find it while it is young; one that memory throws out is old,
 * and its memory is behind a lock. What memory evicts is in the tier already. */
#include "engine/lease.h"
#include <stdlib.h>

/* Of each of these many fills, one hit: else its answers are not worth a way to the tier, but for
 * one in KEEP_SAMPLE, so that a change is noticed. */
#define KEEP_FILLS_MIN 256u
#define KEEP_RATIO 16u
#define KEEP_SAMPLE 8u
#define KEEP_LIFE_MIN (100 * WEIR_MS) /* what ends sooner is not asked for in time */

/* ---- names that every process gives alike ---- */

static const weir_hash_seed mark_seed = {{0x77656972, 0x74696572}};

static uint64_t mix(uint64_t mark, weir_slice bytes)
{
    uint64_t both[2] = {mark, weir_hash(mark_seed, bytes)};
    return weir_hash(mark_seed, weir_slice_make(both, sizeof(both)));
}

static uint64_t mix_number(uint64_t mark, uint64_t n)
{
    return mix(mark, weir_slice_make(&n, sizeof(n)));
}

static uint64_t mix_rule(uint64_t mark, const weir_cache_rule *r)
{
    const char *texts[] = {r->table, r->template,   r->user,   r->database,
                           r->tags,  r->name_space, r->version};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        mark = mix_number(mark, texts[i] != NULL);
        mark = mix(mark, weir_slice_cstr(texts[i] ? texts[i] : ""));
    }
    mark = mix_number(mark, (uint64_t)r->cache);
    mark = mix_number(mark, (uint64_t)r->ttl);
    mark = mix_number(mark, (uint64_t)r->consistency);
    return mix_number(mark, (uint64_t)r->bound);
}

uint64_t weir_cache_settings_mark(const weir_cache_settings *settings)
{
    uint64_t mark = mix_number(0, settings->whole_tables);
    mark = mix_number(mark, (uint64_t)settings->ttl);
    for (size_t i = 0; i < settings->rule_count; i++)
        mark = mix_rule(mark, &settings->rules[i]);
    return mark;
}

static uint64_t run_of(const weir_engine *engine)
{
    return weir_hash(engine->options.seed, WEIR_SLICE_LIT("the name of this run"));
}

static void put_domain(const weir_cache_policy *policy, const weir_origin *origin, uint8_t *ret)
{
    uint64_t words[] = {origin->lineage.system, origin->database, policy->mark};
    static_assert(sizeof(words) == WEIR_DOMAIN_LEN, "as long as is said");
    memcpy(ret, words, sizeof(words));
}

static weir_portable portable_of(const uint8_t *domain, weir_slice identity)
{
    return (weir_portable){.domain = weir_slice_make(domain, WEIR_DOMAIN_LEN),
                           .rest = weir_slice_skip(identity, WEIR_IDENTITY_OWN)};
}

static int64_t wall_of(const weir_worker *worker)
{
    const weir_engine_host *host = &worker->engine->options.host;
    return host->wall(host->user, worker);
}

/* NULL: there is none, or its times could not be told. */
static weir_tier *tier_of(const weir_worker *worker)
{
    const weir_cache *cache = worker->engine->cache;
    return worker->engine->options.host.wall ? cache->tier : NULL;
}

/* ---- asking ---- */

typedef struct found {
    weir_stored stored;
    weir_asof asof;
    weir_time filled_at, expires_at;
} found;

static void count(weir_cache *cache, weir_lookup_end end)
{
    atomic_fetch_add_explicit(&cache->lookups[end], 1, memory_order_relaxed);
}

/* False: its time is over. Clocks of two machines differ: it is never younger than now, and never
 * lives longer than one that is read now. */
static bool place_in_time(const weir_lookup *l, found *f)
{
    const weir_tier_label *label = &f->stored.label;
    int64_t wall = wall_of(l->worker);
    weir_time now = weir_worker_now(l->worker);
    if (label->expires_wall <= wall)
        return false;
    weir_time age = label->filled_wall < wall ? wall - label->filled_wall : 0;
    f->filled_at = age < now ? now - age : 0;
    f->expires_at = label->expires_wall == WEIR_TIER_WALL_NEVER
                        ? WEIR_TIME_NEVER
                        : weir_deadline(now, label->expires_wall - wall);
    if (f->expires_at > weir_entry_fresh_until(l->like))
        f->expires_at = weir_entry_fresh_until(l->like);
    return true;
}

/* Its as-of in our positions. False: it is beyond the newest that we know of; a gap puts the floor
 * behind that alone. */
static bool place_in_history(const weir_lookup *l, const weir_origin *origin, found *f)
{
    weir_history *h = l->database->history;
    const weir_tier_label *label = &f->stored.label;
    uint32_t flags = l->like->flags;
    bool strict =
        WEIR_ENTRY_LEVEL(flags) <= WEIR_CONSISTENCY_STRICT && !(flags & WEIR_ENTRY_DECLARED);
    uint64_t newest = weir_changes_now(h->changes).wal;
    if (newest < origin->offset || label->wal > newest - origin->offset)
        return false;
    f->asof.wal = label->wal + origin->offset;
    f->asof.local = label->run == run_of(l->worker->engine)
                        ? f->stored.local
                        : weir_history_local_at(h, f->asof.wal, strict);
    return true;
}

static weir_lookup_end judge(const weir_lookup *l, const weir_origin *origin, found *f)
{
    const weir_cache_settings *settings = &weir_cache_now(l->worker->engine->cache)->settings;
    const weir_history *h = l->database->history;
    const weir_tier_label *label = &f->stored.label;
    weir_dependency settled[WEIR_LOOKUP_DEPENDENCIES_MAX];
    if (label->lineage.timeline != origin->lineage.timeline ||
        label->lineage.system != origin->lineage.system)
        return WEIR_LOOKUP_LINEAGE;
    if (label->fingerprint != l->fingerprint)
        return WEIR_LOOKUP_FACTS;
    if (f->stored.dependency_count > WEIR_LOOKUP_DEPENDENCIES_MAX)
        return WEIR_LOOKUP_DAMAGED;
    if (!place_in_time(l, f))
        return WEIR_LOOKUP_EXPIRED;
    if (!weir_history_is_fresh(h, weir_worker_now(l->worker), settings->bound))
        return WEIR_LOOKUP_BEHIND;
    if (!place_in_history(l, origin, f))
        return WEIR_LOOKUP_BEHIND;
    for (uint32_t i = 0; i < f->stored.dependency_count; i++)
        settled[i] =
            weir_changes_settle(h->changes, weir_stored_dependency(&f->stored, i), f->asof);
    weir_verdict verdict =
        weir_changes_judge(h->changes, f->asof, settled, f->stored.dependency_count);
#ifdef WEIR_TEST_FAULT_TIER_UNJUDGED
    if (verdict == WEIR_VERDICT_CHANGED)
        verdict = WEIR_VERDICT_STANDS;
#endif
    switch (verdict) {
    case WEIR_VERDICT_STANDS:
        return WEIR_LOOKUP_HIT;
    case WEIR_VERDICT_FLOOR:
        return WEIR_LOOKUP_FLOOR;
    case WEIR_VERDICT_CHANGED:
    default:
        return WEIR_LOOKUP_CHANGED;
    }
}

/* Its dependencies are settled here too: what was not followed when it was read, as a whole. */
static weir_lookup_end promote(const weir_lookup *l, const found *f, weir_entry **ret)
{
    const weir_history *h = l->database->history;
    weir_cache *cache = l->worker->engine->cache;
    weir_entry like = {.hash = l->like->hash,
                       .scope = l->like->scope,
                       .asof = f->asof,
                       .filled_at = f->filled_at,
                       .expires_at = f->expires_at,
                       .ahead = l->like->ahead,
                       .stale_if_ms = l->like->stale_if_ms,
                       .stale_while_ms = l->like->stale_while_ms,
                       .facts = l->like->facts,
                       .template_id = l->like->template_id,
                       .template_serial = l->like->template_serial,
                       .flags = l->like->flags,
                       .rule = l->like->rule};
    weir_entry *entry = NULL;
    if (l->like->stale_max > 0) {
        like.stale_max = l->like->stale_max;
        like.expires_at = weir_deadline(f->expires_at, like.stale_max);
    }
    int r = weir_stored_entry(&f->stored, &like, l->identity, &entry);
    if (r < 0)
        return r == -EPROTO ? WEIR_LOOKUP_DAMAGED : WEIR_LOOKUP_ABSENT;
    for (uint32_t i = 0; i < entry->dependency_count; i++)
        entry->dependencies[i] = weir_changes_settle(h->changes, entry->dependencies[i], f->asof);
    r = weir_store_put(cache->store, l->worker->epoch, entry, weir_worker_now(l->worker));
    (void)r; /* not kept: who asked gets it all the same */
    weir_cache_sweep_soon(l->worker);
    *ret = entry;
    return WEIR_LOOKUP_HIT;
}

static weir_lookup_end look(const weir_lookup *l, weir_slice stored, weir_entry **ret)
{
    const weir_cache *cache = l->worker->engine->cache;
    uint8_t domain[WEIR_DOMAIN_LEN];
    weir_origin origin;
    found f;
    if (stored.len == 0 || !weir_history_origin(l->database, &origin))
        return WEIR_LOOKUP_ABSENT;
    if (weir_stored_open(stored, weir_cache_now(cache)->settings.entry_max, &f.stored) < 0)
        return WEIR_LOOKUP_DAMAGED;
    put_domain(weir_cache_now(cache), &origin, domain);
    if (!weir_stored_is(&f.stored, portable_of(domain, l->identity)))
        return WEIR_LOOKUP_ABSENT; /* another's, with the same hash (hazards, caching 16) */
    weir_lookup_end end = judge(l, &origin, &f);
    if (end != WEIR_LOOKUP_HIT)
        return end;
    /* The positions that were compared are of one era, or a gap came meanwhile. */
    return weir_history_is_of_era(l->database, origin.era) ? promote(l, &f, ret)
                                                           : WEIR_LOOKUP_FLOOR;
}

/* What no process can use any more goes. (What is before this one's floor may stand elsewhere.) */
static bool is_waste(weir_lookup_end end)
{
    return end == WEIR_LOOKUP_CHANGED || end == WEIR_LOOKUP_EXPIRED || end == WEIR_LOOKUP_DAMAGED ||
           end == WEIR_LOOKUP_LINEAGE;
}

static void on_done(weir_tier_get *get, weir_slice stored)
{
    weir_lookup *l = WEIR_CONTAINER_OF(get, weir_lookup, get);
    weir_worker *w = l->worker;
    weir_cache *cache = w->engine->cache;
    weir_entry *entry = NULL;
    uint64_t run = run_of(w->engine), owner;
    bool leased = weir_lease_is(stored, &owner);
    if (leased && owner != run && weir_lease_wait(l))
        return;
    weir_lookup_end end = leased ? WEIR_LOOKUP_LEASED : look(l, stored, &entry);
    count(cache, end);
    if (end == WEIR_LOOKUP_HIT) {
        const weir_statement_stats *s =
            weir_worker_statement(w, l->like->template_id, l->like->template_serial);
        uint64_t saved = s ? atomic_load_explicit(&s->mean_ns, memory_order_relaxed) : 0;
        atomic_fetch_add_explicit(&cache->tier_saved_ns, saved, memory_order_relaxed);
    }
    if (get->absent || is_waste(end))
        l->marked = weir_lease_mark(l, run, is_waste(end));
    if (is_waste(end) && !l->marked)
        cache->tier->ops->remove(cache->tier, w->index, w->loop, &get->key);
    l->done(l, entry);
}

bool weir_lookup_start(weir_lookup *lookup)
{
    weir_worker *w = lookup->worker;
    const weir_cache *cache = w->engine->cache;
    weir_tier *tier = tier_of(w);
    weir_time timeout = weir_cache_now(cache)->settings.tier_timeout;
    uint8_t domain[WEIR_DOMAIN_LEN];
    weir_origin origin;
    if (!tier || lookup->fingerprint == 0 || !weir_history_origin(lookup->database, &origin))
        return false;
    put_domain(weir_cache_now(cache), &origin, domain);
    if (lookup->wait_max > 0 && lookup->wait_max < timeout)
        timeout = lookup->wait_max;
    lookup->get = (weir_tier_get){.key = weir_tier_key_of(portable_of(domain, lookup->identity)),
                                  .deadline = weir_deadline(weir_worker_now(w), timeout),
                                  .done = on_done};
    weir_tier_answer answer = tier->ops->get(tier, w->index, w->loop, &lookup->get);
    weir_list_init(&lookup->node);
    if (answer == WEIR_TIER_ABSENT)
        count(w->engine->cache, WEIR_LOOKUP_ABSENT);
    return answer == WEIR_TIER_ASKED;
}

/* ---- giving ---- */

typedef struct parcel {
    weir_tier_put put;
    weir_entry *entry;
    weir_tier_label label;
    size_t compress_above;
    uint8_t domain[WEIR_DOMAIN_LEN];
} parcel;

static int write_parcel(weir_tier_put *put, weir_buf *out)
{
    const parcel *p = WEIR_CONTAINER_OF(put, parcel, put);
    weir_portable portable = portable_of(p->domain, weir_entry_identity(p->entry));
    return weir_stored_write(&p->label, portable, p->entry, p->compress_above, out);
}

static void drop_parcel(weir_tier_put *put)
{
    parcel *p = WEIR_CONTAINER_OF(put, parcel, put);
    weir_entry_unref(p->entry);
    free(p);
}

/* False: hardly any answer of its template was ever asked for again. */
static bool is_worth_it(weir_worker *w, const weir_entry *entry)
{
    const weir_statement_stats *s =
        weir_worker_statement(w, entry->template_id, entry->template_serial);
    if (!s)
        return false;
    uint64_t fills = atomic_load_explicit(&s->fills, memory_order_relaxed);
    uint64_t hits = atomic_load_explicit(&s->hits, memory_order_relaxed);
    return fills < KEEP_FILLS_MIN || hits >= fills / KEEP_RATIO || fills % KEEP_SAMPLE == 0;
}

/* Read under the rules in force: others may have come since it was asked for. */
static bool is_of(const weir_entry *entry, const weir_cache_policy *policy)
{
    uint32_t own[2];
    static_assert(sizeof(own) == WEIR_IDENTITY_OWN, "the database's index, the rules' generation");
    memcpy(own, weir_entry_identity(entry).data, sizeof(own));
    return own[1] == policy->generation;
}

static parcel *pack(weir_worker *w, const weir_origin *origin, weir_entry *entry,
                    uint64_t fingerprint)
{
    const weir_cache_policy *policy = weir_cache_now(w->engine->cache);
    weir_time now = weir_worker_now(w), life = policy->settings.tier_ttl;
    weir_time until = weir_entry_fresh_until(entry); /* the tier gives nothing stale */
    int64_t wall = wall_of(w);
    parcel *p = is_of(entry, policy) ? calloc(1, sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    if (until != WEIR_TIME_NEVER && until - now < life)
        life = until - now;
    p->label = (weir_tier_label){.lineage = origin->lineage,
                                 .fingerprint = fingerprint,
                                 .run = run_of(w->engine),
                                 .wal = entry->asof.wal - origin->offset,
                                 .filled_wall = wall - (now - entry->filled_at),
                                 .expires_wall = until == WEIR_TIME_NEVER ? WEIR_TIER_WALL_NEVER
                                                                          : wall + (until - now)};
    p->entry = weir_entry_ref(entry);
    p->compress_above = policy->settings.tier_compress_above;
    put_domain(policy, origin, p->domain);
    p->put =
        (weir_tier_put){.key = weir_tier_key_of(portable_of(p->domain, weir_entry_identity(entry))),
                        .ttl = life,
                        .size = sizeof(*p) + entry->identity_len + entry->bytes_len,
                        .expensive = entry->bytes_len > p->compress_above,
                        .write = write_parcel,
                        .drop = drop_parcel};
    return p;
}

bool weir_lookup_keep(weir_worker *worker, weir_database *database, weir_entry *entry,
                      uint64_t fingerprint, uint64_t era, bool awaited)
{
    weir_tier *tier = tier_of(worker);
    weir_origin origin;
    if (!tier || fingerprint == 0 || !weir_history_origin(database, &origin) || origin.era != era ||
        entry->asof.wal < origin.offset ||
        weir_entry_fresh_until(entry) - weir_worker_now(worker) < KEEP_LIFE_MIN ||
        (!awaited && !is_worth_it(worker, entry)))
        return false;
    parcel *p = pack(worker, &origin, entry, fingerprint);
    if (p)
        tier->ops->put(tier, worker->index, worker->loop, &p->put);
    return p != NULL;
}

void weir_lookup_unmark(weir_lookup *lookup)
{
    weir_worker *w = lookup->worker;
    if (!lookup->marked)
        return;
    lookup->marked = false;
    weir_tier *tier = w->engine->cache->tier;
    tier->ops->remove(tier, w->index, w->loop, &lookup->get.key);
}

/* ---- figures ---- */

const char *weir_tier_loss_name(weir_tier_loss loss)
{
    static const char *const names[WEIR_TIER_LOSSES] = {"evicted", "expired", "changed", "damaged"};
    assert(loss < WEIR_TIER_LOSSES);
    return names[loss];
}

const char *weir_lookup_end_name(weir_lookup_end end)
{
    static const char *const names[WEIR_LOOKUP_ENDS] = {
        [WEIR_LOOKUP_HIT] = "hit",         [WEIR_LOOKUP_ABSENT] = "absent",
        [WEIR_LOOKUP_CHANGED] = "changed", [WEIR_LOOKUP_FLOOR] = "forgotten",
        [WEIR_LOOKUP_EXPIRED] = "expired", [WEIR_LOOKUP_BEHIND] = "behind",
        [WEIR_LOOKUP_FACTS] = "facts",     [WEIR_LOOKUP_LINEAGE] = "lineage",
        [WEIR_LOOKUP_DAMAGED] = "damaged", [WEIR_LOOKUP_LEASED] = "leased"};
    assert(end < WEIR_LOOKUP_ENDS);
    return names[end];
}

void weir_engine_tier_stats(weir_engine *engine, weir_engine_tier_figures *ret)
{
    weir_cache *cache = engine->cache;
    *ret = (weir_engine_tier_figures){.name = NULL};
    if (!cache || !cache->tier)
        return;
    ret->name = cache->tier->ops->name;
    cache->tier->ops->stats(cache->tier, &ret->tier);
    for (unsigned i = 0; i < WEIR_LOOKUP_ENDS; i++)
        ret->lookups[i] = atomic_load_explicit(&cache->lookups[i], memory_order_relaxed);
    ret->saved_ns = atomic_load_explicit(&cache->tier_saved_ns, memory_order_relaxed);
}

void weir_engine_set_tier(weir_engine *engine, weir_tier *tier)
{
    assert(engine->cache && !engine->cache->tier);
    engine->cache->tier = tier;
}
