/* What SQLite itself says of a statement and of the schema, for tests of footprints: accesses by
 * its authorizer and an excerpt of the catalog, as the backend makes them. */
#ifndef WEIR_TESTS_SQL_FACTS_H
#define WEIR_TESTS_SQL_FACTS_H

#include "sql/sql.h"
#include <sqlite3.h>

/* The footprint of `text`, which `lexed` (initialised) is filled from. False: SQLite refuses it. */
bool facts_analyze(sqlite3 *db, const char *text, weir_lexed *lexed, weir_footprint **ret);

#endif
