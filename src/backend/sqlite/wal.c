/* The write-ahead log's size. Checkpoints are made by the writer's thread, after the
 * acknowledgements, so that no client waits for one. A log that is copied into the file as a whole
 * begins anew with the next commit, unless somebody still reads from it: overlapping reads, or a
 * long one, make it grow for ever. So:
 *
 *   up to wal_size    each 1000 pages a checkpoint that waits for nobody;
 *   beyond wal_size   each 1000 pages, and each second, one that empties the log: reads that began
 *                     before the newest commit are waited for, PATIENCE at most, and so do writes;
 *   beyond wal_max    reads that began before now are ended (40001): running ones by their guard,
 *                     those of clients that read slowly or think by the gateway, which asks.
 *
 * New reads find everything in the file by then and do not hold the log: they need not wait. */
#include "backend/sqlite/wal.h"
#include "backend/sqlite/db.h"

#define CHECKPOINT_PAGES 1000
#define PATIENCE (50 * WEIR_MS)
#define RETRY_AFTER WEIR_SECOND
#define RETRY_SOON (50 * WEIR_MS) /* reads are being ended */
#define IN_VAIN_MAX 20u           /* tries, each a PATIENCE and a RETRY_SOON: two seconds */

void weir_sqlite_wal_init(weir_sqlite_wal *wal, weir_sqlite_db *writer)
{
    int64_t page_size = 0;
    int rc = weir_sqlite_db_number(writer, "PRAGMA page_size", &page_size);
    wal->size_soft = writer->options->wal_size;
    wal->size_max = writer->options->wal_max;
    wal->page_size = rc == SQLITE_OK && page_size > 0 ? (size_t)page_size : 4096;
    wal->retry_at = WEIR_TIME_NEVER;
    atomic_store(&wal->epoch, 1);
}

weir_time weir_sqlite_wal_due(const weir_sqlite_wal *wal)
{
    return wal->retry_at;
}

static void count(_Atomic uint64_t *figure)
{
    atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

/* `mode` TRUNCATE waits for readers, for PATIENCE. */
static int checkpoint(weir_sqlite_wal *wal, weir_sqlite_db *writer, int mode)
{
    wal->checkpointed = writer->wal_pages;
    count(&wal->checkpoints);
    writer->guard.wait_until = weir_sqlite_now() + PATIENCE;
    atomic_store_explicit(&writer->guard.cancelled, false, memory_order_relaxed);
    weir_sqlite_guard_begin(writer, WEIR_TIME_NEVER, false, false);
    int rc = sqlite3_wal_checkpoint_v2(writer->handle, NULL, mode, NULL, NULL);
    (void)weir_sqlite_guard_end(writer);
    return rc;
}

static void warn(const weir_sqlite_wal *wal, const weir_sqlite_db *writer, uint64_t bytes,
                 const char *words)
{
    weir_log_event(writer->options->log, WEIR_LOG_SQLITE, WEIR_LOG_WARN, words,
                   WEIR_F_STR("path", writer->options->path), WEIR_F_INT("bytes", bytes),
                   WEIR_F_INT("wal_max", wal->size_max));
}

/* Ours end within milliseconds, or when the gateway looks at slow clients, four times a second. */
static void blame(weir_sqlite_wal *wal, const weir_sqlite_db *writer, uint64_t bytes)
{
    uint64_t ended = atomic_load_explicit(&wal->ended, memory_order_relaxed);
    bool first = atomic_load_explicit(&wal->ended_before, memory_order_relaxed) == 0;
    if (first)
        warn(wal, writer, bytes,
             "the write-ahead log is larger than sqlite.wal_max: our reads that hold it are ended");
    wal->in_vain = first || ended != wal->ended_seen ? 0 : wal->in_vain + 1;
    wal->ended_seen = ended;
    if (wal->in_vain == IN_VAIN_MAX)
        warn(wal, writer, bytes,
             "another process's read keeps the write-ahead log from being emptied: it grows on");
}

/* Readers hold it. Beyond its maximum those of now must end; others' processes cannot be told. */
static void press(weir_sqlite_wal *wal, const weir_sqlite_db *writer, weir_time now)
{
    uint64_t bytes = atomic_load_explicit(&wal->bytes, memory_order_relaxed);
    bool too_large = wal->size_max > 0 && bytes > wal->size_max;
    wal->retry_at = now + RETRY_AFTER;
    count(&wal->held);
    if (!too_large)
        return;
    blame(wal, writer, bytes);
    uint64_t epoch = atomic_fetch_add_explicit(&wal->epoch, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&wal->ended_before, epoch, memory_order_relaxed);
    wal->retry_at = now + RETRY_SOON;
}

static void empty(weir_sqlite_wal *wal, weir_sqlite_db *writer)
{
    int rc = checkpoint(wal, writer, SQLITE_CHECKPOINT_TRUNCATE);
    if (rc != SQLITE_OK) {
        press(wal, writer, weir_sqlite_now());
        return;
    }
    writer->wal_pages = wal->checkpointed = 0;
    wal->retry_at = WEIR_TIME_NEVER;
    count(&wal->emptied);
    atomic_store_explicit(&wal->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&wal->ended_before, 0, memory_order_relaxed);
}

void weir_sqlite_wal_tend(weir_sqlite_wal *wal, weir_sqlite_db *writer)
{
    int pages = writer->wal_pages;
    uint64_t bytes = (uint64_t)pages * wal->page_size;
    atomic_store_explicit(&wal->bytes, bytes, memory_order_relaxed);
    if (pages < wal->checkpointed)
        wal->checkpointed = 0; /* it began anew */
    bool grown = pages - wal->checkpointed >= CHECKPOINT_PAGES;
    bool due = wal->retry_at != WEIR_TIME_NEVER && weir_sqlite_now() >= wal->retry_at;
    if (wal->size_soft > 0 && bytes > wal->size_soft) {
        if (grown || due || wal->retry_at == WEIR_TIME_NEVER)
            empty(wal, writer);
        return;
    }
    wal->retry_at = WEIR_TIME_NEVER;
    if (grown)
        (void)checkpoint(wal, writer, SQLITE_CHECKPOINT_PASSIVE);
}
