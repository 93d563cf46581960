/* The relaying half of a backend's interface (engine/backend.h): a client's messages as they are
 * given to a server connection, where its replies go, questions of our own put between them, and
 * the session parameters that a connection is lent with. All calls come on the connection's loop.
 */
#ifndef WEIR_ENGINE_RELAY_H
#define WEIR_ENGINE_RELAY_H

#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/slice.h"
#include "sql/sql.h"

typedef struct weir_relay_sink weir_relay_sink;

/* A statement as it is understood: a few words by value, good for as long as you like. */
typedef struct weir_statement {
    uint32_t template_id, template_serial;
    weir_kind kind;
    weir_transaction transaction;
    unsigned effects;
    unsigned words; /* of these, what its own words say: the rest is the catalog's */
    unsigned statements;
    bool transaction_anywhere;
} weir_statement;

typedef enum weir_relay_kind {
    WEIR_RELAY_QUERY,
    WEIR_RELAY_PARSE,
    WEIR_RELAY_BIND,
    WEIR_RELAY_DESCRIBE,
    WEIR_RELAY_CLOSE,
    WEIR_RELAY_EXECUTE,
    WEIR_RELAY_SYNC,
    WEIR_RELAY_FLUSH,
    WEIR_RELAY_FUNCTION,
    WEIR_RELAY_COPY_DATA,
    WEIR_RELAY_COPY_DONE,
    WEIR_RELAY_COPY_FAIL
} weir_relay_kind;

/* A prepared statement as its client gave it, made by the session and borrowed by the connection
 * during a call. The same content has one name on every server connection, whatever clients call
 * it. */
typedef struct weir_prepared {
    weir_slice text;
    weir_slice oids;     /* parameter types as given, 4 bytes each, big-endian */
    weir_slice settings; /* in force when it was parsed, of those that say what a text means
                          * (weir_parameters) */
    uint64_t content[2]; /* keyed hash of them; the server-side name is made of it */
    uint64_t schema;     /* weir_backend.changes when it was parsed */
    bool by_sql;         /* `text` is a PREPARE statement, which names it */
    uint64_t shape;      /* hash of the description that its client was shown; 0: of none */
    bool recalled;       /* ... from memory: no server was asked yet whether it holds */
    bool stale;          /* ... which does not hold any more */
    bool unsettled;      /* `settings` were not known */
    weir_statement statement;
    uint32_t refs; /* of its session */
} weir_prepared;

typedef struct weir_relay {
    weir_relay_kind kind;
    weir_slice whole;              /* the message's bytes; of CopyData perhaps the first part: the
                                    * rest follows by weir_conn_ops.relay_more */
    const weir_prepared *prepared; /* PARSE, BIND, DESCRIBE and CLOSE of a statement: what its name
                                      stands for; NULL: nothing, or for PARSE something else (the
                                      server will say so) */
    bool unnamed;                  /* PARSE, BIND, DESCRIBE: the client gave no name */
    bool stale;                    /* BIND, DESCRIBE: to be answered as a statement whose result is
                                      of other types now */
    bool hidden;                   /* BIND, EXECUTE: ours; the client is not to hear of it */
    bool temporary;                /* QUERY, EXECUTE: it makes a temporary table and changes nothing
                                      that others see, whatever its tag says */
    uint8_t target;                /* DESCRIBE, CLOSE: 'S' or 'P' */
} weir_relay;

/* What became of a Parse, or of a Close of a statement. */
typedef enum weir_parsing {
    WEIR_PARSING_DONE,
    WEIR_PARSING_FAILED,
    WEIR_PARSING_SKIPPED /* an error before it swallowed it */
} weir_parsing;

/* Where a relaying connection's replies go. Calls come on its loop, in the order of the wire. */
typedef struct weir_relay_events {
    /* Bytes for the client, borrowed. May cut messages anywhere. */
    void (*on_bytes)(weir_relay_sink *sink, weir_slice bytes);
    /* An Execute, a Query or a FunctionCall, in order of relaying, ended: `rows` as its tags say;
     * `sqlstate`
     * "" or its error's; NULL: an earlier error made the server skip it. */
    void (*on_statement)(weir_relay_sink *sink, uint64_t rows, const char *sqlstate);
    /* The oldest relayed PARSE, or CLOSE of a statement, that this was not told of is answered,
     * here or by the server; so is an interjected ParseComplete. May be NULL. */
    void (*on_parsed)(weir_relay_sink *sink, weir_parsing outcome);
    /* A statement of this content (its first half) was described to the client. May be NULL. */
    void (*on_described)(weir_relay_sink *sink, uint64_t content, uint64_t shape);
    /* What weir_conn_ops.examine asked: `shape` 0: it could not be found out. May be NULL. */
    void (*on_examined)(weir_relay_sink *sink, uint64_t shape);
    /* An error went through. May be NULL. */
    void (*on_error)(weir_relay_sink *sink);
    /* A ReadyForQuery is about to go through, behind which nothing is owed to the client. False:
     * it is kept back, and the sink gives one of its own when it likes. May be NULL: always. */
    bool (*may_be_ready)(weir_relay_sink *sink, char status);
    /* The outcome of a statement, or of a transaction, has arrived (CommandComplete, ErrorResponse,
     * ReadyForQuery: `type`) and is not handed on yet. Only while the sink's `outcomes` is set. */
    void (*on_outcome)(weir_relay_sink *sink, uint8_t type, weir_slice body);
    /* A notification came on this connection. May be NULL: dropped. Never passed on as bytes. */
    void (*on_notification)(weir_relay_sink *sink, uint32_t pid, weir_slice channel,
                            weir_slice payload);
    /* A ReadyForQuery went through. status 'I' 'T' 'E'; `owed` replies are still to come. Here the
     * sink may give the connection back. */
    void (*on_ready)(weir_relay_sink *sink, char status, size_t owed);
    /* The client reads too slowly: the connection stops reading until weir_conn_ops.sink_drained.
     */
    bool (*congested)(weir_relay_sink *sink);
    /* The connection has room again for what is relayed. */
    void (*on_room)(weir_relay_sink *sink);
    /* It has been lent for `held`, longer than it should be (pool.leak_after). May be NULL. */
    void (*on_held)(weir_relay_sink *sink, weir_time held);
    /* The connection failed and is the sink's no more. `ready_owed` ReadyForQuery were still to
     * come; `torn`: the last message given out was cut short, so nothing sensible can follow it. */
    void (*on_lost)(weir_relay_sink *sink, const weir_error *err, size_t ready_owed, bool torn);
} weir_relay_events;

struct weir_relay_sink {
    const weir_relay_events *events;
    bool outcomes; /* the sink's: it wants on_outcome */
};

/* Events of a sink that only asks questions of its own (weir_question). */
void weir_relay_ignore_bytes(weir_relay_sink *sink, weir_slice bytes);
void weir_relay_ignore_statement(weir_relay_sink *sink, uint64_t rows, const char *sqlstate);
void weir_relay_ignore_ready(weir_relay_sink *sink, char status, size_t owed);
bool weir_relay_never_congested(weir_relay_sink *sink);
void weir_relay_ignore_room(weir_relay_sink *sink);

/* A question of our own put to a lent connection behind whatever was relayed before it: the client
 * sees nothing of it. Owned by the asker, who must keep it until `done`, which is called exactly
 * once. The text may hold several statements if there are no parameters. */
typedef struct weir_question {
    weir_list node; /* the connection's */
    weir_slice text;
    const weir_slice *params; /* as text; data NULL: null */
    unsigned param_count;
    /* A row of an answer, values as text, borrowed; data NULL: null. May be NULL. */
    void (*row)(struct weir_question *question, const weir_slice *values, unsigned count);
    /* It ended. `err` NULL: well; else the server's words and SQLSTATE, or 08006 when the
     * connection was lost. */
    void (*done)(struct weir_question *question, const weir_error *err);
    weir_error failed; /* the connection's */
} weir_question;

/* Session parameters that a connection must have before it serves: "name\0value\0" pairs, names in
 * lower case, each once, sorted by their bytes, and a hash of them so that sameness costs one
 * comparison. `role` and `session_authorization` are among them where they are not the login's. */
typedef struct weir_parameters {
    weir_slice pairs;
    uint64_t fingerprint; /* 0: none; WEIR_PARAMETERS_UNKNOWN: any, what is there is not known */
    uint64_t session;     /* whose; 0: of nobody in particular */
    bool strays; /* adopted: it may have made others, which no list tells: for nobody else to see */
} weir_parameters;
#define WEIR_PARAMETERS_UNKNOWN UINT64_MAX
/* The sqlstate with which a connection is lost that refused them for good: so would any other, and
 * the session cannot go on. */
#define WEIR_SESSION_LOST "08004"
/* Settings that say how a text is read and what its constants mean: what a statement means is fixed
 * with them when it is parsed. NULL-terminated. (search_path and the role are not among them: the
 * server reads a prepared statement anew when they have changed.) */
extern const char *const weir_parse_settings[];
uint64_t weir_parameters_fingerprint(weir_slice pairs, weir_hash_seed seed);

#endif
