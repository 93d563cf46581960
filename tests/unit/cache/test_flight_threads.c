/* Flights on real threads: all ask for a few answers, lead, wait, leave and change things at
 * random. Every wait ends exactly once, no reference is lost, and who joins gets what it could have
 * read itself. A lost wake-up is a hang, which meson's timeout turns into a failure. Run it under
 * ThreadSanitizer too. */
#include "cache/flight.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS 10000
#define ANSWERS 3u

typedef struct world {
    weir_changes *changes;
    weir_flights *flights;
    _Atomic uint64_t made[ANSWERS], told[ANSWERS]; /* changes of what an answer depends on */
    _Atomic uint64_t waits, left, woken, led, alone, stale_answers;
} world;

typedef struct guest {
    weir_flight_waiter waiter;
    _Atomic unsigned woken;
    weir_landing landing;
    weir_entry *entry;
} guest;

typedef struct job {
    world *world;
    uint64_t random;
    guest guest;
} job;

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void on_wake(weir_flight_waiter *waiter, weir_landing landing, weir_entry *entry)
{
    guest *g = WEIR_CONTAINER_OF(waiter, guest, waiter);
    g->landing = landing;
    g->entry = entry;
    atomic_fetch_add_explicit(&g->woken, 1, memory_order_release);
}

static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t was = atomic_load(word);
    while (was < value && !atomic_compare_exchange_weak(word, &was, value)) {
    }
}

static void change(world *w, uint64_t answer)
{
    uint64_t number = atomic_fetch_add(&w->made[answer], 1) + 1;
    uint64_t position = weir_changes_next_local(w->changes);
    weir_changes_bump(w->changes, WEIR_HAND_LOCAL, answer + 1, position);
    raise_to(&w->told[answer], number);
}

/* The statement: its answer is how many changes it saw. */
static void lead(job *j, uint64_t answer, weir_flight *flight)
{
    world *w = j->world;
    weir_entry *entry = NULL;
    weir_entry_options options = {.like = {.rows = atomic_load(&w->made[answer])}};
    for (uint64_t i = next(&j->random) % 4; i > 0; i--)
        sched_yield();
    bool fails = next(&j->random) % 8 == 0;
    if (fails || weir_entry_new(&options, &entry) < 0) {
        weir_flight_land(w->flights, flight,
                         next(&j->random) % 2 ? WEIR_LANDING_AGAIN : WEIR_LANDING_ALONE, NULL,
                         on_wake);
    } else {
        weir_flight_land(w->flights, flight, WEIR_LANDING_ANSWER, entry, on_wake);
        weir_entry_unref(entry);
    }
    atomic_fetch_add(&w->led, 1);
}

static void await_answer(job *j, uint64_t required)
{
    world *w = j->world;
    guest *g = &j->guest;
    atomic_fetch_add(&w->waits, 1);
    unsigned patience = (unsigned)(next(&j->random) % 20);
    for (unsigned i = 0; atomic_load_explicit(&g->woken, memory_order_acquire) == 0; i++) {
        if (i == patience && weir_flights_leave(w->flights, &g->waiter)) {
            atomic_fetch_add(&w->left, 1);
            return;
        }
        sched_yield();
    }
    atomic_fetch_add(&w->woken, 1);
    if (g->landing != WEIR_LANDING_ANSWER)
        return;
    if (g->entry->rows < required)
        atomic_fetch_add(&w->stale_answers, 1);
    weir_entry_unref(g->entry);
}

static void ask(job *j, uint64_t answer)
{
    world *w = j->world;
    weir_flight *flight = NULL;
    const weir_dependency d = {.relation = answer + 1};
    j->guest = (guest){0};
    uint64_t required = atomic_load(&w->told[answer]);
    weir_flight_terms terms = {.hash = answer % 2,
                               .identity = weir_slice_make(&answer, sizeof(answer)),
                               .changes = w->changes,
                               .asof = weir_changes_now(w->changes),
                               .dependencies = &d,
                               .dependency_count = 1};
    int role = weir_flights_join(w->flights, &terms, &j->guest.waiter, &flight);
    if (role == WEIR_FLIGHT_LEAD)
        lead(j, answer, flight);
    else if (role == WEIR_FLIGHT_WAIT)
        await_answer(j, required);
    else
        atomic_fetch_add(&w->alone, 1);
    if (atomic_load(&j->guest.woken) > 1)
        abort();
}

static void *body(void *user)
{
    job *j = user;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t answer = next(&j->random) % ANSWERS;
        if (next(&j->random) % 6 == 0)
            change(j->world, answer);
        else
            ask(j, answer);
    }
    return NULL;
}

static void test_every_wait_ends_once(void **state)
{
    (void)state;
    world w = {0};
    pthread_t threads[THREADS];
    static job jobs[THREADS];
    weir_changes_options changes = {.slots = 1024};
    weir_flights_options flights = {.flights_max = 3, .waiters_max = 2};
    assert_int_equal(weir_changes_new(&changes, &w.changes), 0);
    assert_int_equal(weir_flights_new(&flights, &w.flights), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (job){.world = &w, .random = 0x9e3779b97f4a7c15ULL * (i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, body, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    weir_flights_stats stats;
    weir_flights_stats_read(w.flights, &stats);
    assert_true(stats.flights == 0 && stats.waiters == 0);
    assert_true(stats.led == atomic_load(&w.led) && stats.joined == atomic_load(&w.waits));
    assert_true(atomic_load(&w.left) + atomic_load(&w.woken) == atomic_load(&w.waits));
    assert_int_equal(atomic_load(&w.stale_answers), 0);
    print_message("led %lu, waited %lu, left %lu, stale %lu, alone %lu\n", (unsigned long)stats.led,
                  (unsigned long)stats.joined, (unsigned long)atomic_load(&w.left),
                  (unsigned long)stats.stale, (unsigned long)atomic_load(&w.alone));
    weir_flights_free(w.flights);
    weir_changes_free(w.changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_wait_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
