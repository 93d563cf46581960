/* See floor.h. */
#include "floor.h"
#include "wire.h"

sqlite3_stmt *floor_prepare(const char *file, const char *pragmas, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_exec(db, "PRAGMA cache_size = -8192", NULL, NULL, NULL) ||
        sqlite3_exec(db, pragmas, NULL, NULL, NULL) ||
        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL))
        wire_fail(db ? sqlite3_errmsg(db) : "sqlite3_open");
    return stmt;
}
