/* Lists of session settings. */
#include "gateway/guc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void put(weir_buf *list, const char *name, const char *value)
{
    assert_int_equal(weir_guc_put(list, weir_slice_cstr(name), weir_slice_cstr(value)), 0);
}

#define ASSERT_LIST(list, text)                                                                    \
    assert_true(weir_slice_eq(weir_buf_slice(list), WEIR_SLICE_LIT(text)))

static void test_names_are_folded_and_sorted_and_the_last_value_counts(void **state)
{
    (void)state;
    weir_buf list;
    weir_buf_init(&list, 1024);
    put(&list, "TimeZone", "UTC");
    put(&list, "datestyle", "ISO");
    put(&list, "work_mem", "1MB");
    put(&list, "timezone", "Asia/Tokyo");
    put(&list, "", "nothing");
    put(&list, "a", "");
    ASSERT_LIST(&list, "a\0\0datestyle\0ISO\0timezone\0Asia/Tokyo\0work_mem\0001MB\0");
    assert_true(weir_slice_eq_cstr(weir_guc_find(weir_buf_slice(&list), WEIR_SLICE_LIT("work_mem")),
                                   "1MB"));
    assert_null(weir_guc_find(weir_buf_slice(&list), WEIR_SLICE_LIT("work")).data);
    assert_non_null(weir_guc_find(weir_buf_slice(&list), WEIR_SLICE_LIT("a")).data);
    weir_buf_fini(&list);
}

static void test_filling_up_replaces_nothing(void **state)
{
    (void)state;
    weir_buf list;
    weir_buf_init(&list, 1024);
    put(&list, "b", "mine");
    assert_int_equal(weir_guc_fill_up(&list, WEIR_SLICE_LIT("a\0001\0b\0002\0c\0003\0")), 0);
    ASSERT_LIST(&list, "a\0001\0b\0mine\0c\0003\0");
    weir_buf_fini(&list);
}

static void test_a_full_list_is_as_before(void **state)
{
    (void)state;
    weir_buf list;
    weir_buf_init(&list, 12);
    put(&list, "a", "1");
    assert_int_equal(weir_guc_put(&list, WEIR_SLICE_LIT("b"), WEIR_SLICE_LIT("123456789")),
                     -EMSGSIZE);
    ASSERT_LIST(&list, "a\0001\0");
    weir_buf_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_folded_and_sorted_and_the_last_value_counts),
        cmocka_unit_test(test_filling_up_replaces_nothing),
        cmocka_unit_test(test_a_full_list_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
