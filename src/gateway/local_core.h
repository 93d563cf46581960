/* Private to gateway/local*.c: the virtual server's parts. local.c draws its states. */
#ifndef WEIR_GATEWAY_LOCAL_CORE_H
#define WEIR_GATEWAY_LOCAL_CORE_H

#include "base/map.h"
#include "compat/compat.h"
#include "engine/cache.h"
#include "gateway/local.h"

#define LOCAL_SAVEPOINTS_MAX 1000u
#define LOCAL_NAME_MAX 64u                   /* PostgreSQL's NAMEDATALEN */
#define LOCAL_KEPT_SIZE_MAX (64u * 1048576u) /* rows kept for a portal, if limits say nothing */
#define LOCAL_CHUNK_SIZE 65536u

/* ---- statements and portals (local_statement.c) ---- */

/* Of memory.max (local_memory.c). */
typedef struct local_charge {
    weir_memory *memory;
    weir_memory_owner owner;
    size_t size;
} local_charge;

/* Is a column's type known? */
typedef enum local_loose {
    LOCAL_TYPED,
    LOCAL_LOOSE,      /* no: the rows will tell */
    LOCAL_LOOSE_ARRAY /* … of its elements */
} local_loose;

/* Result columns as announced. */
typedef struct local_columns {
    weir_pg_column *items; /* names point into `names` */
    uint8_t *loose;        /* local_loose */
    size_t count;
    weir_buf names;
} local_columns;

/* A statement as understood. Shared by name, portals and the run that executes it. */
typedef struct local_statement {
    unsigned refs;
    weir_slice name;
    weir_slice source;    /* as its client wrote it: one statement */
    weir_slice text;      /* as SQLite runs it */
    weir_command command; /* kind NONE: for the database */
    weir_statement words;
    uint16_t param_count;
    uint32_t *oids; /* of the parameters; 0: unknown */
    weir_buf
        typed;     /* `source`, a zero byte, the OIDs that its client named; empty: it named none */
    uint8_t locks; /* weir_compat_lock: FOR UPDATE and its kin */
    bool described; /* `columns` and `read_only` are known */
    bool oids_resolved;
    bool read_only;
    bool asks_for_session; /* its translation differs from session to session */
    local_columns columns;
    weir_buf owned; /* name, source, text */
    local_charge charge;
} local_statement;

/* What a portal is beside, that DECLARE made (local_sql.c): all of its rows are in `kept`. */
typedef struct local_cursor {
    local_columns columns;
    weir_cursor_options options;
    bool fresh;        /* made in the transaction under way */
    uint16_t depth;    /* … inside so many savepoints */
    uint64_t rows;     /* in `kept` */
    uint64_t position; /* on this row, from 1; 0: before the first; rows + 1: behind the last */
    size_t *marks;     /* where in `kept` the first of each ROWS_PER_MARK rows begins */
} local_cursor;

/* A statement with its parameters, and what is left of its result between two Executes. One block:
 * a Bind costs one allocation. */
typedef struct local_portal {
    unsigned refs;
    local_statement *statement;
    weir_value *params; /* behind the struct, as the next two */
    uint16_t *formats;  /* of the result columns */
    weir_slice name;
    uint16_t format_count;
    uint32_t rows_max;  /* of the Execute under way */
    bool describe_owed; /* Describe waits for the Execute that usually follows */
    bool simple;        /* of an EXECUTE in the simple protocol: no NoData */
    bool started;
    bool finished;                    /* `tag` is known: all rows are in `kept` */
    weir_buf kept;                    /* whole DataRow messages not given out yet */
    size_t kept_pos;                  /* the next of them */
    local_charge kept_charge, charge; /* of those, and of all else */
    char tag[64];
    local_cursor *cursor; /* NULL: of the extended protocol */
    weir_buf rewritten;   /* parameters in SQLite's form, where that differs from how they came */
} local_portal;

/* ---- the run (local_run.c, local_rows.c) ---- */

#define LOCAL_SAID_SIZE_MAX (16u * 1048576u) /* of notifications in one transaction */

/* What turns rows into messages; used on the executing thread while phase is RUNNING. */
typedef struct local_rows {
    weir_buf said; /* weir_exec.said */
    local_columns columns;
    const uint16_t *formats;
    uint16_t format_count;
    bool describe;      /* RowDescription (or NoData) goes out before the rows */
    bool no_data;       /* … NoData too: the extended protocol has it */
    bool described;     /* … and has been written */
    bool describe_only; /* no rows are expected: learn the columns */
    size_t head;        /* where it begins in exec.out, until the loose types are patched */
    bool patched;
    const local_columns *announced; /* of a prepared statement: the rows' types; NULL: none */
    bool changed;                   /* … which they no longer are */
    weir_slice source;              /* for the hints of columns without a declared type */
    uint64_t count;                 /* rows written */
    uint64_t count_max;             /* 0: no limit */
    weir_error error;               /* why a row was refused; sqlstate "" if it was not */
} local_rows;

typedef void (*local_then)(weir_local *l, bool ok);

typedef struct local_run {
    weir_exec exec;
    weir_claim claim;
    weir_local *local; /* NULL: its client left; it frees itself when the backend lets go */
    weir_backend *backend;
    weir_conn *conn; /* where it executes; NULL: at the backend's writer queue */
    local_statement *statement;
    local_portal *portal;
    local_rows rows;
    weir_encoder encoder;
    /* What the encoder may write to, once their client has left. */
    struct local_copy *left_copy;
    local_statement *left_hinted;
    weir_buf control; /* text of a statement of our own */
    weir_buf own;     /* … of one that is part of the client's: savepoints come before it */
    weir_buf drawn; /* weir_exec.drawn, of the whole session; weir_local's while there is no run */
    weir_buf zoned; /* the source, under a TimeZone other than UTC */
    bool schema_work; /* … which edits the schema */
    weir_role need;
    weir_memory *memory; /* the host's */
    local_charge charge; /* of kept rows, while they are in exec.out */
    bool keep;           /* rows go to the portal, not to the client */
    bool borrowed;       /* session->conn was borrowed for this run alone */
    bool in_call;        /* inside the backend's execute, resume or write */
    bool done;           /* … and on_done came meanwhile */
    bool cancelled;
    weir_fill fill;   /* its answer is gathered for the cache, or somebody else's is waited for */
    bool filled;      /* … was: the rows describe themselves */
    bool head_hidden; /* … though the client did not ask */
    bool from_cache;  /* the answer, tag and all, has been given */
    size_t head_len;  /* of the description, once it has passed */
    size_t replayed;  /* savepoints set on a writer just claimed */
    local_then then;
    weir_time started;
    weir_time deadline; /* by statement_timeout, waits included */
    weir_error error;   /* of the last run, if it failed */
} local_run;

/* ---- transactions (local_transaction.c) ---- */

typedef enum local_tx_state {
    LOCAL_TX_IDLE,     /* every statement commits by itself */
    LOCAL_TX_IMPLICIT, /* several statements of one Query, or of one pipeline */
    LOCAL_TX_EXPLICIT, /* BEGIN was said */
    LOCAL_TX_FAILED    /* … and something failed: only the end is accepted */
} local_tx_state;

typedef struct local_savepoint {
    struct local_savepoint *outer;
    char name[LOCAL_NAME_MAX];
} local_savepoint;

typedef struct local_tx {
    weir_conn *writer;           /* claimed; NULL: nothing written yet */
    local_savepoint *savepoints; /* innermost first */
    uint16_t savepoint_count;
    uint8_t state;     /* local_tx_state */
    uint8_t isolation; /* weir_isolation, never DEFAULT inside a block */
    int64_t began_us;  /* by the clock on the wall, since 1970 */
    bool read_only;
    bool snapshot;       /* session->conn is held with an open BEGIN: REPEATABLE READ and above */
    bool expired;        /* … no more: it was held for too long */
    bool used;           /* a statement has run in it */
    bool more_than_read; /* … that was no plain read */
} local_tx;

/* ---- the session's server ---- */

typedef enum local_phase {
    LOCAL_REST,
    LOCAL_WAIT_LENT,
    LOCAL_WAIT_CLAIM,
    LOCAL_WAIT_ANSWER, /* somebody else's run of the same statement */
    LOCAL_WAIT_VISIT,  /* the host looks for another session: local_signal.c */
    LOCAL_RUNNING,
    LOCAL_PAUSED /* the client reads too slowly */
} local_phase;

typedef enum local_held { LOCAL_HELD_NONE, LOCAL_HELD_DESCRIBE, LOCAL_HELD_EXECUTE } local_held;

typedef struct local_script local_script;       /* local_query.c */
typedef struct local_settings local_settings;   /* local_settings.c */
typedef struct local_names local_names;         /* local_extended.c */
typedef struct local_call local_call;           /* local_sql.c */
typedef struct local_alter local_alter;         /* local_alter.c */
typedef struct local_listening local_listening; /* local_listen.c */

/* While another session is being ended or cancelled for this one. */
typedef struct local_signalled {
    uint32_t number;
    local_portal *portal; /* or NULL */
    local_then then;
} local_signalled;

struct weir_local {
    weir_session *session;
    weir_local_host host;
    weir_local_limits limits;
    local_run *run;           /* while something runs */
    local_script *script;     /* while a Query is worked on */
    struct local_copy *copy;  /* while a COPY is */
    local_settings *settings; /* once one was changed */
    local_names *names;       /* while there are named statements or portals */
    local_statement *unnamed;
    local_portal *unnamed_portal;
    local_portal *held;
    local_statement *hinted; /* its parameters' types are being looked up */
    local_then hinted_then;
    local_call *call;           /* of EXECUTE, while it is worked on */
    local_alter *alter;         /* of ALTER TABLE, likewise */
    local_listening *listening; /* once it has said anything of channels */
    local_then control_then;    /* of a command, while a statement of our own runs for it */
    const char *control_tag;
    local_signalled signalled;
    weir_slice user, database; /* in `login` */
    uint8_t *login;            /* startup parameters: uint32 length, then the bytes */
    weir_buf out;
    weir_buf drawn; /* while there is no run: see there */
    local_tx tx;
    uint32_t pid;
    uint8_t phase;     /* local_phase */
    uint8_t held_kind; /* local_held */
    bool skipping;     /* after an error in the extended protocol, up to Sync */
    bool batch;        /* extended messages came since the last Sync */
    bool feeding;
    bool broken;  /* out of memory: the host was told */
    bool asked;   /* the cache, for the Query that is worked on */
    bool retries; /* since a 40001 nothing has committed: take the writer first */
    bool default_read_only;
    bool zoned; /* TimeZone is not UTC */
    uint8_t default_isolation;
};

/* local.c: replies are collected and leave at the end of each entry point. */
weir_backend *local_backend(const weir_local *l);
void local_broken(weir_local *l, int r);
void local_check(weir_local *l, int r); /* broken if negative */
void local_send_error(weir_local *l, const weir_error *err);
void local_send_warning(weir_local *l, const char *sqlstate, const char *message);
void local_send_tag(weir_local *l, const char *tag);
void local_send_ready(weir_local *l);
void local_flush(weir_local *l);
/* Ends an entry point that the host did not call by weir_local_feed. */
void local_leave(weir_local *l);
/* A statement failed: the error goes out, the transaction fails, the pipeline is skipped. */
void local_fail(weir_local *l, const weir_error *err);
weir_slice local_login_value(const weir_local *l, const char *name);

#endif
