/* Reads on replicas: when one may serve, and as of when its answers are.
 *
 * Invariant: a read goes to a standby only after that very connection's server has said, in a
 * statement of its own, up to where it has replayed (R), that it is a standby, of which system, and
 * then which timeline it receives (proofs, row 13). Then, if system and timeline are those
 * followed:
 *
 * - Every commit that ends at R or before is visible to the read: a standby makes a commit visible
 *   while it replays its record and moves R past the record after that; the read's snapshot is
 *   taken after R was read. What it has replayed is a prefix of the timeline that it receives (R
 *   is read first), so R names the same place there and in the history that is followed.
 * - The as-of is (R, the greatest c of the pairs (c, P) with P <= R), and never newer than what was
 *   captured for the primary: a gap puts the floor behind that alone (history.c:forgot).
 * - With the heartbeat sent at T that ends at R or before, everything that had committed at T is
 *   there. So the age of an answer is at most now - T, and a fence is passed when T is behind it.
 *
 * So an answer from there is judged as one from the cache would be: `strict` if nothing that it
 * depends on has changed since its as-of, as far as this process knows; `session` if that, or if
 * all that the session wrote is in it; `bounded` by its age. An answer whose dependencies are not
 * known depends on everything. What a promotion under the read would show is not kept: it is
 * reported before the ReadyForQuery (gateway/filling.c).
 *
 * Sessions of a standby begin with the defaults of roles and databases that it has replayed: those
 * that began before it had replayed a change are replaced, by a second reconnect. So are those from
 * before the first heartbeat, and from before it has caught up after it broke (its R may have gone
 * back). */
#include "engine/replica.h"
#include "engine/cache_internal.h"

#define SHUNNED_FOR (5 * WEIR_SECOND)

bool weir_session_may_read_elsewhere(const weir_session *session, const weir_statement *statement)
{
    const weir_template *t = weir_template_find(session->worker->engine->templates,
                                                statement->template_id, statement->template_serial);
    const weir_footprint *f = t ? atomic_load_explicit(&t->footprint, memory_order_acquire) : NULL;
    return f && f->from_grammar && !f->row_locks && statement->kind == WEIR_KIND_READ &&
           statement->effects == 0 && statement->statements == 1 && !session->touches;
}

weir_database *weir_database_primary(const weir_database *database)
{
    return database->primary;
}

weir_database *weir_database_replica_at(const weir_database *database, unsigned index)
{
    return index < atomic_load(&database->replica_count) ? database->replicas[index] : NULL;
}

weir_time weir_database_replica_lag(const weir_database *database)
{
    return database->replica_lag;
}

bool weir_database_lag(const weir_database *replica, weir_time *ret)
{
    *ret = atomic_load_explicit(&replica->lag, memory_order_relaxed);
    return *ret != WEIR_TIME_NEVER;
}

void weir_replica_broke(weir_database *database, weir_time now)
{
    if (database->primary)
        atomic_store(&database->began_before, now);
}

/* ---- borrowing ---- */

static bool is_shunned(const weir_database *replica, weir_time now)
{
    return now < atomic_load_explicit(&replica->shunned_until, memory_order_relaxed) ||
           atomic_load_explicit(&replica->paused, memory_order_relaxed) ||
           atomic_load_explicit(&replica->closed, memory_order_relaxed);
}

static weir_pools *pools_at(const weir_session *session, weir_database *replica)
{
    const char *own = weir_database_user(replica);
    weir_slice user = weir_slice_cstr(own ? own : session->pools->user);
    weir_pools *p = NULL;
    weir_error err;
    return weir_pools_get(replica, user, &p, &err) == 0 ? p : NULL;
}

/* One that was out of reach is asked for again, and not waited for. */
static int borrow_at(weir_session *session, weir_pools *from)
{
    weir_error err;
    session->from = from;
    weir_lender_touch(&from->lenders[session->worker->index]);
    bool unreachable = atomic_load(&from->unreachable);
    int r = weir_session_borrow_here(session, &err);
    if (r == WEIR_SESSION_WAIT && unreachable) {
        weir_session_withdraw(session);
        r = session->conn ? 0 : WEIR_SESSION_REFUSED;
    }
    if (r != 0 && r != WEIR_SESSION_WAIT)
        session->from = NULL;
    return r;
}

int weir_session_borrow_replica(weir_session *session)
{
    weir_database *d = session->pools->database;
    weir_worker *w = session->worker;
    unsigned count = atomic_load(&d->replica_count);
    unsigned first =
        count > 0 ? w->engine->options.host.random(w->engine->options.host.user, w) : 0;
    for (unsigned i = 0; i < count; i++) {
        weir_database *replica = d->replicas[(first + i) % count];
        weir_pools *from =
            is_shunned(replica, weir_worker_now(w)) ? NULL : pools_at(session, replica);
        int r = from ? borrow_at(session, from) : WEIR_SESSION_REFUSED;
        if (r == 0 || r == WEIR_SESSION_WAIT)
            return r;
    }
    return WEIR_SESSION_REFUSED;
}

void weir_session_shun_replica(const weir_session *session)
{
    if (session->from)
        atomic_store(&session->from->database->shunned_until,
                     weir_deadline(weir_worker_now(session->worker), SHUNNED_FOR));
}

/* ---- judging ---- */

bool weir_replica_is_forgiven(const weir_session *session, const weir_entry *like)
{
    const weir_changes *changes = session->pools->database->history->changes;
    weir_consistency level = WEIR_ENTRY_LEVEL(like->flags);
    weir_asof floor = weir_changes_floor(changes);
    if (level <= WEIR_CONSISTENCY_STRICT || like->asof.wal < floor.wal ||
        like->asof.local < floor.local ||
        weir_worker_now(session->worker) - like->filled_at > WEIR_ENTRY_GRACE(like->flags))
        return false;
    return level == WEIR_CONSISTENCY_BOUNDED ||
           (like->asof.wal >= session->wrote.wal && like->asof.local >= session->wrote.local);
}

/* Nothing is known of what it reads, and nothing of it is kept. */
static bool is_good_enough(const weir_session *session, weir_asof asof)
{
    const weir_cache_settings *settings = &weir_cache_now(session->worker->engine->cache)->settings;
    const weir_changes *changes = session->pools->database->history->changes;
    weir_asof floor = weir_changes_floor(changes);
    if (asof.wal < floor.wal || asof.local < floor.local)
        return false;
    switch (settings->consistency) {
    case WEIR_CONSISTENCY_BOUNDED:
        return true;
    case WEIR_CONSISTENCY_SESSION:
        return asof.wal >= session->wrote.wal && asof.local >= session->wrote.local;
    case WEIR_CONSISTENCY_STRICT:
    case WEIR_CONSISTENCY_UNSAID:
        break;
    }
    return asof.local >= weir_changes_now(changes).local;
}

static void note_lag(const weir_session *session, weir_time lag)
{
    atomic_store_explicit(&session->from->database->lag, lag, memory_order_relaxed);
}

/* Without a stream nothing is known of positions: the replica's own word must do, where the level
 * asks for no more. */
static bool trusts_word(const weir_session *session, const weir_replica_word *word)
{
    const weir_cache *cache = session->worker->engine->cache;
    note_lag(session, word->lag);
    return cache && weir_cache_now(cache)->settings.consistency == WEIR_CONSISTENCY_BOUNDED &&
           word->lag <= session->pools->database->replica_lag;
}

/* Its sessions that began before it had replayed a change of what they begin with are replaced;
 * this one, too, is not to be believed then. */
static bool began_as_now(const weir_session *session, weir_time held)
{
    weir_database *replica = session->from->database;
    weir_time since = atomic_load(&replica->began_before);
    if (since == 0)
        return true;
    weir_time now = weir_worker_now(session->worker);
    if (held > since) {
        weir_engine_reconnect(replica->engine, replica, now);
        (void)atomic_compare_exchange_strong(&replica->began_before, &now, 0);
    }
    return false;
}

bool weir_session_trusts_replica(weir_session *session, weir_fill *fill,
                                 const weir_replica_word *word)
{
    weir_history *h = session->pools->database->history;
    weir_conn *conn = session->conn;
    assert(conn && session->from);
    conn->system = word->system;
    conn->timeline = word->timeline;
    if (!word->standby || word->replayed == 0 || session->touches)
        return false;
    if (!h || !weir_history_is_followed(h))
        return trusts_word(session, word) && !(fill && fill->state);
    if (!weir_history_is_of(h, word->system, word->timeline))
        return false;
    const weir_cache_settings *settings = &weir_cache_now(session->worker->engine->cache)->settings;
    weir_time held = 0, now = weir_worker_clock(session->worker);
    (void)weir_history_is_fresh(h, now, settings->bound); /* asks for heartbeats */
    weir_asof asof = weir_history_replayed(h, word->replayed, &held);
    note_lag(session, held > 0 && held <= now ? now - held : WEIR_TIME_NEVER);
    if (held == 0 || held < atomic_load_explicit(&h->fence, memory_order_acquire) ||
        now - held > session->pools->database->replica_lag || !began_as_now(session, held) ||
        weir_pool_conn_outdated(&conn->pooled))
        return false;
    if (fill && fill->state) {
        if (weir_fill_read_behind(fill, asof, held))
            return true;
        weir_fill_read_anew(fill);
        return false;
    }
    return is_good_enough(session, asof);
}
