/* Scenarios of bytes: order, splits, back-pressure, half-closing, kept bytes. See conformance.h. */
#include "conformance.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* ---- the ends ---- */

typedef struct counter {
    unsigned left;
    weir_listener *listener;
} counter;

static counter running; /* of the scenario under way */

enum { SKIPPED = 77 };

weir_loop_kind net_kind(void)
{
    static unsigned asked;
    const char *name = getenv("WEIR_NET_LOOP");
    bool mixed = name && strcmp(name, "mixed") == 0;
    if (!name || (!mixed && strcmp(name, "io_uring") != 0) || (mixed && asked++ % 2 == 0))
        return WEIR_LOOP_EPOLL;
    weir_loop *loop = NULL;
    int r = weir_loop_new(&(weir_loop_options){.kind = WEIR_LOOP_URING}, &loop);
    weir_loop_free(loop);
    if (r < 0) {
        print_message("no io_uring here: %s\n", strerror(-r));
        exit(SKIPPED);
    }
    return WEIR_LOOP_URING;
}

uint8_t net_pattern(size_t at)
{
    return (uint8_t)(at * 131 + (at >> 8) * 17 + (at >> 16));
}

size_t net_consume(net_end *end, weir_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != net_pattern(end->got + i))
            fail_msg("wrong byte at %zu", end->got + i);
    }
    end->got += bytes.len;
    return bytes.len;
}

void net_pump(net_end *end)
{
    uint8_t chunk[3000];
    while (end->sent < end->to_send && !weir_stream_congested(end->stream)) {
        size_t n = end->to_send - end->sent;
        n = n < sizeof(chunk) ? n : sizeof(chunk);
        for (size_t i = 0; i < n; i++)
            chunk[i] = net_pattern(end->sent + i);
        weir_stream_write(end->stream, weir_slice_make(chunk, n));
        end->sent += n;
        size_t queued = weir_stream_queued(end->stream);
        end->most_queued = queued > end->most_queued ? queued : end->most_queued;
    }
    if (end->sent == end->to_send && end->to_send > 0) {
        end->to_send = 0;
        weir_stream_finish(end->stream);
    }
}

static void on_open(weir_stream *stream)
{
    net_end *end = weir_stream_user(stream);
    if (end->bed->tls_client && !end->secured) {
        end->secured = true;
        assert_int_equal(
            weir_stream_start_tls(stream, end->bed->tls_client, "localhost", "localhost"), 0);
        return;
    }
    end->opened++;
    if (end->open)
        end->open(end);
}

static size_t on_bytes(weir_stream *stream, weir_slice bytes)
{
    net_end *end = weir_stream_user(stream);
    assert_int_equal(end->closed, 0);
    assert_true(bytes.len > 0);
    return end->bytes ? end->bytes(end, bytes) : net_consume(end, bytes);
}

static void on_drained(weir_stream *stream)
{
    net_end *end = weir_stream_user(stream);
    assert_false(weir_stream_congested(stream));
    end->drained++;
    if (end->to_send > 0)
        net_pump(end);
    else if (end->other)
        weir_stream_resume(stream);
}

static void on_close(weir_stream *stream, int error)
{
    net_end *end = weir_stream_user(stream);
    assert_int_equal(end->closed, 0);
    end->closed++;
    end->error = error;
    if (end->gone)
        end->gone(end);
    if (--running.left == 0)
        weir_loop_stop(end->bed->loop);
}

const weir_stream_handler net_end_handler = {
    .on_open = on_open, .on_bytes = on_bytes, .on_drained = on_drained, .on_close = on_close};

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    net_end *end = weir_listener_user(listener);
    end->stream = stream;
    weir_stream_set_handler(stream, &net_end_handler, end);
    end->secured = true;
    if (end->bed->tls_server)
        assert_int_equal(weir_stream_start_tls(stream, end->bed->tls_server, NULL, NULL), 0);
    else if (end->open)
        end->open(end);
}

const weir_listener_handler net_end_listener = {on_accept, NULL};

void net_pair(net_bed *bed, net_end *server, net_end *client)
{
    server->bed = client->bed = bed;
    assert_int_equal(
        weir_listen(bed->loop, bed->address, false, &net_end_listener, server, &running.listener),
        0);
    assert_int_equal(weir_connect(bed->loop, weir_listener_address(running.listener),
                                  &net_end_handler, client, &client->stream),
                     0);
}

void net_expect(unsigned ends)
{
    running.left = ends;
}

void net_run(net_bed *bed, unsigned ends)
{
    net_expect(ends);
    weir_loop_run(bed->loop);
    weir_listener_close(running.listener);
    running.listener = NULL;
}

typedef struct stopper {
    weir_timer timer;
} stopper;

static stopper the_stopper;

static void stop_now(weir_timer *timer, weir_loop *loop)
{
    (void)timer;
    weir_loop_stop(loop);
}

void net_stop_after(net_bed *bed, weir_time delay)
{
    weir_timer_init(&the_stopper.timer, stop_now);
    weir_timer_arm(bed->loop, &the_stopper.timer, weir_loop_clock(bed->loop) + delay);
}

/* ---- scenarios ---- */

static size_t echo(net_end *end, weir_slice bytes)
{
    weir_stream_write(end->stream, bytes);
    if (weir_stream_congested(end->stream))
        weir_stream_pause(end->stream);
    return bytes.len;
}

static void echo_returns_every_byte_in_order(net_bed *bed)
{
    net_end server = {.bytes = echo};
    net_end client = {.open = net_pump, .to_send = 3000000};
    server.other = &client;
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(client.got, 3000000);
    assert_int_equal(client.opened, 1);
    assert_int_equal(server.error, 0);
    assert_int_equal(client.error, 0);
}

/* Hands back what does not make whole records of 1000. */
static size_t take_records(net_end *end, weir_slice bytes)
{
    size_t whole = bytes.len / 1000 * 1000;
    return whole ? net_consume(end, weir_slice_head(bytes, whole)) : 0;
}

static void an_unconsumed_tail_comes_again_in_front(net_bed *bed)
{
    net_end server = {.bytes = take_records};
    net_end client = {.open = net_pump, .to_send = 700000};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.got, 700000);
}

static size_t take_all_or_nothing(net_end *end, weir_slice bytes)
{
    return bytes.len < 900000 ? 0 : net_consume(end, bytes);
}

static void large_open(net_end *end)
{
    weir_stream_set_limit(end->stream, 1000000);
}

static void a_message_is_gathered_up_to_the_limit(net_bed *bed)
{
    net_end server = {.bytes = take_all_or_nothing, .open = large_open};
    net_end client = {.open = net_pump, .to_send = 900000};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.got, 900000);
    assert_int_equal(server.error, 0);
}

static size_t take_nothing(net_end *end, weir_slice bytes)
{
    assert_true(bytes.len <= 10000);
    end->got = bytes.len;
    return 0;
}

static void small_open(net_end *end)
{
    weir_stream_set_limit(end->stream, 10000);
}

static void a_message_beyond_the_limit_closes_with_emsgsize(net_bed *bed)
{
    net_end server = {.bytes = take_nothing, .open = small_open};
    net_end client = {.open = net_pump, .to_send = 200000};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.error, -EMSGSIZE);
    assert_int_equal(server.got, 10000);
}

static void kept_bytes_are_handed_once_more_at_the_end(net_bed *bed)
{
    net_end server = {.bytes = take_nothing};
    net_end client = {.open = net_pump, .to_send = 77};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(server.got, 77);
    assert_int_equal(server.error, 0);
}

typedef struct slow_reader {
    net_end end;
    weir_timer timer;
} slow_reader;

static void wake_reader(weir_timer *timer, weir_loop *loop)
{
    (void)loop;
    slow_reader *r = WEIR_CONTAINER_OF(timer, slow_reader, timer);
    if (!r->end.closed)
        weir_stream_resume(r->end.stream);
}

static size_t read_slowly(net_end *end, weir_slice bytes)
{
    slow_reader *r = WEIR_CONTAINER_OF(end, slow_reader, end);
    size_t n = bytes.len < 50000 ? bytes.len : 50000;
    net_consume(end, weir_slice_head(bytes, n));
    if (end->got / 2000000 != (end->got - n) / 2000000) {
        weir_stream_pause(end->stream);
        weir_timer_arm(end->bed->loop, &r->timer, weir_loop_now(end->bed->loop) + 2 * WEIR_MS);
    }
    return n;
}

static void a_slow_reader_is_served_in_bounded_memory(net_bed *bed)
{
    enum { TOTAL = 100 * 1000 * 1000 };
    slow_reader server = {.end = {.bytes = read_slowly}};
    net_end client = {.open = net_pump, .to_send = TOTAL};
    weir_timer_init(&server.timer, wake_reader);
    bed->memory.total_max = 2000000;
    net_pair(bed, &server.end, &client);
    net_run(bed, 2);
    weir_timer_disarm(bed->loop, &server.timer);
    assert_int_equal(server.end.error, 0);
    assert_int_equal(client.error, 0);
    assert_int_equal(server.end.got, TOTAL);
    assert_true(client.drained > 0);
    assert_true(client.most_queued < 300 * 1024);
}

static void write_without_end(net_end *end)
{
    static const uint8_t block[60000];
    for (int i = 0; i < 1000; i++)
        weir_stream_write(end->stream, weir_slice_make(block, sizeof(block)));
}

static void pause_open(net_end *end)
{
    weir_stream_pause(end->stream);
}

static void resume_other(net_end *end)
{
    weir_stream_close(end->other->stream, 0);
}

static void the_memory_cap_closes_whoever_passes_it(net_bed *bed)
{
    net_end server = {.open = pause_open};
    net_end client = {.open = write_without_end, .gone = resume_other, .other = &server};
    bed->memory.total_max = 1000000;
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(client.error, -ENOMEM);
    assert_int_equal(server.error, 0);
}

/* ---- half-closing ---- */

static size_t request(net_end *end, weir_slice bytes)
{
    net_consume(end, bytes);
    if (end->got == 5000) {
        end->to_send = 400000;
        net_pump(end);
    }
    return bytes.len;
}

static void finishing_leaves_the_other_direction_open(net_bed *bed)
{
    net_end client = {.bytes = request};
    net_end server = {.open = net_pump, .to_send = 5000};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    /* Each closed when the other ended, so the server's close waited for the whole answer. */
    assert_int_equal(client.got, 5000);
    assert_int_equal(client.error, 0);
}

/* A refusal written while the client still talks must arrive: no reset may overtake it. */
static size_t refuse(net_end *end, weir_slice bytes)
{
    if (end->sent == 0) {
        uint8_t words[2000];
        for (size_t i = 0; i < sizeof(words); i++)
            words[i] = net_pattern(i);
        weir_stream_write(end->stream, weir_slice_make(words, sizeof(words)));
        end->sent = sizeof(words);
        weir_stream_close(end->stream, 10 * WEIR_SECOND);
    }
    return bytes.len;
}

static void last_words_arrive_before_a_close_with_linger(net_bed *bed)
{
    net_end server = {.bytes = refuse};
    net_end client = {.open = net_pump, .to_send = 3000000};
    net_pair(bed, &server, &client);
    net_run(bed, 2);
    assert_int_equal(client.got, 2000);
    assert_int_equal(server.error, 0);
}

const net_scenario net_scenarios[] = {
    {"echo returns every byte in order", echo_returns_every_byte_in_order},
    {"an unconsumed tail comes again in front", an_unconsumed_tail_comes_again_in_front},
    {"a message is gathered up to the limit", a_message_is_gathered_up_to_the_limit},
    {"beyond the limit: EMSGSIZE", a_message_beyond_the_limit_closes_with_emsgsize},
    {"kept bytes come once more at the end", kept_bytes_are_handed_once_more_at_the_end},
    {"a slow reader: bounded memory", a_slow_reader_is_served_in_bounded_memory},
    {"the memory cap closes", the_memory_cap_closes_whoever_passes_it},
    {"finishing leaves the other direction open", finishing_leaves_the_other_direction_open},
    {"last words arrive", last_words_arrive_before_a_close_with_linger},
    {NULL, NULL},
};
