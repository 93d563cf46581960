/* The tier on Valkey against a server that the test plays on the same loop: what it says well,
 * late, wrongly or not at all. Real servers, TLS and clusters: tests/e2e/test_tier.py. */
#include "backend/valkey/valkey.h"
#include "failalloc.h"
#include "proto/resp/resp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECONDS_MAX 20
#define GETS_MAX 8u

typedef enum manner { WELL, SILENT, RUDE, OLD, ENDS } manner;

typedef struct asked {
    weir_tier_get get;
    unsigned done;
    size_t len;
} asked;

typedef struct rig {
    weir_loop *loop;
    weir_listener *listener;
    weir_stream *stream; /* the newest connection, as the server has it */
    weir_tier *tier;
    weir_timer timer;
    manner manner;
    unsigned greetings, gets, sets;
    char value[200]; /* the newest that was set, for every key */
    asked asked[GETS_MAX];
} rig;

static rig *t;

/* ---- the server ---- */

static void say(weir_stream *stream, const char *text)
{
    weir_stream_write(stream, weir_slice_cstr(text));
}

static void keep(weir_slice word)
{
    size_t len = word.len < sizeof(t->value) ? word.len : sizeof(t->value) - 1;
    memcpy(t->value, word.data, len);
    t->value[len] = '\0';
}

static void on_get(weir_stream *stream)
{
    char text[300];
    t->gets++;
    switch (t->manner) {
    case SILENT:
        return;
    case RUDE:
        say(stream, "HTTP/1.1 400 Bad Request\r\n\r\n");
        return;
    case ENDS:
        weir_stream_close(stream, 0);
        return;
    case WELL:
    case OLD:
        if (!t->value[0]) {
            say(stream, "_\r\n");
            return;
        }
        (void)snprintf(text, sizeof(text), ">2\r\n+news\r\n:1\r\n|1\r\n+a\r\n+b\r\n$%zu\r\n%s\r\n",
                       strlen(t->value), t->value);
        say(stream, text);
    }
}

static void on_command(weir_stream *stream, const weir_slice *words)
{
    if (weir_slice_eq(words[0], WEIR_SLICE_LIT("HELLO"))) {
        t->greetings++;
        say(stream, t->manner == OLD ? "-ERR unknown command `HELLO`\r\n"
                                     : "%2\r\n+mode\r\n+standalone\r\n+x\r\n*0\r\n");
    } else if (weir_slice_eq(words[0], WEIR_SLICE_LIT("GET"))) {
        on_get(stream);
    } else if (weir_slice_eq(words[0], WEIR_SLICE_LIT("SET"))) {
        t->sets++;
        keep(words[2]);
        say(stream, "+OK\r\n");
    } else {
        say(stream, ":1\r\n");
    }
}

static size_t server_bytes(weir_stream *stream, weir_slice bytes)
{
    static const weir_resp_limits limits = {.text_max = 1000, .values_max = 100};
    size_t done = 0, size;
    while (weir_resp_size(weir_slice_skip(bytes, done), &limits, &size) == 0) {
        weir_slice rest = weir_slice_skip(bytes, done), words[8];
        weir_resp_token token;
        assert_int_equal(weir_resp_read(&rest, &token), 0);
        assert_in_range(token.values, 1, 8);
        for (uint64_t i = 0, n = token.values; i < n; i++) {
            assert_int_equal(weir_resp_read(&rest, &token), 0);
            words[i] = token.text;
        }
        done += size;
        on_command(stream, words);
    }
    return done;
}

static void server_close(weir_stream *stream, int error)
{
    (void)error;
    if (t->stream == stream)
        t->stream = NULL;
}

static const weir_stream_handler server = {.on_bytes = server_bytes, .on_close = server_close};

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    (void)listener;
    weir_stream_set_handler(stream, &server, NULL);
    t->stream = stream;
}

static void on_refused(weir_listener *listener, int error)
{
    (void)listener, (void)error;
}

static const weir_listener_handler accepts = {.on_accept = on_accept, .on_refused = on_refused};

/* ---- the rig ---- */

static void stop(weir_timer *timer, weir_loop *loop)
{
    (void)timer;
    weir_loop_stop(loop);
}

static void turn(weir_time delay)
{
    weir_timer_arm(t->loop, &t->timer, weir_loop_clock(t->loop) + delay);
    weir_loop_run(t->loop);
}

static int open_tier(void)
{
    weir_valkey_options o = {.addresses = {weir_listener_address(t->listener)},
                             .address_count = 1,
                             .prefix = "p:",
                             .connections = 1,
                             .connect_timeout = SECONDS_MAX * WEIR_SECOND,
                             .value_max = 4096,
                             .workers = 1};
    return weir_valkey_open(&o, &t->tier);
}

static void close_tier(void)
{
    t->tier->ops->detach(t->tier, 0);
    t->tier->ops->detach(t->tier, 0); /* harmless */
    t->tier->ops->destroy(t->tier);
    t->tier = NULL;
}

static int setup(void **state)
{
    (void)state;
    t = calloc(1, sizeof(*t));
    assert_non_null(t);
    weir_timer_init(&t->timer, stop);
    assert_int_equal(weir_loop_new(&(weir_loop_options){.name = "test"}, &t->loop), 0);
    assert_int_equal(weir_listen(t->loop, "127.0.0.1:0", false, &accepts, NULL, &t->listener), 0);
    assert_int_equal(open_tier(), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (t->tier)
        close_tier();
    weir_listener_close(t->listener);
    turn(WEIR_MS);
    weir_loop_drop_tasks(t->loop);
    weir_loop_free(t->loop);
    free(t);
    return 0;
}

static weir_tier_stats stats(void)
{
    weir_tier_stats s;
    t->tier->ops->stats(t->tier, &s);
    return s;
}

static void on_done(weir_tier_get *get, weir_slice stored)
{
    asked *a = WEIR_CONTAINER_OF(get, asked, get);
    assert_int_equal(a->done, 0);
    a->done++;
    a->len = stored.len;
    weir_loop_stop(t->loop);
}

static weir_tier_key key_of(unsigned n)
{
    return weir_tier_key_of((weir_portable){.rest = weir_slice_make(&n, sizeof(n))});
}

static weir_tier_answer begin_get(unsigned n, weir_time timeout)
{
    t->asked[n] = (asked){
        .get = {.key = key_of(n), .deadline = weir_loop_clock(t->loop) + timeout, .done = on_done}};
    return t->tier->ops->get(t->tier, 0, t->loop, &t->asked[n].get);
}

static void wait_done(unsigned n)
{
    while (!t->asked[n].done)
        turn(SECONDS_MAX * WEIR_SECOND);
}

/* The length of what came. */
static size_t get(unsigned n)
{
    assert_int_equal(begin_get(n, SECONDS_MAX * WEIR_SECOND), WEIR_TIER_ASKED);
    wait_done(n);
    return t->asked[n].len;
}

/* The first question finds no connection, and opens one. */
static void wait_well(void)
{
    for (unsigned i = 0; !stats().well; i++) {
        assert_in_range(i, 0, SECONDS_MAX * 200);
        if (begin_get(0, WEIR_SECOND) == WEIR_TIER_ASKED)
            wait_done(0);
        turn(5 * WEIR_MS);
    }
}

static int write_value(weir_tier_put *put, weir_buf *out)
{
    (void)put;
    return weir_buf_append(out, WEIR_SLICE_LIT("the value"));
}

static void drop_value(weir_tier_put *put)
{
    free(put);
}

static void put(bool expensive)
{
    weir_tier_put *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    *p = (weir_tier_put){.key = key_of(1),
                         .ttl = WEIR_SECOND,
                         .size = 9,
                         .expensive = expensive,
                         .write = write_value,
                         .drop = drop_value};
    uint64_t before = stats().puts + stats().dropped;
    t->tier->ops->put(t->tier, 0, t->loop, p);
    while (stats().puts + stats().dropped == before)
        turn(WEIR_MS);
}

/* ---- tests ---- */

static void test_valkey_gives_back_what_was_put(void **state)
{
    (void)state;
    assert_int_equal(begin_get(0, WEIR_SECOND), WEIR_TIER_SKIPPED);
    wait_well();
    assert_int_equal(get(1), 0);
    put(false);
    assert_int_equal(get(1), 9);
    t->value[0] = '\0';
    put(true); /* by way of the encoder's thread */
    assert_int_equal(get(1), 9);
    assert_int_equal(stats().puts, 2);
    assert_int_equal(t->greetings, 1);
}

static void test_valkey_pipelines(void **state)
{
    (void)state;
    wait_well();
    put(false);
    for (unsigned n = 0; n < GETS_MAX; n++)
        assert_int_equal(begin_get(n, SECONDS_MAX * WEIR_SECOND), WEIR_TIER_ASKED);
    for (unsigned n = 0; n < GETS_MAX; n++)
        wait_done(n);
    for (unsigned n = 0; n < GETS_MAX; n++)
        assert_int_equal(t->asked[n].len, 9);
    assert_int_equal(t->greetings, 1);
}

static void test_valkey_older_than_hello_will_do(void **state)
{
    (void)state;
    t->manner = OLD;
    wait_well();
    put(false);
    assert_int_equal(get(1), 9);
}

static void test_valkey_that_is_late_is_left_alone(void **state)
{
    (void)state;
    wait_well();
    put(false);
    t->manner = SILENT;
    for (unsigned n = 0; n < 5; n++) {
        assert_int_equal(begin_get(n, WEIR_MS), WEIR_TIER_ASKED);
        wait_done(n);
        assert_int_equal(t->asked[n].len, 0);
    }
    assert_int_equal(stats().late, 5);
    assert_false(stats().well);
    unsigned gets = t->gets;
    assert_int_equal(begin_get(5, WEIR_SECOND), WEIR_TIER_SKIPPED);
    t->manner = WELL;
    wait_well();
    assert_int_equal(get(1), 9);
    assert_true(t->gets > gets);
}

/* The answer to a question that nobody waits for any more is not taken for the next one's. */
static void test_valkey_late_answers_stay_in_order(void **state)
{
    (void)state;
    wait_well();
    t->manner = SILENT;
    assert_int_equal(begin_get(1, WEIR_MS), WEIR_TIER_ASKED);
    wait_done(1);
    t->manner = WELL;
    put(false);
    assert_int_equal(begin_get(2, SECONDS_MAX * WEIR_SECOND), WEIR_TIER_ASKED);
    turn(20 * WEIR_MS);
    assert_int_equal(t->asked[2].done, 0); /* +OK and its own would be one too few */
    say(t->stream, "$4\r\nlast\r\n");
    wait_done(2);
    assert_int_equal(t->asked[2].len, 4);
}

static void fails(manner how)
{
    wait_well();
    put(false);
    t->manner = how;
    assert_int_equal(get(1), 0);
    assert_false(stats().well);
    assert_true(stats().errors > 0);
    t->manner = WELL;
    wait_well();
    assert_int_equal(get(1), 9);
}

static void test_valkey_that_says_nonsense_is_left_alone(void **state)
{
    (void)state;
    fails(RUDE);
}

static void test_valkey_that_ends_is_connected_to_again(void **state)
{
    (void)state;
    fails(ENDS);
}

static void test_valkey_answers_those_who_wait_when_the_worker_ends(void **state)
{
    (void)state;
    wait_well();
    t->manner = SILENT;
    assert_int_equal(begin_get(1, SECONDS_MAX * WEIR_SECOND), WEIR_TIER_ASKED);
    assert_int_equal(begin_get(2, SECONDS_MAX * WEIR_SECOND), WEIR_TIER_ASKED);
    close_tier();
    assert_int_equal(t->asked[1].done, 1);
    assert_int_equal(t->asked[2].done, 1);
}

static void test_valkey_refuses_what_cannot_be(void **state)
{
    (void)state;
    weir_tier *none = NULL;
    char prefix[200];
    memset(prefix, 'x', sizeof(prefix) - 1);
    prefix[sizeof(prefix) - 1] = '\0';
    weir_valkey_options o = {.prefix = ""};
    assert_int_equal(weir_valkey_open(&o, &none), -EINVAL);
    o.addresses[0] = "127.0.0.1:1";
    o.address_count = 1;
    o.prefix = prefix;
    assert_int_equal(weir_valkey_open(&o, &none), -EINVAL);
}

/* Asks, puts and asks, with memory or without: nobody waits for ever. */
static void live(void *user)
{
    (void)user;
    if (open_tier() < 0) {
        assert_true(weir_failalloc_failed());
        t->tier = NULL;
        return;
    }
    for (unsigned n = 0; n < 4; n++) {
        if (begin_get(n, 50 * WEIR_MS) == WEIR_TIER_ASKED)
            wait_done(n);
        weir_tier_put *p = calloc(1, sizeof(*p));
        if (p) {
            *p = (weir_tier_put){.key = key_of(1),
                                 .ttl = WEIR_SECOND,
                                 .expensive = n % 2,
                                 .write = write_value,
                                 .drop = drop_value};
            t->tier->ops->put(t->tier, 0, t->loop, p);
        }
        turn(2 * WEIR_MS);
    }
    close_tier();
    turn(WEIR_MS);
}

static void test_valkey_survives_every_failed_allocation(void **state)
{
    (void)state;
    close_tier();
    assert_true(weir_failalloc_each(400, live, NULL) > 0);
    assert_int_equal(open_tier(), 0);
    wait_well();
    put(false);
    assert_int_equal(get(1), 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_valkey_gives_back_what_was_put),
        TEST(test_valkey_pipelines),
        TEST(test_valkey_older_than_hello_will_do),
        TEST(test_valkey_that_is_late_is_left_alone),
        TEST(test_valkey_late_answers_stay_in_order),
        TEST(test_valkey_that_says_nonsense_is_left_alone),
        TEST(test_valkey_that_ends_is_connected_to_again),
        TEST(test_valkey_answers_those_who_wait_when_the_worker_ends),
        TEST(test_valkey_refuses_what_cannot_be),
        TEST(test_valkey_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
