/* Ids of PostgreSQL's values: what a row has, a text says and a binary parameter holds is one id if
 * it is one value (notes/cache-rule-proofs.md 18). */
#include "catalog/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COLUMN 77u

static uint64_t row(weir_key_type type, const char *text)
{
    uint64_t id = 0;
    assert_int_equal(weir_key_of_pg_row(COLUMN, type, weir_slice_cstr(text), &id), 0);
    assert_true(id != 0);
    return id;
}

static uint64_t operand(weir_key_type type, const char *text)
{
    uint64_t id = 0;
    if (weir_key_of_pg_text(COLUMN, type, weir_slice_cstr(text), true, &id) != 0)
        return 0;
    return id;
}

static uint64_t binary(weir_key_type type, const void *bytes, size_t len)
{
    uint64_t id = 0;
    if (weir_key_of_pg_binary(COLUMN, type, weir_slice_make(bytes, len), true, &id) != 0)
        return 0;
    return id;
}

static uint64_t number(weir_key_type type, int64_t n)
{
    uint64_t id = 0;
    return weir_key_of_pg_integer(COLUMN, type, n, &id) == 0 ? id : 0;
}

static void test_integers_are_their_value(void **state)
{
    (void)state;
    const weir_key_type type = WEIR_KEY_PG_INTEGER;
    assert_true(row(type, "42") == operand(type, "42"));
    assert_true(row(type, "42") == operand(type, "+042"));
    assert_true(row(type, "42") == number(type, 42));
    assert_true(row(type, "42") == binary(type, "\0*", 2));
    assert_true(row(type, "42") == binary(type, "\0\0\0*", 4));
    assert_true(row(type, "42") == binary(type, "\0\0\0\0\0\0\0*", 8));
    assert_true(row(type, "-2") == binary(type, "\xFF\xFE", 2));
    assert_true(row(type, "-2") == binary(type, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 8));
    assert_true(row(type, "0") == operand(type, "-0"));
    assert_true(row(type, "-9223372036854775808") == number(type, INT64_MIN));
    assert_true(row(type, "42") != row(type, "-42"));
}

/* Spellings that some servers read, or that are other values: no id. */
static void test_doubtful_integers_have_no_id(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "-",
                                        "+",
                                        " 42",
                                        "42 ",
                                        "4_2",
                                        "0x2A",
                                        "0o52",
                                        "0b1",
                                        "42.0",
                                        "4e1",
                                        "NaN",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "\xD9\xA4"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(operand(WEIR_KEY_PG_INTEGER, texts[i]) == 0);
    assert_true(binary(WEIR_KEY_PG_INTEGER, "abc", 3) == 0);
    assert_true(binary(WEIR_KEY_PG_INTEGER, "", 0) == 0);
    assert_true(number(WEIR_KEY_PG_TEXT, 42) == 0);
    assert_true(number(WEIR_KEY_PG_BOOL, 1) == 0);
}

static void test_uuids_are_their_bytes(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = {0xA0, 0xEE, 0xBC, 0x99, 0x9C, 0x0B, 0x4E, 0xF8,
                                      0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A, 0x11};
    const weir_key_type type = WEIR_KEY_PG_UUID;
    const uint64_t id = row(type, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    assert_true(id == operand(type, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"));
    assert_true(id == operand(type, "a0eebc999c0b4ef8bb6d6bb9bd380a11"));
    assert_true(id == operand(type, "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11"));
    assert_true(id == binary(type, bytes, 16));
    assert_true(operand(type, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}") == 0);
    assert_true(operand(type, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1") == 0);
    assert_true(operand(type, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-") == 0);
    assert_true(operand(type, "a-0eebc999c0b4ef8bb6d6bb9bd380a11") == 0);
    assert_true(operand(type, "") == 0);
    assert_true(binary(type, bytes, 15) == 0);
}

static void test_bools(void **state)
{
    (void)state;
    const weir_key_type type = WEIR_KEY_PG_BOOL;
    assert_true(row(type, "t") == operand(type, "TRUE"));
    assert_true(row(type, "t") == operand(type, "1"));
    assert_true(row(type, "t") == binary(type, "\1", 1));
    assert_true(row(type, "f") == operand(type, "off"));
    assert_true(row(type, "f") == binary(type, "\0", 1));
    assert_true(row(type, "f") != row(type, "t"));
    assert_true(operand(type, "tru") == 0);
    assert_true(operand(type, "2") == 0);
    assert_true(binary(type, "\1\1", 2) == 0);
}

static void assert_day(int32_t days, const char *text)
{
    uint32_t n = (uint32_t)days;
    uint8_t bytes[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    assert_true(binary(WEIR_KEY_PG_DATE, bytes, 4) == row(WEIR_KEY_PG_DATE, text));
}

static void test_dates_are_what_iso_prints(void **state)
{
    (void)state;
    assert_day(0, "2000-01-01");
    assert_day(59, "2000-02-29");
    assert_day(-1, "1999-12-31");
    assert_day(366 + 58, "2001-02-28");
    assert_day(-10957, "1970-01-01");
    assert_day(-730119, "0001-01-01");
    assert_day(-730120, "0001-12-31 BC");
    assert_day(-2451545, "4714-11-24 BC");
    assert_day(2921940, "10000-01-01");
    assert_day(2145031948, "5874897-12-31");
    assert_day(INT32_MAX, "infinity");
    assert_day(INT32_MIN, "-infinity");
    assert_true(operand(WEIR_KEY_PG_DATE, "2000-02-29") == row(WEIR_KEY_PG_DATE, "2000-02-29"));
    static const char *const doubtful[] = {
        "",           "today",       "2000-1-1",         "01/02/2000",
        "20000101",   "2000-01-01 ", "2000-01-01 00:00", "infinity",
        "10000-01-01"};
    for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++)
        assert_true(operand(WEIR_KEY_PG_DATE, doubtful[i]) == 0);
}

static void test_texts_are_their_bytes_in_utf8(void **state)
{
    (void)state;
    uint64_t id;
    const weir_key_type type = WEIR_KEY_PG_TEXT;
    assert_true(row(type, "caf\xC3\xA9") == operand(type, "caf\xC3\xA9"));
    assert_true(row(type, "x ") != operand(type, "x"));
    assert_true(row(type, "") == binary(type, "", 0));
    assert_true(row(type, "X") != row(type, "x"));
    assert_int_equal(weir_key_of_pg_text(COLUMN, type, WEIR_SLICE_LIT("caf\xC3\xA9"), false, &id),
                     WEIR_KEY_ABSENT);
    assert_int_equal(weir_key_of_pg_text(COLUMN, type, WEIR_SLICE_LIT("cafe"), false, &id), 0);
    assert_true(id == row(type, "cafe"));
}

static void test_types_and_columns_are_told_apart(void **state)
{
    (void)state;
    uint64_t other;
    assert_true(row(WEIR_KEY_PG_INTEGER, "1") != row(WEIR_KEY_PG_TEXT, "1"));
    assert_int_equal(
        weir_key_of_pg_row(COLUMN + 1, WEIR_KEY_PG_INTEGER, WEIR_SLICE_LIT("1"), &other), 0);
    assert_true(other != row(WEIR_KEY_PG_INTEGER, "1"));
    assert_int_equal(weir_key_of_pg_row(COLUMN, WEIR_KEY_NONE, WEIR_SLICE_LIT("1"), &other),
                     WEIR_KEY_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_their_value),
        cmocka_unit_test(test_doubtful_integers_have_no_id),
        cmocka_unit_test(test_uuids_are_their_bytes),
        cmocka_unit_test(test_bools),
        cmocka_unit_test(test_dates_are_what_iso_prints),
        cmocka_unit_test(test_texts_are_their_bytes_in_utf8),
        cmocka_unit_test(test_types_and_columns_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
