/* Connections: readers, and the writer as claims see it. A reader runs in place, on an executor,
 * or, upgraded, on the writer's thread; it is touched by one of them at a time and comes back
 * through its task.
 *
 *   opening ──► idle ◄──► running (perhaps several runs suspended)
 *                │ ▲
 *                │ └── validating, moving, restoring: `busy`
 *                └───► closing ──► freed after `closed`
 */
#include "backend/sqlite/backend.h"
#include <stdlib.h>

static weir_sqlite_conn *conn_of(weir_conn *base)
{
    return WEIR_CONTAINER_OF(base, weir_sqlite_conn, base);
}

static const weir_backend_events *events_of(const weir_sqlite_conn *conn)
{
    return conn->owner->base.events;
}

static void *engine_of(const weir_sqlite_conn *conn)
{
    return conn->owner->base.engine;
}

static void on_task(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_sqlite_conn *conn = WEIR_CONTAINER_OF(task, weir_sqlite_conn, task);
    conn->after(conn);
}

void weir_sqlite_conn_post(weir_sqlite_conn *conn, void (*after)(weir_sqlite_conn *conn))
{
    conn->after = after;
    conn->task.run = on_task;
    weir_loop_post(conn->base.loop, &conn->task);
}

/* ---- closing ---- */

static void on_closed(weir_sqlite_conn *conn)
{
    events_of(conn)->closed(engine_of(conn), &conn->base);
    free(conn);
}

static void close_job(weir_job *job)
{
    weir_sqlite_conn *conn = WEIR_CONTAINER_OF(job, weir_sqlite_conn, job);
    weir_sqlite_db_close(conn->db);
    conn->db = NULL;
    weir_sqlite_conn_post(conn, on_closed);
}

/* When nothing is under way: closes if that was asked, else tells who waits for it. */
void weir_sqlite_conn_settle(weir_sqlite_conn *conn)
{
    if (conn->running || conn->busy)
        return;
    if (conn->closing) {
        conn->busy = true;
        conn->job.run = close_job;
        weir_executor_submit(conn->owner->executor, &conn->job);
    } else if (conn->returned) {
        conn->returned = false;
        events_of(conn)->became_clean(engine_of(conn), &conn->base);
    }
}

static void conn_close(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    assert(conn != &conn->owner->writer.conn && !conn->claimed);
    conn->closing = true;
    weir_sqlite_conn_settle(conn);
}

/* ---- opening ---- */

static void on_opened(weir_sqlite_conn *conn)
{
    conn->busy = false;
    if (conn->open_code == 0) {
        events_of(conn)->opened(engine_of(conn), &conn->base);
        return;
    }
    bool fatal = conn->open_code != -ENOMEM && conn->open_code != -EBUSY;
    events_of(conn)->open_failed(engine_of(conn), &conn->base, fatal, &conn->open_error);
    free(conn);
}

static void open_job(weir_job *job)
{
    weir_sqlite_conn *conn = WEIR_CONTAINER_OF(job, weir_sqlite_conn, job);
    conn->open_code =
        weir_sqlite_db_open(&conn->owner->options, false, &conn->db, &conn->open_error);
    if (conn->open_code == 0)
        conn->db->wal = &conn->owner->writer.wal;
    weir_sqlite_conn_post(conn, on_opened);
}

int weir_sqlite_conn_open(weir_backend *backend, weir_loop *loop, const weir_conn_request *request,
                          weir_conn **ret)
{
    weir_sqlite_backend *b = weir_sqlite_backend_of(backend);
    weir_sqlite_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    conn->owner = b;
    conn->busy = true;
    conn->base.backend = backend;
    conn->base.loop = loop;
    conn->base.ops = &weir_sqlite_conn_ops;
    conn->base.owner = request->owner;
    conn->base.id = atomic_fetch_add(&b->next_id, 1) + 1;
    weir_pool_conn_init(&conn->base.pooled);
    weir_list_init(&conn->base.siblings);
    conn->job.run = open_job;
    *ret = &conn->base;
    weir_executor_submit(b->executor, &conn->job);
    return 0;
}

/* ---- running ---- */

static void on_run(weir_sqlite_conn *conn)
{
    weir_exec *exec = conn->running;
    conn->running = NULL;
    if (!conn->claimed)
        weir_sqlite_stmt_cache_give_orphans(&conn->db->cache);
    bool waited_for = conn->closing || conn->returned;
    exec->on_done(exec);
    if (waited_for) /* else on_done may have given it away, to another loop even */
        weir_sqlite_conn_settle(conn);
}

void weir_sqlite_conn_work(weir_sqlite_conn *conn)
{
    weir_exec *exec = conn->running;
    unsigned flags = conn->claimed ? 0 : WEIR_SQLITE_READER;
    weir_sqlite_stmt_cache_give_orphans(&conn->db->cache);
    bool over = true;
    if (conn->resuming)
        weir_sqlite_run_resume(conn->db, exec, flags);
    else
        over = weir_sqlite_run_start(conn->db, exec, flags);
    assert(over); /* only a run in place is not */
    (void)over;
    if (conn->claimed)
        weir_sqlite_writer_settle(&conn->owner->writer, conn->db);
    weir_sqlite_conn_post(conn, on_run);
}

static void run_job(weir_job *job)
{
    weir_sqlite_conn_work(WEIR_CONTAINER_OF(job, weir_sqlite_conn, job));
}

static void submit(weir_sqlite_conn *conn, weir_exec *exec, bool resuming)
{
    conn->running = exec;
    conn->resuming = resuming;
    if (conn->claimed) {
        weir_sqlite_writer_submit(&conn->owner->writer, conn);
        return;
    }
    conn->job.run = run_job;
    weir_executor_submit(conn->owner->executor, &conn->job);
}

static void conn_execute(weir_conn *base, weir_exec *exec)
{
    weir_sqlite_conn *conn = conn_of(base);
    assert(!conn->running && !conn->busy && !conn->closing);
    weir_sqlite_run_init(exec);
    atomic_store_explicit(&conn->db->guard.cancelled, false, memory_order_relaxed);
    if (exec->cheap && !conn->claimed &&
        weir_sqlite_run_start(conn->db, exec, WEIR_SQLITE_READER | WEIR_SQLITE_IN_PLACE)) {
        exec->on_done(exec);
        return;
    }
    submit(conn, exec, false);
}

static void conn_resume(weir_conn *base, weir_exec *exec, uint64_t rows_max)
{
    weir_sqlite_conn *conn = conn_of(base);
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    assert(!conn->running && run->stmt && exec->outcome.suspended);
    atomic_store_explicit(&conn->db->guard.cancelled, false, memory_order_relaxed);
    weir_sqlite_run_next(exec, rows_max);
    submit(conn, exec, true);
}

static void conn_finish(weir_conn *base, weir_exec *exec)
{
    weir_sqlite_conn *conn = conn_of(base);
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    assert(conn->running != exec);
    if (!run->stmt)
        return;
    /* Ending a write's statement may commit, which is the writer's thread's to do; and whoever runs
     * another statement of this connection has the handle. */
    atomic_store_explicit(&run->stmt->orphan, true, memory_order_relaxed);
    run->stmt = NULL;
    if (!conn->claimed && !conn->running)
        weir_sqlite_stmt_cache_give_orphans(&conn->db->cache);
}

static void conn_cancel(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    if (conn->running)
        weir_sqlite_guard_cancel(conn->db);
}

/* ---- between borrowers ---- */

static bool conn_quiet(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    return !conn->running && !conn->busy && !conn->closing;
}

static void on_validated(weir_sqlite_conn *conn)
{
    conn->busy = false;
    events_of(conn)->validated(engine_of(conn), &conn->base, true);
}

/* A file that was there when it was opened stays: there is nothing to ask. */
static void conn_validate(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    conn->busy = true;
    weir_sqlite_conn_post(conn, on_validated);
}

static void on_arrived(weir_sqlite_conn *conn)
{
    conn->busy = false;
    events_of(conn)->arrived(engine_of(conn), &conn->base);
}

static void conn_move(weir_conn *base, weir_loop *target)
{
    weir_sqlite_conn *conn = conn_of(base);
    assert(!conn->running && !conn->busy);
    conn->busy = true;
    conn->base.loop = target;
    weir_sqlite_conn_post(conn, on_arrived);
}

void weir_sqlite_conn_restored(weir_sqlite_conn *conn)
{
    conn->busy = false;
    weir_sqlite_conn_settle(conn);
}

static weir_conn_state conn_clean(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    if (conn->closing)
        return WEIR_CONN_DIRTY;
    if (conn->running || conn->busy) {
        conn->returned = true;
        return WEIR_CONN_LATER;
    }
    bool suspended = !weir_list_empty(&conn->db->cache.lent);
    bool dirty = conn->claimed || suspended || weir_sqlite_db_in_transaction(conn->db);
    return dirty ? WEIR_CONN_DIRTY : WEIR_CONN_CLEAN;
}

static bool conn_overdue(weir_conn *base)
{
    weir_sqlite_conn *conn = conn_of(base);
    bool own = !conn->running && !conn->busy && !conn->claimed;
    if (!own || sqlite3_txn_state(conn->db->handle, "main") == SQLITE_TXN_NONE ||
        !weir_sqlite_db_is_overdue(conn->db))
        return false;
    atomic_fetch_add_explicit(&conn->db->wal->ended, 1, memory_order_relaxed);
    return true;
}

static void conn_describe(const weir_conn *base, const char **ret_address, uint32_t *ret_pid)
{
    *ret_address = weir_sqlite_backend_of(base->backend)->path;
    *ret_pid = 0;
}

/* No adopt, reset: clients cannot change a connection's settings (authorize.c). */
const weir_conn_ops weir_sqlite_conn_ops = {
    .close = conn_close,
    .quiet = conn_quiet,
    .validate = conn_validate,
    .move = conn_move,
    .clean = conn_clean,
    .cancel = conn_cancel,
    .describe = conn_describe,
    .execute = conn_execute,
    .resume = conn_resume,
    .finish = conn_finish,
    .overdue = conn_overdue,
};
