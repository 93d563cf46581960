/* The authorizer: what a statement touches is collected while it is prepared, and what clients must
 * not do is refused (the list is in authorize.c). */
#ifndef WEIR_BACKEND_SQLITE_AUTHORIZE_H
#define WEIR_BACKEND_SQLITE_AUTHORIZE_H

#include "backend/sqlite/changes.h"
#include "base/arena.h"
#include "catalog/access.h"
#include <sqlite3.h>

#define WEIR_SQLITE_ACCESSES_MAX 4096u

typedef struct weir_sqlite_collector {
    weir_access *items; /* strings are the arena's */
    size_t count, cap;
    weir_arena strings;
    bool incomplete;  /* more than can be kept, or out of memory */
    bool trusted;     /* our own statements are under way: anything goes, nothing is collected */
    bool preparing;   /* a client's text; else SQLite's own nested statements */
    bool transaction; /* BEGIN, COMMIT, ROLLBACK, a savepoint */
    bool schema;      /* creates, drops, alters, … */
    bool pragma;      /* any */
    weir_sqlite_savepoint_op savepoint;
    const char *savepoint_name;
    bool pragma_write; /* one that writes although sqlite3_stmt_readonly may say otherwise */
    bool whole_table;  /* reads a table as such, as count(*) does: one step may take long */
    bool sequence;     /* counts one: a SELECT that does is a write */
    bool denies; /* a statement that was translated with the schema's types runs: it must not be
                    prepared again behind our back, by another schema */
    bool stale;  /* … and was about to be */
    const char *refused; /* words for what was refused; NULL: nothing */
    const char *refused_hint;
} weir_sqlite_collector;

void weir_sqlite_collector_init(weir_sqlite_collector *c);
void weir_sqlite_collector_fini(weir_sqlite_collector *c);
/* Forgets what was collected. */
void weir_sqlite_collector_reset(weir_sqlite_collector *c);
/* sqlite3_set_authorizer's callback; `user` is the collector. */
int weir_sqlite_authorize(void *user, int action, const char *a, const char *b,
                          const char *database, const char *through);

#endif
