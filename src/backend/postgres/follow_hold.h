/* How far the server may forget what a kept slot would send again: not at once, since an answer
 * behind memory is believed after a restart only if all that was committed after it is sent again
 * (decision 0010). Pure: no I/O, no clock. Private to backend/postgres.
 *
 * Invariants: only positions that were received are let go, in order; at most about `bytes` of the
 * server's log, and nothing from longer than `time` ago, are held back. */
#ifndef WEIR_BACKEND_POSTGRES_FOLLOW_HOLD_H
#define WEIR_BACKEND_POSTGRES_FOLLOW_HOLD_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define PG_HOLD_MARKS 128u
#define PG_HOLD_PARTS 32u /* of bytes, and of time: between two marks */

typedef struct pg_hold {
    uint64_t bytes; /* 0: nothing is held back */
    weir_time time;
    struct {
        uint64_t position;
        weir_time at;
    } marks[PG_HOLD_MARKS]; /* where the server could be let go to: a ring */
    unsigned first, count;
    uint64_t released;
} pg_hold;

/* A session begins, at what is acknowledged already. */
void pg_hold_begin(pg_hold *h, uint64_t bytes, weir_time time, uint64_t start, weir_time now);
/* Nothing of it is wanted any more: all that has come may be acknowledged. */
void pg_hold_drop(pg_hold *h, uint64_t received);
/* `received` has come. What may be acknowledged now. */
uint64_t pg_hold_release(pg_hold *h, uint64_t received, weir_time now);

#endif
