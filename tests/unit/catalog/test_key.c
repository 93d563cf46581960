/* Ids of relations, columns and values, and finding names in a catalog: what can be said without a
 * database. That ids agree with SQLite's own `=` is test_key_sqlite.c's. */
#include "catalog/catalog.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COLUMN 77u
#define LIT WEIR_SLICE_LIT

static weir_value text(const char *s)
{
    return (weir_value){.type = WEIR_VALUE_TEXT, .u.bytes = weir_slice_cstr(s)};
}

static weir_value integer(int64_t i)
{
    return (weir_value){.type = WEIR_VALUE_INTEGER, .u.integer = i};
}

static weir_value real(double d)
{
    return (weir_value){.type = WEIR_VALUE_REAL, .u.real = d};
}

static uint64_t row(weir_value v)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_row(COLUMN, &v, &id), 0);
    assert_true(id != 0);
    return id;
}

static uint64_t operand(weir_key_type type, weir_value v)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_operand(COLUMN, type, &v, &id), 0);
    return id;
}

static void assert_absent(weir_key_type type, weir_value v)
{
    uint64_t id = 4711;
    assert_int_equal(weir_key_of_operand(COLUMN, type, &v, &id), WEIR_KEY_ABSENT);
    assert_true(id == 4711);
}

static void test_names_are_equal_without_ascii_case_only(void **state)
{
    (void)state;
    assert_true(weir_relation_id(LIT("Orders")) == weir_relation_id(LIT("oRDERS")));
    assert_true(weir_relation_id(LIT("orders")) != weir_relation_id(LIT("order")));
    assert_true(weir_relation_id(LIT("\xC3\x84")) != weir_relation_id(LIT("\xC3\xA4")));
    assert_true(weir_relation_id(LIT("[")) != weir_relation_id(LIT("{")));
    assert_true(weir_relation_id(LIT("")) != 0);
}

static void test_a_column_belongs_to_its_relation(void **state)
{
    (void)state;
    uint64_t t = weir_relation_id(LIT("t")), u = weir_relation_id(LIT("u"));
    assert_true(weir_column_id(t, LIT("id")) == weir_column_id(t, LIT("ID")));
    assert_true(weir_column_id(t, LIT("id")) != weir_column_id(u, LIT("id")));
    assert_true(weir_column_id(0, LIT("t")) != t);
}

/* Names are hashed by pieces: none may stand for another of a different length or order. */
static void test_long_names_differ_in_every_byte_and_in_length(void **state)
{
    (void)state;
    uint8_t name[200];
    uint64_t ids[sizeof(name) + 1];
    memset(name, 'a', sizeof(name));
    for (size_t len = 0; len <= sizeof(name); len++) {
        ids[len] = weir_relation_id(weir_slice_make(name, len));
        for (size_t shorter = 0; shorter < len; shorter++)
            assert_true(ids[len] != ids[shorter]);
    }
    for (size_t i = 0; i < sizeof(name); i++) {
        name[i] = 'B';
        uint64_t upper = weir_relation_id(weir_slice_make(name, sizeof(name)));
        name[i] = 'b';
        assert_true(weir_relation_id(weir_slice_make(name, sizeof(name))) == upper);
        assert_true(upper != ids[sizeof(name)]);
        name[i] = 'a';
    }
}

/* Ids may lie on a disk and be shared between processes: these never change. */
static void test_ids_are_the_same_in_every_process(void **state)
{
    (void)state;
    uint64_t t = weir_relation_id(LIT("t"));
    uint64_t c = weir_column_id(t, LIT("id"));
    weir_value five = integer(5);
    uint64_t v = 0;
    assert_int_equal(weir_key_of_row(c, &five, &v), 0);
    assert_true(t == 0x2469076e4309aae2ULL);
    assert_true(c == 0x95e5d71536ef374fULL);
    assert_true(v == 0x335245be2cf72a91ULL);
}

static void test_a_number_is_one_value_whatever_its_class(void **state)
{
    (void)state;
    assert_true(row(integer(5)) == row(real(5.0)));
    assert_true(row(integer(0)) == row(real(-0.0)));
    assert_true(row(integer(INT64_MIN)) == row(real(-0x1p63)));
    assert_true(row(integer(INT64_MAX)) != row(real(0x1p63)));
    assert_true(row(integer((1LL << 53) + 1)) != row(real(0x1p53)));
    assert_true(row(real(0.5)) != row(real(0.25)));
    assert_true(row(real(INFINITY)) != row(real(-INFINITY)));
    assert_true(row(integer(5)) != row(text("5")));
}

static void test_text_and_blob_are_never_equal(void **state)
{
    (void)state;
    weir_value blob = text("5");
    blob.type = WEIR_VALUE_BLOB;
    assert_true(row(blob) != row(text("5")));
    assert_true(row(blob) != row(integer(5)));
    assert_true(row(text("a")) != row(text("A")));
}

static void test_null_and_nan_have_no_id(void **state)
{
    (void)state;
    weir_value null = {.type = WEIR_VALUE_NULL};
    weir_value nan_value = real(NAN);
    uint64_t id;
    assert_int_equal(weir_key_of_row(COLUMN, &null, &id), WEIR_KEY_ABSENT);
    assert_int_equal(weir_key_of_row(COLUMN, &nan_value, &id), WEIR_KEY_ABSENT);
    for (weir_key_type type = WEIR_KEY_NONE; type <= WEIR_KEY_SQLITE_BLOB; type++)
        assert_absent(type, null);
    assert_absent(WEIR_KEY_SQLITE_NUMERIC, nan_value);
}

static void test_a_column_without_canonical_bytes_has_no_keys(void **state)
{
    (void)state;
    assert_absent(WEIR_KEY_NONE, integer(5));
    assert_absent(WEIR_KEY_NONE, text("x"));
}

static void test_numeric_reads_plain_integers_as_numbers(void **state)
{
    (void)state;
    const char *fives[] = {"5", "+5", " 5", "5 ", "\t\n\v\f\r 5 \t", "05", "+0005"};
    for (size_t i = 0; i < sizeof(fives) / sizeof(fives[0]); i++)
        assert_true(operand(WEIR_KEY_SQLITE_NUMERIC, text(fives[i])) == row(integer(5)));
    assert_true(operand(WEIR_KEY_SQLITE_NUMERIC, text("-0")) == row(integer(0)));
    assert_true(operand(WEIR_KEY_SQLITE_NUMERIC, text("9223372036854775807")) ==
                row(integer(INT64_MAX)));
    assert_true(operand(WEIR_KEY_SQLITE_NUMERIC, text("-9223372036854775808")) ==
                row(integer(INT64_MIN)));
}

static void test_numeric_leaves_what_might_be_a_number_to_the_whole_relation(void **state)
{
    (void)state;
    const char *doubtful[] = {"9223372036854775808",
                              "-9223372036854775809",
                              "5.0",
                              "5e0",
                              "0x5",
                              ".5",
                              "+",
                              "-",
                              "5a",
                              "5 5",
                              "--5",
                              "+-5",
                              "- 5",
                              "1_000"};
    for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++)
        assert_absent(WEIR_KEY_SQLITE_NUMERIC, text(doubtful[i]));
    weir_value zero_byte = {.type = WEIR_VALUE_TEXT, .u.bytes = LIT("5\0")};
    assert_absent(WEIR_KEY_SQLITE_NUMERIC, zero_byte);
}

static void test_numeric_keeps_words_as_texts(void **state)
{
    (void)state;
    const char *words[] = {"",
                           " ",
                           "abc",
                           " abc ",
                           "inf",
                           "nan",
                           "e5",
                           "\xC2\xA0"
                           "5"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_true(operand(WEIR_KEY_SQLITE_NUMERIC, text(words[i])) == row(text(words[i])));
}

static void test_text_affinity_writes_integers_and_no_reals(void **state)
{
    (void)state;
    assert_true(operand(WEIR_KEY_SQLITE_TEXT, integer(5)) == row(text("5")));
    assert_true(operand(WEIR_KEY_SQLITE_TEXT, integer(INT64_MIN)) ==
                row(text("-9223372036854775808")));
    assert_absent(WEIR_KEY_SQLITE_TEXT, real(5.0));
    assert_true(operand(WEIR_KEY_SQLITE_TEXT, text(" 5")) == row(text(" 5")));
}

static void test_blob_affinity_converts_nothing(void **state)
{
    (void)state;
    assert_true(operand(WEIR_KEY_SQLITE_BLOB, text("5")) == row(text("5")));
    assert_true(operand(WEIR_KEY_SQLITE_BLOB, real(5.0)) == row(integer(5)));
}

/* In a database of UTF-16 these are equal to other texts than to themselves. */
static void test_texts_that_utf16_changes_have_no_id(void **state)
{
    (void)state;
    const char *bad[] = {"\x80",
                         "\xC3",
                         "\xC0\x80",
                         "\xC1\xBF",
                         "\xE0\x9F\xBF",
                         "\xED\xA0\x80",
                         "\xEF\xBF\xBE",
                         "\xEF\xBF\xBF",
                         "\xE2\x82",
                         "\xF0\x8F\xBF\xBF",
                         "\xF4\x90\x80\x80",
                         "\xF5\x80\x80\x80",
                         "a\xFF",
                         "\xF0\x9F\x98",
                         "\xC3(",
                         "\xE2\x82("};
    const char *good[] = {"\xC2\x80",     "\xDF\xBF",         "\xE0\xA0\x80",
                          "\xED\x9F\xBF", "\xEE\x80\x80",     "\xEF\xBF\xBD",
                          "\xEF\xBE\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (weir_key_type type = WEIR_KEY_NONE; type <= WEIR_KEY_SQLITE_BLOB; type++)
            assert_absent(type, text(bad[i]));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(operand(WEIR_KEY_SQLITE_TEXT, text(good[i])) == row(text(good[i])));
}

static void test_a_catalog_is_looked_up_without_ascii_case(void **state)
{
    (void)state;
    const weir_column_info columns[] = {{.name = LIT("id")}, {.name = LIT("Total")}};
    const weir_relation_info relations[] = {
        {.name = LIT("Orders"), .columns = columns, .column_count = 2}, {.name = LIT("empty")}};
    const weir_catalog catalog = {.relations = relations, .count = 2};
    assert_ptr_equal(weir_catalog_find(&catalog, LIT("ORDERS")), &relations[0]);
    assert_ptr_equal(weir_catalog_find(&catalog, LIT("empty")), &relations[1]);
    assert_null(weir_catalog_find(&catalog, LIT("order")));
    assert_null(weir_catalog_find(&catalog, LIT("")));
    assert_ptr_equal(weir_relation_column(&relations[0], LIT("tOTAL")), &columns[1]);
    assert_null(weir_relation_column(&relations[0], LIT("rowid")));
    assert_null(weir_relation_column(&relations[1], LIT("id")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_equal_without_ascii_case_only),
        cmocka_unit_test(test_a_column_belongs_to_its_relation),
        cmocka_unit_test(test_long_names_differ_in_every_byte_and_in_length),
        cmocka_unit_test(test_ids_are_the_same_in_every_process),
        cmocka_unit_test(test_a_number_is_one_value_whatever_its_class),
        cmocka_unit_test(test_text_and_blob_are_never_equal),
        cmocka_unit_test(test_null_and_nan_have_no_id),
        cmocka_unit_test(test_a_column_without_canonical_bytes_has_no_keys),
        cmocka_unit_test(test_numeric_reads_plain_integers_as_numbers),
        cmocka_unit_test(test_numeric_leaves_what_might_be_a_number_to_the_whole_relation),
        cmocka_unit_test(test_numeric_keeps_words_as_texts),
        cmocka_unit_test(test_text_affinity_writes_integers_and_no_reals),
        cmocka_unit_test(test_blob_affinity_converts_nothing),
        cmocka_unit_test(test_texts_that_utf16_changes_have_no_id),
        cmocka_unit_test(test_a_catalog_is_looked_up_without_ascii_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
