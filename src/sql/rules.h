/* Private to src/sql: from a query's tree to its dependencies. */
#ifndef WEIR_SQL_RULES_H
#define WEIR_SQL_RULES_H

#include "sql/dependencies.h"
#include "sql/query.h"

/* Adds the dependencies of every reference of a table of the catalog: its rows by a key where that
 * is proved, else all of it. What the catalog does not have as a table is left out. */
void weir_rules_apply(weir_query *query, const weir_catalog *catalog, weir_dependencies *ret);

#endif
