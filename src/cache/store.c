/* The store: buckets of chains, found by hash; a policy that says who goes; a wheel that says who
 * has expired.
 *
 *   put ──► kept: in its chain, with the policy, on the wheel if it expires
 *             └─ evicted, expired, changed, replaced, flushed ──► retired ──► the store's reference
 *                                                                  (epoch)    is given back
 *
 * Invariants: whoever changes anything holds `busy`. An entry is complete when it is linked, and
 * its `next` stays as it is when it is unlinked: readers that stand on it go on from there. What is
 * taken out under the lock is retired after it. */
#include "base/spin.h"
#include "cache/hits.h"
#include "cache/wheel.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Entries are hardly smaller: a bucket for each that fits. */
#define ENTRY_SIZE_GUESS 512u
#define BUCKETS_MIN ((size_t)64)
#define BUCKETS_MAX ((size_t)1 << 26)
/* One answer may take this part of the store: it must not throw out all the others. */
#define ENTRY_SHARE 8u
/* How much is done in one go under the lock. */
#define EVICTIONS_MAX 64u
#define EXPIRIES_MAX 128u
#define FLUSH_BUCKETS 256u

typedef weir_entry *_Atomic link_to; /* the next entry of a chain */

struct weir_store {
    /* Never written while anybody finds. */
    link_to *buckets;
    size_t mask;
    const weir_policy_ops *ops;
    weir_hits *hits; /* one per reader; NULL: the policy wants none */
    unsigned readers;
    weir_memory *memory;
    uint8_t secret[XXH3_SECRET_DEFAULT_SIZE];
    /* Its writers' part is on lines that readers do not look at. */
    alignas(WEIR_CACHE_LINE) weir_spin busy;
    /* Under `busy`: */
    weir_policy *policy;
    size_t size_max, entries_max, entry_max;
    weir_store_stats stats; /* its bounds are as they were given */
    weir_wheel wheel;
    void (*ended)(void *user, const weir_entry *entry);
    void *user;
};

/* ---- making one ---- */

static size_t bucket_count(const weir_store_options *options)
{
    size_t entries = options->size_max / ENTRY_SIZE_GUESS;
    if (options->entries_max > 0 && options->entries_max < entries)
        entries = options->entries_max;
    size_t n = BUCKETS_MIN;
    while (n < entries && n < BUCKETS_MAX)
        n *= 2;
    return n;
}

/* XXH3 wants a secret without a pattern: the seed's keyed hash of each word's place. */
static void derive_secret(uint8_t *secret, size_t len, weir_hash_seed seed)
{
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = weir_hash(seed, weir_slice_make(&at, sizeof(at)));
        memcpy(secret + at, &word, sizeof(word));
    }
}

static void set_bounds(weir_store *s, size_t size_max, size_t entries_max, size_t entry_max)
{
    s->size_max = size_max;
    s->entries_max = entries_max > 0 ? entries_max : SIZE_MAX;
    s->entry_max = entry_max < size_max / ENTRY_SHARE ? entry_max : size_max / ENTRY_SHARE;
    s->stats.bytes_max = size_max;
    s->stats.entries_max = entries_max;
}

static int alloc_parts(weir_store *s, const weir_store_options *options)
{
    if (s->memory &&
        weir_memory_charge(s->memory, WEIR_MEMORY_CACHE, (s->mask + 1) * sizeof(link_to)) < 0) {
        s->memory = NULL; /* nothing to give back */
        return -ENOMEM;
    }
    /* Pages that no hash has met yet cost nothing. */
    s->buckets = (link_to *)calloc(s->mask + 1, sizeof(link_to));
    if (!s->buckets)
        return -ENOMEM;
    if (s->ops->counts_hits) {
        s->hits = aligned_alloc(alignof(weir_hits), s->readers * sizeof(weir_hits));
        if (!s->hits)
            return -ENOMEM;
        memset(s->hits, 0, s->readers * sizeof(weir_hits));
    }
    return s->ops->new (options->size_max, options->entries_max, &s->policy);
}

static bool is_valid(const weir_store_options *options)
{
    return options->size_max > 0 && options->entry_max > 0 && options->readers > 0 &&
           (unsigned)options->policy < WEIR_POLICIES;
}

int weir_store_new(const weir_store_options *options, weir_store **ret)
{
    if (!is_valid(options))
        return -EINVAL;
    weir_store *s = aligned_alloc(alignof(weir_store), sizeof(*s));
    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof(*s));
    s->mask = bucket_count(options) - 1;
    s->ops = weir_policy_ops_of(options->policy);
    s->readers = options->readers;
    s->ended = options->ended;
    s->user = options->user;
    s->memory = options->memory;
    derive_secret(s->secret, sizeof(s->secret), options->seed);
    set_bounds(s, options->size_max, options->entries_max, options->entry_max);
    int r = alloc_parts(s, options);
    if (r < 0) {
        weir_store_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static link_to *bucket_of(weir_store *s, uint64_t hash)
{
    return &s->buckets[hash & s->mask];
}

static weir_entry *follow(const link_to *l)
{
    return atomic_load_explicit(l, memory_order_acquire);
}

static void release_memory(weir_store *s, size_t size)
{
    if (s->memory)
        weir_memory_release(s->memory, WEIR_MEMORY_CACHE, size);
}

void weir_store_free(weir_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; store->buckets && i <= store->mask; i++) {
        for (weir_entry *e = follow(&store->buckets[i]), *next; e; e = next) {
            next = follow(&e->next);
            weir_entry_unref(e);
        }
    }
    release_memory(store, store->stats.bytes + (store->mask + 1) * sizeof(link_to));
    if (store->policy)
        store->ops->free(store->policy);
    free(store->hits);
    free((void *)(uintptr_t)store->buckets);
    free(store);
}

/* ---- finding ---- */

uint64_t weir_store_hash(const weir_store *store, weir_slice identity)
{
    return XXH3_64bits_withSecret(identity.data, identity.len, store->secret,
                                  sizeof(store->secret));
}

/* Two identities may share a hash: what is given is what was asked for (hazards, caching 16). */
static weir_entry *find(weir_store *s, uint64_t hash, weir_slice identity)
{
    weir_entry *e = follow(bucket_of(s, hash));
    while (e && !(e->node.hash == hash && weir_slice_eq(weir_entry_identity(e), identity)))
        e = follow(&e->next);
    return e;
}

const weir_entry *weir_store_find(weir_store *store, uint64_t hash, weir_slice identity)
{
    return find(store, hash, identity);
}

/* The link that holds it; NULL: it is not in the store. Under the lock. Only addresses are
 * compared, so `entry` may be gone. */
static link_to *link_of(weir_store *s, uint64_t hash, const weir_entry *entry)
{
    link_to *l = bucket_of(s, hash);
    for (weir_entry *e; (e = follow(l)) != NULL; l = &e->next) {
        if (e == entry)
            return l;
    }
    return NULL;
}

/* ---- hits ---- */

/* If another entry has taken the address in the meantime, the policy takes it for hit: so be it. */
static void tell_hit(void *user, uint64_t hash, const weir_entry *entry)
{
    weir_store *s = user;
    link_to *l = link_of(s, hash, entry);
    if (l)
        s->ops->hit(s->policy, &follow(l)->node);
}

static void tell_hits(weir_store *s)
{
    for (unsigned i = 0; s->hits && i < s->readers; i++)
        weir_hits_drain(&s->hits[i], tell_hit, s);
}

/* When somebody else holds the lock for too long, hits are lost: a policy can do without some. */
static void gather(weir_store *s, weir_hits *hits, const weir_entry *entry)
{
    if (weir_hits_push(hits, entry->hash, entry) || !weir_spin_try_lock(&s->busy))
        return;
    weir_hits_drain(hits, tell_hit, s);
    weir_spin_unlock(&s->busy);
    (void)weir_hits_push(hits, entry->hash, entry);
}

void weir_store_hit(weir_store *store, unsigned reader, const weir_entry *entry)
{
    assert(reader < store->readers);
    if (store->hits) {
        gather(store, &store->hits[reader], entry);
        return;
    }
    /* Hot entries are at the cap: no line is written. A count lost to another reader is no harm. */
    _Atomic uint8_t *count = &((weir_entry *)(uintptr_t)entry)->node.count;
    uint8_t seen = atomic_load_explicit(count, memory_order_relaxed);
    if (seen < WEIR_POLICY_COUNT_CAP)
        atomic_compare_exchange_weak_explicit(count, &seen, (uint8_t)(seen + 1),
                                              memory_order_relaxed, memory_order_relaxed);
}

/* ---- taking out ---- */

/* Out of the chain `l`, the wheel and the counts, onto the list `gone`; the policy knows already.
 */
static void unlink_entry(weir_store *s, link_to *l, weir_removal why, weir_entry **gone)
{
    weir_entry *e = follow(l);
    atomic_store_explicit(l, follow(&e->next), memory_order_release);
    weir_wheel_remove(e);
    s->stats.bytes -= e->node.size;
    s->stats.entries--;
    s->stats.removals[why]++;
    if (s->ended && why != WEIR_REMOVAL_FLUSHED)
        s->ended(s->user, e);
    release_memory(s, e->node.size);
    e->timer_next = *gone; /* nobody else uses it any more */
    *gone = e;
}

static void take_out(weir_store *s, link_to *l, weir_removal why, weir_entry **gone)
{
    s->ops->remove(s->policy, &follow(l)->node);
    unlink_entry(s, l, why, gone);
}

/* The size of what went; 0: nothing is left. */
static size_t evict(weir_store *s, weir_entry **gone)
{
    weir_policy_node *node = s->ops->evict(s->policy);
    if (!node)
        return 0;
    weir_entry *e = WEIR_CONTAINER_OF(node, weir_entry, node);
    unlink_entry(s, link_of(s, e->hash, e), WEIR_REMOVAL_EVICTED, gone);
    return node->size;
}

static void give_back(void *entry)
{
    weir_entry_unref(entry);
}

/* Not under the lock. */
static void retire(weir_epoch_member *member, weir_entry *gone)
{
    for (weir_entry *next; gone; gone = next) {
        next = gone->timer_next;
        weir_epoch_retire(member, gone, give_back);
    }
}

static bool is_over(const weir_store *s)
{
    return s->stats.bytes > s->size_max || s->stats.entries > s->entries_max;
}

/* `size` was added. Within the bounds it stays so; beyond them, after a resize, it comes nearer. */
static void make_room(weir_store *s, size_t size, weir_entry **gone)
{
    size_t freed = 0;
    for (unsigned n = 0; is_over(s) && (n < EVICTIONS_MAX || freed < size); n++) {
        size_t one = evict(s, gone);
        if (one == 0)
            return;
        freed += one;
    }
}

/* ---- keeping ---- */

/* False: memory.max is reached, and evicting did not help, or cannot. */
static bool charge(weir_store *s, size_t size, weir_entry **gone)
{
    if (!s->memory)
        return true;
    size_t freed = 0;
    for (unsigned n = 0; weir_memory_charge(s->memory, WEIR_MEMORY_CACHE, size) < 0; n++) {
        size_t one = n < EVICTIONS_MAX && freed + s->stats.bytes >= size ? evict(s, gone) : 0;
        if (one == 0)
            return false;
        freed += one;
    }
    return true;
}

static void keep(weir_store *s, weir_entry *entry, size_t size)
{
    assert(entry->node.size == 0 && size > 0); /* it never was in a store */
    entry->node.hash = entry->hash;
    entry->node.size = size;
    link_to *bucket = bucket_of(s, entry->hash);
    atomic_store_explicit(&entry->next, follow(bucket), memory_order_relaxed);
    atomic_store_explicit(bucket, weir_entry_ref(entry), memory_order_release);
    s->ops->insert(s->policy, &entry->node);
    weir_wheel_add(&s->wheel, entry);
    s->stats.bytes += size;
    s->stats.entries++;
    s->stats.puts++;
}

static bool is_newer(weir_asof a, weir_asof b)
{
    return a.wal != b.wal ? a.wal > b.wal : a.local > b.local;
}

/* Positions of different databases are not to be compared; what has expired is worth nothing. */
static bool stays(const weir_entry *present, const weir_entry *entry, weir_time now)
{
    return present == entry || (present->scope == entry->scope && present->expires_at > now &&
                                is_newer(present->asof, entry->asof));
}

static int put(weir_store *s, weir_entry *entry, size_t size, weir_time now, weir_entry **gone)
{
    if (size > s->entry_max || entry->expires_at <= now)
        return WEIR_STORE_REFUSED;
    weir_entry *present = find(s, entry->hash, weir_entry_identity(entry));
    if (present && stays(present, entry, now))
        return 0;
    tell_hits(s);
    if (present)
        take_out(s, link_of(s, entry->hash, present), WEIR_REMOVAL_REPLACED, gone);
    if (!charge(s, size, gone))
        return WEIR_STORE_REFUSED;
    keep(s, entry, size);
    make_room(s, size, gone);
    return 0;
}

int weir_store_put(weir_store *store, weir_epoch_member *member, weir_entry *entry, weir_time now)
{
    size_t size = malloc_usable_size(entry);
    weir_entry *gone = NULL;
    weir_spin_lock(&store->busy);
    int r = put(store, entry, size, now, &gone);
    if (r == WEIR_STORE_REFUSED)
        store->stats.refused++;
    weir_spin_unlock(&store->busy);
    retire(member, gone);
    return r;
}

/* ---- removing ---- */

const char *weir_removal_name(weir_removal removal)
{
    static const char *const names[WEIR_REMOVALS] = {
        [WEIR_REMOVAL_EVICTED] = "evicted", [WEIR_REMOVAL_EXPIRED] = "expired",
        [WEIR_REMOVAL_CHANGED] = "changed", [WEIR_REMOVAL_REPLACED] = "replaced",
        [WEIR_REMOVAL_FLUSHED] = "flushed",
    };
    assert(removal < WEIR_REMOVALS);
    return names[removal];
}

void weir_store_remove(weir_store *store, weir_epoch_member *member, const weir_entry *entry,
                       weir_removal why)
{
    assert(why < WEIR_REMOVALS);
    weir_entry *gone = NULL;
    weir_spin_lock(&store->busy);
    link_to *l = link_of(store, entry->hash, entry);
    if (l)
        take_out(store, l, why, &gone);
    weir_spin_unlock(&store->busy);
    retire(member, gone);
}

bool weir_store_expire(weir_store *store, weir_epoch_member *member, weir_time now)
{
    weir_entry *gone = NULL;
    unsigned budget = EXPIRIES_MAX;
    weir_spin_lock(&store->busy);
    for (weir_entry *e; (e = weir_wheel_next(&store->wheel, now, &budget)) != NULL;)
        take_out(store, link_of(store, e->hash, e), WEIR_REMOVAL_EXPIRED, &gone);
    make_room(store, 0, &gone);
    bool more = budget == 0 || is_over(store);
    weir_spin_unlock(&store->busy);
    retire(member, gone);
    return more;
}

static void flush_bucket(weir_store *s, link_to *l, uint32_t scope, weir_entry **gone)
{
    for (weir_entry *e; (e = follow(l)) != NULL;) {
        if (scope == UINT32_MAX || e->scope == scope)
            take_out(s, l, WEIR_REMOVAL_FLUSHED, gone);
        else
            l = &e->next;
    }
}

void weir_store_flush(weir_store *store, weir_epoch_member *member, uint32_t scope)
{
    for (size_t i = 0; i <= store->mask;) {
        weir_entry *gone = NULL;
        weir_spin_lock(&store->busy);
        for (size_t end = i + FLUSH_BUCKETS; i < end && i <= store->mask; i++)
            flush_bucket(store, &store->buckets[i], scope, &gone);
        weir_spin_unlock(&store->busy);
        retire(member, gone);
    }
}

void weir_store_resize(weir_store *store, size_t size_max, size_t entries_max, size_t entry_max)
{
    weir_spin_lock(&store->busy);
    set_bounds(store, size_max, entries_max, entry_max);
    store->ops->resize(store->policy, size_max);
    weir_spin_unlock(&store->busy);
}

/* ---- looking at it ---- */

void weir_store_each(weir_store *store, bool (*visit)(void *user, const weir_entry *entry),
                     void *user)
{
    for (size_t i = 0; i <= store->mask; i++) {
        for (const weir_entry *e = follow(&store->buckets[i]); e; e = follow(&e->next)) {
            if (!visit(user, e))
                return;
        }
    }
}

void weir_store_stats_read(const weir_store *store, weir_store_stats *ret)
{
    weir_store *s = (weir_store *)(uintptr_t)store;
    weir_spin_lock(&s->busy);
    *ret = s->stats;
    weir_spin_unlock(&s->busy);
}
