/* Prepared statements of one SQLite connection, by text: least recently used go first. A statement
 * that is lent (it runs or is suspended) is not lent twice: a second borrower gets its own. */
#ifndef WEIR_BACKEND_SQLITE_STMT_CACHE_H
#define WEIR_BACKEND_SQLITE_STMT_CACHE_H

#include "backend/sqlite/changes.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include <sqlite3.h>
#include <stdatomic.h>

struct weir_sqlite_origin; /* catalog.h */
struct weir_face_type;     /* face.h */

typedef struct weir_sqlite_stmt {
    struct weir_sqlite_origin *origins; /* of its columns; NULL: not known */
    int origins_of;                     /* SQLITE_STMTSTATUS_REPREPARE when they were noted */
    weir_list node;                     /* of the cache's `idle` or `lent` */
    sqlite3_stmt *handle;               /* NULL: the text is empty */
    bool kept;                          /* found by its text; else finalized when given back */
    bool numbered;      /* has parameters written $1, $2, …: bound by number, not by position */
    bool writes;        /* must run on the writer */
    bool transaction;   /* BEGIN, COMMIT, … */
    bool alone;         /* cannot share a transaction: VACUUM, PRAGMA */
    bool schema;        /* may change the schema */
    bool whole_table;   /* one step may take long: not in place */
    atomic_bool orphan; /* lent to nobody any more: given back before anything else runs */
    weir_sqlite_savepoint_op savepoint;
    char savepoint_name[WEIR_SQLITE_SAVEPOINT_NAME_MAX]; /* too long: all of it is taken */
    unsigned param_total;
    int reprepared;       /* SQLITE_STMTSTATUS_REPREPARE as last seen */
    bool once;            /* what is to be known about it is not: not kept */
    uint64_t fingerprint; /* of its accesses and what the schema says of them; 0: not known */
    bool passed;          /* not translated with types, by the schema as it was then */
    char *template; /* translated with types: the text that it is known by elsewhere; else NULL */
    struct weir_face_type *types; /* … and its columns' */
    char *origin_names;           /* … of tables: weir_face_typing */
    size_t type_count;
    size_t charged; /* to the cache's memory, once it rests there */
    size_t text_len;
    char text[];
} weir_sqlite_stmt;

typedef struct weir_sqlite_stmt_cache {
    weir_map by_text;
    weir_list idle; /* kept and not lent, least recently used first */
    weir_list lent;
    unsigned count, count_max; /* kept ones */
    weir_memory *memory;       /* what rests here is charged to it (owner server); may be NULL */
} weir_sqlite_stmt_cache;

void weir_sqlite_stmt_cache_init(weir_sqlite_stmt_cache *cache, weir_hash_seed seed,
                                 unsigned count_max, weir_memory *memory);
/* Finalizes all of them, lent ones too. */
void weir_sqlite_stmt_cache_fini(weir_sqlite_stmt_cache *cache);
/* Lends one, or NULL when there is none (or it is lent already). */
weir_sqlite_stmt *weir_sqlite_stmt_cache_take(weir_sqlite_stmt_cache *cache, weir_slice text);
/* Lends a new one with this text and no handle yet; kept if there is room and it is not too long.
 * NULL: out of memory. */
weir_sqlite_stmt *weir_sqlite_stmt_cache_add(weir_sqlite_stmt_cache *cache, weir_slice text);
/* Takes a lent one back: resets it and lets go of its parameters. One that there is no memory for
 * is not kept. */
void weir_sqlite_stmt_cache_give(weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt);
/* The same, and forgets it: it could not be prepared, or will hardly be seen again. */
void weir_sqlite_stmt_cache_drop(weir_sqlite_stmt_cache *cache, weir_sqlite_stmt *stmt);
/* Takes back the lent ones that are orphans. */
void weir_sqlite_stmt_cache_give_orphans(weir_sqlite_stmt_cache *cache);
/* Finalizes those that are not lent. */
void weir_sqlite_stmt_cache_forget_idle(weir_sqlite_stmt_cache *cache);
/* Takes all lent ones back. */
void weir_sqlite_stmt_cache_give_all(weir_sqlite_stmt_cache *cache);

#endif
