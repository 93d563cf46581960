/* The grammar's word: relations, kinds that agree with the lexer's, refusals in words. */
#include "catalog/access.h"
#include "failalloc.h"
#include "sql/sql.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Kind, effects and transaction are expected as the lexer has them. */
static const struct {
    const char *text, *reads, *writes;
} rows[] = {
    {"select a from t where b = $1", "t", ""},
    {"select * from s.t join u on t.a = u.a", "s.t u", ""},
    {"select (select max(a) from u) from t where exists (select 1 from v)", "t u v", ""},
    {"with x as (select * from t) select * from x", "t", ""},
    {"with t as (select * from t) select * from t", "t", ""},
    {"with recursive t as (select 1 union select a from t) select * from t", "", ""},
    {"with x as (delete from t returning a) select * from x", "", "t"},
    {"with x as (select 1) insert into t select * from x, u", "u", "t"},
    {"select 1 union all (with x as (select a from t) select a from x)", "t", ""},
    {"insert into t values (1) on conflict do nothing", "", "t"},
    {"update t set a = u.a from u where u.b = t.b", "u", "t"},
    {"delete from t using u where t.a = u.a", "u", "t"},
    {"merge into t using u on t.a = u.a when matched then delete", "u", "t"},
    {"truncate t, u", "", "t u"},
    {"copy t from stdin", "", "t"},
    {"copy t to stdout", "t", ""},
    {"copy (select * from t) to stdout", "t", ""},
    {"select * into x from t", "t", "x"},
    {"create table x as select * from t", "t", "x"},
    {"create temp table x (a int)", "", "x"},
    {"alter table t add b int", "", "t"},
    {"create index on t (a)", "", "t"},
    {"create view v as select * from t", "t", "v"},
    {"drop table t", "", ""},
    {"select * from t for update", "t", ""},
    {"select set_config('a', 'b', false)", "", ""},
    {"select pg_advisory_lock(1)", "", ""},
    {"select currval('s')", "", ""},
    {"select * from pg_temp.x", "pg_temp.x", ""},
    {"table t", "t", ""},
    {"values (1), (2)", "", ""},
    {"explain analyze delete from t", "", "t"},
    {"explain (analyze, buffers) select 1", "", ""},
    {"explain insert into t values (1)", "", "t"},
    {"declare c cursor with hold for select * from t", "t", ""},
    {"lock table t", "t", ""},
    {"vacuum t", "t", ""},
    {"grant select on t to joe", "", "t"},
    {"begin", "", ""},
    {"start transaction read only", "", ""},
    {"commit", "", ""},
    {"rollback", "", ""},
    {"rollback to x", "", ""},
    {"savepoint x", "", ""},
    {"release x", "", ""},
    {"prepare transaction 'x'", "", ""},
    {"commit prepared 'x'", "", ""},
    {"set x to 1", "", ""},
    {"set local x to 1", "", ""},
    {"set transaction read only", "", ""},
    {"set session characteristics as transaction read only", "", ""},
    {"set constraints all deferred", "", ""},
    {"set role joe", "", ""},
    {"set time zone 'UTC'", "", ""},
    {"reset all", "", ""},
    {"show x", "", ""},
    {"listen x", "", ""},
    {"unlisten *", "", ""},
    {"notify x, 'y'", "", ""},
    {"prepare x as select * from t", "t", ""},
    {"execute x (1)", "", ""},
    {"deallocate all", "", ""},
    {"discard all", "", ""},
    {"load 'x'", "", ""},
    {"do $$ begin end $$", "", ""},
    {"call p(1)", "", ""},
    {"fetch 1 from c", "", ""},
    {"close c", "", ""},
    {"checkpoint", "", ""},
    {"reindex table t", "t", ""},
    {"comment on table t is 'x'", "", ""},
    {"begin; select * from t; commit", "t", ""},
    {"select 1; delete from t", "", "t"},
};

static bool has_names(const char *const *names, size_t count, const char *expected)
{
    size_t found = 0;
    for (const char *p = expected; *p;) {
        size_t n = strcspn(p, " "), i = 0;
        while (i < count && !(strlen(names[i]) == n && memcmp(names[i], p, n) == 0))
            i++;
        if (i == count)
            return false;
        found++;
        p += n + (p[n] == ' ');
    }
    return found == count;
}

static void check_row(weir_lexed *l, size_t i)
{
    weir_footprint *f = NULL;
    weir_slice text = weir_slice_cstr(rows[i].text);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, text, l), 0);
    assert_int_equal(weir_sql_analyze_postgres(text, l, &f), 0);
    if (f->kind == WEIR_KIND_UNKNOWN || f->kind != l->kind || f->effects != l->effects ||
        f->transaction != l->transaction || f->row_locks != l->row_locks || !f->from_grammar)
        print_error("%s: grammar %s %x %d, lexer %s %x %d: %s\n", rows[i].text,
                    weir_kind_name(f->kind), f->effects, (int)f->transaction,
                    weir_kind_name(l->kind), l->effects, (int)l->transaction, f->reason);
    assert_int_equal(f->kind, l->kind);
    assert_int_equal(f->effects, l->effects);
    assert_int_equal(f->transaction, l->transaction);
    if (!has_names(f->reads, f->read_count, rows[i].reads) ||
        !has_names(f->writes, f->written_count, rows[i].writes))
        fail_msg("%s: other relations", rows[i].text);
    weir_footprint_free(f);
}

static void test_grammar_agrees_with_the_lexer(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&l, i);
    weir_lexed_fini(&l);
}

static weir_footprint *analyzed(weir_slice text)
{
    weir_lexed l;
    weir_footprint *f = NULL;
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, text, &l), 0);
    assert_int_equal(weir_sql_analyze_postgres(text, &l, &f), 0);
    weir_lexed_fini(&l);
    return f;
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    weir_footprint *f = analyzed(WEIR_SLICE_LIT("select from where"));
    assert_int_equal(f->kind, WEIR_KIND_UNKNOWN);
    assert_non_null(strstr(f->reason, "syntax error"));
    weir_footprint_free(f);
    f = analyzed(WEIR_SLICE_LIT("select 1\0; drop table t"));
    assert_int_equal(f->kind, WEIR_KIND_UNKNOWN);
    weir_footprint_free(f);
    f = analyzed(WEIR_SLICE_LIT("select nextval('s'), lower('x')"));
    assert_true(f->volatile_calls);
    assert_non_null(strstr(f->reason, "nextval"));
    weir_footprint_free(f);
    f = analyzed(WEIR_SLICE_LIT("select count(*), lower('x') from t"));
    assert_false(f->volatile_calls);
    assert_string_equal(f->reason, "");
    weir_footprint_free(f);
}

static void *analyze_deepest(void *user)
{
    char *text = malloc(20000);
    size_t n = (size_t)sprintf(text, "select 1");
    for (unsigned i = 0; i < WEIR_SQL_OPERATORS_MAX; i++)
        n += (size_t)sprintf(text + n, "+1");
    weir_footprint *f = analyzed(weir_slice_make(text, n));
    bool fine = f->from_grammar;
    weir_footprint_free(f);
    n = 0;
    for (unsigned i = 0; i < WEIR_SQL_DEPTH_MAX; i++)
        n += (size_t)sprintf(text + n, "(select ");
    n += (size_t)sprintf(text + n, "1");
    for (unsigned i = 0; i < WEIR_SQL_DEPTH_MAX; i++)
        text[n++] = ')';
    f = analyzed(weir_slice_make(text, n));
    fine = fine && f->from_grammar && f->kind == WEIR_KIND_READ;
    weir_footprint_free(f);
    free(text);
    return fine ? user : NULL;
}

/* With the stack of the analysis thread, whatever the caps let through is analysed. */
static void test_the_caps_keep_the_grammar_alive(void **state)
{
    (void)state;
    pthread_attr_t attr;
    pthread_t thread;
    void *fine = NULL;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)64 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attr, analyze_deepest, &fine), 0);
    pthread_join(thread, &fine);
    pthread_attr_destroy(&attr);
    assert_non_null(fine);
}

static void test_accesses_tell_tables_and_effects(void **state)
{
    (void)state;
    static const weir_access accesses[] = {
        {WEIR_ACCESS_READ, false, "main", "t", "a", ""},
        {WEIR_ACCESS_READ, false, "main", "t", "b", ""},
        {WEIR_ACCESS_READ, false, "other", "u", "", "v"},
        {WEIR_ACCESS_FUNCTION, false, "", "", "random", ""},
        {WEIR_ACCESS_INSERT, true, "temp", "x", "", ""},
    };
    weir_lexed l;
    weir_footprint *f = NULL;
    weir_lexed_init(&l);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_SQLITE, WEIR_SLICE_LIT("select 1"), &l), 0);
    assert_int_equal(weir_sql_analyze_accesses(accesses, 5, NULL, (weir_slice){0}, &l, &f), 0);
    assert_true(has_names(f->reads, f->read_count, "t other.u"));
    assert_true(has_names(f->writes, f->written_count, "temp.x"));
    assert_int_equal(f->kind, WEIR_KIND_WRITE);
    assert_int_equal(f->effects, WEIR_EFFECT_TEMP);
    assert_true(f->volatile_calls && f->from_grammar);
    weir_footprint_free(f);
    weir_lexed_fini(&l);
}

static void accesses_once(void *user)
{
    static const weir_access access = {WEIR_ACCESS_READ, false, "main", "t", "a", ""};
    weir_footprint *f = NULL;
    int r = weir_sql_analyze_accesses(&access, 1, NULL, (weir_slice){0}, user, &f);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_footprint_free(f);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    weir_lexed l;
    weir_lexed_init(&l);
    assert_true(weir_failalloc_each(10, accesses_once, &l) >= 2);
    weir_lexed_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar_agrees_with_the_lexer),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_the_caps_keep_the_grammar_alive),
        cmocka_unit_test(test_accesses_tell_tables_and_effects),
        cmocka_unit_test(test_lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
