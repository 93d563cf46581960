/* search_path as a server reads it; in doubt, not at all. */
#include "failalloc.h"
#include "sql/search_path.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The schemas with a blank behind each; "?": unsure. */
static const char *read(const char *setting, char *out)
{
    weir_arena arena;
    weir_search_path path;
    weir_arena_init(&arena, (size_t)1 << 20);
    int r = weir_search_path_read(weir_slice_cstr(setting), WEIR_SLICE_LIT("Bob"), &arena, &path);
    size_t n = 0;
    out[0] = '\0';
    if (r == WEIR_SEARCH_PATH_UNSURE)
        snprintf(out, 256, "?");
    else
        assert_int_equal(r, 0);
    for (size_t i = 0; r == 0 && i < path.count; i++)
        n += (size_t)snprintf(out + n, 256 - n, "%.*s ", (int)path.schemas[i].len,
                              (const char *)path.schemas[i].data);
    weir_arena_fini(&arena);
    return out;
}

static void test_a_list_of_identifiers(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"   ", ""},
        {"public", "public "},
        {"\"$user\", public", "Bob public "},
        {"$user,public", "Bob public "},
        {"App , \"App\",\t\"a\"\"b\"", "app App a\"b "},
        {"\"\"", ""},
        {"pg_temp, a, pg_catalog", "a pg_catalog "},
        {"a b", "?"},
        {"a,", "?"},
        {",a", "?"},
        {"a,,b", "?"},
        {"\"a", "?"},
        {"a\"b\"", "?"},
        {"\"a\"b", "?"},
        {"\xC3\x84", "?"},
        {"\"\xC3\x84\"", "\xC3\x84 "},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg",
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg "},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "?"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char got[256];
        assert_string_equal(read(table[i][0], got), table[i][1]);
    }
}

static void test_more_than_it_holds_is_unsure(void **state)
{
    (void)state;
    char setting[512] = "a", got[256];
    for (size_t i = 0; i < WEIR_SEARCH_PATH_MAX; i++)
        strcat(setting, ",a");
    assert_string_equal(read(setting, got), "?");
}

static void once(void *user)
{
    weir_arena arena;
    weir_search_path path;
    (void)user;
    weir_arena_init(&arena, (size_t)1 << 20);
    int r = weir_search_path_read(WEIR_SLICE_LIT("a, b"), WEIR_SLICE_LIT(""), &arena, &path);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_arena_fini(&arena);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(10, once, NULL) >= 1);
}

/* Whatever it is made of: an answer, and nothing read beyond. */
static void test_any_bytes(void **state)
{
    static const char letters[] = "\"\",, \ta$Z\xC3\n_";
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)(rand() % 24);
        char *exact = malloc(len + 1), got[256];
        assert_non_null(exact);
        for (size_t k = 0; k < len; k++)
            exact[k] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        exact[len] = '\0';
        assert_true(strlen(read(exact, got)) < 256);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_of_identifiers),
        cmocka_unit_test(test_more_than_it_holds_is_unsure),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
