/* LISTEN for clients that hold no server connection. A hub per database (and client encoding)
 * listens on one connection of the pool for all of them.
 *
 *   listener ──want──► its worker's book ──ticket──► hub (one worker's) ──► LISTEN on its
 * connection listener ◄──note── its worker's book ◄──note── hub ◄── NotificationResponse
 *
 * A listener's calls and events are on its own worker. Tickets go to the hub and come back; a
 * notification is one shared note and one message per worker that wants its channel. Messages
 * between two workers keep their order, so a ticket that comes back has every notification that was
 * committed before the ticket was sent in front of it. */
#ifndef WEIR_GATEWAY_LISTEN_H
#define WEIR_GATEWAY_LISTEN_H

#include "engine/engine.h"
#include "engine/report.h"
#include "gateway/listen_book.h"
#include "gateway/listen_note.h"
#include "net/net.h"

#define WEIR_ENCODING_MAX 31u
#define WEIR_LOOK_MAX 384u

struct weir_gateway;
struct weir_gateway_worker;
typedef struct weir_hub weir_hub;
typedef struct weir_listener weir_listener;

typedef struct weir_listener_events {
    /* A notification for a channel that is ACTIVE. Borrowed. */
    void (*on_note)(weir_listener *listener, weir_note *note, uint64_t seq);
    /* Every want and sync so far was answered; `err`: of the first want that failed, or NULL. */
    void (*on_answered)(weir_listener *listener, const weir_error *err);
    /* Notifications may have been lost, and from here on are not any more. */
    void (*on_missed)(weir_listener *listener);
} weir_listener_events;

struct weir_listener {
    const weir_listener_events *events;
    struct weir_gateway_worker *worker;
    weir_hub *hub;
    weir_list node; /* of its worker's part of the hub, while it has members */
    weir_list members;
    weir_list tickets; /* under way */
    weir_note_queue early;
    weir_error failed; /* of the wants under way; sqlstate "" */
    bool is_early;     /* channels that it wants now become EARLY, not ACTIVE */
};

/* -ENOMEM. `encoding`: the client_encoding its names and payloads are in; "": the server's
 * default. */
WEIR_MUST_CHECK int weir_listener_init(weir_listener *listener, struct weir_gateway_worker *worker,
                                       weir_database *database, weir_slice encoding,
                                       const weir_listener_events *events);
void weir_listener_fini(weir_listener *listener);
const char *weir_listener_encoding(const weir_listener *listener);

/* Has the hub listen to a channel (also when it does already); on_answered follows, never from
 * inside. `user`: as whom, if no hub is connected. WEIR_MAP_FULL, -ENOMEM, -EINVAL: nothing
 * changed. */
WEIR_MUST_CHECK int weir_listener_want(weir_listener *listener, weir_slice user,
                                       weir_slice channel);
/* A round trip to the server, if the hub is connected; on_answered follows. */
WEIR_MUST_CHECK int weir_listener_sync(weir_listener *listener);
bool weir_listener_waits(const weir_listener *listener);
/* Its hub has a connection now. */
bool weir_listener_is_heard(const weir_listener *listener);
/* The same of the hub that clients of this encoding share, if there is one. */
bool weir_hub_is_heard(const struct weir_gateway *gateway, const weir_database *database,
                       weir_slice encoding);
/* NULL: it does not want it. */
weir_book_member *weir_listener_find(weir_listener *listener, weir_slice channel);
void weir_listener_leave(weir_listener *listener, weir_book_member *member);
void weir_listener_leave_all(weir_listener *listener);
/* From here on counts for EARLY channels. */
void weir_listener_mark(weir_listener *listener);
/* The position of the newest notification of this worker and hub. */
uint64_t weir_listener_position(const weir_listener *listener);

/* In both: `left`: the session's encoding is no longer that of the hub, which the names keep.
 *
 * Puts a question to `conn` that makes it listen to the listener's ACTIVE channels, unless it does
 * since this transaction or session began (listen_restore.c). -EMSGSIZE: they are too many, nothing
 * was asked; -ENOMEM, …: the connection is unusable. */
WEIR_MUST_CHECK int weir_listener_restore(const weir_listener *listener, weir_conn *conn,
                                          bool left);

/* The question what the connection listens to. Rows: true and whether it still is restored ("1"),
 * false and a channel's name for weir_listener_read_name. The text's length. */
size_t weir_listener_look(const weir_listener *listener, bool left, char ret[WEIR_LOOK_MAX]);
/* Its length; 0: not a name. */
size_t weir_listener_read_name(weir_slice hex, uint8_t ret[WEIR_CHANNEL_MAX]);

/* A client of `client_pid` is about to use the server process `server_pid`: what that notifies from
 * now on is shown as the client's. */
void weir_hubs_note_notifier(struct weir_gateway *gateway, const weir_database *database,
                             uint32_t server_pid, uint32_t client_pid);

/* The client that used the server process last, or the process itself. */
uint32_t weir_hub_notifier(weir_hub *hub, uint32_t server_pid);

/* Frees what the hubs of a gateway hold; every worker has stopped. */
void weir_hubs_free(struct weir_gateway *gateway);
/* The database is elsewhere now: its hubs listen there. From any thread. */
void weir_hubs_move(struct weir_gateway *gateway, const weir_database *database);
/* No more clients will come: hubs without listeners give their connections back. On the worker's
 * own thread, and so is the next. */
void weir_hubs_drain(struct weir_gateway_worker *worker);
/* Before its loop ends: nobody listens any more. */
void weir_hubs_stop_worker(struct weir_gateway_worker *worker);

/* SHOW LISTENS: the channels of a worker's clients (listen_report.c). */
#define WEIR_LISTENS_COLUMNS 7
extern const weir_report_column weir_listens_columns[WEIR_LISTENS_COLUMNS];
void weir_report_fill_listens(weir_report *report, struct weir_gateway_worker *worker);

#endif
