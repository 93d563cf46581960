/* What a client listens to, and when it is told. In transaction pooling a client's channels are
 * listened to by its database's hub (listen.h), never by the server connection that it borrows:
 *
 *   LISTEN x alone, as a Query with no connection lent: weir_listening_take does it, no server
 *   connection is needed;
 *   anything else runs on the server for real: weir_listening_admit before it goes there, and
 *   weir_listening_settle when its transaction has ended, which asks the server what it listens to
 *   now, has the hub listen to that, and only then has the connection stop.
 *
 * With session pooling (client->holds) all stays on the server connection and only
 * weir_listening_from_server and weir_listening_deliver concern it. */
#ifndef WEIR_GATEWAY_LISTENING_H
#define WEIR_GATEWAY_LISTENING_H

#include "base/error.h"
#include "base/slice.h"

struct weir_client;
typedef struct weir_listening weir_listening; /* client->listening; NULL: it never listened */

#define WEIR_LISTENING_WAIT 1    /* the stream is paused; it is resumed, then ask again */
#define WEIR_LISTENING_REFUSED 2 /* words in `err` */
#define WEIR_LISTENING_NOT_OURS 3

/* How weir_listening_settle ended. */
typedef enum weir_listening_outcome {
    WEIR_LISTENING_SETTLED,
    /* The hub cannot listen (see `err`): the server connection goes on listening, and the session
     * must be pinned to it (WEIR_EFFECT_LISTEN). */
    WEIR_LISTENING_KEEP,
    /* The connection was lost meanwhile; the sink's on_lost was or will be called too. */
    WEIR_LISTENING_LOST
} weir_listening_outcome;

typedef void weir_listening_done(struct weir_client *c, weir_listening_outcome outcome,
                                 const weir_error *err);

/* A Query of a client to which no connection is lent and nothing is owed. 0: it is exactly one
 * LISTEN or UNLISTEN; it is (or will be) answered, ReadyForQuery included, and the stream is paused
 * until then. WEIR_LISTENING_NOT_OURS: send it to the server. -ENOMEM. */
WEIR_MUST_CHECK int weir_listening_take(struct weir_client *c, weir_slice text);

/* Its answer is on the way: nothing behind it may be looked at before it is there. */
bool weir_listening_is_taking(const struct weir_client *c);

/* Before a statement with WEIR_EFFECT_LISTEN (LISTEN, UNLISTEN, or unknown) is relayed to
 * session.conn; `mid_batch`: extended messages were relayed since the last Sync. Has the hub listen
 * first to what the text names, so that nothing between its commit and weir_listening_settle can
 * be lost, and the server to what the client listens to already. 0: relay it; the transaction needs
 * weir_listening_settle. WEIR_LISTENING_WAIT: the same message again when the stream is resumed.
 * WEIR_LISTENING_REFUSED, -ENOMEM. */
WEIR_MUST_CHECK int weir_listening_admit(struct weir_client *c, weir_slice text, bool mid_batch,
                                         weir_error *err);

/* Before a statement that may end a transaction which needs weir_listening_settle: notifications
 * from before its commit are not for the newly named channels. 0; WEIR_LISTENING_WAIT as above. */
WEIR_MUST_CHECK int weir_listening_before_commit(struct weir_client *c);

/* A transaction that may have changed what is listened to has ended (status 'I', nothing owed) and
 * its ReadyForQuery is kept back. `failed`: an error was among its answers. `done` comes once,
 * perhaps from inside; then give out weir_listening_deliver and ReadyForQuery. -ENOMEM, …: `done`
 * is not called, the connection is unusable. */
bool weir_listening_must_settle(const struct weir_client *c);
WEIR_MUST_CHECK int weir_listening_settle(struct weir_client *c, bool failed,
                                          weir_listening_done *done);

/* Something of this is under way: the client is not at rest. */
bool weir_listening_is_busy(const struct weir_client *c);

/* Whether the client listens to anything through the hub. */
bool weir_listening_any(const struct weir_client *c);
/* The client's transaction may have notified somebody who listens through the hub, perhaps itself:
 * who learns from it that it has ended shall find the notification there. */
bool weir_listening_notified(const struct weir_client *c);
/* Such a transaction has ended and its ReadyForQuery is kept back: `done` comes when what it
 * notified was received (or there is no hub to receive it), always WEIR_LISTENING_SETTLED, perhaps
 * from inside. */
void weir_listening_sync(struct weir_client *c, weir_listening_done *done);

/* session.conn was lost: nothing is waited for on its behalf any more, and `done` came or comes
 * with WEIR_LISTENING_LOST. */
void weir_listening_lost(struct weir_client *c);

/* The client borrowed session.conn: notifications of that server process are shown as this
 * client's. Cheap; only matters while somebody listens to the database. */
void weir_listening_attached(struct weir_client *c);
/* It may be about to notify, perhaps on a connection that it has had since nobody listened. */
void weir_listening_notifies(struct weir_client *c);

/* A notification came on the client's own server connection (the sink's on_notification). */
void weir_listening_from_server(struct weir_client *c, uint32_t pid, weir_slice channel,
                                weir_slice payload);

/* There is something to deliver. */
bool weir_listening_has_news(const struct weir_client *c);
/* Writes what is queued, as far as the client reads it. Call it where PostgreSQL would: before a
 * ReadyForQuery of status 'I' that nothing is owed behind, at a message's end. Between transactions
 * notifications are written by themselves. */
void weir_listening_deliver(struct weir_client *c);
/* The client's stream has drained: goes on with what it had no room for. */
void weir_listening_drained(struct weir_client *c);

/* The client's stream or session ends. Harmless when repeated. */
void weir_listening_fini(struct weir_client *c);

/* For a session that is handed to another process: what it listens to, and listening again
 * (confirmed later; a failure is told to the client by a WARNING). */
void weir_listening_each(const struct weir_client *c, void (*visit)(void *user, weir_slice channel),
                         void *user);
WEIR_MUST_CHECK int weir_listening_resume(struct weir_client *c, weir_slice channel);

#endif
