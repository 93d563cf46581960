/* DSNs in each form, and what is said about broken ones. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* What is expected as one line: backend-specific parts, hosts as host|port. */
typedef struct example {
    const char *dsn;
    const char *parts;
    const char *shown;
} example;

static const example good[] = {
    {"sqlite:demo.db", "demo.db", "sqlite:demo.db"},
    {"sqlite:///var/a b.db", "/var/a b.db", "sqlite:/var/a b.db"},
    {"sqlite::memory:", ":memory:", "sqlite::memory:"},
    {"sqlite:/var/a.db", "/var/a.db", "sqlite:/var/a.db"},
    {"postgres://", "- - - /var/run/postgresql|5432 ", "postgres://%2Fvar%2Frun%2Fpostgresql:5432"},
    {"postgresql://u:p@h/d", "u p d h|5432 ", "postgres://u@h:5432/d"},
    {"postgres://u%40x:p%3a%2F@h:1/d%20e", "u@x p:/ d e h|1 ", "postgres://u%40x@h:1/d%20e"},
    {"postgres://u:p@ss@h/d", "u p@ss d h|5432 ", "postgres://u@h:5432/d"},
    {"postgres://a,b:2,[::1]:3,[fe80::1]/d", "- - d a|5432 b|2 ::1|3 fe80::1|5432 ",
     "postgres://a:5432,b:2,[::1]:3,[fe80::1]:5432/d"},
    {"postgres:///d?host=/tmp&port=7&user=u&password=p&sslmode=prefer", "u p d /tmp|7 ",
     "postgres://u@%2Ftmp:7/d"},
    {"postgres://%2Ftmp:8/d", "- - d /tmp|8 ", "postgres://%2Ftmp:8/d"},
    {"postgres://?port=1,2&host=a,b&dbname=x", "- - x a|1 b|2 ", "postgres://a:1,b:2/x"},
};

static void describe(const weir_config_database *db, char *out, size_t size)
{
    if (db->backend == WEIR_CONFIG_SQLITE) {
        snprintf(out, size, "%s", db->path);
        return;
    }
    int n = snprintf(out, size, "%s %s %s ", db->user ? db->user : "-",
                     db->password ? db->password : "-", db->dbname ? db->dbname : "-");
    for (unsigned i = 0; i < db->host_count; i++)
        n += snprintf(out + n, size - (size_t)n, "%s|%u ", db->hosts[i].host, db->hosts[i].port);
}

static void test_dsn_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        weir_arena arena;
        weir_arena_init(&arena, 1 << 20);
        weir_config_database db = {0};
        weir_error err = {0};
        if (weir_config_dsn_parse(&arena, good[i].dsn, &db, &err) != 0)
            fail_msg("%s: %s", good[i].dsn, err.message);
        char parts[512];
        describe(&db, parts, sizeof(parts));
        assert_string_equal(parts, good[i].parts);
        assert_string_equal(db.dsn_shown, good[i].shown);
        weir_arena_fini(&arena);
    }
}

static const char *const bad[][2] = {
    {"", "no scheme"},
    {"demo.db", "no scheme"},
    {"mysql://x", "unknown scheme \"mysql:\""},
    {"sqlite:", "names no file"},
    {"sqlite://x", "sqlite:///ABSOLUTE/PATH"},
    {"sqlite:a?mode=ro", "no options"},
    {"postgres://h:x/d", "port"},
    {"postgres://h:0/d", "port"},
    {"postgres://h:65536/d", "port"},
    {"postgres://h:99999999999/d", "port"},
    {"postgres://[::1/d", "IPv6"},
    {"postgres://[::1]x/d", "IPv6"},
    {"postgres://h%/d", "hexadecimal"},
    {"postgres://h%4/d", "hexadecimal"},
    {"postgres://h%00/d", "hexadecimal"},
    {"postgres://a,/d", "comma"},
    {"postgres://h/d?sslmode=yes", "must be disable, allow, prefer, require"},
    {"postgres://h/d?sslnegotiation=tls", "must be postgres or direct"},
    {"postgres://h/d?sslsni=on", "must be 0 or 1"},
    {"postgres://h/d?ssl_min_protocol_version=1.2", "must be TLSv1,"},
    {"postgres://h/d?channel_binding=maybe", "must be disable, prefer or require"},
    {"postgres://h/d?channel_bindings=prefer", "unknown option \"channel_bindings\""},
    {"postgres://h/d?sslcompression=1", "unknown option \"sslcompression\""},
    {"postgres://h/d?sslcert=%0", "hexadecimal"},
    {"postgres://h/d?x", "no ="},
    {"postgres://h/d?nope=1", "unknown option \"nope\""},
    {"postgres://a,b/d?port=1,2,3", "as many ports"},
    {"postgres://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/d", "more than 16 hosts"},
};

static void test_dsn_errors_say_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        weir_arena arena;
        weir_arena_init(&arena, 1 << 20);
        weir_config_database db = {0};
        weir_error err = {0};
        if (weir_config_dsn_parse(&arena, bad[i][0], &db, &err) != -EINVAL)
            fail_msg("accepted: %s", bad[i][0]);
        if (!strstr(err.message, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], err.message);
        weir_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dsn_forms),
        cmocka_unit_test(test_dsn_errors_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
