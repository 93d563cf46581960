/* pairs: the greatest count that is surely known at a position, never one more. */
#include "cache/pairs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_nothing_is_known_before_the_first_pair(void **state)
{
    (void)state;
    weir_pairs p = {.next = 0};
    assert_int_equal(weir_pairs_find(&p, 1000, 1), 1);
    weir_pairs_add(&p, 7, 100);
    assert_int_equal(weir_pairs_find(&p, 99, 1), 1);
    assert_int_equal(weir_pairs_find(&p, 100, 1), 7);
    assert_int_equal(weir_pairs_find(&p, UINT64_MAX, 1), 7);
}

/* The older pair holds for more positions. */
static void test_a_count_keeps_its_first_position(void **state)
{
    (void)state;
    weir_pairs p = {.next = 0};
    weir_pairs_add(&p, 7, 100);
    weir_pairs_add(&p, 7, 200);
    assert_int_equal(weir_pairs_find(&p, 100, 1), 7);
    weir_pairs_add(&p, 9, 300);
    assert_int_equal(weir_pairs_find(&p, 299, 1), 7);
    assert_int_equal(weir_pairs_find(&p, 300, 1), 9);
}

/* Those that were pushed out answer as if nothing had been known. */
static void test_the_newest_are_found_at_every_position(void **state)
{
    (void)state;
    weir_pairs p = {.next = 0};
    for (uint64_t i = 1; i <= 3 * WEIR_PAIRS + 5; i++) {
        weir_pairs_add(&p, 2 * i, 10 * i);
        uint64_t oldest = i > WEIR_PAIRS ? i - WEIR_PAIRS + 1 : 1;
        for (uint64_t k = 1; k <= i; k++) {
            uint64_t expected = k >= oldest ? 2 * k : 1;
            assert_int_equal(weir_pairs_find(&p, 10 * k, 1), expected);
            assert_int_equal(weir_pairs_find(&p, 10 * k + 9, 1), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_before_the_first_pair),
        cmocka_unit_test(test_a_count_keeps_its_first_position),
        cmocka_unit_test(test_the_newest_are_found_at_every_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
