/* What a transaction changes, as ids (catalog/key.h), collected row by row through SQLite's
 * preupdate hook. On the writer's thread only. */
#ifndef WEIR_BACKEND_SQLITE_CHANGES_H
#define WEIR_BACKEND_SQLITE_CHANGES_H

#include "base/arena.h"
#include "base/id_set.h"
#include "base/map.h"
#include "engine/backend.h"
#include <sqlite3.h>

typedef struct weir_sqlite_db weir_sqlite_db;

/* Values beyond so many are given as "rows of this column whose value is not known". */
#define WEIR_SQLITE_VALUES_MAX 65536u
#define WEIR_SQLITE_SAVEPOINT_NAME_MAX 64u
#define WEIR_SQLITE_SAVEPOINTS_MAX 32u

typedef enum weir_sqlite_savepoint_op {
    WEIR_SQLITE_SAVEPOINT_NONE,
    WEIR_SQLITE_SAVEPOINT_BEGIN,
    WEIR_SQLITE_SAVEPOINT_RELEASE,
    WEIR_SQLITE_SAVEPOINT_ROLLBACK
} weir_sqlite_savepoint_op;

typedef struct weir_sqlite_mark {
    char name[WEIR_SQLITE_SAVEPOINT_NAME_MAX];
    size_t count;
} weir_sqlite_mark;

typedef struct weir_sqlite_tracked {
    uint64_t relation, column;
    weir_slice name; /* of the column */
} weir_sqlite_tracked;

typedef struct weir_sqlite_changes {
    weir_id_set set;

    weir_sqlite_mark marks[WEIR_SQLITE_SAVEPOINTS_MAX];
    size_t depth;
    bool unmarked; /* a savepoint has no mark: nothing is dropped until the transaction ends */

    bool schema_touched; /* since the transaction began */
    int64_t schema_before;

    weir_sqlite_tracked *tracked;
    size_t tracked_count, tracked_cap;
    weir_arena names;
    uint64_t serial; /* of the columns in `tracked` */
    bool untracked;  /* the list could not be made: every change is of everything */

    weir_map plans; /* what is to be read of a table's rows, by its name */
    weir_arena plan_facts;
    struct weir_sqlite_plan *last;
    int64_t plans_version; /* of the schema */
    bool plans_checked;    /* against the schema, in this transaction */
} weir_sqlite_changes;

void weir_sqlite_changes_init(weir_sqlite_changes *c, weir_hash_seed seed);
void weir_sqlite_changes_fini(weir_sqlite_changes *c);
/* Makes a connection report its changes to `c`, outside of transactions that write. */
void weir_sqlite_changes_watch(weir_sqlite_changes *c, weir_sqlite_db *db);
/* Between transactions: asks which columns are tracked, if there are new ones. */
void weir_sqlite_changes_track(weir_sqlite_changes *c, const weir_follower *follower);
/* The transaction is over: its ids go. */
void weir_sqlite_changes_clear(weir_sqlite_changes *c);
/* The same for one that was rolled back, but it may have been a statement alone that SQLite
 * prepares anew and runs again: what it may do to the schema is still to come. */
void weir_sqlite_changes_roll_back(weir_sqlite_changes *c);
bool weir_sqlite_changes_pending(const weir_sqlite_changes *c);
/* Before a statement that may change the schema. */
void weir_sqlite_changes_before_schema(weir_sqlite_changes *c, weir_sqlite_db *db);
/* After the commit: has it? */
bool weir_sqlite_changes_schema_differs(const weir_sqlite_changes *c, weir_sqlite_db *db);
/* Such a command has succeeded. A name without its zero is too long to be kept. */
void weir_sqlite_changes_savepoint(weir_sqlite_changes *c, weir_sqlite_savepoint_op op,
                                   const char name[static WEIR_SQLITE_SAVEPOINT_NAME_MAX]);

#endif
