/* Private to backend/valkey.
 *
 *   tier ── seat (one per worker) ── node (a server) ── conn ── requests, in order of sending
 *                └── gets that wait, in order of their deadlines
 *
 * Everything of a seat happens on its worker's thread. What a seat has is freed with the tier. */
#ifndef WEIR_BACKEND_VALKEY_INTERNAL_H
#define WEIR_BACKEND_VALKEY_INTERNAL_H

#include "backend/valkey/valkey.h"
#include "base/list.h"
#include "net/courier.h"
#include "proto/resp/resp.h"

#define VK_CONNS_MAX 16u
#define VK_NODES_MAX 1024u
#define VK_RESOLVED_MAX 4u
#define VK_OWED_MAX 1024u  /* replies that one connection owes at most */
#define VK_LATE_MAX 5u     /* gets late one after the other: the node is ill */
#define VK_PARCELS_MAX 64u /* being written by the encoder, of one seat */
#define VK_BACKOFF_MIN (100 * WEIR_MS)
#define VK_BACKOFF_MAX (10 * WEIR_SECOND)
#define VK_REFRESH_MIN (500 * WEIR_MS) /* between two looks at the cluster's slots */
#define VK_KEY_MAX 160u                /* prefix and digits */
#define VK_PREFIX_MAX 100u

typedef enum vk_counter {
    VK_GETS,
    VK_FOUND,
    VK_LATE,
    VK_SKIPPED,
    VK_PUTS,
    VK_DROPPED,
    VK_ERRORS,
    VK_REMOVED,
    VK_COUNTERS
} vk_counter;

typedef struct vk_tier vk_tier;
typedef struct vk_seat vk_seat;
typedef struct vk_node vk_node;

typedef enum vk_state {
    VK_CLOSED,
    VK_RESOLVING,
    VK_CONNECTING,
    VK_SECURING,
    VK_GREETING, /* HELLO, AUTH, SELECT are owed */
    VK_READY
} vk_state;

typedef enum vk_kind {
    VK_GET,
    VK_SET,
    VK_DELETE,
    VK_MARK,
    VK_HELLO,
    VK_AUTH, /* servers before 6 know no HELLO */
    VK_SELECT,
    VK_SLOTS,
    VK_ASKING
} vk_kind;

typedef struct vk_conn {
    vk_node *node;
    vk_state state;
    weir_stream *stream;
    weir_list requests; /* sent, not answered */
    unsigned owed;
    weir_timer timer; /* of getting ready */
} vk_conn;

struct vk_node {
    weir_list link; /* the seat's */
    vk_seat *seat;
    char *address;
    unsigned late; /* gets one after the other */
    weir_time retry_at, backoff;
    char resolved[VK_RESOLVED_MAX][WEIR_RESOLVED_MAX];
    unsigned resolved_count, resolved_at; /* the one that is tried */
    vk_conn conn[VK_CONNS_MAX];
};

typedef struct vk_request {
    weir_list link; /* the conn's */
    vk_kind kind;
    weir_tier_get *get; /* NULL: nobody waits (any more) */
    weir_list waiting;  /* the seat's; if somebody waits */
    weir_tier_key key;
    weir_time deadline;
    bool redirected; /* once is enough */
} vk_request;

/* Who has which; NULL: not known. */
typedef struct vk_slots {
    vk_node *node[WEIR_RESP_SLOTS];
} vk_slots;

struct vk_seat {
    vk_tier *tier;
    weir_loop *loop;
    weir_courier courier;
    bool detached;
    weir_list nodes;
    unsigned node_count;
    unsigned current; /* of the configured addresses, without a cluster */
    vk_slots *slots;  /* NULL: no cluster */
    weir_time refreshed_at;
    weir_list waiting;
    weir_timer timer; /* of those */
    unsigned parcels;
    weir_buf out; /* scratch: one command */
    weir_buf value;
};

struct vk_tier {
    weir_tier base;
    weir_valkey_options options; /* strings are ours */
    weir_executor *encoder;
    _Atomic uint64_t counts[VK_COUNTERS];
    _Atomic unsigned ready; /* connections */
    vk_seat *seats[];       /* options.workers; each its worker's */
};

static inline void vk_count(vk_tier *t, vk_counter c)
{
    atomic_fetch_add_explicit(&t->counts[c], 1, memory_order_relaxed);
}

/* ---- seat.c ---- */
/* A node of this address, made if absent; NULL: out of memory, or there are too many. */
vk_node *vk_node_get(vk_seat *seat, weir_slice address);
/* The request is answered: with nothing if `found` is empty. Frees it. */
void vk_request_end(vk_seat *seat, vk_request *q, weir_slice found);
/* GET, to this node, for whoever waits; false: it cannot be sent now. */
WEIR_MUST_CHECK bool vk_send_get(vk_node *node, vk_request *q, bool asking);

/* ---- conn.c ---- */
/* One that is ready and owes little; NULL: none. Opens more where there are too few. */
vk_conn *vk_conn_of(vk_node *node);
/* Sends AUTH by itself. False: no memory. */
WEIR_MUST_CHECK bool vk_conn_authenticate(vk_conn *c);
/* Sends what is in the seat's `out`, behind which `q` waits; takes `q` over. */
void vk_conn_send(vk_conn *c, vk_request *q);
/* A request of our own, without a get. False: no memory. */
WEIR_MUST_CHECK bool vk_conn_ask(vk_conn *c, vk_kind kind, const weir_slice *words, unsigned count);
/* The node failed: all its connections close, and it is left alone for a while. */
void vk_node_fail(vk_node *node, const char *why);
/* The connection failed: with its node, if others rely on it. */
void vk_conn_fail(vk_conn *c, const char *why);
/* Without a word, for good. */
void vk_node_close(vk_node *node);

/* ---- replies.c ---- */
/* One whole reply to `q`, which it ends. False: the connection is of no use. */
WEIR_MUST_CHECK bool vk_reply(vk_conn *c, vk_request *q, weir_slice reply);

/* ---- cluster.c ---- */
/* Asks the connection for the slots, not too often. */
void vk_cluster_refresh(vk_conn *c);
/* Some node does not answer: asks another one, or goes back to the configured addresses. */
void vk_cluster_doubt(vk_seat *seat);
/* The reply to CLUSTER SLOTS. */
void vk_cluster_learn(vk_conn *c, weir_slice reply);
/* The error is a redirection, and was followed, or the request ended with nothing. False: another
 * error. */
WEIR_MUST_CHECK bool vk_cluster_redirect(vk_conn *c, vk_request *q, weir_slice error);

#endif
