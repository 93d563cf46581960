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
    check("drain app", WEIR_ADMIN_DRAIN, "app", "DRAIN");
    check("RECONNECT", WEIR_ADMIN_RECONNECT, "", "RECONNECT");
    check("wait_close app;", WEIR_ADMIN_WAIT_CLOSE, "app", "WAIT_CLOSE");
    check("Kill \"App\"", WEIR_ADMIN_KILL, "App", "KILL");
    check("kill_client 17", WEIR_ADMIN_KILL_CLIENT, "17", "KILL_CLIENT");
    check("disable app", WEIR_ADMIN_DISABLE, "app", "DISABLE");
    check("SHUTDOWN", WEIR_ADMIN_SHUTDOWN, "", "SHUTDOWN");
    check("BEGIN ISOLATION LEVEL SERIALIZABLE", WEIR_ADMIN_BEGIN, "", "BEGIN");
    check("SET extra_float_digits = 3", WEIR_ADMIN_NOTHING, "", "SET");
    check("", WEIR_ADMIN_EMPTY, "", "");
    check(" ; ", WEIR_ADMIN_EMPTY, "", "");
}

static void flushes(const char *text, weir_admin_flush kind, const char *name)
{
    weir_admin_command c;
    weir_error err = {0};
    if (weir_admin_parse(weir_slice_cstr(text), &c, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(c.verb, WEIR_ADMIN_FLUSH);
    assert_int_equal(c.flush, kind);
    assert_string_equal(c.argument, name);
    assert_string_equal(c.tag, "FLUSH CACHE");
}

static void test_flushed_names_are_taken_as_written(void **state)
{
    (void)state;
    flushes("FLUSH CACHE", WEIR_ADMIN_FLUSH_ALL, "");
    flushes("flush /* all */ cache ; ", WEIR_ADMIN_FLUSH_ALL, "");
    flushes("FLUSH CACHE TAG User:42", WEIR_ADMIN_FLUSH_TAG, "User:42");
    flushes("flush cache tag 'user 42';", WEIR_ADMIN_FLUSH_TAG, "user 42");
    flushes("flush cache tag 'it''s'", WEIR_ADMIN_FLUSH_TAG, "it's");
    flushes("FLUSH CACHE PREFIX \"user:\"", WEIR_ADMIN_FLUSH_PREFIX, "user:");
    flushes("FLUSH CACHE TABLE public.\"My \"\"Users\"\"\"", WEIR_ADMIN_FLUSH_TABLE,
            "public.My \"Users\"");
    flushes("FLUSH CACHE TABLE \"a\".\"b\" -- now", WEIR_ADMIN_FLUSH_TABLE, "a.b");
    flushes("FLUSH CACHE TABLE tag", WEIR_ADMIN_FLUSH_TABLE, "tag");
}

static void explains(const char *text, const char *database, const char *statement)
{
    weir_admin_command c;
    weir_error err = {0};
    if (weir_admin_parse(weir_slice_cstr(text), &c, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(c.verb, WEIR_ADMIN_EXPLAIN);
    assert_string_equal(c.argument, database);
    assert_int_equal(c.statement.len, strlen(statement));
    assert_memory_equal(c.statement.data, statement, strlen(statement));
}

static void test_explained_statements_keep_their_comments(void **state)
{
    (void)state;
    explains("EXPLAIN CACHE SELECT 1", "", "SELECT 1");
    explains("explain cache on App select 'x;y'; -- end", "app", "select 'x;y'; -- end");
    explains("explain cache ON \"App\"\n  select 1;", "App", "select 1;");
    explains("explain cache /* weir: nocache */ select 1", "", "/* weir: nocache */ select 1");
    explains("explain cache on a /* weir: nocache */ select 1", "a",
             "/* weir: nocache */ select 1");
    explains("explain cache \"on\" x", "", "\"on\" x");
}

static void test_cache_commands_say_what_is_missing(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"flush", "weir: CACHE is missing after \"FLUSH\""},
        {"flush pools", "weir: CACHE is missing after \"FLUSH\""},
        {"explain select 1", "weir: CACHE is missing after \"EXPLAIN\""},
        {"flush cache all",
         "weir: FLUSH CACHE knows TAG, TABLE, PREFIX and NAMESPACE, not \"all\""},
        {"flush cache tag", "weir: a name of at most 127 bytes is missing after FLUSH CACHE "
                            "\"tag\""},
        {"flush cache tag ''", "weir: a name of at most 127 bytes is missing after FLUSH CACHE "
                               "\"tag\""},
        {"flush cache tag 'x", "weir: a name of at most 127 bytes is missing after FLUSH CACHE "
                               "\"tag\""},
        {"flush cache tag a b", "weir: unexpected \"b\""},
        {"flush cache; flush cache",
         "weir: only one command at a time; unexpected text after \";\""},
        {"explain cache", "weir: a statement is missing after \"EXPLAIN CACHE\""},
        {"explain cache ;", "weir: a statement is missing after \"EXPLAIN CACHE\""},
        {"explain cache on", "weir: a database's name is missing after \"ON\""},
        {"explain cache on x", "weir: a statement is missing after \"EXPLAIN CACHE\""}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        weir_admin_command c;
        weir_error err = {0};
        assert_int_equal(weir_admin_parse(weir_slice_cstr(bad[i][0]), &c, &err), -EINVAL);
        assert_string_equal(err.sqlstate, "42601");
        assert_string_equal(err.message, bad[i][1]);
        assert_non_null(strstr(err.hint, "FLUSH CACHE"));
        assert_non_null(strstr(err.hint, "SHOW HELP explains them."));
    }
}

/* A part of a name is another name: what it stands for would be flushed in its place. */
static void test_flushed_names_are_never_cut(void **state)
{
    (void)state;
    char text[200];
    weir_admin_command c;
    weir_error err;
    memset(text, 'x', sizeof(text));
    memcpy(text, "flush cache tag ", 16);
    assert_int_equal(weir_admin_parse(weir_slice_make(text, 16 + 127), &c, &err), 0);
    assert_int_equal(strlen(c.argument), 127);
    assert_int_equal(weir_admin_parse(weir_slice_make(text, 16 + 128), &c, &err), -EINVAL);
    text[16] = '\'';
    text[16 + 129] = '\'';
    assert_int_equal(weir_admin_parse(weir_slice_make(text, 16 + 130), &c, &err), -EINVAL);
    text[16 + 128] = '\'';
    assert_int_equal(weir_admin_parse(weir_slice_make(text, 16 + 129), &c, &err), 0);
}

static void test_everything_else_is_42601_with_the_commands_as_hint(void **state)
{
    (void)state;
    static const char *const bad[] = {"SELECT 1",
                                      "SHOW",
                                      "show a b",
                                      "pause a b",
                                      "reload x",
                                      "drain app now",
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
    static const char alphabet[] = "show pause;\"'-/* \n\0\xffPOOLS";
    static const char *const begin[] = {"", "flush cache tag ", "explain cache on "};
    uint32_t random = 12345;
    for (int run = 0; run < 20000; run++) {
        size_t before = strlen(begin[run % 3]), len = before + (size_t)run % 24;
        uint8_t *bytes = malloc(len ? len : 1);
        assert_non_null(bytes);
        memcpy(bytes, begin[run % 3], before);
        for (size_t i = before; i < len; i++) {
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
        cmocka_unit_test(test_flushed_names_are_taken_as_written),
        cmocka_unit_test(test_flushed_names_are_never_cut),
        cmocka_unit_test(test_explained_statements_keep_their_comments),
        cmocka_unit_test(test_cache_commands_say_what_is_missing),
        cmocka_unit_test(test_everything_else_is_42601_with_the_commands_as_hint),
        cmocka_unit_test(test_names_are_cut_never_overrun),
        cmocka_unit_test(test_any_bytes_end_in_a_command_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
