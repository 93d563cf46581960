/* Recording a finished statement, and reading what was recorded. */
#include "engine/stats.h"
#include "engine/internal.h"
#include <stdlib.h>

/* Classes of PostgreSQL's appendix A, in order; the last stands for all others. */
static const char class_names[WEIR_SQLSTATE_CLASSES][6] = {
    "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20",   "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39",   "3B", "3D",
    "3F", "40", "42", "44", "53", "54", "55", "57", "58", "F0", "XX", "other"};

/* The position of a SQLSTATE's class in `errors`. */
static unsigned class_of(const char *sqlstate)
{
    unsigned i = 0;
    while (i < WEIR_SQLSTATE_CLASSES - 1 && memcmp(class_names[i], sqlstate, 2) != 0)
        i++;
    return i;
}

const char *weir_sqlstate_class_name(unsigned index)
{
    assert(index < WEIR_SQLSTATE_CLASSES);
    return class_names[index];
}

weir_database_stats *weir_session_database_stats(weir_session *s)
{
    weir_worker *w = s->worker;
    unsigned index = s->pools->database->index;
    weir_database_stats *d = atomic_load_explicit(&w->stats.databases[index], memory_order_relaxed);
    if (d)
        return d;
    d = calloc(1, sizeof(*d));
    if (d)
        atomic_store_explicit(&w->stats.databases[index], d, memory_order_release);
    return d;
}

static weir_statement_stats *statement_stats(weir_worker *w, uint32_t id)
{
    uint32_t chunk = id / WEIR_STATS_CHUNK;
    if (chunk >= w->stats.chunk_count)
        return NULL;
    weir_statement_stats *s = atomic_load_explicit(&w->stats.chunks[chunk], memory_order_relaxed);
    if (!s) {
        s = calloc(WEIR_STATS_CHUNK, sizeof(*s));
        if (!s)
            return NULL;
        atomic_store_explicit(&w->stats.chunks[chunk], s, memory_order_release);
    }
    return &s[id % WEIR_STATS_CHUNK];
}

/* The template that had this id was evicted: its figures go with it. */
static void restart(weir_statement_stats *s, uint32_t serial)
{
    atomic_store_explicit(&s->calls, 0, memory_order_relaxed);
    atomic_store_explicit(&s->errors, 0, memory_order_relaxed);
    atomic_store_explicit(&s->rows, 0, memory_order_relaxed);
    atomic_store_explicit(&s->total_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&s->max_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&s->fills, 0, memory_order_relaxed);
    atomic_store_explicit(&s->hits, 0, memory_order_relaxed);
    atomic_store_explicit(&s->fill_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&s->runs, 0, memory_order_relaxed);
    atomic_store_explicit(&s->run_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&s->mean_ns, 0, memory_order_relaxed);
    for (unsigned i = 0; i < WEIR_STATEMENT_BUCKETS; i++)
        atomic_store_explicit(&s->buckets[i], 0, memory_order_relaxed);
    atomic_store_explicit(&s->serial, serial, memory_order_release);
}

weir_statement_stats *weir_worker_statement(weir_worker *worker, uint32_t id, uint32_t serial)
{
    weir_statement_stats *s = statement_stats(worker, id);
    if (s && atomic_load_explicit(&s->serial, memory_order_relaxed) != serial)
        restart(s, serial);
    return s;
}

static unsigned bucket_of(uint64_t ns)
{
    uint64_t us = (ns + 999) / 1000;
    unsigned b = us <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(us - 1);
    return b < WEIR_STATEMENT_BUCKETS ? b : WEIR_STATEMENT_BUCKETS - 1;
}

#define MEAN_WEIGHT 8u /* the newest run has one part in so many of the mean */

static void count_run(weir_statement_stats *s, uint64_t ns)
{
    uint64_t mean = atomic_load_explicit(&s->mean_ns, memory_order_relaxed);
    mean = mean == 0 ? ns : mean - mean / MEAN_WEIGHT + ns / MEAN_WEIGHT;
    atomic_store_explicit(&s->mean_ns, mean, memory_order_relaxed);
    weir_count(&s->runs, 1);
    weir_count(&s->run_ns, ns);
}

static void record_statement(weir_worker *w, const weir_statement *st, weir_target target,
                             uint64_t ns, uint64_t rows, bool failed)
{
    weir_statement_stats *s = weir_worker_statement(w, st->template_id, st->template_serial);
    if (!s)
        return;
    weir_count(&s->calls, 1);
    weir_count(&s->total_ns, ns);
    if (rows)
        weir_count(&s->rows, rows);
    if (failed)
        weir_count(&s->errors, 1);
    else if (target != WEIR_TARGET_CACHE)
        count_run(s, ns);
    if (ns > atomic_load_explicit(&s->max_ns, memory_order_relaxed))
        atomic_store_explicit(&s->max_ns, ns, memory_order_relaxed);
    _Atomic uint32_t *b = &s->buckets[bucket_of(ns)];
    atomic_store_explicit(b, atomic_load_explicit(b, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The slow log tells the template, never the literals: those may be anybody's data. */
static void log_slow(weir_session *s, const weir_statement *st, weir_time took, uint64_t rows,
                     const char *sqlstate)
{
    weir_engine *e = s->worker->engine;
    if (!weir_log_enabled(e->options.log, WEIR_LOG_SLOW, WEIR_LOG_INFO))
        return;
    const weir_template *t = weir_template_find(e->templates, st->template_id, st->template_serial);
    weir_log_event(e->options.log, WEIR_LOG_SLOW, WEIR_LOG_INFO, "slow statement",
                   WEIR_F_STR("db", s->pools->database->label), WEIR_F_STR("user", s->pools->user),
                   WEIR_F_DURATION("took", took), WEIR_F_INT("rows", rows),
                   WEIR_F_STR("sqlstate", *sqlstate ? sqlstate : "00000"),
                   WEIR_F_SLICE("statement", t ? t->text : WEIR_SLICE_LIT("(not kept)")));
}

void weir_session_record(weir_session *session, const weir_statement *statement, weir_target target,
                         weir_time started, uint64_t rows, const char *sqlstate)
{
    weir_worker *w = session->worker;
    weir_time took = weir_worker_clock(w) - started;
    uint64_t ns = took > 0 ? (uint64_t)took : 0;
    record_statement(w, statement, target, ns, rows, *sqlstate != '\0');
    weir_time slow = atomic_load_explicit(&w->engine->slow, memory_order_relaxed);
    bool is_slow = slow > 0 && took >= slow;
    if (is_slow)
        log_slow(session, statement, took, rows, sqlstate);
    weir_database_stats *d = weir_session_database_stats(session);
    if (!d)
        return;
    weir_count(&d->queries[statement->kind][target], 1);
    if (rows)
        weir_count(&d->rows, rows);
    if (is_slow)
        weir_count(&d->slow, 1);
    if (*sqlstate)
        weir_count(&d->errors[class_of(sqlstate)], 1);
    weir_hist_record(&d->duration[target], took);
}

void weir_session_count_bytes(weir_session *session, uint64_t in, uint64_t out)
{
    weir_database_stats *d = weir_session_database_stats(session);
    if (!d)
        return;
    if (in)
        weir_count(&d->bytes_in, in);
    if (out)
        weir_count(&d->bytes_out, out);
}

void weir_session_count_transaction(weir_session *session)
{
    weir_database_stats *d = weir_session_database_stats(session);
    if (d)
        weir_count(&d->transactions, 1);
}

const weir_database_stats *weir_worker_database_stats(const weir_worker *worker,
                                                      const weir_database *database)
{
    return atomic_load_explicit(&worker->stats.databases[database->index], memory_order_acquire);
}

const weir_statement_stats *weir_worker_statement_stats(const weir_worker *worker,
                                                        uint32_t template_id,
                                                        uint32_t template_serial)
{
    uint32_t chunk = template_id / WEIR_STATS_CHUNK;
    if (chunk >= worker->stats.chunk_count)
        return NULL;
    const weir_statement_stats *s =
        atomic_load_explicit(&worker->stats.chunks[chunk], memory_order_acquire);
    if (!s)
        return NULL;
    s += template_id % WEIR_STATS_CHUNK;
    return atomic_load_explicit(&s->serial, memory_order_acquire) == template_serial ? s : NULL;
}

#define SHORT_BUCKET 10 /* took at most 1 024 us, once */
#define SHORT_MEAN_NS ((uint64_t)(5 * WEIR_MS))

bool weir_session_known_short(const weir_session *session, const weir_statement *statement)
{
    const weir_statement_stats *s = weir_worker_statement_stats(
        session->worker, statement->template_id, statement->template_serial);
    uint64_t calls = s ? atomic_load_explicit(&s->calls, memory_order_relaxed) : 0;
    if (calls == 0 ||
        atomic_load_explicit(&s->total_ns, memory_order_relaxed) / calls > SHORT_MEAN_NS)
        return false;
    for (unsigned i = 0; i <= SHORT_BUCKET; i++)
        if (atomic_load_explicit(&s->buckets[i], memory_order_relaxed) > 0)
            return true;
    return false;
}
