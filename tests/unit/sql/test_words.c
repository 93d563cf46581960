/* The word tables keep the order and the shape that lookups rely on. */
#include "sql/fold.h"
#include "sql/lex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

static void test_every_word_finds_itself_in_any_case(void **state)
{
    (void)state;
    for (size_t n = 0; weir_word_at(n); n++) {
        const weir_word *w = weir_word_at(n);
        char text[WEIR_WORD_LEN_MAX + 1] = "";
        size_t len = strlen(w->text);
        for (size_t i = 0; i < len; i++)
            text[i] = w->text[i] >= 'a' && i % 2 ? (char)(w->text[i] - 32) : w->text[i];
        assert_ptr_equal(weir_word_find_folded(weir_slice_make(text, len)), w);
        text[len - 1] ^= 1;
        const weir_word *other = weir_word_find_folded(weir_slice_make(text, len));
        assert_true(other != w);
        assert_true(!other || weir_slice_eq_nocase(weir_slice_make(text, len), other->text));
    }
    assert_null(weir_word_find_folded(WEIR_SLICE_LIT("")));
}

/* As the table of characters has it, and without a look behind the end (the sanitizer's say). */
static void test_folding_eight_at_once_is_folding_each(void **state)
{
    (void)state;
    for (size_t len = 1; len < 30; len++) {
        uint8_t *from = malloc(len), *to = malloc(len + 7);
        assert_true(from && to);
        for (unsigned first = 0; first < 256; first++) {
            for (size_t i = 0; i < len; i++)
                from[i] = (uint8_t)(first + i * 37);
            weir_fold(to, from, len);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(to[i],
                                 weir_char_fold[from[i]] ? weir_char_fold[from[i]] : from[i]);
        }
        free(from);
        free(to);
    }
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
        cmocka_unit_test(test_every_word_finds_itself_in_any_case),
        cmocka_unit_test(test_folding_eight_at_once_is_folding_each),
        cmocka_unit_test(test_harmless_functions_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
