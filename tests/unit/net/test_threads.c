/* Several epoll loops, each on its own thread: posting from threads, and streams that move to and
 * fro under load. To be run under ThreadSanitizer too. */
#include "conformance.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void *run_loop(void *loop)
{
    weir_loop_run(loop);
    return NULL;
}

static weir_loop *new_loop(weir_memory *memory)
{
    weir_loop *loop = NULL;
    weir_loop_options options = {.kind = net_kind(), .name = "test", .memory = memory};
    assert_int_equal(weir_loop_new(&options, &loop), 0);
    return loop;
}

/* ---- posting ---- */

enum { POSTERS = 4, POSTS = 20000 };

typedef struct note {
    weir_task task;
    unsigned poster, number;
} note;

typedef struct desk {
    weir_loop *loop;
    unsigned next[POSTERS];
    unsigned left;
} desk;

static desk *desk_of(weir_loop *loop)
{
    return weir_loop_user(loop);
}

static void read_note(weir_task *task, weir_loop *loop)
{
    note *n = WEIR_CONTAINER_OF(task, note, task);
    desk *d = desk_of(loop);
    assert_int_equal(d->next[n->poster], n->number);
    d->next[n->poster]++;
    free(n);
    if (--d->left == 0)
        weir_loop_stop(loop);
}

typedef struct poster {
    pthread_t thread;
    weir_loop *loop;
    unsigned number;
} poster;

static void *post_many(void *arg)
{
    poster *p = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        note *n = calloc(1, sizeof(*n));
        if (!n)
            abort();
        n->task.run = read_note;
        n->poster = p->number;
        n->number = i;
        weir_loop_post(p->loop, &n->task);
        if (i % 500 == 0)
            sched_yield(); /* so that the loop falls asleep now and then */
    }
    return NULL;
}

static void test_tasks_of_many_threads_arrive_in_each_ones_order(void **state)
{
    (void)state;
    desk d = {.left = POSTERS * POSTS};
    weir_loop_options options = {.kind = net_kind(), .name = "desk", .user = &d};
    poster posters[POSTERS];
    assert_int_equal(weir_loop_new(&options, &d.loop), 0);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (poster){.loop = d.loop, .number = i};
        pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
    }
    weir_loop_run(d.loop);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(d.left, 0);
    weir_loop_free(d.loop);
}

/* ---- moving ---- */

enum { MOVERS = 8, MOVE_BYTES = 1000000 };

typedef struct mover {
    weir_loop *loops[2];
    unsigned at;
    unsigned moves;
    size_t echoed;
    struct shift *shift;
} mover;

typedef struct shift {
    weir_loop *loops[3]; /* two that echo and hand on, one of the clients */
    weir_memory memory;
    net_bed bed;
    mover movers[MOVERS];
    net_end clients[MOVERS];
    unsigned accepted;
    atomic_uint left;
} shift;

static void arrived(weir_stream *stream, void *user)
{
    mover *m = user;
    assert_ptr_equal(weir_stream_loop(stream), m->loops[m->at]);
    assert_ptr_equal(weir_stream_user(stream), m);
}

/* Echoes all but an odd byte, then hands itself on, kept byte, queued bytes and all. */
static size_t echo_and_move(weir_stream *stream, weir_slice bytes)
{
    mover *m = weir_stream_user(stream);
    size_t n = bytes.len > 1 ? bytes.len - (bytes.len & 1) : bytes.len;
    weir_stream_write(stream, weir_slice_head(bytes, n));
    m->echoed += n;
    if (m->moves < 100000) {
        m->moves++;
        m->at = !m->at;
        weir_stream_move(stream, m->loops[m->at], arrived, m);
    }
    return n;
}

static void mover_closed(weir_stream *stream, int error)
{
    (void)stream;
    assert_int_equal(error, 0);
}

static const weir_stream_handler mover_handler = {.on_bytes = echo_and_move,
                                                  .on_close = mover_closed};

static void take_mover(weir_listener *listener, weir_stream *stream)
{
    shift *s = weir_listener_user(listener);
    weir_stream_set_handler(stream, &mover_handler, &s->movers[s->accepted++]);
}

static const weir_listener_handler mover_listener = {take_mover, NULL};

static void client_gone(net_end *end)
{
    assert_int_equal(end->error, 0);
    assert_int_equal(end->got, MOVE_BYTES);
    shift *s = WEIR_CONTAINER_OF(end->bed, shift, bed);
    if (--s->left == 0)
        for (int i = 0; i < 3; i++)
            weir_loop_stop(s->loops[i]);
}

static void test_streams_move_between_threads_under_load(void **state)
{
    (void)state;
    static shift s;
    pthread_t threads[3];
    weir_listener *listener = NULL;
    weir_memory_init(&s.memory, 0);
    atomic_init(&s.left, MOVERS);
    for (int i = 0; i < 3; i++)
        s.loops[i] = new_loop(&s.memory);
    s.bed = (net_bed){.loop = s.loops[2]};
    assert_int_equal(weir_listen(s.loops[0], "127.0.0.1:0", false, &mover_listener, &s, &listener),
                     0);
    for (int i = 0; i < MOVERS; i++) {
        s.movers[i] = (mover){.loops = {s.loops[0], s.loops[1]}, .shift = &s};
        s.clients[i] = (net_end){.bed = &s.bed, .to_send = MOVE_BYTES, .open = net_pump};
        s.clients[i].gone = client_gone;
        assert_int_equal(weir_connect(s.loops[2], weir_listener_address(listener), &net_end_handler,
                                      &s.clients[i], &s.clients[i].stream),
                         0);
    }
    net_expect(MOVERS + 1); /* client_gone decides */
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run_loop, s.loops[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&s.left), 0);
    for (int i = 0; i < MOVERS; i++)
        assert_true(s.movers[i].moves > 5);
    for (int i = 0; i < 3; i++)
        weir_loop_free(s.loops[i]);
    assert_int_equal(atomic_load(&s.memory.total), 0);
}

/* ---- executors ---- */

enum { JOBS = 1000 };

typedef struct work_item {
    weir_job job;
    weir_task task;
    weir_loop *loop;
    atomic_uint *done;
} work_item;

static void job_done(weir_task *task, weir_loop *loop)
{
    work_item *w = WEIR_CONTAINER_OF(task, work_item, task);
    if (atomic_fetch_add(w->done, 1) + 1 == JOBS)
        weir_loop_stop(loop);
}

static void job_run(weir_job *job)
{
    work_item *w = WEIR_CONTAINER_OF(job, work_item, job);
    weir_loop_post(w->loop, &w->task);
}

static void test_an_executor_runs_each_job_once(void **state)
{
    (void)state;
    static work_item items[JOBS];
    atomic_uint done = 0;
    weir_loop *loop = new_loop(NULL);
    weir_executor *executor = NULL;
    assert_int_equal(weir_executor_new("jobs", 3, (size_t)256 * 1024, &executor), 0);
    for (int i = 0; i < JOBS; i++) {
        items[i] = (work_item){.loop = loop, .done = &done};
        items[i].job.run = job_run;
        items[i].task.run = job_done;
        weir_executor_submit(executor, &items[i].job);
    }
    weir_loop_run(loop);
    weir_executor_free(executor);
    assert_int_equal(atomic_load(&done), JOBS);
    weir_loop_free(loop);
}

static void name_found(void *user, const char *const *addresses, size_t count, const char *reason)
{
    (void)addresses;
    assert_true((count > 0) == (reason == NULL));
    unsigned *left = desk_of(user) ? &desk_of(user)->left : NULL;
    if (left && --*left == 0)
        weir_loop_stop(user);
}

static void test_names_are_resolved_or_a_reason_is_given(void **state)
{
    (void)state;
    desk d = {.left = 2};
    weir_loop_options options = {.kind = net_kind(), .name = "names", .user = &d};
    weir_executor *executor = NULL;
    assert_int_equal(weir_loop_new(&options, &d.loop), 0);
    assert_int_equal(weir_executor_new("names", 1, 0, &executor), 0);
    assert_int_equal(weir_resolve(d.loop, executor, "localhost:5432", name_found, d.loop), 0);
    assert_int_equal(weir_resolve(d.loop, executor, "nowhere.invalid:1", name_found, d.loop), 0);
    weir_loop_run(d.loop);
    weir_executor_free(executor);
    weir_loop_free(d.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_of_many_threads_arrive_in_each_ones_order),
        cmocka_unit_test(test_streams_move_between_threads_under_load),
        cmocka_unit_test(test_an_executor_runs_each_job_once),
        cmocka_unit_test(test_names_are_resolved_or_a_reason_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
