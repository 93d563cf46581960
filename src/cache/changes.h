/* The change clock: when did what an answer depends on last change (DESIGN section 5).
 *
 * Slots in a fixed power-of-two array, found by hashing ids (catalog/key.h): of a relation (any
 * change of it), of a column (a change of rows whose value of that column is not known), of a
 * column's value, of a tag. A slot holds the newest position of either hand.
 *
 * Invariant: a slot never goes back. A bump is an atomic maximum per hand, made (release) before
 * what it reports is made known; whoever learnt of that sees the bump (acquire). Two ids that meet
 * in one slot cost a miss, never a stale answer.
 *
 * Hands. `wal`: positions of the database's history (SQLite: our commits and looks at the file,
 * counted; PostgreSQL: end LSNs). `local`: this process' own count, for what it knows first: its
 * writes' outcomes, and invalidations by hand.
 *
 * Threads: any may call anything. */
#ifndef WEIR_CACHE_CHANGES_H
#define WEIR_CACHE_CHANGES_H

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* An answer's position: everything up to `wal`, and up to `local`, was visible to the snapshot that
 * it was read from. */
typedef struct weir_asof {
    uint64_t wal, local;
} weir_asof;

/* What an answer depends on. */
typedef struct weir_dependency {
    uint64_t relation; /* or a tag */
    uint64_t column;   /* 0: the whole relation */
    uint64_t value;    /* of the column */
} weir_dependency;

typedef struct weir_changes weir_changes;

typedef struct weir_changes_options {
    unsigned slots;       /* rounded up to a power of two; 16 bytes each, charged as CACHE */
    unsigned columns_max; /* key columns that can be tracked */
    weir_hash_seed seed;
    weir_memory *memory; /* may be NULL */
} weir_changes_options;

/* -ENOMEM. */
WEIR_MUST_CHECK int weir_changes_new(const weir_changes_options *options, weir_changes **ret);
void weir_changes_free(weir_changes *changes);

/* ---- positions ---- */

/* Where both hands begin; an as-of of it claims nothing. (0 is never.) */
#define WEIR_CHANGES_FIRST 1

/* The as-of of a read that begins after this call: capture it before the snapshot is taken. */
weir_asof weir_changes_now(const weir_changes *changes);
/* A history that counts for itself (SQLite): the next `wal` position, for the bumps of one commit;
 * only the one thread that follows the history. `publish` makes it the newest as-of, after the
 * bumps and before the outcome is told. */
uint64_t weir_changes_next_wal(const weir_changes *changes);
void weir_changes_publish_wal(weir_changes *changes, uint64_t wal);
/* A new `local` position, which is the newest as-of at once: to be asked for after the change
 * itself (after the outcome arrived; a flush by hand: after it was called), and bumped with before
 * that is told. In between, who captures it reads what is true already (changes.c has the proof).
 */
uint64_t weir_changes_next_local(weir_changes *changes);

/* ---- changes ---- */

typedef enum weir_hand { WEIR_HAND_WAL, WEIR_HAND_LOCAL } weir_hand;

void weir_changes_bump(weir_changes *changes, weir_hand hand, uint64_t id, uint64_t position);
/* Everything before `position` is forgotten: a gap, a schema change, another process' commit. */
void weir_changes_raise_floor(weir_changes *changes, weir_hand hand, uint64_t position);
weir_asof weir_changes_floor(const weir_changes *changes);

/* ---- tracked columns ---- */

/* Asks that values of this column be reported; harmless if it is tracked already. -ENOSPC: no more
 * can be: the relation as a whole is depended on. Names are copied (at most 128 bytes each, else
 * -ENOSPC). */
WEIR_MUST_CHECK int weir_changes_track(weir_changes *changes, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name);
/* A number that grows with each column asked for. */
uint64_t weir_changes_track_serial(const weir_changes *changes);
/* Visits all columns asked for so far. By whoever follows the history, between transactions. */
void weir_changes_each_tracked(const weir_changes *changes,
                               void (*visit)(void *user, uint64_t relation, uint64_t column,
                                             weir_slice relation_name, weir_slice column_name),
                               void *user);
/* The follower reports the columns visited up to `serial` from here on: every commit after `wal`
 * carries their values. By the thread that follows the history: where it has told of no change of
 * a relation since the floor, its columns are tracked since the floor. */
void weir_changes_confirm_tracked(weir_changes *changes, uint64_t serial, uint64_t wal);
/* The follower reports this column from here on, in the midst of a commit none of whose changes so
 * far were of its relation. Tracked since the floor, if nothing of it was told before; else as if
 * it had not been called. */
void weir_changes_confirm_unchanged(weir_changes *changes, uint64_t column);
/* A keyed dependency as an answer of this as-of may have it: unchanged if its column was tracked
 * by then, else the whole relation. */
weir_dependency weir_changes_settle(const weir_changes *changes, weir_dependency dependency,
                                    weir_asof asof);

/* ---- judging ---- */

typedef enum weir_verdict {
    WEIR_VERDICT_STANDS,
    WEIR_VERDICT_CHANGED, /* something that it depends on */
    WEIR_VERDICT_FLOOR    /* it is from before the floor */
} weir_verdict;

/* May an answer of this as-of with these dependencies be given now? The dependencies are settled.
 */
weir_verdict weir_changes_judge(const weir_changes *changes, weir_asof asof,
                                const weir_dependency *dependencies, size_t count);

/* The newest bump of an id (or of one that shares its slot) by this hand; 0: never. */
uint64_t weir_changes_at(const weir_changes *changes, weir_hand hand, uint64_t id);

/* ---- how good it is ---- */

typedef struct weir_changes_stats {
    uint64_t slots, slots_used; /* that were ever bumped */
    uint64_t bumps;
    uint64_t tracked; /* columns */
    double collision; /* chance that an id nobody changed lies in a bumped slot */
} weir_changes_stats;
void weir_changes_stats_read(const weir_changes *changes, weir_changes_stats *ret);

#endif
