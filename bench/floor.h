/* SQLite in the benchmark's own process: what a server in front of it is measured against. */
#ifndef WEIR_BENCH_FLOOR_H
#define WEIR_BENCH_FLOOR_H

#include <sqlite3.h>

/* A connection of its own to the file, set up by `pragmas`, with one statement prepared, which the
 * caller finalizes before it closes the connection (sqlite3_db_handle). Ends the process when that
 * fails. */
sqlite3_stmt *floor_prepare(const char *file, const char *pragmas, const char *sql);

#endif
