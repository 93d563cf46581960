/* Single flight: of several sessions that miss one answer, one runs it and the others wait for it.
 *
 *     join ──► LEAD ──► land(entry): everyone who waits gets it
 *       │        └────► land(NULL, again?): they run for themselves, or ask again
 *       ├────► WAIT ──► woken, or leave (its client went, or it waited long enough)
 *       └────► ALONE: a bound is reached
 *
 * Invariant: joining is a hit and judged as one, at the moment of joining: by the flight's as-of,
 * which was captured before it was sent, and its dependencies (proofs, row 33). Where its answer
 * would be out of date, the newcomer leads a new flight for those to come, beside the old one.
 * Every waiter is woken exactly once, or has left: never both.
 *
 * Threads: any; short locks inside. */
#ifndef WEIR_CACHE_FLIGHT_H
#define WEIR_CACHE_FLIGHT_H

#include "cache/store.h"

typedef struct weir_flights weir_flights;
typedef struct weir_flight weir_flight;

typedef struct weir_flight_waiter {
    weir_list node;
    weir_flight *flight; /* while it waits; under the flights' lock, as the node */
    uint32_t bucket;     /* the flights', set by joining */
    void *user;
} weir_flight_waiter;

typedef enum weir_landing {
    WEIR_LANDING_ANSWER, /* the entry is the waiter's, with a reference */
    WEIR_LANDING_ALONE,  /* failed, or too large: run it yourself and do not join again */
    WEIR_LANDING_AGAIN   /* the leader went away: ask again */
} weir_landing;

typedef struct weir_flights_options {
    unsigned flights_max; /* beyond: ALONE */
    unsigned waiters_max; /* of one flight; beyond: ALONE */
    weir_hash_seed seed;
} weir_flights_options;

/* -ENOMEM. */
WEIR_MUST_CHECK int weir_flights_new(const weir_flights_options *options, weir_flights **ret);
/* No flight may be left. */
void weir_flights_free(weir_flights *flights);

/* What is asked for, and what the leader's answer would be. Copied. */
typedef struct weir_flight_terms {
    uint64_t hash;
    weir_slice identity;
    const weir_changes *changes; /* judges a join */
    weir_asof asof;              /* captured before this call */
    const weir_dependency *dependencies;
    uint32_t dependency_count;
} weir_flight_terms;

#define WEIR_FLIGHT_LEAD 0
#define WEIR_FLIGHT_WAIT 1
#define WEIR_FLIGHT_ALONE 2

/* LEAD: `*ret_flight` must be landed. WAIT: `waiter` is the flights' until it is woken or leaves;
 * it may be woken before this returns. Out of memory is ALONE. */
WEIR_MUST_CHECK int weir_flights_join(weir_flights *flights, const weir_flight_terms *terms,
                                      weir_flight_waiter *waiter, weir_flight **ret_flight);
/* Ends the flight and calls `wake` for each waiter, in order of joining, outside of locks. For
 * ANSWER each gets a reference to `entry`. The flight is gone after it. */
void weir_flight_land(weir_flights *flights, weir_flight *flight, weir_landing landing,
                      weir_entry *entry,
                      void (*wake)(weir_flight_waiter *waiter, weir_landing landing,
                                   weir_entry *entry));
/* True: it no longer waits and will not be woken. False: it was woken, or is being woken now: it
 * must stay until then. By the thread that joined. */
bool weir_flights_leave(weir_flights *flights, weir_flight_waiter *waiter);

typedef struct weir_flights_stats {
    unsigned flights, waiters;         /* now */
    uint64_t led, joined, stale, full; /* stale: led because the flight was out of date */
} weir_flights_stats;
void weir_flights_stats_read(const weir_flights *flights, weir_flights_stats *ret);

#endif
