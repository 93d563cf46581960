/* Private to src/sql: one statement's literals and parameters, as a PostgreSQL server reads them.
 */
#ifndef WEIR_SQL_PG_VALUES_H
#define WEIR_SQL_PG_VALUES_H

#include "sql/reads.h"
#include "sql/resolve.h"

#define WEIR_PG_VALUE_SIZE_MAX 512u /* of a literal or element with something to decode */

typedef struct weir_pg_values {
    const weir_footprint *footprint;
    const weir_arguments *arguments;
    bool written; /* the values go into columns: varchar(n) cuts blanks off */
    uint8_t text[WEIR_PG_VALUE_SIZE_MAX];
} weir_pg_values;

void weir_pg_values_init(weir_pg_values *v, const weir_footprint *footprint,
                         const weir_arguments *arguments);
/* The ids of a keyed dependency's values, at most WEIR_KEYS_MAX; 0: they cannot be had. */
size_t weir_pg_values_ids(weir_pg_values *v, const weir_read_dependency *d, uint64_t *ids);
/* No date or time is read from a value that says "now". */
bool weir_pg_values_are_timeless(weir_pg_values *v);

/* How values of a type compare; WEIR_KEY_NONE: not as keys. */
weir_key_type weir_pg_key_of_type(uint32_t oid);

/* Whether all literals of that place are recorded: places never go down. */
bool weir_literals_are_complete(const weir_lexed *l, uint32_t place);

/* A string as written, to its value, which lies in it or in `buf`. False: it is not one of those
 * that are read here ('…', E'…' with plain escapes, $tag$…$tag$). */
bool weir_pg_string_read(weir_slice text, uint8_t *buf, size_t room, weir_slice *ret);
/* It has a word that a date or time would be read from, and another one tomorrow. */
bool weir_pg_text_tells_time(weir_slice text);

#endif
