/* Every message written and read again; every truncation of each is refused within its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/pg.h"

#define EQ(slice, text) assert_true(weir_slice_eq((slice), WEIR_SLICE_LIT(text)))

static const weir_slice oids = WEIR_SLICE_LIT("\0\0\0\27\0\0\0\31");
static const weir_slice values = WEIR_SLICE_LIT("\0\0\0\2hi\377\377\377\377\0\0\0\0");
static const weir_slice formats = WEIR_SLICE_LIT("\0\0\0\1\0\0");

static const weir_pg_bind sample_bind = {
    .portal = WEIR_SLICE_LIT("p"),
    .statement = WEIR_SLICE_LIT("s1"),
    .format_count = 3,
    .formats = WEIR_SLICE_LIT("\0\0\0\1\0\0"),
    .value_count = 3,
    .values = WEIR_SLICE_LIT("\0\0\0\2hi\377\377\377\377\0\0\0\0"),
    .result_format_count = 1,
    .result_formats = WEIR_SLICE_LIT("\0\1"),
};

static const weir_error sample_error = {"22012", "division by zero", "a detail", "a hint"};

static const weir_pg_column sample_columns[2] = {
    {.name = WEIR_SLICE_LIT("id"),
     .table_oid = 16384,
     .attribute = 1,
     .type_oid = 23,
     .type_size = 4,
     .type_modifier = -1},
    {.name = WEIR_SLICE_LIT(""), .type_oid = 25, .type_size = -1, .type_modifier = -1, .format = 1},
};

/* ---- frontend ---- */

static int write_query(weir_buf *out)
{
    return weir_pg_write_query(out, WEIR_SLICE_LIT("SELECT 1"));
}

static int read_query(weir_slice body)
{
    weir_slice text;
    int r = weir_pg_query_read(body, &text);
    if (r == 0)
        EQ(text, "SELECT 1");
    return r;
}

static int write_parse(weir_buf *out)
{
    return weir_pg_write_parse(out, WEIR_SLICE_LIT("s1"), WEIR_SLICE_LIT("SELECT $1"), oids);
}

static int read_parse(weir_slice body)
{
    weir_pg_parse p;
    int r = weir_pg_parse_read(body, &p);
    if (r == 0) {
        EQ(p.name, "s1");
        EQ(p.text, "SELECT $1");
        assert_int_equal(p.oid_count, 2);
        assert_true(weir_slice_eq(p.oids, oids));
    }
    return r;
}

static int write_bind(weir_buf *out)
{
    return weir_pg_write_bind(out, &sample_bind);
}

static void check_values(weir_slice encoded)
{
    size_t pos = 0;
    weir_slice value;
    bool null;
    assert_true(weir_pg_value_next(encoded, &pos, &value, &null));
    EQ(value, "hi");
    assert_false(null);
    assert_true(weir_pg_value_next(encoded, &pos, &value, &null));
    assert_true(null);
    assert_null(value.data);
    assert_true(weir_pg_value_next(encoded, &pos, &value, &null));
    assert_false(null);
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    assert_false(weir_pg_value_next(encoded, &pos, &value, &null));
}

static int read_bind(weir_slice body)
{
    weir_pg_bind b;
    int r = weir_pg_bind_read(body, &b);
    if (r == 0) {
        EQ(b.portal, "p");
        EQ(b.statement, "s1");
        assert_int_equal(b.value_count, 3);
        check_values(b.values);
        assert_int_equal(weir_pg_format_at(b.formats, b.format_count, 1), 1);
        assert_int_equal(weir_pg_format_at(b.formats, b.format_count, 2), 0);
        assert_int_equal(weir_pg_format_at(b.formats, b.format_count, 3), 0);
        assert_int_equal(weir_pg_format_at(b.result_formats, b.result_format_count, 9), 1);
    }
    return r;
}

static int write_describe(weir_buf *out)
{
    return weir_pg_write_target(out, WEIR_PG_F_DESCRIBE, 'S', WEIR_SLICE_LIT("s1"));
}

static int write_close(weir_buf *out)
{
    return weir_pg_write_target(out, WEIR_PG_F_CLOSE, 'S', WEIR_SLICE_LIT("s1"));
}

static int read_target(weir_slice body)
{
    weir_pg_target t;
    int r = weir_pg_target_read(body, &t);
    if (r == 0) {
        assert_int_equal(t.kind, 'S');
        EQ(t.name, "s1");
    }
    return r;
}

static int write_execute(weir_buf *out)
{
    return weir_pg_write_execute(out, WEIR_SLICE_LIT("p"), 50);
}

static int read_execute(weir_slice body)
{
    weir_pg_execute e;
    int r = weir_pg_execute_read(body, &e);
    if (r == 0) {
        EQ(e.portal, "p");
        assert_int_equal(e.rows_max, 50);
    }
    return r;
}

static int write_function(weir_buf *out)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("F\0\0\0\42\0\0\3\351\0\3\0\0\0\1\0\0\0\3"));
    if (r == 0)
        r = weir_buf_append(out, values);
    return r != 0 ? r : weir_buf_append_u16(out, 1);
}

static int read_function(weir_slice body)
{
    weir_pg_function f;
    int r = weir_pg_function_read(body, &f);
    if (r == 0) {
        assert_int_equal(f.oid, 1001);
        assert_true(weir_slice_eq(f.formats, formats));
        check_values(f.values);
        assert_int_equal(f.result_format, 1);
    }
    return r;
}

static int write_copy_fail(weir_buf *out)
{
    return weir_pg_write_copy_fail(out, WEIR_SLICE_LIT("no"));
}

static int read_copy_fail(weir_slice body)
{
    weir_slice reason;
    int r = weir_pg_copy_fail_read(body, &reason);
    if (r == 0)
        EQ(reason, "no");
    return r;
}

/* ---- backend ---- */

static int write_error(weir_buf *out)
{
    return weir_pg_write_error(out, "ERROR", &sample_error);
}

static int write_notice(weir_buf *out)
{
    return weir_pg_write_notice(out, "ERROR", &sample_error);
}

static int read_error(weir_slice body)
{
    weir_pg_error_fields f;
    int r = weir_pg_error_read(body, &f);
    if (r == 0) {
        EQ(f.severity, "ERROR");
        EQ(f.severity_fixed, "ERROR");
        EQ(f.sqlstate, "22012");
        EQ(f.message, "division by zero");
        EQ(f.detail, "a detail");
        EQ(f.hint, "a hint");
        assert_null(f.position.data);
    }
    return r;
}

static int write_key(weir_buf *out)
{
    return weir_pg_write_key_data(out, 77, WEIR_SLICE_LIT("abcd"));
}

static int read_key(weir_slice body)
{
    uint32_t pid;
    weir_slice key;
    int r = weir_pg_key_data_read(body, &pid, &key);
    if (r == 0) {
        assert_int_equal(pid, 77);
        EQ(key, "abcd");
    }
    return r;
}

static int write_status(weir_buf *out)
{
    return weir_pg_write_param_status(out, WEIR_SLICE_LIT("TimeZone"), WEIR_SLICE_LIT("UTC"));
}

static int read_status(weir_slice body)
{
    weir_slice name, value;
    int r = weir_pg_param_status_read(body, &name, &value);
    if (r == 0) {
        EQ(name, "TimeZone");
        EQ(value, "UTC");
    }
    return r;
}

static int write_ready(weir_buf *out)
{
    return weir_pg_write_ready(out, 'T');
}

static int read_ready(weir_slice body)
{
    uint8_t status;
    int r = weir_pg_ready_read(body, &status);
    if (r == 0)
        assert_int_equal(status, 'T');
    return r;
}

static int write_notification(weir_buf *out)
{
    weir_pg_notification n = {5, WEIR_SLICE_LIT("chan"), WEIR_SLICE_LIT("payload")};
    return weir_pg_write_notification(out, &n);
}

static int read_notification(weir_slice body)
{
    weir_pg_notification n;
    int r = weir_pg_notification_read(body, &n);
    if (r == 0) {
        assert_int_equal(n.pid, 5);
        EQ(n.channel, "chan");
        EQ(n.payload, "payload");
    }
    return r;
}

static int write_complete(weir_buf *out)
{
    return weir_pg_write_command_complete(out, WEIR_SLICE_LIT("INSERT 0 3"));
}

static int read_complete(weir_slice body)
{
    weir_slice tag;
    int r = weir_pg_command_complete_read(body, &tag);
    if (r == 0)
        EQ(tag, "INSERT 0 3");
    return r;
}

static int write_columns(weir_buf *out)
{
    return weir_pg_write_row_description(out, sample_columns, 2);
}

static int read_columns(weir_slice body)
{
    uint16_t count;
    weir_slice columns;
    int r = weir_pg_row_description_read(body, &count, &columns);
    if (r == 0) {
        weir_pg_column c;
        size_t pos = 0;
        assert_int_equal(count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_true(weir_pg_column_next(columns, &pos, &c));
            assert_true(weir_slice_eq(c.name, sample_columns[i].name));
            assert_int_equal(c.table_oid, sample_columns[i].table_oid);
            assert_int_equal(c.attribute, sample_columns[i].attribute);
            assert_int_equal(c.type_oid, sample_columns[i].type_oid);
            assert_int_equal(c.type_size, sample_columns[i].type_size);
            assert_int_equal(c.type_modifier, -1);
            assert_int_equal(c.format, sample_columns[i].format);
        }
        assert_false(weir_pg_column_next(columns, &pos, &c));
    }
    return r;
}

static int write_params(weir_buf *out)
{
    static const uint32_t types[] = {23, 25};
    return weir_pg_write_param_description(out, types, 2);
}

static int read_params(weir_slice body)
{
    uint16_t count;
    weir_slice types;
    int r = weir_pg_param_description_read(body, &count, &types);
    if (r == 0) {
        assert_int_equal(count, 2);
        assert_true(weir_slice_eq(types, oids));
    }
    return r;
}

static int write_row(weir_buf *out)
{
    size_t mark;
    int r = weir_pg_row_begin(out, 3, &mark);
    if (r == 0)
        r = weir_pg_row_cell(out, WEIR_SLICE_LIT("hi"));
    if (r == 0)
        r = weir_pg_row_null(out);
    if (r == 0)
        r = weir_pg_row_cell(out, (weir_slice){0});
    return r != 0 ? r : weir_pg_row_end(out, mark);
}

static int read_row(weir_slice body)
{
    uint16_t count;
    weir_slice cells;
    int r = weir_pg_row_read(body, &count, &cells);
    if (r == 0) {
        assert_int_equal(count, 3);
        check_values(cells);
    }
    return r;
}

static int write_copy_in(weir_buf *out)
{
    return weir_pg_write_copy_response(out, WEIR_PG_B_COPY_IN, 1, 2);
}

static int read_copy_in(weir_slice body)
{
    uint8_t format;
    uint16_t count;
    weir_slice each;
    int r = weir_pg_copy_response_read(body, &format, &count, &each);
    if (r == 0) {
        assert_int_equal(format, 1);
        assert_int_equal(count, 2);
        EQ(each, "\0\1\0\1");
    }
    return r;
}

static const struct message {
    uint8_t type;
    int (*write)(weir_buf *out);
    int (*read)(weir_slice body);
} messages[] = {
    {'Q', write_query, read_query},       {'P', write_parse, read_parse},
    {'B', write_bind, read_bind},         {'D', write_describe, read_target},
    {'C', write_close, read_target},      {'E', write_execute, read_execute},
    {'F', write_function, read_function}, {'f', write_copy_fail, read_copy_fail},
    {'E', write_error, read_error},       {'N', write_notice, read_error},
    {'K', write_key, read_key},           {'S', write_status, read_status},
    {'Z', write_ready, read_ready},       {'A', write_notification, read_notification},
    {'C', write_complete, read_complete}, {'T', write_columns, read_columns},
    {'t', write_params, read_params},     {'D', write_row, read_row},
    {'G', write_copy_in, read_copy_in},
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

/* The reader on `len` bytes in memory of just that size. */
static int read_exact(const struct message *m, const uint8_t *body, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, body, len);
    int r = m->read(weir_slice_make(copy, len));
    free(copy);
    return r;
}

static void test_messages_survive_a_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_buf out;
        weir_buf_init(&out, 4096);
        assert_int_equal(weir_buf_append_u8(&out, '?'), 0); /* not at the front of the buffer */
        assert_int_equal(messages[i].write(&out), 0);
        weir_pg_frame f;
        weir_slice in = weir_slice_make(out.data + 1, out.len - 1);
        assert_int_equal(weir_pg_frame_next(in, 4096, &f), 0);
        assert_int_equal(f.type, messages[i].type);
        assert_int_equal(f.whole.len, in.len);
        assert_int_equal(read_exact(&messages[i], f.body.data, f.body.len), 0);
        weir_buf_fini(&out);
    }
}

static void test_truncated_frames_ask_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_buf out;
        weir_buf_init(&out, 4096);
        assert_int_equal(messages[i].write(&out), 0);
        for (size_t len = 0; len < out.len; len++) {
            weir_pg_frame f;
            assert_int_equal(weir_pg_frame_next(weir_slice_make(out.data, len), 4096, &f),
                             WEIR_PG_MORE);
        }
        weir_buf_fini(&out);
    }
}

static void test_truncated_and_overlong_bodies_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_buf out;
        weir_buf_init(&out, 4096);
        assert_int_equal(messages[i].write(&out), 0);
        for (size_t len = 0; len + 5 < out.len; len++)
            assert_int_equal(read_exact(&messages[i], out.data + 5, len), -EPROTO);
        if (messages[i].type != 'K') { /* a key may be longer */
            assert_int_equal(weir_buf_append_u8(&out, 0), 0);
            assert_int_equal(read_exact(&messages[i], out.data + 5, out.len - 5), -EPROTO);
        }
        weir_buf_fini(&out);
    }
}

static void test_writers_leave_no_byte_behind_at_any_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGES; i++) {
        if (messages[i].write == write_function || messages[i].write == write_row)
            continue; /* made of several calls */
        weir_buf whole;
        weir_buf_init(&whole, 4096);
        assert_int_equal(messages[i].write(&whole), 0);
        for (size_t max = 0; max < whole.len; max++) {
            weir_buf out;
            weir_buf_init(&out, max);
            assert_int_equal(messages[i].write(&out), -EMSGSIZE);
            assert_int_equal(out.len, 0);
            weir_buf_fini(&out);
        }
        weir_buf_fini(&whole);
    }
}

static void test_strings_with_a_zero_byte_are_not_written(void **state)
{
    (void)state;
    weir_buf out;
    weir_buf_init(&out, 4096);
    weir_slice bad = WEIR_SLICE_LIT("a\0b");
    assert_int_equal(weir_pg_write_query(&out, bad), -EINVAL);
    assert_int_equal(weir_pg_write_parse(&out, bad, bad, (weir_slice){0}), -EINVAL);
    assert_int_equal(weir_pg_write_param_status(&out, WEIR_SLICE_LIT("a"), bad), -EINVAL);
    assert_int_equal(out.len, 0);
    weir_buf_fini(&out);
}

static void test_counts_beyond_16_bits_are_not_written(void **state)
{
    (void)state;
    static const uint32_t types[65536];
    weir_buf out;
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_pg_write_param_description(&out, types, 65536), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    assert_int_equal(weir_pg_write_param_description(&out, types, 65535), 0);
    weir_pg_frame f;
    uint16_t count;
    weir_slice each;
    assert_int_equal(weir_pg_frame_next(weir_buf_slice(&out), 1 << 20, &f), 0);
    assert_int_equal(weir_pg_param_description_read(f.body, &count, &each), 0);
    assert_int_equal(count, 65535);
    weir_buf_fini(&out);
}

static void test_bind_keeps_its_values_under_another_name(void **state)
{
    (void)state;
    weir_buf out;
    weir_pg_frame f;
    weir_pg_bind b;
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_pg_write_bind_renamed(&out, &sample_bind, WEIR_SLICE_LIT("longer")), 0);
    assert_int_equal(weir_pg_frame_next(weir_buf_slice(&out), 4096, &f), 0);
    assert_int_equal(weir_pg_bind_read(f.body, &b), 0);
    EQ(b.statement, "longer");
    EQ(b.portal, "p");
    assert_true(weir_slice_eq(b.values, values));
    weir_buf_fini(&out);
}

static void test_lengths_that_lie_are_refused(void **state)
{
    (void)state;
    static const weir_slice binds[] = {
        WEIR_SLICE_LIT("\0\0\377\377\0\0\0\0"),             /* 65 535 formats */
        WEIR_SLICE_LIT("\0\0\0\0\377\377\0\0"),             /* 65 535 values */
        WEIR_SLICE_LIT("\0\0\0\0\0\1\177\377\377\377\0\0"), /* 2 GiB */
        WEIR_SLICE_LIT("\0\0\0\0\0\1\377\377\377\376\0\0"), /* -2 */
        WEIR_SLICE_LIT("\0\0\0\0\0\0\377\377"),
    };
    for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
        weir_pg_bind b;
        assert_int_equal(weir_pg_bind_read(binds[i], &b), -EPROTO);
    }
    weir_pg_target t;
    assert_int_equal(weir_pg_target_read(WEIR_SLICE_LIT("Xname\0"), &t), -EPROTO);
    uint8_t status;
    assert_int_equal(weir_pg_ready_read(WEIR_SLICE_LIT("X"), &status), -EPROTO);
    uint8_t format;
    uint16_t count;
    weir_slice each;
    assert_int_equal(weir_pg_copy_response_read(WEIR_SLICE_LIT("\2\0\0"), &format, &count, &each),
                     -EPROTO);
}

static void test_error_fields_known_and_unknown_are_walked(void **state)
{
    (void)state;
    weir_slice body = WEIR_SLICE_LIT("SERROR\0VERROR\0C42703\0Mno column\0P8\0"
                                     "n\0Wwhere\0?future\0Fparse.c\0L12\0Rf\0\0");
    weir_pg_error_fields f;
    assert_int_equal(weir_pg_error_read(body, &f), 0);
    EQ(f.sqlstate, "42703");
    EQ(f.position, "8");
    char codes[32] = "";
    size_t pos = 0, n = 0;
    weir_slice value;
    uint8_t code;
    while (weir_pg_field_next(f.raw, &pos, &code, &value))
        codes[n++] = (char)code;
    assert_string_equal(codes, "SVCMPnW?FLR");
    assert_int_equal(weir_pg_error_read(WEIR_SLICE_LIT("\0"), &f), 0);
    assert_int_equal(weir_pg_error_read(WEIR_SLICE_LIT("Mx\0\0Hy\0\0"), &f), -EPROTO);
    assert_int_equal(weir_pg_error_read(WEIR_SLICE_LIT("\0\0"), &f), -EPROTO);
    assert_int_equal(weir_pg_error_read(WEIR_SLICE_LIT("Mx\0"), &f), -EPROTO);
}

static void test_tags_tell_their_rows(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        uint64_t rows;
    } cases[] = {{"SELECT 5", 5},
                 {"INSERT 0 3", 3},
                 {"COPY 12345678901", 12345678901},
                 {"BEGIN", 0},
                 {"CREATE TABLE", 0},
                 {"", 0},
                 {"7", 0},
                 {"MERGE x7", 0},
                 {"UPDATE ", 0},
                 {"SELECT 18446744073709551615", UINT64_MAX},
                 {"SELECT 99999999999999999999999", UINT64_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(weir_pg_tag_rows(weir_slice_cstr(cases[i].tag)) == cases[i].rows);
}

static void test_negative_row_limit_means_all(void **state)
{
    (void)state;
    weir_pg_execute e;
    assert_int_equal(weir_pg_execute_read(WEIR_SLICE_LIT("\0\377\377\377\377"), &e), 0);
    assert_int_equal(e.rows_max, 0);
}

static void test_errors_without_words_are_still_complete(void **state)
{
    (void)state;
    weir_buf out;
    weir_pg_frame f;
    weir_pg_error_fields fields;
    weir_error empty = {0};
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_pg_write_error(&out, "FATAL", &empty), 0);
    assert_int_equal(weir_pg_frame_next(weir_buf_slice(&out), 4096, &f), 0);
    assert_int_equal(weir_pg_error_read(f.body, &fields), 0);
    EQ(fields.sqlstate, "XX000");
    assert_true(fields.message.len > 0);
    assert_null(fields.detail.data);
    weir_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_survive_a_round_trip),
        cmocka_unit_test(test_truncated_frames_ask_for_more),
        cmocka_unit_test(test_truncated_and_overlong_bodies_are_refused),
        cmocka_unit_test(test_writers_leave_no_byte_behind_at_any_limit),
        cmocka_unit_test(test_strings_with_a_zero_byte_are_not_written),
        cmocka_unit_test(test_counts_beyond_16_bits_are_not_written),
        cmocka_unit_test(test_bind_keeps_its_values_under_another_name),
        cmocka_unit_test(test_lengths_that_lie_are_refused),
        cmocka_unit_test(test_error_fields_known_and_unknown_are_walked),
        cmocka_unit_test(test_tags_tell_their_rows),
        cmocka_unit_test(test_negative_row_limit_means_all),
        cmocka_unit_test(test_errors_without_words_are_still_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
