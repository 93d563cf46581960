/* Authentication exchanges, the client's side against the server's, and what each must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/pg.h"

static const uint8_t random_bytes[32] = "0123456789abcdefghijklmnopqrstu";
static const uint8_t mock_key[32] = {9, 9, 9};
static const uint8_t salt[16] = {1, 2, 3, 4, 5};

typedef struct pair {
    weir_pg_auth_server server;
    weir_pg_auth_client client;
    weir_buf to_client, to_server;
    int client_result, server_result;
} pair;

static void pair_init(pair *p, weir_slice user, weir_slice password)
{
    memset(p, 0, sizeof(*p));
    p->client.user = user;
    p->client.password = password;
    memcpy(p->client.random, random_bytes, sizeof(p->client.random));
    weir_buf_init(&p->to_client, 4096);
    weir_buf_init(&p->to_server, 4096);
}

static void pair_fini(pair *p)
{
    weir_buf_fini(&p->to_client);
    weir_buf_fini(&p->to_server);
}

/* The first message of a buffer, copied out. */
static bool take(weir_buf *from, uint8_t *body, size_t *len)
{
    weir_pg_frame f;
    if (weir_pg_frame_next(weir_buf_slice(from), 4096, &f) != 0)
        return false;
    *len = f.body.len;
    if (f.body.len)
        memcpy(body, f.body.data, f.body.len);
    weir_buf_consume(from, f.whole.len);
    return true;
}

/* Lets them talk until neither has anything to say. */
static void talk(pair *p)
{
    uint8_t body[4096];
    size_t len;
    bool moved = true;
    while (moved && p->client_result == 0 && p->server_result == 0) {
        moved = false;
        weir_error err = {0};
        if (take(&p->to_client, body, &len)) {
            p->client_result = weir_pg_auth_client_feed(&p->client, weir_slice_make(body, len),
                                                        &p->to_server, &err);
            assert_int_equal(p->client_result < 0, err.message[0] != '\0');
            moved = true;
        } else if (take(&p->to_server, body, &len)) {
            p->server_result =
                weir_pg_auth_server_feed(&p->server, weir_slice_make(body, len), &p->to_client);
            moved = true;
        }
    }
}

static void test_every_method_accepts_the_right_password_only(void **state)
{
    (void)state;
    weir_pg_scram_secret secret;
    assert_int_equal(weir_pg_scram_secret_make(WEIR_SLICE_LIT("secret"), salt, 16, &secret), 0);
    static const weir_pg_auth_method methods[] = {WEIR_PG_AUTH_PASSWORD, WEIR_PG_AUTH_MD5,
                                                  WEIR_PG_AUTH_SCRAM};
    static const char *const given[] = {"secret", "Secret", "secre", "secret1", "x"};
    for (size_t m = 0; m < 3; m++) {
        for (size_t g = 0; g < 5; g++) {
            for (int by_secret = 0; by_secret < 2; by_secret++) {
                if (by_secret && methods[m] == WEIR_PG_AUTH_MD5)
                    continue;
                pair p;
                pair_init(&p, WEIR_SLICE_LIT("ann"), weir_slice_cstr(given[g]));
                assert_int_equal(weir_pg_auth_server_begin(
                                     &p.server, methods[m], WEIR_SLICE_LIT("ann"),
                                     by_secret ? NULL : "secret", by_secret ? &secret : NULL,
                                     random_bytes, mock_key, &p.to_client),
                                 0);
                talk(&p);
                assert_int_equal(p.server_result, 0);
                assert_int_equal(p.server.state, g == 0 ? WEIR_PG_AUTH_DONE : WEIR_PG_AUTH_FAILED);
                assert_int_equal(p.client.state == WEIR_PG_AUTHC_OK, g == 0);
                if (methods[m] == WEIR_PG_AUTH_SCRAM)
                    assert_int_equal(p.client.server_verified, g == 0);
                pair_fini(&p);
            }
        }
    }
}

static void test_trust_asks_for_nothing(void **state)
{
    (void)state;
    pair p;
    pair_init(&p, WEIR_SLICE_LIT("ann"), (weir_slice){0});
    assert_int_equal(weir_pg_auth_server_begin(&p.server, WEIR_PG_AUTH_TRUST, WEIR_SLICE_LIT("ann"),
                                               "", NULL, random_bytes, mock_key, &p.to_client),
                     0);
    assert_int_equal(p.server.state, WEIR_PG_AUTH_DONE);
    talk(&p);
    assert_int_equal(p.client.state, WEIR_PG_AUTHC_OK);
    assert_int_equal(p.to_server.len, 0);
    pair_fini(&p);
}

/* The user name goes into the inner digest, so that equal passwords differ. */
static void test_md5_answer_is_postgresqls(void **state)
{
    (void)state;
    char answer[36];
    static const uint8_t four[4] = {1, 2, 3, 4};
    assert_int_equal(
        weir_pg_md5_answer(WEIR_SLICE_LIT("ann"), WEIR_SLICE_LIT("secret"), four, answer), 0);
    assert_string_equal(answer, "md59009ce60b9ca97f1e752376843d1309e");
}

/* HAZARD 12: who asks for an unknown user learns nothing until the end, not by the salt either. */
static void test_unknown_users_get_a_steady_mock_exchange(void **state)
{
    (void)state;
    char first[2][256];
    for (int attempt = 0; attempt < 2; attempt++) {
        pair p;
        uint8_t random[32];
        memset(random, 40 + attempt, sizeof(random));
        pair_init(&p, WEIR_SLICE_LIT("nobody"), WEIR_SLICE_LIT("guess"));
        assert_int_equal(weir_pg_auth_server_begin(&p.server, WEIR_PG_AUTH_SCRAM,
                                                   WEIR_SLICE_LIT("nobody"), NULL, NULL, random,
                                                   mock_key, &p.to_client),
                         0);
        talk(&p);
        assert_int_equal(p.server_result, 0);
        assert_int_equal(p.server.state, WEIR_PG_AUTH_FAILED);
        strcpy(first[attempt], strstr(p.server.server_first, ",s="));
        pair_fini(&p);
    }
    assert_string_equal(first[0], first[1]);
    assert_non_null(strstr(first[0], ",i=4096"));
    static const weir_pg_auth_method methods[] = {WEIR_PG_AUTH_PASSWORD, WEIR_PG_AUTH_MD5};
    for (size_t m = 0; m < 2; m++) {
        pair p;
        pair_init(&p, WEIR_SLICE_LIT("nobody"), WEIR_SLICE_LIT("guess"));
        assert_int_equal(weir_pg_auth_server_begin(&p.server, methods[m], WEIR_SLICE_LIT("nobody"),
                                                   NULL, NULL, random_bytes, mock_key,
                                                   &p.to_client),
                         0);
        talk(&p);
        assert_int_equal(p.server.state, WEIR_PG_AUTH_FAILED);
        pair_fini(&p);
    }
}

static void test_names_beyond_63_bytes_are_nobodys(void **state)
{
    (void)state;
    char name[65];
    memset(name, 'n', 64);
    name[64] = '\0';
    pair p;
    pair_init(&p, weir_slice_cstr(name), WEIR_SLICE_LIT("secret"));
    assert_int_equal(weir_pg_auth_server_begin(&p.server, WEIR_PG_AUTH_SCRAM, weir_slice_cstr(name),
                                               "secret", NULL, random_bytes, mock_key,
                                               &p.to_client),
                     0);
    talk(&p);
    assert_int_equal(p.server.state, WEIR_PG_AUTH_FAILED);
    pair_fini(&p);
}

static int feed_initial(weir_pg_auth_server *s, const char *mechanism, const char *message)
{
    weir_buf body, out;
    memset(s, 0, sizeof(*s));
    weir_buf_init(&body, 4096);
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_pg_auth_server_begin(s, WEIR_PG_AUTH_SCRAM, WEIR_SLICE_LIT("ann"), NULL,
                                               NULL, random_bytes, mock_key, &out),
                     0);
    assert_int_equal(weir_buf_append_cstr(&body, mechanism), 0);
    assert_int_equal(weir_buf_append_u32(&body, (uint32_t)strlen(message)), 0);
    assert_int_equal(weir_buf_append(&body, weir_slice_cstr(message)), 0);
    int r = weir_pg_auth_server_feed(s, weir_buf_slice(&body), &out);
    weir_buf_fini(&body);
    weir_buf_fini(&out);
    return r;
}

static void test_scram_server_judges_the_first_message(void **state)
{
    (void)state;
    static const struct {
        const char *mechanism, *message;
        int result;
    } cases[] = {
        {"SCRAM-SHA-256", "n,,n=,r=abc", 0},
        {"SCRAM-SHA-256", "y,,n=,r=abc", 0}, /* HAZARD 12 */
        {"SCRAM-SHA-256", "n,,n=*,r=abc,x=later", 0},
        {"SCRAM-SHA-256", "p=tls-unique,,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-256-PLUS", "n,,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-1", "n,,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-256", "n,a=other,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-256", "n,,m=x,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-256", "n,,n=", -EPROTO},
        {"SCRAM-SHA-256", "n,,n=,r=", -EPROTO},
        {"SCRAM-SHA-256", "n,,n=,r=a b", -EPROTO},
        {"SCRAM-SHA-256", "n,,r=abc,n=", -EPROTO},
        {"SCRAM-SHA-256", "n,,n=,r=abc,,", -EPROTO},
        {"SCRAM-SHA-256", "n,,n=,r=abc,7=x", -EPROTO},
        {"SCRAM-SHA-256", "x,,n=,r=abc", -EPROTO},
        {"SCRAM-SHA-256", "", -EPROTO},
    };
    weir_pg_auth_server s;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(feed_initial(&s, cases[i].mechanism, cases[i].message), cases[i].result);
        assert_int_equal(s.state,
                         cases[i].result ? WEIR_PG_AUTH_WAIT_INITIAL : WEIR_PG_AUTH_WAIT_FINAL);
    }
    char nonce[512] = "n,,n=,r=";
    memset(nonce + 8, 'x', 400);
    assert_int_equal(feed_initial(&s, "SCRAM-SHA-256", nonce), -EPROTO);
    nonce[8 + 200] = '\0'; /* fits by itself, not with what the server adds */
    assert_int_equal(feed_initial(&s, "SCRAM-SHA-256", nonce), -EPROTO);
}

static void test_scram_server_judges_the_final_message(void **state)
{
    (void)state;
    weir_pg_auth_server s;
    static const char proof[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (int variant = 0; variant < 8; variant++) {
        assert_int_equal(feed_initial(&s, "SCRAM-SHA-256", "y,,n=,r=abc"), 0);
        char message[512];
        static const char *const form[] = {"c=eSws,r=abc%s,p=%s",     "c=eSws,r=abc%s,x=y,p=%s",
                                           "c=biws,r=abc%s,p=%s",     "c=eSws,r=abcd%s,p=%s",
                                           "c=eSws,r=abc%s,m=y,p=%s", "c=eSws,r=abc%s,p=%s,x=y",
                                           "r=abc%s,c=eSws,p=%s",     "c=eSws,r=abc%s,p=x%s"};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(message, sizeof(message), form[variant], s.server_nonce, proof);
#pragma GCC diagnostic pop
        weir_buf out;
        weir_buf_init(&out, 4096);
        int r = weir_pg_auth_server_feed(&s, weir_slice_cstr(message), &out);
        assert_int_equal(r, variant < 2 ? 0 : -EPROTO);
        if (variant < 2)
            assert_int_equal(s.state, WEIR_PG_AUTH_FAILED);
        assert_int_equal(out.len, 0);
        weir_buf_fini(&out);
    }
}

/* A server that skips its own proof is not the one we know. */
static void test_client_refuses_ok_before_the_servers_proof(void **state)
{
    (void)state;
    for (int after_challenge = 0; after_challenge < 2; after_challenge++) {
        pair p;
        weir_error err = {0};
        pair_init(&p, WEIR_SLICE_LIT("ann"), WEIR_SLICE_LIT("secret"));
        weir_slice sasl = WEIR_SLICE_LIT("\0\0\0\12SCRAM-SHA-256\0\0");
        assert_int_equal(weir_pg_auth_client_feed(&p.client, sasl, &p.to_server, &err), 0);
        if (after_challenge) {
            char challenge[256];
            memcpy(challenge, "\0\0\0\13", 4);
            int len = snprintf(challenge + 4, sizeof(challenge) - 4, "r=%sxyz,s=AAAA,i=1",
                               strchr(p.client.client_first_bare, ',') + 3);
            assert_int_equal(weir_pg_auth_client_feed(&p.client,
                                                      weir_slice_make(challenge, (size_t)len + 4),
                                                      &p.to_server, &err),
                             0);
        }
        assert_int_equal(
            weir_pg_auth_client_feed(&p.client, WEIR_SLICE_LIT("\0\0\0\0"), &p.to_server, &err),
            -EPROTO);
        assert_int_not_equal(p.client.state, WEIR_PG_AUTHC_OK);
        pair_fini(&p);
    }
}

static void test_client_refuses_what_it_does_not_speak(void **state)
{
    (void)state;
    static const struct {
        weir_slice body;
        const char *password;
        int result;
    } cases[] = {
        {WEIR_SLICE_LIT("\0\0\0\7"), "x", -ENOTSUP},
        {WEIR_SLICE_LIT("\0\0\0\11"), "x", -ENOTSUP},
        {WEIR_SLICE_LIT("\0\0\0\12SCRAM-SHA-256-PLUS\0\0"), "x", -ENOTSUP},
        {WEIR_SLICE_LIT("\0\0\0\12SCRAM-SHA-256"), "x", -ENOTSUP},
        {WEIR_SLICE_LIT("\0\0\0\12"), "x", -ENOTSUP},
        {WEIR_SLICE_LIT("\0\0\0\3"), "", -EACCES},
        {WEIR_SLICE_LIT("\0\0\0\5abcd"), "", -EACCES},
        {WEIR_SLICE_LIT("\0\0\0\5abc"), "x", -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\13r=x"), "x", -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\14v=x"), "x", -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0"), "x", -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\0x"), "x", -EPROTO},
        {WEIR_SLICE_LIT("\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), "x", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pair p;
        weir_error err = {0};
        pair_init(&p, WEIR_SLICE_LIT("ann"), weir_slice_cstr(cases[i].password));
        assert_int_equal(weir_pg_auth_client_feed(&p.client, cases[i].body, &p.to_server, &err),
                         cases[i].result);
        assert_int_equal(p.to_server.len > 0, cases[i].result == 0);
        pair_fini(&p);
    }
}

static void test_client_answers_one_request_only(void **state)
{
    (void)state;
    pair p;
    weir_error err = {0};
    pair_init(&p, WEIR_SLICE_LIT("ann"), WEIR_SLICE_LIT("secret"));
    weir_slice md5 = WEIR_SLICE_LIT("\0\0\0\5abcd"), clear = WEIR_SLICE_LIT("\0\0\0\3");
    assert_int_equal(weir_pg_auth_client_feed(&p.client, md5, &p.to_server, &err), 0);
    assert_int_equal(weir_pg_auth_client_feed(&p.client, clear, &p.to_server, &err), -EPROTO);
    pair_fini(&p);
}

/* No single changed byte of the client's messages logs it in. */
static void test_a_changed_byte_never_logs_in(void **state)
{
    (void)state;
    weir_pg_scram_secret secret;
    uint8_t body[4096];
    size_t len = 0;
    assert_int_equal(weir_pg_scram_secret_make(WEIR_SLICE_LIT("secret"), salt, 1, &secret), 0);
    for (size_t at = 0, end = 1; at < end; at++) {
        pair p;
        pair_init(&p, WEIR_SLICE_LIT("ann"), WEIR_SLICE_LIT("secret"));
        assert_int_equal(weir_pg_auth_server_begin(&p.server, WEIR_PG_AUTH_SCRAM,
                                                   WEIR_SLICE_LIT("ann"), NULL, &secret,
                                                   random_bytes, mock_key, &p.to_client),
                         0);
        weir_error err;
        for (int step = 0; step < 2; step++) {
            assert_true(take(&p.to_client, body, &len));
            assert_int_equal(
                weir_pg_auth_client_feed(&p.client, weir_slice_make(body, len), &p.to_server, &err),
                0);
            assert_true(take(&p.to_server, body, &len));
            if (step == 0)
                assert_int_equal(
                    weir_pg_auth_server_feed(&p.server, weir_slice_make(body, len), &p.to_client),
                    0);
        }
        end = len;
        body[at] ^= 1;
        int r = weir_pg_auth_server_feed(&p.server, weir_slice_make(body, len), &p.to_client);
        assert_true(r == -EPROTO || p.server.state == WEIR_PG_AUTH_FAILED);
        pair_fini(&p);
    }
    assert_true(len > 100);
}

static void test_server_refuses_a_message_it_did_not_ask_for(void **state)
{
    (void)state;
    weir_pg_auth_server s = {0};
    weir_buf out;
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("x\0"), &out), -EPROTO);
    assert_int_equal(weir_pg_auth_server_begin(&s, WEIR_PG_AUTH_PASSWORD, WEIR_SLICE_LIT("a"), "x",
                                               NULL, random_bytes, mock_key, &out),
                     0);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("x"), &out), -EPROTO);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("x\0y\0"), &out), -EPROTO);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("x\0"), &out), 0);
    assert_int_equal(s.state, WEIR_PG_AUTH_DONE);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("x\0"), &out), -EPROTO);
    weir_buf_fini(&out);
}

static void test_an_empty_password_is_never_right(void **state)
{
    (void)state;
    weir_pg_auth_server s = {0};
    weir_buf out;
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_pg_auth_server_begin(&s, WEIR_PG_AUTH_PASSWORD, WEIR_SLICE_LIT("a"), "",
                                               NULL, random_bytes, mock_key, &out),
                     0);
    assert_int_equal(weir_pg_auth_server_feed(&s, WEIR_SLICE_LIT("\0"), &out), 0);
    assert_int_equal(s.state, WEIR_PG_AUTH_FAILED);
    weir_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_accepts_the_right_password_only),
        cmocka_unit_test(test_trust_asks_for_nothing),
        cmocka_unit_test(test_md5_answer_is_postgresqls),
        cmocka_unit_test(test_unknown_users_get_a_steady_mock_exchange),
        cmocka_unit_test(test_names_beyond_63_bytes_are_nobodys),
        cmocka_unit_test(test_scram_server_judges_the_first_message),
        cmocka_unit_test(test_scram_server_judges_the_final_message),
        cmocka_unit_test(test_client_refuses_ok_before_the_servers_proof),
        cmocka_unit_test(test_client_refuses_what_it_does_not_speak),
        cmocka_unit_test(test_client_answers_one_request_only),
        cmocka_unit_test(test_a_changed_byte_never_logs_in),
        cmocka_unit_test(test_server_refuses_a_message_it_did_not_ask_for),
        cmocka_unit_test(test_an_empty_password_is_never_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
