/* epoch: when objects are released, on one thread step by step and on several under load (run it
 * in a build with -Db_sanitize=thread too). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "failalloc.h"

static void count_release(void *object)
{
    ++*(int *)object;
}

static weir_epoch_member *join(weir_epoch *e)
{
    weir_epoch_member *m = NULL;
    assert_int_equal(weir_epoch_join(e, &m), 0);
    return m;
}

static weir_epoch *new_epoch(size_t members_max)
{
    weir_epoch *e = NULL;
    assert_int_equal(weir_epoch_new(members_max, &e), 0);
    return e;
}

static void test_epoch_waits_for_each_online_member(void **state)
{
    (void)state;
    int released = 0;
    weir_epoch *e = new_epoch(4);
    weir_epoch_member *writer = join(e), *first = join(e), *second = join(e);
    weir_epoch_online(writer);
    weir_epoch_online(first);
    weir_epoch_online(second);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 0);
    weir_epoch_quiescent(first);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 0);
    weir_epoch_quiescent(second);
    weir_epoch_quiescent(second);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 1);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 1);
    weir_epoch_leave(first);
    weir_epoch_leave(second);
    weir_epoch_leave(writer);
    weir_epoch_free(e);
    weir_epoch_free(NULL);
}

static void test_epoch_reader_that_was_quiescent_before_the_unlink_still_counts(void **state)
{
    (void)state;
    int released = 0;
    weir_epoch *e = new_epoch(2);
    weir_epoch_member *writer = join(e), *reader = join(e);
    weir_epoch_online(reader);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_quiescent(reader); /* before the writer's stamp: may have found the object again */
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 0);
    weir_epoch_quiescent(reader);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 1);
    weir_epoch_leave(reader);
    weir_epoch_leave(writer);
    weir_epoch_free(e);
}

static void test_epoch_offline_members_hold_nothing_back(void **state)
{
    (void)state;
    int released = 0;
    weir_epoch *e = new_epoch(8);
    weir_epoch_member *writer = join(e), *never_online = join(e), *sleeper = join(e);
    weir_epoch_online(writer);
    weir_epoch_online(sleeper);
    weir_epoch_offline(sleeper);
    weir_epoch_quiescent(sleeper); /* offline it stays */
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 1);
    /* A member on its way to sleep frees what it can itself, and so does an offline one. */
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_offline(writer);
    assert_int_equal(released, 2);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 3);
    /* One that goes online after the unlink cannot find the object. */
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_online(sleeper);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 3); /* the stamp came after: still careful */
    weir_epoch_offline(sleeper);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 4);
    weir_epoch_leave(sleeper);
    weir_epoch_leave(never_online);
    weir_epoch_leave(writer);
    weir_epoch_free(e);
}

static void test_epoch_frees_in_order_and_only_what_is_due(void **state)
{
    (void)state;
    int early = 0, late = 0;
    weir_epoch *e = new_epoch(2);
    weir_epoch_member *writer = join(e), *reader = join(e);
    weir_epoch_retire(writer, &early, count_release);
    weir_epoch_online(reader);
    weir_epoch_quiescent(writer);
    assert_int_equal(early, 0);
    weir_epoch_quiescent(reader);
    weir_epoch_retire(writer, &late, count_release);
    weir_epoch_quiescent(writer);
    assert_int_equal(early, 1);
    assert_int_equal(late, 0);
    weir_epoch_leave(reader);
    weir_epoch_leave(writer);
    assert_int_equal(late, 1);
    weir_epoch_free(e);
}

static void test_epoch_leftovers_are_freed_by_others_or_the_next_owner(void **state)
{
    (void)state;
    int released = 0;
    weir_epoch *e = new_epoch(2);
    weir_epoch_member *reader = join(e), *writer = join(e);
    weir_epoch_online(reader);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_leave(writer);
    assert_int_equal(released, 0);
    weir_epoch_quiescent(reader);
    assert_int_equal(released, 1);

    writer = join(e);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_leave(writer);
    writer = join(e); /* the same slot, with what is in it */
    weir_epoch_offline(reader);
    assert_int_equal(released, 1);
    weir_epoch_quiescent(writer);
    assert_int_equal(released, 2);

    weir_epoch_online(reader);
    weir_epoch_retire(writer, &released, count_release);
    weir_epoch_leave(writer);
    weir_epoch_leave(reader);
    assert_int_equal(released, 3);
    weir_epoch_free(e);
}

static void test_epoch_refuses_more_members_than_its_maximum(void **state)
{
    (void)state;
    weir_epoch *e = new_epoch(2);
    weir_epoch_member *a = join(e), *b = join(e), *c = NULL;
    assert_int_equal(weir_epoch_join(e, &c), -EAGAIN);
    assert_null(c);
    weir_epoch_leave(a);
    c = join(e);
    weir_epoch_leave(b);
    weir_epoch_leave(c);
    weir_epoch_free(e);
}

typedef struct chained {
    weir_epoch_member *member;
    int *released;
    int links;
} chained;

static void release_and_retire_more(void *object)
{
    chained *c = object;
    ++*c->released;
    if (c->links-- > 0) {
        for (int i = 0; i < 40; i++)
            weir_epoch_retire(c->member, c->released, count_release);
        weir_epoch_retire(c->member, c, release_and_retire_more);
    }
}

static void test_epoch_release_may_retire_more(void **state)
{
    (void)state;
    int released = 0;
    weir_epoch *e = new_epoch(1);
    weir_epoch_member *m = join(e);
    chained c = {m, &released, 3};
    weir_epoch_retire(m, &c, release_and_retire_more);
    for (int i = 0; i < 4; i++)
        weir_epoch_quiescent(m);
    assert_int_equal(released, 4 + 3 * 40);
    weir_epoch_leave(m);
    weir_epoch_free(e);
}

static void retire_many(void *user)
{
    (void)user;
    int released = 0;
    weir_epoch *e = NULL;
    weir_epoch_member *m = NULL, *reader = NULL;
    if (weir_epoch_new(2, &e) < 0) {
        assert_true(weir_failalloc_failed());
        return;
    }
    int r = weir_epoch_join(e, &m);
    if (r == 0 && (r = weir_epoch_join(e, &reader)) == 0) {
        weir_epoch_online(reader);
        for (int i = 0; i < 1000; i++) {
            weir_epoch_retire(m, &released, count_release);
            weir_epoch_quiescent(m);
        }
        assert_int_equal(released, 0);
        weir_epoch_leave(reader);
        weir_epoch_quiescent(m);
        assert_int_equal(released + (int)weir_epoch_lost(e), 1000);
        assert_true(released == 1000 || weir_failalloc_failed());
    }
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
    if (m)
        weir_epoch_leave(m);
    weir_epoch_free(e);
}

static void test_epoch_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, retire_many, NULL) > 4);
}

/* Under load: writers replace objects in shared places, readers follow them. A released object is
 * spoilt first, so that a reader who still holds it fails; the sanitizers see the rest. */
enum { PLACES = 4, THREADS = 4, TURNS = 20000, ALIVE = 0x57E1, SPOILT = 0xDEAD };

typedef struct shared {
    weir_epoch *epoch;
    _Atomic(int *) places[PLACES];
    _Atomic size_t released, retired, wrong;
} shared;

typedef struct boxed {
    int alive; /* first: places point to it */
    shared *owner;
} boxed;

static int *box_new(shared *s)
{
    boxed *box = malloc(sizeof(*box));
    if (!box)
        abort();
    *box = (boxed){ALIVE, s};
    return &box->alive;
}

static void box_release(void *object)
{
    boxed *box = object;
    atomic_fetch_add(&box->owner->released, 1);
    box->alive = SPOILT;
    free(box);
}

static void load_turn(shared *s, weir_epoch_member *m, unsigned dice)
{
    _Atomic(int *) *place = &s->places[dice % PLACES];
    if (dice / 16 % 8 == 0) {
        int *old = atomic_exchange_explicit(place, box_new(s), memory_order_acq_rel);
        atomic_fetch_add(&s->retired, 1);
        weir_epoch_retire(m, old, box_release);
    }
    const int *held[PLACES];
    for (int i = 0; i < PLACES; i++)
        held[i] = atomic_load_explicit(&s->places[i], memory_order_acquire);
    for (int i = 0; i < PLACES; i++)
        if (*held[i] != ALIVE)
            atomic_fetch_add(&s->wrong, 1);
}

static void *load_thread(void *user)
{
    shared *s = user;
    weir_epoch_member *m = NULL;
    unsigned dice = (unsigned)(uintptr_t)&m;
    for (int turn = 0; turn < TURNS; turn++) {
        if (!m) {
            if (weir_epoch_join(s->epoch, &m) != 0)
                abort();
            weir_epoch_online(m);
        }
        dice = dice * 1664525u + 1013904223u;
        load_turn(s, m, dice >> 8);
        weir_epoch_quiescent(m);
        if (dice >> 16 & 1) {
            weir_epoch_offline(m);
            weir_epoch_online(m);
        }
        if ((dice >> 24) == 0) {
            weir_epoch_leave(m);
            m = NULL;
        }
    }
    if (m)
        weir_epoch_leave(m);
    return NULL;
}

static void test_epoch_readers_never_see_a_released_object(void **state)
{
    (void)state;
    shared s = {.epoch = new_epoch(THREADS + 2)};
    weir_epoch_member *idle = join(s.epoch); /* present and offline: holds nothing back */
    for (int i = 0; i < PLACES; i++)
        atomic_init(&s.places[i], box_new(&s));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_thread, &s), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    weir_epoch_quiescent(idle);
    assert_int_equal(s.wrong, 0);
    assert_true(s.retired > TURNS / 8);
    assert_int_equal(s.released, s.retired);
    weir_epoch_leave(idle);
    for (int i = 0; i < PLACES; i++)
        box_release(s.places[i]);
    assert_int_equal(weir_epoch_lost(s.epoch), 0);
    weir_epoch_free(s.epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epoch_waits_for_each_online_member),
        cmocka_unit_test(test_epoch_reader_that_was_quiescent_before_the_unlink_still_counts),
        cmocka_unit_test(test_epoch_offline_members_hold_nothing_back),
        cmocka_unit_test(test_epoch_frees_in_order_and_only_what_is_due),
        cmocka_unit_test(test_epoch_leftovers_are_freed_by_others_or_the_next_owner),
        cmocka_unit_test(test_epoch_refuses_more_members_than_its_maximum),
        cmocka_unit_test(test_epoch_release_may_retire_more),
        cmocka_unit_test(test_epoch_survives_every_failed_allocation),
        cmocka_unit_test(test_epoch_readers_never_see_a_released_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
