/* SQLite's result codes and messages as SQLSTATEs and words. */
#ifndef WEIR_BACKEND_SQLITE_ERRORS_H
#define WEIR_BACKEND_SQLITE_ERRORS_H

#include "base/error.h"
#include <sqlite3.h>
#include <stdbool.h>

/* How a message of our own functions begins: the state, a colon and the words follow; then, each
 * behind an END, the detail and the hint, if there are any. */
#define WEIR_SQLITE_FACE_ERROR "weir-error:"
#define WEIR_SQLITE_FACE_ERROR_END '\x1f'

/* Of the last call on `handle`, which gave `rc`. `handle` may be NULL: the code alone speaks. */
void weir_sqlite_error(sqlite3 *handle, int rc, weir_error *err);
/* The same from an extended code, a message and the system's errno (pure: for tests). */
void weir_sqlite_error_from(int code, const char *message, int system_errno, weir_error *err);

/* A read that kept the write-ahead log from being emptied was ended. */
void weir_sqlite_overdue_error(weir_error *err);

#endif
