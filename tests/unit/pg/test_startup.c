/* Startup packets, version negotiation, frames and the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/pg.h"

/* The bytes in memory of exactly their size, so that the sanitizer sees a read behind them. */
static uint8_t *exact(weir_slice bytes)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static int read_startup(weir_slice bytes, weir_pg_startup *ret)
{
    weir_error err = {0};
    int r = weir_pg_startup_read(bytes, ret, &err);
    assert_int_equal(r < 0, err.message[0] != '\0'); /* each refusal has words */
    return r;
}

static weir_slice packet(weir_buf *buf, uint32_t code, weir_slice body)
{
    weir_buf_clear(buf);
    assert_int_equal(weir_buf_append_u32(buf, (uint32_t)(8 + body.len)), 0);
    assert_int_equal(weir_buf_append_u32(buf, code), 0);
    if (body.len)
        assert_int_equal(weir_buf_append(buf, body), 0);
    return weir_buf_slice(buf);
}

static void test_startup_reads_each_kind_of_packet(void **state)
{
    (void)state;
    weir_buf buf;
    weir_pg_startup s;
    weir_buf_init(&buf, 4096);
    assert_int_equal(read_startup(packet(&buf, WEIR_PG_CODE_SSL, (weir_slice){0}), &s), 0);
    assert_int_equal(s.kind, WEIR_PG_STARTUP_SSL);
    assert_int_equal(s.size, 8);
    assert_int_equal(read_startup(packet(&buf, WEIR_PG_CODE_GSSENC, (weir_slice){0}), &s), 0);
    assert_int_equal(s.kind, WEIR_PG_STARTUP_GSSENC);
    weir_buf_clear(&buf);
    assert_int_equal(weir_pg_write_startup(&buf, WEIR_PG_VERSION_3_0,
                                           WEIR_SLICE_LIT("user\0ann\0database\0shop\0")),
                     0);
    assert_int_equal(read_startup(weir_buf_slice(&buf), &s), 0);
    assert_int_equal(s.kind, WEIR_PG_STARTUP_SESSION);
    assert_int_equal(s.version, WEIR_PG_VERSION_3_0);
    assert_int_equal(s.size, buf.len);
    weir_slice value;
    assert_true(weir_pg_param_find(s.params, "database", &value));
    assert_true(weir_slice_eq_cstr(value, "shop"));
    assert_false(weir_pg_param_find(s.params, "shop", &value));
    weir_buf_fini(&buf);
}

/* HAZARD 9: keys of 4 bytes (3.0) to 256 bytes (3.2). */
static void test_cancel_takes_keys_of_4_to_256_bytes(void **state)
{
    (void)state;
    uint8_t key[257];
    memset(key, 7, sizeof(key));
    for (size_t len = 0; len <= sizeof(key); len++) {
        weir_buf buf;
        weir_buf_init(&buf, 4096);
        weir_pg_startup s;
        bool right = len >= 4 && len <= 256;
        assert_int_equal(weir_pg_write_cancel(&buf, 99, weir_slice_make(key, len)),
                         right ? 0 : -EMSGSIZE);
        weir_buf_clear(&buf);
        assert_int_equal(weir_buf_append_u32(&buf, (uint32_t)(12 + len)), 0);
        assert_int_equal(weir_buf_append_u32(&buf, WEIR_PG_CODE_CANCEL), 0);
        assert_int_equal(weir_buf_append_u32(&buf, 99), 0);
        assert_int_equal(weir_buf_append(&buf, weir_slice_make(key, len)), 0);
        assert_int_equal(read_startup(weir_buf_slice(&buf), &s), right ? 0 : -EPROTO);
        if (right) {
            assert_int_equal(s.kind, WEIR_PG_STARTUP_CANCEL);
            assert_int_equal(s.cancel_pid, 99);
            assert_int_equal(s.cancel_key.len, len);
        }
        weir_buf_fini(&buf);
    }
}

/* HAZARD 10: lengths are judged before they are used. */
static void test_startup_refuses_what_breaks_the_protocol(void **state)
{
    (void)state;
    static const struct {
        weir_slice bytes;
        int result;
    } cases[] = {
        {WEIR_SLICE_LIT("\0\0\0\0"), -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\7"), -EPROTO},
        {WEIR_SLICE_LIT("\0\0\47\25"), -EMSGSIZE}, /* 10 005 */
        {WEIR_SLICE_LIT("\0\0\47\24"), WEIR_PG_MORE},
        {WEIR_SLICE_LIT("\377\377\377\377"), -EMSGSIZE},
        {WEIR_SLICE_LIT("GET / HTTP/1.1\r\n"), -EMSGSIZE},
        {WEIR_SLICE_LIT("\26\3\1\2\0\1\0\1"), -EMSGSIZE},   /* a TLS hello without SSLRequest */
        {WEIR_SLICE_LIT("\0\0\0\11\4\322\26\57"), -EPROTO}, /* SSLRequest of 9 bytes */
        {WEIR_SLICE_LIT("\0\0\0\10\4\322\26\61"), -EPROTO}, /* 1234.5681 */
        {WEIR_SLICE_LIT("\0\0\0\11\0\2\0\0\0"), -EPROTO},   /* 2.0 */
        {WEIR_SLICE_LIT("\0\0\0\11\0\4\0\0\0"), -EPROTO},   /* 4.0 */
        {WEIR_SLICE_LIT("\0\0\0\10\0\3\0\0"), -EPROTO},     /* no terminator */
        {WEIR_SLICE_LIT("\0\0\0\11\0\3\0\0\0"), 0},         /* no parameters */
        {WEIR_SLICE_LIT("\0\0\0\12\0\3\0\0\0\0"), -EPROTO}, /* behind the terminator */
        {WEIR_SLICE_LIT("\0\0\0\13\0\3\0\0a\0\0"), -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\14\0\3\0\0a\0b\0"), -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\15\0\3\0\0a\0b\0\0"), 0},
        {WEIR_SLICE_LIT("\0\0\0\14\0\3\0\0abcd"), -EPROTO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_pg_startup s;
        uint8_t *copy = exact(cases[i].bytes);
        assert_int_equal(read_startup(weir_slice_make(copy, cases[i].bytes.len), &s),
                         cases[i].result);
        free(copy);
    }
}

static void test_startup_asks_for_more_at_every_byte(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, 4096);
    assert_int_equal(weir_pg_write_startup(&buf, WEIR_PG_VERSION_3_2,
                                           WEIR_SLICE_LIT("user\0ann\0_pq_.x\0"
                                                          "1\0")),
                     0);
    for (size_t len = 0; len < buf.len; len++) {
        weir_pg_startup s;
        uint8_t *copy = exact(weir_slice_make(buf.data, len));
        assert_int_equal(read_startup(weir_slice_make(copy, len), &s), WEIR_PG_MORE);
        free(copy);
    }
    weir_buf_fini(&buf);
}

static void test_startup_packets_are_bounded(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, 65536);
    static uint8_t text[20000];
    memset(text, 'x', sizeof(text));
    weir_slice body = weir_slice_make(text, 9996);
    text[1] = text[9994] = text[9995] = '\0'; /* "x\0xxx…\0" and the terminator */
    weir_pg_startup s;
    assert_int_equal(read_startup(packet(&buf, WEIR_PG_VERSION_3_0, body), &s), 0);
    body.len = 9997;
    assert_int_equal(read_startup(packet(&buf, WEIR_PG_VERSION_3_0, body), &s), -EMSGSIZE);
    weir_buf_clear(&buf);
    assert_int_equal(weir_pg_write_startup(&buf, WEIR_PG_VERSION_3_0, weir_slice_make(text, 9997)),
                     -EMSGSIZE);
    assert_int_equal(buf.len, 0);
    weir_buf_fini(&buf);
}

/* HAZARD 11: 3.1 does not exist; newer minors and _pq_. options are negotiated. */
static void test_negotiation_answers_versions_and_options(void **state)
{
    (void)state;
    static const struct {
        uint32_t asked;
        weir_slice params;
        int result;
        uint32_t spoken;
        weir_slice answer;
    } cases[] = {
        {WEIR_PG_VERSION(3, 0), WEIR_SLICE_LIT("user\0a\0"), 0, WEIR_PG_VERSION_3_0, {0}},
        {WEIR_PG_VERSION(3, 1), WEIR_SLICE_LIT("user\0a\0"), 0, WEIR_PG_VERSION_3_0,
         WEIR_SLICE_LIT("v\0\0\0\14\0\3\0\0\0\0\0\0")},
        {WEIR_PG_VERSION(3, 2), WEIR_SLICE_LIT("user\0a\0"), 0, WEIR_PG_VERSION_3_2, {0}},
        {WEIR_PG_VERSION(3, 99), WEIR_SLICE_LIT("user\0a\0"), 0, WEIR_PG_VERSION_3_2,
         WEIR_SLICE_LIT("v\0\0\0\14\0\3\0\2\0\0\0\0")},
        {WEIR_PG_VERSION(3, 0),
         WEIR_SLICE_LIT("_pq_.x\0"
                        "1\0user\0a\0_pq_.y\0\0"),
         0, WEIR_PG_VERSION_3_0, WEIR_SLICE_LIT("v\0\0\0\32\0\3\0\0\0\0\0\2_pq_.x\0_pq_.y\0")},
        {WEIR_PG_VERSION(3, 2), WEIR_SLICE_LIT("a\0_pq_.x\0"), 0, WEIR_PG_VERSION_3_2, {0}},
        {WEIR_PG_VERSION(4, 0), WEIR_SLICE_LIT("user\0a\0"), -EPROTO, 0, {0}},
        {WEIR_PG_VERSION(2, 0), WEIR_SLICE_LIT("user\0a\0"), -EPROTO, 0, {0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_buf out;
        weir_buf_init(&out, 1024);
        uint32_t spoken = 0;
        assert_int_equal(weir_pg_negotiate(cases[i].asked, cases[i].params, &out, &spoken),
                         cases[i].result);
        assert_int_equal(spoken, cases[i].spoken);
        assert_true(weir_slice_eq(weir_buf_slice(&out), cases[i].answer));
        weir_buf_fini(&out);
    }
}

static void test_negotiate_read_accepts_only_what_was_offered(void **state)
{
    (void)state;
    uint32_t version;
    weir_slice options;
    weir_slice down = WEIR_SLICE_LIT("\0\3\0\0\0\0\0\1_pq_.x\0");
    assert_int_equal(weir_pg_negotiate_read(down, WEIR_PG_VERSION_3_2, &version, &options), 0);
    assert_int_equal(version, WEIR_PG_VERSION_3_0);
    assert_true(weir_slice_eq(options, WEIR_SLICE_LIT("_pq_.x\0")));
    for (size_t len = 0; len < down.len; len++)
        assert_int_equal(weir_pg_negotiate_read(weir_slice_head(down, len), WEIR_PG_VERSION_3_2,
                                                &version, &options),
                         -EPROTO);
    weir_slice up = WEIR_SLICE_LIT("\0\3\0\2\0\0\0\0"), odd = WEIR_SLICE_LIT("\0\3\0\1\0\0\0\0");
    assert_int_equal(weir_pg_negotiate_read(up, WEIR_PG_VERSION_3_0, &version, &options), -EPROTO);
    assert_int_equal(weir_pg_negotiate_read(odd, WEIR_PG_VERSION_3_2, &version, &options), -EPROTO);
    weir_slice many = WEIR_SLICE_LIT("\0\3\0\0\377\377\377\377");
    assert_int_equal(weir_pg_negotiate_read(many, WEIR_PG_VERSION_3_2, &version, &options),
                     -EPROTO);
}

/* HAZARD 17: messages split at any byte, of zero length, near 1 GiB. */
static void test_frame_lengths_at_their_limits(void **state)
{
    (void)state;
    static const struct {
        weir_slice in;
        size_t body_max;
        int result;
        size_t size;
    } cases[] = {
        {WEIR_SLICE_LIT(""), 10, WEIR_PG_MORE, 0},
        {WEIR_SLICE_LIT("Q\0\0\0"), 10, WEIR_PG_MORE, 0},
        {WEIR_SLICE_LIT("Q\0\0\0\0"), 10, -EPROTO, 0},
        {WEIR_SLICE_LIT("Q\0\0\0\3"), 10, -EPROTO, 0},
        {WEIR_SLICE_LIT("S\0\0\0\4"), 0, 0, 5},
        {WEIR_SLICE_LIT("Q\0\0\0\16"), 10, 0, 15},
        {WEIR_SLICE_LIT("Q\0\0\0\17"), 10, -EMSGSIZE, 0},
        {WEIR_SLICE_LIT("d\100\0\0\3"), SIZE_MAX, 0, 0x40000004},
        {WEIR_SLICE_LIT("d\100\0\0\4"), SIZE_MAX, -EMSGSIZE, 0},
        {WEIR_SLICE_LIT("d\377\377\377\377"), SIZE_MAX, -EMSGSIZE, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t type = 0;
        size_t size = 0;
        assert_int_equal(weir_pg_frame_head(cases[i].in, cases[i].body_max, &type, &size),
                         cases[i].result);
        assert_int_equal(size, cases[i].size);
    }
    weir_pg_frame f;
    weir_slice sync = WEIR_SLICE_LIT("S\0\0\0\4Q");
    assert_int_equal(weir_pg_frame_next(sync, 10, &f), 0);
    assert_int_equal(f.body.len, 0);
    assert_int_equal(f.whole.len, 5);
}

static void test_reader_stays_failed(void **state)
{
    (void)state;
    weir_pg_reader r = weir_pg_reader_make(WEIR_SLICE_LIT("\1\2\3x"));
    assert_int_equal(weir_pg_read_u16(&r), 0x0102);
    assert_int_equal(weir_pg_read_u32(&r), 0);
    assert_false(r.ok);
    assert_int_equal(weir_pg_read_u8(&r), 0);
    assert_null(weir_pg_read_cstr(&r).data);
    assert_int_equal(weir_pg_reader_end(&r), -EPROTO);
    r = weir_pg_reader_make(WEIR_SLICE_LIT("ab\0"));
    assert_true(weir_slice_eq_cstr(weir_pg_read_cstr(&r), "ab"));
    assert_int_equal(weir_pg_reader_end(&r), 0);
    assert_null(weir_pg_read_cstr(&r).data);
    assert_false(r.ok);
}

static void test_message_types_are_told_apart(void **state)
{
    (void)state;
    unsigned frontend = 0, backend = 0;
    for (unsigned type = 0; type < 256; type++) {
        frontend += weir_pg_is_frontend_type((uint8_t)type);
        backend += weir_pg_is_backend_type((uint8_t)type);
    }
    assert_int_equal(frontend, 14);
    assert_int_equal(backend, 24);
    assert_false(weir_pg_is_frontend_type(0));
    assert_true(weir_pg_is_frontend_type('F')); /* HAZARD 17 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_startup_reads_each_kind_of_packet),
        cmocka_unit_test(test_cancel_takes_keys_of_4_to_256_bytes),
        cmocka_unit_test(test_startup_refuses_what_breaks_the_protocol),
        cmocka_unit_test(test_startup_asks_for_more_at_every_byte),
        cmocka_unit_test(test_startup_packets_are_bounded),
        cmocka_unit_test(test_negotiation_answers_versions_and_options),
        cmocka_unit_test(test_negotiate_read_accepts_only_what_was_offered),
        cmocka_unit_test(test_frame_lengths_at_their_limits),
        cmocka_unit_test(test_reader_stays_failed),
        cmocka_unit_test(test_message_types_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
