/* Texts of one shape have one template: said of examples, and tried with texts at random. */
#include "sql/sql.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *shape_of(const char *text)
{
    static uint8_t out[2][256];
    static unsigned turn;
    uint8_t *to = out[turn++ % 2];
    size_t n = weir_sql_shape(weir_slice_cstr(text), to, 255);
    to[n] = '\0';
    return (const char *)to;
}

static void test_numbers_and_strings_are_made_alike(void **state)
{
    (void)state;
    assert_string_equal(shape_of("SELECT a FROM t1 WHERE x=42 AND y = 'it''"), "");
    assert_string_equal(shape_of("SELECT a FROM t1 WHERE x=42 AND y = 'it'"),
                        "SELECT a FROM t1 WHERE x=0 AND y = ''");
    assert_string_equal(shape_of("f(-17, a-3, 12::int8);"), "f(-0, a-0, 0::int8);");
}

static void test_what_could_be_more_than_a_number_stays_as_written(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.5", ".25", "1e7", "0x1f", "1_000", "a1", "7up", "1..2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_string_equal(shape_of(texts[i]), texts[i]);
}

static void test_what_could_hide_something_has_no_shape(void **state)
{
    (void)state;
    static const char *const texts[] = {"a -- 1", "a /* 1 */", "\"a 1\"", "$1",    "$$1$$", "E'1'",
                                        "U&'1'",  "'a\\'b'",   "'a''b'",  "'open", "N'x'",  "a?1",
                                        "`a`",    "{1}",       "x'1f'",   "1'a'"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_string_equal(shape_of(texts[i]), "");
}

static void test_a_text_longer_than_the_room_has_no_shape(void **state)
{
    (void)state;
    uint8_t out[4];
    assert_int_equal(weir_sql_shape(weir_slice_cstr("a=123"), out, 4), 0);
    assert_int_equal(weir_sql_shape(weir_slice_cstr("a=12"), out, 4), 3);
}

/* ---- at random ---- */

static uint64_t rng = 88172645463325252u;

static unsigned below(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

/* Bits that meet in every way, of which the literals vary between two texts of one skeleton. */
static const char *const bits[] = {
    "select", "in", "(",  ")",      ",", ";",  " ", "\n", "=", "-", "+",      ".",    "e",    "x",
    "_",      "a",  "::", "values", "[", "]",  "U", "&",  "/", "*", "array",  "\"",   "\\",   "$",
    "limit",  "1",  "0",  "''",     "'", "''", "<", "E'", "?", "|", "insert", "into", "from", "t"};
static const char *const numbers[] = {"0", "7", "42", "00", "12345678901234567890", "9"};
static const char *const strings[] = {"''", "'a'", "'1'", "'--'", "'/*'", "'\"'", "';'", "' '"};

static void make_pair(char a[512], char b[512])
{
    size_t n = 0, m = 0;
    for (unsigned i = 1 + below(24); i > 0; i--) {
        unsigned what = below(8);
        const char *one = bits[below(sizeof(bits) / sizeof(*bits))], *other = one;
        if (what == 0) {
            one = numbers[below(6)];
            other = numbers[below(6)];
        } else if (what == 1) {
            one = strings[below(8)];
            other = strings[below(8)];
        } else if (what == 2) {
            one = other = " ";
        }
        n += (size_t)snprintf(a + n, 512 - n, "%s", one);
        m += (size_t)snprintf(b + m, 512 - m, "%s", other);
    }
}

static void test_texts_of_one_shape_have_one_template(void **state)
{
    (void)state;
    weir_lexed one, other;
    unsigned met = 0;
    weir_lexed_init(&one);
    weir_lexed_init(&other);
    for (unsigned i = 0; i < 400000; i++) {
        char a[512], b[512];
        uint8_t shape[2][512];
        make_pair(a, b);
        size_t n = weir_sql_shape(weir_slice_cstr(a), shape[0], sizeof(shape[0]));
        size_t m = weir_sql_shape(weir_slice_cstr(b), shape[1], sizeof(shape[1]));
        if (n == 0 || n != m || memcmp(shape[0], shape[1], n) != 0)
            continue;
        met++;
        assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, weir_slice_cstr(a), &one), 0);
        assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, weir_slice_cstr(b), &other), 0);
        if (!weir_slice_eq(weir_buf_slice(&one.text), weir_buf_slice(&other.text)) ||
            one.kind != other.kind || one.effects != other.effects ||
            one.statements != other.statements || one.transaction != other.transaction ||
            one.unterminated || other.unterminated)
            fail_msg("%s\nand\n%s\nhave one shape, but are not alike", a, b);
    }
    assert_true(met > 10000);
    weir_lexed_fini(&one);
    weir_lexed_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_strings_are_made_alike),
        cmocka_unit_test(test_what_could_be_more_than_a_number_stays_as_written),
        cmocka_unit_test(test_what_could_hide_something_has_no_shape),
        cmocka_unit_test(test_a_text_longer_than_the_room_has_no_shape),
        cmocka_unit_test(test_texts_of_one_shape_have_one_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
