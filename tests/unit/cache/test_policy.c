/* What every policy must do, and what each is there for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failalloc.h"
#include "policy_rig.h"

static rig tested;

/* ---- all of them ---- */

static void each_kind(void (*run)(weir_policy_kind kind))
{
    for (weir_policy_kind kind = 0; kind < WEIR_POLICIES; kind++)
        run(kind);
}

static void live_through_a_random_history(weir_policy_kind kind)
{
    rig_init(&tested, kind, 3000);
    for (int i = 0; i < 100000; i++) {
        unsigned key = rig_skewed(&tested, RIG_KEYS);
        unsigned what = rig_random(&tested, 1000);
        if (what < 30 && tested.kept[key])
            rig_remove(&tested, key);
        else if (what < 32)
            rig_resize(&tested, 1 + rig_random(&tested, 5000));
        else if (what < 34)
            (void)rig_evict(&tested);
        else
            (void)rig_ask(&tested, key,
                          key % 97 == 0 ? 1 + rig_random(&tested, 4000) : 1 + key % 9);
        assert_true(tested.size <= tested.capacity);
    }
    rig_fini(&tested);
}

static void test_policies_neither_lose_a_node_nor_give_it_twice(void **state)
{
    (void)state;
    each_kind(live_through_a_random_history);
}

static void empty_out(weir_policy_kind kind)
{
    rig_init(&tested, kind, 100);
    assert_int_equal(rig_evict(&tested), RIG_KEYS);
    for (unsigned key = 0; key < 100; key++)
        (void)rig_ask(&tested, key, 1);
    for (unsigned key = 0; key < 50; key++)
        rig_remove(&tested, key * 2);
    assert_int_equal(tested.count, 50);
    for (int i = 0; i < 50; i++)
        assert_int_not_equal(rig_evict(&tested), RIG_KEYS);
    assert_int_equal(rig_evict(&tested), RIG_KEYS);
    (void)rig_ask(&tested, 7, 1);
    rig_fini(&tested);
}

static void test_evict_gives_nothing_only_when_nothing_is_kept(void **state)
{
    (void)state;
    each_kind(empty_out);
}

static void take_a_giant(weir_policy_kind kind)
{
    rig_init(&tested, kind, 100);
    (void)rig_ask(&tested, 1, 101); /* larger than all there is: must go again */
    assert_int_equal(tested.count, 0);
    (void)rig_ask(&tested, 2, 100);
    assert_int_equal(tested.count, 1);
    rig_resize(&tested, 99);
    assert_int_equal(tested.count, 0);
    (void)rig_ask(&tested, 3, SIZE_MAX / 2); /* sums do not overflow */
    rig_resize(&tested, 0);
    (void)rig_ask(&tested, 4, 1);
    assert_int_equal(tested.count, 0);
    rig_fini(&tested);
}

static void test_giants_and_no_room_at_all_are_survived(void **state)
{
    (void)state;
    each_kind(take_a_giant);
}

static size_t misses_of_a_mix(weir_policy_kind kind)
{
    rig_init(&tested, kind, 500);
    for (int i = 0; i < 50000; i++)
        (void)rig_ask(&tested, i % 3 ? rig_skewed(&tested, 2000) : (unsigned)i / 3 % RIG_KEYS, 1);
    size_t misses = tested.misses;
    rig_fini(&tested);
    return misses;
}

static void compare_two_runs(weir_policy_kind kind)
{
    assert_int_equal(misses_of_a_mix(kind), misses_of_a_mix(kind));
}

static void test_the_same_history_gives_the_same_misses(void **state)
{
    (void)state;
    each_kind(compare_two_runs);
}

static void fail_at_new(void *user)
{
    weir_policy_kind kind = *(weir_policy_kind *)user;
    weir_policy *policy = NULL;
    int r = weir_policy_ops_of(kind)->new (10000, 1000, &policy);
    assert_int_equal(r, weir_failalloc_failed() ? -ENOMEM : 0);
    if (r == 0)
        policy->ops->free(policy);
    else
        assert_null(policy);
}

static void use_without_memory(weir_policy_kind kind)
{
    rig_init(&tested, kind, 1000);
    weir_failalloc_arm(1, true);
    for (unsigned i = 0; i < 20000; i++)
        (void)rig_ask(&tested, rig_skewed(&tested, RIG_KEYS), 1 + i % 5);
    rig_resize(&tested, 5000);
    assert_false(weir_failalloc_failed());
    weir_failalloc_arm(0, false);
    rig_fini(&tested);
}

static void test_memory_is_asked_for_at_new_and_only_there(void **state)
{
    (void)state;
    for (weir_policy_kind kind = 0; kind < WEIR_POLICIES; kind++)
        assert_in_range(weir_failalloc_each(4, fail_at_new, &kind), 1, 2);
    each_kind(use_without_memory);
}

static void test_freeing_nothing_is_fine(void **state)
{
    (void)state;
    for (weir_policy_kind kind = 0; kind < WEIR_POLICIES; kind++)
        weir_policy_ops_of(kind)->free(NULL);
    assert_string_equal(weir_policy_name(WEIR_POLICY_S3FIFO), "s3-fifo");
    assert_string_equal(weir_policy_name(WEIR_POLICY_ADAPTIVE), "adaptive");
}

/* ---- scans and loops ---- */

/* Keys 0 … 49, asked for often, and then RIG_KEYS - 50 others once each: how many hot ones stayed.
 */
static unsigned survivors_of_a_scan(weir_policy_kind kind)
{
    rig_init(&tested, kind, 200);
    for (unsigned i = 0; i < 20000; i++)
        (void)rig_ask(&tested, i % 2 ? rig_random(&tested, 50) : 50 + rig_random(&tested, 4000), 1);
    for (unsigned key = 50; key < RIG_KEYS; key++)
        (void)rig_ask(&tested, key, 1);
    unsigned kept = 0;
    for (unsigned key = 0; key < 50; key++)
        kept += tested.kept[key];
    rig_fini(&tested);
    return kept;
}

static void test_a_scan_does_not_flush_what_is_hot(void **state)
{
    (void)state;
    assert_in_range(survivors_of_a_scan(WEIR_POLICY_S3FIFO), 45, 50);
    assert_in_range(survivors_of_a_scan(WEIR_POLICY_ADAPTIVE), 40, 50);
    assert_int_equal(survivors_of_a_scan(WEIR_POLICY_LRU), 0);
}

static double hit_ratio_of_a_loop(weir_policy_kind kind, unsigned length)
{
    rig_init(&tested, kind, 200);
    for (unsigned i = 0; i < 400 * length; i++)
        (void)rig_ask(&tested, i % length, 1);
    double ratio = 1 - (double)tested.misses / (double)tested.requests;
    rig_fini(&tested);
    return ratio;
}

static void test_adaptive_keeps_its_share_of_a_loop(void **state)
{
    (void)state;
    /* At best 0.5 and 0.2; what climbing costs depends on where the samples fall. LRU has none. */
    assert_true(hit_ratio_of_a_loop(WEIR_POLICY_ADAPTIVE, 400) > 0.40);
    assert_true(hit_ratio_of_a_loop(WEIR_POLICY_ADAPTIVE, 1000) > 0.08);
    assert_true(hit_ratio_of_a_loop(WEIR_POLICY_LRU, 400) == 0);
}

static void test_adaptive_follows_when_recency_takes_over(void **state)
{
    (void)state;
    rig_init(&tested, WEIR_POLICY_ADAPTIVE, 200);
    for (unsigned i = 0; i < 100000; i++)
        (void)rig_ask(&tested, i % 400, 1);
    /* Every key comes twice, 100 others in between, and then not for a long while. */
    size_t misses = 0;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned key = (i % 200 < 100 ? i / 200 * 100 + i % 200 : i / 200 * 100 + i % 200 - 100);
        misses += !rig_ask(&tested, key % RIG_KEYS, 1) && i >= 100000;
    }
    assert_in_range(misses, 45000, 55000);
    rig_fini(&tested);
}

/* ---- S3-FIFO's own ---- */

/* Fills a cache of 100 so that every later newcomer costs an eviction. */
static void start_s3fifo(weir_s3fifo_knobs knobs)
{
    weir_policy *policy;
    assert_int_equal(weir_s3fifo_new(100, 100, knobs, &policy), 0);
    rig_init_with(&tested, policy, 100);
}

static void scan(unsigned from, unsigned count)
{
    for (unsigned key = from; key < from + count; key++)
        (void)rig_ask(&tested, key, 1);
}

static void test_what_comes_back_soon_after_its_eviction_is_kept(void **state)
{
    (void)state;
    start_s3fifo((weir_s3fifo_knobs){128, 1, 2});
    scan(0, 110);
    assert_false(tested.kept[0]);
    assert_false(rig_ask(&tested, 0, 1)); /* known: goes to MAIN */
    scan(200, 1000);
    assert_true(tested.kept[0]);
    rig_fini(&tested);
}

static void test_what_comes_back_late_is_a_newcomer(void **state)
{
    (void)state;
    start_s3fifo((weir_s3fifo_knobs){128, 1, 2});
    scan(0, 110);
    scan(200, 100); /* more than 90 evictions after that of key 0 */
    assert_false(rig_ask(&tested, 0, 1));
    scan(400, 200);
    assert_false(tested.kept[0]);
    rig_fini(&tested);
}

/* Hits right after the insertion, as many as there may be; then only strangers. */
static bool survives_a_bunch(weir_s3fifo_knobs knobs)
{
    start_s3fifo(knobs);
    scan(0, 100);
    for (int i = 0; i < 5; i++)
        (void)rig_ask(&tested, 1000, 1);
    scan(2000, 300);
    bool kept = tested.kept[1000];
    rig_fini(&tested);
    return kept;
}

static void test_hits_in_a_bunch_count_as_one(void **state)
{
    (void)state;
    assert_true(survives_a_bunch((weir_s3fifo_knobs){0, WEIR_POLICY_COUNT_CAP, 2}));
    assert_false(survives_a_bunch((weir_s3fifo_knobs){512, 1, 2}));
    assert_true(survives_a_bunch((weir_s3fifo_knobs){512, 1, 1}));
    assert_false(survives_a_bunch((weir_s3fifo_knobs){512, 0, 1}));
}

static void test_hot_nodes_go_round_until_they_are_cold(void **state)
{
    (void)state;
    start_s3fifo((weir_s3fifo_knobs){128, 1, 2});
    scan(0, 4);
    tested.nodes[0].count = tested.nodes[1].count = 2;
    assert_int_equal(rig_evict(&tested), 2); /* 0 and 1 go to MAIN on the way */
    assert_int_equal(tested.nodes[0].count, 0);
    tested.nodes[0].count = WEIR_POLICY_COUNT_CAP;
    assert_int_equal(rig_evict(&tested), 3);
    assert_int_equal(rig_evict(&tested), 1);
    assert_int_equal(tested.nodes[0].count, WEIR_POLICY_COUNT_CAP - 1);
    assert_int_equal(rig_evict(&tested), 0);
    rig_fini(&tested);
}

static void test_readers_that_never_rest_cannot_stop_an_eviction(void **state)
{
    (void)state;
    start_s3fifo((weir_s3fifo_knobs){128, 1, 2});
    rig_resize(&tested, RIG_KEYS);
    scan(0, RIG_KEYS);
    for (int round = 0; round < 20; round++) {
        for (unsigned key = 0; key < RIG_KEYS; key++) {
            if (tested.kept[key])
                tested.nodes[key].count = WEIR_POLICY_COUNT_CAP;
        }
        assert_int_not_equal(rig_evict(&tested), RIG_KEYS);
    }
    rig_fini(&tested);
}

static void test_a_large_newcomer_does_not_flush_the_small_ones(void **state)
{
    (void)state;
    weir_policy_kind kinds[] = {WEIR_POLICY_S3FIFO, WEIR_POLICY_ADAPTIVE};
    for (int i = 0; i < 2; i++) {
        rig_init(&tested, kinds[i], 1000);
        scan(0, 1000);
        for (unsigned key = 0; key < 1000; key++)
            (void)rig_ask(&tested, key, 1);
        size_t before = tested.count;
        (void)rig_ask(&tested, 2000, 600);
        assert_false(tested.kept[2000]);
        assert_in_range(tested.count, before - 1, before);
        rig_fini(&tested);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_neither_lose_a_node_nor_give_it_twice),
        cmocka_unit_test(test_evict_gives_nothing_only_when_nothing_is_kept),
        cmocka_unit_test(test_giants_and_no_room_at_all_are_survived),
        cmocka_unit_test(test_the_same_history_gives_the_same_misses),
        cmocka_unit_test(test_memory_is_asked_for_at_new_and_only_there),
        cmocka_unit_test(test_freeing_nothing_is_fine),
        cmocka_unit_test(test_a_scan_does_not_flush_what_is_hot),
        cmocka_unit_test(test_adaptive_keeps_its_share_of_a_loop),
        cmocka_unit_test(test_adaptive_follows_when_recency_takes_over),
        cmocka_unit_test(test_what_comes_back_soon_after_its_eviction_is_kept),
        cmocka_unit_test(test_what_comes_back_late_is_a_newcomer),
        cmocka_unit_test(test_hits_in_a_bunch_count_as_one),
        cmocka_unit_test(test_hot_nodes_go_round_until_they_are_cold),
        cmocka_unit_test(test_readers_that_never_rest_cannot_stop_an_eviction),
        cmocka_unit_test(test_a_large_newcomer_does_not_flush_the_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
