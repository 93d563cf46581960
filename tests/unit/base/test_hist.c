/* hist: buckets against their definition, quantiles within the promised distance. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hist.h"

static size_t bucket_counted(weir_time ns)
{
    weir_hist h;
    memset(&h, 0, sizeof(h));
    weir_hist_record(&h, ns);
    size_t i = 0;
    while (h.buckets[i] == 0)
        i++;
    return i;
}

static void test_hist_bounds_are_quarter_octaves(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < WEIR_HIST_BUCKETS; i++) {
        double truth = 1000 * pow(2, (double)i / 4);
        assert_true(fabs((double)weir_hist_bound(i) - truth) <= 1);
    }
    assert_true(weir_hist_bound(WEIR_HIST_BUCKETS - 1) == WEIR_TIME_NEVER);
}

static void test_hist_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_HIST_BUCKETS; i++)
        assert_int_equal(bucket_counted(weir_hist_bound(i)), i);
    for (size_t i = 0; i + 1 < WEIR_HIST_BUCKETS; i++) {
        assert_int_equal(bucket_counted(weir_hist_bound(i) + 1), i + 1);
        assert_int_equal(bucket_counted(weir_hist_bound(i) - 1), i);
    }
    assert_int_equal(bucket_counted(0), 0);
    assert_int_equal(bucket_counted(INT64_MIN), 0);
}

static void test_hist_quantile_is_within_19_percent(void **state)
{
    (void)state;
    weir_hist h;
    memset(&h, 0, sizeof(h));
    assert_int_equal(weir_hist_quantile(&h, 0.5), 0);
    for (weir_time i = 1; i <= 10000; i++)
        weir_hist_record(&h, i * 17 * WEIR_US);
    static const double quantiles[] = {0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
        double truth = ceil(quantiles[i] * 10000) * 17000;
        double got = (double)weir_hist_quantile(&h, quantiles[i]);
        assert_true(got >= truth && got <= truth * 1.19);
    }
    assert_int_equal(weir_hist_quantile(&h, 0), weir_hist_quantile(&h, 0.0001));
    assert_int_equal(weir_hist_quantile(&h, 2), 170000 * WEIR_US);
    assert_int_equal(h.count, 10000);
    assert_int_equal(h.sum_ns, 17000ULL * 10000 * 10001 / 2);
    assert_int_equal(h.max_ns, 170000 * WEIR_US);
}

static void test_hist_merge_adds_and_count_le_counts(void **state)
{
    (void)state;
    weir_hist a, b;
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    weir_hist_record(&a, 1 * WEIR_MS);
    weir_hist_record(&b, 9 * WEIR_SECOND);
    weir_hist_record(&b, 10000 * WEIR_SECOND);
    weir_hist_merge(&a, &b);
    assert_int_equal(a.count, 3);
    assert_true(a.max_ns == (uint64_t)(10000 * WEIR_SECOND));
    assert_true(weir_hist_quantile(&a, 1) == 10000 * WEIR_SECOND);
    assert_int_equal(weir_hist_count_le(&a, -1), 0);
    assert_int_equal(weir_hist_count_le(&a, 999), 0);
    assert_int_equal(weir_hist_count_le(&a, 1200 * WEIR_US), 1);
    assert_int_equal(weir_hist_count_le(&a, 11 * WEIR_SECOND), 2);
    assert_int_equal(weir_hist_count_le(&a, WEIR_TIME_NEVER - 1), 2);
    assert_int_equal(weir_hist_count_le(&a, WEIR_TIME_NEVER), 3);
    for (size_t i = 0; i + 1 < WEIR_HIST_BUCKETS; i++) {
        weir_time bound = weir_hist_bound(i);
        assert_int_equal(weir_hist_count_le(&a, bound),
                         (bound >= WEIR_MS) + (bound >= 9 * WEIR_SECOND));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hist_bounds_are_quarter_octaves),
        cmocka_unit_test(test_hist_bound_belongs_to_its_bucket),
        cmocka_unit_test(test_hist_quantile_is_within_19_percent),
        cmocka_unit_test(test_hist_merge_adds_and_count_le_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
