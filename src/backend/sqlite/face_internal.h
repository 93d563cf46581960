/* Private to face*.c: what a connection keeps for its tables and functions. */
#ifndef WEIR_BACKEND_SQLITE_FACE_INTERNAL_H
#define WEIR_BACKEND_SQLITE_FACE_INTERNAL_H

#include "backend/sqlite/face.h"
#include "backend/sqlite/face_image.h"

typedef struct weir_sqlite_face_module {
    struct weir_sqlite_face_module *next;
    weir_sqlite_face *face;
    const weir_face_table *table;
    weir_sqlite_image *image;
    uint64_t epoch; /* of the image */
} weir_sqlite_face_module;

typedef struct weir_sqlite_face_call {
    struct weir_sqlite_face_call *next;
    weir_sqlite_face *face;
    const weir_face_function *of;
    sqlite3_stmt *query; /* kept */
} weir_sqlite_face_call;

struct weir_sqlite_face {
    weir_sqlite_db *db;
    weir_sqlite_face_module *modules;
    weir_sqlite_face_call *calls;
    uint64_t epoch; /* counts the states of the schema */
    int64_t version;
    unsigned reading; /* images that are being read: their queries read others */
    weir_buf scratch; /* of the function that is called */
};

#define WEIR_SQLITE_FACE_RESULT_MAX (64u * 1048576u) /* bytes of a function's result */

/* face.c */
extern const sqlite3_module weir_sqlite_face_methods;

/* face_keep.c */
WEIR_MUST_CHECK int weir_sqlite_face_prepare(weir_sqlite_db *db, const char *sql,
                                             sqlite3_stmt **ret);
/* Has the file the table that this text asks for (WEIR_FACE_WHERE)? True where it asks for none. */
bool weir_sqlite_face_applies(weir_sqlite_db *db, const char *sql);
/* The module's rows as the schema is now; borrowed. SQLite's code. */
WEIR_MUST_CHECK int weir_sqlite_face_image(weir_sqlite_face_module *module,
                                           weir_sqlite_image **ret);

/* prepare.c: a function of SQLite's. */
void weir_sqlite_on_parameter_types(sqlite3_context *context, int argc, sqlite3_value **argv);

/* face_functions.c */
weir_value weir_sqlite_face_take(sqlite3_value *value);
void weir_sqlite_face_give(sqlite3_context *context, const weir_value *value);
WEIR_MUST_CHECK int weir_sqlite_face_add_own(weir_sqlite_db *db);
WEIR_MUST_CHECK int weir_sqlite_face_add_function(weir_sqlite_face *face,
                                                  const weir_face_function *of);

#endif
