/* RESP: values whole and in pieces, commands, slots and redirections. */
#include "failalloc.h"
#include "proto/resp/resp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const weir_resp_limits limits = {.text_max = 100, .values_max = 20};

typedef struct example {
    const char *bytes;
    weir_resp_type type;
    const char *text;
    int64_t integer;
    uint64_t values;
} example;

static const example examples[] = {
    {"+OK\r\n", WEIR_RESP_TEXT, "OK", 0, 0},
    {"-ERR no\r\n", WEIR_RESP_ERROR, "ERR no", 0, 0},
    {":-42\r\n", WEIR_RESP_INTEGER, "", -42, 0},
    {":-9223372036854775808\r\n", WEIR_RESP_INTEGER, "", INT64_MIN, 0},
    {":9223372036854775807\r\n", WEIR_RESP_INTEGER, "", INT64_MAX, 0},
    {"$3\r\na\r\n\r\n", WEIR_RESP_TEXT, "a\r\n", 0, 0},
    {"$0\r\n\r\n", WEIR_RESP_TEXT, "", 0, 0},
    {"$-1\r\n", WEIR_RESP_NULL, "", 0, 0},
    {"*-1\r\n", WEIR_RESP_NULL, "", 0, 0},
    {"_\r\n", WEIR_RESP_NULL, "", 0, 0},
    {"#t\r\n", WEIR_RESP_INTEGER, "", 1, 0},
    {"#f\r\n", WEIR_RESP_INTEGER, "", 0, 0},
    {",1.5\r\n", WEIR_RESP_NUMBER, "1.5", 0, 0},
    {"(123456789012345678901234567890\r\n", WEIR_RESP_NUMBER, "123456789012345678901234567890", 0,
     0},
    {"!5\r\nERR x\r\n", WEIR_RESP_ERROR, "ERR x", 0, 0},
    {"=7\r\ntxt:abc\r\n", WEIR_RESP_TEXT, "abc", 0, 0},
    {"*2\r\n$1\r\na\r\n:1\r\n", WEIR_RESP_LIST, "", 0, 2},
    {"*0\r\n", WEIR_RESP_LIST, "", 0, 0},
    {"~1\r\n*1\r\n_\r\n", WEIR_RESP_LIST, "", 0, 1},
    {"%1\r\n+k\r\n*2\r\n:1\r\n:2\r\n", WEIR_RESP_MAP, "", 0, 2},
    {">2\r\n+message\r\n+x\r\n", WEIR_RESP_PUSH, "", 0, 2},
    {"|1\r\n+ttl\r\n:1\r\n+value\r\n", WEIR_RESP_ATTRIBUTE, "", 0, 2},
};

static void test_resp_values_are_read_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        const example *e = &examples[i];
        weir_slice in = weir_slice_cstr(e->bytes), rest = in;
        weir_resp_token t;
        size_t size;
        assert_int_equal(weir_resp_size(in, &limits, &size), 0);
        assert_int_equal(size, in.len);
        assert_int_equal(weir_resp_read(&rest, &t), 0);
        assert_int_equal(t.type, e->type);
        assert_true(weir_slice_eq_cstr(t.text, e->text));
        assert_int_equal(t.integer, e->integer);
        assert_int_equal(t.values, e->values);
        rest = in;
        assert_int_equal(weir_resp_skip(&rest), 0);
        assert_int_equal(rest.len, 0);
    }
}

static void test_resp_every_cut_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        size_t len = strlen(examples[i].bytes), size;
        for (size_t cut = 0; cut < len; cut++) {
            char *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact, examples[i].bytes, cut);
            assert_int_equal(weir_resp_size(weir_slice_make(exact, cut), &limits, &size),
                             WEIR_RESP_MORE);
            free(exact);
        }
    }
}

static void test_resp_what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"hello\r\n",
                                        "\r\n",
                                        "+OK\n",
                                        ":\r\n",
                                        ":1x\r\n",
                                        ":-\r\n",
                                        "$-2\r\n",
                                        "$x\r\n",
                                        "$1\r\nab\r\n",
                                        "*-2\r\n",
                                        "#x\r\n",
                                        "_x\r\n",
                                        "=3\r\nabc\r\n",
                                        ":9223372036854775808\r\n",
                                        ":99999999999999999999\r\n",
                                        "*9223372036854775807\r\n",
                                        "%-1\r\n",
                                        "$?\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        size_t size;
        assert_int_equal(weir_resp_size(weir_slice_cstr(wrong[i]), &limits, &size), -EPROTO);
    }
}

static void test_resp_limits_are_kept_before_the_bytes_come(void **state)
{
    (void)state;
    static const char *const large[] = {"$101\r\n", "*21\r\n", "%11\r\n", "*2\r\n*19\r\n"};
    size_t size;
    for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++)
        assert_int_equal(weir_resp_size(weir_slice_cstr(large[i]), &limits, &size), -EMSGSIZE);
    /* One in the other without end: no stack, and a limit. */
    char deep[200];
    for (size_t i = 0; i < sizeof(deep); i += 4)
        memcpy(deep + i, "*1\r\n", 4);
    assert_int_equal(weir_resp_size(weir_slice_make(deep, sizeof(deep)), &limits, &size),
                     -EMSGSIZE);
}

static void test_resp_commands_carry_any_bytes(void **state)
{
    (void)state;
    weir_buf out;
    weir_buf_init(&out, 100);
    assert_int_equal(weir_resp_command(&out, 2), 0);
    assert_int_equal(weir_resp_word(&out, WEIR_SLICE_LIT("GET")), 0);
    assert_int_equal(weir_resp_word(&out, WEIR_SLICE_LIT("a\0\r\n")), 0);
    assert_true(weir_slice_eq(weir_buf_slice(&out),
                              WEIR_SLICE_LIT("*2\r\n$3\r\nGET\r\n$4\r\na\0\r\n\r\n")));
    size_t before = out.len;
    char big[200] = {0};
    assert_int_equal(weir_resp_word(&out, weir_slice_make(big, sizeof(big))), -EMSGSIZE);
    assert_int_equal(out.len, before);
    weir_buf_fini(&out);
}

/* The cluster specification's own examples, and CRC16's test value. */
static void test_resp_slots_are_the_cluster_s(void **state)
{
    (void)state;
    assert_int_equal(weir_resp_slot(WEIR_SLICE_LIT("123456789")), 0x31C3 % 16384);
    uint16_t user = weir_resp_slot(WEIR_SLICE_LIT("user1000"));
    assert_int_equal(weir_resp_slot(WEIR_SLICE_LIT("{user1000}.following")), user);
    assert_int_equal(weir_resp_slot(WEIR_SLICE_LIT("a{user1000}{b}")), user);
    assert_int_not_equal(weir_resp_slot(WEIR_SLICE_LIT("{user1000")), user);
    assert_int_equal(weir_resp_slot(WEIR_SLICE_LIT("foo")), 12182);
    assert_int_equal(weir_resp_slot(WEIR_SLICE_LIT("foo{}")),
                     weir_resp_slot(WEIR_SLICE_LIT("foo{}")));
    assert_int_equal(weir_resp_slot((weir_slice){0}), 0);
}

static void test_resp_redirections_are_read(void **state)
{
    (void)state;
    weir_resp_redirection r;
    assert_true(weir_resp_redirected(WEIR_SLICE_LIT("MOVED 3999 127.0.0.1:6381"), &r));
    assert_false(r.ask);
    assert_int_equal(r.slot, 3999);
    assert_true(weir_slice_eq_cstr(r.address, "127.0.0.1:6381"));
    assert_true(weir_resp_redirected(WEIR_SLICE_LIT("ASK 0 :7000"), &r));
    assert_true(r.ask);
    static const char *const others[] = {"MOVED",     "MOVED x y:1", "MOVED 16384 a:1",
                                         "MOVED 1 a", "ASK -1 a:1",  "ERR MOVED 1 a:1",
                                         "MOVED 1 "};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(weir_resp_redirected(weir_slice_cstr(others[i]), &r));
}

static void write_command(void *user)
{
    (void)user;
    weir_buf out;
    weir_buf_init(&out, 1000);
    int r = weir_resp_command(&out, 1);
    if (r == 0)
        r = weir_resp_word(&out, WEIR_SLICE_LIT("PING"));
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_buf_fini(&out);
}

static void test_resp_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(10, write_command, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resp_values_are_read_whole),
        cmocka_unit_test(test_resp_every_cut_asks_for_more),
        cmocka_unit_test(test_resp_what_is_none_is_refused),
        cmocka_unit_test(test_resp_limits_are_kept_before_the_bytes_come),
        cmocka_unit_test(test_resp_commands_carry_any_bytes),
        cmocka_unit_test(test_resp_slots_are_the_cluster_s),
        cmocka_unit_test(test_resp_redirections_are_read),
        cmocka_unit_test(test_resp_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
