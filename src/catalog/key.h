/* Relations, columns and key values as 64-bit ids: what a statement depends on and what a change
 * touches meet in them. The hash is the same in every process (ids may be kept on disk or shared);
 * a collision costs a needless miss, never a stale answer.
 *
 * Invariant: two values that the database's own `=` calls equal on that column have one id. Where
 * that cannot be had, there is no id and the whole relation is depended on (DESIGN section 4). */
#ifndef WEIR_CATALOG_KEY_H
#define WEIR_CATALOG_KEY_H

#include "base/error.h"
#include "catalog/value.h"

/* How values of a column compare. */
typedef enum weir_key_type {
    WEIR_KEY_NONE,           /* no canonical bytes: not usable as a key */
    WEIR_KEY_SQLITE_NUMERIC, /* affinity INTEGER, REAL or NUMERIC, collation BINARY */
    WEIR_KEY_SQLITE_TEXT,    /* affinity TEXT, collation BINARY */
    WEIR_KEY_SQLITE_BLOB,    /* affinity BLOB (none), collation BINARY */
    WEIR_KEY_PG_INTEGER,     /* int2, int4, int8: compared among themselves */
    WEIR_KEY_PG_UUID,
    WEIR_KEY_PG_BOOL,
    WEIR_KEY_PG_DATE,
    WEIR_KEY_PG_TEXT /* text, varchar of a deterministic collation, in a UTF-8 database */
} weir_key_type;

/* Of a relation's name as the catalog has it ("t", "schema.t"); ASCII case does not count. */
uint64_t weir_relation_id(weir_slice name);
/* Of a column of it: also the id of "rows whose value of that column is not known". */
uint64_t weir_column_id(uint64_t relation, weir_slice column);

#define WEIR_KEY_ABSENT 1 /* no id: NULL (equal to nothing), or no canonical bytes */

/* Of a value that lies in a row (its column's affinity has been applied). WEIR_KEY_ABSENT: NULL. */
WEIR_MUST_CHECK int weir_key_of_row(uint64_t column, const weir_value *value, uint64_t *ret);
/* Of a literal or parameter that is compared with the column by `=`: the column's affinity is
 * applied as the database would (https://sqlite.org/datatype3.html section 4.2).
 * WEIR_KEY_ABSENT: depend on the whole relation. */
WEIR_MUST_CHECK int weir_key_of_operand(uint64_t column, weir_key_type type,
                                        const weir_value *value, uint64_t *ret);

/* ---- PostgreSQL (key_postgres.c): what is not surely the same value is WEIR_KEY_ABSENT ---- */

/* Of a row's value as the change stream has it: text, DateStyle ISO, UTF-8. */
WEIR_MUST_CHECK int weir_key_of_pg_row(uint64_t column, weir_key_type type, weir_slice text,
                                       uint64_t *ret);
/* Of an operand that is a text: a string's value, a parameter in text format. `utf8`: the client's
 * encoding is UTF-8; of others only ASCII has an id. */
WEIR_MUST_CHECK int weir_key_of_pg_text(uint64_t column, weir_key_type type, weir_slice text,
                                        bool utf8, uint64_t *ret);
/* Of a number that stands in SQL. */
WEIR_MUST_CHECK int weir_key_of_pg_integer(uint64_t column, weir_key_type type, int64_t integer,
                                           uint64_t *ret);
/* Of a parameter in binary format. */
WEIR_MUST_CHECK int weir_key_of_pg_binary(uint64_t column, weir_key_type type, weir_slice bytes,
                                          bool utf8, uint64_t *ret);

#endif
