/* One SQLite connection: its handle, statement cache, authorizer, and the guard that ends a run.
 * Used by one thread at a time; only weir_sqlite_guard_cancel may come from another. */
#ifndef WEIR_BACKEND_SQLITE_DB_H
#define WEIR_BACKEND_SQLITE_DB_H

#include "backend/sqlite/authorize.h"
#include "backend/sqlite/catalog.h"
#include "backend/sqlite/changes.h"
#include "backend/sqlite/sqlite.h"
#include "backend/sqlite/stmt_cache.h"
#include "backend/sqlite/wal.h"
#include "backend/sqlite/zones.h"
#include <pthread.h>
#include <stdatomic.h>

/* VM instructions that a run on a loop's own thread may take (some hundred microseconds). */
#define WEIR_SQLITE_STEPS_IN_PLACE 20000u

typedef enum weir_sqlite_stop {
    WEIR_SQLITE_STOP_NONE,
    WEIR_SQLITE_STOP_CANCEL,
    WEIR_SQLITE_STOP_DEADLINE,
    WEIR_SQLITE_STOP_BUDGET,
    WEIR_SQLITE_STOP_OVERDUE /* its snapshot must end: wal.h */
} weir_sqlite_stop;

/* Ends a run that is cancelled, late or over its budget. A cancel never reaches a later run:
 * `cancelled` is cleared when a run is submitted, and sqlite3_interrupt (which ends the long single
 * instructions between two looks) is called only under the lock while the run is active and nothing
 * else on the connection is suspended; SQLite forgets it when the next statement starts. */
typedef struct weir_sqlite_guard {
    pthread_mutex_t lock; /* over active, interruptible */
    bool active;
    bool interruptible;
    atomic_bool cancelled;
    bool in_place;          /* on a loop's thread: within the budget, and never sleeping */
    bool aside;             /* short statements of our own are under way: not counted */
    weir_time deadline;     /* of the statement */
    weir_time wait_until;   /* for other processes' locks */
    weir_time busy_timeout; /* the same, counted from the first wait */
    weir_time busy_until;   /* … which makes this */
    uint64_t steps;
    weir_sqlite_stop why;
    void (*on_tick)(void *user); /* now and then while it runs or waits; may be NULL */
    void *tick_user;
} weir_sqlite_guard;

typedef struct weir_sqlite_face weir_sqlite_face;
typedef struct weir_sqlite_typing weir_sqlite_typing; /* typing.c: what it keeps of tables */

struct weir_sqlite_db {
    sqlite3 *handle;
    weir_sqlite_stmt_cache cache;
    weir_sqlite_collector collector;
    weir_sqlite_catalog catalog;
    weir_sqlite_guard guard;
    weir_sqlite_face *face;       /* NULL: none was asked for */
    weir_sqlite_zones *zones;     /* once one was asked for */
    weir_sqlite_typing *typing;   /* once it was needed */
    bool typing_stale;            /* as catalog.stale, for what is kept there */
    bool face_stale;              /* as catalog.stale, for the face's rows */
    weir_sqlite_changes *changes; /* of who may write and is followed; else NULL */
    bool watched;                 /* the preupdate hook is there */
    const weir_sqlite_options *options;
    weir_value *cells; /* of the row under way */
    size_t cells_cap;
    int wal_pages;        /* in the WAL after this connection's newest commit */
    weir_sqlite_wal *wal; /* of a backend's reader; else NULL */
    weir_exec *running;   /* whose statement is stepped now; NULL: one of ours */
    uint64_t epoch;       /* when its snapshot began */
    bool charged;         /* cache_size, to options->memory */
};

/* The monotonic clock, as weir_loop_clock has it: threads here have no loop. */
weir_time weir_sqlite_now(void);

/* `writer`: makes the file if absent and switches it to WAL. On failure `err` says why and what to
 * do: -ENOENT, -EACCES, -EINVAL, -EBUSY, -ENOMEM, -EIO. The options are borrowed for life. */
WEIR_MUST_CHECK int weir_sqlite_db_open(const weir_sqlite_options *options, bool writer,
                                        weir_sqlite_db **ret, weir_error *err);
/* Why a file cannot be used, as said above. */
WEIR_MUST_CHECK int weir_sqlite_explain(sqlite3 *handle, const char *path, int rc, weir_error *err);
void weir_sqlite_db_close(weir_sqlite_db *db);
/* typing.c */
void weir_sqlite_typing_free(weir_sqlite_typing *typing);
/* A statement of our own, one that gives no rows. Returns SQLite's code; the statement is cached.
 */
WEIR_MUST_CHECK int weir_sqlite_db_command(weir_sqlite_db *db, const char *sql);
/* Around short statements of our own in the midst of a client's: nothing of them is collected or
 * counted, and they are not stopped. */
typedef struct weir_sqlite_aside {
    bool trusted, aside;
} weir_sqlite_aside;
WEIR_MUST_CHECK weir_sqlite_aside weir_sqlite_db_step_aside(weir_sqlite_db *db);
void weir_sqlite_db_step_back(weir_sqlite_db *db, weir_sqlite_aside before);
/* The same, of one that gives a number. */
WEIR_MUST_CHECK int weir_sqlite_db_number(weir_sqlite_db *db, const char *sql, int64_t *ret);
bool weir_sqlite_db_in_transaction(const weir_sqlite_db *db);

void weir_sqlite_guard_begin(weir_sqlite_db *db, weir_time deadline, bool in_place,
                             bool interruptible);
weir_sqlite_stop weir_sqlite_guard_end(weir_sqlite_db *db);
/* The connection's snapshot must end: on the thread that uses it. */
bool weir_sqlite_db_is_overdue(const weir_sqlite_db *db);
/* From any thread: the run under way (or submitted) is given up. */
void weir_sqlite_guard_cancel(weir_sqlite_db *db);

#endif
