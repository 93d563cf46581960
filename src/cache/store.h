/* The store of answers in memory: bounded in bytes and entries, found without a lock.
 *
 * Invariants: an entry's content never changes once it was put. A reader, online in the epoch,
 * follows atomic pointers; an entry taken out lives until no reader can hold it (and as long as
 * somebody holds a reference). What is charged is what the allocator gave (malloc_usable_size), not
 * what was asked for. A hit writes no shared memory once the entry's counter is at its cap
 * (S3-FIFO; other policies gather hits in a buffer of the reader's own).
 *
 * Threads: find by any member of the epoch; put, remove, expire, flush take the store's lock
 * (short, misses only). */
#ifndef WEIR_CACHE_STORE_H
#define WEIR_CACHE_STORE_H

#include "base/epoch.h"
#include "base/time.h"
#include "cache/changes.h"
#include "cache/policy.h"

/* ---- entries ---- */

/* One block: this head, the dependencies, the identity, the bytes. */
typedef struct weir_entry {
    struct weir_entry *_Atomic next;           /* of its bucket; the store's */
    weir_policy_node node;                     /* the policy's */
    struct weir_entry *timer_next, **timer_at; /* the wheel's */
    uint64_t hash;
    _Atomic uint32_t refs;
    uint32_t scope; /* the database: whose clock judges it */
    weir_asof asof;
    weir_time filled_at;  /* before it was read */
    weir_time expires_at; /* it is no use to anybody from then on; WEIR_TIME_NEVER */
    weir_time stale_max;  /* the end of that time in which it is given only where this is allowed */
    weir_time ahead;      /* before that: who asks for it has it read anew; 0: nobody */
    uint32_t stale_if_ms, stale_while_ms; /* the caller's: for how long in which case */
    uint64_t facts;                       /* the caller's: what was known of the schema */
    _Atomic weir_time claimed_until;      /* somebody reads it anew */
    uint64_t rows;
    uint32_t template_id, template_serial;
    uint32_t flags, rule; /* the caller's */
    uint32_t dependency_count;
    size_t identity_len, bytes_len, head_len; /* the first `head_len` of the bytes describe */
    weir_dependency dependencies[];
} weir_entry;

typedef struct weir_entry_options {
    uint64_t hash;
    weir_slice identity;
    const weir_dependency *dependencies;
    uint32_t dependency_count;
    weir_slice bytes;
    weir_entry like; /* scope, asof, times, rows, template, flags, head_len */
} weir_entry_options;

/* With one reference. -ENOMEM. */
WEIR_MUST_CHECK int weir_entry_new(const weir_entry_options *options, weir_entry **ret);
weir_entry *weir_entry_ref(weir_entry *entry);
void weir_entry_unref(weir_entry *entry); /* NULL is fine */
weir_slice weir_entry_identity(const weir_entry *entry);
weir_slice weir_entry_bytes(const weir_entry *entry);
/* From when on its time to live is over. */
static inline weir_time weir_entry_fresh_until(const weir_entry *entry)
{
    return entry->expires_at - entry->stale_max;
}
/* True for one caller until `until`: it reads the answer anew. */
bool weir_entry_claim(const weir_entry *entry, weir_time now, weir_time until);

/* ---- the store ---- */

typedef struct weir_store weir_store;

typedef struct weir_store_options {
    size_t size_max;    /* bytes of entries */
    size_t entries_max; /* 0: no limit but size_max */
    size_t entry_max;   /* bytes of one entry, at most size_max / 8; larger ones are refused */
    weir_policy_kind policy;
    unsigned readers; /* who finds: 0 … readers-1, one thread each */
    weir_hash_seed seed;
    weir_memory *memory; /* buckets, and entries until taken out, are charged as CACHE; or NULL */
    /* An entry has come to its end, not by a flush: under the store's lock, so shortly; or NULL. */
    void (*ended)(void *user, const weir_entry *entry);
    void *user; /* of `ended` */
} weir_store_options;

/* -ENOMEM, -EINVAL. */
WEIR_MUST_CHECK int weir_store_new(const weir_store_options *options, weir_store **ret);
void weir_store_free(weir_store *store);

/* Keyed by the store's seed. */
uint64_t weir_store_hash(const weir_store *store, weir_slice identity);
/* NULL: absent. An expired entry is given too: the caller judges. Good until the calling member of
 * the epoch is quiescent. */
const weir_entry *weir_store_find(weir_store *store, uint64_t hash, weir_slice identity);
/* The entry found was served: what the policy learns from. */
void weir_store_hit(weir_store *store, unsigned reader, const weir_entry *entry);

#define WEIR_STORE_REFUSED                                                                         \
    1 /* too large, or memory.max is reached and nothing could be evicted                          \
       */

/* Keeps the entry (a reference of its own), replacing one of the same identity unless that one has
 * a newer as-of: then 0 too. `hash` is weir_store_hash of its identity. An entry is put once, into
 * one store; one that has expired by `now` is refused. */
WEIR_MUST_CHECK int weir_store_put(weir_store *store, weir_epoch_member *member, weir_entry *entry,
                                   weir_time now);
typedef enum weir_removal {
    WEIR_REMOVAL_EVICTED, /* for room */
    WEIR_REMOVAL_EXPIRED,
    WEIR_REMOVAL_CHANGED, /* found to be out of date */
    WEIR_REMOVAL_REPLACED,
    WEIR_REMOVAL_FLUSHED,
    WEIR_REMOVALS
} weir_removal;
const char *weir_removal_name(weir_removal removal);
/* Takes it out if it is still there. */
void weir_store_remove(weir_store *store, weir_epoch_member *member, const weir_entry *entry,
                       weir_removal why);
/* Takes out what has expired: a bounded number per call; true: there may be more. */
bool weir_store_expire(weir_store *store, weir_epoch_member *member, weir_time now);
/* Takes out everything of a scope; UINT32_MAX: of all. Bounded in time by the entries there are. */
void weir_store_flush(weir_store *store, weir_epoch_member *member, uint32_t scope);
/* New bounds; the store shrinks by later puts and expiries. The buckets stay those that the first
 * bounds asked for: with far larger ones finding gets slower. */
void weir_store_resize(weir_store *store, size_t size_max, size_t entries_max, size_t entry_max);
/* Calls `visit` for entries until it returns false. The caller is online. */
void weir_store_each(weir_store *store, bool (*visit)(void *user, const weir_entry *entry),
                     void *user);

typedef struct weir_store_stats {
    size_t entries, bytes, bytes_max, entries_max;
    uint64_t puts, refused;
    uint64_t removals[WEIR_REMOVALS];
} weir_store_stats;
void weir_store_stats_read(const weir_store *store, weir_store_stats *ret);

#endif
