/* Filling: who runs a statement whose answer is missing, who waits for it, and what is kept.
 *
 *          begin_fill ──► OPEN ──fill_finish──► kept, those who wait get it      ──► at rest
 *              │ │         ▲▲ └──fill_abort───► those who wait run or ask again  ──► at rest
 *              │ └─► LOOKING ┴─► the tier behind memory has it: as when kept     ──► at rest
 *              └─► WAITING ┴─► answered(entry) ──► at rest
 *                   (woken, or waited long enough)
 *
 * Invariants: the as-of is captured before the statement is given to a connection, and again when a
 * wait ends in running it. A state that waits is on its worker's list; one that was woken has a
 * message under way, or looks, and lives until that arrives, whatever its session does meanwhile.
 * An answer goes to others only if it ran under the catalog facts of the footprint that its
 * dependencies are from. */
#include "engine/lookup.h"
#include "engine/surroundings.h"
#include "sql/resolve.h"
#include <stdlib.h>
#include <strings.h>

#define DEPENDENCIES_MAX 128u

struct weir_fill_state {
    weir_fill *fill; /* NULL: its session has left; the message or lookup under way frees this */
    weir_session *session;
    weir_worker *worker;
    weir_flight *flight; /* led; NULL: nobody waits for this */
    weir_flight_waiter waiter;
    weir_message message;
    bool waiting;   /* from WAIT until it is woken or leaves */
    weir_list node; /* of worker->answers while it waits and has time left */
    weir_time wait_until, wait_max;
    bool looking;      /* in the tier behind memory */
    unsigned miss;     /* why memory had no answer */
    uint64_t era;      /* of the history, before the as-of was captured */
    uint64_t portable; /* the fingerprint as other processes have it; 0: not for them */
    weir_lookup lookup;
    weir_landing landing; /* set before the message is posted */
    weir_entry *entry;
    weir_statement statement;
    uint64_t fingerprint; /* of the footprint; 0: not compared (of the schema alone) */
    bool of_server;       /* PostgreSQL: it is the meaning of its surroundings */
    weir_entry like;
    weir_buf identity;
    weir_buf bytes; /* its length is charged */
    size_t dependency_count;
    weir_dependency dependencies[DEPENDENCIES_MAX]; /* as the footprint has them */
    weir_dependency settled[DEPENDENCIES_MAX];      /* as this as-of may have them */
};

typedef struct weir_fill_state fill_state;

static weir_cache *cache_of(const fill_state *s)
{
    return s->worker->engine->cache;
}

static weir_history *history_of(const fill_state *s)
{
    return s->session->pools->database->history;
}

static void state_free(fill_state *s)
{
    weir_lookup_unmark(&s->lookup);
    weir_memory *memory = s->worker->engine->options.memory;
    if (memory)
        weir_memory_release(memory, WEIR_MEMORY_CACHE, s->bytes.len);
    weir_entry_unref(s->entry);
    weir_buf_fini(&s->identity);
    weir_buf_fini(&s->bytes);
    free(s);
}

/* ---- dependencies ---- */

/* One more than there is room for says that there were too many. */
static void add_dependency(fill_state *s, weir_dependency d)
{
    if (s->dependency_count > DEPENDENCIES_MAX)
        return;
    for (size_t i = 0; i < s->dependency_count; i++) {
        const weir_dependency *have = &s->dependencies[i];
        if (have->relation == d.relation && have->column == d.column && have->value == d.value)
            return;
    }
    if (s->dependency_count < DEPENDENCIES_MAX)
        s->dependencies[s->dependency_count] = d;
    s->dependency_count++;
}

static void on_dependency(void *user, uint64_t relation, uint64_t column, uint64_t value)
{
    fill_state *s = user;
    weir_dependency d = {.relation = relation};
    if (!weir_cache_now(cache_of(s))->settings.whole_tables) {
        d.column = column;
        d.value = value;
    }
    add_dependency(s, d);
}

/* Key columns are reported from now on, if they were not before. */
static void track(const fill_state *s, const weir_footprint *f)
{
    for (uint16_t i = 0; i < f->dependency_count; i++) {
        const weir_read_dependency *d = &f->dependencies[i];
        if (d->column == 0)
            continue;
        int r =
            weir_changes_track(history_of(s)->changes, d->relation, d->column,
                               weir_slice_cstr(d->relation_name), weir_slice_cstr(d->column_name));
        (void)r; /* not tracked: the whole relation, when it is settled */
    }
}

static void add_tags(fill_state *s, weir_slice tags)
{
    weir_slice tag, prefix;
    while (weir_tag_next(&tags, &tag)) {
        size_t pos = 0;
        add_dependency(s, (weir_dependency){.relation = weir_tag_any_id()});
        add_dependency(s, (weir_dependency){.relation = weir_tag_id(tag)});
        for (unsigned n = 0; n < WEIR_TAG_PREFIXES_MAX && weir_tag_prefix_next(tag, &pos, &prefix);
             n++)
            add_dependency(s, (weir_dependency){.relation = weir_tag_prefix_id(prefix)});
    }
}

/* False: too many to be kept. */
static bool gather(fill_state *s, const weir_ask *ask, const weir_footprint *f,
                   const weir_admission *a)
{
    weir_worker *w = s->worker;
    const weir_cache_settings *settings = &weir_cache_now(cache_of(s))->settings;
    weir_dialect dialect = s->session->pools->database->backend->ops->dialect;
    if (!settings->whole_tables)
        track(s, f);
    weir_arguments arguments = {.lexed = &w->lexed,
                                .utf8 = ask->at && ask->at->utf8,
                                .params = ask->params,
                                .param_count = ask->param_count,
                                .param_types = ask->param_types};
    if (!weir_footprint_resolve(f, dialect, &arguments, on_dependency, s))
        return false;
    add_tags(s, a->tags);
    add_tags(s, a->more);
    char tag[WEIR_NAMESPACE_TAG_MAX];
    if (a->name_space.len > 0)
        add_tags(s, weir_namespace_tag(a->name_space, tag));
    return s->dependency_count <= DEPENDENCIES_MAX;
}

/* The statement is about to be run: everything known now is in what it will read. */
static void capture(fill_state *s)
{
    const weir_changes *changes = history_of(s)->changes;
    weir_origin origin;
    s->era = weir_history_origin(s->session->pools->database, &origin) ? origin.era : 0;
    s->like.filled_at = weir_worker_now(s->worker);
    s->like.facts = weir_facts_now(s->session->pools->database);
    s->like.asof = weir_changes_now(changes);
    for (size_t i = 0; i < s->dependency_count; i++)
        s->settled[i] = weir_changes_settle(changes, s->dependencies[i], s->like.asof);
}

/* ---- flights ---- */

static weir_flight_terms terms_of(const fill_state *s)
{
    return (weir_flight_terms){.hash = s->like.hash,
                               .identity = weir_buf_slice(&s->identity),
                               .changes = history_of(s)->changes,
                               .asof = s->like.asof,
                               .dependencies = s->settled,
                               .dependency_count = (uint32_t)s->dependency_count};
}

static weir_time wait_until_of(weir_list *node)
{
    return WEIR_CONTAINER_OF(node, fill_state, node)->wait_until;
}

static void enlist(fill_state *s)
{
    const weir_cache_settings *settings = &weir_cache_now(cache_of(s))->settings;
    weir_time wait = settings->flight_wait;
    if (s->wait_max > 0 && s->wait_max < wait)
        wait = s->wait_max;
    s->waiting = true;
    s->wait_until = weir_deadline(weir_worker_now(s->worker), wait);
    weir_list *before = &s->worker->answers; /* in order of their ends; most wait equally long */
    while (before->prev != &s->worker->answers && wait_until_of(before->prev) > s->wait_until)
        before = before->prev;
    weir_list_push_back(before, &s->node);
    weir_worker_wake_at(s->worker, s->wait_until);
}

/* WEIR_FILL_LEAD or WEIR_FILL_WAIT. Joining is a hit: not while others' commits may be missed. */
static int join(fill_state *s)
{
    const weir_cache_settings *settings = &weir_cache_now(cache_of(s))->settings;
    weir_time now = weir_worker_now(s->worker);
    capture(s);
    if (settings->flight_wait <= 0 || !weir_history_is_fresh(history_of(s), now, settings->bound))
        return WEIR_FILL_LEAD;
    weir_flight_terms terms = terms_of(s);
    if (weir_flights_join(cache_of(s)->flights, &terms, &s->waiter, &s->flight) != WEIR_FLIGHT_WAIT)
        return WEIR_FILL_LEAD;
    enlist(s);
    return WEIR_FILL_WAIT;
}

static void on_landed(weir_message *message, weir_worker *at);

/* On the leader's thread: from here on the state belongs to the message. */
static void wake(weir_flight_waiter *waiter, weir_landing landing, weir_entry *entry)
{
    fill_state *s = waiter->user;
    const weir_engine_host *host = &s->worker->engine->options.host;
    s->landing = landing;
    s->entry = entry;
    s->message.run = on_landed;
    host->post(host->user, s->worker, &s->message);
}

static void land(fill_state *s, weir_landing landing, weir_entry *entry)
{
    weir_flight *flight = s->flight;
    s->flight = NULL;
    if (flight)
        weir_flight_land(cache_of(s)->flights, flight, landing, entry, wake);
}

static void rest(fill_state *s)
{
    s->fill->state = NULL;
    state_free(s);
}

/* The flight ended, or was waited for long enough: tell the session. */
static void on_landed(weir_message *message, weir_worker *at)
{
    fill_state *s = WEIR_CONTAINER_OF(message, fill_state, message);
    (void)at;
    if (!s->fill) {
        state_free(s);
        return;
    }
    weir_fill *fill = s->fill;
    s->waiting = false;
    weir_list_remove(&s->node);
    if (s->landing == WEIR_LANDING_AGAIN && join(s) == WEIR_FILL_WAIT)
        return;
    weir_entry *entry = s->entry;
    s->entry = NULL;
    if (!entry)
        weir_session_count_miss(s->session, WEIR_MISS_ABSENT);
    if (s->landing != WEIR_LANDING_AGAIN)
        rest(s);
    fill->answered(fill, entry);
    weir_entry_unref(entry);
}

weir_time weir_fills_tick(weir_worker *worker, weir_time now)
{
    weir_list *node;
    while ((node = weir_list_first(&worker->answers)) != NULL) {
        fill_state *s = WEIR_CONTAINER_OF(node, fill_state, node);
        if (s->wait_until > now)
            return s->wait_until;
        weir_list_remove(&s->node);
        if (!weir_flights_leave(cache_of(s)->flights, &s->waiter))
            continue; /* its message is under way */
        weir_fill *fill = s->fill;
        s->waiting = false;
        weir_session_count_miss(s->session, WEIR_MISS_ABSENT);
        capture(s); /* it runs alone, and its answer may be kept */
        fill->answered(fill, NULL);
    }
    return WEIR_TIME_NEVER;
}

/* ---- the tier behind memory: asked by who leads ---- */

static void on_looked_up(weir_lookup *lookup, weir_entry *entry)
{
    fill_state *s = WEIR_CONTAINER_OF(lookup, fill_state, lookup);
    weir_fill *fill = s->fill;
    s->looking = false;
    if (!fill) {
        state_free(s);
    } else if (entry) {
        land(s, WEIR_LANDING_ANSWER, entry);
        rest(s);
        fill->answered(fill, entry);
    } else {
        weir_session_count_miss(s->session, s->miss);
        capture(s); /* its run begins now */
        fill->answered(fill, NULL);
    }
    weir_entry_unref(entry);
}

static bool look_up(fill_state *s)
{
    s->miss = s->worker->miss;
    s->lookup = (weir_lookup){.worker = s->worker,
                              .database = s->session->pools->database,
                              .like = &s->like,
                              .identity = weir_buf_slice(&s->identity),
                              .fingerprint = s->portable,
                              .wait_max = s->wait_max,
                              .done = on_looked_up};
    s->looking = weir_lookup_start(&s->lookup);
    return s->looking;
}

/* ---- beginning ---- */

/* ---- PostgreSQL: the footprint is of its surroundings, and literals may name a moment ---- */

static bool holds(weir_slice text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++)
        if (strncasecmp((const char *)text.data + i, word, n) == 0)
            return true;
    return false;
}

/* 'now' and its like are read as a moment by types of dates and times. */
static bool names_moment(weir_slice text)
{
    return text.len >= 3 && (holds(text, "now") || holds(text, "today") ||
                             holds(text, "tomorrow") || holds(text, "yesterday"));
}

static bool asks_for_moment(const weir_ask *ask, const weir_lexed *lexed)
{
    if (lexed->literal_count > WEIR_SQL_LITERALS_MAX)
        return names_moment(ask->text);
    for (size_t i = 0; i < lexed->literal_count; i++)
        if (lexed->literals[i].kind == WEIR_LITERAL_STRING && names_moment(lexed->literals[i].text))
            return true;
    for (size_t i = 0; i < ask->param_count; i++)
        if (ask->params[i].type != WEIR_VALUE_NULL && names_moment(ask->params[i].u.bytes))
            return true;
    return false;
}

/* NULL: none, and `*ret` says why. */
static const weir_footprint *footprint_of(fill_state *s, const weir_ask *ask,
                                          const weir_template *t, unsigned *ret)
{
    if (!ask->at) {
        const weir_footprint *own = atomic_load_explicit(&t->footprint, memory_order_acquire);
        s->fill->anew = weir_template_take_outdated(t) || own->fingerprint == 0;
        s->fingerprint = s->portable = own->fingerprint;
        return own;
    }
    const weir_footprint *f = weir_session_footprint(s->session, t, ask->at);
    s->fingerprint = ask->at->meaning;
    s->portable = ask->at->portable;
    s->of_server = true;
    if (!f)
        *ret = WEIR_MISS_REFUSED + WEIR_REFUSAL_UNKNOWN;
    else if (asks_for_moment(ask, &s->worker->lexed))
        *ret = WEIR_MISS_REFUSED + WEIR_REFUSAL_VOLATILE;
    return *ret == WEIR_MISS_ABSENT ? f : NULL;
}

static uint32_t to_ms(weir_time time)
{
    return time / WEIR_MS > UINT32_MAX ? UINT32_MAX : (uint32_t)(time / WEIR_MS);
}

/* Answers that were read at one moment are not read anew at one moment. */
static weir_time jittered(weir_worker *w, weir_time ahead)
{
    const weir_engine_host *host = &w->engine->options.host;
    return ahead > 0 ? ahead - ahead / 2 * (host->random(host->user, w) % 1024) / 1024 : 0;
}

/* How long it is given, and what is declared for the time after. */
static void set_times(fill_state *s, const weir_admission *a)
{
    weir_worker *w = s->worker;
    weir_entry *e = &s->like;
    e->stale_if_ms = to_ms(a->stale_if_error);
    e->stale_while_ms = to_ms(a->stale_while_revalidate);
    e->expires_at = weir_deadline(weir_worker_now(w), a->ttl);
    if (e->expires_at == WEIR_TIME_NEVER)
        return;
    uint32_t longest = e->stale_if_ms > e->stale_while_ms ? e->stale_if_ms : e->stale_while_ms;
    e->stale_max = (weir_time)longest * WEIR_MS;
    if (longest > 0)
        e->expires_at = weir_deadline(e->expires_at, e->stale_max);
    e->ahead = jittered(w, a->refresh_ahead < a->ttl ? a->refresh_ahead : a->ttl / 2);
}

/* WEIR_MISS_ABSENT and what it depends on; else why nothing is kept. */
static unsigned admit(fill_state *s, const weir_ask *ask)
{
    weir_session *session = s->session;
    weir_worker *w = s->worker;
    weir_database *database = session->pools->database;
    const weir_cache_policy *policy = weir_cache_now(cache_of(s));
    weir_admission a;
    if (ask->of_schema) {
        s->like.expires_at = WEIR_TIME_NEVER;
        return WEIR_MISS_ABSENT;
    }
    const weir_template *t = weir_template_find(w->engine->templates, ask->statement->template_id,
                                                ask->statement->template_serial);
    if (!t || weir_sql_lex(t->dialect, ask->text, &w->lexed) < 0)
        return WEIR_MISS_REFUSED + WEIR_REFUSAL_UNKNOWN;
    unsigned refused = WEIR_MISS_ABSENT;
    const weir_footprint *f = footprint_of(s, ask, t, &refused);
    if (!f)
        return refused;
    weir_admission_judge(policy, database, weir_slice_cstr(session->pools->user), t->text, f,
                         w->lexed.hint, &a);
    if (a.miss != WEIR_MISS_ABSENT)
        return a.miss;
    if (ask->at && !a.declared &&
        !atomic_load_explicit(&history_of(s)->following, memory_order_acquire))
        return WEIR_MISS_BEHIND;
    if (s->fill->anew)
        return WEIR_MISS_REFUSED + WEIR_REFUSAL_UNKNOWN;
    if (policy->settings.by_benefit && !a.insisted && !session->refreshes &&
        !weir_worth_keeping(w, ask->statement))
        return WEIR_MISS_WORTHLESS;
    s->like.rule = a.rule ? (uint32_t)(a.rule - policy->settings.rules) + 1 : 0;
    s->like.flags =
        WEIR_ENTRY_FLAGS(a.consistency, a.grace) | (a.declared ? WEIR_ENTRY_DECLARED : 0);
    set_times(s, &a);
    return gather(s, ask, f, &a) ? WEIR_MISS_ABSENT : WEIR_MISS_REFUSED + WEIR_REFUSAL_UNFOLLOWED;
}

static fill_state *state_new(weir_session *session, const weir_ask *ask, weir_fill *fill)
{
    weir_worker *w = session->worker;
    const weir_cache *cache = w->engine->cache;
    fill_state *s = malloc(sizeof(*s));
    if (!s)
        return NULL;
    memset(s, 0, offsetof(fill_state, dependencies));
    weir_list_init(&s->node);
    s->fill = fill;
    s->session = session;
    s->worker = w;
    s->waiter.user = s;
    s->statement = *ask->statement;
    s->wait_max = ask->wait_max;
    weir_buf_init(&s->identity, w->identity.len);
    weir_buf_init(&s->bytes, weir_cache_now(cache)->settings.entry_max);
    s->like.scope = session->pools->database->index;
    s->like.template_id = ask->statement->template_id;
    s->like.template_serial = ask->statement->template_serial;
    weir_slice identity = weir_buf_slice(&w->identity);
    s->like.hash = weir_store_hash(cache->store, identity);
    if (weir_buf_append(&s->identity, identity) == 0)
        return s;
    state_free(s);
    return NULL;
}

int weir_session_begin_fill(weir_session *session, const weir_ask *ask, weir_fill *fill)
{
    weir_worker *w = session->worker;
    weir_cache *cache = w->engine->cache;
    assert(!fill->state);
    fill->anew = false;
    if (!cache || !session->pools->database->history || w->identity.size_max == 0 ||
        !weir_cache_now(cache)->settings.enabled)
        return WEIR_FILL_NONE; /* nothing of it is counted */
    fill_state *s = state_new(session, ask, fill);
    if (!s)
        return WEIR_FILL_NONE;
    unsigned refused = admit(s, ask);
    if (refused != WEIR_MISS_ABSENT) {
        weir_session_count_miss(session, refused);
        state_free(s);
        return WEIR_FILL_NONE;
    }
    fill->state = s;
    if (ask->of_schema || ask->alone)
        capture(s);
    if (ask->of_schema)
        return WEIR_FILL_LEAD;
    if (!ask->alone && (join(s) == WEIR_FILL_WAIT || (!session->refreshes && look_up(s))))
        return WEIR_FILL_WAIT;
    weir_session_count_miss(session, w->miss);
    weir_rule_stats *rule = weir_rule_counts(w, s->like.rule);
    if (rule)
        weir_count(&rule->misses, 1);
    return WEIR_FILL_LEAD;
}

weir_session *weir_fill_question(const weir_fill *fill, weir_slice *ret_identity)
{
    if (!fill->state)
        return NULL;
    *ret_identity = weir_buf_slice(&fill->state->identity);
    return fill->state->session;
}

weir_slice weir_fill_bytes(const weir_fill *fill)
{
    return fill->state ? weir_buf_slice(&fill->state->bytes) : (weir_slice){0};
}

/* ---- the end ---- */

static void count_fill(const fill_state *s)
{
    if (s->fingerprint == 0)
        return;
    size_t size = sizeof(weir_entry) + s->identity.len + s->bytes.len;
    weir_worth_filled(s->worker, s->statement.template_id, s->statement.template_serial, size);
    weir_rule_stats *rule = weir_rule_counts(s->worker, s->like.rule);
    if (rule) {
        weir_count(&rule->fills, 1);
        weir_count(&rule->fill_bytes, size);
    }
}

/* As long as clients read slowly, many fills are open: what they hold counts as the cache's. */
static bool append(fill_state *s, weir_slice bytes)
{
    weir_memory *memory = s->worker->engine->options.memory;
    if (memory && weir_memory_charge(memory, WEIR_MEMORY_CACHE, bytes.len) < 0)
        return false;
    if (weir_buf_append(&s->bytes, bytes) == 0)
        return true;
    if (memory)
        weir_memory_release(memory, WEIR_MEMORY_CACHE, bytes.len);
    return false;
}

void weir_fill_add(weir_fill *fill, weir_slice bytes)
{
    fill_state *s = fill->state;
    if (!s || append(s, bytes))
        return;
    count_fill(s); /* one that never hits: what is always too large is not worth gathering */
    weir_fill_abort(fill, false);
}

static weir_entry *make_entry(fill_state *s, size_t head_len, uint64_t rows)
{
#ifdef WEIR_TEST_FAULT_ASOF_AFTER
    capture(s);
#endif
    weir_entry_options options = {.hash = s->like.hash,
                                  .identity = weir_buf_slice(&s->identity),
                                  .dependencies = s->settled,
                                  .dependency_count = (uint32_t)s->dependency_count,
                                  .bytes = weir_buf_slice(&s->bytes),
                                  .like = s->like};
    weir_entry *entry = NULL;
    options.like.head_len = head_len;
    options.like.rows = rows;
    return weir_entry_new(&options, &entry) == 0 ? entry : NULL;
}

bool weir_fill_read_behind(weir_fill *fill, weir_asof asof, weir_time held)
{
    fill_state *s = fill->state;
    weir_time now = weir_worker_now(s->worker);
    weir_changes *changes = history_of(s)->changes;
    weir_entry *e = &s->like;
#ifdef WEIR_TEST_FAULT_REPLICA_AS_PRIMARY
    asof = e->asof;
#endif
    e->asof.wal = asof.wal < e->asof.wal ? asof.wal : e->asof.wal;
    e->asof.local = asof.local < e->asof.local ? asof.local : e->asof.local;
    for (size_t i = 0; i < s->dependency_count; i++)
        s->settled[i] = weir_changes_settle(changes, s->dependencies[i], e->asof);
    if (held < e->filled_at) { /* its age counts from there */
        if (e->expires_at != WEIR_TIME_NEVER)
            e->expires_at -= e->filled_at - held;
        e->filled_at = held;
    }
    if (e->expires_at <= now)
        return false;
    if (weir_changes_judge(changes, e->asof, s->settled, s->dependency_count) ==
        WEIR_VERDICT_STANDS) /* then it is as good as what was promised to those who wait */
        return true;
    if (!weir_replica_is_forgiven(s->session, e))
        return false;
    land(s, WEIR_LANDING_ALONE, NULL);
    return true;
}

void weir_fill_read_anew(weir_fill *fill)
{
    fill_state *s = fill->state;
    weir_time before = s->like.filled_at;
    capture(s);
    if (s->like.expires_at != WEIR_TIME_NEVER)
        s->like.expires_at += s->like.filled_at - before;
}

/* Whether it was read from the history that its as-of is of, by a server session that began as one
 * would begin now. The as-of itself is behind the floor if another history came meanwhile. */
static bool is_of_history(const fill_state *s)
{
#ifdef WEIR_TEST_FAULT_LINEAGE_IGNORED
    return true;
#endif
    const weir_conn *conn = s->session->conn;
    if (!s->of_server || (!weir_history_is_followed(history_of(s)) &&
                          (s->like.flags & WEIR_ENTRY_DECLARED))) /* its time is the promise */
        return true;
    return conn && weir_history_is_of(history_of(s), conn->system, conn->timeline) &&
           !weir_pool_conn_outdated(&conn->pooled);
}

/* Whether it ran under the facts that its dependencies were made from. If not, those who come next
 * have the facts told again: the last to tell them may have been a schema that was rolled back. */
static bool is_vouched_for(const fill_state *s, uint64_t fingerprint)
{
    if (s->fingerprint == 0 || s->fingerprint == fingerprint)
        return true;
    if (s->of_server) /* the schema has changed meanwhile: it is read again by itself */
        return false;
    const weir_template *t = weir_template_find(s->worker->engine->templates, s->like.template_id,
                                                s->like.template_serial);
    if (t)
        weir_template_note_outdated(t);
    return false;
}

void weir_fill_finish(weir_fill *fill, size_t head_len, uint64_t rows, uint64_t fingerprint)
{
    fill_state *s = fill->state;
    if (!s)
        return;
    assert(!s->waiting);
    bool known = is_vouched_for(s, fingerprint) && is_of_history(s);
    weir_entry *entry = known ? make_entry(s, head_len, rows) : NULL;
    if (entry) {
        int r =
            weir_store_put(cache_of(s)->store, s->worker->epoch, entry, weir_worker_now(s->worker));
        (void)r; /* not kept: those who wait get it all the same */
        count_fill(s);
        if (s->fingerprint != 0 && s->session->refreshes > 0)
            s->session->refreshes++;
        weir_cache_sweep_soon(s->worker);
        if (weir_lookup_keep(s->worker, s->session->pools->database, entry, s->portable, s->era,
                             s->lookup.marked))
            s->lookup.marked = false; /* it takes the mark's place */
    }
    land(s, entry ? WEIR_LANDING_ANSWER : WEIR_LANDING_ALONE, entry);
    weir_entry_unref(entry);
    rest(s);
}

void weir_fill_abort(weir_fill *fill, bool leaving)
{
    fill_state *s = fill->state;
    if (!s)
        return;
    fill->state = NULL;
    weir_list_remove(&s->node);
    if (s->waiting && !weir_flights_leave(cache_of(s)->flights, &s->waiter)) {
        s->fill = NULL; /* its message is under way */
        return;
    }
    land(s, leaving ? WEIR_LANDING_AGAIN : WEIR_LANDING_ALONE, NULL);
    if (s->looking)
        s->fill = NULL; /* the lookup is under way */
    else
        state_free(s);
}
