/* Private to src/sql: from a query's tree to its dependencies. */
#ifndef WEIR_SQL_RULES_H
#define WEIR_SQL_RULES_H

#include "sql/dependencies.h"
#include "sql/query.h"

/* The columns of references that are targets (weir_from.target) whose values are fixed. */
typedef struct weir_rules_target {
    void (*fixed)(void *user, const weir_from *leaf, weir_slice column, const weir_operand *value);
    void *user;
} weir_rules_target;

/* Adds the dependencies of every reference of a table of the catalog: its rows by a key where that
 * is proved, else all of it. What the catalog does not have as a table is left out. `catalog` NULL:
 * the reader has found every relation's place itself. `target`: told of every column of targets
 * that is fixed; NULL: of no interest. */
void weir_rules_apply(weir_query *query, const weir_catalog *catalog,
                      const weir_rules_target *target, weir_dependencies *ret);

#endif
