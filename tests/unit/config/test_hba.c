/* Rules of who may connect: their syntax, what is said about mistakes, and who is let in by which.
 */
#include "config/hba.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static weir_arena arena;

static int begin(void **state)
{
    (void)state;
    weir_arena_init(&arena, 64 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    weir_arena_fini(&arena);
    return 0;
}

static const weir_hba_rule *rules_of(const char *text)
{
    weir_hba_rules rules = {0};
    weir_error err = {0};
    if (weir_hba_read(&arena, "hba", weir_slice_cstr(text), &rules, &err) != 0)
        fail_msg("%s", err.message);
    return rules.first;
}

static weir_hba_visitor from(const char *ip, const char *database, const char *user)
{
    weir_hba_visitor v = {.database = database, .user = user, .local = !ip};
    if (ip)
        assert_int_equal(weir_hba_ip_parse(weir_slice_cstr(ip), &v.ip), 0);
    return v;
}

static unsigned line_for(const weir_hba_rule *rules, weir_hba_visitor v)
{
    const weir_hba_rule *rule = weir_hba_match(rules, &v);
    return rule ? rule->line : 0;
}

static void test_the_first_rule_that_matches_decides(void **state)
{
    (void)state;
    const weir_hba_rule *rules = rules_of("# who\n"
                                          "host all eve all reject\n"
                                          "host app,log /^svc_ 10.0.0.0/8 md5\n"
                                          "host sameuser all 10.0.0.0/8 scram-sha-256\n"
                                          "host \"all\" all 192.168.1.0 255.255.255.0 trust\n"
                                          "host all all ::1/128 password\n"
                                          "local all all peer map=m\n"
                                          "host replication all all trust\n");
    assert_int_equal(line_for(rules, from("10.1.2.3", "app", "eve")), 2);
    assert_int_equal(line_for(rules, from("10.1.2.3", "log", "svc_a")), 3);
    assert_int_equal(line_for(rules, from("10.1.2.3", "log", "a_svc_")), 0);
    assert_int_equal(line_for(rules, from("10.1.2.3", "ann", "ann")), 4);
    assert_int_equal(line_for(rules, from("11.1.2.3", "ann", "ann")), 0);
    assert_int_equal(line_for(rules, from("192.168.1.200", "all", "x")), 5);
    assert_int_equal(line_for(rules, from("192.168.1.200", "app", "x")), 0);
    assert_int_equal(line_for(rules, from("::1", "app", "x")), 6);
    assert_int_equal(line_for(rules, from("::2", "app", "x")), 0);
    assert_int_equal(line_for(rules, from("::ffff:10.1.2.3", "ann", "ann")), 4);
    assert_int_equal(line_for(rules, from(NULL, "app", "x")), 7);
    assert_int_equal(line_for(rules, from("10.1.2.3", "replication", "x")), 0);
}

static void test_types_tell_tls_apart(void **state)
{
    (void)state;
    const weir_hba_rule *rules = rules_of("hostssl all all all cert clientname=DN map=x\n"
                                          "hostnossl all all 127.0.0.1/32 trust\n"
                                          "host all all all md5 \n");
    weir_hba_visitor plain = from("127.0.0.1", "d", "u"), other = from("127.0.0.2", "d", "u");
    weir_hba_visitor tls = plain;
    tls.tls = true;
    assert_int_equal(line_for(rules, tls), 1);
    assert_int_equal(line_for(rules, plain), 2);
    assert_int_equal(line_for(rules, other), 3);
    assert_true(rules->by_dn);
    assert_int_equal(rules->clientcert, WEIR_HBA_CERT_VERIFY_FULL);
    assert_string_equal(rules->map, "x");
    assert_string_equal(rules->options_text, "clientname=DN map=x");
}

static bool ours(const weir_hba_ip *ip, bool whole_net)
{
    return ip->bytes[0] == 10 && (whole_net || ip->bytes[3] == 1);
}

static void test_samehost_and_samenet_ask(void **state)
{
    (void)state;
    const weir_hba_rule *rules =
        rules_of("host all all samehost trust\nhost all all samenet md5\n");
    weir_hba_visitor v = from("10.0.0.1", "d", "u");
    assert_int_equal(line_for(rules, v), 0);
    v.is_ours = ours;
    assert_int_equal(line_for(rules, v), 1);
    v.ip.bytes[3] = 2;
    assert_int_equal(line_for(rules, v), 2);
    v.ip.bytes[0] = 11;
    assert_int_equal(line_for(rules, v), 0);
}

static void test_words_quotes_comments_and_joined_lines(void **state)
{
    (void)state;
    const weir_hba_rule *rules = rules_of("local\t\"a \"\"b\"\" #\",  \"c,d\" all trust# end\r\n"
                                          "\n"
                                          "local all \\\n  all \\\n trust\n"
                                          "local x all trust");
    assert_string_equal(rules->databases->text, "a \"b\" #");
    assert_string_equal(rules->databases->next->text, "c,d");
    assert_null(rules->databases->next->next);
    assert_int_equal(rules->next->line, 3);
    assert_int_equal(rules->next->next->line, 6);
    assert_null(rules->next->next->next);
}

static void test_mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"host all all\n", "hba:1: a rule has type, database, user, address and method"},
        {"\nlocal all all\n", "hba:2: a rule has type, database, user and method"},
        {"hosst all all all trust\n",
         "hba:1: a rule begins with local, host, hostssl or hostnossl, not with \"hosst\""},
        {"host all all 10.0.0.0/33 md5\n", "hba:1: a prefix of 33 bits is longer than 32"},
        {"host all all 10.0.0.0/x md5\n", "hba:1: not a length of a network's prefix: \"x\""},
        {"host all all 10.0.0.0 md5\n",
         "hba:1: the address needs the length of its network, as in 10.0.0.0/32"},
        {"host all all 10.0.0.0 ::1 md5\n",
         "hba:1: the address and its mask are of different kinds"},
        {"host all all db.example.org md5\n",
         "hba:1: \"db.example.org\" is neither an address nor all, samehost or samenet (names of "
         "hosts are not supported)"},
        {"host all all 10.0.0.0 255.0.0.0\n", "hba:1: the rule has no method"},
        {"host all all all md6\n", "hba:1: the method \"md6\" is not supported; nearest: md5"},
        {"host all all all peer\n", "hba:1: peer is for the type local"},
        {"host all all all cert\n", "hba:1: cert is for the type hostssl"},
        {"host all all all md5 map=x\n", "hba:1: map is for the methods cert and peer"},
        {"hostssl all all all md5 clientcert=1\n",
         "hba:1: clientcert must be verify-ca or verify-full, not \"1\""},
        {"host all all all md5 x\n", "hba:1: an option must be NAME=VALUE, not \"x\""},
        {"host all all all md5 a=b\n", "hba:1: unknown option \"a\""},
        {"host all +admins all md5\n",
         "hba:1: Weir does not know who is a member of a role: \"+admins\""},
        {"host samerole all all md5\n",
         "hba:1: Weir does not know who is a member of a role: \"samerole\""},
        {"host all @users all md5\n",
         "hba:1: files of names are not supported: list the names instead of \"@users\""},
        {"include other\n", "hba:1: files inside files are not supported: \"include\""},
        {"host all /( all md5\n", "hba:1: not a regular expression: \"(\""},
        {"host \"all all all md5\n", "hba:1: a quote is not closed"},
        {"host a,,b all all md5\n", "hba:1: a name is missing beside a comma"},
        {"host a ,b all all md5\n", "hba:1: a name is missing beside a comma"},
        {"\x1b[31m\n",
         "hba:1: a rule begins with local, host, hostssl or hostnossl, not with \"?[31m\""},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        weir_hba_rules rules = {0};
        weir_error err = {0};
        int r = weir_hba_read(&arena, "hba", weir_slice_cstr(wrong[i][0]), &rules, &err);
        if (r != -EINVAL)
            fail_msg("accepted: %s", wrong[i][0]);
        assert_string_equal(err.message, wrong[i][1]);
        assert_string_equal(err.sqlstate, "F0000");
    }
}

/* Any network, written in any way: who is inside is let in, who differs in a bit of the prefix is
 * not. */
static void test_networks_hold_exactly_their_addresses(void **state)
{
    (void)state;
    srand(7);
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t ip = (uint32_t)rand() << 8 ^ (uint32_t)rand(), other;
        unsigned bits = (unsigned)rand() % 33, flip = (unsigned)rand() % 32;
        uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;
        char text[160], visitor[20];
        if (round % 2)
            snprintf(text, sizeof(text), "host all all %u.%u.%u.%u/%u trust", ip >> 24,
                     ip >> 16 & 255, ip >> 8 & 255, ip & 255, bits);
        else
            snprintf(text, sizeof(text), "host all all %u.%u.%u.%u %u.%u.%u.%u trust", ip >> 24,
                     ip >> 16 & 255, ip >> 8 & 255, ip & 255, mask >> 24, mask >> 16 & 255,
                     mask >> 8 & 255, mask & 255);
        other = ip ^ (1u << flip);
        snprintf(visitor, sizeof(visitor), "%u.%u.%u.%u", other >> 24, other >> 16 & 255,
                 other >> 8 & 255, other & 255);
        bool inside = ((ip ^ other) & mask) == 0;
        assert_int_equal(line_for(rules_of(text), from(visitor, "d", "u")), inside);
        weir_arena_reset(&arena);
    }
}

static bool allows(const char *text, const char *system, const char *user)
{
    weir_hba_maps maps = {0};
    weir_error err = {0};
    assert_int_equal(weir_hba_maps_read(&arena, "ident", weir_slice_cstr(text), &maps, &err), 0);
    return weir_hba_map_allows(maps.first, "m", system, user);
}

static void test_maps_translate_names(void **state)
{
    (void)state;
    const char *text = "m root postgres # the one\n"
                       "m /^(.*)@example\\.org$ \\1\n"
                       "m /^ops_ all\n"
                       "m /^x(y)?$ u_\\1_v\n"
                       "n other postgres\n";
    assert_true(allows(text, "root", "postgres"));
    assert_false(allows(text, "root", "root"));
    assert_false(allows(text, "other", "postgres"));
    assert_true(allows(text, "ann@example.org", "ann"));
    assert_false(allows(text, "ann@example.org", "bob"));
    assert_false(allows(text, "ann@exampleXorg", "ann"));
    assert_true(allows(text, "ops_1", "anybody"));
    assert_true(allows(text, "xy", "u_y_v"));
    assert_false(allows(text, "x", "u__v")); /* the group matched nothing */
    assert_true(weir_hba_map_allows(NULL, NULL, "ann", "ann"));
    assert_false(weir_hba_map_allows(NULL, NULL, "ann", "bob"));
    weir_hba_maps maps = {0};
    weir_error err = {0};
    assert_int_equal(weir_hba_maps_read(&arena, "ident", WEIR_SLICE_LIT("m a b c\n"), &maps, &err),
                     -EINVAL);
    assert_string_equal(err.message,
                        "ident:1: a line has a map's name, a system user and a database user");
}

typedef struct listed {
    char text[512];
    size_t len;
} listed;

static int list(void *of, weir_slice user, weir_slice password, unsigned line)
{
    listed *l = of;
    l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%u:%.*s=%.*s;", line,
                               (int)user.len, (const char *)user.data, (int)password.len,
                               (const char *)password.data);
    return 0;
}

static void test_userlist_as_pgbouncer_reads_it(void **state)
{
    (void)state;
    listed l = {0};
    weir_error err = {0};
    weir_slice text = WEIR_SLICE_LIT("\"ann\" \"s3cret\"\r\n"
                                     "; a comment\n"
                                     "\n"
                                     "# another\n"
                                     "  \"b\"\"b\"\t\"md5 x\" \"more\" left alone\n"
                                     "\"none\" \"\"");
    assert_int_equal(weir_userlist_read("users", text, list, &l, &err), 0);
    assert_string_equal(l.text, "1:ann=s3cret;5:b\"b=md5 x;6:none=;");
    static const char *const wrong[][2] = {
        {"ann secret\n", "users:1: a line must be \"user\" \"password\""},
        {"\n\"ann\"\n", "users:2: a line must be \"user\" \"password\""},
        {"\"ann\" \"sec\nret\"\n", "users:1: a quote is not closed"},
        {"\"\" \"x\"\n", "users:1: a user needs a name"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(weir_userlist_read("users", weir_slice_cstr(wrong[i][0]), list, &l, &err),
                         -EINVAL);
        assert_string_equal(err.message, wrong[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_rule_that_matches_decides, begin, end),
        cmocka_unit_test_setup_teardown(test_types_tell_tls_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_samehost_and_samenet_ask, begin, end),
        cmocka_unit_test_setup_teardown(test_words_quotes_comments_and_joined_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_mistakes_are_named_with_their_line, begin, end),
        cmocka_unit_test_setup_teardown(test_networks_hold_exactly_their_addresses, begin, end),
        cmocka_unit_test_setup_teardown(test_maps_translate_names, begin, end),
        cmocka_unit_test_setup_teardown(test_userlist_as_pgbouncer_reads_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
