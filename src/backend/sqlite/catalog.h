/* What the schema says of the relations that a statement touches, asked of the connection that
 * prepared it. Kept per connection until the schema changes. */
#ifndef WEIR_BACKEND_SQLITE_CATALOG_H
#define WEIR_BACKEND_SQLITE_CATALOG_H

#include "base/arena.h"
#include "base/map.h"
#include "catalog/access.h"
#include "catalog/catalog.h"
#include <sqlite3.h>

typedef struct weir_sqlite_catalog {
    weir_map by_name;
    weir_arena facts; /* of the relations in `by_name` */
    int64_t version;  /* the schema's, as it was before the first of them was read */
    bool stale; /* this connection may have changed the schema, or undone a change: a version that
                   was undone comes again for another schema */
    weir_relation_info *excerpt; /* of the newest statement */
    size_t excerpt_cap;
    sqlite3_stmt *ask_version, *ask_relation, *ask_columns, *ask_key_index;
} weir_sqlite_catalog;

void weir_sqlite_catalog_init(weir_sqlite_catalog *c, weir_hash_seed seed);
void weir_sqlite_catalog_fini(weir_sqlite_catalog *c);
/* The excerpt for these accesses, good until the next call. Runs statements of our own on `handle`:
 * the caller keeps the authorizer and the guard out of their way. -ENOMEM, -EIO: nothing is known.
 */
WEIR_MUST_CHECK int weir_sqlite_catalog_read(weir_sqlite_catalog *c, sqlite3 *handle,
                                             const weir_access *accesses, size_t count,
                                             weir_catalog *ret);
/* Where a result's column comes from. */
typedef struct weir_sqlite_origin {
    int64_t relation; /* its row in sqlite_schema; 0: not known */
    uint16_t column;  /* from 1 */
} weir_sqlite_origin;

/* As the newest read left it. */
weir_sqlite_origin weir_sqlite_catalog_origin(const weir_sqlite_catalog *c, const char *table,
                                              const char *column);
/* How values of a column of that declared type compare, under collation BINARY. */
weir_key_type weir_sqlite_key_type(const char *declared, bool strict);

#endif
