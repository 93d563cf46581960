/* The floor of commits in front of SQLite: the same UPDATE in this very process, each a commit with
 * synchronous=FULL, by threads with a connection each. They take turns by a lock of the process,
 * which is the best an application does: SQLite's own waiting sleeps.
 *
 * usage: floor_commits FILE ROWS THREADS SECONDS     prints {"rate": commits/s, "cpu": s per 100k}
 */
#include "floor.h"
#include "wire.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 256

typedef struct writer {
    pthread_t thread;
    const char *file;
    pthread_mutex_t *turn;
    int64_t end;
    long rows;
    unsigned seed;
    uint64_t count;
} writer;

static void *work(void *arg)
{
    writer *w = arg;
    sqlite3_stmt *stmt = floor_prepare(w->file, "PRAGMA synchronous = FULL",
                                       "UPDATE accounts SET abalance = abalance + 1 WHERE aid = ?");
    sqlite3 *db = sqlite3_db_handle(stmt);
    while (wire_now() < w->end) {
        sqlite3_bind_int64(stmt, 1, 1 + rand_r(&w->seed) % w->rows);
        pthread_mutex_lock(w->turn);
        int rc = sqlite3_step(stmt);
        sqlite3_reset(stmt);
        pthread_mutex_unlock(w->turn);
        if (rc != SQLITE_DONE)
            wire_fail(sqlite3_errmsg(db));
        w->count++;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return NULL;
}

int main(int argc, char **argv)
{
    static writer writers[THREADS_MAX];
    pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    unsigned threads = argc == 5 ? (unsigned)atoi(argv[3]) : 0;
    if (threads == 0 || threads > THREADS_MAX)
        wire_fail("usage: floor_commits FILE ROWS THREADS SECONDS");
    int64_t cpu = wire_cpu(), start = wire_now();
    uint64_t count = 0;
    for (unsigned i = 0; i < threads; i++) {
        writers[i] = (writer){.file = argv[1],
                              .turn = &turn,
                              .end = start + (int64_t)(atof(argv[4]) * 1e9),
                              .rows = atol(argv[2]),
                              .seed = i + 1};
        if (pthread_create(&writers[i].thread, NULL, work, &writers[i]) != 0)
            wire_fail("pthread_create");
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(writers[i].thread, NULL);
        count += writers[i].count;
    }
    double took = (double)(wire_now() - start) / 1e9;
    printf("{\"rate\": %.0f, \"cpu\": %.4f, \"count\": %llu}\n", (double)count / took,
           (double)(wire_cpu() - cpu) / 1e9 * 1e5 / (double)(count ? count : 1),
           (unsigned long long)count);
    return 0;
}
