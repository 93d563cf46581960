/* The rows of the face's tables as they were under one schema, kept per connection: a client's join
 * of catalogue tables asks the same rows again and again. Private to this folder. */
#ifndef WEIR_BACKEND_SQLITE_FACE_IMAGE_H
#define WEIR_BACKEND_SQLITE_FACE_IMAGE_H

#include "backend/sqlite/db.h"
#include "base/arena.h"
#include "base/memory.h"

#define WEIR_SQLITE_IMAGE_SIZE_MAX ((size_t)16 * 1024 * 1024) /* of one table */

/* The rows by the values of one column, all of one class. */
typedef struct weir_sqlite_image_index {
    weir_value_type type; /* INTEGER, TEXT; NULL: the column has several classes */
    size_t mask;
    uint32_t *heads; /* by hash: a row and 1; 0: none */
    uint32_t *next;  /* by row: the next one of that hash, likewise */
} weir_sqlite_image_index;

typedef struct weir_sqlite_image {
    unsigned refs;
    int columns;
    size_t count, cap; /* rows */
    weir_value *cells; /* rows one after the other */
    weir_arena texts;
    weir_sqlite_image_index **indexes; /* by column, made when first asked for */
    weir_memory *memory;               /* that `charged` is charged to */
    size_t charged;
} weir_sqlite_image;

/* Runs `query`, which is stepped as our own. *ret has one reference. SQLite's code; SQLITE_TOOBIG:
 * more than is kept. */
WEIR_MUST_CHECK int weir_sqlite_image_read(weir_sqlite_db *db, sqlite3_stmt *query,
                                           weir_sqlite_image **ret);
weir_sqlite_image *weir_sqlite_image_ref(weir_sqlite_image *image);
void weir_sqlite_image_unref(weir_sqlite_image *image);
/* The first row from `row` on whose cell may be equal to the value, or `count`. `row` is 0 or what
 * the call before it gave, and 1. */
size_t weir_sqlite_image_find(weir_sqlite_image *image, int column, const weir_value *value,
                              size_t row);
/* May the cell be equal to the value? Of other classes than one: yes. */
bool weir_sqlite_image_may_equal(const weir_value *cell, const weir_value *value);

#endif
