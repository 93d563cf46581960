/* Random bytes, mutated configurations and mutated DSNs: any error will do, no crash. Seeded, so
 * that a failure repeats. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { ROUNDS = 3000 };

static const char sample[] =
    "listen:\n  - 127.0.0.1:6432\n  - '[::1]:6432'\nadmin: {listen: 127.0.0.1:0, token: x}\n"
    "pool: {mode: session, max_size: 20, idle_timeout: 5m}\nmemory.max: 1GiB\n"
    "databases:\n  a:\n    dsn: postgres://u:p%40@[::1]:5432,h/d?sslmode=disable\n"
    "    pool:\n      min_size: 2\n  b: sqlite:x.db\n"
    "users:\n  \"al\\x41\":\n    password: >\n      folded\n    admin: true\nlog: {level: debug}\n"
    "cache: {memory: 64MiB, rules: [{table: 'a*', tags: [a, b]}, {user: u, ttl: 5s, bound: 1s}]}\n";

static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void try_text(const char *text, size_t len)
{
    weir_config *config = NULL;
    weir_error err = {0};
    weir_config_source source = {.file_name = "fuzz", .file_text = weir_slice_make(text, len)};
    int r = weir_config_load(&source, &config, &err);
    assert_true(r == 0 || (r == -EINVAL && err.message[0] != '\0' && !config));
    weir_config_free(config);
}

static void test_config_fuzz_random_bytes(void **state)
{
    (void)state;
    uint32_t seed = 1;
    char text[256];
    for (int i = 0; i < ROUNDS; i++) {
        size_t len = random_next(&seed) % sizeof(text);
        for (size_t j = 0; j < len; j++)
            text[j] = (char)random_next(&seed);
        try_text(text, len);
    }
}

/* Overwrites, deletes or doubles a few runs. */
static size_t mutate(char *text, size_t len, size_t size, uint32_t *seed)
{
    static const char syntax[] = "{}[]:,-#&*!|>'\"%@`\n \t?0a\\.";
    for (uint32_t n = 1 + random_next(seed) % 4; n > 0 && len > 8; n--) {
        size_t at = random_next(seed) % (len - 4), run = 1 + random_next(seed) % 4;
        uint32_t what = random_next(seed) % 3;
        if (what == 0) {
            text[at] = syntax[random_next(seed) % (sizeof(syntax) - 1)];
        } else if (what == 1) {
            memmove(text + at, text + at + run, len - at - run);
            len -= run;
        } else if (len + run < size) {
            memmove(text + at + run, text + at, len - at);
            len += run;
        }
    }
    return len;
}

static void test_config_fuzz_mutated_files(void **state)
{
    (void)state;
    uint32_t seed = 2;
    for (int i = 0; i < ROUNDS; i++) {
        char text[sizeof(sample) + 64];
        memcpy(text, sample, sizeof(sample));
        try_text(text, mutate(text, sizeof(sample) - 1, sizeof(text), &seed));
    }
}

static void test_config_fuzz_deep_nesting(void **state)
{
    (void)state;
    static const char *const openers[] = {"[", "{a: ", "- ", "? ", "pool: {", "databases: {a: ["};
    for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
        static char text[60000];
        size_t len = 0, step = strlen(openers[i]);
        for (; len + step < sizeof(text); len += step)
            memcpy(text + len, openers[i], step);
        try_text(text, len);
    }
}

static void test_config_fuzz_mutated_dsns(void **state)
{
    (void)state;
    static const char dsn[] = "postgres://u:p%40w@[::1]:5432,h:1,%2Ftmp/d?host=a,b&port=1,2&user=u";
    uint32_t seed = 3;
    for (int i = 0; i < 10 * ROUNDS; i++) {
        char text[sizeof(dsn) + 32];
        memcpy(text, dsn, sizeof(dsn));
        text[mutate(text, sizeof(dsn) - 1, sizeof(text) - 1, &seed)] = '\0';
        weir_arena arena;
        weir_arena_init(&arena, 1 << 20);
        weir_config_database db = {0};
        weir_error err = {0};
        int r = weir_config_dsn_parse(&arena, text, &db, &err);
        assert_true(r == 0 || err.message[0] != '\0');
        weir_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_fuzz_random_bytes),
        cmocka_unit_test(test_config_fuzz_mutated_files),
        cmocka_unit_test(test_config_fuzz_deep_nesting),
        cmocka_unit_test(test_config_fuzz_mutated_dsns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
