/* wheel: whatever the times are, what is due is given at most a tick late and nothing early. */
#include "cache/wheel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TICK ((weir_time)1 << WEIR_WHEEL_TICK_SHIFT)
#define ENTRIES 600

typedef struct rig {
    weir_wheel wheel;
    weir_entry entries[ENTRIES];
    weir_time now;
    uint64_t random;
    size_t on; /* the wheel */
} rig;

static rig *rig_new(weir_time now, uint64_t seed)
{
    rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->now = now;
    r->random = seed * 2 + 1;
    return r;
}

static uint64_t next_random(rig *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random;
}

static void add(rig *r, weir_entry *e, weir_time expires_at)
{
    e->expires_at = expires_at;
    weir_wheel_add(&r->wheel, e);
    r->on += e->timer_at != NULL;
}

/* Takes everything that is due, `budget` at a time; checks that nothing comes early. */
static void advance(rig *r, weir_time now, unsigned budget)
{
    r->now = now;
    unsigned left;
    do {
        left = budget;
        for (weir_entry *e; (e = weir_wheel_next(&r->wheel, now, &left)) != NULL; r->on--) {
            assert_true(e->expires_at <= now);
            assert_null(e->timer_at);
        }
    } while (left == 0);
}

/* What is still on it may be late by a tick at most. */
static void check_nothing_is_left_behind(rig *r)
{
    size_t on = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (!r->entries[i].timer_at)
            continue;
        on++;
        assert_true(r->entries[i].expires_at > r->now - TICK);
        assert_ptr_equal(*r->entries[i].timer_at, &r->entries[i]);
    }
    assert_int_equal(on, r->on);
}

static void test_wheel_gives_entries_of_every_level_within_a_tick(void **state)
{
    (void)state;
    rig *r = rig_new(12345 * TICK + 678, 1);
    advance(r, r->now, 100);
    size_t n = 0;
    for (weir_time delay = 1; delay < WEIR_TIME_NEVER / 128; delay *= 2, n++)
        add(r, &r->entries[n], r->now + delay);
    assert_true(n > 50); /* from 1 ns to years: every level */
    for (size_t i = 0; i < n; i++) {
        weir_time due = r->entries[i].expires_at;
        if (due > r->now) {
            advance(r, due - 1, 100);
            assert_non_null(r->entries[i].timer_at);
        }
        advance(r, due + TICK, 100);
        assert_null(r->entries[i].timer_at);
    }
    assert_int_equal(r->on, 0);
    free(r);
}

static void test_wheel_takes_the_ends_of_time(void **state)
{
    (void)state;
    rig *r = rig_new(0, 1);
    add(r, &r->entries[0], WEIR_TIME_NEVER);
    assert_int_equal(r->on, 0);
    weir_wheel_remove(&r->entries[0]);
    add(r, &r->entries[1], INT64_MIN);
    add(r, &r->entries[2], 0);
    add(r, &r->entries[3], WEIR_TIME_NEVER - 1);
    advance(r, -5, 10);
    assert_int_equal(r->on, 2);
    advance(r, TICK, 10);
    assert_int_equal(r->on, 1);
    advance(r, WEIR_TIME_NEVER - 2 * TICK, 10);
    assert_int_equal(r->on, 1);
    weir_wheel_remove(&r->entries[3]);
    weir_wheel_remove(&r->entries[3]);
    r->on--;
    add(r, &r->entries[4], 7); /* has long passed */
    advance(r, WEIR_TIME_NEVER, 10);
    assert_int_equal(r->on, 0);
    free(r);
}

static void test_wheel_work_per_call_is_bounded(void **state)
{
    (void)state;
    rig *r = rig_new(0, 1);
    for (size_t i = 0; i < ENTRIES; i++)
        add(r, &r->entries[i], 1000 * WEIR_SECOND); /* one slot, high up: it is moved down first */
    unsigned calls = 0;
    for (unsigned left = 0; left == 0; calls++) {
        left = 10;
        unsigned taken = 0;
        while (weir_wheel_next(&r->wheel, 2000 * WEIR_SECOND, &left))
            taken++;
        assert_true(taken <= 10);
        r->on -= taken;
    }
    assert_int_equal(r->on, 0);
    assert_true(calls >= ENTRIES / 10 && calls <= ENTRIES / 10 * WEIR_WHEEL_LEVELS);
    free(r);
}

static weir_time random_time(rig *r)
{
    weir_time spread = (weir_time)1 << (next_random(r) % 45 + 10);
    return r->now + (weir_time)(next_random(r) % (uint64_t)spread) - spread / 16;
}

static void step(rig *r)
{
    weir_entry *e = &r->entries[next_random(r) % ENTRIES];
    if (next_random(r) % 8 == 0) {
        weir_time jump = (weir_time)1 << (next_random(r) % 40 + 8);
        advance(r, r->now + (weir_time)(next_random(r) % (uint64_t)jump),
                1 + (unsigned)(next_random(r) % 20));
        check_nothing_is_left_behind(r);
    } else if (next_random(r) % 8 == 0) {
        /* A call that stops half way, and additions in between. */
        unsigned budget = 1 + (unsigned)(next_random(r) % 5);
        r->now += (weir_time)(next_random(r) % (uint64_t)(100 * TICK));
        for (weir_entry *due; (due = weir_wheel_next(&r->wheel, r->now, &budget)) != NULL; r->on--)
            assert_true(due->expires_at <= r->now);
    } else if (e->timer_at) {
        weir_wheel_remove(e);
        r->on--;
    } else {
        add(r, e, random_time(r));
    }
}

static void test_wheel_agrees_with_a_list_of_times(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rig *r = rig_new((weir_time)(seed * seed * seed * seed) * WEIR_SECOND, seed);
        for (unsigned n = 0; n < 8000; n++)
            step(r);
        advance(r, WEIR_TIME_NEVER, 100);
        assert_int_equal(r->on, 0);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_gives_entries_of_every_level_within_a_tick),
        cmocka_unit_test(test_wheel_takes_the_ends_of_time),
        cmocka_unit_test(test_wheel_work_per_call_is_bounded),
        cmocka_unit_test(test_wheel_agrees_with_a_list_of_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
