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

/* Result columns as announced. */
typedef struct local_columns {
    weir_pg_column *items; /* names point into `names` */
    bool *loose;           /* no type is known: the rows will tell */
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
    bool described; /* `columns` and `read_only` are known */
    bool oids_resolved;
    bool read_only;
    bool catalog;          /* a catalogue query: its columns are the face's own */
    bool asks_for_session; /* its translation differs from session to session */
    local_columns columns;
    weir_buf owned; /* name, source, text */
} local_statement;

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
    bool started;
    bool finished;   /* `tag` is known: all rows are in `kept` */
    weir_buf kept;   /* whole DataRow messages not given out yet */
    size_t kept_pos; /* the next of them */
    char tag[64];
    weir_buf rewritten; /* parameters in SQLite's form, where that differs from how they came */
} local_portal;

/* ---- the run (local_run.c, local_rows.c) ---- */

/* What turns rows into messages; used on the executing thread while phase is RUNNING. */
typedef struct local_rows {
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
    weir_buf control; /* text of a statement of our own */
    weir_role need;
    bool keep;     /* rows go to the portal, not to the client */
    bool hold;     /* the connection stays with the transaction */
    bool borrowed; /* session->conn was borrowed for this run alone */
    bool in_call;  /* inside the backend's execute, resume or write */
    bool done;     /* … and on_done came meanwhile */
    bool cancelled;
    weir_fill fill;   /* its answer is gathered for the cache, or somebody else's is waited for */
    bool filled;      /* … was: the rows describe themselves */
    bool head_hidden; /* … though the client did not ask */
    bool from_cache;  /* the answer, tag and all, has been given */
    size_t head_len;  /* of the description, once it has passed */
    size_t replayed;  /* savepoints set on a writer just claimed */
    local_then then;
    weir_time started;
    weir_error error; /* of the last run, if it failed */
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
    bool read_only;
    bool snapshot;       /* session->conn is held with an open BEGIN */
    bool used;           /* a statement has run in it */
    bool more_than_read; /* … that was no plain read */
} local_tx;

/* ---- the session's server ---- */

typedef enum local_phase {
    LOCAL_REST,
    LOCAL_WAIT_LENT,
    LOCAL_WAIT_CLAIM,
    LOCAL_WAIT_ANSWER, /* somebody else's run of the same statement */
    LOCAL_RUNNING,
    LOCAL_PAUSED /* the client reads too slowly */
} local_phase;

typedef enum local_held { LOCAL_HELD_NONE, LOCAL_HELD_DESCRIBE, LOCAL_HELD_EXECUTE } local_held;

typedef struct local_script local_script;     /* local_query.c */
typedef struct local_settings local_settings; /* local_settings.c */
typedef struct local_names local_names;       /* local_extended.c */

struct weir_local {
    weir_session *session;
    weir_local_host host;
    weir_local_limits limits;
    local_run *run;           /* while something runs */
    local_script *script;     /* while a Query is worked on */
    local_settings *settings; /* once one was changed */
    local_names *names;       /* while there are named statements or portals */
    local_statement *unnamed;
    local_portal *unnamed_portal;
    local_portal *held;
    local_statement *hinted; /* its parameters' types are being looked up */
    local_then control_then; /* of a command, while a statement of our own runs for it */
    const char *control_tag;
    weir_slice user, database; /* in `login` */
    uint8_t *login;            /* startup parameters: uint32 length, then the bytes */
    weir_buf out;
    local_tx tx;
    uint32_t pid;
    uint8_t phase;     /* local_phase */
    uint8_t held_kind; /* local_held */
    bool skipping;     /* after an error in the extended protocol, up to Sync */
    bool batch;        /* extended messages came since the last Sync */
    bool feeding;
    bool broken; /* out of memory: the host was told */
    bool asked;  /* the cache, for the Query that is worked on */
    bool default_read_only;
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

/* local_statement.c */
WEIR_MUST_CHECK int local_statement_new(weir_local *l, weir_slice name, weir_slice source,
                                        local_statement **ret, weir_error *err);
local_statement *local_statement_ref(local_statement *s);
void local_statement_unref(local_statement *s);
local_portal *local_portal_ref(local_portal *p);
void local_portal_unref(local_portal *p);
void local_columns_fini(local_columns *c);
bool local_statement_writes(const local_statement *s);

/* local_bind.c */
WEIR_MUST_CHECK int local_portal_new(const weir_pg_bind *m, local_statement *s, local_portal **ret,
                                     weir_error *err);
/* Rows of a finished portal, as many as its Execute asked for. In local_extended.c. */
void local_portal_give(weir_local *l, local_portal *p);

/* local_rows.c */
/* A column of this type is what was announced at this place. */
bool local_columns_fit(const local_columns *announced, size_t place, uint32_t oid);
void local_rows_begin(local_rows *rows, weir_slice source, bool describe);
void local_rows_fini(local_rows *rows);
weir_encoder local_rows_encoder(local_rows *rows);
void local_rows_patch(local_rows *rows, weir_buf *out);

/* local_cache.c */
bool local_asks_for_session(weir_slice source);
/* A Query's text: true: its whole answer has been written, but for ReadyForQuery. */
bool local_cache_query(weir_local *l, weir_slice text);
/* An Execute: true: the same. */
bool local_cache_portal(weir_local *l, local_portal *p, bool describe);
/* A run that is about to start: true: it is over, or waits for somebody else's answer. */
bool local_cache_begin(local_run *run, bool describe);
/* Bytes on their way to the client: what of them it should get. */
weir_slice local_cache_take_chunk(local_run *run, weir_slice bytes);
/* The answer ended with this CommandComplete. */
void local_cache_finish(local_run *run, weir_slice complete);
/* The same for a run whose rows were kept for its portal. */
void local_cache_finish_kept(local_run *run, const local_portal *p);
/* A run that only describes: true: it is over. */
bool local_cache_describe(local_run *run);
void local_cache_described(local_run *run);

/* local_explain.c */
void local_explain_cache(weir_local *l, local_statement *s, local_then then);

/* local_run.c */
void local_run_go(local_run *run);
WEIR_MUST_CHECK int local_run_statement(weir_local *l, local_statement *s, local_portal *p,
                                        bool describe, local_then then);
/* `anew`: the database itself is asked. */
WEIR_MUST_CHECK int local_run_describe(weir_local *l, local_statement *s, bool anew,
                                       local_then then);
/* A statement of our own on the transaction's connection, or (`encoder`) on any reader. */
WEIR_MUST_CHECK int local_run_control(weir_local *l, weir_slice text, const weir_encoder *encoder,
                                      local_then then);
/* Takes a connection for the whole transaction: the writer, or a reader inside BEGIN. */
WEIR_MUST_CHECK int local_run_hold(weir_local *l, weir_role role, local_then then);
void local_run_free(local_run *run);
void local_run_drained(weir_local *l);
void local_run_abandon(weir_local *l);
void local_run_cancel(weir_local *l);

/* local_transaction.c */
void local_tx_command(weir_local *l, local_statement *s, local_then then);
void local_tx_begin_implicit(weir_local *l);
/* Ends an implicit transaction if there is one: then(l, false) after a failed commit's error. */
void local_tx_end_implicit(weir_local *l, local_then then);
void local_tx_failed(weir_local *l);
void local_tx_drop(weir_local *l); /* rolls back and forgets, at once */
bool local_tx_in_block(const weir_local *l);

/* local_settings.c */
void local_command_run(weir_local *l, local_statement *s, local_then then);
/* The columns that a command of our own announces; 0 or 1 or 3. */
size_t local_command_columns(const local_statement *s, weir_pg_column out[3]);
const char *local_setting_value(const weir_local *l, weir_slice name);
void local_settings_free(local_settings *settings);
/* Changed settings that answers may depend on. */
void local_settings_identity(const weir_local *l, weir_buf *out);
WEIR_MUST_CHECK int local_settings_save(const weir_local *l, weir_buf *out);
void local_settings_end_transaction(weir_local *l, bool committed);

/* local_query.c */
void local_query(weir_local *l, weir_slice text);
void local_script_free(local_script *script);

/* local_extended.c */
WEIR_MUST_CHECK int local_extended_feed(weir_local *l, const weir_pg_frame *frame);
/* Does what is held back, given that `next` comes: WEIR_LOCAL_BUSY if that takes time. */
WEIR_MUST_CHECK int local_held_resolve(weir_local *l, uint8_t next, weir_slice body);
void local_portals_close(weir_local *l); /* at the end of a transaction */
void local_names_free(weir_local *l);
void local_statements_close(weir_local *l);
WEIR_MUST_CHECK int local_statements_save(const weir_local *l, weir_buf *out);
/* 1: there is none */
int local_statement_close(weir_local *l, weir_slice name);

#endif
