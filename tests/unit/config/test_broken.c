/* Broken configurations and exactly what is said about them: file, line, key, what was expected. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct broken {
    const char *text;
    const char *message;
} broken;

static const broken files[] = {
    /* unknown keys */
    {"pool:\n  max_sizee: 5\n",
     "w.yaml:2: unknown key \"pool.max_sizee\"; nearest known key: pool.max_size"},
    {"pools:\n  max_size: 5\n", "w.yaml:1: unknown key \"pools\"; nearest known key: pool"},
    {"max_size: 5\n", "w.yaml:1: unknown key \"max_size\"; nearest known key: pool.max_size"},
    {"\n\ndatabase:\n  a: sqlite:x\n",
     "w.yaml:3: unknown key \"database\"; nearest known key: databases"},
    {"zzzzzzzzzz: 1\n",
     "w.yaml:1: unknown key \"zzzzzzzzzz\"; docs/configuration.md lists all keys"},
    {"databases:\n  app:\n    dns: sqlite:x\n",
     "w.yaml:3: unknown key \"databases.app.dns\"; nearest known key: databases.app.dsn"},
    {"databases:\n  app:\n    pool:\n      min_sise: 1\n",
     "w.yaml:4: unknown key \"databases.app.pool.min_sise\"; nearest known key: "
     "databases.app.pool.min_size"},
    {"users:\n  al:\n    pasword: x\n",
     "w.yaml:3: unknown key \"users.al.pasword\"; nearest known key: users.al.password"},
    /* duplicates */
    {"workers: 1\nworkers: 2\n", "w.yaml:2: workers is given twice, first on line 1"},
    {"pool:\n  max_size: 1\n\npool:\n  min_size: 1\n",
     "w.yaml:4: pool is given twice, first on line 1"},
    {"databases:\n  a: sqlite:x\n  a: sqlite:y\n",
     "w.yaml:3: databases.a is given twice, first on line 2"},
    {"pool.max_size: 1\npool:\n  max_size: 1\n",
     "w.yaml:3: pool.max_size is given twice, first on line 1"},
    /* wrong forms */
    {"pool: 5\n", "w.yaml:1: pool must be a mapping, not a single value"},
    {"workers: [1]\n", "w.yaml:1: workers must be a single value, not a list"},
    {"workers:\n", "w.yaml:1: workers must be a single value, not nothing"},
    {"workers: {a: 1}\n", "w.yaml:1: workers must be a single value, not a mapping"},
    {"databases: [a]\n", "w.yaml:1: databases must be a mapping of names, not a list"},
    {"- a\n", "w.yaml:1: the file must be a mapping, not a list"},
    {"listen: [[a]]\n", "w.yaml:1: listen must be a list of single values, not a list"},
    {"? [a]\n: b\n", "w.yaml:1: a key must be a plain text"},
    {"workers: &a 1\npool: *a\n",
     "w.yaml:2: aliases (*name) are not supported; a text that begins with * needs quotes"},
    {"workers: 1\n---\nworkers: 2\n",
     "w.yaml:2: a second document: one file holds one configuration"},
    {"workers: \"\"\n", "w.yaml:1: workers has no value"},
    {"workers: \"a\\0b\"\n", "w.yaml:1: workers: the value contains a zero byte"},
    {"admin.token: \"a\\0b\"\n", "w.yaml:1: admin.token: the value contains a zero byte"},
    /* values and bounds */
    {"workers: many\n", "w.yaml:1: workers is \"many\", must be a whole number"},
    {"workers: -1\n", "w.yaml:1: workers is \"-1\", must be a whole number"},
    {"workers: 1025\n", "w.yaml:1: workers is 1025, must be from 0 to 1024"},
    {"pool.max_size: 0\n", "w.yaml:1: pool.max_size is 0, must be from 1 to 100000"},
    {"limits.rows: 99999999999999999999\n",
     "w.yaml:1: limits.rows is 99999999999999999999, must be from 0 to 9223372036854775807"},
    {"memory:\n  max: 1MiB\n", "w.yaml:2: memory.max is 1MiB, must be from 16MiB to 16384GiB"},
    {"memory:\n  max: 64MB\n",
     "w.yaml:2: memory.max is \"64MB\", must be a size: a whole number and "
     "one of B, KiB, MiB, GiB, as in 64MiB"},
    {"pool:\n  idle_timeout: 60\n", "w.yaml:2: pool.idle_timeout is \"60\", must be a duration: a "
                                    "whole number and one of ms, s, m, "
                                    "h, as in 30s"},
    {"pool:\n  acquire_timeout: 0\n",
     "w.yaml:2: pool.acquire_timeout is 0, must be from 1ms to 1h"},
    {"timeouts.login: 9999999999999999999h\n",
     "w.yaml:1: timeouts.login is 9999999999999999999h, must be from 1ms to 1h"},
    {"log.connections: maybe\n", "w.yaml:1: log.connections is \"maybe\", must be true or false"},
    {"log.level: loud\n",
     "w.yaml:1: log.level is \"loud\", must be one of debug, info, warn, error, off"},
    {"pool.mode: statements\n",
     "w.yaml:1: pool.mode is \"statements\", must be one of transaction, session, statement"},
    {"sqlite.synchronous: off\n",
     "w.yaml:1: sqlite.synchronous is \"off\", must be one of full, normal"},
    /* who may connect */
    {"auth:\n  rules:\n    - {user: a}\n", "w.yaml:3: the rule has no method"},
    {"auth.rules: [{method: md6}]\n",
     "w.yaml:1: the method \"md6\" is not supported; nearest: md5"},
    {"auth.rules: [{methd: md5}]\n",
     "w.yaml:1: unknown key \"auth.rules[1].methd\"; nearest known key: auth.rules[1].method"},
    {"auth.rules: [{type: local, address: all, method: peer}]\n",
     "w.yaml:1: a rule of type local has no address"},
    {"auth.rules: [{database: a b, method: trust}]\n",
     "w.yaml:1: names are apart by commas: \"a b\""},
    {"auth.rules: md5\n", "w.yaml:1: auth.rules must be a list of mappings, not a single value"},
    {"auth.method: trust\nauth.rules: [{method: trust}]\n",
     "w.yaml:1: auth.rules and auth.method are both given: which is meant?"},
    {"auth.maps: [{name: m}]\n", "w.yaml:1: an item of auth.maps needs name, system and user"},
    {"auth.maps: [{name: m, system: /(, user: u}]\n", "w.yaml:1: not a regular expression: \"(\""},
    {"auth.hba_file: nowhere\n",
     "w.yaml:1: auth.hba_file: cannot read nowhere: No such file or directory"},
    {"auth.query_ttl: 2\n", "w.yaml:1: auth.query_ttl is \"2\", must be a duration: a whole "
                            "number and one of ms, s, m, h, as in 30s"},
    {"auth.method: scram\n",
     "w.yaml:1: auth.method is scram and there are no users: nobody could log in"},
    /* YAML itself */
    {"pool: {max_size: 1\n", NULL},
    {"a: b: c\n", NULL},
    {"\xff\xfe\xfd", NULL},
    {"\t- x", NULL},
    /* listeners */
    {"listen: localhost\n", "w.yaml:1: listen \"localhost\": must be host:port, [v6 address]:port, "
                            "*:port or /path/socket, "
                            "as in 127.0.0.1:6432"},
    {"listen: ::1:80\n",
     "w.yaml:1: listen \"::1:80\": an IPv6 address must be written [address]:port"},
    {"listen: 127.0.0.1:65536\n", "w.yaml:1: listen \"127.0.0.1:65536\": the port must be a number "
                                  "from 0 to 65535 (0: any free one)"},
    {"listen: [127.0.0.1:1, 127.0.0.1:1]\n", "w.yaml:1: listen names 127.0.0.1:1 twice"},
    {"listen: 0.0.0.0:6432\n",
     "w.yaml:1: listen 0.0.0.0:6432 is reachable from other machines, and no authentication is "
     "configured: add users (users: {NAME: {password: …}}), or auth.method: trust to let everybody "
     "in"},
    {"listen: 127.example.org:6432\n", NULL},
    {"admin: 0.0.0.0:8432\n",
     "w.yaml:1: admin.listen 0.0.0.0:8432 is reachable from other machines: "
     "set admin.token (or admin.token_file, admin.token_env)"},
    {"listen: 127.0.0.1:8432\n", "admin.listen and listen are both 127.0.0.1:8432"},
    {"admin: /tmp/a\n", "w.yaml:1: admin.listen must be host:port, not a UNIX socket"},
    /* databases */
    {"databases:\n  app:\n    pool:\n      max_size: 1\n",
     "w.yaml:2: database \"app\" has no dsn, as in dsn: postgres://host/name"},
    {"databases:\n  app: \"sqlite:\"\n",
     "w.yaml:2: database \"app\": the SQLite DSN names no file, as in sqlite:demo.db"},
    {"databases:\n  weir: sqlite:x\n",
     "w.yaml:2: the name \"weir\" is that of the admin database: choose another"},
    {"databases:\n  a: sqlite:x\n  b: sqlite:x\n",
     "w.yaml:3: databases \"a\" and \"b\" are the same file"},
    {"databases:\n  a:\n    dsn: sqlite:x\n    primary: sqlite:y\n",
     "w.yaml:4: dsn and primary are both given: which is meant?"},
    {"databases:\n  a:\n    dsn: sqlite:x\n    password: y\n",
     "w.yaml:4: database \"a\": a SQLite file has no password"},
    {"databases:\n  a:\n    dsn: sqlite:x\n    pool:\n      min_size: 5\n      max_size: 2\n",
     "w.yaml:5: database \"a\": pool.min_size is 5, more than pool.max_size, 2"},
    {"databases:\n  a:\n    dsn_env: NO_SUCH\n",
     "w.yaml:3: dsn_env: the environment has no variable NO_SUCH"},
    {"databases:\n  a:\n    dsn_file: /none\n",
     "w.yaml:3: dsn_file: cannot read /none: No such file or directory"},
    {"databases:\n  \"\": sqlite:x\n", "w.yaml:2: a database needs a name"},
    {"databases:\n  \"a\\nb\": sqlite:x\n",
     "w.yaml:2: the database's name contains a control character"},
    /* users */
    {"users:\n  al:\n", "w.yaml:2: user \"al\" has no password: set password, password_file or "
                        "password_env"},
    {"users:\n  al: secret\n", NULL},
    {"auth.method: scram\n",
     "w.yaml:1: auth.method is scram and there are no users: nobody could log in"},
    {"users:\n  al:\n    password: md50123456789abcdef0123456789abcdef\n",
     "w.yaml:3: user \"al\": auth.method scram cannot check an md5 secret: use md5, or give the "
     "password or its SCRAM secret"},
    {"users:\n  al:\n    password: SCRAM-SHA-256$x\n",
     "w.yaml:3: user \"al\": the password begins like a SCRAM secret and is none"},
};

static int no_file(void *user, const char *path, weir_buf *out)
{
    (void)user;
    (void)path;
    (void)out;
    return -ENOENT;
}

static void test_config_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        weir_config *config = NULL;
        weir_error err = {0};
        weir_config_source source = {.file_name = "w.yaml",
                                     .file_text = weir_slice_cstr(files[i].text),
                                     .read_file = no_file};
        if (weir_config_load(&source, &config, &err) != -EINVAL)
            fail_msg("accepted: %s", files[i].text);
        assert_null(config);
        assert_string_equal(err.sqlstate, "F0000");
        if (files[i].message)
            assert_string_equal(err.message, files[i].message);
        else
            assert_memory_equal(err.message, "w.yaml:1", 6);
    }
}

static void expect(const weir_config_source *source, const char *message)
{
    weir_config *config = NULL;
    weir_error err = {0};
    assert_int_equal(weir_config_load(source, &config, &err), -EINVAL);
    assert_string_equal(err.message, message);
}

static void test_config_names_the_option(void **state)
{
    (void)state;
    static const broken settings[] = {
        {"pool.max_sise=5",
         "--set pool.max_sise: unknown key \"pool.max_sise\"; nearest known key: pool.max_size"},
        {"pool.max_size", "--set pool.max_size: must be KEY=VALUE, as in pool.max_size=20"},
        {"pool.max_size=", "--set pool.max_size: pool.max_size has no value"},
        {"=1", "--set : must be KEY=VALUE, as in pool.max_size=20"},
        {"databases.x=1",
         "--set databases.x: must be databases.NAME.KEY with a key of docs/configuration.md"},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *list[] = {settings[i].text, NULL};
        expect(&(weir_config_source){.settings = list}, settings[i].message);
    }
}

static void test_config_names_the_variable(void **state)
{
    (void)state;
    const char *wrong[] = {"WEIR_POOL_MAX_SIZE=none", NULL};
    expect(&(weir_config_source){.environment = wrong},
           "environment WEIR_POOL_MAX_SIZE: pool.max_size is \"none\", must be a whole number");
    const char *unknown[] = {"WEIR_POOL_MAX_SISE=1", NULL};
    expect(&(weir_config_source){.environment = unknown},
           "environment WEIR_POOL_MAX_SISE: no such setting; nearest known: WEIR_POOL_MAX_SIZE");
}

static void test_config_never_quotes_a_dsn(void **state)
{
    (void)state;
    weir_config *config = NULL;
    weir_error err = {0};
    weir_config_source source = {.dsn = "postgre://alice:hunter2@h/d"};
    assert_int_equal(weir_config_load(&source, &config, &err), -EINVAL);
    assert_null(strstr(err.message, "hunter2"));
    assert_non_null(strstr(err.message, "unknown scheme \"postgre:\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_says_what_is_wrong_and_where),
        cmocka_unit_test(test_config_names_the_option),
        cmocka_unit_test(test_config_names_the_variable),
        cmocka_unit_test(test_config_never_quotes_a_dsn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
