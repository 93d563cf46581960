/* Timer wheel: which entries have expired (Varghese & Lauck, "Hashed and hierarchical timing
 * wheels", SOSP 1987). Private to the store, under whose lock it is. */
#ifndef WEIR_CACHE_WHEEL_H
#define WEIR_CACHE_WHEEL_H

#include "cache/store.h"

/* Seven digits of six bits hold every weir_time in ticks: nothing lies beyond the wheel. */
#define WEIR_WHEEL_LEVELS 7u
#define WEIR_WHEEL_SLOTS 64u
#define WEIR_WHEEL_TICK_SHIFT 26 /* 2^26 ns: about 67 ms */

/* Zeroed is empty. */
typedef struct weir_wheel {
    uint64_t at;                          /* ticks; all before it is done */
    uint64_t occupied[WEIR_WHEEL_LEVELS]; /* a bit per slot; may be set for an empty one */
    weir_entry *slots[WEIR_WHEEL_LEVELS][WEIR_WHEEL_SLOTS];
} weir_wheel;

/* Nothing happens to an entry that never expires. */
void weir_wheel_add(weir_wheel *wheel, weir_entry *entry);
/* Nothing happens to an entry that is not on it. */
void weir_wheel_remove(weir_entry *entry);
/* Takes out an entry that has expired by `now`, at most a tick later than it could have. NULL:
 * there is none, or `*budget` is used up: it is lowered by each entry moved or taken. */
weir_entry *weir_wheel_next(weir_wheel *wheel, weir_time now, unsigned *budget);

#endif
