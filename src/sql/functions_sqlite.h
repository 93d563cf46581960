/* Private to src/sql: what is known of SQLite's functions by their names, in any case. */
#ifndef WEIR_SQL_FUNCTIONS_SQLITE_H
#define WEIR_SQL_FUNCTIONS_SQLITE_H

#include "base/slice.h"

/* Same arguments, same answer; and of one row. */
bool weir_sqlite_function_is_scalar(weir_slice name);
/* Same arguments (or rows of them), same answer. */
bool weir_sqlite_function_is_steady(weir_slice name);
/* Tells what its connection did before. */
bool weir_sqlite_function_is_of_session(weir_slice name);

#endif
