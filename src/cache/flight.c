/* Flights: a bounded table of the statements under way, hashed, with a lock per stripe of buckets.
 *
 *   flight   LISTED ──► landed
 *              └──► BESIDE ──► landed      out of date: a newcomer leads anew in its place, and it
 * is left to land for those who joined in time waiter   aside ── join ──► waits ── leave, or land
 * ──► aside
 *
 * Invariant: `waiter->flight` says whether it waits, and is written under the lock of its bucket
 * only, by whoever ends the wait. So leaving and landing agree on who did, without knowing of each
 * other: landing clears it for all at once and wakes them afterwards, outside of the lock, when
 * nobody else can reach the flight or its list any more. */
#include "cache/flight.h"

#include "base/spin.h"
#include <assert.h>
#include <stdlib.h>

#define STRIPES 64u
#define BUCKETS_MAX (1u << 20)

struct weir_flight {
    weir_list node; /* of its bucket; points to itself: beside */
    weir_list waiters;
    uint32_t waiter_count;
    uint32_t bucket;
    uint64_t hash;
    weir_asof asof;
    size_t identity_len;
    uint32_t dependency_count;
    weir_dependency dependencies[]; /* then the identity */
};

struct weir_flights {
    weir_list *buckets;
    uint32_t bucket_mask;
    unsigned flights_max, waiters_max;
    weir_hash_seed seed;
    weir_spin locks[STRIPES]; /* of the buckets of the same number, modulo */
    _Atomic unsigned flights, waiters;
    _Atomic uint64_t led, joined, stale, full;
};

/* ---- life ---- */

static uint32_t bucket_count(unsigned flights_max)
{
    uint32_t n = STRIPES;
    while (n < flights_max && n < BUCKETS_MAX)
        n *= 2;
    return n;
}

int weir_flights_new(const weir_flights_options *options, weir_flights **ret)
{
    weir_flights *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    uint32_t buckets = bucket_count(options->flights_max);
    f->buckets = malloc(buckets * sizeof(*f->buckets));
    if (!f->buckets) {
        free(f);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < buckets; i++)
        weir_list_init(&f->buckets[i]);
    f->bucket_mask = buckets - 1;
    f->flights_max = options->flights_max;
    f->waiters_max = options->waiters_max;
    f->seed = options->seed;
    *ret = f;
    return 0;
}

void weir_flights_free(weir_flights *flights)
{
    if (!flights)
        return;
    assert(atomic_load(&flights->flights) == 0);
    free(flights->buckets);
    free(flights);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void lock(weir_flights *f, uint32_t bucket)
{
    weir_spin_lock(&f->locks[bucket % STRIPES]);
}

static void unlock(weir_flights *f, uint32_t bucket)
{
    weir_spin_unlock(&f->locks[bucket % STRIPES]);
}

/* ---- one flight ---- */

static weir_slice identity_of(const weir_flight *flight)
{
    return weir_slice_make(&flight->dependencies[flight->dependency_count], flight->identity_len);
}

static weir_flight *flight_new(const weir_flight_terms *terms, uint32_t bucket)
{
    size_t dependencies = terms->dependency_count * sizeof(weir_dependency);
    size_t head = sizeof(weir_flight) + dependencies;
    if (terms->identity.len > SIZE_MAX - head)
        return NULL;
    weir_flight *flight = malloc(head + terms->identity.len);
    if (!flight)
        return NULL;
    *flight = (weir_flight){.bucket = bucket,
                            .hash = terms->hash,
                            .asof = terms->asof,
                            .identity_len = terms->identity.len,
                            .dependency_count = terms->dependency_count};
    weir_list_init(&flight->node);
    weir_list_init(&flight->waiters);
    if (dependencies)
        memcpy(flight->dependencies, terms->dependencies, dependencies);
    if (terms->identity.len)
        memcpy((char *)flight + head, terms->identity.data, terms->identity.len);
    return flight;
}

/* A flight within the bound, or NULL: there is no room, of either kind. */
static weir_flight *open_flight(weir_flights *f, const weir_flight_terms *terms, uint32_t bucket)
{
    if (atomic_fetch_add(&f->flights, 1) < f->flights_max) {
        weir_flight *flight = flight_new(terms, bucket);
        if (flight)
            return flight;
    } else {
        count(&f->full);
    }
    atomic_fetch_sub(&f->flights, 1);
    return NULL;
}

static void close_flight(weir_flights *f, weir_flight *flight)
{
    atomic_fetch_sub(&f->flights, 1);
    free(flight);
}

/* ---- joining: under the lock of the bucket ---- */

static weir_flight *find(const weir_flights *f, uint32_t bucket, const weir_flight_terms *terms)
{
    const weir_list *head = &f->buckets[bucket];
    for (weir_list *node = head->next; node != head; node = node->next) {
        weir_flight *flight = WEIR_CONTAINER_OF(node, weir_flight, node);
        if (flight->hash == terms->hash && weir_slice_eq(identity_of(flight), terms->identity))
            return flight;
    }
    return NULL;
}

static int board(weir_flights *f, weir_flight *flight, weir_flight_waiter *waiter)
{
    if (flight->waiter_count >= f->waiters_max) {
        count(&f->full);
        return WEIR_FLIGHT_ALONE;
    }
    waiter->flight = flight;
    waiter->bucket = flight->bucket;
    weir_list_push_back(&flight->waiters, &waiter->node);
    flight->waiter_count++;
    atomic_fetch_add_explicit(&f->waiters, 1, memory_order_relaxed);
    count(&f->joined);
    return WEIR_FLIGHT_WAIT;
}

/* Joins the flight that is there and not out of date; or else lists `own`, if that is given. */
static int decide(weir_flights *f, uint32_t bucket, const weir_flight_terms *terms,
                  weir_flight_waiter *waiter, weir_flight *own)
{
    weir_flight *there = find(f, bucket, terms);
#ifdef WEIR_TEST_FAULT_JOIN_UNJUDGED
    if (there)
        return board(f, there, waiter);
#endif
    if (there && weir_changes_judge(terms->changes, there->asof, there->dependencies,
                                    there->dependency_count) == WEIR_VERDICT_STANDS)
        return board(f, there, waiter);
    if (!own)
        return WEIR_FLIGHT_LEAD;
    if (there) {
        weir_list_remove(&there->node);
        count(&f->stale);
    }
    weir_list_push_front(&f->buckets[bucket], &own->node);
    count(&f->led);
    return WEIR_FLIGHT_LEAD;
}

static int decide_locked(weir_flights *f, uint32_t bucket, const weir_flight_terms *terms,
                         weir_flight_waiter *waiter, weir_flight *own)
{
    lock(f, bucket);
    int r = decide(f, bucket, terms, waiter, own);
    unlock(f, bucket);
    return r;
}

/* Twice: a flight is made outside of the lock, and somebody may have been quicker. */
int weir_flights_join(weir_flights *flights, const weir_flight_terms *terms,
                      weir_flight_waiter *waiter, weir_flight **ret_flight)
{
    uint64_t mixed = (terms->hash ^ flights->seed.k[0]) * (flights->seed.k[1] | 1);
    uint32_t bucket = (uint32_t)(mixed >> 32) & flights->bucket_mask;
    int r = decide_locked(flights, bucket, terms, waiter, NULL);
    if (r != WEIR_FLIGHT_LEAD)
        return r;
    weir_flight *own = open_flight(flights, terms, bucket);
    if (!own)
        return WEIR_FLIGHT_ALONE;
    r = decide_locked(flights, bucket, terms, waiter, own);
    if (r == WEIR_FLIGHT_LEAD)
        *ret_flight = own;
    else
        close_flight(flights, own);
    return r;
}

/* ---- ending ---- */

/* From here on nobody finds the flight, joins it or leaves it. */
static void take_out(weir_flights *f, weir_flight *flight)
{
    lock(f, flight->bucket);
    weir_list_remove(&flight->node);
    const weir_list *head = &flight->waiters;
    for (weir_list *node = head->next; node != head; node = node->next)
        WEIR_CONTAINER_OF(node, weir_flight_waiter, node)->flight = NULL;
    unlock(f, flight->bucket);
    atomic_fetch_sub_explicit(&f->waiters, flight->waiter_count, memory_order_relaxed);
}

void weir_flight_land(weir_flights *flights, weir_flight *flight, weir_landing landing,
                      weir_entry *entry,
                      void (*wake)(weir_flight_waiter *waiter, weir_landing landing,
                                   weir_entry *entry))
{
    assert((landing == WEIR_LANDING_ANSWER) == (entry != NULL));
    take_out(flights, flight);
    /* Off the list before it is woken: it may be gone, or wait elsewhere, when `wake` returns. */
    for (weir_list *node; (node = weir_list_pop_front(&flight->waiters)) != NULL;)
        wake(WEIR_CONTAINER_OF(node, weir_flight_waiter, node), landing,
             entry ? weir_entry_ref(entry) : NULL);
    close_flight(flights, flight);
}

bool weir_flights_leave(weir_flights *flights, weir_flight_waiter *waiter)
{
    uint32_t bucket = waiter->bucket;
    lock(flights, bucket);
    weir_flight *flight = waiter->flight;
    if (flight) {
        weir_list_remove(&waiter->node);
        waiter->flight = NULL;
        flight->waiter_count--;
    }
    unlock(flights, bucket);
    if (flight)
        atomic_fetch_sub_explicit(&flights->waiters, 1, memory_order_relaxed);
    return flight != NULL;
}

void weir_flights_stats_read(const weir_flights *flights, weir_flights_stats *ret)
{
    *ret = (weir_flights_stats){
        .flights = atomic_load_explicit(&flights->flights, memory_order_relaxed),
        .waiters = atomic_load_explicit(&flights->waiters, memory_order_relaxed),
        .led = atomic_load_explicit(&flights->led, memory_order_relaxed),
        .joined = atomic_load_explicit(&flights->joined, memory_order_relaxed),
        .stale = atomic_load_explicit(&flights->stale, memory_order_relaxed),
        .full = atomic_load_explicit(&flights->full, memory_order_relaxed),
    };
}
