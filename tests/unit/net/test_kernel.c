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

/* ---- half closed ---- */

static void count_turn(void *user, weir_loop *loop)
{
    (void)loop;
    ++*(unsigned *)user;
}

static void pause_there(net_end *end)
{
    weir_stream_pause(end->stream);
}

static void write_more_than_goes(net_end *end)
{
    static const uint8_t block[16 * 1024 * 1024];
    weir_stream_pause(end->stream);
    weir_stream_write(end->stream, weir_slice_make(block, sizeof(block)));
}

static void finish_and_pause(net_end *end)
{
    weir_stream_pause(end->stream);
    weir_stream_finish(end->stream);
}

static unsigned turns_beside(const char *address, void (*open)(net_end *end))
{
    unsigned turns = 0;
    net_bed bed = {.address = address};
    weir_loop_options options = {
        .kind = net_kind(), .name = "test", .on_turn = count_turn, .user = &turns};
    assert_int_equal(weir_loop_new(&options, &bed.loop), 0);
    net_end server = {.open = open}, client = {.open = finish_and_pause};
    net_pair(&bed, &server, &client);
    net_stop_after(&bed, 200 * WEIR_MS);
    net_run(&bed, 3);
    weir_loop_free(bed.loop);
    return turns;
}

/* Nobody reads there, or nothing more can be written: it is told of once, not in every turn. */
static void test_a_peer_that_has_ended_leaves_the_loop_asleep(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/weir-net-%d.sock", (int)getpid());
    const char *addresses[] = {"127.0.0.1:0", path};
    for (unsigned i = 0; i < 2; i++) {
        assert_in_range(turns_beside(addresses[i], pause_there), 1, 200);
        assert_in_range(turns_beside(addresses[i], write_more_than_goes), 1, 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_streams_keep_the_promises),
        cmocka_unit_test(test_unix_streams_keep_the_promises),
        cmocka_unit_test(test_a_peer_that_has_ended_leaves_the_loop_asleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
