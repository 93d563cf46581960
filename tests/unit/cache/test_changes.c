/* The change clock, one call at a time: positions, slots, floor, tracked columns, figures, and
 * every allocation failing. What its order of steps promises is test_changes_orders.c's. */
#include "cache/changes.h"
#include "failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIT WEIR_SLICE_LIT
#define SLOTS 4096u

/* Ids are hashes; these do not meet in a slot under the seed below (a test says so). */
#define RELATION 0x1111222233334444ULL
#define OTHER 0x5555666677778888ULL
#define COLUMN 0x9999aaaabbbbccccULL
#define VALUE 0xddddeeeeffff0000ULL

static const weir_dependency whole = {.relation = RELATION};
static const weir_dependency keyed = {.relation = RELATION, .column = COLUMN, .value = VALUE};

static weir_changes *make(unsigned slots, unsigned columns_max)
{
    weir_changes *c = NULL;
    weir_changes_options options = {
        .slots = slots, .columns_max = columns_max, .seed = {{0x0123456789abcdefULL, 42}}};
    assert_int_equal(weir_changes_new(&options, &c), 0);
    return c;
}

static weir_verdict judge(const weir_changes *c, uint64_t wal, uint64_t local, weir_dependency d)
{
    return weir_changes_judge(c, (weir_asof){.wal = wal, .local = local}, &d, 1);
}

static void test_positions_begin_above_never(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_asof now = weir_changes_now(c);
    assert_true(now.wal > 0 && now.local > 0);
    assert_int_equal(weir_changes_judge(c, now, &whole, 1), WEIR_VERDICT_STANDS);
    assert_int_equal(weir_changes_judge(c, (weir_asof){0}, NULL, 0), WEIR_VERDICT_FLOOR);
    assert_true(weir_changes_next_wal(c) == now.wal + 1);
    assert_true(weir_changes_next_wal(c) == now.wal + 1);
    assert_true(weir_changes_next_local(c) == now.local + 1);
    assert_true(weir_changes_now(c).local == now.local + 1);
    assert_true(weir_changes_now(c).wal == now.wal);
    weir_changes_publish_wal(c, now.wal + 9);
    weir_changes_publish_wal(c, now.wal + 5);
    assert_true(weir_changes_now(c).wal == now.wal + 9);
    weir_changes_free(c);
    weir_changes_free(NULL);
}

static void test_either_hand_ends_an_answer(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_bump(c, WEIR_HAND_WAL, RELATION, 10);
    assert_int_equal(judge(c, 9, 99, whole), WEIR_VERDICT_CHANGED);
    assert_int_equal(judge(c, 10, 1, whole), WEIR_VERDICT_STANDS);
    weir_changes_bump(c, WEIR_HAND_LOCAL, RELATION, 20);
    assert_int_equal(judge(c, 10, 19, whole), WEIR_VERDICT_CHANGED);
    assert_int_equal(judge(c, 9, 20, whole), WEIR_VERDICT_CHANGED);
    assert_int_equal(judge(c, 10, 20, whole), WEIR_VERDICT_STANDS);
    weir_changes_free(c);
}

/* Proofs, row 12. */
static void test_a_slot_never_goes_back(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_bump(c, WEIR_HAND_LOCAL, RELATION, 6);
    weir_changes_bump(c, WEIR_HAND_LOCAL, RELATION, 5);
    assert_int_equal(judge(c, 1, 5, whole), WEIR_VERDICT_CHANGED);
    weir_changes_bump(c, WEIR_HAND_WAL, RELATION, 6);
    weir_changes_bump(c, WEIR_HAND_WAL, RELATION, 5);
    assert_int_equal(judge(c, 5, 6, whole), WEIR_VERDICT_CHANGED);
    weir_changes_free(c);
}

/* Proofs, row 14: a keyed answer looks at its value and at "a value that is not known", and at
 * nothing else. */
static void test_a_keyed_answer_looks_at_value_and_column(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_bump(c, WEIR_HAND_WAL, RELATION, 10);
    assert_int_equal(judge(c, 1, 1, keyed), WEIR_VERDICT_STANDS);
    weir_changes_bump(c, WEIR_HAND_WAL, COLUMN, 11);
    assert_int_equal(judge(c, 10, 1, keyed), WEIR_VERDICT_CHANGED);
    assert_int_equal(judge(c, 11, 1, keyed), WEIR_VERDICT_STANDS);
    weir_changes_bump(c, WEIR_HAND_WAL, VALUE, 12);
    assert_int_equal(judge(c, 11, 1, keyed), WEIR_VERDICT_CHANGED);
    assert_int_equal(judge(c, 12, 1, keyed), WEIR_VERDICT_STANDS);
    assert_int_equal(judge(c, 10, 1, whole), WEIR_VERDICT_STANDS);
    weir_changes_free(c);
}

static void test_every_dependency_is_judged(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_dependency both[] = {keyed, {.relation = OTHER}};
    weir_asof asof = weir_changes_now(c);
    assert_int_equal(weir_changes_judge(c, asof, both, 2), WEIR_VERDICT_STANDS);
    weir_changes_bump(c, WEIR_HAND_LOCAL, OTHER, weir_changes_next_local(c));
    assert_int_equal(weir_changes_judge(c, asof, both, 2), WEIR_VERDICT_CHANGED);
    assert_int_equal(weir_changes_judge(c, asof, both, 1), WEIR_VERDICT_STANDS);
    weir_changes_free(c);
}

static void test_what_is_below_the_floor_is_forgotten(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_raise_floor(c, WEIR_HAND_WAL, 10);
    weir_changes_raise_floor(c, WEIR_HAND_WAL, 7);
    weir_changes_raise_floor(c, WEIR_HAND_LOCAL, 20);
    assert_true(weir_changes_floor(c).wal == 10 && weir_changes_floor(c).local == 20);
    assert_int_equal(judge(c, 9, 20, whole), WEIR_VERDICT_FLOOR);
    assert_int_equal(judge(c, 10, 19, whole), WEIR_VERDICT_FLOOR);
    assert_int_equal(judge(c, 10, 20, whole), WEIR_VERDICT_STANDS);
    weir_changes_free(c);
}

/* ---- tracked columns ---- */

typedef struct visits {
    unsigned count;
    uint64_t columns[8];
    char words[256];
} visits;

static void visit(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                  weir_slice column_name)
{
    visits *v = user;
    char one[64];
    snprintf(one, sizeof(one), "%llu %.*s.%.*s;", (unsigned long long)relation,
             (int)relation_name.len, (const char *)relation_name.data, (int)column_name.len,
             (const char *)column_name.data);
    strncat(v->words, one, sizeof(v->words) - strlen(v->words) - 1);
    v->columns[v->count++] = column;
}

static bool stays_keyed(const weir_changes *c, uint64_t column, uint64_t wal)
{
    weir_dependency d = {.relation = RELATION, .column = column, .value = VALUE};
    weir_dependency r = weir_changes_settle(c, d, (weir_asof){.wal = wal, .local = 1});
    assert_true(r.relation == RELATION);
    assert_true(r.column == 0 ? r.value == 0 : r.column == column && r.value == VALUE);
    return r.column != 0;
}

/* Proofs, row 16. */
static void test_a_column_counts_from_where_it_was_confirmed(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    assert_false(stays_keyed(c, COLUMN, UINT64_MAX - 1));
    assert_int_equal(weir_changes_track(c, RELATION, COLUMN, LIT("t"), LIT("id")), 0);
    assert_false(stays_keyed(c, COLUMN, UINT64_MAX - 1));
    weir_changes_confirm_tracked(c, 0, 3);
    assert_false(stays_keyed(c, COLUMN, UINT64_MAX - 1));
    weir_changes_bump(c, WEIR_HAND_WAL, RELATION, 2); /* of what value, nobody said */
    weir_changes_confirm_tracked(c, 1, 5);
    assert_false(stays_keyed(c, COLUMN, 4));
    assert_true(stays_keyed(c, COLUMN, 5));
    weir_changes_confirm_tracked(c, 1, 9); /* since the first time */
    assert_true(stays_keyed(c, COLUMN, 5));
    weir_changes_raise_floor(c, WEIR_HAND_WAL, 100); /* does not end it */
    assert_true(stays_keyed(c, COLUMN, 5));
    weir_changes_free(c);
}

/* There was no value to report. */
static void test_a_column_of_what_did_not_change_counts_from_the_floor(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_raise_floor(c, WEIR_HAND_WAL, 100);
    weir_changes_bump(c, WEIR_HAND_WAL, 1, 100); /* known at the floor */
    weir_changes_bump(c, WEIR_HAND_WAL, 2, 101);
    assert_int_equal(weir_changes_track(c, 1, 10, LIT("t"), LIT("id")), 0);
    assert_int_equal(weir_changes_track(c, 2, 11, LIT("u"), LIT("id")), 0);
    weir_changes_confirm_tracked(c, 2, 200);
    assert_true(stays_keyed(c, 10, 100) && !stays_keyed(c, 10, 99));
    assert_true(stays_keyed(c, 11, 200) && !stays_keyed(c, 11, 199));
    weir_changes_free(c);
}

static void test_a_column_asked_for_in_the_midst_counts_only_if_nothing_was_told(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    weir_changes_raise_floor(c, WEIR_HAND_WAL, 100);
    weir_changes_bump(c, WEIR_HAND_WAL, 2, 101);
    assert_int_equal(weir_changes_track(c, 1, 10, LIT("t"), LIT("id")), 0);
    assert_int_equal(weir_changes_track(c, 2, 11, LIT("u"), LIT("id")), 0);
    weir_changes_confirm_unchanged(c, 10);
    weir_changes_confirm_unchanged(c, 11);
    weir_changes_confirm_unchanged(c, 12); /* nobody asked for it */
    assert_true(stays_keyed(c, 10, 100) && !stays_keyed(c, 11, 1000));
    weir_changes_confirm_tracked(c, 2, 200);
    assert_true(stays_keyed(c, 10, 100) && stays_keyed(c, 11, 200) && !stays_keyed(c, 11, 199));
    weir_changes_free(c);
}

static void test_whole_relations_settle_as_they_are(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 0);
    weir_dependency r = weir_changes_settle(c, whole, weir_changes_now(c));
    assert_true(r.relation == RELATION && r.column == 0 && r.value == 0);
    weir_changes_free(c);
}

static void test_only_columns_that_were_visited_are_confirmed(void **state)
{
    (void)state;
    weir_changes *c = make(SLOTS, 4);
    visits v = {0};
    assert_int_equal(weir_changes_track(c, 1, 10, LIT("t"), LIT("id")), 0);
    assert_int_equal(weir_changes_track(c, 1, 11, LIT("t"), LIT("owner")), 0);
    uint64_t serial = weir_changes_track_serial(c);
    weir_changes_each_tracked(c, visit, &v);
    assert_string_equal(v.words, "1 t.id;1 t.owner;");
    assert_true(v.count == 2 && v.columns[0] == 10 && v.columns[1] == 11);
    assert_int_equal(weir_changes_track(c, 2, 12, LIT("u"), LIT("id")), 0);
    weir_changes_bump(c, WEIR_HAND_WAL, 1, 7);
    weir_changes_bump(c, WEIR_HAND_WAL, 2, 7);
    weir_changes_confirm_tracked(c, serial, 7);
    assert_true(stays_keyed(c, 10, 7) && stays_keyed(c, 11, 7) && !stays_keyed(c, 12, 1000));
    weir_changes_confirm_tracked(c, weir_changes_track_serial(c), 8);
    assert_true(stays_keyed(c, 10, 7) && !stays_keyed(c, 12, 7) && stays_keyed(c, 12, 8));
    weir_changes_free(c);
}

static void test_tracking_is_bounded(void **state)
{
    (void)state;
    static uint8_t name[129];
    weir_changes *c = make(SLOTS, 2);
    weir_slice longest = weir_slice_make(name, 128), longer = weir_slice_make(name, 129);
    assert_int_equal(weir_changes_track(c, 1, 9, longer, LIT("id")), -ENOSPC);
    assert_int_equal(weir_changes_track(c, 1, 9, LIT("t"), longer), -ENOSPC);
    assert_int_equal(weir_changes_track(c, 1, 10, longest, longest), 0);
    assert_int_equal(weir_changes_track(c, 1, 11, LIT("t"), LIT("")), 0);
    assert_int_equal(weir_changes_track(c, 1, 12, LIT("t"), LIT("c")), -ENOSPC);
    assert_int_equal(weir_changes_track(c, 1, 10, LIT("t"), LIT("a")), 0); /* is there */
    assert_true(weir_changes_track_serial(c) == 2);
    weir_changes_free(c);
}

static void test_many_columns_are_found(void **state)
{
    (void)state;
    enum { COLUMNS = 1000 };
    weir_changes *c = make(1, COLUMNS);
    for (uint64_t i = 1; i <= COLUMNS; i++) /* some probe from one place, some from the last */
        assert_int_equal(weir_changes_track(c, 1, i << 40 | ~0ULL >> 32, LIT("t"), LIT("c")), 0);
    weir_changes_confirm_tracked(c, COLUMNS / 2, 3);
    for (uint64_t i = 1; i <= COLUMNS; i++)
        assert_true(stays_keyed(c, i << 40 | ~0ULL >> 32, 3) == (i <= COLUMNS / 2));
    assert_false(stays_keyed(c, 77, 3));
    weir_changes_free(c);
}

/* ---- figures, memory ---- */

static void test_figures_count_slots_and_bumps(void **state)
{
    (void)state;
    weir_changes *c = make(1000, 4);
    weir_changes_stats stats;
    weir_changes_stats_read(c, &stats);
    assert_true(stats.slots == 1024 && stats.slots_used == 0 && stats.bumps == 0);
    assert_true(stats.collision == 0.0 && stats.tracked == 0);
    for (uint64_t position = 1; position <= 3; position++) {
        weir_changes_bump(c, WEIR_HAND_WAL, RELATION, position);
        weir_changes_bump(c, WEIR_HAND_LOCAL, RELATION, position);
    }
    weir_changes_bump(c, WEIR_HAND_LOCAL, OTHER, 1);
    assert_int_equal(weir_changes_track(c, RELATION, COLUMN, LIT("t"), LIT("id")), 0);
    weir_changes_stats_read(c, &stats);
    assert_true(stats.slots_used == 2 && stats.bumps == 7 && stats.tracked == 1);
    assert_true(stats.collision == 2.0 / 1024);
    weir_changes_free(c);
}

/* Ids that differ in any one bit are spread over the slots, and otherwise by another seed. */
static void test_ids_spread_over_the_slots(void **state)
{
    (void)state;
    weir_changes *c = make(1u << 16, 4);
    for (unsigned i = 0; i < 64; i++)
        weir_changes_bump(c, WEIR_HAND_WAL, 1ULL << i, 2);
    for (uint64_t i = 0; i < 4096; i++)
        weir_changes_bump(c, WEIR_HAND_WAL, i << 20, 2);
    weir_changes_stats stats;
    weir_changes_stats_read(c, &stats);
    assert_true(stats.slots_used > 3800); /* by chance: about 4030 of 4160 */
    weir_changes_free(c);
}

static void test_the_smallest_clock_works(void **state)
{
    (void)state;
    weir_changes *c = make(0, 0); /* one slot: everything collides, nothing is stale */
    weir_asof asof = weir_changes_now(c);
    assert_int_equal(weir_changes_track(c, 1, 2, LIT("t"), LIT("c")), -ENOSPC);
    assert_int_equal(weir_changes_judge(c, asof, &keyed, 1), WEIR_VERDICT_STANDS);
    weir_changes_bump(c, WEIR_HAND_LOCAL, OTHER, weir_changes_next_local(c));
    assert_int_equal(weir_changes_judge(c, asof, &keyed, 1), WEIR_VERDICT_CHANGED);
    weir_changes_free(c);
}

static void test_memory_is_charged_and_given_back(void **state)
{
    (void)state;
    weir_memory memory;
    weir_memory_init(&memory, 70000);
    weir_changes_options options = {.slots = 4096, .columns_max = 1, .memory = &memory};
    weir_changes *c = NULL, *second = NULL;
    assert_int_equal(weir_changes_new(&options, &c), 0);
    assert_true(atomic_load(&memory.used[WEIR_MEMORY_CACHE]) >= 4096 * 16);
    assert_int_equal(weir_changes_new(&options, &second), -ENOMEM);
    assert_null(second);
    weir_changes_free(c);
    assert_true(atomic_load(&memory.total) == 0);
}

static void make_and_free(void *user)
{
    weir_memory *memory = user;
    weir_changes_options options = {.slots = 64, .columns_max = 8, .memory = memory};
    weir_changes *c = NULL;
    int r = weir_changes_new(&options, &c);
    assert_true(r == 0 || (r == -ENOMEM && weir_failalloc_failed() && !c));
    weir_changes_free(c);
    assert_true(atomic_load(&memory->total) == 0);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    weir_memory memory;
    weir_memory_init(&memory, 0);
    weir_failalloc_each(16, make_and_free, &memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_begin_above_never),
        cmocka_unit_test(test_either_hand_ends_an_answer),
        cmocka_unit_test(test_a_slot_never_goes_back),
        cmocka_unit_test(test_a_keyed_answer_looks_at_value_and_column),
        cmocka_unit_test(test_every_dependency_is_judged),
        cmocka_unit_test(test_what_is_below_the_floor_is_forgotten),
        cmocka_unit_test(test_a_column_counts_from_where_it_was_confirmed),
        cmocka_unit_test(test_a_column_of_what_did_not_change_counts_from_the_floor),
        cmocka_unit_test(test_a_column_asked_for_in_the_midst_counts_only_if_nothing_was_told),
        cmocka_unit_test(test_whole_relations_settle_as_they_are),
        cmocka_unit_test(test_only_columns_that_were_visited_are_confirmed),
        cmocka_unit_test(test_tracking_is_bounded),
        cmocka_unit_test(test_many_columns_are_found),
        cmocka_unit_test(test_figures_count_slots_and_bumps),
        cmocka_unit_test(test_ids_spread_over_the_slots),
        cmocka_unit_test(test_the_smallest_clock_works),
        cmocka_unit_test(test_memory_is_charged_and_given_back),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
