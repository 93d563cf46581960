/* The change clock: slots, two hands, a floor. When an answer may be given is decided here.
 *
 * What must hold: an answer whose read began before a change was made is not given to a read that
 * begins after the change was told (a COMMIT's outcome sent, a FLUSH returned).
 *
 * Why it does, for the hand `local`. The one who changes goes through
 *     change ─► p = next_local ─► bump(id, p) ─► told
 * and the one who reads through
 *     c = now().local ─► read ─► keep;   later: judge ─► give.
 * next_local is a read-modify-write of one word and now() loads that word, so the two are ordered:
 *   c <  p   The answer may or may not hold the change. Its slot is at least p from the bump on,
 * for slots never go back, and who learnt of `told` sees the bump: judged CHANGED. c >= p   The
 * load read from next_local or a later link of its chain of read-modify-writes, hence acquired what
 * was before it: the read began after the change, and may be kept. That the bump with p has not
 * landed yet does not matter, and neither does whether those of other positions below c have: each
 * of their changes too was made before its position was. So a position may be seen before it is
 * bumped; what may not be is a position taken before the change is there. By hand there is nothing
 * to wait for: "the change" is that FLUSH was called.
 *
 * The hand `wal` is not counted by asking but published. One thread follows the history:
 *     commit, visible to new snapshots ─► p = next_wal ─► bumps with p ─► publish(p) ─► told
 * The argument is the same, with publish in the place of next_local; a position published before
 * its commit is visible would break it (proofs, row 2). Bumps go before publish because a session
 * that waits until the newest position has passed its own takes the slots for bumped (row 11).
 *
 * A slot is a maximum because two threads may bump it in the other order than they took their
 * positions: a plain store of the lower one over the higher would revive answers in between (row
 * 12). tests/unit/cache/test_changes_orders.c goes through all orders of these steps. */
#include "cache/changes.h"

#include "cache/tracked.h"
#include <assert.h>
#include <stdlib.h>

#define HANDS 2
#define SLOTS_MAX ((size_t)1 << 31)

typedef struct slot {
    _Atomic uint64_t at[HANDS];
} slot;

/* The pads keep what every read looks at apart from what commits write, and both from the counts.
 */
struct weir_changes {
    slot *slots;
    size_t mask;
    weir_hash_seed seed;
    weir_tracked tracked;
    weir_memory *memory;
    size_t charged;
    char pad_positions[64];
    _Atomic uint64_t newest[HANDS], floor[HANDS];
    char pad_counts[64];
    _Atomic uint64_t bumps, slots_used;
};

/* ---- life ---- */

static size_t power_of_two(size_t at_least)
{
    size_t n = 1;
    while (n < at_least && n < SLOTS_MAX)
        n *= 2;
    return n;
}

static int allocate(weir_changes *c, const weir_changes_options *options)
{
    size_t slots = power_of_two(options->slots);
    size_t size = slots * sizeof(slot) + weir_tracked_size(options->columns_max);
    if (options->memory && weir_memory_charge(options->memory, WEIR_MEMORY_CACHE, size) < 0)
        return -ENOMEM;
    c->memory = options->memory;
    c->charged = size;
    c->mask = slots - 1;
    c->seed = options->seed;
    c->slots = calloc(slots, sizeof(slot));
    return c->slots ? weir_tracked_init(&c->tracked, options->columns_max) : -ENOMEM;
}

int weir_changes_new(const weir_changes_options *options, weir_changes **ret)
{
    weir_changes *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    if (allocate(c, options) < 0) {
        weir_changes_free(c);
        return -ENOMEM;
    }
    for (int hand = 0; hand < HANDS; hand++) {
        atomic_init(&c->newest[hand], WEIR_CHANGES_FIRST);
        atomic_init(&c->floor[hand], WEIR_CHANGES_FIRST);
    }
    *ret = c;
    return 0;
}

void weir_changes_free(weir_changes *changes)
{
    if (!changes)
        return;
    if (changes->memory)
        weir_memory_release(changes->memory, WEIR_MEMORY_CACHE, changes->charged);
    weir_tracked_fini(&changes->tracked);
    free(changes->slots);
    free(changes);
}

/* ---- positions ---- */

/* To the maximum of both; what it was. */
static uint64_t raise_to(_Atomic uint64_t *word, uint64_t position)
{
    uint64_t was = atomic_load_explicit(word, memory_order_relaxed);
    while (was < position &&
           !atomic_compare_exchange_weak_explicit(word, &was, position, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
    }
    return was;
}

static weir_asof load_hands(const _Atomic uint64_t hands[HANDS])
{
    return (weir_asof){
        .wal = atomic_load_explicit(&hands[WEIR_HAND_WAL], memory_order_acquire),
        .local = atomic_load_explicit(&hands[WEIR_HAND_LOCAL], memory_order_acquire),
    };
}

weir_asof weir_changes_now(const weir_changes *changes)
{
    return load_hands(changes->newest);
}

uint64_t weir_changes_next_wal(const weir_changes *changes)
{
    return atomic_load_explicit(&changes->newest[WEIR_HAND_WAL], memory_order_relaxed) + 1;
}

void weir_changes_publish_wal(weir_changes *changes, uint64_t wal)
{
    raise_to(&changes->newest[WEIR_HAND_WAL], wal);
}

uint64_t weir_changes_next_local(weir_changes *changes)
{
    return atomic_fetch_add_explicit(&changes->newest[WEIR_HAND_LOCAL], 1, memory_order_acq_rel) +
           1;
}

/* ---- changes ---- */

/* Murmur3's finalizer between the two halves of the seed: ids are hashes under keys that everybody
 * knows, and nobody shall choose which of them meet. */
static slot *slot_of(const weir_changes *c, uint64_t id)
{
    uint64_t x = id ^ c->seed.k[0];
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x ^= c->seed.k[1];
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return &c->slots[(x ^ x >> 33) & c->mask];
}

void weir_changes_bump(weir_changes *changes, weir_hand hand, uint64_t id, uint64_t position)
{
    slot *s = slot_of(changes, id);
    uint64_t other = atomic_load_explicit(&s->at[1 - hand], memory_order_relaxed);
#ifdef WEIR_TEST_FAULT_PLAIN_STORE
    uint64_t was = atomic_exchange(&s->at[hand], position);
#else
    uint64_t was = raise_to(&s->at[hand], position);
#endif
    if (was == 0 && other == 0)
        atomic_fetch_add_explicit(&changes->slots_used, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&changes->bumps, 1, memory_order_relaxed);
}

void weir_changes_raise_floor(weir_changes *changes, weir_hand hand, uint64_t position)
{
    raise_to(&changes->floor[hand], position);
}

weir_asof weir_changes_floor(const weir_changes *changes)
{
    return load_hands(changes->floor);
}

/* ---- tracked columns ---- */

int weir_changes_track(weir_changes *changes, uint64_t relation, uint64_t column,
                       weir_slice relation_name, weir_slice column_name)
{
    return weir_tracked_add(&changes->tracked, relation, column, relation_name, column_name);
}

uint64_t weir_changes_track_serial(const weir_changes *changes)
{
    return atomic_load_explicit(&changes->tracked.count, memory_order_acquire);
}

void weir_changes_each_tracked(const weir_changes *changes,
                               void (*visit)(void *user, uint64_t relation, uint64_t column,
                                             weir_slice relation_name, weir_slice column_name),
                               void *user)
{
    uint64_t count = weir_changes_track_serial(changes);
    for (uint64_t i = 0; i < count; i++) {
        const weir_tracked_column *t = &changes->tracked.columns[i];
        visit(user, t->relation, t->column, weir_slice_make(t->relation_name, t->relation_len),
              weir_slice_make(t->column_name, t->column_len));
    }
}

/* Of a relation that has not changed since the floor there was no value to report. */
static uint64_t since_of(const weir_changes *c, const weir_tracked_column *t, uint64_t wal)
{
    uint64_t floor = atomic_load_explicit(&c->floor[WEIR_HAND_WAL], memory_order_relaxed);
    uint64_t told =
        atomic_load_explicit(&slot_of(c, t->relation)->at[WEIR_HAND_WAL], memory_order_relaxed);
    return told <= floor && floor < wal ? floor : wal;
}

void weir_changes_confirm_tracked(weir_changes *changes, uint64_t serial, uint64_t wal)
{
    uint64_t count = weir_changes_track_serial(changes);
    for (uint64_t i = 0; i < count && i < serial; i++) {
        weir_tracked_column *t = &changes->tracked.columns[i];
        if (atomic_load_explicit(&t->since, memory_order_relaxed) == WEIR_TRACKED_NEVER)
            weir_tracked_confirm(t, since_of(changes, t, wal));
    }
}

void weir_changes_confirm_unchanged(weir_changes *changes, uint64_t column)
{
    weir_tracked_column *t = weir_tracked_find(&changes->tracked, column);
    uint64_t since = t ? since_of(changes, t, WEIR_TRACKED_NEVER) : WEIR_TRACKED_NEVER;
    if (since != WEIR_TRACKED_NEVER)
        weir_tracked_confirm(t, since);
}

weir_dependency weir_changes_settle(const weir_changes *changes, weir_dependency dependency,
                                    weir_asof asof)
{
#ifdef WEIR_TEST_FAULT_SINCE_EVER
    return dependency;
#endif
    if (dependency.column == 0 ||
        weir_tracked_since(&changes->tracked, dependency.column) <= asof.wal)
        return dependency;
    return (weir_dependency){.relation = dependency.relation};
}

/* ---- judging ---- */

static bool unchanged(const weir_changes *c, uint64_t id, weir_asof asof)
{
    weir_asof changed = load_hands(slot_of(c, id)->at);
    return changed.wal <= asof.wal && changed.local <= asof.local;
}

static bool stands(const weir_changes *c, const weir_dependency *d, weir_asof asof)
{
    if (d->column == 0)
        return unchanged(c, d->relation, asof);
#ifdef WEIR_TEST_FAULT_IGNORE_COLUMN
    return unchanged(c, d->value, asof);
#else
    return unchanged(c, d->column, asof) && unchanged(c, d->value, asof);
#endif
}

weir_verdict weir_changes_judge(const weir_changes *changes, weir_asof asof,
                                const weir_dependency *dependencies, size_t count)
{
    weir_asof floor = weir_changes_floor(changes);
    if (asof.wal < floor.wal || asof.local < floor.local)
        return WEIR_VERDICT_FLOOR;
    for (size_t i = 0; i < count; i++) {
        if (!stands(changes, &dependencies[i], asof))
            return WEIR_VERDICT_CHANGED;
    }
    return WEIR_VERDICT_STANDS;
}

uint64_t weir_changes_at(const weir_changes *changes, weir_hand hand, uint64_t id)
{
    return atomic_load_explicit(&slot_of(changes, id)->at[hand], memory_order_acquire);
}

/* ---- how good it is ---- */

void weir_changes_stats_read(const weir_changes *changes, weir_changes_stats *ret)
{
    uint64_t slots = changes->mask + 1;
    uint64_t used = atomic_load_explicit(&changes->slots_used, memory_order_relaxed);
    *ret = (weir_changes_stats){
        .slots = slots,
        .slots_used = used < slots ? used : slots, /* both hands at once may have counted twice */
        .bumps = atomic_load_explicit(&changes->bumps, memory_order_relaxed),
        .tracked = weir_changes_track_serial(changes),
    };
    ret->collision = (double)ret->slots_used / (double)slots;
}
