/* The console's language: what is understood, and that nothing else is. */
#include "gateway/admin_command.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const char *text, weir_admin_verb verb, const char *argument, const char *tag)
{
    weir_admin_command c;
    weir_error err = {0};
    assert_int_equal(weir_admin_parse(weir_slice_cstr(text), &c, &err), 0);
    assert_int_equal(c.verb, verb);
    assert_string_equal(c.argument, argument);
    assert_string_equal(c.tag, tag);
}

static void test_commands_in_any_case_with_space_and_comments(void **state)
{
    (void)state;
    check("SHOW POOLS", WEIR_ADMIN_SHOW, "pools", "SHOW");
    check("  show\t\nPools ;  ", WEIR_ADMIN_SHOW, "pools", "SHOW");
    check("-- words\nshow/* more */stats;-- end", WEIR_ADMIN_SHOW, "stats", "SHOW");
    check("pause", WEIR_ADMIN_PAUSE, "", "PAUSE");
    check("Pause \"My \"\"DB\"\"\";", WEIR_ADMIN_PAUSE, "My \"DB\"", "PAUSE");
    check("RESUME Db", WEIR_ADMIN_RESUME, "db", "RESUME");
    check("drain", WEIR_ADMIN_SHUTDOWN, "", "DRAIN");
    check("SHUTDOWN", WEIR_ADMIN_SHUTDOWN, "", "SHUTDOWN");
    check("BEGIN ISOLATION LEVEL SERIALIZABLE", WEIR_ADMIN_BEGIN, "", "BEGIN");
    check("SET extra_float_digits = 3", WEIR_ADMIN_NOTHING, "", "SET");
    check("", WEIR_ADMIN_EMPTY, "", "");
    check(" ; ", WEIR_ADMIN_EMPTY, "", "");
}

static void test_everything_else_is_42601_with_the_commands_as_hint(void **state)
{
    (void)state;
    static const char *const bad[] = {"SELECT 1",
                                      "SHOW",
                                      "show a b",
                                      "pause a b",
                                      "reload x",
                                      "drain now",
                                      "\"show\" pools",
                                      "show; x",
                                      "; show pools",
                                      "show \"",
                                      "shows pools",
                                      "\xff\xfe",
                                      "show pools; show stats"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        weir_admin_command c;
        weir_error err = {0};
        int r = weir_admin_parse(weir_slice_cstr(bad[i]), &c, &err);
        if (strcmp(bad[i], "show \"") == 0) { /* an empty name: no report is called so */
            assert_int_equal(r, 0);
            assert_string_equal(c.argument, "");
            continue;
        }
        assert_int_equal(r, -EINVAL);
        assert_string_equal(err.sqlstate, "42601");
        assert_non_null(strstr(err.hint, "SHOW"));
    }
}

static void test_names_are_cut_never_overrun(void **state)
{
    (void)state;
    char text[1000];
    weir_admin_command c;
    weir_error err;
    memset(text, 'x', sizeof(text));
    memcpy(text, "show ", 5);
    assert_int_equal(weir_admin_parse(weir_slice_make(text, sizeof(text)), &c, &err), 0);
    assert_int_equal(strlen(c.argument), WEIR_ADMIN_ARGUMENT_MAX);
    text[5] = '"';
    assert_int_equal(weir_admin_parse(weir_slice_make(text, sizeof(text)), &c, &err), 0);
    assert_int_equal(strlen(c.argument), WEIR_ADMIN_ARGUMENT_MAX);
}

/* Any bytes, in memory of exactly their size: the sanitizer sees a step beyond. */
static void test_any_bytes_end_in_a_command_or_an_error(void **state)
{
    (void)state;
    static const char alphabet[] = "show pause;\"-/* \n\0\xffPOOLS";
    uint32_t random = 12345;
    for (int run = 0; run < 20000; run++) {
        size_t len = (size_t)run % 24;
        uint8_t *bytes = malloc(len ? len : 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)alphabet[(random >> 16) % sizeof(alphabet)];
        }
        weir_admin_command c;
        weir_error err;
        int r = weir_admin_parse(weir_slice_make(bytes, len), &c, &err);
        assert_true(r == 0 || r == -EINVAL);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_in_any_case_with_space_and_comments),
        cmocka_unit_test(test_everything_else_is_42601_with_the_commands_as_hint),
        cmocka_unit_test(test_names_are_cut_never_overrun),
        cmocka_unit_test(test_any_bytes_end_in_a_command_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
