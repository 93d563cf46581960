/* What a client's session has left behind on the server connection that it holds, and what becomes
 * of it: settings are taken along to the next connection, the rest keeps the session where it is.
 *
 * Invariant: a connection goes back to its pool only when every setting on it that is not its
 * login's is known (weir_conn_ops.adopted), and nothing else of the session is left there. What a
 * statement did is not concluded from its text: the text only says that there may be something, and
 * at the end of the transaction the server is asked.
 *
 *      KNOWN ──note (effects)──► NOTED ──settle (idle)──► LOOKING ──answer──► KNOWN, or PINNED
 *                                  ▲                         │ (a statement with effects)
 *                                  └─────────────────────────┘
 */
#ifndef WEIR_GATEWAY_STATE_H
#define WEIR_GATEWAY_STATE_H

#include "base/error.h"
#include "base/slice.h"
#include "engine/backend.h"
#include "proto/pg/pg.h"

struct weir_client;
typedef struct weir_state weir_state;

/* A statement of this text is about to go out on the connection held. -ENOMEM;
 * WEIR_SESSION_REFUSED with words: it would pin the session, and no more may be. */
WEIR_MUST_CHECK int weir_client_note_effects(struct weir_client *c, const weir_statement *statement,
                                             weir_slice text, weir_error *err);
/* Statements of its database that may move a sequence matter to their sessions. */
bool weir_client_watches_sequences(const struct weir_client *c);
/* A text bound to a parameter of such a statement: it could name a setting. -ENOMEM. */
WEIR_MUST_CHECK int weir_client_note_value(struct weir_client *c, weir_slice value);
/* The same with the arguments of a function call; `reader` is behind the function. */
WEIR_MUST_CHECK int weir_client_note_arguments(struct weir_client *c, weir_pg_reader reader);
/* One of those that leave nothing behind but what their transaction commits. */
bool weir_client_is_large_object(uint32_t function);
/* The server is idle, outside a transaction, and owes nothing. True: something has to be found out
 * first; weir_client_settled is called when it is. */
bool weir_client_state_unsettled(struct weir_client *c);
/* The answer is still to come: the client's next message waits for it, so that what is parsed is
 * known to be parsed under these settings, and RESET goes back to what the startup packet said. */
bool weir_client_state_awaited(const struct weir_client *c);
/* Statements under way may have changed settings that are not known yet. */
bool weir_client_state_changing(const struct weir_client *c);
/* DISCARD ALL has succeeded: nothing of the session is left but what no command takes back. */
void weir_client_state_discarded(struct weir_client *c);
/* The client is told that what was noted is done, before it could be asked about. */
void weir_client_state_told(struct weir_client *c);
/* The connection is lost, or the client leaves: whatever was on it is gone. True: among it what the
 * client was told is done. */
bool weir_client_state_drop(struct weir_client *c);

#endif
