/* What a process says to its successor: read as it was written, and refused when it is anything
 * else. */
#include "failalloc.h"
#include "gateway/handover_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const weir_record_statement statements[] = {
    {.name = {(const uint8_t *)"", 0}, .text = {(const uint8_t *)"SELECT 1", 8}},
    {.name = {(const uint8_t *)"one", 3},
     .oids = {(const uint8_t *)"\0\0\0\x14\0\0\0\x19", 8},
     .settings = {(const uint8_t *)"search_path\0a, b\0", 17},
     .text = {(const uint8_t *)"SELECT $1, $2", 13}},
    {.name = {(const uint8_t *)"sql", 3},
     .text = {(const uint8_t *)"PREPARE sql AS SELECT 2", 23},
     .by_sql = true},
};

#define STATEMENTS (sizeof(statements) / sizeof(statements[0]))

static const uint8_t keys[WEIR_RECORD_KEYS] = "client and server";

static weir_record sample(void)
{
    weir_record r = {.id = 0x1234501,
                     .protocol = 0x30002,
                     .has_params = true,
                     .user = WEIR_SLICE_LIT("ann"),
                     .database = WEIR_SLICE_LIT("shop"),
                     .startup = WEIR_SLICE_LIT("application_name\0x\0datestyle\0ISO\0"),
                     .params = WEIR_SLICE_LIT("datestyle\0\0"),
                     .login = {.password = WEIR_SLICE_LIT("secret"), .keys = {keys, sizeof(keys)}}};
    for (size_t i = 0; i < sizeof(r.secret); i++)
        r.secret[i] = (uint8_t)(i * 7);
    return r;
}

static int write_sample(weir_buf *out)
{
    weir_record record = sample();
    size_t mark = 0;
    int r = weir_record_write(out, &record);
    if (r == 0)
        r = weir_record_write_setting(out, WEIR_SLICE_LIT("work_mem"), WEIR_SLICE_LIT("1MB"));
    if (r == 0)
        r = weir_record_write_setting(out, WEIR_SLICE_LIT("a.b"), WEIR_SLICE_LIT(""));
    for (size_t i = 0; r == 0 && i < STATEMENTS; i++)
        r = weir_record_write_statement(out, &statements[i]);
    if (r == 0)
        r = weir_record_write_listen(out, WEIR_SLICE_LIT("news"));
    if (r == 0)
        r = weir_record_open_unread(out, &mark);
    if (r < 0)
        return r;
    r = weir_buf_append(out, WEIR_SLICE_LIT("Q\0\0"));
    weir_record_close_unread(out, mark);
    return r;
}

static void assert_same(weir_slice a, weir_slice b)
{
    assert_true(weir_slice_eq(a, b));
}

static void test_a_record_is_read_as_it_was_written(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(write_sample(&buf), 0);
    weir_record got, want = sample();
    assert_int_equal(weir_record_read(weir_buf_slice(&buf), &got), 0);
    assert_int_equal(got.id, want.id);
    assert_int_equal(got.protocol, want.protocol);
    assert_memory_equal(got.secret, want.secret, sizeof(got.secret));
    assert_false(got.console);
    assert_true(got.has_params);
    assert_same(got.user, want.user);
    assert_same(got.database, want.database);
    assert_same(got.startup, want.startup);
    assert_same(got.params, want.params);
    assert_same(got.login.password, want.login.password);
    assert_same(got.login.keys, want.login.keys);
    assert_same(got.unread, WEIR_SLICE_LIT("Q\0\0"));

    size_t pos = 0;
    weir_slice name, value;
    assert_true(weir_record_next_setting(got.settings, &pos, &name, &value));
    assert_same(name, WEIR_SLICE_LIT("work_mem"));
    assert_same(value, WEIR_SLICE_LIT("1MB"));
    assert_true(weir_record_next_setting(got.settings, &pos, &name, &value));
    assert_same(name, WEIR_SLICE_LIT("a.b"));
    assert_int_equal(value.len, 0);
    assert_false(weir_record_next_setting(got.settings, &pos, &name, &value));

    weir_record_statement s;
    pos = 0;
    for (size_t i = 0; i < STATEMENTS; i++) {
        assert_true(weir_record_next_statement(got.statements, &pos, &s));
        assert_same(s.name, statements[i].name);
        assert_same(s.oids, statements[i].oids);
        assert_same(s.settings, statements[i].settings);
        assert_same(s.text, statements[i].text);
        assert_int_equal(s.by_sql, statements[i].by_sql);
    }
    assert_false(weir_record_next_statement(got.statements, &pos, &s));

    pos = 0;
    assert_true(weir_record_next_listen(got.listens, &pos, &name));
    assert_same(name, WEIR_SLICE_LIT("news"));
    assert_false(weir_record_next_listen(got.listens, &pos, &name));
    weir_buf_fini(&buf);
}

static void test_a_record_with_nothing_in_it_is_one(void **state)
{
    (void)state;
    weir_buf buf;
    weir_record got, want = {.id = 1,
                             .console = true,
                             .user = WEIR_SLICE_LIT("u"),
                             .database = WEIR_SLICE_LIT("weir")};
    size_t mark = 0;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(weir_record_write(&buf, &want), 0);
    size_t len = buf.len;
    assert_int_equal(weir_record_open_unread(&buf, &mark), 0);
    weir_record_close_unread(&buf, mark);
    assert_int_equal(buf.len, len);
    assert_int_equal(weir_record_read(weir_buf_slice(&buf), &got), 0);
    assert_true(got.console);
    assert_int_equal(got.startup.len + got.params.len + got.unread.len + got.statements.len, 0);
    weir_buf_fini(&buf);
}

/* Cut at the end of a field that need not be there, it is a whole record of another client: what is
 * cut is told by the frame's length. */
static bool is_field_end(weir_slice whole, size_t len)
{
    size_t pos = 0;
    while (pos < len)
        pos += 5 + ((size_t)whole.data[pos + 1] << 24 | (size_t)whole.data[pos + 2] << 16 |
                    (size_t)whole.data[pos + 3] << 8 | whole.data[pos + 4]);
    return pos == len;
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    weir_buf buf;
    weir_record got;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(write_sample(&buf), 0);
    weir_slice whole = weir_buf_slice(&buf);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* the address sanitizer sees a byte too far */
        memcpy(exact, whole.data, len);
        int r = weir_record_read(weir_slice_make(exact, len), &got);
        assert_true(r == -EPROTO || is_field_end(whole, len));
        free(exact);
    }
    weir_buf_fini(&buf);
}

static void use(const weir_record *r)
{
    size_t pos = 0;
    weir_slice a, b;
    weir_record_statement s;
    assert_true(r->id != 0 && r->user.len > 0 && r->database.len > 0);
    while (weir_record_next_setting(r->settings, &pos, &a, &b))
        assert_true(a.len > 0);
    assert_int_equal(pos, r->settings.len);
    for (pos = 0; weir_record_next_statement(r->statements, &pos, &s);)
        assert_true(s.oids.len % 4 == 0);
    assert_int_equal(pos, r->statements.len);
    for (pos = 0; weir_record_next_listen(r->listens, &pos, &a);)
        assert_true(a.len > 0);
    assert_int_equal(pos, r->listens.len);
}

/* A flipped bit is refused, or changes a value: never what may be relied on. */
static void test_every_flipped_bit_is_refused_or_harmless(void **state)
{
    (void)state;
    weir_buf buf;
    weir_record got;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(write_sample(&buf), 0);
    unsigned refused = 0;
    for (size_t bit = 0; bit < buf.len * 8; bit++) {
        buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (weir_record_read(weir_buf_slice(&buf), &got) == 0)
            use(&got);
        else
            refused++;
        buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > 500); /* all of heads, lengths, flags */
    weir_buf_fini(&buf);
}

static void test_unknown_and_misplaced_fields_are_refused(void **state)
{
    (void)state;
    weir_record record = sample(), got;
    weir_buf buf;
    record.login = (weir_record_login){0};
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(weir_record_write(&buf, &record), 0);
    size_t len = buf.len;
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } tails[] = {
        {"\x7f\0\0\0\0", 5, false},       /* no such field */
        {"\x0b\0\0\0\1x", 6, true},       /* unread bytes */
        {"\x0b\0\0\0\0", 5, false},       /* ... none: left out */
        {"\x02\0\0\0\3ann", 8, false},    /* a second user */
        {"\x08\0\0\0\4a\0b\0", 9, true},  /* a setting */
        {"\x05\0\0\0\4a\0b\0", 9, false}, /* second parameters */
        {"\x09\0\0\0\2\0\0", 7, false},   /* half a statement */
        {"\x07\0\0\0\1x", 6, false},      /* keys of another length */
        {"\x0a\0\0\0\1\0", 6, false},     /* a channel with a zero byte */
    };
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        buf.len = len;
        assert_int_equal(weir_buf_append(&buf, weir_slice_make(tails[i].bytes, tails[i].len)), 0);
        assert_int_equal(weir_record_read(weir_buf_slice(&buf), &got), tails[i].good ? 0 : -EPROTO);
    }
    weir_buf_fini(&buf);
}

static void test_frames_come_at_any_split(void **state)
{
    (void)state;
    weir_buf buf;
    weir_handover_frame f;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(weir_handover_write_verdict(&buf, true, 77), 0);
    size_t first = buf.len;
    assert_int_equal(weir_handover_write(&buf, WEIR_HANDOVER_READY, (weir_slice){0}), 0);
    for (size_t len = 0; len <= buf.len; len++) {
        int r = weir_handover_frame_read(weir_slice_make(buf.data, len), &f);
        assert_int_equal(r, len < first ? 1 : 0);
    }
    uint32_t id = 0;
    assert_int_equal(f.type, WEIR_HANDOVER_TAKEN);
    assert_int_equal(weir_handover_verdict_read(f.body, &id), 0);
    assert_int_equal(id, 77);
    weir_slice rest = weir_slice_skip(weir_buf_slice(&buf), f.size);
    assert_int_equal(weir_handover_frame_read(rest, &f), 0);
    assert_int_equal(f.type, WEIR_HANDOVER_READY);
    assert_int_equal(f.body.len, 0);
    buf.data[0] = 0;
    assert_int_equal(weir_handover_frame_read(weir_buf_slice(&buf), &f), -EPROTO);
    buf.data[0] = WEIR_HANDOVER_BYE + 1;
    assert_int_equal(weir_handover_frame_read(weir_buf_slice(&buf), &f), -EPROTO);
    buf.data[0] = WEIR_HANDOVER_CLIENT;
    buf.data[1] = 0x7f; /* a length that nobody means */
    assert_int_equal(weir_handover_frame_read(weir_buf_slice(&buf), &f), -EPROTO);
    weir_buf_fini(&buf);
}

static weir_slice body_of(const weir_buf *buf)
{
    weir_handover_frame f;
    assert_int_equal(weir_handover_frame_read(weir_buf_slice(buf), &f), 0);
    assert_int_equal(f.size, buf->len);
    return f.body;
}

static void test_versions_are_agreed_on_or_refused(void **state)
{
    (void)state;
    weir_buf buf;
    uint32_t version = 0;
    weir_handover_offer offer = {0};
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(weir_handover_write_hello(&buf), 0);
    assert_int_equal(weir_handover_hello_read(body_of(&buf), &version), 0);
    assert_int_equal(version, WEIR_HANDOVER_VERSION);
    buf.data[5 + 15] = 200; /* a newer one, that still reads ours */
    assert_int_equal(weir_handover_hello_read(body_of(&buf), &version), 0);
    assert_int_equal(version, WEIR_HANDOVER_VERSION);
    buf.data[5 + 11] = 199; /* ... that does not */
    assert_int_equal(weir_handover_hello_read(body_of(&buf), &version), -ENOTSUP);
    buf.data[5] ^= 1;
    assert_int_equal(weir_handover_hello_read(body_of(&buf), &version), -EPROTO);
    weir_buf_clear(&buf);
    assert_int_equal(
        weir_handover_write_offer(
            &buf, &(weir_handover_offer){.version = WEIR_HANDOVER_VERSION, .next_id = 99}),
        0);
    assert_int_equal(weir_handover_offer_read(body_of(&buf), &offer), 0);
    assert_int_equal(offer.next_id, 99);
    buf.data[5 + 11] = WEIR_HANDOVER_VERSION + 1;
    assert_int_equal(weir_handover_offer_read(body_of(&buf), &offer), -ENOTSUP);
    weir_buf_fini(&buf);
}

static void test_listeners_and_cancels_are_read_as_written(void **state)
{
    (void)state;
    weir_buf buf;
    weir_handover_kind kind;
    weir_slice address, key;
    uint32_t id = 0;
    weir_buf_init(&buf, 1 << 16);
    assert_int_equal(weir_handover_write_listener(&buf, WEIR_HANDOVER_ADMIN, "a:1"), 0);
    assert_int_equal(weir_handover_listener_read(body_of(&buf), &kind, &address), 0);
    assert_int_equal(kind, WEIR_HANDOVER_ADMIN);
    assert_same(address, WEIR_SLICE_LIT("a:1"));
    buf.data[5] = WEIR_HANDOVER_KINDS;
    assert_int_equal(weir_handover_listener_read(body_of(&buf), &kind, &address), -EPROTO);
    weir_buf_clear(&buf);
    assert_int_equal(weir_handover_write_cancel(&buf, 5, WEIR_SLICE_LIT("keys")), 0);
    assert_int_equal(weir_handover_cancel_read(body_of(&buf), &id, &key), 0);
    assert_int_equal(id, 5);
    assert_same(key, WEIR_SLICE_LIT("keys"));
    assert_int_equal(weir_handover_cancel_read(weir_slice_head(body_of(&buf), 7), &id, &key),
                     -EPROTO);
    weir_buf_fini(&buf);
}

static void write_all(void *user)
{
    (void)user;
    weir_buf buf;
    weir_record got;
    weir_buf_init(&buf, 1 << 16);
    size_t before;
    do {
        before = buf.len;
        int r = write_sample(&buf);
        if (r < 0)
            assert_true(r == -ENOMEM && weir_failalloc_failed());
        else
            assert_int_equal(weir_record_read(weir_slice_skip(weir_buf_slice(&buf), before), &got),
                             0);
    } while (buf.len > before && buf.len < 4096);
    weir_buf_fini(&buf);
}

static void test_memory_may_run_out_anywhere(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, write_all, NULL) > 1);
}

static void test_what_is_too_long_is_not_written(void **state)
{
    (void)state;
    weir_buf buf;
    weir_buf_init(&buf, 256);
    assert_int_equal(write_sample(&buf), -EMSGSIZE);
    size_t len = buf.len;
    weir_slice huge = {(const uint8_t *)"", WEIR_HANDOVER_BODY_MAX + 1};
    assert_int_equal(weir_record_write_listen(&buf, huge), -EMSGSIZE);
    assert_int_equal(buf.len, len);
    weir_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_is_read_as_it_was_written),
        cmocka_unit_test(test_a_record_with_nothing_in_it_is_one),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_every_flipped_bit_is_refused_or_harmless),
        cmocka_unit_test(test_unknown_and_misplaced_fields_are_refused),
        cmocka_unit_test(test_frames_come_at_any_split),
        cmocka_unit_test(test_versions_are_agreed_on_or_refused),
        cmocka_unit_test(test_listeners_and_cancels_are_read_as_written),
        cmocka_unit_test(test_memory_may_run_out_anywhere),
        cmocka_unit_test(test_what_is_too_long_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
