/* Dates, times and intervals as PostgreSQL reads their texts. */
#include "compat/fields.h"
#include "compat/moment_read.h"
#include "compat/values.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants those first */
#include <cmocka.h>

/* "2001-02-03 04:05:06 +3600 zone", or the SQLSTATE. */
static const char *moment(const char *text, bool time)
{
    static char said[128];
    char date[WEIR_DATETIME_TEXT_MAX] = "", clock[WEIR_DATETIME_TEXT_MAX] = "";
    moment_text m;
    weir_error err = {0};
    weir_slice s = weir_slice_cstr(text);
    int r = time ? weir_moment_read_time(s, &m, &err) : weir_moment_read(s, &m, &err);
    if (r != 0) {
        (void)snprintf(said, sizeof(said), "%s", err.sqlstate);
        return said;
    }
    if (m.has_date)
        (void)weir_date_format(m.days, date);
    if (m.has_time)
        (void)weir_time_format(m.us, clock);
    int len = snprintf(said, sizeof(said), "%s%s%s", date, date[0] && clock[0] ? " " : "", clock);
    if (m.has_offset)
        len += snprintf(said + len, sizeof(said) - (size_t)len, " %+lld",
                        (long long)(m.offset_us / 1000000));
    if (m.zone.len > 0)
        (void)snprintf(said + len, sizeof(said) - (size_t)len, " %.*s", (int)m.zone.len,
                       (const char *)m.zone.data);
    return said;
}

static void test_dates_are_read_in_postgresqls_forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"January 8, 1999", "1999-01-08"},
        {"08-Jan-1999", "1999-01-08"},
        {"1999-Jan-08", "1999-01-08"},
        {"1/18/1999", "1999-01-18"},
        {"1999/1/8", "1999-01-08"},
        {"990108", "1999-01-08"},
        {"99-01-08", "22008"},
        {"01-08-69", "2069-01-08"},
        {"01-08-70", "1970-01-08"},
        {"J2451187", "1999-01-08"},
        {"epoch", "1970-01-01 00:00:00 +0"},
        {"2001-02-30", "22008"},
        {"1999-08", "22007"},
        {"", "22007"},
        {"-", "22007"},
        {"2001-02-03 2001-02-03", "22007"},
        {"infinity", "0A000"},
        {"1999-01-08 BC", "0A000"},
        {"10000-01-01", "0A000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(moment(cases[i][0], false), cases[i][1]);
}

static void test_times_and_zones_are_read_in_postgresqls_forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"2001-02-16 8:38:40 pm", "2001-02-16 20:38:40"},
        {"2001-02-16 12:00 am", "2001-02-16 00:00:00"},
        {"2001-02-16 13:00 pm", "22008"},
        {"2001-02-16T20:38:40.5Z", "2001-02-16 20:38:40.5 +0"},
        {"20010216T203840-0830", "2001-02-16 20:38:40 -30600"},
        {"2001-02-16 20:38 PST", "2001-02-16 20:38:00 -28800"},
        {"2001-02-16 20:38 Europe/Berlin", "2001-02-16 20:38:00 Europe/Berlin"},
        {"2001-02-16 20:38 +16", "22009"},
        {"2001-02-16 10:00 11:00", "22007"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(moment(cases[i][0], false), cases[i][1]);
    assert_string_equal(moment("040506", true), "04:05:06");
    assert_string_equal(moment("T0405", true), "04:05:00");
    assert_string_equal(moment("23:59:60", true), "24:00:00");
    assert_string_equal(moment("15:36 America/New_York", true), "22007");
}

static const char *interval(const char *text)
{
    static char said[128];
    int64_t us = 0;
    int32_t days = 0, months = 0;
    if (!weir_interval_parse(weir_slice_cstr(text), &us, &days, &months))
        return "refused";
    (void)snprintf(said, sizeof(said), "%d %d %lld", months, days, (long long)us);
    return said;
}

static void test_an_intervals_field_stands_once(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1-2", "14 0 0"},
        {"+1-2 -3 +4:05:06.789", "14 -3 14706789000"},
        {"-23 hours 45 min 12.34 sec", "0 0 -80087660000"},
        {"1 2:03", "0 1 7380000000"},
        {"1.5 months ago", "-1 -15 0"},
        {"1 week 1 day", "0 8 0"},
        {"P1Y2M3DT4H5M6.5S", "14 3 14706500000"},
        {"123 11", "refused"},
        {"1 day 1 day", "refused"},
        {"1:20:05 5 microseconds", "refused"},
        {"1.5 seconds 3 milliseconds", "refused"},
        {"", "refused"},
        {"ago", "refused"},
        {"P", "refused"},
        {"1:60", "refused"},
        {"99999999999 days", "refused"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(interval(cases[i][0]), cases[i][1]);
}

/* Whatever the bytes are, it says something and reads not beyond them. */
static void test_any_bytes_are_read_or_refused(void **state)
{
    static const char letters[] = "0159.:-+/ jtZap,\xc3\x01";
    (void)state;
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        char text[24];
        size_t len = 0;
        for (; len < sizeof(text); len++) {
            seed = seed * 1103515245u + 12345u;
            if ((seed >> 16) % 12 == 0)
                break;
            text[len] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        }
        moment_text m;
        int64_t us = 0;
        int32_t days = 0, months = 0;
        weir_error err;
        weir_slice s = weir_slice_make(text, len);
        if (weir_moment_read_time(s, &m, &err) == 0)
            assert_in_range(m.us, 0, WEIR_USEC_PER_DAY);
        (void)weir_interval_parse(s, &us, &days, &months);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_are_read_in_postgresqls_forms),
        cmocka_unit_test(test_times_and_zones_are_read_in_postgresqls_forms),
        cmocka_unit_test(test_an_intervals_field_stands_once),
        cmocka_unit_test(test_any_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
