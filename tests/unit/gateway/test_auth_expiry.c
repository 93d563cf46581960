/* VALID UNTIL in every form that a lookup may give it. */
#include "gateway/auth_expiry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_times_are_read_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"", INT64_MAX},
        {"infinity", INT64_MAX},
        {"Infinity", INT64_MAX},
        {"-infinity", INT64_MIN},
        {"0", 0},
        {"1790000000", 1790000000},
        {"1790000000.25", 1790000000},
        {"-5", -5},
        {"1970-01-01", 0},
        {"1970-01-01 00:00:00+00", 0},
        {"1969-12-31 23:59:59+00", -1},
        {"2000-02-29 12:00:00+00", 951825600},
        {"2024-03-01 00:00:00+01", 1709247600},
        {"2024-12-31T23:59:59.999999-03:30", 1735702199},
        {"1883-11-18 12:03:58-04:56:02", -2717650800},
        {"10000-01-01 00:00:00+00", 253402300800},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t got = 1;
        assert_int_equal(weir_auth_expiry_parse(weir_slice_cstr(cases[i].text), &got), 0);
        assert_int_equal(got, cases[i].seconds);
    }
}

static void test_what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"tomorrow",
                                        "2024-13-01",
                                        "2024-1-1",
                                        "01.02.2024",
                                        "2024-01-01 10:00",
                                        "2024-01-01 10:00:00 UTC",
                                        "1e9",
                                        "9999999999999999999",
                                        "-",
                                        "2024-01-01 00:00:00+0"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t got;
        assert_int_equal(weir_auth_expiry_parse(weir_slice_cstr(cases[i]), &got), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_read_exactly),
        cmocka_unit_test(test_what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
