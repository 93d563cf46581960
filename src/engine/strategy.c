/* Answers that are given although they do not stand, and reads in the background: only where a rule
 * or a hint declares them (docs/cache.md, Strategies).
 *
 *   find ─ stands ──► given; near its end: read anew (refresh_ahead)
 *     └─ does not stand
 *          ├─ within stale_while_revalidate ──► given, and read anew once
 *          └─ a miss ──► the database does not answer, within stale_if_error ──► given
 *
 * Invariants: nothing is given that is staler than declared. Where only its time to live is over,
 * that counts from its end; where what it depends on has changed, or may have, from when it was
 * read. Never across a change of the schema, a gap in the history or a flush by hand that meets it;
 * never to a session that has written since it was read. Of one answer at most one read in the
 * background is under way: who claims it begins it. */
#include "engine/lookup.h"

#define CLAIM (5 * WEIR_SECOND)       /* longer than that a read in the background hardly takes */
#define CLAIM_LATER (1 * WEIR_SECOND) /* it could not be begun */
#define BY_HAND 0x9e3779b97f4a7c15u   /* apart from what writes bump */

const char *weir_strategy_name(weir_strategy strategy)
{
    static const char *const names[WEIR_STRATEGIES] = {"stale_if_error", "stale_while_revalidate",
                                                       "revalidated",    "refreshed_ahead",
                                                       "warmed",         "kept",
                                                       "lost",           "dropped"};
    assert(strategy < WEIR_STRATEGIES);
    return names[strategy];
}

void weir_engine_count_strategy(weir_engine *engine, weir_strategy strategy)
{
    if (engine->cache)
        atomic_fetch_add_explicit(&engine->cache->strategies[strategy], 1, memory_order_relaxed);
}

uint64_t weir_facts_now(const weir_database *database)
{
    return atomic_load_explicit(&database->backend->changes, memory_order_acquire);
}

/* ---- what ends it ---- */

/* An answer whose read began before this has an older as-of, as with every flush. */
static void end_of(const weir_history *h, uint64_t id)
{
    weir_changes_bump(h->changes, WEIR_HAND_LOCAL, id, weir_changes_next_local(h->changes));
}

void weir_history_end_stale(const weir_history *history)
{
    end_of(history, weir_tag_end_id());
}

void weir_history_end_stale_of(const weir_history *history, uint64_t id)
{
    end_of(history, id ^ BY_HAND);
}

static bool is_ended(const weir_history *h, const weir_entry *e)
{
    if (weir_changes_at(h->changes, WEIR_HAND_LOCAL, weir_tag_end_id()) > e->asof.local)
        return true;
    for (uint32_t i = 0; i < e->dependency_count; i++)
        if (weir_changes_at(h->changes, WEIR_HAND_LOCAL, e->dependencies[i].relation ^ BY_HAND) >
            e->asof.local)
            return true;
    return false;
}

/* ---- how stale it is ---- */

/* Since when it may be out of date. */
static weir_time stale_since(const weir_history *h, weir_time bound, const weir_entry *e,
                             weir_time now)
{
    bool fresh = weir_history_is_fresh(h, now, bound);
    weir_asof asof = e->asof;
    if (!fresh && !(e->flags & WEIR_ENTRY_DECLARED))
        return e->filled_at;
    if (!fresh)
        asof.wal = UINT64_MAX; /* its age was declared: what we know ourselves counts */
    bool stands = weir_changes_judge(h->changes, asof, e->dependencies, e->dependency_count) ==
                  WEIR_VERDICT_STANDS;
    return stands ? weir_entry_fresh_until(e) : e->filled_at;
}

static bool is_within(const weir_session *s, const weir_entry *e, uint32_t allowed_ms,
                      weir_time now)
{
    const weir_database *d = s->pools->database;
    const weir_cache_settings *settings = &weir_cache_now(s->worker->engine->cache)->settings;
    return allowed_ms > 0 && e->facts == weir_facts_now(d) && !is_ended(d->history, e) &&
           now - stale_since(d->history, settings->bound, e, now) <=
               (weir_time)allowed_ms * WEIR_MS;
}

/* Read your writes: it has seen everything that this session has written. */
static bool has_seen(const weir_session *s, const weir_entry *e)
{
    return e->asof.wal >= s->wrote.wal && e->asof.local >= s->wrote.local;
}

bool weir_stale_stays(const weir_session *session, const weir_entry *entry, weir_time now)
{
    uint32_t longest =
        entry->stale_if_ms > entry->stale_while_ms ? entry->stale_if_ms : entry->stale_while_ms;
    return longest > 0 && is_within(session, entry, longest, now);
}

/* ---- reading anew ---- */

static void read_anew(weir_worker *w, const weir_entry *e, weir_strategy why, weir_time now)
{
    const weir_cache *cache = w->engine->cache;
    if (!cache->refresh || !weir_entry_claim(e, now, now + CLAIM))
        return;
    bool begun = cache->refresh(cache->refresh_user, w, e, why);
    weir_engine_count_strategy(w->engine, begun ? why : WEIR_STRATEGY_DROPPED);
    if (!begun)
        (void)weir_entry_claim(e, now + CLAIM, now + CLAIM_LATER);
}

/* The newest attempt to reach the server failed: who asks now would wait for nothing. What is read
 * anew finds out when that is over. */
static bool is_unreachable(const weir_session *s)
{
    return atomic_load_explicit(&s->pools->unreachable, memory_order_relaxed);
}

bool weir_stale_give(weir_session *session, const weir_entry *entry, weir_time now)
{
    weir_worker *w = session->worker;
    weir_strategy why = WEIR_STRATEGY_STALE_WHILE;
    if (!is_within(session, entry, entry->stale_while_ms, now)) {
        why = WEIR_STRATEGY_STALE_IF_ERROR;
        if (!is_unreachable(session) || !is_within(session, entry, entry->stale_if_ms, now))
            return false;
    }
    if (!has_seen(session, entry))
        return false;
    weir_engine_count_strategy(w->engine, why);
    read_anew(w, entry, WEIR_STRATEGY_REVALIDATE, now);
    return true;
}

void weir_refresh_ahead(const weir_session *session, const weir_entry *entry, weir_time now)
{
    if (now >= weir_entry_fresh_until(entry) - entry->ahead)
        read_anew(session->worker, entry, WEIR_STRATEGY_AHEAD, now);
}

/* ---- instead of an error ---- */

/* Unreachable, starting, stopping, or without a connection to spare. */
static bool is_no_answer(const char *sqlstate)
{
    static const char *const states[] = {"57P01", "57P02", "57P03", "53300", "58030"};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(sqlstate, states[i]) == 0)
            return true;
    return strncmp(sqlstate, "08", 2) == 0 && strcmp(sqlstate, "08P01") != 0;
}

static const weir_entry *find_instead(weir_session *s, weir_slice identity, const char *sqlstate)
{
    weir_worker *w = s->worker;
    const weir_cache *cache = w->engine->cache;
    if (!cache || !is_no_answer(sqlstate) || !s->pools->database->history || s->refreshes ||
        !weir_cache_now(cache)->settings.enabled)
        return NULL;
    const weir_entry *e =
        weir_store_find(cache->store, weir_store_hash(cache->store, identity), identity);
    if (!e || !is_within(s, e, e->stale_if_ms, weir_worker_now(w)) || !has_seen(s, e))
        return NULL;
    weir_engine_count_strategy(w->engine, WEIR_STRATEGY_STALE_IF_ERROR);
    return e;
}

const weir_entry *weir_session_find_instead(weir_session *session, const char *sqlstate)
{
    const weir_buf *identity = &session->worker->identity;
    return identity->size_max == 0 ? NULL
                                   : find_instead(session, weir_buf_slice(identity), sqlstate);
}

const weir_entry *weir_fill_find_instead(const weir_fill *fill, const char *sqlstate)
{
    weir_slice identity;
    weir_session *s = weir_fill_question(fill, &identity);
    return s ? find_instead(s, identity, sqlstate) : NULL;
}

/* ---- for the host ---- */

weir_slice weir_entry_question(const weir_entry *entry)
{
    return weir_slice_skip(weir_entry_identity(entry), WEIR_IDENTITY_OWN);
}
