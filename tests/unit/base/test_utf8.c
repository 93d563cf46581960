/* Texts are cut between characters, and within their bounds whatever bytes they are. */
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_a_character_is_not_cut(void **state)
{
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10}; /* a, é, €, 😀 */
    weir_slice text = WEIR_SLICE_LIT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    (void)state;
    for (size_t most = 0; most < sizeof(kept) / sizeof(kept[0]); most++)
        assert_int_equal(weir_utf8_head(text, most).len, kept[most]);
    assert_int_equal(weir_utf8_head((weir_slice){0}, 5).len, 0);
}

static void test_characters_follow_each_other(void **state)
{
    weir_slice text = WEIR_SLICE_LIT("a\xc3\xa9\xe2\x82\xac");
    (void)state;
    assert_int_equal(weir_utf8_next(text, 0), 1);
    assert_int_equal(weir_utf8_next(text, 1), 3);
    assert_int_equal(weir_utf8_next(text, 3), 6);
}

static void test_what_is_not_well_formed_keeps_its_bounds(void **state)
{
    weir_slice text = WEIR_SLICE_LIT("\x80\x80\x80");
    (void)state;
    assert_int_equal(weir_utf8_head(text, 2).len, 0);
    assert_int_equal(weir_utf8_head(text, 3).len, 3);
    assert_int_equal(weir_utf8_next(text, 1), 3);
}

static void test_what_is_quoted_is_cut(void **state)
{
    char said[16];
    weir_slice text = WEIR_SLICE_LIT("a\xc3\xa9\xc3\xa9");
    (void)state;
    (void)snprintf(said, sizeof(said), "<%.*s>", WEIR_UTF8_QUOTED(text, 4));
    assert_string_equal(said, "<a\xc3\xa9>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_character_is_not_cut),
        cmocka_unit_test(test_characters_follow_each_other),
        cmocka_unit_test(test_what_is_not_well_formed_keeps_its_bounds),
        cmocka_unit_test(test_what_is_quoted_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
