/* Loading and printing with every single allocation failing in turn: an error, no leak, no crash.
 */
#include "config/config.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int read_secret(void *user, const char *path, weir_buf *out)
{
    (void)user;
    (void)path;
    return weir_buf_append(out, WEIR_SLICE_LIT("word"));
}

static void load_and_print(void *user)
{
    (void)user;
    const char *environment[] = {"WEIR_POOL_MIN_SIZE=1", "DB=postgres://u:p@h,[::1]:3/d", NULL};
    const char *settings[] = {"limits.rows=7", "users.bo.password=x", NULL};
    weir_config_source source = {
        .file_name = "w.yaml",
        .file_text = WEIR_SLICE_LIT("listen: [127.0.0.1:1, /tmp/s]\nusers:\n  al:\n"
                                    "    password_file: /x\ndatabases:\n  a:\n    dsn_env: DB\n"
                                    "  b: sqlite:b\npool:\n  max_size: 3\ncache:\n  rules:\n"
                                    "    - {table: t, tags: [a, b]}\n    - {user: u, ttl: 1s}\n"),
        .environment = environment,
        .settings = settings,
        .read_file = read_secret};
    weir_config *config = NULL;
    weir_error err = {0};
    int r = weir_config_load(&source, &config, &err);
    if (r != 0) {
        assert_true(weir_failalloc_failed());
        assert_int_equal(r, -ENOMEM);
        assert_null(config);
        return;
    }
    weir_buf out;
    weir_buf_init(&out, 1 << 20);
    r = weir_config_print(config, &out);
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
    weir_buf_clear(&out);
    r = weir_config_document(&out);
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed()));
    weir_buf_fini(&out);
    weir_config_free(config);
}

static void test_config_survives_each_failing_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(500, load_and_print, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
