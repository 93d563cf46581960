/* The floor of any server in front of SQLite: the same point SELECT, prepared once, in this very
 * process.
 *
 * usage: floor_sqlite FILE ROWS SECONDS     prints {"rate": queries/s, "cpu": s per 100k} */
#include "floor.h"
#include "wire.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 4)
        wire_fail("usage: floor_sqlite FILE ROWS SECONDS");
    long rows = atol(argv[2]);
    double seconds = atof(argv[3]);
    sqlite3_stmt *stmt = floor_prepare(argv[1], "PRAGMA mmap_size = 268435456",
                                       "SELECT abalance FROM accounts WHERE aid = ?");
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
