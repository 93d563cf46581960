/* Private to listen.c and its parts, listen_*.c: what a hub is. */
#ifndef WEIR_GATEWAY_LISTEN_HUB_H
#define WEIR_GATEWAY_LISTEN_HUB_H

#include "gateway/internal.h"
#include "gateway/listen.h"
#include "gateway/listen_plan.h"

#define WEIR_HUB_NOTIFIERS 1024u
#define WEIR_HUB_CHANNELS_MAX (1u << 20)
/* Notifications between the hub and slow workers; over it they are lost, and that is said. */
#define WEIR_HUB_FLYING_MAX (64u * 1024 * 1024)

typedef enum weir_hub_state {
    WEIR_HUB_OFF,
    WEIR_HUB_WAITING, /* for a connection of the pool */
    WEIR_HUB_READY,
    WEIR_HUB_BACKOFF
} weir_hub_state;

/* A worker's part, touched by it alone but for `missed_posted`. */
typedef struct weir_hub_part {
    struct weir_hub *hub;
    weir_book book;
    weir_list listeners;
    uint64_t seq; /* of the newest notification */
    weir_task missed;
    _Atomic bool missed_posted;
} weir_hub_part;

/* A ticket on its way between a listener and the hub. */
typedef struct weir_hub_ticket {
    weir_task task;
    weir_hub *hub;
    weir_ticket ticket;
    weir_list of_listener; /* the worker's */
    weir_listener *listener;
    size_t user_len;
    char user[];
} weir_hub_ticket;

typedef struct weir_hub_note {
    weir_task task;
    weir_hub *hub;
    weir_note *note;
    unsigned worker;
} weir_hub_note;

struct weir_hub {
    weir_hub *next;
    weir_gateway *gateway;
    weir_database *database;
    weir_listen_stats *stats;
    unsigned home;
    char encoding[WEIR_ENCODING_MAX + 1];
    /* shared */
    _Atomic uint64_t notifiers[WEIR_HUB_NOTIFIERS]; /* server's pid << 32 | client's */
    _Atomic size_t flying;                          /* bytes of notes on their way */
    _Atomic int shown_state;                        /* weir_hub_state */
    _Atomic weir_time since;                        /* of the state */
    /* the home worker's */
    weir_hub_state state;
    weir_plan plan;
    weir_session session;
    weir_relay_sink sink;
    weir_question question;
    weir_buf text;
    bool asked, preparing, missed;
    weir_time asked_at, idle_since, backoff;
    weir_timer timer;
    weir_task moved;
    _Atomic bool moved_posted;
    size_t shown_channels; /* as counted in `stats` */
    char *user;
    weir_hub_part parts[];
};

/* ---- listen_hub.c: the home worker's side ---- */
void weir_hub_init_home(weir_hub *hub);
void weir_hub_fini_home(weir_hub *hub);
/* A task's `run`, on the home worker. */
void weir_hub_on_ticket(weir_task *task, weir_loop *loop);

/* ---- listen.c: the listeners' side ---- */
/* Tasks' `run`, on a listener's worker. */
void weir_hub_on_answer(weir_task *task, weir_loop *loop);
void weir_hub_on_note(weir_task *task, weir_loop *loop);

static inline weir_loop *weir_hub_loop(const weir_hub *hub, unsigned worker)
{
    return hub->gateway->workers[worker].loop;
}

#endif
