/* TLS's keys and the DSN's options of it: what is taken, what is inherited, what does not go
 * together. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int try_text(const char *text, weir_config **ret, weir_error *err)
{
    weir_config_source source = {.file_name = "w.yaml", .file_text = weir_slice_cstr(text)};
    return weir_config_load(&source, ret, err);
}

static weir_config *load(const char *text)
{
    weir_config *config = NULL;
    weir_error err = {0};
    if (try_text(text, &config, &err) != 0)
        fail_msg("%s\n%s", text, err.message);
    return config;
}

static void test_clients_tls_follows_from_its_files(void **state)
{
    (void)state;
    weir_config *c = load("databases: {a: postgres://h/d}\n");
    assert_int_equal(c->tls.mode, WEIR_CONFIG_TLS_DISABLE);
    assert_int_equal(c->tls.client_cert, WEIR_CONFIG_CLIENT_CERT_NONE);
    weir_config_free(c);
    c = load("databases: {a: postgres://h/d}\ntls: {cert: /c, client_ca: /a}\n");
    assert_int_equal(c->tls.mode, WEIR_CONFIG_TLS_ALLOW);
    assert_int_equal(c->tls.client_cert, WEIR_CONFIG_CLIENT_CERT_OPTIONAL);
    assert_int_equal(c->tls.min_version, WEIR_CONFIG_TLS_1_2);
    assert_string_equal(c->tls.cert, "/c");
    assert_null(c->tls.key);
    weir_config_free(c);
    c = load("databases: {a: postgres://h/d}\ntls: {cert: /c, key: /k, mode: require, "
             "client_ca: /a, client_cert: required, min_version: 1.3}\n");
    assert_int_equal(c->tls.mode, WEIR_CONFIG_TLS_REQUIRE);
    assert_int_equal(c->tls.client_cert, WEIR_CONFIG_CLIENT_CERT_REQUIRED);
    assert_int_equal(c->tls.min_version, WEIR_CONFIG_TLS_1_3);
    weir_config_free(c);
}

static void test_servers_tls_is_preferred_unless_said_otherwise(void **state)
{
    (void)state;
    weir_config *c = load("databases: {a: postgres://h/d}\n");
    const weir_config_server_tls *t = &c->databases[0].tls;
    assert_int_equal(t->mode, WEIR_CONFIG_SSLMODE_PREFER);
    assert_int_equal(t->direct, WEIR_CONFIG_NEGOTIATION_POSTGRES);
    assert_int_equal(t->sni, WEIR_CONFIG_SNI_ON);
    assert_int_equal(t->min_version, WEIR_CONFIG_TLS_1_2);
    assert_int_equal(t->binding, WEIR_CONFIG_BINDING_PREFER);
    assert_null(t->ca);
    weir_config_free(c);
    c = load("databases: {a: postgres://h/d}\ntls: {server: {ca: system}}\n");
    assert_int_equal(c->databases[0].tls.mode, WEIR_CONFIG_SSLMODE_VERIFY_FULL);
    weir_config_free(c);
}

static void test_a_dsn_goes_before_the_keys(void **state)
{
    (void)state;
    weir_config *c =
        load("databases:\n"
             "  own: 'postgres://h/d?sslmode=verify-full&sslrootcert=%2Fmy%2Fca&sslcrl=/my/crl&"
             "sslcert=/my/cert&sslkey=/my/key&sslnegotiation=direct&sslsni=0&"
             "ssl_min_protocol_version=TLSv1.3&channel_binding=require'\n"
             "  heir: postgres://h/e\n"
             "tls: {server: {mode: verify-ca, ca: /ca, crl: /crl, cert: /cert, key: /key, "
             "channel_binding: disable}}\n");
    const weir_config_server_tls *own = &c->databases[0].tls, *heir = &c->databases[1].tls;
    assert_int_equal(own->mode, WEIR_CONFIG_SSLMODE_VERIFY_FULL);
    assert_string_equal(own->ca, "/my/ca");
    assert_string_equal(own->crl, "/my/crl");
    assert_string_equal(own->cert, "/my/cert");
    assert_string_equal(own->key, "/my/key");
    assert_int_equal(own->direct, WEIR_CONFIG_NEGOTIATION_DIRECT);
    assert_int_equal(own->sni, WEIR_CONFIG_SNI_OFF);
    assert_int_equal(own->min_version, WEIR_CONFIG_TLS_1_3);
    assert_int_equal(own->binding, WEIR_CONFIG_BINDING_REQUIRE);
    assert_int_equal(heir->mode, WEIR_CONFIG_SSLMODE_VERIFY_CA);
    assert_string_equal(heir->ca, "/ca");
    assert_string_equal(heir->crl, "/crl");
    assert_string_equal(heir->cert, "/cert");
    assert_string_equal(heir->key, "/key");
    assert_int_equal(heir->binding, WEIR_CONFIG_BINDING_DISABLE);
    weir_config_free(c);
}

/* Another authority's revocations, or another certificate's key, would be nonsense. */
static void test_files_are_inherited_together(void **state)
{
    (void)state;
    weir_config *c = load("databases:\n"
                          "  a: 'postgres://h/d?sslrootcert=/my/ca&sslcert=/my/cert'\n"
                          "tls: {server: {mode: require, ca: /ca, crl: /crl, cert: /cert, "
                          "key: /key}}\n");
    const weir_config_server_tls *t = &c->databases[0].tls;
    assert_string_equal(t->ca, "/my/ca");
    assert_null(t->crl);
    assert_string_equal(t->cert, "/my/cert");
    assert_null(t->key);
    weir_config_free(c);
}

static void test_what_does_not_go_together_is_said(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"tls: {mode: require}\n", "set tls.cert and tls.key"},
        {"tls: {key: /k}\n", "there is no tls.cert"},
        {"tls: {cert: /c, client_cert: required}\n", "set it to a file of authorities"},
        {"tls: {cert: /c, client_crl: /r}\n", "without tls.client_ca"},
        {"tls: {cert: /c, min_version: 1.4}\n", "tls.min_version"},
        {"tls: {server: {key: /k}}\n", "there is no tls.server.cert"},
        {"tls: {server: {channel_binding: perhaps}}\n", "tls.server.channel_binding"},
        {"databases: {a: 'postgres://h/d?sslmode=verify-ca'}\n", "need authorities"},
        {"databases: {a: 'postgres://h/d?sslmode=require&sslrootcert=system'}\n",
         "must be verify-full"},
        {"databases: {a: 'postgres://h/d?sslnegotiation=direct'}\n", "needs an sslmode of require"},
        {"databases: {a: 'postgres://h/d?sslcrl=/r'}\n", "sslcrl needs sslrootcert"},
        {"databases: {a: 'postgres://h/d?sslmode=disable&channel_binding=require'}\n",
         "channel_binding=require needs TLS"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_config *config = NULL;
        weir_error err = {0};
        char text[300];
        snprintf(text, sizeof(text), "%s%s", cases[i][0],
                 strstr(cases[i][0], "databases") ? "" : "databases: {a: postgres://h/d}\n");
        assert_int_equal(try_text(text, &config, &err), -EINVAL);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_tls_follows_from_its_files),
        cmocka_unit_test(test_servers_tls_is_preferred_unless_said_otherwise),
        cmocka_unit_test(test_a_dsn_goes_before_the_keys),
        cmocka_unit_test(test_files_are_inherited_together),
        cmocka_unit_test(test_what_does_not_go_together_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
