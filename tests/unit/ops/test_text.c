/* Prometheus' text: escaping, and histograms whose buckets add up. */
#include "ops/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *text_of(weir_buf *b)
{
    assert_int_equal(weir_buf_append_u8(b, 0), 0);
    return (const char *)b->data;
}

static void test_label_values_are_escaped_and_stay_utf8(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
        {"tab\there\x7f", "tab here "},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff\xc3", "??"},
        {"\xc0\xaf", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xe2\x82", "??"},
        {"\xf5x", "?x"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weir_buf b;
        char want[128];
        weir_buf_init(&b, 1024);
        ops_text t = {.out = &b, .family = "m"};
        ops_count(&t, OPS_LABELS({"l", cases[i][0]}, {"k", "v"}), 7);
        assert_int_equal(t.error, 0);
        (void)snprintf(want, sizeof(want), "m{l=\"%s\",k=\"v\"} 7\n", cases[i][1]);
        assert_string_equal(text_of(&b), want);
        weir_buf_fini(&b);
    }
}

static void test_seconds_keep_nanoseconds(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 1024);
    ops_text t = {.out = &b};
    ops_family(&t, "s", "gauge", "Help.");
    ops_seconds(&t, OPS_NO_LABELS, 1500000001u);
    assert_string_equal(text_of(&b), "# HELP s Help.\n# TYPE s gauge\ns 1.500000001\n");
    weir_buf_fini(&b);
}

static void test_reals_are_short_and_exact_enough(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 1024);
    ops_text t = {.out = &b, .family = "r"};
    ops_real(&t, OPS_NO_LABELS, 0);
    ops_real(&t, OPS_LABELS({"l", "v"}), 0.25);
    ops_real(&t, OPS_NO_LABELS, 1.0 / 262144);
    assert_int_equal(t.error, 0);
    assert_string_equal(text_of(&b), "r 0\nr{l=\"v\"} 0.25\nr 3.81469727e-06\n");
    weir_buf_fini(&b);
}

static void test_histogram_counts_up_to_its_total(void **state)
{
    (void)state;
    weir_buf b;
    weir_hist h = {0};
    weir_buf_init(&b, 65536);
    weir_hist_record(&h, 10 * WEIR_US);
    weir_hist_record(&h, WEIR_MS);
    weir_hist_record(&h, 100 * WEIR_SECOND); /* beyond the last bound */
    ops_text t = {.out = &b, .family = "h"};
    ops_histogram(&t, OPS_LABELS({"d", "x"}), &h);
    assert_int_equal(t.error, 0);
    const char *text = text_of(&b);
    assert_non_null(strstr(text, "h_bucket{d=\"x\",le=\"1.6e-05\"} 1\n"));
    assert_non_null(strstr(text, "h_bucket{d=\"x\",le=\"0.001024\"} 2\n"));
    assert_non_null(strstr(text, "h_bucket{d=\"x\",le=\"16.777216\"} 2\n"));
    assert_non_null(strstr(text, "h_bucket{d=\"x\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "h_sum{d=\"x\"} 100.001010000\n"));
    assert_non_null(strstr(text, "h_count{d=\"x\"} 3\n"));
    weir_buf_fini(&b);
}

static void test_a_full_buffer_is_an_error_that_sticks(void **state)
{
    (void)state;
    weir_buf b;
    weir_buf_init(&b, 20);
    ops_text t = {.out = &b, .family = "a_long_enough_name"};
    ops_count(&t, OPS_LABELS({"l", "v"}), 1);
    assert_int_equal(t.error, -EMSGSIZE);
    ops_count(&t, OPS_NO_LABELS, 1);
    assert_int_equal(t.error, -EMSGSIZE);
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_values_are_escaped_and_stay_utf8),
        cmocka_unit_test(test_seconds_keep_nanoseconds),
        cmocka_unit_test(test_reals_are_short_and_exact_enough),
        cmocka_unit_test(test_histogram_counts_up_to_its_total),
        cmocka_unit_test(test_a_full_buffer_is_an_error_that_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
