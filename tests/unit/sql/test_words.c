/* The word tables keep the order and the shape that lookups rely on. */
#include "sql/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_every_word_finds_itself(void **state)
{
    (void)state;
    size_t n = 0;
    for (const weir_word *w; (w = weir_word_at(n)) != NULL; n++)
        assert_ptr_equal(weir_word_find(weir_slice_cstr(w->text)), w);
    assert_true(n > 80);
    assert_null(weir_word_find(WEIR_SLICE_LIT("selects")));
    assert_null(weir_word_find(WEIR_SLICE_LIT("")));
}

static void test_harmless_functions_are_found(void **state)
{
    (void)state;
    static const char *const yes[] = {"abs", "count", "lower", "now", "width_bucket", "sum"};
    static const char *const no[] = {"nextval", "random", "", "zzz", "pg_sleep", "set_config"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(weir_function_is_harmless(yes[i]));
        assert_false(weir_function_is_harmless(no[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_word_finds_itself),
        cmocka_unit_test(test_harmless_functions_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
