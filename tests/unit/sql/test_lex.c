/* Texts and what one pass makes of them; texts that nobody writes but attackers. */
#include "failalloc.h"
#include "sql/sql.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PG WEIR_DIALECT_POSTGRES
#define LITE WEIR_DIALECT_SQLITE

static const struct {
    weir_dialect dialect;
    const char *text, *template;
    size_t literals;
} templates[] = {
    {PG, "SELECT a,b FROM T WHERE x=1", "select a, b from t where x = ?", 1},
    {PG, "select a , b from t where x = $1", "select a, b from t where x = ?", 1},
    {PG, "select/**/a--b\nfrom\tt", "select a from t", 0},
    {PG, "select /* a /* b */ c */ 1", "select ?", 1},
    {PG, "select 'it''s', E'a\\'b', N'x', U&'\\0041'", "select ?, ?, ?, ?", 4},
    {PG, "select 'a\\', 'b'", "select ?, ?", 2},
    {PG, "select 'a'\n 'b' , 'c' 'd'", "select ?, ? ?", 3},
    {PG, "select 'a' -- x\n'b'", "select ?", 1},
    {PG, "select E'a'\n'\\'b'", "select ?", 1},
    {PG, "select B'01', x'ff'", "select ?, ?", 2},
    {PG, "select $$a;b'$$, $t$ $$ $t $t$", "select ?, ?", 2},
    {PG, "select a$$b, $1x", "select a$$b, ? x", 1},
    {PG, "select 1.5, .5, 1e10, 1.e-5, 0x1F, 1_000", "select ?, ?, ?, ?, ?, ?", 6},
    {PG, "select -5, a - 5, (-5), 3+-5", "select - ?, a - ?, (?), ? + ?", 5},
    {PG, "a in(1,2,3)", "a in (?, ...)", 3},
    {PG, "a in (1)", "a in (?)", 1},
    {PG, "a in (1, b)", "a in (?, b)", 1},
    {PG, "a in (1,2,3,b)", "a in (?, ?, ?, b)", 3},
    {PG, "a in (1,2,)", "a in (?, ?,)", 2},
    {PG, "a in (-1, +2, $3, 'x')", "a in (?, ...)", 4},
    {PG, "a in ((1,2),(3,4))", "a in ((?, ...), ...)", 4},
    {PG, "f(1,2)", "f(?, ?)", 2},
    {PG, "array[1,2,3]", "array[?, ...]", 3},
    {PG, "values (1,2),(3,4),(5,6)", "values (?, ...), ...", 6},
    {PG, "values (1),(2),(a),(3)", "values (?), ..., (a), (?)", 3},
    {PG, "values (f(1),2),(f(2),3) x", "values (f(?), ?), ... x", 4},
    {PG, "insert into t values ($1,$2),($3,$4)", "insert into t values (?, ...), ...", 4},
    {PG, "select (1),(1)", "select (?), (?)", 2},
    {PG, "select \"A b\".\"c\"\"d\" , U&\"x\" UESCAPE '!'",
     "select \"A b\".\"c\"\"d\", U&\"x\" uescape '!'", 1},
    {PG, "select a::int::text[1:2]", "select a::int::text[? : ?]", 2},
    {PG, "a ?| b ? c @> 'x'", "a ?| b \\? c @> ?", 1},
    {PG, "select \xc3\xa9T\xff", "select \xc3\xa9t\xff", 0},
    {PG, "a<=-1 and b=-c", "a <= ? and b = - c", 1},
    {PG, ";;select 1; ;select 2;", "select ?; select ?", 2},
    {PG, "select 'abc", "select ? \\'", 1},
    {PG, "", "", 0},
    {PG, " -- only\n/* c */ ", "", 0},
    {LITE, "select `a`, [b c], \"d\", 'it''s', x'00'", "select `a`, [b c], \"d\", ?, ?", 2},
    {LITE, "select /* a /* b */ 1", "select ?", 1},
    {LITE, "select ?, ?2, :a, @b, $c, $d::e(f)", "select ?, ?, ?, ?, ?, ?", 6},
    {LITE, "\xef\xbb\xbfselect 1", "select ?", 1},
    {LITE, "select a->>'b'||c<>1", "select a ->> ? || c <> ?", 2},
    {LITE, "select 'a\\' from t", "select ? from t", 1},
};

static void test_texts_reduce_to_templates(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        assert_int_equal(weir_sql_lex(templates[i].dialect, weir_slice_cstr(templates[i].text), &l),
                         0);
        if (!weir_slice_eq_cstr(weir_buf_slice(&l.text), templates[i].template))
            fail_msg("row %zu: %.*s", i, (int)l.text.len, (const char *)l.text.data);
        if (l.literal_count != templates[i].literals)
            fail_msg("row %zu: %zu literals", i, l.literal_count);
    }
    weir_lexed_fini(&l);
}

#define TX(x) WEIR_TRANSACTION_##x
#define EF(x) WEIR_EFFECT_##x
static const struct {
    weir_dialect dialect;
    const char *text;
    weir_kind kind;
    weir_transaction transaction;
    unsigned effects;
} kinds[] = {
    {PG, "", WEIR_KIND_EMPTY, 0, 0},
    {PG, "hello", WEIR_KIND_UNKNOWN, 0, 0},
    {PG, "1 select", WEIR_KIND_UNKNOWN, 0, 0},
    {PG, "\"select\" 1", WEIR_KIND_UNKNOWN, 0, 0},
    {PG, "((select 1) union select 2)", WEIR_KIND_READ, 0, 0},
    {PG, "with x as (insert into t values (1) returning a) select * from x", WEIR_KIND_WRITE, 0, 0},
    {PG, "with x as materialized (delete from t) table x", WEIR_KIND_WRITE, 0, 0},
    {PG, "with x as (select 1) update t set a = 1", WEIR_KIND_WRITE, 0, 0},
    {PG, "with x as (select 1) select * from x for update", WEIR_KIND_READ, 0, 0},
    {PG, "select t.delete, t.into from t", WEIR_KIND_READ, 0, 0},
    {PG, "create temp table t (a int)", WEIR_KIND_DDL, 0, EF(TEMP)},
    {PG, "create or replace temporary view v as select 1", WEIR_KIND_DDL, 0, EF(TEMP)},
    {PG, "select * from pg_temp.x", WEIR_KIND_READ, 0, EF(TEMP)},
    {PG, "START TRANSACTION", WEIR_KIND_TRANSACTION, TX(BEGIN), 0},
    {PG, "end", WEIR_KIND_TRANSACTION, TX(COMMIT), 0},
    {PG, "abort", WEIR_KIND_TRANSACTION, TX(ROLLBACK), 0},
    {PG, "rollback to savepoint a", WEIR_KIND_TRANSACTION, TX(ROLLBACK_TO), 0},
    {PG, "commit prepared 'x'", WEIR_KIND_TRANSACTION, TX(TWO_PHASE), 0},
    {PG, "prepare transaction 'x'", WEIR_KIND_TRANSACTION, TX(TWO_PHASE), 0},
    {PG, "prepare x as select 1", WEIR_KIND_SESSION, 0, EF(PREPARE)},
    {PG, "create table t (a) as execute x with no data", WEIR_KIND_DDL, 0, EF(PREPARE)},
    {PG, "create trigger g after insert on t for each row execute function f()", WEIR_KIND_DDL, 0,
     0},
    {PG, "set x = 1", WEIR_KIND_SESSION, 0, EF(SET)},
    {PG, "set local x = 1", WEIR_KIND_SESSION, 0, 0},
    {PG, "set constraints all deferred", WEIR_KIND_SESSION, 0, 0},
    {PG, "set session characteristics as transaction read only", WEIR_KIND_SESSION, 0, EF(SET)},
    {PG, "show all", WEIR_KIND_SESSION, 0, 0},
    {PG, "select set_config ('a','b',true)", WEIR_KIND_READ, 0, EF(SET)},
    {PG, "select pg_catalog.\"set_config\"('a','b',true)", WEIR_KIND_READ, 0, EF(SET)},
    {PG, "select set_config, 'set_config(1)' from t", WEIR_KIND_READ, 0, 0},
    {PG, "select pg_try_advisory_lock_shared(1)", WEIR_KIND_READ, 0, EF(ADVISORY_LOCK)},
    {PG, "select pg_advisory_xact_lock(1), nextval('s')", WEIR_KIND_READ, 0, EF(NEXTVAL)},
    {PG, "reset all", WEIR_KIND_SESSION, 0, EF(UNDO)},
    {PG, "unlisten *", WEIR_KIND_SESSION, 0, EF(UNDO)},
    {PG, "close all", WEIR_KIND_SESSION, 0, EF(UNDO)},
    {PG, "select pg_advisory_unlock_all()", WEIR_KIND_READ, 0, EF(UNDO)},
    {PG, "listen x", WEIR_KIND_SESSION, 0, EF(LISTEN)},
    {PG, "notify x, 'y'", WEIR_KIND_UTILITY, 0, EF(NOTIFY)},
    {PG, "select pg_notify('x', 'y')", WEIR_KIND_READ, 0, EF(NOTIFY)},
    {PG, "select pg_terminate_backend(1)", WEIR_KIND_READ, 0, EF(NOTIFY)},
    {PG, "select pg_terminate_backend from t", WEIR_KIND_READ, 0, 0},
    {PG, "table pg_prepared_statements", WEIR_KIND_READ, 0, EF(PREPARE)},
    {PG, "select 1 from pg_catalog.\"pg_prepared_statements\"", WEIR_KIND_READ, 0, EF(PREPARE)},
    {PG, "select 1 from pg_prepared_statement()", WEIR_KIND_READ, 0, EF(PREPARE)},
    {PG, "select pg_listening_channels()", WEIR_KIND_READ, 0, EF(LISTEN)},
    {PG, "select 'pg_prepared_statements'", WEIR_KIND_READ, 0, 0},
    {PG, "select setseed(0.5)", WEIR_KIND_READ, 0, EF(SEED)},
    {PG, "select lastval()", WEIR_KIND_READ, 0, EF(SEQUENCE)},
    {PG, "declare c cursor with hold for select 1", WEIR_KIND_SESSION, 0, EF(HOLD_CURSOR)},
    {PG, "with hold as (select 1) select 1", WEIR_KIND_READ, 0, 0},
    {PG, "do $$ begin end $$", WEIR_KIND_UTILITY, 0, EF(DO)},
    {PG, "explain insert into t values (1)", WEIR_KIND_UTILITY, 0, 0},
    {PG, "explain (analyze, costs off) insert into t values (1)", WEIR_KIND_WRITE, 0, 0},
    {PG, "begin; select 1", WEIR_KIND_TRANSACTION, TX(BEGIN), 0},
    {PG, "select 1; delete from t", WEIR_KIND_WRITE, 0, 0},
    {PG, "pragma x", WEIR_KIND_UNKNOWN, 0, 0},
    {PG, "select 'x", WEIR_KIND_UNKNOWN, 0, 0},
    {LITE, "replace into t values (1)", WEIR_KIND_WRITE, 0, 0},
    {LITE, "with x as (select 1) replace into t select * from x", WEIR_KIND_WRITE, 0, 0},
    {LITE, "select replace(a,'b','c') from t", WEIR_KIND_READ, 0, 0},
    {LITE, "pragma foreign_keys=on", WEIR_KIND_SESSION, 0, EF(SET)},
    {LITE, "pragma table_info(t)", WEIR_KIND_SESSION, 0, 0},
    {LITE, "pragma wal_checkpoint(full)", WEIR_KIND_UTILITY, 0, 0},
    {LITE, "attach 'x' as y", WEIR_KIND_SESSION, 0, EF(SET)},
    {LITE, "begin immediate", WEIR_KIND_TRANSACTION, TX(BEGIN), 0},
    {LITE, "select last_insert_rowid()", WEIR_KIND_READ, 0, EF(SEQUENCE)},
    {LITE, "copy t from stdin", WEIR_KIND_UNKNOWN, 0, 0},
};

static void test_words_tell_the_kind(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_int_equal(weir_sql_lex(kinds[i].dialect, weir_slice_cstr(kinds[i].text), &l), 0);
        if (l.kind != kinds[i].kind || l.transaction != kinds[i].transaction ||
            l.effects != kinds[i].effects)
            fail_msg("%s: %s, transaction %d, effects %x", kinds[i].text, weir_kind_name(l.kind),
                     (int)l.transaction, l.effects);
    }
    weir_lexed_fini(&l);
}

static void test_hints_parameters_and_row_locks(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    assert_int_equal(
        weir_sql_lex(PG, WEIR_SLICE_LIT(" /* weir: ttl=5s */ select $7 for share"), &l), 0);
    assert_true(weir_slice_eq_cstr(l.hint, "ttl=5s"));
    assert_int_equal(l.params_max, 7);
    assert_true(l.row_locks);
    assert_int_equal(weir_sql_lex(PG, WEIR_SLICE_LIT("select 1 /* weir: late */"), &l), 0);
    assert_int_equal(l.hint.len, 0);
    assert_int_equal(weir_sql_lex(LITE, WEIR_SLICE_LIT("select ?, :a, ?5, ?, :a, $b"), &l), 0);
    assert_int_equal(l.params_max, 7);
    weir_lexed_fini(&l);
}

static void test_split_ends_statements_where_the_database_does(void **state)
{
    (void)state;
    static const struct {
        weir_dialect dialect;
        const char *text, *first, *rest;
    } rows[] = {
        {PG, " ;; select ';' ; b", "select ';' ", " b"},
        {PG, "create rule r as on insert to t do (a; b); c",
         "create rule r as on insert to t do (a; b)", " c"},
        {PG, "create function f() begin atomic select case when a then b end; c; end; d",
         "create function f() begin atomic select case when a then b end; c; end", " d"},
        {PG, "a $$;$$; b", "a $$;$$", " b"},
        {PG, " -- ; \n", "", ""},
        {LITE, "create temp trigger a after insert on b begin c; d; end; e",
         "create temp trigger a after insert on b begin c; d; end", " e"},
        {LITE, "begin; a", "begin", " a"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        weir_slice rest;
        weir_slice first = weir_sql_split(rows[i].dialect, weir_slice_cstr(rows[i].text), &rest);
        assert_true(weir_slice_eq_cstr(first, rows[i].first));
        assert_true(weir_slice_eq_cstr(rest, rows[i].rest));
    }
}

static void check_repeated(weir_lexed *l, const char *unit, size_t size)
{
    size_t n = strlen(unit);
    char *text = malloc(size);
    for (size_t i = 0; i < size; i++)
        text[i] = unit[i % n];
    for (int d = PG; d <= LITE; d++) {
        assert_int_equal(weir_sql_lex((weir_dialect)d, weir_slice_make(text, size), l), 0);
        assert_true(l->text.len <= WEIR_SQL_TEXT_MAX);
    }
    free(text);
}

static void test_pathological_texts_are_bounded(void **state)
{
    (void)state;
    static const char *const units[] = {"(",     "[",    "'",    "\"",          "$",  "$a$ ", "/*",
                                        "*/",    "--",   "-",    "\\",          "1,", "(1)",  ",",
                                        ";",     "1+",   "a.",   "?",           ":",  "\xff", "'\n",
                                        "case ", "(1),", "in (", "values (1),", "$a", "e'\\"};
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        check_repeated(&l, units[i], (size_t)1 << 20);
    check_repeated(&l, "1+", 100000);
    assert_true(l.over_caps);
    check_repeated(&l, "(", 300);
    assert_true(l.over_caps);
    assert_int_equal(weir_sql_lex(PG, weir_slice_make("select \0 1", 10), &l), 0);
    assert_int_equal(l.kind, WEIR_KIND_UNKNOWN);
    weir_lexed_fini(&l);
}

/* However long the list, the template is the same. */
static void test_long_lists_stay_within_the_caps(void **state)
{
    (void)state;
    char *text = malloc(400020);
    size_t n = (size_t)sprintf(text, "select a in (");
    for (size_t i = 0; i < 100000; i++)
        n += (size_t)sprintf(text + n, "7,");
    n += (size_t)sprintf(text + n, "7)");
    weir_lexed l;
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(PG, weir_slice_make(text, n), &l), 0);
    assert_true(weir_slice_eq_cstr(weir_buf_slice(&l.text), "select a in (?, ...)"));
    assert_int_equal(l.literal_count, 100001);
    assert_false(l.over_caps);
    weir_lexed_fini(&l);
    free(text);
}

static void lex_once(void *user)
{
    (void)user;
    weir_lexed l;
    weir_lexed_init(&l);
    int r = weir_sql_lex(PG, WEIR_SLICE_LIT("select a from t where b in (1, 2)"), &l);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_lexed_fini(&l);
}

/* Of each literal which "?" of the template it became; "-": none. */
static void test_literals_know_their_place(void **state)
{
    (void)state;
    static const struct {
        weir_dialect dialect;
        const char *text, *places;
    } rows[] = {
        {LITE, "select 1, x from t where a = 'b' and c = ?", "0 1 2 "},
        {LITE, "a in (1, 2, 3) and b = 4", "0 0 0 1 "},
        {LITE, "a in (1, 2, 3, b) and b = 4", "0 1 2 3 "},
        {LITE, "a in (1, 2,) and b = 4", "0 1 2 "},
        {LITE, "a in (-1, +2) and b = - 4", "0 0 1 "},
        {LITE, "a in ((1, 2), (3, 4), (5, 6)) and b = 4", "0 0 - - - - 1 "},
        {LITE, "values (1), (2), (a), (3), 4", "0 - 1 2 "},
        {LITE, "values (f(1), 2), (f(2), 3) x = 4", "0 1 - - 2 "},
        {LITE, "insert into t values (?, ?), (?, ?) returning ?", "0 0 - - 1 "},
        {LITE, "f(1, 2) = 3", "0 1 2 "},
        {LITE, "select 1; select a in (1, 2); select 2", "0 1 1 2 "},
        {PG, "array[1, 2, 3] || 4 ? 'x'", "0 0 0 1 2 "},
        {PG, "select U&\"x\" UESCAPE '!', 'a'", "- 0 "},
    };
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char places[128];
        size_t n = 0;
        assert_int_equal(weir_sql_lex(rows[i].dialect, weir_slice_cstr(rows[i].text), &l), 0);
        for (size_t k = 0; k < l.literal_count; k++)
            n += (size_t)(l.literals[k].place == WEIR_PLACE_NONE
                              ? snprintf(places + n, sizeof(places) - n, "- ")
                              : snprintf(places + n, sizeof(places) - n, "%u ",
                                         l.literals[k].place));
        assert_string_equal(places, rows[i].places);
    }
    weir_lexed_fini(&l);
}

/* Behind a cap nothing is written, and a literal has no place. */
static void test_literals_beyond_the_caps_have_no_place(void **state)
{
    (void)state;
    weir_lexed l;
    static char text[70100];
    memcpy(text, "select 1, ", 10);
    memset(text + 10, 'x', 70000);
    memcpy(text + 70010, ", 2", 4);
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(LITE, weir_slice_cstr(text), &l), 0);
    assert_true(l.over_caps);
    assert_int_equal(l.literals[0].place, 0);
    assert_int_equal(l.literals[1].place, WEIR_PLACE_NONE);
    weir_lexed_fini(&l);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    assert_int_equal(weir_failalloc_each(10, lex_once, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_reduce_to_templates),
        cmocka_unit_test(test_words_tell_the_kind),
        cmocka_unit_test(test_hints_parameters_and_row_locks),
        cmocka_unit_test(test_split_ends_statements_where_the_database_does),
        cmocka_unit_test(test_pathological_texts_are_bounded),
        cmocka_unit_test(test_long_lists_stay_within_the_caps),
        cmocka_unit_test(test_literals_know_their_place),
        cmocka_unit_test(test_literals_beyond_the_caps_have_no_place),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
