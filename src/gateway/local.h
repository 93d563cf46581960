/* A PostgreSQL server's face over a backend that executes (SQLite): one per client session.
 * Protocol state lives here (prepared statements, portals, skip-to-Sync, implicit and explicit
 * transactions, the failed state), statements run through the engine's backend. */
#ifndef WEIR_GATEWAY_LOCAL_H
#define WEIR_GATEWAY_LOCAL_H

#include "engine/engine.h"
#include "gateway/listen_note.h"
#include "proto/pg/pg.h"

/* With an OID of a parameter in Parse, from our own background reads: it says how the value is
 * written, and nothing of the statement, whose types are those of a client that named none. */
#define LOCAL_OID_UNNAMED UINT32_C(0x80000000)

typedef struct weir_local weir_local;

typedef struct weir_local_host {
    /* Bytes for the client, in order. */
    void (*write)(void *user, weir_slice bytes);
    /* The client reads too slowly: produce no more rows until weir_local_drained. */
    bool (*congested)(void *user);
    /* It does so now, holding what it reads. May be NULL. */
    void (*paused)(void *user);
    /* A message that was refused as BUSY may be fed again. Not called from inside weir_local_feed.
     */
    void (*ready)(void *user);
    /* Resources beyond repair (out of memory): close the client after sending this. */
    void (*fatal)(void *user, const weir_error *err);
    weir_time (*now)(void *user);
    /* It listens from now on: weir_local_hear with this ear, which it keeps until `unlisten`. All
     * three may be NULL: nothing can be listened to. */
    void (*listen)(void *user, weir_list *ear);
    void (*unlisten)(void *user, weir_list *ear);
    /* A notification that was committed. Borrowed. */
    void (*publish)(void *user, weir_note *note);
    /* Ends another session, by the number that it was told at login, or cancels its statement;
     * weir_local_ended comes when it was looked for everywhere. -ENOMEM. May be NULL. */
    int (*end_client)(void *user, uint32_t number, bool cancels);
    weir_memory *memory;    /* what portals keep is charged here; may be NULL */
    struct weir_loop *loop; /* of the session's worker: callbacks of the backend come there */
    void *user;
} weir_local_host;

typedef struct weir_local_limits {
    uint64_t rows_max;      /* of one result, 0: none */
    size_t result_size_max; /* 0: none */
    unsigned prepared_max;
    size_t notifications_max; /* bytes that wait for the client; beyond, the oldest are dropped */
    weir_time statement_timeout; /* 0: none; SET statement_timeout changes it for the session */
    weir_time
        writer_wait; /* for SQLite's writer, beside SET lock_timeout; 0: as long as it takes */
} weir_local_limits;

/* The session is open. Its owner forwards the session's events to _lent and _refused. `host` and
 * `limits` are copied. Small when idle. */
WEIR_MUST_CHECK int weir_local_new(weir_session *session, const weir_local_host *host,
                                   const weir_local_limits *limits, weir_local **ret);
/* What the client said at login (name, value pairs: "user", "database", settings) and its process
 * id as BackendKeyData said. Optional, once, before anything is fed. -ENOMEM. */
WEIR_MUST_CHECK int weir_local_login(weir_local *local, weir_slice startup_params, uint32_t pid);
void weir_local_lent(weir_local *local);
void weir_local_refused(weir_local *local, const weir_error *err);
/* Gives up what runs, rolls back, frees. */
void weir_local_free(weir_local *local);

#define WEIR_LOCAL_BUSY 1 /* not taken: feed the same message again after `ready` */

/* One whole frontend message (anything but startup, password, Terminate). 0: taken. -EPROTO: not a
 * message for this state: close the connection after an error. */
WEIR_MUST_CHECK int weir_local_feed(weir_local *local, const weir_pg_frame *frame);
void weir_local_drained(weir_local *local);
/* Cancels what runs (57014), if anything does. */
void weir_local_cancel(weir_local *local);
/* 'I', 'T', 'E': as the last ReadyForQuery would say. */
char weir_local_status(const weir_local *local);
/* A statement runs, or waits for its turn: messages are refused as BUSY. */
bool weir_local_is_busy(const weir_local *local);
/* ... and what it runs may write: its client's leaving does not stop it. */
bool weir_local_is_writing(const weir_local *local);
/* What it reads, or has read, holds a snapshot while nobody runs anything for it: weir_local_look
 * now and then, so that it is not held for ever. */
bool weir_local_holds_snapshot(const weir_local *local);
void weir_local_look(weir_local *local);
/* Something was notified in a database, or `count` times something that is not known. On its own
 * thread. */
void weir_local_hear(weir_list *ear, const weir_database *database, weir_note *note);
void weir_local_missed(weir_list *ear, uint64_t count);
void weir_local_ended(weir_local *local, bool somebody);
/* For another process, and there; -ENOMEM. */
void weir_local_each_channel(const weir_local *local, void (*visit)(void *user, weir_slice channel),
                             void *user);
WEIR_MUST_CHECK int weir_local_listen(weir_local *local, weir_slice channel);
/* SET idle_in_transaction_session_timeout; 0: none. */
weir_time weir_local_idle_in_transaction(const weir_local *local);
/* Nothing runs and no reply is owed, outside a transaction. */
bool weir_local_at_rest(const weir_local *local);
/* For a session at rest that another process takes over: what was SET and what is prepared, as
 * fields of a record (handover_codec.h). -ENOMEM, -EMSGSIZE. */
WEIR_MUST_CHECK int weir_local_save(const weir_local *local, weir_buf *out);
/* Over there, after login: a setting. Prepared statements come as Parse messages. -ENOMEM. */
WEIR_MUST_CHECK int weir_local_restore_setting(weir_local *local, weir_slice name,
                                               weir_slice value);
/* The parameters reported at login (name, value pairs): server_version, client_encoding, DateStyle,
 * … */
WEIR_MUST_CHECK int weir_local_parameters(weir_slice startup_params, weir_buf *out);

#endif
