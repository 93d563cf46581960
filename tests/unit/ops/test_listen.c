/* The socket of admin HTTP: which addresses are taken, and what is called loopback. */
#include "base/slice.h"
#include "ops/listen.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_port_zero_picks_one_and_says_so(void **state)
{
    (void)state;
    ops_socket s, again;
    weir_error err;
    assert_int_equal(ops_listen("127.0.0.1:0", &s, &err), 0);
    assert_true(s.loopback);
    assert_int_equal(strncmp(s.address, "127.0.0.1:", 10), 0);
    assert_string_not_equal(s.address, "127.0.0.1:0");
    assert_int_equal(ops_listen(s.address, &again, &err), -EADDRINUSE);
    assert_non_null(strstr(err.message, "address in use"));
    assert_non_null(strstr(err.hint, "--admin"));
    (void)close(s.fd);
}

static void test_every_address_is_not_loopback(void **state)
{
    (void)state;
    static const char *const open_to_all[] = {"0.0.0.0:0", "*:0"};
    for (size_t i = 0; i < 2; i++) {
        ops_socket s;
        weir_error err;
        assert_int_equal(ops_listen(open_to_all[i], &s, &err), 0);
        assert_false(s.loopback);
        (void)close(s.fd);
    }
}

static void test_what_is_no_address_is_refused_with_words(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ":", "8432", "127.0.0.1", "127.0.0.1:", ":80", "1.2.3:x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ops_socket s;
        weir_error err = {0};
        assert_int_equal(ops_listen(bad[i], &s, &err), -EINVAL);
        assert_non_null(strstr(err.message, "admin.listen"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_zero_picks_one_and_says_so),
        cmocka_unit_test(test_every_address_is_not_loopback),
        cmocka_unit_test(test_what_is_no_address_is_refused_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
