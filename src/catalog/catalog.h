/* What the schema says of the relations that one statement touches: an excerpt, made by the backend
 * from the very schema under which the statement was prepared. Plain data; whoever fills it says
 * how long it lives. */
#ifndef WEIR_CATALOG_CATALOG_H
#define WEIR_CATALOG_CATALOG_H

#include "catalog/key.h"

typedef struct weir_column_info {
    weir_slice name;
    weir_key_type key;   /* NONE also for generated columns */
    weir_slice declared; /* its declared type; empty: none */
} weir_column_info;

typedef enum weir_relation_kind {
    WEIR_RELATION_TABLE,
    WEIR_RELATION_VIEW,
    WEIR_RELATION_VIRTUAL,  /* its changes are not seen row by row */
    WEIR_RELATION_FUNCTION, /* table-valued, and no relation of the schema has its name */
    WEIR_RELATION_SYSTEM,   /* the database's own: sqlite_schema, … */
    WEIR_RELATION_UNKNOWN
} weir_relation_kind;

typedef struct weir_relation_info {
    weir_slice name;
    int64_t number; /* its row in sqlite_schema; 0: it has none */
    weir_relation_kind kind;
    const weir_column_info *columns; /* all of them, in order */
    size_t column_count;
    bool rowid; /* has rowid, oid and _rowid_, where no column of that name hides them */
    weir_slice rowid_alias; /* the INTEGER PRIMARY KEY column; empty: none */
} weir_relation_info;

typedef struct weir_catalog {
    const weir_relation_info *relations;
    size_t count;
    uint64_t fingerprint; /* of all facts a footprint can use: the accesses and these relations;
                             never 0 */
} weir_catalog;

/* ASCII case does not count. NULL: not there. */
const weir_relation_info *weir_catalog_find(const weir_catalog *catalog, weir_slice name);
const weir_column_info *weir_relation_column(const weir_relation_info *relation, weir_slice name);

#endif
