/* The lending core, behaviour by behaviour. */
#include "failalloc.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const weir_pool_options plain = {.size_max = 2,
                                        .pinned_max = 1,
                                        .waiters_max = 8,
                                        .fair_within = WEIR_MS,
                                        .open_backoff_min = 100 * WEIR_MS,
                                        .open_backoff_max = 10 * WEIR_SECOND};

#define WITH(...)                                                                                  \
    ({                                                                                             \
        weir_pool_options o_ = plain;                                                              \
        __VA_ARGS__;                                                                               \
        o_;                                                                                        \
    })

static void finish(rig *r)
{
    assert_null(rig_check(r));
    rig_free(r);
}

static rig *begin(weir_pool_options options, unsigned shards)
{
    rig *r = rig_new(&options, shards);
    assert_non_null(r);
    rig_tick_all(r);
    return r;
}

static weir_pool_stats stats_of(rig *r)
{
    weir_pool_stats s;
    weir_pool_stats_read(rig_pool(r), rig_now(r), &s);
    return s;
}

/* A borrower that holds a connection that was opened for it. */
static int borrow(rig *r, unsigned shard)
{
    int w = rig_acquire(r, shard);
    if (rig_waiter_state(r, w) == RIG_WAITING)
        assert_true(rig_complete_first(r, RIG_OPEN, true));
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    return w;
}

static void test_pool_lends_the_newest_idle_first(void **state)
{
    (void)state;
    rig *r = begin(plain, 1);
    int a = borrow(r, 0), b = borrow(r, 0);
    int newest = rig_conn_of(r, b);
    rig_release(r, a, true);
    rig_release(r, b, true);
    int c = rig_acquire(r, 0);
    assert_int_equal(rig_conn_of(r, c), newest);
    assert_int_equal(stats_of(r).acquired, 3);
    assert_int_equal(stats_of(r).waited, 2);
    finish(r);
}

static void test_pool_wakes_waiters_in_order(void **state)
{
    (void)state;
    rig *r = begin(plain, 1);
    int a = borrow(r, 0), b = borrow(r, 0);
    int c = rig_acquire(r, 0), d = rig_acquire(r, 0);
    rig_release(r, b, true);
    assert_int_equal(rig_waiter_state(r, c), RIG_LENT);
    assert_int_equal(rig_waiter_state(r, d), RIG_WAITING);
    rig_release(r, a, true);
    assert_int_equal(rig_waiter_state(r, d), RIG_LENT);
    finish(r);
}

static void test_pool_opens_no_more_than_size_max(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    for (unsigned i = 0; i < 4; i++)
        (void)rig_acquire(r, i % 2);
    assert_int_equal(rig_count(r, RIG_OPEN), 2);
    finish(r);
}

static void test_pool_refuses_beyond_waiters_max(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.waiters_max = 1), 2);
    (void)rig_acquire(r, 0);
    assert_int_equal(rig_waiter_state(r, rig_acquire(r, 1)), RIG_FULL);
    assert_int_equal(stats_of(r).refused, 1);
    finish(r);
}

static void test_pool_times_a_waiter_out_once(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.acquire_timeout = WEIR_SECOND; o_.size_max = 1), 1);
    (void)borrow(r, 0);
    int w = rig_acquire(r, 0);
    rig_advance(r, WEIR_SECOND - 1);
    assert_int_equal(rig_waiter_state(r, w), RIG_WAITING);
    rig_advance(r, 1);
    assert_int_equal(rig_waiter_state(r, w), RIG_TIMED_OUT);
    assert_int_equal(stats_of(r).timeouts, 1);
    assert_int_equal(stats_of(r).waiting, 0);
    finish(r);
}

/* Hazard 16: a client that disconnects while waiting. */
static void test_pool_opened_for_one_who_left_goes_to_the_next(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 1), 1);
    int a = rig_acquire(r, 0), b = rig_acquire(r, 0);
    rig_withdraw(r, a);
    assert_true(rig_complete_first(r, RIG_OPEN, true));
    assert_int_equal(rig_waiter_state(r, b), RIG_LENT);
    rig_withdraw(r, b); /* harmless: it does not wait */
    finish(r);
}

static void test_pool_validated_for_one_who_left_becomes_idle(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.validate_after = WEIR_SECOND), 1);
    rig_release(r, borrow(r, 0), true);
    rig_advance(r, 2 * WEIR_SECOND);
    int w = rig_acquire(r, 0);
    assert_int_equal(rig_count(r, RIG_VALIDATE), 1);
    rig_withdraw(r, w);
    assert_true(rig_complete_first(r, RIG_VALIDATE, true));
    assert_int_equal(rig_waiter_state(r, rig_acquire(r, 0)), RIG_LENT); /* without another look */
    finish(r);
}

/* Hazard 14: an idle connection that died. */
static void test_pool_bad_connection_is_replaced(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.validate_after = WEIR_SECOND; o_.size_max = 1), 1);
    rig_release(r, borrow(r, 0), true);
    rig_advance(r, 2 * WEIR_SECOND);
    int w = rig_acquire(r, 0);
    assert_true(rig_complete_first(r, RIG_VALIDATE, false));
    assert_int_equal(rig_count(r, RIG_OPEN), 0); /* it exists until it is closed */
    assert_true(rig_complete_first(r, RIG_CLOSE, true));
    assert_true(rig_complete_first(r, RIG_OPEN, true));
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    finish(r);
}

/* Hazard 16: a large queue in one worker, idle connections in another. */
static void test_pool_idle_connection_moves_to_a_starving_shard(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    int a = borrow(r, 0);
    rig_release(r, a, true);
    int w = rig_acquire(r, 1);
    assert_int_equal(rig_count(r, RIG_OPEN), 0); /* what is idle comes first */
    assert_true(rig_complete_first(r, RIG_NUDGE, true));
    assert_true(rig_complete_first(r, RIG_MOVE, true));
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    assert_int_equal(rig_pending(r), 0);
    finish(r);
}

static void test_pool_asked_in_vain_makes_the_asker_open(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    rig_release(r, borrow(r, 0), true);
    int w = rig_acquire(r, 1);
    (void)rig_acquire(r, 0); /* takes it before the message arrives */
    rig_complete_all(r);
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    assert_int_equal(stats_of(r).opened, 2);
    finish(r);
}

static void test_pool_moved_for_one_who_left_rests_there(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 1), 2);
    int a = borrow(r, 0);
    int w = rig_acquire(r, 1);
    rig_release(r, a, true);
    rig_withdraw(r, w);
    assert_true(rig_complete_first(r, RIG_MOVE, true));
    assert_int_equal(rig_conn_shard(r, 0), 1);
    assert_int_equal(rig_conn_state(r, 0), WEIR_POOL_CONN_IDLE);
    finish(r);
}

static void test_pool_release_prefers_own_waiters_within_the_bound(void **state)
{
    (void)state;
    for (int older = 0; older < 2; older++) {
        rig *r = begin(WITH(o_.size_max = 1), 2);
        int a = borrow(r, 0);
        int far = rig_acquire(r, 1);
        rig_advance(r, older ? WEIR_MS + 1 : WEIR_MS);
        int near = rig_acquire(r, 0);
        rig_release(r, a, true);
        assert_int_equal(rig_waiter_state(r, near), older ? RIG_WAITING : RIG_LENT);
        rig_complete_all(r);
        assert_int_equal(rig_waiter_state(r, far), older ? RIG_LENT : RIG_WAITING);
        finish(r);
    }
}

static void test_pool_freed_place_goes_to_the_older_waiter_elsewhere(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 1), 2);
    int a = borrow(r, 0);
    int far = rig_acquire(r, 1);
    rig_advance(r, 2 * WEIR_MS);
    int near = rig_acquire(r, 0);
    rig_release(r, a, false);
    rig_complete_all(r);
    assert_int_equal(rig_waiter_state(r, far), RIG_LENT);
    assert_int_equal(rig_waiter_state(r, near), RIG_WAITING);
    finish(r);
}

static void test_pool_backs_off_after_failed_opens(void **state)
{
    (void)state;
    rig *r = begin(plain, 1);
    int w = rig_acquire(r, 0);
    (void)rig_acquire(r, 0);
    assert_int_equal(rig_count(r, RIG_OPEN), 2);
    assert_true(rig_complete_first(r, RIG_OPEN, false));
    assert_true(rig_complete_first(r, RIG_OPEN, false)); /* counts as one failure */
    assert_int_equal(rig_pending(r), 0);
    rig_advance(r, 100 * WEIR_MS - 1);
    assert_int_equal(rig_pending(r), 0);
    rig_advance(r, 1);
    assert_int_equal(rig_count(r, RIG_OPEN), 1); /* one try, though two wait */
    assert_true(rig_complete_first(r, RIG_OPEN, false));
    rig_advance(r, 199 * WEIR_MS);
    assert_int_equal(rig_pending(r), 0);
    rig_advance(r, WEIR_MS);
    assert_true(rig_complete_first(r, RIG_OPEN, true));
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    assert_int_equal(rig_count(r, RIG_OPEN), 1); /* and now the other */
    finish(r);
}

static void test_pool_fatal_open_failure_ends_all_waits_of_the_shard(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    int a = rig_acquire(r, 0), b = rig_acquire(r, 0);
    rig_fail_open_for_good(r);
    assert_int_equal(rig_waiter_state(r, a), RIG_TIMED_OUT);
    assert_int_equal(rig_waiter_state(r, b), RIG_TIMED_OUT);
    assert_int_equal(stats_of(r).refused, 2);
    finish(r);
}

static void test_pool_keeps_size_min_open(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 5; o_.size_min = 3; o_.idle_timeout = WEIR_SECOND), 2);
    assert_int_equal(rig_count(r, RIG_OPEN), 2); /* each shard one at a time */
    rig_complete_all(r);
    assert_int_equal(stats_of(r).idle, 3);
    int w[5];
    for (int i = 0; i < 5; i++) {
        w[i] = rig_acquire(r, 0);
        rig_complete_all(r);
    }
    for (int i = 0; i < 5; i++)
        rig_release(r, w[i], true);
    rig_advance(r, WEIR_SECOND);
    assert_int_equal(rig_count(r, RIG_CLOSE), 2);
    rig_complete_all(r);
    assert_true(rig_die(r, rig_conns(r) > 4 ? 0 : 1) || rig_die(r, 1) || rig_die(r, 2));
    rig_complete_all(r);
    assert_int_equal(stats_of(r).idle, 3);
    finish(r);
}

static void test_pool_retires_old_connections_with_jitter(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.lifetime_max = 100 * WEIR_SECOND), 1);
    int a = borrow(r, 0), b = borrow(r, 0);
    rig_release(r, a, true);
    rig_advance(r, 90 * WEIR_SECOND - 1);
    assert_int_equal(rig_pending(r), 0);
    rig_advance(r, 10 * WEIR_SECOND + 1);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1); /* the idle one at once, */
    rig_release(r, b, true);
    assert_int_equal(rig_count(r, RIG_CLOSE), 2); /* the lent one when it comes back */
    finish(r);
}

static void test_pool_reports_a_leak_once(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.hold_max = WEIR_SECOND), 1);
    int w = borrow(r, 0);
    int conn = rig_conn_of(r, w);
    rig_advance(r, WEIR_SECOND);
    assert_true(rig_conn_leaked(r, conn));
    rig_advance(r, 100 * WEIR_SECOND); /* the rig objects to a second report */
    assert_int_equal(stats_of(r).leaks, 1);
    rig_release(r, w, true);
    (void)rig_acquire(r, 0);
    rig_advance(r, WEIR_SECOND);
    assert_int_equal(stats_of(r).leaks, 2);
    finish(r);
}

static void test_pool_pinned_connections_leave_room_for_others(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    int a = borrow(r, 0), b = borrow(r, 0);
    int w = rig_acquire(r, 1);
    assert_int_equal(rig_pin(r, a, 1), -EAGAIN); /* no second one could be besides */
    assert_int_equal(rig_pin(r, a, 0), 0);
    assert_int_equal(rig_pin(r, a, 0), 0);
    assert_int_equal(rig_pin(r, b, 0), -EAGAIN);
    rig_complete_all(r);
    assert_int_equal(rig_waiter_state(r, w), RIG_LENT);
    assert_int_equal(stats_of(r).pinned, 1);
    finish(r);
}

static void test_pool_unpinned_without_a_place_is_closed_on_release(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 1), 1);
    int a = borrow(r, 0);
    assert_int_equal(rig_pin(r, a, 0), 0);
    int b = borrow(r, 0);
    rig_unpin(r, a);
    assert_int_equal(stats_of(r).pinned, 1);
    rig_release(r, a, true);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1);
    rig_complete_all(r);
    assert_int_equal(stats_of(r).pinned, 0);
    assert_int_equal(rig_pin(r, b, 0), 0);
    rig_release(r, b, true); /* there is a place: kept */
    assert_int_equal(stats_of(r).idle, 1);
    finish(r);
}

/* Hazard 16: PAUSE that deadlocks with waiters. */
static void test_pool_paused_queues_and_resumed_serves(void **state)
{
    (void)state;
    rig *r = begin(plain, 2);
    rig_release(r, borrow(r, 0), true);
    rig_pause(r, true);
    int a = rig_acquire(r, 0), b = rig_acquire(r, 1);
    rig_complete_all(r);
    assert_int_equal(rig_waiter_state(r, a), RIG_WAITING);
    rig_pause(r, false);
    rig_complete_all(r);
    assert_int_equal(rig_waiter_state(r, a), RIG_LENT);
    assert_int_equal(rig_waiter_state(r, b), RIG_LENT);
    finish(r);
}

static void test_pool_drained_refuses_and_closes(void **state)
{
    (void)state;
    rig *r = begin(WITH(o_.size_max = 1), 1);
    int a = borrow(r, 0), b = rig_acquire(r, 0);
    rig_drain(r);
    assert_int_equal(rig_waiter_state(r, b), RIG_TIMED_OUT);
    assert_int_equal(rig_waiter_state(r, rig_acquire(r, 0)), RIG_REFUSED);
    rig_pause(r, false); /* does not end a drain */
    rig_release(r, a, true);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1);
    finish(r);
}

static void test_pool_reconnect_closes_what_was_open(void **state)
{
    (void)state;
    rig *r = begin(plain, 1);
    int a = borrow(r, 0), b = borrow(r, 0);
    rig_release(r, a, true);
    rig_reconnect(r);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1);
    rig_complete_all(r);
    int c = borrow(r, 0);
    rig_release(r, b, true);
    rig_release(r, c, true);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1); /* the new one stays */
    assert_int_equal(stats_of(r).idle, 1);
    finish(r);
}

static void test_pool_shrinks_when_reconfigured(void **state)
{
    (void)state;
    rig *r = begin(plain, 1);
    int a = borrow(r, 0), b = borrow(r, 0);
    weir_pool_options smaller = WITH(o_.size_max = 1);
    weir_pool_configure(rig_pool(r), &smaller);
    rig_tick_all(r);
    rig_release(r, a, true);
    assert_int_equal(rig_count(r, RIG_CLOSE), 1);
    rig_complete_all(r);
    rig_release(r, b, true);
    assert_int_equal(stats_of(r).idle, 1);
    finish(r);
}

static void test_pool_refuses_impossible_options(void **state)
{
    (void)state;
    weir_pool *pool = NULL;
    weir_pool_options bad[] = {WITH(o_.size_max = 0), WITH(o_.size_min = 3),
                               WITH(o_.waiters_max = 0)};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(weir_pool_new(&bad[i], 1, &pool), -EINVAL);
    assert_int_equal(weir_pool_new(&plain, 0, &pool), -EINVAL);
    assert_null(pool);
}

static void new_and_free(void *user)
{
    weir_pool *pool = NULL;
    (void)user;
    int result = weir_pool_new(&plain, 3, &pool);
    assert_int_equal(result, weir_failalloc_failed() ? -ENOMEM : 0);
    weir_pool_free(pool);
}

static void test_pool_survives_failing_allocations(void **state)
{
    (void)state;
    (void)weir_failalloc_each(4, new_and_free, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_lends_the_newest_idle_first),
        cmocka_unit_test(test_pool_wakes_waiters_in_order),
        cmocka_unit_test(test_pool_opens_no_more_than_size_max),
        cmocka_unit_test(test_pool_refuses_beyond_waiters_max),
        cmocka_unit_test(test_pool_times_a_waiter_out_once),
        cmocka_unit_test(test_pool_opened_for_one_who_left_goes_to_the_next),
        cmocka_unit_test(test_pool_validated_for_one_who_left_becomes_idle),
        cmocka_unit_test(test_pool_bad_connection_is_replaced),
        cmocka_unit_test(test_pool_idle_connection_moves_to_a_starving_shard),
        cmocka_unit_test(test_pool_asked_in_vain_makes_the_asker_open),
        cmocka_unit_test(test_pool_moved_for_one_who_left_rests_there),
        cmocka_unit_test(test_pool_release_prefers_own_waiters_within_the_bound),
        cmocka_unit_test(test_pool_freed_place_goes_to_the_older_waiter_elsewhere),
        cmocka_unit_test(test_pool_backs_off_after_failed_opens),
        cmocka_unit_test(test_pool_fatal_open_failure_ends_all_waits_of_the_shard),
        cmocka_unit_test(test_pool_keeps_size_min_open),
        cmocka_unit_test(test_pool_retires_old_connections_with_jitter),
        cmocka_unit_test(test_pool_reports_a_leak_once),
        cmocka_unit_test(test_pool_pinned_connections_leave_room_for_others),
        cmocka_unit_test(test_pool_unpinned_without_a_place_is_closed_on_release),
        cmocka_unit_test(test_pool_paused_queues_and_resumed_serves),
        cmocka_unit_test(test_pool_drained_refuses_and_closes),
        cmocka_unit_test(test_pool_reconnect_closes_what_was_open),
        cmocka_unit_test(test_pool_shrinks_when_reconfigured),
        cmocka_unit_test(test_pool_refuses_impossible_options),
        cmocka_unit_test(test_pool_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
