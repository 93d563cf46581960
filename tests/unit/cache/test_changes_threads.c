/* The change clock on real threads: no bump is lost, columns are found while others are added, and
 * the rule holds as in test_changes_orders.c where the steps themselves overlap. Run it under
 * ThreadSanitizer too. */
#include "cache/changes.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 4
#define BUMPS 20000
#define IDS 32u
#define COLUMNS 512u
#define READS 20000

typedef struct world {
    weir_changes *changes;
    _Atomic uint64_t newest[IDS + 1]; /* the greatest position that an id was bumped with */
    _Atomic uint64_t made, told;      /* changes */
    _Atomic unsigned writers, violations;
    _Atomic uint32_t asked; /* columns */
} world;

typedef struct job {
    world *world;
    uint64_t random;
} job;

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t was = atomic_load(word);
    while (was < value && !atomic_compare_exchange_weak(word, &was, value)) {
    }
}

static void open_world(world *w, unsigned columns_max)
{
    weir_changes_options options = {.slots = 1u << 16, .columns_max = columns_max};
    *w = (world){0};
    assert_int_equal(weir_changes_new(&options, &w->changes), 0);
}

static void run_all(world *w, void *(*const bodies[THREADS])(void *))
{
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (job){.world = w, .random = 0x9e3779b97f4a7c15ULL * (i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- no bump is lost ---- */

static void *bump(void *user)
{
    job *j = user;
    world *w = j->world;
    for (unsigned i = 0; i < BUMPS; i++) {
        uint64_t id = 1 + next(&j->random) % IDS;
        uint64_t position = weir_changes_next_local(w->changes);
        weir_changes_bump(w->changes, WEIR_HAND_LOCAL, id, position);
        raise_to(&w->newest[id], position);
    }
    return NULL;
}

static void test_the_greatest_position_stays(void **state)
{
    (void)state;
    world w;
    open_world(&w, 0);
    run_all(&w, (void *(*const[THREADS])(void *)){bump, bump, bump, bump});
    for (uint64_t id = 1; id <= IDS; id++) {
        weir_dependency d = {.relation = id};
        weir_asof asof = {.wal = 1, .local = atomic_load(&w.newest[id])};
        assert_int_equal(weir_changes_judge(w.changes, asof, &d, 1), WEIR_VERDICT_STANDS);
        asof.local--;
        assert_int_equal(weir_changes_judge(w.changes, asof, &d, 1), WEIR_VERDICT_CHANGED);
    }
    weir_changes_stats stats;
    weir_changes_stats_read(w.changes, &stats);
    assert_true(stats.bumps == (uint64_t)THREADS * BUMPS);
    assert_true(weir_changes_now(w.changes).local == 1 + (uint64_t)THREADS * BUMPS);
    weir_changes_free(w.changes);
}

/* ---- the rule ---- */

static void *write_by_hand(void *user)
{
    world *w = ((job *)user)->world;
    for (unsigned i = 0; i < READS; i++) {
        uint64_t number = atomic_fetch_add(&w->made, 1) + 1;
        uint64_t position = weir_changes_next_local(w->changes);
        weir_changes_bump(w->changes, WEIR_HAND_LOCAL, 1, position);
        raise_to(&w->told, number);
    }
    atomic_fetch_sub(&w->writers, 1);
    return NULL;
}

static void *commit(void *user)
{
    world *w = ((job *)user)->world;
    for (unsigned i = 0; i < READS; i++) {
        uint64_t number = atomic_fetch_add(&w->made, 1) + 1;
        uint64_t position = weir_changes_next_wal(w->changes);
        weir_changes_bump(w->changes, WEIR_HAND_WAL, 1, position);
        weir_changes_publish_wal(w->changes, position);
        raise_to(&w->told, number);
    }
    atomic_fetch_sub(&w->writers, 1);
    return NULL;
}

/* Fills, then asks for what it keeps until that is out of date. */
static void *read_all(void *user)
{
    world *w = ((job *)user)->world;
    const weir_dependency d = {.relation = 1};
    while (atomic_load(&w->writers) > 0) {
        weir_asof asof = weir_changes_now(w->changes);
        uint64_t kept = atomic_load(&w->made);
        for (unsigned i = 0; i < 100; i++) {
            uint64_t required = atomic_load(&w->told);
            if (weir_changes_judge(w->changes, asof, &d, 1) != WEIR_VERDICT_STANDS)
                break;
            if (kept < required)
                atomic_fetch_add(&w->violations, 1);
        }
    }
    return NULL;
}

static void test_no_answer_lacks_a_change_that_was_told(void **state)
{
    (void)state;
    world w;
    open_world(&w, 0);
    atomic_store(&w.writers, 2);
    run_all(&w, (void *(*const[THREADS])(void *)){write_by_hand, commit, read_all, read_all});
    assert_int_equal(atomic_load(&w.violations), 0);
    weir_changes_free(w.changes);
}

/* ---- tracked columns ---- */

static void *ask_for_columns(void *user)
{
    world *w = ((job *)user)->world;
    char name[16];
    for (uint32_t n; (n = atomic_fetch_add(&w->asked, 1)) < 2 * COLUMNS;) {
        uint64_t column = (uint64_t)(n / 2 + 1) * 0x9e3779b97f4a7c15ULL; /* each by two threads */
        int len = snprintf(name, sizeof(name), "c%u", n / 2);
        if (weir_changes_track(w->changes, 7, column, WEIR_SLICE_LIT("t"),
                               weir_slice_make(name, (size_t)len)) != 0)
            atomic_fetch_add(&w->violations, 1);
    }
    atomic_fetch_sub(&w->writers, 1);
    return NULL;
}

static void count_whole(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                        weir_slice column_name)
{
    unsigned *whole = user;
    *whole += relation == 7 && column != 0 && relation_name.len == 1 && column_name.len >= 2;
}

/* Visits and confirms like a follower, until all are there; `wal` counts its rounds. */
static void *follow_columns(void *user)
{
    world *w = ((job *)user)->world;
    for (uint64_t wal = 2;; wal++) {
        unsigned whole = 0;
        bool over = atomic_load(&w->writers) == 0;
        uint64_t serial = weir_changes_track_serial(w->changes);
        weir_changes_each_tracked(w->changes, count_whole, &whole);
        if (whole < serial)
            atomic_fetch_add(&w->violations, 1);
        weir_changes_confirm_tracked(w->changes, serial, wal);
        weir_changes_publish_wal(w->changes, wal);
        if (over)
            return NULL;
    }
}

/* What was settled as keyed stays so. */
static void *settle_columns(void *user)
{
    job *j = user;
    world *w = j->world;
    while (atomic_load(&w->writers) > 0) {
        uint64_t column = (1 + next(&j->random) % COLUMNS) * 0x9e3779b97f4a7c15ULL;
        weir_dependency d = {.relation = 7, .column = column, .value = 9};
        weir_asof asof = weir_changes_now(w->changes);
        bool keyed = weir_changes_settle(w->changes, d, asof).column != 0;
        if (keyed && weir_changes_settle(w->changes, d, asof).column == 0)
            atomic_fetch_add(&w->violations, 1);
    }
    return NULL;
}

static void test_columns_are_found_while_others_are_added(void **state)
{
    (void)state;
    world w;
    open_world(&w, COLUMNS);
    atomic_store(&w.writers, 2);
    run_all(&w, (void *(*const[THREADS])(void *)){ask_for_columns, ask_for_columns, follow_columns,
                                                  settle_columns});
    assert_int_equal(atomic_load(&w.violations), 0);
    assert_true(weir_changes_track_serial(w.changes) == COLUMNS);
    for (uint64_t i = 1; i <= COLUMNS; i++) {
        weir_dependency d = {.relation = 7, .column = i * 0x9e3779b97f4a7c15ULL, .value = 9};
        assert_true(weir_changes_settle(w.changes, d, weir_changes_now(w.changes)).column != 0);
    }
    weir_changes_free(w.changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_greatest_position_stays),
        cmocka_unit_test(test_no_answer_lacks_a_change_that_was_told),
        cmocka_unit_test(test_columns_are_found_while_others_are_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
