/* The table itself, and the reports on what the engine knows. Cells lie one behind the other:
 * length, bytes; a row is `column_count` of them. */
#include "engine/report.h"
#include "base/utf8.h"
#include "engine/report_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define NULL_CELL UINT32_MAX
#define TEXT_SHOWN_MAX 4096u /* of a statement */

/* ---- the table ---- */

void weir_report_init(weir_report *r, const weir_report_column *columns, unsigned count,
                      size_t size_max)
{
    *r = (weir_report){.columns = columns, .column_count = count};
    weir_buf_init(&r->cells, size_max);
}

void weir_report_fini(weir_report *r)
{
    weir_buf_fini(&r->cells);
}

/* The host's byte order: a report never leaves its process. */
static void append(weir_report *r, uint32_t len, const void *bytes)
{
    size_t size = len == NULL_CELL ? 0 : len;
    if (r->error < 0)
        return;
    r->error = weir_buf_reserve(&r->cells, sizeof(len) + size);
    if (r->error < 0)
        return;
    memcpy(r->cells.data + r->cells.len, &len, sizeof(len));
    if (bytes)
        memcpy(r->cells.data + r->cells.len + sizeof(len), bytes, size);
    r->cells.len += sizeof(len) + size;
    if (++r->filled == r->column_count) {
        r->filled = 0;
        r->rows++;
    }
}

void weir_report_slice(weir_report *r, weir_slice text)
{
    if (text.len >= NULL_CELL) {
        r->error = r->error < 0 ? r->error : -EMSGSIZE;
        return;
    }
    append(r, (uint32_t)text.len, text.data);
    if (r->error < 0)
        return;
    uint8_t *cell = r->cells.data + r->cells.len - text.len;
    for (size_t i = 0; i < text.len; i++) /* no protocol here carries zero bytes in text */
        cell[i] = cell[i] ? cell[i] : ' ';
}

void weir_report_text(weir_report *r, const char *text)
{
    if (text)
        weir_report_slice(r, weir_slice_cstr(text));
    else
        weir_report_null(r);
}

void weir_report_null(weir_report *r)
{
    append(r, NULL_CELL, NULL);
}

void weir_report_int(weir_report *r, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)value);
    append(r, (uint32_t)n, text);
}

void weir_report_seconds(weir_report *r, uint64_t ns)
{
    char text[40];
    int n = snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(ns / 1000000000u),
                     (unsigned long long)(ns % 1000000000u));
    append(r, (uint32_t)n, text);
}

void weir_report_real(weir_report *r, double value)
{
    char text[40];
    int n = snprintf(text, sizeof(text), "%.6f", value);
    append(r, (uint32_t)n, text);
}

int weir_report_error(const weir_report *r)
{
    assert(r->error < 0 || r->filled == 0);
    return r->error;
}

bool weir_report_next(const weir_report *r, size_t *pos, weir_slice *ret)
{
    uint32_t len;
    if (*pos + sizeof(len) > r->cells.len)
        return false;
    memcpy(&len, r->cells.data + *pos, sizeof(len));
    *pos += sizeof(len);
    if (len == NULL_CELL) {
        *ret = weir_slice_make(NULL, 0);
        return true;
    }
    *ret = weir_slice_make(r->cells.data + *pos, len);
    *pos += len;
    return true;
}

int weir_report_column_find(const weir_report *r, const char *name)
{
    for (unsigned i = 0; i < r->column_count; i++)
        if (strcmp(r->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- sums ---- */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_worker(weir_database_totals *sum, const weir_database_stats *d)
{
    for (unsigned k = 0; k < WEIR_KINDS; k++)
        for (unsigned t = 0; t < WEIR_TARGETS; t++)
            sum->queries += get(&d->queries[k][t]);
    for (unsigned i = 0; i < WEIR_SQLSTATE_CLASSES; i++)
        sum->errors += get(&d->errors[i]);
    for (unsigned t = 0; t < WEIR_TARGETS; t++)
        sum->query_ns += get(&d->duration[t].sum_ns);
    sum->transactions += get(&d->transactions);
    sum->rows += get(&d->rows);
    sum->slow += get(&d->slow);
    sum->bytes_in += get(&d->bytes_in);
    sum->bytes_out += get(&d->bytes_out);
}

static void add_pool(weir_database_totals *sum, const weir_pools *p, weir_time now)
{
    weir_pool_stats stats;
    weir_hist waits = {0};
    weir_pool_stats_read(p->pool, now, &stats);
    weir_pool_wait_times(p->pool, &waits);
    sum->pools++;
    sum->opening += stats.opening;
    sum->idle += stats.idle;
    sum->lent += stats.lent;
    sum->pinned += stats.pinned;
    sum->outdated += stats.outdated;
    sum->leaks += stats.leaks;
    sum->assigned += stats.acquired;
    sum->waiting += stats.waiting;
    sum->timeouts += stats.timeouts + stats.refused;
    sum->sessions += weir_pools_sessions(p);
    sum->wait_ns += get(&waits.sum_ns);
    sum->waits += get(&waits.count);
}

void weir_database_sum(weir_engine *engine, const weir_database *database, weir_time now,
                       weir_database_totals *ret)
{
    *ret = (weir_database_totals){.paused = weir_database_paused(database)};
    for (unsigned i = 0; i < engine->options.workers; i++) {
        const weir_database_stats *d =
            engine->workers[i] ? weir_worker_database_stats(engine->workers[i], database) : NULL;
        if (d)
            add_worker(ret, d);
    }
    for (const weir_pools *p = weir_database_pools(database); p; p = p->next)
        add_pool(ret, p, now);
}

/* ---- databases ---- */

static const char *pool_mode(const weir_database *d)
{
    return weir_lending_name(weir_database_lending(d));
}

static const weir_report_column database_columns[] = {
    {"name", WEIR_REPORT_TEXT},
    {"host", WEIR_REPORT_TEXT},
    {"port", WEIR_REPORT_INT},
    {"database", WEIR_REPORT_TEXT},
    {"force_user", WEIR_REPORT_TEXT},
    {"pool_size", WEIR_REPORT_INT},
    {"min_pool_size", WEIR_REPORT_INT},
    {"reserve_pool", WEIR_REPORT_INT},
    {"pool_mode", WEIR_REPORT_TEXT},
    {"max_connections", WEIR_REPORT_INT},
    {"current_connections", WEIR_REPORT_INT},
    {"paused", WEIR_REPORT_INT},
    {"disabled", WEIR_REPORT_INT},
    {"backend", WEIR_REPORT_TEXT},
    {"address", WEIR_REPORT_TEXT},
    {"clients", WEIR_REPORT_INT},
    {"max_pinned", WEIR_REPORT_INT},
    {"up", WEIR_REPORT_INT},
    {"reserve_pool_size", WEIR_REPORT_INT},
    {"server_lifetime", WEIR_REPORT_INT},
    {"max_client_connections", WEIR_REPORT_INT},
    {"current_client_connections", WEIR_REPORT_INT},
    {"draining", WEIR_REPORT_INT},
    {"outdated", WEIR_REPORT_INT},
};

/* The columns of old, as PgBouncer has them, then ours, then what newer PgBouncers have. */
static void fill_database(weir_report *r, const weir_database *d, weir_time now)
{
    const weir_pool_options *o = &atomic_load(&d->limits)->pool;
    const weir_place *place = weir_place_of(d);
    weir_database_totals sum;
    weir_database_sum(d->engine, d, now, &sum);
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, place->host);
    weir_report_int(r, place->port);
    weir_report_text(r, place->dbname ? place->dbname : weir_database_label(d));
    weir_report_text(r, place->user);
    weir_report_int(r, o->size_max);
    weir_report_int(r, o->size_min);
    weir_report_int(r, o->reserve_size);
    weir_report_text(r, pool_mode(d));
    weir_report_int(r, weir_pool_quota_max(d->connections));
    weir_report_int(r, weir_pool_quota_used(d->connections));
    weir_report_int(r, sum.paused);
    weir_report_int(r, weir_database_disabled(d));
    weir_report_text(r, d->backend->ops->name);
    weir_report_text(r, weir_database_shown(d));
    weir_report_int(r, (int64_t)sum.sessions);
    weir_report_int(r, o->pinned_max);
    weir_report_int(r, weir_database_up(d));
    weir_report_int(r, o->reserve_size);
    weir_report_int(r, o->lifetime_max / WEIR_SECOND);
    weir_report_int(r, atomic_load(&d->max_clients));
    weir_report_int(r, atomic_load(&d->clients));
    weir_report_int(r, weir_database_closed(d));
    weir_report_int(r, (int64_t)sum.outdated);
}

static void fill_databases(weir_report *r, weir_engine *engine, weir_worker *at)
{
    for (unsigned i = 0; i < engine->database_count; i++)
        if (!weir_database_removed(engine->databases[i]))
            fill_database(r, engine->databases[i], weir_worker_now(at));
}

/* ---- pools ---- */

static const weir_report_column pool_columns[] = {
    {"database", WEIR_REPORT_TEXT},
    {"user", WEIR_REPORT_TEXT},
    {"cl_active", WEIR_REPORT_INT},
    {"cl_waiting", WEIR_REPORT_INT},
    {"cl_active_cancel_req", WEIR_REPORT_INT},
    {"cl_waiting_cancel_req", WEIR_REPORT_INT},
    {"sv_active", WEIR_REPORT_INT},
    {"sv_active_cancel", WEIR_REPORT_INT},
    {"sv_being_canceled", WEIR_REPORT_INT},
    {"sv_idle", WEIR_REPORT_INT},
    {"sv_used", WEIR_REPORT_INT},
    {"sv_tested", WEIR_REPORT_INT},
    {"sv_login", WEIR_REPORT_INT},
    {"maxwait", WEIR_REPORT_INT},
    {"maxwait_us", WEIR_REPORT_INT},
    {"pool_mode", WEIR_REPORT_TEXT},
    {"sv_pinned", WEIR_REPORT_INT},
    {"acquired", WEIR_REPORT_BIGINT},
    {"waited", WEIR_REPORT_BIGINT},
    {"timeouts", WEIR_REPORT_BIGINT},
    {"refused", WEIR_REPORT_BIGINT},
    {"opened", WEIR_REPORT_BIGINT},
    {"open_failures", WEIR_REPORT_BIGINT},
    {"closed", WEIR_REPORT_BIGINT},
    {"leaks", WEIR_REPORT_BIGINT},
    {"outdated", WEIR_REPORT_INT},
};

/* As PgBouncer counts: a client that rests is active, one in line is waiting. */
static void fill_pool(weir_report *r, const weir_pools *p, weir_time now)
{
    weir_pool_stats s;
    weir_pool_stats_read(p->pool, now, &s);
    uint64_t sessions = weir_pools_sessions(p);
    weir_report_text(r, weir_database_label(p->database));
    weir_report_text(r, p->user);
    weir_report_int(r, (int64_t)(sessions > s.waiting ? sessions - s.waiting : 0));
    weir_report_int(r, (int64_t)s.waiting);
    weir_report_int(r, 0);
    weir_report_int(r, 0);
    weir_report_int(r, (int64_t)s.lent);
    weir_report_int(r, 0);
    weir_report_int(r, 0);
    weir_report_int(r, (int64_t)s.idle);
    weir_report_int(r, 0);
    weir_report_int(r, 0);
    weir_report_int(r, (int64_t)s.opening);
    weir_report_int(r, s.oldest_wait / WEIR_SECOND);
    weir_report_int(r, s.oldest_wait % WEIR_SECOND / WEIR_US);
    weir_report_text(r, pool_mode(p->database));
    const uint64_t more[] = {s.pinned, s.acquired,      s.waited, s.timeouts, s.refused,
                             s.opened, s.open_failures, s.closed, s.leaks,    s.outdated};
    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        weir_report_int(r, (int64_t)more[i]);
}

static void fill_pools(weir_report *r, weir_engine *engine, weir_worker *at)
{
    for (unsigned i = 0; i < engine->database_count; i++)
        for (const weir_pools *p = weir_database_pools(engine->databases[i]); p; p = p->next)
            fill_pool(r, p, weir_worker_now(at));
}

/* ---- stats ---- */

#define TOTAL_COLUMNS                                                                              \
    {"total_xact_count", WEIR_REPORT_BIGINT}, {"total_query_count", WEIR_REPORT_BIGINT},           \
        {"total_received", WEIR_REPORT_BIGINT}, {"total_sent", WEIR_REPORT_BIGINT},                \
        {"total_xact_time", WEIR_REPORT_BIGINT}, {"total_query_time", WEIR_REPORT_BIGINT},         \
    {                                                                                              \
        "total_wait_time", WEIR_REPORT_BIGINT                                                      \
    }
#define AVERAGE_COLUMNS                                                                            \
    {"avg_xact_count", WEIR_REPORT_BIGINT}, {"avg_query_count", WEIR_REPORT_BIGINT},               \
        {"avg_recv", WEIR_REPORT_BIGINT}, {"avg_sent", WEIR_REPORT_BIGINT},                        \
        {"avg_xact_time", WEIR_REPORT_BIGINT}, {"avg_query_time", WEIR_REPORT_BIGINT},             \
    {                                                                                              \
        "avg_wait_time", WEIR_REPORT_BIGINT                                                        \
    }

static const weir_report_column stats_columns[] = {
    {"database", WEIR_REPORT_TEXT},
    TOTAL_COLUMNS,
    AVERAGE_COLUMNS,
    {"total_rows", WEIR_REPORT_BIGINT},
    {"total_errors", WEIR_REPORT_BIGINT},
    {"total_slow", WEIR_REPORT_BIGINT},
    {"total_server_assignment_count", WEIR_REPORT_BIGINT},
    {"avg_server_assignment_count", WEIR_REPORT_BIGINT},
};
static const weir_report_column stats_totals_columns[] = {
    {"database", WEIR_REPORT_TEXT},
    TOTAL_COLUMNS,
    {"total_server_assignment_count", WEIR_REPORT_BIGINT},
};
static const weir_report_column stats_averages_columns[] = {
    {"database", WEIR_REPORT_TEXT},
    AVERAGE_COLUMNS,
    {"avg_server_assignment_count", WEIR_REPORT_BIGINT},
};

static int64_t ratio(uint64_t n, uint64_t by)
{
    return by ? (int64_t)(n / by) : 0;
}

enum { TOTALS = 1, AVERAGES = 2, MORE = 4 };

/* Times are microseconds. The averages of rates are over the whole life of the process (PgBouncer:
 * over its last minute). Time between a transaction's statements is not counted. */
static void fill_stats_of(weir_report *r, const weir_database *d, weir_time now, unsigned parts)
{
    weir_database_totals s;
    weir_database_sum(d->engine, d, now, &s);
    uint64_t life = (uint64_t)((now - d->engine->started) / WEIR_SECOND);
    life = life ? life : 1;
    const uint64_t query_us = s.query_ns / 1000, wait_us = s.wait_ns / 1000;
    const uint64_t totals[] = {s.transactions, s.queries, s.bytes_in, s.bytes_out,
                               query_us,       query_us,  wait_us};
    weir_report_text(r, weir_database_label(d));
    for (size_t t = 0; (parts & TOTALS) && t < sizeof(totals) / sizeof(*totals); t++)
        weir_report_int(r, (int64_t)totals[t]);
    for (size_t t = 0; (parts & AVERAGES) && t < 4; t++)
        weir_report_int(r, ratio(totals[t], life));
    if (parts & AVERAGES) {
        weir_report_int(r, ratio(query_us, s.transactions));
        weir_report_int(r, ratio(query_us, s.queries));
        weir_report_int(r, ratio(wait_us, s.waits));
    }
    if (parts & MORE) {
        weir_report_int(r, (int64_t)s.rows);
        weir_report_int(r, (int64_t)s.errors);
        weir_report_int(r, (int64_t)s.slow);
    }
    if (parts & TOTALS)
        weir_report_int(r, (int64_t)s.assigned);
    if (parts & AVERAGES)
        weir_report_int(r, ratio(s.assigned, life));
}

static void fill_each_stats(weir_report *r, weir_engine *engine, weir_worker *at, unsigned parts)
{
    for (unsigned i = 0; i < engine->database_count; i++)
        if (!weir_database_removed(engine->databases[i]))
            fill_stats_of(r, engine->databases[i], weir_worker_now(at), parts);
}

static void fill_stats(weir_report *r, weir_engine *engine, weir_worker *at)
{
    fill_each_stats(r, engine, at, TOTALS | AVERAGES | MORE);
}

static void fill_stats_totals(weir_report *r, weir_engine *engine, weir_worker *at)
{
    fill_each_stats(r, engine, at, TOTALS);
}

static void fill_stats_averages(weir_report *r, weir_engine *engine, weir_worker *at)
{
    fill_each_stats(r, engine, at, AVERAGES);
}

/* ---- statements ---- */

static const weir_report_column statement_columns[] = {
    {"id", WEIR_REPORT_TEXT},
    {"kind", WEIR_REPORT_TEXT},
    {"calls", WEIR_REPORT_BIGINT},
    {"errors", WEIR_REPORT_BIGINT},
    {"rows", WEIR_REPORT_BIGINT},
    {"total_seconds", WEIR_REPORT_REAL},
    {"mean_seconds", WEIR_REPORT_REAL},
    {"max_seconds", WEIR_REPORT_REAL},
    {"p95_seconds", WEIR_REPORT_REAL},
    {"cache_hits", WEIR_REPORT_BIGINT},
    {"cache_fills", WEIR_REPORT_BIGINT},
    {"text", WEIR_REPORT_TEXT},
};

typedef struct statement_row {
    const weir_template *t;
    uint64_t calls, errors, rows, total_ns, max_ns, hits, fills;
    uint64_t buckets[WEIR_STATEMENT_BUCKETS];
} statement_row;

typedef struct statement_rows {
    weir_engine *engine;
    statement_row *row;
    size_t count, cap;
} statement_rows;

static bool take_statement(void *user, const weir_template *t)
{
    statement_rows *rows = user;
    if (rows->count == rows->cap)
        return false;
    statement_row *row = &rows->row[rows->count];
    *row = (statement_row){.t = t};
    for (unsigned i = 0; i < rows->engine->options.workers; i++) {
        const weir_worker *w = rows->engine->workers[i];
        const weir_statement_stats *s = w ? weir_worker_statement_stats(w, t->id, t->serial) : NULL;
        if (!s)
            continue;
        uint64_t max = get(&s->max_ns);
        row->calls += get(&s->calls);
        row->errors += get(&s->errors);
        row->rows += get(&s->rows);
        row->hits += get(&s->hits);
        row->fills += get(&s->fills);
        row->total_ns += get(&s->total_ns);
        row->max_ns = max > row->max_ns ? max : row->max_ns;
        for (unsigned b = 0; b < WEIR_STATEMENT_BUCKETS; b++)
            row->buckets[b] += atomic_load_explicit(&s->buckets[b], memory_order_relaxed);
    }
    rows->count += row->calls > 0;
    return true;
}

static int by_total(const void *a, const void *b)
{
    const statement_row *x = a, *y = b;
    if (x->total_ns != y->total_ns)
        return x->total_ns < y->total_ns ? 1 : -1;
    return x->t->id < y->t->id ? -1 : x->t->id > y->t->id;
}

/* The upper bound of the bucket that 95 % of the calls are within, at most the longest. */
static uint64_t p95(const statement_row *row)
{
    uint64_t total = 0, sum = 0;
    for (unsigned b = 0; b < WEIR_STATEMENT_BUCKETS; b++)
        total += row->buckets[b];
    for (unsigned b = 0; b + 1 < WEIR_STATEMENT_BUCKETS; b++) {
        sum += row->buckets[b];
        uint64_t bound = (uint64_t)1000 << b;
        if (sum * 20 >= total * 19)
            return bound < row->max_ns ? bound : row->max_ns;
    }
    return row->max_ns;
}

weir_slice weir_report_shown(weir_slice text)
{
    return weir_utf8_head(text, TEXT_SHOWN_MAX);
}

static void fill_statement(weir_report *r, const statement_row *row)
{
    char id[20];
    const weir_footprint *f = atomic_load_explicit(&row->t->footprint, memory_order_acquire);
    /* Not the table's hash, whose seed is the process's: the id shall outlive a restart. */
    (void)snprintf(id, sizeof(id), "%016llx",
                   (unsigned long long)weir_hash((weir_hash_seed){{0, 0}}, row->t->text));
    weir_report_text(r, id);
    weir_report_text(r, weir_kind_name(f->kind));
    weir_report_int(r, (int64_t)row->calls);
    weir_report_int(r, (int64_t)row->errors);
    weir_report_int(r, (int64_t)row->rows);
    weir_report_seconds(r, row->total_ns);
    weir_report_seconds(r, row->total_ns / row->calls);
    weir_report_seconds(r, row->max_ns);
    weir_report_seconds(r, p95(row));
    weir_report_int(r, (int64_t)row->hits);
    weir_report_int(r, (int64_t)row->fills);
    weir_report_slice(r, weir_report_shown(row->t->text));
}

/* On a worker, which is online in the epoch: the templates stay while we look. */
static void fill_statements(weir_report *r, weir_engine *engine, weir_worker *at)
{
    (void)at;
    statement_rows rows = {.engine = engine, .cap = weir_template_table_count(engine->templates)};
    if (rows.cap == 0)
        return;
    rows.row = calloc(rows.cap, sizeof(*rows.row));
    if (!rows.row) {
        r->error = -ENOMEM;
        return;
    }
    weir_template_each(engine->templates, take_statement, &rows);
    qsort(rows.row, rows.count, sizeof(*rows.row), by_total);
    for (size_t i = 0; i < rows.count; i++)
        fill_statement(r, &rows.row[i]);
    free(rows.row);
}

static const weir_report_source databases =
    WEIR_REPORT_SOURCE("databases", database_columns, fill_databases);
static const weir_report_source pools = WEIR_REPORT_SOURCE("pools", pool_columns, fill_pools);
static const weir_report_source stats = WEIR_REPORT_SOURCE("stats", stats_columns, fill_stats);
static const weir_report_source stats_totals =
    WEIR_REPORT_SOURCE("stats_totals", stats_totals_columns, fill_stats_totals);
static const weir_report_source stats_averages =
    WEIR_REPORT_SOURCE("stats_averages", stats_averages_columns, fill_stats_averages);
static const weir_report_source statements =
    WEIR_REPORT_SOURCE("statements", statement_columns, fill_statements);

const weir_report_source *const weir_engine_reports[] = {&databases,
                                                         &pools,
                                                         &stats,
                                                         &stats_totals,
                                                         &stats_averages,
                                                         &statements,
                                                         &weir_report_cache,
                                                         &weir_report_misses,
                                                         &weir_report_strategies,
                                                         &weir_report_entries,
                                                         &weir_report_templates,
                                                         &weir_report_rules,
                                                         &weir_report_catalog,
                                                         &weir_report_embedded,
                                                         NULL};
