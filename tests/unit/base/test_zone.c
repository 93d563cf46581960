/* Time zones: offsets around the changes of their clocks, and that no bytes make the reader fail
 * otherwise than by saying so. */
#include "base/zone.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"

static weir_zone *posix(const char *text)
{
    return weir_zone_parse_posix(weir_slice_make((const uint8_t *)text, strlen(text)));
}

static void test_a_posix_string_says_when_summer_is(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
        int32_t offset;
    } cases[] = {{NEW_YORK, 1772953199, -18000}, /* 2026-03-08 06:59:59 */
                 {NEW_YORK, 1772953200, -14400},
                 {NEW_YORK, 1793512799, -14400}, /* 2026-11-01 05:59:59 */
                 {NEW_YORK, 1793512800, -18000},
                 {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1767225600, 39600}, /* 2026-01-01 */
                 {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1782864000, 36000}, /* 2026-07-01 */
                 {"<+0530>-5:30", 0, 19800},
                 {"+02", 0, -7200},
                 {"XXX3YYY,J60/0,300/0", 1772323200 + 10800, -7200}, /* 2026-03-01 is day 60 */
                 {"XXX3YYY,J60/0,300/0", 1772323200 + 10799, -10800}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_zone *zone = posix(cases[i].text);
        assert_non_null(zone);
        if (weir_zone_offset_at(zone, cases[i].at) != cases[i].offset)
            fail_msg("%s at %lld", cases[i].text, (long long)cases[i].at);
        weir_zone_free(zone);
    }
}

static void test_a_clock_that_is_changed_shows_times_twice_or_never(void **state)
{
    (void)state;
    weir_zone *zone = posix(NEW_YORK);
    assert_int_equal(weir_zone_offset_of(zone, 1772933399), -18000); /* 01:29:59 */
    assert_int_equal(weir_zone_offset_of(zone, 1772937000), -18000); /* 02:30, never */
    assert_int_equal(weir_zone_offset_of(zone, 1772938800), -14400); /* 03:00 */
    assert_int_equal(weir_zone_offset_of(zone, 1793494740), -14400); /* 00:59 */
    assert_int_equal(weir_zone_offset_of(zone, 1793496600), -18000); /* 01:30, twice */
    weir_zone_free(zone);
}

static void test_what_is_no_zone_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",       "EST",  "E5",        "EST5EDT,M13.1.0,M1.1.0",
                                        "EST999", "<EST", "EST5EDT,M", "EST5EDT,M3.2.0,M11.1.0x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_null(posix(texts[i]));
}

/* A file of version 2 with one change, and a footer. */
static size_t make_file(uint8_t *out)
{
    static const uint8_t counts[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4};
    static const uint8_t types[] = {0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0x1c, 0x20, 1, 0};
    size_t len = 0;
    for (size_t time_size = 4; time_size <= 8; time_size += 4) {
        memcpy(out + len, "TZif2", 5);
        memset(out + len + 5, 0, 15);
        memcpy(out + len + 20, counts, sizeof(counts));
        len += 44;
        memset(out + len, 0, time_size);
        out[len + time_size - 2] = 3; /* at 768 */
        out[len + time_size] = 1;
        len += time_size + 1;
        memcpy(out + len, types, sizeof(types));
        memcpy(out + len + sizeof(types), "A\0B", 4);
        len += sizeof(types) + 4;
    }
    memcpy(out + len, "\nXXX-3\n", 7);
    return len + 7;
}

static void test_a_file_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    uint8_t file[512];
    size_t len = make_file(file);
    weir_zone *zone = weir_zone_parse(weir_slice_make(file, len));
    assert_non_null(zone);
    assert_int_equal(weir_zone_offset_at(zone, 767), 3600);
    assert_int_equal(weir_zone_offset_at(zone, 768), 10800); /* the footer's */
    weir_zone_free(zone);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, file, cut);
        weir_zone_free(weir_zone_parse(weir_slice_make(copy, cut)));
        free(copy);
    }
    for (size_t i = 0; i < len; i++) {
        for (unsigned v = 0; v < 256; v += 51) {
            uint8_t copy[512];
            memcpy(copy, file, len);
            copy[i] = (uint8_t)v;
            zone = weir_zone_parse(weir_slice_make(copy, len));
            if (zone)
                (void)weir_zone_offset_of(zone, INT32_MAX);
            weir_zone_free(zone);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_posix_string_says_when_summer_is),
        cmocka_unit_test(test_a_clock_that_is_changed_shows_times_twice_or_never),
        cmocka_unit_test(test_what_is_no_zone_is_none),
        cmocka_unit_test(test_a_file_is_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
