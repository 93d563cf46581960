/* The writer's thread and its queue: first come, first served, writes and claims alike. Other
 * threads touch the queue under the lock and never the database. Checkpoints are made here, too
 * (wal.c). */
#include "backend/sqlite/backend.h"
#include "backend/sqlite/errors.h"
#include <signal.h>
#include <time.h>

/* Codes of items that failed without SQLite: not its own, which are not negative. */
enum { CODE_EXPIRED = -1, CODE_STOPPED = -2, CODE_CANCELLED = -3, CODE_LOCKED = -4 };

static weir_claim *claim_of(weir_sqlite_item *item)
{
    return WEIR_CONTAINER_OF(item, weir_claim, backend_private);
}

static weir_sqlite_item *first_item(weir_sqlite_writer *w)
{
    weir_list *node = weir_list_first(&w->queue);
    return node ? WEIR_CONTAINER_OF(node, weir_sqlite_item, node) : NULL;
}

static void error_of_code(int code, weir_error *err)
{
    switch (code) {
    case CODE_EXPIRED:
        weir_error_set(err, "55P03", "weir: the database's writer did not become free in time");
        break;
    case CODE_LOCKED:
        weir_error_set(err, "55P03", "weir: could not obtain the lock: another transaction has it");
        break;
    case CODE_STOPPED:
        weir_error_set(err, "57P01", "weir: shutting down");
        break;
    case CODE_CANCELLED:
        weir_error_set(err, "57014", "weir: canceling statement due to user request");
        break;
    default:
        weir_sqlite_error(NULL, code, err);
    }
}

/* ---- telling loops ---- */

static void on_write_done(weir_task *task, weir_loop *loop)
{
    (void)loop;
    weir_sqlite_item *item = WEIR_CONTAINER_OF(task, weir_sqlite_item, task);
    weir_exec *exec = weir_sqlite_exec_of(item);
    exec->on_done(exec);
}

static void on_claim_done(weir_task *task, weir_loop *loop)
{
    weir_sqlite_item *item = WEIR_CONTAINER_OF(task, weir_sqlite_item, task);
    weir_claim *claim = claim_of(item);
    weir_sqlite_backend *b = item->backend;
    weir_sqlite_conn *conn = weir_sqlite_claim_of(claim)->conn;
    bool upgrades = conn != &b->writer.conn;
    if (upgrades)
        conn->busy = false;
    if (item->code) {
        weir_error err;
        error_of_code(item->code, &err);
        claim->granted(claim, NULL, &err);
        if (upgrades)
            weir_sqlite_conn_settle(conn); /* it may have been given back meanwhile */
        return;
    }
    conn->claimed = true;
    if (!upgrades)
        conn->base.loop = loop;
    claim->granted(claim, &conn->base, NULL);
}

static void post(weir_sqlite_item *item)
{
    weir_loop_post(item->loop, &item->task);
}

void weir_sqlite_writer_tell(weir_exec *exec)
{
    weir_sqlite_backend *b = weir_sqlite_run_of(exec)->item.backend;
    assert(weir_sqlite_follow_is_settled(&b->writer.follow, b->writer.db));
    (void)b;
    post(&weir_sqlite_run_of(exec)->item);
}

/* An item that is in no queue any more will not be served. */
static void refuse(weir_sqlite_item *item, int code)
{
    if (item->kind == WEIR_SQLITE_CLAIM) {
        item->code = code;
    } else {
        weir_exec *exec = weir_sqlite_exec_of(item);
        exec->outcome = (weir_outcome){0};
        error_of_code(code, &exec->outcome.error);
    }
    post(item);
}

/* ---- the queue ---- */

static weir_time wait_until_of(weir_sqlite_item *item)
{
    return item->kind == WEIR_SQLITE_CLAIM
               ? claim_of(item)->wait_until
               : weir_sqlite_run_of(weir_sqlite_exec_of(item))->wait_until;
}

/* Under the lock: into the queue, and out of it, whatever for. */
static void note_queued(weir_sqlite_writer *w)
{
    atomic_fetch_add_explicit(&w->waiting, 1, memory_order_relaxed);
}

static void unqueue(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    weir_list_remove(&item->node);
    atomic_fetch_sub_explicit(&w->waiting, 1, memory_order_relaxed);
}

/* Its turn has come. */
static void take_out(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    unqueue(w, item);
    weir_hist_record(&w->waits, weir_sqlite_now() - item->asked);
}

/* Under the lock. */
static void expire(weir_sqlite_writer *w)
{
    weir_time now = weir_sqlite_now();
    if (now < atomic_load_explicit(&w->next_expiry, memory_order_relaxed))
        return;
    weir_time earliest = WEIR_TIME_NEVER;
    weir_list *next;
    for (weir_list *n = w->queue.next; n != &w->queue; n = next) {
        next = n->next;
        weir_sqlite_item *item = WEIR_CONTAINER_OF(n, weir_sqlite_item, node);
        weir_time at = wait_until_of(item);
        if (at <= now) {
            unqueue(w, item);
            refuse(item, CODE_EXPIRED);
        } else if (at < earliest) {
            earliest = at;
        }
    }
    atomic_store_explicit(&w->next_expiry, earliest, memory_order_relaxed);
}

/* While a statement runs: those behind it must not wait longer than they wanted. */
static void on_tick(void *user)
{
    weir_sqlite_writer *w = user;
    weir_sqlite_follow_tick(&w->follow, w->holder ? w->holder->db : w->db);
    weir_time at = atomic_load_explicit(&w->next_expiry, memory_order_relaxed);
    if (at == WEIR_TIME_NEVER || weir_sqlite_now() < at)
        return;
    pthread_mutex_lock(&w->lock);
    expire(w);
    pthread_mutex_unlock(&w->lock);
}

static void note_expiry(weir_sqlite_writer *w, weir_time at)
{
    if (at < atomic_load_explicit(&w->next_expiry, memory_order_relaxed))
        atomic_store_explicit(&w->next_expiry, at, memory_order_relaxed);
}

/* Under the lock. Nobody knows how long a transaction takes, while single writes end by themselves.
 */
static bool meets_a_transaction(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    if (item->kind != WEIR_SQLITE_CLAIM || !claim_of(item)->nowait)
        return false;
    bool found = w->admitting || (w->holder && !w->release);
    for (weir_list *n = w->queue.next; n != &w->queue && !found; n = n->next)
        found = WEIR_CONTAINER_OF(n, weir_sqlite_item, node)->kind == WEIR_SQLITE_CLAIM;
    return found;
}

static void enqueue(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    weir_list_init(&item->node);
    item->asked = weir_sqlite_now();
    pthread_mutex_lock(&w->lock);
    if (w->stopping) {
        refuse(item, CODE_STOPPED);
    } else if (meets_a_transaction(w, item)) {
        refuse(item, CODE_LOCKED);
    } else {
        weir_list_push_back(&w->queue, &item->node);
        note_queued(w);
        note_expiry(w, wait_until_of(item));
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
}

void weir_sqlite_writer_write(weir_backend *backend, weir_loop *loop, weir_exec *exec,
                              weir_time wait_until)
{
    weir_sqlite_backend *b = weir_sqlite_backend_of(backend);
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    weir_sqlite_run_init(exec);
    run->wait_until = wait_until;
    run->item = (weir_sqlite_item){.kind = WEIR_SQLITE_WRITE, .loop = loop, .backend = b};
    run->item.task.run = on_write_done;
    enqueue(&b->writer, &run->item);
}

void weir_sqlite_writer_claim(weir_sqlite_backend *b, weir_loop *loop, weir_claim *claim,
                              weir_sqlite_conn *conn)
{
    weir_sqlite_claim *c = weir_sqlite_claim_of(claim);
    c->conn = conn;
    c->item = (weir_sqlite_item){.kind = WEIR_SQLITE_CLAIM, .loop = loop, .backend = b};
    c->item.task.run = on_claim_done;
    enqueue(&b->writer, &c->item);
}

/* Under the lock. An item in no queue is being served, or was told. */
static bool withdraw(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    bool queued = !weir_list_empty(&item->node);
    if (queued)
        unqueue(w, item);
    return queued;
}

bool weir_sqlite_writer_drop_claim(weir_backend *backend, weir_claim *claim)
{
    weir_sqlite_writer *w = &weir_sqlite_backend_of(backend)->writer;
    weir_sqlite_conn *conn = weir_sqlite_claim_of(claim)->conn;
    pthread_mutex_lock(&w->lock);
    bool dropped = withdraw(w, &weir_sqlite_claim_of(claim)->item);
    pthread_mutex_unlock(&w->lock);
    if (dropped && conn != &w->conn)
        conn->busy = false; /* it was not upgraded, and has not been given back yet */
    return dropped;
}

void weir_sqlite_writer_cancel(weir_sqlite_writer *w, weir_exec *exec)
{
    weir_sqlite_run *run = weir_sqlite_run_of(exec);
    pthread_mutex_lock(&w->lock);
    run->cancelled = true;
    if (withdraw(w, &run->item))
        refuse(&run->item, CODE_CANCELLED);
    else if (w->current == exec)
        weir_sqlite_guard_cancel(w->db);
    pthread_mutex_unlock(&w->lock);
}

void weir_sqlite_writer_set_current(weir_sqlite_writer *w, weir_exec *exec)
{
    pthread_mutex_lock(&w->lock);
    w->current = exec;
    bool cancelled = exec && weir_sqlite_run_of(exec)->cancelled;
    atomic_store_explicit(&w->db->guard.cancelled, cancelled, memory_order_relaxed);
    pthread_mutex_unlock(&w->lock);
}

/* ---- what the batch asks ---- */

bool weir_sqlite_writer_next_is_write(weir_sqlite_writer *w)
{
    pthread_mutex_lock(&w->lock);
    const weir_sqlite_item *item = first_item(w);
    bool yes = item && item->kind == WEIR_SQLITE_WRITE;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

weir_exec *weir_sqlite_writer_take_write(weir_sqlite_writer *w)
{
    weir_exec *exec = NULL;
    pthread_mutex_lock(&w->lock);
    weir_sqlite_item *item = first_item(w);
    if (item && item->kind == WEIR_SQLITE_WRITE) {
        take_out(w, item);
        exec = weir_sqlite_exec_of(item);
    }
    pthread_mutex_unlock(&w->lock);
    return exec;
}

void weir_sqlite_writer_put_back(weir_sqlite_writer *w, weir_exec *exec)
{
    weir_sqlite_item *item = &weir_sqlite_run_of(exec)->item;
    pthread_mutex_lock(&w->lock);
    weir_list_push_front(&w->queue, &item->node);
    note_queued(w);
    note_expiry(w, wait_until_of(item));
    pthread_mutex_unlock(&w->lock);
}

/* ---- claims ---- */

static int own_command(weir_sqlite_db *db, const char *sql, weir_time wait_until)
{
    db->guard.wait_until = wait_until;
    atomic_store_explicit(&db->guard.cancelled, false, memory_order_relaxed);
    weir_sqlite_guard_begin(db, WEIR_TIME_NEVER, false, false);
    int rc = weir_sqlite_db_command(db, sql);
    (void)weir_sqlite_guard_end(db);
    return rc;
}

void weir_sqlite_writer_settle(weir_sqlite_writer *w, weir_sqlite_db *db)
{
    weir_sqlite_follow_settle(&w->follow, db);
    if (!w->follow.held)
        weir_sqlite_follow_look(&w->follow, db);
    assert(weir_sqlite_follow_is_settled(&w->follow, db));
}

/* Without the lock, on the writer's thread: makes `conn` able to write. SQLite's code. */
static int admit(weir_sqlite_writer *w, weir_claim *claim, weir_sqlite_conn *conn)
{
    if (conn == &w->conn) {
        weir_time until = claim->nowait ? 0 : claim->wait_until;
        int rc = own_command(w->db, "BEGIN IMMEDIATE", until);
        if (rc == SQLITE_OK)
            weir_sqlite_follow_look(&w->follow, w->db);
        return rc;
    }
    weir_sqlite_follow_admit(&w->follow, conn->db);
    conn->db->wal_pages = w->db->wal_pages;
    conn->db->guard.on_tick = on_tick;
    conn->db->guard.tick_user = w;
    return own_command(conn->db, "PRAGMA query_only=0", claim->wait_until);
}

static void leave(weir_sqlite_writer *w, weir_sqlite_conn *conn)
{
    weir_sqlite_db *db = conn->db;
    weir_sqlite_stmt_cache_give_all(&db->cache);
    if (weir_sqlite_db_in_transaction(db))
        (void)own_command(db, "ROLLBACK", WEIR_TIME_NEVER);
    weir_sqlite_writer_settle(w, db);
    if (conn == &w->conn)
        return;
    weir_sqlite_follow_let_go(&w->follow, db);
    (void)own_command(db, "PRAGMA query_only=1", WEIR_TIME_NEVER);
    db->guard.on_tick = NULL;
    weir_sqlite_conn_post(conn, weir_sqlite_conn_restored);
}

void weir_sqlite_writer_unclaim(weir_backend *backend, weir_conn *base)
{
    weir_sqlite_writer *w = &weir_sqlite_backend_of(backend)->writer;
    weir_sqlite_conn *conn = WEIR_CONTAINER_OF(base, weir_sqlite_conn, base);
    assert(conn->claimed && !conn->running);
    conn->claimed = false;
    conn->busy = conn != &w->conn; /* until restored */
    pthread_mutex_lock(&w->lock);
    assert(w->holder == conn);
    w->release = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void weir_sqlite_writer_submit(weir_sqlite_writer *w, weir_sqlite_conn *conn)
{
    pthread_mutex_lock(&w->lock);
    assert(w->holder == conn && !w->request);
    w->request = conn;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* ---- the thread ---- */

/* Under the lock, which is given up while the database is touched. */
static void serve_holder(weir_sqlite_writer *w)
{
    weir_sqlite_conn *conn = w->holder;
    weir_sqlite_conn *request = w->request;
    bool release = w->release;
    w->request = NULL;
    pthread_mutex_unlock(&w->lock);
    if (request) {
        weir_sqlite_conn_work(request);
    } else if (release) {
        weir_sqlite_db *db = conn->db;
        int pages = db->wal_pages;
        leave(w, conn); /* an upgraded reader is its loop's from here on */
        w->db->wal_pages = pages;
        weir_sqlite_wal_tend(&w->wal, w->db);
    }
    pthread_mutex_lock(&w->lock);
    if (release && !request) {
        w->holder = NULL;
        w->release = false;
    }
}

/* Under the lock, as above. */
static void serve_claim(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    weir_claim *claim = claim_of(item);
    weir_sqlite_conn *conn = weir_sqlite_claim_of(claim)->conn;
    w->admitting = true;
    pthread_mutex_unlock(&w->lock);
    weir_sqlite_follow_settle(&w->follow, w->db);
    int rc = admit(w, claim, conn);
    pthread_mutex_lock(&w->lock);
    w->admitting = false;
    item->code = rc;
    if (rc == SQLITE_OK)
        w->holder = conn;
    post(item);
}

static void serve_next(weir_sqlite_writer *w, weir_sqlite_item *item)
{
    take_out(w, item);
    if (item->kind == WEIR_SQLITE_CLAIM) {
        serve_claim(w, item);
        return;
    }
    pthread_mutex_unlock(&w->lock);
    weir_sqlite_follow_settle(&w->follow, w->db);
    weir_sqlite_batch(w, weir_sqlite_exec_of(item));
    weir_sqlite_wal_tend(&w->wal, w->db);
    pthread_mutex_lock(&w->lock);
}

/* Under the lock, which is given up meanwhile. Nothing runs now on any connection that writes. */
static void look(weir_sqlite_writer *w)
{
    pthread_mutex_unlock(&w->lock);
    if (!w->holder)
        weir_sqlite_follow_settle(&w->follow, w->db);
    weir_sqlite_follow_look(&w->follow, w->db);
    pthread_mutex_lock(&w->lock);
}

static void wait_for_work(weir_sqlite_writer *w)
{
    weir_time expiry = atomic_load_explicit(&w->next_expiry, memory_order_relaxed);
    weir_time due = weir_sqlite_follow_due(&w->follow);
    weir_time at = expiry < due ? expiry : due;
    if (!w->holder && weir_sqlite_wal_due(&w->wal) < at)
        at = weir_sqlite_wal_due(&w->wal);
    if (at == WEIR_TIME_NEVER) {
        pthread_cond_wait(&w->wake, &w->lock);
        return;
    }
    struct timespec ts = {.tv_sec = (time_t)(at / WEIR_SECOND),
                          .tv_nsec = (long)(at % WEIR_SECOND)};
    if (pthread_cond_timedwait(&w->wake, &w->lock, &ts) == ETIMEDOUT && weir_sqlite_now() >= due)
        look(w);
}

/* Under the lock, which is given up meanwhile. Not while a transaction is open that was not watched
 * from its beginning. */
static void take_up_follower(weir_sqlite_writer *w)
{
    if (!w->follow_asked || (w->holder && !w->follow.on))
        return;
    w->follow_asked = false;
    weir_follower follower = w->follower;
    weir_time look_every = w->look_every;
    pthread_mutex_unlock(&w->lock);
    weir_sqlite_follow_start(&w->follow, w->db, &follower, look_every);
    pthread_mutex_lock(&w->lock);
}

void weir_sqlite_writer_follow(weir_backend *backend, const weir_follower *follower,
                               weir_time look_every)
{
    weir_sqlite_backend *b = weir_sqlite_backend_of(backend);
    weir_sqlite_writer *w = &b->writer;
    pthread_mutex_lock(&w->lock);
    w->follower = *follower;
    w->look_every = look_every;
    w->follow_asked = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static bool wal_is_due(const weir_sqlite_writer *w)
{
    weir_time due = weir_sqlite_wal_due(&w->wal);
    return !w->holder && due != WEIR_TIME_NEVER && weir_sqlite_now() >= due;
}

/* Under the lock, which is given up meanwhile. */
static void tend_wal(weir_sqlite_writer *w)
{
    pthread_mutex_unlock(&w->lock);
    weir_sqlite_wal_tend(&w->wal, w->db);
    pthread_mutex_lock(&w->lock);
}

static void *work(void *arg)
{
    weir_sqlite_writer *w = arg;
    (void)pthread_setname_np(pthread_self(), "weir-writer"); /* for people only */
    pthread_mutex_lock(&w->lock);
    while (!w->ending || w->holder || first_item(w)) {
        expire(w);
        take_up_follower(w);
        weir_sqlite_item *item = first_item(w);
        if (w->holder && (w->request || w->release))
            serve_holder(w);
        else if (!w->holder && item)
            serve_next(w, item);
        else if (wal_is_due(w))
            tend_wal(w);
        else if (!w->ending || w->holder)
            wait_for_work(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int weir_sqlite_writer_start(weir_sqlite_writer *w)
{
    sigset_t all;
    sigset_t before;
    pthread_condattr_t attr;
    w->db->guard.on_tick = on_tick;
    w->db->guard.tick_user = w;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    weir_list_init(&w->queue);
    weir_sqlite_wal_init(&w->wal, w->db);
    atomic_store_explicit(&w->next_expiry, WEIR_TIME_NEVER, memory_order_relaxed);
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
    }
    return -error;
}

void weir_sqlite_writer_stop(weir_sqlite_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    weir_sqlite_item *item;
    while ((item = first_item(w))) {
        unqueue(w, item);
        refuse(item, CODE_STOPPED);
    }
    pthread_mutex_unlock(&w->lock);
}

void weir_sqlite_writer_end(weir_sqlite_writer *w)
{
    pthread_mutex_lock(&w->lock);
    assert(!w->holder || w->release); /* every claim was given back */
    w->ending = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}
