/* A session's dealings with its pool, and the story of its statements.
 *
 *      CLOSED ──open──► AT REST ──borrow──► WAITING ──lent──► HOLDING (conn) ──return──► AT REST
 *                          ▲                   └──refused──► AT REST     └──lost──► AT REST
 *
 * Invariant: a session waits or holds or neither, never both; `pinned` is non-zero only while it
 * holds. */
#include "engine/cache.h"
#include "engine/internal.h"
#include <stdlib.h>

static weir_lender *lender_of(const weir_session *s)
{
    weir_pools *p = s->from ? s->from : s->pools;
    return &p->lenders[s->worker->index];
}

int weir_session_open(weir_session *session, weir_worker *worker, weir_database *database,
                      weir_slice user, const weir_session_events *events, weir_error *err)
{
    const char *own = weir_database_user(database);
    weir_slice as = own ? weir_slice_cstr(own) : user;
    return weir_session_open_as(session, worker, database, as, events, err);
}

static void tell_used(weir_worker *worker, weir_database *database, weir_slice as)
{
    const weir_engine_host *host = &worker->engine->options.host;
    if (host->used && !atomic_load_explicit(&database->catalog.used, memory_order_relaxed) &&
        !atomic_exchange(&database->catalog.used, true))
        host->used(host->user, worker, database, as);
}

/* What failed with another login is no reason to wait before trying with this one. */
static void heed_login(weir_lender *l)
{
    uint64_t serial = weir_database_login_serial(l->pools->database, l->pools->user);
    if (serial == l->login_serial)
        return;
    l->login_serial = serial;
    weir_pool_retry(l->shard, weir_worker_now(l->worker));
}

int weir_session_open_as(weir_session *session, weir_worker *worker, weir_database *database,
                         weir_slice as, const weir_session_events *events, weir_error *err)
{
    if (atomic_load(&database->disabled) || atomic_load(&database->removed)) {
        weir_error_set(err, "57P03", "weir: database \"%s\" takes no new clients", database->label);
        return WEIR_SESSION_REFUSED;
    }
    weir_pools *pools = NULL;
    int r = weir_pools_get(database, as, &pools, err);
    if (r != 0)
        return r;
    session->events = events;
    session->worker = worker;
    session->pools = pools;
    atomic_fetch_add_explicit(&pools->sessions, 1, memory_order_relaxed);
    session->conn = NULL;
    session->from = NULL;
    session->pinned = 0;
    session->tainted = false;
    session->has_replicas = atomic_load(&database->replica_count) > 0;
    session->lending = weir_database_lending(database);
    session->account = NULL;
    session->wrote = (weir_asof){0};
    session->touches = NULL;
    weir_pool_waiter_init(&session->waiter);
    weir_lender *l = lender_of(session);
    assert(l->worker == worker);
    weir_lender_touch(l);
    heed_login(l);
    tell_used(worker, database, as);
    return 0;
}

bool weir_session_is_open(const weir_session *session)
{
    return session->pools != NULL;
}

weir_database *weir_session_database(const weir_session *session)
{
    return session->pools->database;
}

bool weir_session_has_sibling(const weir_session *session, weir_slice name)
{
    const weir_database *d = weir_engine_find_database(session->worker->engine, name);
    return d && d != weir_session_database(session) &&
           weir_slice_eq_cstr(name, weir_database_name(d));
}

/* Every change of `pinned`, counted by its lowest bit: what weir_effect_name names. */
static void set_pinned(weir_session *session, unsigned effects)
{
    assert(effects >> WEIR_PIN_REASONS == 0); /* WRITES pins nobody */
    _Atomic uint64_t *count = session->worker->pinned;
    if (session->pinned)
        weir_count(&count[__builtin_ctz(session->pinned)], UINT64_MAX); /* one less */
    if (!session->pinned)
        session->pinned_since = weir_worker_now(session->worker);
    session->pinned = effects;
    if (effects)
        weir_count(&count[__builtin_ctz(effects)], 1);
}

static void unpin(weir_session *session)
{
    if (!session->pinned)
        return;
    weir_lender *l = lender_of(session);
    set_pinned(session, 0);
    weir_pool_unpin(l->shard, &session->conn->pooled, weir_worker_now(session->worker));
    weir_lender_pump(l);
}

void weir_session_close(weir_session *session)
{
    if (!session->pools)
        return;
    weir_session_lose_outcome(session); /* nobody will hear it */
    if (session->conn) {
        weir_conn *conn = session->conn;
        bool tainted =
            session->tainted || session->pinned != 0 || session->lending == WEIR_LEND_SESSION;
        unpin(session);
        if (tainted && conn->ops->reset && conn->ops->clean(conn) == WEIR_CONN_CLEAN)
            (void)conn->ops->reset(conn); /* a failure closes it */
        else
            conn->tainted = tainted && conn->ops->reset; /* a cancel is on its way to it */
        weir_session_return(session);
    } else {
        weir_session_withdraw(session);
    }
    atomic_fetch_sub_explicit(&session->pools->sessions, 1, memory_order_relaxed);
    weir_session_leave(session);
    session->pools = NULL;
}

int weir_session_borrow(weir_session *session, weir_role role, weir_error *err)
{
    assert(!session->conn && role == session->pools->role);
    (void)role;
    session->from = NULL;
    return weir_session_borrow_here(session, err);
}

int weir_session_borrow_here(weir_session *session, weir_error *err)
{
    weir_lender *l = lender_of(session);
    weir_time now = weir_worker_now(session->worker);
    if (atomic_load_explicit(&l->pools->database->closed, memory_order_relaxed)) {
        weir_error_set(err, "57P01", "weir: database \"%s\" is being drained",
                       l->pools->database->label);
        return WEIR_SESSION_REFUSED;
    }
    for (;;) {
        weir_pool_conn *pooled = NULL;
        int r = weir_pool_acquire(l->shard, &session->waiter, now, &pooled);
        weir_lender_pump(l);
        if (r == 0) {
            weir_conn *conn = WEIR_CONTAINER_OF(pooled, weir_conn, pooled);
            if (conn->ops->quiet(conn)) {
                session->conn = conn;
                return 0;
            }
            weir_pool_release(l->shard, pooled, false, now); /* died while idle: the next one */
            continue;
        }
        if (r == WEIR_POOL_QUEUED)
            return session->conn ? 0 : WEIR_SESSION_WAIT;
        weir_error_set(err, r == WEIR_POOL_FULL ? "53300" : "57P01",
                       r == WEIR_POOL_FULL ? "weir: too many clients wait for database \"%s\""
                                           : "weir: shutting down; database \"%s\" is closed",
                       l->pools->database->name);
        return WEIR_SESSION_REFUSED;
    }
}

void weir_session_withdraw(weir_session *session)
{
    weir_lender *l = lender_of(session);
    weir_pool_withdraw(l->shard, &session->waiter, weir_worker_now(session->worker));
    weir_lender_pump(l);
    if (!session->conn)
        session->from = NULL;
}

bool weir_session_alone(const weir_session *session)
{
    const weir_conn *conn = session->conn;
    return conn && conn->id == session->last_conn && conn->pooled.uses == session->last_uses + 1;
}

void weir_session_return(weir_session *session)
{
    weir_conn *conn = session->conn;
    if (!conn || session->pinned)
        return;
    weir_lender *l = lender_of(session);
    session->last_conn = conn->id;
    session->last_uses = conn->pooled.uses;
    session->conn = NULL;
    session->from = NULL;
    conn->sink = NULL;
    weir_conn_state state = conn->ops->clean(conn);
    if (state == WEIR_CONN_LATER)
        return; /* became_clean releases it */
    weir_pool_release(l->shard, &conn->pooled, state == WEIR_CONN_CLEAN,
                      weir_worker_now(session->worker));
    weir_lender_pump(l);
}

static_assert(WEIR_EFFECT_UNKNOWN == 1 << (WEIR_PIN_REASONS - 1), "a reason for each effect");

uint64_t weir_worker_pinned(const weir_worker *worker, unsigned reason)
{
    assert(reason < WEIR_PIN_REASONS);
    return atomic_load_explicit(&worker->pinned[reason], memory_order_relaxed);
}

void weir_session_lost(weir_session *session)
{
    session->conn = NULL;
    session->from = NULL;
    session->tainted = false;
    set_pinned(session, 0);
}

static bool take_pin(weir_session *session, unsigned spare)
{
    weir_lender *l = lender_of(session);
    if (session->pinned)
        return true;
    if (weir_pool_pin(l->shard, &session->conn->pooled, spare, weir_worker_now(session->worker)) <
        0)
        return false;
    weir_lender_pump(l);
    return true;
}

int weir_session_pin(weir_session *session, unsigned effects, weir_error *err)
{
    assert(session->conn && effects);
    if (!take_pin(session, 0)) {
        weir_error_set(err, "53300",
                       "weir: no more connections may be pinned to a session (reason: %s)",
                       weir_effect_name(effects));
        weir_error_hint(err, "Raise pool.max_pinned, or avoid session state in this statement.");
        return WEIR_SESSION_REFUSED;
    }
    set_pinned(session, session->pinned | effects);
    return 0;
}

void weir_session_step_aside(weir_session *session, unsigned effects)
{
    if (take_pin(session, 1))
        set_pinned(session, session->pinned | effects);
}

int weir_session_set_pins(weir_session *session, unsigned effects, weir_error *err)
{
    int r = 0;
    if (!effects)
        unpin(session);
    else if (effects != session->pinned)
        r = weir_session_pin(session, effects, err);
    if (r == 0 && effects)
        set_pinned(session, effects);
    return r;
}

const char *const weir_parse_settings[] = {
    "array_nulls",
    "backslash_quote",
    "client_encoding",
    "datestyle",
    "intervalstyle",
    "lc_monetary",
    "standard_conforming_strings",
    "timezone",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
    NULL,
};

void weir_database_watch_sequences(weir_database *database)
{
    if (!weir_database_watches_sequences(database))
        atomic_store_explicit(&database->sequences, true, memory_order_relaxed);
}

bool weir_database_watches_sequences(const weir_database *database)
{
    return atomic_load_explicit(&database->sequences, memory_order_relaxed);
}

uint64_t weir_parameters_fingerprint(weir_slice pairs, weir_hash_seed seed)
{
    uint64_t hash = weir_hash(seed, pairs);
    return pairs.len == 0 ? 0 : hash == 0 || hash == WEIR_PARAMETERS_UNKNOWN ? 1 : hash;
}

/* ---- understanding ---- */

static void unknown(weir_statement *ret, const weir_lexed *lexed)
{
    *ret = (weir_statement){
        .template_id = UINT32_MAX,
        .kind = lexed->kind,
        .transaction = lexed->transaction,
        .effects = lexed->effects,
        .words = lexed->effects,
        .statements = lexed->statements,
        .transaction_anywhere = lexed->transaction_anywhere,
    };
}

/* As the template says; the text is its only statement. */
static void as_template(const weir_session *session, const weir_template *t, weir_statement *ret)
{
    const weir_footprint *f = atomic_load_explicit(&t->footprint, memory_order_acquire);
    *ret = (weir_statement){
        .template_id = t->id,
        .template_serial = t->serial,
        .kind = f->kind,
        .transaction = f->transaction,
        .effects = f->effects | weir_session_server_effects(session, t, f->kind),
        .words = f->effects,
        .statements = 1,
    };
}

/* A text of a shape that was lexed before. False: lex it. */
static bool recall_shape(weir_session *session, weir_slice text, weir_statement *ret)
{
    weir_worker *w = session->worker;
    weir_engine *e = w->engine;
    const weir_recalled *known =
        w->recall ? weir_recall_find(w->recall, e->options.seed, text) : NULL;
    const weir_template *t =
        known ? weir_template_find(e->templates, known->template_id, known->template_serial) : NULL;
    if (!t || !atomic_load_explicit(&t->analysis_asked, memory_order_relaxed))
        return false;
    weir_template_touch(t, (uint32_t)(weir_worker_now(w) / WEIR_SECOND));
    as_template(session, t, ret);
    return true;
}

/* Whether texts of its shape can be told by it alone. */
static bool is_plain(const weir_lexed *lexed, const weir_statement *st)
{
    return lexed->statements == 1 && lexed->effects == 0 && st->words == 0 &&
           lexed->transaction == WEIR_TRANSACTION_NONE && !lexed->over_caps &&
           !lexed->unterminated && lexed->kind == st->kind &&
           (st->kind == WEIR_KIND_READ || st->kind == WEIR_KIND_WRITE);
}

void weir_session_understand(weir_session *session, weir_slice text, weir_statement *ret)
{
    weir_worker *w = session->worker;
    weir_engine *e = w->engine;
    weir_dialect dialect = session->pools->database->backend->ops->dialect;
    const weir_template *t = NULL;
    bool by_shape = dialect == WEIR_DIALECT_POSTGRES;
    if (by_shape && recall_shape(session, text, ret))
        return;
    if (weir_sql_lex(dialect, text, &w->lexed) < 0) {
        *ret =
            (weir_statement){.template_id = UINT32_MAX, .kind = WEIR_KIND_UNKNOWN, .statements = 1};
        ret->effects = weir_session_server_effects(session, NULL, WEIR_KIND_UNKNOWN);
        return;
    }
    unknown(ret, &w->lexed);
    uint32_t tick = (uint32_t)(weir_worker_now(w) / WEIR_SECOND);
    if (weir_template_intern(e->templates, w->epoch, dialect, &w->lexed, text, tick, &t) != 0) {
        ret->effects |= weir_session_server_effects(session, NULL, ret->kind);
        return;
    }
    ret->template_id = t->id;
    ret->template_serial = t->serial;
    const weir_footprint *f = atomic_load_explicit(&t->footprint, memory_order_acquire);
    ret->kind = f->kind;
    ret->words = f->effects;
    ret->effects = f->effects | weir_session_server_effects(session, t, f->kind);
    if (!f->from_grammar && !w->lexed.over_caps && e->options.host.analyze &&
        !atomic_load_explicit(&t->analysis_asked, memory_order_relaxed))
        e->options.host.analyze(e->options.host.user, w, t);
    if (by_shape && w->recall && is_plain(&w->lexed, ret))
        weir_recall_keep(w->recall, t->id, t->serial);
}

void weir_session_review(weir_session *session, weir_statement *statement)
{
    if (statement->template_id == UINT32_MAX || !weir_database_catalog(session->pools->database))
        return;
    const weir_template *t = weir_template_find(session->worker->engine->templates,
                                                statement->template_id, statement->template_serial);
    statement->effects =
        statement->words | weir_session_server_effects(session, t, statement->kind);
}
