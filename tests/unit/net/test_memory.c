/* Every allocation of the network may fail: streams close with -ENOMEM, listeners refuse for a
 * while, timers still fire; nothing leaks and nothing hangs. */
#include "conformance.h"
#include "failalloc.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { TOTAL = 150000 };

typedef struct world {
    weir_loop *loop;
    weir_stream *client;
    size_t sent, got;
    weir_timer timers[20];
    unsigned fired;
} world;

static size_t server_bytes(weir_stream *stream, weir_slice bytes)
{
    size_t whole = bytes.len / 7000 * 7000; /* the rest is kept */
    weir_stream_write(stream, weir_slice_head(bytes, whole));
    return whole;
}

static void server_close(weir_stream *stream, int error)
{
    (void)stream;
    if (error < 0 && error != -ECONNRESET && error != -EPIPE)
        assert_true(weir_failalloc_failed());
}

static const weir_stream_handler server_handler = {.on_bytes = server_bytes,
                                                   .on_close = server_close};

static void client_open(weir_stream *stream)
{
    static const uint8_t block[1000];
    for (int i = 0; i < TOTAL / 1000; i++)
        weir_stream_write(stream, weir_slice_make(block, sizeof(block)));
}

static size_t client_bytes(weir_stream *stream, weir_slice bytes)
{
    world *w = weir_stream_user(stream);
    w->got += bytes.len;
    if (w->got >= TOTAL / 7000 * 7000)
        weir_stream_close(stream, 0);
    return bytes.len;
}

static void client_close(weir_stream *stream, int error)
{
    world *w = weir_stream_user(stream);
    assert_true(error == 0 || weir_failalloc_failed());
    w->client = NULL;
    weir_loop_stop(w->loop);
}

static const weir_stream_handler client_handler = {
    .on_open = client_open, .on_bytes = client_bytes, .on_close = client_close};

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    weir_stream_set_handler(stream, &server_handler, weir_listener_user(listener));
}

static void on_refused(weir_listener *listener, int error)
{
    (void)listener;
    assert_int_equal(error, -ENOMEM);
}

static const weir_listener_handler listener_handler = {on_accept, on_refused};

static void on_fire(weir_timer *timer, weir_loop *loop)
{
    (void)timer;
    world *w = weir_loop_user(loop);
    if (++w->fired == 20)
        weir_loop_stop(loop);
}

/* One timer is moved and one disarmed while some may be outside the heap. */
static void run_timers(world *w)
{
    weir_time now = weir_loop_clock(w->loop);
    for (int i = 0; i < 20; i++) {
        weir_timer_init(&w->timers[i], on_fire);
        weir_timer_arm(w->loop, &w->timers[i], now + (i % 3) * WEIR_MS);
    }
    weir_timer_arm(w->loop, &w->timers[3], now + 3 * WEIR_MS);
    weir_timer_disarm(w->loop, &w->timers[4]);
    weir_timer_arm(w->loop, &w->timers[4], now + WEIR_MS);
    w->fired = 0;
    weir_loop_run(w->loop);
    assert_int_equal(w->fired, 20);
}

static void run_world(void *user)
{
    const weir_loop_kind *kind = user;
    world w = {0};
    weir_listener *listener = NULL;
    int r = weir_loop_new(&(weir_loop_options){.user = &w, .kind = *kind}, &w.loop);
    if (r < 0) {
        assert_int_equal(r, -ENOMEM);
        return;
    }
    run_timers(&w);
    r = weir_listen(w.loop, "127.0.0.1:0", false, &listener_handler, &w, &listener);
    if (r == 0)
        r = weir_connect(w.loop, weir_listener_address(listener), &client_handler, &w, &w.client);
    if (r == 0)
        weir_loop_run(w.loop);
    else
        assert_int_equal(r, -ENOMEM);
    assert_true(weir_failalloc_failed() || w.got >= TOTAL / 7000 * 7000);
    weir_loop_free(w.loop);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    weir_loop_kind kind = net_kind(); /* finding out allocates */
    assert_true(weir_failalloc_each(300, run_world, &kind) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
