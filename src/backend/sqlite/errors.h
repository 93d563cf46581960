/* SQLite's result codes and messages as SQLSTATEs and words. */
#ifndef WEIR_BACKEND_SQLITE_ERRORS_H
#define WEIR_BACKEND_SQLITE_ERRORS_H

#include "base/error.h"
#include <sqlite3.h>
#include <stdbool.h>

/* Of the last call on `handle`, which gave `rc`. `handle` may be NULL: the code alone speaks. */
void weir_sqlite_error(sqlite3 *handle, int rc, weir_error *err);
/* The same from an extended code, a message and the system's errno (pure: for tests). */
void weir_sqlite_error_from(int code, const char *message, int system_errno, weir_error *err);

#endif
