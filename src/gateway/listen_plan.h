/* What a database's listening connection must listen to, and which statements bring it there: the
 * hub's bookkeeping. Workers want channels and are answered when a round trip that began after they
 * asked has ended well, so that whatever was notified before is then known to have come. No I/O. */
#ifndef WEIR_GATEWAY_LISTEN_PLAN_H
#define WEIR_GATEWAY_LISTEN_PLAN_H

#include "base/buf.h"
#include "gateway/listen_book.h"

#define WEIR_PLAN_WORKERS 128u
#define WEIR_PLAN_TEXT_MAX (64u * 1024)

typedef enum weir_ticket_kind {
    WEIR_TICKET_WANT,  /* listen to `name` for the worker */
    WEIR_TICKET_LEAVE, /* no longer */
    WEIR_TICKET_SYNC   /* a round trip */
} weir_ticket_kind;

/* Owned by the plan from want and sync until it is among the answered. */
typedef struct weir_ticket {
    weir_list node;
    weir_ticket_kind kind;
    unsigned worker;
    struct weir_plan_channel *channel; /* the plan's */
    weir_error err;                    /* the answer; sqlstate "": well */
    size_t len;
    uint8_t name[WEIR_CHANNEL_MAX];
} weir_ticket;

typedef struct weir_plan_channel {
    weir_list node; /* of `dirty` or `flying_channels`, or unlinked */
    uint64_t workers[WEIR_PLAN_WORKERS / 64];
    unsigned tickets;
    bool on_server;   /* as of the newest answer */
    bool flying;      /* a statement about it is under way … */
    bool listening;   /* … and it is LISTEN */
    bool refused;     /* the server would not: not tried again until wanted again */
    bool established; /* it was listened to, and somebody relies on it */
    size_t len;
    uint8_t name[WEIR_CHANNEL_MAX];
} weir_plan_channel;

typedef struct weir_plan {
    weir_map channels;
    weir_list dirty, flying_channels;
    weir_list waiting, flying; /* tickets */
    unsigned listens;          /* LISTENs under way */
    unsigned solo;             /* statements to send one by one, to find the one that fails */
    size_t wanted;             /* channels that a worker wants */
    bool probe;                /* a round trip is wanted for its own sake */
    bool under_way;
} weir_plan;

void weir_plan_init(weir_plan *plan, weir_hash_seed seed, size_t channels_max);
/* No ticket may be there (weir_plan_refuse). */
void weir_plan_fini(weir_plan *plan);

/* WEIR_MAP_FULL, -ENOMEM: the ticket stays the caller's. */
WEIR_MUST_CHECK int weir_plan_want(weir_plan *plan, weir_ticket *ticket);
void weir_plan_sync(weir_plan *plan, weir_ticket *ticket);
void weir_plan_leave(weir_plan *plan, unsigned worker, weir_slice name);
/* Channels that somebody wants. */
size_t weir_plan_size(const weir_plan *plan);
/* Which workers want the channel: bits; NULL: none. */
const uint64_t *weir_plan_workers(const weir_plan *plan, weir_slice name);

/* The next statements to send; false: there is nothing to do, or something is under way. -ENOMEM
 * in `*ret`: nothing changed. */
bool weir_plan_next(weir_plan *plan, weir_buf *out, int *ret);
/* They were answered, `err` NULL: well. Tickets that are answered by it are appended to
 * `answered`. False: the connection does not do what was relied on: give it up. */
WEIR_MUST_CHECK bool weir_plan_done(weir_plan *plan, const weir_error *err, weir_list *answered);
/* The connection is gone. True: a channel that somebody relied on was lost with it. Syncs are
 * answered: there is nothing to wait for. */
bool weir_plan_lost(weir_plan *plan, weir_list *answered);
/* There will be no connection for now: every ticket is answered with `err`, which may be NULL. */
void weir_plan_refuse(weir_plan *plan, const weir_error *err, weir_list *answered);
/* Every wanted channel is listened to. */
bool weir_plan_settled(const weir_plan *plan);

#endif
