/* One SQLite connection: opening with the settings that make it safe to share, and the guard.
 * Handles are opened without SQLite's own mutex (SQLITE_OPEN_NOMUTEX): one thread uses one at a
 * time, handed over through the executor's or the writer's lock. */
#include "backend/sqlite/db.h"
#include "backend/sqlite/errors.h"
#include "backend/sqlite/face.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEPS_PER_LOOK 1000
#define CACHE_SIZE_DEFAULT ((size_t)8 * 1024 * 1024)
#define STATEMENTS_MAX_DEFAULT 100u
#define BUSY_NAP_MAX (32 * WEIR_MS)

weir_time weir_sqlite_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (weir_time)ts.tv_sec * WEIR_SECOND + ts.tv_nsec;
}

/* ---- the guard ---- */

bool weir_sqlite_db_is_overdue(const weir_sqlite_db *db)
{
    return db->wal && weir_sqlite_wal_is_overdue(db->wal, db->epoch);
}

/* What ends the run, as far as flags and the clock say. */
static weir_sqlite_stop look(const weir_sqlite_db *db, weir_time now)
{
    const weir_sqlite_guard *g = &db->guard;
    if (atomic_load_explicit(&g->cancelled, memory_order_relaxed))
        return WEIR_SQLITE_STOP_CANCEL;
    if (weir_sqlite_db_is_overdue(db))
        return WEIR_SQLITE_STOP_OVERDUE;
    return now >= g->deadline ? WEIR_SQLITE_STOP_DEADLINE : WEIR_SQLITE_STOP_NONE;
}

static int on_progress(void *user)
{
    weir_sqlite_db *db = user;
    weir_sqlite_guard *g = &db->guard;
    if (g->aside)
        return 0;
    g->steps += STEPS_PER_LOOK;
    g->why = look(db, g->deadline == WEIR_TIME_NEVER ? 0 : weir_sqlite_now());
    if (!g->why && g->in_place && g->steps > WEIR_SQLITE_STEPS_IN_PLACE)
        g->why = WEIR_SQLITE_STOP_BUDGET;
    if (g->on_tick)
        g->on_tick(g->tick_user);
    return g->why != WEIR_SQLITE_STOP_NONE;
}

static void nap(int attempts)
{
    weir_time ns = WEIR_MS << (attempts < 5 ? attempts : 5);
    if (ns > BUSY_NAP_MAX)
        ns = BUSY_NAP_MAX;
    struct timespec ts = {.tv_nsec = (long)ns};
    nanosleep(&ts, NULL);
}

/* Another process holds a lock. 0: give up, the statement fails with SQLITE_BUSY. */
static int on_busy(void *user, int attempts)
{
    weir_sqlite_db *db = user;
    weir_sqlite_guard *g = &db->guard;
    if (g->in_place) {
        g->why = WEIR_SQLITE_STOP_BUDGET;
        return 0;
    }
    weir_time now = weir_sqlite_now();
    const _Atomic bool *another = db->options->another;
    if (attempts == 0 || (another && atomic_load_explicit(another, memory_order_relaxed)))
        g->busy_until = now + g->busy_timeout;
    g->why = look(db, now);
    if (g->why || now >= g->wait_until || now >= g->busy_until)
        return 0;
    if (g->on_tick)
        g->on_tick(g->tick_user);
    nap(attempts);
    return 1;
}

void weir_sqlite_guard_begin(weir_sqlite_db *db, weir_time deadline, bool in_place,
                             bool interruptible)
{
    weir_sqlite_guard *g = &db->guard;
    g->deadline = deadline;
    g->in_place = in_place;
    g->steps = 0;
    if (db->wal && sqlite3_txn_state(db->handle, "main") == SQLITE_TXN_NONE)
        db->epoch = weir_sqlite_wal_enter(db->wal);
    g->why = WEIR_SQLITE_STOP_NONE;
    pthread_mutex_lock(&g->lock);
    g->interruptible = interruptible;
    g->active = true;
    pthread_mutex_unlock(&g->lock);
    g->why = look(db, deadline == WEIR_TIME_NEVER ? 0 : weir_sqlite_now());
}

weir_sqlite_stop weir_sqlite_guard_end(weir_sqlite_db *db)
{
    weir_sqlite_guard *g = &db->guard;
    pthread_mutex_lock(&g->lock);
    g->active = false;
    pthread_mutex_unlock(&g->lock);
    g->wait_until = WEIR_TIME_NEVER;
    return g->why;
}

void weir_sqlite_guard_cancel(weir_sqlite_db *db)
{
    weir_sqlite_guard *g = &db->guard;
    pthread_mutex_lock(&g->lock);
    atomic_store_explicit(&g->cancelled, true, memory_order_relaxed);
    if (g->active && g->interruptible)
        sqlite3_interrupt(db->handle);
    pthread_mutex_unlock(&g->lock);
}

/* ---- our own statements ---- */

/* `ret` may be NULL: what it gives does not matter. */
static int run_own(weir_sqlite_db *db, const char *sql, int64_t *ret)
{
    weir_slice text = weir_slice_cstr(sql);
    bool before = db->collector.trusted;
    db->collector.trusted = true;
    weir_sqlite_stmt *stmt = weir_sqlite_stmt_cache_take(&db->cache, text);
    int rc = SQLITE_OK;
    if (!stmt) {
        stmt = weir_sqlite_stmt_cache_add(&db->cache, text);
        rc = stmt ? sqlite3_prepare_v3(db->handle, stmt->text, (int)text.len + 1,
                                       SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL)
                  : SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt->handle);
    if (ret && rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt->handle, 0);
    if (stmt && (rc == SQLITE_DONE || rc == SQLITE_ROW)) {
        weir_sqlite_stmt_cache_give(&db->cache, stmt);
        rc = SQLITE_OK;
    } else if (stmt) { /* dropping it keeps the handle's error */
        weir_sqlite_stmt_cache_drop(&db->cache, stmt);
    }
    db->collector.trusted = before;
    return rc;
}

int weir_sqlite_db_command(weir_sqlite_db *db, const char *sql)
{
    return run_own(db, sql, NULL);
}

int weir_sqlite_db_number(weir_sqlite_db *db, const char *sql, int64_t *ret)
{
    return run_own(db, sql, ret);
}

weir_sqlite_aside weir_sqlite_db_step_aside(weir_sqlite_db *db)
{
    weir_sqlite_aside before = {db->collector.trusted, db->guard.aside};
    db->collector.trusted = db->guard.aside = true;
    return before;
}

void weir_sqlite_db_step_back(weir_sqlite_db *db, weir_sqlite_aside before)
{
    db->collector.trusted = before.trusted;
    db->guard.aside = before.aside;
}

bool weir_sqlite_db_in_transaction(const weir_sqlite_db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

/* ---- opening ---- */

/* Instead of SQLite's own checkpoint inside the commit: the writer makes it after acknowledging. */
static int on_wal(void *user, sqlite3 *handle, const char *database, int pages)
{
    (void)handle;
    (void)database;
    ((weir_sqlite_db *)user)->wal_pages = pages;
    return SQLITE_OK;
}

static void on_rollback(void *user)
{
    weir_sqlite_db *db = user;
    db->catalog.stale = db->face_stale = db->typing_stale = true;
    if (db->changes)
        weir_sqlite_changes_roll_back(db->changes);
}

/* Settings take an argument that is a number; `sql` has one %lld. */
static int set_number(weir_sqlite_db *db, const char *pragma, long long value)
{
    char sql[80];
    snprintf(sql, sizeof(sql), "PRAGMA %s=%lld", pragma, value);
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

static size_t cache_size(const weir_sqlite_options *options)
{
    return options->cache_size ? options->cache_size : CACHE_SIZE_DEFAULT;
}

static int set_journal(weir_sqlite_db *db)
{
    if (sqlite3_db_readonly(db->handle, "main") != 0)
        return SQLITE_OK;
    return sqlite3_exec(db->handle, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
}

/* The first statement that reads the file: whether it is a database shows here. */
static int configure(weir_sqlite_db *db, bool writer)
{
    const weir_sqlite_options *o = db->options;
    sqlite3_busy_handler(db->handle, on_busy, db);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    int rc = writer && !o->read_only ? set_journal(db) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = set_number(db, "synchronous", o->synchronous_full ? 2 : 1);
    if (rc == SQLITE_OK)
        rc = set_number(db, "cache_size", -(long long)(cache_size(o) / 1024));
    if (rc == SQLITE_OK)
        rc = set_number(db, "mmap_size", (long long)o->mmap_size);
    if (rc == SQLITE_OK && !writer)
        rc = set_number(db, "query_only", 1);
    if (rc == SQLITE_OK)
        rc = weir_sqlite_face_register(db);
    sqlite3_wal_hook(db->handle, on_wal, db);
    sqlite3_rollback_hook(db->handle, on_rollback, db);
    sqlite3_progress_handler(db->handle, STEPS_PER_LOOK, on_progress, db);
    sqlite3_set_authorizer(db->handle, weir_sqlite_authorize, &db->collector);
    return rc;
}

/* SQLITE_CANTOPEN says little; the file system says more. */
static int explain_cannot_open(const char *path, int rc, weir_error *err)
{
    char copy[PATH_MAX];
    struct stat st;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *dir = dirname(copy);
    if (stat(dir, &st) != 0) {
        weir_error_set(err, "58P01", "weir: no database file \"%s\": its directory: %s", path,
                       strerror(errno));
        weir_error_hint(err, "Create the directory \"%s\", or name another file.", dir);
        return -ENOENT;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        weir_error_set(err, "58P01", "weir: the database file \"%s\" is a directory", path);
        return -EINVAL;
    }
    if (access(path, F_OK) != 0 && access(dir, W_OK) == 0) {
        weir_error_set(err, "58P01", "weir: no database file \"%s\"", path);
        weir_error_hint(err, "Is its disk mounted? With create: true an empty one is made.");
        return -ENOENT;
    }
    if (access(path, F_OK) == 0 && access(path, R_OK) != 0) {
        weir_error_set(err, "42501", "weir: the database file \"%s\" may not be read: %s", path,
                       strerror(errno));
        return -EACCES;
    }
    if (access(dir, W_OK) != 0) {
        weir_error_set(err, "42501", "weir: the directory of \"%s\" may not be written: %s", path,
                       strerror(errno));
        weir_error_hint(err, "SQLite keeps the files -wal and -shm beside the database.");
        return -EACCES;
    }
    weir_error_set(err, "58030", "weir: the database file \"%s\" cannot be opened: %s", path,
                   sqlite3_errstr(rc));
    return -EIO;
}

int weir_sqlite_explain(sqlite3 *handle, const char *path, int rc, weir_error *err)
{
    int primary = rc & 0xff;
    if (primary == SQLITE_CANTOPEN)
        return explain_cannot_open(path, rc, err);
    weir_error cause;
    weir_sqlite_error(handle, rc, &cause);
    weir_error_set(err, cause.sqlstate, "weir: the database file \"%s\" cannot be used: %s", path,
                   primary == SQLITE_NOTADB ? "it is not an SQLite database, or it is encrypted"
                                            : cause.message);
    switch (primary) {
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
        weir_error_hint(err, "Another process holds it exclusively; stop that one first.");
        return -EBUSY;
    case SQLITE_CORRUPT:
        weir_error_hint(err, "Restore it from a backup, or try the sqlite3 tool's .recover.");
        return -EINVAL;
    case SQLITE_NOTADB:
        return -EINVAL;
    default:
        return -EIO;
    }
}

static weir_hash_seed random_seed(void)
{
    weir_hash_seed seed = {{0}};
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
        seed.k[0] = (uint64_t)weir_sqlite_now(); /* before the kernel's pool is filled */
    return seed;
}

static int new_db(const weir_sqlite_options *options, weir_sqlite_db **ret)
{
    weir_sqlite_db *db = calloc(1, sizeof(*db));
    if (!db)
        return -ENOMEM;
    db->options = options;
    if (options->memory) {
        if (weir_memory_charge(options->memory, WEIR_MEMORY_SERVER, cache_size(options)) < 0) {
            free(db);
            return -ENOMEM;
        }
        db->charged = true;
    }
    unsigned max = options->statements_max ? options->statements_max : STATEMENTS_MAX_DEFAULT;
    weir_sqlite_stmt_cache_init(&db->cache, random_seed(), max, options->memory);
    weir_sqlite_collector_init(&db->collector);
    weir_sqlite_catalog_init(&db->catalog, db->cache.by_text.seed);
    pthread_mutex_init(&db->guard.lock, NULL);
    db->guard.deadline = db->guard.wait_until = WEIR_TIME_NEVER;
    db->guard.busy_timeout = options->busy_timeout > 0 ? options->busy_timeout : 5 * WEIR_SECOND;
    *ret = db;
    return 0;
}

int weir_sqlite_db_open(const weir_sqlite_options *options, bool writer, weir_sqlite_db **ret,
                        weir_error *err)
{
    weir_sqlite_db *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI;
    flags |= options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    if (writer && !options->read_only && !options->must_exist)
        flags |= SQLITE_OPEN_CREATE;
    int r = new_db(options, &db);
    if (r < 0) {
        weir_error_set(err, "53200", "weir: out of memory for another database connection");
        return r;
    }
    int rc = sqlite3_open_v2(options->path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK)
        rc = configure(db, writer);
    if (rc != SQLITE_OK) {
        r = weir_sqlite_explain(db->handle, options->path, rc, err);
        weir_sqlite_db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

void weir_sqlite_db_close(weir_sqlite_db *db)
{
    if (!db)
        return;
    weir_sqlite_stmt_cache_fini(&db->cache);
    weir_sqlite_catalog_fini(&db->catalog);
    weir_sqlite_face_release(db);
    weir_sqlite_typing_free(db->typing);
    weir_sqlite_zones_free(db->zones);
    (void)sqlite3_close(db->handle); /* every statement is finalized: it cannot be refused */
    weir_sqlite_face_free(db->face);
    weir_sqlite_collector_fini(&db->collector);
    pthread_mutex_destroy(&db->guard.lock);
    if (db->charged)
        weir_memory_release(db->options->memory, WEIR_MEMORY_SERVER, cache_size(db->options));
    free(db->cells);
    free(db);
}
