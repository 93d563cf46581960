/* What the engine asks of a database: the interface that backends implement and the engine owns.
 *
 * Two ways to use a lent connection (weir_conn):
 *   relay   – the backend speaks the client's own protocol (PostgreSQL): the client's messages go
 *             through and the server's bytes come back in order;
 *   execute – the backend runs one statement at a time (engine/exec.h, SQLite).
 * All calls are made on the connection's own loop; callbacks come there too. */
#ifndef WEIR_ENGINE_BACKEND_H
#define WEIR_ENGINE_BACKEND_H

#include "base/error.h"
#include "base/slice.h"
#include "engine/exec.h"
#include "engine/relay.h"
#include "pool/pool.h"
#include "sql/sql.h"

struct weir_loop;
typedef struct weir_backend weir_backend;
typedef struct weir_conn weir_conn;
struct weir_embedded;
typedef struct weir_claim weir_claim;

struct weir_conn {
    weir_pool_conn pooled;
    weir_list siblings; /* the engine's: connections of one lender */
    weir_backend *backend;
    struct weir_loop *loop;
    const struct weir_conn_ops *ops;
    weir_relay_sink *sink; /* of the borrower; NULL when nobody borrows it */
    void *owner;           /* the engine's: its pool's shard holder */
    const void *place;     /* the engine's: where it was opened to */
    uint64_t id;           /* unique in the process */
    const char *user;      /* whom it logged in as; after a move no longer its pool's */
    bool tainted;          /* a session's state is on it, which could not be taken back: not to be
                            * lent again */
    /* Whose history is read on it: the system identifier and timeline of a primary. 0: it is not
     * known, or a standby. */
    uint64_t system;
    uint32_t timeline;
};

typedef enum weir_conn_state {
    WEIR_CONN_DIRTY, /* no, and never again: close it */
    WEIR_CONN_CLEAN,
    WEIR_CONN_LATER /* not yet; `became_clean` of the events follows */
} weir_conn_state;

typedef struct weir_conn_ops {
    /* Ends it, in order if it can; `closed` of the backend's events follows, asynchronously. */
    void (*close)(weir_conn *conn);
    /* A look without I/O wait: is it alive and quiet? Made at each checkout. */
    bool (*quiet)(weir_conn *conn);
    /* A round trip (a trivial query); `validated` of the events follows. */
    void (*validate)(weir_conn *conn);
    /* Moves to another loop; `arrived` of the events follows there. */
    void (*move)(weir_conn *conn, struct weir_loop *target);
    /* May it be lent to somebody else now: owes nothing, outside a transaction, no cancel toward
     * it. */
    weir_conn_state (*clean)(weir_conn *conn);
    /* Asks the database to give up what runs; harmless if nothing does. */
    void (*cancel)(weir_conn *conn);

    /* relay: 0; -ENOMEM, … : the connection is unusable, on_lost follows. Never blocks. */
    int (*relay)(weir_conn *conn, const weir_relay *message);
    int (*relay_more)(weir_conn *conn, weir_slice bytes);
    /* Makes the server session's parameters those, the others as at its start. Called when lent. */
    int (*adopt)(weir_conn *conn, const weir_parameters *parameters);
    /* The server session's parameters are those now, by statements of the session's own: from what
     * a later adopt tells the difference. */
    int (*adopted)(weir_conn *conn, const weir_parameters *parameters);
    /* Makes `name` on the server mean `prepared`; NULL: nothing. For texts that say the name.
     * Without a name: what goes out next may make an end of all of them. */
    int (*name)(weir_conn *conn, weir_slice name, const weir_prepared *prepared);
    /* It means that now, by a statement of the session's own. NULL name: no name means anything. */
    int (*named)(weir_conn *conn, weir_slice name, const weir_prepared *prepared);
    /* Makes these names mean that, made in this order, and no other name anything, neither a
     * client's nor ours. For texts that ask which names there are. */
    int (*only)(weir_conn *conn, const weir_slice *names, const weir_prepared *const *prepared,
                size_t count);
    /* Whether the statement stands on the server as the client was shown it; else `examine` finds
     * out (on_examined follows), in front of the client's next extended message. */
    bool (*faithful)(weir_conn *conn, const weir_prepared *prepared);
    int (*examine)(weir_conn *conn, const weir_prepared *prepared);
    /* Puts a question of ours, also in the middle of what is relayed, but not between a client's
     * extended messages and their Sync. -ENOMEM, …: `done` is not called, the connection is
     * unusable. */
    int (*ask)(weir_conn *conn, weir_question *question);
    /* Forgets all session state (DISCARD ALL); `clean` says LATER until it is done. */
    int (*reset)(weir_conn *conn);
    /* Bytes of our own, given out after everything owed before them. `skippable`: an answer in the
     * server's stead, which an error before it in its batch swallows; else they come in any case.
     */
    int (*interject)(weir_conn *conn, weir_slice bytes, bool skippable);
    size_t (*owed)(const weir_conn *conn);
    bool (*congested)(weir_conn *conn);
    void (*sink_drained)(weir_conn *conn); /* the client reads again */
    /* What the server reported at login, as ParameterStatus messages. Borrowed. */
    weir_slice (*welcome)(const weir_conn *conn);
    /* For SHOW SERVERS: address and process id of the server's side. */
    void (*describe)(const weir_conn *conn, const char **ret_address, uint32_t *ret_pid);
    /* ... and its TLS: "TLSv1.3/TLS_AES_256_GCM_SHA384", "" without. May be NULL. */
    void (*secured)(const weir_conn *conn, char *out, size_t size);
    /* ... and bytes that the server has not taken yet. May be NULL. */
    size_t (*unsent)(const weir_conn *conn);

    /* execute */
    void (*execute)(weir_conn *conn, weir_exec *exec);
    void (*resume)(weir_conn *conn, weir_exec *exec, uint64_t rows_max);
    void (*finish)(weir_conn *conn,
                   weir_exec *exec); /* give up a suspended run; synchronous, no callback */
    /* It runs nothing, and what it has read must be given up: others cannot wait for it longer. */
    bool (*overdue)(weir_conn *conn);
} weir_conn_ops;

/* What a backend tells its engine. On the connection's loop. */
typedef struct weir_backend_events {
    void (*opened)(void *engine, weir_conn *conn);
    /* `fatal`: trying again soon is pointless (password refused, no such database). The conn is
     * gone. */
    void (*open_failed)(void *engine, weir_conn *conn, bool fatal, const weir_error *err);
    void (*closed)(void *engine, weir_conn *conn); /* freed after this returns */
    void (*validated)(void *engine, weir_conn *conn, bool good);
    void (*arrived)(void *engine, weir_conn *conn);
    void (*became_clean)(void *engine,
                         weir_conn *conn); /* a cancel or a drain that held it back ended */
} weir_backend_events;

typedef enum weir_role { WEIR_ROLE_READ, WEIR_ROLE_WRITE, WEIR_ROLES } weir_role;

#define WEIR_LOGIN_PASSWORD_MAX 1023u

/* What proves to a server that we are a user. Overwrite it after use. */
typedef struct weir_login {
    char password[WEIR_LOGIN_PASSWORD_MAX + 1]; /* in clear, or "md5" and its digest; "": none */
    bool has_keys; /* of SCRAM-SHA-256, as good as the password where the server asks for that */
    uint8_t client_key[32], server_key[32];
} weir_login;

/* Who the connection is for: pools are by (backend, database, user, role). Borrowed while opening.
 */
typedef struct weir_conn_request {
    weir_role role;
    const char *database;
    const char *user;
    const char *password;    /* may be NULL */
    const weir_login *login; /* in place of the password; may be NULL */
    void *owner;             /* copied to conn->owner */
    void *place;             /* the backend's own, where to; NULL: where it was made for */
} weir_conn_request;

/* An invalidation by hand. */
typedef enum weir_flush_kind {
    WEIR_FLUSH_ALL,
    WEIR_FLUSH_TABLE,
    WEIR_FLUSH_TAG,
    WEIR_FLUSH_PREFIX
} weir_flush_kind;

#define WEIR_FLUSH_NAME_MAX 128u /* longer ones: everything, where others are told */

typedef struct weir_flush {
    weir_flush_kind kind;
    weir_slice name; /* borrowed */
} weir_flush;

/* The engine's ear for a backend that makes its own history (SQLite). On the thread that commits,
 * but for nothing else of the backend's. */
typedef struct weir_follower {
    /* Which key columns are asked for (cache/changes.h, tracked columns). Asked between
     * transactions. */
    uint64_t (*track_serial)(void *user);
    void (*each_tracked)(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user);
    /* Every commit from here on reports the columns visited up to `serial`. */
    void (*confirm)(void *user, uint64_t serial);
    /* A transaction has committed and nobody was told yet: the ids (catalog/key.h) of what it
     * changed: relations, values, and columns whose value is not known. `everything`: the schema
     * changed, or more than can be listed. */
    void (*committed)(void *user, const uint64_t *ids, size_t count, bool everything);
    /* The database was looked at, at `at`: others have committed since the last look, or not. */
    void (*looked)(void *user, weir_time at, bool others);

    /* A backend that follows its server's own history (PostgreSQL): positions are the server's, the
     * END LSNs of commits. In this order: `changed` and `forgot` of a commit, then `visible` of it
     * or of a later one. */
    /* A commit that ends at `position` changed these ids. */
    void (*changed)(void *user, uint64_t position, const uint64_t *ids, size_t count);
    /* What was read before `position` may have changed unseen: a gap, a change of the schema. */
    void (*forgot)(void *user, uint64_t position);
    /* Every commit that ends at or before it is visible to snapshots taken from now on. */
    void (*visible)(void *user, uint64_t position);
    /* How many outcomes this process knows of: asked before a heartbeat is sent. */
    uint64_t (*outcomes)(void *user);
    /* Everything that had committed when the heartbeat was sent, at `sent`, is visible, and what it
     * changed is known. It ends at `position`, and so do all commits before whose outcome was one
     * of the first `outcomes`. */
    void (*heard)(void *user, weir_time sent, uint64_t position, uint64_t outcomes);
    /* A commit that ends at `position` (0: not known) changed the schema; `forgot` came before. */
    void (*altered)(void *user, uint64_t position);
    /* By hand, by whoever follows the same history: a commit that ends at `position`. */
    void (*flushed)(void *user, uint64_t position, const weir_flush *flush);
    /* Every commit that ends after `position` reports the columns visited up to `serial`. */
    void (*confirmed)(void *user, uint64_t serial, uint64_t position);
    /* From here on changes of this column are reported too, from the floor on if nothing of its
     * relation was reported yet. Names as weir_changes_track has them. */
    void (*track)(void *user, uint64_t relation, uint64_t column, weir_slice relation_name,
                  weir_slice column_name);
    /* The server's system identifier, and its timeline with what else makes positions of another
     * run of the server another history; from the next `visible` on. */
    void (*lineage)(void *user, uint64_t system, uint64_t timeline);
    /* It is followed from now on (NULL), or not, and why, in words. */
    void (*following)(void *user, const char *why_not);
    void *user;
} weir_follower;

/* What a name of a server was answered with last. */
typedef struct weir_resolved {
    const char *name;    /* "host:port"; lives as long as the backend */
    char addresses[512]; /* "10.0.0.1:5432,[::1]:5432"; "": it was not asked for yet */
    weir_time until;     /* it is used for new connections */
} weir_resolved;

typedef struct weir_backend_ops {
    const char *name; /* "postgres", "sqlite" */
    weir_dialect dialect;
    bool relays; /* else it executes */
    /* Opens a connection on `loop`. -ENOMEM, …: no event follows. */
    int (*open)(weir_backend *backend, struct weir_loop *loop, const weir_conn_request *request,
                weir_conn **ret);
    /* execute-backends: runs a statement that may write in a transaction of its own. Queued first
     * come first served behind whoever holds the writer; several may share one commit. Not after
     * `deadline` of waiting (55P03). Callbacks on `loop`. */
    void (*write)(weir_backend *backend, struct weir_loop *loop, weir_exec *exec,
                  weir_time wait_until);
    /* Gives up a `write` that waits or runs (57014), harmless once its outcome is decided. On the
     * loop that submitted it; on_done comes as ever. */
    void (*cancel_write)(weir_backend *backend, weir_exec *exec);
    /* Takes the writer for a transaction: `granted` on `loop` with a connection inside BEGIN
     * IMMEDIATE, or NULL and why. `drop_claim` withdraws (true: withdrawn, no callback comes;
     * false: too late, it comes). */
    void (*claim)(weir_backend *backend, struct weir_loop *loop, weir_claim *claim);
    bool (*drop_claim)(weir_backend *backend, weir_claim *claim);
    /* The same for a lent connection that is inside a transaction of its own and runs nothing:
     * `granted` gives that one, which may write from now on. A write that comes after others'
     * commits of which its snapshot knows nothing fails with 40001. */
    void (*upgrade)(weir_backend *backend, weir_conn *conn, weir_claim *claim);
    /* Gives the writer back; rolls back what is open. An upgraded connection only reads again, when
     * its `clean` says so. */
    void (*unclaim)(weir_backend *backend, weir_conn *conn);
    /* Reports its history to `follower` from now on, and looks for other writers' commits at least
     * every `look_every` (PostgreSQL: sends a heartbeat so often). Begins by reporting
     * `everything`: commits until then went unreported. Again: with another interval. NULL in
     * backends that cannot. */
    void (*follow)(weir_backend *backend, const weir_follower *follower, weir_time look_every);
    /* Somebody uses what is followed: heartbeats are sent as long as this is called between them
     * (PostgreSQL; an idle gateway writes nothing). `at_once`: and waits for a position from after
     * this call. Cheap, from any thread, after `follow`. NULL in backends that need it not. */
    void (*want)(weir_backend *backend, bool at_once);
    /* Tells everybody who follows the same history (`flushed`), also this process, sooner or later.
     * From any thread, after `follow`; never fails. NULL in backends whose history is followed by
     * one process. */
    void (*flush)(weir_backend *backend, const weir_flush *flush);
    /* What it says of itself (engine/embedded.h); from any thread. NULL in servers'. */
    void (*figures)(const weir_backend *backend, struct weir_embedded *ret);
    /* For SHOW DNS_HOSTS: the index-th of the servers' names that are not addresses; false: there
     * are no more. May be NULL. */
    bool (*resolved)(weir_backend *backend, unsigned index, weir_resolved *ret);
    void (*stop)(weir_backend *backend); /* no new work; queued work is refused with 57P01 */
    void (*destroy)(weir_backend *backend);
} weir_backend_ops;

struct weir_claim {
    struct weir_claim *next;
    weir_time wait_until;
    bool nowait; /* other claims, and other processes, are not waited for; single writes are */
    void (*granted)(struct weir_claim *claim, weir_conn *conn, const weir_error *err);
    void *user;
    void *backend_private[9];
};

struct weir_backend {
    const weir_backend_ops *ops;
    const weir_backend_events *events;
    void *engine;
    /* Grows when a statement that passed through may have changed the schema: by 2^32 where
     * functions, triggers, views or their like may have been, by 1 for tables. When it was done,
     * and again when it was committed. */
    _Atomic uint64_t changes;
    struct weir_backend_watcher *_Atomic watcher; /* told when `changes` grew; NULL: nobody */
};

/* Of whoever reads the schema; outlives the connections. `changed` comes on any loop. */
typedef struct weir_backend_watcher {
    void (*changed)(struct weir_backend_watcher *watcher);
} weir_backend_watcher;

#endif
