/* The SQLite backend as a whole: opening the file, starting the threads, and the end. */
#include "backend/sqlite/backend.h"
#include "engine/embedded.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void backend_claim(weir_backend *backend, weir_loop *loop, weir_claim *claim)
{
    weir_sqlite_backend *b = weir_sqlite_backend_of(backend);
    weir_sqlite_writer_claim(b, loop, claim, &b->writer.conn);
}

void weir_sqlite_upgrade(weir_backend *backend, weir_conn *base, weir_claim *claim)
{
    weir_sqlite_conn *conn = WEIR_CONTAINER_OF(base, weir_sqlite_conn, base);
    assert(!conn->running && !conn->busy && !conn->claimed);
    conn->busy = true; /* the writer's thread touches it before `granted` */
    weir_sqlite_writer_claim(weir_sqlite_backend_of(backend), base->loop, claim, conn);
}

void weir_sqlite_cancel_write(weir_backend *backend, weir_exec *exec)
{
    weir_sqlite_writer_cancel(&weir_sqlite_backend_of(backend)->writer, exec);
}

bool weir_sqlite_read_only(const weir_backend *backend)
{
    return ((const weir_sqlite_backend *)backend)->read_only; /* `base` comes first */
}

static void backend_stop(weir_backend *backend)
{
    weir_sqlite_writer_stop(&weir_sqlite_backend_of(backend)->writer);
}

/* The last connection to close makes a final checkpoint and removes the WAL. */
static void backend_destroy(weir_backend *backend)
{
    weir_sqlite_backend *b = weir_sqlite_backend_of(backend);
    weir_sqlite_writer_end(&b->writer);
    weir_executor_free(b->executor);
    weir_sqlite_db_close(b->writer.db);
    weir_sqlite_follow_fini(&b->writer.follow);
    free(b->path);
    free(b);
}

static uint64_t get(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void backend_figures(const weir_backend *backend, weir_embedded *ret)
{
    const weir_sqlite_backend *b = (const weir_sqlite_backend *)backend; /* `base` comes first */
    const weir_sqlite_writer *w = &b->writer;
    *ret = (weir_embedded){.path = b->path,
                           .writer_waiting = get(&w->waiting),
                           .groups = get(&w->groups),
                           .grouped = get(&w->grouped),
                           .regrouped = get(&w->regrouped),
                           .wal_bytes = get(&w->wal.bytes),
                           .wal_size = w->wal.size_soft,
                           .wal_max = w->wal.size_max,
                           .checkpoints = get(&w->wal.checkpoints),
                           .emptied = get(&w->wal.emptied),
                           .held = get(&w->wal.held),
                           .ended = get(&w->wal.ended)};
    weir_hist_merge(&ret->writer_waits, &w->waits);
}

static const weir_backend_ops ops = {
    .name = "sqlite",
    .dialect = WEIR_DIALECT_SQLITE,
    .relays = false,
    .open = weir_sqlite_conn_open,
    .write = weir_sqlite_writer_write,
    .cancel_write = weir_sqlite_cancel_write,
    .claim = backend_claim,
    .drop_claim = weir_sqlite_writer_drop_claim,
    .upgrade = weir_sqlite_upgrade,
    .unclaim = weir_sqlite_writer_unclaim,
    .follow = weir_sqlite_writer_follow,
    .figures = backend_figures,
    .stop = backend_stop,
    .destroy = backend_destroy,
};

/* Connections to ":memory:" would each have their own; the memdb VFS shares one by name. */
static char *path_of(const char *path, const weir_sqlite_backend *b)
{
    char name[80];
    if (strcmp(path, ":memory:") != 0)
        return strdup(path);
    snprintf(name, sizeof(name), "file:/weir-%p?vfs=memdb", (const void *)b);
    return strdup(name);
}

static unsigned thread_count(unsigned wanted)
{
    long cores = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 256 ? 256 : (unsigned)cores;
}

static void log_open(const weir_sqlite_backend *b, bool asked)
{
    weir_log_event(b->options.log, WEIR_LOG_SQLITE, WEIR_LOG_INFO, "database file open",
                   WEIR_F_STR("path", b->path), WEIR_F_STR("mode", b->read_only ? "read" : "write"),
                   WEIR_F_STR("sqlite", sqlite3_libversion()));
    if (b->read_only && !asked)
        weir_log_event(b->options.log, WEIR_LOG_SQLITE, WEIR_LOG_WARN,
                       "the database file may not be written; every write will fail",
                       WEIR_F_STR("path", b->path));
}

static void init_writer_conn(weir_sqlite_backend *b)
{
    weir_sqlite_conn *conn = &b->writer.conn;
    conn->owner = b;
    conn->db = b->writer.db;
    conn->base.backend = &b->base;
    conn->base.ops = &weir_sqlite_conn_ops;
    weir_pool_conn_init(&conn->base.pooled);
    weir_list_init(&conn->base.siblings);
}

static int start_threads(weir_sqlite_backend *b, weir_error *err)
{
    int r = weir_executor_new("weir-sqlite", thread_count(b->options.executors), 0, &b->executor);
    if (r == 0)
        r = weir_sqlite_writer_start(&b->writer);
    if (r < 0)
        weir_error_set(err, "53000", "weir: cannot start the threads of database \"%s\": %s",
                       b->path, strerror(-r));
    return r;
}

static int out_of_memory(weir_error *err)
{
    weir_error_set(err, "53200", "weir: out of memory");
    return -ENOMEM;
}

/* A directory that may not be written has no place for a journal: what can still be done is
 * reading.
 */
static int open_writer(weir_sqlite_backend *b, weir_error *err)
{
    weir_error ignored;
    int r = weir_sqlite_db_open(&b->options, true, &b->writer.db, err);
    if (r != -EACCES || b->options.read_only)
        return r;
    b->options.read_only = true;
    return weir_sqlite_db_open(&b->options, true, &b->writer.db, &ignored) == 0 ? 0 : r;
}

int weir_sqlite_open(const weir_sqlite_options *options, weir_backend **ret, weir_error *err)
{
    assert(options->path);
    weir_sqlite_backend *b = calloc(1, sizeof(*b));
    if (!b)
        return out_of_memory(err);
    b->base.ops = &ops;
    b->options = *options;
    b->path = path_of(options->path, b);
    b->options.path = b->path;
    int r = b->path ? open_writer(b, err) : out_of_memory(err);
    if (r == 0) {
        b->read_only = sqlite3_db_readonly(b->writer.db->handle, "main") != 0;
        init_writer_conn(b);
        r = start_threads(b, err);
    }
    if (r < 0) {
        weir_executor_free(b->executor);
        weir_sqlite_db_close(b->writer.db);
        free(b->path);
        free(b);
        return r;
    }
    log_open(b, options->read_only);
    *ret = &b->base;
    return 0;
}
