/* The loops over the kernel keep every promise of net/net.h, over TCP and over UNIX sockets. */
#include "conformance.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void run_all(const net_scenario *scenario, const char *address)
{
    for (; scenario->name; scenario++) {
        print_message("    %s\n", scenario->name);
        net_bed bed = {.address = address};
        weir_memory_init(&bed.memory, 0);
        weir_loop_options options = {.kind = net_kind(), .name = "test", .memory = &bed.memory};
        assert_int_equal(weir_loop_new(&options, &bed.loop), 0);
        scenario->run(&bed);
        weir_loop_free(bed.loop);
        assert_int_equal(atomic_load(&bed.memory.total), 0);
    }
}

static void test_tcp_streams_keep_the_promises(void **state)
{
    (void)state;
    run_all(net_scenarios, "127.0.0.1:0");
    run_all(net_life_scenarios, "127.0.0.1:0");
}

static void test_unix_streams_keep_the_promises(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/weir-net-%d.sock", (int)getpid());
    run_all(net_scenarios, path);
    run_all(net_life_scenarios, path);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_streams_keep_the_promises),
        cmocka_unit_test(test_unix_streams_keep_the_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
