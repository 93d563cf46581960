/* Carries out what the pool's core decides: opens, validates, moves and closes connections, and
 * hands lent ones to sessions. One lender per worker and pool; everything here runs on the worker's
 * thread, but for the posting of nudges.
 *
 * Invariant: after every call into the core its actions are pumped before control returns to the
 * loop, and the worker's wake-up is never later than the earliest deadline of its lenders. */
#include "engine/cache_internal.h"
#include <assert.h>
#include <stdlib.h>

void weir_worker_wake_at(weir_worker *worker, weir_time at)
{
    if (at >= worker->wake_at)
        return;
    worker->wake_at = at;
    const weir_engine_host *host = &worker->engine->options.host;
    host->wake_at(host->user, worker, at);
}

static uint32_t random_of(const weir_lender *l)
{
    const weir_engine_host *host = &l->worker->engine->options.host;
    return host->random(host->user, l->worker);
}

static void open_one(weir_lender *l)
{
    weir_database *d = l->pools->database;
    weir_spin_lock(&d->moving); /* place and user are of one another */
    const weir_place *place = weir_place_of(d);
    const char *user = l->pools->user;
    weir_spin_unlock(&d->moving);
    weir_login login;
    bool own = weir_database_login(d, user, &login);
    weir_conn_request request = {
        .role = l->pools->role,
        .database = place->dbname ? place->dbname : d->name,
        .user = user,
        .password = place->password,
        .login = own ? &login : NULL,
        .owner = l,
        .place = place->backends,
    };
    weir_conn *conn = NULL;
    int r = d->backend->ops->open(d->backend, l->worker->loop, &request, &conn);
    explicit_bzero(&login, sizeof(login));
    if (r == 0) {
        conn->place = place;
        return;
    }
    weir_error_set(&l->last_error, "53000", "weir: cannot open a connection: %s", strerror(-r));
    weir_pool_open_failed(l->shard, false, random_of(l), weir_worker_now(l->worker));
}

/* True when the connection is alive; else it is given back to be closed. */
static bool still_alive(weir_lender *l, weir_conn *conn)
{
    if (conn->ops->quiet(conn))
        return true;
    weir_pool_release(l->shard, &conn->pooled, false, weir_worker_now(l->worker));
    return false;
}

static void refuse(weir_session *s, const weir_lender *l)
{
    weir_error err;
    weir_pool_stats stats;
    weir_pool_stats_read(l->pools->pool, weir_worker_now(l->worker), &stats);
    if (l->last_error.sqlstate[0])
        err = l->last_error;
    else
        weir_error_set(&err, "53300", "weir: no connection to database \"%s\" became free in time",
                       l->pools->database->name);
    weir_error_detail(&err, "%llu in use, %llu opening, %llu clients waiting.",
                      (unsigned long long)stats.lent, (unsigned long long)stats.opening,
                      (unsigned long long)stats.waiting);
    const char *quota = weir_pools_full_quota(l->pools);
    if (!l->last_error.sqlstate[0])
        weir_error_hint(&err,
                        "Raise %s or pool.acquire_timeout, or look in SHOW SERVERS for what "
                        "holds the connections.",
                        quota ? quota : "pool.max_size");
    s->events->refused(s, &err);
}

static void hand_over(weir_lender *l, weir_session *s, weir_conn *conn)
{
    if (still_alive(l, conn)) {
        s->conn = conn;
        s->events->lent(s);
        return;
    }
    weir_pool_conn *pooled = NULL;
    int r = weir_pool_acquire(l->shard, &s->waiter, weir_worker_now(l->worker), &pooled);
    if (r == WEIR_POOL_QUEUED)
        return;
    if (r == 0)
        hand_over(l, s, WEIR_CONTAINER_OF(pooled, weir_conn, pooled));
    else
        refuse(s, l);
}

static void move(weir_lender *l, weir_conn *conn, weir_pool_shard *to)
{
    weir_lender *target = &l->pools->lenders[weir_pool_shard_index(to)];
    weir_list_remove(&conn->siblings);
    conn->owner = target;
    conn->ops->move(conn, target->worker->loop);
}

static void report_leak(weir_lender *l, weir_conn *conn)
{
    weir_relay_sink *sink = conn->sink;
    if (sink && sink->events->on_held) { /* it knows whose it is */
        sink->events->on_held(sink, weir_worker_now(l->worker) - conn->pooled.state_since);
        return;
    }
    weir_log_event(l->worker->engine->options.log, WEIR_LOG_POOL, WEIR_LOG_WARN,
                   "connection held for too long", WEIR_F_STR("db", l->pools->database->label),
                   WEIR_F_STR("user", l->pools->user), WEIR_F_INT("server", conn->id),
                   WEIR_F_DURATION("held", weir_worker_now(l->worker) - conn->pooled.state_since));
}

static weir_conn *conn_of(const weir_pool_action *a)
{
    assert(a->conn);
    return WEIR_CONTAINER_OF(a->conn, weir_conn, pooled);
}

static weir_session *session_of(const weir_pool_action *a)
{
    assert(a->waiter);
    return WEIR_CONTAINER_OF(a->waiter, weir_session, waiter);
}

/* Tells the lender's worker to have a look; from any thread. */
static void nudge_lender(weir_lender *l)
{
    if (atomic_exchange(&l->nudge_posted, true))
        return;
    weir_engine *engine = l->pools->database->engine;
    weir_worker *to = engine->workers[weir_pool_shard_index(l->shard)];
    if (to)
        engine->options.host.post(engine->options.host.user, to, &l->nudge);
}

/* Perhaps of another pool, with which ours shares a quota. */
static void nudge_shard(const weir_pool_shard *shard)
{
    weir_pools *p = weir_pool_user(weir_pool_of(shard));
    nudge_lender(&p->lenders[weir_pool_shard_index(shard)]);
}

static void carry_out(weir_lender *l, const weir_pool_action *a)
{
    switch (a->kind) {
    case WEIR_POOL_OPEN:
        open_one(l);
        break;
    case WEIR_POOL_VALIDATE:
        conn_of(a)->ops->validate(conn_of(a));
        break;
    case WEIR_POOL_CLOSE:
        conn_of(a)->ops->close(conn_of(a));
        break;
    case WEIR_POOL_LEND:
        hand_over(l, session_of(a), conn_of(a));
        break;
    case WEIR_POOL_TIMEOUT:
        refuse(session_of(a), l);
        break;
    case WEIR_POOL_MOVE:
        move(l, conn_of(a), a->shard);
        break;
    case WEIR_POOL_NUDGE:
        nudge_shard(a->shard);
        break;
    case WEIR_POOL_LEAK:
        report_leak(l, conn_of(a));
        break;
    }
}

void weir_lender_pump(weir_lender *l)
{
    if (!l->pumping) { /* else the call further up goes on with what was added */
        l->pumping = true;
        weir_pool_action action;
        while (weir_pool_next(l->shard, &action))
            carry_out(l, &action);
        l->pumping = false;
    }
    weir_worker_wake_at(l->worker, weir_pool_deadline(l->shard));
}

void weir_worker_tick(weir_worker *worker)
{
    weir_time now = weir_worker_now(worker);
    worker->wake_at = WEIR_TIME_NEVER;
    for (weir_list *n = worker->lenders.next; n != &worker->lenders; n = n->next) {
        weir_lender *l = WEIR_CONTAINER_OF(n, weir_lender, node);
        weir_pool_tick(l->shard, now);
        weir_lender_pump(l);
    }
    weir_worker_wake_at(worker, weir_fills_tick(worker, now));
    weir_worker_wake_at(worker, weir_leases_tick(worker, now));
    weir_worker_wake_at(worker, weir_cache_sweep(worker, now));
}

/* ---- nudges ---- */

/* What failed elsewhere is no reason to wait before trying there. */
static void heed_place(weir_lender *l, weir_time now)
{
    const weir_place *place = weir_place_of(l->pools->database);
    if (l->place == place)
        return;
    l->place = place;
    weir_pool_retry(l->shard, now);
}

static void on_nudge(weir_message *m, weir_worker *at)
{
    weir_lender *l = WEIR_CONTAINER_OF(m, weir_lender, nudge);
    assert(l->worker == at);
    (void)at;
    atomic_store(&l->nudge_posted, false);
    weir_lender_touch(l);
    weir_time now = weir_worker_now(at);
    heed_place(l, now);
    weir_pool_nudged(l->shard, now);
    weir_pool_tick(l->shard, now);
    weir_lender_pump(l);
}

void weir_lender_touch(weir_lender *l)
{
    if (l->linked)
        return;
    l->linked = true;
    weir_list_push_back(&l->worker->lenders, &l->node);
}

/* ---- pools ---- */

void weir_pools_free(weir_pools *pools)
{
    for (weir_welcome *w = atomic_load(&pools->welcome), *older; w; w = older) {
        older = w->older;
        weir_buf_fini(&w->bytes);
        free(w);
    }
    weir_pool_free(pools->pool);
    free(pools->named);
    free(pools);
}

static int pools_new(weir_database *d, weir_slice user, weir_pools **ret)
{
    unsigned workers = d->engine->options.workers;
    weir_pools *p = calloc(1, sizeof(*p) + workers * sizeof(weir_lender));
    if (!p)
        return -ENOMEM;
    p->database = d;
    p->role = d->backend->ops->relays ? WEIR_ROLE_WRITE : WEIR_ROLE_READ;
    p->user = p->named = strndup((const char *)user.data, user.len);
    p->account = p->user ? weir_account_get(d->engine, user) : NULL;
    int r = -ENOMEM;
    if (p->account) {
        weir_pool_options options = weir_pools_options(d, p->account);
        r = weir_pool_new(&options, workers, &p->pool);
    }
    if (r < 0) {
        free(p->named);
        free(p);
        return r;
    }
    for (unsigned i = 0; i < workers; i++) {
        weir_lender *l = &p->lenders[i];
        l->shard = weir_pool_shard_at(p->pool, i);
        l->pools = p;
        l->worker = d->engine->workers[i];
        l->nudge.run = on_nudge;
        weir_list_init(&l->node);
        weir_list_init(&l->conns);
    }
    weir_pool_set_user(p->pool, p);
    *ret = p;
    return 0;
}

static weir_pools *pools_find(weir_pools *from, weir_slice user)
{
    for (; from; from = from->next)
        if (weir_slice_eq_cstr(user, from->user))
            return from;
    return NULL;
}

/* A pool made while its database is paused is paused too. PAUSE sets the flag before it walks the
 * pools, we publish the pool before we read the flag: one sees the other. */
static void inherit_pause(weir_pools *p)
{
    bool paused;
    do {
        paused = atomic_load(&p->database->paused);
        weir_pool_pause(p->pool, paused);
    } while (paused != atomic_load(&p->database->paused));
}

/* Makes a pool known, a member of its quotas from the first; or gives the one that another worker
 * made meanwhile. */
static weir_pools *publish(weir_pools *p, weir_slice user)
{
    weir_database *d = p->database;
    weir_spin_lock(&d->engine->pools_lock);
    weir_pools *head = atomic_load(&d->pools);
    weir_pools *other = pools_find(head, user);
    if (!other) {
        weir_pools_join_quotas(p);
        p->next = head;
        atomic_store_explicit(&d->pools, p, memory_order_release);
    }
    weir_spin_unlock(&d->engine->pools_lock);
    return other;
}

int weir_pools_get(weir_database *database, weir_slice user, weir_pools **ret, weir_error *err)
{
    weir_engine *engine = database->engine;
    weir_pools *head = atomic_load_explicit(&database->pools, memory_order_acquire);
    weir_pools *p = pools_find(head, user);
    if (p) {
        *ret = p;
        return 0;
    }
    if (atomic_fetch_add(&engine->pools_count, 1) >= WEIR_POOLS_MAX) {
        atomic_fetch_sub(&engine->pools_count, 1);
        weir_error_set(err, "53300", "weir: too many pools (one per database and user, at most %u)",
                       WEIR_POOLS_MAX);
        return WEIR_SESSION_REFUSED;
    }
    int r = pools_new(database, user, &p);
    if (r < 0) {
        atomic_fetch_sub(&engine->pools_count, 1);
        return r;
    }
    weir_pools *other = publish(p, user);
    if (other) {
        weir_pools_free(p);
        atomic_fetch_sub(&engine->pools_count, 1);
        *ret = other;
        return 0;
    }
    inherit_pause(p);
    for (unsigned i = 0; i < engine->options.workers; i++)
        nudge_lender(&p->lenders[i]);
    *ret = p;
    return 0;
}

/* ---- what backends tell ---- */

/* The first connection's parameters greet all clients of the pool. */
static void keep_welcome(weir_pools *p, const weir_conn *conn)
{
    weir_welcome *newest = atomic_load_explicit(&p->welcome, memory_order_acquire);
    if (!conn->ops->welcome || (newest && !atomic_load(&newest->outdated)))
        return;
    weir_slice bytes = conn->ops->welcome(conn);
    weir_welcome *kept = calloc(1, sizeof(*kept));
    if (!kept)
        return;
    weir_buf_init(&kept->bytes, bytes.len);
    kept->older = newest;
    if (weir_buf_append(&kept->bytes, bytes) == 0 &&
        atomic_compare_exchange_strong(&p->welcome, &newest, kept))
        return;
    weir_buf_fini(&kept->bytes);
    free(kept);
}

bool weir_session_welcome(const weir_session *session, weir_slice *ret)
{
    const weir_welcome *w = atomic_load_explicit(&session->pools->welcome, memory_order_acquire);
    if (!w || (atomic_load(&w->outdated) && !session->conn))
        return false;
    *ret = weir_buf_slice(&w->bytes);
    return true;
}

static void on_opened(void *engine, weir_conn *conn)
{
    (void)engine;
    weir_lender *l = conn->owner;
    keep_welcome(l->pools, conn);
    l->last_error.sqlstate[0] = '\0';
    atomic_store(&l->pools->unreachable, false);
    weir_list_push_back(&l->conns, &conn->siblings);
    const weir_engine_host *host = &l->worker->engine->options.host;
    weir_pool_opened(l->shard, &conn->pooled, host->random(host->user, l->worker),
                     weir_worker_now(l->worker));
    weir_lender_pump(l);
}

/* It was tried where the database is no more: that says nothing about where it is. */
static void fail_elsewhere(weir_lender *l)
{
    weir_time now = weir_worker_now(l->worker);
    weir_pool_open_failed(l->shard, false, random_of(l), now);
    weir_pool_retry(l->shard, now);
    weir_lender_pump(l);
}

static void on_open_failed(void *engine, weir_conn *conn, bool fatal, const weir_error *err)
{
    (void)engine;
    weir_lender *l = conn->owner;
    if (conn->place != weir_place_of(l->pools->database)) {
        fail_elsewhere(l);
        return;
    }
    l->last_error = *err;
    /* A refused password is an answer, and so is "too many clients". */
    atomic_store(&l->pools->unreachable, !fatal && strcmp(err->sqlstate, "53300") != 0);
    weir_log_event(l->worker->engine->options.log, WEIR_LOG_POOL, WEIR_LOG_WARN,
                   "cannot connect to database", WEIR_F_STR("db", l->pools->database->label),
                   WEIR_F_STR("user", l->pools->user), WEIR_F_STR("sqlstate", err->sqlstate),
                   WEIR_F_STR("reason", err->message));
    weir_pool_open_failed(l->shard, fatal, random_of(l), weir_worker_now(l->worker));
    weir_lender_pump(l);
}

static void on_closed(void *engine, weir_conn *conn)
{
    (void)engine;
    weir_lender *l = conn->owner;
    weir_list_remove(&conn->siblings);
    if (conn->pooled.state != WEIR_POOL_CONN_CLOSING)
        weir_replica_broke(l->pools->database, weir_worker_now(l->worker));
    weir_pool_closed(l->shard, &conn->pooled, weir_worker_now(l->worker));
    weir_lender_pump(l);
}

static void on_validated(void *engine, weir_conn *conn, bool good)
{
    (void)engine;
    weir_lender *l = conn->owner;
    weir_pool_validated(l->shard, &conn->pooled, good, weir_worker_now(l->worker));
    weir_lender_pump(l);
}

static void on_arrived(void *engine, weir_conn *conn)
{
    (void)engine;
    weir_lender *l = conn->owner;
    weir_lender_touch(l);
    weir_list_push_back(&l->conns, &conn->siblings);
    weir_pool_arrived(l->shard, &conn->pooled, weir_worker_now(l->worker));
    weir_lender_pump(l);
}

/* A connection that was given back while a cancel flew toward it: `return` waits for this. */
static void on_became_clean(void *engine, weir_conn *conn)
{
    (void)engine;
    weir_lender *l = conn->owner;
    bool clean = conn->ops->clean(conn) == WEIR_CONN_CLEAN && !conn->tainted;
    weir_pool_release(l->shard, &conn->pooled, clean, weir_worker_now(l->worker));
    weir_lender_pump(l);
}

const weir_backend_events weir_lender_events = {
    .opened = on_opened,
    .open_failed = on_open_failed,
    .closed = on_closed,
    .validated = on_validated,
    .arrived = on_arrived,
    .became_clean = on_became_clean,
};

/* ---- for reports and operators ---- */

weir_pools *weir_database_pools(const weir_database *database)
{
    return atomic_load_explicit(&database->pools, memory_order_acquire);
}

weir_pools *weir_pools_next(const weir_pools *pools)
{
    return pools->next;
}

const char *weir_pools_user(const weir_pools *pools)
{
    return pools->user;
}

weir_pool *weir_pools_pool(const weir_pools *pools)
{
    return pools->pool;
}

unsigned weir_pools_sessions(const weir_pools *pools)
{
    return atomic_load_explicit(&pools->sessions, memory_order_relaxed);
}

bool weir_database_up(const weir_database *database)
{
    for (const weir_pools *p = weir_database_pools(database); p; p = p->next)
        if (atomic_load(&p->unreachable))
            return false;
    return true;
}

const weir_database *weir_pools_database(const weir_pools *pools)
{
    return pools->database;
}

void weir_worker_each_conn(weir_worker *worker, const weir_pools *pools,
                           void (*visit)(void *user, weir_conn *conn), void *user)
{
    const weir_list *list = &pools->lenders[worker->index].conns;
    for (weir_list *n = list->next; n != list;) {
        weir_list *next = n->next;
        visit(user, WEIR_CONTAINER_OF(n, weir_conn, siblings));
        n = next;
    }
}

void weir_lender_nudge_all(weir_pools *p)
{
    for (unsigned i = 0; i < p->database->engine->options.workers; i++)
        nudge_lender(&p->lenders[i]);
}

void weir_engine_pause(weir_engine *engine, weir_database *database, bool paused)
{
    for (unsigned i = 0; i < engine->database_count; i++) {
        weir_database *d = engine->databases[i];
        if (database && database != d)
            continue;
        atomic_store(&d->paused, paused);
        for (weir_pools *p = weir_database_pools(d); p; p = p->next) {
            weir_pool_pause(p->pool, paused);
            weir_lender_nudge_all(p);
        }
    }
}

void weir_engine_drain(weir_engine *engine)
{
    for (unsigned i = 0; i < engine->database_count; i++)
        for (weir_pools *p = weir_database_pools(engine->databases[i]); p; p = p->next) {
            weir_pool_drain(p->pool);
            weir_lender_nudge_all(p);
        }
}

static void each_pool(weir_engine *engine, weir_database *database,
                      void (*visit)(weir_pools *p, weir_time now), weir_time now)
{
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        weir_database *d = engine->databases[i];
        if (database && database != d && database != d->primary)
            continue;
        for (weir_pools *p = weir_database_pools(d); p; p = p->next) {
            visit(p, now);
            weir_lender_nudge_all(p);
        }
    }
}

static void reconnect(weir_pools *p, weir_time now)
{
    weir_replica_broke(p->database, now);
    weir_pool_reconnect(p->pool, now);
}

void weir_engine_reconnect(weir_engine *engine, weir_database *database, weir_time now)
{
    each_pool(engine, database, reconnect, now);
}

void weir_database_close(weir_database *database, bool closed, weir_time now)
{
    atomic_store(&database->closed, closed);
    if (closed)
        weir_engine_reconnect(database->engine, database, now);
}

static void drain(weir_pools *p, weir_time now)
{
    (void)now;
    weir_pool_drain(p->pool);
}

void weir_database_remove(weir_database *database, weir_time now)
{
    atomic_store(&database->removed, true);
    atomic_store(&database->closed, true);
    each_pool(database->engine, database, drain, now);
}

int weir_database_warm(weir_database *database)
{
    weir_pools *p;
    weir_error err;
    const char *user = weir_database_user(database);
    if (!user)
        return 0;
    int r = weir_pools_get(database, weir_slice_cstr(user), &p, &err);
    return r == WEIR_SESSION_REFUSED ? -ENOSPC : r;
}
