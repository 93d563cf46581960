/* The simulator's network keeps every promise of net/net.h under many seeds, and the same seed
 * makes the same run. */
#include "conformance.h"
#include "simnet.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { SEEDS = 20 };

static uint64_t run_one(const net_scenario *scenario, uint64_t seed, const char *address)
{
    simnet *sim = simnet_new(&(simnet_options){.seed = seed, .pause_chance = 100});
    net_bed bed = {.address = address};
    weir_memory_init(&bed.memory, 0);
    bed.loop = simnet_loop_new(sim, &(weir_loop_options){.name = "test", .memory = &bed.memory});
    scenario->run(&bed);
    weir_loop_free(bed.loop);
    assert_int_equal(simnet_sockets(sim), 0);
    assert_int_equal(atomic_load(&bed.memory.total), 0);
    uint64_t trace = simnet_trace(sim);
    simnet_free(sim);
    return trace;
}

static void test_simulated_streams_keep_the_promises(void **state)
{
    const net_scenario *scenarios = *state;
    for (; scenarios->name; scenarios++) {
        print_message("    %s\n", scenarios->name);
        bool heavy = scenarios->name[0] == 'a' && scenarios->name[2] == 's';
        for (uint64_t seed = 0; seed < (heavy ? 1 : SEEDS); seed++)
            (void)run_one(scenarios, seed, seed % 2 ? "/sim/socket" : "127.0.0.1:0");
    }
}

static void test_the_same_seed_makes_the_same_run(void **state)
{
    (void)state;
    uint64_t first = run_one(&net_scenarios[0], 42, "127.0.0.1:0");
    assert_true(first == run_one(&net_scenarios[0], 42, "127.0.0.1:0"));
    assert_true(first != run_one(&net_scenarios[0], 43, "127.0.0.1:0"));
}

int main(void)
{
    union {
        const net_scenario *in;
        void *out;
    } bytes = {.in = net_scenarios}, life = {.in = net_life_scenarios};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_simulated_streams_keep_the_promises, bytes.out),
        cmocka_unit_test_prestate(test_simulated_streams_keep_the_promises, life.out),
        cmocka_unit_test(test_the_same_seed_makes_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
