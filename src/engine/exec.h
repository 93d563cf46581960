/* One statement's run on a backend that executes (SQLite): its values in, rows out through an
 * encoder that the caller supplies, so that no backend knows a client protocol. */
#ifndef WEIR_ENGINE_EXEC_H
#define WEIR_ENGINE_EXEC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"
#include "catalog/value.h"

typedef struct weir_exec weir_exec;

/* A result column as the database declares it. Borrowed until the callback returns. */
typedef struct weir_column {
    const char *name;
    const char *declared; /* declared type as in the schema, or NULL (an expression) */
    const char *table;    /* origin, or NULL */
    const char *origin;   /* column name in the origin, or NULL */
    int64_t relation;     /* the origin's row in sqlite_schema; 0: not known */
    uint16_t number;      /* the column's there, from 1 */
    int32_t modifier;     /* of its type, as PostgreSQL says it; -1: none */
} weir_column;

/* Turns rows into the client's bytes; called on whichever thread executes, never on two at once.
 * -EMSGSIZE, -ENOMEM or any negative: execution stops with an error. */
typedef struct weir_encoder {
    int (*columns)(void *user, weir_buf *out, const weir_column *columns, size_t count);
    int (*row)(void *user, weir_buf *out, const weir_value *cells, size_t count);
    void *user;
} weir_encoder;

#define WEIR_VIOLATION_NAME_MAX 64 /* PostgreSQL's names are no longer */

/* The constraint that was broken, as far as it is known: names, or empty. */
typedef struct weir_violation {
    char table[WEIR_VIOLATION_NAME_MAX], column[WEIR_VIOLATION_NAME_MAX],
        constraint[WEIR_VIOLATION_NAME_MAX];
} weir_violation;

typedef struct weir_outcome {
    bool ok;
    uint64_t rows;       /* rows given out since the last execute, resume or write */
    uint64_t changes;    /* rows written by the statement itself */
    bool suspended;      /* rows_max reached or a chunk is full: weir_conn_ops.resume continues */
    bool returned_rows;  /* the statement has result columns */
    bool in_transaction; /* the connection is inside a transaction now */
    bool needs_writer; /* the connection only reads and the statement may write: nothing was run */
    uint64_t fingerprint; /* of the catalog facts that the statement ran under, as its footprint
                             has it; 0: not known */
    weir_error error;
    weir_violation violation; /* of an error of class 23 */
} weir_outcome;

typedef enum weir_exec_mode {
    WEIR_EXEC_DESCRIBE, /* prepare only: columns() is called, no row */
    WEIR_EXEC_RUN
} weir_exec_mode;

#define WEIR_EXEC_ZONE '\1'

/* One statement's run. Owned by the caller, which keeps it and what it borrows until on_done has
 * said anything but `suspended` (or, suspended, until `finish` called back). */
struct weir_exec {
    weir_exec_mode mode;
    weir_slice text; /* exactly one statement */
    /* As its client wrote it, to be translated with the schema's types where that can be done; if
     * the client named types of parameters, a zero byte and their OIDs (uint32_t each) follow. A
     * TimeZone other than UTC stands before it: WEIR_EXEC_ZONE, its name, a zero byte. Empty: only
     * `text`. */
    weir_slice source;
    const weir_value *params;
    size_t param_count;
    weir_encoder encoder;
    int64_t began_us;       /* when its transaction began, in microseconds since 1970; 0: with it */
    int64_t asked_us;       /* the backend's: the moment of the statement, once that is asked for */
    uint64_t rows_max;      /* 0: all */
    size_t chunk_size;      /* suspend when this many bytes are encoded; 0: 64 KiB */
    size_t result_size_max; /* 0: no limit */
    weir_time deadline;     /* of the statement (57014 beyond); WEIR_TIME_NEVER */
    bool cheap;             /* known to be short: may be run in place, within a budget */
    bool schema_work; /* statements of ours, on a connection that is claimed: they may edit the
                         schema's texts, and fire no triggers */
    bool
        anew; /* prepared anew, even if that was done before: what it touches is to be told again */
    weir_buf *said;  /* what it notified (pg_notify): channel and payload, a zero byte behind each;
                        NULL: it may not */
    weir_buf *drawn; /* the numbers that its client's nextval gave, oldest first: each an int64_t,
                        the sequence's name and a zero byte; NULL: they are forgotten */
    weir_buf out;    /* what the encoder wrote since the last on_done; the caller consumes it */
    unsigned param_total; /* DESCRIBE: how many parameters the statement has */
    bool read_only;       /* DESCRIBE: sqlite3_stmt_readonly and the like */
    weir_outcome outcome;
    void (*on_done)(weir_exec *exec); /* on the loop that submitted it */
    void *user;
    void *backend_private[16]; /* of the backend while it runs */
};

#endif
