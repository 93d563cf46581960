/* Has new templates analysed by the SQL grammar on the analysis thread, which has the stack for it;
 * the loops go on with the lexer's word meanwhile.
 *
 * Bounded: at most JOBS_MAX wait; a template that finds no room asks again when it is next seen. */
#include "engine/catalog.h"
#include "engine/surroundings.h"
#include "gateway/internal.h"
#include "sql/reads.h"
#include <stdlib.h>

typedef struct analysis {
    weir_job job;
    weir_gateway *gateway;
    uint32_t id, serial;
    weir_dialect dialect;
    weir_database *database;  /* whose relations the names mean; NULL: nobody's yet */
    uint64_t meaning, schema; /* of the surroundings (engine/surroundings.h) */
    size_t path_len, role_len;
    size_t len;
    uint8_t text[]; /* and behind it the surroundings' search_path and role */
} analysis;

static void publish(analysis *a, weir_epoch_member *member)
{
    weir_template_table *table = weir_engine_templates(a->gateway->engine);
    weir_footprint *footprint = NULL;
    weir_lexed lexed;
    weir_lexed_init(&lexed);
    int r = weir_sql_lex(a->dialect, weir_slice_make(a->text, a->len), &lexed);
    if (r == 0 && !lexed.over_caps)
        r = weir_sql_analyze_postgres(weir_slice_make(a->text, a->len), &lexed, &footprint);
    weir_epoch_online(member);
    const weir_template *t = r == 0 ? weir_template_find(table, a->id, a->serial) : NULL;
    if (t && footprint)
        weir_template_publish(t, member, footprint);
    else
        weir_footprint_free(footprint);
    weir_epoch_quiescent(member);
    weir_epoch_offline(member);
    weir_lexed_fini(&lexed);
}

/* The caller is online all the while: the schema must not go meanwhile. What is retired then waits.
 * `at.schema`: its fingerprint tells whether it is still that one; if not, nobody looks for it. */
static void publish_meaning(weir_gateway *g, weir_epoch_member *member, weir_database *database,
                            const weir_template *t, const weir_surroundings *at)
{
    weir_pg_surroundings s = {
        .search_path = at->search_path, .role = at->role, .schema = weir_database_schema(database)};
    weir_footprint *footprint = NULL;
    weir_lexed lexed;
    if (!s.schema || weir_schema_fingerprint(s.schema) != at->schema)
        return;
    weir_lexed_init(&lexed);
    int r = weir_sql_lex(t->dialect, t->sample, &lexed);
    if (r == 0)
        r = weir_sql_analyze_postgres_reads(t->sample, &lexed, &s, &footprint);
    if (r == 0)
        r = weir_template_publish_variant(t, member, at->meaning, footprint);
    else
        weir_template_unask_variant(t);
    if (r < 0)
        weir_log_event(g->log, WEIR_LOG_CACHE, WEIR_LOG_DEBUG,
                       "no memory for what a statement depends on");
    weir_lexed_fini(&lexed);
}

static void publish_at(analysis *a, weir_epoch_member *member)
{
    weir_surroundings at = {.search_path = weir_slice_make(a->text + a->len, a->path_len),
                            .role = weir_slice_make(a->text + a->len + a->path_len, a->role_len),
                            .meaning = a->meaning,
                            .schema = a->schema};
    weir_epoch_online(member);
    const weir_template *t =
        weir_template_find(weir_engine_templates(a->gateway->engine), a->id, a->serial);
    if (t)
        publish_meaning(a->gateway, member, a->database, t, &at);
    weir_epoch_quiescent(member);
    weir_epoch_offline(member);
}

static void run(weir_job *job)
{
    analysis *a = WEIR_CONTAINER_OF(job, analysis, job);
    weir_epoch_member *member = NULL;
    if (weir_epoch_join(a->gateway->options.epoch, &member) == 0) {
        if (a->database)
            publish_at(a, member);
        else
            publish(a, member);
        weir_epoch_leave(member);
    }
    atomic_fetch_sub(&a->gateway->analyses, 1);
    free(a);
}

/* Analysed and published, unless what was published was made from the same facts. */
static int publish_accesses(weir_template_table *table, weir_epoch_member *member,
                            const weir_lexed *lexed, weir_slice text, uint32_t tick,
                            const weir_access *accesses, size_t count, const weir_catalog *catalog)
{
    const weir_template *t = NULL;
    weir_footprint *footprint = NULL;
    int r = weir_template_intern(table, member, WEIR_DIALECT_SQLITE, lexed, text, tick, &t);
    if (r < 0)
        return r;
    const weir_footprint *known = atomic_load_explicit(&t->footprint, memory_order_acquire);
    if (catalog && known->from_grammar && known->fingerprint == catalog->fingerprint)
        return 0;
    r = weir_sql_analyze_accesses(accesses, count, catalog, text, lexed, &footprint);
    if (r == 0)
        weir_template_publish(t, member, footprint);
    return r;
}

/* SQLite tells what a text touches whenever it is prepared on some connection, on whichever thread
 * that is. Out of memory: the lexer's word stands. */
void weir_gateway_on_accesses(void *gateway, weir_slice text, const weir_access *accesses,
                              size_t count, const weir_catalog *catalog)
{
    weir_gateway *g = gateway;
    weir_epoch_member *member = NULL;
    weir_lexed lexed;
    weir_lexed_init(&lexed);
    if (weir_sql_lex(WEIR_DIALECT_SQLITE, text, &lexed) == 0 &&
        weir_epoch_join(g->options.epoch, &member) == 0) {
        uint32_t tick = (uint32_t)(weir_loop_clock(g->workers[0].loop) / WEIR_SECOND);
        weir_epoch_online(member);
        int r = publish_accesses(weir_engine_templates(g->engine), member, &lexed, text, tick,
                                 accesses, count, catalog);
        (void)r;
        weir_epoch_quiescent(member);
        weir_epoch_offline(member);
        weir_epoch_leave(member);
    }
    weir_lexed_fini(&lexed);
}

#define JOBS_MAX 256u

/* NULL: too many wait, or there is no memory for one more. */
static analysis *new_analysis(weir_gateway *g, const weir_template *t, size_t more)
{
    if (atomic_fetch_add(&g->analyses, 1) >= JOBS_MAX) {
        atomic_fetch_sub(&g->analyses, 1);
        return NULL;
    }
    analysis *a = malloc(sizeof(*a) + t->sample.len + more);
    if (!a) {
        atomic_fetch_sub(&g->analyses, 1);
        return NULL;
    }
    *a = (analysis){
        .job = {.run = run}, .gateway = g, .id = t->id, .serial = t->serial, .dialect = t->dialect};
    a->len = t->sample.len;
    memcpy(a->text, t->sample.data, t->sample.len);
    return a;
}

void weir_gateway_analyze(void *gateway, weir_worker *worker, const weir_template *t)
{
    (void)worker;
    weir_gateway *g = gateway;
    if (t->dialect != WEIR_DIALECT_POSTGRES || t->sample.len == 0)
        return; /* no sample: the text is beyond the grammar's caps */
    analysis *a = new_analysis(g, t, 0);
    if (a && weir_template_ask_analysis(t)) {
        weir_executor_submit(g->options.analyst, &a->job);
    } else if (a) {
        atomic_fetch_sub(&g->analyses, 1);
        free(a);
    }
}

void weir_gateway_analyze_at(void *gateway, weir_worker *worker, const weir_template *t,
                             weir_database *database, const weir_surroundings *at)
{
    (void)worker;
    weir_gateway *g = gateway;
    analysis *a =
        t->sample.len == 0 ? NULL : new_analysis(g, t, at->search_path.len + at->role.len);
    if (!a) {
        weir_template_unask_variant(t);
        return;
    }
    a->database = database;
    a->meaning = at->meaning;
    a->schema = at->schema;
    a->path_len = at->search_path.len;
    a->role_len = at->role.len;
    memcpy(a->text + a->len, at->search_path.data, at->search_path.len);
    memcpy(a->text + a->len + a->path_len, at->role.data, at->role.len);
    weir_executor_submit(g->options.analyst, &a->job);
}

/* ---- ahead: what was known under the schema before is found out under the new one ---- */

#define AHEAD_AT_ONCE 16u /* then others have their turn */

typedef struct ahead {
    weir_job job;
    weir_gateway *gateway;
    weir_database *database;
    unsigned place;  /* of the database's readings */
    uint64_t schema; /* that it is for */
    uint32_t next;   /* the template's id to go on with */
} ahead;

typedef struct sweep {
    ahead *of;
    weir_epoch_member *member;
    const weir_read_at *reading;
    unsigned left;
} sweep;

static bool was_known(const weir_template *t, const weir_read_at *reading)
{
    for (unsigned i = 0; i < WEIR_READING_MEANINGS && reading->before[i] != 0; i++)
        if (weir_template_variant(t, reading->before[i]))
            return true;
    return false;
}

static bool visit(void *user, const weir_template *t)
{
    sweep *s = user;
    const weir_surroundings *at = &s->reading->at;
    if (t->id < s->of->next)
        return true;
    s->of->next = t->id + 1;
    if (t->dialect != WEIR_DIALECT_POSTGRES || t->sample.len == 0 || !was_known(t, s->reading) ||
        weir_template_variant(t, at->meaning) || !weir_template_ask_variant(t, at->meaning))
        return true;
    publish_meaning(s->of->gateway, s->member, s->of->database, t, at);
    return --s->left > 0;
}

/* True: there is more to do. */
static bool sweep_some(ahead *a, weir_epoch_member *member)
{
    weir_read_at reading;
    if (atomic_load(&a->gateway->draining) ||
        !weir_database_read_at(a->database, a->place, &reading) || reading.at.meaning == 0 ||
        reading.at.schema != a->schema)
        return false; /* the next schema begins anew */
    sweep s = {.of = a, .member = member, .reading = &reading, .left = AHEAD_AT_ONCE};
    weir_template_each(weir_engine_templates(a->gateway->engine), visit, &s);
    return s.left == 0;
}

static void run_ahead(weir_job *job)
{
    ahead *a = WEIR_CONTAINER_OF(job, ahead, job);
    weir_epoch_member *member = NULL;
    bool more = false;
    if (weir_epoch_join(a->gateway->options.epoch, &member) == 0) {
        weir_epoch_online(member);
        more = sweep_some(a, member);
        weir_epoch_quiescent(member);
        weir_epoch_offline(member);
        weir_epoch_leave(member);
    }
    if (more)
        weir_executor_submit(a->gateway->options.analyst, &a->job);
    else
        free(a);
}

void weir_gateway_analyze_ahead(weir_gateway *g, weir_database *database)
{
    weir_read_at reading;
    for (unsigned i = 0; g->options.analyst && weir_database_read_at(database, i, &reading); i++) {
        ahead *a = reading.at.meaning != 0 && reading.before[0] != 0 ? malloc(sizeof(*a)) : NULL;
        if (!a)
            continue; /* each is analysed when it is asked for */
        *a = (ahead){.job = {.run = run_ahead},
                     .gateway = g,
                     .database = database,
                     .place = i,
                     .schema = reading.at.schema};
        weir_executor_submit(g->options.analyst, &a->job);
    }
}
