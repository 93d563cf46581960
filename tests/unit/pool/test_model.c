/* The lending core under thousands of random histories: several shards, messages that arrive late
 * and in any order between pairs, opens that fail, connections that die, borrowers that leave. Each
 * step is checked by the rig; at the end of each history no waiter may be left while there is
 * capacity. A failing seed is printed; `test_pool_model SEED` runs it alone. */
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 4000
#define STEPS 150

static uint64_t one_seed;

static unsigned draw(uint64_t *state, unsigned below)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % below);
}

static weir_pool_options draw_options(uint64_t *g)
{
    weir_pool_options o = {.size_max = 1 + draw(g, 5), .fair_within = WEIR_MS};
    o.size_min = draw(g, 3) ? 0 : draw(g, o.size_max + 1);
    o.pinned_max = draw(g, 3);
    o.waiters_max = 2 + draw(g, 30);
    o.idle_timeout = draw(g, 2) ? 20 * WEIR_MS : 0;
    o.lifetime_max = draw(g, 3) ? 0 : 100 * WEIR_MS;
    o.validate_after = draw(g, 2) ? 5 * WEIR_MS : 0;
    o.hold_max = draw(g, 2) ? 30 * WEIR_MS : 0;
    o.open_backoff_min = 2 * WEIR_MS;
    o.open_backoff_max = 20 * WEIR_MS;
    o.reserve_size = draw(g, 2) ? 0 : 1 + draw(g, 2);
    o.reserve_after = (weir_time)draw(g, 2) * 5 * WEIR_MS;
    o.opening_max = draw(g, 3);
    return o;
}

/* A borrower in the given state, or -1. */
static int any_borrower(rig *r, uint64_t *g, int state)
{
    int count = rig_waiters(r);
    int start = count ? (int)draw(g, (unsigned)count) : 0;
    for (int i = 0; i < count; i++) {
        int at = (start + i) % count;
        if (rig_waiter_state(r, at) == state)
            return at;
    }
    return -1;
}

static void step_holder(rig *r, uint64_t *g)
{
    int holder = any_borrower(r, g, RIG_LENT);
    if (holder < 0)
        return;
    switch (draw(g, 8)) {
    case 0:
        (void)rig_pin(r, holder, draw(g, 2));
        break;
    case 1:
        rig_unpin(r, holder);
        break;
    case 2:
        rig_release(r, holder, false);
        break;
    case 3:
        (void)rig_die(r, rig_conn_of(r, holder));
        break;
    default:
        rig_release(r, holder, true);
    }
}

static void step_world(rig *r, uint64_t *g)
{
    int conns = rig_conns(r);
    switch (draw(g, 12)) {
    case 0:
        rig_pause(r, true);
        break;
    case 1:
    case 2:
        rig_pause(r, false);
        break;
    case 3:
        if (draw(g, 8) == 0)
            rig_reconnect(r);
        break;
    case 4:
    case 5:
        if (conns > 0)
            (void)rig_die(r, (int)draw(g, (unsigned)conns));
        break;
    case 6:
        rig_tick_all(r);
        break;
    default:
        rig_advance(r, (weir_time)draw(g, 5000) * WEIR_US);
    }
}

static void step(rig *r, uint64_t *g, unsigned shards)
{
    unsigned what = draw(g, 20);
    int waiter = what == 6 ? any_borrower(r, g, RIG_WAITING) : -1;
    if (what < 6)
        (void)rig_acquire(r, draw(g, shards));
    else if (what == 6 && waiter >= 0)
        rig_withdraw(r, waiter);
    else if (what < 11)
        step_holder(r, g);
    else if (what < 17 && rig_pending(r) > 0)
        rig_complete(r, (int)draw(g, (unsigned)rig_pending(r)), draw(g, 6) != 0);
    else
        step_world(r, g);
}

static const char *run(uint64_t seed)
{
    uint64_t g = seed;
    unsigned shards = 1 + draw(&g, 4);
    weir_pool_options options = draw_options(&g);
    bool timeouts = draw(&g, 2);
    options.acquire_timeout = timeouts ? 15 * WEIR_MS : 0;
    rig *r = rig_new(&options, shards);
    assert_non_null(r);
    const char *error = NULL;
    static char kept[160];
    for (int i = 0; i < STEPS && !error; i++) {
        step(r, &g, shards);
        error = rig_check(r);
    }
    if (!error && !timeouts) {
        rig_pause(r, false);
        error = rig_check_quiescent(r);
    }
    if (error) {
        snprintf(kept, sizeof(kept), "%s", error);
        return kept; /* the rig is left: its books are broken */
    }
    rig_free(r);
    return NULL;
}

static void test_pool_keeps_its_invariants_in_random_histories(void **state)
{
    (void)state;
    uint64_t from = one_seed ? one_seed : 1, to = one_seed ? one_seed : SEEDS;
    for (uint64_t seed = from; seed <= to; seed++) {
        const char *error = run(seed);
        if (error)
            fail_msg("seed %llu: %s", (unsigned long long)seed, error);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_keeps_its_invariants_in_random_histories),
    };
    one_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
