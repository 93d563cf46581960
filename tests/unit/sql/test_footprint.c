/* From a template's dependencies to a statement's ids; words for people; hints. */
#include "catalog/access.h"
#include "failalloc.h"
#include "sql/resolve.h"
#include "sql/sql.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAME(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const weir_access accesses[] = {{WEIR_ACCESS_READ, false, "main", "t", "id", ""},
                                       {WEIR_ACCESS_READ, false, "main", "t", "s", ""}};
static const weir_column_info columns[] = {{NAME("id"), WEIR_KEY_SQLITE_NUMERIC, NAME("integer")},
                                           {NAME("s"), WEIR_KEY_SQLITE_TEXT, NAME("text")}};
static const weir_relation_info relations[] = {{.name = NAME("t"),
                                                .kind = WEIR_RELATION_TABLE,
                                                .columns = columns,
                                                .column_count = 2,
                                                .rowid = true,
                                                .rowid_alias = NAME("id")}};
static const weir_catalog catalog = {.relations = relations, .count = 1, .fingerprint = 7};

typedef struct found {
    uint64_t columns[80], values[80];
    size_t count;
    bool whole;
} found;

static void on_id(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    found *f = user;
    assert_int_equal(relation, weir_relation_id(WEIR_SLICE_LIT("t")));
    assert_true(f->count < 80);
    f->whole |= column == 0;
    f->columns[f->count] = column;
    f->values[f->count++] = value;
}

static weir_footprint *analyze(const char *text, weir_lexed *l)
{
    weir_footprint *f = NULL;
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE, weir_slice_cstr(text), l), 0);
    assert_int_equal(weir_sql_analyze_accesses(accesses, 2, &catalog, weir_slice_cstr(text), l, &f),
                     0);
    assert_int_equal(f->fingerprint, 7);
    return f;
}

static found resolve(const char *text, const weir_value *params, size_t count)
{
    weir_lexed l;
    found r = {.count = 0};
    weir_lexed_init(&l);
    weir_footprint *f = analyze(text, &l);
    weir_arguments arguments = {.lexed = &l, .params = params, .param_count = count};
    assert_true(weir_footprint_resolve(f, WEIR_DIALECT_SQLITE, &arguments, on_id, &r));
    weir_footprint_free(f);
    weir_lexed_fini(&l);
    return r;
}

static uint64_t key(const char *column, weir_value value)
{
    uint64_t id = 0;
    uint64_t c = weir_column_id(weir_relation_id(WEIR_SLICE_LIT("t")), weir_slice_cstr(column));
    assert_int_equal(weir_key_of_row(c, &value, &id), 0);
    return id;
}

static weir_value integer(int64_t n)
{
    return (weir_value){.type = WEIR_VALUE_INTEGER, .u.integer = n};
}

static void test_literals_become_the_values_of_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {{"select * from t where id = 5", 5},
                {"select * from t where id = '5'", 5},
                {"select * from t where id = 5.0", 5},
                {"select * from t where id = -5", -5},
                {"select * from t where id = - 5", -5},
                {"select * from t where id = +5", 5},
                {"select * from t where id = -9223372036854775808", INT64_MIN},
                {"select * from t where id = 9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        found r = resolve(rows[i].text, NULL, 0);
        assert_int_equal(r.count, 1);
        assert_false(r.whole);
        assert_true(r.values[0] == key("id", integer(rows[i].value)));
    }
    found r = resolve("select * from t where s = 'it''s'", NULL, 0);
    weir_value text = {.type = WEIR_VALUE_TEXT, .u.bytes = WEIR_SLICE_LIT("it's")};
    assert_true(r.count == 1 && r.values[0] == key("s", text));
}

static void test_values_that_cannot_be_had_are_the_whole_relation(void **state)
{
    (void)state;
    static const char *const texts[] = {"select * from t where id = 0x10",
                                        "select * from t where id = 1.5e3",
                                        "select * from t where id = 9223372036854775808",
                                        "select * from t where id = - '5'",
                                        "select * from t where id = ?2",
                                        "select * from t where id in (1, null)",
                                        "select * from t where id = null"};
    weir_value param = integer(1);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(resolve(texts[i], &param, 1).whole);
    weir_value null = {.type = WEIR_VALUE_NULL};
    assert_true(resolve("select * from t where id = ?", &null, 1).whole);
}

/* https://sqlite.org/lang_expr.html, "Parameters"; a client's $N is its Nth value. */
static void test_parameters_are_numbered_as_sqlite_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"select ? from t where id = ?", 2},       {"select ?3 from t where id = ?", 4},
        {"select :a, ? from t where id = :a", 1},  {"select ?2, :a from t where id = :a", 3},
        {"select $2, $1 from t where id = $2", 2}, {"select @x, $y from t where id = $y", 2},
        {"select ?1, ?1 from t where id = ?", 2}};
    const weir_value params[] = {integer(1), integer(2), integer(3), integer(4)};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        found r = resolve(rows[i].text, params, 4);
        assert_int_equal(r.count, 1);
        assert_true(r.values[0] == key("id", integer(rows[i].value)));
    }
}

static void list_text(char *text, size_t size, unsigned before, unsigned count)
{
    size_t n = (size_t)snprintf(text, size, "select 1");
    for (unsigned i = 0; i < before; i++)
        n += (size_t)snprintf(text + n, size - n, ", %u", i);
    n += (size_t)snprintf(text + n, size - n, " from t where id in (1");
    for (unsigned i = 1; i < count; i++)
        n += (size_t)snprintf(text + n, size - n, ", %u", i + 1);
    snprintf(text + n, size - n, ")");
}

static void test_lists_give_one_key_per_value_up_to_a_bound(void **state)
{
    (void)state;
    char text[4096];
    list_text(text, sizeof(text), 0, 63);
    assert_int_equal(resolve(text, NULL, 0).count, 63);
    assert_false(resolve(text, NULL, 0).whole);
    list_text(text, sizeof(text), 0, 64); /* one literal is recorded no more */
    assert_true(resolve(text, NULL, 0).whole);
    list_text(text, sizeof(text), 0, 300);
    assert_true(resolve(text, NULL, 0).whole);
    list_text(text, sizeof(text), 70, 3);
    assert_true(resolve(text, NULL, 0).whole);
}

/* A template is met by other texts than the one it was analysed from. */
static void test_places_hold_for_every_text_of_the_template(void **state)
{
    (void)state;
    weir_lexed l;
    found r = {.count = 0};
    weir_value param = integer(9);
    weir_lexed_init(&l);
    weir_footprint *f = analyze("select 1 from t where s in ('a', 'b') and id in (1, 2)", &l);
    const char *text = "select 'x' from t where s in (?, 'b', 'c', 'd') and id in (4, 5, 6)";
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE, weir_slice_cstr(text), &l), 0);
    weir_arguments arguments = {.lexed = &l, .params = &param, .param_count = 1};
    assert_true(weir_footprint_resolve(f, WEIR_DIALECT_SQLITE, &arguments, on_id, &r));
    assert_int_equal(r.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_true(r.values[i] == key("id", integer(4 + i)));
    r.count = 0;
    arguments.lexed = NULL;
    assert_true(weir_footprint_resolve(f, WEIR_DIALECT_SQLITE, &arguments, on_id, &r));
    assert_true(r.count == 1 && r.whole);
    weir_footprint_free(f);
    weir_lexed_fini(&l);
}

static void test_explains_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"select * from t where id = $1", "t: rows with id = $1\n"},
        {"select * from t where id = 5", "t: rows with id = ?\n"},
        {"select * from t where id in (5, 6)", "t: rows with id in a list\n"},
        {"select * from t where id > 5",
         "t: all of it: no column of it must equal a value, as far as is proved\n"},
        {"select x 'id' from t where id = 5",
         "t: all of it: it has a string where a name is expected\n"},
    };
    weir_lexed l;
    weir_buf out;
    weir_lexed_init(&l);
    weir_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        weir_footprint *f = analyze(rows[i].text, &l);
        weir_buf_clear(&out);
        assert_int_equal(weir_footprint_explain(f, &out), 0);
        assert_int_equal(weir_buf_append_u8(&out, 0), 0);
        assert_string_equal((const char *)out.data, rows[i].words);
        weir_footprint_free(f);
    }
    weir_buf_fini(&out);
    weir_lexed_fini(&l);
}

static void test_without_a_catalog_nothing_is_kept(void **state)
{
    (void)state;
    weir_lexed l;
    weir_footprint *f = NULL;
    weir_slice text = WEIR_SLICE_LIT("select * from t where id = 5");
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE, text, &l), 0);
    assert_int_equal(weir_sql_analyze_accesses(accesses, 2, NULL, text, &l, &f), 0);
    assert_int_equal(f->refusal, WEIR_REFUSAL_UNKNOWN);
    assert_int_equal(f->fingerprint, 0);
    assert_int_equal(f->dependency_count, 1);
    assert_int_equal(f->dependencies[0].column, 0);
    weir_footprint_free(f);
    weir_lexed_fini(&l);
}

static void test_hints(void **state)
{
    (void)state;
    weir_hint h;
    weir_slice tag;
    weir_hint_read(WEIR_SLICE_LIT("cache ttl=60s tags=a,,b replica priority=critical"), &h);
    assert_int_equal(h.cache, WEIR_HINT_CACHE);
    assert_true(h.ttl == 60 * WEIR_SECOND && h.critical && h.unknown.len == 0);
    assert_int_equal(h.target, WEIR_HINT_REPLICA);
    assert_true(weir_tag_next(&h.tags, &tag) && weir_slice_eq_cstr(tag, "a"));
    assert_true(weir_tag_next(&h.tags, &tag) && weir_slice_eq_cstr(tag, "b"));
    assert_false(weir_tag_next(&h.tags, &tag));
    weir_hint_read(WEIR_SLICE_LIT("  NOCACHE\tprimary what ttl=5m"), &h);
    assert_int_equal(h.cache, WEIR_HINT_NOCACHE);
    assert_int_equal(h.target, WEIR_HINT_PRIMARY);
    assert_true(weir_slice_eq_cstr(h.unknown, "what") && h.ttl == 300 * WEIR_SECOND);
    weir_hint_read(WEIR_SLICE_LIT("ttl=500ms"), &h);
    assert_true(h.ttl == 500 * WEIR_MS && h.cache == WEIR_HINT_UNSAID);
    static const char *const bad[] = {"ttl=",
                                      "ttl=5",
                                      "ttl=0s",
                                      "ttl=5x",
                                      "ttl=99999999999999999999s",
                                      "ttl=9223372036854775807d",
                                      "tags=",
                                      "priority=low"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        weir_hint_read(weir_slice_cstr(bad[i]), &h);
        assert_true(weir_slice_eq_cstr(h.unknown, bad[i]) && h.ttl == 0);
    }
}

static void test_every_refusal_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_REFUSALS; i++)
        assert_true(strlen(weir_refusal_name((weir_refusal)i)) > 3);
}

static void analyze_once(void *user)
{
    weir_slice text =
        WEIR_SLICE_LIT("with w as (select id as \"a\"\"b\" from t where id = $1) select * "
                       "from w, (select id from t) as d where d.id = 5 and exists "
                       "(select 1 from t where id = d.id)");
    weir_footprint *f = NULL;
    int r = weir_sql_analyze_accesses(accesses, 2, &catalog, text, user, &f);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_footprint_free(f);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE,
                                  WEIR_SLICE_LIT("select 'a' from t where id = $1 and 5"), &l),
                     0);
    assert_true(weir_failalloc_each(40, analyze_once, &l) >= 3);
    weir_lexed_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals_become_the_values_of_rows),
        cmocka_unit_test(test_values_that_cannot_be_had_are_the_whole_relation),
        cmocka_unit_test(test_parameters_are_numbered_as_sqlite_does),
        cmocka_unit_test(test_lists_give_one_key_per_value_up_to_a_bound),
        cmocka_unit_test(test_places_hold_for_every_text_of_the_template),
        cmocka_unit_test(test_explains_in_words),
        cmocka_unit_test(test_without_a_catalog_nothing_is_kept),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_every_refusal_has_a_name),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
