/* What a transaction of a server's stream changed, as ids (catalog/key.h). Pure: no I/O, no clock.
 * Private to backend/postgres.
 *
 * Invariant: for each row that changed, of its relation and of each relation that this one is a
 * partition or child of, there is the relation's id and, for each tracked column, the id of the old
 * and of the new value, or the column's own where one of them is not known. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_CHANGES_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_CHANGES_H

#include "base/id_set.h"
#include "base/map.h"
#include "engine/backend.h"
#include "proto/pg/replication.h"

#define PG_CHANGES_VALUES_MAX                                                                      \
    65536u /* ids of a transaction: then columns stand for their values                            \
            */

typedef struct pg_tracked {
    uint64_t relation, column;
} pg_tracked;

typedef struct pg_changes {
    weir_id_set set;
    weir_map relations;
    pg_tracked *tracked;
    size_t tracked_count, tracked_cap;
    uint64_t serial; /* of the tracked columns */
    bool untracked;  /* they could not be listed: everything is reported */
    uint32_t plans;  /* raised when plans must be made anew */
} pg_changes;

void pg_changes_init(pg_changes *c, weir_hash_seed seed);
void pg_changes_fini(pg_changes *c);
/* A new stream: it describes its relations anew. */
void pg_changes_forget_relations(pg_changes *c);
/* Partitions may have been attached or detached. */
void pg_changes_forget_ancestors(pg_changes *c);
/* Between transactions: asks the follower which columns are wanted now. True: there are others than
 * before, and what comes reports them. */
bool pg_changes_track(pg_changes *c, const weir_follower *follower);

/* A Relation message, before it is taken in: asks that the columns of its identity be reported. By
 * this transaction nothing of the relation may have been changed; else nothing is asked for. True:
 * something was. */
bool pg_changes_ask_identity(const pg_changes *c, const weir_pg_change *message,
                             const weir_follower *follower);
/* A Relation message. -ENOMEM, -ENOSPC. */
WEIR_MUST_CHECK int pg_changes_relation(pg_changes *c, const weir_pg_change *message);
/* The first relation of the message of whose ancestors nothing is known yet; 0: none. */
uint32_t pg_changes_unknown(const pg_changes *c, const weir_pg_change *message);
/* Names of what the relation is a partition or child of, all the way up: "schema.name". What was
 * known before holds beside them. -ENOMEM. */
WEIR_MUST_CHECK int pg_changes_ancestors(pg_changes *c, uint32_t oid, const weir_slice *names,
                                         size_t count);
/* INSERT, UPDATE, DELETE. */
void pg_changes_row(pg_changes *c, const weir_pg_change *message);
void pg_changes_truncate(pg_changes *c, const weir_pg_change *message);

#endif
