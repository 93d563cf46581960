/* Tables that are queries, and functions, which every connection has beside what is in its file
 * (weir_sqlite_options.face). Private to this folder. */
#ifndef WEIR_BACKEND_SQLITE_FACE_H
#define WEIR_BACKEND_SQLITE_FACE_H

#include "backend/sqlite/db.h"

/* Registers them on a connection that was just opened. SQLite's code. */
WEIR_MUST_CHECK int weir_sqlite_face_register(weir_sqlite_db *db);
/* Before the handle is closed: no statement is kept any more; and after it. */
void weir_sqlite_face_release(weir_sqlite_db *db);
void weir_sqlite_face_free(weir_sqlite_face *face);
/* A step of a query of our own inside a client's statement. */
WEIR_MUST_CHECK int weir_sqlite_face_step(weir_sqlite_db *db, sqlite3_stmt *query);

#endif
