/* Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004): readers of shared structures
 * never wait; what a writer unlinked is freed when no reader can still hold it.
 *
 * Invariant: an object retired in epoch e is freed only when every participant that is online has
 * announced an epoch > e since. A participant that sleeps is offline and holds nothing back. C11
 * atomics only, no helper threads, clean under ThreadSanitizer. */
#ifndef WEIR_BASE_EPOCH_H
#define WEIR_BASE_EPOCH_H

#include "base/error.h"
#include <stddef.h>

typedef struct weir_epoch weir_epoch;
typedef struct weir_epoch_member weir_epoch_member;

/* -ENOMEM. At most `members_max` participants join. */
WEIR_MUST_CHECK int weir_epoch_new(size_t members_max, weir_epoch **ret);
/* Frees everything still retired. No participant may be left. */
void weir_epoch_free(weir_epoch *e);

/* Joins the calling thread, offline. -EAGAIN: members_max reached; -ENOMEM. A member belongs to one
 * thread. */
WEIR_MUST_CHECK int weir_epoch_join(weir_epoch *e, weir_epoch_member **ret);
/* What is not free yet is left to the others: a member that is quiescent later frees it. */
void weir_epoch_leave(weir_epoch_member *m);

/* Between online and offline pointers read from shared structures stay valid, until `quiescent` is
 * called. Neither nests. */
void weir_epoch_online(weir_epoch_member *m);
/* Also frees what has become free. */
void weir_epoch_offline(weir_epoch_member *m);
/* "I hold no shared pointer now": called at the bottom of each loop turn; frees what has become
 * free. Two atomic loads when nothing is retired anywhere. An offline member stays offline. */
void weir_epoch_quiescent(weir_epoch_member *m);

/* Frees `object` with `release` once no reader can hold it; call after it was unlinked, online or
 * not. `release` runs on the member's thread inside quiescent, offline or leave (after leave:
 * inside another's quiescent or weir_epoch_free); it may retire more. A member that sleeps with
 * objects retired frees them after it wakes. A member has room for 32 objects; needing more and out
 * of memory, it never releases the object and counts it as lost: memory that a reader may still
 * hold cannot carry the record of its own end. */
void weir_epoch_retire(weir_epoch_member *m, void *object, void (*release)(void *object));
/* How many objects were lost; any thread. */
size_t weir_epoch_lost(const weir_epoch *e);

#endif
