/* Epoch reclamation, without fences (ThreadSanitizer does not model them).
 *
 *   slot    FREE -- join --> MEMBER -- leave --> FREE
 *           FREE -- sweep_slots --> SWEPT -- sweep_slots --> FREE
 *   member  offline (seen 0) -- online --> online (seen > 0) -- offline --> offline
 *                                          online -- quiescent --> online
 *
 * `global` only grows, by read-modify-writes, so each increment heads a release sequence that holds
 * all later ones. What a member retires is first unstamped; `stamp` gives it e = global++ *after*
 * the unlink. Whoever reads global > e (acquire) therefore sees the unlink. An object of stamp e is
 * released when every slot was found with
 *   seen > e:  announced after the owner saw the unlink; what it read before is behind it (its
 *              release store, our acquire load), and it cannot find the object again;
 *   seen == 0: found by a read-modify-write, which is ordered with the exchange in `online`: if
 * ours comes first, the owner's exchange reads from it and so sees the unlink; if the exchange
 * comes first, we read what it announced, which is <= e or the case above. Readers pay a load and a
 * store per turn, and one uncontended exchange per waking up; the work is on the side of the one
 * who retires. */
#include "base/epoch.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define OFFLINE ((uint64_t)0)
#define UNSTAMPED UINT64_MAX
#define RING_FIRST 32

typedef enum slot_state { SLOT_FREE, SLOT_MEMBER, SLOT_SWEPT } slot_state;

typedef struct retired {
    void *object;
    void (*release)(void *object);
    uint64_t stamp;
} retired;

/* A slot of the member table. All but `seen` and `state` belongs to whoever moved the state away
 * from FREE. The pad keeps the words that others look at on lines of their own. */
struct weir_epoch_member {
    _Atomic uint64_t seen;
    _Atomic int state;
    _Atomic bool leftover; /* FREE, but the ring is not empty */
    weir_epoch *epoch;
    uint64_t seen_own; /* what `seen` was set to last, without the atomic load */
    /* Ring of the retired, oldest at `head`; both run freely. Stamps grow from head on; the last
     * `unstamped` entries have none. */
    retired *ring;
    size_t head, tail, cap;
    size_t unstamped;
    size_t blocker; /* the slot that last held us back: asked first the next time */
    char pad[48];
};

static_assert(sizeof(weir_epoch_member) == 128, "two cache lines, so that `seen` shares none");

struct weir_epoch {
    _Atomic uint64_t global;
    _Atomic size_t leftovers; /* slots with `leftover` */
    _Atomic size_t lost;
    size_t members_max;
    char pad[64];
    weir_epoch_member members[];
};

int weir_epoch_new(size_t members_max, weir_epoch **ret)
{
    assert(members_max > 0);
    if (members_max > (SIZE_MAX - sizeof(weir_epoch)) / sizeof(weir_epoch_member))
        return -ENOMEM;
    weir_epoch *e = calloc(1, sizeof(*e) + members_max * sizeof(weir_epoch_member));
    if (!e)
        return -ENOMEM;
    atomic_init(&e->global, 1);
    e->members_max = members_max;
    for (size_t i = 0; i < members_max; i++)
        e->members[i].epoch = e;
    *ret = e;
    return 0;
}

/* Takes the oldest object out before its release, which may retire more. */
static void release_oldest(weir_epoch_member *m)
{
    retired oldest = m->ring[m->head++ & (m->cap - 1)];
    if (oldest.stamp == UNSTAMPED)
        m->unstamped--;
    oldest.release(oldest.object);
}

void weir_epoch_free(weir_epoch *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->members_max; i++) {
        weir_epoch_member *m = &e->members[i];
        assert(atomic_load_explicit(&m->state, memory_order_acquire) == SLOT_FREE);
        while (m->head != m->tail)
            release_oldest(m);
        free(m->ring);
    }
    free(e);
}

static bool slot_take(weir_epoch_member *m, slot_state to)
{
    int from = SLOT_FREE;
    return atomic_compare_exchange_strong_explicit(&m->state, &from, (int)to, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void slot_give_back(weir_epoch_member *m)
{
    atomic_store_explicit(&m->state, SLOT_FREE, memory_order_release);
}

static int ring_first(weir_epoch_member *m)
{
    if (m->ring)
        return 0;
    m->ring = malloc(RING_FIRST * sizeof(*m->ring));
    if (!m->ring)
        return -ENOMEM;
    m->cap = RING_FIRST;
    m->head = m->tail = 0;
    return 0;
}

static void leftover_set(weir_epoch_member *m, bool leftover)
{
    if (atomic_load_explicit(&m->leftover, memory_order_relaxed) == leftover)
        return;
    atomic_store_explicit(&m->leftover, leftover, memory_order_relaxed);
    if (leftover)
        atomic_fetch_add_explicit(&m->epoch->leftovers, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&m->epoch->leftovers, 1, memory_order_relaxed);
}

int weir_epoch_join(weir_epoch *e, weir_epoch_member **ret)
{
    bool again;
    do {
        again = false; /* a slot that is swept will be free in a moment, if it is not by now */
        for (size_t i = 0; i < e->members_max; i++) {
            weir_epoch_member *m = &e->members[i];
            if (slot_take(m, SLOT_MEMBER)) {
                int r = ring_first(m);
                if (r < 0) {
                    slot_give_back(m);
                    return r;
                }
                leftover_set(m, false); /* ours now */
                *ret = m;
                return 0;
            }
            again |= atomic_load_explicit(&m->state, memory_order_relaxed) != SLOT_MEMBER;
        }
    } while (again);
    return -EAGAIN;
}

static void stamp(weir_epoch_member *m)
{
    if (m->unstamped == 0)
        return;
    uint64_t now = atomic_fetch_add_explicit(&m->epoch->global, 1, memory_order_acq_rel);
    for (; m->unstamped > 0; m->unstamped--)
        m->ring[(m->tail - m->unstamped) & (m->cap - 1)].stamp = now;
}

/* What slot `i` lets us release: stamps below the result. */
static uint64_t slot_horizon(weir_epoch *e, size_t i)
{
    _Atomic uint64_t *seen = &e->members[i].seen;
    uint64_t announced = atomic_load_explicit(seen, memory_order_acquire);
    if (announced == OFFLINE)
        announced = atomic_fetch_or_explicit(seen, 0, memory_order_acq_rel);
    return announced == OFFLINE ? UNSTAMPED : announced;
}

/* Releases what no slot holds back any more. Stops looking at the first that holds back all. */
static void reclaim(weir_epoch_member *m)
{
    stamp(m);
    if (m->head == m->tail)
        return;
    weir_epoch *e = m->epoch;
    uint64_t oldest = m->ring[m->head & (m->cap - 1)].stamp;
    uint64_t horizon = UNSTAMPED;
    for (size_t n = 0, i = m->blocker; n < e->members_max; n++) {
        uint64_t h = slot_horizon(e, i);
        if (h < horizon) {
            horizon = h;
            m->blocker = i;
        }
        if (horizon <= oldest)
            return;
        i = i + 1 < e->members_max ? i + 1 : 0;
    }
    while (m->head != m->tail && m->ring[m->head & (m->cap - 1)].stamp < horizon)
        release_oldest(m);
}

/* Frees what members left behind when they left. */
static void sweep_slots(weir_epoch *e)
{
    for (size_t i = 0; i < e->members_max; i++) {
        weir_epoch_member *m = &e->members[i];
        if (!atomic_load_explicit(&m->leftover, memory_order_relaxed) || !slot_take(m, SLOT_SWEPT))
            continue;
        reclaim(m);
        leftover_set(m, m->head != m->tail);
        slot_give_back(m);
    }
}

void weir_epoch_online(weir_epoch_member *m)
{
    assert(m->seen_own == OFFLINE);
    m->seen_own = atomic_load_explicit(&m->epoch->global, memory_order_acquire);
    atomic_exchange_explicit(&m->seen, m->seen_own, memory_order_acq_rel);
}

void weir_epoch_quiescent(weir_epoch_member *m)
{
    weir_epoch *e = m->epoch;
    stamp(m);
    uint64_t now = atomic_load_explicit(&e->global, memory_order_acquire);
    if (m->seen_own != OFFLINE && m->seen_own != now) {
        m->seen_own = now;
        atomic_store_explicit(&m->seen, now, memory_order_release);
    }
    if (m->head != m->tail)
        reclaim(m);
    if (atomic_load_explicit(&e->leftovers, memory_order_relaxed) > 0)
        sweep_slots(e);
}

void weir_epoch_offline(weir_epoch_member *m)
{
    m->seen_own = OFFLINE;
    atomic_store_explicit(&m->seen, OFFLINE, memory_order_release);
    weir_epoch_quiescent(m);
}

void weir_epoch_leave(weir_epoch_member *m)
{
    weir_epoch_offline(m);
    leftover_set(m, m->head != m->tail);
    slot_give_back(m);
}

/* Twice the room. The old ring stays when there is no memory. */
static void ring_grow(weir_epoch_member *m)
{
    size_t cap = m->cap * 2;
    if (cap > SIZE_MAX / sizeof(retired))
        return;
    retired *ring = malloc(cap * sizeof(*ring));
    if (!ring)
        return;
    for (size_t i = m->head; i != m->tail; i++)
        ring[i & (cap - 1)] = m->ring[i & (m->cap - 1)];
    free(m->ring);
    m->ring = ring;
    m->cap = cap;
}

void weir_epoch_retire(weir_epoch_member *m, void *object, void (*release)(void *object))
{
    assert(object && release);
    if (m->tail - m->head == m->cap)
        ring_grow(m);
    if (m->tail - m->head == m->cap) {
        atomic_fetch_add_explicit(&m->epoch->lost, 1, memory_order_relaxed);
        return;
    }
    m->ring[m->tail++ & (m->cap - 1)] = (retired){object, release, UNSTAMPED};
    m->unstamped++;
}

size_t weir_epoch_lost(const weir_epoch *e)
{
    return atomic_load_explicit(&e->lost, memory_order_relaxed);
}
