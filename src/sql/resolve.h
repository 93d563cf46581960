/* From a template's footprint to what one statement of it depends on and writes: ids. Public. */
#ifndef WEIR_SQL_RESOLVE_H
#define WEIR_SQL_RESOLVE_H

#include "sql/sql.h"

/* One statement's values. */
typedef struct weir_arguments {
    const weir_lexed *lexed;  /* of its own text; NULL: there are no literals to be had, which makes
                                 keys whole relations */
    const weir_value *params; /* what it is executed with; PostgreSQL: TEXT in text format, BLOB in
                                 binary format, or NULL */
    size_t param_count;
    const uint32_t *param_types; /* PostgreSQL: as Parse declared them, 0: undeclared; as many as
                                    params; NULL: none is declared */
    bool utf8;                   /* PostgreSQL: client_encoding is UTF8 */
} weir_arguments;
/* The dependencies of one statement of that template. Column and value are 0 for a whole relation.
 * A place with more than WEIR_KEYS_MAX values is the whole relation. False (PostgreSQL): by its
 * values its answer may change with the clock ('now'), and is not to be kept. */
#define WEIR_KEYS_MAX 64u
WEIR_MUST_CHECK bool weir_footprint_resolve(
    const weir_footprint *footprint, weir_dialect dialect, const weir_arguments *arguments,
    void (*visit)(void *user, uint64_t relation, uint64_t column, uint64_t value), void *user);
/* What one statement writes. For each relation first (relation, 0, 0): some row of it changes.
 * Then (relation, column, value) for each column that is fixed: of the rows that change, the old
 * value and the new one are among those visited. Every other column's values are not known. NULL
 * is visited as no value. Nothing is visited where footprint->touches_everything. */
void weir_footprint_resolve_touches(
    const weir_footprint *footprint, const weir_arguments *arguments,
    void (*visit)(void *user, uint64_t relation, uint64_t column, uint64_t value), void *user);

#endif
