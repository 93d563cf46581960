/* The database that is checked: the file's schema and first rows, which the judge's replay starts
 * from too, and SQLite helpers that all parts share. */
#ifndef WEIR_CHECKER_SCHEMA_H
#define WEIR_CHECKER_SCHEMA_H

#include <sqlite3.h>
#include <stdint.h>

/* Keys are 1 … KEYS, owners 1 … OWNERS, rows of `bulk` 1 … BULK. The outsider's ops begin at
 * OUTSIDER_OPS. */
enum { KEYS = 40, OWNERS = 12, BULK = 3000, SIDE_ROWS = 4 };
#define OUTSIDER_OPS INT64_C(1000000000000)

sqlite3 *schema_open(const char *path, int flags);
/* Creates everything in an empty database. */
void schema_create(sqlite3 *db);
/* Runs all statements of a text; a failure ends the program. */
void schema_run(sqlite3 *db, const char *sql);
/* The next table whose rows are compared at the end; NULL after the last. */
const char *schema_table(unsigned i);

#endif
