/* The floor of any server in front of SQLite: the same point SELECT, prepared once, in this very
 * process.
 *
 * usage: floor_sqlite FILE ROWS SECONDS     prints {"rate": queries/s, "cpu": s per 100k} */
#include "wire.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static sqlite3_stmt *open_and_prepare(const char *file)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_exec(db, "PRAGMA mmap_size = 268435456; PRAGMA cache_size = -8192", NULL, NULL,
                     NULL) ||
        sqlite3_prepare_v3(db, "SELECT abalance FROM accounts WHERE aid = ?", -1,
                           SQLITE_PREPARE_PERSISTENT, &stmt, NULL))
        wire_fail(db ? sqlite3_errmsg(db) : "sqlite3_open");
    return stmt;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        wire_fail("usage: floor_sqlite FILE ROWS SECONDS");
    long rows = atol(argv[2]);
    double seconds = atof(argv[3]);
    sqlite3_stmt *stmt = open_and_prepare(argv[1]);
    int64_t cpu = wire_cpu(), start = wire_now(), end = start + (int64_t)(seconds * 1e9);
    uint64_t n = 0;
    while (n % 64 || wire_now() < end) {
        sqlite3_bind_int64(stmt, 1, 1 + random() % rows);
        if (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int64(stmt, 0) != 0 ||
            sqlite3_step(stmt) != SQLITE_DONE)
            wire_fail("a row is missing");
        sqlite3_reset(stmt);
        n++;
    }
    double took = (double)(wire_now() - start) / 1e9;
    printf("{\"rate\": %.0f, \"cpu\": %.4f}\n", (double)n / took,
           (double)(wire_cpu() - cpu) / 1e9 * 1e5 / (double)n);
    sqlite3 *db = sqlite3_db_handle(stmt);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return 0;
}
