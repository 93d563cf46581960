/* Values that have fooled somebody's idea of equality in SQLite, and random ones of their kind. */
#ifndef WEIR_TESTS_SQLITE_VALUES_H
#define WEIR_TESTS_SQLITE_VALUES_H

#include "catalog/value.h"
#include <sqlite3.h>

/* How many values there are by hand. */
size_t sqlite_values_count(void);
/* The one of that number; from sqlite_values_count() on: a random one, in bytes that live until the
 * next call with the same `room`. */
weir_value sqlite_values_get(size_t number, uint64_t *random, char room[64]);

int sqlite_values_bind(sqlite3_stmt *stmt, int parameter, const weir_value *value);
/* Borrowed from `from`. */
weir_value sqlite_values_of(sqlite3_value *from);

#endif
