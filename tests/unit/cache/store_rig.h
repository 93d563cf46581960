/* A store with an epoch for the store's tests, and answers whose content follows from what they are
 * called, so that any of them can be checked wherever it is found. */
#ifndef WEIR_TESTS_STORE_RIG_H
#define WEIR_TESTS_STORE_RIG_H

#include "cache/store.h"

#define RIG_ROOM ((size_t)1 << 20)

typedef struct store_rig {
    weir_memory memory;
    weir_epoch *epoch;
    weir_epoch_member *member; /* online */
    weir_store *store;
} store_rig;

/* What is zero in `options` is filled in: room for RIG_ROOM bytes, one reader. */
void store_rig_init(store_rig *rig, weir_store_options options);
/* Joins nobody and makes no store: for options that fail. */
int store_rig_try(store_rig *rig, weir_store_options options);
void store_rig_fini(store_rig *rig);

typedef struct rig_answer {
    unsigned id; /* of its identity */
    size_t len;
    weir_asof asof;
    uint32_t scope;
    weir_time expires_at; /* 0: never */
    uint64_t hash;        /* 0: the store's */
} rig_answer;

weir_slice rig_identity(unsigned id, char (*text)[32]);
/* NULL: out of memory. With one reference. */
weir_entry *rig_entry_try(const weir_store *store, rig_answer answer);
weir_entry *rig_entry(const weir_store *store, rig_answer answer);
/* Whether identity, bytes and dependencies are those of an answer of this id. */
bool rig_entry_is_whole(const weir_entry *entry, unsigned id);

/* Puts it at time 0 and keeps no reference. */
int rig_put(store_rig *rig, rig_answer answer);
const weir_entry *rig_find(store_rig *rig, unsigned id);
/* Finds and hits. */
bool rig_ask(store_rig *rig, unsigned id);
weir_store_stats rig_stats(const store_rig *rig);
size_t rig_cache_memory(const store_rig *rig);

#endif
