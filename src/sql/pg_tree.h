/* Private to src/sql: PostgreSQL's parse tree as libpg_query's protobuf has it. */
#ifndef WEIR_SQL_PG_TREE_H
#define WEIR_SQL_PG_TREE_H

#include "sql/names.h"
#include <pg_query/pg_query.pb-c.h>

/* Of a statement's node, as if it ran; what is inside of it is not asked. */
weir_kind weir_pg_kind(const PgQuery__Node *node);
weir_transaction weir_pg_transaction(const PgQuery__Node *node);
unsigned weir_pg_effects(const PgQuery__Node *node);

/* What a walk over one statement finds. */
typedef struct weir_pg_found {
    weir_names *names;
    unsigned effects;
    bool writes, creates, row_locks;
    bool volatile_calls;
    char function[64]; /* the first that is volatile or not known */
} weir_pg_found;
/* -ENOMEM. */
WEIR_MUST_CHECK int weir_pg_walk(const PgQuery__Node *statement, weir_pg_found *found);

#endif
