/* Fails the running test when anything goes wrong. */
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RIG_WALL (1700000000 * WEIR_SECOND)

const weir_session_events engine_rig_no_events = {0};

/* ---- the host ---- */

static weir_time host_now(void *user, const weir_worker *worker)
{
    const engine_rig *rig = user;
    (void)worker;
    return rig->now;
}

static int64_t host_wall(void *user, const weir_worker *worker)
{
    (void)worker;
    return ((const engine_rig *)user)->now + RIG_WALL;
}

static uint32_t host_random(void *user, weir_worker *worker)
{
    (void)worker;
    engine_rig *rig = user;
    if (!rig->random)
        return 4;
    rig->random = rig->random * 1664525u + 1013904223u;
    return rig->random >> 8;
}

static void host_post(void *user, weir_worker *to, weir_message *message)
{
    engine_rig *rig = user;
    if (!rig->keeps_messages) {
        message->run(message, to);
        return;
    }
    assert_true(rig->posted_count < ENGINE_RIG_MESSAGES_MAX);
    rig->posted_to[rig->posted_count] = to;
    rig->posted[rig->posted_count++] = message;
}

static void host_wake_at(void *user, weir_worker *worker, weir_time at)
{
    (void)user, (void)worker, (void)at;
}

void engine_rig_deliver(engine_rig *rig)
{
    for (size_t i = 0; i < rig->posted_count; i++)
        rig->posted[i]->run(rig->posted[i], rig->posted_to[i]);
    rig->posted_count = 0;
}

/* ---- the backend ---- */

typedef struct told {
    weir_backend backend;
    engine_rig *rig;
} told;

static int no_open(weir_backend *backend, struct weir_loop *loop, const weir_conn_request *request,
                   weir_conn **ret)
{
    (void)backend, (void)loop, (void)request, (void)ret;
    return -ECONNREFUSED;
}

static void follow(weir_backend *backend, const weir_follower *follower, weir_time look_every)
{
    assert_true(follower && look_every > 0);
    WEIR_CONTAINER_OF(backend, told, backend)->rig->follower = follower;
}

static void destroy(weir_backend *backend)
{
    free(WEIR_CONTAINER_OF(backend, told, backend));
}

static const weir_backend_ops ops = {.name = "fake",
                                     .dialect = WEIR_DIALECT_SQLITE,
                                     .open = no_open,
                                     .follow = follow,
                                     .destroy = destroy};

weir_database *engine_rig_add(engine_rig *rig, const char *name, const char *label)
{
    weir_database *ret = NULL;
    told *backend = calloc(1, sizeof(*backend));
    assert_non_null(backend);
    backend->backend.ops = &ops;
    backend->rig = rig;
    weir_database_options options = {.name = name,
                                     .label = label,
                                     .backend = &backend->backend,
                                     .user = "u",
                                     .shown = "fake:",
                                     .pool = {.size_max = 2, .waiters_max = 10, .pinned_max = 1}};
    assert_int_equal(weir_engine_add_database(rig->engine, &options, &ret), 0);
    return ret;
}

/* ---- the engine ---- */

void engine_rig_init(engine_rig *rig, const weir_cache_options *cache)
{
    *rig = (engine_rig){.now = 1000 * WEIR_SECOND};
    weir_memory_init(&rig->memory, 0);
    assert_int_equal(weir_epoch_new(8, &rig->epoch), 0);
    weir_engine_options options = {.workers = ENGINE_RIG_WORKERS,
                                   .host = {.now = host_now,
                                            .wall = host_wall,
                                            .random = host_random,
                                            .post = host_post,
                                            .wake_at = host_wake_at,
                                            .user = rig},
                                   .memory = &rig->memory,
                                   .epoch = rig->epoch,
                                   .templates_max = 100,
                                   .slow = WEIR_SECOND};
    assert_int_equal(weir_engine_new(&options, &rig->engine), 0);
    if (cache)
        assert_int_equal(weir_engine_add_cache(rig->engine, cache), 0);
    for (unsigned i = 0; i < ENGINE_RIG_WORKERS; i++) {
        assert_int_equal(weir_worker_start(rig->engine, i, NULL, &rig->worker[i]), 0);
        weir_epoch_online(weir_worker_epoch(rig->worker[i]));
    }
}

void engine_rig_open(engine_rig *rig, weir_session *session, unsigned worker,
                     weir_database *database)
{
    weir_error err;
    assert_int_equal(weir_session_open(session, rig->worker[worker], database, weir_slice_cstr("u"),
                                       &engine_rig_no_events, &err),
                     0);
}

void engine_rig_fini(engine_rig *rig)
{
    engine_rig_deliver(rig);
    for (unsigned i = 0; i < ENGINE_RIG_WORKERS; i++)
        weir_worker_stop(rig->worker[i]);
    weir_engine_free(rig->engine);
    weir_epoch_free(rig->epoch);
    assert_int_equal(rig->memory.total, 0);
}

/* ---- reports ---- */

static const weir_report_source *source(const char *name)
{
    const weir_report_source *const *s = weir_engine_reports;
    while (*s && strcmp((*s)->name, name) != 0)
        s++;
    assert_non_null(*s);
    return *s;
}

void engine_rig_report(engine_rig *rig, const char *name, weir_report *ret)
{
    const weir_report_source *s = source(name);
    weir_report_init(ret, s->columns, s->column_count, WEIR_REPORT_SIZE_MAX);
    s->fill(ret, rig->engine, rig->worker[0]);
}

void engine_rig_cell(const weir_report *r, unsigned row, const char *column, const char *want)
{
    int at = weir_report_column_find(r, column);
    weir_slice cell = {0};
    size_t pos = 0;
    assert_true(at >= 0 && row < r->rows);
    for (unsigned i = 0; i <= row * r->column_count + (unsigned)at; i++)
        assert_true(weir_report_next(r, &pos, &cell));
    if (want ? !cell.data || !weir_slice_eq_cstr(cell, want) : cell.data != NULL)
        fail_msg("%s is %.*s, not %s", column, (int)cell.len,
                 cell.data ? (const char *)cell.data : "", want ? want : "(null)");
}
