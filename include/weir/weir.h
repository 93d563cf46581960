/* libweir: a database gateway as a part of your program. SQLite files and PostgreSQL servers are
 * spoken to in PostgreSQL's dialect, through the pools and the cache that `weir serve` has; nothing
 * listens anywhere unless a setting says so.
 *
 * C11, and C++. Link with `pkg-config --cflags --libs weir`. docs/library.md tells the rest.
 *
 * Threads. An instance may be used by any number of threads. A connection, and its rows, by one at
 * a time; weir_connection_cancel is the exception. No function may be called from a signal handler.
 * After fork() the child may not use what the parent opened.
 *
 * Results. A function gives WEIR_OK, WEIR_ROW where it says so, or a negative weir_status, with the
 * words in the weir_fault that it was given (NULL: not wanted). What each asks of the caller:
 *   WEIR_REFUSED    the database refused the statement, fault->sqlstate says why; the connection
 *                   goes on. 40001 and 40P01: the transaction may be tried again.
 *   WEIR_LOST       the connection has ended: close it and open another. What a transaction under
 *                   way came to is not known.
 *   WEIR_NO_MEMORY  memory or descriptors are short; nothing was begun.
 *   WEIR_MISUSE     the call is wrong, and fault->message says how; nothing was begun.
 *
 * Versions are semantic: what is here stays until WEIR_VERSION_MAJOR changes; while that is 0,
 * until WEIR_VERSION_MINOR does. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

#if defined(__GNUC__)
#define WEIR_API __attribute__((visibility("default")))
#define WEIR_USE_RESULT __attribute__((warn_unused_result))
#else
#define WEIR_API
#define WEIR_USE_RESULT
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_status {
    WEIR_ROW = 1,
    WEIR_OK = 0,
    WEIR_REFUSED = -1,
    WEIR_LOST = -2,
    WEIR_NO_MEMORY = -3,
    WEIR_MISUSE = -4
} weir_status;

/* What went wrong, in words for people; the caller's. Strings that are not known are "". */
typedef struct weir_fault {
    char sqlstate[6]; /* PostgreSQL's appendix A; "F0000" of a configuration */
    char message[512];
    char detail[512];
    char hint[512];
    char constraint[64]; /* the name of the constraint that was violated */
} weir_fault;

/* The library's version, "0.1.0": a static string. */
WEIR_API const char *weir_version(void);

/* ---- instances ---- */

typedef struct weir_instance weir_instance;

typedef struct weir_instance_options {
    const char *dsn; /* "sqlite:app.db", "postgres://user:password@host/db"; NULL: `file` or
                      * `settings` name databases */
    const char *const *settings; /* "key=value" of docs/configuration.md, the last one NULL:
                                  * "cache.memory=64MiB", "listen=127.0.0.1:6432"; NULL: none */
    const char *file;            /* a configuration file, beneath `settings`; NULL: none */
    /* Takes the log's lines, each ending with a newline; on any thread, and not after
     * weir_instance_close. NULL: they are dropped. */
    void (*log)(void *user, const char *line, size_t len);
    void *user;
} weir_instance_options;

/* Opens databases and starts threads, in which all signals are blocked. A file that is missing is
 * made. Two instances, in one process or two, may have one SQLite file open, like any two programs.
 * The environment is not read. WEIR_MISUSE: an option or setting is wrong; WEIR_REFUSED: a database
 * cannot be opened; WEIR_NO_MEMORY. */
WEIR_API WEIR_USE_RESULT weir_status weir_instance_open(const weir_instance_options *options,
                                                        weir_instance **ret, weir_fault *fault);

/* Ends what connections still run, closes databases, joins the threads. Close the connections
 * before: no call may be under way, and of those left only weir_connection_close may be called
 * afterwards. NULL is fine. */
WEIR_API void weir_instance_close(weir_instance *instance);

/* ---- connections ---- */

typedef struct weir_connection weir_connection;

/* A session: settings, transaction, temporary tables, as a client of PostgreSQL has them. Cheap:
 * connections to the database behind it are shared. `database`: as configured; NULL: the only one;
 * "weir": the admin database (SHOW POOLS, SHOW CACHE). `user`: its name; NULL: "weir".
 * WEIR_REFUSED: no such database, or it cannot be reached; WEIR_NO_MEMORY. */
WEIR_API WEIR_USE_RESULT weir_status weir_connection_open(weir_instance *instance,
                                                          const char *database, const char *user,
                                                          weir_connection **ret, weir_fault *fault);

/* Rolls back what is open. Its rows must have been closed. NULL is fine. */
WEIR_API void weir_connection_close(weir_connection *connection);

/* From any thread, while another one waits in a call on this connection: the statement that runs
 * ends with WEIR_REFUSED and 57014. Harmless if none does. WEIR_LOST, WEIR_NO_MEMORY. */
WEIR_API weir_status weir_connection_cancel(weir_connection *connection, weir_fault *fault);

typedef enum weir_transaction_status {
    WEIR_STATE_IDLE = 'I',
    WEIR_STATE_TRANSACTION = 'T',
    WEIR_STATE_FAILED = 'E' /* only ROLLBACK is taken */
} weir_transaction_status;

/* After the statement before; of a connection that was lost: IDLE. */
WEIR_API weir_transaction_status weir_connection_status(const weir_connection *connection);

/* ---- statements ---- */

typedef enum weir_parameter_kind {
    WEIR_PARAMETER_NULL,
    WEIR_PARAMETER_INTEGER,
    WEIR_PARAMETER_REAL,
    WEIR_PARAMETER_BOOLEAN,
    WEIR_PARAMETER_TEXT, /* UTF-8, without zero bytes; also dates, numerics, JSON, arrays, … */
    WEIR_PARAMETER_BYTES
} weir_parameter_kind;

/* What stands for $1, $2, …: of the type that the statement's place for it has, as if its text were
 * written there between quotes. Where there is none, say it: `$1::bigint`. */
typedef struct weir_parameter {
    weir_parameter_kind kind;
    union {
        int64_t integer;
        double real;
        bool boolean;
        struct {
            const void *data; /* borrowed during the call */
            size_t len;
        } bytes; /* TEXT and BYTES */
    } value;
} weir_parameter;

static inline weir_parameter weir_null(void)
{
    weir_parameter p;
    p.kind = WEIR_PARAMETER_NULL;
    p.value.integer = 0;
    return p;
}

static inline weir_parameter weir_integer(int64_t value)
{
    weir_parameter p;
    p.kind = WEIR_PARAMETER_INTEGER;
    p.value.integer = value;
    return p;
}

static inline weir_parameter weir_real(double value)
{
    weir_parameter p;
    p.kind = WEIR_PARAMETER_REAL;
    p.value.real = value;
    return p;
}

static inline weir_parameter weir_boolean(bool value)
{
    weir_parameter p;
    p.kind = WEIR_PARAMETER_BOOLEAN;
    p.value.boolean = value;
    return p;
}

/* `len` bytes; the parameter borrows them. */
static inline weir_parameter weir_bytes(const void *data, size_t len)
{
    weir_parameter p;
    p.kind = WEIR_PARAMETER_BYTES;
    p.value.bytes.data = data;
    p.value.bytes.len = len;
    return p;
}

/* `len` bytes of text. weir_text_of: up to the zero byte; NULL is SQL's NULL. */
static inline weir_parameter weir_text(const char *data, size_t len)
{
    weir_parameter p = weir_bytes(data, len);
    p.kind = WEIR_PARAMETER_TEXT;
    return p;
}

static inline weir_parameter weir_text_of(const char *text)
{
    size_t len = 0;
    if (!text)
        return weir_null();
    while (text[len] != '\0')
        len++;
    return weir_text(text, len);
}

/* Runs one statement to its end and drops its rows. `ret_affected`: rows inserted, updated, deleted
 * or, of a query, found; may be NULL. WEIR_REFUSED, WEIR_LOST, WEIR_NO_MEMORY; WEIR_MISUSE: rows of
 * the connection are open, or a parameter is wrong. */
WEIR_API WEIR_USE_RESULT weir_status weir_execute(weir_connection *connection, const char *sql,
                                                  const weir_parameter *parameters, size_t count,
                                                  uint64_t *ret_affected, weir_fault *fault);

/* Runs statements separated by semicolons, without parameters, all of them in one transaction
 * unless they say otherwise; stops at the first that fails. Errors as above. */
WEIR_API WEIR_USE_RESULT weir_status weir_execute_script(weir_connection *connection,
                                                         const char *sql, weir_fault *fault);

typedef struct weir_rows weir_rows;

/* Runs one statement and gives its rows one by one, in bounded memory however many they are: the
 * database waits for who reads slowly. One at a time per connection; weir_rows_close ends it.
 * Errors as above. */
WEIR_API WEIR_USE_RESULT weir_status weir_query(weir_connection *connection, const char *sql,
                                                const weir_parameter *parameters, size_t count,
                                                weir_rows **ret, weir_fault *fault);

/* WEIR_ROW: the next row is there; WEIR_OK: there is none, all went well. Else it ended: errors as
 * above, also in the middle; again when asked again. */
WEIR_API WEIR_USE_RESULT weir_status weir_rows_next(weir_rows *rows, weir_fault *fault);

/* Leaves what was not read: a long statement is cancelled. Inside a transaction that fails it; read
 * to the end, or use a cursor, where that must not be. NULL is fine. */
WEIR_API void weir_rows_close(weir_rows *rows);

/* Columns count from 0; their names and types (PostgreSQL's OIDs: 20 is int8, 25 text) are known
 * before the first row. Of a statement without rows there are none. Strings live until
 * weir_rows_close. Beyond the last column: NULL, 0. */
WEIR_API unsigned weir_rows_columns(const weir_rows *rows);
WEIR_API const char *weir_rows_name(const weir_rows *rows, unsigned column);
WEIR_API uint32_t weir_rows_type(const weir_rows *rows, unsigned column);
/* "SELECT 5", "INSERT 0 1": at the end; before that "". */
WEIR_API const char *weir_rows_tag(const weir_rows *rows);

/* The row's value as PostgreSQL writes it, with a zero byte behind it; until the next call of
 * weir_rows_next or weir_rows_close. NULL: SQL's NULL, no such column, or no row is there.
 * `ret_len` may be NULL. */
WEIR_API const char *weir_rows_text(const weir_rows *rows, unsigned column, size_t *ret_len);

/* The value as a number; of type boolean 0 or 1. WEIR_MISUSE: it is NULL, or none, or does not fit
 * (1.5, 10000000000000000000); then `*ret` is 0. */
WEIR_API weir_status weir_rows_integer(const weir_rows *rows, unsigned column, int64_t *ret);
WEIR_API weir_status weir_rows_real(const weir_rows *rows, unsigned column, double *ret);
/* A bytea's bytes, as long as weir_rows_text's; of another type, its text. NULL as there. */
WEIR_API const void *weir_rows_bytes(weir_rows *rows, unsigned column, size_t *ret_len);

/* ---- transactions ---- */

/* Runs `work` between BEGIN and COMMIT, and again, `attempts` times at most, when the database says
 * that it may be tried again (40001, 40P01). `begin`: NULL, or words like "BEGIN ISOLATION LEVEL
 * REPEATABLE READ". `work` gives what its calls gave; a negative status rolls back, is handed on,
 * and is `fault`'s. A COMMIT of a transaction that had failed is WEIR_REFUSED with 40000. */
WEIR_API WEIR_USE_RESULT weir_status
weir_transact(weir_connection *connection, const char *begin, unsigned attempts,
              weir_status (*work)(weir_connection *connection, void *user, weir_fault *fault),
              void *user, weir_fault *fault);

/* ---- notifications ---- */

typedef struct weir_notification {
    const char *channel, *payload; /* until the next call on the connection */
    uint32_t sender;               /* the session that sent it */
} weir_notification;

/* What a channel that this connection listens to (LISTEN name) was sent: WEIR_ROW, or WEIR_OK when
 * `timeout_ms` have passed (0: only what is here already; negative: no limit). Outside
 * transactions, while no rows are open. WEIR_LOST, WEIR_NO_MEMORY, WEIR_MISUSE. */
WEIR_API WEIR_USE_RESULT weir_status weir_connection_wait(weir_connection *connection,
                                                          int timeout_ms, weir_notification *ret,
                                                          weir_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
