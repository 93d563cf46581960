/* The translation word by word, arrays, regular expressions and COPY's lines: what they make of
 * good texts, and that no text at all, cut anywhere, makes them fail otherwise than with words. */
#include "compat/array.h"
#include "compat/compat.h"
#include "compat/copy.h"
#include "compat/pattern.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const weir_compat_context context = {.user = {(const uint8_t *)"u", 1},
                                            .database = {(const uint8_t *)"d", 1}};

static const char *const texts[][2] = {
    {"SELECT a ~ 'x' FROM pg_catalog.pg_class", "SELECT a REGEXP 'x' FROM pg_class"},
    {"SELECT a OPERATOR(pg_catalog.!~) 'x'", "SELECT a NOT REGEXP 'x'"},
    {"SELECT ~5, a ~* b", "SELECT ~5, a REGEXP '(?i)' || b"},
    {"SELECT a ILIKE $1", "SELECT a REGEXP '(?L)' || ?1"},
    {"SELECT x COLLATE pg_catalog.\"default\"", "SELECT x "},
    {"SELECT 1 WHERE a = ANY ($1)", "SELECT 1 WHERE a IN (SELECT +value FROM unnest(?1))"},
    {"SELECT 1 WHERE a = ANY (SELECT 1)", "SELECT 1 WHERE a IN (SELECT 1)"},
    {"SELECT 1 WHERE a <> ALL ('{1}')",
     "SELECT 1 WHERE a NOT IN (SELECT +value FROM unnest('{1}'))"},
    {"SELECT ARRAY[1, 2], x[1], [odd name]",
     "SELECT weir_array(1, 2), weir_element(x, 1), [odd name]"},
    {"SELECT ARRAY(SELECT 1)",
     "SELECT weir_array_or_empty((WITH weir_a(v) AS (SELECT 1) SELECT array_agg(v) FROM weir_a))"},
    {"SELECT u.b, a FROM unnest(x) WITH ORDINALITY AS u(a, b)",
     "SELECT u.ordinality AS b, u.value AS a FROM unnest(x) AS u"},
    {"SELECT unnest(x) FROM t", "SELECT weir_set.value AS unnest FROM unnest(x) AS weir_set, t"},
    {"SELECT unnest('{1}') AS a", "SELECT weir_set.value AS a FROM unnest('{1}') AS weir_set "},
    {"SELECT 'a'::regclass, b::regclass FROM t WHERE c::regclass = 5",
     "SELECT weir_regclass('a'), weir_regclass_name(b) FROM t WHERE c = 5"},
    {"SELECT CAST(a AS regclass), CAST('5' AS int4)",
     "SELECT (weir_regclass_name(a )), (CAST('5'  AS INTEGER))"},
    {"SELECT 't'::bool, x::bool", "SELECT 1, x"},
    {"SELECT '{1}'::text[], '{1}'::int[]", "SELECT weir_text_array('{1}'), '{1}'"},
    {"SELECT tables.x FROM information_schema.tables",
     "SELECT tables.x FROM information_schema_tables('d', 'u') AS tables"},
    {"SELECT 1 FROM pg_roles r", "SELECT 1 FROM pg_roles('d', 'u') r"},
    {"SELECT pg_get_userbyid(c.o) AS \"Owner\"", "SELECT 'u' AS \"Owner\""},
    {"SELECT substring(a FROM 1 FOR 2), position('b' IN a)",
     "SELECT substring(a , 1 , 2), weir_position('b' , a)"},
    {"SELECT trim(trailing ';' FROM a), trim(a)", "SELECT weir_rtrim( ';' , a), trim(a)"},
    {"SELECT array_agg(a ORDER BY b DESC)", "SELECT array_agg(a , b , 1)"},
    {"SELECT 1 AS Default", "SELECT 1 AS \"default\""},
    {"SELECT 1 LIMIT ALL", "SELECT 1 LIMIT -1"},
    {"CREATE TABLE public.t (id BIGSERIAL PRIMARY KEY, n INT DEFAULT 1+1, d INT DEFAULT -1)",
     "CREATE TABLE t (/* postgresql */ id INTEGER PRIMARY KEY, n INT4 DEFAULT (1+1), d INT4 "
     "DEFAULT  "
     "-1)"},
    {"CREATE TABLE t (a varchar(9), ts timestamp without time zone, CHECK (a <> ''))",
     "CREATE TABLE t (/* postgresql */ a varchar(9), ts timestamp without time zone, CHECK (a <> "
     "''))"},
    {"CREATE TABLE t (a text, b)", "CREATE TABLE t (a text, b)"},
    {"CREATE TABLE t (a int) STRICT", "CREATE TABLE t (a int) STRICT"},
    {"CREATE TABLE t (a text COLLATE nocase)", "CREATE TABLE t (a text COLLATE nocase)"},
    {"CREATE TABLE t AS SELECT 1 AS a", "CREATE TABLE t AS SELECT 1 AS a"},
    {"TRUNCATE TABLE ONLY public.t RESTART IDENTITY CASCADE", "DELETE FROM t"},
    {"PRAGMA table_info(t)", "PRAGMA table_info(t)"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_texts_are_translated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        weir_buf out = {.size_max = 4096};
        weir_error err = {0};
        weir_slice text = weir_slice_cstr(texts[i][0]);
        assert_int_equal(weir_compat_rewrite(text, &context, &out, &err), 0);
        assert_int_equal(weir_buf_append_u8(&out, 0), 0);
        assert_string_equal((const char *)out.data, texts[i][1]);
        weir_buf_fini(&out);
    }
}

/* The slice ends where its memory does: a byte read beyond it is a sanitizer's report. */
static void test_texts_may_end_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = strlen(texts[i][0]);
        for (size_t cut = 0; cut <= len; cut++) {
            weir_buf out = {.size_max = 4096};
            weir_error err = {0};
            weir_compat_hint hints[8];
            weir_copy copy;
            uint8_t *part = malloc(cut ? cut : 1);
            assert_non_null(part);
            memcpy(part, texts[i][0], cut);
            weir_slice text = weir_slice_make(part, cut);
            int r = weir_compat_rewrite(text, &context, &out, &err);
            assert_true(r == 0 || (r == WEIR_COMPAT_REFUSED && err.sqlstate[0]));
            (void)weir_compat_result_hints(text, hints, 8);
            weir_compat_param_hints(text, hints, 8);
            r = weir_copy_read(text, &copy, &err);
            assert_true(r == 0 || r == WEIR_COMPAT_REFUSED);
            free(part);
            weir_buf_fini(&out);
        }
    }
}

static void test_nesting_of_any_depth_is_translated(void **state)
{
    (void)state;
    static const char *const pieces[] = {"(", "CAST(", "x[", "ARRAY[", "a = ANY(", "unnest("};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        weir_buf text = {.size_max = 1u << 20}, out = {.size_max = 1u << 22};
        weir_error err = {0};
        assert_int_equal(weir_buf_append(&text, weir_slice_cstr("SELECT ")), 0);
        for (size_t n = 0; n < 1000; n++)
            assert_int_equal(weir_buf_append(&text, weir_slice_cstr(pieces[i])), 0);
        for (size_t n = 0; n < 1000; n++)
            assert_int_equal(weir_buf_append_u8(&text, strchr(pieces[i], '[') ? ']' : ')'), 0);
        int r = weir_compat_rewrite(weir_buf_slice(&text), &context, &out, &err);
        assert_true(r == 0 || r == WEIR_COMPAT_REFUSED);
        weir_buf_fini(&text);
        weir_buf_fini(&out);
    }
}

static bool matches(const char *pattern, const char *text, int *ret)
{
    bool found = false;
    weir_error err;
    *ret = weir_pattern_match(weir_slice_cstr(pattern), weir_slice_cstr(text), false, &found, &err);
    return found;
}

static void test_patterns_mean_what_postgresql_means(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool found;
    } cases[] = {
        {"^a.c$", "abc", true},
        {"^.$", "\xc3\xa9", true},
        {"^[^a]$", "\xc3\xa9", true},
        {"\\d{2}", "a12", true},
        {"^\\w+\\s\\S$", "ab c", true},
        {"(?i)ABC", "abc", true},
        {"[]x]", "]", true},
        {"a|", "b", true},
        {"^$", "", true},
        {"(?L)a%c", "ABBC", true},
        {"(?L)a_c",
         "a\xc3\xa9"
         "c",
         true},
        {"(?L)%a%b%", "xxaxxb", true},
        {"(?L)a\\%", "ab", false},
        {"(?L)", "", true},
        {"(?L)%%x", "abx", true},
        {"(?L)ab", "abc", false},
    };
    int r = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(matches(cases[i].pattern, cases[i].text, &r), cases[i].found);
        assert_int_equal(r, 0);
    }
    static const char *const refused[] = {"(?=a)", "a+?", "(a)\\1",  "a{900}{900}", "(",
                                          "[",     "\\",  "(?L)a\\", "x{2000}"};
    for (size_t i = 0; i < COUNT(refused); i++) {
        (void)matches(refused[i], "aaa", &r);
        assert_int_equal(r, WEIR_COMPAT_REFUSED);
    }
}

static void test_arrays_go_and_come_in_binary(void **state)
{
    (void)state;
    static const char *const arrays[][2] = {
        {"{}", "{}"}, {"{1,NULL,-3}", "{1,NULL,-3}"}, {" { 7 , 8 } ", "{7,8}"}};
    for (size_t i = 0; i < COUNT(arrays); i++) {
        weir_buf wire = {.size_max = 4096}, text = {.size_max = 4096};
        weir_error err = {0};
        assert_int_equal(weir_array_encode(weir_slice_cstr(arrays[i][0]), 1016, &wire, &err), 0);
        assert_int_equal(weir_array_decode(weir_buf_slice(&wire), &text, &err), 0);
        assert_true(weir_slice_eq_cstr(weir_buf_slice(&text), arrays[i][1]));
        for (size_t cut = 0; cut < wire.len; cut++) {
            weir_buf_clear(&text);
            int r = weir_array_decode(weir_slice_head(weir_buf_slice(&wire), cut), &text, &err);
            assert_true(r == WEIR_COMPAT_REFUSED);
        }
        weir_buf_fini(&wire);
        weir_buf_fini(&text);
    }
    static const char *const bad[] = {"{1", "{1,", "{1,}", "{\"a}", "{{1}}", "{,}"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        weir_buf out = {.size_max = 4096};
        assert_int_equal(weir_array_requote(weir_slice_cstr(bad[i]), &out), WEIR_COMPAT_REFUSED);
        weir_buf_fini(&out);
    }
}

static void assert_row(const weir_copy_reader *r, const char *const *wanted, size_t count)
{
    assert_int_equal(r->count, count);
    for (size_t i = 0; i < count; i++) {
        const weir_copy_field *f = &r->items[i];
        assert_int_equal(f->null, wanted[i] == NULL);
        if (wanted[i])
            assert_true(
                weir_slice_eq_cstr(weir_slice_make(r->fields.data + f->offset, f->len), wanted[i]));
    }
}

/* Fed in pieces of each size. */
static void read_lines(const char *options, const char *data, const char *const rows[][2],
                       size_t count)
{
    weir_copy copy;
    weir_error err = {0};
    assert_int_equal(weir_copy_read(weir_slice_cstr(options), &copy, &err), 0);
    for (size_t piece = 1; piece <= strlen(data); piece++) {
        weir_copy_reader r;
        size_t got = 0;
        weir_copy_reader_init(&r, &copy, 4096);
        for (size_t at = 0; at <= strlen(data); at += piece) {
            size_t len = strlen(data) - at < piece ? strlen(data) - at : piece;
            bool last = at + piece > strlen(data);
            int e = 0;
            assert_int_equal(weir_copy_feed(&r, weir_slice_make(data + at, len)), 0);
            while ((e = weir_copy_next(&r, last, &err)) == 0)
                assert_row(&r, rows[got++], 2);
            assert_int_equal(e, WEIR_COPY_MORE);
        }
        assert_int_equal(got, count);
        weir_copy_reader_fini(&r);
    }
}

static void test_lines_become_rows(void **state)
{
    (void)state;
    static const char *const text[][2] = {{"a\tb", NULL}, {"", "x\ny"}, {"AB\\", "end"}};
    read_lines("t FROM STDIN", "a\\tb\t\\N\r\n\tx\\\ny\n\\x41\\102\\\\\tend\n\\.\nmore", text, 3);
    static const char *const csv[][2] = {{"a,\"b", NULL}, {"", "x\ny"}, {"1", "2"}};
    read_lines("t FROM STDIN (FORMAT csv, HEADER)", "h,\"h\nh\"\n\"a,\"\"b\",\n\"\",\"x\ny\"\n1,2",
               csv, 3);
    static const char *const odd[][2] = {{"a'b", NULL}, {"c;d", "e"}};
    read_lines("t FROM STDIN WITH CSV DELIMITER AS ';' QUOTE '''' ESCAPE '\\' NULL AS '-'",
               "'a\\'b';-\n'c;d';e\n", odd, 2);
}

static void test_a_line_may_not_be_longer_than_allowed(void **state)
{
    (void)state;
    weir_copy copy;
    weir_copy_reader r;
    weir_error err = {0};
    assert_int_equal(weir_copy_read(weir_slice_cstr("t FROM STDIN (FORMAT csv)"), &copy, &err), 0);
    weir_copy_reader_init(&r, &copy, 8);
    assert_int_equal(weir_copy_feed(&r, weir_slice_cstr("\"aaaaaa")), 0);
    assert_int_equal(weir_copy_next(&r, false, &err), WEIR_COPY_MORE);
    assert_int_equal(weir_copy_feed(&r, weir_slice_cstr("aaaaaa")), -EMSGSIZE);
    assert_int_equal(weir_copy_next(&r, true, &err), WEIR_COMPAT_REFUSED);
    assert_string_equal(err.sqlstate, "22P04");
    weir_copy_reader_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_translated),
        cmocka_unit_test(test_texts_may_end_anywhere),
        cmocka_unit_test(test_nesting_of_any_depth_is_translated),
        cmocka_unit_test(test_patterns_mean_what_postgresql_means),
        cmocka_unit_test(test_arrays_go_and_come_in_binary),
        cmocka_unit_test(test_lines_become_rows),
        cmocka_unit_test(test_a_line_may_not_be_longer_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
