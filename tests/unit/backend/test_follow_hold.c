/* What a kept slot holds back: bounded by bytes and by time, only what was received is let go, and
 * never back. */
#include "backend/postgres/follow_hold.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define KIB 1024u

static void test_without_bytes_all_is_let_go(void **state)
{
    (void)state;
    pg_hold h;
    pg_hold_begin(&h, 0, WEIR_SECOND, 100, 0);
    assert_int_equal(pg_hold_release(&h, 500, 0), 500);
}

static void test_the_start_is_held_for_the_time(void **state)
{
    (void)state;
    pg_hold h;
    pg_hold_begin(&h, 64 * KIB, 3600 * WEIR_SECOND, 100, 0);
    assert_int_equal(pg_hold_release(&h, 500, WEIR_SECOND), 100);
    assert_int_equal(pg_hold_release(&h, 500, 3599 * WEIR_SECOND), 100);
    assert_int_equal(pg_hold_release(&h, 500, 3600 * WEIR_SECOND), 100);
    assert_int_equal(pg_hold_release(&h, 500, 3 * 3600 * WEIR_SECOND), 500);
}

static void test_a_quiet_server_is_not_held_for_ever(void **state)
{
    (void)state;
    pg_hold h;
    weir_time now = 0;
    uint64_t received = 1000, released = 0;
    pg_hold_begin(&h, 64 * KIB, 320 * WEIR_SECOND, 1000, 0);
    for (unsigned i = 0; i < 2000; i++, now += WEIR_SECOND) {
        released = pg_hold_release(&h, received += 2, now);
        if (i > 400)
            assert_in_range(received - released, 2 * 300, 2 * 345);
    }
}

static void test_bytes_are_bounded_whatever_comes(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u, received = 1000, before = 1000;
    pg_hold h;
    pg_hold_begin(&h, 64 * KIB, 3600 * WEIR_SECOND, 1000, 0);
    for (unsigned i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        received += i % 500 == 0 ? 1000000 : random % 3000;
        uint64_t released = pg_hold_release(&h, received, i * WEIR_MS);
        assert_true(released >= before && released <= received);
        assert_true(received - released <= 64 * KIB);
        before = released;
    }
}

/* A jump is let go as a whole: in the midst of it nothing ends. */
static void test_only_what_was_received_is_let_go(void **state)
{
    (void)state;
    pg_hold h;
    pg_hold_begin(&h, 1000, 3600 * WEIR_SECOND, 100, 0);
    assert_int_equal(pg_hold_release(&h, 1100, 0), 100);
    assert_int_equal(pg_hold_release(&h, 1101, 0), 1100);
    assert_int_equal(pg_hold_release(&h, 50000, 0), 50000);
}

static void test_what_is_dropped_is_not_held_again(void **state)
{
    (void)state;
    pg_hold h;
    pg_hold_begin(&h, 64 * KIB, 3600 * WEIR_SECOND, 100, 0);
    assert_int_equal(pg_hold_release(&h, 900, 0), 100);
    pg_hold_drop(&h, 900);
    assert_int_equal(pg_hold_release(&h, 900, 0), 900);
    assert_int_equal(pg_hold_release(&h, 2000, 0), 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_bytes_all_is_let_go),
        cmocka_unit_test(test_the_start_is_held_for_the_time),
        cmocka_unit_test(test_a_quiet_server_is_not_held_for_ever),
        cmocka_unit_test(test_bytes_are_bounded_whatever_comes),
        cmocka_unit_test(test_only_what_was_received_is_let_go),
        cmocka_unit_test(test_what_is_dropped_is_not_held_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
