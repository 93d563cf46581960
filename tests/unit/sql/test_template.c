/* The table of templates: one per text, bounded, safe for readers while others write. */
#include "failalloc.h"
#include "sql/sql.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const weir_hash_seed seed = {{1, 2}};

struct fixture {
    weir_epoch *epoch;
    weir_epoch_member *member;
    weir_memory memory;
    weir_template_table *table;
    weir_lexed lexed;
};

static void open_table(struct fixture *f, uint32_t capacity)
{
    weir_memory_init(&f->memory, 0);
    weir_lexed_init(&f->lexed);
    assert_int_equal(weir_epoch_new(8, &f->epoch), 0);
    assert_int_equal(weir_epoch_join(f->epoch, &f->member), 0);
    assert_int_equal(weir_template_table_new(capacity, seed, f->epoch, &f->memory, &f->table), 0);
    weir_epoch_online(f->member);
}

static void close_table(struct fixture *f)
{
    weir_epoch_offline(f->member);
    weir_epoch_leave(f->member);
    weir_template_table_free(f->table);
    weir_epoch_free(f->epoch);
    weir_lexed_fini(&f->lexed);
    assert_int_equal(atomic_load(&f->memory.total), 0);
}

static const weir_template *intern(struct fixture *f, const char *text, uint32_t tick)
{
    const weir_template *t = NULL;
    weir_slice s = weir_slice_cstr(text);
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, s, &f->lexed), 0);
    assert_int_equal(
        weir_template_intern(f->table, f->member, WEIR_DIALECT_POSTGRES, &f->lexed, s, tick, &t),
        0);
    return t;
}

static void test_same_text_gives_same_template(void **state)
{
    (void)state;
    struct fixture f;
    open_table(&f, 10);
    const weir_template *a = intern(&f, "select 1", 1), *b = intern(&f, "SELECT  22", 2);
    assert_ptr_equal(a, b);
    assert_true(weir_slice_eq_cstr(a->sample, "select 1"));
    assert_int_equal(atomic_load(&a->last_used), 2);
    assert_int_equal(atomic_load(&a->footprint)->kind, WEIR_KIND_READ);
    assert_ptr_equal(weir_template_find(f.table, a->id, a->serial), a);
    assert_null(weir_template_find(f.table, a->id, a->serial + 1));
    assert_null(weir_template_find(f.table, 10, 1));
    assert_int_equal(weir_template_table_count(f.table), 1);
    assert_true(weir_template_ask_analysis(a));
    assert_false(weir_template_ask_analysis(a));
    close_table(&f);
}

static void test_full_table_evicts_what_was_not_used(void **state)
{
    (void)state;
    struct fixture f;
    open_table(&f, 8);
    char text[64];
    uint32_t id = intern(&f, "select x from hot", 0)->id, serial = 1;
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "select x from t%u", i);
        intern(&f, text, i + 1);
        intern(&f, "select x from hot", i + 2);
        assert_true(weir_template_table_count(f.table) <= 8);
        weir_epoch_quiescent(f.member);
    }
    assert_int_equal(weir_template_table_count(f.table), 8);
    assert_non_null(weir_template_find(f.table, id, serial));
    close_table(&f);
}

static void test_published_footprint_replaces_the_lexers(void **state)
{
    (void)state;
    struct fixture f;
    open_table(&f, 4);
    const weir_template *t = intern(&f, "select 1", 0);
    weir_footprint *found = NULL;
    assert_int_equal(weir_sql_footprint_lexed(&f.lexed, &found), 0);
    found->from_grammar = true;
    weir_template_publish(t, f.member, found);
    assert_true(atomic_load(&t->footprint)->from_grammar);
    close_table(&f);
}

static void test_memory_cap_is_an_error_and_charges_nothing(void **state)
{
    (void)state;
    struct fixture f;
    const weir_template *t;
    open_table(&f, 4);
    size_t before = atomic_load(&f.memory.total);
    f.memory.total_max = before + 100;
    assert_int_equal(weir_sql_lex(WEIR_DIALECT_POSTGRES, WEIR_SLICE_LIT("select 1"), &f.lexed), 0);
    assert_int_equal(weir_template_intern(f.table, f.member, WEIR_DIALECT_POSTGRES, &f.lexed,
                                          WEIR_SLICE_LIT("select 1"), 0, &t),
                     -ENOMEM);
    assert_int_equal(atomic_load(&f.memory.total), before);
    close_table(&f);
}

static void intern_once(void *user)
{
    struct fixture *f = user;
    weir_template_table *table;
    const weir_template *t;
    if (weir_template_table_new(4, seed, f->epoch, &f->memory, &table) < 0) {
        assert_true(weir_failalloc_failed());
        return;
    }
    int r = weir_template_intern(table, f->member, WEIR_DIALECT_POSTGRES, &f->lexed,
                                 WEIR_SLICE_LIT("select 1"), 0, &t);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_template_table_free(table);
}

static void test_lack_of_memory_is_told(void **state)
{
    (void)state;
    struct fixture f;
    open_table(&f, 4);
    intern(&f, "select 1", 0);
    assert_true(weir_failalloc_each(20, intern_once, &f) >= 7);
    close_table(&f);
}

struct worker {
    struct fixture *f;
    unsigned seed;
    size_t failed;
};

/* Interns, finds and publishes among more texts than there is room for. */
static void *work(void *user)
{
    struct worker *w = user;
    weir_epoch_member *member;
    weir_lexed lexed;
    weir_lexed_init(&lexed);
    if (weir_epoch_join(w->f->epoch, &member) < 0)
        return NULL;
    weir_epoch_online(member);
    for (uint32_t i = 0; i < 5000; i++) {
        char text[64];
        const weir_template *t;
        int n = snprintf(text, sizeof(text), "select a from t%u", (i * 7 + w->seed) % 50);
        weir_slice s = weir_slice_make(text, (size_t)n);
        if (weir_sql_lex(WEIR_DIALECT_POSTGRES, s, &lexed) < 0 ||
            weir_template_intern(w->f->table, member, WEIR_DIALECT_POSTGRES, &lexed, s, i, &t) <
                0 ||
            !weir_slice_eq(t->text, s) || atomic_load(&t->footprint)->kind != WEIR_KIND_READ)
            w->failed++;
        weir_footprint *footprint;
        if (i % 16 == 0 && weir_sql_footprint_lexed(&lexed, &footprint) == 0)
            weir_template_publish(t, member, footprint);
        weir_epoch_quiescent(member);
    }
    weir_epoch_offline(member);
    weir_epoch_leave(member);
    weir_lexed_fini(&lexed);
    return NULL;
}

static void test_threads_share_a_table_that_is_too_small(void **state)
{
    (void)state;
    struct fixture f;
    struct worker workers[4];
    pthread_t threads[4];
    open_table(&f, 20);
    weir_epoch_offline(f.member);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){.f = &f, .seed = i * 13};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
    }
    assert_int_equal(weir_template_table_count(f.table), 20);
    weir_epoch_online(f.member);
    close_table(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_text_gives_same_template),
        cmocka_unit_test(test_full_table_evicts_what_was_not_used),
        cmocka_unit_test(test_published_footprint_replaces_the_lexers),
        cmocka_unit_test(test_memory_cap_is_an_error_and_charges_nothing),
        cmocka_unit_test(test_lack_of_memory_is_told),
        cmocka_unit_test(test_threads_share_a_table_that_is_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
