/* PostgreSQL: what an answer depends on and what a write touches, from the grammar's tree and the
 * schema. Public.
 *
 *   text ──► tree ──► weir_query ──rules──► dependencies ──weir_footprint_resolve──► ids
 *                └──► written relations ──► touches ──weir_footprint_resolve_touches──► ids
 *
 * What is not known to be harmless is refused, in words. It is all about the text and the schema;
 * the caller sees to the session: it has no temporary tables, standard_conforming_strings is on,
 * and its settings are part of the answer's identity. */
#ifndef WEIR_SQL_READS_H
#define WEIR_SQL_READS_H

#include "catalog/schema.h"
#include "sql/sql.h"

/* Under what a statement is understood. Borrowed for the call. */
typedef struct weir_pg_surroundings {
    const weir_schema *schema;
    weir_slice search_path; /* the setting as it is written: "$user", public */
    weir_slice role;        /* current_user */
} weir_pg_surroundings;

/* weir_sql_analyze_postgres, and what the schema adds: dependencies, refusal, touches. `lexed` is
 * of this very text (its literals point into it). The footprint's fingerprint is of the schema,
 * the search_path and the role; never 0. Slow and hungry for stack likewise. -ENOMEM. */
WEIR_MUST_CHECK int weir_sql_analyze_postgres_reads(weir_slice text, const weir_lexed *lexed,
                                                    const weir_pg_surroundings *s,
                                                    weir_footprint **ret);

/* What takes the value of a place. */
typedef struct weir_receiver {
    weir_key_type key; /* the type of the columns that it is compared with; NONE: not known */
    bool array;        /* it is an array of such */
    bool timeless;     /* no date or time is read from it: 'now' is a word like any other */
    bool by_item;      /* a row of VALUES: the touches say it */
    bool taken;        /* something takes it that is known */
} weir_receiver;

#endif
