/* id_set: compared with a plain list under a fixed pseudo-random sequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id_set.h"
#include "failalloc.h"

#define IDS 20000u
#define DIFFERENT 9000u /* so that most come twice; 0 is one of them */

static uint64_t id_of(unsigned n)
{
    return (n * 2654435761u % DIFFERENT) * 0x100000001ULL;
}

static void expect_equal(const weir_id_set *set, const uint64_t *list, size_t count)
{
    assert_int_equal(set->count, count);
    assert_memory_equal(set->ids, list, count * sizeof(*list));
    assert_false(set->everything);
}

static void test_each_id_is_listed_once_in_order_of_arrival(void **state)
{
    (void)state;
    static bool seen[DIFFERENT];
    static uint64_t list[DIFFERENT];
    weir_id_set set;
    weir_id_set_init(&set, IDS);
    for (unsigned round = 0; round < 3; round++) {
        memset(seen, 0, sizeof(seen));
        size_t count = 0;
        for (unsigned n = 0; n < IDS; n++) {
            unsigned which = n * 2654435761u % DIFFERENT;
            assert_int_equal(weir_id_set_has(&set, id_of(n)), seen[which]);
            if (!seen[which])
                list[count++] = id_of(n);
            seen[which] = true;
            weir_id_set_add(&set, id_of(n));
        }
        expect_equal(&set, list, count);
        weir_id_set_truncate(&set, count / 3);
        expect_equal(&set, list, count / 3);
        assert_true(weir_id_set_has(&set, list[count / 3 - 1]));
        assert_false(weir_id_set_has(&set, list[count / 3]));
        weir_id_set_add(&set, list[count - 1]);
        assert_int_equal(set.ids[set.count - 1], list[count - 1]);
        weir_id_set_clear(&set);
        expect_equal(&set, list, 0);
        assert_false(weir_id_set_has(&set, list[0]));
    }
    weir_id_set_fini(&set);
}

static void test_more_than_can_be_listed_is_everything(void **state)
{
    (void)state;
    weir_id_set set;
    weir_id_set_init(&set, 300);
    for (unsigned n = 0; n < 300; n++)
        weir_id_set_add(&set, n);
    weir_id_set_add(&set, 7); /* is there */
    assert_false(set.everything);
    weir_id_set_add(&set, 300);
    assert_true(set.everything);
    assert_int_equal(set.count, 300);
    weir_id_set_truncate(&set, 10);
    assert_true(set.everything);
    weir_id_set_clear(&set);
    assert_false(set.everything);
    weir_id_set_fini(&set);
}

static void fill(void *user)
{
    (void)user;
    weir_id_set set;
    weir_id_set_init(&set, IDS);
    for (unsigned n = 0; n < IDS; n++)
        weir_id_set_add(&set, id_of(n));
    assert_int_equal(set.everything, weir_failalloc_failed());
    for (unsigned n = 0; n < IDS; n++)
        assert_true(set.everything || weir_id_set_has(&set, id_of(n)));
    weir_id_set_clear(&set);
    weir_id_set_fini(&set);
}

static void test_without_memory_it_is_everything(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, fill, NULL) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_id_is_listed_once_in_order_of_arrival),
        cmocka_unit_test(test_more_than_can_be_listed_is_everything),
        cmocka_unit_test(test_without_memory_it_is_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
