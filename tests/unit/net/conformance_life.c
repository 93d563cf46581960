/* Scenarios of a stream's life and of the loop's: closing in callbacks, pausing, refusals, timers,
 * tasks. See conformance.h. */
#include "conformance.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the above first */
#include <cmocka.h>

static size_t close_both(net_end *end, weir_slice bytes)
{
    (void)bytes;
    weir_stream_close(end->stream, 0);
    weir_stream_close(end->other->stream, WEIR_SECOND);
    weir_stream_close(end->other->stream, 0);
    /* All of these are nothing now. */
    weir_stream_write(end->stream, WEIR_SLICE_LIT("late"));
    weir_stream_write(end->other->stream, WEIR_SLICE_LIT("late"));
    weir_stream_resume(end->stream);
    weir_stream_pause(end->other->stream);
    weir_stream_close(end->stream, 0);
    return 0;
}

static void closing_both_ends_in_a_callback_tells_each_once(net_bed *bed)
{
    net_end server = {.bytes = close_both};
    net_end client = {.open = net_pump, .to_send = 100};
    server.other = &client;
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.closed, 1);
    assert_int_equal(client.closed, 1);
    assert_int_equal(server.error, 0);
    assert_int_equal(client.error, 0);
}

static void close_self(net_end *end)
{
    weir_stream_close(end->stream, 0);
}

static void closing_in_on_open_and_on_accept(net_bed *bed)
{
    net_end server = {.open = close_self};
    net_end client = {.open = close_self};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(client.closed, 1);
    assert_int_equal(server.got, 0);
}

static void closing_while_connecting(net_bed *bed)
{
    net_end server = {0};
    net_end client = {0};
    net_pair(bed, &server, &client);
    weir_stream_close(client.stream, WEIR_SECOND);
    net_run(bed, 1);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.closed, 1);
    assert_int_equal(client.error, 0);
}

static void a_refused_connection_is_told_by_on_close(net_bed *bed)
{
    net_end client = {.bed = bed};
    weir_listener *listener = NULL;
    char address[120];
    assert_int_equal(
        weir_listen(bed->loop, bed->address, false, &net_end_listener, &client, &listener), 0);
    snprintf(address, sizeof(address), "%s", weir_listener_address(listener));
    weir_listener_close(listener);
    int r = weir_connect(bed->loop, address, &net_end_handler, &client, &client.stream);
    if (r < 0) { /* a UNIX socket that is gone is known at once */
        assert_int_equal(bed->address[0], '/');
        return;
    }
    net_run(bed, 1);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.error, -ECONNREFUSED);
}

/* A reset: closing while the kernel has unread bytes. The other end is paused. */
static void write_and_pause(net_end *end)
{
    weir_stream_write(end->stream, WEIR_SLICE_LIT("never read"));
    weir_stream_pause(end->stream);
    end->sent++;
}

static void close_soon(weir_timer *timer, weir_loop *loop);

typedef struct resetter {
    net_end end;
    weir_timer timer;
} resetter;

#define WRITES_UNREAD 10

/* The loop may have received the first bytes itself, before or in spite of the pause, on a slow
 * machine also some that came after; not all of them. */
static void close_soon(weir_timer *timer, weir_loop *loop)
{
    net_end *end = &WEIR_CONTAINER_OF(timer, resetter, timer)->end;
    if (end->other->sent > WRITES_UNREAD) {
        weir_stream_close(end->stream, 0);
        return;
    }
    if (end->other->sent > 0)
        write_and_pause(end->other);
    weir_timer_arm(loop, timer, weir_loop_now(loop) + 20 * WEIR_MS);
}

static void reset_open(net_end *end)
{
    resetter *r = WEIR_CONTAINER_OF(end, resetter, end);
    weir_stream_pause(end->stream);
    weir_timer_init(&r->timer, close_soon);
    weir_timer_arm(end->bed->loop, &r->timer, weir_loop_now(end->bed->loop) + 20 * WEIR_MS);
}

static void a_reset_is_told_while_paused(net_bed *bed)
{
    net_end server = {.open = write_and_pause};
    resetter client = {.end = {.open = reset_open, .other = &server}};
    net_pair(bed, &server, &client.end);
    net_run(bed, 2);
    assert_int_equal(server.error, -ECONNRESET);
    assert_int_equal(client.end.error, 0);
}

typedef struct pauser {
    net_end end;
    weir_timer timer;
    unsigned calls;
} pauser;

static void unpause(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    weir_stream_resume(WEIR_CONTAINER_OF(timer, pauser, timer)->end.stream);
}

static size_t pause_first(net_end *end, weir_slice bytes)
{
    pauser *p = WEIR_CONTAINER_OF(end, pauser, end);
    if (p->calls++ > 0)
        return net_consume(end, bytes);
    weir_stream_pause(end->stream);
    weir_timer_init(&p->timer, unpause);
    weir_timer_arm(end->bed->loop, &p->timer, weir_loop_now(end->bed->loop) + 20 * WEIR_MS);
    return 0;
}

static void an_end_waits_for_a_paused_reader(net_bed *bed)
{
    pauser server = {.end = {.bytes = pause_first}};
    net_end client = {.open = net_pump, .to_send = 5000};
    net_pair(bed, &server.end, &client);
    net_run(bed, 2);
    assert_int_equal(server.end.got, 5000);
    assert_int_equal(server.end.error, 0);
}

/* Asks for its bytes again each time and takes none: others must have their turn. */
static size_t nag(net_end *end, weir_slice bytes)
{
    (void)bytes;
    weir_stream_resume(end->stream);
    return 0;
}

static void resuming_in_on_bytes_does_not_hold_the_loop(net_bed *bed)
{
    net_end server = {.bytes = nag};
    net_end client = {.open = net_pump, .to_send = 10};
    client.to_send = 10;
    net_pair(bed, &server, &client);
    net_stop_after(bed, 20 * WEIR_MS);
    net_run(bed, 3);
    assert_true(weir_loop_clock(bed->loop) > 0);
}

static size_t take_by_second(net_end *end, weir_slice bytes)
{
    size_t n = net_consume(end, bytes);
    weir_stream_close(end->stream, 0);
    return n;
}

static size_t give_to_second(net_end *end, weir_slice bytes)
{
    if (bytes.len < 10)
        return 0;
    net_consume(end, weir_slice_head(bytes, 4));
    end->other->got = 4;
    end->other->stream = end->stream;
    weir_stream_set_handler(end->stream, &net_end_handler, end->other);
    weir_stream_resume(end->stream);
    return 4;
}

static void kept_bytes_go_to_the_new_handler(net_bed *bed)
{
    net_end second = {.bed = bed, .bytes = take_by_second};
    net_end server = {.bytes = give_to_second, .other = &second};
    net_end client = {.open = net_pump, .to_send = 10};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(second.got, 10);
    assert_int_equal(second.closed, 1);
    assert_int_equal(server.closed, 0);
}

/* ---- the loop ---- */

enum { TIMERS = 1000 };

typedef struct clockwork {
    weir_timer timer;
    weir_time at;
    unsigned *left;
    weir_time *last;
} clockwork;

static void tick(weir_timer *timer, weir_loop *loop)
{
    clockwork *c = WEIR_CONTAINER_OF(timer, clockwork, timer);
    assert_true(weir_loop_now(loop) >= c->at);
    assert_true(c->at >= *c->last);
    *c->last = c->at;
    if (--*c->left == 0)
        weir_loop_stop(loop);
}

static void timers_fire_in_order_and_not_early(net_bed *bed)
{
    static clockwork all[TIMERS];
    weir_time start = weir_loop_clock(bed->loop);
    weir_time last = 0;
    unsigned left = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        clockwork *c = &all[i];
        *c = (clockwork){.left = &left, .last = &last};
        weir_timer_init(&c->timer, tick);
        c->at = start + (weir_time)(i * 7919 % 50) * WEIR_MS;
        weir_timer_arm(bed->loop, &c->timer, c->at);
        if (i % 3 == 0) { /* later, then earlier again, then a bit later */
            weir_timer_arm(bed->loop, &c->timer, c->at + WEIR_SECOND);
            weir_timer_arm(bed->loop, &c->timer, c->at);
            c->at += 10 * WEIR_MS;
            weir_timer_arm(bed->loop, &c->timer, c->at);
        }
        if (i % 7 == 0)
            weir_timer_arm(bed->loop, &c->timer, WEIR_TIME_NEVER);
        else
            left++;
    }
    weir_loop_run(bed->loop);
    assert_int_equal(left, 0);
}

static void again(weir_timer *timer, weir_loop *loop)
{
    weir_timer_arm(loop, timer, weir_loop_now(loop));
}

static void a_timer_armed_for_now_does_not_hold_the_loop(net_bed *bed)
{
    weir_timer timer;
    weir_timer_init(&timer, again);
    weir_timer_arm(bed->loop, &timer, weir_loop_clock(bed->loop));
    net_stop_after(bed, 10 * WEIR_MS);
    weir_loop_run(bed->loop);
    weir_timer_disarm(bed->loop, &timer);
}

typedef struct chain {
    weir_task task;
    unsigned number;
    unsigned *next;
} chain;

static void link_run(weir_task *task, weir_loop *loop)
{
    chain *c = WEIR_CONTAINER_OF(task, chain, task);
    assert_int_equal(c->number, *c->next);
    ++*c->next;
    if (c->number < 100) { /* a task may post itself again */
        c->number += 100;
        weir_loop_post(loop, task);
    } else if (c->number == 199) {
        weir_loop_stop(loop);
    }
}

typedef struct starter {
    weir_task task;
    chain all[100];
    unsigned next;
} starter;

static void post_all(weir_task *task, weir_loop *loop)
{
    starter *s = WEIR_CONTAINER_OF(task, starter, task);
    for (unsigned i = 0; i < 100; i++) {
        s->all[i] = (chain){.number = i, .next = &s->next};
        s->all[i].task.run = link_run;
        weir_loop_post(loop, &s->all[i].task);
    }
}

static void tasks_run_in_the_order_of_posting(net_bed *bed)
{
    starter s = {.task.run = post_all};
    weir_loop_post(bed->loop, &s.task);
    weir_loop_run(bed->loop);
    assert_int_equal(s.next, 200);
}

static void resolved(void *user, const char *const *addresses, size_t count, const char *reason)
{
    net_bed *bed = user;
    assert_int_equal(count, 1);
    assert_string_equal(addresses[0], "[::1]:5432");
    assert_null(reason);
    weir_loop_stop(bed->loop);
}

static void numeric_addresses_resolve_without_an_executor(net_bed *bed)
{
    assert_int_equal(weir_resolve(bed->loop, NULL, "[::1]:5432", resolved, bed), 0);
    weir_loop_run(bed->loop);
    assert_int_equal(weir_resolve(bed->loop, NULL, "no port", resolved, bed), -EINVAL);
    assert_int_equal(weir_resolve(bed->loop, NULL, "name:1", resolved, bed), -EINVAL);
}

static size_t ask_quiet(net_end *end, weir_slice bytes)
{
    net_consume(end, bytes);
    if (end->got == 10)
        weir_stream_close(end->stream, 0);
    return bytes.len;
}

static void peer_open(net_end *end)
{
    assert_true(weir_stream_quiet(end->stream));
    assert_true(weir_stream_local(end->stream));
    if (end->bed->address[0] == '/')
        assert_string_equal(weir_stream_peer(end->stream), "unix");
    else
        assert_memory_equal(weir_stream_peer(end->stream), "127.0.0.1:", 10);
    net_pump(end);
}

static void a_fresh_stream_is_quiet_and_knows_its_peer(net_bed *bed)
{
    net_end server = {.bytes = ask_quiet};
    net_end client = {.open = peer_open, .to_send = 10};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.got, 10);
}

static void freeing_a_loop_drops_what_is_open(net_bed *bed)
{
    static net_end server;
    static net_end client;
    server = (net_end){.bed = bed, .open = write_and_pause};
    client = (net_end){.bed = bed, .open = write_and_pause};
    weir_listener *listener = NULL;
    assert_int_equal(
        weir_listen(bed->loop, bed->address, false, &net_end_listener, &server, &listener), 0);
    assert_int_equal(weir_connect(bed->loop, weir_listener_address(listener), &net_end_handler,
                                  &client, &client.stream),
                     0);
    for (unsigned turns = 0; client.opened == 0 && turns < 1000; turns++) {
        net_stop_after(bed, 10 * WEIR_MS);
        weir_loop_run(bed->loop);
    }
    assert_int_equal(client.opened, 1);
}

const net_scenario net_life_scenarios[] = {
    {"closing both ends in a callback", closing_both_ends_in_a_callback_tells_each_once},
    {"closing in on_open and on_accept", closing_in_on_open_and_on_accept},
    {"closing while connecting", closing_while_connecting},
    {"a refused connection", a_refused_connection_is_told_by_on_close},
    {"a reset is told while paused", a_reset_is_told_while_paused},
    {"an end waits for a paused reader", an_end_waits_for_a_paused_reader},
    {"resuming does not hold the loop", resuming_in_on_bytes_does_not_hold_the_loop},
    {"kept bytes go to the new handler", kept_bytes_go_to_the_new_handler},
    {"timers fire in order and not early", timers_fire_in_order_and_not_early},
    {"a timer for now does not hold the loop", a_timer_armed_for_now_does_not_hold_the_loop},
    {"tasks run in order", tasks_run_in_the_order_of_posting},
    {"numeric addresses need no executor", numeric_addresses_resolve_without_an_executor},
    {"quiet, peer, local", a_fresh_stream_is_quiet_and_knows_its_peer},
    {"freeing a loop drops what is open", freeing_a_loop_drops_what_is_open},
    {NULL, NULL},
};
