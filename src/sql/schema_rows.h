/* A PostgreSQL server's rows about its relations, which become catalog/schema.h's schema. Asked in
 * one go with those of sql/server.h, in the same snapshot. */
#ifndef WEIR_SQL_SCHEMA_ROWS_H
#define WEIR_SQL_SCHEMA_ROWS_H

#include "catalog/schema_build.h"

/* Names of what `weir setup` makes in a database. */
#define WEIR_SCHEMA_PUBLICATION "weir"
#define WEIR_SCHEMA_DDL_TRIGGER "weir_ddl"
#define WEIR_SCHEMA_DROP_TRIGGER "weir_drop"

/* Statements behind those of weir_server_query. */
weir_slice weir_schema_query(void);
/* Takes a row of weir_server_query or weir_schema_query. Rows of other forms are skipped. -ENOMEM.
 */
WEIR_MUST_CHECK int weir_schema_row(weir_schema_builder *builder, const weir_slice *values,
                                    unsigned count);

#endif
