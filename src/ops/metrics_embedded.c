/* The part of /metrics that is about databases inside this process: who waits for the writer, which
 * commits are shared, how large the write-ahead log is. */
#include "ops/metrics_embedded.h"
#include "engine/embedded.h"
#include <stddef.h>
#include <string.h>

typedef struct family {
    const char *name, *type, *help;
    size_t offset; /* of the figure, a weir_hist or a uint64_t */
} family;

#define FAMILY(name, type, field, help)                                                            \
    {                                                                                              \
        "weir_sqlite_" name, type, help, offsetof(weir_embedded, field)                            \
    }

static const family families[] = {
    FAMILY("writer_wait_seconds", "histogram", writer_waits,
           "Time from asking for the writer to having it."),
    FAMILY("writer_waiting", "gauge", writer_waiting, "Statements that wait for the writer."),
    FAMILY("group_commits_total", "counter", groups, "Commits that several writes shared."),
    FAMILY("grouped_writes_total", "counter", grouped, "Writes that shared a commit."),
    FAMILY("regrouped_writes_total", "counter", regrouped,
           "… of them run again alone, because the shared commit was lost."),
    FAMILY("wal_bytes", "gauge", wal_bytes, "What the write-ahead log holds."),
    FAMILY("checkpoints_total", "counter", checkpoints, "Checkpoints that were tried."),
    FAMILY("wal_emptied_total", "counter", emptied,
           "Checkpoints that emptied the log, because it was larger than sqlite.wal_size."),
    FAMILY("wal_held_total", "counter", held, "… that reads kept from doing so."),
    FAMILY("reads_ended_total", "counter", ended,
           "Reads that were ended, because the log was larger than sqlite.wal_max."),
};

static void put(ops_text *t, weir_engine *engine, const family *f)
{
    bool any = false;
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        const weir_database *d = weir_engine_database_at(engine, i);
        const ops_label *labels = OPS_LABELS({"database", weir_database_label(d)});
        weir_embedded e;
        if (!weir_database_embedded(d, &e))
            continue;
        if (!any)
            ops_family(t, f->name, f->type, f->help);
        any = true;
        const void *figure = (const char *)&e + f->offset;
        if (strcmp(f->type, "histogram") == 0)
            ops_histogram(t, labels, figure);
        else
            ops_count(t, labels, *(const uint64_t *)figure);
    }
}

void ops_put_embedded(ops_text *t, weir_engine *engine)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++)
        put(t, engine, &families[f]);
}
