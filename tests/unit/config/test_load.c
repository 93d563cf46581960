/* What a configuration means: defaults, precedence, inheritance, printing. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static weir_config *load(const weir_config_source *source)
{
    weir_config *config = NULL;
    weir_error err = {0};
    if (weir_config_load(source, &config, &err) != 0)
        fail_msg("%s", err.message);
    return config;
}

static weir_config *load_text(const char *text)
{
    return load(&(weir_config_source){.file_name = "w.yaml", .file_text = weir_slice_cstr(text)});
}

static void test_config_defaults_serve_a_file_on_loopback(void **state)
{
    (void)state;
    weir_config *c = load(&(weir_config_source){0});
    assert_int_equal(c->listen_count, 1);
    assert_string_equal(c->listen[0], "127.0.0.1:6432");
    assert_string_equal(c->admin, "127.0.0.1:8432");
    assert_int_equal(c->memory_max, 512u << 20);
    assert_int_equal(c->database_count, 1);
    assert_string_equal(c->databases[0].name, "*");
    assert_string_equal(c->databases[0].label, "weir");
    assert_string_equal(c->databases[0].path, "weir.db");
    assert_int_equal(c->databases[0].pool.min_size, 3);
    assert_int_equal(c->databases[0].pool.max_size, 10);
    assert_int_equal(c->databases[0].pool.max_pinned, 20);
    assert_true(c->databases[0].pool.acquire_timeout == 5 * WEIR_SECOND);
    assert_int_equal(c->auth, WEIR_CONFIG_AUTH_UNSET);
    assert_int_equal(c->log.modules[WEIR_LOG_NET], WEIR_LOG_INFO);
    assert_true(c->sqlite.synchronous_full);
    weir_config_free(c);
}

static void test_config_later_sources_win(void **state)
{
    (void)state;
    const char *environment[] = {"WEIR_WORKERS=3", "WEIR_POOL_MAX_SIZE=30", "HOME=/root",
                                 "WEIR_PORT=tcp://10.0.0.1:6432", NULL};
    const char *settings[] = {"pool.max_size=40", "listen=127.0.0.1:1, [::1]:2,/tmp/s", "admin=off",
                              NULL};
    weir_config *c = load(&(weir_config_source){
        .file_name = "w.yaml",
        .file_text = WEIR_SLICE_LIT("workers: 2\npool:\n  max_size: 20\n  min_size: 4\n"),
        .environment = environment,
        .settings = settings});
    assert_int_equal(c->workers, 3);
    assert_int_equal(c->databases[0].pool.max_size, 40);
    assert_int_equal(c->databases[0].pool.min_size, 4);
    assert_int_equal(c->databases[0].pool.max_pinned, 40);
    assert_int_equal(c->listen_count, 3);
    assert_string_equal(c->listen[1], "[::1]:2");
    assert_string_equal(c->listen[2], "/tmp/s");
    assert_string_equal(c->admin, "");
    weir_config_free(c);
}

static void test_config_databases_inherit_the_pool(void **state)
{
    (void)state;
    weir_config *c = load_text("pool:\n  max_size: 7\n  idle_timeout: 2m\n"
                               "databases:\n"
                               "  a: sqlite:a.db\n"
                               "  b:\n"
                               "    primary: postgres://u:p@h/d\n"
                               "    password: q\n"
                               "    pool: {max_size: 60, mode: session, min_size: 0}\n");
    assert_int_equal(c->database_count, 2);
    assert_string_equal(c->databases[0].name, "a");
    assert_int_equal(c->databases[0].pool.max_size, 7);
    assert_int_equal(c->databases[0].pool.min_size, 3);
    assert_int_equal(c->databases[1].pool.max_size, 60);
    assert_int_equal(c->databases[1].pool.min_size, 0);
    assert_int_equal(c->databases[1].pool.max_pinned, 60);
    assert_int_equal(c->databases[1].pool.mode, WEIR_CONFIG_POOL_SESSION);
    assert_true(c->databases[1].pool.idle_timeout == 120 * WEIR_SECOND);
    assert_string_equal(c->databases[1].password, "q");
    weir_config_free(c);
}

static void test_config_an_only_database_takes_every_name(void **state)
{
    (void)state;
    weir_config *c = load_text("databases:\n  app: postgres://h/d\n");
    assert_string_equal(c->databases[0].name, "*");
    assert_string_equal(c->databases[0].label, "app");
    weir_config_free(c);
}

static void test_config_small_maximum_lowers_the_default_minimum(void **state)
{
    (void)state;
    weir_config *c = load_text("pool:\n  max_size: 2\n");
    assert_int_equal(c->databases[0].pool.min_size, 2);
    weir_config_free(c);
}

static void test_config_presets_are_defaults_beside_what_is_given(void **state)
{
    (void)state;
    weir_config *c = load_text("databases: {a: {dsn: 'postgres://u@h/d'}}\n"
                               "pool: {preset: high-traffic, max_size: 30}\n");
    assert_int_equal(c->databases[0].pool.min_size, 20);
    assert_int_equal(c->databases[0].pool.max_size, 30);
    assert_true(c->databases[0].pool.idle_timeout == 60 * WEIR_SECOND);
    weir_config_free(c);
    c = load_text("databases: {a: {dsn: 'postgres://u@h/d', pool: {preset: low-latency}}}\n"
                  "pool: {idle_timeout: 7s}\n");
    assert_int_equal(c->databases[0].pool.min_size, 10);
    assert_int_equal(c->databases[0].pool.max_size, 50);
    assert_true(c->databases[0].pool.idle_timeout == 7 * WEIR_SECOND);
    weir_config_free(c);
}

static void test_config_replicas_are_as_their_primary(void **state)
{
    (void)state;
    weir_config *c = load_text("databases:\n  a:\n    dsn: postgres://u:secret@h/d\n"
                               "    replicas: [postgres://r1, postgres://v@r2:5433/e]\n"
                               "    pool:\n      max_size: 7\n"
                               "  b:\n    dsn: postgres://h/d\n    replica_lag: 2s\n"
                               "    replicas: postgres://r3\n");
    const weir_config_database *a = &c->databases[0], *b = &c->databases[1];
    assert_int_equal(a->replica_count, 2);
    assert_string_equal(a->replicas[0].hosts[0].host, "r1");
    assert_string_equal(a->replicas[0].user, "u");
    assert_string_equal(a->replicas[0].password, "secret");
    assert_string_equal(a->replicas[0].dbname, "d");
    assert_int_equal(a->replicas[0].pool.max_size, 7);
    assert_string_equal(a->replicas[1].user, "v");
    assert_null(a->replicas[1].password); /* another user's */
    assert_string_equal(a->replicas[1].dbname, "e");
    assert_true(a->replica_lag == 5 * WEIR_SECOND && b->replica_lag == 2 * WEIR_SECOND);
    assert_int_equal(b->replica_count, 1);
    weir_buf out;
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_config_print(c, &out), 0);
    assert_null(memmem(out.data, out.len, "secret", 6));
    assert_non_null(memmem(out.data, out.len, "postgres://v@r2:5433/e", 22));
    weir_buf_fini(&out);
    weir_config_free(c);
}

static void test_config_users_mean_scram(void **state)
{
    (void)state;
    weir_config *c = load_text("listen: [\"*:6432\"]\nusers:\n  al:\n    password: x\n    admin: "
                               "yes\n");
    assert_int_equal(c->auth, WEIR_CONFIG_AUTH_SCRAM);
    assert_int_equal(c->user_count, 1);
    assert_true(c->users[0].admin);
    weir_config_free(c);
}

static int read_secret(void *user, const char *path, weir_buf *out)
{
    (void)user;
    assert_string_equal(path, "/run/secret");
    return weir_buf_append(out, WEIR_SLICE_LIT("s3cret word\n"));
}

static void test_config_fetches_secrets_and_shows_none(void **state)
{
    (void)state;
    const char *environment[] = {"DB=postgres://u:hidden@h/d", NULL};
    weir_config *c = load(&(weir_config_source){
        .file_name = "w.yaml",
        .file_text = WEIR_SLICE_LIT("admin:\n  token_file: /run/secret\ndatabases:\n  a:\n"
                                    "    dsn_env: DB\nusers:\n  al:\n    password: 's3 \"x'\n"),
        .environment = environment,
        .read_file = read_secret});
    assert_string_equal(c->admin_token, "s3cret word");
    assert_string_equal(c->databases[0].password, "hidden");
    weir_buf out;
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_config_print(c, &out), 0);
    assert_int_equal(weir_buf_append_u8(&out, 0), 0);
    assert_null(strstr((char *)out.data, "s3cret"));
    assert_null(strstr((char *)out.data, "s3 "));
    assert_null(strstr((char *)out.data, "hidden"));
    assert_non_null(strstr((char *)out.data, "********"));
    weir_buf_fini(&out);
    weir_config_free(c);
}

static void test_config_printed_loads_again_and_prints_the_same(void **state)
{
    (void)state;
    weir_config *c = load_text("listen: [127.0.0.1:1, /tmp/s]\nworkers: 4\n"
                               "log: {level: warn, modules: {net: debug}, slow: 0}\n"
                               "timeouts: {statement: 90s}\nsqlite: {cache_size: 100000B}\n"
                               "databases:\n  \"odd: name\": postgres://u@[::1]:1,%2Ftmp/d\n"
                               "  b: sqlite:b.db\n");
    weir_buf first, second;
    weir_buf_init(&first, 1 << 20);
    weir_buf_init(&second, 1 << 20);
    assert_int_equal(weir_config_print(c, &first), 0);
    weir_config_free(c);
    c = load(&(weir_config_source){.file_name = "printed", .file_text = weir_buf_slice(&first)});
    assert_int_equal(weir_config_print(c, &second), 0);
    assert_true(weir_slice_eq(weir_buf_slice(&first), weir_buf_slice(&second)));
    weir_buf_fini(&first);
    weir_buf_fini(&second);
    weir_config_free(c);
}

typedef struct seen {
    unsigned count;
    bool workers, token;
} seen;

static void on_key(void *user, const char *key, const char *value, const char *fallback,
                   bool reloadable)
{
    seen *s = user;
    s->count++;
    assert_non_null(value);
    assert_non_null(fallback);
    if (strcmp(key, "workers") == 0) {
        s->workers = strcmp(value, "9") == 0 && strcmp(fallback, "0") == 0 && !reloadable;
    }
    if (strcmp(key, "admin.token") == 0)
        s->token = strcmp(value, "********") == 0;
}

static void test_config_each_shows_value_and_default(void **state)
{
    (void)state;
    weir_config *c = load_text("workers: 9\nadmin:\n  token: t\n");
    seen s = {0};
    weir_config_each(c, on_key, &s);
    assert_true(s.count > 50 && s.workers && s.token);
    weir_config_free(c);
}

static void test_config_empty_files_and_sections_are_fine(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n# nothing\n", "pool:\ndatabases:\nusers: ~\n",
                                        "--- {}\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        weir_config_free(load_text(texts[i]));
    weir_config_free(load(&(weir_config_source){.file_name = "w.yaml"}));
}

static void test_config_names_come_from_settings_and_environment(void **state)
{
    (void)state;
    const char *environment[] = {"WEIR_DATABASES_MY_APP_POOL_MAX_SIZE=9",
                                 "WEIR_DATABASES_MY_APP_DSN=sqlite:a.db", NULL};
    const char *settings[] = {"databases.other.one.dsn=sqlite:b.db", NULL};
    weir_config *c = load(&(weir_config_source){.environment = environment, .settings = settings});
    assert_string_equal(c->databases[0].name, "my_app");
    assert_int_equal(c->databases[0].pool.max_size, 9);
    assert_string_equal(c->databases[1].name, "other.one");
    weir_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_defaults_serve_a_file_on_loopback),
        cmocka_unit_test(test_config_later_sources_win),
        cmocka_unit_test(test_config_databases_inherit_the_pool),
        cmocka_unit_test(test_config_an_only_database_takes_every_name),
        cmocka_unit_test(test_config_small_maximum_lowers_the_default_minimum),
        cmocka_unit_test(test_config_presets_are_defaults_beside_what_is_given),
        cmocka_unit_test(test_config_replicas_are_as_their_primary),
        cmocka_unit_test(test_config_users_mean_scram),
        cmocka_unit_test(test_config_fetches_secrets_and_shows_none),
        cmocka_unit_test(test_config_printed_loads_again_and_prints_the_same),
        cmocka_unit_test(test_config_each_shows_value_and_default),
        cmocka_unit_test(test_config_empty_files_and_sections_are_fine),
        cmocka_unit_test(test_config_names_come_from_settings_and_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
