/* Whom a text's pg_terminate_backend is about. */
#include "sql/ending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text, *call, *argument; /* NULL: not found */
    uint32_t number;
    unsigned param;
} cases[] = {
    {"", NULL, NULL, 0, 0},
    {"select 1", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(4194560)", "pg_terminate_backend(4194560)", "4194560", 4194560,
     0},
    {"SELECT a, Pg_Catalog . PG_Terminate_Backend ( 7 :: int , 100 ) x",
     "Pg_Catalog . PG_Terminate_Backend ( 7 :: int , 100 )", "7 :: int", 7, 0},
    {"select x.pg_terminate_backend($12)", "x.pg_terminate_backend($12)", "$12", 0, 12},
    {"select pg_terminate_backend($1::int4, $2) from t", "pg_terminate_backend($1::int4, $2)",
     "$1::int4", 0, 1},
    {"select pg_cancel_backend(9)", "pg_cancel_backend(9)", "9", 9, 0},
    {"select pg_terminate_backend(4294967297)", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(99999999999999999999)", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(1.5)", NULL, NULL, 0, 0},
    {"select pg_terminate_backend('1')", NULL, NULL, 0, 0},
    {"select pg_terminate_backend($1::int[])", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(pg_backend_pid())", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(pid) from pg_stat_activity", NULL, NULL, 0, 0},
    {"select pg_terminate_backend($1 + 1)", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(1", NULL, NULL, 0, 0},
    {"select pg_terminate_backend(", NULL, NULL, 0, 0},
    {"select pg_terminate_backend", NULL, NULL, 0, 0},
    {"select 'pg_terminate_backend(5)' -- pg_terminate_backend(5)", NULL, NULL, 0, 0},
};

static void test_a_call_is_found_with_what_it_is_about(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_sql_ending e;
        bool found = weir_sql_find_ending(weir_slice_cstr(cases[i].text), &e);
        assert_int_equal(found, cases[i].call != NULL);
        if (!found)
            continue;
        assert_true(weir_slice_eq_cstr(e.call, cases[i].call));
        assert_true(weir_slice_eq_cstr(e.argument, cases[i].argument));
        assert_int_equal(e.number, cases[i].number);
        assert_int_equal(e.param, cases[i].param);
        assert_int_equal(e.cancels, strstr(cases[i].call, "pg_cancel_backend") != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_found_with_what_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
