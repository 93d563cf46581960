/* Private to src/sql: what the schema adds to a footprint of PostgreSQL's grammar. */
#ifndef WEIR_SQL_PG_READS_H
#define WEIR_SQL_PG_READS_H

#include "sql/pg_tree.h"
#include "sql/reads.h"

/* What is done with a tree beyond weir_sql_analyze_postgres. */
typedef struct weir_pg_reads {
    /* Fills what that leaves out of `f`, which may borrow from here. -ENOMEM. */
    int (*fill)(struct weir_pg_reads *reads, const PgQuery__ParseResult *tree, weir_footprint *f);
} weir_pg_reads;

/* `reads` NULL: weir_sql_analyze_postgres. */
WEIR_MUST_CHECK int weir_pg_analyze(weir_slice text, const weir_lexed *lexed, weir_pg_reads *reads,
                                    weir_footprint **ret);

#endif
