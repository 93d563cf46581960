/* Invalidations by hand on their way to every Weir that follows a database: as logical messages in
 * its log. What waits to be sent, and how it is written. Private to backend/postgres.
 *
 *   flush:all   flush:table:HEX   flush:tag:HEX   flush:prefix:HEX
 *
 * Invariants: nothing waits without bound: one too many makes all of them one that forgets
 * everything. What is sent stays until the server has taken it.
 *
 * Threads: any adds, the follower's takes. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_FLUSH_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_FLUSH_H

#include "base/spin.h"
#include "engine/backend.h"

#define PG_FLUSH_SIZE (16u + 2 * WEIR_FLUSH_NAME_MAX)
#define PG_FLUSHES_MAX 256u  /* that wait */
#define PG_FLUSHES_BATCH 32u /* of one transaction */

/* As it is sent. A name that is too long makes it one that forgets everything. */
void pg_flush_write(const weir_flush *flush, char out[static PG_FLUSH_SIZE]);
/* Of what stands behind "flush:"; the name goes to `name`. False: it is none. */
bool pg_flush_read(weir_slice text, uint8_t name[static WEIR_FLUSH_NAME_MAX], weir_flush *ret);

typedef struct pg_flushes {
    weir_spin lock;
    uint64_t number; /* of the first */
    unsigned first, count;
    char text[PG_FLUSHES_MAX][PG_FLUSH_SIZE];
} pg_flushes;

void pg_flushes_add(pg_flushes *f, const weir_flush *flush);
typedef struct pg_flush_batch {
    uint64_t number; /* of the first */
    unsigned count;
    char text[PG_FLUSHES_BATCH][PG_FLUSH_SIZE];
} pg_flush_batch;

bool pg_flushes_wait(pg_flushes *f);
/* The first ones. False: none waits. */
bool pg_flushes_next(pg_flushes *f, pg_flush_batch *ret);
/* They have been sent. */
void pg_flushes_done(pg_flushes *f, const pg_flush_batch *batch);

#endif
