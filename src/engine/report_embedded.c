/* SHOW SQLITE: the files that this process has open, their writers' queues and write-ahead logs. */
#include "engine/embedded.h"
#include "engine/report_internal.h"

static const weir_report_column columns[] = {
    {"database", WEIR_REPORT_TEXT},        {"path", WEIR_REPORT_TEXT},
    {"writer_waiting", WEIR_REPORT_INT},   {"writer_waits", WEIR_REPORT_BIGINT},
    {"writer_wait_p50", WEIR_REPORT_REAL}, {"writer_wait_p99", WEIR_REPORT_REAL},
    {"writer_wait_max", WEIR_REPORT_REAL}, {"group_commits", WEIR_REPORT_BIGINT},
    {"grouped", WEIR_REPORT_BIGINT},       {"regrouped", WEIR_REPORT_BIGINT},
    {"wal_bytes", WEIR_REPORT_BIGINT},     {"wal_size", WEIR_REPORT_BIGINT},
    {"wal_max", WEIR_REPORT_BIGINT},       {"checkpoints", WEIR_REPORT_BIGINT},
    {"emptied", WEIR_REPORT_BIGINT},       {"held", WEIR_REPORT_BIGINT},
    {"ended", WEIR_REPORT_BIGINT},
};

static void add(weir_report *r, const weir_database *d, const weir_embedded *e)
{
    weir_report_text(r, weir_database_label(d));
    weir_report_text(r, e->path);
    weir_report_int(r, (int64_t)e->writer_waiting);
    weir_report_int(r, (int64_t)e->writer_waits.count);
    weir_report_seconds(r, (uint64_t)weir_hist_quantile(&e->writer_waits, 0.5));
    weir_report_seconds(r, (uint64_t)weir_hist_quantile(&e->writer_waits, 0.99));
    weir_report_seconds(r, e->writer_waits.max_ns);
    weir_report_int(r, (int64_t)e->groups);
    weir_report_int(r, (int64_t)e->grouped);
    weir_report_int(r, (int64_t)e->regrouped);
    weir_report_int(r, (int64_t)e->wal_bytes);
    weir_report_int(r, (int64_t)e->wal_size);
    weir_report_int(r, (int64_t)e->wal_max);
    weir_report_int(r, (int64_t)e->checkpoints);
    weir_report_int(r, (int64_t)e->emptied);
    weir_report_int(r, (int64_t)e->held);
    weir_report_int(r, (int64_t)e->ended);
}

bool weir_database_embedded(const weir_database *database, weir_embedded *ret)
{
    const weir_backend *b = weir_database_backend(database);
    if (b->ops->figures)
        b->ops->figures(b, ret);
    return b->ops->figures != NULL;
}

static void fill(weir_report *r, weir_engine *engine, weir_worker *at)
{
    (void)at;
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        const weir_database *d = weir_engine_database_at(engine, i);
        weir_embedded e;
        if (weir_database_embedded(d, &e))
            add(r, d, &e);
    }
}

const weir_report_source weir_report_embedded = WEIR_REPORT_SOURCE("sqlite", columns, fill);
