/* One thing that a statement touches, as its database reports it (SQLite's authorizer). Plain data.
 */
#ifndef WEIR_CATALOG_ACCESS_H
#define WEIR_CATALOG_ACCESS_H

#include <stdbool.h>

typedef enum weir_access_kind {
    WEIR_ACCESS_READ, /* a column of a table is read; column "" : the table itself (count(*)) */
    WEIR_ACCESS_INSERT,
    WEIR_ACCESS_UPDATE, /* a column is written */
    WEIR_ACCESS_DELETE,
    WEIR_ACCESS_SCHEMA,      /* creates, drops or alters `table` */
    WEIR_ACCESS_FUNCTION,    /* calls `column` */
    WEIR_ACCESS_TRANSACTION, /* BEGIN, COMMIT, ROLLBACK, savepoints */
    WEIR_ACCESS_PRAGMA,      /* `table` is the pragma's name, `column` its argument or "" */
    WEIR_ACCESS_ATTACH
} weir_access_kind;

typedef struct weir_access {
    weir_access_kind kind;
    bool temporary;       /* a temporary object */
    const char *database; /* "main", …; borrowed, as the others */
    const char *table;
    const char *column;
    const char *through; /* innermost trigger or view that does it; "" if the statement itself */
} weir_access;

#endif
