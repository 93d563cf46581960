/* What only the kernel's implementation has: addresses, listeners and their socket files, running
 * out of descriptors, handing descriptors over, foreign descriptors, names; and its small parts. */
#include "conformance.h"
#include "net/address.h"
#include "net/chunk.h"
#include "net/ready.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static net_bed make_bed(const char *address)
{
    net_bed bed = {.address = address};
    assert_int_equal(
        weir_loop_new(&(weir_loop_options){.name = "test", .kind = net_kind()}, &bed.loop), 0);
    return bed;
}

static void test_addresses_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
        int result;
    } rows[] = {
        {"127.0.0.1:6432", "127.0.0.1:6432", 0},
        {"0.0.0.0:0", "0.0.0.0:0", 0},
        {"[::1]:6432", "[::1]:6432", 0},
        {"unix:/tmp/x", "/tmp/x", 0},
        {"/tmp/x", "/tmp/x", 0},
        {"localhost:6432", NULL, -EINVAL},
        {"127.0.0.1", NULL, -EINVAL},
        {"127.0.0.1:", NULL, -EINVAL},
        {":6432", NULL, -EINVAL},
        {"::1:6432", NULL, -EINVAL},
        {"[::1:6432", NULL, -EINVAL},
        {"[]:1", NULL, -EINVAL},
        {"]:1", NULL, -EINVAL},
        {"127.0.0.1:99999999", NULL, -ENAMETOOLONG},
        {"127.0.0.1:port", NULL, -EINVAL},
        {"", NULL, -EINVAL},
        {"/a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890"
         "a234567890a234567890a234567890",
         NULL, -ENAMETOOLONG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_storage address;
        socklen_t len = 0;
        char text[WEIR_ADDRESS_TEXT_MAX];
        assert_int_equal(weir_address_parse(rows[i].text, &address, &len), rows[i].result);
        if (rows[i].result < 0)
            continue;
        weir_address_format(&address, text);
        assert_string_equal(text, rows[i].written);
    }
}

static void test_chunks_are_charged_until_freed_and_reused(void **state)
{
    (void)state;
    weir_memory memory;
    weir_chunk_pool pool;
    weir_memory_init(&memory, 40000);
    weir_chunk_pool_init(&pool, &memory);
    weir_chunk *a = weir_chunk_take(&pool, WEIR_CHUNK_CAP);
    weir_chunk *b = weir_chunk_take(&pool, 10);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(b->cap < 1000);
    assert_null(weir_chunk_take(&pool, 30000));
    assert_int_equal(weir_chunk_fill(b, (const uint8_t *)"0123456789", 10), 10);
    assert_int_equal(weir_chunk_len(b), 10);
    weir_chunk_give(&pool, a);
    assert_ptr_equal(weir_chunk_take(&pool, WEIR_CHUNK_CAP), a);
    a->next = b;
    weir_chunk_give_all(&pool, a);
    weir_chunk_pool_fini(&pool);
    assert_int_equal(atomic_load(&memory.total), 0);
}

static void test_an_idle_stream_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(weir_ready_stream) <= 208);
}

static void test_shared_listeners_share_and_others_are_refused(void **state)
{
    (void)state;
    net_bed bed = make_bed(NULL);
    net_end end = {.bed = &bed};
    weir_listener *a = NULL;
    weir_listener *b = NULL;
    assert_int_equal(weir_listen(bed.loop, "127.0.0.1:0", true, &net_end_listener, &end, &a), 0);
    const char *address = weir_listener_address(a);
    assert_int_equal(weir_listen(bed.loop, address, true, &net_end_listener, &end, &b), 0);
    weir_listener_close(b);
    assert_int_equal(weir_listen(bed.loop, address, false, &net_end_listener, &end, &b),
                     -EADDRINUSE);
    assert_int_equal(weir_listen(bed.loop, "192.0.2.1:0", false, &net_end_listener, &end, &b),
                     -EADDRNOTAVAIL);
    assert_int_equal(weir_listen(bed.loop, "/nowhere/s", false, &net_end_listener, &end, &b),
                     -ENOENT);
    assert_int_equal(weir_listen(bed.loop, "/tmp/s", true, &net_end_listener, &end, &b), -EINVAL);
    weir_listener_close(a);
    weir_loop_free(bed.loop);
}

static void test_a_stale_socket_file_is_replaced_and_a_live_one_kept(void **state)
{
    (void)state;
    net_bed bed = make_bed(NULL);
    net_end end = {.bed = &bed};
    weir_listener *a = NULL;
    weir_listener *b = NULL;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/weir-stale-%d.sock", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
    close(fd);
    assert_int_equal(weir_listen(bed.loop, un.sun_path, false, &net_end_listener, &end, &a), 0);
    assert_int_equal(weir_listen(bed.loop, un.sun_path, false, &net_end_listener, &end, &b),
                     -EADDRINUSE);
    weir_listener_close(a);
    assert_int_not_equal(access(un.sun_path, F_OK), 0);
    /* Never a file that is no socket. */
    fd = open(un.sun_path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(weir_listen(bed.loop, un.sun_path, false, &net_end_listener, &end, &b),
                     -EADDRINUSE);
    assert_int_equal(unlink(un.sun_path), 0);
    weir_loop_free(bed.loop);
}

/* ---- out of descriptors ---- */

typedef struct shortage {
    net_bed bed;
    net_end server;
    struct rlimit before;
    unsigned refused;
} shortage;

static void accept_late(weir_listener *listener, weir_stream *stream)
{
    shortage *s = weir_listener_user(listener);
    assert_int_equal(s->refused, 1); /* told once, not without end */
    weir_stream_close(stream, 0);
    weir_loop_stop(s->bed.loop);
}

static void refused(weir_listener *listener, int error)
{
    shortage *s = weir_listener_user(listener);
    assert_int_equal(error, -EMFILE);
    s->refused++;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &s->before), 0);
}

static void test_out_of_descriptors_the_listener_waits_and_tries_again(void **state)
{
    (void)state;
    static const weir_listener_handler handler = {accept_late, refused};
    shortage s = {.bed = make_bed("127.0.0.1:0")};
    weir_listener *listener = NULL;
    net_end client = {.bed = &s.bed};
    assert_int_equal(weir_listen(s.bed.loop, s.bed.address, false, &handler, &s, &listener), 0);
    assert_int_equal(weir_connect(s.bed.loop, weir_listener_address(listener), &net_end_handler,
                                  &client, &client.stream),
                     0);
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &s.before);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = s.before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    net_end more = {.bed = &s.bed};
    assert_int_equal(weir_connect(s.bed.loop, weir_listener_address(listener), &net_end_handler,
                                  &more, &more.stream),
                     -EMFILE);
    weir_loop_run(s.bed.loop);
    assert_int_equal(s.refused, 1);
    weir_loop_free(s.bed.loop);
}

/* ---- handing over ---- */

/* A client asks twice; between, the stream is given up and taken in again. */
typedef struct handover {
    net_end server, client, successor;
    weir_task task;
    int fd;
} handover;

static size_t answer(net_end *end, weir_slice bytes)
{
    weir_stream_write(end->stream, bytes);
    return bytes.len;
}

static void take_in(weir_task *task, weir_loop *loop)
{
    handover *h = WEIR_CONTAINER_OF(task, handover, task);
    assert_int_equal(h->server.closed, 0);
    assert_int_equal(
        weir_stream_import(loop, h->fd, &net_end_handler, &h->successor, &h->successor.stream), 0);
    weir_stream_write(h->client.stream, WEIR_SLICE_LIT("b"));
}

static void give_up(weir_task *task, weir_loop *loop)
{
    handover *h = WEIR_CONTAINER_OF(task, handover, task);
    weir_stream_write(h->server.stream, WEIR_SLICE_LIT("x"));
    assert_int_equal(weir_stream_queued(h->server.stream), 1);
    assert_int_equal(weir_stream_export(h->server.stream, &h->fd), -EBUSY);
    assert_int_equal(h->fd, -1);
    (void)loop;
}

static void give_up_at_rest(weir_task *task, weir_loop *loop)
{
    handover *h = WEIR_CONTAINER_OF(task, handover, task);
    assert_int_equal(weir_stream_export(h->server.stream, &h->fd), 0);
    task->run = take_in;
    weir_loop_post(loop, task);
}

/* "a" is echoed; then an "x" that is queued makes the stream busy; at rest it goes. */
static size_t step(net_end *end, weir_slice bytes)
{
    handover *h = WEIR_CONTAINER_OF(end, handover, client);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] == 'a' || bytes.data[i] == 'x') {
            h->task.run = bytes.data[i] == 'a' ? give_up : give_up_at_rest;
            weir_loop_post(end->bed->loop, &h->task);
        } else {
            weir_stream_close(end->stream, 0);
        }
    }
    return bytes.len;
}

static void ask(net_end *end)
{
    weir_stream_write(end->stream, WEIR_SLICE_LIT("a"));
}

static void test_a_stream_at_rest_is_handed_over_by_its_descriptor(void **state)
{
    (void)state;
    net_bed bed = make_bed("127.0.0.1:0");
    handover h = {.server = {.bytes = answer},
                  .client = {.bytes = step, .open = ask},
                  .successor = {.bytes = answer, .bed = &bed},
                  .fd = -1};
    net_pair(&bed, &h.server, &h.client);
    net_run(&bed, 2);
    assert_int_equal(h.server.closed, 0);
    assert_int_equal(h.successor.closed, 1);
    assert_int_equal(h.client.closed, 1);
    assert_int_equal(weir_stream_import(bed.loop, -1, &net_end_handler, &h, &h.server.stream),
                     -EBADF);
    weir_loop_free(bed.loop);
}

/* ---- foreign descriptors ---- */

typedef struct watcher {
    int ends[2];
    unsigned writable, readable;
} watcher;

static void on_ready(weir_watch *watch, bool readable, bool writable)
{
    watcher *w = weir_watch_user(watch);
    char byte = 'x';
    w->writable += writable;
    w->readable += readable;
    if (writable) {
        weir_watch_set(watch, true, false);
        assert_int_equal(write(w->ends[1], &byte, 1), 1);
    } else if (w->readable == 1) {
        assert_int_equal(read(w->ends[0], &byte, 1), 1);
        close(w->ends[1]);
    } else {
        weir_watch_free(watch);
    }
}

static void test_a_watch_tells_as_long_as_it_is_wished(void **state)
{
    (void)state;
    net_bed bed = make_bed(NULL);
    watcher w = {0};
    weir_watch *watch = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w.ends), 0);
    assert_int_equal(weir_watch_new(bed.loop, w.ends[0], true, true, on_ready, &w, &watch), 0);
    net_stop_after(&bed, 20 * WEIR_MS);
    weir_loop_run(bed.loop);
    assert_int_equal(w.writable, 1);
    assert_int_equal(w.readable, 2);
    close(w.ends[0]);
    assert_int_equal(weir_watch_new(bed.loop, 1000000, true, true, on_ready, &w, &watch), -EBADF);
    weir_loop_free(bed.loop);
}

/* ---- turns ---- */

typedef struct turns {
    unsigned turns, sleeps, wakes;
} turns;

static void count_turn(void *user, weir_loop *loop)
{
    (void)loop;
    turns *t = user;
    t->turns++;
    assert_int_equal(t->sleeps, t->wakes);
}

static void count_sleep(void *user, weir_loop *loop, int sleeping)
{
    (void)loop;
    turns *t = user;
    t->sleeps += sleeping == 1;
    t->wakes += sleeping == 0;
}

static void test_sleeps_and_turns_are_told_and_an_idle_loop_does_not_spin(void **state)
{
    (void)state;
    turns t = {0};
    net_bed bed = {0};
    weir_loop_options options = {.kind = net_kind(),
                                 .name = "turns",
                                 .on_turn = count_turn,
                                 .on_sleep = count_sleep,
                                 .user = &t};
    assert_int_equal(weir_loop_new(&options, &bed.loop), 0);
    net_stop_after(&bed, 50 * WEIR_MS);
    weir_loop_run(bed.loop);
    assert_true(t.sleeps > 0);
    assert_int_equal(t.sleeps, t.wakes);
    assert_true(t.turns < 10);
    weir_loop_free(bed.loop);
}

/* Paused with bytes unread, with the end behind them, or with nobody there: none may spin. */
static void pause_it(net_end *end)
{
    weir_stream_pause(end->stream);
    weir_stream_finish(end->stream);
}

static void write_and_leave(net_end *end)
{
    weir_stream_write(end->stream, WEIR_SLICE_LIT("unread"));
    weir_stream_close(end->stream, WEIR_SECOND);
}

static void check_paused(const char *address)
{
    turns t = {0};
    net_bed bed = {.address = address};
    net_end server = {.open = pause_it};
    net_end client = {.open = write_and_leave};
    weir_loop_options options = {
        .kind = net_kind(), .name = "turns", .on_turn = count_turn, .user = &t};
    assert_int_equal(weir_loop_new(&options, &bed.loop), 0);
    net_pair(&bed, &server, &client);
    net_stop_after(&bed, 50 * WEIR_MS);
    net_run(&bed, 3);
    assert_int_equal(client.closed, 1);
    assert_int_equal(server.closed, 0);
    assert_true(t.turns < 20);
    weir_loop_free(bed.loop);
}

static void test_a_paused_stream_with_an_ended_peer_does_not_spin(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/weir-spin-%d.sock", (int)getpid());
    check_paused("127.0.0.1:0");
    check_paused(path);
}

/* ---- quiet ---- */

typedef struct crowd {
    weir_stream *streams[70]; /* more than one batch of events */
    int far[70];
    unsigned count, handled;
    weir_task send;
} crowd;

static void check_quiet(const crowd *c, unsigned from, bool quiet)
{
    for (unsigned i = from; i < c->count; i++)
        assert_int_equal(weir_stream_quiet(c->streams[i]), quiet);
}

static size_t on_crowd_bytes(weir_stream *stream, weir_slice bytes)
{
    crowd *c = weir_stream_user(stream);
    unsigned noisy = 0;
    c->handled++;
    for (unsigned i = 0; i < c->count; i++)
        noisy += c->streams[i] != stream && !weir_stream_quiet(c->streams[i]);
    assert_int_equal(noisy, c->count - c->handled);
    if (c->handled == c->count)
        weir_loop_stop(weir_stream_loop(stream));
    return bytes.len;
}

static void on_crowd_close(weir_stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static void send_to_all(weir_task *task, weir_loop *loop)
{
    (void)loop;
    crowd *c = WEIR_CONTAINER_OF(task, crowd, send);
    check_quiet(c, 0, true);
    for (unsigned i = 0; i < c->count; i++)
        assert_int_equal(write(c->far[i], "x", 1), 1);
}

static const weir_stream_handler crowd_handler = {.on_bytes = on_crowd_bytes,
                                                  .on_close = on_crowd_close};

/* What the kernel has told, or is still to tell in this turn, is known without asking it. */
static void check_crowd(unsigned count)
{
    net_bed bed = make_bed(NULL);
    crowd c = {.count = count, .send.run = send_to_all};
    for (unsigned i = 0; i < count; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        c.far[i] = fds[1];
        assert_int_equal(weir_stream_import(bed.loop, fds[0], &crowd_handler, &c, &c.streams[i]),
                         0);
    }
    check_quiet(&c, 0, true);
    weir_loop_post(bed.loop, &c.send);
    weir_loop_run(bed.loop);
    assert_int_equal(c.handled, count);
    check_quiet(&c, 0, true);
    weir_loop_free(bed.loop);
    for (unsigned i = 0; i < count; i++)
        close(c.far[i]);
}

static void test_a_stream_with_unread_bytes_is_not_quiet_whenever_asked(void **state)
{
    (void)state;
    check_crowd(2);
    check_crowd(70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read_and_written),
        cmocka_unit_test(test_chunks_are_charged_until_freed_and_reused),
        cmocka_unit_test(test_an_idle_stream_is_small),
        cmocka_unit_test(test_shared_listeners_share_and_others_are_refused),
        cmocka_unit_test(test_a_stale_socket_file_is_replaced_and_a_live_one_kept),
        cmocka_unit_test(test_out_of_descriptors_the_listener_waits_and_tries_again),
        cmocka_unit_test(test_a_stream_at_rest_is_handed_over_by_its_descriptor),
        cmocka_unit_test(test_a_watch_tells_as_long_as_it_is_wished),
        cmocka_unit_test(test_sleeps_and_turns_are_told_and_an_idle_loop_does_not_spin),
        cmocka_unit_test(test_a_stream_with_unread_bytes_is_not_quiet_whenever_asked),
        cmocka_unit_test(test_a_paused_stream_with_an_ended_peer_does_not_spin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
