/* SQLite behind Weir: one file in WAL mode, many reading connections and one writer. Implements the
 * execute side of engine/backend.h.
 *
 *   weir_backend_ops.open   a reader: query_only, run in place (exec->cheap, within a budget) or on
 *                           an executor. A statement that may write is not run there:
 *                           outcome.needs_writer.
 *   weir_backend_ops.write  one statement on the writer's thread; several may share one commit.
 *   weir_backend_ops.claim  the writer for a transaction, first come first served with `write`.
 *   weir_sqlite_upgrade     a reader's own transaction (REPEATABLE READ) becomes a writing one.
 *
 * A transaction on a reader is begun by executing BEGIN on it: its first read takes the snapshot.
 * If a statement is cancelled or times out while it writes inside a transaction, SQLite rolls the
 * whole transaction back: outcome.in_transaction says so. */
#ifndef WEIR_BACKEND_SQLITE_SQLITE_H
#define WEIR_BACKEND_SQLITE_SQLITE_H

#include "base/log.h"
#include "base/memory.h"
#include "catalog/access.h"
#include "catalog/catalog.h"
#include "catalog/face.h"
#include "engine/backend.h"
#include "net/net.h"

typedef struct weir_sqlite_options {
    const char *path;            /* a file, made if absent; ":memory:" (gone when the backend is) */
    weir_log *log;               /* may be NULL */
    weir_memory *memory;         /* each connection's cache_size is charged here; may be NULL */
    unsigned executors;          /* threads for reads; 0: one per core */
    weir_time busy_timeout;      /* toward other processes; 0: 5 s */
    const _Atomic bool *another; /* of us serves the file, too: it is waited for as our own writer
                                    is; may be NULL */
    bool synchronous_full;       /* an acknowledged commit survives a power cut, not only a crash */
    bool must_exist;             /* a file that is not there is not made: -ENOENT */
    bool read_only;              /* also when the file does not allow more */
    size_t cache_size;           /* of pages, per connection; 0: 8 MiB */
    size_t mmap_size;            /* 0: none */
    unsigned group_max;          /* writes that share a commit at most; 0: 64; 1: each its own */
    size_t
        wal_size;   /* beyond it the write-ahead log is emptied as soon as reads let it; 0: never */
    size_t wal_max; /* beyond it reads that hold it are ended (40001); 0: never */
    unsigned statements_max; /* prepared statements kept per connection; 0: 100 */
    const weir_face *face;   /* what connections have beside the file; may be NULL */
    /* What a text touches, as SQLite's authorizer says; called on whichever thread prepared it,
     * each time it is prepared anew on some connection (views and triggers may have changed). Not
     * called when the accesses are too many to be kept. All borrowed during the call. May be NULL.
     * `catalog` says what the schema, under which it was prepared, has of the relations. */
    void (*on_accesses)(void *user, weir_slice text, const weir_access *accesses, size_t count,
                        const weir_catalog *catalog);
    void *user;
} weir_sqlite_options;

/* Opens the file and starts the writer and the executors; strings are copied. The caller sets
 * (*ret)->events and ->engine before it opens connections. -ENOENT, -EACCES, -EINVAL (no database,
 * corrupt), -EBUSY (another process holds it), -ENOMEM, -EIO: `err` says what to do. Destroying
 * asks that every connection is closed and every claim given back. */
WEIR_MUST_CHECK int weir_sqlite_open(const weir_sqlite_options *options, weir_backend **ret,
                                     weir_error *err);
/* The file cannot be written: every write gets 25006. */
bool weir_sqlite_read_only(const weir_backend *backend);

/* weir_backend_ops.upgrade: the connection executes on the writer's thread until `unclaim`, which
 * rolls back what is open; its `clean` says LATER until `became_clean`. */
void weir_sqlite_upgrade(weir_backend *backend, weir_conn *conn, weir_claim *claim);

/* Gives up a `write` that waits or runs (57014), harmless if its outcome is already decided. On the
 * loop that submitted it; on_done comes as ever. */
void weir_sqlite_cancel_write(weir_backend *backend, weir_exec *exec);

/* Is it a time zone? `name`, in a room of `size`, becomes what the tz database calls it. Reads a
 * file. */
bool weir_sqlite_zone_name(char *name, size_t size);

/* What one statement touches in the schema of the file at `path`, without opening a backend. 0;
 * -EINVAL: it cannot be prepared there; -ENOENT, -EACCES, …: the file cannot be opened; words in
 * `err`. -ENOBUFS: it touches more than can be kept. */
WEIR_MUST_CHECK int weir_sqlite_analyze(const char *path, const weir_face *face, weir_slice text,
                                        const weir_lexed *lexed, weir_footprint **ret,
                                        weir_error *err);

/* About execute-side calls here: on_done is called from inside `execute` only if exec->cheap.
 * encoder.columns() begins a result and may come twice, when a statement must run again; what it
 * had written was dropped. `write` encodes all rows before it acknowledges (64 MiB at most, 54000
 * beyond) and ignores rows_max. `unclaim` and `close` ask that no statement of the connection runs;
 * suspended ones are given up. */

#endif
