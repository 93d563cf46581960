/* Private to backend/disk: where the newest value of each key is. Threads: any; short locks. */
#ifndef WEIR_BACKEND_DISK_INDEX_H
#define WEIR_BACKEND_DISK_INDEX_H

#include "base/error.h"
#include "base/memory.h"
#include "base/spin.h"
#include "cache/tier.h"

#define DISK_SHARDS 64u

typedef struct disk_place {
    uint32_t segment, offset; /* of the record's head */
    uint32_t len;             /* of the value */
    bool hot;                 /* it was asked for since it was written */
    int64_t expires_wall;
} disk_place;

typedef struct disk_slot {
    weir_tier_key key;
    disk_place place; /* segment 0: free */
} disk_slot;

typedef struct disk_shard {
    weir_spin lock;
    disk_slot *slots;
    size_t mask, used; /* mask 0: none yet */
} disk_shard;

typedef struct disk_index {
    disk_shard shards[DISK_SHARDS];
    _Atomic uint64_t entries;
    weir_memory *memory; /* may be NULL */
} disk_index;

void disk_index_fini(disk_index *index); /* also of a zeroed one */
/* Marks it as hot. False: it is not there. */
bool disk_index_find(disk_index *index, const weir_tier_key *key, disk_place *ret);
/* The later place of a key is kept. -ENOMEM. */
WEIR_MUST_CHECK int disk_index_put(disk_index *index, const weir_tier_key *key,
                                   const disk_place *place);
/* If it is at this place still. False: it was not. */
bool disk_index_remove(disk_index *index, const weir_tier_key *key, const disk_place *place);
/* Takes out all that is in the segment, and shows it. Between its looks others may go on. */
void disk_index_forget(disk_index *index, uint32_t segment,
                       void (*visit)(void *user, const disk_slot *slot), void *user);

#endif
