/* Group commit: consecutive queued writes share one transaction, since a commit's sync costs far
 * more than its statements.
 *
 * Invariant: nobody hears of a write, good or bad, before the transaction that it ran in has
 * committed; if that transaction was lost, it runs again alone. So each acknowledged write was
 * applied exactly once, and a failure is one that the write would have had alone. A failing
 * statement undoes only itself (SQLite's statement journal); whether the group survived it is what
 * sqlite3_get_autocommit says. And before anybody hears of a commit, the follower has. */
#include "backend/sqlite/backend.h"
#include "backend/sqlite/errors.h"

#define MEMBERS_MAX 64u
#define GROUP_TIME_MAX (5 * WEIR_MS)

static const unsigned flags = WEIR_SQLITE_WHOLE | WEIR_SQLITE_SINGLE;

/* Our own statement, which may wait for other processes until `wait_until`. */
static int command(weir_sqlite_db *db, const char *sql, weir_time wait_until)
{
    db->guard.wait_until = wait_until;
    weir_sqlite_guard_begin(db, WEIR_TIME_NEVER, false, false);
    int rc = weir_sqlite_db_command(db, sql);
    (void)weir_sqlite_guard_end(db);
    return rc;
}

static void roll_back(weir_sqlite_db *db)
{
    if (weir_sqlite_db_in_transaction(db))
        (void)command(db, "ROLLBACK", WEIR_TIME_NEVER); /* it rolls back even if it fails */
}

static void fail(weir_sqlite_db *db, weir_exec *exec, int rc)
{
    exec->out.len = weir_sqlite_run_of(exec)->out_start;
    exec->outcome = (weir_outcome){0};
    weir_sqlite_error(db->handle, rc, &exec->outcome.error);
}

static void run(weir_sqlite_writer *w, weir_exec *exec)
{
    weir_sqlite_run *r = weir_sqlite_run_of(exec);
    w->db->guard.wait_until = r->wait_until;
    weir_sqlite_writer_set_current(w, exec);
    bool over = weir_sqlite_run_start(w->db, exec, flags);
    weir_sqlite_writer_set_current(w, NULL);
    assert(over); /* only a run in place is not */
    (void)over;
}

typedef struct traits {
    bool alone;   /* cannot share a transaction */
    bool returns; /* rows: what it does must be undone if they cannot be given */
} traits;

/* Prepares it (the cache keeps it for the run). What cannot be prepared will say so when it runs.
 */
static traits traits_of(weir_sqlite_writer *w, const weir_exec *exec)
{
    weir_sqlite_stmt *stmt = NULL;
    weir_error ignored;
    traits t = {false, false};
    if (exec->mode == WEIR_EXEC_DESCRIBE)
        return t;
    weir_sqlite_guard_begin(w->db, WEIR_TIME_NEVER, false, false);
    if (weir_sqlite_prepare(w->db, exec, &stmt, &ignored) == 0) {
        t.alone = stmt->alone;
        t.returns = stmt->writes && stmt->handle && sqlite3_column_count(stmt->handle) > 0;
        if (stmt->handle)
            weir_sqlite_stmt_cache_give(&w->db->cache, stmt);
        else
            weir_sqlite_stmt_cache_drop(&w->db->cache, stmt);
    }
    (void)weir_sqlite_guard_end(w->db);
    return t;
}

/* Nobody else can commit from here on: what others have done shows now, before anything is told. */
static int begin(weir_sqlite_writer *w, weir_time wait_until)
{
    int rc = command(w->db, "BEGIN IMMEDIATE", wait_until);
    if (rc == SQLITE_OK)
        weir_sqlite_follow_look(&w->follow, w->db);
    return rc;
}

/* Rows are encoded while the change is not yet committed: if they do not fit, it is undone. */
static void run_in_transaction(weir_sqlite_writer *w, weir_exec *exec)
{
    int rc = begin(w, weir_sqlite_run_of(exec)->wait_until);
    if (rc != SQLITE_OK) {
        fail(w->db, exec, rc);
        return;
    }
    run(w, exec);
    if (exec->outcome.ok && (rc = command(w->db, "COMMIT", WEIR_TIME_NEVER)) != SQLITE_OK)
        fail(w->db, exec, rc);
    roll_back(w->db);
}

static void run_alone(weir_sqlite_writer *w, weir_exec *exec)
{
    traits t = traits_of(w, exec);
    if (t.returns && !t.alone)
        run_in_transaction(w, exec);
    else
        run(w, exec);
    roll_back(w->db);
    weir_sqlite_writer_settle(w, w->db);
    exec->outcome.in_transaction = false;
    weir_sqlite_writer_tell(exec);
}

static size_t members_max(const weir_sqlite_writer *w)
{
    unsigned max = w->db->options->group_max;
    return max == 0 || max > MEMBERS_MAX ? MEMBERS_MAX : max;
}

/* The next write, if it may join a group that has `count` members since `start`. */
static weir_exec *next_member(weir_sqlite_writer *w, size_t count, weir_time start)
{
    if (count == members_max(w) || weir_sqlite_now() - start > GROUP_TIME_MAX)
        return NULL;
    weir_exec *exec = weir_sqlite_writer_take_write(w);
    if (exec && traits_of(w, exec).alone) {
        weir_sqlite_writer_put_back(w, exec);
        return NULL;
    }
    return exec;
}

/* A write that would fail alone must not be saved by what a neighbour inserts or deletes. */
static bool owes_keys(weir_sqlite_db *db)
{
    int owed = 0, highest = 0;
    int rc = sqlite3_db_status(db->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &owed, &highest, 0);
    return rc == SQLITE_OK && owed != 0;
}

/* False: the group's transaction is gone, or holds what must not be committed. */
static bool survives(weir_sqlite_writer *w, const weir_exec *exec)
{
    if (!exec->outcome.ok && exec->outcome.returned_rows)
        return false; /* its rows could not be given; its changes stand */
    return weir_sqlite_db_in_transaction(w->db) && !owes_keys(w->db);
}

static void note_group(weir_sqlite_writer *w, size_t count, bool whole)
{
    if (count < 2)
        return;
    atomic_fetch_add_explicit(&w->groups, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->grouped, count, memory_order_relaxed);
    if (!whole)
        atomic_fetch_add_explicit(&w->regrouped, count, memory_order_relaxed);
}

static void run_group(weir_sqlite_writer *w, weir_exec *first)
{
    weir_exec *members[MEMBERS_MAX];
    size_t count = 0;
    bool whole = true;
    weir_time start = weir_sqlite_now();
    int rc = begin(w, weir_sqlite_run_of(first)->wait_until);
    if (rc != SQLITE_OK) { /* the others wait on, each for its own time */
        fail(w->db, first, rc);
        weir_sqlite_writer_tell(first);
        return;
    }
    for (weir_exec *exec = first; exec && whole;
         exec = whole ? next_member(w, count, start) : NULL) {
        members[count++] = exec;
        run(w, exec);
        whole = survives(w, exec);
    }
    if (whole)
        whole = command(w->db, "COMMIT", WEIR_TIME_NEVER) == SQLITE_OK;
    roll_back(w->db);
    weir_sqlite_follow_settle(&w->follow, w->db);
    note_group(w, count, whole);
    for (size_t i = 0; i < count; i++) {
        if (whole) {
            members[i]->outcome.in_transaction = false;
            weir_sqlite_writer_tell(members[i]);
        } else {
            run_alone(w, members[i]);
        }
    }
}

void weir_sqlite_batch(weir_sqlite_writer *w, weir_exec *first)
{
    if (members_max(w) > 1 && weir_sqlite_writer_next_is_write(w) && !traits_of(w, first).alone)
        run_group(w, first);
    else
        run_alone(w, first);
}
