/* Private to gateway/: a transaction block that a client believes to be in and no server has. */
#ifndef WEIR_GATEWAY_LOST_H
#define WEIR_GATEWAY_LOST_H

#include "gateway/client.h"

typedef enum weir_lost {
    WEIR_LOST_NOT,
    WEIR_LOST_UNTOLD, /* while nothing was under way: its client does not know yet */
    WEIR_LOST_TOLD,
    WEIR_LOST_SKIPPED, /* amid a batch, the rest of which is skipped: it may hold the end */
    WEIR_LOST_PASSED   /* the Query at the front ended it, and the rest of its text waits */
} weir_lost;

/* What a statement does to the block around it. */
weir_block_effect weir_client_block_effect(const weir_statement *statement, weir_slice text);
/* ... and what the Execute with this body runs. */
weir_block_effect weir_client_block_of_portal(const weir_client *c, weir_slice body);

/* The client's server is gone, and the client lives on: what was owed is answered by `err`, and
 * where it stands is found. Before relay.sent is taken away. */
void weir_client_lose_block(weir_client *c, const weir_error *err, size_t ready_owed);
/* No server hears this message, as there is none, or as it is skipped: does it begin a block? */
void weir_client_block_unserved(weir_client *c, const weir_pg_frame *f);
/* A Sync: nothing is skipped any more; its ReadyForQuery is to follow. */
void weir_client_block_synced(weir_client *c);
/* A message that a server would answer, in a lost block. As weir_client_on_message. */
int weir_client_in_lost_block(weir_client *c, const weir_pg_frame *f);

#endif
