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
    WEIR_KEY_SQLITE_BLOB     /* affinity BLOB (none), collation BINARY */
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

#endif
