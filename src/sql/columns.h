/* Private to src/sql: which column a name means. */
#ifndef WEIR_SQL_COLUMNS_H
#define WEIR_SQL_COLUMNS_H

#include "sql/query.h"

#define WEIR_COLUMNS_STEPS_MAX 200000u /* of all lookups of one statement */
#define WEIR_MERGED_MAX 8u

/* A column of a FROM item: of a table under its one name (the rowid's is that of its alias). */
typedef struct weir_column {
    const weir_from *leaf;
    weir_slice name;
    weir_key_type type; /* NONE: not to be compared with others */
} weir_column;

/* Several: FULL JOIN … USING makes one column of them, whichever is not NULL. */
typedef struct weir_columns {
    weir_column items[WEIR_MERGED_MAX];
    unsigned count;
} weir_columns;

typedef enum weir_lookup {
    WEIR_LOOKUP_FOUND,
    WEIR_LOOKUP_ABSENT, /* there is none of that name */
    WEIR_LOOKUP_UNSURE
} weir_lookup;

/* Finds every relation's place in the catalog. */
void weir_columns_bind(weir_query *query, const weir_catalog *catalog);
/* What a name in an expression of `level` means, there or further out. False: not known exactly. */
bool weir_columns_resolve(const weir_level *level, const weir_operand *operand, unsigned *steps,
                          weir_columns *ret);
weir_lookup weir_columns_of_leaf(const weir_from *leaf, weir_slice name, unsigned *steps,
                                 weir_column *ret);
/* The column of a derived table's own FROM that its output `name` is. False: it is none. */
bool weir_columns_inside(const weir_query *query, weir_slice name, unsigned *steps,
                         weir_column *ret);

static inline bool weir_column_eq(const weir_column *a, const weir_column *b)
{
    return a->leaf == b->leaf && weir_ascii_eq(a->name, b->name);
}

#endif
