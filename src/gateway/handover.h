/* A gateway that is replaced by another process without dropping its clients. Private to gateway/.
 *
 * The old process gives its listening sockets, then its clients one by one as each comes to rest;
 * the new one takes them. Files: handover_codec.c (what is said), handover_wire.c (over what),
 * handover_client.c (a client into a record and back, on its worker), handover_give.c (the old
 * side), handover_take.c (the new side), both on the control thread. */
#ifndef WEIR_GATEWAY_HANDOVER_H
#define WEIR_GATEWAY_HANDOVER_H

#include "gateway/handover_codec.h"
#include "gateway/handover_wire.h"
#include "gateway/internal.h"

typedef struct weir_handover weir_handover;

/* ---- a client on its way (handover_client.c) ---- */

typedef struct weir_passage {
    weir_task task;
    weir_list node;
    weir_handover *handover;
    weir_gateway_worker *worker;
    int fd;
    uint32_t id;
    int result;
    bool stays; /* it was not taken: it remains here until it leaves */
    weir_buf record;
} weir_passage;

void weir_passage_free(weir_passage *p);
/* Has every worker look whether clients are to be given, and begin or stop. From any thread. */
void weir_gateway_settle(weir_gateway *g);
/* The client that the passage carries lives on at this worker's, paused; the descriptor is the
 * stream's. Negative: it does not, and the descriptor remains the passage's. */
WEIR_MUST_CHECK int weir_passage_arrive(weir_passage *p, weir_gateway_worker *worker);
/* It may be heard. */
void weir_client_set_out(weir_client *c);
/* A client that nobody can serve: 57P01, closed. Takes the descriptor. */
void weir_passage_turn_away(int fd);

/* It has come to rest while we leave (gateway->leaving): goes, or is told goodbye. */
void weir_client_rested(weir_client *c);
void weir_worker_init_handover(weir_gateway_worker *w);

/* What a client taken over has to say again to its own server (local.c) before it is heard. */
typedef struct weir_replay {
    weir_buf bytes;
    size_t pos;
} weir_replay;

void weir_client_go_on_replaying(weir_client *c);
void weir_replay_free(weir_replay *replay);

/* ---- client.c, for clients that come and go without a login ---- */
/* Without a stream; counted by the caller. */
weir_client *weir_client_new(weir_gateway_worker *worker);
/* The socket is its stream, paused, with these bytes received already. Negative: the descriptor
 * remains the caller's. */
WEIR_MUST_CHECK int weir_client_adopt_descriptor(weir_client *c, int fd, weir_slice unread);
/* Gives back what it holds and frees it; its stream is gone already. */
void weir_client_forget(weir_client *c);

/* ---- cancel requests that are not for one of ours (login.c) ---- */
typedef enum weir_cancel_from {
    WEIR_CANCEL_FROM_CLIENT,
    WEIR_CANCEL_FROM_NEWER, /* the successor passed it on */
    WEIR_CANCEL_FROM_OLDER  /* the predecessor did */
} weir_cancel_from;

/* On the control thread. */
void weir_client_cancel_from(weir_gateway *g, uint32_t id, weir_slice key, weir_cancel_from from);
/* From any thread; `h` may be NULL. */
void weir_handover_stray_cancel(weir_handover *h, uint32_t id, weir_slice key,
                                weir_cancel_from from);
/* Where the client of this id lives, if it does. */
weir_gateway_worker *weir_gateway_worker_of(weir_gateway *g, uint32_t id);

/* ---- the control thread's ---- */

weir_loop *weir_handover_loop(const weir_handover *h);

typedef struct weir_handover_options {
    weir_gateway *gateway;
    weir_loop *control;
    const char *const *argv; /* starts a successor, to which --takeover is added; NULL: cannot */
    const char *socket;      /* where a successor may connect; NULL: nowhere */
    /* The socket of admin HTTP: a duplicate; and whether another process serves it. May be NULL. */
    int (*share_admin)(void *user, int *ret_fd);
    void (*pause_admin)(void *user, bool paused);
    void *admin_user;
    _Atomic bool *another; /* set while another process of ours serves the same databases */
    /* No client is left here, or it is time to end for another reason. */
    void (*over)(void *user, const char *why);
    void *user;
} weir_handover_options;

WEIR_MUST_CHECK int weir_handover_new(const weir_handover_options *options, weir_handover **ret);
/* When the workers and the control loop have ended. NULL is fine. */
void weir_handover_free(weir_handover *h);
/* Listens for successors, if options.socket says where. Words in `err`. */
WEIR_MUST_CHECK int weir_handover_listen(weir_handover *h, weir_error *err);
/* Clients are between the two processes. */
bool weir_handover_busy(const weir_handover *h);
/* A clean end: tells the predecessor, stops giving. */
void weir_handover_end(weir_handover *h);

/* give */
/* Starts a successor. */
void weir_handover_restart(weir_handover *h);
void weir_handover_on_child(weir_handover *h, pid_t pid, int status);

/* take */
/* `from`: a path, or "fd:N". Waits for the predecessor's offer. Words in `err`. */
WEIR_MUST_CHECK int weir_handover_meet(weir_handover *h, const char *from, weir_error *err);
/* A listening socket of the predecessor's, the caller's from here on; -1: none. */
int weir_handover_take_listener(weir_handover *h, weir_handover_kind kind, const char *address);
/* We serve: the predecessor gives its clients from here on. */
WEIR_MUST_CHECK int weir_handover_ready(weir_handover *h);

/* ---- between the files ---- */

typedef enum weir_give_state {
    WEIR_GIVE_IDLE,
    WEIR_GIVE_OFFERING, /* a successor is there and prepares itself */
    WEIR_GIVE_GIVING,   /* it serves; our clients go over */
    WEIR_GIVE_ENDED
} weir_give_state;

#define WEIR_HANDOVER_LISTENERS_MAX 66u

typedef struct weir_inherited {
    weir_handover_kind kind;
    int fd;
    char address[256];
} weir_inherited;

struct weir_handover {
    weir_handover_options options;
    weir_log *log;
    weir_give_state give;
    weir_wire *newer;           /* to the successor */
    pid_t successor;            /* 0: not known */
    weir_list unanswered;       /* passages it has not said a word to */
    _Atomic unsigned under_way; /* passages, of either kind */
    weir_time give_until;
    weir_timer look;     /* whether all have gone */
    weir_listener *door; /* at options.socket */

    weir_wire *older;  /* to the predecessor */
    weir_list arrived; /* passages taken, while that is not in the kernel yet */
    bool taking;       /* the predecessor was told that we serve */
    weir_handover_offer offer;
    weir_inherited inherited[WEIR_HANDOVER_LISTENERS_MAX];
    unsigned inherited_count;
};

static inline void weir_handover_note_another(const weir_handover *h)
{
    bool two = h->older || h->give == WEIR_GIVE_GIVING || h->give == WEIR_GIVE_ENDED;
    atomic_store_explicit(h->options.another, two, memory_order_relaxed);
}

/* A passage has left its worker: `p` is the giver's. On the control thread. */
void weir_handover_on_given(weir_task *task, weir_loop *loop);
/* The socket's other end is a process of our user; its id. -EPERM, …. */
WEIR_MUST_CHECK int weir_handover_check_peer(int fd, pid_t *ret_pid);

#endif
