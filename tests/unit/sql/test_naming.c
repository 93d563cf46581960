/* The names of a session that texts deal with. */
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

typedef struct heard {
    char text[512];
    size_t len;
} heard;

static const char *const verbs[] = {"setting",    "prepare", "execute",
                                    "deallocate", "all",     "discard"};

static void on_naming(void *user, weir_naming what, weir_slice name, weir_slice statement)
{
    heard *h = user;
    assert_true(statement.len > 0);
    int n = snprintf(h->text + h->len, sizeof(h->text) - h->len, "%s:%.*s ", verbs[what],
                     (int)name.len, (const char *)name.data);
    assert_true(n > 0 && h->len + (size_t)n < sizeof(h->text));
    h->len += (size_t)n;
}

static const struct {
    const char *text, *heard;
} cases[] = {
    {"", ""},
    {"select 1", ""},
    {"set work_mem = 1", ""},
    {"SET my.Thing TO 'x'", "setting:my.thing "},
    {"set session \"A\".\"b\" = 1; reset a.c", "setting:a.b setting:a.c "},
    {"set local a.b.c to 1", "setting:a.b.c "},
    {"set a. = 1", ""},
    {"select set_config('app.user', '1.5', false)", "setting:app.user "},
    {"select set_config(E'app.user', 'has space.x', false)", "setting:app.user "},
    {"do $$ begin perform set_config('a.b', '', false); set c.d = 1; end $$",
     "setting:a.b setting:c.d "},
    {"do $x$ begin execute 'set q.r = 1'; end $x$", "setting:q.r "},
    {"-- set a.b = 1\nselect 'it''s' /* set c.d */", ""},
    {"prepare q (int) as select $1", "prepare:q "},
    {"PREPARE \"Q \"\"x\" AS select 1; EXECUTE Plain(1)", "prepare:Q \"x execute:plain "},
    {"prepare transaction 'x'", ""},
    {"explain (analyze) execute q", "execute:q "},
    {"deallocate q; deallocate prepare r; deallocate all", "deallocate:q deallocate:r all: "},
    {"discard all; discard plans; discard temp", "discard: "},
    {"select 'execute q', $$prepare r$$", ""},
    {"set", ""},
    {"prepare", ""},
    {"execute 'x", ""},
};

static void test_texts_name_what_they_deal_with(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heard h = {0};
        weir_sql_each_naming(weir_slice_cstr(cases[i].text), on_naming, &h);
        if (strcmp(h.text, cases[i].heard) != 0)
            fail_msg("%s: heard \"%s\"", cases[i].text, h.text);
    }
}

static void test_long_names_are_cut_as_the_server_cuts_them(void **state)
{
    (void)state;
    char text[200] = "execute ";
    memset(text + 8, 'n', 100);
    heard h = {0};
    weir_sql_each_naming(weir_slice_cstr(text), on_naming, &h);
    assert_int_equal(h.len, sizeof("execute: ") - 1 + WEIR_SQL_NAME_MAX);
}

static void test_what_could_name_a_setting(void **state)
{
    (void)state;
    static const char *const good[] = {"a.b", "_x.y1", "A.B.c$", "\xc3\xa9.x"};
    static const char *const bad[] = {"", "a", "a.", ".a", "a..b", "1.5", "a.1", "a b.c", "a.b-c"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(weir_sql_is_setting_name(weir_slice_cstr(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(weir_sql_is_setting_name(weir_slice_cstr(bad[i])));
}

/* Whatever the bytes, it ends. */
static void test_any_bytes_are_survived(void **state)
{
    (void)state;
    static const char alphabet[] = "set reset.'\"$$xae()\\;-/*execute prepare all\n\0";
    uint32_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof(text); i++) {
            random = random * 1664525u + 1013904223u;
            text[i] = alphabet[(random >> 16) % sizeof(alphabet)];
        }
        heard h;
        h.len = 0;
        random = random * 1664525u + 1013904223u;
        weir_sql_each_naming(weir_slice_make(text, (random >> 16) % 24), on_naming, &h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_name_what_they_deal_with),
        cmocka_unit_test(test_long_names_are_cut_as_the_server_cuts_them),
        cmocka_unit_test(test_what_could_name_a_setting),
        cmocka_unit_test(test_any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
