/* The parts of the policies: the ghost queue, the sketch, the climber. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/climb.h"
#include "cache/ghost.h"
#include "cache/sketch.h"

static uint64_t hash_of(uint64_t x)
{
    x = (x + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 31;
}

/* ---- ghosts ---- */

static void test_a_ghost_lives_for_its_window(void **state)
{
    (void)state;
    weir_ghost g;
    assert_int_equal(weir_ghost_init(&g, 200, 100), 0);
    for (unsigned i = 0; i < 150; i++)
        weir_ghost_add(&g, hash_of(i), 1);
    assert_false(weir_ghost_take(&g, hash_of(49), 1));
    for (unsigned i = 50; i < 150; i++) {
        assert_true(weir_ghost_take(&g, hash_of(i), 1));
        assert_false(weir_ghost_take(&g, hash_of(i), 1));
    }
    assert_int_equal(g.size, 0);
    weir_ghost_fini(&g);
}

static void test_a_taken_ghost_makes_room(void **state)
{
    (void)state;
    weir_ghost g;
    assert_int_equal(weir_ghost_init(&g, 200, 100), 0);
    for (unsigned i = 0; i < 100; i++)
        weir_ghost_add(&g, hash_of(i), 1);
    for (unsigned i = 50; i < 100; i++)
        assert_true(weir_ghost_take(&g, hash_of(i), 1));
    for (unsigned i = 200; i < 250; i++)
        weir_ghost_add(&g, hash_of(i), 1);
    assert_true(weir_ghost_take(&g, hash_of(0), 1));
    weir_ghost_fini(&g);
}

/* The books stay right for any sizes, wrong ones too, and over many turns of the ticks. */
static void test_ghosts_are_bounded_whatever_the_sizes(void **state)
{
    (void)state;
    weir_ghost g;
    assert_int_equal(weir_ghost_init(&g, 64, 5000), 0);
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t h = hash_of(i);
        weir_ghost_add(&g, h, i % 1000 == 0 ? SIZE_MAX : h % 400);
        if (i % 3 == 0)
            (void)weir_ghost_take(&g, hash_of(i - h % 20), h % 300);
        if (i % 5000 == 0)
            weir_ghost_resize(&g, h % 7000);
        assert_true(g.size <= g.window);
        size_t sum = 0;
        for (unsigned tick = 0; i % 1000 == 0 && tick < WEIR_GHOST_TICKS; tick++)
            sum += g.sizes[tick];
        assert_true(i % 1000 != 0 || sum == g.size);
    }
    weir_ghost_fini(&g);
}

/* Ticks have 16 bits: what was forgotten must not come back when they have gone round. */
static void test_a_forgotten_ghost_stays_forgotten(void **state)
{
    (void)state;
    weir_ghost g;
    assert_int_equal(weir_ghost_init(&g, 1000, 100), 0);
    weir_ghost_add(&g, hash_of(0), 1);
    for (unsigned i = 1; i < 70000; i++) {
        weir_ghost_add(&g, hash_of(1 + i % 150), 1);
        if (i > 300)
            assert_false(weir_ghost_take(&g, hash_of(0), 1));
    }
    weir_ghost_fini(&g);
}

/* ---- the sketch ---- */

static void test_the_sketch_counts_up_to_its_cap(void **state)
{
    (void)state;
    weir_sketch s;
    assert_int_equal(weir_sketch_init(&s, 1000), 0);
    for (unsigned i = 1; i <= 40; i++) {
        weir_sketch_raise(&s, hash_of(1), SIZE_MAX);
        assert_int_equal(weir_sketch_estimate(&s, hash_of(1)), i < 15 ? i : 15);
    }
    assert_int_equal(weir_sketch_estimate(&s, hash_of(2)), 0);
    weir_sketch_fini(&s);
}

static void test_the_sketch_never_counts_too_few_and_forgets(void **state)
{
    (void)state;
    weir_sketch s;
    assert_int_equal(weir_sketch_init(&s, 512), 0);
    unsigned too_high = 0;
    for (unsigned i = 0; i < 2048; i++)
        weir_sketch_raise(&s, hash_of(i % 512), SIZE_MAX);
    for (unsigned i = 0; i < 512; i++) {
        assert_true(weir_sketch_estimate(&s, hash_of(i)) >= 4);
        too_high += weir_sketch_estimate(&s, hash_of(i)) > 4;
    }
    assert_in_range(too_high, 0, 40);
    weir_sketch_raise(&s, hash_of(0), 2049);
    assert_in_range(weir_sketch_estimate(&s, hash_of(1)), 2, 4);
    weir_sketch_fini(&s);
}

/* ---- the climber ---- */

/* Hits come with a probability that is best where the share is `best`. */
static double climb_to(weir_climb *c, double best, unsigned samples)
{
    for (unsigned i = 0; i < samples * 4000; i++) {
        double distance = weir_climb_share(c) - best;
        double ratio = 0.9 - (distance < 0 ? -distance : distance) * 0.8;
        weir_climb_count(c, (double)(hash_of(i) >> 40) / (1 << 24) < ratio, 1000);
        assert_true(weir_climb_share(c) >= 0.01 && weir_climb_share(c) <= 0.99);
    }
    return weir_climb_share(c);
}

static void test_the_climber_finds_the_top_and_follows_it(void **state)
{
    (void)state;
    weir_climb c;
    weir_climb_init(&c);
    double share = climb_to(&c, 0.6, 60);
    assert_true(share > 0.4 && share < 0.8);
    share = climb_to(&c, 0.05, 60);
    assert_true(share < 0.25);
    share = climb_to(&c, 0.9, 60);
    assert_true(share > 0.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ghost_lives_for_its_window),
        cmocka_unit_test(test_a_taken_ghost_makes_room),
        cmocka_unit_test(test_ghosts_are_bounded_whatever_the_sizes),
        cmocka_unit_test(test_a_forgotten_ghost_stays_forgotten),
        cmocka_unit_test(test_the_sketch_counts_up_to_its_cap),
        cmocka_unit_test(test_the_sketch_never_counts_too_few_and_forgets),
        cmocka_unit_test(test_the_climber_finds_the_top_and_follows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
