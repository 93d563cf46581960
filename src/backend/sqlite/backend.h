/* The SQLite backend's own structs: backend, connection, writer. Private to this folder. */
#ifndef WEIR_BACKEND_SQLITE_BACKEND_H
#define WEIR_BACKEND_SQLITE_BACKEND_H

#include "backend/sqlite/follow.h"
#include "backend/sqlite/run.h"
#include "base/hist.h"

typedef struct weir_sqlite_backend weir_sqlite_backend;

/* A connection: a reader, or the writer as lent to claims. All fields belong to its loop, but `db`
 * and what `running` borrows, which belong to whoever runs it. */
typedef struct weir_sqlite_conn {
    weir_conn base;
    weir_sqlite_backend *owner;
    weir_sqlite_db *db;
    weir_job job;
    weir_task task; /* one at a time: the connection does one thing at a time */
    void (*after)(struct weir_sqlite_conn *conn); /* what the task means */
    weir_exec *running;                           /* submitted, and not yet told */
    bool resuming;                                /* `running` is a suspended one's next part */
    bool claimed;                                 /* runs on the writer's thread */
    bool busy; /* opening, validating, moving, restoring or closing */
    bool closing;
    bool returned; /* `clean` said LATER: became_clean is owed */
    int open_code; /* of weir_sqlite_db_open */
    weir_error open_error;
} weir_sqlite_conn;

/* The writer's thread and its queue.
 *
 *            ┌─ next is a write ──► batch (one or several writes, one commit each or together) ─┐
 *   idle ────┤                                                                                  ├►
 * idle └─ next is a claim ──► held: `holder`'s statements, one by one ── unclaim ─────────┘
 */
typedef struct weir_sqlite_writer {
    pthread_mutex_t lock; /* over everything down to `ending` */
    pthread_cond_t wake;
    weir_list queue;           /* items in order of arrival */
    weir_sqlite_conn *holder;  /* of the claim that is served */
    bool admitting;            /* … which is not that far yet */
    weir_sqlite_conn *request; /* the holder wants its statement run */
    bool release;              /* the holder gives back */
    weir_exec *current;        /* the write that is stepped: for cancel */
    bool stopping;             /* nothing more is taken */
    bool ending;               /* the thread ends when nothing is left */
    weir_follower follower;    /* asked for by `follow`, and not yet taken up by the thread */
    weir_time look_every;
    bool follow_asked;
    weir_time _Atomic next_expiry; /* of what is queued; not later than the truth */
    weir_sqlite_db *db;            /* of the writer's thread */
    weir_sqlite_conn conn;         /* what claims are lent */
    weir_sqlite_follow follow;     /* of the writer's thread */
    weir_sqlite_wal wal;
    weir_hist waits;                             /* recorded by the writer's thread */
    _Atomic uint64_t waiting;                    /* items in `queue` */
    _Atomic uint64_t groups, grouped, regrouped; /* batch.c */
    pthread_t thread;
} weir_sqlite_writer;

struct weir_sqlite_backend {
    weir_backend base;
    weir_sqlite_options options;
    char *path;
    weir_executor *executor;
    bool read_only;
    _Atomic uint64_t next_id;
    weir_sqlite_writer writer;
};

static inline weir_sqlite_backend *weir_sqlite_backend_of(weir_backend *backend)
{
    return WEIR_CONTAINER_OF(backend, weir_sqlite_backend, base);
}

/* What a claim keeps in its backend_private. */
typedef struct weir_sqlite_claim {
    weir_sqlite_item item;
    weir_sqlite_conn *conn; /* an upgrade's; else the writer's own */
} __attribute__((may_alias)) weir_sqlite_claim;

static inline weir_sqlite_claim *weir_sqlite_claim_of(weir_claim *claim)
{
    static_assert(sizeof(weir_sqlite_claim) <= sizeof(claim->backend_private), "room in claim");
    return (weir_sqlite_claim *)claim->backend_private;
}

/* conn.c */
extern const weir_conn_ops weir_sqlite_conn_ops;
int weir_sqlite_conn_open(weir_backend *backend, weir_loop *loop, const weir_conn_request *request,
                          weir_conn **ret);
/* Runs what the connection was asked to, on this thread, and tells its loop. */
void weir_sqlite_conn_work(weir_sqlite_conn *conn);
/* `after` is called on the connection's loop, soon. */
void weir_sqlite_conn_post(weir_sqlite_conn *conn, void (*after)(weir_sqlite_conn *conn));
/* Closes it if that was asked meanwhile, or says that it can be lent again. On its loop. */
void weir_sqlite_conn_settle(weir_sqlite_conn *conn);
/* The writer's thread is through with an upgraded reader. On its loop. */
void weir_sqlite_conn_restored(weir_sqlite_conn *conn);

/* writer.c */
WEIR_MUST_CHECK int weir_sqlite_writer_start(weir_sqlite_writer *w);
void weir_sqlite_writer_stop(weir_sqlite_writer *w); /* refuses what is queued */
void weir_sqlite_writer_end(weir_sqlite_writer *w);  /* joins the thread */
void weir_sqlite_writer_write(weir_backend *backend, weir_loop *loop, weir_exec *exec,
                              weir_time wait_until);
void weir_sqlite_writer_claim(weir_sqlite_backend *b, weir_loop *loop, weir_claim *claim,
                              weir_sqlite_conn *conn);
bool weir_sqlite_writer_drop_claim(weir_backend *backend, weir_claim *claim);
void weir_sqlite_writer_unclaim(weir_backend *backend, weir_conn *conn);
void weir_sqlite_writer_cancel(weir_sqlite_writer *w, weir_exec *exec);
void weir_sqlite_writer_submit(weir_sqlite_writer *w, weir_sqlite_conn *conn);
/* For the batch: the queue's first item if it is a write, taken out; NULL. */
weir_exec *weir_sqlite_writer_take_write(weir_sqlite_writer *w);
/* The same, back to where it was. */
void weir_sqlite_writer_put_back(weir_sqlite_writer *w, weir_exec *exec);
bool weir_sqlite_writer_next_is_write(weir_sqlite_writer *w);
/* Which write is stepped now (NULL: none), so that a cancel finds it. */
void weir_sqlite_writer_set_current(weir_sqlite_writer *w, weir_exec *exec);
/* Tells the loop of a write that its outcome is set. */
void weir_sqlite_writer_tell(weir_exec *exec);

void weir_sqlite_writer_follow(weir_backend *backend, const weir_follower *follower,
                               weir_time look_every);
/* Reports what was committed on `db` and looks for others' commits: after a run on the writer's
 * thread, before its outcome is told. */
void weir_sqlite_writer_settle(weir_sqlite_writer *w, weir_sqlite_db *db);

/* batch.c */
void weir_sqlite_batch(weir_sqlite_writer *w, weir_exec *first);

#endif
