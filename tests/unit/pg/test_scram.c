/* SCRAM-SHA-256's calculations: RFC 7677's example, secrets, base64, preparation of passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pg/crypt.h"
#include "proto/pg/scram.h"

/* RFC 7677, section 3. */
#define RFC_BARE "n=user,r=rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_SERVER_FIRST "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_CLIENT_FINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static weir_pg_auth_client rfc_client(void)
{
    weir_pg_auth_client c = {.user = WEIR_SLICE_LIT("user"), .password = WEIR_SLICE_LIT("pencil")};
    strcpy(c.client_first_bare, RFC_BARE);
    return c;
}

static void test_scram_client_gives_the_rfcs_proof(void **state)
{
    (void)state;
    weir_pg_auth_client c = rfc_client();
    char answer[WEIR_PG_SCRAM_MESSAGE_MAX];
    assert_int_equal(weir_pg_scram_client_final(&c, WEIR_SLICE_LIT(RFC_SERVER_FIRST), answer), 0);
    assert_string_equal(answer, RFC_CLIENT_FINAL);
    assert_int_equal(weir_pg_scram_client_verify(&c, WEIR_SLICE_LIT(RFC_SERVER_FINAL)), 0);
}

static void test_scram_server_gives_the_rfcs_signature(void **state)
{
    (void)state;
    uint8_t salt[16];
    size_t len;
    weir_pg_auth_server s = {.gs2_flag = 'n'};
    assert_int_equal(
        weir_pg_base64_decode(WEIR_SLICE_LIT("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof(salt), &len),
        0);
    assert_int_equal(weir_pg_scram_secret_make(WEIR_SLICE_LIT("pencil"), salt, 4096, &s.secret), 0);
    strcpy(s.client_first_bare, RFC_BARE);
    strcpy(s.server_first, RFC_SERVER_FIRST);
    char answer[64];
    assert_int_equal(weir_pg_scram_server_final(&s, WEIR_SLICE_LIT(RFC_CLIENT_FINAL), answer), 0);
    assert_string_equal(answer, RFC_SERVER_FINAL);
    s.doomed = true;
    assert_int_equal(weir_pg_scram_server_final(&s, WEIR_SLICE_LIT(RFC_CLIENT_FINAL), answer),
                     -EACCES);
}

static void test_scram_client_refuses_a_bad_server_first(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "r=" RFC_NONCE,
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* adds no nonce of its own */
        "r=xOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOpr,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=" RFC_NONCE "\x01,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=" RFC_NONCE ",s=,i=4096",
        "r=" RFC_NONCE ",s=W22Z!J0SNY7soEsUEjb6gQ==,i=4096",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000001",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
        "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=y",
        "m=ext,r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=" RFC_NONCE ",i=4096",
    };
    char answer[WEIR_PG_SCRAM_MESSAGE_MAX];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        weir_pg_auth_client c = rfc_client();
        assert_int_equal(weir_pg_scram_client_final(&c, weir_slice_cstr(bad[i]), answer), -EPROTO);
    }
    char endless[4096] = "r=rOprNGfwEbeRWgbNEkqO";
    memset(endless + strlen(endless), 'x', sizeof(endless) - strlen(endless) - 1);
    weir_pg_auth_client c = rfc_client();
    assert_int_equal(weir_pg_scram_client_final(&c, weir_slice_cstr(endless), answer), -EPROTO);
}

static void test_scram_client_refuses_a_wrong_signature(void **state)
{
    (void)state;
    weir_pg_auth_client c = rfc_client();
    char answer[WEIR_PG_SCRAM_MESSAGE_MAX];
    assert_int_equal(weir_pg_scram_client_final(&c, WEIR_SLICE_LIT(RFC_SERVER_FIRST), answer), 0);
    static const char *const bad[] = {"",
                                      "v=",
                                      "e=other-error",
                                      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
                                      "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                      RFC_SERVER_FINAL ",x=y",
                                      "v=AAAA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(weir_pg_scram_client_verify(&c, weir_slice_cstr(bad[i])), -EPROTO);
}

static void test_secrets_are_read_and_printed_as_postgresql_does(void **state)
{
    (void)state;
    static const char text[] = "SCRAM-SHA-256$4096:VLK4RMaQLCvNtQ==$6YtlR4t69SguDiwFvbVgVZtuz6gpJQQ"
                               "qUMZ7IQJK5yI=:ps75jrHeYU4lXCcXI4O8oIdJ3eO8o2jirjruw9phBTo=";
    weir_pg_scram_secret secret;
    char printed[160];
    assert_int_equal(weir_pg_scram_secret_parse(weir_slice_cstr(text), &secret), 0);
    assert_int_equal(secret.iterations, 4096);
    assert_int_equal(secret.salt_len, 10);
    assert_int_equal(weir_pg_scram_secret_print(&secret, printed, sizeof(printed)), 0);
    assert_string_equal(printed, text);
    assert_int_equal(weir_pg_scram_secret_print(&secret, printed, strlen(text)), -EMSGSIZE);
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(weir_pg_scram_secret_parse(weir_slice_make(text, len), &secret), -EINVAL);
    static const char *const bad[] = {
        "md53175bce1d3201d16594cebf9d7eb3f9d",
        "SCRAM-SHA-512$4096:VLK4RMaQLCvNtQ==$6YtlR4t69SguDiwFvbVgVZtuz6gpJQQqUMZ7IQJK5yI=:ps75",
        "SCRAM-SHA-256$0:VLK4RMaQLCvNtQ==$6YtlR4t69SguDiwFvbVgVZtuz6gpJQQqUMZ7IQJK5yI=:ps75jrHeYU4"
        "lXCcXI4O8oIdJ3eO8o2jirjruw9phBTo=",
        "SCRAM-SHA-256$4096:$6YtlR4t69SguDiwFvbVgVZtuz6gpJQQqUMZ7IQJK5yI=:ps75jrHeYU4lXCcXI4O8oIdJ"
        "3eO8o2jirjruw9phBTo=",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(weir_pg_scram_secret_parse(weir_slice_cstr(bad[i]), &secret), -EINVAL);
}

static void test_secret_checks_a_password(void **state)
{
    (void)state;
    static const uint8_t salt[16] = {1, 2, 3};
    weir_pg_scram_secret secret;
    weir_slice right = WEIR_SLICE_LIT("p\xc3\xa4ss");
    assert_int_equal(weir_pg_scram_secret_make(right, salt, 2, &secret), 0);
    assert_int_equal(weir_pg_scram_secret_check(&secret, right, NULL), 0);
    assert_int_equal(weir_pg_scram_secret_check(&secret, WEIR_SLICE_LIT("pass"), NULL), -EACCES);
    assert_int_equal(weir_pg_scram_secret_check(&secret, (weir_slice){0}, NULL), -EACCES);
    assert_int_equal(weir_pg_scram_secret_make(right, salt, 0, &secret), -EINVAL);
    assert_int_equal(weir_pg_scram_secret_make(right, salt, 10000001, &secret), -EINVAL);
}

/* RFC 4648, section 10, and what strictness refuses. */
static void test_base64_round_trips_and_is_strict(void **state)
{
    (void)state;
    static const struct {
        weir_slice bytes;
        const char *text;
    } cases[] = {{WEIR_SLICE_LIT(""), ""},
                 {WEIR_SLICE_LIT("f"), "Zg=="},
                 {WEIR_SLICE_LIT("fo"), "Zm8="},
                 {WEIR_SLICE_LIT("foo"), "Zm9v"},
                 {WEIR_SLICE_LIT("foobar"), "Zm9vYmFy"},
                 {WEIR_SLICE_LIT("\377\376\373"), "//77"},
                 {WEIR_SLICE_LIT("\373\360"), "+/A="}};
    uint8_t out[16];
    size_t len;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[WEIR_PG_BASE64_SIZE(16)];
        weir_pg_base64_encode(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(weir_pg_base64_decode(weir_slice_cstr(text), out, sizeof(out), &len), 0);
        assert_true(weir_slice_eq(weir_slice_make(out, len), cases[i].bytes));
    }
    static const char *const bad[] = {"Z",     "Zg=",  "Zg",    "Z===", "====", "Zg==Zg==", "Zm 9",
                                      "Zm9\n", "=Zm9", "Zm9v=", "Zm-_", "Zh==", "Zm9="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(weir_pg_base64_decode(weir_slice_cstr(bad[i]), out, sizeof(out), &len),
                         -EINVAL);
    assert_int_equal(weir_pg_base64_decode(WEIR_SLICE_LIT("Zm9v"), out, 2, &len), -EMSGSIZE);
}

static void test_passwords_are_prepared(void **state)
{
    (void)state;
    static const struct {
        weir_slice in, out;
    } cases[] = {
        {WEIR_SLICE_LIT(""), WEIR_SLICE_LIT("")},
        {WEIR_SLICE_LIT("pencil"), WEIR_SLICE_LIT("pencil")},
        {WEIR_SLICE_LIT("a\tb\x7f"), WEIR_SLICE_LIT("a\tb\x7f")}, /* ASCII exactly */
        {WEIR_SLICE_LIT("I\xc2\xadX"), WEIR_SLICE_LIT("IX")},     /* RFC 4013: soft hyphen */
        {WEIR_SLICE_LIT("a\xc2\xa0"
                        "b"),
         WEIR_SLICE_LIT("a b")}, /* no-break space */
        {WEIR_SLICE_LIT("a\xe3\x80\x80"
                        "b"),
         WEIR_SLICE_LIT("a b")}, /* ideographic space */
        {WEIR_SLICE_LIT("\xc3\xa4\xe2\x82\xac"), WEIR_SLICE_LIT("\xc3\xa4\xe2\x82\xac")},
        {WEIR_SLICE_LIT("\xf0\x9f\x98\x80"), WEIR_SLICE_LIT("\xf0\x9f\x98\x80")},
        {WEIR_SLICE_LIT("\xc2\xad"), WEIR_SLICE_LIT("\xc2\xad")},         /* nothing is left: raw */
        {WEIR_SLICE_LIT("\xc2\xa0\x07"), WEIR_SLICE_LIT("\xc2\xa0\x07")}, /* prohibited: raw */
        {WEIR_SLICE_LIT("\xc2\xa0\xff"), WEIR_SLICE_LIT("\xc2\xa0\xff")}, /* not UTF-8: raw */
        {WEIR_SLICE_LIT("\xc2\xa0\xc3"), WEIR_SLICE_LIT("\xc2\xa0\xc3")}, /* cut short: raw */
        {WEIR_SLICE_LIT("\xc2\xa0\xc0\xaf"), WEIR_SLICE_LIT("\xc2\xa0\xc0\xaf")}, /* overlong */
        {WEIR_SLICE_LIT("\xc2\xa0\xed\xa0\x80"), WEIR_SLICE_LIT("\xc2\xa0\xed\xa0\x80")},
        {WEIR_SLICE_LIT("\xc2\xa0\xf4\x90\x80\x80"), WEIR_SLICE_LIT("\xc2\xa0\xf4\x90\x80\x80")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *out = malloc(cases[i].in.len + 1);
        assert_non_null(out);
        size_t len = weir_pg_saslprep(cases[i].in, out);
        assert_true(weir_slice_eq(weir_slice_make(out, len), cases[i].out));
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scram_client_gives_the_rfcs_proof),
        cmocka_unit_test(test_scram_server_gives_the_rfcs_signature),
        cmocka_unit_test(test_scram_client_refuses_a_bad_server_first),
        cmocka_unit_test(test_scram_client_refuses_a_wrong_signature),
        cmocka_unit_test(test_secrets_are_read_and_printed_as_postgresql_does),
        cmocka_unit_test(test_secret_checks_a_password),
        cmocka_unit_test(test_base64_round_trips_and_is_strict),
        cmocka_unit_test(test_passwords_are_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
