/* Reports as JSON. */
#include "ops/json.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const weir_report_column columns[] = {
    {"name", WEIR_REPORT_TEXT}, {"count", WEIR_REPORT_BIGINT}, {"seconds", WEIR_REPORT_REAL}};

static void check(const weir_report *report, const char *want)
{
    weir_buf out;
    weir_buf_init(&out, 4096);
    assert_int_equal(ops_json_report(report, &out), 0);
    assert_int_equal(weir_buf_append_u8(&out, 0), 0);
    assert_string_equal((const char *)out.data, want);
    weir_buf_fini(&out);
}

static void test_numbers_nulls_and_text(void **state)
{
    (void)state;
    weir_report r;
    weir_report_init(&r, columns, 3, 1 << 20);
    check(&r, "{\"columns\":[\"name\",\"count\",\"seconds\"],\"rows\":[]}\n");
    weir_report_text(&r, "a\"\n\xc3\xa9");
    weir_report_int(&r, -5000000000);
    weir_report_seconds(&r, 250000000);
    weir_report_text(&r, "bad \xff\xc3\xa9"); /* one bad byte: all beyond ASCII is replaced */
    weir_report_null(&r);
    weir_report_null(&r);
    check(&r, "{\"columns\":[\"name\",\"count\",\"seconds\"],\"rows\":[\n"
              "{\"name\":\"a\\\"\\n\xc3\xa9\",\"count\":-5000000000,\"seconds\":0.25},\n"
              "{\"name\":\"bad ???\",\"count\":null,\"seconds\":null}]}\n");
    weir_report_fini(&r);
}

static void test_a_report_larger_than_its_place_is_an_error(void **state)
{
    (void)state;
    weir_report r;
    weir_buf out;
    weir_report_init(&r, columns, 3, 1 << 20);
    for (int i = 0; i < 100; i++) {
        weir_report_text(&r, "name");
        weir_report_int(&r, i);
        weir_report_seconds(&r, 1);
    }
    weir_buf_init(&out, 1000);
    assert_true(ops_json_report(&r, &out) < 0);
    weir_buf_fini(&out);
    weir_report_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_nulls_and_text),
        cmocka_unit_test(test_a_report_larger_than_its_place_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
