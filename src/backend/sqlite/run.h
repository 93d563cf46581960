/* One statement on one connection: prepare, bind, step, encode. */
#ifndef WEIR_BACKEND_SQLITE_RUN_H
#define WEIR_BACKEND_SQLITE_RUN_H

#include "backend/sqlite/db.h"

/* Result cells kept until a write is acknowledged. */
#define WEIR_SQLITE_WRITE_SIZE_MAX ((size_t)64 * 1024 * 1024)

struct weir_sqlite_conn;

/* What waits in the writer's queue, or for its loop. The head of what is kept inside a weir_exec or
 * weir_claim (their backend_private), so that nothing can fail for want of memory. */
typedef struct weir_sqlite_item {
    weir_list node;
    weir_task task;
    weir_loop *loop;
    void *backend;
    weir_time asked;
    enum { WEIR_SQLITE_WRITE, WEIR_SQLITE_CLAIM } kind;
    int code; /* SQLite's code of a claim that failed; 0: granted */
} __attribute__((may_alias)) weir_sqlite_item;

typedef struct weir_sqlite_run {
    weir_sqlite_item item;
    weir_time wait_until;
    weir_sqlite_stmt *stmt; /* lent from the cache while it runs or is suspended */
    size_t out_start;       /* where this part's bytes begin in exec->out */
    size_t size;            /* bytes encoded in earlier parts */
    uint64_t rows_max;      /* of this part; 0: all */
    bool described;         /* columns() was called */
    bool cancelled;         /* a write */
} __attribute__((may_alias)) weir_sqlite_run;

static inline weir_sqlite_run *weir_sqlite_run_of(weir_exec *exec)
{
    static_assert(sizeof(weir_sqlite_run) <= sizeof(exec->backend_private), "room in weir_exec");
    return (weir_sqlite_run *)exec->backend_private;
}

static inline weir_exec *weir_sqlite_exec_of(weir_sqlite_item *item)
{
    return WEIR_CONTAINER_OF(item, weir_exec, backend_private);
}

enum {
    WEIR_SQLITE_READER = 1,   /* what may write is not run: needs_writer */
    WEIR_SQLITE_IN_PLACE = 2, /* on a loop's thread, within the budget */
    WEIR_SQLITE_WHOLE = 4,    /* all rows at once, 64 MiB at most */
    WEIR_SQLITE_SINGLE = 8    /* transaction commands are refused */
};

/* Before the first part. */
void weir_sqlite_run_init(weir_exec *exec);
/* Runs the first part. True: the outcome is set (perhaps suspended). False (only in place): it
 * would take too long here; nothing was left behind, it starts again elsewhere. */
WEIR_MUST_CHECK bool weir_sqlite_run_start(weir_sqlite_db *db, weir_exec *exec, unsigned flags);
/* Before the next part of a suspended one: what the caller consumed of exec->out is gone. */
void weir_sqlite_run_next(weir_exec *exec, uint64_t rows_max);
/* The next part of a suspended one. */
void weir_sqlite_run_resume(weir_sqlite_db *db, weir_exec *exec, unsigned flags);
/* Lends the text's statement: looked up, or prepared; rejects what is not exactly one statement. */
WEIR_MUST_CHECK int weir_sqlite_prepare(weir_sqlite_db *db, const weir_exec *exec,
                                        weir_sqlite_stmt **ret, weir_error *err);
/* typing.c: the statement in SQLite's words, by the types of the schema: 0, WEIR_FACE_PASS (the
 * text stands), negative with words. */
WEIR_MUST_CHECK int weir_sqlite_type_statement(weir_sqlite_db *db, weir_slice source,
                                               weir_slice params, weir_slice zone,
                                               weir_face_typing *ret, weir_error *err);

/* Tells what the statement touches, as just collected, with what the schema says of it; sets its
 * fingerprint. */
void weir_sqlite_report_accesses(weir_sqlite_db *db, weir_sqlite_stmt *stmt);

/* N of a parameter written $N, 1 to 65535; 0: another name, or none. */
unsigned weir_sqlite_param_number(const char *name);

/* schema_work.c: runs statements of our own, one after the other. SQLite's code. */
WEIR_MUST_CHECK int weir_sqlite_schema_work(weir_sqlite_db *db, weir_slice text);

/* violation.c: names the constraint of an error of class 23, which is set. */
void weir_sqlite_name_violation(weir_sqlite_db *db, weir_exec *exec);

#endif
