/* Private to src/sql: where names without a schema are looked for. */
#ifndef WEIR_SQL_SEARCH_PATH_H
#define WEIR_SQL_SEARCH_PATH_H

#include "base/arena.h"
#include "base/error.h"

#define WEIR_SEARCH_PATH_MAX 64u

typedef struct weir_search_path {
    weir_slice schemas[WEIR_SEARCH_PATH_MAX]; /* in order; temporary ones left out */
    size_t count;
    bool catalog; /* pg_catalog is among them; otherwise it comes before them */
} weir_search_path;

#define WEIR_SEARCH_PATH_UNSURE 1
/* The setting as it is written, by the server's rules (SplitIdentifierString in varlena.c,
 * recomputeNamespacePath in namespace.c). WEIR_SEARCH_PATH_UNSURE: what the server makes of it is
 * not certain. -ENOMEM. */
WEIR_MUST_CHECK int weir_search_path_read(weir_slice setting, weir_slice role, weir_arena *arena,
                                          weir_search_path *ret);

#endif
