/* The queue of replies that ONE server connection owes: what a transaction pooler must know to give
 * each reply to whom it belongs, to drop replies to messages of its own, to answer in the server's
 * stead at the right place, and to lend the connection again only when it is at rest. HAZARDS, wire
 * protocol, 1 to 8. Pure; owed.c states the invariants and draws the cases.
 *
 * Use: push one entry per message, in the order in which they are forwarded to the server; Flush
 * and CopyData push nothing; CopyDone and CopyFail call weir_pg_owed_copy_ended. Ask for every
 * message from the server what it means. After each push, interject and on: drain next_interjection
 * and next_skipped until they are false. */
#ifndef WEIR_PROTO_PG_OWED_H
#define WEIR_PROTO_PG_OWED_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

typedef enum weir_pg_owed_kind {
    WEIR_PG_OWED_QUERY,
    WEIR_PG_OWED_PARSE,
    WEIR_PG_OWED_BIND,
    WEIR_PG_OWED_DESCRIBE_STATEMENT,
    WEIR_PG_OWED_DESCRIBE_PORTAL,
    WEIR_PG_OWED_CLOSE,
    WEIR_PG_OWED_EXECUTE,
    WEIR_PG_OWED_SYNC,
    WEIR_PG_OWED_FUNCTION,
    WEIR_PG_OWED_INTERJECTION /* bytes of our own, given out when everything before them is */
} weir_pg_owed_kind;

#define WEIR_PG_OWED_SMALL 8u /* entries that need no allocation */

struct weir_pg_owed_bytes;

typedef struct weir_pg_owed_entry {
    union {
        uint64_t tag;
        struct weir_pg_owed_bytes *bytes; /* INTERJECTION: owned */
    } u;
    uint8_t kind;
    bool hidden;
    bool skippable;
    uint16_t copies_ended; /* CopyDone and CopyFail sent behind this entry, before the next */
} weir_pg_owed_entry;

/* Private; embedded by value, may be moved while no interjection is being looked at. */
typedef struct weir_pg_owed {
    weir_pg_owed_entry small[WEIR_PG_OWED_SMALL];
    weir_pg_owed_entry *large; /* NULL: `small` is the ring */
    struct weir_pg_owed_bytes *given;
    uint32_t cap, head, len, len_max;
    uint32_t skipped;    /* the first entries: the server skipped them, nobody fetched them yet */
    uint32_t owed;       /* entries that the server will answer */
    uint32_t ready;      /* of these, those that a ReadyForQuery ends */
    uint32_t copy_syncs; /* Syncs the server ignores, as far as the COPY under way goes well */
    uint32_t syncs_in_doubt; /* ... it did not go well: each may have been answered after all */
    uint32_t unentered;      /* the client's, that a ReadyForQuery ends and that found no room */
    bool skipping, copying, failed, described, batch_open, doubtful;
} weir_pg_owed;

/* What an arriving backend message means. */
typedef struct weir_pg_owed_verdict {
    bool forward; /* to the client; else it is ours: drop it */
    /* It ends the entry `kind`/`tag`. An ErrorResponse: that entry failed; after a failed QUERY,
     * FUNCTION or SYNC the ReadyForQuery still follows and completes it once more. */
    bool completes;
    weir_pg_owed_kind kind;
    uint64_t tag; /* as pushed */
    bool hidden;  /* as pushed */
} weir_pg_owed_verdict;

/* What the server skips because of an error before it. */
typedef struct weir_pg_owed_skipped {
    weir_pg_owed_kind kind;
    bool hidden;
    uint64_t tag; /* as pushed; INTERJECTION: the first of its bytes */
} weir_pg_owed_skipped;

/* At most `entries_max` entries (65 536 if 0) wait. Allocates nothing. */
void weir_pg_owed_init(weir_pg_owed *q, size_t entries_max);
void weir_pg_owed_fini(weir_pg_owed *q);
/* A message that owes a reply is being forwarded; `hidden`: it is ours, the client must not see the
 * reply. -ENOMEM; -ENOSPC: entries_max. Then the message must not be sent. */
WEIR_MUST_CHECK int weir_pg_owed_push(weir_pg_owed *q, weir_pg_owed_kind kind, bool hidden,
                                      uint64_t tag);
/* Bytes for the client behind every reply owed now; copied. `skippable`: a reply in the server's
 * stead (ParseComplete, CloseComplete), which an error before it swallows as the server would have;
 * else they are given out in any case. Errors as above. */
WEIR_MUST_CHECK int weir_pg_owed_interject(weir_pg_owed *q, weir_slice bytes, bool skippable);
/* The client's CopyDone or CopyFail is being forwarded. */
void weir_pg_owed_copy_ended(weir_pg_owed *q);
/* A message of `type` came from the server. -EPROTO: nothing that is owed answers so: the queue and
 * the server are out of step, close the connection. */
WEIR_MUST_CHECK int weir_pg_owed_on(weir_pg_owed *q, uint8_t type, weir_pg_owed_verdict *ret);
/* Its turn has come: next_interjection gives it. */
bool weir_pg_owed_has_interjection(const weir_pg_owed *q);
/* Bytes whose turn it is; borrowed until the next call of any function here. */
bool weir_pg_owed_next_interjection(weir_pg_owed *q, weir_slice *ret);
/* Behind an ErrorResponse, and for what is pushed between that and the next Sync. In no particular
 * order. A Parse among them never ran: it must not be remembered as prepared. */
bool weir_pg_owed_next_skipped(weir_pg_owed *q, weir_pg_owed_skipped *ret);
/* What is pushed or interjected now is swallowed, but for a Sync and what is not skippable. */
bool weir_pg_owed_is_skipping(const weir_pg_owed *q);

/* The next reply answers a message of ours. */
bool weir_pg_owed_is_ours(const weir_pg_owed *q);
/* Entries the server will still answer (interjections not counted). */
size_t weir_pg_owed_count(const weir_pg_owed *q);
/* ReadyForQuery messages still to come that the client is owed, also those put between by us, and
 * for messages that could not be entered. Counts: for the loss of a server. */
size_t weir_pg_owed_ready_count(const weir_pg_owed *q);
/* Nothing is owed, no interjection waits, and the count can be believed. */
bool weir_pg_owed_is_empty(const weir_pg_owed *q);
/* Empty, and nothing was sent since the last Sync, Query or FunctionCall: no implicit transaction
 * is open, no portal suspended, no skipping under way. Only then may the server be lent again (if
 * its last ReadyForQuery said 'I'). */
bool weir_pg_owed_is_at_rest(const weir_pg_owed *q);
/* It is not known how many replies will come (owed.c, case 5), or the server broke the protocol or
 * is ending the session: serve the client as long as it lasts, never lend the connection again. */
bool weir_pg_owed_is_doubtful(const weir_pg_owed *q);

#endif
