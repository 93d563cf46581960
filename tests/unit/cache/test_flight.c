/* Flights, one call at a time: who leads, who waits, who is woken and with what, the bounds, and
 * every allocation failing. Real threads: test_flight_threads.c. */
#include "cache/flight.h"
#include "failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIT WEIR_SLICE_LIT
#define RELATION 0x1111222233334444ULL

typedef struct rig {
    weir_changes *changes;
    weir_flights *flights;
    weir_dependency dependency;
} rig;

/* A waiter, and what became of it. */
typedef struct guest {
    weir_flight_waiter waiter;
    unsigned woken, order;
    weir_landing landing;
    weir_entry *entry;
    unsigned *clock;
} guest;

static void on_wake(weir_flight_waiter *waiter, weir_landing landing, weir_entry *entry)
{
    guest *g = WEIR_CONTAINER_OF(waiter, guest, waiter);
    g->woken++;
    g->landing = landing;
    g->entry = entry;
    g->order = ++*g->clock;
    *waiter = (weir_flight_waiter){0}; /* it is the guest's again already */
}

static void open_rig(rig *r, unsigned flights_max, unsigned waiters_max)
{
    weir_changes_options changes = {.slots = 64, .seed = {{7, 8}}};
    weir_flights_options flights = {
        .flights_max = flights_max, .waiters_max = waiters_max, .seed = {{3, 4}}};
    *r = (rig){.dependency = {.relation = RELATION}};
    assert_int_equal(weir_changes_new(&changes, &r->changes), 0);
    assert_int_equal(weir_flights_new(&flights, &r->flights), 0);
}

static void close_rig(rig *r)
{
    weir_flights_free(r->flights);
    weir_changes_free(r->changes);
}

static int join_hashed(rig *r, uint64_t hash, weir_slice identity, guest *g, weir_flight **flight)
{
    weir_flight_terms terms = {.hash = hash,
                               .identity = identity,
                               .changes = r->changes,
                               .asof = weir_changes_now(r->changes),
                               .dependencies = &r->dependency,
                               .dependency_count = 1};
    return weir_flights_join(r->flights, &terms, &g->waiter, flight);
}

static int join(rig *r, const char *identity, guest *g, weir_flight **flight)
{
    return join_hashed(r, 42, weir_slice_cstr(identity), g, flight);
}

static void land(rig *r, weir_flight *flight, weir_landing landing, weir_entry *entry)
{
    weir_flight_land(r->flights, flight, landing, entry, on_wake);
}

static void change(rig *r)
{
    weir_changes_bump(r->changes, WEIR_HAND_LOCAL, RELATION, weir_changes_next_local(r->changes));
}

static weir_entry *make_entry(void)
{
    weir_entry *entry = NULL;
    weir_entry_options options = {.identity = LIT("q"), .bytes = LIT("answer")};
    assert_int_equal(weir_entry_new(&options, &entry), 0);
    return entry;
}

static void assert_stats(const rig *r, unsigned flights, unsigned waiters)
{
    weir_flights_stats stats;
    weir_flights_stats_read(r->flights, &stats);
    assert_int_equal(stats.flights, flights);
    assert_int_equal(stats.waiters, waiters);
}

/* ---- landing ---- */

static void test_those_who_wait_get_the_answer_in_order(void **state)
{
    (void)state;
    rig r;
    weir_flight *flight = NULL;
    unsigned clock = 0;
    guest leader = {.clock = &clock},
          g[3] = {{.clock = &clock}, {.clock = &clock}, {.clock = &clock}};
    open_rig(&r, 10, 10);
    assert_int_equal(join(&r, "q", &leader, &flight), WEIR_FLIGHT_LEAD);
    for (int i = 0; i < 3; i++)
        assert_int_equal(join(&r, "q", &g[i], NULL), WEIR_FLIGHT_WAIT);
    assert_stats(&r, 1, 3);
    weir_entry *entry = make_entry();
    land(&r, flight, WEIR_LANDING_ANSWER, entry);
    assert_int_equal(atomic_load(&entry->refs), 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(g[i].woken == 1 && g[i].order == i + 1 && g[i].entry == entry);
        assert_int_equal(g[i].landing, WEIR_LANDING_ANSWER);
        weir_entry_unref(g[i].entry);
    }
    assert_int_equal(leader.woken, 0);
    assert_stats(&r, 0, 0);
    weir_entry_unref(entry);
    close_rig(&r);
}

static void test_a_landing_without_answer_says_what_to_do(void **state)
{
    (void)state;
    const weir_landing landings[] = {WEIR_LANDING_ALONE, WEIR_LANDING_AGAIN};
    for (int i = 0; i < 2; i++) {
        rig r;
        weir_flight *flight = NULL;
        unsigned clock = 0;
        guest leader = {.clock = &clock}, g = {.clock = &clock};
        open_rig(&r, 10, 10);
        assert_int_equal(join(&r, "q", &leader, &flight), WEIR_FLIGHT_LEAD);
        assert_int_equal(join(&r, "q", &g, NULL), WEIR_FLIGHT_WAIT);
        land(&r, flight, landings[i], NULL);
        assert_true(g.woken == 1 && g.landing == landings[i] && g.entry == NULL);
        assert_int_equal(join(&r, "q", &g, &flight), WEIR_FLIGHT_LEAD); /* nobody is there now */
        land(&r, flight, WEIR_LANDING_ALONE, NULL);
        close_rig(&r);
    }
}

/* ---- who is the same ---- */

/* Hazard Caching 16: the hash alone decides nothing. */
static void test_an_identity_is_compared_in_full(void **state)
{
    (void)state;
    rig r;
    weir_flight *a = NULL, *b = NULL, *c = NULL;
    unsigned clock = 0;
    guest g = {.clock = &clock};
    open_rig(&r, 10, 10);
    assert_int_equal(join_hashed(&r, 1, LIT("abc"), &g, &a), WEIR_FLIGHT_LEAD);
    assert_int_equal(join_hashed(&r, 1, LIT("abd"), &g, &b), WEIR_FLIGHT_LEAD);
    assert_int_equal(join_hashed(&r, 1, LIT("ab"), &g, &c), WEIR_FLIGHT_LEAD);
    assert_int_equal(join_hashed(&r, 1, LIT("abd"), &g, NULL), WEIR_FLIGHT_WAIT);
    land(&r, a, WEIR_LANDING_ALONE, NULL);
    land(&r, c, WEIR_LANDING_ALONE, NULL);
    assert_int_equal(g.woken, 0);
    land(&r, b, WEIR_LANDING_ALONE, NULL);
    assert_int_equal(g.woken, 1);
    close_rig(&r);
}

static void test_terms_are_copied(void **state)
{
    (void)state;
    rig r;
    char identity[] = "query";
    weir_flight *flight = NULL;
    unsigned clock = 0;
    guest g = {.clock = &clock};
    open_rig(&r, 10, 10);
    assert_int_equal(join(&r, identity, &g, &flight), WEIR_FLIGHT_LEAD);
    identity[0] = 'Q';
    r.dependency.relation = 1;
    assert_int_equal(join(&r, "query", &g, NULL), WEIR_FLIGHT_WAIT);
    assert_true(weir_flights_leave(r.flights, &g.waiter));
    change(&r);
    weir_flight *second = NULL;
    assert_int_equal(join(&r, "query", &g, &second), WEIR_FLIGHT_LEAD);
    land(&r, flight, WEIR_LANDING_ALONE, NULL);
    land(&r, second, WEIR_LANDING_ALONE, NULL);
    close_rig(&r);
}

/* ---- out of date ---- */

/* Proofs, row 33. */
static void test_a_flight_that_is_out_of_date_is_not_joined(void **state)
{
    (void)state;
    rig r;
    weir_flight *old = NULL, *new = NULL;
    unsigned clock = 0;
    guest leader = {0}, early = {.clock = &clock}, late = {.clock = &clock};
    open_rig(&r, 10, 10);
    assert_int_equal(join(&r, "q", &leader, &old), WEIR_FLIGHT_LEAD);
    assert_int_equal(join(&r, "q", &early, NULL), WEIR_FLIGHT_WAIT);
    change(&r);
    assert_int_equal(join(&r, "q", &leader, &new), WEIR_FLIGHT_LEAD);
    assert_int_equal(join(&r, "q", &late, NULL), WEIR_FLIGHT_WAIT);
    assert_stats(&r, 2, 2);
    weir_flights_stats stats;
    weir_flights_stats_read(r.flights, &stats);
    assert_true(stats.led == 2 && stats.joined == 2 && stats.stale == 1 && stats.full == 0);
    land(&r, old, WEIR_LANDING_ALONE, NULL); /* for its own, and does not take the new one out */
    assert_true(early.woken == 1 && late.woken == 0);
    assert_int_equal(join(&r, "q", &early, NULL), WEIR_FLIGHT_WAIT);
    land(&r, new, WEIR_LANDING_AGAIN, NULL);
    assert_true(early.woken == 2 && late.woken == 1);
    close_rig(&r);
}

static void test_a_floor_ends_joining_too(void **state)
{
    (void)state;
    rig r;
    weir_flight *old = NULL, *new = NULL;
    guest leader = {0};
    open_rig(&r, 10, 10);
    assert_int_equal(join(&r, "q", &leader, &old), WEIR_FLIGHT_LEAD);
    weir_changes_raise_floor(r.changes, WEIR_HAND_LOCAL, weir_changes_next_local(r.changes));
    assert_int_equal(join(&r, "q", &leader, &new), WEIR_FLIGHT_LEAD);
    land(&r, new, WEIR_LANDING_ALONE, NULL);
    land(&r, old, WEIR_LANDING_ALONE, NULL);
    close_rig(&r);
}

/* ---- leaving ---- */

static void test_who_left_is_not_woken(void **state)
{
    (void)state;
    rig r;
    weir_flight *flight = NULL;
    unsigned clock = 0;
    guest leader = {0}, g[3] = {{.clock = &clock}, {.clock = &clock}, {.clock = &clock}};
    open_rig(&r, 10, 10);
    assert_int_equal(join(&r, "q", &leader, &flight), WEIR_FLIGHT_LEAD);
    for (int i = 0; i < 3; i++)
        assert_int_equal(join(&r, "q", &g[i], NULL), WEIR_FLIGHT_WAIT);
    assert_true(weir_flights_leave(r.flights, &g[1].waiter));
    assert_false(weir_flights_leave(r.flights, &g[1].waiter));
    assert_stats(&r, 1, 2);
    land(&r, flight, WEIR_LANDING_AGAIN, NULL);
    assert_true(g[0].woken == 1 && g[1].woken == 0 && g[2].woken == 1);
    assert_false(weir_flights_leave(r.flights, &g[0].waiter));
    close_rig(&r);
}

/* ---- bounds ---- */

static void test_beyond_the_bounds_everybody_is_alone(void **state)
{
    (void)state;
    rig r;
    weir_flight *a = NULL, *b = NULL;
    unsigned clock = 0;
    guest g = {.clock = &clock}, more = {.clock = &clock};
    open_rig(&r, 2, 1);
    assert_int_equal(join(&r, "a", &g, &a), WEIR_FLIGHT_LEAD);
    assert_int_equal(join(&r, "b", &g, &b), WEIR_FLIGHT_LEAD);
    assert_int_equal(join(&r, "c", &more, &b), WEIR_FLIGHT_ALONE);
    assert_int_equal(join(&r, "a", &g, NULL), WEIR_FLIGHT_WAIT);
    assert_int_equal(join(&r, "a", &more, NULL), WEIR_FLIGHT_ALONE);
    assert_true(weir_flights_leave(r.flights, &g.waiter));
    assert_int_equal(join(&r, "a", &more, NULL), WEIR_FLIGHT_WAIT);
    change(&r); /* out of date, but there is no room for another */
    assert_int_equal(join(&r, "b", &g, NULL), WEIR_FLIGHT_ALONE);
    weir_flights_stats stats;
    weir_flights_stats_read(r.flights, &stats);
    assert_true(stats.full == 3 && stats.stale == 0 && stats.flights == 2);
    land(&r, a, WEIR_LANDING_ALONE, NULL);
    land(&r, b, WEIR_LANDING_ALONE, NULL);
    assert_int_equal(join(&r, "c", &g, &a), WEIR_FLIGHT_LEAD);
    land(&r, a, WEIR_LANDING_ALONE, NULL);
    close_rig(&r);
}

static void test_many_flights_are_told_apart(void **state)
{
    (void)state;
    enum { FLIGHTS = 500 };
    rig r;
    static weir_flight *flights[FLIGHTS];
    unsigned clock = 0;
    guest g = {.clock = &clock};
    open_rig(&r, FLIGHTS, 1);
    for (uint32_t i = 0; i < FLIGHTS; i++)
        assert_int_equal(join_hashed(&r, i % 7, weir_slice_make(&i, sizeof(i)), &g, &flights[i]),
                         WEIR_FLIGHT_LEAD);
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        assert_int_equal(join_hashed(&r, i % 7, weir_slice_make(&i, sizeof(i)), &g, NULL),
                         WEIR_FLIGHT_WAIT);
        land(&r, flights[i], WEIR_LANDING_ALONE, NULL);
        assert_int_equal(g.woken, i + 1);
    }
    close_rig(&r);
}

/* ---- memory ---- */

static void fly_without_memory(void *user)
{
    weir_changes *changes = user;
    weir_flights_options options = {.flights_max = 4, .waiters_max = 4};
    weir_flights *flights = NULL;
    weir_flight *flight = NULL;
    guest g = {0};
    if (weir_flights_new(&options, &flights) < 0) {
        assert_true(weir_failalloc_failed() && !flights);
        return;
    }
    weir_flight_terms terms = {.identity = LIT("q"), .changes = changes};
    terms.asof = weir_changes_now(changes);
    int role = weir_flights_join(flights, &terms, &g.waiter, &flight);
    assert_true(role == WEIR_FLIGHT_LEAD || (role == WEIR_FLIGHT_ALONE && weir_failalloc_failed()));
    if (role == WEIR_FLIGHT_LEAD)
        weir_flight_land(flights, flight, WEIR_LANDING_ALONE, NULL, on_wake);
    weir_flights_free(flights);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    rig r;
    open_rig(&r, 1, 1);
    weir_failalloc_each(16, fly_without_memory, r.changes);
    close_rig(&r);
    weir_flights_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_who_wait_get_the_answer_in_order),
        cmocka_unit_test(test_a_landing_without_answer_says_what_to_do),
        cmocka_unit_test(test_an_identity_is_compared_in_full),
        cmocka_unit_test(test_terms_are_copied),
        cmocka_unit_test(test_a_flight_that_is_out_of_date_is_not_joined),
        cmocka_unit_test(test_a_floor_ends_joining_too),
        cmocka_unit_test(test_who_left_is_not_woken),
        cmocka_unit_test(test_beyond_the_bounds_everybody_is_alone),
        cmocka_unit_test(test_many_flights_are_told_apart),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
