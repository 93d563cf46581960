/* /metrics: what CONTRACT names, read from the engine's counters while the workers go on. Each
 * figure is exact, together they are of about the same moment. Names and labels are fixed; the
 * values of labels come from the configuration and from enumerations, so their number is bounded.
 */
#include "engine/replica.h"
#include "ops/metrics_cache.h"
#include "ops/metrics_catalog.h"
#include "ops/metrics_embedded.h"
#include "ops/metrics_listen.h"
#include "ops/ops.h"
#include "ops/process.h"
#include "ops/text.h"

typedef struct scrape {
    ops_text text;
    const weir_ops_host *host;
    weir_engine *engine;
    weir_time now;
} scrape;

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static weir_database *database_at(const scrape *s, unsigned i)
{
    return weir_engine_database_at(s->engine, i);
}

/* The figures of a database on a worker, or NULL. */
static const weir_database_stats *stats_of(const scrape *s, unsigned worker, unsigned database)
{
    const weir_worker *w = weir_engine_worker_at(s->engine, worker);
    return w ? weir_worker_database_stats(w, database_at(s, database)) : NULL;
}

/* ---- clients ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Derived from counters that exist anyway: a walk over ten thousand clients would stall a loop. */
static void put_clients(scrape *s)
{
    weir_database_totals all = {0};
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
        weir_database_totals one;
        weir_database_sum(s->engine, database_at(s, i), s->now, &one);
        all.sessions += one.sessions;
        all.waiting += one.waiting;
        all.lent += one.lent;
    }
    uint64_t clients = s->host->clients(s->host->user), admin = s->host->consoles(s->host->user);
    const struct {
        const char *state;
        uint64_t count;
    } states[] = {{"login", less(clients, all.sessions + admin)},
                  {"idle", less(all.sessions, all.waiting + all.lent)},
                  {"waiting", all.waiting},
                  {"active", all.lent},
                  {"admin", admin}};
    ops_family(&s->text, "weir_clients", "gauge",
               "Client connections: logging in, idle, waiting for a server connection, holding "
               "one, or in the admin database.");
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        ops_count(&s->text, OPS_LABELS({"state", states[i].state}), states[i].count);
}

static void put_pinned(scrape *s)
{
    ops_family(&s->text, "weir_pinned_sessions", "gauge",
               "Sessions that keep their server connection, by what first made them.");
    for (unsigned reason = 0; reason < WEIR_PIN_REASONS; reason++) {
        uint64_t n = 0;
        for (unsigned w = 0; w < weir_engine_workers(s->engine); w++) {
            const weir_worker *worker = weir_engine_worker_at(s->engine, w);
            n += worker ? weir_worker_pinned(worker, reason) : 0;
        }
        ops_count(&s->text, OPS_LABELS({"reason", weir_effect_name(1u << reason)}), n);
    }
}

/* ---- statements ---- */

static const char *target_name(unsigned target)
{
    static const char *const names[WEIR_TARGETS] = {[WEIR_TARGET_CACHE] = "cache",
                                                    [WEIR_TARGET_PRIMARY] = "primary",
                                                    [WEIR_TARGET_REPLICA] = "replica"};
    return names[target];
}

static uint64_t queries(const scrape *s, unsigned database, unsigned kind, unsigned target)
{
    uint64_t n = 0;
    for (unsigned w = 0; w < weir_engine_workers(s->engine); w++) {
        const weir_database_stats *d = stats_of(s, w, database);
        n += d ? get(&d->queries[kind][target]) : 0;
    }
    return n;
}

/* Reads and writes of the primary from the start on, so that a first one is seen as an increase. */
static void put_queries(scrape *s)
{
    ops_family(&s->text, "weir_queries_total", "counter", "Statements that finished.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++)
        for (unsigned kind = 0; kind < WEIR_KINDS; kind++)
            for (unsigned target = 0; target < WEIR_TARGETS; target++) {
                uint64_t n = queries(s, i, kind, target);
                bool always = target == WEIR_TARGET_PRIMARY &&
                              (kind == WEIR_KIND_READ || kind == WEIR_KIND_WRITE);
                if (n > 0 || always)
                    ops_count(&s->text,
                              OPS_LABELS({"database", weir_database_label(database_at(s, i))},
                                         {"kind", weir_kind_name((weir_kind)kind)},
                                         {"target", target_name(target)}),
                              n);
            }
}

static void put_durations(scrape *s)
{
    ops_family(&s->text, "weir_query_duration_seconds", "histogram",
               "Time from a statement's arrival to the end of its answer.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++)
        for (unsigned target = 0; target < WEIR_TARGETS; target++) {
            weir_hist sum = {0};
            for (unsigned w = 0; w < weir_engine_workers(s->engine); w++) {
                const weir_database_stats *d = stats_of(s, w, i);
                if (d)
                    weir_hist_merge(&sum, &d->duration[target]);
            }
            if (get(&sum.count) > 0 || target == WEIR_TARGET_PRIMARY)
                ops_histogram(&s->text,
                              OPS_LABELS({"database", weir_database_label(database_at(s, i))},
                                         {"target", target_name(target)}),
                              &sum);
        }
}

static void put_errors(scrape *s)
{
    ops_family(&s->text, "weir_query_errors_total", "counter",
               "Statements that failed, by the first two characters of their SQLSTATE.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++)
        for (unsigned class = 0; class < WEIR_SQLSTATE_CLASSES; class ++) {
            uint64_t n = 0;
            for (unsigned w = 0; w < weir_engine_workers(s->engine); w++) {
                const weir_database_stats *d = stats_of(s, w, i);
                n += d ? get(&d->errors[class]) : 0;
            }
            if (n > 0)
                ops_count(&s->text,
                          OPS_LABELS({"database", weir_database_label(database_at(s, i))},
                                     {"sqlstate_class", weir_sqlstate_class_name(class)}),
                          n);
        }
}

/* ---- figures of which each database has one ---- */

typedef struct database_metric {
    const char *name, *type, *help;
    uint64_t (*read)(const weir_database_totals *sum);
} database_metric;

static uint64_t slow(const weir_database_totals *sum)
{
    return sum->slow;
}

static uint64_t transactions(const weir_database_totals *sum)
{
    return sum->transactions;
}

static uint64_t waiting(const weir_database_totals *sum)
{
    return sum->waiting;
}

static uint64_t received(const weir_database_totals *sum)
{
    return sum->bytes_in;
}

static uint64_t sent(const weir_database_totals *sum)
{
    return sum->bytes_out;
}

static uint64_t timeouts(const weir_database_totals *sum)
{
    return sum->timeouts;
}

static uint64_t paused(const weir_database_totals *sum)
{
    return sum->paused;
}

static uint64_t leaks(const weir_database_totals *s)
{
    return s->leaks;
}

static uint64_t assigned(const weir_database_totals *s)
{
    return s->assigned;
}

static const database_metric database_metrics[] = {
    {"weir_slow_queries_total", "counter", "Statements slower than log.slow.", slow},
    {"weir_transactions_total", "counter", "Transactions that ended.", transactions},
    {"weir_received_bytes_total", "counter", "Bytes from clients.", received},
    {"weir_sent_bytes_total", "counter", "Bytes to clients.", sent},
    {"weir_pool_waiting", "gauge", "Clients that wait for a server connection.", waiting},
    {"weir_pool_timeouts_total", "counter", "Clients that waited in vain.", timeouts},
    {"weir_pool_leaks_total", "counter",
     "Connections that were held for longer than pool.leak_after.", leaks},
    {"weir_pool_assignments_total", "counter", "Times that a server connection was lent.",
     assigned},
    {"weir_database_paused", "gauge", "1: PAUSE holds the database.", paused},
};

static void put_database_metrics(scrape *s)
{
    for (size_t m = 0; m < sizeof(database_metrics) / sizeof(*database_metrics); m++) {
        const database_metric *metric = &database_metrics[m];
        ops_family(&s->text, metric->name, metric->type, metric->help);
        for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
            weir_database_totals sum;
            weir_database_sum(s->engine, database_at(s, i), s->now, &sum);
            ops_count(&s->text, OPS_LABELS({"database", weir_database_label(database_at(s, i))}),
                      metric->read(&sum));
        }
    }
}

/* ---- pools ---- */

static void put_pool_connections(scrape *s)
{
    ops_family(&s->text, "weir_pool_connections", "gauge",
               "Server connections: opening, idle, active (lent), pinned (lent for longer than a "
               "transaction).");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
        const weir_database *d = database_at(s, i);
        weir_database_totals sum;
        weir_database_sum(s->engine, d, s->now, &sum);
        const struct {
            const char *state;
            uint64_t count;
        } states[] = {{"opening", sum.opening},
                      {"idle", sum.idle},
                      {"active", less(sum.lent, sum.pinned)},
                      {"pinned", sum.pinned}};
        for (size_t n = 0; n < sizeof(states) / sizeof(*states); n++)
            ops_count(&s->text,
                      OPS_LABELS({"database", weir_database_label(d)},
                                 {"server", weir_database_shown(d)}, {"state", states[n].state}),
                      states[n].count);
    }
}

static void put_pool_waits(scrape *s)
{
    ops_family(&s->text, "weir_pool_wait_seconds", "histogram",
               "Time from asking for a server connection to having it.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
        weir_hist sum = {0};
        for (weir_pools *p = weir_database_pools(database_at(s, i)); p; p = weir_pools_next(p))
            weir_pool_wait_times(weir_pools_pool(p), &sum);
        ops_histogram(&s->text, OPS_LABELS({"database", weir_database_label(database_at(s, i))}),
                      &sum);
    }
}

/* Two databases may be on one server: it is told once, by the first, and down if either says so. */
static void put_servers(scrape *s)
{
    ops_family(&s->text, "weir_server_up", "gauge",
               "0: the newest attempt to connect to the server failed.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
        const char *server = weir_database_shown(database_at(s, i));
        bool up = true, told = false;
        for (unsigned k = 0; k < weir_engine_database_count(s->engine); k++) {
            if (strcmp(weir_database_shown(database_at(s, k)), server) != 0)
                continue;
            told = told || k < i;
            up = up && weir_database_up(database_at(s, k));
        }
        if (!told)
            ops_count(&s->text, OPS_LABELS({"server", server}), up);
    }
}

static void put_lags(scrape *s)
{
    ops_family(&s->text, "weir_replication_lag_seconds", "gauge",
               "How far behind a replica was when it was last asked to read.");
    for (unsigned i = 0; i < weir_engine_database_count(s->engine); i++) {
        weir_time lag;
        if (weir_database_primary(database_at(s, i)) && weir_database_lag(database_at(s, i), &lag))
            ops_seconds(&s->text, OPS_LABELS({"server", weir_database_shown(database_at(s, i))}),
                        (uint64_t)lag);
    }
}

/* ---- the process ---- */

static void put_memory(scrape *s)
{
    const weir_memory *m = s->host->memory;
    ops_family(&s->text, "weir_memory_bytes", "gauge", "Memory charged to its owner.");
    for (int owner = 0; owner < WEIR_MEMORY_OWNERS; owner++)
        ops_count(&s->text, OPS_LABELS({"owner", weir_memory_owner_name((weir_memory_owner)owner)}),
                  atomic_load_explicit(&m->used[owner], memory_order_relaxed));
    ops_family(&s->text, "weir_memory_max_bytes", "gauge", "memory.max; 0: no limit.");
    ops_count(&s->text, OPS_NO_LABELS, m->total_max);
}

static void put_number(scrape *s, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    ops_family(&s->text, name, type, help);
    ops_count(&s->text, OPS_NO_LABELS, value);
}

static void put_certificate(scrape *s)
{
    int64_t expiry = s->host->tls_expiry ? s->host->tls_expiry(s->host->user) : 0;
    if (expiry > 0)
        put_number(s, "weir_tls_certificate_expiry_timestamp_seconds", "gauge",
                   "When the certificate that clients are shown ends, since 1970.",
                   (uint64_t)expiry);
}

static void put_process(scrape *s)
{
    ops_process p;
    ops_process_read(&p);
    ops_family(&s->text, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    ops_seconds(&s->text, OPS_NO_LABELS, p.cpu_ns);
    ops_family(&s->text, "process_start_time_seconds", "gauge", "Start, since 1970.");
    ops_seconds(&s->text, OPS_NO_LABELS, p.start_ns);
    put_number(s, "process_resident_memory_bytes", "gauge", "Resident memory.", p.resident);
    put_number(s, "process_virtual_memory_bytes", "gauge", "Virtual memory.", p.virtual);
    put_number(s, "process_threads", "gauge", "Threads.", p.threads);
    put_number(s, "process_open_fds", "gauge", "Open descriptors.", p.open_fds);
    put_number(s, "process_max_fds", "gauge", "Most descriptors that may be open.", p.max_fds);
}

int weir_ops_metrics(const weir_ops_host *host, weir_time now, weir_buf *out)
{
    scrape s = {.text = {.out = out}, .host = host, .engine = host->engine, .now = now};
    ops_family(&s.text, "weir_build_info", "gauge", "Always 1; the version is in the label.");
    ops_count(&s.text, OPS_LABELS({"version", WEIR_VERSION}), 1);
    put_clients(&s);
    put_pinned(&s);
    put_queries(&s);
    put_durations(&s);
    put_errors(&s);
    put_database_metrics(&s);
    put_pool_connections(&s);
    put_pool_waits(&s);
    put_servers(&s);
    put_lags(&s);
    ops_put_cache(&s.text, s.engine, now);
    ops_put_catalog(&s.text, s.engine, now);
    ops_put_embedded(&s.text, s.engine);
    ops_put_listen(&s.text, s.engine);
    put_memory(&s);
    put_number(&s, "weir_statement_templates", "gauge", "Statement templates that are known.",
               weir_template_table_count(weir_engine_templates(s.engine)));
    put_certificate(&s);
    put_process(&s);
    return s.text.error;
}
