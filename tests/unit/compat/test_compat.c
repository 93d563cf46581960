/* The type codecs against PostgreSQL's own byte vectors (numeric_send and its kin of version 15),
 * the translation of texts, and the reading of commands. */
#include "compat/compat.h"
#include "compat/values.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>

static const weir_compat_context context = {
    .user = {(const uint8_t *)"u", 1}, .database = {(const uint8_t *)"d", 1}, .pid = 7};

static weir_compat_value text_value(const char *text)
{
    return (weir_compat_value){.type = WEIR_COMPAT_TEXT, .bytes = weir_slice_cstr(text)};
}

/* The cell's bytes, without their length, as hex; "refused" if it was. */
static const char *cell(uint32_t oid, uint16_t format, weir_compat_value v)
{
    static char hex[512];
    weir_error err;
    weir_buf out = {.size_max = 1024};
    size_t n = 0;
    int r = weir_compat_cell_write(&out, oid, format, &v, &err);
    if (r != 0) {
        assert_int_equal(out.len, 0);
        weir_buf_fini(&out);
        return "refused";
    }
    for (size_t i = 4; i < out.len; i++)
        n += (size_t)snprintf(hex + n, sizeof(hex) - n, format ? "%02x" : "%c", out.data[i]);
    hex[n] = '\0';
    weir_buf_fini(&out);
    return hex;
}

static void test_numerics_have_postgresqls_bytes(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"0", "0000000000000000"},
        {"1", "00010000000000000001"},
        {"-12345.678", "0003000140000003000109291a7c"},
        {"0.0001", "0001ffff000000040001"},
        {"10000", "00010001000000000001"},
        {"1e20", "0001000500000000"
                 "0001"},
        {"NaN", "00000000c0000000"},
        {"3.10", "00020000000000020003"
                 "03e8"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_string_equal(cell(WEIR_OID_NUMERIC, 1, text_value(vectors[i][0])), vectors[i][1]);
}

static void test_numerics_come_back_as_they_went(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0", "1", "-12345.678", "0.0001", "10000", "3.10", "99999999999999999999.000000001"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        weir_buf bytes = {.size_max = 1024}, text = {.size_max = 1024};
        assert_int_equal(weir_numeric_encode(weir_slice_cstr(texts[i]), &bytes), 0);
        assert_int_equal(weir_numeric_decode(weir_buf_slice(&bytes), &text), 0);
        assert_true(weir_slice_eq_cstr(weir_buf_slice(&text), texts[i]));
        weir_buf_fini(&bytes);
        weir_buf_fini(&text);
    }
}

static void test_fixed_types_have_postgresqls_bytes(void **state)
{
    (void)state;
    weir_compat_value minus = {.type = WEIR_COMPAT_INTEGER, .integer = -2};
    weir_compat_value half = {.type = WEIR_COMPAT_REAL, .real = 1.5};
    assert_string_equal(cell(WEIR_OID_INT8, 1, minus), "fffffffffffffffe");
    assert_string_equal(cell(WEIR_OID_INT2, 1, minus), "fffe");
    assert_string_equal(cell(WEIR_OID_FLOAT8, 1, half), "3ff8000000000000");
    assert_string_equal(cell(WEIR_OID_FLOAT4, 1, half), "3fc00000");
    assert_string_equal(cell(WEIR_OID_DATE, 1, text_value("1999-12-31")), "ffffffff");
    assert_string_equal(cell(WEIR_OID_TIMESTAMP, 1, text_value("2000-01-02 00:00:00.5")),
                        "000000141ddf0120");
    assert_string_equal(cell(WEIR_OID_TIME, 1, text_value("00:00:01")), "00000000000f4240");
    assert_string_equal(cell(WEIR_OID_BOOL, 1, text_value("true")), "01");
    assert_string_equal(cell(WEIR_OID_UUID, 1, text_value("00112233-4455-6677-8899-aabbccddeeff")),
                        "00112233445566778899aabbccddeeff");
    assert_string_equal(cell(WEIR_OID_JSONB, 1, text_value("[1]")), "015b315d");
}

static void test_what_a_type_cannot_say_is_refused(void **state)
{
    (void)state;
    weir_compat_value half = {.type = WEIR_COMPAT_REAL, .real = 1.5};
    weir_compat_value two = {.type = WEIR_COMPAT_INTEGER, .integer = 2};
    assert_string_equal(cell(WEIR_OID_INT8, 0, half), "refused");
    assert_string_equal(cell(WEIR_OID_INT8, 0, text_value("abc")), "refused");
    assert_string_equal(cell(WEIR_OID_BOOL, 0, two), "refused");
    assert_string_equal(cell(WEIR_OID_DATE, 0, text_value("2024-02-30")), "refused");
    assert_string_equal(cell(WEIR_OID_DATE, 0, text_value("2024-02-01 10:00")), "refused");
    assert_string_equal(cell(WEIR_OID_TEXT, 0, text_value("\xff")), "refused");
    assert_string_equal(cell(WEIR_OID_JSON, 0, text_value("{\"a\":}")), "refused");
    assert_string_equal(cell(WEIR_OID_INT8, 0, text_value(" 12 ")), "12");
    assert_string_equal(cell(WEIR_OID_DATE, 0, text_value("2024-02-29 00:00:00")), "2024-02-29");
}

static void test_integers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    char ours[WEIR_NUMBER_TEXT_MAX], theirs[WEIR_NUMBER_TEXT_MAX];
    const int64_t near[] = {-11, -1, 0, 1, 9};
    const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX};
    for (int64_t power = 1; power <= INT64_MAX / 100; power *= 10) {
        for (size_t i = 0; i < 2 * sizeof(near) / sizeof(near[0]); i++) {
            int64_t v = (power + near[i / 2]) * (i % 2 ? -1 : 1);
            ours[weir_number_format_integer(v, ours)] = '\0';
            (void)snprintf(theirs, sizeof(theirs), "%lld", (long long)v);
            assert_string_equal(ours, theirs);
        }
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        ours[weir_number_format_integer(ends[i], ours)] = '\0';
        (void)snprintf(theirs, sizeof(theirs), "%lld", (long long)ends[i]);
        assert_string_equal(ours, theirs);
    }
}

/* As format_short's own digits are, or printf's: the fewest that are read as the same double. */
static void assert_shortest(double v)
{
    char ours[WEIR_NUMBER_TEXT_MAX], theirs[64];
    ours[weir_number_format(v, ours)] = '\0';
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(theirs, sizeof(theirs), "%.*g", digits, v);
        if (strtod(theirs, NULL) == v)
            break;
    }
    assert_string_equal(ours, theirs);
}

static void test_doubles_are_written_with_as_few_digits_as_tell_them(void **state)
{
    (void)state;
    static const double others[] = {0,
                                    -0.0,
                                    0.0001,
                                    0.00012,
                                    0.000099,
                                    1e-7,
                                    0.5,
                                    0.05,
                                    0.1,
                                    1.0 / 3,
                                    2.675,
                                    100,
                                    1e14,
                                    123456789.125,
                                    1e6,
                                    0.1 + 0.2,
                                    5e-324,
                                    999999999999999.0,
                                    99999999.999999};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_shortest(others[i]);
        assert_shortest(-others[i]);
    }
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7};
        double short_one = (double)(int64_t)(seed >> (12 + i % 40)) / powers[i % 8];
        if (fabs(short_one) < 1e15)
            assert_shortest(i % 2 ? short_one : nextafter(short_one, 0));
    }
}

static void test_a_bad_byte_is_seen_wherever_it_is(void **state)
{
    (void)state;
    const uint8_t bad[] = {0x00, 0x80, 0xff, 0xc3};
    uint8_t text[24];
    for (size_t len = 1; len <= sizeof(text); len++) {
        memset(text, 0x01, sizeof(text)); /* the least byte that a text may have */
        assert_true(weir_text_valid(weir_slice_make(text, len)));
        for (size_t at = 0; at < len; at++) {
            for (size_t i = 0; i < sizeof(bad); i++) {
                memset(text, 'a', sizeof(text));
                text[at] = bad[i];
                assert_false(weir_text_valid(weir_slice_make(text, len)));
            }
        }
    }
    assert_true(weir_text_valid(weir_slice_cstr("seven b\xc3\xbc, and more \xf0\x9f\x98\x80")));
}

static void test_a_cells_text_is_borrowed_where_it_may_be(void **state)
{
    (void)state;
    weir_error err;
    weir_slice text;
    weir_buf scratch = {.size_max = 64};
    weir_compat_value v = text_value("12 apples"), n = {WEIR_COMPAT_INTEGER, .integer = -12};
    weir_compat_value bad = text_value("\xff");
    assert_int_equal(weir_compat_cell_text(WEIR_OID_TEXT, &v, &scratch, &text, &err), 0);
    assert_ptr_equal(text.data, v.bytes.data);
    assert_int_equal(weir_compat_cell_text(WEIR_OID_INT8, &n, &scratch, &text, &err), 0);
    assert_true(weir_slice_eq_cstr(text, "-12"));
    assert_int_equal(weir_compat_cell_text(WEIR_OID_INT8, &v, &scratch, &text, &err), 1);
    assert_int_equal(weir_compat_cell_text(WEIR_OID_TEXT, &bad, &scratch, &text, &err), 1);
    assert_string_equal(err.sqlstate, "22021");
    weir_buf_fini(&scratch);
}

static void test_dates_follow_sqlites_conventions(void **state)
{
    (void)state;
    weir_compat_value unix_time = {.type = WEIR_COMPAT_INTEGER, .integer = 1700000000};
    weir_compat_value julian = {.type = WEIR_COMPAT_REAL, .real = 2451545.0};
    assert_string_equal(cell(WEIR_OID_TIMESTAMP, 0, unix_time), "2023-11-14 22:13:20");
    assert_string_equal(cell(WEIR_OID_TIMESTAMP, 0, julian), "2000-01-01 12:00:00");
    assert_string_equal(cell(WEIR_OID_TIMESTAMPTZ, 0, text_value("2000-01-01T12:00:00+02:00")),
                        "2000-01-01 10:00:00+00");
}

static void test_parameters_become_sqlites_values(void **state)
{
    (void)state;
    weir_compat_value v;
    weir_error err;
    size_t at = 0;
    weir_buf scratch = {.size_max = 1024};
    static const uint8_t day[] = {0, 0, 0, 1}, four[] = {0, 0, 0, 4};
    assert_int_equal(
        weir_compat_param_read(WEIR_OID_INT4, 1, weir_slice_make(four, 4), &scratch, &v, &at, &err),
        0);
    assert_int_equal(v.integer, 4);
    assert_int_equal(
        weir_compat_param_read(WEIR_OID_DATE, 1, weir_slice_make(day, 4), &scratch, &v, &at, &err),
        0);
    assert_true(weir_slice_eq_cstr(v.bytes, "2000-01-02"));
    assert_int_equal(at, 0);
    assert_int_equal(weir_compat_param_read(WEIR_OID_NUMERIC, 0, weir_slice_cstr("10.50"), &scratch,
                                            &v, &at, &err),
                     0);
    assert_int_equal(v.type, WEIR_COMPAT_REAL);
    assert_int_equal(
        weir_compat_param_read(0, 1, weir_slice_make(four, 4), &scratch, &v, &at, &err),
        WEIR_COMPAT_REFUSED);
    assert_string_equal(err.sqlstate, "42P18");
    weir_buf_fini(&scratch);
}

static void test_declared_types_follow_affinity(void **state)
{
    (void)state;
    assert_int_equal(weir_compat_declared_oid("INT"), WEIR_OID_INT8);
    assert_int_equal(weir_compat_declared_oid("varchar(10)"), WEIR_OID_VARCHAR);
    assert_int_equal(weir_compat_declared_oid("NVARCHAR (3)"), WEIR_OID_VARCHAR);
    assert_int_equal(weir_compat_declared_oid("DOUBLE PRECISION"), WEIR_OID_FLOAT8);
    assert_int_equal(weir_compat_declared_oid("decimal(10,2)"), WEIR_OID_NUMERIC);
    assert_int_equal(weir_compat_declared_oid("DATETIME"), WEIR_OID_TIMESTAMP);
    assert_int_equal(weir_compat_declared_oid(""), 0);
    assert_int_equal(weir_compat_declared_oid(NULL), 0);
}

static void test_texts_are_translated(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"SELECT $2, $1", "SELECT ?2, ?1"},
        {"SELECT '$1', \"$1\" -- $1", "SELECT '$1', \"$1\" -- $1"},
        {"SELECT $1::int + a.b::text", "SELECT CAST(?1 AS INTEGER) + CAST(a.b AS TEXT)"},
        {"SELECT f(x, (1))::pg_catalog.int8", "SELECT CAST(f(x, (1)) AS INTEGER)"},
        {"SELECT '2024-01-01'::date", "SELECT '2024-01-01'"},
        {"SELECT x::double precision FROM t", "SELECT CAST(x AS REAL) FROM t"},
        {"SELECT E'a\\'b\\n'", "SELECT 'a''b\n'"},
        {"SELECT $$it's$$", "SELECT 'it''s'"},
        {"SELECT current_database()", "SELECT 'd' AS \"current_database\""},
        {"SELECT pg_catalog.lower(x)", "SELECT lower(x)"},
        {"SELECT current_user = 'x'", "SELECT 'u' = 'x'"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        weir_buf out = {.size_max = 1024};
        weir_slice text = weir_slice_cstr(texts[i][0]);
        assert_int_equal(weir_compat_rewrite(text, &context, &out, NULL), 0);
        assert_int_equal(weir_buf_append_u8(&out, 0), 0);
        assert_string_equal((const char *)out.data, texts[i][1]);
        weir_buf_fini(&out);
    }
}

static void test_statements_are_split(void **state)
{
    (void)state;
    weir_slice rest = weir_slice_cstr(
        ";; SELECT ';' ; CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; "
        "SELECT 1; END; SELECT 2 ; -- end");
    assert_true(weir_slice_eq_cstr(weir_compat_split(rest, &rest), "SELECT ';' "));
    assert_int_equal(weir_compat_split(rest, &rest).len, 85);
    assert_true(weir_slice_eq_cstr(weir_compat_split(rest, &rest), "SELECT 2 "));
    assert_int_equal(weir_compat_split(rest, &rest).len, 0);
}

static void test_commands_are_read(void **state)
{
    (void)state;
    weir_command c;
    weir_error err;
    assert_int_equal(weir_command_read(weir_slice_cstr("begin isolation level repeatable read, "
                                                       "read only"),
                                       &c, &err),
                     0);
    assert_int_equal(c.isolation, WEIR_ISOLATION_REPEATABLE_READ);
    assert_int_equal(c.access_mode, WEIR_ACCESS_MODE_READ_ONLY);
    assert_int_equal(weir_command_read(weir_slice_cstr("ROLLBACK TO x"), &c, &err), 0);
    assert_int_equal(c.kind, WEIR_COMMAND_ROLLBACK_TO);
    assert_int_equal(weir_command_read(weir_slice_cstr("SET a.b = 'c'"), &c, &err), 0);
    assert_true(weir_slice_eq_cstr(c.name, "a.b"));
    assert_int_equal(weir_command_read(weir_slice_cstr("BEGIN nonsense"), &c, &err),
                     WEIR_COMPAT_REFUSED);
    assert_string_equal(err.sqlstate, "42601");
    assert_int_equal(weir_command_read(weir_slice_cstr("GRANT x TO y"), &c, &err), 0);
    assert_int_equal(c.kind, WEIR_COMMAND_REFUSED);
    assert_int_equal(weir_command_read(weir_slice_cstr("NOTIFY x, 'y'"), &c, &err), 0);
    assert_int_equal(c.kind, WEIR_COMMAND_NOTIFY);
    assert_true(weir_slice_eq_cstr(c.value, "'y'"));
    assert_int_equal(weir_command_read(weir_slice_cstr("SELECT 1"), &c, &err), 0);
    assert_int_equal(c.kind, WEIR_COMMAND_NONE);
}

static void test_types_are_inferred_only_where_certain(void **state)
{
    (void)state;
    weir_compat_hint h[6] = {0};
    size_t n = weir_compat_result_hints(
        weir_slice_cstr("SELECT count(*), 1, 'a' AS x, count(*) + a, sum(b), x::int FROM t"), h, 6);
    assert_int_equal(n, 6);
    assert_int_equal(h[0].oid, WEIR_OID_INT8);
    assert_int_equal(h[1].oid, WEIR_OID_INT8);
    assert_int_equal(h[2].oid, WEIR_OID_TEXT);
    assert_int_equal(h[3].oid, 0);
    assert_int_equal(h[4].oid, WEIR_OID_NUMERIC);
    assert_int_equal(h[5].oid, WEIR_OID_INT8);
}

static void test_parameters_take_the_type_of_their_column(void **state)
{
    (void)state;
    weir_compat_hint h[4];
    weir_compat_param_hints(
        weir_slice_cstr("SELECT * FROM t WHERE t.id = $1 AND b IN ($2) LIMIT $3"), h, 4);
    assert_true(weir_slice_eq_cstr(h[0].column, "id"));
    assert_true(weir_slice_eq_cstr(h[1].column, "b"));
    assert_int_equal(h[2].oid, WEIR_OID_INT8);
    weir_compat_param_hints(weir_slice_cstr("INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4::int)"),
                            h, 4);
    assert_true(weir_slice_eq_cstr(h[0].column, "a"));
    assert_true(weir_slice_eq_cstr(h[1].column, "b"));
    assert_true(weir_slice_eq_cstr(h[2].column, "a"));
    assert_int_equal(h[3].oid, WEIR_OID_INT4);
    weir_compat_param_hints(weir_slice_cstr("INSERT INTO t VALUES ($1, f($2), 1, $3)"), h, 4);
    assert_int_equal(h[0].position, 1);
    assert_int_equal(h[1].position, 0);
    assert_int_equal(h[2].position, 4);
}

/* A text that words quote is cut, and what a client is told stays UTF-8. */
static void test_errors_quote_whole_characters(void **state)
{
    char text[128] = "CLOSE c \"";
    size_t len = strlen(text);
    weir_command command;
    weir_error err;
    (void)state;
    for (unsigned i = 0; i < 40; i++, len += 2)
        memcpy(text + len, "\xc3\xa9", 2); /* é: the cut falls between its bytes */
    text[len++] = '"';
    assert_int_equal(weir_command_read(weir_slice_make(text, len), &command, &err),
                     WEIR_COMPAT_REFUSED);
    assert_string_equal(err.sqlstate, "42601");
    assert_null(strstr(err.message, text + strlen("CLOSE c "))); /* cut it is */
    assert_true(weir_text_valid(weir_slice_cstr(err.message)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numerics_have_postgresqls_bytes),
        cmocka_unit_test(test_numerics_come_back_as_they_went),
        cmocka_unit_test(test_fixed_types_have_postgresqls_bytes),
        cmocka_unit_test(test_what_a_type_cannot_say_is_refused),
        cmocka_unit_test(test_integers_are_written_as_printf_writes_them),
        cmocka_unit_test(test_doubles_are_written_with_as_few_digits_as_tell_them),
        cmocka_unit_test(test_a_bad_byte_is_seen_wherever_it_is),
        cmocka_unit_test(test_a_cells_text_is_borrowed_where_it_may_be),
        cmocka_unit_test(test_dates_follow_sqlites_conventions),
        cmocka_unit_test(test_parameters_become_sqlites_values),
        cmocka_unit_test(test_declared_types_follow_affinity),
        cmocka_unit_test(test_texts_are_translated),
        cmocka_unit_test(test_statements_are_split),
        cmocka_unit_test(test_commands_are_read),
        cmocka_unit_test(test_types_are_inferred_only_where_certain),
        cmocka_unit_test(test_parameters_take_the_type_of_their_column),
        cmocka_unit_test(test_errors_quote_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
