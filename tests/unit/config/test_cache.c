/* The keys of `cache` and its rules: what they mean, what is said of broken ones, how they print.
 */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int try_load(const char *text, weir_config **ret, weir_error *err)
{
    weir_config_source source = {.file_name = "w.yaml", .file_text = weir_slice_cstr(text)};
    return weir_config_load(&source, ret, err);
}

static weir_config *load(const char *text)
{
    weir_config *config = NULL;
    weir_error err = {0};
    if (try_load(text, &config, &err) != 0)
        fail_msg("%s", err.message);
    return config;
}

static void refused(const char *text, const char *message)
{
    weir_config *config = NULL;
    weir_error err = {0};
    assert_int_equal(try_load(text, &config, &err), -EINVAL);
    assert_null(config);
    assert_string_equal(err.message, message);
}

static void test_cache_is_on_and_strict_by_default(void **state)
{
    (void)state;
    weir_config *c = load("");
    assert_true(c->cache.enabled);
    assert_false(c->cache.whole_tables);
    assert_int_equal(c->cache.policy, WEIR_CONFIG_S3FIFO);
    assert_int_equal(c->cache.memory, 128u << 20);
    assert_int_equal(c->cache.entries, 0);
    assert_int_equal(c->cache.entry_size, 1u << 20);
    assert_true(c->cache.ttl == 0);
    assert_true(c->cache.bound == WEIR_SECOND);
    assert_int_equal(c->cache.consistency, WEIR_CONFIG_STRICT);
    assert_true(c->cache.flight_wait == WEIR_SECOND);
    assert_int_equal(c->cache.slots, 262144);
    assert_int_equal(c->cache.rule_count, 0);
    weir_config_free(c);
}

static void test_cache_keys_take_their_values(void **state)
{
    (void)state;
    weir_config *c = load("cache:\n  enabled: no\n  granularity: table\n  policy: adaptive\n"
                          "  memory: 64MiB\n  entries: 1000\n  entry_size: 2KiB\n  ttl: 5m\n"
                          "  bound: 200ms\n  consistency: session\n  flight_wait: 0\n"
                          "  slots: 5000\n");
    assert_false(c->cache.enabled);
    assert_true(c->cache.whole_tables);
    assert_int_equal(c->cache.policy, WEIR_CONFIG_ADAPTIVE);
    assert_int_equal(c->cache.memory, 64u << 20);
    assert_int_equal(c->cache.entries, 1000);
    assert_int_equal(c->cache.entry_size, 2048);
    assert_true(c->cache.ttl == 300 * WEIR_SECOND);
    assert_true(c->cache.bound == 200 * WEIR_MS);
    assert_int_equal(c->cache.consistency, WEIR_CONFIG_OF_SESSION);
    assert_true(c->cache.flight_wait == 0);
    assert_int_equal(c->cache.slots, 5000);
    weir_config_free(c);
}

static void test_cache_takes_a_quarter_of_a_small_memory(void **state)
{
    (void)state;
    weir_config *c = load("memory.max: 64MiB\n");
    assert_int_equal(c->cache.memory, 16u << 20);
    weir_config_free(c);
    c = load("memory.max: 64MiB\ncache.memory: 48MiB\n");
    assert_int_equal(c->cache.memory, 48u << 20);
    weir_config_free(c);
    c = load("memory.max: 64MiB\ncache: {memory: 64MiB, enabled: false}\n");
    weir_config_free(c);
}

static const char rules[] =
    "cache:\n"
    "  rules:\n"
    "    - table: audit_*\n"
    "      cache: false\n"
    "    - {template: \"select * from \\\"T\\\"*\", ttl: 1m, tags: [a, b]}\n"
    "    - {user: reports, database: app, consistency: bounded, bound: 30s}\n"
    "    - {table: \"*\", cache: on, tags: ' x , y:1 '}\n";

static void test_cache_rules_are_kept_in_order(void **state)
{
    (void)state;
    weir_config *c = load(rules);
    const weir_config_cache_rule *r = c->cache.rules;
    assert_int_equal(c->cache.rule_count, 4);
    assert_string_equal(r[0].table, "audit_*");
    assert_int_equal(r[0].cache, WEIR_CONFIG_RULE_BYPASS);
    assert_null(r[0].template);
    assert_null(r[0].user);
    assert_null(r[0].database);
    assert_null(r[0].tags);
    assert_string_equal(r[1].template, "select * from \"T\"*");
    assert_int_equal(r[1].cache, WEIR_CONFIG_RULE_UNSET);
    assert_true(r[1].ttl == 60 * WEIR_SECOND);
    assert_string_equal(r[1].tags, "a,b");
    assert_int_equal(r[1].consistency, WEIR_CONFIG_CONSISTENCY_UNSET);
    assert_string_equal(r[2].user, "reports");
    assert_string_equal(r[2].database, "app");
    assert_int_equal(r[2].consistency, WEIR_CONFIG_BOUNDED);
    assert_true(r[2].bound == 30 * WEIR_SECOND);
    assert_int_equal(r[3].cache, WEIR_CONFIG_RULE_CACHE);
    assert_string_equal(r[3].tags, "x,y:1");
    weir_config_free(c);
}

static void test_cache_rules_print_and_load_again(void **state)
{
    (void)state;
    weir_buf first, second;
    weir_buf_init(&first, 1 << 20);
    weir_buf_init(&second, 1 << 20);
    weir_config *c = load(rules);
    assert_int_equal(weir_config_print(c, &first), 0);
    weir_config_free(c);
    assert_int_equal(weir_buf_append_u8(&first, 0), 0);
    assert_non_null(
        strstr((char *)first.data, "  rules: [\n      {table: \"audit_*\", cache: false},\n"));
    c = load((char *)first.data);
    assert_int_equal(c->cache.rule_count, 4);
    assert_int_equal(weir_config_print(c, &second), 0);
    assert_int_equal(weir_buf_append_u8(&second, 0), 0);
    assert_string_equal((char *)first.data, (char *)second.data);
    weir_buf_fini(&first);
    weir_buf_fini(&second);
    weir_config_free(c);
}

static void on_key(void *user, const char *key, const char *value, const char *fallback,
                   bool reloadable)
{
    if (strcmp(key, "cache.rules") != 0)
        return;
    *(unsigned *)user += 1;
    assert_string_equal(value, "[{table: \"t\", ttl: 2s}, {user: \"u\", cache: true}]");
    assert_string_equal(fallback, "none");
    assert_true(reloadable);
}

static void test_cache_rules_are_shown_among_the_keys(void **state)
{
    (void)state;
    unsigned seen = 0;
    weir_config *c = load("cache:\n  rules: [{table: t, ttl: 2s}, {user: u, cache: yes}]\n");
    weir_config_each(c, on_key, &seen);
    assert_int_equal(seen, 1);
    weir_config_free(c);
}

static void test_cache_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    refused("cache:\n  polocy: lru\n",
            "w.yaml:2: unknown key \"cache.polocy\"; nearest known key: cache.policy");
    refused("cache:\n  rulez: []\n",
            "w.yaml:2: unknown key \"cache.rulez\"; nearest known key: cache.rules");
    refused("cache:\n  policy: fifo\n",
            "w.yaml:2: cache.policy is \"fifo\", must be one of s3-fifo, lru, lfu, adaptive");
    refused("cache.bound: 0\n", "w.yaml:1: cache.bound is 0, must be from 10ms to 1h");
    refused("memory.max: 256MiB\n\ncache.memory: 512MiB\n",
            "w.yaml:3: cache.memory is 512MiB and does not fit in memory.max, 256MiB");
    refused("cache:\n  memory: 2MiB\n  entry_size: 4MiB\n",
            "w.yaml:3: cache.entry_size is 4MiB and does not fit in cache.memory, 2MiB");
}

static void test_cache_rules_say_what_is_wrong_and_where(void **state)
{
    (void)state;
    refused("cache:\n  rules: 5\n",
            "w.yaml:2: cache.rules must be a list of mappings, not a single value");
    refused("cache:\n  rules:\n    - a\n",
            "w.yaml:3: cache.rules must be a list of mappings, not a single value");
    refused("cache:\n  rules:\n    - table: t\n      tll: 5s\n",
            "w.yaml:4: unknown key \"cache.rules[1].tll\"; nearest known key: cache.rules[1].ttl");
    refused("cache:\n  rules:\n    - {table: t, cache: no}\n    - {table: t, table: u}\n",
            "w.yaml:4: cache.rules[2].table is given twice, first on line 4");
    refused("cache.rules: [{table: t, ttl: 5}]\n",
            "w.yaml:1: ttl is \"5\", must be a duration: a whole number and one of ms, s, m, h, as "
            "in 30s");
    refused("cache.rules: [{table: t, ttl: 0}]\n", "w.yaml:1: ttl is 0, must be from 1ms to 8760h");
    refused("cache.rules: [{table: t, cache: maybe}]\n",
            "w.yaml:1: cache is \"maybe\", must be one of true, false");
    refused("cache.rules: [{table: [a, b], cache: true}]\n",
            "w.yaml:1: table must be a single value, not a list");
    refused("\ncache.rules: [{cache: false}]\n",
            "w.yaml:2: rule 1 of cache.rules says about nothing: add table, template, user or "
            "database (\"*\" is any)");
    refused(
        "cache.rules: [{table: t}]\n",
        "w.yaml:1: rule 1 of cache.rules says nothing: add cache, ttl, tags, consistency, bound, "
        "stale_if_error, stale_while_revalidate or refresh_ahead");
    refused("cache.rules: [{table: t, cache: false, ttl: 1s}]\n",
            "w.yaml:1: rule 1 of cache.rules has cache: false, which leaves nothing for ttl, tags, "
            "consistency, bound and strategies to do");
    refused("cache.rules: [{table: t, ttl: 10s, refresh_ahead: 10s}]\n",
            "w.yaml:1: rule 1 of cache.rules has a refresh_ahead that is not below its ttl");
    refused("cache.rules: [{table: t, refresh_ahead: 10s}]\n",
            "w.yaml:1: rule 1 of cache.rules has a refresh_ahead that is not below its ttl");
    refused("cache.rules: [{table: t, tags: 'a,,b'}]\n", "w.yaml:1: tags: a tag is empty");
    refused("cache.rules: [{table: t, tags: [a b]}]\n",
            "w.yaml:1: tags: \"a b\" contains a space or a control character");
    refused("cache.rules: [{user: *, cache: true}]\n",
            "w.yaml:1: not valid YAML: did not find expected alphabetic or numeric character while "
            "scanning an alias; a text that begins with * needs quotes");
}

static void test_cache_rules_come_from_the_file_alone(void **state)
{
    (void)state;
    weir_config *config = NULL;
    weir_error err = {0};
    const char *settings[] = {"cache.rules=[{table: t}]", NULL};
    assert_int_equal(weir_config_load(&(weir_config_source){.settings = settings}, &config, &err),
                     -EINVAL);
    assert_string_equal(err.message, "--set cache.rules: cache.rules is a list of mappings: only "
                                     "the file can give it");
    const char *environment[] = {"WEIR_CACHE_MEMROY=1MiB", NULL};
    assert_int_equal(
        weir_config_load(&(weir_config_source){.environment = environment}, &config, &err),
        -EINVAL);
    assert_string_equal(err.message, "environment WEIR_CACHE_MEMROY: no such setting; nearest "
                                     "known: WEIR_CACHE_MEMORY");
}

static void test_cache_rules_are_bounded(void **state)
{
    (void)state;
    static char text[64 * 1024];
    size_t n = (size_t)snprintf(text, sizeof(text), "cache:\n  rules:\n");
    for (unsigned i = 0; i < 1001; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "  - {table: t%u, ttl: 1s}\n", i);
    refused(text, "w.yaml:1003: cache.rules has more than 1000 rules");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_is_on_and_strict_by_default),
        cmocka_unit_test(test_cache_keys_take_their_values),
        cmocka_unit_test(test_cache_takes_a_quarter_of_a_small_memory),
        cmocka_unit_test(test_cache_rules_are_kept_in_order),
        cmocka_unit_test(test_cache_rules_print_and_load_again),
        cmocka_unit_test(test_cache_rules_are_shown_among_the_keys),
        cmocka_unit_test(test_cache_says_what_is_wrong_and_where),
        cmocka_unit_test(test_cache_rules_say_what_is_wrong_and_where),
        cmocka_unit_test(test_cache_rules_come_from_the_file_alone),
        cmocka_unit_test(test_cache_rules_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
