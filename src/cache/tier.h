/* The stored form of an answer: what a tier behind memory keeps of it, the same for every process
 * that may read it, and everything that is needed to judge it there.
 *
 *   magic, version, flags · checksum │ lineage, fingerprint, run, as-of, times, counts │
 *   dependencies │ identity │ bytes, compressed or not
 *
 * Invariants: what was opened is what was written, bit by bit (the checksum covers all of it), and
 * no length in it is believed before it is checked. The identity is there in full and is compared:
 * two identities that share a key never give each other's answer (hazards, caching 16).
 *
 * Numbers are in network order. Pure: no clock; wall times are arguments. */
#ifndef WEIR_CACHE_TIER_H
#define WEIR_CACHE_TIER_H

#include "base/buf.h"
#include "cache/store.h"

#define WEIR_TIER_DEPENDENCIES_MAX 4096u
#define WEIR_TIER_WALL_NEVER INT64_MAX

/* Under which a tier finds it: a hash of the portable identity. */
typedef struct weir_tier_key {
    uint8_t bytes[16];
} weir_tier_key;

/* Which history positions are of: of one system identifier and timeline, they can be compared. */
typedef struct weir_lineage {
    uint64_t system;
    uint64_t timeline;
} weir_lineage;

/* The part of an identity that is the same in every process: `domain` names the database and the
 * rules that answers are kept under, `rest` is what was asked. */
typedef struct weir_portable {
    weir_slice domain, rest;
} weir_portable;

weir_tier_key weir_tier_key_of(weir_portable identity);

/* What goes along with an answer. */
typedef struct weir_tier_label {
    weir_lineage lineage;
    uint64_t fingerprint; /* of the catalog facts that its dependencies are from */
    uint64_t run;         /* of the process that read it: `local` counts there alone */
    uint64_t wal;         /* its as-of, in positions of the lineage */
    int64_t filled_wall;  /* ns since 1970, before it was read */
    int64_t expires_wall; /* WEIR_TIER_WALL_NEVER */
} weir_tier_label;

/* Appends the stored form. Bytes longer than `compress_above` are compressed where that makes them
 * smaller. -ENOMEM, -EMSGSIZE (also where a count does not fit its field): `out` is as before. */
WEIR_MUST_CHECK int weir_stored_write(const weir_tier_label *label, weir_portable identity,
                                      const weir_entry *entry, size_t compress_above,
                                      weir_buf *out);

/* An opened one: everything borrows from the bytes given. */
typedef struct weir_stored {
    weir_tier_label label;
    uint64_t local; /* of its as-of */
    uint64_t rows;
    uint32_t dependency_count;
    size_t bytes_len, head_len;
    size_t domain_len; /* of the identity */
    bool compressed;
    weir_slice dependencies, identity, packed;
} weir_stored;

/* -EPROTO: it is none, of another version, damaged, or its answer is longer than `bytes_max`. */
WEIR_MUST_CHECK int weir_stored_open(weir_slice stored, size_t bytes_max, weir_stored *ret);
bool weir_stored_is(const weir_stored *stored, weir_portable identity);
weir_dependency weir_stored_dependency(const weir_stored *stored, uint32_t at);
/* An entry with its dependencies and bytes; `like` brings the rest, the as-of included, since what
 * `local` says counts in one process alone; `identity` is as this process has it. -ENOMEM; -EPROTO:
 * the compressed bytes are not what was said of them. */
WEIR_MUST_CHECK int weir_stored_entry(const weir_stored *stored, const weir_entry *like,
                                      weir_slice identity, weir_entry **ret);

#endif
