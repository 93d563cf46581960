/* Private to src/sql: what a statement changes, while it is read. */
#ifndef WEIR_SQL_READ_PG_WRITE_H
#define WEIR_SQL_READ_PG_WRITE_H

#include "sql/dependencies.h"
#include "sql/read_pg.h"

/* A value that rows have in a column, before or after. */
typedef struct weir_pg_value {
    weir_operand operand;
    bool rows; /* … and those of rows like its own, which the template elides */
    struct weir_pg_value *next;
} weir_pg_value;

typedef struct weir_pg_fixed {
    weir_slice column;
    weir_key_type key;
    weir_pg_value *values; /* that rows are found by, or inserted with; empty: not known */
    weir_pg_value *after;  /* that it is set to */
    bool unknown;          /* a row is inserted with a value that is not known */
    bool assigned;         /* it is set; `after` empty: to what is not known */
    bool conflict;         /* rows that are in the way have the value that was to be inserted */
    struct weir_pg_fixed *next;
} weir_pg_fixed;

/* A relation that is written, by one statement or CTE. */
typedef struct weir_pg_target {
    const weir_schema_relation *relation;
    const weir_from *leaf;
    bool inserts;
    bool updates; /* rows that are in an INSERT's way */
    bool unfixed; /* nothing is fixed */
    bool deletes; /* or may */
    weir_pg_fixed *fixed;
    struct weir_pg_target *next;
} weir_pg_target;

void weir_pg_touch_everything(weir_pg_reader *r, const char *why);

/* ---- touches.c ---- */

/* The target's column, made if absent; NULL: it is of no interest. */
weir_pg_fixed *weir_pg_fixed_of(weir_pg_reader *r, weir_pg_target *t, weir_slice column);
void weir_pg_add_value(weir_pg_reader *r, weir_pg_value **list, const weir_operand *o);

/* `value` NULL: not known. */
void weir_pg_assign(weir_pg_reader *r, weir_pg_target *t, const char *column,
                    const PgQuery__Node *value);
void weir_pg_insert_values(weir_pg_reader *r, weir_pg_target *t, const PgQuery__InsertStmt *s,
                           const PgQuery__SelectStmt *values);
void weir_pg_conflict(weir_pg_reader *r, weir_pg_target *t, const PgQuery__OnConflictClause *c);
/* ---- touches_merge.c ---- */
/* Once its assignments are known. `t` NULL: nothing to do. */
void weir_pg_merge(weir_pg_reader *r, weir_pg_target *t, const PgQuery__MergeStmt *s);
/* ---- touches.c ---- */
/* For weir_rules_target: a column of the reference has that value. */
void weir_pg_found_fixed(void *reader, const weir_from *leaf, weir_slice column,
                         const weir_operand *value);
/* The touches of every target. */
void weir_pg_touches(weir_pg_reader *r, weir_dependencies *ret);

#endif
