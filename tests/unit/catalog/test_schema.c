/* A schema built by hand: which relations' answers may be kept and why not, what a write changes,
 * what views read, what names are believed. notes/cache-rule-proofs.md rows 18-20, 22, 23, 38. */
#include "catalog/schema_build.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S(text) WEIR_SLICE_LIT(text)

/* Oids of pg_catalog, as the server has them. */
enum { INT4 = 23, TEXT = 25, REGCLASS = 2205, INT4EQ = 65, NOW = 1299, TO_CHAR = 1770 };
enum { OF_USERS = 20000, EMAIL, EVIL, SHAPE };

typedef struct table {
    uint32_t oid;
    const char *name;
    char kind, persistence;
    bool policies, partition, identity, published, whole;
} table;

static const table tables[] = {
    {1259, "pg_class", 'r', 'p', false, false, false, false, false},
    {30000, "sound", 'r', 'p', false, false, true, true, true},
    {30001, "keyless", 'r', 'p', false, false, false, true, true},
    {30002, "apart", 'r', 'p', false, false, true, false, false},
    {30003, "filtered", 'r', 'p', false, false, true, true, false},
    {30004, "secret", 'r', 'p', true, false, true, true, true},
    {30005, "quick", 'r', 'u', false, false, true, true, true},
    {30006, "kept_result", 'm', 'p', false, false, false, false, false},
    {30007, "numbers", 'S', 'p', false, false, false, false, false},
    {30008, "far", 'f', 'p', false, false, false, false, false},
    {30009, "parts", 'p', 'p', false, false, false, true, true},
    {30010, "part", 'r', 'p', false, true, true, false, false},
    {30011, "parts_ill", 'p', 'p', false, false, false, true, true},
    {30012, "part_ill", 'r', 'u', false, true, true, false, false},
    {30013, "child_table", 'r', 'p', false, false, true, true, true},
    {30014, "grandchild", 'r', 'p', false, false, true, true, true},
    {30020, "good_view", 'v', 'p', false, false, false, false, false},
    {30021, "outer_view", 'v', 'p', false, false, false, false, false},
    {30022, "timed_view", 'v', 'p', false, false, false, false, false},
    {30023, "evil_view", 'v', 'p', false, false, false, false, false},
    {30024, "secret_view", 'v', 'p', false, false, false, false, false},
    {30025, "odd_view", 'v', 'p', false, false, false, false, false},
    {30026, "system_view", 'v', 'p', false, false, false, false, false},
    {30027, "named_view", 'v', 'p', false, false, false, false, false},
};

static const weir_schema_type_fact types[] = {
    {INT4, S("pg_catalog"), S("int4"), {0}, 'b', 'N', 0, false},
    {TEXT, S("pg_catalog"), S("text"), {0}, 'b', 'S', 0, false},
    {REGCLASS, S("pg_catalog"), S("regclass"), {0}, 'b', 'N', 0, false},
    {EMAIL, S("app"), S("email"), {0}, 'd', 'S', TEXT, true},
    {SHAPE, S("app"), S("shape"), {0}, 'b', 'U', 0, false},
};

static const weir_schema_function_fact functions[] = {
    {INT4EQ, S("pg_catalog"), S("int4eq"), {0}, 'i', {0}},
    {NOW, S("pg_catalog"), S("now"), {0}, 's', {0}},
    {TO_CHAR, S("pg_catalog"), S("to_char"), {0}, 's', {0}},
    {1317, S("pg_catalog"), S("length"), {0}, 'i', {0}},
    {870, S("pg_catalog"), S("lower"), {0}, 'i', {0}},
    {EVIL, S("app"), S("evil"), {0}, 'i', S("23")},
    {20100, S("app"), S("length"), {0}, 'i', S("20003")}, /* of a shape: out of reach */
    {20101, S("app"), S("lower"), {0}, 'i', S("25")},
    {20102, S("public"), S("similarity"), S("pg_trgm"), 'i', S("25 25")},
};

static const weir_schema_operator_fact operators[] = {
    {96, INT4, INT4, INT4EQ, S("=")},
    {20200, SHAPE, SHAPE, EVIL, S("=")},
    {20201, INT4, INT4, EVIL, S("@@@")},
};

static const struct {
    uint32_t view;
    char event;
    weir_slice tree;
} rules[] = {
    {30020, '1', S("QUERY RTE VAR OPEXPR operator=96 relid=30000 relid=30020 type=23")},
    {30021, '1', S("QUERY RTE relid=30020 relid=30009 function=1770 FUNCEXPR")},
    {30022, '1', S("QUERY RTE relid=30000 FUNCEXPR function=1299")},
    {30023, '1', S("QUERY RTE relid=30000 FUNCEXPR function=20002")},
    {30024, '1', S("QUERY RTE relid=30004")},
    {30025, '1', S("QUERY RTE relid=30000 SQLVALUEFUNCTION")},
    {30026, '1', S("QUERY RTE relid=1259")},
    {30027, '1', S("QUERY RTE relid=30000 COERCEVIAIO type=2205")},
    {30013, '3', S("QUERY RTE relid=30013 relid=30002")},
};

static int add_tables(weir_schema_builder *b)
{
    int r = 0;
    for (size_t i = sizeof(tables) / sizeof(*tables); i-- > 0 && r == 0;) {
        const table *t = &tables[i];
        r = weir_schema_add_relation(
            b, &(weir_schema_relation_fact){t->oid, t->oid < 16384 ? S("pg_catalog") : S("app"),
                                            weir_slice_cstr(t->name), t->kind, t->persistence,
                                            t->policies, t->partition, t->identity, t->published,
                                            t->whole, t->oid == 30000});
        for (uint32_t n = 3; n > 0 && r == 0; n--) {
            static const weir_slice names[] = {S("id"), S("mail"), S("made")};
            static const uint32_t of[] = {INT4, EMAIL, INT4};
            bool made = n == 3 || (n == 1 && t->oid == 30010); /* its id is generated */
            r = weir_schema_add_column(
                b, &(weir_schema_column_fact){t->oid, of[n - 1], n, names[n - 1], true, made});
        }
    }
    return r;
}

static int add_rest(weir_schema_builder *b)
{
    int r = 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types) && r == 0; i++)
        r = weir_schema_add_type(b, &types[i]);
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions) && r == 0; i++)
        r = weir_schema_add_function(b, &functions[i]);
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators) && r == 0; i++)
        r = weir_schema_add_operator(b, &operators[i]);
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && r == 0; i++)
        r = weir_schema_add_rule(b, rules[i].view, rules[i].event, rules[i].tree);
    if (r == 0)
        r = weir_schema_add_child(b, 30010, 30009);
    if (r == 0)
        r = weir_schema_add_child(b, 30012, 30011);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30000, 30013, true);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30013, 30014, true);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30014, 30010, true);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30014, 30013, true);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30001, 30005, false);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30001, 30003, true);
    if (r == 0)
        r = weir_schema_add_cascade(b, 30003, 30001, false);
    return r;
}

static int add_settings(weir_schema_builder *b)
{
    static const weir_server_default defaults[] = {
        {{0}, S("alice"), S("search_path=of_alice")},
        {S("db"), {0}, S("search_path=of_db")},
        {S("other"), S("bob"), S("search_path=of_other")},
        {{0}, S("reader"), S("work_mem=1")},
    };
    int r = 0;
    for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults) && r == 0; i++)
        r = weir_schema_add_default(b, &defaults[i]);
    if (r == 0)
        r = weir_schema_add_setting(b, S("DateStyle"), S("ISO"));
    if (r == 0)
        r = weir_schema_add_setting(b, S("work_mem"), S("1"));
    for (uint32_t i = 0; i < 3 && r == 0; i++) {
        static const weir_slice names[] = {S("zoe"), S("alice"), S("staff")};
        r = weir_schema_add_role(b,
                                 &(weir_schema_role_fact){100 + i, names[i], false, false, true});
    }
    if (r == 0)
        r = weir_schema_add_member(b, 101, 102);
    if (r == 0)
        r = weir_schema_add_namespace(b, S("app"));
    if (r == 0)
        r = weir_schema_set_database(b, S("db"), S("reader"), true);
    if (r == 0)
        r = weir_schema_set_publication(b, S("weir"));
    weir_schema_set_fingerprint(b, 1, 2);
    return r;
}

static int build(size_t size_max, weir_schema **ret)
{
    weir_schema_builder *b = NULL;
    int r = weir_schema_builder_new(size_max, &b);
    if (r == 0)
        r = add_tables(b);
    if (r == 0)
        r = add_rest(b);
    if (r == 0)
        r = add_settings(b);
    if (r == 0)
        r = weir_schema_finish(b, NULL, ret);
    weir_schema_builder_free(b);
    return r;
}

static weir_schema *schema(void)
{
    weir_schema *s = NULL;
    assert_int_equal(build((size_t)16 << 20, &s), 0);
    assert_string_equal(weir_schema_partial(s), "");
    return s;
}

static const weir_schema_relation *find(const weir_schema *s, const char *name)
{
    const weir_schema_relation *r = weir_schema_find(s, S("app"), weir_slice_cstr(name));
    assert_non_null(r);
    return r;
}

static void test_a_relation_is_refused_for_what_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        weir_schema_flaw flaw;
    } cases[] = {
        {"sound", WEIR_SCHEMA_SOUND},
        {"keyless", WEIR_SCHEMA_NO_IDENTITY},
        {"apart", WEIR_SCHEMA_UNPUBLISHED},
        {"filtered", WEIR_SCHEMA_UNPUBLISHED},
        {"secret", WEIR_SCHEMA_POLICIES},
        {"quick", WEIR_SCHEMA_UNLOGGED},
        {"kept_result", WEIR_SCHEMA_UNPUBLISHED},
        {"numbers", WEIR_SCHEMA_SYSTEM},
        {"far", WEIR_SCHEMA_UNLOGGED},
        {"parts", WEIR_SCHEMA_SOUND},
        {"part", WEIR_SCHEMA_SOUND},
        {"parts_ill", WEIR_SCHEMA_UNLOGGED},
        {"good_view", WEIR_SCHEMA_SOUND},
        {"outer_view", WEIR_SCHEMA_SOUND},
        {"timed_view", WEIR_SCHEMA_DISBELIEVED},
        {"evil_view", WEIR_SCHEMA_DISBELIEVED},
        {"secret_view", WEIR_SCHEMA_POLICIES},
        {"odd_view", WEIR_SCHEMA_DISBELIEVED},
        {"system_view", WEIR_SCHEMA_SYSTEM},
        {"named_view", WEIR_SCHEMA_DISBELIEVED},
    };
    weir_schema *s = schema();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const weir_schema_relation *r = find(s, cases[i].name);
        if (r->flaw != cases[i].flaw)
            fail_msg("%s: flaw %d (%s), expected %d", cases[i].name, (int)r->flaw, r->words,
                     (int)cases[i].flaw);
        assert_true((r->flaw == WEIR_SCHEMA_SOUND) == (r->words[0] == '\0'));
    }
    assert_null(weir_schema_find(s, S("app"), S("nothing")));
    assert_ptr_equal(weir_schema_find_oid(s, 30000), find(s, "sound"));
    weir_schema_free(s);
}

static bool lists(const weir_schema *s, const uint32_t *at, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (weir_schema_at(s, at[i]) == find(s, name))
            return true;
    return false;
}

static void test_what_a_write_changes_is_followed_all_the_way(void **state)
{
    (void)state;
    weir_schema *s = schema();
    const weir_schema_relation *r = find(s, "sound");
    static const char *const all[] = {"child_table", "grandchild", "part", "parts", "apart"};
    for (size_t i = 0; i < 5; i++)
        assert_true(lists(s, r->cascades, r->cascade_count, all[i]));
    assert_int_equal(r->cascade_count, 5);
    assert_true(r->unknown_writes); /* no catalog of effects was given */
    assert_true(r->alters && !r->comes_back);
    r = find(s, "child_table");
    assert_true(r->comes_back && !r->alters);
    assert_true(find(s, "grandchild")->comes_back && !find(s, "parts")->comes_back);
    r = find(s, "good_view");
    assert_true(lists(s, r->cascades, r->cascade_count, "sound"));
    r = find(s, "parts");
    assert_true(lists(s, r->cascades, r->cascade_count, "part"));
    assert_true(r->has_descendants);
    r = find(s, "part");
    assert_int_equal(r->ancestor_count, 1);
    assert_true(lists(s, r->ancestors, r->ancestor_count, "parts"));
    assert_int_equal(r->cascade_count, 0);
    weir_schema_free(s);
}

/* Actions on deletes are none of an UPDATE's (proofs, row 15). */
static void test_what_an_update_changes_stands_first(void **state)
{
    (void)state;
    weir_schema *s = schema();
    const weir_schema_relation *r = find(s, "keyless");
    assert_true(r->cascade_count == 2 && r->update_count == 1);
    assert_true(lists(s, r->cascades, r->update_count, "filtered"));
    assert_true(r->comes_back && !r->update_comes_back);
    r = find(s, "filtered");
    assert_true(r->cascade_count == 2 && r->update_count == 0);
    /* A rule may delete, and so does a row's way to another partition, to some servers. */
    r = find(s, "sound");
    assert_int_equal(r->update_count, r->cascade_count);
    r = find(s, "child_table");
    assert_true(r->update_count == r->cascade_count && r->update_comes_back);
    r = find(s, "good_view");
    assert_true(lists(s, r->cascades, r->update_count, "sound"));
    r = find(s, "parts");
    assert_int_equal(r->update_count, 1);
    weir_schema_free(s);
}

static void test_a_view_reads_tables_through_views(void **state)
{
    (void)state;
    weir_schema *s = schema();
    const weir_schema_relation *r = find(s, "outer_view");
    assert_int_equal(r->read_count, 2);
    assert_true(lists(s, r->reads, r->read_count, "sound"));
    assert_true(lists(s, r->reads, r->read_count, "parts"));
    weir_schema_free(s);
}

/* Proofs 18 and 19. */
static void test_keys_are_columns_with_canonical_bytes_that_all_below_report(void **state)
{
    (void)state;
    weir_schema *s = schema();
    const weir_schema_relation *r = find(s, "sound");
    assert_int_equal(r->column_count, 3);
    assert_true(weir_slice_eq_cstr(r->columns[0].name, "id"));
    assert_int_equal(r->columns[0].key, WEIR_KEY_PG_INTEGER);
    assert_int_equal(r->columns[1].key, WEIR_KEY_PG_TEXT); /* a domain over it */
    assert_int_equal(r->columns[2].key, WEIR_KEY_NONE);    /* generated */
    assert_true(r->columns[1].believed);
    r = find(s, "parts");
    assert_int_equal(r->columns[0].key, WEIR_KEY_NONE); /* generated in a partition */
    assert_int_equal(r->columns[1].key, WEIR_KEY_PG_TEXT);
    weir_schema_free(s);
}

/* Proof 38. */
static void test_names_are_as_good_as_the_worst_that_they_may_mean(void **state)
{
    (void)state;
    weir_schema *s = schema();
    const weir_slice any = {0};
    assert_int_equal(weir_schema_function(s, any, S("int4eq")), WEIR_TRUST_STEADY);
    assert_int_equal(weir_schema_function(s, any, S("to_char")), WEIR_TRUST_SETTINGS);
    assert_int_equal(weir_schema_function(s, any, S("now")), WEIR_TRUST_VOLATILE);
    assert_int_equal(weir_schema_function(s, any, S("evil")), WEIR_TRUST_NONE);
    assert_int_equal(weir_schema_function(s, any, S("nothing")), WEIR_TRUST_NONE);
    assert_int_equal(weir_schema_function(s, any, S("lower")), WEIR_TRUST_NONE);
    assert_int_equal(weir_schema_function(s, S("pg_catalog"), S("lower")), WEIR_TRUST_STEADY);
    assert_int_equal(weir_schema_function(s, any, S("length")), WEIR_TRUST_STEADY);
    assert_int_equal(weir_schema_function(s, any, S("similarity")), WEIR_TRUST_STEADY);
    assert_int_equal(weir_schema_operator(s, S("=")), WEIR_TRUST_STEADY);
    assert_int_equal(weir_schema_operator(s, S("@@@")), WEIR_TRUST_NONE);
    assert_int_equal(weir_schema_type(s, any, S("int4")), WEIR_TRUST_SETTINGS);
    assert_int_equal(weir_schema_type(s, any, S("regclass")), WEIR_TRUST_NONE);
    assert_int_equal(weir_schema_type(s, any, S("email")), WEIR_TRUST_NONE); /* it has a check */
    assert_int_equal(weir_schema_type(s, any, S("shape")), WEIR_TRUST_NONE);
    assert_true(weir_schema_equality_is_builtin(s));
    assert_false(weir_schema_has_foreign_casts(s));
    assert_true(weir_schema_has_namespace(s, S("app")));
    assert_false(weir_schema_has_namespace(s, S("int4")));
    weir_schema_free(s);
}

static void expect_default(const weir_schema *s, const char *user, const char *setting,
                           const char *value)
{
    weir_slice got = {0};
    bool known = weir_schema_default(s, weir_slice_cstr(user), setting, &got);
    assert_int_equal(known, value != NULL);
    if (value && !weir_slice_eq_cstr(got, value))
        fail_msg("%s of %s: %.*s", setting, user, (int)got.len, (const char *)got.data);
}

static void test_a_new_sessions_settings_are_known_or_said_to_be_not(void **state)
{
    (void)state;
    weir_schema *s = schema();
    expect_default(s, "alice", "search_path", "of_alice");
    expect_default(s, "bob", "search_path", "of_db"); /* his own is of another database */
    expect_default(s, "bob", "datestyle", "ISO");
    expect_default(s, "reader", "work_mem", "1");
    expect_default(s, "bob", "work_mem", NULL); /* the reader's hides what is below it */
    expect_default(s, "bob", "nothing", NULL);
    assert_true(weir_schema_role(s, S("alice")) != 0);
    assert_true(weir_schema_role(s, S("alice")) != weir_schema_role(s, S("zoe")));
    assert_int_equal(weir_schema_role(s, S("nobody")), 0);
    weir_schema_free(s);
}

static void test_a_schema_in_part_knows_nothing(void **state)
{
    (void)state;
    weir_schema *s = NULL;
    assert_int_equal(build(9000, &s), 0);
    assert_true(weir_schema_partial(s)[0] != '\0');
    assert_int_equal(weir_schema_count(s), 0);
    assert_null(weir_schema_find(s, S("app"), S("sound")));
    assert_int_equal(weir_schema_function(s, (weir_slice){0}, S("int4eq")), WEIR_TRUST_NONE);
    assert_false(weir_schema_equality_is_builtin(s));
    assert_true(weir_schema_has_foreign_casts(s));
    weir_schema_free(s);
}

static void build_once(void *user)
{
    (void)user;
    weir_schema *s = NULL;
    int r = build((size_t)16 << 20, &s);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_schema_free(s);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(400, build_once, NULL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_relation_is_refused_for_what_it_is),
        cmocka_unit_test(test_what_a_write_changes_is_followed_all_the_way),
        cmocka_unit_test(test_what_an_update_changes_stands_first),
        cmocka_unit_test(test_a_view_reads_tables_through_views),
        cmocka_unit_test(test_keys_are_columns_with_canonical_bytes_that_all_below_report),
        cmocka_unit_test(test_names_are_as_good_as_the_worst_that_they_may_mean),
        cmocka_unit_test(test_a_new_sessions_settings_are_known_or_said_to_be_not),
        cmocka_unit_test(test_a_schema_in_part_knows_nothing),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
