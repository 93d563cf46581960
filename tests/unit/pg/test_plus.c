/* SCRAM-SHA-256-PLUS: what the flag of channel binding may say, what must be bound, and that keys
 * which a client proved to have log in elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/crypt.h"
#include "proto/pg/pg.h"
#include "proto/pg/scram.h"

static const uint8_t random_bytes[32] = "0123456789abcdefghijklmnopqrstu";
static const uint8_t mock_key[32] = {9};
static const uint8_t salt[16] = {1, 2, 3};
static const uint8_t certificate[32] = "the digest of our certificate..";

#define BARE "n=,r=abcdefgh"

static void begin(weir_pg_auth_server *s, bool offered, weir_buf *out)
{
    weir_pg_scram_secret secret;
    assert_int_equal(weir_pg_scram_secret_make(WEIR_SLICE_LIT("pencil"), salt, 16, &secret), 0);
    memset(s, 0, sizeof(*s));
    if (offered) {
        memcpy(s->binding, certificate, sizeof(certificate));
        s->binding_len = sizeof(certificate);
    }
    assert_int_equal(weir_pg_auth_server_begin(s, WEIR_PG_AUTH_SCRAM, WEIR_SLICE_LIT("ann"), NULL,
                                               &secret, random_bytes, mock_key, out),
                     0);
}

static int feed_first(weir_pg_auth_server *s, const char *mechanism, const char *header,
                      weir_buf *out)
{
    char message[128];
    weir_buf body;
    weir_buf_init(&body, 1024);
    snprintf(message, sizeof(message), "%s" BARE, header);
    assert_int_equal(weir_buf_append_cstr(&body, mechanism), 0);
    assert_int_equal(weir_buf_append_u32(&body, (uint32_t)strlen(message)), 0);
    assert_int_equal(weir_buf_append(&body, weir_slice_cstr(message)), 0);
    int r = weir_pg_auth_server_feed(s, weir_buf_slice(&body), out);
    weir_buf_fini(&body);
    return r;
}

/* The final message of a client that binds `header` and `digest`, with a right proof. */
static int feed_final(weir_pg_auth_server *s, const char *header, weir_slice digest, weir_buf *out)
{
    uint8_t bound[128], proof[WEIR_PG_SCRAM_KEY];
    char encoded[200], message[WEIR_PG_SCRAM_MESSAGE_MAX];
    weir_pg_scram_keys keys;
    size_t len = strlen(header);
    memcpy(bound, header, len);
    if (digest.len)
        memcpy(bound + len, digest.data, digest.len);
    weir_pg_base64_encode(weir_slice_make(bound, len + digest.len), encoded);
    const char *nonce = s->server_first + 2;
    int n =
        snprintf(message, sizeof(message), "c=%s,r=%.*s", encoded, (int)strcspn(nonce, ","), nonce);
    assert_int_equal(
        weir_pg_scram_derive(WEIR_SLICE_LIT("pencil"), weir_slice_make(salt, 16), 16, &keys), 0);
    assert_int_equal(weir_pg_scram_sign(keys.stored, BARE, weir_slice_cstr(s->server_first),
                                        weir_slice_make(message, (size_t)n), proof),
                     0);
    for (size_t i = 0; i < sizeof(proof); i++)
        proof[i] ^= keys.client[i];
    memcpy(message + n, ",p=", 3);
    weir_pg_base64_encode(weir_slice_make(proof, sizeof(proof)), message + n + 3);
    return weir_pg_auth_server_feed(s, weir_slice_cstr(message), out);
}

static void test_every_flag_with_every_offer(void **state)
{
    (void)state;
    static const char plus[] = "SCRAM-SHA-256-PLUS", plain[] = "SCRAM-SHA-256";
    static const char bound[] = "p=tls-server-end-point,,";
    const struct {
        bool offered;
        const char *mechanism, *header;
        int result;
    } cases[] = {
        {true, plus, bound, 0},
        {true, plain, "n,,", 0},
        {true, plain, "y,,", -EPROTO}, /* somebody took our offer out */
        {true, plain, bound, -EPROTO},
        {true, plus, "n,,", -EPROTO},
        {true, plus, "y,,", -EPROTO},
        {true, plus, "p=tls-unique,,", -EPROTO},
        {true, plus, "p=tls-exporter,,", -EPROTO},
        {true, plus, "p=tls-server-end-point,a=x,", -EPROTO},
        {false, plain, "n,,", 0},
        {false, plain, "y,,", 0}, /* HAZARD 12 */
        {false, plain, bound, -EPROTO},
        {false, plus, bound, -EPROTO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_pg_auth_server s;
        weir_buf out;
        weir_buf_init(&out, 4096);
        begin(&s, cases[i].offered, &out);
        assert_int_equal(feed_first(&s, cases[i].mechanism, cases[i].header, &out),
                         cases[i].result);
        if (cases[i].result == 0) {
            weir_slice digest = {0};
            if (cases[i].header[0] == 'p')
                digest = weir_slice_make(certificate, sizeof(certificate));
            assert_int_equal(feed_final(&s, cases[i].header, digest, &out), 0);
            assert_int_equal(s.state, WEIR_PG_AUTH_DONE);
        }
        weir_pg_auth_server_fini(&s);
        weir_buf_fini(&out);
    }
}

static void test_the_offer_comes_first(void **state)
{
    (void)state;
    weir_pg_auth_server s;
    weir_pg_frame f;
    weir_buf out;
    weir_buf_init(&out, 4096);
    begin(&s, true, &out);
    assert_int_equal(weir_pg_frame_next(weir_buf_slice(&out), 4096, &f), 0);
    weir_slice expected = WEIR_SLICE_LIT("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    assert_true(weir_slice_eq(f.body, expected));
    weir_buf_fini(&out);
}

/* A man in the middle has another certificate. */
static void test_another_certificate_is_refused(void **state)
{
    (void)state;
    static const char bound[] = "p=tls-server-end-point,,";
    uint8_t other[sizeof(certificate)];
    for (size_t i = 0; i <= sizeof(certificate); i++) {
        weir_pg_auth_server s;
        weir_buf out;
        weir_buf_init(&out, 4096);
        begin(&s, true, &out);
        assert_int_equal(feed_first(&s, "SCRAM-SHA-256-PLUS", bound, &out), 0);
        memcpy(other, certificate, sizeof(other));
        if (i < sizeof(other))
            other[i] ^= 1;
        size_t len = i < sizeof(other) ? sizeof(other) : sizeof(other) - 1;
        assert_int_equal(feed_final(&s, bound, weir_slice_make(other, len), &out), -EPROTO);
        assert_int_not_equal(s.state, WEIR_PG_AUTH_DONE);
        weir_buf_fini(&out);
    }
}

/* ---- keys, passed on ---- */

static int relay(weir_buf *from, weir_buf *to, weir_pg_auth_server *server,
                 weir_pg_auth_client *client)
{
    weir_pg_frame f;
    weir_error err;
    int r = weir_pg_frame_next(weir_buf_slice(from), 4096, &f);
    if (r == 0)
        r = server ? weir_pg_auth_server_feed(server, f.body, to)
                   : weir_pg_auth_client_feed(client, f.body, to, &err);
    weir_buf_clear(from);
    return r;
}

static void test_proved_keys_log_in_at_another_server(void **state)
{
    (void)state;
    weir_pg_auth_server first, second;
    weir_pg_auth_client us = {.user = WEIR_SLICE_LIT("ann"), .has_proof = true};
    weir_buf to_us, to_server, out;
    weir_buf_init(&to_us, 4096);
    weir_buf_init(&to_server, 4096);
    weir_buf_init(&out, 4096);
    begin(&first, false, &out);
    assert_int_equal(feed_first(&first, "SCRAM-SHA-256", "n,,", &out), 0);
    assert_int_equal(feed_final(&first, "n,,", (weir_slice){0}, &out), 0);
    assert_true(first.proved);
    us.proof = first.proof;
    memcpy(us.random, random_bytes, sizeof(us.random));
    begin(&second, false, &to_us);
    assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
    assert_int_equal(relay(&to_server, &to_us, &second, NULL), 0);
    assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
    assert_int_equal(relay(&to_server, &to_us, &second, NULL), 0);
    assert_int_equal(second.state, WEIR_PG_AUTH_DONE);
    assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
    assert_true(us.server_verified);
    weir_buf_fini(&to_us);
    weir_buf_fini(&to_server);
    weir_buf_fini(&out);
}

static void test_a_wrong_proof_leaves_no_keys(void **state)
{
    (void)state;
    weir_pg_auth_server s;
    weir_buf out;
    weir_buf_init(&out, 4096);
    begin(&s, false, &out);
    s.secret.stored_key[0] ^= 1;
    assert_int_equal(feed_first(&s, "SCRAM-SHA-256", "n,,", &out), 0);
    assert_int_equal(feed_final(&s, "n,,", (weir_slice){0}, &out), 0);
    assert_int_equal(s.state, WEIR_PG_AUTH_FAILED);
    assert_false(s.proved);
    for (size_t i = 0; i < sizeof(s.proof); i++)
        assert_int_equal(((const uint8_t *)&s.proof)[i], 0);
    weir_buf_fini(&out);
}

static int ask_us(const char *password, bool has_proof, uint32_t code)
{
    weir_pg_auth_client us = {.user = WEIR_SLICE_LIT("ann"),
                              .password = weir_slice_cstr(password),
                              .has_proof = has_proof};
    weir_buf out, body;
    weir_error err;
    weir_buf_init(&out, 4096);
    weir_buf_init(&body, 64);
    assert_int_equal(weir_buf_append_u32(&body, code), 0);
    if (code == 5)
        assert_int_equal(weir_buf_append(&body, WEIR_SLICE_LIT("salt")), 0);
    if (code == 10)
        assert_int_equal(weir_buf_append(&body, WEIR_SLICE_LIT("SCRAM-SHA-256\0\0")), 0);
    int r = weir_pg_auth_client_feed(&us, weir_buf_slice(&body), &out, &err);
    weir_buf_fini(&out);
    weir_buf_fini(&body);
    return r;
}

static void test_what_is_known_decides_what_can_be_answered(void **state)
{
    (void)state;
    enum { CLEAR = 3, MD5 = 5, SASL = 10 };
    static const char hashed[] = "md5aacd51c59e2bd2c4a2a6f0d2e8b4d3f0";
    assert_int_equal(ask_us("secret", false, CLEAR), 0);
    assert_int_equal(ask_us("secret", false, MD5), 0);
    assert_int_equal(ask_us("secret", false, SASL), 0);
    assert_int_equal(ask_us(hashed, false, MD5), 0);
    assert_int_equal(ask_us(hashed, false, CLEAR), -EACCES);
    assert_int_equal(ask_us(hashed, false, SASL), -EACCES);
    assert_int_equal(ask_us("", true, SASL), 0);
    assert_int_equal(ask_us("", true, MD5), -EACCES);
    assert_int_equal(ask_us("", true, CLEAR), -EACCES);
    assert_int_equal(ask_us("", false, SASL), -EACCES);
}

/* ---- our own logins, bound to the server's certificate ---- */

static weir_pg_auth_client bindable(bool tls, bool must)
{
    weir_pg_auth_client us = {
        .user = WEIR_SLICE_LIT("ann"), .password = WEIR_SLICE_LIT("pencil"), .must_bind = must};
    memcpy(us.random, random_bytes, sizeof(us.random));
    if (tls) {
        memcpy(us.binding, certificate, sizeof(certificate));
        us.binding_len = sizeof(certificate);
    }
    return us;
}

static void test_a_login_is_bound_where_both_can(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool offered = i & 1, tls = i & 2;
        weir_pg_auth_server server;
        weir_pg_auth_client us = bindable(tls, tls && offered);
        weir_buf to_us, to_server;
        weir_buf_init(&to_us, 4096);
        weir_buf_init(&to_server, 4096);
        begin(&server, offered, &to_us);
        for (int step = 0; step < 2; step++) {
            assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
            assert_int_equal(relay(&to_server, &to_us, &server, NULL), 0);
        }
        assert_int_equal(server.state, WEIR_PG_AUTH_DONE);
        assert_int_equal(server.bound, tls && offered);
        assert_int_equal(us.bound, tls && offered);
        assert_int_equal(server.gs2_flag, !tls ? 'n' : offered ? 'p' : 'y');
        weir_buf_fini(&to_us);
        weir_buf_fini(&to_server);
    }
}

/* Between us and the server sits somebody with a certificate of his own. */
static void test_a_login_bound_to_another_certificate_fails(void **state)
{
    (void)state;
    weir_pg_auth_server server;
    weir_pg_auth_client us = bindable(true, false);
    weir_buf to_us, to_server;
    weir_buf_init(&to_us, 4096);
    weir_buf_init(&to_server, 4096);
    us.binding[3] ^= 1;
    begin(&server, true, &to_us);
    assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
    assert_int_equal(relay(&to_server, &to_us, &server, NULL), 0);
    assert_int_equal(relay(&to_us, &to_server, NULL, &us), 0);
    assert_int_equal(relay(&to_server, &to_us, &server, NULL), -EPROTO);
    weir_buf_fini(&to_us);
    weir_buf_fini(&to_server);
}

/* ... or takes the offer out: our flag tells the server. */
static void test_an_offer_taken_out_is_noticed_by_the_server(void **state)
{
    (void)state;
    weir_pg_auth_server server;
    weir_pg_auth_client us = bindable(true, false);
    weir_buf to_server, out;
    weir_error err;
    weir_buf_init(&to_server, 4096);
    weir_buf_init(&out, 4096);
    begin(&server, true, &out);
    assert_int_equal(weir_pg_auth_client_feed(&us, WEIR_SLICE_LIT("\0\0\0\x0aSCRAM-SHA-256\0\0"),
                                              &to_server, &err),
                     0);
    assert_int_equal(relay(&to_server, &out, &server, NULL), -EPROTO);
    weir_buf_fini(&to_server);
    weir_buf_fini(&out);
}

/* Nothing is told to a server that cannot be bound to, least of all the password. */
static void test_what_must_be_bound_is_not_answered_otherwise(void **state)
{
    (void)state;
    static const struct {
        weir_slice asked;
        bool tls;
    } cases[] = {
        {WEIR_SLICE_LIT("\0\0\0\0"), true},
        {WEIR_SLICE_LIT("\0\0\0\3"), true},
        {WEIR_SLICE_LIT("\0\0\0\5salt"), true},
        {WEIR_SLICE_LIT("\0\0\0\x0aSCRAM-SHA-256\0\0"), true},
        {WEIR_SLICE_LIT("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_pg_auth_client us = bindable(cases[i].tls, true);
        weir_buf out;
        weir_error err = {{0}, {0}, {0}, {0}};
        weir_buf_init(&out, 4096);
        assert_true(weir_pg_auth_client_feed(&us, cases[i].asked, &out, &err) < 0);
        assert_non_null(strstr(err.message, "channel_binding=require"));
        assert_int_equal(out.len, 0);
        weir_buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_flag_with_every_offer),
        cmocka_unit_test(test_the_offer_comes_first),
        cmocka_unit_test(test_another_certificate_is_refused),
        cmocka_unit_test(test_proved_keys_log_in_at_another_server),
        cmocka_unit_test(test_a_wrong_proof_leaves_no_keys),
        cmocka_unit_test(test_what_is_known_decides_what_can_be_answered),
        cmocka_unit_test(test_a_login_is_bound_where_both_can),
        cmocka_unit_test(test_a_login_bound_to_another_certificate_fails),
        cmocka_unit_test(test_an_offer_taken_out_is_noticed_by_the_server),
        cmocka_unit_test(test_what_must_be_bound_is_not_answered_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
